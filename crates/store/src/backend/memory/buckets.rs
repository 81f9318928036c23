//! Buckets in memory.

use super::*;

impl Records {
    pub(super) fn set_bucket(&mut self, bucket: Bucket) -> Arc<Bucket> {
        let bucket = Arc::new(bucket);
        self.buckets.insert(bucket.name.clone(), Arc::clone(&bucket));
        self.changed(ChangeSubject::Bucket(bucket.name.clone()));
        bucket
    }

    pub(super) fn create_bucket(&mut self, new: NewBucket, now: Timestamp) -> CreateBucket {
        if let Some(bucket) = self.buckets.get(&new.name) {
            return CreateBucket::AlreadyExists(Arc::clone(bucket));
        }
        self.bucket_ids += 1;
        let BucketSettings { policy, public_access_block, ownership, tags: _, cors, encryption } =
            BucketSettings::default();
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
            id: self.bucket_ids,
        }))
    }

    pub(super) fn delete_bucket(&mut self, bucket: &BucketRef, now: Timestamp) -> DeleteBucket {
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

    /// Some of those that fit; `true`: there are no more.
    pub(super) fn forget_completed(
        &mut self,
        fits: impl Fn(&UploadPlace, Timestamp) -> bool,
    ) -> bool {
        let some = self.completed.iter().filter(|(place, (at, ..))| fits(place, *at));
        let some: Vec<_> = some.map(|(place, _)| place.clone()).take(JOB_ROWS_MAX).collect();
        self.completed.retain(|place, _| !some.contains(place));
        some.len() < JOB_ROWS_MAX
    }

    pub(super) fn set(&mut self, bucket: &BucketRef, setting: BucketSetting) -> SetBucket {
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
        }
        self.set_bucket(bucket);
        SetBucket::Set
    }

    pub(super) fn buckets_of(&self, owner: &AccountId, query: &ListBuckets) -> BucketPage {
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
