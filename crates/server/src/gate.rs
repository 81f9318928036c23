//! The only door to the store: authenticate, check the link, authorize, admit.
//!
//! What a wrong answer costs: a false admit hands a stranger somebody's bytes; a false refusal breaks
//! a working link. So every step refuses unless it has positively succeeded, and the type that lends the
//! store can be made here only.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use iam::AccountId;
use jiff::Timestamp;
use presign::{
    AdmissibleClaim, CredentialScope, ExpectedScope, SignatureClaim, TokenClaim, VerifiedSignature,
    VerifyingKey,
};
use store::{AccessKey, Store};

use crate::config::ServerConfig;
use crate::error::refusal;
use crate::error::{Code, S3Error};
use crate::head::Head;
use crate::operation::{Operation, Permission, Resource};
use crate::request::S3Request;
use crate::respond::RequestContext;
use crate::route;

/// Access keys whose derived keys are kept.
const ACCESS_KEYS_MAX: usize = 4096;
/// Derived keys kept of one access key: links of a week have eight days, and as many again.
const SCOPES_MAX: usize = 16;

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
    pub(crate) key: Arc<AccessKey>,
    pub(crate) signature: VerifiedSignature,
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

    fn account(&self) -> Option<&AccountId> {
        self.signed().map(|caller| &caller.key.account)
    }
}

/// What an operation asks to be admitted with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) request: &'r S3Request<'r>,
    pub(crate) caller: &'r Arc<Caller>,
    pub(crate) context: &'r Arc<RequestContext>,
}

/// An operation that its caller may do, and the only way to the store.
#[derive(Debug)]
pub(crate) struct Authorized<O> {
    operation: O,
    door: Door,
}

/// What an admitted operation works with. Made here only.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    store: Store,
    caller: Arc<Caller>,
    context: Arc<RequestContext>,
}

impl Door {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn context(&self) -> &RequestContext {
        &self.context
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// What the caller's signature says of the body.
    pub(crate) fn signature(&self) -> Option<&VerifiedSignature> {
        self.caller.signature()
    }

    /// The account the caller acts for. Nobody unsigned is ever admitted in this version.
    pub(crate) fn account(&self) -> Result<&AccountId, S3Error> {
        self.caller.account().ok_or_else(|| S3Error::new(Code::AccessDenied))
    }
}

impl<O: Operation> Authorized<O> {
    pub(crate) fn operation(&self) -> &O {
        &self.operation
    }

    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// The operation's own values, to be used up, and what it works with.
    pub(crate) fn split(self) -> (O, Door) {
        (self.operation, self.door)
    }

    /// Admits one of the targets that stand in this call's body, as a call of its own.
    pub(crate) async fn admit<P: Operation>(&self, operation: P) -> Result<Authorized<P>, S3Error> {
        authorize(&self.door.store, &self.door.caller, &operation.permissions()).await?;
        Ok(Authorized { operation, door: self.door.clone() })
    }
}

/// A key derived from a secret, and all it was derived from.
#[derive(Debug)]
struct DerivedKey {
    /// A key that was deleted and made again is another one.
    created_at: Timestamp,
    /// Day, region and service; none for SigV2, which uses the secret as it is.
    scope: Option<CredentialScope<'static>>,
    key: VerifyingKey,
}

/// Authenticates and admits.
#[derive(Debug)]
pub(crate) struct Gate {
    store: Store,
    config: Arc<ServerConfig>,
    root: Option<Arc<AccessKey>>,
    /// By access key id.
    derived_keys: RwLock<HashMap<String, Vec<DerivedKey>>>,
}

impl Gate {
    /// `root` is the key given from outside, for as long as the process runs.
    pub(crate) fn new(store: Store, config: Arc<ServerConfig>, root: Option<AccessKey>) -> Self {
        let root = root.map(Arc::new);
        Self { store, config, root, derived_keys: RwLock::default() }
    }

    /// Who is asking: nobody, or the holder of a key whose signature covers this request. The order of
    /// checks is aws-semantics 1.7.
    pub(crate) async fn authenticate(
        &self,
        head: &Head<'_>,
        now: Timestamp,
    ) -> Result<Caller, S3Error> {
        let signed = head.signed_part();
        let Some(claim) = SignatureClaim::from_request(&signed).map_err(refusal::of_claim)? else {
            return Ok(Caller::Anonymous);
        };
        let expected =
            ExpectedScope { region: &self.config.region, service: "s3", sigv2: self.config.sigv2 };
        let claim = claim.admit(&expected, now).map_err(refusal::of_verification)?;
        let unknown = || refusal::unknown_key(claim.access_key_id());
        let key = self.access_key(claim.access_key_id()).await?.ok_or_else(unknown)?;
        let verifying = self.verifying_key(&claim, &key);
        let token = match claim.session_token() {
            TokenClaim::Absent => None,
            TokenClaim::Present(token) => Some(token.into_owned()),
            TokenClaim::Conflicting => return Err(unknown()),
        };
        let names = head.signed_names(&self.config);
        let hosts = names.hosts(head.virtual_bucket(&self.config));
        let signature = claim.verify(&hosts, &verifying).map_err(refusal::of_mismatch)?;
        // Only long-term keys exist in this version, and none of them goes with a token (1.4.18).
        if let Some(token) = token {
            return Err(refusal::unexpected_token(&token));
        }
        Ok(Caller::Signed(SignedCaller { key, signature }))
    }

