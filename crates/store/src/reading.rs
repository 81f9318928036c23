//! Streams a range of a body: opens only the blobs, and of those only the chunks, that it touches.

mod opened;
mod pinned;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use iam::CustomerKey;

use crate::backend::{BlobSource, Blobs};
use crate::body::{
    Blob, BlobCipher, BlobId, Body, CHUNK_BYTES, End, FileRange, PIECE_BYTES_MAX, Room, TAG_BYTES,
    may_be_resident,
};
use crate::engines::{BlobsEngine, EngineSource};
use crate::vault::Vault;
use crate::{Object, StoreError, Unlocked};
use opened::{ChunkAt, OpenedChunk, OpenedChunks};
use pinned::{Held, InUse};

/// What all readers of a store share: the records that are being read, and chunks that were opened.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    in_use: InUse,
    chunks: Arc<OpenedChunks>,
}

/// Streams a range of a body, in pieces of [`PIECE_BYTES_MAX`] at most. It completes even if the object is
/// deleted meanwhile.
pub struct BodyReader {
    object: Arc<Object>,
    key: Option<CustomerKey>,
    blobs: Arc<BlobsEngine>,
    vault: Arc<Vault>,
    /// What is still to be read, in bytes of the body.
    range: Range<u64>,
    state: State,
    chunks: Arc<OpenedChunks>,
    /// Once something was taken that ends within a chunk.
    opened: Option<OpenedChunk>,
    /// While this lives no blob of the body is removed.
    _held: Option<Held>,
}

/// Some bytes of a body, in the order in which they are sent: whoever sends them chooses how.
#[derive(Debug)]
pub enum Segment {
    /// Bytes in memory, decrypted where they rest encrypted.
    Bytes(Bytes),
    /// A range of a file, which rests there as it is sent.
    File(FileRange),
}

enum State {
    /// The bytes are in memory.
    Resident,
    /// Between two pieces; the blob that the last piece was in is still open if that was of full length.
    Idle(Option<Open>),
    /// The next piece is being read from the disk.
    Reading(PendingRead, Piece),
    /// The body was read to its end, or reading failed.
    Over,
}

type PendingRead = Pin<Box<dyn Future<Output = (Open, Result<Room, StoreError>)> + Send>>;

/// A blob that is being read.
struct Open {
    index: usize,
    id: BlobId,
    /// Of the rest of the range.
    source: EngineSource,
    /// Where in the blob the source goes on.
    at: u64,
    cipher: Option<BlobCipher>,
}

/// The next bytes to read: stored bytes of one blob, and what is wanted of them in plain.
#[derive(Clone, Copy)]
struct Piece {
    index: usize,
    stored_offset: u64,
    stored_size: usize,
    /// Where the range ends in this blob, which is what an engine is asked for at once.
    stored_end: u64,
    /// The first chunk of it.
    first: u64,
    end: End,
    /// How many plain bytes at its front are not wanted, and how many are.
    skip: usize,
    wanted: usize,
    /// Whether its file stays open until the next piece.
    keeps_open: bool,
}

impl BodyReader {
    pub(crate) fn new(
        unlocked: &Unlocked,
        range: Range<u64>,
        blobs: &Arc<BlobsEngine>,
        vault: &Arc<Vault>,
        readers: &Readers,
    ) -> Self {
        let Unlocked { object, key } = unlocked;
        let end = range.end.min(object.size);
        let range = range.start.min(end)..end;
        let resident = object.resident.get().is_some() || range.is_empty();
        let state = if resident { State::Resident } else { State::Idle(None) };
        let in_files = matches!(object.body, Body::Files(_)) && !range.is_empty();
        // What is in memory may have to be read from its file all the same.
        let held = (in_files || !resident).then(|| readers.in_use.hold(object, blobs)).unzip();
        let object = held.0.unwrap_or_else(|| Arc::clone(object));
        let (key, chunks) = (key.clone(), Arc::clone(&readers.chunks));
        let (blobs, vault) = (Arc::clone(blobs), Arc::clone(vault));
        Self { object, key, blobs, vault, range, state, chunks, opened: None, _held: held.1 }
    }

