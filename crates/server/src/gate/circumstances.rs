//! The condition keys of a request. Every one is computed here: a header or parameter with the name of a key
//! counts for nothing (semantics F10). A key is computed only when a policy asks for it.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HeaderName, IF_MATCH, IF_NONE_MATCH, REFERER, USER_AGENT};
use iam::{AccountId, Context, Principal, Values, Work};
use jiff::Timestamp;
use presign::{Mechanism, Payload, VerifiedSignature};
use store::{Tag, VersionId};

use super::caller::{Caller, Identity};
use super::tags::tag_named;
use crate::context::RequestContext;
use crate::head::TlsVersion;
use crate::permission::Copied;
use crate::request::{Query, S3Request};

const EXISTING_TAG: &str = "existingobjecttag/";
const PRINCIPAL_TAG: &str = "principaltag/";
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// The beginnings of keys whose values come from the fields of a form.
const OF_FIELDS: &[&str] = &["s3:x-amz-", "s3:requestobjecttag"];
/// The beginnings of keys whose values come from the body, for a few operations.
const OF_BODY: &[&str] = &["aws:requesttag/", "aws:tagkeys", "s3:requestobjecttag"];
/// How far ahead the clock of a signer may be, in milliseconds.
const CLOCKS_APART_MS_MAX: i128 = 15 * 60 * 1000;

/// The condition keys that only the operation knows. Names are in lower case.
pub(crate) trait OperationKeys: Sync {
    /// The value of a key; `None`: the operation has no such key.
    fn condition(&self, key: &str) -> Option<Values<'_>>;

    /// Condition keys for query parameters: (key, parameter).
    fn query_keys(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Whether some of the operation's own keys have their values in the body.
    fn has_keys_of_body(&self) -> bool {
        false
    }

    /// The bytes that the operation copies on the server, if it does.
    fn copied(&self) -> Option<Copied<'_>> {
        None
    }
}

/// The facts of the store that a decision may ask for, as far as they were looked up.
#[derive(Debug, Default)]
pub(super) struct LookedUpFacts {
    /// The tags of the object.
    pub(super) tags: Option<Vec<Tag>>,
    /// The number of bytes that are copied.
    pub(super) copied_size: Option<u64>,
}

/// The facts that a policy asked for and that were not looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MissingFacts {
    pub(super) tags: bool,
    pub(super) copied_size: bool,
}

/// The operation has no condition keys of its own.
impl OperationKeys for () {
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }
}

/// The circumstances of one decision, from which condition keys are computed.
pub(crate) struct Circumstances<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) context: &'a RequestContext,
    pub(crate) operation: &'a dyn OperationKeys,
    /// The account that owns the resource.
    pub(crate) resource_account: &'a AccountId,
    pub(crate) query: OnceCell<Option<Query<'a>>>,
    /// How a future request will be signed; `None` for a request that has been sent.
    future: Option<Mechanism>,
    /// The version of the object, if one is named.
    version: Option<&'a VersionId>,
    looked: Option<&'a LookedUpFacts>,
    lacks: Cell<MissingFacts>,
}

impl<'a> Circumstances<'a> {
    pub(crate) fn new(
        caller: &'a Caller,
        context: &'a RequestContext,
        operation: &'a dyn OperationKeys,
        resource_account: &'a AccountId,
    ) -> Self {
        Self {
            caller,
            context,
            operation,
            resource_account,
            query: OnceCell::new(),
            future: None,
            version: None,
            looked: None,
            lacks: Cell::default(),
        }
    }

    /// The circumstances of a future request, if the mechanism that will sign it is given.
    pub(super) fn ahead(self, future: Option<Mechanism>) -> Self {
        Self { future, ..self }
    }

    pub(super) fn of_version(self, version: Option<&'a VersionId>) -> Self {
        Self { version, ..self }
    }

    pub(super) fn knowing(self, looked: &'a LookedUpFacts) -> Self {
        Self { looked: Some(looked), ..self }
    }

    /// The facts that a policy asked for, and that counted as absent because they were not looked up.
    pub(super) fn lacks(&self) -> MissingFacts {
        self.lacks.get()
    }

