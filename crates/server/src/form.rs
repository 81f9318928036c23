//! Uploads by browser forms: a form is read up to its file, verified by the policy that it carries, and turned
//! into the request that it stands for (semantics 3).
//!
//! Headers and the query of the HTTP request are ignored: no signature covers what they say of the upload.

use std::ops::RangeInclusive;
use std::sync::Arc;

use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Uri};
use presign::{FormDecoder, FormFields, PostPolicy, SignatureClaim};
use store::{BucketName, ObjectKey};

use crate::body::{FormHead, RequestBody};
use crate::context::RequestContext;
use crate::error::form as refusal;
use crate::error::{Code, S3Error};
use crate::fields::{Form, METADATA};
use crate::gate::{AdmissionRequest, Caller, Gate, refuse_link_conditions};
use crate::head::Head;
use crate::metadata;
use crate::notes::ClaimedSender;
use crate::notes::RequestNotes;
use crate::operation::execute;
use crate::request::{Query, S3Request};
use crate::respond::Reply;
use crate::route;
use crate::s3::post::PostObject;

/// Fields that stand for the header of the same name. So do all whose names begin with `x-amz-`.
const HEADER_FIELDS: [HeaderName; 6] = [
    HeaderName::from_static("content-md5"),
    hyper::header::CACHE_CONTROL,
    hyper::header::CONTENT_DISPOSITION,
    hyper::header::CONTENT_ENCODING,
    CONTENT_TYPE,
    hyper::header::EXPIRES,
];
/// Fields that carry the signature. They stand for no header.
const PROOF_FIELDS: [&str; 5] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
];
const AMZ: &str = "x-amz-";

/// A `POST` on a bucket, which may be a form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormPost<'r> {
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) bucket: &'r BucketName,
    pub(crate) query: &'r Query<'r>,
}

impl FormPost<'_> {
    /// Answers a form. The order of checks is that of semantics 3.3.11, with one exception: the file's length
    /// is checked last, because nothing of the file is read before its sender is known to be allowed to write
    /// it.
    pub(crate) async fn answer(
        self,
        gate: &Gate,
        body: &mut RequestBody,
        notes: &mut RequestNotes,
    ) -> Result<Reply, S3Error> {
        let Self { head, context, bucket, query } = self;
        let content_type = head.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let decoder = FormDecoder::new(content_type).map_err(refusal::of_form)?;
        refuse_other_credentials(head)?;
        let mut slot = gate.documents().enter_form(context.client);
        let crowded_out = || Err(S3Error::new(Code::SlowDown));
        let read = slot.keep(body.read_form(decoder)).await.unwrap_or_else(crowded_out);
        drop(slot);
        let FormHead { fields, file_name, file_size } = read?;
        let proven = prove(gate, &fields, head, context).await;
        if proven.is_err() {
            notes.claimed = Some(ClaimedSender::by_form(&fields));
        }
        let caller = Arc::new(proven?);
        notes.caller = Some(Arc::clone(&caller));
        let fields = fields.with_file_name(file_name.as_deref()).map_err(refusal::of_form)?;
        refuse_link_conditions(query.iter().chain(fields.iter()))?;
        let sizes = judge(&caller, &fields, bucket, context)?;
        let form = Form { fields, sizes, file_size };
        let key = key_of(&form)?;
        notes.key = Some(key.clone());
        let headers = headers_of(&form)?;
        let query = Query::default();
        let request =
            S3Request::new(&query, &headers).about(Some(bucket), Some(&key)).of_form(&form);
        let parts = Arc::new(stand_in(&context.parts, &headers));
        let context = Arc::new(RequestContext { parts, ..(**context).clone() });
        let asked =
            AdmissionRequest { request: &request, caller: &caller, context: &context, link: None };
        execute::<PostObject>(gate, asked, body).await
    }
}

/// Authenticates the form. Checked in this order: required fields, credential scope, session and access key,
/// signature.
async fn prove(
    gate: &Gate,
    fields: &FormFields,
    head: &Head<'_>,
    context: &RequestContext,
) -> Result<Caller, S3Error> {
    if !fields.has("key") {
        return Err(refusal::missing_field("key"));
    }
    let claim = SignatureClaim::from_form(fields);
    let claim = claim.map_err(|error| refusal::of_claim(error, fields))?;
    let caller = gate.prove(claim, head, context.now).await;
    caller.map_err(|error| refusal::of_authentication(error, fields))
}

