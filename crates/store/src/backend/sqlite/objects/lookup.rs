//! Look-ups of objects and their versions.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::backend::record::{ObjectParts, parse_object};
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::objects::{newest_ord, ord_of};
use crate::backend::sqlite::rows::{
    KIND_MARKER, KIND_OBJECT, checksum as checksum_of, corrupt, etag, size, timestamp,
    version as version_of, version_column,
};
use crate::backend::sqlite::seal::{self, row_seal};
use crate::body::{Body, End};
use crate::vault::Vault;
use crate::{DeleteMarker, Lookup, Object, ObjectKey, StoreError, StoredChecksum, VersionId};

/// The columns of `decode`, the bytes of an inline body among them.
macro_rules! select_version {
    ($condition:literal) => {
        concat!(
            "SELECT ord, version, kind, size, etag, modified_ms, storage_class, checksum, record,
                (SELECT bytes FROM bodies WHERE id = objects.body), seal = ",
            row_seal!(object),
            " FROM objects WHERE bucket = ?1 AND key = ?2",
            $condition
        )
    };
}

const CURRENT: &str = select_version!(" ORDER BY ord LIMIT 1");
const AT: &str = select_version!(" AND ord = ?3 AND version = ?4");
const NULL_ELSEWHERE: &str = select_version!(" AND version = x'' AND ord <> 0");

/// The current version of a key.
pub(crate) fn current(
    connection: &Connection,
    vault: &Vault,
    bucket: i64,
    key: &ObjectKey,
) -> Result<Lookup, StoreError> {
    let row = params![bucket, key.as_bytes()];
    let found = find(connection, CURRENT, row, vault, key)?;
    Ok(found.map_or(Lookup::NoSuchKey, |(_, found)| found.into_lookup(true)))
}

/// One version of a key.
pub(crate) fn version(
    connection: &Connection,
    vault: &Vault,
    bucket: i64,
    key: &ObjectKey,
    id: VersionId,
) -> Result<Lookup, StoreError> {
    let found = match id {
        VersionId::Id(token) => {
            let row = params![bucket, key.as_bytes(), ord_of(token), version_column(&id)];
            find(connection, AT, row, vault, key)?
        }
        VersionId::Null => {
            let row = params![bucket, key.as_bytes(), 0, version_column(&id)];
            let at_start = find(connection, AT, row, vault, key)?;
            let row = params![bucket, key.as_bytes()];
            let elsewhere = || find(connection, NULL_ELSEWHERE, row, vault, key);
            at_start.map_or_else(elsewhere, |found| Ok(Some(found)))?
        }
    };
    let Some((ord, found)) = found else { return Ok(Lookup::NoSuchVersion) };
    Ok(found.into_lookup(newest_ord(connection, bucket, key)? == Some(ord)))
}

/// A version as read: an object, or when it was deleted.
enum Found {
    Object(Box<Object>),
    Marker(VersionId, Timestamp),
}

impl Found {
    fn into_lookup(self, is_current: bool) -> Lookup {
        match self {
            Self::Object(object) => Lookup::Object(Arc::from(object)),
            Self::Marker(version_id, created_at) => {
                Lookup::DeleteMarker(DeleteMarker { version_id, created_at, is_current })
            }
        }
    }
}

fn find(
    connection: &Connection,
    sql: &str,
    row: impl Params,
    vault: &Vault,
    key: &ObjectKey,
) -> Result<Option<(i64, Found)>, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut select| select.query_row(row, |row| Ok(decode(row, vault, key))).optional())
        .map_err(engine)?
        .transpose()
}

fn decode(row: &Row<'_>, vault: &Vault, key: &ObjectKey) -> Result<(i64, Found), StoreError> {
    seal::check(row, 10)?;
    let ord = row.get(0).map_err(engine)?;
    let version_id = version_of(row, 1)?;
    let last_modified = timestamp(row, 5)?;
    match row.get(2).map_err(engine)? {
        KIND_OBJECT => (),
        KIND_MARKER => return Ok((ord, Found::Marker(version_id, last_modified))),
        _ => return Err(corrupt("kind of a version")),
    }
    let ValueRef::Blob(json) = row.get_ref(8).map_err(engine)? else {
        return Err(corrupt("record of an object"));
    };
    let storage_class = row.get(6).map_err(engine)?;
    let ObjectParts { attributes, checksum, body, parts } = parse_object(json, storage_class)?;
    let checksum = match (checksum_of(row, 7)?, checksum) {
        (Some((algorithm, kind)), Some(value)) => Some(StoredChecksum { algorithm, kind, value }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(corrupt("checksum of an object")),
    };
    let object = Object {
        key: key.clone(),
        version_id,
        size: size(row, 3)?,
        etag: etag(row, 4)?,
        last_modified,
        attributes,
        checksum,
        parts,
        encryption: body.at_rest(),
        body,
        resident: OnceLock::new(),
    };
    let stored = row.get_ref(9).map_err(engine)?;
    open_row(&object, stored, vault)?;
    Ok((ord, Found::Object(Box::new(object))))
}

/// Opens the bytes of an inline body, so that they are in memory whenever the record is.
fn open_row(object: &Object, stored: ValueRef<'_>, vault: &Vault) -> Result<(), StoreError> {
    let blob = match (&object.body, stored) {
        (Body::Files(_), ValueRef::Null) => return Ok(()),
        (Body::Row(blob), ValueRef::Blob(stored)) => (blob, stored),
        (_, _) => return Err(corrupt("body of an object")),
    };
    let (blob, stored) = blob;
    let mut plain = stored.to_vec();
    if let Some(cipher) = vault.open_cipher(blob, None)? {
        cipher.open(&mut plain, 0, End::Last)?;
    }
    if u64::try_from(plain.len()) != Ok(object.size) {
        return Err(corrupt("length of a body"));
    }
    let _first = object.resident.set(Bytes::from(plain));
    Ok(())
}
