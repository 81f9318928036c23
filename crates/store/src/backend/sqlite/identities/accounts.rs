//! Accounts in the database.

use std::sync::Arc;

use iam::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use super::access_keys;
use crate::backend::sqlite::changes::{Subject, record_change};
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::rows::{account, page, timestamp};
use crate::backend::sqlite::seal::{self, row_seal};
use crate::backend::sqlite::transaction::Transaction;
use crate::vault::Vault;
use crate::{
    AccessKey, Account, AccountPage, CreateAccount, DeleteAccount, KeyOwner, RenewRootKey,
    StoreError,
};

const READ: &str = concat!(
    "SELECT id, name, email, created_ms, seal = ",
    row_seal!(account),
    " FROM accounts WHERE id = ?1"
);
const LIST: &str = concat!(
    "SELECT id, name, email, created_ms, seal = ",
    row_seal!(account),
    " FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2"
);
const CREATE: &str = "INSERT INTO accounts (id, name, email, created_ms, seal)
    VALUES (?1, ?2, ?3, ?4, row_seal('account', ?1, ?2, ?3, ?4))";
const DELETE: &str = "DELETE FROM accounts WHERE id = ?1";
const OWNS_ANYTHING: &str = "SELECT EXISTS (SELECT 1 FROM buckets WHERE owner = ?1)
    OR EXISTS (SELECT 1 FROM distribution_resources WHERE account = ?1)";
const PAGE_MAX: usize = 1000;

pub(crate) fn read(connection: &Connection, id: &AccountId) -> Result<Option<Account>, StoreError> {
    connection
        .prepare_cached(READ)
        .and_then(|mut select| select.query_row([id.as_str()], |row| Ok(decode(row))).optional())
        .map_err(engine)?
        .transpose()
}

pub(crate) fn list(
    connection: &Connection,
    after: Option<&AccountId>,
    limit: usize,
) -> Result<AccountPage, StoreError> {
    let limit = limit.min(PAGE_MAX);
    let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let after = after.map_or("", AccountId::as_str);
    let mut select = connection.prepare_cached(LIST).map_err(engine)?;
    let mut rows = select.query(params![after, wanted]).map_err(engine)?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        accounts.push(decode(row)?);
    }
    let (accounts, more) = page(accounts, limit);
    let next = accounts.last().filter(|_| more).map(|account| account.id.clone());
    Ok(AccountPage { accounts, next })
}

fn decode(row: &rusqlite::Row<'_>) -> Result<Account, StoreError> {
    seal::check(row, 4)?;
    Ok(Account {
        id: account(row, 0)?,
        name: row.get(1).map_err(engine)?,
        email: row.get(2).map_err(engine)?,
        created_at: timestamp(row, 3)?,
    })
}

pub(crate) fn create(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    new: Account,
    root: AccessKey,
) -> Result<CreateAccount, StoreError> {
    // One that is known by what it has, such as the first one, is nobody else's either.
    if read(tx.connection, &new.id)?.is_some() || has_anything(tx, &new.id, AnyKey::Counts)? {
        return Ok(CreateAccount::AlreadyExists);
    }
    if access_keys::exists(tx.connection, &root.id)? {
        return Ok(CreateAccount::KeyExists);
    }
    let created = new.created_at.as_millisecond();
    tx.connection
        .prepare_cached(CREATE)
        .and_then(|mut create| {
            create.execute(params![new.id.as_str(), new.name, new.email, created])
        })
        .map_err(engine)?;
    let sealed = vault.seal_secret(&root)?;
    access_keys::put(tx, root.clone(), &sealed)?;
    record_change(tx.connection, Subject::Account, new.id.as_str())?;
    tx.directory_is(new.id.clone(), None);
    Ok(CreateAccount::Created { account: new, root: Arc::new(root) })
}

pub(crate) fn delete(
    tx: &mut Transaction<'_>,
    id: &AccountId,
) -> Result<DeleteAccount, StoreError> {
    if read(tx.connection, id)?.is_none() {
        return Ok(DeleteAccount::NotFound);
    }
    if has_anything(tx, id, AnyKey::IsIgnored)? {
        return Ok(DeleteAccount::NotEmpty);
    }
    delete_root_keys(tx, id)?;
    tx.connection
        .prepare_cached(DELETE)
        .and_then(|mut delete| delete.execute([id.as_str()]))
        .map_err(engine)?;
    record_change(tx.connection, Subject::Account, id.as_str())?;
    tx.directory_is(id.clone(), None);
    Ok(DeleteAccount::Deleted)
}

pub(crate) fn renew_root_key(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    root: AccessKey,
) -> Result<RenewRootKey, StoreError> {
    let id = root.account.clone();
    let Some(account) = read(tx.connection, &id)? else { return Ok(RenewRootKey::NotFound) };
    if access_keys::exists(tx.connection, &root.id)? {
        return Ok(RenewRootKey::KeyExists);
    }
    delete_root_keys(tx, &id)?;
    let sealed = vault.seal_secret(&root)?;
    access_keys::put(tx, root.clone(), &sealed)?;
    tx.directory_is(id, None);
    Ok(RenewRootKey::Renewed { account, root: Arc::new(root) })
}

fn delete_root_keys(tx: &mut Transaction<'_>, id: &AccountId) -> Result<(), StoreError> {
    let directory = tx.directory(id)?;
    for key in directory.keys().filter(|key| key.owner == KeyOwner::Root) {
        access_keys::delete(tx, &key.id)?;
    }
    Ok(())
}

/// Whether a key of the root counts as something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnyKey {
    Counts,
    IsIgnored,
}

/// Whether an account owns a bucket or has an identity.
fn has_anything(tx: &Transaction<'_>, id: &AccountId, any_key: AnyKey) -> Result<bool, StoreError> {
    let directory = tx.directory(id)?;
    let has_key = any_key == AnyKey::Counts && directory.keys().next().is_some();
    if has_key || !directory.is_empty() {
        return Ok(true);
    }
    tx.connection
        .prepare_cached(OWNS_ANYTHING)
        .and_then(|mut select| select.query_row([id.as_str()], |row| row.get(0)))
        .map_err(engine)
}
