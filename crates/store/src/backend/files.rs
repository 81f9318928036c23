//! The embedded engine of bytes: one file a blob, in 256 directories, written under a temporary name
//! and renamed when it is on stable storage.

mod directory_sync;
pub(crate) mod disk;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::ReadWriteFlags;

use super::embedded::health::Health;
use super::{BlobSource, BlobWriter, Blobs};
use crate::body::{BlobId, FileRange, Room, Rooms};
use crate::lock::lock;
use crate::vault::random;
use crate::{OpenError, StoreError};
use directory_sync::DirectorySync;
use disk::Disk;

/// How much of the disk's room a blob takes ahead of its bytes, in bytes, if so many were announced; later as much again
/// as has come. So a file is laid out in few pieces, and what is taken is at most twice what was sent, and this.
const ALLOCATED_AHEAD_MIN: u64 = 1024 * 1024;
/// How many blobs in a row go to one directory, so that writers share its fsync.
const BLOBS_A_TURN: u64 = 64;
/// From one turn to the next directory: odd, so that all 256 have their turn.
const TURN_STRIDE: u64 = 167;

/// Blobs as files of a data directory.
#[derive(Clone, Debug)]
pub(crate) struct FileBlobs(Arc<Files>);

#[derive(Debug)]
struct Files {
    blobs: PathBuf,
    temporary: PathBuf,
    disk: Disk,
    health: Arc<Health>,
    /// The directories of blobs: one for each value of an id's first byte.
    directories: Vec<DirectorySync>,
    begun: AtomicU64,
    rooms: Arc<Rooms>,
    pins: Mutex<HashMap<BlobId, usize>>,
}

impl FileBlobs {
    /// Opens the directories, or makes them, and removes what the last process was still writing.
    pub(crate) fn open(
        data_dir: &Path,
        health: Arc<Health>,
        disk: Disk,
    ) -> Result<Self, OpenError> {
        let (blobs, temporary) = (data_dir.join("blobs"), data_dir.join("tmp"));
        make_directories(data_dir, &blobs, &temporary)?;
        let failed = |operation, path: &Path, source| {
            let path = path.to_owned();
            OpenError::Io { operation, path, source }
        };
        let leftovers = std::fs::read_dir(&temporary).map_err(|e| failed("list", &temporary, e))?;
        for leftover in leftovers {
            let path = leftover.map_err(|e| failed("list", &temporary, e))?.path();
            disk.remove(&path).map_err(|e| failed("remove", &path, e))?;
        }
        let directories = (0..=u8::MAX).map(|_| DirectorySync::default()).collect();
        let begun = AtomicU64::new(0);
        let (rooms, pins) = (Arc::default(), Mutex::default());
        let files = Files { blobs, temporary, disk, health, directories, begun, rooms, pins };
        Ok(Self(Arc::new(files)))
    }
}

/// Makes all directories of the format, once, durably.
fn make_directories(data_dir: &Path, blobs: &Path, temporary: &Path) -> Result<(), OpenError> {
    let make = |path: &Path| {
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(|source| {
            OpenError::Io { operation: "make directory", path: path.to_owned(), source }
        })
    };
    let sync = |path: &Path| {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| {
            OpenError::Io { operation: "sync directory", path: path.to_owned(), source }
        })
    };
    make(temporary)?;
    make(blobs)?;
    for first in 0..=u8::MAX {
        make(&blobs.join(format!("{first:02x}")))?;
    }
    sync(blobs)?;
    sync(data_dir)
}

impl Files {
    fn temporary_path(&self, id: BlobId) -> PathBuf {
        self.temporary.join(id.to_string())
    }

    fn directory(&self, first: u8) -> PathBuf {
        self.blobs.join(format!("{first:02x}"))
    }

    fn path(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        let (_, rest) = name.split_at_checked(2).unwrap_or_default();
        self.directory(id.first_byte()).join(rest)
    }

    /// Opens a directory in which a name is about to change. A sync that fails is the end of all writing, and that there
    /// is no room for another open file is no reason for that.
    fn open_directory(&self, first: u8) -> Result<File, StoreError> {
        self.disk.open_directory(&self.directory(first)).map_err(failed("open a directory"))
    }

