//! What of a signed request arrived as something else. A store that refuses a signature shows the request as it got it,
//! in the form in which it is signed (the `CanonicalRequest`), and this is compared with what was sent.

use presign::{CauseCode, Presigned};

/// A component of a request that is not what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) code: CauseCode,
    pub(super) text: String,
    pub(super) mend: String,
}

impl Change {
    fn new(code: CauseCode, text: String, mend: impl Into<String>) -> Self {
        Self { code, text, mend: mend.into() }
    }
}

/// The parts of a request that a signature covers.
#[derive(Debug, PartialEq, Eq)]
struct SignedParts<'p> {
    method: &'p str,
    path: &'p str,
    /// Names and values, encoded.
    query: Vec<(&'p str, &'p str)>,
    /// Names in lower case.
    headers: Vec<(&'p str, &'p str)>,
}

/// What changed on the way: `link` was sent, and the store shows that `arrived`.
pub(super) fn changes(link: &Presigned, arrived: &str) -> Vec<Change> {
    let (Some(sent), Some(arrived)) = (SignedParts::of_link(link), SignedParts::of_text(arrived))
    else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    if sent.method != arrived.method {
        changes.push(Change::new(
            CauseCode::Method,
            format!("{} arrives as {}", sent.method, arrived.method),
            "let the proxy pass methods as they are; in nginx `proxy_cache_convert_head off`, and no \
             `proxy_method`",
        ));
    }
    changes.extend(path_change(sent.path, arrived.path));
    changes.extend(header_changes(&sent, &arrived));
    changes.extend(query_changes(&sent, &arrived));
    changes
}

impl<'p> SignedParts<'p> {
    fn of_link(link: &'p Presigned) -> Option<Self> {
        let (scheme, rest) = link.url.split_once("://")?;
        let (before, query) = rest.split_once('?')?;
        let authority = before.split('/').next()?;
        let path = before.strip_prefix(authority)?;
        let own_port = if scheme == "https" { ":443" } else { ":80" };
        let host = authority.strip_suffix(own_port).unwrap_or(authority);
        let signed = link.headers.iter().map(|(name, value)| (&**name, &**value));
        let headers = std::iter::once(("host", host)).chain(signed).collect();
        let query = pairs(query).filter(|(name, _)| *name != "X-Amz-Signature").collect();
        Some(Self { method: &link.method, path, query, headers })
    }

    fn of_text(text: &'p str) -> Option<Self> {
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        let (method, path, query) = (lines.next()?, lines.next()?, lines.next()?);
        let headers = lines.take_while(|line| !line.is_empty());
        let headers = headers.filter_map(|line| line.split_once(':')).collect();
        Some(Self { method, path, query: pairs(query).collect(), headers })
    }

    fn header(&self, name: &str) -> Option<&'p str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

fn path_change(sent: &str, arrived: &str) -> Option<Change> {
    if sent == arrived {
        return None;
    }
    let text = format!("the path `{sent}` arrives as `{arrived}`");
    let is_prefix =
        arrived.len() > 1 && sent.ends_with(arrived) || sent.len() > 1 && arrived.ends_with(sent);
    Some(if is_prefix {
        let mend = "give Valet the whole address, with its path: `valet serve --public-url URL`; or let the \
                    proxy pass the path as it is";
        Change::new(CauseCode::PathPrefix, text, mend)
    } else {
        let mend = "let the proxy pass the path as it is: in nginx `proxy_pass` without a path, not even a `/`";
        Change::new(CauseCode::PathEncoding, text, mend)
    })
}

fn header_changes(sent: &SignedParts<'_>, arrived: &SignedParts<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, value) in &sent.headers {
        match arrived.header(name) {
            Some(arrived) if squeezed(arrived) == squeezed(value) => {}
            Some(arrived) if *name == "host" => changes.push(host_change(value, arrived)),
            Some(arrived) if !arrived.is_empty() => changes.push(Change::new(
                CauseCode::HeaderChanged,
                format!("the header `{name}` arrives with another value"),
                format!("let the proxy pass the header `{name}` as it is"),
            )),
            Some(_) | None => changes.push(Change::new(
                CauseCode::HeaderMissing,
                format!("the header `{name}` does not arrive"),
                if name.contains('_') {
                    "let the proxy pass names with an underscore: in nginx `underscores_in_headers on`".to_owned()
                } else {
                    format!("let the proxy pass the header `{name}`")
                },
            )),
        }
    }
    changes
}

fn host_change(sent: &str, arrived: &str) -> Change {
    let text = format!("the host `{sent}` arrives as `{arrived}`");
    let mend = "pass it on, port included: in nginx `proxy_set_header Host $http_host`; or tell Valet its \
                name: `valet serve --public-url URL`";
    let code = if name(sent) == name(arrived) { CauseCode::Port } else { CauseCode::Host };
    Change::new(code, text, mend)
}

/// A host without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

