//! SigV4 links: every row of the catalogue of refusals, and their order (semantics 1.1, 1.3,
//! 1.4, 1.6, 1.7).
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

use harness::{AKID, Refusal, Request, link_query, now_plus};
use presign::{ClaimError, Mechanism, VerifyError};

#[track_caller]
fn check(changes: &[(&str, &str)], expected: &str) {
    let request = Request::get(format!("/b/k?{}", link_query(changes)));
    assert_eq!(request.outcome(), expected, "{changes:?}");
}

#[test]
fn a_request_without_a_mechanism_is_anonymous() {
    let check = |target: &str| assert_eq!(Request::get(target).outcome(), "Anonymous", "{target}");
    check("/b/k");
    check("/b/k?acl&prefix=x");
    check("/b/k?X-Amz-Security-Token=t");
    check("/b/k?Expires=1");
    // Names are case-sensitive.
    check("/b/k?x-amz-algorithm=AWS4-HMAC-SHA256&x-amz-signature=0&signature=0");
}

#[test]
fn two_mechanisms_are_refused_whatever_they_say() {
    fn check(target: &str, authorizations: &[&str], expected: Option<&str>) {
        let mut request = Request::get(target);
        for authorization in authorizations {
            request = request.with("authorization", *authorization);
        }
        match *request.verify().unwrap_err() {
            Refusal::Claim(ClaimError::TwoMechanisms { authorization }) => {
                let shown = authorization.as_ref().map(presign::Echo::as_str);
                assert_eq!(shown, expected, "{target}");
            }
            other => panic!("{target} {other:?}"),
        }
    }
    let v4 = format!("/b/k?{}", link_query(&[]));
    let both = format!("{v4}&Signature=0");
    check(&v4, &["AWS4-HMAC-SHA256 garbage"], Some("AWS4-HMAC-SHA256 garbage"));
    check(&v4, &["AWS a:b"], Some("AWS a:b"));
    check(&v4, &["garbage", "twice"], Some("garbage"));
    check("/b/k?X-Amz-Algorithm=garbage", &["garbage"], Some("garbage"));
    check("/b/k?X-Amz-Signature=", &["garbage"], Some("garbage"));
    check("/b/k?Signature=garbage", &["garbage"], Some("garbage"));
    check(&both, &[], None);
    check(&both, &["x"], Some("x"));
}

#[test]
fn all_six_parameters_are_needed() {
    for name in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ] {
        check(&[(name, "-")], "MissingQueryParameters");
        let alone = Request::get(format!("/b/k?{name}=1"));
        assert_eq!(alone.outcome(), "MissingQueryParameters", "{name}");
    }
}

#[test]
fn one_algorithm_is_known() {
    check(&[("X-Amz-Algorithm", "AWS4-HMAC-SHA512")], "UnsupportedAlgorithm");
    check(&[("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256")], "UnsupportedAlgorithm");
    check(&[("X-Amz-Algorithm", "aws4-hmac-sha256")], "UnsupportedAlgorithm");
    check(&[("X-Amz-Algorithm", "")], "UnsupportedAlgorithm");
}

#[test]
fn a_credential_has_five_parts_and_a_day() {
    let check = |credential: &str, expected: &str| {
        check(&[("X-Amz-Credential", credential)], expected);
    };
    check("", "MalformedCredential");
    check("a%2F20260615%2Fus-east-1%2Fs3", "MalformedCredential");
    check("a%2F20260615%2Fus-east-1%2Fs3%2Faws4_request%2Fx", "MalformedCredential");
    check("a%252F20260615%252Fus-east-1%252Fs3%252Faws4_request", "MalformedCredential");
    check("%FF%2F20260615%2Fus-east-1%2Fs3%2Faws4_request", "MalformedCredential");
    let bad_date = |value: &str| format!("MalformedCredentialDate {{ value: {value:?} }}");
    check("a/2026061/us-east-1/s3/aws4_request", &bad_date("2026061"));
    check("a/20261301/us-east-1/s3/aws4_request", &bad_date("20261301"));
    // Literal slashes are as good as encoded ones.
    check("a/20260615/us-east-1/s3/aws4_request", "Mismatch");
}

