//! What a verifier's refusal means to whoever has the link.

use jiff::Timestamp;

use super::attempt::{Attempt, ClaimFacts};
use super::cause::{Cause, CauseCode};
use super::pasted::UrlParts;
use crate::claim::{ClaimError, Mechanism, VerifyError};
use crate::conditions::{ConditionError, LinkConditions};
use crate::encode::decode_query_component;
use crate::request::QueryPairs;

const SIGN_AGAIN: &str = "Sign a new link.";
const COPY_AGAIN: &str = "Copy the whole link again, from where it was made.";

/// The parameters of a SigV4 link, in the order in which signers write them.
const V4_PARAMETERS: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];
const V2_PARAMETERS: [&str; 3] = ["AWSAccessKeyId", "Signature", "Expires"];

/// Parameters that signers write before the signature, and that unsigned requests may have too.
const BEFORE_SIGNATURE: [&str; 4] = ["x-id", "versionId", "uploadId", "partNumber"];

/// A signer's clock that is wrong by a time zone, or simply wrong, is ahead by less than a day.
const CLOCK_AHEAD_SECONDS_MAX: i64 = 24 * 60 * 60;

fn changed(name: &str, what: &str) -> Cause {
    Cause::new(
        CauseCode::ParameterChanged,
        format!(
            "The parameter {name} {what}, so it was changed after it was signed, or never was right."
        ),
        "Copy the link again, or sign a new one.",
    )
}

/// The text cannot be read as a signed request.
pub(super) fn of_claim_error(error: &ClaimError, attempt: &Attempt) -> Cause {
    match error {
        ClaimError::TwoMechanisms { authorization: Some(_) }
        | ClaimError::RepeatedAuthorization
        | ClaimError::UnsupportedAuthorization { .. }
        | ClaimError::SigV2Authorization
        | ClaimError::MalformedAuthorization(_) => Cause::new(
            CauseCode::HeaderUnsigned,
            "An Authorization header is sent, which is another way to sign than the link's own.",
            "Send the link without an Authorization header.",
        ),
        ClaimError::TwoMechanisms { authorization: None } => Cause::new(
            CauseCode::ParameterAdded,
            "The query is signed in two ways, SigV4 and SigV2: one of them was added.",
            COPY_AGAIN,
        ),
        ClaimError::MissingDate | ClaimError::MissingContentSha256 => Cause::new(
            CauseCode::HeaderMissing,
            "The request is signed by a header, and lacks its date or x-amz-content-sha256.",
            "Send the headers that the signer made.",
        ),
        ClaimError::InvalidContentSha256 { .. } => Cause::new(
            CauseCode::HeaderChanged,
            "The header x-amz-content-sha256 is neither a hash nor a known word.",
            "Send the headers that the signer made.",
        ),
        ClaimError::MissingQueryParameters => missing(&V4_PARAMETERS, "X-Amz-Signature", attempt),
        ClaimError::MissingSigV2Parameters => missing(&V2_PARAMETERS, "Expires", attempt),
        ClaimError::UnsupportedAlgorithm => changed("X-Amz-Algorithm", "is not AWS4-HMAC-SHA256"),
        ClaimError::MalformedCredential => changed(
            "X-Amz-Credential",
            "has not the five parts key/day/region/service/aws4_request",
        ),
        ClaimError::MalformedCredentialDate { .. } => {
            changed("X-Amz-Credential", "has a day that is no date of eight digits")
        }
        ClaimError::MalformedDate => {
            changed("X-Amz-Date", "is no instant such as 20261130T120000Z")
        }
        ClaimError::ExpiresNotANumber => changed("X-Amz-Expires", "is not a number of seconds"),
        ClaimError::ExpiresNegative => changed("X-Amz-Expires", "is below zero"),
        ClaimError::ExpiresTooLong => {
            too_long("X-Amz-Expires", "It is in seconds, 604800 at most.")
        }
        ClaimError::TooManySignedHeaders => {
            changed("X-Amz-SignedHeaders", "names more headers than a link can sign")
        }
        ClaimError::InvalidSigV2Expires { value } => {
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            if is_number {
                too_long(
                    "Expires",
                    "It is a time in seconds since 1970: were milliseconds written?",
                )
            } else {
                changed("Expires", "is not a time in seconds since 1970")
            }
        }
    }
}

fn too_long(name: &str, unit: &str) -> Cause {
    Cause::new(
        CauseCode::TooLong,
        format!("The link asks for a longer life than seven days by its {name}. {unit}"),
        "Sign a link for seven days or less.",
    )
}

