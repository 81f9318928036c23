//! Writes a download to standard output, or to a file that gets its name only when it is complete.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use reqwest::header::HeaderMap;

pub(super) use super::unfinished::Origin;
use super::unfinished::{PartialObject, Unfinished};
use crate::failure::Failure;
use crate::output;
use crate::transfer::READ_BYTES;

/// Where the user wants the download.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    StandardOutput,
    File {
        path: PathBuf,
        /// Whether the name comes from the server. Then it must not overwrite anything.
        chosen_by_server: bool,
    },
}

impl Destination {
    /// The file that the user named, if a file can be made there. `name` is the name that the link suggests.
    /// This is checked before the server is asked, because a link may work only once.
    pub(super) fn named(path: &Path, name: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let inside = path.join(name);
        let inside = inside.display();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let words = if path.is_dir() {
            format!("{shown} is a folder: name the file in it: {inside}")
        } else if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            if path.components().as_path().exists() {
                let file = path.components().as_path().display();
                format!("{file} is a file: without the slash, it is replaced")
            } else {
                format!("there is no folder {shown}: make it, and name the file in it: {inside}")
            }
        } else {
            match folder.metadata() {
                Ok(found) if !found.is_dir() => format!("{} is no folder", folder.display()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    format!("there is no folder {}: make it first", folder.display())
                }
                Ok(_) | Err(_) => {
                    return Ok(Self::File { path: path.to_owned(), chosen_by_server: false });
                }
            }
        };
        Err(Failure::usage(anyhow!(words)))
    }
}

impl Destination {
    /// Takes the name that the server gives the file, unless the user chose one. Fails if the file exists.
    pub(super) fn take_name(&mut self, name: PathBuf) -> Result<(), Failure> {
        if let Self::File { path, chosen_by_server: true } = self {
            *path = name;
        }
        self.refuse_to_overwrite()
    }

    /// Fails if the file exists and its name comes from the server, or if what exists is no file.
    fn refuse_to_overwrite(&self) -> Result<(), Failure> {
        match self {
            Self::File { path, chosen_by_server: true } if path.symlink_metadata().is_ok() => {
                Err(exists(path))
            }
            Self::File { path, chosen_by_server: false }
                if path.metadata().is_ok_and(|found| !found.is_file()) =>
            {
                Err(Failure::usage(anyhow!("{} is not a file", path.display())))
            }
            Self::File { .. } | Self::StandardOutput => Ok(()),
        }
    }
}

/// The destination of a download, and how far the download has got.
#[derive(Debug)]
pub(super) struct Sink {
    destination: Destination,
    origin: Origin,
    /// Whether the unfinished download of an earlier run came from another origin.
    elsewhere: bool,
    /// The unfinished files. `None` on standard output, and before the first byte.
    unfinished: Option<Unfinished>,
    /// The `ETag` of the object that the bytes so far belong to. `None` if the download cannot be continued.
    etag: Option<String>,
    /// The checksums that the first answer promised for the whole object.
    kept: HeaderMap,
    offset: u64,
}

