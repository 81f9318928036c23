//! Managed links: each change is one of the revision that was read, and a link is closed once.

use presign::LinkConditions;

use super::*;

pub(super) fn managed(bucket: &str, at_seconds: i64) -> ManagedLink {
    ManagedLink {
        id: ManagedLinkId::generate().unwrap(),
        account: account(),
        creator: LinkCreator {
            identity: CreatorIdentity::User { id: "AIDAEXAMPLE".to_owned() },
            arn: "arn:aws:iam::000000000000:user/ana".to_owned(),
            signer: "AIDAEXAMPLE".to_owned(),
            access_key_id: "AKIAEXAMPLE".to_owned(),
            root_key: None,
            session: None,
        },
        purpose: LinkPurpose::Folder {
            bucket: BucketName::parse(bucket).unwrap(),
            prefix: "a/ä/".to_owned(),
        },
        created_at: at(at_seconds),
        expires_at: at(1000),
        conditions: LinkConditions::default(),
        passphrase: None,
        landing: Landing::Auto,
        names_creator: false,
        notify: Vec::new(),
        delete_object_at_end: None,
        closed_at: None,
        revision: 1,
    }
}

/// One with all that a link may have.
fn whole() -> ManagedLink {
    let mut link = managed("bucket", 1);
    link.creator = LinkCreator {
        identity: CreatorIdentity::Role { id: "AROAEXAMPLE".to_owned(), session: "s".to_owned() },
        arn: "arn:aws:sts::000000000000:assumed-role/r/s".to_owned(),
        signer: "AROAEXAMPLE:s".to_owned(),
        access_key_id: "ASIAEXAMPLE".to_owned(),
        root_key: iam::OpenedBy::of_mark_text("AKIAROOT", &format!("{}=", "A".repeat(43))),
        session: Some(CreatorSession {
            issued_at: at(-1),
            policies: Some(vec![Arc::new(
                iam::Policy::parse(
                    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
                )
                .unwrap(),
            )]),
            tags: vec![("team".to_owned(), "blue".to_owned())],
            source_identity: Some("ana".to_owned()),
            federated_provider: Some("arn:aws:iam::000000000000:oidc-provider/id.test".to_owned()),
        }),
    };
    link.purpose = LinkPurpose::Request {
        bucket: bucket_name(),
        prefix: "in/".to_owned(),
        limits: FileLimits {
            max_bytes: Some(1),
            max_files: Some(2),
            max_total_bytes: Some(3),
            types: vec!["image/*".to_owned(), ".pdf".to_owned()],
            ask_name: true,
            ask_note: true,
        },
    };
    link.conditions.uses = Some(3.try_into().unwrap());
    link.conditions.label = Some("für Zoë".parse().unwrap());
    link.passphrase = Some("$argon2id$v=19$…".to_owned());
    link.landing = Landing::Always;
    link.names_creator = true;
    link.notify = vec!["mailto:a@example.com".to_owned()];
    link.delete_object_at_end = Some(tag(7));
    link
}

#[test]
fn a_managed_link_is_found_as_it_was_recorded() {
    every_engine(|engine| async move {
        let object = LinkPurpose::Object {
            bucket: bucket_name(),
            key: key("a/b"),
            version: Some(VersionId::Null),
            filename: Some("b.txt".to_owned()),
            inline: true,
        };
        let presigned = LinkPurpose::Presigned {
            bucket: bucket_name(),
            key: key("a/b"),
            method: "PUT".to_owned(),
            signature: presign::Fingerprint::of_signature(b"s"),
        };
        let purposes = [object, presigned];
        let all = purposes.map(|purpose| ManagedLink { purpose, ..managed("bucket", 2) });
        for link in all.into_iter().chain([whole(), managed("bucket", 3)]) {
            let put = engine.put_managed_link(link.clone()).await.unwrap();
            assert_eq!(put, PutManagedLink::Recorded);
            let found = engine.managed_link(&link.fingerprint()).await.unwrap();
            assert_eq!(found.as_deref(), Some(&link));
        }
        let nobody = ManagedLinkId::generate().unwrap().fingerprint();
        assert_eq!(engine.managed_link(&nobody).await.unwrap(), None);
    });
}

