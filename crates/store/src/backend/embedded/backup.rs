//! Copies of a data directory: made while a server writes it, and put back (`docs/design.md`, "Backups").

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::data_dir::MARK;
use super::sweep_lock::SweepLock;
use super::{data_dir, master_key};
use crate::backend::files::disk::Disk;
use crate::backend::sqlite::{DatabaseCopy, FILE_NAME as DATABASE};
use crate::body::{Blob, BlobId};
use crate::{OpenError, StoreError};

/// Says that a directory is a backup, and a whole one.
const MARK_TEXT: &[u8] = b"valet backup 1\n";
/// The same of one that was begun and is not whole.
const BEGUN_TEXT: &[u8] = b"valet backup 1, not finished\n";
const BLOBS: &str = "blobs";
const TEMPORARY: &str = "tmp";
/// A database that is not in its place yet.
const NEW_DATABASE: &str = "metadata.sqlite.new";

/// Whether the copy takes the master key along.
#[derive(Clone, Copy, Debug)]
pub enum WithMasterKey<'p> {
    /// A backup that is stolen opens nothing; the key is kept elsewhere.
    No,
    /// The key, from this file, or from the data directory.
    From(Option<&'p Path>),
}

/// How far a copy has got, in bytes of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyProgress {
    /// How many bytes there are to copy.
    pub total: u64,
    /// How many bytes are copied.
    pub done: u64,
}

/// What a copy holds, and how much of that was copied now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many objects the copy holds, versions included.
    pub objects: u64,
    /// In how many files, beside the database.
    pub files: u64,
    /// How many of them were copied now, because they were not there yet.
    pub files_copied: u64,
    /// How long these are, in bytes.
    pub bytes_copied: u64,
    /// How long the database is, in bytes.
    pub database_bytes: u64,
    /// Whether the master key is in the copy.
    pub master_key: KeyInCopy,
}

/// Whether a copy holds the master key, with which whoever has the copy can read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyInCopy {
    /// The copy does not hold the key.
    #[default]
    No,
    /// The key was copied this time.
    Copied,
    /// The key was not copied this time, but one of an earlier copy is still there.
    OfBefore,
}

/// Why a copy was not made. What was there before is there still.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no store in the directory.
    #[error("{} holds no store: name the data directory with --data-dir", dir.display())]
    NoStore {
        /// The directory that was named.
        dir: PathBuf,
    },
    /// The directory is not a backup, or one that was never finished.
    #[error("{} is no backup, or one that was never finished", dir.display())]
    NoBackup {
        /// The directory that was named.
        dir: PathBuf,
    },
    /// The directory holds something else.
    #[error("{} is not empty, and no backup: name a directory that is new or empty", dir.display())]
    NotEmpty {
        /// The directory that was named.
        dir: PathBuf,
    },
    /// One of the directories is inside the other.
    #[error("{} and {} are inside each other: name a directory elsewhere", from.display(), to.display())]
    Nested {
        /// What was to be copied.
        from: PathBuf,
        /// Where the copy was to go.
        to: PathBuf,
    },
    /// The backup of before is another store's.
    #[error("{} is the backup of another store", dir.display())]
    OtherStore {
        /// The directory that was named.
        dir: PathBuf,
    },
    /// The key that is to come along is not the store's.
    #[error("the master key is not the store's")]
    OtherKey,
    /// A file of the source is not as its record says.
    #[error("{} is missing, or not as long as its record says", path.display())]
    Damaged {
        /// The file that is missing or too short.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as in "open" or "sync directory".
        operation: &'static str,
        /// The file or directory that it was tried on.
        path: PathBuf,
        /// What the operating system reported.
        #[source]
        source: io::Error,
    },
    /// A directory cannot be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies a store, which a server may be writing, to a directory that is new or holds a backup of before: what is there
/// already is not copied again. Blocking.
pub fn backup(
    from: &Path,
    to: &Path,
    key: WithMasterKey<'_>,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<Copied, BackupError> {
    let database = from.join(DATABASE);
    if !database.is_file() {
        return Err(BackupError::NoStore { dir: from.to_owned() });
    }
    let is_new = is_empty(to)?;
    refuse_nested(from, to)?;
    if !is_new && !is_marked(to) && !is_begun(to) {
        return Err(BackupError::NotEmpty { dir: to.to_owned() });
    }
    let _held = data_dir::hold(&Disk::default(), to)?;
    if !is_marked(to) {
        mark(to, BEGUN_TEXT)?;
    }
    // From here on no body that the database points at is removed.
    let _lock = SweepLock::of(from).share().map_err(failed("lock", from))?;
    let source = DatabaseCopy::open(&database)?;
    let master = source.master_key_id()?;
    if is_marked(to) && DatabaseCopy::open(&to.join(DATABASE))?.master_key_id()? != master {
        return Err(BackupError::OtherStore { dir: to.to_owned() });
    }
    let key_file = match key {
        WithMasterKey::No => None,
        WithMasterKey::From(path) => {
            let path = path.map_or_else(|| from.join(master_key::FILE_NAME), Path::to_owned);
            let (found, _) = master_key::load_master_key(from, Some(&path))?;
            if found.id() != master {
                return Err(BackupError::OtherKey);
            }
            Some(path)
        }
    };
    let copy = Copy::begin(from, to)?;
    let new_database = to.join(NEW_DATABASE);
    remove(&new_database)?;
    // SQLite would make it readable by all.
    new_file(&new_database).map_err(failed("make", &new_database))?;
    source.copy_to(&new_database)?;
    drop(source);
    let (files, mut copied) = copy.bodies(&new_database, progress)?;
    copied.master_key = match key_file {
        Some(key) => {
            copy.key(&key)?;
            KeyInCopy::Copied
        }
        // It may be the only one that is left, so it is not for this command to remove.
        None if to.join(master_key::FILE_NAME).exists() => KeyInCopy::OfBefore,
        None => KeyInCopy::No,
    };
    copied.database_bytes = copy.publish(&new_database)?;
    mark(to, MARK_TEXT)?;
    copy.prune(&files)?;
    Ok(copied)
}

