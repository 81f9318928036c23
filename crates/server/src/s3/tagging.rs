//! The calls about the tags of objects and buckets.

use hyper::StatusCode;
use store::{BucketName, BucketSetting, DeleteMarker, ObjectKey, SetTags, Tag, VersionId};

use crate::body::RequestBody;
use crate::error::{Code, S3Error, refusal};
use crate::gate::{Authorized, JUDGED_MAX, OperationKeys, StoreAccess};
use crate::operation::{OfBody, Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::document::{self, DocumentTerms};
use crate::s3::found::{self, FoundObject};
use crate::s3::of_bucket::{self, BucketRecord, absent, done, named_operations};
use crate::s3::tags::{self, BucketKeys, ObjectKeys, Tagged};
use crate::s3::{VERSION_ID, headers};

/// Bytes of `Tagging` (semantics 6.6.8).
const DOCUMENT_BYTES_MAX: usize = 163_840;
async fn read_document(
    access: &StoreAccess,
    body: &mut RequestBody,
    terms: &DocumentTerms,
) -> Result<bytes::Bytes, S3Error> {
    document::present(document::read_digested(access, body, DOCUMENT_BYTES_MAX, terms).await?)
}

/// The object that a call is about.
#[derive(Clone, Debug)]
struct Target {
    bucket: BucketName,
    key: ObjectKey,
    version_id: Option<VersionId>,
    /// The HTTP method, which the refusal of a delete marker repeats.
    method: &'static str,
}

impl Target {
    fn read(request: &S3Request<'_>, method: &'static str) -> Result<Self, S3Error> {
        let version_id = headers::version_id(request)?;
        Ok(Self { bucket: request.bucket()?, key: request.key()?, version_id, method })
    }

    fn permission<'o>(&'o self, current: &'static str, version: &'static str) -> Permission<'o> {
        let action = if self.version_id.is_some() { version } else { current };
        Permission::object(action, &self.bucket, &self.key).of_version(self.version_id.as_ref())
    }

    fn permission_to_clear(&self) -> Permission<'_> {
        self.permission("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging")
    }

    /// The refusal for a delete marker, which has no tags, whether it is current or named by its version.
    fn refuse_marker(&self, _: &ObjectKey, marker: &DeleteMarker, _: bool) -> S3Error {
        found::refuses(marker, self.method)
    }

    async fn found(&self, access: &StoreAccess) -> Result<FoundObject, S3Error> {
        let refuse =
            |key: &ObjectKey, marker: &DeleteMarker, by_id| self.refuse_marker(key, marker, by_id);
        found::find_or(access, (&self.bucket, &self.key), self.version_id.as_ref(), refuse).await
    }

    /// Replaces the tags of the version that the policies were asked about. If its tags have changed since, the
    /// policies are asked again.
    async fn set(
        &self,
        access: &StoreAccess,
        tags: &[Tag],
        permission: Permission<'_>,
        keys: &dyn OperationKeys,
    ) -> Result<FoundObject, S3Error> {
        let version = self.version_id.as_ref();
        for _ in 0..JUDGED_MAX {
            let bucket = access.bucket(&self.bucket).await?;
            let set = SetTags {
                bucket: bucket.reference(),
                key: self.key.clone(),
                version_id: self.version_id,
                tags: tags.to_vec(),
                judged_tags: access.judged_tags(&bucket, &self.key, version),
            };
            let set = access.store().set_object_tags(set).await.map_err(refusal::of_store)?;
            if let Ok(lookup) = set {
                let refuse = |key: &ObjectKey, marker: &DeleteMarker, by_id| {
                    self.refuse_marker(key, marker, by_id)
                };
                return found::found(access, &bucket, (&self.key, version), lookup, refuse).await;
            }
            access.forget_records();
            access.require_with(permission, keys).await?;
        }
        Err(S3Error::new(Code::OperationAborted))
    }
}

/// The answer to a change of tags.
fn tagged(status: StatusCode, found: &FoundObject) -> Reply {
    let mut reply = Reply::new(status);
    tell_version(&mut reply, found);
    reply
}

fn tell_version(reply: &mut Reply, found: &FoundObject) {
    if found.versioned {
        reply.set_text(VERSION_ID, &found.object.version_id.to_string());
    }
}

/// `GET /bucket/key?tagging`
#[derive(Debug)]
pub(crate) struct GetObjectTagging(Target);

