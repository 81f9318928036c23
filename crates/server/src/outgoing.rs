//! An answer before it leaves the server: whether its connection may hold it, and the headers of every one.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HeaderValue, SERVER};

use crate::error::{Code, S3Error};
use crate::query;
use crate::respond::{Ids, Reply, ReplyBody};
use crate::seen::Seen;
use crate::unsent::Unsent;

/// The answer, if its connection may hold it until it is taken.
pub(crate) fn bound(
    mut reply: Reply,
    unsent: Option<&Unsent>,
    ids: &Ids,
    seen: &mut Seen,
) -> Result<Reply, S3Error> {
    let (Some(unsent), ReplyBody::Full(document)) = (unsent, &mut reply.body) else {
        return Ok(reply);
    };
    match (unsent.hold_document(std::mem::take(document)), seen.service) {
        (Some(held), _) => {
            *document = held;
            Ok(reply)
        }
        (None, Some(service)) => Ok(query::no_room(service, ids, seen)),
        (None, None) => Err(S3Error::new(Code::SlowDown)),
    }
}

/// A refusal; without what it repeats of the request where its connection may not hold so much.
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

/// What every answer has.
pub(crate) fn finish_headers(reply: &mut Reply, method: &Method, ids: &Ids) {
    ids.set_on(reply);
    reply.set(SERVER, HeaderValue::from_static("Valet"));
    if *method == Method::HEAD {
        // The length of what a GET would have sent is set by the operation; an error has no body at all.
        if reply.status.is_client_error() || reply.status.is_server_error() {
            reply.headers.remove(CONTENT_LENGTH);
        }
        reply.body = ReplyBody::Empty;
    }
}
