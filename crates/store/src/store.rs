//! The facade: one method for each step that the layers above take, and the order of writes.

mod identities;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};

use iam::{AccountId, CustomerKey, MasterKey, SessionSealer};
use jiff::Timestamp;

use crate::backend::embedded::Embedded;
use crate::backend::files::disk::Disk;
use crate::backend::metadata::buckets::BucketRecords as _;
use crate::backend::metadata::objects::{NewObject, ObjectRecords as _};
use crate::backend::metadata::uploads::{NewPart, UploadRecords as _};
use crate::backend::metadata::{Metadata as _, MetadataCounters};
use crate::backend::{Abandoned, Premises};
use crate::engines::{BlobsEngine, MetadataEngine};
use crate::identity::KeyUses;
use crate::reading::Readers;
use crate::staging::{Stager, Workers};
use crate::sweep::Turn;
use crate::vault::Vault;
use crate::{
    AtRest, Attributes, BodyReader, BodyStage, Bucket, BucketName, BucketPage, BucketRef,
    BucketSetting, Change, CompleteOutcome, CompleteUpload, CreateBucket, DeleteBucket,
    DeleteObject, DeleteOutcome, ETag, Encryption, KeyCheck, KeyRefusal, ListBuckets, ListObjects,
    ListUploads, ListVersions, Lookup, Maintenance, NewBucket, NewUpload, Object, ObjectKey,
    ObjectPage, OpenError, PartNumber, PartPage, Precondition, PutOutcome, PutPart, SetBucket,
    SetTags, StageSpec, StagedBody, StoreError, StoredChecksum, TagsChanged, Unlocked, Upload,
    UploadId, UploadPage, VersionId, VersionPage, Versioning,
};

/// How many times one call that removes a bucket aborts uploads of it: whoever begins uploads all the while keeps
/// it so long and no longer.
const DELETE_BUCKET_ROUNDS_MAX: usize = 512;

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

/// An object to write.
#[derive(Debug)]
pub struct PutObject {
    /// Into which bucket.
    pub bucket: BucketRef,
    /// At which key.
    pub key: ObjectKey,
    /// Its bytes.
    pub body: StagedBody,
    /// What is said about it.
    pub attributes: Attributes,
    /// The checksum to keep.
    pub checksum: Option<StoredChecksum>,
    /// Its entity tag; `None`: the MD5 of the body.
    pub etag: Option<ETag>,
    /// What must hold for it to be written.
    pub precondition: Precondition,
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
    /// Checkpoints of the log into the database.
    pub checkpoints: u64,
    /// Records answered from the cache.
    pub cache_hits: u64,
    /// Records that had to be read.
    pub cache_misses: u64,
}

/// A data directory, opened. Clones are the same store; the directory is free for another process
/// when the last clone, stage and reader is gone.
#[derive(Clone, Debug)]
pub struct Store(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) metadata: Arc<MetadataEngine>,
    pub(crate) blobs: Arc<BlobsEngine>,
    readers: Readers,
    pub(crate) stager: Arc<Stager>,
    pub(crate) key_uses: KeyUses,
    /// Runs of maintenance take turns.
    pub(crate) sweeping: tokio::sync::Mutex<Turn>,
    /// Whose turn it is to delete a bucket.
    pub(crate) emptying: tokio::sync::Mutex<()>,
    vault: Arc<Vault>,
    /// What the engines say of where they write.
    pub(crate) premises: Box<dyn Premises>,
    encryption: Encryption,
}

