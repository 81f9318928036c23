//! Another method, host or port than the signed one.

use super::{Change, Original};
use crate::claim::Mechanism;
use crate::explain::attempt::{Attempt, ClaimFacts, METHODS, host_at};
use crate::explain::cause::CauseCode;
use crate::explain::pasted::{Scheme, split_port};
use crate::presign::Endpoint;

/// The ports at which stores and their stand-ins listen.
const PORTS: [u16; 16] =
    [80, 443, 9000, 9001, 8080, 8443, 8000, 3000, 4566, 4572, 5000, 7480, 8333, 3900, 9090, 10000];
/// The names that a back end knows its store by.
const INTERNAL_NAMES: [&str; 14] = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "0.0.0.0",
    "host.docker.internal",
    "valet",
    "minio",
    "s3",
    "storage",
    "localstack",
    "seaweedfs",
    "garage",
    "rustfs",
    "ceph",
];

pub(super) fn methods(original: &Original<'_>, _: &ClaimFacts) -> Vec<Change> {
    let Some(used) = original.attempt.method.as_deref() else { return Vec::new() };
    let others = METHODS.into_iter().filter(|method| *method != used);
    let change = |method: &str| {
        let mend = match (used, method) {
            ("HEAD", "GET") => {
                "Use GET (with `Range: bytes=0-0` to learn the size), sign a link for HEAD, or one that allows \
                 both (--allow-head)."
                    .to_owned()
            }
            _ => format!("Use {method}, or sign a link for {used}."),
        };
        Change::new(
            Attempt { method: Some(method.to_owned()), ..original.attempt.clone() },
            CauseCode::Method,
            format!("The link is signed for {method}, and is used with {used}."),
            mend,
        )
    };
    others.map(change).collect()
}

/// The same name with another port, or with none.
pub(super) fn ports(original: &Original<'_>, facts: &ClaimFacts) -> Vec<Change> {
    if facts.mechanism == Mechanism::V2Query {
        return Vec::new();
    }
    let (name, used) = split_port(&original.attempt.host);
    let of_origins = origins(original).filter_map(|origin| {
        let (origin_name, port) = split_port(origin.signed_host());
        (origin_name == name).then_some(port).flatten()
    });
    let mut signed: Vec<Option<u16>> = vec![None];
    signed.extend(of_origins.chain(PORTS).map(Some));
    signed.retain(|port| *port != used);
    signed.dedup();
    let scheme = original.parts.scheme;
    signed
        .into_iter()
        .map(|port| port_change(original.attempt, (name, used), port, scheme))
        .collect()
}

fn port_change(
    attempt: &Attempt,
    (name, used): (&str, Option<u16>),
    signed: Option<u16>,
    scheme: Option<Scheme>,
) -> Change {
    let host = signed.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let other = scheme.map(Scheme::other);
    let other_port = other.map(Scheme::default_port);
    let is_scheme = other_port.is_some()
        && matches!((signed, used), (Some(port), None) | (None, Some(port)) if Some(port) == other_port);
    let shown_signed = signed.map_or_else(|| "no port".to_owned(), |port| format!("port {port}"));
    let shown_used = used.map_or_else(|| "no port".to_owned(), |port| format!("port {port}"));
    let attempt_there = Attempt { host: host.clone(), ..attempt.clone() };
    match (is_scheme, other) {
        (true, Some(other)) => Change::new(
            attempt_there,
            CauseCode::Scheme,
            format!(
                "The link is signed for {}://{name}, with {shown_signed} in its host, and is used with another scheme.",
                other.name()
            ),
            "Sign for the scheme by which clients come; a redirect from http to https changes what was signed.",
        ),
        (true | false, Some(_) | None) => Change::new(
            attempt_there,
            CauseCode::Port,
            format!(
                "The link is signed for the host {host} ({shown_signed}), and is used with {shown_used}."
            ),
            format!(
                "Sign for {name} with {shown_used}, or let the proxy pass Host on with its port."
            ),
        ),
    }
}

fn origins<'o>(original: &'o Original<'_>) -> impl Iterator<Item = &'o Endpoint> {
    original.question.declared.iter().chain(original.question.origins)
}

