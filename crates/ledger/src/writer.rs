//! The writer: one thread that takes what waits, and writes it in one transaction.

pub(crate) mod registry;
mod retention;
mod segment;
mod tail;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use presign::Fingerprint;
use rusqlite::{Connection, TransactionBehavior};

use crate::LedgerError;
use crate::block::{StoredUse, UseTexts};
use crate::known::KnownLinks;
use crate::link_use::AGENT_CHARS_MAX;
use crate::numbers::LinkNumbers;
use crate::queue::{Occasion, Patience, QueuedUse, UseQueue, Waiting};
use registry::Registry;
use retention::{Retention, Step};
use tail::Tail;

/// Links without a proven signature that are looked up in the tables, in one batch: a stranger chooses these.
const UNPROVEN_LOOKUPS_MAX: usize = 1024;

/// How much gathers before an index of it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentLimits {
    pub(crate) blocks: u64,
    pub(crate) milliseconds: i64,
}

impl Default for SegmentLimits {
    /// 262,144 uses, or a day: uses are removed by the segment, so none should cover long times.
    fn default() -> Self {
        Self { blocks: 1024, milliseconds: 24 * 3600 * 1000 }
    }
}

/// What the thread holds.
pub(crate) struct Writer {
    connection: Connection,
    queue: Arc<UseQueue>,
    known: Arc<KnownLinks>,
    limits: SegmentLimits,
    keep_days: u32,
    registry: Registry,
    /// Nothing after a failure, when it must be read again.
    tail: Option<Tail>,
    retention: Option<Retention>,
    failing: bool,
}

/// What a batch came to.
#[derive(Default)]
struct Written {
    recorded: u64,
    lost: u64,
    lookups: usize,
    /// Links whose facts came along, although they may be in the tables.
    told: Vec<Fingerprint>,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        queue: Arc<UseQueue>,
        known: Arc<KnownLinks>,
        limits: SegmentLimits,
        keep_days: u32,
    ) -> Result<Self, LedgerError> {
        let tail = Some(Tail::read(&connection)?);
        let registry = Registry::default();
        let (retention, failing) = (None, false);
        Ok(Self { connection, queue, known, limits, keep_days, registry, tail, retention, failing })
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let mut taken = UseQueue::spare();
        loop {
            let patience = if self.retention.is_some() { Patience::None } else { Patience::Second };
            self.queue.take(&mut taken, patience);
            #[cfg(test)]
            for statement in taken.statements.drain(..) {
                self.connection.execute_batch(&statement).unwrap();
            }
            self.write(&mut taken);
            if let Some((now, done)) = taken.maintenance.take() {
                self.retention = Some(Retention::new(now, self.keep_days, done));
            }
            self.maintain();
            for flush in taken.flushes.drain(..) {
                // Who asked may have gone.
                let _ = flush.send(());
            }
            if taken.closed {
                break;
            }
            taken.clear();
        }
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "the ledger's log is left as it is");
        }
    }

    /// Writes a batch, or counts it as lost.
    fn write(&mut self, taken: &mut Waiting) {
        let mut uses = std::mem::take(&mut taken.uses);
        if !uses.is_empty() {
            let written = self.write_batch(&mut uses, taken);
            self.tell(uses.len(), written);
        }
        // Its room is used again.
        taken.uses = uses;
    }

    /// Counts what became of a batch.
    fn tell(&mut self, uses: usize, written: Result<Written, LedgerError>) {
        match written {
            Ok(written) => {
                self.queue.recorded.fetch_add(written.recorded, Ordering::Relaxed);
                self.queue.lost.fetch_add(written.lost, Ordering::Relaxed);
                written.told.iter().for_each(|link| self.known.add(link));
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the ledger is written again");
                }
            }
            Err(error) => {
                let uses = u64::try_from(uses).unwrap_or(u64::MAX);
                self.queue.lost.fetch_add(uses, Ordering::Relaxed);
                self.forget();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the ledger cannot be written: uses of links are lost");
                }
            }
        }
    }

    fn write_batch(
        &mut self,
        uses: &mut [QueuedUse],
        taken: &Waiting,
    ) -> Result<Written, LedgerError> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => Tail::read(&self.connection)?,
        };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut written = Written::default();
        for queued in uses {
            let numbers = find_or_add(&transaction, &mut self.registry, queued, &mut written);
            let Some(numbers) = numbers? else {
                written.lost += u64::from(queued.occasion == Occasion::Used);
                continue;
            };
            let numbers = match queued.key.take() {
                Some(key) => registry::of_object(&transaction, numbers, &key, queued.at)?,
                None => numbers,
            };
            if queued.occasion != Occasion::Issued {
                tail.make_room(&transaction, self.limits, queued.at)?;
                push(&mut tail, &numbers, queued, taken.agent(queued));
                written.recorded += 1;
            }
        }
        tail.write(&transaction)?;
        transaction.commit()?;
        self.tail = Some(tail);
        Ok(written)
    }

    /// Goes a step on with what is too old.
    fn maintain(&mut self) {
        let Some(mut retention) = self.retention.take() else { return };
        match self.maintain_step(&mut retention) {
            Ok(Step::Finished) => retention.finish(),
            Ok(Step::Advanced) => self.retention = Some(retention),
            Ok(Step::RemovedLinks(links)) => {
                self.registry.forget_links(&links);
                for link in &links {
                    self.known.remove(link);
                }
                self.retention = Some(retention);
            }
            Err(error) => {
                tracing::warn!(%error, "uses that are too old stay in the ledger for now");
                self.forget();
            }
        }
    }

    fn maintain_step(&mut self, retention: &mut Retention) -> Result<Step, LedgerError> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => Tail::read(&self.connection)?,
        };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tail.close_if_old(&transaction, self.limits, retention.now())?;
        let step = retention.step(&transaction)?;
        transaction.commit()?;
        self.tail = Some(tail);
        Ok(step)
    }

    /// Forgets all that a failed transaction may have made wrong.
    fn forget(&mut self) {
        self.registry.forget();
        self.known.clear();
        self.tail = None;
    }
}

