//! Links that are taken back: what a revocation ends, whose links, for how long, and who may.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Answer, Ask, World, ask, config, get, put};
use crate::people::{Key, policy, user_arn};
use crate::renewal::Begun;
use crate::sts::identity_link;

const PATH: &str = "/_valet/api/v1/revocations";
const REVOKED: &str = "403 <Code>AccessDenied</Code><Message>Link has been revoked</Message>";
const READ: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}"#;

/// Objects `a/k` and `b/k`.
async fn with_objects() -> World {
    let world = World::with_bucket().await;
    for key in ["a/k", "b/k"] {
        assert_eq!(world.send(put(&format!("/bucket/{key}"), "hello")).await.status, 200);
    }
    world
}

fn url(link: &Ask) -> String {
    format!("http://valet.test:9000{}", link.target)
}

fn fingerprint(link: &Ask) -> String {
    let (_, signature) = link.target.split_once("X-Amz-Signature=").unwrap();
    presign::Fingerprint::of_signature(signature.split('&').next().unwrap().as_bytes()).to_string()
}

fn revoke(document: &Value) -> Ask {
    ask("POST", PATH).body(document.to_string())
}

async fn revoked(world: &World, key: &Key, document: &Value) -> Value {
    let answer = world.send_as(key, revoke(document)).await;
    assert_eq!(answer.status, 201, "{document} {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn undo(world: &World, key: &Key, revocation: &Value) -> u16 {
    let id = revocation["id"].as_str().unwrap();
    world.send_as(key, ask("DELETE", &format!("{PATH}/{id}"))).await.status
}

fn error(answer: &Answer) -> (u16, String, String) {
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    let text = |name: &str| document["error"][name].as_str().unwrap_or_default().to_owned();
    (answer.status, text("code"), text("argument"))
}

#[tokio::test]
async fn each_kind_ends_what_it_names_and_nothing_else() {
    let world = with_objects().await;
    let root = Key::root();
    let ann = world.user("ann", &policy(READ)).await;
    let links = || {
        let mut links = vec![
            world.link_by(&root, "GET", "a/k"),
            world.link_saying(&root, "GET", "a/k", &[("x-valet-id", "other")]),
            world.link_by(&root, "GET", "b/k"),
            world.link_by(&ann, "GET", "a/k"),
            world.link_by(&ann, "PUT", "a/new").body("x"),
            world.link_v2("GET", "a/k"),
        ];
        links.push(world.link_with("PUT", "copy", &[("x-amz-copy-source", "/bucket/a/k")], &[]));
        links
    };
    let statuses = async || {
        let mut dead = Vec::new();
        for (n, link) in links().into_iter().enumerate() {
            let answer = world.send_raw(link).await;
            if answer.status != 200 {
                assert_eq!(answer.refusal(), REVOKED);
                dead.push(n);
            }
        }
        dead
    };
    assert_eq!(statuses().await, [0; 0]);
    let first = &links()[0];
    for (document, dead) in [
        (json!({"url": url(first)}), vec![0]),
        (json!({"url": format!(" <{}> ", url(first).replace('&', "&amp;"))}), vec![0]),
        (json!({"fingerprint": fingerprint(first)}), vec![0]),
        (json!({"access_key_id": ann.id}), vec![3, 4]),
        (json!({"key": ann.id}), vec![3, 4]),
        (json!({"object": "s3://bucket/a/k"}), vec![0, 1, 3, 5, 6]),
        (json!({"prefix": "s3://bucket/a/"}), vec![0, 1, 3, 4, 5, 6]),
        (json!({"prefix": "s3://bucket/a"}), vec![0, 1, 3, 4, 5, 6]),
        (json!({"prefix": "s3://bucket/b"}), vec![2]),
        (json!({"prefix": "s3://bucket"}), vec![0, 1, 2, 3, 4, 5, 6]),
        (json!({"prefix": "s3://other/a/"}), vec![]),
        (json!({"object": "s3://bucket/a"}), vec![]),
    ] {
        let made = revoked(&world, &root, &document).await;
        assert_eq!(statuses().await, dead, "{document}");
        // What is signed by header goes on.
        assert_eq!(world.send_as(&ann, get("/bucket/a/k")).await.status, 200);
        assert_eq!(undo(&world, &root, &made).await, 204);
        assert_eq!(statuses().await, [0; 0], "undone");
        assert_eq!(undo(&world, &root, &made).await, 404);
    }
}

/// On every surface that takes a link or a form.
#[tokio::test]
async fn no_surface_takes_a_revoked_link() {
    let world = with_objects().await;
    let root = Key::root();
    let form = || world.form("a/form");
    let list = || world.link_with("GET", "", &[], &[("list-type", "2")]);
    assert_eq!(world.send_raw(form().ask()).await.status, 204);
    assert_eq!(world.send_raw(list()).await.status, 200);
    let made = revoked(&world, &root, &json!({"prefix": "s3://bucket/a/"})).await;
    assert_eq!(world.send_raw(form().ask()).await.refusal(), REVOKED);
    assert_eq!(world.send_raw(list()).await.status, 200);
    // A link to delete many objects: those that are revoked stay.
    let keys = "<Delete><Object><Key>a/k</Key></Object><Object><Key>b/k</Key></Object></Delete>";
    let delete = world.link_with(
        "POST",
        "",
        &[("x-amz-checksum-sha256", &sha256_of(keys))],
        &[("delete", "")],
    );
    let answer = world.send_raw(delete.body(keys)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.elements("Deleted").len(), 1, "{}", answer.text());
    assert!(answer.text().contains("<Key>a/k</Key><Code>AccessDenied</Code>"), "{}", answer.text());
    undo(&world, &root, &made).await;
    // A bundle: its renew link, and the links of its parts.
    let begun = Begun::by(&world, &root).await;
    let query = [("partNumber", "1"), ("uploadId", begun.id.as_str())];
    let part = || world.link_with("PUT", "a key", &[], &query).body("x");
    assert_eq!(world.send_raw(part()).await.status, 200);
    let made = revoked(&world, &root, &json!({"object": "s3://bucket/a key"})).await;
    assert_eq!(world.send_raw(part()).await.refusal(), REVOKED);
    let renew = begun.renew(&world);
    assert_eq!(error(&world.send_raw(renew.clone()).await).1, "AccessDenied");
    undo(&world, &root, &made).await;
    assert_eq!(world.send_raw(renew).await.status, 200);
    // A link of STS.
    let sts = || identity_link("sts", "");
    assert_eq!(world.send_raw(sts()).await.status, 200);
    revoked(&world, &root, &json!({"access_key_id": root.id})).await;
    let answer = world.send_raw(sts()).await;
    assert_eq!(
        (answer.status, answer.element("Message")),
        (403, "Link has been revoked".to_owned())
    );
}

fn sha256_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(crate::harness::sha256(text.as_bytes()))
}

