//! Headers that are sent with another value than the signed one, or without being signed.

use super::{Change, Original};
use crate::claim::{Mechanism, is_amz_header};
use crate::explain::attempt::{Attempt, ClaimFacts};
use crate::explain::cause::{Cause, CauseCode};

/// The types that clients mostly send.
pub(super) const TYPES: [&str; 22] = [
    "application/octet-stream",
    "binary/octet-stream",
    "text/plain",
    "image/jpeg",
    "image/png",
    "application/pdf",
    "application/json",
    "text/csv",
    "text/html",
    "image/gif",
    "image/webp",
    "image/jpg",
    "video/mp4",
    "audio/mpeg",
    "application/zip",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/xml",
    "text/xml",
    "application/gzip",
    "image/svg+xml",
    "application/x-zip-compressed",
];
/// What clients hang on a type without being asked.
const CHARSETS: [&str; 6] = [
    "; charset=UTF-8",
    "; charset=utf-8",
    ";charset=UTF-8",
    ";charset=utf-8",
    "; charset=ISO-8859-1",
    "; charset=us-ascii",
];

/// Without an `Authorization` header, where a link has a signature of its own.
pub(super) fn authorization(original: &Original<'_>) -> Vec<Change> {
    if original.attempt.header("authorization").is_none() {
        return Vec::new();
    }
    vec![Change::new(
        without_headers(original.attempt, &["authorization".to_owned()]),
        CauseCode::HeaderUnsigned,
        "An Authorization header is sent along with the link, which is signed already.",
        "Send the link without an Authorization header: take it from the client's defaults.",
    )]
}

/// The request without some of its headers.
pub(in crate::explain) fn without_headers(attempt: &Attempt, names: &[String]) -> Attempt {
    let mut without = attempt.clone();
    without.headers.retain(|(name, _)| !names.contains(name));
    without
}

/// Whether the value of the header may be repeated: customer keys and tokens may not.
fn is_shown(name: &str) -> bool {
    matches!(
        name,
        "content-type"
            | "content-length"
            | "content-disposition"
            | "if-none-match"
            | "x-amz-acl"
            | "x-amz-storage-class"
            | "x-amz-server-side-encryption"
    )
}

/// Whether the signature covers the header.
fn is_covered(name: &str, facts: &ClaimFacts) -> bool {
    match facts.mechanism {
        Mechanism::V2Query => is_amz_header(name) || matches!(name, "content-type" | "content-md5"),
        Mechanism::V4Query | Mechanism::V4Header => {
            facts.signed_headers.iter().any(|it| it == name)
        }
        Mechanism::V4Form | Mechanism::V2Form => false,
    }
}

pub(super) fn changes(original: &Original<'_>, facts: &ClaimFacts) -> Vec<Change> {
    let attempt = original.attempt;
    let mut changes = Vec::new();
    for (name, value) in &attempt.headers {
        let is_hash = name == "x-amz-content-sha256";
        if facts.mechanism == Mechanism::V2Query && is_covered(name, facts) || is_hash {
            changes.push(Change::new(
                without_headers(attempt, std::slice::from_ref(name)),
                CauseCode::HeaderUnsigned,
                format!("The header {name} is sent, and the link was signed without it."),
                format!("Do not send {name}, or sign a link with it."),
            ));
        }
        if !is_covered(name, facts) {
            continue;
        }
        let sent = String::from_utf8_lossy(value);
        for other in values(name, &sent, attempt).into_iter().filter(|other| *other != sent) {
            let text = if is_shown(name) {
                format!("The header {name} was signed as {other:?}, and {sent:?} is sent.")
            } else {
                format!("The header {name} is sent with another value than it was signed with.")
            };
            changes.push(Change {
                attempt: with_header(attempt, name, &other),
                cause: Cause::new(
                    CauseCode::HeaderChanged,
                    text,
                    format!("Send {name} exactly as it was signed; clients like to add a charset."),
                ),
            });
        }
    }
    if facts.mechanism == Mechanism::V2Query && attempt.header("content-type").is_none() {
        changes.extend(v2_types(attempt));
    }
    changes
}

/// A SigV2 link does not name its headers: a type that was signed and is not sent only shows here.
fn v2_types(attempt: &Attempt) -> Vec<Change> {
    let change = |value: String| {
        Change::new(
            with_header(attempt, "content-type", &value),
            CauseCode::HeaderMissing,
            format!("The link was signed with Content-Type: {value}, which is not sent."),
            "Send that header exactly so.",
        )
    };
    values("content-type", "", attempt)
        .into_iter()
        .filter(|value| !value.is_empty())
        .map(change)
        .collect()
}

fn with_header(attempt: &Attempt, name: &str, value: &str) -> Attempt {
    let mut changed = without_headers(attempt, &[name.to_owned()]);
    changed.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    changed
}

/// The values that the header may have been signed with.
fn values(name: &str, sent: &str, attempt: &Attempt) -> Vec<String> {
    let mut values = vec![String::new(), sent.to_ascii_lowercase()];
    match name {
        "content-type" => {
            let bare = sent.split(';').next().unwrap_or_default().trim();
            values.push(bare.to_owned());
            values.extend(CHARSETS.iter().map(|charset| format!("{bare}{charset}")));
            values.extend(TYPES.map(str::to_owned));
            values.extend(CHARSETS.iter().take(4).map(|charset| format!("text/plain{charset}")));
        }
        "x-amz-acl" => {
            let known =
                ["private", "public-read", "bucket-owner-full-control", "authenticated-read"];
            values.extend(known.map(str::to_owned));
        }
        "x-amz-server-side-encryption" => values.extend(["AES256", "aws:kms"].map(str::to_owned)),
        "x-amz-content-sha256" => values.push("UNSIGNED-PAYLOAD".to_owned()),
        "x-amz-storage-class" => values.extend(["STANDARD", "STANDARD_IA"].map(str::to_owned)),
        "content-length" => values.extend(["0".to_owned()]),
        "if-none-match" => values.push("*".to_owned()),
        "content-disposition" => {
            let file = attempt.path.rsplit('/').next().unwrap_or_default();
            values.extend(["attachment".to_owned(), "inline".to_owned()]);
            values.push(format!("attachment; filename=\"{file}\""));
        }
        _ => {}
    }
    values.retain(|value| value != sent);
    values
}

/// The request with each value that a missing header may have been signed with.
pub(in crate::explain) fn missing_values(attempt: &Attempt, name: &str) -> Vec<(String, Attempt)> {
    let values = values(name, "", attempt);
    values.into_iter().map(|value| (value.clone(), with_header(attempt, name, &value))).collect()
}
