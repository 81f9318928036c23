//! Statements of a bucket policy that commands put into it, each under a name by which it is found again.

use anyhow::{Context as _, anyhow};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::aws::Api;
use crate::failure::Failure;
use crate::refusal;
use crate::remote::{self, Call, Remote};

/// The policy with a statement, in the place of one of the same name.
fn with_statement(policy: Option<Value>, statement: Value) -> Option<Value> {
    let mut policy = policy.unwrap_or_else(|| json!({ "Version": "2012-10-17", "Statement": [] }));
    let statements = policy.get_mut("Statement")?;
    // A single statement may stand without a list.
    if statements.is_object() {
        *statements = Value::Array(vec![statements.take()]);
    }
    let list = statements.as_array_mut()?;
    list.retain(|other| other.get("Sid").is_none() || other.get("Sid") != statement.get("Sid"));
    list.push(statement);
    Some(policy)
}

/// The policy without the statement of this name; `None`: nothing else is in it.
fn without_statement(mut policy: Value, sid: &str) -> Option<Value> {
    let is_named = |statement: &Value| statement.get("Sid").and_then(Value::as_str) == Some(sid);
    let statements = policy.get_mut("Statement")?;
    if is_named(statements) {
        return None;
    }
    if let Some(list) = statements.as_array_mut() {
        list.retain(|statement| !is_named(statement));
        if list.is_empty() {
            return None;
        }
    }
    Some(policy)
}

fn call<'c>(method: &'c Method, path: &'c str, body: &'c str) -> Call<'c> {
    let content_type = (!body.is_empty()).then_some("application/json");
    Call { method, path, query: "policy=", content_type, body, api: Api::S3 }
}

/// Fails if the bucket is not there, or its policy cannot be seen.
pub(crate) async fn check(remote: &Remote, bucket: &str) -> Result<(), Failure> {
    get(remote, &format!("/{bucket}")).await.map(drop)
}

/// The policy of a bucket, if it has one.
pub(crate) async fn get(remote: &Remote, path: &str) -> Result<Option<Value>, Failure> {
    found(remote, path, &["NoSuchBucketPolicy"]).await
}

/// The policy of a bucket; none if it is refused for one of these reasons.
async fn found(remote: &Remote, path: &str, missing: &[&str]) -> Result<Option<Value>, Failure> {
    let response = remote.ask(call(&Method::GET, path, ""), &[]).await?;
    if response.status().is_success() {
        let text = remote::read(response).await?;
        let policy = serde_json::from_str(&text).context("the bucket policy cannot be read")?;
        return Ok(Some(policy));
    }
    let is_missing = response.status() == StatusCode::NOT_FOUND;
    let refused = refusal::look_at_own(response).await;
    if is_missing && missing.contains(&refused.code.as_str()) {
        return Ok(None);
    }
    Err(refused.failure)
}

/// Puts a statement into the policy of a bucket.
pub(crate) async fn add(remote: &Remote, bucket: &str, statement: Value) -> Result<(), Failure> {
    let path = format!("/{bucket}");
    let policy = with_statement(get(remote, &path).await?, statement);
    let policy = policy.ok_or_else(|| anyhow!("the policy of `{bucket}` has no statements"))?;
    remote.send(call(&Method::PUT, &path, &policy.to_string())).await.map(drop)
}

/// Takes a statement out of the policy of a bucket, if both are there.
pub(crate) async fn remove(remote: &Remote, bucket: &str, sid: &str) -> Result<(), Failure> {
    let path = format!("/{bucket}");
    // A bucket that is gone has no policy either.
    let policy = found(remote, &path, &["NoSuchBucketPolicy", "NoSuchBucket"]).await?;
    let Some(policy) = policy else { return Ok(()) };
    match without_statement(policy.clone(), sid) {
        Some(rest) if rest == policy => Ok(()),
        Some(rest) => remote.send(call(&Method::PUT, &path, &rest.to_string())).await.map(drop),
        None => remote.send(call(&Method::DELETE, &path, "")).await.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_and_go_and_others_stay() {
        let other = json!({ "Sid": "Other", "Effect": "Allow" });
        let ours = json!({ "Sid": "E1" });
        let policy = |statement: Value| json!({ "Id": "x", "Statement": statement });
        for (before, after) in [
            (policy(json!([])), policy(json!([ours]))),
            (policy(json!([other])), policy(json!([other, ours]))),
            (policy(other.clone()), policy(json!([other, ours]))),
            (policy(json!([ours, other])), policy(json!([other, ours]))),
        ] {
            assert_eq!(with_statement(Some(before), ours.clone()), Some(after));
        }
        let first = with_statement(None, ours.clone());
        assert_eq!(first, Some(json!({ "Version": "2012-10-17", "Statement": [ours] })));
        assert_eq!(with_statement(Some(json!({})), ours.clone()), None);
        for (before, after) in [
            (policy(json!([other, ours])), Some(policy(json!([other])))),
            (policy(json!([ours])), None),
            (policy(ours.clone()), None),
            (policy(json!([other])), Some(policy(json!([other])))),
        ] {
            assert_eq!(without_statement(before, "E1"), after);
        }
    }
}
