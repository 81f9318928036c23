//! One directory's fsync, shared by all who changed it before it began.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::lock::lock;

#[derive(Debug, Default)]
pub(super) struct DirectorySync {
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: bool,
    /// How many were begun, and the last one that is over.
    begun: u64,
    over: u64,
    /// After one has failed, none that follows can be believed.
    failed: bool,
}

impl DirectorySync {
    /// Returns when a sync that began after this call is over. Blocking.
    pub(super) fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = lock(&self.state);
        let needed = state.begun.saturating_add(1);
        while state.running && state.over < needed {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.over < needed && !state.failed {
            state.running = true;
            state.begun = state.begun.saturating_add(1);
            let number = state.begun;
            drop(state);
            let synced = sync();
            state = lock(&self.state);
            state.running = false;
            state.over = number;
            state.failed |= synced.is_err();
            self.turn.notify_all();
            synced?;
        }
        if state.failed {
            Err(io::Error::other("an fsync of this directory failed"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[test]
    fn shares_syncs_but_never_one_that_began_before() {
        let (directory, syncs) = (DirectorySync::default(), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let before = syncs.load(Ordering::SeqCst);
                    let sync = || {
                        std::thread::sleep(Duration::from_millis(5));
                        syncs.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    };
                    directory.sync(sync).unwrap();
                    assert!(syncs.load(Ordering::SeqCst) > before);
                });
            }
        });
        assert!(syncs.load(Ordering::SeqCst) < 16);
    }

    #[test]
    fn fails_for_good() {
        let directory = DirectorySync::default();
        directory.sync(|| Ok(())).unwrap();
        directory.sync(|| Err(io::Error::other("fault"))).unwrap_err();
        directory.sync(|| Ok(())).unwrap_err();
    }
}
