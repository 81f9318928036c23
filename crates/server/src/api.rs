//! `/_valet/api/v1/`: Valet's own API, in JSON, for what the APIs of AWS do not have. Calls are signed by
//! header, as those of S3 are. Only the path that renews the links of an upload takes a link instead.

mod accounts;
mod description;
mod document;
mod error;
mod expiry;
mod explain;
mod link_rights;
mod links;
mod operation;
mod parts;
mod path;
mod revocations;
mod table;
mod uses;

use std::sync::Arc;

use hyper::header::ALLOW;
use hyper::{Method, StatusCode};
use presign::VerifiedSignature;
use schemars::JsonSchema;
use serde::Serialize;
use store::BucketName;

use crate::audit::{self, LoggedRefusal};
use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::S3Error;
use crate::gate::{Caller, Gate};
use crate::notes::RequestNotes;
use crate::request::Query;
use crate::respond::{Ids, Reply};
use crate::route::Level;
use document::{AnswerDocument as _, Json};
use error::{ApiCode, ApiError};
use operation::{SignedBy, SignedCall};
use path::PathValues;
use table::{ApiRow, ROUTES};

pub(crate) use description::document as description;

/// The operation in the log for a request to the API that is no call of any operation.
const NO_OPERATION: &str = "Api";

/// The operation of the API that a request's method and path name.
#[derive(Debug)]
pub(crate) struct ApiRoute {
    /// The rows of the table whose path fits, whatever their method. Empty: there is nothing at that path.
    rows: Vec<&'static ApiRow>,
    /// The row whose method fits as well, and the parameters in the path.
    found: Option<(&'static ApiRow, PathValues)>,
}

/// Who calls the API, and the circumstances of the call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiCaller<'r> {
    pub(crate) caller: &'r Arc<Caller>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) ids: &'r Ids,
}

/// The document of a refusal.
#[derive(JsonSchema, Serialize)]
struct RefusalDocument<'e> {
    error: ErrorMember<'e>,
}

#[derive(JsonSchema, Serialize)]
struct ErrorMember<'e> {
    /// The kind of the refusal, for programs.
    code: &'static str,
    /// What is wrong, for people.
    message: &'e str,
    /// The member or parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<&'e str>,
    /// Names the request in the log.
    request_id: &'e str,
}

impl ApiRoute {
    /// Reads the part of a path that follows `/_valet/api/v1`. Nothing in the path was percent-encoded.
    pub(crate) fn read(method: &Method, path: &str) -> Self {
        let fitting = |row: &'static ApiRow| Some((row, PathValues::of(row.path, path)?));
        let fitting: Vec<_> = ROUTES.iter().filter_map(fitting).collect();
        let rows = fitting.iter().map(|(row, _)| *row).collect();
        Self { rows, found: fitting.into_iter().find(|(row, _)| row.method == *method) }
    }

    /// The route of a path at which there is nothing.
    pub(crate) fn nowhere() -> Self {
        Self { rows: Vec::new(), found: None }
    }

    /// The name of the operation, for the log and the metrics.
    pub(crate) fn operation(&self) -> &'static str {
        self.found.as_ref().map_or(NO_OPERATION, |(row, _)| row.operation)
    }

    /// The bucket whose CORS rules say which pages may call this path. For the path that renews links, it is
    /// the bucket that the link names.
    pub(crate) fn page_place(&self, query: &str) -> Option<(Option<BucketName>, Level)> {
        let parameter = self.rows.iter().find_map(|row| row.pages)?;
        let query = Query::parse(query).ok();
        let bucket = query.as_ref().and_then(|query| query.get(parameter));
        Some((bucket.and_then(|bucket| BucketName::parse(bucket).ok()), Level::Object))
    }

    /// Answers the call, refusals included.
    pub(crate) async fn answer(
        &self,
        gate: &Arc<Gate>,
        caller: ApiCaller<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Reply {
        match self.run(gate, caller, body, notes).await {
            Ok(reply) => reply,
            Err(error) => self.refusal(&error, caller.ids, notes),
        }
    }

    /// Refuses a caller who was not authenticated.
    pub(crate) fn refuse(&self, error: S3Error, ids: &Ids, notes: &mut RequestNotes) -> Reply {
        self.refusal(&ApiError::from(error), ids, notes)
    }

    async fn run(
        &self,
        gate: &Arc<Gate>,
        caller: ApiCaller<'_>,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, ApiError> {
        let ApiCaller { caller, context, ids: _ } = caller;
        // A link lends one operation on one object, and no other part of the API.
        let expected = self.rows.first().map_or(SignedBy::Header, |row| row.signed);
        let signed = caller.signature().map(VerifiedSignature::mechanism);
        if signed != Some(expected.mechanism()) {
            let told = signed.filter(|_| !self.rows.is_empty());
            let told = told.and_then(|signed| expected.otherwise(signed));
            let denied = ApiError::new(ApiCode::AccessDenied);
            return Err(told
                .map_or(denied, |message| ApiError::with_message(ApiCode::AccessDenied, message)));
        }
        match &self.found {
            Some((row, path)) => {
                (row.execute)(SignedCall { gate, caller, context, path }, body, notes).await
            }
            None if self.rows.is_empty() => Err(ApiError::new(ApiCode::NoSuchPath)),
            None => Err(ApiError::new(ApiCode::MethodNotAllowed)),
        }
    }

    fn refusal(&self, error: &ApiError, ids: &Ids, notes: &mut RequestNotes) -> Reply {
        let (code, status) = (error.code(), error.status());
        audit::log_cause(&LoggedRefusal { code, status, cause: error.cause() }, ids, notes);
        notes.code = Some(code);
        let (message, request_id) = (error.message(), ids.request_id.as_str());
        let document = RefusalDocument {
            error: ErrorMember { code, message, argument: error.argument(), request_id },
        };
        let mut reply = Json(document).reply(status);
        if self.found.is_none() && status == StatusCode::METHOD_NOT_ALLOWED {
            let methods: Vec<&str> = self.rows.iter().map(|row| row.method.as_str()).collect();
            reply.set_text(ALLOW, &methods.join(", "));
        }
        reply
    }
}
