//! The embedded engine of records: SQLite, with one writing thread and many readers.

mod buckets;
mod cache;
mod caches;
mod connection;
mod copy;
mod error;
mod garbage;
mod identities;
mod objects;
mod rows;
mod seal;
mod transaction;
mod uploads;
mod weight;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rusqlite::Connection;

use super::embedded::health::Health;
use super::{IdleUpload, Metadata, MetadataCounters, NewObject, NewPart, Space};
use crate::body::BlobId;
use crate::identity::IdentityChange;
use crate::vault::Vault;
use crate::{
    AccessKey, Account, AccountPage, Bucket, BucketName, BucketPage, BucketRef, BucketSetting,
    Change, CompleteOutcome, CompleteUpload, CreateAccount, CreateBucket, DeleteAccount,
    DeleteBucket, DeleteObject, DeleteOutcome, Directory, IdentityError, KeyUse, ListBuckets,
    ListObjects, ListUploads, ListVersions, Lookup, NewBucket, NewUpload, ObjectKey, ObjectPage,
    OpenError, PartNumber, PartPage, PutOutcome, PutPart, RenewRootKey, SetBucket, SetTags, Signer,
    StoreError, TagsChanged, Upload, UploadId, UploadPage, VersionId, VersionPage, Versioning,
};
use cache::{ObjectCacheKey, ObjectCacheKeyRef};
use caches::Caches;
use connection::Readers;
pub(crate) use copy::DatabaseCopy;
use iam::AccountId;
use identities::signer::Reading;
use identities::{access_keys, accounts, directory, signer};
use objects::{listing, lookup, tags};
use transaction::Transaction;
use uploads::completion;
use writer::{Room, Writer};

/// The database's file in a data directory.
pub(crate) const FILE_NAME: &str = "metadata.sqlite";

/// Records in a SQLite database.
#[derive(Debug)]
pub(crate) struct SqliteMetadata {
    writer: Writer,
    readers: Readers,
    caches: Arc<Caches>,
    vault: Arc<Vault>,
    /// Held while a directory is read: whoever waits finds it in the cache.
    loading: tokio::sync::Mutex<()>,
}

impl SqliteMetadata {
    /// Opens the database of a data directory, or makes it. `keep` is held until the last write is
    /// done, however the engine comes to its end.
    pub(crate) fn open(
        data_dir: &Path,
        vault: Arc<Vault>,
        cache_bytes_max: usize,
        health: Arc<Health>,
        keep: Arc<dyn Send + Sync>,
    ) -> Result<Self, OpenError> {
        let path = data_dir.join(FILE_NAME);
        let (connection, index) = connection::open_writer(&path, &vault)?;
        let readers = Readers::open(&path, index, vault.records())?;
        let caches = Arc::new(Caches::new(cache_bytes_max));
        let writer = Writer::start(connection, path, Arc::clone(&caches), health, keep)?;
        Ok(Self { writer, readers, caches, vault, loading: tokio::sync::Mutex::default() })
    }

    /// Whether a bucket is still there; one that another has the name of now is not.
    async fn is_there(&self, bucket: &BucketRef) -> Result<bool, StoreError> {
        Ok(self.bucket(&bucket.name).await?.is_some_and(|found| found.id == bucket.id))
    }
}

impl Metadata for SqliteMetadata {
    async fn access_key(&self, id: &str) -> Result<Option<Arc<AccessKey>>, StoreError> {
        let ticket = match self.caches.access_keys.get(id) {
            Ok(key) => return Ok(Some(key)),
            Err(ticket) => ticket,
        };
        let read = self.readers.point(|connection| access_keys::read(connection, &self.vault, id));
        let key = read.await?.map(Arc::new);
        if let Some(key) = &key {
            self.caches.access_keys.fill(ticket, id.to_owned(), Arc::clone(key));
        }
        Ok(key)
    }

    async fn put_access_key(&self, key: AccessKey) -> Result<(), StoreError> {
        let sealed = self.vault.seal_secret(&key)?;
        self.writer.run(Room::Needed, move |tx| access_keys::put(tx, key, &sealed)).await
    }

