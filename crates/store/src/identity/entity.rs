//! What identities are, each by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam::Policy;
use jiff::Timestamp;

/// Kinds of identities and what belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// A user of an account.
    User,
    /// A group of users.
    Group,
    /// A role of an account.
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

/// The record of one identity or policy.
#[derive(Clone, Debug)]
pub(crate) enum Entity {
    User(Arc<User>),
    Group(Arc<Group>),
    Role(Arc<Role>),
    Policy(Arc<ManagedPolicy>),
    InstanceProfile(Arc<InstanceProfile>),
    OidcProvider(Arc<OidcProvider>),
}

impl Entity {
    /// The id by which keys and sessions name it: of users and roles.
    pub(crate) fn signer_id(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(&user.id),
            Self::Role(role) => Some(&role.id),
            Self::Group(_) | Self::Policy(_) | Self::InstanceProfile(_) | Self::OidcProvider(_) => {
                None
            }
        }
    }
}

/// A user: somebody, or a program, with access keys of its own.
#[derive(Clone, Debug)]
pub struct User {
    /// The name, in the spelling in which it was given.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// An id that is never given twice, `AIDA…`: a user deleted and made anew has another.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// At most 50 tags.
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

/// A group: users who are given the same policies.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name, in the spelling in which it was given.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// An id that is never given twice, `AGPA…`.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its own policies, by name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// The ARNs of the managed policies attached to it.
    pub attached: BTreeSet<String>,
}

/// A role: what others become for the time of a session.
#[derive(Clone, Debug)]
pub struct Role {
    /// The name, in the spelling in which it was given.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// An id that is never given twice, `AROA…`: a role deleted and made anew has another.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What its maker said that it is for.
    pub description: Option<String>,
    /// The longest session, in seconds: 3600 to 43200.
    pub max_session_seconds: u32,
    /// The trust policy: who may assume the role.
    pub trust: BoundPolicy,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
    /// The ARN of the policy that bounds what it may do.
    pub boundary: Option<String>,
    /// Its own policies, by name.
    pub inline: BTreeMap<String, Arc<Policy>>,
    /// The ARNs of the managed policies attached to it.
    pub attached: BTreeSet<String>,
}

/// A managed policy: it stands by itself and is attached to users, groups and roles by its ARN.
#[derive(Clone, Debug)]
pub struct ManagedPolicy {
    /// The name, in the spelling in which it was given.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// An id that is never given twice, `ANPA…`.
    pub id: String,
    /// The ARN that attachments name.
    pub arn: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a version was last made.
    pub updated_at: Timestamp,
    /// What its maker said that it is for.
    pub description: Option<String>,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
    /// One to five, by number; numbers are never given twice.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the version that counts.
    pub default_version: u32,
    /// What that version says: it alone is compiled.
    pub document: Arc<Policy>,
    /// The number that the next version gets.
    pub next_version: u32,
}

/// A version of a managed policy.
#[derive(Clone, Debug)]
pub struct PolicyVersion {
    /// When it was made.
    pub created_at: Timestamp,
    /// What it says. It was read when it was made, and is read again when it is to count.
    pub text: Arc<str>,
}

/// An instance profile: what carries a role to the programs of a machine.
#[derive(Clone, Debug)]
pub struct InstanceProfile {
    /// The name, in the spelling in which it was given.
    pub name: String,
    /// The path of the name: `/`, or `/…/` as in `/team/blue/`.
    pub path: String,
    /// An id that is never given twice, `AIPA…`.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The folded name of its role.
    pub role: Option<String>,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
}

/// An OIDC provider: an issuer whose tokens roles may trust.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// The URL of the issuer, without its `https://`.
    pub url: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The audiences that its tokens may be for.
    pub client_ids: Vec<String>,
    /// Thumbprints of its certificate; kept and not used, as AWS does for well-known authorities.
    pub thumbprints: Vec<String>,
    /// At most 50 tags.
    pub tags: Vec<Tag>,
}

/// A name and a value that somebody attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The name, unique among the tags of one thing.
    pub key: String,
    /// The value, which may be empty.
    pub value: String,
}

/// A policy as it applies to somebody.
#[derive(Clone, Debug)]
pub struct AttachedPolicy {
    /// The ARN of a managed one, the name of an inline one.
    pub name: Arc<str>,
    /// The policy that is evaluated.
    pub policy: Arc<Policy>,
}

impl AttachedPolicy {
    pub(crate) fn of(policy: &ManagedPolicy) -> Self {
        Self { name: policy.arn.as_str().into(), policy: Arc::clone(&policy.document) }
    }
}

/// The policy of a resource or of a role's trust: as it was given, and with the ARNs of users and
/// roles replaced by their ids, which is what is evaluated: one that was deleted and made anew is
/// another.
#[derive(Clone, Debug)]
pub struct BoundPolicy {
    /// The policy as it was given, to be shown again.
    pub document: Arc<Policy>,
    /// The policy as it is evaluated, with ids in the place of ARNs.
    pub bound: Arc<Policy>,
}

impl BoundPolicy {
    /// How much memory it takes, in bytes, about: two policies, where what was given is not what is
    /// evaluated.
    pub fn weight_bytes(&self) -> usize {
        let Self { document, bound } = self;
        let other = if Arc::ptr_eq(document, bound) { 0 } else { bound.weight_bytes() };
        document.weight_bytes().saturating_add(other)
    }
}

impl PartialEq for BoundPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.document.text() == other.document.text() && self.bound.text() == other.bound.text()
    }
}

impl Eq for BoundPolicy {}
