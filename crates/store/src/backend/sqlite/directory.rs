//! Identities and accounts in the database: a record each, as JSON with a version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::bucket::{Subject, record_change};
use super::rows::{account, corrupt, page, timestamp};
use super::writer::Transaction;
use super::{engine, identity};
use crate::identity::{
    DirectoryChanges, DirectoryParts, Entity, EntityKey, IdentityChange, KeyChange,
};
use crate::vault::Vault;
use crate::{
    AccessKey, Account, AccountPage, BoundPolicy, CreateAccount, DeleteAccount, Directory,
    DirectoryEdit, EntityKind, Group, IdentityError, InstanceProfile, KeyOwner, ManagedPolicy,
    OidcProvider, PolicyVersion, Role, StoreError, Tag, User,
};

const LOAD: &str = "SELECT kind, name, record FROM identities WHERE account = ?1";
const PUT: &str =
    "INSERT OR REPLACE INTO identities (account, kind, name, record) VALUES (?1, ?2, ?3, ?4)";
const DELETE: &str = "DELETE FROM identities WHERE account = ?1 AND kind = ?2 AND name = ?3";
const ACCOUNT: &str = "SELECT id, name, email, created_ms FROM accounts WHERE id = ?1";
const ACCOUNTS: &str =
    "SELECT id, name, email, created_ms FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2";
const CREATE_ACCOUNT: &str =
    "INSERT INTO accounts (id, name, email, created_ms) VALUES (?1, ?2, ?3, ?4)";
const DELETE_ACCOUNT: &str = "DELETE FROM accounts WHERE id = ?1";
const OWNS_ANYTHING: &str = "SELECT EXISTS (SELECT 1 FROM buckets WHERE owner = ?1)";

const RECORD_VERSION: u8 = 1;
const ACCOUNTS_PAGE_MAX: usize = 1000;

const KINDS: &[(EntityKind, i64)] = &[
    (EntityKind::User, 1),
    (EntityKind::Group, 2),
    (EntityKind::Role, 3),
    (EntityKind::Policy, 4),
    (EntityKind::InstanceProfile, 5),
    (EntityKind::OidcProvider, 6),
];

/// The identities of an account as they are on the disk.
pub(super) fn load(connection: &Connection, account: &AccountId) -> Result<Directory, StoreError> {
    let mut parts = DirectoryParts::default();
    let mut select = connection.prepare_cached(LOAD).map_err(engine)?;
    let mut rows = select.query([account.as_str()]).map_err(engine)?;
    while let Some(row) = rows.next().map_err(engine)? {
        let kind: i64 = row.get(0).map_err(engine)?;
        let name: String = row.get(1).map_err(engine)?;
        let record: Vec<u8> = row.get(2).map_err(engine)?;
        let kind = KINDS.iter().find(|(_, code)| *code == kind).map(|(kind, _)| *kind);
        match parse(kind, account, &record)? {
            Entity::User(user) => drop(parts.users.insert(name, user)),
            Entity::Group(group) => drop(parts.groups.insert(name, group)),
            Entity::Role(role) => drop(parts.roles.insert(name, role)),
            Entity::Policy(policy) => drop(parts.policies.insert(name, policy)),
            Entity::InstanceProfile(profile) => drop(parts.profiles.insert(name, profile)),
            Entity::OidcProvider(provider) => drop(parts.providers.insert(name, provider)),
        }
    }
    for key in identity::summaries(connection, account)? {
        parts.keys.insert(key.id.clone(), key);
    }
    Ok(Directory::new(account.clone(), parts))
}

/// Changes identities: all of a change, or nothing.
pub(super) fn change(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    account: &AccountId,
    change: IdentityChange,
    now: Timestamp,
) -> Result<Result<(), IdentityError>, StoreError> {
    let directory = tx.directory(account)?;
    let mut edit = DirectoryEdit::new(&directory, now);
    if let Err(refused) = change(&mut edit) {
        return Ok(Err(refused));
    }
    let DirectoryChanges { directory, records, keys } = edit.finish();
    for (key, entity) in records {
        write(tx.connection, account, &key, entity.as_ref())?;
    }
    for change in keys {
        if let KeyChange::PutGiven(key) = &change
            && identity::exists(tx.connection, &key.id)?
        {
            let (kind, name) = (EntityKind::AccessKey, key.id.clone());
            return Ok(Err(IdentityError::Exists { kind, name }));
        }
        write_key(tx, vault, change)?;
    }
    record_change(tx.connection, Subject::Identities, account.as_str())?;
    tx.directory_is(account.clone(), Some(Arc::new(directory)));
    Ok(Ok(()))
}

