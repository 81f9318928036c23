//! Clients that ask and do not take: what is held for them, and how the others get on.

use std::collections::BTreeMap;
use std::path::Path;

use presign::{Credentials, Endpoint, ExpiresIn, Presign, Presigner, SecretAccessKey};

use super::*;
use crate::config::RootKey;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const WINDOW_UPDATE: u8 = 8;
const STREAMS: u32 = STREAMS_MAX;
const OBJECT_BYTES: usize = 700_001;

/// A server with an object `large`, and one, `small`, that may be kept in memory.
async fn server_with_objects(encryption: Encryption) -> (Arc<Server>, tempfile::TempDir) {
    let (server, dir) = server_over(encryption, |config| {
        config.root = Some(RootKey {
            access_key_id: KEY_ID.into(),
            secret_access_key: SecretAccessKey::new(SECRET),
        });
    });
    put(&server, "", b"").await;
    put(&server, "large", &content(OBJECT_BYTES)).await;
    put(&server, "small", &content(60_000)).await;
    (server, dir)
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

async fn put(server: &Arc<Server>, key: &str, body: &[u8]) {
    let answer = ask(&mut connect(server), "PUT", &target("PUT", key, &[]), body).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

/// A whole exchange over HTTP/1.1, the last of its connection.
async fn ask(stream: &mut DuplexStream, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    let head = format!("{head}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

/// A link's path and query.
fn target(method: &str, key: &str, query: &[(&str, &str)]) -> String {
    let credentials = Credentials {
        access_key_id: KEY_ID.into(),
        secret_access_key: SecretAccessKey::new(SECRET),
        session_token: None,
    };
    let endpoint = Endpoint::parse("http://a").unwrap();
    let link = Presign::new(
        method,
        &endpoint,
        "bucket",
        key.as_bytes(),
        ExpiresIn::from_seconds(3600).unwrap(),
    )
    .with_query(query);
    let link = Presigner::new(credentials, "us-east-1").presign(&link, clock::now()).unwrap();
    link.url.strip_prefix("http://a").unwrap().to_owned()
}

/// GET of a target of host `a`, perhaps of a range: literals without indexing (RFC 7541, 6.2.2).
fn get(stream: u32, target: &str, range: Option<(usize, usize)>) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x01, 1, b'a', 0x04];
    text(&mut block, target);
    if let Some((first, last)) = range {
        block.push(0);
        text(&mut block, "range");
        text(&mut block, &format!("bytes={first}-{last}"));
    }
    frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
}

fn text(block: &mut Vec<u8>, text: &str) {
    if let Ok(length @ 0..127) = u8::try_from(text.len()) {
        block.push(length);
    } else {
        let rest = text.len() - 127;
        let (low, high) = (u8::try_from(rest % 128).unwrap(), u8::try_from(rest / 128).unwrap());
        block.extend([127, 128 | low, high]);
    }
    block.extend(text.as_bytes());
}

fn window(bytes: u32) -> Vec<u8> {
    let mut payload = vec![0, 4];
    payload.extend(bytes.to_be_bytes());
    frame(SETTINGS, 0, 0, &payload)
}

fn window_more(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// A connection whose streams all have a window of nothing, though its own is as wide as can be.
async fn connect_stalled(server: &Arc<Server>, all: &UnsentOfAll) -> DuplexStream {
    let (mut far, near) = tokio::io::duplex(1 << 20);
    tokio::spawn(serve_over(near, Arc::clone(server), all.of_connection(&Share::unlimited())));
    far.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    far.write_all(&window(0)).await.unwrap();
    far.write_all(&window_more(0, i32::MAX.unsigned_abs() - 65_535)).await.unwrap();
    far
}

/// The heads of all answers; no body can come.
async fn heads(stream: &mut DuplexStream, count: u32) {
    for _ in 0..count {
        let (_, _, _) = frame_of(stream, &[HEADERS]).await;
    }
}

/// The bodies of streams, each to its end.
async fn bodies(stream: &mut DuplexStream, mut ends: u32) -> BTreeMap<u32, Vec<u8>> {
    let mut bodies = BTreeMap::<u32, Vec<u8>>::new();
    while ends > 0 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == DATA {
            bodies.entry(id).or_default().extend(payload);
            ends -= u32::from(head[4] & 1);
        }
        assert_ne!(head[3], RST_STREAM, "stream {id}");
    }
    bodies
}

/// Bodies that this process has open, of one data directory.
fn open_bodies(dir: &Path) -> usize {
    let of_body = |entry: io::Result<std::fs::DirEntry>| {
        std::fs::read_link(entry.unwrap().path())
            .is_ok_and(|file| file.starts_with(dir.join("blobs")))
    };
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| of_body(entry).then_some(()))
        .count()
}

/// Until pieces wait on so many streams as find room, and no file is being read any more.
async fn settled(all: &UnsentOfAll, dir: &Path) -> (usize, usize) {
    let mut last = (usize::MAX, usize::MAX);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = (all.held().0, open_bodies(dir));
        if now == last && now.0 > 0 {
            return now;
        }
        last = now;
    }
}

