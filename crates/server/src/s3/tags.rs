//! Tags of objects and buckets: read from a header, a form or a document; checked; and written.

use std::borrow::Cow;
use std::collections::HashSet;

use hyper::header::HeaderName;
use iam::Values;
use serde::Deserialize;
use store::{BucketName, Object, ObjectKey, Tag};

use crate::error::{Code, S3Error};
use crate::gate::{OperationKeys, StoreAccess, request_tag};
use crate::operation::Permission;
use crate::request::S3Request;
use crate::respond::Reply;
use crate::xml::{self, XmlWriter};

/// The longest key and value of a tag, in UTF-16 units, which is how S3 counts.
const KEY_UNITS_MAX: usize = 128;
const VALUE_UNITS_MAX: usize = 256;
/// Characters that a key or value may have beside letters, digits and spaces.
const SYMBOLS: &str = "_.:/=+-@";
const HEADER: &str = "x-amz-tagging";
const ROOT: &str = "Tagging";

/// What tags are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tagged {
    /// A bucket that is created with its tags. S3 words the refusals differently then.
    NewBucket,
    Bucket,
    Object,
}

impl Tagged {
    fn tags_max(self) -> usize {
        match self {
            Self::NewBucket | Self::Bucket => 50,
            Self::Object => 10,
        }
    }

    /// The refusal of a key that begins with `aws:`, which is reserved.
    fn reserved(self) -> &'static str {
        match self {
            Self::NewBucket => {
                "User-defined tag keys can't start with \"aws:\". This prefix is reserved for system tags. Remove \"aws:\" from your tag keys and try again."
            }
            Self::Bucket => "System tags cannot be added/updated by requester",
            Self::Object => "Your TagKey cannot be prefixed with aws:",
        }
    }

    fn too_many(self) -> S3Error {
        let what = match self {
            Self::NewBucket | Self::Bucket => "Bucket tag count",
            Self::Object => "Object tags",
        };
        let message = format!("{what} cannot be greater than {}", self.tags_max());
        S3Error::with_message(Code::BadRequest, message)
    }
}

/// The tags in `x-amz-tagging`, or in the parameter that stands for it, in the order of their keys.
pub(crate) fn of_request(request: &S3Request<'_>) -> Result<Vec<Tag>, S3Error> {
    match request.header(HEADER) {
        None => Ok(Vec::new()),
        Some(text) => of_query(&text),
    }
}

/// Reads tags of an object from `key=value&key=value`.
pub(crate) fn of_query(text: &str) -> Result<Vec<Tag>, S3Error> {
    let malformed = || {
        S3Error::invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
            HEADER,
            text,
        )
    };
    let mut tags: Vec<Tag> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key).ok_or_else(malformed)?;
        let value = decode(value).ok_or_else(malformed)?;
        if tags.len() == Tagged::Object.tags_max() {
            return Err(Tagged::Object.too_many());
        }
        if tags.iter().any(|tag| tag.key == key) {
            return Err(malformed());
        }
        tags.push(Tag { key, value });
    }
    tags.sort_by(|one, other| one.key.cmp(&other.key));
    check(tags, Tagged::Object)
}

