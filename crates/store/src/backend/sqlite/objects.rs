//! The versions of a key in the database: as they stand, and as they are written and removed.

pub(super) mod listing;
pub(super) mod lookup;
pub(super) mod tags;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::SqliteMetadata;
use super::buckets;
use super::cache::{ObjectCacheKey, ObjectCacheKeyRef};
use super::error::engine;
use super::garbage::{add_garbage, take_intent};
use super::rows::{
    KIND_MARKER, KIND_OBJECT, etag, etag_column, size_column, timestamp, version, version_column,
};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::objects::{NewBody, NewObject, ObjectRecords};
use crate::backend::record::{checksum_code, object_record, parse_object};
use crate::body::Body;
use crate::names::VersionToken;
use crate::object::{Deletion, KeyState, Made, NewVersion, VersionState};
use crate::vault::random;
use crate::{
    Bucket, BucketRef, DeleteObject, DeleteOutcome, ETag, ListObjects, ListVersions, Lookup,
    Object, ObjectKey, ObjectPage, PutOutcome, SetTags, StoreError, TagsChanged, VersionId,
    VersionPage,
};

impl ObjectRecords for SqliteMetadata {
    async fn object(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Lookup, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(Lookup::NoSuchBucket);
        }
        let bucket = bucket.id;
        if let Some(version) = version {
            let read = |connection: &Connection| {
                lookup::version(connection, &self.vault, bucket, key, version)
            };
            return self.readers.point(read).await;
        }
        let ticket = match self.caches.objects.get(&ObjectCacheKeyRef { bucket, key }) {
            Ok(object) => return Ok(Lookup::Object(object)),
            Err(ticket) => ticket,
        };
        let read = |connection: &Connection| lookup::current(connection, &self.vault, bucket, key);
        let lookup = self.readers.point(read).await?;
        if let Lookup::Object(object) = &lookup {
            let cached = ObjectCacheKey { bucket, key: object.key.clone() };
            self.caches.objects.fill(ticket, cached, Arc::clone(object));
        }
        Ok(lookup)
    }

    async fn put_object(
        &self,
        object: NewObject,
        now: Timestamp,
    ) -> Result<PutOutcome, StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| put(tx, object, now)).await
    }

    async fn delete_object(
        &self,
        request: DeleteObject,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| delete(tx, &request, now)).await
    }

    async fn set_object_tags(
        &self,
        set: SetTags,
    ) -> Result<Result<Lookup, TagsChanged>, StoreError> {
        let vault = Arc::clone(&self.vault);
        self.writer.run(DiskRoom::Needed, move |tx| tags::set(tx, &vault, set)).await
    }

    async fn list_objects(
        &self,
        bucket: &BucketRef,
        query: ListObjects,
    ) -> Result<Option<ObjectPage>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let bucket = bucket.id;
        let list = move |connection: &Connection| listing::objects(connection, bucket, &query);
        self.readers.list(list).await.map(Some)
    }

    async fn list_versions(
        &self,
        bucket: &BucketRef,
        query: ListVersions,
    ) -> Result<Option<VersionPage>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let bucket = bucket.id;
        let list = move |connection: &Connection| listing::versions(connection, bucket, &query);
        self.readers.list(list).await.map(Some)
    }
}

const NEWEST: &str = "SELECT ord, version, kind, etag, modified_ms FROM objects
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

/// A version's column `ord`: the newest version of a key has the lowest, so that it is found first.
pub(super) fn ord(place: u64) -> i64 {
    place.cast_signed().wrapping_neg()
}

pub(super) fn ord_of(token: VersionToken) -> i64 {
    ord(token.place())
}

fn state(
    connection: &Connection,
    sql: &str,
    row: impl Params,
) -> Result<Option<VersionState>, StoreError> {
    let decode = |row: &Row<'_>| {
        let is_marker = row.get::<_, i64>(2).map_err(engine)? == KIND_MARKER;
        let etag = if is_marker { ETag::of_md5([0; 16]) } else { etag(row, 3)? };
        let place = row.get::<_, i64>(0).map_err(engine)?.wrapping_neg().cast_unsigned();
        let (version_id, modified) = (version(row, 1)?, timestamp(row, 4)?);
        Ok(VersionState { place, version_id, is_marker, etag, modified })
    };
    connection
        .prepare_cached(sql)
        .and_then(|mut select| select.query_row(row, |row| Ok(decode(row))).optional())
        .map_err(engine)?
        .transpose()
}

