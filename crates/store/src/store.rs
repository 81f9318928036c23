//! The facade: one method for each step that the layers above take, and the order of writes. The steps stand in the
//! folder beside this file, by the noun that they are about; here a store is opened and closed.

mod bodies;
mod buckets;
mod distributions;
mod identities;
mod links;
pub(crate) mod managed_links;
mod notices;
pub(crate) mod objects;
mod request_files;
mod uploads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, RwLock};

use iam::{MasterKey, SessionSealer};
use jiff::Timestamp;

use crate::backend::embedded::Embedded;
use crate::backend::files::disk::Disk;
use crate::backend::metadata::{Metadata as _, MetadataCounters};
use crate::backend::{Abandoned, Premises};
use crate::engines::{BlobsEngine, MetadataEngine};
use crate::identity::KeyUses;
use crate::reading::Readers;
use crate::revocation::RevocationIndex;
use crate::staging::{Stager, Workers};
use crate::sweep::Turn;
use crate::vault::Vault;
use crate::{Change, Distributions, Encryption, Maintenance, OpenError, StoreError};

/// How to open a store.
#[derive(Debug)]
pub struct StoreConfig {
    /// The directory that holds everything; made when absent.
    pub data_dir: PathBuf,
    /// The key that seals all others, from [`load_master_key`](crate::load_master_key).
    pub master_key: MasterKey,
    /// Whether new bodies are encrypted unless their specification says.
    pub encryption: Encryption,
    /// How much memory the cache of records and small bodies may take, in bytes.
    pub cache_bytes_max: usize,
}

/// What a store counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Write jobs that wait to be committed.
    pub queued_jobs: u64,
    /// Write jobs that were run.
    pub jobs: u64,
    /// Transactions committed; jobs over commits is how many share one.
    pub commits: u64,
    /// Checkpoints of the log into the database.
    pub checkpoints: u64,
    /// Records answered from the cache.
    pub cache_hits: u64,
    /// Records that had to be read.
    pub cache_misses: u64,
}

/// A data directory, opened. Clones are the same store; the directory is free for another process
/// when the last clone, stage and reader is gone.
#[derive(Clone, Debug)]
pub struct Store(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) metadata: Arc<MetadataEngine>,
    pub(crate) blobs: Arc<BlobsEngine>,
    readers: Readers,
    pub(crate) stager: Arc<Stager>,
    pub(crate) key_uses: KeyUses,
    pub(crate) revocations: RevocationIndex,
    /// Shared by those who revoke, and had alone by whoever undoes.
    pub(crate) revoking: tokio::sync::RwLock<()>,
    /// The thread that reads revocations into memory.
    pub(crate) loading: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Runs of maintenance take turns.
    pub(crate) sweeping: tokio::sync::Mutex<Turn>,
    /// What distributions are at this moment.
    distributions: RwLock<Arc<Distributions>>,
    /// Their number, for those who only ask whether they have changed.
    distributions_number: AtomicU64,
    /// Changes of distributions take turns.
    changing_distributions: Arc<tokio::sync::Mutex<()>>,
    /// Held by the call that deletes a bucket: one at a time.
    pub(crate) emptying: tokio::sync::Mutex<()>,
    vault: Arc<Vault>,
    /// What the engines say of the place they write to.
    pub(crate) premises: Box<dyn Premises>,
    encryption: Encryption,
}

