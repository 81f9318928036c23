//! Backups of a store that is being written, and what comes back of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use iam::AccountId;
use jiff::{SignedDuration, Timestamp};
use store::{
    Attributes, BackupError, Bucket, BucketName, Copied, CreateBucket, DeleteObject, Encryption,
    KeyInCopy, Lookup, NewBucket, ObjectKey, OpenError, Precondition, PutObject, StageSpec, Store,
    StoreConfig, WithMasterKey, backup, load_master_key, restore,
};

/// A file, not a row of the database.
const SIZE: usize = 40_000;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn open(dir: &Path) -> Store {
    let (master_key, _) = load_master_key(dir, None).unwrap();
    let (data_dir, encryption) = (dir.to_owned(), Encryption::On);
    Store::open(StoreConfig { data_dir, master_key, encryption, cache_bytes_max: 0 }, now())
        .unwrap()
}

async fn make_bucket(store: &Store) -> Arc<Bucket> {
    let owner = AccountId::parse("000000000000").unwrap();
    let name = BucketName::parse("bucket").unwrap();
    let new = NewBucket { name, owner, region: "us-east-1".to_owned(), tags: Vec::new() };
    let CreateBucket::Created(bucket) = store.create_bucket(new, now()).await.unwrap() else {
        panic!()
    };
    bucket
}

async fn put(store: &Store, bucket: &Bucket, key: &str, size: usize, byte: u8) {
    let mut stage = store.stage(StageSpec::default()).await.unwrap();
    stage.write(Bytes::from(vec![byte; size])).await.unwrap();
    let put = PutObject {
        bucket: bucket.reference(),
        key: ObjectKey::parse(key).unwrap(),
        body: stage.finish().await.unwrap(),
        attributes: Attributes::default(),
        checksum: None,
        etag: None,
        precondition: Precondition::None,
    };
    store.put_object(put, now()).await.unwrap();
}

/// The bytes at a key, which are all the same; nothing, where nothing is.
async fn content(store: &Store, key: &str) -> Option<(usize, u8)> {
    let bucket = BucketName::parse("bucket").unwrap();
    let bucket = store.bucket(&bucket).await.unwrap().unwrap().reference();
    let found = store.object(&bucket, &ObjectKey::parse(key).unwrap(), None).await.unwrap();
    let Lookup::Object(object) = found else { return None };
    let mut reader = store.read(&store.unlock(&object, None).unwrap(), 0..object.size);
    let mut read = Vec::new();
    while let Some(bytes) = reader.next().await {
        read.extend_from_slice(&bytes.unwrap());
    }
    let first = *read.first().unwrap();
    assert!(read.iter().all(|byte| *byte == first));
    Some((read.len(), first))
}

fn copy(from: &Path, to: &Path) -> Result<Copied, BackupError> {
    backup(from, to, WithMasterKey::From(None), &mut |_| ())
}