    /// Reads and authenticates the first bytes of the range, so that nobody begins an answer that has none. They are let
    /// go again: whoever takes none for a while holds no memory, and no file.
    pub async fn prove(&mut self) -> Result<(), StoreError> {
        if !matches!(self.state, State::Idle(_)) {
            return Ok(());
        }
        let first = self.range.start..self.range.start.saturating_add(1);
        let piece = next_piece(self.object.body.blobs(), &first, PIECE_BYTES_MAX)
            .ok_or(StoreError::Corrupt { what: "length of a body" })?;
        let Open { id, mut source, cipher, .. } = self.open(piece)?;
        let now = source.read_now(piece.stored_size);
        let mut stored = if let Some(stored) = now {
            stored
        } else {
            // Those that wait for the disk together have no file open yet.
            drop(source);
            self.blobs.source(id, piece.stored()).read(piece.stored_size).await.1?
        };
        match cipher {
            Some(cipher) => cipher.open(&mut stored, piece.first, piece.end),
            None => Ok(()),
        }
    }

    /// The next bytes; `None` at the end of the range. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        std::future::poll_fn(|context| self.poll_next(context, PIECE_BYTES_MAX)).await
    }

    /// As [`next`](Self::next), for a body type to poll: `most` bytes, or fewer, and never a part of something longer
    /// that would be kept in memory with it. Between two pieces the file stays open only if `most` is
    /// [`PIECE_BYTES_MAX`]: whoever has not so much room keeps nothing that waits with it.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Bytes, StoreError>>> {
        let piece = self.poll_piece(context, most.max(1));
        if let Poll::Ready(Some(Err(_)) | None) = &piece {
            self.range.start = self.range.end;
            self.state = State::Over;
        }
        piece
    }

    /// As [`poll_next`](Self::poll_next), for whoever can send a range of a file by itself: what rests there as it is sent
    /// is answered so, up to the end of its blob and however long, and anything else as bytes.
    pub fn poll_segment(
        &mut self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Segment, StoreError>>> {
        match self.file_now() {
            Some(file) => Poll::Ready(Some(Ok(Segment::File(file)))),
            None => {
                self.poll_next(context, most).map(|next| next.map(|next| next.map(Segment::Bytes)))
            }
        }
    }

    /// The rest of a plain blob, between two pieces, if its file can be opened at once and is as long as it should be.
    fn file_now(&mut self) -> Option<FileRange> {
        if self.range.is_empty() || !matches!(self.state, State::Idle(_)) {
            return None;
        }
        let piece = next_piece(self.object.body.blobs(), &self.range, PIECE_BYTES_MAX)?;
        let blob = self.object.body.blobs().get(piece.index)?;
        if blob.sealed_key.is_some() {
            return None;
        }
        let stored = piece.stored_offset..piece.stored_end;
        let FileRange { file, range } = self.blobs.source(blob.id, stored).file_now()?;
        if file.metadata().ok()?.len() < range.end {
            return None;
        }
        let size = range.end.checked_sub(range.start)?;
        self.range.start = self.range.start.checked_add(size)?;
        Some(FileRange { file, range })
    }

    /// How many bytes are still to come.
    pub fn remaining(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Bytes, StoreError>>> {
        if self.range.is_empty() {
            return Poll::Ready(None);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => Poll::Ready(None),
            State::Resident if self.shares(most) => Poll::Ready(Some(self.resident())),
            State::Resident => self.part_from_resident(most, context),
            State::Idle(open) => self.start(open, most, context),
            State::Reading(reading, piece) => self.go_on(reading, piece, context),
        }
    }

    /// Whether what is to come of a body in memory may be held as it is, shared with the cache.
    fn shares(&self, most: usize) -> bool {
        self.remaining() <= u64::try_from(most).unwrap_or(u64::MAX)
    }

    fn resident(&mut self) -> Result<Bytes, StoreError> {
        let missing = StoreError::Corrupt { what: "length of a small body" };
        let range = usize_range(&self.range).ok_or_else(|| missing.clone())?;
        self.range.start = self.range.end;
        let bytes = self.object.resident.get().ok_or_else(|| missing.clone())?;
        if range.len() == bytes.len() {
            return Ok(bytes.clone());
        }
        bytes.get(range).map(Bytes::copy_from_slice).ok_or(missing)
    }

    /// Goes on without the bytes in memory, for which there is no room once the cache has dropped them: from the
    /// file, or, of a row's few, copy by copy.
    fn part_from_resident(
        &mut self,
        most: usize,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, StoreError>>> {
        if let Body::Files(_) = self.object.body {
            self.object = Arc::new(self.object.without_resident());
            return self.start(None, most, context);
        }
        let end = self.range.end;
        let stop = u64::try_from(most).ok().and_then(|most| self.range.start.checked_add(most));
        self.range.end = stop.map_or(end, |stop| stop.min(end));
        let piece = self.resident();
        self.range = self.range.end..end;
        self.state = State::Resident;
        Poll::Ready(Some(piece))
    }

    /// Reads the next piece, at once if its bytes are in the page cache.
    fn start(
        &mut self,
        open: Option<Open>,
        most: usize,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, StoreError>>> {
        let Some(piece) = next_piece(self.object.body.blobs(), &self.range, most) else {
            return Poll::Ready(Some(Err(StoreError::Corrupt { what: "length of a body" })));
        };
        let wanted = piece.skip..piece.skip.saturating_add(piece.wanted);
        let opened = self.opened.as_ref();
        if let Some(bytes) = opened.and_then(|opened| opened.take(piece.chunk(), wanted)) {
            self.note_delivered(piece);
            self.state = State::Idle(open.filter(|_| piece.keeps_open));
            return Poll::Ready(Some(Ok(bytes)));
        }
        let goes_on = |open: &Open| open.index == piece.index && open.at == piece.stored_offset;
        let mut open = match open.filter(goes_on) {
            Some(open) => open,
            None => match self.open(piece) {
                Ok(open) => open,
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        if let Some(stored) = open.source.read_now(piece.stored_size) {
            return Poll::Ready(Some(self.deliver(open, stored, piece)));
        }
        if !piece.keeps_open {
            // It is opened by the thread that reads it: of those that wait for the disk together few are open.
            open.source = self.blobs.source(open.id, piece.stored());
        }
        let reading = Box::pin(async move {
            let Open { index, id, source, at, cipher } = open;
            let (source, read) = source.read(piece.stored_size).await;
            (Open { index, id, source, at, cipher }, read)
        });
        self.go_on(reading, piece, context)
    }

    fn go_on(
        &mut self,
        mut reading: PendingRead,
        piece: Piece,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, StoreError>>> {
        match reading.as_mut().poll(context) {
            Poll::Pending => {
                self.state = State::Reading(reading, piece);
                Poll::Pending
            }
            Poll::Ready((open, read)) => {
                Poll::Ready(Some(read.and_then(|stored| self.deliver(open, stored, piece))))
            }
        }
    }

    /// Opens the blob of a piece, to be read from there to the end of the range.
    fn open(&self, piece: Piece) -> Result<Open, StoreError> {
        let (index, at) = (piece.index, piece.stored_offset);
        let blob = self.object.body.blobs().get(index);
        let blob = blob.ok_or(StoreError::Corrupt { what: "blobs of a body" })?;
        let range = if piece.keeps_open { at..piece.stored_end } else { piece.stored() };
        let source = self.blobs.source(blob.id, range);
        let cipher = self.vault.open_cipher(blob, self.key.as_ref())?;
        Ok(Open { index, id: blob.id, source, at, cipher })
    }

    fn note_delivered(&mut self, piece: Piece) {
        let delivered = u64::try_from(piece.wanted).unwrap_or(u64::MAX);
        self.range.start = self.range.start.saturating_add(delivered);
    }

    fn deliver(
        &mut self,
        mut open: Open,
        mut room: Room,
        piece: Piece,
    ) -> Result<Bytes, StoreError> {
        open.at = piece.stored().end;
        if let Some(cipher) = &open.cipher {
            cipher.open(&mut room, piece.first, piece.end)?;
        }
        let plain = Bytes::from_owner(room);
        let wanted = piece.skip..piece.skip.saturating_add(piece.wanted);
        if plain.len() < wanted.end {
            return Err(StoreError::Corrupt { what: "length of a piece" });
        }
        self.note_delivered(piece);
        let whole = u64::try_from(plain.len()) == Ok(self.object.size);
        // Whoever goes on reading must not keep all of it.
        if whole && self.range.is_empty() && may_be_resident(&self.object.body, self.object.size) {
            // Another reader may have been faster; the bytes are the same.
            let _same = self.object.resident.set(plain.clone());
        }
        if open.cipher.is_some() && wanted.end < plain.len() && !self.range.is_empty() {
            let opened = self.opened.get_or_insert_with(|| self.chunks.reader());
            opened.keep(piece.chunk(), plain.clone());
        }
        self.state = State::Idle((piece.keeps_open && !self.range.is_empty()).then_some(open));
        if wanted.len() == plain.len() {
            return Ok(plain);
        }
        // A slice would keep all that was read for as long as somebody does not take it.
        Ok(plain.get(wanted).map(Bytes::copy_from_slice).unwrap_or_default())
    }
}

impl Piece {
    /// Where its first chunk is.
    fn chunk(&self) -> ChunkAt {
        (self.index, self.first)
    }

    /// Which of the blob's stored bytes it is.
    fn stored(&self) -> Range<u64> {
        let size = u64::try_from(self.stored_size).unwrap_or(u64::MAX);
        self.stored_offset..self.stored_offset.saturating_add(size)
    }
}

fn usize_range(range: &Range<u64>) -> Option<Range<usize>> {
    Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

/// The piece at the front of a range that is not empty, of `most` bytes or fewer; `None`: the blobs are shorter than
/// that.
fn next_piece(blobs: &[Blob], range: &Range<u64>, most: usize) -> Option<Piece> {
    let most = most.clamp(1, PIECE_BYTES_MAX);
    let step = u64::try_from(PIECE_BYTES_MAX).ok()?;
    // Of a power of two, so that pieces and chunks begin together.
    let short_step = u64::try_from(most.checked_next_power_of_two()?).ok()?;
    let short_step = if most.is_power_of_two() { short_step } else { short_step / 2 };
    let most = u64::try_from(most).ok()?;
    let mut blob_start = 0_u64;
    for (index, blob) in blobs.iter().enumerate() {
        let blob_end = blob_start.checked_add(blob.size)?;
        if range.start >= blob_end {
            blob_start = blob_end;
            continue;
        }
        // From here on in bytes of this blob.
        let from = range.start.checked_sub(blob_start)?;
        let to = range.end.min(blob_end).checked_sub(blob_start)?;
        let next = |step: u64| (from / step).checked_add(1)?.checked_mul(step);
        let mut stop = next(step)?.min(to);
        if stop.checked_sub(from)? > most {
            stop = next(short_step)?;
        }
        let encrypted = blob.sealed_key.is_some();
        let first = from / CHUNK_BYTES;
        let (start, end) = if encrypted {
            (first.checked_mul(CHUNK_BYTES)?, stop.checked_next_multiple_of(CHUNK_BYTES)?)
        } else {
            (from, stop)
        };
        let end = end.min(blob.size);
        let tags = if encrypted { TAG_BYTES } else { 0 };
        let chunks = end.checked_sub(start)?.div_ceil(CHUNK_BYTES);
        let stored_size = end.checked_sub(start)?.checked_add(chunks.checked_mul(tags)?)?;
        let last =
            if encrypted { to.checked_next_multiple_of(CHUNK_BYTES)?.min(blob.size) } else { to };
        let tags_before_end = last.div_ceil(CHUNK_BYTES).checked_mul(tags)?;
        return Some(Piece {
            index,
            stored_offset: start.checked_add(first.checked_mul(tags)?)?,
            stored_size: usize::try_from(stored_size).ok()?,
            stored_end: last.checked_add(tags_before_end)?,
            first,
            end: if end == blob.size { End::Last } else { End::More },
            skip: usize::try_from(from.checked_sub(start)?).ok()?,
            wanted: usize::try_from(stop.checked_sub(from)?).ok()?,
            keeps_open: most >= step,
        });
    }
    None
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyReader({:?}, ..)", self.range)
    }
}
