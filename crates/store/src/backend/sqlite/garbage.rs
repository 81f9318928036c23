//! Intents, garbage, completed and idle uploads in the database: what the sweeper works through.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::engine;
use super::rows::{corrupt, object_key};
use super::transaction::Transaction;
use super::uploads;
use crate::backend::{IdleUpload, JOB_ROWS_MAX};
use crate::body::{Blob, BlobId};
use crate::{BucketName, BucketRef, StoreError, UploadId};

const RECORD_INTENT: &str = "INSERT OR REPLACE INTO intents (blob, since_ms) VALUES (?1, ?2)";
const TAKE_INTENT: &str = "DELETE FROM intents WHERE blob = ?1";
const OLD_INTENTS: &str = "SELECT blob FROM intents WHERE since_ms < ?1 LIMIT ?2";
const ADD_GARBAGE: &str = "INSERT OR REPLACE INTO garbage (blob, since_ms) VALUES (?1, ?2)";
const GARBAGE: &str = "SELECT blob FROM garbage WHERE since_ms < ?1 ORDER BY since_ms LIMIT ?2";
const FORGET_GARBAGE: &str = "DELETE FROM garbage WHERE blob = ?1";
/// An upload's id begins with when the upload began, so that the ids sort by it.
const IDLE_UPLOADS: &str = "SELECT b.id, b.name, u.key, u.upload
    FROM uploads AS u JOIN buckets AS b ON b.id = u.bucket
    WHERE u.upload < ?1 AND NOT EXISTS
        (SELECT 1 FROM parts AS p WHERE p.upload = u.upload AND p.modified_ms >= ?2)
    LIMIT ?3";
const IS_BUSY: &str = "SELECT EXISTS (SELECT 1 FROM parts WHERE upload = ?1 AND modified_ms >= ?2)";
/// A delete is remembered for as long as an upload is under way that may ask.
const FORGET_COMPLETED: &str = "DELETE FROM completed WHERE (bucket, key, upload) IN (
    SELECT bucket, key, upload FROM completed AS c WHERE completed_ms < ?1 AND NOT (upload = x''
    AND EXISTS (SELECT 1 FROM uploads AS u WHERE u.bucket = c.bucket AND u.key = c.key)) LIMIT ?2)";
const FORGET_COMPLETED_OF: &str = "DELETE FROM completed WHERE (bucket, key, upload) IN (
    SELECT bucket, key, upload FROM completed WHERE bucket = ?1 LIMIT ?2)";

pub(super) fn record_intent(
    tx: &mut Transaction<'_>,
    blob: BlobId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = params![blob.as_bytes().as_slice(), now.as_millisecond()];
    execute(tx.connection, RECORD_INTENT, row).map(|_| ())
}

/// Takes the intent of a blob that a record is about to point at; without it, the sweeper may be at
/// the blob already.
pub(super) fn take_intent(tx: &mut Transaction<'_>, blob: BlobId) -> Result<(), StoreError> {
    match execute(tx.connection, TAKE_INTENT, params![blob.as_bytes().as_slice()])? {
        1 => Ok(()),
        _ => Err(StoreError::StageExpired),
    }
}

pub(super) fn forget_intents(tx: &mut Transaction<'_>, blobs: &[BlobId]) -> Result<(), StoreError> {
    each(tx.connection, TAKE_INTENT, blobs)
}

/// As many as one job may; says how many.
pub(super) fn reap_intents(
    tx: &mut Transaction<'_>,
    before: Timestamp,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let old = select_blobs(tx.connection, OLD_INTENTS, before, JOB_ROWS_MAX)?;
    for blob in &old {
        add_to_garbage(tx.connection, *blob, now)?;
    }
    each(tx.connection, TAKE_INTENT, &old)?;
    Ok(old.len())
}

/// Notes that no record points at these blobs any more.
pub(super) fn add_garbage(
    connection: &Connection,
    blobs: &[Blob],
    now: Timestamp,
) -> Result<(), StoreError> {
    blobs.iter().try_for_each(|blob| add_to_garbage(connection, blob.id, now))
}

fn add_to_garbage(connection: &Connection, blob: BlobId, now: Timestamp) -> Result<(), StoreError> {
    let row = params![blob.as_bytes().as_slice(), now.as_millisecond()];
    execute(connection, ADD_GARBAGE, row).map(|_| ())
}

pub(super) fn garbage(
    connection: &Connection,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<BlobId>, StoreError> {
    select_blobs(connection, GARBAGE, before, limit)
}

fn select_blobs(
    connection: &Connection,
    sql: &str,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<BlobId>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(sql).map_err(engine)?;
    let mut rows = select.query([before.as_millisecond(), limit]).map_err(engine)?;
    let mut blobs = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let bytes = row.get(0).map_err(|_| corrupt("id of a blob"))?;
        blobs.push(BlobId::from_bytes(bytes));
    }
    Ok(blobs)
}

pub(super) fn forget_garbage(tx: &mut Transaction<'_>, blobs: &[BlobId]) -> Result<(), StoreError> {
    each(tx.connection, FORGET_GARBAGE, blobs)
}

pub(super) fn idle_uploads(
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
        let (key, id) = (object_key(row, 2)?, uploads::upload_id(row, 3)?);
        idle.push(IdleUpload { bucket, key, id, idle_since });
    }
    Ok(idle)
}

/// A part may have come since the upload was found idle.
pub(super) fn abort_idle(
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
    uploads::abort(tx, bucket, key, *id, now)
}

/// As many as one job may; `true`: there are none left.
pub(super) fn forget_completed(
    tx: &mut Transaction<'_>,
    before: Timestamp,
) -> Result<bool, StoreError> {
    forget_some_completed(tx.connection, FORGET_COMPLETED, before.as_millisecond())
}

/// As many of a bucket as one job may; `true`: there are none left.
pub(super) fn forget_completed_of(
    connection: &Connection,
    bucket: i64,
) -> Result<bool, StoreError> {
    forget_some_completed(connection, FORGET_COMPLETED_OF, bucket)
}

fn forget_some_completed(
    connection: &Connection,
    sql: &str,
    which: i64,
) -> Result<bool, StoreError> {
    let limit = i64::try_from(JOB_ROWS_MAX).unwrap_or(i64::MAX);
    Ok(execute(connection, sql, params![which, limit])? < JOB_ROWS_MAX)
}

fn each(connection: &Connection, sql: &str, blobs: &[BlobId]) -> Result<(), StoreError> {
    blobs.iter().try_for_each(|blob| {
        execute(connection, sql, params![blob.as_bytes().as_slice()]).map(|_| ())
    })
}

fn execute(
    connection: &Connection,
    sql: &str,
    row: &[&dyn rusqlite::ToSql],
) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut write| write.execute(row)).map_err(engine)
}
