//! Settings of buckets: kept as their owners wrote them, judged when they are written.

use super::*;
use crate::contract::identities::{bound, tag};

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
fn websites_are_kept_as_they_are() {
    every_engine(|engine| async move {
        let here = the_bucket();
        engine.create_bucket(new_bucket("bucket"), at(0)).await.unwrap();
        let text = |text: &str| Some(text.to_owned());
        let redirect = |key| RoutingRedirect {
            protocol: Some(WebProtocol::Https),
            host: text("other.example"),
            key,
            status: Some(302),
        };
        let rule =
            |key_prefix, error_status, redirect| RoutingRule { key_prefix, error_status, redirect };
        let rules = vec![
            rule(text("a/"), Some(404), redirect(Some(KeyReplacement::Prefix(String::new())))),
            rule(None, None, redirect(Some(KeyReplacement::Whole("é".to_owned())))),
            rule(text(""), None, RoutingRedirect::default()),
        ];
        let pages = |error_key, rules| {
            Website::Pages(WebsitePages { index_suffix: "index.html".into(), error_key, rules })
        };
        let host =
            |protocol| Website::Redirect(WebsiteHost { name: "other.example".into(), protocol });
        for website in [
            Some(pages(text("404.html"), rules)),
            Some(pages(None, Vec::new())),
            Some(host(Some(WebProtocol::Http))),
            Some(host(None)),
            None,
        ] {
            let website = website.map(Arc::new);
            let set = engine.set_bucket(&here, BucketSetting::Website(website.clone())).await;
            assert_eq!(set.unwrap(), SetBucket::Set);
            assert_eq!(engine.bucket(here.name()).await.unwrap().unwrap().website, website);
        }
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
