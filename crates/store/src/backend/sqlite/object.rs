//! The versions of a key as they stand, and the decisions of put and delete.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::rows::{
    KIND_MARKER, KIND_OBJECT, checksum_column, corrupt, etag, etag_column, object_record,
    parse_object, size_column, timestamp, truncated, version, version_column,
};
use super::sweeping::{add_garbage, take_intent};
use super::transaction::Transaction;
use super::{bucket, engine, tags};
use crate::backend::{NewBody, NewObject};
use crate::body::Body;
use crate::names::VersionToken;
use crate::vault::random;
use crate::{
    Attributes, Bucket, DeleteObject, DeleteOutcome, ETag, Object, ObjectKey, Precondition,
    PutOutcome, StoreError, StoredChecksum, Tag, VersionId, Versioning,
};

const STANDING: &str = "SELECT ord, version, kind, etag, modified_ms FROM objects
    WHERE bucket = ?1 AND key = ?2 ORDER BY ord LIMIT 1";
const NULL_AT_START: &str = "SELECT ord, version, kind, etag, modified_ms FROM objects
    WHERE bucket = ?1 AND key = ?2 AND ord = 0 AND version = x''";
const NULL_LATER: &str = "SELECT ord, version, kind, etag, modified_ms FROM objects
    WHERE bucket = ?1 AND key = ?2 AND version = x'' AND ord <> 0";
const WITH_ID: &str = "SELECT ord, version, kind, etag, modified_ms FROM objects
    WHERE bucket = ?1 AND key = ?2 AND ord = ?3 AND version = ?4";

const REMOVE: &str = "DELETE FROM objects WHERE bucket = ?1 AND key = ?2 AND ord = ?3
    RETURNING kind, body, record";
/// In the table of completed uploads, under the id that no upload has.
const REMEMBER_DELETE: &str = "INSERT OR REPLACE INTO completed
    (bucket, key, upload, completed_ms, version, etag) SELECT ?1, ?2, x'', ?3, x'', x''
    WHERE EXISTS (SELECT 1 FROM uploads WHERE bucket = ?1 AND key = ?2)";
const DELETED: &str =
    "SELECT completed_ms FROM completed WHERE bucket = ?1 AND key = ?2 AND upload = x''";
const REMOVE_BODY: &str = "DELETE FROM bodies WHERE id = ?1";
const ADD_BODY: &str = "INSERT INTO bodies (bytes) VALUES (?1)";
const ADD: &str = "INSERT INTO objects (bucket, key, ord, version, kind, size, etag, modified_ms,
    storage_class, checksum, body, record, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
    row_seal('object', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?12))";

pub(super) fn ord_of(token: VersionToken) -> i64 {
    token.place().cast_signed().wrapping_neg()
}

/// What a decision needs to know of a version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) ord: i64,
    version: VersionId,
    is_marker: bool,
    etag: ETag,
    modified: Timestamp,
}

fn standing(
    connection: &Connection,
    sql: &str,
    row: impl Params,
) -> Result<Option<Standing>, StoreError> {
    let decode = |row: &Row<'_>| {
        let is_marker = row.get::<_, i64>(2).map_err(engine)? == KIND_MARKER;
        let etag = if is_marker { ETag::of_md5([0; 16]) } else { etag(row, 3)? };
        let ord = row.get(0).map_err(engine)?;
        let modified = timestamp(row, 4)?;
        Ok(Standing { ord, version: version(row, 1)?, is_marker, etag, modified })
    };
    connection
        .prepare_cached(sql)
        .and_then(|mut select| select.query_row(row, |row| Ok(decode(row))).optional())
        .map_err(engine)?
        .transpose()
}

/// The newest version of a key, whatever it is.
pub(super) fn newest(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
) -> Result<Option<Standing>, StoreError> {
    standing(connection, STANDING, params![bucket, key.as_bytes()])
}

/// Where a version stands, or would if it were not gone; `None`: it is the null version, and gone.
pub(super) fn place(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    version: VersionId,
) -> Result<Option<i64>, StoreError> {
    match version {
        VersionId::Id(token) => Ok(Some(ord_of(token))),
        VersionId::Null => {
            let newest = newest(connection, bucket, key)?;
            Ok(null_version(connection, bucket, key, newest)?.map(|null| null.ord))
        }
    }
}

