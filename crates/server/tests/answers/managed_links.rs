//! Managed links: who may make one, what it gives and when no more, and what is seen of it.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Answer, Ask, World, ask, get, put};
use crate::people::{Key, policy};

const PATH: &str = "/_valet/api/v1/links";
const READ_AND_SHARE: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket","s3:PutObject","valet:CreateLink"],"Resource":"*"}"#;
const READ: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":"*"}"#;
const DENIED: &str = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";
const EXPIRED: &str = "403 <Code>AccessDenied</Code><Message>Request has expired</Message>";
const REVOKED: &str = "403 <Code>AccessDenied</Code><Message>Link has been revoked</Message>";
const USED_UP: &str = "403 <Code>AccessDenied</Code><Message>Link has been used up</Message>";
const NO_LINK: &str = "404 <Code>NoSuchLink</Code><Message>There is no such link.</Message>";

async fn with_object() -> World {
    let world = World::with_bucket().await;
    let report = put("/bucket/q3/report.pdf", "hello").header("content-type", "application/pdf");
    assert_eq!(world.send(report).await.status, 200);
    world
}

fn document(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

async fn make(world: &World, key: &Key, wanted: &Value) -> Answer {
    world.send_as(key, ask("POST", PATH).body(wanted.to_string())).await
}

async fn made(world: &World, key: &Key, wanted: &Value) -> Value {
    let answer = make(world, key, wanted).await;
    assert_eq!(answer.status, 201, "{wanted} {}", answer.text());
    document(&answer)
}

fn report() -> Value {
    json!({"kind": "object", "bucket": "bucket", "key": "q3/report.pdf"})
}

fn with(mut wanted: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("no object") };
    wanted.as_object_mut().unwrap().extend(members);
    wanted
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} of {value}"))
}

/// The path of a short link.
fn short(link: &Value) -> String {
    let url = text(link, "url");
    url.strip_prefix("http://valet.test:9000").unwrap_or_else(|| panic!("{url}")).to_owned()
}

fn opened(link: &Value) -> Ask {
    get(&short(link))
}

/// Opens a short link as a program does, and follows it.
async fn fetch(world: &World, link: &Value) -> Answer {
    let answer = world.send_raw(opened(link)).await;
    if answer.status != 302 {
        return answer;
    }
    world.send_raw(get(answer.header("location"))).await
}

async fn of_link(world: &World, key: &Key, method: &str, link: &Value, body: &str) -> Answer {
    let path = format!("{PATH}/{}", text(link, "fingerprint"));
    world.send_as(key, ask(method, &path).body(body.to_owned())).await
}

async fn state(world: &World, link: &Value) -> String {
    let answer = of_link(world, &Key::root(), "GET", link, "").await;
    text(&document(&answer), "state").to_owned()
}

#[tokio::test]
async fn a_short_link_sends_on_to_the_object() {
    let world = with_object().await;
    let link = made(&world, &Key::root(), &report()).await;
    assert_eq!(text(&link, "id").len(), 22);
    assert_eq!(text(&link, "state"), "active");
    for method in ["GET", "HEAD"] {
        let answer = world.send_raw(ask(method, &short(&link))).await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let target = answer.header("location").to_owned();
        assert!(!target.contains(text(&link, "id")), "{target}");
        let found = world.send_raw(ask(method, &target)).await;
        assert_eq!(found.status, 200, "{}", found.text());
        assert_eq!(found.header("content-disposition"), "attachment; filename=\"report.pdf\"");
        // What it sends on to lives for five minutes.
        let later = world.later(SignedDuration::from_secs(301));
        assert_eq!(later.send_raw(ask(method, &target)).await.status, 403);
    }
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    let weeks = world.later(SignedDuration::from_hours(24 * 6));
    assert_eq!(fetch(&weeks, &link).await.text(), "hello");
    let after = world.later(SignedDuration::from_hours(24 * 7));
    let expired = fetch(&after, &link).await.refusal();
    assert!(expired.starts_with(EXPIRED), "{expired}");
    assert_eq!(state(&after, &link).await, "expired");
}

