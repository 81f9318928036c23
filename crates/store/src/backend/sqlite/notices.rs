//! Notices in the database. What was told has no seal: who could write another time could as well remove the row.

use jiff::Timestamp;
use presign::Fingerprint;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::SqliteMetadata;
use super::error::engine;
use super::rows::{account, corrupt, size, timestamp};
use super::seal::{self, row_seal};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::notices::NoticeRecords;
use crate::backend::record::{notice_record, parse_notice};
use crate::{
    NOTICE_KEPT, NOTICE_KEPT_DELIVERED, NOTICES_WAITING_MAX, NOTICES_WAITING_OF_LINK_MAX,
    NewNotice, Notice, NoticeId, NoticeState, NoticeTry, PutNotice, StoreError,
};

/// The states of notices, as the column says them.
const WAITING: i64 = 0;
const DELIVERED: i64 = 1;
const FAILED: i64 = 2;

const PUT: &str = "INSERT INTO notices
    (id, link, account, event, at_ms, target, record, seal, state, tries, next_ms, forget_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, row_seal('notice', ?1, ?2, ?3, ?4, ?5, ?6, ?7), 0, 0, ?5, ?8)";
const TOLD: &str = "SELECT at_ms FROM notices_told WHERE link = ?1 AND event = ?2";
const TELL: &str = "INSERT INTO notices_told (link, event, at_ms) VALUES (?1, ?2, ?3)
    ON CONFLICT (link, event) DO UPDATE SET at_ms = excluded.at_ms";
const WAITING_OF: &str = "SELECT count(*) FROM notices WHERE account = ?1 AND state = 0";
const WAITING_ABOUT: &str = "SELECT count(*) FROM notices WHERE link = ?1 AND state = 0";
const WAITING_OF_ALL: &str = "SELECT count(*) FROM notices WHERE state = 0";
const TARGET: &str = "SELECT account, target FROM notices WHERE id = ?1 AND state = 0";
const END: &str = "UPDATE notices
    SET state = ?2, tries = tries + 1, next_ms = ?3, forget_ms = coalesce(?4, forget_ms), error = ?5
    WHERE id = ?1 AND state = 0";
const PUT_OFF: &str = "UPDATE notices SET next_ms = ?3
    WHERE account = ?1 AND target = ?2 AND state = 0 AND next_ms < ?3";
const FORGET: &str =
    "DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE forget_ms <= ?1 LIMIT ?2)";

/// A statement that reads notices, with their seals compared.
macro_rules! select_notices {
    ($rest:literal) => {
        concat!(
            "SELECT id, link, account, event, at_ms, target, record, state, tries, next_ms, error, seal = ",
            row_seal!(notice),
            " FROM notices WHERE ",
            $rest
        )
    };
}

/// The accounts of which notices wait, found one after the other: those of one may be many.
const ACCOUNTS: &str = "WITH RECURSIVE waiting (name) AS (
        SELECT min(account) FROM notices WHERE state = 0
        UNION ALL
        SELECT (SELECT min(account) FROM notices WHERE state = 0 AND account > waiting.name)
        FROM waiting WHERE waiting.name IS NOT NULL
    )
    SELECT name FROM waiting WHERE name IS NOT NULL";
const DUE: &str =
    select_notices!("account = ?1 AND state = 0 AND next_ms <= ?2 ORDER BY next_ms, id LIMIT ?3");
const OF_LINK: &str = select_notices!("link = ?1 ORDER BY at_ms DESC, id LIMIT ?2");

impl NoticeRecords for SqliteMetadata {
    async fn put_notice(&self, new: NewNotice) -> Result<PutNotice, StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| put(tx, new)).await
    }

    async fn due_notices(&self, now: Timestamp, of_each: usize) -> Result<Vec<Notice>, StoreError> {
        self.readers.list(move |connection| due(connection, now, of_each)).await
    }

    async fn end_notice_try(
        &self,
        id: NoticeId,
        came: NoticeTry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| end_try(tx, id, came, now)).await
    }

    async fn notices_of(
        &self,
        link: &Fingerprint,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        let (link, limit) = (*link, rows_max(limit));
        let read = move |connection: &Connection| {
            select(connection, OF_LINK, params![link.as_bytes().as_slice(), limit])
        };
        self.readers.list(read).await
    }

    async fn waiting_notices(&self) -> Result<u64, StoreError> {
        let read = |connection: &Connection| {
            let select = connection.prepare_cached(WAITING_OF_ALL);
            let waiting =
                select.and_then(|mut select| select.query_row([], |row| Ok(size(row, 0))));
            waiting.map_err(engine)?
        };
        self.readers.point(read).await
    }

    async fn forget_notices(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                let row = params![now.as_millisecond(), rows_max(JOB_ROWS_MAX)];
                execute(tx.connection, FORGET, row)
            })
            .await
    }
}

fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn put(tx: &Transaction<'_>, new: NewNotice) -> Result<PutNotice, StoreError> {
    let NewNotice { link, account, event, at, facts, targets } = new;
    let link = link.as_bytes().as_slice();
    let told = tx.connection.prepare_cached(TOLD).and_then(|mut select| {
        let read = |row: &Row<'_>| Ok(timestamp(row, 0));
        select.query_row(params![link, event.name()], read).optional()
    });
    let told = told.map_err(engine)?.transpose()?;
    if told.is_some_and(|told_at| !event.is_told_again(told_at, at)) {
        return Ok(PutNotice::Known);
    }
    let waiting = |statement: &str, name: &dyn ToSql| {
        let select = tx.connection.prepare_cached(statement);
        select
            .and_then(|mut select| select.query_row([name], |row| Ok(size(row, 0))))
            .map_err(engine)?
    };
    let more = u64::try_from(targets.len()).unwrap_or(u64::MAX);
    let of_account = waiting(WAITING_OF, &account.as_str())?.saturating_add(more);
    let of_link = waiting(WAITING_ABOUT, &link)?.saturating_add(more);
    if of_account > NOTICES_WAITING_MAX || of_link > NOTICES_WAITING_OF_LINK_MAX {
        return Ok(PutNotice::TooMany);
    }
    let record = notice_record(facts)?;
    let forget_at = at.saturating_add(NOTICE_KEPT).unwrap_or(Timestamp::MAX);
    for (id, target) in &targets {
        let row = params![
            id.as_bytes(),
            link,
            account.as_str(),
            event.name(),
            at.as_millisecond(),
            target,
            record,
            forget_at.as_millisecond(),
        ];
        execute(tx.connection, PUT, row)?;
    }
    execute(tx.connection, TELL, params![link, event.name(), at.as_millisecond()])?;
    Ok(PutNotice::Recorded)
}

fn end_try(
    tx: &Transaction<'_>,
    id: NoticeId,
    came: NoticeTry,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = tx.connection.prepare_cached(TARGET).and_then(|mut select| {
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        select.query_row([id.as_bytes()], read).optional()
    });
    let Some((account, target)) = found.map_err(engine)? else { return Ok(false) };
    let (state, next, forget, error) = match came {
        NoticeTry::Delivered => {
            let forget = now.saturating_add(NOTICE_KEPT_DELIVERED).unwrap_or(Timestamp::MAX);
            (DELIVERED, now, Some(forget), None)
        }
        NoticeTry::PutOff { until, error } => (WAITING, until, None, Some(error)),
        NoticeTry::Failed { error } => (FAILED, now, None, Some(error)),
    };
    let (next_ms, forget_ms) = (next.as_millisecond(), forget.map(Timestamp::as_millisecond));
    execute(tx.connection, END, params![id.as_bytes(), state, next_ms, forget_ms, error])?;
    if state == WAITING {
        execute(tx.connection, PUT_OFF, params![account, target, next_ms])?;
    }
    Ok(true)
}

fn due(connection: &Connection, now: Timestamp, of_each: usize) -> Result<Vec<Notice>, StoreError> {
    let mut accounts = connection.prepare_cached(ACCOUNTS).map_err(engine)?;
    let accounts = accounts.query_map([], |row| row.get::<_, String>(0));
    let accounts = accounts.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
    let mut all = Vec::new();
    for account in accounts.map_err(engine)? {
        let row = params![account, now.as_millisecond(), rows_max(of_each)];
        all.extend(select(connection, DUE, row)?);
    }
    Ok(all)
}

fn select(
    connection: &Connection,
    sql: &str,
    row: &[&dyn ToSql],
) -> Result<Vec<Notice>, StoreError> {
    let mut select = connection.prepare_cached(sql).map_err(engine)?;
    let mut rows = select.query(row).map_err(engine)?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        notices.push(decode(row)?);
    }
    Ok(notices)
}

fn decode(row: &Row<'_>) -> Result<Notice, StoreError> {
    seal::check(row, 11)?;
    let wrong = || corrupt("row of a notice");
    let id: [u8; 16] = row.get(0).map_err(engine)?;
    let link: [u8; 32] = row.get(1).map_err(engine)?;
    let event: String = row.get(3).map_err(engine)?;
    let record: Vec<u8> = row.get(6).map_err(engine)?;
    let state = match row.get(7).map_err(engine)? {
        WAITING => NoticeState::Waiting { next_at: timestamp(row, 9)? },
        DELIVERED => NoticeState::Delivered,
        FAILED => NoticeState::Failed,
        _ => return Err(wrong()),
    };
    Ok(Notice {
        id: NoticeId::from_bytes(id),
        link: Fingerprint::from_bytes(link),
        account: account(row, 2)?,
        event: event.parse().map_err(|_| wrong())?,
        at: timestamp(row, 4)?,
        facts: parse_notice(&record)?,
        target: row.get(5).map_err(engine)?,
        state,
        tries: size(row, 8)?,
        error: row.get(10).map_err(engine)?,
    })
}

fn execute(connection: &Connection, sql: &str, row: &[&dyn ToSql]) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut write| write.execute(row)).map_err(engine)
}
