//! The front of browser forms: a form is read up to its file, proven by the policy that it carries,
//! and becomes the request that it stands for (semantics 3).
//!
//! Nothing else of the HTTP request counts: what a header or the query says of an upload is covered by
//! no signature.

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
use crate::gate::{Asked, Caller, Gate, refuse_link_conditions};
use crate::head::Head;
use crate::metadata;
use crate::operation::execute;
use crate::request::{Query, S3Request};
use crate::respond::Reply;
use crate::route;
use crate::s3::post::PostObject;
use crate::seen::Claimed;
use crate::seen::Seen;

/// Fields that stand for the header of the same name. Beside them, all that begin `x-amz-`.
const HEADER_FIELDS: [HeaderName; 6] = [
    HeaderName::from_static("content-md5"),
    hyper::header::CACHE_CONTROL,
    hyper::header::CONTENT_DISPOSITION,
    hyper::header::CONTENT_ENCODING,
    CONTENT_TYPE,
    hyper::header::EXPIRES,
];
/// Fields that prove who signed the form, and mean nothing besides.
const PROOF_FIELDS: [&str; 5] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
];
const AMZ: &str = "x-amz-";

/// A request that may be a form: its head, and the bucket that it was posted to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormPost<'r> {
    pub(crate) head: &'r Head<'r>,
    pub(crate) context: &'r Arc<RequestContext>,
    pub(crate) bucket: &'r BucketName,
    pub(crate) query: &'r Query<'r>,
}

impl FormPost<'_> {
    /// Answers a form. The order of checks is semantics 3.3.11, but that nothing of the file is
    /// read before its signer may write it: so its size is judged last.
    pub(crate) async fn answer(
        self,
        gate: &Gate,
        body: &mut RequestBody,
        seen: &mut Seen,
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
            seen.claimed = Some(Claimed::by_form(&fields));
        }
        let caller = Arc::new(proven?);
        seen.caller = Some(Arc::clone(&caller));
        let fields = fields.with_file_name(file_name.as_deref()).map_err(refusal::of_form)?;
        refuse_link_conditions(query.iter().chain(fields.iter()))?;
        let sizes = judge(&caller, &fields, bucket, context)?;
        let form = Form { fields, sizes, file_size };
        let key = key_of(&form)?;
        seen.key = Some(key.clone());
        let headers = headers_of(&form)?;
        let query = Query::default();
        let request =
            S3Request::new(&query, &headers).about(Some(bucket), Some(&key)).of_form(&form);
        let parts = Arc::new(stand_in(&context.parts, &headers));
        let context = Arc::new(RequestContext { parts, ..(**context).clone() });
        let asked = Asked { request: &request, caller: &caller, context: &context };
        execute::<PostObject>(gate, asked, body).await
    }
}

/// Who signed the form: required fields, credential scope, session and key, signature.
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

/// A form is signed in itself or not at all.
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

/// How long the file may be, if the policy allows the form. A form that nobody signed has none.
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

/// The headers that the fields stand for.
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
        // Headers that are kept are bytes; metadata may be any text, and is read from the form itself.
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

/// A form has no conditions on its write (semantics 3.1.8). One that its policy names is meant, so it is not ignored.
fn refuse_condition(field: &str) -> Result<(), S3Error> {
    let is = |name: HeaderName| field.eq_ignore_ascii_case(name.as_str());
    if is(IF_MATCH) || is(IF_NONE_MATCH) {
        return Err(S3Error::not_implemented(field));
    }
    Ok(())
}

/// The request as policies may ask about it: it says of the object what the form says, and nothing
/// else. Nor do they see a condition on the write: the headers apply to nothing, and nobody signs them. On AWS they
/// are seen (semantics 3.1.8).
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
