//! `PutObject`.

use hyper::StatusCode;
use iam::Values;
use store::{Attributes, BucketName, ObjectKey, Precondition, PutOutcome};

use crate::body::RequestBody;
use crate::error::{S3Error, refusal};
use crate::gate::Authorized;
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::encryption::Wish;
use crate::s3::ingest::{Ingested, UploadTerms, Wanted};
use crate::s3::{creation_condition, headers, no_such_key, quoted, tagging};

/// Stores the object that was sent, as the decision of one transaction.
#[derive(Debug)]
pub(crate) struct PutObject {
    bucket: BucketName,
    key: ObjectKey,
    attributes: Attributes,
    wish: Wish,
    precondition: Precondition,
    terms: UploadTerms,
}

impl Operation for PutObject {
    const HONOURS: &'static [&'static str] = headers::OF_A_WRITE;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        headers::refuse_version_or_part(request)?;
        headers::accept_private_acl(request)?;
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            attributes: headers::attributes(request)?,
            wish: Wish::read(request)?,
            precondition: headers::write_precondition(request)?,
            terms: UploadTerms::read(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        tagging::permissions_of_write(&self.attributes.tags, &self.bucket, &self.key)
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, true)
            .or_else(|| tagging::object_condition(&self.attributes.tags, key))
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let (put, door) = call.split();
        let Self { bucket, key, attributes, wish, precondition, terms } = put;
        let wish = wish.settle(&door, &bucket, &key).await?;
        let wanted = Wanted { wish: &wish, also: None };
        let Ingested { body, checksum } =
            terms.ingest(door.store(), body, door.signature(), wanted).await?;
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
                wish.tell(&mut reply, at_rest);
                headers::set_checksum(&mut reply, &checksum);
                let version_id = version_id.map(|version| version.to_string());
                reply.set_optional("x-amz-version-id", version_id.as_deref());
                Ok(reply)
            }
            PutOutcome::PreconditionFailed => Err(headers::failed_write(precondition)),
            PutOutcome::NoSuchBucket => Err(refusal::no_such_bucket(&bucket)),
            PutOutcome::NoSuchKey => Err(no_such_key(&key)),
        }
    }
}
