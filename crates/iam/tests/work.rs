//! What decisions and policies cost: steps are counted and bounded, weights are told, and what is spent
//! decides nothing in anybody's favour.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::cell::Cell;
use std::collections::BTreeSet;

use iam::{
    AccessRequest, AccountId, Cause, Context, DECISION_STEPS_MAX, Decision, LinkLife, NamedPolicy,
    Policy, PolicyKind, PolicySet, Principal, REQUEST_STEPS_MAX, VALUE_BYTES_MAX, Values, Verdict,
    Work, evaluate, foresee, unknown_keys,
};
use jiff::{SignedDuration, Timestamp};

/// A request whose header has a value, and what its decisions have left.
struct Request {
    user_agent: String,
    work: Work,
}

impl Context for Request {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "aws:useragent" => Some(Values::One(self.user_agent.as_str().into())),
            "aws:tagkeys" => Some(Values::Many(vec!["a".into(), self.user_agent.as_str().into()])),
            _ => None,
        }
    }

    fn work(&self) -> Option<&Work> {
        Some(&self.work)
    }
}

fn request(user_agent: &str) -> Request {
    Request { user_agent: user_agent.to_owned(), work: Work::default() }
}

fn policy(statements: &str) -> Policy {
    Policy::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)).unwrap()
}

fn statement(effect: &str, condition: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"s3:*","Resource":"*","Condition":{condition}}}"#)
}

/// What is decided of a user with these identity policies.
fn decide(context: &Request, policies: &[&Policy]) -> Decision {
    asked(context, "arn:aws:s3:::b/k", policies, evaluate)
}

fn asked<T>(
    context: &dyn Context,
    resource: &str,
    policies: &[&Policy],
    ask: impl FnOnce(&AccessRequest<'_>, &PolicySet<'_>) -> T,
) -> T {
    let account = AccountId::parse("111122223333").unwrap();
    let principal = Principal::User {
        account: account.clone(),
        path: "/".into(),
        name: "ann".into(),
        id: "AIDA2222222222222222A".into(),
    };
    let request = AccessRequest {
        principal: &principal,
        action: "s3:DeleteObject",
        resource,
        resource_account: &account,
        context,
    };
    let named: Vec<_> = policies.iter().map(|policy| NamedPolicy { name: "p", policy }).collect();
    ask(&request, &PolicySet { identity: &named, ..PolicySet::default() })
}

fn allowed(context: &Request, policies: &[&Policy]) -> bool {
    matches!(decide(context, policies), Decision::Allow(_))
}

fn spent(context: &Request) -> u64 {
    REQUEST_STEPS_MAX - context.work.left()
}

/// The pattern that took 0.4 s of a core for one object: 2 KB of it against 50 KB.
fn burner(bytes: usize) -> String {
    format!("*{}b", "a?".repeat(bytes / 2))
}

