//! Refusals for the failures of other crates: one function for each kind of failure, each a `match` that names every
//! variant.
//!
//! The errors of `presign` may grow, so the compiler asks for a `_` there. No error of today reaches it; it refuses
//! what a later `presign` may add. Clippy complains of each variant that only `_` matches
//! (`wildcard_enum_match_arm`), so none is overlooked.

use jiff::Timestamp;
use presign::{
    AuthorizationDefect, ChunkError, ClaimError, Mechanism, SignatureMismatch, VerifyError,
};
use store::{BucketName, StoreError};

use super::{Code, S3Error};
use crate::authentication::AuthenticationError;

const EXPECTED_CREDENTIAL: &str = "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"";
const UNSUPPORTED_MECHANISM: &str =
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
pub(super) const INVALID_CONTENT_SHA256: &str = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
pub(super) const MISSING_CONTENT_SHA256: &str =
    "Missing required header for this request: x-amz-content-sha256";
/// The clock skew that header authentication allows, as the answer tells it.
const MAX_ALLOWED_SKEW_MS: &str = "900000";

/// The signature of the request cannot be read (semantics 1.4, 1.7.0a, 1.10.4).
pub(crate) fn of_claim(error: ClaimError) -> S3Error {
    use ClaimError as E;
    let query = |message: &'static str| {
        S3Error::with_message(Code::AuthorizationQueryParametersError, message)
    };
    match error {
        E::TwoMechanisms { authorization } => {
            two_mechanisms(authorization.as_ref().map_or("", |value| value.as_str()))
        }
        E::RepeatedAuthorization => S3Error::not_implemented("Authorization"),
        E::UnsupportedAuthorization { value } => S3Error::invalid_argument(
            "Unsupported Authorization Type",
            "Authorization",
            value.as_str(),
        ),
        E::SigV2Authorization => S3Error::invalid_request(UNSUPPORTED_MECHANISM),
        E::MalformedAuthorization(defect) => of_authorization(&defect),
        E::MissingDate => S3Error::with_message(
            Code::AccessDenied,
            "AWS authentication requires a valid Date or x-amz-date header",
        ),
        E::MissingContentSha256 => S3Error::invalid_request(MISSING_CONTENT_SHA256),
        E::InvalidContentSha256 { value } => {
            S3Error::invalid_argument(INVALID_CONTENT_SHA256, "x-amz-content-sha256", value)
        }
        E::MissingQueryParameters => query(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ),
        E::UnsupportedAlgorithm => {
            query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"")
        }
        E::MalformedCredential => in_credential(Mechanism::V4Query, malformed_credential(), ""),
        E::MalformedCredentialDate { value } => {
            in_credential(Mechanism::V4Query, malformed_date(&value), "")
        }
        E::MalformedDate => {
            query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        }
        E::ExpiresNotANumber => query("X-Amz-Expires should be a number"),
        E::ExpiresNegative => query("X-Amz-Expires must be non-negative"),
        E::ExpiresTooLong => query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ),
        E::TooManySignedHeaders => query("X-Amz-SignedHeaders names too many headers"),
        E::MissingSigV2Parameters => S3Error::with_message(
            Code::AccessDenied,
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        ),
        E::InvalidSigV2Expires { value } => S3Error::with_message(
            Code::AccessDenied,
            format!("Invalid date (should be seconds since epoch): {value}"),
        ),
        _ => S3Error::new(Code::AccessDenied),
    }
}

pub(super) fn two_mechanisms(authorization: &str) -> S3Error {
    S3Error::invalid_argument(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
        "Authorization",
        authorization,
    )
}

fn of_authorization(defect: &AuthorizationDefect) -> S3Error {
    use AuthorizationDefect as D;
    let what = match defect {
        D::NotThreeComponents => "the authorization header requires three components: Credential, SignedHeaders, and Signature.".to_owned(),
        D::MalformedComponent { component } => {
            format!("the authorization component \"{}\" is malformed.", component.as_str())
        }
        D::MalformedCredential => malformed_credential(),
        D::MalformedCredentialDate { value } => malformed_date(value),
        D::TooManySignedHeaders => "SignedHeaders names too many headers.".to_owned(),
        _ => "it cannot be read.".to_owned(),
    };
    in_credential(Mechanism::V4Header, what, "")
}

