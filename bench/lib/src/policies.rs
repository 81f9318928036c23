//! May this be done: policies of 20 KiB, parsed beforehand, as the server keeps them.

use std::hint::black_box;

use iam::{
    AccessRequest, AccountId, Context, Decision, NamedPolicy, Policy, PolicySet, Principal, Values,
    evaluate,
};

/// What one policy of a bucket may weigh, and more than all of a user's inline ones together.
const SET_BYTES: usize = 20 * 1024;
/// What one managed policy may weigh.
const MANAGED_BYTES: usize = 6 * 1024;

/// A user with managed policies of 20 KiB together reads what the last of their statements allows.
pub(crate) fn allowed_by_the_last() -> impl FnMut() {
    let mut policies = managed();
    policies.push(policy(&[statement("Allow", "", "arn:aws:s3:::photos/*")]));
    decide(policies, None, |decision| matches!(decision, Decision::Allow(_)))
}

/// No statement allows it, so every one is read.
pub(crate) fn denied_by_all() -> impl FnMut() {
    decide(managed(), None, |decision| matches!(decision, Decision::ImplicitDeny(_)))
}

/// A bucket whose policy of 20 KiB denies others much, and a user with a small one.
pub(crate) fn past_a_bucket_policy() -> impl FnMut() {
    let own = vec![policy(&[statement("Allow", "", "arn:aws:s3:::photos/*")])];
    let bucket = filled(SET_BYTES, |number| {
        let resource = format!("arn:aws:s3:::photos/team-{number}/*");
        statement("Deny", r#""Principal":"*","#, &resource)
    });
    decide(own, Some(bucket), |decision| matches!(decision, Decision::Allow(_)))
}

fn managed() -> Vec<Policy> {
    let team = |number| statement("Allow", "", &format!("arn:aws:s3:::team-{number}/*"));
    let mut policies = vec![filled(SET_BYTES % MANAGED_BYTES, team)];
    policies.extend((0..SET_BYTES / MANAGED_BYTES).map(|_| filled(MANAGED_BYTES, team)));
    policies
}

/// As people write them: two actions, a resource, and who may do it from where and how.
fn statement(effect: &str, principal: &str, resource: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}",{principal}"Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"{resource}","Condition":{{"IpAddress":{{"aws:SourceIp":["192.0.2.0/24","198.51.100.0/24"]}},"Bool":{{"aws:SecureTransport":"true"}}}}}}"#
    )
}

/// As many statements as fit.
fn filled(bytes: usize, statement: impl Fn(usize) -> String) -> Policy {
    let mut statements: Vec<String> = Vec::new();
    while statements.iter().map(|text| text.len() + 1).sum::<usize>() < bytes {
        statements.push(statement(statements.len()));
    }
    policy(&statements)
}

fn policy(statements: &[String]) -> Policy {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    Policy::parse(&text).unwrap()
}

struct Request;

impl Context for Request {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "aws:sourceip" => Some(Values::One("192.0.2.7".into())),
            "aws:securetransport" => Some(Values::One("true".into())),
            _ => None,
        }
    }
}

fn decide(
    identity: Vec<Policy>,
    resource: Option<Policy>,
    expected: impl Fn(&Decision) -> bool,
) -> impl FnMut() {
    let account = AccountId::parse("111122223333").unwrap();
    let principal = Principal::User {
        account: account.clone(),
        path: "/".into(),
        name: "ann".into(),
        id: "AIDAEXAMPLEEXAMPLE".into(),
    };
    move || {
        let named = |policy| NamedPolicy { name: "policy", policy };
        let identity: Vec<NamedPolicy<'_>> = identity.iter().map(named).collect();
        let request = AccessRequest {
            principal: &principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::photos/2026/June/beach house.jpg",
            resource_account: &account,
            context: &Request,
        };
        let set = PolicySet {
            identity: &identity,
            resource: resource.as_ref().map(named),
            ..PolicySet::default()
        };
        let decision = black_box(evaluate(black_box(&request), &set));
        assert!(expected(&decision), "{decision:?}");
    }
}
