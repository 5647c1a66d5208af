//! The SQLite database: its two tables and all statements.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ffi, params};

use crate::limits::PAGE_BYTES;
use crate::{Error, Record};

/// The schema. It is compared with the file's as text; any difference is damage. Channels and keys
/// are BLOBs, so that no text encoding interferes.
const LOG: &str = "CREATE TABLE log (seq INTEGER PRIMARY KEY, previous INTEGER NOT NULL, \
    time_ms INTEGER NOT NULL, kind INTEGER NOT NULL, channel BLOB NOT NULL, key BLOB, \
    body BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT";
const STATE: &str = "CREATE TABLE state (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, \
    floor INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT";

/// The state of the log as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The log's epoch.
    pub(crate) epoch: u64,
    /// The highest position whose record was dropped.
    pub(crate) floor: u64,
}

impl State {
    fn checksum(self) -> u32 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[8..].copy_from_slice(&self.floor.to_le_bytes());
        crc32fast::hash(&bytes)
    }
}

/// A record as read from the database, not checked yet.
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) previous: u64,
    pub(crate) checksum: u32,
}

/// The parts of a record that decide when it is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Old {
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Table {
    db: Connection,
}

impl Table {
    pub(crate) fn create(path: &Path, state: State, pages_max: u64) -> Result<Self, Error> {
        let mut table = Self::connect(path, pages_max)?;
        let transaction = table.db.transaction().map_err(error)?;
        transaction.execute_batch(&format!("{LOG};{STATE};")).map_err(error)?;
        set_state(&transaction, state)?;
        transaction.commit().map_err(error)?;
        Ok(table)
    }

    /// Opens an existing database.
    ///
    /// # Errors
    /// Also if the file is no such database: see [`damage_code`].
    pub(crate) fn open(path: &Path, pages_max: u64) -> Result<Self, Error> {
        let table = Self::connect(path, pages_max)?;
        table.check_schema()?;
        Ok(table)
    }

