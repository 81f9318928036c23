//! The last steps of an answer: may its connection hold it in memory, and the headers that every answer has.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HeaderValue, SERVER};

use crate::error::{Code, S3Error};
use crate::notes::RequestNotes;
use crate::query;
use crate::respond::{Ids, Reply, ReplyBody};
use crate::unsent::Unsent;

/// Counts a whole answer against what its connection may hold. If it holds too much already, a short refusal is
/// sent instead.
pub(crate) fn bound(
    mut reply: Reply,
    unsent: Option<&Unsent>,
    ids: &Ids,
    notes: &mut RequestNotes,
) -> Result<Reply, S3Error> {
    let (Some(unsent), ReplyBody::Full(document)) = (unsent, &mut reply.body) else {
        return Ok(reply);
    };
    match (unsent.hold_document(std::mem::take(document)), notes.service) {
        (Some(held), _) => {
            *document = held;
            Ok(reply)
        }
        (None, Some(service)) => Ok(query::no_room(service, ids, notes)),
        (None, None) => Err(S3Error::new(Code::SlowDown)),
    }
}

/// A refusal, counted in the same way. If the connection holds too much already, details that repeat the
/// request are left out.
pub(crate) fn bound_refusal(error: &S3Error, unsent: Option<&Unsent>, ids: &Ids) -> Reply {
    let mut reply = Reply::refusal(error, ids);
    if let (Some(unsent), ReplyBody::Full(document)) = (unsent, &mut reply.body) {
        let held = unsent.hold_document(std::mem::take(document));
        *document = held.unwrap_or_else(|| {
            let short = S3Error::new(error.code()).to_xml(&ids.request_id, &ids.host_id);
            Bytes::from(short)
        });
    }
    reply
}

/// Sets the headers that every answer has.
pub(crate) fn finish_headers(reply: &mut Reply, method: &Method, ids: &Ids) {
    ids.set_on(reply);
    reply.set(SERVER, HeaderValue::from_static("Valet"));
    if *method == Method::HEAD {
        // The operation has set the length that a GET would send. The length of an error is removed, since a
        // HEAD has no body.
        if reply.status.is_client_error() || reply.status.is_server_error() {
            reply.headers.remove(CONTENT_LENGTH);
        }
        reply.body = ReplyBody::Empty;
    }
}
