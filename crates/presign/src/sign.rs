//! Signing a request with an `Authorization` header.

use jiff::Timestamp;

use crate::chunked::{ChunkEncoder, StreamingMode};
use crate::credentials::Credentials;
use crate::presign::PresignError;
use crate::request::RequestHead;

/// Who signs, and for which region and service.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'s> {
    /// Whose signature it will be.
    pub credentials: &'s Credentials,
    /// For instance `us-east-1`.
    pub region: &'s str,
    /// `s3` for object storage.
    pub service: &'s str,
}

/// What the signature says about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedPayload {
    /// Nothing.
    Unsigned,
    /// The SHA-256 of the whole body.
    Sha256([u8; 32]),
    /// It comes in signed chunks: send what [`SignedRequest::chunk_encoder`] makes of it.
    Streaming(StreamingMode),
}

/// What to add to a request to make it signed.
#[derive(Clone)]
pub struct SignedRequest {
    /// Headers to add; names in lower case. They replace headers of the same names.
    pub headers: Vec<(&'static str, String)>,
    encoder: Option<ChunkEncoder>,
}

impl SignedRequest {
    /// Encodes the body of a [`SignedPayload::Streaming`] request; `None` for others.
    pub fn chunk_encoder(&self) -> Option<ChunkEncoder> {
        self.encoder.clone()
    }
}

impl std::fmt::Debug for SignedRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SignedRequest(..)")
    }
}

/// Signs `head`, which must have its `host` header, and says which headers to add.
pub fn sign_request(
    _head: &RequestHead<'_>,
    _payload: SignedPayload,
    _signer: &Signer<'_>,
    _now: Timestamp,
) -> Result<SignedRequest, PresignError> {
    todo!()
}
