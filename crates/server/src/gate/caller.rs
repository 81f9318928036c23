//! Who is asking, proven: a signature that holds, and whom its key stands for now.

use std::sync::Arc;

use iam::{
    AccountId, Issuer, NamedPolicy, OpenedBy, Policy, PolicySet, Principal, Session,
    SessionPrincipal, Values,
};
use jiff::Timestamp;
use presign::{SessionToken, VerifiedSignature};
use store::{AccessKey, AttachedPolicy, Directory, KeyOwner, Tag, User};

use super::tags::{named, tag_named};

/// Who is asking, proven.
#[expect(clippy::large_enum_variant, reason = "one a request, always behind an Arc")]
#[derive(Debug)]
pub(crate) enum Caller {
    Anonymous,
    Signed(SignedCaller),
}

/// The holder of a key whose signature verified.
#[derive(Debug)]
pub(crate) struct SignedCaller {
    pub(crate) access_key_id: String,
    pub(crate) identity: Identity,
    pub(crate) signature: VerifiedSignature,
    /// As it was sent, by a session.
    pub(super) session_token: Option<SessionToken>,
    /// The key of a root, for the sessions that it opens.
    pub(super) opens: Option<OpenedBy>,
}

/// Whom a key or a session stands for, as its account knows it at this moment.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) account: AccountId,
    /// Of the user or the role; a session's own come on top.
    pub(crate) tags: Vec<Tag>,
    /// The session that the key belongs to, where it is not a long-term key.
    pub(crate) session: Option<Arc<Session>>,
    policies: Vec<AttachedPolicy>,
    boundary: Option<AttachedPolicy>,
}

impl Caller {
    pub(crate) fn signed(&self) -> Option<&SignedCaller> {
        match self {
            Self::Anonymous => None,
            Self::Signed(caller) => Some(caller),
        }
    }

    pub(crate) fn signature(&self) -> Option<&VerifiedSignature> {
        self.signed().map(|caller| &caller.signature)
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.signed().map(|caller| &caller.identity)
    }

    pub(crate) fn account(&self) -> Option<&AccountId> {
        self.identity().map(|identity| &identity.account)
    }

    pub(crate) fn principal(&self) -> &Principal {
        self.identity().map_or(&Principal::Anonymous, |identity| &identity.principal)
    }
}

impl SignedCaller {
    /// The key of a root that asks STS, for the sessions that it opens.
    pub(crate) fn opens(&self) -> Option<&OpenedBy> {
        self.opens.as_ref()
    }
}

impl Identity {
    /// The root of an account: no policy of its own bounds it.
    pub(crate) fn root(account: AccountId) -> Self {
        Self {
            principal: Principal::Root { account: account.clone() },
            account,
            tags: Vec::new(),
            session: None,
            policies: Vec::new(),
            boundary: None,
        }
    }

    /// Whose a long-term key is; `None`: nobody's any more.
    pub(crate) fn of_key(key: &AccessKey, directory: &Directory) -> Option<Self> {
        match &key.owner {
            KeyOwner::Root => Some(Self::root(key.account.clone())),
            KeyOwner::User { id } => Some(Self::user(directory.user_by_id(id)?, directory)),
        }
    }

    /// Whose a session is; `None`: whoever opened it is gone, and one made anew under the same name
    /// is another. Of a root's, the gate asks for the key that opened it.
    pub(crate) fn of_session(session: &Arc<Session>, directory: &Directory) -> Option<Self> {
        let account = directory.account().clone();
        let identity = match &session.principal {
            SessionPrincipal::Root { .. } => Self::root(account),
            SessionPrincipal::User { user_id, .. } => {
                Self::user(directory.user_by_id(user_id)?, directory)
            }
            SessionPrincipal::AssumedRole { role_id, session_name, .. } => {
                let role = directory.role_by_id(role_id)?;
                Self {
                    principal: Principal::AssumedRole {
                        account: account.clone(),
                        path: role.path.clone(),
                        role: role.name.clone(),
                        role_id: role.id.clone(),
                        session: session_name.clone(),
                    },
                    account,
                    tags: role.tags.clone(),
                    session: None,
                    policies: directory.policies_of_role(role),
                    boundary: directory.boundary(role.boundary.as_deref()),
                }
            }
            SessionPrincipal::Federated { name, issuer, .. } => {
                let principal =
                    Principal::FederatedUser { account: account.clone(), name: name.clone() };
                let issuer = match issuer {
                    Issuer::User { id } => Self::user(directory.user_by_id(id)?, directory),
                    Issuer::Root { .. } => Self {
                        policies: Directory::administrator().into_iter().collect(),
                        ..Self::root(account)
                    },
                };
                Self { principal, tags: Vec::new(), ..issuer }
            }
        };
        Some(Self { session: Some(Arc::clone(session)), ..identity })
    }

    fn user(user: &User, directory: &Directory) -> Self {
        let account = directory.account().clone();
        Self {
            principal: Principal::User {
                account: account.clone(),
                path: user.path.clone(),
                name: user.name.clone(),
                id: user.id.clone(),
            },
            account,
            tags: user.tags.clone(),
            session: None,
            policies: directory.policies_of_user(user),
            boundary: directory.boundary(user.boundary.as_deref()),
        }
    }

    /// When the session was opened; `None` for long-term keys.
    pub(crate) fn token_issued_at(&self) -> Option<Timestamp> {
        self.session.as_ref().map(|session| session.issued_at)
    }

    /// The value of a tag of this principal, its name folded: of the session where it has one of that
    /// name.
    pub(crate) fn tag(&self, name: &str) -> Option<Values<'_>> {
        let of_session = self.session.as_ref().and_then(|session| {
            named(session.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), name)
        });
        of_session.or_else(|| tag_named(&self.tags, name))
    }

    /// Calls `decide` with every policy of this identity and that of the resource.
    pub(crate) fn with_policies<T>(
        &self,
        resource: Option<NamedPolicy<'_>>,
        decide: impl FnOnce(&PolicySet<'_>) -> T,
    ) -> T {
        let identity: Vec<NamedPolicy<'_>> = self.policies.iter().map(attached).collect();
        let session: Option<Vec<NamedPolicy<'_>>> = self.session.as_ref().and_then(|session| {
            let policies = session.policies.as_ref()?;
            Some(policies.iter().map(|policy| session_policy(policy)).collect())
        });
        decide(&PolicySet {
            identity: &identity,
            boundary: self.boundary.as_ref().map(attached),
            session: session.as_deref(),
            resource,
        })
    }
}

fn attached(policy: &AttachedPolicy) -> NamedPolicy<'_> {
    NamedPolicy { name: &policy.name, policy: &policy.policy }
}

fn session_policy(policy: &Policy) -> NamedPolicy<'_> {
    NamedPolicy { name: "session policy", policy }
}
