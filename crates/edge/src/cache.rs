//! The cache itself: answers a viewer from what is there, and has the rest asked for once.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_RANGE;
use http::{HeaderMap, StatusCode};
use quick_cache::{DefaultHashBuilder, Lifecycle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::compress::Coding;
use crate::disk::Disk;
use crate::entry::{CHUNK_BYTES, Entry, ResourceKey, Slot, StoredHead, Weighter};
use crate::flight::{Flight, Landing};
use crate::freshness::Ttls;
use crate::keep::{FlightGuard, Journey, is_same, whole_body};
use crate::origin::{Origin, OriginAnswer, OriginFailure, OriginRequest};
use crate::reader::EdgeReader;
use crate::run::{Run, Waiter, read_run};
use crate::stats::{EdgeStats, add};

/// How many bodies are asked for and read at once. Others wait: each has a file open or a connection, and pieces in memory.
const FETCHES_MAX: usize = 64;
/// How many bodies wait, open, until somebody wants more of them. What is beyond is opened anew when it is wanted.
const IDLE_MAX: usize = 32;
/// How many bodies are compressed at once: each is in memory, before and after.
const COMPRESSIONS_MAX: usize = 4;
/// The same for bodies that fit into one piece, which wait for no large one.
const SMALL_COMPRESSIONS_MAX: usize = 16;
/// How many bodies are read to their end though nobody waits for them any more.
const UNATTENDED_MAX: usize = 16;
/// A turn to read from an origin.
pub(crate) type Turn = OwnedSemaphorePermit;

/// For how long an origin may think before it answers, or before the next bytes come.
pub(crate) const FETCH_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(30);
/// How many resources are remembered whose answers may not be kept.
const UNKEPT_MAX: usize = 4096;
/// The usual size of an entry, by which the tables are laid out.
const ENTRY_BYTES_USUAL: u64 = 32 * 1024;

/// A cache of answers in memory. Clones are the same cache.
#[derive(Clone)]
pub struct EdgeCache(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) entries:
        quick_cache::sync::Cache<Slot, Entry, Weighter, DefaultHashBuilder, Evictions>,
    /// Until when answers are taken for such as may not be kept, because one was.
    pub(crate) unkept: quick_cache::sync::Cache<ResourceKey, u64>,
    /// What is behind the entries, if there is anything.
    pub(crate) disk: Arc<OnceLock<Disk>>,
    /// By what is asked for, and up to when what was known of it is forgotten: who asks after an invalidation does not
    /// wait for an answer that was under way before.
    pub(crate) flights: Mutex<HashMap<FlightKey, Arc<Flight>>>,
    pub(crate) runs: Mutex<HashMap<u64, Vec<Arc<Run>>>>,
    pub(crate) versions: AtomicU64,
    pub(crate) fetches: Arc<Semaphore>,
    /// Runs that wait for somebody to want more.
    pub(crate) idle: Semaphore,
    pub(crate) compressions: Semaphore,
    pub(crate) small_compressions: Semaphore,
    /// Runs that go on though nobody waits for them.
    pub(crate) unattended: Arc<Semaphore>,
    memory_bytes: u64,
    pub(crate) stats: Arc<EdgeStats>,
}

/// Takes what memory has no more room for.
#[derive(Clone, Debug)]
pub(crate) struct Evictions {
    disk: Arc<OnceLock<Disk>>,
    stats: Arc<EdgeStats>,
}

impl Lifecycle<Slot, Entry> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), slot: Slot, entry: Entry) {
        add(&self.stats.evictions, 1);
        if let Some(disk) = self.disk.get() {
            disk.keep(slot, entry);
        }
    }
}

