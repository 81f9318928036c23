//! One request's head as it arrived: what verification sees, and under which names it may have been signed.

use std::borrow::Cow;
use std::net::IpAddr;

use hyper::header::EXPECT;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Version};
use presign::{HttpRequestHead, RequestHead, SignedHost};

use crate::config::ServerConfig;
use crate::error::{Code, S3Error};
use crate::reading::Reading;

/// The most hosts that are tried for one signature: the host as it arrived, as a trusted proxy reports it, and
/// as the configuration declares it.
const SIGNED_HOSTS_MAX: usize = 4;
/// How many addresses are read from the right of `X-Forwarded-For`. If all of them are trusted proxies, the
/// last one read counts as the client.
const FORWARDED_HOPS_MAX: usize = 16;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address of the socket.
    pub address: IpAddr,
    /// The TLS version, if this server ended TLS on the connection.
    pub tls: Option<TlsVersion>,
}

/// Versions of TLS that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

/// A request's head, read once.
#[derive(Debug)]
pub(crate) struct Head<'r> {
    parts: &'r Parts,
    /// The head as the signature is checked against it: host, path, query and header lines.
    arrived: HttpRequestHead<'r>,
    /// Style, bucket and key. The request is verified and executed by this one value.
    reading: Reading<'r>,
    forwarded: Option<Forwarded<'r>>,
    client: IpAddr,
    secure: bool,
    tls: Option<TlsVersion>,
}

/// What a trusted proxy reports of the request that it received: host, prefix, or both.
#[derive(Debug)]
struct Forwarded<'r> {
    host: Option<&'r str>,
    prefix: Option<&'r str>,
}

impl<'r> Head<'r> {
    /// Reads the head. It is refused only if `Host` is missing, repeated or contradicted.
    pub(crate) fn read(
        parts: &'r Parts,
        peer: Peer,
        config: &ServerConfig,
    ) -> Result<Self, S3Error> {
        let arrived = HttpRequestHead::from_parts(parts)
            .map_err(|cause| S3Error::new(Code::BadRequest).because(cause))?;
        let trusted = config.trusts(peer.address);
        let forwarded = if trusted { Forwarded::read(&parts.headers) } else { None };
        let client =
            if trusted { client_address(&parts.headers, peer, config) } else { peer.address };
        let secure = match last_text(&parts.headers, "x-forwarded-proto") {
            Some(proto) if trusted => proto.eq_ignore_ascii_case("https"),
            Some(_) | None => peer.tls.is_some(),
        };
        let tls = peer.tls;
        let reported_host = forwarded.as_ref().and_then(|forwarded| forwarded.host);
        let reading = Reading::at(reported_host.unwrap_or(arrived.host()), arrived.path(), config);
        Ok(Self { parts, arrived, reading, forwarded, client, secure, tls })
    }

    /// Reads a request that the server makes of itself. Nothing is forwarded, whoever the client is.
    pub(crate) fn read_own(
        parts: &'r Parts,
        peer: Peer,
        config: &ServerConfig,
    ) -> Result<Self, S3Error> {
        let arrived = HttpRequestHead::from_parts(parts)
            .map_err(|cause| S3Error::new(Code::BadRequest).because(cause))?;
        let reading = Reading::at(arrived.host(), arrived.path(), config);
        let (client, secure, tls) = (peer.address, peer.tls.is_some(), peer.tls);
        Ok(Self { parts, arrived, reading, forwarded: None, client, secure, tls })
    }

