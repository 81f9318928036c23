//! Who asks, as policies see it.

use std::fmt;

use crate::AccountId;

mod named;

pub(crate) use named::{NamedPrincipal, Naming, is_exempt};

/// The caller of a request, as authentication found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody: the request is not signed.
    Anonymous,
    /// The root of an account.
    Root {
        /// The id of the account.
        account: AccountId,
    },
    /// A user, by a long-term key or a session of its own (`GetSessionToken`).
    User {
        /// The id of the account.
        account: AccountId,
        /// The path of the user: `/`, or a text that begins and ends with `/`.
        path: String,
        /// The name of the user, in the letters that it was created with.
        name: String,
        /// The unique id of the user, `AIDA…`, which is never given to another one.
        id: String,
    },
    /// A session of a role.
    AssumedRole {
        /// The account of the role.
        account: AccountId,
        /// The role's path, `/` or `/…/`.
        path: String,
        /// The name of the role.
        role: String,
        /// The unique id of the role, `AROA…`, which is never given to another one.
        role_id: String,
        /// The name that the caller of `AssumeRole` gave to the session.
        session: String,
    },
    /// A session that a user or a root opened for somebody else by `GetFederationToken`.
    FederatedUser {
        /// The account of the user who asked for it.
        account: AccountId,
        /// The name that this user gave to the session.
        name: String,
    },
    /// The subject of a verified OIDC token: nobody but the trust policies of roles knows it.
    WebIdentity {
        /// The ARN of the OIDC provider in the role's account.
        provider: String,
    },
    /// A service that acts for a resource of some account, such as a distribution that reads from its origin. Conditions
    /// on `aws:SourceArn` and `aws:SourceAccount` say for which.
    Service {
        /// The name of the service, such as [`CLOUDFRONT_SERVICE`].
        name: &'static str,
    },
}

/// The name of the service that distributions read from buckets as.
pub const CLOUDFRONT_SERVICE: &str = "cloudfront.amazonaws.com";

impl Principal {
    /// The account that the caller acts for; `None` for callers of no account.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Anonymous | Self::WebIdentity { .. } | Self::Service { .. } => None,
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
            Self::Anonymous | Self::WebIdentity { .. } | Self::Service { .. } => None,
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
            Self::Anonymous | Self::WebIdentity { .. } | Self::Service { .. } => None,
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
            Self::WebIdentity { .. } | Self::Service { .. } => None,
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
            | Self::WebIdentity { .. }
            | Self::Service { .. } => None,
        }
    }

    /// The value of the condition key `aws:PrincipalType`.
    pub fn principal_type(&self) -> &'static str {
        match self {
            Self::Anonymous | Self::WebIdentity { .. } => "Anonymous",
            Self::Root { .. } => "Account",
            Self::User { .. } => "User",
            Self::AssumedRole { .. } => "AssumedRole",
            Self::FederatedUser { .. } => "FederatedUser",
            Self::Service { .. } => "Service",
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
