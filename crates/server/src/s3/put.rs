//! `PutObject`.

use std::ops::RangeInclusive;

use hyper::StatusCode;
use iam::Values;
use store::{Attributes, BucketName, Encryption, ObjectKey, Precondition, PutOutcome};

use crate::body::RequestBody;
use crate::error::{S3Error, refusal};
use crate::gate::{Authorized, Door};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::headers;
use crate::s3::ingest::{Ingested, UploadTerms, Wanted};
use crate::s3::{creation_condition, no_such_key, quoted, set_encryption};

/// Stores the object that was sent, as the decision of one transaction.
#[derive(Debug)]
pub(crate) struct PutObject {
    bucket: BucketName,
    key: ObjectKey,
    attributes: Attributes,
    encryption: Option<Encryption>,
    precondition: Precondition,
    terms: UploadTerms,
}

impl Operation for PutObject {
    const HONOURS: &'static [&'static str] =
        &["x-amz-acl", "x-amz-grant-", "x-amz-server-side-encryption"];

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        headers::refuse_version_or_part(request)?;
        headers::accept_private_acl(request)?;
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            attributes: headers::attributes(request)?,
            encryption: headers::encryption(request)?,
            precondition: headers::write_precondition(request)?,
            terms: UploadTerms::read(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::object("s3:PutObject", &self.bucket, &self.key)]
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, true)
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let (put, door) = call.split();
        let ingested = put.ingest(&door, body).await?;
        put.publish(&door, ingested).await
    }
}

impl PutObject {
    /// The same of a body that may have only so many bytes.
    pub(crate) fn within(self, sizes: &RangeInclusive<u64>) -> Self {
        Self { terms: self.terms.within(sizes), ..self }
    }

    /// Takes the body in. Nothing of it is visible yet.
    pub(crate) async fn ingest(
        &self,
        door: &Door,
        body: &mut RequestBody,
    ) -> Result<Ingested, S3Error> {
        let wanted = Wanted { encryption: self.encryption, also: None };
        self.terms.ingest(door.store(), body, door.signature(), wanted).await
    }

    /// Makes what was taken in the object, and answers.
    pub(crate) async fn publish(self, door: &Door, ingested: Ingested) -> Result<Reply, S3Error> {
        let Self { bucket, key, attributes, encryption: _, precondition, terms: _ } = self;
        let Ingested { body, checksum } = ingested;
        let at_rest = body.at_rest();
        let put = store::PutObject {
            bucket: bucket.clone(),
            key: key.clone(),
            body,
            attributes,
            checksum: Some(checksum.clone()),
            etag: None,
            precondition,
        };
        let stored = door.store().put_object(put, door.now()).await.map_err(refusal::of_store)?;
        match stored {
            PutOutcome::Stored { version_id, object } => {
                let mut reply = Reply::new(StatusCode::OK);
                reply.set_text("etag", &quoted(&object.etag));
                set_encryption(&mut reply, at_rest);
                headers::set_checksum(&mut reply, &checksum);
                let version_id = version_id.map(|version| version.to_string());
                reply.set_optional("x-amz-version-id", version_id.as_deref());
                Ok(reply)
            }
            PutOutcome::PreconditionFailed => Err(headers::failed_write(&precondition)),
            PutOutcome::NoSuchBucket => Err(refusal::no_such_bucket(&bucket)),
            PutOutcome::NoSuchKey => Err(no_such_key(&key)),
        }
    }
}
