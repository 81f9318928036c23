//! What the server must be told, already parsed: nothing here reads a file or the environment.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use iam::AccountId;
use ipnet::IpNet;
use jiff::SignedDuration;
use presign::{SecretAccessKey, SigV2Use};
use store::BucketName;

use crate::origin::{any_contains, bucket_of_prefix, without_port};
use crate::place::{BucketDomain, HostReading, Place, Prefixes};
use crate::smtp::SmtpUrl;

/// Public URLs a server may declare: with the host as it arrived they make the four hosts tried for a signature.
pub const PUBLIC_URLS_MAX: usize = 3;

/// Everything `valet serve` decides before the first socket opens.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Addresses of the S3 port; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Prometheus metrics without credentials, on a port of their own.
    pub metrics_listen: Option<SocketAddr>,
    /// The region that a credential scope must name.
    pub region: String,
    /// The first account, whose root is the operator.
    pub account: AccountId,
    /// Origins, with an optional path prefix, by which clients reach this server.
    pub public_urls: Vec<PublicUrl>,
    /// Where the console is, if not with the objects.
    pub console_url: Option<PublicUrl>,
    /// What browsers are told about content that could run.
    pub active_content: ActiveContent,
    /// How long caches may keep what was read by a link.
    pub link_caching: LinkCaching,
    /// `bucket.NAME` is virtual-hosted style for each of these names, in lower case.
    pub domains: Vec<String>,
    /// `BUCKET.NAME` is the website of a bucket, in lower case.
    pub website_domain: Option<String>,
    /// `ID.NAME` is a distribution, in lower case.
    pub distribution_domain: Option<String>,
    /// Hosts on which one bucket is reached each.
    pub bucket_domains: Vec<BucketDomain>,
    /// Networks of proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Serve HTTPS with these files, read again when they change.
    pub tls: Option<TlsFiles>,
    /// Whether SigV2 query links are honoured.
    pub sigv2: SigV2Use,
    /// Over which connections customers may send keys of their own (SSE-C).
    pub sse_c: SseC,
    /// Connections at once of one address, trusted proxies apart; 0: as many as there are.
    pub connections_per_address: u32,
    /// Root credentials given from outside, valid for as long as the process runs.
    pub root: Option<RootKey>,
    /// Which loopback, link-local and private addresses the server itself may call.
    pub outbound_allow: Vec<IpNet>,
    /// Who takes the mail of notices; `None`: no mail is sent.
    pub smtp: Option<SmtpUrl>,
    /// How long an upload may go without a new part before it is aborted; `None`: it is never aborted.
    pub abort_uploads_after: Option<SignedDuration>,
    /// How much memory the cache of distributions may take, in bytes.
    pub cache_memory_bytes: u64,
    /// How long a graceful stop may take.
    pub shutdown_grace: Duration,
}

/// What browsers are told about content that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveContent {
    /// It may not run in an origin that also holds the console, and no type is guessed.
    Sandbox,
    /// Nothing but what is stored, as from AWS.
    AsStored,
}

/// How long caches may keep what was read by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkCaching {
    /// Not for longer than the link lives.
    Capped,
    /// As is stored or as the link says, as from AWS.
    AsStored,
}

/// Over which connections customers may send keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseC {
    /// TLS, which ended here or at a trusted proxy.
    Tls,
    /// Any: for development, since a key that was sent in clear is no secret any more.
    Any,
}

/// PEM files of the server's certificate chain and its private key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// The root credentials of the first account.
#[derive(Clone, Debug)]
pub struct RootKey {
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: SecretAccessKey,
}

/// An origin by which clients reach the server, and the path prefix that a proxy strips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// `http` or `https`.
    pub scheme: String,
    /// Host as clients sign it: with the port unless it is the scheme's default.
    pub host: String,
    /// Empty, or `/a/b` without a trailing slash.
    pub prefix: String,
}

/// Why a text is no public URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// The scheme is neither `http://` nor `https://`.
    #[error("a public URL begins with http:// or https://")]
    Scheme,
    /// There is no host, or it has characters that no host can have.
    #[error("a public URL names a host, with or without a port")]
    Host,
    /// Query, fragment, user name or an empty segment.
    #[error(
        "a public URL has a plain path at most: no query, fragment, user name or empty segment"
    )]
    Path,
}

