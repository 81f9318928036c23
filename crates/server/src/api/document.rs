//! The documents of calls and answers, and how they are read and written.

use std::future::Future;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::body::RequestBody;
use crate::gate::StoreAccess;
use crate::respond::{Reply, ReplyBody};
use crate::s3::document;

/// The longest document of a call, in bytes.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The document in the body of a call. It is read only after the call has been admitted.
pub(super) trait RequestDocument: Sized + Send {
    /// The schema of the document, and whether there must be one; `None`: there is none.
    fn schema(generator: &mut SchemaGenerator) -> Option<(Schema, bool)>;

    /// Reads the document from the body.
    fn read(
        access: &StoreAccess,
        body: &mut RequestBody,
    ) -> impl Future<Output = Result<Self, ApiError>> + Send;
}

/// The document in the body of an answer.
pub(super) trait AnswerDocument: Send {
    /// The schema of the document; `None`: there is none.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;

    /// The answer with this document and this status.
    fn reply(self, status: StatusCode) -> Reply;
}

/// A JSON document with the members of `T`.
pub(super) struct Json<T>(pub(super) T);

/// A JSON document with the members of `T`, or an empty body.
pub(super) struct OptionalJson<T>(pub(super) Option<T>);

/// No document. Whoever sends one means something by it, and is refused.
pub(super) struct NoDocument;

impl<T: DeserializeOwned + JsonSchema + Send> RequestDocument for Json<T> {
    fn schema(generator: &mut SchemaGenerator) -> Option<(Schema, bool)> {
        Some((generator.subschema_for::<T>(), true))
    }

    async fn read(access: &StoreAccess, body: &mut RequestBody) -> Result<Self, ApiError> {
        parse(&collect(access, body).await?).map(Self)
    }
}

impl<T: DeserializeOwned + JsonSchema + Send> RequestDocument for OptionalJson<T> {
    fn schema(generator: &mut SchemaGenerator) -> Option<(Schema, bool)> {
        Some((generator.subschema_for::<T>(), false))
    }

    async fn read(access: &StoreAccess, body: &mut RequestBody) -> Result<Self, ApiError> {
        let bytes = collect(access, body).await?;
        let document = if bytes.is_empty() { None } else { Some(parse(&bytes)?) };
        Ok(Self(document))
    }
}

impl RequestDocument for NoDocument {
    fn schema(_: &mut SchemaGenerator) -> Option<(Schema, bool)> {
        None
    }

    async fn read(access: &StoreAccess, body: &mut RequestBody) -> Result<Self, ApiError> {
        if collect(access, body).await?.is_empty() {
            Ok(Self)
        } else {
            Err(ApiError::invalid_request("This call takes no document."))
        }
    }
}

impl<T: Serialize + JsonSchema + Send> AnswerDocument for Json<T> {
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self, status: StatusCode) -> Reply {
        let mut reply = Reply::new(status);
        reply.set(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let text = serde_json::to_vec(&self.0).unwrap_or_default();
        reply.body = ReplyBody::Full(Bytes::from(text));
        reply
    }
}

impl AnswerDocument for NoDocument {
    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn reply(self, status: StatusCode) -> Reply {
        Reply::new(status)
    }
}

async fn collect(access: &StoreAccess, body: &mut RequestBody) -> Result<Bytes, ApiError> {
    Ok(document::read(access, body, DOCUMENT_BYTES_MAX).await?)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would take an array for the members in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::invalid_request("The document must be a JSON object."));
    }
    serde_json::from_slice(body)
        .map_err(|cause| ApiError::invalid_request(format!("The document does not fit: {cause}.")))
}
