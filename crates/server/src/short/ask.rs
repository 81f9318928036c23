//! Requests that the server makes of itself for a managed link. They come in by the same door as those of whoever is sent on
//! to a presigned URL, and are judged alike.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use hyper::header::HOST;
use hyper::http::request::Parts;
use presign::{Endpoint, Presigned};
use store::ManagedLink;

use super::ShortRequest;
use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::{Code, S3Error, refusal};
use crate::gate::LentRequest;
use crate::head::{Head, Peer};
use crate::request::Site;
use crate::respond::Reply;
use crate::s3::routed::{Routed, Signed};

/// The name of this server in requests of its own: no client can be sent there.
pub(crate) const OWN_HOST: &str = "valet.internal";

impl ShortRequest<'_> {
    /// What the server would answer to a request that the link lends, from the address of this client.
    pub(super) async fn ask(
        &self,
        link: &ManagedLink,
        request: &LentRequest<'_>,
    ) -> Result<Reply, S3Error> {
        let (services, context) = (self.services, &**self.context);
        let endpoint = Endpoint::parse(&format!("http://{OWN_HOST}"))
            .map_err(|cause| S3Error::new(Code::InternalError).because(cause))?;
        let lent = services.gate.lend(link, (request, &endpoint), context.now).await?;
        let parts = Arc::new(own_request(request.method, &lent)?);
        let peer = Peer { address: context.client, tls: context.tls };
        let head = Head::read_own(&parts, peer, &services.config)?;
        let routed = Routed::read(&head)?;
        let caller = services.gate.authenticate(&head, context.now).await;
        let caller = Arc::new(caller.map_err(refusal::of_authentication)?);
        let context = Arc::new(RequestContext {
            parts: Arc::clone(&parts),
            host: OWN_HOST.to_owned(),
            prefix: String::new(),
            virtual_hosted: false,
            ..context.clone()
        });
        let site = Site { config: &services.config, host: OWN_HOST };
        let signed = Signed { caller: &caller, context: &context, site };
        let mut body = RequestBody::from_memory(Bytes::new(), &parts.headers);
        Box::pin(routed.answer(&services.gate, signed, &mut body)).await
    }
}

/// The head of a request that was signed for [`OWN_HOST`].
pub(crate) fn own_request(method: &str, signed: &Presigned) -> Result<Parts, S3Error> {
    let path = signed.url.strip_prefix("http://").and_then(|url| url.strip_prefix(OWN_HOST));
    let path = path.ok_or_else(|| S3Error::new(Code::InternalError))?;
    let mut made = Request::builder().method(method).uri(path).header(HOST, OWN_HOST);
    for (name, value) in &signed.headers {
        made = made.header(name, value);
    }
    let made = made.body(()).map_err(|cause| S3Error::new(Code::InternalError).because(cause))?;
    Ok(made.into_parts().0)
}
