//! `CompleteMultipartUpload`: makes an object of the parts that a document names.

use std::sync::Arc;

use iam::Values;
use serde::Deserialize;
use store::{
    CHECKSUM_UNASKED, ChecksumAlgorithm, ChecksumType, CompleteOutcome, CompletedPart, ETag,
    Object, PART_SIZE_MIN, PartNumber, Precondition, StoredChecksum, Upload, VersionId,
};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, OperationKeys, StoreAccess};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::checksum;
use crate::s3::customer_key::SentKey;
use crate::s3::document;
use crate::s3::multipart::UploadTarget;
use crate::s3::{
    PAGE_MAX, VERSION_ID, creation_condition, customer_key, headers, location, no_such_key, quoted,
    set_encryption,
};
use crate::xml::{self, XmlWriter};

/// Bytes of a `CompleteMultipartUpload` document (semantics 6.6.8).
const DOCUMENT_BYTES_MAX: usize = 2_621_440;

/// `POST /bucket/key?uploadId`
#[derive(Debug)]
pub(crate) struct CompleteMultipartUpload {
    target: UploadTarget,
    precondition: Precondition,
    customer_key: Option<SentKey>,
    /// The checksum of the whole object, as the client computed it.
    object_checksum: Option<(ChecksumAlgorithm, String)>,
    /// What that checksum covers, as the client says: the whole object, or the checksums of its parts.
    checksum_type: Option<ChecksumType>,
    object_size: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct CompleteDocument {
    #[serde(rename = "Part", default)]
    parts: Vec<PartElement>,
}

#[derive(Debug, Deserialize)]
struct PartElement {
    #[serde(rename = "PartNumber")]
    number: String,
    #[serde(rename = "ETag")]
    etag: String,
    #[serde(rename = "ChecksumCRC32")]
    crc32: Option<String>,
    #[serde(rename = "ChecksumCRC32C")]
    crc32c: Option<String>,
    #[serde(rename = "ChecksumCRC64NVME")]
    crc64nvme: Option<String>,
    #[serde(rename = "ChecksumSHA1")]
    sha1: Option<String>,
    #[serde(rename = "ChecksumSHA256")]
    sha256: Option<String>,
    #[serde(rename = "ChecksumSHA512")]
    sha512: Option<String>,
    #[serde(rename = "ChecksumMD5")]
    md5: Option<String>,
    #[serde(rename = "ChecksumXXHASH64")]
    xxhash64: Option<String>,
    #[serde(rename = "ChecksumXXHASH3")]
    xxhash3: Option<String>,
    #[serde(rename = "ChecksumXXHASH128")]
    xxhash128: Option<String>,
}

impl Operation for CompleteMultipartUpload {
    const HONOURS: &'static [&'static str] = &[customer_key::OBJECT_KEY];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let object_checksum = checksum::of_completion(request)?;
        let object_size = request
            .header("x-amz-mp-object-size")
            .map(|text| {
                text.parse().map_err(|_| {
                    S3Error::invalid_request("Value for x-amz-mp-object-size header is invalid.")
                })
            })
            .transpose()?;
        Ok(Self {
            target: UploadTarget::read(request)?,
            precondition: headers::write_precondition(request)?,
            customer_key: SentKey::read(request)?,
            object_checksum,
            checksum_type: checksum::type_of_completion(request)?,
            object_size,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::object("s3:PutObject", &self.target.bucket, &self.target.key)]
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, true)
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let body = document::read(call.access(), body, DOCUMENT_BYTES_MAX).await?;
        let (operation, access) = call.split();
        let Self {
            target,
            precondition,
            customer_key,
            object_checksum,
            checksum_type,
            object_size,
        } = operation;
        let whereabouts = location(access.context(), &target.bucket, &target.key);
        let upload_id = target.id()?;
        // The upload may be gone because this very request was sent before and completed it. The store
        // recognises that, so the parts are read without the upload's checksum type.
        let bucket = access.bucket(&target.bucket).await?.reference();
        let upload = access.store().upload(&bucket, &target.key, &upload_id).await;
        let upload = upload.map_err(refusal::of_store)?;
        customer_key::check_completion(&access, upload.as_deref(), customer_key.as_ref())?;
        let named = named_parts(&body);
        // If there is no such upload, nothing else about it is reported.
        let named =
            named.map_err(|error| if upload.is_some() { error } else { target.missing() })?;
        let asked = upload.as_ref().and_then(|upload| upload.checksum);
        if upload.is_some() {
            check_type(checksum_type, asked)?;
        }
        let summed = asked.unwrap_or(CHECKSUM_UNASKED);
        let parts = read_parts(&named, &target.upload_id, upload.as_deref())?;
        if let Some(upload) = &upload {
            let size = size_of(&access, upload, &parts).await?;
            check_size(object_size, size)?;
            // What counts is the length of the object made of the parts, not that of the document.
            let permission = Permission::object("s3:PutObject", &target.bucket, &target.key);
            access.require_with(permission, &CompletedKeys(size)).await?;
        }
        let object_checksum = object_checksum.map(|(algorithm, value)| StoredChecksum {
            algorithm,
            kind: summed.1,
            value,
        });
        let complete = store::CompleteUpload {
            bucket,
            key: target.key.clone(),
            upload_id,
            parts,
            object_checksum,
            precondition,
            min_part_size: PART_SIZE_MIN,
        };
        let outcome = access.store().complete_upload(complete, access.now()).await;
        let outcome = outcome.map_err(refusal::of_store)?;
        let (version_id, object) = made(outcome, &named, (&target, precondition, summed.0))?;
        let checksum = customer_key::checksum(&access, &object, customer_key.as_ref());
        let mut reply = Reply::xml(completed(&target, &whereabouts, &object.etag, checksum));
        set_encryption(&mut reply, object.encryption);
        reply.set_optional(VERSION_ID, headers::told_version(version_id).as_deref());
        Ok(reply)
    }
}

