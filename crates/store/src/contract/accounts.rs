//! Accounts, the settings of their buckets, and when their keys were used.

use super::identities::{bound, change, other, root_key, tag};
use super::*;

fn new_account(id: &AccountId, name: &str) -> Account {
    let (name, email) = (name.to_owned(), Some(format!("{name}@example.com")));
    Account { id: id.clone(), name, email, created_at: at(2) }
}

pub(super) async fn create_account(
    engine: &impl Metadata,
    id: &AccountId,
    key: &str,
) -> CreateAccount {
    engine.create_account(new_account(id, "name"), root_key(id, key)).await.unwrap()
}

#[test]
fn accounts_are_made_once_and_removed_when_they_have_nothing() {
    every_engine(|engine| async move {
        assert_eq!(engine.account(&other()).await.unwrap(), None);
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::NotFound);
        let made = create_account(&*engine, &other(), "AKIR").await;
        let CreateAccount::Created { account: made, root } = made else { panic!("{made:?}") };
        assert_eq!((&made, root.id.as_str()), (&new_account(&other(), "name"), "AKIR"));
        assert_eq!(engine.account(&other()).await.unwrap(), Some(made));
        assert_eq!(engine.access_key("AKIR").await.unwrap().unwrap().account, other());
        let keys = engine.directory(&other()).await.unwrap();
        assert_eq!(keys.keys().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["AKIR"]);

        let again = create_account(&*engine, &other(), "AKIS").await;
        assert!(matches!(again, CreateAccount::AlreadyExists));
        let third = AccountId::parse("222222222222").unwrap();
        let taken = create_account(&*engine, &third, "AKIR").await;
        assert!(matches!(taken, CreateAccount::KeyExists));
        assert_eq!(engine.account(&third).await.unwrap(), None);

        // One that owns something is taken, though nobody recorded it: the first one is not.
        engine.create_bucket(new_bucket("first"), at(3)).await.unwrap();
        let first = create_account(&*engine, &account(), "AKIT").await;
        assert!(matches!(first, CreateAccount::AlreadyExists));

        let bucket = NewBucket { owner: other(), ..new_bucket("theirs") };
        let made = engine.create_bucket(bucket, at(3)).await.unwrap();
        let CreateBucket::Created(made) = made else { panic!("{made:?}") };
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::NotEmpty);
        engine.delete_bucket(&made.reference(), at(4)).await.unwrap();
        let make = |edit: &mut DirectoryEdit| edit.create_group("Staff", "/").map(drop);
        change(&*engine, &other(), make).await.unwrap();
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::NotEmpty);
        change(&*engine, &other(), |edit| edit.delete_group("Staff")).await.unwrap();
        assert_eq!(engine.delete_account(&other()).await.unwrap(), DeleteAccount::Deleted);
        assert!(engine.access_key("AKIR").await.unwrap().is_none());
        assert!(engine.directory(&other()).await.unwrap().keys().next().is_none());
        let made = create_account(&*engine, &other(), "AKIR").await;
        assert!(matches!(made, CreateAccount::Created { .. }));
    });
}

#[test]
fn the_key_of_a_root_is_renewed() {
    every_engine(|engine| async move {
        let renew = |key: &'static str| engine.renew_root_key(root_key(&other(), key));
        assert!(matches!(renew("AKIS").await.unwrap(), RenewRootKey::NotFound));
        let first = engine.put_access_key(root_key(&account(), "AKIA"));
        first.await.unwrap();
        create_account(&*engine, &other(), "AKIR").await;
        // Neither that of somebody else nor the one it has.
        for taken in ["AKIA", "AKIR"] {
            assert!(matches!(renew(taken).await.unwrap(), RenewRootKey::KeyExists));
        }
        let renewed = renew("AKIS").await.unwrap();
        let RenewRootKey::Renewed { account, root } = renewed else { panic!("{renewed:?}") };
        assert_eq!((account, root.id.as_str()), (new_account(&other(), "name"), "AKIS"));
        assert!(engine.access_key("AKIR").await.unwrap().is_none());
        assert_eq!(engine.access_key("AKIS").await.unwrap().unwrap().account, other());
        assert!(engine.access_key("AKIA").await.unwrap().is_some());
        let keys = engine.directory(&other()).await.unwrap();
        assert_eq!(keys.keys().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["AKIS"]);
    });
}

