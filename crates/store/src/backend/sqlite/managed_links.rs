//! Managed links in the database.

use std::sync::Arc;

use jiff::Timestamp;
use presign::Fingerprint;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::SqliteMetadata;
use super::error::engine;
use super::objects;
use super::request_files;
use super::rows::{corrupt, page, size_column};
use super::seal::{self, row_seal};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::managed_links::ManagedLinkRecords;
use crate::backend::record::{managed_link_record, parse_managed_link};
use crate::managed_link::one_more_try;
use crate::vault::Vault;
use crate::{
    CloseManagedLink, DeleteObject, EndedPlace, ListManagedLinks, MANAGED_LINKS_MAX, ManagedLink,
    ManagedLinkPage, ManagedLinksOf, PutManagedLink, StoreError, UsedUpLinks,
};

/// The columns of a link, in the order of the parameters of what writes it.
const PUT: &str = "INSERT INTO managed_links
    (fingerprint, account, bucket, within, created_ms, ends_ms, uses, closed, revision, record, seal)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
            row_seal('managed link', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10))";
const CHANGE: &str = "UPDATE managed_links
    SET ends_ms = ?6, uses = ?7, closed = ?8, revision = ?9, record = ?10,
        seal = row_seal('managed link', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    WHERE fingerprint = ?1 AND account = ?2 AND bucket = ?3 AND within = ?4 AND created_ms = ?5
        AND revision = ?9 - 1";
const IS_OLDER: &str =
    "SELECT EXISTS (SELECT 1 FROM managed_links WHERE fingerprint = ?1 AND revision = ?2 - 1)";
const COUNT: &str = "INSERT INTO managed_link_counts (account, links) VALUES (?1, ?2)
    ON CONFLICT (account) DO UPDATE SET links = links + excluded.links";
const COUNTED: &str = "SELECT links FROM managed_link_counts WHERE account = ?1";
const KEEP_USES: &str = "UPDATE link_uses SET ends_at = max(ends_at, ?2) WHERE link = ?1";
const REMOVE: &str = "DELETE FROM managed_links WHERE fingerprint = ?1";
const TRIED: &str = "SELECT tried FROM passphrase_tries WHERE link = ?1";
const NOTE_TRY: &str = "INSERT INTO passphrase_tries (link, tried) VALUES (?1, ?2)
    ON CONFLICT (link) DO UPDATE SET tried = excluded.tried";
const FORGET_FILES: &str = "DELETE FROM request_files WHERE link = ?1";
const FORGET_TOTALS: &str = "DELETE FROM request_totals WHERE link = ?1";
const FORGET_TOLD: &str = "DELETE FROM notices_told WHERE link = ?1";
const FORGET_TRIES: &str = "DELETE FROM passphrase_tries WHERE link = ?1";

/// A statement that reads links, with their seals compared, by what comes after `WHERE`.
macro_rules! select_links {
    ($rest:literal) => {
        concat!(
            "SELECT record, seal = ",
            row_seal!(managed_link),
            " FROM managed_links WHERE ",
            $rest
        )
    };
}

const READ: &str = select_links!("fingerprint = ?1");
const OF_ACCOUNT: &str = select_links!(
    "account = ?1 AND (created_ms, fingerprint) < (?2, ?3)
    ORDER BY created_ms DESC, fingerprint DESC LIMIT ?4"
);
const OF_PLACE: &str = select_links!(
    "account = ?1 AND (created_ms, fingerprint) < (?2, ?3)
    AND bucket = ?5 AND (substr(within, 1, ?7) = ?6 OR
        substr(?6, 1, length(within)) = within AND json_extract(record, '$.purpose.kind') = 'folder')
    ORDER BY created_ms DESC, fingerprint DESC LIMIT ?4"
);
const ENDED: &str = select_links!(
    "closed = 0 AND ends_ms <= ?1 AND (ends_ms, fingerprint) > (?3, ?4)
    ORDER BY ends_ms, fingerprint LIMIT ?2"
);
/// The last of the links that are looked at, and how many these are.
const LOOKED_AT: &str = "SELECT max(fingerprint), count(*) FROM (
    SELECT fingerprint FROM managed_links WHERE closed = 0 AND uses IS NOT NULL AND fingerprint > ?1
    ORDER BY fingerprint LIMIT ?2)";
