//! Revocations in the database.

use iam::AccountId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::SqliteMetadata;
use super::error::engine;
use super::rows::{corrupt, page, size_column};
use super::seal::{self, row_seal};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::JOB_ROWS_MAX;
use crate::backend::metadata::revocations::RevocationRecords;
use crate::backend::record::{parse_revocation, revocation_record};
use crate::revocation::{Life, RevokedKinds, Subject};
use crate::{
    ListRevocations, OWN_REVOCATIONS_MAX, REVOCATIONS_MAX, REVOKED_PREFIXES_MAX,
    RecordedRevocation, Revocation, RevocationPage, RevocationScope, Revoke, RevokedLinks,
    StoreError,
};

const ADD: &str = "INSERT INTO revocations
    (account, signer, subject, kind, signed_until, lives_until, record, seal)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, row_seal('revocation', ?1, ?2, ?3, ?4, ?5, ?6, ?7))";
const COUNTS: &str = "SELECT links, access_keys, objects, prefixes
    FROM revocation_counts WHERE account = ?1 AND signer = ?2";
const ALL_COUNTS: &str = "SELECT links, access_keys, objects, prefixes, account, signer
    FROM revocation_counts WHERE signer != ?1";
const COUNT: &str = "INSERT INTO revocation_counts
    (account, signer, links, access_keys, objects, prefixes)
    VALUES (?1, ?2, ?4 * (?3 = 0), ?4 * (?3 = 1), ?4 * (?3 = 2), ?4 * (?3 = 3))
    ON CONFLICT (account, signer) DO UPDATE SET links = links + excluded.links,
    access_keys = access_keys + excluded.access_keys, objects = objects + excluded.objects,
    prefixes = prefixes + excluded.prefixes";
const FORGET_COUNT: &str = "DELETE FROM revocation_counts
    WHERE account = ?1 AND signer = ?2 AND links + access_keys + objects + prefixes <= 0";
const UPDATE: &str = "UPDATE revocations SET signed_until = ?5, lives_until = ?6, record = ?7,
    seal = row_seal('revocation', ?1, ?2, ?3, ?4, ?5, ?6, ?7) WHERE number = ?8";
const OF_SUBJECT: &str = concat!(
    "SELECT number, record, seal = ",
    row_seal!(revocation),
    " FROM revocations WHERE subject = ?1"
);
const BY_NUMBER: &str = concat!(
    "SELECT number, record, seal = ",
    row_seal!(revocation),
    " FROM revocations WHERE number = ?1 AND account = ?2"
);
const OF_ACCOUNT: &str = concat!(
    "SELECT number, record, seal = ",
    row_seal!(revocation),
    " FROM revocations WHERE account = ?1 AND number > ?2 ORDER BY number LIMIT ?3"
);
const OF_SIGNER: &str = concat!(
    "SELECT number, record, seal = ",
    row_seal!(revocation),
    " FROM revocations WHERE account = ?1 AND number > ?2 AND signer = ?4 ORDER BY number LIMIT ?3"
);
const PREFIXES: &str = concat!(
    "SELECT number, record, seal = ",
    row_seal!(revocation),
    " FROM revocations WHERE kind = 3"
);
const SUBJECTS: &str = "SELECT number, subject, signed_until, lives_until FROM revocations
    WHERE number > ?1 AND kind != 3 ORDER BY number LIMIT ?2";
const REMOVE: &str = "DELETE FROM revocations WHERE number = ?1 RETURNING account, signer, kind";
const ENDED: &str = "SELECT number FROM revocations WHERE lives_until < ?1 LIMIT ?2";

/// Stands for all identities of an account together, in counts. No identity has that id.
const ALL_SIGNERS: &str = "*";
/// How many revocations one page has at most.
const PAGE_MAX: usize = 1000;
/// How many subjects are read at once.
const SUBJECTS_A_TIME: i64 = 20_000;

impl RevocationRecords for SqliteMetadata {
    async fn revoke(&self, revocation: Revocation) -> Result<Revoke, StoreError> {
        // Taking a link back must not wait until somebody makes room.
        self.writer.run(DiskRoom::Reserve, move |tx| add(tx, revocation)).await
    }

