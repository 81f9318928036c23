//! A connection that is given up when nothing has moved on it, in neither direction, for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// What tells an HTTP/1.1 client that waits with its body to send it.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How long a connection may stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// With nothing asked that is not answered: from the opening, or the end of the last answer, to the
    /// end of the next head, however slowly that trickles in.
    pub(crate) head: Duration,
    /// With nothing moving, in neither direction, while an answer is worked on; with less than `bytes_min`
    /// moving, both directions together, while one is not taken.
    pub(crate) idle: Duration,
    /// More than the pings of an HTTP/2 connection on which nothing else moves.
    pub(crate) bytes_min: usize,
}

/// Which requests of a connection are being answered: what its stream cannot see.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    answering: AtomicUsize,
    /// How many of them have no answer yet: that may take its time, with pings alone to be seen of it.
    working: AtomicUsize,
    /// When the last answer ended, in milliseconds since the opening.
    rests_since: AtomicU64,
    /// Whether the stream has been given all that was written so far.
    is_flushed: AtomicBool,
    flushed: Notify,
    /// Whether the next bytes are a 100 that the stream itself has to write.
    owes_continue: AtomicBool,
}

impl Activity {
    /// Says that a request has come; it is being answered until what is returned is dropped.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.working.fetch_add(1, Ordering::Relaxed);
        Answering { activity: Arc::clone(self), has_answer: false }
    }

    /// Has the stream tell an HTTP/1.1 client to go on, between the last answer and the one that is being
    /// made: hyper says nothing of it to who announces an empty body, and botocore counts on it.
    pub(crate) async fn tell_to_go_on(&self) {
        // A client that asks again before it has read may still be owed bytes of the last answer.
        while !self.is_flushed.load(Ordering::Acquire) {
            self.flushed.notified().await;
        }
        self.owes_continue.store(true, Ordering::Release);
    }

    fn note_flushed(&self) {
        if !self.is_flushed.swap(true, Ordering::AcqRel) {
            self.flushed.notify_one();
        }
    }

    /// Since when nothing has been asked; `None`: something is being answered.
    fn rests_since(&self) -> Option<Instant> {
        let rests = self.answering.load(Ordering::Acquire) == 0;
        rests.then(|| self.opened + Duration::from_millis(self.rests_since.load(Ordering::Relaxed)))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering {
    activity: Arc<Activity>,
    has_answer: bool,
}

impl Answering {
    /// Says that there is an answer, which has yet to be taken.
    pub(crate) fn with_answer(mut self) -> Self {
        self.end_work();
        self
    }

    fn end_work(&mut self) {
        if !std::mem::replace(&mut self.has_answer, true) {
            self.activity.working.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.end_work();
        let activity = &self.activity;
        let now = u64::try_from(activity.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        activity.rests_since.fetch_max(now, Ordering::Relaxed);
        activity.answering.fetch_sub(1, Ordering::Release);
    }
}

/// Wraps a stream. The clock is read and the timer is moved only when that fires, not with every byte.
#[derive(Debug)]
pub(crate) struct TimedIo<S> {
    stream: S,
    patience: Patience,
    activity: Arc<Activity>,
    timer: Pin<Box<Sleep>>,
    /// When enough bytes were last known to have moved, and how many have since.
    moved_at: Instant,
    bytes_moved: usize,
    /// The other side does not take what it is sent.
    is_stuffed: bool,
    /// What is left to write of a 100.
    to_continue: &'static [u8],
}

impl<S> TimedIo<S> {
    pub(crate) fn new(stream: S, patience: Patience) -> Self {
        let opened = Instant::now();
        let activity = Activity {
            opened,
            answering: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            rests_since: AtomicU64::new(0),
            is_flushed: AtomicBool::new(true),
            flushed: Notify::new(),
            owes_continue: AtomicBool::new(false),
        };
        Self {
            stream,
            patience,
            activity: Arc::new(activity),
            timer: Box::pin(tokio::time::sleep(patience.head.min(patience.idle))),
            moved_at: opened,
            bytes_moved: 0,
            is_stuffed: false,
            to_continue: &[],
        }
    }

    pub(crate) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }

    /// What a wait means: go on waiting, or too long.
    fn waited<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let Patience { head, idle, bytes_min } = self.patience;
            let now = Instant::now();
            let works = self.activity.working.load(Ordering::Relaxed) > 0;
            if self.bytes_moved >= if works { 1 } else { bytes_min } {
                (self.moved_at, self.bytes_moved) = (now, 0);
            }
            let due = match self.activity.rests_since() {
                Some(since) if !self.is_stuffed => since + head,
                Some(_) | None => self.moved_at + idle,
            };
            if now >= due {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // No wait that begins before the timer fires can be over by then.
            self.timer.as_mut().reset(due.min(now + head.min(idle)));
        }
    }

    fn judge<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_pending() { self.waited(context) } else { outcome }
    }

    fn judge_flush(
        &mut self,
        outcome: Poll<io::Result<()>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_stuffed = outcome.is_pending();
        self.judge(outcome, context)
    }

    fn judge_write(
        &mut self,
        outcome: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.is_stuffed = outcome.is_pending();
        if let Poll::Ready(Ok(bytes)) = outcome {
            self.bytes_moved = self.bytes_moved.saturating_add(bytes);
        }
        self.judge(outcome, context)
    }
}