fn query_changes(sent: &SignedParts<'_>, arrived: &SignedParts<'_>) -> Vec<Change> {
    const MEND: &str = "let the proxy pass the query as it is";
    let mut changes = Vec::new();
    for (name, value) in &sent.query {
        let (code, what) = match arrived.query.iter().find(|(known, _)| known == name) {
            Some((_, arrived)) if arrived == value => continue,
            Some(_) => (CauseCode::ParameterChanged, "arrives with another value"),
            None => (CauseCode::ParameterMissing, "does not arrive"),
        };
        changes.push(Change::new(code, format!("the parameter `{name}` {what}"), MEND));
    }
    for (name, _) in &arrived.query {
        if !sent.query.iter().any(|(known, _)| known == name) {
            let text = format!("a parameter `{name}` is added on the way");
            changes.push(Change::new(CauseCode::ParameterAdded, text, MEND));
        }
    }
    changes
}

/// A header's value as it is signed: spaces at its ends do not count, and many are one.
fn squeezed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use presign::{Credentials, Endpoint, ExpiresIn, Presign, Presigner, SecretAccessKey};

    use super::*;

    const SENT: &str = "GET\n/store/b/a%20b\nX-Amz-Date=1&x-q=2\nhost:files.example.com:8443\nx-a:1  2\n\nhost;x-a\nUNSIGNED-PAYLOAD";

    fn link() -> Presigned {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: SecretAccessKey::new("secret"),
            session_token: None,
        };
        let endpoint = Endpoint::parse("https://files.example.com:8443/store").unwrap();
        let life = ExpiresIn::parse("60").unwrap();
        let presign = Presign::new("GET", &endpoint, "b", b"a b", life)
            .with_headers(&[("x-a", "1  2")])
            .with_query(&[("x-q", "2")]);
        let now = "2026-06-15T12:00:00Z".parse().unwrap();
        Presigner::new(credentials, "us-east-1").presign(&presign, now).unwrap()
    }

    /// The request as it was sent, in the form in which a store shows it.
    fn canonical() -> String {
        let link = link();
        let query = link.url.split_once('?').unwrap().1;
        let mut pairs: Vec<&str> =
            query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature")).collect();
        pairs.sort_unstable();
        SENT.replace("X-Amz-Date=1&x-q=2", &pairs.join("&"))
    }

    #[test]
    fn what_changed_is_named() {
        let check = |from: &str, to: &str, expected: &[(&str, &str)]| {
            let sent = canonical();
            assert!(sent.contains(from), "{from}");
            let changes = changes(&link(), &sent.replace(from, to));
            let found: Vec<_> =
                changes.iter().map(|change| (change.code.as_str(), &*change.text)).collect();
            assert_eq!(found, expected, "{from} {to}");
        };
        check("", "", &[]);
        check("x-a:1  2", "x-a:1 2", &[]);
        check("GET", "HEAD", &[("method", "GET arrives as HEAD")]);
        let host =
            |arrived: &str| format!("the host `files.example.com:8443` arrives as `{arrived}`");
        check("files.example.com:8443", "valet", &[("host", &host("valet"))]);
        check(
            "files.example.com:8443",
            "files.example.com",
            &[("port", &host("files.example.com"))],
        );
        let path = |arrived: &str| format!("the path `/store/b/a%20b` arrives as `{arrived}`");
        check("/store/b", "/b", &[("path-prefix", &path("/b/a%20b"))]);
        check("/store/b", "/x/store/b", &[("path-prefix", &path("/x/store/b/a%20b"))]);
        check("/b/a%20b", "/b/a+b", &[("path-encoding", &path("/store/b/a+b"))]);
        check("x-a:1  2\n", "", &[("header-missing", "the header `x-a` does not arrive")]);
        check("x-a:1  2", "x-a:", &[("header-missing", "the header `x-a` does not arrive")]);
        check(
            "x-a:1  2",
            "x-a:3",
            &[("header-changed", "the header `x-a` arrives with another value")],
        );
        check("&x-q=2", "", &[("parameter-missing", "the parameter `x-q` does not arrive")]);
        check(
            "&x-q=2",
            "&x-q=3",
            &[("parameter-changed", "the parameter `x-q` arrives with another value")],
        );
        check("&x-q=2", "&x-q=2&y=", &[("parameter-added", "a parameter `y` is added on the way")]);
        let both = [("path-prefix", path("/b/a%20b")), ("host", host("valet"))];
        let sent = canonical().replace("/store/b", "/b").replace("files.example.com:8443", "valet");
        let found: Vec<_> = changes(&link(), &sent)
            .into_iter()
            .map(|change| (change.code.as_str(), change.text))
            .collect();
        assert_eq!(found, both);
    }

    #[test]
    fn what_is_no_request_shows_nothing() {
        for text in ["", "GET", "GET\n/"] {
            assert_eq!(changes(&link(), text), [], "{text}");
        }
    }
}
