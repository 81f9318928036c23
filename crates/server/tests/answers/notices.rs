//! Notices: what happens to managed links reaches those who were named, signed and once, whatever their servers do. The
//! receivers are the only things here with sockets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::{Value, json};
use server::{ServerConfig, SmtpUrl};
use store::Encryption;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::harness::{World, ask, config, get, put, sha256};
use crate::people::{Key, policy};

const PATH: &str = "/_valet/api/v1/links";
const SHARE: &str = r#"{"Effect":"Allow","Action":["s3:*","valet:*"],"Resource":"*"}"#;

/// A receiver of webhooks, which answers with the statuses that it was given, and then with 204.
#[derive(Clone)]
struct Hook {
    url: String,
    posted: Arc<Mutex<Vec<Posted>>>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    came: Arc<Notify>,
    /// Nothing is answered before it says so.
    answers: Arc<watch::Sender<bool>>,
}

/// What was posted.
#[derive(Clone, Debug)]
struct Posted {
    head: String,
    body: String,
}

impl Hook {
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = Self {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            posted: Arc::default(),
            statuses: Arc::new(Mutex::new(statuses.iter().copied().collect())),
            came: Arc::default(),
            answers: Arc::new(watch::channel(true).0),
        };
        let receiver = hook.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receiver.clone().take(stream));
            }
        });
        hook
    }

    async fn take(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        self.posted.lock().unwrap().push(Posted { head, body });
        self.came.notify_one();
        self.answers.subscribe().wait_for(|answers| *answers).await.unwrap();
        let status = self.statuses.lock().unwrap().pop_front().unwrap_or(204);
        let answer = format!(
            "HTTP/1.1 {status} So\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// The events that it was told of.
    fn events(&self) -> Vec<String> {
        let event = |posted: &Posted| text(&posted.document(), "event").to_owned();
        self.posted().iter().map(event).collect()
    }
}

impl Posted {
    fn document(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap()
    }

    /// As the documentation tells a receiver to check it.
    fn is_signed_with(&self, secret: &str) -> bool {
        let (time, code) = self.header("x-valet-signature").split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let message = format!("{time}.{}", self.body);
        code == hmac(secret.as_bytes(), message.as_bytes())
    }
}

/// HMAC-SHA256 by RFC 2104, in hex; the key is longer than a block, and so hashed.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&sha256(key));
    let pad = |byte: u8| block.map(|of_key| of_key ^ byte).to_vec();
    let inner = sha256(&[pad(0x36), message.to_vec()].concat());
    presign::payload_hash(&[pad(0x5c), inner.to_vec()].concat())
}

/// A mail server without TLS, which takes all mail, or answers each `RCPT` as it was told.
#[derive(Clone, Default)]
struct MailServer {
    address: String,
    mails: Arc<Mutex<Vec<String>>>,
    refuses: Arc<Mutex<Option<&'static str>>>,
}

impl MailServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self { address, ..Self::default() };
        let taking = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(taking.clone().take(stream));
            }
        });
        server
    }

    fn url(&self) -> SmtpUrl {
        let url = format!("smtp://{}?from=valet@example.com", self.address);
        SmtpUrl::parse(&url).unwrap()
    }

    async fn take(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut envelope = String::new();
        let mut answer = "220 mail.test ESMTP".to_owned();
        loop {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            answer = match line.get(..4).unwrap() {
                "MAIL" => {
                    envelope = line;
                    "250 OK".to_owned()
                }
                "RCPT" => {
                    envelope.push_str(&line);
                    self.refuses.lock().unwrap().unwrap_or("250 OK").to_owned()
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.unwrap();
                    let mut mail = envelope.clone();
                    while !mail.ends_with("\r\n.\r\n") {
                        stream.read_line(&mut mail).await.unwrap();
                    }
                    self.mails.lock().unwrap().push(mail);
                    "250 OK".to_owned()
                }
                _ => "250 OK".to_owned(),
            };
        }
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} of {value}"))
}

async fn with_object(config: ServerConfig) -> World {
    let world = World::with(config, Encryption::On).await;
    world.send(put("/bucket", "")).await;
    assert_eq!(world.send(put("/bucket/q3/report.pdf", "hello")).await.status, 200);
    world
}

