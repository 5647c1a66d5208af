//! The log on disk, with blocking calls for one caller.

mod import;
mod read;
mod rules;
mod save;
mod stage;
mod trim;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::ffi;

pub use self::read::{Channel, Key};
use self::stage::Stage;
use self::trim::DROPS_MAX;
use crate::book::{SharedBook, Totals};
use crate::mark::{Mark, MarkFile};
use crate::open::{self, Found, Opening, Purpose, wal_path};
use crate::queue::Queue;
use crate::rows::{Run, State};
use crate::schema::error;
use crate::table::{self, NewKey, NewRecord, Table};
use crate::{Error, Limits, Policy, Record, Recovered, SpaceUse};

/// The most channels that one commit without records forgets.
const FORGOTTEN_MAX: usize = 1024;

/// The most runs that are remembered.
const RUNS_MAX: usize = 4096;

/// What a log is opened with.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The bounds of the whole log.
    pub limits: Limits,
    /// What each namespace keeps.
    pub policy: Policy,
    /// The number of a new epoch, if one begins: a random number. If the directory has that epoch already,
    /// the new one has the next number. A number that may come again, as that of a clock may after the clock was
    /// set back, gives a restored directory positions that clients already have.
    pub fresh_epoch: u64,
    /// The tag of the [`Run`] that begins: a random number.
    pub tag: u32,
}

impl Options {
    /// The default limits and rules.
    pub fn new(fresh_epoch: u64, tag: u32) -> Self {
        Self { fresh_epoch, tag, ..Self::default() }
    }
}

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
    state: State,
    book: SharedBook,
    /// What a writer, and those who configure it, share with its thread.
    queue: Arc<Queue>,
    /// Channels by the first record that their rows do not count.
    unsaved: BTreeMap<u64, u32>,
    runs: Vec<Run>,
    /// Whether the last run is not in the database yet. The first commit writes it.
    is_run_new: bool,
    broken: bool,
    /// What broke it first.
    failure: Option<Error>,
    /// The last field, so that the database is closed before another process can lock it.
    _lock: File,
}

