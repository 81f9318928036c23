//! An unfinished download: the bytes so far, and a state file that says what they are of.
//!
//! For `FILE` these are `.valet-part-TOKEN` and `.FILE.valet-state` beside it. The state names the token, which
//! is random, the origin of the object, its `ETag`, and the checksums that the first answer promised (an answer
//! with the rest promises nothing of the whole).
//!
//! Both files are created new, never through a link. Existing ones are used only if they belong to this user
//! and the state shows that this command wrote them.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::own_file::{self, create};

/// The first line of a state file.
const FIRST_LINE: &str = "valet get 2";
/// The first line of an older state file, which does not name the origin.
const FIRST_LINE_OLD: &str = "valet get 1";
/// The number of hex digits of a token.
const TOKEN_DIGITS: usize = 16;
/// A longer file is no state file.
const STATE_BYTES_MAX: u64 = 2048;
/// A longer `ETag` is not stored.
const ETAG_BYTES_MAX: usize = 1024;
/// The beginning of the names of promised checksums in a state file.
const CHECKSUM: &str = "x-amz-checksum-";

/// The origin of an object: scheme, host, port and path of its URL, without the signature. An `ETag` of one
/// server proves nothing about an object of another. Only the hash is stored, because a path may be long and a
/// key may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin(String);

impl Origin {
    pub(super) fn of(url: &Url) -> Self {
        let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let hash: [u8; 32] = Sha256::digest(place.as_bytes()).into();
        let hex = |hex: String, byte: &u8| format!("{hex}{byte:02x}");
        Self(hash.iter().fold(String::new(), hex))
    }

    fn parse(line: &str) -> Option<Self> {
        let is_hash = line.len() == 64 && line.bytes().all(|b| b.is_ascii_hexdigit());
        is_hash.then(|| Self(line.to_owned()))
    }
}

/// The object that the bytes so far belong to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartialObject {
    /// `None` if an older version wrote the state.
    pub(super) origin: Option<Origin>,
    pub(super) etag: Option<String>,
    /// The checksums that were promised for the whole object.
    pub(super) kept: HeaderMap,
}

impl PartialObject {
    /// An object of which nothing is known but the origin.
    fn begun(origin: &Origin) -> Self {
        Self { origin: Some(origin.clone()), ..Self::default() }
    }
}

/// The two files, locked by this process.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) part: File,
    part_path: PathBuf,
    state: File,
    state_path: PathBuf,
    token: String,
}

impl Unfinished {
    /// Finds the unfinished download of `path`, and the object that it is of.
    pub(super) fn find(path: &Path) -> Result<Option<(Self, PartialObject)>> {
        let state_path = beside(path, &state_name(path));
        let Some(mut state) = open_own(&state_path)? else { return Ok(None) };
        hold(&state, &state_path)?;
        // The process that held the lock until now may have finished the download and removed the file.
        if !is_still(&state, &state_path)? {
            return Ok(None);
        }
        // The earlier run ended before it wrote the state, so it had no bytes.
        if state.metadata()?.len() == 0 {
            std::fs::remove_file(&state_path).with_context(|| state_path.display().to_string())?;
            return Ok(None);
        }
        let mut text = String::new();
        (&mut state)
            .take(STATE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|_| in_the_way(&state_path))?;
        let (token, of) = parse(&text).ok_or_else(|| in_the_way(&state_path))?;
        let part_path = beside(path, &part_name(&token));
        let Some(part) = open_own(&part_path)? else {
            std::fs::remove_file(&state_path).with_context(|| state_path.display().to_string())?;
            return Ok(None);
        };
        Ok(Some((Self { part, part_path, state, state_path, token }, of)))
    }

    /// Creates both files, for an object that is not known yet.
    pub(super) fn make(path: &Path, origin: &Origin) -> Result<Self> {
        let token = token()?;
        let state_path = beside(path, &state_name(path));
        let state = create(&state_path).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                begun_meanwhile(&state_path)
            } else if error.kind() == io::ErrorKind::NotFound {
                anyhow!("there is no folder {}", folder(path).display())
            } else {
                anyhow!(error).context(state_path.display().to_string())
            }
        })?;
        hold(&state, &state_path)?;
        // Another process may have found the empty file before it was locked here.
        if !is_still(&state, &state_path)? {
            return Err(held_elsewhere(&state_path));
        }
        let written = write_state(&state, &token, &PartialObject::begun(origin));
        written.with_context(|| state_path.display().to_string())?;
        let part_path = beside(path, &part_name(&token));
        let part = create(&part_path).with_context(|| part_path.display().to_string())?;
        Ok(Self { part, part_path, state, state_path, token })
    }

    /// Notes the object that the bytes are of. Without an `ETag` the download cannot be continued.
    pub(super) fn note_object(&self, of: &PartialObject) -> Result<()> {
        let written = write_state(&self.state, &self.token, of);
        written.with_context(|| self.state_path.display().to_string())
    }

    /// Renames the bytes to `path`, replacing what is there.
    pub(super) fn replace(&self, path: &Path) -> io::Result<()> {
        self.part.sync_all()?;
        std::fs::rename(&self.part_path, path)?;
        self.named(path)
    }

    /// Renames the bytes to `path` if nothing is there; `false` otherwise.
    pub(super) fn take_name(&self, path: &Path) -> io::Result<bool> {
        self.part.sync_all()?;
        match rename_to_new(&self.part_path, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            other => other?,
        }
        self.named(path).map(|()| true)
    }

    fn named(&self, path: &Path) -> io::Result<()> {
        File::open(folder(path))?.sync_all()?;
        std::fs::remove_file(&self.state_path)
    }

    /// Removes both files.
    pub(super) fn remove(&self) {
        // A file that stays will not fit another download, or is never looked for again.
        drop(std::fs::remove_file(&self.part_path));
        drop(std::fs::remove_file(&self.state_path));
    }
}

