//! The record of an identity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::policy::{BoundRecord, parse_policy};
use super::{RECORD_VERSION, corrupt, pairs_of, tags_of};
use crate::identity::Entity;
use crate::{
    EntityKind, Group, InstanceProfile, ManagedPolicy, OidcProvider, PolicyVersion, Role,
    StoreError, User,
};

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

fn inline_texts(inline: &BTreeMap<String, Arc<Policy>>) -> BTreeMap<String, String> {
    inline.iter().map(|(name, policy)| (name.clone(), policy.text().to_owned())).collect()
}

fn inline_policies(
    texts: BTreeMap<String, String>,
) -> Result<BTreeMap<String, Arc<Policy>>, StoreError> {
    texts.into_iter().map(|(name, text)| Ok((name, parse_policy(&text)?))).collect()
}

fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| corrupt("time"))
}

/// The record of an identity.
pub(crate) fn identity_record(entity: &Entity) -> Result<Vec<u8>, StoreError> {
    let record = match entity {
        Entity::User(user) => {
            let User { name, path, id, created_at, tags, boundary, inline, attached, groups } =
                &**user;
            Record {
                name: name.clone(),
                path: path.clone(),
                id: id.clone(),
                at: created_at.as_millisecond(),
                tags: pairs_of(tags),
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
                tags: pairs_of(tags),
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
                tags: pairs_of(tags),
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
        tags: pairs_of(tags),
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
        document: _,
        next_version,
    } = policy;
    let version = |(number, version): (&u32, &PolicyVersion)| {
        let PolicyVersion { created_at, text } = version;
        (*number, (created_at.as_millisecond(), (**text).to_owned()))
    };
    Record {
        name: name.clone(),
        path: path.clone(),
        id: id.clone(),
        at: created_at.as_millisecond(),
        updated: Some(updated_at.as_millisecond()),
        description: description.clone(),
        tags: pairs_of(tags),
        versions: versions.iter().map(version).collect(),
        default: Some(*default_version),
        next: Some(*next_version),
        ..Record::default()
    }
}

/// The numbers that stand for kinds of identities.
const KINDS: &[(EntityKind, i64)] = &[
    (EntityKind::User, 1),
    (EntityKind::Group, 2),
    (EntityKind::Role, 3),
    (EntityKind::Policy, 4),
    (EntityKind::InstanceProfile, 5),
    (EntityKind::OidcProvider, 6),
];

/// The number that stands for a kind.
pub(crate) fn kind_code(kind: EntityKind) -> Result<i64, StoreError> {
    let known = KINDS.iter().find(|(known, _)| *known == kind);
    known.map(|(_, code)| *code).ok_or(corrupt("kind of an identity"))
}

/// The kind that a number stands for.
pub(crate) fn kind_of(code: i64) -> Result<EntityKind, StoreError> {
    let known = KINDS.iter().find(|(_, known)| *known == code);
    known.map(|(kind, _)| *kind).ok_or(corrupt("kind of an identity"))
}

/// Reads the record of an identity of a kind.
pub(crate) fn parse_identity(
    kind: EntityKind,
    account: &AccountId,
    json: &[u8],
) -> Result<Entity, StoreError> {
    let record: Record = serde_json::from_slice(json).map_err(|_| unread())?;
    if record.v != RECORD_VERSION {
        return Err(unread());
    }
    match kind {
        EntityKind::User => user(record).map(Arc::new).map(Entity::User),
        EntityKind::Group => group(record).map(Arc::new).map(Entity::Group),
        EntityKind::Role => role(record).map(Arc::new).map(Entity::Role),
        EntityKind::Policy => policy(record, account).map(Arc::new).map(Entity::Policy),
        EntityKind::InstanceProfile => {
            instance_profile(record).map(Arc::new).map(Entity::InstanceProfile)
        }
        EntityKind::OidcProvider => oidc_provider(record).map(Arc::new).map(Entity::OidcProvider),
        EntityKind::AccessKey
        | EntityKind::InlinePolicy
        | EntityKind::PolicyVersion
        | EntityKind::Boundary => Err(corrupt("kind of an identity")),
    }
}

fn unread() -> StoreError {
    corrupt("record of an identity")
}

fn user(record: Record) -> Result<User, StoreError> {
    Ok(User {
        name: record.name,
        path: record.path,
        id: record.id,
        created_at: time(record.at)?,
        tags: tags_of(record.tags),
        boundary: record.boundary,
        inline: inline_policies(record.inline)?,
        attached: record.attached,
        groups: record.groups,
    })
}

fn group(record: Record) -> Result<Group, StoreError> {
    Ok(Group {
        name: record.name,
        path: record.path,
        id: record.id,
        created_at: time(record.at)?,
        inline: inline_policies(record.inline)?,
        attached: record.attached,
    })
}

fn role(record: Record) -> Result<Role, StoreError> {
    Ok(Role {
        name: record.name,
        path: record.path,
        id: record.id,
        created_at: time(record.at)?,
        description: record.description,
        max_session_seconds: record.max_session.ok_or_else(unread)?,
        trust: record.trust.ok_or_else(unread)?.parse()?,
        tags: tags_of(record.tags),
        boundary: record.boundary,
        inline: inline_policies(record.inline)?,
        attached: record.attached,
    })
}

fn policy(record: Record, account: &AccountId) -> Result<ManagedPolicy, StoreError> {
    let default_version = record.default.ok_or_else(unread)?;
    let (_, counts) = record.versions.get(&default_version).ok_or_else(unread)?;
    let document = parse_policy(counts)?;
    // The same text is there once.
    let version = |(number, (at, text)): (u32, (i64, String))| {
        let text = if number == default_version { document.shared_text() } else { text.into() };
        Ok((number, PolicyVersion { created_at: time(at)?, text }))
    };
    let Record { name, path, .. } = record;
    Ok(ManagedPolicy {
        arn: format!("arn:aws:iam::{account}:policy{path}{name}"),
        name,
        path,
        id: record.id,
        created_at: time(record.at)?,
        updated_at: time(record.updated.ok_or_else(unread)?)?,
        description: record.description,
        tags: tags_of(record.tags),
        versions: record.versions.into_iter().map(version).collect::<Result<_, StoreError>>()?,
        default_version,
        document,
        next_version: record.next.ok_or_else(unread)?,
    })
}

fn instance_profile(record: Record) -> Result<InstanceProfile, StoreError> {
    Ok(InstanceProfile {
        name: record.name,
        path: record.path,
        id: record.id,
        created_at: time(record.at)?,
        role: record.role,
        tags: tags_of(record.tags),
    })
}

fn oidc_provider(record: Record) -> Result<OidcProvider, StoreError> {
    Ok(OidcProvider {
        url: record.name,
        created_at: time(record.at)?,
        client_ids: record.clients,
        thumbprints: record.thumbprints,
        tags: tags_of(record.tags),
    })
}
