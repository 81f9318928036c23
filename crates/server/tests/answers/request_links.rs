//! Links by which files are sent: what they take, how much, and where it comes to be.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Answer, World, ask, get, put};
use crate::people::{Key, policy};

const LINKS: &str = "/_valet/api/v1/links";
const PART: usize = 5 * 1024 * 1024;

fn document(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// The path of a new link that takes files into `in/`.
async fn link(world: &World, key: &Key, members: Value) -> String {
    let mut wanted = json!({"kind": "request", "bucket": "bucket", "prefix": "in/"});
    wanted.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let made = world.send_as(key, ask("POST", LINKS).body(wanted.to_string())).await;
    assert_eq!(made.status, 201, "{}", made.text());
    format!("/_valet/s/{}", document(&made)["id"].as_str().unwrap())
}

async fn call(world: &World, path: &str, wanted: &Value) -> Answer {
    let call = ask("POST", path).header("content-type", "application/json");
    world.send_raw(call.body(wanted.to_string())).await
}

async fn begin(world: &World, link: &str, name: &str, size: usize) -> Answer {
    call(world, &format!("{link}/files"), &json!({"name": name, "size": size})).await
}

/// Sends parts of a file by the links that the server gives for them.
async fn send_parts(world: &World, file: &str, content: &[u8], parts: &[u16]) {
    let links = call(world, &format!("{file}/links"), &json!({"parts": parts})).await;
    assert_eq!(links.status, 200, "{}", links.text());
    for one in document(&links).as_array().unwrap() {
        let at = |name: &str| usize::try_from(one[name].as_u64().unwrap()).unwrap();
        let piece = content[at("offset")..at("offset") + at("size")].to_vec();
        let url = one["url"].as_str().unwrap();
        assert!(!url.contains("://"), "{url}");
        let length = piece.len().to_string();
        let sent =
            world.send_raw(ask("PUT", url).header("content-length", &length).body(piece)).await;
        assert_eq!(sent.status, 200, "{}", sent.text());
    }
}

async fn send(world: &World, link: &str, name: &str, content: &[u8]) -> Answer {
    let begun = begin(world, link, name, content.len()).await;
    if begun.status != 201 {
        return begun;
    }
    let file = format!("{link}/files/{}", document(&begun)["file"].as_str().unwrap());
    let count = u16::try_from(content.len().div_ceil(PART).max(1)).unwrap();
    send_parts(world, &file, content, &(1..=count).collect::<Vec<_>>()).await;
    call(world, &format!("{file}/complete"), &json!({})).await
}

/// The keys of the bucket, and what is uploaded without being there yet.
async fn keys(world: &World) -> (Vec<String>, usize) {
    let text = world.send(get("/bucket?list-type=2")).await.text().to_owned();
    let keys =
        text.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned());
    let uploads = world.send(get("/bucket?uploads")).await.text().matches("<Upload>").count();
    (keys.collect(), uploads)
}

fn message(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.element("Message"))
}