/// The newest version of a key, whatever it is.
fn newest(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
) -> Result<Option<VersionState>, StoreError> {
    state(connection, NEWEST, params![bucket, key.as_bytes()])
}

/// The column `ord` of the newest version of a key.
pub(super) fn newest_ord(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
) -> Result<Option<i64>, StoreError> {
    Ok(newest(connection, bucket, key)?.map(|newest| ord(newest.place)))
}

/// The place that a version has, or had if it is gone; `None`: it is the null version, and gone.
pub(super) fn place_of(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    version: VersionId,
) -> Result<Option<u64>, StoreError> {
    match version {
        VersionId::Id(token) => Ok(Some(token.place())),
        VersionId::Null => {
            let mut state = KeyState::of(newest(connection, bucket, key)?);
            find_null(connection, bucket, key, &mut state)?;
            Ok(state.null.map(|null| null.place))
        }
    }
}

fn find_null(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    key_state: &mut KeyState,
) -> Result<(), StoreError> {
    if key_state.may_hide_null() {
        let row = params![bucket, key.as_bytes()];
        key_state.null = match state(connection, NULL_AT_START, row)? {
            Some(found) => Some(found),
            None => state(connection, NULL_LATER, row)?,
        };
    }
    Ok(())
}

/// A key that is about to be written, in this transaction.
pub(super) struct Target<'t> {
    pub(super) bucket: &'t Bucket,
    pub(super) key: &'t ObjectKey,
    pub(super) now: Timestamp,
}

impl Target<'_> {
    /// How the key stands, for whoever writes it.
    pub(super) fn state(&self, connection: &Connection) -> Result<KeyState, StoreError> {
        let (bucket, key) = (self.bucket, self.key);
        let mut state = KeyState::of(newest(connection, bucket.id, key)?);
        if bucket.versioning.writes_null() {
            find_null(connection, bucket.id, key, &mut state)?;
        }
        Ok(state)
    }

    /// How the key stands, for whoever deletes it, or the version of it that is named.
    fn state_for_delete(
        &self,
        connection: &Connection,
        named: Option<VersionId>,
    ) -> Result<KeyState, StoreError> {
        let (bucket, key) = (self.bucket, self.key);
        let mut key_state = KeyState::of(newest(connection, bucket.id, key)?);
        if bucket.versioning.deletes_null(named) {
            find_null(connection, bucket.id, key, &mut key_state)?;
        }
        if let Some(id @ VersionId::Id(token)) = named {
            let row = params![bucket.id, key.as_bytes(), ord_of(token), version_column(&id)];
            key_state.named = state(connection, WITH_ID, row)?;
        }
        Ok(key_state)
    }

    /// When the key's newest version was last removed for good while an upload of it was under way.
    pub(super) fn deleted_at(
        &self,
        connection: &Connection,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = params![self.bucket.id, self.key.as_bytes()];
        connection
            .prepare_cached(DELETED)
            .and_then(|mut select| select.query_row(row, |row| Ok(timestamp(row, 0))).optional())
            .map_err(engine)?
            .transpose()
    }

    /// Notes that the key's newest version is removed and leaves no trace, for uploads under way that
    /// may be completed under a condition.
    fn remember_delete(&self, connection: &Connection) -> Result<(), StoreError> {
        let row = params![self.bucket.id, self.key.as_bytes(), self.now.as_millisecond()];
        let remember = connection.prepare_cached(REMEMBER_DELETE);
        remember.and_then(|mut remember| remember.execute(row)).map(drop).map_err(engine)
    }

    /// Writes an object as a new version; an inline body comes at rest and in plain.
    pub(super) fn add(
        &self,
        tx: &mut Transaction<'_>,
        version: NewVersion,
        made: Made,
        bytes: Option<(Vec<u8>, Bytes)>,
    ) -> Result<Arc<Object>, StoreError> {
        self.make_room(tx.connection, version)?;
        let object = made.at(self.key.clone(), version.version_id, self.now);
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
            self.bucket.id,
            object.key.as_bytes(),
            ord(version.place),
            version_column(&object.version_id),
            KIND_OBJECT,
            size_column(object.size),
            etag_column(&object.etag),
            object.last_modified.as_millisecond(),
            object.attributes.storage_class,
            form.map(checksum_code),
            row,
            object_record(&object)?,
        ];
        insert(tx.connection, columns)?;
        let object = Arc::new(object);
        tx.current_is(self.bucket.id, object.key.clone(), Some(Arc::clone(&object)));
        Ok(object)
    }

    fn add_marker(&self, connection: &Connection, version: NewVersion) -> Result<(), StoreError> {
        self.make_room(connection, version)?;
        let (nothing, no_bytes) = (None::<i64>, [].as_slice());
        let columns = params![
            self.bucket.id,
            self.key.as_bytes(),
            ord(version.place),
            version_column(&version.version_id),
            KIND_MARKER,
            0,
            no_bytes,
            self.now.as_millisecond(),
            nothing,
            nothing,
            nothing,
            no_bytes,
        ];
        insert(connection, columns)
    }

    fn make_room(&self, connection: &Connection, version: NewVersion) -> Result<(), StoreError> {
        version.replaced.map_or(Ok(()), |replaced| self.remove(connection, replaced))
    }

    /// Removes one version; its bytes become garbage.
    fn remove(&self, connection: &Connection, version: VersionState) -> Result<(), StoreError> {
        let removed = connection.prepare_cached(REMOVE).and_then(|mut remove| {
            let place = params![self.bucket.id, self.key.as_bytes(), ord(version.place)];
            remove.query_row(place, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        });
        let (kind, body, record): (i64, Option<i64>, Vec<u8>) = removed.map_err(engine)?;
        match (kind, body) {
            (_, Some(row)) => connection
                .prepare_cached(REMOVE_BODY)
                .and_then(|mut remove| remove.execute([row]))
                .map(drop)
                .map_err(engine),
            (KIND_MARKER, None) => Ok(()),
            (_, None) => {
                add_garbage(connection, parse_object(&record, None)?.body.blobs(), self.now)
            }
        }
    }
}

