//! Where a download goes: standard output, or a file that gets its name only when it is complete.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use reqwest::header::HeaderMap;

pub(super) use super::unfinished::Origin;
use super::unfinished::{Of, Unfinished};
use crate::failure::Failure;
use crate::output;
use crate::transfer::READ_BYTES;

/// Where the download was asked to go.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    StandardOutput,
    File {
        path: PathBuf,
        /// A name that a stranger chose does not overwrite anything.
        chosen_by_server: bool,
    },
}

impl Destination {
    /// The file that the user named, if one can be there; `name` is what the link calls it. Asked before the server
    /// is: a link may be good for one use.
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

/// A place, and how far it has got.
#[derive(Debug)]
pub(super) struct Sink {
    destination: Destination,
    origin: Origin,
    /// Whether what an earlier run has begun came from elsewhere.
    elsewhere: bool,
    /// What an earlier run or this one has begun; None on standard output, and before.
    unfinished: Option<Unfinished>,
    /// Of the object that the bytes so far belong to; None where they cannot be continued.
    etag: Option<String>,
    /// What was promised of the whole object when it began to come.
    kept: HeaderMap,
    offset: u64,
}

impl Sink {
    /// Finds what an earlier run has left. What it left of another origin is held and not gone on with: neither are
    /// its bytes this object's, nor is anything said of them to whoever is asked now.
    pub(super) fn open(destination: Destination, origin: Origin) -> Result<Self> {
        let (unfinished, etag, kept, elsewhere) = (None, None, HeaderMap::new(), false);
        let mut sink = Self { destination, origin, elsewhere, unfinished, etag, kept, offset: 0 };
        let Destination::File { path, .. } = &sink.destination else { return Ok(sink) };
        let Some((mut unfinished, Of { origin, etag, kept })) = Unfinished::find(path)? else {
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

    /// What the first answer promised of the whole object, in an earlier run.
    pub(super) fn kept(&self) -> &HeaderMap {
        &self.kept
    }

    /// Whether what an earlier run has begun came from elsewhere, and has not been given up yet.
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

    /// Whatever stands under a name that a stranger chose stays; and what is no file, under any.
    pub(super) fn refuse_to_overwrite(&self) -> Result<(), Failure> {
        match &self.destination {
            Destination::File { path, chosen_by_server: true }
                if path.symlink_metadata().is_ok() =>
            {
                Err(exists(path))
            }
            Destination::File { path, chosen_by_server: false }
                if path.metadata().is_ok_and(|found| !found.is_file()) =>
            {
                Err(Failure::usage(anyhow!("{} is not a file", path.display())))
            }
            Destination::File { .. } | Destination::StandardOutput => Ok(()),
        }
    }

    /// Begins at the first byte of the object with that `ETag`, of which that is promised.
    pub(super) fn begin(&mut self, etag: Option<String>, promised: &HeaderMap) -> Result<()> {
        self.etag = etag;
        let Destination::File { path, .. } = &self.destination else { return Ok(()) };
        if self.unfinished.is_none() {
            self.unfinished = Some(Unfinished::make(path, &self.origin)?);
        }
        self.start_over()?;
        let (origin, etag) = (Some(self.origin.clone()), self.etag.clone());
        let of = Of { origin, etag, kept: promised.clone() };
        self.unfinished.as_ref().map_or(Ok(()), |unfinished| unfinished.is_of(&of))
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

    /// Shows the bytes so far, from the first one on.
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

    /// Forgets the bytes so far; what has gone to standard output cannot be taken back.
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

    /// Removes what turned out to be wrong: going on with it could not make it right.
    pub(super) fn discard(&mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            unfinished.remove();
        }
    }

    /// Gives the complete file its name, durably; returns it.
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
