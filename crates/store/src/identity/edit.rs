//! Changes of identities: what each means, and why one is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;

use super::directory::fold;
use super::key::unique_id;
use super::{
    AccessKey, BoundPolicy, Directory, DirectoryParts, Entity, EntityKey, EntityKind, GivenKey,
    Group, InstanceProfile, KeyOwner, KeyStatus, KeySummary, ManagedPolicy, OidcProvider,
    PolicyVersion, Role, Tag, User,
};

/// How much of something one account, or one of its identities, may have: AWS's own defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Users of an account.
    Users,
    /// Groups of an account.
    Groups,
    /// Roles of an account.
    Roles,
    /// Managed policies of an account.
    Policies,
    /// Instance profiles of an account.
    InstanceProfiles,
    /// OIDC providers of an account.
    OidcProviders,
    /// Access keys of a user.
    AccessKeys,
    /// Groups of a user.
    GroupsOfUser,
    /// Managed policies attached to one user, group or role.
    AttachedPolicies,
    /// Versions of a managed policy.
    PolicyVersions,
    /// Bytes of all inline policies of a user, white space not counted.
    InlineOfUser,
    /// Bytes of all inline policies of a group.
    InlineOfGroup,
    /// Bytes of all inline policies of a role.
    InlineOfRole,
    /// Bytes of a managed policy.
    ManagedPolicy,
    /// Bytes of a trust policy: AWS's default is half of it.
    TrustPolicy,
    /// Tags of one thing.
    Tags,
}

impl Quota {
    /// The limit.
    pub fn max(self) -> usize {
        match self {
            Self::Users => 5000,
            Self::Groups => 300,
            Self::Roles | Self::InstanceProfiles => 1000,
            Self::Policies => 1500,
            Self::OidcProviders => 100,
            Self::AccessKeys => 2,
            Self::GroupsOfUser | Self::AttachedPolicies => 10,
            Self::PolicyVersions => 5,
            Self::InlineOfUser => 2048,
            Self::InlineOfGroup => 5120,
            Self::InlineOfRole => 10_240,
            Self::ManagedPolicy => 6144,
            Self::TrustPolicy => 4096,
            Self::Tags => 50,
        }
    }
}

/// What must go before something can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Policies within it.
    InlinePolicies,
    /// Managed policies attached to it.
    AttachedPolicies,
    /// Access keys.
    AccessKeys,
    /// It is in groups.
    Groups,
    /// Users are in it.
    Members,
    /// Instance profiles carry it, or it carries a role.
    InstanceProfiles,
    /// It is attached to somebody.
    Attachments,
    /// It has versions beside the one that counts.
    Versions,
    /// It is the version that counts.
    DefaultVersion,
}

/// Why a change of identities was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is none.
    #[error("no such {kind:?}: {name}")]
    NoSuch {
        /// What kind of thing.
        kind: EntityKind,
        /// As it was named.
        name: String,
    },
    /// There is one already.
    #[error("{kind:?} exists: {name}")]
    Exists {
        /// What kind of thing.
        kind: EntityKind,
        /// As it was named.
        name: String,
    },
    /// Something must go first.
    #[error("{hindrance:?} must go first")]
    InTheWay {
        /// What.
        hindrance: Hindrance,
    },
    /// It would be too much.
    #[error("over the quota of {quota:?}")]
    OverQuota {
        /// Of what.
        quota: Quota,
        /// Whose, or which: as it was named.
        name: String,
    },
    /// It comes with AWS and cannot be changed.
    #[error("{arn} cannot be changed")]
    Unmodifiable {
        /// Which policy.
        arn: String,
    },
    /// The system gave no random bytes.
    #[error("no random bytes")]
    NoRandomness,
}

