//! SigV2 links: their refusals, and what their signature covers (semantics 1.10).
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

use harness::{AKID, HOST, Refusal, Request, SECRET, now_plus};
use presign::{SigV2Use, SignedHost, encode_component};

/// Seconds of the link's end: an hour after the harness's now.
fn expires() -> i64 {
    now_plus(3600).as_second()
}

/// A link to `target` (which may have a query) whose string to sign a row spells out, but for the
/// method and the end.
fn link(method: &str, target: &str, md5_and_type: &str, rest: &str) -> Request {
    let expires = expires();
    let string_to_sign = format!("{method}\n{md5_and_type}\n{expires}\n{rest}");
    let mac = <hmac::Hmac<sha1::Sha1> as hmac::KeyInit>::new_from_slice(SECRET.as_bytes());
    let mac = hmac::Mac::chain_update(mac.unwrap(), string_to_sign);
    let bytes = hmac::Mac::finalize(mac).into_bytes();
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let separator = if target.contains('?') { '&' } else { '?' };
    Request::new(
        method,
        format!(
            "{target}{separator}AWSAccessKeyId={AKID}&Signature={}&Expires={expires}",
            encode_component(signature.as_bytes())
        ),
    )
}

#[track_caller]
fn check(request: &Request, expected: &str) {
    assert_eq!(request.outcome(), expected, "{request:?}");
}

#[test]
fn all_three_parameters_are_needed() {
    for target in [
        "/b/k?Signature=0&Expires=1",
        "/b/k?AWSAccessKeyId=a&Expires=1",
        "/b/k?AWSAccessKeyId=a&Signature=0",
        "/b/k?Signature=",
    ] {
        check(&Request::get(target), "MissingSigV2Parameters");
    }
}

#[test]
fn an_end_is_a_number_of_31_bits() {
    let with = |expires: &str| {
        let request = Request::get(format!("/b/k?AWSAccessKeyId=a&Signature=0&Expires={expires}"));
        request.outcome()
    };
    for text in ["", "x", "-1", "1.5", "2147483648", "99999999999999999999"] {
        assert_eq!(with(text), format!("InvalidSigV2Expires {{ value: {text:?} }}"));
    }
    assert!(with("2147483647").starts_with("NotYetValid"));
    assert!(with("0").starts_with("Expired"));
}

#[test]
fn a_link_opens_a_week_before_its_end() {
    let request = link("GET", "/b/k", "\n", "/b/k");
    check(&request.clone().after(3600), "Unsigned");
    check(
        &request.clone().after(3601),
        "Expired { expires_seconds: None, expires_at: 2026-06-15T13:00:00Z, \
         server_time: 2026-06-15T13:00:01Z }",
    );
    check(&request.clone().after(3600 - 604_800), "Unsigned");
    check(
        &request.after(3600 - 604_801),
        "NotYetValid { signed_at: None, expires_at: 2026-06-15T13:00:00Z, \
         server_time: 2026-06-08T12:59:59Z }",
    );
}

#[test]
fn sigv2_can_be_denied() {
    let request = Request { sigv2: SigV2Use::Deny, ..link("GET", "/b/k", "\n", "/b/k") };
    check(&request, "SigV2Denied");
    check(&request.after(7200), "SigV2Denied");
}

#[test]
fn a_link_verifies_to_what_it_says() {
    let verified = link("GET", "/b/k", "\n", "/b/k").verify().unwrap();
    assert_eq!(verified.access_key_id(), AKID);
    assert_eq!(verified.mechanism(), presign::Mechanism::V2Query);
    assert_eq!(verified.signed_at(), None);
    assert_eq!(verified.expires_at(), Some(now_plus(3600)));
}

#[test]
fn a_mismatch_shows_the_string_to_sign_alone() {
    let request = Request { method: "PUT".to_owned(), ..link("GET", "/b/k", "\n", "/b/k") };
    let mismatch = request.mismatch();
    assert_eq!(mismatch.string_to_sign, format!("PUT\n\n\n{}\n/b/k", expires()));
    assert_eq!(mismatch.canonical_request, None);
    assert!(mismatch.signature_provided.ends_with('='), "decoded");
}

