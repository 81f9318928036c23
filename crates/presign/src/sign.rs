//! Signing a request with an `Authorization` header.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::canonical::{
    ALGORITHM, AbsentHeaders, CanonicalQuery, CanonicalRequest, SignedHeaders, string_to_sign,
};
use crate::chunked::{ChunkEncoder, ChunkSigner, StreamingMode};
use crate::claim::Payload;
use crate::credentials::Credentials;
use crate::encode::{ascii_string, hex_of};
use crate::key::SigningKey;
use crate::presign::UNSIGNABLE_HEADERS;
use crate::request::RequestHead;
use crate::scope::{AmzDate, CredentialScope};

const DATE: &str = "x-amz-date";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
pub(crate) const SECURITY_TOKEN: &str = "x-amz-security-token";

/// Who signs, and for which region and service.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'s> {
    /// The access key to sign with.
    pub credentials: &'s Credentials,
    /// The region of the server, for instance `us-east-1`.
    pub region: &'s str,
    /// The service of the endpoint: `s3` for object storage.
    pub service: &'s str,
}

/// What the signature says about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedPayload {
    /// Nothing: whoever forwards the request can change its body.
    Unsigned,
    /// The SHA-256 of the whole body.
    Sha256([u8; 32]),
    /// It comes in chunks: send what [`SignedRequest::chunk_encoder`] makes of it.
    ///
    /// The request needs `x-amz-decoded-content-length`, and `x-amz-trailer` where trailers are to
    /// follow, among its headers before it is signed.
    Streaming(StreamingMode),
}

/// What `x-amz-content-sha256` carries of a body: its SHA-256 in lower-case hex.
pub fn payload_hash(body: &[u8]) -> String {
    hex_of(&Sha256::digest(body).into())
}

/// What to add to a request to make it signed. Debug output does not show it.
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

impl fmt::Debug for SignedRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SignedRequest(..)")
    }
}

/// Why a request cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The request has no `host` header, or one that is not text.
    #[error("a request needs its host header before it can be signed")]
    MissingHost,
    /// The access key id, the session token, the region or the service has a byte that no header can carry: a
    /// line break, another control character, or one beyond ASCII.
    #[error("the credentials or their scope cannot stand in a header")]
    MalformedCredentials,
}

/// Signs `head`, and says which headers to add; it changes nothing.
///
/// All headers of `head` are signed but those that clients and proxies change on the way. For S3
/// the path must be encoded once, and is signed as it is.
pub fn sign_request(
    head: &RequestHead<'_>,
    payload: SignedPayload,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<SignedRequest, SignError> {
    let host = head
        .header("host")
        .and_then(|host| std::str::from_utf8(host).ok())
        .ok_or(SignError::MissingHost)?;
    let date = AmzDate::from_timestamp(now);
    let Signer { credentials, region, service } = *signer;
    let payload = match payload {
        SignedPayload::Unsigned => Payload::Unsigned,
        SignedPayload::Sha256(sha256) => Payload::Sha256(hex_of(&sha256)),
        SignedPayload::Streaming(mode) => Payload::Streaming(mode),
    };
    let mut added = vec![(DATE, date.to_string())];
    // Other services hash the body that they are sent.
    let is_demanded = service == "s3" || head.header(CONTENT_SHA256).is_some();
    if is_demanded || !matches!(payload, Payload::Sha256(_)) {
        added.push((CONTENT_SHA256, payload.line().to_owned()));
    }
    if let Some(token) = &credentials.session_token {
        added.push((SECURITY_TOKEN, token.expose().to_owned()));
    }
    let given = head.headers.iter().copied().filter(|(name, _)| {
        let is_replaced = [DATE, CONTENT_SHA256, SECURITY_TOKEN].contains(name);
        !is_replaced && (*name == "host" || !UNSIGNABLE_HEADERS.contains(name))
    });
    let headers: Vec<_> =
        given.chain(added.iter().map(|(name, value)| (*name, value.as_bytes()))).collect();
    let signed_headers =
        SignedHeaders::from_names(headers.iter().map(|(name, _)| Cow::Borrowed(*name)).collect());
    let canonical_request = CanonicalRequest {
        method: head.method,
        path: head.path,
        query: &CanonicalQuery::new(head.query_pairs(), None),
        host,
        headers: &headers,
        signed_headers: &signed_headers,
        absent_headers: AbsentHeaders::Nowhere,
        payload: payload.line(),
    }
    .write();
    let scope = CredentialScope {
        day: date.day(),
        region: Cow::Borrowed(region),
        service: Cow::Borrowed(service),
    };
    let key = SigningKey::for_scope(&credentials.secret_access_key, &scope);
    let signature = key.signature(&string_to_sign(date, &scope, &canonical_request.bytes));
    let mut authorization = format!("{ALGORITHM} Credential={}/", credentials.access_key_id);
    let mut written_scope = Vec::new();
    scope.push_to(&mut written_scope);
    authorization.extend([
        &*ascii_string(written_scope),
        ", SignedHeaders=",
        &signed_headers.joined(),
        ", Signature=",
        &signature,
    ]);
    added.push(("authorization", authorization));
    if !added.iter().all(|(_, value)| value.bytes().all(is_header_byte)) {
        return Err(SignError::MalformedCredentials);
    }
    let encoder = match payload {
        Payload::Streaming(mode) => {
            Some(ChunkEncoder::new(mode, ChunkSigner::new(key, date, &scope, signature)))
        }
        Payload::Unsigned | Payload::Sha256(_) => None,
    };
    Ok(SignedRequest { headers: added, encoder })
}

/// Whether a header may carry the byte as text (RFC 9110, 5.5).
fn is_header_byte(byte: u8) -> bool {
    byte == b'\t' || byte == b' ' || byte.is_ascii_graphic()
}