const USED_UP: &str = select_links!(
    "closed = 0 AND uses IS NOT NULL AND fingerprint > ?1 AND fingerprint <= ?2
    AND uses <= (SELECT taken FROM link_uses WHERE link = managed_links.fingerprint)"
);
const FORGETTABLE: &str = select_links!("closed = 1 AND ends_ms < ?1 ORDER BY ends_ms LIMIT ?2");

const LAST_OF_BUCKET: &str =
    "SELECT max(ends_ms) FROM managed_links WHERE bucket = ?1 AND closed = 0";
const LAST_OF_ACCOUNT: &str =
    "SELECT max(ends_ms) FROM managed_links WHERE account = ?1 AND closed = 0";

/// How many links one page has at most.
const PAGE_MAX: usize = 1000;

impl ManagedLinkRecords for SqliteMetadata {
    async fn put_managed_link(&self, link: ManagedLink) -> Result<PutManagedLink, StoreError> {
        let vault = Arc::clone(&self.vault);
        self.writer.run(DiskRoom::Needed, move |tx| put(tx, &vault, link)).await
    }

    async fn managed_link(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Arc<ManagedLink>>, StoreError> {
        let ticket = match self.caches.managed_links.get(fingerprint) {
            Ok(link) => return Ok(Some(link)),
            Err(ticket) => ticket,
        };
        let link =
            self.readers.point(|connection| read(connection, &self.vault, fingerprint)).await?;
        if let Some(link) = &link {
            self.caches.managed_links.fill(ticket, *fingerprint, Arc::clone(link));
        }
        Ok(link)
    }

    async fn change_managed_link(&self, link: ManagedLink) -> Result<bool, StoreError> {
        // Taking a link back must not wait until somebody makes room.
        let vault = Arc::clone(&self.vault);
        self.writer.run(DiskRoom::Reserve, move |tx| change(tx, &vault, link)).await
    }

    async fn try_passphrase(&self, link: &Fingerprint, now: Timestamp) -> Result<bool, StoreError> {
        let link = *link;
        self.writer.run(DiskRoom::Reserve, move |tx| try_passphrase(tx, &link, now)).await
    }

    async fn managed_links(&self, query: ListManagedLinks) -> Result<ManagedLinkPage, StoreError> {
        let vault = Arc::clone(&self.vault);
        self.readers.list(move |connection| list(connection, &vault, &query)).await
    }

    async fn managed_links_end(&self, of: ManagedLinksOf) -> Result<Option<Timestamp>, StoreError> {
        let (sql, name) = match &of {
            ManagedLinksOf::Bucket(bucket) => (LAST_OF_BUCKET, bucket.as_str()),
            ManagedLinksOf::Account(account) => (LAST_OF_ACCOUNT, account.as_str()),
        };
        let read = |connection: &Connection| {
            let select = connection.prepare_cached(sql);
            let last: Option<i64> = select
                .and_then(|mut select| select.query_row([name], |row| row.get(0)))
                .map_err(engine)?;
            let last = last.map(Timestamp::from_millisecond).transpose();
            last.map_err(|_| corrupt("end of a managed link"))
        };
        self.readers.point(read).await
    }

    async fn ended_managed_links(
        &self,
        now: Timestamp,
        after: Option<EndedPlace>,
        limit: usize,
    ) -> Result<Vec<Arc<ManagedLink>>, StoreError> {
        let (vault, limit) = (Arc::clone(&self.vault), rows_max(limit));
        let after_ms = after.map_or(i64::MIN, |place| place.ended_ms);
        let name = after.map(|place| place.fingerprint.as_bytes().to_vec()).unwrap_or_default();
        self.readers
            .list(move |connection| {
                let row = params![now.as_millisecond(), limit, after_ms, name];
                select(connection, &vault, ENDED, row)
            })
            .await
    }

    async fn used_up_managed_links(
        &self,
        after: Option<Fingerprint>,
        looked_at: usize,
    ) -> Result<UsedUpLinks, StoreError> {
        let (vault, limit) = (Arc::clone(&self.vault), rows_max(looked_at));
        let after = after.map(|after| after.as_bytes().to_vec()).unwrap_or_default();
        self.readers.list(move |connection| used_up(connection, &vault, (&after, limit))).await
    }

    async fn close_managed_link(
        &self,
        link: ManagedLink,
        delete: Option<DeleteObject>,
        now: Timestamp,
    ) -> Result<Option<CloseManagedLink>, StoreError> {
        let vault = Arc::clone(&self.vault);
        let run = move |tx: &mut Transaction<'_>| close(tx, &vault, (link, delete), now);
        self.writer.run(DiskRoom::Reserve, run).await
    }

    async fn forget_managed_links(&self, ended_before: Timestamp) -> Result<usize, StoreError> {
        let vault = Arc::clone(&self.vault);
        self.writer.run(DiskRoom::Reserve, move |tx| forget(tx, &vault, ended_before)).await
    }
}

fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX)
}

