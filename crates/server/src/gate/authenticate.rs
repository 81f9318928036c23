//! Authenticates callers: nobody, or the holder of a key whose signature covers the request.

use std::sync::Arc;

use iam::{AccountId, OpenedBy, RootKeyMaking, Session, TokenError};
use jiff::Timestamp;
use presign::{
    AdmissibleClaim, Credentials, ExpectedScope, LinkConditions, Mechanism, Presigner, QueryPairs,
    RequestHead, SessionToken, SignatureClaim, TokenClaim, decode_query_component,
};
use store::{AccessKey, KeyOwner, KeyStatus, Signer};

use super::Gate;
use super::caller::{Caller, Identity, SignedCaller, signer_of_key, signer_of_session};
use super::keys::KeyOf;
use crate::authentication::{AuthenticationError, Service};
use crate::head::{Head, ReportedPrefix};
use crate::origin::{bucket_of_prefix, is_own_prefix};

/// The beginning of the access key ids of sessions. Only those are sent with a token.
pub(super) const SESSION_KEY_PREFIX: &str = "ASIA";

/// IAM and STS are global: their calls may name this region whatever the server's own is.
pub(crate) const GLOBAL_REGION: &str = "us-east-1";

/// What a claim is verified with, and the identity that it then proves.
pub(crate) struct Credential {
    proof: Proof,
    /// The session token as it was sent.
    token: Option<Vec<u8>>,
}

/// The secret to verify with, and whose it is.
enum Proof {
    LongTerm(Arc<AccessKey>, Identity),
    Session(Arc<Session>, Identity),
}

impl Proof {
    fn key(&self) -> KeyOf<'_> {
        match self {
            Self::LongTerm(key, _) => {
                KeyOf { id: &key.id, made_at: key.created_at, secret: &key.secret }
            }
            Self::Session(session, _) => KeyOf {
                id: &session.access_key_id,
                made_at: session.issued_at,
                secret: &session.secret,
            },
        }
    }
}

/// Whether a query says, once decoded, that a link to GET also answers HEAD.
fn allows_head(query: &str) -> bool {
    QueryPairs::new(query).any(|(name, value)| {
        *decode_query_component(name) == *LinkConditions::ALLOW_HEAD.as_bytes()
            && *decode_query_component(value) == *b"true"
    })
}

impl Gate {
    /// Authenticates a request of S3. The order of checks is that of semantics 1.7.
    pub(crate) async fn authenticate(
        &self,
        head: &Head<'_>,
        now: Timestamp,
    ) -> Result<Caller, AuthenticationError> {
        let read =
            |signed| SignatureClaim::from_request(&signed).map_err(AuthenticationError::Claim);
        let signed = head.signed_part();
        let claim = read(signed)?;
        let is_link = claim.as_ref().is_some_and(|it| it.mechanism() == Mechanism::V4Query);
        // A link to GET that also answers HEAD is still one to GET, whatever else its query says: the conditions in it
        // are read once its signature holds.
        let claim = if is_link && signed.method == "HEAD" && allows_head(head.query()) {
            read(RequestHead { method: "GET", ..signed })?
        } else {
            claim
        };
        self.prove(claim, head, now).await
    }

    /// The same for a claim that was read before, from a request or a form.
    pub(crate) async fn prove(
        &self,
        claim: Option<SignatureClaim<'_>>,
        head: &Head<'_>,
        now: Timestamp,
    ) -> Result<Caller, AuthenticationError> {
        match claim {
            None => Ok(Caller::Anonymous),
            Some(claim) => {
                let claim = self.admit_claim(claim, Service::S3, now)?;
                let credential = self.credential(&claim, now).await?;
                let caller = self.verify(claim, credential, head, (Service::S3, now)).await?;
                Ok(Caller::Signed(caller))
            }
        }
    }

