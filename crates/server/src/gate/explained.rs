//! Whose link it is that somebody asks about, whether that may be told, and what the gate would decide if the link
//! were used now.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hyper::http::request::Parts;
use iam::{Decision, LinkLife, Principal, Session};
use jiff::Timestamp;
use presign::{Mechanism, SecretAccessKey, SignatureClaim};
use store::BucketName;

use super::authenticate::SESSION_KEY_PREFIX;
use super::authorize::PolicyQuestion;
use super::caller::{Caller, Identity};
use super::{Gate, LinkTerms, StoreAccess};
use crate::authentication::{AuthenticationError, Service};
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::head::{Head, Peer};
use crate::permission::{LinkFit, Permission};
use crate::request::Query;
use crate::route::{self, Target};

/// The action of an identity policy that lets somebody know about links which others of the account signed.
const EXPLAIN_LINK: &str = "valet:ExplainLink";

/// The signer of a link, as far as the one who asks may know.
#[derive(Debug)]
pub(crate) enum LinkSigner {
    /// Nothing may be told: neither whether there is such a key, nor anything of it.
    Hidden,
    /// No key of the asker's account has that id, and the link is for a bucket of the account.
    NotOfAccount,
    /// A session of the account is claimed, and the token does not open.
    WrongToken,
    Known(Box<KnownSigner>),
}

/// A signer of the asker's own account.
#[derive(Debug)]
pub(crate) struct KnownSigner {
    /// `None`: the token is of another session, and so is what could be told by its secret.
    pub(crate) secret: Option<SecretAccessKey>,
    pub(crate) standing: Standing,
    pub(crate) session_ends_at: Option<Timestamp>,
    pub(crate) is_root: bool,
}

/// Whether a key may sign now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    /// The key was switched off, or a root key from outside replaces it.
    Inactive,
    /// The user or role that it was of is gone, or the key that opened the session.
    Gone,
    /// The session has ended.
    Ended,
    /// The token is of another session than the key.
    OtherToken,
}

/// A link, authenticated by the gate as if it were used now.
#[derive(Debug)]
pub(crate) struct UsedLink {
    /// What its signer would be lent.
    pub(crate) access: StoreAccess,
    pub(crate) mechanism: Mechanism,
    pub(crate) life: LinkLife,
    pub(crate) target: Target,
}

/// The key or session that a link names.
struct FoundSigner {
    signer: KnownSigner,
    account: iam::AccountId,
    /// `None`: its user or role is gone.
    identity: Option<Identity>,
}

impl StoreAccess {
    /// The signer of a link that the caller asks about. Whoever signed it is told; so is who has
    /// `valet:ExplainLink` on what the link is for, of signers of the own account alone.
    pub(crate) async fn link_signer(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        target: &Target,
    ) -> Result<LinkSigner, S3Error> {
        let denied = || S3Error::new(Code::AccessDenied);
        let gate = self.explains.as_ref().ok_or_else(denied)?;
        let asker = self.caller.signed().ok_or_else(denied)?;
        if access_key_id.starts_with(SESSION_KEY_PREFIX) && token.is_none() {
            // Only its token says whose it is, and the text tells that the token is missing.
            return Ok(LinkSigner::Hidden);
        }
        let found = gate.found_signer(access_key_id, token, self.context.now).await;
        let may_explain = self.may_explain(target);
        let (found, is_wrong_token) = match found {
            Ok(found) => (found, false),
            Err(AuthenticationError::MalformedToken { .. }) => (None, true),
            Err(error) => return Err(refusal::of_authentication(error)),
        };
        if let Some(FoundSigner { signer, account, identity }) = found
            && account == asker.identity.account
        {
            let is_own = access_key_id == asker.access_key_id
                || identity.is_some_and(|identity| is_same(&identity, &asker.identity));
            let told = is_own || may_explain;
            return Ok(if told { LinkSigner::Known(Box::new(signer)) } else { LinkSigner::Hidden });
        }
        if !may_explain || !self.owns_bucket(target).await? {
            return Ok(LinkSigner::Hidden);
        }
        Ok(if is_wrong_token { LinkSigner::WrongToken } else { LinkSigner::NotOfAccount })
    }

    /// Searches for what happened to a link. Others wait for their turn, and those who would wait long are refused.
    pub(crate) async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, S3Error> {
        let denied = || S3Error::new(Code::AccessDenied);
        let gate = self.explains.as_ref().ok_or_else(denied)?;
        let asker = self.caller.signed().ok_or_else(denied)?.signer_name();
        gate.searches.run(&asker, search).await
    }