#[tokio::test]
async fn links_that_are_signed_later_live() {
    let mut world = with_objects().await;
    let root = Key::root();
    let before = world.link_by(&root, "GET", "a/k");
    let second = world.link_v2("GET", "b/k");
    revoked(&world, &root, &json!({"key": root.id})).await;
    world.now += SignedDuration::from_secs(1);
    assert_eq!(world.send_raw(before).await.refusal(), REVOKED);
    assert_eq!(world.send_raw(world.link_by(&root, "GET", "a/k")).await.status, 200);
    // A SigV2 link does not say when it was signed.
    assert_eq!(world.send_raw(second).await.refusal(), REVOKED);
    // Before a time that is said.
    let early = world.link_by(&root, "GET", "b/k");
    world.now += SignedDuration::from_secs(10);
    let late = world.link_by(&root, "GET", "b/k");
    let cut = (world.now - SignedDuration::from_secs(5)).to_string();
    revoked(&world, &root, &json!({"object": "s3://bucket/b/k", "before": cut})).await;
    assert_eq!(world.send_raw(early).await.refusal(), REVOKED);
    assert_eq!(world.send_raw(late).await.status, 200);
}

#[tokio::test]
async fn a_revocation_ends_with_the_last_link_that_it_could_match() {
    let world = with_objects().await;
    let root = Key::root();
    let lives = async |document: Value| {
        let made = revoked(&world, &root, &document).await;
        made["lives_until"].as_str().unwrap().to_owned()
    };
    assert_eq!(lives(json!({"key": root.id})).await, "2026-06-22T12:15:00Z");
    let day_before = json!({"prefix": "s3://bucket/a", "before": "2026-06-14T12:00:00Z"});
    assert_eq!(lives(day_before).await, "2026-06-21T12:15:00Z");
    let longer = json!({"key": root.id, "until": "2027-01-01T00:00:00Z"});
    assert_eq!(lives(longer).await, "2027-01-01T00:00:00Z");
    // One whose last digit is no 0.
    let whole =
        (0..).map(|n| world.link_saying(&root, "GET", "a/k", &[("x-valet-id", &format!("n{n}"))]));
    let whole = whole.map(|link| url(&link)).find(|url| !url.ends_with('0')).unwrap();
    let mut links = Vec::new();
    for (document, argument) in [
        (json!({}), ""),
        (json!({"key": "A", "object": "s3://bucket/a"}), ""),
        (json!({"key": ""}), "access_key_id"),
        (json!({"fingerprint": "0123456789abcdef"}), "fingerprint"),
        (json!({"object": "bucket/a"}), "object"),
        (json!({"object": "s3://bucket"}), "object"),
        (json!({"prefix": "s3://B/"}), "prefix"),
        (json!({"url": "http://valet.test:9000/bucket/k"}), "url"),
        (json!({"url": "/bucket/k?X-Amz-Signature=a"}), "url"),
        (json!({"url": whole[..whole.len() - 6]}), "url"),
        (json!({"url": format!("{}0", &whole[..whole.len() - 1])}), "url"),
        (json!({"url": whole.to_uppercase()}), "url"),
        (json!({"key": "A", "before": "yesterday"}), "before"),
        (json!({"key": "A", "before": "2026-06-15T12:15:01Z"}), "before"),
        (json!({"key": "A", "before": "2026-06-08T11:45:00Z"}), "before"),
        (json!({"key": "A", "until": "2036-09-01T00:00:00Z"}), "until"),
        (json!({"fingerprint": "00".repeat(32), "before": "2026-06-15T12:00:00Z"}), "before"),
        (json!({"key": "A", "reason": "leaked"}), ""),
    ] {
        let answer = world.send(revoke(&document)).await;
        let expected = (400, "InvalidRequest".to_owned(), argument.to_owned());
        assert_eq!(error(&answer), expected, "{document}");
        links.push(document);
    }
    let listed = listed(&world, &root).await;
    assert_eq!(listed.len(), 2, "nothing was recorded of what was refused");
}

