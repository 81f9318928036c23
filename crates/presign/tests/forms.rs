//! Browser forms: those that others made verify and are made again, and every refusal of a claim
//! has a row.
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

use jiff::Timestamp;
use presign::{
    Addressing, Credentials, Endpoint, ExpectedScope, ExpiresIn, FormClaimError, FormFields,
    Mechanism, PostCondition, PostPolicy, PresignError, PresignPost, PresignedPost, Presigner,
    SecretAccessKey, SessionToken, SigV2Use, SignatureClaim, TokenClaim, VerifiedSignature,
    VerifyError, VerifyingKey,
};
use serde_json::Value;

use harness::{AKID, DATE, SCOPE, SECRET, now_plus, sign_string};

const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> FormFields {
    pairs.iter().copied().collect()
}

fn sorted(fields: &FormFields) -> Vec<(String, String)> {
    let mut pairs: Vec<_> =
        fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    pairs.sort();
    pairs
}

/// All the way, in words where it does not go.
fn verify(fields: &FormFields, secret: &str, sigv2: SigV2Use) -> Result<VerifiedSignature, String> {
    let claim = SignatureClaim::from_form(fields).map_err(|error| format!("{error:?}"))?;
    let claim = claim.ok_or("anonymous")?;
    let expected = ExpectedScope::new("us-east-1", "s3").with_sigv2(sigv2);
    let claim = claim.admit(&expected, now_plus(0)).map_err(|error| format!("{error:?}"))?;
    let key = VerifyingKey::derive(&claim, &SecretAccessKey::new(secret));
    claim.verify(&[], &key).map_err(|mismatch| {
        assert_eq!(mismatch.canonical_request, None);
        format!("{} {}", mismatch.string_to_sign, mismatch.signature_provided)
    })
}

#[test]
fn forms_of_botocore_verify_and_are_made_again() {
    let file: Value = serde_json::from_str(include_str!("vectors/botocore.json")).unwrap();
    let now: Timestamp = text(&file["now"]).parse().unwrap();
    let posts = file["posts"].as_array().unwrap();
    assert_eq!(posts.len(), 3);
    for post in posts {
        let name = text(&post["name"]);
        let pairs: Vec<_> = post["fields"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect();
        let theirs = fields(&pairs);
        let verified = verify(&theirs, EXAMPLE_SECRET, SigV2Use::Allow).unwrap();
        let policy = PostPolicy::parse(verified.post_policy().unwrap()).unwrap();
        let posted = theirs.with_file_name(Some("x.png")).unwrap();
        assert_eq!(policy.judge(&posted, "devcraftly-assets", now), Ok(1..=10_485_760), "{name}");

        let token = theirs.get("x-amz-security-token");
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: SecretAccessKey::new(EXAMPLE_SECRET),
            session_token: token.as_deref().map(SessionToken::new),
        };
        let endpoint = Endpoint::parse("https://s3.amazonaws.com").unwrap();
        let form = PresignPost::new(
            &endpoint,
            "devcraftly-assets",
            "uploads/${filename}",
            ExpiresIn::from_seconds(600).unwrap(),
        )
        .with_addressing(Addressing::VirtualHost)
        .with_fields(&[("acl", "private"), ("Content-Type", "image/png")])
        .with_conditions(&[
            PostCondition::Equals("acl", "private"),
            PostCondition::StartsWith("Content-Type", "image/"),
            PostCondition::ContentLengthRange(1, 10_485_760),
        ]);
        let mut presigner = Presigner::new(credentials, "us-east-1");
        let ours = match verified.mechanism() {
            Mechanism::V2Form => presigner.presign_post_v2(&form, now),
            _ => presigner.presign_post(&form, now),
        }
        .unwrap();
        assert_eq!(sorted(&ours.fields), sorted(&theirs), "{name}");
        assert_eq!(ours.url, text(&post["url"]));
        assert_eq!(ours.expires_at, policy.expires_at());
        assert_eq!(ours.fingerprint, verified.fingerprint());
    }
}

