//! Changes the tags of a version where it stands: the one part of an object's record that may change.

use rusqlite::{Connection, params};

use super::object::{self, newest};
use super::rows::retagged;
use super::transaction::Transaction;
use super::{bucket, engine, lookup};
use crate::vault::Vault;
use crate::{BucketRef, Lookup, ObjectKey, StoreError, Tag, VersionId};

const RECORD: &str = "SELECT record FROM objects WHERE bucket = ?1 AND key = ?2 AND ord = ?3";
/// What it was until now has been looked up, and so it was whole.
const REPLACE: &str = "UPDATE objects SET record = ?4, seal = row_seal('object', bucket, key, ord, version, kind,
    size, etag, modified_ms, storage_class, checksum, ?4) WHERE bucket = ?1 AND key = ?2 AND ord = ?3";

/// A version of a key in a bucket; none named is the current one.
type Place<'p> = (&'p BucketRef, &'p ObjectKey, Option<VersionId>);

pub(super) fn set(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    (bucket, key, version): Place<'_>,
    tags: Vec<Tag>,
) -> Result<Lookup, StoreError> {
    let Some(bucket) = bucket::same(tx.connection, bucket)? else {
        return Ok(Lookup::NoSuchBucket);
    };
    let look = |connection: &Connection| match version {
        Some(version) => lookup::version(connection, vault, bucket.id, key, version),
        None => lookup::current(connection, vault, bucket.id, key),
    };
    let found = look(tx.connection)?;
    let ord = match version {
        Some(version) => object::place(tx.connection, bucket.id, key, version)?,
        None => newest(tx.connection, bucket.id, key)?.map(|newest| newest.ord),
    };
    let (Lookup::Object(_), Some(ord)) = (&found, ord) else { return Ok(found) };
    let place = params![bucket.id, key.as_bytes(), ord];
    let record: Vec<u8> = tx
        .connection
        .prepare_cached(RECORD)
        .and_then(|mut select| select.query_row(place, |row| row.get(0)))
        .map_err(engine)?;
    let record = retagged(&record, tags)?;
    tx.connection
        .prepare_cached(REPLACE)
        .and_then(|mut replace| replace.execute(params![bucket.id, key.as_bytes(), ord, record]))
        .map_err(engine)?;
    // It may be the current version, and what is cached of it is no longer so.
    tx.current_is(bucket.id, key.clone(), None);
    look(tx.connection)
}
