//! Objects and their versions: what they are, and what is decided about them.

mod versions;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;

use crate::body::Body;
use crate::{
    AtRest, BucketRef, ChecksumAlgorithm, ChecksumType, ETag, ObjectKey, PartNumber,
    StoredChecksum, Tag, VersionId,
};

pub(crate) use versions::{Deletion, KeyState, Made, NewVersion, Unmet, VersionState};

/// A time as stored and as answered: to the millisecond.
pub(crate) fn truncated(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// One version of an object: everything but its bytes, which [`Store::read`](crate::Store::read)
/// streams.
#[derive(Clone, Debug)]
pub struct Object {
    /// The key of the object.
    pub key: ObjectKey,
    /// Which version; [`VersionId::Null`] in a bucket that never kept versions.
    pub version_id: VersionId,
    /// The length of its body, in bytes.
    pub size: u64,
    /// The entity tag of the object.
    pub etag: ETag,
    /// When it was written, to the millisecond.
    pub last_modified: Timestamp,
    /// What its writer said about it.
    pub attributes: Attributes,
    /// Its checksum, if one was stored.
    pub checksum: Option<StoredChecksum>,
    /// The parts it was uploaded in; empty when it was put in one piece.
    pub parts: Vec<PartSummary>,
    /// How its bytes are kept.
    pub encryption: AtRest,
    /// Where the bytes of the object are.
    pub(crate) body: Body,
    /// The plain bytes of a small body, once they were read: the bytes of a version never change.
    pub(crate) resident: OnceLock<Bytes>,
}

impl Object {
    /// The same record, without the body that it may hold in memory.
    pub(crate) fn without_resident(&self) -> Self {
        Self { resident: OnceLock::new(), ..self.clone() }
    }
}

/// What a writer says about an object and a reader is told again, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`.
    pub expires: Option<String>,
    /// `x-amz-storage-class`; `None`: STANDARD.
    pub storage_class: Option<String>,
    /// `x-amz-website-redirect-location`: where a website sends whoever asks for the object.
    pub website_redirect: Option<String>,
    /// `x-amz-meta-*` without that prefix, in the order they were given.
    pub metadata: Vec<(String, String)>,
    /// Ten tags at most; they alone may change after the object is written.
    pub tags: Vec<Tag>,
}

/// A part of an object that was uploaded in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSummary {
    /// The number that the part was uploaded with. Numbers may be missing between.
    pub number: PartNumber,
    /// The length of the part, in bytes.
    pub size: u64,
    /// Its checksum (base64), in the algorithm of the object's.
    pub checksum: Option<String>,
}

/// What is at a key.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// An object is there.
    Object(Arc<Object>),
    /// The version is a delete marker: there is nothing to read.
    DeleteMarker(DeleteMarker),
    /// Nothing was ever written at the key, or everything was removed.
    NoSuchKey,
    /// The key has no such version.
    NoSuchVersion,
    /// There is no such bucket.
    NoSuchBucket,
}

impl Lookup {
    /// The tags of what is there; none where no object is.
    pub fn tags(&self) -> &[Tag] {
        match self {
            Self::Object(object) => &object.attributes.tags,
            Self::DeleteMarker(_) | Self::NoSuchKey | Self::NoSuchVersion | Self::NoSuchBucket => {
                &[]
            }
        }
    }
}

/// A version without a body, which says that the object was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteMarker {
    /// The id of the version.
    pub version_id: VersionId,
    /// When the object was deleted, to the millisecond.
    pub created_at: Timestamp,
    /// Whether it is the newest version of its key.
    pub is_current: bool,
}

/// What must hold of a key's current version when a write commits. A delete marker is absence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// The write has no condition.
    #[default]
    None,
    /// There must be no current version (`If-None-Match: *`).
    IfAbsent,
    /// The current version must have this tag (`If-Match`).
    IfMatch(ETag),
    /// The current version must have a tag that no object here can have (`If-Match: "abc"`). That never holds; where
    /// there is no current version, the answer says so.
    IfMatchUnknown,
    /// There must be a current version (`If-Match: *`).
    IfPresent,
}

/// What came of writing an object.
#[derive(Clone, Debug)]
pub enum PutOutcome {
    /// The object is on stable storage.
    Stored {
        /// The version it is, to be told to the writer; `None` in a bucket that keeps none.
        version_id: Option<VersionId>,
        /// The object as it is recorded.
        object: Arc<Object>,
    },
    /// The precondition does not hold.
    PreconditionFailed,
    /// There is no such bucket.
    NoSuchBucket,
    /// The precondition wants something at the key, and nothing is.
    NoSuchKey,
}

/// An object, or one version of it, to delete.
#[derive(Clone, Debug)]
pub struct DeleteObject {
    /// The bucket that the object is in.
    pub bucket: BucketRef,
    /// The key of the object.
    pub key: ObjectKey,
    /// The version to remove for good; `None`: the object as it stands.
    pub version_id: Option<VersionId>,
    /// What must hold of the key's current version.
    pub precondition: Precondition,
    /// The tags that the key's current version had when a policy judged them; `None`: no policy asked for them.
    pub judged_tags: Option<Vec<Tag>>,
}