    async fn revocations_of(&self, subjects: Vec<Subject>) -> Result<Vec<Revocation>, StoreError> {
        self.readers.point(|connection| of_subjects(connection, &subjects)).await
    }

    async fn revocations(&self, query: ListRevocations) -> Result<RevocationPage, StoreError> {
        self.readers.list(move |connection| list(connection, &query)).await
    }

    async fn revocation(
        &self,
        account: &AccountId,
        number: u64,
    ) -> Result<Option<RecordedRevocation>, StoreError> {
        self.readers.point(|connection| by_number(connection, account, number)).await
    }

    async fn undo_revocation(&self, account: &AccountId, number: u64) -> Result<bool, StoreError> {
        let account = account.clone();
        self.writer
            .run(DiskRoom::Reserve, move |tx| {
                if by_number(tx.connection, &account, number)?.is_none() {
                    return Ok(false);
                }
                remove(tx, number)?;
                Ok(true)
            })
            .await
    }

    async fn revoked_subjects(&self, after: u64) -> Result<Vec<(u64, Subject, Life)>, StoreError> {
        self.readers.list(move |connection| subjects(connection, after)).await
    }

    async fn revoked_scopes(&self) -> Result<Vec<(RevocationScope, RevokedKinds)>, StoreError> {
        self.readers.list(all_scopes).await
    }

    async fn revoked_kinds(&self, scope: &RevocationScope) -> Result<RevokedKinds, StoreError> {
        let RevocationScope { account, signer } = scope;
        let signer = signer.as_deref().unwrap_or_default();
        let of_scope = |connection: &Connection| counts(connection, account.as_str(), signer);
        Ok(self.readers.point(of_scope).await?.kinds())
    }

    async fn revoked_prefixes(&self) -> Result<Vec<Revocation>, StoreError> {
        self.readers
            .list(|connection| {
                let mut select = connection.prepare_cached(PREFIXES).map_err(engine)?;
                let mut rows = select.query([]).map_err(engine)?;
                let mut all = Vec::new();
                while let Some(row) = rows.next().map_err(engine)? {
                    all.push(decode(row)?.revocation);
                }
                Ok(all)
            })
            .await
    }

    async fn forget_revocations(&self, ended_before: Timestamp) -> Result<usize, StoreError> {
        self.writer.run(DiskRoom::Reserve, move |tx| forget(tx, ended_before)).await
    }
}

fn add(tx: &mut Transaction<'_>, revocation: Revocation) -> Result<Revoke, StoreError> {
    let subject = revocation.subject();
    // The same links once more: one record, for as long as both ask for.
    let known = recorded_of(tx.connection, subject)?;
    let merged =
        known.iter().find_map(|known| Some((known.number, known.revocation.merged(&revocation)?)));
    if let Some((number, revocation)) = merged {
        write_row(tx.connection, UPDATE, &revocation, Some(number))?;
        return Ok(Revoke::Recorded(RecordedRevocation { number, revocation }));
    }
    if !has_room(tx.connection, &revocation)? {
        return Ok(Revoke::TooMany);
    }
    write_row(tx.connection, ADD, &revocation, None)?;
    let number = tx.connection.last_insert_rowid();
    let RevocationScope { account, signer } = &revocation.scope;
    count(tx.connection, (account.as_str(), signer.as_deref()), kind(&revocation.links), 1)?;
    let number = u64::try_from(number).map_err(|_| corrupt("number of a revocation"))?;
    Ok(Revoke::Recorded(RecordedRevocation { number, revocation }))
}

fn kind(links: &RevokedLinks) -> i64 {
    match links {
        RevokedLinks::Link { .. } => 0,
        RevokedLinks::AccessKey(_) => 1,
        RevokedLinks::Object(_, _) => 2,
        RevokedLinks::Prefix(_, _) => 3,
    }
}

