//! What a SigV4 signature covers, and what a mismatch shows (semantics 1.2, 1.5, 1.7.0).
//!
//! The canonical requests are spelled out: nothing here is made by the code that it tests.
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

use harness::{AKID, DATE, HOST, Request, SCOPE, hex, link_query, now_plus, sign};
use presign::{Fingerprint, Mechanism, SignedHost};
use sha2::{Digest, Sha256};

/// The canonical query of a standard link with these signed headers.
fn canonical_query(signed_headers: &str) -> String {
    let query = link_query(&[
        ("X-Amz-SignedHeaders", &signed_headers.replace(';', "%3B")),
        ("X-Amz-Signature", "-"),
    ]);
    query.replace("AKIDEXAMPLE/", "AKIDEXAMPLE%2F")
}

/// A link to `/b/k` whose headers are signed as the canonical block says.
fn link(method: &str, signed_headers: &str, canonical_headers: &str, payload: &str) -> Request {
    let query = canonical_query(signed_headers);
    let signature =
        sign(&format!("{method}\n/b/k\n{query}\n{canonical_headers}\n{signed_headers}\n{payload}"));
    Request::new(method, format!("/b/k?{query}&X-Amz-Signature={signature}"))
}

fn plain() -> Request {
    link("GET", "host", "host:s3.example.com\n", "UNSIGNED-PAYLOAD")
}

#[test]
fn a_link_verifies_to_what_it_says() {
    let request = plain();
    let verified = request.verify().unwrap();
    assert_eq!(verified.access_key_id(), AKID);
    assert_eq!(verified.mechanism(), Mechanism::V4Query);
    assert_eq!(verified.signed_at(), Some(now_plus(0)));
    assert_eq!(verified.expires_at(), Some(now_plus(3600)));
    assert!(verified.chunk_decoder(0, &[]).is_none());
    let signature = request.target.rsplit_once('=').unwrap().1;
    assert_eq!(verified.fingerprint(), Fingerprint::of_signature(signature.as_bytes()));
    let shown = format!("{verified:?}");
    assert!(!shown.contains(signature) && shown.contains(AKID), "{shown}");
}

