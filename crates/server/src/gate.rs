//! The only way to the store: authenticate, check the conditions of the link, authorize, admit.
//!
//! What a wrong answer costs: if a request is admitted that should not be, a stranger gets somebody's bytes; if
//! one is refused that should not be, a link does not work. So every step refuses unless it has positively
//! succeeded, and only this module can make the type that lends the store.

mod api_calls;
mod authenticate;
mod authorize;
mod bindings;
mod caller;
mod calls;
mod circumstances;
mod closed;
mod explained;
mod future;
mod hint;
mod keys;
mod link;
mod link_access;
mod link_ends;
mod link_state;
mod lookups;
mod managed;
mod managed_use;
mod request_files;
mod searches;
mod sessions;
mod tags;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use iam::{AccountId, HoldsUntil, PolicyLimit, Principal, SessionSealer, Values, Verdict};
use jiff::Timestamp;
use ledger::Ledger;
use presign::{Mechanism, VerifiedSignature};
use store::{
    AccessKey, Bucket, BucketName, Directory, KnownIdentity, Lookup, ObjectKey, Store, Tag,
    VersionId,
};

use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::issuers::Issuers;
use crate::link_rate::LinkRates;
use crate::link_uses::LinkUses;
use crate::passphrase::Passphrases;
use crate::permission::{Admissible, Copied, LinkFit, OfBody, Permission};
use crate::request::S3Request;
use crate::rooms::Documents;
use authorize::Authorizer;
use bindings::{NameBindings, ObjectAddress};
use closed::{refuse_insecure_keys, refuse_strange_owners, refuse_unknown_meanings};
use hint::Hints;
use keys::DerivedKeys;
use searches::Searches;
use sessions::Sessions;

pub(crate) use api_calls::{AdmissibleApiCall, ApiPermission, LentSigning};
pub(crate) use authenticate::Credential;
pub(crate) use caller::{Caller, DistributionCaller, Identity, SignedCaller};
pub(crate) use calls::{AccountView, AdmissibleCall, DeniedCall, QueryPermission, Target, Trusted};
pub(crate) use circumstances::{OperationKeys, identity_key, iso_time};
pub(crate) use closed::{refuse_link_conditions, refuse_link_conditions_in};
pub(crate) use explained::{KnownSigner, LinkSigner, Standing, UsedLink};
pub(crate) use future::FutureRequest;
pub(crate) use link::{EXPIRED, LinkTerms, REVOKED, USED_UP};
use link_state::{Closing, LinkSigners};
pub(crate) use managed::{LentRequest, lent_action};
pub(crate) use tags::{named, request_tag, tag_named};

/// Stands for the body among the things that are not known of a future request.
const BODY: &str = "body";

/// How often a request is judged, if the records that it was judged by change before it takes effect.
pub(crate) const JUDGED_MAX: u32 = 4;

/// What the gate needs to admit an operation: the request, who sent it, and the circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionRequest<'r> {
    pub(crate) request: &'r S3Request<'r>,
    pub(crate) caller: &'r Arc<Caller>,
    pub(crate) context: &'r Arc<RequestContext>,
    /// The conditions of the link that the request came by.
    pub(crate) link: Option<&'r Arc<LinkTerms>>,
}

impl AdmissionRequest<'_> {
    /// Refuses the request if its link has a condition that says nothing about the operation. Before anything else of
    /// the request is read.
    pub(crate) fn check_fit(&self, fit: LinkFit) -> Result<(), S3Error> {
        self.link.map_or(Ok(()), |link| link.check_fit(fit))
    }
}

/// An operation that its caller is allowed to do. Only this type lends the store.
#[derive(Debug)]
pub(crate) struct Authorized<O> {
    operation: O,
    access: StoreAccess,
}