#[tokio::test]
async fn an_id_is_known_or_it_is_nothing() {
    let world = with_object().await;
    let link = made(&world, &Key::root(), &report()).await;
    let id = text(&link, "id");
    for other in [
        "",
        "x",
        "AAAAAAAAAAAAAAAAAAAAAA",
        &format!("{id}/"),
        &format!("{id}x"),
        text(&link, "fingerprint"),
    ] {
        let answer = world.send_raw(get(&format!("/_valet/s/{other}"))).await;
        assert_eq!(answer.refusal(), NO_LINK, "{other}");
    }
    assert_eq!(world.send_raw(ask("DELETE", &short(&link))).await.status, 405);
}

#[tokio::test]
async fn a_link_needs_the_right_to_make_it() {
    let world = with_object().await;
    let sharer = world.user("sharer", &policy(READ_AND_SHARE)).await;
    let reader = world.user("reader", &policy(READ)).await;
    assert_eq!(make(&world, &sharer, &report()).await.status, 201);
    let refused = make(&world, &reader, &report()).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    // A link to a link's own rights: nobody makes one by a link.
    let by_link = world.link_raw("POST", PATH);
    assert_eq!(world.send_raw(by_link).await.status, 403);
}

#[tokio::test]
async fn a_link_ends_with_whoever_made_it() {
    let world = with_object().await;
    let sharer = world.user("sharer", &policy(READ_AND_SHARE)).await;
    let link = made(&world, &sharer, &report()).await;
    let presigned = with(report(), json!({"kind": "presigned"}));
    let presigned = made(&world, &sharer, &presigned).await;
    let use_presigned = async || {
        let url = text(&presigned, "url").strip_prefix("http://valet.test:9000").unwrap();
        world.send_raw(get(url)).await
    };
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    assert_eq!(use_presigned().await.text(), "hello");
    let sent_on = world.send_raw(opened(&link)).await.header("location").to_owned();
    // The permission goes, and with it what was sent on to already.
    world
        .put_user_policy(
            "sharer",
            &policy(r#"{"Effect":"Allow","Action":"valet:*","Resource":"*"}"#),
        )
        .await;
    assert_eq!(fetch(&world, &link).await.refusal(), DENIED);
    assert_eq!(use_presigned().await.refusal(), DENIED);
    assert_eq!(world.send_raw(get(&sent_on)).await.refusal(), DENIED);
    assert_eq!(state(&world, &link).await, "orphaned");
    world.put_user_policy("sharer", &policy(READ_AND_SHARE)).await;
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    // The user goes.
    for call in [
        vec![
            ("Action", "DeleteAccessKey"),
            ("UserName", "sharer"),
            ("AccessKeyId", sharer.id.as_str()),
        ],
        vec![("Action", "DeleteUserPolicy"), ("UserName", "sharer"), ("PolicyName", "p")],
        vec![("Action", "DeleteUser"), ("UserName", "sharer")],
    ] {
        let answer = world.iam(&call).await;
        assert_eq!(answer.status, 200, "{call:?} {}", answer.text());
    }
    assert_eq!(fetch(&world, &link).await.refusal(), DENIED);
    assert_eq!(use_presigned().await.refusal(), DENIED);
    // Somebody else of that name is somebody else.
    world.user("sharer", &policy(READ_AND_SHARE)).await;
    assert_eq!(fetch(&world, &link).await.refusal(), DENIED);
    assert_eq!(state(&world, &link).await, "orphaned");
}

#[tokio::test]
async fn a_link_outlives_the_session_that_made_it_and_keeps_its_limits() {
    let world = with_object().await;
    let everything = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    world
        .role(
            "sharer",
            &crate::people::trusts("arn:aws:iam::000000000000:root"),
            &policy(everything),
        )
        .await;
    let boss = world.user("boss", &policy(everything)).await;
    let narrow = policy(READ_AND_SHARE)
        .replace("\"Resource\":\"*\"", "\"Resource\":\"arn:aws:s3:::bucket/q3/*\"");
    let session = world.assume(&boss, "sharer", &[("Policy", &narrow)]).await;
    let link = made(&world, &session, &report()).await;
    let outside = with(report(), json!({"key": "q4/report.pdf"}));
    assert_eq!(make(&world, &session, &outside).await.status, 403);
    let days = world.later(SignedDuration::from_hours(30));
    assert_eq!(days.send_as(&session, get("/bucket/q3/report.pdf")).await.status, 400);
    assert_eq!(fetch(&days, &link).await.text(), "hello");
    // The role itself decides, and its sessions' policies go on to restrict the link.
    world
        .put_role_policy(
            "sharer",
            "p",
            &policy(r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}"#),
        )
        .await;
    assert_eq!(fetch(&days, &link).await.refusal(), DENIED);
}

#[tokio::test]
async fn the_link_signer_must_be_allowed_too() {
    let world = with_object().await;
    let link = made(&world, &Key::root(), &report()).await;
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    let role = world.iam(&[("Action", "GetRole"), ("RoleName", "valet-link-signer")]).await;
    assert_eq!(role.status, 200, "{}", role.text());
    let deny = policy(r#"{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::bucket/q3/*"}"#);
    world.put_role_policy("valet-link-signer", "no", &deny).await;
    assert_eq!(fetch(&world, &link).await.status, 403);
    let root = Key::root();
    let assumed = world.query(
        &root,
        "sts",
        &[
            ("Action", "AssumeRole"),
            ("RoleArn", "arn:aws:iam::000000000000:role/valet/valet-link-signer"),
            ("RoleSessionName", "me"),
        ],
    );
    assert_eq!(assumed.await.status, 403);
}

#[tokio::test]
async fn uses_are_counted_over_all_that_a_link_sends_on_to() {
    let world = with_object().await;
    let root = Key::root();
    let link = made(&world, &root, &with(report(), json!({"uses": 2}))).await;
    let browser = opened(&link).header("sec-fetch-mode", "navigate");
    for _ in 0..5 {
        assert_eq!(world.send_raw(browser.clone()).await.status, 200, "a page is no use");
    }
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(fetch(&world.at(address), &link).await.text(), "hello");
    }
    assert_eq!(fetch(&world.at("192.0.2.3"), &link).await.refusal(), USED_UP);
    let page = world.at("192.0.2.3").send_raw(browser).await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("This link has been used up"), "{}", page.text());
    assert_eq!(state(&world, &link).await, "used-up");
    let other = made(&world, &root, &with(report(), json!({"uses": 2}))).await;
    assert_eq!(fetch(&world.at("192.0.2.3"), &other).await.text(), "hello");
}

