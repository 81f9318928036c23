//! Names that are looked up apart from any operation: for browsers, which ask before anybody is authenticated, and for the
//! server's own account of links.

use std::sync::Arc;

use iam::AccountId;
use store::{Bucket, BucketName, CorsRule, Website};

use super::Gate;
use crate::error::{S3Error, refusal};

impl Gate {
    /// The CORS rules of a bucket; `None` if there is no such bucket. Anybody may ask, because browsers ask
    /// before anybody is authenticated.
    pub(crate) async fn cors(
        &self,
        bucket: &BucketName,
    ) -> Result<Option<Arc<[CorsRule]>>, S3Error> {
        let found = self.store.bucket(bucket).await.map_err(refusal::of_store)?;
        Ok(found.map(|bucket| Arc::clone(&bucket.cors)))
    }

    /// What a bucket answers as a website: `None` if there is no such bucket. Anybody may ask, since everybody sees it.
    pub(crate) async fn website(
        &self,
        bucket: &BucketName,
    ) -> Result<Option<Option<Arc<Website>>>, S3Error> {
        let found = self.store.bucket(bucket).await.map_err(refusal::of_store)?;
        Ok(found.map(|bucket| bucket.website.clone()))
    }

    /// Who owns a bucket; `None`: there is none, or the store does not say.
    pub(crate) async fn bucket_owner(&self, bucket: &BucketName) -> Option<AccountId> {
        let found = self.store.bucket(bucket).await.ok()??;
        Some(found.owner.clone())
    }

    /// The bucket that a name means at this moment.
    pub(super) async fn bucket_named(
        &self,
        bucket: &BucketName,
    ) -> Result<Option<Arc<Bucket>>, S3Error> {
        self.store.bucket(bucket).await.map_err(refusal::of_store)
    }
}
