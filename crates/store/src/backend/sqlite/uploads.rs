//! Uploads and their parts in the database, until they are completed or aborted.

pub(super) mod completion;
mod idle;
mod sent;

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::SqliteMetadata;
use super::buckets;
use super::error::engine;
use super::garbage::{add_garbage, take_intent};
use super::rows::{corrupt, key_bytes, object_key, page, size, size_column, timestamp};
use super::seal::{self, row_seal};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::uploads::{IdleUpload, NewPart, UploadRecords};
use crate::backend::record::{parse_part, parse_upload, part_record, upload_record};
use crate::listing::{Step, UploadsWalk};
use crate::multipart::StoredPart;
use crate::object::truncated;
use crate::vault::random;
use crate::{
    BucketRef, CompleteOutcome, CompleteUpload, ETag, ListUploads, NewUpload, ObjectKey, Part,
    PartNumber, PartPage, PutPart, StoreError, Upload, UploadId, UploadPage,
};

impl UploadRecords for SqliteMetadata {
    async fn create_upload(
        &self,
        upload: NewUpload,
        now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| create(tx, upload, now)).await
    }

    async fn upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let read = |connection: &Connection| read(connection, bucket, key, id);
        Ok(self.readers.point(read).await?.map(Arc::new))
    }

    async fn put_part(&self, part: NewPart, now: Timestamp) -> Result<PutPart, StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| put_part(tx, part, now)).await
    }

    async fn parts(
        &self,
        upload: UploadId,
        after: Option<PartNumber>,
        limit: usize,
    ) -> Result<PartPage, StoreError> {
        self.readers.list(move |connection| parts(connection, upload, after, limit)).await
    }

    async fn uploads(
        &self,
        bucket: &BucketRef,
        query: ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let bucket = bucket.clone();
        let list = move |connection: &Connection| list(connection, &bucket, &query);
        self.readers.list(list).await.map(Some)
    }

    async fn complete_upload(
        &self,
        complete: CompleteUpload,
        now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        let vault = Arc::clone(&self.vault);
        let run = move |tx: &mut Transaction<'_>| completion::complete(tx, &vault, &complete, now);
        self.writer.run(DiskRoom::Needed, run).await
    }

    async fn abort_upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        let abort = move |tx: &mut Transaction<'_>| abort(tx, &bucket, &key, id, now);
        self.writer.run(DiskRoom::Reserve, abort).await
    }

    async fn idle_uploads(
        &self,
        idle_since: Timestamp,
        limit: usize,
    ) -> Result<Vec<IdleUpload>, StoreError> {
        self.readers.list(move |connection| idle::list(connection, idle_since, limit)).await
    }

    async fn abort_idle_upload(
        &self,
        idle: IdleUpload,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| idle::abort(tx, &idle, now)).await
    }

    async fn forget_completed(&self, before: Timestamp) -> Result<(), StoreError> {
        let forget = move |tx: &mut Transaction<'_>| completion::forget(tx, before);
        // No more of that age come meanwhile.
        while !self.writer.run(DiskRoom::Reserve, forget).await? {}
        Ok(())
    }
}

const ADD: &str = "INSERT INTO uploads (bucket, key, upload, record, seal)
    VALUES (?1, ?2, ?3, ?4, row_seal('upload', ?1, ?2, ?3, ?4))";
const BY_ID: &str = concat!(
    "SELECT record, seal = ",
    row_seal!(upload),
    " FROM uploads WHERE bucket = ?1 AND key = ?2 AND upload = ?3"
);
const REMOVE: &str = "DELETE FROM uploads WHERE bucket = ?1 AND key = ?2 AND upload = ?3";
const SOME_OF_BUCKET: &str = "SELECT key, upload,
    (SELECT count(*) FROM parts AS p WHERE p.upload = u.upload) FROM uploads AS u WHERE u.bucket = ?1";
const LIST: &str = concat!(
    "SELECT key, upload, record, seal = ",
    row_seal!(upload),
    " FROM uploads
    WHERE bucket = ?1 AND (key, upload) > (?2, ?3) AND key < ?4 ORDER BY key, upload"
);

const PUT_PART: &str =
    "INSERT OR REPLACE INTO parts (upload, number, size, md5, modified_ms, record, seal)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_seal('part', ?1, ?2, ?3, ?4, ?5, ?6))";
const PART: &str = concat!(
    "SELECT number, size, md5, modified_ms, record, seal = ",
    row_seal!(part),
    " FROM parts WHERE upload = ?1 AND number = ?2"
);
const PARTS: &str = concat!(
    "SELECT number, size, md5, modified_ms, record, seal = ",
    row_seal!(part),
    " FROM parts WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3"
);
const REMOVE_PARTS: &str = "DELETE FROM parts WHERE upload = ?1";

