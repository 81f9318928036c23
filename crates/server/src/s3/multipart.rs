//! Multipart uploads: create, upload a part, complete, abort.

use hyper::StatusCode;
use hyper::header::ETAG;
use iam::{Principal, Values};
use serde::Deserialize;
use store::{
    Attributes, BucketName, CHECKSUM_UNASKED, ChecksumAlgorithm, ChecksumType, CompleteOutcome,
    CompletedPart, ETag, NewUpload, ObjectKey, PART_SIZE_MIN, PartNumber, Precondition, PutPart,
    StoredChecksum, Upload, UploadId,
};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, Door, OperationKeys};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::checksum::{self, Announced};
use crate::s3::customer_key::SentKey;
use crate::s3::document;
use crate::s3::encryption::Wish;
use crate::s3::get::part_number;
use crate::s3::ingest::{Ingested, UploadTerms, Wanted};
use crate::s3::{
    PAGE_MAX, VERSION_ID, creation_condition, customer_key, headers, location, no_such_key, quoted,
    set_encryption, tagging,
};
use crate::xml::{self, XmlWriter};

/// Bytes of a `CompleteMultipartUpload` document (aws-semantics 6.6.8).
const DOCUMENT_BYTES_MAX: usize = 2_621_440;
/// `POST /bucket/key?uploads`
#[derive(Debug)]
pub(crate) struct CreateMultipartUpload {
    bucket: BucketName,
    key: ObjectKey,
    attributes: Attributes,
    wish: Wish,
    checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

impl Operation for CreateMultipartUpload {
    const HONOURS: &'static [&'static str] = headers::OF_A_WRITE;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        headers::accept_private_acl(request)?;
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            attributes: headers::attributes(request)?,
            wish: Wish::read(request)?,
            checksum: checksum::of_upload(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        tagging::permissions_of_write(&self.attributes.tags, &self.bucket, &self.key)
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, false)
            .or_else(|| tagging::object_condition(&self.attributes.tags, key))
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (create, door) = call.split();
        let Self { bucket, key, attributes, wish, checksum } = create;
        let wish = wish.settle(&door, &bucket, &key).await?;
        let customer_key = wish.customer_key().map(|key| door.store().key_check(key)).transpose();
        let new = NewUpload {
            bucket: door.bucket(&bucket).await?.reference(),
            key: key.clone(),
            attributes,
            checksum,
            encryption: wish.encryption(),
            customer_key: customer_key.map_err(refusal::of_store)?,
            initiator: initiator(&door)?,
        };
        let upload =
            door.store().create_upload(new, door.now()).await.map_err(refusal::of_store)?;
        let upload = upload.ok_or_else(|| refusal::no_such_bucket(&bucket))?;
        let mut reply = Reply::xml(XmlWriter::result("InitiateMultipartUploadResult", |result| {
            result.text("Bucket", bucket.as_str());
            result.text("Key", &key.to_string());
            result.text("UploadId", &upload.id.to_string());
        }));
        if let Some((algorithm, kind)) = checksum {
            reply.set_text(checksum::ALGORITHM, checksum::algorithm_name(algorithm));
            reply.set_text(checksum::TYPE, headers::type_name(kind));
        }
        wish.tell(&mut reply, door.store().at_rest(&wish.stage()));
        Ok(reply)
    }
}

/// Which upload a request is about.
#[derive(Debug)]
pub(crate) struct UploadTarget {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
    pub(crate) upload_id: String,
}

impl UploadTarget {
    pub(crate) fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            upload_id: request.query.get("uploadId").unwrap_or_default().to_owned(),
        })
    }

    pub(crate) fn id(&self) -> Result<UploadId, S3Error> {
        UploadId::parse(&self.upload_id).map_err(|_| self.missing())
    }

    pub(crate) async fn find(&self, door: &Door) -> Result<std::sync::Arc<Upload>, S3Error> {
        let (id, bucket) = (self.id()?, door.bucket(&self.bucket).await?.reference());
        let found = door.store().upload(&bucket, &self.key, &id).await;
        found.map_err(refusal::of_store)?.ok_or_else(|| self.missing())
    }

    pub(crate) fn missing(&self) -> S3Error {
        S3Error::new(Code::NoSuchUpload).detail("UploadId", self.upload_id.as_str())
    }
}

/// The part number that an upload of a part must name.
pub(crate) fn required_part_number(request: &S3Request<'_>) -> Result<PartNumber, S3Error> {
    part_number(request)?.ok_or_else(|| {
        S3Error::invalid_argument(
            "This operation does not accept a query-string without partNumber.",
            "partNumber",
            "",
        )
    })
}

/// `PUT /bucket/key?partNumber&uploadId`
#[derive(Debug)]
pub(crate) struct UploadPart {
    target: UploadTarget,
    number: PartNumber,
    customer_key: Option<SentKey>,
    terms: UploadTerms,
}

