//! How the ledger fails. Recording never does: what cannot be written is counted.

use std::path::PathBuf;

use crate::cursor::CursorError;

/// Why the ledger could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite failed, or the file system below it.
    #[error("the ledger's database failed")]
    Engine(#[from] rusqlite::Error),
    /// The file could not be made.
    #[error("cannot make {path}")]
    Create {
        /// Which file it is.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is a database of something else.
    #[error("the database is not a ledger")]
    Foreign,
    /// A newer version of the program has written the file.
    #[error("the ledger has format {found}, and this version knows format {supported}")]
    UnknownFormat {
        /// The number in the file.
        found: i64,
        /// The newest number that this version knows.
        supported: i64,
    },
    /// A row says what no version of the program has written.
    #[error("the ledger is corrupt: {0}")]
    Corrupt(&'static str),
    /// The cursor is none of this query's.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The writer's thread could not be started.
    #[error("cannot start the ledger's writer")]
    Thread(#[source] std::io::Error),
    /// The ledger was closed, or is being closed.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerError {
    /// Whether the file system has no room or fails, and the ledger itself may be whole.
    pub fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Engine(error) => matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure)
            ),
            Self::Create { source, .. } => matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ),
            Self::Foreign
            | Self::UnknownFormat { .. }
            | Self::Corrupt(_)
            | Self::Cursor(_)
            | Self::Thread(_)
            | Self::Closed => false,
        }
    }
}