#[test]
fn the_resource_has_the_path_as_it_is_and_the_sub_resources() {
    let check = |target: &str, resource: &str| {
        check(&link("GET", target, "\n", resource), "Unsigned");
    };
    check("/b/a%2Fb%2fc/é!", "/b/a%2Fb%2fc/é!");
    check("/b//./../", "/b//./../");
    check("/b", "/b/");
    check("/b/", "/b/");
    check("/", "/");
    check("/b/k?acl", "/b/k?acl");
    check("/b/k?uploads=", "/b/k?uploads");
    check("/b/k?versionId=a%2Bb&partNumber=1", "/b/k?partNumber=1&versionId=a+b");
    check("/b/k?response-expires=a%26b&x=1&prefix=p", "/b/k?response-expires=a&b");
    check("/b/k?ACL&Versionid=1", "/b/k");
    check("/b/k?%61cl", "/b/k?acl");
    check("/b/k?versionId=2&versionId=1", "/b/k?versionId=2&versionId=1");
}

/// Anything outside the list can be added to a link; anything in it cannot.
#[test]
fn every_sub_resource_is_covered() {
    for name in [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    ] {
        let mut request = link("GET", "/b/k", "\n", "/b/k");
        request.target.extend(["&", name, "=x"]);
        check(&request, "Mismatch");
        check(&link("GET", &format!("/b/k?{name}=x"), "\n", &format!("/b/k?{name}=x")), "Unsigned");
    }
    let mut request = link("GET", "/b/k", "\n", "/b/k");
    request.target += "&prefix=x&x-id=y";
    check(&request, "Unsigned");
}

/// The string of a link with two sub-resources is also that of one whose value holds the other.
#[test]
fn an_ambiguous_value_never_verifies() {
    let string = "/b/k?response-expires=1&versionId=2";
    check(&link("GET", "/b/k?response-expires=1&versionId=2", "\n", string), "Unsigned");
    check(&link("GET", "/b/k?response-expires=1%26versionId=2", "\n", string), "Mismatch");
    check(
        &link("GET", "/b/k?response-expires=1%26x=2", "\n", "/b/k?response-expires=1&x=2"),
        "Unsigned",
    );
    let two = "x-amz-acl:private\nx-amz-meta-a:1\n/b/k";
    check(&link("PUT", "/b/k?x-amz-acl=private&x-amz-meta-a=1", "\n", two), "Unsigned");
    check(&link("PUT", "/b/k?x-amz-acl=private%0Ax-amz-meta-a:1", "\n", two), "Mismatch");
    check(&link("PUT", "/b/k?x-amz-acl%3Aprivate%0Ax-amz-meta-a=1", "\n", two), "Mismatch");
    let colon = "x-amz-server-side-encryption:aws:kms\n/b/k";
    check(&link("PUT", "/b/k?x-amz-server-side-encryption=aws:kms", "\n", colon), "Unsigned");
    check(&link("PUT", "/b/k?x-amz-server-side-encryption%3Aaws=kms", "\n", colon), "Mismatch");
}

#[test]
fn a_bucket_in_the_host_is_part_of_the_resource() {
    fn check(path: &str, prefix: &str, virtual_bucket: Option<&str>, resource: &str) {
        let request = link("GET", path, "\n", resource);
        let hosts = [
            SignedHost { host: "elsewhere", path: "/x", prefix: "", virtual_bucket: None },
            SignedHost { host: HOST, path, prefix, virtual_bucket },
        ];
        assert!(request.verify_at(&hosts).is_ok(), "{path} {prefix}");
        match *request.verify_at(&hosts[..1]).unwrap_err() {
            Refusal::Mismatch(mismatch) => assert!(mismatch.string_to_sign.ends_with("\n/x/")),
            other => panic!("{other:?}"),
        }
    }
    check("/k", "", Some("bucket"), "/bucket/k");
    check("/", "", Some("bucket"), "/bucket/");
    check("/pre/fix/b/k", "/pre/fix", None, "/b/k");
    check("/pre/fix/b", "/pre/fix", None, "/b/");
    check("/pre/fix/k", "/pre/fix", Some("bucket"), "/bucket/k");
    check("/b/k", "/other", None, "/b/k");
}

#[test]
fn the_content_headers_must_be_sent() {
    let request = link("PUT", "/b/k", "md5\ntext/plain", "/b/k");
    check(&request, "Mismatch");
    let sent = request.with("content-md5", " md5 ").with("content-type", "text/plain");
    check(&sent, "Unsigned");
    check(&sent.clone().without("content-md5"), "Mismatch");
    check(&sent.without("content-type").with("content-type", "text/html"), "Mismatch");
    // botocore writes them into the URL; they count only as headers.
    let hoisted =
        link("PUT", "/b/k?content-type=text%2Fplain&content-md5=md5", "md5\ntext/plain", "/b/k");
    check(&hoisted, "Mismatch");
    check(&hoisted.with("content-md5", "md5").with("content-type", "text/plain"), "Unsigned");
}