/// Another name for the server, or another place of the bucket.
pub(super) fn hosts(original: &Original<'_>, facts: &ClaimFacts) -> Vec<Change> {
    let attempt = original.attempt;
    let mut changes = Vec::new();
    if facts.mechanism == Mechanism::V2Query {
        // Of the host it signs the bucket alone.
        styles(attempt, &mut changes);
        return changes;
    }
    for origin in origins(original) {
        at_origin(attempt, origin, &mut changes);
    }
    styles(attempt, &mut changes);
    let bucket = attempt.virtual_bucket.as_deref();
    let (name, port) = split_port(&attempt.host);
    let bare =
        bucket.and_then(|bucket| name.strip_prefix(bucket)?.strip_prefix('.')).unwrap_or(name);
    let mut names: Vec<String> = INTERNAL_NAMES.into_iter().map(str::to_owned).collect();
    names.extend(bare.strip_prefix("www.").map(str::to_owned));
    if !bare.starts_with(|c: char| c.is_ascii_digit() || c == '[') {
        names.push(format!("www.{bare}"));
    }
    let own_port = port.map(|port| format!(":{port}")).unwrap_or_default();
    for name in names.iter().filter(|other| **other != bare) {
        for port in ["", &own_port, ":9000"] {
            let label = bucket.map(|bucket| format!("{bucket}.")).unwrap_or_default();
            changes.push(host_change(
                attempt,
                format!("{label}{name}{port}"),
                attempt.path.clone(),
            ));
        }
    }
    if let Some((region, _)) = &facts.scope {
        aws_hosts(attempt, region, &mut changes);
    }
    changes
}

fn host_change(attempt: &Attempt, host: String, path: String) -> Change {
    let used = &attempt.host;
    let text = format!("The link is signed for the host {host}, and is used with {used}.");
    let mend = format!(
        "Sign for the public address {used} (--endpoint-url), or declare to the server the address that links are \
         signed for (--public-url), or let the proxy pass Host on."
    );
    Change::new(Attempt { host, path, ..attempt.clone() }, CauseCode::Host, text, mend)
}

/// At a name of the server: with its path prefix, with the path as it is, and without what a proxy put before it.
fn at_origin(attempt: &Attempt, origin: &Endpoint, changes: &mut Vec<Change>) {
    let host = host_at(origin, attempt.virtual_bucket.as_deref());
    let bare = attempt.bare_path();
    let below = bare.get(1..).and_then(|rest| rest.find('/')).and_then(|at| bare.get(at + 1..));
    let mut paths = vec![[origin.prefix(), bare].concat(), attempt.path.clone()];
    paths.extend(below.map(|below| [origin.prefix(), below].concat()));
    paths.dedup();
    for path in paths {
        if host == attempt.host {
            if path != attempt.path {
                changes.push(super::path::prefix_change(attempt, path));
            }
        } else {
            changes.push(host_change(attempt, host.clone(), path));
        }
    }
}

/// The bucket in the host's name instead of in the path, and the other way round.
fn styles(attempt: &Attempt, changes: &mut Vec<Change>) {
    let path = attempt.bare_path();
    let mend = "Sign in the style in which the link is used (path or virtual-hosted addressing of the SDK).";
    if let Some(bucket) = &attempt.virtual_bucket {
        let rest =
            attempt.host.strip_prefix(bucket.as_str()).and_then(|rest| rest.strip_prefix('.'));
        if let Some(host) = rest {
            let changed = Attempt {
                host: host.to_owned(),
                path: format!("/{bucket}{path}"),
                virtual_bucket: None,
                ..attempt.clone()
            };
            let text = format!(
                "The link is signed in path style (https://{host}/{bucket}/…), and is used with the bucket in the host."
            );
            changes.push(Change::new(changed, CauseCode::Host, text, mend));
        }
        return;
    }
    let Some((bucket, key)) = path.get(1..).and_then(|rest| rest.split_once('/')) else { return };
    if bucket.is_empty() {
        return;
    }
    let host = format!("{bucket}.{}", attempt.host);
    let text = format!(
        "The link is signed in virtual-hosted style (https://{host}/…), and is used with the bucket in the path."
    );
    let changed = Attempt {
        path: format!("/{key}"),
        virtual_bucket: Some(bucket.to_owned()),
        host,
        ..attempt.clone()
    };
    changes.push(Change::new(changed, CauseCode::Host, text, mend));
}

/// The other names of the same AWS endpoint.
fn aws_hosts(attempt: &Attempt, region: &str, changes: &mut Vec<Change>) {
    if !attempt.host.ends_with(".amazonaws.com") {
        return;
    }
    let label = attempt.virtual_bucket.as_ref().map(|bucket| format!("{bucket}."));
    let label = label.unwrap_or_default();
    for name in [
        "s3.amazonaws.com".to_owned(),
        format!("s3.{region}.amazonaws.com"),
        format!("s3-{region}.amazonaws.com"),
        format!("s3.dualstack.{region}.amazonaws.com"),
        "s3-accelerate.amazonaws.com".to_owned(),
    ] {
        let host = format!("{label}{name}");
        if host != attempt.host {
            changes.push(host_change(attempt, host, attempt.path.clone()));
        }
    }
}