    /// Makes renames into a directory, or removals from it, durable, sharing the fsync with others.
    fn sync_directory(&self, first: u8, open: &File) -> Result<(), StoreError> {
        let Some(directory) = self.directories.get(usize::from(first)) else {
            return Err(StoreError::Corrupt { what: "directory of a blob" });
        };
        let path = self.directory(first);
        directory.sync(|| self.disk.sync_open_directory(open, &path)).map_err(|error| {
            self.health.poison(&error);
            StoreError::Poisoned
        })
    }

    fn begin(&self, id: BlobId, size: Option<u64>) -> Result<(File, u64), StoreError> {
        self.health.check()?;
        self.health.check_room(size.unwrap_or(0))?;
        let path = self.temporary_path(id);
        let file = self.disk.create(&path).map_err(failed("make a file"))?;
        // No more than a little before it comes: whoever announces much and sends nothing takes no room from others.
        let first = size.unwrap_or(0).min(ALLOCATED_AHEAD_MIN);
        let allocated = if first > 0 { self.disk.allocate(&file, &path, first) } else { Ok(0) };
        allocated.map(|allocated| (file, allocated)).map_err(|error| {
            self.give_up(id);
            failed("allocate a file")(error)
        })
    }

    /// Frees the room of a file that failed, at once: it may be why the disk is full.
    fn give_up(&self, id: BlobId) {
        let path = self.temporary_path(id);
        if let Err(error) = self.disk.remove(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove a temporary file");
        }
    }

    fn finish(&self, id: BlobId, file: &File, size: u64, allocated: u64) -> Result<(), StoreError> {
        let (from, to) = (self.temporary_path(id), self.path(id));
        let synced = if allocated > size { file.set_len(size) } else { Ok(()) }
            .and_then(|()| self.disk.sync_data(file, &from))
            .map_err(failed("sync a file"));
        let opened = synced.and_then(|()| self.open_directory(id.first_byte()));
        let renamed = opened.and_then(|directory| {
            // Not there: the sweeper was, since the stage is older than any upload may be.
            self.disk
                .rename(&from, &to)
                .map_err(failed_unless_missing("rename a file", StoreError::StageExpired))?;
            Ok(directory)
        });
        match renamed {
            Ok(directory) => self.sync_directory(id.first_byte(), &directory),
            Err(error) => {
                self.give_up(id);
                Err(error)
            }
        }
    }

    fn remove(&self, ids: Vec<BlobId>) -> Result<Vec<BlobId>, StoreError> {
        let mut by_directory = BTreeMap::<u8, Vec<BlobId>>::new();
        for id in ids {
            by_directory.entry(id.first_byte()).or_default().push(id);
        }
        let removed = by_directory.into_iter().map(|(first, ids)| self.remove_from(first, ids));
        Ok(removed.collect::<Result<Vec<_>, StoreError>>()?.concat())
    }

    /// Removes the blobs whose ids begin with one byte: they lie in one directory.
    fn remove_from(&self, first: u8, ids: Vec<BlobId>) -> Result<Vec<BlobId>, StoreError> {
        let open = self.open_directory(first)?;
        let mut removed = Vec::with_capacity(ids.len());
        let mut is_touched = false;
        for id in ids {
            if lock(&self.pins).contains_key(&id) {
                continue;
            }
            // In this order, or a rename between the two would be missed.
            self.disk.remove(&self.temporary_path(id)).map_err(failed("remove a file"))?;
            is_touched |= self.disk.remove(&self.path(id)).map_err(failed("remove a file"))?;
            removed.push(id);
        }
        // A name that came back after its garbage was forgotten would stay for ever.
        if is_touched {
            self.sync_directory(first, &open)?;
        }
        Ok(removed)
    }
}

impl Blobs for FileBlobs {
    type Writer = FileWriter;
    type Source = FileSource;
    type Pins = FilePins;