    async fn access_keys(&self, account: &AccountId) -> Result<Vec<Arc<AccessKey>>, StoreError> {
        let (vault, account) = (Arc::clone(&self.vault), account.clone());
        self.readers.list(move |connection| access_keys::list(connection, &vault, &account)).await
    }

    async fn note_key_uses(&self, uses: Vec<(String, KeyUse)>) -> Result<(), StoreError> {
        self.writer.run(Room::Needed, move |tx| access_keys::note_uses(tx, &uses)).await
    }

    async fn key_last_used(&self, id: &str) -> Result<Option<KeyUse>, StoreError> {
        self.readers.point(|connection| access_keys::last_use(connection, id)).await
    }

    async fn signer(
        &self,
        account: &AccountId,
        id: &str,
    ) -> Result<Option<Arc<Signer>>, StoreError> {
        if let Some(signer) = signer::remembered(&self.caches, account, id) {
            return Ok(Some(signer));
        }
        let few = signer::POINT_ROWS_MAX;
        let read =
            |connection: &Connection| signer::read(connection, &self.caches, account, id, few);
        if let Reading::Read(signer) = self.readers.point(read).await? {
            return Ok(signer);
        }
        let (caches, account, id) = (Arc::clone(&self.caches), account.clone(), id.to_owned());
        let read = move |connection: &Connection| {
            signer::read(connection, &caches, &account, &id, usize::MAX)
        };
        match self.readers.list(read).await? {
            Reading::Read(signer) => Ok(signer),
            Reading::TooLong => Err(rows::corrupt("identities")),
        }
    }

    async fn directory(&self, account: &AccountId) -> Result<Arc<Directory>, StoreError> {
        if let Ok(directory) = self.caches.directories.get(account) {
            return Ok(directory);
        }
        let _alone = self.loading.lock().await;
        let ticket = match self.caches.directories.get(account) {
            Ok(directory) => return Ok(directory),
            Err(ticket) => ticket,
        };
        let of = account.clone();
        let load = move |connection: &Connection| directory::load(connection, &of).map(Arc::new);
        let directory = self.readers.list(load).await?;
        self.caches.directories.fill(ticket, account.clone(), Arc::clone(&directory));
        Ok(directory)
    }