fn range_of(stream: u32) -> Option<(usize, usize)> {
    let first = usize::try_from(stream).unwrap() * 1000;
    (stream % 4 == 3).then_some((first, first + 300_000))
}

#[tokio::test]
async fn streams_that_stall_hold_a_share_and_go_on_when_they_may() {
    for encryption in [Encryption::On, Encryption::Off] {
        let (server, dir) = server_with_objects(encryption).await;
        let all = plenty();
        let mut stream = connect_stalled(&server, &all).await;
        for id in (1..2 * STREAMS).step_by(2) {
            stream.write_all(&get(id, &target("GET", "large", &[]), range_of(id))).await.unwrap();
        }
        heads(&mut stream, STREAMS).await;
        let (held, files) = settled(&all, dir.path()).await;
        assert!((1 << 20..=2 << 20).contains(&held), "{held} bytes for 128 streams");
        assert!(files <= 8, "{files} files for 128 streams");

        // Some go on though all that there was room for is held by others.
        let late: Vec<u32> = (1..2 * STREAMS).step_by(2).skip(120).collect();
        for id in &late {
            stream.write_all(&window_more(*id, 1 << 20)).await.unwrap();
        }
        let whole = content(OBJECT_BYTES);
        let right = |id: u32, body: &[u8]| {
            let range = range_of(id).map_or(0..OBJECT_BYTES, |(first, last)| first..last + 1);
            assert!(body == &whole[range], "stream {id}, {encryption:?}");
        };
        for (id, body) in bodies(&mut stream, 8).await {
            assert!(late.contains(&id));
            right(id, &body);
        }
        // Then all others, byte by byte what they asked for; nothing is held afterwards.
        stream.write_all(&window(1 << 20)).await.unwrap();
        let rest = bodies(&mut stream, STREAMS - 8).await;
        assert_eq!(rest.len(), 120);
        for (id, body) in &rest {
            right(*id, body);
        }
        drop(stream);
        while (all.held(), open_bodies(dir.path())) != ((0, 0), 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn small_bodies_in_memory_are_held_no_longer_than_there_is_room() {
    for encryption in [Encryption::On, Encryption::Off] {
        let (server, dir) = server_with_objects(encryption).await;
        put(&server, "row", &content(9_000)).await;
        for key in ["small", "row"] {
            let all = plenty();
            // Read once, it is in memory.
            ask(&mut connect(&server), "GET", &target("GET", key, &[]), b"").await;
            let mut stream = connect_stalled(&server, &all).await;
            for id in (1..2 * STREAMS).step_by(2) {
                stream.write_all(&get(id, &target("GET", key, &[]), None)).await.unwrap();
            }
            heads(&mut stream, STREAMS).await;
            let (held, files) = settled(&all, dir.path()).await;
            assert!((1 << 19..=2 << 20).contains(&held) && files == 0, "{key} {held} {files}");
            // It goes on from its file even if it is deleted meanwhile.
            let delete = target("DELETE", key, &[]);
            let deleted = ask(&mut connect(&server), "DELETE", &delete, b"").await;
            assert!(deleted.starts_with(b"HTTP/1.1 204 "));
            server.services().maintenance().run_once(clock::now(), Duration::ZERO).await.unwrap();
            stream.write_all(&window(1 << 20)).await.unwrap();
            let size = if key == "row" { 9_000 } else { 60_000 };
            let bodies = bodies(&mut stream, STREAMS).await;
            assert!(bodies.values().all(|body| *body == content(size)), "{key}");
        }
    }
}

#[tokio::test]
async fn connections_that_take_nothing_leave_room_for_one_more() {
    let (server, dir) = server_with_objects(Encryption::On).await;
    // Sixteen files and four megabytes.
    let all = UnsentOfAll::new(16);
    let mut stalled = Vec::new();
    let link = target("GET", "large", &[]);
    for _ in 0..40 {
        let (mut far, near) = tokio::io::duplex(64);
        tokio::spawn(serve_over(near, Arc::clone(&server), all.of_connection(&Share::unlimited())));
        let request = format!("GET {link} HTTP/1.1\r\nHost: a\r\n\r\n");
        far.write_all(request.as_bytes()).await.unwrap();
        stalled.push(far);
    }
    let (held, files) = settled(&all, dir.path()).await;
    // And 64 KiB of its own for each connection.
    assert!(held <= (4 << 20) + 40 * (64 << 10) && files <= 16, "{held} {files}");
    let (mut far, near) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve_over(near, Arc::clone(&server), all.of_connection(&Share::unlimited())));
    let answer = ask(&mut far, "GET", &link, b"").await;
    assert!(answer.ends_with(&content(OBJECT_BYTES)));
    // They go on as well, each to its end.
    for mut far in stalled {
        let mut answer = vec![0; OBJECT_BYTES];
        answer_head(&mut far).await;
        far.read_exact(&mut answer).await.unwrap();
        assert!(answer == content(OBJECT_BYTES));
    }
}

#[tokio::test]
async fn whole_answers_that_are_not_taken_have_a_bound_too() {
    let (server, _dir) = server_with_objects(Encryption::On).await;
    for number in 0..40 {
        put(&server, &format!("{number:02}{}", "k".repeat(1000)), b"").await;
    }
    let all = plenty();
    let list = target("GET", "", &[("list-type", "2")]);
    let answer = ask(&mut connect(&server), "GET", &list, b"").await;
    let start = answer.windows(5).position(|bytes| bytes == b"<?xml").unwrap();
    let listing = &answer[start..];
    // A share is two of them where nothing is held, and the second leaves less than a third.
    let mut stream = connect_stalled(&server, &all.with_documents_of(80 * listing.len())).await;
    for id in (1..2 * STREAMS).step_by(2) {
        stream.write_all(&get(id, &list, None)).await.unwrap();
    }
    heads(&mut stream, STREAMS).await;
    stream.write_all(&window(1 << 20)).await.unwrap();
    let answers = bodies(&mut stream, STREAMS).await;
    let whole = answers.values().filter(|body| *body == listing).count();
    let slow_down =
        |body: &&Vec<u8>| String::from_utf8_lossy(body).contains("<Code>SlowDown</Code>");
    let refused = answers.values().filter(slow_down).count();
    assert_eq!((whole, refused), (2, 126));
    // Taken, they are no hindrance.
    let next = 2 * STREAMS + 1;
    stream.write_all(&get(next, &list, None)).await.unwrap();
    assert_eq!(bodies(&mut stream, 1).await[&next], listing);
}

#[tokio::test]
async fn refusals_that_repeat_much_of_a_request_have_a_bound_too() {
    let (server, _dir) = server_with_objects(Encryption::On).await;
    // Each of them is five bytes in the refusal.
    let named = "&".repeat(16_000);
    let mut stream = connect_stalled(&server, &plenty().with_documents_of(32 * 200_000)).await;
    for id in (1..2 * STREAMS).step_by(2) {
        stream.write_all(&get(id, &format!("/{named}"), None)).await.unwrap();
    }
    heads(&mut stream, STREAMS).await;
    stream.write_all(&window(1 << 20)).await.unwrap();
    let answers = bodies(&mut stream, STREAMS).await;
    let texts = answers.values().map(|body| String::from_utf8_lossy(body));
    assert!(texts.clone().all(|text| text.contains("<Code>InvalidBucketName</Code>")));
    let repeating = texts.filter(|text| text.contains("<BucketName>")).count();
    assert_eq!((answers.len(), repeating), (128, 2));
}
