//! Every S3 error code in one table, and the one place where failures of the other crates become codes.

use std::borrow::Cow;
use std::error::Error as StdError;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};

use presign::Cause;

use crate::xml::XmlWriter;

pub(crate) mod form;
pub(crate) mod refusal;

/// Declares [`Code`]: name on the wire, status, and the message AWS sends when nothing more is known.
macro_rules! codes {
    ($($name:ident $wire:literal $status:ident $message:literal;)*) => {
        /// An error code of the S3 API, as it stands in `<Code>`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $(#[doc = concat!("`", $wire, "`")] $name,)* }

        impl Code {
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
    AccessForbidden "AccessForbidden" FORBIDDEN "Access Forbidden";
    AuthorizationHeaderMalformed "AuthorizationHeaderMalformed" BAD_REQUEST "The authorization header you provided is invalid.";
    AuthorizationQueryParametersError "AuthorizationQueryParametersError" BAD_REQUEST "Error parsing the X-Amz-Credential parameter";
    ExpiredToken "ExpiredToken" BAD_REQUEST "The provided token has expired.";
    InvalidAccessKeyId "InvalidAccessKeyId" FORBIDDEN "The AWS Access Key Id you provided does not exist in our records.";
    InvalidToken "InvalidToken" BAD_REQUEST "The provided token is malformed or otherwise invalid.";
    RequestTimeTooSkewed "RequestTimeTooSkewed" FORBIDDEN "The difference between the request time and the current time is too large.";
    SignatureDoesNotMatch "SignatureDoesNotMatch" FORBIDDEN "The request signature we calculated does not match the signature you provided. Check your key and signing method.";

    // About the request.
    AccessControlListNotSupported "AccessControlListNotSupported" BAD_REQUEST "The bucket does not allow ACLs";
    BadRequest "BadRequest" BAD_REQUEST "An error occurred when parsing the HTTP request.";
    IllegalLocationConstraint "IllegalLocationConstraintException" BAD_REQUEST "The specified location constraint is not valid for this endpoint.";
    IllegalVersioningConfiguration "IllegalVersioningConfigurationException" BAD_REQUEST "The versioning configuration specified in the request is invalid.";
    InvalidArgument "InvalidArgument" BAD_REQUEST "Invalid Argument";
    InvalidBucketOwner "InvalidBucketOwnerAWSAccountID" BAD_REQUEST "The value of the expected bucket owner parameter must be an AWS Account ID";
    InvalidBucketName "InvalidBucketName" BAD_REQUEST "The specified bucket is not valid.";
    InvalidEncryptionAlgorithm "InvalidEncryptionAlgorithmError" BAD_REQUEST "The Encryption request you specified is not valid. Supported value: AES256.";
    InvalidLocationConstraint "InvalidLocationConstraint" BAD_REQUEST "The specified location-constraint is not valid";
    InvalidPart "InvalidPart" BAD_REQUEST "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    InvalidPartNumber "InvalidPartNumber" RANGE_NOT_SATISFIABLE "The requested partnumber is not satisfiable";
    InvalidPartOrder "InvalidPartOrder" BAD_REQUEST "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidRange "InvalidRange" RANGE_NOT_SATISFIABLE "The requested range is not satisfiable";
    InvalidRequest "InvalidRequest" BAD_REQUEST "Invalid Request";
    InvalidPolicyDocument "InvalidPolicyDocument" BAD_REQUEST "The content of the form does not meet the conditions specified in the policy document.";
    InvalidRedirectLocation "InvalidRedirectLocation" BAD_REQUEST "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
    InvalidStorageClass "InvalidStorageClass" BAD_REQUEST "The storage class you specified is not valid";
    InvalidUri "InvalidURI" BAD_REQUEST "Couldn't parse the specified URI.";
    KeyTooLong "KeyTooLongError" BAD_REQUEST "Your key is too long";
    InvalidTag "InvalidTag" BAD_REQUEST "The tag provided was not a valid tag.";
    MalformedPolicy "MalformedPolicy" BAD_REQUEST "Policies must be valid JSON and the first byte must be '{'";
    MalformedPostRequest "MalformedPOSTRequest" BAD_REQUEST "The body of your POST request is not well-formed multipart/form-data.";
    MalformedXml "MalformedXML" BAD_REQUEST "The XML you provided was not well-formed or did not validate against our published schema";
    MaxMessageLengthExceeded "MaxMessageLengthExceeded" BAD_REQUEST "Your request was too big.";
    MaxPostPreDataLengthExceeded "MaxPostPreDataLengthExceeded" BAD_REQUEST "Your POST request fields preceeding the upload file was too large.";
    MetadataTooLarge "MetadataTooLarge" BAD_REQUEST "Your metadata headers exceed the maximum allowed metadata size";
    MethodNotAllowed "MethodNotAllowed" METHOD_NOT_ALLOWED "The specified method is not allowed against this resource.";
    MissingRequestBody "MissingRequestBodyError" BAD_REQUEST "Request Body is empty";
    NotImplemented "NotImplemented" NOT_IMPLEMENTED "A header you provided implies functionality that is not implemented";

    // About the body.
    BadDigest "BadDigest" BAD_REQUEST "The Content-MD5 you specified did not match what we received.";
    EntityTooLarge "EntityTooLarge" BAD_REQUEST "Your proposed upload exceeds the maximum allowed size";
    EntityTooSmall "EntityTooSmall" BAD_REQUEST "Your proposed upload is smaller than the minimum allowed size";
    IncompleteBody "IncompleteBody" BAD_REQUEST "The request body terminated unexpectedly";
    InvalidChunkSize "InvalidChunkSizeError" FORBIDDEN "Only the last chunk is allowed to have a size less than 8192 bytes";
    InvalidDigest "InvalidDigest" BAD_REQUEST "The Content-MD5 you specified was invalid.";
    MalformedTrailer "MalformedTrailerError" BAD_REQUEST "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MissingContentLength "MissingContentLength" LENGTH_REQUIRED "You must provide the Content-Length HTTP header.";
    RequestTimeout "RequestTimeout" BAD_REQUEST "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.";
    ContentSha256Mismatch "XAmzContentSHA256Mismatch" BAD_REQUEST "The provided 'x-amz-content-sha256' header does not match what was computed.";

    // About what exists.
    BucketAlreadyExists "BucketAlreadyExists" CONFLICT "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    BucketAlreadyOwnedByYou "BucketAlreadyOwnedByYou" CONFLICT "Your previous request to create the named bucket succeeded and you already own it.";
    OperationAborted "OperationAborted" CONFLICT "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    ConditionalRequestConflict "ConditionalRequestConflict" CONFLICT "The conditional request cannot succeed due to a conflicting operation against this resource.";
    BucketNotEmpty "BucketNotEmpty" CONFLICT "The bucket you tried to delete is not empty";
    NoSuchBucket "NoSuchBucket" NOT_FOUND "The specified bucket does not exist";
    NoSuchBucketPolicy "NoSuchBucketPolicy" NOT_FOUND "The bucket policy does not exist";
    NoSuchConfiguration "NoSuchConfiguration" NOT_FOUND "The specified configuration does not exist.";
    NoSuchCorsConfiguration "NoSuchCORSConfiguration" NOT_FOUND "The CORS configuration does not exist";
    NoSuchEncryptionConfiguration "ServerSideEncryptionConfigurationNotFoundError" NOT_FOUND "The server side encryption configuration was not found";
    NoSuchKey "NoSuchKey" NOT_FOUND "The specified key does not exist.";
    NoSuchLink "NoSuchLink" NOT_FOUND "There is no such link.";
    NoSuchLifecycleConfiguration "NoSuchLifecycleConfiguration" NOT_FOUND "The lifecycle configuration does not exist";
    NoSuchObjectLockConfiguration "ObjectLockConfigurationNotFoundError" NOT_FOUND "Object Lock configuration does not exist for this bucket";
    NoSuchOwnershipControls "OwnershipControlsNotFoundError" NOT_FOUND "The bucket ownership controls were not found";
    NoSuchPublicAccessBlock "NoSuchPublicAccessBlockConfiguration" NOT_FOUND "The public access block configuration was not found";
    NoSuchReplicationConfiguration "ReplicationConfigurationNotFoundError" NOT_FOUND "The replication configuration was not found";
    NoSuchTagSet "NoSuchTagSet" NOT_FOUND "The TagSet does not exist";
    NoSuchUpload "NoSuchUpload" NOT_FOUND "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    NoSuchVersion "NoSuchVersion" NOT_FOUND "The specified version does not exist.";
    NoSuchWebsiteConfiguration "NoSuchWebsiteConfiguration" NOT_FOUND "The specified bucket does not have a website configuration";
    PreconditionFailed "PreconditionFailed" PRECONDITION_FAILED "At least one of the pre-conditions you specified did not hold";

    // About this server.
    TooManyTries "TooManyRequests" TOO_MANY_REQUESTS "The passphrase was tried too often. Please wait a minute.";
    InternalError "InternalError" INTERNAL_SERVER_ERROR "We encountered an internal error. Please try again.";
    SlowDown "SlowDown" SERVICE_UNAVAILABLE "Please reduce your request rate.";
    ServiceUnavailable "ServiceUnavailable" SERVICE_UNAVAILABLE "Service is unable to handle request.";
    StorageFull "StorageFull" INSUFFICIENT_STORAGE "The storage is full.";
}

/// One refusal as the client will see it. Its cause goes to the log only.
#[derive(Debug)]
pub(crate) struct S3Error(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    code: Code,
    message: Cow<'static, str>,
    details: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    hint: Option<Cause>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl S3Error {
    pub(crate) fn new(code: Code) -> Self {
        Self(Box::new(Refusal {
            code,
            message: Cow::Borrowed(code.message()),
            details: Vec::new(),
            headers: Vec::new(),
            hint: None,
            cause: None,
        }))
    }

    /// A refusal with a message of its own.
    pub(crate) fn with_message(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(code);
        error.0.message = message.into();
        error
    }

    /// `InvalidArgument` with the two elements in which AWS names the wrong argument.
    pub(crate) fn invalid_argument(
        message: impl Into<Cow<'static, str>>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self::with_message(Code::InvalidArgument, message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    /// `InvalidRequest` with a message of its own.
    pub(crate) fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_message(Code::InvalidRequest, message)
    }

    /// The refusal of something that is not supported. It is refused, never ignored (README.md, "What works").
    pub(crate) fn not_implemented(header: &str) -> Self {
        Self::new(Code::NotImplemented).detail("Header", header)
    }

    /// What stands beside code and message, in its order.
    pub(crate) fn details(&self) -> &[(&'static str, String)] {
        &self.0.details
    }

    /// Adds an element between `<Message>` and `<RequestId>`, after those added before.
    pub(crate) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.details.push((name, value.into()));
        self
    }

    /// Adds a header to the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds that the client may try again after a second.
    pub(crate) fn retry_after_a_second(self) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Adds that the client may try again after a minute.
    pub(crate) fn retry_after_a_minute(self) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from_static("60"))
    }

    /// Adds what the holder of a link is told of why its signature does not hold.
    pub(crate) fn with_hint(mut self, hint: Option<Cause>) -> Self {
        self.0.hint = hint;
        self
    }

    pub(crate) fn hint(&self) -> Option<&Cause> {
        self.0.hint.as_ref()
    }

    /// The text of an added element.
    pub(crate) fn detail_of(&self, name: &str) -> Option<&str> {
        let found = self.0.details.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| text.as_str())
    }

    /// Adds the cause, for the log.
    pub(crate) fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Box::new(cause));
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// The text of `<Message>`.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The name of the argument that is wrong, if one is.
    pub(crate) fn argument(&self) -> Option<&str> {
        self.detail_of("ArgumentName")
    }

    /// Whether the refusal is that of a wrong credential scope (semantics 1.4.24a).
    pub(crate) fn names_scope(&self) -> bool {
        let scope = ["the region '", "incorrect service \""];
        matches!(
            self.0.code,
            Code::AuthorizationQueryParametersError | Code::AuthorizationHeaderMalformed
        ) && scope.iter().any(|words| self.0.message.contains(words))
    }

    pub(crate) fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The body: `Code`, `Message`, the added elements, `RequestId`, `HostId`; no namespace.
    pub(crate) fn to_xml(&self, request_id: &str, host_id: &str) -> String {
        let mut xml = XmlWriter::document();
        xml.element("Error", |error| {
            error.text("Code", self.0.code.wire());
            error.text("Message", &self.0.message);
            for (name, value) in &self.0.details {
                error.text(name, value);
            }
            error.text("RequestId", request_id);
            error.text("HostId", host_id);
        });
        xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_refusals_names_every_code() {
        let page = include_str!("../../../docs/errors.md");
        for code in Code::ALL {
            assert!(page.contains(code.wire()), "docs/errors.md says nothing of {}", code.wire());
        }
    }

    #[test]
    fn details_stand_between_message_and_request_id() {
        let xml = S3Error::new(Code::NoSuchKey).detail("Key", "a<b&c").to_xml("R", "H");
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>\
             <Message>The specified key does not exist.</Message><Key>a&lt;b&amp;c</Key>\
             <RequestId>R</RequestId><HostId>H</HostId></Error>"
        );
    }
}
