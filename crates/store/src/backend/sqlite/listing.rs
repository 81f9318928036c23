//! Listings: one walk along the index, which seeks past what it need not look at.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::engine;
use super::object::newest;
use super::rows::{
    KIND_MARKER, checksum_of, etag, key_bytes, object_key, size, timestamp, version,
};
use crate::{
    ListAfter, ListEntry, ListObjects, ListVersions, ObjectKey, ObjectPage, ObjectSummary,
    StoreError, VersionAfter, VersionEntry, VersionId, VersionPage, VersionSummary,
};

/// How many entries one page holds at most, as S3 has it.
pub(super) const PAGE_MAX: usize = 1000;
/// How many older versions of a key are stepped over before the walk seeks to the next key.
const STEPS_BEFORE_SEEK: u32 = 16;
/// How many rows a page looks at, at most: deleted keys and old versions make no entries. A page that
/// has looked at so many ends early.
const ROWS_MAX: u32 = if cfg!(test) { 50 } else { 100_000 };

const OBJECTS: &str = "SELECT key, kind, size, etag, modified_ms, storage_class, checksum
    FROM objects WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key, ord";
const VERSIONS: &str =
    "SELECT key, kind, size, etag, modified_ms, storage_class, checksum, version, ord
    FROM objects WHERE bucket = ?1 AND (key, ord) > (?2, ?3) AND key < ?4 ORDER BY key, ord";

/// Before and after every version of a key.
const BEFORE_VERSIONS: i64 = i64::MIN;
const AFTER_VERSIONS: i64 = i64::MAX;

/// Which keys a listing is about, and which of them it shows as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group<'q> {
    pub(super) prefix: &'q str,
    pub(super) delimiter: Option<&'q str>,
}

impl Group<'_> {
    /// The first key after all that begin with the prefix.
    pub(super) fn end(&self) -> Vec<u8> {
        after_all(self.prefix)
    }

    /// The common prefix that a key of this listing is shown by, if it is.
    pub(super) fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.filter(|delimiter| !delimiter.is_empty())?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len().checked_add(rest.find(delimiter)?)?;
        key.get(..end.checked_add(delimiter.len())?)
    }
}

/// The first bytes after all keys that begin with `prefix`: no UTF-8 has the byte 0xff.
pub(super) fn after_all(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    bytes.push(0xff);
    bytes
}

/// The first bytes after `key` itself.
fn after_key(key: &str) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The later one of two places.
pub(super) fn later<T: Ord>(one: T, other: T) -> T {
    one.max(other)
}

pub(super) fn objects(
    connection: &Connection,
    bucket: i64,
    query: &ListObjects,
) -> Result<ObjectPage, StoreError> {
    let group = Group { prefix: &query.prefix, delimiter: query.delimiter.as_deref() };
    let after = match &query.after {
        ListAfter::Start => Vec::new(),
        ListAfter::Key(key) => after_key(key),
        ListAfter::CommonPrefix(prefix) => after_all(prefix),
    };
    let mut from = later(after, query.prefix.clone().into_bytes());
    let limit = query.limit.min(PAGE_MAX);
    let mut entries = Vec::new();
    let mut looked_at = 0_u32;
    let mut select = connection.prepare_cached(OBJECTS).map_err(engine)?;
    'seek: loop {
        let mut rows = select.query(params![bucket, from, group.end()]).map_err(engine)?;
        let mut last = None::<ObjectKey>;
        let mut steps = 0_u32;
        while let Some(row) = rows.next().map_err(engine)? {
            if let Some(last) = last.as_ref().filter(|last| is_key(row, last)) {
                steps = steps.saturating_add(1);
                if steps >= STEPS_BEFORE_SEEK {
                    from = after_key(last.as_str());
                    continue 'seek;
                }
                continue;
            }
            if let Some(last) = last.as_ref().filter(|_| looked_at >= ROWS_MAX) {
                let next = Some(ListAfter::Key(last.as_str().to_owned()));
                return Ok(ObjectPage { entries, next });
            }
            looked_at = looked_at.saturating_add(1);
            steps = 0;
            let key = object_key(row, 0)?;
            if row.get::<_, i64>(1).map_err(engine)? == KIND_MARKER {
                last = Some(key);
                continue;
            }
            if entries.len() >= limit {
                let next = entries.last().map(object_end);
                return Ok(ObjectPage { entries, next });
            }
            if let Some(prefix) = group.common_prefix(key.as_str()) {
                from = after_all(prefix);
                entries.push(ListEntry::CommonPrefix(prefix.to_owned()));
                continue 'seek;
            }
            entries.push(ListEntry::Object(summary(row, key.clone())?));
            last = Some(key);
        }
        return Ok(ObjectPage { entries, next: None });
    }
}

