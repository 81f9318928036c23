//! Managed links and whoever made them: what a link takes from its maker at each use, and what of it others are given.

use jiff::SignedDuration;
use presign::SecretAccessKey;
use serde_json::{Value, json};

use crate::harness::{Answer, World, ask, config, get, put};
use crate::managed_links::{
    DENIED, PATH, READ_AND_SHARE, REVOKED, document, fetch, made, make, of_link, opened, report,
    state, text, with, with_object,
};
use crate::people::{Key, policy, trusts};

const ACCOUNTS: &str = "/_valet/api/v1/accounts";

async fn with_files() -> World {
    let world = with_object().await;
    for key in ["kit/a.txt", "kit/hr/pay.txt"] {
        assert_eq!(world.send(put(&format!("/bucket/{key}"), key)).await.status, 200);
    }
    world
}

fn folder() -> Value {
    json!({"kind": "folder", "bucket": "bucket", "prefix": "kit/"})
}

/// A file of a folder, as a program fetches it.
async fn file(world: &World, link: &Value, name: &str) -> Answer {
    let path = text(link, "url").strip_prefix("http://valet.test:9000").unwrap();
    let sent_on = world.send_raw(get(&format!("{path}/{name}"))).await;
    if sent_on.status != 302 {
        return sent_on;
    }
    world.send_raw(get(sent_on.header("location"))).await
}

