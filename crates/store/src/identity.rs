//! Identities: accounts, their users, groups, roles and policies, and the keys that sign for them.
//!
//! All identities of one account are a [`Directory`]: one value at one moment, changed as a whole by
//! [`Store::change_identities`](crate::Store::change_identities). What a change means is decided here,
//! for every engine alike; an engine only keeps the records.

mod account;
mod directory;
mod edit;
mod entity;
mod key;
mod known;
mod managed;
mod refusal;
mod signer;
mod weight;

pub use account::{Account, AccountPage, CreateAccount, DeleteAccount, NewAccount, RenewRootKey};
pub use directory::{Directory, PolicyUses};
pub(crate) use directory::{DirectoryParts, Entities};
pub use edit::{Counts, DirectoryEdit, NewManagedPolicy, NewOidcProvider, NewRole};
pub(crate) use edit::{DirectoryChanges, IdentityChange, KeyChange};
pub use entity::{
    AttachedPolicy, BoundPolicy, EntityKind, Group, InstanceProfile, ManagedPolicy, OidcProvider,
    PolicyVersion, Role, Tag, User,
};
pub(crate) use entity::{Entity, EntityKey};
pub use key::{AccessKey, GivenKey, KeyOwner, KeyStatus, KeySummary, KeyUse};
pub(crate) use key::{KeyUses, ROLE_USE_PREFIX, role_use};
pub use known::{IdentityFacts, KnownIdentity};
pub use refusal::{Hindrance, IdentityError, Quota};
pub use signer::{Signer, SignerKind};
pub(crate) use signer::{SignerRecord, SignerSource};