#[test]
fn amz_headers_count_from_headers_and_query() {
    let signed = "x-amz-meta-a:1\nx-amz-meta-b:2  3\n/b/k";
    let in_query = "/b/k?x-amz-meta-b=2%20%203&x-amz-meta-a=1";
    check(&link("PUT", in_query, "\n", signed), "Unsigned");
    check(&link("PUT", in_query, "\n", signed).with("x-amz-meta-a", "1"), "Unsigned");
    check(&link("PUT", "/b/k?X-Amz-Meta-A=1&x-amz-meta-b=2%20%203", "\n", signed), "Unsigned");
    // Headers have their blanks as they are, but not at their ends.
    let by_header = link("PUT", "/b/k", "\n", "x-amz-meta-a:1,2\n/b/k");
    check(&by_header, "Mismatch");
    check(&by_header.clone().with("x-amz-meta-a", " 1").with("x-amz-meta-a", "2"), "Unsigned");
    check(
        &by_header.with("x-amz-meta-a", "1").with("x-amz-meta-a", "2").with("x-amz-acl", "x"),
        "Mismatch",
    );
    // A header sent twice counts twice, even with one value.
    let twice = link("PUT", "/b/k", "\n", "x-amz-meta-a:1,1\n/b/k");
    check(&twice.with("x-amz-meta-a", "1").with("x-amz-meta-a", "1"), "Unsigned");
    // A query value cannot contradict a signed header, nor be added.
    let mut request =
        link("PUT", "/b/k", "\n", "x-amz-acl:private\n/b/k").with("x-amz-acl", "private");
    check(&request, "Unsigned");
    request.target += "&x-amz-acl=public-read";
    check(&request, "Mismatch");
    let mut request = link("PUT", "/b/k", "\n", "/b/k");
    request.target += "&X-AMZ-ACL=public-read";
    check(&request, "Mismatch");
    // `x-amz-date` is a header like any other, and `Date` none at all.
    check(&link("GET", "/b/k", "\n", "/b/k").with("date", "x"), "Unsigned");
    check(&link("GET", "/b/k", "\n", "/b/k").with("x-amz-date", "x"), "Mismatch");
}

#[test]
fn the_payload_is_what_a_header_says() {
    let with = |value: &str| {
        let signed = format!("x-amz-content-sha256:{value}\n/b/k");
        link("PUT", "/b/k", "\n", &signed).with("x-amz-content-sha256", value).outcome()
    };
    assert_eq!(with("UNSIGNED-PAYLOAD"), "Unsigned");
    for word in ["bogus", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        assert_eq!(with(word), format!("Sha256({word:?})"));
    }
}

#[test]
fn tokens_are_found_in_query_and_headers() {
    const NAME: &str = "x-amz-security-token";
    let query = |extra: &str| link("GET", &format!("/b/k?x=y{extra}"), "\n", "/b/k");
    assert_eq!(query("").token(), "absent");
    assert_eq!(query("&x-amz-security-token=a%2Fb").token(), "a/b");
    assert_eq!(query("").with(NAME, "h").token(), "h");
    assert_eq!(query("&x-amz-security-token=h").with(NAME, "h").token(), "h");
    assert_eq!(query("&x-amz-security-token=q").with(NAME, "h").token(), "conflicting");
    assert_eq!(query("&x-amz-security-token=q&X-Amz-Security-Token=r").token(), "conflicting");
    let signed =
        link("GET", "/b/k?x-amz-security-token=t%2B", "\n", "x-amz-security-token:t+\n/b/k");
    check(&signed, "Unsigned");
}

#[test]
fn only_the_signature_itself_matches() {
    let Request { target, .. } = link("GET", "/b/k", "\n", "/b/k");
    // Without the padding, and with a line end: the same bytes for a lenient decoder.
    check(&Request::get(target.replace("%3D", "")), "Mismatch");
    check(&Request::get(target.replace("%3D", "%3D%0A")), "Mismatch");
    check(&Request::get(target.replace("%3D", "=")), "Unsigned");
}
