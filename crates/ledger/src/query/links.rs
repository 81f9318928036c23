//! Pages of links: the index of one column or a few of `links`, from the newest link to the oldest.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::facts::{FactsReader, timestamp};
use super::filter::{Filter, Matcher, Wanted};
use super::{Budget, LinkEntry, LinkName, LinkPage, LinkQuery, LinkScope, PAGE_MAX};
use crate::LedgerError;
use crate::cursor::{Cursor, CursorList};
use crate::numbers::{Dimension, LinkNumbers};
use crate::totals;

/// Values that are looked for in an index one by one. For more, all links of the bucket are looked at.
const VALUES_MAX: usize = if cfg!(test) { 1 } else { 512 };
/// Numbers that are fetched at once from all indexes together.
const FETCHED: usize = 2048;

/// The page of links that a query asks for.
pub(crate) fn page_of_links(
    connection: &Connection,
    query: &LinkQuery,
) -> Result<LinkPage, LedgerError> {
    let before = Cursor::place_in(query.after, CursorList::Links)?;
    let wanted = Wanted {
        scope: &query.scope,
        link: None,
        subject: query.subject.as_ref(),
        signer: query.signer.as_deref(),
        label: query.label.as_deref(),
    };
    let Some(filter) = Filter::find(connection, &wanted)? else {
        return Ok(LinkPage { links: Vec::new(), next: None });
    };
    let mut walk = LinkWalk {
        connection,
        matcher: Matcher::new(connection, filter),
        lives_at: query.lives_at.map(Timestamp::as_millisecond),
        ended_at: query.ended_at.map(Timestamp::as_millisecond),
        limit: query.limit.clamp(1, PAGE_MAX),
        budget: Budget::new(),
        found: Vec::new(),
    };
    let next = walk.run(before.unwrap_or(i64::MAX.cast_unsigned()))?;
    let next = next.map(|place| Cursor { list: CursorList::Links, place });
    Ok(LinkPage { links: entries(connection, &walk.found)?, next })
}

/// The links of this name that may be seen, the newest first.
pub(crate) fn named_links(
    connection: &Connection,
    scope: &LinkScope,
    name: &LinkName,
) -> Result<Vec<LinkEntry>, LedgerError> {
    let wanted = Wanted { scope, link: Some(name), subject: None, signer: None, label: None };
    let Some(filter) = Filter::find(connection, &wanted)? else { return Ok(Vec::new()) };
    let mut numbers = filter.driver().1.to_vec();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let mut matcher = Matcher::new(connection, filter);
    let (mut budget, mut found) = (Budget::new(), Vec::new());
    for number in numbers {
        if let Some(row) = link_row(connection, number)?
            && matcher.has(&row.numbers, &mut budget)?
        {
            found.push(row);
        }
    }
    entries(connection, &found)
}

/// What of a link's row says whether it is asked for.
#[derive(Clone, Copy)]
struct LinkRow {
    numbers: LinkNumbers,
    ends_at: Option<i64>,
    seen_at: i64,
}

struct LinkWalk<'c> {
    connection: &'c Connection,
    matcher: Matcher<'c>,
    lives_at: Option<i64>,
    ended_at: Option<i64>,
    limit: usize,
    budget: Budget,
    found: Vec<LinkRow>,
}

