//! Pages of uses: the index of each segment says which blocks to read; blocks that no segment has yet are all read.

use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::facts::{FactsReader, timestamp};
use super::filter::{Filter, Matcher, Wanted};
use super::{Budget, PAGE_MAX, RecordedUse, UseOrder, UsePage, UseQuery};
use crate::LedgerError;
use crate::block::{BLOCK_USES, BlockUses, decode_links, has_links_of};
use crate::cursor::{Cursor, CursorList};
use crate::numbers::LinkNumbers;
use crate::postings::ChunkReader;

/// Places of a block: as many as it can have uses.
const PLACES: u64 = 256;
const _: () = assert!(BLOCK_USES == 256, "a place is a block and a use of it");

/// The page of uses that a query asks for.
pub(crate) fn page_of_uses(
    connection: &Connection,
    query: &UseQuery,
) -> Result<UsePage, LedgerError> {
    let list = match query.order {
        UseOrder::NewestFirst => CursorList::NewestUses,
        UseOrder::OldestFirst => CursorList::OldestUses,
    };
    let after = Cursor::place_in(query.after, list)?;
    let wanted = Wanted {
        scope: &query.scope,
        link: query.link.as_ref(),
        subject: query.subject.as_ref(),
        signer: query.signer.as_deref(),
        label: query.label.as_deref(),
    };
    let end = end_of_uses(connection)?;
    let places = match query.order {
        UseOrder::NewestFirst => 0..after.unwrap_or(end).min(end),
        UseOrder::OldestFirst => after.unwrap_or_default()..end,
    };
    let mut walk = UseWalk {
        connection,
        order: query.order,
        since: query.since.map_or(i64::MIN, Timestamp::as_millisecond),
        until: query.until.map_or(i64::MAX, Timestamp::as_millisecond),
        places,
        limit: query.limit.clamp(1, PAGE_MAX),
        budget: Budget::new(),
        facts: FactsReader::new(connection),
        found: Vec::new(),
    };
    let stopped = match Filter::find(connection, &wanted)? {
        Some(filter) => walk.run(&mut Matcher::new(connection, filter))?,
        None => None,
    };
    let place = match query.order {
        UseOrder::NewestFirst => stopped,
        // Whoever watches goes on where the ledger ends now.
        UseOrder::OldestFirst => stopped.or(Some(walk.places.start.max(end))),
    };
    Ok(UsePage { uses: walk.found, next: place.map(|place| Cursor { list, place }) })
}

/// Blocks that follow each other.
#[derive(Clone, Debug)]
struct BlockSpan {
    /// The segment that they are, or nothing if they have no index yet.
    segment: Option<u64>,
    blocks: Range<u64>,
    first_at: i64,
    last_at: i64,
}

/// A page as it is put together.
struct UseWalk<'c> {
    connection: &'c Connection,
    order: UseOrder,
    since: i64,
    until: i64,
    /// Where uses are looked for: the block's number times 256, and the number in the block.
    places: Range<u64>,
    limit: usize,
    budget: Budget,
    facts: FactsReader<'c>,
    found: Vec<RecordedUse>,
}