#[test]
fn a_change_is_one_of_the_revision_that_was_read() {
    every_engine(|engine| async move {
        let link = managed("bucket", 1);
        engine.put_managed_link(link.clone()).await.unwrap();
        let later = ManagedLink { expires_at: at(2000), revision: 2, ..link.clone() };
        assert!(engine.change_managed_link(later.clone()).await.unwrap());
        let stale = ManagedLink { notify: vec!["mailto:x@y".to_owned()], revision: 2, ..link };
        assert!(!engine.change_managed_link(stale).await.unwrap());
        let found = engine.managed_link(&later.fingerprint()).await.unwrap();
        assert_eq!(found.as_deref(), Some(&later));
        assert!(!engine.change_managed_link(managed("bucket", 1)).await.unwrap());
    });
}

#[test]
fn the_uses_of_a_link_are_remembered_for_as_long_as_it_lives() {
    every_engine(|engine| async move {
        let link = managed("bucket", 1);
        engine.put_managed_link(link.clone()).await.unwrap();
        let wanted = OpenUse {
            link: link.fingerprint(),
            uses_max: 1,
            bytes_returned: 0,
            link_ends_at: link.expires_at,
        };
        assert!(engine.open_use(wanted).await.unwrap());
        let extended = ManagedLink { expires_at: at(3000), revision: 2, ..link };
        assert!(engine.change_managed_link(extended).await.unwrap());
        assert_eq!(engine.forget_uses(at(2000)).await.unwrap(), 0);
        assert!(!engine.open_use(wanted).await.unwrap());
    });
}

#[test]
fn managed_links_are_listed_newest_first_by_place() {
    every_engine(|engine| async move {
        let mut links = Vec::new();
        for n in 0..6 {
            let bucket = if n % 2 == 0 { "even" } else { "odd" };
            let link = managed(bucket, n);
            engine.put_managed_link(link.clone()).await.unwrap();
            links.push(link);
        }
        let other = AccountId::parse("111111111111").unwrap();
        engine
            .put_managed_link(ManagedLink { account: other, ..managed("even", 9) })
            .await
            .unwrap();
        let list = async |within: Option<(&str, &str)>| {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let within = within.map(|(bucket, prefix)| {
                    (BucketName::parse(bucket).unwrap(), prefix.to_owned())
                });
                let query = ListManagedLinks { account: account(), within, after, limit: 2 };
                let page = engine.managed_links(query).await.unwrap();
                assert!(page.links.len() <= 2);
                let since =
                    |link: &Arc<ManagedLink>| link.created_at.duration_since(at(0)).as_secs();
                let times = page.links.iter().map(since);
                seen.extend(times);
                after = page.next;
                if after.is_none() {
                    return seen;
                }
            }
        };
        assert_eq!(list(None).await, [5, 4, 3, 2, 1, 0]);
        assert_eq!(list(Some(("even", ""))).await, [4, 2, 0]);
        assert_eq!(list(Some(("odd", "a/ä"))).await, [5, 3, 1]);
        // What lies in a folder is led to by the link of the folder, and not by a request that puts files there.
        assert_eq!(list(Some(("odd", "a/ä/b"))).await, [5, 3, 1]);
        assert_eq!(list(Some(("odd", "a/ä"))).await, [5, 3, 1]);
        let limits = FileLimits::default();
        let bucket = BucketName::parse("odd").unwrap();
        let purpose = LinkPurpose::Request { bucket, prefix: "a/".to_owned(), limits };
        let request = ManagedLink { purpose, ..managed("odd", 7) };
        engine.put_managed_link(request).await.unwrap();
        assert_eq!(list(Some(("odd", "a/ä/b"))).await, [5, 3, 1]);
        assert_eq!(list(Some(("odd", "a/"))).await, [7, 5, 3, 1]);
        assert_eq!(list(Some(("odd", "b"))).await, [0; 0]);
    });
}

