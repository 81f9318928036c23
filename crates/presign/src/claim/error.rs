//! Why a claim is refused. The variants carry facts; which code and words a client is sent stands
//! on each, and is said by the server alone.

use std::fmt;

use jiff::Timestamp;

use super::Mechanism;

/// A text of the sender's, to be given back to the sender alone: it may hold a signature or a
/// token, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Echo(String);

impl Echo {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The text, for the answer's body.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Echo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Echo(..)")
    }
}

/// The request cannot be read as signed: checks 1 to 6 of semantics 1.7.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// More than one of SigV4 query, SigV2 query and `Authorization`.
    ///
    /// 400 `InvalidArgument` "Only one auth mechanism allowed; only the X-Amz-Algorithm query
    /// parameter, Signature query string parameter or the Authorization header should be
    /// specified" with `ArgumentName` `Authorization` and its value (semantics 1.4.20).
    #[error("more than one authentication mechanism")]
    TwoMechanisms {
        /// The `Authorization` header, where there is one.
        authorization: Option<Echo>,
    },
    /// More than one `Authorization` header.
    ///
    /// 501 `NotImplemented` with `<Header>Authorization</Header>` (semantics 1.7.0a).
    #[error("more than one Authorization header")]
    RepeatedAuthorization,
    /// `Authorization` names no mechanism that is known.
    ///
    /// 400 `InvalidArgument` "Unsupported Authorization Type" with `ArgumentName` `Authorization`
    /// and its value (semantics 1.7.0a).
    #[error("unsupported Authorization type")]
    UnsupportedAuthorization {
        /// The value of the header.
        value: Echo,
    },
    /// `Authorization: AWS id:signature`, which is always refused.
    ///
    /// 400 `InvalidRequest` "The authorization mechanism you have provided is not supported.
    /// Please use AWS4-HMAC-SHA256." (semantics 1.4.23).
    #[error("SigV2 Authorization header")]
    SigV2Authorization,
    /// The attributes of `Authorization` are not as they must be.
    ///
    /// 400 `AuthorizationHeaderMalformed` "The authorization header is malformed; " and what
    /// stands on the [`AuthorizationDefect`] (semantics 1.7.0a).
    #[error("malformed Authorization header: {0}")]
    MalformedAuthorization(AuthorizationDefect),
    /// Header authentication without a readable `x-amz-date` or `Date`.
    ///
    /// 403 `AccessDenied` "AWS authentication requires a valid Date or x-amz-date header"
    /// (semantics 1.7.0a).
    #[error("no valid date header")]
    MissingDate,
    /// Header authentication for S3 without `x-amz-content-sha256`.
    ///
    /// 400 `InvalidRequest` "Missing required header for this request: x-amz-content-sha256"
    /// (semantics 1.2.12e).
    #[error("no x-amz-content-sha256 header")]
    MissingContentSha256,
    /// Header authentication with an `x-amz-content-sha256` that is neither a hash nor a known
    /// word.
    ///
    /// 400 `InvalidArgument` "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, …" with
    /// `ArgumentName` and `ArgumentValue` (semantics 6.6.2).
    #[error("invalid x-amz-content-sha256 header")]
    InvalidContentSha256 {
        /// The value of the header.
        value: String,
    },
    /// Some but not all of the six parameters of SigV4 query authentication.
    ///
    /// 400 `AuthorizationQueryParametersError` "Query-string authentication version 4 requires
    /// the X-Amz-Algorithm, …" (semantics 1.4.1).
    #[error("missing parameters of SigV4 query authentication")]
    MissingQueryParameters,
    /// `X-Amz-Algorithm` is not `AWS4-HMAC-SHA256`.
    ///
    /// 400 `AuthorizationQueryParametersError` "X-Amz-Algorithm only supports …" (semantics 1.4.2).
    #[error("unsupported X-Amz-Algorithm")]
    UnsupportedAlgorithm,
    /// `X-Amz-Credential` has not five parts.
    ///
    /// 400 `AuthorizationQueryParametersError` "Error parsing the X-Amz-Credential parameter; the
    /// Credential is mal-formed; expecting …" (semantics 1.4.5).
    #[error("malformed X-Amz-Credential")]
    MalformedCredential,
    /// The date in `X-Amz-Credential` is not a date of eight digits.
    ///
    /// 400 `AuthorizationQueryParametersError` "Error parsing the X-Amz-Credential parameter;
    /// incorrect date format "…". …" (semantics 1.4.6).
    #[error("malformed date in X-Amz-Credential: {value:?}")]
    MalformedCredentialDate {
        /// The date as the sender wrote it.
        value: String,
    },
    /// `X-Amz-Date` is not `yyyyMMdd'T'HHmmss'Z'`.
    ///
    /// 400 `AuthorizationQueryParametersError` "X-Amz-Date must be in the ISO8601 Long Format …"
    /// (semantics 1.4.3).
    #[error("malformed X-Amz-Date")]
    MalformedDate,
    /// `X-Amz-Expires` is not a number below 2^63.
    ///
    /// 400 `AuthorizationQueryParametersError` "X-Amz-Expires should be a number"
    /// (semantics 1.4.10).
    #[error("X-Amz-Expires is not a number")]
    ExpiresNotANumber,
    /// `X-Amz-Expires` is below 0.
    ///
    /// 400 `AuthorizationQueryParametersError` "X-Amz-Expires must be non-negative"
    /// (semantics 1.4.11).
    #[error("X-Amz-Expires is negative")]
    ExpiresNegative,
    /// `X-Amz-Expires` is above 604800.
    ///
    /// 400 `AuthorizationQueryParametersError` "X-Amz-Expires must be less than a week …"
    /// (semantics 1.4.12).
    #[error("X-Amz-Expires is more than a week")]
    ExpiresTooLong,
    /// More names in `X-Amz-SignedHeaders` than
    /// [`SIGNED_HEADERS_MAX`](crate::SIGNED_HEADERS_MAX).
    ///
    /// 400 `AuthorizationQueryParametersError`; a limit of this library, not of AWS.
    #[error("too many names in X-Amz-SignedHeaders")]
    TooManySignedHeaders,
    /// Some but not all of `Signature`, `Expires` and `AWSAccessKeyId`.
    ///
    /// 403 `AccessDenied` "Query-string authentication requires the Signature, Expires and
    /// `AWSAccessKeyId` parameters" (semantics 1.10.4).
    #[error("missing parameters of SigV2 query authentication")]
    MissingSigV2Parameters,
    /// The `Expires` of SigV2 is not a number of seconds below 2^31.
    ///
    /// 403 `AccessDenied` "Invalid date (should be seconds since epoch): …" (semantics 1.10.4).
    #[error("invalid SigV2 Expires: {value:?}")]
    InvalidSigV2Expires {
        /// The value of the parameter `Expires`.
        value: String,
    },
}