impl UseWalk<'_> {
    /// Reads until the page is full or has cost enough, and then says where to go on.
    fn run(&mut self, matcher: &mut Matcher<'_>) -> Result<Option<u64>, LedgerError> {
        let mut spans = self.spans()?;
        if self.order == UseOrder::NewestFirst {
            spans.reverse();
        }
        let mut blocks_read = 0_u32;
        for span in spans {
            let is_in = span.blocks.start * PLACES < self.places.end
                && span.blocks.end * PLACES > self.places.start
                && span.first_at < self.until
                && span.last_at >= self.since;
            if !is_in {
                continue;
            }
            if self.budget.is_spent() {
                return Ok(Some(self.edge(&span.blocks)));
            }
            for block in self.blocks(&span, matcher)? {
                // Each page reads a block at least, or the next one would end where this one did.
                if self.budget.is_spent() && blocks_read > 0 {
                    return Ok(Some(self.edge(&(block..block + 1))));
                }
                blocks_read += 1;
                if let Some(place) = self.read(block, matcher)? {
                    return Ok(Some(place));
                }
            }
        }
        Ok(None)
    }

    /// All blocks, in their order.
    fn spans(&self) -> Result<Vec<BlockSpan>, LedgerError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT number, first_block, end_block, first_at, last_at
             FROM segments ORDER BY number",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(BlockSpan {
                segment: Some(row.get::<_, i64>(0)?.cast_unsigned()),
                blocks: row.get::<_, i64>(1)?.cast_unsigned()
                    ..row.get::<_, i64>(2)?.cast_unsigned(),
                first_at: row.get(3)?,
                last_at: row.get(4)?,
            })
        })?;
        let mut spans = rows.collect::<Result<Vec<_>, _>>()?;
        let tail = spans.last().map_or(0, |span| span.blocks.end);
        let end = self.places.end.div_ceil(PLACES).max(tail);
        spans.push(BlockSpan {
            segment: None,
            blocks: tail..end,
            first_at: i64::MIN,
            last_at: i64::MAX,
        });
        Ok(spans)
    }

    /// The blocks of a span that may have what is asked for, in the order of the query.
    fn blocks(&mut self, span: &BlockSpan, matcher: &Matcher<'_>) -> Result<Vec<u64>, LedgerError> {
        let is_in = |block: &u64| {
            block * PLACES < self.places.end && (block + 1) * PLACES > self.places.start
        };
        let mut blocks: Vec<u64> = match span.segment {
            None => span.blocks.clone().filter(is_in).collect(),
            Some(segment) => {
                let (dimension, values) = matcher.filter.driver();
                let mut reader = ChunkReader::new(self.connection, segment, dimension);
                let offsets = reader.blocks(values)?;
                self.budget.spend(reader.looks);
                let blocks =
                    offsets.into_iter().map(|offset| span.blocks.start + u64::from(offset));
                blocks.filter(is_in).collect()
            }
        };
        if self.order == UseOrder::NewestFirst {
            blocks.reverse();
        }
        Ok(blocks)
    }

    /// Reads what is asked for of a block. Says where to go on if the page is full.
    fn read(&mut self, number: u64, matcher: &mut Matcher<'_>) -> Result<Option<u64>, LedgerError> {
        self.budget.spend(1);
        let connection = self.connection;
        let mut statement = connection.prepare_cached(
            "SELECT links, uses FROM blocks WHERE number = ?1 AND first_at < ?2 AND last_at >= ?3",
        )?;
        let mut rows = statement.query((number.cast_signed(), self.until, self.since))?;
        // A block may be gone because it was too old.
        let Some(row) = rows.next()? else { return Ok(None) };
        let links = row.get_ref(0)?.as_blob().unwrap_or_default();
        let (dimension, values) = matcher.filter.driver();
        if !has_links_of(links, dimension, values)? {
            return Ok(None);
        }
        let links = decode_links(links)?;
        let asked_for: Result<Vec<bool>, _> =
            links.iter().map(|numbers| matcher.has(numbers, &mut self.budget)).collect();
        let asked_for = asked_for?;
        if !asked_for.contains(&true) {
            return Ok(None);
        }
        self.budget.spend(1);
        let block = BlockUses::decode(row.get_ref(1)?.as_blob().unwrap_or_default())?;
        let count = block.uses.len();
        for step in 0..count {
            let index = match self.order {
                UseOrder::NewestFirst => count - 1 - step,
                UseOrder::OldestFirst => step,
            };
            let place = number * PLACES + u64::try_from(index).unwrap_or(u64::MAX);
            let Some(stored) = block.uses.get(index) else { continue };
            let is_in = self.places.contains(&place)
                && (self.since..self.until).contains(&stored.at)
                && asked_for.get(stored.link).is_some_and(|asked_for| *asked_for);
            if !is_in {
                continue;
            }
            if self.found.len() >= self.limit {
                return Ok(Some(match self.order {
                    UseOrder::NewestFirst => place + 1,
                    UseOrder::OldestFirst => place,
                }));
            }
            let LinkNumbers { link, object, .. } =
                links.get(stored.link).copied().unwrap_or_default();
            let texts = block.texts(stored);
            self.found.push(RecordedUse {
                link: self.facts.link(link)?,
                operation: texts.operation.to_owned(),
                key: self.facts.key(object)?,
                status: stored.status,
                code: texts.code.map(str::to_owned),
                version: texts.version,
                bytes: stored.bytes,
                duration: Duration::from_micros(stored.duration),
                address: texts.address,
                agent: texts.agent.map(str::to_owned),
                at: timestamp(stored.at)?,
            });
        }
        Ok(None)
    }

    /// Where to go on with blocks of which none was read.
    fn edge(&self, blocks: &Range<u64>) -> u64 {
        match self.order {
            UseOrder::NewestFirst => (blocks.end * PLACES).min(self.places.end),
            UseOrder::OldestFirst => (blocks.start * PLACES).max(self.places.start),
        }
    }
}

/// The place after the last use.
fn end_of_uses(connection: &Connection) -> Result<u64, LedgerError> {
    let last: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT number, uses FROM blocks ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((number, uses)) = last else {
        return Ok(crate::totals::tail_begins_at(connection)? * PLACES);
    };
    let count = u64::try_from(BlockUses::decode(&uses)?.uses.len()).unwrap_or(u64::MAX);
    let tail = crate::totals::tail_begins_at(connection)? * PLACES;
    Ok((number.cast_unsigned() * PLACES + count).max(tail))
}