/// A link to the report with these members too.
async fn made_by(world: &World, key: &Key, members: Value) -> Value {
    let mut wanted = json!({"kind": "object", "bucket": "bucket", "key": "q3/report.pdf",
        "label": "Q3 für Zoë", "expires_at": "2026-06-15T13:00:00Z"});
    wanted.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = world.send_as(key, ask("POST", PATH).body(wanted.to_string())).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn made(world: &World, members: Value) -> Value {
    made_by(world, &Key::root(), members).await
}

/// Opens a short link and follows it. The status of the last answer.
async fn fetch(world: &World, link: &Value) -> u16 {
    let path = format!("/_valet/s/{}", text(link, "id"));
    let answer = world.send_raw(get(&path)).await;
    if answer.status != 302 {
        return answer.status;
    }
    world.send_raw(get(answer.header("location"))).await.status
}

async fn shown_to(world: &World, key: &Key, link: &Value) -> Value {
    let answer = world.send_as(key, get(&format!("{PATH}/{}", text(link, "fingerprint")))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// The notices of a link, in short, the newest first.
async fn notices(world: &World, link: &Value) -> Vec<String> {
    let shown = shown_to(world, &Key::root(), link).await;
    let none = Vec::new();
    let all = shown["notices"].as_array().unwrap_or(&none).iter();
    let short = |one: &Value| {
        let error = one["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
        format!("{} {} {}{error}", text(one, "event"), text(one, "state"), one["tries"])
    };
    all.map(short).collect()
}

async fn metric(world: &World, name: &str) -> u64 {
    let answer = world.send(get("/_valet/metrics")).await;
    let line = answer.text().lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{}", answer.text())).parse().unwrap()
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn the_first_use_is_posted_once_and_signed() {
    let world = with_object(config()).await;
    let hook = Hook::start(&[]).await;
    let link = made(&world, json!({"notify": [hook.url]})).await;
    world.deliver_notices().await;
    assert_eq!(hook.events(), [""; 0], "nothing has happened");
    for _ in 0..2 {
        assert_eq!(fetch(&world, &link).await, 200);
        world.deliver_notices().await;
    }
    let [posted] = &hook.posted()[..] else { panic!("{:?}", hook.posted()) };
    assert!(posted.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", posted.head);
    assert_eq!(posted.header("content-type"), "application/json");
    let secret = text(&link, "webhook_secret");
    assert!(posted.is_signed_with(secret) && !posted.is_signed_with(&secret.to_uppercase()));
    assert!(posted.header("x-valet-signature").starts_with("t=1781524800,v1="));
    let document = posted.document();
    let id = text(&document, "id");
    let expected = json!({"id": id, "event": "first-use", "at": "2026-06-15T12:00:00Z",
        "fingerprint": link["fingerprint"], "label": "Q3 für Zoë", "bucket": "bucket",
        "key": "q3/report.pdf", "address": "192.0.2.7"});
    assert_eq!(document, expected);
    assert!(!posted.body.contains(text(&link, "id")) && !posted.body.contains("Signature"));
    let shown = shown_to(&world, &Key::root(), &link).await;
    let expected = json!([{"id": id, "event": "first-use", "at": "2026-06-15T12:00:00Z",
        "target": hook.url, "state": "delivered", "tries": 1}]);
    assert_eq!(shown["notices"], expected);
    assert_eq!(metric(&world, "valet_notices_delivered_total").await, 1);
    // It is not forgotten with the process.
    let world = world.reopened(config()).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    assert_eq!(hook.events(), ["first-use"]);
}

#[tokio::test]
async fn the_end_of_a_link_is_told_and_who_comes_after_it_once_a_day() {
    let world = with_object(config()).await;
    let hook = Hook::start(&[]).await;
    let link = made(&world, json!({"notify": [hook.url], "uses": 1})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.close_ended_links().await;
    world.deliver_notices().await;
    assert_eq!(hook.events().len(), 2);
    assert!(["first-use", "used-up"].iter().all(|event| hook.events().contains(&(*event).into())));
    let after = world.at("192.0.2.9");
    for _ in 0..20 {
        assert_eq!(fetch(&after, &link).await, 403);
    }
    after.deliver_notices().await;
    assert_eq!(hook.events()[2..], ["refused-after-end"]);
    assert_eq!(text(&hook.posted()[2].document(), "address"), "192.0.2.9");
    for (hours, expected) in [(23, 3), (24, 4), (25, 4), (47, 4), (48, 5)] {
        let later = world.later(SignedDuration::from_hours(hours));
        assert_eq!(fetch(&later, &link).await, 403);
        later.deliver_notices().await;
        assert_eq!(hook.events().len(), expected, "{hours}");
    }
    // By address and before its time it is refused as well, and that is no end.
    let elsewhere = json!({"notify": [hook.url], "source_ip": "203.0.113.0/24"});
    let early = json!({"notify": [hook.url], "not_before": "2026-06-15T12:30:00Z"});
    for members in [elsewhere, early] {
        let link = made(&world, members).await;
        assert_eq!(fetch(&world, &link).await, 403);
        world.deliver_notices().await;
        assert_eq!(notices(&world, &link).await, [""; 0]);
    }
    // What was taken back has ended, too.
    let link = made(&world, json!({"notify": [hook.url]})).await;
    let path = format!("{PATH}/{}", text(&link, "fingerprint"));
    assert_eq!(world.send(ask("DELETE", &path)).await.status, 200);
    assert_eq!(fetch(&world, &link).await, 403);
    world.deliver_notices().await;
    assert_eq!(notices(&world, &link).await, ["refused-after-end delivered 1"]);
}

#[tokio::test]
async fn what_is_no_use_tells_nothing_and_without_notify_nothing_is_written() {
    let world = with_object(config()).await;
    let hook = Hook::start(&[]).await;
    let link = made(&world, json!({"notify": [hook.url]})).await;
    let path = format!("/_valet/s/{}", text(&link, "id"));
    let page = world.send_raw(get(&path).header("sec-fetch-mode", "navigate")).await;
    assert_eq!(page.status, 200);
    let sent_on = world.send_raw(get(&path)).await.header("location").to_owned();
    assert_eq!(world.send_raw(ask("HEAD", &sent_on)).await.status, 200);
    world.deliver_notices().await;
    assert_eq!(hook.events(), [""; 0]);
    let link = made(&world, json!({})).await;
    let before = world.store.counters().jobs;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    assert_eq!(world.store.counters().jobs, before);
}

#[tokio::test]
async fn a_folder_is_used_by_its_files_and_its_zip_and_not_by_its_page() {
    let world = with_object(config()).await;
    let hook = Hook::start(&[]).await;
    for (below, expected) in [("", 0), ("/report.pdf", 1), ("?zip", 2)] {
        let wanted =
            json!({"kind": "folder", "bucket": "bucket", "prefix": "q3/", "notify": [hook.url]});
        let answer = world.send(ask("POST", PATH).body(wanted.to_string())).await;
        let link: Value = serde_json::from_slice(&answer.body).unwrap();
        let path = format!("/_valet/s/{}{below}", text(&link, "id"));
        let mut answer = world.send_raw(get(&path)).await;
        if answer.status == 302 {
            answer = world.send_raw(get(answer.header("location"))).await;
        }
        assert_eq!(answer.status, 200, "{below}");
        world.deliver_notices().await;
        assert_eq!(hook.events().len(), expected, "{below}");
    }
    let keys: Vec<_> =
        hook.posted().iter().map(|posted| posted.document()["key"].clone()).collect();
    assert_eq!(keys, ["q3/report.pdf", "q3/"]);
}

#[tokio::test]
async fn a_notice_is_tried_again_until_it_is_taken_or_given_up() {
    let world = with_object(config()).await;
    let hook = Hook::start(&[500, 302]).await;
    let link = made(&world, json!({"notify": [hook.url]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    // Seconds from the beginning, how often the receiver was called by then, and how it stands.
    let rows = [
        (0, 1, "waiting 1: the answer was 500 Internal Server Error"),
        (9, 1, "waiting 1: the answer was 500 Internal Server Error"),
        (10, 2, "waiting 2: the answer was 302 Found"),
        (69, 2, "waiting 2: the answer was 302 Found"),
        (70, 3, "delivered 3"),
        (100_000, 3, "delivered 3"),
    ];
    for (after, calls, expected) in rows {
        let later = world.later(seconds(after));
        later.deliver_notices().await;
        assert_eq!(hook.posted().len(), calls, "{after}");
        assert_eq!(notices(&later, &link).await, [format!("first-use {expected}")], "{after}");
    }
    let posted = hook.posted();
    assert!(posted.iter().all(|one| one.head.starts_with("POST /hook ")), "{posted:?}");
    assert!(posted.iter().all(|one| one.body == posted[0].body), "the same with each try");
    let secret = text(&link, "webhook_secret");
    assert!(posted.iter().all(|one| one.is_signed_with(secret)));
    assert!(posted[2].header("x-valet-signature").starts_with("t=1781524870,"));
    // Nobody listens at this port.
    let link = made(&world, json!({"notify": ["http://127.0.0.1:1/hook"]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    let mut now = world.later(seconds(0));
    now.deliver_notices().await;
    let waits = "first-use waiting 1: the host cannot be reached";
    assert_eq!(notices(&now, &link).await, [waits]);
    assert_eq!(metric(&now, "valet_notices_waiting").await, 1);
    for _ in 0..9 {
        let shown = shown_to(&now, &Key::root(), &link).await;
        let next = text(&shown["notices"][0], "next_try_at").parse().unwrap();
        now = now.later(now.now.duration_until(next));
        now.deliver_notices().await;
    }
    let given_up = "first-use failed 10: the host cannot be reached";
    assert_eq!(notices(&now, &link).await, [given_up]);
    assert_eq!(metric(&now, "valet_notices_failed_total").await, 1);
    assert_eq!(metric(&now, "valet_notices_waiting").await, 0);
}

#[tokio::test]
async fn what_was_written_is_delivered_after_a_restart() {
    let world = with_object(config()).await;
    let hook = Hook::start(&[503]).await;
    let link = made(&world, json!({"notify": [hook.url]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    let world = world.reopened(config()).await.later(seconds(10));
    world.deliver_notices().await;
    let posted = hook.posted();
    assert_eq!(posted.len(), 2);
    assert_eq!(posted[0].body, posted[1].body);
    assert!(posted[1].is_signed_with(text(&link, "webhook_secret")));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_up_nobody() {
    let world = with_object(config()).await;
    let (hung, good) = (Hook::start(&[]).await, Hook::start(&[]).await);
    hung.answers.send_replace(false);
    let link = made(&world, json!({"notify": [hung.url, good.url]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    let delivering = world.later(seconds(0));
    let delivering = tokio::spawn(async move { delivering.deliver_notices().await });
    hung.came.notified().await;
    good.came.notified().await;
    let other = made(&world, json!({"notify": [good.url]})).await;
    assert_eq!(fetch(&world, &other).await, 200);
    assert!(!delivering.is_finished());
    hung.answers.send_replace(true);
    delivering.await.unwrap();
    assert_eq!(notices(&world, &link).await, ["first-use delivered 1"; 2]);
}

#[tokio::test]
async fn no_other_machine_of_the_operator_is_called() {
    let allowed = config();
    let world = with_object(ServerConfig { outbound_allow: Vec::new(), ..allowed }).await;
    let hook = Hook::start(&[]).await;
    let secure = hook.url.replace("http:", "https:");
    for (target, expected) in [
        (hook.url.as_str(), "the address of the host may not be called"),
        (&secure, "the address of the host may not be called"),
        ("https://169.254.169.254/latest", "the address of the host may not be called"),
        ("https://[::1]/", "the address of the host may not be called"),
        ("https://user:secret@127.0.0.1/", "not a URL that may be called"),
    ] {
        let link = made(&world, json!({"notify": [target]})).await;
        assert_eq!(fetch(&world, &link).await, 200);
        world.deliver_notices().await;
        let waits = format!("first-use waiting 1: {expected}");
        assert_eq!(notices(&world, &link).await, [waits], "{target}");
    }
    assert_eq!(hook.posted().len(), 0);
}

#[tokio::test]
async fn a_secret_is_for_whoever_made_the_link() {
    let world = with_object(config()).await;
    let ana = world.user("ana", &policy(SHARE)).await;
    let ben = world.user("ben", &policy(SHARE)).await;
    let posts = json!({"notify": ["https://hook.test/", "mailto:ana@example.com"]});
    let of_ana = made_by(&world, &ana, posts.clone()).await;
    let secret = text(&of_ana, "webhook_secret");
    assert!(secret.starts_with("whsec_") && secret.len() == 70, "{secret}");
    assert_ne!(text(&made_by(&world, &ben, posts.clone()).await, "webhook_secret"), secret);
    assert_eq!(text(&made_by(&world, &ana, posts.clone()).await, "webhook_secret"), secret);
    assert_eq!(shown_to(&world, &ana, &of_ana).await["webhook_secret"], secret);
    assert_eq!(shown_to(&world, &ben, &of_ana).await["webhook_secret"], Value::Null);
    let mails = made_by(&world, &ana, json!({"notify": ["mailto:ana@example.com"]})).await;
    assert_eq!(mails["webhook_secret"], Value::Null);
    let path = format!("{PATH}/{}", text(&mails, "fingerprint"));
    let change = ask("PATCH", &path).body(json!({"notify": ["https://hook.test/"]}).to_string());
    let changed: Value = serde_json::from_slice(&world.send_as(&ana, change).await.body).unwrap();
    assert_eq!(changed["webhook_secret"], secret);
}

#[tokio::test]
async fn a_mail_tells_of_the_link_and_gives_nothing_away() {
    let server = MailServer::start().await;
    let world = with_object(ServerConfig { smtp: Some(server.url()), ..config() }).await;
    let link = made(&world, json!({"notify": ["mailto:ana@example.com"]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    let [mail] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    let envelope = "MAIL FROM:<valet@example.com>\r\nRCPT TO:<ana@example.com>\r\n";
    assert!(mail.starts_with(envelope), "{mail}");
    let short = &text(&link, "fingerprint")[..16];
    for part in ["\r\nTo: ana@example.com\r\n", "q3/report.pdf", "192.0.2.7", short] {
        assert!(mail.contains(part), "{part}\n{mail}");
    }
    for part in [text(&link, "id"), "/_valet/", "X-Amz-", "http"] {
        assert!(!mail.contains(part), "{part}\n{mail}");
    }
    assert_eq!(notices(&world, &link).await, ["first-use delivered 1"]);
}

#[tokio::test]
async fn a_name_of_a_file_is_no_header_of_a_mail() {
    let server = MailServer::start().await;
    let world = with_object(ServerConfig { smtp: Some(server.url()), ..config() }).await;
    let key = "x\r\nBcc: eve@example.com\r\n\r\nhello\r\n.\r\nRCPT TO:<eve@example.com>";
    let path = format!("/bucket/{}", presign::encode_component(key.as_bytes()));
    assert_eq!(world.send(put(&path, "hello")).await.status, 200);
    let members =
        json!({"notify": ["mailto:ana@example.com"], "key": key, "label": "x\u{a0}=0d=0aBcc:"});
    let link = made(&world, members).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    let [mail] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    for line in mail.split("\r\n").skip(2) {
        assert!(!line.to_lowercase().starts_with("bcc") && !line.starts_with("RCPT"), "{mail}");
    }
    for target in ["mailto:a@b.test?bcc=eve@example.com", "mailto:a@b.test,eve@example.com"] {
        let wanted = json!({"kind": "object", "bucket": "bucket", "key": "q3/report.pdf", "notify": [target]});
        let answer = world.send(ask("POST", PATH).body(wanted.to_string())).await;
        assert_eq!(answer.status, 400, "{target}");
    }
}

#[tokio::test]
async fn mail_that_is_not_taken_is_kept_and_shown() {
    let server = MailServer::start().await;
    *server.refuses.lock().unwrap() = Some("450 not now");
    let world = with_object(ServerConfig { smtp: Some(server.url()), ..config() }).await;
    let link = made(&world, json!({"notify": ["mailto:ana@example.com"]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    let shown = notices(&world, &link).await;
    assert!(
        shown[0].starts_with("first-use waiting 1: the mail server does not take it: "),
        "{shown:?}"
    );
    assert!(shown[0].contains("450") && shown[0].contains("not now"), "{shown:?}");
    *server.refuses.lock().unwrap() = None;
    world.later(seconds(10)).deliver_notices().await;
    assert_eq!(notices(&world, &link).await, ["first-use delivered 2"]);
    // Where no mail is sent, notices are for the console alone.
    let world = world.restarted(config());
    let link = made(&world, json!({"notify": ["mailto:ana@example.com"]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    assert_eq!(notices(&world, &link).await, ["first-use failed 1: no mail server is set"]);
    // This mail server does not say how to sign in.
    let signs_in = format!("smtp://ana:secret@{}?from=valet@example.com", server.address);
    let signs_in = SmtpUrl::parse(&signs_in).ok();
    let world = world.restarted(ServerConfig { smtp: signs_in, ..config() });
    let link = made(&world, json!({"notify": ["mailto:ana@example.com"]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    let shown = notices(&world, &link).await;
    let waits = "first-use waiting 1: the mail server does not offer what is needed: ";
    assert!(shown[0].starts_with(waits) && !shown[0].contains("secret"), "{shown:?}");
    let away = SmtpUrl::parse("smtp://127.0.0.1:1?from=valet@example.com").ok();
    let world = world.restarted(ServerConfig { smtp: away, ..config() });
    let link = made(&world, json!({"notify": ["mailto:ana@example.com"]})).await;
    assert_eq!(fetch(&world, &link).await, 200);
    world.deliver_notices().await;
    let waits = "first-use waiting 1: the mail server cannot be reached";
    assert_eq!(notices(&world, &link).await, [waits]);
}
