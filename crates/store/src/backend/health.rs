//! Whether writes are still taken, and whether the disk has room for them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::StoreError;

/// How much free space is kept for deletes, which need room in the log before they give any back.
pub(crate) const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// The state of a data directory, shared by its engines.
#[derive(Debug)]
pub(crate) struct Health {
    data_dir: PathBuf,
    poisoned: AtomicBool,
}

impl Health {
    pub(crate) fn new(data_dir: PathBuf) -> Self {
        Self { data_dir, poisoned: AtomicBool::new(false) }
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

    /// Fails when fewer than `size` bytes and the reserve are free. A file system that cannot say
    /// how much is free is taken at its word when it is full.
    pub(crate) fn check_room(&self, size: u64) -> Result<(), StoreError> {
        let Ok(state) = rustix::fs::statvfs(&self.data_dir) else { return Ok(()) };
        let free = state.f_bavail.saturating_mul(state.f_frsize);
        if free < size.saturating_add(RESERVE_BYTES) { Err(StoreError::Full) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_full_and_a_poisoned_store_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::new(dir.path().to_owned());
        health.check_room(1).unwrap();
        assert!(matches!(health.check_room(u64::MAX), Err(StoreError::Full)));
        health.check().unwrap();
        health.poison(&std::io::Error::other("fault"));
        health.poison(&std::io::Error::other("another"));
        assert!(matches!(health.check(), Err(StoreError::Poisoned)));
    }
}
