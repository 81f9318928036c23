//! Chunks that were opened for readers who take less than a chunk at a time: opened once for all that is taken of it,
//! as long as not too many do so.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::lock::lock;

/// How many chunks of a store are kept so: 8 MiB.
const KEPT_MAX: usize = 128;
/// A chunk has to give way to another when its reader took nothing while others asked so often. Sooner, and readers in
/// turns, more than there is room for, would all find theirs gone.
const PATIENCE: u64 = 8 * 128;

/// Where a chunk is in a body: in which blob, and its number there.
pub(super) type ChunkAt = (usize, u64);

/// The opened chunks of all readers of a store.
#[derive(Default)]
pub(crate) struct OpenedChunks(Mutex<All>);

#[derive(Default)]
struct All {
    readers: u64,
    /// How many times any reader asked for a chunk.
    asked: u64,
    kept: Vec<Kept>,
}

struct Kept {
    reader: u64,
    at: ChunkAt,
    plain: Bytes,
    /// When its reader asked last, counted as [`All::asked`].
    used: u64,
}

impl OpenedChunks {
    pub(super) fn reader(self: &Arc<Self>) -> OpenedChunk {
        let mut all = lock(&self.0);
        all.readers = all.readers.wrapping_add(1);
        OpenedChunk { reader: all.readers, all: Arc::clone(self) }
    }
}

impl fmt::Debug for OpenedChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedChunks({} kept)", lock(&self.0).kept.len())
    }
}

/// The one chunk that a reader may have there, as long as it lives.
pub(super) struct OpenedChunk {
    reader: u64,
    all: Arc<OpenedChunks>,
}

impl OpenedChunk {
    /// A copy of some bytes of that chunk, if it is still there. With its last byte it goes.
    pub(super) fn take(&self, at: ChunkAt, wanted: Range<usize>) -> Option<Bytes> {
        let mut all = lock(&self.all.0);
        all.asked = all.asked.wrapping_add(1);
        let asked = all.asked;
        let own = all.kept.iter().position(|kept| kept.reader == self.reader)?;
        let kept = all.kept.get_mut(own).filter(|kept| kept.at == at)?;
        kept.used = asked;
        let is_last = kept.plain.len() <= wanted.end;
        let bytes = kept.plain.get(wanted).map(Bytes::copy_from_slice);
        if is_last {
            all.kept.swap_remove(own);
        }
        bytes
    }

    /// Keeps a chunk for later, if there is room or somebody's has to give way.
    pub(super) fn keep(&self, at: ChunkAt, plain: Bytes) {
        let mut all = lock(&self.all.0);
        let All { asked, kept, .. } = &mut *all;
        let new = Kept { reader: self.reader, at, plain, used: *asked };
        let own = kept.iter_mut().find(|kept| kept.reader == self.reader);
        if let Some(own) = own {
            *own = new;
        } else if kept.len() < KEPT_MAX {
            kept.push(new);
        } else if let Some(oldest) = kept.iter_mut().min_by_key(|kept| kept.used)
            && asked.saturating_sub(oldest.used) > PATIENCE
        {
            *oldest = new;
        }
    }
}

impl Drop for OpenedChunk {
    fn drop(&mut self) {
        lock(&self.all.0).kept.retain(|kept| kept.reader != self.reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: ChunkAt = (0, 7);

    fn with_chunk(all: &Arc<OpenedChunks>) -> OpenedChunk {
        let reader = all.reader();
        reader.keep(AT, Bytes::from_static(b"0123456789"));
        reader
    }

    fn has_chunk(reader: &OpenedChunk) -> bool {
        reader.take(AT, 0..2).is_some()
    }

    #[test]
    fn a_chunk_is_there_for_its_reader_alone_until_its_last_byte() {
        let all = Arc::<OpenedChunks>::default();
        let reader = with_chunk(&all);
        assert!(!has_chunk(&all.reader()));
        assert_eq!(reader.take((0, 8), 0..2), None);
        assert_eq!(reader.take((1, 7), 0..2), None);
        assert_eq!(reader.take(AT, 2..5).unwrap(), "234");
        assert_eq!(reader.take(AT, 5..10).unwrap(), "56789");
        assert_eq!(reader.take(AT, 5..10), None);
        drop(with_chunk(&all));
        assert_eq!(lock(&all.0).kept.len(), 0);
    }

    #[test]
    fn so_many_are_kept_and_who_takes_nothing_gives_way() {
        let all = Arc::<OpenedChunks>::default();
        let stalled = with_chunk(&all);
        let readers: Vec<_> = (0..2 * KEPT_MAX).map(|_| with_chunk(&all)).collect();
        let have = || readers.iter().filter(|reader| has_chunk(reader)).count();
        // In turns, more than there is room for: those that have one keep it.
        for _ in 0..PATIENCE / 256 {
            assert_eq!(have(), KEPT_MAX - 1);
        }
        assert_eq!(have(), KEPT_MAX - 1);
        let late = with_chunk(&all);
        assert!(has_chunk(&late) && !has_chunk(&stalled));
        assert_eq!((have(), lock(&all.0).kept.len()), (KEPT_MAX - 1, KEPT_MAX));
    }
}
