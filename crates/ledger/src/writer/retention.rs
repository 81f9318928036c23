//! Removes what is too old, in steps so small that batches are written between them.

use std::collections::HashSet;

use jiff::Timestamp;
use presign::Fingerprint;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::registry::USED_WITHIN_MS;
use crate::LedgerError;
use crate::block::decode_links;
use crate::numbers::fingerprint_of;
use crate::postings;
use crate::totals::tail_begins_at;

/// Rows that a step removes, or links that it looks at, at most.
const ROWS_A_STEP: i64 = 256;
/// Free pages that a step gives back to the file system.
const PAGES_A_STEP: u32 = 512;
/// Free pages that the file may always have.
const FREE_PAGES_MIN: i64 = 1024;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A pass over what is too old.
#[derive(Debug)]
pub(super) struct Retention {
    now: i64,
    /// Uses before this moment are too old.
    horizon: i64,
    /// No segment that stays has a use before this moment: a segment stays while one of its uses is young enough.
    oldest: i64,
    place: Place,
    done: oneshot::Sender<()>,
}

/// Where the pass is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the segment after this one.
    Segments(i64),
    /// At the link after this one.
    Links(i64),
    /// At objects that no link is for.
    Objects,
    /// At pages that are free.
    Pages,
}

/// What a step did.
#[derive(Debug)]
pub(super) enum Step {
    /// Something, and there may be more to do.
    Advanced,
    /// These links are gone, and names with them, so nobody may remember their numbers.
    RemovedLinks(Vec<Fingerprint>),
    /// Nothing is left to do.
    Finished,
}

