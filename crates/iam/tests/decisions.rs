//! Decision tables: policies and a request as JSON, and the decision that AWS documents for them.
//!
//! In a row, `as` is one of [`principal`]'s names; a policy is a document, or a list of statements of
//! version 2012-10-17; what is left out is usual: `ann` reads `arn:aws:s3:::bucket/key` of her own
//! account. A row of a table of conditions says whether the condition lets an Allow and a Deny apply.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::collections::BTreeMap;

use iam::{
    AccessRequest, AccountId, Context, Decision, NamedPolicy, Policy, PolicySet, Principal, Values,
    evaluate, evaluate_trust,
};
use serde_json::{Value, json};

const OWN: &str = "111122223333";
const OTHER: &str = "444455556666";

/// Rows of each table.
const EVALUATION_ROWS: usize = 98;
const ELEMENT_ROWS: usize = 73;
const TRUST_ROWS: usize = 27;
const PUBLISHED_ROWS: usize = 53;
const CONDITION_ROWS: usize = 177;

/// The keys of a row's `context`, spelled in any case. A list is a key of many values, `{"alike": […]}` those of
/// several things that have one name to a policy.
struct Keys(BTreeMap<String, Value>);

impl Keys {
    fn of(row: &Value) -> Self {
        let keys = row["context"].as_object().into_iter().flatten();
        Self(keys.map(|(key, value)| (key.to_lowercase(), value.clone())).collect())
    }
}

impl Context for Keys {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        assert_eq!(key, key.to_lowercase(), "keys are asked for in lower case");
        let texts = |values: &'_ [Value]| {
            values.iter().map(|value| value.as_str().unwrap().to_owned().into()).collect()
        };
        Some(match self.0.get(key)? {
            Value::Array(values) => Values::Many(texts(values)),
            Value::Object(named) => Values::Alike(texts(named["alike"].as_array().unwrap())),
            value => Values::One(value.as_str().unwrap().into()),
        })
    }
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn principal(name: &str) -> Principal {
    let user = |id: &str, name: &str| Principal::User {
        account: account(id),
        path: "/staff/".into(),
        name: name.into(),
        id: "AIDA2222222222222222A".into(),
    };
    let session = |id: &str| Principal::AssumedRole {
        account: account(id),
        path: "/jobs/".into(),
        role: "reader".into(),
        role_id: "AROA2222222222222222A".into(),
        session: "s1".into(),
    };
    match name {
        "anonymous" => Principal::Anonymous,
        "root" => Principal::Root { account: account(OWN) },
        "ann" => user(OWN, "ann"),
        "session" => session(OWN),
        "federated" => Principal::FederatedUser { account: account(OWN), name: "bob".into() },
        "web" => Principal::WebIdentity {
            provider: format!("arn:aws:iam::{OWN}:oidc-provider/issuer.example"),
        },
        "other root" => Principal::Root { account: account(OTHER) },
        "other ann" => user(OTHER, "ann"),
        "other session" => session(OTHER),
        _ => panic!("no principal {name}"),
    }
}

fn policy(document: &Value) -> Policy {
    let text = match document {
        Value::Array(_) => json!({"Version": "2012-10-17", "Statement": document}).to_string(),
        document => document.to_string(),
    };
    Policy::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The policies of a member that is a list of them, with the names that causes call them by.
fn policies(kind: &str, documents: &Value) -> Vec<(String, Policy)> {
    let documents = documents.as_array().into_iter().flatten().enumerate();
    documents.map(|(place, document)| (format!("{kind}{place}"), policy(document))).collect()
}

fn named(policies: &[(String, Policy)]) -> Vec<NamedPolicy<'_>> {
    policies.iter().map(|(name, policy)| NamedPolicy { name, policy }).collect()
}

/// The decision on a row, as rows spell it.
fn decide(row: &Value) -> String {
    let text = |member: &str, usual: &'static str| -> String {
        row.get(member).map_or(usual, |value| value.as_str().unwrap()).to_owned()
    };
    let one = |member: &str| row.get(member).map(policy);
    let (identity, session) = (policies("i", &row["identity"]), policies("s", &row["session"]));
    let (boundary, resource) = (one("boundary"), one("resource"));
    let (identity, session_policies) = (named(&identity), named(&session));
    let (action, on) = (text("action", "s3:GetObject"), text("on", "arn:aws:s3:::bucket/key"));
    let request = AccessRequest {
        principal: &principal(&text("as", "ann")),
        action: &action,
        resource: &on,
        resource_account: &account(&text("owner", OWN)),
        context: &Keys::of(row),
    };
    let set = PolicySet {
        identity: &identity,
        boundary: boundary.as_ref().map(|policy| NamedPolicy { name: "boundary", policy }),
        session: row.get("session").map(|_| session_policies.as_slice()),
        resource: resource.as_ref().map(|policy| NamedPolicy { name: "resource", policy }),
    };
    let trust = row.get("trust").is_some();
    match if trust { evaluate_trust(&request, &set) } else { evaluate(&request, &set) } {
        Decision::Allow(None) => "Allow".to_owned(),
        Decision::Allow(Some(cause)) => {
            format!("Allow: {} {} {}", cause.kind, cause.policy, cause.statement)
        }
        Decision::ExplicitDeny(cause) => {
            let sid = cause.sid.map(|sid| format!(" {sid}")).unwrap_or_default();
            format!("ExplicitDeny: {} {} {}{sid}", cause.kind, cause.policy, cause.statement)
        }
        Decision::ImplicitDeny(kind) => format!("ImplicitDeny: {kind}"),
    }
}

fn rows(text: &str) -> Vec<Value> {
    let table: Value = serde_json::from_str(text).unwrap();
    table["rows"].as_array().unwrap().clone()
}

/// Checks each row, and that there are as many as were written: a table cannot lose rows unseen.
fn check(text: &str, count: usize) {
    let rows = rows(text);
    for row in &rows {
        assert_eq!(decide(row), row["decision"].as_str().unwrap(), "{row}");
    }
    assert_eq!(rows.len(), count, "rows");
}

#[test]
fn evaluation() {
    check(include_str!("decisions/evaluation.json"), EVALUATION_ROWS);
}

#[test]
fn elements() {
    check(include_str!("decisions/elements.json"), ELEMENT_ROWS);
}

#[test]
fn trust() {
    check(include_str!("decisions/trust.json"), TRUST_ROWS);
}

#[test]
fn published_examples() {
    check(include_str!("decisions/published.json"), PUBLISHED_ROWS);
}

#[test]
fn conditions() {
    let rows = rows(include_str!("decisions/conditions.json"));
    for row in &rows {
        let version = row.get("version").map_or("2012-10-17", |version| version.as_str().unwrap());
        let decision = |effect: &str| {
            let statement = json!({
                "Effect": effect, "Action": "*", "Resource": "*", "Condition": row["condition"],
            });
            let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
            let statements =
                if effect == "Deny" { json!([all, statement]) } else { json!([statement]) };
            let document = json!({"Version": version, "Statement": statements});
            decide(&json!({"identity": [document], "context": row["context"]}))
        };
        let allows = decision("Allow") == "Allow: identity-based policy i0 0";
        let denies = decision("Deny") == "ExplicitDeny: identity-based policy i0 1";
        assert_eq!((allows, denies), (row["allows"] == true, row["denies"] == true), "{row}");
    }
    assert_eq!(rows.len(), CONDITION_ROWS, "rows");
}
