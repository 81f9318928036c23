//! The embedded engine of records: SQLite, with one writing thread and many readers.

mod buckets;
mod cache;
mod caches;
mod changes;
mod connection;
mod copy;
mod distributions;
mod error;
mod garbage;
mod identities;
mod managed_links;
mod notices;
mod objects;
mod request_files;
mod request_totals;
mod revocations;
mod rows;
mod seal;
mod transaction;
mod uploads;
mod uses;
mod weight;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::Space;
use super::embedded::health::Health;
use super::metadata::{Metadata, MetadataCounters};
use crate::vault::Vault;
use crate::{Change, OpenError, StoreError};
use caches::Caches;
use connection::Readers;
pub(crate) use copy::DatabaseCopy;
use writer::Writer;

/// The database's file in a data directory.
pub(crate) const FILE_NAME: &str = "metadata.sqlite";

/// Records in a SQLite database.
#[derive(Debug)]
pub(crate) struct SqliteMetadata {
    writer: Writer,
    readers: Readers,
    caches: Arc<Caches>,
    vault: Arc<Vault>,
    /// Held while a directory is read: whoever waits finds it in the cache.
    loading: tokio::sync::Mutex<()>,
}

impl SqliteMetadata {
    /// Opens the database of a data directory, or makes it. `keep` is held until the last write is
    /// done, however the engine comes to its end.
    pub(crate) fn open(
        data_dir: &Path,
        vault: Arc<Vault>,
        cache_bytes_max: usize,
        health: Arc<Health>,
        keep: Arc<dyn Send + Sync>,
    ) -> Result<Self, OpenError> {
        let path = data_dir.join(FILE_NAME);
        let (connection, index) = connection::open_writer(&path, &vault)?;
        let readers = Readers::open(&path, index, vault.records())?;
        let caches = Arc::new(Caches::new(cache_bytes_max));
        let writer = Writer::start(connection, path, Arc::clone(&caches), health, keep)?;
        Ok(Self { writer, readers, caches, vault, loading: tokio::sync::Mutex::default() })
    }
}

impl Metadata for SqliteMetadata {
    async fn changes_since(&self, n: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.readers.list(move |connection| changes::since(connection, n, limit)).await
    }

    async fn maintain(&self, space: Space) -> Result<(), StoreError> {
        if space == Space::Short {
            return self.writer.checkpoint().await;
        }
        // Beside the writer first, which then has little left to do, if it has to do anything.
        let health = self.writer.health();
        let beside = move |connection: &Connection| {
            let _loan = health.make_room();
            Ok(writer::checkpoint(connection, "PASSIVE"))
        };
        match self.readers.list(beside).await? {
            Ok(_) => self.writer.shorten_log().await,
            Err(error) => Err(self.writer.failed(error)),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        let checkpointed = self.writer.checkpoint().await;
        self.writer.close();
        self.readers.close();
        checkpointed
    }

    fn counters(&self) -> MetadataCounters {
        let writer = self.writer.counters();
        let (cache_hits, cache_misses) = self.caches.hits_and_misses();
        MetadataCounters {
            queued_jobs: self.writer.queued(),
            jobs: writer.jobs.load(Ordering::Relaxed),
            commits: writer.commits.load(Ordering::Relaxed),
            checkpoints: writer.checkpoints.load(Ordering::Relaxed),
            cache_hits,
            cache_misses,
        }
    }
}
