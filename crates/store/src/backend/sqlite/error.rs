//! What SQLite's errors mean for the caller and for the store.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::{EngineError, StoreError};

/// `SQLITE_IOERR_SHMSIZE`: there is no room for the log's index, which is a full disk.
const NO_ROOM_FOR_INDEX: i32 = 4874;

/// How a failed call to SQLite reads to a caller of the store.
pub(super) fn engine(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        Some(cause) if is_full(*cause) => StoreError::Full,
        Some(cause) if is_corrupt(*cause) => StoreError::Corrupt { what: "database" },
        Some(_) | None => StoreError::Engine(EngineError(Arc::new(error))),
    }
}

/// Whether a failed write leaves the database, its log or its index in doubt.
pub(super) fn is_poison(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|cause| {
        is_corrupt(*cause) || (cause.code == ErrorCode::SystemIoFailure && !is_full(*cause))
    })
}

/// Whether the log's index cannot be made, for want of room or whatever else.
pub(super) fn has_no_index(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|cause| {
        is_full(*cause) || matches!(cause.code, ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)
    })
}

fn is_full(cause: rusqlite::ffi::Error) -> bool {
    cause.code == ErrorCode::DiskFull || cause.extended_code == NO_ROOM_FOR_INDEX
}

fn is_corrupt(cause: rusqlite::ffi::Error) -> bool {
    matches!(cause.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
}
