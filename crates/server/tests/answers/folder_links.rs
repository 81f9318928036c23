//! Managed links to folders: what is listed, which files can be had, and all of them as a zip.

use std::io::{Cursor, Read};

use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Answer, World, ask, get, put};
use crate::people::{Key, policy};

const PATH: &str = "/_valet/api/v1/links";
const READ_AND_SHARE: &str = r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket","s3:PutObject","valet:CreateLink"],"Resource":"*"}"#;
const DENIED: &str = "403 <Code>AccessDenied</Code><Message>Access Denied</Message>";
const USED_UP: &str = "403 <Code>AccessDenied</Code><Message>Link has been used up</Message>";
const REVOKED: &str = "403 <Code>AccessDenied</Code><Message>Link has been revoked</Message>";
const NO_LINK: &str = "404 <Code>NoSuchLink</Code><Message>There is no such link.</Message>";
const NO_KEY: &str =
    "404 <Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>";

/// Keys that are no paths, below a prefix.
const STRANGE: [&str; 12] = [
    "a b.txt",
    "\u{e4} \u{1f600}.txt",
    "sub/one.txt",
    "sub/deep/two.txt",
    "../secret.txt",
    "x/../../secret.txt",
    "double//slash.txt",
    "per%2Fcent.txt",
    "line\nbreak.txt",
    "plus+and&.txt",
    "<img src=x onerror=alert(1)>.txt",
    "..",
];

async fn with_keys(keys: &[&str]) -> World {
    let world = World::with_bucket().await;
    for key in keys {
        store(&world, &format!("share/{key}"), key).await;
    }
    store(&world, "secret.txt", "outside").await;
    store(&world, "share2/secret.txt", "outside").await;
    world
}

/// Stores an object by any key: with every slash encoded, none of them is part of a path.
async fn store(world: &World, key: &str, content: &str) {
    let target = format!("/bucket/{}", presign::encode_component(key.as_bytes()));
    assert_eq!(world.send(put(&target, content)).await.status, 200, "{key}");
}

