//! Whether a URL is one of a policy's resources (semantics 7.2.3).

use crate::encode::decode_component;

/// Compares section by section: scheme, host, path, query. `*` stands for any characters and `?` for one, each within its
/// section; but a `*` at the end of the path stands for the query too, and a resource that is `*` for everything.
///
/// A `?` could be a wildcard or begin the query. The first one that `name=` follows begins it; where there is none, the last
/// `?` is read both ways, and what neither reading allows is refused.
pub(super) fn matches(resource: &str, url: &str) -> bool {
    if resource == "*" {
        return true;
    }
    let Some(url) = Sections::of_url(url) else { return false };
    let Some((scheme, rest)) = resource.split_once("://") else { return false };
    let fits_scheme = match scheme {
        "*" | "http*" => true,
        exact => exact.eq_ignore_ascii_case(url.scheme),
    };
    if !fits_scheme {
        return false;
    }
    // No `/`: the pattern of the host stands alone, and only `*` at its end can reach into the path.
    let Some(slash) = rest.find('/') else {
        return rest.ends_with('*')
            && fits(&rest.to_ascii_lowercase(), &url.host.to_ascii_lowercase());
    };
    let (host, target) = rest.split_at(slash);
    if !fits(&host.to_ascii_lowercase(), &url.host.to_ascii_lowercase()) {
        return false;
    }
    let mut marks = target
        .match_indices('?')
        .filter_map(|(at, _)| Some((target.get(..at)?, target.get(at..)?.strip_prefix('?')?)));
    let begins_query = |rest: &str| rest.split('?').next().is_some_and(|name| name.contains('='));
    if let Some((path, query)) = marks.find(|(_, rest)| begins_query(rest)) {
        return fits_target(path, Some(query), &url);
    }
    let split = target.rsplit_once('?').map(|(path, query)| (path, Some(query)));
    let mut readings = std::iter::once((target, None)).chain(split);
    readings.any(|(path, query)| fits_target(path, query, &url))
}

fn fits_target(path: &str, query: Option<&str>, url: &Sections<'_>) -> bool {
    fits(path, url.path)
        && match (query, url.query) {
            (None, "") => true,
            (None, _) => path.ends_with('*'),
            (Some(pattern), query) => {
                (!query.is_empty() || pattern.is_empty() || pattern == "*") && fits(pattern, query)
            }
        }
}

/// The sections of the URL of a request.
struct Sections<'u> {
    scheme: &'u str,
    host: &'u str,
    path: &'u str,
    query: &'u str,
}

impl<'u> Sections<'u> {
    fn of_url(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (host, target) = rest.split_at(rest.find('/')?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Self { scheme, host, path, query })
    }
}

/// Whether a pattern fits a text both as they are written and as they are meant: `?` stands for one character, whether
/// the viewer writes it `a` or `%61`, and never for one of the three that stand for it.
fn fits(pattern: &str, text: &str) -> bool {
    let raw: Vec<_> = pattern.bytes().map(Token::of).collect();
    if !wildcard(&raw, text.as_bytes()) {
        return false;
    }
    if !pattern.contains('%') && !text.contains('%') {
        return true;
    }
    let literal =
        |piece: &str| decode_component(piece).iter().map(|byte| Token::Byte(*byte)).collect();
    let mut meant: Vec<Token> = Vec::new();
    for piece in pattern.split_inclusive(['*', '?']) {
        let text = piece.trim_end_matches(['*', '?']);
        let tokens: Vec<_> = literal(text);
        meant.extend(tokens);
        meant.extend(piece.bytes().skip(text.len()).map(Token::of));
    }
    wildcard(&meant, &decode_component(text))
}

/// A piece of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Any bytes, or none.
    Any,
    /// Any one byte.
    One,
    /// This byte and no other.
    Byte(u8),
}

impl Token {
    fn of(byte: u8) -> Self {
        match byte {
            b'*' => Self::Any,
            b'?' => Self::One,
            other => Self::Byte(other),
        }
    }
}

