//! The records of objects: versions, markers and tags.

use std::future::Future;

use bytes::Bytes;
use jiff::Timestamp;

use crate::backend::StagedFile;
use crate::body::Blob;
use crate::{
    Attributes, BucketRef, DeleteObject, DeleteOutcome, ETag, ListObjects, ListVersions, Lookup,
    ObjectKey, ObjectPage, Precondition, PutOutcome, SetTags, StoreError, StoredChecksum,
    TagsChanged, VersionId, VersionPage,
};

macro_rules! with_object_records {
    ($callback:ident) => {
        $callback! {
            /// The records of objects, of all their versions.
            trait ObjectRecords {
                /// The current version of a key, or the one named.
                fn object(bucket: &BucketRef, key: &ObjectKey, version: Option<VersionId>) -> Lookup;
                /// [`StoreError::StageExpired`] when the intent of the body's blob is no more.
                fn put_object(object: NewObject, now: Timestamp) -> PutOutcome;
                fn delete_object(delete: DeleteObject, now: Timestamp) -> DeleteOutcome;
                /// Replaces the tags of the current version of a key, or of the one named; answers the version as it is
                /// then, or how it is missing.
                fn set_object_tags(set: SetTags) -> Result<Lookup, TagsChanged>;
                /// `None`: there is no such bucket.
                fn list_objects(bucket: &BucketRef, query: ListObjects) -> Option<ObjectPage>;
                /// `None`: there is no such bucket.
                fn list_versions(bucket: &BucketRef, query: ListVersions) -> Option<VersionPage>;
            }
        }
    };
}
pub(crate) use with_object_records;

with_object_records!(declare_records);

/// An object to record: its bytes are on stable storage, or come along when they are few.
#[derive(Debug)]
pub(crate) struct NewObject {
    pub(crate) bucket: BucketRef,
    pub(crate) key: ObjectKey,
    pub(crate) attributes: Attributes,
    pub(crate) checksum: Option<StoredChecksum>,
    pub(crate) etag: ETag,
    pub(crate) body: NewBody,
    pub(crate) precondition: Precondition,
}

/// The bytes of an object to record.
#[derive(Debug)]
pub(crate) enum NewBody {
    /// Few bytes, to be stored beside the record, as they are at rest.
    Row { blob: Blob, stored: Vec<u8>, plain: Bytes },
    /// A blob that is finished.
    File(StagedFile),
}
