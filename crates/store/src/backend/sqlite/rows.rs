//! How columns are written and read.

use iam::AccountId;
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::error::engine;
use crate::backend::record::checksum_form;
pub(super) use crate::backend::record::corrupt;
use crate::names::VersionToken;
use crate::{ChecksumAlgorithm, ChecksumType, ETag, ObjectKey, StoreError, VersionId};

pub(super) const KIND_OBJECT: i64 = 0;
pub(super) const KIND_MARKER: i64 = 1;

/// A page of what was read with one row more than wanted; whether there was more.
pub(super) fn page<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}

pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    let milliseconds = row.get(column).map_err(engine)?;
    Timestamp::from_millisecond(milliseconds).map_err(|_| corrupt("time"))
}

pub(super) fn account(row: &Row<'_>, column: usize) -> Result<AccountId, StoreError> {
    let text: String = row.get(column).map_err(engine)?;
    AccountId::parse(&text).map_err(|_| corrupt("id of an account"))
}

pub(super) fn size(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    let size: i64 = row.get(column).map_err(engine)?;
    u64::try_from(size).map_err(|_| corrupt("size"))
}

pub(super) fn size_column(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], StoreError> {
    let ValueRef::Blob(bytes) = row.get_ref(column).map_err(engine)? else {
        return Err(corrupt("type of a column"));
    };
    Ok(bytes)
}

pub(super) fn object_key(row: &Row<'_>, column: usize) -> Result<ObjectKey, StoreError> {
    ObjectKey::from_bytes(blob(row, column)?).map_err(|_| corrupt("key of an object"))
}

pub(super) fn key_bytes<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], StoreError> {
    blob(row, column)
}

pub(super) fn version_column(version: &VersionId) -> &[u8] {
    match version {
        VersionId::Null => &[],
        VersionId::Id(token) => token.as_bytes(),
    }
}

pub(super) fn version(row: &Row<'_>, column: usize) -> Result<VersionId, StoreError> {
    match blob(row, column)? {
        [] => Ok(VersionId::Null),
        bytes => {
            VersionToken::from_bytes(bytes).map(VersionId::Id).ok_or(corrupt("id of a version"))
        }
    }
}

pub(super) fn etag_column(etag: &ETag) -> Vec<u8> {
    let parts = etag.parts().map(u16::to_be_bytes);
    etag.md5().iter().copied().chain(parts.into_iter().flatten()).collect()
}

pub(super) fn etag(row: &Row<'_>, column: usize) -> Result<ETag, StoreError> {
    let bytes = blob(row, column)?;
    let split = bytes.split_first_chunk::<16>().ok_or(corrupt("etag"))?;
    match split {
        (md5, []) => Ok(ETag::of_md5(*md5)),
        (md5, [high, low]) => Ok(ETag::of_parts(*md5, u16::from_be_bytes([*high, *low]))),
        (_, _) => Err(corrupt("etag")),
    }
}

pub(super) fn checksum(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<(ChecksumAlgorithm, ChecksumType)>, StoreError> {
    let code: Option<i64> = row.get(column).map_err(engine)?;
    code.map(checksum_form).transpose()
}
