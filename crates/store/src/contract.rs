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
use crate::backend::metadata::garbage::GarbageRecords as _;
use crate::backend::metadata::identities::IdentityRecords as _;
use crate::backend::metadata::objects::{NewBody, NewObject, ObjectRecords as _};
use crate::backend::metadata::uploads::{IdleUpload, NewPart, UploadRecords as _};
use crate::backend::sqlite::SqliteMetadata;
use crate::backend::{Abandoned, Space, StagedFile, Unpublished};
use crate::body::{Blob, BlobId};
use crate::engines::MetadataEngine;
use crate::vault::Vault;
use crate::*;

mod accounts;
mod batches;
mod blobs;
mod conditions;
mod identities;
mod listings;
pub(crate) mod multipart;
mod objects;
mod replaced;
mod signers;
mod tags;

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

/// One that never was.
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
fn buckets_are_made_once_set_and_removed_when_empty() {
    every_engine(|engine| async move {
        let (name, here) = (bucket_name(), the_bucket());
        assert_eq!(engine.bucket(&name).await.unwrap(), None);
        assert!(!engine.set_versioning(&here, Versioning::Enabled).await.unwrap());
        let made = engine.create_bucket(new_bucket("bucket"), at(1)).await.unwrap();
        let CreateBucket::Created(made) = made else { panic!("{made:?}") };
        assert_eq!((made.versioning, made.created_at), (Versioning::Unversioned, at(1)));
        let again = engine.create_bucket(new_bucket("bucket"), at(2)).await.unwrap();
        let CreateBucket::AlreadyExists(again) = again else { panic!("{again:?}") };
        assert_eq!((&again, engine.bucket(&name).await.unwrap()), (&made, Some(made.clone())));

        let settings = [
            (Versioning::Unversioned, Versioning::Unversioned),
            (Versioning::Enabled, Versioning::Enabled),
            (Versioning::Suspended, Versioning::Suspended),
            (Versioning::Unversioned, Versioning::Suspended),
        ];
        for (set, expected) in settings {
            assert!(engine.set_versioning(&here, set).await.unwrap());
            assert_eq!(engine.bucket(&name).await.unwrap().unwrap().versioning, expected);
        }

        put(&*engine, "key", 1).await;
        assert_eq!(engine.delete_bucket(&here, at(3)).await.unwrap(), DeleteBucket::NotEmpty);
        engine
            .delete_object(DeleteObject::of(&here, &key("key"), Some(&VersionId::Null)), at(4))
            .await
            .unwrap();
        assert_eq!(engine.delete_bucket(&here, at(5)).await.unwrap(), DeleteBucket::Deleted);
        assert_eq!(engine.delete_bucket(&here, at(6)).await.unwrap(), DeleteBucket::NotFound);
        assert_eq!(engine.bucket(&name).await.unwrap(), None);
        assert_eq!(look(&*engine, "key", None).await, "no bucket");
    });
}

#[test]
fn a_bucket_made_anew_shows_nothing_of_the_old_one() {
    every_engine(|engine| async move {
        let here = the_bucket();
        with_bucket(&*engine, Versioning::Unversioned).await;
        put(&*engine, "key", 1).await;
        assert_eq!(look(&*engine, "key", None).await, "1");
        engine.delete_object(DeleteObject::of(&here, &key("key"), None), at(1)).await.unwrap();
        engine.delete_bucket(&here, at(2)).await.unwrap();
        let made = engine.create_bucket(new_bucket("bucket"), at(3)).await.unwrap();
        let CreateBucket::Created(made) = made else { panic!("{made:?}") };
        let found = engine.object(&made.reference(), &key("key"), None).await.unwrap();
        assert!(matches!(found, Lookup::NoSuchKey), "{found:?}");
    });
}

