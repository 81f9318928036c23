//! Makes the trust policy of a role from the `--trust` options.

use std::path::Path;

use anyhow::anyhow;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::identities::permissions::read_document;

/// The word that stands for the caller's own account.
const OWN_ACCOUNT: &str = "account";
const OIDC: &str = "oidc:";
const ACCOUNT_DIGITS: usize = 12;

/// Whom one `--trust` option names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trusted<'t> {
    /// Everybody whom that account allows to assume the role. `None`: the caller's own account.
    Account(Option<&'t str>),
    /// A user, a role or a session, by ARN.
    Principal(&'t str),
    /// Everybody with a token of this issuer for this audience and subject.
    Oidc(Issuer<'t>),
    /// A file with a whole trust policy.
    File(&'t Path),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Issuer<'t> {
    /// Host and path of the issuer, without the scheme.
    url: &'t str,
    audience: Option<&'t str>,
    subject: Option<&'t str>,
}

/// Whether the number of the caller's account is needed for the policy.
pub(crate) fn needs_account(trust: &[String]) -> bool {
    let named = trust.iter().filter_map(|text| Trusted::parse(text).ok());
    named.into_iter().any(|trusted| matches!(trusted, Trusted::Account(None) | Trusted::Oidc(_)))
}

/// The trust policy. `account` is the number of the caller's account, if it is known.
pub(crate) fn document(trust: &[String], account: Option<&str>) -> Result<String, Failure> {
    let trusted: Vec<_> =
        trust.iter().map(|text| Trusted::parse(text)).collect::<Result<_, _>>()?;
    if let [Trusted::File(path)] = &*trusted {
        return read_document(path);
    }
    let own_account = || {
        let unknown =
            "--dry-run asks no server, and so does not know the account: name its 12 digits";
        account.ok_or_else(|| Failure::usage(anyhow!(unknown)))
    };
    let mut principals = Vec::new();
    let mut statements = Vec::new();
    for one in &trusted {
        match one {
            Trusted::Account(Some(id)) => principals.push(root(id)),
            Trusted::Account(None) => principals.push(root(own_account()?)),
            Trusted::Principal(arn) => principals.push((*arn).to_owned()),
            Trusted::Oidc(issuer) => statements.push(issuer.statement(own_account()?)),
            Trusted::File(_) => {
                return Err(Failure::usage(anyhow!(
                    "a file is a whole trust policy: --trust once"
                )));
            }
        }
    }
    if !principals.is_empty() {
        statements.insert(0, assume_role(&principals));
    }
    Ok(format!(r#"{{"Version":"2012-10-17","Statement":{}}}"#, Value::from(statements)))
}

fn assume_role(principals: &[String]) -> Value {
    json!({ "Effect": "Allow", "Principal": { "AWS": principals }, "Action": "sts:AssumeRole" })
}

fn root(account: &str) -> String {
    format!("arn:aws:iam::{account}:root")
}

impl<'t> Trusted<'t> {
    fn parse(text: &'t str) -> Result<Self, Failure> {
        let is_account = text.len() == ACCOUNT_DIGITS && text.bytes().all(|b| b.is_ascii_digit());
        if text == OWN_ACCOUNT {
            Ok(Self::Account(None))
        } else if is_account {
            Ok(Self::Account(Some(text)))
        } else if text.starts_with("arn:") {
            Ok(Self::Principal(text))
        } else if let Some(issuer) = text.strip_prefix(OIDC) {
            Issuer::parse(issuer).map(Self::Oidc)
        } else {
            Ok(Self::File(Path::new(text)))
        }
    }
}

impl<'t> Issuer<'t> {
    /// Reads `issuer.example/path,aud=audience,sub=subject`. A subject may contain commas.
    fn parse(text: &'t str) -> Result<Self, Failure> {
        let (text, subject) = match text.split_once(",sub=") {
            Some((text, subject)) => (text, Some(subject)),
            None => (text, None),
        };
        let (url, audience) = match text.split_once(",aud=") {
            Some((url, audience)) => (url, Some(audience)),
            None => (text, None),
        };
        let url = url.strip_prefix("https://").unwrap_or(url).trim_end_matches('/');
        if url.is_empty() || url.contains(',') {
            return Err(Failure::usage(anyhow!("an issuer is written oidc:HOST,aud=A,sub=S")));
        }
        // A provider that is trusted without conditions lets in everybody who has an account there.
        if audience.is_none() && subject.is_none() {
            let everybody =
                "that would trust everybody at the issuer: add ,aud=AUDIENCE or ,sub=SUBJECT";
            return Err(Failure::usage(anyhow!(everybody)));
        }
        Ok(Self { url, audience, subject })
    }

    fn statement(&self, account: &str) -> Value {
        let Self { url, audience, subject } = self;
        let mut conditions = Map::new();
        let mut add = |operator: &str, key: &str, value: &str| {
            let entry = conditions.entry(operator).or_insert_with(|| json!({}));
            if let Some(members) = entry.as_object_mut() {
                members.insert(format!("{url}:{key}"), value.into());
            }
        };
        if let Some(audience) = audience {
            add("StringEquals", "aud", audience);
        }
        if let Some(subject) = subject {
            let operator = if subject.contains(['*', '?']) { "StringLike" } else { "StringEquals" };
            add(operator, "sub", subject);
        }
        json!({
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::{account}:oidc-provider/{url}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": conditions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_role_trusts() {
        let check = |trust: &[&str], account: Option<&str>, expected: Option<Value>| {
            let trust: Vec<_> = trust.iter().map(ToString::to_string).collect();
            let found = document(&trust, account).ok();
            let found = found.map(|text| {
                serde_json::from_str::<Value>(&text).unwrap().get("Statement").unwrap().clone()
            });
            assert_eq!(found, expected, "{trust:?}");
        };
        let aws = |principals: &[&str]| json!({ "Effect": "Allow", "Principal": { "AWS": principals }, "Action": "sts:AssumeRole" });
        let (own, other) = ("000000000001", "000000000002");
        check(&["account"], Some(own), Some(json!([aws(&["arn:aws:iam::000000000001:root"])])));
        check(&["account"], None, None);
        check(&[other], None, Some(json!([aws(&["arn:aws:iam::000000000002:root"])])));
        let user = "arn:aws:iam::000000000001:user/alice";
        check(&[user, other], None, Some(json!([aws(&[user, "arn:aws:iam::000000000002:root"])])));
        let oidc = |conditions: Value| {
            json!([{
                "Effect": "Allow",
                "Principal": { "Federated": "arn:aws:iam::000000000001:oidc-provider/ci.example/x" },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": conditions,
            }])
        };
        check(
            &["oidc:https://ci.example/x/,aud=valet,sub=repo:me/app:ref:refs/heads/main"],
            Some(own),
            Some(oidc(json!({ "StringEquals": {
                "ci.example/x:aud": "valet",
                "ci.example/x:sub": "repo:me/app:ref:refs/heads/main",
            } }))),
        );
        check(
            &["oidc:ci.example/x,sub=repo:me/*"],
            Some(own),
            Some(oidc(json!({ "StringLike": { "ci.example/x:sub": "repo:me/*" } }))),
        );
        check(&["oidc:ci.example/x"], Some(own), None);
        check(&["oidc:,aud=x"], Some(own), None);
        check(&["oidc:ci.example,x,aud=x"], Some(own), None);
        check(&["/nowhere.json"], Some(own), None);
        check(&["/nowhere.json", other], Some(own), None);
    }
}
