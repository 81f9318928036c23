//! Buckets in memory.

use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use super::{MemoryMetadata, Records, page};
use crate::backend::metadata::buckets::BucketRecords;
use crate::bucket::BucketSettings;
use crate::{
    Bucket, BucketName, BucketPage, BucketRef, BucketSetting, ChangeSubject, CreateBucket,
    DeleteBucket, ListBuckets, NewBucket, SetBucket, StoreError, Versioning,
};

impl BucketRecords for MemoryMetadata {
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
}

impl Records {
    fn set_bucket(&mut self, bucket: Bucket) -> Arc<Bucket> {
        let bucket = Arc::new(bucket);
        self.buckets.insert(bucket.name.clone(), Arc::clone(&bucket));
        self.changed(ChangeSubject::Bucket(bucket.name.clone()));
        bucket
    }

    fn create_bucket(&mut self, new: NewBucket, now: Timestamp) -> CreateBucket {
        if let Some(bucket) = self.buckets.get(&new.name) {
            return CreateBucket::AlreadyExists(Arc::clone(bucket));
        }
        self.bucket_ids += 1;
        let BucketSettings {
            policy,
            public_access_block,
            ownership,
            tags: _,
            cors,
            encryption,
            website,
        } = BucketSettings::default();
        let NewBucket { name, owner, region, tags } = new;
        CreateBucket::Created(self.set_bucket(Bucket {
            name,
            owner,
            region,
            created_at: crate::object::truncated(now),
            versioning: Versioning::Unversioned,
            policy,
            public_access_block,
            ownership,
            tags,
            cors,
            encryption,
            website,
            id: self.bucket_ids,
        }))
    }

    fn delete_bucket(&mut self, bucket: &BucketRef, now: Timestamp) -> DeleteBucket {
        let Some(bucket) = self.same(bucket) else { return DeleteBucket::NotFound };
        if self.versions.keys().any(|(of, ..)| *of == bucket.id) {
            return DeleteBucket::NotEmpty;
        }
        if !(self.abort_some(bucket.id, now)
            && self.forget_completed(|(of, ..), _| *of == bucket.id))
        {
            return DeleteBucket::Unfinished;
        }
        self.buckets.remove(&bucket.name);
        self.changed(ChangeSubject::Bucket(bucket.name.clone()));
        DeleteBucket::Deleted
    }

    fn set(&mut self, bucket: &BucketRef, setting: BucketSetting) -> SetBucket {
        let Some(bucket) = self.same(bucket) else { return SetBucket::NotFound };
        if bucket.refuses(&setting) {
            return SetBucket::PublicPolicyBlocked;
        }
        let mut bucket = Bucket::clone(&bucket);
        match setting {
            BucketSetting::Policy(policy) => bucket.policy = policy,
            BucketSetting::PublicAccessBlock(block) => bucket.public_access_block = block,
            BucketSetting::Ownership(ownership) => bucket.ownership = ownership,
            BucketSetting::Tags(tags) => bucket.tags = tags,
            BucketSetting::Cors(rules) => bucket.cors = rules.into(),
            BucketSetting::Encryption(encryption) => bucket.encryption = encryption,
            BucketSetting::Website(website) => bucket.website = website,
        }
        self.set_bucket(bucket);
        SetBucket::Set
    }

    fn buckets_of(&self, owner: &AccountId, query: &ListBuckets) -> BucketPage {
        let prefix = query.prefix.as_deref().unwrap_or_default();
        let matching = self.buckets.values().filter(|bucket| {
            bucket.owner == *owner
                && bucket.name.as_str().starts_with(prefix)
                && query.after.as_ref().is_none_or(|after| bucket.name > *after)
        });
        let (buckets, more) = page(matching.cloned(), query.limit);
        let next = buckets.last().filter(|_| more).map(|bucket| bucket.name.clone());
        BucketPage { buckets, next }
    }
}