impl LinkWalk<'_> {
    /// Finds links whose numbers are smaller, and says before which number to go on.
    fn run(&mut self, mut before: u64) -> Result<Option<u64>, LedgerError> {
        let mut links_read = 0_u32;
        loop {
            let (numbers, has_more) = self.fetch(before)?;
            for number in &numbers {
                // Each page reads a link at least, or the next one would end where this one did.
                let is_spent = self.budget.is_spent() && links_read > 0;
                if self.found.len() >= self.limit || is_spent {
                    return Ok(Some(before));
                }
                links_read += 1;
                before = *number;
                self.budget.spend(1);
                let row = link_row(self.connection, *number)?;
                if let Some(row) = row
                    && self.is_asked_for(&row)?
                {
                    self.found.push(row);
                }
            }
            if !has_more {
                return Ok(None);
            }
        }
    }

    fn is_asked_for(&mut self, row: &LinkRow) -> Result<bool, LedgerError> {
        let lives = self.lives_at.is_none_or(|at| row.ends_at.is_none_or(|end| end > at));
        let ended = self.ended_at.is_none_or(|at| row.ends_at.is_some_and(|end| end <= at));
        Ok(lives && ended && self.matcher.has(&row.numbers, &mut self.budget)?)
    }

    /// The next numbers, falling, of those that may be asked for; and whether there may be more after them.
    fn fetch(&mut self, before: u64) -> Result<(Vec<u64>, bool), LedgerError> {
        let filter = &self.matcher.filter;
        let (mut dimension, mut values) = filter.driver();
        let bucket;
        if values.len() > VALUES_MAX
            && let Some(number) = filter.bucket()
        {
            bucket = [number];
            (dimension, values) = (Dimension::Bucket, &bucket);
        }
        let each = (FETCHED / values.len().max(1)).clamp(8, self.limit + 8);
        let (mut numbers, mut whole_down_to, mut has_more) = (Vec::new(), 0, false);
        for statement in statements(dimension) {
            let mut statement = self.connection.prepare_cached(statement)?;
            for value in values {
                self.budget.spend(1);
                let limit = i64::try_from(each).unwrap_or(i64::MAX);
                let range = (value.cast_signed(), before.cast_signed(), limit);
                let rows = statement.query_map(range, |row| row.get::<_, i64>(0))?;
                let mut count = 0;
                for number in rows {
                    numbers.push(number?.cast_unsigned());
                    count += 1;
                }
                if count == each {
                    // There may be more of this value, but below its last number only.
                    has_more = true;
                    let last = numbers.last().copied().unwrap_or_default();
                    whole_down_to = whole_down_to.max(last);
                }
            }
        }
        numbers.retain(|number| *number >= whole_down_to);
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.dedup();
        Ok((numbers, has_more))
    }
}

/// How the numbers of links are found by a value of this dimension.
fn statements(dimension: Dimension) -> &'static [&'static str] {
    match dimension {
        Dimension::Link => &["SELECT number FROM links WHERE number = ?1 AND number < ?2 LIMIT ?3"],
        Dimension::Object => &["SELECT number FROM links
             WHERE object = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"],
        Dimension::Bucket => &["SELECT number FROM links
             WHERE bucket = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"],
        Dimension::Signer => &["SELECT number FROM links
             WHERE signer = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"],
        Dimension::Key => &["SELECT number FROM links
             WHERE key = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"],
        Dimension::Label => &["SELECT number FROM links
             WHERE label = ?1 AND label > 0 AND number < ?2 ORDER BY number DESC LIMIT ?3"],
        Dimension::Account => &[
            "SELECT number FROM links
             WHERE account = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
            "SELECT number FROM links
             WHERE bucket_account = ?1 AND bucket_account <> account AND number < ?2
             ORDER BY number DESC LIMIT ?3",
        ],
    }
}

fn link_row(connection: &Connection, number: u64) -> Result<Option<LinkRow>, LedgerError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, object, bucket, signer, key, label, account, bucket_account,
           ends_at, seen_at
         FROM links WHERE number = ?1",
    )?;
    let row = statement.query_row([number.cast_signed()], |row| {
        let mut numbers = [0; LinkNumbers::COUNT];
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = row.get::<_, i64>(column)?.cast_unsigned();
        }
        let numbers = LinkNumbers::from_array(numbers);
        Ok(LinkRow { numbers, ends_at: row.get(8)?, seen_at: row.get(9)? })
    });
    Ok(row.optional()?)
}

fn entries(connection: &Connection, rows: &[LinkRow]) -> Result<Vec<LinkEntry>, LedgerError> {
    let numbers: Vec<u64> = rows.iter().map(|row| row.numbers.link).collect();
    let totals = totals::of_links(connection, &numbers)?;
    let mut facts = FactsReader::new(connection);
    let mut entry = |row: &LinkRow| {
        let totals = totals.get(&row.numbers.link).copied().unwrap_or_default();
        let (first, last) = totals.times.unzip();
        Ok(LinkEntry {
            link: facts.link(row.numbers.link)?,
            seen_at: timestamp(row.seen_at)?,
            first_used_at: first.map(timestamp).transpose()?,
            last_used_at: last.map(timestamp).transpose()?,
            served: totals.served,
            refused: totals.refused,
            bytes: totals.bytes,
        })
    };
    rows.iter().map(&mut entry).collect()
}
