//! Calls of STS: who the caller is, and sessions of roles.

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use presign::{Credentials, SecretAccessKey, SessionToken};
use serde::Deserialize;

use crate::args::credentials::RoleSession;
use crate::aws::Api;
use crate::failure::Failure;
use crate::query;
use crate::remote::Remote;

/// The caller, as the server sees it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Caller {
    /// The number of the account: twelve digits.
    pub(crate) account: String,
}

/// Credentials of a session, with their end.
#[derive(Clone, Debug)]
pub(crate) struct TemporaryCredentials {
    pub(crate) credentials: Credentials,
    pub(crate) ends_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: AssumedCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

pub(crate) async fn caller(remote: &Remote) -> Result<Caller, Failure> {
    query::call(remote, Api::Sts, "GetCallerIdentity", &[]).await
}

/// The ARN of a role that is given as an ARN, or as name and path in the caller's account.
pub(crate) async fn role_arn(remote: &Remote, role: &str) -> Result<String, Failure> {
    if role.starts_with("arn:") {
        return Ok(role.to_owned());
    }
    let role = role.trim_start_matches('/');
    if role.is_empty() {
        return Err(Failure::usage(anyhow!("a role has a name or an ARN")));
    }
    Ok(format!("arn:aws:iam::{}:role/{role}", caller(remote).await?.account))
}

/// Assumes a role with the caller's own credentials.
pub(crate) async fn assume_role(
    remote: &Remote,
    role_arn: &str,
    session: &RoleSession,
) -> Result<TemporaryCredentials, Failure> {
    let seconds = session.duration.to_string();
    let parameters = [
        ("RoleArn", role_arn),
        ("RoleSessionName", &*session.session_name),
        ("DurationSeconds", &*seconds),
    ];
    let assumed: Assumed = query::call(remote, Api::Sts, "AssumeRole", &parameters).await?;
    let AssumedCredentials { access_key_id, secret_access_key, session_token, expiration } =
        assumed.credentials;
    let ends_at = expiration.parse().context("the answer does not say when the session ends")?;
    let credentials = Credentials {
        access_key_id,
        secret_access_key: SecretAccessKey::new(secret_access_key),
        session_token: Some(SessionToken::new(session_token)),
    };
    Ok(TemporaryCredentials { credentials, ends_at })
}
