//! Closes a segment: indexes its blocks by each dimension, and adds its uses to the totals of their links.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::Connection;

use crate::LedgerError;
use crate::block::{BlockUses, decode_links};
use crate::numbers::{Dimension, LinkNumbers};
use crate::postings::ChunkWriter;
use crate::totals::LinkTotals;

/// What a segment has, as its blocks are read.
#[derive(Default)]
struct SegmentUses {
    places: HashMap<LinkNumbers, usize, RandomState>,
    /// Each link of the segment, once for each object that it was used for, and what became of it.
    links: Vec<(LinkNumbers, LinkTotals)>,
    /// Places of links in `links`, for each block that has uses of them, in the order of the blocks.
    found: Vec<(u32, usize)>,
}

/// Writes the segment's index and its totals. A block that cannot be read is left out, and told.
pub(super) fn close(
    connection: &Connection,
    segment: u64,
    first_block: u64,
    end_block: u64,
) -> Result<(), LedgerError> {
    let mut uses = SegmentUses::default();
    let mut statement =
        connection.prepare_cached("SELECT links, uses FROM blocks WHERE number = ?1")?;
    for (offset, number) in (0..).zip(first_block..end_block) {
        let mut rows = statement.query([number.cast_signed()])?;
        let Some(row) = rows.next()? else { continue };
        let read = decode_links(row.get_ref(0)?.as_blob().unwrap_or_default()).and_then(|links| {
            Ok((links, BlockUses::decode(row.get_ref(1)?.as_blob().unwrap_or_default())?))
        });
        match read {
            Ok((links, block)) => uses.add(offset, &links, &block),
            Err(error) => tracing::error!(number, %error, "a block of the ledger cannot be read"),
        }
    }
    for dimension in Dimension::ALL {
        uses.index(connection, segment, dimension)?;
    }
    uses.add_totals(connection)
}

impl SegmentUses {
    fn add(&mut self, block: u32, links: &[LinkNumbers], uses: &BlockUses) {
        let mut places = Vec::with_capacity(links.len());
        for numbers in links {
            let place = *self.places.entry(*numbers).or_insert_with(|| {
                self.links.push((*numbers, LinkTotals::default()));
                self.links.len() - 1
            });
            places.push(place);
            self.found.push((block, place));
        }
        for stored in &uses.uses {
            let place = places.get(stored.link).copied();
            if let Some((_, totals)) = place.and_then(|place| self.links.get_mut(place)) {
                totals.add(stored);
            }
        }
    }

    /// Writes the blocks of each value of a dimension. Sorting is by counting: the values are few, and the blocks in order.
    fn index(
        &self,
        connection: &Connection,
        segment: u64,
        dimension: Dimension,
    ) -> Result<(), LedgerError> {
        let values_of = |(numbers, _): &(LinkNumbers, _)| numbers.of(dimension);
        let mut values: Vec<u64> =
            self.links.iter().flat_map(values_of).filter(|value| *value > 0).collect();
        values.sort_unstable();
        values.dedup();
        // A segment has fewer links than 32 bits count; u32::MAX is no rank.
        let rank = |value: u64| {
            values.binary_search(&value).ok().and_then(|rank| u32::try_from(rank).ok())
        };
        let rank_or_none = |value| rank(value).unwrap_or(u32::MAX);
        let ranks: Vec<[u32; 2]> =
            self.links.iter().map(|link| values_of(link).map(rank_or_none)).collect();
        let ranks_of = |place: usize| {
            let ranks = ranks.get(place).copied().unwrap_or([u32::MAX; 2]);
            ranks
                .into_iter()
                .filter(|rank| *rank < u32::MAX)
                .filter_map(|n| usize::try_from(n).ok())
        };
        let mut starts = vec![0_usize; values.len() + 1];
        for rank in self.found.iter().flat_map(|(_, place)| ranks_of(*place)) {
            if let Some(count) = starts.get_mut(rank + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut blocks = vec![0_u32; sum];
        for (block, place) in &self.found {
            for rank in ranks_of(*place) {
                let Some(at) = next.get_mut(rank) else { continue };
                // Several links of one block may share the value.
                let first = starts.get(rank).copied().unwrap_or_default();
                if *at > first && blocks.get(*at - 1) == Some(block) {
                    continue;
                }
                if let Some(cell) = blocks.get_mut(*at) {
                    *cell = *block;
                }
                *at += 1;
            }
        }
        let mut writer = ChunkWriter::new(connection, segment, dimension);
        for ((value, start), end) in values.iter().zip(&starts).zip(&next) {
            writer.add(*value, blocks.get(*start..*end).unwrap_or_default())?;
        }
        writer.write()
    }

    fn add_totals(&mut self, connection: &Connection) -> Result<(), LedgerError> {
        self.links.sort_unstable_by_key(|(numbers, _)| numbers.link);
        let mut statement = connection.prepare_cached(
            "INSERT INTO totals (link, served, refused, bytes, first_at, last_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (link) DO UPDATE SET served = served + excluded.served,
               refused = refused + excluded.refused, bytes = bytes + excluded.bytes,
               first_at = min(first_at, excluded.first_at),
               last_at = max(last_at, excluded.last_at)",
        )?;
        for (numbers, totals) in &self.links {
            let Some((first_at, last_at)) = totals.times else { continue };
            let [link, served, refused, bytes] =
                [numbers.link, totals.served, totals.refused, totals.bytes].map(u64::cast_signed);
            statement.execute((link, served, refused, bytes, first_at, last_at))?;
        }
        Ok(())
    }
}
