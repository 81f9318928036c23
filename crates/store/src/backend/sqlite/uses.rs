//! Uses of links in the database. A row has no seal: who could write another number could as well remove the row.

use jiff::Timestamp;
use presign::Fingerprint;
use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::SqliteMetadata;
use super::error::engine;
use super::rows::{size, size_column};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::uses::UseRecords;
use crate::{LinkUses, OpenUse, StoreError};

const OPEN: &str =
    "INSERT INTO link_uses (link, taken, bytes_given_back, ends_at) VALUES (?1, 1, 0, ?4)
    ON CONFLICT (link) DO UPDATE
    SET taken = taken + 1, bytes_given_back = max(0, bytes_given_back - ?3), ends_at = max(ends_at, ?4)
    WHERE taken < ?2";
const GIVE_BACK: &str =
    "UPDATE link_uses SET taken = taken - 1, bytes_given_back = bytes_given_back + ?2
    WHERE link = ?1 AND taken > 0 AND bytes_given_back <= ?3 - ?2";
const READ: &str = "SELECT taken, bytes_given_back FROM link_uses WHERE link = ?1";
const FORGET: &str = "DELETE FROM link_uses WHERE link IN
    (SELECT link FROM link_uses WHERE ends_at < ?1 LIMIT ?2)";

impl UseRecords for SqliteMetadata {
    async fn open_use(&self, wanted: OpenUse) -> Result<bool, StoreError> {
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let OpenUse { link, uses_max, bytes_returned, link_ends_at } = wanted;
                let row = params![
                    link.as_bytes().as_slice(),
                    size_column(uses_max),
                    size_column(bytes_returned),
                    link_ends_at.as_second(),
                ];
                Ok(write(tx, OPEN, row)? > 0)
            })
            .await
    }

    async fn give_use_back(
        &self,
        link: &Fingerprint,
        bytes: u64,
        bytes_max: u64,
    ) -> Result<bool, StoreError> {
        let link = *link;
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let row =
                    params![link.as_bytes().as_slice(), size_column(bytes), size_column(bytes_max)];
                Ok(write(tx, GIVE_BACK, row)? > 0)
            })
            .await
    }

    async fn link_uses(&self, link: &Fingerprint) -> Result<Option<LinkUses>, StoreError> {
        let decode = |row: &Row<'_>| -> Result<LinkUses, StoreError> {
            Ok(LinkUses { taken: size(row, 0)?, bytes_given_back: size(row, 1)? })
        };
        self.readers
            .point(|connection| {
                let link = link.as_bytes().as_slice();
                let select = connection.prepare_cached(READ);
                let found = select.and_then(|mut select| {
                    select.query_row([link], |row| Ok(decode(row))).optional()
                });
                found.map_err(engine)?.transpose()
            })
            .await
    }

    async fn forget_uses(&self, ended_before: Timestamp) -> Result<usize, StoreError> {
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let limit = i64::try_from(JOB_ROWS_MAX).unwrap_or(i64::MAX);
                write(tx, FORGET, params![ended_before.as_second(), limit])
            })
            .await
    }
}

fn write(tx: &Transaction<'_>, sql: &str, row: &[&dyn ToSql]) -> Result<usize, StoreError> {
    tx.connection.prepare_cached(sql).and_then(|mut write| write.execute(row)).map_err(engine)
}
