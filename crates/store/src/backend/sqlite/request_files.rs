//! Files of requests in the database. A row has no seal: who could write another one could as well remove it, and what
//! a file may be put at is asked of its link.

use jiff::Timestamp;
use presign::Fingerprint;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::SqliteMetadata;
use super::error::engine;
use super::rows::{corrupt, object_key, size, size_column, timestamp};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::request_files::RequestFileRecords;
use crate::{
    ManagedLinkId, RequestFile, RequestRoom, RequestTotals, ReserveFile, StoreError, UploadId,
};

const ADD: &str = "INSERT INTO request_files
    (link, id, key, name, size, upload, done, touched_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const CHANGE: &str = "UPDATE request_files SET upload = ?6, done = ?7, touched_ms = ?8
    WHERE link = ?1 AND id = ?2 AND key = ?3 AND name = ?4 AND size = ?5 AND done = 0";
const READ: &str = "SELECT key, name, size, upload, done, touched_ms FROM request_files
    WHERE link = ?1 AND id = ?2";
const REOPEN: &str = "UPDATE request_files SET done = 0 WHERE link = ?1 AND id = ?2";
const RELEASE: &str = "DELETE FROM request_files WHERE link = ?1 AND id = ?2 AND done = 0";
const TOTALS: &str = "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(done), 0)
    FROM request_files WHERE link = ?1";
const IDLE: &str = "SELECT key, name, size, upload, done, touched_ms, id FROM request_files
    WHERE link = ?1 AND done = 0 AND touched_ms < ?2 ORDER BY touched_ms, id LIMIT ?3";
const RELEASE_IDLE: &str = "DELETE FROM request_files WHERE (link, id) IN
    (SELECT link, id FROM request_files WHERE done = 0 AND touched_ms < ?1 LIMIT ?2)";

impl RequestFileRecords for SqliteMetadata {
    async fn reserve_file(
        &self,
        file: RequestFile,
        room: RequestRoom,
    ) -> Result<ReserveFile, StoreError> {
        self.writer
            .run(DiskRoom::Needed, move |tx| {
                let totals = totals(tx.connection, &file.link)?;
                let mut reserved = totals.reserve(file.size, room, Vec::new());
                if !matches!(reserved, ReserveFile::Reserved { .. }) {
                    let idle = idle(tx.connection, &file.link, room.idle_before)?;
                    reserved = totals.reserve(file.size, room, idle);
                }
                if let ReserveFile::Reserved { given_up } = &reserved {
                    for one in given_up {
                        let (link, id) = (one.link.as_bytes(), one.id.as_bytes());
                        execute(tx, RELEASE, params![link.as_slice(), id.as_slice()])?;
                    }
                    write(tx, ADD, &file)?;
                }
                Ok(reserved)
            })
            .await
    }

    async fn request_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<Option<RequestFile>, StoreError> {
        self.readers
            .point(|connection| {
                let row = params![link.as_bytes().as_slice(), id.as_bytes().as_slice()];
                let select = connection.prepare_cached(READ);
                let decode = |row: &Row<'_>| Ok(decode(row, *link, id));
                let found = select.and_then(|mut select| select.query_row(row, decode).optional());
                found.map_err(engine)?.transpose()
            })
            .await
    }

    async fn change_file(&self, file: RequestFile) -> Result<bool, StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| Ok(write(tx, CHANGE, &file)? > 0)).await
    }

    async fn reopen_file(&self, link: &Fingerprint, id: ManagedLinkId) -> Result<bool, StoreError> {
        let link = *link;
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let row = params![link.as_bytes().as_slice(), id.as_bytes().as_slice()];
                Ok(execute(tx, REOPEN, row)? > 0)
            })
            .await
    }

    async fn release_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
    ) -> Result<bool, StoreError> {
        let link = *link;
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let row = params![link.as_bytes().as_slice(), id.as_bytes().as_slice()];
                Ok(execute(tx, RELEASE, row)? > 0)
            })
            .await
    }

    async fn request_totals(&self, link: &Fingerprint) -> Result<RequestTotals, StoreError> {
        self.readers.point(|connection| totals(connection, link)).await
    }

    async fn release_idle_files(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let limit = i64::try_from(JOB_ROWS_MAX).unwrap_or(i64::MAX);
                execute(tx, RELEASE_IDLE, params![before.as_millisecond(), limit])
            })
            .await
    }
}

fn totals(connection: &Connection, link: &Fingerprint) -> Result<RequestTotals, StoreError> {
    let decode = |row: &Row<'_>| {
        let read = || {
            Ok(RequestTotals { files: size(row, 0)?, bytes: size(row, 1)?, done: size(row, 2)? })
        };
        Ok(read())
    };
    let select = connection.prepare_cached(TOTALS);
    let link = link.as_bytes().as_slice();
    select.and_then(|mut select| select.query_row([link], decode)).map_err(engine)?
}

/// Files of a link that stand still, the oldest first, as many as one transaction may remove.
fn idle(
    connection: &Connection,
    link: &Fingerprint,
    before: Timestamp,
) -> Result<Vec<RequestFile>, StoreError> {
    let limit = i64::try_from(JOB_ROWS_MAX).unwrap_or(i64::MAX);
    let row = params![link.as_bytes().as_slice(), before.as_millisecond(), limit];
    let mut select = connection.prepare_cached(IDLE).map_err(engine)?;
    let mut rows = select.query(row).map_err(engine)?;
    let mut idle = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let id: [u8; 16] = row.get(6).map_err(engine)?;
        idle.push(decode(row, *link, ManagedLinkId::from_bytes(id))?);
    }
    Ok(idle)
}

fn write(tx: &Transaction<'_>, sql: &str, file: &RequestFile) -> Result<usize, StoreError> {
    let RequestFile { id, link, key, name, size, upload, is_done, touched_at } = file;
    let row = params![
        link.as_bytes().as_slice(),
        id.as_bytes().as_slice(),
        key.as_bytes(),
        name,
        size_column(*size),
        upload.as_ref().map(UploadId::as_bytes),
        i64::from(*is_done),
        touched_at.as_millisecond(),
    ];
    execute(tx, sql, row)
}

fn decode(row: &Row<'_>, link: Fingerprint, id: ManagedLinkId) -> Result<RequestFile, StoreError> {
    let upload: Option<Vec<u8>> = row.get(3).map_err(engine)?;
    let upload = upload.map(|bytes| UploadId::from_bytes(&bytes).ok_or(corrupt("id of an upload")));
    Ok(RequestFile {
        id,
        link,
        key: object_key(row, 0)?,
        name: row.get(1).map_err(engine)?,
        size: size(row, 2)?,
        upload: upload.transpose()?,
        is_done: row.get(4).map_err(engine)?,
        touched_at: timestamp(row, 5)?,
    })
}

fn execute(tx: &Transaction<'_>, sql: &str, row: &[&dyn ToSql]) -> Result<usize, StoreError> {
    tx.connection.prepare_cached(sql).and_then(|mut write| write.execute(row)).map_err(engine)
}
