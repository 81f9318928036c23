//! A stream that gives up its connection when it has stood still for too long.
//!
//! "Too long" depends on what the connection waits for. While the server waits for the next request, only a
//! complete head counts: a client that trickles one byte a second is cut off. While an answer is being made or
//! sent, movement in either direction is enough.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

/// The answer that lets a waiting HTTP/1.1 client send its body (`Expect: 100-continue`).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client that resets its connection within this time after an answer has not read all of it.
const THROWN_AWAY_WITHIN: Duration = Duration::from_secs(2);
/// How many bytes the operating system holds unacknowledged where it is to hold few.
const LITTLE_UNSENT: usize = 64 * 1024;

/// A connection to the network, below [`TimedIo`].
pub(crate) trait Socket {
    /// Makes the operating system hold about so many bytes that the client has not acknowledged. What cannot be set
    /// stays as it is.
    fn limit_unsent(&self, bytes: usize);

    /// Whether a reset means that the client has not read all that it was sent. Below TLS it has other reasons too:
    /// there is more in the stream than answers.
    fn resets_tell() -> bool;
}

impl Socket for TcpStream {
    fn limit_unsent(&self, bytes: usize) {
        let _unset = rustix::net::sockopt::set_socket_send_buffer_size(self, bytes);
    }

    fn resets_tell() -> bool {
        true
    }
}

impl Socket for TlsStream<TcpStream> {
    fn limit_unsent(&self, bytes: usize) {
        self.get_ref().0.limit_unsent(bytes);
    }

    fn resets_tell() -> bool {
        false
    }
}

#[cfg(test)]
impl Socket for tokio::io::DuplexStream {
    fn limit_unsent(&self, _bytes: usize) {}

    fn resets_tell() -> bool {
        true
    }
}

/// How long a connection may stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The time for the next request while no request is being answered. It begins when the connection opens,
    /// or when the last answer ends, and it ends when the head is complete: bytes that merely trickle in do not
    /// extend it.
    pub(crate) head: Duration,
    /// The longest time without movement while a request is being answered. While its answer is being made, one
    /// byte in either direction is movement. Once the client has an answer to take, only `bytes_min` bytes are:
    /// otherwise a client could hold an answer for ever by pings alone.
    pub(crate) idle: Duration,
    /// The least number of bytes that count as movement while an answer is being sent. It is more than the
    /// pings of an otherwise silent HTTP/2 connection.
    pub(crate) bytes_min: usize,
}

/// How many requests of a connection are being answered. The stream itself sees only bytes, so the layer above
/// it (`listen`, `respond`) notes this here.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    answering: AtomicUsize,
    /// The requests of `answering` that have no answer yet. Making an answer may take its time; until then
    /// pings may be all that moves.
    working: AtomicUsize,
    /// When the last answer ended, in milliseconds since the connection opened.
    rests_since: AtomicU64,
    /// Whether the operating system has taken all bytes that were written so far.
    is_flushed: AtomicBool,
    flushed: Notify,
    /// Whether the stream must write [`CONTINUE`] before its next bytes.
    owes_continue: AtomicBool,
    /// Whether the connection has failed or was closed: what was not sent by then never will be.
    is_gone: AtomicBool,
    /// Whether the operating system is to hold few bytes that the client has not acknowledged.
    wants_little_unsent: AtomicBool,
    /// Answers that were sent whole, until it shows whether the client has read them.
    last_answers: LastAnswers,
}

/// See [`Activity::last_answers`].
#[derive(Debug, Default)]
struct LastAnswers {
    are_any: AtomicBool,
    answers: Mutex<Vec<(Instant, Box<dyn SentWhole>)>>,
}

/// An answer that was handed to the operating system as a whole.
pub(crate) trait SentWhole: Send + fmt::Debug {
    /// The client threw the connection away at once, with bytes in it that it had not read.
    fn was_thrown_away(self: Box<Self>);
}

