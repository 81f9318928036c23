//! The two seams: records and bytes. An engine is behind each, chosen when the store is opened (`engines.rs`).
//!
//! They are cut at the meaning: a method of [`Metadata`] is one whole S3 step and one native
//! transaction, and [`Blobs`] are bytes under opaque ids. What every engine must hold to is tested by
//! `contract.rs`. Caches of records live behind the seam, where the engine can keep them true.

pub(crate) mod embedded;
pub(crate) mod files;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod record;
pub(crate) mod sqlite;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::body::{Blob, BlobId, FileRange, Room};
use crate::identity::IdentityChange;
use crate::lock::lock;
use crate::{
    AccessKey, Account, AccountPage, Attributes, Bucket, BucketName, BucketPage, BucketRef,
    BucketSetting, Change, CompleteOutcome, CompleteUpload, CreateAccount, CreateBucket,
    DeleteAccount, DeleteBucket, DeleteObject, DeleteOutcome, Directory, ETag, IdentityError,
    KeyUse, ListBuckets, ListObjects, ListUploads, ListVersions, Lookup, NewBucket, NewUpload,
    ObjectKey, ObjectPage, PartNumber, PartPage, Precondition, PutOutcome, PutPart, RenewRootKey,
    SetBucket, SetTags, Signer, StoreError, StoredChecksum, TagsChanged, Upload, UploadId,
    UploadPage, VersionId, VersionPage, Versioning,
};
use iam::AccountId;

/// How many rows one transaction removes or moves at most where nothing else bounds them: other writers may have to wait
/// for it. The parts of one upload, which go together, may be more.
pub(crate) const JOB_ROWS_MAX: usize = 1000;

/// Where engines keep what they are given, as far as the layers above them must know.
pub(crate) trait Premises: fmt::Debug + Send + Sync {
    /// Whether no other process writes there, so that what one before this one had begun is of no use to anybody.
    fn is_alone(&self) -> bool;
    /// Fails where writes are not taken any more.
    fn check_writes(&self) -> Result<(), StoreError>;
    /// Fails where there is no room for so many bytes.
    fn check_room(&self, size: u64) -> Result<(), StoreError>;
    /// How much room there is, for the run of maintenance that asks: it keeps to that.
    fn survey(&self) -> Space;
    /// How long garbage must rest before it is removed: whoever has looked up a record may not have begun to read.
    fn garbage_rest(&self, space: Space) -> SignedDuration;
    /// How many blobs may be removed before they are forgotten.
    fn removed_at_once(&self) -> usize;
    /// A turn to remove blobs in; `None`: they are being copied.
    fn removal_turn(&self) -> Option<RemovalTurn>;
}

/// While this lives blobs may be removed.
pub(crate) type RemovalTurn = Box<dyn Send>;

/// Whether there is room enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// An engine's own files may be as long as is best for speed.
    Enough,
    /// Writes are refused for want of room.
    Short,
}

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
    /// To be stored beside the record, as they are at rest.
    Row { blob: Blob, stored: Vec<u8>, plain: Bytes },
    /// A blob that is finished.
    File(StagedFile),
}

/// A part to record.
#[derive(Debug)]
pub(crate) struct NewPart {
    pub(crate) bucket: BucketRef,
    pub(crate) key: ObjectKey,
    pub(crate) upload: UploadId,
    pub(crate) number: PartNumber,
    pub(crate) etag: ETag,
    pub(crate) checksum: Option<StoredChecksum>,
    pub(crate) file: StagedFile,
}

/// An upload that nobody seems to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdleUpload {
    pub(crate) bucket: BucketRef,
    pub(crate) key: ObjectKey,
    pub(crate) id: UploadId,
    /// Nothing has come for it since then, when it was looked at.
    pub(crate) idle_since: Timestamp,
}

/// A finished blob that no record points at yet.
#[derive(Debug)]
pub(crate) struct StagedFile {
    pub(crate) blob: Blob,
    pub(crate) unpublished: Unpublished,
}

/// The duty to remove a blob unless a record comes to point at it. Whoever has the last word on that
/// owns it: first the stage, then the transaction.
#[derive(Debug)]
pub(crate) struct Unpublished {
    id: BlobId,
    abandoned: Option<Arc<Abandoned>>,
}

impl Unpublished {
    pub(crate) fn new(id: BlobId, abandoned: Arc<Abandoned>) -> Self {
        Self { id, abandoned: Some(abandoned) }
    }

    /// A record points at the blob, or nobody knows whether one does: it stays, and its intent, if
    /// there still is one, is left to the next start.
    pub(crate) fn keep(mut self) {
        self.abandoned = None;
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let Some(abandoned) = self.abandoned.take() {
            let mut ids = lock(&abandoned.0);
            if ids.len() < ABANDONED_MAX {
                ids.push(self.id);
            }
        }
    }
}

