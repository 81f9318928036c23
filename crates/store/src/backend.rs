//! The two seams: records ([`metadata`]) and bytes ([`Blobs`]). An engine is behind each, chosen when the store is opened
//! (`engines.rs`). Both tell the store what it has to know of the place they write to ([`Premises`]).

pub(crate) mod embedded;
pub(crate) mod files;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod metadata;
pub(crate) mod record;
pub(crate) mod sqlite;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;

use crate::StoreError;
use crate::body::{Blob, BlobId, FileRange, Room};
use crate::lock::lock;

/// Where engines keep what they are given, as far as the layers above them must know.
pub(crate) trait Premises: fmt::Debug + Send + Sync {
    /// Whether no other process writes there, so that what one before this one had begun is of no use to anybody.
    fn is_alone(&self) -> bool;
    /// Fails where writes are not taken any more.
    fn check_writes(&self) -> Result<(), StoreError>;
    /// Fails where there is no room for so many bytes.
    fn check_room(&self, size: u64) -> Result<(), StoreError>;
    /// How much room there is, for the run of maintenance that asks: it keeps to that.
    fn survey(&self) -> Space;
    /// How long garbage must rest before it is removed: whoever has looked up a record may not have begun to read.
    fn garbage_rest(&self, space: Space) -> SignedDuration;
    /// How many blobs may be removed before they are forgotten.
    fn removed_at_once(&self) -> usize;
    /// A turn to remove blobs in; `None`: they are being copied.
    fn removal_turn(&self) -> Option<RemovalTurn>;
}

/// While this lives blobs may be removed.
pub(crate) type RemovalTurn = Box<dyn Send>;

/// Whether there is room enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// An engine's own files may be as long as is best for speed.
    Enough,
    /// Writes are refused for want of room.
    Short,
}

/// A finished blob that no record points at yet.
#[derive(Debug)]
pub(crate) struct StagedFile {
    pub(crate) blob: Blob,
    pub(crate) unpublished: Unpublished,
}

/// The duty to remove a blob unless a record comes to point at it. Whoever has the last word on that
/// owns it: first the stage, then the transaction.
#[derive(Debug)]
pub(crate) struct Unpublished {
    id: BlobId,
    abandoned: Option<Arc<Abandoned>>,
}

impl Unpublished {
    pub(crate) fn new(id: BlobId, abandoned: Arc<Abandoned>) -> Self {
        Self { id, abandoned: Some(abandoned) }
    }

    /// A record points at the blob, or nobody knows whether one does: it stays, and its intent, if
    /// there still is one, is left to the next start.
    pub(crate) fn keep(mut self) {
        self.abandoned = None;
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if let Some(abandoned) = self.abandoned.take() {
            let mut ids = lock(&abandoned.0);
            if ids.len() < ABANDONED_MAX {
                ids.push(self.id);
            }
        }
    }
}

/// How many abandoned blobs are remembered; what is over waits until its intent is old.
const ABANDONED_MAX: usize = 65_536;

/// Blobs that were staged and given up, to be removed by the next sweep.
#[derive(Debug, Default)]
pub(crate) struct Abandoned(Mutex<Vec<BlobId>>);

impl Abandoned {
    pub(crate) fn take(&self) -> Vec<BlobId> {
        std::mem::take(&mut lock(&self.0))
    }
}

/// Bytes under opaque ids, each written once, from its first byte to its last.
pub(crate) trait Blobs: Send + Sync {
    /// What writes one blob.
    type Writer: BlobWriter;
    /// What reads a range of one blob.
    type Source: BlobSource;
    /// Keeps blobs from being removed while it lives.
    type Pins: Send + Sync;

    /// An id that was never given before.
    fn new_id(&self) -> Result<BlobId, StoreError>;
    /// Begins a blob that `size` bytes are announced for, if any are.
    fn begin(
        &self,
        id: BlobId,
        size: Option<u64>,
    ) -> impl Future<Output = Result<Self::Writer, StoreError>> + Send;
    /// A reader of a range of a finished blob, which is named once: an engine may ask for all of it at the first
    /// read, and stream.
    fn source(&self, id: BlobId, range: Range<u64>) -> Self::Source;
    /// Keeps blobs from being removed for as long as the answer lives, as far as this process removes them.
    fn pin(&self, ids: Vec<BlobId>) -> Self::Pins;
    /// Removes blobs, begun or finished, durably; answers those that are gone, which leaves out the
    /// pinned ones.
    fn remove(
        &self,
        ids: Vec<BlobId>,
    ) -> impl Future<Output = Result<Vec<BlobId>, StoreError>> + Send;
}

/// A blob that is being written.
pub(crate) trait BlobWriter: Send + Sized {
    /// Adds bytes at its end: those that `make` makes, on the thread that writes them. What it makes
    /// beside them is the answer.
    fn append<B: AsRef<[u8]>, T: Send + 'static>(
        self,
        make: impl FnOnce() -> Result<(B, T), StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<(Self, T), StoreError>> + Send;
    /// Ends the blob: all its bytes are on stable storage and can be read.
    fn finish(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A range of a blob that is being read, from its first byte to its last.
pub(crate) trait BlobSource: Send + Sized {
    /// The next bytes, if they can be had without waiting.
    fn read_now(&mut self, size: usize) -> Option<Room>;
    /// All that is left, as a range of a file of this machine, if it is in one that can be opened without waiting.
    fn file_now(&mut self) -> Option<FileRange>;
    /// The next bytes; exactly so many, or an error.
    fn read(self, size: usize) -> impl Future<Output = (Self, Result<Room, StoreError>)> + Send;
}
