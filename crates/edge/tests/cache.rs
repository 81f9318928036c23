//! The cache over an origin that counts what it is asked.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use edge::{
    CHUNK_BYTES, CacheOutcome, Coding, EdgeAnswer, EdgeBody, EdgeCache, EdgeRequest, ErrorTtls,
    Origin, OriginAnswer, OriginFailure, OriginFuture, OriginRequest, ResourceKey, Ttls,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

const NOW: u64 = 1_800_000_000_000;
static TTLS: LazyLock<Ttls> = LazyLock::new(|| {
    let errors = Arc::new(ErrorTtls { by_status: BTreeMap::from([(410, 30)]), others: 10 });
    Ttls { min: 0, default: 100, max: 1000, errors }
});

/// What the origin has, and what it was asked.
struct Fake {
    length: u64,
    headers: Mutex<Vec<(&'static str, String)>>,
    /// Makes another body.
    seed: AtomicU64,
    status: Mutex<StatusCode>,
    fails: AtomicBool,
    panics: AtomicBool,
    has_no_etag: bool,
    /// Bodies stop before their end, for good.
    gets_stuck: bool,
    open: Arc<()>,
    asked: Mutex<Vec<OriginRequest>>,
    sent: Arc<AtomicU64>,
    /// Lets one fetch more begin, where there is a gate.
    gate: Option<Arc<Notify>>,
}

/// Of a body that is hardly smaller once it is compressed.
const DENSE: u64 = 200;

fn byte_at(seed: u64, position: u64) -> u8 {
    if seed == DENSE {
        let mixed = (position ^ (position >> 7)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        return 32 + u8::try_from(mixed >> 58).unwrap();
    }
    u8::try_from((position.wrapping_mul(31) ^ (position >> 16) ^ seed) % 251).unwrap()
}

fn content(seed: u64, range: std::ops::Range<u64>) -> Vec<u8> {
    range.map(|position| byte_at(seed, position)).collect()
}

impl Fake {
    fn new(length: u64) -> Arc<Self> {
        Arc::new(Self::plain(length))
    }

    fn plain(length: u64) -> Self {
        Self {
            length,
            headers: Mutex::default(),
            seed: AtomicU64::new(1),
            status: Mutex::new(StatusCode::OK),
            fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            has_no_etag: false,
            gets_stuck: false,
            open: Arc::default(),
            asked: Mutex::default(),
            sent: Arc::default(),
            gate: None,
        }
    }

    fn with(self: Arc<Self>, name: &'static str, value: &str) -> Arc<Self> {
        self.headers.lock().unwrap().push((name, value.to_owned()));
        self
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn answer(&self, request: &OriginRequest) -> Result<OriginAnswer, OriginFailure> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(OriginFailure::Failed("it is away".to_owned()));
        }
        let seed = self.seed.load(Ordering::Relaxed);
        let etag = HeaderValue::from_str(&format!("\"{seed}\"")).unwrap();
        let mut headers = HeaderMap::new();
        if !self.has_no_etag {
            headers.insert("etag", etag.clone());
        }
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        for (name, value) in self.headers.lock().unwrap().iter() {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let status = *self.status.lock().unwrap();
        let empty = Sent {
            seed,
            rest: 0..0,
            counter: Arc::clone(&self.sent),
            gets_stuck: self.gets_stuck,
            _open: Arc::clone(&self.open),
        };
        if request.if_none_match.as_ref() == Some(&etag) {
            return Ok(OriginAnswer {
                status: StatusCode::NOT_MODIFIED,
                headers,
                body: Box::pin(empty),
            });
        }
        if request.if_match.as_ref().is_some_and(|wanted| *wanted != etag) {
            let status = StatusCode::PRECONDITION_FAILED;
            return Ok(OriginAnswer { status, headers, body: Box::pin(empty) });
        }
        if status != StatusCode::OK {
            headers.insert("content-length", HeaderValue::from(5));
            let rest = 0..5;
            return Ok(OriginAnswer { status, headers, body: Box::pin(Sent { rest, ..empty }) });
        }
        let (status, rest) = match &request.range {
            Some(range) if range.start < self.length => {
                let rest = range.start..range.end.min(self.length);
                let of = format!("bytes {}-{}/{}", rest.start, rest.end - 1, self.length);
                headers.insert("content-range", HeaderValue::from_str(&of).unwrap());
                (StatusCode::PARTIAL_CONTENT, rest)
            }
            Some(_) => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
            None => (StatusCode::OK, 0..self.length),
        };
        headers.insert("content-length", HeaderValue::from(rest.end - rest.start));
        Ok(OriginAnswer { status, headers, body: Box::pin(Sent { rest, ..empty }) })
    }
}

impl Origin for Handle {
    fn fetch(&self, request: OriginRequest) -> OriginFuture {
        let fake = Arc::clone(&self.0);
        Box::pin(async move {
            fake.asked.lock().unwrap().push(request.clone());
            assert!(!fake.panics.swap(false, Ordering::Relaxed), "as it was told");
            if let Some(gate) = &fake.gate {
                gate.notified().await;
            }
            fake.answer(&request)
        })
    }
}

struct Handle(Arc<Fake>);

/// A body in pieces that fit no chunk.
struct Sent {
    seed: u64,
    rest: std::ops::Range<u64>,
    counter: Arc<AtomicU64>,
    gets_stuck: bool,
    _open: Arc<()>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = OriginFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OriginFailure>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if self.gets_stuck && self.rest.end - self.rest.start <= 10_007 {
            return Poll::Pending;
        }
        let end = self.rest.end.min(self.rest.start + 10_007);
        let piece = content(self.seed, self.rest.start..end);
        self.counter.fetch_add(end - self.rest.start, Ordering::Relaxed);
        self.rest.start = end;
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.end - self.rest.start)
    }
}

