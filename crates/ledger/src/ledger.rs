//! The ledger's handle: what requests and surfaces hold of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use jiff::Timestamp;
use presign::Fingerprint;
use tokio::sync::oneshot;

use crate::known::KnownLinks;
use crate::link_use::{DeferredFacts, LinkUse, NotedLink};
use crate::query::{
    LinkEntry, LinkName, LinkPage, LinkQuery, LinkScope, UsePage, UseQuery, named_links,
    page_of_links, page_of_uses,
};
use crate::queue::{Occasion, UseQueue};
use crate::readers::Readers;
use crate::writer::{SegmentLimits, Writer};
use crate::{LedgerError, database};

/// The ledger. Clones are the same ledger; when the last one goes, what waits is written still.
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
}

/// What all clones share.
struct Shared {
    path: PathBuf,
    queue: Arc<UseQueue>,
    known: Arc<KnownLinks>,
    readers: Arc<Readers>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How the ledger is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerCounts {
    /// Uses and new links that wait to be written.
    pub queued: usize,
    /// Uses that were written since the start.
    pub recorded: u64,
    /// Uses that were lost since the start, because the queue was full or the file could not be written.
    pub lost: u64,
    /// Bytes of the file and its log.
    pub file_bytes: u64,
}

impl Ledger {
    /// Opens the ledger of this file, or makes it, and starts its writer. Uses older than so many days are removed.
    pub fn open(path: &Path, keep_days: u32, now: Timestamp) -> Result<Self, LedgerError> {
        Self::open_with(path, keep_days, SegmentLimits::default(), now)
    }

    pub(crate) fn open_with(
        path: &Path,
        keep_days: u32,
        limits: SegmentLimits,
        now: Timestamp,
    ) -> Result<Self, LedgerError> {
        let connection = database::open_writer(path)?;
        let (queue, known) = (Arc::new(UseQueue::new()), Arc::new(KnownLinks::new()));
        let writer =
            Writer::new(connection, Arc::clone(&queue), Arc::clone(&known), limits, keep_days)?;
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        let thread = thread.spawn(move || writer.run()).map_err(LedgerError::Thread)?;
        let readers = Arc::new(Readers::new(path.to_owned()));
        let (path, writer) = (path.to_owned(), Mutex::new(Some(thread)));
        let ledger = Self { shared: Arc::new(Shared { path, queue, known, readers, writer }) };
        // Whatever became too old while nothing ran goes now; nobody waits for it.
        drop(ledger.ask_maintenance(now));
        Ok(ledger)
    }

    /// Records a use of a link whose signature was true. `facts` is asked for what puts the link's facts together, unless
    /// the writer has them already; it should do no more than clone pointers.
    pub fn record(&self, used: &LinkUse<'_>, facts: impl FnOnce() -> DeferredFacts) {
        let known = self.shared.known.has(&used.link);
        let facts = (!known).then(facts);
        self.shared.queue.push(used, Occasion::Used, facts);
    }

    /// Records a use of a link whose signature was not proven, such as one that has ended. It is kept only if the ledger
    /// has its link already, so that nobody can fill the ledger with links that never were.
    pub fn record_known(&self, used: &LinkUse<'_>) {
        self.shared.queue.push(used, Occasion::UsedUnproven, None);
    }

    /// Notes a link that was issued, before anybody uses it.
    pub fn note_link(&self, noted: &NotedLink, facts: DeferredFacts) {
        self.shared.queue.note(noted, facts);
    }

    /// How many uses were lost since the start.
    pub fn lost(&self) -> u64 {
        self.shared.queue.lost.load(Ordering::Relaxed)
    }

    /// How it is doing, for metrics.
    pub fn counts(&self) -> LedgerCounts {
        let bytes = |suffix: &str| {
            let mut path = self.shared.path.clone().into_os_string();
            path.push(suffix);
            std::fs::metadata(path).map_or(0, |metadata| metadata.len())
        };
        LedgerCounts {
            queued: self.shared.queue.len(),
            recorded: self.shared.queue.recorded.load(Ordering::Relaxed),
            lost: self.lost(),
            file_bytes: bytes("") + bytes("-wal"),
        }
    }

    /// Waits until all that was recorded before is written, or lost.
    pub async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        self.shared.queue.ask(|waiting| waiting.flushes.push(sender));
        // The writer has gone if nobody answers, and then nothing waits.
        let _ = receiver.await;
    }

    /// Removes uses that are too old by now, and links that have ended and have no use left, and waits for the end of it.
    /// To be called every hour or so.
    pub async fn maintain(&self, now: Timestamp) {
        // A later call takes over what an earlier one has begun.
        let _ = self.ask_maintenance(now).await;
    }

    /// A page of links.
    pub async fn links(&self, query: LinkQuery) -> Result<LinkPage, LedgerError> {
        self.shared.readers.run(move |connection| page_of_links(connection, &query)).await
    }

    /// A link by its fingerprint.
    pub async fn link(
        &self,
        scope: LinkScope,
        link: Fingerprint,
    ) -> Result<Option<LinkEntry>, LedgerError> {
        let found = self.links_named(scope, LinkName::Whole(link)).await?;
        Ok(found.into_iter().next())
    }

    /// Links by their name: more than one, if they share the sixteen digits that were given.
    pub async fn links_named(
        &self,
        scope: LinkScope,
        name: LinkName,
    ) -> Result<Vec<LinkEntry>, LedgerError> {
        self.shared.readers.run(move |connection| named_links(connection, &scope, &name)).await
    }

    /// A page of uses.
    pub async fn uses(&self, query: UseQuery) -> Result<UsePage, LedgerError> {
        self.shared.readers.run(move |connection| page_of_uses(connection, &query)).await
    }

    /// Writes what waits and ends the writer. Whatever is recorded afterwards is lost, and nothing can be asked.
    pub async fn close(&self) {
        self.shared.queue.ask(|waiting| waiting.closed = true);
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // Whatever ended the writer has been told by then.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
        self.shared.readers.close();
    }

    fn ask_maintenance(&self, now: Timestamp) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.shared.queue.ask(|waiting| waiting.maintenance = Some((now, sender)));
        receiver
    }

    /// Has the writer's connection run statements, as if something outside had.
    #[cfg(test)]
    pub(crate) async fn disturb(&self, statements: &str) {
        self.shared.queue.ask(|waiting| waiting.statements.push(statements.to_owned()));
        self.flush().await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.ask(|waiting| waiting.closed = true);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}