fn write_key(tx: &mut Transaction<'_>, vault: &Vault, change: KeyChange) -> Result<(), StoreError> {
    match change {
        KeyChange::Put(key) | KeyChange::PutGiven(key) => {
            let sealed = vault.seal_secret(&key.secret, &key.id)?;
            identity::put(tx, key, &sealed)
        }
        KeyChange::SetStatus(id, status) => identity::set_status(tx, vault, &id, status),
        KeyChange::Delete(id) => identity::delete(tx, &id),
    }
}

fn write(
    connection: &Connection,
    account: &AccountId,
    (kind, name): &EntityKey,
    entity: Option<&Entity>,
) -> Result<(), StoreError> {
    let code = KINDS.iter().find(|(known, _)| known == kind).map(|(_, code)| *code);
    let code = code.ok_or(corrupt("kind of an identity"))?;
    match entity {
        None => connection
            .prepare_cached(DELETE)
            .and_then(|mut delete| delete.execute(params![account.as_str(), code, name])),
        Some(entity) => {
            let record = record(entity)?;
            connection
                .prepare_cached(PUT)
                .and_then(|mut put| put.execute(params![account.as_str(), code, name, record]))
        }
    }
    .map(drop)
    .map_err(engine)
}

pub(super) fn account_of(
    connection: &Connection,
    id: &AccountId,
) -> Result<Option<Account>, StoreError> {
    connection
        .prepare_cached(ACCOUNT)
        .and_then(|mut select| {
            select.query_row([id.as_str()], |row| Ok(decode_account(row))).optional()
        })
        .map_err(engine)?
        .transpose()
}

pub(super) fn accounts(
    connection: &Connection,
    after: Option<&AccountId>,
    limit: usize,
) -> Result<AccountPage, StoreError> {
    let limit = limit.min(ACCOUNTS_PAGE_MAX);
    let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let after = after.map_or("", AccountId::as_str);
    let mut select = connection.prepare_cached(ACCOUNTS).map_err(engine)?;
    let mut rows = select.query(params![after, wanted]).map_err(engine)?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        accounts.push(decode_account(row)?);
    }
    let (accounts, more) = page(accounts, limit);
    let next = accounts.last().filter(|_| more).map(|account| account.id.clone());
    Ok(AccountPage { accounts, next })
}

fn decode_account(row: &rusqlite::Row<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        id: account(row, 0)?,
        name: row.get(1).map_err(engine)?,
        email: row.get(2).map_err(engine)?,
        created_at: timestamp(row, 3)?,
    })
}

pub(super) fn create_account(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    new: Account,
    root: AccessKey,
) -> Result<CreateAccount, StoreError> {
    if account_of(tx.connection, &new.id)?.is_some() {
        return Ok(CreateAccount::AlreadyExists);
    }
    if identity::exists(tx.connection, &root.id)? {
        return Ok(CreateAccount::KeyExists);
    }
    let created = new.created_at.as_millisecond();
    tx.connection
        .prepare_cached(CREATE_ACCOUNT)
        .and_then(|mut create| {
            create.execute(params![new.id.as_str(), new.name, new.email, created])
        })
        .map_err(engine)?;
    let sealed = vault.seal_secret(&root.secret, &root.id)?;
    identity::put(tx, root.clone(), &sealed)?;
    record_change(tx.connection, Subject::Account, new.id.as_str())?;
    tx.directory_is(new.id.clone(), None);
    Ok(CreateAccount::Created { account: new, root: Arc::new(root) })
}

pub(super) fn delete_account(
    tx: &mut Transaction<'_>,
    id: &AccountId,
) -> Result<DeleteAccount, StoreError> {
    if account_of(tx.connection, id)?.is_none() {
        return Ok(DeleteAccount::NotFound);
    }
    let directory = tx.directory(id)?;
    let owns_anything: bool = tx
        .connection
        .prepare_cached(OWNS_ANYTHING)
        .and_then(|mut select| select.query_row([id.as_str()], |row| row.get(0)))
        .map_err(engine)?;
    if owns_anything || !directory.is_empty() {
        return Ok(DeleteAccount::NotEmpty);
    }
    for key in directory.keys().filter(|key| key.owner == KeyOwner::Root) {
        identity::delete(tx, &key.id)?;
    }
    tx.connection
        .prepare_cached(DELETE_ACCOUNT)
        .and_then(|mut delete| delete.execute([id.as_str()]))
        .map_err(engine)?;
    record_change(tx.connection, Subject::Account, id.as_str())?;
    tx.directory_is(id.clone(), None);
    Ok(DeleteAccount::Deleted)
}

