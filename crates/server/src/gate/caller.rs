//! The authenticated caller: a verified signature, and the identity that its key belongs to now.

use std::sync::Arc;

use iam::{
    AccountId, CLOUDFRONT_SERVICE, Issuer, NamedPolicy, OpenedBy, Policy, PolicySet, Principal,
    Session, SessionPrincipal, Values,
};
use jiff::Timestamp;
use presign::{Fingerprint, SessionToken, VerifiedSignature};
use store::{
    AccessKey, AttachedPolicy, CreatorIdentity, CreatorSession, Directory, KeyOwner, ManagedLink,
    Signer, SignerKind, Tag,
};

use super::managed_use::ManagedUse;
use super::tags::{named, tag_named};

/// The name of the session in which the link signer signs, as policies see it.
const LINKS_SESSION: &str = "links";

/// The authenticated caller.
#[derive(Debug)]
pub(crate) enum Caller {
    Anonymous,
    /// Boxed once, where the signature is proven, rather than moved at each step from there.
    Signed(Box<SignedCaller>),
    /// A distribution of this server that reads from its origin under its origin access control.
    Distribution(DistributionCaller),
}

/// A distribution as policies see it: the service calls for this resource of this account.
#[derive(Debug)]
pub(crate) struct DistributionCaller {
    principal: Principal,
    /// The value of `aws:SourceArn`.
    pub(crate) source_arn: Arc<str>,
    /// The value of `aws:SourceAccount`.
    pub(crate) source_account: AccountId,
}

impl DistributionCaller {
    pub(crate) fn new(source_arn: Arc<str>, source_account: AccountId) -> Self {
        let principal = Principal::Service { name: CLOUDFRONT_SERVICE };
        Self { principal, source_arn, source_account }
    }
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
    /// The managed link that the request came by, if the link signer signed it.
    pub(super) managed: Option<Arc<ManagedUse>>,
}

/// The identity that a key or session belongs to, as it is at this moment.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) account: AccountId,
    /// The session, if the key is not a long-term key.
    pub(crate) session: Option<Arc<Session>>,
    /// The managed link that the identity has made, if it is asked for that link alone.
    made: Option<Arc<ManagedLink>>,
    grants: Grants,
}

/// What a session was opened with, as far as policies ask about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionFacts<'s> {
    pub(crate) issued_at: Timestamp,
    policies: Option<&'s [Arc<Policy>]>,
    tags: &'s [(String, String)],
    pub(crate) source_identity: Option<&'s str>,
    pub(crate) federated_provider: Option<&'s str>,
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

impl<'s> SessionFacts<'s> {
    fn of_creator(session: &'s CreatorSession) -> Self {
        Self {
            issued_at: session.issued_at,
            policies: session.policies.as_deref(),
            tags: &session.tags,
            source_identity: session.source_identity.as_deref(),
            federated_provider: session.federated_provider.as_deref(),
        }
    }
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
    /// The same caller, for a request that takes no use of its managed link: it is part of a use that was taken before, or
    /// of none.
    pub(crate) fn within_a_use(mut self) -> Self {
        if let Self::Signed(signed) = &mut self
            && let Some(managed) = &mut signed.managed
        {
            *managed = Arc::new(ManagedUse { is_part: true, ..ManagedUse::clone(managed) });
        }
        self
    }

    pub(crate) fn signed(&self) -> Option<&SignedCaller> {
        match self {
            Self::Anonymous | Self::Distribution(_) => None,
            Self::Signed(caller) => Some(caller),
        }
    }

