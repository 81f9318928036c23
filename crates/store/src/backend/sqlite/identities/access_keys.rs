//! Access keys in the database.

use std::sync::Arc;

use iam::AccountId;
use presign::SecretAccessKey;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::backend::sqlite::changes::{Subject, record_change};
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::rows::{account, corrupt, timestamp};
use crate::backend::sqlite::transaction::Transaction;
use crate::identity::ROLE_USE_PREFIX;
use crate::vault::Vault;
use crate::{AccessKey, KeyOwner, KeyStatus, KeySummary, KeyUse, StoreError};

const BY_ID: &str = "SELECT id, account, owner, created_ms, user, active, secret
    FROM access_keys WHERE id = ?1";
const BY_ACCOUNT: &str = "SELECT id, account, owner, created_ms, user, active, secret
    FROM access_keys WHERE account = ?1 ORDER BY id";
const SUMMARIES: &str = "SELECT id, account, owner, created_ms, user, active
    FROM access_keys WHERE account = ?1";
const PUT: &str = "INSERT OR REPLACE INTO access_keys
    (id, account, owner, created_ms, user, active, secret) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM access_keys WHERE id = ?1)";
const ALL: &str = "SELECT id, account, owner, created_ms, user, active, secret FROM access_keys";
const RESEAL: &str = "UPDATE access_keys SET secret = ?2 WHERE id = ?1";
const DELETE: &str = "DELETE FROM access_keys WHERE id = ?1";
const NOTE_USE: &str = "INSERT OR REPLACE INTO key_uses (key, at_ms, service, region)
    VALUES (?1, ?2, ?3, ?4)";
const LAST_USE: &str = "SELECT at_ms, service, region FROM key_uses WHERE key = ?1";
const FORGET_USE: &str = "DELETE FROM key_uses WHERE key = ?1";

const OWNER_ROOT: i64 = 0;
const OWNER_USER: i64 = 1;
const OWNER_ROLE: i64 = 2;

pub(crate) fn read(
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

pub(crate) fn list(
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

/// The keys of an account without their secrets.
pub(crate) fn summaries(
    connection: &Connection,
    account: &AccountId,
) -> Result<Vec<KeySummary>, StoreError> {
    let mut select = connection.prepare_cached(SUMMARIES).map_err(engine)?;
    let mut rows = select.query([account.as_str()]).map_err(engine)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        keys.push(decode_summary(row)?.0);
    }
    Ok(keys)
}

pub(crate) fn exists(connection: &Connection, id: &str) -> Result<bool, StoreError> {
    connection
        .prepare_cached(EXISTS)
        .and_then(|mut select| select.query_row([id], |row| row.get(0)))
        .map_err(engine)
}

pub(crate) fn put(
    tx: &mut Transaction<'_>,
    key: AccessKey,
    sealed: &[u8],
) -> Result<(), StoreError> {
    let (owner, user) = match &key.owner {
        KeyOwner::Root => (OWNER_ROOT, None),
        KeyOwner::User { id } => (OWNER_USER, Some(id.as_str())),
        KeyOwner::Role { id } => (OWNER_ROLE, Some(id.as_str())),
    };
    let active = key.status == KeyStatus::Active;
    let created = key.created_at.as_millisecond();
    tx.connection
        .prepare_cached(PUT)
        .and_then(|mut put| {
            let account = key.account.as_str();
            put.execute(params![key.id, account, owner, created, user, active, sealed])
        })
        .map_err(engine)?;
    record_change(tx.connection, Subject::AccessKey, &key.id)?;
    tx.access_key_is(key.id.clone(), Some(Arc::new(key)));
    Ok(())
}

pub(crate) fn set_status(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    id: &str,
    status: KeyStatus,
) -> Result<(), StoreError> {
    // The status is sealed with the secret.
    let Some(key) = read(tx.connection, vault, id)? else { return Ok(()) };
    let key = AccessKey { status, ..key };
    let sealed = vault.seal_secret(&key)?;
    put(tx, key, &sealed)
}

/// Seals the secrets of format 3 anew.
pub(crate) fn reseal_all(connection: &Connection, vault: &Vault) -> Result<(), StoreError> {
    let mut select = connection.prepare(ALL).map_err(engine)?;
    let mut rows = select.query([]).map_err(engine)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let (summary, account) = decode_summary(row)?;
        let sealed: Vec<u8> = row.get(6).map_err(engine)?;
        let secret = vault.open_secret_before(&sealed, &summary.id)?;
        keys.push(key_of(summary, account, secret));
    }
    drop(rows);
    let mut reseal = connection.prepare(RESEAL).map_err(engine)?;
    keys.iter().try_for_each(|key| {
        reseal.execute(params![key.id, vault.seal_secret(key)?]).map(drop).map_err(engine)
    })
}