impl Operation for UploadPart {
    const HONOURS: &'static [&'static str] = &[customer_key::OBJECT_KEY];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            target: UploadTarget::read(request)?,
            number: required_part_number(request)?,
            customer_key: SentKey::read(request)?,
            terms: UploadTerms::read(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::object("s3:PutObject", &self.target.bucket, &self.target.key)]
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, false)
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self { target, number, customer_key, terms }, door) = call.split();
        let upload = target.find(&door).await?;
        let wish = Wish::of_part(&door, &upload, customer_key).await?;
        let (algorithm, _) = upload.checksum.unwrap_or(CHECKSUM_UNASKED);
        let announced = terms.checksum();
        if *announced != Announced::Nothing
            && upload.checksum.is_some()
            && announced.algorithm() != algorithm
        {
            return Err(type_mismatch(upload.checksum, announced.algorithm()));
        }
        let wanted = Wanted { wish: &wish, also: Some(algorithm) };
        let Ingested { body, checksum: verified } =
            terms.ingest(door.store(), body, door.signature(), wanted).await?;
        let value = body.checksum(algorithm).ok_or_else(|| S3Error::new(Code::InternalError))?;
        let at_rest = body.at_rest();
        let kept = StoredChecksum { algorithm, kind: ChecksumType::FullObject, value };
        let put = door.store().put_part(&upload, number, body, Some(kept), door.now()).await;
        match put.map_err(refusal::of_store)? {
            PutPart::Stored(part) => {
                let mut reply = Reply::new(StatusCode::OK);
                reply.set_text(ETAG, &quoted(&part.etag));
                wish.tell(&mut reply, at_rest);
                if upload.checksum.is_some() || *terms.checksum() != Announced::Nothing {
                    reply.set_text(checksum::header(verified.algorithm), &verified.value);
                }
                Ok(reply)
            }
            PutPart::NoSuchUpload => Err(target.missing()),
        }
    }
}

fn type_mismatch(
    expected: Option<(ChecksumAlgorithm, ChecksumType)>,
    actual: ChecksumAlgorithm,
) -> S3Error {
    let expected = expected.map_or("null", |(algorithm, _)| checksum::algorithm_name(algorithm));
    S3Error::invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        expected.to_ascii_lowercase(),
        checksum::algorithm_name(actual).to_ascii_lowercase(),
    ))
}

/// `POST /bucket/key?uploadId`
#[derive(Debug)]
pub(crate) struct CompleteMultipartUpload {
    target: UploadTarget,
    precondition: Precondition,
    customer_key: Option<SentKey>,
    /// The whole object's checksum as the client computed it.
    object_checksum: Option<(ChecksumAlgorithm, String)>,
    /// What the client says that checksum is taken over.
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
        let body = document::read(call.door(), body, DOCUMENT_BYTES_MAX).await?;
        let (operation, door) = call.split();
        let Self {
            target,
            precondition,
            customer_key,
            object_checksum,
            checksum_type,
            object_size,
        } = operation;
        let whereabouts = location(door.context(), &target.bucket, &target.key);
        let upload_id = target.id()?;
        // An upload that is gone may have been completed by this very request's first try: the
        // store knows, so the parts are read without its checksum then.
        let bucket = door.bucket(&target.bucket).await?.reference();
        let upload = door.store().upload(&bucket, &target.key, &upload_id).await;
        let upload = upload.map_err(refusal::of_store)?;
        customer_key::check_completion(&door, upload.as_deref(), customer_key.as_ref())?;
        let named = named_parts(&body);
        // Of an upload that is not there nothing else is said.
        let named =
            named.map_err(|error| if upload.is_some() { error } else { target.missing() })?;
        let asked = upload.as_ref().and_then(|upload| upload.checksum);
        if upload.is_some() {
            check_type(checksum_type, asked)?;
        }
        let summed = asked.unwrap_or(CHECKSUM_UNASKED);
        let parts = read_parts(&named, &target.upload_id, upload.as_deref())?;
        if let Some(upload) = &upload {
            let size = size_of(&door, upload, &parts).await?;
            check_size(object_size, size)?;
            // What is stored is what the parts are together, whatever the document weighs.
            let permission = Permission::object("s3:PutObject", &target.bucket, &target.key);
            door.require_with(permission, &CompletedKeys(size)).await?;
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
        let outcome = door.store().complete_upload(complete, door.now()).await;
        match outcome.map_err(refusal::of_store)? {
            CompleteOutcome::Completed { version_id, object } => {
                let checksum = customer_key::checksum(&door, &object, customer_key.as_ref());
                let mut reply =
                    Reply::xml(completed(&target, &whereabouts, &object.etag, checksum));
                set_encryption(&mut reply, object.encryption);
                reply.set_optional(VERSION_ID, headers::told_version(version_id).as_deref());
                Ok(reply)
            }
            CompleteOutcome::NoSuchUpload => Err(target.missing()),
            CompleteOutcome::InvalidPart { number } => {
                Err(invalid_part(&target.upload_id, number, named.etag_of(number)))
            }
            CompleteOutcome::PartTooSmall { number, size, etag } => {
                Err(S3Error::new(Code::EntityTooSmall)
                    .detail("ProposedSize", size.to_string())
                    .detail("MinSizeAllowed", PART_SIZE_MIN.to_string())
                    .detail("PartNumber", number.number().to_string())
                    .detail("ETag", etag.to_string()))
            }
            CompleteOutcome::PreconditionFailed => Err(headers::failed_write(precondition)),
            CompleteOutcome::NoSuchBucket => Err(refusal::no_such_bucket(&target.bucket)),
            CompleteOutcome::NoSuchKey => Err(no_such_key(&target.key)),
            CompleteOutcome::Conflict => Err(headers::conflicting_write(precondition, &target.key)),
            CompleteOutcome::ChecksumMismatch { .. } => Err(checksum::mismatch_of_upload(summed.0)),
        }
    }
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
            result.text("ChecksumType", headers::type_name(stored.kind));
        }
    })
}

