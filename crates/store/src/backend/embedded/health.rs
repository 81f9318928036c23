//! Whether writes are still taken, and whether the disk has room for them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::reserve::{RESERVE_BYTES, Reserve};
use crate::StoreError;

/// How much must be free beside the reserve for a write that stores more than before: what a batch
/// of deletes, or a checkpoint, takes before it gives any back.
pub(crate) const FREE_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// The state of a data directory, shared by its engines.
#[derive(Debug)]
pub(crate) struct Health {
    data_dir: PathBuf,
    poisoned: AtomicBool,
    reserve: Reserve,
    /// How long the database will be when the log has been moved into it.
    database_bytes: AtomicU64,
    refused: AtomicBool,
}

impl Health {
    pub(crate) fn new(data_dir: PathBuf) -> Self {
        Self {
            reserve: Reserve::open(&data_dir),
            data_dir,
            poisoned: AtomicBool::new(false),
            database_bytes: AtomicU64::new(0),
            refused: AtomicBool::new(false),
        }
    }

    /// Refuses all writes from now on, and says why to the operator.
    pub(crate) fn poison(&self, cause: &(dyn std::error::Error + 'static)) {
        if !self.poisoned.swap(true, Ordering::SeqCst) {
            tracing::error!(
                data_dir = %self.data_dir.display(),
                cause,
                "writing to stable storage failed: no more writes until a restart"
            );
        }
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::SeqCst) { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Fails when there is no room for `size` bytes beside what is kept for deletes.
    pub(crate) fn check_room(&self, size: u64) -> Result<(), StoreError> {
        self.take_room(self.room(), size).map(|_left| ())
    }

    /// Takes `size` bytes off a room, and says what is left of it.
    pub(crate) fn take_room(&self, room: u64, size: u64) -> Result<u64, StoreError> {
        room.checked_sub(size).ok_or_else(|| {
            self.refused.store(true, Ordering::Relaxed);
            StoreError::Full
        })
    }

    /// How many bytes may be stored: what is free but for the reserve, what a batch takes, and what a
    /// checkpoint will add to the database. A file system that cannot say how much is free is taken
    /// at its word when it is full.
    pub(crate) fn room(&self) -> u64 {
        // Whether the reserve is lent just now makes no difference to the sum.
        let Some(free) = self.reserve.with_held(|held| Some(self.free()?.saturating_add(held)))
        else {
            return u64::MAX;
        };
        free.saturating_sub(RESERVE_BYTES)
            .saturating_sub(FREE_BYTES_MIN)
            .saturating_sub(self.owed_to_database())
    }

    fn free(&self) -> Option<u64> {
        free_bytes(&self.data_dir)
    }

    fn owed_to_database(&self) -> u64 {
        let length = std::fs::metadata(self.data_dir.join(crate::backend::sqlite::FILE_NAME))
            .map_or(0, |database| database.len());
        self.database_bytes.load(Ordering::Relaxed).saturating_sub(length)
    }

    /// Notes how long the database will be, in bytes.
    pub(crate) fn note_database(&self, bytes: u64) {
        self.database_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether so little is free that only the reserve lets anything be written.
    pub(crate) fn is_short(&self) -> bool {
        self.free().is_some_and(|free| free < FREE_BYTES_MIN)
    }

    /// Gives the reserve's room back to the disk until the answer is dropped, if that is needed for
    /// a write that has to go on: a delete, the sweep after it, a checkpoint.
    pub(crate) fn make_room(&self) -> Option<Loan<'_>> {
        self.is_short().then(|| {
            self.reserve.lend();
            Loan(&self.reserve)
        })
    }

    /// Takes for the reserve what it lacks, if it is free.
    pub(crate) fn fill_reserve(&self) {
        self.reserve.fill();
    }

    /// Whether a write was refused for want of room since this was asked last.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.swap(false, Ordering::Relaxed)
    }
}

/// How many bytes are free for this process on the file system of a path.
pub(super) fn free_bytes(path: &std::path::Path) -> Option<u64> {
    let state = rustix::fs::statvfs(path).ok()?;
    Some(state.f_bavail.saturating_mul(state.f_frsize))
}

/// While this lives the reserve's room is free.
#[derive(Debug)]
pub(crate) struct Loan<'h>(&'h Reserve);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_full_and_a_poisoned_store_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::new(dir.path().to_owned());
        health.fill_reserve();
        health.check_room(1).unwrap();
        assert!(!health.take_refused());
        assert!(matches!(health.check_room(u64::MAX), Err(StoreError::Full)));
        assert_eq!((health.take_refused(), health.take_refused()), (true, false));
        assert!(health.make_room().is_none());
        health.check().unwrap();
        health.poison(&std::io::Error::other("fault"));
        health.poison(&std::io::Error::other("another"));
        assert!(matches!(health.check(), Err(StoreError::Poisoned)));
    }

    #[test]
    fn what_a_checkpoint_will_write_is_not_room() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::new(dir.path().to_owned());
        health.note_database(u64::MAX);
        assert!(matches!(health.check_room(1), Err(StoreError::Full)));
        health.note_database(4096);
        health.check_room(1).unwrap();
    }
}