/// How many parts one page holds at most.
const PARTS_PAGE_MAX: usize = 1000;

pub(super) fn create(
    tx: &mut Transaction<'_>,
    new: NewUpload,
    now: Timestamp,
) -> Result<Option<Arc<Upload>>, StoreError> {
    if buckets::same(tx.connection, &new.bucket)?.is_none() {
        return Ok(None);
    }
    let upload = new.begin(random()?, now);
    let record = upload_record(&upload)?;
    let row = params![upload.bucket.id, upload.key.as_bytes(), upload.id.as_bytes(), record];
    tx.connection.prepare_cached(ADD).and_then(|mut add| add.execute(row)).map_err(engine)?;
    Ok(Some(Arc::new(upload)))
}

pub(super) fn read(
    connection: &Connection,
    bucket: &BucketRef,
    key: &ObjectKey,
    id: UploadId,
) -> Result<Option<Upload>, StoreError> {
    let row = params![bucket.id, key.as_bytes(), id.as_bytes()];
    let decode = |row: &Row<'_>| -> Result<Vec<u8>, StoreError> {
        seal::check(row, 1)?;
        row.get(0).map_err(engine)
    };
    let record = connection
        .prepare_cached(BY_ID)
        .and_then(|mut select| select.query_row(row, |row| Ok(decode(row))).optional())
        .map_err(engine)?
        .transpose()?;
    record.map(|json| parse_upload(&json, (bucket.clone(), key.clone(), id))).transpose()
}

pub(super) fn put_part(
    tx: &mut Transaction<'_>,
    new: NewPart,
    now: Timestamp,
) -> Result<PutPart, StoreError> {
    // A bucket that goes takes its uploads along, so whatever is found here is of the same bucket.
    if read(tx.connection, &new.bucket, &new.key, new.upload)?.is_none() {
        return Ok(PutPart::NoSuchUpload);
    }
    if let Some(replaced) = part(tx.connection, new.upload, new.number)? {
        add_garbage(tx.connection, std::slice::from_ref(&replaced.blob), now)?;
    }
    let NewPart { upload, number, etag, checksum, file, .. } = new;
    let blob = file.blob;
    take_intent(tx, blob.id)?;
    tx.publish(file.unpublished);
    let part = Part { number, size: blob.size, etag, checksum, last_modified: truncated(now) };
    let row = params![
        upload.as_bytes(),
        number.number(),
        size_column(part.size),
        etag.md5().as_slice(),
        part.last_modified.as_millisecond(),
        part_record(&blob, part.checksum.as_ref())?,
    ];
    tx.connection.prepare_cached(PUT_PART).and_then(|mut put| put.execute(row)).map_err(engine)?;
    sent::touch(tx.connection, upload, now)?;
    Ok(PutPart::Stored(part))
}

pub(super) fn part(
    connection: &Connection,
    upload: UploadId,
    number: PartNumber,
) -> Result<Option<StoredPart>, StoreError> {
    let row = params![upload.as_bytes(), number.number()];
    connection
        .prepare_cached(PART)
        .and_then(|mut select| select.query_row(row, |row| Ok(decode_part(row))).optional())
        .map_err(engine)?
        .transpose()
}

pub(super) fn parts(
    connection: &Connection,
    upload: UploadId,
    after: Option<PartNumber>,
    limit: usize,
) -> Result<PartPage, StoreError> {
    let limit = limit.min(PARTS_PAGE_MAX);
    let stored = stored_parts(connection, upload, after, limit.saturating_add(1))?;
    let (parts, more) = page(stored.into_iter().map(|stored| stored.part).collect(), limit);
    let next = parts.last().filter(|_| more).map(|part| part.number);
    Ok(PartPage { parts, next })
}

pub(super) fn stored_parts(
    connection: &Connection,
    upload: UploadId,
    after: Option<PartNumber>,
    limit: usize,
) -> Result<Vec<StoredPart>, StoreError> {
    let after = after.map_or(0, PartNumber::number);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(PARTS).map_err(engine)?;
    let mut rows = select.query(params![upload.as_bytes(), after, limit]).map_err(engine)?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        parts.push(decode_part(row)?);
    }
    Ok(parts)
}