    fn existing_tag(&self, name: &str) -> Option<Values<'_>> {
        let Some(tags) = self.looked.and_then(|looked| looked.tags.as_deref()) else {
            self.lacks.set(MissingFacts { tags: true, ..self.lacks.get() });
            return self.future.map(|_| Values::Unknown);
        };
        tag_named(tags, name)
    }

    /// Whether nobody can know the value of a key before the request is sent. That is so if it depends on where
    /// the request comes from, or on something that the signature does not cover. The signature covers S3's own
    /// headers, or the request is refused. But a form's policy alone says which fields it will have, and that
    /// is not known here.
    fn is_unknown(&self, mechanism: Mechanism, key: &str) -> bool {
        let unsigned = |name: &HeaderName| !self.context.parts.headers.contains_key(name);
        match key {
            "aws:securetransport" | "aws:sourceip" | "s3:tlsversion" => true,
            "aws:referer" => unsigned(&REFERER),
            "aws:useragent" => unsigned(&USER_AGENT),
            "s3:if-match" => unsigned(&IF_MATCH),
            "s3:if-none-match" => unsigned(&IF_NONE_MATCH),
            "s3:x-amz-content-sha256" => unsigned(&CONTENT_SHA256),
            "valet:contentlength" => {
                self.writes() && self.operation.copied().is_none() && unsigned(&CONTENT_LENGTH)
            }
            other => {
                let begins = |names: &[&str]| names.iter().any(|start| other.starts_with(start));
                (is_form(mechanism) && begins(OF_FIELDS))
                    || (self.operation.has_keys_of_body() && begins(OF_BODY))
            }
        }
    }

    /// How the request is signed, or will be.
    fn mechanism(&self) -> Option<Mechanism> {
        self.future.or_else(|| Some(self.caller.signature()?.mechanism()))
    }

    fn global(&self, name: &str) -> Option<Cow<'_, str>> {
        let now = self.context.now;
        let owned = |text: String| Some(Cow::Owned(text));
        match name {
            "currenttime" => owned(iso_time(now)),
            "epochtime" => owned(now.as_second().to_string()),
            "referer" => self.header(&REFERER),
            "requestedregion" => Some(self.context.config.region.as_str().into()),
            "resourceaccount" => Some(self.resource_account.as_str().into()),
            "securetransport" => owned(self.context.secure.to_string()),
            "sourcearn" => Some((&*self.caller.distribution()?.source_arn).into()),
            "sourceaccount" => Some(self.caller.distribution()?.source_account.as_str().into()),
            // Of a service nobody but the service knows the address.
            "sourceip" if self.caller.distribution().is_some() => None,
            "sourceip" => owned(self.context.client.to_canonical().to_string()),
            "useragent" => self.header(&USER_AGENT),
            other => of_signer(self.caller.identity(), self.caller.principal(), other),
        }
    }

    fn s3(&self, name: &str) -> Option<Cow<'_, str>> {
        let signature = self.caller.signature();
        match name {
            "authtype" => Some(match self.mechanism()? {
                Mechanism::V4Header => "REST-HEADER".into(),
                Mechanism::V4Query | Mechanism::V2Query => "REST-QUERY-STRING".into(),
                Mechanism::V4Form | Mechanism::V2Form => "POST".into(),
                // Never admitted: `authenticate::is_understood`.
                _ => return None,
            }),
            "signatureversion" => Some(match self.mechanism()? {
                Mechanism::V4Header | Mechanism::V4Query | Mechanism::V4Form => {
                    "AWS4-HMAC-SHA256".into()
                }
                Mechanism::V2Query | Mechanism::V2Form => "AWS".into(),
                _ => return None,
            }),
            "signatureage" => match signature?.mechanism() {
                Mechanism::V2Query | Mechanism::V2Form => Some("0".into()),
                Mechanism::V4Query | Mechanism::V4Form => {
                    let age = self.context.now.duration_since(signature?.signed_at()?).as_millis();
                    // A form may be dated ahead, unlike a link (semantics 1.6.2a), and would then stay young
                    // for long. So a form dated an hour ahead counts as an hour old.
                    let is_ahead = age < -CLOCKS_APART_MS_MAX;
                    let age = if is_ahead { age.saturating_neg() } else { age.max(0) };
                    Some(age.to_string().into())
                }
                Mechanism::V4Header | _ => None,
            },
            "resourceaccount" => Some(self.resource_account.as_str().into()),
            "tlsversion" => self.context.tls.map(|version| match version {
                TlsVersion::V1_2 => "1.2".into(),
                TlsVersion::V1_3 => "1.3".into(),
            }),
            "versionid" => Some(self.version?.to_string().into()),
            // Only the header counts, not the parameter in the query of a link (semantics 5.1).
            "x-amz-content-sha256" => self.header(&CONTENT_SHA256),
            // On reads, only headers are conditions, not query parameters.
            "if-match" | "if-none-match" if self.reads() => {
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                self.header(&name)
            }
            "if-match" | "if-none-match" => self.request_header(name),
            // A customer's key is secret, so it is no condition key.
            key if key.contains("-customer-key") => None,
            // Headers that describe a write. Reads have no such keys, even if they send the header.
            amz if amz.starts_with("x-amz-") && self.writes() => self.request_header(amz),
            _ => None,
        }
    }

    fn valet(&self, name: &str) -> Option<Values<'_>> {
        match name {
            "contentlength" if self.operation.copied().is_some() => {
                let Some(size) = self.looked.and_then(|looked| looked.copied_size) else {
                    self.lacks.set(MissingFacts { copied_size: true, ..self.lacks.get() });
                    return self.future.map(|_| Values::Unknown);
                };
                Some(Values::One(size.to_string().into()))
            }
            "contentlength" if self.writes() => self.announced_length().map(Values::One),
            _ => None,
        }
    }

    /// The announced length of the body that will be stored. Only a body in signed chunks is longer on the wire
    /// than what it brings.
    fn announced_length(&self) -> Option<Cow<'_, str>> {
        // For a future request, the body of the call that asks about it does not count.
        let of_call = || self.caller.signature().map(VerifiedSignature::payload);
        match self.future.map_or_else(of_call, |_| None) {
            Some(Payload::Streaming(_)) => {
                self.header(&HeaderName::from_static("x-amz-decoded-content-length"))
            }
            Some(Payload::Sha256(_) | Payload::Unsigned) | None => self.header(&CONTENT_LENGTH),
        }
    }

    fn reads(&self) -> bool {
        matches!(self.context.parts.method, Method::GET | Method::HEAD)
    }

    fn writes(&self) -> bool {
        matches!(self.context.parts.method, Method::PUT | Method::POST)
    }

    /// The query parameter for which the operation has a condition key.
    fn query_key(&self, key: &str) -> Option<Cow<'_, str>> {
        let (_, parameter) = self.operation.query_keys().iter().find(|(known, _)| *known == key)?;
        self.query()?.get(parameter).map(|value| Cow::Owned(value.to_owned()))
    }

    fn query(&self) -> Option<&Query<'a>> {
        let raw = self.context.parts.uri.query().unwrap_or_default();
        self.query.get_or_init(|| Query::parse(raw).ok()).as_ref()
    }

    /// The value of a header as it was sent.
    fn header(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        let value = self.context.parts.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    }

    /// The value of a header, or of the signed query parameter that stands for it.
    fn request_header(&self, name: &str) -> Option<Cow<'_, str>> {
        let query = self.query()?;
        let headers = &self.context.parts.headers;
        let request = S3Request::new(query, headers);
        request.owned_header(name).map(Cow::Owned)
    }
}

