//! Runs: pieces of one body that are read from its origin one after another, for all who wait for any of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::cache::{FETCH_TIME_MAX, Inner, Turn};
use crate::entry::{CHUNK_BYTES, Entry, Slot, StoredHead, bytes_of};
use crate::origin::{OriginBody, OriginFailure};
use crate::stats::add;

/// How many pieces a run holds for those who wait, whatever the cache does with them.
const WINDOW: usize = 8;
/// For how long a body stays open until somebody wants more of it.
const IDLE_TIME_MAX: Duration = Duration::from_secs(5);
/// How far behind a run's next piece another one may be to be waited for. What lies farther is read by a run of its own.
const AHEAD_MAX: u64 = 64;

/// Pieces of one body, from one on.
#[derive(Debug)]
pub(crate) struct Run {
    state: Mutex<State>,
    /// Told whenever a piece is there, or none will be any more.
    progress: Notify,
    /// Told whenever somebody waits for a later piece, or nobody waits any more.
    demand: Notify,
}

#[derive(Debug)]
struct State {
    /// The next piece that will be there.
    next: u64,
    /// The piece behind the last one.
    end: u64,
    window: VecDeque<(u64, Bytes)>,
    /// The latest piece that somebody has waited for.
    farthest: u64,
    readers: usize,
    /// How many of them wait for a piece at this moment.
    waiting: usize,
    ended: Option<Result<(), OriginFailure>>,
}

/// How a piece stands in a run.
#[derive(Debug)]
pub(crate) enum Look {
    There(Bytes),
    Coming,
    /// The run is over, or has passed it.
    Gone,
    Failed(OriginFailure),
}

/// Somebody who waits for pieces of a run. While there is one, the run goes on.
#[derive(Debug)]
pub(crate) struct Waiter(Arc<Run>);

impl Run {
    pub(crate) fn new(start: u64, end: u64) -> Arc<Self> {
        let window = VecDeque::with_capacity(WINDOW);
        let state = State {
            next: start,
            end,
            window,
            farthest: start,
            readers: 0,
            waiting: 0,
            ended: None,
        };
        Arc::new(Self { state: Mutex::new(state), progress: Notify::new(), demand: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the piece is worth waiting for here.
    pub(crate) fn covers(&self, chunk: u64) -> bool {
        let state = self.state();
        let held = state.window.iter().any(|(number, _)| *number == chunk);
        let soon = chunk >= state.next && chunk < state.end && chunk - state.next <= AHEAD_MAX;
        held || (state.ended.is_none() && soon)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended.is_some()
    }

    fn look(&self, chunk: u64) -> Look {
        let state = self.state();
        if let Some((_, bytes)) = state.window.iter().find(|(number, _)| *number == chunk) {
            return Look::There(bytes.clone());
        }
        match &state.ended {
            Some(Err(failure)) => Look::Failed(failure.clone()),
            Some(Ok(())) => Look::Gone,
            None if chunk < state.next || chunk >= state.end => Look::Gone,
            None => Look::Coming,
        }
    }

    /// Ends the run before its first piece.
    pub(crate) fn fail(&self, failure: OriginFailure) {
        self.end(Err(failure));
    }

    fn end(&self, how: Result<(), OriginFailure>) {
        let mut state = self.state();
        state.ended = Some(how);
        // Who waits takes a piece now; who comes later finds the pieces in the cache, or has them read anew.
        if state.waiting == 0 {
            state.window = VecDeque::new();
        }
        drop(state);
        self.progress.notify_waiters();
    }

    fn has_readers(&self) -> bool {
        self.state().readers > 0
    }

    /// Whether the piece after those that are there is wanted at once.
    fn is_wanted_now(&self) -> bool {
        let state = self.state();
        state.readers > 0 && state.next <= state.farthest.saturating_add(bytes_of(WINDOW) - 1)
    }

    /// Waits until the piece after those that are there is wanted. `false`: nobody waits for any.
    async fn is_wanted(&self) -> bool {
        loop {
            let demand = self.demand.notified();
            let mut demand = std::pin::pin!(demand);
            demand.as_mut().enable();
            {
                let state = self.state();
                if state.readers == 0 {
                    return false;
                }
                if state.next <= state.farthest.saturating_add(bytes_of(WINDOW) - 1) {
                    return true;
                }
            }
            demand.await;
        }
    }

    fn put(&self, bytes: Bytes) -> u64 {
        let mut state = self.state();
        let number = state.next;
        if state.window.len() == WINDOW {
            state.window.pop_front();
        }
        state.window.push_back((number, bytes));
        state.next = number + 1;
        drop(state);
        self.progress.notify_waiters();
        number
    }
}

impl Waiter {
    pub(crate) fn new(run: &Arc<Run>) -> Self {
        run.state().readers += 1;
        Self(Arc::clone(run))
    }

    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.0
    }

    /// Waits for a piece. What is answered is never [`Look::Coming`].
    pub(crate) async fn wait(&self, chunk: u64) -> Look {
        let run = &self.0;
        {
            let mut state = run.state();
            state.farthest = state.farthest.max(chunk);
            state.waiting += 1;
        }
        let _waiting = Waiting(run);
        run.demand.notify_one();
        loop {
            let progress = run.progress.notified();
            let mut progress = std::pin::pin!(progress);
            progress.as_mut().enable();
            let found = run.look(chunk);
            if !matches!(found, Look::Coming) {
                return found;
            }
            progress.await;
        }
    }
}

/// Somebody who waits for a piece at this moment.
struct Waiting<'r>(&'r Run);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting -= 1;
        if state.waiting == 0 && state.ended.is_some() {
            state.window = VecDeque::new();
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.state().readers -= 1;
        self.0.demand.notify_one();
    }
}