/// Parameters are missing: the last of them by a cut, others by somebody's hand.
fn missing(all: &[&str], last: &str, attempt: &Attempt) -> Cause {
    let absent: Vec<&str> =
        all.iter().copied().filter(|name| attempt.query_value(name).is_none()).collect();
    let ends_in_them = last_name(attempt).is_some_and(|name| {
        all.iter().any(|known| known.starts_with(&*name))
            || is_of_signed_links(&name)
            || BEFORE_SIGNATURE.contains(&&*name)
    });
    if absent.contains(&last) && ends_in_them {
        return Cause::new(
            CauseCode::CutOff,
            format!("The end of the link is missing: it has no {}.", absent.join(", ")),
            "Copy the whole link; in a shell put it in quotes, or it ends at the first &.",
        );
    }
    Cause::new(
        CauseCode::ParameterMissing,
        format!("The link lacks {}, without which no signature can be checked.", absent.join(", ")),
        COPY_AGAIN,
    )
}

/// Whether a parameter stands in signed links alone.
fn is_of_signed_links(name: &str) -> bool {
    ["X-Amz-", "response-"].iter().any(|start| name.starts_with(start))
        || LinkConditions::is_condition(name)
}

fn last_name(attempt: &Attempt) -> Option<String> {
    let (name, _) = QueryPairs::new(&attempt.query).last()?;
    Some(String::from_utf8_lossy(&decode_query_component(name)).into_owned())
}

/// The other service whose signature the text has.
fn other_service(attempt: &Attempt) -> Option<&'static str> {
    let of_others = [
        ("X-Goog-Signature", "Google Cloud Storage"),
        ("Key-Pair-Id", "CloudFront"),
        ("sig", "Azure Blob Storage"),
    ];
    let found = of_others.into_iter().find(|(name, _)| attempt.query_value(name).is_some());
    found.map(|(_, service)| service)
}

/// Whether the text is a link of another service than S3.
pub(super) fn is_of_others(attempt: &Attempt) -> bool {
    other_service(attempt).is_some()
}

/// Nothing in the text is a signature of S3.
pub(super) fn of_anonymous(attempt: &Attempt, parts: &UrlParts) -> Cause {
    if let Some(service) = other_service(attempt) {
        return Cause::new(
            CauseCode::Service,
            format!("This is a link of {service}, not of S3."),
            format!("Use it at {service}, or sign a link of S3."),
        );
    }
    if parts.has_fragment {
        return Cause::new(
            CauseCode::PathEncoding,
            "The link has a bare #: what follows it is never sent, and with it the signature.",
            "Write # in a key as %23.",
        );
    }
    let is_begun = last_name(attempt).is_some_and(|name| is_of_signed_links(&name));
    if is_begun || parts.path.ends_with("/X-Amz-") {
        return Cause::new(
            CauseCode::CutOff,
            "The end of the link is missing, and with it the signature.",
            "Copy the whole link; in a shell put it in quotes, or it ends at the first &.",
        );
    }
    Cause::new(
        CauseCode::ParameterMissing,
        "The link has no signature: it is an anonymous request, which only a public bucket answers.",
        "Sign a link: valet presign s3://BUCKET/KEY.",
    )
}

/// The claim is readable, and not in its time or place.
pub(super) fn of_verify_error(error: &VerifyError, facts: &ClaimFacts) -> Vec<Cause> {
    let one = |code, text: String, mend: &str| vec![Cause::new(code, text, mend)];
    match error {
        VerifyError::NotYetValid { signed_at: Some(signed_at), server_time, .. } => {
            signed_in_the_future(*signed_at, *server_time)
        }
        VerifyError::NotYetValid { signed_at: None, expires_at, .. } => one(
            CauseCode::NotYet,
            format!(
                "A SigV2 link opens seven days before its end, and this one ends at {expires_at}."
            ),
            "Sign a link for seven days or less, best with SigV4.",
        ),
        VerifyError::Expired { expires_seconds: Some(0), .. } => one(
            CauseCode::Expired,
            "The link has a life of 0 seconds (X-Amz-Expires=0).".to_owned(),
            SIGN_AGAIN,
        ),
        VerifyError::Expired { expires_seconds, expires_at, .. } => {
            let life = expires_seconds.map_or_else(String::new, |seconds| {
                format!(", {seconds} seconds after it was signed")
            });
            one(
                CauseCode::Expired,
                format!("The link has expired: it ended at {expires_at}{life}."),
                "Sign a new link, with a longer life if it was too short. If it was just made, the clock of its signer is behind.",
            )
        }
        VerifyError::RequestTimeTooSkewed { server_time, .. } => one(
            CauseCode::Clock,
            format!("The request's date is more than 15 minutes from {server_time}."),
            "Set the signer's clock (NTP, time zone), and sign again.",
        ),
        VerifyError::WrongDay { credential_day, request_day, .. } => vec![changed(
            "X-Amz-Credential",
            &format!("names the day {credential_day}, and the date is of {request_day}"),
        )],
        VerifyError::WrongRegion { region, expected, .. } => one(
            CauseCode::Region,
            format!("The link is signed for the region {region:?}, and this is {expected:?}."),
            "Sign for that region (--region, AWS_REGION).",
        ),
        VerifyError::WrongService { service, expected, .. } => one(
            CauseCode::Service,
            format!("The link is signed for the service {service:?}, and this is {expected:?}."),
            "Sign it as a request of S3.",
        ),
        VerifyError::WrongTerminal { .. } => {
            vec![changed("X-Amz-Credential", "does not end in aws4_request")]
        }
        VerifyError::HeadersNotSigned { names } => vec![headers_not_signed(names, facts)],
        VerifyError::SigV2Denied => one(
            CauseCode::Policy,
            "The link is signed with SigV2, which this server refuses.".to_owned(),
            "Sign with SigV4: signature_version='s3v4' in boto3.",
        ),
    }
}