fn object_end(entry: &ListEntry) -> ListAfter {
    match entry {
        ListEntry::Object(object) => ListAfter::Key(object.key.as_str().to_owned()),
        ListEntry::CommonPrefix(prefix) => ListAfter::CommonPrefix(prefix.clone()),
    }
}

fn is_key(row: &Row<'_>, key: &ObjectKey) -> bool {
    key_bytes(row, 0).is_ok_and(|bytes| bytes == key.as_bytes())
}

pub(super) fn versions(
    connection: &Connection,
    bucket: i64,
    query: &ListVersions,
) -> Result<VersionPage, StoreError> {
    let group = Group { prefix: &query.prefix, delimiter: query.delimiter.as_deref() };
    let after = match &query.after {
        VersionAfter::Start => (Vec::new(), BEFORE_VERSIONS),
        VersionAfter::Key(key) => (key.clone().into_bytes(), AFTER_VERSIONS),
        VersionAfter::CommonPrefix(prefix) => (after_all(prefix), BEFORE_VERSIONS),
        VersionAfter::Version(key, version) => {
            (key.as_bytes().to_vec(), place_of(connection, bucket, key, *version)?)
        }
    };
    let mut after = later(after, (query.prefix.clone().into_bytes(), BEFORE_VERSIONS));
    let limit = query.limit.min(PAGE_MAX);
    let mut entries = Vec::new();
    let mut select = connection.prepare_cached(VERSIONS).map_err(engine)?;
    'seek: loop {
        let mut rows =
            select.query(params![bucket, after.0, after.1, group.end()]).map_err(engine)?;
        let mut last = None::<ObjectKey>;
        while let Some(row) = rows.next().map_err(engine)? {
            if entries.len() >= limit {
                let next = entries.last().map(version_end);
                return Ok(VersionPage { entries, next });
            }
            let key = object_key(row, 0)?;
            if let Some(prefix) = group.common_prefix(key.as_str()) {
                after = (after_all(prefix), BEFORE_VERSIONS);
                entries.push(VersionEntry::CommonPrefix(prefix.to_owned()));
                continue 'seek;
            }
            let is_latest = match &last {
                Some(last) => *last != key,
                // The walk may have begun in the middle of this key.
                None => is_newest(connection, bucket, &key, row)?,
            };
            entries.push(version_entry(row, key.clone(), is_latest)?);
            last = Some(key);
        }
        return Ok(VersionPage { entries, next: None });
    }
}

/// The place of a version that a listing goes on after. An id tells its place even when the version
/// is gone; when a null version is gone its place is lost, and the key is listed from its newest.
fn place_of(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    version: VersionId,
) -> Result<i64, StoreError> {
    super::object::place(connection, bucket, key, version)
        .map(|place| place.unwrap_or(BEFORE_VERSIONS))
}

fn is_newest(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    row: &Row<'_>,
) -> Result<bool, StoreError> {
    let ord: i64 = row.get(8).map_err(engine)?;
    Ok(newest(connection, bucket, key)?.is_some_and(|newest| newest.ord == ord))
}

fn version_entry(
    row: &Row<'_>,
    key: ObjectKey,
    is_latest: bool,
) -> Result<VersionEntry, StoreError> {
    let version_id = version(row, 7)?;
    if row.get::<_, i64>(1).map_err(engine)? == KIND_MARKER {
        let last_modified: Timestamp = timestamp(row, 4)?;
        return Ok(VersionEntry::DeleteMarker { key, version_id, is_latest, last_modified });
    }
    let object = summary(row, key)?;
    Ok(VersionEntry::Version(VersionSummary { object, version_id, is_latest }))
}

fn version_end(entry: &VersionEntry) -> VersionAfter {
    match entry {
        VersionEntry::Version(version) => {
            VersionAfter::Version(version.object.key.clone(), version.version_id)
        }
        VersionEntry::DeleteMarker { key, version_id, .. } => {
            VersionAfter::Version(key.clone(), *version_id)
        }
        VersionEntry::CommonPrefix(prefix) => VersionAfter::CommonPrefix(prefix.clone()),
    }
}

/// The columns that both listings begin with.
fn summary(row: &Row<'_>, key: ObjectKey) -> Result<ObjectSummary, StoreError> {
    Ok(ObjectSummary {
        key,
        size: size(row, 2)?,
        etag: etag(row, 3)?,
        last_modified: timestamp(row, 4)?,
        storage_class: row.get(5).map_err(engine)?,
        checksum: checksum_of(row, 6)?,
    })
}
