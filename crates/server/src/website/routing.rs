//! Where a website sends its clients.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use presign::{encode_component, encode_path};
use store::{KeyReplacement, RoutingRedirect, RoutingRule, WebProtocol, WebsiteHost};

use super::redirection;
use crate::head::Head;
use crate::respond::Reply;

/// The rule that sends a request elsewhere (semantics 6.7.5); `error` is the status of its error, `None` before the object is looked at.
pub(super) fn rule_for<'p>(
    rules: &'p [RoutingRule],
    key: &str,
    error: Option<u16>,
) -> Option<&'p RoutingRule> {
    rules.iter().find(|rule| {
        let begins = rule.key_prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix));
        begins && rule.error_status == error
    })
}

/// What becomes of a key, as an address has it. The owner's own words may be a query or a fragment (`#!/`); the words of the
/// request are a path and nothing else.
fn replaced(rule: &RoutingRule, key: &str) -> String {
    match &rule.redirect.key {
        None => encode_path(key.as_bytes()),
        Some(KeyReplacement::Whole(whole)) => as_written(whole),
        Some(KeyReplacement::Prefix(prefix)) => {
            let old = rule.key_prefix.as_deref().unwrap_or_default();
            let rest = key.strip_prefix(old).unwrap_or(key);
            format!("{}{}", as_written(prefix), encode_path(rest.as_bytes()))
        }
    }
}

/// A part of an address as its owner wrote it. What no address can have is encoded, line ends among it (RFC 3986, 2).
fn as_written(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte) {
            written.push(char::from(byte));
        } else {
            written.push_str(&encode_component(&[byte]));
        }
    }
    written
}

/// Makes addresses beside the one that was asked for.
#[derive(Clone, Copy)]
pub(super) struct Routing<'r> {
    /// What stands before the path of the website.
    pub(super) base: &'r str,
    pub(super) head: &'r Head<'r>,
}

impl Routing<'_> {
    /// The address of an encoded path. What is not said is as in the request.
    fn address(self, protocol: Option<WebProtocol>, host: Option<&str>, path: &str) -> String {
        let asked = if self.head.secure() { WebProtocol::Https } else { WebProtocol::Http };
        let protocol = protocol.unwrap_or(asked).as_str();
        // Another host has paths of its own.
        let base = if host.is_some() { "" } else { self.base };
        let host = host.unwrap_or(self.head.named_host());
        format!("{protocol}://{host}{base}/{path}")
    }

    /// Sends all requests to another host.
    pub(super) fn to_host(self, host: &WebsiteHost, key: &str) -> Reply {
        let WebsiteHost { name, protocol } = host;
        let path = encode_path(key.as_bytes());
        redirection(StatusCode::MOVED_PERMANENTLY, &self.address(*protocol, Some(name), &path))
    }

    pub(super) fn redirect(self, rule: &RoutingRule, key: &str) -> Reply {
        let RoutingRedirect { protocol, host, key: _, status } = &rule.redirect;
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::MOVED_PERMANENTLY);
        redirection(status, &self.address(*protocol, host.as_deref(), &replaced(rule, key)))
    }

    /// Sends on to the beginning of the website.
    pub(super) fn to_root(self) -> Reply {
        redirection(StatusCode::FOUND, &format!("{}/", self.base))
    }

    /// Sends on to the folder of a key, which has an index.
    pub(super) fn to_folder(self, key: &str) -> Reply {
        let path = encode_path(key.as_bytes());
        // `//` at the beginning would be the name of a host.
        let path = match path.strip_prefix('/') {
            Some(rest) => format!("%2F{rest}"),
            None => path,
        };
        redirection(StatusCode::FOUND, &format!("{}/{path}/", self.base))
    }

    /// Sends on to the place that an object names.
    pub(super) fn to_place(self, place: &HeaderValue) -> Reply {
        let place = as_written(&String::from_utf8_lossy(place.as_bytes()));
        let base = if place.starts_with('/') { self.base } else { "" };
        redirection(StatusCode::MOVED_PERMANENTLY, &format!("{base}{place}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let rule = |key_prefix: Option<&str>, error_status, key| RoutingRule {
            key_prefix: key_prefix.map(str::to_owned),
            error_status,
            redirect: RoutingRedirect { key, ..RoutingRedirect::default() },
        };
        let prefix = |text: &str| Some(KeyReplacement::Prefix(text.to_owned()));
        let whole = |text: &str| Some(KeyReplacement::Whole(text.to_owned()));
        let rules = [
            rule(Some("docs/"), None, prefix("documents/")),
            rule(Some("gone"), Some(404), whole("why.html")),
            rule(None, Some(403), None),
            rule(Some(""), Some(404), prefix("404/")),
        ];
        for (key, error, expected) in [
            ("docs/a", None, Some("documents/a")),
            ("docs/?a=b&c#d", None, Some("documents/%3Fa%3Db%26c%23d")),
            ("docs", None, None),
            ("a/docs/b", None, None),
            ("docs/a", Some(404), Some("404/docs/a")),
            ("gone/a", Some(404), Some("why.html")),
            ("gone/a", Some(403), Some("gone/a")),
            ("gone/a", Some(500), None),
            ("gone/a", None, None),
        ] {
            let found = rule_for(&rules, key, error).map(|rule| replaced(rule, key));
            assert_eq!(found.as_deref(), expected, "{key} {error:?}");
        }
    }

    #[test]
    fn the_owners_words_stay_as_they_are() {
        for (text, expected) in [
            ("#!/", "#!/"),
            ("prod/resize?key=", "prod/resize?key="),
            ("a%20b", "a%20b"),
            ("a b", "a%20b"),
            ("a\r\nSet-Cookie: b", "a%0D%0ASet-Cookie:%20b"),
            ("€\0\u{7f}", "%E2%82%AC%00%7F"),
            (r#"\"<>^`{|}"#, "%5C%22%3C%3E%5E%60%7B%7C%7D"),
        ] {
            assert_eq!(as_written(text), expected, "{text:?}");
        }
    }
}
