//! Asks an origin, and keeps what may be kept.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG,
    HeaderName, TRANSFER_ENCODING, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;

use crate::cache::{EdgeRequest, FlightKey, Inner, Turn};
use crate::compress::{Coding, is_worth_it};
use crate::entry::{CHUNK_BYTES, Entry, ResourceKey, Slot, StoredHead, bytes_of, chunk_at};
use crate::flight::{Flight, Landing};
use crate::freshness::{Freshness, Ttls};
use crate::origin::{Origin, OriginAnswer, OriginBody, OriginFailure, OriginRequest};
use crate::range::AskedRange;
use crate::run::{Run, Waiter, read_run};
use crate::stats::add;

/// What a flight needs to know, once the viewer who began it may have left.
pub(crate) struct Journey {
    key: ResourceKey,
    origin: Arc<dyn Origin>,
    /// What is there and is to be confirmed.
    before: Option<Arc<StoredHead>>,
    range: Option<Range<u64>>,
    coding: Option<Coding>,
    ttls: Ttls,
    now_ms: u64,
}

impl Journey {
    pub(crate) fn of(
        request: &EdgeRequest<'_>,
        origin: &Arc<dyn Origin>,
        before: Option<&Arc<StoredHead>>,
    ) -> Self {
        // Whole pieces, so that what comes can be kept. Of a range at the end nobody knows yet where it begins.
        let range =
            if request.is_head { Some(0..CHUNK_BYTES) } else { asked_pieces(request.headers) };
        Self {
            key: request.key,
            origin: Arc::clone(origin),
            before: before.cloned(),
            // What is compressed is read whole.
            range: range.filter(|_| before.is_none() && request.coding.is_none()),
            coding: request.coding,
            ttls: request.ttls.clone(),
            now_ms: request.now_ms,
        }
    }
}

fn asked_pieces(headers: &HeaderMap) -> Option<Range<u64>> {
    let (from, to) = match AskedRange::read(headers)? {
        AskedRange::FromTo(from, to) => (from, to),
        AskedRange::From(from) => (from, u64::MAX - CHUNK_BYTES),
        AskedRange::Last(_) => (0, 0),
    };
    let end = (chunk_at(to) + 1).saturating_mul(CHUNK_BYTES);
    Some(chunk_at(from) * CHUNK_BYTES..end)
}

/// A flight that is under way: however it ends, those who wait are told.
pub(crate) struct FlightGuard {
    inner: Arc<Inner>,
    key: FlightKey,
    flight: Arc<Flight>,
    landing: Landing,
}

impl FlightGuard {
    pub(crate) fn new(inner: &Arc<Inner>, key: FlightKey, flight: Arc<Flight>) -> Self {
        let broken = OriginFailure::Failed("the question to the origin broke off".to_owned());
        Self { inner: Arc::clone(inner), key, flight, landing: Landing::Failed(broken) }
    }

    /// Tells all who wait what is kept already.
    pub(crate) fn land(mut self, head: Arc<StoredHead>) {
        self.landing = Landing::Stored { head, refreshed: false };
    }

    /// Asks the origin, keeps what may be kept, and tells all who wait.
    pub(crate) async fn fly(mut self, journey: Journey) {
        self.landing = self.inner.land(journey).await;
    }
}

impl Drop for FlightGuard {
    fn drop(&mut self) {
        // First nobody joins any more, then those who have are told.
        Inner::lock(&self.inner.flights).remove(&self.key);
        self.flight.land(self.landing.clone());
    }
}

impl Inner {
    async fn land(self: &Arc<Self>, journey: Journey) -> Landing {
        let Journey { key, origin, before, range, coding, ttls, now_ms } = journey;
        let if_none_match = before.as_ref().and_then(|before| before.origin_etag.clone());
        let asked = OriginRequest { range: range.clone(), if_none_match, if_match: None };
        let stale = |failed: Option<StatusCode>, failure| match &before {
            Some(before) if now_ms < before.freshness.stale_if_error_ms => {
                let status = failed.unwrap_or(StatusCode::BAD_GATEWAY);
                let seconds = ttls.errors.seconds(status);
                Landing::Stale(self.put_off(before, seconds, now_ms))
            }
            Some(_) | None => Option::map_or(failure, Landing::Alone, Landing::Failed),
        };
        let mut range = range;
        let mut answered = self.fetch(&origin, asked).await;
        let is_behind = |answered: &Result<(OriginAnswer, Turn), _>| {
            answered.as_ref().is_ok_and(|(it, _)| it.status == StatusCode::RANGE_NOT_SATISFIABLE)
        };
        if range.is_some() && is_behind(&answered) {
            // What one viewer asks for behind the end is no answer to the others.
            range = None;
            answered = self.fetch(&origin, OriginRequest::default()).await;
        }
        let (answer, turn) = match answered {
            Ok(answered) => answered,
            Err(failure) => return stale(None, Some(failure)),
        };
        if answer.status.is_server_error()
            && before.as_ref().is_some_and(|before| now_ms < before.freshness.stale_if_error_ms)
        {
            return stale(Some(answer.status), None);
        }
        if let (StatusCode::NOT_MODIFIED, Some(before)) = (answer.status, &before) {
            return self.confirmed(before, &answer.headers, &ttls, now_ms);
        }
        let Some(freshness) = Freshness::of(answer.status, &answer.headers, &ttls, now_ms) else {
            // What answers a range or is an error may be another answer for the next viewer.
            if answer.status == StatusCode::OK {
                self.remember_unkept(key, now_ms);
            }
            return Landing::Alone;
        };
        match self
            .keep(
                (key, coding),
                (answer, turn),
                (range.map_or(0, |range| range.start), freshness),
                now_ms,
            )
            .await
        {
            Ok(Some(head)) => Landing::Stored { head, refreshed: false },
            Ok(None) => Landing::Alone,
            Err(failure) => stale(None, Some(failure)),
        }
    }

