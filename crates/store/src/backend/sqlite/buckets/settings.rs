//! What a bucket's owner set, in the database.

use rusqlite::{Connection, params};

use crate::backend::record::{apply_setting, setting_record};
use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::rows::corrupt;
use crate::bucket::BucketSettings;
use crate::{BucketSetting, StoreError};

const PUT: &str =
    "INSERT OR REPLACE INTO bucket_settings (bucket, kind, record) VALUES (?1, ?2, ?3)";
const DELETE_ALL: &str = "DELETE FROM bucket_settings WHERE bucket = ?1";

/// The settings of a bucket, out of the text that its seal covers; those that nobody touched are those of any new bucket.
pub(super) fn read(text: Option<&str>) -> Result<BucketSettings, StoreError> {
    let mut settings = BucketSettings::default();
    let mut words = text.unwrap_or_default().split_ascii_whitespace();
    while let Some(kind) = words.next() {
        let wrong = || corrupt("setting of a bucket");
        let kind = kind.parse().map_err(|_| wrong())?;
        let record = words.next().and_then(bytes_of).ok_or_else(wrong)?;
        apply_setting(&mut settings, kind, &record)?;
    }
    Ok(settings)
}

/// The bytes that SQLite's `hex` made digits of.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

pub(super) fn put(
    connection: &Connection,
    bucket: i64,
    setting: &BucketSetting,
) -> Result<(), StoreError> {
    let (kind, record) = setting_record(setting)?;
    connection
        .prepare_cached(PUT)
        .and_then(|mut put| put.execute(params![bucket, kind, record]))
        .map(drop)
        .map_err(engine)
}

pub(super) fn forget(connection: &Connection, bucket: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(DELETE_ALL)
        .and_then(|mut delete| delete.execute([bucket]))
        .map(drop)
        .map_err(engine)
}