impl<S: AsyncWrite + Unpin> TimedIo<S> {
    /// Writes the 100 that is owed, before anything else is.
    fn poll_continue(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A load alone where nothing is owed, which is nearly always.
        if self.activity.owes_continue.load(Ordering::Acquire) {
            self.activity.owes_continue.store(false, Ordering::Release);
            self.to_continue = CONTINUE;
        }
        while !self.to_continue.is_empty() {
            let outcome = Pin::new(&mut self.stream).poll_write(context, self.to_continue);
            let written = ready!(self.judge_write(outcome, context))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.to_continue = self.to_continue.get(written..).unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        self.bytes_moved = self.bytes_moved.saturating_add(bytes);
        self.judge(outcome, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_continue(context))?;
        self.activity.is_flushed.store(false, Ordering::Release);
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge_write(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_continue(context))?;
        self.activity.is_flushed.store(false, Ordering::Release);
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge_write(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_continue(context))?;
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        if outcome.is_ready() {
            self.activity.note_flushed();
        }
        self.judge_flush(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge_flush(outcome, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(3), idle: Duration::from_secs(10), bytes_min: 2 };

    /// How long it takes until the connection is given up, in seconds.
    async fn ends_after(io: impl Future<Output = io::Result<u8>>) -> u64 {
        let begun = Instant::now();
        assert_eq!(io.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn while_an_answer_is_made_bytes_must_move() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut near = TimedIo::new(near, PATIENCE);
        let _answering = near.activity().answering();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(8)).await;
            far.write_all(b"xy").await.unwrap();
            assert_eq!(near.read_u16().await.unwrap(), u16::from_be_bytes(*b"xy"));
        }
        // The clock is read when the timer fires, which it does every three seconds.
        assert!((10..=13).contains(&ends_after(near.read_u8()).await));
    }

    #[tokio::test(start_paused = true)]
    async fn too_few_bytes_are_none_once_there_is_an_answer() {
        for (has_answer, seconds) in [(true, 10..=10), (false, 11..=13)] {
            let (near, mut far) = tokio::io::duplex(16);
            let mut near = TimedIo::new(near, PATIENCE);
            let mut answering = near.activity().answering();
            if has_answer {
                answering = answering.with_answer();
            }
            far.write_all(b"x").await.unwrap();
            assert_eq!(near.read_u8().await.unwrap(), b'x');
            assert!(seconds.contains(&ends_after(near.read_u8()).await), "{has_answer}");
            drop(answering);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_none_is_made_bytes_alone_do_not_help() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut near = TimedIo::new(near, PATIENCE);
        let trickle = tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let reading = async {
            loop {
                near.read_u8().await?;
            }
        };
        assert_eq!(ends_after(reading).await, 3);
        drop(near);
        trickle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_begins_the_time_for_the_next_head() {
        let (near, _far) = tokio::io::duplex(16);
        let mut near = TimedIo::new(near, PATIENCE);
        let (one, other) = (near.activity().answering(), near.activity().answering());
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(other);
        let one = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(one);
        });
        assert_eq!(ends_after(near.read_u8()).await, 5);
        one.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_has_the_longer_time() {
        let (near, _far) = tokio::io::duplex(1);
        let mut near = TimedIo::new(near, PATIENCE);
        let writing = async { near.write_all(b"xx").await.map(|()| 0) };
        assert!((10..=13).contains(&ends_after(writing).await));
    }
}
