//! An engine of records in memory, for tests alone: that it is small, and holds to the contract, shows that the seam is
//! cut at the meaning. What S3 and IAM mean is decided in `object`, `multipart`, `listing`, `bucket` and `identity`.

mod buckets;
mod distributions;
mod garbage;
mod identities;
mod managed_links;
mod notices;
mod objects;
mod request_files;
mod revocations;
mod uploads;
mod uses;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use iam::AccountId;
use jiff::Timestamp;
use presign::Fingerprint;

use super::Space;
use super::metadata::{Metadata, MetadataCounters};
use crate::body::BlobId;
use crate::listing::Step;
use crate::lock::lock;
use crate::multipart::StoredPart;
use crate::{
    AccessKey, Account, Bucket, BucketName, BucketRef, Change, ChangeSubject, Directory,
    DistributionResource, ETag, KeyUse, LinkUses, ManagedLink, ManagedLinkId, Notice, NoticeEvent,
    NoticeId, Object, PartNumber, RequestFile, Revocation, StoreError, Upload, UploadId, VersionId,
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
    revocations: BTreeMap<u64, Revocation>,
    revocation_numbers: u64,
    link_uses: HashMap<Fingerprint, (LinkUses, Timestamp)>,
    managed_links: HashMap<Fingerprint, Arc<ManagedLink>>,
    passphrase_tries: HashMap<Fingerprint, Vec<Timestamp>>,
    request_files: HashMap<(Fingerprint, ManagedLinkId), RequestFile>,
    /// Those of the files that are done which were told of.
    told_files: HashSet<(Fingerprint, ManagedLinkId)>,
    /// Each with the time when it is forgotten.
    notices: BTreeMap<NoticeId, (Notice, Timestamp)>,
    notices_told: HashMap<(Fingerprint, NoticeEvent), Timestamp>,
    distributions: BTreeMap<String, Arc<DistributionResource>>,
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
    /// The bucket of that id; none where another has its name by now.
    fn same(&self, bucket: &BucketRef) -> Option<Arc<Bucket>> {
        self.buckets.get(&bucket.name).filter(|found| found.id == bucket.id).cloned()
    }

    fn changed(&mut self, subject: ChangeSubject) {
        self.changes.retain(|change| change.subject != subject);
        self.change_numbers += 1;
        self.changes.push(Change { number: self.change_numbers, subject });
    }
}

/// Shows a page of a listing each row from a place on, goes on where the page seeks, and stops where it ends.
fn show_rows<P, R: Iterator>(
    mut from: P,
    rows: impl Fn(P) -> R,
    mut see: impl FnMut(R::Item) -> Result<Step<P>, StoreError>,
) -> Result<(), StoreError> {
    'seek: loop {
        for row in rows(from) {
            match see(row)? {
                Step::Next => (),
                Step::Seek(to) => {
                    from = to;
                    continue 'seek;
                }
                Step::End => break,
            }
        }
        return Ok(());
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
    async fn changes_since(&self, n: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.read(|records| {
            records.changes.iter().filter(|change| change.number > n).take(limit).cloned().collect()
        })
    }

    async fn maintain(&self, _space: Space) -> Result<(), StoreError> {
        self.read(|_| ())
    }

    async fn close(&self) -> Result<(), StoreError> {
        lock(&self.0).is_closed = true;
        Ok(())
    }

    fn counters(&self) -> MetadataCounters {
        MetadataCounters { jobs: lock(&self.0).jobs, ..MetadataCounters::default() }
    }
}
