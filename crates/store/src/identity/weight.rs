//! How much memory identities take, about: every text that somebody gave, and what is compiled of policies.
//!
//! Measured against what the allocator holds: `examples/worst_account.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::Policy;

use super::{
    AttachedPolicy, DirectoryParts, Group, InstanceProfile, KeySummary, ManagedPolicy,
    OidcProvider, Role, Signer, SignerRecord, Tag, User,
};

/// An identity besides its texts: the value itself, its places in maps and indexes, allocations.
const ENTITY_BYTES: usize = 768;
/// A text besides its letters, where it stands in a list or map.
const TEXT_BYTES: usize = 64;

pub(super) fn of_parts(parts: &DirectoryParts) -> usize {
    let DirectoryParts { users, groups, roles, policies, profiles, providers, keys } = parts;
    sum(users.values().map(|user| of_user(user)))
        .saturating_add(sum(groups.values().map(|group| of_group(group))))
        .saturating_add(sum(roles.values().map(|role| of_role(role))))
        .saturating_add(sum(policies.values().map(|policy| of_policy(policy))))
        .saturating_add(sum(profiles.values().map(|profile| of_profile(profile))))
        .saturating_add(sum(providers.values().map(|provider| of_provider(provider))))
        .saturating_add(sum(keys.values().map(|key| of_key(key))))
}

impl SignerRecord {
    /// How much memory it takes, in bytes, about.
    pub(crate) fn weight_bytes(&self) -> usize {
        match self {
            Self::User(user) => of_user(user),
            Self::Role(role) => of_role(role),
        }
    }
}

impl Group {
    /// How much memory it takes, in bytes, about.
    pub(crate) fn weight_bytes(&self) -> usize {
        of_group(self)
    }
}

impl AttachedPolicy {
    /// How much memory it takes, in bytes, about: its name and what it says, whoever else has them.
    pub(crate) fn weight_bytes(&self) -> usize {
        let Self { name, policy } = self;
        sum([TEXT_BYTES, name.len(), policy.weight_bytes()])
    }
}

impl Signer {
    /// How much memory it takes, in bytes, about, with every policy that it has: it would keep them if nobody else did.
    pub(crate) fn weight_bytes(&self) -> usize {
        let Self { account: _, kind: _, name, path, id, tags, policies, boundary, number: _ } =
            self;
        sum([
            ENTITY_BYTES,
            texts([name, path, id]),
            of_tags(tags),
            sum(policies.iter().chain(boundary).map(AttachedPolicy::weight_bytes)),
        ])
    }
}

fn of_user(user: &User) -> usize {
    let User { name, path, id, created_at: _, tags, boundary, inline, attached, groups } = user;
    sum([
        ENTITY_BYTES,
        texts([name, path, id].into_iter().chain(boundary)),
        of_tags(tags),
        of_inline(inline),
        of_set(attached),
        of_set(groups),
    ])
}

fn of_group(group: &Group) -> usize {
    let Group { name, path, id, created_at: _, inline, attached } = group;
    sum([ENTITY_BYTES, texts([name, path, id]), of_inline(inline), of_set(attached)])
}

fn of_role(role: &Role) -> usize {
    let Role {
        name,
        path,
        id,
        created_at: _,
        description,
        max_session_seconds: _,
        trust,
        tags,
        boundary,
        inline,
        attached,
    } = role;
    sum([
        ENTITY_BYTES,
        texts([name, path, id].into_iter().chain(boundary).chain(description)),
        trust.weight_bytes(),
        of_tags(tags),
        of_inline(inline),
        of_set(attached),
    ])
}

fn of_policy(policy: &ManagedPolicy) -> usize {
    let ManagedPolicy {
        name,
        path,
        id,
        arn,
        created_at: _,
        updated_at: _,
        description,
        tags,
        versions,
        default_version: _,
        document,
        next_version: _,
    } = policy;
    sum([
        ENTITY_BYTES,
        texts([name, path, id, arn].into_iter().chain(description)),
        of_tags(tags),
        sum(versions.values().map(|version| version.text.len().saturating_add(TEXT_BYTES))),
        document.weight_bytes(),
    ])
}

fn of_profile(profile: &InstanceProfile) -> usize {
    let InstanceProfile { name, path, id, created_at: _, role, tags } = profile;
    sum([ENTITY_BYTES, texts([name, path, id].into_iter().chain(role)), of_tags(tags)])
}

fn of_provider(provider: &OidcProvider) -> usize {
    let OidcProvider { url, created_at: _, client_ids, thumbprints, tags } = provider;
    let all = std::iter::once(url).chain(client_ids).chain(thumbprints);
    sum([ENTITY_BYTES, texts(all), of_tags(tags)])
}

fn of_key(_: &KeySummary) -> usize {
    ENTITY_BYTES
}

fn of_tags(tags: &[Tag]) -> usize {
    texts(tags.iter().flat_map(|Tag { key, value }| [key, value]))
}

fn of_inline(inline: &BTreeMap<String, Arc<Policy>>) -> usize {
    texts(inline.keys()).saturating_add(sum(inline.values().map(|policy| policy.weight_bytes())))
}

fn of_set(names: &BTreeSet<String>) -> usize {
    texts(names)
}

fn texts<'t>(texts: impl IntoIterator<Item = &'t String>) -> usize {
    sum(texts.into_iter().map(|text| text.len().saturating_add(TEXT_BYTES)))
}

fn sum(bytes: impl IntoIterator<Item = usize>) -> usize {
    bytes.into_iter().fold(0, usize::saturating_add)
}
