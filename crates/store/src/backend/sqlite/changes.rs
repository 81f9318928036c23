//! The sequence of changes in the database: which bucket, key, account or identities changed last, by number.

use iam::AccountId;
use rusqlite::{Connection, params};

use super::error::engine;
use super::rows::corrupt;
use crate::{BucketName, Change, ChangeSubject, StoreError};

const FORGET_CHANGE: &str = "DELETE FROM changes WHERE kind = ?1 AND subject = ?2";
const RECORD_CHANGE: &str = "INSERT INTO changes (kind, subject) VALUES (?1, ?2)";
const CHANGES: &str =
    "SELECT number, kind, subject FROM changes WHERE number > ?1 ORDER BY number LIMIT ?2";

/// How many changes one page holds at most.
const PAGE_MAX: usize = 10_000;

/// What a change is about, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Bucket,
    AccessKey,
    Identities,
    Account,
    Distributions,
}

impl Subject {
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Bucket => 1,
            Self::AccessKey => 2,
            Self::Identities => 3,
            Self::Account => 4,
            Self::Distributions => 5,
        }
    }
}

/// Gives the subject the next number of the sequence, which it answers, and takes its earlier one away.
pub(super) fn record_change(
    connection: &Connection,
    kind: Subject,
    subject: &str,
) -> Result<u64, StoreError> {
    let write = |sql| -> rusqlite::Result<usize> {
        connection.prepare_cached(sql)?.execute(params![kind.code(), subject])
    };
    write(FORGET_CHANGE).and_then(|_| write(RECORD_CHANGE)).map_err(engine)?;
    u64::try_from(connection.last_insert_rowid()).map_err(|_| corrupt("number of a change"))
}

pub(super) fn since(
    connection: &Connection,
    n: u64,
    limit: usize,
) -> Result<Vec<Change>, StoreError> {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(CHANGES).map_err(engine)?;
    let mut rows = select.query([n, limit]).map_err(engine)?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let number: i64 = row.get(0).map_err(engine)?;
        let kind: i64 = row.get(1).map_err(engine)?;
        let subject: String = row.get(2).map_err(engine)?;
        let subject = if kind == Subject::Bucket.code() {
            let name = BucketName::parse(&subject).map_err(|_| corrupt("name of a bucket"))?;
            ChangeSubject::Bucket(name)
        } else if kind == Subject::AccessKey.code() {
            ChangeSubject::AccessKey(subject)
        } else if kind == Subject::Identities.code() || kind == Subject::Account.code() {
            let id = AccountId::parse(&subject).map_err(|_| corrupt("id of an account"))?;
            if kind == Subject::Account.code() {
                ChangeSubject::Account(id)
            } else {
                ChangeSubject::Identities(id)
            }
        } else if kind == Subject::Distributions.code() {
            ChangeSubject::Distributions
        } else {
            return Err(corrupt("kind of a change"));
        };
        let number = u64::try_from(number).map_err(|_| corrupt("number of a change"))?;
        changes.push(Change { number, subject });
    }
    Ok(changes)
}
