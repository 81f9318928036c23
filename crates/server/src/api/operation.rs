//! The trait of API operations: how a call is read and signed, which permission it needs, and what it does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::StatusCode;
use iam::Values;
use presign::{Mechanism, QueryPairs};
use store::{BucketName, ObjectKey};

use super::document::{AnswerDocument, RequestDocument};
use super::error::{ApiCode, ApiError};
use super::path::PathValues;
use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::S3Error;
use crate::gate::{AdmissibleApiCall, Authorized, Caller, Gate};
use crate::notes::RequestNotes;
use crate::respond::Reply;

pub(super) use crate::gate::ApiPermission;

/// One operation of the API: a struct that implements this trait, and a row of the table of routes.
pub(super) trait ApiOperation: Sized + Send + Sync + 'static {
    /// How calls of this operation are signed.
    const SIGNED: SignedBy = SignedBy::Header;

    /// The query parameter that names a bucket: its CORS rules say which pages of other origins may call this
    /// operation. `None`: no page may.
    const PAGES: Option<&'static str> = None;

    /// The query parameters that a call may have, besides those of its signature. Each stands once.
    const PARAMETERS: &'static [&'static str] = &[];

    /// The status of an answer that is no refusal.
    const STATUS: StatusCode;

    /// The document in the body of a call.
    type Request: RequestDocument;

    /// The document in the body of an answer.
    type Answer: AnswerDocument;

    /// Reads a call from its path and query. Nothing has been looked up yet, and the body has not been read.
    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError>;

    /// The permission that the call needs; there is no default.
    fn permission(&self) -> ApiPermission<'_>;

    /// The value of a condition key that only this operation knows. The key is in lower case.
    fn condition(&self, _key: &str) -> Option<Values<'_>> {
        None
    }

    /// The bucket and key that the call is about, for the log.
    fn object(&self) -> Option<(&BucketName, &ObjectKey)> {
        None
    }

    /// Does what the call asks for, and answers. Only [`Authorized`] lends the store.
    fn run(
        call: Authorized<Self>,
        document: Self::Request,
    ) -> impl Future<Output = Result<Self::Answer, ApiError>> + Send;
}

/// How the calls of an operation are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignedBy {
    /// By an `Authorization` header, as most calls of S3 are.
    Header,
    /// By a link, which can call this operation and nothing else of the API.
    Link,
}

impl SignedBy {
    pub(super) fn mechanism(self) -> Mechanism {
        match self {
            Self::Header => Mechanism::V4Header,
            Self::Link => Mechanism::V4Query,
        }
    }

    /// What is told to somebody who signed in the other way. `None`: there is nothing to add.
    pub(super) fn otherwise(self, signed: Mechanism) -> Option<&'static str> {
        match (self, signed) {
            (Self::Header, Mechanism::V4Query | Mechanism::V2Query) => {
                Some("This call is signed in its Authorization header, not by a link.")
            }
            (Self::Link, Mechanism::V4Header) => {
                Some("This call is made by a link: the renew link of a bundle.")
            }
            (Self::Header | Self::Link, _) => None,
        }
    }
}

/// What an operation may read of a call before the call is admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct ApiRequest<'r> {
    pub(super) path: &'r PathValues,
    /// The query string as on the wire; empty if there is none.
    pub(super) query: &'r str,
}

impl ApiRequest<'_> {
    /// The value of a query parameter, as on the wire.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        QueryPairs::new(self.query).find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Refuses parameters that no operation would read: a caller must not be answered as if one had been.
    fn has_only(&self, parameters: &[&str]) -> Result<(), ApiError> {
        let refused = |message, (name, value): (&str, &str)| {
            Err(S3Error::invalid_argument(message, name, value).into())
        };
        for (at, pair) in QueryPairs::new(self.query).enumerate() {
            let (name, _) = pair;
            if !parameters.contains(&name) {
                return refused(format!("This call has no query parameter `{name}`."), pair);
            }
            if QueryPairs::new(self.query).take(at).any(|(before, _)| before == name) {
                return refused(format!("The query parameter `{name}` stands twice."), pair);
            }
        }
        Ok(())
    }

    /// The value of a parameter in the path, by its name in the template of the operation's row.
    pub(super) fn path(&self, name: &str) -> Result<&str, ApiError> {
        self.path.get(name).ok_or_else(|| ApiError::new(ApiCode::InternalError))
    }
}

/// The part of an operation that the gate asks about.
impl<O: ApiOperation> AdmissibleApiCall for O {
    fn permission(&self) -> ApiPermission<'_> {
        ApiOperation::permission(self)
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        ApiOperation::condition(self, key)
    }
}

/// An authenticated call, before its operation is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignedCall<'r> {
    pub(super) gate: &'r Arc<Gate>,
    pub(super) caller: &'r Arc<Caller>,
    pub(super) context: &'r Arc<RequestContext>,
    pub(super) path: &'r PathValues,
}

/// The answer of an operation, while it is being made.
pub(super) type Answering<'r> = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send + 'r>>;

/// Reads, admits and runs one operation.
pub(super) fn execute<'r, O: ApiOperation>(
    call: SignedCall<'r>,
    body: &'r mut RequestBody,
    notes: &'r mut RequestNotes,
) -> Answering<'r> {
    Box::pin(async move {
        let SignedCall { gate, caller, context, path } = call;
        let query = context.parts.uri.query().unwrap_or_default();
        let request = ApiRequest { path, query };
        // The query of a link is the link, which its operation reads.
        if O::SIGNED == SignedBy::Header {
            request.has_only(O::PARAMETERS)?;
        }
        let operation = O::read(&request)?;
        if let Some((bucket, key)) = operation.object() {
            (notes.bucket, notes.key) = (Some(bucket.clone()), Some(key.clone()));
        }
        let call = gate.admit_api_call(operation, caller, context).await?;
        let document = O::Request::read(call.access(), body).await?;
        Ok(O::run(call, document).await?.reply(O::STATUS))
    })
}
