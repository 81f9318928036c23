//! AWS Signature Version 4 and 2 for Amazon S3, in both directions: make signed requests and
//! presigned URLs, and read, check and verify those that others made.
//!
//! Pure: no clock, I/O, randomness or environment. `now` and secrets come in as arguments.

mod canonical;
mod chunked;
mod claim;
mod credentials;
mod encode;
mod key;
mod presign;
mod request;
mod scope;
mod sign;
mod sigv2;

pub use chunked::{
    CHUNK_BYTES_MIN, ChunkDecoder, ChunkEncoder, ChunkError, ChunkEvent, StreamingMode,
};
pub use claim::{
    AdmissibleClaim, AuthorizationDefect, ClaimError, Echo, ExpectedScope, Mechanism, Payload,
    SIGNED_HEADERS_MAX, SigV2Use, SignatureClaim, SignatureMismatch, SignedHost, TokenClaim,
    VerifiedSignature, VerifyError,
};
pub use credentials::{Credentials, SecretAccessKey, SessionToken};
pub use encode::{decode_component, encode_component, encode_path};
pub use key::{Fingerprint, SigningKey, VerifyingKey};
pub use presign::{
    Addressing, EXPIRES_SECONDS_MAX, Endpoint, EndpointError, ExpiresIn, ExpiresInError, Presign,
    PresignError, Presigned, Presigner,
};
pub use request::{QueryPairs, RequestHead};
pub use scope::{AmzDate, AmzDay, CredentialScope};
pub use sign::{SignError, SignedPayload, SignedRequest, Signer, payload_hash, sign_request};
