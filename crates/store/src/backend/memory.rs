//! An engine of records in memory, for tests alone: that it is small, and holds to the contract, shows that the seam is
//! cut at the meaning. What S3 and IAM mean is decided in `object`, `multipart`, `listing`, `bucket` and `identity`.

mod buckets;
mod identities;
mod objects;
mod uploads;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use iam::AccountId;
use jiff::Timestamp;

use super::{
    IdleUpload, JOB_ROWS_MAX, Metadata, MetadataCounters, NewObject, NewPart, Space, lock,
};
use crate::body::{Blob, BlobId};
use crate::bucket::BucketSettings;
use crate::identity::{
    DirectoryChanges, DirectoryParts, IdentityChange, KeyChange, ROLE_USE_PREFIX, role_use,
};
use crate::multipart::StoredPart;
use crate::{
    AccessKey, Account, AccountPage, Bucket, BucketName, BucketPage, BucketRef, BucketSetting,
    Change, ChangeSubject, CompleteOutcome, CompleteUpload, CreateAccount, CreateBucket,
    DeleteAccount, DeleteBucket, DeleteMarker, DeleteObject, DeleteOutcome, Directory,
    DirectoryEdit, ETag, EntityKind, IdentityError, KeyOwner, KeySummary, KeyUse, ListBuckets,
    ListObjects, ListUploads, ListVersions, Lookup, NewBucket, NewUpload, Object, ObjectKey,
    ObjectPage, PartNumber, PartPage, PutOutcome, PutPart, RenewRootKey, SetBucket, SetTags,
    Signer, StoreError, TagsChanged, Upload, UploadId, UploadPage, VersionId, VersionPage,
    Versioning,
};

/// Records in memory. Each call has all of them to itself.
#[derive(Debug, Default)]
pub(crate) struct MemoryMetadata(Mutex<Records>);

/// A version of a key: the newest first, as listings want them.
type VersionPlace = (i64, Vec<u8>, Reverse<u64>);
type UploadPlace = (i64, Vec<u8>, UploadId);

#[derive(Debug, Default)]
struct Records {
    is_closed: bool,
    jobs: u64,
    buckets: BTreeMap<BucketName, Arc<Bucket>>,
    bucket_ids: i64,
    versions: BTreeMap<VersionPlace, Version>,
    deleted: HashMap<(i64, Vec<u8>), Timestamp>,
    uploads: BTreeMap<UploadPlace, Arc<Upload>>,
    parts: BTreeMap<(UploadId, PartNumber), StoredPart>,
    completed: BTreeMap<UploadPlace, (Timestamp, VersionId, ETag)>,
    accounts: BTreeMap<AccountId, Account>,
    directories: HashMap<AccountId, Arc<Directory>>,
    keys: BTreeMap<String, Arc<AccessKey>>,
    uses: HashMap<String, KeyUse>,
    intents: BTreeMap<BlobId, Timestamp>,
    garbage: BTreeMap<BlobId, Timestamp>,
    changes: Vec<Change>,
    change_numbers: u64,
}

#[derive(Clone, Debug)]
enum Version {
    Object(Arc<Object>),
    Marker(VersionId, Timestamp),
}

impl MemoryMetadata {
    fn read<T>(&self, read: impl FnOnce(&Records) -> T) -> Result<T, StoreError> {
        let records = lock(&self.0);
        if records.is_closed { Err(StoreError::Closed) } else { Ok(read(&records)) }
    }

    fn write<T>(&self, write: impl FnOnce(&mut Records) -> T) -> Result<T, StoreError> {
        let mut records = lock(&self.0);
        if records.is_closed {
            return Err(StoreError::Closed);
        }
        records.jobs += 1;
        Ok(write(&mut records))
    }
}

impl Records {
    /// That bucket and no other.
    fn same(&self, bucket: &BucketRef) -> Option<Arc<Bucket>> {
        self.buckets.get(&bucket.name).filter(|found| found.id == bucket.id).cloned()
    }

    fn changed(&mut self, subject: ChangeSubject) {
        self.changes.retain(|change| change.subject != subject);
        self.change_numbers += 1;
        self.changes.push(Change { number: self.change_numbers, subject });
    }

    fn take_intent(&mut self, blob: BlobId) -> Result<(), StoreError> {
        self.intents.remove(&blob).map(drop).ok_or(StoreError::StageExpired)
    }

    fn add_garbage(&mut self, blobs: &[Blob], now: Timestamp) {
        self.garbage.extend(blobs.iter().map(|blob| (blob.id, now)));
    }

