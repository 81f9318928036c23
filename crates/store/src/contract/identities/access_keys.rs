//! Access keys: their secrets, and when they were used.

use super::*;

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
fn uses_of_keys_are_kept_as_long_as_the_key() {
    every_engine(|engine| async move {
        let used = |second| {
            let (service, region) = ("s3".to_owned(), "us-east-1".to_owned());
            KeyUse { at: at(second), service, region }
        };
        let note = |id: &str, second| {
            let uses = vec![(id.to_owned(), used(second))];
            let engine = Arc::clone(&engine);
            async move { engine.note_key_uses(uses).await.unwrap() }
        };
        note("AKID", 1).await;
        assert_eq!(engine.key_last_used("AKID").await.unwrap(), None);
        let make = |edit: &mut DirectoryEdit| {
            edit.create_user("Ann", "/", None, Vec::new())?;
            let secret = SecretAccessKey::new("secret");
            edit.create_given_key("Ann", GivenKey { id: "AKID".to_owned(), secret })?;
            edit.create_role(NewRole {
                name: "Job".to_owned(),
                path: "/".to_owned(),
                description: None,
                max_session_seconds: 3600,
                trust: bound("sts:AssumeRole"),
                boundary: None,
                tags: Vec::new(),
            })
            .map(drop)
        };
        change(&*engine, &account(), make).await.unwrap();
        note("AKID", 2).await;
        note("AKID", 3).await;
        assert_eq!(engine.key_last_used("AKID").await.unwrap(), Some(used(3)));
        let role = engine.directory(&account()).await.unwrap().role("Job").unwrap().id.clone();
        let role = identity::role_use(&role);
        note(&role, 4).await;
        assert_eq!(engine.key_last_used(&role).await.unwrap(), Some(used(4)));
        let delete = |edit: &mut DirectoryEdit| {
            edit.delete_role("Job")?;
            edit.delete_key("Ann", "AKID")
        };
        change(&*engine, &account(), delete).await.unwrap();
        assert_eq!(engine.key_last_used("AKID").await.unwrap(), None);
        assert_eq!(engine.key_last_used(&role).await.unwrap(), None);
    });
}
