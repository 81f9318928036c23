//! Every error code of CloudFront's control API in one table, with the words of the service.

use std::borrow::Cow;

use hyper::StatusCode;
use store::{DistributionError, StoreError};

use crate::authentication::AuthenticationError;
use crate::query::error as query;
use crate::signed_call::CallRefusal;

/// Declares [`ControlCode`]: name on the wire, status, and the message when nothing more is known.
macro_rules! codes {
    ($($name:ident $status:ident $message:literal;)*) => {
        /// An error code of the control API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ControlCode { $(#[doc = concat!("`", stringify!($name), "`")] $name,)* }

        impl ControlCode {
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The text of `<Code>`.
            pub(crate) fn wire(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

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
    AccessDenied FORBIDDEN "Access Denied";
    ExpiredToken FORBIDDEN "The security token included in the request is expired";
    IncompleteSignature BAD_REQUEST "The request signature does not conform to AWS standards.";
    InvalidClientTokenId FORBIDDEN "The security token included in the request is invalid.";
    RequestExpired BAD_REQUEST "Request has expired.";
    SignatureDoesNotMatch FORBIDDEN "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

    // About the call.
    InvalidAction NOT_FOUND "CloudFront has no such operation here.";
    MalformedXML BAD_REQUEST "The XML document in the body cannot be read, or is not the one that this operation takes.";
    MissingBody BAD_REQUEST "This operation requires a body. Ensure that the body is present and the Content-Type header is set.";
    InvalidArgument BAD_REQUEST "An argument is invalid.";
    InvalidIfMatchVersion BAD_REQUEST "The If-Match version is missing or not valid for the resource.";
    PreconditionFailed PRECONDITION_FAILED "The precondition in one or more of the request fields evaluated to false.";
    InconsistentQuantities BAD_REQUEST "The value of Quantity and the size of Items don't match.";
    InvalidTagging BAD_REQUEST "The tagging specified is not valid.";
    EntityLimitExceeded BAD_REQUEST "The entity limit has been exceeded.";
    EntitySizeLimitExceeded PAYLOAD_TOO_LARGE "The entity size limit was exceeded.";
    RequestTimeout BAD_REQUEST "The body did not arrive in time.";
    Throttling BAD_REQUEST "Rate exceeded";

    // Keys.
    CannotChangeImmutablePublicKeyFields BAD_REQUEST "You can't change the value of a public key.";
    NoSuchPublicKey NOT_FOUND "The specified public key doesn't exist.";
    PublicKeyAlreadyExists CONFLICT "The specified public key already exists.";
    PublicKeyInUse CONFLICT "The specified public key is in use.";
    KeyGroupAlreadyExists CONFLICT "A key group with this name already exists. You must provide a unique name. To modify an existing key group, use UpdateKeyGroup.";
    NoSuchResource NOT_FOUND "A resource that was specified is not valid.";
    ResourceInUse CONFLICT "Cannot delete this resource because it is in use.";
    TooManyPublicKeysInKeyGroup BAD_REQUEST "The number of public keys in this key group is more than the maximum allowed.";

    // Access to origins, and policies.
    NoSuchOriginAccessControl NOT_FOUND "The origin access control does not exist.";
    OriginAccessControlAlreadyExists CONFLICT "An origin access control with the specified parameters already exists.";
    OriginAccessControlInUse CONFLICT "Cannot delete the origin access control because it's in use by one or more distributions.";
    CachePolicyAlreadyExists CONFLICT "A cache policy with this name already exists. You must provide a unique name. To modify an existing cache policy, use UpdateCachePolicy.";
    CachePolicyInUse CONFLICT "Cannot delete the cache policy because it is attached to one or more cache behaviors.";
    NoSuchCachePolicy NOT_FOUND "The cache policy does not exist.";
    NoSuchOriginRequestPolicy NOT_FOUND "The origin request policy does not exist.";
    OriginRequestPolicyAlreadyExists CONFLICT "An origin request policy with this name already exists. You must provide a unique name. To modify an existing origin request policy, use UpdateOriginRequestPolicy.";
    OriginRequestPolicyInUse CONFLICT "Cannot delete the origin request policy because it is attached to one or more cache behaviors.";
    NoSuchResponseHeadersPolicy NOT_FOUND "The response headers policy does not exist.";
    ResponseHeadersPolicyAlreadyExists CONFLICT "A response headers policy with this name already exists. You must provide a unique name. To modify an existing response headers policy, use UpdateResponseHeadersPolicy.";
    ResponseHeadersPolicyInUse CONFLICT "Cannot delete the response headers policy because it is attached to one or more cache behaviors in a CloudFront distribution.";
    IllegalDelete BAD_REQUEST "Deletion is not allowed for this entity.";
    IllegalUpdate BAD_REQUEST "The update contains modifications that are not allowed.";

    // Distributions.
    CNAMEAlreadyExists CONFLICT "One or more of the CNAMEs you provided are already associated with a different resource.";
    DistributionAlreadyExists CONFLICT "The caller reference you attempted to create the distribution with is associated with another distribution.";
    DistributionNotDisabled CONFLICT "The distribution you are trying to delete has not been disabled.";
    InvalidDefaultRootObject BAD_REQUEST "The default root object file name is too big or contains an invalid character.";
    InvalidErrorCode BAD_REQUEST "An invalid error code was specified.";
    InvalidOrigin BAD_REQUEST "The Amazon S3 origin server specified does not refer to a valid Amazon S3 bucket.";
    InvalidOriginAccessControl BAD_REQUEST "The origin access control is not valid.";
    InvalidRelativePath BAD_REQUEST "The relative path is too big, is not URL-encoded, or does not begin with a slash (/).";
    InvalidResponseCode BAD_REQUEST "A response code is not valid.";
    InvalidTTLOrder BAD_REQUEST "The TTL order specified is not valid.";
    NoSuchDistribution NOT_FOUND "The specified distribution does not exist.";
    NoSuchOrigin NOT_FOUND "One or more of your origins or origin groups do not exist.";
    TooManyCacheBehaviors BAD_REQUEST "You cannot create more cache behaviors for the distribution.";
    TooManyDistributionCNAMEs BAD_REQUEST "Your request contains more CNAMEs than are allowed per distribution.";
    TooManyKeyGroupsAssociatedToDistribution BAD_REQUEST "The number of key groups referenced by this distribution is more than the maximum allowed.";
    TooManyOrigins BAD_REQUEST "You cannot create more origins for the distribution.";
    TrustedKeyGroupDoesNotExist BAD_REQUEST "The specified key group does not exist.";
    BatchTooLarge PAYLOAD_TOO_LARGE "Invalidation batch specified is too large.";
    NoSuchInvalidation NOT_FOUND "The specified invalidation does not exist.";

    // About the server.
    InternalFailure INTERNAL_SERVER_ERROR "The request processing has failed because of an unknown error, exception or failure.";
    ServiceUnavailable SERVICE_UNAVAILABLE "The request has failed due to a temporary failure of the server.";
    StorageFull INSUFFICIENT_STORAGE "The disk is full: free some space, and try again.";
}

/// A refusal: what the client is told, and what is logged.
#[derive(Debug)]
pub(crate) struct ControlError {
    code: ControlCode,
    message: Cow<'static, str>,
    cause: Option<StoreError>,
}

impl ControlError {
    pub(crate) fn new(code: ControlCode) -> Self {
        Self::with_message(code, code.message())
    }

    pub(crate) fn with_message(code: ControlCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    /// What a resource cannot be or do here, and what to do instead.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_message(ControlCode::InvalidArgument, message)
    }

    pub(crate) fn code(&self) -> ControlCode {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn cause(&self) -> Option<&StoreError> {
        self.cause.as_ref()
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Full => ControlCode::StorageFull,
            StoreError::Poisoned | StoreError::Closed => ControlCode::ServiceUnavailable,
            StoreError::StageExpired
            | StoreError::Corrupt { .. }
            | StoreError::CustomerKeyMissing
            | StoreError::BodyGone
            | StoreError::NoRandomness
            | StoreError::Engine(_)
            | StoreError::Io { .. } => ControlCode::InternalFailure,
        };
        Self { cause: Some(error), ..Self::new(code) }
    }
}

impl From<DistributionError> for ControlError {
    fn from(error: DistributionError) -> Self {
        Self::new(match error {
            DistributionError::TooMany => ControlCode::EntityLimitExceeded,
            DistributionError::TooLong => ControlCode::EntitySizeLimitExceeded,
            DistributionError::HostTaken => ControlCode::CNAMEAlreadyExists,
            DistributionError::IdTaken => ControlCode::InternalFailure,
        })
    }
}

impl From<CallRefusal> for ControlError {
    fn from(refusal: CallRefusal) -> Self {
        match refusal {
            CallRefusal::Authentication(error) => error.into(),
            CallRefusal::BodyTooLarge => Self::new(ControlCode::EntitySizeLimitExceeded),
            CallRefusal::BodyTooSlow => Self::new(ControlCode::RequestTimeout),
            CallRefusal::PayloadMismatch => Self::new(ControlCode::SignatureDoesNotMatch),
            CallRefusal::CrowdedOut => Self::new(ControlCode::Throttling),
        }
    }
}

/// In the words of IAM and STS: the services of AWS share them.
impl From<AuthenticationError> for ControlError {
    fn from(error: AuthenticationError) -> Self {
        use query::QueryCode as Q;
        if let AuthenticationError::Store(error) = error {
            return error.into();
        }
        let error = query::of_authentication(error);
        let shared = [
            (Q::ExpiredToken, ControlCode::ExpiredToken),
            (Q::IncompleteSignature, ControlCode::IncompleteSignature),
            (Q::InvalidClientTokenId, ControlCode::InvalidClientTokenId),
            (Q::RequestExpired, ControlCode::RequestExpired),
        ];
        let code = shared.into_iter().find(|(code, _)| *code == error.code());
        let code = code.map_or(ControlCode::SignatureDoesNotMatch, |(_, code)| code);
        Self::with_message(code, error.message().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that users are sent to speaks of every code.
    #[test]
    fn the_page_of_refusals_names_every_code() {
        let page = include_str!("../../../../docs/errors.md");
        for code in ControlCode::ALL {
            let cell = format!("`{}`", code.wire());
            assert!(page.contains(&cell), "docs/errors.md says nothing of {}", code.wire());
        }
    }
}