async fn listed(world: &World, key: &Key) -> Vec<Value> {
    let answer = world.send_as(key, get(PATH)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    document["revocations"].as_array().unwrap().clone()
}

/// Who has no permission ends their own links, and no others.
#[tokio::test]
async fn nobody_ends_what_others_signed() {
    let world = with_objects().await;
    let root = Key::root();
    let ann = world.user("ann", &policy(READ)).await;
    let bob = world.user("bob", &policy(READ)).await;
    let links = || [&ann, &bob, &root].map(|key| world.link_by(key, "GET", "a/k"));
    let dead = async || {
        let mut dead = Vec::new();
        for (n, link) in links().into_iter().enumerate() {
            dead.extend((world.send_raw(link).await.status == 403).then_some(n));
        }
        dead
    };
    let [of_ann, of_bob, _] = links();
    for (document, expected) in [
        (json!({"url": url(&of_ann)}), vec![0]),
        (json!({"fingerprint": fingerprint(&of_ann)}), vec![0]),
        (json!({"key": ann.id}), vec![0]),
        (json!({"object": "s3://bucket/a/k"}), vec![0]),
        (json!({"prefix": "s3://bucket/"}), vec![0]),
        // What others signed is left alone, however it is named.
        (json!({"fingerprint": fingerprint(&of_bob)}), vec![]),
    ] {
        let made = revoked(&world, &ann, &document).await;
        assert_eq!(made["scope"], "own");
        assert_eq!(dead().await, expected, "{document}");
        assert_eq!(undo(&world, &bob, &made).await, 404, "of somebody else");
        assert_eq!(undo(&world, &ann, &made).await, 204);
    }
    for document in
        [json!({"url": url(&of_bob)}), json!({"key": bob.id}), json!({"key": "AKIANOBODY"})]
    {
        let answer = world.send_as(&ann, revoke(&document)).await;
        assert_eq!(error(&answer).0, 403, "{document}");
    }
    // A link that opens in years would be remembered for years.
    let far = world.now.as_second() + 400 * 24 * 60 * 60;
    let target = format!(
        "/bucket/a/k?AWSAccessKeyId={}&Expires={far}&Signature={}%3D",
        ann.id,
        "a".repeat(27)
    );
    let far = ask("GET", &target);
    let answer = world.send_as(&ann, revoke(&json!({"url": url(&far)}))).await;
    assert_ne!(answer.status, 201, "{}", answer.text());
    // A link that says it is ann's, with the signature of bob's.
    let signature = |ask: &Ask| ask.target.split_once("X-Amz-Signature=").unwrap().1.to_owned();
    let forged = of_ann.clone().tamper(&signature(&of_ann), &signature(&of_bob));
    let answer = world.send_as(&ann, revoke(&json!({"url": url(&forged)}))).await;
    assert_eq!(error(&answer), (400, "InvalidRequest".to_owned(), "url".to_owned()));
    assert_eq!(dead().await, [0; 0]);
    // And lists show nobody more than that.
    revoked(&world, &bob, &json!({"key": bob.id})).await;
    assert_eq!(listed(&world, &ann).await.len(), 0);
    assert_eq!(listed(&world, &root).await.len(), 1);
}

/// A permission on some objects is for links to these, whoever signed them.
#[tokio::test]
async fn a_permission_reaches_as_far_as_its_objects() {
    let world = with_objects().await;
    let root = Key::root();
    let statement =
        r#"{"Effect":"Allow","Action":"valet:RevokeLinks","Resource":"arn:aws:s3:::bucket/a/*"}"#;
    let ann = world.user("ann", &policy(statement)).await;
    let [of_a, of_b] = ["a/k", "b/k"].map(|key| world.link_by(&root, "GET", key));
    let status = async |link: &Ask| world.send_raw(link.clone()).await.status;
    let made = revoked(&world, &ann, &json!({"url": url(&of_a)})).await;
    assert_eq!((made["scope"].as_str(), status(&of_a).await), (Some("account"), 403));
    assert_eq!(undo(&world, &ann, &made).await, 204);
    for document in [json!({"prefix": "s3://bucket/a/"}), json!({"object": "s3://bucket/a/k"})] {
        let made = revoked(&world, &ann, &document).await;
        assert_eq!((status(&of_a).await, status(&of_b).await), (403, 200), "{document}");
        assert_eq!(undo(&world, &ann, &made).await, 204);
    }
    for document in [
        json!({"prefix": "s3://bucket/"}),
        json!({"prefix": "s3://bucket/a"}),
        json!({"object": "s3://bucket/b/k"}),
        json!({"fingerprint": fingerprint(&of_b)}),
    ] {
        let made = revoked(&world, &ann, &document).await;
        assert_eq!(
            (made["scope"].as_str(), status(&of_b).await, status(&of_a).await),
            (Some("own"), 200, 200),
            "{document}"
        );
    }
    // A link to what she may revoke, with the signature of one to what she may not.
    let signature = |ask: &Ask| ask.target.split_once("X-Amz-Signature=").unwrap().1.to_owned();
    let forged = of_a.clone().tamper(&signature(&of_a), &signature(&of_b));
    revoked(&world, &ann, &json!({"url": url(&forged)})).await;
    assert_eq!(status(&of_b).await, 200);
    // A pattern of one character is none of all keys that begin so.
    let one =
        r#"{"Effect":"Allow","Action":"valet:RevokeLinks","Resource":"arn:aws:s3:::bucket/b/?"}"#;
    let cy = world.user("cy", &policy(one)).await;
    let made = revoked(&world, &cy, &json!({"prefix": "s3://bucket/b/"})).await;
    assert_eq!((made["scope"].as_str(), status(&of_b).await), (Some("own"), 200));
    // A bucket's policy gives nobody this permission.
    let bucket = format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"}}"#,
        user_arn("ann")
    );
    world.bucket_policy(&policy(&bucket)).await;
    let made = revoked(&world, &ann, &json!({"object": "s3://bucket/b/k"})).await;
    assert_eq!((made["scope"].as_str(), status(&of_b).await), (Some("own"), 200));
}