    /// What is stale is sent for a moment as if it were fresh: an origin that fails is not asked by each viewer.
    fn put_off(&self, before: &StoredHead, seconds: u64, now_ms: u64) -> Arc<StoredHead> {
        let Freshness { stale_while_revalidate_ms, stale_if_error_ms, .. } = before.freshness;
        let until = now_ms.saturating_add(seconds.saturating_mul(1000)).min(stale_if_error_ms);
        let freshness = Freshness { fresh_ms: until, stale_while_revalidate_ms, stale_if_error_ms };
        let head = Arc::new(before.again(before.headers.clone(), (before.confirmed_ms, freshness)));
        self.put(Slot::Head(head.key), Entry::Head(Arc::clone(&head)));
        head
    }

    /// What is there is what the origin has: it is fresh again.
    fn confirmed(
        &self,
        before: &StoredHead,
        headers: &HeaderMap,
        ttls: &Ttls,
        now_ms: u64,
    ) -> Landing {
        let mut all = before.headers.clone();
        for name in [http::header::CACHE_CONTROL, http::header::EXPIRES, DATE] {
            if let Some(value) = headers.get(&name) {
                all.insert(name, value.clone());
            }
        }
        let Some(freshness) = Freshness::of(before.status, &all, ttls, now_ms) else {
            return Landing::Alone;
        };
        let head = Arc::new(before.again(all, (now_ms, freshness)));
        self.put(Slot::Head(head.key), Entry::Head(Arc::clone(&head)));
        Landing::Stored { head, refreshed: true }
    }

    /// Keeps an answer whose body begins at a byte. `None`: it cannot be kept.
    async fn keep(
        self: &Arc<Self>,
        (key, coding): (ResourceKey, Option<Coding>),
        (answer, turn): (OriginAnswer, Turn),
        (begins, freshness): (u64, Freshness),
        now_ms: u64,
    ) -> Result<Option<Arc<StoredHead>>, OriginFailure> {
        let OriginAnswer { status, headers, mut body } = answer;
        let Some(length) = length_of(status, &headers, begins) else { return Ok(None) };
        let begins = if status == StatusCode::PARTIAL_CONTENT { begins } else { 0 };
        let coding = coding.filter(|_| status == StatusCode::OK && is_worth_it(&headers, length));
        let (mut kept, origin_etag) = (kept_headers(&headers), headers.get(ETAG).cloned());
        let (length, mut body) = match coding {
            None => (length, body),
            Some(coding) => {
                let Some(made) = self.compress(&mut body, length, coding).await? else {
                    return Ok(None);
                };
                is_coded(&mut kept, coding);
                (bytes_of(made.len()), whole_body(made))
            }
        };
        let is_small = length <= CHUNK_BYTES && begins == 0;
        if !status.is_success() && !is_small {
            return Ok(None);
        }
        let small = if is_small { Some(self.read_whole(&mut body, length).await?) } else { None };
        let head = Arc::new(StoredHead {
            key,
            version: self.versions.fetch_add(1, Ordering::Relaxed),
            status: if status == StatusCode::PARTIAL_CONTENT { StatusCode::OK } else { status },
            headers: kept,
            length,
            origin_etag,
            coding,
            body: small,
            confirmed_ms: now_ms,
            freshness,
        });
        if !is_small {
            let ends = last_byte(&headers).map_or(length, |last| last.saturating_add(1));
            // A piece that is cut is read again when it is asked for.
            let end =
                if ends >= length { length.div_ceil(CHUNK_BYTES) } else { ends / CHUNK_BYTES };
            let run = Run::new(chunk_at(begins), end);
            Self::lock(&self.runs).entry(head.version).or_default().push(Arc::clone(&run));
            let waiter = Waiter::new(&run);
            let reading = read_run(Arc::clone(self), Arc::clone(&head), run, (body, turn));
            drop(tokio::spawn(async move {
                // Those who wait for the head come to wait for the pieces in a moment.
                let grace = async {
                    tokio::time::sleep(GRACE).await;
                    drop(waiter);
                };
                tokio::join!(reading, grace);
            }));
        }
        self.put(Slot::Head(key), Entry::Head(Arc::clone(&head)));
        Ok(Some(head))
    }

