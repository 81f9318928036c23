//! The facade: one method for each step that the layers above take.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use iam::MasterKey;
use jiff::Timestamp;

use crate::{
    AccessKey, AccountId, BodyReader, BodyStage, Bucket, BucketName, BucketPage, Change,
    CompleteOutcome, CompleteUpload, CreateBucket, DeleteBucket, DeleteOutcome, Encryption,
    ListBuckets, ListObjects, ListUploads, ListVersions, Lookup, Maintenance, NewBucket, NewUpload,
    Object, ObjectKey, ObjectPage, OpenError, PartNumber, PartPage, PutObject, PutOutcome, PutPart,
    StageSpec, StagedBody, StoreError, StoredChecksum, Upload, UploadId, UploadPage, VersionId,
    VersionPage, Versioning,
};

/// How to open a store.
#[derive(Debug)]
pub struct StoreConfig {
    /// Holds everything; made when absent.
    pub data_dir: PathBuf,
    /// From [`load_master_key`](crate::load_master_key).
    pub master_key: MasterKey,
    /// Whether new bodies are encrypted unless their specification says.
    pub encryption: Encryption,
    /// How much memory the cache of records and small bodies may take, in bytes.
    pub cache_bytes_max: usize,
}

/// What a store counts, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Write jobs that wait to be committed.
    pub queued_jobs: u64,
    /// Write jobs that were run.
    pub jobs: u64,
    /// Transactions committed; jobs over commits is how many share one.
    pub commits: u64,
    /// Checkpoints done.
    pub checkpoints: u64,
    /// Records answered from the cache.
    pub cache_hits: u64,
    /// Records that had to be read.
    pub cache_misses: u64,
}

/// A data directory, opened. Clones are the same store.
#[derive(Clone, Debug)]
pub struct Store(Arc<()>);

impl Store {
    /// Opens a data directory, or makes one; sweeps what the last process left. Blocking.
    pub fn open(_config: StoreConfig, _now: Timestamp) -> Result<Self, OpenError> {
        todo!()
    }

    /// Commits what waits, checkpoints and refuses everything from then on.
    pub async fn close(&self) {
        todo!()
    }

    /// Whether writes are taken: for readiness.
    pub fn is_writable(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        todo!()
    }

    /// The background work, to be run by a task of the caller's.
    pub fn maintenance(&self) -> Maintenance {
        todo!()
    }

    /// Changes after number `n`, in order. Only the latest change of each subject is kept.
    pub async fn changes_since(&self, _n: u64, _limit: usize) -> Result<Vec<Change>, StoreError> {
        todo!()
    }

    /// The access key of that id.
    pub async fn access_key(&self, _id: &str) -> Result<Option<Arc<AccessKey>>, StoreError> {
        todo!()
    }

    /// Puts an access key in the place of one with its id.
    pub async fn put_access_key(&self, _key: AccessKey, _now: Timestamp) -> Result<(), StoreError> {
        todo!()
    }

    /// All access keys of an account, by id.
    pub async fn access_keys(
        &self,
        _account: &AccountId,
    ) -> Result<Vec<Arc<AccessKey>>, StoreError> {
        todo!()
    }

    /// Makes a bucket.
    pub async fn create_bucket(
        &self,
        _bucket: NewBucket,
        _now: Timestamp,
    ) -> Result<CreateBucket, StoreError> {
        todo!()
    }

    /// The bucket of that name.
    pub async fn bucket(&self, _name: &BucketName) -> Result<Option<Arc<Bucket>>, StoreError> {
        todo!()
    }

    /// Removes a bucket that holds no version of anything.
    pub async fn delete_bucket(
        &self,
        _name: &BucketName,
        _now: Timestamp,
    ) -> Result<DeleteBucket, StoreError> {
        todo!()
    }

    /// Some buckets of an owner.
    pub async fn buckets(
        &self,
        _owner: &AccountId,
        _query: ListBuckets,
    ) -> Result<BucketPage, StoreError> {
        todo!()
    }

    /// Sets whether a bucket keeps versions; `false`: there is no such bucket. One that ever kept
    /// versions cannot become unversioned again: that is taken as suspended.
    pub async fn set_versioning(
        &self,
        _name: &BucketName,
        _versioning: Versioning,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// What is at a key, or one version of it.
    pub async fn object(
        &self,
        _bucket: &BucketName,
        _key: &ObjectKey,
        _version: Option<&VersionId>,
    ) -> Result<Lookup, StoreError> {
        todo!()
    }

    /// Streams a range of an object's body; what lies beyond its end is left out.
    pub fn read(&self, _object: &Arc<Object>, _range: Range<u64>) -> BodyReader {
        todo!()
    }

    /// Takes in a body that a later call will point at.
    pub async fn stage(&self, _spec: StageSpec) -> Result<BodyStage, StoreError> {
        todo!()
    }

    /// Writes an object.
    pub async fn put_object(
        &self,
        _put: PutObject,
        _now: Timestamp,
    ) -> Result<PutOutcome, StoreError> {
        todo!()
    }

    /// Deletes the object at a key, or one version for good.
    pub async fn delete_object(
        &self,
        _bucket: &BucketName,
        _key: &ObjectKey,
        _version: Option<&VersionId>,
        _now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        todo!()
    }

    /// Lists current objects; `None`: there is no such bucket.
    pub async fn list_objects(
        &self,
        _bucket: &BucketName,
        _query: ListObjects,
    ) -> Result<Option<ObjectPage>, StoreError> {
        todo!()
    }

    /// Lists versions and delete markers; `None`: there is no such bucket.
    pub async fn list_versions(
        &self,
        _bucket: &BucketName,
        _query: ListVersions,
    ) -> Result<Option<VersionPage>, StoreError> {
        todo!()
    }

    /// Begins an upload; `None`: there is no such bucket.
    pub async fn create_upload(
        &self,
        _upload: NewUpload,
        _now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        todo!()
    }

    /// The upload of that id, if it is of that key.
    pub async fn upload(
        &self,
        _bucket: &BucketName,
        _key: &ObjectKey,
        _id: &UploadId,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        todo!()
    }

    /// Puts a part in the place of an earlier one of its number.
    pub async fn put_part(
        &self,
        _upload: &Upload,
        _number: PartNumber,
        _body: StagedBody,
        _checksum: Option<StoredChecksum>,
        _now: Timestamp,
    ) -> Result<PutPart, StoreError> {
        todo!()
    }

    /// Some parts of an upload.
    pub async fn parts(
        &self,
        _upload: &Upload,
        _after: Option<PartNumber>,
        _limit: usize,
    ) -> Result<PartPage, StoreError> {
        todo!()
    }

    /// Lists uploads that are under way; `None`: there is no such bucket.
    pub async fn uploads(
        &self,
        _bucket: &BucketName,
        _query: ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        todo!()
    }

    /// Makes an object of the parts of an upload. Tried again with the same parts, it answers the
    /// same for a day, as long as that object is there.
    pub async fn complete_upload(
        &self,
        _complete: CompleteUpload,
        _now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        todo!()
    }

    /// Ends an upload and discards its parts; `false`: there was none.
    pub async fn abort_upload(
        &self,
        _bucket: &BucketName,
        _key: &ObjectKey,
        _id: &UploadId,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        todo!()
    }
}