impl PublicUrl {
    /// Reads `https://files.example.com[:port][/prefix]`.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(PublicUrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(PublicUrlError::Scheme),
        };
        if rest.contains(['?', '#', '@', '\\', ' ']) {
            return Err(PublicUrlError::Path);
        }
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix(default_port).unwrap_or(&host);
        if host.is_empty() || host.parse::<hyper::http::uri::Authority>().is_err() {
            return Err(PublicUrlError::Host);
        }
        let path = path.trim_end_matches('/');
        if !path.is_empty() && path.split('/').any(str::is_empty) {
            return Err(PublicUrlError::Path);
        }
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { scheme, host: host.to_owned(), prefix })
    }

    /// The name that no bucket may have, since requests below it are this prefix's.
    pub fn reserved_bucket(&self) -> Option<BucketName> {
        bucket_of_prefix(&self.prefix)
    }

    /// The host without the port.
    pub fn name(&self) -> &str {
        name_of(&self.host)
    }
}

impl ServerConfig {
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        any_contains(&self.trusted_proxies, address)
    }

    /// Whether the configuration says how requests to a host are read: the host is declared, or it is that of a
    /// bucket, a website or a distribution.
    pub(crate) fn knows(&self, host: &str) -> bool {
        self.declares(name_of(host)) || HostReading::of(host, self).place != Place::Service
    }

    pub(crate) fn declares(&self, name: &str) -> bool {
        let same = |declared: &str| declared.eq_ignore_ascii_case(name);
        self.domains.iter().any(|domain| same(domain))
            || self.public_urls.iter().any(|url| same(url.name()))
    }

    /// Whether a name is the server's own: declared, or that of the console.
    pub(crate) fn is_own_name(&self, name: &str) -> bool {
        let is_console = |url: &PublicUrl| url.name().eq_ignore_ascii_case(name);
        self.declares(name) || self.console_url.as_ref().is_some_and(is_console)
    }

    /// Whether an account may have hosts of its own for its distributions. A server that was not told its names cannot tell
    /// whether a host is one of them, so there nobody may but those of the first account, whose server it is.
    pub(crate) fn lends_hosts_to(&self, account: &AccountId) -> bool {
        // What the default of a server on loopback declares is no name by which others reach it.
        let is_name = |domain: &String| domain != "localhost";
        *account == self.account || !self.public_urls.is_empty() || self.domains.iter().any(is_name)
    }

    /// The declared path prefixes, decoded, that may stand before bucket and key.
    pub(crate) fn prefixes(&self, which: Prefixes<'_>) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let applies = move |url: &&PublicUrl| {
            !url.prefix.is_empty()
                && match which {
                    Prefixes::All => true,
                    Prefixes::OfDomain(domain) => domain.eq_ignore_ascii_case(url.name()),
                    Prefixes::None => false,
                }
        };
        let urls = self.public_urls.iter().filter(applies);
        urls.map(|url| presign::decode_component(&url.prefix))
    }

    /// Whether the console may be at the host of a request. It may be at its own name if it has one, and
    /// otherwise at any name. It may also be at any name that is not declared for objects, since a proxy may
    /// have put the console there. Ports do not matter, because cookies do not tell them apart.
    pub(crate) fn may_hold_console(&self, host: &str) -> bool {
        let name = |host: &str| name_of(host).to_ascii_lowercase();
        let Some(console) = &self.console_url else { return true };
        let host = name(host);
        let below = |domain: &String| {
            host.strip_suffix(domain.as_str()).is_some_and(|bucket| bucket.ends_with('.'))
        };
        let declared = self.public_urls.iter().any(|url| name(&url.host) == host)
            || self.domains.iter().any(below)
            || HostReading::of(&host, self).place != Place::Service;
        name(&console.host) == host || !declared
    }

    /// Whether requests for a bucket of this name could not reach it by path, because the name is that of a
    /// prefix.
    pub(crate) fn reserves(&self, bucket: &BucketName) -> bool {
        self.public_urls.iter().any(|url| url.reserved_bucket().as_ref() == Some(bucket))
    }
}