/// The null version of a key, of which there is one at most.
fn null_version(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    newest: Option<Standing>,
) -> Result<Option<Standing>, StoreError> {
    match newest {
        None => return Ok(None),
        Some(newest) if newest.version == VersionId::Null => return Ok(Some(newest)),
        Some(_) => (),
    }
    let row = params![bucket, key.as_bytes()];
    match standing(connection, NULL_AT_START, row)? {
        Some(found) => Ok(Some(found)),
        None => standing(connection, NULL_LATER, row),
    }
}

/// A key that is about to be written, as it stands in this transaction.
pub(super) struct Target<'t> {
    pub(super) bucket: &'t Bucket,
    pub(super) key: &'t ObjectKey,
    newest: Option<Standing>,
    now: Timestamp,
}

/// Why a precondition does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    Failed,
    NoSuchKey,
}

impl<'t> Target<'t> {
    pub(super) fn find(
        connection: &Connection,
        bucket: &'t Bucket,
        key: &'t ObjectKey,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let newest = newest(connection, bucket.id, key)?;
        Ok(Self { bucket, key, newest, now })
    }

    pub(super) fn check(&self, precondition: Precondition) -> Result<(), Unmet> {
        let current = self.newest.filter(|newest| !newest.is_marker);
        match (precondition, current) {
            (Precondition::None, _)
            | (Precondition::IfAbsent, None)
            | (Precondition::IfPresent, Some(_)) => Ok(()),
            (
                Precondition::IfMatch(_) | Precondition::IfMatchUnknown | Precondition::IfPresent,
                None,
            ) => Err(Unmet::NoSuchKey),
            (Precondition::IfMatch(etag), Some(current)) if current.etag == etag => Ok(()),
            (
                Precondition::IfMatch(_) | Precondition::IfMatchUnknown | Precondition::IfAbsent,
                Some(_),
            ) => Err(Unmet::Failed),
        }
    }

    /// The tags of the key's current version; none where there is none.
    fn tags(&self, connection: &Connection) -> Result<Vec<Tag>, StoreError> {
        let Some(newest) = self.newest else { return Ok(Vec::new()) };
        tags::of(connection, self.bucket.id, self.key, newest.ord)
    }

    /// Whether the key was written or deleted after that time, at which an upload was under way.
    pub(super) fn changed_after(
        &self,
        connection: &Connection,
        time: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.newest.is_some_and(|newest| newest.modified > time) {
            return Ok(true);
        }
        let row = params![self.bucket.id, self.key.as_bytes()];
        let deleted: Option<i64> = connection
            .prepare_cached(DELETED)
            .and_then(|mut select| select.query_row(row, |row| row.get(0)).optional())
            .map_err(engine)?;
        Ok(deleted.is_some_and(|deleted_ms| deleted_ms > time.as_millisecond()))
    }

    /// Notes that the key's current version is removed and leaves no trace, for uploads under way that
    /// may be completed under a condition.
    fn remember_delete(&self, connection: &Connection) -> Result<(), StoreError> {
        let row = params![self.bucket.id, self.key.as_bytes(), self.now.as_millisecond()];
        let remember = connection.prepare_cached(REMEMBER_DELETE);
        remember.and_then(|mut remember| remember.execute(row)).map(drop).map_err(engine)
    }

    fn null_version(&self, connection: &Connection) -> Result<Option<Standing>, StoreError> {
        null_version(connection, self.bucket.id, self.key, self.newest)
    }

    /// Decides the place and id of a new version; where none are kept, or no longer, it takes the
    /// place of the null version.
    fn make_room(&self, connection: &Connection) -> Result<(i64, VersionId), StoreError> {
        let above = |newest: Standing| {
            let ord = newest.ord.checked_sub(1).filter(|ord| *ord > i64::MIN);
            ord.ok_or(corrupt("order of versions"))
        };
        match self.bucket.versioning {
            Versioning::Enabled => {
                let ord = self.newest.map_or(Ok(0), above)?;
                let place = ord.wrapping_neg().cast_unsigned();
                Ok((ord, VersionId::Id(VersionToken::new(place, random()?))))
            }
            Versioning::Unversioned | Versioning::Suspended => {
                if let Some(null) = self.null_version(connection)? {
                    self.remove(connection, null.ord)?;
                }
                let ord = match self.newest {
                    Some(newest) if newest.version == VersionId::Null => newest.ord,
                    Some(newest) => above(newest)?,
                    None => 0,
                };
                Ok((ord, VersionId::Null))
            }
        }
    }