fn decode_part(row: &Row<'_>) -> Result<StoredPart, StoreError> {
    seal::check(row, 5)?;
    let number: u16 = row.get(0).map_err(engine)?;
    let md5: [u8; 16] = row.get(2).map_err(engine)?;
    let json: Vec<u8> = row.get(4).map_err(engine)?;
    let (blob, checksum) = parse_part(&json)?;
    let part = Part {
        number: PartNumber::new(number).map_err(|_| corrupt("number of a part"))?,
        size: size(row, 1)?,
        etag: ETag::of_md5(md5),
        checksum,
        last_modified: timestamp(row, 3)?,
    };
    Ok(StoredPart { part, blob })
}

pub(super) fn abort(
    tx: &mut Transaction<'_>,
    bucket: &BucketRef,
    key: &ObjectKey,
    id: UploadId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    abort_in(tx.connection, bucket.id, (key, id), now)
}

/// Ends an upload in the bucket of that id, with its parts, and with its file if it is one of a request. `false`: there was none.
pub(super) fn abort_in(
    connection: &Connection,
    bucket: i64,
    (key, id): (&ObjectKey, UploadId),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let existed = remove(connection, bucket, key, id)?;
    if existed {
        discard_parts(connection, id, now)?;
        sent::give_up(connection, id)?;
    }
    Ok(existed)
}

/// Aborts uploads of a bucket that is about to go, as many as one job may; `true`: there are none left.
pub(super) fn abort_some(
    connection: &Connection,
    bucket: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached(SOME_OF_BUCKET).map_err(engine)?;
    let mut rows = select.query([bucket]).map_err(engine)?;
    let (mut uploads, mut room) = (Vec::new(), JOB_ROWS_MAX);
    let mut are_all = true;
    while let Some(row) = rows.next().map_err(engine)? {
        if room == 0 {
            are_all = false;
            break;
        }
        uploads.push((object_key(row, 0)?, upload_id(row, 1)?));
        let parts: i64 = row.get(2).map_err(engine)?;
        let parts = usize::try_from(parts).unwrap_or(usize::MAX);
        room = room.saturating_sub(parts.saturating_add(1));
    }
    drop(rows);
    uploads
        .into_iter()
        .try_for_each(|(key, id)| abort_in(connection, bucket, (&key, id), now).map(|_| ()))?;
    Ok(are_all)
}

/// Removes an upload, but not its parts; `false`: there was none.
pub(super) fn remove(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    id: UploadId,
) -> Result<bool, StoreError> {
    let row = params![bucket, key.as_bytes(), id.as_bytes()];
    let removed = connection.prepare_cached(REMOVE).and_then(|mut remove| remove.execute(row));
    removed.map(|count| count > 0).map_err(engine)
}

fn discard_parts(connection: &Connection, id: UploadId, now: Timestamp) -> Result<(), StoreError> {
    let stored = stored_parts(connection, id, None, usize::MAX)?;
    let blobs = stored.into_iter().map(|stored| stored.blob).collect::<Vec<_>>();
    add_garbage(connection, &blobs, now)?;
    forget_parts(connection, id)
}

/// Removes the rows of an upload's parts, whose bytes are somebody else's now.
pub(super) fn forget_parts(connection: &Connection, id: UploadId) -> Result<(), StoreError> {
    let forget = connection.prepare_cached(REMOVE_PARTS);
    forget.and_then(|mut forget| forget.execute([id.as_bytes()])).map(|_| ()).map_err(engine)
}

pub(super) fn list(
    connection: &Connection,
    bucket: &BucketRef,
    query: &ListUploads,
) -> Result<UploadPage, StoreError> {
    let (mut walk, mut after) = UploadsWalk::begin(query);
    let mut select = connection.prepare_cached(LIST).map_err(engine)?;
    'seek: loop {
        let place = params![bucket.id, after.key, after.upload, walk.end()];
        let mut rows = select.query(place).map_err(engine)?;
        while let Some(row) = rows.next().map_err(engine)? {
            let upload = |key| {
                seal::check(row, 3)?;
                let json: Vec<u8> = row.get(2).map_err(engine)?;
                parse_upload(&json, (bucket.clone(), key, upload_id(row, 1)?))
            };
            match walk.see(key_bytes(row, 0)?, upload)? {
                Step::Next => (),
                Step::Seek(to) => {
                    after = to;
                    continue 'seek;
                }
                Step::End => break,
            }
        }
        return Ok(walk.finish());
    }
}

pub(super) fn upload_id(row: &Row<'_>, column: usize) -> Result<UploadId, StoreError> {
    let bytes: [u8; 24] = row.get(column).map_err(engine)?;
    UploadId::from_bytes(&bytes).ok_or(corrupt("id of an upload"))
}
