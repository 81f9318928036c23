//! A path that somebody encoded, decoded, tidied or shortened on the way.

use super::{Change, Original};
use crate::encode::{decode_component, encode_path};
use crate::explain::attempt::{Attempt, ClaimFacts};
use crate::explain::cause::CauseCode;
use crate::presign::Endpoint;

/// Prefixes by which proxies hand a part of their paths to a store.
const PREFIXES: [&str; 12] = [
    "/s3", "/minio", "/storage", "/files", "/api", "/api/s3", "/api/v1", "/media", "/objects",
    "/assets", "/data", "/valet",
];
/// The most segments of a path that a proxy may have put in front.
const PREFIX_SEGMENTS_MAX: usize = 3;
/// The most slashes of a path at which another one is tried.
const SLASHES_MAX: usize = 16;

pub(super) fn prefix_change(attempt: &Attempt, path: String) -> Change {
    let is_shorter = path.len() < attempt.path.len();
    let (text, mend) = if is_shorter {
        (
            "The link is signed without a prefix that its path has now, which a proxy put in front.",
            "Sign for the address with its prefix (--endpoint-url https://HOST/PREFIX), and declare it to the server (--public-url).",
        )
    } else {
        (
            "The link is signed with a path prefix that is missing now: a proxy or somebody's hand took it off.",
            "Use the link with its prefix, and declare the address to the server (--public-url https://HOST/PREFIX).",
        )
    };
    Change::new(Attempt { path, ..attempt.clone() }, CauseCode::PathPrefix, text, mend)
}

pub(super) fn prefixes(original: &Original<'_>, _: &ClaimFacts) -> Vec<Change> {
    let attempt = original.attempt;
    let mut paths = Vec::new();
    let mut rest = attempt.path.as_str();
    for _ in 0..PREFIX_SEGMENTS_MAX {
        let Some(below) =
            rest.get(1..).and_then(|below| below.find('/')).and_then(|at| rest.get(at + 1..))
        else {
            break;
        };
        paths.push(below.to_owned());
        rest = below;
    }
    let question = original.question;
    let known = question.declared.iter().chain(question.origins).map(Endpoint::prefix);
    paths.extend(known.chain(PREFIXES).map(|prefix| [prefix, &attempt.path].concat()));
    paths.retain(|path| *path != attempt.path);
    paths.into_iter().map(|path| prefix_change(attempt, path)).collect()
}

pub(super) fn spellings(original: &Original<'_>, _: &ClaimFacts) -> Vec<Change> {
    let attempt = original.attempt;
    let path = attempt.path.as_str();
    let mut changes = Vec::new();
    let mut add = |spelling: String, text: &str, mend: &str| {
        if spelling != path {
            let attempt = Attempt { path: spelling, ..attempt.clone() };
            changes.push(Change::new(attempt, CauseCode::PathEncoding, text, mend));
        }
    };
    let as_signed = "Send the path byte for byte as it is in the link that was made; keep proxies from decoding it.";
    add(
        String::from_utf8_lossy(&decode_component(path)).into_owned(),
        "The path was percent-encoded once more after it was signed: %25 stands where % should.",
        as_signed,
    );
    add(
        path.replace('%', "%25"),
        "The path was decoded once too often after it was signed, or signed after it was encoded twice.",
        "Encode the key exactly once before it is signed, and do not decode the link.",
    );
    add(encode_path(path.as_bytes()), "The path was decoded after it was signed.", as_signed);
    add(
        path.replace('+', "%20"),
        "The path has a plus where a blank was signed: blanks in a path are %20.",
        "Write blanks as %20, and plus signs as %2B.",
    );
    add(
        path.replace("%20", "+"),
        "The path has %20 where a plus was signed: it was decoded as if it were a form.",
        "Write plus signs in keys as %2B.",
    );
    add(
        path.replace(' ', "+"),
        "The path has a blank where a plus was signed: it was decoded as if it were a form.",
        "Write plus signs in keys as %2B.",
    );
    add(
        path.replace("%2B", "%20"),
        "The path has %2B where a blank was signed.",
        "Write blanks as %20.",
    );
    add(path.replace('\\', "/"), "The path has a backslash where a slash was signed.", as_signed);
    add(merged_slashes(path), "The path was signed with one slash where it has two.", as_signed);
    add(
        tidied(path),
        "The path was signed without the segments `.` and `..` that it has.",
        "Do not sign keys with such segments, or sign them as they are: SDKs of S3 do not tidy paths.",
    );
    if let Some(shorter) = path.strip_suffix('/') {
        add(shorter.to_owned(), "The path has a slash at its end that was not signed.", as_signed);
    } else {
        add(format!("{path}/"), "The slash at the end of the path is missing.", as_signed);
    }
    for spelling in with_another(path, "/") {
        add(
            spelling,
            "Two slashes of the path were merged into one on the way (`merge_slashes` of a proxy).",
            "Turn merging of slashes off in the proxy; keys may have two.",
        );
    }
    for spelling in with_another(path, "./") {
        add(
            spelling,
            "A segment `.` of the path was taken away on the way: browsers and proxies tidy paths.",
            "Do not use keys with such a segment in links.",
        );
    }
    add(path.to_ascii_lowercase(), "Capitals of the path were changed on the way.", as_signed);
    add(latin1(path), "The path is in Latin-1 where UTF-8 was signed.", "Encode keys as UTF-8.");
    changes
}

/// The path with `piece` after each of its slashes in turn.
fn with_another(path: &str, piece: &str) -> Vec<String> {
    let slashes = path.match_indices('/').take(SLASHES_MAX);
    slashes
        .filter_map(|(at, _)| path.split_at_checked(at + 1))
        .map(|(before, after)| [before, piece, after].concat())
        .collect()
}

fn merged_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    merged
}

/// Without the segments `.` and `..`, as browsers send a path.
fn tidied(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.split('/').skip(1) {
        ends_in_dots = true;
        match segment {
            "." | "%2e" | "%2E" => {}
            ".." | "%2e%2e" | "%2E%2E" => {
                kept.pop();
            }
            _ => {
                ends_in_dots = false;
                kept.push(segment);
            }
        }
    }
    let end = if ends_in_dots && !kept.is_empty() { "/" } else { "" };
    ["/", &kept.join("/"), end].concat()
}

/// Bytes that are no UTF-8 are taken for Latin-1.
fn latin1(path: &str) -> String {
    let bytes = decode_component(path);
    if std::str::from_utf8(&bytes).is_ok() {
        return path.to_owned();
    }
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    encode_path(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_tidied_as_browsers_do() {
        fn check(path: &str, expected: &str) {
            assert_eq!(tidied(path), expected, "{path}");
        }
        check("/b/a/../c", "/b/c");
        check("/b/./c", "/b/c");
        check("/b/c/.", "/b/c/");
        check("/../..", "/");
        check("/b//c", "/b//c");
        check("/", "/");
    }
}
