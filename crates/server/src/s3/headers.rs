//! Headers that several operations read or write the same way.

use hyper::StatusCode;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_TYPE, ETAG, EXPIRES, HeaderName, HeaderValue, LAST_MODIFIED,
};
use jiff::Timestamp;
use store::{Attributes, Object, ObjectKey, Precondition, StoredChecksum, VersionId};

use crate::error::{Code, S3Error};
use crate::gate::StoreAccess;
use crate::metadata;
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::{VERSION_ID, checksum, customer_key, tags};
use crate::s3::{http_time, quoted, set_encryption};

/// The longest user metadata: bytes of all names and values together.
const METADATA_BYTES_MAX: usize = 2048;
/// The content type of an object that was stored without one.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";
/// The storage class that is not written out.
const STANDARD: &str = "STANDARD";
const STORAGE_CLASSES: &[&str] = &[
    STANDARD,
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
    "FSX_ONTAP",
];

/// Where a website sends whoever asks for an object.
pub(crate) const WEBSITE_REDIRECT: HeaderName =
    HeaderName::from_static("x-amz-website-redirect-location");
/// The longest such place, in characters.
const REDIRECT_CHARS_MAX: usize = 2048;

/// The headers of [`crate::route::MEANING_HEADERS`] that a write of a new object honours.
pub(crate) const OF_A_WRITE: &[&str] = &[
    "x-amz-acl",
    "x-amz-grant-",
    "x-amz-server-side-encryption",
    customer_key::OBJECT_KEY,
    "x-amz-website-redirect-location",
    "x-amz-tagging",
];
/// The same headers without the last, `x-amz-tagging`.
pub(crate) const BUT_FOR_TAGS: &[&str] = OF_A_WRITE.split_at(OF_A_WRITE.len() - 1).0;