    /// Checks 7 to 12 of semantics 1.7, for a service.
    pub(crate) fn admit_claim<'c>(
        &self,
        claim: SignatureClaim<'c>,
        service: Service,
        now: Timestamp,
    ) -> Result<AdmissibleClaim<'c>, AuthenticationError> {
        if !is_understood(claim.mechanism()) {
            return Err(AuthenticationError::UnknownMechanism);
        }
        let global = service != Service::S3
            && claim.scope().is_some_and(|scope| scope.region == GLOBAL_REGION);
        let expected = ExpectedScope::new(
            if global { GLOBAL_REGION } else { &self.config.region },
            service.name(),
        )
        .with_sigv2(self.config.sigv2);
        claim.admit(&expected, now).map_err(AuthenticationError::Verify)
    }

    /// Check 13 of semantics 1.7: looks up the key or session that a claim names, and its identity. The body is
    /// not needed for this.
    pub(crate) async fn credential(
        &self,
        claim: &AdmissibleClaim<'_>,
        now: Timestamp,
    ) -> Result<Credential, AuthenticationError> {
        let unknown =
            || AuthenticationError::UnknownKey { access_key_id: claim.access_key_id().to_owned() };
        let token = match claim.session_token() {
            TokenClaim::Absent => None,
            TokenClaim::Present(token) => Some(token.into_owned()),
            TokenClaim::Conflicting => return Err(unknown()),
        };
        let proof = if claim.access_key_id().starts_with(SESSION_KEY_PREFIX) {
            let token = token.as_deref().filter(|token| !token.is_empty()).ok_or_else(unknown)?;
            let session = self.session(token, now)?;
            // The token opened, so this server made it. The id is no secret, so it need not be compared in
            // constant time.
            if session.access_key_id != claim.access_key_id() {
                return Err(unknown());
            }
            let identity = self.holder_of_session(&session).await?.ok_or_else(unknown)?;
            Proof::Session(session, identity)
        } else {
            let found = self.long_term(claim.access_key_id()).await?;
            let (key, identity) = found.ok_or_else(unknown)?;
            Proof::LongTerm(key, identity)
        };
        Ok(Credential { proof, token })
    }

    /// Checks 14 and 15 of semantics 1.7: the signature, and no token beside a long-term key. Notes that the key was
    /// used.
    pub(crate) async fn verify(
        &self,
        claim: AdmissibleClaim<'_>,
        credential: Credential,
        head: &Head<'_>,
        (service, now): (Service, Timestamp),
    ) -> Result<Box<SignedCaller>, AuthenticationError> {
        let region =
            claim.key_scope().map_or_else(String::new, |scope| scope.region.clone().into_owned());
        let caller = self.proven(claim, credential, head, (service, Some(now))).await?;
        if let Some(key) = &caller.long_term {
            self.note_use(&key.id, service, &region, now);
        }
        Ok(caller)
    }

    /// The same, for a request that perhaps nobody has sent: no key is used. Whoever holds a link is told of its
    /// mismatch what a search finds, if the time is given.
    pub(super) async fn proven(
        &self,
        claim: AdmissibleClaim<'_>,
        credential: Credential,
        head: &Head<'_>,
        (service, sent_at): (Service, Option<Timestamp>),
    ) -> Result<Box<SignedCaller>, AuthenticationError> {
        let Credential { proof, token } = credential;
        let verifying = self.keys.get(&claim, proof.key());
        let names = head.signed_names(&self.config, self.reported_prefix(head).await?);
        let hosts = names.hosts();
        let is_link = matches!(claim.mechanism(), Mechanism::V4Query | Mechanism::V2Query);
        let signature = match claim.verify(&hosts, &verifying) {
            Ok(signature) => signature,
            Err(mismatch) => {
                let hint = match sent_at {
                    Some(now) if is_link && service == Service::S3 => {
                        Box::pin(self.hints.find(head, proof.key().secret, now)).await
                    }
                    Some(_) | None => None,
                };
                return Err(AuthenticationError::Mismatch(Box::new(mismatch), hint));
            }
        };
        match proof {
            Proof::LongTerm(key, identity) => {
                if let Some(token) = token {
                    return Err(AuthenticationError::UnexpectedToken { token: text(&token) });
                }
                let opens = (service == Service::Sts).then(|| self.mark(&key)).flatten();
                let managed = match &key.owner {
                    KeyOwner::Role { .. } => {
                        let used = self.managed_use(head.query(), (&key, &signature), service);
                        Some(Box::pin(used).await?)
                    }
                    KeyOwner::Root | KeyOwner::User { .. } => None,
                };
                Ok(Box::new(SignedCaller {
                    access_key_id: key.id.clone(),
                    identity,
                    signature,
                    long_term: Some(key),
                    session_token: None,
                    opens,
                    managed,
                }))
            }
            Proof::Session(session, identity) => Ok(Box::new(SignedCaller {
                access_key_id: session.access_key_id.clone(),
                identity,
                signature,
                long_term: None,
                session_token: token.as_deref().map(|token| SessionToken::new(text(token))),
                opens: None,
                managed: None,
            })),
        }
    }

    /// What a prefix reported by a trusted proxy counts for. The proxy may only pass on what a client sent. So,
    /// unlike a declared prefix, it does not take a path away from a bucket.
    async fn reported_prefix(
        &self,
        head: &Head<'_>,
    ) -> Result<ReportedPrefix, AuthenticationError> {
        let reported = head.reported_prefix();
        if reported.is_some_and(is_own_prefix) {
            return Ok(ReportedPrefix::OfOthers);
        }
        let Some(bucket) = reported.and_then(bucket_of_prefix) else {
            return Ok(ReportedPrefix::Believed);
        };
        let found = self.store.bucket(&bucket).await.map_err(AuthenticationError::Store)?;
        Ok(if found.is_some() { ReportedPrefix::OfOthers } else { ReportedPrefix::Believed })
    }

    /// The mark of a root's key. Keys of users need none, since users have ids.
    fn mark(&self, key: &AccessKey) -> Option<OpenedBy> {
        let AccessKey { id, secret, account, owner, status: _, created_at } = key;
        let given = self.root.as_ref().is_some_and(|root| root.id == *id);
        let made_at = (!given).then_some(*created_at);
        let making = RootKeyMaking { account, access_key_id: id, made_at, secret };
        (*owner == KeyOwner::Root).then(|| self.sealer.mark(&making))
    }

    /// The key of a root that signed, or that opened the session in which was signed.
    pub(super) fn root_key(&self, caller: &SignedCaller) -> Option<OpenedBy> {
        let SignedCaller { identity, long_term, .. } = caller;
        match &identity.session {
            Some(session) => session.opened_by().cloned(),
            None => self.mark(long_term.as_ref()?),
        }
    }

    /// Whether the very key that opened a root's session still exists and is active.
    pub(super) async fn is_there(
        &self,
        opened_by: &OpenedBy,
        account: &AccountId,
    ) -> Result<bool, AuthenticationError> {
        let found = self.long_term(&opened_by.access_key_id).await?;
        let same = |(key, _): &(Arc<AccessKey>, Identity)| {
            key.account == *account && self.mark(key).as_ref() == Some(opened_by)
        };
        Ok(found.as_ref().is_some_and(same))
    }

    /// Signs links with the very key that verified the call, and not with one that may have come to have its id. So
    /// these links end with that key, and with what its holder may do.
    pub(super) fn presigner(&self, caller: &SignedCaller) -> Option<Presigner> {
        let SignedCaller { access_key_id, identity, long_term, session_token, .. } = caller;
        let secret = match (&identity.session, long_term) {
            (Some(session), _) => &session.secret,
            (None, Some(key)) => &key.secret,
            (None, None) => return None,
        };
        let credentials = Credentials {
            access_key_id: access_key_id.clone(),
            secret_access_key: secret.clone(),
            session_token: session_token.clone(),
        };
        Some(Presigner::new(credentials, self.config.region.as_str()))
    }

    /// Looks up a long-term key that may be used, and its identity.
    async fn long_term(
        &self,
        id: &str,
    ) -> Result<Option<(Arc<AccessKey>, Identity)>, AuthenticationError> {
        let Some(key) = self.any_long_term(id).await?.filter(|key| self.is_usable(key)) else {
            return Ok(None);
        };
        Ok(self.holder(&key).await?.map(|identity| (key, identity)))
    }

    /// Looks up a long-term key, whether it may be used or not.
    pub(super) async fn any_long_term(
        &self,
        id: &str,
    ) -> Result<Option<Arc<AccessKey>>, AuthenticationError> {
        match self.root.as_ref().filter(|root| root.id == id) {
            Some(root) => Ok(Some(Arc::clone(root))),
            None => self.store.access_key(id).await.map_err(AuthenticationError::Store),
        }
    }

    /// Whether a long-term key may be used.
    pub(super) fn is_usable(&self, key: &AccessKey) -> bool {
        let is_active = match key.status {
            KeyStatus::Active => true,
            KeyStatus::Inactive => false,
        };
        let is_given = self.root.as_ref().is_some_and(|root| root.id == key.id);
        is_active && (is_given || !self.is_replaced(key))
    }

    /// The identity that a long-term key is of; `None` if its user is gone.
    pub(super) async fn holder(
        &self,
        key: &AccessKey,
    ) -> Result<Option<Identity>, AuthenticationError> {
        let signer = self.signer(&key.account, signer_of_key(key)).await?;
        Ok(Identity::of_key(key, signer))
    }

    /// The identity that a session is of; `None` if who opened it is gone.
    pub(super) async fn holder_of_session(
        &self,
        session: &Arc<Session>,
    ) -> Result<Option<Identity>, AuthenticationError> {
        if let Some(opened_by) = session.opened_by()
            && !self.is_there(opened_by, session.account()).await?
        {
            return Ok(None);
        }
        let signer = self.signer(session.account(), signer_of_session(session)).await?;
        Ok(Identity::of_session(session, signer))
    }

    /// The current user or role with this id, and its policies.
    pub(super) async fn signer(
        &self,
        account: &AccountId,
        id: Option<&str>,
    ) -> Result<Option<Arc<Signer>>, AuthenticationError> {
        match id {
            Some(id) => self.store.signer(account, id).await.map_err(AuthenticationError::Store),
            None => Ok(None),
        }
    }

    /// Whether a root key from outside replaces this one. While one is given, no other root key of its account
    /// works. Otherwise a stolen key of the first start would work for ever, since nothing else ends a root's
    /// key.
    fn is_replaced(&self, key: &AccessKey) -> bool {
        let given = self.root.as_ref().is_some_and(|root| root.account == key.account);
        key.owner == KeyOwner::Root && given
    }

    /// Opens a session token that has not ended, or returns the cached session if it was opened before.
    fn session(&self, token: &[u8], now: Timestamp) -> Result<Arc<Session>, AuthenticationError> {
        let session = self.any_session(token)?;
        if now >= session.expires_at {
            return Err(AuthenticationError::ExpiredToken { token: text(token) });
        }
        Ok(session)
    }

    /// The same, whether it has ended or not.
    pub(super) fn any_session(&self, token: &[u8]) -> Result<Arc<Session>, AuthenticationError> {
        let malformed = || AuthenticationError::MalformedToken { token: text(token) };
        if token.len() > iam::TOKEN_CHARS_MAX {
            return Err(malformed());
        }
        let sealed = std::str::from_utf8(token).map_err(|_| malformed())?;
        if let Some(session) = self.sessions.get(token) {
            return Ok(session);
        }
        let opened = self.sealer.open(sealed).map_err(|error| match error {
            TokenError::Malformed | TokenError::NotOurs => malformed(),
        })?;
        let session = Arc::new(opened);
        self.sessions.put(token, &session);
        Ok(session)
    }

    fn note_use(&self, id: &str, service: Service, region: &str, now: Timestamp) {
        let at_hand = self.root.as_ref().is_some_and(|root| root.id == id);
        if !at_hand {
            self.store.note_key_use(id, service.name(), region, now);
        }
    }
}

/// Whether the gate admits claims of this mechanism: those for which conditions of policies, refusals and the log have
/// words. A mechanism that a later `presign` can verify is refused until somebody has given it these words here.
fn is_understood(mechanism: Mechanism) -> bool {
    matches!(
        mechanism,
        Mechanism::V4Query
            | Mechanism::V4Header
            | Mechanism::V2Query
            | Mechanism::V4Form
            | Mechanism::V2Form
    )
}

/// A token as a refusal repeats it to its sender.
fn text(token: &[u8]) -> String {
    String::from_utf8_lossy(token).into_owned()
}