    fn reap_intents(&mut self, before: Timestamp, now: Timestamp) -> usize {
        let old = self.intents.iter().filter(|(_, since)| **since < before);
        let old: Vec<_> = old.map(|(blob, _)| *blob).take(JOB_ROWS_MAX).collect();
        for blob in &old {
            self.intents.remove(blob);
            self.garbage.insert(*blob, now);
        }
        old.len()
    }

    fn garbage(&self, before: Timestamp, limit: usize) -> Vec<BlobId> {
        let mut old: Vec<_> = self.garbage.iter().filter(|(_, since)| **since < before).collect();
        old.sort_by_key(|(_, since)| **since);
        old.into_iter().map(|(blob, _)| *blob).take(limit).collect()
    }
}

/// Some of what is there, and whether there is more.
fn page<T>(all: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    let mut some: Vec<T> = all.take(limit.saturating_add(1)).collect();
    let more = some.len() > limit;
    some.truncate(limit);
    (some, more)
}

impl Metadata for MemoryMetadata {
    async fn access_key(&self, id: &str) -> Result<Option<Arc<AccessKey>>, StoreError> {
        self.read(|records| records.keys.get(id).cloned())
    }

    async fn put_access_key(&self, key: AccessKey) -> Result<(), StoreError> {
        self.write(|records| records.put_key(key))
    }

    async fn access_keys(&self, account: &AccountId) -> Result<Vec<Arc<AccessKey>>, StoreError> {
        self.read(|records| {
            records.keys.values().filter(|key| key.account == *account).cloned().collect()
        })
    }

    async fn note_key_uses(&self, uses: Vec<(String, KeyUse)>) -> Result<(), StoreError> {
        self.write(|records| records.note_uses(uses))
    }

    async fn key_last_used(&self, id: &str) -> Result<Option<KeyUse>, StoreError> {
        self.read(|records| records.uses.get(id).cloned())
    }

    async fn signer(
        &self,
        account: &AccountId,
        id: &str,
    ) -> Result<Option<Arc<Signer>>, StoreError> {
        self.read(|records| records.signer(account, id))
    }

    async fn directory(&self, account: &AccountId) -> Result<Arc<Directory>, StoreError> {
        self.read(|records| records.directory(account))
    }