/// The attributes of an object that the headers of a write give it.
pub(crate) fn attributes(request: &S3Request<'_>) -> Result<Attributes, S3Error> {
    let metadata = request.metadata();
    // In a link, metadata may be any text. Text that no answer could carry as a header is refused.
    let unfit = metadata.iter().find(|(name, _)| metadata_header(name).is_none());
    if let Some((name, value)) = unfit {
        return Err(S3Error::invalid_argument(
            "Metadata names must be valid header names.",
            format!("x-amz-meta-{name}"),
            value.as_str(),
        ));
    }
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > METADATA_BYTES_MAX {
        return Err(S3Error::new(Code::MetadataTooLarge)
            .detail("Size", size.to_string())
            .detail("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()));
    }
    Ok(Attributes {
        content_type: request.kept_header(CONTENT_TYPE),
        content_encoding: content_encoding(request),
        content_language: request.kept_header(CONTENT_LANGUAGE),
        content_disposition: request.kept_header(CONTENT_DISPOSITION),
        cache_control: request.kept_header(CACHE_CONTROL),
        expires: request.kept_header(EXPIRES),
        storage_class: storage_class(request)?,
        website_redirect: website_redirect(request)?,
        metadata,
        tags: tags::of_request(request)?,
    })
}

/// The `Content-Encoding` to store. `aws-chunked` describes the transfer, not the object, and is removed.
fn content_encoding(request: &S3Request<'_>) -> Option<String> {
    let given = request.kept_header(CONTENT_ENCODING)?;
    let transfer = |coding: &&str| coding.trim().eq_ignore_ascii_case("aws-chunked");
    // The remaining codings keep the spaces they came with.
    let kept = given.split(',').filter(|coding| !transfer(coding)).collect::<Vec<_>>().join(",");
    let kept = kept.trim_matches([' ', ',']);
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Reads the storage class. Any valid one is stored and echoed; it has no other effect.
pub(crate) fn storage_class(request: &S3Request<'_>) -> Result<Option<String>, S3Error> {
    let Some(class) = request.owned_header("x-amz-storage-class") else { return Ok(None) };
    if !STORAGE_CLASSES.contains(&class.as_str()) {
        return Err(S3Error::new(Code::InvalidStorageClass).detail("StorageClassRequested", class));
    }
    Ok((class != STANDARD).then_some(class))
}

/// Reads where a website is to send whoever asks for the object (semantics 6.7.6).
fn website_redirect(request: &S3Request<'_>) -> Result<Option<String>, S3Error> {
    let Some(place) = request.owned_header(WEBSITE_REDIRECT.as_str()) else { return Ok(None) };
    let refused = |message| S3Error::with_message(Code::InvalidRedirectLocation, message);
    if place.chars().count() > REDIRECT_CHARS_MAX {
        return Err(refused(
            "The length of website redirect location cannot exceed 2,048 characters.",
        ));
    }
    let begins = ["/", "http://", "https://"].iter().any(|begin| place.starts_with(begin));
    // A header of the answer carries the text.
    if !begins || place.chars().any(char::is_control) {
        return Err(refused(
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
        ));
    }
    Ok(Some(place))
}

/// The storage class as listings write it.
pub(crate) fn class_name(class: Option<&str>) -> &str {
    class.unwrap_or(STANDARD)
}

/// ACLs are disabled, as on any new bucket. One that grants what its owner has anyway is accepted; others are
/// refused.
pub(crate) fn accept_private_acl(request: &S3Request<'_>) -> Result<(), S3Error> {
    if request.amz_names().any(|name| name.starts_with("x-amz-grant-")) {
        return Err(S3Error::new(Code::AccessControlListNotSupported));
    }
    match request.header("x-amz-acl").as_deref() {
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(_) => Err(S3Error::new(Code::AccessControlListNotSupported)),
    }
}

/// Reads the condition of a write: `If-Match` or `If-None-Match: *`, not both.
pub(crate) fn write_precondition(request: &S3Request<'_>) -> Result<Precondition, S3Error> {
    match (request.header("if-none-match").as_deref(), request.header("if-match").as_deref()) {
        (None, None) => Ok(Precondition::None),
        (Some("*"), None) => Ok(Precondition::IfAbsent),
        (Some(_), None) => Err(condition_not_accepted("If-None-Match")),
        (None, Some("*")) => Err(condition_not_accepted("If-Match")),
        (None, Some(etag)) => Ok(if_match(etag)),
        (Some(_), Some(_)) => Err(S3Error::not_implemented("If-Match,If-None-Match").detail(
            "additionalMessage",
            "Multiple conditional request headers present in the request",
        )),
    }
}

/// Reads the condition of a delete: `If-Match` with an entity tag, or with `*` for any object.
pub(crate) fn delete_precondition(request: &S3Request<'_>) -> Result<Precondition, S3Error> {
    // Refused: if it were ignored, the delete would be unconditional.
    if request.has_header("if-none-match") {
        return Err(condition_not_accepted("If-None-Match"));
    }
    Ok(match request.header("if-match").as_deref() {
        None => Precondition::None,
        Some(condition) => delete_condition(condition),
    })
}

/// Refuses both conditions, for operations that do not honour them.
pub(crate) fn refuse_conditions(request: &S3Request<'_>) -> Result<(), S3Error> {
    for name in ["If-Match", "If-None-Match"] {
        if request.has_header(&name.to_ascii_lowercase()) {
            return Err(condition_not_accepted(name));
        }
    }
    Ok(())
}

/// Refuses a condition on a delete that names a version. Conditions are about the current version, so an old
/// version would be removed for good because of the tag of another.
pub(crate) fn refuse_conditions_on_version(if_match: Option<&str>) -> Result<(), S3Error> {
    if_match.map_or(Ok(()), |_| Err(S3Error::not_implemented("If-Match")))
}

/// Reads the condition of a delete from the text of the header.
pub(crate) fn delete_condition(text: &str) -> Precondition {
    if text == "*" { Precondition::IfPresent } else { if_match(text) }
}

fn if_match(etag: &str) -> Precondition {
    // A text that cannot be an entity tag of this server matches no object.
    let tag = store::ETag::parse(etag.trim_matches('"'));
    tag.map_or(Precondition::IfMatchUnknown, Precondition::IfMatch)
}

fn condition_not_accepted(name: &'static str) -> S3Error {
    S3Error::not_implemented(name).detail(
        "additionalMessage",
        format!("We don't accept the provided value of {name} header for this API"),
    )
}

/// The condition of a write, with what the caller's link adds to it.
pub(crate) fn with_link(
    access: &StoreAccess,
    asked: Precondition,
) -> Result<Precondition, S3Error> {
    access.link_precondition(asked).ok_or_else(|| precondition_failed("x-valet-write-once"))
}

/// Whether the condition of a write holds if this is the current object.
pub(crate) fn holds_for(precondition: Precondition, object: &Object) -> bool {
    match precondition {
        Precondition::None | Precondition::IfPresent => true,
        Precondition::IfMatch(etag) => object.etag == etag,
        Precondition::IfAbsent | Precondition::IfMatchUnknown => false,
    }
}

/// The version id to tell after a write. There is none while versioning is suspended.
pub(crate) fn told_version(version_id: Option<VersionId>) -> Option<String> {
    version_id.filter(|version| *version != VersionId::Null).map(|version| version.to_string())
}

/// 412 with the name of the condition that failed.
pub(crate) fn precondition_failed(condition: &str) -> S3Error {
    S3Error::new(Code::PreconditionFailed).detail("Condition", condition)
}

/// 412 for the condition of a write or delete that failed.
pub(crate) fn failed_write(precondition: Precondition) -> S3Error {
    precondition_failed(condition_name(precondition))
}

/// 409: the key was changed after this request began. The condition may hold when the client tries again.
pub(crate) fn conflicting_write(precondition: Precondition, key: &ObjectKey) -> S3Error {
    S3Error::new(Code::ConditionalRequestConflict)
        .detail("Condition", condition_name(precondition))
        .detail("Key", key.to_string())
}

fn condition_name(precondition: Precondition) -> &'static str {
    match precondition {
        Precondition::None | Precondition::IfAbsent => "If-None-Match",
        Precondition::IfMatch(_) | Precondition::IfMatchUnknown | Precondition::IfPresent => {
            "If-Match"
        }
    }
}

/// The version id that the request names, if it does.
pub(crate) fn version_id(request: &S3Request<'_>) -> Result<Option<VersionId>, S3Error> {
    match request.query.get("versionId") {
        None => Ok(None),
        Some("") => {
            Err(S3Error::invalid_argument("Version id cannot be the empty string", "versionId", ""))
        }
        Some(text) => VersionId::parse(text).map(Some).map_err(|cause| {
            S3Error::invalid_argument("Invalid version id specified", "versionId", text)
                .because(cause)
        }),
    }
}

/// Refuses a `versionId` or `partNumber` on a write. A write makes a new current object; a request that names a
/// version, or a part without its upload, was meant for something else and must not overwrite it.
pub(crate) fn refuse_version_or_part(request: &S3Request<'_>) -> Result<(), S3Error> {
    for (name, message) in [
        ("versionId", "This operation does not accept a version-id."),
        ("partNumber", "This operation does not accept a part number without an upload id."),
    ] {
        if let Some(value) = request.query.get(name) {
            return Err(S3Error::invalid_argument(message, name, value));
        }
    }
    Ok(())
}

/// The conditions of a read: the values of `If-Match` and its three siblings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadConditions<'c> {
    pub(crate) now: Timestamp,
    pub(crate) matches: Option<&'c str>,
    pub(crate) none_matches: Option<&'c str>,
    pub(crate) modified_since: Option<&'c str>,
    pub(crate) unmodified_since: Option<&'c str>,
}

/// The outcome of the conditions of a read (RFC 9110, 13.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conditions {
    Hold,
    NotModified,
    Failed(&'static str),
}

impl ReadConditions<'_> {
    pub(crate) fn judge(self, object: &Object) -> Conditions {
        let names = |list: &str| {
            let unquoted = object.etag.to_string();
            list.split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == unquoted)
        };
        let modified_after = |text: &str| {
            // A date that cannot be read is ignored.
            parse_http_time(text).map(|time| object.last_modified.as_second() > time.as_second())
        };
        // A date in the future is ignored: it says nothing of what is there now (RFC 9110, 13.1.3).
        let is_past = |text: &&str| parse_http_time(text).is_none_or(|time| time <= self.now);
        let modified_since = self.modified_since.filter(is_past);
        match (self.matches, self.unmodified_since.and_then(modified_after)) {
            (Some(list), _) if !names(list) => return Conditions::Failed("If-Match"),
            (None, Some(true)) => return Conditions::Failed("If-Unmodified-Since"),
            (Some(_) | None, _) => {}
        }
        match (self.none_matches, modified_since.and_then(modified_after)) {
            (Some(list), _) if names(list) => Conditions::NotModified,
            (None, Some(false)) => Conditions::NotModified,
            (Some(_) | None, _) => Conditions::Hold,
        }
    }
}

