//! Listings: one walk along the index, which seeks past what it need not look at.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::objects::{newest_ord, ord, place_of};
use crate::backend::sqlite::rows::{
    KIND_MARKER, checksum, etag, key_bytes, size, timestamp, version,
};
use crate::listing::{ObjectsWalk, Step, VersionsWalk};
use crate::{
    ListObjects, ListVersions, ObjectKey, ObjectPage, ObjectSummary, StoreError, VersionEntry,
    VersionPage, VersionSummary,
};

const OBJECTS: &str = "SELECT key, kind, size, etag, modified_ms, storage_class, checksum
    FROM objects WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key, ord";
const VERSIONS: &str =
    "SELECT key, kind, size, etag, modified_ms, storage_class, checksum, version, ord
    FROM objects WHERE bucket = ?1 AND (key, ord) > (?2, ?3) AND key < ?4 ORDER BY key, ord";

pub(crate) fn objects(
    connection: &Connection,
    bucket: i64,
    query: &ListObjects,
) -> Result<ObjectPage, StoreError> {
    let (mut walk, mut from) = ObjectsWalk::begin(query);
    let mut select = connection.prepare_cached(OBJECTS).map_err(engine)?;
    'seek: loop {
        let mut rows = select.query(params![bucket, from, walk.end()]).map_err(engine)?;
        while let Some(row) = rows.next().map_err(engine)? {
            let is_marker = is_marker(row)?;
            match walk.see(key_bytes(row, 0)?, is_marker, |key| summary(row, key))? {
                Step::Next => (),
                Step::Seek(to) => {
                    from = to;
                    continue 'seek;
                }
                Step::End => break,
            }
        }
        return Ok(walk.finish());
    }
}

pub(crate) fn versions(
    connection: &Connection,
    bucket: i64,
    query: &ListVersions,
) -> Result<VersionPage, StoreError> {
    let place = |key: &ObjectKey, version| place_of(connection, bucket, key, version);
    let (mut walk, mut from) = VersionsWalk::begin(query, place)?;
    let mut select = connection.prepare_cached(VERSIONS).map_err(engine)?;
    'seek: loop {
        let after = params![bucket, from.key, ord(from.below.0), walk.end()];
        let mut rows = select.query(after).map_err(engine)?;
        while let Some(row) = rows.next().map_err(engine)? {
            let is_newest = |key: &ObjectKey| {
                let ord: i64 = row.get(8).map_err(engine)?;
                Ok(newest_ord(connection, bucket, key)? == Some(ord))
            };
            let entry = |key, is_latest| version_entry(row, key, is_latest);
            match walk.see(key_bytes(row, 0)?, is_newest, entry)? {
                Step::Next => (),
                Step::Seek(to) => {
                    from = to;
                    continue 'seek;
                }
                Step::End => break,
            }
        }
        return Ok(walk.finish());
    }
}

fn is_marker(row: &Row<'_>) -> Result<bool, StoreError> {
    Ok(row.get::<_, i64>(1).map_err(engine)? == KIND_MARKER)
}

fn version_entry(
    row: &Row<'_>,
    key: ObjectKey,
    is_latest: bool,
) -> Result<VersionEntry, StoreError> {
    let version_id = version(row, 7)?;
    if is_marker(row)? {
        let last_modified: Timestamp = timestamp(row, 4)?;
        return Ok(VersionEntry::DeleteMarker { key, version_id, is_latest, last_modified });
    }
    let object = summary(row, key)?;
    Ok(VersionEntry::Version(VersionSummary { object, version_id, is_latest }))
}

/// The columns that both listings begin with.
fn summary(row: &Row<'_>, key: ObjectKey) -> Result<ObjectSummary, StoreError> {
    Ok(ObjectSummary {
        key,
        size: size(row, 2)?,
        etag: etag(row, 3)?,
        last_modified: timestamp(row, 4)?,
        storage_class: row.get(5).map_err(engine)?,
        checksum: checksum(row, 6)?,
    })
}