fn document(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// A link to `share/`, and its path.
async fn made(world: &World, key: &Key, more: Value) -> (Value, String) {
    let mut wanted = json!({"kind": "folder", "bucket": "bucket", "prefix": "share/"});
    wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = world.send_as(key, ask("POST", PATH).body(wanted.to_string())).await;
    assert_eq!(answer.status, 201, "{wanted} {}", answer.text());
    let link = document(&answer);
    let path = format!("/_valet/s/{}", link["id"].as_str().unwrap());
    (link, path)
}

async fn root_link(world: &World, more: Value) -> String {
    made(world, &Key::root(), more).await.1
}

async fn listed(world: &World, target: &str) -> Value {
    let answer = world.send_raw(get(target).header("accept", "application/json")).await;
    assert_eq!(answer.status, 200, "{target} {}", answer.text());
    document(&answer)
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let entries = list[member].as_array().unwrap().iter();
    entries.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

/// Sends on and gets what is there.
async fn fetched(world: &World, target: &str) -> Answer {
    let answer = world.send_raw(get(target)).await;
    if answer.status != 302 {
        return answer;
    }
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    world.send_raw(get(answer.header("location"))).await
}

/// The names and contents of a zip, in its order.
fn unzipped(bytes: &[u8]) -> Vec<(String, String)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let many = zip.len();
    let read = |number| {
        let mut file = zip.by_index(number).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        (file.name().unwrap().into_owned(), content)
    };
    (0..many).map(read).collect()
}

async fn zip_of(world: &World, path: &str) -> Vec<(String, String)> {
    let answer = world.send_raw(get(&format!("{path}?zip"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/zip");
    unzipped(&answer.body)
}

/// Why there is no zip, once none is under way: the end of one is noted a moment after it was taken.
async fn refused_zip(world: &World, path: &str) -> String {
    loop {
        let answer = world.send_raw(get(&format!("{path}?zip"))).await;
        if answer.status != 503 {
            return answer.refusal();
        }
        tokio::task::yield_now().await;
    }
}

/// Waits for a zip that nobody takes any more to end, and gets it anew.
async fn zip_when_free(world: &World, path: &str) -> Vec<(String, String)> {
    for _ in 0..10_000 {
        let answer = world.send_raw(get(&format!("{path}?zip"))).await;
        if answer.status != 503 {
            assert_eq!(answer.status, 200, "{}", answer.text());
            return unzipped(&answer.body);
        }
        tokio::task::yield_now().await;
    }
    panic!("the zip before goes on");
}

/// Whether a client takes the path of a URL for another one: dots are steps, encoded ones too.
fn has_steps(target: &str) -> bool {
    let path = target.split('?').next().unwrap().to_lowercase().replace("%2e", ".");
    path.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."))
}

#[tokio::test]
async fn a_folder_is_listed_and_walked() {
    let world = with_keys(&["b.txt", "a.txt", "sub/one.txt", "sub/deep/two.txt", "sub/"]).await;
    let path = root_link(&world, json!({"label": "Report"})).await;
    let list = listed(&world, &path).await;
    assert_eq!(list["name"], "Report");
    assert_eq!(names(&list, "folders"), ["sub/"]);
    assert_eq!(names(&list, "files"), ["a.txt", "b.txt"]);
    assert_eq!(list["files"][0]["size"], 5);
    assert_eq!(list["files"][0]["modified"], "2026-06-15T12:00:00Z");
    let sub = listed(&world, list["folders"][0]["url"].as_str().unwrap()).await;
    assert_eq!((&sub["name"], &sub["path"]), (&json!("sub"), &json!("sub/")));
    assert_eq!(names(&sub, "folders"), ["deep/"]);
    assert_eq!(names(&sub, "files"), ["one.txt"]);
    let file = fetched(&world, sub["files"][0]["url"].as_str().unwrap()).await;
    assert_eq!(file.text(), "sub/one.txt");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"one.txt\"");
    for target in [format!("{path}?path=none%2F"), format!("{path}?zip&path=none%2F")] {
        assert_eq!(world.send_raw(get(&target)).await.refusal(), NO_KEY, "{target}");
    }
    store(&world, "share/empty/", "").await;
    let empty = listed(&world, &format!("{path}?path=empty%2F")).await;
    assert!(names(&empty, "files").is_empty() && names(&empty, "folders").is_empty());
    assert_eq!(world.send(ask("DELETE", "/bucket/share/empty/")).await.status, 204);
    let wrong = world.send_raw(get(&format!("{path}?path=sub"))).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let slash = listed(&world, &format!("{path}/")).await;
    assert_eq!(names(&slash, "files"), ["a.txt", "b.txt"]);
    // Folders that are written like steps are folders.
    store(&world, "share/../up.txt", "up").await;
    let up = listed(&world, &format!("{path}?path=..%2F")).await;
    assert_eq!(names(&up, "files"), ["up.txt"]);
}

#[tokio::test]
async fn the_page_says_what_is_there_and_runs_nothing() {
    let world = with_keys(&STRANGE).await;
    let path = root_link(&world, json!({"show_creator": true, "uses": 3})).await;
    for accept in [Some("*/*"), None] {
        let mut asked = get(&path);
        if let Some(accept) = accept {
            asked = asked.header("accept", accept);
        }
        let page = world.send_raw(asked).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        let text = page.text();
        assert!(!text.contains("<img") && text.contains("&lt;img src=x"), "{text}");
        for told in [
            "Download all (zip)",
            "Shared by",
            "22 June 2026",
            "3 downloads more",
            "<h1>share</h1>",
        ] {
            assert!(text.contains(told), "{told} {text}");
        }
    }
    // A browser that navigates sees the page, whatever it would take.
    let browser =
        get(&path).header("sec-fetch-mode", "navigate").header("accept", "application/json");
    assert!(world.send_raw(browser).await.text().contains("<!DOCTYPE html>"));
    let head = world.send_raw(ask("HEAD", &path)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn thousands_of_files_are_listed_in_pages() {
    let world = World::with_bucket().await;
    let name = |number: usize| format!("{number:04}.txt");
    for number in 0..2100 {
        store(&world, &format!("share/{}", name(number)), "").await;
    }
    let path = root_link(&world, json!({})).await;
    let (mut target, mut found, mut pages) = (path.clone(), Vec::new(), Vec::new());
    let mut walked: Vec<String> = Vec::new();
    loop {
        let list = listed(&world, &target).await;
        pages.push(names(&list, "files").len());
        found.extend(names(&list, "files"));
        let page = world.send_raw(get(&target)).await;
        let page = page.text();
        assert_eq!(page.contains(">Next</a>"), pages.len() < 3);
        assert_eq!(page.contains(">First page</a>"), pages.len() > 1);
        assert!(page.contains("<p>2,100 files \u{b7} 0 bytes</p>"), "{page}");
        assert!(page.contains(&format!("Page {} of 3", pages.len())), "{page}");
        // The ways to the pages stand above the list as well.
        let (above, _) = page.split_once("<ul").unwrap();
        let before = above.split_once("rel=\"prev\" href=\"").map(|(_, rest)| rest);
        let before =
            before.and_then(|rest| rest.split('"').next()).map(|it| it.replace("&amp;", "&"));
        assert_eq!(before, walked.len().checked_sub(1).map(|at| walked[at].clone()));
        walked.push(target.clone());
        let Some(next) = list["next"].as_str() else { break };
        target = next.to_owned();
    }
    assert_eq!(pages, [1000, 1000, 100]);
    assert_eq!(found, (0..2100).map(name).collect::<Vec<_>>());
    let zipped: Vec<_> = zip_of(&world, &path).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(zipped, found);
    let wrong = world.send_raw(get(&format!("{path}?after=!"))).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    // Where a page goes on is no way out.
    let out = "a3NoYXJlMi9h"; // k, then a key behind the folder
    assert_eq!(names(&listed(&world, &format!("{path}?after={out}")).await, "files").len(), 0);
    let before = "a2E"; // k, then a key before it
    let list = listed(&world, &format!("{path}?after={before}")).await;
    assert_eq!(names(&list, "files").len(), 1000);
}

/// All files of all folders, by the URLs that the list has.
async fn walked(world: &World, path: &str) -> Vec<(String, String)> {
    let (mut folders, mut found) = (vec![path.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let list = listed(world, &folder).await;
        let url = |entry: &Value| entry["url"].as_str().unwrap().to_owned();
        folders.extend(list["folders"].as_array().unwrap().iter().map(url));
        for file in list["files"].as_array().unwrap() {
            let whole =
                format!("{}{}", list["path"].as_str().unwrap(), file["name"].as_str().unwrap());
            found.push((whole, url(file)));
        }
    }
    found
}

#[tokio::test]
async fn a_key_is_a_name_and_no_path() {
    let world = with_keys(&STRANGE).await;
    let path = root_link(&world, json!({})).await;
    let mut found = Vec::new();
    for (name, target) in walked(&world, &path).await {
        assert!(!has_steps(&target), "{target}");
        let sent_on = world.send_raw(get(&target)).await;
        assert_eq!(sent_on.status, 302, "{target} {}", sent_on.text());
        assert!(!has_steps(sent_on.header("location")), "{}", sent_on.header("location"));
        assert_eq!(fetched(&world, &target).await.text(), name, "{target}");
        found.push(name);
    }
    found.sort_unstable();
    let mut expected = STRANGE.map(str::to_owned);
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn nothing_outside_of_the_prefix_can_be_named() {
    let world = with_keys(&["a.txt"]).await;
    let path = root_link(&world, json!({})).await;
    for rest in [
        "../secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e%2fsecret.txt",
        "%252e%252e%252fsecret.txt",
        "./../secret.txt",
        "/secret.txt",
        "//secret.txt",
        "%2Fsecret.txt",
        "%2F..%2F..%2Fsecret.txt",
        "..\\secret.txt",
        "..%5Csecret.txt",
        "a.txt/../../secret.txt",
        "share/a.txt",
        "bucket/secret.txt",
        "secret.txt",
    ] {
        let answer = fetched(&world, &format!("{path}/{rest}")).await;
        assert!(answer.refusal().starts_with(NO_KEY), "{rest} {}", answer.refusal());
        let sent_on = world.send_raw(get(&format!("{path}/{rest}"))).await;
        let location = sent_on.header("location").replace("%2F", "/");
        assert!(location.starts_with("/bucket/share/"), "{location}");
    }
    assert_eq!(fetched(&world, &format!("{path}/a.txt?x=1")).await.text(), "a.txt");
    assert_eq!(fetched(&world, &format!("{path}%2Fa%2Etxt")).await.text(), "a.txt");
    for rest in ["%00", "%FF", &"x".repeat(1100)] {
        let status = fetched(&world, &format!("{path}/{rest}")).await.status;
        assert!((400..500).contains(&status), "{rest} {status}");
    }
    for folder in ["..%2F", "..%2F..%2F", "%2F", "..%2Fshare2%2F"] {
        for query in ["path", "zip&path"] {
            let answer = world.send_raw(get(&format!("{path}?{query}={folder}"))).await;
            assert_eq!(answer.refusal(), NO_KEY, "{query} {folder}");
        }
    }
    // What a URL is lent for cannot be changed to something else.
    let lent = world.send_raw(get(&format!("{path}/a.txt"))).await.header("location").to_owned();
    for other in ["/bucket/secret.txt", "/bucket", "/bucket?prefix=share/"] {
        let changed = lent.replace("/bucket/share/a.txt", other);
        assert_eq!(world.send_raw(get(&changed)).await.status, 403, "{changed}");
    }
    let none = format!("/_valet/s/{}/a.txt", "A".repeat(22));
    assert_eq!(world.send_raw(get(&none)).await.refusal(), NO_LINK);
}

/// The link signer's own key signs a listing: even so, only what is below the prefix is listed.
#[tokio::test]
async fn the_signer_of_a_folder_lists_only_that_folder() {
    let world = with_keys(&["sub/a.txt"]).await;
    let (link, path) = made(&world, &Key::root(), json!({})).await;
    let sent_on = world.send_raw(get(&format!("{path}/sub/a.txt"))).await;
    let url = sent_on.header("location").to_owned();
    let key_id = url.split("X-Amz-Credential=").nth(1).unwrap().split('%').next().unwrap();
    let key = world.store.access_key(key_id).await.unwrap().unwrap();
    let signer = Key { id: key_id.to_owned(), secret: key.secret.expose().to_owned(), token: None };
    let id = link["fingerprint"].as_str().unwrap();
    let check = async |query: &[(&str, &str)], status: u16| {
        let query: Vec<_> = query.iter().copied().chain([("x-valet-id", id)]).collect();
        let answer = world.send_raw(world.link_saying(&signer, "GET", "", &query)).await;
        assert_eq!(answer.status, status, "{query:?} {}", answer.text());
    };
    check(&[("list-type", "2"), ("prefix", "share/")], 200).await;
    check(&[("prefix", "share/sub/")], 200).await;
    check(&[("list-type", "2"), ("prefix", "share")], 403).await;
    check(&[("list-type", "2"), ("prefix", "")], 403).await;
    check(&[("list-type", "2")], 403).await;
    check(&[("list-type", "2"), ("prefix", "share2/")], 403).await;
    check(&[("list-type", "2"), ("prefix", ""), ("prefix", "share/")], 403).await;
    check(&[("versions", ""), ("prefix", "share/")], 403).await;
    check(&[("uploads", ""), ("prefix", "share/")], 403).await;
    check(&[("location", ""), ("prefix", "share/")], 403).await;
    check(&[("policy", ""), ("prefix", "share/")], 403).await;
}

#[tokio::test]
async fn a_folder_is_sent_as_a_zip() {
    let world = with_keys(&STRANGE).await;
    store(&world, "share/invoice\u{202e}fdp.exe", "7").await;
    store(&world, "share/empty/", "").await;
    store(&world, "share/c:\\windows\\x", "8").await;
    let path = root_link(&world, json!({})).await;
    let zipped = zip_of(&world, &path).await;
    let content = |name: &str| {
        let found: Vec<_> = zipped.iter().filter(|(known, _)| known == name).collect();
        assert_eq!(found.len(), 1, "{name} {zipped:?}");
        found[0].1.clone()
    };
    for (name, expected) in [
        ("a b.txt", "a b.txt"),
        ("\u{e4} \u{1f600}.txt", "\u{e4} \u{1f600}.txt"),
        ("sub/one.txt", "sub/one.txt"),
        ("sub/deep/two.txt", "sub/deep/two.txt"),
        ("__", ".."),
        ("__ (2)/secret.txt", "../secret.txt"),
        ("x/__/__/secret.txt", "x/../../secret.txt"),
        ("double/slash.txt", "double//slash.txt"),
        ("per%2Fcent.txt", "per%2Fcent.txt"),
        ("linebreak.txt", "line\nbreak.txt"),
        ("_img src=x onerror=alert(1)_.txt", "<img src=x onerror=alert(1)>.txt"),
        ("invoicefdp.exe", "7"),
        ("c__windows_x", "8"),
        ("empty/", ""),
    ] {
        assert_eq!(content(name), expected, "{name}");
    }
    assert_eq!(zipped.len(), 15);
    let sub = world.send_raw(get(&format!("{path}?zip&path=sub%2F"))).await;
    assert_eq!(sub.header("content-disposition"), "attachment; filename=\"sub.zip\"");
    assert_eq!(
        unzipped(&sub.body),
        [("deep/two.txt", "sub/deep/two.txt"), ("one.txt", "sub/one.txt")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
    let posted = world.send_raw(ask("POST", &format!("{path}?zip"))).await;
    assert_eq!(unzipped(&posted.body), zipped);
    let head = world.send_raw(ask("HEAD", &format!("{path}?zip"))).await;
    assert_eq!((head.status, head.header("content-type")), (200, "application/zip"));
}

#[tokio::test]
async fn an_empty_folder_is_one() {
    let world = with_keys(&[]).await;
    let path = root_link(&world, json!({})).await;
    assert_eq!(zip_of(&world, &path).await, []);
    let page = world.send_raw(get(&path)).await;
    let page = page.text();
    assert!(page.contains("There is nothing in this folder") && !page.contains("Download all"));
}

#[tokio::test]
async fn large_files_are_whole_in_a_zip() {
    let world = with_keys(&[]).await;
    let content: String =
        (0..400_000).map(|n: u32| char::from(b'a' + u8::try_from(n % 23).unwrap())).collect();
    for name in ["large", "other"] {
        store(&world, &format!("share/{name}"), &content).await;
    }
    let path = root_link(&world, json!({})).await;
    let zipped = zip_of(&world, &path).await;
    assert_eq!(zipped, ["large", "other"].map(|name| (name.to_owned(), content.clone())));
}

#[tokio::test]
async fn a_file_is_a_use_and_so_is_a_zip() {
    let world = with_keys(&["a.txt", "b.txt"]).await;
    let path = root_link(&world, json!({"uses": 2})).await;
    for _ in 0..4 {
        assert_eq!(world.send_raw(get(&path)).await.status, 200);
        assert_eq!(world.send_raw(ask("HEAD", &format!("{path}?zip"))).await.status, 200);
    }
    assert_eq!(zip_of(&world, &path).await.len(), 2);
    assert!(world.send_raw(get(&path)).await.text().contains("1 download more, of 2 in all"));
    let last = world.at("192.0.2.8");
    assert_eq!(fetched(&last, &format!("{path}/a.txt")).await.text(), "a.txt");
    assert_eq!(
        last.send_raw(get(&path)).await.refusal(),
        USED_UP,
        "nothing is left for them either"
    );
    let other = world.at("192.0.2.9");
    assert_eq!(refused_zip(&other, &path).await, USED_UP);
    assert_eq!(other.send_raw(get(&path)).await.refusal(), USED_UP);
    assert_eq!(fetched(&other, &format!("{path}/a.txt")).await.refusal(), USED_UP);
}

#[tokio::test]
async fn a_zip_that_is_broken_off_gives_its_use_back_and_reads_no_more() {
    let world = with_keys(&[]).await;
    for number in 0..8 {
        store(&world, &format!("share/{number}"), &"x".repeat(200_000)).await;
    }
    let path = root_link(&world, json!({"uses": 1})).await;
    let (status, taken) = world.take_some(get(&format!("{path}?zip")), 70_000).await;
    assert!(status == 200 && taken < 400_000, "{status} {taken}");
    // Nobody takes the rest: if it were read on, the use would stay taken.
    let other = world.at("192.0.2.8");
    assert_eq!(zip_when_free(&other, &path).await.len(), 8);
    assert_eq!(refused_zip(&world, &path).await, USED_UP);
}

#[tokio::test]
async fn a_use_is_not_given_back_for_ever() {
    let world = with_keys(&[]).await;
    for number in 0..4 {
        store(&world, &format!("share/{number}"), &"x".repeat(200_000)).await;
    }
    let path = root_link(&world, json!({"uses": 1})).await;
    let mut attempts = 0;
    loop {
        let (status, _) = world.take_some(get(&format!("{path}?zip")), 500_000).await;
        match status {
            200 => attempts += 1,
            503 => {}
            _ => break,
        }
        assert!(attempts < 3);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert!(attempts >= 1);
    assert_eq!(refused_zip(&world, &path).await, USED_UP);
}

#[tokio::test]
async fn who_loses_the_permission_gives_no_more() {
    let world = with_keys(&["a.txt"]).await;
    let sharer = world.user("sharer", &policy(READ_AND_SHARE)).await;
    let (link, path) = made(&world, &sharer, json!({})).await;
    assert_eq!(zip_of(&world, &path).await.len(), 1);
    // Files without the list.
    let only = |actions: &str| {
        policy(&READ_AND_SHARE.replace(r#""s3:GetObject","s3:ListBucket""#, actions))
    };
    world.put_user_policy("sharer", &only(r#""s3:GetObject""#)).await;
    assert_eq!(world.send_raw(get(&path)).await.refusal(), DENIED);
    assert_eq!(refused_zip(&world, &path).await, DENIED);
    assert_eq!(fetched(&world, &format!("{path}/a.txt")).await.text(), "a.txt");
    // The list without files.
    world.put_user_policy("sharer", &only(r#""s3:ListBucket""#)).await;
    assert_eq!(listed(&world, &path).await["files"][0]["name"], "a.txt");
    assert_eq!(fetched(&world, &format!("{path}/a.txt")).await.refusal(), DENIED);
    let zipped = zip_of(&world, &path).await;
    assert_eq!(zipped.len(), 1);
    assert_eq!(zipped[0].0, "NOT-INCLUDED.txt");
    assert!(zipped[0].1.contains("  a.txt\r\n"), "{}", zipped[0].1);
    world.put_user_policy("sharer", &policy(READ_AND_SHARE)).await;
    let revoke = format!("{PATH}/{}", link["fingerprint"].as_str().unwrap());
    assert_eq!(world.send_as(&sharer, ask("DELETE", &revoke)).await.status, 200);
    for target in [path.clone(), format!("{path}?zip"), format!("{path}/a.txt")] {
        assert_eq!(world.send_raw(get(&target)).await.refusal(), REVOKED, "{target}");
    }
}

/// Takes the beginning of a zip, does something, and takes the rest.
async fn zip_around(world: &World, path: &str, meanwhile: impl Future) -> Vec<(String, String)> {
    let mut answer = world.begin_answer(get(&format!("{path}?zip"))).await;
    assert_eq!(answer.status(), 200);
    let mut bytes = answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
    meanwhile.await;
    bytes.extend_from_slice(&answer.into_body().collect().await.unwrap().to_bytes());
    unzipped(&bytes)
}

#[tokio::test]
async fn what_is_lost_in_the_middle_is_named() {
    let world = with_keys(&[]).await;
    let large = "x".repeat(200_000);
    for number in 0..6 {
        store(&world, &format!("share/{number}"), &large).await;
    }
    let sharer = world.user("sharer", &policy(READ_AND_SHARE)).await;
    let (link, path) = made(&world, &sharer, json!({})).await;
    let check = |zipped: &[(String, String)], lost: &[&str]| {
        let (last, whole) = zipped.split_last().unwrap();
        assert_eq!(last.0, "NOT-INCLUDED.txt");
        assert!(whole.iter().all(|(_, content)| *content == large));
        for name in lost {
            assert!(whole.iter().all(|(known, _)| known != name), "{name}");
            assert!(last.1.contains(&format!("  {name}\r\n")), "{}", last.1);
        }
        assert!(whole.len() + lost.len() <= 6 && !whole.is_empty());
    };
    let gone = async { world.send(ask("DELETE", "/bucket/share/4")).await };
    let zipped = Box::pin(zip_around(&world, &path, gone)).await;
    check(&zipped, &["4"]);
    assert_eq!(zipped.len(), 6);
    store(&world, "share/4", &large).await;
    let nothing = policy(r#"{"Effect":"Allow","Action":"valet:*","Resource":"*"}"#);
    let denied = async { world.put_user_policy("sharer", &nothing).await };
    check(&Box::pin(zip_around(&world, &path, denied)).await, &["3", "4", "5"]);
    world.put_user_policy("sharer", &policy(READ_AND_SHARE)).await;
    let revoke = format!("{PATH}/{}", link["fingerprint"].as_str().unwrap());
    let revoked = async { world.send_as(&sharer, ask("DELETE", &revoke)).await };
    check(&Box::pin(zip_around(&world, &path, revoked)).await, &["3", "4", "5"]);
}

#[tokio::test]
async fn an_address_has_so_many_zips_and_others_have_theirs() {
    let world = with_keys(&[]).await;
    for number in 0..4 {
        store(&world, &format!("share/{number}"), &"x".repeat(300_000)).await;
    }
    let path = root_link(&world, json!({})).await;
    let mut held = Vec::new();
    let refused = loop {
        let answer = world.begin_answer(get(&format!("{path}?zip"))).await;
        if answer.status() != 200 {
            break answer;
        }
        held.push(answer);
        assert!(held.len() < 2000);
    };
    assert!(held.len() > 500, "{}", held.len());
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(fetched(&world, &format!("{path}/1")).await.status, 200);
    assert_eq!(zip_of(&world.at("198.51.100.1"), &path).await.len(), 4);
    drop(held);
    assert_eq!(zip_when_free(&world, &path).await.len(), 4);
}

#[tokio::test]
async fn a_passphrase_is_asked_for_once() {
    let world = with_keys(&["a.txt"]).await;
    let path = root_link(&world, json!({"passphrase": "open sesame"})).await;
    let other = root_link(&world, json!({"passphrase": "open sesame"})).await;
    let file = format!("{path}/a.txt");
    for target in [path.clone(), file.clone(), format!("{path}?zip")] {
        let refused = world.send_raw(get(&target)).await.refusal();
        let expected = "403 <Code>AccessDenied</Code><Message>Link needs a passphrase</Message>";
        assert_eq!(refused, expected, "{target}");
        let page = world.send_raw(get(&target).header("sec-fetch-mode", "navigate")).await;
        assert!(page.text().contains("type=\"password\"") && !page.text().contains("a.txt"));
    }
    let post = |target: &str, passphrase: &str| {
        ask("POST", target)
            .header("sec-fetch-mode", "navigate")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("passphrase={passphrase}"))
    };
    let wrong = world.send_raw(post(&path, "shazam")).await;
    assert_eq!(wrong.status, 403);
    assert!(
        wrong.text().contains("not the passphrase") && !wrong.headers.contains_key("set-cookie")
    );
    let right = world.send_raw(post(&format!("{path}?zip"), "open+sesame")).await;
    assert_eq!((right.status, right.header("location")), (303, format!("{path}?zip").as_str()));
    let set = right.header("set-cookie").to_owned();
    assert!(
        set.ends_with(&format!("; Path={path}; Max-Age=3600; HttpOnly; SameSite=Lax")),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap();
    let with = |target: &str, cookie: &str| get(target).header("cookie", cookie);
    for target in [path.clone(), file.clone(), format!("{path}?zip")] {
        let answer = world.send_raw(with(&target, &format!("a=b; {cookie}"))).await;
        assert!(answer.status == 200 || answer.status == 302, "{target} {}", answer.status);
    }
    let zip = ask("POST", &format!("{path}?zip")).header("cookie", cookie);
    assert_eq!(unzipped(&world.send_raw(zip).await.body).len(), 1);
    let (end, code) = cookie.split_once('=').unwrap().1.split_once('.').unwrap();
    let later: i64 = end.parse::<i64>().unwrap() + 1;
    for forged in [
        format!("valet-link={later}.{code}"),
        format!("valet-link=+{end}.{code}"),
        format!("valet-link={end}.{}", "A".repeat(43)),
        format!("valet-link={end}."),
        "valet-link=".to_owned(),
    ] {
        assert_eq!(world.send_raw(with(&path, &forged)).await.status, 403, "{forged}");
    }
    assert_eq!(world.send_raw(with(&other, cookie)).await.status, 403);
    let hour = world.later(SignedDuration::from_secs(3600));
    assert_eq!(hour.send_raw(with(&path, cookie)).await.status, 403);
    // A program sends it with each request, or keeps the cookie.
    let program = |target: &str| get(target).header("x-valet-passphrase", "open sesame");
    let answer = world.send_raw(program(&file)).await;
    assert_eq!(answer.status, 302);
    assert!(answer.header("set-cookie").starts_with("valet-link="));
    let restarted = world.restarted(crate::harness::config());
    assert_eq!(restarted.send_raw(with(&path, cookie)).await.status, 403);
}

#[tokio::test]
async fn a_zip_keeps_to_the_rate_of_its_link() {
    tokio::time::pause();
    let world = with_keys(&[]).await;
    for number in 0..3 {
        store(&world, &format!("share/{number}"), &"x".repeat(60_000)).await;
    }
    let path = root_link(&world, json!({"rate": 30_000})).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(zip_of(&world, &path).await.len(), 3);
    // The clock stands still but for what is waited for.
    assert!(begun.elapsed().as_secs() >= 5, "{:?}", begun.elapsed());
}
