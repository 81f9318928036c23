//! What a request costs that was asked before: no record is read again to decide who may.

use crate::harness::{Ask, World, ask, put};
use crate::people::{Key, policy, role_arn, trusts, user_arn};

const READ: &str =
    r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#;

/// Sends the link once, and then counts what the store reads for ten more.
async fn reads_when_warm(world: &World, link: &Ask) -> u64 {
    let send = async || assert_eq!(world.send_raw(link.clone()).await.text(), "hello");
    send().await;
    let before = world.store.counters();
    for _ in 0..10 {
        send().await;
    }
    let after = world.store.counters();
    assert!(after.cache_hits > before.cache_hits);
    after.cache_misses - before.cache_misses
}

#[tokio::test]
async fn a_warm_link_reads_no_record_whoever_signed_it() {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/a", "hello")).await.status, 200);
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/secret/*"}"#;
    let set = world.send(ask("PUT", "/bucket?policy").body(policy(deny))).await;
    assert_eq!(set.status, 204, "{}", set.text());

    let ann = world.user("ann", "").await;
    world.iam(&[("Action", "CreateGroup"), ("GroupName", "readers")]).await;
    let given = policy(READ);
    world
        .iam(&[
            ("Action", "PutGroupPolicy"),
            ("GroupName", "readers"),
            ("PolicyName", "p"),
            ("PolicyDocument", &given),
        ])
        .await;
    world.iam(&[("Action", "AddUserToGroup"), ("GroupName", "readers"), ("UserName", "ann")]).await;

    let ben = world
        .user("ben", &policy(r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#))
        .await;
    let trust = trusts(&user_arn("ben"));
    world
        .iam(&[
            ("Action", "CreateRole"),
            ("RoleName", "reader"),
            ("AssumeRolePolicyDocument", &trust),
        ])
        .await;
    world
        .iam(&[
            ("Action", "PutRolePolicy"),
            ("RoleName", "reader"),
            ("PolicyName", "p"),
            ("PolicyDocument", &given),
        ])
        .await;
    let arn = role_arn("reader");
    let assume = [("Action", "AssumeRole"), ("RoleArn", &*arn), ("RoleSessionName", "reading")];
    let session = Key::of(&world.query(&ben, "sts", &assume).await);

    for key in [Key::root(), ann, session] {
        let link = world.link_by(&key, "GET", "a");
        assert_eq!(reads_when_warm(&world, &link).await, 0, "{}", key.id);
    }
}
