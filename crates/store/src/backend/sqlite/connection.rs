//! Opens the database: its format, its settings, a writing connection and bounded pools of readers.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iam::{MasterKeyId, RecordSealer};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::sync::Semaphore;

use super::error::{engine, has_no_index};
use super::seal;
use crate::backend::embedded::data_dir;
use crate::lock::lock;
use crate::vault::Vault;
use crate::{EngineError, OpenError, StoreError};

/// The format that this version writes. It brings a store of an older one up to it.
pub(super) const FORMAT: i64 = 8;
/// "VALT", so that `file` and `sqlite3` know whose database it is.
const APPLICATION_ID: i64 = 0x5641_4c54;

/// The tables of format 1.
const SCHEMA: &str = include_str!("schema.sql");
/// What brings each format to the next one, the first format first.
const STEPS: &[&str] = &[
    include_str!("format_2.sql"),
    include_str!("format_3.sql"),
    include_str!("format_4.sql"),
    include_str!("format_5.sql"),
    include_str!("format_6.sql"),
    include_str!("format_7.sql"),
    include_str!("format_8.sql"),
];
/// The first format whose rows are sealed.
const SEALED_SINCE: i64 = 4;

/// How many point reads run at once. They take microseconds and are answered where they are asked.
const POINT_READERS: usize = 4;
/// How many listings run at once, each on a thread that may block.
const LIST_READERS: usize = 4;
/// How long a statement waits for a lock that only another program can hold, such as a backup.
const BUSY: Duration = Duration::from_secs(5);
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const READER_CACHE_KIB: i64 = 2 * 1024;
const STATEMENTS_MAX: usize = 128;

/// Opens the database for writing, and makes its tables when it is new.
pub(super) fn open_writer(path: &Path, vault: &Vault) -> Result<(Connection, Index), OpenError> {
    let failed = |error| OpenError::Engine(EngineError(Arc::new(error)));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // SQLite would make it readable by all; its log and index get the same mode.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::Io { operation: "open", path: path.to_owned(), source })?;
    let shared = connect(path, flags, WRITER_CACHE_KIB, Index::Shared).and_then(begin_log);
    let (mut connection, index) = match shared {
        Ok(connection) => (connection, Index::Shared),
        Err(error) if has_no_index(&error) => {
            tracing::warn!(%error, "no room for the index of the database's log: it is kept in memory");
            let alone = connect(path, flags, WRITER_CACHE_KIB, Index::Memory).and_then(begin_log);
            (alone.map_err(failed)?, Index::Memory)
        }
        Err(error) => return Err(failed(error)),
    };
    seal::provide(&connection, vault.records()).map_err(failed)?;
    prepare(path, &mut connection, vault)?;
    Ok((connection, index))
}

/// Where the index of the log is, which every process that reads must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// In a file, so that a backup can read beside the server.
    Shared,
    /// In memory: the disk was too full at the start to make the file. Nobody else can read then.
    Memory,
}

impl Index {
    fn vfs(self) -> &'static str {
        match self {
            Self::Shared => "unix",
            Self::Memory => "unix-excl",
        }
    }
}

fn begin_log(connection: Connection) -> rusqlite::Result<Connection> {
    // A commit is one append to the log and one fsync. Checkpoints are explicit, so that their result
    // is seen; pages are read by copying, since one that is mapped and cannot be read is a signal and
    // not an error.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA secure_delete = FAST; PRAGMA foreign_keys = OFF; PRAGMA mmap_size = 0;
             SELECT count(*) FROM sqlite_schema;",
    )?;
    Ok(connection)
}