fn write_row(
    connection: &Connection,
    sql: &str,
    revocation: &Revocation,
    number: Option<u64>,
) -> Result<(), StoreError> {
    let record = revocation_record(revocation)?;
    let subject = revocation.subject();
    let (signed_until, lives_until) =
        (revocation.signed_until.as_second(), revocation.lives_until.as_second());
    let account = revocation.scope.account.as_str();
    let (signer, kind) = (&revocation.scope.signer, kind(&revocation.links));
    let subject = subject.as_bytes().as_slice();
    match number.map(size_column) {
        Some(number) => write(
            connection,
            sql,
            params![account, signer, subject, kind, signed_until, lives_until, record, number],
        ),
        None => write(
            connection,
            sql,
            params![account, signer, subject, kind, signed_until, lives_until, record],
        ),
    }
    .map(drop)
}

/// Whether one more may be recorded.
fn has_room(connection: &Connection, revocation: &Revocation) -> Result<bool, StoreError> {
    let RevocationScope { account, signer } = &revocation.scope;
    let account = account.as_str();
    let is_prefix = matches!(revocation.links, RevokedLinks::Prefix(_, _));
    let Some(signer) = signer else {
        let counts = counts(connection, account, "")?;
        return Ok(counts.all() < REVOCATIONS_MAX
            && (!is_prefix || counts.prefixes < REVOKED_PREFIXES_MAX));
    };
    let (of_all, of_one) = OWN_REVOCATIONS_MAX;
    let own = counts(connection, account, signer)?.all();
    Ok(own < of_one && counts(connection, account, ALL_SIGNERS)?.all() < of_all)
}

/// How many revocations of each kind there are.
#[derive(Default)]
struct Counts {
    links: u64,
    access_keys: u64,
    objects: u64,
    prefixes: u64,
}

impl Counts {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let count = |column: usize| {
            let count: i64 = row.get(column).map_err(engine)?;
            u64::try_from(count).map_err(|_| corrupt("count of revocations"))
        };
        Ok(Self {
            links: count(0)?,
            access_keys: count(1)?,
            objects: count(2)?,
            prefixes: count(3)?,
        })
    }

    fn all(&self) -> u64 {
        let Self { links, access_keys, objects, prefixes } = self;
        [*access_keys, *objects, *prefixes].into_iter().fold(*links, u64::saturating_add)
    }

    fn kinds(&self) -> RevokedKinds {
        RevokedKinds {
            links: self.links > 0,
            access_keys: self.access_keys > 0,
            objects: self.objects > 0,
        }
    }
}

fn counts(connection: &Connection, account: &str, signer: &str) -> Result<Counts, StoreError> {
    let mut select = connection.prepare_cached(COUNTS).map_err(engine)?;
    let mut rows = select.query([account, signer]).map_err(engine)?;
    rows.next().map_err(engine)?.map_or_else(|| Ok(Counts::default()), Counts::read)
}

fn all_scopes(connection: &Connection) -> Result<Vec<(RevocationScope, RevokedKinds)>, StoreError> {
    let mut select = connection.prepare_cached(ALL_COUNTS).map_err(engine)?;
    let mut rows = select.query([ALL_SIGNERS]).map_err(engine)?;
    let mut scopes = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let account: String = row.get(4).map_err(engine)?;
        let account = AccountId::parse(&account).map_err(|_| corrupt("account of a revocation"))?;
        let signer: String = row.get(5).map_err(engine)?;
        let signer = Some(signer).filter(|signer| !signer.is_empty());
        scopes.push((RevocationScope { account, signer }, Counts::read(row)?.kinds()));
    }
    Ok(scopes)
}

/// Counts so many more of a kind.
fn count(
    connection: &Connection,
    (account, signer): (&str, Option<&str>),
    kind: i64,
    more: i64,
) -> Result<(), StoreError> {
    let counted = signer.map_or(vec![""], |signer| vec![signer, ALL_SIGNERS]);
    counted.into_iter().try_for_each(|signer| {
        write(connection, COUNT, params![account, signer, kind, more])?;
        if more < 0 {
            write(connection, FORGET_COUNT, params![account, signer])?;
        }
        Ok(())
    })
}

fn remove(tx: &Transaction<'_>, number: u64) -> Result<(), StoreError> {
    let read = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(2)?))
    };
    let removed = tx
        .connection
        .prepare_cached(REMOVE)
        .and_then(|mut remove| remove.query_row([size_column(number)], read).optional());
    match removed.map_err(engine)? {
        Some((account, signer, kind)) => {
            count(tx.connection, (&account, signer.as_deref()), kind, -1)
        }
        None => Ok(()),
    }
}

