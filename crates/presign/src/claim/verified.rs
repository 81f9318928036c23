//! A signature that holds, and the only way to one.

use std::fmt;

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::Mechanism;
use crate::chunked::{ChunkContext, ChunkDecoder, StreamingMode};
use crate::key::Fingerprint;

/// A signature that holds. There is no way to make one but
/// [`AdmissibleClaim::verify`](crate::AdmissibleClaim::verify).
#[derive(Clone)]
pub struct VerifiedSignature {
    facts: SignatureFacts,
    fingerprint: Fingerprint,
}

impl VerifiedSignature {
    /// The id of the access key that signed the request.
    pub fn access_key_id(&self) -> &str {
        &self.facts.access_key_id
    }

    /// How the request is signed.
    pub fn mechanism(&self) -> Mechanism {
        self.facts.mechanism
    }

    /// What the body must be.
    pub fn payload(&self) -> &Payload {
        &self.facts.payload
    }

    /// Whether the signature covers a query parameter of that name. SigV4 covers the whole query;
    /// SigV2 a list of names and `x-amz-*`, so anyone can add others to a link (semantics
    /// 1.10.2); a form signs nothing but its policy: what decides the meaning of a request must be asked about here.
    pub fn covers_query(&self, name: &str) -> bool {
        match self.mechanism() {
            Mechanism::V4Query | Mechanism::V4Header => true,
            Mechanism::V2Query => crate::sigv2::covers_query(name),
            Mechanism::V4Form | Mechanism::V2Form => false,
        }
    }

    /// A name of the signature for logs and lists, from which the signature cannot be found.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// When it was signed; `None` for SigV2, which does not say.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.facts.signed_at
    }

    /// The policy of a form, base64 as it was signed: what [`PostPolicy::parse`](crate::PostPolicy::parse)
    /// reads. `None` for others.
    pub fn post_policy(&self) -> Option<&str> {
        self.facts.post_policy.as_deref()
    }

    /// The last second in which it holds; `None` for header authentication, and for a form, whose
    /// policy says it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.facts.expires_at
    }

    /// Decodes the body of a [`Payload::Streaming`] request; `None` for others.
    ///
    /// `decoded_length` is `x-amz-decoded-content-length` in bytes, `declared_trailers` the names
    /// that `x-amz-trailer` lists, in any case of letters.
    pub fn chunk_decoder(
        &self,
        decoded_length: u64,
        declared_trailers: &[&str],
    ) -> Option<ChunkDecoder> {
        let Payload::Streaming(mode) = self.facts.payload else { return None };
        let context = self.facts.chunk_context.clone()?;
        Some(ChunkDecoder::new(mode, *context, decoded_length, declared_trailers))
    }
}

impl fmt::Debug for VerifiedSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedSignature")
            .field("access_key_id", &self.facts.access_key_id)
            .field("mechanism", &self.facts.mechanism)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// What the body of a verified request must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The signature says nothing of the body: any body is right.
    Unsigned,
    /// A body whose SHA-256, in lower-case hex, is literally this text. An ill-formed one matches
    /// no body (semantics 1.2.12e).
    ///
    /// For a GET or HEAD link there is nothing to compare it with: their bodies are not read.
    Sha256(String),
    /// The body comes as aws-chunked: [`VerifiedSignature::chunk_decoder`] decodes and verifies it.
    Streaming(StreamingMode),
}

impl Payload {
    /// The word for a body that is not signed.
    pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

    /// What an `x-amz-content-sha256` header means beside a link: no streaming (semantics 1.2.12f).
    pub(crate) fn of_link(content_sha256: String) -> Self {
        if content_sha256 == Self::UNSIGNED { Self::Unsigned } else { Self::Sha256(content_sha256) }
    }

    /// The last line of the canonical request.
    pub(crate) fn line(&self) -> &str {
        match self {
            Self::Unsigned => Self::UNSIGNED,
            Self::Sha256(text) => text,
            Self::Streaming(mode) => mode.as_str(),
        }
    }
}

/// What a claim says, to become true with its signature.
#[derive(Clone)]
pub(crate) struct SignatureFacts {
    pub access_key_id: String,
    pub mechanism: Mechanism,
    pub payload: Payload,
    pub signed_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub chunk_context: Option<Box<ChunkContext>>,
    pub post_policy: Option<String>,
}

/// A signature as it should be, and as it was sent.
pub(crate) struct Proof<'p> {
    /// In the spelling that signers use: lower-case hex, or base64.
    pub computed: &'p [u8],
    /// The signature that was sent, percent-decoded. Another spelling of the same bytes, such as upper-case hex,
    /// does not match.
    pub provided: &'p [u8],
}

impl Proof<'_> {
    /// `None`: they differ. How long that takes to say tells nothing but their lengths.
    pub(crate) fn check(&self) -> Option<Proven> {
        let (computed, computed_rest) = self.computed.as_chunks::<8>();
        let (provided, provided_rest) = self.provided.as_chunks::<8>();
        // Eight bytes at a time.
        let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
        let words = computed.iter().zip(provided);
        let same = words.fold(computed_rest.ct_eq(provided_rest), |same, (computed, provided)| {
            same & word(computed).ct_eq(&word(provided))
        });
        (self.computed.len() == self.provided.len() && bool::from(same))
            .then(|| Proven(Fingerprint::of_signature(self.provided)))
    }
}

/// Two signatures were the same.
pub(crate) struct Proven(Fingerprint);

impl Proven {
    /// The one function that makes a [`VerifiedSignature`].
    pub(crate) fn signature_of(self, facts: SignatureFacts) -> VerifiedSignature {
        VerifiedSignature { facts, fingerprint: self.0 }
    }
}
