//! What the tools that measure share: a store without a cache, and how much memory this process has.

use std::path::Path;

use jiff::Timestamp;
use store::{Encryption, Store, StoreConfig, load_master_key};

/// Opens a store that caches neither objects nor small bodies, or makes it.
pub(crate) fn open(data_dir: &Path, now: Timestamp) -> Store {
    let (master_key, _) = load_master_key(data_dir, None).unwrap();
    let config = StoreConfig {
        data_dir: data_dir.to_owned(),
        master_key,
        encryption: Encryption::On,
        cache_bytes_max: 0,
    };
    Store::open(config, now).unwrap()
}

/// The resident memory of this process, in bytes, in pages of 4096.
pub(crate) fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