/// A role to make.
#[derive(Debug)]
pub struct NewRole {
    /// Its name.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// What it is for.
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session_seconds: u32,
    /// Who may assume it.
    pub trust: BoundPolicy,
    /// The ARN of the policy that bounds it.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A managed policy to make.
#[derive(Debug)]
pub struct NewManagedPolicy {
    /// Its name.
    pub name: String,
    /// `/` or `/…/`.
    pub path: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it says.
    pub document: Arc<Policy>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// An OIDC provider to make.
#[derive(Debug)]
pub struct NewOidcProvider {
    /// Without its `https://`.
    pub url: String,
    /// The audiences that its tokens may be for.
    pub client_ids: Vec<String>,
    /// Of its certificate.
    pub thumbprints: Vec<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A change, as the engine runs it within its transaction.
pub(crate) type IdentityChange =
    Box<dyn FnOnce(&mut DirectoryEdit) -> Result<(), IdentityError> + Send>;

/// A key that a change makes, sets or removes.
#[derive(Debug)]
pub(crate) enum KeyChange {
    Put(AccessKey),
    /// One that was made elsewhere, and may be there already.
    PutGiven(AccessKey),
    SetStatus(String, KeyStatus),
    Delete(String),
}

/// What came of a change: the records to write, and the directory as it is then.
#[derive(Debug)]
pub(crate) struct DirectoryChanges {
    pub(crate) directory: Directory,
    /// `None`: the record goes.
    pub(crate) records: Vec<(EntityKey, Option<Entity>)>,
    pub(crate) keys: Vec<KeyChange>,
}

/// The identities of an account while they are being changed. It reads as the [`Directory`] that it
/// is about to be.
#[derive(Debug)]
pub struct DirectoryEdit {
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

type Edited<T = ()> = Result<T, IdentityError>;

fn free<T>(taken: Option<&T>, kind: EntityKind, name: &str) -> Edited {
    match taken {
        Some(_) => Err(IdentityError::Exists { kind, name: name.to_owned() }),
        None => Ok(()),
    }
}

fn missing(kind: EntityKind, name: &str) -> IdentityError {
    IdentityError::NoSuch { kind, name: name.to_owned() }
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

fn bytes_of<'p>(policies: impl IntoIterator<Item = &'p Arc<Policy>>) -> usize {
    let counted = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
    policies.into_iter().map(|policy| counted(policy.text())).sum()
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
                    let found = self.directory.parts.$map.get(&folded);
                    let mut entity = $type::clone(found.ok_or_else(|| missing(EntityKind::$kind, name))?);
                    let outcome = change(&mut entity)?;
                    $check(&entity)?;
                    self.directory.parts.$map.insert(folded.clone(), Arc::new(entity));
                    self.changed.insert((EntityKind::$kind, folded));
                    Ok(outcome)
                }
            )*

