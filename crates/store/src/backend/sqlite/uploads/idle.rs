//! Uploads that nobody goes on with, in the database.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::backend::metadata::uploads::IdleUpload;
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::rows::{corrupt, object_key};
use crate::backend::sqlite::transaction::Transaction;
use crate::{BucketName, BucketRef, StoreError, UploadId};

/// An upload's id begins with when the upload began, so that the ids sort by it.
const IDLE_UPLOADS: &str = "SELECT b.id, b.name, u.key, u.upload
    FROM uploads AS u JOIN buckets AS b ON b.id = u.bucket
    WHERE u.upload < ?1 AND NOT EXISTS
        (SELECT 1 FROM parts AS p WHERE p.upload = u.upload AND p.modified_ms >= ?2)
    LIMIT ?3";
const IS_BUSY: &str = "SELECT EXISTS (SELECT 1 FROM parts WHERE upload = ?1 AND modified_ms >= ?2)";

pub(super) fn list(
    connection: &Connection,
    idle_since: Timestamp,
    limit: usize,
) -> Result<Vec<IdleUpload>, StoreError> {
    let begun_before = UploadId::first_of(idle_since);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(IDLE_UPLOADS).map_err(engine)?;
    let row = params![begun_before.as_bytes(), idle_since.as_millisecond(), limit];
    let mut rows = select.query(row).map_err(engine)?;
    let mut idle = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let name: String = row.get(1).map_err(engine)?;
        let name = BucketName::parse(&name).map_err(|_| corrupt("name of a bucket"))?;
        let bucket = BucketRef { name, id: row.get(0).map_err(engine)? };
        let (key, id) = (object_key(row, 2)?, super::upload_id(row, 3)?);
        idle.push(IdleUpload { bucket, key, id, idle_since });
    }
    Ok(idle)
}

/// A part may have come since the upload was found idle.
pub(super) fn abort(
    tx: &mut Transaction<'_>,
    idle: &IdleUpload,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let IdleUpload { bucket, key, id, idle_since } = idle;
    let row = params![id.as_bytes(), idle_since.as_millisecond()];
    let busy: bool = tx
        .connection
        .prepare_cached(IS_BUSY)
        .and_then(|mut select| select.query_row(row, |row| row.get(0)))
        .map_err(engine)?;
    if busy || *id >= UploadId::first_of(*idle_since) {
        return Ok(false);
    }
    super::abort(tx, bucket, key, *id, now)
}
