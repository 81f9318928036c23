//! Uploads of files that are sent to requests: what becomes of an upload becomes of its file, in the same transaction. So no
//! file is done without its object, and none gives its room back while its parts are kept. Other uploads have no row here.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::backend::sqlite::error::engine;
use crate::backend::sqlite::request_totals;
use crate::{StoreError, UploadId};

const FINISH: &str =
    "UPDATE request_files SET done = 1 WHERE upload = ?1 AND done = 0 RETURNING link";
const TOUCH: &str = "UPDATE request_files SET touched_ms = ?2 WHERE upload = ?1 AND done = 0";
const GIVE_UP: &str =
    "DELETE FROM request_files WHERE upload = ?1 AND done = 0 RETURNING link, size";

/// The upload has become an object: its file is done.
pub(super) fn finish(connection: &Connection, upload: UploadId) -> Result<(), StoreError> {
    let link: Option<Vec<u8>> = connection
        .prepare_cached(FINISH)
        .and_then(|mut finish| finish.query_row([upload.as_bytes()], |row| row.get(0)).optional())
        .map_err(engine)?;
    link.map_or(Ok(()), |link| request_totals::finish(connection, &link))
}

/// A part of the upload has come: whoever sends its file goes on with it.
pub(super) fn touch(
    connection: &Connection,
    upload: UploadId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = params![upload.as_bytes(), now.as_millisecond()];
    let touch = connection.prepare_cached(TOUCH).and_then(|mut touch| touch.execute(row));
    touch.map(|_| ()).map_err(engine)
}

/// The upload was aborted: the room of its file is given back.
pub(super) fn give_up(connection: &Connection, upload: UploadId) -> Result<(), StoreError> {
    let file: Option<(Vec<u8>, i64)> = connection
        .prepare_cached(GIVE_UP)
        .and_then(|mut give_up| {
            let row = [upload.as_bytes()];
            give_up.query_row(row, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(engine)?;
    file.map_or(Ok(()), |(link, bytes)| request_totals::remove(connection, &link, bytes))
}