/// How many abandoned blobs are remembered; what is over waits until its intent is old.
const ABANDONED_MAX: usize = 65_536;

/// Blobs that were staged and given up, to be removed by the next sweep.
#[derive(Debug, Default)]
pub(crate) struct Abandoned(Mutex<Vec<BlobId>>);

impl Abandoned {
    pub(crate) fn take(&self) -> Vec<BlobId> {
        std::mem::take(&mut lock(&self.0))
    }
}

/// What an engine counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MetadataCounters {
    pub(crate) queued_jobs: u64,
    pub(crate) jobs: u64,
    pub(crate) commits: u64,
    pub(crate) checkpoints: u64,
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
}

/// Lends the methods of the seam, which stand once, to a macro that declares the trait or dispatches to an engine.
macro_rules! with_metadata_methods {
    ($callback:ident) => {
        $callback! {
            fn access_key(id: &str) -> Option<Arc<AccessKey>>;
            fn put_access_key(key: AccessKey) -> ();
            fn access_keys(account: &AccountId) -> Vec<Arc<AccessKey>>;
            fn note_key_uses(uses: Vec<(String, KeyUse)>) -> ();
            fn key_last_used(id: &str) -> Option<KeyUse>;

            /// The user or role of an id, with all that decides what it may do at one moment: a Deny that one change moves
            /// from one policy to another is never missed between two reads. Whoever asks for every request asks this.
            fn signer(account: &AccountId, id: &str) -> Option<Arc<Signer>>;
            /// All identities of an account: none where nobody made any.
            fn directory(account: &AccountId) -> Arc<Directory>;
            /// Runs the change over the identities as they are then, and writes the records that differ. A
            /// change that is refused writes nothing. It may be run again, over what is there then, by an engine whose
            /// transaction was in another's way: only the last run counts.
            fn change_identities(
                account: &AccountId, change: IdentityChange, now: Timestamp
            ) -> Result<(), IdentityError>;
            fn account(id: &AccountId) -> Option<Account>;
            fn accounts(after: Option<AccountId>, limit: usize) -> AccountPage;
            fn create_account(account: Account, root: AccessKey) -> CreateAccount;
            fn delete_account(id: &AccountId) -> DeleteAccount;
            /// Puts the key in the place of all that the root of its account has.
            fn renew_root_key(root: AccessKey) -> RenewRootKey;

            fn create_bucket(bucket: NewBucket, now: Timestamp) -> CreateBucket;
            fn bucket(name: &BucketName) -> Option<Arc<Bucket>>;
            /// Removes a bucket that is empty, or so many uploads of one with many as one transaction may.
            fn delete_bucket(bucket: &BucketRef, now: Timestamp) -> DeleteBucket;
            fn buckets(owner: &AccountId, query: ListBuckets) -> BucketPage;
            fn set_versioning(bucket: &BucketRef, versioning: Versioning) -> bool;
            /// A policy is judged by the setting that the bucket has then.
            fn set_bucket(bucket: &BucketRef, setting: BucketSetting) -> SetBucket;
            /// Changes after number `n`, in order; only a subject's latest change is kept. Whoever has seen a change never
            /// comes to see another with a lower number: an engine that numbers before it commits must hold back what stands
            /// behind a number that is still open.
            fn changes_since(n: u64, limit: usize) -> Vec<Change>;

            fn object(bucket: &BucketRef, key: &ObjectKey, version: Option<VersionId>) -> Lookup;
            /// [`StoreError::StageExpired`] when the intent of the body's blob is no more.
            fn put_object(object: NewObject, now: Timestamp) -> PutOutcome;
            fn delete_object(delete: DeleteObject, now: Timestamp) -> DeleteOutcome;
            /// Replaces the tags of the current version of a key, or of the one named; answers it as it is
            /// then, or how it is not there.
            fn set_object_tags(set: SetTags) -> Result<Lookup, TagsChanged>;
            fn list_objects(bucket: &BucketRef, query: ListObjects) -> Option<ObjectPage>;
            fn list_versions(bucket: &BucketRef, query: ListVersions) -> Option<VersionPage>;

            fn create_upload(upload: NewUpload, now: Timestamp) -> Option<Arc<Upload>>;
            fn upload(bucket: &BucketRef, key: &ObjectKey, id: UploadId) -> Option<Arc<Upload>>;
            /// [`StoreError::StageExpired`] when the intent of the part's blob is no more.
            fn put_part(part: NewPart, now: Timestamp) -> PutPart;
            fn parts(upload: UploadId, after: Option<PartNumber>, limit: usize) -> PartPage;
            fn uploads(bucket: &BucketRef, query: ListUploads) -> Option<UploadPage>;
            fn complete_upload(complete: CompleteUpload, now: Timestamp) -> CompleteOutcome;
            fn abort_upload(
                bucket: &BucketRef, key: &ObjectKey, id: UploadId, now: Timestamp
            ) -> bool;

            /// Some uploads that were begun before a time and have got no part since.
            fn idle_uploads(idle_since: Timestamp, limit: usize) -> Vec<IdleUpload>;
            /// Aborts one of them, if it still is one; `false`: it is not, or is gone.
            fn abort_idle_upload(idle: IdleUpload, now: Timestamp) -> bool;

            /// Records that a file of this id may come to exist. Before it is renamed into place.
            fn record_intent(blob: BlobId, now: Timestamp) -> ();
            /// Forgets intents whose blobs were removed.
            fn forget_intents(blobs: Vec<BlobId>) -> ();
            /// Turns intents from before a time into garbage, so that nothing can come to point at their
            /// blobs any more: as many as one transaction may. Says how many; 0: there are no more.
            fn reap_intents(before: Timestamp, now: Timestamp) -> usize;
            /// Blobs that have been garbage since before a time.
            fn garbage(before: Timestamp, limit: usize) -> Vec<BlobId>;
            /// Forgets garbage that was removed.
            fn forget_garbage(blobs: Vec<BlobId>) -> ();
            /// Keeps the engine's own files in order, and short if need be; forgets uploads completed before
            /// a time.
            fn maintain(completed_before: Timestamp, space: Space) -> ();
            /// Commits what waits and refuses everything from then on.
            fn close() -> ();
        }
    };
}
pub(crate) use with_metadata_methods;

