//! No job of the one that writes takes rows without a bound: what has many of them goes some at a time, and
//! others have their turn between.

use super::uploads::{begin, complete, new_upload, put_part};
use super::*;

/// More than one job takes, and no more than two do.
const MANY: usize = 1500;

/// Does something many times, at once.
async fn many<F: Future<Output = ()> + Send + 'static>(count: usize, one: impl Fn(usize) -> F) {
    let mut tasks = (0..count).map(|n| tokio::spawn(one(n))).collect::<Vec<_>>();
    for task in tasks.drain(..) {
        task.await.unwrap();
    }
}

async fn begin_many(engine: &Arc<MetadataEngine>, bucket: &BucketRef, count: usize) {
    let (engine, bucket) = (Arc::clone(engine), bucket.clone());
    many(count, move |n| {
        let upload = NewUpload { bucket: bucket.clone(), ..new_upload(&n.to_string()) };
        let engine = Arc::clone(&engine);
        async move { drop(engine.create_upload(upload, at(1)).await.unwrap().unwrap()) }
    })
    .await;
}

async fn uploads_left(engine: &MetadataEngine, bucket: &BucketRef) -> usize {
    let mut after = UploadAfter::Start;
    let mut count = 0;
    loop {
        let query = ListUploads { prefix: String::new(), delimiter: None, after, limit: 1000 };
        let page = engine.uploads(bucket, query).await.unwrap().unwrap();
        count += page.entries.len();
        match page.next {
            Some(next) => after = next,
            None => return count,
        }
    }
}

async fn delete(engine: &MetadataEngine, bucket: &BucketRef) -> DeleteBucket {
    engine.delete_bucket(bucket, at(9)).await.unwrap()
}

#[test]
fn uploads_of_a_bucket_are_aborted_some_at_a_time_and_it_is_judged_each_time() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let here = the_bucket();
        begin_many(&engine, &here, MANY).await;
        put(&*engine, "k", 1).await;
        assert_eq!(delete(&engine, &here).await, DeleteBucket::NotEmpty);
        assert_eq!(uploads_left(&engine, &here).await, MANY);
        let remove = || DeleteObject::of(&the_bucket(), &key("k"), None);
        engine.delete_object(remove(), at(2)).await.unwrap();
        assert_eq!(delete(&engine, &here).await, DeleteBucket::Unfinished);
        assert_eq!(uploads_left(&engine, &here).await, 500);
        // An object that comes meanwhile keeps the bucket, and what is left in it.
        put(&*engine, "k", 2).await;
        assert_eq!(delete(&engine, &here).await, DeleteBucket::NotEmpty);
        assert_eq!(uploads_left(&engine, &here).await, 500);
        engine.delete_object(remove(), at(3)).await.unwrap();
        // So do uploads, for as long as more come than go.
        begin_many(&engine, &here, MANY).await;
        assert_eq!(delete(&engine, &here).await, DeleteBucket::Unfinished);
        assert_eq!(uploads_left(&engine, &here).await, 1000);
        assert_eq!(delete(&engine, &here).await, DeleteBucket::Deleted);

        let made = engine.create_bucket(new_bucket("bucket"), at(4)).await.unwrap();
        let CreateBucket::Created(next) = made else { panic!("{made:?}") };
        begin_many(&engine, &next.reference(), 3).await;
        assert_eq!(delete(&engine, &here).await, DeleteBucket::NotFound);
        assert_eq!(uploads_left(&engine, &next.reference()).await, 3);
    });
}

