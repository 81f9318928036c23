//! Parameters that were added to a query, taken out of it, or changed.

use super::{Change, Original};
use crate::claim::Mechanism;
use crate::conditions::LinkConditions;
use crate::encode::{decode_query_component, encode_component};
use crate::explain::attempt::{Attempt, ClaimFacts};
use crate::explain::cause::CauseCode;
use crate::request::QueryPairs;

/// The most parameters of which each is tried without.
const PARAMETERS_MAX: usize = 48;

/// The lives that links are mostly given, in seconds.
const USUAL_LIVES: [u32; 34] = [
    1, 5, 10, 15, 20, 30, 60, 90, 120, 180, 240, 300, 360, 480, 500, 600, 900, 1000, 1200, 1800,
    2700, 3000, 3600, 5400, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400, 172_800, 259_200,
    604_800,
];

const AUTH_NAMES: [&str; 10] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "AWSAccessKeyId",
    "Signature",
    "Expires",
];

/// Whether the parameter is one that mail and social networks hang on links.
pub(in crate::explain) fn is_tracking(name: &str) -> bool {
    let known = [
        "fbclid", "gclid", "dclid", "msclkid", "yclid", "twclid", "igshid", "mc_cid", "mc_eid",
        "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "ref_src", "si",
    ];
    name.starts_with("utm_") || known.contains(&name)
}

fn pairs(attempt: &Attempt) -> Vec<(String, &str, &str)> {
    let decoded = |name: &str| String::from_utf8_lossy(&decode_query_component(name)).into_owned();
    QueryPairs::new(&attempt.query).map(|(name, value)| (decoded(name), name, value)).collect()
}

/// A query of the pairs that are kept.
fn joined<'p>(kept: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let written: Vec<String> = kept.map(|(name, value)| format!("{name}={value}")).collect();
    written.join("&")
}

fn with_query(attempt: &Attempt, query: String) -> Attempt {
    Attempt { query, ..attempt.clone() }
}

/// The query with another value, as it is written on the wire, for a parameter.
fn with_value(attempt: &Attempt, name: &str, value: &str) -> String {
    let changed = pairs(attempt);
    joined(
        changed.iter().map(|(decoded, raw, old)| (*raw, if decoded == name { value } else { old })),
    )
}

/// Parameters that came to the link after it was signed.
pub(super) fn additions(original: &Original<'_>, facts: &ClaimFacts) -> Vec<Change> {
    let attempt = original.attempt;
    if facts.mechanism == Mechanism::V4Header {
        return Vec::new();
    }
    let all = pairs(attempt);
    let free = |name: &str| !AUTH_NAMES.contains(&name);
    let mut changes = Vec::new();
    let mut add = |query: String, names: &str| {
        changes.push(Change::new(
            with_query(attempt, query),
            CauseCode::ParameterAdded,
            format!("Parameters were added to the link after it was signed: {names}."),
            "Use the link without them; keep mail and marketing tools from adding to links.",
        ));
    };
    let without = |drop: &dyn Fn(&str) -> bool| {
        joined(all.iter().filter(|(name, ..)| !drop(name)).map(|(_, raw, value)| (*raw, *value)))
    };
    let names = |drop: &dyn Fn(&str) -> bool| {
        let names: Vec<&str> =
            all.iter().map(|(name, ..)| &**name).filter(|name| drop(name)).collect();
        names.join(", ")
    };
    let foreign = |name: &str| free(name) && !is_of_s3(name);
    let drops: [&dyn Fn(&str) -> bool; 2] = [&is_tracking, &foreign];
    for drop in drops {
        if all.iter().any(|(name, ..)| drop(name)) {
            add(without(drop), &names(drop));
        }
    }
    for (index, (name, ..)) in
        all.iter().enumerate().take(PARAMETERS_MAX).filter(|(_, it)| free(&it.0))
    {
        let others = all.iter().enumerate().filter(|(at, _)| *at != index);
        add(joined(others.map(|(_, (_, raw, value))| (*raw, *value))), name);
    }
    if all.iter().any(|(name, ..)| free(name)) {
        add(without(&free), &names(&free));
    }
    changes
}

