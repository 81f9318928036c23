//! Revocations as they are shown.

use schemars::JsonSchema;
use serde::Serialize;
use store::{RecordedRevocation, Revocation, RevokedLinks};

use crate::gate::iso_time;

/// A revocation as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShownRevocation {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    scope: Scope,
    signed_before: String,
    lives_until: String,
    revoked_at: String,
    revoked_by: String,
}

/// Whose links a revocation ends.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// Those of everybody in the account, and those for its buckets.
    Account,
    /// Those of whoever revoked them.
    Own,
}

/// A recorded revocation, to be shown.
pub(super) fn shown(recorded: RecordedRevocation) -> ShownRevocation {
    let RecordedRevocation { number, revocation } = recorded;
    let Revocation { links, scope, signed_until, lives_until, revoked_at, revoked_by } = revocation;
    let mut shown = ShownRevocation {
        id: number.to_string(),
        fingerprint: None,
        access_key_id: None,
        object: None,
        prefix: None,
        scope: if scope.signer.is_some() { Scope::Own } else { Scope::Account },
        signed_before: iso_time(signed_until),
        lives_until: iso_time(lives_until),
        revoked_at: iso_time(revoked_at),
        revoked_by,
    };
    match links {
        RevokedLinks::Link { fingerprint, target } => {
            shown.fingerprint = Some(fingerprint.to_string());
            shown.object = target.map(|(bucket, key)| format!("s3://{bucket}/{key}"));
        }
        RevokedLinks::AccessKey(id) => shown.access_key_id = Some(id),
        RevokedLinks::Object(bucket, key) => shown.object = Some(format!("s3://{bucket}/{key}")),
        RevokedLinks::Prefix(bucket, prefix) => {
            shown.prefix = Some(format!("s3://{bucket}/{prefix}"));
        }
    }
    shown
}
