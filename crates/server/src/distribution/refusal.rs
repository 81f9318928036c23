//! What viewers are answered who get nothing.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use maud::{DOCTYPE, html};
use presign::CloudFrontRefusal;

use crate::respond::{Ids, Reply, ReplyBody};

/// The refusal of a signature: XML without ids (semantics 7.5.2).
pub(super) fn of_signature(refused: CloudFrontRefusal) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{}</Code><Message>{}</Message></Error>",
        refused.code(),
        refused.message()
    );
    let mut reply = Reply::new(StatusCode::FORBIDDEN);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    reply.body = ReplyBody::Full(body.into());
    reply
}

/// A page that says why the distribution itself cannot answer.
pub(super) fn page(status: StatusCode, why: &str, ids: &Ids) -> Reply {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "ERROR: The request could not be satisfied" }
            }
            body {
                h1 { (status.as_u16()) " ERROR" }
                h2 { "The request could not be satisfied." }
                p { (why) }
                p { "Request ID: " (ids.request_id) }
            }
        }
    };
    let mut reply = Reply::new(status);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    reply.body = ReplyBody::Full(page.into_string().into());
    reply
}