    fn remove(&self, connection: &Connection, ord: i64) -> Result<(), StoreError> {
        remove(connection, self.bucket.id, self.key, ord, self.now)
    }
}

pub(super) fn put(
    tx: &mut Transaction<'_>,
    new: NewObject,
    now: Timestamp,
) -> Result<PutOutcome, StoreError> {
    let Some(bucket) = bucket::same(tx.connection, &new.bucket)? else {
        return Ok(PutOutcome::NoSuchBucket);
    };
    let target = Target::find(tx.connection, &bucket, &new.key, now)?;
    match target.check(new.precondition) {
        Ok(()) => (),
        Err(Unmet::Failed) => return Ok(PutOutcome::PreconditionFailed),
        Err(Unmet::NoSuchKey) => return Ok(PutOutcome::NoSuchKey),
    }
    let (body, bytes) = match new.body {
        NewBody::Row { blob, stored, plain } => (Body::Row(blob), Some((stored, plain))),
        NewBody::File(file) => {
            take_intent(tx, file.blob.id)?;
            tx.publish(file.unpublished);
            (Body::Files(vec![file.blob]), None)
        }
    };
    let size = body.blobs().iter().map(|blob| blob.size).fold(0, u64::saturating_add);
    let NewObject { attributes, checksum, etag, .. } = new;
    let made = Made { size, etag, attributes, checksum, parts: Vec::new(), body };
    let object = add(tx, &target, made, bytes)?;
    Ok(PutOutcome::Stored { version_id: told_version(&bucket, &object), object })
}

/// The version a writer is told: none where none are kept.
pub(super) fn told_version(bucket: &Bucket, object: &Object) -> Option<VersionId> {
    match bucket.versioning {
        Versioning::Unversioned => None,
        Versioning::Enabled | Versioning::Suspended => Some(object.version_id),
    }
}

/// An object that is decided on, before it has a place among the versions of its key.
pub(super) struct Made {
    pub(super) size: u64,
    pub(super) etag: ETag,
    pub(super) attributes: Attributes,
    pub(super) checksum: Option<StoredChecksum>,
    pub(super) parts: Vec<crate::PartSummary>,
    pub(super) body: Body,
}

/// Writes an object as the newest version of its key; an inline body comes at rest and in plain.
pub(super) fn add(
    tx: &mut Transaction<'_>,
    target: &Target<'_>,
    made: Made,
    bytes: Option<(Vec<u8>, Bytes)>,
) -> Result<Arc<Object>, StoreError> {
    let (ord, version_id) = target.make_room(tx.connection)?;
    let Made { size, etag, attributes, checksum, parts, body } = made;
    let object = Object {
        key: target.key.clone(),
        version_id,
        size,
        etag,
        last_modified: truncated(target.now),
        attributes,
        checksum,
        parts,
        encryption: body.at_rest(),
        body,
        resident: OnceLock::new(),
    };
    let mut row = None;
    if let Some((stored, plain)) = bytes {
        tx.connection
            .prepare_cached(ADD_BODY)
            .and_then(|mut add| add.execute(params![stored]))
            .map_err(engine)?;
        row = Some(tx.connection.last_insert_rowid());
        let _first = object.resident.set(plain);
    }
    let form = object.checksum.as_ref().map(|checksum| (checksum.algorithm, checksum.kind));
    let columns = params![
        target.bucket.id,
        object.key.as_bytes(),
        ord,
        version_column(&object.version_id),
        KIND_OBJECT,
        size_column(object.size),
        etag_column(&object.etag),
        object.last_modified.as_millisecond(),
        object.attributes.storage_class,
        form.map(checksum_column),
        row,
        object_record(&object)?,
    ];
    insert(tx.connection, columns)?;
    let object = Arc::new(object);
    tx.current_is(target.bucket.id, object.key.clone(), Some(Arc::clone(&object)));
    Ok(object)
}

