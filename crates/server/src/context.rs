//! The circumstances of one request: what operations and policies know of it beside its own parameters.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::http::request::Parts;
use jiff::Timestamp;

use crate::config::ServerConfig;
use crate::head::TlsVersion;
use crate::uploads::Uploads;

/// What operations know of the request beside their own parameters.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    /// The head as it arrived, for what only a policy may ask.
    pub(crate) parts: Arc<Parts>,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) now: Timestamp,
    /// The address a policy and the log name.
    pub(crate) client: IpAddr,
    /// The version of TLS that this server itself speaks with its peer.
    pub(crate) tls: Option<TlsVersion>,
    /// Whether the client's own connection was TLS.
    pub(crate) secure: bool,
    /// The host the client named.
    pub(crate) host: String,
    /// The path prefix the client used, which is no part of the bucket's path.
    pub(crate) prefix: String,
    /// Whether the host named the bucket.
    pub(crate) virtual_hosted: bool,
    /// The steps that its decisions have left together.
    pub(crate) work: Arc<iam::Work>,
    /// Where bodies come in that it sends.
    pub(crate) uploads: Uploads,
}