    async fn change_identities(
        &self,
        account: &AccountId,
        change: IdentityChange,
        now: Timestamp,
    ) -> Result<Result<(), IdentityError>, StoreError> {
        self.write(|records| records.change_identities(account, &change, now))
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.read(|records| records.accounts.get(id).cloned())
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<AccountPage, StoreError> {
        self.read(|records| {
            let later = records.accounts.values();
            let later =
                later.filter(|account| after.as_ref().is_none_or(|after| account.id > *after));
            let (accounts, more) = page(later.cloned(), limit.min(1000));
            let next = accounts.last().filter(|_| more).map(|account| account.id.clone());
            AccountPage { accounts, next }
        })
    }

    async fn create_account(
        &self,
        account: Account,
        root: AccessKey,
    ) -> Result<CreateAccount, StoreError> {
        self.write(|records| records.create_account(account, root))
    }

    async fn delete_account(&self, id: &AccountId) -> Result<DeleteAccount, StoreError> {
        self.write(|records| records.delete_account(id))
    }

    async fn renew_root_key(&self, root: AccessKey) -> Result<RenewRootKey, StoreError> {
        self.write(|records| records.renew_root_key(root))
    }

    async fn create_bucket(
        &self,
        bucket: NewBucket,
        now: Timestamp,
    ) -> Result<CreateBucket, StoreError> {
        self.write(|records| records.create_bucket(bucket, now))
    }

    async fn bucket(&self, name: &BucketName) -> Result<Option<Arc<Bucket>>, StoreError> {
        self.read(|records| records.buckets.get(name).cloned())
    }

    async fn delete_bucket(
        &self,
        bucket: &BucketRef,
        now: Timestamp,
    ) -> Result<DeleteBucket, StoreError> {
        self.write(|records| records.delete_bucket(bucket, now))
    }

    async fn buckets(
        &self,
        owner: &AccountId,
        query: ListBuckets,
    ) -> Result<BucketPage, StoreError> {
        self.read(|records| records.buckets_of(owner, &query))
    }

    async fn set_versioning(
        &self,
        bucket: &BucketRef,
        versioning: Versioning,
    ) -> Result<bool, StoreError> {
        self.write(|records| {
            let Some(bucket) = records.same(bucket) else { return false };
            let versioning = bucket.versioning.set_to(versioning);
            records.set_bucket(Bucket { versioning, ..Bucket::clone(&bucket) });
            true
        })
    }

    async fn set_bucket(
        &self,
        bucket: &BucketRef,
        setting: BucketSetting,
    ) -> Result<SetBucket, StoreError> {
        self.write(|records| records.set(bucket, setting))
    }

    async fn changes_since(&self, n: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.read(|records| {
            records.changes.iter().filter(|change| change.number > n).take(limit).cloned().collect()
        })
    }

    async fn object(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Lookup, StoreError> {
        self.read(|records| records.object(bucket, key, version))
    }

    async fn put_object(
        &self,
        object: NewObject,
        now: Timestamp,
    ) -> Result<PutOutcome, StoreError> {
        self.write(|records| records.put_object(object, now))?
    }

    async fn delete_object(
        &self,
        delete: DeleteObject,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        self.write(|records| records.delete_object(&delete, now))?
    }

    async fn set_object_tags(
        &self,
        set: SetTags,
    ) -> Result<Result<Lookup, TagsChanged>, StoreError> {
        self.write(|records| records.set_tags(set))
    }

    async fn list_objects(
        &self,
        bucket: &BucketRef,
        query: ListObjects,
    ) -> Result<Option<ObjectPage>, StoreError> {
        self.read(|records| records.list_objects(bucket, &query))?
    }

    async fn list_versions(
        &self,
        bucket: &BucketRef,
        query: ListVersions,
    ) -> Result<Option<VersionPage>, StoreError> {
        self.read(|records| records.list_versions(bucket, &query))?
    }

    async fn create_upload(
        &self,
        upload: NewUpload,
        now: Timestamp,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.write(|records| records.create_upload(upload, now))?
    }

    async fn upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<Option<Arc<Upload>>, StoreError> {
        self.read(|records| records.upload(bucket, key, id))
    }

    async fn put_part(&self, part: NewPart, now: Timestamp) -> Result<PutPart, StoreError> {
        self.write(|records| records.put_part(part, now))?
    }

    async fn parts(
        &self,
        upload: UploadId,
        after: Option<PartNumber>,
        limit: usize,
    ) -> Result<PartPage, StoreError> {
        self.read(|records| records.part_page(upload, after, limit))
    }

    async fn uploads(
        &self,
        bucket: &BucketRef,
        query: ListUploads,
    ) -> Result<Option<UploadPage>, StoreError> {
        self.read(|records| records.list_uploads(bucket, &query))?
    }

    async fn complete_upload(
        &self,
        complete: CompleteUpload,
        now: Timestamp,
    ) -> Result<CompleteOutcome, StoreError> {
        self.write(|records| records.complete(&complete, now))?
    }

    async fn abort_upload(
        &self,
        bucket: &BucketRef,
        key: &ObjectKey,
        id: UploadId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|records| records.abort(&(bucket.id, key.as_bytes().to_vec(), id), now))
    }

    async fn idle_uploads(
        &self,
        idle_since: Timestamp,
        limit: usize,
    ) -> Result<Vec<IdleUpload>, StoreError> {
        self.read(|records| records.idle_uploads(idle_since).take(limit).collect())
    }

    async fn abort_idle_upload(
        &self,
        idle: IdleUpload,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|records| {
            let is_idle = records.idle_uploads(idle.idle_since).any(|other| other == idle);
            let IdleUpload { bucket, key, id, .. } = idle;
            is_idle && records.abort(&(bucket.id, key.as_bytes().to_vec(), id), now)
        })
    }

    async fn record_intent(&self, blob: BlobId, now: Timestamp) -> Result<(), StoreError> {
        self.write(|records| records.intents.extend([(blob, now)]))
    }

    async fn forget_intents(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.write(|records| records.intents.retain(|blob, _| !blobs.contains(blob)))
    }

    async fn reap_intents(&self, before: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|records| records.reap_intents(before, now))
    }

    async fn garbage(&self, before: Timestamp, limit: usize) -> Result<Vec<BlobId>, StoreError> {
        self.read(|records| records.garbage(before, limit))
    }

    async fn forget_garbage(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.write(|records| records.garbage.retain(|blob, _| !blobs.contains(blob)))
    }

    async fn maintain(&self, completed_before: Timestamp, _space: Space) -> Result<(), StoreError> {
        let forget = |records: &mut Records| {
            let under_way = records.uploads.keys().map(|(bucket, key, _)| (*bucket, key.clone()));
            let under_way: HashSet<_> = under_way.collect();
            records.deleted.retain(|key, at| *at >= completed_before || under_way.contains(key));
            records.forget_completed(|_, at| at < completed_before)
        };
        while !self.write(forget)? {}
        Ok(())
    }

    async fn close(&self) -> Result<(), StoreError> {
        lock(&self.0).is_closed = true;
        Ok(())
    }

    fn counters(&self) -> MetadataCounters {
        MetadataCounters { jobs: lock(&self.0).jobs, ..MetadataCounters::default() }
    }
}
