//! The surface of S3: takes a routed request to its operation, and returns the answer.

use std::sync::Arc;

use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method};
use presign::{LinkConditions, Mechanism};
use store::{BucketName, ObjectKey};

use crate::body::RequestBody;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::gate::{AdmissionRequest, Caller, Gate, LinkTerms};
use crate::head::Head;
use crate::notes::RequestNotes;
use crate::request::{Query, S3Request, Site};
use crate::respond::Reply;
use crate::route::{self, Call, Target};
use crate::s3::{BUCKET_REGION, table};

/// An authenticated request: its sender and its circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'r> {
    pub(crate) caller: &'r Arc<Caller>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) site: Site<'r>,
}

/// A routed request, before its sender is authenticated.
#[derive(Debug)]
pub(crate) struct Routed<'r> {
    pub(crate) target: Target,
    pub(crate) query: Query<'r>,
    pub(crate) call: Call,
}

impl<'r> Routed<'r> {
    pub(crate) fn read(head: &Head<'r>) -> Result<Self, S3Error> {
        let (parts, reading, query) = (head.parts(), head.reading(), head.query());
        let target = route::target(reading.resource())?;
        let query = Query::parse(query)?;
        let headers = &parts.headers;
        let request = S3Request::new(&query, headers);
        let copies = parts.method == Method::PUT && request.has_header("x-amz-copy-source");
        let call = route::call(&parts.method, &target, &query, copies).map_err(|refused| {
            // With `PUT /files`, where `/files` is a declared prefix, the client means a bucket `files`. The
            // refusal says why there can be none.
            let is_prefix = matches!(target, Target::Service) && !reading.prefix().is_empty();
            if is_prefix && refused.code() == Code::MethodNotAllowed {
                return route::is_prefix(&parts.method, reading.prefix());
            }
            refused
        })?;
        Ok(Self { target, query, call })
    }

    /// A sub-resource decides what a request means, so the signature must cover it.
    fn refuse_unsigned_meaning(&self, caller: &Caller) -> Result<(), S3Error> {
        let Some(signature) = caller.signature() else { return Ok(()) };
        let unsigned = |name: &&str| {
            route::SUB_RESOURCES.binary_search(name).is_ok() && !signature.covers_query(name)
        };
        match self.query.iter().map(|(name, _)| name).find(unsigned) {
            None => Ok(()),
            Some(name) => Err(S3Error::with_message(
                Code::AccessDenied,
                format!("The signature does not cover the query parameter {name}"),
            )),
        }
    }

    /// Runs the operation of the request for an authenticated caller.
    pub(crate) async fn answer(
        self,
        gate: &Gate,
        signed: Signed<'_>,
        body: &mut RequestBody,
    ) -> Result<Reply, S3Error> {
        let Signed { caller, context, site } = signed;
        self.refuse_unsigned_meaning(caller)?;
        let request = self.request(&context.parts.headers).on(site);
        let link = LinkTerms::read(request.query.iter(), caller)?;
        refuse_anonymous_overrides(&self, caller)?;
        let asked = AdmissionRequest { request: &request, caller, context, link: link.as_ref() };
        let answered = table::dispatch(gate, self.call, asked, body).await;
        answered.map_err(|error| tell_region(error, &self, site.config))
    }

    fn request<'a>(&'a self, headers: &'a HeaderMap) -> S3Request<'a> {
        S3Request::new(&self.query, headers).about(self.bucket(), self.key())
    }

    fn bucket(&self) -> Option<&BucketName> {
        match &self.target {
            Target::Service => None,
            Target::Bucket(bucket) | Target::Object(bucket, _) => Some(bucket),
        }
    }

    fn key(&self) -> Option<&ObjectKey> {
        match &self.target {
            Target::Service | Target::Bucket(_) => None,
            Target::Object(_, key) => Some(key),
        }
    }

    /// Notes what the link is called, once its signature holds.
    pub(crate) fn note_label(&self, caller: &Caller, notes: &mut RequestNotes) {
        let is_link = caller.signature().is_some_and(|it| it.mechanism() == Mechanism::V4Query);
        let label = self.query.iter().find(|(name, _)| is_link && *name == LinkConditions::LABEL);
        notes.label = label.and_then(|(_, label)| label.parse().ok());
    }

    pub(crate) fn note(&self, notes: &mut RequestNotes) {
        notes.operation = self.call.name();
        notes.bucket = self.bucket().cloned();
        notes.key = self.key().cloned();
    }
}

/// Refuses overrides of headers on unsigned requests: they read an object as it is stored.
fn refuse_anonymous_overrides(routed: &Routed<'_>, caller: &Caller) -> Result<(), S3Error> {
    let reads = matches!(routed.call, Call::GetObject | Call::HeadObject);
    let anonymous = matches!(caller, Caller::Anonymous);
    if anonymous && reads && routed.query.iter().any(|(name, _)| name.starts_with("response-")) {
        return Err(S3Error::invalid_request(
            "Request specific response headers cannot be used for anonymous GET requests.",
        ));
    }
    Ok(())
}

/// Adds the bucket's region to a refusal for a wrong credential scope on the path of a bucket (semantics
/// 1.4.24a): SDKs sign again for it.
pub(crate) fn with_bucket_region(
    error: S3Error,
    routed: &Result<Routed<'_>, S3Error>,
    config: &ServerConfig,
) -> S3Error {
    let on_bucket = matches!(routed, Ok(Routed { target: Target::Bucket(_), .. }));
    if !on_bucket || !error.names_scope() {
        return error;
    }
    match HeaderValue::from_str(&config.region) {
        Ok(region) => error.header(BUCKET_REGION, region),
        Err(_) => error,
    }
}

/// Adds the bucket's region to the refusal of a `HeadBucket` or listing: SDKs look for it there (semantics
/// 1.4.24a).
fn tell_region(error: S3Error, routed: &Routed<'_>, config: &ServerConfig) -> S3Error {
    let lists = matches!(routed.call, Call::ListObjects | Call::ListObjectsV2 | Call::HeadBucket);
    match HeaderValue::from_str(&config.region) {
        Ok(region) if lists && error.code() == Code::AccessDenied => {
            error.header(BUCKET_REGION, region)
        }
        Ok(_) | Err(_) => error,
    }
}