#[test]
fn the_form_of_the_documentation_verifies() {
    let file: Value = serde_json::from_str(include_str!("vectors/aws-documentation.json")).unwrap();
    let post = &file["post_policy"];
    let policy = text(&post["policy_base64"]);
    // Names and values of the page's own form.
    let form = fields(&[
        ("key", "user/user1/${filename}"),
        ("acl", "public-read"),
        (
            "success_action_redirect",
            "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
        ),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Credential", text(&post["credential"])),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", text(&post["date"])),
        ("x-amz-meta-tag", ""),
        ("Policy", policy),
        ("X-Amz-Signature", text(&post["signature"])),
    ]);
    let verified = verify(&form, EXAMPLE_SECRET, SigV2Use::Deny).unwrap();
    assert_eq!(verified.post_policy(), Some(policy));
    assert_eq!(verified.mechanism(), Mechanism::V4Form);
    assert_eq!(verified.signed_at().unwrap().to_string(), "2015-12-29T00:00:00Z");
    let judge = |now: &str| {
        let posted = form.with_file_name(Some("me.jpg")).unwrap();
        let policy = PostPolicy::parse(policy).unwrap();
        policy.judge(&posted, "sigv4examplebucket", now.parse().unwrap())
    };
    assert_eq!(judge("2015-12-30T12:00:00Z"), Ok(0..=u64::MAX));
    assert!(judge("2015-12-30T12:00:01Z").is_err());
    // Whatever the policy says, it is signed as it was sent.
    let cut_policy = &policy[..policy.len() - 2];
    let cut: FormFields = form
        .iter()
        .map(|(name, value)| (name, if name == "Policy" { cut_policy } else { value }))
        .collect();
    let signature = text(&post["signature"]);
    let mismatch = format!("{cut_policy} {signature}");
    assert_eq!(verify(&cut, EXAMPLE_SECRET, SigV2Use::Allow).unwrap_err(), mismatch);
}

/// A SigV4 form with changes: a value of `-` leaves a field out.
fn v4(changes: &[(&str, &str)]) -> FormFields {
    let credential = format!("{AKID}/{SCOPE}");
    let signature = sign_string("policy");
    let standard = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", credential.as_str()),
        ("x-amz-date", DATE),
        ("policy", "policy"),
        ("x-amz-signature", signature.as_str()),
    ];
    changed(&standard, changes)
}

fn v2(changes: &[(&str, &str)]) -> FormFields {
    // HMAC-SHA1 of "policy" under "secret", by openssl.
    let signature = ("signature", "DQYKsMXInaBeQ2OuQ0nMglptC1c=");
    changed(&[("AWSAccessKeyId", AKID), ("policy", "policy"), signature], changes)
}

fn changed(standard: &[(&str, &str)], changes: &[(&str, &str)]) -> FormFields {
    let find = |wanted: &str| changes.iter().find(|(name, _)| *name == wanted);
    let changed = standard.iter().map(|(name, value)| (*name, find(name).map_or(*value, |c| c.1)));
    let is_new = |(name, _): &&(&str, &str)| !standard.iter().any(|(known, _)| known == name);
    let all: Vec<_> = changed.chain(changes.iter().filter(is_new).copied()).collect();
    fields(&all.into_iter().filter(|(_, value)| *value != "-").collect::<Vec<_>>())
}