/// What a viewer asks, who may have the answer.
#[derive(Clone, Copy, Debug)]
pub struct EdgeRequest<'r> {
    /// The resource, in the form in which this viewer gets it.
    pub key: ResourceKey,
    /// Whether only the head is asked for.
    pub is_head: bool,
    /// The headers of the request: of these, ranges and conditions are read.
    pub headers: &'r HeaderMap,
    /// How the body is compressed, if it is of a kind that is.
    pub coding: Option<Coding>,
    /// How long the behaviour keeps answers.
    pub ttls: &'r Ttls,
    /// What was kept up to this time is forgotten, in milliseconds since 1970; 0: nothing is.
    pub forgotten_until_ms: u64,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// From what was there.
    Hit,
    /// From the origin.
    Miss,
    /// From what was there, which the origin has confirmed.
    RefreshHit,
    /// It is a refusal or an error, wherever it is from.
    Error,
}

impl CacheOutcome {
    /// The value of `X-Cache`, as CloudFront words it.
    pub fn x_cache(self) -> &'static str {
        match self {
            Self::Hit => "Hit from cloudfront",
            Self::Miss => "Miss from cloudfront",
            Self::RefreshHit => "RefreshHit from cloudfront",
            Self::Error => "Error from cloudfront",
        }
    }
}

/// The answer to a viewer.
#[derive(Debug)]
pub struct EdgeAnswer {
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers, `Age` and `Content-Length` among them.
    pub headers: HeaderMap,
    /// The body of the answer.
    pub body: EdgeBody,
    /// Where it comes from.
    pub outcome: CacheOutcome,
}

/// The body of an answer.
pub enum EdgeBody {
    /// There is none.
    Empty,
    /// All of it is there.
    Full(Bytes),
    /// It is read while it is sent.
    Read(Box<EdgeReader>),
}

impl fmt::Debug for EdgeBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "Empty",
            Self::Full(_) => "Full(..)",
            Self::Read(_) => "Read(..)",
        })
    }
}

impl fmt::Debug for EdgeCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EdgeCache").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// What a flight is found by.
pub(crate) type FlightKey = (ResourceKey, u64);

impl EdgeRequest<'_> {
    fn flight_key(&self) -> FlightKey {
        (self.key, self.forgotten_until_ms)
    }

    /// Whether what is kept was not forgotten since.
    pub(crate) fn knows(&self, head: &StoredHead) -> bool {
        self.forgotten_until_ms == 0 || head.confirmed_ms > self.forgotten_until_ms
    }
}

impl EdgeCache {
    /// A cache of at most so many bytes of memory, heads and tables included.
    pub fn new(memory_bytes: u64) -> Self {
        let entries = usize::try_from(memory_bytes / ENTRY_BYTES_USUAL).unwrap_or(usize::MAX);
        let stats = Arc::<EdgeStats>::default();
        let disk = Arc::<OnceLock<Disk>>::default();
        Self(Arc::new(Inner {
            entries: quick_cache::sync::Cache::with(
                entries.max(64),
                memory_bytes,
                Weighter,
                DefaultHashBuilder::default(),
                Evictions { disk: Arc::clone(&disk), stats: Arc::clone(&stats) },
            ),
            unkept: quick_cache::sync::Cache::new(UNKEPT_MAX),
            disk,
            flights: Mutex::default(),
            runs: Mutex::default(),
            versions: AtomicU64::new(1),
            fetches: Arc::new(Semaphore::new(FETCHES_MAX)),
            idle: Semaphore::new(IDLE_MAX),
            compressions: Semaphore::new(COMPRESSIONS_MAX),
            small_compressions: Semaphore::new(SMALL_COMPRESSIONS_MAX),
            unattended: Arc::new(Semaphore::new(UNATTENDED_MAX)),
            memory_bytes,
            stats,
        }))
    }

    /// Gives the cache a part of a disk as well, once, of at most so many bytes: from now on what memory has no more room
    /// for goes there.
    ///
    /// The folder exists. What is written has no name in it, is sealed, and is gone once the process has ended. An error is
    /// that there can be no files in the folder.
    pub fn add_disk(&self, folder: &Path, bytes: u64) -> io::Result<()> {
        let disk = Disk::new(folder, bytes, Arc::clone(&self.0.stats))?;
        // A second one is dropped.
        drop(self.0.disk.set(disk));
        Ok(())
    }

    /// What was counted so far.
    pub fn stats(&self) -> &EdgeStats {
        &self.0.stats
    }