/// What an admitted operation works with: the store, the caller, and what the request was judged by. Only this
/// module can make one.
#[derive(Clone, Debug)]
pub(crate) struct StoreAccess {
    store: Store,
    caller: Arc<Caller>,
    context: Arc<RequestContext>,
    issuers: Arc<Issuers>,
    documents: Arc<Documents>,
    /// The buckets and records that the request was judged by. The operation acts on the same ones.
    bindings: Arc<NameBindings>,
    /// The identities that a call of IAM or STS was judged by.
    judged: Option<Arc<Judged>>,
    /// The right to sign further links, which the link of an API call lends.
    lent: Option<Arc<LentSigning>>,
    /// The gate itself, for a call that asks about links.
    explains: Option<Arc<Gate>>,
    /// The conditions of the link that the request came by.
    link: Option<Arc<LinkTerms>>,
    links: Arc<LinksInUse>,
}

/// The links that are being used and that have conditions on how.
#[derive(Debug)]
pub(crate) struct LinksInUse {
    uses: LinkUses,
    rates: LinkRates,
}

impl StoreAccess {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The current record of a bucket that the request names. This is the only way to the id that the store
    /// asks for. If the bucket was judged, and another bucket has got its name since, then there is no such
    /// bucket for this request.
    pub(crate) async fn bucket(&self, name: &BucketName) -> Result<Arc<Bucket>, S3Error> {
        self.authorizer().bucket(name).await
    }

