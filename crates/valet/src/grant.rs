//! Ready policies: the least that somebody needs to read or write below an S3 URI.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Serialize;

use crate::args::identities::Grants;
use crate::failure::Failure;
use crate::location::S3Uri;

/// Opening objects. Listing needs a statement of its own.
const READ_ACTIONS: &[&str] = &["s3:GetObject"];
/// Uploading, whole or in parts, and aborting an upload. None of these shows what is stored.
const WRITE_ACTIONS: &[&str] =
    &["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
const DELETE_ACTION: &str = "s3:DeleteObject";

/// A policy, with its members in the usual order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    action: Vec<&'static str>,
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

/// Which prefixes may be listed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    string_like: BTreeMap<&'static str, BTreeSet<String>>,
}

/// The policy that grants what was asked and nothing else; `None` if nothing was asked.
///
/// A URI that ends with `/` is a folder. Any other is the object of that name and the folder of that name:
/// `s3://b/reports` grants `reports` and `reports/…`, but never `reports-secret`.
pub(crate) fn policy(grants: &Grants) -> Result<Option<String>, Failure> {
    let Grants { read, write, delete } = grants;
    let (read, write) = (places(read)?, places(write)?);
    let mut statements = Vec::new();
    if !read.is_empty() {
        statements.push(allow("ReadObjects", READ_ACTIONS, objects(&read)));
        statements.extend(listings(&read));
        let buckets: BTreeSet<String> =
            read.iter().map(|place| bucket_arn(&place.bucket)).collect();
        statements.push(allow("FindBuckets", &["s3:GetBucketLocation"], buckets));
    }
    if !write.is_empty() {
        let mut actions = WRITE_ACTIONS.to_vec();
        actions.extend(delete.then_some(DELETE_ACTION));
        statements.push(allow("WriteObjects", &actions, objects(&write)));
    }
    if statements.is_empty() {
        return Ok(None);
    }
    let policy = Policy { version: "2012-10-17", statement: statements };
    Ok(Some(serde_json::to_string(&policy).context("cannot write JSON")?))
}

fn places(uris: &[String]) -> Result<Vec<S3Uri>, Failure> {
    let parse = |uri: &String| S3Uri::parse(uri).with_context(|| uri.clone());
    uris.iter().map(parse).collect::<Result<_, _>>().map_err(Failure::usage)
}

