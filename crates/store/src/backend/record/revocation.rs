//! The record of a revocation.

use iam::AccountId;
use jiff::Timestamp;
use presign::Fingerprint;
use serde::{Deserialize, Serialize};

use super::{RECORD_VERSION, corrupt};
use crate::{BucketName, ObjectKey, Revocation, RevocationScope, RevokedLinks, StoreError};

/// The JSON of a revocation, in the column `record`. Times are in seconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationRecord {
    v: u8,
    /// Of a link, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    signed_until: i64,
    lives_until: i64,
    at: i64,
    by: String,
}

pub(crate) fn revocation_record(revocation: &Revocation) -> Result<Vec<u8>, StoreError> {
    let Revocation { links, scope, signed_until, lives_until, revoked_at, revoked_by } = revocation;
    let mut record = RevocationRecord {
        v: RECORD_VERSION,
        link: None,
        access_key: None,
        bucket: None,
        key: None,
        prefix: None,
        account: scope.account.as_str().to_owned(),
        signer: scope.signer.clone(),
        signed_until: signed_until.as_second(),
        lives_until: lives_until.as_second(),
        at: revoked_at.as_second(),
        by: revoked_by.clone(),
    };
    match links {
        RevokedLinks::Link { fingerprint, target } => {
            record.link = Some(fingerprint.to_string());
            if let Some((bucket, key)) = target {
                record.bucket = Some(bucket.as_str().to_owned());
                record.key = Some(key.as_str().to_owned());
            }
        }
        RevokedLinks::AccessKey(id) => record.access_key = Some(id.clone()),
        RevokedLinks::Object(bucket, key) => {
            record.bucket = Some(bucket.as_str().to_owned());
            record.key = Some(key.as_str().to_owned());
        }
        RevokedLinks::Prefix(bucket, prefix) => {
            record.bucket = Some(bucket.as_str().to_owned());
            record.prefix = Some(prefix.clone());
        }
    }
    serde_json::to_vec(&record).map_err(|_| corrupt("record of a revocation"))
}

pub(crate) fn parse_revocation(json: &[u8]) -> Result<Revocation, StoreError> {
    let wrong = || corrupt("record of a revocation");
    let record: RevocationRecord = serde_json::from_slice(json).map_err(|_| wrong())?;
    if record.v != RECORD_VERSION {
        return Err(wrong());
    }
    let bucket = record.bucket.map(|name| BucketName::parse(&name).map_err(|_| wrong()));
    let key = record.key.map(|key| ObjectKey::parse(&key).map_err(|_| wrong()));
    let (bucket, key) = (bucket.transpose()?, key.transpose()?);
    let links = match (record.link, record.access_key, bucket, key, record.prefix) {
        (Some(link), None, bucket, key, None) => {
            let fingerprint: Fingerprint = link.parse().map_err(|_| wrong())?;
            let target = match (bucket, key) {
                (Some(bucket), Some(key)) => Some((bucket, key)),
                (None, None) => None,
                (Some(_), None) | (None, Some(_)) => return Err(wrong()),
            };
            RevokedLinks::Link { fingerprint, target }
        }
        (None, Some(id), None, None, None) => RevokedLinks::AccessKey(id),
        (None, None, Some(bucket), Some(key), None) => RevokedLinks::Object(bucket, key),
        (None, None, Some(bucket), None, Some(prefix)) => RevokedLinks::Prefix(bucket, prefix),
        _ => return Err(wrong()),
    };
    let account = AccountId::parse(&record.account).map_err(|_| wrong())?;
    let time = |seconds| Timestamp::from_second(seconds).map_err(|_| wrong());
    Ok(Revocation {
        links,
        scope: RevocationScope { account, signer: record.signer },
        signed_until: time(record.signed_until)?,
        lives_until: time(record.lives_until)?,
        revoked_at: time(record.at)?,
        revoked_by: record.by,
    })
}
