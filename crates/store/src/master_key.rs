//! The master key's file: read, or made on the first start only.

use std::path::Path;

use iam::MasterKey;

use crate::OpenError;

/// Where a master key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It was there.
    Read,
    /// It was made just now: say that it must be backed up.
    Made,
}

/// Reads the master key of a data directory, or makes it when there is no database yet either.
/// `path`: another place than `master.key` in the directory.
pub fn load_master_key(
    _data_dir: &Path,
    _path: Option<&Path>,
) -> Result<(MasterKey, KeyOrigin), OpenError> {
    todo!()
}
