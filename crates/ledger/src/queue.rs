//! The queue between requests and the writer: bounded, and never waited for.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use presign::Fingerprint;
use tokio::sync::oneshot;

use crate::link_use::{AGENT_CHARS_MAX, DeferredFacts, LinkUse, NotedLink, VersionBytes};

/// Uses that wait to be written, at most; any more are lost.
pub const QUEUE_MAX: usize = 65_536;
/// Waiting uses at which the writer is woken before its time: so few that what waits stays in the cache of a processor and
/// leaves room there for what requests need.
const WAKE_AT: usize = QUEUE_MAX / 64;
/// Waiting uses of links whose signature nobody has proven, at most: a stranger can send as many as he likes.
const UNPROVEN_MAX: usize = QUEUE_MAX / 8;
/// Bytes of all agents that wait. A use beyond has none.
const AGENTS_BYTES_MAX: usize = 8 << 20;
/// Bytes of one agent: a character has four at most.
const AGENT_BYTES_MAX: usize = 4 * AGENT_CHARS_MAX;
/// How often the writer looks, if nobody wakes it.
const WAKE_EVERY: Duration = Duration::from_secs(1);

/// How a link came to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It was used, and its signature was true.
    Used,
    /// It was used, and nobody knows whether its signature is true.
    UsedUnproven,
    /// It was issued.
    Issued,
}

/// A use as it waits. The agent is a range of [`Waiting::agents`].
pub(crate) struct QueuedUse {
    pub(crate) link: Fingerprint,
    pub(crate) occasion: Occasion,
    pub(crate) facts: Option<DeferredFacts>,
    pub(crate) at: i64,
    pub(crate) operation: &'static str,
    pub(crate) key: Option<Box<str>>,
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) version: Option<VersionBytes>,
    pub(crate) bytes: u64,
    pub(crate) duration: u64,
    pub(crate) address: Option<IpAddr>,
    pub(crate) agent: Option<(usize, usize)>,
}

/// What waits for the writer.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) uses: Vec<QueuedUse>,
    agents: Vec<u8>,
    unproven: usize,
    /// Who wants to know when all that waits now is written.
    pub(crate) flushes: Vec<oneshot::Sender<()>>,
    /// From when on uses are kept, and who wants to know when the others are gone.
    pub(crate) maintenance: Option<(Timestamp, oneshot::Sender<()>)>,
    pub(crate) closed: bool,
    /// What a test has the writer's connection do.
    #[cfg(test)]
    pub(crate) statements: Vec<String>,
}

impl Waiting {
    fn with_room() -> Self {
        // Room is not memory before it is used, and a queue that grows would copy itself while requests wait.
        Self {
            uses: Vec::with_capacity(QUEUE_MAX),
            agents: Vec::with_capacity(AGENTS_BYTES_MAX),
            ..Self::default()
        }
    }

    /// What the client of a use calls itself.
    pub(crate) fn agent(&self, queued: &QueuedUse) -> Option<&[u8]> {
        let (start, end) = queued.agent?;
        self.agents.get(start..end)
    }

    fn is_idle(&self) -> bool {
        #[cfg(test)]
        if !self.statements.is_empty() {
            return false;
        }
        let asked = !self.flushes.is_empty() || self.maintenance.is_some() || self.closed;
        self.uses.len() < WAKE_AT && !asked
    }

    /// Makes it empty, and keeps its room.
    pub(crate) fn clear(&mut self) {
        self.uses.clear();
        self.agents.clear();
        self.unproven = 0;
        self.flushes.clear();
        self.maintenance = None;
    }
}

/// The queue, and what became of all that was put into it.
pub(crate) struct UseQueue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    pub(crate) recorded: AtomicU64,
    pub(crate) lost: AtomicU64,
}

