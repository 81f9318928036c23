//! The record of what a notice tells.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{RECORD_VERSION, corrupt};
use crate::{NoticeFacts, StoreError};

/// The JSON of the circumstances of a notice, in the column `record`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoticeRecord {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    bucket: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

fn wrong() -> StoreError {
    corrupt("record of a notice")
}

pub(crate) fn notice_record(facts: NoticeFacts) -> Result<Vec<u8>, StoreError> {
    let NoticeFacts { label, bucket, key, bytes, address } = facts;
    let record = NoticeRecord { v: RECORD_VERSION, label, bucket, key, bytes, address };
    serde_json::to_vec(&record).map_err(|_| wrong())
}

pub(crate) fn parse_notice(json: &[u8]) -> Result<NoticeFacts, StoreError> {
    let NoticeRecord { v, label, bucket, key, bytes, address } =
        serde_json::from_slice(json).map_err(|_| wrong())?;
    if v != RECORD_VERSION {
        return Err(wrong());
    }
    Ok(NoticeFacts { label, bucket, key, bytes, address })
}