fn insert(connection: &Connection, columns: impl Params) -> Result<(), StoreError> {
    let added = connection.prepare_cached(ADD).and_then(|mut add| add.execute(columns));
    added.map(drop).map_err(engine)
}

pub(super) fn put(
    tx: &mut Transaction<'_>,
    new: NewObject,
    now: Timestamp,
) -> Result<PutOutcome, StoreError> {
    let NewObject { bucket, key, attributes, checksum, etag, body, precondition } = new;
    let Some(bucket) = buckets::same(tx.connection, &bucket)? else {
        return Ok(PutOutcome::NoSuchBucket);
    };
    let target = Target { bucket: &bucket, key: &key, now };
    let state = target.state(tx.connection)?;
    if let Err(unmet) = state.check(precondition) {
        return Ok(unmet.into());
    }
    let version = state.new_version(bucket.versioning, random()?)?;
    let (body, bytes) = match body {
        NewBody::Row { blob, stored, plain } => (Body::Row(blob), Some((stored, plain))),
        NewBody::File(file) => {
            take_intent(tx, file.blob.id)?;
            tx.publish(file.unpublished);
            (Body::Files(vec![file.blob]), None)
        }
    };
    let made = Made { etag, attributes, checksum, parts: Vec::new(), body };
    let object = target.add(tx, version, made, bytes)?;
    Ok(PutOutcome::Stored { version_id: bucket.versioning.told(object.version_id), object })
}

pub(super) fn delete(
    tx: &mut Transaction<'_>,
    request: &DeleteObject,
    now: Timestamp,
) -> Result<DeleteOutcome, StoreError> {
    let Some(bucket) = buckets::same(tx.connection, &request.bucket)? else {
        return Ok(DeleteOutcome::NoSuchBucket);
    };
    let target = Target { bucket: &bucket, key: &request.key, now };
    let state = target.state_for_delete(tx.connection, request.version_id)?;
    let judged = state.newest.filter(|_| request.judged_tags.is_some());
    let tags = judged.map_or(Ok(Vec::new()), |newest| {
        tags::of(tx.connection, bucket.id, &request.key, ord(newest.place))
    })?;
    let outcome = match state.delete(request, &tags, bucket.versioning, random()?)? {
        Deletion::Refused(outcome) => return Ok(outcome),
        Deletion::Nothing => DeleteOutcome::Nothing,
        Deletion::Remove { version, was_newest, outcome } => {
            target.remove(tx.connection, version)?;
            if was_newest {
                target.remember_delete(tx.connection)?;
            }
            outcome
        }
        Deletion::Mark(version) => {
            target.add_marker(tx.connection, version)?;
            DeleteOutcome::MarkerCreated { version_id: version.version_id }
        }
    };
    tx.current_is(bucket.id, request.key.clone(), None);
    Ok(outcome)
}
