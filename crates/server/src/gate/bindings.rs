//! Binds the names in a request: throughout the request, a name means what it meant first.
//!
//! While a request is under way, a bucket's name may come to mean another bucket, and a key another record. So
//! every name is looked up through this module. A bucket is bound by its id, which is never given twice, as
//! soon as it is judged. If its name means another bucket later, there is no such bucket for this request. A
//! record is looked up once, so the record whose tags were judged is the one that is served.

use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{Bucket, BucketRef, Lookup, ObjectKey, Tag, VersionId};

/// The names of one request that have been looked up, and what they mean.
#[derive(Debug, Default)]
pub(super) struct NameBindings {
    buckets: Mutex<Vec<BucketRef>>,
    records: Mutex<Vec<Record>>,
}

/// What was found at an address.
#[derive(Debug)]
struct Record {
    bucket: BucketRef,
    key: ObjectKey,
    version: Option<VersionId>,
    found: Lookup,
    /// Whether a policy asked for the tags of the record.
    is_judged: bool,
}

/// The address of an object: bucket, key and version.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectAddress<'p> {
    pub(super) bucket: &'p BucketRef,
    pub(super) key: &'p ObjectKey,
    pub(super) version: Option<&'p VersionId>,
}

impl NameBindings {
    /// The bindings for another operation of the same request. It sees the same buckets, but looks up its own
    /// records.
    pub(super) fn of_buckets(&self) -> Self {
        Self { buckets: Mutex::new(lock(&self.buckets).clone()), records: Mutex::default() }
    }

    /// Binds the bucket's name to this bucket. `false` if the name is bound to another one.
    pub(super) fn bind(&self, bucket: &Bucket) -> bool {
        let found = bucket.reference();
        let mut buckets = lock(&self.buckets);
        if let Some(bound) = buckets.iter().find(|bound| bound.name() == found.name()) {
            return *bound == found;
        }
        buckets.push(found);
        true
    }

    /// What was found at an address; `None` if nobody looked there.
    pub(super) fn record(&self, address: ObjectAddress<'_>) -> Option<Lookup> {
        let mut records = lock(&self.records);
        find(&mut records, address).map(|record| record.found.clone())
    }

    /// Notes what was found at an address, and returns it. If something was found there before, that is
    /// returned instead.
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

    /// Notes that a policy asked for the tags of a record, and returns the tags.
    pub(super) fn judge(&self, address: ObjectAddress<'_>) -> Vec<Tag> {
        let mut records = lock(&self.records);
        find(&mut records, address).map_or_else(Vec::new, |record| {
            record.is_judged = true;
            record.found.tags().to_vec()
        })
    }

    /// The tags of a record, if a policy asked for them. A change of the record depends on them.
    pub(super) fn judged_tags(&self, address: ObjectAddress<'_>) -> Option<Vec<Tag>> {
        let mut records = lock(&self.records);
        let record = find(&mut records, address).filter(|record| record.is_judged)?;
        Some(record.found.tags().to_vec())
    }

    /// Forgets the records, so that they are looked up and judged again.
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

/// Locks a mutex even if a holder panicked: every critical section here leaves a consistent state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
