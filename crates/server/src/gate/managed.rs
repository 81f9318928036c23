//! Managed links at the gate. What the link signer has signed is one of them: it is judged as the link signer and as whoever
//! made the link, so that it never gives more than either may do at this moment.

use std::sync::Arc;

use hyper::Request;
use iam::{AccountId, LinkLife, Policy, Principal, Verdict};
use jiff::Timestamp;
use ledger::Ledger;
use presign::{
    Credentials, Endpoint, ExpiresIn, Fingerprint, LinkConditions, LinkId, Mechanism, Presign,
    PresignError, Presigned, Presigner, QueryPairs, VerifiedSignature, decode_query_component,
};
use store::{
    AccessKey, BoundPolicy, CreatorIdentity, LinkCreator, LinkPurpose, LinkTarget, ManagedLink,
    ObjectKey, PresentedLink, Revocation,
};

use super::authorize::Authorizer;
use super::bindings::NameBindings;
use super::caller::{Caller, Identity, SignedCaller};
use super::link::{LinkTerms, REVOKED, USED_UP, check_life};
use super::link_access::refused_use;
use super::managed_use::{ManagedUse, counted_uses};
use super::{FutureRequest, Gate, StoreAccess};
use crate::authentication::{AuthenticationError, Service};
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::link_uses::CallUse;
use crate::passphrase::Passphrases;
use crate::permission::Permission;
use crate::shares::Neighbour;

/// The parameter by which a link of the link signer names its managed link.
const ID: &str = "x-valet-id";

fn terms_of(link: &ManagedLink) -> LinkTerms {
    let mut conditions = link.conditions.clone();
    conditions.uses = counted_uses(link);
    LinkTerms { conditions, fingerprint: link.fingerprint(), ends_at: link.expires_at }
}

impl Gate {
    /// The ledger of links; `None`: none is kept.
    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.get()
    }

    /// Keeps this ledger from now on. One that is kept already stays.
    pub(crate) fn keep_ledger(&self, ledger: Ledger) {
        self.ledger.get_or_init(|| ledger);
    }

    /// Where the passphrases of links are computed with.
    pub(crate) fn passphrases(&self) -> &Passphrases {
        &self.passphrases
    }

    /// The managed link that a request of the link signer came by. A signature of that key is good for nothing else.
    pub(super) async fn managed_use(
        &self,
        query: &str,
        (key, signature): (&AccessKey, &VerifiedSignature),
        service: Service,
    ) -> Result<Arc<ManagedUse>, AuthenticationError> {
        let unknown = || AuthenticationError::UnknownKey { access_key_id: key.id.clone() };
        if service != Service::S3 || signature.mechanism() != Mechanism::V4Query {
            return Err(unknown());
        }
        let named = QueryPairs::new(query)
            .find(|(name, _)| *decode_query_component(name) == *ID.as_bytes())
            .and_then(|(_, value)| {
                String::from_utf8(decode_query_component(value).into_owned()).ok()
            });
        let fingerprint: Option<Fingerprint> = named.and_then(|named| named.parse().ok());
        let Some(fingerprint) = fingerprint else { return Err(unknown()) };
        let found = self.store.managed_link(&fingerprint).await;
        let link = found.map_err(AuthenticationError::Store)?;
        let link = link.filter(|link| link.account == key.account).ok_or_else(unknown)?;
        let identity = self.creator(&link).await?;
        let creator = identity.map(|identity| {
            Arc::new(Caller::Signed(Box::new(SignedCaller {
                access_key_id: key.id.clone(),
                identity,
                signature: signature.clone(),
                long_term: None,
                session_token: None,
                opens: None,
                managed: None,
            })))
        });
        Ok(Arc::new(ManagedUse { link, fingerprint, creator, is_part: false }))
    }

    /// Whoever made a managed link, as they are now; `None`: they are gone.
    pub(crate) async fn creator(
        &self,
        link: &Arc<ManagedLink>,
    ) -> Result<Option<Identity>, AuthenticationError> {
        let id = match &link.creator.identity {
            CreatorIdentity::Root => None,
            CreatorIdentity::User { id } | CreatorIdentity::Role { id, .. } => Some(id.as_str()),
            CreatorIdentity::Federated { issuer, .. } => issuer.as_deref(),
        };
        // A root has no id: what one has made ends with the key of that root, and so with the account.
        if id.is_none() {
            let Some(root_key) = &link.creator.root_key else { return Ok(None) };
            if !self.is_there(root_key, &link.account).await? {
                return Ok(None);
            }
        }
        let signer = self.signer(&link.account, id).await?;
        Ok(Identity::of_creator(link, signer))
    }

    async fn has_account(&self, account: &AccountId) -> Result<bool, AuthenticationError> {
        if *account == self.config.account {
            return Ok(true);
        }
        let found = self.store.account(account).await.map_err(AuthenticationError::Store)?;
        Ok(found.is_some())
    }
}