#[test]
fn a_mismatch_shows_what_should_have_been_signed() {
    let request = Request { method: "PUT".to_owned(), ..plain() };
    let mismatch = request.mismatch();
    let canonical_request = format!(
        "PUT\n/b/k\n{}\nhost:s3.example.com\n\nhost\nUNSIGNED-PAYLOAD",
        canonical_query("host")
    );
    let hash = hex(&Sha256::digest(&canonical_request));
    assert_eq!(mismatch.access_key_id, AKID);
    assert_eq!(mismatch.string_to_sign, format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{hash}"));
    assert_eq!(mismatch.canonical_request, Some(canonical_request));
    assert_eq!(mismatch.signature_provided, request.target.rsplit_once('=').unwrap().1);
    let shown = format!("{mismatch:?} {mismatch}");
    assert!(!shown.contains(&hash) && !shown.contains(&mismatch.signature_provided), "{shown}");
}

#[test]
fn only_the_signature_itself_matches() {
    fn check(respell: impl Fn(&str) -> String, expected: &str) {
        let Request { target, .. } = plain();
        let (link, signature) = target.rsplit_once('=').unwrap();
        let request = Request::get(format!("{link}={}", respell(signature)));
        assert_eq!(request.outcome(), expected);
    }
    check(str::to_owned, "Unsigned");
    check(str::to_uppercase, "Mismatch");
    check(|signature| format!("{signature}0"), "Mismatch");
    check(|signature| format!("{signature}%20"), "Mismatch");
    check(|signature| signature.chars().skip(1).collect(), "Mismatch");
    check(|_| String::new(), "Mismatch");
    check(|_| "%FF".to_owned(), "Mismatch");
    // Decoding comes first, so an escape of the same byte is the same byte.
    check(|signature| format!("%{:x}{}", signature.as_bytes()[0], &signature[1..]), "Unsigned");
}

#[test]
fn the_signature_counts_wherever_it_stands() {
    let Request { target, .. } = plain();
    let (rest, signature) = target.rsplit_once("&X-Amz-Signature=").unwrap();
    let (path, query) = rest.split_once('?').unwrap();
    let first = Request::get(format!("{path}?X-Amz-Signature={signature}&{query}"));
    assert_eq!(first.outcome(), "Unsigned");
    // A second one is neither read nor covered.
    assert_eq!(Request::get(format!("{target}&X-Amz-Signature=x")).outcome(), "Unsigned");
    assert_eq!(Request::get(format!("{path}?X-Amz-Signature=x&{query}")).outcome(), "Mismatch");
}

#[test]
fn every_parameter_is_covered() {
    let Request { target, .. } = plain();
    assert_eq!(Request::get(format!("{target}&x-id=GetObject")).outcome(), "Mismatch");
    assert_eq!(Request::get(format!("{target}&acl")).outcome(), "Mismatch");
    assert_eq!(Request::get(format!("{target}&X-Amz-Expires=3600")).outcome(), "Mismatch");
    assert_eq!(Request::get(format!("{target}&X-Amz-Security-Token=t")).outcome(), "Mismatch");
    // Empty pairs are no parameters.
    assert_eq!(Request::get(format!("{target}&&")).outcome(), "Unsigned");
}

/// What is signed twice is covered twice, and read once (semantics 1.1.7).
#[test]
fn repeated_parameters_are_all_covered() {
    let query = canonical_query("host")
        .replace("X-Amz-Expires=3600", "X-Amz-Expires=3600&X-Amz-Expires=60");
    let signature =
        sign(&format!("GET\n/b/k\n{query}\nhost:s3.example.com\n\nhost\nUNSIGNED-PAYLOAD"));
    let request = Request::get(format!("/b/k?{query}&X-Amz-Signature={signature}"));
    assert_eq!(request.verify().unwrap().expires_at(), Some(now_plus(3600)));
}

#[test]
fn spellings_of_the_same_bytes_are_the_same() {
    let query = canonical_query("host");
    let signature = sign(&format!(
        "GET\n/b/a%20%21%2Bb//./../c~/%C3%A9/\nA=%2F&{query}&b=\nhost:s3.example.com\n\nhost\n\
         UNSIGNED-PAYLOAD"
    ));
    let check = |path: &str, extra: &str, expected: &str| {
        let target = format!("{path}?{extra}&{query}&X-Amz-Signature={signature}");
        assert_eq!(Request::get(target).outcome(), expected, "{path} {extra}");
    };
    check("/b/a%20!%2bb//./../c%7e/%c3%a9/", "b&A=/", "Unsigned");
    check("/b/a%20%21+b//./../c~/é/", "b=&%41=%2f", "Unsigned");
    check("/b/a%20%21%2Bb/./../c~/%C3%A9/", "b&A=/", "Mismatch");
    check("/b/a%20%21%2Bb//../c~/%C3%A9/", "b&A=/", "Mismatch");
    check("/b/a%20%21%2Bb//./../c~/%C3%A9", "b&A=/", "Mismatch");
    check("/b/a%2520%21%2Bb//./../c~/%C3%A9/", "b&A=/", "Mismatch");
    check("/b/a+%21%2Bb//./../c~/%C3%A9/", "b&A=/", "Mismatch");
    check("/b/a%20%21%2Bb//./../c~/%C3%A9/", "b&A=%252F", "Mismatch");
}

#[test]
fn a_signed_header_must_be_as_signed() {
    let canonical = "content-type:text/plain; charset=utf-8\nhost:s3.example.com\n\
                     x-amz-meta-a:1,2 3\n";
    let request = || link("PUT", "content-type;host;x-amz-meta-a", canonical, "UNSIGNED-PAYLOAD");
    let content_type = "text/plain; charset=utf-8";
    let check = |content_type: &str, meta: &[&str], expected: &str| {
        let mut request = request().with("content-type", content_type);
        for value in meta {
            request = request.with("x-amz-meta-a", *value);
        }
        assert_eq!(request.outcome(), expected, "{content_type} {meta:?}");
    };
    check(content_type, &["1", "2 3"], "Unsigned");
    check(content_type, &[" 1\t", "\t2   3 "], "Unsigned");
    check(content_type, &["1,2 3"], "Unsigned");
    check(content_type, &["2 3", "1"], "Mismatch");
    check(content_type, &["1"], "Mismatch");
    check(content_type, &["1", "2\t3"], "Mismatch");
    check("text/plain;charset=utf-8", &["1", "2 3"], "Mismatch");
    check("Text/plain; charset=utf-8", &["1", "2 3"], "Mismatch");
    // Others may come unsigned.
    let request = request().with("content-type", content_type).with("x-amz-meta-a", "1,2 3");
    assert_eq!(request.with("range", "bytes=0-1").with("origin", "x").outcome(), "Unsigned");
}

/// One that is found nowhere is a mismatch (semantics 1.2.11, 1.7.1).
#[test]
fn a_signed_header_may_stand_in_the_query_instead() {
    let sse = "x-amz-server-side-encryption";
    let hoisted = |signed: &str, canonical: &str, extra: &str| {
        let query = format!("{}&{extra}", canonical_query(signed));
        let signature =
            sign(&format!("PUT\n/b/k\n{query}\n{canonical}\n{signed}\nUNSIGNED-PAYLOAD"));
        Request::new("PUT", format!("/b/k?{query}&X-Amz-Signature={signature}"))
    };
    let names = format!("host;{sse}");
    let canonical = format!("host:s3.example.com\n{sse}:AES256\n");
    let request = hoisted(&names, &canonical, &format!("{sse}=AES256"));
    assert_eq!(request.outcome(), "Unsigned");
    assert_eq!(request.clone().with(sse, "AES256").outcome(), "Unsigned");
    assert_eq!(request.with(sse, "aws:kms").outcome(), "Mismatch");
    // The first one, decoded and trimmed.
    let twice = hoisted(&names, &canonical, &format!("{sse}=%20AES256%0A&{sse}=aws%3Akms"));
    assert_eq!(twice.outcome(), "Unsigned");

    // Content-MD5 must come as a header, and a name in other letters is another name.
    let md5 = hoisted("content-md5;host", "content-md5:x\nhost:s3.example.com\n", "content-md5=x");
    assert_eq!(md5.outcome(), "Mismatch");
    let other = hoisted(&names, &canonical, &format!("{}=AES256", sse.to_uppercase()));
    assert_eq!(other.outcome(), "Mismatch");

    // In neither place: whatever the signer made of that.
    for canonical in ["host:s3.example.com\nx-none:\n", "host:s3.example.com\n"] {
        let absent = link("GET", "host;x-none", canonical, "UNSIGNED-PAYLOAD");
        assert_eq!(absent.outcome(), "Mismatch");
        assert_eq!(
            absent.with("x-none", "").outcome(),
            if canonical.contains("none") { "Unsigned" } else { "Mismatch" }
        );
    }
}

/// What semantics 1.2.11 says is about links: the headers of a header-signed request must be there.
#[test]
fn a_header_signed_request_takes_no_header_from_the_query() {
    let names = "host;x-amz-acl;x-amz-date";
    let signature = sign(&format!(
        "GET\n/b/k\nx-amz-acl=private\nhost:s3.example.com\nx-amz-acl:private\n\
         x-amz-date:{DATE}\n\n{names}\nUNSIGNED-PAYLOAD"
    ));
    let request = Request::get("/b/k?x-amz-acl=private")
        .with("x-amz-date", DATE)
        .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .with(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={AKID}/{SCOPE}, SignedHeaders={names}, \
                 Signature={signature}"
            ),
        );
    assert_eq!(request.outcome(), "Mismatch");
    assert_eq!(request.with("x-amz-acl", "private").outcome(), "Unsigned");
}

