//! The facade of buckets and their settings.

use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use crate::backend::metadata::buckets::BucketRecords as _;
use crate::{
    Bucket, BucketName, BucketPage, BucketRef, BucketSetting, CreateBucket, DeleteBucket,
    ListBuckets, NewBucket, SetBucket, Store, StoreError, Versioning,
};

/// How many times one call that removes a bucket aborts uploads of it: whoever begins uploads all the while keeps
/// it so long and no longer.
const DELETE_BUCKET_ROUNDS_MAX: usize = 512;

impl Store {
    /// Makes a bucket, unless somebody has one of its name.
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
}