/// Asks with these headers at a time.
async fn ask(
    cache: &EdgeCache,
    fake: &Arc<Fake>,
    lines: &[(&'static str, &str)],
    now_ms: u64,
) -> Result<EdgeAnswer, OriginFailure> {
    ask_since(cache, fake, lines, (now_ms, 0)).await
}

async fn ask_since(
    cache: &EdgeCache,
    fake: &Arc<Fake>,
    lines: &[(&'static str, &str)],
    (now_ms, forgotten_until_ms): (u64, u64),
) -> Result<EdgeAnswer, OriginFailure> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let key = ResourceKey([7; 32]);
    let request = EdgeRequest {
        key,
        is_head: false,
        coding: None,
        headers: &headers,
        ttls: &TTLS,
        forgotten_until_ms,
        now_ms,
    };
    let origin: Arc<dyn Origin> = Arc::new(Handle(Arc::clone(fake)));
    cache.get(&request, &origin).await.map(|answer| answer.expect("it is kept"))
}

async fn read(body: EdgeBody) -> Result<Vec<u8>, OriginFailure> {
    match body {
        EdgeBody::Empty => Ok(Vec::new()),
        EdgeBody::Full(bytes) => Ok(bytes.to_vec()),
        EdgeBody::Read(mut reader) => {
            let mut bytes = Vec::new();
            let mut most = 1_000;
            while let Some(piece) =
                std::future::poll_fn(|context| reader.poll_next(context, most)).await
            {
                bytes.extend_from_slice(&piece?);
                most = most * 3 % 100_000 + 1;
            }
            Ok(bytes)
        }
    }
}

async fn whole(cache: &EdgeCache, fake: &Arc<Fake>, now_ms: u64) -> (CacheOutcome, Vec<u8>) {
    let answer = ask(cache, fake, &[], now_ms).await.unwrap();
    (answer.outcome, read(answer.body).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_askers_are_one_read() {
    for length in [1_000, CHUNK_BYTES, CHUNK_BYTES + 1, 40 * CHUNK_BYTES + 17] {
        let gate = Arc::new(Notify::new());
        let fake = Arc::new(Fake { gate: Some(Arc::clone(&gate)), ..Fake::plain(length) });
        let cache = EdgeCache::new(64 << 20);
        let askers: Vec<_> = (0..1000)
            .map(|_| {
                let (cache, fake) = (cache.clone(), Arc::clone(&fake));
                tokio::spawn(async move { whole(&cache, &fake, NOW).await.1 })
            })
            .collect();
        gate.notify_one();
        let expected = content(1, 0..length);
        for asker in askers {
            assert!(asker.await.unwrap() == expected);
        }
        assert_eq!(fake.asked(), 1, "{length}");
        assert_eq!(fake.sent.load(Ordering::Relaxed), length);
        let counts = cache.stats().counts();
        assert_eq!((counts.fetches, counts.hits + counts.misses), (1, 1000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_stops_nobody_else() {
    let gate = Arc::new(Notify::new());
    let length = 30 * CHUNK_BYTES;
    let fake = Arc::new(Fake { gate: Some(Arc::clone(&gate)), ..Fake::plain(length) });
    let cache = EdgeCache::new(64 << 20);
    let first = {
        let (cache, fake) = (cache.clone(), Arc::clone(&fake));
        tokio::spawn(async move { ask(&cache, &fake, &[], NOW).await })
    };
    while fake.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let second = {
        let (cache, fake) = (cache.clone(), Arc::clone(&fake));
        tokio::spawn(async move { whole(&cache, &fake, NOW).await })
    };
    first.abort();
    let _ = first.await;
    gate.notify_one();
    assert!(second.await.unwrap().1 == content(1, 0..length));
    assert_eq!(fake.asked(), 1);
    // Somebody who has the head and leaves in the middle of the body.
    let cache = EdgeCache::new(64 << 20);
    let fake = Fake::new(length);
    drop(ask(&cache, &fake, &[], NOW).await.unwrap());
    let (outcome, body) = whole(&cache, &fake, NOW).await;
    assert!(outcome == CacheOutcome::Hit && body == content(1, 0..length));
    assert_eq!(fake.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_need_no_more_than_their_pieces() {
    let length = 100 * CHUNK_BYTES + 5;
    let fake = Fake::new(length);
    let cache = EdgeCache::new(64 << 20);
    let part = async |text: &str| {
        let answer = ask(&cache, &fake, &[("range", text)], NOW).await.unwrap();
        let range = answer.headers["content-range"].to_str().unwrap().to_owned();
        (answer.status.as_u16(), range, read(answer.body).await.unwrap())
    };
    let at = 50 * CHUNK_BYTES;
    let (status, range, body) = part(&format!("bytes={}-{}", at + 10, at + 19)).await;
    assert_eq!((status, range), (206, format!("bytes {}-{}/{length}", at + 10, at + 19)));
    assert_eq!(body, content(1, at + 10..at + 20));
    assert!(fake.sent.load(Ordering::Relaxed) <= 2 * CHUNK_BYTES);
    assert_eq!(fake.asked(), 1);
    // The same again is there, and its neighbour is not.
    part(&format!("bytes={}-{}", at, at + 99)).await;
    assert_eq!(fake.asked(), 1);
    let (_, _, body) = part(&format!("bytes={}-{}", at - 10, at + 9)).await;
    assert_eq!(body, content(1, at - 10..at + 10));
    assert_eq!(fake.asked(), 2);
    let (_, range, body) = part("bytes=-7").await;
    assert_eq!(
        (range, body),
        (format!("bytes {}-{}/{length}", length - 7, length - 1), content(1, length - 7..length))
    );
    // The whole is put together from what is there and what is not.
    assert!(whole(&cache, &fake, NOW).await.1 == content(1, 0..length));
    let none = ask(&cache, &fake, &[("range", &format!("bytes={length}-"))], NOW).await.unwrap();
    assert_eq!(none.status, 416);
    assert_eq!(none.headers["content-range"].to_str().unwrap(), format!("bytes */{length}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_the_cache_is_sent_whole_and_memory_stays_flat() {
    let length = 300 * CHUNK_BYTES + 1;
    let fake = Fake::new(length);
    let cache = EdgeCache::new(1 << 20);
    for _ in 0..2 {
        assert!(whole(&cache, &fake, NOW).await.1 == content(1, 0..length));
        assert!(cache.bytes() <= 1 << 20, "{}", cache.bytes());
    }
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (cache, fake) = (cache.clone(), Arc::clone(&fake));
            tokio::spawn(async move { whole(&cache, &fake, NOW).await.1 })
        })
        .collect();
    for reader in readers {
        assert!(reader.await.unwrap() == content(1, 0..length));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_nobody_waits_for_ends() {
    let length = 3000 * CHUNK_BYTES;
    let fake = Fake::new(length);
    let cache = EdgeCache::new(1 << 20);
    drop(ask(&cache, &fake, &[], NOW).await.unwrap());
    for _ in 0..1000 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let sent = fake.sent.load(Ordering::Relaxed);
        if Arc::strong_count(&fake.sent) == 1 {
            assert!(sent < 30 * CHUNK_BYTES, "{sent}");
            return;
        }
    }
    panic!("the origin is still being read");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_never_mix() {
    let length = 200 * CHUNK_BYTES;
    let fake = Fake::new(length);
    let cache = EdgeCache::new(1 << 20);
    let answer = ask(&cache, &fake, &[], NOW).await.unwrap();
    let EdgeBody::Read(mut reader) = answer.body else { panic!("no reader") };
    let first = std::future::poll_fn(|context| reader.poll_next(context, 10)).await.unwrap();
    assert_eq!(first.unwrap(), content(1, 0..10));
    // The run goes no farther than its window, and what follows is of another body.
    fake.seed.store(2, Ordering::Relaxed);
    let mut read = content(1, 0..10);
    // Another reader drives the run away, so that this one must ask the origin again.
    let other = whole(&cache, &fake, NOW).await.1;
    assert!(other == content(1, 0..length));
    let failed = loop {
        match std::future::poll_fn(|context| reader.poll_next(context, 1 << 20)).await {
            Some(Ok(piece)) => read.extend_from_slice(&piece),
            Some(Err(failure)) => break failure,
            None => panic!("the body was sent to its end"),
        }
    };
    assert!(matches!(failed, OriginFailure::Changed), "{failed:?}");
    assert!(read == content(1, 0..u64::try_from(read.len()).unwrap()));
    // Whoever asks now gets the other one.
    assert!(whole(&cache, &fake, NOW).await.1 == content(2, 0..length));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_is_confirmed_or_replaced() {
    let fake = Fake::new(10);
    let cache = EdgeCache::new(1 << 20);
    let at = |seconds: u64| NOW + seconds * 1000;
    let check = async |seconds: u64, outcome: CacheOutcome, age: &str, seed: u64, asked: usize| {
        let answer = ask(&cache, &fake, &[], at(seconds)).await.unwrap();
        assert_eq!(
            (answer.outcome, &answer.headers["age"]),
            (outcome, &HeaderValue::from_str(age).unwrap()),
            "{seconds}"
        );
        assert_eq!(read(answer.body).await.unwrap(), content(seed, 0..10));
        assert_eq!(fake.asked(), asked, "{seconds}");
    };
    check(0, CacheOutcome::Miss, "0", 1, 1).await;
    check(99, CacheOutcome::Hit, "99", 1, 1).await;
    check(100, CacheOutcome::RefreshHit, "0", 1, 2).await;
    check(150, CacheOutcome::Hit, "50", 1, 2).await;
    fake.seed.store(2, Ordering::Relaxed);
    check(199, CacheOutcome::Hit, "99", 1, 2).await;
    check(200, CacheOutcome::Miss, "0", 2, 3).await;
    let last = fake.asked.lock().unwrap().last().unwrap().clone();
    assert_eq!(last.if_none_match, Some(HeaderValue::from_static("\"1\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_is_sent_while_it_is_confirmed_or_the_origin_fails() {
    let at = |seconds: u64| NOW + seconds * 1000;
    let fake = Fake::new(10).with("cache-control", "max-age=10, stale-while-revalidate=20");
    let cache = EdgeCache::new(1 << 20);
    whole(&cache, &fake, at(0)).await;
    fake.seed.store(2, Ordering::Relaxed);
    assert_eq!(whole(&cache, &fake, at(15)).await, (CacheOutcome::Hit, content(1, 0..10)));
    while fake.asked() < 2 {
        tokio::task::yield_now().await;
    }
    // The flight has begun; whoever asks later has what it brought.
    let mut later = whole(&cache, &fake, at(16)).await;
    while later.1 == content(1, 0..10) {
        tokio::task::yield_now().await;
        later = whole(&cache, &fake, at(16)).await;
    }
    assert_eq!(later, (CacheOutcome::Hit, content(2, 0..10)));

    let fake = Fake::new(10).with("cache-control", "max-age=10, stale-if-error=20");
    let cache = EdgeCache::new(1 << 20);
    whole(&cache, &fake, at(0)).await;
    fake.fails.store(true, Ordering::Relaxed);
    assert_eq!(whole(&cache, &fake, at(29)).await, (CacheOutcome::Hit, content(1, 0..10)));
    assert!(ask(&cache, &fake, &[], at(30)).await.is_err());
    fake.fails.store(false, Ordering::Relaxed);
    *fake.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    fake.seed.store(3, Ordering::Relaxed);
    assert_eq!(whole(&cache, &fake, at(29)).await, (CacheOutcome::Hit, content(1, 0..10)));
    let refused = ask(&cache, &fake, &[], at(31)).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.outcome), (503, CacheOutcome::Error));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_kept_for_their_own_time() {
    for (status, kept) in [(StatusCode::NOT_FOUND, 10), (StatusCode::GONE, 30)] {
        let fake = Fake::new(10);
        *fake.status.lock().unwrap() = status;
        let cache = EdgeCache::new(1 << 20);
        for (seconds, asked) in [(0, 1), (kept - 1, 1), (kept, 2)] {
            let answer = ask(&cache, &fake, &[], NOW + seconds * 1000).await.unwrap();
            assert_eq!((answer.status, answer.outcome), (status, CacheOutcome::Error));
            assert_eq!(read(answer.body).await.unwrap(), content(1, 0..5));
            assert_eq!(fake.asked(), asked, "{status} {seconds}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_kept_is_not_shared() {
    let key = ResourceKey([7; 32]);
    for (name, value) in [("cache-control", "no-store"), ("set-cookie", "a=b"), ("vary", "*")] {
        let fake = Fake::new(10).with(name, value);
        let cache = EdgeCache::new(1 << 20);
        // Who comes after the first is not made to wait for an answer that is not shared; but not for ever.
        for (seconds, asked) in [(0, 1), (9, 1), (10, 2)] {
            let headers = HeaderMap::new();
            let request = EdgeRequest {
                key,
                is_head: false,
                coding: None,
                headers: &headers,
                ttls: &TTLS,
                forgotten_until_ms: 0,
                now_ms: NOW + seconds * 1000,
            };
            let origin: Arc<dyn Origin> = Arc::new(Handle(Arc::clone(&fake)));
            assert!(cache.get(&request, &origin).await.unwrap().is_none());
            assert_eq!(fake.asked(), asked, "{name}");
        }
        assert_eq!(cache.bytes(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_before_an_invalidation_is_forgotten() {
    let fake = Fake::new(10);
    let cache = EdgeCache::new(1 << 20);
    for (now, forgotten, asked) in [
        (NOW, 0, 1),
        (NOW + 5, NOW - 1, 1),
        (NOW + 5, NOW, 2),
        (NOW + 9, NOW, 2),
        (NOW + 9, NOW + 8, 3),
    ] {
        let answer = ask_since(&cache, &fake, &[], (now, forgotten)).await.unwrap();
        read(answer.body).await.unwrap();
        assert_eq!(fake.asked(), asked, "{now} {forgotten}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_answered_from_what_is_there() {
    let fake = Fake::new(10).with("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT");
    let cache = EdgeCache::new(1 << 20);
    whole(&cache, &fake, NOW).await;
    for (lines, status) in [
        (vec![("if-none-match", "\"1\"")], 304),
        (vec![("if-none-match", "\"2\"")], 200),
        (vec![("if-modified-since", "Fri, 15 Jan 2027 08:00:00 GMT")], 304),
        (vec![("if-match", "\"2\"")], 412),
        (vec![("range", "bytes=1-2"), ("if-range", "\"1\"")], 206),
        (vec![("range", "bytes=1-2"), ("if-range", "\"2\"")], 200),
    ] {
        let answer = ask(&cache, &fake, &lines, NOW).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{lines:?}");
    }
    assert_eq!(fake.asked(), 1);
}

/// More resources than fit, some of them asked for far more often than others.
#[tokio::test(flavor = "multi_thread")]
async fn the_bound_holds_under_a_load_that_does_not_fit() {
    let cache = EdgeCache::new(2 << 20);
    let fakes: Vec<_> = (0..200).map(|_| Fake::new(30_000)).collect();
    let mut number = 1_u64;
    for _ in 0..3000 {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let rank = usize::try_from((number >> 33) % 200 * ((number >> 20) % 200) / 200).unwrap();
        let mut key = [0; 32];
        key[0] = u8::try_from(rank).unwrap();
        let headers = HeaderMap::new();
        let request = EdgeRequest {
            key: ResourceKey(key),
            is_head: false,
            coding: None,
            headers: &headers,
            ttls: &TTLS,
            forgotten_until_ms: 0,
            now_ms: NOW,
        };
        let origin: Arc<dyn Origin> = Arc::new(Handle(Arc::clone(&fakes[rank])));
        let answer = cache.get(&request, &origin).await.unwrap().unwrap();
        assert_eq!(read(answer.body).await.unwrap().len(), 30_000);
        assert!(cache.bytes() <= 2 << 20);
    }
    let counts = cache.stats().counts();
    assert!(counts.hits > counts.misses, "{counts:?}");
}

/// A body that is compressed is compressed once, kept so, and made again where its pieces are gone.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_compressed_for_those_who_take_it() {
    // Random enough that the compressed body has many pieces.
    let length = 9_000_000;
    for (coding, memory) in [
        (Coding::Brotli, 64 << 20),
        (Coding::Zstd, 64 << 20),
        (Coding::Gzip, 64 << 20),
        (Coding::Gzip, 1 << 20),
    ] {
        let fake = Fake::new(length);
        fake.seed.store(DENSE, Ordering::Relaxed);
        let cache = EdgeCache::new(memory);
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let headers = HeaderMap::new();
            let request = EdgeRequest {
                key: ResourceKey([7; 32]),
                is_head: false,
                coding: Some(coding),
                headers: &headers,
                ttls: &TTLS,
                forgotten_until_ms: 0,
                now_ms: NOW,
            };
            let origin: Arc<dyn Origin> = Arc::new(Handle(Arc::clone(&fake)));
            let answer = cache.get(&request, &origin).await.unwrap().unwrap();
            assert_eq!(answer.headers["content-encoding"], coding.name());
            assert_eq!(answer.headers["vary"], "Accept-Encoding");
            assert_eq!(answer.headers["etag"], "W/\"200\"");
            let told: usize = answer.headers["content-length"].to_str().unwrap().parse().unwrap();
            let body = read(answer.body).await.unwrap();
            assert_eq!(body.len(), told);
            bodies.push(body);
        }
        assert!(bodies[0] == bodies[1]);
        if coding == Coding::Gzip {
            let mut plain = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(&bodies[0][..]), &mut plain).unwrap();
            assert!(plain == content(DENSE, 0..length));
        }
        assert_eq!(fake.asked() == 1, memory > 1 << 20, "{coding:?} {memory}");
    }
}

/// What one viewer asks for is no answer for others.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_behind_the_end_and_a_head_poison_nobody() {
    for (length, range, is_head, status) in
        [(200_000, "bytes=99999999-", false, 416), (0, "", true, 200), (0, "bytes=0-", false, 416)]
    {
        let fake = Fake::new(length);
        let cache = EdgeCache::new(8 << 20);
        let mut headers = HeaderMap::new();
        if !range.is_empty() {
            headers.insert("range", HeaderValue::from_static(range));
        }
        let origin: Arc<dyn Origin> = Arc::new(Handle(Arc::clone(&fake)));
        let key = ResourceKey([7; 32]);
        let request = EdgeRequest {
            key,
            is_head,
            coding: None,
            headers: &headers,
            ttls: &TTLS,
            forgotten_until_ms: 0,
            now_ms: NOW,
        };
        let answer = cache.get(&request, &origin).await.unwrap().unwrap();
        assert_eq!(answer.status.as_u16(), status, "{length} {range}");
        assert!(read(answer.body).await.unwrap().is_empty());
        assert!(whole(&cache, &fake, NOW).await.1 == content(1, 0..length));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_after_an_invalidation_waits_for_no_answer_from_before() {
    let gate = Arc::new(Notify::new());
    let fake = Arc::new(Fake { gate: Some(Arc::clone(&gate)), ..Fake::plain(10) });
    let cache = EdgeCache::new(1 << 20);
    let ask_for = |now: u64, forgotten: u64| {
        let (cache, fake) = (cache.clone(), Arc::clone(&fake));
        tokio::spawn(async move {
            let answer = ask_since(&cache, &fake, &[], (now, forgotten)).await.unwrap();
            read(answer.body).await.unwrap()
        })
    };
    let before = ask_for(NOW, 0);
    while fake.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let after = ask_for(NOW + 2000, NOW + 1000);
    while fake.asked() == 1 {
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    assert_eq!(before.await.unwrap(), content(1, 0..10));
    fake.seed.store(2, Ordering::Relaxed);
    gate.notify_one();
    assert_eq!(after.await.unwrap(), content(2, 0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_breaks_locks_nobody_out() {
    let fake = Fake::new(10);
    let cache = EdgeCache::new(1 << 20);
    fake.panics.store(true, Ordering::Relaxed);
    assert!(ask(&cache, &fake, &[], NOW).await.is_err());
    assert_eq!(whole(&cache, &fake, NOW).await.1, content(1, 0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_name_is_never_put_together() {
    let length = 200 * CHUNK_BYTES;
    let fake = Arc::new(Fake { has_no_etag: true, ..Fake::plain(length) });
    let cache = EdgeCache::new(1 << 20);
    let answer = ask(&cache, &fake, &[], NOW).await.unwrap();
    let EdgeBody::Read(mut reader) = answer.body else { panic!("no reader") };
    let first =
        std::future::poll_fn(|context| reader.poll_next(context, 1)).await.unwrap().unwrap();
    fake.seed.store(2, Ordering::Relaxed);
    let _ = read(ask(&cache, &fake, &[], NOW).await.unwrap().body).await;
    let mut body = first.to_vec();
    let failed = loop {
        match std::future::poll_fn(|context| reader.poll_next(context, 1 << 20)).await {
            Some(Ok(piece)) => body.extend_from_slice(&piece),
            Some(Err(failure)) => break failure,
            None => panic!("it was sent to its end"),
        }
    };
    assert!(matches!(failed, OriginFailure::Changed), "{failed:?}");
    assert!(body == content(1, 0..u64::try_from(body.len()).unwrap()));
}

/// Few bodies are read for those who have left, and none is in memory that waits for its turn to be compressed.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_wait_are_bounded() {
    let fake = Arc::new(Fake { gets_stuck: true, ..Fake::plain(5 * CHUNK_BYTES) });
    let cache = EdgeCache::new(16 << 20);
    let ask_for = async |number: u16, coding: Option<Coding>| {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        let headers = HeaderMap::new();
        let request = EdgeRequest {
            key: ResourceKey(key),
            is_head: false,
            coding,
            headers: &headers,
            ttls: &TTLS,
            forgotten_until_ms: 0,
            now_ms: NOW,
        };
        let origin: Arc<dyn Origin> = Arc::new(Handle(Arc::clone(&fake)));
        cache.get(&request, &origin).await.map(drop)
    };
    for number in 0..1000 {
        ask_for(number, None).await.unwrap();
    }
    while Arc::strong_count(&fake.open) > 17 {
        tokio::task::yield_now().await;
    }
    let before = fake.sent.load(Ordering::Relaxed);
    let asking = (2000..2100).map(|number| ask_for(number, Some(Coding::Gzip)));
    let asking = futures_of(asking.collect());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), asking).await.is_err());
    assert!(fake.sent.load(Ordering::Relaxed) - before <= 4 * 5 * CHUNK_BYTES);
}

/// Waits for all of them, each polled whenever one can go on.
async fn futures_of<F: Future>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(move |context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_fails_is_not_asked_by_each_viewer_of_what_is_stale() {
    let fake = Fake::new(10).with("cache-control", "max-age=1, stale-if-error=900");
    let cache = EdgeCache::new(1 << 20);
    whole(&cache, &fake, NOW).await;
    fake.fails.store(true, Ordering::Relaxed);
    for later in 0..10 {
        let found = whole(&cache, &fake, NOW + 5000 + later * 100).await;
        assert_eq!(found, (CacheOutcome::Hit, content(1, 0..10)));
    }
    assert_eq!(fake.asked(), 2);
    whole(&cache, &fake, NOW + 16_000).await;
    assert_eq!(fake.asked(), 3);
}

/// A cache with little memory and a disk behind it, and the resources of an origin.
struct Behind {
    cache: EdgeCache,
    fakes: Vec<Arc<Fake>>,
    _folder: tempfile::TempDir,
}

impl Behind {
    fn new(lengths: &[u64], disk_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = EdgeCache::new(1 << 20);
        cache.add_disk(folder.path(), disk_bytes).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file has a name");
        let fakes = lengths.iter().map(|length| Fake::new(*length)).collect();
        Self { cache, fakes, _folder: folder }
    }

    async fn get(&self, number: usize, lines: &[(&'static str, &str)], now_ms: u64) -> Vec<u8> {
        self.get_since(number, lines, (now_ms, 0)).await
    }

    async fn get_since(
        &self,
        number: usize,
        lines: &[(&'static str, &str)],
        (now_ms, forgotten_until_ms): (u64, u64),
    ) -> Vec<u8> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let mut key = [9; 32];
        key[0] = u8::try_from(number).unwrap();
        let request = EdgeRequest {
            key: ResourceKey(key),
            is_head: false,
            coding: None,
            headers: &headers,
            ttls: &TTLS,
            forgotten_until_ms,
            now_ms,
        };
        let origin: Arc<dyn Origin> = Arc::new(Handle(Arc::clone(&self.fakes[number])));
        let answer = self.cache.get(&request, &origin).await.unwrap().unwrap();
        read(answer.body).await.unwrap()
    }

    /// Waits until what memory gave up is on disk.
    async fn settle(&self) {
        let mut before = u64::MAX;
        while self.cache.disk_bytes() != before {
            before = self.cache.disk_bytes();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    fn sent(&self) -> u64 {
        self.fakes.iter().map(|fake| fake.sent.load(Ordering::Relaxed)).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_memory_gave_up_comes_back_from_disk() {
    // Small bodies in their heads, and large ones in pieces: together eight times the memory.
    let lengths: Vec<u64> = (0..60).map(|n| if n % 2 == 0 { 30_000 } else { 260_000 }).collect();
    let behind = Behind::new(&lengths, 64 << 20);
    for number in 0..lengths.len() {
        behind.get(number, &[], NOW).await;
        behind.settle().await;
    }
    let all: u64 = lengths.iter().sum();
    assert_eq!(behind.sent(), all, "each byte is read once");
    assert!(behind.cache.disk_bytes() > all / 2);
    for (number, length) in lengths.iter().enumerate() {
        assert_eq!(behind.get(number, &[], NOW + 1).await, content(1, 0..*length), "{number}");
        let part = behind.get(number, &[("range", "bytes=10-29999")], NOW + 1).await;
        assert_eq!(part, content(1, 10..30_000), "{number}");
    }
    assert_eq!(behind.sent(), all, "and none again");
    let counts = behind.cache.stats().counts();
    assert!(counts.disk_hits > 30 && counts.evictions > 30, "{counts:?}");
    assert!(counts.disk_bytes > 1 << 20 && counts.disk_failures == 0, "{counts:?}");
    assert!(behind.cache.bytes() <= 1 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_bounded_and_what_is_overwritten_is_read_anew() {
    // A ring of 16 files of 128 KiB each: a body of two pieces fills one.
    let lengths = vec![131_000_u64; 60];
    let behind = Behind::new(&lengths, 2 << 20);
    for round in 0..3 {
        for (number, length) in lengths.iter().enumerate() {
            let found = behind.get(number, &[], NOW + round).await;
            assert_eq!(found, content(1, 0..*length), "{round} {number}");
            assert!(behind.cache.disk_bytes() <= 2 << 20);
        }
    }
    assert!(behind.sent() > lengths.iter().sum::<u64>(), "not all of it fits");
}

/// What is newer, or was forgotten, is never answered with what lies on disk.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_old_comes_back_from_disk() {
    let lengths = vec![60_000_u64; 40];
    let behind = Behind::new(&lengths, 64 << 20);
    let push_out = |now_ms| {
        let behind = &behind;
        async move {
            for number in 1..behind.fakes.len() {
                behind.get(number, &[], now_ms).await;
            }
            behind.settle().await;
        }
    };
    let seed = |seed| behind.fakes[0].seed.store(seed, Ordering::Relaxed);
    behind.get(0, &[], NOW).await;
    push_out(NOW).await;
    seed(2);
    assert_eq!(behind.get(0, &[], NOW + 99_999).await, content(1, 0..60_000), "it is fresh");
    push_out(NOW + 1).await;
    assert_eq!(behind.get(0, &[], NOW + 100_000).await, content(2, 0..60_000), "it is not");
    push_out(NOW + 100_000).await;
    let asked = behind.fakes[0].asked();
    assert_eq!(behind.get(0, &[], NOW + 100_001).await, content(2, 0..60_000), "nor comes back");
    assert_eq!(behind.fakes[0].asked(), asked, "what took its place is on disk");
    seed(3);
    push_out(NOW + 100_002).await;
    let since = (NOW + 100_010, NOW + 100_005);
    assert_eq!(behind.get_since(0, &[], since).await, content(3, 0..60_000), "it was forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let cache = EdgeCache::new(1 << 20);
    assert!(cache.add_disk(&folder.path().join("none"), 2 << 20).is_err());
}

/// Whoever reads slowly keeps neither bodies open nor pieces in memory, and gets the rest all the same.
#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_hold_nothing() {
    let pieces = 4000;
    let fake = Fake::new(pieces * CHUNK_BYTES);
    let cache = EdgeCache::new(1 << 20);
    let mut readers = Vec::new();
    for number in 0..200 {
        let from = number * 20 * CHUNK_BYTES;
        let range = format!("bytes={from}-{}", from + 15 * CHUNK_BYTES);
        let answer = ask(&cache, &fake, &[("range", &range)], NOW).await.unwrap();
        let EdgeBody::Read(mut reader) = answer.body else { panic!() };
        let piece = std::future::poll_fn(|context| reader.poll_next(context, 1)).await;
        assert_eq!(piece.unwrap().unwrap(), content(1, from..from + 1));
        readers.push((from + 1, from + 15 * CHUNK_BYTES + 1, reader));
    }
    let open = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while Arc::strong_count(&fake.open) > 34 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    assert!(open.await.is_ok(), "{} bodies are open", Arc::strong_count(&fake.open));
    for (from, end, reader) in readers {
        assert_eq!(read(EdgeBody::Read(reader)).await.unwrap(), content(1, from..end));
    }
}

/// A viewer who asks for what is behind the end takes nothing from those who ask at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_behind_the_end_leads_nobody_astray() {
    let gate = Arc::new(Notify::new());
    let fake = Arc::new(Fake { gate: Some(Arc::clone(&gate)), ..Fake::plain(100_000) });
    let cache = EdgeCache::new(1 << 20);
    let first = {
        let (cache, fake) = (cache.clone(), Arc::clone(&fake));
        tokio::spawn(async move {
            ask(&cache, &fake, &[("range", "bytes=99999999-")], NOW).await.unwrap().status
        })
    };
    while fake.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..10)
        .map(|_| {
            let (cache, fake) = (cache.clone(), Arc::clone(&fake));
            tokio::spawn(async move { whole(&cache, &fake, NOW).await.1 })
        })
        .collect();
    for _ in 0..2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        gate.notify_one();
    }
    assert_eq!(first.await.unwrap().as_u16(), 416);
    for other in others {
        assert_eq!(other.await.unwrap(), content(1, 0..100_000));
    }
    assert_eq!(fake.asked(), 2, "once with the range, and once for all");
}
