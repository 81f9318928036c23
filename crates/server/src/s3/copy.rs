//! `CopyObject` and `UploadPartCopy`: a read under one permission, a write under another.

mod named;

use std::ops::Range;
use std::pin::pin;

use hyper::header::HeaderName;
use iam::Values;
use store::{
    Attributes, BucketName, CHECKSUM_UNASKED, ChecksumAlgorithm, ChecksumAlgorithms, ChecksumType,
    Object, ObjectKey, PartNumber, Precondition, PutOutcome, PutPart, StageSpec, StagedBody,
    StoredChecksum, Tag, Unlocked,
};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{Copied, LinkFit, Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::route::{OBJECT_KEY, SOURCE_KEY};
use crate::s3::customer_key::{self, SentKey};
use crate::s3::encryption::EncryptionChoice;
use crate::s3::found::{FoundObject, find};
use crate::s3::headers::{self, Conditions, ReadConditions, WEBSITE_REDIRECT};
use crate::s3::ingest::{UPLOAD_BYTES_MAX, check_size, too_large};
use crate::s3::multipart::{UploadTarget, required_part_number};
use crate::s3::{
    VERSION_ID, checksum, creation_condition, no_such_key, of_bucket, quoted, tags, xml_time,
};
use crate::uploads::Takes;
use crate::xml::XmlWriter;
use named::NamedSource;

/// The source of a copy, and the conditions on it.
#[derive(Debug)]
struct CopySource {
    named: NamedSource,
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<String>,
    if_unmodified_since: Option<String>,
    expected_owner: Option<String>,
    customer_key: Option<SentKey>,
}

impl CopySource {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            named: NamedSource::read(request)?,
            if_match: request.owned_header("x-amz-copy-source-if-match"),
            if_none_match: request.owned_header("x-amz-copy-source-if-none-match"),
            if_modified_since: request.owned_header("x-amz-copy-source-if-modified-since"),
            if_unmodified_since: request.owned_header("x-amz-copy-source-if-unmodified-since"),
            expected_owner: request.owned_header("x-amz-source-expected-bucket-owner"),
            customer_key: SentKey::of_source(request)?,
        })
    }

    fn permission(&self) -> Permission<'_> {
        let NamedSource { bucket, key, version_id } = &self.named;
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        Permission::object(action, bucket, key).of_version(version_id.as_ref())
    }

    fn copied(&self, range: Option<&Range<u64>>) -> Copied<'_> {
        let NamedSource { bucket, key, version_id } = &self.named;
        Copied { bucket, key, version: version_id.as_ref(), range: range.cloned() }
    }

    fn permission_to_read_tags(&self) -> Permission<'_> {
        let NamedSource { bucket, key, version_id } = &self.named;
        let action = match version_id {
            Some(_) => "s3:GetObjectVersionTagging",
            None => "s3:GetObjectTagging",
        };
        Permission::object(action, bucket, key).of_version(version_id.as_ref())
    }

    /// Finds the source and checks the conditions on it. A condition that fails is 412, even `if-none-match`,
    /// which would be 304 on a read.
    async fn find(&self, access: &StoreAccess) -> Result<FoundObject, S3Error> {
        let NamedSource { bucket: name, key, version_id } = &self.named;
        if let Some(expected) = &self.expected_owner
            && of_bucket::owner(access, name).await?.as_str() != expected
        {
            return Err(S3Error::new(Code::AccessDenied));
        }
        let found = find(access, name, key, version_id.as_ref()).await;
        let found = found.map_err(|error| {
            // A version that is a delete marker: 405 on a read, but AWS refuses a copy of it in other words.
            if error.code() == Code::MethodNotAllowed {
                return S3Error::invalid_request(
                    "The source of a copy request may not specifically refer to a delete marker by version id.",
                );
            }
            error
        })?;
        let conditions = ReadConditions {
            now: access.now(),
            matches: self.if_match.as_deref(),
            none_matches: self.if_none_match.as_deref(),
            modified_since: self.if_modified_since.as_deref(),
            unmodified_since: self.if_unmodified_since.as_deref(),
        };
        match conditions.judge(&found.object) {
            Conditions::Hold => Ok(found),
            Conditions::NotModified => {
                let by_tag = self.if_none_match.is_some();
                let failed = if by_tag { "If-None-Match" } else { "If-Modified-Since" };
                Err(headers::precondition_failed(&format!("x-amz-copy-source-{failed}")))
            }
            Conditions::Failed(condition) => {
                Err(headers::precondition_failed(&format!("x-amz-copy-source-{condition}")))
            }
        }
    }

    fn unlock(&self, access: &StoreAccess, found: &FoundObject) -> Result<Unlocked, S3Error> {
        customer_key::unlock(access, &found.object, self.customer_key.as_ref())
    }

    /// Tells which version of the source was copied, if its bucket has versions.
    fn set_version(found: &FoundObject, reply: &mut Reply) {
        if found.versioned {
            let version = found.object.version_id.to_string();
            reply.set_text(HeaderName::from_static("x-amz-copy-source-version-id"), &version);
        }
    }
}

