//! Changes the tags of a version where it stands: the one part of an object's record that may change.

use rusqlite::{Connection, Row, params};

use super::lookup;
use crate::backend::record::{parse_object, retagged};
use crate::backend::sqlite::buckets;
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::objects::{newest_ord, ord, place_of};
use crate::backend::sqlite::seal::{self, row_seal};
use crate::backend::sqlite::transaction::Transaction;
use crate::vault::Vault;
use crate::{Lookup, ObjectKey, SetTags, StoreError, Tag, TagsChanged};

const RECORD: &str = concat!(
    "SELECT record, seal = ",
    row_seal!(object),
    " FROM objects WHERE bucket = ?1 AND key = ?2 AND ord = ?3"
);
/// Only after `record` has found the row to be the store's own: it is sealed anew here.
const REPLACE: &str = "UPDATE objects SET record = ?4, seal = row_seal('object', bucket, key, ord, version, kind,
    size, etag, modified_ms, storage_class, checksum, ?4) WHERE bucket = ?1 AND key = ?2 AND ord = ?3";

pub(crate) fn set(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    set: SetTags,
) -> Result<Result<Lookup, TagsChanged>, StoreError> {
    let SetTags { bucket, key, version_id: version, tags, judged_tags } = set;
    let Some(bucket) = buckets::same(tx.connection, &bucket)? else {
        return Ok(Ok(Lookup::NoSuchBucket));
    };
    let key = &key;
    let look = |connection: &Connection| match version {
        Some(version) => lookup::version(connection, vault, bucket.id, key, version),
        None => lookup::current(connection, vault, bucket.id, key),
    };
    let found = look(tx.connection)?;
    if judged_tags.is_some_and(|judged| judged != found.tags()) {
        return Ok(Err(TagsChanged));
    }
    let ord = match version {
        Some(version) => place_of(tx.connection, bucket.id, key, version)?.map(ord),
        None => newest_ord(tx.connection, bucket.id, key)?,
    };
    let (Lookup::Object(_), Some(ord)) = (&found, ord) else { return Ok(Ok(found)) };
    let record = retagged(&record(tx.connection, bucket.id, key, ord)?, &tags)?;
    tx.connection
        .prepare_cached(REPLACE)
        .and_then(|mut replace| replace.execute(params![bucket.id, key.as_bytes(), ord, record]))
        .map_err(engine)?;
    // It may be the current version, and what is cached of it is no longer so.
    tx.current_is(bucket.id, key.clone(), None);
    look(tx.connection).map(Ok)
}

/// The tags of the version that stands there; a delete marker has none.
pub(crate) fn of(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    ord: i64,
) -> Result<Vec<Tag>, StoreError> {
    let record = record(connection, bucket, key, ord)?;
    if record.is_empty() {
        return Ok(Vec::new());
    }
    Ok(parse_object(&record, None)?.attributes.tags)
}

fn record(
    connection: &Connection,
    bucket: i64,
    key: &ObjectKey,
    ord: i64,
) -> Result<Vec<u8>, StoreError> {
    let place = params![bucket, key.as_bytes(), ord];
    let decode = |row: &Row<'_>| {
        seal::check(row, 1)?;
        row.get(0).map_err(engine)
    };
    connection
        .prepare_cached(RECORD)
        .and_then(|mut select| select.query_row(place, |row| Ok(decode(row))))
        .map_err(engine)?
}