#[test]
fn a_date_has_one_form() {
    for date in ["", "20260615", "2026-06-15T12:00:00Z", "20260615T120000", "20260632T120000Z"] {
        check(&[("X-Amz-Date", date)], "MalformedDate");
    }
    check(&[("X-Amz-Date", "20260615T120000%5A")], "Mismatch");
}

#[test]
fn an_expiry_is_a_number_of_up_to_a_week() {
    let check = |expires: &str, expected: &str| check(&[("X-Amz-Expires", expires)], expected);
    for text in ["", "x", "1.5", "1h", "%FF", "9223372036854775808", "-9223372036854775809"] {
        check(text, "ExpiresNotANumber");
    }
    check("-1", "ExpiresNegative");
    check("-9223372036854775808", "ExpiresNegative");
    check("604801", "ExpiresTooLong");
    check("9223372036854775807", "ExpiresTooLong");
    check("604800", "Mismatch");
}

#[test]
fn signed_headers_are_limited() {
    let names = |count: usize| vec!["host"; count].join("%3B");
    let max = presign::SIGNED_HEADERS_MAX;
    check(&[("X-Amz-SignedHeaders", &names(max))], "Mismatch");
    check(&[("X-Amz-SignedHeaders", &names(max + 1))], "TooManySignedHeaders");
}

#[test]
fn of_repeated_parameters_the_first_is_read() {
    let with = |extra: &str| Request::get(format!("/b/k?{}&{extra}", link_query(&[])));
    assert_eq!(with("X-Amz-Expires=x&X-Amz-Date=x&X-Amz-Algorithm=x").outcome(), "Mismatch");
    let first = Request::get(format!("/b/k?X-Amz-Expires=x&{}", link_query(&[])));
    assert_eq!(first.outcome(), "ExpiresNotANumber");
    let encoded = Request::get(format!("/b/k?X-Amz-%45xpires=x&{}", link_query(&[])));
    assert_eq!(encoded.outcome(), "ExpiresNotANumber");
}

/// Each row mends the first fault of the row before.
#[test]
fn faults_are_reported_in_order() {
    let mut changes = vec![
        ("X-Amz-Algorithm", "x"),
        ("X-Amz-Credential", "x"),
        ("X-Amz-Date", "x"),
        ("X-Amz-Expires", "x"),
        ("X-Amz-SignedHeaders", "x"),
    ];
    let mut step = |name: &'static str, value: &'static str, expected: &str| {
        check(&changes, expected);
        changes.iter_mut().find(|(own, _)| *own == name).unwrap().1 = value;
    };
    step("X-Amz-Algorithm", "AWS4-HMAC-SHA256", "UnsupportedAlgorithm");
    step("X-Amz-Credential", "a/x/r/v/t", "MalformedCredential");
    step("X-Amz-Credential", "a/20260614/r/v/t", "MalformedCredentialDate { value: \"x\" }");
    step("X-Amz-Date", "20260615T130000Z", "MalformedDate");
    step("X-Amz-Expires", "1", "ExpiresNotANumber");
    step(
        "X-Amz-Date",
        "20260615T110000Z",
        "NotYetValid { signed_at: Some(2026-06-15T13:00:00Z), expires_at: 2026-06-15T13:00:01Z, \
         server_time: 2026-06-15T12:00:00Z }",
    );
    step(
        "X-Amz-Date",
        "20260615T120000Z",
        "Expired { expires_seconds: Some(1), expires_at: 2026-06-15T11:00:01Z, \
         server_time: 2026-06-15T12:00:00Z }",
    );
    step(
        "X-Amz-Credential",
        "a/20260615/r/v/t",
        "WrongDay { mechanism: V4Query, credential_day: \"20260614\", request_day: \"20260615\" }",
    );
    step(
        "X-Amz-Credential",
        "a/20260615/us-east-1/v/t",
        "WrongRegion { mechanism: V4Query, region: \"r\", expected: \"us-east-1\" }",
    );
    step(
        "X-Amz-Credential",
        "a/20260615/us-east-1/s3/t",
        "WrongService { mechanism: V4Query, service: \"v\", expected: \"s3\" }",
    );
    step(
        "X-Amz-Credential",
        "a/20260615/us-east-1/s3/aws4_request",
        "WrongTerminal { mechanism: V4Query, terminal: \"t\" }",
    );
    step("X-Amz-SignedHeaders", "host", "HeadersNotSigned { names: [\"host\"] }");
    step("X-Amz-SignedHeaders", "host", "Mismatch");
}

