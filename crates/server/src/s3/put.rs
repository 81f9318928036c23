//! `PutObject`.

use std::ops::RangeInclusive;

use hyper::StatusCode;
use hyper::header::ETAG;
use iam::Values;
use store::{Attributes, BucketName, ObjectKey, Precondition, PutOutcome, Tag};

use crate::body::RequestBody;
use crate::error::{S3Error, refusal};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{LinkFit, Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::encryption::EncryptionChoice;
use crate::s3::ingest::{Ingested, UploadTerms, Wanted};
use crate::s3::{VERSION_ID, creation_condition, headers, no_such_key, quoted, tags};

/// Stores the object that was sent. One transaction decides.
#[derive(Debug)]
pub(crate) struct PutObject {
    bucket: BucketName,
    key: ObjectKey,
    attributes: Attributes,
    choice: EncryptionChoice,
    precondition: Precondition,
    terms: UploadTerms,
}

impl Operation for PutObject {
    const HONOURS: &'static [&'static str] = headers::OF_A_WRITE;
    const LINK_FIT: LinkFit = LinkFit::MAKES;

    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        headers::refuse_version_or_part(request)?;
        headers::accept_private_acl(request)?;
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            attributes: headers::attributes(request)?,
            choice: EncryptionChoice::read(request)?,
            precondition: headers::write_precondition(request)?,
            terms: UploadTerms::read(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        tags::permissions_of_write(&self.attributes.tags, &self.bucket, &self.key)
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        creation_condition(key, true).or_else(|| tags::object_condition(&self.attributes.tags, key))
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let (put, access) = call.split();
        let ingested = put.ingest(&access, body).await?;
        put.publish(&access, ingested).await
    }
}

impl PutObject {
    /// The same, with other allowed lengths of the body.
    pub(crate) fn within(self, sizes: &RangeInclusive<u64>) -> Self {
        Self { terms: self.terms.within(sizes), ..self }
    }

    /// The same, with these tags.
    pub(crate) fn tagged(mut self, tags: Vec<Tag>) -> Self {
        self.attributes.tags = tags;
        self
    }

    /// Receives and stages the body. Nothing of it is visible yet.
    pub(crate) async fn ingest(
        &self,
        access: &StoreAccess,
        body: &mut RequestBody,
    ) -> Result<Ingested, S3Error> {
        let choice = self.choice.settle(access, &self.bucket, &self.key).await?;
        let wanted = Wanted { choice: &choice, also: None };
        self.terms.ingest(access, body, wanted).await
    }

    /// Makes the staged body the object, and answers.
    pub(crate) async fn publish(
        self,
        access: &StoreAccess,
        ingested: Ingested,
    ) -> Result<Reply, S3Error> {
        let Self { bucket, key, attributes, choice, precondition, terms: _ } = self;
        let precondition = headers::with_link(access, precondition)?;
        let Ingested { body, checksum } = ingested;
        let at_rest = body.at_rest();
        let put = store::PutObject {
            bucket: access.bucket(&bucket).await?.reference(),
            key: key.clone(),
            body,
            attributes,
            checksum: Some(checksum.clone()),
            etag: None,
            precondition,
        };
        let stored =
            access.store().put_object(put, access.now()).await.map_err(refusal::of_store)?;
        match stored {
            PutOutcome::Stored { version_id, object } => {
                let mut reply = Reply::new(StatusCode::OK);
                reply.set_text(ETAG, &quoted(&object.etag));
                choice.tell(&mut reply, at_rest);
                headers::set_checksum(&mut reply, &checksum);
                let version_id = headers::told_version(version_id);
                reply.set_optional(VERSION_ID, version_id.as_deref());
                Ok(reply)
            }
            PutOutcome::PreconditionFailed => Err(headers::failed_write(precondition)),
            PutOutcome::NoSuchBucket => Err(refusal::no_such_bucket(&bucket)),
            PutOutcome::NoSuchKey => Err(no_such_key(&key)),
        }
    }
}