    /// How many bytes are kept in memory now.
    pub fn bytes(&self) -> u64 {
        self.0.entries.weight()
    }

    /// How many bytes are kept on disk now.
    pub fn disk_bytes(&self) -> u64 {
        self.0.disk.get().map_or(0, Disk::bytes)
    }

    /// Answers a viewer. `None`: the answer may not be kept, and so the origin is to be asked for this viewer alone. An error
    /// is that there is no answer: the origin failed, and nothing may be sent in its place.
    pub async fn get(
        &self,
        request: &EdgeRequest<'_>,
        origin: &Arc<dyn Origin>,
    ) -> Result<Option<EdgeAnswer>, OriginFailure> {
        let inner = &self.0;
        let known = inner.find_known(request).await;
        if let Some(head) = &known {
            if request.now_ms < head.freshness.fresh_ms {
                add(&inner.stats.hits, 1);
                return Ok(Some(inner.answer(request, head, origin, CacheOutcome::Hit)));
            }
            if request.now_ms < head.freshness.stale_while_revalidate_ms {
                let (flight, is_new) = inner.flight(request.flight_key());
                if is_new {
                    let guard = FlightGuard::new(inner, request.flight_key(), flight);
                    drop(tokio::spawn(guard.fly(Journey::of(request, origin, Some(head)))));
                }
                add(&inner.stats.stale, 1);
                return Ok(Some(inner.answer(request, head, origin, CacheOutcome::Hit)));
            }
        }
        if request.ttls.max == 0 || inner.is_unkept(request) {
            return Ok(None);
        }
        inner.ask(request, origin, known).await
    }
}

impl Inner {
    /// How large a body may be to be read to its end though nobody waits for it.
    pub(crate) fn whole_bytes_max(&self) -> u64 {
        self.memory_bytes.max(self.disk.get().map_or(0, Disk::capacity)) / 2
    }

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flight that is under way for a resource, or a new one, which the caller must let fly.
    fn flight(&self, key: FlightKey) -> (Arc<Flight>, bool) {
        let mut flights = Self::lock(&self.flights);
        if let Some(flight) = flights.get(&key) {
            return (Arc::clone(flight), false);
        }
        let flight = Arc::<Flight>::default();
        flights.insert(key, Arc::clone(&flight));
        (flight, true)
    }

    /// Has the origin asked, once for all who want the resource now, and answers.
    async fn ask(
        self: &Arc<Self>,
        request: &EdgeRequest<'_>,
        origin: &Arc<dyn Origin>,
        before: Option<Arc<StoredHead>>,
    ) -> Result<Option<EdgeAnswer>, OriginFailure> {
        let (flight, is_new) = self.flight(request.flight_key());
        if is_new {
            let guard = FlightGuard::new(self, request.flight_key(), Arc::clone(&flight));
            // A flight may have landed since this viewer looked for what is kept.
            let landed = self.known(request);
            let is_fresh = |head: &Arc<StoredHead>| request.now_ms < head.freshness.fresh_ms;
            if let Some(head) = landed.filter(is_fresh) {
                guard.land(head);
            } else {
                let journey = Journey::of(request, origin, before.as_ref());
                // A task of its own: whoever began it may leave, and others wait.
                drop(tokio::spawn(guard.fly(journey)));
            }
        } else {
            add(&self.stats.shared, 1);
        }
        match flight.wait().await {
            Landing::Stored { head, refreshed: true } => {
                add(&self.stats.refreshes, 1);
                Ok(Some(self.answer(request, &head, origin, CacheOutcome::RefreshHit)))
            }
            Landing::Stored { head, refreshed: false } => {
                add(&self.stats.misses, 1);
                Ok(Some(self.answer(request, &head, origin, CacheOutcome::Miss)))
            }
            Landing::Stale(head) => {
                add(&self.stats.stale, 1);
                Ok(Some(self.answer(request, &head, origin, CacheOutcome::Hit)))
            }
            Landing::Alone => Ok(None),
            Landing::Failed(failure) => Err(failure),
        }
    }

