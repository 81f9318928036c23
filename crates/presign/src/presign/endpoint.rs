//! Where a service is.

use std::fmt;
use std::str::FromStr;

/// Where the service is: `scheme://host[:port][/prefix]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    /// Host and port as given.
    authority: String,
    /// Host in lower case, and the port when it is not the scheme's own: what clients send and
    /// sign as `host`.
    signed_host: String,
    /// Empty, or begins with `/` and does not end with it.
    prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Why a text is not an [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text begins with neither `http://` nor `https://`.
    #[error("an endpoint begins with http:// or https://")]
    Scheme,
    /// No host, user information, or a character that a host or port cannot have.
    #[error("malformed host or port")]
    Authority,
    /// The prefix holds a query, a fragment or a byte that a path on the wire cannot have.
    #[error("malformed path prefix")]
    Prefix,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Endpoint {
    /// Reads `https://s3.example.com`, `http://localhost:9000/prefix`; a final `/` is dropped.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(scheme))
            .ok_or(EndpointError::Scheme)?;
        let (authority, prefix) =
            rest.find('/').and_then(|slash| rest.split_at_checked(slash)).unwrap_or((rest, ""));
        let (host, port) = split_authority(authority).ok_or(EndpointError::Authority)?;
        let mut signed_host = host.to_ascii_lowercase();
        if let Some(port) = port.filter(|port| *port != scheme.port()) {
            signed_host.extend([":", &port.to_string()]);
        }
        let prefix = prefix.trim_end_matches('/');
        let is_path_byte =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'<' | b'>');
        if !prefix.bytes().all(is_path_byte) {
            return Err(EndpointError::Prefix);
        }
        Ok(Self { scheme, authority: authority.to_owned(), signed_host, prefix: prefix.to_owned() })
    }

    /// The host as it is signed for path style: in lower case, without the scheme's own port.
    pub fn signed_host(&self) -> &str {
        &self.signed_host
    }

    /// The path prefix: empty, or begins with `/` and does not end with it.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The beginning of a URL: `scheme://[label.]host[:port]`, where the label is a bucket in virtual-host style.
    pub(super) fn origin(&self, label: Option<&str>) -> String {
        let (label, dot) = label.map_or(("", ""), |label| (label, "."));
        let Self { scheme, authority, .. } = self;
        [scheme.name(), "://", label, dot, authority].concat()
    }
}

/// Host and port; the host may be a name, an IPv4 address, or an IPv6 address in brackets.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let well_formed = if let Some(address) = address {
        address.parse::<core::net::Ipv6Addr>().is_ok()
    } else {
        !host.is_empty() && host.bytes().all(is_host_byte)
    };
    well_formed.then_some((host, port))
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin(None), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_origin_with_an_optional_prefix() {
        fn check(text: &str, expected: Result<(&str, &str, &str), EndpointError>) {
            let read = Endpoint::parse(text).map(|endpoint| {
                let Endpoint { signed_host, prefix, .. } = &endpoint;
                [endpoint.to_string(), signed_host.clone(), prefix.clone()]
            });
            assert_eq!(read, expected.map(|(a, b, c)| [a, b, c].map(str::to_owned)), "{text}");
        }
        check("http://localhost:9000", Ok(("http://localhost:9000", "localhost:9000", "")));
        check("https://S3.example.com/", Ok(("https://S3.example.com", "s3.example.com", "")));
        check("http://h:80", Ok(("http://h:80", "h", "")));
        check("https://h:443/a/b/", Ok(("https://h:443/a/b", "h", "/a/b")));
        check("http://h:443", Ok(("http://h:443", "h:443", "")));
        check("HTTPS://h:80", Ok(("https://h:80", "h:80", "")));
        check("http://[::1]:9000", Ok(("http://[::1]:9000", "[::1]:9000", "")));
        check("http://[::1]", Ok(("http://[::1]", "[::1]", "")));
        check("localhost:9000", Err(EndpointError::Scheme));
        check("ftp://h", Err(EndpointError::Scheme));
        for text in [
            "http://",
            "http:///x",
            "http://:80",
            "http://u@h",
            "http://h:",
            "http://h:x",
            "http://h:65536",
            "http://h?q",
            "http://[::1",
            "http://::1",
            "http://h h",
            "http://é",
        ] {
            check(text, Err(EndpointError::Authority));
        }
        for text in ["http://h/a?b", "http://h/a#b", "http://h/a b", "http://h/é"] {
            check(text, Err(EndpointError::Prefix));
        }
    }
}