    /// Whether the caller is the operator: the root of the first account.
    pub(crate) fn operator(&self, caller: &Caller) -> Result<(), S3Error> {
        match caller.account() {
            Some(account) if *account == self.config.account => Ok(()),
            Some(_) | None => Err(S3Error::new(Code::AccessDenied)),
        }
    }

    /// Admits the operation, or says why not. Conditions of the link come before permissions.
    pub(crate) async fn admit<O: Operation>(
        &self,
        operation: O,
        asked: Asked<'_>,
    ) -> Result<Authorized<O>, S3Error> {
        let Asked { request, caller, context } = asked;
        refuse_unknown_meanings(O::HONOURS, request)?;
        authorize(&self.store, caller, &operation.permissions()).await?;
        check_expected_owner(request, caller)?;
        let door = Door {
            store: self.store.clone(),
            caller: Arc::clone(caller),
            context: Arc::clone(context),
        };
        Ok(Authorized { operation, door })
    }

    async fn access_key(&self, id: &str) -> Result<Option<Arc<AccessKey>>, S3Error> {
        if let Some(root) = self.root.as_ref().filter(|root| root.id == id) {
            return Ok(Some(Arc::clone(root)));
        }
        self.store.access_key(id).await.map_err(refusal::of_store)
    }

    /// The derived key, from the cache: deriving costs as much as the rest of a verification.
    fn verifying_key(&self, claim: &AdmissibleClaim<'_>, key: &AccessKey) -> VerifyingKey {
        let scope = claim.key_scope();
        if let Ok(keys) = self.derived_keys.read()
            && let Some(of_id) = keys.get(&key.id)
            && let Some(known) = of_id
                .iter()
                .find(|known| known.created_at == key.created_at && known.scope.as_ref() == scope)
        {
            return known.key.clone();
        }
        let derived = VerifyingKey::derive(claim, &key.secret);
        let (created_at, scope) = (key.created_at, scope.map(|scope| scope.clone().into_owned()));
        if let Ok(mut keys) = self.derived_keys.write() {
            if keys.len() >= ACCESS_KEYS_MAX {
                keys.clear();
            }
            let of_id = keys.entry(key.id.clone()).or_default();
            of_id.truncate(SCOPES_MAX - 1);
            of_id.insert(0, DerivedKey { created_at, scope, key: derived.clone() });
        }
        derived
    }
}

/// Refuses `x-valet-*` conditions, none of which this version can keep, whoever sends them.
pub(crate) fn refuse_link_conditions(request: &S3Request<'_>) -> Result<(), S3Error> {
    const PREFIX: &str = "x-valet-";
    for (name, value) in request.query.iter() {
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

/// What the client expects of the owner of its buckets must be so. Whoever was authorized is the
/// owner of all of them in this version.
fn check_expected_owner(request: &S3Request<'_>, caller: &Caller) -> Result<(), S3Error> {
    for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        let Some(expected) = request.header(name) else { continue };
        if caller.account().is_none_or(|account| account.as_str() != expected) {
            return Err(S3Error::new(Code::AccessDenied));
        }
    }
    Ok(())
}

/// In this version an account's root may do everything to what the account owns, and nobody else anything.
async fn authorize(
    store: &Store,
    caller: &Caller,
    permissions: &[Permission<'_>],
) -> Result<(), S3Error> {
    let Some(account) = caller.account() else {
        return Err(S3Error::new(Code::AccessDenied));
    };
    for permission in permissions {
        match permission.resource {
            Resource::Account | Resource::NewBucket(_) => {}
            Resource::Bucket(bucket) | Resource::Object(bucket, _) => {
                let found = store.bucket(bucket).await.map_err(refusal::of_store)?;
                let found = found.ok_or_else(|| refusal::no_such_bucket(bucket))?;
                if found.owner != *account {
                    return Err(S3Error::new(Code::AccessDenied));
                }
            }
        }
    }
    Ok(())
}
