//! The master key's file: read, or made on the first start only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use iam::MasterKey;
use zeroize::Zeroizing;

use super::data_dir;
use crate::OpenError;
use crate::backend::files::disk::Disk;
use crate::backend::sqlite::FILE_NAME as DATABASE;
use crate::names::parse_hex;
use crate::vault::random;

/// The key's file in a data directory.
pub(crate) const FILE_NAME: &str = "master.key";
/// 64 hex digits and the end of the line.
const KEY_FILE_BYTES: u64 = 65;
/// What the name of the file has more while it is made.
const SUFFIX_DIGITS: usize = 16;

/// Where a master key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The key was there before.
    Read,
    /// The key was made just now: say that it must be backed up.
    Made,
}

/// Reads the master key of a data directory, or makes it when there is no database yet either.
/// `path`: another place than `master.key` in the directory. Blocking.
pub fn load_master_key(
    data_dir: &Path,
    path: Option<&Path>,
) -> Result<(MasterKey, KeyOrigin), OpenError> {
    let in_data_dir = data_dir.join(FILE_NAME);
    let path = path.unwrap_or(&in_data_dir);
    data_dir::refuse_backup(data_dir)?;
    match read(path)? {
        Some(key) => {
            remove_leftovers(path);
            return Ok((key, KeyOrigin::Read));
        }
        None if data_dir.join(DATABASE).exists() || data_dir::had_database(data_dir)? => {
            return Err(OpenError::MasterKeyLost { path: path.to_owned() });
        }
        None => (),
    }
    data_dir::make(&Disk::default(), data_dir)?;
    let made = make(path)?;
    remove_leftovers(path);
    // Whoever was first made the key, be it another process: what the file says counts.
    let key = read(path)?.ok_or_else(|| OpenError::MasterKeyLost { path: path.to_owned() })?;
    Ok((key, made))
}

fn read(path: &Path) -> Result<Option<MasterKey>, OpenError> {
    let text = match std::fs::read(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let text = std::str::from_utf8(&text).ok().map(str::trim_ascii);
    let key = text.and_then(parse_hex::<32>);
    key.map(|key| Some(MasterKey::from_bytes(key)))
        .ok_or_else(|| OpenError::MasterKeyMalformed { path: path.to_owned() })
}

/// Makes the file whole or not at all, and never in the place of another.
fn make(path: &Path) -> Result<KeyOrigin, OpenError> {
    let key = Zeroizing::new(random::<32>().map_err(OpenError::Sweep)?);
    let digits = key.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    let text = Zeroizing::new(digits.chain(['\n']).collect::<String>());

    let suffix = u64::from_le_bytes(random().map_err(OpenError::Sweep)?);
    let temporary = path.with_added_extension(format!("{suffix:016x}"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    // A hard link, since a rename would replace the key that somebody else has made meanwhile.
    let linked = written.and_then(|()| std::fs::hard_link(&temporary, path));
    let removed = std::fs::remove_file(&temporary);
    let origin = match linked {
        Ok(()) => KeyOrigin::Made,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => KeyOrigin::Read,
        // Another process was first, and has taken this for a leftover.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => {
            return Ok(KeyOrigin::Read);
        }
        Err(error) => return Err(failed("make", path)(error)),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(error));
        }
        Ok(()) | Err(_) => (),
    }
    let directory = data_dir::parent(path);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("sync directory", directory))?;
    Ok(origin)
}

/// Removes what a first start left that was cut off: a file that was to become the key, or another name of it. Once
/// there is a key nobody needs them.
fn remove_leftovers(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let directory = data_dir::parent(path);
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut removed = false;
    for entry in entries.filter_map(Result::ok) {
        let is_leftover =
            is_leftover_of(name.as_encoded_bytes(), entry.file_name().as_encoded_bytes())
                && entry
                    .metadata()
                    .is_ok_and(|file| file.is_file() && file.len() <= KEY_FILE_BYTES);
        if !is_leftover {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Ok(()) => removed = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => {
                let path = entry.path();
                tracing::warn!(path = %path.display(), %error, "cannot remove a copy of the master key");
            }
        }
    }
    if removed && let Err(error) = File::open(directory).and_then(|directory| directory.sync_all())
    {
        tracing::warn!(%error, "cannot sync the directory of the master key");
    }
}