/// Whether S3, or this server, gives the parameter a meaning.
fn is_of_s3(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with("response-")
        || lower.starts_with("x-amz-")
        || lower.starts_with("x-valet-")
        || crate::sigv2::covers_query(name)
        || name == "x-id"
}

/// Values that are not as they were signed.
pub(super) fn changes(original: &Original<'_>, facts: &ClaimFacts) -> Vec<Change> {
    let attempt = original.attempt;
    let mut changes = spellings(original);
    if facts.mechanism != Mechanism::V4Query {
        return changes;
    }
    let now = attempt.query_value("X-Amz-Expires").unwrap_or_default();
    for life in USUAL_LIVES.iter().map(ToString::to_string).filter(|life| *life != now) {
        changes.push(Change::new(
            with_query(attempt, with_value(attempt, "X-Amz-Expires", &life)),
            CauseCode::ParameterChanged,
            format!("X-Amz-Expires was changed from {life} to {now} after the link was signed."),
            "Sign a link for the life that it is to have: the signature covers it.",
        ));
    }
    scopes(original, facts, &mut changes);
    changes
}

/// Region or service that were changed in the credential.
fn scopes(original: &Original<'_>, facts: &ClaimFacts, changes: &mut Vec<Change>) {
    let attempt = original.attempt;
    let Some(credential) = attempt.query_value("X-Amz-Credential") else { return };
    let [key, day, region, service, terminal] = *credential.split('/').collect::<Vec<_>>() else {
        return;
    };
    let expected = original.question.expected;
    let regions = expected.map(|expected| expected.region).into_iter();
    let regions =
        regions.chain(["us-east-1", "auto", "eu-west-1", "eu-central-1", "us-west-2", ""]);
    let mut add = |other: &str, service_too: &str, code: CauseCode, what: &str| {
        let value = [key, day, other, service_too, terminal].join("/");
        changes.push(Change::new(
            with_query(
                attempt,
                with_value(attempt, "X-Amz-Credential", &encode_component(value.as_bytes())),
            ),
            code,
            format!("The {what} in X-Amz-Credential is not the one that was signed."),
            "Use the link as it was made, or sign one for the right place.",
        ));
    };
    for other in regions.filter(|other| *other != region) {
        add(other, service, CauseCode::Region, "region");
    }
    if facts.scope.as_ref().is_some_and(|(_, service)| service != "s3") {
        add(region, "s3", CauseCode::Service, "service");
    }
}

/// The query encoded or decoded once too often, in capitals or not.
pub(super) fn spellings(original: &Original<'_>) -> Vec<Change> {
    let attempt = original.attempt;
    let query = attempt.query.as_str();
    let mut changes = Vec::new();
    let mut add = |spelling: String, text: &str, mend: &str| {
        if spelling != query {
            changes.push(Change::new(
                with_query(attempt, spelling),
                CauseCode::ParameterChanged,
                text,
                mend,
            ));
        }
    };
    let as_made = "Use the link byte for byte as it was made.";
    add(
        query.replace("%25", "%"),
        "The query was percent-encoded once more after it was signed: %25 stands where % should.",
        as_made,
    );
    add(
        query.replace('+', "%2B"),
        "A plus in the query is read as a blank; the signer meant a plus.",
        "Write plus signs in a query as %2B.",
    );
    add(
        query.replace(' ', "%2B"),
        "A plus in the query was decoded to a blank.",
        "Write plus signs in a query as %2B.",
    );
    add(
        query.replace("%20", "%2B"),
        "A plus in the query was decoded to a blank.",
        "Write plus signs in a query as %2B.",
    );
    add(
        query.replace('%', "%25"),
        "The query was decoded once too often after it was signed.",
        as_made,
    );
    add(canonical_names(attempt), "Capitals in the names of parameters were changed.", as_made);
    add(lower_signature(attempt), "The signature is in capitals.", as_made);
    add(
        shortened_signature(attempt),
        "Something hangs on the end of the signature.",
        "Copy the link without what follows it.",
    );
    changes
}

