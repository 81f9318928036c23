//! The only door to the store: authenticate, check the link, authorize, admit.
//!
//! What a wrong answer costs: a false admit hands a stranger somebody's bytes; a false refusal breaks
//! a working link. So every step refuses unless it has positively succeeded, and the type that lends the
//! store can be made here only.

mod api_calls;
mod authenticate;
mod authorize;
mod bindings;
mod caller;
mod calls;
mod circumstances;
mod future;
mod keys;
mod sessions;
mod tags;

use std::collections::BTreeSet;
use std::sync::Arc;

use iam::{AccountId, HoldsUntil, PolicyLimit, Principal, SessionSealer, Values, Verdict};
use jiff::Timestamp;
use presign::{Mechanism, VerifiedSignature};
use store::{
    AccessKey, Bucket, BucketName, CorsRule, Directory, KnownIdentity, Lookup, ObjectKey, Store,
    Tag, VersionId,
};

use crate::config::{ServerConfig, SseC};
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::issuers::Issuers;
use crate::permission::{Admissible, Copied, OfBody, Permission};
use crate::request::S3Request;
use crate::rooms::Documents;
use crate::route;
use authorize::Authorizer;
use bindings::{NameBindings, ObjectAddress};
use keys::DerivedKeys;
use sessions::Sessions;

pub(crate) use api_calls::{AdmissibleApiCall, ApiPermission, LentSigning};
pub(crate) use authenticate::Credential;
pub(crate) use caller::{Caller, Identity, SignedCaller};
pub(crate) use calls::{AccountView, AdmissibleCall, DeniedCall, QueryPermission, Target, Trusted};
pub(crate) use circumstances::OperationKeys;
pub(crate) use future::FutureRequest;
pub(crate) use tags::{named, request_tag, tag_named};

/// What is missing to judge a future request whose body names what it is about.
const BODY: &str = "body";

/// How often a request is judged whose records change meanwhile.
pub(crate) const JUDGED_MAX: u32 = 4;

/// What an operation asks to be admitted with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionRequest<'r> {
    pub(crate) request: &'r S3Request<'r>,
    pub(crate) caller: &'r Arc<Caller>,
    pub(crate) context: &'r Arc<RequestContext>,
}

/// An operation that its caller may do, and the only way to the store.
#[derive(Debug)]
pub(crate) struct Authorized<O> {
    operation: O,
    access: StoreAccess,
}

/// What an admitted operation works with. Made here only.
#[derive(Clone, Debug)]
pub(crate) struct StoreAccess {
    store: Store,
    caller: Arc<Caller>,
    context: Arc<RequestContext>,
    issuers: Arc<Issuers>,
    documents: Arc<Documents>,
    /// What was judged: what is done is done to that.
    bindings: Arc<NameBindings>,
    /// What a call of IAM or STS was judged by.
    judged: Option<Arc<Judged>>,
    /// What the link lends by which a call of the API came.
    lent: Option<Arc<LentSigning>>,
}

impl StoreAccess {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The bucket that the request names, as it is now. Once it was judged, no other bucket is meant that
    /// comes to have its name: then there is no such bucket. The one way to what the store asks for.
    pub(crate) async fn bucket(&self, name: &BucketName) -> Result<Arc<Bucket>, S3Error> {
        self.authorizer().bucket(name).await
    }

    /// What is at a key, or one version of it. The request sees one record there, and it is the one whose
    /// tags were judged.
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

    /// What a call of IAM or STS was judged by.
    pub(crate) fn judged(&self) -> Option<&Judged> {
        self.judged.as_deref()
    }

    /// What the call may sign, if it was admitted with [`ApiPermission::LentByLink`].
    pub(crate) fn lent(&self) -> Option<&LentSigning> {
        self.lent.as_deref()
    }