    /// The object at a key, or one version of it. A request sees one record there throughout: the one whose
    /// tags policies were asked about.
    pub(crate) async fn object(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Lookup, S3Error> {
        self.authorizer().object(ObjectAddress { bucket: &bucket.reference(), key, version }).await
    }

    pub(crate) fn context(&self) -> &RequestContext {
        &self.context
    }

    /// The identities that a call of IAM or STS was judged by.
    pub(crate) fn judged(&self) -> Option<&Judged> {
        self.judged.as_deref()
    }

    /// The right to sign further links, if the call was admitted with [`ApiPermission::LentByLink`].
    pub(crate) fn lent(&self) -> Option<&LentSigning> {
        self.lent.as_deref()
    }

    /// The cached keys of identity providers.
    pub(crate) fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// The rooms in which the documents of calls are read.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// The verified signature of the caller, which says what body to expect; `None` for an unsigned request.
    pub(crate) fn signature(&self) -> Option<&VerifiedSignature> {
        self.caller.signature()
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// When the caller's link ends, or the session that signed it, whichever is first; `None` if the request is
    /// no link.
    pub(crate) fn link_ends_at(&self) -> Option<Timestamp> {
        let signed = self.caller.signed()?;
        let mechanism = signed.signature.mechanism();
        if !matches!(mechanism, Mechanism::V4Query | Mechanism::V2Query) {
            return None;
        }
        let end = signed.signature.expires_at()?;
        Some(self.session_ends_at().map_or(end, |session| session.min(end)))
    }

    /// When the session ends that signed the request; `None` if no session did.
    pub(crate) fn session_ends_at(&self) -> Option<Timestamp> {
        Some(self.caller.signed()?.identity.session.as_ref()?.expires_at)
    }

    /// The caller's principal, as policies name it.
    pub(crate) fn principal(&self) -> &Principal {
        self.caller.principal()
    }

    /// The account that the caller acts for. Unsigned callers have none, and are refused.
    pub(crate) fn account(&self) -> Result<&AccountId, S3Error> {
        self.caller.account().ok_or_else(|| S3Error::new(Code::AccessDenied))
    }

    /// What the gate would decide about an operation if the caller sent a request for it, such as a link that
    /// is about to be signed. An error means that no policy could allow the request.
    pub(crate) async fn foresee<O: Admissible>(
        &self,
        operation: &O,
        request: &S3Request<'_>,
        future: &FutureRequest,
    ) -> Result<Verdict, S3Error> {
        refuse_unknown_meanings(O::HONOURS, request)?;
        refuse_strange_owners(request)?;
        let mut permissions = operation.permissions();
        let of_body = operation.permission_of_body();
        if let OfBody::Keys(permission) = of_body {
            permissions.push(permission);
        }
        // Who asks about a link came by it, as it were.
        self.refuse_revoked(&permissions).await?;
        let verdict = self.authorizer().foresee(&permissions, &KeysOf(operation), future).await?;
        check_expected_owner(self, request).await?;
        Ok(match of_body {
            OfBody::Nothing | OfBody::Keys(_) => verdict,
            OfBody::Targets => verdict.and(Verdict::Unknown {
                missing: BTreeSet::from([BODY.to_owned()]),
                at_most: HoldsUntil { at: future.life.until, limited_by: PolicyLimit::Nothing },
            }),
        })
    }

    /// Checks one more permission, if it decides what an answer may tell.
    pub(crate) async fn require(&self, permission: Permission<'_>) -> Result<(), S3Error> {
        self.authorizer().authorize(&[permission], &()).await
    }

    /// Checks whether the caller may be told that a key is not there. That is so if the caller may list exactly
    /// this key (semantics 5.6.1).
    pub(crate) async fn may_know(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<(), S3Error> {
        let permission = Permission::bucket("s3:ListBucket", bucket);
        self.authorizer().authorize(&[permission], &ListedKey(key)).await
    }

    /// Like [`Self::require`], with condition keys from the body of the call.
    pub(crate) async fn require_with(
        &self,
        permission: Permission<'_>,
        keys: &dyn OperationKeys,
    ) -> Result<(), S3Error> {
        self.authorizer().authorize(&[permission], keys).await
    }

    /// The tags of a record, if a policy asked for them. An operation that changes the record passes them to
    /// the store. If the record has other tags by then, the store changes nothing, and the request must be
    /// judged again.
    pub(crate) fn judged_tags(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Option<Vec<Tag>> {
        self.bindings.judged_tags(ObjectAddress { bucket: &bucket.reference(), key, version })
    }

    /// Forgets the records that were looked up. The next decision looks them up again.
    pub(crate) fn forget_records(&self) {
        self.bindings.forget_records();
    }

    fn authorizer(&self) -> Authorizer<'_> {
        let Self { store, caller, context, bindings, .. } = self;
        Authorizer { store, caller, context, bindings, future: None }
    }
}

/// The identities that a call of IAM was judged by. The call reads this very directory, and changes only these
/// identities.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) directory: Arc<Directory>,
    /// The identities that the call is about.
    pub(crate) known: Vec<KnownIdentity>,
}

impl<O> Authorized<O> {
    pub(crate) fn operation(&self) -> &O {
        &self.operation
    }

    pub(crate) fn access(&self) -> &StoreAccess {
        &self.access
    }

    /// Takes the operation and its access to the store apart.
    pub(crate) fn split(self) -> (O, StoreAccess) {
        (self.operation, self.access)
    }
}

impl<O: Admissible> Authorized<O> {
    /// Admits the operation again, after the records that it was judged by have changed.
    pub(crate) async fn anew(self) -> Result<Self, S3Error> {
        self.access.forget_records();
        self.again(|_| {}).await
    }

    /// Admits the operation again, after `learn` has added to it what the body says.
    pub(crate) async fn again(mut self, learn: impl FnOnce(&mut O)) -> Result<Self, S3Error> {
        learn(&mut self.operation);
        let operation = &self.operation;
        self.access.authorizer().authorize(&operation.permissions(), &KeysOf(operation)).await?;
        Ok(self)
    }

    /// Admits one of the targets in the body of this call, as an operation of its own.
    pub(crate) async fn admit<P: Admissible>(
        &self,
        operation: P,
    ) -> Result<Authorized<P>, S3Error> {
        let bindings = Arc::new(self.access.bindings.of_buckets());
        let access = StoreAccess { bindings, ..self.access.clone() };
        let permissions = operation.permissions();
        access.refuse_revoked(&permissions).await?;
        access.authorizer().authorize(&permissions, &KeysOf(&operation)).await?;
        drop(permissions);
        Ok(Authorized { operation, access })
    }
}

/// The condition keys of a listing of one key.
struct ListedKey<'k>(&'k ObjectKey);

impl OperationKeys for ListedKey<'_> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        (key == "s3:prefix").then(|| Values::One(self.0.as_str().into()))
    }
}

/// The condition keys of an operation.
struct KeysOf<'o, O>(&'o O);

impl<O: Admissible> OperationKeys for KeysOf<'_, O> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        self.0.condition(key)
    }

    fn query_keys(&self) -> &'static [(&'static str, &'static str)] {
        O::QUERY_KEYS
    }

    fn has_keys_of_body(&self) -> bool {
        matches!(self.0.permission_of_body(), OfBody::Keys(_))
    }

    fn copied(&self) -> Option<Copied<'_>> {
        self.0.copied()
    }
}