    async fn change_identities(
        &self,
        account: &AccountId,
        change: IdentityChange,
        now: Timestamp,
    ) -> Result<Result<(), IdentityError>, StoreError> {
        let (vault, account) = (Arc::clone(&self.vault), account.clone());
        let change =
            move |tx: &mut Transaction<'_>| directory::change(tx, &vault, &account, &change, now);
        self.writer.run(Room::Needed, change).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.readers.point(|connection| accounts::read(connection, id)).await
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<AccountPage, StoreError> {
        let list = move |connection: &Connection| accounts::list(connection, after.as_ref(), limit);
        self.readers.list(list).await
    }

    async fn create_account(
        &self,
        account: Account,
        root: AccessKey,
    ) -> Result<CreateAccount, StoreError> {
        let vault = Arc::clone(&self.vault);
        self.writer.run(Room::Needed, move |tx| accounts::create(tx, &vault, account, root)).await
    }

    async fn delete_account(&self, id: &AccountId) -> Result<DeleteAccount, StoreError> {
        let id = id.clone();
        self.writer.run(Room::Reserve, move |tx| accounts::delete(tx, &id)).await
    }

    async fn renew_root_key(&self, root: AccessKey) -> Result<RenewRootKey, StoreError> {
        let vault = Arc::clone(&self.vault);
        // A stolen key must end on a full disk too.
        self.writer.run(Room::Reserve, move |tx| accounts::renew_root_key(tx, &vault, root)).await
    }

    async fn set_bucket(
        &self,
        bucket: &BucketRef,
        setting: BucketSetting,
    ) -> Result<SetBucket, StoreError> {
        let bucket = bucket.clone();
        self.writer.run(Room::Needed, move |tx| buckets::set(tx, &bucket, &setting)).await
    }

    async fn create_bucket(
        &self,
        bucket: NewBucket,
        now: Timestamp,
    ) -> Result<CreateBucket, StoreError> {
        self.writer.run(Room::Needed, move |tx| buckets::create(tx, &bucket, now)).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Option<Arc<Bucket>>, StoreError> {
        let ticket = match self.caches.buckets.get(name) {
            Ok(bucket) => return Ok(Some(bucket)),
            Err(ticket) => ticket,
        };
        let read = self.readers.point(|connection| buckets::read(connection, name)).await?;
        let bucket = read.map(Arc::new);
        if let Some(bucket) = &bucket {
            self.caches.buckets.fill(ticket, name.clone(), Arc::clone(bucket));
        }
        Ok(bucket)
    }

    async fn delete_bucket(
        &self,
        bucket: &BucketRef,
        now: Timestamp,
    ) -> Result<DeleteBucket, StoreError> {
        let bucket = bucket.clone();
        self.writer.run(Room::Reserve, move |tx| buckets::delete(tx, &bucket, now)).await
    }

    async fn buckets(
        &self,
        owner: &AccountId,
        query: ListBuckets,
    ) -> Result<BucketPage, StoreError> {
        let owner = owner.clone();
        self.readers.list(move |connection| buckets::list(connection, &owner, &query)).await
    }

    async fn set_versioning(
        &self,
        bucket: &BucketRef,
        versioning: Versioning,
    ) -> Result<bool, StoreError> {
        let bucket = bucket.clone();
        let set = move |tx: &mut Transaction<'_>| buckets::set_versioning(tx, &bucket, versioning);
        self.writer.run(Room::Needed, set).await
    }

    async fn changes_since(&self, n: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.readers.list(move |connection| buckets::changes_since(connection, n, limit)).await
    }

    async fn object(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Lookup, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(Lookup::NoSuchBucket);
        }
        let bucket = bucket.id;
        if let Some(version) = version {
            let read = |connection: &Connection| {
                lookup::version(connection, &self.vault, bucket, key, version)
            };
            return self.readers.point(read).await;
        }
        let ticket = match self.caches.objects.get(&ObjectCacheKeyRef { bucket, key }) {
            Ok(object) => return Ok(Lookup::Object(object)),
            Err(ticket) => ticket,
        };
        let read = |connection: &Connection| lookup::current(connection, &self.vault, bucket, key);
        let lookup = self.readers.point(read).await?;
        if let Lookup::Object(object) = &lookup {
            let cached = ObjectCacheKey { bucket, key: object.key.clone() };
            self.caches.objects.fill(ticket, cached, Arc::clone(object));
        }
        Ok(lookup)
    }

    async fn put_object(
        &self,
        object: NewObject,
        now: Timestamp,
    ) -> Result<PutOutcome, StoreError> {
        self.writer.run(Room::Needed, move |tx| objects::put(tx, object, now)).await
    }

    async fn delete_object(
        &self,
        delete: DeleteObject,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        self.writer.run(Room::Reserve, move |tx| objects::delete(tx, &delete, now)).await
    }

    async fn set_object_tags(
        &self,
        set: SetTags,
    ) -> Result<Result<Lookup, TagsChanged>, StoreError> {
        let vault = Arc::clone(&self.vault);
        self.writer.run(Room::Needed, move |tx| tags::set(tx, &vault, set)).await
    }

    async fn list_objects(
        &self,
        bucket: &BucketRef,
        query: ListObjects,
    ) -> Result<Option<ObjectPage>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let bucket = bucket.id;
        let list = move |connection: &Connection| listing::objects(connection, bucket, &query);
        self.readers.list(list).await.map(Some)
    }