    fn new_id(&self) -> Result<BlobId, StoreError> {
        let turn = self.0.begun.fetch_add(1, Ordering::Relaxed) / BLOBS_A_TURN;
        let [first, ..] = turn.wrapping_mul(TURN_STRIDE).to_le_bytes();
        let [_, rest @ ..] = random::<16>()?;
        Ok(BlobId::from_parts(first, rest))
    }

    async fn begin(&self, id: BlobId, size: Option<u64>) -> Result<FileWriter, StoreError> {
        let files = Arc::clone(&self.0);
        blocking(move || {
            let (file, allocated) = files.begin(id, size)?;
            let announced = size.unwrap_or(0);
            Ok(FileWriter { files, id, file, size: 0, allocated, announced })
        })
        .await
    }

    fn source(&self, id: BlobId, range: Range<u64>) -> FileSource {
        FileSource { path: self.0.path(id), file: None, range, rooms: Arc::clone(&self.0.rooms) }
    }

    fn pin(&self, ids: Vec<BlobId>) -> FilePins {
        let mut pins = lock(&self.0.pins);
        for id in &ids {
            let count = pins.entry(*id).or_insert(0_usize);
            *count = count.saturating_add(1);
        }
        FilePins { files: Arc::clone(&self.0), ids }
    }

    async fn remove(&self, ids: Vec<BlobId>) -> Result<Vec<BlobId>, StoreError> {
        let files = Arc::clone(&self.0);
        blocking(move || files.remove(ids)).await
    }
}

/// Keeps blobs from being removed while they are read.
#[derive(Debug)]
pub(crate) struct FilePins {
    files: Arc<Files>,
    ids: Vec<BlobId>,
}

impl Drop for FilePins {
    fn drop(&mut self) {
        let mut pins = lock(&self.files.pins);
        for id in &self.ids {
            if let Some(count) = pins.get_mut(id) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    pins.remove(id);
                }
            }
        }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    files: Arc<Files>,
    id: BlobId,
    file: File,
    size: u64,
    /// How many bytes it has room for; 0: the file system takes room as it writes.
    allocated: u64,
    announced: u64,
}

impl FileWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.files.temporary_path(self.id);
        let end = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if end > self.allocated && self.allocated > 0 && self.announced > self.allocated {
            let wanted = self.announced.min(end.saturating_mul(2));
            self.files.health.check_room(wanted.saturating_sub(self.size))?;
            let allocated = self.files.disk.allocate(&self.file, &path, wanted);
            self.allocated = allocated.map_err(failed("allocate a file"))?;
        }
        if end > self.allocated {
            self.files.health.check_room(0)?;
        }
        let written = self.files.disk.write_at(&self.file, &path, bytes, self.size);
        written.map_err(failed("write a file"))?;
        self.size = end;
        Ok(())
    }
}

impl BlobWriter for FileWriter {
    async fn append<B: AsRef<[u8]>, T: Send + 'static>(
        mut self,
        make: impl FnOnce() -> Result<(B, T), StoreError> + Send + 'static,
    ) -> Result<(Self, T), StoreError> {
        blocking(move || {
            let made = make().and_then(|(bytes, made)| self.write(bytes.as_ref()).map(|()| made));
            match made {
                Ok(made) => Ok((self, made)),
                Err(error) => {
                    self.files.give_up(self.id);
                    Err(error)
                }
            }
        })
        .await
    }

    async fn finish(self) -> Result<(), StoreError> {
        blocking(move || {
            let Self { files, id, file, size, allocated, announced: _ } = self;
            files.finish(id, &file, size, allocated)
        })
        .await
    }
}

/// A file that is being read, opened at the first read.
#[derive(Debug)]
pub(crate) struct FileSource {
    path: PathBuf,
    file: Option<File>,
    /// The bytes of the file that are still to be read.
    range: Range<u64>,
    rooms: Arc<Rooms>,
}

impl FileSource {
    /// Opens the file if its name and inode are in memory.
    fn opened_now(&mut self) -> Option<&File> {
        if self.file.is_none() {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file =
                rustix::fs::openat2(CWD, &self.path, flags, Mode::empty(), ResolveFlags::CACHED);
            self.file = Some(file.ok()?.into());
        }
        self.file.as_ref()
    }

