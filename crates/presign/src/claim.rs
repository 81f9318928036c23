//! From what a request says about who signed it to what is true: [`SignatureClaim`],
//! [`AdmissibleClaim`], [`VerifiedSignature`].

mod error;
mod form;
mod parameters;
mod v4;
mod v4_header;
mod v4_query;
mod verified;

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use crate::form::FormFields;
use crate::key::{Fingerprint, KeyKind, VerifyingKey};
use crate::request::RequestHead;
use crate::scope::CredentialScope;
use crate::sigv2::V2Claim;
use form::FormClaim;
use parameters::AuthParameters;
use v4::V4Claim;

pub use error::{AuthorizationDefect, ClaimError, Echo, SignatureMismatch, VerifyError};
pub use form::FormClaimError;
pub(crate) use v4::is_amz_header;
pub use verified::{Payload, VerifiedSignature};
pub(crate) use verified::{Proof, SignatureFacts};

/// The most names that `SignedHeaders` may hold.
pub const SIGNED_HEADERS_MAX: usize = 128;

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// A presigned URL of SigV4: the signature stands in `X-Amz-Signature`.
    V4Query,
    /// An `Authorization` header of SigV4.
    V4Header,
    /// A presigned URL of SigV2: the signature stands in `Signature`.
    V2Query,
    /// A browser form with a SigV4 policy.
    V4Form,
    /// A browser form with a SigV2 policy.
    V2Form,
}

/// What a request says about who signed it; nothing of it is true yet.
pub struct SignatureClaim<'a>(Claim<'a>);

/// The large one is boxed: a claim is moved at every step that it takes.
enum Claim<'a> {
    V4(Box<V4Claim<'a>>),
    V2(V2Claim<'a>),
    Form(FormClaim<'a>),
}

impl<'a> SignatureClaim<'a> {
    /// Reads the claim: checks 1 to 6 of semantics 1.7 (two mechanisms, missing parameters,
    /// algorithm, syntax of credential, date and expiry). `Ok(None)`: an anonymous request.
    ///
    /// The head is the request as it is to be verified: routing must not change it afterwards.
    pub fn from_request(head: &RequestHead<'a>) -> Result<Option<Self>, ClaimError> {
        let AuthParameters { v4, v2 } = AuthParameters::of(head);
        // An empty header is no credentials.
        let authorizations = head.header_values("authorization");
        let mut authorizations = authorizations.filter(|value| !value.trim_ascii().is_empty());
        let authorization = authorizations.next();
        let mechanisms = [authorization.is_some(), v4.is_a_mechanism(), v2.signature.is_some()];
        if mechanisms.into_iter().filter(|present| *present).count() > 1 {
            let authorization = authorization.map(Echo::from_bytes);
            return Err(ClaimError::TwoMechanisms { authorization });
        }
        if authorizations.next().is_some() {
            return Err(ClaimError::RepeatedAuthorization);
        }
        let claim = if let Some(authorization) = authorization {
            Claim::V4(Box::new(v4_header::read(head, authorization, &v4)?))
        } else if v4.any() {
            Claim::V4(Box::new(v4_query::read(head, &v4)?))
        } else if v2.any() {
            Claim::V2(V2Claim::read(head, v2.access_key_id, v2.expires, v2.signature)?)
        } else {
            return Ok(None);
        };
        Ok(Some(Self(claim)))
    }

    /// Reads the claim of a browser form: required fields, credential and date, in that order.
    /// `Ok(None)`: an anonymous form.
    pub fn from_form(fields: &'a FormFields) -> Result<Option<Self>, FormClaimError> {
        Ok(FormClaim::read(fields)?.map(|claim| Self(Claim::Form(claim))))
    }

    /// How the request is signed.
    pub fn mechanism(&self) -> Mechanism {
        self.0.mechanism()
    }

    /// Whose key is claimed to have signed it.
    pub fn access_key_id(&self) -> &str {
        self.0.access_key_id()
    }

    /// Names the signature that came, true or not, without being one: a link that is refused has the name
    /// that it has when it is not.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_signature(match &self.0 {
            Claim::V4(claim) => &claim.signature,
            Claim::V2(claim) => claim.signature(),
            Claim::Form(claim) => claim.signature(),
        })
    }

    /// Day, region and service as claimed; `None` for SigV2.
    pub fn scope(&self) -> Option<&CredentialScope<'a>> {
        self.0.scope()
    }

    /// When it was signed and when it ends, as claimed.
    pub(crate) fn life(&self) -> ClaimedLife {
        match &self.0 {
            Claim::V4(claim) => claim.life(),
            Claim::V2(claim) => ClaimedLife { from: None, until: Some(claim.expires_at()) },
            Claim::Form(_) => ClaimedLife::default(),
        }
    }

    /// The names of the headers that a SigV4 signature covers, `host` among them; none for others.
    pub(crate) fn signed_header_names(&self) -> Vec<String> {
        match &self.0 {
            Claim::V4(claim) => claim.signed_headers.to_vec(),
            Claim::V2(_) | Claim::Form(_) => Vec::new(),
        }
    }

    /// Checks 7 to 12 of semantics 1.7: time window, credential day, region, service,
    /// terminal, unsigned headers. For SigV2: allowed at all, expired, not yet valid. For a form:
    /// its place alone, since its policy says how long it lives.
    pub fn admit(
        self,
        expected: &ExpectedScope<'_>,
        now: Timestamp,
    ) -> Result<AdmissibleClaim<'a>, VerifyError> {
        match &self.0 {
            Claim::V4(claim) => claim.check(expected, now)?,
            Claim::V2(claim) => claim.check(expected.sigv2, now)?,
            Claim::Form(claim) => claim.check(expected)?,
        }
        Ok(AdmissibleClaim(self.0))
    }
}

