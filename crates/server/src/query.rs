//! The Query protocol of IAM and STS: a signed form names an operation, and the answer is XML.
//!
//! The signature covers the hash of the body: `signed_call` reads it and proves who calls.

mod admission;
pub(crate) mod answer;
mod authenticated;
pub(crate) mod error;
pub(crate) mod form;
pub(crate) mod operation;

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use presign::SignatureClaim;

use crate::authentication::{AuthenticationError, Service};
use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::gate::Caller;
use crate::head::Head;
use crate::notes::ClaimedSender;
use crate::notes::RequestNotes;
use crate::respond::{Ids, Reply};
use crate::services::Services;
use crate::signed_call::{CallRefusal, SignedCall, read};
use answer::QueryReply;
use error::{QueryCode, QueryError};
use form::Form;

pub(crate) use authenticated::AuthenticatedCall;

/// The longest body of an unsigned call: a token of 20,000 characters and a policy of 2,048, encoded.
const ANONYMOUS_BODY_BYTES_MAX: usize = 128 * 1024;
/// Where a request without an action is redirected, as AWS does (semantics 4.1.2).
const ABOUT: &str = "https://aws.amazon.com/iam";
/// The only action that needs no signature, because the token of the identity provider proves who asks.
const UNSIGNED_ACTION: &str = "AssumeRoleWithWebIdentity";

/// A call as it arrived.
#[derive(Clone, Copy)]
pub(crate) struct QueryRequest<'r> {
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) ids: &'r Ids,
}

/// The service, IAM or STS, that a call is for.
#[derive(Debug)]
pub(crate) struct QueryEndpoint {
    service: Service,
}

/// Which of the two services a request at the root of the server is for; `None`: neither. A signed request says
/// so in its credential scope. An unsigned one is for STS if it names an action.
pub(crate) fn endpoint(head: &Head<'_>) -> Option<QueryEndpoint> {
    if head.reading().resource().bucket.is_some() {
        return None;
    }
    match SignatureClaim::from_request(&head.signed_part()) {
        Ok(Some(claim)) => match claim.scope()?.service.as_ref() {
            "iam" => Some(QueryEndpoint { service: Service::Iam }),
            "sts" => Some(QueryEndpoint { service: Service::Sts }),
            _ => None,
        },
        Ok(None) => {
            let posted = head.method() == Method::POST && is_form(head);
            let asked = head.query().split('&').any(|pair| pair.starts_with("Action="));
            (posted || asked).then_some(QueryEndpoint { service: Service::Sts })
        }
        Err(_) => None,
    }
}

