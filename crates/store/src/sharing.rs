//! What many callers share: turns, and the records of what they read.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use iam::MasterKey;

use crate::backend::Blobs as _;
use crate::backend::files::disk::Disk;
use crate::body::Body;
use crate::contract::{at, key, new_bucket, runtime, the_bucket};
use crate::*;

/// More than what is kept beside a record.
const SIZE: usize = 20_000;

fn open(dir: &Path) -> Store {
    let config = StoreConfig {
        data_dir: dir.to_owned(),
        master_key: MasterKey::from_bytes([1; 32]),
        encryption: Encryption::On,
        cache_bytes_max: 0,
    };
    Store::open_on(Disk::default(), config, at(0)).unwrap()
}

/// The writer takes its jobs in their order: had a job of the one who waits been handed in, it would be done before
/// that of the one who comes later.
#[test]
fn a_bucket_is_deleted_only_when_it_is_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        let bucket = the_bucket();
        let turn = store.0.emptying.lock().await;
        let mut waiting = pin!(store.delete_bucket(&bucket, at(1)));
        let first = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        assert!(first.is_pending());
        store.create_bucket(new_bucket("another"), at(1)).await.unwrap();
        let here = store.bucket(&bucket.name).await.unwrap();
        assert!(here.is_some(), "it was deleted out of turn");
        drop(turn);
        assert_eq!(waiting.await.unwrap(), DeleteBucket::Deleted);
        assert!(store.bucket(&bucket.name).await.unwrap().is_none());
    });
}

async fn put(store: &Store, name: &str, content: u8) -> Arc<Object> {
    let mut stage = store.stage(StageSpec::default()).await.unwrap();
    stage.write(Bytes::from(vec![content; SIZE])).await.unwrap();
    let put = PutObject {
        bucket: the_bucket(),
        key: key(name),
        body: stage.finish().await.unwrap(),
        attributes: Attributes::default(),
        checksum: None,
        etag: None,
        precondition: Precondition::None,
    };
    store.put_object(put, at(1)).await.unwrap();
    let found = store.object(&the_bucket(), &key(name), None).await.unwrap();
    let Lookup::Object(object) = found else { panic!("{found:?}") };
    object
}

async fn content(mut reader: BodyReader) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(bytes) = reader.next().await {
        read.extend_from_slice(&bytes.unwrap());
    }
    read
}

#[test]
fn an_object_of_many_blobs_is_held_once_however_many_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    runtime().block_on(async {
        store.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        let (a, b) = (put(&store, "a", 1).await, put(&store, "b", 2).await);
        let ids: Vec<_> = [&a, &b].iter().map(|object| object.body.blobs()[0].id).collect();
        let whole = [vec![1; SIZE], vec![2; SIZE]].concat();
        let size = u64::try_from(whole.len()).unwrap();
        // As the database answers it, each time anew.
        let joined = |tail: &Object| {
            let blobs = [a.body.blobs(), tail.body.blobs()].concat();
            Arc::new(Object { size, body: Body::Files(blobs), ..Object::clone(&a) })
        };
        let read =
            |object: &Arc<Object>| store.read(&store.unlock(object, None).unwrap(), 0..object.size);
        let (first, second, other) = (joined(&b), joined(&b), joined(&a));
        let readers = [read(&first), read(&second), read(&other)];
        assert_eq!(Arc::strong_count(&second), 1, "a second reader holds a record of its own");
        // What only begins alike is another body.
        assert!(Arc::strong_count(&other) > 1);
        let [one, two, three] = readers;
        drop(one);
        assert_eq!(store.0.blobs.remove(ids.clone()).await.unwrap(), []);
        assert_eq!(content(two).await, whole);
        assert_eq!(content(three).await, [vec![1; SIZE], vec![1; SIZE]].concat());
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&other)), (1, 1));
        assert_eq!(store.0.blobs.remove(ids.clone()).await.unwrap(), ids);
    });
}
