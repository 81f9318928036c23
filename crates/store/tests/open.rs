//! Opening a data directory: held by one, sealed by one key, in one format; and an old one still opens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use iam::AccountId;
use iam::MasterKey;
use jiff::Timestamp;
use store::{
    AccessKey, BucketName, Encryption, KeyOrigin, KeyOwner, KeyStatus, Lookup, NewBucket,
    ObjectKey, OpenError, Store, StoreConfig, StoreError, Versioning, load_master_key,
};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn open(dir: &Path, master_key: MasterKey) -> Result<Store, OpenError> {
    let (data_dir, encryption) = (dir.to_owned(), Encryption::On);
    Store::open(StoreConfig { data_dir, master_key, encryption, cache_bytes_max: 1 << 20 }, now())
}

#[test]
fn a_data_directory_is_held_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let key = || MasterKey::from_bytes([1; 32]);
    let first = open(dir.path(), key()).unwrap();
    let second = open(dir.path(), key());
    assert!(matches!(second, Err(OpenError::AlreadyInUse { dir: held }) if held == dir.path()));
    drop(first);
    open(dir.path(), key()).unwrap();
}

#[test]
fn a_database_opens_with_its_own_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let (key, origin) = load_master_key(dir.path(), None).unwrap();
    assert_eq!(origin, KeyOrigin::Made);
    let id = key.id();
    drop(open(dir.path(), key).unwrap());
    let (key, origin) = load_master_key(dir.path(), None).unwrap();
    assert_eq!((origin, key.id()), (KeyOrigin::Read, id));
    drop(open(dir.path(), key).unwrap());
    let foreign = MasterKey::from_bytes([9; 32]);
    let given = foreign.id();
    let refused = open(dir.path(), foreign);
    let Err(OpenError::MasterKeyForeign { expected, given: told }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((expected, told), (id, given));
    std::fs::remove_file(dir.path().join("master.key")).unwrap();
    let lost = load_master_key(dir.path(), None);
    assert!(matches!(lost, Err(OpenError::MasterKeyLost { .. })));
}

#[test]
fn another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), MasterKey::from_bytes([1; 32])).unwrap());
    let path = dir.path().join("metadata.sqlite");
    // The user_version of a SQLite database is at byte 60 of its header, big-endian.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.splice(60..64, 3_u32.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let refused = open(dir.path(), MasterKey::from_bytes([1; 32]));
    assert!(matches!(refused, Err(OpenError::UnknownFormat { found: 3, supported: 2 })));
    std::fs::write(
        &path,
        b"this is no database, and longer than a header of one has to be".repeat(9),
    )
    .unwrap();
    let refused = open(dir.path(), MasterKey::from_bytes([1; 32]));
    assert!(matches!(refused, Err(OpenError::Engine(_))));
}

#[tokio::test]
async fn what_was_written_is_there_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let account = AccountId::parse("000000000000").unwrap();
    let name = BucketName::parse("bucket").unwrap();
    let store = open(dir.path(), MasterKey::from_bytes([1; 32])).unwrap();
    let key = AccessKey {
        id: "AKID".to_owned(),
        secret: presign::SecretAccessKey::new("a secret that is sealed"),
        account: account.clone(),
        owner: KeyOwner::Root,
        status: KeyStatus::Active,
        created_at: now(),
    };
    store.put_access_key(key, now()).await.unwrap();
    let region = "us-east-1".to_owned();
    let new = NewBucket { name: name.clone(), owner: account, region };
    store.create_bucket(new, now()).await.unwrap();
    store.set_versioning(&name, Versioning::Enabled, now()).await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.access_key("AKIX").await, Err(StoreError::Closed)));
    // The log was moved into the database.
    assert_eq!(std::fs::metadata(dir.path().join("metadata.sqlite-wal")).unwrap().len(), 0);
    drop(store);
    let database = std::fs::read(dir.path().join("metadata.sqlite")).unwrap();
    let text = b"a secret that is sealed";
    assert!(!database.windows(text.len()).any(|window| window == text));
    let store = open(dir.path(), MasterKey::from_bytes([1; 32])).unwrap();
    let key = store.access_key("AKID").await.unwrap().unwrap();
    assert_eq!(key.secret.expose(), "a secret that is sealed");
    assert_eq!(store.bucket(&name).await.unwrap().unwrap().versioning, Versioning::Enabled);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// `tests/fixtures/v1` was made by `examples/make_fixture.rs` of the version that made format 1, and
/// is never made anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_format_1_opens() {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture, dir.path());
    let (key, origin) = load_master_key(dir.path(), None).unwrap();
    assert_eq!(origin, KeyOrigin::Read);
    let store = open(dir.path(), key).unwrap();
    let secret = store.access_key("AKIDFIXTURE").await.unwrap().unwrap();
    assert_eq!(secret.secret.expose(), "the secret of the fixture");
    let bucket = BucketName::parse("fixture").unwrap();
    assert_eq!(store.bucket(&bucket).await.unwrap().unwrap().versioning, Versioning::Enabled);
    let rows = [
        ("small", 5, "text/plain", 0),
        ("large", 20_000, "text/plain", 0),
        ("plain", 20_000, "text/plain", 0),
        ("parts", 20_010, "text/html", 2),
    ];
    for (key, size, content_type, parts) in rows {
        let key = ObjectKey::parse(key).unwrap();
        let found = store.object(&bucket, &key, None).await.unwrap();
        let Lookup::Object(object) = found else { panic!("{found:?}") };
        assert_eq!((object.size, object.parts.len()), (size, parts));
        assert_eq!(object.attributes.content_type.as_deref(), Some(content_type));
        assert_eq!(object.attributes.metadata, [("kind".to_owned(), "fixture".to_owned())]);
        assert_eq!(object.checksum.is_some(), parts == 0);
        let mut reader = store.read(&object, 0..size);
        let mut read = Vec::new();
        while let Some(bytes) = reader.next().await {
            read.extend_from_slice(&bytes.unwrap());
        }
        assert_eq!(u64::try_from(read.len()), Ok(size));
        assert!(read.iter().all(|byte| *byte == b'v'));
    }
    let gone = store.object(&bucket, &ObjectKey::parse("gone").unwrap(), None).await.unwrap();
    assert!(matches!(gone, Lookup::DeleteMarker(marker) if marker.is_current));
}