#[tokio::test]
async fn a_link_is_taken_back_and_given_again() {
    let world = with_object().await;
    let root = Key::root();
    let link = made(&world, &root, &report()).await;
    let sent_on = world.send_raw(opened(&link)).await.header("location").to_owned();
    let revocation = of_link(&world, &root, "DELETE", &link, "").await;
    assert_eq!(revocation.status, 200, "{}", revocation.text());
    assert_eq!(world.send_raw(opened(&link)).await.refusal(), REVOKED);
    assert_eq!(world.send_raw(get(&sent_on)).await.refusal(), REVOKED);
    assert_eq!(state(&world, &link).await, "revoked");
    let change =
        of_link(&world, &root, "PATCH", &link, r#"{"expires_at":"2026-07-15T12:00:00Z"}"#).await;
    assert_eq!(change.status, 409, "{}", change.text());
    let undo = format!("/_valet/api/v1/revocations/{}", text(&document(&revocation), "id"));
    assert_eq!(world.send_as(&root, ask("DELETE", &undo)).await.status, 204);
    assert_eq!(fetch(&world, &link).await.text(), "hello");
    // By its object, or a prefix; and for as long as the link lives.
    let long =
        made(&world, &root, &with(report(), json!({"expires_at": "2026-12-31T00:00:00Z"}))).await;
    let fingerprint = text(&long, "fingerprint");
    let months = world.later(SignedDuration::from_hours(24 * 100));
    for wanted in [
        json!({"object": "s3://bucket/q3/report.pdf"}),
        json!({"prefix": "s3://bucket/q"}),
        json!({"fingerprint": fingerprint}),
    ] {
        let made = world
            .send_as(&root, ask("POST", "/_valet/api/v1/revocations").body(wanted.to_string()))
            .await;
        assert_eq!(made.status, 201);
        let until = document(&made);
        assert_eq!(text(&until, "lives_until"), "2026-12-31T00:15:00Z", "{wanted}");
        assert_eq!(months.send_raw(opened(&long)).await.refusal(), REVOKED, "{wanted}");
        let undo = format!("/_valet/api/v1/revocations/{}", text(&until, "id"));
        assert_eq!(world.send_as(&root, ask("DELETE", &undo)).await.status, 204);
        assert_eq!(fetch(&months, &long).await.text(), "hello");
    }
    for wanted in
        [json!({"object": "s3://bucket/q3/report.pdf"}), json!({"prefix": "s3://bucket/q3/"})]
    {
        let made = world
            .send_as(&root, ask("POST", "/_valet/api/v1/revocations").body(wanted.to_string()))
            .await;
        assert_eq!(made.status, 201);
        assert_eq!(world.send_raw(opened(&link)).await.refusal(), REVOKED, "{wanted}");
        let undo = format!("/_valet/api/v1/revocations/{}", text(&document(&made), "id"));
        assert_eq!(world.send_as(&root, ask("DELETE", &undo)).await.status, 204);
    }
}

#[tokio::test]
async fn whoever_made_a_link_sees_and_changes_it_and_others_do_not() {
    let world = with_object().await;
    let one = world.user("one", &policy(READ_AND_SHARE)).await;
    let two = world.user("two", &policy(READ_AND_SHARE)).await;
    let reader = world.user("reader", &policy(READ)).await;
    let auditor = policy(
        r#"{"Effect":"Allow","Action":"valet:ListLinks","Resource":"arn:aws:s3:::bucket/*"}"#,
    );
    let auditor = world.user("auditor", &auditor).await;
    let link = made(&world, &one, &with(report(), json!({"label": "Q3"}))).await;
    let list = async |key: &Key, query: &str| {
        let answer = world.send_as(key, get(&format!("{PATH}{query}"))).await;
        assert_eq!(answer.status, 200, "{query} {}", answer.text());
        document(&answer)["links"].as_array().unwrap().clone()
    };
    assert_eq!(list(&one, "").await.len(), 1);
    assert_eq!(list(&two, "").await.len(), 0);
    assert_eq!(list(&reader, "").await.len(), 0);
    let seen = list(&auditor, "").await;
    assert_eq!(seen.len(), 1);
    assert!(seen[0].get("id").is_none() && seen[0].get("url").is_none(), "{}", seen[0]);
    for (query, count) in [
        ("?bucket=bucket", 1),
        ("?bucket=bucket&prefix=q3%2F", 1),
        ("?bucket=bucket&prefix=q4", 0),
        ("?bucket=other", 0),
        ("?label=Q3", 1),
        ("?label=Q4", 0),
        ("?state=active", 1),
        ("?state=expired", 0),
        ("?signer=arn%3Aaws%3Aiam%3A%3A000000000000%3Auser%2Fone", 1),
        ("?signer=arn%3Aaws%3Aiam%3A%3A000000000000%3Auser%2Ftwo", 0),
    ] {
        assert_eq!(list(&one, query).await.len(), count, "{query}");
    }
    for (query, status) in [
        ("?state=x", 400),
        ("?limit=0", 400),
        ("?after=x", 400),
        ("?prefix=q3", 400),
        ("?x=1", 400),
    ] {
        assert_eq!(
            world.send_as(&one, get(&format!("{PATH}{query}"))).await.status,
            status,
            "{query}"
        );
    }
    let change = r#"{"label":"Q3, final","expires_at":"2026-07-15T12:00:00Z","notify":["mailto:a@example.com"]}"#;
    for other in [&reader, &auditor] {
        assert_eq!(of_link(&world, other, "PATCH", &link, change).await.status, 404);
        assert_eq!(of_link(&world, other, "DELETE", &link, "").await.status, 404);
    }
    let changed = of_link(&world, &one, "PATCH", &link, change).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let changed = document(&changed);
    assert_eq!(text(&changed, "label"), "Q3, final");
    assert_eq!(text(&changed, "expires_at"), "2026-07-15T12:00:00Z");
    let month = world.later(SignedDuration::from_hours(24 * 29));
    assert_eq!(fetch(&month, &link).await.text(), "hello");
    let revoked = of_link(&world, &one, "DELETE", &link, "").await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert_eq!(text(&document(&revoked), "scope"), "own");
    assert_eq!(fetch(&world, &link).await.refusal(), REVOKED);
}

#[tokio::test]
async fn what_no_link_can_be_is_refused() {
    let world = with_object().await;
    let root = Key::root();
    let check = async |members: Value, expected: u16| {
        let wanted = with(report(), members);
        let answer = make(&world, &root, &wanted).await;
        assert_eq!(answer.status, expected, "{wanted} {}", answer.text());
    };
    check(json!({"kind": "other"}), 400).await;
    check(json!({"more": 1}), 400).await;
    check(json!({"bucket": "nowhere"}), 404).await;
    check(json!({"key": "q3/none"}), 404).await;
    check(json!({"prefix": "q3/"}), 400).await;
    check(json!({"uses": 0}), 400).await;
    check(json!({"rate": 1}), 400).await;
    check(json!({"source_ip": "here"}), 400).await;
    check(json!({"label": ""}), 400).await;
    check(json!({"passphrase": ""}), 400).await;
    check(json!({"expires_at": "2026-06-15T11:59:59Z"}), 400).await;
    check(json!({"expires_at": "tomorrow"}), 400).await;
    check(json!({"expires_at": "2999-01-01T00:00:00Z"}), 400).await;
    check(json!({"not_before": "2026-06-22T12:00:00Z"}), 400).await;
    check(json!({"not_before": "2026-06-22T11:59:59Z"}), 201).await;
    let hour = "2026-06-15T13:00:00Z";
    check(json!({"not_before": hour, "expires_at": hour}), 400).await;
    check(json!({"expires_at": "2036-06-15T12:00:00Z"}), 201).await;
    check(json!({"notify": ["ftp://example.com"]}), 400).await;
    check(json!({"notify": ["mailto:a@example.com,b@example.com"]}), 400).await;
    check(json!({"notify": ["mailto:a@example.com\r\nBcc: b@example.com"]}), 400).await;
    check(json!({"max_bytes": 1}), 400).await;
    check(json!({"kind": "presigned", "expires_at": "2026-06-30T00:00:00Z"}), 400).await;
    check(json!({"kind": "presigned", "passphrase": "x"}), 400).await;
    check(json!({"landing": "always", "filename": "a/b.pdf", "inline": true}), 201).await;
}

#[tokio::test]
async fn conditions_are_kept_at_the_door_and_behind_it() {
    let world = with_object().await;
    let root = Key::root();
    let wanted = with(
        report(),
        json!({"not_before": "2026-06-15T13:00:00Z", "source_ip": ["192.0.2.0/25", "2001:db8::/32"]}),
    );
    let link = made(&world, &root, &wanted).await;
    assert_eq!(text(&link, "state"), "scheduled");
    let refused = world.send_raw(opened(&link)).await.refusal();
    assert!(refused.contains("<Message>Request is not yet valid</Message>"), "{refused}");
    let later = world.later(SignedDuration::from_hours(2));
    assert_eq!(fetch(&later, &link).await.text(), "hello");
    let sent_on = later.send_raw(opened(&link)).await.header("location").to_owned();
    let elsewhere = later.at("198.51.100.1");
    assert_eq!(elsewhere.send_raw(opened(&link)).await.refusal(), DENIED);
    assert_eq!(elsewhere.send_raw(get(&sent_on)).await.refusal(), DENIED);
}

#[tokio::test]
async fn a_passphrase_is_asked_for_and_tried_five_times_a_minute() {
    let world = with_object().await;
    let link =
        made(&world, &Key::root(), &with(report(), json!({"passphrase": "open sesame"}))).await;
    assert_eq!(link["passphrase"], true);
    assert_eq!(
        world.send_raw(opened(&link)).await.refusal(),
        "403 <Code>AccessDenied</Code><Message>Link needs a passphrase</Message>"
    );
    let browser = || opened(&link).header("sec-fetch-mode", "navigate");
    let page = world.send_raw(browser()).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("type=\"password\"") && !page.text().contains("report"),
        "{}",
        page.text()
    );
    let post = |passphrase: &str| {
        ask("POST", &short(&link))
            .header("sec-fetch-mode", "navigate")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("passphrase={passphrase}"))
    };
    let wrong = world.send_raw(post("shazam")).await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text().contains("not the passphrase"), "{}", wrong.text());
    // The page of the passphrase makes way for one that the download follows.
    let right = world.send_raw(post("open+sesame")).await;
    assert_eq!(right.status, 200);
    assert!(right.text().contains("The download begins.") && !right.text().contains("passphrase"));
    let follows = right.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
    assert_eq!(world.send_raw(get(&follows)).await.text(), "hello");
    let program = opened(&link).header("x-valet-passphrase", "open sesame");
    assert_eq!(world.send_raw(program.clone()).await.status, 302);
    for n in 0..2 {
        assert_eq!(world.at(&format!("192.0.2.{n}")).send_raw(post("guess")).await.status, 403);
    }
    // Whoever tries, with whatever: nobody finds out more.
    let late = world.at("192.0.2.9").send_raw(program.clone()).await;
    assert_eq!((late.status, late.header("retry-after")), (429, "60"));
    let world = world.reopened(crate::harness::config()).await;
    assert_eq!(world.send_raw(program.clone()).await.status, 429);
    let later = world.later(SignedDuration::from_secs(61));
    assert_eq!(later.send_raw(program).await.status, 302);
}

