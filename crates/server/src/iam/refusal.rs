//! Refused changes of identities in the words of IAM.

use store::{EntityKind, Hindrance, IdentityError, Quota};

use crate::query::error::{QueryCode, QueryError};

/// The refusal of a change that the rules of IAM do not allow.
pub(crate) fn of_identity(error: IdentityError) -> QueryError {
    match error {
        IdentityError::NoSuch { kind, name } => no_such(kind, &name),
        IdentityError::Exists { kind, name } => {
            QueryError::with_message(QueryCode::EntityAlreadyExists, exists(kind, &name))
        }
        IdentityError::InTheWay { hindrance } => {
            QueryError::with_message(QueryCode::DeleteConflict, in_the_way(hindrance))
        }
        IdentityError::OverQuota { quota, name } => {
            QueryError::with_message(QueryCode::LimitExceeded, over(quota, &name))
        }
        IdentityError::Unmodifiable { .. } => QueryError::with_message(
            QueryCode::AccessDenied,
            "Policies that come with AWS cannot be changed.",
        ),
        IdentityError::Changed => QueryError::new(QueryCode::ConcurrentModification),
        IdentityError::NoRandomness => QueryError::new(QueryCode::InternalFailure),
    }
}

/// The refusal for an identity that is not there.
pub(crate) fn no_such(kind: EntityKind, name: &str) -> QueryError {
    let message = match kind {
        EntityKind::User => format!("The user with name {name} cannot be found."),
        EntityKind::Group => format!("The group with name {name} cannot be found."),
        EntityKind::Role => format!("The role with name {name} cannot be found."),
        EntityKind::Policy => format!("Policy {name} does not exist or is not attachable."),
        EntityKind::InstanceProfile => format!("Instance Profile {name} cannot be found."),
        EntityKind::OidcProvider => format!("OpenIDConnect Provider not found for arn {name}"),
        EntityKind::AccessKey => format!("The Access Key with id {name} cannot be found."),
        EntityKind::InlinePolicy => format!("The policy with name {name} cannot be found."),
        EntityKind::PolicyVersion => format!("Policy version {name} does not exist."),
        EntityKind::Boundary => format!("Scope ARN: {name} does not exist or is not attachable."),
    };
    QueryError::with_message(QueryCode::NoSuchEntity, message)
}

/// The refusal for an inline policy that the identity does not have. `of` is `user`, `group` or `role`.
pub(crate) fn no_inline_policy(of: &str, name: &str) -> QueryError {
    let message = format!("The {of} policy with name {name} cannot be found.");
    QueryError::with_message(QueryCode::NoSuchEntity, message)
}

/// The refusal for a managed policy that is not attached.
pub(crate) fn not_attached(arn: &str) -> QueryError {
    QueryError::with_message(QueryCode::NoSuchEntity, format!("Policy {arn} was not found."))
}

fn exists(kind: EntityKind, name: &str) -> String {
    match kind {
        EntityKind::User => format!("User with name {name} already exists."),
        EntityKind::Group => format!("Group with name {name} already exists."),
        EntityKind::Role => format!("Role with name {name} already exists."),
        EntityKind::Policy => {
            format!("A policy called {name} already exists. Duplicate names are not allowed.")
        }
        EntityKind::InstanceProfile => format!("Instance Profile {name} already exists."),
        EntityKind::OidcProvider => format!("Provider with url https://{name} already exists."),
        EntityKind::AccessKey => format!("The Access Key with id {name} already exists."),
        EntityKind::InlinePolicy | EntityKind::PolicyVersion | EntityKind::Boundary => {
            format!("{name} already exists.")
        }
    }
}

fn in_the_way(hindrance: Hindrance) -> &'static str {
    match hindrance {
        Hindrance::InlinePolicies => "Cannot delete entity, must delete policies first.",
        Hindrance::AttachedPolicies => "Cannot delete entity, must detach all policies first.",
        Hindrance::AccessKeys => "Cannot delete entity, must delete access keys first.",
        Hindrance::Groups => "Cannot delete entity, must remove user from all groups first.",
        Hindrance::Members => "Cannot delete entity, must remove users from group first.",
        Hindrance::InstanceProfiles => {
            "Cannot delete entity, must remove roles from instance profile first."
        }
        Hindrance::Attachments => "Cannot delete a policy attached to entities.",
        Hindrance::Versions => {
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."
        }
        Hindrance::DefaultVersion => "Cannot delete the default version of a policy.",
    }
}

fn over(quota: Quota, name: &str) -> String {
    let max = quota.max();
    let counted = match quota {
        Quota::Users => "UsersPerAccount",
        Quota::Groups => "GroupsPerAccount",
        Quota::Roles => "RolesPerAccount",
        Quota::Policies => "PoliciesPerAccount",
        Quota::InstanceProfiles => "InstanceProfilesPerAccount",
        Quota::OidcProviders => "OpenIdConnectProvidersPerAccount",
        Quota::AccessKeys => "AccessKeysPerUser",
        Quota::GroupsOfUser => "GroupsPerUser",
        Quota::AttachedPolicies => "PoliciesPerEntity",
        Quota::RolesOfProfile => "InstanceSessionsPerInstanceProfile",
        Quota::Tags => "TagsPerEntity",
        Quota::TrustPolicy => "ACLSizePerRole",
        Quota::Account => "AccountSize",
        Quota::PolicyVersions => {
            return format!(
                "A managed policy can have up to {max} versions. Before you create a new version, you must delete an existing version."
            );
        }
        Quota::InlineOfUser => {
            return format!("Maximum policy size of {max} bytes exceeded for user {name}");
        }
        Quota::InlineOfGroup => {
            return format!("Maximum policy size of {max} bytes exceeded for group {name}");
        }
        Quota::InlineOfRole => {
            return format!("Maximum policy size of {max} bytes exceeded for role {name}");
        }
        Quota::ManagedPolicy => {
            return format!("Cannot exceed quota for PolicySize: {max}");
        }
    };
    format!("Cannot exceed quota for {counted}: {max}")
}
