//! Signed URLs and cookies of CloudFront: what other signers make is made again and verified, and what is refused.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests"
)]

#[path = "support/cloudfront_entry.rs"]
mod entry;

use std::net::IpAddr;

use jiff::Timestamp;
use presign::{
    CloudFrontClaim, CloudFrontHash, CloudFrontKeyError, CloudFrontPolicy, CloudFrontPresented,
    CloudFrontPrivateKey, CloudFrontPublicKey, CloudFrontRefusal, CloudFrontSigner,
    CloudFrontStyle, DenialReason, SIGNED_COOKIES_BYTES_MAX,
};
use proptest::prelude::*;
use serde_json::Value;

const RSA: &str = include_str!("vectors/cloudfront/cf-rsa.pem");
const RSA_PUBLIC: &str = include_str!("vectors/cloudfront/cf-rsa.pub.pem");
const EC: &str = include_str!("vectors/cloudfront/cf-ec.pem");
const EC_PUBLIC: &str = include_str!("vectors/cloudfront/cf-ec.pub.pem");
const KEY_ID: &str = "K2JCJMDEHXQW5F";
const END: i64 = 1_767_290_400;
const HOST: &str = "https://d111111abcdef8.cloudfront.net";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn client(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn signer(pem: &str, hash: CloudFrontHash, style: CloudFrontStyle) -> CloudFrontSigner {
    let key = CloudFrontPrivateKey::from_pem(pem).unwrap();
    CloudFrontSigner::new(KEY_ID, key).with_hash(hash).with_style(style)
}

fn policy(resource: &str) -> CloudFrontPolicy {
    CloudFrontPolicy::new(resource, at(END)).unwrap()
}

fn split(url: &str) -> (&str, &str) {
    url.split_once('?').unwrap_or((url, ""))
}

/// What a viewer at an address is answered at a time, if it asks for the URL with these cookies.
fn open(
    url: &str,
    cookies: &[&str],
    (from, now): (&str, i64),
    pem: &str,
) -> Result<(), CloudFrontRefusal> {
    let (plain, query) = split(url);
    let claim = CloudFrontClaim::from_request(query, cookies.iter().map(|line| line.as_bytes()))?;
    assert_eq!(claim.key_pair_id(), KEY_ID);
    let rest = CloudFrontClaim::unsigned_query(query);
    let asked = if rest.is_empty() { plain.to_owned() } else { format!("{plain}?{rest}") };
    let urls = ["http://other.test/".to_owned() + &asked[HOST.len() + 1..], asked];
    let verified = claim.verify(&urls, &CloudFrontPublicKey::from_pem(pem).unwrap())?;
    assert_eq!(verified.ends_at(), at(END));
    verified.judge(&urls, client(from), at(now))
}

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn urls_of_other_signers_are_made_again_and_open() {
    let js = vectors(include_str!("vectors/cloudfront/js.json"));
    let boto = vectors(include_str!("vectors/cloudfront/botocore.json"));
    let both = [(js, CloudFrontStyle::JavaScript), (boto, CloudFrontStyle::Cli)];
    let mut made = 0;
    for (vectors, style) in both {
        for vector in vectors {
            let Some(expected) = vector["url"].as_str() else { continue };
            let hash = if expected.ends_with("SHA256") {
                CloudFrontHash::Sha256
            } else {
                CloudFrontHash::Sha1
            };
            let (plain, query) = split(expected);
            let rest = CloudFrontClaim::unsigned_query(query);
            let url = if rest.is_empty() { plain.to_owned() } else { format!("{plain}?{rest}") };
            let wanted = if !expected.contains("Policy=") {
                policy(&url)
            } else if style == CloudFrontStyle::Cli {
                let resource = format!("{HOST}/videos/*");
                let wanted = policy(&resource).with_source("192.0.2.0/24".parse().unwrap());
                wanted.with_start(at(1_767_200_000)).unwrap()
            } else {
                let wanted = policy(&url).with_source("192.0.2.7/32".parse().unwrap());
                wanted.with_start(at(1_767_200_000)).unwrap()
            };
            if let Some(text) = vector["policy"].as_str() {
                assert_eq!(wanted.to_json(style), text);
            }
            let signed = signer(RSA, hash, style).sign_url(&url, &wanted).unwrap();
            assert_eq!(signed, expected, "{}", vector["name"]);
            assert_eq!(open(expected, &[], ("192.0.2.7", END - 1), RSA_PUBLIC), Ok(()));
            made += 1;
        }
    }
    assert_eq!(made, 7);
}

#[test]
fn cookies_of_other_signers_are_made_again_and_open() {
    let mut made = 0;
    for vector in vectors(include_str!("vectors/cloudfront/js.json")) {
        let Value::Object(expected) = &vector["cookies"] else { continue };
        let hash = expected.get("CloudFront-Hash-Algorithm").and_then(Value::as_str);
        let hash = CloudFrontHash::parse(hash.unwrap_or("SHA1")).unwrap();
        let signer = signer(RSA, hash, CloudFrontStyle::JavaScript);
        let signed = match vector["policy"].as_str() {
            Some(text) => signer.sign_cookies_with_text(text),
            None => signer.sign_cookies(&policy(&format!("{HOST}/image.jpg"))),
        };
        let signed = signed.unwrap();
        assert_eq!(signed.len(), expected.len());
        for cookie in &signed {
            let value = expected[cookie.name].to_string();
            assert_eq!(cookie.value, value.trim_matches('"'), "{}", cookie.name);
        }
        let line: Vec<_> =
            signed.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let url = format!("{HOST}/image.jpg");
        let lines = [format!("a=b; {}; c", line.join("; "))];
        let one = open(&url, &[&lines[0]], ("10.1.2.3", END - 1), RSA_PUBLIC);
        assert_eq!(one, Ok(()), "{}", vector["name"]);
        // HTTP/2 may send each in a line of its own.
        let each: Vec<_> = line.iter().map(String::as_str).collect();
        assert_eq!(open(&url, &each, ("10.1.2.3", END - 1), RSA_PUBLIC), Ok(()));
        made += 1;
    }
    assert_eq!(made, 4);
}

#[test]
fn both_kinds_of_keys_and_hashes() {
    let rows = [(RSA, RSA_PUBLIC, EC_PUBLIC), (EC, EC_PUBLIC, RSA_PUBLIC)];
    for (private, public, other) in rows {
        for hash in [CloudFrontHash::Sha1, CloudFrontHash::Sha256] {
            let url = format!("{HOST}/a?b=c");
            let signed = signer(private, hash, CloudFrontStyle::Cli);
            let signed = signed.sign_url(&url, &policy(&url)).unwrap();
            let viewer = ("192.0.2.1", END - 1);
            assert_eq!(open(&signed, &[], viewer, public), Ok(()));
            let refused = Err(CloudFrontRefusal::AccessDenied(DenialReason::BadSignature));
            assert_eq!(open(&signed, &[], viewer, other), refused);
            let other_hash = match hash {
                CloudFrontHash::Sha1 => format!("{signed}&Hash-Algorithm=SHA256"),
                CloudFrontHash::Sha256 => signed.replace("SHA256", "SHA1"),
            };
            assert_eq!(open(&other_hash, &[], viewer, public), refused);
        }
    }
}

#[test]
fn which_texts_are_keys() {
    let public = |pem: &str| CloudFrontPublicKey::from_pem(pem).map(drop);
    assert_eq!(public(RSA_PUBLIC), Ok(()));
    assert_eq!(public(&format!("\n{RSA_PUBLIC}\n\n")), Ok(()));
    assert_eq!(public(EC_PUBLIC), Ok(()));
    let long = include_str!("vectors/cloudfront/rsa-4096.pub.pem");
    assert_eq!(public(long), Err(CloudFrontKeyError::Length { bits: 4096 }));
    for bad in ["", "key", RSA, EC, &RSA_PUBLIC[..200], &RSA_PUBLIC.repeat(40)] {
        assert_eq!(public(bad), Err(CloudFrontKeyError::Malformed), "{bad}");
    }
    for bad in ["", "key", RSA_PUBLIC, EC_PUBLIC] {
        let refused = CloudFrontPrivateKey::from_pem(bad).map(drop);
        assert_eq!(refused, Err(CloudFrontKeyError::Malformed));
    }
    let shown = format!("{:?}", signer(RSA, CloudFrontHash::Sha1, CloudFrontStyle::Cli));
    assert!(shown.contains("CloudFrontPrivateKey(..)"), "{shown}");
}

#[test]
fn a_policy_holds_between_its_seconds_and_from_its_addresses() {
    let wanted = policy(&format!("{HOST}/*")).with_start(at(END - 100)).unwrap();
    let wanted = wanted.with_source("192.0.2.0/24".parse().unwrap());
    let signer = signer(RSA, CloudFrontHash::Sha1, CloudFrontStyle::Cli);
    let signed = signer.sign_url(&format!("{HOST}/a"), &wanted).unwrap();
    let check = |from: &str, now: i64, expected: Option<DenialReason>| {
        let expected =
            expected.map_or(Ok(()), |reason| Err(CloudFrontRefusal::AccessDenied(reason)));
        assert_eq!(open(&signed, &[], (from, now), RSA_PUBLIC), expected, "{from} {now}");
    };
    check("192.0.2.1", END - 101, Some(DenialReason::NotYetValid));
    check("192.0.2.1", END - 100, Some(DenialReason::NotYetValid));
    check("192.0.2.1", END - 99, None);
    check("192.0.2.1", END - 1, None);
    check("192.0.2.1", END, Some(DenialReason::Expired));
    check("192.0.3.1", END - 1, Some(DenialReason::Source));
    check("::ffff:192.0.2.1", END - 1, None);
    check("2001:db8::1", END - 1, Some(DenialReason::Source));
    let canned = signer.sign_url(&format!("{HOST}/a"), &policy(&format!("{HOST}/a"))).unwrap();
    let canned = |now| open(&canned, &[], ("2001:db8::1", now), RSA_PUBLIC);
    assert_eq!(canned(END - 1), Ok(()));
    assert_eq!(canned(END), Err(CloudFrontRefusal::AccessDenied(DenialReason::Expired)));
}

fn signed_text(text: &str) -> String {
    let signer = signer(EC, CloudFrontHash::Sha1, CloudFrontStyle::Cli);
    signer.sign_url_with_text(&format!("{HOST}/a"), text).unwrap()
}

#[test]
fn only_policies_that_are_wholly_understood_count() {
    let end = format!(r#""DateLessThan":{{"AWS:EpochTime":{END}}}"#);
    let within = |statement: &str| format!(r#"{{"Statement":[{{{statement}}}]}}"#);
    let with =
        |more: &str| within(&format!(r#""Resource":"{HOST}/a","Condition":{{{end}{more}}}"#));
    let check = |text: &str, expected: Result<(), CloudFrontRefusal>| {
        let found = open(&signed_text(text), &[], ("192.0.2.1", END - 1), EC_PUBLIC);
        assert_eq!(found, expected, "{text}");
    };
    let malformed = Err(CloudFrontRefusal::MalformedPolicy);
    check(&with(""), Ok(()));
    check(&format!(" {}\n", with("").replace("\":", "\" :\t").replace(",\"", ",\n \"")), Ok(()));
    check(&within(&format!(r#""Condition":{{{end}}}"#)), Ok(()));
    check(&within(&format!(r#""Condition":{{{end}}},"Resource":"*""#)), Ok(()));
    check(&with(r#","IpAddress":{"AWS:SourceIp":"192.0.2.1"}"#), Ok(()));
    check(&with(r#","IpAddress":{"AWS:SourceIp":"0.0.0.0/0"}"#), Ok(()));
    let other = Err(CloudFrontRefusal::AccessDenied(DenialReason::Source));
    check(&with(r#","IpAddress":{"AWS:SourceIp":"192.0.2.2"}"#), other);
    check(&with(r#","IpAddress":{"AWS:SourceIp":"2001:db8::/32"}"#), malformed);
    check(&with(r#","IpAddress":{"AWS:SourceIp":"192.0.2.0/33"}"#), malformed);
    check(&with(r#","IpAddress":{"AWS:SourceIp":["192.0.2.1"]}"#), malformed);
    check(&with(r#","IpAddress":"192.0.2.1""#), malformed);
    check(&with(r#","DateGreaterThan":{"AWS:EpochTime":-1}"#), malformed);
    check(&with(r#","DateGreaterThan":{}"#), malformed);
    check(&with(r#","NotIpAddress":{"AWS:SourceIp":"192.0.2.1"}"#), malformed);
    check(&with(&format!(",{end}")), malformed);
    check(&with("").replace("1767290400", "1767290400000"), malformed);
    check(&with("").replace("1767290400", "2147483648"), malformed);
    check(&with("").replace("1767290400", "1767290400.0"), malformed);
    check(&with("").replace("1767290400", "\"1767290400\""), malformed);
    check(&with("").replace("AWS:EpochTime", "aws:EpochTime"), malformed);
    check(&with("").replace("DateLessThan", "DateLess"), malformed);
    check(&within(&format!(r#""Resource":"{HOST}/a""#)), malformed);
    check(&within(&format!(r#""Resource":["{HOST}/a"],"Condition":{{{end}}}"#)), malformed);
    check(&within(&format!(r#""Effect":"Allow","Condition":{{{end}}}"#)), malformed);
    check(r#"{"Statement":[]}"#, malformed);
    check(&with("").replace("{\"Statement\"", "{\"Version\":\"1\",\"Statement\""), malformed);
    let two = format!(r#"{{"Statement":[{{"Condition":{{{end}}}}},{{"Condition":{{{end}}}}}]}}"#);
    check(&two, malformed);
    for text in ["", "{}", "[]", "policy", "{\"Statement\":", &"[".repeat(9000)] {
        check(text, malformed);
    }
    check(&with(&" ".repeat(9000)), malformed);
}

/// A presented text, what it is answered.
#[test]
fn what_is_presented_is_refused_in_five_ways() {
    use CloudFrontRefusal::{MalformedPolicy, MalformedSignature, MissingKey};
    let whole = signed_text(&policy(&format!("{HOST}/*")).to_json(CloudFrontStyle::Cli));
    let (url, query) = split(&whole);
    let canned = signer(EC, CloudFrontHash::Sha1, CloudFrontStyle::Cli);
    let canned = canned.sign_url(url, &policy(url)).unwrap();
    let canned = split(&canned).1.to_owned();
    let check = |query: &str, cookies: &[&str], expected: Result<(), CloudFrontRefusal>| {
        let found = open(&format!("{url}?{query}"), cookies, ("192.0.2.1", END - 1), EC_PUBLIC);
        assert_eq!(found, expected, "{query} {cookies:?}");
    };
    let as_cookies = |query: &str| {
        let cookies: Vec<_> = query.split('&').map(|pair| format!("CloudFront-{pair}")).collect();
        cookies.join("; ")
    };
    let without = |query: &str, name: &str| {
        let kept = query.split('&').filter(|pair| !pair.starts_with(name));
        kept.collect::<Vec<_>>().join("&")
    };
    let denied = |reason| Err(CloudFrontRefusal::AccessDenied(reason));
    check(query, &[], Ok(()));
    check(&canned, &[], Ok(()));
    check(&query.replace("Key-Pair-Id", "Key%2DPair%2DId"), &[], Ok(()));
    check("", &[], Err(MissingKey));
    check("x=1", &["a=b"], Err(MissingKey));
    check("", &[&as_cookies(query)], Ok(()));
    check("x=1", &[&as_cookies(query)], Ok(()));
    check("Hash-Algorithm=SHA1", &[&as_cookies(query)], Ok(()));
    // Any other of the parameters and cookies are not looked at.
    check("Expires=1", &[&as_cookies(query)], Err(MissingKey));
    check(&format!("Key-Pair-Id={KEY_ID}"), &[&as_cookies(query)], Err(MalformedPolicy));
    check(&without(query, "Key-Pair-Id"), &[], Err(MissingKey));
    check(&query.replace(KEY_ID, ""), &[], Err(MissingKey));
    check(&without(query, "Policy"), &[], Err(MalformedPolicy));
    check(&without(query, "Signature"), &[], Err(MalformedSignature));
    check(&format!("{}&Signature=", without(query, "Signature")), &[], Err(MalformedSignature));
    check(&format!("{}&Signature=a+b", without(query, "Signature")), &[], Err(MalformedSignature));
    check(&format!("{}&Signature=YQ", without(query, "Signature")), &[], Err(MalformedSignature));
    let long = "A".repeat(2000);
    check(
        &format!("{}&Signature={long}", without(query, "Signature")),
        &[],
        Err(MalformedSignature),
    );
    check(
        &format!("{}&Signature=YQ__", without(query, "Signature")),
        &[],
        denied(DenialReason::BadSignature),
    );
    check(&format!("{query}&{query}"), &[], Err(MalformedPolicy));
    check(&format!("{query}&Signature=YQ__"), &[], Err(MalformedPolicy));
    check(&format!("{query}&Expires={END}"), &[], Err(MalformedPolicy));
    check(&format!("{query}&Hash-Algorithm=MD5"), &[], Err(MalformedPolicy));
    check(&format!("{query}&Hash-Algorithm="), &[], Err(MalformedPolicy));
    check(&format!("{query}&policy=x"), &[], Ok(()));
    check(&format!("{}&Policy=%", without(query, "Policy")), &[], Err(MalformedPolicy));
    check(&canned.replace("Expires=", "Expires=0"), &[], Err(MalformedPolicy));
    check(&canned.replace("Expires=", "Expires=%2B"), &[], Err(MalformedPolicy));
    check(&canned.replace("Expires=", "Expires=-"), &[], Err(MalformedPolicy));
    check(&canned.replace("400&", "401&"), &[], denied(DenialReason::BadSignature));
    check(&format!("x=1&{canned}"), &[], denied(DenialReason::BadSignature));
    check(&format!("{query}&x=1"), &[], Ok(()));
    let twice = format!("{}; {}", as_cookies(query), as_cookies(query));
    check("", &[&twice], Err(MalformedPolicy));
    check("", &[&as_cookies(query).to_lowercase()], Err(MissingKey));
    let padded = format!("{}; x={}", as_cookies(query), "x".repeat(SIGNED_COOKIES_BYTES_MAX));
    check("", &[&padded], Err(MalformedPolicy));
    let huge = format!(
        "CloudFront-Policy={}; {}",
        "A".repeat(16_384),
        as_cookies(&without(query, "Policy"))
    );
    check("", &[&huge], Err(MalformedPolicy));
    let only_others = format!("x={}", "x".repeat(SIGNED_COOKIES_BYTES_MAX));
    check("", &[&only_others], Err(MissingKey));
}

#[test]
fn a_url_is_no_place_for_members_of_a_policy() {
    let inner = format!(
        r#"{HOST}/*","Condition":{{"DateLessThan":{{"AWS:EpochTime":{END}}}}}}},{{"Resource":"{HOST}/a"#
    );
    let signer = signer(EC, CloudFrontHash::Sha1, CloudFrontStyle::Cli);
    let canned = format!(
        r#"{{"Statement":[{{"Resource":"{inner}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{END}}}}}}}]}}"#
    );
    let signed = signer.sign_url_with_text("https://x/a", &canned).unwrap();
    let signature = split(&signed).1.split('&').find(|pair| pair.starts_with("Signature")).unwrap();
    let query = format!("Expires={END}&{signature}&Key-Pair-Id={KEY_ID}");
    let claim = CloudFrontClaim::from_request(&query, []).unwrap();
    let refused = claim.verify(&[inner], &CloudFrontPublicKey::from_pem(EC_PUBLIC).unwrap());
    let expected = CloudFrontRefusal::AccessDenied(DenialReason::BadSignature);
    assert_eq!(refused.map(drop), Err(expected));
}

/// The value of a parameter of a signed URL, with the name and `=`.
fn value_of<'u>(signed: &'u str, name: &str) -> &'u str {
    split(signed).1.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap()
}

fn path_token(signed: &str) -> String {
    format!("~{}~{}~{KEY_ID}", value_of(signed, "Policy="), value_of(signed, "Signature="))
}

#[test]
fn the_longest_policy_and_one_byte_more() {
    let (head, tail) = ("{\"Statement\":[{\"Resource\":\"", "\",\"Condition\":{");
    let time = format!("\"DateLessThan\":{{\"AWS:EpochTime\":{END}}}}}}}]}}");
    let fixed = head.len() + tail.len() + time.len();
    // Each third `?` of the resource is a `~` in the encoded policy: hundreds of them.
    let resource = |bytes: usize| format!("{HOST}/{}", "?".repeat(bytes - HOST.len() - 1));
    for (bytes, refused) in
        [(8190, None), (8191, None), (8192, None), (8193, Some(CloudFrontRefusal::MalformedPolicy))]
    {
        let resource = resource(2000);
        let filled = " ".repeat(bytes - fixed - resource.len());
        let text = format!("{head}{resource}{tail}{filled}{time}");
        assert_eq!(text.len(), bytes);
        let signed = signed_text(&text);
        let (_, query) = split(&signed);
        let cookie = format!("CloudFront-{}", query.replace('&', "; CloudFront-"));
        for claim in [
            CloudFrontClaim::from_request(query, []),
            CloudFrontClaim::from_request("", [cookie.as_bytes()]),
            CloudFrontClaim::from_path_token(&path_token(&signed)),
        ] {
            let key = CloudFrontPublicKey::from_pem(EC_PUBLIC).unwrap();
            let url = resource.replace('?', "a");
            let verified = claim.and_then(|claim| claim.verify(std::slice::from_ref(&url), &key));
            let judged = verified.and_then(|it| it.judge(&[url], client("192.0.2.1"), at(END - 1)));
            assert_eq!(judged.err(), refused, "{bytes}");
        }
    }
}

#[test]
fn a_token_in_a_path_is_a_custom_policy() {
    use CloudFrontRefusal::{InvalidKey, MalformedPolicy, MalformedSignature, MissingKey};
    let key = CloudFrontPublicKey::from_pem(RSA_PUBLIC).unwrap();
    let encoded = policy(HOST).to_json(CloudFrontStyle::Cli);
    let encoded = signed_text(&encoded);
    let encoded = value_of(&encoded, "Policy=");
    let urls = [format!("{HOST}/hls/1.ts")];
    // In some of these the policy has a `~` of its own, and in all the signature.
    for (number, hash) in (0..24).flat_map(|number| {
        [CloudFrontHash::Sha1, CloudFrontHash::Sha256].map(move |hash| (number, hash))
    }) {
        let text = policy(&format!("{HOST}/hls/*")).to_json(CloudFrontStyle::JavaScript);
        let text = format!("{}{}", " ".repeat(number), text);
        let signer = signer(RSA, hash, CloudFrontStyle::Cli);
        let signed = signer.sign_url_with_text(&urls[0], &text).unwrap();
        let suffix = if hash == CloudFrontHash::Sha256 { "~SHA256" } else { "" };
        let token = format!("{}{suffix}", path_token(&signed));
        assert_eq!(signer.path_token(&text).unwrap(), token);
        for token in [token.clone(), token.replace('~', "%7E"), token.replace('~', "%7e")] {
            let claim = CloudFrontClaim::from_path_token(&token).unwrap();
            let verified = claim.verify(&urls, &key).unwrap();
            assert_eq!(verified.judge(&urls, client("192.0.2.1"), at(END - 1)), Ok(()));
        }
    }
    for (token, expected) in [
        ("", MalformedPolicy),
        ("a~b~c", MalformedPolicy),
        ("~", MissingKey),
        ("~a", MissingKey),
        ("~a~", MissingKey),
        ("~a~b~K1", MalformedPolicy),
        ("~~~K1", MalformedPolicy),
        (&format!("~{encoded}~K1"), MalformedSignature),
        (&format!("~{encoded}~~K1"), MalformedSignature),
        (&format!("~{encoded}~YQ__~{}", "K".repeat(65)), InvalidKey),
        (&format!("~a~b~{}", "K".repeat(65)), InvalidKey),
        (&"~".repeat(5000), MissingKey),
        (&format!("{}K1", "~".repeat(5000)), MalformedPolicy),
        (&format!("~{}~YQ__~K1", "A".repeat(20_000)), MalformedPolicy),
    ] {
        let refused = CloudFrontClaim::from_path_token(token).map(drop);
        assert_eq!(refused, Err(expected), "{}", &token[..token.len().min(40)]);
    }
}

#[test]
fn a_memo_knows_a_claim_by_all_that_its_answer_depends_on() {
    let urls = |path: &str| vec![format!("{HOST}{path}")];
    let digest = |query: &str, urls: &[String]| {
        CloudFrontPresented::from_request(query, []).unwrap().digest(urls)
    };
    let custom = signed_text(&policy("*").to_json(CloudFrontStyle::Cli));
    let custom = split(&custom).1;
    assert_eq!(digest(custom, &urls("/a")), digest(custom, &urls("/b")));
    assert_ne!(digest(custom, &[]), digest(&custom.replace(KEY_ID, "K1"), &[]));
    assert_ne!(digest(custom, &[]), digest(&format!("{custom}&Hash-Algorithm=SHA256"), &[]));
    let canned = format!("Expires={END}&Signature=YQ__&Key-Pair-Id=K1");
    assert_ne!(digest(&canned, &urls("/a")), digest(&canned, &urls("/b")));
    assert_ne!(digest(&canned, &[]), digest(&canned.replace("YQ", "Yg"), &[]));
    assert_ne!(digest(&canned, &[]), digest(&canned.replace("400&", "401&"), &[]));
    // What is there is never taken for another part, and a policy beside a time is not the policy alone.
    let parts = "Signature=a&Key-Pair-Id=b";
    assert_ne!(
        digest(&format!("Policy=x&{parts}"), &[]),
        digest(&format!("Expires=x&{parts}"), &[])
    );
    assert_ne!(digest(custom, &[]), digest(&format!("{custom}&Expires="), &[]));
}

#[test]
fn the_parameters_of_a_signature_are_nobodys_else() {
    for (query, expected) in [
        ("", ""),
        ("a=b", "a=b"),
        ("Expires=1", ""),
        ("a=b&Expires=1&c&Policy=x&Signature=&Key-Pair-Id&Hash-Algorithm=SHA1&d=", "a=b&c&d="),
        ("%45xpires=1&a", "a"),
        ("expires=1&policy=2", "expires=1&policy=2"),
        ("&&Expires=1&", "&&"),
    ] {
        assert_eq!(CloudFrontClaim::unsigned_query(query), expected, "{query}");
    }
}

#[test]
fn which_policies_can_be_made() {
    let beyond = "2038-01-19T03:14:08Z".parse().unwrap();
    assert!(CloudFrontPolicy::new("*", beyond).is_err());
    assert!(CloudFrontPolicy::new("*", at(-1)).is_err());
    assert!(policy("*").with_start(beyond).is_err());
    assert!(CloudFrontPolicy::new("x".repeat(5000), at(END)).is_err());
    let quoted = policy("https://d/\"\\\u{e9}\n\u{1}");
    for style in [CloudFrontStyle::Cli, CloudFrontStyle::JavaScript] {
        let text: Value = serde_json::from_str(&quoted.to_json(style)).unwrap();
        assert_eq!(text["Statement"][0]["Resource"], "https://d/\"\\\u{e9}\n\u{1}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_presented_makes_it_panic(
        pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "Expires=", "Policy=", "&", "Signature=", "Key-Pair-Id=", "~", "%7E", "%", "_", "eyJ", "CloudFront-",
                "; ", "\n", "SHA256", "Hash-Algorithm=", "1767290400", "=", "\u{e9}",
            ]).prop_map(str::to_owned),
            "[ -~]{0,6}",
        ], 0..16),
    ) {
        entry::cloudfront(pieces.concat().as_bytes());
    }
}
