//! What became of a link, in sum: as its row says it, and the uses since the last segment was closed.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension as _};

use crate::LedgerError;
use crate::block::{BlockUses, StoredUse, decode_links, has_links_of};
use crate::numbers::Dimension;

/// Sums over the uses of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkTotals {
    /// Uses that were answered with what was asked for.
    pub(crate) served: u64,
    /// Uses that were refused, or that failed.
    pub(crate) refused: u64,
    pub(crate) bytes: u64,
    /// When the first and the last one were, in milliseconds.
    pub(crate) times: Option<(i64, i64)>,
}

impl LinkTotals {
    pub(crate) fn add(&mut self, stored: &StoredUse) {
        let served = stored.is_served();
        self.served += u64::from(served);
        self.refused += u64::from(!served);
        self.bytes = self.bytes.saturating_add(stored.bytes);
        let (first, last) = self.times.unwrap_or((stored.at, stored.at));
        self.times = Some((first.min(stored.at), last.max(stored.at)));
    }
}

/// The first block that no segment has yet.
pub(crate) fn tail_begins_at(connection: &Connection) -> Result<u64, LedgerError> {
    let end: Option<i64> = connection
        .prepare_cached("SELECT end_block FROM segments ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(end.unwrap_or_default().cast_unsigned())
}

/// The totals of these links, as of this moment.
pub(crate) fn of_links(
    connection: &Connection,
    links: &[u64],
) -> Result<HashMap<u64, LinkTotals, RandomState>, LedgerError> {
    let mut totals = HashMap::default();
    let mut statement = connection.prepare_cached(
        "SELECT served, refused, bytes, first_at, last_at FROM totals WHERE link = ?1",
    )?;
    for link in links {
        let row = statement.query_row([link.cast_signed()], |row| {
            Ok(LinkTotals {
                served: row.get::<_, i64>(0)?.cast_unsigned(),
                refused: row.get::<_, i64>(1)?.cast_unsigned(),
                bytes: row.get::<_, i64>(2)?.cast_unsigned(),
                times: Some((row.get(3)?, row.get(4)?)),
            })
        });
        totals.insert(*link, row.optional()?.unwrap_or_default());
    }
    add_tail(connection, &mut totals)?;
    Ok(totals)
}

/// Adds the uses that no segment has yet.
fn add_tail(
    connection: &Connection,
    totals: &mut HashMap<u64, LinkTotals, RandomState>,
) -> Result<(), LedgerError> {
    if totals.is_empty() {
        return Ok(());
    }
    let mut statement =
        connection.prepare_cached("SELECT links, uses FROM blocks WHERE number >= ?1")?;
    let mut rows = statement.query([tail_begins_at(connection)?.cast_signed()])?;
    let mut wanted: Vec<u64> = totals.keys().copied().collect();
    wanted.sort_unstable();
    while let Some(row) = rows.next()? {
        let links = row.get_ref(0)?.as_blob().unwrap_or_default();
        if !has_links_of(links, Dimension::Link, &wanted)? {
            continue;
        }
        let links = decode_links(links)?;
        let block = BlockUses::decode(row.get_ref(1)?.as_blob().unwrap_or_default())?;
        for stored in &block.uses {
            let link = links.get(stored.link).map_or(0, |numbers| numbers.link);
            if let Some(totals) = totals.get_mut(&link) {
                totals.add(stored);
            }
        }
    }
    Ok(())
}
