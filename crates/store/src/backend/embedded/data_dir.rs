//! The data directory itself: made durably, held by one process, and known again when its database is gone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::OpenError;
use crate::backend::files::disk::Disk;
use crate::backend::sqlite::FILE_NAME as DATABASE;

/// What the lock's file holds once there is a database beside it.
const HELD_DATABASE: &[u8] = b"this data directory has a database\n";
const LOCK: &str = "lock";
/// The file that says that a directory is a backup.
pub(crate) const MARK: &str = "backup";

/// A data directory that no other process has opened.
#[derive(Debug)]
pub(crate) struct Held(File);

impl Held {
    /// Notes that there is a database now, so that one that is lost is not taken for one that never was.
    /// A full disk does not hinder: then it is noted at another start.
    pub(crate) fn note_database(&self) {
        let noted = self.0.metadata().is_ok_and(|file| file.len() > 0);
        if !noted {
            let written = (&self.0).write_all(HELD_DATABASE).and_then(|()| self.0.sync_all());
            if let Err(error) = written {
                tracing::warn!(%error, "cannot note that the data directory has a database");
            }
        }
    }
}

/// Makes a directory, and what it is in, where there is none. Each new name is on stable storage.
pub(crate) fn make(disk: &Disk, path: &Path) -> Result<(), OpenError> {
    let mut missing = Vec::new();
    let mut above = Some(path);
    while let Some(folder) =
        above.filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    {
        missing.push(folder);
        above = folder.parent();
    }
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(path)
        .map_err(failed("make directory", path))?;
    missing.into_iter().rev().try_for_each(|folder| {
        let above = parent(folder);
        disk.sync_directory(above).map_err(failed("sync directory", above))
    })
}

/// The directory that a name is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the data directory and locks it for as long as the answer lives.
pub(crate) fn hold(disk: &Disk, data_dir: &Path) -> Result<Held, OpenError> {
    make(disk, data_dir)?;
    let path = data_dir.join(LOCK);
    let mut options = OpenOptions::new();
    let lock = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = lock.map_err(failed("open", &path))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Held(lock)),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(OpenError::AlreadyInUse { dir: data_dir.to_owned() })
        }
        Err(error) => Err(failed("lock", &path)(error.into())),
    }
}

/// Keeps a backup from being written while it is read; where it has no lock, as on a medium that cannot be written,
/// nobody writes it.
pub(crate) fn share(backup: &Path) -> Result<Option<File>, OpenError> {
    let path = backup.join(LOCK);
    let lock = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        lock => lock.map_err(failed("open", &path))?,
    };
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(OpenError::AlreadyInUse { dir: backup.to_owned() })
        }
        // A file system without locks.
        Ok(()) | Err(_) => Ok(Some(lock)),
    }
}

/// Refuses a backup: written to, it would be none.
pub(crate) fn refuse_backup(data_dir: &Path) -> Result<(), OpenError> {
    if data_dir.join(MARK).exists() {
        return Err(OpenError::IsBackup { dir: data_dir.to_owned() });
    }
    Ok(())
}

/// Refuses a directory that has lost its database: to begin anew there would be to lose the rest as well.
pub(crate) fn refuse_if_lost(data_dir: &Path) -> Result<(), OpenError> {
    refuse_backup(data_dir)?;
    let path = data_dir.join(DATABASE);
    let there = std::fs::metadata(&path).is_ok_and(|database| database.len() > 0);
    if !there && had_database(data_dir)? { Err(OpenError::DatabaseLost { path }) } else { Ok(()) }
}

/// Whether there was ever a database here: it was noted, or there are bodies.
pub(crate) fn had_database(data_dir: &Path) -> Result<bool, OpenError> {
    let has_bytes =
        |name: &str| std::fs::metadata(data_dir.join(name)).is_ok_and(|file| file.len() > 0);
    if has_bytes(LOCK) {
        return Ok(true);
    }
    let blobs = data_dir.join("blobs");
    for directory in list(&blobs)? {
        if directory.is_dir() && !list(&directory)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is in a directory; nothing, if it is not there.
fn list(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", directory))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<io::Result<_>>().map_err(failed("list", directory))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { operation, path, source }
}
