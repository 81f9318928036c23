//! The embedded engines: one data directory, which one process holds, with a database and a file for each large body.

pub(crate) mod backup;
pub(crate) mod data_dir;
pub(crate) mod health;
pub(crate) mod master_key;
mod reserve;
mod sweep_lock;

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;

use super::files::FileBlobs;
use super::files::disk::Disk;
use super::sqlite::SqliteMetadata;
use super::{Premises, RemovalTurn, Space};
use crate::vault::Vault;
use crate::{OpenError, StoreError};
use health::Health;
use sweep_lock::SweepLock;

/// How long garbage waits for readers that have looked up a record and not opened its file yet: they are of this
/// process, and pin what they read.
pub(crate) const GARBAGE_REST: SignedDuration = SignedDuration::from_secs(60);
/// The same while writes are refused for want of room: a reader takes microseconds from the one to the
/// other.
const GARBAGE_REST_WHEN_SHORT: SignedDuration = SignedDuration::from_secs(2);

/// How many blobs are removed in one go.
const REMOVED_AT_ONCE: usize = 1000;
/// The same while the disk is full, so that the reserve is enough for it.
const REMOVED_AT_ONCE_WHEN_SHORT: usize = 100;

/// The engines of a data directory, and the directory itself.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) metadata: SqliteMetadata,
    pub(crate) blobs: FileBlobs,
    pub(crate) premises: DataDir,
}

impl Embedded {
    /// Opens a data directory, or makes one. It waits for the disk.
    pub(crate) fn open(
        disk: Disk,
        data_dir: &Path,
        vault: &Arc<Vault>,
        cache_bytes_max: usize,
    ) -> Result<Self, OpenError> {
        let held = Arc::new(data_dir::hold(&disk, data_dir)?);
        let keep: Arc<dyn Send + Sync> = Arc::<data_dir::Held>::clone(&held);
        data_dir::refuse_if_lost(data_dir)?;
        let health = Arc::new(Health::new(data_dir.to_owned()));
        // The log's index is made when the database is opened, also on a full disk.
        let loan = health.make_room();
        let blobs = FileBlobs::open(data_dir, Arc::clone(&health), disk)?;
        let metadata = SqliteMetadata::open(
            data_dir,
            Arc::clone(vault),
            cache_bytes_max,
            Arc::clone(&health),
            keep,
        )?;
        held.note_database();
        drop(loan);
        health.fill_reserve();
        let premises = DataDir { health, sweep_lock: SweepLock::of(data_dir) };
        Ok(Self { metadata, blobs, premises })
    }
}

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDir {
    health: Arc<Health>,
    sweep_lock: SweepLock,
}

impl Premises for DataDir {
    fn is_alone(&self) -> bool {
        true
    }

    fn check_writes(&self) -> Result<(), StoreError> {
        self.health.check()
    }

    fn check_room(&self, size: u64) -> Result<(), StoreError> {
        self.health.check_room(size)
    }

    fn survey(&self) -> Space {
        self.health.fill_reserve();
        if self.health.take_refused() { Space::Short } else { Space::Enough }
    }

    fn garbage_rest(&self, space: Space) -> SignedDuration {
        match space {
            Space::Short => GARBAGE_REST_WHEN_SHORT,
            Space::Enough => GARBAGE_REST,
        }
    }

    fn removed_at_once(&self) -> usize {
        if self.health.is_short() { REMOVED_AT_ONCE_WHEN_SHORT } else { REMOVED_AT_ONCE }
    }

    fn removal_turn(&self) -> Option<RemovalTurn> {
        Some(Box::new(self.sweep_lock.exclude()?))
    }
}
