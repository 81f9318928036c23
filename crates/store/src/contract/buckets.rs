//! Buckets: made, listed, set and removed.

mod settings;

use super::*;

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