    /// The distribution that asks, if one does.
    pub(crate) fn distribution(&self) -> Option<&DistributionCaller> {
        match self {
            Self::Anonymous | Self::Signed(_) => None,
            Self::Distribution(caller) => Some(caller),
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

    /// The managed link that the request came by.
    pub(crate) fn managed(&self) -> Option<&Arc<ManagedUse>> {
        self.signed()?.managed.as_ref()
    }

    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::Anonymous => &Principal::Anonymous,
            Self::Signed(caller) => &caller.identity.principal,
            Self::Distribution(caller) => &caller.principal,
        }
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
            | Principal::WebIdentity { .. }
            | Principal::Service { .. }) => principal.user_id().unwrap_or_default(),
        }
    }

    /// What names the link: of a managed link its own fingerprint, however often it is signed anew.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let managed = self.managed.as_ref().map(|managed| managed.fingerprint);
        managed.unwrap_or_else(|| self.signature.fingerprint())
    }

    /// The policies that restrict the session in which was signed; `None`: none do, or it is no session.
    pub(crate) fn session_policies(&self) -> Option<&[Arc<Policy>]> {
        self.identity.session.as_ref()?.policies.as_deref()
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
        Self { principal, account, session: None, made: None, grants: Grants::Root }
    }

    /// The identity of a long-term key, made from the signer that [`signer_of_key`] names; `None` if the key's
    /// user is gone.
    pub(crate) fn of_key(key: &AccessKey, signer: Option<Arc<Signer>>) -> Option<Self> {
        match &key.owner {
            KeyOwner::Root => Some(Self::root(key.account.clone())),
            KeyOwner::User { .. } => Self::user(signer?),
            KeyOwner::Role { .. } => Self::assumed_role(signer?, LINKS_SESSION),
        }
    }

    /// Whoever made a managed link, made from the signer that its record names; `None`: they are gone.
    pub(super) fn of_creator(link: &Arc<ManagedLink>, signer: Option<Arc<Signer>>) -> Option<Self> {
        let account = link.account.clone();
        let identity = match &link.creator.identity {
            CreatorIdentity::Root => Self::root(account),
            CreatorIdentity::User { .. } => Self::user(signer?)?,
            CreatorIdentity::Role { session, .. } => Self::assumed_role(signer?, session)?,
            CreatorIdentity::Federated { name, issuer } => {
                let grants = match issuer {
                    Some(_) => Grants::Issuer(of_kind(signer?, SignerKind::User)?),
                    None => Grants::RootIssuer(Directory::administrator()),
                };
                Self::federated(account, name, grants)
            }
        };
        Some(Self { made: Some(Arc::clone(link)), ..identity })
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
                Self::federated(account, name, grants)
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
    pub(crate) fn supposed(account: AccountId, name: &str) -> Self {
        Self::federated(account, name, Grants::RootIssuer(None))
    }

    fn federated(account: AccountId, name: &str, grants: Grants) -> Self {
        let principal =
            Principal::FederatedUser { account: account.clone(), name: name.to_owned() };
        Self { principal, account, session: None, made: None, grants }
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
        Some(Self { principal, account, session: None, made: None, grants: Grants::Own(signer) })
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
        Some(Self { principal, account, session: None, made: None, grants: Grants::Own(signer) })
    }

    /// What the session was opened with in which the identity acts, or in which it has made a managed link.
    pub(crate) fn session_facts(&self) -> Option<SessionFacts<'_>> {
        let made = self.made.as_ref().and_then(|link| link.creator.session.as_ref());
        match &self.session {
            Some(session) => Some(SessionFacts {
                issued_at: session.issued_at,
                policies: session.policies.as_deref(),
                tags: &session.tags,
                source_identity: session.source_identity.as_deref(),
                federated_provider: session.federated_provider.as_deref(),
            }),
            None => made.map(SessionFacts::of_creator),
        }
    }

    /// The unique id of the user who vouched for a federated user; `None`: the root did, or nobody.
    pub(super) fn issuer(&self) -> Option<&str> {
        match &self.grants {
            Grants::Issuer(signer) => Some(&signer.id),
            Grants::Root | Grants::Own(_) | Grants::RootIssuer(_) => None,
        }
    }

    /// What a managed link keeps of the session in which it is made.
    pub(super) fn creator_session(&self) -> Option<CreatorSession> {
        let session = self.session.as_ref()?;
        Some(CreatorSession {
            issued_at: session.issued_at,
            policies: session.policies.clone(),
            tags: session.tags.clone(),
            source_identity: session.source_identity.clone(),
            federated_provider: session.federated_provider.clone(),
        })
    }

    /// When the session was opened; `None` for long-term keys.
    pub(crate) fn token_issued_at(&self) -> Option<Timestamp> {
        self.session_facts().map(|session| session.issued_at)
    }

    /// The value of a tag of this principal; the name is in lower case. A tag of the session goes before one of
    /// the identity.
    pub(crate) fn tag(&self, name: &str) -> Option<Values<'_>> {
        let of_session = self.session_facts().and_then(|session| {
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
            session: self.session_facts().and_then(|session| {
                let policies = session.policies?;
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

/// The id of the user or role that a long-term key belongs to; `None` for a root's key.
pub(super) fn signer_of_key(key: &AccessKey) -> Option<&str> {
    match &key.owner {
        KeyOwner::Root => None,
        KeyOwner::User { id } | KeyOwner::Role { id } => Some(id),
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
