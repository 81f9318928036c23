//! Requests that the server makes of itself for somebody whom it knows: a distribution, or everybody. They are judged at the
//! same gate as those of any client.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::HOST;
use hyper::{HeaderMap, Method, Request};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::gate::{Caller, Gate};
use crate::head::{Head, Peer, TlsVersion};
use crate::own_request::OWN_HOST;
use crate::request::Site;
use crate::respond::Reply;
use crate::s3::routed::{Routed, Signed};

/// A request of S3 without its method, in the name of one client's request.
#[derive(Clone, Debug)]
pub(crate) struct InnerRequest {
    pub(crate) gate: Arc<Gate>,
    /// How objects are sent.
    pub(crate) config: Arc<ServerConfig>,
    /// That of the client's request.
    pub(crate) context: Arc<RequestContext>,
    pub(crate) caller: Arc<Caller>,
    /// Bucket and key, encoded, and the query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// The address that policies see.
    pub(crate) client: IpAddr,
    /// The version of TLS that policies see.
    pub(crate) tls: Option<TlsVersion>,
    /// The value of `aws:SecureTransport`.
    pub(crate) secure: bool,
    pub(crate) begun: Instant,
}

impl InnerRequest {
    /// What the server answers.
    pub(crate) async fn ask(
        &self,
        method: &Method,
        more: HeaderMap,
        body: &mut RequestBody,
    ) -> Result<Reply, S3Error> {
        let Self { gate, config, caller, target, .. } = self;
        let broken = |cause| S3Error::new(Code::BadRequest).because(cause);
        let made = Request::builder().method(method).uri(target).header(HOST, OWN_HOST);
        let (mut parts, ()) = made.body(()).map_err(broken)?.into_parts();
        parts.headers.extend(self.headers.clone());
        parts.headers.extend(more);
        let parts = Arc::new(parts);
        let peer = Peer { address: self.client, tls: self.tls };
        let head = Head::read_own(&parts, peer, config)?;
        let routed = Routed::read(&head)?;
        let context = Arc::new(RequestContext {
            parts: Arc::clone(&parts),
            config: Arc::clone(config),
            now: self.now(),
            client: self.client,
            tls: self.tls,
            secure: self.secure,
            host: OWN_HOST.to_owned(),
            prefix: String::new(),
            virtual_hosted: false,
            work: Arc::default(),
            ..self.context.as_ref().clone()
        });
        let site = Site { config, host: OWN_HOST };
        let signed = Signed { caller, context: &context, site };
        Box::pin(routed.answer(gate, signed, body)).await
    }

    /// The time: a body may be read for hours.
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.begun.elapsed()).unwrap_or(SignedDuration::MAX);
        self.context.now.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}
