//! Asks an origin, and keeps what may be kept.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, DATE, HeaderName,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;

use crate::cache::{EdgeRequest, Inner};
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
            range: range.filter(|_| before.is_none()),
            ttls: request.ttls,
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

impl Inner {
    /// Asks the origin, keeps what may be kept, and tells all who wait.
    pub(crate) async fn fly(self: Arc<Self>, journey: Journey, flight: Arc<Flight>) {
        let key = journey.key;
        let landing = self.land(journey).await;
        // First nobody joins any more, then those who have are told.
        Self::lock(&self.flights).remove(&key);
        flight.land(landing);
    }

    async fn land(self: &Arc<Self>, journey: Journey) -> Landing {
        let Journey { key, origin, before, range, ttls, now_ms } = journey;
        let if_none_match = before.as_ref().and_then(|before| before.etag().cloned());
        let asked = OriginRequest { range: range.clone(), if_none_match, if_match: None };
        let stale = |failure: Option<OriginFailure>| match &before {
            Some(before) if now_ms < before.freshness.stale_if_error_ms => {
                Landing::Stale(Arc::clone(before))
            }
            Some(_) | None => failure.map_or(Landing::Alone, Landing::Failed),
        };
        let answer = match self.fetch(&origin, asked).await {
            Ok(answer) => answer,
            Err(failure) => return stale(Some(failure)),
        };
        if answer.status.is_server_error()
            && before.as_ref().is_some_and(|before| now_ms < before.freshness.stale_if_error_ms)
        {
            return stale(None);
        }
        if let (StatusCode::NOT_MODIFIED, Some(before)) = (answer.status, &before) {
            return self.confirmed(before, &answer.headers, ttls, now_ms);
        }
        let Some(freshness) = Freshness::of(answer.status, &answer.headers, ttls, now_ms) else {
            return Landing::Alone;
        };
        match self
            .keep(key, answer, (range.map_or(0, |range| range.start), freshness), now_ms)
            .await
        {
            Ok(Some(head)) => Landing::Stored { head, refreshed: false },
            Ok(None) => Landing::Alone,
            Err(failure) => stale(Some(failure)),
        }
    }

    /// What is there is what the origin has: it is fresh again.
    fn confirmed(
        &self,
        before: &StoredHead,
        headers: &HeaderMap,
        ttls: Ttls,
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
        let head = Arc::new(StoredHead {
            key: before.key,
            version: before.version,
            status: before.status,
            headers: all,
            length: before.length,
            body: before.body.clone(),
            confirmed_ms: now_ms,
            freshness,
        });
        self.put(Slot::Head(head.key), Entry::Head(Arc::clone(&head)));
        Landing::Stored { head, refreshed: true }
    }

    /// Keeps an answer whose body begins at a byte. `None`: it cannot be kept.
    async fn keep(
        self: &Arc<Self>,
        key: ResourceKey,
        answer: OriginAnswer,
        (begins, freshness): (u64, Freshness),
        now_ms: u64,
    ) -> Result<Option<Arc<StoredHead>>, OriginFailure> {
        let OriginAnswer { status, headers, mut body } = answer;
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let length = match status {
            StatusCode::PARTIAL_CONTENT => {
                let total =
                    text(CONTENT_RANGE).and_then(|range| range.rsplit_once('/')?.1.parse().ok());
                let starts = text(CONTENT_RANGE).and_then(|range| {
                    range.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok()
                });
                total.filter(|_| starts == Some(begins))
            }
            StatusCode::OK if begins == 0 => {
                text(CONTENT_LENGTH).and_then(|length| length.parse().ok())
            }
            // The origin has no ranges: what comes begins at the beginning, whatever was asked.
            StatusCode::OK => text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            _ => text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        };
        let begins = if status == StatusCode::PARTIAL_CONTENT { begins } else { 0 };
        let Some(length): Option<u64> = length else { return Ok(None) };
        let is_small = length <= CHUNK_BYTES && begins == 0;
        if !status.is_success() && !is_small {
            return Ok(None);
        }
        let small = if is_small { Some(self.read_small(&mut body, length).await?) } else { None };
        let head = Arc::new(StoredHead {
            key,
            version: self.versions.fetch_add(1, Ordering::Relaxed),
            status: if status == StatusCode::PARTIAL_CONTENT { StatusCode::OK } else { status },
            headers: kept_headers(&headers),
            length,
            body: small,
            confirmed_ms: now_ms,
            freshness,
        });
        if !is_small {
            let ends = match text(CONTENT_RANGE).filter(|_| status == StatusCode::PARTIAL_CONTENT) {
                Some(range) => {
                    let last = range
                        .split_once('-')
                        .and_then(|(_, rest)| rest.split_once('/')?.0.parse::<u64>().ok());
                    last.map_or(length, |last| last.saturating_add(1))
                }
                None => length,
            };
            // A piece that is cut is read again when it is asked for.
            let end =
                if ends >= length { length.div_ceil(CHUNK_BYTES) } else { ends / CHUNK_BYTES };
            let run = Run::new(chunk_at(begins), end);
            Self::lock(&self.runs).entry(head.version).or_default().push(Arc::clone(&run));
            let waiter = Waiter::new(&run);
            let reading = read_run(Arc::clone(self), Arc::clone(&head), run, body);
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

    async fn read_small(&self, body: &mut OriginBody, length: u64) -> Result<Bytes, OriginFailure> {
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