fn forget(tx: &mut Transaction<'_>, ended_before: Timestamp) -> Result<usize, StoreError> {
    let limit = i64::try_from(JOB_ROWS_MAX).unwrap_or(i64::MAX);
    let mut select = tx.connection.prepare_cached(ENDED).map_err(engine)?;
    let numbers = select.query_map([ended_before.as_second(), limit], |row| row.get::<_, i64>(0));
    let numbers =
        numbers.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(engine)?;
    for number in &numbers {
        remove(tx, u64::try_from(*number).map_err(|_| corrupt("number of a revocation"))?)?;
    }
    Ok(numbers.len())
}

fn of_subjects(
    connection: &Connection,
    subjects: &[Subject],
) -> Result<Vec<Revocation>, StoreError> {
    let mut found = Vec::new();
    for subject in subjects {
        let recorded = recorded_of(connection, *subject)?;
        found.extend(recorded.into_iter().map(|one| one.revocation));
    }
    Ok(found)
}

fn recorded_of(
    connection: &Connection,
    subject: Subject,
) -> Result<Vec<RecordedRevocation>, StoreError> {
    let mut select = connection.prepare_cached(OF_SUBJECT).map_err(engine)?;
    let mut rows = select.query([subject.as_bytes().as_slice()]).map_err(engine)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        found.push(decode(row)?);
    }
    Ok(found)
}

fn by_number(
    connection: &Connection,
    account: &AccountId,
    number: u64,
) -> Result<Option<RecordedRevocation>, StoreError> {
    let row = params![size_column(number), account.as_str()];
    let select = connection.prepare_cached(BY_NUMBER);
    let found =
        select.and_then(|mut select| select.query_row(row, |row| Ok(decode(row))).optional());
    found.map_err(engine)?.transpose()
}

fn list(connection: &Connection, query: &ListRevocations) -> Result<RevocationPage, StoreError> {
    let ListRevocations { account, signer, after, limit } = query;
    let limit = (*limit).min(PAGE_MAX);
    let wanted = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let (account, after) = (account.as_str(), size_column(*after));
    let sql = if signer.is_some() { OF_SIGNER } else { OF_ACCOUNT };
    let mut select = connection.prepare_cached(sql).map_err(engine)?;
    let mut rows = match signer {
        Some(signer) => select.query(params![account, after, wanted, signer]),
        None => select.query(params![account, after, wanted]),
    }
    .map_err(engine)?;
    let mut revocations = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        revocations.push(decode(row)?);
    }
    let (revocations, more) = page(revocations, limit);
    let next = revocations.last().filter(|_| more).map(|last| last.number);
    Ok(RevocationPage { revocations, next })
}

fn subjects(connection: &Connection, after: u64) -> Result<Vec<(u64, Subject, Life)>, StoreError> {
    let mut select = connection.prepare_cached(SUBJECTS).map_err(engine)?;
    let mut rows = select.query([size_column(after), SUBJECTS_A_TIME]).map_err(engine)?;
    let time = |row: &Row<'_>, column| {
        let seconds = row.get(column).map_err(engine)?;
        Timestamp::from_second(seconds).map_err(|_| corrupt("time"))
    };
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let subject = row.get(1).map_err(|_| corrupt("subject of a revocation"))?;
        let life = Life::new(time(row, 2)?, time(row, 3)?);
        all.push((number(row)?, Subject::from_bytes(subject), life));
    }
    Ok(all)
}

fn number(row: &Row<'_>) -> Result<u64, StoreError> {
    let number: i64 = row.get(0).map_err(engine)?;
    u64::try_from(number).map_err(|_| corrupt("number of a revocation"))
}

fn decode(row: &Row<'_>) -> Result<RecordedRevocation, StoreError> {
    seal::check(row, 2)?;
    let record: Vec<u8> = row.get(1).map_err(engine)?;
    Ok(RecordedRevocation { number: number(row)?, revocation: parse_revocation(&record)? })
}

fn write(
    connection: &Connection,
    sql: &str,
    row: &[&dyn rusqlite::ToSql],
) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut write| write.execute(row)).map_err(engine)
}
