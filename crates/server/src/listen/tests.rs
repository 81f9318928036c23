//! The limits of a connection, each over a pipe with a clock of its own or over a loopback socket.

mod go_on;
mod stalled;

use std::convert::Infallible;

use http_body_util::Full;
use iam::MasterKey;
use store::{Encryption, Store, StoreConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::config::ServerConfig;

const LIVE: &str = "GET /_valet/health/live HTTP/1.1\r\nHost: a\r\n";
/// Far beyond every limit, so that a test without one ends too.
const FOR_EVER: Duration = Duration::from_hours(24);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM_AND_HEADERS: u8 = 5;
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];

fn server() -> (Arc<Server>, tempfile::TempDir) {
    server_with(|_| {})
}

fn server_with(change: impl FnOnce(&mut ServerConfig)) -> (Arc<Server>, tempfile::TempDir) {
    server_over(Encryption::On, change)
}

fn server_over(
    encryption: Encryption,
    change: impl FnOnce(&mut ServerConfig),
) -> (Arc<Server>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let now = "2026-06-15T12:00:00Z".parse().unwrap();
    let store = StoreConfig {
        data_dir: dir.path().to_path_buf(),
        master_key: MasterKey::from_bytes([7; 32]),
        encryption,
        cache_bytes_max: 1 << 20,
    };
    let mut config = crate::config::tests::plain();
    change(&mut config);
    (Arc::new(Server::new(config, Store::open(store, now).unwrap(), now)), dir)
}

/// A connection to the whole service.
fn connect(server: &Arc<Server>) -> DuplexStream {
    let (far, near) = tokio::io::duplex(1 << 20);
    tokio::spawn(serve_over(near, Arc::clone(server), plenty().of_connection(&Share::unlimited())));
    far
}

/// Answers what comes over a pipe, to its end.
async fn serve_over(near: DuplexStream, server: Arc<Server>, unsent: Unsent) {
    let graceful = GracefulShutdown::new();
    let peer = Peer { address: "192.0.2.7".parse().unwrap(), tls: None };
    let service = ConnectionService { server: &server, watcher: graceful.watcher(), unsent };
    answer(service, TimedIo::new(near, PATIENCE), peer).await;
}

fn plenty() -> UnsentOfAll {
    UnsentOfAll::new(usize::MAX)
}

/// A connection to a service that reads each body and says what came of it, or never answers.
fn connect_to(respond: bool) -> DuplexStream {
    let (far, near) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let stream = TimedIo::new(near, PATIENCE);
        let activity = stream.activity();
        let service = service_fn(move |request: Request<Incoming>| {
            let activity = Arc::clone(&activity);
            let answering = activity.answering();
            async move {
                if !respond {
                    std::future::pending::<()>().await;
                }
                let mut body = take_body(request, &activity).into_body();
                let outcome = body.open(None).unwrap().collect(1 << 20).await;
                let text = outcome.map_or_else(|error| error.code().wire(), |_| "whole");
                drop(answering);
                Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from(text)))
            }
        });
        let _ = builder().serve_connection(TokioIo::new(stream), service).await;
    });
    far
}

/// Everything up to the end of the connection, which must come.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(FOR_EVER, stream.read_to_end(&mut answer));
    let _ = reading.await.expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Up to the end of an answer's head.
async fn answer_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET /` of `https://a`, and so many lines more.
fn get_frame(stream: u32, lines: usize) -> Vec<u8> {
    // Indexed :method, :scheme and :path; then literals without indexing.
    let mut block = vec![0x82, 0x87, 0x84, 0x01, 1, b'a'];
    for number in 0..lines {
        block.extend([0, 4, b'x', b'0' + u8::try_from(number / 100).unwrap()]);
        block.extend([b'0' + u8::try_from(number / 10 % 10).unwrap()]);
        block.extend([b'0' + u8::try_from(number % 10).unwrap(), 1, b'v']);
    }
    frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
}

async fn greet(stream: &mut DuplexStream) {
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
}

/// The next frame: kind, stream and payload; nothing at the end of the connection.
async fn next_frame(stream: &mut DuplexStream) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    let reading = tokio::time::timeout(FOR_EVER, stream.read_exact(&mut head));
    reading.await.expect("nothing comes, and the connection stays open").ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// The first frame of one of the kinds; the connection must not end before.