/// Renames without replacing anything. On file systems that cannot do this, a hard link is made instead.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

/// Overwrites the state in one write. A longer state is whole at each moment; in place of a shorter one the
/// file may be empty for a moment.
fn write_state(state: &File, token: &str, of: &PartialObject) -> io::Result<()> {
    let PartialObject { origin, etag, kept } = of;
    let origin = origin.as_ref().map_or("", |Origin(hash)| hash);
    let etag = etag.as_deref().filter(|etag| etag.len() <= ETAG_BYTES_MAX).unwrap_or_default();
    let mut text = format!("{FIRST_LINE}\n{token}\n{origin}\n{etag}\n");
    for (name, value) in kept {
        let line = format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        if u64::try_from(text.len() + line.len()).is_ok_and(|len| len <= STATE_BYTES_MAX) {
            text += &line;
        }
    }
    if u64::try_from(text.len()).is_ok_and(|len| len < state.metadata().map_or(0, |old| old.len()))
    {
        state.set_len(0)?;
    }
    state.write_all_at(text.as_bytes(), 0)
}

/// Whether the path still leads to this file.
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let named = path.symlink_metadata().map(|metadata| metadata.ino());
    Ok(named.ok() == Some(file.metadata()?.ino()))
}

fn state_name(path: &Path) -> std::ffi::OsString {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".valet-state");
    name
}

fn part_name(token: &str) -> std::ffi::OsString {
    format!(".valet-part-{token}").into()
}

