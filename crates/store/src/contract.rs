//! What every engine must hold to, run against each. A new engine adds a line in `every_engine`, which makes an empty
//! one.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use iam::{AccountId, MasterKey};
use jiff::{SignedDuration, Timestamp};
use presign::SecretAccessKey;

use crate::backend::embedded::health::Health;
use crate::backend::memory::MemoryMetadata;
use crate::backend::metadata::Metadata;
use crate::backend::metadata::buckets::BucketRecords as _;
use crate::backend::metadata::distributions::DistributionRecords as _;
use crate::backend::metadata::garbage::GarbageRecords as _;
use crate::backend::metadata::identities::IdentityRecords as _;
use crate::backend::metadata::managed_links::ManagedLinkRecords as _;
use crate::backend::metadata::notices::NoticeRecords as _;
use crate::backend::metadata::objects::{NewBody, NewObject, ObjectRecords as _};
use crate::backend::metadata::request_files::RequestFileRecords as _;
use crate::backend::metadata::revocations::RevocationRecords as _;
use crate::backend::metadata::uploads::{IdleUpload, NewPart, UploadRecords as _};
use crate::backend::metadata::uses::UseRecords as _;
use crate::backend::sqlite::SqliteMetadata;
use crate::backend::{Abandoned, Space, StagedFile, Unpublished};
use crate::body::{Blob, BlobId};
use crate::engines::MetadataEngine;
use crate::vault::Vault;
use crate::*;

mod batches;
mod blobs;
mod buckets;
mod changes;
mod distributions;
mod garbage;
mod identities;
mod managed_links;
mod notices;
mod objects;
mod replaced;
mod request_files;
mod revocations;
pub(crate) mod uploads;
mod uses;

/// Runs a rule of records against every engine, each time an empty one.
fn every_engine<F: Future<Output = ()>>(rule: impl Fn(Arc<MetadataEngine>) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let engines = [
        MetadataEngine::Memory(MemoryMetadata::default()),
        MetadataEngine::Sqlite(sqlite(dir.path())),
    ];
    let runtime = runtime();
    for engine in engines {
        runtime.block_on(rule(Arc::new(engine)));
    }
}

fn sqlite(dir: &Path) -> SqliteMetadata {
    let vault = Arc::new(Vault::new(&MasterKey::from_bytes([1; 32])));
    let health = Arc::new(Health::new(dir.to_owned()));
    SqliteMetadata::open(dir, vault, 1024 * 1024, health, Arc::new(())).unwrap()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

/// A time some seconds into the tests.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn bucket_name() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

/// The first bucket that is made in an empty store, which [`with_bucket`] and its like make.
pub(crate) fn the_bucket() -> BucketRef {
    BucketRef { name: bucket_name(), id: 1 }
}

/// A bucket that was never made.
fn no_bucket() -> BucketRef {
    BucketRef { name: BucketName::parse("nowhere").unwrap(), id: -1 }
}

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

pub(crate) fn account() -> AccountId {
    AccountId::parse("000000000000").unwrap()
}

pub(crate) fn new_bucket(name: &str) -> NewBucket {
    let (name, region) = (BucketName::parse(name).unwrap(), "us-east-1".to_owned());
    NewBucket { name, owner: account(), region, tags: Vec::new() }
}

/// An object of one byte, so that a test can tell objects apart by their tags.
fn new_object(key_text: &str, content: u8) -> NewObject {
    let plain = Bytes::from(vec![content]);
    let blob = Blob { id: BlobId::from_bytes([content; 16]), size: 1, sealed_key: None };
    NewObject {
        bucket: the_bucket(),
        key: key(key_text),
        attributes: Attributes::default(),
        checksum: None,
        etag: tag(content),
        body: NewBody::Row { blob, stored: plain.to_vec(), plain },
        precondition: Precondition::None,
    }
}

fn tagged(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}

fn tag(content: u8) -> ETag {
    ETag::of_md5([content; 16])
}

fn staged(id: u8, size: u64) -> (StagedFile, Arc<Abandoned>) {
    let abandoned = Arc::new(Abandoned::default());
    let id = BlobId::from_bytes([id; 16]);
    let unpublished = Unpublished::new(id, Arc::clone(&abandoned));
    (StagedFile { blob: Blob { id, size, sealed_key: None }, unpublished }, abandoned)
}

async fn put(engine: &impl Metadata, key_text: &str, content: u8) -> VersionId {
    let object = new_object(key_text, content);
    let outcome = engine.put_object(object, at(content.into())).await.unwrap();
    let PutOutcome::Stored { object, .. } = outcome else { panic!("{outcome:?}") };
    object.version_id
}

async fn with_bucket(engine: &impl Metadata, versioning: Versioning) {
    let made = engine.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
    let CreateBucket::Created(made) = made else { panic!("{made:?}") };
    if versioning != Versioning::Unversioned {
        assert!(engine.set_versioning(&made.reference(), versioning).await.unwrap());
    }
}

/// What is at a key, in short: the first byte of its tag, `-` for a marker, `.` for nothing.
async fn look(engine: &impl Metadata, key_text: &str, version: Option<VersionId>) -> String {
    match engine.object(&the_bucket(), &key(key_text), version).await.unwrap() {
        Lookup::Object(object) => object.etag.md5()[0].to_string(),
        Lookup::DeleteMarker(marker) if marker.is_current => "- current".to_owned(),
        Lookup::DeleteMarker(_) => "-".to_owned(),
        Lookup::NoSuchKey => "no key".to_owned(),
        Lookup::NoSuchVersion => "no version".to_owned(),
        Lookup::NoSuchBucket => "no bucket".to_owned(),
    }
}

#[test]
fn a_job_that_fails_takes_nothing_with_it() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let jobs = (0..64_u8).map(|n| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                let body = match n % 2 {
                    0 => new_object("k", n).body,
                    // There is no intent, so that this one fails in the middle of its work.
                    _ => NewBody::File(staged(n, 20_000).0),
                };
                let object = NewObject { body, ..new_object(&format!("k{n:02}"), n) };
                engine.put_object(object, at(1)).await.is_ok()
            })
        });
        for (n, job) in jobs.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), n % 2 == 0);
            let expected = if n % 2 == 0 { n.to_string() } else { "no key".to_owned() };
            assert_eq!(look(&*engine, &format!("k{n:02}"), None).await, expected);
        }
    });
}

#[test]
fn refuses_everything_once_closed() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        engine.close().await.unwrap();
        let refused = engine.put_object(new_object("key", 1), at(1)).await;
        assert!(matches!(refused, Err(StoreError::Closed)));
        let refused = engine.object(&the_bucket(), &key("key"), None).await;
        assert!(matches!(refused, Err(StoreError::Closed)));
    });
}

#[test]
fn files_are_put_in_order_and_records_stay() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        for (space, content) in [(Space::Enough, 1), (Space::Short, 2), (Space::Enough, 3)] {
            put(&*engine, "key", content).await;
            engine.maintain(space).await.unwrap();
            assert_eq!(look(&*engine, "key", None).await, content.to_string());
        }
        engine.close().await.unwrap();
        assert!(matches!(engine.maintain(Space::Enough).await, Err(StoreError::Closed)));
    });
}

/// A long time, for what must be over by then.
fn much_later() -> Timestamp {
    at(0) + SignedDuration::from_hours(1000)
}

/// Each time many hours more, so that every run of maintenance trusts the time it is told.
pub(crate) fn uptime() -> std::time::Duration {
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let runs = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::time::Duration::from_hours(10_000 * runs)
}
