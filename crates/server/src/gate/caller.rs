//! The authenticated caller: a verified signature, and the identity that its key belongs to now.

use std::sync::Arc;

use iam::{
    AccountId, Issuer, NamedPolicy, OpenedBy, Policy, PolicySet, Principal, Session,
    SessionPrincipal, Values,
};
use jiff::Timestamp;
use presign::{SessionToken, VerifiedSignature};
use store::{AccessKey, AttachedPolicy, Directory, KeyOwner, Signer, SignerKind, Tag};

use super::tags::{named, tag_named};

/// The authenticated caller.
#[derive(Debug)]
pub(crate) enum Caller {
    Anonymous,
    /// Boxed once, where the signature is proven, rather than moved at each step from there.
    Signed(Box<SignedCaller>),
}

/// A caller whose signature was verified.
#[derive(Debug)]
pub(crate) struct SignedCaller {
    pub(crate) access_key_id: String,
    pub(crate) identity: Identity,
    pub(crate) signature: VerifiedSignature,
    /// The long-term key that verified the signature; `None`: the key of a session did.
    pub(super) long_term: Option<Arc<AccessKey>>,
    /// The token that a session sent.
    pub(super) session_token: Option<SessionToken>,
    /// The mark of a root's key, for the sessions that it opens.
    pub(super) opens: Option<OpenedBy>,
}

/// The identity that a key or session belongs to, as it is at this moment.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) account: AccountId,
    /// The session, if the key is not a long-term key.
    pub(crate) session: Option<Arc<Session>>,
    grants: Grants,
}

/// Where the permissions of an identity come from. Session policies restrict them further.
#[derive(Debug)]
enum Grants {
    /// The identity is the root of its account, and needs no policy.
    Root,
    /// The policies and tags of this user or role.
    Own(Arc<Signer>),
    /// The policies of the user who vouched for a federated user, but not that user's tags.
    Issuer(Arc<Signer>),
    /// The root vouched for a federated user, so only the session policies restrict it.
    RootIssuer(Option<AttachedPolicy>),
}

impl Grants {
    fn tags(&self) -> &[Tag] {
        match self {
            Self::Own(signer) => &signer.tags,
            Self::Root | Self::Issuer(_) | Self::RootIssuer(_) => &[],
        }
    }

    fn policies(&self) -> &[AttachedPolicy] {
        match self {
            Self::Own(signer) | Self::Issuer(signer) => &signer.policies,
            Self::RootIssuer(everything) => everything.as_slice(),
            Self::Root => &[],
        }
    }

    fn boundary(&self) -> Option<&AttachedPolicy> {
        match self {
            Self::Own(signer) | Self::Issuer(signer) => signer.boundary.as_ref(),
            Self::Root | Self::RootIssuer(_) => None,
        }
    }
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

    /// Calls `decide` with every policy that concerns the caller and that of the resource: here alone they are put
    /// together. Who is not signed has none.
    pub(crate) fn with_policies<T>(
        &self,
        resource: Option<NamedPolicy<'_>>,
        decide: impl FnOnce(&PolicySet<'_>) -> T,
    ) -> T {
        match self.identity() {
            Some(identity) => identity.with_policies(resource, decide),
            None => decide(&PolicySet { resource, ..PolicySet::default() }),
        }
    }

    pub(crate) fn principal(&self) -> &Principal {
        self.identity().map_or(&Principal::Anonymous, |identity| &identity.principal)
    }
}

impl SignedCaller {
    /// Who signed, as revocations name it: the `aws:userid`. The name of a federated user is chosen by whoever opens the
    /// session, so such a session is named by its key.
    pub(crate) fn signer_name(&self) -> String {
        match &self.identity.principal {
            Principal::FederatedUser { .. } => self.access_key_id.clone(),
            principal @ (Principal::Anonymous
            | Principal::Root { .. }
            | Principal::User { .. }
            | Principal::AssumedRole { .. }
            | Principal::WebIdentity { .. }) => principal.user_id().unwrap_or_default(),
        }
    }

    /// The mark of a root's key, for the sessions that it opens.
    pub(crate) fn opens(&self) -> Option<&OpenedBy> {
        self.opens.as_ref()
    }
}

impl Identity {
    /// The root of an account, which no policy of its own restricts.
    pub(crate) fn root(account: AccountId) -> Self {
        let principal = Principal::Root { account: account.clone() };
        Self { principal, account, session: None, grants: Grants::Root }
    }

    /// The identity of a long-term key, made from the signer that [`signer_of_key`] names; `None` if the key's
    /// user is gone.
    pub(crate) fn of_key(key: &AccessKey, signer: Option<Arc<Signer>>) -> Option<Self> {
        match &key.owner {
            KeyOwner::Root => Some(Self::root(key.account.clone())),
            KeyOwner::User { .. } => Self::user(signer?),
        }
    }

    /// The identity of a session, made from the signer that [`signer_of_session`] names. `None` if the identity
    /// that opened it is gone, even if another has its name. For a session of a root, the gate checks the key
    /// that opened it.
    pub(crate) fn of_session(session: &Arc<Session>, signer: Option<Arc<Signer>>) -> Option<Self> {
        let account = session.account().clone();
        let identity = match &session.principal {
            SessionPrincipal::Root { .. } => Self::root(account),
            SessionPrincipal::User { .. } => Self::user(signer?)?,
            SessionPrincipal::AssumedRole { session_name, .. } => {
                Self::assumed_role(signer?, session_name)?
            }
            SessionPrincipal::Federated { name, issuer, .. } => {
                let grants = match issuer {
                    Issuer::User { .. } => Grants::Issuer(of_kind(signer?, SignerKind::User)?),
                    Issuer::Root { .. } => Grants::RootIssuer(Directory::administrator()),
                };
                let principal =
                    Principal::FederatedUser { account: account.clone(), name: name.clone() };
                Self { principal, account, session: None, grants }
            }
        };
        Some(Self { session: Some(Arc::clone(session)), ..identity })
    }

