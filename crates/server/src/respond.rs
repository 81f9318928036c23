//! Answers: status, headers, a body whose bytes are counted, and the ids that every answer carries.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use edge::EdgeReader;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use store::BodyReader;

use crate::error::S3Error;
use crate::link_rate::Throttle;
use crate::link_uses::BytesUse;
use crate::made::MadeBody;
use crate::timed::{Activity, Answering, SentWhole};
use crate::unsent::{Held, Unsent, piece_bytes_max};

/// The number of headers that an answer usually has at most.
const HEADERS_USUAL: usize = 16;

/// The longest piece of a body that counts to a use of a link: what was taken is known as exactly as this.
const COUNTED_PIECE_BYTES_MAX: usize = 32 * 1024;

/// The longest answer that a client can be sent whole without having read it: it fits into the buffers on the way.
const UNREAD_BYTES_MAX: u64 = 256 * 1024;

/// What an operation returns: an answer without the ids.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
    /// Few answers have it, and a small answer is moved in little time.
    flow: Option<Box<Flow>>,
}

/// What the conditions of a link do to the body of its answer.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Holds the body to the link's rate.
    pub(crate) throttle: Option<Throttle>,
    /// The use of the link to which the body counts.
    pub(crate) using: Option<BytesUse>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Empty,
    Full(Bytes),
    /// An object's bytes as the store reads them.
    Object(Box<BodyReader>),
    /// Bytes that are made while they are sent.
    Made(Box<MadeBody>),
    /// Bytes out of the cache of distributions.
    Edge(Box<EdgeReader>),
}

impl Reply {
    /// Sets what the conditions of a link do to the body.
    pub(crate) fn flow(&mut self) -> &mut Flow {
        self.flow.get_or_insert_default()
    }

    /// The body, and what the conditions of a link do to it.
    pub(crate) fn take_flowing(&mut self) -> (ReplyBody, Option<Box<Flow>>) {
        (std::mem::replace(&mut self.body, ReplyBody::Empty), self.flow.take())
    }

    pub(crate) fn new(status: StatusCode) -> Self {
        // Room for the headers of an object, so that the map seldom grows.
        let headers = HeaderMap::with_capacity(HEADERS_USUAL);
        Self { status, headers, body: ReplyBody::Empty, flow: None }
    }

    /// 200 with an XML document.
    pub(crate) fn xml(document: String) -> Self {
        Self::new(StatusCode::OK).with_xml(document)
    }

    pub(crate) fn with_xml(mut self, document: String) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        self.body = ReplyBody::Full(Bytes::from(document));
        self
    }

    /// A refusal as the client sees it.
    pub(crate) fn refusal(error: &S3Error, ids: &Ids) -> Self {
        let status = error.code().status();
        let mut reply = Self::new(status);
        for (name, value) in error.headers() {
            reply.headers.append(name.clone(), value.clone());
        }
        reply.with_xml(error.to_xml(&ids.request_id, &ids.host_id))
    }

    /// An answer without ids and without a line in the log.
    pub(crate) fn into_plain_response(self) -> hyper::Response<ResponseBody> {
        let mut response = hyper::Response::new(ResponseBody::unobserved(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// Sets a header from text. Text that no header can carry is left out; this cannot happen to text that was
    /// read from a header or computed here.
    pub(crate) fn set_text(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.insert(name, value);
        }
    }

    /// Like [`Self::set_text`], if there is a value.
    pub(crate) fn set_optional(&mut self, name: HeaderName, value: Option<&str>) {
        if let Some(value) = value {
            self.set_text(name, value);
        }
    }
}

/// The two ids of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) request_id: String,
    pub(crate) host_id: String,
}

impl Ids {
    pub(crate) fn set_on(&self, reply: &mut Reply) {
        const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
        const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
        reply.set_text(REQUEST_ID, &self.request_id);
        reply.set_text(ID_2, &self.host_id);
    }
}

/// A host id is the base64 of this many words of eight bytes.
const HOST_ID_WORDS: u64 = 7;

/// Makes ids that do not repeat: they name a request in a log, they keep no secret.
#[derive(Debug)]
pub(crate) struct IdSource {
    seeds: [std::hash::RandomState; 2],
    next: AtomicU64,
}

impl IdSource {
    pub(crate) fn new() -> Self {
        let seeds = [std::hash::RandomState::new(), std::hash::RandomState::new()];
        Self { seeds, next: AtomicU64::new(1 << 32) }
    }

    pub(crate) fn next(&self) -> Ids {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let [first, second] = &self.seeds;
        let mut bits = (u128::from(hash(first, n)) << 64) | u128::from(hash(second, n));
        let mut request_id = String::with_capacity(16);
        for _ in 0..16 {
            let index = usize::try_from(bits & 31).unwrap_or_default();
            request_id.push(ALPHABET.get(index).map_or('0', |&letter| char::from(letter)));
            bits >>= 5;
        }
        let words = (0..HOST_ID_WORDS).flat_map(|word| hash(second, (n, word)).to_be_bytes());
        Ids { request_id, host_id: STANDARD.encode(words.collect::<Vec<u8>>()) }
    }
}