/// Authenticates requests and admits operations.
#[derive(Debug)]
pub(crate) struct Gate {
    store: Store,
    config: Arc<ServerConfig>,
    root: Option<Arc<AccessKey>>,
    keys: DerivedKeys,
    sealer: SessionSealer,
    sessions: Sessions,
    issuers: Arc<Issuers>,
    documents: Arc<Documents>,
    links: Arc<LinksInUse>,
    passphrases: Passphrases,
    signers: LinkSigners,
    closing: Closing,
    /// The ledger of links, set once at the start; nothing: none is kept.
    ledger: OnceLock<Ledger>,
    hints: Hints,
    /// Of those who ask what happened to a link.
    searches: Searches,
    /// Of those who revoke a link, whom nobody who only asks may hold up.
    revoking_searches: Searches,
}

impl Gate {
    /// `root` is a root key that is given from outside, and counts for as long as the process runs.
    pub(crate) fn new(store: Store, config: Arc<ServerConfig>, root: Option<AccessKey>) -> Self {
        let uses = LinkUses::new(store.clone());
        Self {
            links: Arc::new(LinksInUse { uses, rates: LinkRates::default() }),
            passphrases: Passphrases::default(),
            signers: LinkSigners::default(),
            closing: Closing::default(),
            ledger: OnceLock::new(),
            hints: Hints::default(),
            searches: Searches::default(),
            revoking_searches: Searches::default(),
            sealer: store.session_sealer(),
            issuers: Arc::new(Issuers::new(config.outbound_allow.clone())),
            store,
            config,
            root: root.map(Arc::new),
            keys: DerivedKeys::default(),
            sessions: Sessions::default(),
            documents: Arc::default(),
        }
    }

    /// Gives back the uses of links whose clients have gone, before the server ends.
    pub(crate) async fn give_back_uses(&self) {
        self.links.uses.give_back_idle().await;
    }

    /// The rooms for documents, and for the fields of forms.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Admits the operation, or refuses it. Conditions of the link are checked before permissions.
    pub(crate) async fn admit<O: Admissible>(
        &self,
        operation: O,
        asked: AdmissionRequest<'_>,
    ) -> Result<Authorized<O>, S3Error> {
        let AdmissionRequest { request, caller, context, link } = asked;
        refuse_unknown_meanings(O::HONOURS, request)?;
        refuse_insecure_keys(request, context)?;
        refuse_strange_owners(request)?;
        let access = StoreAccess { link: link.cloned(), ..self.access(caller, context) };
        let permissions = operation.permissions();
        if let Some(managed) = caller.managed() {
            managed.check_purpose(&permissions, request.query.get("prefix"))?;
        }
        access.refuse_revoked(&permissions).await?;
        if let Some(link) = link {
            link.check(context.client, context.now)?;
        }
        access.authorizer().authorize(&permissions, &KeysOf(&operation)).await?;
        drop(permissions);
        check_expected_owner(&access, request).await?;
        Ok(Authorized { operation, access })
    }

    fn access(&self, caller: &Arc<Caller>, context: &Arc<RequestContext>) -> StoreAccess {
        StoreAccess {
            store: self.store.clone(),
            caller: Arc::clone(caller),
            context: Arc::clone(context),
            issuers: Arc::clone(&self.issuers),
            documents: Arc::clone(&self.documents),
            bindings: Arc::default(),
            judged: None,
            lent: None,
            explains: None,
            link: None,
            links: Arc::clone(&self.links),
        }
    }
}

/// Checks that the buckets have the owners that the client expects.
async fn check_expected_owner(
    access: &StoreAccess,
    request: &S3Request<'_>,
) -> Result<(), S3Error> {
    if let Some(expected) = request.header("x-amz-expected-bucket-owner")
        && let Some(bucket) = request.bucket
    {
        match access.bucket(bucket).await {
            Ok(bucket) if bucket.owner.as_str() == expected => {}
            Ok(_) => return Err(S3Error::new(Code::AccessDenied)),
            // A bucket that is to be created has no owner yet.
            Err(error) if error.code() == Code::NoSuchBucket => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
