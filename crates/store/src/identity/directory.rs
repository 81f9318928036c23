//! All identities of one account at one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use iam::{AccountId, Policy};

use super::{
    AttachedPolicy, Entity, EntityKey, EntityKind, Group, InstanceProfile, KeyOwner, KeySummary,
    ManagedPolicy, OidcProvider, Role, User,
};
use super::{managed, weight};

/// All identities of one account at one moment: immutable, and the same for every engine.
///
/// Names are looked up in any case of letters and keep the spelling they were given.
#[derive(Clone, Debug)]
pub struct Directory {
    account: AccountId,
    pub(super) parts: DirectoryParts,
    user_names: Names,
    role_names: Names,
    weight_bytes: usize,
}

/// Identities of one kind, by folded name. What a change does not touch is shared with what was before.
pub(crate) type Entities<T> = Arc<BTreeMap<Arc<str>, Arc<T>>>;

/// The folded name of each user or role, by id.
type Names = Arc<HashMap<Arc<str>, Arc<str>>>;

/// What a directory is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirectoryParts {
    pub(crate) users: Entities<User>,
    pub(crate) groups: Entities<Group>,
    pub(crate) roles: Entities<Role>,
    pub(crate) policies: Entities<ManagedPolicy>,
    pub(crate) profiles: Entities<InstanceProfile>,
    pub(crate) providers: Entities<OidcProvider>,
    /// The access keys of the account, by their ids.
    pub(crate) keys: Entities<KeySummary>,
}

/// How many identities have each managed policy.
#[derive(Debug, Default)]
pub struct PolicyUses<'d> {
    attached: HashMap<&'d str, usize>,
    bounding: HashMap<&'d str, usize>,
}

impl PolicyUses<'_> {
    /// How many users, groups and roles it is attached to.
    pub fn attachments(&self, arn: &str) -> usize {
        self.attached.get(arn).copied().unwrap_or_default()
    }

    /// How many users and roles it bounds.
    pub fn bounded(&self, arn: &str) -> usize {
        self.bounding.get(arn).copied().unwrap_or_default()
    }
}

impl Directory {
    pub(crate) fn new(account: AccountId, parts: DirectoryParts) -> Self {
        let id = |id: &str, name: &Arc<str>| (Arc::from(id), Arc::clone(name));
        let user_names = parts.users.iter().map(|(name, user)| id(&user.id, name)).collect();
        let role_names = parts.roles.iter().map(|(name, role)| id(&role.id, name)).collect();
        let (user_names, role_names) = (Arc::new(user_names), Arc::new(role_names));
        let weight_bytes = weight::of_parts(&parts);
        Self { account, parts, user_names, role_names, weight_bytes }
    }

    /// The same with another key of that id, or without one.
    #[cfg(test)]
    pub(crate) fn with_key(&self, id: &str, key: Option<KeySummary>) -> Self {
        let mut parts = self.parts.clone();
        let keys = Arc::make_mut(&mut parts.keys);
        match key {
            Some(key) => drop(keys.insert(id.into(), Arc::new(key))),
            None => drop(keys.remove(id)),
        }
        Self::new(self.account.clone(), parts)
    }

    /// Finds users and roles by id again after some were changed: `before` is what was then.
    pub(super) fn index(&mut self, before: &Self, changed: &BTreeSet<EntityKey>) {
        let of = |kind| move |key: &&EntityKey| key.0 == kind;
        for (_, name) in changed.iter().filter(of(EntityKind::User)) {
            if let Some(user) = before.parts.users.get(name.as_str()) {
                Arc::make_mut(&mut self.user_names).remove(user.id.as_str());
            }
        }
        for (_, name) in changed.iter().filter(of(EntityKind::User)) {
            if let Some((name, user)) = self.parts.users.get_key_value(name.as_str()) {
                let names = Arc::make_mut(&mut self.user_names);
                names.insert(user.id.as_str().into(), Arc::clone(name));
            }
        }
        // A role never changes its name.
        for (_, name) in changed.iter().filter(of(EntityKind::Role)) {
            if let Some(role) = before.parts.roles.get(name.as_str()) {
                Arc::make_mut(&mut self.role_names).remove(role.id.as_str());
            }
            if let Some((name, role)) = self.parts.roles.get_key_value(name.as_str()) {
                let names = Arc::make_mut(&mut self.role_names);
                names.insert(role.id.as_str().into(), Arc::clone(name));
            }
        }
    }

