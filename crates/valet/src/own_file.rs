//! Files in which a command remembers something for its next run, in a folder where others may write too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// What is there is no such file.
#[derive(Debug)]
pub(crate) struct NotOwn;

/// Creates a file that this user alone can read. Fails if anything is there, even a dangling link.
pub(crate) fn create_secret(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Creates a file. Fails if anything is there, even a dangling link.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// Opens a file that this user owns, that has no other name, and that is not a link.
pub(crate) fn open(path: &Path) -> Result<Option<File>, NotOwn> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(NotOwn),
    };
    let metadata = file.metadata().map_err(|_| NotOwn)?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.is_file() && metadata.nlink() == 1 && own { Ok(Some(file)) } else { Err(NotOwn) }
}