#[test]
fn a_link_is_closed_once_and_its_object_deleted_with_it() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        put(&*engine, "a", 1).await;
        let link = managed("bucket", 1);
        engine.put_managed_link(link.clone()).await.unwrap();
        let ended = async |now| engine.ended_managed_links(at(now), None, 10).await.unwrap().len();
        let last = async |of| engine.managed_links_end(of).await.unwrap();
        assert_eq!(last(ManagedLinksOf::Bucket(bucket_name())).await, Some(at(1000)));
        assert_eq!(last(ManagedLinksOf::Account(account())).await, Some(at(1000)));
        let other = BucketName::parse("other").unwrap();
        assert_eq!(last(ManagedLinksOf::Bucket(other)).await, None);
        assert_eq!((ended(999).await, ended(1000).await), (0, 1));
        let after = async |place| engine.ended_managed_links(at(1000), place, 10).await.unwrap();
        assert!(after(Some(link.ended_place())).await.is_empty());
        let before = EndedPlace { ended_ms: 999_999, ..link.ended_place() };
        assert_eq!(after(Some(before)).await.len(), 1);
        let closed = ManagedLink { closed_at: Some(at(1000)), revision: 2, ..link.clone() };
        let delete = DeleteObject::of(&the_bucket(), &key("a"), None);
        let close = async || {
            let delete = Some(delete.clone());
            engine.close_managed_link(closed.clone(), delete, at(1000)).await.unwrap()
        };
        assert!(matches!(close().await, Some(CloseManagedLink::Closed(Some(_)))));
        put(&*engine, "a", 2).await;
        assert_eq!(close().await, Some(CloseManagedLink::Changed));
        assert_eq!(look(&*engine, "a", None).await, "2", "what came later stays");
        assert_eq!(ended(1000).await, 0);
        assert_eq!(last(ManagedLinksOf::Bucket(bucket_name())).await, None);
        assert_eq!(engine.forget_managed_links(at(1000)).await.unwrap(), 0);
        assert_eq!(engine.forget_managed_links(at(1001)).await.unwrap(), 1);
        assert_eq!(engine.managed_link(&link.fingerprint()).await.unwrap(), None);
    });
}

#[test]
fn links_without_a_use_left_are_found() {
    every_engine(|engine| async move {
        let mut link = managed("bucket", 1);
        link.conditions.uses = Some(1.try_into().unwrap());
        for one in [link.clone(), managed("bucket", 2)] {
            engine.put_managed_link(one).await.unwrap();
        }
        let used_up = async || engine.used_up_managed_links(None, 10).await.unwrap().links;
        assert!(used_up().await.is_empty());
        let wanted = OpenUse {
            link: link.fingerprint(),
            uses_max: 1,
            bytes_returned: 0,
            link_ends_at: link.expires_at,
        };
        assert!(engine.open_use(wanted).await.unwrap());
        assert_eq!(used_up().await, [Arc::new(link.clone())]);
        let mut others = [managed("bucket", 3), managed("bucket", 4)];
        for other in &mut others {
            other.conditions.uses = Some(1.try_into().unwrap());
            engine.put_managed_link(other.clone()).await.unwrap();
        }
        let (mut found, mut looks, mut after) = (Vec::new(), 0, None);
        loop {
            let page = engine.used_up_managed_links(after, 1).await.unwrap();
            found.extend(page.links);
            (looks, after) = (looks + 1, page.next);
            if after.is_none() {
                break;
            }
        }
        assert_eq!((found, looks), (vec![Arc::new(link)], 4), "each of three is looked at");
    });
}

#[test]
fn a_passphrase_has_five_tries_a_minute_whoever_tries() {
    every_engine(|engine| async move {
        let link = managed("bucket", 1).fingerprint();
        let jobs = (0..50).map(|_| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.try_passphrase(&link, at(1)).await.unwrap() })
        });
        let mut tried = 0;
        for job in jobs.collect::<Vec<_>>() {
            tried += u32::from(job.await.unwrap());
        }
        assert_eq!(tried, 5);
        let other = managed("bucket", 2).fingerprint();
        assert!(engine.try_passphrase(&other, at(2)).await.unwrap());
        assert!(!engine.try_passphrase(&link, at(60)).await.unwrap());
        assert!(engine.try_passphrase(&link, at(61)).await.unwrap());
    });
}