impl Activity {
    /// Counts a request that has come. It counts as being answered until the returned value is dropped.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.working.fetch_add(1, Ordering::Relaxed);
        Answering { activity: Arc::clone(self), has_answer: false }
    }

    /// Whether what is not sent yet never will be.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Makes the operating system hold few bytes that the client has not acknowledged, from now on: so that what was
    /// sent is not far from what the client took.
    pub(crate) fn hold_little(&self) {
        self.wants_little_unsent.store(true, Ordering::Release);
    }

    /// Remembers an answer that was sent whole, until the client sends something or closes its side.
    pub(crate) fn remember(&self, answer: Box<dyn SentWhole>) {
        self.last_answers.lock().push((Instant::now(), answer));
        self.last_answers.are_any.store(true, Ordering::Release);
    }

    /// The connection has failed. `is_reset`: because the client threw it away.
    fn lost(&self, is_reset: bool) {
        self.is_gone.store(true, Ordering::Release);
        for (sent_at, answer) in self.last_answers.take() {
            if is_reset && sent_at.elapsed() < THROWN_AWAY_WITHIN {
                answer.was_thrown_away();
            }
        }
    }

    /// Makes the stream send [`CONTINUE`] after the last answer and before the next one. hyper sends none for a
    /// body announced as empty, but botocore waits for one even then.
    pub(crate) async fn tell_to_go_on(&self) {
        // A client that sends its next request early may not have been sent all of the last answer yet.
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

    /// Since when no request is being answered; `None` while at least one is.
    fn rests_since(&self) -> Option<Instant> {
        let rests = self.answering.load(Ordering::Acquire) == 0;
        rests.then(|| self.opened + Duration::from_millis(self.rests_since.load(Ordering::Relaxed)))
    }
}

impl LastAnswers {
    fn take(&self) -> Vec<(Instant, Box<dyn SentWhole>)> {
        // Usually there is none, and this costs one load.
        if self.are_any.swap(false, Ordering::AcqRel) {
            std::mem::take(&mut *self.lock())
        } else {
            Vec::new()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Box<dyn SentWhole>)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered, until this value is dropped.
#[derive(Debug)]
pub(crate) struct Answering {
    activity: Arc<Activity>,
    has_answer: bool,
}

impl Answering {
    /// Notes that the answer has been made. What remains is that the client takes it.
    pub(crate) fn with_answer(mut self) -> Self {
        self.end_work();
        self
    }

    /// The connection on which the request came.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
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

/// The wrapped stream. For speed, it reads the clock and moves its timer only when the timer fires, not with
/// every byte.
#[derive(Debug)]
pub(crate) struct TimedIo<S: Socket> {
    stream: S,
    patience: Patience,
    activity: Arc<Activity>,
    timer: Pin<Box<Sleep>>,
    /// When movement was last seen, and how many bytes have moved since then.
    moved_at: Instant,
    bytes_moved: usize,
    /// Whether the last write had to wait: the client does not take what it is sent.
    is_stuffed: bool,
    /// The rest of a [`CONTINUE`] that is being written.
    to_continue: &'static [u8],
}

impl<S: Socket> TimedIo<S> {
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
            is_gone: AtomicBool::new(false),
            wants_little_unsent: AtomicBool::new(false),
            last_answers: LastAnswers::default(),
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

    /// Called when the stream has to wait. Decides whether it goes on waiting (`Pending`) or has waited too
    /// long (an error of kind `TimedOut`).
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
            // At the latest after the shorter of the two limits: no wait that begins meanwhile can be over
            // before that.
            self.timer.as_mut().reset(due.min(now + head.min(idle)));
        }
    }

    fn judge<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let outcome = if outcome.is_pending() { self.waited(context) } else { outcome };
        if let Poll::Ready(Err(error)) = &outcome {
            self.activity.lost(S::resets_tell() && error.kind() == io::ErrorKind::ConnectionReset);
        }
        outcome
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

/// What was not sent by now never will be.
impl<S: Socket> Drop for TimedIo<S> {
    fn drop(&mut self) {
        self.activity.is_gone.store(true, Ordering::Release);
    }
}

impl<S: AsyncWrite + Socket + Unpin> TimedIo<S> {
    /// What is owed before any other byte: a [`CONTINUE`], and a small buffer.
    fn poll_owed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Usually nothing is owed, and this costs two loads.
        if self.activity.wants_little_unsent.load(Ordering::Acquire) {
            self.activity.wants_little_unsent.store(false, Ordering::Release);
            self.stream.limit_unsent(LITTLE_UNSENT);
        }
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

impl<S: AsyncRead + Socket + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        self.bytes_moved = self.bytes_moved.saturating_add(bytes);
        if matches!(outcome, Poll::Ready(Ok(()))) {
            // The client goes on, or has closed its side as one does who has read everything.
            drop(self.activity.last_answers.take());
        }
        self.judge(outcome, context)
    }
}

impl<S: AsyncWrite + Socket + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_owed(context))?;
        self.activity.is_flushed.store(false, Ordering::Release);
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge_write(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_owed(context))?;
        self.activity.is_flushed.store(false, Ordering::Release);
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge_write(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_owed(context))?;
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

    /// Seconds until the connection is given up.
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