impl Context for Circumstances<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        if let Some(values) = self.operation.condition(key) {
            return Some(values);
        }
        if self.future.is_some_and(|mechanism| self.is_unknown(mechanism, key)) {
            return Some(Values::Unknown);
        }
        let value = match key.split_once(':')? {
            ("aws", name) if name.starts_with(PRINCIPAL_TAG) => {
                return signer_key(self.caller, key);
            }
            ("aws", name) => self.global(name),
            ("s3", name) if name.starts_with(EXISTING_TAG) => {
                return self.existing_tag(name.strip_prefix(EXISTING_TAG)?);
            }
            ("s3", name) => self.query_key(key).or_else(|| self.s3(name)),
            ("valet", name) => return self.valet(name),
            (_, _) => None,
        };
        value.map(Values::One)
    }

    fn work(&self) -> Option<&Work> {
        Some(&self.context.work)
    }
}

fn is_form(mechanism: Mechanism) -> bool {
    matches!(mechanism, Mechanism::V4Form | Mechanism::V2Form)
}

/// The value of a condition key about the signer, not about the request.
fn signer_key<'c>(caller: &'c Caller, key: &str) -> Option<Values<'c>> {
    principal_key(caller.identity(), caller.principal(), key)
}

/// The value of a condition key about whoever would sign, for simulations.
pub(crate) fn identity_key<'i>(identity: &'i Identity, key: &str) -> Option<Values<'i>> {
    principal_key(Some(identity), &identity.principal, key)
}

fn principal_key<'i>(
    identity: Option<&'i Identity>,
    principal: &'i Principal,
    key: &str,
) -> Option<Values<'i>> {
    let name = key.strip_prefix("aws:")?;
    match name.strip_prefix(PRINCIPAL_TAG) {
        Some(tag) => identity?.tag(tag),
        None => of_signer(identity, principal, name).map(Values::One),
    }
}

fn of_signer<'i>(
    identity: Option<&'i Identity>,
    principal: &'i Principal,
    name: &str,
) -> Option<Cow<'i, str>> {
    let session = || identity?.session_facts();
    match name {
        "federatedprovider" => session()?.federated_provider.map(Cow::Borrowed),
        // There are no second factors. As on AWS, only sessions have the key.
        "multifactorauthpresent" => session().map(|_| "false".into()),
        "principalaccount" => Some(identity?.account.as_str().into()),
        "principalarn" => principal.principal_arn().map(Cow::Owned),
        "principalisawsservice" => {
            let is_service = matches!(principal, Principal::Service { .. });
            Some(if is_service { "true" } else { "false" }.into())
        }
        "principalservicename" => match principal {
            Principal::Service { name } => Some((*name).into()),
            Principal::Anonymous
            | Principal::Root { .. }
            | Principal::User { .. }
            | Principal::AssumedRole { .. }
            | Principal::FederatedUser { .. }
            | Principal::WebIdentity { .. } => None,
        },
        "viaawsservice" => Some("false".into()),
        "principaltype" => Some(principal.principal_type().into()),
        "sourceidentity" => session()?.source_identity.map(Cow::Borrowed),
        "tokenissuetime" => identity?.token_issued_at().map(|at| iso_time(at).into()),
        "userid" => principal.user_id().map(Cow::Owned),
        "username" => principal.username().map(Cow::Borrowed),
        _ => None,
    }
}

/// A time as policies compare it: whole seconds.
pub(crate) fn iso_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
