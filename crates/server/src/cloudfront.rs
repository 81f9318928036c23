//! CloudFront's control API (REST-XML, version 2020-05-31): public keys, key groups, origin access controls, policies,
//! distributions and invalidations. What they lead to is in `distribution`.

mod call;
mod distribution;
mod documents;
mod error;
mod id;
mod invalidation;
mod listed_by;
mod policies;
mod resource;
mod resource_kinds;
mod schema;
mod table;
mod tagging;

use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH};
use presign::SignatureClaim;

use crate::authentication::{AuthenticationError, Service};
use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::gate::Caller;
use crate::head::Head;
use crate::notes::{ClaimedSender, RequestNotes};
use crate::request::Query;
use crate::respond::{Ids, Reply, ReplyBody};
use crate::services::Services;
use crate::signed_call::SignedCall;
use crate::xml::XmlWriter;
use call::{
    Admitted, ControlAccess, ControlOperation, ControlReply, ControlRequest, NAMESPACE,
    TaggedTarget, VERSION,
};
use error::{ControlCode, ControlError};

/// The path of a call below the version.
#[derive(Debug)]
pub(crate) struct ControlRoute(String);

/// Whether the request is a call of the control API: its path has the version, and its signature is for the service. What is
/// not signed is none, so no bucket loses a key to it.
pub(crate) fn route(head: &Head<'_>) -> Option<ControlRoute> {
    let path = head.reading().own_path()?.strip_prefix('/')?.strip_prefix(VERSION)?;
    let path = path.strip_prefix('/')?;
    let claim = SignatureClaim::from_request(&head.signed_part()).ok()??;
    let is_for_us = claim.scope().is_some_and(|scope| scope.service == Service::CloudFront.name());
    is_for_us.then(|| ControlRoute(path.trim_end_matches('/').to_owned()))
}

/// A call as it arrived.
#[derive(Clone, Copy)]
pub(crate) struct ControlArrival<'r> {
    pub(crate) services: &'r Services,
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) ids: &'r Ids,
}

impl ControlRoute {
    /// Answers the call, refusals included.
    pub(crate) async fn answer(
        self,
        arrival: ControlArrival<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Reply {
        let request_id = &arrival.ids.request_id;
        notes.service = Some(Service::CloudFront);
        let mut reply = match self.perform(arrival, body, notes).await {
            Ok(reply) => reply.into_reply(&arrival.context.origin()),
            Err(error) => {
                notes.code = Some(error.code().wire());
                notes.reason = Some(error.message().to_owned());
                if notes.caller.is_none() {
                    notes.claimed = Some(ClaimedSender::by_request(arrival.head));
                }
                if let Some(cause) = error.cause() {
                    tracing::debug!(request_id, %cause, "a call of the control API was refused");
                }
                refusal(&error, request_id)
            }
        };
        reply.set_text(HeaderName::from_static("x-amzn-requestid"), request_id);
        reply
    }

    async fn perform(
        self,
        arrival: ControlArrival<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<ControlReply, ControlError> {
        let ControlArrival { services, head, context, .. } = arrival;
        let service = Service::CloudFront;
        let denied = || ControlError::new(ControlCode::AccessDenied);
        let signed = head.signed_part();
        let claim = SignatureClaim::from_request(&signed).map_err(AuthenticationError::Claim)?;
        let claim = services.gate.admit_claim(claim.ok_or_else(denied)?, service, context.now)?;
        let call = SignedCall { services, head, context, service };
        let has_body = head.method() == hyper::Method::POST || head.method() == hyper::Method::PUT;
        let proven = call.prove(claim, has_body.then_some(body)).await?;
        let caller = Arc::new(Caller::Signed(proven.caller));
        notes.caller = Some(Arc::clone(&caller));
        let malformed = |_| ControlError::invalid("The query cannot be read.");
        let query = Query::parse(head.query()).map_err(malformed)?;
        let request = ControlRequest {
            ids: [""; 2],
            query: &query,
            if_match: head.header(IF_MATCH.as_str()),
            body: &proven.bytes,
        };
        let segments: Vec<&str> = self.0.split('/').collect();
        let authenticated = AuthenticatedControl { services, context, caller: &caller, notes };
        authenticated.dispatch(head.method(), &segments, request).await
    }
}

/// A call whose caller is known.
pub(crate) struct AuthenticatedControl<'r> {
    services: &'r Services,
    context: &'r Arc<RequestContext>,
    caller: &'r Arc<Caller>,
    notes: &'r mut RequestNotes,
}

impl AuthenticatedControl<'_> {
    /// Reads, admits and runs one operation.
    async fn execute<O: ControlOperation>(
        self,
        name: &'static str,
        request: ControlRequest<'_>,
    ) -> Result<ControlReply, ControlError> {
        self.notes.operation = name;
        let operation = O::read(&request)?;
        let denied = || ControlError::new(ControlCode::AccessDenied);
        let account = self.caller.account().ok_or_else(denied)?;
        let all = self.services.distributions.stored();
        let target = TaggedTarget::of_arn(&operation.resource(account), account, &all);
        let admitted = Admitted { operation, target };
        let admitted = self.services.gate.admit_call(admitted, self.caller, self.context).await?;
        let (Admitted { operation, target }, access) = admitted.split();
        operation.run(ControlAccess::new(access, target)).await
    }
}

fn refusal(error: &ControlError, request_id: &str) -> Reply {
    let status = error.code().status();
    let mut xml = XmlWriter::document();
    xml.raw(&format!("<ErrorResponse xmlns=\"{NAMESPACE}\">"));
    xml.element("Error", |xml| {
        xml.text("Type", if status.is_server_error() { "Receiver" } else { "Sender" });
        xml.text("Code", error.code().wire());
        xml.text("Message", error.message());
    });
    xml.text("RequestId", request_id);
    xml.raw("</ErrorResponse>");
    let mut reply = Reply::new(status);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    reply.body = ReplyBody::Full(xml.finish().into());
    reply
}