            fn record(&self, (kind, name): &EntityKey) -> Option<Entity> {
                match kind {
                    $(EntityKind::$kind => {
                        self.directory.parts.$map.get(name).cloned().map(Entity::$kind)
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
    within(bytes_of(user.inline.values()), Quota::InlineOfUser, &user.name)?;
    within(user.attached.len(), Quota::AttachedPolicies, &user.name)?;
    within(user.groups.len(), Quota::GroupsOfUser, &user.name)?;
    within(user.tags.len(), Quota::Tags, &user.name)
}

fn check_group(group: &Group) -> Edited {
    within(bytes_of(group.inline.values()), Quota::InlineOfGroup, &group.name)?;
    within(group.attached.len(), Quota::AttachedPolicies, &group.name)
}

fn check_role(role: &Role) -> Edited {
    within(bytes_of([&role.trust.document]), Quota::TrustPolicy, &role.name)?;
    within(bytes_of(role.inline.values()), Quota::InlineOfRole, &role.name)?;
    within(role.attached.len(), Quota::AttachedPolicies, &role.name)?;
    within(role.tags.len(), Quota::Tags, &role.name)
}

fn check_policy(policy: &ManagedPolicy) -> Edited {
    for version in policy.versions.values() {
        within(bytes_of([&version.document]), Quota::ManagedPolicy, &policy.name)?;
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
        Self { directory: directory.clone(), changed: BTreeSet::new(), keys: Vec::new(), now }
    }

    pub(crate) fn finish(self) -> DirectoryChanges {
        let records = self.changed.iter().map(|key| (key.clone(), self.record(key))).collect();
        let Self { directory, keys, .. } = self;
        let account = directory.account().clone();
        // Its indexes are made anew.
        let directory = Directory::new(account, directory.parts);
        DirectoryChanges { directory, records, keys }
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

    /// Makes a user.
    pub fn create_user(
        &mut self,
        name: &str,
        path: &str,
        boundary: Option<String>,
        tags: Vec<Tag>,
    ) -> Result<Arc<User>, IdentityError> {
        free(self.user(name), EntityKind::User, name)?;
        within(self.parts().users.len() + 1, Quota::Users, name)?;
        self.check_boundary(boundary.as_deref())?;
        let user = User {
            name: name.to_owned(),
            path: path.to_owned(),
            id: id::<17>("AIDA")?,
            created_at: self.now,
            tags,
            boundary,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            groups: BTreeSet::new(),
        };
        check_user(&user)?;
        let user = Arc::new(user);
        self.put(EntityKind::User, name, |parts, folded| {
            parts.users.insert(folded, Arc::clone(&user));
        });
        Ok(user)
    }

    /// Gives a user another name or path; it stays the same user.
    pub fn rename_user(
        &mut self,
        name: &str,
        new_name: Option<&str>,
        path: Option<&str>,
    ) -> Edited {
        let found = self.user(name).ok_or_else(|| missing(EntityKind::User, name))?;
        let mut user = User::clone(found);
        if let Some(path) = path {
            path.clone_into(&mut user.path);
        }
        let new_name = new_name.unwrap_or(&user.name).to_owned();
        if fold(&new_name) != fold(name) {
            free(self.user(&new_name), EntityKind::User, &new_name)?;
        }
        user.name.clone_from(&new_name);
        let old = fold(name);
        self.parts().users.remove(&old);
        self.changed.insert((EntityKind::User, old));
        let user = Arc::new(user);
        self.put(EntityKind::User, &new_name, |parts, folded| {
            parts.users.insert(folded, user);
        });
        Ok(())
    }

    /// Removes a user that holds nothing any more.
    pub fn delete_user(&mut self, name: &str) -> Edited {
        let user = Arc::clone(self.user(name).ok_or_else(|| missing(EntityKind::User, name))?);
        in_the_way(!self.keys_of(&user).is_empty(), Hindrance::AccessKeys)?;
        in_the_way(!user.inline.is_empty(), Hindrance::InlinePolicies)?;
        in_the_way(!user.attached.is_empty(), Hindrance::AttachedPolicies)?;
        in_the_way(!user.groups.is_empty(), Hindrance::Groups)?;
        self.put(EntityKind::User, name, |parts, folded| {
            parts.users.remove(&folded);
        });
        Ok(())
    }

    /// Makes a group.
    pub fn create_group(&mut self, name: &str, path: &str) -> Result<Arc<Group>, IdentityError> {
        free(self.group(name), EntityKind::Group, name)?;
        within(self.parts().groups.len() + 1, Quota::Groups, name)?;
        let group = Arc::new(Group {
            name: name.to_owned(),
            path: path.to_owned(),
            id: id::<17>("AGPA")?,
            created_at: self.now,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
        });
        self.put(EntityKind::Group, name, |parts, folded| {
            parts.groups.insert(folded, Arc::clone(&group));
        });
        Ok(group)
    }

    /// Gives a group another name or path; its members stay in it.
    pub fn rename_group(
        &mut self,
        name: &str,
        new_name: Option<&str>,
        path: Option<&str>,
    ) -> Edited {
        let found = self.group(name).ok_or_else(|| missing(EntityKind::Group, name))?;
        let mut group = Group::clone(found);
        if let Some(path) = path {
            path.clone_into(&mut group.path);
        }
        let new_name = new_name.unwrap_or(&group.name).to_owned();
        let (old, new) = (fold(name), fold(&new_name));
        if old != new {
            free(self.group(&new_name), EntityKind::Group, &new_name)?;
            let members: Vec<String> =
                self.members(&group).iter().map(|user| user.name.clone()).collect();
            for member in members {
                self.change_user(&member, |user| {
                    user.groups.remove(&old);
                    user.groups.insert(new.clone());
                    Ok(())
                })?;
            }
        }
        group.name.clone_from(&new_name);
        self.parts().groups.remove(&old);
        self.changed.insert((EntityKind::Group, old));
        let group = Arc::new(group);
        self.put(EntityKind::Group, &new_name, |parts, folded| {
            parts.groups.insert(folded, group);
        });
        Ok(())
    }

    /// Removes a group that holds nothing any more.
    pub fn delete_group(&mut self, name: &str) -> Edited {
        let group = Arc::clone(self.group(name).ok_or_else(|| missing(EntityKind::Group, name))?);
        in_the_way(!self.members(&group).is_empty(), Hindrance::Members)?;
        in_the_way(!group.inline.is_empty(), Hindrance::InlinePolicies)?;
        in_the_way(!group.attached.is_empty(), Hindrance::AttachedPolicies)?;
        self.put(EntityKind::Group, name, |parts, folded| {
            parts.groups.remove(&folded);
        });
        Ok(())
    }

    /// Puts a user into a group; no matter if it is in it.
    pub fn add_to_group(&mut self, group: &str, user: &str) -> Edited {
        self.group(group).ok_or_else(|| missing(EntityKind::Group, group))?;
        let folded = fold(group);
        self.change_user(user, |user| {
            user.groups.insert(folded);
            Ok(())
        })
    }

    /// Takes a user out of a group.
    pub fn remove_from_group(&mut self, group: &str, user: &str) -> Edited {
        self.group(group).ok_or_else(|| missing(EntityKind::Group, group))?;
        let folded = fold(group);
        self.change_user(user, |user| {
            let found = user.groups.remove(&folded);
            if found { Ok(()) } else { Err(missing(EntityKind::User, &user.name)) }
        })
    }

    /// Makes a role.
    pub fn create_role(&mut self, new: NewRole) -> Result<Arc<Role>, IdentityError> {
        let NewRole { name, path, description, max_session_seconds, trust, boundary, tags } = new;
        free(self.role(&name), EntityKind::Role, &name)?;
        within(self.parts().roles.len() + 1, Quota::Roles, &name)?;
        self.check_boundary(boundary.as_deref())?;
        let role = Role {
            id: id::<17>("AROA")?,
            created_at: self.now,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
            name: name.clone(),
            path,
            description,
            max_session_seconds,
            trust,
            tags,
            boundary,
        };
        check_role(&role)?;
        let role = Arc::new(role);
        self.put(EntityKind::Role, &name, |parts, folded| {
            parts.roles.insert(folded, Arc::clone(&role));
        });
        Ok(role)
    }

    /// Removes a role that holds nothing any more.
    pub fn delete_role(&mut self, name: &str) -> Edited {
        let role = Arc::clone(self.role(name).ok_or_else(|| missing(EntityKind::Role, name))?);
        let folded = fold(name);
        let carried =
            self.instance_profiles().any(|profile| profile.role.as_ref() == Some(&folded));
        in_the_way(carried, Hindrance::InstanceProfiles)?;
        in_the_way(!role.inline.is_empty(), Hindrance::InlinePolicies)?;
        in_the_way(!role.attached.is_empty(), Hindrance::AttachedPolicies)?;
        self.put(EntityKind::Role, name, |parts, folded| {
            parts.roles.remove(&folded);
        });
        Ok(())
    }

    /// Makes a managed policy, with its document as version 1.
    pub fn create_policy(
        &mut self,
        new: NewManagedPolicy,
    ) -> Result<Arc<ManagedPolicy>, IdentityError> {
        let NewManagedPolicy { name, path, description, document, tags } = new;
        let taken = self.directory.parts.policies.get(&fold(&name));
        free(taken, EntityKind::Policy, &name)?;
        within(self.parts().policies.len() + 1, Quota::Policies, &name)?;
        let policy = ManagedPolicy {
            arn: format!("arn:aws:iam::{}:policy{path}{name}", self.account_id()),
            id: id::<17>("ANPA")?,
            created_at: self.now,
            updated_at: self.now,
            versions: BTreeMap::from([(1, PolicyVersion { created_at: self.now, document })]),
            default_version: 1,
            next_version: 2,
            name: name.clone(),
            path,
            description,
            tags,
        };
        check_policy(&policy)?;
        let policy = Arc::new(policy);
        self.put(EntityKind::Policy, &name, |parts, folded| {
            parts.policies.insert(folded, Arc::clone(&policy));
        });
        Ok(policy)
    }

    /// A managed policy of the account, to be changed, by its ARN.
    fn own_policy(&self, arn: &str) -> Result<Arc<ManagedPolicy>, IdentityError> {
        let found = self.managed_policy(arn).ok_or_else(|| missing(EntityKind::Policy, arn))?;
        if found.arn.starts_with(super::managed::ARN_PREFIX) {
            return Err(IdentityError::Unmodifiable { arn: arn.to_owned() });
        }
        Ok(found)
    }

    /// Changes a managed policy of the account, by its ARN.
    pub fn change_policy_at<T>(
        &mut self,
        arn: &str,
        change: impl FnOnce(&mut ManagedPolicy) -> Result<T, IdentityError>,
    ) -> Result<T, IdentityError> {
        let name = self.own_policy(arn)?.name.clone();
        self.change_policy(&name, change)
    }

    /// Adds a version, and lets it count if so wished; answers its number.
    pub fn create_policy_version(
        &mut self,
        arn: &str,
        document: Arc<Policy>,
        counts: Counts,
    ) -> Result<u32, IdentityError> {
        let now = self.now;
        self.change_policy_at(arn, |policy| {
            let number = policy.next_version;
            policy.next_version = number.saturating_add(1);
            policy.updated_at = now;
            policy.versions.insert(number, PolicyVersion { created_at: now, document });
            if counts == Counts::FromNowOn {
                policy.default_version = number;
            }
            Ok(number)
        })
    }

    /// Lets another version count.
    pub fn set_default_version(&mut self, arn: &str, number: u32) -> Edited {
        self.change_policy_at(arn, |policy| {
            if !policy.versions.contains_key(&number) {
                return Err(missing(EntityKind::PolicyVersion, &format!("v{number}")));
            }
            policy.default_version = number;
            Ok(())
        })
    }

    /// Removes a version that does not count.
    pub fn delete_policy_version(&mut self, arn: &str, number: u32) -> Edited {
        self.change_policy_at(arn, |policy| {
            if !policy.versions.contains_key(&number) {
                return Err(missing(EntityKind::PolicyVersion, &format!("v{number}")));
            }
            in_the_way(policy.default_version == number, Hindrance::DefaultVersion)?;
            policy.versions.remove(&number);
            Ok(())
        })
    }

    /// Removes a managed policy that nobody has and that has one version.
    pub fn delete_policy(&mut self, arn: &str) -> Edited {
        let policy = self.own_policy(arn)?;
        let used = self.attachments(arn) + self.bounded(arn) > 0;
        in_the_way(used, Hindrance::Attachments)?;
        in_the_way(policy.versions.len() > 1, Hindrance::Versions)?;
        self.put(EntityKind::Policy, &policy.name, |parts, folded| {
            parts.policies.remove(&folded);
        });
        Ok(())
    }

    /// Makes an instance profile.
    pub fn create_instance_profile(
        &mut self,
        name: &str,
        path: &str,
        tags: Vec<Tag>,
    ) -> Result<Arc<InstanceProfile>, IdentityError> {
        free(self.instance_profile(name), EntityKind::InstanceProfile, name)?;
        within(self.parts().profiles.len() + 1, Quota::InstanceProfiles, name)?;
        let profile = InstanceProfile {
            name: name.to_owned(),
            path: path.to_owned(),
            id: id::<17>("AIPA")?,
            created_at: self.now,
            role: None,
            tags,
        };
        check_profile(&profile)?;
        let profile = Arc::new(profile);
        self.put(EntityKind::InstanceProfile, name, |parts, folded| {
            parts.profiles.insert(folded, Arc::clone(&profile));
        });
        Ok(profile)
    }

    /// Lets an instance profile carry a role: one at most.
    pub fn add_role_to_profile(&mut self, profile: &str, role: &str) -> Edited {
        self.role(role).ok_or_else(|| missing(EntityKind::Role, role))?;
        let folded = fold(role);
        self.change_instance_profile(profile, |profile| {
            in_the_way(profile.role.is_some(), Hindrance::InstanceProfiles)?;
            profile.role = Some(folded);
            Ok(())
        })
    }

    /// Takes the role out of an instance profile.
    pub fn remove_role_from_profile(&mut self, profile: &str, role: &str) -> Edited {
        let folded = fold(role);
        self.change_instance_profile(profile, |profile| {
            if profile.role.as_ref() != Some(&folded) {
                return Err(missing(EntityKind::Role, role));
            }
            profile.role = None;
            Ok(())
        })
    }

    /// Removes an instance profile that carries nothing.
    pub fn delete_instance_profile(&mut self, name: &str) -> Edited {
        let found = self.instance_profile(name);
        let profile = found.ok_or_else(|| missing(EntityKind::InstanceProfile, name))?;
        in_the_way(profile.role.is_some(), Hindrance::InstanceProfiles)?;
        self.put(EntityKind::InstanceProfile, name, |parts, folded| {
            parts.profiles.remove(&folded);
        });
        Ok(())
    }

    /// Makes an OIDC provider.
    pub fn create_oidc_provider(&mut self, new: NewOidcProvider) -> Edited {
        let NewOidcProvider { url, client_ids, thumbprints, tags } = new;
        free(self.oidc_provider(&url), EntityKind::OidcProvider, &url)?;
        within(self.parts().providers.len() + 1, Quota::OidcProviders, &url)?;
        let created_at = self.now;
        let provider = OidcProvider { url: url.clone(), created_at, client_ids, thumbprints, tags };
        check_provider(&provider)?;
        self.put(EntityKind::OidcProvider, &url, |parts, folded| {
            parts.providers.insert(folded, Arc::new(provider));
        });
        Ok(())
    }

    /// Removes an OIDC provider.
    pub fn delete_oidc_provider(&mut self, url: &str) -> Edited {
        self.oidc_provider(url).ok_or_else(|| missing(EntityKind::OidcProvider, url))?;
        self.put(EntityKind::OidcProvider, url, |parts, folded| {
            parts.providers.remove(&folded);
        });
        Ok(())
    }

    /// Makes a key for a user; it is answered with its secret, once.
    pub fn create_key(&mut self, user: &str) -> Result<AccessKey, IdentityError> {
        let owner = self.key_owner(user)?;
        let made = AccessKey::generate(self.account_id().clone(), owner, self.now);
        let key = made.map_err(|_| IdentityError::NoRandomness)?;
        self.parts().keys.insert(key.id.clone(), key.summary());
        self.keys.push(KeyChange::Put(key.clone()));
        Ok(key)
    }

    /// Lets a key that was made elsewhere move in. That its id is free in every account is seen to
    /// when the change is written.
    pub fn create_given_key(
        &mut self,
        user: &str,
        given: GivenKey,
    ) -> Result<AccessKey, IdentityError> {
        let owner = self.key_owner(user)?;
        let key = AccessKey {
            id: given.id,
            secret: given.secret,
            account: self.account_id().clone(),
            owner,
            status: KeyStatus::Active,
            created_at: self.now,
        };
        let taken = self.directory.parts.keys.get(&key.id);
        free(taken, EntityKind::AccessKey, &key.id)?;
        self.parts().keys.insert(key.id.clone(), key.summary());
        self.keys.push(KeyChange::PutGiven(key.clone()));
        Ok(key)
    }

    fn key_owner(&self, user: &str) -> Result<KeyOwner, IdentityError> {
        let user = self.user(user).ok_or_else(|| missing(EntityKind::User, user))?;
        within(self.keys_of(user).len() + 1, Quota::AccessKeys, &user.name)?;
        Ok(KeyOwner::User { id: user.id.clone() })
    }

    /// Makes a user's key active or inactive.
    pub fn set_key_status(&mut self, user: &str, key: &str, status: KeyStatus) -> Edited {
        let summary = self.key_of(user, key)?;
        self.parts().keys.insert(key.to_owned(), KeySummary { status, ..summary });
        self.keys.push(KeyChange::SetStatus(key.to_owned(), status));
        Ok(())
    }

    /// Removes a user's key.
    pub fn delete_key(&mut self, user: &str, key: &str) -> Edited {
        self.key_of(user, key)?;
        self.parts().keys.remove(key);
        self.keys.push(KeyChange::Delete(key.to_owned()));
        Ok(())
    }

    fn key_of(&self, user: &str, key: &str) -> Result<KeySummary, IdentityError> {
        let user = self.user(user).ok_or_else(|| missing(EntityKind::User, user))?;
        let keys = self.keys_of(user);
        let found = keys.into_iter().find(|summary| summary.id == key);
        found.cloned().ok_or_else(|| missing(EntityKind::AccessKey, key))
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

/// Whether a new version of a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// It does.
    FromNowOn,
    /// The one that did before still does.
    NotYet,
}
