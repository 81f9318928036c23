//! The records of buckets, with what their owners set.

use std::future::Future;
use std::sync::Arc;

use iam::AccountId;
use jiff::Timestamp;

use crate::{
    Bucket, BucketName, BucketPage, BucketRef, BucketSetting, CreateBucket, DeleteBucket,
    ListBuckets, NewBucket, SetBucket, StoreError, Versioning,
};

macro_rules! with_bucket_records {
    ($callback:ident) => {
        $callback! {
            /// The records of buckets and their settings.
            trait BucketRecords {
                fn create_bucket(bucket: NewBucket, now: Timestamp) -> CreateBucket;
                fn bucket(name: &BucketName) -> Option<Arc<Bucket>>;
                /// Removes an empty bucket. Of one with many uploads it aborts as many as one transaction may.
                fn delete_bucket(bucket: &BucketRef, now: Timestamp) -> DeleteBucket;
                fn buckets(owner: &AccountId, query: ListBuckets) -> BucketPage;
                /// `false`: there is no such bucket.
                fn set_versioning(bucket: &BucketRef, versioning: Versioning) -> bool;
                /// A policy is judged by the public access block that the bucket has in the same transaction.
                fn set_bucket(bucket: &BucketRef, setting: BucketSetting) -> SetBucket;
            }
        }
    };
}
pub(crate) use with_bucket_records;

with_bucket_records!(declare_records);