fn hash(seed: &std::hash::RandomState, what: impl std::hash::Hash) -> u64 {
    std::hash::BuildHasher::hash_one(seed, what)
}

/// Told when a response has ended: its last byte was taken, or its connection is gone.
pub(crate) trait Finished: Send {
    /// `bytes_out` bytes of the body were taken; `whole` says whether those were all.
    fn finished(self: Box<Self>, bytes_out: u64, whole: bool);
}

/// The body that hyper sends. It counts the bytes that were taken, and reports once at its end.
pub struct ResponseBody {
    body: ReplyBody,
    bytes_out: u64,
    whole: bool,
    observer: Option<Box<dyn Finished>>,
    /// The bound on what the connection holds; `None`: no bound.
    unsent: Option<Unsent>,
    /// The room for the piece that is being read.
    room: Option<Held>,
    /// Tells the connection's stream that a request is still being answered.
    answering: Option<Answering>,
    /// What holds the body to the rate of its link, with the piece that waits.
    throttle: Option<Box<(Throttle, Bytes)>>,
    /// The use of a link to which the body counts.
    using: Option<Arc<BytesUse>>,
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").field("bytes_out", &self.bytes_out).finish_non_exhaustive()
    }
}

impl ResponseBody {
    pub(crate) fn new(
        (body, flow): (ReplyBody, Option<Box<Flow>>),
        unsent: Option<&Unsent>,
        observer: Box<dyn Finished>,
    ) -> Self {
        let mut response = Self::unobserved(body);
        response.unsent = unsent.cloned();
        response.observer = Some(observer);
        if let Some(flow) = flow {
            let Flow { throttle, using } = *flow;
            response.throttle = throttle.map(|throttle| Box::new((throttle, Bytes::new())));
            response.using = using.map(Arc::new);
        }
        response
    }

    /// Keeps `answering` until the last byte was taken or the connection is gone.
    pub(crate) fn hold(&mut self, answering: Answering) {
        let answering = answering.with_answer();
        if self.using.is_some() {
            answering.activity().hold_little();
        }
        self.answering = Some(answering);
    }

    fn unobserved(body: ReplyBody) -> Self {
        let whole = matches!(body, ReplyBody::Empty);
        Self {
            body,
            bytes_out: 0,
            whole,
            observer: None,
            unsent: None,
            room: None,
            answering: None,
            throttle: None,
            using: None,
        }
    }