fn allow(
    sid: impl Into<String>,
    actions: &[&'static str],
    resource: BTreeSet<String>,
) -> Statement {
    let (sid, action) = (sid.into(), actions.to_vec());
    Statement { sid, effect: "Allow", action, resource, condition: None }
}

fn objects(places: &[S3Uri]) -> BTreeSet<String> {
    let patterns = |place: &S3Uri| {
        let bucket = bucket_arn(&place.bucket);
        key_patterns(place).into_iter().map(move |key| format!("{bucket}/{key}"))
    };
    places.iter().flat_map(patterns).collect()
}

/// One statement for all buckets that may be listed as a whole, and one for each bucket of which only a part
/// may be.
fn listings(places: &[S3Uri]) -> Vec<Statement> {
    let mut whole = BTreeSet::new();
    let mut prefixes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for place in places {
        let bucket = bucket_arn(&place.bucket);
        if place.key.is_none() {
            whole.insert(bucket);
        } else {
            prefixes.entry(bucket).or_default().extend(key_patterns(place));
        }
    }
    prefixes.retain(|bucket, _| !whole.contains(bucket));
    let mut statements = Vec::new();
    if !whole.is_empty() {
        statements.push(allow("ListBuckets", &["s3:ListBucket"], whole));
    }
    for (number, (bucket, prefixes)) in (1_usize..).zip(prefixes) {
        let sid = format!("ListPrefixes{number}");
        let condition = Condition { string_like: BTreeMap::from([("s3:prefix", prefixes)]) };
        statements.push(Statement {
            condition: Some(condition),
            ..allow(sid, &["s3:ListBucket"], BTreeSet::from([bucket]))
        });
    }
    statements
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

/// The keys below a URI as patterns of a policy.
fn key_patterns(place: &S3Uri) -> Vec<String> {
    match place.key.as_deref() {
        None => vec!["*".to_owned()],
        Some(key) if key.ends_with('/') => vec![format!("{}*", literal(key))],
        Some(key) => vec![literal(key), format!("{}/*", literal(key))],
    }
}

/// Escapes a text so that no character in it is a wildcard or variable of a policy.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' => escaped.push_str("${*}"),
            '?' => escaped.push_str("${?}"),
            '$' => escaped.push_str("${$}"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(read: &[&str], write: &[&str], delete: bool, expected: &Value) {
        let uris = |uris: &[&str]| uris.iter().map(ToString::to_string).collect();
        let grants = Grants { read: uris(read), write: uris(write), delete };
        let found = policy(&grants).unwrap();
        let expected = (!expected.is_null())
            .then(|| json!({ "Version": "2012-10-17", "Statement": expected }));
        let parsed = found.as_deref().map(|found| serde_json::from_str::<Value>(found).unwrap());
        assert_eq!(parsed, expected, "{read:?} {write:?}");
        if let Some(found) = found {
            iam::Policy::parse(&found).unwrap();
            assert!(
                found.starts_with(r#"{"Version":"2012-10-17","Statement":[{"Sid":"#),
                "{found}"
            );
        }
    }

    #[test]
    fn ready_policies() {
        check(&[], &[], false, &Value::Null);
        check(
            &["s3://b"],
            &[],
            false,
            &json!([
                { "Sid": "ReadObjects", "Effect": "Allow", "Action": ["s3:GetObject"],
                  "Resource": ["arn:aws:s3:::b/*"] },
                { "Sid": "ListBuckets", "Effect": "Allow", "Action": ["s3:ListBucket"],
                  "Resource": ["arn:aws:s3:::b"] },
                { "Sid": "FindBuckets", "Effect": "Allow", "Action": ["s3:GetBucketLocation"],
                  "Resource": ["arn:aws:s3:::b"] },
            ]),
        );
        check(
            &["s3://b/reports/", "b/one"],
            &[],
            false,
            &json!([
                { "Sid": "ReadObjects", "Effect": "Allow", "Action": ["s3:GetObject"],
                  "Resource": ["arn:aws:s3:::b/one", "arn:aws:s3:::b/one/*",
                               "arn:aws:s3:::b/reports/*"] },
                { "Sid": "ListPrefixes1", "Effect": "Allow", "Action": ["s3:ListBucket"],
                  "Resource": ["arn:aws:s3:::b"],
                  "Condition": { "StringLike": { "s3:prefix": ["one", "one/*", "reports/*"] } } },
                { "Sid": "FindBuckets", "Effect": "Allow", "Action": ["s3:GetBucketLocation"],
                  "Resource": ["arn:aws:s3:::b"] },
            ]),
        );
        check(
            &[],
            &["s3://b/in/"],
            false,
            &json!([
                { "Sid": "WriteObjects", "Effect": "Allow",
                  "Action": ["s3:PutObject", "s3:AbortMultipartUpload",
                             "s3:ListMultipartUploadParts"],
                  "Resource": ["arn:aws:s3:::b/in/*"] },
            ]),
        );
        check(
            &[],
            &["s3://b/in/"],
            true,
            &json!([
                { "Sid": "WriteObjects", "Effect": "Allow",
                  "Action": ["s3:PutObject", "s3:AbortMultipartUpload",
                             "s3:ListMultipartUploadParts", "s3:DeleteObject"],
                  "Resource": ["arn:aws:s3:::b/in/*"] },
            ]),
        );
    }

    #[test]
    fn a_bucket_that_may_be_listed_whole_needs_no_prefix() {
        let grants =
            Grants { read: vec!["s3://b/a/".into(), "s3://b".into()], ..Grants::default() };
        let policy = policy(&grants).unwrap().unwrap();
        assert!(policy.contains("ListBuckets") && !policy.contains("Condition"), "{policy}");
    }

    #[test]
    fn a_key_is_no_pattern() {
        assert_eq!(literal("a*b?c$d${x}"), "a${*}b${?}c${$}d${$}{x}");
    }

    #[test]
    fn what_is_no_place_is_wrong_usage() {
        let grants = Grants { read: vec!["https://b/k".into()], ..Grants::default() };
        assert_eq!(policy(&grants).unwrap_err().exit(), crate::failure::Exit::WrongUsage);
    }
}
