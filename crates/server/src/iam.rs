//! The operations of IAM: one file for each family, and here the table of actions.

mod access_key;
mod account;
mod entity;
mod group;
mod page;
mod policy;
mod profile;
mod provider;
mod refusal;
mod role;
mod simulate;
mod tag;
mod unused;
mod user;

use crate::notes::RequestNotes;
use crate::query::AuthenticatedCall;
use crate::query::answer::QueryReply;
use crate::query::error::QueryError;

pub(crate) use entity::{is_tag, read_identity_policy, read_tags, same_tag};

/// Declares one operation: its parameters, what it is done to, and what it does.
macro_rules! operation {
    (
        $(#[$doc:meta])*
        $name:ident($action:literal) { $($field:ident: $type:ty = $read:expr),* $(,)? }
        on |$this:ident, $at:ident| $target:expr;
        $(brings |$bringing:ident| $brought:expr;)?
        |$op:ident, $access:ident| $run:block
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name { $($field: $type,)* }

        impl crate::query::operation::QueryOperation for $name {
            fn read(
                #[allow(unused_variables, reason = "some operations have no parameters")]
                form: &crate::query::form::Form,
            ) -> Result<Self, crate::query::error::QueryError> {
                $(let $field: fn(&crate::query::form::Form)
                    -> Result<$type, crate::query::error::QueryError> = $read;)*
                Ok(Self { $($field: $field(form)?,)* })
            }

            fn permissions(
                &self,
                $at: &crate::query::operation::AccountView<'_>,
            ) -> Result<
                Vec<crate::query::operation::QueryPermission>,
                crate::query::error::QueryError,
            > {
                let $this = self;
                let _ = (&$this, &$at);
                let targets = crate::iam::entity::Targets::list($target)?;
                let permission = |target| {
                    crate::query::operation::QueryPermission { action: $action, target }
                };
                Ok(targets.into_iter().map(permission).collect())
            }

            $(fn brings(&self) -> crate::query::operation::Brought<'_> {
                let $bringing = self;
                let _ = &$bringing;
                $brought
            })?

            async fn run(
                call: crate::gate::Authorized<Self>,
            ) -> Result<crate::query::answer::QueryReply, crate::query::error::QueryError> {
                let ($op, $access) = call.split();
                let _ = (&$op, &$access);
                $run
            }
        }
    };
}
use operation;

/// Runs the operation of this name; `None` if there is none.
pub(crate) async fn dispatch(
    action: &str,
    asked: AuthenticatedCall<'_>,
    notes: &mut RequestNotes,
) -> Option<(&'static str, Result<QueryReply, QueryError>)> {
    /// Boxed, so that one large operation does not make every call's future large.
    macro_rules! run {
        ($($module:ident: $($name:ident)*;)*) => {
            match action {
                $($(stringify!($name) => {
                    notes.operation = stringify!($name);
                    Some((stringify!($name), Box::pin(asked.execute::<$module::$name>(stringify!($name))).await))
                })*)*
                _ => None,
            }
        };
    }
    run! {
        user: CreateUser GetUser UpdateUser DeleteUser ListUsers PutUserPolicy GetUserPolicy
            DeleteUserPolicy ListUserPolicies AttachUserPolicy DetachUserPolicy
            ListAttachedUserPolicies PutUserPermissionsBoundary DeleteUserPermissionsBoundary
            ListGroupsForUser;
        group: CreateGroup GetGroup UpdateGroup DeleteGroup ListGroups AddUserToGroup
            RemoveUserFromGroup PutGroupPolicy GetGroupPolicy DeleteGroupPolicy ListGroupPolicies
            AttachGroupPolicy DetachGroupPolicy ListAttachedGroupPolicies;
        role: CreateRole GetRole UpdateRole UpdateRoleDescription DeleteRole ListRoles
            UpdateAssumeRolePolicy PutRolePolicy GetRolePolicy DeleteRolePolicy ListRolePolicies
            AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies PutRolePermissionsBoundary
            DeleteRolePermissionsBoundary;
        policy: CreatePolicy GetPolicy DeletePolicy ListPolicies CreatePolicyVersion
            GetPolicyVersion DeletePolicyVersion ListPolicyVersions SetDefaultPolicyVersion
            ListEntitiesForPolicy;
        access_key: CreateAccessKey UpdateAccessKey DeleteAccessKey ListAccessKeys
            GetAccessKeyLastUsed;
        profile: CreateInstanceProfile GetInstanceProfile DeleteInstanceProfile
            ListInstanceProfiles ListInstanceProfilesForRole AddRoleToInstanceProfile
            RemoveRoleFromInstanceProfile;
        provider: CreateOpenIDConnectProvider GetOpenIDConnectProvider
            DeleteOpenIDConnectProvider ListOpenIDConnectProviders
            UpdateOpenIDConnectProviderThumbprint AddClientIDToOpenIDConnectProvider
            RemoveClientIDFromOpenIDConnectProvider;
        tag: TagUser UntagUser ListUserTags TagRole UntagRole ListRoleTags TagPolicy UntagPolicy
            ListPolicyTags TagInstanceProfile UntagInstanceProfile ListInstanceProfileTags
            TagOpenIDConnectProvider UntagOpenIDConnectProvider ListOpenIDConnectProviderTags;
        account: GetAccountSummary GetAccountAuthorizationDetails ListAccountAliases
            GetAccountPasswordPolicy;
        simulate: SimulatePrincipalPolicy SimulateCustomPolicy;
        unused: ListMFADevices ListVirtualMFADevices ListSSHPublicKeys ListSigningCertificates
            ListServiceSpecificCredentials GetLoginProfile DeleteLoginProfile;
    }
}