#[test]
fn claims_that_cannot_be_read() {
    let check = |form: FormFields, expected: FormClaimError| {
        let read = SignatureClaim::from_form(&form).map(|_| ());
        assert_eq!(read, Err(expected), "{form:?}");
    };
    let missing = |name| FormClaimError::MissingField { name };
    for (field, name) in [
        ("x-amz-algorithm", "X-Amz-Algorithm"),
        ("x-amz-credential", "X-Amz-Credential"),
        ("x-amz-date", "X-Amz-Date"),
        ("x-amz-signature", "X-Amz-Signature"),
        ("policy", "Policy"),
    ] {
        check(v4(&[(field, "-")]), missing(name));
    }
    check(v4(&[("x-amz-algorithm", "-"), ("x-amz-credential", "-")]), missing("X-Amz-Algorithm"));
    check(v2(&[("AWSAccessKeyId", "-")]), missing("AWSAccessKeyId"));
    check(v2(&[("signature", "-")]), missing("Signature"));
    check(v2(&[("policy", "-")]), missing("Policy"));
    check(v4(&[("signature", "x")]), FormClaimError::TwoMechanisms);
    check(v2(&[("X-Amz-Date", DATE)]), FormClaimError::TwoMechanisms);
    let read = |changes: &[(&str, &str)]| {
        let form = v4(changes);
        SignatureClaim::from_form(&form).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(read(&[("x-amz-algorithm", "AWS4")]), "unsupported x-amz-algorithm");
    // Repeated fields are their values joined, and so are nothing.
    assert_eq!(read(&[("X-AMZ-DATE", DATE)]), "malformed x-amz-date");
    for credential in ["", AKID, "a/20260615/us-east-1/s3/aws4_request/x"] {
        check(v4(&[("x-amz-credential", credential)]), FormClaimError::MalformedCredential);
    }
    let nobody = format!("/{SCOPE}");
    check(v4(&[("x-amz-credential", &nobody)]), FormClaimError::EmptyAccessKeyId);
    let day = FormClaimError::MalformedCredentialDate { value: "2026".to_owned() };
    check(v4(&[("x-amz-credential", "a/2026/us-east-1/s3/aws4_request")]), day);
    for date in ["", "2026-06-15T12:00:00Z", "20260615"] {
        assert_eq!(read(&[("x-amz-date", date)]), "malformed x-amz-date");
    }
}

#[test]
fn forms_without_signature_are_anonymous() {
    for pairs in [&[][..], &[("key", "k"), ("policy", "p")], &[("x-amz-security-token", "t")]] {
        assert!(SignatureClaim::from_form(&fields(pairs)).unwrap().is_none(), "{pairs:?}");
    }
}

#[test]
fn claims_out_of_place() {
    let check = |form: FormFields, sigv2: SigV2Use, expected: VerifyError| {
        let claim = SignatureClaim::from_form(&form).unwrap().unwrap();
        let scope = ExpectedScope::new("us-east-1", "s3").with_sigv2(sigv2);
        assert_eq!(claim.admit(&scope, now_plus(0)).map(|_| ()).unwrap_err(), expected);
    };
    let credential = |scope: &str| v4(&[("x-amz-credential", &format!("{AKID}/{scope}"))]);
    let mechanism = Mechanism::V4Form;
    let expected = "us-east-1".to_owned();
    let region = VerifyError::WrongRegion { mechanism, region: "r".to_owned(), expected };
    check(credential("20260615/r/iam/x"), SigV2Use::Allow, region);
    let expected = "s3".to_owned();
    let service = VerifyError::WrongService { mechanism, service: "iam".to_owned(), expected };
    check(credential("20260615/us-east-1/iam/x"), SigV2Use::Allow, service);
    let terminal = VerifyError::WrongTerminal { mechanism, terminal: "x".to_owned() };
    check(credential("20260615/us-east-1/s3/x"), SigV2Use::Allow, terminal);
    let day = VerifyError::WrongDay {
        mechanism,
        credential_day: "20260614".to_owned(),
        request_day: "20260615".to_owned(),
    };
    check(credential("20260614/us-east-1/s3/aws4_request"), SigV2Use::Allow, day);
    check(v2(&[]), SigV2Use::Deny, VerifyError::SigV2Denied);
    // No clock is asked.
    for days in [-1000, 1000] {
        let form = v4(&[]);
        let claim = SignatureClaim::from_form(&form).unwrap().unwrap();
        let scope = ExpectedScope::new("us-east-1", "s3");
        assert!(claim.admit(&scope, now_plus(days * 86_400)).is_ok());
    }
}

#[test]
fn signatures() {
    let holds = |form: &FormFields| verify(form, SECRET, SigV2Use::Allow).is_ok();
    assert!(holds(&v4(&[])) && holds(&v2(&[])));
    let upper = sign_string("policy").to_uppercase();
    assert!(!holds(&v4(&[("x-amz-signature", &upper)])));
    assert!(!holds(&v4(&[("x-amz-signature", "")])));
    assert!(!holds(&v4(&[("policy", "policx")])));
    assert!(!holds(&v4(&[("POLICY", "policy")])));
    assert!(!holds(&v2(&[("signature", "")])));
    assert!(!holds(&v2(&[("policy", "")])));
    // A key of the other version verifies nothing.
    let (a, b) = (v4(&[]), v2(&[]));
    let scope = ExpectedScope::new("us-east-1", "s3").with_sigv2(SigV2Use::Allow);
    let admit = |form| SignatureClaim::from_form(form).unwrap().unwrap().admit(&scope, now_plus(0));
    let key = |form| VerifyingKey::derive(&admit(form).unwrap(), &SecretAccessKey::new(SECRET));
    assert!(admit(&a).unwrap().verify(&[], &key(&b)).is_err());
    assert!(admit(&b).unwrap().verify(&[], &key(&a)).is_err());
    let verified = verify(&b, SECRET, SigV2Use::Allow).unwrap();
    assert!(!verified.covers_query("acl") && verified.signed_at().is_none());
}

#[test]
fn tokens() {
    let check = |changes: &[(&str, &str)], expected: &TokenClaim<'_>| {
        let form = v4(changes);
        let claim = SignatureClaim::from_form(&form).unwrap().unwrap();
        let scope = ExpectedScope::new("us-east-1", "s3");
        assert!(claim.admit(&scope, now_plus(0)).unwrap().session_token() == *expected);
    };
    let present = |token: &'static str| TokenClaim::Present(token.as_bytes().into());
    let (lower, upper) = ("x-amz-security-token", "X-Amz-Security-Token");
    check(&[], &TokenClaim::Absent);
    check(&[(lower, "")], &present(""));
    check(&[(upper, "t")], &present("t"));
    check(&[(lower, "t"), (upper, "t")], &present("t"));
    check(&[(lower, "t"), (upper, "u")], &TokenClaim::Conflicting);
}