impl Store {
    /// Opens the log in a directory, or creates it. A directory of format 1 is upgraded.
    ///
    /// It checks what it needs to go on: the state, the channels, the newest records and the mark.
    /// Every other record is checked when it is read. If one of those or the mark is damaged, a new
    /// epoch begins, and [`Recovered::start`] has the damage.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Format`], [`Error::Limits`]; [`Error::Io`], [`Error::Database`]
    /// and [`Error::Full`] if the directory cannot be used now. Its contents stay as they are.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, Recovered), Error> {
        Self::open_for(Purpose::Serve, dir, options)
    }

    /// Opens a log that is there, for maintenance. A damaged one stays as it is.
    ///
    /// # Errors
    /// As for [`open`](Self::open); [`Error::Unsound`] if it is damaged, [`Error::Io`] if there is none.
    pub fn open_existing(dir: &Path, options: &Options) -> Result<(Self, Recovered), Error> {
        Self::open_for(Purpose::Maintain, dir, options)
    }

    pub(crate) fn open_for(
        purpose: Purpose,
        dir: &Path,
        options: &Options,
    ) -> Result<(Self, Recovered), Error> {
        let Options { limits, policy, fresh_epoch, tag } = options;
        let (limits, fresh_epoch) = (*limits, *fresh_epoch);
        let Found { lock, table, mark, last, loaded, recovered } =
            open::open(&Opening { dir, limits, policy, fresh_epoch, purpose })?;
        let mut runs = loaded.runs;
        runs.push(Run { first: recovered.head + 1, tag: *tag });
        runs.drain(..runs.len().saturating_sub(RUNS_MAX));
        let store = Self {
            dir: dir.into(),
            limits,
            table,
            mark,
            last,
            head: recovered.head,
            tail: loaded.tail,
            state: loaded.state,
            book: SharedBook::new(loaded.book),
            queue: Arc::default(),
            unsaved: loaded.unsaved,
            runs,
            is_run_new: true,
            broken: false,
            failure: None,
            _lock: lock,
        };
        Ok((store, recovered))
    }

    /// Appends the records in one commit, and drops what their channels do not keep. When it
    /// returns, they are on disk. Returns the highest position.
    ///
    /// # Errors
    /// [`Error::Full`] also if a namespace has no room; [`Error::WriteRefused`]. If the error [is
    /// certain](Error::is_certain), no record was kept, and the positions of the batch are void
    /// ([`Error::Order`]: they were not given out). Otherwise the records may or may not be in the
    /// log, and the store accepts no more. In both cases the positions are not given out again,
    /// also after a restart.
    pub fn append(&mut self, records: &[Record]) -> Result<u64, Error> {
        let mut reserved = 0;
        let has_room = records.iter().all(|record| {
            let mut book = self.book.lock();
            let body_bytes = record.body.len() as u64;
            let room = book.room(&record.channel, body_bytes, record.key.is_some());
            if room.is_ok() {
                book.reserve(record);
                reserved += 1;
            }
            room.is_ok()
        });
        if has_room {
            return self.append_reserved(records);
        }
        self.book.lock().release(&records[..reserved]);
        let newest = records.last().map_or(self.head, |record| record.seq);
        let done = self.check(records).and(Err(Error::Full));
        self.settle_failure(done, newest).map(|()| newest)
    }

    /// Appends records that have taken their room in the book.
    pub(crate) fn append_reserved(&mut self, records: &[Record]) -> Result<u64, Error> {
        let Some(newest) = records.last() else { return Ok(self.head) };
        let done = self.try_append(records);
        // If only the mark could not be written, they are committed and wait no longer.
        if done.is_err() && self.tail < newest.seq {
            self.book.lock().release(records);
        }
        self.settle_failure(done, newest.seq).map(|()| newest.seq)
    }

    /// Voids the positions of a commit that has failed.
    fn settle_failure(&mut self, done: Result<(), Error>, newest: u64) -> Result<(), Error> {
        match done {
            // Nothing was given out.
            Ok(()) | Err(Error::Order { .. }) => {}
            // If the mark cannot be written, the store is broken. The caller gets the first error.
            Err(_) => drop(self.void(newest)),
        }
        self.note(done);
        done
    }

    /// Notes a failure that leaves the disk unknown or shows that it is damaged.
    fn note(&mut self, done: Result<(), Error>) {
        let Err(error) = done else { return };
        // [log:unknown] Nobody knows what a failed sync has left on disk.
        if !error.is_certain() {
            self.broken = true;
            self.failure.get_or_insert(error);
        }
        self.condemn_if_damaged(error);
    }

    /// Has the next opening begin a new epoch, if the error shows that the log is damaged.
    pub(super) fn condemn_if_damaged(&self, error: Error) {
        let is_damaged = match error {
            Error::Damaged { .. } => true,
            Error::Database(code) => {
                [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB].contains(&(code & 0xff))
            }
            _ => false,
        };
        // [log:damage] If this fails, the next opening may find it again, or the one after.
        if is_damaged {
            let _ = self.mark.condemn(self.last);
        }
    }

    fn try_append(&mut self, records: &[Record]) -> Result<(), Error> {
        self.check(records)?;
        self.bound_wal()?;
        let mut stage = Stage::default();
        stage.add(&mut self.book.lock(), records);
        let done = self.commit(records, stage, |store, db, stage| {
            store.trim_grown(db, stage)?;
            store.trim_full(db, stage, u64::MAX)
        });
        done.map(|_| ())
    }

    /// Drops up to some thousand records and keys that have expired, records that their rules do not
    /// keep, and the oldest of namespaces that are trimmed and have more than their share. If there are too many channels, some idle ones are forgotten. Call it until it
    /// returns zero.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn expire(&mut self, now_ms: u64) -> Result<u64, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.keep_time(now_ms);
        let done = self.try_expire(now_ms);
        self.note(done.map(|_| ()));
        done
    }

    /// Keeps the time, so that a log without new records ages, too.
    fn keep_time(&mut self, now_ms: u64) {
        if now_ms > self.last.time_ms {
            // [log:time] If it cannot be written now, the next call or record writes it.
            self.last.time_ms = now_ms;
            let _ = self.mark.write(self.last);
        }
    }

    fn try_expire(&mut self, now_ms: u64) -> Result<u64, Error> {
        // A channel that does not follow the new rules yet might lose what they keep. [log:rules]
        while self.sweep() {}
        // [log:keys]
        let max = u32::try_from(DROPS_MAX).unwrap_or(u32::MAX);
        let keys = table::expired_keys(self.table.db(), now_ms, max)?;
        let has_work = {
            let book = self.book.lock();
            let is_full = || book.slots().into_iter().any(|slot| book.excess(slot) > 0);
            !book.to_trim(now_ms, 1).is_empty() || !book.to_forget(1).is_empty() || is_full()
        };
        if keys.is_empty() && !has_work {
            return Ok(0);
        }
        self.bound_wal()?;
        let stage = Stage { keys, ..Stage::default() };
        let mut dropped = stage.keys.len() as u64;
        let forgotten = self.commit(&[], stage, |store, db, stage| {
            store.trim_old(db, stage, now_ms)?;
            store.trim_full(db, stage, DROPS_MAX)?;
            dropped += stage.dropped;
            Ok(())
        })?;
        Ok(dropped + forgotten as u64)
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

    /// Gives the room of dropped records back to the file system. It writes the whole database anew,
    /// and needs as much room again meanwhile.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Database`].
    pub fn compact(&mut self) -> Result<(), Error> {
        self.db().execute_batch("VACUUM").map_err(error)?;
        self.table.checkpoint().map(|_| ())
    }

    /// The limits that it was opened with, with the totals of the last change of the rules.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The log's epoch.
    pub const fn epoch(&self) -> u64 {
        self.last.epoch
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The highest position that has, or had, a record or was refused.
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// The runs that are remembered, the oldest first. The last one is this store's own.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The figures of the whole log.
    pub fn totals(&self) -> Totals {
        self.book.lock().totals()
    }

    /// The use of each namespace: first of all that have no rule of their own, then in the policy's
    /// order.
    pub fn uses(&self) -> Vec<SpaceUse> {
        self.book.lock().uses()
    }

    /// Whether an earlier failure stops it from taking records.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// What broke the store first, if it is known.
    pub(crate) fn failure(&self) -> Error {
        self.failure.unwrap_or(Error::Broken)
    }

    pub(crate) const fn shared_book(&self) -> &SharedBook {
        &self.book
    }

    /// The greatest time that the log was told.
    pub(crate) const fn time_ms(&self) -> u64 {
        self.last.time_ms
    }

    pub(crate) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(crate) const fn db(&self) -> &Connection {
        self.table.db()
    }

    fn check(&self, records: &[Record]) -> Result<(), Error> {
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
        Ok(())
    }

    /// Empties the write-ahead log if it is too long. SQLite does so by itself, but not while a
    /// reader is at work, and readers work in short steps.
    fn bound_wal(&self) -> Result<(), Error> {
        let wal_bytes = fs::metadata(wal_path(&self.dir)).map_or(0, |it| it.len());
        // [log:bound-disk]
        if wal_bytes > self.limits.wal_bytes_max() {
            self.table.checkpoint()?;
        }
        Ok(())
    }

    /// Commits records, what `drops` drops, and the rows of channels that are due. Then writes the
    /// mark, and enters all in the book. Returns how many channels were forgotten.
    fn commit(
        &mut self,
        records: &[Record],
        mut stage: Stage,
        drops: impl FnOnce(&Self, &Connection, &mut Stage) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let epoch = self.last.epoch;
        let tail = records.last().map_or(self.tail, |record| record.seq);
        let db = self.table.begin()?;
        let placed = records.iter().zip(&stage.places);
        table::insert_records(
            &db,
            epoch,
            placed.clone().map(|(record, place)| NewRecord {
                seq: record.seq,
                channel: place.channel,
                name: &record.channel,
                previous: place.previous,
                time_ms: record.time_ms,
                kind: record.kind,
                body: &record.body,
            }),
        )?;
        let keys = placed.filter_map(|(record, place)| {
            let (seq, channel, name) = (record.seq, place.channel, record.channel.as_str());
            let until_ms = place.until_ms;
            record.key.as_deref().map(|key| NewKey { seq, channel, name, key, until_ms })
        });
        table::insert_keys(&db, epoch, keys)?;
        table::delete_keys(&db, stage.keys.iter().map(|(seq, _)| *seq))?;
        drops(self, &db, &mut stage)?;
        self.delete(&db, &mut stage)?;
        let state = self.save(&db, &mut stage, records.len(), tail)?;
        // [log:runs]
        if self.is_run_new && !records.is_empty() {
            let run = *self.runs.last().expect("each store has its run");
            table::set_run(&db, epoch, run, self.runs[0].first)?;
        }
        db.commit().map_err(error)?;
        self.is_run_new &= records.is_empty();
        (self.state, self.tail) = (state, tail);
        let forgotten = stage.forgotten.len();
        self.enter(records, stage);
        self.write_mark(records).map(|()| forgotten)
    }

    /// Deletes the records up to the floors of their channels, and idle channels.
    fn delete(&self, db: &Connection, stage: &mut Stage) -> Result<(), Error> {
        let floors = stage.channels.iter();
        let floors = floors.filter(|(_, touched)| touched.stats.floor != touched.old_floor);
        let mut floors: Vec<_> = floors.map(|(id, touched)| (*id, touched.stats.floor)).collect();
        floors.sort_unstable();
        table::delete_records(db, &floors)?;
        let book = self.book.lock();
        stage.forgotten = book.to_forget(stage.places.len().max(FORGOTTEN_MAX));
        stage.forgotten.retain(|id| !stage.channels.contains_key(id));
        let last =
            stage.forgotten.iter().filter_map(|id| Some(book.channel(*id)?.figures.stats.last));
        stage.horizon = last.max().unwrap_or(0);
        drop(book);
        table::delete_channels(db, &stage.forgotten)
    }

    /// Writes the mark after a commit.
    fn write_mark(&mut self, records: &[Record]) -> Result<(), Error> {
        let Some(newest) = records.last() else { return Ok(()) };
        self.head = newest.seq;
        self.last.durable = newest.seq;
        let times = records.iter().map(|record| record.time_ms);
        self.last.time_ms = times.fold(self.last.time_ms, u64::max);
        // If this fails, the records are on disk, but a loss of them would go unseen.
        self.mark.write(self.last).map_err(|why| match why {
            Error::Full => Error::Io(std::io::ErrorKind::StorageFull),
            why => why,
        })
    }
}

#[cfg(test)]
mod tests;