fn beside(path: &Path, name: &std::ffi::OsStr) -> PathBuf {
    path.with_file_name(name)
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn token() -> Result<String> {
    let mut bytes = [0; 8];
    store::fill_random(&mut bytes)?;
    Ok(format!("{:0TOKEN_DIGITS$x}", u64::from_be_bytes(bytes)))
}

/// The token and the object, if the text is a state.
fn parse(text: &str) -> Option<(String, PartialObject)> {
    let mut lines = text.lines();
    let (first, token) = (lines.next()?, lines.next()?);
    let origin = match first {
        FIRST_LINE => Some(Origin::parse(lines.next()?)?),
        FIRST_LINE_OLD => None,
        _ => return None,
    };
    let etag = lines.next()?;
    let is_token = token.len() == TOKEN_DIGITS && token.bytes().all(|b| b.is_ascii_hexdigit());
    let mut kept = HeaderMap::new();
    for line in lines {
        let (name, value) = promise(line)?;
        kept.append(name, value);
    }
    let etag = Some(etag.to_owned()).filter(|etag| !etag.is_empty());
    let whole = is_token && text.ends_with('\n');
    whole.then(|| (token.to_owned(), PartialObject { origin, etag, kept }))
}

/// Reads a line with a promised checksum.
fn promise(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(": ").filter(|(name, _)| name.starts_with(CHECKSUM))?;
    Some((name.parse().ok()?, value.parse().ok()?))
}

/// Opens a file that is this user's own.
fn open_own(path: &Path) -> Result<Option<File>> {
    own_file::open(path).map_err(|_| in_the_way(path))
}

fn in_the_way(path: &Path) -> anyhow::Error {
    anyhow!("{} is in the way, and no unfinished download: remove it", path.display())
}

/// The error where a state file appeared after it had been looked for: another process may be at work.
fn begun_meanwhile(path: &Path) -> anyhow::Error {
    match open_own(path) {
        Ok(Some(_)) => anyhow!(
            "{} has come meanwhile: another download may be writing it; wait for it, or run the command again",
            path.display()
        ),
        Ok(None) | Err(_) => in_the_way(path),
    }
}

fn held_elsewhere(path: &Path) -> anyhow::Error {
    anyhow!("{}: another download is writing it", path.display())
}

/// Locks the state file, and so the download, for this process.
fn hold(state: &File, path: &Path) -> Result<()> {
    match state.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(held_elsewhere(path)),
        Err(TryLockError::Error(error)) => Err(error).context(path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            let found = parse(text);
            let found = found.as_ref().map(|(token, of)| (token.as_str(), of.etag.as_deref()));
            assert_eq!(found, expected, "{text:?}");
        };
        let token = "0123456789abcdef";
        let from = "0123456789abcdef".repeat(4);
        let state = |rest: &str| format!("valet get 2\n{token}\n{from}\n{rest}");
        check(&state("\"e\"\n"), Some((token, Some("\"e\""))));
        check(&state("\n"), Some((token, None)));
        check(&state("\"e\""), None);
        check(&state("\"e\"\nmore\n"), None);
        assert_eq!(parse(&state("\n")).unwrap().1.origin, Some(Origin(from.clone())));
        let line = "x-amz-checksum-crc32: y/Q5Jg==";
        let kept = state(&format!("\"e\"\n{line}\n"));
        check(&kept, Some((token, Some("\"e\""))));
        assert_eq!(parse(&kept).unwrap().1.kept.get("x-amz-checksum-crc32").unwrap(), "y/Q5Jg==");
        check(&kept.replace("x-amz-checksum-", "x-amz-meta-"), None);
        check(&state("\"e\"\n").replace(token, "../../etc/passwd"), None);
        check(&state("\"e\"\n").replace(&from, "http://h/k"), None);
        check("valet get 3\n0123456789abcdef\n\"e\"\n", None);
        check("\"e\"", None);
        check("", None);
        // A state of an earlier version, which did not say where the object came from.
        let old = "valet get 1\n0123456789abcdef\n\"e\"\n";
        check(old, Some((token, Some("\"e\""))));
        assert_eq!(parse(old).unwrap().1.origin, None);
    }

    #[test]
    fn an_origin_is_the_url_without_its_query() {
        let origin = |url: &str| Origin::of(&Url::parse(url).unwrap());
        let check = |url: &str, same: bool| {
            assert_eq!(origin(url) == origin("http://h/b/k?X-Amz-Signature=1"), same, "{url}");
        };
        check("http://h/b/k?X-Amz-Signature=2#a", true);
        check("http://H:80/b/k", true);
        check("http://h/b/K", false);
        check("http://h/b", false);
        check("http://h:81/b/k", false);
        check("https://h/b/k", false);
        check("https://h:80/b/k", false);
        check("http://g/b/k", false);
        assert_eq!(Origin::parse(&origin("http://h/").0), Some(origin("http://h/")));
    }

    #[test]
    fn two_that_begin_at_once_are_told_of_each_other() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("f");
        let origin = Origin::of(&Url::parse("http://h/k").unwrap());
        // Neither has found anything.
        let _first = Unfinished::make(&path, &origin).unwrap();
        let second = Unfinished::make(&path, &origin).unwrap_err().to_string();
        assert!(second.contains("another download may be writing it"), "{second}");
        let third = Unfinished::find(&path).unwrap_err().to_string();
        assert!(third.ends_with("another download is writing it"), "{third}");
    }

    #[test]
    fn a_state_that_was_never_written_is_nothing_begun() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, state) = (folder.path().join("f"), folder.path().join(".f.valet-state"));
        File::create(&state).unwrap();
        assert!(Unfinished::find(&path).unwrap().is_none());
        let origin = Origin::of(&Url::parse("http://h/k").unwrap());
        drop(Unfinished::make(&path, &origin).unwrap());
        let (found, of) = Unfinished::find(&path).unwrap().unwrap();
        assert_eq!(of, PartialObject::begun(&origin));
        // What is written is whole, whether it gets longer or shorter.
        let promised = |value: &'static str| -> HeaderMap {
            let name = HeaderName::from_static("x-amz-checksum-crc32");
            [(name, HeaderValue::from_static(value))].into_iter().collect()
        };
        let rows = [
            (Some("\"longer\""), promised("y/Q5Jg==")),
            (Some("\"e\""), HeaderMap::new()),
            (None, promised("AAAAAA==")),
        ];
        for (etag, kept) in rows {
            let of =
                PartialObject { origin: Some(origin.clone()), etag: etag.map(str::to_owned), kept };
            found.note_object(&of).unwrap();
            let text = std::fs::read_to_string(&state).unwrap();
            assert_eq!(parse(&text), Some((found.token.clone(), of)));
        }
        // A tag that is too long would make a state that cannot be read.
        found
            .note_object(&PartialObject {
                etag: Some("e".repeat(5000)),
                ..PartialObject::begun(&origin)
            })
            .unwrap();
        let text = std::fs::read_to_string(&state).unwrap();
        assert_eq!(parse(&text), Some((found.token.clone(), PartialObject::begun(&origin))));
        found.remove();
        // An empty file that another name leads to is not of this command.
        let other = folder.path().join("other");
        File::create(&other).unwrap();
        std::os::unix::fs::symlink("other", &state).unwrap();
        assert!(Unfinished::find(&path).is_err());
        std::fs::remove_file(&state).unwrap();
        std::fs::hard_link(&other, &state).unwrap();
        assert!(Unfinished::find(&path).is_err());
        assert!(state.exists() && other.exists());
    }
}