/// The new object and its version, or why it could not be made.
fn made(
    outcome: CompleteOutcome,
    named: &CompleteDocument,
    (target, precondition, summed): (&UploadTarget, Precondition, ChecksumAlgorithm),
) -> Result<(Option<VersionId>, Arc<Object>), S3Error> {
    Err(match outcome {
        CompleteOutcome::Completed { version_id, object } => return Ok((version_id, object)),
        CompleteOutcome::NoSuchUpload => target.missing(),
        CompleteOutcome::InvalidPart { number } => {
            invalid_part(&target.upload_id, number, named.etag_of(number))
        }
        CompleteOutcome::PartTooSmall { number, size, etag } => S3Error::new(Code::EntityTooSmall)
            .detail("ProposedSize", size.to_string())
            .detail("MinSizeAllowed", PART_SIZE_MIN.to_string())
            .detail("PartNumber", number.number().to_string())
            .detail("ETag", etag.to_string()),
        CompleteOutcome::PreconditionFailed => headers::failed_write(precondition),
        CompleteOutcome::NoSuchBucket => refusal::no_such_bucket(&target.bucket),
        CompleteOutcome::NoSuchKey => no_such_key(&target.key),
        CompleteOutcome::Conflict => headers::conflicting_write(precondition, &target.key),
        CompleteOutcome::ChecksumMismatch { .. } => checksum::mismatch_of_upload(summed),
    })
}

fn completed(
    target: &UploadTarget,
    whereabouts: &str,
    etag: &ETag,
    checksum: Option<&StoredChecksum>,
) -> String {
    XmlWriter::result("CompleteMultipartUploadResult", |result| {
        result.text("Location", whereabouts);
        result.text("Bucket", target.bucket.as_str());
        result.text("Key", &target.key.to_string());
        result.text("ETag", &quoted(etag));
        if let Some(stored) = checksum {
            result.text(checksum::element_name(stored.algorithm), &stored.value);
            result.text("ChecksumType", checksum::type_name(stored.kind));
        }
    })
}

/// A checksum type named by a completion must be that of its upload.
fn check_type(
    said: Option<ChecksumType>,
    asked: Option<(ChecksumAlgorithm, ChecksumType)>,
) -> Result<(), S3Error> {
    let kind = asked.map(|(_, kind)| kind);
    if said.is_none() || said == kind {
        return Ok(());
    }
    Err(S3Error::invalid_request(format!(
        "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
        kind.map_or("null", checksum::type_name),
    )))
}

/// The refusal of a part that is not there, or has another entity tag.
fn invalid_part(upload_id: &str, number: PartNumber, etag: &str) -> S3Error {
    S3Error::new(Code::InvalidPart)
        .detail("UploadId", upload_id)
        .detail("PartNumber", number.number().to_string())
        .detail("ETag", etag)
}

/// Reads the document, which must name at least one part.
fn named_parts(document: &[u8]) -> Result<CompleteDocument, S3Error> {
    let named = if document.is_empty() {
        CompleteDocument { parts: Vec::new() }
    } else {
        xml::parse("CompleteMultipartUpload", document)?
    };
    if named.parts.is_empty() {
        return Err(S3Error::invalid_request("You must specify at least one part"));
    }
    Ok(named)
}

