//! Removes bytes nobody points at, and keeps the database's log short.

use jiff::Timestamp;

use crate::{Store, StoreError};

/// The background work of a store: call [`run_once`](Self::run_once) every few seconds.
#[derive(Clone, Debug)]
pub struct Maintenance {
    #[expect(dead_code, reason = "skeleton")]
    pub(crate) store: Store,
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs removed.
    pub blobs: usize,
    /// Staged bodies given up on.
    pub intents: usize,
}

impl Maintenance {
    /// Sweeps what is due and checkpoints the database. Runs of one store do not overlap.
    pub async fn run_once(&self, _now: Timestamp) -> Result<Swept, StoreError> {
        todo!()
    }
}
