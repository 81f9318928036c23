//! The fuzzers' entry points, for a bounded while, so that they run without a fuzzer; and the algebra
//! of decisions. The real fuzzers are in `fuzz/` at the root of the repository.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "support/entries.rs"]
mod entries;

use iam::{
    AccessRequest, AccountId, Context, Decision, LinkLife, NamedPolicy, Policy, PolicySet,
    Principal, Values, Verdict, evaluate, foresee, unknown_keys,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_of(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => prop::sample::select(texts).prop_map(Value::from),
        1 => prop::collection::vec(prop::sample::select(texts), 1..3).prop_map(Value::from),
    ]
}

fn actions() -> impl Strategy<Value = Value> {
    any_of(&["s3:GetObject", "s3:Get*", "*", "s3:PutObject", "iam:*"])
}

fn resources() -> impl Strategy<Value = Value> {
    any_of(&[
        "*",
        "arn:aws:s3:::bucket/*",
        "arn:aws:s3:::bucket/${aws:username}",
        "arn:aws:s3:::bucket/${aws:none}",
        "arn:aws:s3:::other/*",
        "bucket",
    ])
}

fn principals() -> impl Strategy<Value = Value> {
    any_of(&[
        "*",
        "111122223333",
        "444455556666",
        "arn:aws:iam::111122223333:user/ann",
        "arn:aws:iam::111122223333:role/reader",
        "arn:aws:sts::111122223333:assumed-role/reader/s1",
    ])
    .prop_map(|named| json!({ "AWS": named }))
}

fn conditions() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!({"StringEquals": {"aws:username": "ann"}}),
        json!({"StringNotEquals": {"aws:username": "${aws:none}"}}),
        json!({"NumericGreaterThan": {"s3:signatureAge": "600000"}}),
        json!({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "nowhere"]}}),
        json!({"ForAllValues:StringLike": {"aws:TagKeys": ["a*"]}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2026-06-15"}}),
        json!({"Null": {"aws:none": "true"}}),
    ])
}

/// A statement of that effect, with principals where a resource's policy needs them.
fn statement(effect: &'static str, of_resource: bool) -> impl Strategy<Value = Value> {
    let negations = (any::<bool>(), any::<bool>(), any::<bool>());
    (actions(), resources(), principals(), conditions(), negations).prop_map(
        move |(
            action,
            resource,
            principal,
            condition,
            (not_action, not_resource, not_principal),
        )| {
            let mut statement = json!({ "Effect": effect, "Condition": condition });
            statement[if not_action { "NotAction" } else { "Action" }] = action;
            statement[if not_resource { "NotResource" } else { "Resource" }] = resource;
            if of_resource {
                statement[if not_principal { "NotPrincipal" } else { "Principal" }] = principal;
            }
            statement
        },
    )
}

fn statements(of_resource: bool) -> impl Strategy<Value = Vec<Value>> {
    let one =
        prop_oneof![3 => statement("Allow", of_resource), 1 => statement("Deny", of_resource)];
    prop::collection::vec(one, 1..4)
}