    /// The keys of identity providers.
    pub(crate) fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// Room for the documents of calls.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// What the caller's signature says of the body.
    pub(crate) fn signature(&self) -> Option<&VerifiedSignature> {
        self.caller.signature()
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// When the caller's link ends, or the session that signed it; `None`: it is no link.
    pub(crate) fn link_ends_at(&self) -> Option<Timestamp> {
        let signed = self.caller.signed()?;
        let mechanism = signed.signature.mechanism();
        if !matches!(mechanism, Mechanism::V4Query | Mechanism::V2Query) {
            return None;
        }
        let end = signed.signature.expires_at()?;
        let session = signed.identity.session.as_ref().map(|session| session.expires_at);
        Some(session.map_or(end, |session| session.min(end)))
    }

    /// Who asks.
    pub(crate) fn principal(&self) -> &Principal {
        self.caller.principal()
    }

    /// The account the caller acts for; what needs one is refused to whoever is not signed.
    pub(crate) fn account(&self) -> Result<&AccountId, S3Error> {
        self.caller.account().ok_or_else(|| S3Error::new(Code::AccessDenied))
    }

    /// What the gate would decide about an operation if the caller asked for it by a request that nobody has sent yet.
    /// An error: no policy could let that in.
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

    /// Demands one more permission, where it decides what an answer may tell.
    pub(crate) async fn require(&self, permission: Permission<'_>) -> Result<(), S3Error> {
        self.authorizer().authorize(&[permission], &()).await
    }

    /// Whether the caller may be told that a key is not there: who may list it, by a listing that would
    /// show nothing else (semantics 5.6.1).
    pub(crate) async fn may_know(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<(), S3Error> {
        let permission = Permission::bucket("s3:ListBucket", bucket);
        self.authorizer().authorize(&[permission], &ListedKey(key)).await
    }

    /// As [`Self::require`], with condition keys that stood in the call's body.
    pub(crate) async fn require_with(
        &self,
        permission: Permission<'_>,
        keys: &dyn OperationKeys,
    ) -> Result<(), S3Error> {
        self.authorizer().authorize(&[permission], keys).await
    }

    /// The tags of a record that a policy asked for, if one did. Whoever changes the record tells the store
    /// of them; if it has others by then, the request is to be judged anew.
    pub(crate) fn judged_tags(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Option<Vec<Tag>> {
        self.bindings.judged_tags(ObjectAddress { bucket: &bucket.reference(), key, version })
    }

    /// Forgets the records that were judged, so that the next question looks them up anew.
    pub(crate) fn forget_records(&self) {
        self.bindings.forget_records();
    }

    fn authorizer(&self) -> Authorizer<'_> {
        let Self { store, caller, context, bindings, .. } = self;
        Authorizer { store, caller, context, bindings, future: None }
    }
}

/// What a call of IAM was judged by: it reads that, and changes nothing else.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) directory: Arc<Directory>,
    /// The identities that it is about.
    pub(crate) known: Vec<KnownIdentity>,
}

impl<O> Authorized<O> {
    pub(crate) fn operation(&self) -> &O {
        &self.operation
    }

    pub(crate) fn access(&self) -> &StoreAccess {
        &self.access
    }

    /// The operation's own values, to be used up, and what it works with.
    pub(crate) fn split(self) -> (O, StoreAccess) {
        (self.operation, self.access)
    }
}

impl<O: Admissible> Authorized<O> {
    /// Asks again about records that have changed since they were judged.
    pub(crate) async fn anew(self) -> Result<Self, S3Error> {
        self.access.forget_records();
        self.again(|_| {}).await
    }

    /// Asks again for an operation that knows more of itself than when it was admitted.
    pub(crate) async fn again(mut self, learn: impl FnOnce(&mut O)) -> Result<Self, S3Error> {
        learn(&mut self.operation);
        let operation = &self.operation;
        self.access.authorizer().authorize(&operation.permissions(), &KeysOf(operation)).await?;
        Ok(self)
    }