/// Whether the copy keeps the metadata (or tags) of the source, or takes those of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

impl Directive {
    fn read(request: &S3Request<'_>, name: &'static str) -> Result<Self, S3Error> {
        match request.header(name).as_deref() {
            None | Some("COPY") => Ok(Self::Copy),
            Some("REPLACE") => Ok(Self::Replace),
            Some(other) => Err(S3Error::invalid_argument(
                format!(
                    "Unknown {} directive.",
                    name.trim_start_matches("x-amz-").trim_end_matches("-directive")
                ),
                name,
                other,
            )),
        }
    }
}

/// `PUT /bucket/key` with `x-amz-copy-source`
#[derive(Debug)]
pub(crate) struct CopyObject {
    bucket: BucketName,
    key: ObjectKey,
    source: CopySource,
    directive: Directive,
    tagging: Directive,
    attributes: Attributes,
    /// Whether the request names a storage class, even if the source has the same, or a place to redirect to.
    says_class: bool,
    choice: EncryptionChoice,
    algorithm: Option<ChecksumAlgorithm>,
    precondition: Precondition,
}

impl Operation for CopyObject {
    const HONOURS: &'static [&'static str] = &[
        "x-amz-copy-source",
        SOURCE_KEY,
        "x-amz-acl",
        "x-amz-grant-",
        "x-amz-server-side-encryption",
        OBJECT_KEY,
        "x-amz-tagging",
        "x-amz-website-redirect-location",
    ];
    const LINK_FIT: LinkFit = LinkFit::MAKES;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        headers::refuse_version_or_part(request)?;
        headers::accept_private_acl(request)?;
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            source: CopySource::read(request)?,
            directive: Directive::read(request, "x-amz-metadata-directive")?,
            tagging: Directive::read(request, "x-amz-tagging-directive")?,
            attributes: headers::attributes(request)?,
            says_class: request.has_header("x-amz-storage-class")
                || request.has_header(WEBSITE_REDIRECT.as_str()),
            choice: EncryptionChoice::read(request)?,
            algorithm: checksum::of_copy(request)?,
            precondition: headers::write_precondition(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        let mut permissions = vec![self.source.permission()];
        permissions.extend(tags::permissions_of_write(
            self.request_tags(),
            &self.bucket,
            &self.key,
        ));
        permissions
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, true)
            .or_else(|| self.source.named.condition(key))
            .or_else(|| tags::object_condition(self.request_tags(), key))
    }

    fn copied(&self) -> Option<Copied<'_>> {
        Some(self.source.copied(None))
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (copy, access) = call.split();
        let found = copy.source.find(&access).await?;
        let unlocked = copy.source.unlock(&access, &found)?;
        copy.refuse_idle_copy(&access, &found.object).await?;
        copy.may_copy_tags(&access, &found.object.attributes.tags).await?;
        let source = &found.object;
        if source.size > UPLOAD_BYTES_MAX {
            return Err(S3Error::invalid_request(
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
            ));
        }
        check_size(source.size, &access.link_sizes())?;
        let precondition = headers::with_link(&access, copy.precondition)?;
        let algorithm = copy.algorithm.unwrap_or_else(|| inherited_algorithm(source));
        let attributes = copy.attributes(source);
        let choice = copy.choice.settle(&access, &copy.bucket, &copy.key).await?;
        let staged = copy_bytes(&access, &unlocked, 0..source.size, &choice, algorithm).await?;
        let at_rest = staged.at_rest();
        let put = store::PutObject {
            bucket: access.bucket(&copy.bucket).await?.reference(),
            key: copy.key.clone(),
            checksum: checksum_of(&staged, algorithm),
            body: staged,
            attributes,
            etag: None,
            precondition,
        };
        let outcome =
            access.store().put_object(put, access.now()).await.map_err(refusal::of_store)?;
        match outcome {
            PutOutcome::Stored { version_id, object } => {
                let mut reply = Reply::xml(XmlWriter::result("CopyObjectResult", |result| {
                    write_result(
                        result,
                        &quoted(&object.etag),
                        object.last_modified,
                        object.checksum.as_ref(),
                    );
                    if let Some(stored) = &object.checksum {
                        result.text("ChecksumType", checksum::type_name(stored.kind));
                    }
                }));
                choice.tell(&mut reply, at_rest);
                CopySource::set_version(&found, &mut reply);
                let version_id = headers::told_version(version_id);
                reply.set_optional(VERSION_ID, version_id.as_deref());
                Ok(reply)
            }
            PutOutcome::PreconditionFailed => Err(headers::failed_write(precondition)),
            PutOutcome::NoSuchBucket => Err(refusal::no_such_bucket(&copy.bucket)),
            PutOutcome::NoSuchKey => Err(no_such_key(&copy.key)),
        }
    }
}

