//! What each request for files has, counted by every step that changes it: nobody counts thousands of rows to begin one more.

use presign::Fingerprint;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::error::engine;
use super::rows::{size, size_column};
use crate::{RequestTotals, StoreError};

const READ: &str = "SELECT files, bytes, done FROM request_totals WHERE link = ?1";
const ADD: &str = "INSERT INTO request_totals (link, files, bytes, done) VALUES (?1, 1, ?2, ?3)
    ON CONFLICT (link) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes, done = done + excluded.done";
const FINISH: &str = "UPDATE request_totals SET done = done + 1 WHERE link = ?1";
const REMOVE: &str =
    "UPDATE request_totals SET files = files - 1, bytes = bytes - ?2 WHERE link = ?1";

pub(super) fn read(
    connection: &Connection,
    link: &Fingerprint,
) -> Result<RequestTotals, StoreError> {
    let decode = |row: &Row<'_>| {
        Ok(RequestTotals { files: size(row, 0)?, bytes: size(row, 1)?, done: size(row, 2)? })
    };
    let link = link.as_bytes().as_slice();
    let totals = connection
        .prepare_cached(READ)
        .and_then(|mut select| select.query_row([link], |row| Ok(decode(row))).optional())
        .map_err(engine)?
        .transpose()?;
    Ok(totals.unwrap_or_default())
}

/// Counts a file that begins, or is done already. The sum of all sizes fits: a request has room for no more.
pub(super) fn add(
    connection: &Connection,
    link: &Fingerprint,
    (bytes, is_done): (u64, bool),
) -> Result<(), StoreError> {
    let row = params![link.as_bytes().as_slice(), size_column(bytes), i64::from(is_done)];
    execute(connection, ADD, row)
}

/// Counts a file as done that was under way.
pub(super) fn finish(connection: &Connection, link: &[u8]) -> Result<(), StoreError> {
    execute(connection, FINISH, params![link])
}

/// Counts a file no more that was under way.
pub(super) fn remove(connection: &Connection, link: &[u8], bytes: i64) -> Result<(), StoreError> {
    execute(connection, REMOVE, params![link, bytes])
}

fn execute(connection: &Connection, sql: &str, row: &[&dyn ToSql]) -> Result<(), StoreError> {
    let write = connection.prepare_cached(sql).and_then(|mut write| write.execute(row));
    write.map(|_| ()).map_err(engine)
}