#[test]
fn one_pattern_costs_no_more_than_its_lengths() {
    let condition = format!(r#"{{"StringLike":{{"aws:UserAgent":"{}"}}}}"#, burner(2048));
    let burner = policy(&statement("Allow", &condition));
    let long = request(&"a".repeat(VALUE_BYTES_MAX));
    assert!(!allowed(&long, &[&burner]));
    let lengths = u64::try_from(burner.text().len() + VALUE_BYTES_MAX).unwrap();
    assert!(spent(&long) < 64 * lengths, "{}", spent(&long));
    // A thousand objects of one request.
    for _ in 0..1000 {
        assert!(!allowed(&long, &[&burner]));
    }
    assert!(spent(&long) <= REQUEST_STEPS_MAX);
}

#[test]
fn what_is_spent_decides_for_nobody() {
    // Four million steps, however they are asked for: in one policy or in many.
    let many: Vec<String> = (0..2000).map(|n| format!(r#""*{n:04}a?a?a?a?b*""#)).collect();
    let condition = format!(r#"{{"StringNotLike":{{"aws:UserAgent":[{}]}}}}"#, many.join(","));
    let heavy = policy(&statement("Allow", &condition));
    let light = policy(&statement("Allow", "{}"));
    let deny = policy(&statement("Deny", r#"{"StringEquals":{"aws:UserAgent":"nobody"}}"#));

    let short = request("curl");
    assert!(allowed(&short, &[&heavy]), "an ordinary value passes");
    assert!(allowed(&short, &[&light, &deny]));

    let heavies = [&heavy; 20];
    let long = request(&"0".repeat(VALUE_BYTES_MAX));
    assert_eq!(decide(&long, &heavies), Decision::ImplicitDeny(PolicyKind::Identity));
    assert!(long.work.is_spent(), "whoever needs too much once is through");
    assert!(!allowed(&long, &[&light]), "nothing is left");
    let cause = Cause { kind: PolicyKind::Identity, policy: "p".into(), statement: 0, sid: None };
    assert_eq!(decide(&long, &[&light, &deny]), Decision::ExplicitDeny(cause.clone()));
    // Where it is spent on the way to a statement that denies, that one denies.
    let denials = format!(
        "{},{}",
        statement("Deny", &condition.replace("NotLike", "Like")),
        statement("Deny", r#"{"StringEquals":{"aws:UserAgent":"nobody"}}"#)
    );
    let long = Request { work: Work::new(10_000), ..request(&"0".repeat(VALUE_BYTES_MAX)) };
    assert_eq!(decide(&long, &[&light, &policy(&denials)]), Decision::ExplicitDeny(cause));
}

#[test]
fn a_value_that_is_too_long_is_compared_with_nothing() {
    let fits = "a".repeat(VALUE_BYTES_MAX);
    let too_long = "a".repeat(VALUE_BYTES_MAX + 1);
    let light = policy(&statement("Allow", "{}"));
    // Condition, and whether an Allow and a Deny with it apply to the value that fits.
    for (condition, holds) in [
        (r#"{"StringLike":{"aws:UserAgent":"a*"}}"#, true),
        (r#"{"StringNotLike":{"aws:UserAgent":"a*"}}"#, false),
        (r#"{"StringNotEquals":{"aws:UserAgent":"a"}}"#, true),
        (r#"{"StringEqualsIfExists":{"aws:UserAgent":"a"}}"#, false),
        (r#"{"ForAnyValue:StringLike":{"aws:TagKeys":"a"}}"#, true),
        (r#"{"ForAllValues:StringLike":{"aws:TagKeys":"b*"}}"#, false),
    ] {
        let (allow, deny) =
            (policy(&statement("Allow", condition)), policy(&statement("Deny", condition)));
        assert_eq!(allowed(&request(&fits), &[&allow]), holds, "{condition}");
        assert_eq!(allowed(&request(&fits), &[&light, &deny]), !holds, "{condition}");
        assert!(!allowed(&request(&too_long), &[&allow]), "{condition}");
        assert!(!allowed(&request(&too_long), &[&light, &deny]), "{condition}");
    }
    // Whether it is there can be told.
    let there = policy(&statement("Allow", r#"{"Null":{"aws:UserAgent":"false"}}"#));
    assert!(allowed(&request(&too_long), &[&there]));
    // As a variable it is text that nothing here is long enough to have.
    let variable = policy(
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},
           {"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::${aws:UserAgent}*"}"#,
    );
    assert!(!allowed(&request(&too_long), &[&variable]));
    // Nor is anything allowed on a resource that is none of ours.
    let resource = format!("arn:aws:s3:::b/{too_long}");
    let decision = asked(&request("curl"), &resource, &[&light], evaluate);
    assert!(!matches!(decision, Decision::Allow(_)), "{decision:?}");
}

#[test]
fn a_decision_that_stands_alone_is_bounded_too() {
    struct Alone;
    impl Context for Alone {
        fn values(&self, _key: &str) -> Option<Values<'_>> {
            None
        }
    }
    // Statements enough for more than one decision has.
    let one = statement("Allow", r#"{"StringEquals":{"aws:username":"bob"}}"#);
    let heavy = policy(&vec![one; 1200].join(","));
    let light = policy(&statement("Allow", "{}"));
    let account = AccountId::parse("111122223333").unwrap();
    let principal = Principal::FederatedUser { account: account.clone(), name: "f".into() };
    let request = AccessRequest {
        principal: &principal,
        action: "s3:DeleteObject",
        resource: "arn:aws:s3:::b/k",
        resource_account: &account,
        context: &Alone,
    };
    let allowed = |heavies: usize| {
        let mut named = vec![NamedPolicy { name: "h", policy: &heavy }; heavies];
        named.push(NamedPolicy { name: "l", policy: &light });
        let set = PolicySet { identity: &named, ..PolicySet::default() };
        matches!(evaluate(&request, &set), Decision::Allow(_))
    };
    // Six times what a user may have at every quota, and far too much.
    assert!(allowed(30));
    assert!(!allowed(300));
}

#[test]
fn how_long_a_link_holds_takes_no_more_than_a_few_decisions() {
    let times: Vec<String> =
        (0..4000).map(|n| format!(r#""{}""#, 1_781_524_800_i64 + n * 7)).collect();
    let condition = format!(r#"{{"NumericEquals":{{"aws:EpochTime":[{}]}}}}"#, times.join(","));
    let heavy = policy(&format!("{},{}", statement("Allow", "{}"), statement("Deny", &condition)));
    let context = request("curl");
    let signed_at: Timestamp = "2026-06-15T11:00:00Z".parse().unwrap();
    let end = signed_at + SignedDuration::from_hours(24);
    let life = LinkLife { signed_at, from: signed_at, until: end };
    let verdict = asked(&context, "arn:aws:s3:::b/k", &[&heavy], |request, policies| {
        foresee(request, policies, life)
    });
    // It is allowed at first; there are too many times to tell until when.
    let epoch = BTreeSet::from(["aws:epochtime".to_owned()]);
    let Verdict::Unknown { missing, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(missing, epoch);
    assert!(spent(&context) <= 5 * DECISION_STEPS_MAX, "{}", spent(&context));
    let keys = asked(&context, "arn:aws:s3:::b/k", &[&heavy], |request, policies| {
        unknown_keys(request, policies, life)
    });
    assert_eq!(keys, Some(epoch));
    assert!(spent(&context) <= 10 * DECISION_STEPS_MAX, "{}", spent(&context));
}

#[test]
fn what_is_spent_on_the_way_promises_nothing() {
    // Few times, and so many operands beside them that a decision costs a quarter of all steps.
    let many: Vec<String> = (0..100_000).map(|n| (n % 10).to_string()).collect();
    let many = many.join("\",\"");
    let of_agent =
        format!(r#""StringNotEquals":{{"aws:UserAgent":["{}"]}}"#, many.get(..100_000).unwrap());
    let times: Vec<String> =
        (0..100).map(|n| format!(r#""{}.5""#, 1_781_524_800_i64 + n * 7)).collect();
    let of_time = format!(r#""NumericEquals":{{"aws:EpochTime":[{}]}}"#, times.join(","));
    let never = statement("Deny", &format!("{{{of_agent},{of_time}}}"));
    let heavy = policy(&format!("{},{never}", statement("Allow", "{}")));
    let context = Counted { request: request("curl"), asked: Cell::new(0) };
    let signed_at: Timestamp = "2026-06-15T11:00:00Z".parse().unwrap();
    let until = signed_at + SignedDuration::from_hours(24);
    let life = LinkLife { signed_at, from: signed_at, until };
    let heavies = [&heavy; 4];
    let verdict = asked(&context, "arn:aws:s3:::b/k", &heavies, |request, policies| {
        foresee(request, policies, life)
    });
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
    assert!(spent(&context.request) <= 5 * DECISION_STEPS_MAX);
    assert!(context.asked.get() < 100 * heavies.len(), "{}", context.asked.get());
}

/// What a request asks for, counted: also after no step is left.
struct Counted {
    request: Request,
    asked: Cell<usize>,
}

impl Context for Counted {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        self.asked.set(self.asked.get() + 1);
        self.request.values(key)
    }

    fn work(&self) -> Option<&Work> {
        self.request.work()
    }
}

#[test]
fn many_times_are_not_tried_one_by_one() {
    const STATEMENTS: usize = 60;
    let signed_at: Timestamp = "2026-06-15T11:00:00Z".parse().unwrap();
    let end = signed_at + SignedDuration::from_hours(24);
    let life = LinkLife { signed_at, from: signed_at, until: end };
    for (key, first) in [("s3:signatureAge", 5_000), ("aws:EpochTime", 1_781_524_800)] {
        let statements = (0..STATEMENTS).map(|place| {
            let operand = |at: usize| format!("{}", first + 7 * (28 * place + at));
            let operands: Vec<String> = (0..28).map(operand).collect();
            let agent = r#""StringNotEquals":{"aws:UserAgent":"wget"}"#;
            let operands = operands.join(",");
            statement("Deny", &format!(r#"{{{agent},"NumericEquals":{{"{key}":[{operands}]}}}}"#))
        });
        let statements: Vec<String> =
            std::iter::once(statement("Allow", "{}")).chain(statements).collect();
        let heavy = policy(&statements.join(","));
        let context = Counted { request: request("curl"), asked: Cell::new(0) };
        let verdict = asked(&context, "arn:aws:s3:::b/k", &[&heavy], |request, policies| {
            foresee(request, policies, life)
        });
        let Verdict::Unknown { missing, .. } = verdict else { panic!("{key}: {verdict:?}") };
        assert_eq!(missing, BTreeSet::from([key.to_ascii_lowercase()]));
        assert!(context.asked.get() < 16 * STATEMENTS, "{key}: {}", context.asked.get());
        asked(&context, "arn:aws:s3:::b/k", &[&heavy], |request, policies| {
            unknown_keys(request, policies, life)
        });
        assert!(context.asked.get() < 32 * STATEMENTS, "{key}: {}", context.asked.get());
    }
}

/// Of all documents that were thought up to grow when they are read. Before, 2 KB of `*?` took 95 KB.
#[test]
fn a_policy_weighs_what_its_text_weighs_a_few_times_over() {
    const TIMES_MAX: usize = 6;
    const BESIDE: usize = 1024;
    let repeat = |unit: &str| vec![unit; 16 * 1024 / (unit.len() + 1)].join(",");
    let rows = [
        (
            "wildcards",
            statement("Allow", &format!(r#"{{"StringLike":{{"a:b":"{}"}}}}"#, "*?".repeat(8192))),
        ),
        (
            "variables",
            statement("Allow", &format!(r#"{{"StringLike":{{"a:b":"{}"}}}}"#, "${a}".repeat(4096))),
        ),
        (
            "operands",
            statement("Allow", &format!(r#"{{"StringLike":{{"a:b":[{}]}}}}"#, repeat("0"))),
        ),
        (
            "dates",
            statement("Allow", &format!(r#"{{"DateLessThan":{{"a:b":[{}]}}}}"#, repeat("0"))),
        ),
        (
            "networks",
            statement("Allow", &format!(r#"{{"IpAddress":{{"a:b":[{}]}}}}"#, repeat(r#""::""#))),
        ),
        (
            "conditions",
            statement(
                "Allow",
                &format!(
                    "{{\"Null\":{{{}}}}}",
                    (0..1500).map(|n| format!(r#""{n:x}":0"#)).collect::<Vec<_>>().join(",")
                ),
            ),
        ),
        (
            "actions",
            format!(r#"{{"Effect":"Deny","Action":[{}],"Resource":"*"}}"#, repeat(r#""""#)),
        ),
        (
            "arns",
            format!(r#"{{"Effect":"Deny","Action":"*","Resource":[{}]}}"#, repeat(r#""arn:""#)),
        ),
        (
            "principals",
            format!(
                r#"{{"Effect":"Deny","Action":"*","Principal":{{"AWS":[{}]}}}}"#,
                repeat(r#""*""#)
            ),
        ),
        ("statements", repeat(r#"{"Effect":"Deny","Action":""}"#)),
    ];
    for (name, statements) in rows {
        let policy = policy(&statements);
        let (weight, text) = (policy.weight_bytes(), policy.text().len());
        assert!(weight >= text, "{name}");
        assert!(weight <= TIMES_MAX * text + BESIDE, "{name}: {weight} of {text}");
    }
}