/// Matches in at most pattern times text steps, without recursion: the last `*` alone is gone back to.
fn wildcard(pattern: &[Token], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(read) {
        let fits = match pattern.get(at) {
            Some(Token::Any) => {
                star = Some((at, read));
                at += 1;
                continue;
            }
            Some(Token::One) => true,
            Some(Token::Byte(same)) => same == byte,
            None => false,
        };
        if fits {
            at += 1;
            read += 1;
        } else {
            let Some((of_star, from)) = star else { return false };
            star = Some((of_star, from + 1));
            at = of_star + 1;
            read = from + 1;
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_their_section() {
        for (resource, url, expected) in [
            ("https://d.test/a", "https://d.test/a", true),
            ("https://d.test/a", "https://d.test/a?x=1", false),
            ("https://d.test/a", "http://d.test/a", false),
            ("http://d.test/a", "https://d.test/a", false),
            ("*://d.test/a", "http://d.test/a", true),
            ("http*://d.test/a", "https://d.test/a", true),
            ("ftp://d.test/a", "http://d.test/a", false),
            ("https://D.Test/a", "https://d.test/a", true),
            ("https://d.test/A", "https://d.test/a", false),
            ("https://d.test/*", "https://d.test/a/b.jpg", true),
            ("https://d.test/*", "https://d.test/", true),
            ("https://d.test/*", "https://d.test/a?x=1&y=2", true),
            ("https://d.test/*", "https://e.test/a", false),
            ("https://d.test/*", "https://d.test:444/a", false),
            ("https://*/a", "https://d.test/a", true),
            ("https://*.test/a", "https://d.test/a", true),
            ("https://*.test/a", "https://d.example/x.test/a", false),
            ("https://*/a", "https://d.test/b/a", false),
            ("https://d.test*/a", "https://d.test.evil/a", true),
            ("https://d.test/*.jpg", "https://d.test/a/b.jpg", true),
            ("https://d.test/*.jpg", "https://d.test/a.png?x=.jpg", false),
            ("https://d.test/*.jpg", "https://d.test/a.jpg?x=1", false),
            ("https://d.test/*.jpg?*", "https://d.test/a.jpg?x=1", true),
            ("https://d.test/*.jpg?*", "https://d.test/a.jpg", true),
            ("https://d.test/*.jpg*", "https://d.test/a.jpg?x=1", true),
            ("https://d.test/a?.jpg", "https://d.test/ab.jpg", true),
            ("https://d.test/a?.jpg", "https://d.test/a.jpg", false),
            ("https://d.test/a?x=1", "https://d.test/a?x=1", true),
            ("https://d.test/a?x=1", "https://d.test/a?x=2", false),
            ("https://d.test/a?x=1", "https://d.test/abx=1", false),
            ("https://d.test/a?x=*", "https://d.test/a?x=2", true),
            ("https://d.test/a?x=*", "https://d.test/a?y=2", false),
            ("https://d.test/a?x=?", "https://d.test/a?x=2", true),
            ("https://d.test/a??x=1", "https://d.test/ab?x=1", true),
            ("*", "https://d.test/a?x=1", true),
            ("", "https://d.test/a", false),
            ("/a", "https://d.test/a", false),
            ("d.test/a", "https://d.test/a", false),
            ("https://d.test", "https://d.test/", false),
            ("https://d*", "https://d.test/a", true),
            ("https://*", "https://d.test/a?x=1", true),
            ("https://d.test/%2e%2e/*", "https://d.test/../a", false),
            ("https://d.test/a/*", "https://d.test/a%2fb", false),
            ("https://d.test/a%20b", "https://d.test/a%20b", true),
            ("https://d.test/a b", "https://d.test/a%20b", false),
            ("https://d.test/(a)*", "https://d.test/(a)%20b", true),
            ("https://d.test/%2A", "https://d.test/x", false),
            ("https://d.test/%2A", "https://d.test/%2A", true),
            ("https://d.test/???x", "https://d.test/%61x", false),
            ("https://d.test/?x", "https://d.test/%61x", false),
            ("https://d.test/*x", "https://d.test/%61x", true),
            ("https://d.test/*?x", "https://d.test/%61x", true),
            ("https://d.test/*%2f*", "https://d.test/a%2fb", true),
            ("https://d.test/\u{e9}?", "https://d.test/\u{e9}a", true),
        ] {
            assert_eq!(matches(resource, url), expected, "{resource} {url}");
        }
    }

    #[test]
    fn many_wildcards_take_no_long_time() {
        let resource = format!("https://d.test/{}b", "*a".repeat(2000));
        let url = format!("https://d.test/{}", "a".repeat(4000));
        assert!(!matches(&resource, &url));
    }
}
