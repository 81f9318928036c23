//! Bodies under a key that a customer sends along: nobody reads them without it, and it never rests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use iam::{AccountId, CustomerKey, MasterKey};
use jiff::Timestamp;
use store::{
    AtRest, Attributes, BucketName, BucketRef, ChecksumAlgorithms, CompleteOutcome, CompleteUpload,
    CompletedPart, Digests, Encryption, KeyRefusal, Lookup, NewBucket, NewUpload, Object,
    ObjectKey, PartNumber, Precondition, PutObject, PutOutcome, PutPart, StageSpec, StagedBody,
    Store, StoreConfig,
};
use zeroize::Zeroizing;

/// Not a run of one byte, so that it can be looked for.
const KEY: [u8; 32] = *b"the customer's own secret 32 key";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn key(bytes: [u8; 32]) -> CustomerKey {
    CustomerKey::from_bytes(Zeroizing::new(bytes))
}

async fn open(dir: &Path, encryption: Encryption) -> Store {
    let config = StoreConfig {
        data_dir: dir.to_owned(),
        master_key: MasterKey::from_bytes([1; 32]),
        encryption,
        cache_bytes_max: 1 << 20,
    };
    let store = Store::open(config, now()).unwrap();
    let owner = AccountId::parse("000000000000").unwrap();
    let new =
        NewBucket { name: bucket_name(), owner, region: "us-east-1".to_owned(), tags: Vec::new() };
    store.create_bucket(new, now()).await.unwrap();
    store
}

fn bucket_name() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

/// The bucket that is there now.
async fn bucket(store: &Store) -> BucketRef {
    store.bucket(&bucket_name()).await.unwrap().unwrap().reference()
}

fn object_key() -> ObjectKey {
    ObjectKey::parse("key").unwrap()
}

fn body(size: usize) -> Bytes {
    b"a body that can be looked for; ".iter().copied().cycle().take(size).collect()
}

async fn stage(store: &Store, body: &Bytes, key: &CustomerKey) -> StagedBody {
    let spec = StageSpec { customer_key: Some(key.clone()), ..StageSpec::default() };
    let mut stage = store.stage(spec).await.unwrap();
    stage.write(body.clone()).await.unwrap();
    stage.finish().await.unwrap()
}

async fn put(store: &Store, body: &Bytes, key: &CustomerKey) -> Arc<Object> {
    let put = PutObject {
        bucket: bucket(store).await,
        key: object_key(),
        body: stage(store, body, key).await,
        attributes: Attributes::default(),
        checksum: None,
        etag: None,
        precondition: Precondition::None,
    };
    let outcome = store.put_object(put, now()).await.unwrap();
    let PutOutcome::Stored { object, .. } = outcome else { panic!("{outcome:?}") };
    object
}

/// As a later request finds it.
async fn find(store: &Store) -> Arc<Object> {
    let found = store.object(&bucket(store).await, &object_key(), None).await.unwrap();
    let Lookup::Object(object) = found else { panic!("{found:?}") };
    object
}

async fn read(store: &Store, object: &Arc<Object>, range: Range<u64>) -> Vec<u8> {
    let mut reader = store.read(&store.unlock(object, Some(&key(KEY))).unwrap(), range);
    let mut read = Vec::new();
    while let Some(bytes) = reader.next().await {
        read.extend_from_slice(&bytes.unwrap());
    }
    read
}

