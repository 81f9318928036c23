//! What clients ask of a user before they delete it, and what no user of Valet has.

use store::EntityKind;

use super::entity::{directory, found, optional_user_name, user_name};
use super::operation;
use crate::query::answer::QueryReply;
use crate::query::error::{QueryCode, QueryError};

/// Declares lists that are always empty.
macro_rules! empty_lists {
    ($($(#[$doc:meta])* $name:ident $action:literal $list:literal;)*) => {$(
        operation! {
            $(#[$doc])*
            $name($action) { user: Option<String> = optional_user_name }
            on |op, at| at.user_or_self(op.user.as_deref());
            |op, door| {
                if let Some(name) = &op.user {
                    let directory = directory(&door)?;
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
    /// Nobody has a second factor.
    ListMFADevices "iam:ListMFADevices" "MFADevices";
    /// Nobody has a second factor.
    ListVirtualMFADevices "iam:ListVirtualMFADevices" "VirtualMFADevices";
    /// Nobody has keys for `CodeCommit`.
    ListSSHPublicKeys "iam:ListSSHPublicKeys" "SSHPublicKeys";
    /// Nobody has a certificate to sign with.
    ListSigningCertificates "iam:ListSigningCertificates" "Certificates";
    /// Nobody has credentials for one service.
    ListServiceSpecificCredentials "iam:ListServiceSpecificCredentials" "ServiceSpecificCredentials";
}

fn no_login(name: &str) -> QueryError {
    QueryError::with_message(
        QueryCode::NoSuchEntity,
        format!("Login Profile for User {name} cannot be found."),
    )
}

operation! {
    /// Nobody has a password.
    GetLoginProfile("iam:GetLoginProfile") { user: String = user_name }
    on |op, at| at.user(&op.user);
    |op, door| {
        let directory = directory(&door)?;
        found(directory.user(&op.user), EntityKind::User, &op.user)?;
        Err(no_login(&op.user))
    }
}

operation! {
    /// Nobody has a password.
    DeleteLoginProfile("iam:DeleteLoginProfile") { user: String = user_name }
    on |op, at| at.user(&op.user);
    |op, door| {
        let directory = directory(&door)?;
        found(directory.user(&op.user), EntityKind::User, &op.user)?;
        Err(no_login(&op.user))
    }
}
