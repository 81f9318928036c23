//! Who asks, as policies see it.

use std::fmt;

use crate::AccountId;

mod named;

pub(crate) use named::{NamedPrincipal, Naming, is_exempt};

/// Somebody who was authenticated, or nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody: the request is not signed.
    Anonymous,
    /// The root of an account.
    Root {
        /// The account.
        account: AccountId,
    },
    /// A user, by a long-term key or a session of its own (`GetSessionToken`).
    User {
        /// The account.
        account: AccountId,
        /// `/` or `/…/`.
        path: String,
        /// As it was spelled when the user was made.
        name: String,
        /// `AIDA…`: never given twice.
        id: String,
    },
    /// A session of a role.
    AssumedRole {
        /// The account of the role.
        account: AccountId,
        /// The role's path, `/` or `/…/`.
        path: String,
        /// The role's name.
        role: String,
        /// `AROA…`: never given twice.
        role_id: String,
        /// What the caller of `AssumeRole` called it.
        session: String,
    },
    /// A session of `GetFederationToken`.
    FederatedUser {
        /// The account of the user who asked for it.
        account: AccountId,
        /// What that user called it.
        name: String,
    },
    /// The subject of a verified OIDC token: nobody but the trust policies of roles knows it.
    WebIdentity {
        /// The ARN of the OIDC provider in the role's account.
        provider: String,
    },
}

impl Principal {
    /// The account it acts for.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Anonymous | Self::WebIdentity { .. } => None,
            Self::Root { account }
            | Self::User { account, .. }
            | Self::AssumedRole { account, .. }
            | Self::FederatedUser { account, .. } => Some(account),
        }
    }

    /// The ARN that names it in messages and in `GetCallerIdentity`: of a session, the session's own.
    /// It leaves out the path of a role (semantics 4.1.1).
    pub fn arn(&self) -> Option<String> {
        match self {
            Self::Anonymous | Self::WebIdentity { .. } => None,
            Self::AssumedRole { account, role, session, .. } => {
                Some(format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"))
            }
            Self::Root { .. } | Self::User { .. } | Self::FederatedUser { .. } => {
                self.principal_arn()
            }
        }
    }

    /// The value of `aws:PrincipalArn`: of a role's session, the role's ARN with its path
    /// (semantics 5.2.1).
    pub fn principal_arn(&self) -> Option<String> {
        match self {
            Self::Anonymous | Self::WebIdentity { .. } => None,
            Self::Root { account } => Some(format!("arn:aws:iam::{account}:root")),
            Self::User { account, path, name, .. } => {
                Some(format!("arn:aws:iam::{account}:user{path}{name}"))
            }
            Self::AssumedRole { account, path, role, .. } => {
                Some(format!("arn:aws:iam::{account}:role{path}{role}"))
            }
            Self::FederatedUser { account, name } => {
                Some(format!("arn:aws:sts::{account}:federated-user/{name}"))
            }
        }
    }

    /// The value of `aws:userid` (semantics 5.2.1).
    pub fn user_id(&self) -> Option<String> {
        match self {
            Self::Anonymous => Some("anonymous".to_owned()),
            Self::Root { account } => Some(account.to_string()),
            Self::User { id, .. } => Some(id.clone()),
            Self::AssumedRole { role_id, session, .. } => Some(format!("{role_id}:{session}")),
            Self::FederatedUser { account, name } => Some(format!("{account}:{name}")),
            Self::WebIdentity { .. } => None,
        }
    }

    /// The value of `aws:username`, which only users have.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } => Some(name),
            Self::Anonymous
            | Self::Root { .. }
            | Self::AssumedRole { .. }
            | Self::FederatedUser { .. }
            | Self::WebIdentity { .. } => None,
        }
    }

    /// The value of `aws:PrincipalType`.
    pub fn principal_type(&self) -> &'static str {
        match self {
            Self::Anonymous | Self::WebIdentity { .. } => "Anonymous",
            Self::Root { .. } => "Account",
            Self::User { .. } => "User",
            Self::AssumedRole { .. } => "AssumedRole",
            Self::FederatedUser { .. } => "FederatedUser",
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arn() {
            Some(arn) => f.write_str(&arn),
            None => f.write_str(self.principal_type()),
        }
    }
}