#[test]
fn parts_count_in_what_is_aborted_at_a_time() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        for (name, blob) in [("a", 1), ("b", 2), ("c", 3)] {
            let upload = begin(&*engine, new_upload(name), 1).await;
            let parts = Arc::clone(&engine);
            many(600, move |n| {
                let (upload, engine) = (Arc::clone(&upload), Arc::clone(&parts));
                let number = u16::try_from(n).unwrap() + 1;
                async move {
                    engine
                        .record_intent(BlobId::from_bytes(blob_of(blob, number)), at(1))
                        .await
                        .unwrap();
                    let mut file = staged(blob, 10).0;
                    file.blob.id = BlobId::from_bytes(blob_of(blob, number));
                    let part = NewPart {
                        bucket: upload.bucket.clone(),
                        key: upload.key.clone(),
                        upload: upload.id,
                        number: PartNumber::new(number).unwrap(),
                        etag: tag(blob),
                        checksum: None,
                        file,
                    };
                    let put = engine.put_part(part, at(2)).await.unwrap();
                    assert!(matches!(put, PutPart::Stored(_)), "{put:?}");
                }
            })
            .await;
        }
        let here = the_bucket();
        assert_eq!(delete(&engine, &here).await, DeleteBucket::Unfinished);
        assert_eq!(uploads_left(&engine, &here).await, 1);
        assert_eq!(engine.garbage(much_later(), 9999).await.unwrap().len(), 1200);
        assert_eq!(delete(&engine, &here).await, DeleteBucket::Deleted);
        assert_eq!(engine.garbage(much_later(), 9999).await.unwrap().len(), 1800);
    });
}

/// An id that a part has alone.
fn blob_of(upload: u8, number: u16) -> [u8; 16] {
    let mut id = [upload; 16];
    id[1..3].copy_from_slice(&number.to_be_bytes());
    id
}

/// Completes many uploads of one key, whose answers are remembered.
async fn complete_many(engine: &Arc<MetadataEngine>) {
    for round in 0..MANY.div_ceil(250) {
        let engine = Arc::clone(engine);
        many(250, move |n| {
            let engine = Arc::clone(&engine);
            async move {
                let upload = begin(&*engine, new_upload("k"), 1).await;
                let id = u8::try_from(n).unwrap();
                let put = put_part(&*engine, &upload, 1, id, None).await;
                assert!(matches!(put, PutPart::Stored(_)), "{round}: {put:?}");
                let done = engine.complete_upload(complete(&upload, &[(1, id)]), at(3)).await;
                let done = done.unwrap();
                assert!(matches!(done, CompleteOutcome::Completed { .. }), "{done:?}");
            }
        })
        .await;
    }
}

#[test]
fn completed_uploads_are_forgotten_some_at_a_time() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        complete_many(&engine).await;
        let jobs = engine.counters().jobs;
        engine.forget_completed(at(9)).await.unwrap();
        assert_eq!(engine.counters().jobs - jobs, 2);
        engine.forget_completed(at(9)).await.unwrap();
        assert_eq!(engine.counters().jobs - jobs, 3);
    });
}

#[test]
fn those_of_a_bucket_that_goes_likewise() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        complete_many(&engine).await;
        engine
            .delete_object(DeleteObject::of(&the_bucket(), &key("k"), None), at(4))
            .await
            .unwrap();
        assert_eq!(delete(&engine, &the_bucket()).await, DeleteBucket::Unfinished);
        assert_eq!(delete(&engine, &the_bucket()).await, DeleteBucket::Deleted);
    });
}

#[test]
fn intents_become_garbage_some_at_a_time() {
    every_engine(|engine| async move {
        let recorder = Arc::clone(&engine);
        many(MANY, move |n| {
            let engine = Arc::clone(&recorder);
            let blob = BlobId::from_bytes(blob_of(7, u16::try_from(n).unwrap()));
            async move { engine.record_intent(blob, at(1)).await.unwrap() }
        })
        .await;
        let mut reaped = Vec::new();
        for _ in 0..3 {
            reaped.push(engine.reap_intents(at(2), at(3)).await.unwrap());
        }
        assert_eq!(reaped, [1000, 500, 0]);
        assert_eq!(engine.garbage(much_later(), 9999).await.unwrap().len(), MANY);
    });
}
