//! A copy of a log that is written meanwhile: the log as it was at one position.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::Inspector;
use crate::Error;
use crate::mark::{Mark, MarkFile, Read};
use crate::open::{DATABASE, UNFINISHED_COPY};
use crate::rows::{ChannelRow, State, Stats};
use crate::schema::{connect, error, number};
use crate::table::{self, NewChannel, NewKey, NewRecord, Table};

/// Rows that one commit writes.
const CHUNK: usize = 4096;

/// Removes what a copy that was cut short has left. Nothing else may be in the directory.
fn clear(dir: &Path) -> Result<(), Error> {
    let mut left = Vec::new();
    for file in fs::read_dir(dir)? {
        let file = file?;
        if !file.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED_COPY)) {
            return Err(Error::NotEmpty);
        }
        left.push(file.path());
    }
    left.iter().try_for_each(fs::remove_file)?;
    Ok(())
}

/// What was copied of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The log's epoch.
    pub epoch: u64,
    /// The newest position that is in the copy.
    pub through: u64,
    /// Its records.
    pub records: u64,
}

/// Records that wait to be written, with their channels' names.
struct Pending {
    rows: Vec<(crate::rows::RecordRow, String)>,
    records: u64,
}

impl Inspector {
    /// Copies the log, as it is now, to a directory that is empty or not there. Each record is
    /// checked on its way. A server may write the log meanwhile; the copy lacks what it drops. A copy that
    /// was cut short is removed, and made anew.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the position of a record that is not what was written;
    /// [`Error::Unsound`] if the end of the log is missing; [`Error::NotEmpty`] if the directory has
    /// files in it.
    // [log:backup]
    pub fn copy_to(&self, dir: &Path, mut progress: impl FnMut(u64)) -> Result<Copied, Error> {
        self.check_tail()?;
        fs::create_dir_all(dir)?;
        clear(dir)?;
        let (epoch, through) = (self.epoch, self.tail()?);
        let unfinished = dir.join(UNFINISHED_COPY);
        let db = connect(&unfinished)?;
        db.execute_batch("PRAGMA synchronous = OFF").map_err(error)?;
        table::create(&db, State { epoch, horizon: 0, checkpoint: 0, tail: 0 })?;
        let mut pending = Pending { rows: Vec::new(), records: 0 };
        self.records(0, through, |row, name| {
            let seq = row.seq;
            let name = name.ok_or(Error::Damaged { seq })?;
            row.check(epoch, name)?;
            pending.rows.push((row, name.to_owned()));
            if pending.rows.len() == CHUNK {
                pending.write(&db, epoch)?;
                progress(pending.records);
            }
            Ok(())
        })?;
        pending.write(&db, epoch)?;
        let horizon = self.finish(&db, through)?;
        let horizon = horizon.min(through);
        table::set_state(&db, State { epoch, horizon, checkpoint: through, tail: through })?;
        // All of it goes to the disk with the last step.
        db.execute_batch("PRAGMA synchronous = FULL").map_err(error)?;
        let table = Table::new(db, u64::from(u32::MAX))?;
        table.checkpoint()?;
        drop(table);
        fs::File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, dir.join(DATABASE))?;
        let time_ms = self.time_ms()?;
        MarkFile::create(dir, Mark { epoch, durable: through, void: 0, time_ms })?;
        Ok(Copied { epoch, through, records: pending.records })
    }

    /// The log's time; zero if the mark cannot be read just now. [log:time]
    fn time_ms(&self) -> Result<u64, Error> {
        Ok(match MarkFile::read(&self.dir)? {
            Read::Is(mark) | Read::Old(mark) | Read::Condemned(mark) => mark.time_ms,
            Read::Absent | Read::Unreadable => 0,
        })
    }

    pub(super) fn tail(&self) -> Result<u64, Error> {
        let newest = "SELECT coalesce(max(seq), 0) FROM records";
        let newest = self.db.query_row(newest, [], |row| number(row, 0)).map_err(error)?;
        Ok(newest.max(table::state(&self.db)?.tail))
    }

    /// Copies channels, keys and runs as they are after the records. Returns the horizon.
    fn finish(&self, copy: &Connection, through: u64) -> Result<u64, Error> {
        let epoch = self.epoch;
        let snapshot = self.db.unchecked_transaction().map_err(error)?;
        let mut rows = Vec::new();
        table::channels(&snapshot, |row| {
            if !row.is_sound(epoch) {
                return Err(Error::Damaged { seq: row.stats.last });
            }
            rows.push(row);
            Ok(())
        })?;
        let horizon = table::state(&snapshot)?.horizon;
        let runs = table::runs(&snapshot, epoch)?;
        drop(snapshot);
        let names: HashMap<u32, String> =
            rows.iter().map(|row| (row.id, row.name.clone())).collect();
        let work = copy.unchecked_transaction().map_err(error)?;
        let floors: Vec<_> =
            rows.iter().map(|row| (row.id, row.stats.floor.min(through))).collect();
        table::delete_records(&work, &floors)?;
        let mut copied = figures(&work, &names)?;
        let new = rows.iter().map(|row| {
            let found = copied.remove(&row.id).unwrap_or_default();
            NewChannel { id: row.id, name: &row.name, stats: stats(row, found, through), through }
        });
        table::insert_channels(&work, epoch, new)?;
        let mut after = 0;
        loop {
            let keys = self.keys(after, through)?;
            let Some(last) = keys.last() else { break };
            after = last.seq;
            let keys = keys.iter().filter_map(|key| {
                let name = names.get(&key.channel)?;
                let (seq, channel, until_ms) = (key.seq, key.channel, key.until_ms);
                let new = NewKey { seq, channel, name, key: &key.key, until_ms };
                key.is_sound(epoch, name).then_some(new)
            });
            table::insert_keys(&work, epoch, keys)?;
        }
        for run in runs.into_iter().filter(|run| run.first <= through + 1) {
            table::set_run(&work, epoch, run, 0)?;
        }
        work.commit().map_err(error)?;
        Ok(horizon)
    }
}

