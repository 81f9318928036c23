//! A session is bound to the making of what it is of: to ids, and to the very key of a root that opened it.

use iam::AccountId;
use presign::SecretAccessKey;
use server::RootKey;
use store::{AccessKey, KeyOwner};

use crate::harness::{World, ask, config, credentials, get, put};
use crate::people::{ACCOUNT, Key, policy, query_refusal, role_arn, trusts, user_arn};

const ACCOUNTS: &str = "/_valet/api/v1/accounts";
const READ: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;

/// A session of whoever has this key, and one of a federated user for whom they vouch.
async fn sessions(world: &World, key: &Key) -> [Key; 2] {
    let read = policy(READ);
    let federate = [("Action", "GetFederationToken"), ("Name", "guest"), ("Policy", read.as_str())];
    let own = world.query(key, "sts", &[("Action", "GetSessionToken")]).await;
    let federated = world.query(key, "sts", &federate).await;
    [Key::of(&own), Key::of(&federated)]
}

async fn status(world: &World, key: &Key, path: &str) -> u16 {
    world.send_as(key, get(path)).await.status
}

#[tokio::test]
async fn a_roots_session_dies_with_the_secret_that_opened_it() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let sessions = sessions(&world, &Key::root()).await;
    let links = sessions.each_ref().map(|session| world.link_by(session, "GET", "a"));
    // A restart with the same key is no end.
    let world = world.restarted(config());
    for (session, link) in sessions.iter().zip(&links) {
        assert_eq!(status(&world, session, "/bucket/a").await, 200);
        assert_eq!(world.send_raw(link.clone()).await.text(), "hello");
    }
    let other = RootKey {
        access_key_id: credentials().access_key_id,
        secret_access_key: SecretAccessKey::new("another-secret-of-the-root"),
    };
    let world = world.restarted(server::ServerConfig { root: Some(other), ..config() });
    for (session, link) in sessions.iter().zip(&links) {
        let refused = world.send_as(session, get("/bucket/a")).await;
        assert!(
            refused.refusal().starts_with("403 <Code>InvalidAccessKeyId<"),
            "{}",
            refused.text()
        );
        assert_eq!(world.send_raw(link.clone()).await.status, 403);
        let caller = world.query(session, "sts", &[("Action", "GetCallerIdentity")]).await;
        assert!(
            query_refusal(&caller).starts_with("403 InvalidClientTokenId "),
            "{}",
            caller.text()
        );
    }
    let world = world.restarted(server::ServerConfig { root: None, ..config() });
    assert_eq!(status(&world, &sessions[0], "/bucket/a").await, 403);
}

/// The key that is given is *the* root key: else nobody could ever end one that the first start made.
#[tokio::test]
async fn while_a_root_key_is_given_none_that_is_stored_works() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let made =
        AccessKey::generate(AccountId::parse(ACCOUNT).unwrap(), KeyOwner::Root, world.now).unwrap();
    let root = Key { id: made.id.clone(), secret: made.secret.expose().to_owned(), token: None };
    world.store.put_access_key(made, world.now).await.unwrap();
    let tenant = world.tenant().await;
    let unset = || server::ServerConfig { root: None, ..config() };
    let world = world.restarted(unset());
    let [session, federated] = sessions(&world, &root).await;
    let link = world.link_by(&root, "GET", "a");
    assert_eq!(world.send_raw(link.clone()).await.text(), "hello");
    let world = world.restarted(config());
    for key in [&root, &session, &federated] {
        let refused = world.send_as(key, get("/bucket/a")).await;
        assert!(
            refused.refusal().starts_with("403 <Code>InvalidAccessKeyId<"),
            "{}",
            refused.text()
        );
        let caller = world.query(key, "sts", &[("Action", "GetCallerIdentity")]).await;
        assert!(
            query_refusal(&caller).starts_with("403 InvalidClientTokenId "),
            "{}",
            caller.text()
        );
    }
    assert_eq!(world.send_raw(link.clone()).await.status, 403);
    // The roots of other accounts have no other key.
    assert_eq!(status(&world, &tenant, "/").await, 200);
    // For as long as it is given.
    let world = world.restarted(unset());
    assert_eq!(world.send_raw(link).await.text(), "hello");
    assert_eq!(status(&world, &session, "/bucket/a").await, 200);
}

