//! The database as a backup sees it: copied at one moment, beside the process that writes it, and read for what bodies
//! its records point at.

use std::path::Path;
use std::time::Duration;

use iam::MasterKeyId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::connection::FORMAT;
use super::error::engine;
use super::rows::corrupt;
use crate::StoreError;
use crate::backend::record::{parse_object, parse_part};
use crate::body::{Blob, Body};

/// How long to wait for a lock that another process holds for moments only.
const BUSY: Duration = Duration::from_secs(5);
const OBJECTS: &str = "SELECT record FROM objects WHERE kind = 0";
const PARTS: &str = "SELECT record FROM parts";
const MASTER_KEY: &str = "SELECT value FROM settings WHERE name = 'master_key_id'";

/// A database that somebody else may be writing.
#[derive(Debug)]
pub(crate) struct DatabaseCopy(Connection);

impl DatabaseCopy {
    /// Opens a database of a format that this version knows.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(engine)?;
        connection.busy_timeout(BUSY).map_err(engine)?;
        // Its log is the business of whoever writes it.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(engine)?;
        let format: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(engine)?;
        if (1..=FORMAT).contains(&format) {
            Ok(Self(connection))
        } else {
            Err(corrupt("format of the database"))
        }
    }

    /// Writes all that is committed now to a new file, which is not synced.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.to_str().ok_or(corrupt("path of the database"))?;
        self.0.execute("VACUUM INTO ?1", [path]).map(drop).map_err(engine)
    }

    /// Whether SQLite finds the file whole.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let found: String =
            self.0.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(engine)?;
        if found == "ok" { Ok(()) } else { Err(corrupt("database")) }
    }

    /// The key that what it holds is sealed with.
    pub(crate) fn master_key_id(&self) -> Result<MasterKeyId, StoreError> {
        let id = self.0.query_row(MASTER_KEY, [], |row| row.get::<_, [u8; 8]>(0)).optional();
        id.map_err(engine)?.map(MasterKeyId::from_bytes).ok_or(corrupt("id of the master key"))
    }

    /// Shows the files that records point at; answers how many objects there are, versions included.
    pub(crate) fn each_file(&self, mut show: impl FnMut(&Blob)) -> Result<u64, StoreError> {
        let mut objects = 0_u64;
        self.each_record(OBJECTS, |record| {
            objects = objects.saturating_add(1);
            match parse_object(record, None)?.body {
                Body::Row(_) => (),
                Body::Files(blobs) => blobs.iter().for_each(&mut show),
            }
            Ok(())
        })?;
        self.each_record(PARTS, |record| {
            show(&parse_part(record)?.0);
            Ok(())
        })?;
        Ok(objects)
    }

    fn each_record(
        &self,
        sql: &str,
        mut show: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut select = self.0.prepare(sql).map_err(engine)?;
        let mut rows = select.query([]).map_err(engine)?;
        while let Some(row) = rows.next().map_err(engine)? {
            let record: Vec<u8> = row.get(0).map_err(engine)?;
            show(&record)?;
        }
        Ok(())
    }
}
