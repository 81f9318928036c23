//! Every error code of IAM and STS in one table: they share none of S3's (semantics 4.1.6).

use std::borrow::Cow;
use std::error::Error as StdError;

use hyper::StatusCode;
use store::StoreError;

use crate::authentication::AuthenticationError;
use crate::signed_call::CallRefusal;

/// Declares [`QueryCode`]: name on the wire, status, and the message when nothing more is known.
macro_rules! codes {
    ($($name:ident $wire:literal $status:ident $message:literal;)*) => {
        /// An error code of the Query protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum QueryCode { $(#[doc = concat!("`", $wire, "`")] $name,)* }

        impl QueryCode {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            /// The text of `<Code>`.
            pub(crate) fn wire(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The HTTP status of the answer.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    // About the caller.
    AccessDenied "AccessDenied" FORBIDDEN "Access Denied";
    ExpiredToken "ExpiredToken" FORBIDDEN "The security token included in the request is expired";
    IncompleteSignature "IncompleteSignature" BAD_REQUEST "The request signature does not conform to AWS standards.";
    InvalidClientTokenId "InvalidClientTokenId" FORBIDDEN "The security token included in the request is invalid.";
    MissingAuthenticationToken "MissingAuthenticationToken" FORBIDDEN "Request is missing Authentication Token";
    RequestExpired "RequestExpired" BAD_REQUEST "Request has expired.";
    SignatureDoesNotMatch "SignatureDoesNotMatch" FORBIDDEN "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

    // About the request.
    InvalidAction "InvalidAction" BAD_REQUEST "Could not find operation";
    InvalidParameterValue "InvalidParameterValue" BAD_REQUEST "A parameter has an invalid value.";
    InvalidInput "InvalidInput" BAD_REQUEST "The request was rejected because an invalid or out-of-range value was supplied for an input parameter.";
    MalformedInput "MalformedInput" BAD_REQUEST "";
    MalformedPolicyDocument "MalformedPolicyDocument" BAD_REQUEST "Syntax errors in policy.";
    MalformedQueryString "MalformedQueryString" BAD_REQUEST "The query string contains a syntax error.";
    RequestEntityTooLarge "RequestEntityTooLarge" PAYLOAD_TOO_LARGE "The request is too large.";
    RequestTimeout "RequestTimeout" REQUEST_TIMEOUT "The request's body came too slowly.";
    ValidationError "ValidationError" BAD_REQUEST "";

    // About the identities that exist (IAM).
    ConcurrentModification "ConcurrentModification" CONFLICT "The request was rejected because multiple requests to change this object were submitted simultaneously. Wait a few minutes and submit your request again.";
    DeleteConflict "DeleteConflict" CONFLICT "The request was rejected because it attempted to delete a resource that has attached subordinate entities.";
    EntityAlreadyExists "EntityAlreadyExists" CONFLICT "The entity already exists.";
    LimitExceeded "LimitExceeded" CONFLICT "The request was rejected because it attempted to create resources beyond the current limits.";
    NoSuchEntity "NoSuchEntity" NOT_FOUND "The entity cannot be found.";

    // About sessions (STS).
    ExpiredTokenException "ExpiredTokenException" BAD_REQUEST "Token expired";
    IdpCommunicationError "IDPCommunicationError" BAD_REQUEST "The identity provider could not be reached.";
    IdpRejectedClaim "IDPRejectedClaim" FORBIDDEN "The identity provider reported that authentication failed.";
    InvalidIdentityToken "InvalidIdentityToken" BAD_REQUEST "The token provided is not valid.";
    PackedPolicyTooLarge "PackedPolicyTooLarge" BAD_REQUEST "The session policies and tags are too large.";

    // About this server.
    InternalFailure "InternalFailure" INTERNAL_SERVER_ERROR "We encountered an internal error. Please try again.";
    ServiceUnavailable "ServiceUnavailable" SERVICE_UNAVAILABLE "The request has failed due to a temporary failure of the server.";
    StorageFull "StorageFull" INSUFFICIENT_STORAGE "The storage is full.";
    Throttling "Throttling" SERVICE_UNAVAILABLE "Rate exceeded";
}

/// One refusal of IAM or STS. Its cause goes to the log only.
#[derive(Debug)]
pub(crate) struct QueryError(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    code: QueryCode,
    message: Cow<'static, str>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl QueryError {
    pub(crate) fn new(code: QueryCode) -> Self {
        Self::with_message(code, code.message())
    }

    /// A refusal with a message of its own.
    pub(crate) fn with_message(code: QueryCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Refusal { code, message: message.into(), cause: None }))
    }

    /// `ValidationError` with a message of its own.
    pub(crate) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_message(QueryCode::ValidationError, message)
    }

    /// Adds the cause, for the log.
    pub(crate) fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Box::new(cause));
        self
    }

    pub(crate) fn code(&self) -> QueryCode {
        self.0.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }
}