pub(super) fn malformed_credential() -> String {
    format!("the Credential is mal-formed; expecting {EXPECTED_CREDENTIAL}.")
}

pub(super) fn malformed_date(value: &str) -> String {
    format!(
        "incorrect date format \"{value}\". This date in the credential must be in the format \"yyyyMMdd\"."
    )
}

/// A fault of the credential. Its message differs between link, header and form; a form is also shown the
/// credential that it sent.
fn in_credential(mechanism: Mechanism, what: impl AsRef<str>, credential: &str) -> S3Error {
    let what = what.as_ref();
    match mechanism {
        Mechanism::V4Form | Mechanism::V2Form => {
            S3Error::invalid_argument(what.to_owned(), "X-Amz-Credential", credential)
        }
        Mechanism::V4Query | Mechanism::V2Query => S3Error::with_message(
            Code::AuthorizationQueryParametersError,
            format!("Error parsing the X-Amz-Credential parameter; {what}"),
        ),
        Mechanism::V4Header => S3Error::with_message(
            Code::AuthorizationHeaderMalformed,
            format!("The authorization header is malformed; {what}"),
        ),
        _ => S3Error::new(Code::AccessDenied),
    }
}

/// The caller was not authenticated.
pub(crate) fn of_authentication(error: AuthenticationError) -> S3Error {
    of_caller(error, "")
}

/// The same, for the sender of a form with this credential.
pub(super) fn of_caller(error: AuthenticationError, credential: &str) -> S3Error {
    use AuthenticationError as E;
    match error {
        E::Claim(error) => of_claim(error),
        E::Verify(error) => of_verification(error, credential),
        E::UnknownMechanism => S3Error::invalid_request(UNSUPPORTED_MECHANISM),
        E::UnknownKey { access_key_id } => unknown_key(&access_key_id),
        E::MalformedToken { token } | E::UnexpectedToken { token } => invalid_token(token),
        E::ExpiredToken { token } => S3Error::new(Code::ExpiredToken).detail("Token-0", token),
        E::Mismatch(mismatch, hint) => of_mismatch(*mismatch).with_hint(hint),
        E::Store(error) => of_store(error),
    }
}

/// The signature is not valid at this time, or not in this region and for this service.
fn of_verification(error: VerifyError, credential: &str) -> S3Error {
    use VerifyError as E;
    let denied = |message: &'static str| S3Error::with_message(Code::AccessDenied, message);
    match error {
        E::NotYetValid { signed_at, expires_at, server_time } => {
            let mut refused = denied("Request is not yet valid");
            if let Some(signed_at) = signed_at {
                refused = refused.detail("X-Amz-Date", signed_at.as_millisecond().to_string());
            }
            refused
                .detail("Expires", seconds(expires_at))
                .detail("ServerTime", seconds(server_time))
        }
        E::Expired { expires_seconds, expires_at, server_time } => {
            let mut refused = denied("Request has expired");
            if let Some(asked) = expires_seconds {
                refused = refused.detail("X-Amz-Expires", asked.to_string());
            }
            refused
                .detail("Expires", seconds(expires_at))
                .detail("ServerTime", seconds(server_time))
        }
        E::RequestTimeTooSkewed { request_time, server_time } => {
            S3Error::new(Code::RequestTimeTooSkewed)
                .detail("RequestTime", request_time)
                .detail("ServerTime", seconds(server_time))
                .detail("MaxAllowedSkewMilliseconds", MAX_ALLOWED_SKEW_MS)
        }
        E::WrongDay { mechanism, credential_day, request_day } => {
            let what = format!(
                "Invalid credential date \"{credential_day}\". This date is not the same as X-Amz-Date: \"{request_day}\"."
            );
            match mechanism {
                Mechanism::V4Query | Mechanism::V2Query => {
                    S3Error::with_message(Code::AuthorizationQueryParametersError, what)
                }
                Mechanism::V4Header | Mechanism::V4Form | Mechanism::V2Form => {
                    in_credential(mechanism, what, credential)
                }
                _ => S3Error::new(Code::AccessDenied),
            }
        }
        E::WrongRegion { mechanism, region, expected } => in_credential(
            mechanism,
            format!("the region '{region}' is wrong; expecting '{expected}'"),
            credential,
        )
        .detail("Region", expected),
        E::WrongService { mechanism, service, expected } => in_credential(
            mechanism,
            format!("incorrect service \"{service}\". This endpoint belongs to \"{expected}\"."),
            credential,
        ),
        E::WrongTerminal { mechanism, terminal } => in_credential(
            mechanism,
            format!("incorrect terminal \"{terminal}\". This endpoint uses \"aws4_request\"."),
            credential,
        ),
        E::HeadersNotSigned { names } => {
            denied("There were headers present in the request which were not signed")
                .detail("HeadersNotSigned", names.join(", "))
        }
        E::SigV2Denied => S3Error::invalid_request(UNSUPPORTED_MECHANISM),
        _ => S3Error::new(Code::AccessDenied),
    }
}