/// One record; its members are those of the kind.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Record {
    v: u8,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_session: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust: Option<BoundRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boundary: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inline: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    attached: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    groups: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    versions: BTreeMap<u32, (i64, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clients: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    thumbprints: Vec<String>,
}

/// A policy of a resource or of trust.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoundRecord {
    policy: String,
    /// As it is evaluated, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound: Option<String>,
}

impl BoundRecord {
    pub(super) fn of(policy: &BoundPolicy) -> Self {
        let BoundPolicy { document, bound } = policy;
        let differs = document.text() != bound.text();
        Self { policy: document.text().to_owned(), bound: differs.then(|| bound.text().to_owned()) }
    }

    pub(super) fn parse(self) -> Result<BoundPolicy, StoreError> {
        let document = parse_policy(&self.policy)?;
        let bound = match &self.bound {
            Some(bound) => parse_policy(bound)?,
            None => Arc::clone(&document),
        };
        Ok(BoundPolicy { document, bound })
    }
}

fn parse_policy(text: &str) -> Result<Arc<Policy>, StoreError> {
    Policy::parse(text).map(Arc::new).map_err(|_| corrupt("policy"))
}

fn inline_texts(inline: &BTreeMap<String, Arc<Policy>>) -> BTreeMap<String, String> {
    inline.iter().map(|(name, policy)| (name.clone(), policy.text().to_owned())).collect()
}

fn inline_policies(
    texts: BTreeMap<String, String>,
) -> Result<BTreeMap<String, Arc<Policy>>, StoreError> {
    texts.into_iter().map(|(name, text)| Ok((name, parse_policy(&text)?))).collect()
}

fn tag_pairs(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

pub(super) fn tags_of(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs.into_iter().map(|(key, value)| Tag { key, value }).collect()
}

fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| corrupt("time"))
}

fn record(entity: &Entity) -> Result<Vec<u8>, StoreError> {
    let record = match entity {
        Entity::User(user) => {
            let User { name, path, id, created_at, tags, boundary, inline, attached, groups } =
                &**user;
            Record {
                name: name.clone(),
                path: path.clone(),
                id: id.clone(),
                at: created_at.as_millisecond(),
                tags: tag_pairs(tags),
                boundary: boundary.clone(),
                inline: inline_texts(inline),
                attached: attached.clone(),
                groups: groups.clone(),
                ..Record::default()
            }
        }
        Entity::Group(group) => {
            let Group { name, path, id, created_at, inline, attached } = &**group;
            Record {
                name: name.clone(),
                path: path.clone(),
                id: id.clone(),
                at: created_at.as_millisecond(),
                inline: inline_texts(inline),
                attached: attached.clone(),
                ..Record::default()
            }
        }
        Entity::Role(role) => role_record(role),
        Entity::Policy(policy) => policy_record(policy),
        Entity::InstanceProfile(profile) => {
            let InstanceProfile { name, path, id, created_at, role, tags } = &**profile;
            Record {
                name: name.clone(),
                path: path.clone(),
                id: id.clone(),
                at: created_at.as_millisecond(),
                role: role.clone(),
                tags: tag_pairs(tags),
                ..Record::default()
            }
        }
        Entity::OidcProvider(provider) => {
            let OidcProvider { url, created_at, client_ids, thumbprints, tags } = &**provider;
            Record {
                name: url.clone(),
                at: created_at.as_millisecond(),
                clients: client_ids.clone(),
                thumbprints: thumbprints.clone(),
                tags: tag_pairs(tags),
                ..Record::default()
            }
        }
    };
    let record = Record { v: RECORD_VERSION, ..record };
    serde_json::to_vec(&record).map_err(|_| corrupt("record of an identity"))
}

