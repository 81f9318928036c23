//! Why a change of identities is refused: quotas, and what stands in the way.

use super::EntityKind;

/// How much of something one account, or one of its identities, may have: AWS's own defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// How many users an account has.
    Users,
    /// How many groups an account has.
    Groups,
    /// How many roles an account has.
    Roles,
    /// How many managed policies an account has.
    Policies,
    /// How many instance profiles an account has.
    InstanceProfiles,
    /// How many OIDC providers an account has.
    OidcProviders,
    /// How many access keys a user has.
    AccessKeys,
    /// How many groups a user is in.
    GroupsOfUser,
    /// How many managed policies are attached to one user, group or role.
    AttachedPolicies,
    /// How many roles an instance profile carries.
    RolesOfProfile,
    /// How many versions a managed policy has.
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
    /// How many tags one identity, policy or provider has.
    Tags,
    /// Bytes that all identities of an account take in memory, where every call of IAM finds them. AWS has no
    /// such quota; this one is more than what all the others allow, unless policies are full of white
    /// space or characters are long.
    Account,
}

impl Quota {
    /// The most that the quota allows.
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
    /// It has inline policies.
    InlinePolicies,
    /// Managed policies are attached to it.
    AttachedPolicies,
    /// It has access keys.
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
    /// There is no identity or policy of that kind and name.
    #[error("no such {kind:?}: {name}")]
    NoSuch {
        /// The kind that was asked for.
        kind: EntityKind,
        /// The name that was given, in its spelling.
        name: String,
    },
    /// There is one of that kind and name already.
    #[error("{kind:?} exists: {name}")]
    Exists {
        /// The kind that was asked for.
        kind: EntityKind,
        /// The name that was given, in its spelling.
        name: String,
    },
    /// It cannot be deleted while something else is there.
    #[error("{hindrance:?} must go first")]
    InTheWay {
        /// What must be deleted or detached first.
        hindrance: Hindrance,
    },
    /// There would be more of something than a quota allows.
    #[error("over the quota of {quota:?}")]
    OverQuota {
        /// The quota that would be exceeded.
        quota: Quota,
        /// The name of what has too many, or is too long: of the user for keys, of the policy for a document.
        name: String,
    },
    /// The policy comes with AWS and cannot be changed.
    #[error("{arn} cannot be changed")]
    Unmodifiable {
        /// The ARN of the policy.
        arn: String,
    },
    /// The identity is not as it was when a policy judged the change: see [`KnownIdentity`](crate::KnownIdentity).
    #[error("changed meanwhile")]
    Changed,
    /// The system gave no random bytes.
    #[error("no random bytes")]
    NoRandomness,
}