/// Puts a backup back as a data directory, which must be new or empty. Blocking.
pub fn restore(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(CopyProgress),
) -> Result<Copied, BackupError> {
    if !is_marked(from) {
        return Err(BackupError::NoBackup { dir: from.to_owned() });
    }
    if !is_empty(to)? {
        return Err(BackupError::NotEmpty { dir: to.to_owned() });
    }
    refuse_nested(from, to)?;
    let _source = data_dir::share(from)?;
    let held = data_dir::hold(&Disk::default(), to)?;
    // What is cut off here is not taken for a store that is new.
    held.note_database();
    let copy = Copy::begin(from, to)?;
    let new_database = to.join(NEW_DATABASE);
    copy_file(&from.join(DATABASE), &new_database)?;
    DatabaseCopy::open(&new_database)?.check()?;
    let (_, mut copied) = copy.bodies(&new_database, progress)?;
    let key = from.join(master_key::FILE_NAME);
    if key.exists() {
        copy.key(&key)?;
        copied.master_key = KeyInCopy::Copied;
    }
    copied.database_bytes = copy.publish(&new_database)?;
    Ok(copied)
}

/// From one directory to another.
struct Copy<'p> {
    from: &'p Path,
    to: &'p Path,
}

impl<'p> Copy<'p> {
    fn begin(from: &'p Path, to: &'p Path) -> Result<Self, BackupError> {
        let disk = Disk::default();
        let temporary = to.join(TEMPORARY);
        data_dir::make(&disk, &temporary)?;
        for leftover in std::fs::read_dir(&temporary).map_err(failed("list", &temporary))? {
            remove(&leftover.map_err(failed("list", &temporary))?.path())?;
        }
        for first in 0..=u8::MAX {
            data_dir::make(&disk, &to.join(BLOBS).join(format!("{first:02x}")))?;
        }
        Ok(Self { from, to })
    }

    /// Copies the files that the database points at and that are not there yet; each has its name only when it is
    /// whole and on stable storage.
    fn bodies(
        &self,
        database: &Path,
        progress: &mut dyn FnMut(CopyProgress),
    ) -> Result<(HashMap<BlobId, u64>, Copied), BackupError> {
        let mut files = HashMap::new();
        let objects = DatabaseCopy::open(database)?
            .each_file(|blob| files.extend([(blob.id, stored_bytes(blob))]))?;
        let is_there = |id: BlobId, size: u64| {
            std::fs::metadata(path_of(self.to, id)).is_ok_and(|file| file.len() == size)
        };
        let missing: Vec<_> = files.iter().filter(|(id, size)| !is_there(**id, **size)).collect();
        let total = missing.iter().map(|(_, size)| **size).fold(0, u64::saturating_add);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (all, new) = (count(files.len()), count(missing.len()));
        let mut done = 0_u64;
        progress(CopyProgress { total, done });
        for (id, size) in missing {
            let (source, temporary) =
                (path_of(self.from, *id), self.to.join(TEMPORARY).join(id.to_string()));
            let copied = match copy_file(&source, &temporary) {
                Err(BackupError::Io { source: error, .. })
                    if error.kind() == io::ErrorKind::NotFound =>
                {
                    0
                }
                copied => copied?,
            };
            if copied != *size {
                remove(&temporary)?;
                return Err(BackupError::Damaged { path: source });
            }
            let place = path_of(self.to, *id);
            std::fs::rename(&temporary, &place).map_err(failed("rename", &place))?;
            done = done.saturating_add(*size);
            progress(CopyProgress { total, done });
        }
        for first in 0..=u8::MAX {
            sync_directory(&self.to.join(BLOBS).join(format!("{first:02x}")))?;
        }
        let copied = Copied {
            objects,
            files: all,
            files_copied: new,
            bytes_copied: total,
            ..Copied::default()
        };
        Ok((files, copied))
    }

    fn key(&self, path: &Path) -> Result<(), BackupError> {
        let (temporary, place) = (
            self.to.join(TEMPORARY).join(master_key::FILE_NAME),
            self.to.join(master_key::FILE_NAME),
        );
        copy_file(path, &temporary)?;
        std::fs::rename(&temporary, &place).map_err(failed("rename", &place))
    }