    async fn list_versions(
        &self,
        bucket: &BucketRef,
        query: ListVersions,
    ) -> Result<Option<VersionPage>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let bucket = bucket.id;
        let list = move |connection: &Connection| listing::versions(connection, bucket, &query);
        self.readers.list(list).await.map(Some)
    }

    async fn create_upload(
        &self,
        upload: NewUpload,
        now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.writer.run(Room::Needed, move |tx| uploads::create(tx, upload, now)).await
    }

    async fn upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let read = |connection: &Connection| uploads::read(connection, bucket, key, id);
        Ok(self.readers.point(read).await?.map(Arc::new))
    }

    async fn put_part(&self, part: NewPart, now: Timestamp) -> Result<PutPart, StoreError> {
        self.writer.run(Room::Needed, move |tx| uploads::put_part(tx, part, now)).await
    }

    async fn parts(
        &self,
        upload: UploadId,
        after: Option<PartNumber>,
        limit: usize,
    ) -> Result<PartPage, StoreError> {
        self.readers.list(move |connection| uploads::parts(connection, upload, after, limit)).await
    }

    async fn uploads(
        &self,
        bucket: &BucketRef,
        query: ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        if !self.is_there(bucket).await? {
            return Ok(None);
        }
        let bucket = bucket.clone();
        let list = move |connection: &Connection| uploads::list(connection, &bucket, &query);
        self.readers.list(list).await.map(Some)
    }

    async fn complete_upload(
        &self,
        complete: CompleteUpload,
        now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        let vault = Arc::clone(&self.vault);
        let run = move |tx: &mut Transaction<'_>| completion::complete(tx, &vault, &complete, now);
        self.writer.run(Room::Needed, run).await
    }

    async fn abort_upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        let abort = move |tx: &mut Transaction<'_>| uploads::abort(tx, &bucket, &key, id, now);
        self.writer.run(Room::Reserve, abort).await
    }

    async fn idle_uploads(
        &self,
        idle_since: Timestamp,
        limit: usize,
    ) -> Result<Vec<IdleUpload>, StoreError> {
        self.readers
            .list(move |connection| garbage::idle_uploads(connection, idle_since, limit))
            .await
    }

    async fn abort_idle_upload(
        &self,
        idle: IdleUpload,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(Room::Reserve, move |tx| garbage::abort_idle(tx, &idle, now)).await
    }

    async fn record_intent(&self, blob: BlobId, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(Room::Needed, move |tx| garbage::record_intent(tx, blob, now)).await
    }

    async fn forget_intents(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.writer.run(Room::Reserve, move |tx| garbage::forget_intents(tx, &blobs)).await
    }

    async fn reap_intents(&self, before: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
        self.writer.run(Room::Reserve, move |tx| garbage::reap_intents(tx, before, now)).await
    }

    async fn garbage(&self, before: Timestamp, limit: usize) -> Result<Vec<BlobId>, StoreError> {
        self.readers.list(move |connection| garbage::garbage(connection, before, limit)).await
    }

    async fn forget_garbage(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.writer.run(Room::Reserve, move |tx| garbage::forget_garbage(tx, &blobs)).await
    }

    async fn maintain(&self, completed_before: Timestamp, space: Space) -> Result<(), StoreError> {
        let forget =
            move |tx: &mut Transaction<'_>| garbage::forget_completed(tx, completed_before);
        // No more of that age come meanwhile.
        while !self.writer.run(Room::Reserve, forget).await? {}
        if space == Space::Short {
            return self.writer.checkpoint().await;
        }
        // Beside the writer first, which then has little left to do, if it has to do anything.
        let health = self.writer.health();
        let beside = move |connection: &Connection| {
            let _loan = health.make_room();
            Ok(writer::checkpoint(connection, "PASSIVE"))
        };
        match self.readers.list(beside).await? {
            Ok(_) => self.writer.shorten_log().await,
            Err(error) => Err(self.writer.failed(error)),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        let checkpointed = self.writer.checkpoint().await;
        self.writer.close();
        self.readers.close();
        checkpointed
    }

    fn counters(&self) -> MetadataCounters {
        let writer = self.writer.counters();
        let (cache_hits, cache_misses) = self.caches.hits_and_misses();
        MetadataCounters {
            queued_jobs: self.writer.queued(),
            jobs: writer.jobs.load(Ordering::Relaxed),
            commits: writer.commits.load(Ordering::Relaxed),
            checkpoints: writer.checkpoints.load(Ordering::Relaxed),
            cache_hits,
            cache_misses,
        }
    }
}