fn put(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    link: ManagedLink,
) -> Result<PutManagedLink, StoreError> {
    let account = link.account.as_str();
    let counted = tx.connection.prepare_cached(COUNTED);
    let counted =
        counted.and_then(|mut select| select.query_row([account], |row| row.get(0)).optional());
    let counted: i64 = counted.map_err(engine)?.unwrap_or(0);
    if counted >= size_column(MANAGED_LINKS_MAX) {
        return Ok(PutManagedLink::TooMany);
    }
    write(tx, vault, PUT, &link)?;
    execute(tx.connection, COUNT, params![account, 1])?;
    tx.managed_link_is(link.fingerprint(), Some(Arc::new(link)));
    Ok(PutManagedLink::Recorded)
}

fn change(tx: &mut Transaction<'_>, vault: &Vault, link: ManagedLink) -> Result<bool, StoreError> {
    if write(tx, vault, CHANGE, &link)? == 0 {
        return Ok(false);
    }
    let fingerprint = link.fingerprint();
    let uses = params![fingerprint.as_bytes().as_slice(), link.expires_at.as_second()];
    execute(tx.connection, KEEP_USES, uses)?;
    tx.managed_link_is(fingerprint, Some(Arc::new(link)));
    Ok(true)
}

/// Whatever was sent by half goes before the link is closed, so that a link that is closed has nothing under way.
fn close(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    (link, delete): (ManagedLink, Option<DeleteObject>),
    now: Timestamp,
) -> Result<Option<CloseManagedLink>, StoreError> {
    let fingerprint = link.fingerprint();
    let row = params![fingerprint.as_bytes().as_slice(), size_column(link.revision)];
    let is_older: bool = tx
        .connection
        .prepare_cached(IS_OLDER)
        .and_then(|mut select| select.query_row(row, |row| row.get(0)))
        .map_err(engine)?;
    if !is_older {
        return Ok(Some(CloseManagedLink::Changed));
    }
    if !request_files::give_up_of_link(tx, &fingerprint, now)? {
        return Ok(None);
    }
    if !change(tx, vault, link)? {
        return Ok(Some(CloseManagedLink::Changed));
    }
    let delete = delete.map(|delete| objects::delete(tx, &delete, now)).transpose();
    delete.map(|outcome| Some(CloseManagedLink::Closed(outcome)))
}

fn write(
    tx: &Transaction<'_>,
    vault: &Vault,
    sql: &str,
    link: &ManagedLink,
) -> Result<usize, StoreError> {
    let record = managed_link_record(link, &vault.seal_link_id(link)?)?;
    let fingerprint = link.fingerprint();
    let row = params![
        fingerprint.as_bytes().as_slice(),
        link.account.as_str(),
        link.purpose.bucket().as_str(),
        link.purpose.key_or_prefix().as_bytes(),
        link.created_at.as_millisecond(),
        link.expires_at.as_millisecond(),
        link.conditions.uses.map(|uses| size_column(uses.get())),
        i64::from(link.closed_at.is_some()),
        size_column(link.revision),
        record,
    ];
    execute(tx.connection, sql, row)
}

fn read(
    connection: &Connection,
    vault: &Vault,
    fingerprint: &Fingerprint,
) -> Result<Option<Arc<ManagedLink>>, StoreError> {
    select(connection, vault, READ, params![fingerprint.as_bytes().as_slice()])
        .map(|mut all| all.pop())
}