/// Whether a name is that of the key, a dot and the digits that [`make`] adds.
fn is_leftover_of(key: &[u8], name: &[u8]) -> bool {
    let digits = name.strip_prefix(key).and_then(|rest| rest.strip_prefix(b"."));
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    digits.is_some_and(|digits| digits.len() == SUFFIX_DIGITS && digits.iter().all(is_digit))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { operation, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn check(files: &[(&str, &str)], expected: Result<KeyOrigin, &str>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let loaded = load_master_key(dir.path(), None).map(|(_, origin)| origin);
        let loaded = loaded.map_err(|error| format!("{error:?}"));
        match expected {
            Ok(origin) => assert_eq!(loaded, Ok(origin)),
            Err(variant) => assert!(loaded.unwrap_err().starts_with(variant)),
        }
    }

    #[test]
    fn is_made_only_where_nothing_was_sealed_yet() {
        let hex = "00112233445566778899aabbccddeeff".repeat(2);
        check(&[], Ok(KeyOrigin::Made));
        check(&[("master.key", &hex)], Ok(KeyOrigin::Read));
        check(&[("master.key", &format!("{hex}\n")), (DATABASE, "")], Ok(KeyOrigin::Read));
        check(&[(DATABASE, "")], Err("MasterKeyLost"));
        check(&[("master.key", "")], Err("MasterKeyMalformed"));
        check(&[("master.key", hex.get(2..).unwrap())], Err("MasterKeyMalformed"));
        check(&[("master.key", &format!("{hex}0"))], Err("MasterKeyMalformed"));
    }

    #[test]
    fn is_read_again_and_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let path = dir.path().join("elsewhere.key");
        let (made, _) = load_master_key(&data_dir, Some(&path)).unwrap();
        let (read, origin) = load_master_key(&data_dir, Some(&path)).unwrap();
        assert_eq!((made.id(), KeyOrigin::Read), (read.id(), origin));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_a_first_start_left_is_removed() {
        let hex = "00112233445566778899aabbccddeeff".repeat(2);
        let kept = ["master.key.bak", "master.key.0123456789ABCDEF", "master.key.0123456789abcde"];
        let leftovers = ["master.key.0123456789abcdef", "master.key.aaaaaaaaaaaaaaaa"];
        for begun in [None, Some(&hex)] {
            let dir = tempfile::tempdir().unwrap();
            for name in kept.iter().chain(&leftovers).copied().chain(begun.map(|_| "master.key")) {
                std::fs::write(dir.path().join(name), &hex).unwrap();
            }
            std::fs::write(dir.path().join("master.key.bbbbbbbbbbbbbbbb"), "0011").unwrap();
            load_master_key(dir.path(), None).unwrap();
            let names = std::fs::read_dir(dir.path()).unwrap();
            let mut names = names
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect::<Vec<_>>();
            names.sort();
            assert_eq!(names, ["master.key", kept[1], kept[2], kept[0]]);
        }
    }

    #[test]
    fn no_new_key_is_made_beside_the_bodies_of_another() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("blobs/00")).unwrap();
        std::fs::write(dir.path().join("blobs/00/0123456789abcdef0123456789abcd"), "x").unwrap();
        let lost = load_master_key(dir.path(), None);
        assert!(matches!(lost, Err(OpenError::MasterKeyLost { .. })));
        assert!(!dir.path().join("master.key").exists());
    }

    #[test]
    fn many_that_start_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let ids = std::thread::scope(|scope| {
            let load = || load_master_key(dir.path(), None).unwrap().0.id();
            let threads = (0..8).map(|_| scope.spawn(load)).collect::<Vec<_>>();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
    }
}