#[tokio::test]
async fn a_landing_page_says_what_is_there_and_runs_nothing() {
    let world = with_object().await;
    let name = "<img src=x onerror=alert(1)>.html";
    let key = presign::encode_component(name.as_bytes());
    assert_eq!(
        world.send(put(&format!("/bucket/{key}"), "<script>alert(1)</script>")).await.status,
        200
    );
    let root = Key::root();
    let wanted = json!({"kind": "object", "bucket": "bucket", "key": name, "show_creator": true, "landing": "always"});
    let link = made(&world, &root, &wanted).await;
    let page = world.send_raw(opened(&link)).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(!text.contains("<img") && text.contains("&lt;img"), "{text}");
    assert!(
        text.contains("25 bytes") && text.contains("Shared by") && text.contains("22 June 2026"),
        "{text}"
    );
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let download = world.send_raw(ask("POST", &short(&link))).await;
    assert_eq!(download.status, 303);
    let file = world.send_raw(get(download.header("location"))).await;
    assert!(file.header("content-disposition").starts_with("attachment"), "{:?}", file.headers);
    let never = made(&world, &root, &with(report(), json!({"landing": "never"}))).await;
    let browser = opened(&never).header("sec-fetch-mode", "navigate");
    assert_eq!(world.send_raw(browser).await.status, 302);
}