/// Whoever owns the bucket ends links that another account signed for it; nobody else does.
#[tokio::test]
async fn accounts_are_apart() {
    let world = with_objects().await;
    let root = Key::root();
    let account = r#"{"name":"other","id":"123456789012","access_key_id":"OTHERROOT","secret_access_key":"other/secret"}"#;
    let made = ask("POST", "/_valet/api/v1/accounts").body(account);
    assert_eq!(world.send(made).await.status, 201);
    let other = Key { id: "OTHERROOT".into(), secret: "other/secret".into(), token: None };
    let grant = r#"{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}"#;
    world.bucket_policy(&policy(grant)).await;
    let theirs = world.link_by(&other, "GET", "a/k");
    let ours = world.link_by(&root, "GET", "a/k");
    let status = async |link: &Ask| world.send_raw(link.clone()).await.status;
    assert_eq!((status(&theirs).await, status(&ours).await), (200, 200));
    // The other account ends what it signed, and nothing of ours.
    let made = revoked(&world, &other, &json!({"prefix": "s3://bucket/"})).await;
    assert_eq!((status(&theirs).await, status(&ours).await), (403, 200));
    assert_eq!(undo(&world, &root, &made).await, 404);
    assert_eq!(undo(&world, &other, &made).await, 204);
    let made = revoked(&world, &other, &json!({"fingerprint": fingerprint(&ours)})).await;
    assert_eq!(status(&ours).await, 200);
    assert_eq!(undo(&world, &other, &made).await, 204);
    // Nor does it believe that a link is ended which it cannot end: whether there is such a key is not told.
    let unknown = Key { id: "AKIANOBODY".into(), secret: "nobody".into(), token: None };
    for link in [&ours, &world.link_by(&unknown, "GET", "a/k")] {
        let answer = world.send_as(&other, revoke(&json!({"url": url(link)}))).await;
        let message = "This link was not signed in your account, and is for none of its buckets.";
        assert_eq!(error(&answer).0, 403);
        assert!(answer.text().contains(message), "{}", answer.text());
    }
    // We own the bucket.
    let made = revoked(&world, &root, &json!({"url": url(&theirs)})).await;
    assert_eq!((status(&theirs).await, status(&ours).await), (403, 200));
    assert_eq!(undo(&world, &root, &made).await, 204);
    assert_eq!(listed(&world, &other).await.len(), 0);
}