impl Sink {
    /// Looks for an unfinished download. One that came from another origin is locked but not continued: its
    /// bytes need not be of this object, and the server that is asked now learns nothing about it.
    pub(super) fn open(destination: Destination, origin: Origin) -> Result<Self> {
        let (unfinished, etag, kept, elsewhere) = (None, None, HeaderMap::new(), false);
        let mut sink = Self { destination, origin, elsewhere, unfinished, etag, kept, offset: 0 };
        let Destination::File { path, .. } = &sink.destination else { return Ok(sink) };
        let Some((mut unfinished, PartialObject { origin, etag, kept })) = Unfinished::find(path)?
        else {
            return Ok(sink);
        };
        if origin.as_ref() != Some(&sink.origin) {
            (sink.unfinished, sink.elsewhere) = (Some(unfinished), etag.is_some());
            return Ok(sink);
        }
        if etag.is_some() {
            let end = unfinished.part.seek(SeekFrom::End(0));
            sink.offset = end.context("the part of an earlier run")?;
        }
        (sink.unfinished, sink.etag, sink.kept) = (Some(unfinished), etag, kept);
        Ok(sink)
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn etag(&self) -> Option<String> {
        self.etag.clone()
    }

    /// The checksums for the whole object that the first answer promised in an earlier run.
    pub(super) fn kept(&self) -> &HeaderMap {
        &self.kept
    }

    /// Whether there is an unfinished download from another origin that has not been given up.
    pub(super) fn came_from_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// Takes the name that the server suggests, unless the user chose one.
    pub(super) fn rename(&mut self, name: PathBuf) -> Result<()> {
        if let Destination::File { path, chosen_by_server: true } = &self.destination
            && *path != name
        {
            let destination = Destination::File { path: name, chosen_by_server: true };
            *self = Self::open(destination, self.origin.clone())?;
        }
        Ok(())
    }

    /// Fails if the file exists and its name comes from the server, or if what exists is no file.
    pub(super) fn refuse_to_overwrite(&self) -> Result<(), Failure> {
        self.destination.refuse_to_overwrite()
    }

    /// Begins at the first byte of the object with this `ETag` and these promised checksums.
    pub(super) fn begin(&mut self, etag: Option<String>, promised: &HeaderMap) -> Result<()> {
        self.etag = etag;
        let Destination::File { path, .. } = &self.destination else { return Ok(()) };
        if self.unfinished.is_none() {
            self.unfinished = Some(Unfinished::make(path, &self.origin)?);
        }
        self.start_over()?;
        let (origin, etag) = (Some(self.origin.clone()), self.etag.clone());
        let of = PartialObject { origin, etag, kept: promised.clone() };
        self.unfinished.as_ref().map_or(Ok(()), |unfinished| unfinished.note_object(&of))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.part.write_all(bytes).context("cannot write the file")?;
        } else {
            let mut stdout = io::stdout().lock();
            output::written(stdout.write_all(bytes).and_then(|()| stdout.flush()))?;
        }
        self.offset += u64::try_from(bytes.len())?;
        Ok(())
    }

    /// Reads the bytes so far from the beginning and passes them to `show`.
    pub(super) fn reread(&mut self, mut show: impl FnMut(&[u8])) -> Result<()> {
        let Some(Unfinished { part, .. }) = &mut self.unfinished else { return Ok(()) };
        part.rewind()?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match part.read(&mut buffer)? {
                0 => return Ok(()),
                read => show(buffer.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Discards the bytes so far. Those on standard output cannot be taken back.
    pub(super) fn start_over(&mut self) -> Result<()> {
        match &mut self.unfinished {
            Some(Unfinished { part, .. }) => {
                part.set_len(0)?;
                part.rewind()?;
            }
            None => ensure!(self.offset == 0, "standard output cannot start over"),
        }
        (self.offset, self.elsewhere) = (0, false);
        Ok(())
    }

    /// Deletes the unfinished download, after its bytes turned out to be wrong.
    pub(super) fn discard(&mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            unfinished.remove();
        }
    }

    /// Renames the complete file to its final name, durably; returns that name.
    pub(super) fn publish(&mut self) -> Result<Option<PathBuf>, Failure> {
        let (Destination::File { path, chosen_by_server }, Some(unfinished)) =
            (&self.destination, &self.unfinished)
        else {
            return Ok(None);
        };
        self.refuse_to_overwrite()?;
        let named = if *chosen_by_server {
            unfinished.take_name(path)
        } else {
            unfinished.replace(path).map(|()| true)
        };
        if named.with_context(|| path.display().to_string())? {
            Ok(Some(path.clone()))
        } else {
            Err(exists(path))
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::usage(anyhow!("{} exists; name a FILE to replace it", path.display()))
}