/// The numbers of a use's link. Nothing, if the link is not in the ledger and its facts did not come along.
fn find_or_add(
    connection: &Connection,
    registry: &mut Registry,
    queued: &mut QueuedUse,
    written: &mut Written,
) -> Result<Option<LinkNumbers>, LedgerError> {
    let facts = queued.facts.take();
    if facts.is_some() {
        written.told.push(queued.link);
    }
    if let Some(numbers) = registry.remembered(&queued.link) {
        return Ok(Some(numbers));
    }
    if queued.occasion == Occasion::UsedUnproven {
        written.lookups += 1;
        if written.lookups > UNPROVEN_LOOKUPS_MAX {
            written.lost += 1;
            return Ok(None);
        }
    }
    if let Some(numbers) = registry.look_up(connection, &queued.link)? {
        return Ok(Some(numbers));
    }
    let Some(facts) = facts else { return Ok(None) };
    registry.add(connection, &queued.link, &facts(), queued.at).map(Some)
}

fn push(tail: &mut Tail, numbers: &LinkNumbers, queued: &QueuedUse, agent: Option<&[u8]>) {
    let agent = agent.map(agent_text);
    let stored = StoredUse {
        at: queued.at,
        status: queued.status,
        bytes: queued.bytes,
        duration: queued.duration,
        ..StoredUse::default()
    };
    let texts = UseTexts {
        operation: queued.operation,
        code: queued.code,
        version: queued.version,
        address: queued.address,
        agent: agent.as_deref(),
    };
    tail.push(numbers, stored, texts);
}

/// What a client calls itself, cut, and without what would move a terminal's cursor.
fn agent_text(agent: &[u8]) -> Cow<'_, str> {
    let is_plain =
        agent.len() <= AGENT_CHARS_MAX && agent.iter().all(|byte| (b' '..=b'~').contains(byte));
    if is_plain && let Ok(text) = std::str::from_utf8(agent) {
        return Cow::Borrowed(text);
    }
    let text = String::from_utf8_lossy(agent);
    let shown = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    Cow::Owned(text.chars().take(AGENT_CHARS_MAX).map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_cut_and_has_no_controls() {
        let check = |agent: &[u8], expected: &str| assert_eq!(agent_text(agent), expected);
        check(b"curl/8.5.0", "curl/8.5.0");
        check(b"", "");
        check(b"a\x1b[2Jb\t", "a\u{fffd}[2Jb\u{fffd}");
        check("Brücke".as_bytes(), "Brücke");
        check(b"\xff", "\u{fffd}");
        check(&[b'x'; 257], &"x".repeat(256));
        check("ü".repeat(300).as_bytes(), &"ü".repeat(256));
    }
}
