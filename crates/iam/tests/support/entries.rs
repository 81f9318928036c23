//! What the fuzzers call, and `tests/fuzz.rs` too: bytes in, no panic, and what must always hold.
#![allow(dead_code, reason = "each fuzz target uses one of them")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iam::{
    AccessRequest, AccountId, Context, Decision, LinkLife, MasterKey, NamedPolicy, Policy,
    PolicySet, Principal, Purpose, SessionSealer, Values, Verdict, evaluate, evaluate_trust,
    foresee, token_expires_at,
};
use jiff::{SignedDuration, Timestamp};

/// Gives every key a value, a different kind for each first letter after the colon.
struct Everything;

impl Context for Everything {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let name = key.split_once(':').map_or(key, |(_, name)| name);
        Some(match name.bytes().next()? {
            b'a'..=b'f' => Values::One("2026-06-15T12:00:00Z".into()),
            b'g'..=b'l' => Values::One("12.5".into()),
            b'm'..=b'p' => Values::One("arn:aws:s3:::bucket/key".into()),
            b'q'..=b'r' => Values::One("*".into()),
            b's' => Values::One("203.0.113.9".into()),
            b't' => Values::Many(vec!["a".into(), "b".into()]),
            b'u' => Values::Many(Vec::new()),
            b'v' => Values::Unknown,
            _ => return None,
        })
    }
}

/// Any text to a policy, and that to all that is asked of one.
pub(crate) fn policy_parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let policy = match Policy::parse(&text) {
        Ok(policy) => policy,
        Err(error) => {
            let _ = (error.resource_message(), error.identity_message(), error.to_string());
            return;
        }
    };
    assert_eq!(policy.text(), text);
    let _ = policy.validate_bucket("bucket").map_err(|fault| fault.message().len());
    let _ = policy.validate_identity().map_err(|fault| fault.message());
    let _ = policy.validate_trust().map_err(|fault| fault.message());
    let _ = policy.is_public();
    let bound = policy.bind(|_| Some("AIDA2222222222222222A".to_owned()));
    let bound = bound.expect("what was read is read again");
    assert_eq!(bound.principals(), Vec::<String>::new(), "an ARN was left unbound");
}

/// Any text as a token; and any bytes as what stands in one that was sealed here.
pub(crate) fn token(data: &[u8]) {
    let master = MasterKey::from_bytes([1; 32]);
    let sealer = SessionSealer::new(&master);
    let text = String::from_utf8_lossy(data);
    let _ = token_expires_at(&text);
    assert!(sealer.open(&text).is_err(), "a token was guessed");

    let clear = [b"VALET\x01".as_slice(), &1_781_528_400_i64.to_be_bytes()].concat();
    let sealed = master.sealer(Purpose::Session).seal([7; 12], data, &clear);
    let token = STANDARD.encode([clear, sealed].concat());
    assert_eq!(token_expires_at(&token).map(Timestamp::as_second), Some(1_781_528_400));
    let Ok(session) = sealer.open(&token) else { return };
    let again = sealer.open(&sealer.seal(&session, [8; 12])).expect("what was sealed opens");
    assert_eq!(again.principal, session.principal);
    assert_eq!((again.issued_at, again.expires_at), (session.issued_at, session.expires_at));
    assert_eq!((again.tags, again.transitive_tags), (session.tags, session.transitive_tags));
}

/// Two policies, a line each, to decisions about requests by everybody.
pub(crate) fn policy_evaluate(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(first) = Policy::parse(first) else { return };
    let second = Policy::parse(second).unwrap_or_else(|_| first.clone());
    let account = AccountId::parse("111122223333").expect("12 digits");
    for principal in everybody(&account) {
        let request = AccessRequest {
            principal: &principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::bucket/key",
            resource_account: &account,
            context: &Everything,
        };
        check(
            &request,
            NamedPolicy { name: "1", policy: &first },
            NamedPolicy { name: "2", policy: &second },
        );
    }
}

fn check(request: &AccessRequest<'_>, first: NamedPolicy<'_>, second: NamedPolicy<'_>) {
    let allows = |set: &PolicySet<'_>| matches!(evaluate(request, set), Decision::Allow(_));
    let identity = [first];
    let alone = PolicySet { identity: &identity, resource: Some(second), ..PolicySet::default() };
    let _ = evaluate_trust(request, &alone);
    let bounded = PolicySet { boundary: Some(second), ..alone };
    assert!(allows(&alone) || !allows(&bounded), "a boundary granted something");
    let session = PolicySet { session: Some(&identity), ..alone };
    assert!(allows(&alone) || !allows(&session), "a session policy granted something");
    let nothing = PolicySet { session: Some(&[]), resource: None, ..alone };
    assert!(!allows(&nothing), "an empty session policy allowed something");
    let signed_at = Timestamp::UNIX_EPOCH;
    let asked = signed_at + SignedDuration::from_hours(1);
    let life = LinkLife { signed_at, from: signed_at, until: asked };
    match foresee(request, &alone, life) {
        Verdict::Allowed(held) | Verdict::Unknown { at_most: held, missing: _ } => {
            assert!(held.at >= signed_at && held.at <= asked, "{held:?}");
        }
        Verdict::Refused(refused) => assert!(!matches!(refused, Decision::Allow(_))),
    }
}

fn everybody(account: &AccountId) -> [Principal; 5] {
    let (path, name) = ("/".to_owned(), "ann".to_owned());
    let id = "AIDA2222222222222222A".to_owned();
    [
        Principal::Anonymous,
        Principal::Root { account: account.clone() },
        Principal::User { account: account.clone(), path: path.clone(), name: name.clone(), id },
        Principal::AssumedRole {
            account: account.clone(),
            path,
            role: "reader".to_owned(),
            role_id: "AROA2222222222222222A".to_owned(),
            session: "s1".to_owned(),
        },
        Principal::FederatedUser { account: account.clone(), name },
    ]
}
