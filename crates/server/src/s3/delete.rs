//! `DeleteObject` and `DeleteObjects`.

use hyper::StatusCode;
use hyper::header::HeaderName;
use iam::Values;
use serde::Deserialize;
use store::{BucketName, DeleteOutcome, ObjectKey, Precondition, VersionId};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, JUDGED_MAX, StoreAccess};
use crate::operation::{OfBody, Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::route;
use crate::s3::document::{self, DocumentTerms};
use crate::s3::{VERSION_ID, headers, no_such_key, of_bucket};
use crate::xml::{self, XmlWriter};

/// Bytes of a `Delete` document (semantics 6.6.8).
const DOCUMENT_BYTES_MAX: usize = 2_048_000;
/// The most objects that one call may name.
const OBJECTS_MAX: usize = 1000;

/// `DELETE /bucket/key`
#[derive(Debug)]
pub(crate) struct DeleteObject {
    bucket: BucketName,
    key: ObjectKey,
    version_id: Option<VersionId>,
    /// The text of `If-Match`. A call that deletes many objects has one for each.
    if_match: Option<String>,
    precondition: Precondition,
}

impl Operation for DeleteObject {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let version_id = headers::version_id(request)?;
        if version_id.is_some() {
            headers::refuse_conditions_on_version(request.header("if-match").as_deref())?;
        }
        Ok(Self {
            bucket: request.bucket()?,
            key: request.key()?,
            version_id,
            if_match: request.owned_header("if-match"),
            precondition: headers::delete_precondition(request)?,
        })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        let action =
            if self.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let delete = Permission::object(action, &self.bucket, &self.key);
        let delete = delete.of_version(self.version_id.as_ref());
        match self.precondition {
            Precondition::None | Precondition::IfAbsent | Precondition::IfPresent => vec![delete],
            // Otherwise somebody without read permission could try entity tags until one fits.
            Precondition::IfMatch(_) | Precondition::IfMatchUnknown => {
                vec![delete, Permission::object("s3:GetObject", &self.bucket, &self.key)]
            }
        }
    }

    fn condition(&self, key: &str) -> Option<Values<'_>> {
        let etag = self.if_match.as_deref().filter(|_| key == "s3:if-match")?;
        Some(Values::One(etag.into()))
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let outcome = call.delete().await?;
        let mut reply = Reply::new(StatusCode::NO_CONTENT);
        match outcome {
            DeleteOutcome::NoSuchBucket
            | DeleteOutcome::PreconditionFailed
            | DeleteOutcome::NoSuchKey
            | DeleteOutcome::TagsChanged
            | DeleteOutcome::Nothing => {}
            DeleteOutcome::Deleted { version_id, was_marker } => {
                if was_marker {
                    reply.set_text(HeaderName::from_static("x-amz-delete-marker"), "true");
                }
                let version_id = version_id.map(|version| version.to_string());
                reply.set_optional(VERSION_ID, version_id.as_deref());
            }
            DeleteOutcome::MarkerCreated { version_id } => {
                reply.set_text(HeaderName::from_static("x-amz-delete-marker"), "true");
                reply.set_text(VERSION_ID, &version_id.to_string());
            }
        }
        Ok(reply)
    }
}

impl Authorized<DeleteObject> {
    /// Deletes the version that the policies were asked about. If its tags have changed since, the policies are
    /// asked again.
    async fn delete(mut self) -> Result<DeleteOutcome, S3Error> {
        for _ in 0..JUDGED_MAX {
            match self.operation().try_to_delete(self.access()).await? {
                DeleteOutcome::TagsChanged => self = self.anew().await?,
                outcome @ (DeleteOutcome::NoSuchBucket
                | DeleteOutcome::PreconditionFailed
                | DeleteOutcome::NoSuchKey
                | DeleteOutcome::Nothing
                | DeleteOutcome::Deleted { .. }
                | DeleteOutcome::MarkerCreated { .. }) => return Ok(outcome),
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }
}

impl DeleteObject {
    async fn try_to_delete(&self, access: &StoreAccess) -> Result<DeleteOutcome, S3Error> {
        let bucket = access.bucket(&self.bucket).await?;
        let delete = store::DeleteObject {
            precondition: self.precondition,
            // `If-Match` compares the entity tag of the current version. The permission to read it may depend
            // on that version's tags, so the store checks that they are still the same.
            judged_tags: access.judged_tags(&bucket, &self.key, None),
            ..store::DeleteObject::of(&bucket.reference(), &self.key, self.version_id.as_ref())
        };
        let outcome = access.store().delete_object(delete, access.now()).await;
        match outcome.map_err(refusal::of_store)? {
            DeleteOutcome::NoSuchBucket => Err(refusal::no_such_bucket(&self.bucket)),
            DeleteOutcome::PreconditionFailed => Err(headers::failed_write(self.precondition)),
            DeleteOutcome::NoSuchKey => Err(no_such_key(&self.key)),
            outcome @ (DeleteOutcome::Nothing
            | DeleteOutcome::TagsChanged
            | DeleteOutcome::Deleted { .. }
            | DeleteOutcome::MarkerCreated { .. }) => Ok(outcome),
        }
    }
}

/// `POST /bucket?delete`
#[derive(Debug)]
pub(crate) struct DeleteObjects {
    bucket: BucketName,
    terms: DocumentTerms,
}

#[derive(Debug, Deserialize)]
struct Delete {
    #[serde(rename = "Quiet", default)]
    quiet: bool,
    #[serde(rename = "Object", default)]
    objects: Vec<Target>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    key: String,
    version_id: Option<String>,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    last_modified_time: Option<String>,
    size: Option<String>,
}

impl Operation for DeleteObjects {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        // Every target in the document may have a condition of its own. One in a header would be kept by none
        // of them, yet be seen by policies.
        headers::refuse_conditions(request)?;
        Ok(Self { bucket: request.bucket()?, terms: DocumentTerms::required(request)? })
    }

    /// Empty: each target of the document is admitted by itself in `run`.
    fn permissions(&self) -> Vec<Permission<'_>> {
        Vec::new()
    }