    /// The same for whoever revokes a link: what is found is good to know, and nothing to wait for. `None`: others search.
    pub(crate) async fn search_if_free<T: Send + 'static>(
        &self,
        search: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.explains.as_ref()?.revoking_searches.run_if_free(search).await
    }

    /// Whether a link is one of the caller's account: signed by a key of the account, or for a bucket of the account. Only
    /// for a caller who may revoke it if it is.
    pub(crate) async fn is_of_account(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        target: &Target,
    ) -> Result<bool, S3Error> {
        let denied = || S3Error::new(Code::AccessDenied);
        let gate = self.explains.as_ref().ok_or_else(denied)?;
        if self.owns_bucket(target).await? {
            return Ok(true);
        }
        let account = self.caller.account();
        match gate.found_signer(access_key_id, token, self.context.now).await {
            Ok(found) => Ok(found.is_some_and(|found| Some(&found.account) == account)),
            Err(AuthenticationError::MalformedToken { .. }) => Ok(false),
            Err(error) => Err(refusal::of_authentication(error)),
        }
    }

    /// Authenticates the request of a link as if it came now. `None`: the gate would not let it in.
    pub(crate) async fn used_now(&self, parts: &Arc<Parts>) -> Option<UsedLink> {
        self.explains.as_ref()?.used_now(parts, &self.context).await
    }

    /// Refuses a link with a condition that says nothing about the operation.
    pub(crate) fn check_link_fit(&self, fit: LinkFit) -> Result<(), S3Error> {
        self.link.as_ref().map_or(Ok(()), |link| link.check_fit(fit))
    }

    /// Whether the bucket of a link belongs to the caller's account. One that is not there belongs to nobody.
    pub(crate) async fn owns_bucket(&self, target: &Target) -> Result<bool, S3Error> {
        let Some(name) = bucket_of(target) else { return Ok(false) };
        match self.bucket(name).await {
            Ok(bucket) => Ok(self.caller.account() == Some(&bucket.owner)),
            Err(error) if error.code() == Code::NoSuchBucket => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// By identity policies alone: no bucket policy lets anybody know about the links of another account.
    fn may_explain(&self, target: &Target) -> bool {
        let Some(account) = self.caller.account() else { return false };
        let permission = match target {
            Target::Service => Permission::account(EXPLAIN_LINK),
            Target::Bucket(bucket) => Permission::bucket(EXPLAIN_LINK, bucket),
            Target::Object(bucket, key) => Permission::object(EXPLAIN_LINK, bucket, key),
        };
        let resource = permission.resource.arn();
        let question = PolicyQuestion {
            action: EXPLAIN_LINK,
            resource: &resource,
            owner: account,
            policy: None,
            version: None,
        };
        matches!(self.authorizer().decide(question, &()), Decision::Allow(_))
    }
}

fn bucket_of(target: &Target) -> Option<&BucketName> {
    match target {
        Target::Service => None,
        Target::Bucket(bucket) | Target::Object(bucket, _) => Some(bucket),
    }
}

/// Whether two identities are one. The name of a federated user says nothing: whoever opens such a session chooses it.
fn is_same(one: &Identity, other: &Identity) -> bool {
    let is_federated = matches!(one.principal, Principal::FederatedUser { .. });
    one.account == other.account && one.principal == other.principal && !is_federated
}

impl Gate {
    async fn found_signer(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<FoundSigner>, AuthenticationError> {
        if access_key_id.starts_with(SESSION_KEY_PREFIX) {
            let Some(token) = token else { return Ok(None) };
            let session = self.any_session(token.as_bytes())?;
            return self.found_session(&session, access_key_id, now).await.map(Some);
        }
        let Some(key) = self.any_long_term(access_key_id).await? else { return Ok(None) };
        let identity = self.holder(&key).await?;
        let standing = match (self.is_usable(&key), &identity) {
            (false, _) => Standing::Inactive,
            (true, None) => Standing::Gone,
            (true, Some(_)) if token.is_some() => Standing::OtherToken,
            (true, Some(_)) => Standing::Active,
        };
        let signer = KnownSigner {
            secret: Some(key.secret.clone()),
            standing,
            session_ends_at: None,
            is_root: identity.as_ref().is_some_and(is_root),
        };
        Ok(Some(FoundSigner { signer, account: key.account.clone(), identity }))
    }

    async fn found_session(
        &self,
        session: &Arc<Session>,
        access_key_id: &str,
        now: Timestamp,
    ) -> Result<FoundSigner, AuthenticationError> {
        let identity = self.holder_of_session(session).await?;
        let standing = match &identity {
            _ if session.access_key_id != access_key_id => Standing::OtherToken,
            _ if now >= session.expires_at => Standing::Ended,
            None => Standing::Gone,
            Some(_) => Standing::Active,
        };
        let signer = KnownSigner {
            secret: (standing != Standing::OtherToken).then(|| session.secret.clone()),
            standing,
            session_ends_at: Some(session.expires_at),
            is_root: identity.as_ref().is_some_and(is_root),
        };
        Ok(FoundSigner { signer, account: session.account().clone(), identity })
    }

    async fn used_now(&self, parts: &Arc<Parts>, context: &RequestContext) -> Option<UsedLink> {
        let now = context.now;
        let peer = Peer { address: context.client, tls: context.tls };
        let head = Head::read(parts, peer, &self.config).ok()?;
        let claim = SignatureClaim::from_request(&head.signed_part()).ok()??;
        let claim = self.admit_claim(claim, Service::S3, now).ok()?;
        let credential = self.credential(&claim, now).await.ok()?;
        let caller = self.proven(claim, credential, &head, (Service::S3, None)).await.ok()?;
        let target = route::target(head.reading().resource()).ok()?;
        let signature = &caller.signature;
        let (mechanism, until) = (signature.mechanism(), signature.expires_at()?);
        let signed_at = signature.signed_at().unwrap_or(now);
        let until = caller.identity.session.as_ref().map_or(until, |it| it.expires_at.min(until));
        let life = LinkLife { signed_at, from: now, until };
        let context = RequestContext {
            parts: Arc::clone(parts),
            // Nobody knows from where the link will be used. Who asks may have a use of it under way.
            client: Ipv4Addr::UNSPECIFIED.into(),
            host: head.named_host().to_owned(),
            prefix: head.named_prefix().to_owned(),
            virtual_hosted: head.reading().is_virtual_hosted(),
            ..context.clone()
        };
        let caller = Arc::new(Caller::Signed(caller));
        let query = Query::parse(head.query()).ok()?;
        let link = LinkTerms::read(query.iter(), &caller).ok()?;
        let access = StoreAccess { link, ..self.access(&caller, &Arc::new(context)) };
        Some(UsedLink { access, mechanism, life, target })
    }
}

fn is_root(identity: &Identity) -> bool {
    matches!(identity.principal, Principal::Root { .. })
}
