//! Reading a SigV4 claim from an `Authorization` header.

use std::borrow::Cow;

use super::parameters::V4Parameters;
use super::v4::{
    Carrier, ClaimedPayload, Credential, CredentialDefect, S3, V4Claim, content_sha256,
};
use super::{AuthorizationDefect, ClaimError, Echo, Payload, SIGNED_HEADERS_MAX};
use crate::canonical::{ALGORITHM, SignedHeaders, trim_controls};
use crate::chunked::StreamingMode;
use crate::encode::decode_query_component;
use crate::request::RequestHead;
use crate::scope::AmzDate;

/// Mechanism, attributes, date and `x-amz-content-sha256`, in that order.
pub(super) fn read<'a>(
    head: &RequestHead<'a>,
    authorization: &'a [u8],
    parameters: &V4Parameters<'a>,
) -> Result<V4Claim<'a>, ClaimError> {
    let attributes = read_mechanism(authorization)?;
    let Attributes { credential, signed_headers, signature } =
        Attributes::parse(attributes).map_err(ClaimError::MalformedAuthorization)?;
    let (date, request_time) = read_date(head).ok_or(ClaimError::MissingDate)?;
    let payload = claimed_payload(head, &credential)?;
    Ok(V4Claim {
        head: *head,
        credential,
        date,
        carrier: Carrier::Header { request_time },
        signed_headers,
        signature: Cow::Borrowed(signature.as_bytes()),
        query_token: parameters.token.map(decode_query_component),
        payload,
    })
}

/// The attributes in an `Authorization` header, which follow the word `AWS4-HMAC-SHA256`.
fn read_mechanism(authorization: &[u8]) -> Result<&str, ClaimError> {
    let unsupported =
        || ClaimError::UnsupportedAuthorization { value: Echo::from_bytes(authorization) };
    let text = std::str::from_utf8(trim_controls(authorization)).map_err(|_| unsupported())?;
    match text.split_once([' ', '\t']).unwrap_or((text, "")) {
        (ALGORITHM, attributes) => Ok(attributes),
        ("AWS", _) => Err(ClaimError::SigV2Authorization),
        _ => Err(unsupported()),
    }
}

struct Attributes<'a> {
    credential: Credential<'a>,
    signed_headers: SignedHeaders<'a>,
    signature: &'a str,
}

impl<'a> Attributes<'a> {
    fn parse(text: &'a str) -> Result<Self, AuthorizationDefect> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in text.split(',').map(str::trim) {
            let malformed =
                || AuthorizationDefect::MalformedComponent { component: Echo::new(component) };
            let (name, value) = component.split_once('=').ok_or_else(malformed)?;
            let attribute = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed()),
            };
            if attribute.replace(value).is_some() {
                return Err(AuthorizationDefect::NotThreeComponents);
            }
        }
        let (Some(credential), Some(signed_headers), Some(signature)) =
            (credential, signed_headers, signature)
        else {
            return Err(AuthorizationDefect::NotThreeComponents);
        };
        let credential =
            Credential::parse(&Cow::Borrowed(credential)).map_err(|defect| match defect {
                CredentialDefect::Shape => AuthorizationDefect::MalformedCredential,
                CredentialDefect::Date(value) => {
                    AuthorizationDefect::MalformedCredentialDate { value }
                }
            })?;
        let signed_headers =
            SignedHeaders::parse(Cow::Borrowed(signed_headers), SIGNED_HEADERS_MAX)
                .ok_or(AuthorizationDefect::TooManySignedHeaders)?;
        Ok(Self { credential, signed_headers, signature })
    }
}

/// `x-amz-date`, or `Date` when there is none: the instant, and its text as sent.
fn read_date(head: &RequestHead<'_>) -> Option<(AmzDate, String)> {
    let (text, date) = if let Some(value) = head.header("x-amz-date") {
        let text = std::str::from_utf8(trim_controls(value)).ok()?;
        (text, AmzDate::parse(text)?)
    } else {
        let text = std::str::from_utf8(trim_controls(head.header("date")?)).ok()?;
        (text, AmzDate::parse(text).or_else(|| parse_http_date(text))?)
    };
    Some((date, text.to_owned()))
}

fn parse_http_date(text: &str) -> Option<AmzDate> {
    let timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(AmzDate::from_timestamp(timestamp))
}

/// S3 demands the header; the other services hash the body that they were sent.
fn claimed_payload(
    head: &RequestHead<'_>,
    credential: &Credential<'_>,
) -> Result<ClaimedPayload, ClaimError> {
    let is_s3 = credential.scope.service == S3;
    match content_sha256(head) {
        Some(value) => match read_content_sha256(&value) {
            Some(payload) => Ok(ClaimedPayload::Stated(payload)),
            None => Err(ClaimError::InvalidContentSha256 { value }),
        },
        None if is_s3 => Err(ClaimError::MissingContentSha256),
        None => Ok(ClaimedPayload::unstated()),
    }
}

/// A hash is 64 hex digits. Upper-case ones are well-formed, and match no body.
fn read_content_sha256(value: &str) -> Option<Payload> {
    if value == Payload::UNSIGNED {
        return Some(Payload::Unsigned);
    }
    if let Some(mode) = StreamingMode::parse(value) {
        return Some(Payload::Streaming(mode));
    }
    let is_hash = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| Payload::Sha256(value.to_owned()))
}