/// What is wrong with the attributes of an `Authorization: AWS4-HMAC-SHA256` header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationDefect {
    /// `Credential`, `SignedHeaders` or `Signature` is absent or there twice.
    ///
    /// `the authorization header requires three components: Credential, SignedHeaders, and
    /// Signature.`
    #[error("not three components")]
    NotThreeComponents,
    /// An attribute without `=`, or one that is not known.
    ///
    /// "the authorization component "…" is malformed."
    #[error("malformed component")]
    MalformedComponent {
        /// The attribute as the sender wrote it.
        component: Echo,
    },
    /// `Credential` has not five parts.
    ///
    /// `the Credential is mal-formed; expecting
    /// "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
    #[error("malformed Credential")]
    MalformedCredential,
    /// The date in `Credential` is not a date of eight digits.
    ///
    /// "incorrect date format "…". This date in the credential must be in the format "yyyyMMdd"."
    #[error("malformed date in Credential: {value:?}")]
    MalformedCredentialDate {
        /// The date as the sender wrote it.
        value: String,
    },
    /// More names in `SignedHeaders` than [`SIGNED_HEADERS_MAX`](crate::SIGNED_HEADERS_MAX); a
    /// limit of this library, not of AWS.
    #[error("too many names in SignedHeaders")]
    TooManySignedHeaders,
}

