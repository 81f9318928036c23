//! Who hashes, seals and writes the bodies that come in: about as many at once as the machine has cores,
//! however many bodies there are.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::hashing::Hashings;
use crate::lock::lock;

/// On a machine of one core too: one may wait for the disk.
const WORKERS_MIN: usize = 2;

/// The workers of a store. Each has a room for sealed bytes, which is kept for whoever works next.
pub(crate) struct Workers {
    /// The MD5s that several bodies wait for, made together.
    pub(super) hashings: Arc<Hashings>,
    free: Arc<Semaphore>,
    rooms: Mutex<Vec<Vec<u8>>>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(WORKERS_MIN, usize::from);
        let free = Arc::new(Semaphore::new(cores.max(WORKERS_MIN)));
        Self { hashings: Arc::default(), free, rooms: Mutex::default() }
    }

    /// The next worker that is free, in the order of asking; `None`: there are none any more.
    pub(crate) async fn one(self: &Arc<Self>) -> Option<Worker> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(self.at_work(permit))
    }

    /// One more worker, if one is free and nobody waits for it.
    pub(crate) fn another(self: &Arc<Self>) -> Option<Worker> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.at_work(permit))
    }

    fn at_work(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Worker {
        let room = lock(&self.rooms).pop().unwrap_or_default();
        Worker { room, all: Arc::clone(self), _permit: permit }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workers({} free)", self.free.available_permits())
    }
}

/// A turn at work; it ends when this is dropped.
pub(crate) struct Worker {
    /// For sealed bytes, with whatever the last turn left.
    pub(crate) room: Vec<u8>,
    all: Arc<Workers>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Worker {
    fn drop(&mut self) {
        lock(&self.all.rooms).push(std::mem::take(&mut self.room));
    }
}
