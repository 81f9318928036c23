//! `GetObject` and `HeadObject`. Both read the same request and describe the object in the same way.

use std::ops::Range;

use hyper::StatusCode;
use hyper::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use store::{BucketName, ChecksumType, Object, ObjectKey, PartNumber, Unlocked, VersionId};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{LinkFit, LinkUse, Operation, Permission};
use crate::request::S3Request;
use crate::respond::{Reply, ReplyBody};
use crate::s3::customer_key::{self, SentKey};
use crate::s3::found::{FoundObject, find};
use crate::s3::headers::{self, Conditions, ReadConditions};
use crate::s3::serving::{self, Caching};
use crate::s3::{encryption, tags};

/// The query parameters by which a signed request sets headers of its answer.
const OVERRIDES: &[(&str, &str)] = &[
    ("response-content-type", "content-type"),
    ("response-content-language", "content-language"),
    ("response-expires", "expires"),
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
];

/// The headers of [`crate::route::MEANING_HEADERS`] that both methods honour. The first is honoured by refusing
/// it, in the words of AWS.
const OF_A_READ: &[&str] = &["x-amz-server-side-encryption", customer_key::OBJECT_KEY];

/// What both methods read of a request. It is boxed, because a request is moved with every step of its
/// handling.
#[derive(Debug)]
struct ObjectRead {
    bucket: BucketName,
    key: ObjectKey,
    version_id: Option<VersionId>,
    range: Option<String>,
    part_number: Option<PartNumber>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<String>,
    if_unmodified_since: Option<String>,
    if_range: Option<String>,
    with_checksum: bool,
    customer_key: Option<SentKey>,
    overrides: Vec<(&'static str, HeaderValue)>,
}

/// `GET /bucket/key`
#[derive(Debug)]
pub(crate) struct GetObject(Box<ObjectRead>);

/// `HEAD /bucket/key`
#[derive(Debug)]
pub(crate) struct HeadObject(Box<ObjectRead>);

impl Operation for GetObject {
    const HONOURS: &'static [&'static str] = OF_A_READ;
    const LINK_FIT: LinkFit = LinkFit::READS;
    const LINK_USE: LinkUse = LinkUse::Bytes;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        ObjectRead::read(request).map(|read| Self(Box::new(read)))
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        self.0.permissions()
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self(read), access) = call.split();
        let (found, unlocked) = read.find(&access).await?;
        let (mut reply, range) = read.describe(&found, access.now())?;
        read.guard(&mut reply, &found.object, &access);
        if let Some(range) = range {
            let is_range = reply.status == StatusCode::PARTIAL_CONTENT;
            if access.counts_uses() {
                let (version, size) = (version_of(&found.object), found.object.size);
                reply.flow().using = access.begin_bytes(version, size, is_range).await?;
            }
            let mut body = access.store().read(&unlocked, range);
            body.prove().await.map_err(refusal::of_store)?;
            reply.body = ReplyBody::Object(Box::new(body));
        }
        Ok(reply)
    }
}

impl Operation for HeadObject {
    const HONOURS: &'static [&'static str] = OF_A_READ;
    const LINK_FIT: LinkFit = LinkFit::READS;
    const LINK_USE: LinkUse = LinkUse::Nothing;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        ObjectRead::read(request).map(|read| Self(Box::new(read)))
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        self.0.permissions()
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self(read), access) = call.split();
        let (found, _) = read.find(&access).await?;
        let (mut reply, _) = read.describe(&found, access.now())?;
        read.guard(&mut reply, &found.object, &access);
        Ok(reply)
    }
}