#[tokio::test]
async fn a_file_arrives_in_parts_under_a_name_of_the_servers() {
    let world = World::with_bucket().await;
    let link = link(&world, &Key::root(), json!({"ask_name": true, "ask_note": true})).await;
    let page = world.send_raw(get(&link).header("sec-fetch-mode", "navigate")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Choose files") && page.text().contains("Your name"));
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("script-src 'nonce-") && !policy.contains("'unsafe-inline' 'self'"),
        "{policy}"
    );
    let content: Vec<u8> = (0..PART + 1000).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let offered = json!({"name": "../../Zoë's \u{202e}gpj.exe", "size": content.len(), "type": "image/png",
        "sender": "Zoë", "note": "a\r\nb"});
    let begun = call(&world, &format!("{link}/files"), &offered).await;
    assert_eq!(begun.status, 201, "{}", begun.text());
    let file = format!("{link}/files/{}", document(&begun)["file"].as_str().unwrap());
    assert_eq!(document(&begun)["part_size"], PART);
    send_parts(&world, &file, &content, &[2]).await;
    let early = call(&world, &format!("{file}/complete"), &json!({})).await;
    assert_eq!(message(&early), "400 Not all parts of the file are there yet.");
    // As after a reload of the page.
    let progress = document(&world.send_raw(get(&file)).await);
    assert_eq!((&progress["uploaded"], &progress["done"]), (&json!([2]), &json!(false)));
    send_parts(&world, &file, &content, &[1]).await;
    for _ in 0..2 {
        let done = call(&world, &format!("{file}/complete"), &json!({})).await;
        assert_eq!((done.status, &document(&done)["done"]), (200, &json!(true)));
    }
    let (found, uploads) = keys(&world).await;
    assert_eq!((found.len(), uploads), (1, 0), "{found:?}");
    let key = &found[0];
    assert!(key.starts_with("in/2026-06-15/") && key.ends_with("-Zoë's gpj.exe"), "{key}");
    let path = format!("/bucket/{}", presign::encode_path(key.as_bytes()));
    let stored = world.send(get(&path)).await;
    assert_eq!(stored.body, content);
    assert_eq!(stored.header("content-type"), "image/png");
    assert_eq!(stored.header("x-amz-meta-sender"), "=?UTF-8?Q?Zo=C3=AB?=");
    assert_eq!(stored.header("x-amz-meta-note"), "ab");
    // Whoever sends sees nothing of what is there.
    for path in [
        format!("{link}/{}", presign::encode_path(key.as_bytes())),
        format!("{link}?list-type=2"),
        format!("{link}/files"),
    ] {
        let answer = world.send_raw(get(&path)).await;
        assert!(!answer.text().contains("2026-06-15"), "{path}");
    }
}

#[tokio::test]
async fn what_is_over_a_cap_leaves_nothing() {
    let world = World::with_bucket().await;
    let root = Key::root();
    let caps = json!({"max_bytes": 1000, "max_files": 3, "max_total_bytes": 1500, "types": [".txt", "image/*"]});
    let link = link(&world, &root, caps).await;
    let large = send(&world, &link, "a.txt", &[1; 1001]).await;
    assert_eq!(message(&large), "400 This file is too large: one file may have 1000 bytes.");
    let other = send(&world, &link, "a.exe", &[1; 10]).await;
    assert_eq!(
        message(&other),
        "400 Files of this kind are not taken, only .txt files and pictures."
    );
    assert_eq!(keys(&world).await, (vec![], 0));
    assert_eq!(send(&world, &link, "a.txt", &[1; 1000]).await.status, 200);
    let more = send(&world, &link, "b.txt", &[1; 501]).await;
    let left = "400 All files together may have so much that 500 bytes are left. What is being sent counts.";
    assert_eq!(message(&more), left);
    assert_eq!(send(&world, &link, "b.txt", &[1; 500]).await.status, 200);
    assert_eq!(send(&world, &link, "empty.txt", &[]).await.status, 200);
    let fourth = send(&world, &link, "c.txt", &[]).await;
    assert_eq!(message(&fourth), "403 Link has been used up");
    let (found, uploads) = keys(&world).await;
    assert_eq!((found.len(), uploads), (3, 0));
    let listed = document(&world.send(get(LINKS)).await);
    assert_eq!(listed["links"][0]["state"], "used-up");
}

#[tokio::test]
async fn a_part_has_the_size_that_was_offered() {
    let world = World::with_bucket().await;
    let link = link(&world, &Key::root(), json!({"max_bytes": 10})).await;
    let begun = document(&begin(&world, &link, "a", 10).await);
    let file = format!("{link}/files/{}", begun["file"].as_str().unwrap());
    let links = document(&call(&world, &format!("{file}/links"), &json!({"parts": [1]})).await);
    let url = links[0]["url"].as_str().unwrap();
    for size in [9_usize, 11, 1000] {
        let put = ask("PUT", url).header("content-length", &size.to_string()).body(vec![0; size]);
        assert_eq!(world.send_raw(put).await.status, 403, "{size}");
    }
    let other = url.replace("partNumber=1", "partNumber=2");
    assert_eq!(
        world
            .send_raw(ask("PUT", &other).header("content-length", "10").body(vec![0; 10]))
            .await
            .status,
        403
    );
    assert_eq!(call(&world, &format!("{file}/links"), &json!({"parts": [2]})).await.status, 400);
    assert_eq!(call(&world, &format!("{file}/complete"), &json!({})).await.status, 400);
    assert_eq!(call(&world, &format!("{file}/abort"), &json!({})).await.status, 200);
    assert_eq!(keys(&world).await, (vec![], 0));
    assert_eq!(world.send_raw(get(&file)).await.status, 404);
}