fn presign(
    key: &str,
    fields: &[(&str, &str)],
    conditions: &[PostCondition<'_>],
) -> Result<PresignedPost, PresignError> {
    let endpoint = Endpoint::parse("http://localhost:9000/prefix").unwrap();
    let form = PresignPost::new(&endpoint, "b", key, ExpiresIn::from_seconds(60).unwrap())
        .with_fields(fields)
        .with_conditions(conditions);
    Presigner::new(harness::credentials(None), "us-east-1").presign_post(&form, now_plus(0))
}

#[test]
fn what_is_made_holds_for_what_it_is_made_for() {
    let check = |key: &str, name: &str, expected: bool| {
        let fields = [("x-amz-meta-ü", "é\"\\\n😀"), ("tagging", "<Tagging/>")];
        let made = presign(key, &fields, &[]).unwrap();
        assert_eq!(made.url, "http://localhost:9000/prefix/b");
        let verified = verify(&made.fields, SECRET, SigV2Use::Deny).unwrap();
        let policy = PostPolicy::parse(verified.post_policy().unwrap()).unwrap();
        let posted = made.fields.with_file_name(Some(name)).unwrap();
        let judge = |seconds| policy.judge(&posted, "b", now_plus(seconds));
        assert_eq!(judge(60).is_ok(), expected, "{key} {:?}", judge(60));
        assert!(judge(61).is_err());
    };
    check("k", "x", true);
    check("up/${filename}", "x", true);
    check("up/${filename}.txt", "x", true);
    check("${filename}", "", true);
}

#[test]
fn what_cannot_be_a_form() {
    let check = |fields: &[(&str, &str)], expected: PresignError| {
        assert_eq!(presign("k", fields, &[]), Err(expected));
    };
    assert_eq!(presign("", &[], &[]), Err(PresignError::EmptyKey));
    let name = |name: &str| name.to_owned();
    check(&[("Key", "x")], PresignError::ReservedField { name: name("Key") });
    check(&[("x-amz-date", "x")], PresignError::ReservedField { name: name("x-amz-date") });
    check(&[("a", "1"), ("A", "2")], PresignError::RepeatedField { name: name("a") });
    check(&[("", "1")], PresignError::MalformedField { name: name("") });
    check(&[("a\"", "1")], PresignError::MalformedField { name: name("a\"") });
}
