//! Files of requests in the database. A row has no seal: who could write another one could as well remove it, and what
//! a file may be put at is asked of its link.

use jiff::Timestamp;
use presign::Fingerprint;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::error::engine;
use super::rows::{corrupt, object_key, size, size_column, timestamp};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use super::{SqliteMetadata, request_totals, uploads};
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::request_files::RequestFileRecords;
use crate::{
    BucketName, BucketRef, ManagedLinkId, ObjectKey, RequestFile, RequestRoom, RequestTotals,
    ReserveFile, StoreError, UploadId,
};

const ADD: &str = "INSERT INTO request_files
    (link, id, bucket, key, name, size, upload, done, touched_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const BEGIN: &str = "UPDATE request_files SET upload = ?3, touched_ms = ?4
    WHERE link = ?1 AND id = ?2 AND upload IS NULL AND done = 0";
const TOUCH: &str =
    "UPDATE request_files SET touched_ms = ?3 WHERE link = ?1 AND id = ?2 AND done = 0";
const TELL: &str = "UPDATE request_files SET done = 2 WHERE link = ?1 AND id = ?2 AND done = 1";
/// A bucket that goes takes the uploads into it along.
const READ: &str =
    "SELECT f.key, f.name, f.size, f.upload, f.done > 0, f.touched_ms, f.bucket, b.name
    FROM request_files AS f JOIN buckets AS b ON b.id = f.bucket WHERE f.link = ?1 AND f.id = ?2";
const REMOVE: &str = "DELETE FROM request_files WHERE link = ?1 AND id = ?2 AND done = 0";

/// A statement that reads files under way, each with the count of its parts, by what comes after `WHERE done = 0`.
macro_rules! select_under_way {
    ($rest:literal) => {
        concat!(
            "SELECT link, id, bucket, key, upload, size,
             (SELECT count(*) FROM parts AS p WHERE p.upload = f.upload)
             FROM request_files AS f WHERE done = 0 AND ",
            $rest
        )
    };
}

const ONE_UNDER_WAY: &str = select_under_way!("link = ?1 AND id = ?2");
const UNDER_WAY_OF_LINK: &str = select_under_way!("link = ?1");
const IDLE: &str = select_under_way!("touched_ms < ?1");
const IDLE_OF_LINK: &str =
    select_under_way!("link = ?1 AND touched_ms < ?2 ORDER BY touched_ms, id");

impl RequestFileRecords for SqliteMetadata {
    async fn reserve_file(
        &self,
        file: RequestFile,
        room: RequestRoom,
    ) -> Result<ReserveFile, StoreError> {
        self.writer
            .run(DiskRoom::Needed, move |tx| {
                let now = file.touched_at;
                let totals = request_totals::read(tx.connection, &file.link)?;
                let (mut given_up, mut idle) = (totals.make_room(file.size, room, &[]), Vec::new());
                if given_up.is_err() {
                    let (link, before) = (file.link.as_bytes(), room.idle_before.as_millisecond());
                    let row = params![link.as_slice(), before];
                    idle = under_way(tx.connection, (IDLE_OF_LINK, row))?.0;
                    let sizes: Vec<u64> = idle.iter().map(|file| file.size).collect();
                    given_up = totals.make_room(file.size, room, &sizes);
                }
                match given_up {
                    Ok(count) => {
                        give_up(tx.connection, idle.iter().take(count), now)?;
                        add(tx.connection, &file)?;
                        Ok(ReserveFile::Reserved)
                    }
                    Err(refused) => Ok(refused),
                }
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

    async fn begin_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        upload: UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let link = *link;
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let (link, id) = (link.as_bytes().as_slice(), id.as_bytes().as_slice());
                let row = params![link, id, upload.as_bytes(), now.as_millisecond()];
                Ok(execute(tx.connection, BEGIN, row)? > 0)
            })
            .await
    }

    async fn touch_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let link = *link;
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let (link, id) = (link.as_bytes().as_slice(), id.as_bytes().as_slice());
                Ok(execute(tx.connection, TOUCH, params![link, id, now.as_millisecond()])? > 0)
            })
            .await
    }

    async fn tell_file(&self, link: &Fingerprint, id: ManagedLinkId) -> Result<bool, StoreError> {
        let link = *link;
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let row = params![link.as_bytes().as_slice(), id.as_bytes().as_slice()];
                Ok(execute(tx.connection, TELL, row)? > 0)
            })
            .await
    }

    async fn release_file(
        &self,
        link: &Fingerprint,
        id: ManagedLinkId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let link = *link;
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let row = params![link.as_bytes().as_slice(), id.as_bytes().as_slice()];
                Ok(give_up_some(tx, (ONE_UNDER_WAY, row), now)? > 0)
            })
            .await
    }

    async fn request_totals(&self, link: &Fingerprint) -> Result<RequestTotals, StoreError> {
        self.readers.point(|connection| request_totals::read(connection, link)).await
    }

    async fn release_idle_files(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let row = params![before.as_millisecond()];
                give_up_some(tx, (IDLE, row), now)
            })
            .await
    }
}