async fn frame_of(stream: &mut DuplexStream, kinds: &[u8]) -> (u8, u32, Vec<u8>) {
    loop {
        let next = next_frame(stream).await.expect("the connection ended before");
        if kinds.contains(&next.0) {
            return next;
        }
    }
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_until_another_closes() {
    let (server, _dir) = server();
    let socket = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(format!("{LIVE}\r\n").as_bytes()).await.unwrap();
        clients.push(client);
    }
    // All four wait in the kernel's queue, so without the cap all would be open at the first answer.
    let accept_loop = AcceptLoop {
        server: Arc::clone(&server),
        tls: None,
        connections: Arc::new(Semaphore::new(2)),
        shares: Arc::new(Shares::new(0)),
        graceful: Arc::new(GracefulShutdown::new()),
        unsent: plenty(),
    };
    let accepting = tokio::spawn(accept_loop.run(socket));
    let open = |count: u32| {
        let text = server.metrics().encode();
        assert!(text.contains(&format!("valet_connections {count}\n")), "{text}");
    };
    let answered = async {
        for at in 0..4 {
            let head = answer_head(&mut clients[0]).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            if at == 0 {
                open(2);
            }
            // Its place is free when it closes.
            clients.remove(0);
        }
    };
    tokio::time::timeout(Duration::from_mins(1), answered).await.expect("no place became free");
    accepting.abort();
}

#[tokio::test]
async fn an_address_has_its_share_of_connections_and_a_trusted_proxy_what_it_needs() {
    for (most, trusted, answered) in
        [(2, "192.0.2.0/24", 2), (2, "127.0.0.0/8", 4), (0, "::1/128", 4)]
    {
        let (server, _dir) = server_with(|config| {
            config.connections_per_address = most;
            config.trusted_proxies = vec![trusted.parse().unwrap()];
        });
        let socket = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let accept_loop = AcceptLoop {
            server: Arc::clone(&server),
            tls: None,
            connections: Arc::new(Semaphore::new(8)),
            shares: Arc::new(Shares::new(most)),
            graceful: Arc::new(GracefulShutdown::new()),
            unsent: plenty(),
        };
        let accepting = tokio::spawn(accept_loop.run(socket));
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut client = TcpStream::connect(address).await.unwrap();
            // The refused may be gone before that.
            let _ = client.write_all(format!("{LIVE}\r\n").as_bytes()).await;
            let served = client.read_u8().await.is_ok();
            clients.push((client, served));
        }
        assert_eq!(clients.iter().filter(|(_, served)| *served).count(), answered, "{trusted}");
        let refused = format!("valet_connections_refused_total {}\n", 4 - answered);
        assert!(server.metrics().encode().contains(&refused), "{}", server.metrics().encode());
        // A place is free again once its connection is gone.
        clients.clear();
        let opened = format!("valet_connections {}\n", 0);
        while !server.metrics().encode().contains(&opened) {
            tokio::task::yield_now().await;
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(format!("{LIVE}\r\n").as_bytes()).await.unwrap();
        assert!(answer_head(&mut client).await.starts_with("HTTP/1.1 200 "));
        accepting.abort();
    }
}

