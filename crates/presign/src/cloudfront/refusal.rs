//! Why a signed URL or cookie does not open a resource: five answers (semantics 7.5.2).

/// Why the resource is refused. All are answered with 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudFrontRefusal {
    /// No key is named in query or cookies.
    #[error("no key is named")]
    MissingKey,
    /// The key that is named is none that the distribution trusts. Only who knows its key groups can tell.
    #[error("the key is not trusted")]
    InvalidKey,
    /// The policy cannot be read, or a parameter that is part of it.
    #[error("the policy cannot be read")]
    MalformedPolicy,
    /// The signature cannot be read.
    #[error("the signature cannot be read")]
    MalformedSignature,
    /// All can be read, and the resource may not be had.
    #[error("access is denied")]
    AccessDenied(DenialReason),
}

/// Why all can be read and the resource may not be had: for logs and explanations. The viewer is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// The key did not make the signature over this policy.
    BadSignature,
    /// The time of `DateGreaterThan` is not over.
    NotYetValid,
    /// The time of `DateLessThan` has come.
    Expired,
    /// The viewer's address is in none of the policy's networks.
    Source,
    /// The URL is none of the policy's resources.
    Resource,
}

impl CloudFrontRefusal {
    /// The text of `<Code>`.
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingKey => "MissingKey",
            Self::InvalidKey => "InvalidKey",
            Self::MalformedPolicy => "MalformedPolicy",
            Self::MalformedSignature => "MalformedSignature",
            Self::AccessDenied(_) => "AccessDenied",
        }
    }

    /// The text of `<Message>`.
    pub fn message(self) -> &'static str {
        match self {
            Self::MissingKey => "Missing Key-Pair-Id query parameter or cookie value",
            Self::InvalidKey => "Unknown Key",
            Self::MalformedPolicy => "Malformed Policy",
            Self::MalformedSignature => "Could not unencode Signature",
            Self::AccessDenied(_) => "Access denied",
        }
    }
}
