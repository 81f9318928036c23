//! Outcomes of authentication that all protocols share: for which service, and why a request was not
//! authenticated.

use presign::{Cause, ClaimError, Mechanism, SignatureMismatch, VerifyError};
use store::StoreError;

/// Why a request was not authenticated. Each protocol chooses its own answer.
#[derive(Debug)]
pub(crate) enum AuthenticationError {
    /// The signature cannot be read.
    Claim(ClaimError),
    /// The signature is not valid at this time, or not in this region and for this service.
    Verify(VerifyError),
    /// The request is signed by a mechanism that `presign` can verify, but that the gate does not know.
    UnknownMechanism,
    /// There is no active access key with this id. For sessions: the token is missing, belongs to another
    /// session, or its issuer is gone.
    UnknownKey { access_key_id: String },
    /// The token was not made by this server.
    MalformedToken { token: String },
    /// The session of the token has ended.
    ExpiredToken { token: String },
    /// The secret makes another signature than the one sent.
    Mismatch(Box<SignatureMismatch>, Option<Cause>),
    /// A token was sent with a long-term access key.
    UnexpectedToken { token: String },
    /// The store could not be read.
    Store(StoreError),
}

/// The service whose credential scope a request must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    Iam,
    Sts,
    CloudFront,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::CloudFront => "cloudfront",
        }
    }
}

/// Whether the signature is made to be passed on (a link or form). Then its fingerprint names it in the log.
pub(crate) fn is_link(mechanism: Mechanism) -> bool {
    !matches!(mechanism, Mechanism::V4Header)
}
