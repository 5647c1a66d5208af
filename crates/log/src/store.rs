//! The log on disk, with blocking calls for one caller.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::ffi::SQLITE_IOERR_WRITE;

use crate::mark::{Mark, MarkFile};
use crate::open::{self, Found, wal_path};
use crate::table::{Old, Table};
use crate::{Error, Limits, Record, Recovered};

/// The most records that one [`Store::expire`] drops, and that one query for the oldest loads.
const CHUNK: u32 = 4096;

/// The log on disk. Its calls block until the disk is done.
///
/// Dropping it closes it, which loses no record that was reported durable.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    limits: Limits,
    table: Table,
    mark: MarkFile,
    /// The contents of the mark file.
    last: Mark,
    /// The highest position that has, or had, a record or was refused.
    head: u64,
    /// The position of the newest record ever written.
    tail: u64,
    floor: u64,
    records: u64,
    bytes: u64,
    /// A cache of the oldest records; it may be empty.
    oldest: VecDeque<Old>,
    broken: bool,
    /// The last field, so that the database is closed before another process can lock it.
    _lock: File,
}

/// The oldest records, which one commit drops.
#[derive(Clone, Copy, Debug, Default)]
struct Drops {
    records: usize,
    bytes: u64,
    through: Option<u64>,
}

impl Store {
    /// Opens the log in a directory, or creates it, and checks everything in it.
    ///
    /// If the log or its mark is damaged, a new epoch begins, and [`Recovered::start`] has the
    /// damage. A new epoch's number is `fresh_epoch` (milliseconds since 1970
    /// are a good choice), or higher if the directory has seen a higher one.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Format`], [`Error::Limits`]; [`Error::Io`], [`Error::Database`]
    /// and [`Error::Full`] if the directory cannot be used now. Its contents stay as they are.
    pub fn open(dir: &Path, limits: Limits, fresh_epoch: u64) -> Result<(Self, Recovered), Error> {
        let Found { lock, table, mark, last, tail, recovered } =
            open::open(dir, &limits, fresh_epoch)?;
        let mut store = Self {
            dir: dir.into(),
            limits,
            table,
            mark,
            last,
            head: recovered.head,
            tail,
            floor: recovered.floor,
            records: recovered.records,
            bytes: recovered.bytes,
            oldest: VecDeque::new(),
            broken: false,
            _lock: lock,
        };
        // The limits may be narrower than before.
        while store.records > limits.records_max || store.bytes > limits.bytes_max {
            let drops = store.drops_for_room(0, 0)?;
            store.write(&[], drops)?;
        }
        let Self { floor, records, bytes, .. } = store;
        Ok((store, Recovered { floor, records, bytes, ..recovered }))
    }

    /// Passes all records to `each`, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`] if they can no longer be read.
    pub fn replay(&self, mut each: impl FnMut(Record)) -> Result<(), Error> {
        self.table.scan(|stored| {
            each(stored.record);
            Ok(())
        })
    }

    /// Appends the records in one commit, and drops the oldest above the limits. When it returns,
    /// they are on disk. Returns the highest position.
    ///
    /// # Errors
    /// If the error [is certain](Error::is_certain), no record was kept, and the positions of the
    /// batch are void ([`Error::Order`]: they were not given out). Otherwise the records may or may
    /// not be in the log, and the store accepts no more. In both cases the positions are not given
    /// out again, also after a restart.
    pub fn append(&mut self, records: &[Record]) -> Result<u64, Error> {
        let Some(newest) = records.last() else { return Ok(self.head) };
        let done = self.try_append(records);
        match done {
            // Nothing was given out.
            Ok(()) | Err(Error::Order { .. }) => {}
            // If the mark cannot be written, the store is broken. The caller gets the first error.
            Err(_) => drop(self.void(newest.seq)),
        }
        // [log:unknown] Nobody knows what a failed sync has left on disk.
        self.broken |= done.is_err_and(|error| !error.is_certain());
        done.map(|()| newest.seq)
    }

    fn try_append(&mut self, records: &[Record]) -> Result<(), Error> {
        let bytes = self.check(records)?;
        self.bound_wal()?;
        let drops = self.drops_for_room(records.len() as u64, bytes)?;
        self.write(records, drops)?;
        self.records += records.len() as u64;
        self.bytes += bytes;
        Ok(())
    }

