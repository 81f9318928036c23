//! Intents and garbage in the database.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::SqliteMetadata;
use super::error::engine;
use super::rows::corrupt;
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::StoreError;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::garbage::GarbageRecords;
use crate::body::{Blob, BlobId};

impl GarbageRecords for SqliteMetadata {
    async fn record_intent(&self, blob: BlobId, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| record_intent(tx, blob, now)).await
    }

    async fn forget_intents(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| forget_intents(tx, &blobs)).await
    }

    async fn reap_intents(&self, before: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| reap_intents(tx, before, now)).await
    }

    async fn garbage(&self, before: Timestamp, limit: usize) -> Result<Vec<BlobId>, StoreError> {
        self.readers.list(move |connection| garbage(connection, before, limit)).await
    }

    async fn forget_garbage(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| forget_garbage(tx, &blobs)).await
    }
}

const RECORD_INTENT: &str = "INSERT OR REPLACE INTO intents (blob, since_ms) VALUES (?1, ?2)";
const TAKE_INTENT: &str = "DELETE FROM intents WHERE blob = ?1";
const OLD_INTENTS: &str = "SELECT blob FROM intents WHERE since_ms < ?1 LIMIT ?2";
const ADD_GARBAGE: &str = "INSERT OR REPLACE INTO garbage (blob, since_ms) VALUES (?1, ?2)";
const GARBAGE: &str = "SELECT blob FROM garbage WHERE since_ms < ?1 ORDER BY since_ms LIMIT ?2";
const FORGET_GARBAGE: &str = "DELETE FROM garbage WHERE blob = ?1";

fn record_intent(tx: &mut Transaction<'_>, blob: BlobId, now: Timestamp) -> Result<(), StoreError> {
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

fn forget_intents(tx: &mut Transaction<'_>, blobs: &[BlobId]) -> Result<(), StoreError> {
    each(tx.connection, TAKE_INTENT, blobs)
}

/// Turns old intents into garbage, as many as one job may; says how many.
fn reap_intents(
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

fn garbage(
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

fn forget_garbage(tx: &mut Transaction<'_>, blobs: &[BlobId]) -> Result<(), StoreError> {
    each(tx.connection, FORGET_GARBAGE, blobs)
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
