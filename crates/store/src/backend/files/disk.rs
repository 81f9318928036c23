//! The few file operations that the order of writes rests on, in one place so that tests can make
//! each of them fail, or look at the disk before it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FallocateFlags;

/// An operation that can fail, or before which a process can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskStep {
    Create,
    Allocate,
    Write,
    SyncData,
    OpenDirectory,
    Rename,
    SyncDirectory,
    Remove,
}

/// What a test does before each step: nothing, look, or fail it.
#[cfg(test)]
pub(crate) type BeforeStep = dyn Fn(DiskStep, &Path) -> io::Result<()> + Send + Sync;

/// The disk under the blobs.
#[derive(Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    before: Option<Box<BeforeStep>>,
}

impl Disk {
    #[cfg(test)]
    pub(crate) fn faulty(before: Box<BeforeStep>) -> Self {
        Self { before: Some(before) }
    }

    #[cfg(test)]
    fn before(&self, step: DiskStep, path: &Path) -> io::Result<()> {
        self.before.as_ref().map_or(Ok(()), |before| before(step, path))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the seam for tests")]
    fn before(&self, _step: DiskStep, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Makes a file that must not exist.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        self.before(DiskStep::Create, path)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    /// Takes the room for `size` bytes; answers how many were taken, which is none on file systems
    /// that cannot.
    pub(crate) fn allocate(&self, file: &File, path: &Path, size: u64) -> io::Result<u64> {
        self.before(DiskStep::Allocate, path)?;
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
            Ok(()) => Ok(size),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn write_at(
        &self,
        file: &File,
        path: &Path,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        self.before(DiskStep::Write, path)?;
        file.write_all_at(bytes, offset)
    }

    pub(crate) fn sync_data(&self, file: &File, path: &Path) -> io::Result<()> {
        self.before(DiskStep::SyncData, path)?;
        file.sync_data()
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(DiskStep::Rename, to)?;
        std::fs::rename(from, to)
    }

    /// Opens a directory that is about to be changed: that there is no room for another open file must show before.
    pub(crate) fn open_directory(&self, path: &Path) -> io::Result<File> {
        self.before(DiskStep::OpenDirectory, path)?;
        File::open(path)
    }

    /// Makes what changed in a directory durable.
    pub(crate) fn sync_open_directory(&self, directory: &File, path: &Path) -> io::Result<()> {
        self.before(DiskStep::SyncDirectory, path)?;
        directory.sync_all()
    }

    pub(crate) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.sync_open_directory(&self.open_directory(path)?, path)
    }

    /// Removes a file; `false`: there was none.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<bool> {
        self.before(DiskStep::Remove, path)?;
        match std::fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}