fn is_form(head: &Head<'_>) -> bool {
    let kind = head.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl QueryEndpoint {
    /// Answers the call, refusals included.
    pub(crate) async fn answer(
        self,
        services: &Services,
        asked: QueryRequest<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Reply {
        let call = Call { services, asked, service: self.service };
        notes.service = Some(self.service);
        let request_id = &asked.ids.request_id;
        let mut reply = match call.answer(body, notes).await {
            Ok(Answered::Done { action, reply }) => {
                answer::success(self.service, action, reply, request_id)
            }
            Ok(Answered::Elsewhere) => {
                let mut reply = Reply::new(StatusCode::FOUND);
                reply.set(LOCATION, HeaderValue::from_static(ABOUT));
                reply
            }
            Err(Refused { error, known }) => {
                notes.code = Some(error.code().wire());
                notes.reason = Some(error.message().to_owned());
                if notes.caller.is_none() {
                    notes.claimed = Some(ClaimedSender::by_request(asked.head));
                }
                if let Some(cause) = error.cause() {
                    tracing::debug!(request_id, %cause, "a call of the Query protocol was refused");
                }
                answer::refusal(known.then_some(self.service), &error, request_id)
            }
        };
        reply.set_text(HeaderName::from_static("x-amzn-requestid"), request_id);
        reply
    }
}

/// The outcome of a call.
enum Answered {
    Done {
        action: &'static str,
        reply: QueryReply,
    },
    /// The request names no action, so it is redirected to a page about IAM.
    Elsewhere,
}

/// A refusal. `known` says whether the operation exists, which decides the shape of the answer.
struct Refused {
    error: QueryError,
    known: bool,
}

impl From<QueryError> for Refused {
    fn from(error: QueryError) -> Self {
        Self { error, known: true }
    }
}

impl From<CallRefusal> for Refused {
    fn from(refusal: CallRefusal) -> Self {
        error::of_call(refusal).into()
    }
}

impl From<AuthenticationError> for Refused {
    fn from(error: AuthenticationError) -> Self {
        error::of_authentication(error).into()
    }
}

#[derive(Clone, Copy)]
struct Call<'r> {
    services: &'r Services,
    asked: QueryRequest<'r>,
    service: Service,
}

impl Call<'_> {
    async fn answer(
        self,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Answered, Refused> {
        let QueryRequest { head, context, .. } = self.asked;
        let posted = head.method() == Method::POST;
        if posted && !is_form(head) {
            return Ok(Answered::Elsewhere);
        }
        let signed = head.signed_part();
        let claim = SignatureClaim::from_request(&signed).map_err(AuthenticationError::Claim)?;
        let gate = &self.services.gate;
        // Before the body is read: the time, region and service of the signature must be right, and the access
        // key must exist.
        let claim = claim.map(|claim| gate.admit_claim(claim, self.service, context.now));
        let Some(claim) = claim.transpose()? else {
            let mut slot = self.services.rooms.anonymous.enter(head.client());
            let answering = async {
                let bytes = read(posted.then_some(body), ANONYMOUS_BODY_BYTES_MAX).await?;
                self.perform(Caller::Anonymous, &bytes, notes).await
            };
            return slot.keep(answering).await.unwrap_or(Err(CallRefusal::CrowdedOut.into()));
        };
        let call = SignedCall { services: self.services, head, context, service: self.service };
        let proven = call.prove(claim, posted.then_some(body)).await?;
        self.perform(Caller::Signed(proven.caller), &proven.bytes, notes).await
    }

    /// Executes the call of an authenticated caller.
    async fn perform(
        self,
        caller: Caller,
        bytes: &Bytes,
        notes: &mut RequestNotes,
    ) -> Result<Answered, Refused> {
        let QueryRequest { head, .. } = self.asked;
        let posted = head.method() == Method::POST;
        let caller = Arc::new(caller);
        notes.caller = Some(Arc::clone(&caller));
        let form = Form::parse(if posted { bytes } else { head.query().as_bytes() })?;
        let Some(action) = form.get("Action").filter(|action| !action.is_empty()) else {
            return Ok(Answered::Elsewhere);
        };
        if matches!(*caller, Caller::Anonymous) && action != UNSIGNED_ACTION {
            return Err(QueryError::new(QueryCode::MissingAuthenticationToken).into());
        }
        let version = form.get("Version");
        if version != Some(answer::version(self.service)) {
            return Err(no_operation(action, version));
        }
        let asked = AuthenticatedCall {
            gate: &self.services.gate,
            service: self.service,
            context: self.asked.context,
            caller: &caller,
            form: &form,
        };
        let found = match self.service {
            Service::Iam => crate::iam::dispatch(action, asked, notes).await,
            Service::Sts | Service::S3 | Service::CloudFront => {
                crate::sts::dispatch(action, asked, notes).await
            }
        };
        match found {
            Some((action, outcome)) => Ok(Answered::Done { action, reply: outcome? }),
            None => Err(no_operation(action, version)),
        }
    }
}

fn no_operation(action: &str, version: Option<&str>) -> Refused {
    let version = version.unwrap_or("NO_VERSION_SPECIFIED");
    let message = format!("Could not find operation {action} for version {version}");
    Refused { error: QueryError::with_message(QueryCode::InvalidAction, message), known: false }
}

fn throttled() -> QueryError {
    QueryError::new(QueryCode::Throttling)
}

/// The answer in place of one that its connection has no room for.
pub(crate) fn no_room(service: Service, ids: &Ids, notes: &mut RequestNotes) -> Reply {
    let error = throttled();
    notes.code = Some(error.code().wire());
    notes.reason = Some(error.message().to_owned());
    let mut reply = answer::refusal(Some(service), &error, &ids.request_id);
    reply.set_text(HeaderName::from_static("x-amzn-requestid"), &ids.request_id);
    reply
}