impl Store {
    /// Opens a data directory, or makes one; sweeps what the last process left. Blocking.
    pub fn open(config: StoreConfig, now: Timestamp) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), config, now)
    }

    pub(crate) fn open_on(
        disk: Disk,
        config: StoreConfig,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let StoreConfig { data_dir, master_key, encryption, cache_bytes_max } = config;
        let vault = Arc::new(Vault::new(&master_key));
        let Embedded { metadata, blobs, premises } =
            Embedded::open(disk, &data_dir, &vault, cache_bytes_max)?;
        let (metadata, blobs) = (MetadataEngine::Sqlite(metadata), BlobsEngine::Files(blobs));
        let store = Self::over((metadata, blobs, Box::new(premises)), vault, encryption, now);
        if store.0.premises.is_alone() {
            store.sweep_leftovers(now)?;
        }
        Ok(store)
    }

    /// Over engines that are open.
    fn over(
        (metadata, blobs, premises): (MetadataEngine, BlobsEngine, Box<dyn Premises>),
        vault: Arc<Vault>,
        encryption: Encryption,
        now: Timestamp,
    ) -> Self {
        let (metadata, blobs) = (Arc::new(metadata), Arc::new(blobs));
        let stager = Arc::new(Stager {
            metadata: Arc::clone(&metadata),
            blobs: Arc::clone(&blobs),
            vault: Arc::clone(&vault),
            abandoned: Arc::new(Abandoned::default()),
            latest_ms: AtomicI64::new(now.as_millisecond()),
            stages: AtomicUsize::new(0),
            workers: Arc::new(Workers::new()),
        });
        let sweeping = tokio::sync::Mutex::new(Turn::default());
        let emptying = tokio::sync::Mutex::default();
        let key_uses = KeyUses::default();
        let inner = Inner {
            metadata,
            blobs,
            readers: Readers::default(),
            stager,
            key_uses,
            sweeping,
            emptying,
            vault,
            premises,
            encryption,
        };
        Self(Arc::new(inner))
    }

    /// Before the first request, and so with a runtime of its own.
    fn sweep_leftovers(&self, now: Timestamp) -> Result<(), OpenError> {
        let store = self.clone();
        let sweep = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.map_err(|source| StoreError::Io {
                operation: "start a runtime",
                source: Arc::new(source),
            })?;
            runtime.block_on(Maintenance::new(store).sweep_leftovers(now))
        };
        // A thread of its own, because the caller may be in a runtime already.
        match std::thread::spawn(sweep).join().unwrap_or(Err(StoreError::Closed)) {
            Ok(()) => Ok(()),
            // Reads go on all the same; what is left is swept when it is old.
            Err(StoreError::Full) => {
                tracing::warn!("the disk is full: leftovers stay, and nothing can be written");
                Ok(())
            }
            Err(error) => Err(OpenError::Sweep(error)),
        }
    }

    /// Commits what waits, checkpoints and refuses everything from then on.
    pub async fn close(&self) -> Result<(), StoreError> {
        // When keys were used is worth no refusal to close.
        let _unwritten = self.write_key_uses().await;
        self.0.metadata.close().await
    }

    /// Whether writes are taken: for readiness.
    pub fn is_writable(&self) -> Result<(), StoreError> {
        self.0.premises.check_writes()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        let MetadataCounters { queued_jobs, jobs, commits, checkpoints, cache_hits, cache_misses } =
            self.0.metadata.counters();
        Counters { queued_jobs, jobs, commits, checkpoints, cache_hits, cache_misses }
    }

    /// The background work, to be run by a task of the caller's.
    pub fn maintenance(&self) -> Maintenance {
        Maintenance::new(self.clone())
    }

    /// Changes after number `n`, in order. Only the latest change of each subject is kept.
    pub async fn changes_since(&self, n: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.0.metadata.changes_since(n, limit).await
    }

    /// Sets one thing of a bucket. A policy that would make it public is refused where the bucket refuses such
    /// policies when it is written.
    pub async fn set_bucket(
        &self,
        bucket: &BucketRef,
        setting: BucketSetting,
        now: Timestamp,
    ) -> Result<SetBucket, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.set_bucket(bucket, setting).await
    }

    /// What seals and opens the tokens of sessions.
    pub fn session_sealer(&self) -> SessionSealer {
        self.0.vault.session_sealer()
    }

    /// Makes a bucket.
    pub async fn create_bucket(
        &self,
        bucket: NewBucket,
        now: Timestamp,
    ) -> Result<CreateBucket, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.create_bucket(bucket, now).await
    }

    /// The bucket of that name.
    pub async fn bucket(&self, name: &BucketName) -> Result<Option<Arc<Bucket>>, StoreError> {
        self.0.metadata.bucket(name).await
    }

    /// Removes a bucket that holds no version of anything. Uploads under way in it are aborted first, some at a
    /// time, so that other writers have their turn between; each time the bucket is judged anew, and an object that
    /// came meanwhile keeps it, though not the uploads.
    pub async fn delete_bucket(
        &self,
        bucket: &BucketRef,
        now: Timestamp,
    ) -> Result<DeleteBucket, StoreError> {
        self.0.stager.note(now);
        for _ in 0..DELETE_BUCKET_ROUNDS_MAX {
            // One such job at a time, or many callers' together would keep the writer from others.
            let _turn = self.0.emptying.lock().await;
            let outcome = self.0.metadata.delete_bucket(bucket, now).await?;
            if outcome != DeleteBucket::Unfinished {
                return Ok(outcome);
            }
        }
        Ok(DeleteBucket::Unfinished)
    }

    /// Some buckets of an owner.
    pub async fn buckets(
        &self,
        owner: &AccountId,
        query: ListBuckets,
    ) -> Result<BucketPage, StoreError> {
        self.0.metadata.buckets(owner, query).await
    }

    /// Sets whether a bucket keeps versions; `false`: there is no such bucket. One that ever kept
    /// versions cannot become unversioned again: that is taken as suspended.
    pub async fn set_versioning(
        &self,
        bucket: &BucketRef,
        versioning: Versioning,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.set_versioning(bucket, versioning).await
    }

    /// What is at a key, or one version of it.
    pub async fn object(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Lookup, StoreError> {
        self.0.metadata.object(bucket, key, version.copied()).await
    }

    /// Lets an object be read with the key that it takes, which may be none.
    pub fn unlock(
        &self,
        object: &Arc<Object>,
        key: Option<&CustomerKey>,
    ) -> Result<Unlocked, KeyRefusal> {
        self.0.vault.check_key(object.body.blobs(), key)?;
        Ok(Unlocked { object: Arc::clone(object), key: key.cloned() })
    }

    /// Streams a range of an object's body; what lies beyond its end is left out.
    pub fn read(&self, unlocked: &Unlocked, range: Range<u64>) -> BodyReader {
        let Inner { blobs, vault, readers, .. } = &*self.0;
        BodyReader::new(unlocked, range, blobs, vault, readers)
    }

    /// What tells a customer's key from others, for an upload under it.
    pub fn key_check(&self, key: &CustomerKey) -> Result<KeyCheck, StoreError> {
        self.0.vault.key_check(key)
    }

    /// Whether this is the key, or the absence of one, that an upload was begun with.
    pub fn check_upload_key(
        &self,
        upload: &Upload,
        key: Option<&CustomerKey>,
    ) -> Result<(), KeyRefusal> {
        self.0.vault.fits(upload.customer_key.as_ref(), key)
    }

    /// Whether new bodies are encrypted when nobody asks.
    pub fn encryption(&self) -> Encryption {
        self.0.encryption
    }

    /// How a body would be kept that is staged so.
    pub fn at_rest(&self, spec: &StageSpec) -> AtRest {
        match (&spec.customer_key, spec.encryption.unwrap_or(self.0.encryption)) {
            (Some(_), _) => AtRest::CustomerKey,
            (None, Encryption::On) => AtRest::Aes256,
            (None, Encryption::Off) => AtRest::Plain,
        }
    }

    /// Takes in a body that a later call will point at.
    #[expect(clippy::unused_async, reason = "an engine may have to wait before it takes bytes")]
    pub async fn stage(&self, spec: StageSpec) -> Result<BodyStage, StoreError> {
        self.0.premises.check_writes()?;
        self.0.premises.check_room(spec.size_hint.unwrap_or(0))?;
        Ok(BodyStage::new(Arc::clone(&self.0.stager), spec, self.0.encryption))
    }

    /// Writes an object.
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

    /// Begins an upload; `None`: there is no such bucket.
    pub async fn create_upload(
        &self,
        upload: NewUpload,
        now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.create_upload(upload, now).await
    }

    /// The upload of that id, if it is of that key.
    pub async fn upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: &UploadId,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.0.metadata.upload(bucket, key, *id).await
    }

    /// Puts a part in the place of an earlier one of its number.
    #[expect(clippy::too_many_arguments, reason = "five facts and the time, all of them another's")]
    pub async fn put_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: StagedBody,
        checksum: Option<StoredChecksum>,
        now: Timestamp,
    ) -> Result<PutPart, StoreError> {
        self.0.stager.note(now);
        let etag = body.etag();
        let file = self.0.stager.file_of(body).await?;
        let (bucket, key) = (upload.bucket.clone(), upload.key.clone());
        let part = NewPart { bucket, key, upload: upload.id, number, etag, checksum, file };
        self.0.metadata.put_part(part, now).await
    }

    /// Some parts of an upload. A page holds 1000 at most.
    pub async fn parts(
        &self,
        upload: &Upload,
        after: Option<PartNumber>,
        limit: usize,
    ) -> Result<PartPage, StoreError> {
        self.0.metadata.parts(upload.id, after, limit).await
    }

    /// Lists uploads that are under way; `None`: there is no such bucket. A page holds 1000 entries
    /// at most.
    pub async fn uploads(
        &self,
        bucket: &BucketRef,
        query: ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        self.0.metadata.uploads(bucket, query).await
    }

    /// Makes an object of the parts of an upload. Tried again with the same parts, it answers the
    /// same for a day, as long as that object is there.
    pub async fn complete_upload(
        &self,
        complete: CompleteUpload,
        now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.complete_upload(complete, now).await
    }

    /// Ends an upload and discards its parts; `false`: there was none.
    pub async fn abort_upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: &UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.stager.note(now);
        self.0.metadata.abort_upload(bucket, key, *id, now).await
    }
}
