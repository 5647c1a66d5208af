//! The database file: its schema, and how a connection is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ffi};

use crate::Error;
use crate::limits::PAGE_BYTES;

/// The schema, in the order of names. It is compared with the file's as text; any difference is
/// damage. Channels and keys are BLOBs, so that no text encoding interferes.
pub(crate) const SCHEMA: [&str; 8] = [
    "CREATE TABLE channels (id INTEGER PRIMARY KEY, name BLOB NOT NULL, floor INTEGER NOT NULL, \
     last INTEGER NOT NULL, ended INTEGER NOT NULL, records INTEGER NOT NULL, \
     bytes INTEGER NOT NULL, first INTEGER NOT NULL, first_ms INTEGER NOT NULL, \
     through INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT",
    "CREATE INDEX channels_by_floor ON channels (floor)",
    "CREATE TABLE keys (seq INTEGER PRIMARY KEY, channel INTEGER NOT NULL, key BLOB NOT NULL, \
     until_ms INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT",
    "CREATE INDEX keys_by_until ON keys (until_ms)",
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, channel INTEGER NOT NULL, \
     previous INTEGER NOT NULL, time_ms INTEGER NOT NULL, kind INTEGER NOT NULL, \
     body BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT",
    "CREATE INDEX records_by_channel ON records (channel)",
    "CREATE TABLE runs (first INTEGER PRIMARY KEY, tag INTEGER NOT NULL, \
     checksum INTEGER NOT NULL) STRICT",
    "CREATE TABLE state (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, \
     horizon INTEGER NOT NULL, checkpoint INTEGER NOT NULL, tail INTEGER NOT NULL, \
     checksum INTEGER NOT NULL) STRICT",
];

/// The schema of format 1.
pub(crate) const OLD_SCHEMA: [&str; 2] = [
    "CREATE TABLE log (seq INTEGER PRIMARY KEY, previous INTEGER NOT NULL, \
     time_ms INTEGER NOT NULL, kind INTEGER NOT NULL, channel BLOB NOT NULL, key BLOB, \
     body BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT",
    "CREATE TABLE state (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, \
     floor INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT",
];

/// How long the one writer waits for a reader that opens or recovers the file. Commits wait for no
/// reader.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the database for the one writer, and creates the file if there is none.
pub(crate) fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let db = Connection::open_with_flags(path, flags).map_err(error)?;
    db.busy_timeout(PATIENCE).map_err(error)?;
    // FULL: each commit syncs the write-ahead log before it returns. [log:durable]
    // NORMAL: readers, also of other processes, read while this connection writes.
    db.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES};
         PRAGMA locking_mode = NORMAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;"
    ))
    .map_err(error)?;
    let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(error)?;
    if mode == "wal" { Ok(db) } else { Err(Error::Database(ffi::SQLITE_NOTADB)) }
}

/// Opens the database to read it, beside a writer in this or another process.
pub(crate) fn connect_to_read(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let db = Connection::open_with_flags(path, flags).map_err(error)?;
    db.busy_timeout(PATIENCE).map_err(error)?;
    let pragmas = "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;";
    db.execute_batch(pragmas).map_err(error)?;
    Ok(db)
}

/// Which format a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Old,
    Present,
}

/// The format of the file.
///
/// # Errors
/// [`CORRUPT`], or `SQLITE_EMPTY` if it has no table.
pub(crate) fn format(db: &Connection) -> Result<Format, Error> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name";
    let mut select = db.prepare(sql).map_err(error)?;
    let found = select.query_map([], |row| row.get(0)).map_err(error)?;
    let found: Vec<String> = found.collect::<Result<_, _>>().map_err(error)?;
    match found.is_empty() {
        true => Err(Error::Database(ffi::SQLITE_EMPTY)),
        false if found == SCHEMA => Ok(Format::Present),
        false if found == OLD_SCHEMA => Ok(Format::Old),
        false => Err(CORRUPT),
    }
}

pub(crate) const CORRUPT: Error = Error::Database(ffi::SQLITE_CORRUPT);

/// The SQLite code, if the error means that the file is damaged. `None` if the file cannot be
/// accessed: then the files must stay as they are.
pub(crate) fn damage_code(error: Error) -> Option<i32> {
    let Error::Database(code) = error else { return None };
    let damaged = match code & 0xff {
        ffi::SQLITE_IOERR => {
            [ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS].contains(&code)
        }
        // Write permission was checked before, so a damaged header makes the file read-only.
        ffi::SQLITE_READONLY => true,
        ffi::SQLITE_CORRUPT
        | ffi::SQLITE_NOTADB
        | ffi::SQLITE_EMPTY
        | ffi::SQLITE_ERROR
        | ffi::SQLITE_FORMAT
        | ffi::SQLITE_SCHEMA
        | ffi::SQLITE_TOOBIG
        | ffi::SQLITE_MISMATCH
        | ffi::SQLITE_CONSTRAINT => true,
        _ => false,
    };
    damaged.then_some(code)
}

/// The text of a BLOB.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, rusqlite::Error> {
    String::from_utf8(bytes).map_err(|why| rusqlite::Error::Utf8Error(0, why.utf8_error()))
}

pub(crate) fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// A number as SQLite has it. [`u64::MAX`] and other large ones come back as they went.
pub(crate) const fn stored(number: u64) -> i64 {
    number.cast_signed()
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
pub(crate) fn error(error: rusqlite::Error) -> Error {
    match error.sqlite_error() {
        // [log:full]
        Some(why) if why.code == ErrorCode::DiskFull => Error::Full,
        // [log:full] A write that failed leaves a commit without its last frame, which is no commit. The next one
        // overwrites its frames. A sync that failed is another matter: the system may have dropped pages, and would
        // report the next sync of them as done. [log:unknown]
        Some(why) if why.extended_code == ffi::SQLITE_IOERR_WRITE => Error::WriteRefused,
        Some(why) if why.code == ErrorCode::DatabaseBusy => Error::Locked,
        Some(why) => Error::Database(why.extended_code),
        // A value of another type than was written.
        None => CORRUPT,
    }
}