    /// Whether so many bytes are left of the range that was named.
    fn has(&self, size: usize) -> bool {
        let left = self.range.end.saturating_sub(self.range.start);
        u64::try_from(size).is_ok_and(|size| size <= left)
    }

    fn go_on(&mut self, size: usize) {
        let read = u64::try_from(size).unwrap_or(u64::MAX);
        self.range.start = self.range.start.saturating_add(read);
    }

    fn read_blocking(&mut self, size: usize) -> Result<Room, StoreError> {
        if !self.has(size) {
            return Err(StoreError::Corrupt { what: "range of a blob" });
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)
                .map_err(failed_unless_missing("open a file", StoreError::BodyGone))?,
        };
        let mut bytes = self.rooms.take(size);
        let read = file.read_exact_at(&mut bytes, self.range.start);
        self.file = Some(file);
        self.go_on(size);
        read.map(|()| bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                return StoreError::Corrupt { what: "length of a blob" };
            }
            failed("read a file")(error)
        })
    }
}

impl BlobSource for FileSource {
    fn read_now(&mut self, size: usize) -> Option<Room> {
        if !self.has(size) {
            return None;
        }
        self.opened_now()?;
        let mut bytes = self.rooms.take(size);
        let file = self.file.as_ref()?;
        let room = &mut [IoSliceMut::new(&mut bytes)];
        let at = self.range.start;
        let read = rustix::io::preadv2(file, room, at, ReadWriteFlags::NOWAIT).ok()?;
        (read == size).then(|| {
            self.go_on(size);
            bytes
        })
    }

    fn file_now(&mut self) -> Option<FileRange> {
        self.opened_now()?;
        let file = Arc::new(self.file.take()?);
        let end = self.range.end;
        let range = std::mem::replace(&mut self.range, end..end);
        Some(FileRange { file, range })
    }

    async fn read(mut self, size: usize) -> (Self, Result<Room, StoreError>) {
        let (path, rooms, range) = (self.path.clone(), Arc::clone(&self.rooms), self.range.clone());
        let read = blocking(move || {
            let bytes = self.read_blocking(size);
            Ok((self, bytes))
        });
        read.await.unwrap_or_else(|error| (Self { path, file: None, range, rooms }, Err(error)))
    }
}

/// Runs what waits for the disk on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // The runtime is going away, and everything with it.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed))
}

/// A failure of a file operation; a full disk or quota is not one.
fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |error| {
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return StoreError::Full;
        }
        StoreError::Io { operation, source: Arc::new(error) }
    }
}

/// The same, but for a file that is not there.
fn failed_unless_missing(
    operation: &'static str,
    missing: StoreError,
) -> impl FnOnce(io::Error) -> StoreError {
    move |error| {
        if error.kind() == io::ErrorKind::NotFound { missing } else { failed(operation)(error) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// Else whoever has a link to upload could take the whole disk, and send a few bytes a minute.
    #[tokio::test]
    async fn what_is_announced_and_does_not_come_takes_little_room() {
        const MIB: u64 = 1024 * 1024;
        let dir = tempfile::tempdir().unwrap();
        let health = Arc::new(Health::new(dir.path().to_owned()));
        let blobs = FileBlobs::open(dir.path(), health, Disk::default()).unwrap();
        let id = blobs.new_id().unwrap();
        let mut writer = blobs.begin(id, Some(100 * MIB)).await.unwrap();
        let mut sent = 0;
        for (size, most) in [(10_000, MIB), (2 * MIB, 5 * MIB), (4 * MIB, 13 * MIB)] {
            let bytes = vec![7; usize::try_from(size).unwrap()];
            writer = writer.append(move || Ok((bytes, ()))).await.unwrap().0;
            sent += size;
            let taken = std::fs::metadata(blobs.0.temporary_path(id)).unwrap().blocks() * 512;
            assert!((sent..=most).contains(&taken), "{taken} for {sent}");
        }
        writer.finish().await.unwrap();
        let file = std::fs::metadata(blobs.0.path(id)).unwrap();
        assert_eq!(file.len(), sent);
        assert!(file.blocks() * 512 <= sent + MIB / 4, "{}", file.blocks());
    }
}