/// Makes the tables, or checks that they are of this format and this master key.
fn prepare(path: &Path, connection: &mut Connection, vault: &Vault) -> Result<(), OpenError> {
    let master = vault.master_key_id();
    let failed = |error| OpenError::Engine(EngineError(Arc::new(error)));
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if (found, tables) == (0, 0) {
        let data_dir = data_dir::parent(path);
        if data_dir::had_database(data_dir)? {
            return Err(OpenError::DatabaseLost { path: path.to_owned() });
        }
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(SCHEMA).map_err(failed)?;
        STEPS.iter().try_for_each(|step| transaction.execute_batch(step)).map_err(failed)?;
        transaction.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO settings (name, value) VALUES ('master_key_id', ?1)",
                [master.as_bytes().as_slice()],
            )
            .map_err(failed)?;
        return transaction.commit().map_err(failed);
    }
    if !(1..=FORMAT).contains(&found) {
        return Err(OpenError::UnknownFormat { found, supported: FORMAT });
    }
    let stored: Option<[u8; 8]> = connection
        .query_row("SELECT value FROM settings WHERE name = 'master_key_id'", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    match stored.map(MasterKeyId::from_bytes) {
        Some(expected) if expected == master => upgrade(connection, found, vault),
        Some(expected) => Err(OpenError::MasterKeyForeign { expected, given: master }),
        None => Err(OpenError::UnknownFormat { found, supported: FORMAT }),
    }
}

/// Brings a store of an older format up to this one, wholly or not at all.
fn upgrade(connection: &mut Connection, found: i64, vault: &Vault) -> Result<(), OpenError> {
    let failed = |error| OpenError::Engine(EngineError(Arc::new(error)));
    let done = usize::try_from(found).unwrap_or(STEPS.len()).saturating_sub(1);
    if done >= STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(failed)?;
    let mut steps = STEPS.iter().skip(done);
    steps.try_for_each(|step| transaction.execute_batch(step)).map_err(failed)?;
    if found < SEALED_SINCE {
        seal::seal_all(&transaction, vault).map_err(|source| OpenError::Upgrade {
            found,
            format: FORMAT,
            source,
        })?;
    }
    transaction.pragma_update(None, "user_version", FORMAT).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn connect(
    path: &Path,
    flags: OpenFlags,
    cache_kib: i64,
    index: Index,
) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags_and_vfs(path, flags, index.vfs())?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Who can write to the database could plant a view that says one thing to the seal and another to the reader, or
    // a trigger that writes beside what is about to be sealed.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // FULL: a commit syncs the log, a checkpoint the log and the database.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Negative: in KiB and not in pages.
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

/// The readers, in two pools so that listings never hold up point reads.
#[derive(Debug)]
pub(super) struct Readers {
    point: Pool,
    list: Arc<Pool>,
}

impl Readers {
    pub(super) fn open(
        path: &Path,
        index: Index,
        sealer: &RecordSealer,
    ) -> Result<Self, OpenError> {
        let pool = |size| {
            let (path, permits) = (path.to_owned(), Arc::new(Semaphore::new(size)));
            Pool { path, index, permits, idle: Mutex::default(), sealer: sealer.clone() }
        };
        let readers = Self { point: pool(POINT_READERS), list: Arc::new(pool(LIST_READERS)) };
        let first = readers.point.take().map_err(OpenError::Sweep)?;
        readers.point.give_back(first);
        Ok(readers)
    }

    /// Runs a read of a few pages, here and now.
    pub(super) async fn point<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _permit = self.point.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let connection = self.point.take()?;
        let answer = read(&connection);
        self.point.give_back(connection);
        answer
    }

    /// Runs a longer read on a thread that may block.
    pub(super) async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let list = Arc::clone(&self.list);
        let permit = Arc::clone(&list.permits).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Closed)?;
        let work = move || {
            let connection = list.take()?;
            let answer = read(&connection);
            list.give_back(connection);
            drop(permit);
            answer
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) fn close(&self) {
        self.point.permits.close();
        self.list.permits.close();
    }
}

/// Connections that only read, opened when they are first needed.
#[derive(Debug)]
struct Pool {
    path: PathBuf,
    index: Index,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    sealer: RecordSealer,
}

impl Pool {
    /// A connection. Whoever takes one holds a permit, so there are never more than the pool's size.
    fn take(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = lock(&self.idle).pop() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            connect(&self.path, flags, READER_CACHE_KIB, self.index).map_err(engine)?;
        seal::provide(&connection, &self.sealer).map_err(engine)?;
        connection.pragma_update(None, "query_only", true).map_err(engine)?;
        Ok(connection)
    }

    /// One whose snapshot could not be ended would show the same moment for ever, and goes.
    fn give_back(&self, connection: Connection) {
        if connection.is_autocommit() {
            lock(&self.idle).push(connection);
        }
    }
}