impl Store {
    /// Opens a data directory, or makes one; sweeps what the last process left. Blocking.
    pub fn open(config: StoreConfig, now: Timestamp) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), config, now)
    }

    pub(crate) fn open_on(
        disk: Disk,
        config: StoreConfig,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let StoreConfig { data_dir, master_key, encryption, cache_bytes_max } = config;
        let vault = Arc::new(Vault::new(&master_key));
        let Embedded { metadata, blobs, premises } =
            Embedded::open(disk, &data_dir, &vault, cache_bytes_max)?;
        let (metadata, blobs) = (MetadataEngine::Sqlite(metadata), BlobsEngine::Files(blobs));
        let store = Self::over((metadata, blobs, Box::new(premises)), vault, encryption, now);
        store.prepare(now)?;
        Ok(store)
    }

    /// Over engines that are open.
    fn over(
        (metadata, blobs, premises): (MetadataEngine, BlobsEngine, Box<dyn Premises>),
        vault: Arc<Vault>,
        encryption: Encryption,
        now: Timestamp,
    ) -> Self {
        let (metadata, blobs) = (Arc::new(metadata), Arc::new(blobs));
        let stager = Arc::new(Stager {
            metadata: Arc::clone(&metadata),
            blobs: Arc::clone(&blobs),
            vault: Arc::clone(&vault),
            abandoned: Arc::new(Abandoned::default()),
            latest_ms: AtomicI64::new(now.as_millisecond()),
            stages: AtomicUsize::new(0),
            workers: Arc::new(Workers::new()),
        });
        let sweeping = tokio::sync::Mutex::new(Turn::default());
        let emptying = tokio::sync::Mutex::default();
        let key_uses = KeyUses::default();
        let inner = Inner {
            metadata,
            blobs,
            readers: Readers::default(),
            stager,
            key_uses,
            revocations: RevocationIndex::default(),
            revoking: tokio::sync::RwLock::default(),
            loading: Mutex::default(),
            sweeping,
            emptying,
            distributions: RwLock::default(),
            distributions_number: AtomicU64::new(0),
            changing_distributions: Arc::default(),
            vault,
            premises,
            encryption,
        };
        Self(Arc::new(inner))
    }

    /// What is done before the first request, and so with a runtime of its own.
    fn prepare(&self, now: Timestamp) -> Result<(), OpenError> {
        let store = self.clone();
        // A thread of its own, because the caller may be in a runtime already.
        let prepared = std::thread::spawn(move || {
            own_runtime()?.block_on(async {
                if store.0.premises.is_alone() {
                    store.sweep_leftovers(now).await?;
                }
                store.load_distributions().await?;
                store.load_revocations().await
            })
        });
        prepared.join().unwrap_or(Err(StoreError::Closed)).map_err(OpenError::Sweep)
    }

    async fn sweep_leftovers(&self, now: Timestamp) -> Result<(), StoreError> {
        match Maintenance::new(self.clone()).sweep_leftovers(now).await {
            // Reads go on all the same; what is left is swept when it is old.
            Err(StoreError::Full) => {
                tracing::warn!("the disk is full: leftovers stay, and nothing can be written");
                Ok(())
            }
            swept => swept,
        }
    }

    /// Commits what waits, checkpoints and refuses everything from then on.
    pub async fn close(&self) -> Result<(), StoreError> {
        // When keys were used is worth no refusal to close.
        let _unwritten = self.write_key_uses().await;
        let closed = self.0.metadata.close().await;
        self.0.end_loading();
        closed
    }

    /// Whether writes are taken: for readiness.
    pub fn is_writable(&self) -> Result<(), StoreError> {
        self.0.premises.check_writes()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        let MetadataCounters { queued_jobs, jobs, commits, checkpoints, cache_hits, cache_misses } =
            self.0.metadata.counters();
        Counters { queued_jobs, jobs, commits, checkpoints, cache_hits, cache_misses }
    }

    /// The background work, to be run by a task of the caller's.
    pub fn maintenance(&self) -> Maintenance {
        Maintenance::new(self.clone())
    }

    /// Changes after number `n`, in order. Only the latest change of each subject is kept.
    pub async fn changes_since(&self, n: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.0.metadata.changes_since(n, limit).await
    }

    /// What seals and opens the tokens of sessions.
    pub fn session_sealer(&self) -> SessionSealer {
        self.0.vault.session_sealer()
    }
}

/// A runtime for work that is done in a thread of its own.
pub(crate) fn own_runtime() -> Result<tokio::runtime::Runtime, StoreError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|source| StoreError::Io { operation: "start a runtime", source: Arc::new(source) })
}
