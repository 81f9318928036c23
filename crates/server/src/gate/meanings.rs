//! What the names in a request mean: for all of it what they meant first.
//!
//! A bucket's name may come to mean another bucket while a request is under way, and a key another
//! record. So each is looked up through here. A bucket is bound by its id, which is never given twice, as
//! soon as it is judged, and if its name means another one later there is no such bucket. A record is
//! looked up once, so what was judged by its tags is what is served.

use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{Bucket, BucketRef, Lookup, ObjectKey, VersionId};

/// What the names in one request mean, as far as they were looked up.
#[derive(Debug, Default)]
pub(super) struct Meanings {
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
}

/// Which record is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    pub(super) bucket: &'p BucketRef,
    pub(super) key: &'p ObjectKey,
    pub(super) version: Option<&'p VersionId>,
}

impl Meanings {
    /// Those of a further call of the same request: its buckets are the same, its records are looked up
    /// by itself.
    pub(super) fn of_buckets(&self) -> Self {
        Self { buckets: Mutex::new(lock(&self.buckets).clone()), records: Mutex::default() }
    }

    /// Binds the name to this bucket; `false`: it means another one already.
    pub(super) fn bind(&self, bucket: &Bucket) -> bool {
        let found = bucket.reference();
        let mut buckets = lock(&self.buckets);
        match buckets.iter().find(|bound| bound.name() == found.name()) {
            Some(bound) => *bound == found,
            None => {
                buckets.push(found);
                true
            }
        }
    }

    /// What was found there, if anybody looked.
    pub(super) fn record(&self, place: Place<'_>) -> Option<Lookup> {
        let records = lock(&self.records);
        find(&records, place).map(|record| record.found.clone())
    }

    /// Notes what was found there, unless somebody looked before; answers what counts.
    pub(super) fn note(&self, place: Place<'_>, found: Lookup) -> Lookup {
        let mut records = lock(&self.records);
        if let Some(record) = find(&records, place) {
            return record.found.clone();
        }
        let Place { bucket, key, version } = place;
        let (bucket, key, version) = (bucket.clone(), key.clone(), version.copied());
        records.push(Record { bucket, key, version, found: found.clone() });
        found
    }
}

fn find<'r>(records: &'r [Record], place: Place<'_>) -> Option<&'r Record> {
    let Place { bucket, key, version } = place;
    records.iter().find(|record| {
        record.key == *key && record.version.as_ref() == version && record.bucket == *bucket
    })
}

/// Locks, also after a panic of another holder: every critical section here leaves a whole state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
