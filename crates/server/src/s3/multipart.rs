//! Multipart uploads: create, upload a part, abort. Completion is in [`super::complete`].

use hyper::StatusCode;
use hyper::header::ETAG;
use iam::{Principal, Values};
use store::{
    Attributes, BucketName, CHECKSUM_UNASKED, ChecksumAlgorithm, ChecksumType, NewUpload,
    ObjectKey, PartNumber, PutPart, StoredChecksum, Upload, UploadId,
};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{LinkFit, Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::checksum::{self, Announced};
use crate::s3::customer_key::SentKey;
use crate::s3::encryption::EncryptionChoice;
use crate::s3::get::part_number;
use crate::s3::ingest::{Ingested, UploadTerms, Wanted};
use crate::s3::{creation_condition, customer_key, headers, quoted, tags};
use crate::xml::XmlWriter;

/// `POST /bucket/key?uploads`
#[derive(Debug)]
pub(crate) struct CreateMultipartUpload {
    bucket: BucketName,
    key: ObjectKey,
    attributes: Attributes,
    choice: EncryptionChoice,
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
            choice: EncryptionChoice::read(request)?,
            checksum: checksum::of_upload(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        tags::permissions_of_write(&self.attributes.tags, &self.bucket, &self.key)
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, false)
            .or_else(|| tags::object_condition(&self.attributes.tags, key))
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let (create, access) = call.split();
        let Self { bucket, key, attributes, choice, checksum } = create;
        let choice = choice.settle(&access, &bucket, &key).await?;
        let customer_key =
            choice.customer_key().map(|key| access.store().key_check(key)).transpose();
        let new = NewUpload {
            bucket: access.bucket(&bucket).await?.reference(),
            key: key.clone(),
            attributes,
            checksum,
            encryption: choice.encryption(),
            customer_key: customer_key.map_err(refusal::of_store)?,
            initiator: initiator(&access)?,
        };
        let upload =
            access.store().create_upload(new, access.now()).await.map_err(refusal::of_store)?;
        let upload = upload.ok_or_else(|| refusal::no_such_bucket(&bucket))?;
        let mut reply = Reply::xml(XmlWriter::result("InitiateMultipartUploadResult", |result| {
            result.text("Bucket", bucket.as_str());
            result.text("Key", &key.to_string());
            result.text("UploadId", &upload.id.to_string());
        }));
        if let Some((algorithm, kind)) = checksum {
            reply.set_text(checksum::ALGORITHM, checksum::algorithm_name(algorithm));
            reply.set_text(checksum::TYPE, checksum::type_name(kind));
        }
        choice.tell(&mut reply, access.store().at_rest(&choice.stage()));
        Ok(reply)
    }
}

/// The upload that a request is about.
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

    pub(crate) async fn find(
        &self,
        access: &StoreAccess,
    ) -> Result<std::sync::Arc<Upload>, S3Error> {
        let (id, bucket) = (self.id()?, access.bucket(&self.bucket).await?.reference());
        let found = access.store().upload(&bucket, &self.key, &id).await;
        found.map_err(refusal::of_store)?.ok_or_else(|| self.missing())
    }

    pub(crate) fn missing(&self) -> S3Error {
        S3Error::new(Code::NoSuchUpload).detail("UploadId", self.upload_id.as_str())
    }
}

/// The part number, which a part must have.
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
    const LINK_FIT: LinkFit = LinkFit::STORES;

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
        let (Self { target, number, customer_key, terms }, access) = call.split();
        let upload = target.find(&access).await?;
        let choice = EncryptionChoice::of_part(&access, &upload, customer_key).await?;
        let (algorithm, _) = upload.checksum.unwrap_or(CHECKSUM_UNASKED);
        let announced = terms.checksum();
        if *announced != Announced::Nothing
            && upload.checksum.is_some()
            && announced.algorithm() != algorithm
        {
            return Err(type_mismatch(upload.checksum, announced.algorithm()));
        }
        let wanted = Wanted { choice: &choice, also: Some(algorithm) };
        let Ingested { body, checksum: verified } = terms.ingest(&access, body, wanted).await?;
        let value = body.checksum(algorithm).ok_or_else(|| S3Error::new(Code::InternalError))?;
        let at_rest = body.at_rest();
        let kept = StoredChecksum { algorithm, kind: ChecksumType::FullObject, value };
        let put = access.store().put_part(&upload, number, body, Some(kept), access.now()).await;
        match put.map_err(refusal::of_store)? {
            PutPart::Stored(part) => {
                let mut reply = Reply::new(StatusCode::OK);
                reply.set_text(ETAG, &quoted(&part.etag));
                choice.tell(&mut reply, at_rest);
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
        let (Self { target }, access) = call.split();
        let id = target.id()?;
        let bucket = access.bucket(&target.bucket).await?.reference();
        let aborted = access.store().abort_upload(&bucket, &target.key, &id, access.now()).await;
        if aborted.map_err(refusal::of_store)? {
            Ok(Reply::new(StatusCode::NO_CONTENT))
        } else {
            Err(target.missing())
        }
    }
}

/// Who began an upload, as answers tell it: a root by its account, anybody else by ARN.
fn initiator(access: &StoreAccess) -> Result<String, S3Error> {
    let account = access.account()?;
    let principal = access.principal();
    let is_root = matches!(principal, Principal::Root { .. });
    let arn = principal.arn().filter(|_| !is_root);
    Ok(arn.unwrap_or_else(|| account.to_string()))
}
