//! What the names in a request mean: for all of it what they meant first.
//!
//! A bucket's name may come to mean another bucket while a request is under way, and a key another
//! record. So each is looked up through here. A bucket is bound by its id, which is never given twice, as
//! soon as it is judged, and if its name means another one later there is no such bucket. A record is
//! looked up once, so what was judged by its tags is what is served.

use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{Bucket, BucketRef, Lookup, ObjectKey, Tag, VersionId};

/// What the names in one request mean, as far as they were looked up.
#[derive(Debug, Default)]
pub(super) struct NameBindings {
    buckets: Mutex<Vec<BucketRef>>,
    records: Mutex<Vec<Record>>,
}

/// What was found at a key, or of one version of it.
#[derive(Debug)]
struct Record {
    bucket: BucketRef,
    key: ObjectKey,
    version: Option<VersionId>,
    found: Lookup,
    /// Whether a policy asked for its tags.
    is_judged: bool,
}

/// Which record is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectAddress<'p> {
    pub(super) bucket: &'p BucketRef,
    pub(super) key: &'p ObjectKey,
    pub(super) version: Option<&'p VersionId>,
}

impl NameBindings {
    /// Those of a further call of the same request: its buckets are the same, its records are looked up
    /// by itself.
    pub(super) fn of_buckets(&self) -> Self {
        Self { buckets: Mutex::new(lock(&self.buckets).clone()), records: Mutex::default() }
    }

    /// Binds the name to this bucket; `false`: it means another one already.
    pub(super) fn bind(&self, bucket: &Bucket) -> bool {
        let found = bucket.reference();
        let mut buckets = lock(&self.buckets);
        if let Some(bound) = buckets.iter().find(|bound| bound.name() == found.name()) {
            return *bound == found;
        }
        buckets.push(found);
        true
    }

    /// What was found there, if anybody looked.
    pub(super) fn record(&self, address: ObjectAddress<'_>) -> Option<Lookup> {
        let mut records = lock(&self.records);
        find(&mut records, address).map(|record| record.found.clone())
    }

    /// Notes what was found there, unless somebody looked before; answers what counts.
    pub(super) fn note(&self, address: ObjectAddress<'_>, found: Lookup) -> Lookup {
        let mut records = lock(&self.records);
        if let Some(record) = find(&mut records, address) {
            return record.found.clone();
        }
        let ObjectAddress { bucket, key, version } = address;
        let (bucket, key, version) = (bucket.clone(), key.clone(), version.copied());
        records.push(Record { bucket, key, version, found: found.clone(), is_judged: false });
        found
    }

    /// Notes that a policy asks for the tags of what was found there; answers them.
    pub(super) fn judge(&self, address: ObjectAddress<'_>) -> Vec<Tag> {
        let mut records = lock(&self.records);
        find(&mut records, address).map_or_else(Vec::new, |record| {
            record.is_judged = true;
            record.found.tags().to_vec()
        })
    }

    /// The tags that a policy asked for, if one did: what is done to the record counts on them.
    pub(super) fn judged_tags(&self, address: ObjectAddress<'_>) -> Option<Vec<Tag>> {
        let mut records = lock(&self.records);
        let record = find(&mut records, address).filter(|record| record.is_judged)?;
        Some(record.found.tags().to_vec())
    }

    /// Forgets the records, which are to be looked up and judged anew.
    pub(super) fn forget_records(&self) {
        lock(&self.records).clear();
    }
}

fn find<'r>(records: &'r mut [Record], address: ObjectAddress<'_>) -> Option<&'r mut Record> {
    let ObjectAddress { bucket, key, version } = address;
    records.iter_mut().find(|record| {
        record.key == *key && record.version.as_ref() == version && record.bucket == *bucket
    })
}

/// Locks, also after a panic of another holder: every critical section here leaves a whole state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
