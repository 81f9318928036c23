//! Where a download goes: standard output, or a file that gets its name only when it is complete.
//!
//! While it is incomplete it is called `FILE.part`; `FILE.part.etag` says of which object it is a
//! part, so that a later run can go on with it.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::failure::Failure;
use crate::get::beside;
use crate::transfer::READ_BYTES;

/// An `ETag` that is longer is not kept.
const ETAG_BYTES_MAX: u64 = 1024;

/// Where the download was asked to go.
#[derive(Clone, Debug)]
pub(super) enum Place {
    StandardOutput,
    File {
        path: PathBuf,
        /// A name that a stranger chose does not overwrite anything.
        chosen_by_server: bool,
    },
}

/// A place, and how far it has got.
#[derive(Debug)]
pub(super) struct Sink {
    place: Place,
    /// The part that an earlier run or this one has begun; None on standard output, and before.
    part: Option<File>,
    /// Of the object that the bytes so far belong to; None where they cannot be continued.
    etag: Option<String>,
    offset: u64,
}

impl Sink {
    /// Finds what an earlier run has left.
    pub(super) fn open(place: Place) -> Result<Self> {
        let mut sink = Self { place, part: None, etag: None, offset: 0 };
        let Some(path) = sink.part_path() else { return Ok(sink) };
        match File::options().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(sink),
            other => sink.adopt(other.with_context(|| path.display().to_string())?, &path)?,
        }
        sink.etag = sink.read_etag();
        if let Some(file) = sink.part.as_mut().filter(|_| sink.etag.is_some()) {
            sink.offset = file.seek(SeekFrom::End(0)).context("the part of an earlier run")?;
        }
        Ok(sink)
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn etag(&self) -> Option<String> {
        self.etag.clone()
    }

    /// Takes the name that the server suggests, unless the user chose one.
    pub(super) fn rename(&mut self, name: PathBuf) -> Result<()> {
        if let Place::File { path, chosen_by_server: true } = &self.place
            && *path != name
        {
            *self = Self::open(Place::File { path: name, chosen_by_server: true })?;
        }
        Ok(())
    }

    /// Whatever stands under a name that a stranger chose stays.
    pub(super) fn refuse_to_overwrite(&self) -> Result<(), Failure> {
        match &self.place {
            Place::File { path, chosen_by_server: true } if path.symlink_metadata().is_ok() => {
                let path = path.display();
                Err(Failure::usage(anyhow!("{path} exists; name a FILE to replace it")))
            }
            Place::File { .. } | Place::StandardOutput => Ok(()),
        }
    }

    /// Begins at the first byte of the object with that `ETag`.
    pub(super) fn begin(&mut self, etag: Option<String>) -> Result<()> {
        self.etag = etag;
        let Some(path) = self.part_path() else { return Ok(()) };
        if self.part.is_none() {
            let mut options = File::options();
            let file = options.read(true).write(true).create(true).truncate(false).open(&path);
            self.adopt(file.with_context(|| path.display().to_string())?, &path)?;
        }
        self.start_over()?;
        let etag_path = beside(&path, ".etag");
        match &self.etag {
            Some(etag) => std::fs::write(&etag_path, etag),
            None => remove(&etag_path),
        }
        .with_context(|| etag_path.display().to_string())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.part {
            file.write_all(bytes).context("cannot write the file")?;
        } else {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
            written.context("cannot write to standard output")?;
        }
        self.offset += u64::try_from(bytes.len())?;
        Ok(())
    }

    /// Shows the bytes so far, from the first one on.
    pub(super) fn reread(&mut self, mut show: impl FnMut(&[u8])) -> Result<()> {
        let Some(file) = &mut self.part else { return Ok(()) };
        file.rewind()?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                read => show(buffer.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Forgets the bytes so far; what has gone to standard output cannot be taken back.
    pub(super) fn start_over(&mut self) -> Result<()> {
        match &mut self.part {
            Some(file) => {
                file.set_len(0)?;
                file.rewind()?;
            }
            None => ensure!(self.offset == 0, "standard output cannot start over"),
        }
        self.offset = 0;
        Ok(())
    }

    /// Removes what turned out to be wrong: going on with it could not make it right.
    pub(super) fn discard(&mut self) {
        if let Some(path) = self.part_path() {
            // If it stays, the next run finds that it does not fit.
            drop(remove(&beside(&path, ".etag")));
            drop(remove(&path));
        }
    }

    /// Gives the complete file its name, durably; returns it.
    pub(super) fn publish(&mut self) -> Result<Option<PathBuf>, Failure> {
        let Place::File { path, .. } = &self.place else { return Ok(None) };
        self.refuse_to_overwrite()?;
        self.name_part(path).with_context(|| path.display().to_string())?;
        Ok(Some(path.clone()))
    }

    fn name_part(&self, path: &Path) -> io::Result<()> {
        if let Some(file) = &self.part {
            file.sync_all()?;
        }
        let part = beside(path, ".part");
        std::fs::rename(&part, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        remove(&beside(&part, ".etag"))
    }

    /// Takes the part for this process alone.
    fn adopt(&mut self, file: File, path: &Path) -> Result<()> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(anyhow!("{}: another download is writing it", path.display()));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context(path.display().to_string());
            }
        }
        self.part = Some(file);
        Ok(())
    }

    fn read_etag(&self) -> Option<String> {
        let file = File::open(beside(&self.part_path()?, ".etag")).ok()?;
        let mut etag = String::new();
        file.take(ETAG_BYTES_MAX).read_to_string(&mut etag).ok()?;
        (!etag.is_empty()).then_some(etag)
    }

    fn part_path(&self) -> Option<PathBuf> {
        match &self.place {
            Place::File { path, .. } => Some(beside(path, ".part")),
            Place::StandardOutput => None,
        }
    }
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