fn put_back(from: &Path, to: &Path) -> Result<Copied, BackupError> {
    restore(from, to, &mut |_| ())
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_files(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Everything below a directory but for what SQLite makes beside a database that is open.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_the_backup_is_in_it_whoever_writes() {
    let root = tempfile::tempdir().unwrap();
    let (data, dest) = (root.path().join("data"), root.path().join("backup"));
    let store = open(&data);
    let bucket = make_bucket(&store).await;
    // What every key held at last, by count; writers overwrite and delete, maintenance removes at once.
    let written = Arc::new(Mutex::new(HashMap::<String, (usize, u8)>::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let writers = (0..3_u8).map(|writer| {
        let (store, bucket, written, stop) =
            (store.clone(), Arc::clone(&bucket), Arc::clone(&written), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut turn = 0_u8;
            while !stop.load(Ordering::Relaxed) {
                turn = turn.wrapping_add(1);
                let kept = format!("kept/{writer}/{turn}");
                let size = if turn.is_multiple_of(2) { SIZE } else { 100 };
                put(&store, &bucket, &kept, size, turn).await;
                written.lock().unwrap().insert(kept, (size, turn));
                let gone = format!("gone/{writer}");
                put(&store, &bucket, &gone, SIZE, turn).await;
                let key = ObjectKey::parse(&gone).unwrap();
                store
                    .delete_object(DeleteObject::of(&bucket.reference(), &key, None), now())
                    .await
                    .unwrap();
                if turn == u8::MAX {
                    break;
                }
            }
        })
    });
    let writers = writers.collect::<Vec<_>>();
    let sweeper = tokio::spawn({
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        async move {
            let mut later = now();
            while !stop.load(Ordering::Relaxed) {
                later += SignedDuration::from_hours(1);
                store.maintenance().run_once(later, std::time::Duration::ZERO).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    for round in 0..3 {
        while written.lock().unwrap().len() < 10 * (round + 1) {
            tokio::task::yield_now().await;
        }
        let before = written.lock().unwrap().clone();
        let (from, to) = (data.clone(), dest.clone());
        tokio::task::spawn_blocking(move || copy(&from, &to).unwrap()).await.unwrap();
        let restored = root.path().join(format!("restored {round}"));
        put_back(&dest, &restored).unwrap();
        let store = open(&restored);
        for (key, expected) in before {
            // A writer may have come by again since.
            let found = content(&store, &key).await.unwrap();
            assert_eq!(found, expected, "{key}");
        }
        put(&store, &bucket, "new", SIZE, 1).await;
        assert_eq!(content(&store, "new").await, Some((SIZE, 1)));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    sweeper.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_copies_what_is_new_and_drops_what_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let (data, dest) = (root.path().join("data"), root.path().join("backup"));
    let store = open(&data);
    let bucket = make_bucket(&store).await;
    for key in ["a", "b"] {
        put(&store, &bucket, key, SIZE, 1).await;
    }
    put(&store, &bucket, "small", 5, 1).await;
    let first = copy(&data, &dest).unwrap();
    assert_eq!((first.objects, first.files, first.files_copied), (3, 2, 2));
    assert_eq!(first.bytes_copied, 2 * (u64::try_from(SIZE).unwrap() + 16));
    assert!(first.master_key == KeyInCopy::Copied && first.database_bytes > 0);
    let again = copy(&data, &dest).unwrap();
    assert_eq!((again.objects, again.files, again.files_copied, again.bytes_copied), (3, 2, 0, 0));
    put(&store, &bucket, "c", SIZE, 2).await;
    let gone = ObjectKey::parse("a").unwrap();
    store.delete_object(DeleteObject::of(&bucket.reference(), &gone, None), now()).await.unwrap();
    let third = copy(&data, &dest).unwrap();
    assert_eq!((third.objects, third.files, third.files_copied), (3, 2, 1));
    let blobs = files(&dest.join("blobs"));
    assert_eq!(blobs.len(), 2, "{blobs:?}");
    // A file that was cut short is copied again.
    std::fs::write(&blobs[0], "short").unwrap();
    assert_eq!(copy(&data, &dest).unwrap().files_copied, 1);
    let restored = root.path().join("restored");
    assert_eq!(put_back(&dest, &restored).unwrap().files_copied, 2);
    drop(store);
    let store = open(&restored);
    assert_eq!(content(&store, "a").await, None);
    assert_eq!(content(&store, "b").await, Some((SIZE, 1)));
    assert_eq!(content(&store, "c").await, Some((SIZE, 2)));
    assert_eq!(content(&store, "small").await, Some((5, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_comes_along_only_when_asked() {
    let root = tempfile::tempdir().unwrap();
    let (data, dest, restored) =
        (root.path().join("data"), root.path().join("backup"), root.path().join("restored"));
    let store = open(&data);
    let bucket = make_bucket(&store).await;
    put(&store, &bucket, "a", SIZE, 1).await;
    let without = backup(&data, &dest, WithMasterKey::No, &mut |_| ()).unwrap();
    assert!(without.master_key == KeyInCopy::No && !dest.join("master.key").exists());
    assert_eq!(put_back(&dest, &restored).unwrap().master_key, KeyInCopy::No);
    let lost = load_master_key(&restored, None);
    assert!(matches!(lost, Err(OpenError::MasterKeyLost { .. })));
    std::fs::copy(data.join("master.key"), restored.join("master.key")).unwrap();
    assert_eq!(content(&open(&restored), "a").await, Some((SIZE, 1)));
    // What an earlier run took along stays, and is told.
    let with = || backup(&data, &dest, WithMasterKey::From(None), &mut |_| ()).unwrap().master_key;
    let later = || backup(&data, &dest, WithMasterKey::No, &mut |_| ()).unwrap().master_key;
    assert_eq!((with(), later()), (KeyInCopy::Copied, KeyInCopy::OfBefore));
    assert!(dest.join("master.key").exists());
    std::fs::remove_file(dest.join("master.key")).unwrap();
    assert_eq!(later(), KeyInCopy::No);
    // Another store's key is not taken along for this one's.
    let other = root.path().join("other.key");
    load_master_key(&root.path().join("other"), Some(&other)).unwrap();
    let refused = backup(&data, &dest, WithMasterKey::From(Some(&other)), &mut |_| ());
    assert!(matches!(refused, Err(BackupError::OtherKey)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_store_no_backup_or_not_empty_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let store = open(&path("data"));
    let bucket = make_bucket(&store).await;
    put(&store, &bucket, "a", SIZE, 1).await;
    std::fs::create_dir(path("full")).unwrap();
    std::fs::write(path("full/mine"), "mine").unwrap();
    drop(open(&path("other")));
    let refused = copy(&path("nothing"), &path("dest"));
    assert!(matches!(refused, Err(BackupError::NoStore { .. })));
    assert!(!path("nothing").exists() && !path("dest").exists());
    assert!(matches!(copy(&path("data"), &path("full")), Err(BackupError::NotEmpty { .. })));
    // Neither into a store, its own least of all.
    assert!(matches!(copy(&path("data"), &path("other")), Err(BackupError::NotEmpty { .. })));
    assert!(matches!(copy(&path("data"), &path("data")), Err(BackupError::NotEmpty { .. })));
    // Nor where one has lost its database: what it has left would be pruned.
    copy_files(&path("other"), &path("lost"));
    for name in ["metadata.sqlite", "metadata.sqlite-wal", "metadata.sqlite-shm", "lock"] {
        std::fs::remove_file(path("lost").join(name)).ok();
    }
    assert!(matches!(copy(&path("data"), &path("lost")), Err(BackupError::NotEmpty { .. })));
    // Nor inside what is copied, where the next start would take the store for a backup.
    for inside in ["data/backup", "data/a/b", "link/backup"] {
        std::os::unix::fs::symlink("data", path("link")).ok();
        let refused = copy(&path("data"), &path(inside));
        assert!(matches!(refused, Err(BackupError::Nested { .. })), "{inside}: {refused:?}");
        assert!(!path(inside).exists());
    }
    copy(&path("data"), &path("dest")).unwrap();
    let refused = put_back(&path("dest"), &path("dest/new"));
    assert!(matches!(refused, Err(BackupError::Nested { .. })), "{refused:?}");
    let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("dest"), mode("dest/metadata.sqlite"), mode("dest/master.key")),
        (0o700, 0o600, 0o600)
    );
    // One that is being written is not read.
    let lock = std::fs::File::open(path("dest/lock")).unwrap();
    lock.lock().unwrap();
    let busy = put_back(&path("dest"), &path("new"));
    assert!(matches!(busy, Err(BackupError::Open(OpenError::AlreadyInUse { .. }))));
    assert!(!path("new").exists());
    drop(lock);
    assert!(matches!(copy(&path("other"), &path("dest")), Err(BackupError::OtherStore { .. })));
    assert!(matches!(put_back(&path("dest"), &path("full")), Err(BackupError::NotEmpty { .. })));
    assert!(matches!(put_back(&path("dest"), &path("other")), Err(BackupError::NotEmpty { .. })));
    assert!(matches!(put_back(&path("full"), &path("new")), Err(BackupError::NoBackup { .. })));
    assert!(matches!(put_back(&path("data"), &path("new")), Err(BackupError::NoBackup { .. })));
    assert!(!path("new").exists());
    assert_eq!(std::fs::read(path("full/mine")).unwrap(), b"mine");
    // A body that is not there, or not whole, is no backup; nor is what was restored without it a store.
    let body = files(&path("dest/blobs")).remove(0);
    std::fs::write(&body, "short").unwrap();
    assert!(matches!(put_back(&path("dest"), &path("new")), Err(BackupError::Damaged { .. })));
    let (key, _) = load_master_key(&path("data"), None).unwrap();
    let (data_dir, encryption) = (path("new"), Encryption::On);
    let config = StoreConfig { data_dir, master_key: key, encryption, cache_bytes_max: 0 };
    assert!(matches!(Store::open(config, now()), Err(OpenError::DatabaseLost { .. })));
    let (master_key, _) = load_master_key(&path("data"), None).unwrap();
    let config = StoreConfig { data_dir: path("dest"), master_key, encryption, cache_bytes_max: 0 };
    assert!(matches!(Store::open(config, now()), Err(OpenError::IsBackup { .. })));
    let body = files(&path("data/blobs")).remove(0);
    std::fs::remove_file(body).unwrap();
    assert!(matches!(copy(&path("data"), &path("second")), Err(BackupError::Damaged { .. })));
    // It was begun, and is gone on with when the store is whole again.
    assert!(matches!(put_back(&path("second"), &path("third")), Err(BackupError::NoBackup { .. })));
    let key = ObjectKey::parse("a").unwrap();
    store.delete_object(DeleteObject::of(&bucket.reference(), &key, None), now()).await.unwrap();
    copy(&path("data"), &path("second")).unwrap();
}
