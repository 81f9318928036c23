//! `Authorization` headers: every refusal, and their order (semantics 1.6.1, 1.7.0a, 1.9.2,
//! 6.6.2).
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "support/harness.rs"]
mod harness;

use harness::{DATE, Refusal, Request, credentials, hex, now_plus};
use presign::{
    AuthorizationDefect, ClaimError, SignedPayload, Signer, StreamingMode, sign_request,
};
use sha2::{Digest, Sha256};

const CREDENTIAL: &str = "Credential=AKIDEXAMPLE/20260615/us-east-1/s3/aws4_request";

/// A request that lacks nothing but a signature that holds.
fn request(authorization: &str) -> Request {
    Request::get("/b/k")
        .with("x-amz-date", DATE)
        .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .with("authorization", authorization)
}

fn authorization(credential: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 {credential}, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0"
    )
}

fn claim_error(request: &Request) -> ClaimError {
    match *request.verify().unwrap_err() {
        Refusal::Claim(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_authorization_headers_are_refused() {
    let valid = authorization(CREDENTIAL);
    let twice = request(&valid).with("authorization", valid.clone());
    assert_eq!(twice.outcome(), "RepeatedAuthorization");
}

#[test]
fn one_mechanism_is_known() {
    fn check(value: &str) {
        match claim_error(&request(value)) {
            ClaimError::UnsupportedAuthorization { value: shown } => {
                assert_eq!(shown.as_str(), value);
            }
            other => panic!("{value} {other:?}"),
        }
    }
    check("garbage");
    check("Basic dXNlcjpwYXNz");
    check("Bearer x");
    check("AWS4-HMAC-SHA512 Credential=x");
    check("AWS4-HMAC-SHA256Credential=x");
    check("aws4-hmac-sha256 Credential=x");
    check("AWSx:y");
}

#[test]
fn an_empty_header_is_no_credentials() {
    assert_eq!(request("").outcome(), "Anonymous");
}

#[test]
fn a_sigv2_header_is_always_refused() {
    for value in ["AWS AKIDEXAMPLE:c2ln", "AWS x", "AWS"] {
        assert_eq!(request(value).outcome(), "SigV2Authorization", "{value}");
    }
}

#[test]
fn the_three_components_are_needed_once_each() {
    fn check(attributes: &str, expected: &AuthorizationDefect) {
        let error = claim_error(&request(&format!("AWS4-HMAC-SHA256 {attributes}")));
        let ClaimError::MalformedAuthorization(defect) = error else { panic!("{error:?}") };
        assert_eq!(&defect, expected, "{attributes}");
    }
    fn check_component(attributes: &str, expected: &str) {
        let error = claim_error(&request(&format!("AWS4-HMAC-SHA256 {attributes}")));
        let ClaimError::MalformedAuthorization(AuthorizationDefect::MalformedComponent {
            component,
        }) = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(component.as_str(), expected, "{attributes}");
    }
    let three = AuthorizationDefect::NotThreeComponents;
    check(&format!("{CREDENTIAL}, SignedHeaders=host"), &three);
    check(&format!("{CREDENTIAL}, Signature=0"), &three);
    check("SignedHeaders=host, Signature=0", &three);
    check(&format!("{CREDENTIAL},SignedHeaders=host,Signature=0,Signature=0"), &three);
    check_component("", "");
    check_component("x", "x");
    check_component(&format!("{CREDENTIAL}, SignedHeaders=host, Signature=0,"), "");
    check_component(&format!("{CREDENTIAL}, SignedHeaders=host, Signature=0, X=y"), "X=y");
    check_component("credential=x", "credential=x");

    let malformed = AuthorizationDefect::MalformedCredential;
    let rest = "SignedHeaders=host, Signature=0";
    check(&format!("Credential=a/20260615/us-east-1, {rest}"), &malformed);
    check(&format!("Credential=a/20260615/us-east-1/s3/aws4_request/x, {rest}"), &malformed);
    check(&format!("Credential=a%2F20260615%2Fr%2Fs3%2Faws4_request, {rest}"), &malformed);
    let date = AuthorizationDefect::MalformedCredentialDate { value: "x".to_owned() };
    check(&format!("Credential=a/x/us-east-1/s3/aws4_request, {rest}"), &date);
    let names = vec!["host"; presign::SIGNED_HEADERS_MAX + 1].join(";");
    check(
        &format!("{CREDENTIAL}, SignedHeaders={names}, Signature=0"),
        &AuthorizationDefect::TooManySignedHeaders,
    );
}

/// Each row mends the first fault of the row before.
#[test]
fn faults_are_reported_in_order() {
    let check = |request: &Request, expected: &str| assert_eq!(request.outcome(), expected);
    let malformed = "AWS4-HMAC-SHA256 Credential=a/20260614/r/v/t, SignedHeaders=x, Signature=0";
    let bare = Request::get("/b/k").with("authorization", malformed);
    check(&bare, "MissingDate");
    let wrong_service = bare.with("x-amz-date", DATE);
    let at_s3 = Request::get("/b/k")
        .with("authorization", malformed.replace("/v/", "/s3/"))
        .with("x-amz-date", DATE);
    check(&at_s3, "MissingContentSha256");
    let skewed = wrong_service.after(901);
    check(
        &skewed,
        "RequestTimeTooSkewed { request_time: \"20260615T120000Z\", \
         server_time: 2026-06-15T12:15:01Z }",
    );
    check(
        &skewed.after(0),
        "WrongDay { mechanism: V4Header, credential_day: \"20260614\", request_day: \"20260615\" }",
    );
    let credential = |scope: &str| request(&authorization(&format!("Credential=a/{scope}")));
    check(
        &credential("20260615/r/v/t"),
        "WrongRegion { mechanism: V4Header, region: \"r\", expected: \"us-east-1\" }",
    );
    check(
        &credential("20260615/us-east-1/v/t"),
        "WrongService { mechanism: V4Header, service: \"v\", expected: \"s3\" }",
    );
    let unsigned = credential("20260615/us-east-1/s3/t").with("x-amz-acl", "private");
    check(&unsigned, "WrongTerminal { mechanism: V4Header, terminal: \"t\" }");
    let unsigned = credential("20260615/us-east-1/s3/aws4_request").with("x-amz-acl", "private");
    check(&unsigned, "HeadersNotSigned { names: [\"x-amz-acl\"] }");
    check(&unsigned.without("x-amz-acl"), "Mismatch");
}

#[test]
fn a_clock_may_be_a_quarter_of_an_hour_off() {
    fn check(seconds: i64, expected: &str) {
        let outcome = request(&authorization(CREDENTIAL)).after(seconds).outcome();
        assert_eq!(outcome.split(' ').next(), Some(expected), "{seconds}");
    }
    check(-900, "Mismatch");
    check(-901, "RequestTimeTooSkewed");
    check(900, "Mismatch");
    check(901, "RequestTimeTooSkewed");
}

#[test]
fn the_date_is_read_from_either_header() {
    fn check(amz_date: Option<&str>, date: Option<&str>, expected: &str) {
        let authorization = "AWS4-HMAC-SHA256 Credential=a/20260615/us-east-1/s3/aws4_request, \
                             SignedHeaders=date;host;x-amz-date, Signature=0";
        let mut request = Request::get("/b/k")
            .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .with("authorization", authorization);
        if let Some(date) = date {
            request = request.with("date", date);
        }
        if let Some(date) = amz_date {
            request = request.with("x-amz-date", date);
        }
        assert_eq!(request.outcome(), expected, "{amz_date:?} {date:?}");
    }
    let http = "Mon, 15 Jun 2026 12:00:00 GMT";
    check(None, None, "MissingDate");
    check(Some("x"), Some(DATE), "MissingDate");
    check(Some(http), None, "MissingDate");
    check(None, Some("x"), "MissingDate");
    check(None, Some("Tue, 15 Jun 2026 12:00:00 GMT"), "MissingDate");
    check(None, Some(DATE), "Mismatch");
    check(None, Some(http), "Mismatch");
    check(None, Some(" 20260615T120000Z "), "Mismatch");
    check(Some(DATE), Some("Mon, 15 Jun 2020 12:00:00 GMT"), "Mismatch");
    check(
        None,
        Some("Mon, 15 Jun 2026 11:00:00 GMT"),
        "RequestTimeTooSkewed { request_time: \"Mon, 15 Jun 2026 11:00:00 GMT\", \
         server_time: 2026-06-15T12:00:00Z }",
    );
}

/// Signs with `Date` alone: the string to sign still has the ISO form.
#[test]
fn a_date_header_alone_verifies() {
    for date in [DATE, "Mon, 15 Jun 2026 12:00:00 GMT"] {
        let signature = harness::sign(&format!(
            "GET\n/b/k\n\ndate:{date}\nhost:s3.example.com\n\ndate;host\nUNSIGNED-PAYLOAD"
        ));
        let request = Request::get("/b/k")
            .with("date", date)
            .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .with(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=date;host, Signature={signature}"
                ),
            );
        assert_eq!(request.outcome(), "Unsigned", "{date}");
        let signed_at = request.verify().unwrap().signed_at();
        assert_eq!(signed_at, Some(now_plus(0)));
    }
}

#[test]
fn signed_header_names_are_put_in_order_before_use() {
    let signature = harness::sign(
        "GET\n/b/k\n\nhost:s3.example.com\nx-amz-date:20260615T120000Z\n\nhost;x-amz-date\n\
         UNSIGNED-PAYLOAD",
    );
    let names = "X-Amz-Date;host;HOST";
    let value =
        format!("AWS4-HMAC-SHA256 {CREDENTIAL},SignedHeaders={names},Signature={signature}");
    assert_eq!(request(&value).outcome(), "Unsigned");
}

#[test]
fn the_body_is_what_the_header_says() {
    fn check(value: &str, expected: &str) {
        let request = request(&authorization(CREDENTIAL))
            .without("x-amz-content-sha256")
            .with("x-amz-content-sha256", value);
        assert_eq!(request.outcome(), expected, "{value}");
    }
    let invalid = |value: &str| format!("InvalidContentSha256 {{ value: {value:?} }}");
    check("", &invalid(""));
    check("x", &invalid("x"));
    check("unsigned-payload", &invalid("unsigned-payload"));
    check(&"a".repeat(63), &invalid(&"a".repeat(63)));
    check(&"g".repeat(64), &invalid(&"g".repeat(64)));
    let ecdsa = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
    check(ecdsa, &invalid(ecdsa));
    check(&"a".repeat(64), "Mismatch");
    check("UNSIGNED-PAYLOAD", "Mismatch");
    check("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Mismatch");
    let twice = request(&authorization(CREDENTIAL)).with("x-amz-content-sha256", "x");
    assert_eq!(twice.outcome(), invalid("UNSIGNED-PAYLOAD,x"));
}

/// What this crate signs, it verifies, to what it was told about the body.
#[test]
fn signed_requests_verify() {
    fn check(payload: SignedPayload, token: Option<&str>, expected: &str) {
        let mut request = Request::new("PUT", "/b/a%20b//..?partNumber=1&uploadId=a%2Bb")
            .with("content-type", "text/plain")
            .with("x-amz-meta-a", " a  b ")
            .with("x-amz-meta-a", "c")
            .with("user-agent", "anything");
        let credentials = credentials(token);
        let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
        let signed =
            request.read(|head| sign_request(head, payload, &signer, now_plus(0)).unwrap());
        let streams = matches!(payload, SignedPayload::Streaming(_));
        assert_eq!(signed.chunk_encoder().is_some(), streams);
        for (name, value) in &signed.headers {
            request = request.with(name, value.clone());
        }
        assert_eq!(request.outcome(), expected);
        assert_eq!(request.token(), token.unwrap_or("absent"));
        let verified = request.verify().unwrap();
        assert_eq!(verified.expires_at(), None);
        assert_eq!(verified.chunk_decoder(0, &[]).is_some(), streams);
        // What was not signed may change; what was signed may not.
        let request = request.without("user-agent").with("user-agent", "another");
        assert_eq!(request.outcome(), expected);
        assert_eq!(request.without("content-type").outcome(), "Mismatch");
    }
    let hash: [u8; 32] = Sha256::digest(b"body").into();
    check(SignedPayload::Unsigned, None, "Unsigned");
    check(SignedPayload::Sha256(hash), Some("t/+="), &format!("Sha256({:?})", hex(&hash)));
    for mode in
        [StreamingMode::Signed, StreamingMode::SignedTrailer, StreamingMode::UnsignedTrailer]
    {
        check(SignedPayload::Streaming(mode), None, &format!("Streaming({mode:?})"));
    }
}

#[test]
fn a_request_without_host_cannot_be_signed() {
    let credentials = credentials(None);
    let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
    let request = Request::get("/").without("host");
    let result =
        request.read(|head| sign_request(head, SignedPayload::Unsigned, &signer, now_plus(0)));
    assert_eq!(result.unwrap_err(), presign::SignError::MissingHost);
}

/// Other services hash the body they are sent; only an empty one verifies without.
#[test]
fn other_services_need_no_content_sha256() {
    let credentials = credentials(None);
    let signer = Signer { credentials: &credentials, region: "us-east-1", service: "sts" };
    let hash: [u8; 32] = Sha256::digest(b"Action=GetCallerIdentity").into();
    let mut request = Request::new("POST", "/");
    let payload = SignedPayload::Sha256(hash);
    let signed = request.read(|head| sign_request(head, payload, &signer, now_plus(0)).unwrap());
    for (name, value) in signed.headers {
        assert_ne!(name, "x-amz-content-sha256");
        request = request.with(name, value);
    }
    for (supplied, holds) in [(Some(hash), true), (None, false), (Some([0; 32]), false)] {
        request.read(|head| {
            let claim = presign::SignatureClaim::from_request(head).unwrap().unwrap();
            let expected =
                presign::ExpectedScope::new("us-east-1", "sts").with_sigv2(presign::SigV2Use::Deny);
            let claim = claim.admit(&expected, now_plus(0)).unwrap();
            assert!(claim.needs_body_sha256());
            let claim = match supplied {
                Some(hash) => claim.with_body_sha256(&hash),
                None => claim,
            };
            let secret = presign::SecretAccessKey::new(harness::SECRET);
            let key = presign::VerifyingKey::derive(&claim, &secret);
            let host = presign::SignedHost {
                host: harness::HOST,
                path: "/",
                prefix: "",
                virtual_bucket: None,
            };
            let result = claim.verify(&[host], &key);
            assert_eq!(result.is_ok(), holds);
            if let Ok(verified) = result {
                assert_eq!(verified.payload(), &presign::Payload::Sha256(hex(&hash)));
            }
        });
    }
}