/// When a claim was signed and when it ends, where it says so.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClaimedLife {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl<'a> Claim<'a> {
    fn mechanism(&self) -> Mechanism {
        match self {
            Self::V4(claim) => claim.mechanism(),
            Self::V2(_) => Mechanism::V2Query,
            Self::Form(claim) => claim.mechanism(),
        }
    }

    fn access_key_id(&self) -> &str {
        match self {
            Self::V4(claim) => &claim.credential.access_key_id,
            Self::V2(claim) => claim.access_key_id(),
            Self::Form(claim) => claim.access_key_id(),
        }
    }

    fn scope(&self) -> Option<&CredentialScope<'a>> {
        match self {
            Self::V4(claim) => Some(&claim.credential.scope),
            Self::V2(_) => None,
            Self::Form(claim) => claim.scope(),
        }
    }
}

impl fmt::Debug for SignatureClaim<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SignatureClaim({:?}, ..)", self.mechanism())
    }
}

/// The region and the service that a claim must be signed for, and the old mechanisms that may sign it.
///
/// ```
/// use presign::{ExpectedScope, SigV2Use};
///
/// let strict = ExpectedScope::new("eu-central-1", "s3");
/// assert_eq!(strict.sigv2, SigV2Use::Deny);
/// let lenient = strict.with_sigv2(SigV2Use::Allow);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ExpectedScope<'e> {
    /// The region of this server, for instance `us-east-1`.
    pub region: &'e str,
    /// The service of this endpoint: `s3` for object storage.
    pub service: &'e str,
    /// Whether SigV2 links and forms are admitted, which name neither.
    pub sigv2: SigV2Use,
}

impl<'e> ExpectedScope<'e> {
    /// SigV4 alone, for this region and this service.
    pub const fn new(region: &'e str, service: &'e str) -> Self {
        Self { region, service, sigv2: SigV2Use::Deny }
    }

    /// The same, with SigV2 links and forms admitted or not.
    #[must_use]
    pub const fn with_sigv2(self, sigv2: SigV2Use) -> Self {
        Self { sigv2, ..self }
    }
}

/// Whether SigV2 links and forms are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigV2Use {
    /// They are admitted; links not earlier than seven days before their end.
    Allow,
    /// They are refused, whoever signed them.
    Deny,
}