#[tokio::test]
async fn a_roots_session_dies_with_its_account() {
    let world = World::new().await;
    let create = |body: &str| ask("POST", ACCOUNTS).body(body.to_owned());
    let one = format!("{ACCOUNTS}/000000000003");
    let given = |secret: &str| {
        create(&format!(
            r#"{{"name":"n","id":"000000000003","access_key_id":"AKIATENANT","secret_access_key":"{secret}"}}"#
        ))
    };
    assert_eq!(world.send(given("first-secret")).await.status, 201);
    let root =
        |secret: &str| Key { id: "AKIATENANT".to_owned(), secret: secret.to_owned(), token: None };
    let sessions = sessions(&world, &root("first-secret")).await;
    for session in &sessions {
        assert_eq!(status(&world, session, "/").await, 200);
    }
    assert_eq!(world.send(ask("DELETE", &one)).await.status, 204);
    for session in &sessions {
        assert_eq!(status(&world, session, "/").await, 403, "of an account that is gone");
    }
    // The next tenant, even with a key of the same id.
    assert_eq!(world.send(given("second-secret")).await.status, 201);
    let next = root("second-secret");
    assert_eq!(world.send_as(&next, put("/theirs", "")).await.status, 200);
    assert_eq!(world.send_as(&next, put("/theirs/a", "secret")).await.status, 200);
    for session in &sessions {
        assert_eq!(status(&world, session, "/theirs/a").await, 403, "of the one before");
        assert_eq!(status(&world, session, "/").await, 403);
    }
}

/// A key of a root that is stolen is ended without the account: links, calls and sessions of it with it.
#[tokio::test]
async fn a_root_key_that_is_renewed_ends_with_all_that_it_opened() {
    let world = World::new().await;
    let create = ask("POST", ACCOUNTS).body(
        r#"{"name":"n","id":"000000000003","access_key_id":"AKIATENANT","secret_access_key":"first-secret"}"#,
    );
    assert_eq!(world.send(create).await.status, 201);
    let old = Key { id: "AKIATENANT".to_owned(), secret: "first-secret".to_owned(), token: None };
    assert_eq!(world.send_as(&old, put("/bucket", "")).await.status, 200);
    assert_eq!(world.send_as(&old, put("/bucket/a", "hello")).await.status, 200);
    let [session, federated] = sessions(&world, &old).await;
    let link = || world.link_by(&old, "GET", "a");
    assert_eq!(world.send_raw(link()).await.status, 200);

    let renew = |id: &str| ask("POST", &format!("{ACCOUNTS}/{id}/root-key"));
    // No root renews its own, nor anybody else's: the operator does.
    assert_eq!(world.send_as(&old, renew("000000000003")).await.status, 403);
    assert_eq!(world.send(renew("000000000004")).await.status, 404);
    assert_eq!(world.send(renew("000000000000")).await.status, 409);
    assert_eq!(
        world.send(ask("GET", &format!("{ACCOUNTS}/000000000003/root-key"))).await.status,
        405
    );
    let renewed = world.send(renew("000000000003")).await;
    assert_eq!(renewed.status, 201);
    let renewed: serde_json::Value = serde_json::from_slice(&renewed.body).unwrap();
    assert_eq!((&renewed["id"], &renewed["name"]), (&"000000000003".into(), &"n".into()));
    for key in [&old, &session, &federated] {
        assert_eq!(status(&world, key, "/bucket/a").await, 403);
    }
    assert_eq!(world.send_raw(link()).await.status, 403);
    let text = |member: &str| renewed[member].as_str().unwrap().to_owned();
    let new = Key { id: text("access_key_id"), secret: text("secret_access_key"), token: None };
    assert_eq!(world.send_as(&new, get("/bucket/a")).await.text(), "hello");
    assert!(!world.send(get(&format!("{ACCOUNTS}/000000000003"))).await.text().contains("secret"));
}

