//! Connections that read, a few of them at once, on threads that may block.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{LedgerError, database};

/// How many queries run at once.
const READERS: usize = 4;

/// The reading connections, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, permits: Arc::new(Semaphore::new(READERS)), idle: Mutex::default() }
    }

    /// Runs a query; all that it reads is of one moment.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| LedgerError::Closed)?;
        let readers = Arc::clone(self);
        let work = move || {
            let connection = readers.take()?;
            let snapshot = connection.unchecked_transaction()?;
            let answer = query(&snapshot);
            drop(snapshot);
            readers.give_back(connection);
            drop(permit);
            answer
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(LedgerError::Closed))
    }

    /// No query begins any more.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn take(&self) -> Result<Connection, LedgerError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| database::open_reader(&self.path), Ok)
    }

    /// A connection whose snapshot could not be ended would show the same moment for ever, and goes.
    fn give_back(&self, connection: Connection) {
        if connection.is_autocommit() && !self.permits.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