/// All of semantics 1.2.12a to 1.2.12f.
#[test]
fn the_payload_of_a_link_is_what_a_header_says() {
    const NAME: &str = "x-amz-content-sha256";
    let unsigned_header = |payload: &str, value: &str| {
        link("PUT", "host", "host:s3.example.com\n", payload).with(NAME, value).outcome()
    };
    let hash = hex(&Sha256::digest(b"body"));
    let hashed = format!("Sha256({hash:?})");
    // a: unsigned, it replaces the payload line.
    assert_eq!(unsigned_header("UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"), "Unsigned");
    assert_eq!(unsigned_header("UNSIGNED-PAYLOAD", &hash), "Mismatch");
    assert_eq!(unsigned_header(&hash, &hash), hashed);
    // b: signed, the body must be that one.
    let canonical = format!("host:s3.example.com\n{NAME}:{hash}\n");
    let signed = link("PUT", &format!("host;{NAME}"), &canonical, &hash);
    assert_eq!(signed.clone().with(NAME, hash.clone()).outcome(), hashed);
    assert_eq!(signed.outcome(), "Mismatch");
    // d: in the query it is a parameter like any other.
    let query = canonical_query("host")
        .replace("&X-Amz-Credential", &format!("&X-Amz-Content-Sha256={hash}&X-Amz-Credential"));
    let signature =
        sign(&format!("PUT\n/b/k\n{query}\nhost:s3.example.com\n\nhost\nUNSIGNED-PAYLOAD"));
    let in_query = Request::new("PUT", format!("/b/k?{query}&X-Amz-Signature={signature}"));
    assert_eq!(in_query.outcome(), "Unsigned");
    // e and f: an ill-formed value, or a streaming word, is a hash that no body has.
    for word in ["bogus", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", &hash.to_uppercase()] {
        assert_eq!(unsigned_header(word, word), format!("Sha256({word:?})"));
    }
}