impl CopyObject {
    /// Refuses a copy of an object onto itself that changes nothing. It must change metadata, storage class or
    /// encryption, by the request or by the bucket's default. Conditions are checked before.
    async fn refuse_idle_copy(&self, access: &StoreAccess, object: &Object) -> Result<(), S3Error> {
        let onto_itself = self.source.named.bucket == self.bucket
            && self.source.named.key == self.key
            && self.source.named.version_id.is_none();
        let changes =
            self.directive == Directive::Replace || self.says_class || self.choice.is_made();
        if !onto_itself || changes {
            return Ok(());
        }
        if !headers::holds_for(self.precondition, object) {
            return Err(headers::failed_write(self.precondition));
        }
        if access.bucket(&self.bucket).await?.encryption.aes256 {
            return Ok(());
        }
        Err(S3Error::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ))
    }

    /// The tags of the request, if it is to set any.
    fn request_tags(&self) -> &[Tag] {
        match self.tagging {
            Directive::Replace => &self.attributes.tags,
            Directive::Copy => &[],
        }
    }

    /// Copying tags needs two more permissions: to read them from the source, and to set them on the copy.
    async fn may_copy_tags(&self, access: &StoreAccess, tags: &[Tag]) -> Result<(), S3Error> {
        if self.tagging == Directive::Replace || tags.is_empty() {
            return Ok(());
        }
        access.require(self.source.permission_to_read_tags()).await?;
        tags::may_tag(access, (&self.bucket, &self.key), tags).await
    }

    /// The attributes of the copy. The storage class always comes from the request.
    fn attributes(&self, source: &Object) -> Attributes {
        let tags = match self.tagging {
            Directive::Replace => self.attributes.tags.clone(),
            Directive::Copy => source.attributes.tags.clone(),
        };
        match self.directive {
            Directive::Replace => Attributes { tags, ..self.attributes.clone() },
            Directive::Copy => Attributes {
                storage_class: self.attributes.storage_class.clone(),
                website_redirect: self.attributes.website_redirect.clone(),
                tags,
                ..source.attributes.clone()
            },
        }
    }
}

/// `PUT /bucket/key?partNumber&uploadId` with `x-amz-copy-source`
#[derive(Debug)]
pub(crate) struct UploadPartCopy {
    target: UploadTarget,
    number: PartNumber,
    source: CopySource,
    customer_key: Option<SentKey>,
    range: Option<Range<u64>>,
}

