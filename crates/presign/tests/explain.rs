//! Links explained: the causes that are named, and what is never said.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "support/broken_links.rs"]
mod broken_links;
#[path = "support/harness.rs"]
mod harness;

use broken_links::{BrokenLink, Signing, broken_links};
use harness::{AKID, SECRET, credentials, now_plus};
use presign::{
    Addressing, CauseCode, Credentials, EXPLAIN_PARAMETERS_MAX, Endpoint, ExpectedScope, ExpiresIn,
    ExpiryLimit, ExplainError, ExplainQuestion, Explanation, LinkFreedom, LinkNote, LinkVerdict,
    MissingFact, Presign, Presigned, Presigner, SecretAccessKey, SessionToken, SigV2Use, explain,
};
use proptest::prelude::*;

const PUBLIC: &str = "https://files.example.com";

fn rows(credentials: &Credentials) -> Vec<BrokenLink> {
    let (region, bucket, now) = ("us-east-1", "photos", now_plus(0));
    broken_links(&Signing { credentials, public: PUBLIC, region, bucket, now })
}

fn explained(row: &BrokenLink, secret: Option<&SecretAccessKey>) -> Explanation {
    let mut question = ExplainQuestion::new(&row.text);
    question.method = row.method;
    question.headers = &row.headers;
    question.expected = Some(ExpectedScope::new("us-east-1", "s3").with_sigv2(SigV2Use::Allow));
    question.secret = secret;
    explain(&question, now_plus(row.seconds)).unwrap()
}

fn codes(explanation: &Explanation) -> Vec<&'static str> {
    explanation.causes.iter().map(|cause| cause.code.as_str()).collect()
}

