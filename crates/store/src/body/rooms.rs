//! Rooms for pieces that are read: used again, since to clear fresh memory costs as much as to read into it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use super::{CHUNK_BYTES, PIECE_BYTES_MAX, TAG_BYTES};
use crate::lock::lock;

/// How many rooms wait for somebody: 8 MiB.
const KEPT_MAX: usize = 32;

/// The rooms of one store that are not in use.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<Vec<Vec<u8>>>);

impl Rooms {
    /// A room of so many bytes, whatever stands in them. Whoever takes it overwrites all of them.
    pub(crate) fn take(self: &Arc<Self>, size: usize) -> Room {
        if !is_long(size) {
            return Room { bytes: vec![0; size], home: None };
        }
        let mut bytes = lock(&self.0).pop().unwrap_or_default();
        bytes.reserve_exact(stored_bytes_max().max(size).saturating_sub(bytes.len()));
        bytes.resize(size, 0);
        Room { bytes, home: Some(Arc::clone(self)) }
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rooms({} kept)", lock(&self.0).len())
    }
}

/// A short piece gets memory of its own: it may stay in the cache.
fn is_long(size: usize) -> bool {
    u64::try_from(size).is_ok_and(|size| size > CHUNK_BYTES + TAG_BYTES)
}

/// The longest piece as it is stored.
fn stored_bytes_max() -> usize {
    let piece = u64::try_from(PIECE_BYTES_MAX).unwrap_or(u64::MAX);
    let stored = piece.saturating_add(piece.div_ceil(CHUNK_BYTES).saturating_mul(TAG_BYTES));
    usize::try_from(stored).unwrap_or(usize::MAX)
}

/// A room in use. Dropped, it waits for the next, if few do.
pub(crate) struct Room {
    bytes: Vec<u8>,
    home: Option<Arc<Rooms>>,
}

impl Deref for Room {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Room {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Room {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Some(home) = &self.home else { return };
        let mut kept = lock(&home.0);
        if kept.len() < KEPT_MAX {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_room_comes_back_and_a_short_one_does_not() {
        let rooms = Arc::new(Rooms::default());
        let mut long = rooms.take(100_000);
        long.fill(7);
        drop((long, rooms.take(65_552)));
        assert_eq!(lock(&rooms.0).len(), 1);
        // The longest piece has room in it.
        let again = rooms.take(stored_bytes_max());
        assert_eq!((again.len(), lock(&rooms.0).len()), (stored_bytes_max(), 0));
        assert_eq!(again.capacity(), stored_bytes_max());
    }

    #[test]
    fn few_rooms_wait() {
        let rooms = Arc::new(Rooms::default());
        let taken: Vec<Room> = (0..=KEPT_MAX).map(|_| rooms.take(100_000)).collect();
        drop(taken);
        assert_eq!(lock(&rooms.0).len(), KEPT_MAX);
    }
}
