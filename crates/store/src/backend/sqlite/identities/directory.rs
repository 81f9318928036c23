//! Identities in the database: a record each, as JSON with a version.

use std::collections::BTreeMap;
use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::access_keys;
use crate::backend::record::{identity_record, kind_code, kind_of, parse_identity};
use crate::backend::sqlite::changes::{Subject, record_change};
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::identities::signer::PieceKey;
use crate::backend::sqlite::rows::corrupt;
use crate::backend::sqlite::seal::{self, row_seal};
use crate::backend::sqlite::transaction::Transaction;
use crate::identity::{
    DirectoryChanges, DirectoryParts, Entities, Entity, EntityKey, IdentityChange, KeyChange,
    role_use,
};
use crate::vault::Vault;
use crate::{Directory, DirectoryEdit, EntityKind, IdentityError, StoreError};

const LOAD: &str = concat!(
    "SELECT kind, name, record, seal = ",
    row_seal!(identity),
    " FROM identities WHERE account = ?1"
);
const PUT: &str = "INSERT OR REPLACE INTO identities (account, kind, name, record, unique_id, seal)
    VALUES (?1, ?2, ?3, ?4, ?5, row_seal('identity', ?1, ?2, ?3, ?4))";
const DELETE: &str = "DELETE FROM identities WHERE account = ?1 AND kind = ?2 AND name = ?3";

/// The identities of an account as they are on the disk.
pub(crate) fn load(connection: &Connection, account: &AccountId) -> Result<Directory, StoreError> {
    let mut parts = DirectoryParts::default();
    let mut select = connection.prepare_cached(LOAD).map_err(engine)?;
    let mut rows = select.query([account.as_str()]).map_err(engine)?;
    while let Some(row) = rows.next().map_err(engine)? {
        seal::check(row, 3)?;
        let kind: i64 = row.get(0).map_err(engine)?;
        let name: Arc<str> = row.get(1).map_err(engine)?;
        let record: Vec<u8> = row.get(2).map_err(engine)?;
        match parse_identity(kind_of(kind)?, account, &record)? {
            Entity::User(user) => drop(of(&mut parts.users).insert(name, user)),
            Entity::Group(group) => drop(of(&mut parts.groups).insert(name, group)),
            Entity::Role(role) => drop(of(&mut parts.roles).insert(name, role)),
            Entity::Policy(policy) => drop(of(&mut parts.policies).insert(name, policy)),
            Entity::InstanceProfile(profile) => drop(of(&mut parts.profiles).insert(name, profile)),
            Entity::OidcProvider(provider) => drop(of(&mut parts.providers).insert(name, provider)),
        }
    }
    for key in access_keys::summaries(connection, account)? {
        of(&mut parts.keys).insert(key.id.as_str().into(), Arc::new(key));
    }
    // What is named and missing could be a policy that denies.
    let directory = Directory::new(account.clone(), parts);
    if directory.is_whole() { Ok(directory) } else { Err(corrupt("identities")) }
}

/// Nobody else has it yet, so that nothing is copied.
fn of<T: Clone>(entities: &mut Entities<T>) -> &mut BTreeMap<Arc<str>, Arc<T>> {
    Arc::make_mut(entities)
}

/// Changes identities: all of a change, or nothing.
pub(crate) fn change(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    account: &AccountId,
    change: &IdentityChange,
    now: Timestamp,
) -> Result<Result<(), IdentityError>, StoreError> {
    let before = tx.directory(account)?;
    let mut edit = DirectoryEdit::new(&before, now);
    let changes = match change(&mut edit).and_then(|()| edit.finish()) {
        Ok(changes) => changes,
        Err(refused) => return Ok(Err(refused)),
    };
    let DirectoryChanges { directory, records, keys } = changes;
    // Before anything is written: a refusal does not undo.
    for key in keys.iter().filter_map(KeyChange::made) {
        if access_keys::exists(tx.connection, &key.id)? {
            let (kind, name) = (EntityKind::AccessKey, key.id.clone());
            return Ok(Err(IdentityError::Exists { kind, name }));
        }
    }
    for (key, entity) in records {
        write(tx.connection, account, &key, entity.as_ref())?;
        tx.pieces_change(PieceKey::of_changed(account, &key, &before, entity.as_ref()));
        if let ((EntityKind::Role, name), None) = (&key, &entity)
            && let Some(role) = before.role(name)
        {
            access_keys::forget_use(tx.connection, &role_use(&role.id))?;
        }
    }
    for change in keys {
        write_key(tx, vault, change)?;
    }
    let number = record_change(tx.connection, Subject::Identities, account.as_str())?;
    tx.number_is(account.clone(), number);
    tx.directory_is(account.clone(), Some(Arc::new(directory)));
    Ok(Ok(()))
}

fn write_key(tx: &mut Transaction<'_>, vault: &Vault, change: KeyChange) -> Result<(), StoreError> {
    match change {
        KeyChange::Put(key) => {
            let sealed = vault.seal_secret(&key)?;
            access_keys::put(tx, key, &sealed)
        }
        KeyChange::SetStatus(id, status) => access_keys::set_status(tx, vault, &id, status),
        KeyChange::Delete(id) => access_keys::delete(tx, &id),
    }
}

fn write(
    connection: &Connection,
    account: &AccountId,
    (kind, name): &EntityKey,
    entity: Option<&Entity>,
) -> Result<(), StoreError> {
    let code = kind_code(*kind)?;
    match entity {
        None => connection
            .prepare_cached(DELETE)
            .and_then(|mut delete| delete.execute(params![account.as_str(), code, name])),
        Some(entity) => {
            let record = identity_record(entity)?;
            connection.prepare_cached(PUT).and_then(|mut put| {
                let id = entity.signer_id();
                put.execute(params![account.as_str(), code, name, record, id])
            })
        }
    }
    .map(drop)
    .map_err(engine)
}