/// The claim is well-formed, but not in its time or place: checks 7 to 12 of semantics 1.7.
///
/// The words of a wrong day, region, service or terminal begin "Error parsing the
/// X-Amz-Credential parameter; " with code `AuthorizationQueryParametersError` for query
/// authentication, and "The authorization header is malformed; " with code
/// `AuthorizationHeaderMalformed` for header authentication.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The link was signed more than 15 minutes in the future, or is a SigV2 link more than seven
    /// days before its end.
    ///
    /// 403 `AccessDenied` "Request is not yet valid" with `X-Amz-Date` in epoch milliseconds,
    /// `Expires` and `ServerTime` (semantics 1.4.14); without `X-Amz-Date` for SigV2.
    #[error("not yet valid at {server_time}")]
    NotYetValid {
        /// The instant in `X-Amz-Date`; `None` for SigV2, which has no such parameter.
        signed_at: Option<Timestamp>,
        /// The last second in which the link works.
        expires_at: Timestamp,
        /// The `now` that the caller of [`SignatureClaim::admit`](crate::SignatureClaim::admit) passed.
        server_time: Timestamp,
    },
    /// The link has ended.
    ///
    /// 403 `AccessDenied` "Request has expired" with `X-Amz-Expires` (not for SigV2), `Expires`
    /// and `ServerTime` (semantics 1.4.13, 1.10.4).
    #[error("expired at {expires_at}")]
    Expired {
        /// `X-Amz-Expires`, in seconds; `None` for SigV2.
        expires_seconds: Option<u32>,
        /// The last second in which the link worked.
        expires_at: Timestamp,
        /// The `now` that the caller of [`SignatureClaim::admit`](crate::SignatureClaim::admit) passed.
        server_time: Timestamp,
    },
    /// Header authentication more than 15 minutes off.
    ///
    /// 403 `RequestTimeTooSkewed` with `RequestTime` as sent, `ServerTime` and
    /// `MaxAllowedSkewMilliseconds` 900000 (semantics 1.6.1).
    #[error("request time {request_time:?} is too far from {server_time}")]
    RequestTimeTooSkewed {
        /// The text of `x-amz-date` or `Date` as sent.
        request_time: String,
        /// The `now` that the caller of [`SignatureClaim::admit`](crate::SignatureClaim::admit) passed.
        server_time: Timestamp,
    },
    /// The credential's day is not the day of the request's date.
    ///
    /// 400 "Invalid credential date "…". This date is not the same as X-Amz-Date: "…"."
    /// (semantics 1.4.4).
    #[error("credential of {credential_day} on a request of {request_day}")]
    WrongDay {
        /// The mechanism of the request, which decides how S3 words the refusal.
        mechanism: Mechanism,
        /// The day in the credential, `yyyyMMdd`.
        credential_day: String,
        /// The day of the request's date, `yyyyMMdd`.
        request_day: String,
    },
    /// The credential is for another region.
    ///
    /// 400 "the region '…' is wrong; expecting '…'" with `Region` (semantics 1.4.7, 1.9.2).
    #[error("region is {region:?}, not {expected:?}")]
    WrongRegion {
        /// The mechanism of the request, which decides how S3 words the refusal.
        mechanism: Mechanism,
        /// The region in the credential.
        region: String,
        /// The region of this server.
        expected: String,
    },
    /// The credential is for another service.
    ///
    /// 400 "incorrect service "…". This endpoint belongs to "…"." (semantics 1.4.8).
    #[error("service is {service:?}, not {expected:?}")]
    WrongService {
        /// The mechanism of the request, which decides how S3 words the refusal.
        mechanism: Mechanism,
        /// The service in the credential.
        service: String,
        /// The service of this endpoint.
        expected: String,
    },
    /// The credential does not end in `aws4_request`.
    ///
    /// 400 `incorrect terminal "…". This endpoint uses "aws4_request".` (semantics 1.4.9).
    #[error("terminal is {terminal:?}")]
    WrongTerminal {
        /// The mechanism of the request, which decides how S3 words the refusal.
        mechanism: Mechanism,
        /// The last part of the credential, which should be `aws4_request`.
        terminal: String,
    },
    /// `host`, or a header beginning `x-amz-`, is not among the signed headers.
    ///
    /// 403 `AccessDenied` "There were headers present in the request which were not signed" with
    /// `HeadersNotSigned`, joined by `, ` (semantics 1.3).
    #[error("headers not signed: {names:?}")]
    HeadersNotSigned {
        /// Their names, sorted, each once.
        names: Vec<String>,
    },
    /// A SigV2 link where [`SigV2Use::Deny`](crate::SigV2Use::Deny) is set.
    ///
    /// 400 `InvalidRequest` "The authorization mechanism you have provided is not supported.
    /// Please use AWS4-HMAC-SHA256." (semantics 1.4.23).
    #[error("SigV2 is not allowed")]
    SigV2Denied,
}

/// The signature is not the one that the secret makes: what AWS shows of it (semantics 1.5).
///
/// 403 `SignatureDoesNotMatch`. All of it comes from the sender's own request; it may hold a token
/// and is never printed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("signature does not match")]
#[non_exhaustive]
pub struct SignatureMismatch {
    /// The access key id that the request names.
    pub access_key_id: String,
    /// The string to sign, as it follows from the request that arrived.
    pub string_to_sign: String,
    /// The signature that the request has.
    pub signature_provided: String,
    /// The request as it should have been canonicalised. `None` for SigV2.
    ///
    /// For a chunk of an aws-chunked body: that of the request which the chunk belongs to.
    pub canonical_request: Option<String>,
}

impl fmt::Debug for SignatureMismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SignatureMismatch")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
