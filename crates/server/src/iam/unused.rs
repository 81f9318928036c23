//! Features of IAM users that Valet does not have. Clients ask for them before they delete a user.

use store::EntityKind;

use super::entity::{directory, found, optional_user_name, user_name};
use super::operation;
use crate::query::answer::QueryReply;
use crate::query::error::{QueryCode, QueryError};

/// Declares calls that answer with an empty list.
macro_rules! empty_lists {
    ($($(#[$doc:meta])* $name:ident $action:literal $list:literal;)*) => {$(
        operation! {
            $(#[$doc])*
            $name($action) { user: Option<String> = optional_user_name }
            on |op, at| at.user_or_self(op.user.as_deref());
            |op, access| {
                if let Some(name) = &op.user {
                    let directory = directory(&access)?;
                    found(directory.user(name), EntityKind::User, name)?;
                }
                Ok(QueryReply::result(|xml| {
                    xml.element($list, |_| {});
                    xml.plain("IsTruncated", false);
                }))
            }
        }
    )*};
}

empty_lists! {
    /// There are no second factors.
    ListMFADevices "iam:ListMFADevices" "MFADevices";
    /// There are no second factors.
    ListVirtualMFADevices "iam:ListVirtualMFADevices" "VirtualMFADevices";
    /// There are no keys for `CodeCommit`.
    ListSSHPublicKeys "iam:ListSSHPublicKeys" "SSHPublicKeys";
    /// There are no signing certificates.
    ListSigningCertificates "iam:ListSigningCertificates" "Certificates";
    /// There are no credentials for single services.
    ListServiceSpecificCredentials "iam:ListServiceSpecificCredentials" "ServiceSpecificCredentials";
}

fn no_login(name: &str) -> QueryError {
    QueryError::with_message(
        QueryCode::NoSuchEntity,
        format!("Login Profile for User {name} cannot be found."),
    )
}

operation! {
    /// `GetLoginProfile`: refused as for a user without a password, since nobody has one.
    GetLoginProfile("iam:GetLoginProfile") { user: String = user_name }
    on |op, at| at.user(&op.user);
    |op, access| {
        let directory = directory(&access)?;
        found(directory.user(&op.user), EntityKind::User, &op.user)?;
        Err(no_login(&op.user))
    }
}

operation! {
    /// `DeleteLoginProfile`: refused as for a user without a password, since nobody has one.
    DeleteLoginProfile("iam:DeleteLoginProfile") { user: String = user_name }
    on |op, at| at.user(&op.user);
    |op, access| {
        let directory = directory(&access)?;
        found(directory.user(&op.user), EntityKind::User, &op.user)?;
        Err(no_login(&op.user))
    }
}
