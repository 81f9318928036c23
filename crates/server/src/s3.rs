//! The S3 operations: one file for each family, and here what several of them share.

use hyper::header::{HeaderName, HeaderValue};
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use iam::{AccountId, Values};
use jiff::Timestamp;
use store::{AtRest, ETag, ObjectKey};

use crate::context::RequestContext;
use crate::error::{Code, S3Error};
use crate::request::S3Request;
use crate::respond::Reply;

pub(crate) mod attributes;
pub(crate) mod bucket;
pub(crate) mod checksum;
pub(crate) mod complete;
pub(crate) mod copy;
pub(crate) mod cors;
pub(crate) mod customer_key;
pub(crate) mod delete;
pub(crate) mod document;
pub(crate) mod encryption;
pub(crate) mod foreseen;
pub(crate) mod found;
pub(crate) mod get;
pub(crate) mod headers;
pub(crate) mod ingest;
pub(crate) mod list;
pub(crate) mod list_uploads;
pub(crate) mod list_versions;
pub(crate) mod multipart;
pub(crate) mod of_bucket;
pub(crate) mod policy;
pub(crate) mod post;
pub(crate) mod put;
pub(crate) mod routed;
pub(crate) mod serving;
pub(crate) mod settings;
mod table;
pub(crate) mod tagging;
pub(crate) mod tags;
pub(crate) mod unconfigured;
pub(crate) mod versioning;
pub(crate) mod website;

/// Tells a client which region to sign for.
pub(crate) const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
/// The version that an answer is about.
pub(crate) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const SERVER_SIDE_ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");

/// The most entries on one page of a listing.
pub(crate) const PAGE_MAX: u32 = 1000;

/// A time in XML: S3 keeps whole seconds and writes three zeros after them.
pub(crate) fn xml_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// A time in a header (RFC 9110).
pub(crate) fn http_time(time: Timestamp) -> String {
    let seconds = u64::try_from(time.as_second()).unwrap_or_default();
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// An entity tag on the wire, in quotes.
pub(crate) fn quoted(etag: &ETag) -> String {
    format!("\"{etag}\"")
}

/// The canonical user id of an account: 64 hex digits that only name it.
pub(crate) fn canonical_id(account: &AccountId) -> String {
    presign::payload_hash(format!("valet canonical user {account}").as_bytes())
}

/// Sets `x-amz-server-side-encryption` if the bytes are encrypted at rest with the server's keys.
pub(crate) fn set_encryption(reply: &mut Reply, at_rest: AtRest) {
    match at_rest {
        AtRest::Aes256 => reply.set(SERVER_SIDE_ENCRYPTION, HeaderValue::from_static("AES256")),
        // With a key of the customer's, `SentKey` sets other headers.
        AtRest::Plain | AtRest::CustomerKey => {}
    }
}

/// The `encoding-type=url` of listings: everything but unreserved characters and the slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyEncoding {
    Plain,
    Url,
}

impl KeyEncoding {
    pub(crate) fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        match request.query.get("encoding-type") {
            None => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(other) => Err(S3Error::invalid_argument(
                "Invalid Encoding Method specified in Request",
                "encoding-type",
                other,
            )),
        }
    }

    pub(crate) fn apply(self, text: &str) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Plain => std::borrow::Cow::Borrowed(text),
            Self::Url => std::borrow::Cow::Owned(presign::encode_path(text.as_bytes())),
        }
    }

    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Url => Some("url"),
        }
    }
}

/// The URL of an object, by the name that the client uses for this server.
pub(crate) fn location(
    context: &RequestContext,
    bucket: &store::BucketName,
    key: &ObjectKey,
) -> String {
    bucket_url(context, bucket) + &presign::encode_path(key.as_bytes())
}

/// The URL of a bucket, by the name that the client uses for this server; ends in a slash.
pub(crate) fn bucket_url(context: &RequestContext, bucket: &store::BucketName) -> String {
    let mut url = context.origin() + "/";
    if !context.virtual_hosted {
        // Writing to a `String` cannot fail.
        let _ = write!(url, "{bucket}/");
    }
    url
}

/// The condition key `s3:ObjectCreationOperation`: whether the call itself creates an object.
pub(crate) fn creation_condition(key: &str, creates: bool) -> Option<Values<'static>> {
    (key == "s3:objectcreationoperation").then(|| Values::One(creates.to_string().into()))
}

/// A refusal that names the missing key.
pub(crate) fn no_such_key(key: &ObjectKey) -> S3Error {
    S3Error::new(Code::NoSuchKey).detail("Key", key.to_string())
}