impl Pending {
    fn write(&mut self, db: &Connection, epoch: u64) -> Result<(), Error> {
        let work = db.unchecked_transaction().map_err(error)?;
        let rows = self.rows.iter().map(|(row, name)| NewRecord {
            seq: row.seq,
            channel: row.channel,
            name,
            previous: row.previous,
            time_ms: row.time_ms,
            kind: row.kind,
            body: &row.body,
        });
        table::insert_records(&work, epoch, rows)?;
        work.commit().map_err(error)?;
        self.records += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }
}

/// The figures of the records in a copy, by channel.
fn figures(db: &Connection, names: &HashMap<u32, String>) -> Result<HashMap<u32, Stats>, Error> {
    let mut figures: HashMap<u32, Stats> = HashMap::new();
    let sql = "SELECT seq, channel, time_ms, kind, length(body) FROM records ORDER BY seq";
    let mut select = db.prepare(sql).map_err(error)?;
    let mut rows = select.query([]).map_err(error)?;
    while let Some(row) = rows.next().map_err(error)? {
        let channel: u32 = row.get(1).map_err(error)?;
        let of = |column| number(row, column).map_err(error);
        let name = names.get(&channel).map_or("", String::as_str);
        let kind: u8 = row.get(3).map_err(error)?;
        let bytes = crate::record::kept_bytes(name, of(4)?);
        figures.entry(channel).or_default().add(of(0)?, of(2)?, kind, bytes);
    }
    Ok(figures)
}

/// The row of a channel in a copy that ends at `through`.
pub(super) fn stats(row: &ChannelRow, found: Stats, through: u64) -> Stats {
    let floor = row.stats.floor.min(through);
    let newest = if row.stats.last <= through { row.stats.last } else { floor };
    let ended = if row.stats.ended <= through { row.stats.ended } else { 0 };
    let last = newest.max(found.last);
    Stats { floor, last, ended: ended.max(found.ended), ..found }
}