    /// Admits one of the targets that stand in this call's body, as a call of its own.
    pub(crate) async fn admit<P: Admissible>(
        &self,
        operation: P,
    ) -> Result<Authorized<P>, S3Error> {
        let bindings = Arc::new(self.access.bindings.of_buckets());
        let access = StoreAccess { bindings, ..self.access.clone() };
        access.authorizer().authorize(&operation.permissions(), &KeysOf(&operation)).await?;
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

/// Authenticates and admits.
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
}

impl Gate {
    /// `root` is the key given from outside, for as long as the process runs.
    pub(crate) fn new(store: Store, config: Arc<ServerConfig>, root: Option<AccessKey>) -> Self {
        Self {
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

    /// Room for documents, and for what is read before anybody is proven.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// What a bucket lets pages of other origins do; `None`: there is no such bucket. Who asks does not
    /// matter: a browser asks before anybody is authenticated.
    pub(crate) async fn cors(
        &self,
        bucket: &BucketName,
    ) -> Result<Option<Arc<[CorsRule]>>, S3Error> {
        let found = self.store.bucket(bucket).await.map_err(refusal::of_store)?;
        Ok(found.map(|bucket| Arc::clone(&bucket.cors)))
    }

    /// Admits the operation, or says why not. Conditions of the link come before permissions.
    pub(crate) async fn admit<O: Admissible>(
        &self,
        operation: O,
        asked: AdmissionRequest<'_>,
    ) -> Result<Authorized<O>, S3Error> {
        let AdmissionRequest { request, caller, context } = asked;
        refuse_unknown_meanings(O::HONOURS, request)?;
        refuse_insecure_keys(request, context)?;
        refuse_strange_owners(request)?;
        let access = self.access(caller, context);
        access.authorizer().authorize(&operation.permissions(), &KeysOf(&operation)).await?;
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
        }
    }
}

/// Refuses `x-valet-*` conditions, none of which this version can keep, whoever sends them.
/// Those of a form's fields are no better.
pub(crate) fn refuse_link_conditions<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), S3Error> {
    const PREFIX: &str = "x-valet-";
    for (name, value) in pairs {
        let named =
            name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        if named {
            let message = "This version does not know the x-valet-* conditions of a link.";
            return Err(S3Error::invalid_argument(message, name, value));
        }
    }
    Ok(())
}

/// A header that changes what a request means is honoured or refused, never ignored.
fn refuse_unknown_meanings(honoured: &[&str], request: &S3Request<'_>) -> Result<(), S3Error> {
    for name in request.amz_names() {
        let Some(meaning) = route::meaning_of(&name) else { continue };
        if !honoured.contains(&meaning) {
            return Err(S3Error::not_implemented(&name));
        }
    }
    Ok(())
}

/// A key of a customer's travels over TLS alone, whatever is done with it, unless the server was told
/// otherwise.
fn refuse_insecure_keys(request: &S3Request<'_>, context: &RequestContext) -> Result<(), S3Error> {
    let is_key = |name: &str| {
        let meaning = route::meaning_of(name);
        meaning.is_some_and(|meaning| [route::OBJECT_KEY, route::SOURCE_KEY].contains(&meaning))
    };
    match context.config.sse_c {
        SseC::Any => Ok(()),
        SseC::Tls if context.secure => Ok(()),
        SseC::Tls if !request.amz_names().any(|name| is_key(&name)) => Ok(()),
        SseC::Tls => Err(S3Error::invalid_request(
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.",
        )),
    }
}

/// Whom the client expects to own a bucket must be an account.
fn refuse_strange_owners(request: &S3Request<'_>) -> Result<(), S3Error> {
    for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        let Some(expected) = request.header(name) else { continue };
        if AccountId::parse(&expected).is_err() {
            return Err(S3Error::with_message(
                Code::InvalidBucketOwner,
                format!(
                    "The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]"
                ),
            ));
        }
    }
    Ok(())
}

/// What the client expects of the owners of the buckets that it names must be so.
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
            // What is to be made is nobody's yet.
            Err(error) if error.code() == Code::NoSuchBucket => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