    /// A user, or a role in a session of the given name, as the signer is recorded.
    pub(crate) fn of_signer(signer: Arc<Signer>, session_name: &str) -> Option<Self> {
        match signer.kind {
            SignerKind::User => Self::user(signer),
            SignerKind::Role => Self::assumed_role(signer, session_name),
        }
    }

    /// An identity that does not exist: nothing but what is supposed of it gives it anything.
    pub(crate) fn supposed(account: AccountId, name: String) -> Self {
        let principal = Principal::FederatedUser { account: account.clone(), name };
        Self { principal, account, session: None, grants: Grants::RootIssuer(None) }
    }

    fn user(signer: Arc<Signer>) -> Option<Self> {
        let signer = of_kind(signer, SignerKind::User)?;
        let principal = Principal::User {
            account: signer.account.clone(),
            path: signer.path.clone(),
            name: signer.name.clone(),
            id: signer.id.clone(),
        };
        let account = signer.account.clone();
        Some(Self { principal, account, session: None, grants: Grants::Own(signer) })
    }

    fn assumed_role(signer: Arc<Signer>, session_name: &str) -> Option<Self> {
        let signer = of_kind(signer, SignerKind::Role)?;
        let principal = Principal::AssumedRole {
            account: signer.account.clone(),
            path: signer.path.clone(),
            role: signer.name.clone(),
            role_id: signer.id.clone(),
            session: session_name.to_owned(),
        };
        let account = signer.account.clone();
        Some(Self { principal, account, session: None, grants: Grants::Own(signer) })
    }

    /// When the session was opened; `None` for long-term keys.
    pub(crate) fn token_issued_at(&self) -> Option<Timestamp> {
        self.session.as_ref().map(|session| session.issued_at)
    }

    /// The value of a tag of this principal; the name is in lower case. A tag of the session goes before one of
    /// the identity.
    pub(crate) fn tag(&self, name: &str) -> Option<Values<'_>> {
        let of_session = self.session.as_ref().and_then(|session| {
            named(session.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), name)
        });
        of_session.or_else(|| tag_named(self.grants.tags(), name))
    }

    /// Calls `decide` with all policies of this identity and that of the resource.
    pub(crate) fn with_policies<T>(
        &self,
        resource: Option<NamedPolicy<'_>>,
        decide: impl FnOnce(&PolicySet<'_>) -> T,
    ) -> T {
        decide(&self.policies(resource).set())
    }

    /// All policies that decide about a request of this identity: here alone they are put together.
    pub(crate) fn policies<'p>(
        &'p self,
        resource: Option<NamedPolicy<'p>>,
    ) -> AssembledPolicies<'p> {
        AssembledPolicies {
            identity: self.grants.policies().iter().map(attached).collect(),
            boundary: self.grants.boundary().map(attached),
            session: self.session.as_ref().and_then(|session| {
                let policies = session.policies.as_ref()?;
                Some(policies.iter().map(|policy| session_policy(policy)).collect())
            }),
            resource,
        }
    }
}

/// The policies that decide about the requests of one identity for one resource.
#[derive(Debug)]
pub(crate) struct AssembledPolicies<'p> {
    identity: Vec<NamedPolicy<'p>>,
    boundary: Option<NamedPolicy<'p>>,
    session: Option<Vec<NamedPolicy<'p>>>,
    resource: Option<NamedPolicy<'p>>,
}

impl<'p> AssembledPolicies<'p> {
    /// Adds policies as if they were attached to the identity, for a simulation.
    pub(crate) fn supposing(mut self, policies: impl Iterator<Item = NamedPolicy<'p>>) -> Self {
        self.identity.extend(policies);
        self
    }

    /// Bounds the identity by another permissions boundary than its own, for a simulation.
    pub(crate) fn supposing_bounded_by(self, boundary: NamedPolicy<'p>) -> Self {
        Self { boundary: Some(boundary), ..self }
    }

    /// The policies as the decision takes them.
    pub(crate) fn set(&self) -> PolicySet<'_> {
        let Self { identity, boundary, session, resource } = self;
        PolicySet {
            identity,
            boundary: *boundary,
            session: session.as_deref(),
            resource: *resource,
        }
    }
}

/// The id of the user that a long-term key belongs to; `None` for a root's key.
pub(super) fn signer_of_key(key: &AccessKey) -> Option<&str> {
    match &key.owner {
        KeyOwner::Root => None,
        KeyOwner::User { id } => Some(id),
    }
}

/// The id of the user or role whose permissions a session has; `None` if it is a root.
pub(super) fn signer_of_session(session: &Session) -> Option<&str> {
    match &session.principal {
        SessionPrincipal::User { user_id, .. } => Some(user_id),
        SessionPrincipal::AssumedRole { role_id, .. } => Some(role_id),
        SessionPrincipal::Federated { issuer: Issuer::User { id }, .. } => Some(id),
        SessionPrincipal::Root { .. }
        | SessionPrincipal::Federated { issuer: Issuer::Root { .. }, .. } => None,
    }
}

fn of_kind(signer: Arc<Signer>, kind: SignerKind) -> Option<Arc<Signer>> {
    (signer.kind == kind).then_some(signer)
}

fn attached(policy: &AttachedPolicy) -> NamedPolicy<'_> {
    NamedPolicy { name: &policy.name, policy: &policy.policy }
}

fn session_policy(policy: &Policy) -> NamedPolicy<'_> {
    NamedPolicy { name: "session policy", policy }
}