impl Retention {
    pub(super) fn new(now: Timestamp, keep_days: u32, done: oneshot::Sender<()>) -> Self {
        let now = now.as_millisecond();
        let horizon = now.saturating_sub(DAY_MS.saturating_mul(i64::from(keep_days)));
        Self { now, horizon, oldest: horizon, place: Place::Segments(-1), done }
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Tells whoever asked that the pass is over.
    pub(super) fn finish(self) {
        // Who asked may have gone.
        let _ = self.done.send(());
    }

    pub(super) fn step(&mut self, connection: &Connection) -> Result<Step, LedgerError> {
        match self.place {
            Place::Segments(after) => self.segment_step(connection, after),
            Place::Links(after) => self.link_step(connection, after),
            Place::Objects => self.object_step(connection),
            Place::Pages => give_back_pages(connection),
        }
    }

    /// Removes rows of the oldest segment, if all of its uses are too old.
    fn segment_step(&mut self, connection: &Connection, after: i64) -> Result<Step, LedgerError> {
        let mut statement = connection.prepare_cached(
            "SELECT number, first_block, end_block, last_at < ?2,
               number < (SELECT max(number) FROM segments)
             FROM segments WHERE number > ?1 ORDER BY number LIMIT 1",
        )?;
        let mut rows = statement.query((after, self.horizon))?;
        let Some(row) = rows.next()? else { return self.go_on_to_links(connection, after) };
        let (number, blocks): (i64, (i64, i64)) = (row.get(0)?, (row.get(1)?, row.get(2)?));
        let (is_old, has_next): (bool, bool) = (row.get(3)?, row.get(4)?);
        if !is_old {
            return self.go_on_to_links(connection, after);
        }
        let (first, end) = postings::places(number.cast_unsigned());
        let mut postings = connection.prepare_cached(
            "DELETE FROM postings WHERE place IN
               (SELECT place FROM postings WHERE place >= ?1 AND place < ?2 LIMIT ?3)",
        )?;
        if postings.execute((first, end, ROWS_A_STEP))? > 0 {
            return Ok(Step::Advanced);
        }
        let mut rows_of_blocks = connection.prepare_cached(
            "DELETE FROM blocks WHERE number IN
               (SELECT number FROM blocks WHERE number >= ?1 AND number < ?2 LIMIT ?3)",
        )?;
        if rows_of_blocks.execute((blocks.0, blocks.1, ROWS_A_STEP))? > 0 {
            return Ok(Step::Advanced);
        }
        // The last segment says which numbers of blocks were given; cursors hold them.
        if has_next {
            connection
                .prepare_cached("DELETE FROM segments WHERE number = ?1")?
                .execute([number])?;
        }
        self.place = Place::Segments(number);
        Ok(Step::Advanced)
    }

    fn go_on_to_links(&mut self, connection: &Connection, after: i64) -> Result<Step, LedgerError> {
        let oldest: Option<i64> = connection.query_row(
            "SELECT min(first_at) FROM segments WHERE number > ?1",
            [after],
            |row| row.get(0),
        )?;
        self.oldest = oldest.map_or(self.horizon, |oldest| oldest.min(self.horizon));
        self.place = Place::Links(0);
        Ok(Step::Advanced)
    }

    /// Removes links that have ended and have no use left, of the next few. They are in the order in which they came.
    fn link_step(&mut self, connection: &Connection, after: i64) -> Result<Step, LedgerError> {
        let mut statement = connection.prepare_cached(
            "SELECT links.number, seen_at < ?2, ends_at < ?2 AND coalesce(last_at < ?4, TRUE),
               object, bucket, signer, key, label, fingerprint
             FROM links LEFT JOIN totals ON totals.link = links.number
             WHERE links.number > ?1 ORDER BY links.number LIMIT ?3",
        )?;
        let mut rows = statement.query((after, self.horizon, ROWS_A_STEP, self.oldest))?;
        let (mut ended, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next()? {
            if !row.get::<_, bool>(1)? {
                last = None;
                break;
            }
            let number: i64 = row.get(0)?;
            last = Some(number);
            if row.get::<_, Option<bool>>(2)?.unwrap_or_default() {
                let names: [i64; 5] =
                    [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?];
                ended.push((number, names, row.get::<_, Vec<u8>>(8)?));
            }
        }
        self.place = last.map_or(Place::Objects, Place::Links);
        if ended.is_empty() {
            return Ok(Step::Advanced);
        }
        let used = links_of_tail(connection)?;
        let mut removed = Vec::with_capacity(ended.len());
        for (number, names, fingerprint) in ended {
            if !used.contains(&number) {
                remove_link(connection, number, names)?;
                removed.push(fingerprint_of(&fingerprint)?);
            }
        }
        Ok(Step::RemovedLinks(removed))
    }
}

impl Retention {
    /// Removes objects that were used by links for more than them, and have no use left.
    fn object_step(&mut self, connection: &Connection) -> Result<Step, LedgerError> {
        let mut statement = connection.prepare_cached(
            "DELETE FROM objects WHERE number IN
               (SELECT number FROM objects WHERE used_at < ?1
                  AND NOT EXISTS (SELECT 1 FROM links WHERE links.object = objects.number) LIMIT ?2)",
        )?;
        let unused_since = self.oldest.saturating_sub(USED_WITHIN_MS);
        if statement.execute((unused_since, ROWS_A_STEP))? == 0 {
            self.place = Place::Pages;
        }
        Ok(Step::Advanced)
    }
}

/// Links that have a use which no segment has yet, and which is therefore in no total.
fn links_of_tail(connection: &Connection) -> Result<HashSet<i64>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT links FROM blocks WHERE number >= ?1")?;
    let mut rows = statement.query([tail_begins_at(connection)?.cast_signed()])?;
    let mut found = HashSet::new();
    while let Some(row) = rows.next()? {
        let links = decode_links(row.get_ref(0)?.as_blob().unwrap_or_default())?;
        found.extend(links.iter().map(|numbers| numbers.link.cast_signed()));
    }
    Ok(found)
}

/// Removes a link, and whatever only this link named.
fn remove_link(connection: &Connection, number: i64, names: [i64; 5]) -> Result<(), LedgerError> {
    for statement in ["DELETE FROM links WHERE number = ?1", "DELETE FROM totals WHERE link = ?1"] {
        connection.prepare_cached(statement)?.execute([number])?;
    }
    let statements = [
        "DELETE FROM objects WHERE number = ?1 AND used_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM links WHERE object = ?1)",
        "DELETE FROM names WHERE number = ?1
           AND NOT EXISTS (SELECT 1 FROM links WHERE bucket = ?1)",
        "DELETE FROM signers WHERE number = ?1
           AND NOT EXISTS (SELECT 1 FROM links WHERE signer = ?1)",
        "DELETE FROM names WHERE number = ?1
           AND NOT EXISTS (SELECT 1 FROM links WHERE key = ?1)",
        "DELETE FROM names WHERE number = ?1
           AND NOT EXISTS (SELECT 1 FROM links WHERE label = ?1 AND label > 0)",
    ];
    for (statement, name) in statements.into_iter().zip(names) {
        connection.prepare_cached(statement)?.execute([name])?;
    }
    Ok(())
}

/// Shortens the file, if a quarter of it is free. Else the pages are written again soon.
fn give_back_pages(connection: &Connection) -> Result<Step, LedgerError> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let (free, all) = (number("PRAGMA freelist_count")?, number("PRAGMA page_count")?);
    if free <= FREE_PAGES_MIN || free < all / 4 {
        return Ok(Step::Finished);
    }
    connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_A_STEP})"))?;
    Ok(Step::Advanced)
}