fn list(
    connection: &Connection,
    vault: &Vault,
    query: &ListManagedLinks,
) -> Result<ManagedLinkPage, StoreError> {
    let ListManagedLinks { account, within, after, limit } = query;
    let limit = (*limit).min(PAGE_MAX);
    let one_more = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let before_ms = after.map_or(i64::MAX, |place| place.created_ms);
    let before = after.map(|place| place.fingerprint.as_bytes().to_vec()).unwrap_or_default();
    let mut row: Vec<Box<dyn ToSql>> = vec![
        Box::new(account.as_str().to_owned()),
        Box::new(before_ms),
        Box::new(before),
        Box::new(one_more),
    ];
    let found = match within {
        None => select(connection, vault, OF_ACCOUNT, params_from_iter(row)),
        Some((bucket, prefix)) => {
            row.push(Box::new(bucket.as_str().to_owned()));
            row.push(Box::new(prefix.as_bytes().to_vec()));
            row.push(Box::new(i64::try_from(prefix.len()).unwrap_or(i64::MAX)));
            select(connection, vault, OF_PLACE, params_from_iter(row))
        }
    };
    let (links, more) = page(found?, limit);
    let next = links.last().filter(|_| more).map(|last| last.place());
    Ok(ManagedLinkPage { links, next })
}

fn forget(
    tx: &mut Transaction<'_>,
    vault: &Vault,
    ended_before: Timestamp,
) -> Result<usize, StoreError> {
    let limit = i64::try_from(JOB_ROWS_MAX).unwrap_or(i64::MAX);
    let row = params![ended_before.as_millisecond(), limit];
    let ended = select(tx.connection, vault, FORGETTABLE, row)?;
    for link in &ended {
        let fingerprint = link.fingerprint();
        let name = fingerprint.as_bytes().as_slice();
        execute(tx.connection, REMOVE, params![name])?;
        execute(tx.connection, FORGET_TRIES, params![name])?;
        execute(tx.connection, FORGET_FILES, params![name])?;
        execute(tx.connection, FORGET_TOTALS, params![name])?;
        execute(tx.connection, FORGET_TOLD, params![name])?;
        execute(tx.connection, COUNT, params![link.account.as_str(), -1])?;
        tx.managed_link_is(fingerprint, None);
    }
    Ok(ended.len())
}

fn used_up(
    connection: &Connection,
    vault: &Vault,
    (after, limit): (&[u8], i64),
) -> Result<UsedUpLinks, StoreError> {
    let (last, count): (Option<Vec<u8>>, i64) = connection
        .prepare_cached(LOOKED_AT)
        .and_then(|mut looked| {
            looked.query_row(params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .map_err(engine)?;
    let Some(last) = last else { return Ok(UsedUpLinks::default()) };
    let links = select(connection, vault, USED_UP, params![after, last])?;
    let last = last.try_into().map(Fingerprint::from_bytes);
    let last = last.map_err(|_| corrupt("fingerprint of a managed link"))?;
    Ok(UsedUpLinks { links, next: Some(last).filter(|_| count == limit) })
}

fn try_passphrase(
    tx: &Transaction<'_>,
    link: &Fingerprint,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let link = link.as_bytes().as_slice();
    let tried: Option<Vec<u8>> = tx
        .connection
        .prepare_cached(TRIED)
        .and_then(|mut select| select.query_row([link], |row| row.get(0)).optional())
        .map_err(engine)?;
    let wrong = || corrupt("tries of a passphrase");
    let (times, []) = tried.as_deref().unwrap_or_default().as_chunks::<8>() else {
        return Err(wrong());
    };
    let time = |bytes: &[u8; 8]| Timestamp::from_millisecond(i64::from_be_bytes(*bytes));
    let tried = times.iter().map(time).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
    let Some(tried) = one_more_try(&tried, now) else { return Ok(false) };
    let tried: Vec<u8> = tried.iter().flat_map(|at| at.as_millisecond().to_be_bytes()).collect();
    execute(tx.connection, NOTE_TRY, params![link, tried])?;
    Ok(true)
}

fn select(
    connection: &Connection,
    vault: &Vault,
    sql: &str,
    row: impl rusqlite::Params,
) -> Result<Vec<Arc<ManagedLink>>, StoreError> {
    let mut select = connection.prepare_cached(sql).map_err(engine)?;
    let mut rows = select.query(row).map_err(engine)?;
    let mut links = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        links.push(Arc::new(decode(row, vault)?));
    }
    Ok(links)
}

fn decode(row: &Row<'_>, vault: &Vault) -> Result<ManagedLink, StoreError> {
    seal::check(row, 1)?;
    let record: Vec<u8> = row.get(0).map_err(engine)?;
    parse_managed_link(&record, |id, account| vault.open_link_id(id, account))
}

fn execute(connection: &Connection, sql: &str, row: &[&dyn ToSql]) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut write| write.execute(row)).map_err(engine)
}
