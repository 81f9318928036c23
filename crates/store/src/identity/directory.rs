//! All identities of one account at one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;

use super::managed;
use super::{KeyOwner, KeySummary};

/// All identities of one account at one moment: immutable, and the same for every engine.
///
/// Names are looked up in any case of letters and keep the spelling they were given.
#[derive(Clone, Debug)]
pub struct Directory {
    account: AccountId,
    pub(super) parts: DirectoryParts,
    user_names: HashMap<String, String>,
    role_names: HashMap<String, String>,
}

/// What a directory is made of, by folded name.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirectoryParts {
    pub(crate) users: BTreeMap<String, Arc<User>>,
    pub(crate) groups: BTreeMap<String, Arc<Group>>,
    pub(crate) roles: BTreeMap<String, Arc<Role>>,
    pub(crate) policies: BTreeMap<String, Arc<ManagedPolicy>>,
    pub(crate) profiles: BTreeMap<String, Arc<InstanceProfile>>,
    pub(crate) providers: BTreeMap<String, Arc<OidcProvider>>,
    /// By access key id.
    pub(crate) keys: BTreeMap<String, KeySummary>,
}

/// Kinds of identities and what belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// A user.
    User,
    /// A group of users.
    Group,
    /// A role.
    Role,
    /// A managed policy.
    Policy,
    /// An instance profile.
    InstanceProfile,
    /// An OIDC provider.
    OidcProvider,
    /// An access key.
    AccessKey,
    /// A policy within a user, group or role.
    InlinePolicy,
    /// A version of a managed policy.
    PolicyVersion,
    /// A permissions boundary.
    Boundary,
}

/// A kind and a folded name: which record.
pub(crate) type EntityKey = (EntityKind, String);

/// One record.
#[derive(Clone, Debug)]
pub(crate) enum Entity {
    User(Arc<User>),
    Group(Arc<Group>),
    Role(Arc<Role>),
    Policy(Arc<ManagedPolicy>),
    InstanceProfile(Arc<InstanceProfile>),
    OidcProvider(Arc<OidcProvider>),
}

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// As it was given.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// `AIDA…`: never given twice.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// At most 50.
    pub tags: Vec<Tag>,
    /// The ARN of the policy that bounds what it may do.
    pub boundary: Option<String>,
    /// Its own policies, by name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// The ARNs of the managed policies attached to it.
    pub attached: BTreeSet<String>,
    /// The folded names of its groups.
    pub groups: BTreeSet<String>,
}

/// A group of users.
#[derive(Clone, Debug)]
pub struct Group {
    /// As it was given.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// `AGPA…`: never given twice.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its own policies, by name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// The ARNs of the managed policies attached to it.
    pub attached: BTreeSet<String>,
}

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// As it was given.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// `AROA…`: never given twice.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it is for.
    pub description: Option<String>,
    /// The longest session, in seconds: 3600 to 43200.
    pub max_session_seconds: u32,
    /// Who may assume it.
    pub trust: BoundPolicy,
    /// At most 50.
    pub tags: Vec<Tag>,
    /// The ARN of the policy that bounds what it may do.
    pub boundary: Option<String>,
    /// Its own policies, by name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// The ARNs of the managed policies attached to it.
    pub attached: BTreeSet<String>,
}

/// A policy of its own, to be attached.
#[derive(Clone, Debug)]
pub struct ManagedPolicy {
    /// As it was given.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// `ANPA…`: never given twice.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a version was last made.
    pub updated_at: Timestamp,
    /// What it is for.
    pub description: Option<String>,
    /// At most 50.
    pub tags: Vec<Tag>,
    /// One to five, by number; numbers are never given twice.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the version that counts.
    pub default_version: u32,
    /// The number that the next version gets.
    pub next_version: u32,
}

/// A version of a managed policy.
#[derive(Clone, Debug)]
pub struct PolicyVersion {
    /// When it was made.
    pub created_at: Timestamp,
    /// What it says.
    pub document: Arc<Policy>,
}

/// What carries a role to a program.
#[derive(Clone, Debug)]
pub struct InstanceProfile {
    /// As it was given.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// `AIPA…`: never given twice.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The folded name of its role.
    pub role: Option<String>,
    /// At most 50.
    pub tags: Vec<Tag>,
}

/// Somebody whose tokens roles may trust.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// Without its `https://`.
    pub url: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The audiences that its tokens may be for.
    pub client_ids: Vec<String>,
    /// Of its certificate; kept and not used, as AWS does for well-known authorities.
    pub thumbprints: Vec<String>,
    /// At most 50.
    pub tags: Vec<Tag>,
}

/// A name and a value that somebody attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Unique among the tags of one thing.
    pub key: String,
    /// May be empty.
    pub value: String,
}

/// The policy of a resource or of a role's trust: as it was given, and with the ARNs of users and
/// roles replaced by their ids, which is what is evaluated: one that was deleted and made anew is
/// another.
#[derive(Clone, Debug)]
pub struct BoundPolicy {
    /// As it was given.
    pub document: Arc<Policy>,
    /// As it is evaluated.
    pub bound: Arc<Policy>,
}