#[test]
fn accounts_are_listed_by_id() {
    every_engine(|engine| async move {
        let id = |n: u64| AccountId::parse(&format!("{n:012}")).unwrap();
        for n in [3, 1, 2] {
            create_account(&*engine, &id(n), &format!("AKI{n}")).await;
        }
        let rows = [
            (None, 9, vec![1, 2, 3], None),
            (None, 2, vec![1, 2], Some(2)),
            (Some(2), 2, vec![3], None),
            (Some(3), 2, vec![], None),
        ];
        for (after, limit, expected, next) in rows {
            let page = engine.accounts(after.map(id), limit).await.unwrap();
            let ids = page.accounts.into_iter().map(|account| account.id).collect::<Vec<_>>();
            assert_eq!(ids, expected.into_iter().map(id).collect::<Vec<_>>());
            assert_eq!(page.next, next.map(id));
        }
    });
}

/// Whoever read the setting before cannot know: it is the one of the moment in which the policy is written.
#[test]
fn a_public_policy_is_judged_by_the_setting_that_it_meets() {
    every_engine(|engine| async move {
        with_bucket(&*engine, Versioning::Unversioned).await;
        let of = |principal: &str| {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}]}}"#
            );
            let document = Arc::new(iam::Policy::parse(&text).unwrap());
            Arc::new(BoundPolicy { bound: Arc::clone(&document), document })
        };
        let (public, narrow) = (of(r#""*""#), of(r#"{"AWS":"111111111111"}"#));
        let set = async |policy: Option<&Arc<BoundPolicy>>| {
            let setting = BucketSetting::Policy(policy.cloned());
            let outcome = engine.set_bucket(&the_bucket(), setting).await.unwrap();
            (outcome, engine.bucket(&bucket_name()).await.unwrap().unwrap().policy.clone())
        };
        let block = async |block_public_policy| {
            let block = PublicAccessBlock {
                block_public_acls: false,
                ignore_public_acls: false,
                block_public_policy,
                restrict_public_buckets: false,
            };
            let setting = BucketSetting::PublicAccessBlock(Some(block));
            let outcome = engine.set_bucket(&the_bucket(), setting).await.unwrap();
            assert_eq!(outcome, SetBucket::Set);
        };
        let blocked = SetBucket::PublicPolicyBlocked;
        // A new bucket refuses them.
        assert_eq!(set(Some(&public)).await, (blocked, None));
        assert_eq!(set(Some(&narrow)).await, (SetBucket::Set, Some(Arc::clone(&narrow))));
        assert_eq!(set(Some(&public)).await, (blocked, Some(Arc::clone(&narrow))));
        block(false).await;
        assert_eq!(set(Some(&public)).await, (SetBucket::Set, Some(Arc::clone(&public))));
        // What is there stays, and no other comes.
        block(true).await;
        assert_eq!(set(Some(&public)).await, (blocked, Some(Arc::clone(&public))));
        assert_eq!(set(None).await, (SetBucket::Set, None));
    });
}