impl Operation for GetObjectTagging {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Target::read(request, "GET").map(Self)
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![self.0.permission("s3:GetObjectTagging", "s3:GetObjectVersionTagging")]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let found = call.operation().0.found(call.access()).await?;
        let mut reply = Reply::xml(tags::write(&found.object.attributes.tags));
        tell_version(&mut reply, &found);
        Ok(reply)
    }
}

/// `DELETE /bucket/key?tagging`
#[derive(Debug)]
pub(crate) struct DeleteObjectTagging(Target);

impl Operation for DeleteObjectTagging {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Target::read(request, "DELETE").map(Self)
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![self.0.permission_to_clear()]
    }

    async fn run(call: Authorized<Self>, _: &mut RequestBody) -> Result<Reply, S3Error> {
        let target = &call.operation().0;
        let found = target.set(call.access(), &[], target.permission_to_clear(), &()).await?;
        Ok(tagged(StatusCode::NO_CONTENT, &found))
    }
}

/// `PUT /bucket/key?tagging`. The new tags, which policies may ask about, stand in the body.
#[derive(Debug)]
pub(crate) struct PutObjectTagging {
    target: Target,
    terms: DocumentTerms,
}

impl PutObjectTagging {
    fn permission(&self) -> Permission<'_> {
        self.target.permission("s3:PutObjectTagging", "s3:PutObjectVersionTagging")
    }
}

impl Operation for PutObjectTagging {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { target: Target::read(request, "PUT")?, terms: DocumentTerms::required(request)? })
    }

    /// Empty: the call is admitted in `run`, once its tags are known.
    fn permissions(&self) -> Vec<Permission<'_>> {
        Vec::new()
    }

    fn permission_of_body(&self) -> OfBody<'_> {
        OfBody::Keys(self.permission())
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let Self { target, terms } = call.operation();
        of_bucket::refuse_hopeless(
            call.access(),
            &*of_bucket::found(&call, &target.bucket).await?,
        )?;
        let document = read_document(call.access(), body, terms).await?;
        let tags = tags::of_xml(&document, Tagged::Object)?;
        let permission = call.operation().permission();
        call.access().require_with(permission, &ObjectKeys(&tags)).await?;
        let found = target.set(call.access(), &tags, permission, &ObjectKeys(&tags)).await?;
        Ok(tagged(StatusCode::OK, &found))
    }
}

named_operations! {
    /// `GET /bucket?tagging`
    GetBucketTagging "s3:GetBucketTagging" => get_bucket_tags;
    /// `DELETE /bucket?tagging`
    DeleteBucketTagging "s3:PutBucketTagging" => delete_bucket_tags;
}

async fn get_bucket_tags(
    _: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    if bucket.tags.is_empty() {
        return Err(absent(Code::NoSuchTagSet, &bucket));
    }
    Ok(Reply::xml(tags::write(&bucket.tags)))
}

async fn delete_bucket_tags(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    of_bucket::set(access, &bucket.name, BucketSetting::Tags(Vec::new())).await?;
    Ok(done(StatusCode::NO_CONTENT))
}

/// `PUT /bucket?tagging`. The new tags, which policies may ask about, stand in the body.
#[derive(Debug)]
pub(crate) struct PutBucketTagging {
    bucket: BucketName,
    terms: DocumentTerms,
}

impl PutBucketTagging {
    fn permission(&self) -> Permission<'_> {
        Permission::bucket("s3:PutBucketTagging", &self.bucket)
    }
}

impl Operation for PutBucketTagging {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()?, terms: DocumentTerms::required(request)? })
    }

    /// Empty: the call is admitted in `run`, once its tags are known.
    fn permissions(&self) -> Vec<Permission<'_>> {
        Vec::new()
    }

    fn permission_of_body(&self) -> OfBody<'_> {
        OfBody::Keys(self.permission())
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let Self { bucket: name, terms } = call.operation();
        of_bucket::refuse_hopeless(call.access(), &*of_bucket::found(&call, name).await?)?;
        let document = read_document(call.access(), body, terms).await?;
        let tags = tags::of_xml(&document, Tagged::Bucket)?;
        let permission = call.operation().permission();
        call.access().require_with(permission, &BucketKeys(&tags)).await?;
        of_bucket::set(call.access(), name, BucketSetting::Tags(tags)).await?;
        Ok(done(StatusCode::NO_CONTENT))
    }
}
