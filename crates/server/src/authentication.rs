//! What authentication says to every protocol: which service was asked, and why it does not believe a request.

use presign::{ClaimError, SignatureMismatch, VerifyError};
use store::StoreError;

/// Why a request was not authenticated. What is answered depends on the protocol.
#[derive(Debug)]
pub(crate) enum AuthenticationError {
    /// It cannot be read as signed.
    Claim(ClaimError),
    /// It is out of its time or place.
    Verify(VerifyError),
    /// No key of that id, or one that is inactive; or a session whose token is missing, of another
    /// session, or whose issuer is gone.
    UnknownKey { access_key_id: String },
    /// No token of this server.
    MalformedToken { token: String },
    /// The session has ended.
    ExpiredToken { token: String },
    /// The signature is another than the secret makes.
    Mismatch(Box<SignatureMismatch>),
    /// A token came with a long-term key.
    UnexpectedToken { token: String },
    /// The records cannot be read.
    Store(StoreError),
}

/// The service whose credential scope a request must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    Iam,
    Sts,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }
}
