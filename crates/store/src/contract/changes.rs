//! The sequence of changes: numbered, in an order that can be relied upon.

use super::*;

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