/// The name of a host: without the port, and without the trailing dot of an absolute name.
pub(crate) fn name_of(host: &str) -> &str {
    let name = without_port(host);
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A configuration with nothing but what is required.
    pub(crate) fn plain() -> ServerConfig {
        ServerConfig {
            listen: Vec::new(),
            metrics_listen: None,
            region: "us-east-1".into(),
            account: AccountId::parse("000000000000").unwrap(),
            public_urls: Vec::new(),
            console_url: None,
            active_content: ActiveContent::Sandbox,
            link_caching: LinkCaching::Capped,
            domains: Vec::new(),
            website_domain: None,
            distribution_domain: None,
            bucket_domains: Vec::new(),
            trusted_proxies: Vec::new(),
            outbound_allow: Vec::new(),
            smtp: None,
            tls: None,
            sigv2: SigV2Use::Allow,
            sse_c: SseC::Tls,
            connections_per_address: 0,
            root: None,
            abort_uploads_after: None,
            cache_memory_bytes: 16 << 20,
            shutdown_grace: Duration::from_secs(1),
        }
    }

    #[test]
    fn public_urls() {
        let check = |text: &str, expected: Result<(&str, &str, &str), PublicUrlError>| {
            let got = PublicUrl::parse(text);
            let got = got.as_ref().map(|u| (u.scheme.as_str(), u.host.as_str(), u.prefix.as_str()));
            assert_eq!(got, expected.as_ref().copied(), "{text}");
        };
        check("http://localhost:9000", Ok(("http", "localhost:9000", "")));
        check("https://Files.example.com:443/", Ok(("https", "files.example.com", "")));
        check("http://h:80/a/b/", Ok(("http", "h", "/a/b")));
        check("http://[::1]:9000", Ok(("http", "[::1]:9000", "")));
        check("ftp://h", Err(PublicUrlError::Scheme));
        check("files.example.com", Err(PublicUrlError::Scheme));
        check("http://", Err(PublicUrlError::Host));
        check("http://h/a//b", Err(PublicUrlError::Path));
        check("http://h/a?b", Err(PublicUrlError::Path));
        check("http://user@h/", Err(PublicUrlError::Path));
    }

    #[test]
    fn a_prefix_takes_a_name_from_buckets() {
        let check = |url: &str, expected: Option<&str>| {
            let reserved = PublicUrl::parse(url).unwrap().reserved_bucket();
            assert_eq!(reserved.as_ref().map(BucketName::as_str), expected, "{url}");
        };
        check("http://h/files", Some("files"));
        check("http://h/files/deep", Some("files"));
        check("http://h/%66iles", Some("files"));
        check("http://h/Files", None);
        check("http://h", None);
    }

    /// A host is lent to others only where it cannot be one by which the server itself is reached.
    #[test]
    fn which_accounts_have_hosts_of_their_own() {
        let (first, other) = ("000000000000", "111111111111");
        let check = |change: fn(&mut ServerConfig), account: &str, expected: bool| {
            let mut config = plain();
            change(&mut config);
            let account = AccountId::parse(account).unwrap();
            assert_eq!(config.lends_hosts_to(&account), expected, "{account} {config:?}");
        };
        let public = |it: &mut ServerConfig| {
            it.public_urls = vec![PublicUrl::parse("https://files.example.com").unwrap()];
        };
        check(|_| {}, first, true);
        check(|_| {}, other, false);
        check(|it| it.domains = vec!["localhost".to_owned()], other, false);
        check(|it| it.domains = vec!["s3.example.com".to_owned()], other, true);
        check(public, other, true);
    }

    #[test]
    fn names_of_the_server_are_nobodys_alias() {
        let mut config = plain();
        config.public_urls = vec![PublicUrl::parse("https://files.example.com:8443").unwrap()];
        config.console_url = Some(PublicUrl::parse("https://console.example.com").unwrap());
        config.domains = vec!["s3.example.com".to_owned()];
        for (name, expected) in [
            ("files.example.com", true),
            ("FILES.example.com", true),
            ("console.example.com", true),
            ("s3.example.com", true),
            ("video.example.com", false),
        ] {
            assert_eq!(config.is_own_name(name), expected, "{name}");
        }
    }
}
