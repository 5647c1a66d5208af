//! The statements on the database, those of [`upgrade`](crate::upgrade) and of readers aside.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::Error;
use crate::rows::{
    ChannelRow, KeyRow, RecordRow, Run, State, Stats, channel_checksum, key_checksum,
    record_checksum,
};
use crate::schema::{CORRUPT, SCHEMA, error, number, stored};

/// Pages in the write-ahead log at which SQLite moves it into the database.
const WAL_PAGES: u32 = 2000;

/// The database of the one writer.
#[derive(Debug)]
pub(crate) struct Table {
    db: Connection,
}

/// The parts of a record that decide when it is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Old {
    pub(crate) seq: u64,
    pub(crate) time_ms: u64,
    pub(crate) body_bytes: u64,
}

impl Table {
    /// A database that is at work. SQLite refuses pages above `pages_max`.
    pub(crate) fn new(db: Connection, pages_max: u64) -> Result<Self, Error> {
        db.execute_batch(&format!("PRAGMA wal_autocheckpoint = {WAL_PAGES}")).map_err(error)?;
        let table = Self { db };
        table.set_pages_max(pages_max)?;
        Ok(table)
    }

    /// Bounds the database. SQLite refuses pages above `pages_max`, and keeps those that it has.
    pub(crate) fn set_pages_max(&self, pages_max: u64) -> Result<(), Error> {
        // [log:bound-disk]
        let sql = format!("PRAGMA max_page_count = {pages_max}");
        self.db.execute_batch(&sql).map_err(error)
    }

    pub(crate) const fn db(&self) -> &Connection {
        &self.db
    }

    pub(crate) fn begin(&self) -> Result<Transaction<'_>, Error> {
        self.db.unchecked_transaction().map_err(error)
    }

    /// Moves the write-ahead log into the database, and empties it. Returns whether no reader was
    /// in the way.
    pub(crate) fn checkpoint(&self) -> Result<bool, Error> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.db.query_row(sql, [], |row| row.get::<_, bool>(0)).map(|busy| !busy).map_err(error)
    }
}

/// Creates the tables.
pub(crate) fn create(db: &Connection, state: State) -> Result<(), Error> {
    db.execute_batch(&SCHEMA.join(";")).map_err(error)?;
    set_state(db, state)
}

pub(crate) fn state(db: &Connection) -> Result<State, Error> {
    let sql = "SELECT epoch, horizon, checkpoint, tail, checksum FROM state WHERE id = 1";
    let (state, checksum) = db
        .query_row(sql, [], |row| {
            let (horizon, checkpoint) = (number(row, 1)?, number(row, 2)?);
            let state =
                State { epoch: number(row, 0)?, horizon, checkpoint, tail: number(row, 3)? };
            Ok((state, row.get::<_, i32>(4)?))
        })
        .map_err(error)?;
    if state.checksum() == checksum { Ok(state) } else { Err(CORRUPT) }
}

pub(crate) fn set_state(db: &Connection, state: State) -> Result<(), Error> {
    let State { epoch, horizon, checkpoint, tail } = state;
    let [epoch, horizon, checkpoint, tail] = [epoch, horizon, checkpoint, tail].map(stored);
    let row = params![epoch, horizon, checkpoint, tail, state.checksum()];
    let sql = "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?)";
    db.execute(sql, row).map(|_| ()).map_err(error)
}

/// Passes all channels to `each`, in the order of their numbers.
pub(crate) fn channels<E: From<Error>>(
    db: &Connection,
    mut each: impl FnMut(ChannelRow) -> Result<(), E>,
) -> Result<(), E> {
    let sql = format!("SELECT {} FROM channels ORDER BY id", ChannelRow::COLUMNS);
    let mut select = db.prepare(&sql).map_err(error)?;
    let mut rows = select.query([]).map_err(error)?;
    while let Some(row) = rows.next().map_err(error)? {
        each(ChannelRow::read(row).map_err(error)?)?;
    }
    Ok(())
}

/// Passes the records above a position to `each`, in order, until it fails.
pub(crate) fn records<E: From<Error>>(
    db: &Connection,
    after: u64,
    mut each: impl FnMut(RecordRow) -> Result<(), E>,
) -> Result<(), E> {
    let columns = RecordRow::COLUMNS;
    let sql = format!("SELECT {columns} FROM records WHERE seq > ? ORDER BY seq");
    let mut select = db.prepare(&sql).map_err(error)?;
    let mut rows = select.query([stored(after)]).map_err(error)?;
    while let Some(row) = rows.next().map_err(error)? {
        each(RecordRow::read(row).map_err(error)?)?;
    }
    Ok(())
}