/// Refuses a form that comes with credentials in a header or in the query. A form carries its signature in its
/// own fields or not at all.
fn refuse_other_credentials(head: &Head<'_>) -> Result<(), S3Error> {
    if head.header(AUTHORIZATION.as_str()).is_some_and(|value| !value.trim().is_empty()) {
        return Err(refusal::of_header_signature(head.header("x-amz-content-sha256")));
    }
    if !matches!(SignatureClaim::from_request(&head.signed_part()), Ok(None)) {
        return Err(refusal::of_link_signature());
    }
    if head.header("x-amz-security-token").is_some() {
        return Err(refusal::of_header_token());
    }
    Ok(())
}

/// The lengths that the policy allows for the file, if it allows the form at all. A form without a signature
/// has no policy, so any length is allowed.
fn judge(
    caller: &Caller,
    fields: &FormFields,
    bucket: &BucketName,
    context: &RequestContext,
) -> Result<RangeInclusive<u64>, S3Error> {
    let Some(signature) = caller.signature() else { return Ok(0..=u64::MAX) };
    let policy = signature.post_policy().ok_or_else(|| S3Error::new(Code::AccessDenied))?;
    let policy = PostPolicy::parse(policy).map_err(refusal::of_policy)?;
    policy.judge(fields, bucket.as_str(), context.now).map_err(refusal::of_judgement)
}

fn key_of(form: &Form) -> Result<ObjectKey, S3Error> {
    let key = form.field("key").unwrap_or_default();
    if key.is_empty() {
        let message = "User key must have a length greater than 0.";
        return Err(S3Error::invalid_argument(message, "key", ""));
    }
    route::parse_key(key.as_bytes())
}

/// The headers that the fields of the form stand for.
fn headers_of(form: &Form) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    for (field, _) in form.fields.iter() {
        let lower = field.to_ascii_lowercase();
        let name = if lower == "acl" { "x-amz-acl" } else { &lower };
        let is_header = HEADER_FIELDS.iter().any(|header| header == name)
            || (name.starts_with(AMZ) && !PROOF_FIELDS.contains(&name));
        if !is_header {
            refuse_condition(field)?;
            continue;
        }
        let value = form.field(field).unwrap_or_default();
        let header = HeaderName::from_bytes(name.as_bytes()).ok();
        // Most fields become headers, which are bytes. User metadata may be any text, so operations read it
        // from the form itself.
        let as_header = if name.starts_with(METADATA) {
            Some(HeaderValue::from_static(""))
        } else if name.starts_with(AMZ) {
            HeaderValue::from_bytes(value.as_bytes()).ok()
        } else {
            metadata::latin1_value(&value)
        };
        let Some((header, value)) = header.zip(as_header) else {
            let message = "A form's field must fit into the header that it stands for.";
            return Err(S3Error::invalid_argument(message, field, value));
        };
        headers.insert(header, value);
    }
    Ok(headers)
}

/// Refuses the conditions of a write: forms have none (semantics 3.1.8). A field of that name in a policy shows
/// that the signer relies on it, so it is not ignored.
fn refuse_condition(field: &str) -> Result<(), S3Error> {
    let is = |name: HeaderName| field.eq_ignore_ascii_case(name.as_str());
    if is(IF_MATCH) || is(IF_NONE_MATCH) {
        return Err(S3Error::not_implemented(field));
    }
    Ok(())
}

/// The head of a request that stands for the form, for policies to ask about. What it says of the object comes
/// from the form alone. Conditions on the write are removed: no form has them, and headers are not signed. On
/// AWS policies see them (semantics 3.1.8).
fn stand_in(parts: &Parts, of_form: &HeaderMap) -> Parts {
    let mut parts = parts.clone();
    parts.uri = Uri::default();
    let of_object = |name: &&HeaderName| {
        name.as_str().starts_with(AMZ) || **name == IF_MATCH || **name == IF_NONE_MATCH
    };
    let others: Vec<HeaderName> = parts.headers.keys().filter(of_object).cloned().collect();
    for name in others {
        parts.headers.remove(name);
    }
    for (name, value) in of_form {
        parts.headers.insert(name, value.clone());
    }
    parts
}