#[tokio::test]
async fn a_presigned_link_is_one_of_the_link_signer() {
    let world = with_object().await;
    let root = Key::root();
    let wanted = with(
        report(),
        json!({"kind": "presigned", "uses": 1, "expires_at": "2026-06-22T12:00:00Z"}),
    );
    let link = made(&world, &root, &wanted).await;
    let url = text(&link, "url").strip_prefix("http://valet.test:9000").unwrap().to_owned();
    assert!(url.contains("X-Amz-Expires=604800") && !url.contains("Security-Token"), "{url}");
    assert_eq!(world.send_raw(get(&short_path(&link))).await.refusal(), NO_LINK);
    let other = url.replace("/bucket/q3/report.pdf", "/bucket/other");
    assert_eq!(world.send_raw(get(&other)).await.status, 403);
    assert_eq!(world.at("192.0.2.1").send_raw(get(&url)).await.text(), "hello");
    assert_eq!(world.at("192.0.2.2").send_raw(get(&url)).await.refusal(), USED_UP);
    // Its key opens nothing else.
    let key_id = url.split("X-Amz-Credential=").nth(1).unwrap().split('%').next().unwrap();
    let key = world.store.access_key(key_id).await.unwrap().unwrap();
    let signer = Key { id: key_id.to_owned(), secret: key.secret.expose().to_owned(), token: None };
    assert_eq!(world.send_as(&signer, get("/bucket/q3/report.pdf")).await.status, 403);
    assert_eq!(world.send_raw(world.link_by(&signer, "GET", "q3/report.pdf")).await.status, 403);
    let forged =
        world.link_saying(&signer, "GET", "q3/report.pdf", &[("x-valet-id", &"0".repeat(64))]);
    assert_eq!(world.send_raw(forged).await.status, 403);
}

