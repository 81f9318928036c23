//! The one thread that writes: what has gathered in its queue is one transaction, and each job is in
//! a savepoint of its own, so that one that fails takes nothing with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::caches::Caches;
use super::error::{engine, is_poison};
use super::transaction::{Effects, Transaction};
use crate::backend::Unpublished;
use crate::backend::embedded::health::Health;
use crate::lock::lock;
use crate::{OpenError, StoreError};

/// How many jobs wait at most; who comes then waits to wait.
const QUEUE_JOBS_MAX: usize = 1024;
/// How many jobs share a transaction at most.
const BATCH_JOBS_MAX: usize = 256;
/// How many jobs share a transaction at most while the reserve is what it is written to: so many
/// that it is enough for them.
const BATCH_JOBS_MAX_WHEN_SHORT: usize = 32;
/// How long the log may be then before it is moved into the database and cut off.
const LOG_BYTES_MAX_WHEN_SHORT: u64 = 512 * 1024;
/// How much a job that stores something is taken to need: its body, and the pages it touches, in the
/// log and once more in the database.
const JOB_BYTES: u64 = 128 * 1024;
/// From which length on the log is cut off when it was checkpointed, and not only used anew.
const LOG_BYTES_KEPT: u64 = 16 * 1024 * 1024;
/// How long the log may become before the writer itself checkpoints, if maintenance does not keep up.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// After how many transactions the log's length is looked at.
const LOG_CHECK_COMMITS: u64 = 64;

/// The way to the thread that writes: jobs are sent to its queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Message>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    log: PathBuf,
    health: Arc<Health>,
    counters: Arc<WriterCounters>,
}

#[derive(Debug, Default)]
pub(super) struct WriterCounters {
    pub(super) jobs: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) checkpoints: AtomicU64,
}

enum Message {
    Job(Job),
    Checkpoint(oneshot::Sender<Result<(), StoreError>>),
}

struct Job {
    room: DiskRoom,
    run: Box<dyn FnOnce(&mut Transaction<'_>) -> Reply + Send>,
    refuse: Box<dyn FnOnce(StoreError) + Send>,
}

/// Whether a job may use the last free space of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskRoom {
    /// The job stores more than before.
    Needed,
    /// The job gives space back, or keeps the store in order.
    Reserve,
}

/// Tells whoever waits, once it is known whether the transaction was committed.
type Reply = Box<dyn FnOnce(&Result<(), StoreError>) + Send>;

impl Writer {
    pub(super) fn start(
        connection: Connection,
        path: PathBuf,
        caches: Arc<Caches>,
        health: Arc<Health>,
        keep: Arc<dyn Send + Sync>,
    ) -> Result<Self, OpenError> {
        let (sender, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let counters = Arc::new(WriterCounters::default());
        let log = path.with_file_name(
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
                + "-wal",
        );
        let thread = WriterThread {
            connection,
            log: log.clone(),
            queue,
            caches,
            health: Arc::clone(&health),
            counters: Arc::clone(&counters),
            _keep: keep,
        };
        let spawned = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = spawned.spawn(move || thread.run()).map_err(|source| OpenError::Io {
            operation: "start the writer of",
            path,
            source,
        })?;
        let (queue, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(Self { queue, thread, log, health, counters })
    }

    /// Runs a job in the next transaction, and answers when that is on stable storage.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        room: DiskRoom,
        job: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.health.check()?;
        let (reply, answer) = oneshot::channel();
        // One of the two closures is called, whichever it is answers.
        let reply = Arc::new(Mutex::new(Some(reply)));
        let refused = Arc::clone(&reply);
        let run = Box::new(move |transaction: &mut Transaction<'_>| -> Reply {
            let outcome = transaction.savepoint(job);
            Box::new(move |committed: &Result<(), StoreError>| {
                let answer = committed.clone().and(outcome);
                if let Some(reply) = lock(&reply).take() {
                    // Whoever asked may be gone; what was decided stands.
                    let _gone = reply.send(answer);
                }
            })
        });
        let refuse = Box::new(move |error| {
            if let Some(reply) = lock(&refused).take() {
                let _gone = reply.send(Err(error));
            }
        });
        self.send(Message::Job(Job { room, run, refuse })).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Checkpoints the whole log after what is queued, and makes it start anew.
    pub(super) async fn checkpoint(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Checkpoint(reply)).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Cuts the log off after a checkpoint, if it is long.
    pub(super) async fn shorten_log(&self) -> Result<(), StoreError> {
        self.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        if is_longer(&self.log, LOG_BYTES_KEPT) { self.checkpoint().await } else { Ok(()) }
    }

    pub(super) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// What a failed write of another connection means.
    pub(super) fn failed(&self, error: rusqlite::Error) -> StoreError {
        failed(&self.health, error)
    }

    async fn send(&self, message: Message) -> Result<(), StoreError> {
        let queue = lock(&self.queue).clone().ok_or(StoreError::Closed)?;
        queue.send(message).await.map_err(|_| StoreError::Closed)
    }

    /// Refuses jobs from now on; what is queued is still done.
    pub(super) fn close(&self) {
        *lock(&self.queue) = None;
    }

    pub(super) fn counters(&self) -> &WriterCounters {
        &self.counters
    }

    pub(super) fn queued(&self) -> u64 {
        let queued = lock(&self.queue)
            .as_ref()
            .map_or(0, |queue| queue.max_capacity().saturating_sub(queue.capacity()));
        u64::try_from(queued).unwrap_or(u64::MAX)
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that a data directory is free when its store is gone.
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic of the thread was reported as one; nothing is left to do about it.
            let _panicked = thread.join();
        }
    }
}

