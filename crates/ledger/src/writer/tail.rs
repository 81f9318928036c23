//! The uses that no segment has yet: the block that is being filled, and where its segment began.

use rusqlite::{Connection, OptionalExtension as _};

use super::SegmentLimits;
use super::segment;
use crate::LedgerError;
use crate::block::{BLOCK_USES, OpenBlock, StoredUse, UseTexts};
use crate::numbers::LinkNumbers;
use crate::totals::tail_begins_at;

/// Where the next use is written.
#[derive(Debug)]
pub(super) struct Tail {
    /// The segment that is being filled, and its first block.
    segment: u64,
    first_block: u64,
    /// When its first use was, if it has one.
    first_at: Option<i64>,
    /// The number of the block that is being filled.
    number: u64,
    block: OpenBlock,
    /// Uses of the block that are in its row already.
    written: usize,
    links: Vec<u8>,
    uses: Vec<u8>,
}

impl Tail {
    /// Finds the place after the last use.
    pub(super) fn read(connection: &Connection) -> Result<Self, LedgerError> {
        let last: Option<i64> =
            connection.query_row("SELECT max(number) FROM segments", [], |row| row.get(0))?;
        let segment = last.map_or(0, |last| last.cast_unsigned() + 1);
        let first_block = tail_begins_at(connection)?;
        let first_at: Option<i64> = connection.query_row(
            "SELECT min(first_at) FROM blocks WHERE number >= ?1",
            [first_block.cast_signed()],
            |row| row.get(0),
        )?;
        let row: Option<(i64, Vec<u8>, Vec<u8>)> = connection
            .query_row(
                "SELECT number, links, uses FROM blocks WHERE number >= ?1
                 ORDER BY number DESC LIMIT 1",
                [first_block.cast_signed()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let (mut number, mut block) = (first_block, OpenBlock::default());
        if let Some((last, links, uses)) = row {
            number = last.cast_unsigned();
            match OpenBlock::decode(&links, &uses) {
                Ok(open) if open.len() < BLOCK_USES => block = open,
                Ok(_) => number += 1,
                Err(error) => {
                    tracing::error!(number, %error, "a block of the ledger cannot be read");
                    number += 1;
                }
            }
        }
        let (written, links, uses) = (block.len(), Vec::new(), Vec::new());
        Ok(Self { segment, first_block, first_at, number, block, written, links, uses })
    }

    /// Ends the block if it is full, and the segment if it is large enough or covers too long a time.
    pub(super) fn make_room(
        &mut self,
        connection: &Connection,
        limits: SegmentLimits,
        at: i64,
    ) -> Result<(), LedgerError> {
        if self.block.len() >= BLOCK_USES {
            self.end_block(connection)?;
            if self.number - self.first_block >= limits.blocks {
                self.close_segment(connection)?;
            }
        }
        self.close_if_old(connection, limits, at)
    }

    /// Closes the segment if its first use is too long ago.
    pub(super) fn close_if_old(
        &mut self,
        connection: &Connection,
        limits: SegmentLimits,
        now: i64,
    ) -> Result<(), LedgerError> {
        let old = |first: i64| now.saturating_sub(first) > limits.milliseconds;
        if self.first_at.is_some_and(old) {
            self.end_block(connection)?;
            self.close_segment(connection)?;
        }
        Ok(())
    }

    pub(super) fn push(&mut self, numbers: &LinkNumbers, stored: StoredUse, texts: UseTexts<'_>) {
        self.first_at = Some(self.first_at.map_or(stored.at, |first| first.min(stored.at)));
        self.block.push(numbers, stored, texts);
    }

    /// Writes the block as far as it is filled.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        if self.block.len() == self.written {
            return Ok(());
        }
        self.block.encode_links(&mut self.links);
        self.block.encode_uses(&mut self.uses);
        let (first_at, last_at) = self.block.times();
        let mut statement = connection.prepare_cached(
            "INSERT OR REPLACE INTO blocks (number, first_at, last_at, links, uses)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        statement.execute((
            self.number.cast_signed(),
            first_at,
            last_at,
            &self.links,
            &self.uses,
        ))?;
        self.written = self.block.len();
        Ok(())
    }

    fn end_block(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        if self.block.len() == 0 {
            return Ok(());
        }
        self.write(connection)?;
        self.block.clear();
        self.written = 0;
        self.number += 1;
        Ok(())
    }

    fn close_segment(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        segment::close(connection, self.segment, self.first_block, self.number)?;
        connection
            .prepare_cached(
                "INSERT INTO segments (number, first_block, end_block, first_at, last_at)
                 SELECT ?1, ?2, ?3, min(first_at), max(last_at) FROM blocks WHERE number >= ?2",
            )?
            .execute([self.segment, self.first_block, self.number].map(u64::cast_signed))?;
        self.segment += 1;
        self.first_block = self.number;
        self.first_at = None;
        Ok(())
    }
}