fn short_path(link: &Value) -> String {
    format!("/_valet/s/{}", text(link, "id"))
}

#[tokio::test]
async fn an_object_goes_with_its_link_once_and_by_its_maker() {
    let world = with_object().await;
    let root = Key::root();
    let everything = r#"{"Effect":"Allow","Action":["s3:*","valet:*"],"Resource":"*"}"#;
    let owner = world.user("owner", &policy(everything)).await;
    let sharer = world.user("sharer", &policy(READ_AND_SHARE)).await;
    let exists = async |world: &World, key: &str| {
        world.send(get(&format!("/bucket/{key}"))).await.status == 200
    };
    for key in ["one", "two", "three", "four"] {
        assert_eq!(world.send(put(&format!("/bucket/{key}"), "hello")).await.status, 200);
    }
    let of = |key: &str, members: Value| {
        let wanted = json!({"kind": "object", "bucket": "bucket", "key": key, "delete_object_at_end": true,
            "expires_at": "2026-06-15T13:00:00Z"});
        with(wanted, members)
    };
    made(&world, &owner, &of("one", json!({}))).await;
    // Whoever made this one may not delete; and this one is kept.
    made(&world, &sharer, &of("two", json!({}))).await;
    made(&world, &owner, &of("three", json!({"delete_object_at_end": false}))).await;
    let once =
        made(&world, &root, &of("four", json!({"uses": 1, "expires_at": "2026-06-20T12:00:00Z"})))
            .await;
    world.close_ended_links().await;
    assert!(exists(&world, "one").await && exists(&world, "four").await);
    // A part of the file is no use yet.
    let sent_on = world.send_raw(opened(&once)).await.header("location").to_owned();
    assert_eq!(world.send_raw(get(&sent_on).header("range", "bytes=0-1")).await.status, 206);
    world.close_ended_links().await;
    assert!(exists(&world, "four").await);
    assert_eq!(world.send_raw(get(&sent_on)).await.text(), "hello");
    world.close_ended_links().await;
    assert!(!exists(&world, "four").await, "used up");
    let later = world.later(SignedDuration::from_hours(2));
    later.close_ended_links().await;
    assert!(!exists(&later, "one").await);
    assert!(exists(&later, "two").await && exists(&later, "three").await);
    // What has the name since then is another object.
    assert_eq!(later.send(put("/bucket/one", "other")).await.status, 200);
    later.close_ended_links().await;
    assert!(exists(&later, "one").await);
}

