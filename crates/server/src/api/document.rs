//! The documents of calls and answers, and how they are read and written.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use iam::AccountId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::RequestBody;
use crate::error::S3Error;
use crate::gate::Door;
use crate::respond::{Reply, ReplyBody};
use crate::s3::document;

/// Bytes of a request document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

pub(super) fn account(id: &str) -> Result<AccountId, S3Error> {
    AccountId::parse(id).map_err(|cause| {
        S3Error::invalid_request("An account is named by its 12 digits.").because(cause)
    })
}

/// Reads the document that the call sent.
pub(super) async fn read<T: DeserializeOwned>(
    door: &Door,
    body: &mut RequestBody,
) -> Result<T, S3Error> {
    parse(&document::read(door, body, DOCUMENT_BYTES_MAX).await?)
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, S3Error> {
    serde_json::from_slice(body).map_err(|cause| {
        // The parser's words name members and places and quote no values.
        S3Error::invalid_request(format!("The document does not fit: {cause}."))
    })
}

/// A document as answer.
pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Reply {
    let mut reply = Reply::new(status);
    reply.set(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let text = serde_json::to_vec(document).unwrap_or_default();
    reply.body = ReplyBody::Full(Bytes::from(text));
    reply
}