    /// The head as it arrived.
    pub(crate) fn parts(&self) -> &'r Parts {
        self.parts
    }

    pub(crate) fn method(&self) -> &'r Method {
        &self.parts.method
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&'r str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The client's address, for policies and the log.
    pub(crate) fn client(&self) -> IpAddr {
        self.client
    }

    /// Whether the client's own connection was TLS, perhaps up to a trusted proxy.
    pub(crate) fn secure(&self) -> bool {
        self.secure
    }

    /// The TLS version of the connection to this server, if it is TLS.
    pub(crate) fn tls(&self) -> Option<TlsVersion> {
        self.tls
    }

    /// The query as it arrived, without its `?`.
    pub(crate) fn query(&self) -> &'r str {
        self.arrived.query()
    }

    /// The host that the client named: as the trusted proxy reports it, otherwise `Host`.
    pub(crate) fn named_host(&self) -> &'r str {
        self.forwarded.as_ref().and_then(|forwarded| forwarded.host).unwrap_or(self.arrived.host())
    }

    /// The path prefix below which the client sees this server: as the trusted proxy reports it, otherwise the
    /// declared prefix that the path begins with.
    pub(crate) fn named_prefix(&self) -> &'r str {
        let forwarded = self.forwarded.as_ref().and_then(|forwarded| forwarded.prefix);
        forwarded.unwrap_or_else(|| self.reading.prefix())
    }

    /// The style, bucket and key that the request names.
    pub(crate) fn reading(&self) -> &Reading<'r> {
        &self.reading
    }

    /// The prefix that a trusted proxy reports it has taken off the path.
    pub(crate) fn reported_prefix(&self) -> Option<&'r str> {
        self.forwarded.as_ref()?.prefix.filter(|prefix| !prefix.is_empty())
    }

    /// What `presign` needs to read and verify a signature.
    pub(crate) fn signed_part(&self) -> RequestHead<'_> {
        self.arrived.head()
    }

    /// Every name of this server that the signature may cover, that of the request as it arrived first. A name
    /// counts only if the request, read at that name, has the very same style, bucket and key: nothing is
    /// verified as one request and executed as another.
    pub(crate) fn signed_names(
        &self,
        config: &ServerConfig,
        reported: ReportedPrefix,
    ) -> SignedNames<'_> {
        let mut names = SignedNames { reading: &self.reading, names: Vec::with_capacity(1) };
        let SignedHost { host, path, .. } = self.arrived.signed_host();
        let stripped = self.reading.prefix();
        let named = self.named_host() == host;
        if named || Reading::at(host, path, config).is_same_as(&self.reading) {
            names.add(Cow::Borrowed(host), Cow::Borrowed(path), Cow::Borrowed(stripped));
        }
        let below = self.reading.below();
        let mut add = |host: Cow<'r, str>, prefix: &str, by: Origin| {
            let path = format!("{prefix}{below}");
            let there = Reading::at(&host, &path, config);
            // A proxy may say how hosts are read that nobody declared; for declared hosts the configuration
            // decides.
            let believed =
                by == Origin::Reported && !config.knows(&host) && there.prefix().is_empty();
            if believed || there.is_same_as(&self.reading) {
                names.add(host, Cow::Owned(path), Cow::Owned(prefix.to_owned()));
            }
        };
        if let Some(Forwarded { host, prefix }) = &self.forwarded {
            let host = Cow::Borrowed(host.unwrap_or(self.arrived.host()));
            match (prefix, reported) {
                (Some(prefix), ReportedPrefix::Believed) => add(host, prefix, Origin::Reported),
                (Some(_), ReportedPrefix::OfOthers) | (None, _) => {
                    add(host, stripped, Origin::Declared);
                }
            }
        }
        for url in &config.public_urls {
            let host = match self.reading.virtual_bucket() {
                Some(bucket) => format!("{bucket}.{}", url.host),
                None => url.host.clone(),
            };
            add(Cow::Owned(host), &url.prefix, Origin::Declared);
        }
        names
    }
}

/// Who says that a host is a name of this server, and with which prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The configuration declares it.
    Declared,
    /// A trusted proxy reports it.
    Reported,
}

/// What follows from the prefix that a trusted proxy reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportedPrefix {
    Believed,
    /// The first segment of the prefix is the name of a bucket, or begins the server's own paths. So a path below
    /// it may have been meant for those: no signature is verified at such a name.
    OfOthers,
}

/// The names under which the request may have been signed, and the reading at each of them.
#[derive(Debug)]
pub(crate) struct SignedNames<'n> {
    reading: &'n Reading<'n>,
    names: Vec<SignedName<'n>>,
}

#[derive(Debug)]
struct SignedName<'n> {
    host: Cow<'n, str>,
    path: Cow<'n, str>,
    prefix: Cow<'n, str>,
}

impl<'n> SignedNames<'n> {
    fn add(&mut self, host: Cow<'n, str>, path: Cow<'n, str>, prefix: Cow<'n, str>) {
        let known = self.names.iter().any(|name| name.host == host && name.path == path);
        if !known && self.names.len() < SIGNED_HOSTS_MAX {
            self.names.push(SignedName { host, path, prefix });
        }
    }

    /// The names as `presign` takes them.
    pub(crate) fn hosts(&self) -> Vec<SignedHost<'_>> {
        let virtual_bucket = self.reading.virtual_bucket();
        let names = self.names.iter();
        names
            .map(|SignedName { host, path, prefix }| SignedHost {
                host,
                path,
                prefix,
                virtual_bucket,
            })
            .collect()
    }
}

impl<'r> Forwarded<'r> {
    fn read(headers: &'r HeaderMap) -> Option<Self> {
        let host = last_text(headers, "x-forwarded-host");
        let prefix = last_text(headers, "x-forwarded-prefix");
        let prefix = prefix.map(|prefix| prefix.trim_end_matches('/'));
        (host.is_some() || prefix.is_some()).then_some(Self { host, prefix })
    }
}

/// The last value of a header: the nearest proxy, which is trusted, appended it.
fn last_text<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let last = line.rsplit(',').next().unwrap_or(line).trim();
    (!last.is_empty()).then_some(last)
}

/// The right-most address that no trusted proxy owns.
fn client_address(headers: &HeaderMap, peer: Peer, config: &ServerConfig) -> IpAddr {
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    let mut client = peer.address;
    for hop in lines.iter().rev().take(FORWARDED_HOPS_MAX) {
        let Some(address) = parse_address(hop.trim()) else { break };
        client = address;
        if !config.trusts(address) {
            break;
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, with or without a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Some(socket.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Whether the client sends its body only after a `100 Continue` (`Expect`). If such a request is refused at
/// once, the client may skip the body and send its next request, which must not be read as that body. So the
/// connection is closed after the refusal.
pub(crate) fn waits_to_send(parts: &Parts) -> bool {
    let waits = parts
        .headers
        .get(EXPECT)
        .is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    waits && parts.version == Version::HTTP_11
}