#[tokio::test]
async fn what_is_wrong_about_the_time_of_a_link_is_said() {
    let world = with_object().await;
    let root = Key::root();
    let told = async |members: Value| {
        let error = document(&make(&world, &root, &with(report(), members)).await)["error"].clone();
        format!("{} {}", text(&error, "argument"), text(&error, "message"))
    };
    assert_eq!(
        told(json!({"expires_at": "2036-06-15T12:00:06Z"})).await,
        "expires_at `expires_at` lies beyond 2036-06-15T12:00:00Z, the last moment possible."
    );
    let opens = json!({"not_before": "2026-06-15T14:00:00Z", "expires_at": "2026-06-15T13:00:00Z"});
    assert_eq!(
        told(opens).await,
        "not_before The link would never work: it opens at 2026-06-15T14:00:00Z and ends at 2026-06-15T13:00:00Z."
    );
    let later = with(report(), json!({"not_before": "2026-06-16T12:00:00Z"}));
    let link = made(&world, &root, &later).await;
    let sooner = r#"{"expires_at": "2026-06-16T11:00:00Z"}"#;
    let refused = document(&of_link(&world, &root, "PATCH", &link, sooner).await);
    assert_eq!(text(&refused["error"], "argument"), "expires_at");
}

#[tokio::test]
async fn a_page_judges_as_the_download_does_and_says_what_is_left() {
    for deletes in [false, true] {
        let world = with_object().await;
        let members = json!({"uses": 2, "delete_object_at_end": deletes});
        let link = made(&world, &Key::root(), &with(report(), members)).await;
        let page = async || {
            let page = world.send_raw(opened(&link).header("sec-fetch-mode", "navigate")).await;
            (page.status, page.text().to_owned())
        };
        let (status, text) = page().await;
        assert!(status == 200 && text.contains("works 2 more times, of 2 in all"), "{text}");
        assert_eq!(fetch(&world, &link).await.text(), "hello");
        let (status, text) = page().await;
        assert!(status == 200 && text.contains("works once more, of 2 in all"), "{text}");
        // A part of the last use: whoever has it can take the rest.
        let sent_on = world.send_raw(opened(&link)).await.header("location").to_owned();
        assert_eq!(world.send_raw(get(&sent_on).header("range", "bytes=0-1")).await.status, 206);
        let (status, text) = page().await;
        assert!(status == 200 && text.contains("works once more, of 2 in all"), "{text}");
        assert_eq!(fetch(&world, &link).await.text(), "hello");
        for closes in [false, true] {
            if closes {
                world.close_ended_links().await;
            }
            let (status, text) = page().await;
            assert!(status == 403 && text.contains("This link has been used up"), "{text}");
        }
        // Parts of it can be asked for again for ten minutes, if they are there.
        let again = world.send_raw(opened(&link)).await;
        assert_eq!(again.status, if deletes { 403 } else { 302 }, "{}", again.text());
        if deletes {
            assert_eq!(again.refusal(), USED_UP);
        }
    }
}
