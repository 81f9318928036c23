//! Signed URLs and signed cookies of CloudFront, made and verified (semantics 7).
//!
//! A signer signs a *policy* with a private key: which resources, until when, perhaps from when and from which
//! addresses. A *canned* policy is not sent, because the URL says all of it; a *custom* one is.

mod claim;
mod encoding;
mod key;
mod policy;
mod refusal;
mod resource;
mod sign;

pub use claim::{CloudFrontClaim, CloudFrontPresented, SIGNED_COOKIES_BYTES_MAX, VerifiedPolicy};
pub use key::{CloudFrontHash, CloudFrontKeyError, CloudFrontPrivateKey, CloudFrontPublicKey};
pub use policy::{CloudFrontPolicy, CloudFrontPolicyError};
pub use refusal::{CloudFrontRefusal, DenialReason};
pub use sign::{CloudFrontCookie, CloudFrontSigner, CloudFrontStyle};
