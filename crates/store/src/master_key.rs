//! The master key's file: read, or made on the first start only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use iam::MasterKey;
use zeroize::Zeroizing;

use crate::OpenError;
use crate::backend::sqlite::FILE_NAME as DATABASE;
use crate::names::parse_hex;
use crate::vault::random;

/// The key's file in a data directory.
const FILE_NAME: &str = "master.key";

/// Where a master key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It was there.
    Read,
    /// It was made just now: say that it must be backed up.
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
    match read(path)? {
        Some(key) => return Ok((key, KeyOrigin::Read)),
        None if data_dir.join(DATABASE).exists() => {
            return Err(OpenError::MasterKeyLost { path: path.to_owned() });
        }
        None => (),
    }
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(data_dir)
        .map_err(failed("make directory", data_dir))?;
    let made = make(path)?;
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
        Err(error) => return Err(failed("make", path)(error)),
    };
    removed.map_err(failed("remove", &temporary))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("sync directory", directory))?;
    Ok(origin)
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
