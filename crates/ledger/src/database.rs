//! Opens the ledger's file: its format, its settings, and connections that write or read.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::LedgerError;

/// The format that this version writes and reads.
const FORMAT: i64 = 1;
/// "VLED", so that `file` and `sqlite3` know what it is.
const APPLICATION_ID: i64 = 0x564c_4544;
/// The tables of format 1.
pub(crate) const SCHEMA: &str = include_str!("schema.sql");
/// How long a statement waits for a lock that only another program can hold.
const BUSY: Duration = Duration::from_secs(1);
/// A block of uses is up to some 7 KiB, so it fits into a page; two chunks of an index do.
const PAGE_BYTES: i64 = 8192;
/// Pages that the log has at most before they are moved to the database: 16 MiB.
const CHECKPOINT_PAGES: i64 = 2048;
const WRITER_CACHE_KIB: i64 = 8 * 1024;
const READER_CACHE_KIB: i64 = 2 * 1024;
const STATEMENTS_MAX: usize = 64;

/// Opens the file for writing, and makes its tables when it is new.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, LedgerError> {
    // SQLite would make it readable by all; its log and index get the same mode.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| LedgerError::Create { path: path.to_owned(), source })?;
    let mut connection = connect(path, WRITER_CACHE_KIB)?;
    // To be said before there is a table. Pages that are not needed any more can be given back.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // A commit is not synced, and a checkpoint is: a power cut loses the last seconds, and breaks nothing.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    prepare(&mut connection)?;
    Ok(connection)
}

/// Opens the file, which is there, for reading.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, LedgerError> {
    let connection = connect(path, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path, cache_kib: i64) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // Negative: in KiB and not in pages.
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

/// Makes the tables, or checks that they are of this format.
fn prepare(connection: &mut Connection) -> Result<(), LedgerError> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let (application, found) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if (tables, application, found) == (0, 0, 0) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
        return Ok(());
    }
    match (application, found) {
        (APPLICATION_ID, FORMAT) => Ok(()),
        (APPLICATION_ID, found) => Err(LedgerError::UnknownFormat { found, supported: FORMAT }),
        _ => Err(LedgerError::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ledger_of_this_format_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let check = |name: &str, statements: &str, expected: Option<&str>| {
            let path = directory.path().join(name);
            Connection::open(&path).unwrap().execute_batch(statements).unwrap();
            let found = open_writer(&path).err().map(|error| error.to_string());
            assert_eq!(found.as_deref(), expected, "{name}");
        };
        check("new", "", None);
        check("new", "", None);
        let newer = "the ledger has format 2, and this version knows format 1";
        check("new", "PRAGMA user_version = 2", Some(newer));
        check(
            "store",
            "PRAGMA application_id = 5; CREATE TABLE a (b)",
            Some("the database is not a ledger"),
        );
        check("other", "CREATE TABLE a (b)", Some("the database is not a ledger"));
        std::fs::write(directory.path().join("text"), "no database at all".repeat(100)).unwrap();
        assert!(open_writer(&directory.path().join("text")).is_err());
    }
}