#[test]
fn a_link_opens_a_quarter_of_an_hour_early_and_ends_with_its_last_second() {
    fn check(expires: &str, seconds: i64, expected: &str) {
        let query = link_query(&[("X-Amz-Expires", expires)]);
        let outcome = Request::get(format!("/b/k?{query}")).after(seconds).outcome();
        assert_eq!(outcome.split(' ').next(), Some(expected), "{expires} {seconds}");
    }
    check("3600", -900, "Mismatch");
    check("3600", -901, "NotYetValid");
    check("3600", 0, "Mismatch");
    check("3600", 3600, "Mismatch");
    check("3600", 3601, "Expired");
    check("604800", 604_800, "Mismatch");
    check("604800", 604_801, "Expired");
    check("0", 0, "Expired");
    check("0", -60, "Expired");
    check("1", 1, "Mismatch");
    check("1", 2, "Expired");
}

#[test]
fn the_server_time_is_in_whole_seconds() {
    let query = link_query(&[("X-Amz-Expires", "1")]);
    let request = Request::get(format!("/b/k?{query}"));
    let late = now_plus(1).checked_add(jiff::SignedDuration::from_millis(999)).unwrap();
    request.read(|head| {
        let claim = presign::SignatureClaim::from_request(head).unwrap().unwrap();
        assert_eq!(claim.mechanism(), Mechanism::V4Query);
        assert_eq!(claim.access_key_id(), AKID);
        assert_eq!(claim.scope().unwrap().to_string(), harness::SCOPE);
        let expected =
            presign::ExpectedScope::new("us-east-1", "s3").with_sigv2(presign::SigV2Use::Allow);
        assert!(claim.admit(&expected, late).is_ok());
    });
}

#[test]
fn every_amz_header_must_be_signed() {
    fn check(signed: &str, headers: &[&str], expected: &[&str]) {
        let query = link_query(&[("X-Amz-SignedHeaders", signed)]);
        let mut request = Request::get(format!("/b/k?{query}"));
        for name in headers {
            request = request.with(name, "v");
        }
        match *request.verify().unwrap_err() {
            Refusal::Verify(VerifyError::HeadersNotSigned { names }) => {
                assert_eq!(names, expected);
            }
            Refusal::Mismatch(_) => assert!(expected.is_empty(), "{headers:?}"),
            other => panic!("{other:?}"),
        }
    }
    check("host", &[], &[]);
    check("", &[], &["host"]);
    check("range", &["x-amz-acl"], &["host", "x-amz-acl"]);
    check(
        "host;x-amz-acl",
        &["x-amz-tagging", "x-amz-acl", "x-amz-meta-b", "x-amz-meta-a", "x-amz-meta-b"],
        &["x-amz-meta-a", "x-amz-meta-b", "x-amz-tagging"],
    );
    check("host", &["x-amz-date"], &["x-amz-date"]);
    check("host", &["x-amz-security-token"], &["x-amz-security-token"]);
    check("host", &["x-amz-checksum-crc32"], &["x-amz-checksum-crc32"]);
    check("host", &["x-amz-user-agent"], &["x-amz-user-agent"]);
    check("host", &["x-amz-"], &["x-amz-"]);
    // The one exception, and what only looks like one of them.
    check("host", &["x-amz-content-sha256"], &[]);
    check("host", &["x-amzn-trace-id", "x-am", "x-custom", "range", "content-type"], &[]);
    // A caller that forgot to lower a name.
    check("host", &["X-Amz-Acl"], &["X-Amz-Acl"]);
    check("HOST;X-AMZ-ACL", &["x-amz-acl"], &[]);
}