/// Who may assume the link signer: a service that there is not, so nobody but the server signs as this role.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"links.valet.internal"},"Action":"sts:AssumeRole"}]}"#;
/// What the link signer may do at most. An operator may take any of it away.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion","s3:PutObject","s3:DeleteObject","s3:DeleteObjectVersion","s3:AbortMultipartUpload","s3:ListMultipartUploadParts","s3:ListBucket"],"Resource":"arn:aws:s3:::*"}]}"#;

/// A request that the link signer is to sign for a managed link.
#[derive(Clone, Debug)]
pub(crate) struct LentRequest<'l> {
    pub(crate) method: &'l str,
    /// The key of the object; empty: the bucket itself.
    pub(crate) key: &'l str,
    pub(crate) query: &'l [(&'l str, &'l str)],
    pub(crate) headers: &'l [(&'l str, &'l str)],
    pub(crate) expires_in: ExpiresIn,
    /// The conditions that the URL itself is to have, besides the name of the link.
    pub(crate) conditions: LinkConditions,
}

impl Gate {
    /// The managed link of a fingerprint, ended or not.
    pub(crate) async fn managed_link(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Arc<ManagedLink>>, S3Error> {
        self.store.managed_link(fingerprint).await.map_err(refusal::of_store)
    }

    /// Refuses a managed link that was taken back, has ended or not begun, is used up, or is opened from elsewhere. Whether
    /// its creator still has the permission is asked with each request that it lends.
    pub(crate) async fn refuse_ended(
        &self,
        link: &ManagedLink,
        context: &RequestContext,
    ) -> Result<(), S3Error> {
        if self.revocation_of(link, context.now).await?.is_some() {
            return Err(S3Error::with_message(Code::AccessDenied, REVOKED));
        }
        check_life(link, context.now)?;
        let terms = terms_of(link);
        terms.check(context.client, context.now)?;
        // Nothing is left to go on with.
        if link.closed_at.is_some() && link.delete_object_at_end.is_some() {
            return Err(S3Error::with_message(Code::AccessDenied, USED_UP));
        }
        let Some(allowed) = terms.allowance() else { return Ok(()) };
        let used = self.links.uses.refuse_used_up(allowed, Neighbour::of(context.client));
        used.await.map_err(refused_use)
    }

    /// How many uses are left for whoever opens the page of a managed link, which is refused as a download would be. `None`:
    /// uses are not counted.
    pub(crate) async fn uses_left(
        &self,
        link: &ManagedLink,
        context: &RequestContext,
    ) -> Result<Option<u64>, S3Error> {
        let Some(allowed) = terms_of(link).allowance() else { return Ok(None) };
        let left = self.links.uses.left_for(allowed, Neighbour::of(context.client)).await;
        left.map(Some).map_err(refused_use)
    }

    /// Begins a use of a managed link that is made of several requests. `None`: its uses are not counted.
    pub(crate) async fn begin_managed_use(
        &self,
        link: &ManagedLink,
    ) -> Result<Option<CallUse>, S3Error> {
        let Some(allowed) = terms_of(link).allowance() else { return Ok(None) };
        self.links.uses.begin_call(allowed).await.map(Some).map_err(refused_use)
    }

    /// Takes one of the tries that the passphrase of a link has. `false`: there is none left at this moment.
    pub(crate) async fn try_passphrase(
        &self,
        link: &ManagedLink,
        now: Timestamp,
    ) -> Result<bool, S3Error> {
        let tried = self.store.try_passphrase(&link.fingerprint(), now).await;
        tried.map_err(refusal::of_store)
    }

    /// What took a managed link back, if anything did.
    pub(crate) async fn revocation_of(
        &self,
        link: &ManagedLink,
        now: Timestamp,
    ) -> Result<Option<Revocation>, S3Error> {
        if self.store.revokes_nothing() {
            return Ok(None);
        }
        let presented = PresentedLink {
            fingerprint: link.fingerprint(),
            access_key_id: &link.creator.access_key_id,
            account: &link.account,
            signer: &link.creator.signer,
            signed_at: Some(link.created_at),
        };
        let object = ObjectKey::parse(link.purpose.key_or_prefix()).ok();
        let target = LinkTarget { bucket: link.purpose.bucket(), key: object.as_ref() };
        let revoked = async |link: &PresentedLink<'_>| {
            self.store.revocation_of(link, &[target], now).await.map_err(refusal::of_store)
        };
        if let Some(found) = revoked(&presented).await? {
            return Ok(Some(found));
        }
        // Whoever takes back what the link signer has signed takes back all managed links.
        let key = self.link_signer(&link.account, now).await?;
        revoked(&PresentedLink { access_key_id: &key.id, ..presented }).await
    }