    fn poll_object(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, store::StoreError>>> {
        let ReplyBody::Object(reader) = &mut self.body else { return Poll::Ready(None) };
        let rate = self.throttle.as_ref().map(|it| it.0.piece_bytes_max());
        let counted = if self.using.is_some() { COUNTED_PIECE_BYTES_MAX } else { usize::MAX };
        let piece_max = rate.unwrap_or(usize::MAX).min(counted);
        let Some(unsent) = &self.unsent else {
            return reader.poll_next(context, store::PIECE_BYTES_MAX.min(piece_max));
        };
        if self.room.is_none() {
            let piece = u64::try_from(piece_max).unwrap_or(u64::MAX);
            self.room = unsent.room_for_piece(reader.remaining().min(piece));
        }
        let most = piece_bytes_max(self.room.as_ref()).min(piece_max);
        let next = ready!(reader.poll_next(context, most));
        if reader.remaining() == 0 {
            // Frees the record and the file now: it may take long until the last bytes are taken.
            self.body = ReplyBody::Empty;
        }
        let room = self.room.take();
        Poll::Ready(next.map(|piece| {
            piece.map(|piece| match room {
                Some(room) => room.with(piece),
                None => piece,
            })
        }))
    }

    fn poll_made(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, store::StoreError>>> {
        let ReplyBody::Made(made) = &mut self.body else { return Poll::Ready(None) };
        let Some(ready) = ready!(made.poll_ready(context)) else {
            self.body = ReplyBody::Empty;
            return Poll::Ready(None);
        };
        Poll::Ready(Some(ready.map(|bytes| {
            let Some(unsent) = &self.unsent else { return made.take(bytes) };
            let room = unsent.room_for_piece(u64::try_from(bytes).unwrap_or(u64::MAX));
            let piece = made.take(piece_bytes_max(room.as_ref()).min(bytes));
            match room {
                Some(room) => room.with(piece),
                None => piece,
            }
        })))
    }

    fn poll_edge(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, store::StoreError>>> {
        let ReplyBody::Edge(reader) = &mut self.body else { return Poll::Ready(None) };
        let mut most = store::PIECE_BYTES_MAX;
        if let Some(unsent) = &self.unsent {
            if self.room.is_none() {
                self.room = unsent.room_for_piece(reader.remaining());
            }
            most = piece_bytes_max(self.room.as_ref());
        }
        let next = ready!(reader.poll_next(context, most));
        if reader.remaining() == 0 {
            self.body = ReplyBody::Empty;
        }
        let room = self.room.take();
        Poll::Ready(next.map(|piece| match (piece, room) {
            (Ok(piece), Some(room)) => Ok(room.with(piece)),
            (Ok(piece), None) => Ok(piece),
            (Err(failure), _) => {
                tracing::debug!(%failure, "the rest of a body could not be read from its origin");
                Err(store::StoreError::BodyGone)
            }
        }))
    }

    /// The next piece, as soon as it is read.
    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, store::StoreError>>> {
        match &mut self.body {
            ReplyBody::Empty => Poll::Ready(None),
            ReplyBody::Full(bytes) => {
                let rate = self.throttle.as_ref().map(|it| it.0.piece_bytes_max());
                let piece = bytes.split_to(rate.unwrap_or(bytes.len()).min(bytes.len()));
                if bytes.is_empty() {
                    self.body = ReplyBody::Empty;
                }
                Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
            }
            ReplyBody::Object(_) => self.poll_object(context),
            ReplyBody::Made(_) => self.poll_made(context),
            ReplyBody::Edge(_) => self.poll_edge(context),
        }
    }

    /// The next piece, once the rate of the link lets it pass.
    fn poll_passed(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, store::StoreError>>> {
        let waits = self.throttle.as_ref().is_some_and(|it| !it.1.is_empty());
        let next = if waits { None } else { ready!(self.poll_piece(context)) };
        let Some((throttle, waiting)) = self.throttle.as_deref_mut() else {
            return Poll::Ready(next);
        };
        match next {
            Some(Ok(piece)) => *waiting = piece,
            None if waits => {}
            other @ (None | Some(Err(_))) => return Poll::Ready(other),
        }
        ready!(throttle.poll_pass(context, waiting.len()));
        Poll::Ready(Some(Ok(std::mem::take(waiting))))
    }

    /// Ties a piece to the use of the link: it counts as taken when it is dropped on a connection that goes on.
    fn counted(&self, piece: Bytes) -> Bytes {
        let Some(using) = &self.using else { return piece };
        let connection = self.answering.as_ref().map(|answering| Arc::clone(answering.activity()));
        Bytes::from_owner(UsedPiece { piece, using: Arc::clone(using), connection })
    }

    fn waiting(&self) -> usize {
        self.throttle.as_ref().map_or(0, |it| it.1.len())
    }
}

/// A piece that is sent under a use of a link.
struct UsedPiece {
    piece: Bytes,
    using: Arc<BytesUse>,
    connection: Option<Arc<Activity>>,
}

impl AsRef<[u8]> for UsedPiece {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for UsedPiece {
    fn drop(&mut self) {
        if !self.connection.as_ref().is_some_and(|connection| connection.is_gone()) {
            self.using.took(u64::try_from(self.piece.len()).unwrap_or(u64::MAX));
        }
    }
}

/// A whole answer under a use of a link.
#[derive(Debug)]
struct UsedAnswer {
    bytes: u64,
    using: Arc<BytesUse>,
}

impl SentWhole for UsedAnswer {
    fn was_thrown_away(self: Box<Self>) {
        self.using.took_not(self.bytes);
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = store::StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match ready!(this.poll_passed(context)) {
            Some(Ok(bytes)) => {
                this.bytes_out += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                this.whole = this.is_end_stream();
                Poll::Ready(Some(Ok(Frame::data(this.counted(bytes)))))
            }
            Some(Err(error)) => {
                tracing::error!(%error, "an object's body could not be read");
                Poll::Ready(Some(Err(error)))
            }
            None => {
                this.whole = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_read = match &self.body {
            ReplyBody::Empty => true,
            ReplyBody::Full(bytes) => bytes.is_empty(),
            ReplyBody::Object(reader) => reader.remaining() == 0,
            ReplyBody::Edge(reader) => reader.remaining() == 0,
            // Only the next poll can tell.
            ReplyBody::Made(_) => false,
        };
        is_read && self.waiting() == 0
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = u64::try_from(self.waiting()).unwrap_or(u64::MAX);
        SizeHint::with_exact(waiting.saturating_add(match &self.body {
            ReplyBody::Empty => 0,
            ReplyBody::Full(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            ReplyBody::Object(reader) => reader.remaining(),
            ReplyBody::Edge(reader) => reader.remaining(),
            ReplyBody::Made(_) => return SizeHint::new(),
        }))
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(observer) = self.observer.take() {
            observer.finished(self.bytes_out, self.whole);
        }
        let is_short = self.bytes_out <= UNREAD_BYTES_MAX;
        if let (true, Some(using), Some(answering)) =
            (self.whole && is_short, self.using.take(), &self.answering)
        {
            answering.activity().remember(Box::new(UsedAnswer { bytes: self.bytes_out, using }));
        }
    }
}