/// A claim that is well-formed and in time and place; only its signature is still unproven.
pub struct AdmissibleClaim<'a>(Claim<'a>);

impl<'a> AdmissibleClaim<'a> {
    /// How the request is signed.
    pub fn mechanism(&self) -> Mechanism {
        self.0.mechanism()
    }

    /// Whose key is claimed to have signed it.
    pub fn access_key_id(&self) -> &str {
        self.0.access_key_id()
    }

    /// The session token that came with it, under the rules of semantics 1.7.0.
    pub fn session_token(&self) -> TokenClaim<'_> {
        match &self.0 {
            Claim::V4(claim) => claim.session_token(),
            Claim::V2(claim) => claim.session_token(),
            Claim::Form(claim) => claim.session_token(),
        }
    }

    /// With the access key id, what a cache of verifying keys is keyed by; `None` for SigV2.
    pub fn key_scope(&self) -> Option<&CredentialScope<'a>> {
        self.0.scope()
    }

    /// Whether the signature covers the hash of a body that the request's head does not state:
    /// then the caller must hash the body and call [`Self::with_body_sha256`]. Never for `s3`.
    pub fn needs_body_sha256(&self) -> bool {
        match &self.0 {
            Claim::V4(claim) => claim.needs_body_sha256(),
            Claim::V2(_) | Claim::Form(_) => false,
        }
    }

    /// Supplies the SHA-256 of the body where it is needed. Without it the body counts as empty.
    #[must_use]
    pub fn with_body_sha256(mut self, sha256: &[u8; 32]) -> Self {
        if let Claim::V4(claim) = &mut self.0 {
            claim.set_body_sha256(sha256);
        }
        self
    }

    /// Verifies the signature against each of the hosts and paths under which the request may have
    /// been signed, in order.
    ///
    /// Each must mean the same as the request that will be served: whatever verifies at one of them is
    /// taken for signed. A mismatch shows the request as it arrived. With none, nothing verifies, but
    /// for a form, which signs no host.
    pub fn verify(
        self,
        hosts: &[SignedHost<'_>],
        key: &VerifyingKey,
    ) -> Result<VerifiedSignature, SignatureMismatch> {
        match (self.0, &key.0) {
            (Claim::V4(claim), KeyKind::V4(key)) => claim.verify(hosts, Some(key)),
            (Claim::V4(claim), KeyKind::V2(_)) => claim.verify(hosts, None),
            (Claim::V2(claim), KeyKind::V2(secret)) => claim.verify(hosts, Some(secret)),
            (Claim::V2(claim), KeyKind::V4(_)) => claim.verify(hosts, None),
            (Claim::Form(claim), _) => claim.verify(key),
        }
    }
}

impl fmt::Debug for AdmissibleClaim<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AdmissibleClaim({:?}, ..)", self.mechanism())
    }
}

/// The session token that came with a claim.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenClaim<'c> {
    /// The request has no session token: its key must be a long-term one.
    Absent,
    /// The request has this token, which may be empty: its key must be the session's.
    Present(Cow<'c, [u8]>),
    /// Differing tokens came, all of them signed: no session has both, so the answer is that of an
    /// unknown access key, 403 `InvalidAccessKeyId` (semantics 1.7.0a).
    Conflicting,
}

impl fmt::Debug for TokenClaim<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "Absent",
            Self::Present(_) => "Present(..)",
            Self::Conflicting => "Conflicting",
        })
    }
}

/// A host and path that the signature may cover.
#[derive(Clone, Copy, Debug)]
pub struct SignedHost<'h> {
    /// The host as the client may have signed it, with its port when that is not the scheme's own.
    pub host: &'h str,
    /// The path in wire form, with any prefix that a proxy stripped put back.
    pub path: &'h str,
    /// The beginning of `path` that is not S3's but the path prefix of a public URL; mostly empty.
    /// SigV4 signs it, SigV2 leaves it out.
    pub prefix: &'h str,
    /// The bucket, where it was taken from the host's name: SigV2 puts it before the path. `None`
    /// for path style.
    pub virtual_bucket: Option<&'h str>,
}