#[test]
fn buckets_are_listed_by_name_and_owner() {
    every_engine(|engine| async move {
        for name in ["bbb", "aaa", "aab", "abb"] {
            engine.create_bucket(new_bucket(name), at(0)).await.unwrap();
        }
        let other = AccountId::parse("111111111111").unwrap();
        engine.create_bucket(NewBucket { owner: other, ..new_bucket("aac") }, at(0)).await.unwrap();
        let rows = [
            (None, None, 9, "aaa aab abb bbb", None),
            (None, None, 2, "aaa aab", Some("aab")),
            (None, Some("aab"), 2, "abb bbb", None),
            (Some("aa"), None, 9, "aaa aab", None),
            (Some("aa"), Some("aaa"), 1, "aab", None),
            (Some("b"), Some("zzz"), 1, "", None),
        ];
        for (prefix, after, limit, expected, next) in rows {
            let query = ListBuckets {
                prefix: prefix.map(str::to_owned),
                after: after.map(|name| BucketName::parse(name).unwrap()),
                limit,
            };
            let page = engine.buckets(&account(), query).await.unwrap();
            let names = page.buckets.iter().map(|bucket| bucket.name.as_str()).collect::<Vec<_>>();
            assert_eq!(names.join(" "), expected);
            assert_eq!(page.next.as_ref().map(BucketName::as_str), next);
        }
    });
}

#[test]
fn access_keys_keep_their_secret() {
    every_engine(|engine| async move {
        let make = |id: &str, secret: &str| AccessKey {
            id: id.to_owned(),
            secret: SecretAccessKey::new(secret),
            account: account(),
            owner: KeyOwner::Root,
            status: KeyStatus::Active,
            created_at: at(1),
        };
        assert!(engine.access_key("AKID").await.unwrap().is_none());
        engine.put_access_key(make("AKID", "first")).await.unwrap();
        engine.put_access_key(make("AKIC", "other")).await.unwrap();
        assert_eq!(engine.access_key("AKID").await.unwrap().unwrap().secret.expose(), "first");
        engine.put_access_key(make("AKID", "second")).await.unwrap();
        let key = engine.access_key("AKID").await.unwrap().unwrap();
        assert_eq!((key.secret.expose(), key.created_at), ("second", at(1)));
        let all = engine.access_keys(&account()).await.unwrap();
        let all = all.iter().map(|key| (key.id.as_str(), key.secret.expose())).collect::<Vec<_>>();
        assert_eq!(all, [("AKIC", "other"), ("AKID", "second")]);
        let other = AccountId::parse("111111111111").unwrap();
        assert!(engine.access_keys(&other).await.unwrap().is_empty());
    });
}

#[test]
fn changes_are_numbered_and_only_the_latest_of_each_subject_is_kept() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Enabled).await;
        let first = engine.changes_since(0, 10).await.unwrap();
        let bucket = ChangeSubject::Bucket(bucket_name());
        assert_eq!(first.iter().map(|change| &change.subject).collect::<Vec<_>>(), [&bucket]);
        let seen = first[0].number;
        assert!(engine.changes_since(seen, 10).await.unwrap().is_empty());
        put(&*engine, "an object is no setting", 1).await;
        assert!(engine.changes_since(seen, 10).await.unwrap().is_empty());

        let key = AccessKey {
            id: "AKID".to_owned(),
            secret: SecretAccessKey::new("secret"),
            account: account(),
            owner: KeyOwner::Root,
            status: KeyStatus::Active,
            created_at: at(1),
        };
        engine.put_access_key(key).await.unwrap();
        engine.create_bucket(new_bucket("other"), at(2)).await.unwrap();
        let name = BucketName::parse("other").unwrap();
        let other = engine.bucket(&name).await.unwrap().unwrap().reference();
        engine.delete_bucket(&other, at(3)).await.unwrap();
        let changes = engine.changes_since(seen, 10).await.unwrap();
        let subjects = changes.iter().map(|change| change.subject.clone()).collect::<Vec<_>>();
        let expected = [ChangeSubject::AccessKey("AKID".to_owned()), ChangeSubject::Bucket(name)];
        assert_eq!(subjects, expected);
        assert!(seen < changes[0].number && changes[0].number < changes[1].number);
        assert_eq!(engine.changes_since(seen, 1).await.unwrap(), changes[..1]);
    });
}

