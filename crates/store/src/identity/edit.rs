//! Changes of identities: what each means, and why one is refused.

mod groups;
mod keys;
mod policies;
mod providers;
mod roles;
#[cfg(test)]
mod tests;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;

use super::directory::fold;
use super::key::unique_id;
use super::{
    Directory, DirectoryParts, Entity, EntityKey, EntityKind, Group, Hindrance, IdentityError,
    InstanceProfile, ManagedPolicy, OidcProvider, Quota, Role, User,
};
pub(crate) use keys::KeyChange;
pub use policies::{Counts, NewManagedPolicy};
pub use providers::NewOidcProvider;
pub use roles::NewRole;

/// A change, as the engine runs it within its transaction: more than once, if that has to be tried again.
pub(crate) type IdentityChange =
    Box<dyn Fn(&mut DirectoryEdit) -> Result<(), IdentityError> + Send + Sync>;

/// What came of a change: the records to write, and the directory as it is then.
#[derive(Debug)]
pub(crate) struct DirectoryChanges {
    pub(crate) directory: Directory,
    /// The records that differ, by kind and name; `None`: the record goes.
    pub(crate) records: Vec<(EntityKey, Option<Entity>)>,
    pub(crate) keys: Vec<KeyChange>,
}

/// The identities of an account while they are being changed. It reads as the [`Directory`] that it
/// is about to be.
#[derive(Debug)]
pub struct DirectoryEdit {
    before: Directory,
    directory: Directory,
    changed: BTreeSet<EntityKey>,
    keys: Vec<KeyChange>,
    now: Timestamp,
}

impl Deref for DirectoryEdit {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

/// Bytes that a policy may have for each character of its quota: the longest characters have so many, and
/// a policy that is written with an indentation has no more white space than that.
const BYTES_A_CHARACTER_MAX: usize = 4;

type Edited<T = ()> = Result<T, IdentityError>;

fn missing(kind: EntityKind, name: &str) -> IdentityError {
    IdentityError::NoSuch { kind, name: name.to_owned() }
}

fn free(taken: bool, kind: EntityKind, name: &str) -> Edited {
    if taken { Err(IdentityError::Exists { kind, name: name.to_owned() }) } else { Ok(()) }
}

fn in_the_way(found: bool, hindrance: Hindrance) -> Edited {
    if found { Err(IdentityError::InTheWay { hindrance }) } else { Ok(()) }
}

fn within(count: usize, quota: Quota, name: &str) -> Edited {
    if count <= quota.max() {
        Ok(())
    } else {
        Err(IdentityError::OverQuota { quota, name: name.to_owned() })
    }
}

/// Policies are measured as AWS does, in characters without white space; and because all of them is kept
/// and shown as it was given, in bytes as well.
fn policies_within<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    quota: Quota,
    name: &str,
) -> Edited {
    let (mut characters, mut bytes) = (0_usize, 0_usize);
    for text in texts {
        let counted = text.chars().filter(|letter| !letter.is_whitespace()).count();
        characters = characters.saturating_add(counted);
        bytes = bytes.saturating_add(text.len());
    }
    within(characters.max(bytes.div_ceil(BYTES_A_CHARACTER_MAX)), quota, name)
}

fn inline_within(inline: &BTreeMap<String, Arc<Policy>>, quota: Quota, name: &str) -> Edited {
    policies_within(inline.values().map(|policy| policy.text()), quota, name)
}

fn id<const N: usize>(prefix: &str) -> Edited<String> {
    unique_id::<N>(prefix).map_err(|_| IdentityError::NoRandomness)
}

/// Declares, for each kind, how one is found, put in and taken out.
macro_rules! entities {
    ($($kind:ident $type:ident $map:ident $change:ident $check:ident;)*) => {
        impl DirectoryEdit {
            $(
                /// Changes one in place; what it may have is judged afterwards.
                pub fn $change<T>(
                    &mut self,
                    name: &str,
                    change: impl FnOnce(&mut $type) -> Result<T, IdentityError>,
                ) -> Result<T, IdentityError> {
                    let folded = fold(name);
                    let found = self.directory.parts.$map.get(folded.as_str());
                    let mut entity = $type::clone(found.ok_or_else(|| missing(EntityKind::$kind, name))?);
                    let outcome = change(&mut entity)?;
                    $check(&entity)?;
                    let entities = Arc::make_mut(&mut self.directory.parts.$map);
                    entities.insert(folded.as_str().into(), Arc::new(entity));
                    self.changed.insert((EntityKind::$kind, folded));
                    Ok(outcome)
                }
            )*

            fn record(&self, (kind, name): &EntityKey) -> Option<Entity> {
                match kind {
                    $(EntityKind::$kind => {
                        self.directory.parts.$map.get(name.as_str()).cloned().map(Entity::$kind)
                    })*
                    EntityKind::AccessKey
                    | EntityKind::InlinePolicy
                    | EntityKind::PolicyVersion
                    | EntityKind::Boundary => None,
                }
            }
        }
    };
}

