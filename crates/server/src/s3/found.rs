//! Looks objects up, and words the refusals for those that are not there.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use store::{Bucket, BucketName, DeleteMarker, Lookup, Object, ObjectKey, VersionId, Versioning};

use crate::error::{Code, S3Error, refusal};
use crate::gate::StoreAccess;
use crate::s3::{VERSION_ID, http_time, no_such_key};

/// An object that was found.
#[derive(Debug)]
pub(crate) struct FoundObject {
    pub(crate) object: Arc<Object>,
    pub(crate) versioned: bool,
}

/// Looks an object up; fails with the refusal that fits why it is not there.
pub(crate) async fn find(
    access: &StoreAccess,
    bucket: &BucketName,
    key: &ObjectKey,
    version_id: Option<&VersionId>,
) -> Result<FoundObject, S3Error> {
    find_or(access, (bucket, key), version_id, deleted).await
}

/// Like [`find`], with another refusal for a delete marker.
pub(crate) async fn find_or(
    access: &StoreAccess,
    (bucket, key): (&BucketName, &ObjectKey),
    version_id: Option<&VersionId>,
    refusal_of: impl Fn(&ObjectKey, &DeleteMarker, bool) -> S3Error,
) -> Result<FoundObject, S3Error> {
    let bucket = access.bucket(bucket).await?;
    let lookup = access.object(&bucket, key, version_id).await?;
    found(access, &bucket, (key, version_id), lookup, refusal_of).await
}

/// Turns the outcome of a look-up into the object or the refusal that fits.
pub(crate) async fn found(
    access: &StoreAccess,
    bucket: &Bucket,
    (key, version_id): (&ObjectKey, Option<&VersionId>),
    lookup: Lookup,
    refusal_of: impl Fn(&ObjectKey, &DeleteMarker, bool) -> S3Error,
) -> Result<FoundObject, S3Error> {
    match lookup {
        Lookup::Object(object) => {
            let versioned = bucket.versioning != Versioning::Unversioned;
            Ok(FoundObject { object, versioned })
        }
        Lookup::DeleteMarker(marker) => {
            access.may_know(&bucket.name, key).await?;
            Err(refusal_of(key, &marker, version_id.is_some()))
        }
        Lookup::NoSuchKey => {
            access.may_know(&bucket.name, key).await?;
            Err(no_such_key(key))
        }
        Lookup::NoSuchVersion => {
            access.may_know(&bucket.name, key).await?;
            Err(no_such_version(key, version_id))
        }
        Lookup::NoSuchBucket => Err(refusal::no_such_bucket(&bucket.name)),
    }
}

/// 404 for a version, which it names.
pub(crate) fn no_such_version(key: &ObjectKey, version_id: Option<&VersionId>) -> S3Error {
    S3Error::new(Code::NoSuchVersion)
        .detail("Key", key.to_string())
        .detail("VersionId", version_id.map(ToString::to_string).unwrap_or_default())
}

/// A delete marker that is the current version hides the object: 404. One that is asked for by its version id
/// exists, but can only be removed: 405 (semantics 6.2.4).
fn deleted(key: &ObjectKey, marker: &DeleteMarker, by_id: bool) -> S3Error {
    if by_id { refuses(marker, "GET") } else { of_marker(no_such_key(key), marker) }
}

/// 405: a delete marker can only be removed.
pub(crate) fn refuses(marker: &DeleteMarker, method: &str) -> S3Error {
    use hyper::header::{ALLOW, LAST_MODIFIED};
    let error = S3Error::new(Code::MethodNotAllowed)
        .detail("Method", method)
        .detail("ResourceType", "DeleteMarker")
        .header(ALLOW, HeaderValue::from_static("DELETE"))
        .header(LAST_MODIFIED, header_value(&http_time(marker.created_at)));
    of_marker(error, marker)
}

fn of_marker(error: S3Error, marker: &DeleteMarker) -> S3Error {
    error
        .header(HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static("true"))
        .header(VERSION_ID, header_value(&marker.version_id.to_string()))
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