impl UseQueue {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting::with_room()),
            wake: Condvar::new(),
            recorded: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Puts a use in, or counts it as lost.
    pub(crate) fn push(
        &self,
        used: &LinkUse<'_>,
        occasion: Occasion,
        facts: Option<DeferredFacts>,
    ) {
        let queued = QueuedUse {
            link: used.link,
            occasion,
            facts,
            at: used.at.as_millisecond(),
            operation: used.operation,
            key: used.key.map(Box::from),
            status: used.status,
            code: used.code,
            version: used.version,
            bytes: used.bytes,
            duration: u64::try_from(used.duration.as_micros()).unwrap_or(u64::MAX),
            address: used.address,
            agent: None,
        };
        self.put(queued, used.agent);
    }

    /// Puts in a link that was issued, or counts it as lost.
    pub(crate) fn note(&self, noted: &NotedLink, facts: DeferredFacts) {
        let queued = QueuedUse {
            link: noted.link,
            occasion: Occasion::Issued,
            facts: Some(facts),
            at: noted.at.as_millisecond(),
            operation: "",
            key: None,
            status: 0,
            code: None,
            version: None,
            bytes: 0,
            duration: 0,
            address: None,
            agent: None,
        };
        self.put(queued, None);
    }

    fn put(&self, mut queued: QueuedUse, agent: Option<&[u8]>) {
        let mut waiting = self.lock();
        let unproven = queued.occasion == Occasion::UsedUnproven;
        let full = waiting.uses.len() >= QUEUE_MAX || unproven && waiting.unproven >= UNPROVEN_MAX;
        if full || waiting.closed {
            drop(waiting);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Some(agent) = agent {
            let kept = agent.get(..AGENT_BYTES_MAX).unwrap_or(agent);
            let start = waiting.agents.len();
            if start + kept.len() <= AGENTS_BYTES_MAX {
                waiting.agents.extend_from_slice(kept);
                queued.agent = Some((start, start + kept.len()));
            }
        }
        waiting.unproven += usize::from(unproven);
        waiting.uses.push(queued);
        let wake = waiting.uses.len() == WAKE_AT;
        drop(waiting);
        if wake {
            self.wake.notify_one();
        }
    }

    /// How many uses wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().uses.len()
    }

    /// Changes what else waits, and wakes the writer for it. Nothing is changed any more once the queue is closed.
    pub(crate) fn ask(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        if !waiting.closed {
            change(&mut waiting);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Takes all that waits, as soon as there is enough of it, and leaves the empty `spare` in its place.
    pub(crate) fn take(&self, spare: &mut Waiting, patience: Patience) {
        let mut waiting = self.lock();
        if patience == Patience::Second {
            waiting = self
                .wake
                .wait_timeout_while(waiting, WAKE_EVERY, |waiting| waiting.is_idle())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        spare.closed = waiting.closed;
        std::mem::swap(&mut *waiting, spare);
    }

    /// The other half of what [`Self::take`] swaps.
    pub(crate) fn spare() -> Waiting {
        Waiting::with_room()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the writer waits for uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A second, or until there is something to do.
    Second,
    /// Not at all, for it has something else to do.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(agent: &[u8]) -> LinkUse<'_> {
        LinkUse {
            link: Fingerprint::of_signature(b"a"),
            operation: "GetObject",
            key: None,
            status: 200,
            code: None,
            version: None,
            bytes: 1,
            duration: Duration::from_micros(2),
            address: None,
            agent: Some(agent),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_has_no_room_is_counted_as_lost() {
        let queue = UseQueue::new();
        let check = |queued: usize, lost: u64| {
            assert_eq!((queue.len(), queue.lost.load(Ordering::Relaxed)), (queued, lost));
        };
        for _ in 0..UNPROVEN_MAX + 2 {
            queue.push(&used(b""), Occasion::UsedUnproven, None);
        }
        check(UNPROVEN_MAX, 2);
        for _ in UNPROVEN_MAX..QUEUE_MAX + 3 {
            queue.push(&used(b""), Occasion::Used, None);
        }
        check(QUEUE_MAX, 5);
        let mut taken = UseQueue::spare();
        queue.take(&mut taken, Patience::None);
        assert_eq!(taken.uses.len(), QUEUE_MAX);
        queue.push(&used(b""), Occasion::UsedUnproven, None);
        check(1, 5);
        queue.ask(|waiting| waiting.closed = true);
        queue.push(&used(b""), Occasion::Used, None);
        check(1, 6);
    }

    #[test]
    fn agents_are_bounded_each_and_together() {
        let queue = UseQueue::new();
        let agent = [b'x'; AGENT_BYTES_MAX + 1];
        let fit = AGENTS_BYTES_MAX / AGENT_BYTES_MAX;
        for _ in 0..=fit {
            queue.push(&used(&agent), Occasion::Used, None);
        }
        let mut taken = UseQueue::spare();
        queue.take(&mut taken, Patience::None);
        let agents: Vec<_> = taken.uses.iter().map(|queued| taken.agent(queued)).collect();
        assert_eq!(agents.first(), Some(&Some(&agent[..AGENT_BYTES_MAX])));
        assert_eq!(agents.iter().flatten().count(), fit);
        assert_eq!(agents.last(), Some(&None));
    }
}