entities! {
    User User users change_user check_user;
    Group Group groups change_group check_group;
    Role Role roles change_role check_role;
    Policy ManagedPolicy policies change_policy check_policy;
    InstanceProfile InstanceProfile profiles change_instance_profile check_profile;
    OidcProvider OidcProvider providers change_oidc_provider check_provider;
}

fn check_user(user: &User) -> Edited {
    inline_within(&user.inline, Quota::InlineOfUser, &user.name)?;
    within(user.attached.len(), Quota::AttachedPolicies, &user.name)?;
    within(user.groups.len(), Quota::GroupsOfUser, &user.name)?;
    within(user.tags.len(), Quota::Tags, &user.name)
}

fn check_group(group: &Group) -> Edited {
    inline_within(&group.inline, Quota::InlineOfGroup, &group.name)?;
    within(group.attached.len(), Quota::AttachedPolicies, &group.name)
}

fn check_role(role: &Role) -> Edited {
    policies_within([role.trust.document.text()], Quota::TrustPolicy, &role.name)?;
    inline_within(&role.inline, Quota::InlineOfRole, &role.name)?;
    within(role.attached.len(), Quota::AttachedPolicies, &role.name)?;
    within(role.tags.len(), Quota::Tags, &role.name)
}

fn check_policy(policy: &ManagedPolicy) -> Edited {
    for version in policy.versions.values() {
        policies_within([&*version.text], Quota::ManagedPolicy, &policy.name)?;
    }
    within(policy.versions.len(), Quota::PolicyVersions, &policy.name)?;
    within(policy.tags.len(), Quota::Tags, &policy.name)
}

fn check_profile(profile: &InstanceProfile) -> Edited {
    within(profile.tags.len(), Quota::Tags, &profile.name)
}

fn check_provider(provider: &OidcProvider) -> Edited {
    within(provider.tags.len(), Quota::Tags, &provider.url)
}

impl DirectoryEdit {
    pub(crate) fn new(directory: &Directory, now: Timestamp) -> Self {
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let (before, directory) = (directory.clone(), directory.clone());
        Self { before, directory, changed: BTreeSet::new(), keys: Vec::new(), now }
    }

    /// What was changed, if all that it names is there.
    pub(crate) fn finish(self) -> Result<DirectoryChanges, IdentityError> {
        let records: Vec<_> =
            self.changed.iter().map(|key| (key.clone(), self.record(key))).collect();
        records.iter().filter_map(|(_, entity)| entity.as_ref()).try_for_each(|entity| {
            self.directory.missing_reference(entity).map_or(Ok(()), |(kind, name)| {
                Err(IdentityError::NoSuch { kind, name: name.to_owned() })
            })
        })?;
        let Self { before, mut directory, changed, keys, now: _ } = self;
        directory.index(&before, &changed);
        directory.weigh();
        // What is taken out makes room, also for who had too much before.
        if directory.weight_bytes() > before.weight_bytes() {
            within(directory.weight_bytes(), Quota::Account, directory.account().as_str())?;
        }
        Ok(DirectoryChanges { directory, records, keys })
    }

    /// When the change is made.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn account_id(&self) -> &AccountId {
        self.directory.account()
    }

    fn parts(&mut self) -> &mut DirectoryParts {
        &mut self.directory.parts
    }

    /// A boundary must be a policy that is there.
    pub fn check_boundary(&self, arn: Option<&str>) -> Edited {
        match arn {
            Some(arn) if self.managed_policy(arn).is_none() => {
                Err(missing(EntityKind::Boundary, arn))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A managed policy that is there, to be attached.
    pub fn check_attachable(&self, arn: &str) -> Edited {
        self.managed_policy(arn).map(drop).ok_or_else(|| missing(EntityKind::Policy, arn))
    }

    fn put(
        &mut self,
        kind: EntityKind,
        name: &str,
        write: impl FnOnce(&mut DirectoryParts, String),
    ) {
        let folded = fold(name);
        write(&mut self.directory.parts, folded.clone());
        self.changed.insert((kind, folded));
    }
}