/// Whoever asks for what comes after the last change that it has seen must miss none.
#[test]
fn no_change_comes_to_be_seen_behind_one_that_was_seen() {
    every_engine(|engine| async move {
        let writers = (0..8).map(|writer| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                for n in 0..25 {
                    let new = new_bucket(&format!("bucket-{writer}-{n}"));
                    engine.create_bucket(new, at(1)).await.unwrap();
                }
            })
        });
        let writers = writers.collect::<Vec<_>>();
        let mut seen = Vec::<u64>::new();
        while seen.len() < 200 {
            let now = engine.changes_since(0, 1000).await.unwrap();
            let now = now.iter().map(|change| change.number).collect::<Vec<_>>();
            assert_eq!(now[..seen.len()], seen);
            seen = now;
            tokio::task::yield_now().await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

#[test]
fn a_record_takes_the_intent_of_its_blob_or_is_refused() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let put_file = async |id: u8| {
            let (file, abandoned) = staged(id, 20_000);
            let object = NewObject { body: NewBody::File(file), ..new_object("key", id) };
            (engine.put_object(object, at(1)).await, abandoned.take().len())
        };
        let (refused, abandoned) = put_file(1).await;
        assert!(matches!(refused, Err(StoreError::StageExpired)) && abandoned == 1);
        assert_eq!(look(&*engine, "key", None).await, "no key");

        engine.record_intent(BlobId::from_bytes([2; 16]), at(1)).await.unwrap();
        let (stored, abandoned) = put_file(2).await;
        assert!(matches!(stored, Ok(PutOutcome::Stored { .. })) && abandoned == 0);
        let (again, _) = put_file(2).await;
        assert!(matches!(again, Err(StoreError::StageExpired)));

        engine.record_intent(BlobId::from_bytes([3; 16]), at(1)).await.unwrap();
        assert_eq!(engine.reap_intents(at(1), at(9)).await.unwrap(), 0);
        assert_eq!(engine.reap_intents(at(2), at(9)).await.unwrap(), 1);
        let (reaped, _) = put_file(3).await;
        assert!(matches!(reaped, Err(StoreError::StageExpired)));
        let garbage = engine.garbage(at(10), 10).await.unwrap();
        assert_eq!(garbage, [BlobId::from_bytes([3; 16])]);

        engine.record_intent(BlobId::from_bytes([4; 16]), at(1)).await.unwrap();
        engine.forget_intents(vec![BlobId::from_bytes([4; 16])]).await.unwrap();
        assert!(matches!(put_file(4).await.0, Err(StoreError::StageExpired)));
        assert_eq!(look(&*engine, "key", None).await, "2");
    });
}

#[test]
fn blobs_of_replaced_and_deleted_objects_become_garbage() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let put_file = async |id: u8, now: i64| {
            let blob = BlobId::from_bytes([id; 16]);
            engine.record_intent(blob, at(now)).await.unwrap();
            let object =
                NewObject { body: NewBody::File(staged(id, 20_000).0), ..new_object("k", id) };
            engine.put_object(object, at(now)).await.unwrap();
            blob
        };
        let garbage = async |before: i64| engine.garbage(at(before), 10).await.unwrap();
        let one = put_file(1, 1).await;
        assert!(garbage(100).await.is_empty());
        let two = put_file(2, 5).await;
        assert!(garbage(5).await.is_empty());
        assert_eq!(garbage(6).await, [one]);
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(7))
            .await
            .unwrap();
        assert_eq!(garbage(8).await, [one, two]);
        assert_eq!(engine.garbage(at(8), 1).await.unwrap(), [one]);
        engine.forget_garbage(vec![one]).await.unwrap();
        assert_eq!(garbage(8).await, [two]);

        engine.set_versioning(&the_bucket(), Versioning::Enabled).await.unwrap();
        put_file(3, 9).await;
        put_file(4, 9).await;
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(9))
            .await
            .unwrap();
        assert_eq!(garbage(100).await, [two]);
    });
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
