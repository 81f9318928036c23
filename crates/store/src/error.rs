//! What can go wrong in a store: facts, no prose.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use iam::MasterKeyId;

/// Why a call to a [`Store`](crate::Store) failed. Nothing was stored unless a variant says so.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; reads and deletes go on, writes do when space returns.
    #[error("storage is full")]
    Full,
    /// Writing to the database, its log or a directory failed: writes are refused until a restart.
    /// The write that met the failure may come to light after it.
    #[error("writes are refused since a write to stable storage failed")]
    Poisoned,
    /// Stored bytes are not what was stored.
    #[error("stored data is corrupt: {what}")]
    Corrupt {
        /// The record, or the part of a record, that does not fit.
        what: &'static str,
    },
    /// The body was removed between the look-up of its record and the first read: look up again.
    #[error("body is gone")]
    BodyGone,
    /// The body opens only with a customer's key, and its reader has shown none.
    #[error("a customer's key is missing")]
    CustomerKeyMissing,
    /// The body was staged so long ago that it was swept.
    #[error("staged body has expired")]
    StageExpired,
    /// The system gave no random bytes.
    #[error("no random bytes")]
    NoRandomness,
    /// The store is closed.
    #[error("store is closed")]
    Closed,
    /// The metadata engine failed.
    #[error("metadata engine: {0}")]
    Engine(#[source] EngineError),
    /// An operation on a file failed.
    #[error("cannot {operation}")]
    Io {
        /// What was tried, as in "open" or "sync directory".
        operation: &'static str,
        /// What the operating system reported.
        #[source]
        source: Arc<io::Error>,
    },
}

/// A failure of the metadata engine, opaque but for its text and cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct EngineError(#[from] pub(crate) Arc<rusqlite::Error>);

/// Why a data directory does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the data directory open.
    #[error("data directory {} is in use by another process", dir.display())]
    AlreadyInUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// There is a database but not the key that seals what it holds.
    #[error("master key file {} is missing, and the store's data is sealed with it: put it back from its copy, or name it with --master-key-file", path.display())]
    MasterKeyLost {
        /// Where the key was expected.
        path: PathBuf,
    },
    /// The database is gone, or has nothing in it, beside what it told of.
    #[error("database {} is missing or empty, and the directory holds the rest of a store: put the database back, from a backup perhaps, or name another directory", path.display())]
    DatabaseLost {
        /// Where the database was expected.
        path: PathBuf,
    },
    /// The directory is a backup, which is to be restored and not to be served.
    #[error("{} is a backup: restore it to another directory first", dir.display())]
    IsBackup {
        /// The directory that was to be opened.
        dir: PathBuf,
    },
    /// The database was sealed with another key.
    #[error("master key {given} is not the store's, which is {expected}")]
    MasterKeyForeign {
        /// The key of the database.
        expected: MasterKeyId,
        /// The key that was given.
        given: MasterKeyId,
    },
    /// The key file is there but holds no key.
    #[error("master key file {} does not hold 64 hex digits", path.display())]
    MasterKeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// The directory was written by a version with another format.
    #[error("data format {found} is not one this version reads ({supported})")]
    UnknownFormat {
        /// The format of the directory.
        found: i64,
        /// The format of this version.
        supported: i64,
    },
    /// An older format could not be brought up to this version's; the directory is as it was.
    #[error("data of format {found} cannot be brought up to format {format}: {source}")]
    Upgrade {
        /// The format of the directory.
        found: i64,
        /// The format of this version.
        format: i64,
        /// Why it could not.
        source: StoreError,
    },
    /// An operation on a file failed.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as in "open" or "sync directory".
        operation: &'static str,
        /// The file or directory that it was tried on.
        path: PathBuf,
        /// What the operating system reported.
        #[source]
        source: io::Error,
    },
    /// The metadata engine failed.
    #[error("metadata engine: {0}")]
    Engine(#[source] EngineError),
    /// The leftovers of the last process could not be swept.
    #[error("cannot sweep leftovers: {0}")]
    Sweep(#[source] StoreError),
}
