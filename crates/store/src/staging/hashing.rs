//! The MD5s that steps of bodies wait for. Whoever makes its own makes those of up to seven others along with it.

use std::collections::VecDeque;
use std::fmt;
use std::iter::once;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::md5::{LANES, Md5Digest};
use super::workers::Worker;
use crate::StoreError;
use crate::lock::lock;

/// The MD5s of a store that wait to be made: one a step of a body at most.
#[derive(Default)]
pub(crate) struct Hashings(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    last_id: u64,
    steps: VecDeque<Step>,
}

struct Step {
    id: u64,
    md5: Md5Digest,
    bytes: Bytes,
    tell: oneshot::Sender<Md5Digest>,
}

impl Hashings {
    /// The MD5 of a body with further bytes. It waits from now on.
    pub(super) fn ask(self: &Arc<Self>, md5: Md5Digest, bytes: Bytes) -> Hashing {
        let (tell, done) = oneshot::channel();
        let mut waiting = lock(&self.0);
        waiting.last_id = waiting.last_id.wrapping_add(1);
        let id = waiting.last_id;
        waiting.steps.push_back(Step { id, md5, bytes, tell });
        Hashing { id, all: Arc::clone(self), done }
    }

    /// Makes the one of that id and those that wait longest, unless it does not wait any more. The worker, if it did
    /// nothing else, and the bytes are free before anybody hears of it.
    fn make(&self, id: u64, worker: Option<Worker>) {
        let mut steps = self.take(id);
        Md5Digest::update_all(steps.iter_mut().map(|step| (&mut step.md5, &*step.bytes)).collect());
        let made: Vec<_> = steps.into_iter().map(|step| (step.md5, step.tell)).collect();
        drop(worker);
        for (md5, tell) in made {
            // Who has gone away does not want it.
            let _told = tell.send(md5);
        }
    }

    fn take(&self, id: u64) -> Vec<Step> {
        let steps = &mut lock(&self.0).steps;
        let own = steps.iter().position(|step| step.id == id).and_then(|own| steps.remove(own));
        own.map_or_else(Vec::new, |own| {
            let others = steps.len().min(LANES - 1);
            once(own).chain(steps.drain(..others)).collect()
        })
    }
}

/// An MD5 that a step of a body waits for; when this is dropped, the step waits no more.
pub(super) struct Hashing {
    id: u64,
    all: Arc<Hashings>,
    done: oneshot::Receiver<Md5Digest>,
}

impl Hashing {
    /// Makes the MD5 here and now, unless somebody does already.
    pub(super) fn make(&self) {
        self.all.make(self.id, None);
    }

    /// Has the MD5 made by a worker who does nothing else.
    pub(super) fn make_beside(&self, worker: Worker) {
        let (id, all) = (self.id, Arc::clone(&self.all));
        tokio::task::spawn_blocking(move || all.make(id, Some(worker)));
    }

    pub(super) async fn done(mut self) -> Result<Md5Digest, StoreError> {
        (&mut self.done).await.map_err(|_| StoreError::Closed)
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        lock(&self.all.0).steps.retain(|step| step.id != self.id);
    }
}

impl fmt::Debug for Hashings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hashings({} waiting)", lock(&self.0).steps.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::md5_of;

    fn waiting(all: &Hashings) -> Vec<u64> {
        lock(&all.0).steps.iter().map(|step| step.id).collect()
    }

    #[tokio::test]
    async fn whoever_makes_its_own_makes_those_of_seven_others() {
        let all = Arc::<Hashings>::default();
        let body = |n: u8| Bytes::from(vec![n; usize::from(n) * 77]);
        let ask = |n| all.ask(Md5Digest::default(), body(n));
        let mut hashings: Vec<_> = (1..=11).map(ask).collect();
        hashings[9].make();
        assert_eq!(waiting(&all), [8, 9, 11]);
        // Somebody has made it.
        hashings[0].make();
        drop(hashings.remove(10));
        assert_eq!(waiting(&all), [8, 9]);
        hashings[7].make();
        assert!(waiting(&all).is_empty());
        for (hashing, n) in hashings.into_iter().zip(1..) {
            assert_eq!(hashing.done().await.unwrap().finish(), md5_of(&body(n)));
        }
    }

    #[tokio::test]
    async fn worker_and_bytes_are_free_before_anybody_hears() {
        let workers = Arc::new(crate::staging::Workers::new());
        let bytes = Bytes::from(vec![7; 100_000]);
        let hashing = workers.hashings.ask(Md5Digest::default(), bytes.clone());
        let mut busy = Vec::new();
        while let Some(worker) = workers.another() {
            busy.push(worker);
        }
        hashing.make_beside(busy.pop().unwrap());
        assert_eq!(hashing.done().await.unwrap().finish(), md5_of(&bytes));
        assert!(workers.another().is_some() && bytes.is_unique());
    }
}
