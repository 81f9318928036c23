//! Multipart uploads: what they are, and what is decided about them.

mod completion;

use std::sync::Arc;

use jiff::Timestamp;

use crate::object::truncated;
use crate::{
    Attributes, BucketRef, ChecksumAlgorithm, ChecksumType, ETag, Encryption, KeyCheck, Object,
    ObjectKey, PartNumber, Precondition, StoredChecksum, UploadId, VersionId,
};

pub(crate) use completion::{Completion, StoredPart, UnderWay};

/// An upload that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The id of the upload.
    pub id: UploadId,
    /// The bucket of the object to be.
    pub bucket: BucketRef,
    /// The key of the object to be.
    pub key: ObjectKey,
    /// What is said about the object to be.
    pub attributes: Attributes,
    /// The checksum the object will have.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// How its parts are to be kept; `None`: as the server does by default.
    pub encryption: Option<Encryption>,
    /// What tells the customer's key that its parts are under, if they are.
    pub customer_key: Option<KeyCheck>,
    /// Who began the upload, as the server names callers.
    pub initiator: String,
    /// When it began, to the millisecond.
    pub initiated_at: Timestamp,
}

/// An upload to begin.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The bucket of the object to be.
    pub bucket: BucketRef,
    /// The key of the object to be.
    pub key: ObjectKey,
    /// What is said about the object to be.
    pub attributes: Attributes,
    /// The checksum the object will have.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// How its parts are to be kept; `None`: as the server does by default.
    pub encryption: Option<Encryption>,
    /// What tells the customer's key that its parts are under, if they are.
    pub customer_key: Option<KeyCheck>,
    /// Who begins the upload, as the server names callers.
    pub initiator: String,
}

impl NewUpload {
    /// The upload that begins; `random` makes its id.
    pub(crate) fn begin(self, random: [u8; 16], now: Timestamp) -> Upload {
        let Self { bucket, key, attributes, checksum, encryption, customer_key, initiator } = self;
        Upload {
            id: UploadId::new(now, random),
            bucket,
            key,
            attributes,
            checksum,
            encryption,
            customer_key,
            initiator,
            initiated_at: truncated(now),
        }
    }
}

/// A part that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number of the part.
    pub number: PartNumber,
    /// The length of the part, in bytes.
    pub size: u64,
    /// The entity tag of the part.
    pub etag: ETag,
    /// Its checksum, if one was stored.
    pub checksum: Option<StoredChecksum>,
    /// When it was uploaded, to the millisecond.
    pub last_modified: Timestamp,
}

/// What came of uploading a part.
#[derive(Clone, Debug)]
pub enum PutPart {
    /// The part is on stable storage.
    Stored(Part),
    /// There is no such upload.
    NoSuchUpload,
}

/// A page of the parts of an upload.
#[derive(Clone, Debug)]
pub struct PartPage {
    /// In the order of their numbers.
    pub parts: Vec<Part>,
    /// The last number of this page; `None`: there are no more.
    pub next: Option<PartNumber>,
}

/// Which uploads to list: by key, and the oldest first within a key.
#[derive(Clone, Debug)]
pub struct ListUploads {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that agree up to and with the first delimiter after the prefix are one common prefix.
    pub delimiter: Option<String>,
    /// The key, or the upload, after which the page begins.
    pub after: UploadAfter,
    /// How many entries at most.
    pub limit: usize,
}

/// Where a listing of uploads begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UploadAfter {
    /// At the first key.
    #[default]
    Start,
    /// After all uploads of this key (`key-marker` alone), which may be any text.
    Key(String),
    /// After this upload of this key (`key-marker` and `upload-id-marker`).
    Upload(ObjectKey, UploadId),
    /// After every key that begins so.
    CommonPrefix(String),
}

/// A page of a listing of uploads.
#[derive(Clone, Debug)]
pub struct UploadPage {
    /// By key, then oldest first; common prefixes count towards the limit.
    pub entries: Vec<UploadEntry>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<UploadAfter>,
}

/// An entry of a listing of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadEntry {
    /// An upload under way.
    Upload(Arc<Upload>),
    /// All keys that begin with this text, shown as one.
    CommonPrefix(String),
}

/// An upload to complete.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// The bucket that the upload is in.
    pub bucket: BucketRef,
    /// The key of the object to be.
    pub key: ObjectKey,
    /// The id of the upload.
    pub upload_id: UploadId,
    /// The parts of the object, in ascending order of their numbers, which the caller has checked.
    pub parts: Vec<CompletedPart>,
    /// What the caller says the object's checksum is; it must be what the parts give.
    pub object_checksum: Option<StoredChecksum>,
    /// What must hold for the object to be written.
    pub precondition: Precondition,
    /// How long every part but the last must be, in bytes.
    pub min_part_size: u64,
}

/// What an upload is summed with that asked for no algorithm.
pub const CHECKSUM_UNASKED: (ChecksumAlgorithm, ChecksumType) =
    (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject);

/// The least length of every part but the last, in bytes, as S3 has it.
pub const PART_SIZE_MIN: u64 = 5 * 1024 * 1024;

/// A part as named by who completes an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// The number of the part.
    pub number: PartNumber,
    /// Its entity tag, which must be that of the uploaded part.
    pub etag: ETag,
    /// Its checksum (base64), which must be that of the uploaded part.
    pub checksum: Option<String>,
}

/// What came of completing an upload.
#[derive(Clone, Debug)]
pub enum CompleteOutcome {
    /// The object is on stable storage, now or since an earlier try.
    Completed {
        /// The version it is, to be told to the writer; `None` in a bucket that keeps none.
        version_id: Option<VersionId>,
        /// The object as it is recorded.
        object: Arc<Object>,
    },
    /// There is no such upload.
    NoSuchUpload,
    /// A part was not uploaded, or has another tag or checksum.
    InvalidPart {
        /// The number of the part.
        number: PartNumber,
    },
    /// A part that is not the last is too short.
    PartTooSmall {
        /// The number of the part.
        number: PartNumber,
        /// The length of the part, in bytes.
        size: u64,
        /// The entity tag of the part.
        etag: ETag,
    },
    /// The precondition does not hold.
    PreconditionFailed,
    /// There is no such bucket.
    NoSuchBucket,
    /// The precondition wants something at the key, and nothing is.
    NoSuchKey,
    /// The precondition holds, but the key was written or deleted after the upload had begun.
    Conflict,
    /// The object's checksum is not what the caller said.
    ChecksumMismatch {
        /// What the parts give; `None`: not all of them have a checksum of that kind.
        computed: Option<StoredChecksum>,
    },
}
