//! Requests that the server makes of itself for a managed link. They come in by the same door as those of whoever is sent on
//! to a presigned URL, and are judged alike.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use store::ManagedLink;
use tokio::time::Instant;

use super::visit::ShortRequest;
use crate::body::RequestBody;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::error::{S3Error, refusal};
use crate::gate::{Gate, LentRequest};
use crate::head::{Head, Peer};
use crate::own_request::{OWN_HOST, own_endpoint, own_request};
use crate::request::Site;
use crate::respond::Reply;
use crate::s3::routed::{Routed, Signed};

/// Makes requests in the name of one client, for as long as that one is being answered.
#[derive(Clone, Debug)]
pub(super) struct OwnRequests {
    gate: Arc<Gate>,
    config: Arc<ServerConfig>,
    context: Arc<RequestContext>,
    begun: Instant,
    takes_uses: bool,
}

impl ShortRequest<'_> {
    /// What the server would answer to a request that the link lends, from the address of this client.
    pub(super) async fn ask(
        &self,
        link: &ManagedLink,
        request: &LentRequest<'_>,
    ) -> Result<Reply, S3Error> {
        self.own_requests().ask(link, request).await
    }

    /// The same for a request with a body.
    pub(super) async fn ask_sending(
        &self,
        link: &ManagedLink,
        request: &LentRequest<'_>,
        body: Bytes,
    ) -> Result<Reply, S3Error> {
        self.own_requests().ask_sending(link, request, body).await
    }

    /// Makes requests that take uses of their link as a client's would.
    fn own_requests(&self) -> OwnRequests {
        let ShortRequest { services, context, .. } = *self;
        OwnRequests {
            gate: Arc::clone(&services.gate),
            config: Arc::clone(&services.config),
            context: Arc::clone(context),
            begun: Instant::now(),
            takes_uses: true,
        }
    }

    /// Makes requests that take no use of their link: a use was taken before, or none is needed.
    pub(super) fn own_requests_within_a_use(&self) -> OwnRequests {
        OwnRequests { takes_uses: false, ..self.own_requests() }
    }
}

impl OwnRequests {
    /// The time of the next request: the client's request may be answered for hours.
    pub(super) fn now(&self) -> Timestamp {
        let begun = self.context.now;
        let elapsed = SignedDuration::try_from(self.begun.elapsed()).unwrap_or(SignedDuration::MAX);
        begun.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// What the server would answer to a request that the link lends, from the address of the client.
    pub(super) async fn ask(
        &self,
        link: &ManagedLink,
        request: &LentRequest<'_>,
    ) -> Result<Reply, S3Error> {
        self.ask_sending(link, request, Bytes::new()).await
    }

    async fn ask_sending(
        &self,
        link: &ManagedLink,
        request: &LentRequest<'_>,
        body: Bytes,
    ) -> Result<Reply, S3Error> {
        let (gate, context, now) = (&self.gate, &*self.context, self.now());
        let endpoint = own_endpoint()?;
        let lent = gate.lend(link, (request, &endpoint), now).await?;
        let mut parts = own_request(request.method, &lent)?;
        if !body.is_empty() {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let parts = Arc::new(parts);
        let peer = Peer { address: context.client, tls: context.tls };
        let head = Head::read_own(&parts, peer, &self.config)?;
        let routed = Routed::read(&head)?;
        let caller = gate.authenticate(&head, now).await.map_err(refusal::of_authentication)?;
        let caller = Arc::new(if self.takes_uses { caller } else { caller.within_a_use() });
        let context = Arc::new(RequestContext {
            parts: Arc::clone(&parts),
            now,
            host: OWN_HOST.to_owned(),
            prefix: String::new(),
            virtual_hosted: false,
            work: Arc::default(),
            ..context.clone()
        });
        let site = Site { config: &self.config, host: OWN_HOST };
        let signed = Signed { caller: &caller, context: &context, site };
        let mut body = RequestBody::from_memory(body, &parts.headers);
        Box::pin(routed.answer(gate, signed, &mut body)).await
    }
}