#[test]
fn the_right_cause_is_named_first() {
    let credentials = credentials(None);
    let rows = rows(&credentials);
    let mut wrong = Vec::new();
    for row in &rows {
        let explanation = explained(row, Some(&credentials.secret_access_key));
        let first = explanation.causes.first();
        let says =
            first.is_some_and(|cause| format!("{} {}", cause.text, cause.mend).contains(row.says));
        let is_right = first.is_some_and(|cause| cause.code == row.cause) && says;
        if !is_right || explanation.works != LinkVerdict::Fails {
            wrong.push(format!("{}: {:?} {first:?}", row.name, codes(&explanation)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(rows.len() >= 30, "{}", rows.len());
}

#[test]
fn every_cause_that_a_link_tells_has_a_row() {
    let only_a_server_knows = [
        CauseCode::KeyUnknown,
        CauseCode::KeyInactive,
        CauseCode::SessionEnded,
        CauseCode::Revoked,
        CauseCode::UsedUp,
        CauseCode::SourceIp,
        CauseCode::Policy,
        CauseCode::ObjectMissing,
        CauseCode::BucketMissing,
    ];
    let rows = rows(&credentials(None));
    for code in CauseCode::ALL {
        let has_row = rows.iter().any(|row| row.cause == *code);
        assert_eq!(has_row, !only_a_server_knows.contains(code), "{}", code.as_str());
    }
}

/// What no explanation may hold, however it is written out: the signatures that would be right, the secret, the
/// texts that are signed.
#[test]
fn nothing_secret_is_said() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let credentials =
        Credentials { secret_access_key: SecretAccessKey::new(secret), ..credentials(None) };
    for row in rows(&credentials) {
        let shown = format!("{:?}", explained(&row, Some(&credentials.secret_access_key)));
        assert!(!shown.contains(secret), "{}: {shown}", row.name);
        assert!(!shown.contains("AWS4-HMAC-SHA256\\n"), "{}: {shown}", row.name);
        assert!(!shown.contains("UNSIGNED-PAYLOAD"), "{}: {shown}", row.name);
        let fingerprint = |explanation: &str| explanation.contains("Fingerprint(");
        let hex = shown.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= 40);
        assert!(hex.count() <= usize::from(fingerprint(&shown)), "{}: {shown}", row.name);
    }
    let mut question = question("https://h/?X-Amz-Signature=5ecret");
    question.secret = Some(&credentials.secret_access_key);
    let shown = format!("{question:?}");
    assert!(!shown.contains("5ecret") && !shown.contains(secret), "{shown}");
}

fn question(text: &str) -> ExplainQuestion<'_> {
    ExplainQuestion::new(text)
}

fn signed(change: impl FnOnce(&mut Presign<'_>), token: Option<&str>) -> Presigned {
    let endpoint = Endpoint::parse(PUBLIC).unwrap();
    let mut request =
        Presign::new("GET", &endpoint, "photos", b"a b.png", ExpiresIn::parse("1h").unwrap());
    change(&mut request);
    Presigner::new(credentials(token), "us-east-1").presign(&request, now_plus(0)).unwrap()
}

fn judged<'l>(link: &'l Presigned, change: impl FnOnce(&mut ExplainQuestion<'l>)) -> Explanation {
    let mut question = question(&link.url);
    change(&mut question);
    explain(&question, now_plus(60)).unwrap()
}

#[test]
fn a_sound_link_is_said_to_be_sound() {
    let secret = SecretAccessKey::new(SECRET);
    let link = signed(|_| {}, None);
    let explanation = judged(&link, |it| it.secret = Some(&secret));
    assert_eq!((explanation.works, codes(&explanation)), (LinkVerdict::Works, vec![]));
    assert_eq!(explanation.fingerprint, Some(link.fingerprint));
    assert_eq!((explanation.notes, explanation.missing), (vec![], vec![]));
    let allows = explanation.allows.unwrap();
    assert_eq!(allows.method.as_deref(), Some("GET"));
    assert_eq!((&*allows.bucket, &*allows.key, &*allows.signer), ("photos", "a b.png", AKID));
    assert_eq!((allows.from, allows.until), (Some(now_plus(0)), Some(link.expires_at)));
    assert_eq!(allows.limited_by, [ExpiryLimit::Requested]);

    let explanation = judged(&link, |_| {});
    assert_eq!((explanation.works, codes(&explanation)), (LinkVerdict::Unknown, vec![]));
    assert_eq!(explanation.missing, [MissingFact::Secret]);
    assert_eq!(explanation.signature_holds, None);
    let allows = explanation.allows.unwrap();
    assert_eq!(
        (allows.method, &*allows.operation),
        (None, "one method, which the link does not name")
    );
}

#[test]
fn headers_that_nobody_spoke_of_are_not_said_to_be_missing() {
    let secret = SecretAccessKey::new(SECRET);
    let link = signed(signed_upload, None);
    let explanation = judged(&link, |it| it.secret = Some(&secret));
    assert_eq!(explanation.works, LinkVerdict::Unknown);
    assert_eq!(codes(&explanation), ["header-missing"]);
    assert_eq!(explanation.missing, [MissingFact::Headers]);
    let explanation = judged(&link, |it| {
        it.secret = Some(&secret);
        it.headers = &[("Content-Type", "image/png")];
    });
    assert_eq!((explanation.works, codes(&explanation)), (LinkVerdict::Works, vec![]));
    assert_eq!(explanation.allows.unwrap().method.as_deref(), Some("PUT"));
}

fn signed_upload(request: &mut Presign<'_>) {
    request.headers = &[("Content-Type", "image/png")];
    request.method = "PUT";
}

#[test]
fn a_head_of_a_link_that_allows_it_is_sound() {
    let secret = SecretAccessKey::new(SECRET);
    let link = signed(|it| it.query = &[("x-valet-head", "true")], None);
    for method in ["GET", "HEAD"] {
        let explanation = judged(&link, |it| {
            it.secret = Some(&secret);
            it.method = Some(method);
        });
        assert_eq!(explanation.works, LinkVerdict::Works, "{method}");
        assert!(explanation.conditions.allow_head);
    }
}

#[test]
fn other_names_of_the_server_count_as_the_server_counts_them() {
    let secret = SecretAccessKey::new(SECRET);
    let link = signed(|_| {}, None);
    let inside = link.url.replacen(PUBLIC, "http://10.0.0.7:9000", 1);
    let public = [Endpoint::parse(PUBLIC).unwrap()];
    let check = |declared: bool, expected: &[&str]| {
        let mut question = question(&inside);
        question.secret = Some(&secret);
        if declared {
            question.declared = &public;
        } else {
            question.origins = &public;
        }
        let explanation = explain(&question, now_plus(60)).unwrap();
        assert_eq!(codes(&explanation), expected);
        assert_eq!(explanation.works == LinkVerdict::Works, expected.is_empty());
        assert_eq!(explanation.notes, [LinkNote::InternalHost]);
    };
    check(true, &[]);
    check(false, &["host"]);
}

#[test]
fn a_prefix_of_a_public_url_is_no_part_of_the_key() {
    let secret = SecretAccessKey::new(SECRET);
    let endpoint = Endpoint::parse("https://example.com/s3").unwrap();
    let request = Presign::new("GET", &endpoint, "photos", b"k", ExpiresIn::MAX);
    let presigner = &mut Presigner::new(credentials(None), "us-east-1");
    let origins = [endpoint.clone()];
    for link in [
        presigner.presign(&request, now_plus(0)).unwrap(),
        presigner.presign_v2(&request, now_plus(0)).unwrap(),
    ] {
        let explanation = judged(&link, |it| {
            it.secret = Some(&secret);
            it.origins = &origins;
        });
        assert_eq!(explanation.works, LinkVerdict::Works, "{:?}", explanation.causes);
        let allows = explanation.allows.unwrap();
        assert_eq!((&*allows.bucket, &*allows.key), ("photos", "k"));
    }
}

/// SigV2 signs no host, so no other host is ever the cause.
#[test]
fn the_host_of_a_sigv2_link_is_no_cause() {
    let secret = SecretAccessKey::new(SECRET);
    let endpoint = Endpoint::parse(PUBLIC).unwrap();
    let request = Presign::new("GET", &endpoint, "photos", b"k", ExpiresIn::parse("1h").unwrap());
    let presigner = Presigner::new(credentials(None), "us-east-1");
    let link = presigner.presign_v2(&request, now_plus(0)).unwrap();
    let origins = [Endpoint::parse("http://localhost:9000").unwrap()];
    let check = |text: String, expected: &[&str]| {
        let mut question = question(&text);
        question.secret = Some(&secret);
        question.origins = &origins;
        assert_eq!(codes(&explain(&question, now_plus(60)).unwrap()), expected, "{text}");
    };
    check(link.url.replacen("files.example.com", "minio:9000", 1), &[]);
    check(link.url.replacen("/photos/", "/s3/photos/", 1), &["path-prefix"]);
    check(
        link.url.replacen("Signature=", "Signature=0", 1).replacen("%3D", "", 1),
        &["parameter-changed"],
    );
}

#[test]
fn notes_and_freedoms_are_of_the_link() {
    let secret = SecretAccessKey::new(SECRET);
    let check = |link: &Presigned,
                 notes: &[LinkNote],
                 has: Option<LinkFreedom>,
                 not: Option<LinkFreedom>| {
        let explanation = judged(link, |it| it.secret = Some(&secret));
        assert_eq!(explanation.notes, notes, "{:?}", explanation.causes);
        assert!(has.is_none_or(|freedom| explanation.unsigned.contains(&freedom)));
        assert!(not.is_none_or(|freedom| !explanation.unsigned.contains(&freedom)));
    };
    let week = signed(|it| it.expires_in = ExpiresIn::MAX, None);
    check(
        &week,
        &[LinkNote::LongerThanNeeded],
        Some(LinkFreedom::Header("Range")),
        Some(LinkFreedom::Body),
    );
    let minute = signed(|it| it.expires_in = ExpiresIn::from_seconds(15).unwrap(), None);
    let explanation = explain(&question(&minute.url), now_plus(1)).unwrap();
    assert_eq!(explanation.notes, [LinkNote::SecondsLikeMinutes]);
    let put = signed(|it| it.method = "PUT", None);
    check(&put, &[LinkNote::ContentTypeUnsigned], Some(LinkFreedom::Header("Content-Type")), None);
    check(
        &put,
        &[LinkNote::ContentTypeUnsigned],
        Some(LinkFreedom::Body),
        Some(LinkFreedom::Header("Range")),
    );
    let session = signed(|_| {}, Some("token"));
    check(&session, &[LinkNote::TemporarySigner], None, None);
    let explanation = judged(&session, |_| {});
    assert_eq!(
        explanation.allows.unwrap().limited_by,
        [ExpiryLimit::Requested, ExpiryLimit::SessionUnknown]
    );
    let endpoint = Endpoint::parse("http://localhost:9000").unwrap();
    let request = Presign::new("GET", &endpoint, "photos", b"k", ExpiresIn::parse("1h").unwrap());
    let old =
        Presigner::new(credentials(None), "us-east-1").presign_v2(&request, now_plus(0)).unwrap();
    check(
        &old,
        &[LinkNote::SigV2, LinkNote::LoopbackHost],
        Some(LinkFreedom::QueryParameters),
        None,
    );
}

#[test]
fn a_lost_token_is_found_by_whoever_has_it() {
    let secret = SecretAccessKey::new(SECRET);
    let link = signed(|_| {}, Some("to+ken"));
    let (before, after) = link.url.split_once("&X-Amz-Security-Token=to%2Bken").unwrap();
    let token = SessionToken::new("to+ken");
    let text = format!("{before}{after}");
    let mut question = question(&text);
    question.secret = Some(&secret);
    assert_eq!(codes(&explain(&question, now_plus(60)).unwrap()), ["secret"]);
    question.session_token = Some(&token);
    assert_eq!(codes(&explain(&question, now_plus(60)).unwrap()), ["session-token"]);
    // A token whose plus became a blank.
    let text = link.url.replacen("to%2Bken", "to+ken", 1);
    let mut question = ExplainQuestion::new(&text);
    question.secret = Some(&secret);
    assert_eq!(codes(&explain(&question, now_plus(60)).unwrap()), ["parameter-changed"]);
}

#[test]
fn all_that_is_wrong_is_named() {
    let secret = SecretAccessKey::new(SECRET);
    let link = signed(|it| it.addressing = Addressing::VirtualHost, None);
    let escaped = link.url.replace('&', "&amp;");
    let mut question = question(&escaped);
    question.secret = Some(&secret);
    question.method = Some("HEAD");
    assert_eq!(
        codes(&explain(&question, now_plus(7200)).unwrap()),
        ["html-escaped", "expired", "method"]
    );
}

#[test]
fn a_long_link_is_tried_in_every_way() {
    let credentials = credentials(Some(&"t".repeat(3000)));
    let right = credentials.secret_access_key.clone();
    let secret_access_key = SecretAccessKey::new(format!("{SECRET}\n"));
    let endpoint = Endpoint::parse(PUBLIC).unwrap();
    let request = Presign::new("DELETE", &endpoint, "photos", b"a/b/c/d/e/f/g.png", ExpiresIn::MAX);
    let mut presigner =
        Presigner::new(Credentials { secret_access_key, ..credentials }, "us-east-1");
    let link = presigner.presign(&request, now_plus(0)).unwrap();
    let explanation = judged(&link, |it| it.secret = Some(&right));
    assert_eq!(codes(&explanation), ["secret"]);
    assert!(explanation.causes[0].text.contains("line end"), "{:?}", explanation.causes);
}

/// A link without its scheme, or without its host, is one all the same.
/// What a guess costs grows with the parameters, so of a link with very many nothing is guessed.
#[test]
fn a_link_of_very_many_parameters_is_read_as_it_is() {
    let secret = SecretAccessKey::new(SECRET);
    let link = signed(|_| {}, None);
    let told = |added: usize| {
        let text = format!("{}{}", link.url, "&utm_source=a".repeat(added));
        let mut question = question(&text);
        question.secret = Some(&secret);
        codes(&explain(&question, now_plus(1)).unwrap())[0]
    };
    let own = link.url.split('&').count();
    assert_eq!(told(EXPLAIN_PARAMETERS_MAX - own), "parameter-added");
    assert_eq!(told(EXPLAIN_PARAMETERS_MAX - own + 1), "secret");
}

#[test]
fn a_link_is_found_in_html() {
    let link = signed(|_| {}, None).url;
    let check = |text: String, code: Option<&str>| {
        let told = explain(&question(&text), now_plus(1)).unwrap();
        assert_eq!(codes(&told).first().copied(), code, "{text}");
        assert!(told.allows.is_some(), "{text}");
    };
    check(format!("<a href=\"{link}\">the report</a>"), None);
    check(
        format!("<a href=\"{}\">the report</a>", link.replace('&', "&amp;")),
        Some("html-escaped"),
    );
    check(format!("See <{link}>, please."), None);
    check(format!("fetch(\"{link}\").then(x => x)"), None);
}

#[test]
fn a_signature_makes_a_link() {
    for text in [
        "h/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "/b/k?x-amz-date=1",
        "h/b/k?AWSAccessKeyId=AK",
        "h/b/k?Signature=x",
        "h/b/k?x-valet-uses=1",
        "h/b/k?sig=azure",
        "https%3A%2F%2Fh%2Fb%2Fk",
        "http://h",
    ] {
        let explanation = explain(&question(text), now_plus(0)).unwrap();
        assert_eq!(explanation.works, LinkVerdict::Fails, "{text}");
    }
}

/// A shell ends a link at the first `&`, whatever its first parameter is.
#[test]
fn a_link_that_a_shell_cut_is_cut_off() {
    /// What signers write right before the signature.
    const LAST: [[(&str, &str); 1]; 3] =
        [[("x-valet-uses", "1")], [("response-content-type", "a/b")], [("versionId", "1")]];
    let credentials = credentials(None);
    for first in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "x-valet-uses=1",
        "x-valet-content-length=0-10",
        "response-content-disposition=attachment",
    ] {
        let text = format!("{PUBLIC}/photos/a.png?{first}");
        for secret in [None, Some(&credentials.secret_access_key)] {
            let mut question = question(&text);
            question.secret = secret;
            let explanation = explain(&question, now_plus(0)).unwrap();
            assert_eq!(codes(&explanation), ["cut-off"], "{first}");
            assert!(explanation.causes[0].mend.contains("quotes"), "{first}");
        }
    }
    for last in &LAST {
        let url = signed(|request| *request = request.with_query(last), None).url;
        let (text, _) = url.split_once("&X-Amz-Signature=").unwrap();
        let explanation = explain(&question(text), now_plus(0)).unwrap();
        assert_eq!(codes(&explanation), ["cut-off"], "{last:?}");
    }
}

/// Of another secret and another address nobody can tell which it was: both are said.
#[test]
fn an_address_that_nobody_thinks_of_is_said_to_be_possible() {
    let other = Endpoint::parse("https://elsewhere.example/other").unwrap();
    let life = ExpiresIn::parse("1h").unwrap();
    let request = Presign::new("GET", &other, "photos", b"a.png", life);
    let link = Presigner::new(credentials(None), "us-east-1").presign(&request, now_plus(0));
    let moved = link.unwrap().url.replace("https://elsewhere.example/other", PUBLIC);
    let secret = SecretAccessKey::new(SECRET);
    let mut question = question(&moved);
    question.secret = Some(&secret);
    let explanation = explain(&question, now_plus(0)).unwrap();
    assert_eq!(codes(&explanation), ["secret"]);
    let cause = &explanation.causes[0];
    assert!(cause.text.contains("signed for another address, with another secret"), "{cause:?}");
    assert!(cause.mend.starts_with("Check the address"), "{cause:?}");
}

#[test]
fn what_is_no_link_is_refused() {
    let check = |text: &str, error: ExplainError| {
        assert_eq!(explain(&question(text), now_plus(0)), Err(error));
    };
    check("", ExplainError::NotALink);
    check("  \n", ExplainError::NotALink);
    for text in
        ["hello", "hello, world", "report.pdf", "s3 photos", "?", "/b/k", "photos/a.png?x=1"]
    {
        check(text, ExplainError::NotALink);
    }
    for text in [
        "https://d.test/a?Expires=1767290400&Signature=YQ__&Key-Pair-Id=K1",
        "https://d.test/a?Policy=e30_&Signature=YQ__&Key-Pair-Id=K1&Hash-Algorithm=SHA256",
    ] {
        check(text, ExplainError::Distribution);
    }
    check(&"x".repeat(presign::EXPLAIN_TEXT_BYTES_MAX + 1), ExplainError::TooLong);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is pasted, and however a sound link is cut and patched: no panic, and no proof where there is none.
    #[test]
    fn any_text_is_explained(at in 0..600_usize, len in 0..80_usize, patch in "\\PC{0,12}", junk in "\\PC{0,80}") {
        let secret = SecretAccessKey::new(SECRET);
        let link = signed(|_| {}, Some("t")).url;
        let from = at.min(link.len());
        let to = (from + len).min(link.len());
        let patched = format!("{}{patch}{}", &link[..from], &link[to..]);
        for text in [&patched, &junk, &format!("https://h/?{junk}")] {
            let mut question = ExplainQuestion::new(text);
            question.secret = Some(&secret);
            if let Ok(explanation) = explain(&question, now_plus(60))
                && explanation.works == LinkVerdict::Works
            {
                prop_assert!(text.contains("X-Amz-Signature="), "{text}");
            }
        }
    }
}