    /// Puts the new database in its place: from then on this is the copy. Answers how long it is.
    fn publish(&self, new_database: &Path) -> Result<u64, BackupError> {
        let file = File::open(new_database).map_err(failed("open", new_database))?;
        file.sync_all().map_err(failed("sync", new_database))?;
        let bytes = file.metadata().map_err(failed("look at", new_database))?.len();
        for name in ["metadata.sqlite-wal", "metadata.sqlite-shm"] {
            remove(&self.to.join(name))?;
        }
        let place = self.to.join(DATABASE);
        std::fs::rename(new_database, &place).map_err(failed("rename", &place))?;
        sync_directory(self.to)?;
        Ok(bytes)
    }

    /// Removes files of before that the database does not point at any more.
    fn prune(&self, files: &HashMap<BlobId, u64>) -> Result<(), BackupError> {
        for first in 0..=u8::MAX {
            let prefix = format!("{first:02x}");
            let directory = self.to.join(BLOBS).join(&prefix);
            for entry in std::fs::read_dir(&directory).map_err(failed("list", &directory))? {
                let entry = entry.map_err(failed("list", &directory))?;
                let id = entry
                    .file_name()
                    .to_str()
                    .and_then(|rest| BlobId::parse(&format!("{prefix}{rest}")));
                if id.is_some_and(|id| !files.contains_key(&id)) {
                    remove(&entry.path())?;
                }
            }
        }
        Ok(())
    }
}

/// How long the file of a blob is.
fn stored_bytes(blob: &Blob) -> u64 {
    use crate::body::{CHUNK_BYTES, TAG_BYTES};
    let tags = blob.size.div_ceil(CHUNK_BYTES).max(1).saturating_mul(TAG_BYTES);
    if blob.sealed_key.is_some() { blob.size.saturating_add(tags) } else { blob.size }
}

fn path_of(data_dir: &Path, id: BlobId) -> PathBuf {
    let name = id.to_string();
    let (first, rest) = name.split_at_checked(2).unwrap_or_default();
    data_dir.join(BLOBS).join(first).join(rest)
}

/// Whether nothing is in a directory, or there is none.
fn is_empty(directory: &Path) -> Result<bool, BackupError> {
    match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        entries => Ok(entries.map_err(failed("list", directory))?.next().is_none()),
    }
}

fn is_marked(directory: &Path) -> bool {
    std::fs::read(directory.join(MARK)).is_ok_and(|text| text == MARK_TEXT)
        && directory.join(DATABASE).is_file()
}

/// Refuses a copy inside what is copied: `DATA_DIR/backup` would make a server take its own data for a backup.
fn refuse_nested(from: &Path, to: &Path) -> Result<(), BackupError> {
    let whole = |path: &Path| std::path::absolute(path).map_err(failed("find", path));
    let (source, target) = (whole(from)?, whole(to)?);
    // Of what is yet to be made, the part that is there may be a link.
    let real = |path: &Path| {
        path.ancestors().find_map(|above| {
            let real = above.canonicalize().ok()?;
            Some(real.join(path.strip_prefix(above).ok()?))
        })
    };
    let source = real(&source).unwrap_or(source);
    let target = real(&target).unwrap_or(target);
    if source != target && (target.starts_with(&source) || source.starts_with(&target)) {
        return Err(BackupError::Nested { from: from.to_owned(), to: to.to_owned() });
    }
    Ok(())
}

/// Whether a first backup was begun here and cut off, if only after its lock was made.
fn is_begun(directory: &Path) -> bool {
    let only_lock = |entry: io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            entry.file_name() == "lock" && entry.metadata().is_ok_and(|lock| lock.len() == 0)
        })
    };
    std::fs::read(directory.join(MARK)).is_ok_and(|text| text == BEGUN_TEXT)
        || std::fs::read_dir(directory).is_ok_and(|mut entries| entries.all(only_lock))
}

/// Says of a directory what kind of backup it is.
fn mark(directory: &Path, text: &[u8]) -> Result<(), BackupError> {
    let (mark, new) = (directory.join(MARK), directory.join("backup.new"));
    remove(&new)?;
    let written =
        new_file(&new).and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()));
    written.and_then(|()| std::fs::rename(&new, &mark)).map_err(failed("write", &mark))?;
    sync_directory(directory)
}

/// Copies a file to a new one, durably; answers how many bytes.
fn copy_file(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let mut source = File::open(from).map_err(failed("open", from))?;
    let mut file = new_file(to).map_err(failed("make", to))?;
    let copied = io::copy(&mut source, &mut file).map_err(failed("copy to", to))?;
    file.sync_all().map_err(failed("sync", to))?;
    Ok(copied)
}

/// A file that its owner alone may read, where none is.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn remove(path: &Path) -> Result<(), BackupError> {
    Disk::default().remove(path).map(drop).map_err(failed("remove", path))
}

fn sync_directory(path: &Path) -> Result<(), BackupError> {
    Disk::default().sync_directory(path).map_err(failed("sync directory", path))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { operation, path, source }
}
