//! How much memory an account takes whose every quota is used up, as it weighs itself and as the system
//! sees it: `cargo run -p store --example worst_account DIR`. The figure is in `docs/design.md`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool that measures")]

#[path = "measuring/process.rs"]
mod process;

use std::path::PathBuf;
use std::sync::Arc;

use iam::{AccountId, Policy};
use jiff::Timestamp;
use process::{open, resident_bytes};
use store::{BoundPolicy, Counts, DirectoryEdit, IdentityError, NewManagedPolicy, NewRole, Quota};

#[tokio::main]
async fn main() {
    let data_dir = PathBuf::from(std::env::args().nth(1).unwrap());
    let account = AccountId::parse("000000000000").unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let store = open(&data_dir, now);
    let filled = store.change_identities(&account, now, fill).await.unwrap();
    println!("filled: {filled:?}");
    store.close().await.unwrap();
    drop(store);
    let store = open(&data_dir, now);
    let before = resident_bytes();
    let directory = store.directory(&account).await.unwrap();
    let weighs = directory.weight_bytes();
    println!("weighs {} MB", weighs / 1_000_000);
    println!("resident {} MB more", resident_bytes().saturating_sub(before) / 1_000_000);
}

/// Everything that quotas allow, tags aside.
fn fill(edit: &mut DirectoryEdit) -> Result<(), IdentityError> {
    let inline = || "p".to_owned();
    let document = policy(Quota::InlineOfUser.max());
    for n in 0..Quota::Users.max() {
        let name = format!("user-{n}");
        edit.create_user(&name, "/", None, Vec::new())?;
        let document = Arc::clone(&document);
        edit.change_user(&name, |user| Ok(user.inline.insert(inline(), document)))?;
    }
    let document = policy(Quota::InlineOfGroup.max());
    for n in 0..Quota::Groups.max() {
        let name = format!("group-{n}");
        edit.create_group(&name, "/")?;
        let document = Arc::clone(&document);
        edit.change_group(&name, |group| Ok(group.inline.insert(inline(), document)))?;
    }
    let trust = policy(Quota::TrustPolicy.max());
    let document = policy(Quota::InlineOfRole.max());
    for n in 0..Quota::Roles.max() {
        let name = format!("role-{n}");
        edit.create_role(NewRole {
            name: name.clone(),
            path: "/".to_owned(),
            description: None,
            max_session_seconds: 3600,
            trust: BoundPolicy { document: Arc::clone(&trust), bound: Arc::clone(&trust) },
            boundary: None,
            tags: Vec::new(),
        })?;
        let document = Arc::clone(&document);
        edit.change_role(&name, |role| Ok(role.inline.insert(inline(), document)))?;
    }
    let document = policy(Quota::ManagedPolicy.max());
    for n in 0..Quota::Policies.max() {
        edit.create_policy(NewManagedPolicy {
            name: format!("policy-{n}"),
            path: "/".to_owned(),
            description: None,
            document: Arc::clone(&document),
            tags: Vec::new(),
        })?;
        let arn = format!("arn:aws:iam::000000000000:policy/policy-{n}");
        for _ in 1..Quota::PolicyVersions.max() {
            edit.create_policy_version(&arn, Arc::clone(&document), Counts::FromNowOn)?;
        }
    }
    Ok(())
}

/// A policy of so many characters that is compiled to more than any other: one operand of one digit after
/// another.
fn policy(characters: usize) -> Arc<Policy> {
    let around = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericEquals":{"a:b":[OPERANDS]}}}}"#;
    let room = characters.saturating_sub(around.len());
    let operands = vec!["0"; room / 2].join(",");
    Arc::new(Policy::parse(&around.replace("OPERANDS", &operands)).unwrap())
}
