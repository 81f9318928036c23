//! What was sent of a file by a link of `valet request`, remembered beside the file, so that the next run goes on with it.
//!
//! For `FILE` it is `.FILE.valet-put-LINK`, where `LINK` is the beginning of the hash of the link. It names the upload and the
//! file as it was, and has a line for each part that the server has taken, with the MD5 of its bytes.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use reqwest::Url;
use sha2::{Digest as _, Sha256};
use store::ManagedLinkId;

use crate::failure::Failure;
use crate::{output, own_file};

/// The first line of the file.
const FIRST_LINE: &str = "valet put 1";
/// How many digits of the link's hash are in the name of the file.
const HASH_DIGITS: usize = 16;
/// A longer file is none: it has a line of 40 bytes for each of 10,000 parts.
const BYTES_MAX: u64 = 1024 * 1024;

/// A file as it is now. One that was changed meanwhile is another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) size: u64,
    modified: String,
}

impl FileState {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let modified = format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec());
        Ok(Self { size: metadata.len(), modified })
    }
}

/// An upload that an earlier run has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// The name that the server has given the upload.
    pub(super) id: String,
    pub(super) file: FileState,
    /// The MD5 of each part that is there.
    pub(super) parts: BTreeMap<u16, String>,
}

/// The place where an upload is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    /// `None`: standard input, which nobody can send again.
    path: Option<PathBuf>,
    /// `None`: nothing is remembered.
    file: Option<File>,
}

impl Memory {
    /// Looks for what an earlier run has left of sending this file by this link.
    pub(super) fn find(path: Option<&Path>, link: &Url) -> Result<(Self, Option<Begun>), Failure> {
        let Some(path) = path else { return Ok((Self { path: None, file: None }, None)) };
        let path = place(path, link);
        let in_the_way = || {
            let path = path.display();
            anyhow!("{path} is in the way, and remembers no upload: remove it")
        };
        let file = own_file::open(&path).map_err(|_| in_the_way())?;
        let Some(mut file) = file else {
            return Ok((Self { path: Some(path), file: None }, None));
        };
        hold(&file)?;
        let mut text = String::new();
        let read = (&mut file).take(BYTES_MAX).read_to_string(&mut text);
        read.map_err(|_| in_the_way())?;
        // An empty one is of a run that ended before it began.
        let begun = match parse(&text) {
            None if !text.is_empty() => return Err(in_the_way().into()),
            begun => begun,
        };
        Ok((Self { path: Some(path), file: Some(file) }, begun))
    }

    /// Remembers that an upload has begun. Where nothing can be written, it goes on without being remembered.
    pub(super) fn begin(&mut self, begun: &Begun) {
        let Some(path) = &self.path else { return };
        let written = match self.file.take() {
            Some(file) => Ok(file),
            None => own_file::create_secret(path).and_then(|file| {
                file.try_lock().map_err(io::Error::from)?;
                Ok(file)
            }),
        };
        let written = written.and_then(|mut file| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(head(begun).as_bytes())?;
            Ok(file)
        });
        match written {
            Ok(file) => self.file = Some(file),
            Err(error) => output::note(format_args!(
                "{}: {error}: what is sent cannot be remembered, and does not go on if it is interrupted",
                path.display()
            )),
        }
    }

    /// Remembers a part that is there. One that cannot be remembered is sent again by the next run.
    pub(super) fn add(&mut self, number: u16, md5: &str) {
        if let Some(file) = &mut self.file {
            drop(file.write_all(format!("{number} {md5}\n").as_bytes()));
        }
    }

    /// Whether the next run will know of the upload.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Forgets the upload.
    pub(super) fn forget(&mut self) {
        if let (Some(_), Some(path)) = (self.file.take(), &self.path) {
            // A file that stays names an upload that is no more, which the next run sees.
            drop(std::fs::remove_file(path));
        }
    }
}

fn hold(file: &File) -> Result<(), Failure> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(anyhow!("another command is sending this file by this link").into())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).context("cannot lock what was remembered").map_err(Failure::from)
        }
    }
}

fn place(path: &Path, link: &Url) -> PathBuf {
    let hash: [u8; 32] = Sha256::digest(link.as_str().as_bytes()).into();
    let hash = hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".valet-put-");
    name.push(hash.get(..HASH_DIGITS).unwrap_or_default());
    path.with_file_name(name)
}

fn head(begun: &Begun) -> String {
    let Begun { id, file: FileState { size, modified }, parts } = begun;
    let head = format!("{FIRST_LINE}\n{id}\n{size} {modified}\n");
    parts.iter().fold(head, |text, (number, md5)| format!("{text}{number} {md5}\n"))
}

/// The upload, if the text is one. A last line that was not written whole is left out.
fn parse(text: &str) -> Option<Begun> {
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let id = lines.next()?;
    id.parse::<ManagedLinkId>().ok()?;
    let (size, modified) = lines.next()?.split_once(' ')?;
    let mut parts = BTreeMap::new();
    for line in lines {
        let (number, md5) = line.split_once(' ')?;
        parts.insert(number.parse().ok()?, md5.to_owned());
    }
    let file = FileState { size: size.parse().ok()?, modified: modified.to_owned() };
    Some(Begun { id: id.to_owned(), file, parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_read_as_it_was_written() {
        let begun = Begun {
            id: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            file: FileState { size: 8, modified: "1.000000002".to_owned() },
            parts: BTreeMap::from([(1, "aa".to_owned()), (3, "bb".to_owned())]),
        };
        let text = head(&begun);
        assert_eq!(parse(&text), Some(begun.clone()));
        assert_eq!(parse(&format!("{text}4 c")), Some(begun), "half a line");
        for (from, to) in [
            (FIRST_LINE, "valet put 2"),
            ("AAAAAAAAAAAAAAAAAAAAAA", "../../etc"),
            ("8 1.", "x 1."),
            ("3 bb", "3bb"),
        ] {
            assert_eq!(parse(&text.replace(from, to)), None, "{to}");
        }
        assert_eq!(parse(""), None);
    }

    #[test]
    fn each_link_has_a_memory_of_its_own() {
        let place = |link: &str| place(Path::new("d/f.txt"), &Url::parse(link).unwrap());
        let one = place("http://h/_valet/s/a");
        assert_ne!(one, place("http://h/_valet/s/b"));
        let name = one.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(".f.txt.valet-put-") && one.starts_with("d"), "{name}");
    }
}
