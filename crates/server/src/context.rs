//! The circumstances of one request: what operations and policies may know beside the operation's own
//! parameters.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::http::request::Parts;
use jiff::Timestamp;

use crate::config::ServerConfig;
use crate::head::TlsVersion;
use crate::uploads::Uploads;

/// The circumstances of one request.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    /// The head as it arrived, for condition keys of policies that name a header.
    pub(crate) parts: Arc<Parts>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) now: Timestamp,
    /// The client's address, for policies and the log.
    pub(crate) client: IpAddr,
    /// The TLS version of the connection to this server, if it is TLS.
    pub(crate) tls: Option<TlsVersion>,
    /// Whether the client's own connection was TLS, perhaps up to a trusted proxy.
    pub(crate) secure: bool,
    /// The host that the client named.
    pub(crate) host: String,
    /// The path prefix that the client used before bucket and key.
    pub(crate) prefix: String,
    /// Whether the host named the bucket (`pics.s3.example.com`).
    pub(crate) virtual_hosted: bool,
    /// The budget of comparisons that all decisions about this request share.
    pub(crate) work: Arc<iam::Work>,
    /// The room for the bodies of this client's uploads.
    pub(crate) uploads: Uploads,
}

impl RequestContext {
    /// Scheme, host and path prefix by which the client reaches this server.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.prefix)
    }

    /// Scheme, host and path prefix of links for others: the first public URL, or else what the client uses itself.
    pub(crate) fn public_origin(&self) -> String {
        self.config.public_urls.first().map_or_else(
            || self.origin(),
            |url| format!("{}://{}{}", url.scheme, url.host, url.prefix),
        )
    }
}
