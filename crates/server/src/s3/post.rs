//! `PostObject`: the upload of a browser form. `PutObject` stores it; request and answer have another shape.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{StatusCode, Uri};
use iam::Values;
use store::{BucketName, ObjectKey};

use crate::body::RequestBody;
use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::fields::Form;
use crate::gate::Authorized;
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::{Reply, ReplyBody};
use crate::s3::bucket_url;
use crate::s3::headers;
use crate::s3::put::PutObject;
use crate::s3::tags;
use crate::xml::XmlWriter;

/// Stores the file of a form.
#[derive(Debug)]
pub(crate) struct PostObject {
    bucket: BucketName,
    key: ObjectKey,
    put: PutObject,
    /// The length of the file in bytes: first as announced, then as received.
    file_size: Option<u64>,
    success: Success,
}

/// How the form asks to be answered (semantics 3.4).
#[derive(Debug, PartialEq, Eq)]
enum Success {
    Status(StatusCode),
    /// A redirection to this page, with what was stored in its query.
    Redirect(String),
}

impl Operation for PostObject {
    /// The headers of a PUT except `x-amz-tagging`: a form has its tags as a document in a field of its own.
    const HONOURS: &'static [&'static str] = headers::BUT_FOR_TAGS;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let form = request.form.ok_or_else(|| S3Error::new(Code::MethodNotAllowed))?;
        let put = PutObject::read(request)?.within(&form.sizes);
        let tags = form.field("tagging");
        let tags = tags.map(|tags| tags::of_form(tags.as_bytes())).transpose()?;
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            put: put.tagged(tags.unwrap_or_default()),
            file_size: form.file_size,
            success: Success::of(form),
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        self.put.permissions()
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        match key {
            // Only PUT has this key (semantics 6.6.10).
            "s3:objectcreationoperation" => None,
            // The announced `Content-Length` is that of the whole form. The key is about the file.
            "valet:contentlength" => Some(Values::One(self.file_size?.to_string().into())),
            other => self.put.condition(other),
        }
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let ingested = call.operation().put.ingest(call.access(), body).await?;
        let received = ingested.body.size();
        // If the form ended in fewer bytes than expected, the file is longer than computed from the announced
        // length. Then the policies are asked again.
        let longer = call.operation().file_size.is_none_or(|announced| received > announced);
        let call =
            if longer { call.again(|post| post.file_size = Some(received)).await? } else { call };
        let (Self { bucket, key, put, file_size: _, success }, access) = call.split();
        let stored = put.publish(&access, ingested).await?;
        Ok(success.answer(stored, access.context(), &bucket, &key))
    }
}

impl Success {
    /// Reads the field. A redirection wins over a status. A redirection that is no URL, and an unknown status,
    /// are ignored.
    fn of(form: &Form) -> Self {
        let field = |name| form.field(name);
        let page = field("success_action_redirect").or_else(|| field("redirect"));
        if let Some(page) = page.filter(|page| is_url(page)) {
            return Self::Redirect(page.into_owned());
        }
        Self::Status(match field("success_action_status").as_deref() {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            Some(_) | None => StatusCode::NO_CONTENT,
        })
    }

    /// Turns the answer to a PUT into that to a form.
    fn answer(
        &self,
        stored: Reply,
        context: &RequestContext,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Reply {
        let mut reply = stored;
        let etag = reply.headers.get("etag").and_then(|etag| etag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        // In this URL the slashes of the key are encoded too.
        let location = bucket_url(context, bucket) + &presign::encode_component(key.as_bytes());
        match self {
            Self::Redirect(page) => {
                reply.status = StatusCode::SEE_OTHER;
                reply.set_text(LOCATION, &redirection(page, bucket, key, &etag));
            }
            Self::Status(status) => {
                reply.status = *status;
                reply.set_text(LOCATION, &location);
                if *status == StatusCode::CREATED {
                    let document = document(&location, bucket, key, &etag);
                    reply.set(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
                    reply.body = ReplyBody::Full(Bytes::from(document));
                }
            }
        }
        reply
    }
}

/// The document of a 201, which has no namespace.
fn document(location: &str, bucket: &BucketName, key: &ObjectKey, etag: &str) -> String {
    let mut xml = XmlWriter::document();
    xml.element("PostResponse", |response| {
        response.text("Location", location);
        response.text("Bucket", bucket.as_str());
        response.text("Key", key.as_str());
        response.text("ETag", etag);
    });
    xml.finish()
}

/// Whether the text is a URL that a browser on any page can be sent to.
fn is_url(text: &str) -> bool {
    let is_web = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    // The query and fragment are copied without being checked, as on S3.
    let path = text.split(['?', '#']).next().unwrap_or_default();
    path.parse::<Uri>().is_ok_and(|uri| is_web(&uri) && uri.host().is_some())
        && HeaderValue::from_str(text).is_ok()
}

/// The URL of the redirection: what was stored is added to its query, before the fragment.
fn redirection(page: &str, bucket: &BucketName, key: &ObjectKey, etag: &str) -> String {
    let (page, fragment) = page.split_once('#').map_or((page, None), |(p, f)| (p, Some(f)));
    let separator = if page.contains('?') { '&' } else { '?' };
    let [bucket, key, etag] = [bucket.as_str(), key.as_str(), etag].map(form_encoded);
    let mut location = format!("{page}{separator}bucket={bucket}&key={key}&etag={etag}");
    if let Some(fragment) = fragment {
        location.push('#');
        location.push_str(fragment);
    }
    location
}

fn form_encoded(text: &str) -> String {
    presign::encode_component(text.as_bytes()).replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_to_go_to() {
        let check = |page: &str, expected: bool| assert_eq!(is_url(page), expected, "{page}");
        check("http://localhost:3000/done", true);
        check("https://example.com", true);
        check("HTTPS://example.com/?a=b c", true);
        check("https://example.com/b c", false);
        check("https://example.com/#/done", true);
        check("/wrong/redirect/relative", false);
        check("//example.com/", false);
        check("example.com", false);
        check("javascript:alert(1)", false);
        check("data:text/html,x", false);
        check("http://", false);
        check("", false);
        check("http://example.com/\r\nset-cookie: a=b", false);
    }

    #[test]
    fn a_page_is_told_what_was_stored() {
        let check = |page: &str, expected: &str| {
            let bucket = BucketName::parse("bucket").unwrap();
            let key = ObjectKey::parse("up/a b&ü.txt").unwrap();
            let told = "bucket=bucket&key=up%2Fa+b%26%C3%BC.txt&etag=%22e%22";
            let expected = expected.replace("{}", told);
            assert_eq!(redirection(page, &bucket, &key, "\"e\""), expected);
        };
        check("http://h/p", "http://h/p?{}");
        check("http://h", "http://h?{}");
        check("http://h/p?a=b", "http://h/p?a=b&{}");
        check("http://h/p?a=b#f?", "http://h/p?a=b&{}#f?");
    }
}
