//! Links in a store that is closed and opened: what was revoked stays revoked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use iam::{AccountId, MasterKey};
use jiff::Timestamp;
use presign::{Fingerprint, LinkConditions};
use store::{
    BucketName, CreatorIdentity, Encryption, Landing, LinkCreator, LinkPurpose, LinkTarget,
    ManagedLink, ManagedLinkId, NewBucket, ObjectKey, PresentedLink, REVOCATION_LIFE,
    RecordedRevocation, Revocation, RevocationScope, Revoke, RevokedLinks, Store, StoreConfig,
};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn open(dir: &Path) -> Store {
    let master_key = MasterKey::from_bytes([1; 32]);
    let (data_dir, encryption) = (dir.to_owned(), Encryption::On);
    Store::open(StoreConfig { data_dir, master_key, encryption, cache_bytes_max: 1 << 20 }, now())
        .unwrap()
}

fn account(digit: char) -> AccountId {
    AccountId::parse(&String::from(digit).repeat(12)).unwrap()
}

fn bucket() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

fn key() -> ObjectKey {
    ObjectKey::parse("reports/a").unwrap()
}

fn revocation(links: RevokedLinks, account: AccountId, signer: Option<&str>) -> Revocation {
    Revocation {
        links,
        scope: RevocationScope { account, signer: signer.map(str::to_owned) },
        signed_until: now(),
        lives_until: now() + REVOCATION_LIFE,
        revoked_at: now(),
        revoked_by: "arn:aws:iam::111111111111:root".to_owned(),
    }
}

async fn recorded(store: &Store, revocation: Revocation) -> RecordedRevocation {
    let answer = store.revoke(revocation).await.unwrap();
    let Revoke::Recorded(recorded) = answer else { panic!("{answer:?}") };
    recorded
}

/// Whether a link of the user AIDA of account 1, for an object of account 2, is dead at a time.
async fn is_dead(store: &Store, at: Timestamp) -> bool {
    let (bucket, key, account) = (bucket(), key(), account('1'));
    let link = PresentedLink {
        fingerprint: Fingerprint::of_signature(b"it"),
        access_key_id: "AKID",
        account: &account,
        signer: "AIDA",
        signed_at: Some(now()),
    };
    let target = LinkTarget { bucket: &bucket, key: Some(&key) };
    store.revocation_of(&link, &[target], at).await.unwrap().is_some()
}

async fn with_bucket(dir: &Path) -> Store {
    let store = open(dir);
    let (name, owner) = (bucket(), account('2'));
    let bucket = NewBucket { name, owner, region: "us-east-1".to_owned(), tags: Vec::new() };
    store.create_bucket(bucket, now()).await.unwrap();
    store
}

/// Each revocation alone: in force at once, after a restart, not in the name of others, and no longer once undone.
#[tokio::test]
async fn what_was_revoked_stays_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_bucket(dir.path()).await;
    let link =
        || RevokedLinks::Link { fingerprint: Fingerprint::of_signature(b"it"), target: None };
    let key_of = || RevokedLinks::AccessKey("AKID".to_owned());
    let object = || RevokedLinks::Object(bucket(), key());
    let prefix = || RevokedLinks::Prefix(bucket(), "repo".to_owned());
    let kinds: [&dyn Fn() -> RevokedLinks; 4] = [&link, &key_of, &object, &prefix];
    for links in kinds {
        for (digit, signer, kills) in [
            ('1', None, true),
            ('1', Some("AIDA"), true),
            ('1', Some("AIDB"), false),
            ('2', None, true),
            ('2', Some("AIDA"), false),
            ('3', None, false),
        ] {
            let name = format!("{:?} {digit} {signer:?}", links());
            assert!(!is_dead(&store, now()).await, "{name}");
            let RecordedRevocation { number, .. } =
                recorded(&store, revocation(links(), account(digit), signer)).await;
            assert_eq!(is_dead(&store, now()).await, kills, "{name}");
            store.close().await.unwrap();
            drop(store);
            store = open(dir.path());
            assert_eq!(is_dead(&store, now()).await, kills, "{name}, after a restart");
            let end = now() + REVOCATION_LIFE;
            assert_eq!(is_dead(&store, end).await, kills, "{name}, at its end");
            assert!(!is_dead(&store, end + Duration::from_secs(1)).await, "{name}, after its end");
            assert!(store.undo_revocation(&account(digit), number).await.unwrap());
            assert!(!is_dead(&store, now()).await, "{name}, undone");
        }
    }
}

