//! How an identity is written on the disk and read from it (`docs/design.md`, "Records").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::identity::Entity;
use crate::{
    BoundPolicy, EntityKind, Group, InstanceProfile, ManagedPolicy, OidcProvider, PolicyVersion,
    Role, StoreError, Tag, User,
};

/// The version of every record that this version writes.
const RECORD_VERSION: u8 = 1;

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
pub(in super::super) struct BoundRecord {
    policy: String,
    /// As it is evaluated, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound: Option<String>,
}

impl BoundRecord {
    pub(in super::super) fn of(policy: &BoundPolicy) -> Self {
        let BoundPolicy { document, bound } = policy;
        let differs = document.text() != bound.text();
        Self { policy: document.text().to_owned(), bound: differs.then(|| bound.text().to_owned()) }
    }

    pub(in super::super) fn parse(self) -> Result<BoundPolicy, StoreError> {
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

pub(in super::super) fn tags_of(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs.into_iter().map(|(key, value)| Tag { key, value }).collect()
}

fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| corrupt("time"))
}

/// The record of an identity.
pub(super) fn record(entity: &Entity) -> Result<Vec<u8>, StoreError> {
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
        tags: tag_pairs(tags),
        versions: versions.iter().map(version).collect(),
        default: Some(*default_version),
        next: Some(*next_version),
        ..Record::default()
    }
}

/// Reads the record of an identity of a kind.
pub(super) fn parse(
    kind: Option<EntityKind>,
    account: &AccountId,
    json: &[u8],
) -> Result<Entity, StoreError> {
    let record: Record = serde_json::from_slice(json).map_err(|_| unread())?;
    if record.v != RECORD_VERSION {
        return Err(unread());
    }
    match kind {
        Some(EntityKind::User) => user(record).map(Arc::new).map(Entity::User),
        Some(EntityKind::Group) => group(record).map(Arc::new).map(Entity::Group),
        Some(EntityKind::Role) => role(record).map(Arc::new).map(Entity::Role),
        Some(EntityKind::Policy) => policy(record, account).map(Arc::new).map(Entity::Policy),
        Some(EntityKind::InstanceProfile) => {
            instance_profile(record).map(Arc::new).map(Entity::InstanceProfile)
        }
        Some(EntityKind::OidcProvider) => {
            oidc_provider(record).map(Arc::new).map(Entity::OidcProvider)
        }
        Some(
            EntityKind::AccessKey
            | EntityKind::InlinePolicy
            | EntityKind::PolicyVersion
            | EntityKind::Boundary,
        )
        | None => Err(corrupt("kind of an identity")),
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