    /// Compresses the body of a head anew: it is the same again.
    pub(crate) async fn make_again(
        &self,
        head: &StoredHead,
        origin: &Arc<dyn Origin>,
        coding: Coding,
    ) -> Result<Bytes, OriginFailure> {
        let asked =
            OriginRequest { if_match: head.origin_etag.clone(), ..OriginRequest::default() };
        let (mut answer, _turn) = self.fetch(origin, asked).await?;
        let length =
            answer.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        let length = length.filter(|length| is_worth_it(&answer.headers, *length));
        let same = answer.status == StatusCode::OK && is_same(&answer.headers, head);
        let length = length.filter(|_| same).ok_or(OriginFailure::Changed)?;
        let made = self.compress(&mut answer.body, length, coding).await?;
        let busy = || OriginFailure::Failed("too many bodies are compressed at once".to_owned());
        let made = made.ok_or_else(busy)?;
        if bytes_of(made.len()) == head.length { Ok(made) } else { Err(OriginFailure::Changed) }
    }

    /// Reads a body and compresses it, in its turn: until then nothing of it is in memory. `None`: its turn did not come in
    /// time, and it is sent as it is.
    async fn compress(
        &self,
        body: &mut OriginBody,
        length: u64,
        coding: Coding,
    ) -> Result<Option<Bytes>, OriginFailure> {
        let failed = |why: String| OriginFailure::Failed(why);
        let is_small = length <= CHUNK_BYTES;
        let turns = if is_small { &self.small_compressions } else { &self.compressions };
        let Ok(turn) = tokio::time::timeout(COMPRESSION_WAIT_MAX, turns.acquire()).await else {
            return Ok(None);
        };
        let _turn = turn.map_err(|_| failed("the cache is closed".to_owned()))?;
        let whole = self.read_whole(body, length).await?;
        // On a thread that may block: a large body takes a tenth of a second.
        let made = tokio::task::spawn_blocking(move || coding.compress(&whole)).await;
        let made = made.map_err(|_| failed("the body could not be compressed".to_owned()))?;
        made.map(|made| Some(made.into())).map_err(|error| failed(error.to_string()))
    }

    async fn read_whole(&self, body: &mut OriginBody, length: u64) -> Result<Bytes, OriginFailure> {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(wanted);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                bytes.extend_from_slice(&data);
                if bytes.len() > wanted {
                    break;
                }
            }
        }
        add(&self.stats.origin_bytes, bytes_of(bytes.len()));
        if bytes.len() == wanted {
            return Ok(bytes.into());
        }
        Err(OriginFailure::Failed("the body is not as long as its head says".to_owned()))
    }
}

/// For how long a body may wait to be compressed.
const COMPRESSION_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(1);

/// For how long pieces are read for those who have just been told of a body.
const GRACE: std::time::Duration = std::time::Duration::from_millis(100);

/// The headers of an answer that are true of every answer from it.
fn kept_headers(headers: &HeaderMap) -> HeaderMap {
    const OF_ONE_ANSWER: [HeaderName; 6] =
        [AGE, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, TRANSFER_ENCODING, ACCEPT_RANGES];
    let mut kept = headers.clone();
    for name in OF_ONE_ANSWER {
        kept.remove(name);
    }
    kept
}

/// Whether an answer is of the very body that a head is of: only a strong name can tell.
pub(crate) fn is_same(headers: &HeaderMap, head: &StoredHead) -> bool {
    let strong = |etag: &&HeaderValue| !etag.as_bytes().starts_with(b"W/");
    let etag = head.origin_etag.as_ref().filter(strong);
    etag.is_some_and(|etag| headers.get(ETAG) == Some(etag))
}

/// The length of the whole body of which an answer sends a part, or all.
fn length_of(status: StatusCode, headers: &HeaderMap, begins: u64) -> Option<u64> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    // Where an origin has no ranges, the body begins at its beginning, whatever was asked for.
    if status != StatusCode::PARTIAL_CONTENT {
        return text(CONTENT_LENGTH)?.parse().ok();
    }
    let (range, total) = text(CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let starts: u64 = range.split_once('-')?.0.parse().ok()?;
    if starts == begins { total.parse().ok() } else { None }
}

/// The last byte of a part.
fn last_byte(headers: &HeaderMap) -> Option<u64> {
    let (range, _) = headers.get(CONTENT_RANGE)?.to_str().ok()?.split_once('/')?;
    range.split_once('-')?.1.parse().ok()
}

/// What the head of a body says once the body is compressed: its name is weak, because the bytes are others.
fn is_coded(headers: &mut HeaderMap, coding: Coding) {
    headers.insert(CONTENT_ENCODING, coding.value());
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let weak = headers.get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    let weak =
        weak.and_then(|etag| HeaderValue::from_str(&format!("W/{}", etag.to_str().ok()?)).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

/// A body that is there already.
pub(crate) fn whole_body(bytes: Bytes) -> OriginBody {
    Box::pin(http_body_util::Full::new(bytes).map_err(|never| match never {}))
}
