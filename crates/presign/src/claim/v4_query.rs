//! Reading a SigV4 claim from a query: a presigned URL.

use super::parameters::V4Parameters;
use super::v4::{
    Carrier, ClaimedPayload, Credential, CredentialDefect, S3, V4Claim, content_sha256, decode_text,
};
use super::{ClaimError, Payload, SIGNED_HEADERS_MAX};
use crate::canonical::{ALGORITHM, SignedHeaders};
use crate::encode::decode_query_component;
use crate::presign::EXPIRES_SECONDS_MAX;
use crate::request::RequestHead;
use crate::scope::AmzDate;

/// How long a link lives that does not say so.
const UNSAID_EXPIRES_SECONDS: u32 = 15 * 60;

/// Checks 2 to 6 of semantics 1.7, in that order.
pub(super) fn read<'a>(
    head: &RequestHead<'a>,
    parameters: &V4Parameters<'a>,
) -> Result<V4Claim<'a>, ClaimError> {
    let V4Parameters {
        algorithm: Some(algorithm),
        credential: Some(credential),
        date: Some(date),
        expires,
        signed_headers: Some(signed_headers),
        signature: Some(signature),
        token,
    } = *parameters
    else {
        return Err(ClaimError::MissingQueryParameters);
    };
    // S3 alone demands it; for others a link that does not say lives as long as a signed header.
    let of_s3 = || !Credential::parse_encoded(credential).is_ok_and(|it| it.scope.service != S3);
    if expires.is_none() && of_s3() {
        return Err(ClaimError::MissingQueryParameters);
    }
    if *decode_query_component(algorithm) != *ALGORITHM.as_bytes() {
        return Err(ClaimError::UnsupportedAlgorithm);
    }
    let credential = Credential::parse_encoded(credential).map_err(|defect| match defect {
        CredentialDefect::Shape => ClaimError::MalformedCredential,
        CredentialDefect::Date(value) => ClaimError::MalformedCredentialDate { value },
    })?;
    let date = decode_text(date)
        .and_then(|text| AmzDate::parse(&text))
        .ok_or(ClaimError::MalformedDate)?;
    let expires_seconds = expires.map_or(Ok(UNSAID_EXPIRES_SECONDS), read_expires)?;
    let signed_headers = decode_text(signed_headers).unwrap_or_default();
    let signed_headers = SignedHeaders::parse(signed_headers, SIGNED_HEADERS_MAX)
        .ok_or(ClaimError::TooManySignedHeaders)?;
    let payload = claimed_payload(head, &credential);
    Ok(V4Claim {
        head: *head,
        credential,
        date,
        carrier: Carrier::Query { expires_seconds },
        signed_headers,
        signature: decode_query_component(signature),
        query_token: token.map(decode_query_component),
        payload,
    })
}

fn read_expires(raw: &str) -> Result<u32, ClaimError> {
    let text = decode_text(raw).ok_or(ClaimError::ExpiresNotANumber)?;
    let seconds: i64 = text.parse().map_err(|_| ClaimError::ExpiresNotANumber)?;
    if seconds < 0 {
        return Err(ClaimError::ExpiresNegative);
    }
    match u32::try_from(seconds) {
        Ok(seconds) if seconds <= EXPIRES_SECONDS_MAX => Ok(seconds),
        _ => Err(ClaimError::ExpiresTooLong),
    }
}

/// A link says nothing about its body unless a header does (semantics 1.2.12). Whatever else
/// the header says is compared with the body's hash as it stands, streaming words too.
fn claimed_payload(head: &RequestHead<'_>, credential: &Credential<'_>) -> ClaimedPayload {
    match content_sha256(head) {
        Some(value) => ClaimedPayload::Stated(Payload::of_link(value)),
        None if credential.scope.service == S3 => ClaimedPayload::Stated(Payload::Unsigned),
        None => ClaimedPayload::unstated(),
    }
}
