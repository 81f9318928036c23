//! From what a request says about who signed it to what is true: [`SignatureClaim`],
//! [`AdmissibleClaim`], [`VerifiedSignature`].

mod error;

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use crate::chunked::{ChunkDecoder, StreamingMode};
use crate::credentials::SecretAccessKey;
use crate::key::{Fingerprint, VerifyingKey};
use crate::request::RequestHead;
use crate::scope::CredentialScope;

pub use error::{AuthorizationDefect, ClaimError, Echo, SignatureMismatch, VerifyError};

/// The most names that `SignedHeaders` may hold.
pub const SIGNED_HEADERS_MAX: usize = 128;

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// A SigV4 presigned URL.
    V4Query,
    /// A SigV4 `Authorization` header.
    V4Header,
    /// A SigV2 presigned URL.
    V2Query,
}

/// What a request says about who signed it; nothing of it is true yet.
pub struct SignatureClaim<'a> {
    head: RequestHead<'a>,
}

impl<'a> SignatureClaim<'a> {
    /// Reads the claim: checks 1 to 6 of aws-semantics 1.7 (two mechanisms, missing parameters,
    /// algorithm, syntax of credential, date and expiry). `Ok(None)`: an anonymous request.
    pub fn from_request(_head: &RequestHead<'a>) -> Result<Option<Self>, ClaimError> {
        todo!()
    }

    /// How the request is signed.
    pub fn mechanism(&self) -> Mechanism {
        todo!()
    }

    /// Whose key is claimed to have signed it.
    pub fn access_key_id(&self) -> &str {
        todo!()
    }

    /// Day, region and service as claimed; `None` for SigV2.
    pub fn scope(&self) -> Option<&CredentialScope<'a>> {
        todo!()
    }

    /// Checks 7 to 12 of aws-semantics 1.7: time window, credential day, region, service,
    /// terminal, unsigned headers. For SigV2: allowed at all, expired, not yet valid.
    pub fn admit(
        self,
        _expected: &ExpectedScope<'_>,
        _now: Timestamp,
    ) -> Result<AdmissibleClaim<'a>, VerifyError> {
        let Self { head } = self;
        let _ = head;
        todo!()
    }
}

impl fmt::Debug for SignatureClaim<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignatureClaim(..)")
    }
}

/// What a claim must be for.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedScope<'e> {
    /// The region of this server.
    pub region: &'e str,
    /// The service of this endpoint.
    pub service: &'e str,
    /// Whether SigV2 links are admitted.
    pub sigv2: SigV2Use,
}

/// Whether SigV2 links are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigV2Use {
    /// They are, from seven days before their end.
    Allow,
    /// They are not.
    Deny,
}

/// A claim that is well-formed and in time and place; only its signature is still unproven.
pub struct AdmissibleClaim<'a> {
    _head: RequestHead<'a>,
}

impl<'a> AdmissibleClaim<'a> {
    /// How the request is signed.
    pub fn mechanism(&self) -> Mechanism {
        todo!()
    }

    /// Whose key is claimed to have signed it.
    pub fn access_key_id(&self) -> &str {
        todo!()
    }

    /// The session token that came with it, under the rules of aws-semantics 1.7.0.
    pub fn session_token(&self) -> TokenClaim<'_> {
        todo!()
    }

    /// With the access key id, what a cache of verifying keys is keyed by; `None` for SigV2.
    pub fn key_scope(&self) -> Option<&CredentialScope<'a>> {
        todo!()
    }

    /// Whether the signature covers the hash of a body that the request's head does not state:
    /// then the caller must hash the body and call [`Self::with_body_sha256`]. Never for `s3`.
    pub fn needs_body_sha256(&self) -> bool {
        todo!()
    }

    /// Supplies the SHA-256 of the body. Without it the body counts as empty.
    #[must_use]
    pub fn with_body_sha256(self, _sha256: &[u8; 32]) -> Self {
        todo!()
    }

    /// Verifies the signature against each of the hosts and paths under which the request may have
    /// been signed, in order.
    ///
    /// The first one is the request as it arrived: it is what a mismatch shows. With none, nothing
    /// verifies.
    pub fn verify(
        self,
        _hosts: &[SignedHost<'_>],
        _key: &VerifyingKey,
    ) -> Result<VerifiedSignature, SignatureMismatch> {
        todo!()
    }
}

impl fmt::Debug for AdmissibleClaim<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdmissibleClaim(..)")
    }
}

/// The session token that came with a claim.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenClaim<'c> {
    /// None came.
    Absent,
    /// One came; it may be empty.
    Present(Cow<'c, [u8]>),
    /// Signed headers with differing tokens came: no session has both, so the answer is that of an
    /// unknown access key, 403 `InvalidAccessKeyId` (aws-semantics 1.7.0a).
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
    /// The bucket, where it was taken from the host's name: SigV2 puts it before the path. `None`
    /// for path style.
    pub virtual_bucket: Option<&'h str>,
}

/// A signature that holds. There is no way to make one but [`AdmissibleClaim::verify`].
#[derive(Clone)]
pub struct VerifiedSignature {
    access_key_id: String,
    mechanism: Mechanism,
    payload: Payload,
    fingerprint: Fingerprint,
    signed_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl VerifiedSignature {
    /// Whose key signed the request.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// How the request is signed.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What the body must be.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Names the signature without being one.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// When it was signed; `None` for SigV2, which does not say.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.signed_at
    }

    /// The last second in which it holds; `None` for header authentication.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Decodes the body of a [`Payload::Streaming`] request; `None` for others.
    ///
    /// `decoded_length` is `x-amz-decoded-content-length`, `declared_trailers` the names that
    /// `x-amz-trailer` lists.
    pub fn chunk_decoder(
        &self,
        _decoded_length: u64,
        _declared_trailers: &[&str],
    ) -> Option<ChunkDecoder> {
        todo!()
    }
}

impl fmt::Debug for VerifiedSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedSignature")
            .field("access_key_id", &self.access_key_id)
            .field("mechanism", &self.mechanism)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// What the body of a verified request must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Anything.
    Unsigned,
    /// A body whose SHA-256, in lower-case hex, is literally this text. An ill-formed one matches
    /// no body (aws-semantics 1.2.12e).
    Sha256(String),
    /// aws-chunked: [`VerifiedSignature::chunk_decoder`] verifies it.
    Streaming(StreamingMode),
}

#[expect(dead_code, reason = "the skeleton's bodies are not written yet")]
fn unused(_: &SecretAccessKey) {}