    /// The key of an account's link signer, which is made where there is none.
    pub(crate) async fn link_signer(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Arc<AccessKey>, S3Error> {
        if let Some(id) = self.signers.of(account)
            && let Some(key) = self.store.access_key(&id).await.map_err(refusal::of_store)?
        {
            return Ok(key);
        }
        let parse = |text: &str| {
            let policy = Policy::parse(text).map(Arc::new);
            policy.map_err(|cause| S3Error::new(Code::InternalError).because(cause))
        };
        // What a stranger opens makes nothing in an account that is gone.
        if !self.has_account(account).await.map_err(refusal::of_authentication)? {
            return Err(S3Error::new(Code::AccessDenied));
        }
        let trust = parse(TRUST)?;
        let trust = BoundPolicy { document: Arc::clone(&trust), bound: trust };
        let made = self.store.link_signer_key(account, (trust, parse(POLICY)?), now).await;
        let made = made.map_err(refusal::of_store)?.map_err(|refused| {
            let message =
                format!("The role that signs for managed links cannot be made: {refused}");
            S3Error::with_message(Code::ServiceUnavailable, message)
        })?;
        self.signers.remember(account, &made.id);
        Ok(made)
    }

    /// Signs a request of a managed link, for the host that the client has named. Returns the URL from its path on.
    pub(crate) async fn lend(
        &self,
        link: &ManagedLink,
        (request, endpoint): (&LentRequest<'_>, &Endpoint),
        now: Timestamp,
    ) -> Result<Presigned, S3Error> {
        let internal = |cause: PresignError| S3Error::new(Code::InternalError).because(cause);
        let key = self.link_signer(&link.account, now).await?;
        let credentials = Credentials {
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
            session_token: None,
        };
        let mut conditions = request.conditions.clone();
        let id = link.fingerprint().to_string().parse::<LinkId>();
        conditions.id = Some(id.map_err(|cause| S3Error::new(Code::InternalError).because(cause))?);
        let LentRequest { method, key, query, headers, expires_in, conditions: _ } = *request;
        let bucket = link.purpose.bucket().as_str();
        let presign = Presign::new(method, endpoint, bucket, key.as_bytes(), expires_in)
            .with_query(query)
            .with_headers(headers)
            .with_conditions(&conditions);
        let mut presigner = Presigner::new(credentials, self.config.region.as_str());
        presigner.presign(&presign, now).map_err(internal)
    }
}

impl StoreAccess {
    /// The gate, for a call about links.
    pub(crate) fn link_gate(&self) -> Result<&Arc<Gate>, S3Error> {
        self.explains.as_ref().ok_or_else(|| S3Error::new(Code::AccessDenied))
    }

    /// The caller, as one who makes a managed link. Nobody makes one in the name of a link.
    pub(crate) fn as_creator(&self) -> Result<LinkCreator, S3Error> {
        let denied = || S3Error::new(Code::AccessDenied);
        let signed = self.caller.signed().ok_or_else(denied)?;
        let identity = match &signed.identity.principal {
            Principal::Root { .. } => CreatorIdentity::Root,
            Principal::User { id, .. } => CreatorIdentity::User { id: id.clone() },
            Principal::AssumedRole { role_id, session, .. } => {
                CreatorIdentity::Role { id: role_id.clone(), session: session.clone() }
            }
            Principal::FederatedUser { name, .. } => CreatorIdentity::Federated {
                name: name.clone(),
                issuer: signed.identity.issuer().map(str::to_owned),
            },
            Principal::Anonymous | Principal::WebIdentity { .. } | Principal::Service { .. } => {
                return Err(denied());
            }
        };
        let arn = self.principal().to_string();
        let session = signed.identity.creator_session();
        let root_key = match &identity {
            CreatorIdentity::Root | CreatorIdentity::Federated { issuer: None, .. } => {
                Some(self.link_gate()?.root_key(signed).ok_or_else(denied)?)
            }
            CreatorIdentity::User { .. }
            | CreatorIdentity::Role { .. }
            | CreatorIdentity::Federated { issuer: Some(_), .. } => None,
        };
        let access_key_id = signed.access_key_id.clone();
        Ok(LinkCreator {
            identity,
            arn,
            signer: signed.signer_name(),
            access_key_id,
            root_key,
            session,
        })
    }

    /// Whether a managed link gives nothing any more, because whoever made it is gone or may not do it now. What cannot be
    /// known before somebody uses the link counts as if it were allowed.
    pub(crate) async fn is_orphaned(&self, link: &Arc<ManagedLink>) -> Result<bool, S3Error> {
        let identity = self.link_gate()?.creator(link).await;
        let identity = identity.map_err(refusal::of_authentication)?;
        let Some((identity, signed)) = identity.zip(self.caller.signed()) else { return Ok(true) };
        let caller = Caller::Signed(Box::new(SignedCaller {
            access_key_id: String::new(),
            identity,
            signature: signed.signature.clone(),
            long_term: None,
            session_token: None,
            opens: None,
            managed: None,
        }));
        let Self { store, context, .. } = self;
        let bindings = NameBindings::default();
        let judging =
            Authorizer { store, caller: &caller, context, bindings: &bindings, future: None };
        let purpose = &link.purpose;
        let action = lent_action(purpose);
        // Any key below the prefix stands for all.
        let key = match purpose {
            LinkPurpose::Object { key, .. } | LinkPurpose::Presigned { key, .. } => {
                Some(key.clone())
            }
            LinkPurpose::Folder { prefix, .. } | LinkPurpose::Request { prefix, .. } => {
                ObjectKey::parse(&format!("{prefix}any")).ok()
            }
        };
        let Some(key) = key else { return Ok(true) };
        let permission = Permission::object(action, purpose.bucket(), &key);
        if !judging.may_lend(permission) {
            return Ok(true);
        }
        let now = context.now;
        let life = LinkLife { signed_at: now, from: now, until: now };
        let head = Request::builder().uri("/").body(());
        let head = head.map_err(|cause| S3Error::new(Code::InternalError).because(cause))?;
        let head = Arc::new(head.into_parts().0);
        let future = FutureRequest { head, mechanism: Mechanism::V4Query, life };
        let verdict = judging.foresee(&[permission], &(), &future).await?;
        Ok(matches!(verdict, Verdict::Refused(_)))
    }
}

/// The action on objects that a managed link lends.
pub(crate) fn lent_action(purpose: &LinkPurpose) -> &'static str {
    match purpose {
        LinkPurpose::Object { version: Some(_), .. } => "s3:GetObjectVersion",
        LinkPurpose::Object { version: None, .. } | LinkPurpose::Folder { .. } => "s3:GetObject",
        LinkPurpose::Request { .. } => "s3:PutObject",
        LinkPurpose::Presigned { method, .. } => match method.as_str() {
            "PUT" => "s3:PutObject",
            "DELETE" => "s3:DeleteObject",
            _ => "s3:GetObject",
        },
    }
}
