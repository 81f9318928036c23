//! Seals of rows (`docs/design.md`, "Sealed records"): who writes to the database without the master key cannot make a
//! row that is believed, nor move one. Statements compute them by the function `row_seal`, which every connection of
//! the store's has, so that what is sealed stands beside what is written.

use iam::{RecordField, RecordSealer};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Transaction, params};

use super::error::engine;
use super::rows::corrupt;
use crate::StoreError;
use crate::backend::record::{resealed_object, resealed_part};
use crate::vault::Vault;

/// The seal of a row of each table, over the columns in whose place it stands. Each begins with the table's name, so
/// that a row of one is none of another.
macro_rules! row_seal {
    (object) => {
        "row_seal('object', bucket, key, ord, version, kind, size, etag, modified_ms, storage_class, checksum, record)"
    };
    (upload) => {
        "row_seal('upload', bucket, key, upload, record)"
    };
    (part) => {
        "row_seal('part', upload, number, size, md5, modified_ms, record)"
    };
    (account) => {
        "row_seal('account', id, name, email, created_ms)"
    };
    (identity) => {
        "row_seal('identity', account, kind, name, record)"
    };
    (revocation) => {
        "row_seal('revocation', account, signer, subject, kind, signed_until, lives_until, record)"
    };
    (managed_link) => {
        "row_seal('managed link', fingerprint, account, bucket, within, created_ms, ends_ms, uses, closed, revision, record)"
    };
    (notice) => {
        "row_seal('notice', id, link, account, event, at_ms, target, record)"
    };
    (distribution_resource) => {
        "row_seal('distribution resource', id, account, kind, record)"
    };
    // With all of its settings: one that is taken away could be a Deny.
    (bucket) => {
        concat!(
            "row_seal('bucket', id, name, owner, region, created_ms, versioning, ",
            row_seal!(settings),
            ")"
        )
    };
    // Who reads a bucket reads its settings out of this very text: another statement could find others, by an index
    // that was planted.
    (settings) => {
        "(SELECT group_concat(kind || ' ' || hex(record), ' ' ORDER BY kind)
          FROM bucket_settings WHERE bucket = buckets.id)"
    };
}
pub(super) use row_seal;

const SEAL_BUCKET: &str =
    concat!("UPDATE buckets SET seal = ", row_seal!(bucket), " WHERE id = ?1");

/// What seals the rows that a store of format 3 has.
const SEAL_ALL: &[&str] = &[
    concat!("UPDATE objects SET seal = ", row_seal!(object)),
    concat!("UPDATE uploads SET seal = ", row_seal!(upload)),
    concat!("UPDATE parts SET seal = ", row_seal!(part)),
    concat!("UPDATE accounts SET seal = ", row_seal!(account)),
    concat!("UPDATE identities SET seal = ", row_seal!(identity)),
    concat!("UPDATE buckets SET seal = ", row_seal!(bucket)),
];

const OBJECTS: &str = "SELECT bucket, key, ord, record FROM objects
    WHERE kind = 0 AND (bucket, key, ord) > (?1, ?2, ?3) ORDER BY bucket, key, ord LIMIT ?4";
const SET_OBJECT: &str =
    "UPDATE objects SET record = ?4 WHERE bucket = ?1 AND key = ?2 AND ord = ?3";
const PARTS: &str = "SELECT upload, number, record FROM parts
    WHERE (upload, number) > (?1, ?2) ORDER BY upload, number LIMIT ?3";
const SET_PART: &str = "UPDATE parts SET record = ?3 WHERE upload = ?1 AND number = ?2";
/// How many records are in memory at once while they are sealed anew.
const RECORDS_A_TIME: i64 = 1000;

/// Gives a connection the function that seals. Nothing that is planted in the schema can call it.
pub(super) fn provide(connection: &Connection, sealer: &RecordSealer) -> rusqlite::Result<()> {
    let sealer = sealer.clone();
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("row_seal", -1, flags, move |context| {
        let fields = (0..context.len()).map(|index| match context.get_raw(index) {
            ValueRef::Null => Ok(RecordField::Nothing),
            ValueRef::Integer(number) => Ok(RecordField::Number(number)),
            ValueRef::Text(text) => Ok(RecordField::Text(text)),
            ValueRef::Blob(bytes) => Ok(RecordField::Bytes(bytes)),
            ValueRef::Real(_) => {
                Err(rusqlite::Error::UserFunctionError("no record has a real number".into()))
            }
        });
        let fields = fields.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(sealer.seal(fields).to_vec())
    })
}

/// Whether the row is as the store wrote it, by the column that compares its seal.
pub(super) fn check(row: &Row<'_>, column: usize) -> Result<(), StoreError> {
    if row.get(column).map_err(engine)? { Ok(()) } else { Err(corrupt("seal of a row")) }
}

/// Seals a bucket as it is now, with its settings.
pub(super) fn seal_bucket(connection: &Connection, id: i64) -> Result<(), StoreError> {
    let seal = connection.prepare_cached(SEAL_BUCKET);
    seal.and_then(|mut seal| seal.execute([id])).map(drop).map_err(engine)
}

/// Seals a store of format 3 as it is. Keys that were sealed are sealed anew, so that a store that was brought up once
/// is never taken for an old one again, whatever its number says.
pub(super) fn seal_all(transaction: &Transaction<'_>, vault: &Vault) -> Result<(), StoreError> {
    super::identities::access_keys::reseal_all(transaction, vault)?;
    reseal_objects(transaction, vault)?;
    reseal_parts(transaction, vault)?;
    SEAL_ALL.iter().try_for_each(|sql| transaction.execute(sql, []).map(drop)).map_err(engine)
}

fn reseal_objects(transaction: &Transaction<'_>, vault: &Vault) -> Result<(), StoreError> {
    let mut after = (i64::MIN, Vec::new(), i64::MIN);
    let mut select = transaction.prepare(OBJECTS).map_err(engine)?;
    let mut set = transaction.prepare(SET_OBJECT).map_err(engine)?;
    loop {
        let place = params![after.0, after.1, after.2, RECORDS_A_TIME];
        let rows = select.query_map(place, |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Vec<u8>>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, Vec<u8>>(3)?,
            ))
        });
        let rows = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(engine)?;
        let Some((bucket, key, ord, _)) = rows.last() else { return Ok(()) };
        after = (*bucket, key.clone(), *ord);
        for (bucket, key, ord, record) in rows {
            let record = resealed_object(&record, |blob| vault.reseal(blob))?;
            set.execute(params![bucket, key, ord, record]).map_err(engine)?;
        }
    }
}

fn reseal_parts(transaction: &Transaction<'_>, vault: &Vault) -> Result<(), StoreError> {
    let mut after = (Vec::new(), i64::MIN);
    let mut select = transaction.prepare(PARTS).map_err(engine)?;
    let mut set = transaction.prepare(SET_PART).map_err(engine)?;
    loop {
        let rows = select.query_map(params![after.0, after.1, RECORDS_A_TIME], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        });
        let rows = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(engine)?;
        let Some((upload, number, _)) = rows.last() else { return Ok(()) };
        after = (upload.clone(), *number);
        for (upload, number, record) in rows {
            let record = resealed_part(&record, |blob| vault.reseal(blob))?;
            set.execute(params![upload, number, record]).map_err(engine)?;
        }
    }
}