    /// Drops up to 4096 records that are `age_ms` old, oldest first. Call it until it returns zero.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn expire(&mut self, now_ms: u64) -> Result<u64, Error> {
        let age_ms = self.limits.age_ms;
        // [log:bound-age]
        self.drop_while(|old| old.time_ms.saturating_add(age_ms) <= now_ms)
    }

    /// Drops up to 4096 records up to a position, oldest first. Call it until it returns zero.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn trim(&mut self, through: u64) -> Result<u64, Error> {
        self.drop_while(|old| old.seq <= through)
    }

    /// Marks a position as void: it was given out, will have no record, and is never given out
    /// again, not even after a restart.
    ///
    /// The positions of a refused batch are void without this call.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Full`] if the mark could not be written. The store takes no more
    /// then.
    pub fn void(&mut self, seq: u64) -> Result<(), Error> {
        self.head = self.head.max(seq);
        self.last.void = self.last.void.max(seq);
        let done = self.mark.write(self.last).and_then(|()| self.mark.sync());
        self.broken |= done.is_err();
        done
    }

    /// The limits that it was opened with.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The highest position that has, or had, a record or was refused.
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// The number of records kept, and their bytes.
    pub const fn kept(&self) -> (u64, u64) {
        (self.records, self.bytes)
    }

    /// Whether an earlier failure stops it from taking records.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    fn check(&self, records: &[Record]) -> Result<u64, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let (mut head, mut bytes) = (self.head, 0);
        for record in records {
            // [log:order] SQLite's integers are signed.
            if record.seq <= head || record.seq > i64::MAX.cast_unsigned() {
                return Err(Error::Order { head });
            }
            if record.bytes() > self.limits.record_bytes_max {
                return Err(Error::TooLarge);
            }
            head = record.seq;
            bytes += record.bytes();
        }
        let count = records.len() as u64;
        // [log:bound-batch]
        if count > self.limits.batch_records_max || bytes > self.limits.batch_bytes_max {
            return Err(Error::TooLarge);
        }
        Ok(bytes)
    }

    /// Empties the write-ahead log if it is too long. SQLite does so by itself, but does not report
    /// when it cannot.
    fn bound_wal(&self) -> Result<(), Error> {
        let wal_bytes = fs::metadata(wal_path(&self.dir)).map_or(0, |it| it.len());
        // [log:bound-disk]
        if wal_bytes > self.limits.wal_bytes_max() { self.table.checkpoint() } else { Ok(()) }
    }

    /// The oldest records that have to go so that the new ones fit. [log:bound-kept]
    fn drops_for_room(&mut self, records: u64, bytes: u64) -> Result<Drops, Error> {
        let Limits { records_max, bytes_max, .. } = self.limits;
        let (kept_records, kept_bytes) = (self.records + records, self.bytes + bytes);
        self.drops(|drops, _| {
            kept_records - drops.records as u64 > records_max
                || kept_bytes - drops.bytes > bytes_max
        })
    }

    fn drop_while(&mut self, goes: impl Fn(Old) -> bool) -> Result<u64, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let done = self.try_drop(goes);
        self.broken |= done.is_err_and(|error| !error.is_certain());
        done
    }

    fn try_drop(&mut self, goes: impl Fn(Old) -> bool) -> Result<u64, Error> {
        let drops = self.drops(|drops, old| drops.records < CHUNK as usize && goes(old))?;
        if drops.records > 0 {
            self.bound_wal()?;
            self.write(&[], drops)?;
        }
        Ok(drops.records as u64)
    }

    /// The oldest records, as long as `goes` is true of the next one.
    fn drops(&mut self, goes: impl Fn(Drops, Old) -> bool) -> Result<Drops, Error> {
        let mut drops = Drops::default();
        loop {
            if drops.records == self.oldest.len() {
                let after = self.oldest.back().map_or(self.floor, |old| old.seq);
                self.oldest.extend(self.table.oldest(after, CHUNK)?);
            }
            match self.oldest.get(drops.records) {
                Some(&old) if goes(drops, old) => {
                    drops.records += 1;
                    drops.bytes += old.bytes;
                    drops.through = Some(old.seq);
                }
                Some(_) | None => return Ok(drops),
            }
        }
    }

    /// Commits records and drops, and then writes the mark.
    fn write(&mut self, records: &[Record], drops: Drops) -> Result<(), Error> {
        let epoch = self.last.epoch;
        self.table.write(epoch, self.tail, records, drops.through)?;
        if let Some(newest) = records.last() {
            (self.tail, self.head) = (newest.seq, newest.seq);
            self.last.durable = newest.seq;
            // If this fails, the records are on disk, but a loss of them would go unseen.
            self.mark.write(self.last).map_err(|_| Error::Database(SQLITE_IOERR_WRITE))?;
        }
        self.floor = drops.through.unwrap_or(self.floor);
        self.oldest.drain(..drops.records);
        self.records -= drops.records as u64;
        self.bytes -= drops.bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