/// A file under way, as far as giving it up needs it.
struct UnderWay {
    link: Vec<u8>,
    id: Vec<u8>,
    bucket: i64,
    key: ObjectKey,
    upload: Option<UploadId>,
    size: u64,
}

/// Gives up the files under way of a link, as many as one job may; `true`: there are none left.
pub(super) fn give_up_of_link(
    tx: &mut Transaction<'_>,
    link: &Fingerprint,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = params![link.as_bytes().as_slice()];
    let (files, are_all) = under_way(tx.connection, (UNDER_WAY_OF_LINK, row))?;
    give_up(tx.connection, &files, now)?;
    Ok(are_all)
}

/// Gives up the files that a statement selects, as many as one job may. Says how many these were.
fn give_up_some(
    tx: &mut Transaction<'_>,
    select: (&str, &[&dyn ToSql]),
    now: Timestamp,
) -> Result<usize, StoreError> {
    let (files, _) = under_way(tx.connection, select)?;
    give_up(tx.connection, &files, now)?;
    Ok(files.len())
}

/// The files that a statement selects, as many as one job may give up with their parts; and whether these are all.
fn under_way(
    connection: &Connection,
    (select, row): (&str, &[&dyn ToSql]),
) -> Result<(Vec<UnderWay>, bool), StoreError> {
    let mut select = connection.prepare_cached(select).map_err(engine)?;
    let mut rows = select.query(row).map_err(engine)?;
    let (mut files, mut room) = (Vec::new(), JOB_ROWS_MAX);
    while let Some(row) = rows.next().map_err(engine)? {
        if room == 0 {
            return Ok((files, false));
        }
        files.push(UnderWay {
            link: row.get(0).map_err(engine)?,
            id: row.get(1).map_err(engine)?,
            bucket: row.get(2).map_err(engine)?,
            key: object_key(row, 3)?,
            upload: upload_id(row, 4)?,
            size: size(row, 5)?,
        });
        let parts: i64 = row.get(6).map_err(engine)?;
        let parts = usize::try_from(parts).unwrap_or(usize::MAX);
        room = room.saturating_sub(parts.saturating_add(1));
    }
    Ok((files, true))
}

/// Gives up files, each with its upload and the parts of it.
fn give_up<'f>(
    connection: &Connection,
    files: impl IntoIterator<Item = &'f UnderWay>,
    now: Timestamp,
) -> Result<(), StoreError> {
    for UnderWay { link, id, bucket, key, upload, size } in files {
        if let Some(upload) = upload {
            uploads::abort_in(connection, *bucket, (key, *upload), now)?;
        }
        // The file went with its upload, if there was one.
        if execute(connection, REMOVE, params![link, id])? > 0 {
            request_totals::remove(connection, link, size_column(*size))?;
        }
    }
    Ok(())
}

fn add(connection: &Connection, file: &RequestFile) -> Result<(), StoreError> {
    let RequestFile { id, link, bucket, key, name, size, upload, is_done, touched_at } = file;
    let row = params![
        link.as_bytes().as_slice(),
        id.as_bytes().as_slice(),
        bucket.id,
        key.as_bytes(),
        name,
        size_column(*size),
        upload.as_ref().map(UploadId::as_bytes),
        i64::from(*is_done),
        touched_at.as_millisecond(),
    ];
    execute(connection, ADD, row)?;
    request_totals::add(connection, link, (*size, *is_done))
}

fn decode(row: &Row<'_>, link: Fingerprint, id: ManagedLinkId) -> Result<RequestFile, StoreError> {
    let bucket: String = row.get(7).map_err(engine)?;
    let name = BucketName::parse(&bucket).map_err(|_| corrupt("name of a bucket"))?;
    Ok(RequestFile {
        id,
        link,
        bucket: BucketRef { name, id: row.get(6).map_err(engine)? },
        key: object_key(row, 0)?,
        name: row.get(1).map_err(engine)?,
        size: size(row, 2)?,
        upload: upload_id(row, 3)?,
        is_done: row.get(4).map_err(engine)?,
        touched_at: timestamp(row, 5)?,
    })
}

fn upload_id(row: &Row<'_>, column: usize) -> Result<Option<UploadId>, StoreError> {
    let upload: Option<Vec<u8>> = row.get(column).map_err(engine)?;
    let upload = upload.map(|bytes| UploadId::from_bytes(&bytes).ok_or(corrupt("id of an upload")));
    upload.transpose()
}

fn execute(connection: &Connection, sql: &str, row: &[&dyn ToSql]) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut write| write.execute(row)).map_err(engine)
}
