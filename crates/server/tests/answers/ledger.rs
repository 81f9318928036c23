//! The ledger over the API: what is recorded of which link, and who sees it.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{World, ask, get, put};
use crate::people::{Key, policy};

const USES: &str = "/_valet/api/v1/uses";
const LINKS: &str = "/_valet/api/v1/links";
const READ: &str = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;

async fn with_objects() -> (World, ledger::Ledger) {
    let world = World::with_bucket().await;
    for key in ["a/k", "b/k"] {
        assert_eq!(world.send(put(&format!("/bucket/{key}"), "hello")).await.status, 200);
    }
    world.keeping_ledger()
}

async fn listed(world: &World, key: &Key, target: &str, member: &str) -> Vec<Value> {
    let answer = world.send_as(key, get(target)).await;
    assert_eq!(answer.status, 200, "{target} {}", answer.text());
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    document[member].as_array().unwrap().clone()
}

/// What was used, in short, the newest first.
async fn uses(world: &World, key: &Key, query: &str) -> Vec<String> {
    let uses = listed(world, key, &format!("{USES}?{query}"), "uses").await;
    let short = |one: &Value| {
        let code = one["code"].as_str().unwrap_or("-");
        let key = one["key"].as_str().unwrap_or("-");
        format!(
            "{} {} {code} {key} {}",
            one["operation"].as_str().unwrap(),
            one["status"],
            one["bytes"]
        )
    };
    uses.iter().map(short).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_of_a_link_is_recorded_and_found() {
    let (world, ledger) = with_objects().await;
    let root = Key::root();
    let ann = world.user("ann", &policy(READ)).await;
    let labelled = world.link_saying(&root, "GET", "a/k", &[("x-valet-label", "Q3")]);
    let labelled = labelled.header("user-agent", "reader/1");
    assert_eq!(world.send_raw(labelled).await.text(), "hello");
    assert_eq!(world.send_raw(world.link_by(&ann, "GET", "b/k")).await.text(), "hello");
    let upload = world.link_by(&root, "PUT", "b/new").body("four");
    assert_eq!(world.send_raw(upload).await.status, 200);
    assert_eq!(world.send_raw(world.link_by(&root, "GET", "b/none")).await.status, 404);
    assert_eq!(world.send_raw(world.link_v2("GET", "a/k")).await.text(), "hello");
    assert_eq!(world.send_raw(world.form("a/form").ask()).await.status, 204);
    // What is no link is not of the ledger.
    assert_eq!(world.send(get("/bucket/a/k")).await.text(), "hello");
    ledger.flush().await;
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(uses(&world, &root, query).await, expected, "{query}");
    };
    let all = [
        "PostObject 204 - a/form 4",
        "GetObject 200 - a/k 5",
        "GetObject 404 NoSuchKey b/none 0",
        "PutObject 200 - b/new 4",
        "GetObject 200 - b/k 5",
        "GetObject 200 - a/k 5",
    ];
    let found = uses(&world, &root, "").await;
    // How long a form is depends on its fields.
    assert!(found[0].starts_with("PostObject 204 - a/form "), "{found:?}");
    assert_eq!(found[1..], all[1..]);
    check("bucket=bucket&prefix=b%2F", &all[2..5]).await;
    check("bucket=bucket&key=b%2Fk", &all[4..5]).await;
    check("label=Q3", &all[5..]).await;
    check(&format!("signer={}", ann.id), &all[4..5]).await;
    check("signer=arn%3Aaws%3Aiam%3A%3A000000000000%3Auser%2Fann", &all[4..5]).await;
    check("bucket=other", &[]).await;
    check("since=2026-06-15T12%3A00%3A01Z", &[]).await;
    let one = &listed(&world, &root, &format!("{USES}?label=Q3"), "uses").await[0];
    assert_eq!((&one["address"], &one["agent"]), (&json!("192.0.2.7"), &json!("reader/1")));
    let fingerprint = one["fingerprint"].as_str().unwrap();
    check(&format!("link={fingerprint}"), &all[5..]).await;
    check(&format!("link={}", &fingerprint[..16]), &all[5..]).await;
    let shown = world.send(get(&format!("{LINKS}/{}", &fingerprint[..16]))).await;
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!((&shown["kind"], &shown["state"]), (&json!("seen"), &json!("active")));
    assert_eq!((&shown["totals"]["served"], &shown["totals"]["bytes"]), (&json!(1), &json!(5)));
    assert_eq!(shown["recorded"].as_array().unwrap().len(), 1);
    for query in ["order=x", "since=x", "link=x", "limit=0", "after=x", "key=k", "x=1"] {
        assert_eq!(world.send(get(&format!("{USES}?{query}"))).await.status, 400, "{query}");
    }
    // Page by page, from the first on, and then what comes.
    let mut after = String::new();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = world.send(get(&format!("{USES}?order=oldest&limit=2{after}"))).await;
        let page: Value = serde_json::from_slice(&answer.body).unwrap();
        seen.extend(
            page["uses"].as_array().unwrap().iter().map(|one| one["operation"].to_string()),
        );
        let next = presign::encode_component(page["next"].as_str().unwrap().as_bytes());
        after = format!("&after={next}");
    }
    assert_eq!(seen.len(), 6);
    assert_eq!(world.send_raw(world.link_by(&root, "GET", "a/k")).await.status, 200);
    ledger.flush().await;
    assert_eq!(uses(&world, &root, &format!("order=oldest{after}")).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_recorded_of_links_that_are_known() {
    let (world, ledger) = with_objects().await;
    let root = Key::root();
    let link = world.link_by(&root, "GET", "a/k");
    assert_eq!(world.send_raw(link.clone()).await.status, 200);
    ledger.flush().await;
    let late = world.later(SignedDuration::from_hours(2));
    assert_eq!(late.send_raw(link.clone()).await.status, 403);
    // A signature that nobody has made.
    let forged = link.target.replace("X-Amz-Signature=", "X-Amz-Signature=0");
    assert_eq!(world.send_raw(get(&forged)).await.status, 403);
    ledger.flush().await;
    let found = uses(&world, &root, "").await;
    assert_eq!(found, ["GetObject 403 AccessDenied a/k 0", "GetObject 200 - a/k 5"]);
    // No signature is in the file, nor a secret.
    ledger.close().await;
    let (_, signature) = link.target.split_once("X-Amz-Signature=").unwrap();
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let Ok(bytes) = std::fs::read(world.data_dir().join(name)) else { continue };
        let has = |text: &str| bytes.windows(text.len()).any(|found| found == text.as_bytes());
        assert!(!has(&signature[..32]) && !has(crate::harness::SECRET), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_links_are_recorded_under_their_own_name() {
    let (world, ledger) = with_objects().await;
    let root = Key::root();
    let wanted = json!({"kind": "object", "bucket": "bucket", "key": "a/k", "label": "shared", "expires_at": "2026-06-15T13:00:00Z"});
    let made = world.send_as(&root, ask("POST", LINKS).body(wanted.to_string())).await;
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let short = format!("/_valet/s/{}", made["id"].as_str().unwrap());
    for _ in 0..2 {
        let sent_on = world.send_raw(get(&short)).await;
        assert_eq!(world.send_raw(get(sent_on.header("location"))).await.text(), "hello");
    }
    let late = world.later(SignedDuration::from_hours(2));
    assert_eq!(late.send_raw(get(&short)).await.status, 403);
    ledger.flush().await;
    let found = uses(&world, &root, "label=shared").await;
    let expected =
        ["OpenLink 403 AccessDenied a/k 0", "GetObject 200 - a/k 5", "GetObject 200 - a/k 5"];
    assert_eq!(found, expected);
    let links = listed(&world, &root, LINKS, "links").await;
    assert_eq!(links.len(), 1, "{links:?}");
    let shown =
        world.send(get(&format!("{LINKS}/{}", made["fingerprint"].as_str().unwrap()))).await;
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(
        shown["totals"],
        json!({"served": 2, "refused": 1, "bytes": 10,
        "first_used_at": "2026-06-15T12:00:00Z", "last_used_at": "2026-06-15T14:00:00Z"})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_folder_is_named_and_found() {
    let (world, ledger) = with_objects().await;
    let list = |deny: &str| {
        let all = r#"{"Effect":"Allow","Action":"valet:ListLinks","Resource":"*"}"#;
        policy(&format!(
            r#"{all},{{"Effect":"Deny","Action":"valet:ListLinks","Resource":"arn:aws:s3:::bucket/{deny}"}}"#
        ))
    };
    let auditor = world.user("auditor", &list("b/*")).await;
    let none = world.user("none", &list("*")).await;
    let wanted = json!({"kind": "folder", "bucket": "bucket", "prefix": ""});
    let made = world.send(ask("POST", LINKS).body(wanted.to_string())).await;
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let short = format!("/_valet/s/{}", made["id"].as_str().unwrap());
    for file in ["a/k", "b/k", "a/none"] {
        let sent_on = world.send_raw(get(&format!("{short}/{file}"))).await;
        world.send_raw(get(sent_on.header("location"))).await;
    }
    assert_eq!(world.send_raw(get(&format!("{short}?zip"))).await.status, 200);
    let foreign = world.link_by(&Key::root(), "GET", "b/k");
    assert_eq!(world.send_raw(foreign).await.status, 200);
    ledger.flush().await;
    let root = Key::root();
    let a = "GetObject 200 - a/k 5";
    let b = "GetObject 200 - b/k 5";
    for (key, query, expected) in [
        (&root, "bucket=bucket&key=a%2Fk", vec![a]),
        (&root, "bucket=bucket&prefix=b%2F", vec![b, b]),
        (&auditor, "bucket=bucket&prefix=a%2F", vec![a]),
        (&auditor, "bucket=bucket&key=b%2Fk", vec![]),
        (&none, "bucket=bucket&prefix=a%2F", vec![]),
        (&none, "", vec![]),
    ] {
        assert_eq!(uses(&world, key, query).await, expected, "{query}");
    }
    let all = uses(&world, &auditor, "").await;
    assert!(all.contains(&a.to_owned()) && !all.contains(&b.to_owned()), "{all:?}");
    // Whoever asks for an object is told of the folders in which it lies.
    for (key, prefix, kinds) in [
        (&root, "b%2Fk", vec!["folder", "seen"]),
        (&root, "a%2Fk", vec!["folder"]),
        (&none, "a%2Fk", vec![]),
    ] {
        let target = format!("{LINKS}?bucket=bucket&prefix={prefix}");
        let links = listed(&world, key, &target, "links").await;
        let found: Vec<_> = links.iter().map(|link| link["kind"].as_str().unwrap()).collect();
        assert_eq!(found, kinds, "{prefix}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own_uses_and_auditors_those_of_their_buckets() {
    let (world, ledger) = with_objects().await;
    let ann = world.user("ann", &policy(READ)).await;
    let bob = world.user("bob", &policy(READ)).await;
    let list =
        r#"{"Effect":"Allow","Action":"valet:ListLinks","Resource":"arn:aws:s3:::bucket/a/*"}"#;
    let auditor = world.user("auditor", &policy(list)).await;
    for (key, object) in [(&ann, "a/k"), (&bob, "a/k"), (&bob, "b/k")] {
        assert_eq!(world.send_raw(world.link_by(key, "GET", object)).await.status, 200);
    }
    ledger.flush().await;
    let count = async |key: &Key, query: &str| uses(&world, key, query).await.len();
    assert_eq!(count(&ann, "").await, 1);
    assert_eq!(count(&bob, "").await, 2);
    assert_eq!(count(&bob, &format!("signer={}", ann.id)).await, 0);
    assert_eq!(count(&auditor, "").await, 0);
    assert_eq!(count(&auditor, "bucket=bucket&prefix=a%2F").await, 2);
    assert_eq!(count(&auditor, "bucket=bucket&key=a%2Fk").await, 2);
    assert_eq!(count(&auditor, "bucket=bucket&prefix=a").await, 0);
    assert_eq!(count(&auditor, "bucket=bucket").await, 0);
    let of_ann = &listed(&world, &ann, &format!("{USES}?"), "uses").await[0];
    let path = format!("{LINKS}/{}", of_ann["fingerprint"].as_str().unwrap());
    for (key, status) in [(&ann, 200), (&bob, 404), (&auditor, 200)] {
        assert_eq!(world.send_as(key, get(&path)).await.status, status);
    }
    // Another account sees nothing of this one.
    let tenant = world.tenant().await;
    assert_eq!(count(&tenant, "").await, 0);
    assert_eq!(world.send_as(&tenant, get(&path)).await.status, 404);
}

#[tokio::test]
async fn without_a_ledger_nothing_is_told() {
    let world = World::with_bucket().await;
    let answer = world.send(get(USES)).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("NoLedger"), "{}", answer.text());
}