/// Of several for one link, each must be undone.
#[tokio::test]
async fn a_link_is_dead_by_any_of_its_revocations() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path()).await;
    let mut numbers = Vec::new();
    for links in [
        RevokedLinks::AccessKey("AKID".to_owned()),
        RevokedLinks::Object(bucket(), key()),
        RevokedLinks::Prefix(bucket(), String::new()),
        RevokedLinks::Prefix(bucket(), "reports/".to_owned()),
    ] {
        numbers.push(recorded(&store, revocation(links, account('1'), None)).await.number);
    }
    for number in numbers {
        assert!(is_dead(&store, now()).await);
        assert!(store.undo_revocation(&account('1'), number).await.unwrap());
    }
    assert!(!is_dead(&store, now()).await);
}

/// Whoever asks for a revocation may hang up between its record and the answer: what is recorded is in force.
#[tokio::test]
async fn a_revocation_holds_though_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_bucket(dir.path()).await;
    {
        let links = RevokedLinks::AccessKey("AKID".to_owned());
        let mut revoking = pin!(store.revoke(revocation(links, account('1'), None)));
        let polled = poll_fn(|context| Poll::Ready(revoking.as_mut().poll(context))).await;
        assert!(polled.is_pending());
    }
    for _ in 0..1000 {
        if is_dead(&store, now()).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the revocation is not in force");
}

/// Whoever has the id of a managed link has the link.
#[tokio::test]
async fn the_id_of_a_managed_link_is_not_to_be_read_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let link = ManagedLink {
        id: ManagedLinkId::generate().unwrap(),
        account: account('1'),
        creator: LinkCreator {
            identity: CreatorIdentity::Root,
            arn: "arn:aws:iam::111111111111:root".to_owned(),
            signer: "111111111111".to_owned(),
            access_key_id: "AKIAROOT".to_owned(),
            root_key: None,
            session: None,
        },
        purpose: LinkPurpose::Folder { bucket: bucket(), prefix: "a-known-prefix/".to_owned() },
        created_at: now(),
        expires_at: now() + REVOCATION_LIFE,
        conditions: LinkConditions::default(),
        passphrase: None,
        landing: Landing::Auto,
        names_creator: false,
        notify: Vec::new(),
        delete_object_at_end: None,
        closed_at: None,
        revision: 1,
    };
    store.put_managed_link(link.clone()).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let names = ["metadata.sqlite", "metadata.sqlite-wal"];
    let files = names.map(|name| std::fs::read(dir.path().join(name)).unwrap_or_default());
    let holds = |text: &[u8]| {
        files.iter().any(|file| file.windows(text.len()).any(|window| window == text))
    };
    assert!(holds(b"a-known-prefix/"));
    let id = link.id.text();
    assert!(!holds(id.as_bytes()) && !holds(STANDARD.encode(&id).trim_end_matches('=').as_bytes()));
    let bytes = URL_SAFE_NO_PAD.decode(&id).unwrap();
    assert!(!holds(&bytes) && !holds(STANDARD.encode(&bytes).trim_end_matches('=').as_bytes()));
    let store = open(dir.path());
    let read = store.managed_link(&link.fingerprint()).await.unwrap();
    assert_eq!(read.as_deref(), Some(&link));
}