macro_rules! declare_metadata {
    ($($(#[$doc:meta])* fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        /// Records. Every method is one transaction, and an `Ok` of one that writes means that it is
        /// on stable storage.
        pub(crate) trait Metadata: Send + Sync {
            $($(#[$doc])* fn $method(&self, $($argument: $type),*)
                -> impl Future<Output = Result<$answer, StoreError>> + Send;)*
            /// What was counted since the engine was opened.
            fn counters(&self) -> MetadataCounters;
        }
    };
}

with_metadata_methods!(declare_metadata);

/// Bytes under opaque ids, each written once, from its first byte to its last.
pub(crate) trait Blobs: Send + Sync {
    /// Writes one blob.
    type Writer: BlobWriter;
    /// Reads one blob.
    type Source: BlobSource;
    /// Keeps blobs from being removed while it lives.
    type Pins: Send + Sync;

    /// An id that was never given before.
    fn new_id(&self) -> Result<BlobId, StoreError>;
    /// Begins a blob that `size` bytes are announced for, if any are.
    fn begin(
        &self,
        id: BlobId,
        size: Option<u64>,
    ) -> impl Future<Output = Result<Self::Writer, StoreError>> + Send;
    /// A reader of a range of a finished blob, which is named once: an engine may ask for all of it at the first
    /// read, and stream.
    fn source(&self, id: BlobId, range: Range<u64>) -> Self::Source;
    /// Keeps blobs from being removed for as long as the answer lives, as far as this process removes them.
    fn pin(&self, ids: Vec<BlobId>) -> Self::Pins;
    /// Removes blobs, begun or finished, durably; answers those that are gone, which leaves out the
    /// pinned ones.
    fn remove(
        &self,
        ids: Vec<BlobId>,
    ) -> impl Future<Output = Result<Vec<BlobId>, StoreError>> + Send;
}

/// A blob that is being written.
pub(crate) trait BlobWriter: Send + Sized {
    /// Adds bytes at its end: those that `make` makes, on the thread that writes them. What it makes
    /// beside them is the answer.
    fn append<B: AsRef<[u8]>, T: Send + 'static>(
        self,
        make: impl FnOnce() -> Result<(B, T), StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<(Self, T), StoreError>> + Send;
    /// Ends it: all its bytes are on stable storage and can be read.
    fn finish(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A range of a blob that is being read, from its first byte to its last.
pub(crate) trait BlobSource: Send + Sized {
    /// The next bytes, if they can be had without waiting.
    fn read_now(&mut self, size: usize) -> Option<Room>;
    /// All that is left, as a range of a file of this machine, if it is in one that can be opened without waiting.
    fn file_now(&mut self) -> Option<FileRange>;
    /// The next bytes; exactly so many, or an error.
    fn read(self, size: usize) -> impl Future<Output = (Self, Result<Room, StoreError>)> + Send;
}