#[test]
fn settings_of_a_bucket_are_its_owners_words() {
    every_engine(|engine| async move {
        let here = the_bucket();
        let outcome = engine.set_bucket(&here, BucketSetting::Tags(vec![tag("a")])).await.unwrap();
        assert_eq!(outcome, SetBucket::NotFound);
        with_bucket(&*engine, Versioning::Unversioned).await;
        let bucket = || async { engine.bucket(&bucket_name()).await.unwrap().unwrap() };
        let new = bucket().await;
        let all = |on| PublicAccessBlock {
            block_public_acls: on,
            ignore_public_acls: on,
            block_public_policy: on,
            restrict_public_buckets: on,
        };
        let enforced = ObjectOwnership::BucketOwnerEnforced;
        assert_eq!((new.public_access_block, new.ownership), (Some(all(true)), Some(enforced)));
        assert!(new.policy.is_none() && new.tags.is_empty() && new.cors.is_empty());

        let set = |setting| {
            let engine = &engine;
            async move {
                let outcome = engine.set_bucket(&the_bucket(), setting).await.unwrap();
                assert_eq!(outcome, SetBucket::Set);
            }
        };
        let policy = Arc::new(bound("s3:GetObject"));
        set(BucketSetting::Policy(Some(Arc::clone(&policy)))).await;
        assert_eq!(bucket().await.policy, Some(policy));
        let mixed = PublicAccessBlock { ignore_public_acls: true, ..all(false) };
        let other = PublicAccessBlock { restrict_public_buckets: true, ..all(false) };
        for block in [Some(mixed), Some(other), None, Some(all(true)), Some(all(false))] {
            set(BucketSetting::PublicAccessBlock(block)).await;
            assert_eq!(bucket().await.public_access_block, block);
        }
        let (preferred, writer) =
            (ObjectOwnership::BucketOwnerPreferred, ObjectOwnership::ObjectWriter);
        for ownership in [Some(preferred), Some(writer), Some(enforced), None] {
            set(BucketSetting::Ownership(ownership)).await;
            assert_eq!(bucket().await.ownership, ownership);
        }
        for tags in [vec![tag("b"), tag("a")], Vec::new()] {
            set(BucketSetting::Tags(tags.clone())).await;
            assert_eq!(bucket().await.tags, tags);
        }
        let keys = [None, Some(CustomerKeys::Allowed), Some(CustomerKeys::Blocked)];
        for (customer_keys, on) in keys.into_iter().zip([true, false, true]) {
            let encryption = BucketEncryption { aes256: on, bucket_key: !on, customer_keys };
            set(BucketSetting::Encryption(encryption)).await;
            assert_eq!(bucket().await.encryption, encryption);
        }
        engine.set_versioning(&here, Versioning::Enabled).await.unwrap();
        let kept = bucket().await;
        assert!(kept.policy.is_some() && kept.ownership.is_none());
        let listed = ListBuckets { prefix: None, after: None, limit: 9 };
        let listed = engine.buckets(&account(), listed).await.unwrap();
        assert_eq!(listed.buckets, [kept]);
        set(BucketSetting::Policy(None)).await;
        assert_eq!(bucket().await.policy, None);

        engine.delete_bucket(&here, at(5)).await.unwrap();
        engine.create_bucket(new_bucket("bucket"), at(6)).await.unwrap();
        let again = bucket().await;
        assert_eq!((again.public_access_block, again.ownership), (Some(all(true)), Some(enforced)));
    });
}

#[test]
fn rules_of_a_bucket_for_pages_are_kept_as_they_are() {
    every_engine(|engine| async move {
        let here = the_bucket();
        engine.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        let rule = |id: Option<&str>, max_age_seconds| CorsRule {
            id: id.map(str::to_owned),
            allowed_origins: vec!["https://*.example".into(), String::new()],
            allowed_methods: vec![
                CorsMethod::Head,
                CorsMethod::Get,
                CorsMethod::Put,
                CorsMethod::Post,
                CorsMethod::Delete,
            ],
            allowed_headers: vec!["x-AMZ-*".into()],
            expose_headers: vec!["ETag".into(), "b".into()],
            max_age_seconds,
        };
        let bare = CorsRule {
            allowed_headers: Vec::new(),
            expose_headers: Vec::new(),
            ..rule(None, None)
        };
        for rules in [Vec::new(), vec![rule(Some("a"), Some(0)), bare.clone()], vec![bare]] {
            let set = BucketSetting::Cors(rules.clone());
            assert_eq!(engine.set_bucket(&here, set).await.unwrap(), SetBucket::Set);
            let bucket = engine.bucket(&bucket_name()).await.unwrap().unwrap();
            assert_eq!((&*bucket.cors, bucket.tags.len()), (&*rules, 0));
        }
        engine.delete_bucket(&here, at(1)).await.unwrap();
        engine.create_bucket(new_bucket("bucket"), at(2)).await.unwrap();
        assert!(engine.bucket(&bucket_name()).await.unwrap().unwrap().cors.is_empty());
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
