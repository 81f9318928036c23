//! A bucket that was found is that bucket: of the next one that has its name nothing is read, and nothing
//! of it is changed.

use super::uploads::{begin, complete, new_upload, put_part};
use super::*;

/// An engine whose first bucket was found, removed, and made again by somebody else, who put an object at
/// `k` and began an upload of it; answers both buckets.
async fn replaced(engine: &impl Metadata) -> (BucketRef, BucketRef) {
    with_bucket(engine, Versioning::Unversioned).await;
    let gone = the_bucket();
    assert_eq!(engine.delete_bucket(&gone, at(1)).await.unwrap(), DeleteBucket::Deleted);
    let other = AccountId::parse("111111111111").unwrap();
    let new = NewBucket { owner: other, ..new_bucket("bucket") };
    let made = engine.create_bucket(new, at(2)).await.unwrap();
    let CreateBucket::Created(made) = made else { panic!("{made:?}") };
    let next = made.reference();
    assert_eq!((gone.name(), gone == next), (next.name(), false));
    let object = NewObject { bucket: next.clone(), ..new_object("k", 1) };
    engine.put_object(object, at(3)).await.unwrap();
    (gone, next)
}

#[test]
fn nothing_is_read_of_the_next_bucket() {
    every_engine(|engine| async move {
        let (gone, next) = replaced(&*engine).await;
        let upload = NewUpload { bucket: next.clone(), ..new_upload("k") };
        let upload = begin(&*engine, upload, 4).await;
        for (bucket, is_there) in [(&gone, false), (&next, true)] {
            // Once from the records, once from what is cached of them.
            for _ in 0..2 {
                for version in [None, Some(VersionId::Null)] {
                    let found = engine.object(bucket, &key("k"), version).await.unwrap();
                    assert_eq!(matches!(found, Lookup::Object(_)), is_there, "{found:?}");
                    assert_eq!(matches!(found, Lookup::NoSuchBucket), !is_there, "{found:?}");
                }
            }
            let (prefix, limit) = (String::new, 9);
            let (delimiter, after) = (None, ListAfter::Start);
            let query = ListObjects { prefix: prefix(), delimiter, after, limit };
            let listed = engine.list_objects(bucket, query).await.unwrap();
            assert_eq!(listed.map(|page| page.entries.len()), is_there.then_some(1));
            let (delimiter, after) = (None, VersionAfter::Start);
            let query = ListVersions { prefix: prefix(), delimiter, after, limit };
            let listed = engine.list_versions(bucket, query).await.unwrap();
            assert_eq!(listed.map(|page| page.entries.len()), is_there.then_some(1));
            let (delimiter, after) = (None, UploadAfter::Start);
            let query = ListUploads { prefix: prefix(), delimiter, after, limit };
            let listed = engine.uploads(bucket, query).await.unwrap();
            assert_eq!(listed.map(|page| page.entries.len()), is_there.then_some(1));
            let found = engine.upload(bucket, &key("k"), upload.id).await.unwrap();
            assert_eq!(found.is_some(), is_there);
        }
    });
}

#[test]
fn nothing_is_done_to_the_objects_of_the_next_bucket() {
    every_engine(|engine| async move {
        let (gone, next) = replaced(&*engine).await;
        let object = NewObject { bucket: gone.clone(), ..new_object("k", 2) };
        let outcome = engine.put_object(object, at(5)).await.unwrap();
        assert!(matches!(outcome, PutOutcome::NoSuchBucket), "{outcome:?}");
        for version in [None, Some(VersionId::Null)] {
            let delete = DeleteObject::of(&gone, &key("k"), version.as_ref());
            let outcome = engine.delete_object(delete, at(5)).await.unwrap();
            assert_eq!(outcome, DeleteOutcome::NoSuchBucket);
            let set = SetTags {
                bucket: gone.clone(),
                key: key("k"),
                version_id: version,
                tags: vec![tagged("a", "b")],
                judged_tags: None,
            };
            let outcome = engine.set_object_tags(set).await.unwrap();
            assert!(matches!(outcome, Ok(Lookup::NoSuchBucket)), "{outcome:?}");
        }
        let found = engine.object(&next, &key("k"), None).await.unwrap();
        let Lookup::Object(object) = found else { panic!("{found:?}") };
        assert_eq!((object.etag, object.attributes.tags.len()), (tag(1), 0));
    });
}

#[test]
fn no_upload_goes_on_in_the_next_bucket() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let upload = begin(&*engine, new_upload("k"), 1).await;
        put_part(&*engine, &upload, 1, 1, None).await;
        let gone = the_bucket();
        engine.delete_bucket(&gone, at(2)).await.unwrap();
        let made = engine.create_bucket(new_bucket("bucket"), at(3)).await.unwrap();
        let CreateBucket::Created(made) = made else { panic!("{made:?}") };
        let next = made.reference();

        assert!(engine.create_upload(new_upload("k"), at(4)).await.unwrap().is_none());
        assert!(matches!(put_part(&*engine, &upload, 2, 2, None).await, PutPart::NoSuchUpload));
        let outcome = engine.complete_upload(complete(&upload, &[(1, 1)]), at(5)).await.unwrap();
        assert!(matches!(outcome, CompleteOutcome::NoSuchBucket), "{outcome:?}");
        // Nor is an upload of the next one ended by who knew the old one.
        let theirs = NewUpload { bucket: next.clone(), ..new_upload("k") };
        let theirs = begin(&*engine, theirs, 6).await;
        assert!(!engine.abort_upload(&gone, &key("k"), theirs.id, at(7)).await.unwrap());
        let idle = IdleUpload { bucket: gone, key: key("k"), id: theirs.id, idle_since: at(99) };
        assert!(!engine.abort_idle_upload(idle, at(99)).await.unwrap());
        let complete = CompleteUpload { bucket: the_bucket(), ..complete(&theirs, &[(1, 1)]) };
        let outcome = engine.complete_upload(complete, at(8)).await.unwrap();
        assert!(matches!(outcome, CompleteOutcome::NoSuchBucket), "{outcome:?}");
        assert!(engine.upload(&next, &key("k"), theirs.id).await.unwrap().is_some());
    });
}

#[test]
fn the_next_bucket_is_set_and_removed_by_nobody_who_knew_the_old_one() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let gone = the_bucket();
        engine.delete_bucket(&gone, at(1)).await.unwrap();
        let made = engine.create_bucket(new_bucket("bucket"), at(2)).await.unwrap();
        let CreateBucket::Created(next) = made else { panic!("{made:?}") };
        let encryption = BucketEncryption { aes256: true, ..BucketEncryption::default() };
        let settings = [
            BucketSetting::Policy(None),
            BucketSetting::PublicAccessBlock(None),
            BucketSetting::Ownership(None),
            BucketSetting::Tags(vec![tagged("a", "b")]),
            BucketSetting::Cors(Vec::new()),
            BucketSetting::Encryption(encryption),
            BucketSetting::Website(None),
        ];
        for setting in settings {
            let shown = format!("{setting:?}");
            let outcome = engine.set_bucket(&gone, setting).await.unwrap();
            assert_eq!(outcome, SetBucket::NotFound, "{shown}");
        }
        assert!(!engine.set_versioning(&gone, Versioning::Enabled).await.unwrap());
        assert_eq!(engine.delete_bucket(&gone, at(3)).await.unwrap(), DeleteBucket::NotFound);
        assert_eq!(engine.bucket(&bucket_name()).await.unwrap(), Some(next));
    });
}
