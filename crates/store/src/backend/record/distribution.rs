//! The record of a resource of distributions.

use std::borrow::Cow;

use iam::AccountId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RECORD_VERSION, corrupt};
use crate::{DistributionResource, ResourceKind, StoreError};

/// The JSON of a resource, in the column `record`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DistributionRecord<'r> {
    v: u8,
    etag: Cow<'r, str>,
    created_ms: i64,
    changed_ms: i64,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    hosts: Cow<'r, [String]>,
    document: Cow<'r, str>,
}

fn wrong() -> StoreError {
    corrupt("record of a resource of distributions")
}

pub(crate) fn distribution_record(resource: &DistributionResource) -> Result<Vec<u8>, StoreError> {
    let DistributionResource {
        id: _,
        account: _,
        kind: _,
        etag,
        created_at,
        changed_at,
        hosts,
        document,
    } = resource;
    let record = DistributionRecord {
        v: RECORD_VERSION,
        etag: Cow::Borrowed(etag),
        created_ms: created_at.as_millisecond(),
        changed_ms: changed_at.as_millisecond(),
        hosts: Cow::Borrowed(hosts),
        document: Cow::Borrowed(document),
    };
    serde_json::to_vec(&record).map_err(|_| wrong())
}

/// Reads the record of the resource that is known by its columns.
pub(crate) fn parse_distribution(
    json: &[u8],
    (id, account, kind): (String, AccountId, ResourceKind),
) -> Result<DistributionResource, StoreError> {
    let DistributionRecord { v, etag, created_ms, changed_ms, hosts, document } =
        serde_json::from_slice(json).map_err(|_| wrong())?;
    if v != RECORD_VERSION {
        return Err(wrong());
    }
    let time = |ms| Timestamp::from_millisecond(ms).map_err(|_| wrong());
    Ok(DistributionResource {
        id,
        account,
        kind,
        etag: etag.into_owned(),
        created_at: time(created_ms)?,
        changed_at: time(changed_ms)?,
        hosts: hosts.into_owned(),
        document: document.into(),
    })
}