impl Operation for UploadPartCopy {
    const HONOURS: &'static [&'static str] =
        &["x-amz-copy-source", "x-amz-copy-source-range", SOURCE_KEY, OBJECT_KEY];
    const LINK_FIT: LinkFit = LinkFit::STORES;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            target: UploadTarget::read(request)?,
            number: required_part_number(request)?,
            source: CopySource::read(request)?,
            customer_key: SentKey::read(request)?,
            range: source_range(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![
            self.source.permission(),
            Permission::object("s3:PutObject", &self.target.bucket, &self.target.key),
        ]
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, false).or_else(|| self.source.named.condition(key))
    }

    fn copied(&self) -> Option<Copied<'_>> {
        Some(self.source.copied(self.range.as_ref()))
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self { target, number, source, customer_key, range }, access) = call.split();
        let upload = target.find(&access).await?;
        let choice = EncryptionChoice::of_part(&access, &upload, customer_key).await?;
        let found = source.find(&access).await?;
        let unlocked = source.unlock(&access, &found)?;
        let size = found.object.size;
        let range = range.unwrap_or(0..size);
        if range.end > size {
            return Err(S3Error::invalid_argument(
                format!("Range specified is not valid for source object of size: {size}"),
                "x-amz-copy-source-range",
                format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            ));
        }
        if range.end - range.start > UPLOAD_BYTES_MAX {
            return Err(too_large(range.end - range.start, UPLOAD_BYTES_MAX));
        }
        check_size(range.end - range.start, &access.link_sizes())?;
        let (algorithm, _) = upload.checksum.unwrap_or(CHECKSUM_UNASKED);
        let staged = copy_bytes(&access, &unlocked, range, &choice, algorithm).await?;
        let at_rest = staged.at_rest();
        let kept = checksum_of(&staged, algorithm);
        let put = access.store().put_part(&upload, number, staged, kept, access.now()).await;
        match put.map_err(refusal::of_store)? {
            PutPart::Stored(part) => {
                let mut reply = Reply::xml(XmlWriter::result("CopyPartResult", |result| {
                    write_result(
                        result,
                        &quoted(&part.etag),
                        part.last_modified,
                        part.checksum.as_ref().filter(|_| upload.checksum.is_some()),
                    );
                }));
                choice.tell(&mut reply, at_rest);
                CopySource::set_version(&found, &mut reply);
                Ok(reply)
            }
            PutPart::NoSuchUpload => Err(target.missing()),
        }
    }
}

fn source_range(request: &S3Request<'_>) -> Result<Option<Range<u64>>, S3Error> {
    const NAME: &str = "x-amz-copy-source-range";
    let Some(text) = request.header(NAME) else { return Ok(None) };
    let range = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .and_then(|(first, last)| {
            Some(first.parse::<u64>().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
        })
        .filter(|range| range.start < range.end);
    match range {
        Some(range) => Ok(Some(range)),
        None => Err(S3Error::invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
            NAME,
            text,
        )),
    }
}

/// The checksum algorithm for the copy: that of the source, if its checksum covers the whole object.
fn inherited_algorithm(source: &Object) -> ChecksumAlgorithm {
    source.checksum.as_ref().map_or(CHECKSUM_UNASKED.0, |checksum| checksum.algorithm)
}

fn checksum_of(staged: &StagedBody, algorithm: ChecksumAlgorithm) -> Option<StoredChecksum> {
    let value = staged.checksum(algorithm)?;
    Some(StoredChecksum { algorithm, kind: ChecksumType::FullObject, value })
}

/// Stages a copy of some bytes of the source.
async fn copy_bytes(
    access: &StoreAccess,
    source: &Unlocked,
    range: Range<u64>,
    choice: &EncryptionChoice,
    algorithm: ChecksumAlgorithm,
) -> Result<StagedBody, S3Error> {
    let spec = StageSpec {
        size_hint: Some(range.end - range.start),
        checksums: ChecksumAlgorithms::from(algorithm),
        ..choice.stage()
    };
    let mut stage = access.store().stage(spec).await.map_err(refusal::of_store)?;
    let takes = Takes::of(&stage);
    let mut reader = access.store().read(source, range);
    let mut throttle = access.throttle()?;
    let copying = pin!(async {
        while let Some(bytes) = reader.next().await {
            let bytes = bytes.map_err(refusal::of_store)?;
            if let Some(throttle) = &mut throttle {
                throttle.pass(bytes.len()).await;
            }
            stage.write(bytes).await.map_err(refusal::of_store)?;
        }
        stage.finish().await.map_err(refusal::of_store)
    });
    access.context().uploads.take_in(takes, copying).await
}

fn write_result(
    result: &mut XmlWriter,
    etag: &str,
    last_modified: jiff::Timestamp,
    stored: Option<&StoredChecksum>,
) {
    result.text("ETag", etag);
    result.text("LastModified", &xml_time(last_modified));
    if let Some(stored) = stored {
        result.text(checksum::element_name(stored.algorithm), &stored.value);
    }
}