#[tokio::test]
async fn a_revocation_outlives_the_process() {
    let world = with_objects().await;
    let root = Key::root();
    let link = world.link_by(&root, "GET", "a/k");
    let first = revoked(&world, &root, &json!({"url": url(&link)})).await;
    let second = revoked(&world, &root, &json!({"prefix": "s3://bucket/a/"})).await;
    let world = world.reopened(config()).await;
    assert_eq!(world.send_raw(link.clone()).await.refusal(), REVOKED);
    assert_eq!(undo(&world, &root, &first).await, 204);
    let world = world.reopened(config()).await;
    assert_eq!(world.send_raw(link.clone()).await.refusal(), REVOKED);
    assert_eq!(undo(&world, &root, &second).await, 204);
    let world = world.reopened(config()).await;
    assert_eq!(world.send_raw(link.clone()).await.status, 200);
}

#[tokio::test]
async fn pages_of_revocations() {
    let world = with_objects().await;
    for n in 0..5 {
        revoked(&world, &Key::root(), &json!({"key": format!("AKIA{n}")})).await;
    }
    let page = async |query: &str| {
        let answer = world.send(get(&format!("{PATH}{query}"))).await;
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    let first = page("?limit=3").await;
    assert_eq!(first["revocations"].as_array().unwrap().len(), 3);
    let next = first["next"].as_str().unwrap();
    let second = page(&format!("?limit=3&after={next}")).await;
    assert_eq!(second["revocations"].as_array().unwrap().len(), 2);
    assert_eq!(second["next"], Value::Null);
    assert_eq!(second["revocations"][0]["access_key_id"], "AKIA3");
    for limit in ["x", "0", "-1"] {
        assert_eq!(world.send(get(&format!("{PATH}?limit={limit}"))).await.status, 400);
    }
}

/// What is revoked again leaves one record, and what one's own revocations are is one's own business.
#[tokio::test]
async fn own_revocations_cost_others_nothing() {
    let world = with_objects().await;
    let root = Key::root();
    let ann = world.user("ann", &policy(READ)).await;
    let first = revoked(&world, &ann, &json!({"object": "s3://bucket/a/k"})).await;
    let again = revoked(&world, &ann, &json!({"object": "s3://bucket/a/k"})).await;
    assert_eq!(first["id"], again["id"]);
    for n in 1..1000 {
        revoked(&world, &ann, &json!({"prefix": format!("s3://bucket/{n}/")})).await;
    }
    let more = world.send_as(&ann, revoke(&json!({"prefix": "s3://bucket/more"}))).await;
    assert_eq!(error(&more).1, "TooManyRevocations");
    revoked(&world, &root, &json!({"prefix": "s3://bucket/more"})).await;
    let until = json!({"key": ann.id, "until": "2030-01-01T00:00:00Z"});
    assert_eq!(error(&world.send_as(&ann, revoke(&until)).await).0, 403);
    assert_eq!(world.send_raw(world.link_by(&root, "GET", "a/k")).await.status, 200);
}

/// A Deny on what the links are for counts, whatever else is allowed.
#[tokio::test]
async fn a_deny_on_objects_is_kept() {
    let world = with_objects().await;
    let root = Key::root();
    let both = r#"{"Effect":"Allow","Action":"valet:RevokeLinks","Resource":"*"},{"Effect":"Deny","Action":"valet:RevokeLinks","Resource":"arn:aws:s3:::bucket/a/*"}"#;
    let ann = world.user("ann", &policy(both)).await;
    let link = world.link_by(&root, "GET", "a/k");
    for document in [json!({"object": "s3://bucket/a/k"}), json!({"prefix": "s3://bucket/a/"})] {
        let made = revoked(&world, &ann, &document).await;
        assert_eq!(
            (made["scope"].as_str(), world.send_raw(link.clone()).await.status),
            (Some("own"), 200)
        );
    }
    assert_eq!(error(&world.send_as(&ann, revoke(&json!({"url": url(&link)}))).await).0, 403);
    let of_root = revoked(&world, &root, &json!({"object": "s3://bucket/a/k"})).await;
    assert_eq!(undo(&world, &ann, &of_root).await, 404);
    let made = revoked(&world, &ann, &json!({"object": "s3://bucket/b/k"})).await;
    assert_eq!(made["scope"], "account");
}