#[test]
fn connections_fit_into_the_files_that_are_allowed() {
    for (files, connections) in
        [(None, 8192), (Some(1 << 20), 8192), (Some(1024), 384), (Some(257), 16), (Some(0), 16)]
    {
        assert_eq!(connections_max(files), connections, "{files:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let (server, _dir) = server();
    let mut silent = connect(&server);
    assert_eq!(rest(&mut silent).await, "");
    // It is as silent after a request.
    let mut silent = connect(&server);
    silent.write_all(format!("{LIVE}\r\n").as_bytes()).await.unwrap();
    let answer = rest(&mut silent).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.matches("HTTP/1.1").count() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_answer_is_closed() {
    let (far, near) = tokio::io::duplex(16);
    let (server, _dir) = server();
    let conversation =
        tokio::spawn(serve_over(near, server, plenty().of_connection(&Share::unlimited())));
    let mut far = far;
    far.write_all(format!("{LIVE}\r\n").as_bytes()).await.unwrap();
    tokio::time::timeout(FOR_EVER, conversation).await.expect("it waits for ever").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_head_that_dribbles_is_cut() {
    let (server, _dir) = server();
    let mut stream = connect(&server);
    stream.write_all(format!("{LIVE}X: ").as_bytes()).await.unwrap();
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if stream.write_all(b"x").await.is_err() {
            return;
        }
    }
    panic!("the head goes on for ever");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_refused_and_one_that_moves_is_not() {
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let mut stream = connect_to(true);
    stream.write_all(head).await.unwrap();
    stream.write_all(b"1234").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\nRequestTimeout"), "{answer}");
    let mut stream = connect_to(true);
    stream.write_all(head).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        stream.write_all(b"x").await.unwrap();
    }
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\nwhole"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_100_lines_at_most() {
    let (server, _dir) = server();
    for (more, status) in [(98, 200), (99, 431)] {
        let lines = "x: v\r\n".repeat(more);
        let request = format!("{LIVE}Connection: close\r\n{lines}\r\n");
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{more}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_over_http_2_has_as_many_lines() {
    let (server, _dir) = server();
    for (lines, refused) in [(100, false), (101, true)] {
        let mut stream = connect(&server);
        greet(&mut stream).await;
        stream.write_all(&get_frame(1, lines)).await.unwrap();
        let (_, _, block) = frame_of(&mut stream, &[HEADERS]).await;
        // The status stands first: 431 is no value of the static table, so it is a literal in Huffman's code.
        let is_431 = block.windows(3).any(|bytes| bytes == HUFFMAN_431);
        assert_eq!(is_431, refused, "{lines}: {block:02x?}");
    }
}

/// RFC 7541: `4` is 011010, `3` is 011001, `1` is 00001, and ones fill the last byte.
const HUFFMAN_431: [u8; 3] = [0b0110_1001, 0b1001_0000, 0b1111_1111];

#[tokio::test(start_paused = true)]
async fn http_2_names_its_limits_and_keeps_to_the_streams() {
    let mut stream = connect_to(false);
    greet(&mut stream).await;
    let (_, _, settings) = frame_of(&mut stream, &[SETTINGS]).await;
    for told in [[0, 3, 0, 0, 0, 128], [0, 6, 0, 1, 0, 0]] {
        assert!(settings.chunks(6).any(|setting| setting == told), "{told:?} in {settings:?}");
    }
    let requests: Vec<u8> = (0..=128).flat_map(|number| get_frame(2 * number + 1, 0)).collect();
    stream.write_all(&requests).await.unwrap();
    let (_, refused, reason) = frame_of(&mut stream, &[RST_STREAM, HEADERS, DATA]).await;
    assert_eq!((refused, reason.as_slice()), (257, REFUSED_STREAM.as_slice()));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_resets_ends_the_connection() {
    let mut stream = connect_to(false);
    greet(&mut stream).await;
    let mut flood = Vec::new();
    for number in 0..100 {
        flood.extend(get_frame(2 * number + 1, 0));
        flood.extend(frame(RST_STREAM, 0, 2 * number + 1, &[0, 0, 0, 8]));
    }
    stream.write_all(&flood).await.unwrap();
    let (_, _, goodbye) = frame_of(&mut stream, &[GOAWAY]).await;
    assert_eq!(goodbye[4..8], ENHANCE_YOUR_CALM);
}

#[tokio::test(start_paused = true)]
async fn an_http_2_client_that_answers_no_ping_is_closed() {
    let mut stream = connect_to(false);
    greet(&mut stream).await;
    stream.write_all(&get_frame(1, 0)).await.unwrap();
    let (_, _, _) = frame_of(&mut stream, &[PING]).await;
    while next_frame(&mut stream).await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn an_http_2_client_that_asks_for_nothing_is_closed_though_it_answers_pings() {
    let (server, _dir) = server();
    let mut stream = connect(&server);
    greet(&mut stream).await;
    stream.write_all(&get_frame(1, 0)).await.unwrap();
    answer_pings(&mut stream).await;
}

#[tokio::test(start_paused = true)]
async fn an_http_2_client_that_takes_no_answer_is_closed_though_it_answers_pings() {
    let (mut stream, near) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let stream = TimedIo::new(near, PATIENCE);
        let activity = stream.activity();
        let service = service_fn(move |_: Request<Incoming>| {
            let answering = activity.answering().with_answer();
            async move {
                std::future::pending::<()>().await;
                drop(answering);
                Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default()))
            }
        });
        let _ = builder().serve_connection(TokioIo::new(stream), service).await;
    });
    greet(&mut stream).await;
    stream.write_all(&get_frame(1, 0)).await.unwrap();
    answer_pings(&mut stream).await;
}

/// Up to the end of the connection, which must come.
async fn answer_pings(stream: &mut DuplexStream) {
    let begun = tokio::time::Instant::now();
    while let Some((kind, _, payload)) = next_frame(stream).await {
        if kind == PING && stream.write_all(&frame(PING, 1, 0, &payload)).await.is_err() {
            return;
        }
        assert!(begun.elapsed() < FOR_EVER, "it keeps its place");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preface_that_dribbles_is_cut() {
    let (server, _dir) = server();
    let mut stream = connect(&server);
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
    panic!("the preface was taken");
}