/// Begins a file, and sends all of its parts.
async fn upload(world: &World, link: &str, name: &str, content: &[u8]) -> String {
    let begun = begin(world, link, name, content.len()).await;
    assert_eq!(begun.status, 201, "{}", begun.text());
    let file = format!("{link}/files/{}", document(&begun)["file"].as_str().unwrap());
    send_parts(world, &file, content, &[1]).await;
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_to_be_done_is_there_wherever_a_try_has_stopped() {
    let world = World::with_bucket().await;
    let link = link(&world, &Key::root(), json!({"notify": ["mailto:ana@example.com"]})).await;
    let (mut polls, mut is_answered) = (0, false);
    while !is_answered {
        polls += 1;
        let name = format!("{polls}.txt");
        let file = upload(&world, &link, &name, name.as_bytes()).await;
        let complete = ask("POST", &format!("{file}/complete"));
        let complete = complete.header("content-type", "application/json").body("{}");
        is_answered = world.send_polling(complete.clone(), polls).await.is_some();
        let is_there = async || keys(&world).await.0.iter().any(|key| key.ends_with(&name));
        let told = document(&world.send_raw(get(&file)).await)["done"] == true;
        assert!(!told || is_there().await, "{polls}");
        // The next tries finish what was left; all at once.
        let tries = tokio::join!(
            world.send_raw(complete.clone()),
            world.send_raw(complete.clone()),
            world.send_raw(complete)
        );
        for answer in [tries.0, tries.1, tries.2] {
            assert_eq!((answer.status, &document(&answer)["done"]), (200, &json!(true)));
            assert!(is_there().await, "{polls}");
        }
    }
    assert!(polls > 2, "a try is done in several steps: {polls}");
    let id = link.rsplit('/').next().unwrap().parse::<store::ManagedLinkId>().unwrap();
    let totals = world.store.request_totals(&id.fingerprint()).await.unwrap();
    let (found, uploads) = keys(&world).await;
    let count = u64::try_from(polls).unwrap();
    assert_eq!((found.len(), uploads, totals.done, totals.files), (polls, 0, count, count));
    world.deliver_notices().await;
    assert!(world.store.notices_of(&id.fingerprint(), 1000).await.unwrap().len() <= polls, "once");
}

#[tokio::test]
async fn what_was_sent_by_half_goes_with_its_room() {
    let world = World::with_bucket().await;
    let link = link(&world, &Key::root(), json!({"max_total_bytes": 10})).await;
    let whole = [7; 10];
    let file = upload(&world, &link, "a", &whole).await;
    let maintain = async |hours| {
        let later = world.later(SignedDuration::from_hours(hours));
        let uptime = std::time::Duration::from_hours(u64::try_from(10_000 + hours).unwrap());
        world.store.maintenance().run_once(later.now, uptime).await.unwrap();
    };
    maintain(23).await;
    assert_eq!(keys(&world).await, (vec![], 1));
    assert_eq!(begin(&world, &link, "b", 1).await.status, 400);
    maintain(25).await;
    assert_eq!(keys(&world).await, (vec![], 0), "the upload went with its room");
    assert_eq!(call(&world, &format!("{file}/complete"), &json!({})).await.status, 404);
    let file = upload(&world, &link, "b", &whole).await;
    let after_end = world.later(SignedDuration::from_hours(24 * 8));
    after_end.close_ended_links().await;
    assert_eq!(keys(&world).await, (vec![], 0), "the upload went with its link");
    assert_eq!(call(&after_end, &format!("{file}/complete"), &json!({})).await.status, 403);
}

#[tokio::test]
async fn each_file_that_arrives_is_told_of() {
    let world = World::with_bucket().await;
    let told = json!({"notify": ["mailto:ana@example.com"]});
    let link = link(&world, &Key::root(), told).await;
    for name in ["a.txt", "b.txt"] {
        assert_eq!(send(&world, &link, name, name.as_bytes()).await.status, 200);
    }
    assert_eq!(begin(&world, &link, "c.txt", 1).await.status, 201);
    world.deliver_notices().await;
    let id = link.rsplit('/').next().unwrap().parse::<store::ManagedLinkId>().unwrap();
    let mut told = world.store.notices_of(&id.fingerprint(), 10).await.unwrap();
    told.sort_by_key(|notice| notice.facts.key.rsplit('-').next().unwrap().to_owned());
    let short = |notice: &store::Notice| {
        let store::NoticeFacts { key, bytes, address, .. } = &notice.facts;
        let (name, address) = (key.rsplit('-').next().unwrap(), address.unwrap());
        format!("{} {name} {} {address}", notice.event.name(), bytes.unwrap())
    };
    let told: Vec<_> = told.iter().map(short).collect();
    assert_eq!(told, ["upload a.txt 5 192.0.2.7", "upload b.txt 5 192.0.2.7"]);
}

#[tokio::test]
async fn a_request_ends_with_its_maker_and_its_link() {
    let world = World::with_bucket().await;
    let allowed =
        r#"{"Effect":"Allow","Action":["s3:PutObject","valet:CreateLink"],"Resource":"*"}"#;
    let maker = world.user("maker", &policy(allowed)).await;
    let path = link(&world, &maker, json!({"expires_at": "2026-06-15T13:00:00Z"})).await;
    assert_eq!(send(&world, &path, "a", b"hello").await.status, 200);
    let begun = document(&begin(&world, &path, "b", 5).await);
    let file = format!("{path}/files/{}", begun["file"].as_str().unwrap());
    send_parts(&world, &file, b"hello", &[1]).await;
    world
        .put_user_policy("maker", &policy(r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#))
        .await;
    assert_eq!(send(&world, &path, "c", b"hello").await.status, 403);
    assert_eq!(call(&world, &format!("{file}/complete"), &json!({})).await.status, 403);
    world.put_user_policy("maker", &policy(allowed)).await;
    assert_eq!(call(&world, &format!("{file}/complete"), &json!({})).await.status, 200);
    let late = world.later(SignedDuration::from_hours(2));
    assert_eq!(begin(&late, &path, "d", 5).await.status, 403);
    assert_eq!(keys(&world).await.0.len(), 2);
}

#[tokio::test]
async fn a_passphrase_is_shown_once_and_then_a_cookie() {
    let world = World::with_bucket().await;
    let link = link(&world, &Key::root(), json!({"passphrase": "sesame"})).await;
    assert_eq!(begin(&world, &link, "a", 5).await.status, 403);
    let page = world.send_raw(get(&link).header("sec-fetch-mode", "navigate")).await;
    assert!(page.text().contains("type=\"password\"") && !page.text().contains("Choose files"));
    let right = world.send_raw(ask("POST", &link).body("passphrase=sesame")).await;
    assert_eq!((right.status, right.header("location")), (303, link.as_str()));
    let cookie = right.header("set-cookie").split(';').next().unwrap().to_owned();
    for n in 0..8 {
        let begin = ask("POST", &format!("{link}/files"))
            .header("content-type", "application/json")
            .header("cookie", &cookie);
        let begun = world
            .send_raw(begin.body(json!({"name": format!("{n}"), "size": 1}).to_string()))
            .await;
        assert_eq!(begun.status, 201, "{}", begun.text());
    }
}

#[tokio::test]
async fn what_no_page_sends_is_refused() {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/in/there", "x")).await.status, 200);
    let link = link(&world, &Key::root(), json!({"ask_name": true})).await;
    let files = format!("{link}/files");
    let check = async |wanted: Value, expected: u16| {
        let answer = call(&world, &files, &wanted).await;
        assert_eq!(answer.status, expected, "{wanted} {}", answer.text());
    };
    check(json!({"name": "a", "size": 1}), 400).await;
    check(json!({"name": "a", "size": 1, "sender": "\u{200b} \u{2060}"}), 400).await;
    check(json!({"name": "a", "size": -1, "sender": "x"}), 400).await;
    check(json!({"name": "a", "size": 1, "sender": "x", "more": 1}), 400).await;
    check(json!({"name": "a", "size": 1, "sender": "x".repeat(201)}), 400).await;
    check(json!({"name": "a", "size": 1, "sender": "x", "note": "n".repeat(1001)}), 400).await;
    check(json!({"name": "a", "size": u64::MAX, "sender": "x"}), 400).await;
    check(json!({"name": "a".repeat(5000), "size": 1, "sender": "x"}), 201).await;
    check(json!({"name": "///", "size": 1, "sender": "x", "type": "text/html\r\nx: y"}), 201).await;
    // A form of another site's page.
    let form = ask("POST", &files).header("content-type", "text/plain");
    let form = form.body(json!({"name": "a", "size": 1, "sender": "x"}).to_string());
    assert_eq!(world.send_raw(form).await.status, 400);
    for path in [
        "x",
        "files/x",
        "files/AAAAAAAAAAAAAAAAAAAAAA",
        "files//complete",
        "in/there",
        "../../bucket/in/there",
    ] {
        assert_eq!(world.send_raw(get(&format!("{link}/{path}"))).await.status, 404, "{path}");
    }
    assert_eq!(keys(&world).await.0, ["in/there"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_files_are_under_way_as_may_be() {
    let world = World::with_bucket().await;
    let path = link(&world, &Key::root(), json!({})).await;
    let bucket =
        world.store.bucket(&store::BucketName::parse("bucket").unwrap()).await.unwrap().unwrap();
    let add = async |path: &str, count: u64, is_done: bool| {
        let id = path.rsplit('/').next().unwrap().parse::<store::ManagedLinkId>().unwrap();
        let room = store::RequestRoom {
            files_max: u64::MAX,
            bytes_max: u64::MAX,
            idle_before: jiff::Timestamp::MIN,
        };
        let jobs = (0..count).map(|_| {
            let file = store::RequestFile {
                id: store::RequestFile::new_id().unwrap(),
                link: id.fingerprint(),
                bucket: bucket.reference(),
                key: store::ObjectKey::parse("in/a").unwrap(),
                name: "a".to_owned(),
                size: 0,
                upload: None,
                is_done,
                touched_at: world.now,
            };
            let store = world.store.clone();
            tokio::spawn(async move { store.reserve_file(file, room).await.unwrap() })
        });
        for job in jobs.collect::<Vec<_>>() {
            assert_eq!(job.await.unwrap(), store::ReserveFile::Reserved);
        }
    };
    add(&path, store::FILES_UNDER_WAY_MAX - 1, false).await;
    let last = document(&begin(&world, &path, "a", 0).await);
    let refused = begin(&world, &path, "b", 0).await;
    assert_eq!(
        message(&refused),
        "400 1000 files that were begun are not finished. Finish some of them, or try again in an hour."
    );
    let file = format!("{path}/files/{}", last["file"].as_str().unwrap());
    assert_eq!(call(&world, &format!("{file}/abort"), &json!({})).await.status, 200);
    assert_eq!(begin(&world, &path, "b", 0).await.status, 201);
    // Nor are more taken in all than the maker said, or ten thousand if they said nothing.
    let unsaid = link(&world, &Key::root(), json!({})).await;
    add(&unsaid, store::FILES_MAX_UNSAID - 1, true).await;
    assert_eq!(begin(&world, &unsaid, "c", 0).await.status, 201);
    assert!(begin(&world, &unsaid, "c", 0).await.status >= 400);
    let said = link(&world, &Key::root(), json!({"max_files": store::FILES_MAX_UNSAID + 1})).await;
    add(&said, store::FILES_MAX_UNSAID, true).await;
    assert_eq!(begin(&world, &said, "c", 0).await.status, 201);
}

#[tokio::test]
async fn nobody_keeps_what_a_short_link_answers() {
    let world = World::with_bucket().await;
    assert_eq!(world.send(put("/bucket/in/there", "x")).await.status, 200);
    let request = link(&world, &Key::root(), json!({})).await;
    let folder = json!({"kind": "folder", "bucket": "bucket", "prefix": "in/"});
    let object = json!({"kind": "object", "bucket": "bucket", "key": "in/there", "uses": 1});
    let mut paths = vec![request.clone(), format!("{request}/files/x"), "/_valet/s/x".to_owned()];
    for wanted in [folder, object] {
        let made = world.send(ask("POST", LINKS).body(wanted.to_string())).await;
        let made = document(&made);
        paths.push(format!("/_valet/s/{}", made["id"].as_str().unwrap()));
    }
    paths.push(format!("{}?zip", paths[3]));
    let begun = document(&begin(&world, &request, "a", 1).await);
    let file = format!("{request}/files/{}", begun["file"].as_str().unwrap());
    paths.push(file.clone());
    let check = |answer: &Answer, what: &str| {
        let headers = ["cache-control", "referrer-policy", "x-content-type-options"];
        let found = headers.map(|name| answer.header(name));
        assert_eq!(found, ["no-store", "no-referrer", "nosniff"], "{what} {}", answer.status);
    };
    for path in &paths {
        check(&world.send_raw(get(path)).await, path);
        check(&world.send_raw(get(path).header("sec-fetch-mode", "navigate")).await, path);
        check(&world.send_raw(get(path).header("accept", "application/json")).await, path);
        check(&world.send_raw(ask("DELETE", path)).await, path);
    }
    for path in [format!("{request}/files"), format!("{file}/complete"), format!("{file}/abort")] {
        check(&call(&world, &path, &json!({"x": 1})).await, &path);
        check(&call(&world, &path, &json!({})).await, &path);
    }
    let late = world.later(SignedDuration::from_hours(24 * 8));
    for path in &paths {
        check(&late.send_raw(get(path)).await, path);
    }
}

#[tokio::test]
async fn a_request_with_all_its_files_is_closed_for_everybody() {
    for caps in [json!({"max_files": 2}), json!({"uses": 2}), json!({"uses": 2, "max_files": 9})] {
        let world = World::with_bucket().await;
        let link = link(&world, &Key::root(), caps).await;
        let shown = async || document(&world.send(get(LINKS)).await)["links"][0].clone();
        let page = async || world.send_raw(get(&link).header("sec-fetch-mode", "navigate")).await;
        let begun = document(&begin(&world, &link, "a", 5).await);
        let file = format!("{link}/files/{}", begun["file"].as_str().unwrap());
        assert_eq!(send(&world, &link, "b", b"hello").await.status, 200);
        // One is there and one comes: nobody else has a place, and whoever sends it sees the page.
        let third = begin(&world, &link, "c", 1).await;
        assert!(message(&third).starts_with("400 As many files as may be sent are being sent."));
        let text = page().await.text().to_owned();
        assert!(text.contains("Choose files") && text.contains("no more"), "{text}");
        assert_eq!(
            (&shown().await["state"], &shown().await["uses_taken"]),
            (&json!("active"), &json!(1))
        );
        send_parts(&world, &file, b"hello", &[1]).await;
        assert_eq!(call(&world, &format!("{file}/complete"), &json!({})).await.status, 200);
        for world in [world.at("192.0.2.9"), world.later(SignedDuration::from_hours(1))] {
            let page = world.send_raw(get(&link).header("sec-fetch-mode", "navigate")).await;
            assert_eq!(page.status, 403);
            assert!(page.text().contains("<h1>This link has been used up</h1>"), "{}", page.text());
            assert_eq!(message(&world.send_raw(get(&link)).await), "403 Link has been used up");
            let late = begin(&world, &link, "d", 1).await;
            assert_eq!(message(&late), "403 Link has been used up");
        }
        // Its sender may not have heard that the last one is there.
        assert_eq!(call(&world, &format!("{file}/complete"), &json!({})).await.status, 200);
        assert_eq!(document(&world.send_raw(get(&file)).await)["done"], true);
        assert_eq!(
            (&shown().await["state"], &shown().await["uses_taken"]),
            (&json!("used-up"), &json!(2))
        );
        assert_eq!(keys(&world).await.0.len(), 2);
    }
}

#[tokio::test]
async fn the_last_file_of_a_request_is_told_of_and_who_comes_after_it() {
    for (caps, files) in [(json!({"uses": 2}), 2), (json!({"max_files": 1}), 1)] {
        let world = World::with_bucket().await;
        let mut members = caps;
        members["notify"] = json!(["mailto:ana@example.com"]);
        let link = link(&world, &Key::root(), members).await;
        let id = link.rsplit('/').next().unwrap().parse::<store::ManagedLinkId>().unwrap();
        let told = async || {
            world.close_ended_links().await;
            world.deliver_notices().await;
            let told = world.store.notices_of(&id.fingerprint(), 20).await.unwrap();
            let mut told: Vec<_> = told.iter().map(|notice| notice.event.name()).collect();
            told.sort_unstable();
            told
        };
        for n in 0..files {
            assert!(!told().await.contains(&"used-up"));
            assert_eq!(send(&world, &link, &format!("{n}"), b"hello").await.status, 200);
        }
        let mut expected = vec!["upload"; files];
        expected.push("used-up");
        assert_eq!(told().await, expected);
        for _ in 0..3 {
            assert_eq!(begin(&world, &link, "late", 1).await.status, 403);
            assert_eq!(world.send_raw(get(&link)).await.status, 403);
        }
        expected.insert(0, "refused-after-end");
        assert_eq!(told().await, expected);
    }
}

#[tokio::test]
async fn a_link_that_filled_up_before_a_restart_is_closed_when_it_is_opened() {
    let world = World::with_bucket().await;
    let members = json!({"max_files": 1, "notify": ["mailto:ana@example.com"]});
    let link = link(&world, &Key::root(), members).await;
    assert_eq!(send(&world, &link, "a", b"hello").await.status, 200);
    let world = world.reopened(crate::harness::config()).await;
    assert_eq!(begin(&world, &link, "late", 1).await.status, 403);
    world.close_ended_links().await;
    world.deliver_notices().await;
    let id = link.rsplit('/').next().unwrap().parse::<store::ManagedLinkId>().unwrap();
    let told = world.store.notices_of(&id.fingerprint(), 20).await.unwrap();
    assert!(told.iter().any(|notice| notice.event.name() == "used-up"), "{told:?}");
}

#[tokio::test]
async fn the_room_of_a_file_that_stands_still_is_for_others() {
    for caps in [json!({"max_files": 1}), json!({"max_total_bytes": 15})] {
        let world = World::with_bucket().await;
        let link = link(&world, &Key::root(), caps).await;
        let begun = document(&begin(&world, &link, "a", 10).await);
        let file = format!("{link}/files/{}", begun["file"].as_str().unwrap());
        let (early, late) = (world.later(minutes(20)), world.later(minutes(81)));
        // Whoever asks for a part goes on with the file.
        let links = document(&call(&early, &format!("{file}/links"), &json!({"parts": [1]})).await);
        assert_eq!(begin(&world.later(minutes(79)), &link, "b", 10).await.status, 400);
        assert_eq!(early.send_raw(get(&file)).await.status, 200);
        let other = document(&begin(&late, &link, "b", 10).await);
        let other = format!("{link}/files/{}", other["file"].as_str().unwrap());
        // The first one is gone with its parts, and cannot come back.
        assert_eq!(keys(&late).await, (vec![], 1));
        let put = ask("PUT", links[0]["url"].as_str().unwrap()).header("content-length", "10");
        assert_eq!(early.send_raw(put.body(vec![0; 10])).await.status, 404);
        for at in ["links", "complete", "abort"] {
            let wanted = if at == "links" { json!({"parts": [1]}) } else { json!({}) };
            assert_eq!(call(&late, &format!("{file}/{at}"), &wanted).await.status, 404, "{at}");
        }
        send_parts(&late, &other, &[7; 10], &[1]).await;
        assert_eq!(call(&late, &format!("{other}/complete"), &json!({})).await.status, 200);
        assert_eq!(keys(&late).await.0.len(), 1);
        // What is there makes no room for anybody.
        assert!([400, 403].contains(&begin(&late, &link, "c", 10).await.status));
    }
}

#[tokio::test]
async fn what_stands_still_stays_while_nobody_needs_its_room() {
    let world = World::with_bucket().await;
    let link = link(&world, &Key::root(), json!({"max_files": 2})).await;
    let begun = document(&begin(&world, &link, "a", 5).await);
    let file = format!("{link}/files/{}", begun["file"].as_str().unwrap());
    send_parts(&world, &file, b"hello", &[1]).await;
    let late = world.later(minutes(600));
    assert_eq!(send(&late, &link, "b", b"hello").await.status, 200);
    assert_eq!(call(&late, &format!("{file}/complete"), &json!({})).await.status, 200);
    assert_eq!(keys(&late).await.0.len(), 2);
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}