fn signed_in_the_future(signed_at: Timestamp, server_time: Timestamp) -> Vec<Cause> {
    let ahead = signed_at.duration_since(server_time).as_secs();
    let not_yet = Cause::new(
        CauseCode::NotYet,
        format!("The link begins at {signed_at}, which is still to come."),
        "Wait, or sign a new link.",
    );
    let clock = Cause::new(
        CauseCode::Clock,
        format!(
            "The link was signed {} minutes in the future: the signer's clock is ahead, or it took local \
                     time for UTC.",
            ahead / 60
        ),
        "Set the signer's clock (NTP, time zone), and sign a new link.",
    );
    if ahead <= CLOCK_AHEAD_SECONDS_MAX { vec![clock, not_yet] } else { vec![not_yet, clock] }
}

fn headers_not_signed(names: &[String], facts: &ClaimFacts) -> Cause {
    if names.iter().any(|name| name == "host") {
        return changed("X-Amz-SignedHeaders", "does not name host");
    }
    let names = names.join(", ");
    let mend = match facts.mechanism {
        Mechanism::V4Header => "Sign these headers as well, or do not send them.",
        Mechanism::V4Query | Mechanism::V2Query | Mechanism::V4Form | Mechanism::V2Form => {
            "Do not send them with this link, or sign a link that covers them (--header)."
        }
    };
    Cause::new(
        CauseCode::HeaderUnsigned,
        format!(
            "Headers are sent that change what the link means and that it does not sign: {names}."
        ),
        mend,
    )
}

/// The signature's text cannot be one.
pub(super) fn of_signature_text(attempt: &Attempt, facts: &ClaimFacts) -> Option<Cause> {
    let (name, is_whole, whole_length): (&str, fn(&str) -> bool, usize) = match facts.mechanism {
        Mechanism::V4Query => ("X-Amz-Signature", is_hex_signature, 64),
        Mechanism::V2Query => ("Signature", is_base64_signature, 28),
        Mechanism::V4Header | Mechanism::V4Form | Mechanism::V2Form => return None,
    };
    let value = attempt.query_value(name)?;
    if is_whole(&value) {
        return None;
    }
    let is_last = last_name(attempt).as_deref() == Some(name);
    if value.len() < whole_length && is_last {
        return Some(Cause::new(
            CauseCode::CutOff,
            format!(
                "The signature has {} of its {whole_length} characters: the end of the link is missing.",
                value.len()
            ),
            COPY_AGAIN,
        ));
    }
    let what = if value.contains(' ') {
        "has a blank, where a plus was decoded too early"
    } else if value.eq_ignore_ascii_case(&value.to_ascii_lowercase())
        && is_whole(&value.to_ascii_lowercase())
    {
        "is in capitals"
    } else {
        "is not as signatures are written"
    };
    Some(changed(name, what))
}

fn is_hex_signature(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_base64_signature(value: &str) -> bool {
    value.len() == 28
        && value.ends_with('=')
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// A condition of the link that no server can keep.
pub(super) fn of_condition_error(error: &ConditionError) -> Cause {
    let (name, _) = error.parameter();
    match error {
        ConditionError::Unknown { .. } => Cause::new(
            CauseCode::ParameterChanged,
            format!(
                "{name} is not a condition of a link that is known here; names are in lower case."
            ),
            "Sign a link without it, or with its right name.",
        ),
        ConditionError::Repeated { .. } => Cause::new(
            CauseCode::ParameterAdded,
            format!("The condition {name} is given twice."),
            "Sign a link that says it once.",
        ),
        ConditionError::Malformed { expected, .. } => Cause::new(
            CauseCode::ParameterChanged,
            format!("The condition {name} must be {expected}."),
            "Sign a link with a value that it can have.",
        ),
    }
}

/// Signed headers that are not sent.
pub(super) fn of_missing_headers(names: &[String], known: Option<(&str, &str)>) -> Cause {
    let list = names.join(", ");
    let value = known
        .map_or_else(String::new, |(name, value)| format!(" It was signed with {name}: {value}."));
    Cause::new(
        CauseCode::HeaderMissing,
        format!(
            "The link works only with these headers, which it signs and which are not sent: {list}.{value}"
        ),
        "Send them exactly as they were signed; check that no proxy takes them off.",
    )
}
