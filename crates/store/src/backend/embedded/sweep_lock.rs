//! What keeps bodies from being removed while a backup copies them: a file of the data directory that backups lock
//! together, and the sweep alone, for as long as it removes. Who dies lets go of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

const FILE_NAME: &str = "backup.lock";

/// The lock of a data directory.
#[derive(Debug)]
pub(crate) struct SweepLock {
    path: PathBuf,
}

/// The lock is held while this lives.
#[derive(Debug)]
pub(crate) struct Locked(
    #[expect(dead_code, reason = "held, and let go of when it is closed")] Option<File>,
);

impl SweepLock {
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE_NAME) }
    }

    /// For a backup: waits until the sweep is done, if one is under way.
    pub(crate) fn share(&self) -> io::Result<Locked> {
        let file = self.file()?;
        rustix::fs::flock(&file, FlockOperation::LockShared)?;
        Ok(Locked(Some(file)))
    }

    /// For the sweep; `None`: a backup is under way, so that the next run is early enough.
    pub(crate) fn exclude(&self) -> Option<Locked> {
        let file = match self.file() {
            Ok(file) => file,
            // Where the file cannot be made, on a full disk, no backup has it either.
            Err(_) if self.path.symlink_metadata().is_err() => return Some(Locked(None)),
            // It is another user's, who may be making a backup.
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "bodies stay: the lock of backups cannot be opened");
                return None;
            }
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => None,
            // A file system without locks: backups cannot lock there, and say so.
            Ok(()) | Err(_) => Some(Locked(Some(file))),
        }
    }

    fn file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.path)
    }
}