struct WriterThread {
    connection: Connection,
    log: PathBuf,
    queue: mpsc::Receiver<Message>,
    caches: Arc<Caches>,
    health: Arc<Health>,
    counters: Arc<WriterCounters>,
    /// What must not be let go before the last write is done: the lock of the data directory.
    _keep: Arc<dyn Send + Sync>,
}

impl WriterThread {
    fn run(mut self) {
        let mut jobs = Vec::with_capacity(BATCH_JOBS_MAX);
        let mut next = self.queue.blocking_recv();
        while let Some(message) = next.take() {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::Checkpoint(reply) => {
                    let _gone = reply.send(self.checkpoint());
                    next = self.queue.blocking_recv();
                    continue;
                }
            }
            let jobs_max = self.jobs_max();
            while jobs.len() < jobs_max && next.is_none() {
                match self.queue.try_recv() {
                    Ok(Message::Job(job)) => jobs.push(job),
                    Ok(other @ Message::Checkpoint(_)) => next = Some(other),
                    Err(_) => break,
                }
            }
            self.commit(std::mem::take(&mut jobs));
            if next.is_none() {
                next = self.queue.blocking_recv();
            }
        }
    }

    fn jobs_max(&self) -> usize {
        if self.health.is_short() { BATCH_JOBS_MAX_WHEN_SHORT } else { BATCH_JOBS_MAX }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let jobs = self.admitted(jobs);
        if jobs.is_empty() {
            return;
        }
        let health = Arc::clone(&self.health);
        let loan = health.make_room();
        if loan.is_some() {
            self.check_log(LOG_BYTES_MAX_WHEN_SHORT);
        }
        self.counters.jobs.fetch_add(u64::try_from(jobs.len()).unwrap_or(0), Ordering::Relaxed);
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            let error = self.failed(error);
            for job in jobs {
                (job.refuse)(error.clone());
            }
            return;
        }
        let mut transaction = Transaction::new(&self.connection, &self.caches);
        let replies = jobs.into_iter().map(|job| (job.run)(&mut transaction)).collect::<Vec<_>>();
        let Transaction { effects, publishing, failure, .. } = transaction;
        let effects = Effects::latest(effects);
        effects.begin(&self.caches);
        let committed = match failure {
            Some(failure) => Err(failure),
            None => self.end_transaction(),
        };
        if committed.is_err() {
            self.roll_back();
        }
        effects.end(&self.caches, &committed);
        // Committed: a record points at them. Poisoned: one may, so that nothing must remove them.
        if matches!(committed, Ok(()) | Err(StoreError::Poisoned)) {
            publishing.into_iter().for_each(Unpublished::keep);
        }
        let commits = self.counters.commits.fetch_add(1, Ordering::Relaxed);
        for reply in replies {
            reply(&committed);
        }
        if commits.is_multiple_of(LOG_CHECK_COMMITS) {
            self.check_log(LOG_BYTES_MAX);
        }
    }

    /// Refuses what cannot be done now: anything after a failure, and growth on a full disk.
    fn admitted(&self, jobs: Vec<Job>) -> Vec<Job> {
        let healthy = self.health.check();
        let mut room = self.health.room();
        let mut admitted = Vec::with_capacity(jobs.len());
        for job in jobs {
            let allowed = match job.room {
                DiskRoom::Needed => healthy
                    .clone()
                    .and_then(|()| self.health.take_room(room, JOB_BYTES))
                    .map(|left| room = left),
                DiskRoom::Reserve => healthy.clone(),
            };
            match allowed {
                Ok(()) => admitted.push(job),
                Err(error) => (job.refuse)(error),
            }
        }
        admitted
    }

    /// Commits, and notes how long the database becomes.
    fn end_transaction(&self) -> Result<(), StoreError> {
        let pages = self.connection.prepare_cached(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        );
        let bytes = pages.and_then(|mut pages| pages.query_row([], |row| row.get::<_, i64>(0)));
        let bytes = bytes.map_err(|error| self.failed(error))?;
        self.connection.execute_batch("COMMIT").map_err(|error| self.failed(error))?;
        self.health.note_database(u64::try_from(bytes).unwrap_or(0));
        Ok(())
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            self.health.poison(&error);
        }
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        failed(&self.health, error)
    }

    /// Keeps the log from growing without end when nobody else does.
    fn check_log(&self, size: u64) {
        if is_longer(&self.log, size)
            && let Err(error) = self.checkpoint()
        {
            tracing::warn!(%error, "cannot checkpoint a long log");
        }
    }

    fn checkpoint(&self) -> Result<(), StoreError> {
        self.health.check()?;
        let _loan = self.health.make_room();
        let done = checkpoint(&self.connection, "TRUNCATE").map_err(|error| self.failed(error))?;
        if done == Checkpoint::Whole {
            self.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What a failed write means, and poison if it leaves the database in doubt.
fn failed(health: &Health, error: rusqlite::Error) -> StoreError {
    if is_poison(&error) {
        health.poison(&error);
        return StoreError::Poisoned;
    }
    engine(error)
}

fn is_longer(log: &Path, size: u64) -> bool {
    std::fs::metadata(log).is_ok_and(|log| log.len() > size)
}

/// How far a checkpoint came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checkpoint {
    /// The database holds all that the log does.
    Whole,
    /// A reader or another checkpoint was in the way; the next one goes on.
    Partial,
}

/// Moves the log's pages into the database and syncs it; an error leaves the database in doubt.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Checkpoint> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let (busy, log, moved): (i64, i64, i64) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(if busy == 0 && log == moved { Checkpoint::Whole } else { Checkpoint::Partial })
}