impl ObjectRead {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        encryption::refuse_on_reading(request)?;
        let range = request.sent_header(RANGE).map(std::borrow::Cow::into_owned);
        let part_number = part_number(request)?;
        if range.is_some() && part_number.is_some() {
            return Err(S3Error::invalid_request(
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        let owned = |name: HeaderName| request.sent_header(name).map(std::borrow::Cow::into_owned);
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            version_id: headers::version_id(request)?,
            range,
            part_number,
            if_match: owned(IF_MATCH),
            if_none_match: owned(IF_NONE_MATCH),
            if_modified_since: owned(IF_MODIFIED_SINCE),
            if_unmodified_since: owned(IF_UNMODIFIED_SINCE),
            if_range: owned(IF_RANGE),
            with_checksum: request
                .header("x-amz-checksum-mode")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED")),
            customer_key: SentKey::read(request)?,
            overrides: overrides(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        let action = if self.version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        let version_id = self.version_id.as_ref();
        vec![Permission::object(action, &self.bucket, &self.key).of_version(version_id)]
    }

    async fn find(&self, access: &StoreAccess) -> Result<(FoundObject, Unlocked), S3Error> {
        let found = find(access, &self.bucket, &self.key, self.version_id.as_ref()).await?;
        let unlocked = customer_key::unlock(access, &found.object, self.customer_key.as_ref())?;
        Ok((found, unlocked))
    }

    /// Sets the headers of the answer; returns which bytes it carries, none for 304.
    fn describe(
        &self,
        found: &FoundObject,
        now: jiff::Timestamp,
    ) -> Result<(Reply, Option<Range<u64>>), S3Error> {
        let object = &*found.object;
        let conditions = ReadConditions {
            now,
            matches: self.if_match.as_deref(),
            none_matches: self.if_none_match.as_deref(),
            modified_since: self.if_modified_since.as_deref(),
            unmodified_since: self.if_unmodified_since.as_deref(),
        };
        match conditions.judge(object) {
            Conditions::Hold => {}
            Conditions::NotModified => {
                let mut reply = Reply::new(StatusCode::NOT_MODIFIED);
                headers::describe(&mut reply, object, found.versioned);
                return Ok((reply, None));
            }
            Conditions::Failed(condition) => return Err(headers::precondition_failed(condition)),
        }
        let selected = self.select(object)?;
        let mut reply = Reply::new(match selected {
            Selected::Whole => StatusCode::OK,
            Selected::Range(_) | Selected::Part(_, _) => StatusCode::PARTIAL_CONTENT,
        });
        headers::describe(&mut reply, object, found.versioned);
        if let Some(sent) = &self.customer_key {
            sent.tell(&mut reply);
        }
        let range = selected.range(object.size);
        reply.set(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        if !matches!(selected, Selected::Whole) && range.start < range.end {
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, object.size);
            reply.set_text(CONTENT_RANGE, &content_range);
        }
        tags::set_count(&mut reply, object);
        self.add_parts_and_checksum(&mut reply, object, &selected);
        for (name, value) in &self.overrides {
            reply.set(HeaderName::from_static(name), value.clone());
        }
        if !reply.headers.contains_key(CONTENT_TYPE) {
            reply.set_text(CONTENT_TYPE, headers::DEFAULT_CONTENT_TYPE);
        }
        Ok((reply, Some(range)))
    }

    /// Sets headers for browsers and caches that S3 does not have. A 304 makes a cached copy fresh again, so it
    /// too must say how long that may be kept.
    fn guard(&self, reply: &mut Reply, object: &Object, access: &StoreAccess) {
        let said = |header: &str, stored: &Option<String>| {
            let overridden = self.overrides.iter().find(|(name, _)| *name == header);
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            overridden.map(|(_, value)| text(value)).or_else(|| stored.clone())
        };
        serving::guard(reply, access);
        let caching = Caching {
            cache_control: said("cache-control", &object.attributes.cache_control),
            expires: said("expires", &object.attributes.expires),
        };
        caching.set_on(reply, object.last_modified, access);
    }

    fn add_parts_and_checksum(&self, reply: &mut Reply, object: &Object, selected: &Selected) {
        if self.part_number.is_some() && !object.parts.is_empty() {
            reply.set_text(
                HeaderName::from_static("x-amz-mp-parts-count"),
                &object.parts.len().to_string(),
            );
        }
        if !self.with_checksum {
            return;
        }
        let Some(checksum) = &object.checksum else { return };
        let all = selected.range(object.size) == (0..object.size);
        match selected {
            Selected::Part(_, Some(value)) if checksum.kind == ChecksumType::Composite => {
                let part = store::StoredChecksum { value: value.clone(), ..checksum.clone() };
                headers::set_checksum(reply, &part);
            }
            Selected::Whole | Selected::Range(_) | Selected::Part(..) if all => {
                headers::set_checksum(reply, checksum);
            }
            // A range of bytes has no checksum of its own.
            Selected::Whole | Selected::Range(_) | Selected::Part(..) => {}
        }
    }

    fn select(&self, object: &Object) -> Result<Selected, S3Error> {
        if let Some(number) = self.part_number {
            return select_part(object, number);
        }
        let Some(range) = &self.range else { return Ok(Selected::Whole) };
        if self.if_range.as_ref().is_some_and(|validator| !is_current(validator, object)) {
            return Ok(Selected::Whole);
        }
        match parse_range(range, object.size) {
            ByteRange::Ignored => Ok(Selected::Whole),
            ByteRange::Satisfiable(range) => Ok(Selected::Range(range)),
            ByteRange::Unsatisfiable => Err(S3Error::new(Code::InvalidRange)
                .detail("RangeRequested", range.clone())
                .detail("ActualObjectSize", object.size.to_string())
                .header(
                    CONTENT_RANGE,
                    HeaderValue::try_from(format!("bytes */{}", object.size))
                        .unwrap_or(HeaderValue::from_static("bytes */0")),
                )),
        }
    }
}

/// The bytes of an object that an answer carries.
#[derive(Debug)]
enum Selected {
    Whole,
    Range(Range<u64>),
    /// One part of a multipart upload, and the part's checksum if there is one.
    Part(Range<u64>, Option<String>),
}

impl Selected {
    fn range(&self, size: u64) -> Range<u64> {
        match self {
            Self::Whole => 0..size,
            Self::Range(range) | Self::Part(range, _) => range.clone(),
        }
    }
}

/// Tells the versions of one key apart, also where they have no id.
fn version_of(object: &Object) -> String {
    let Object { version_id, etag, last_modified, .. } = object;
    format!("{version_id} {etag} {}", last_modified.as_millisecond())
}

fn select_part(object: &Object, number: PartNumber) -> Result<Selected, S3Error> {
    // An object that was not uploaded in parts counts as one part.
    if object.parts.is_empty() && number.number() == 1 {
        return Ok(Selected::Part(0..object.size, None));
    }
    let mut start = 0;
    for part in &object.parts {
        if part.number == number {
            return Ok(Selected::Part(start..start + part.size, part.checksum.clone()));
        }
        start += part.size;
    }
    Err(S3Error::new(Code::InvalidPartNumber)
        .detail("ActualPartCount", object.parts.len().max(1).to_string())
        .detail("PartNumberRequested", number.number().to_string()))
}

fn is_current(validator: &str, object: &Object) -> bool {
    match headers::parse_http_time(validator) {
        Some(time) => time.as_second() == object.last_modified.as_second(),
        None => validator.trim_matches('"') == object.etag.to_string(),
    }
}

/// A `Range` header, applied to the length of an object.
#[derive(Debug, PartialEq, Eq)]
enum ByteRange {
    /// Not a single range of bytes. The header is ignored, as RFC 9110 allows and S3 does.
    Ignored,
    Satisfiable(Range<u64>),
    Unsatisfiable,
}

fn parse_range(text: &str, size: u64) -> ByteRange {
    let Some((unit, ranges)) = text.split_once('=') else { return ByteRange::Ignored };
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return ByteRange::Ignored;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else { return ByteRange::Ignored };
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            // A number too large to represent is beyond the end of every object.
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    };
    let range = match (number(first), number(last)) {
        (Some(Some(first)), Some(Some(last))) if first <= last => {
            first..last.saturating_add(1).min(size)
        }
        (Some(Some(first)), Some(None)) => first..size,
        (Some(None), Some(Some(suffix))) => size.saturating_sub(suffix)..size,
        _ => return ByteRange::Ignored,
    };
    if range.start < range.end { ByteRange::Satisfiable(range) } else { ByteRange::Unsatisfiable }
}

/// The `partNumber` of the query, if there is one.
pub(crate) fn part_number(request: &S3Request<'_>) -> Result<Option<PartNumber>, S3Error> {
    const MESSAGE: &str = "Part number must be an integer between 1 and 10000, inclusive";
    let Some(text) = request.query.get("partNumber") else { return Ok(None) };
    let number = text.parse().ok().and_then(|number| PartNumber::new(number).ok());
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(S3Error::invalid_argument(MESSAGE, "partNumber", text)),
    }
}

/// The headers that the query overrides. A value that no header can carry is refused (semantics 1.4.22).
fn overrides(request: &S3Request<'_>) -> Result<Vec<(&'static str, HeaderValue)>, S3Error> {
    let mut overrides = Vec::new();
    let known = |name: &str| OVERRIDES.iter().any(|(parameter, _)| *parameter == name);
    let unknown =
        request.query.iter().find(|(name, _)| name.starts_with("response-") && !known(name));
    if let Some((name, value)) = unknown {
        let message = "This header of the response cannot be overridden.";
        return Err(S3Error::invalid_argument(message, name, value));
    }
    for &(parameter, header) in OVERRIDES {
        let Some(text) = request.query.get(parameter) else { continue };
        let latin1: Option<Vec<u8>> =
            text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
        let value = latin1.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let value = value.ok_or_else(|| {
            S3Error::invalid_argument(
                "Header value cannot be represented using ISO-8859-1.",
                parameter,
                text,
            )
        })?;
        overrides.push((header, value));
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::ByteRange::{Ignored, Satisfiable, Unsatisfiable};
    use super::*;

    #[test]
    fn ranges() {
        let check = |text: &str, size: u64, expected: ByteRange| {
            assert_eq!(parse_range(text, size), expected, "{text} of {size}");
        };
        check("bytes=0-9", 100, Satisfiable(0..10));
        check("bytes=0-9", 5, Satisfiable(0..5));
        check("bytes=5-", 10, Satisfiable(5..10));
        check("bytes=-3", 10, Satisfiable(7..10));
        check("bytes=-30", 10, Satisfiable(0..10));
        check("bytes=0-99999999999999999999999", 10, Satisfiable(0..10));
        check("bytes=10-", 10, Unsatisfiable);
        check("bytes=-0", 10, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=9-5", 10, Ignored);
        check("bytes=0-1,3-4", 10, Ignored);
        check("bytes=a-b", 10, Ignored);
        check("lines=0-1", 10, Ignored);
        check("bytes=-", 10, Ignored);
    }
}