fn insert(connection: &Connection, columns: impl Params) -> Result<(), StoreError> {
    let added = connection.prepare_cached(ADD).and_then(|mut add| add.execute(columns));
    added.map(|_| ()).map_err(engine)
}

/// Removes one version; its bytes become garbage.
fn remove(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    ord: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let removed = connection.prepare_cached(REMOVE).and_then(|mut remove| {
        remove.query_row(params![bucket, key.as_bytes(), ord], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
    });
    match removed.map_err(engine)? {
        (_, Some(row), _) => connection
            .prepare_cached(REMOVE_BODY)
            .and_then(|mut remove| remove.execute([row]))
            .map(|_| ())
            .map_err(engine),
        (KIND_MARKER, None, _) => Ok(()),
        (_, None, record) => {
            add_garbage(connection, parse_object(&record, None)?.body.blobs(), now)
        }
    }
}

pub(super) fn delete(
    tx: &mut Transaction<'_>,
    delete: &DeleteObject,
    now: Timestamp,
) -> Result<DeleteOutcome, StoreError> {
    let DeleteObject { bucket, key, version_id, precondition, judged_tags } = delete;
    let Some(bucket) = bucket::same(tx.connection, bucket)? else {
        return Ok(DeleteOutcome::NoSuchBucket);
    };
    let target = Target::find(tx.connection, &bucket, key, now)?;
    if let Some(judged) = judged_tags
        && *judged != target.tags(tx.connection)?
    {
        return Ok(DeleteOutcome::TagsChanged);
    }
    match target.check(*precondition) {
        Ok(()) => (),
        Err(Unmet::Failed) => return Ok(DeleteOutcome::PreconditionFailed),
        Err(Unmet::NoSuchKey) => return Ok(DeleteOutcome::NoSuchKey),
    }
    let outcome = match (version_id, bucket.versioning) {
        (Some(version), _) => delete_version(tx.connection, &target, *version)?,
        (None, Versioning::Unversioned) => match target.newest {
            Some(newest) => {
                target.remove(tx.connection, newest.ord)?;
                target.remember_delete(tx.connection)?;
                DeleteOutcome::Deleted { version_id: None, was_marker: newest.is_marker }
            }
            None => DeleteOutcome::Nothing,
        },
        (None, Versioning::Enabled | Versioning::Suspended) => {
            DeleteOutcome::MarkerCreated { version_id: add_marker(tx.connection, &target)? }
        }
    };
    tx.current_is(bucket.id, key.clone(), None);
    Ok(outcome)
}

fn delete_version(
    connection: &Connection,
    target: &Target<'_>,
    version: VersionId,
) -> Result<DeleteOutcome, StoreError> {
    let found = match version {
        VersionId::Null => target.null_version(connection)?,
        VersionId::Id(token) => {
            let (bucket, key) = (target.bucket.id, target.key.as_bytes());
            let row = params![bucket, key, ord_of(token), version_column(&version)];
            standing(connection, WITH_ID, row)?
        }
    };
    let Some(found) = found else { return Ok(DeleteOutcome::Nothing) };
    target.remove(connection, found.ord)?;
    if target.newest.is_some_and(|newest| newest.ord == found.ord) {
        target.remember_delete(connection)?;
    }
    Ok(DeleteOutcome::Deleted { version_id: Some(version), was_marker: found.is_marker })
}

fn add_marker(connection: &Connection, target: &Target<'_>) -> Result<VersionId, StoreError> {
    let (ord, version_id) = target.make_room(connection)?;
    let (nothing, no_bytes) = (None::<i64>, [].as_slice());
    let columns = params![
        target.bucket.id,
        target.key.as_bytes(),
        ord,
        version_column(&version_id),
        KIND_MARKER,
        0,
        no_bytes,
        target.now.as_millisecond(),
        nothing,
        nothing,
        nothing,
        no_bytes,
    ];
    insert(connection, columns)?;
    Ok(version_id)
}