    /// Asks an origin, in its turn, which lasts until the body is read.
    pub(crate) async fn fetch(
        &self,
        origin: &Arc<dyn Origin>,
        request: OriginRequest,
    ) -> Result<(OriginAnswer, Turn), OriginFailure> {
        let turn = self.turn().await?;
        add(&self.stats.fetches, 1);
        let late = |_| OriginFailure::Failed("the origin took too long to answer".to_owned());
        let answer = tokio::time::timeout(FETCH_TIME_MAX, origin.fetch(request));
        Ok((answer.await.map_err(late)??, turn))
    }

    pub(crate) async fn turn(&self) -> Result<Turn, OriginFailure> {
        let closed = |_| OriginFailure::Failed("the cache is closed".to_owned());
        Arc::clone(&self.fetches).acquire_owned().await.map_err(closed)
    }

    /// The run in which the first of these pieces will come, or a new one that reads them from the origin.
    pub(crate) fn join_run(
        self: &Arc<Self>,
        head: &Arc<StoredHead>,
        origin: &Arc<dyn Origin>,
        chunks: Range<u64>,
    ) -> Waiter {
        let mut runs = Self::lock(&self.runs);
        let of_version = runs.entry(head.version).or_default();
        if let Some(run) = of_version.iter().find(|run| run.covers(chunks.start)) {
            return Waiter::new(run);
        }
        let run = Run::new(chunks.start, chunks.end);
        of_version.push(Arc::clone(&run));
        let waiter = Waiter::new(&run);
        drop(tokio::spawn(Arc::clone(self).read_from_origin(
            Arc::clone(head),
            Arc::clone(origin),
            run,
            chunks,
        )));
        waiter
    }

    /// Asks the origin for pieces of a body whose head is known: of this very body, or none.
    async fn read_from_origin(
        self: Arc<Self>,
        head: Arc<StoredHead>,
        origin: Arc<dyn Origin>,
        run: Arc<Run>,
        chunks: Range<u64>,
    ) {
        if let Some(coding) = head.coding {
            let made = self.make_again(&head, &origin, coding).await;
            match made {
                Ok(body) => {
                    let begins = usize::try_from(chunks.start * CHUNK_BYTES).unwrap_or(usize::MAX);
                    let rest = body.slice(begins.min(body.len())..);
                    if let Ok(turn) = self.turn().await {
                        read_run(self, head, run, (whole_body(rest), turn)).await;
                    }
                }
                Err(failure) => self.give_up(&head, &run, failure),
            }
            return;
        }
        let range = chunks.start * CHUNK_BYTES..(chunks.end * CHUNK_BYTES).min(head.length);
        let asked = OriginRequest {
            range: Some(range.clone()),
            if_none_match: None,
            if_match: head.origin_etag.clone(),
        };
        let body = match self.fetch(&origin, asked).await {
            Err(failure) => Err(failure),
            Ok((answer, turn)) => {
                let is_range = answer.headers.get(CONTENT_RANGE).and_then(|it| it.to_str().ok())
                    == Some(&format!("bytes {}-{}/{}", range.start, range.end - 1, head.length));
                let same = is_same(&answer.headers, &head);
                let is_part = answer.status == StatusCode::PARTIAL_CONTENT && is_range && same;
                if is_part { Ok((answer.body, turn)) } else { Err(OriginFailure::Changed) }
            }
        };
        match body {
            Ok(body) => read_run(self, head, run, body).await,
            Err(failure) => self.give_up(&head, &run, failure),
        }
    }

    /// Ends a run whose body cannot be had.
    fn give_up(&self, head: &StoredHead, run: &Run, failure: OriginFailure) {
        if matches!(failure, OriginFailure::Changed) {
            self.forget_version(head);
        }
        run.fail(failure);
        self.run_has_ended(head.version);
    }

    pub(crate) fn run_has_ended(&self, version: u64) {
        let mut runs = Self::lock(&self.runs);
        if let Some(of_version) = runs.get_mut(&version) {
            of_version.retain(|run| !run.has_ended());
            if of_version.is_empty() {
                runs.remove(&version);
            }
        }
    }
}
