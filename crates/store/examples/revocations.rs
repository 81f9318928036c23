//! What revocations cost: memory, the time to open a store that has many, and what they add to judging a link that is not
//! revoked. `cargo run --release -p store --example revocations DIR COUNT`; COUNT is made once, in a data directory that may
//! be there already. The figures are in `bench/RESULTS.md`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool that measures")]

#[path = "measuring/process.rs"]
mod process;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use iam::AccountId;
use jiff::{SignedDuration, Timestamp};
use presign::Fingerprint;
use process::{open, resident_bytes};
use store::{
    BucketName, LinkTarget, ListRevocations, NewBucket, ObjectKey, PresentedLink, Revocation,
    RevocationScope, Revoke, RevokedLinks, Store,
};

/// Prefixes that are revoked besides.
const PREFIXES: u64 = 10_000;
/// As many as one account may have.
const OF_ONE_ACCOUNT: u64 = 1_500_000;
/// Revocations that are made at once: the store commits them together.
const AT_ONCE: u64 = 4096;
/// Links that are judged in a round, and rounds.
const JUDGED: u32 = 200_000;
const ROUNDS: u64 = 20;

#[tokio::main]
async fn main() {
    let data_dir = PathBuf::from(std::env::args().nth(1).unwrap());
    let count: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let store = open(&data_dir, now);
    let made_bucket = NewBucket {
        name: bucket(),
        owner: account(0),
        region: "us-east-1".to_owned(),
        tags: Vec::new(),
    };
    store.create_bucket(made_bucket, now).await.unwrap();
    judge("no revocation, or as many as there were", &store, now).await;
    if made(&store, 0).await == 0 {
        for prefix in 0..PREFIXES {
            revoke(&store, RevokedLinks::Prefix(bucket(), format!("{prefix}/")), account(0), now)
                .await;
        }
        judge("10,000 prefixes", &store, now).await;
        for first in (0..count).step_by(usize::try_from(AT_ONCE).unwrap()) {
            let jobs: Vec<_> = (first..(first + AT_ONCE).min(count))
                .map(|n| {
                    let store = store.clone();
                    let links = RevokedLinks::Link { fingerprint: fingerprint(n), target: None };
                    tokio::spawn(async move {
                        revoke(&store, links, account(n / OF_ONE_ACCOUNT), now).await;
                    })
                })
                .collect();
            for job in jobs {
                job.await.unwrap();
            }
        }
        judge("and so many links", &store, now).await;
    }
    store.close().await.unwrap();
    drop(store);
    let before = resident_bytes();
    let begun = Instant::now();
    let store = open(&data_dir, now);
    println!("opened in {:.3} s", begun.elapsed().as_secs_f64());
    judge("while they are read", &store, now).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let more = resident_bytes().saturating_sub(before) / 1_000_000;
    println!("{more} MB more resident than before it was opened, 20 s later");
    judge("once they are read", &store, now).await;
}

async fn made(store: &Store, of: u64) -> usize {
    let query = ListRevocations { account: account(of), signer: None, after: 0, limit: 1 };
    store.revocations(query).await.unwrap().revocations.len()
}

async fn revoke(store: &Store, links: RevokedLinks, account: AccountId, now: Timestamp) {
    let lives_until = now + SignedDuration::from_hours(24 * 7);
    let revocation = Revocation {
        links,
        scope: RevocationScope { account, signer: None },
        signed_until: now,
        lives_until,
        revoked_at: now,
        revoked_by: "arn:aws:iam::000000000000:root".to_owned(),
    };
    let answer = store.revoke(revocation).await.unwrap();
    assert!(matches!(answer, Revoke::Recorded(_)));
}

/// Judges links that are not revoked, and that have the key of an object whose neighbours are.
async fn judge(what: &str, store: &Store, now: Timestamp) {
    let (bucket, account) = (bucket(), account(0));
    let key = ObjectKey::parse("999999/a/b/c/report.pdf").unwrap();
    let target = LinkTarget { bucket: &bucket, key: Some(&key) };
    let (rounds, links) = if what.starts_with("while") { (1, 1000) } else { (ROUNDS, JUDGED) };
    let mut least = f64::INFINITY;
    for round in 0..rounds {
        let first = u64::MAX - round * u64::from(links);
        let fingerprints: Vec<_> = (0..links).map(|n| fingerprint(first - u64::from(n))).collect();
        let begun = Instant::now();
        for fingerprint in fingerprints {
            let link = PresentedLink {
                fingerprint,
                access_key_id: "AKIAIOSFODNN7EXAMPLE",
                account: &account,
                signer: "AIDAIOSFODNN7EXAMPLE",
                signed_at: Some(now),
            };
            assert!(black_box(store.revocation_of(&link, &[target], now).await.unwrap()).is_none());
        }
        least = least.min(begun.elapsed().as_secs_f64() * 1e9 / f64::from(links));
    }
    println!("{what}: {least:.0} ns a link, in the best of {rounds} rounds");
}

fn fingerprint(n: u64) -> Fingerprint {
    Fingerprint::of_signature(&n.to_be_bytes())
}

fn bucket() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

fn account(n: u64) -> AccountId {
    AccountId::parse(&format!("{n:012}")).unwrap()
}