impl DeleteObject {
    /// A delete without a condition.
    pub fn of(bucket: &BucketRef, key: &ObjectKey, version_id: Option<&VersionId>) -> Self {
        let (bucket, key) = (bucket.clone(), key.clone());
        Self {
            bucket,
            key,
            version_id: version_id.copied(),
            precondition: Precondition::None,
            judged_tags: None,
        }
    }
}

/// Tags to put in the place of those of a version.
#[derive(Clone, Debug)]
pub struct SetTags {
    /// The bucket that the object is in.
    pub bucket: BucketRef,
    /// The key of the object.
    pub key: ObjectKey,
    /// Which version; `None`: the current one.
    pub version_id: Option<VersionId>,
    /// The tags that the version has afterwards.
    pub tags: Vec<Tag>,
    /// The tags that the version had when a policy judged them; `None`: no policy asked for them.
    pub judged_tags: Option<Vec<Tag>>,
}

/// Nothing was done: a version has other tags than it had when they were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagsChanged;

/// What came of deleting an object or a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// There is no such bucket.
    NoSuchBucket,
    /// The precondition does not hold.
    PreconditionFailed,
    /// The precondition wants something at the key, and nothing is.
    NoSuchKey,
    /// The current version has other tags than it had when they were judged.
    TagsChanged,
    /// There was nothing to delete.
    Nothing,
    /// A version is gone for good.
    Deleted {
        /// The version that was named; `None`: none was, in a bucket that keeps none.
        version_id: Option<VersionId>,
        /// Whether it was a delete marker.
        was_marker: bool,
    },
    /// A delete marker is now the newest version.
    MarkerCreated {
        /// The version id of the marker.
        version_id: VersionId,
    },
}

/// Which objects to list: the current versions, in the byte order of their keys.
#[derive(Clone, Debug)]
pub struct ListObjects {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that agree up to and with the first delimiter after the prefix are one common prefix.
    pub delimiter: Option<String>,
    /// The key after which the page begins.
    pub after: ListAfter,
    /// How many entries at most.
    pub limit: usize,
}

/// Where a listing of objects begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListAfter {
    /// At the first key.
    #[default]
    Start,
    /// After this key, which need not exist and may be any text.
    Key(String),
    /// After every key that begins so.
    CommonPrefix(String),
}

/// Some objects, by key. A page may be short, even empty, and still have a next.
#[derive(Clone, Debug)]
pub struct ObjectPage {
    /// In byte order; common prefixes count towards the limit.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<ListAfter>,
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// The current version of a key.
    Object(ObjectSummary),
    /// All keys that begin with this text, shown as one.
    CommonPrefix(String),
}

/// What a listing tells of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    /// The key of the object.
    pub key: ObjectKey,
    /// The length of its body, in bytes.
    pub size: u64,
    /// The entity tag of the object.
    pub etag: ETag,
    /// When it was written, to the millisecond.
    pub last_modified: Timestamp,
    /// Its storage class; `None`: STANDARD.
    pub storage_class: Option<String>,
    /// Its checksum's algorithm and type, if it has one.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// Which versions to list: keys in byte order, and the newest first within a key.
#[derive(Clone, Debug)]
pub struct ListVersions {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that agree up to and with the first delimiter after the prefix are one common prefix.
    pub delimiter: Option<String>,
    /// The key, or the version, after which the page begins.
    pub after: VersionAfter,
    /// How many entries at most.
    pub limit: usize,
}

/// Where a listing of versions begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VersionAfter {
    /// At the first key.
    #[default]
    Start,
    /// After all versions of this key, which need not exist and may be any text.
    Key(String),
    /// After this version of this key; it may be gone by now.
    Version(ObjectKey, VersionId),
    /// After every key that begins so.
    CommonPrefix(String),
}

/// Some versions. A page may be short, even empty, and still have a next.
#[derive(Clone, Debug)]
pub struct VersionPage {
    /// By key, then newest first; common prefixes count towards the limit.
    pub entries: Vec<VersionEntry>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<VersionAfter>,
}

/// An entry of a listing of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionEntry {
    /// A version with a body.
    Version(VersionSummary),
    /// A version that is a delete marker.
    DeleteMarker {
        /// The key that the marker is at.
        key: ObjectKey,
        /// The version id of the marker.
        version_id: VersionId,
        /// Whether it is the newest version of its key.
        is_latest: bool,
        /// When the object was deleted, to the millisecond.
        last_modified: Timestamp,
    },
    /// All keys that begin with this text, shown as one.
    CommonPrefix(String),
}

/// What a listing tells of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// What a listing of objects tells of the version.
    pub object: ObjectSummary,
    /// The id of the version.
    pub version_id: VersionId,
    /// Whether it is the newest version of its key.
    pub is_latest: bool,
}
