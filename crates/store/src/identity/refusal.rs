//! Why a change of identities is refused: quotas, and what stands in the way.

use super::EntityKind;

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
    /// Roles of an instance profile.
    RolesOfProfile,
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
    /// Bytes that all identities of an account take in memory, where every call of IAM finds them. AWS has no
    /// such quota; this one is more than what all the others allow, unless policies are full of white
    /// space or characters are long.
    Account,
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
            Self::RolesOfProfile => 1,
            Self::PolicyVersions => 5,
            Self::InlineOfUser => 2048,
            Self::InlineOfGroup => 5120,
            Self::InlineOfRole => 10_240,
            Self::ManagedPolicy => 6144,
            Self::TrustPolicy => 4096,
            Self::Tags => 50,
            Self::Account => 192 * 1024 * 1024,
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
    /// It is another than the one that somebody was judged for.
    #[error("changed meanwhile")]
    Changed,
    /// The system gave no random bytes.
    #[error("no random bytes")]
    NoRandomness,
}
