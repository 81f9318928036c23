//! Refusals of forms (semantics 3): one function for each kind of failure, each a `match` that names every variant;
//! a `_` beside them refuses what a later `presign` may add, as in `refusal`.

use presign::{
    FORM_BYTES_BEFORE_FILE_MAX, FormClaimError, FormError, FormFields, PostPolicyError, PostRefusal,
};

use super::refusal::{self, malformed_credential, malformed_date};
use super::{Code, S3Error};
use crate::authentication::AuthenticationError;

const CREDENTIAL: &str = "X-Amz-Credential";

/// The body is no form with a file (semantics 3.1.2 to 3.1.5).
pub(crate) fn of_form(error: FormError) -> S3Error {
    let refused = match error {
        FormError::NotMultipart => S3Error::new(Code::PreconditionFailed)
            .detail("Condition", "Bucket POST must be of the enclosure-type multipart/form-data"),
        FormError::Malformed => S3Error::new(Code::MalformedPostRequest),
        FormError::TooMuchBeforeFile => S3Error::new(Code::MaxPostPreDataLengthExceeded)
            .detail("MaxPostPreDataLengthBytes", FORM_BYTES_BEFORE_FILE_MAX.to_string()),
        FormError::NoFile => S3Error::invalid_argument(
            "POST requires exactly one file upload per request.",
            "file",
            "0",
        ),
        _ => S3Error::new(Code::AccessDenied),
    };
    refused.because(error)
}

/// The request is signed in a header. The credentials of a form stand in its fields (semantics 3.1.1).
pub(crate) fn of_header_signature(content_sha256: Option<&str>) -> S3Error {
    match content_sha256 {
        None => S3Error::invalid_request(refusal::MISSING_CONTENT_SHA256),
        Some(_) => S3Error::with_message(Code::InvalidArgument, refusal::INVALID_CONTENT_SHA256)
            .detail("ArgumentName", "x-amz-content-sha256"),
    }
}

/// The request is signed in its query, like a link.
pub(crate) fn of_link_signature() -> S3Error {
    refusal::two_mechanisms("")
}

/// A session token is in a header and not in the form (semantics 3.1.8).
pub(crate) fn of_header_token() -> S3Error {
    S3Error::with_message(Code::AccessDenied, "No AWSAccessKey was presented.")
}

/// A required field is missing (semantics 3.2.1).
pub(crate) fn missing_field(name: &'static str) -> S3Error {
    let message = format!(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    );
    S3Error::invalid_argument(message, name, "")
}

/// The signature of the form cannot be read (semantics 3.2.1 to 3.2.4).
pub(crate) fn of_claim(error: FormClaimError, fields: &FormFields) -> S3Error {
    use FormClaimError as E;
    let in_credential = |what: String| {
        S3Error::invalid_argument(what, CREDENTIAL, fields.get(CREDENTIAL).unwrap_or_default())
    };
    match error {
        E::TwoMechanisms => refusal::two_mechanisms(""),
        E::MissingField { name } => missing_field(name),
        E::UnsupportedAlgorithm { value } => S3Error::invalid_argument(
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"",
            "X-Amz-Algorithm",
            value.as_str(),
        ),
        E::MalformedCredential => in_credential(malformed_credential()),
        E::EmptyAccessKeyId => in_credential(
            "a non-empty Access Key (AKID) must be provided in the credential.".to_owned(),
        ),
        E::MalformedCredentialDate { value } => in_credential(malformed_date(&value)),
        E::MalformedDate { value } => S3Error::invalid_argument(
            "X-Amz-Date must be formated via ISO8601 Long format",
            "X-Amz-Date",
            value.as_str(),
        ),
        _ => S3Error::new(Code::AccessDenied),
    }
}

/// The sender of the form was not authenticated.
pub(crate) fn of_authentication(error: AuthenticationError, fields: &FormFields) -> S3Error {
    refusal::of_caller(error, &fields.get(CREDENTIAL).unwrap_or_default())
}

/// The text of the policy is no policy (semantics 3.3.10).
pub(crate) fn of_policy(error: PostPolicyError) -> S3Error {
    use PostPolicyError as E;
    let what = match error {
        E::Base64 => "invalid Base64 encoding.".to_owned(),
        E::Json => "Invalid JSON.".to_owned(),
        E::Minus => "Token - must be enclosed in quotes.".to_owned(),
        E::Unexpected { name } => format!("Unexpected: '{}'", name.to_lowercase()),
        E::MissingExpiration => "Policy missing expiration.".to_owned(),
        E::MalformedExpiration { value } => format!("Invalid 'expiration' value: '{value}'"),
        E::MissingConditions => "Policy missing conditions.".to_owned(),
        E::ConditionsNotAList => "Invalid 'conditions' value: must be a List.".to_owned(),
        E::ConditionType => "Invalid condition test: must be a List or Object.".to_owned(),
        E::MissingOperation => "Invalid Condition: missing operation identifier.".to_owned(),
        E::UnknownOperation { operation } => {
            format!("Invalid Condition: unknown operation '{operation}'.")
        }
        E::Arguments { operation } => format!("Invalid {operation}: wrong number of arguments."),
        E::SimpleConditionMembers => {
            "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
                .to_owned()
        }
        E::SimpleConditionValue => "Invalid Simple-Condition: value must be a string.".to_owned(),
        _ => "it cannot be read.".to_owned(),
    };
    S3Error::with_message(Code::InvalidPolicyDocument, format!("Invalid Policy: {what}"))
}

/// The policy does not allow the form (semantics 3.3.6, 3.3.10).
pub(crate) fn of_judgement(refused: PostRefusal) -> S3Error {
    let what = match refused {
        PostRefusal::Expired { expires_at: _ } => "Policy expired.".to_owned(),
        PostRefusal::ConditionFailed { condition } => {
            format!("Policy Condition failed: {condition}")
        }
        PostRefusal::ExtraField { name } => format!("Extra input fields: {name}"),
        _ => "Policy Condition failed.".to_owned(),
    };
    S3Error::with_message(Code::AccessDenied, format!("Invalid according to Policy: {what}"))
}
