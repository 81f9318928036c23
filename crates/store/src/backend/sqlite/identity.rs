//! Access keys in the database.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::bucket::{Subject, record_change};
use super::engine;
use super::rows::{account, corrupt, timestamp};
use super::writer::Transaction;
use crate::vault::Vault;
use crate::{AccessKey, KeyOwner, StoreError};
use iam::AccountId;

const BY_ID: &str = "SELECT id, account, owner, created_ms, secret FROM access_keys WHERE id = ?1";
const BY_ACCOUNT: &str = "SELECT id, account, owner, created_ms, secret FROM access_keys
    WHERE account = ?1 ORDER BY id";
const PUT: &str = "INSERT OR REPLACE INTO access_keys (id, account, owner, created_ms, secret)
    VALUES (?1, ?2, ?3, ?4, ?5)";

const OWNER_ROOT: i64 = 0;

pub(super) fn read(
    connection: &Connection,
    vault: &Vault,
    id: &str,
) -> Result<Option<AccessKey>, StoreError> {
    connection
        .prepare_cached(BY_ID)
        .and_then(|mut select| select.query_row([id], |row| Ok(decode(row, vault))).optional())
        .map_err(engine)?
        .transpose()
}

pub(super) fn list(
    connection: &Connection,
    vault: &Vault,
    account: &AccountId,
) -> Result<Vec<Arc<AccessKey>>, StoreError> {
    let mut select = connection.prepare_cached(BY_ACCOUNT).map_err(engine)?;
    let mut rows = select.query([account.as_str()]).map_err(engine)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        keys.push(Arc::new(decode(row, vault)?));
    }
    Ok(keys)
}

pub(super) fn put(
    tx: &mut Transaction<'_>,
    key: AccessKey,
    sealed: &[u8],
) -> Result<(), StoreError> {
    let owner = match key.owner {
        KeyOwner::Root => OWNER_ROOT,
    };
    let created = key.created_at.as_millisecond();
    tx.connection
        .prepare_cached(PUT)
        .and_then(|mut put| {
            put.execute(params![key.id, key.account.as_str(), owner, created, sealed])
        })
        .map_err(engine)?;
    record_change(tx.connection, Subject::AccessKey, &key.id)?;
    tx.access_key_is(key.id.clone(), Arc::new(key));
    Ok(())
}

fn decode(row: &Row<'_>, vault: &Vault) -> Result<AccessKey, StoreError> {
    let id: String = row.get(0).map_err(engine)?;
    let account = account(row, 1)?;
    let owner = match row.get(2).map_err(engine)? {
        OWNER_ROOT => KeyOwner::Root,
        _ => return Err(corrupt("owner of an access key")),
    };
    let created_at = timestamp(row, 3)?;
    let sealed: Vec<u8> = row.get(4).map_err(engine)?;
    let secret = vault.open_secret(&sealed, &id)?;
    Ok(AccessKey { id, secret, account, owner, created_at })
}
