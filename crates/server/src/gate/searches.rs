//! Turns to search for what happened to a link: a search takes a core for some milliseconds, and nobody may take more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, S3Error};

/// How many searches run at once.
const AT_ONCE: usize = 1;
/// How many searches one identity may have under way and waiting.
const OF_ONE_MAX: usize = 2;
/// How many searches there may be at all, under way and waiting.
const ALL_MAX: usize = 64;
/// How long a turn is waited for.
const TURN_AWAITED: Duration = Duration::from_secs(2);

/// Searches of one kind. A search that was begun keeps its turn until it ends, whether or not anybody still waits for it.
#[derive(Debug)]
pub(super) struct Searches {
    turns: Arc<Semaphore>,
    /// How many each identity has.
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place among those who search or wait.
struct Place {
    asked: Arc<Mutex<HashMap<String, usize>>>,
    asker: String,
}

impl Default for Searches {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), asked: Arc::default() }
    }
}

impl Searches {
    /// Searches when its turn has come. Who has too many searches, or would wait long, is refused.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        asker: &str,
        search: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, S3Error> {
        let busy = || S3Error::new(Code::SlowDown).retry_after_a_second();
        let place = self.place(asker).ok_or_else(busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(TURN_AWAITED, turn).await.ok().and_then(Result::ok);
        let found = in_turn((turn.ok_or_else(busy)?, Some(place)), search).await;
        found.map_err(|cause| S3Error::new(Code::InternalError).because(cause))
    }

    /// Searches if nobody else does. `None`: somebody does.
    pub(super) async fn run_if_free<T: Send + 'static>(
        &self,
        search: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().ok()?;
        in_turn((turn, None), search).await.ok()
    }

    fn place(&self, asker: &str) -> Option<Place> {
        let mut asked = lock(&self.asked);
        let all: usize = asked.values().sum();
        let own = asked.get(asker).copied().unwrap_or_default();
        if all >= ALL_MAX || own >= OF_ONE_MAX {
            return None;
        }
        asked.insert(asker.to_owned(), own.saturating_add(1));
        Some(Place { asked: Arc::clone(&self.asked), asker: asker.to_owned() })
    }
}

/// Searches in a thread that may take its time, and gives the turn up there.
async fn in_turn<T: Send + 'static>(
    turn: (OwnedSemaphorePermit, Option<Place>),
    search: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let searching = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        search()
    });
    searching.await
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut asked = lock(&self.asked);
        let left = asked.get(&self.asker).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            asked.remove(&self.asker);
        } else {
            asked.insert(self.asker.clone(), left);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Whoever goes away frees no turn while the search goes on.
    #[tokio::test]
    async fn a_search_keeps_its_turn_until_it_ends() {
        let searches = Searches::default();
        let (end, ends) = mpsc::channel::<()>();
        let (begin, begins) = mpsc::channel::<()>();
        {
            let search = searches.run("ann", move || {
                begin.send(()).unwrap();
                ends.recv()
            });
            let asked = tokio::time::timeout(Duration::from_millis(50), search).await;
            assert!(asked.is_err(), "nobody waits any longer");
        }
        begins.recv().unwrap();
        assert_eq!(searches.run_if_free(|| 1).await, None);
        end.send(()).unwrap();
        assert_eq!(searches.run("ann", || 2).await.unwrap(), 2);
        assert!(lock(&searches.asked).is_empty());
    }

    #[test]
    fn nobody_takes_all_places() {
        let searches = Searches::default();
        let first: Vec<_> = (0..OF_ONE_MAX).map(|_| searches.place("ann").unwrap()).collect();
        assert!(searches.place("ann").is_none());
        let others = OF_ONE_MAX..ALL_MAX;
        let others: Vec<_> = others.map(|n| searches.place(&n.to_string()).unwrap()).collect();
        assert!(searches.place("eve").is_none());
        drop(first);
        assert!(searches.place("ann").is_some());
        drop(others);
        assert!(lock(&searches.asked).is_empty());
    }
}