    fn permission_of_body(&self) -> OfBody<'_> {
        OfBody::Targets
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let operation = call.operation();
        let bucket = of_bucket::found(&call, &operation.bucket).await?;
        of_bucket::refuse_hopeless(call.access(), &bucket)?;
        let document =
            document::read_digested(call.access(), body, DOCUMENT_BYTES_MAX, &operation.terms)
                .await?;
        let delete: Delete = xml::parse("Delete", &document)?;
        if delete.objects.is_empty() || delete.objects.len() > OBJECTS_MAX {
            return Err(S3Error::new(Code::MalformedXml));
        }
        let mut results = Vec::with_capacity(delete.objects.len());
        for target in delete.objects {
            let result = call.delete_one(&target).await;
            results.push((target, result));
            // Every target costs a decision, so other requests get a turn in between.
            tokio::task::yield_now().await;
        }
        let document = XmlWriter::result("DeleteResult", |result| {
            for (target, outcome) in &results {
                match outcome {
                    Ok(_) if delete.quiet => {}
                    Ok(outcome) => write_deleted(result, target, outcome),
                    Err(error) => write_error(result, target, error),
                }
            }
        });
        Ok(Reply::xml(document))
    }
}

impl Authorized<DeleteObjects> {
    async fn delete_one(&self, target: &Target) -> Result<DeleteOutcome, S3Error> {
        // These two conditions exist for directory buckets only.
        if target.last_modified_time.is_some() || target.size.is_some() {
            return Err(S3Error::not_implemented("If-Match"));
        }
        let etag = target.etag.as_deref();
        let precondition = etag.map_or(Precondition::None, headers::delete_condition);
        let version_id = target
            .version_id
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(VersionId::parse)
            .transpose()
            .map_err(|_| S3Error::new(Code::NoSuchVersion))?;
        if version_id.is_some() {
            headers::refuse_conditions_on_version(target.etag.as_deref())?;
        }
        let key = route::parse_key(target.key.as_bytes())?;
        let bucket = self.operation().bucket.clone();
        let if_match = target.etag.clone();
        let delete = DeleteObject { bucket, key, version_id, if_match, precondition };
        self.admit(delete).await?.delete().await
    }
}

fn write_deleted(result: &mut XmlWriter, target: &Target, outcome: &DeleteOutcome) {
    result.element("Deleted", |deleted| {
        deleted.text("Key", &target.key);
        deleted.optional("VersionId", target.version_id.as_deref());
        match outcome {
            DeleteOutcome::NoSuchBucket
            | DeleteOutcome::PreconditionFailed
            | DeleteOutcome::NoSuchKey
            | DeleteOutcome::TagsChanged
            | DeleteOutcome::Nothing => {}
            DeleteOutcome::Deleted { version_id, was_marker } => {
                if *was_marker {
                    deleted.plain("DeleteMarker", true);
                    let version_id = version_id.map(|version| version.to_string());
                    deleted.optional("DeleteMarkerVersionId", version_id.as_deref());
                }
            }
            DeleteOutcome::MarkerCreated { version_id } => {
                deleted.plain("DeleteMarker", true);
                deleted.text("DeleteMarkerVersionId", &version_id.to_string());
            }
        }
    });
}

fn write_error(result: &mut XmlWriter, target: &Target, error: &S3Error) {
    result.element("Error", |xml| {
        xml.text("Key", &target.key);
        xml.optional("VersionId", target.version_id.as_deref());
        xml.text("Code", error.code().wire());
        xml.text("Message", error.message());
    });
}
