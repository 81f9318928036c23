//! The facade of objects and their versions.

use jiff::Timestamp;

use crate::backend::metadata::objects::{NewObject, ObjectRecords as _};
use crate::{
    Attributes, BucketRef, DeleteObject, DeleteOutcome, ETag, ListObjects, ListVersions, Lookup,
    ObjectKey, ObjectPage, Precondition, PutOutcome, SetTags, StagedBody, Store, StoreError,
    StoredChecksum, TagsChanged, VersionId, VersionPage,
};

/// An object to write.
#[derive(Debug)]
pub struct PutObject {
    /// The bucket that it is put into.
    pub bucket: BucketRef,
    /// The key that it is put at.
    pub key: ObjectKey,
    /// The bytes, staged before.
    pub body: StagedBody,
    /// What its writer says about it: content type, metadata, tags.
    pub attributes: Attributes,
    /// The checksum to keep with it, if any.
    pub checksum: Option<StoredChecksum>,
    /// Its entity tag; `None`: the MD5 of the body.
    pub etag: Option<ETag>,
    /// What must hold for it to be written.
    pub precondition: Precondition,
}

impl Store {
    /// What is at a key, or one version of it.
    pub async fn object(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Lookup, StoreError> {
        self.0.metadata.object(bucket, key, version.copied()).await
    }

    /// Writes an object at its key; as a new version where the bucket keeps versions.
    pub async fn put_object(
        &self,
        put: PutObject,
        now: Timestamp,
    ) -> Result<PutOutcome, StoreError> {
        self.0.stager.note(now);
        let PutObject { bucket, key, body, attributes, checksum, etag, precondition } = put;
        let etag = etag.unwrap_or_else(|| body.etag());
        let body = body.into_new_body();
        let object = NewObject { bucket, key, attributes, checksum, etag, body, precondition };
        self.0.metadata.put_object(object, now).await
    }

    /// Deletes the object at a key, or one version for good.
    pub async fn delete_object(
        &self,
        delete: DeleteObject,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.delete_object(delete, now).await
    }

    /// Replaces the tags of the current version of a key, or of the one named; answers it as it is
    /// then, or how it is not there. Nothing else of it changes.
    pub async fn set_object_tags(
        &self,
        set: SetTags,
    ) -> Result<Result<Lookup, TagsChanged>, StoreError> {
        self.0.metadata.set_object_tags(set).await
    }

    /// Lists current objects; `None`: there is no such bucket. A page holds 1000 entries at most.
    pub async fn list_objects(
        &self,
        bucket: &BucketRef,
        query: ListObjects,
    ) -> Result<Option<ObjectPage>, StoreError> {
        self.0.metadata.list_objects(bucket, query).await
    }

    /// Lists versions and delete markers; `None`: there is no such bucket. A page holds 1000 entries
    /// at most.
    pub async fn list_versions(
        &self,
        bucket: &BucketRef,
        query: ListVersions,
    ) -> Result<Option<VersionPage>, StoreError> {
        self.0.metadata.list_versions(bucket, query).await
    }
}