#[tokio::test]
async fn a_session_dies_with_its_user_and_not_with_the_key() {
    let world = World::with_bucket().await;
    world.send(put("/bucket/a", "hello")).await;
    let all = policy(r#"{"Effect":"Allow","Action":["s3:*","sts:*"],"Resource":"*"}"#);
    let ann = world.user("ann", &all).await;
    let sessions = sessions(&world, &ann).await;
    let of_key = [("UserName", "ann"), ("AccessKeyId", ann.id.as_str())];
    // As on AWS: a key that is gone opens no more sessions, and those that are open go on.
    world.iam(&[("Action", "DeleteAccessKey"), of_key[0], of_key[1]]).await;
    for session in &sessions {
        assert_eq!(status(&world, session, "/bucket/a").await, 200);
    }
    world.iam(&[("Action", "DeleteUserPolicy"), of_key[0], ("PolicyName", "p")]).await;
    world.iam(&[("Action", "DeleteUser"), of_key[0]]).await;
    world.user("ann", &all).await;
    for session in &sessions {
        assert_eq!(status(&world, session, "/bucket/a").await, 403, "of somebody of that name");
    }
}

#[tokio::test]
async fn what_sessions_may_ask_of_iam_and_sts() {
    let world = World::with_bucket().await;
    let all = policy(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#);
    let ann = world.user("ann", &all).await;
    world.role("open", &trusts("*"), &all).await;
    let arn = role_arn("open");
    let federate = [("Action", "GetFederationToken"), ("Name", "guest"), ("Policy", all.as_str())];
    let own = Key::of(&world.query(&ann, "sts", &[("Action", "GetSessionToken")]).await);
    let federated = Key::of(&world.query(&ann, "sts", &federate).await);
    let assume = [("Action", "AssumeRole"), ("RoleArn", arn.as_str()), ("RoleSessionName", "ses")];
    let of_role = Key::of(&world.query(&ann, "sts", &assume).await);
    let web = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", arn.as_str()),
        ("RoleSessionName", "ses"),
        ("WebIdentityToken", "garbage"),
    ];
    let info = [("Action", "GetAccessKeyInfo"), ("AccessKeyId", ann.id.as_str())];
    let cannot =
        |action: &str| format!("403 AccessDenied Cannot call {action} with session credentials");
    let (yes, no) = (true, false);
    // Which of federated user, user, role may.
    let rows: &[(&[(&str, &str)], [bool; 3])] = &[
        (&[("Action", "GetCallerIdentity")], [yes, yes, yes]),
        (&assume, [no, yes, yes]),
        (&info, [no, no, yes]),
        (&web, [no, no, yes]),
        (&federate, [no, no, no]),
        (&[("Action", "GetSessionToken")], [no, no, no]),
    ];
    for (parameters, may) in rows {
        for (key, may) in [&federated, &own, &of_role].into_iter().zip(may) {
            let answer = world.query(key, "sts", parameters).await;
            let refused = answer.status != 200 && query_refusal(&answer) == cannot(parameters[0].1);
            assert_eq!(!refused, *may, "{parameters:?}: {}", answer.text());
        }
    }
    let list = [("Action", "ListUsers")];
    for (key, may) in [(&federated, no), (&own, no), (&of_role, yes)] {
        let answer = world.query(key, "iam", &list).await;
        assert_eq!(answer.status == 200, may, "{}", answer.text());
    }
    let caller = world.query(&federated, "sts", &[("Action", "GetCallerIdentity")]).await;
    assert_eq!(caller.element("Arn"), format!("arn:aws:sts::{ACCOUNT}:federated-user/guest"));
    assert_ne!(caller.element("Arn"), user_arn("ann"));
}

/// Whoever has no key takes no room for a body: the refusal is that of the key, not of the body.
#[tokio::test]
async fn an_unknown_key_is_refused_before_a_body_is_read() {
    let world = World::with_bucket().await;
    let unknown = Key { id: "AKIANOBODY".into(), secret: "guessed-secret".into(), token: None };
    let token = Some("VkFMRVQB".to_owned());
    let made_up = Key { id: "ASIANOBODY".into(), token, ..unknown.clone() };
    let long = "x".repeat(1024 * 1024);
    for service in ["iam", "sts"] {
        for key in [&unknown, &made_up] {
            let answer = world.query(key, service, &[("Action", "ListUsers"), ("x", &long)]).await;
            assert!(query_refusal(&answer).starts_with("403 InvalidClientTokenId "), "{service}");
        }
        let (root, call) = (Key::root(), [("Action", "ListUsers"), ("x", long.as_str())]);
        assert_eq!(world.query(&root, service, &call).await.status, 413);
    }
}