fn role_record(role: &Role) -> Record {
    let Role {
        name,
        path,
        id,
        created_at,
        description,
        max_session_seconds,
        trust,
        tags,
        boundary,
        inline,
        attached,
    } = role;
    Record {
        name: name.clone(),
        path: path.clone(),
        id: id.clone(),
        at: created_at.as_millisecond(),
        description: description.clone(),
        max_session: Some(*max_session_seconds),
        trust: Some(BoundRecord::of(trust)),
        tags: tag_pairs(tags),
        boundary: boundary.clone(),
        inline: inline_texts(inline),
        attached: attached.clone(),
        ..Record::default()
    }
}

fn policy_record(policy: &ManagedPolicy) -> Record {
    let ManagedPolicy {
        name,
        path,
        id,
        arn: _,
        created_at,
        updated_at,
        description,
        tags,
        versions,
        default_version,
        next_version,
    } = policy;
    let version = |(number, version): (&u32, &PolicyVersion)| {
        let PolicyVersion { created_at, document } = version;
        (*number, (created_at.as_millisecond(), document.text().to_owned()))
    };
    Record {
        name: name.clone(),
        path: path.clone(),
        id: id.clone(),
        at: created_at.as_millisecond(),
        updated: Some(updated_at.as_millisecond()),
        description: description.clone(),
        tags: tag_pairs(tags),
        versions: versions.iter().map(version).collect(),
        default: Some(*default_version),
        next: Some(*next_version),
        ..Record::default()
    }
}

fn parse_versions(
    records: BTreeMap<u32, (i64, String)>,
) -> Result<BTreeMap<u32, PolicyVersion>, StoreError> {
    let parse = |(number, (at, text)): (u32, (i64, String))| {
        let document = parse_policy(&text)?;
        Ok((number, PolicyVersion { created_at: time(at)?, document }))
    };
    records.into_iter().map(parse).collect()
}

#[expect(clippy::too_many_lines, reason = "an arm a kind, each of them a list of fields")]
fn parse(kind: Option<EntityKind>, account: &AccountId, json: &[u8]) -> Result<Entity, StoreError> {
    let unread = corrupt("record of an identity");
    let record: Record = serde_json::from_slice(json).map_err(|_| unread.clone())?;
    if record.v != RECORD_VERSION {
        return Err(unread);
    }
    let Record { name, path, id, tags, boundary, attached, groups, role, .. } = record;
    let created_at = time(record.at)?;
    let tags = tags_of(tags);
    Ok(match kind {
        Some(EntityKind::User) => {
            let inline = inline_policies(record.inline)?;
            Entity::User(Arc::new(User {
                name,
                path,
                id,
                created_at,
                tags,
                boundary,
                inline,
                attached,
                groups,
            }))
        }
        Some(EntityKind::Group) => {
            let inline = inline_policies(record.inline)?;
            Entity::Group(Arc::new(Group { name, path, id, created_at, inline, attached }))
        }
        Some(EntityKind::Role) => Entity::Role(Arc::new(Role {
            name,
            path,
            id,
            created_at,
            description: record.description,
            max_session_seconds: record.max_session.ok_or(unread.clone())?,
            trust: record.trust.ok_or(unread)?.parse()?,
            tags,
            boundary,
            inline: inline_policies(record.inline)?,
            attached,
        })),
        Some(EntityKind::Policy) => Entity::Policy(Arc::new(ManagedPolicy {
            arn: format!("arn:aws:iam::{account}:policy{path}{name}"),
            name,
            path,
            id,
            created_at,
            updated_at: time(record.updated.ok_or(unread.clone())?)?,
            description: record.description,
            tags,
            versions: parse_versions(record.versions)?,
            default_version: record.default.ok_or(unread.clone())?,
            next_version: record.next.ok_or(unread)?,
        })),
        Some(EntityKind::InstanceProfile) => {
            let profile = InstanceProfile { name, path, id, created_at, role, tags };
            Entity::InstanceProfile(Arc::new(profile))
        }
        Some(EntityKind::OidcProvider) => Entity::OidcProvider(Arc::new(OidcProvider {
            url: name,
            created_at,
            client_ids: record.clients,
            thumbprints: record.thumbprints,
            tags,
        })),
        Some(
            EntityKind::AccessKey
            | EntityKind::InlinePolicy
            | EntityKind::PolicyVersion
            | EntityKind::Boundary,
        )
        | None => return Err(corrupt("kind of an identity")),
    })
}