/// Decodes a name or value: a plus is a space, and an unencoded `=` is not allowed.
fn decode(text: &str) -> Option<String> {
    let spaced =
        if text.contains('+') { Cow::Owned(text.replace('+', "%20")) } else { text.into() };
    let escaped = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if spaced.contains('=') || !spaced.split('%').skip(1).all(escaped) {
        return None;
    }
    String::from_utf8(presign::decode_component(&spaced).into_owned()).ok()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagging {
    /// May be missing; then there are no tags.
    #[serde(default)]
    tag_set: TagSet,
}

/// The tags of a document.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TagSet {
    #[serde(rename = "Tag", default)]
    tags: Vec<XmlTag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct XmlTag {
    key: String,
    value: String,
}

/// Reads the field `tagging` of a form. A document with another root gives no tags (semantics 3.3.10).
pub(crate) fn of_form(document: &[u8]) -> Result<Vec<Tag>, S3Error> {
    if xml::root_name(document)? == ROOT {
        of_xml(document, Tagged::Object)
    } else {
        Ok(Vec::new())
    }
}

/// Reads a `Tagging` document.
pub(crate) fn of_xml(document: &[u8], tagged: Tagged) -> Result<Vec<Tag>, S3Error> {
    let read: Tagging = xml::parse(ROOT, document)?;
    of_set(read.tag_set, tagged)
}

/// Checks tags that were read from a document.
pub(crate) fn of_set(set: TagSet, tagged: Tagged) -> Result<Vec<Tag>, S3Error> {
    let tags = set.tags.into_iter();
    check(tags.map(|XmlTag { key, value }| Tag { key, value }).collect(), tagged)
}

fn check(tags: Vec<Tag>, tagged: Tagged) -> Result<Vec<Tag>, S3Error> {
    let invalid = |message: &'static str, tag: &Tag| {
        S3Error::with_message(Code::InvalidTag, message).detail("TagKey", tag.key.as_str())
    };
    if tags.len() > tagged.tags_max() {
        return Err(tagged.too_many());
    }
    let mut keys = HashSet::new();
    for tag in &tags {
        if tag.key.is_empty() || !fits(&tag.key, KEY_UNITS_MAX) {
            return Err(invalid("The TagKey you have provided is invalid", tag));
        }
        if !fits(&tag.value, VALUE_UNITS_MAX) {
            return Err(invalid("The TagValue you have provided is invalid", tag)
                .detail("TagValue", tag.value.as_str()));
        }
        if tag.key.starts_with("aws:") {
            return Err(invalid(tagged.reserved(), tag));
        }
        if !keys.insert(tag.key.as_str()) {
            return Err(invalid("Cannot provide multiple Tags with the same key", tag));
        }
    }
    Ok(tags)
}

fn fits(text: &str, units_max: usize) -> bool {
    let allowed = |character: char| {
        let space = character.is_whitespace() && !character.is_control();
        character.is_alphanumeric() || space || SYMBOLS.contains(character)
    };
    text.encode_utf16().count() <= units_max && text.chars().all(allowed)
}

/// The permissions for a write that gives the object these tags.
pub(crate) fn permissions_of_write<'o>(
    tags: &[Tag],
    bucket: &'o BucketName,
    key: &'o ObjectKey,
) -> Vec<Permission<'o>> {
    let mut permissions = vec![Permission::object("s3:PutObject", bucket, key)];
    if !tags.is_empty() {
        permissions.push(Permission::object("s3:PutObjectTagging", bucket, key));
    }
    permissions
}

/// The condition keys for tags that a request gives an object: `s3:RequestObjectTag/…` and
/// `s3:RequestObjectTagKeys`.
pub(crate) fn object_condition<'t>(tags: &'t [Tag], key: &str) -> Option<Values<'t>> {
    request_tag(tags, key, ("s3:requestobjecttag/", "s3:requestobjecttagkeys"))
}

pub(crate) fn write(tags: &[Tag]) -> String {
    XmlWriter::result(ROOT, |xml| {
        xml.element("TagSet", |set| {
            for tag in tags {
                set.element("Tag", |xml| {
                    xml.text("Key", &tag.key);
                    xml.text("Value", &tag.value);
                });
            }
        });
    })
}

/// Sets `x-amz-tagging-count` if the object has tags.
pub(crate) fn set_count(reply: &mut Reply, object: &Object) {
    let count = object.attributes.tags.len();
    if count > 0 {
        reply.set_text(HeaderName::from_static("x-amz-tagging-count"), &count.to_string());
    }
}

/// The condition keys for the tags that an object is to get.
pub(crate) struct ObjectKeys<'t>(pub(crate) &'t [Tag]);

impl OperationKeys for ObjectKeys<'_> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        object_condition(self.0, key)
    }
}

/// Admits the caller to give the object these tags.
pub(crate) async fn may_tag(
    access: &StoreAccess,
    (bucket, key): (&BucketName, &ObjectKey),
    tags: &[Tag],
) -> Result<(), S3Error> {
    let permission = Permission::object("s3:PutObjectTagging", bucket, key);
    access.require_with(permission, &ObjectKeys(tags)).await
}

/// The condition keys for the tags that a bucket is to get.
pub(crate) struct BucketKeys<'t>(pub(crate) &'t [Tag]);

impl OperationKeys for BucketKeys<'_> {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        request_tag(self.0, key, ("aws:requesttag/", "aws:tagkeys"))
    }
}