/// The parts that the document names. They must be in ascending order, and their checksums of the upload's
/// algorithm. If the upload is gone this cannot be checked; if a first try of this request completed it, it was
/// checked then.
fn read_parts(
    document: &CompleteDocument,
    upload_id: &str,
    upload: Option<&Upload>,
) -> Result<Vec<CompletedPart>, S3Error> {
    let mut parts: Vec<CompletedPart> = Vec::with_capacity(document.parts.len());
    for element in &document.parts {
        let number = element.number().ok_or_else(|| S3Error::new(Code::MalformedXml))?;
        if parts.last().is_some_and(|last| last.number >= number) {
            return Err(S3Error::new(Code::InvalidPartOrder).detail("UploadId", upload_id));
        }
        let etag = ETag::parse(element.etag())
            .map_err(|_| invalid_part(upload_id, number, element.etag()))?;
        let checksum = match upload {
            Some(upload) => element.checksum(number, upload)?,
            None => None,
        };
        parts.push(CompletedPart { number, etag, checksum });
    }
    Ok(parts)
}

impl CompleteDocument {
    /// The entity tag that the document names for this part, without quotes.
    fn etag_of(&self, number: PartNumber) -> &str {
        let named = self.parts.iter().find(|part| part.number() == Some(number));
        named.map_or("", |part| part.etag())
    }
}

impl PartElement {
    fn number(&self) -> Option<PartNumber> {
        self.number.trim().parse().ok().and_then(|number| PartNumber::new(number).ok())
    }

    /// The entity tag without quotes.
    fn etag(&self) -> &str {
        self.etag.trim().trim_matches('"')
    }

    /// The checksum that the document names for this part. It must be of the upload's algorithm. It is required
    /// if the object's checksum is made of those of its parts.
    fn checksum(&self, number: PartNumber, upload: &Upload) -> Result<Option<String>, S3Error> {
        let (algorithm, kind) = upload.checksum.unwrap_or(CHECKSUM_UNASKED);
        let named = [
            (ChecksumAlgorithm::Crc32, &self.crc32),
            (ChecksumAlgorithm::Crc32c, &self.crc32c),
            (ChecksumAlgorithm::Crc64Nvme, &self.crc64nvme),
            (ChecksumAlgorithm::Sha1, &self.sha1),
            (ChecksumAlgorithm::Sha256, &self.sha256),
            (ChecksumAlgorithm::Sha512, &self.sha512),
            (ChecksumAlgorithm::Md5, &self.md5),
            (ChecksumAlgorithm::Xxhash64, &self.xxhash64),
            (ChecksumAlgorithm::Xxhash3, &self.xxhash3),
            (ChecksumAlgorithm::Xxhash128, &self.xxhash128),
        ];
        let mut found = None;
        for (other, value) in named {
            let Some(value) = value else { continue };
            if other != algorithm {
                return Err(self.other_checksum(number, upload, other));
            }
            found = Some(value.clone());
        }
        if found.is_none() && kind == ChecksumType::Composite {
            return Err(S3Error::invalid_request(format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {} in the request.",
                checksum::algorithm_name(algorithm).to_ascii_lowercase(),
                self.number.trim(),
            )));
        }
        Ok(found)
    }

    /// The refusal of a part whose checksum is of another algorithm than the upload's.
    fn other_checksum(
        &self,
        number: PartNumber,
        upload: &Upload,
        other: ChecksumAlgorithm,
    ) -> S3Error {
        if upload.checksum.is_none() {
            return invalid_part(&upload.id.to_string(), number, self.etag());
        }
        S3Error::with_message(
            Code::BadDigest,
            format!(
                "The {} you specified for part {} did not match what we received.",
                checksum::algorithm_name(other).to_ascii_lowercase(),
                number.number()
            ),
        )
    }
}

/// The condition keys of a completion, with the length of the object in bytes.
struct CompletedKeys(u64);

impl OperationKeys for CompletedKeys {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "valet:contentlength" => Some(Values::One(self.0.to_string().into())),
            other => creation_condition(other, true),
        }
    }
}

/// The length of the object: the sum of its parts' lengths. The named entity tags fix which parts these are.
async fn size_of(
    access: &StoreAccess,
    upload: &Upload,
    named: &[CompletedPart],
) -> Result<u64, S3Error> {
    let limit = usize::try_from(PAGE_MAX).unwrap_or(usize::MAX);
    let (mut after, mut size) = (None, 0u64);
    loop {
        let page = access.store().parts(upload, after, limit).await.map_err(refusal::of_store)?;
        let is_named = |part: &&store::Part| {
            // The search needs the ascending order that was checked before.
            named.binary_search_by_key(&part.number, |named| named.number).is_ok()
        };
        let counted = page.parts.iter().filter(is_named);
        size = counted.fold(size, |sum, part| sum.saturating_add(part.size));
        after = page.next;
        if after.is_none() {
            return Ok(size);
        }
    }
}

/// Checks `x-amz-mp-object-size`: the lengths of the parts must add up to it.
fn check_size(expected: Option<u64>, size: u64) -> Result<(), S3Error> {
    if expected.is_none_or(|expected| expected == size) {
        return Ok(());
    }
    Err(S3Error::invalid_request(
        "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
    ))
}