/// The newest record.
pub(crate) fn newest(db: &Connection) -> Result<Option<RecordRow>, Error> {
    let sql = format!("SELECT {} FROM records ORDER BY seq DESC LIMIT 1", RecordRow::COLUMNS);
    let newest = db.query_row(&sql, [], RecordRow::read).optional();
    newest.map_err(error)
}

/// Passes all keys to `each`, in the order of their messages.
pub(crate) fn keys<E: From<Error>>(
    db: &Connection,
    mut each: impl FnMut(KeyRow) -> Result<(), E>,
) -> Result<(), E> {
    let sql = format!("SELECT {} FROM keys ORDER BY seq", KeyRow::COLUMNS);
    let mut select = db.prepare(&sql).map_err(error)?;
    let mut rows = select.query([]).map_err(error)?;
    while let Some(row) = rows.next().map_err(error)? {
        each(KeyRow::read(row).map_err(error)?)?;
    }
    Ok(())
}

/// The number of keys of each channel.
pub(crate) fn key_counts(db: &Connection) -> Result<Vec<(u32, u32)>, Error> {
    let sql = "SELECT channel, count(*) FROM keys GROUP BY channel";
    let mut select = db.prepare(sql).map_err(error)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(error)?;
    rows.collect::<Result<_, _>>().map_err(error)
}

/// Some keys that have expired, with their channels.
pub(crate) fn expired_keys(
    db: &Connection,
    now_ms: u64,
    max: u32,
) -> Result<Vec<(u64, u32)>, Error> {
    let sql = "SELECT seq, channel FROM keys WHERE until_ms <= ? ORDER BY until_ms LIMIT ?";
    let mut select = db.prepare(sql).map_err(error)?;
    let row = params![i64::try_from(now_ms).unwrap_or(i64::MAX), max];
    let rows = select.query_map(row, |row| Ok((number(row, 0)?, row.get(1)?))).map_err(error)?;
    rows.collect::<Result<_, _>>().map_err(error)
}

pub(crate) fn delete_keys(db: &Connection, keys: impl Iterator<Item = u64>) -> Result<(), Error> {
    let mut delete = db.prepare("DELETE FROM keys WHERE seq = ?").map_err(error)?;
    for seq in keys {
        delete.execute([stored(seq)]).map_err(error)?;
    }
    Ok(())
}

/// All runs, the oldest first.
///
/// # Errors
/// [`Error::Damaged`] with the position of a run that is not what was written.
pub(crate) fn runs(db: &Connection, epoch: u64) -> Result<Vec<Run>, Error> {
    let mut select =
        db.prepare("SELECT first, tag, checksum FROM runs ORDER BY first").map_err(error)?;
    let rows = select.query_map([], |row| {
        let run = Run { first: number(row, 0)?, tag: row.get(1)? };
        Ok((run, row.get::<_, i32>(2)?))
    });
    let mut runs = Vec::new();
    for row in rows.map_err(error)? {
        let (run, checksum) = row.map_err(error)?;
        if run.checksum(epoch) != checksum {
            return Err(Error::Damaged { seq: run.first });
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Writes a run, and drops those below `oldest`.
pub(crate) fn set_run(db: &Connection, epoch: u64, run: Run, oldest: u64) -> Result<(), Error> {
    let row = params![stored(run.first), run.tag, run.checksum(epoch)];
    db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", row).map_err(error)?;
    db.execute("DELETE FROM runs WHERE first < ?", [stored(oldest)]).map_err(error)?;
    Ok(())
}

/// A record as it is inserted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewRecord<'r> {
    pub(crate) seq: u64,
    pub(crate) channel: u32,
    pub(crate) name: &'r str,
    pub(crate) previous: u64,
    pub(crate) time_ms: u64,
    pub(crate) kind: u8,
    pub(crate) body: &'r [u8],
}

pub(crate) fn insert_records<'r>(
    db: &Connection,
    epoch: u64,
    records: impl Iterator<Item = NewRecord<'r>>,
) -> Result<(), Error> {
    let sql = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)";
    let mut insert = db.prepare(sql).map_err(error)?;
    for it in records {
        let NewRecord { seq, channel, name, previous, time_ms, kind, body } = it;
        let sum = record_checksum(epoch, previous, seq, time_ms, kind, name, body);
        let (previous, seq, time_ms) = (stored(previous), stored(seq), stored(time_ms));
        let row = params![seq, channel, previous, time_ms, kind, body, sum];
        insert.execute(row).map_err(error)?;
    }
    Ok(())
}

/// A key as it is inserted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewKey<'r> {
    pub(crate) seq: u64,
    pub(crate) channel: u32,
    pub(crate) name: &'r str,
    pub(crate) key: &'r str,
    pub(crate) until_ms: u64,
}

