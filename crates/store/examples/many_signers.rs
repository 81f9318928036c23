//! What it costs to know who signs where 200,000 users in 50 accounts sign in turns, beside reading the directory of
//! the account for each of them, in a data directory that may be there already: `cargo run --release -p store --example many_signers DIR`. The figures are in
//! `bench/RESULTS.md`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool that measures")]

#[path = "measuring/process.rs"]
mod process;

use std::path::PathBuf;
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use presign::SecretAccessKey;
use process::{open, resident_bytes};
use store::{DirectoryEdit, GivenKey, IdentityError, KeyOwner, NewManagedPolicy, Store};

const ACCOUNTS: usize = 50;
const USERS: usize = 4000;
/// Groups of an account, and managed policies as well: users share them.
const SHARED: usize = 20;
/// How many requests are made by directories, each of which takes long.
const BY_DIRECTORY: usize = 200;

#[tokio::main]
async fn main() {
    let data_dir = PathBuf::from(std::env::args().nth(1).unwrap());
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let store = open(&data_dir, now);
    for account in 0..ACCOUNTS {
        if store.access_key(&key_id(account, 0)).await.unwrap().is_some() {
            continue;
        }
        let of = id(account);
        let made = store.change_identities(&of, now, move |edit| fill(edit, account));
        made.await.unwrap().unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    println!("{ACCOUNTS} accounts of {USERS} users; CPU and memory beside those of an idle store");
    by_directory(&open(&data_dir, now)).await;
    by_signer(&open(&data_dir, now)).await;
}

/// As it was before there were signers: the directory of the account is read for each request.
async fn by_directory(store: &Store) {
    for (what, accounts) in [("in turns through 50 accounts", ACCOUNTS), ("of one account", 1)] {
        let (before, cpu) = (resident_bytes(), cpu_seconds());
        for n in 0..BY_DIRECTORY {
            let key = store.access_key(&key_id(n % accounts, n / accounts)).await.unwrap().unwrap();
            let KeyOwner::User { id } = &key.owner else { continue };
            let directory = store.directory(&key.account).await.unwrap();
            let user = directory.user_by_id(id).unwrap();
            assert_eq!(directory.policies_of_user(user).len(), 3);
        }
        report("directory", what, BY_DIRECTORY, before, cpu);
    }
}

/// As it is now: the signer is read for each request.
async fn by_signer(store: &Store) {
    let rounds = [
        ("all 200,000 in turns, the first time", USERS),
        ("all 200,000 in turns, again", USERS),
        ("10,000 of them, the first time", 200),
        ("10,000 of them, again", 200),
        ("50 of them, again and again", 1),
    ];
    let before = resident_bytes();
    for (what, users) in rounds {
        let (cpu, times) = (cpu_seconds(), if users == 1 { 2000 } else { 1 });
        for _ in 0..times {
            for user in 0..users {
                for account in 0..ACCOUNTS {
                    let key = store.access_key(&key_id(account, user)).await.unwrap().unwrap();
                    let KeyOwner::User { id } = &key.owner else { continue };
                    let signer = store.signer(&key.account, id).await.unwrap().unwrap();
                    assert_eq!(signer.policies.len(), 3);
                }
            }
        }
        report("signer", what, users * ACCOUNTS * times, before, cpu);
    }
    let (cpu, times) = (cpu_seconds(), 1_000_000_usize);
    for _ in 0..times {
        assert!(store.access_key(&key_id(0, 0)).await.unwrap().is_some());
    }
    report("", "of which the key, when it is in memory", times, before, cpu);
}

fn report(how: &str, what: &str, requests: usize, before: usize, cpu: f64) {
    let each = (cpu_seconds() - cpu) * 1e6 / f64::from(u32::try_from(requests).unwrap());
    let megabytes = resident_bytes().saturating_sub(before) / 1_000_000;
    println!("{how}, {what}: {each:.1} µs of CPU a request, {megabytes} MB more resident");
}

fn id(account: usize) -> AccountId {
    AccountId::parse(&format!("{account:012}")).unwrap()
}

fn key_id(account: usize, user: usize) -> String {
    format!("AKIA{account:04}USER{user:08}")
}

/// Users as companies have them: a policy of their own, one managed policy, one group.
fn fill(edit: &mut DirectoryEdit, account: usize) -> Result<(), IdentityError> {
    for n in 0..SHARED {
        edit.create_group(&format!("group-{n}"), "/")?;
        let document = policy(&format!("group-{n}"), 10);
        edit.change_group(&format!("group-{n}"), |group| {
            Ok(group.inline.insert("In".to_owned(), document))
        })?;
        edit.create_policy(NewManagedPolicy {
            name: format!("policy-{n}"),
            path: "/".to_owned(),
            description: None,
            document: policy(&format!("policy-{n}"), 20),
            tags: Vec::new(),
        })?;
    }
    for n in 0..USERS {
        let name = format!("user-{n:04}");
        edit.create_user(&name, "/", None, Vec::new())?;
        let arn = format!("arn:aws:iam::{}:policy/policy-{}", id(account).as_str(), n % SHARED);
        let document = policy(&name, 1);
        edit.change_user(&name, |user| {
            user.attached.insert(arn);
            Ok(user.inline.insert("In".to_owned(), document))
        })?;
        edit.add_to_group(&format!("group-{}", n % SHARED), &name)?;
        let secret = SecretAccessKey::new("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12");
        edit.create_given_key(&name, GivenKey { id: key_id(account, n), secret })?;
    }
    Ok(())
}

/// A policy of so many statements.
fn policy(name: &str, statements: usize) -> Arc<Policy> {
    let statement = |n: usize| {
        format!(
            r#"{{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket-{n}/{name}/*"}}"#
        )
    };
    let statements = (0..statements).map(statement).collect::<Vec<_>>().join(",");
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Arc::new(Policy::parse(&text).unwrap())
}

/// User and system time of all threads, in ticks of a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let times = stat.rsplit_once(')').unwrap().1.split(' ').skip(12).take(2);
    times.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
