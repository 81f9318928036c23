//! Completing an upload in the database: the parts are read again, and judged, in the transaction that makes the
//! object of them.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::garbage::add_garbage;
use crate::backend::sqlite::objects::Target;
use crate::backend::sqlite::objects::lookup;
use crate::backend::sqlite::rows::{etag, etag_column, version, version_column};
use crate::backend::sqlite::transaction::Transaction;
use crate::backend::sqlite::{buckets, uploads};
use crate::multipart::{Completion, UnderWay};
use crate::vault::{Vault, random};
use crate::{Bucket, CompleteOutcome, CompleteUpload, ETag, Lookup, Object, StoreError, VersionId};

const REMEMBER: &str = "INSERT INTO completed (bucket, key, upload, completed_ms, version, etag)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const RECALL: &str =
    "SELECT version, etag FROM completed WHERE bucket = ?1 AND key = ?2 AND upload = ?3";
/// A delete is remembered for as long as an upload is under way that may ask.
const FORGET_COMPLETED: &str = "DELETE FROM completed WHERE (bucket, key, upload) IN (
    SELECT bucket, key, upload FROM completed AS c WHERE completed_ms < ?1 AND NOT (upload = x''
    AND EXISTS (SELECT 1 FROM uploads AS u WHERE u.bucket = c.bucket AND u.key = c.key)) LIMIT ?2)";
const FORGET_COMPLETED_OF: &str = "DELETE FROM completed WHERE (bucket, key, upload) IN (
    SELECT bucket, key, upload FROM completed WHERE bucket = ?1 LIMIT ?2)";

pub(super) fn complete(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    request: &CompleteUpload,
    now: Timestamp,
) -> Result<CompleteOutcome, StoreError> {
    let Some(bucket) = buckets::same(tx.connection, &request.bucket)? else {
        return Ok(CompleteOutcome::NoSuchBucket);
    };
    let (key, id, versioning) = (&request.key, request.upload_id, bucket.versioning);
    let Some(upload) = uploads::read(tx.connection, &request.bucket, key, id)? else {
        return completed_before(tx.connection, vault, &bucket, request);
    };
    let target = Target { bucket: &bucket, key, now };
    let under_way = UnderWay {
        upload,
        parts: uploads::stored_parts(tx.connection, id, None, usize::MAX)?,
        versioning,
        key: target.state(tx.connection)?,
        deleted_at: target.deleted_at(tx.connection)?,
    };
    let Completion { made, version, discarded } = match under_way.complete(request, random()?)? {
        Ok(completion) => completion,
        Err(refused) => return Ok(refused),
    };
    add_garbage(tx.connection, &discarded, now)?;
    uploads::forget_parts(tx.connection, id)?;
    uploads::remove(tx.connection, bucket.id, key, id)?;
    let object = target.add(tx, version, made, None)?;
    remember(tx.connection, bucket.id, request, &object, now)?;
    uploads::sent::finish(tx.connection, id)?;
    Ok(CompleteOutcome::Completed { version_id: versioning.told(object.version_id), object })
}

fn remember(
    connection: &Connection,
    bucket: i64,
    complete: &CompleteUpload,
    object: &Object,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = params![
        bucket,
        complete.key.as_bytes(),
        complete.upload_id.as_bytes(),
        now.as_millisecond(),
        version_column(&object.version_id),
        etag_column(&object.etag),
    ];
    let remember = connection.prepare_cached(REMEMBER);
    remember.and_then(|mut remember| remember.execute(row)).map(|_| ()).map_err(engine)
}

/// The answer to a repeated try: the same, if it names the same parts and the object is still there.
fn completed_before(
    connection: &Connection,
    vault: &Vault,
    bucket: &Bucket,
    complete: &CompleteUpload,
) -> Result<CompleteOutcome, StoreError> {
    let row = params![bucket.id, complete.key.as_bytes(), complete.upload_id.as_bytes()];
    let before: Option<(VersionId, ETag)> = connection
        .prepare_cached(RECALL)
        .and_then(|mut recall| {
            let decode = |row: &Row<'_>| version(row, 0).and_then(|v| Ok((v, etag(row, 1)?)));
            recall.query_row(row, |row| Ok(decode(row))).optional()
        })
        .map_err(engine)?
        .transpose()?;
    let Some((version, etag)) = before.filter(|(_, etag)| complete.is_of(*etag)) else {
        return Ok(CompleteOutcome::NoSuchUpload);
    };
    match lookup::version(connection, vault, bucket.id, &complete.key, version)? {
        Lookup::Object(object) if object.etag == etag => {
            let version_id = bucket.versioning.told(object.version_id);
            Ok(CompleteOutcome::Completed { version_id, object: Arc::clone(&object) })
        }
        Lookup::Object(_)
        | Lookup::DeleteMarker(_)
        | Lookup::NoSuchKey
        | Lookup::NoSuchVersion
        | Lookup::NoSuchBucket => Ok(CompleteOutcome::NoSuchUpload),
    }
}

/// Forgets completions from before a time, as many as one job may; `true`: there are none left.
pub(super) fn forget(tx: &mut Transaction<'_>, before: Timestamp) -> Result<bool, StoreError> {
    forget_some(tx.connection, FORGET_COMPLETED, before.as_millisecond())
}

/// Forgets completions in a bucket, as many as one job may; `true`: there are none left.
pub(crate) fn forget_of(connection: &Connection, bucket: i64) -> Result<bool, StoreError> {
    forget_some(connection, FORGET_COMPLETED_OF, bucket)
}

fn forget_some(connection: &Connection, sql: &str, which: i64) -> Result<bool, StoreError> {
    let limit = i64::try_from(JOB_ROWS_MAX).unwrap_or(i64::MAX);
    let forgotten =
        connection.prepare_cached(sql).and_then(|mut forget| forget.execute(params![which, limit]));
    Ok(forgotten.map_err(engine)? < JOB_ROWS_MAX)
}