pub(crate) fn insert_keys<'r>(
    db: &Connection,
    epoch: u64,
    keys: impl Iterator<Item = NewKey<'r>>,
) -> Result<(), Error> {
    let mut keys = keys.peekable();
    if keys.peek().is_none() {
        return Ok(());
    }
    let mut insert = db.prepare("INSERT INTO keys VALUES (?, ?, ?, ?, ?)").map_err(error)?;
    for NewKey { seq, channel, name, key, until_ms } in keys {
        let sum = key_checksum(epoch, seq, name, key, until_ms);
        let row = params![stored(seq), channel, key.as_bytes(), stored(until_ms), sum];
        insert.execute(row).map_err(error)?;
    }
    Ok(())
}

/// A channel's row as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewChannel<'r> {
    pub(crate) id: u32,
    pub(crate) name: &'r str,
    pub(crate) stats: Stats,
    pub(crate) through: u64,
}

/// Inserts rows for new channels.
pub(crate) fn insert_channels<'r>(
    db: &Connection,
    epoch: u64,
    rows: impl Iterator<Item = NewChannel<'r>>,
) -> Result<(), Error> {
    let sql = "INSERT INTO channels VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    write_channels(db, epoch, sql, rows)
}

/// Writes the rows of channels, but not their floors, which have an index.
pub(crate) fn update_channels<'r>(
    db: &Connection,
    epoch: u64,
    rows: impl Iterator<Item = NewChannel<'r>>,
) -> Result<(), Error> {
    let sql = "UPDATE channels SET last = ?4, ended = ?5, records = ?6, bytes = ?7, first = ?8, \
               first_ms = ?9, through = ?10, checksum = ?11 \
               WHERE id = ?1 AND name = ?2 AND floor = ?3";
    write_channels(db, epoch, sql, rows)
}

/// Writes the rows of channels.
pub(crate) fn rewrite_channels<'r>(
    db: &Connection,
    epoch: u64,
    rows: impl Iterator<Item = NewChannel<'r>>,
) -> Result<(), Error> {
    let sql = "UPDATE channels SET floor = ?3, last = ?4, ended = ?5, records = ?6, bytes = ?7, \
               first = ?8, first_ms = ?9, through = ?10, checksum = ?11 \
               WHERE id = ?1 AND name = ?2";
    write_channels(db, epoch, sql, rows)
}

fn write_channels<'r>(
    db: &Connection,
    epoch: u64,
    sql: &str,
    rows: impl Iterator<Item = NewChannel<'r>>,
) -> Result<(), Error> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut write = db.prepare(sql).map_err(error)?;
    for NewChannel { id, name, stats, through } in rows {
        let sum = channel_checksum(epoch, id, name, stats, through);
        let Stats { floor, last, ended, records, bytes, first, first_ms } = stats;
        let [floor, last, ended, records] = [floor, last, ended, records].map(stored);
        let [bytes, first, first_ms, through] = [bytes, first, first_ms, through].map(stored);
        let name = name.as_bytes();
        let row =
            params![id, name, floor, last, ended, records, bytes, first, first_ms, through, sum];
        if write.execute(row).map_err(error)? != 1 {
            return Err(CORRUPT);
        }
    }
    Ok(())
}

pub(crate) fn delete_channels(db: &Connection, ids: &[u32]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut delete = db.prepare("DELETE FROM channels WHERE id = ?").map_err(error)?;
    for id in ids {
        delete.execute([id]).map_err(error)?;
    }
    Ok(())
}

/// The oldest records of a channel above a position.
pub(crate) fn oldest_of(
    db: &Connection,
    channel: u32,
    after: u64,
    max: usize,
) -> Result<Vec<Old>, Error> {
    let sql = "SELECT seq, time_ms, length(body) FROM records INDEXED BY records_by_channel \
               WHERE channel = ? AND seq > ? ORDER BY seq LIMIT ?";
    let mut select = db.prepare(sql).map_err(error)?;
    let rows = select.query_map(params![channel, stored(after), limit(max)], |row| {
        Ok(Old { seq: number(row, 0)?, time_ms: number(row, 1)?, body_bytes: number(row, 2)? })
    });
    rows.map_err(error)?.collect::<Result<_, _>>().map_err(error)
}

/// Deletes the records of a channel up to its floor.
pub(crate) fn delete_records(db: &Connection, floors: &[(u32, u64)]) -> Result<(), Error> {
    if floors.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM records INDEXED BY records_by_channel WHERE channel = ? AND seq <= ?";
    let mut delete = db.prepare(sql).map_err(error)?;
    for (channel, floor) in floors {
        delete.execute(params![channel, stored(*floor)]).map_err(error)?;
    }
    Ok(())
}

pub(crate) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