/// With the names of authentication in the letters that they have.
fn canonical_names(attempt: &Attempt) -> String {
    let pairs = pairs(attempt);
    joined(pairs.iter().map(|(name, raw, value)| {
        let known = AUTH_NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        // `expires` alone may be anybody's.
        let known = known.filter(|known| *known != "Expires");
        (known.unwrap_or(raw), *value)
    }))
}

fn lower_signature(attempt: &Attempt) -> String {
    match attempt.query_value("X-Amz-Signature") {
        Some(value) if value.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            with_value(attempt, "X-Amz-Signature", &value.to_ascii_lowercase())
        }
        Some(_) | None => attempt.query.clone(),
    }
}

fn shortened_signature(attempt: &Attempt) -> String {
    let value = attempt.query_value("X-Amz-Signature");
    match value.as_deref().and_then(|value| value.split_at_checked(64)) {
        Some((signature, rest)) if !rest.is_empty() => {
            with_value(attempt, "X-Amz-Signature", signature)
        }
        Some(_) | None => attempt.query.clone(),
    }
}

/// Parameters that signers often add and somebody took away.
pub(super) fn removals(original: &Original<'_>, facts: &ClaimFacts) -> Vec<Change> {
    let attempt = original.attempt;
    let mut changes = Vec::new();
    let has = |name: &str| attempt.query_value(name).is_some();
    if let Some(token) = original.question.session_token
        && !facts.has_token
    {
        let token = encode_component(token.expose().as_bytes());
        changes.push(Change::new(
            with_query(attempt, format!("{}&X-Amz-Security-Token={token}", attempt.query)),
            CauseCode::SessionToken,
            "The link was signed with temporary credentials, and its X-Amz-Security-Token is missing.",
            "Use the whole link; it needs the session token.",
        ));
    }
    let file = attempt.path.rsplit('/').next().unwrap_or_default();
    let values = |name: &str| -> Vec<String> {
        match name {
            "x-id" => ["GetObject", "PutObject", "HeadObject", "DeleteObject", "UploadPart"]
                .map(str::to_owned)
                .into(),
            "response-content-disposition" => [
                "attachment".to_owned(),
                "inline".to_owned(),
                format!("attachment%3B%20filename%3D{file}"),
                format!("attachment%3B%20filename%3D%22{file}%22"),
                format!("attachment%3Bfilename%3D%22{file}%22"),
                format!("inline%3B%20filename%3D%22{file}%22"),
            ]
            .into(),
            "response-content-type" => {
                super::header::TYPES.map(|it| encode_component(it.as_bytes())).into()
            }
            "X-Amz-Content-Sha256" => vec!["UNSIGNED-PAYLOAD".to_owned()],
            "x-amz-checksum-mode" => vec!["ENABLED".to_owned()],
            "x-amz-sdk-checksum-algorithm" => vec!["CRC32".to_owned()],
            "versionId" => vec!["null".to_owned()],
            LinkConditions::ALLOW_HEAD | "x-valet-write-once" => vec!["true".to_owned()],
            "x-valet-uses" => vec!["1".to_owned()],
            _ => vec![String::new()],
        }
    };
    for name in [
        "x-id",
        "response-content-disposition",
        "response-content-type",
        "X-Amz-Content-Sha256",
        "x-amz-checksum-mode",
        "x-amz-sdk-checksum-algorithm",
        "versionId",
        "uploads",
        "acl",
        "tagging",
        LinkConditions::ALLOW_HEAD,
        "x-valet-write-once",
        "x-valet-uses",
    ] {
        for value in values(name).into_iter().filter(|_| !has(name)) {
            changes.push(Change::new(
                with_query(attempt, format!("{}&{name}={value}", attempt.query)),
                CauseCode::ParameterMissing,
                format!("The link was signed with the parameter {name}, which is missing now."),
                "Use the whole link; nothing may be taken out of it.",
            ));
        }
    }
    changes
}