impl PartialEq for BoundPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.document.text() == other.document.text() && self.bound.text() == other.bound.text()
    }
}

impl Eq for BoundPolicy {}

/// A policy as it applies to somebody.
#[derive(Clone, Debug)]
pub struct AttachedPolicy {
    /// The ARN of a managed one, the name of an inline one.
    pub name: String,
    /// What it says.
    pub policy: Arc<Policy>,
}

impl Directory {
    pub(crate) fn new(account: AccountId, parts: DirectoryParts) -> Self {
        let user_names =
            parts.users.iter().map(|(name, user)| (user.id.clone(), name.clone())).collect();
        let role_names =
            parts.roles.iter().map(|(name, role)| (role.id.clone(), name.clone())).collect();
        Self { account, parts, user_names, role_names }
    }

    /// Whose identities these are.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.parts.users.get(&fold(name))
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
        self.parts.groups.get(&fold(name))
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.parts.groups.values()
    }

    /// The groups of a user, by name.
    pub fn groups_of(&self, user: &User) -> Vec<&Arc<Group>> {
        user.groups.iter().filter_map(|name| self.parts.groups.get(name)).collect()
    }

    /// The users in a group, by name.
    pub fn members(&self, group: &Group) -> Vec<&Arc<User>> {
        let name = fold(&group.name);
        self.users().filter(|user| user.groups.contains(&name)).collect()
    }

    /// The role of that name.
    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.parts.roles.get(&fold(name))
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
        self.parts.policies.get(&fold(name)).filter(|policy| policy.arn == arn).cloned()
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
        let policy = managed::find(managed::ADMINISTRATOR)?;
        let version = policy.versions.get(&policy.default_version)?;
        Some(AttachedPolicy { name: policy.arn.clone(), policy: Arc::clone(&version.document) })
    }

    /// The instance profile of that name.
    pub fn instance_profile(&self, name: &str) -> Option<&Arc<InstanceProfile>> {
        self.parts.profiles.get(&fold(name))
    }

    /// All instance profiles, by name.
    pub fn instance_profiles(&self) -> impl Iterator<Item = &Arc<InstanceProfile>> {
        self.parts.profiles.values()
    }

    /// The OIDC provider of that URL, without its scheme.
    pub fn oidc_provider(&self, url: &str) -> Option<&Arc<OidcProvider>> {
        self.parts.providers.get(&fold(url))
    }

    /// All OIDC providers, by URL.
    pub fn oidc_providers(&self) -> impl Iterator<Item = &Arc<OidcProvider>> {
        self.parts.providers.values()
    }

    /// All access keys of the account, by id.
    pub fn keys(&self) -> impl Iterator<Item = &KeySummary> {
        self.parts.keys.values()
    }

    /// The access keys of a user, by age.
    pub fn keys_of(&self, user: &User) -> Vec<&KeySummary> {
        let owned = |key: &&KeySummary| match &key.owner {
            KeyOwner::User { id } => *id == user.id,
            KeyOwner::Root => false,
        };
        let mut keys: Vec<_> = self.keys().filter(owned).collect();
        keys.sort_by_key(|key| key.created_at);
        keys
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

    fn given(
        &self,
        inline: &BTreeMap<String, Arc<Policy>>,
        attached: &BTreeSet<String>,
    ) -> Vec<AttachedPolicy> {
        let inline = inline.iter().map(|(name, policy)| AttachedPolicy {
            name: name.clone(),
            policy: Arc::clone(policy),
        });
        inline.chain(attached.iter().filter_map(|arn| self.attached(arn))).collect()
    }

    fn attached(&self, arn: &str) -> Option<AttachedPolicy> {
        let policy = self.managed_policy(arn)?;
        let version = policy.versions.get(&policy.default_version)?;
        Some(AttachedPolicy { name: arn.to_owned(), policy: Arc::clone(&version.document) })
    }

    /// How much memory it takes, in bytes, about.
    pub(crate) fn weight_bytes(&self) -> usize {
        const ENTITY_BYTES: usize = 1024;
        let DirectoryParts { users, groups, roles, policies, profiles, providers, keys } =
            &self.parts;
        let texts = |inline: &BTreeMap<String, Arc<Policy>>| -> usize {
            inline.values().map(|policy| policy.text().len().saturating_mul(4)).sum()
        };
        let count = users.len() + groups.len() + roles.len() + policies.len();
        let count = count + profiles.len() + providers.len() + keys.len();
        let of_users: usize = users.values().map(|user| texts(&user.inline)).sum();
        let of_groups: usize = groups.values().map(|group| texts(&group.inline)).sum();
        let of_roles: usize = roles.values().map(|role| texts(&role.inline) + 4096).sum();
        let of_policies: usize = policies.values().map(|policy| policy.versions.len() * 8192).sum();
        count.saturating_mul(ENTITY_BYTES) + of_users + of_groups + of_roles + of_policies + 1024
    }
}

/// A name as it is compared: IAM's names are ASCII.
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}