#[tokio::test]
async fn whoever_may_make_links_is_given_none_of_others() {
    let world = with_object().await;
    let one = world.user("one", &policy(READ_AND_SHARE)).await;
    let link = made(
        &world,
        &one,
        &with(report(), json!({"notify": ["https://user:pw@example.com/t0ken"]})),
    )
    .await;
    let links =
        r#"{"Effect":"Allow","Action":["valet:CreateLink","valet:ListLinks"],"Resource":"*"}"#;
    let no_objects = format!(r#"{links},{{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#);
    let denied = world.user("denied", &policy(&no_objects)).await;
    let equal = world.user("equal", &policy(&format!("{links},{READ_AND_SHARE}"))).await;
    let blind = world.user("blind", &policy(READ_AND_SHARE)).await;
    for (key, patched, shown) in [(&denied, 403, 200), (&equal, 200, 200), (&blind, 404, 404)] {
        for (method, body, status) in [("GET", "", shown), ("PATCH", r#"{"label":"x"}"#, patched)] {
            let answer = of_link(&world, key, method, &link, body).await;
            assert_eq!(answer.status, status, "{method} {}", answer.text());
            for secret in [text(&link, "id"), "t0ken", "webhook_secret", "pw@"] {
                assert!(!answer.text().contains(secret), "{secret} {}", answer.text());
            }
        }
        let list = world.send_as(key, get(PATH)).await;
        assert!(!list.text().contains(text(&link, "id")), "{}", list.text());
    }
    let own = of_link(&world, &one, "GET", &link, "").await;
    assert!(own.text().contains(text(&link, "id")) && own.text().contains("t0ken"));
}

#[tokio::test]
async fn what_may_not_be_shared_is_in_no_folder() {
    let world = with_files().await;
    let no_hr = r#"{"Effect":"Deny","Action":"valet:CreateLink","Resource":"arn:aws:s3:::bucket/kit/hr/*"}"#;
    let mal = world.user("mal", &policy(&format!("{READ_AND_SHARE},{no_hr}"))).await;
    let pay = json!({"kind": "object", "bucket": "bucket", "key": "kit/hr/pay.txt"});
    assert_eq!(make(&world, &mal, &pay).await.status, 403);
    let link = made(&world, &mal, &folder()).await;
    assert_eq!(file(&world, &link, "a.txt").await.text(), "kit/a.txt");
    assert_eq!(file(&world, &link, "hr/pay.txt").await.refusal(), DENIED);
    let path = text(&link, "url").strip_prefix("http://valet.test:9000").unwrap();
    let zip = world.send_raw(get(&format!("{path}?zip"))).await;
    assert_eq!(zip.status, 200);
    let body = String::from_utf8_lossy(&zip.body).into_owned();
    assert!(body.contains("a.txt") && !body.contains("kit/hr/pay.txt"), "{body}");
    // Whoever may make no links any more has none that works.
    let object = made(&world, &mal, &report()).await;
    let no_links = READ_AND_SHARE.replace(r#","valet:CreateLink""#, "");
    world.put_user_policy("mal", &policy(&no_links)).await;
    assert_eq!(fetch(&world, &object).await.refusal(), DENIED);
    assert_eq!(file(&world, &link, "a.txt").await.refusal(), DENIED);
    assert_eq!(state(&world, &object).await, "orphaned");
}

#[tokio::test]
async fn a_link_that_its_maker_may_not_use_is_not_made() {
    let world = with_files().await;
    let may = r#"{"Effect":"Allow","Action":"valet:CreateLink","Resource":"*"}"#;
    let sharer = world.user("sharer", &policy(may)).await;
    let request = json!({"kind": "request", "bucket": "bucket", "prefix": "in/"});
    let version = json!({"kind": "presigned", "version_id": "null"});
    for wanted in [report(), folder(), request, with(report(), json!({"kind": "presigned"}))] {
        assert_eq!(make(&world, &sharer, &wanted).await.status, 403, "{wanted}");
    }
    let reader = world.user("reader", &policy(READ_AND_SHARE)).await;
    assert_eq!(make(&world, &reader, &with(report(), version)).await.status, 403);
}

#[tokio::test]
async fn a_link_is_taken_back_by_the_key_of_its_maker() {
    let world = with_object().await;
    let sharer = world.user("sharer", &policy(READ_AND_SHARE)).await;
    let other = world.key_of("sharer").await;
    let link = made(&world, &sharer, &report()).await;
    let kept = made(&world, &other, &report()).await;
    let sent_on = world.send_raw(opened(&link)).await.header("location").to_owned();
    let wanted = json!({"access_key_id": sharer.id}).to_string();
    let revoke = ask("POST", "/_valet/api/v1/revocations").body(wanted);
    let revoked = world.send(revoke).await;
    assert_eq!(revoked.status, 201, "{}", revoked.text());
    assert_eq!(fetch(&world, &link).await.refusal(), REVOKED);
    assert_eq!(world.send_raw(get(&sent_on)).await.refusal(), REVOKED);
    assert_eq!(state(&world, &link).await, "revoked");
    assert_eq!(fetch(&world, &kept).await.text(), "hello");
}

#[tokio::test]
async fn what_a_root_made_ends_with_its_key() {
    let world = with_object().await;
    let root = Key::root();
    let link = made(&world, &root, &report()).await;
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    let mut changed = config();
    changed.root.as_mut().unwrap().secret_access_key = SecretAccessKey::new("another-secret");
    let world = world.restarted(changed);
    assert_eq!(fetch(&world, &link).await.refusal(), DENIED);
    let world = world.restarted(config());
    assert_eq!(fetch(&world, &link).await.text(), "hello");
}

#[tokio::test]
async fn an_account_of_the_same_number_is_another() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let fill = async || {
        assert_eq!(world.send_as(&tenant, put("/theirs", "")).await.status, 200);
        assert_eq!(world.send_as(&tenant, put("/theirs/k", "hello")).await.status, 200);
    };
    fill().await;
    let link = json!({"kind": "object", "bucket": "theirs", "key": "k"});
    let link = made(&world, &tenant, &link).await;
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    for path in ["/theirs/k", "/theirs"] {
        assert_eq!(world.send_as(&tenant, ask("DELETE", path)).await.status, 204);
    }
    let signer = ("RoleName", "valet-link-signer");
    let policies = world.query(&tenant, "iam", &[("Action", "ListRolePolicies"), signer]).await;
    let policy =
        policies.text().split("<member>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    for call in [
        vec![("Action", "DeleteRolePolicy"), signer, ("PolicyName", policy.as_str())],
        vec![("Action", "DeleteRole"), signer],
    ] {
        let answer = world.query(&tenant, "iam", &call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let gone = world.send(ask("DELETE", &format!("{ACCOUNTS}/000000000003"))).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
    // Nothing is made in an account that is gone, whoever opens its links: else it could not be made anew.
    assert_eq!(fetch(&world, &link).await.status, 403);
    world.later(SignedDuration::from_secs(1));
    let body = r#"{"name":"n","id":"000000000003","access_key_id":"AKIATENANT2","secret_access_key":"their-secret"}"#;
    assert_eq!(world.send(ask("POST", ACCOUNTS).body(body)).await.status, 201);
    let tenant = Key { id: "AKIATENANT2".to_owned(), ..tenant };
    assert_eq!(world.send_as(&tenant, put("/theirs", "")).await.status, 200);
    assert_eq!(world.send_as(&tenant, put("/theirs/k", "new")).await.status, 200);
    assert_eq!(fetch(&world, &link).await.refusal(), DENIED);
}

#[tokio::test]
async fn a_session_that_policies_restrict_has_its_own_links_alone() {
    let world = with_files().await;
    let everything =
        policy(r#"{"Effect":"Allow","Action":["s3:*","valet:CreateLink"],"Resource":"*"}"#);
    world.role("app", &trusts("arn:aws:iam::000000000000:root"), &everything).await;
    let boss =
        world.user("boss", &policy(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)).await;
    let whole = world.assume(&boss, "app", &[]).await;
    let narrow = |key: &str| {
        policy(&format!(
            r#"{{"Effect":"Allow","Action":["s3:GetObject","valet:*"],"Resource":"arn:aws:s3:::bucket/{key}"}}"#
        ))
    };
    let one = world.assume(&boss, "app", &[("Policy", &narrow("kit/a.txt"))]).await;
    let same = world.assume(&boss, "app", &[("Policy", &narrow("kit/a.txt"))]).await;
    let other = world.assume(&boss, "app", &[("Policy", &narrow("q3/*"))]).await;
    let wanted = json!({"kind": "object", "bucket": "bucket", "key": "kit/a.txt", "notify": ["https://example.com/"]});
    let of_whole = made(&world, &whole, &wanted).await;
    let of_one = made(&world, &one, &wanted).await;
    for (key, link, status, has_secret) in [
        (&whole, &of_whole, 200, true),
        (&whole, &of_one, 200, true),
        (&one, &of_one, 200, false),
        (&same, &of_one, 200, false),
        (&one, &of_whole, 404, false),
        (&other, &of_one, 404, false),
        (&other, &of_whole, 404, false),
    ] {
        let shown = of_link(&world, key, "GET", link, "").await;
        assert_eq!(shown.status, status, "{}", shown.text());
        assert_eq!(shown.text().contains(text(link, "id")), status == 200);
        assert_eq!(shown.text().contains("webhook_secret"), has_secret);
    }
    assert_eq!(of_link(&world, &other, "DELETE", &of_whole, "").await.status, 403);
    assert_eq!(of_link(&world, &same, "DELETE", &of_one, "").await.status, 200);
    let list = world.send_as(&other, get(PATH)).await;
    assert_eq!(document(&list)["links"].as_array().unwrap().len(), 0, "{}", list.text());
}

#[tokio::test]
async fn what_took_the_place_of_a_shared_object_stays() {
    let world = with_object().await;
    let wanted =
        with(report(), json!({"delete_object_at_end": true, "expires_at": "2026-06-15T13:00:00Z"}));
    let link = made(&world, &Key::root(), &wanted).await;
    assert_eq!(world.send(put("/bucket/q3/report.pdf", "a new one")).await.status, 200);
    assert_eq!(fetch(&world, &link).await.text(), "a new one");
    let later = world.later(SignedDuration::from_hours(2));
    later.close_ended_links().await;
    assert_eq!(later.send(get("/bucket/q3/report.pdf")).await.text(), "a new one");
    let ended = of_link(&later, &Key::root(), "GET", &link, "").await;
    assert!(ended.text().contains("\"expired\""), "{}", ended.text());
}

#[tokio::test]
async fn nobody_takes_the_place_of_the_link_signer() {
    let world = with_object().await;
    let trust = trusts("arn:aws:iam::000000000000:root");
    for name in ["valet-link-signer", "Valet-Link-Signer"] {
        let make =
            [("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", &trust)];
        assert_eq!(world.query(&Key::root(), "iam", &make).await.status, 403, "{name}");
    }
    let link = made(&world, &Key::root(), &report()).await;
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    let change = [
        ("Action", "UpdateAssumeRolePolicy"),
        ("RoleName", "valet-link-signer"),
        ("PolicyDocument", trust.as_str()),
    ];
    let refused = world.query(&Key::root(), "iam", &change).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("nobody can assume it"), "{}", refused.text());
    assert_eq!(fetch(&world, &link).await.text(), "hello");
}

#[tokio::test]
async fn a_revocation_of_what_is_kept_from_somebody_is_not_listed() {
    let world = with_files().await;
    for object in ["s3://bucket/kit/hr/pay.txt", "s3://bucket/kit/a.txt"] {
        let wanted = json!({"object": object}).to_string();
        let revoke = ask("POST", "/_valet/api/v1/revocations").body(wanted);
        assert_eq!(world.send(revoke).await.status, 201);
    }
    let list = r#"{"Effect":"Allow","Action":"valet:ListLinks","Resource":"*"},{"Effect":"Deny","Action":"valet:ListLinks","Resource":"arn:aws:s3:::bucket/kit/hr/*"}"#;
    let auditor = world.user("auditor", &policy(list)).await;
    let seen = world.send_as(&auditor, get("/_valet/api/v1/revocations")).await;
    assert!(seen.text().contains("kit/a.txt") && !seen.text().contains("hr"), "{}", seen.text());
}

/// Nobody knows whether the last use of a process that was killed came to its end.
#[tokio::test]
async fn an_object_of_a_killed_process_stays_until_the_end_that_was_set() {
    let world = with_object().await;
    let wanted =
        json!({"delete_object_at_end": true, "uses": 1, "expires_at": "2026-06-15T13:00:00Z"});
    let link = made(&world, &Key::root(), &with(report(), wanted)).await;
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    let world = world.restarted(config());
    world.close_ended_links().await;
    let object = get("/bucket/q3/report.pdf");
    assert_eq!(world.send(object.clone()).await.text(), "hello");
    let later = world.later(SignedDuration::from_hours(2));
    later.close_ended_links().await;
    assert_eq!(later.send(object).await.status, 404);
}