/// Reads the pieces of a run out of a body that begins with its first one.
pub(crate) async fn read_run(
    inner: Arc<Inner>,
    head: Arc<StoredHead>,
    run: Arc<Run>,
    (mut body, turn): (OriginBody, Turn),
) {
    let how = read_pieces(&inner, &head, &run, (&mut body, turn)).await;
    drop(body);
    if matches!(how, Err(OriginFailure::Changed)) {
        inner.forget_version(&head);
    }
    run.end(how);
    inner.run_has_ended(head.version);
}

async fn read_pieces(
    inner: &Inner,
    head: &StoredHead,
    run: &Run,
    (body, turn): (&mut OriginBody, Turn),
) -> Result<(), OriginFailure> {
    let fits = head.length <= inner.whole_bytes_max();
    let mut turn = Some(turn);
    let mut buffer = BytesMut::new();
    let mut unattended = None;
    loop {
        let (number, end) = {
            let state = run.state();
            (state.next, state.end)
        };
        if number >= end {
            return Ok(());
        }
        if !(fits || run.is_wanted_now()) {
            // Whoever reads slowly keeps nobody else from reading.
            turn = None;
            let Ok(_idle) = inner.idle.try_acquire() else { return Ok(()) };
            let is_wanted = tokio::time::timeout(IDLE_TIME_MAX, run.is_wanted()).await;
            if !is_wanted.unwrap_or(false) {
                return Ok(());
            }
        }
        if turn.is_none() {
            turn = Some(inner.turn().await?);
        }
        // Another run has read what comes next.
        if inner.has_chunk(head.version, number) {
            return Ok(());
        }
        let begins = number * CHUNK_BYTES;
        let wanted =
            usize::try_from(head.length.saturating_sub(begins).min(CHUNK_BYTES)).unwrap_or(0);
        while buffer.len() < wanted {
            let cut = || OriginFailure::Failed("the body is shorter than its head says".to_owned());
            let Some(frame) = next_frame(inner, run, body, &mut unattended).await else {
                return Ok(());
            };
            let frame = frame.ok_or_else(cut)??;
            if let Ok(data) = frame.into_data() {
                add(&inner.stats.origin_bytes, bytes_of(data.len()));
                if buffer.is_empty() {
                    buffer.reserve(wanted.max(data.len()));
                }
                buffer.extend_from_slice(&data);
            }
        }
        let chunk = buffer.split_to(wanted).freeze();
        // What is left belongs to the next piece: a buffer that both share would keep both.
        let chunk = Bytes::copy_from_slice(&chunk);
        inner.put(Slot::Chunk(head.version, number), Entry::Chunk(chunk.clone()));
        run.put(chunk);
    }
}

/// The next frame of a body, as long as somebody waits for the run. What is kept whole is read to its end for those who come
/// later too, but not too many bodies at once. `None`: nobody waits, and there are too many.
async fn next_frame(
    inner: &Inner,
    run: &Run,
    body: &mut OriginBody,
    unattended: &mut Option<OwnedSemaphorePermit>,
) -> Option<Option<Result<Frame<Bytes>, OriginFailure>>> {
    loop {
        let demand = run.demand.notified();
        if run.has_readers() {
            *unattended = None;
        } else if unattended.is_none() {
            *unattended = Some(Arc::clone(&inner.unattended).try_acquire_owned().ok()?);
        }
        tokio::select! {
            frame = tokio::time::timeout(FETCH_TIME_MAX, body.frame()) => {
                let late = OriginFailure::Failed("the origin's bytes took too long".to_owned());
                return Some(frame.unwrap_or(Some(Err(late))));
            }
            () = demand => {}
        }
    }
}