/// A time in the details of an error: whole seconds.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The signature is not the one that the secret makes (semantics 1.5).
pub(crate) fn of_mismatch(mismatch: SignatureMismatch) -> S3Error {
    let SignatureMismatch {
        access_key_id,
        string_to_sign,
        signature_provided,
        canonical_request,
        ..
    } = mismatch;
    let bytes = hex_bytes(&string_to_sign);
    let refused = S3Error::new(Code::SignatureDoesNotMatch)
        .detail("AWSAccessKeyId", access_key_id)
        .detail("StringToSign", string_to_sign)
        .detail("SignatureProvided", signature_provided)
        .detail("StringToSignBytes", bytes);
    match canonical_request {
        None => refused,
        Some(canonical) => {
            let bytes = hex_bytes(&canonical);
            refused.detail("CanonicalRequest", canonical).detail("CanonicalRequestBytes", bytes)
        }
    }
}

/// Bytes as AWS shows them: two lower-case hex digits each, separated by spaces.
fn hex_bytes(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |&d| char::from(d));
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
    out
}

/// The chunks of the body are not as announced (semantics 6.6.9).
pub(crate) fn of_chunk(error: ChunkError) -> S3Error {
    use ChunkError as E;
    match error {
        E::InvalidChunkSize { chunk, size } => S3Error::new(Code::InvalidChunkSize)
            .detail("Chunk", chunk.to_string())
            .detail("BadChunkSize", size.to_string()),
        E::MalformedTrailer => S3Error::new(Code::MalformedTrailer),
        E::IncompleteBody | E::DecodedLength { .. } => S3Error::new(Code::IncompleteBody),
        E::Signature(mismatch) => of_mismatch(mismatch),
        _ => S3Error::new(Code::AccessDenied),
    }
}

/// There is no such access key, or it belongs to a session that cannot be (semantics 1.4.16).
fn unknown_key(access_key_id: &str) -> S3Error {
    S3Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", access_key_id)
}

/// The token is not one of this server, or came with a long-term key (semantics 1.4.18).
fn invalid_token(token: String) -> S3Error {
    S3Error::new(Code::InvalidToken).detail("Token-0", token)
}

/// The body has another hash than the signed one (semantics 6.6.2).
pub(crate) fn content_sha256_mismatch(expected: &str, computed: &str) -> S3Error {
    S3Error::new(Code::ContentSha256Mismatch)
        .detail("ClientComputedContentSHA256", expected)
        .detail("S3ComputedContentSHA256", computed)
}

/// There is no such bucket.
pub(crate) fn no_such_bucket(bucket: &BucketName) -> S3Error {
    S3Error::new(Code::NoSuchBucket).detail("BucketName", bucket.as_str())
}

/// The store failed.
pub(crate) fn of_store(error: StoreError) -> S3Error {
    let code = match &error {
        StoreError::Full => Code::StorageFull,
        StoreError::Poisoned | StoreError::Closed => Code::ServiceUnavailable,
        // The body arrived too slowly, and its stage has expired.
        StoreError::StageExpired => Code::RequestTimeout,
        StoreError::Corrupt { .. }
        | StoreError::CustomerKeyMissing
        | StoreError::BodyGone
        | StoreError::NoRandomness
        | StoreError::Engine(_)
        | StoreError::Io { .. } => Code::InternalError,
    };
    S3Error::new(code).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_lower_case_pairs() {
        assert_eq!(hex_bytes("AWS4\n"), "41 57 53 34 0a");
    }

    #[test]
    fn the_server_time_is_in_whole_seconds() {
        assert_eq!(seconds("2017-07-20T04:18:55.9Z".parse().unwrap()), "2017-07-20T04:18:55Z");
    }
}
