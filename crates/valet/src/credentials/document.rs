//! Credentials as JSON, in the three forms that SDKs read.

use anyhow::Context as _;
use jiff::Timestamp;
use presign::{Credentials, SessionToken};
use serde::Serialize;

use crate::failure::Failure;
use crate::sts::TemporaryCredentials;

/// The output of a `credential_process`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Process<'c> {
    version: u8,
    access_key_id: &'c str,
    secret_access_key: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
}

/// The credentials of an instance's role, as the EC2 metadata service answers them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Instance<'c> {
    code: &'c str,
    last_updated: String,
    r#type: &'c str,
    access_key_id: &'c str,
    secret_access_key: &'c str,
    token: &'c str,
    expiration: String,
}

/// The credentials as the endpoint for containers answers them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Container<'c> {
    role_arn: &'c str,
    access_key_id: &'c str,
    secret_access_key: &'c str,
    token: &'c str,
    expiration: String,
}

pub(crate) fn process(
    credentials: &Credentials,
    ends_at: Option<Timestamp>,
) -> Result<String, Failure> {
    write(&Process {
        version: 1,
        access_key_id: &credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.expose(),
        session_token: credentials.session_token.as_ref().map(SessionToken::expose),
        expiration: ends_at.map(|end| end.to_string()),
    })
}

pub(crate) fn instance(
    assumed: &TemporaryCredentials,
    assumed_at: Timestamp,
) -> Result<String, Failure> {
    let TemporaryCredentials { credentials, ends_at } = assumed;
    write(&Instance {
        code: "Success",
        last_updated: seconds(assumed_at),
        r#type: "AWS-HMAC",
        access_key_id: &credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.expose(),
        token: credentials.session_token.as_ref().map_or("", SessionToken::expose),
        expiration: ends_at.to_string(),
    })
}

pub(crate) fn container(assumed: &TemporaryCredentials, role_arn: &str) -> Result<String, Failure> {
    let TemporaryCredentials { credentials, ends_at } = assumed;
    write(&Container {
        role_arn,
        access_key_id: &credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.expose(),
        token: credentials.session_token.as_ref().map_or("", SessionToken::expose),
        expiration: ends_at.to_string(),
    })
}

/// Writes whole seconds: every SDK reads those, and not every one reads fractions.
fn seconds(time: Timestamp) -> String {
    presign::AmzDate::from_timestamp(time).timestamp().to_string()
}

fn write(document: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(document).context("cannot write JSON").map_err(Failure::from)
}

#[cfg(test)]
mod tests {
    use presign::SecretAccessKey;

    use super::*;

    fn assumed() -> TemporaryCredentials {
        let credentials = Credentials {
            access_key_id: "ASIA1".to_owned(),
            secret_access_key: SecretAccessKey::new("s/+"),
            session_token: Some(SessionToken::new("t==")),
        };
        TemporaryCredentials { credentials, ends_at: "2026-06-15T13:00:00Z".parse().unwrap() }
    }

    #[test]
    fn forms_of_credentials() {
        let TemporaryCredentials { mut credentials, ends_at } = assumed();
        assert_eq!(
            process(&credentials, Some(ends_at)).unwrap(),
            r#"{"Version":1,"AccessKeyId":"ASIA1","SecretAccessKey":"s/+","SessionToken":"t==","Expiration":"2026-06-15T13:00:00Z"}"#
        );
        credentials.session_token = None;
        assert_eq!(
            process(&credentials, None).unwrap(),
            r#"{"Version":1,"AccessKeyId":"ASIA1","SecretAccessKey":"s/+"}"#
        );
        assert_eq!(
            instance(&assumed(), "2026-06-15T12:00:00.5Z".parse().unwrap()).unwrap(),
            r#"{"Code":"Success","LastUpdated":"2026-06-15T12:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIA1","SecretAccessKey":"s/+","Token":"t==","Expiration":"2026-06-15T13:00:00Z"}"#
        );
        assert_eq!(
            container(&assumed(), "arn:aws:iam::000000000000:role/r").unwrap(),
            r#"{"RoleArn":"arn:aws:iam::000000000000:role/r","AccessKeyId":"ASIA1","SecretAccessKey":"s/+","Token":"t==","Expiration":"2026-06-15T13:00:00Z"}"#
        );
    }
}
