//! The text that somebody has of a link, and the parts of a URL in it.

use super::ExplainError;

/// The longest text that is looked at, in bytes: more than any server takes as a request's first line.
pub const EXPLAIN_TEXT_BYTES_MAX: usize = 16 * 1024;

/// What may stand around a link in a mail, a chat or a source file.
const OPENING: [char; 7] = ['<', '"', '\'', '`', '(', '[', '{'];
const CLOSING: [char; 12] = ['>', '"', '\'', '`', ')', ']', '}', '.', ',', ';', '!', '\\'];
/// What editors and chats put between letters without showing it.
const INVISIBLE: [char; 5] = ['\u{feff}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}'];

/// The link in a text, without what stands around it.
pub(super) struct Pasted {
    pub text: String,
    /// Something was left out to find it.
    pub was_tidied: bool,
}

impl Pasted {
    pub(super) fn of(given: &str) -> Result<Self, ExplainError> {
        if given.len() > EXPLAIN_TEXT_BYTES_MAX {
            return Err(ExplainError::TooLong);
        }
        let visible: String = given.chars().filter(|c| !INVISIBLE.contains(c)).collect();
        let text = without_markup(without_prose(without_words_before(visible.trim())));
        let text = joined_lines(text);
        let text = text.trim_matches(|c: char| c.is_whitespace() || OPENING.contains(&c));
        let text = text.trim_end_matches(|c: char| c.is_whitespace() || CLOSING.contains(&c));
        if text.is_empty() {
            return Err(ExplainError::NotALink);
        }
        Ok(Self { text: text.to_owned(), was_tidied: text != given.trim_end_matches(['\r', '\n']) })
    }
}

/// Begins where the URL begins, if words stand before it: `curl -o f 'https://...`.
fn without_words_before(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    let starts = ["https://", "http://", "https%3a%2f%2f", "http%3a%2f%2f"];
    let Some(at) = starts.iter().filter_map(|start| lower.find(start)).min() else { return text };
    match text.split_at_checked(at) {
        // A URL in another one's query is not the link.
        Some((before, link)) if !before.contains(['/', '?', '&']) => link,
        Some(_) | None => text,
    }
}

/// Ends where no URL goes on: at a quote or an angle bracket, as in HTML. What stands there in quotes may be the link.
fn without_markup(text: &str) -> &str {
    let text = text.trim_start_matches(OPENING);
    text.find(['"', '<', '>']).and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Ends at the quote that was opened before the link, or where words follow a signature.
fn without_prose(text: &str) -> &str {
    let Some((link, _)) = text.split_once(char::is_whitespace) else { return text };
    let is_whole = ["X-Amz-Signature=", "&Signature="].iter().any(|name| {
        let after = link.split_once(name).map(|(_, after)| after);
        after.is_some_and(|after| after.len() >= 28)
    });
    let closes = link.ends_with(['>', '"', '\'', '`']);
    if is_whole && (closes || !text.contains(['\n', '\r'])) { link } else { text }
}

/// Without line ends and the blanks around them: mail programs break long lines.
fn joined_lines(text: &str) -> String {
    let lines = text.split(['\n', '\r']).map(str::trim);
    // A soft line break of a mail body ends with an equals sign, which is doubled in no link.
    lines.collect::<Vec<_>>().concat()
}

/// Whether a text that is no signed request was meant as a link: it has a scheme, or something of a signature.
pub(super) fn may_be_link(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let signs = ["x-amz-", "x-valet-", "awsaccesskeyid", "signature=", "signature%3d"];
    ["://", "%3a%2f%2f"].iter().chain(&signs).any(|sign| text.contains(sign))
}

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Http => Self::Https,
            Self::Https => Self::Http,
        }
    }
}

/// A URL in its parts; nothing is decoded.
#[derive(Clone)]
pub(super) struct UrlParts {
    /// `None`: the text does not say.
    pub scheme: Option<Scheme>,
    /// In lower case, without the port; empty where the text begins with its path.
    pub host: String,
    pub port: Option<u16>,
    /// Begins with `/`.
    pub path: String,
    pub query: String,
    /// There was a `#`: whatever follows it is never sent.
    pub has_fragment: bool,
}

impl UrlParts {
    pub(super) fn of(text: &str) -> Self {
        let (scheme, rest) = match text.split_once("://") {
            Some((name, rest)) if name.eq_ignore_ascii_case("http") => (Some(Scheme::Http), rest),
            Some((name, rest)) if name.eq_ignore_ascii_case("https") => (Some(Scheme::Https), rest),
            Some(_) | None => (None, text),
        };
        let (rest, has_fragment) = match rest.split_once('#') {
            Some((before, _)) => (before, true),
            None => (rest, false),
        };
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match before.find('/').and_then(|at| before.split_at_checked(at)) {
            Some((authority, path)) => (authority, path),
            None => (before, "/"),
        };
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(authority);
        Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            path: path.to_owned(),
            query: query.to_owned(),
            has_fragment,
        }
    }

    /// The host as clients send it: without the scheme's own port.
    pub(super) fn sent_host(&self) -> String {
        let default = self.scheme.map(Scheme::default_port);
        match self.port {
            Some(port) if Some(port) != default => format!("{}:{port}", self.host),
            Some(_) | None => self.host.clone(),
        }
    }
}

/// A host and its port. What is no port belongs to the host.
pub(super) fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        Some(_) | None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_in_what_stands_around_it() {
        fn check(given: &str, expected: &str) {
            assert_eq!(Pasted::of(given).unwrap().text, expected, "{given}");
        }
        let link = format!("https://h/b/k?X-Amz-Signature={}", "0".repeat(64));
        for (before, after) in [
            ("", ""),
            ("  ", "\n"),
            ("<", ">"),
            ("\"", "\","),
            ("(", ")."),
            ("see: ", " which no longer works"),
            ("curl -o file '", "'"),
            ("curl '", "' -o file"),
            ("\u{feff}", "\u{200b}"),
        ] {
            check(&format!("{before}{link}{after}"), &link);
        }
        check("https://h/b/k?X-Amz-Algori\r\n  thm=1", "https://h/b/k?X-Amz-Algorithm=1");
        check("https://h/a b?X-Amz-Date=1", "https://h/a b?X-Amz-Date=1");
        check("/b/k?u=https://h/x", "/b/k?u=https://h/x");
        for nothing in ["", " \n", "<>", "\"\""] {
            assert!(Pasted::of(nothing).is_err(), "{nothing}");
        }
        assert!(Pasted::of(&"x".repeat(EXPLAIN_TEXT_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_url_is_taken_apart() {
        fn check(text: &str, expected: (&str, &str, &str)) {
            let parts = UrlParts::of(text);
            let host = parts.sent_host();
            assert_eq!((&*host, &*parts.path, &*parts.query), expected, "{text}");
        }
        check("https://H:443/b/k?q#f", ("h", "/b/k", "q"));
        check("http://h:443/b", ("h:443", "/b", ""));
        check("h:9000/b?q", ("h:9000", "/b", "q"));
        check("/b/k?q", ("", "/b/k", "q"));
        check("http://[::1]:9000?q", ("[::1]:9000", "/", "q"));
        check("http://[::1]/", ("[::1]", "/", ""));
        check("http://u:p@h/", ("h", "/", ""));
        check("", ("", "/", ""));
    }
}
