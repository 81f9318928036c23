//! Reads the body of an answer out of the cache, and what is missing there from the origin.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::cache::Inner;
use crate::entry::{CHUNK_BYTES, StoredHead, bytes_of, chunk_at};
use crate::origin::{Origin, OriginFailure};
use crate::run::{Look, Waiter};

type Waiting = Pin<Box<dyn Future<Output = (Option<Waiter>, Result<Bytes, OriginFailure>)> + Send>>;

/// The body of an answer, or a range of it. Between two pieces it holds none: what a slow viewer has not taken is in the
/// cache or nowhere.
pub struct EdgeReader {
    inner: Arc<Inner>,
    head: Arc<StoredHead>,
    origin: Arc<dyn Origin>,
    rest: Range<u64>,
    /// The run that the last piece came from.
    waiter: Option<Waiter>,
    waiting: Option<Waiting>,
}

impl EdgeReader {
    pub(crate) fn new(
        inner: &Arc<Inner>,
        head: &Arc<StoredHead>,
        origin: &Arc<dyn Origin>,
        rest: Range<u64>,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            head: Arc::clone(head),
            origin: Arc::clone(origin),
            rest,
            waiter: None,
            waiting: None,
        }
    }

    /// How many bytes are still to come.
    pub fn remaining(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    /// The next bytes, at most so many; `None`: there are no more.
    ///
    /// A piece that is cut is copied, so that few bytes which wait to be sent keep no more than themselves in memory.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Bytes, OriginFailure>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let number = chunk_at(self.rest.start);
        let chunk = match self.chunk(context, number) {
            Poll::Ready(Ok(chunk)) => chunk,
            Poll::Ready(Err(failure)) => {
                self.rest.start = self.rest.end;
                return Poll::Ready(Some(Err(failure)));
            }
            Poll::Pending => return Poll::Pending,
        };
        let begins = number * CHUNK_BYTES;
        let offset =
            |position: u64| usize::try_from(position.saturating_sub(begins)).unwrap_or(usize::MAX);
        let from = offset(self.rest.start).min(chunk.len());
        let to = offset(self.rest.end).min(chunk.len());
        let whole = to - from;
        let size = whole.min(most.max(1));
        if size == 0 {
            self.rest.start = self.rest.end;
            let cut = OriginFailure::Failed("a piece is shorter than its place".to_owned());
            return Poll::Ready(Some(Err(cut)));
        }
        let piece = chunk.slice(from..from + size);
        let piece = if size < whole { Bytes::copy_from_slice(&piece) } else { piece };
        self.rest.start += bytes_of(size);
        Poll::Ready(Some(Ok(piece)))
    }

    fn chunk(
        &mut self,
        context: &mut Context<'_>,
        number: u64,
    ) -> Poll<Result<Bytes, OriginFailure>> {
        if let Some(body) = &self.head.body {
            return Poll::Ready(Ok(body.clone()));
        }
        if self.waiting.is_none() {
            if let Some(chunk) = self.inner.chunk(self.head.version, number) {
                return Poll::Ready(Ok(chunk));
            }
            let last = chunk_at(self.rest.end - 1);
            self.waiting = Some(Box::pin(wait_for(
                Arc::clone(&self.inner),
                (Arc::clone(&self.head), Arc::clone(&self.origin)),
                self.waiter.take(),
                number..last + 1,
            )));
        }
        let Some(waiting) = &mut self.waiting else { return Poll::Pending };
        let (waiter, found) = ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        self.waiter = waiter;
        Poll::Ready(found)
    }
}

/// Waits for the first of these pieces, in a run that is under way or in a new one.
async fn wait_for(
    inner: Arc<Inner>,
    (head, origin): (Arc<StoredHead>, Arc<dyn Origin>),
    mut waiter: Option<Waiter>,
    chunks: Range<u64>,
) -> (Option<Waiter>, Result<Bytes, OriginFailure>) {
    let number = chunks.start;
    loop {
        if let Some(chunk) = inner.find_chunk(head.version, number).await {
            return (waiter, Ok(chunk));
        }
        let joined = match waiter.take().filter(|waiter| waiter.run().covers(number)) {
            Some(joined) => joined,
            None => inner.join_run(&head, &origin, chunks.clone()),
        };
        match joined.wait(number).await {
            Look::There(chunk) => return (Some(joined), Ok(chunk)),
            Look::Failed(failure) => return (None, Err(failure)),
            Look::Gone | Look::Coming => {}
        }
    }
}

impl fmt::Debug for EdgeReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EdgeReader").field("rest", &self.rest).finish_non_exhaustive()
    }
}