/// The type that a completion says must be the upload's.
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
        kind.map_or("null", headers::type_name),
    )))
}

/// A part that is not there, or not with that entity tag.
fn invalid_part(upload_id: &str, number: PartNumber, etag: &str) -> S3Error {
    S3Error::new(Code::InvalidPart)
        .detail("UploadId", upload_id)
        .detail("PartNumber", number.number().to_string())
        .detail("ETag", etag)
}

/// What the document says, which must name a part.
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

/// The parts as the document names them: in ascending order, their checksums of the
/// upload's kind. Those of an upload that is gone cannot be judged: if it was completed by this
/// request's first try, they were right then.
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
    /// The entity tag that the document names for a part, without quotes.
    fn etag_of(&self, number: PartNumber) -> &str {
        let named = self.parts.iter().find(|part| part.number() == Some(number));
        named.map_or("", |part| part.etag())
    }
}

impl PartElement {
    fn number(&self) -> Option<PartNumber> {
        self.number.trim().parse().ok().and_then(|number| PartNumber::new(number).ok())
    }

    /// Without its quotes.
    fn etag(&self) -> &str {
        self.etag.trim().trim_matches('"')
    }

    /// The part's checksum, which must be of the upload's algorithm, and there where the object's is
    /// made of the parts'.
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

    /// A part named with a checksum of an algorithm that is not the upload's.
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

/// The condition keys of a completion whose parts are known.
struct CompletedKeys(u64);

impl OperationKeys for CompletedKeys {
    fn condition(&self, key: &str) -> Option<Values<'_>> {
        match key {
            "valet:contentlength" => Some(Values::One(self.0.to_string().into())),
            other => creation_condition(other, true),
        }
    }
}

/// How many bytes the named parts are together; their entity tags fix them.
async fn size_of(door: &Door, upload: &Upload, named: &[CompletedPart]) -> Result<u64, S3Error> {
    let limit = usize::try_from(PAGE_MAX).unwrap_or(usize::MAX);
    let (mut after, mut size) = (None, 0u64);
    loop {
        let page = door.store().parts(upload, after, limit).await.map_err(refusal::of_store)?;
        let is_named = |part: &&store::Part| {
            // They are in ascending order.
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

/// `x-amz-mp-object-size`: the parts must add up to it.
fn check_size(expected: Option<u64>, size: u64) -> Result<(), S3Error> {
    if expected.is_none_or(|expected| expected == size) {
        return Ok(());
    }
    Err(S3Error::invalid_request(
        "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
    ))
}

/// `DELETE /bucket/key?uploadId`
#[derive(Debug)]
pub(crate) struct AbortMultipartUpload {
    target: UploadTarget,
}

impl Operation for AbortMultipartUpload {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { target: UploadTarget::read(request)? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        let Self { target } = self;
        vec![Permission::object("s3:AbortMultipartUpload", &target.bucket, &target.key)]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (Self { target }, door) = call.split();
        let id = target.id()?;
        let bucket = door.bucket(&target.bucket).await?.reference();
        let aborted = door.store().abort_upload(&bucket, &target.key, &id, door.now()).await;
        if aborted.map_err(refusal::of_store)? {
            Ok(Reply::new(StatusCode::NO_CONTENT))
        } else {
            Err(target.missing())
        }
    }
}

/// Who began an upload, as it is told: a root by its account, anybody else by ARN.
fn initiator(door: &Door) -> Result<String, S3Error> {
    let account = door.account()?;
    let principal = door.principal();
    let is_root = matches!(principal, Principal::Root { .. });
    let arn = principal.arn().filter(|_| !is_root);
    Ok(arn.unwrap_or_else(|| account.to_string()))
}
