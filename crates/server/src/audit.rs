//! One structured line a request, written when its answer is over, without anything secret in it.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use presign::LinkLabel;
use store::{BucketName, ManagedLink, ObjectKey};

use crate::authentication::is_link;
use crate::error::{Code, S3Error};
use crate::gate::SignedCaller;
use crate::link_ledger::{LinkLedger, Outcome};
use crate::metrics::{Answered, Requests};
use crate::notes::{ClaimedSender, RequestNotes, way};
use crate::notices::Notices;
use crate::respond::{Finished, Ids};

/// Measures durations. It does not tell the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// What the line says. It is written when the body of the answer is complete or dropped.
#[derive(Debug)]
pub(crate) struct RequestLog {
    pub(crate) requests: Arc<Requests>,
    pub(crate) ledger: Arc<LinkLedger>,
    pub(crate) notices: Notices,
    pub(crate) stopwatch: Stopwatch,
    pub(crate) ids: Ids,
    pub(crate) notes: RequestNotes,
    pub(crate) method: Method,
    pub(crate) status: StatusCode,
    pub(crate) code: Option<&'static str>,
    pub(crate) bytes_in: u64,
    /// What the client calls itself.
    pub(crate) agent: Option<HeaderValue>,
    /// The version that the answer names.
    pub(crate) version: Option<HeaderValue>,
    /// When the request came.
    pub(crate) at: Timestamp,
}

impl Finished for RequestLog {
    fn finished(self: Box<Self>, bytes_out: u64, whole: bool) {
        let Self {
            requests,
            ledger,
            notices,
            stopwatch,
            ids,
            notes,
            method,
            status,
            code,
            bytes_in,
            agent,
            version,
            at,
        } = *self;
        let elapsed = stopwatch.elapsed();
        let outcome = Outcome {
            method: method.as_str(),
            status,
            code,
            bytes: bytes_in.max(bytes_out),
            elapsed,
            agent: agent.as_ref(),
            version: version.as_ref(),
            at,
        };
        ledger.record(&notes, outcome);
        notices.note(&notes, &outcome);
        // The code was taken before, and no line tells of CORS.
        let RequestNotes {
            operation,
            bucket,
            key,
            caller,
            claimed,
            opened,
            label,
            reason,
            client,
            code: _,
            cors: _,
            service: _,
        } = notes;
        let signed = caller.as_ref().and_then(|caller| caller.signed());
        let mechanism = signed.map(|signed| signed.signature.mechanism());
        let link = link_of(signed, claimed.as_ref(), opened.as_deref());
        let claimed_way = claimed.as_ref().map_or("none", |claimed| claimed.way);
        let claimed_id = claimed.as_ref().and_then(|claimed| claimed.access_key_id.as_deref());
        requests.count(&Answered { operation, status, elapsed, bytes_in, bytes_out });
        tracing::info!(
            target: "valet::request",
            request_id = ids.request_id,
            operation,
            method = method.as_str(),
            status = status.as_u16(),
            code = code.unwrap_or("-"),
            reason = reason.as_deref().unwrap_or("-"),
            bucket = bucket.as_ref().map_or("-", BucketName::as_str),
            key = key.as_ref().map_or("-", ObjectKey::as_str),
            access_key_id = signed.map_or("-", |signed| signed.access_key_id.as_str()),
            claimed_access_key_id = claimed_id.unwrap_or("-"),
            authentication = mechanism.map_or(claimed_way, way),
            link = link.as_deref().unwrap_or("-"),
            label = label.as_ref().map_or("-", LinkLabel::as_str),
            client = client.map(|client| client.to_string()).as_deref().unwrap_or("-"),
            bytes_in,
            bytes_out,
            whole,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "answered",
        );
    }
}

/// The first sixteen hex digits of the fingerprint of the link that was used. They name the link and give no access.
fn link_of(
    signed: Option<&SignedCaller>,
    claimed: Option<&ClaimedSender>,
    opened: Option<&ManagedLink>,
) -> Option<String> {
    let link = signed
        .filter(|signed| is_link(signed.signature.mechanism()))
        .map(SignedCaller::fingerprint);
    let link = link.or_else(|| claimed?.link).or_else(|| opened.map(ManagedLink::fingerprint))?;
    Some(link.short())
}

/// What the log tells of a refusal beside its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoggedRefusal<'e> {
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) cause: Option<&'e (dyn StdError + Send + Sync + 'static)>,
}

impl<'e> From<&'e S3Error> for LoggedRefusal<'e> {
    fn from(error: &'e S3Error) -> Self {
        let code = error.code();
        Self { code: code.wire(), status: code.status(), cause: error.cause() }
    }
}

/// Logs why a request was refused or failed, for the operator. The answer tells the client less.
pub(crate) fn log_cause(refused: &LoggedRefusal<'_>, ids: &Ids, notes: &RequestNotes) {
    let LoggedRefusal { code, status, cause } = *refused;
    let cause = cause.map(ToString::to_string);
    let cause = cause.as_deref().unwrap_or("-");
    // An operation that is not supported (501) and a body that there is no room for (503) are the client's
    // affair, although their status is 5xx.
    let of_client = [Code::NotImplemented, Code::SlowDown].map(Code::wire).contains(&code);
    let (request_id, operation) = (ids.request_id.as_str(), notes.operation);
    if status.is_server_error() && !of_client {
        tracing::error!(request_id, operation, code, cause, "a request failed");
    } else {
        tracing::debug!(request_id, operation, code, cause, "a request was refused");
    }
}