    /// The account that has these identities.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.parts.users.get(fold(name).as_str())
    }

    /// The user of that id.
    pub fn user_by_id(&self, id: &str) -> Option<&Arc<User>> {
        self.parts.users.get(self.user_names.get(id)?)
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.parts.users.values()
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&Arc<Group>> {
        self.parts.groups.get(fold(name).as_str())
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.parts.groups.values()
    }

    /// The groups of a user, by name.
    pub fn groups_of(&self, user: &User) -> Vec<&Arc<Group>> {
        user.groups.iter().filter_map(|name| self.parts.groups.get(name.as_str())).collect()
    }

    /// The users in a group, by name.
    pub fn members(&self, group: &Group) -> Vec<&Arc<User>> {
        let name = fold(&group.name);
        self.users().filter(|user| user.groups.contains(&name)).collect()
    }

    /// The role of that name.
    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.parts.roles.get(fold(name).as_str())
    }

    /// The role of that id.
    pub fn role_by_id(&self, id: &str) -> Option<&Arc<Role>> {
        self.parts.roles.get(self.role_names.get(id)?)
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.parts.roles.values()
    }

    /// The managed policy of that ARN: the account's own, or one of those that come with AWS.
    pub fn managed_policy(&self, arn: &str) -> Option<Arc<ManagedPolicy>> {
        if arn.starts_with(managed::ARN_PREFIX) {
            return managed::find(arn);
        }
        let name = arn.rsplit('/').next().unwrap_or_default();
        self.parts.policies.get(fold(name).as_str()).filter(|policy| policy.arn == arn).cloned()
    }

    /// The account's own managed policies, by name.
    pub fn managed_policies(&self) -> impl Iterator<Item = &Arc<ManagedPolicy>> {
        self.parts.policies.values()
    }

    /// The managed policies that come with AWS.
    pub fn aws_managed_policies() -> &'static [Arc<ManagedPolicy>] {
        managed::all()
    }

    /// The policy that allows everything.
    pub fn administrator() -> Option<AttachedPolicy> {
        managed::attached(managed::ADMINISTRATOR)
    }

    /// The instance profile of that name.
    pub fn instance_profile(&self, name: &str) -> Option<&Arc<InstanceProfile>> {
        self.parts.profiles.get(fold(name).as_str())
    }

    /// All instance profiles, by name.
    pub fn instance_profiles(&self) -> impl Iterator<Item = &Arc<InstanceProfile>> {
        self.parts.profiles.values()
    }

    /// The OIDC provider of that URL, without its scheme.
    pub fn oidc_provider(&self, url: &str) -> Option<&Arc<OidcProvider>> {
        self.parts.providers.get(fold(url).as_str())
    }

    /// All OIDC providers, by URL.
    pub fn oidc_providers(&self) -> impl Iterator<Item = &Arc<OidcProvider>> {
        self.parts.providers.values()
    }

    /// All access keys of the account, by id.
    pub fn keys(&self) -> impl Iterator<Item = &KeySummary> {
        self.parts.keys.values().map(|key| &**key)
    }

    /// The access keys of a user, by age.
    pub fn keys_of(&self, user: &User) -> Vec<&KeySummary> {
        let owned = |key: &&KeySummary| match &key.owner {
            KeyOwner::User { id } => *id == user.id,
            KeyOwner::Root | KeyOwner::Role { .. } => false,
        };
        let mut keys: Vec<_> = self.keys().filter(owned).collect();
        keys.sort_by_key(|key| key.created_at);
        keys
    }

    /// The key that the server signs with as a role, if that has one.
    pub fn key_of_role(&self, role: &Role) -> Option<&KeySummary> {
        self.keys().find(|key| matches!(&key.owner, KeyOwner::Role { id } if *id == role.id))
    }

    /// Every policy that gives a user something: its own, the attached ones, those of its groups.
    pub fn policies_of_user(&self, user: &User) -> Vec<AttachedPolicy> {
        let mut policies = self.given(&user.inline, &user.attached);
        for group in self.groups_of(user) {
            policies.extend(self.given(&group.inline, &group.attached));
        }
        policies
    }

    /// Every policy that gives a role something.
    pub fn policies_of_role(&self, role: &Role) -> Vec<AttachedPolicy> {
        self.given(&role.inline, &role.attached)
    }

    /// Every policy that gives a group something.
    pub fn policies_of_group(&self, group: &Group) -> Vec<AttachedPolicy> {
        self.given(&group.inline, &group.attached)
    }

    /// The policy that bounds a user or role; a boundary whose policy is gone cannot be: a policy
    /// that bounds somebody is not deleted.
    pub fn boundary(&self, arn: Option<&str>) -> Option<AttachedPolicy> {
        self.attached(arn?)
    }

    /// How much every managed policy is used, counted once for whoever shows many of them.
    pub fn policy_uses(&self) -> PolicyUses<'_> {
        let users = self.users().map(|user| (&user.attached, user.boundary.as_deref()));
        let groups = self.groups().map(|group| (&group.attached, None));
        let roles = self.roles().map(|role| (&role.attached, role.boundary.as_deref()));
        let mut uses = PolicyUses::default();
        for (attached, boundary) in users.chain(groups).chain(roles) {
            for arn in attached {
                *uses.attached.entry(arn.as_str()).or_default() += 1;
            }
            if let Some(arn) = boundary {
                *uses.bounding.entry(arn).or_default() += 1;
            }
        }
        uses
    }

    /// How many users, groups and roles a managed policy is attached to.
    pub fn attachments(&self, arn: &str) -> usize {
        let users = self.users().filter(|user| user.attached.contains(arn)).count();
        let groups = self.groups().filter(|group| group.attached.contains(arn)).count();
        users + groups + self.roles().filter(|role| role.attached.contains(arn)).count()
    }

    /// How many users and roles a managed policy bounds.
    pub fn bounded(&self, arn: &str) -> usize {
        let users = self.users().filter(|user| user.boundary.as_deref() == Some(arn)).count();
        users + self.roles().filter(|role| role.boundary.as_deref() == Some(arn)).count()
    }

    /// Whether there is nobody and nothing, keys of the root aside.
    pub fn is_empty(&self) -> bool {
        let DirectoryParts { users, groups, roles, policies, profiles, providers, keys: _ } =
            &self.parts;
        users.is_empty()
            && groups.is_empty()
            && roles.is_empty()
            && policies.is_empty()
            && profiles.is_empty()
            && providers.is_empty()
    }

    /// Something that an identity names and that is not there.
    pub(crate) fn missing_reference<'e>(
        &self,
        entity: &'e Entity,
    ) -> Option<(EntityKind, &'e str)> {
        let (attached, boundary, groups, role) = match entity {
            Entity::User(user) => (Some(&user.attached), &user.boundary, Some(&user.groups), &None),
            Entity::Group(group) => (Some(&group.attached), &None, None, &None),
            Entity::Role(role) => (Some(&role.attached), &role.boundary, None, &None),
            Entity::InstanceProfile(profile) => (None, &None, None, &profile.role),
            Entity::Policy(policy) => {
                let is_whole = policy.versions.contains_key(&policy.default_version);
                return (!is_whole).then_some((EntityKind::PolicyVersion, policy.arn.as_str()));
            }
            Entity::OidcProvider(_) => return None,
        };
        let attached = attached.into_iter().flatten();
        let attached = attached.map(|arn| (EntityKind::Policy, arn));
        let boundary = boundary.iter().map(|arn| (EntityKind::Boundary, arn));
        let groups = groups.into_iter().flatten().map(|name| (EntityKind::Group, name));
        let role = role.iter().map(|name| (EntityKind::Role, name));
        let mut named = attached.chain(boundary).chain(groups).chain(role);
        let missing = named.find(|(kind, name)| !match kind {
            EntityKind::Group => self.parts.groups.contains_key(name.as_str()),
            EntityKind::Role => self.parts.roles.contains_key(name.as_str()),
            EntityKind::Policy | EntityKind::Boundary => self.attached(name).is_some(),
            EntityKind::User
            | EntityKind::InstanceProfile
            | EntityKind::OidcProvider
            | EntityKind::AccessKey
            | EntityKind::InlinePolicy
            | EntityKind::PolicyVersion => false,
        });
        missing.map(|(kind, name)| (kind, name.as_str()))
    }

    /// Whether everything that is named is there.
    pub(crate) fn is_whole(&self) -> bool {
        let DirectoryParts { users, groups, roles, policies, profiles, providers: _, keys: _ } =
            &self.parts;
        let users = users.values().cloned().map(Entity::User);
        let groups = groups.values().cloned().map(Entity::Group);
        let roles = roles.values().cloned().map(Entity::Role);
        let policies = policies.values().cloned().map(Entity::Policy);
        let profiles = profiles.values().cloned().map(Entity::InstanceProfile);
        let mut all = users.chain(groups).chain(roles).chain(policies).chain(profiles);
        all.all(|entity| self.missing_reference(&entity).is_none())
    }

    fn given(
        &self,
        inline: &BTreeMap<String, Arc<Policy>>,
        attached: &BTreeSet<String>,
    ) -> Vec<AttachedPolicy> {
        let inline = inline.iter().map(|(name, policy)| AttachedPolicy {
            name: name.as_str().into(),
            policy: Arc::clone(policy),
        });
        inline.chain(attached.iter().filter_map(|arn| self.attached(arn))).collect()
    }

    fn attached(&self, arn: &str) -> Option<AttachedPolicy> {
        self.managed_policy(arn).map(|policy| AttachedPolicy::of(&policy))
    }

    /// How much memory it takes, in bytes, about.
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Weighs it anew after something was put in or taken out.
    pub(super) fn weigh(&mut self) {
        self.weight_bytes = weight::of_parts(&self.parts);
    }
}

/// A name as it is compared: IAM's names are ASCII.
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}