fn refusal(store: &Store, object: &Arc<Object>, key: Option<&CustomerKey>) -> Option<KeyRefusal> {
    store.unlock(object, key).err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_opens_with_its_key_alone() {
    for encryption in [Encryption::On, Encryption::Off] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), encryption).await;
        for size in [0_usize, 1, 16 * 1024, 16 * 1024 + 1, 300_000] {
            let body = body(size);
            let object = put(&store, &body, &key(KEY)).await;
            assert_eq!(
                (object.encryption, object.size),
                (AtRest::CustomerKey, u64::try_from(size).unwrap())
            );
            // What was written last is answered from memory; it is no less closed for having been read.
            for object in [object, find(&store).await, find(&store).await] {
                assert_eq!(refusal(&store, &object, None), Some(KeyRefusal::Required));
                let other = Some(KeyRefusal::Wrong);
                assert_eq!(refusal(&store, &object, Some(&key([0; 32]))), other);
                let mut near = KEY;
                near[31] ^= 1;
                assert_eq!(refusal(&store, &object, Some(&key(near))), other);
                assert_eq!(read(&store, &object, 0..u64::MAX).await, body);
                let middle = size / 3..size / 2;
                let range =
                    u64::try_from(middle.start).unwrap()..u64::try_from(middle.end).unwrap();
                assert_eq!(read(&store, &object, range).await, body[middle]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_the_servers_takes_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Encryption::On).await;
    for encryption in [Encryption::On, Encryption::Off] {
        let spec = StageSpec { encryption: Some(encryption), ..StageSpec::default() };
        let mut stage = store.stage(spec).await.unwrap();
        stage.write(body(20)).await.unwrap();
        let body = stage.finish().await.unwrap();
        assert_eq!(body.etag().md5(), &body.md5());
        let put = PutObject {
            bucket: bucket(&store).await,
            key: object_key(),
            body,
            attributes: Attributes::default(),
            checksum: None,
            etag: None,
            precondition: Precondition::None,
        };
        store.put_object(put, now()).await.unwrap();
        let object = find(&store).await;
        let applies = refusal(&store, &object, Some(&key(KEY)));
        assert_eq!(applies, Some(KeyRefusal::NotApplicable));
        assert_eq!(refusal(&store, &object, None), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_tells_nothing_of_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Encryption::On).await;
    let body = body(100);
    let md5 = Digests::of(&body, ChecksumAlgorithms::NONE).md5();
    let (one, other) = (put(&store, &body, &key(KEY)).await, put(&store, &body, &key(KEY)).await);
    assert_ne!(one.etag, other.etag);
    assert!(one.etag.md5() != &md5 && other.etag.md5() != &md5);
    assert_eq!(find(&store).await.etag, other.etag);
    // What was sent can still be compared with what was announced.
    assert_eq!(stage(&store, &body, &key(KEY)).await.md5(), md5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_under_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Encryption::Off).await;
    let here = bucket(&store).await;
    let new = |customer_key| NewUpload {
        bucket: here.clone(),
        key: object_key(),
        attributes: Attributes::default(),
        checksum: None,
        encryption: None,
        customer_key,
        initiator: "root".to_owned(),
    };
    let plain = store.create_upload(new(None), now()).await.unwrap().unwrap();
    assert_eq!(store.check_upload_key(&plain, None), Ok(()));
    let not_applicable = Err(KeyRefusal::NotApplicable);
    assert_eq!(store.check_upload_key(&plain, Some(&key(KEY))), not_applicable);
    let check = store.key_check(&key(KEY)).unwrap();
    let made = store.create_upload(new(Some(check)), now()).await.unwrap().unwrap();
    let found =
        store.upload(&bucket(&store).await, &object_key(), &made.id).await.unwrap().unwrap();
    assert_eq!(found, made);
    for upload in [&made, &found] {
        assert_eq!(store.check_upload_key(upload, Some(&key(KEY))), Ok(()));
        assert_eq!(store.check_upload_key(upload, Some(&key([0; 32]))), Err(KeyRefusal::Wrong));
        assert_eq!(store.check_upload_key(upload, None), Err(KeyRefusal::Required));
    }
    let mut parts = Vec::new();
    for (number, size) in [(1, 70_000), (2, 3)] {
        let number = PartNumber::new(number).unwrap();
        let staged = stage(&store, &body(size), &key(KEY)).await;
        let put = store.put_part(&found, number, staged, None, now()).await.unwrap();
        let PutPart::Stored(part) = put else { panic!("{put:?}") };
        parts.push(CompletedPart { number, etag: part.etag, checksum: None });
    }
    let complete = CompleteUpload {
        bucket: bucket(&store).await,
        key: object_key(),
        upload_id: found.id,
        parts,
        object_checksum: None,
        precondition: Precondition::None,
        min_part_size: 0,
    };
    let done = store.complete_upload(complete, now()).await.unwrap();
    assert!(matches!(done, CompleteOutcome::Completed { .. }));
    let object = find(&store).await;
    assert_eq!(object.encryption, AtRest::CustomerKey);
    assert_eq!(refusal(&store, &object, None), Some(KeyRefusal::Required));
    assert_eq!(refusal(&store, &object, Some(&key([0; 32]))), Some(KeyRefusal::Wrong));
    let whole = [body(70_000), body(3)].concat();
    assert_eq!(read(&store, &object, 0..u64::MAX).await, whole);
    assert_eq!(read(&store, &object, 69_999..70_002).await, whole[69_999..70_002]);
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let read = entries.map(|entry| match entry.path() {
        path if path.is_dir() => files(&path),
        path => vec![std::fs::read(path).unwrap()],
    });
    read.flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_key_nor_the_bytes_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Encryption::Off).await;
    put(&store, &body(10_000), &key(KEY)).await;
    put(&store, &body(100_000), &key(KEY)).await;
    store.key_check(&key(KEY)).unwrap();
    read(&store, &find(&store).await, 0..u64::MAX).await;
    let md5 = Digests::of(&KEY, ChecksumAlgorithms::NONE).md5();
    let hex =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let needles = [
        KEY.to_vec(),
        STANDARD.encode(KEY).into_bytes(),
        hex(&KEY).into_bytes(),
        md5.to_vec(),
        STANDARD.encode(md5).into_bytes(),
        hex(&md5).into_bytes(),
        b"a body that can be looked for".to_vec(),
    ];
    // As it is while the store is open, its log included, and after.
    for closed in [false, true] {
        if closed {
            store.close().await.unwrap();
        }
        let files = files(dir.path());
        assert!(files.iter().any(|file| file.windows(3).any(|window| window == b"key")));
        for needle in &needles {
            let found = |file: &Vec<u8>| file.windows(needle.len()).any(|window| window == needle);
            assert!(!files.iter().any(found), "{}", String::from_utf8_lossy(needle));
        }
    }
}
