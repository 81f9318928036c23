//! The resources of distributions in the database.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteMetadata;
use super::changes::{Subject, record_change};
use super::error::engine;
use super::rows::{account, corrupt};
use super::seal::{self, row_seal};
use super::transaction::Transaction;
use super::writer::DiskRoom;
use crate::backend::metadata::distributions::{DistributionRecords, DistributionWrites};
use crate::backend::record::{distribution_record, parse_distribution};
use crate::{DistributionResource, ResourceKind, StoreError};

const ALL: &str = concat!(
    "SELECT id, account, kind, record, seal = ",
    row_seal!(distribution_resource),
    " FROM distribution_resources"
);
const NUMBER: &str = "SELECT number FROM changes WHERE kind = ?1";
const PUT: &str = "INSERT OR REPLACE INTO distribution_resources (id, account, kind, record, seal)
    VALUES (?1, ?2, ?3, ?4, row_seal('distribution resource', ?1, ?2, ?3, ?4))";
const REMOVE: &str = "DELETE FROM distribution_resources WHERE id = ?1";

impl DistributionRecords for SqliteMetadata {
    async fn distribution_resources(&self) -> Result<(u64, Vec<DistributionResource>), StoreError> {
        self.readers
            .list(|connection| {
                // One moment: a change between the two reads would be taken for seen.
                let snapshot = connection.unchecked_transaction().map_err(engine)?;
                let read = (number(&snapshot)?, all(&snapshot)?);
                snapshot.finish().map_err(engine)?;
                Ok(read)
            })
            .await
    }

    async fn write_distribution_resources(
        &self,
        seen: u64,
        writes: DistributionWrites,
    ) -> Result<Option<u64>, StoreError> {
        self.writer.run(DiskRoom::Needed, move |tx| write(tx, seen, writes)).await
    }
}

fn number(connection: &Connection) -> Result<u64, StoreError> {
    let found: Option<i64> = connection
        .prepare_cached(NUMBER)
        .and_then(|mut select| {
            select.query_row([Subject::Distributions.code()], |row| row.get(0)).optional()
        })
        .map_err(engine)?;
    u64::try_from(found.unwrap_or(0)).map_err(|_| corrupt("number of a change"))
}

fn all(connection: &Connection) -> Result<Vec<DistributionResource>, StoreError> {
    let mut select = connection.prepare_cached(ALL).map_err(engine)?;
    let mut rows = select.query([]).map_err(engine)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        seal::check(row, 4)?;
        let kind: String = row.get(2).map_err(engine)?;
        let kind = ResourceKind::of_name(&kind);
        let kind = kind.ok_or(corrupt("kind of a resource of distributions"))?;
        let record: Vec<u8> = row.get(3).map_err(engine)?;
        let id: String = row.get(0).map_err(engine)?;
        found.push(parse_distribution(&record, (id, account(row, 1)?, kind))?);
    }
    Ok(found)
}

fn write(
    tx: &Transaction<'_>,
    seen: u64,
    writes: DistributionWrites,
) -> Result<Option<u64>, StoreError> {
    if number(tx.connection)? != seen {
        return Ok(None);
    }
    for (id, resource) in writes {
        if let Some(resource) = resource {
            put(tx.connection, &resource)?;
        } else {
            let remove = tx.connection.prepare_cached(REMOVE);
            remove.and_then(|mut remove| remove.execute([id])).map_err(engine)?;
        }
    }
    record_change(tx.connection, Subject::Distributions, "").map(Some)
}

fn put(connection: &Connection, resource: &Arc<DistributionResource>) -> Result<(), StoreError> {
    let record = distribution_record(resource)?;
    let row = params![resource.id, resource.account.as_str(), resource.kind.name(), record];
    let put = connection.prepare_cached(PUT);
    put.and_then(|mut put| put.execute(row)).map(drop).map_err(engine)
}