/// Reads a date of a header, which has whole seconds.
pub(crate) fn parse_http_time(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

/// Sets the headers that describe an object: the same on GET, HEAD and 304.
pub(crate) fn describe(reply: &mut Reply, object: &Object, versioned: bool) {
    reply.set_text(ETAG, &quoted(&object.etag));
    reply.set_text(LAST_MODIFIED, &http_time(object.last_modified));
    if versioned {
        reply.set_text(VERSION_ID, &object.version_id.to_string());
    }
    let attributes = &object.attributes;
    // A website sends on those too who hold a copy, so a 304 has it as well. It is told in UTF-8, as it is sent.
    reply.set_optional(WEBSITE_REDIRECT, attributes.website_redirect.as_deref());
    if reply.status == StatusCode::NOT_MODIFIED {
        return;
    }
    reply.set(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    reply.set(CONTENT_TYPE, HeaderValue::from_static(DEFAULT_CONTENT_TYPE));
    for (name, kept) in [
        (CONTENT_TYPE, &attributes.content_type),
        (CONTENT_ENCODING, &attributes.content_encoding),
        (CONTENT_LANGUAGE, &attributes.content_language),
        (CONTENT_DISPOSITION, &attributes.content_disposition),
        (CACHE_CONTROL, &attributes.cache_control),
        (EXPIRES, &attributes.expires),
    ] {
        if let Some(value) = kept.as_deref().and_then(metadata::latin1_value) {
            reply.set(name, value);
        }
    }
    reply.set_optional(
        HeaderName::from_static("x-amz-storage-class"),
        attributes.storage_class.as_deref(),
    );
    set_encryption(reply, object.encryption);
    for (name, value) in &attributes.metadata {
        let value = metadata::encode(value);
        if let (Some(name), Ok(value)) = (metadata_header(name), value.parse()) {
            reply.headers.append(name, value);
        }
    }
}

/// The header for a name of user metadata; `None` if the name cannot be one.
fn metadata_header(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(format!("x-amz-meta-{name}")).ok()
}

/// Sets the checksum headers of a whole object or part.
pub(crate) fn set_checksum(reply: &mut Reply, checksum: &StoredChecksum) {
    reply.set_text(checksum::header(checksum.algorithm), &checksum.value);
    reply.set_text(checksum::TYPE, checksum::type_name(checksum.kind));
}