pub(crate) fn delete(tx: &mut Transaction<'_>, id: &str) -> Result<(), StoreError> {
    tx.connection
        .prepare_cached(DELETE)
        .and_then(|mut delete| delete.execute([id]))
        .map_err(engine)?;
    forget_use(tx.connection, id)?;
    record_change(tx.connection, Subject::AccessKey, id)?;
    tx.access_key_is(id.to_owned(), None);
    Ok(())
}

/// Notes when keys and roles were used; keys that are gone are not remembered.
pub(crate) fn note_uses(
    tx: &mut Transaction<'_>,
    uses: &[(String, KeyUse)],
) -> Result<(), StoreError> {
    for (id, KeyUse { at, service, region }) in uses {
        if !id.starts_with(ROLE_USE_PREFIX) && !exists(tx.connection, id)? {
            continue;
        }
        tx.connection
            .prepare_cached(NOTE_USE)
            .and_then(|mut note| note.execute(params![id, at.as_millisecond(), service, region]))
            .map_err(engine)?;
    }
    Ok(())
}

/// Forgets when a key or a role was used that is gone.
pub(crate) fn forget_use(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(FORGET_USE)
        .and_then(|mut forget| forget.execute([id]))
        .map(drop)
        .map_err(engine)
}

pub(crate) fn last_use(connection: &Connection, id: &str) -> Result<Option<KeyUse>, StoreError> {
    let decode = |row: &Row<'_>| -> Result<KeyUse, StoreError> {
        let (service, region) = (row.get(1).map_err(engine)?, row.get(2).map_err(engine)?);
        Ok(KeyUse { at: timestamp(row, 0)?, service, region })
    };
    connection
        .prepare_cached(LAST_USE)
        .and_then(|mut select| select.query_row([id], |row| Ok(decode(row))).optional())
        .map_err(engine)?
        .transpose()
}

fn decode(row: &Row<'_>, vault: &Vault) -> Result<AccessKey, StoreError> {
    let (summary, account) = decode_summary(row)?;
    let sealed: Vec<u8> = row.get(6).map_err(engine)?;
    let secret = vault.open_secret(&sealed, &account, &summary)?;
    Ok(key_of(summary, account, secret))
}

fn key_of(summary: KeySummary, account: AccountId, secret: SecretAccessKey) -> AccessKey {
    let KeySummary { id, owner, status, created_at } = summary;
    AccessKey { id, secret, account, owner, status, created_at }
}

fn decode_summary(row: &Row<'_>) -> Result<(KeySummary, AccountId), StoreError> {
    let user: Option<String> = row.get(4).map_err(engine)?;
    let owner = match (row.get(2).map_err(engine)?, user) {
        (OWNER_ROOT, None) => KeyOwner::Root,
        (OWNER_USER, Some(id)) => KeyOwner::User { id },
        (OWNER_ROLE, Some(id)) => KeyOwner::Role { id },
        _ => return Err(corrupt("owner of an access key")),
    };
    let active: bool = row.get(5).map_err(engine)?;
    let status = if active { KeyStatus::Active } else { KeyStatus::Inactive };
    let id = row.get(0).map_err(engine)?;
    let created_at = timestamp(row, 3)?;
    Ok((KeySummary { id, owner, status, created_at }, account(row, 1)?))
}