fn text(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn policy(statements: &[Value]) -> Policy {
    Policy::parse(&text(statements)).unwrap()
}

/// A link's own value of `aws:SourceIp` and of `aws:none`.
#[derive(Clone)]
struct Link([Option<Values<'static>>; 2]);

impl Context for Link {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let Self([source_ip, none]) = self;
        match key {
            "aws:username" => Some(Values::One("ann".into())),
            "aws:sourceip" => source_ip.clone(),
            "aws:none" => none.clone(),
            "s3:signatureage" => Some(Values::One("1000".into())),
            "aws:currenttime" => Some(Values::One("2026-06-14T12:00:00Z".into())),
            "aws:tagkeys" => Some(Values::Many(vec!["ab".into()])),
            _ => None,
        }
    }
}

/// What a request may turn out to have, of what was unknown.
fn links() -> impl Iterator<Item = Link> {
    let one = |text: &'static str| Some(Values::One(text.into()));
    let addresses = [None, one("203.0.113.9"), one("10.1.2.3"), one("nowhere")];
    let nones = [None, one("ann"), one("key"), Some(Values::Many(vec!["ann".into()]))];
    addresses.into_iter().flat_map(move |address| {
        nones.clone().into_iter().map(move |none| Link([address.clone(), none]))
    })
}

fn moment() -> LinkLife {
    let at: Timestamp = "2026-06-14T12:00:00Z".parse().unwrap();
    LinkLife { signed_at: at - jiff::SignedDuration::from_secs(1), from: at, until: at }
}

/// The four policies of a request, and who asks.
#[derive(Clone, Debug)]
struct Case {
    user: bool,
    owner: bool,
    identity: Vec<Value>,
    boundary: Option<Vec<Value>>,
    session: Option<Vec<Value>>,
    resource: Vec<Value>,
}

fn cases() -> impl Strategy<Value = Case> {
    let limits = (prop::option::of(statements(false)), prop::option::of(statements(false)));
    (any::<bool>(), any::<bool>(), statements(false), limits, statements(true)).prop_map(
        |(user, owner, identity, (boundary, session), resource)| Case {
            user,
            owner,
            identity,
            boundary,
            session,
            resource,
        },
    )
}

impl Case {
    fn decide(&self) -> Decision {
        let usual = Link([Some(Values::One("203.0.113.9".into())), None]);
        self.ask(&usual, evaluate)
    }

    fn ask<T>(
        &self,
        context: &dyn Context,
        ask: impl FnOnce(&AccessRequest<'_>, &PolicySet<'_>) -> T,
    ) -> T {
        let account = AccountId::parse("111122223333").unwrap();
        let other = AccountId::parse("444455556666").unwrap();
        let principal = if self.user {
            Principal::User {
                account: account.clone(),
                path: "/".into(),
                name: "ann".into(),
                id: "AIDA2222222222222222A".into(),
            }
        } else {
            Principal::AssumedRole {
                account: account.clone(),
                path: "/".into(),
                role: "reader".into(),
                role_id: "AROA2222222222222222A".into(),
                session: "s1".into(),
            }
        };
        let (identity, resource) = (policy(&self.identity), policy(&self.resource));
        let boundary = self.boundary.as_deref().map(policy);
        let session = self.session.as_deref().map(policy);
        let session: Option<Vec<_>> =
            session.as_ref().map(|policy| vec![NamedPolicy { name: "session", policy }]);
        let request = AccessRequest {
            principal: &principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::bucket/ann",
            resource_account: if self.owner { &account } else { &other },
            context,
        };
        let set = PolicySet {
            identity: &[NamedPolicy { name: "identity", policy: &identity }],
            boundary: boundary.as_ref().map(|policy| NamedPolicy { name: "boundary", policy }),
            session: session.as_deref(),
            resource: Some(NamedPolicy { name: "resource", policy: &resource }),
        };
        ask(&request, &set)
    }

    fn allowed(&self) -> bool {
        matches!(self.decide(), Decision::Allow(_))
    }

    fn denied(&self) -> bool {
        matches!(self.decide(), Decision::ExplicitDeny(_))
    }
}

/// Pieces that the records of sessions are made of.
fn record_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        r#","kind":"root""#,
        r#","kind":{"user":{"id":"AIDA"}}"#,
        r#","kind":{"role":{"id":"AROA","session":"s"}}"#,
        r#","kind":{"federated":{"name":"bob","id":null}}"#,
        r#","policies":[]"#,
        r#","policies":["{}"]"#,
        r#","tags":[["k","v"]]"#,
        r#","transitive":["k"]"#,
        r#","source":"ann""#,
        r#","provider":"""#,
        r#","v":2"#,
        "}",
    ]);
    let start = r#"{"v":1,"key":"ASIA","secret":"s","account":"111122223333","at":0"#;
    prop::collection::vec(piece, 1..6)
        .prop_map(move |pieces| format!("{start}{}}}", pieces.concat()).into_bytes())
}

