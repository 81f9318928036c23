//! Keys in the paths of URLs. A key is a name, but clients take dots and doubled slashes in a path for steps, and ask for
//! another one: such a key has its slashes encoded, which names the same.

use presign::encode_path;

/// Whether clients would take the key for another path than it is written as: `a/../b`, `a//b`.
fn is_rewritten(key: &str) -> bool {
    key.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// A key as it stands in a path. Where clients would rewrite it, its slashes are encoded, which names the same.
pub(super) fn encoded_key(key: &str) -> String {
    let encoded = encode_path(key.as_bytes());
    if is_rewritten(key) { encoded.replace('/', "%2F") } else { encoded }
}

/// The target of a presigned URL whose path ends with an object, in the spelling that no client rewrites: a signature covers
/// all of them alike.
pub(super) fn kept_as_key(target: &str, object: &str, key: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path.strip_suffix(object) {
        Some(prefix) if is_rewritten(key) => {
            let (bucket, _) =
                object.trim_start_matches('/').split_once('/').unwrap_or((object, ""));
            // With the slash before the key encoded, no part of the path is a dot alone.
            format!("{prefix}/{bucket}/{}?{query}", encoded_key(key))
        }
        Some(_) | None => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_so_that_no_client_rewrites_it() {
        let check = |key: &str, expected: &str| {
            assert_eq!(encoded_key(key), expected, "{key}");
            let target = format!("/p/bucket/{}?q=/", encode_path(key.as_bytes()));
            let object = format!("/bucket/{}", encode_path(key.as_bytes()));
            assert_eq!(kept_as_key(&target, &object, key), format!("/p/bucket/{expected}?q=/"));
        };
        check("a/b c", "a/b%20c");
        check("a/../b", "a%2F..%2Fb");
        check("a//b", "a%2F%2Fb");
        check("a/", "a%2F");
        check("a/..", "a%2F..");
        check("a/%2e%2e/b", "a/%252e%252e/b");
    }
}