    fn connect(path: &Path, pages_max: u64) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let db = Connection::open_with_flags(path, flags).map_err(error)?;
        // FULL: each commit syncs the write-ahead log before it returns. [log:durable]
        // EXCLUSIVE: the index of the write-ahead log is not in shared memory.
        db.execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES};
             PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cell_size_check = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA max_page_count = {pages_max};" // [log:bound-disk]
        ))
        .map_err(error)?;
        let mode: String =
            db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(error)?;
        if mode == "wal" { Ok(Self { db }) } else { Err(Error::Database(ffi::SQLITE_NOTADB)) }
    }

    fn check_schema(&self) -> Result<(), Error> {
        let sql = "SELECT sql FROM sqlite_schema ORDER BY name";
        let mut select = self.db.prepare(sql).map_err(error)?;
        let found = select.query_map([], |row| row.get(0)).map_err(error)?;
        let found: Vec<String> = found.collect::<Result<_, _>>().map_err(error)?;
        match found.is_empty() {
            true => Err(Error::Database(ffi::SQLITE_EMPTY)),
            false if found == [LOG, STATE] => Ok(()),
            false => Err(CORRUPT),
        }
    }

    /// Whether SQLite finds the file's structure sound. A page that is used twice, for example,
    /// would be overwritten later.
    pub(crate) fn is_sound(&self) -> Result<bool, Error> {
        let verdict: String =
            self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(error)?;
        Ok(verdict == "ok")
    }

    pub(crate) fn state(&self) -> Result<State, Error> {
        let sql = "SELECT epoch, floor, checksum FROM state WHERE id = 1";
        let (state, checksum) = self
            .db
            .query_row(sql, [], |row| {
                let state = State { epoch: number(row, 0)?, floor: number(row, 1)? };
                Ok((state, row.get::<_, u32>(2)?))
            })
            .map_err(error)?;
        if state.checksum() == checksum { Ok(state) } else { Err(CORRUPT) }
    }

    /// Writes the same state again, to check that the file can be written.
    pub(crate) fn touch(&self, state: State) -> Result<(), Error> {
        set_state(&self.db, state)
    }

    /// Passes all records to `each` in order, until it fails.
    pub(crate) fn scan<E: From<Error>>(
        &self,
        mut each: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT seq, previous, time_ms, kind, channel, key, body, checksum \
                   FROM log ORDER BY seq";
        let mut select = self.db.prepare(sql).map_err(error)?;
        let mut rows = select.query([]).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            each(stored(row).map_err(error)?)?;
        }
        Ok(())
    }

    /// The oldest records after a position, in order.
    pub(crate) fn oldest(&self, after: u64, count: u32) -> Result<Vec<Old>, Error> {
        let sql = "SELECT seq, time_ms, length(channel) + coalesce(length(key), 0) + length(body) \
                   FROM log WHERE seq > ? ORDER BY seq LIMIT ?";
        let mut select = self.db.prepare(sql).map_err(error)?;
        let rows = select.query_map(params![after.cast_signed(), count], |row| {
            let bytes = number(row, 2)?.saturating_add(Record::OVERHEAD_BYTES);
            Ok(Old { seq: number(row, 0)?, time_ms: number(row, 1)?, bytes })
        });
        rows.map_err(error)?.collect::<Result<_, _>>().map_err(error)
    }

    /// Commits the new records, after `tail`, and deletes the records up to `drop_to`. Returns
    /// after the sync.
    ///
    /// `drop_to` becomes the log's floor. With `None` nothing is deleted, and the floor stays.
    pub(crate) fn write(
        &mut self,
        epoch: u64,
        tail: u64,
        records: &[Record],
        drop_to: Option<u64>,
    ) -> Result<(), Error> {
        let transaction = self.db.transaction().map_err(error)?;
        if let Some(floor) = drop_to {
            let sql = "DELETE FROM log WHERE seq <= ?";
            transaction.execute(sql, [floor.cast_signed()]).map_err(error)?;
            set_state(&transaction, State { epoch, floor })?;
        }
        let sql = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let mut insert = transaction.prepare(sql).map_err(error)?;
        let mut previous = tail;
        for record in records {
            let row = params![
                record.seq.cast_signed(),
                previous.cast_signed(),
                record.time_ms.cast_signed(),
                record.kind,
                record.channel.as_bytes(),
                record.key.as_deref().map(str::as_bytes),
                record.body,
                record.checksum(epoch, previous),
            ];
            insert.execute(row).map_err(error)?;
            previous = record.seq;
        }
        drop(insert);
        transaction.commit().map_err(error)
    }

    /// Moves the write-ahead log into the database, and empties it.
    pub(crate) fn checkpoint(&self) -> Result<(), Error> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: bool = self.db.query_row(sql, [], |row| row.get(0)).map_err(error)?;
        if busy { Err(Error::Locked) } else { Ok(()) }
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.db
    }
}

const CORRUPT: Error = Error::Database(ffi::SQLITE_CORRUPT);

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

fn set_state(db: &Connection, state: State) -> Result<(), Error> {
    let row = params![state.epoch.cast_signed(), state.floor.cast_signed(), state.checksum()];
    let sql = "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?)";
    db.execute(sql, row).map(|_| ()).map_err(error)
}

fn stored(row: &Row<'_>) -> Result<Stored, rusqlite::Error> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|why| rusqlite::Error::Utf8Error(0, why.utf8_error()))
    };
    let record = Record {
        seq: number(row, 0)?,
        time_ms: number(row, 2)?,
        kind: row.get(3)?,
        channel: text(row.get(4)?)?,
        key: row.get::<_, Option<Vec<u8>>>(5)?.map(text).transpose()?,
        body: row.get(6)?,
    };
    Ok(Stored { record, previous: number(row, 1)?, checksum: row.get(7)? })
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn error(error: rusqlite::Error) -> Error {
    match error.sqlite_error() {
        // [log:full]
        Some(why) if why.code == ErrorCode::DiskFull => Error::Full,
        Some(why) if why.code == ErrorCode::DatabaseBusy => Error::Locked,
        Some(why) => Error::Database(why.extended_code),
        // A value of another type than was written.
        None => CORRUPT,
    }
}