/// Pieces that policies are made of, so that random strings of them get far.
fn policy_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        r#"{"Version":"2012-10-17","Statement":["#,
        r#"{"Effect":"Allow","Action":"s3:*","Resource":"*""#,
        r#"{"Effect":"Deny","NotAction":["*"],"NotResource":"${aws:username""#,
        r#","Principal":{"AWS":["*","111122223333"]}"#,
        r#","Condition":{"#,
        r#""StringLike":{"aws:a":["*","${b, 'c'}"]}"#,
        r#""NumericLessThan":{"s3:h":1e400}"#,
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "é",
        "\\u0000",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn tokens(data in prop_oneof![
        record_bytes(),
        prop::collection::vec(any::<u8>(), 0..128),
        "(VkFMRVQB)?[A-Za-z0-9+/]{0,120}={0,2}".prop_map(String::into_bytes),
    ]) {
        entries::token(&data);
    }

    #[test]
    fn parsing_never_panics(data in prop_oneof![
        policy_text().prop_map(String::into_bytes),
        statements(true).prop_map(|statements| text(&statements).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..256),
    ]) {
        entries::policy_parse(&data);
    }

    #[test]
    fn evaluating_never_panics(first in statements(false), second in statements(true)) {
        entries::policy_evaluate(format!("{}\n{}", text(&first), text(&second)).as_bytes());
    }

    #[test]
    fn one_more_deny_never_allows(
        case in cases(),
        deny in statement("Deny", false),
        of_resource in statement("Deny", true),
    ) {
        let mut stricter = case.clone();
        stricter.identity.push(deny.clone());
        prop_assert!(case.allowed() || !stricter.allowed());
        let mut stricter = case.clone();
        stricter.resource.push(of_resource);
        prop_assert!(case.allowed() || !stricter.allowed());
        let mut stricter = case.clone();
        stricter.boundary.iter_mut().for_each(|boundary| boundary.push(deny.clone()));
        stricter.session.iter_mut().for_each(|session| session.push(deny.clone()));
        prop_assert!(case.allowed() || !stricter.allowed());
    }

    #[test]
    fn one_more_allow_never_denies(
        case in cases(),
        allow in statement("Allow", false),
        of_resource in statement("Allow", true),
    ) {
        let mut wider = case.clone();
        wider.identity.push(allow);
        wider.resource.push(of_resource);
        prop_assert!(!case.allowed() || wider.allowed());
        prop_assert_eq!(case.denied(), wider.denied());
    }

    /// What is sure holds whatever the unknown values turn out to be, and by none but the keys that are named can it
    /// turn out otherwise.
    #[test]
    fn what_is_foreseen_comes_true(case in cases()) {
        let unknown = Link([Some(Values::Unknown), Some(Values::Unknown)]);
        let verdict = case.ask(&unknown, |request, policies| foresee(request, policies, moment()));
        let keys = case.ask(&unknown, |request, policies| unknown_keys(request, policies, moment()));
        let keys = keys.unwrap();
        let decided = |link: Link| {
            let decision = case.ask(&link, evaluate);
            (link, matches!(decision, Decision::Allow(_)))
        };
        let decided: Vec<(Link, bool)> = links().map(decided).collect();
        for (link, allowed) in &decided {
            match &verdict {
                Verdict::Allowed(_) => prop_assert!(allowed),
                Verdict::Refused(refused) => {
                    prop_assert!(!matches!(refused, Decision::Allow(_)));
                    prop_assert!(!allowed);
                }
                Verdict::Unknown { missing, .. } => prop_assert_eq!(missing, &keys),
            }
            for (other, other_allowed) in &decided {
                let named = ["aws:sourceip", "aws:none"].map(|key| keys.contains(key));
                let differs_by_named = |at: usize| named[at] && link.0[at] != other.0[at];
                if !differs_by_named(0) && !differs_by_named(1) {
                    prop_assert_eq!(allowed, other_allowed, "by {:?}", &keys);
                }
            }
        }
    }

    #[test]
    fn limits_only_limit(case in cases()) {
        let mut unbounded = case.clone();
        unbounded.boundary = None;
        prop_assert!(unbounded.allowed() || !case.allowed());
        let mut unlimited = case.clone();
        unlimited.session = None;
        prop_assert!(unlimited.allowed() || !case.allowed());
    }

    #[test]
    fn a_matching_deny_wins(case in cases()) {
        let everything = json!({"Effect": "Deny", "Action": "*", "Resource": "*"});
        let mut denied = case;
        denied.identity.push(everything);
        prop_assert!(denied.denied());
    }
}