/// A failure of the store.
pub(crate) fn of_store(error: StoreError) -> QueryError {
    let code = match &error {
        StoreError::Full => QueryCode::StorageFull,
        StoreError::Poisoned | StoreError::Closed => QueryCode::ServiceUnavailable,
        StoreError::StageExpired
        | StoreError::Corrupt { .. }
        | StoreError::CustomerKeyMissing
        | StoreError::BodyGone
        | StoreError::NoRandomness
        | StoreError::Engine(_)
        | StoreError::Io { .. } => QueryCode::InternalFailure,
    };
    QueryError::new(code).because(error)
}

/// The refusal of a caller who was not authenticated (semantics 4.1.6).
pub(crate) fn of_authentication(error: AuthenticationError) -> QueryError {
    use presign::VerifyError as V;
    let scope = |what: &str| {
        QueryError::with_message(
            QueryCode::SignatureDoesNotMatch,
            format!("Credential should be scoped to {what} "),
        )
    };
    match error {
        AuthenticationError::Claim(cause) => QueryError::new(QueryCode::IncompleteSignature).because(cause),
        AuthenticationError::Verify(cause) => match &cause {
            V::WrongRegion { expected, .. } => QueryError::with_message(
                QueryCode::SignatureDoesNotMatch,
                format!("Credential should be scoped to a valid region. This server's is '{expected}'."),
            ),
            V::WrongService { expected, .. } => scope(&format!("correct service: '{expected}'.")),
            V::WrongTerminal { .. } => scope("with correct terminator: 'aws4_request'."),
            V::WrongDay { .. } => QueryError::with_message(
                QueryCode::SignatureDoesNotMatch,
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            ),
            V::NotYetValid { .. } | V::RequestTimeTooSkewed { .. } => QueryError::with_message(
                QueryCode::SignatureDoesNotMatch,
                "Signature not yet current or expired: the request's time is too far from the server's.",
            ),
            V::Expired { .. } => QueryError::new(QueryCode::RequestExpired),
            V::HeadersNotSigned { names } => QueryError::with_message(
                QueryCode::SignatureDoesNotMatch,
                format!("There were headers present in the request which were not signed: {}", names.join(", ")),
            ),
            V::SigV2Denied => QueryError::new(QueryCode::IncompleteSignature),
            // Whatever a later `presign` may refuse; clippy asks for its name here.
            _ => QueryError::new(QueryCode::SignatureDoesNotMatch),
        }
        .because(cause),
        AuthenticationError::UnknownMechanism => QueryError::new(QueryCode::IncompleteSignature),
        AuthenticationError::UnknownKey { .. }
        | AuthenticationError::MalformedToken { .. }
        | AuthenticationError::UnexpectedToken { .. } => {
            QueryError::new(QueryCode::InvalidClientTokenId)
        }
        AuthenticationError::ExpiredToken { .. } => QueryError::new(QueryCode::ExpiredToken),
        AuthenticationError::Mismatch(_, _) => QueryError::new(QueryCode::SignatureDoesNotMatch),
        AuthenticationError::Store(error) => of_store(error),
    }
}

/// The refusal of a call that was not proven.
pub(crate) fn of_call(refusal: CallRefusal) -> QueryError {
    match refusal {
        CallRefusal::Authentication(error) => of_authentication(error),
        CallRefusal::BodyTooLarge => QueryError::new(QueryCode::RequestEntityTooLarge),
        CallRefusal::BodyTooSlow => QueryError::new(QueryCode::RequestTimeout),
        CallRefusal::PayloadMismatch => QueryError::new(QueryCode::SignatureDoesNotMatch),
        CallRefusal::CrowdedOut => QueryError::new(QueryCode::Throttling),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that users are sent to speaks of every code.
    #[test]
    fn the_page_of_refusals_names_every_code() {
        let page = include_str!("../../../../docs/errors.md");
        for code in QueryCode::ALL {
            let cell = format!("`{}`", code.wire());
            assert!(page.contains(&cell), "docs/errors.md says nothing of {}", code.wire());
        }
    }

    /// As S3's answers have it: what passes, or needs a restart, is no fault of this request.
    #[test]
    fn failures_of_the_store() {
        let check = |error: StoreError, status: u16, code: &str| {
            let found = of_store(error).code();
            assert_eq!((found.status().as_u16(), found.wire()), (status, code));
        };
        check(StoreError::Full, 507, "StorageFull");
        check(StoreError::Poisoned, 503, "ServiceUnavailable");
        check(StoreError::Closed, 503, "ServiceUnavailable");
        check(StoreError::Corrupt { what: "row" }, 500, "InternalFailure");
    }
}
