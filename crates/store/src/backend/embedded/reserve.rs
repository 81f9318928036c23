//! Room that is kept on the disk, so that deletes go on when the disk is full, whoever filled it: a
//! file that holds nothing, cut off while such a write is under way and made again after it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::FallocateFlags;

use super::health::free_bytes;
use crate::lock::lock;

/// The file's name in a data directory.
const FILE_NAME: &str = "reserve";
/// How much room it keeps, when there is as much: the log of a small batch, at most that of one
/// job on an object of ten thousand parts, and as much again in the database.
pub(crate) const RESERVE_BYTES: u64 = 4 * 1024 * 1024;
/// How much must be missing before the reserve is filled again.
const FILL_BYTES_MIN: u64 = 64 * 1024;

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None`: it could not be made, so nothing is kept.
    file: Option<File>,
    held: u64,
    loans: usize,
}

impl Reserve {
    /// Opens what an earlier process kept; fills nothing yet.
    pub(super) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE_NAME);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "no reserve"))
            .ok();
        let held = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.len());
        Self { path, state: Mutex::new(State { file, held, loans: 0 }) }
    }

    /// Looks at the disk while the reserve stays as it is; `look` is told how many bytes it holds.
    pub(super) fn with_held<T>(&self, look: impl FnOnce(u64) -> T) -> T {
        let state = lock(&self.state);
        look(state.held)
    }

    pub(super) fn lend(&self) {
        let mut state = lock(&self.state);
        state.loans = state.loans.saturating_add(1);
        if state.loans == 1 {
            state.resize_down(0, &self.path);
        }
    }

    pub(super) fn take_back(&self) {
        let mut state = lock(&self.state);
        state.loans = state.loans.saturating_sub(1);
        state.fill(&self.path);
    }

    pub(super) fn fill(&self) {
        lock(&self.state).fill(&self.path);
    }
}

impl State {
    fn resize_down(&mut self, size: u64, path: &Path) {
        let Some(file) = &self.file else { return };
        match file.set_len(size) {
            Ok(()) => self.held = size,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot cut off the reserve");
            }
        }
    }

    /// Grows as far as there is room. Rather too little than to fail: it is tried again.
    fn fill(&mut self, path: &Path) {
        let lacking = RESERVE_BYTES.saturating_sub(self.held);
        if self.loans > 0 || lacking == 0 {
            return;
        }
        let mut ask = free_bytes(path).map_or(lacking, |free| free.min(lacking));
        while ask >= FILL_BYTES_MIN {
            let Some(file) = &self.file else { return };
            match rustix::fs::fallocate(file, FallocateFlags::empty(), self.held, ask) {
                Ok(()) => {
                    self.held = self.held.saturating_add(ask);
                    return;
                }
                Err(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => ask /= 2,
                // A file system that cannot keep room: what is kept free then is all there is.
                Err(_) => break,
            }
            // A part of it may have been taken.
            self.resize_down(self.held, path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_but_while_it_is_lent() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::open(dir.path());
        let check = |expected: u64| {
            let path = dir.path().join(FILE_NAME);
            assert_eq!(std::fs::metadata(path).unwrap().len(), expected);
            reserve.with_held(|held| assert_eq!(held, expected));
        };
        check(0);
        reserve.fill();
        check(RESERVE_BYTES);
        reserve.lend();
        check(0);
        reserve.lend();
        reserve.fill();
        reserve.take_back();
        check(0);
        reserve.take_back();
        check(RESERVE_BYTES);
        Reserve::open(dir.path()).with_held(|held| assert_eq!(held, RESERVE_BYTES));
    }
}