#[test]
fn tokens_are_found_by_the_rules() {
    const NAME: &str = "x-amz-security-token";
    let query = |signed: &str, extra: &str| {
        Request::get(format!("/b/k?{}{extra}", link_query(&[("X-Amz-SignedHeaders", signed)])))
    };
    let signed = format!("host;{NAME}");
    let check = |request: Request, expected: &str| assert_eq!(request.token(), expected);
    check(query("host", ""), "absent");
    check(query("host", "&X-Amz-Security-Token="), "");
    check(query("host", "&X-Amz-Security-Token=a%2Fb&X-Amz-Security-Token=c"), "a/b");
    check(query("host", "&x-amz-security-token=a"), "absent");
    check(query(&signed, "").with(NAME, " h "), "h");
    check(query(&signed, "&X-Amz-Security-Token=q").with(NAME, "h"), "h");
    check(query(&signed, "&X-Amz-Security-Token=q"), "q");
    check(query(&signed, "").with(NAME, "h").with(NAME, "h"), "h");
    check(query(&signed, "").with(NAME, "h").with(NAME, "i"), "conflicting");
}

#[test]
fn each_host_is_tried_and_what_arrived_is_shown() {
    fn host<'h>(host: &'h str, path: &'h str) -> SignedHost<'h> {
        SignedHost { host, path, prefix: "", virtual_bucket: None }
    }
    let request = plain();
    let check = |hosts: &[SignedHost<'_>], holds: bool| {
        let result = request.verify_at(hosts);
        assert_eq!(result.is_ok(), holds, "{hosts:?}");
        if let Err(refusal) = result {
            let harness::Refusal::Mismatch(mismatch) = *refusal else { panic!("{refusal:?}") };
            let shown = mismatch.canonical_request.unwrap();
            assert!(shown.contains(&format!("\nhost:{HOST}\n")), "{shown}");
            assert!(shown.starts_with("GET\n/b/k\n"), "{shown}");
        }
    };
    check(&[host(HOST, "/b/k")], true);
    check(&[host("a", "/b/k"), host("b", "/p/b/k"), host(HOST, "/b/k")], true);
    check(&[host("a", "/b/k"), host(HOST, "/p/b/k")], false);
    check(&[host("S3.example.com", "/b/k")], false);
    check(&[host("s3.example.com:9000", "/b/k")], false);
    check(&[], false);
}

/// A key that was cached for another scope or mechanism verifies nothing.
#[test]
fn a_key_of_another_kind_verifies_nothing() {
    let v2 = format!("/b/k?AWSAccessKeyId={AKID}&Expires={}&Signature=0", now_plus(60).as_second());
    let keys = [plain(), Request::get(v2)].map(|request| {
        request.read(|head| {
            let claim = presign::SignatureClaim::from_request(head).unwrap().unwrap();
            let expected =
                presign::ExpectedScope::new("us-east-1", "s3").with_sigv2(presign::SigV2Use::Allow);
            let claim = claim.admit(&expected, now_plus(0)).unwrap();
            let secret = presign::SecretAccessKey::new(harness::SECRET);
            let key = presign::VerifyingKey::derive(&claim, &secret);
            (claim.key_scope().is_some(), key)
        })
    });
    let [(true, v4_key), (false, v2_key)] = keys else { panic!("{keys:?}") };
    for (key, holds) in [(v4_key, true), (v2_key, false)] {
        plain().read(|head| {
            let claim = presign::SignatureClaim::from_request(head).unwrap().unwrap();
            let expected =
                presign::ExpectedScope::new("us-east-1", "s3").with_sigv2(presign::SigV2Use::Allow);
            let claim = claim.admit(&expected, now_plus(0)).unwrap();
            let host = SignedHost { host: HOST, path: "/b/k", prefix: "", virtual_bucket: None };
            assert_eq!(claim.verify(&[host], &key).is_ok(), holds);
        });
    }
}
