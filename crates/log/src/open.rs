//! Opening a directory: who has it, what is in it, whether it is what was written.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi::SQLITE_EMPTY;
use rustix::fs::{FlockOperation, flock};

use crate::mark::{Mark, MarkFile, Read};
use crate::table::{State, Stored, Table, damage_code};
use crate::{Damage, Error, Limits};

const LOCK: &str = "lock";
const DATABASE: &str = "log.sqlite";

/// What was found in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The log's life: that of before, or a new one.
    pub epoch: u64,
    /// The highest place that was ever given out in this life: new ones are above.
    pub head: u64,
    /// The highest place whose record was dropped, or zero: nothing at or below it is left.
    pub floor: u64,
    /// How many records there are.
    pub records: u64,
    /// Bytes in them, counted as [`Record::bytes`](crate::Record::bytes).
    pub bytes: u64,
    /// Whether it goes on.
    pub start: Start,
}

/// How a log's life begins or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// There was no log.
    Fresh,
    /// The same life, with every record that was reported durable and not trimmed.
    Resumed,
    /// A new life: something of the old one was lost. What was found is set aside.
    Damaged(Damage),
}

/// What a store starts from.
pub(crate) struct Found {
    pub(crate) lock: File,
    pub(crate) table: Table,
    pub(crate) mark: MarkFile,
    pub(crate) last: Mark,
    /// The place of the newest record that ever was: the chain goes on from here.
    pub(crate) tail: u64,
    pub(crate) recovered: Recovered,
}

/// A sound log's sums.
struct Sums {
    state: State,
    tail: u64,
    records: u64,
    bytes: u64,
}

/// Why what is there is not taken.
enum Trouble {
    Damage(Damage),
    Error(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        damage_code(error).map_or(Self::Error(error), |code| Self::Damage(Damage::Unreadable(code)))
    }
}

pub(crate) fn open(dir: &Path, limits: &Limits, fresh_epoch: u64) -> Result<Found, Error> {
    limits.check()?;
    fs::create_dir_all(dir)?;
    let lock = lock(dir)?;
    let read = MarkFile::read(dir)?;
    let database = dir.join(DATABASE);
    let start = match (length(&database)?, read) {
        (None, Read::Absent) => Start::Fresh,
        (None, Read::Unreadable | Read::Is(_)) => Start::Damaged(Damage::Missing),
        (Some(_), Read::Unreadable) => Start::Damaged(Damage::Mark),
        // Nothing is reported durable before there is a mark, so nothing is lost with this one.
        (Some(0), Read::Absent) => Start::Fresh,
        (Some(_), Read::Absent) => match examine(&database, limits) {
            Ok((_, Sums { tail: 0, .. }))
            | Err(Trouble::Damage(Damage::Unreadable(SQLITE_EMPTY))) => Start::Fresh,
            Ok(_) | Err(Trouble::Damage(_)) => Start::Damaged(Damage::Mark),
            Err(Trouble::Error(error)) => return Err(error),
        },
        (Some(_), Read::Is(mark)) => match examine(&database, limits)
            .and_then(|(table, sums)| compare(&table, &sums, mark).map(|()| (table, sums)))
        {
            Ok((table, sums)) => return resume(dir, lock, table, &sums, mark),
            // [log:damage]
            Err(Trouble::Damage(damage)) => Start::Damaged(damage),
            Err(Trouble::Error(error)) => return Err(error),
        },
    };
    begin(dir, lock, limits, fresh_epoch, start)
}

/// One process a directory. The kernel takes the lock back when the process is gone.
fn lock(dir: &Path) -> Result<File, Error> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(LOCK))?;
    // [log:lock]
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

/// Reads everything: what is handed on is what was written.
fn examine(database: &Path, limits: &Limits) -> Result<(Table, Sums), Trouble> {
    // What cannot be written to is not damaged, but nor is it of use.
    OpenOptions::new().read(true).write(true).open(database).map_err(Error::from)?;
    let table = Table::open(database, limits.pages_max())?;
    if !table.is_sound()? {
        return Err(Trouble::Damage(Damage::Structure));
    }
    let state = table.state()?;
    let mut sums = Sums { state, tail: state.floor, records: 0, bytes: 0 };
    table.scan(|stored| sums.add(&stored))?;
    Ok((table, sums))
}

impl Sums {
    fn add(&mut self, stored: &Stored) -> Result<(), Trouble> {
        let Stored { record, previous, checksum } = stored;
        let seq = record.seq;
        // [log:checked]
        if record.checksum(self.state.epoch, *previous) != *checksum {
            return Err(Trouble::Damage(Damage::Checksum { seq }));
        }
        if *previous != self.tail {
            return Err(Trouble::Damage(Damage::Hole { seq }));
        }
        self.tail = seq;
        self.records += 1;
        self.bytes += record.bytes();
        Ok(())
    }
}

fn compare(table: &Table, sums: &Sums, mark: Mark) -> Result<(), Trouble> {
    if sums.state.epoch != mark.epoch {
        return Err(Trouble::Damage(Damage::Mark));
    }
    // [log:tail]
    if sums.tail < mark.durable {
        let damage = Damage::Tail { found: sums.tail, durable: mark.durable };
        return Err(Trouble::Damage(damage));
    }
    // A field in the file may say that it is read-only. A full disk says nothing about the file.
    match table.touch(sums.state) {
        Ok(()) | Err(Error::Full) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The same life goes on.
fn resume(dir: &Path, lock: File, table: Table, sums: &Sums, last: Mark) -> Result<Found, Error> {
    // What was committed and not yet reported counts from here on.
    let last = Mark { durable: sums.tail, ..last };
    let mark = MarkFile::open(dir)?;
    mark.write(last)?;
    mark.sync()?;
    let recovered = Recovered {
        epoch: sums.state.epoch,
        // [log:head]
        head: sums.tail.max(last.void),
        floor: sums.state.floor,
        records: sums.records,
        bytes: sums.bytes,
        start: Start::Resumed,
    };
    Ok(Found { lock, table, mark, last, tail: sums.tail, recovered })
}

/// A life begins. The mark comes last, so that who is stopped in between finds no log, or that of
/// another life than the mark's.
fn begin(
    dir: &Path,
    lock: File,
    limits: &Limits,
    fresh_epoch: u64,
    start: Start,
) -> Result<Found, Error> {
    let database = dir.join(DATABASE);
    let epoch = fresh_epoch.max(highest_epoch(dir, limits).saturating_add(1));
    set_aside(&database, start)?;
    let table = Table::create(&database, State { epoch, floor: 0 }, limits.pages_max())?;
    sync_directory(dir)?;
    let last = Mark { epoch, durable: 0, void: 0 };
    let mark = MarkFile::create(dir, last)?;
    let recovered = Recovered { epoch, head: 0, floor: 0, records: 0, bytes: 0, start };
    Ok(Found { lock, table, mark, last, tail: 0, recovered })
}

/// The highest life that anything in the directory still speaks of. [log:new-epoch]
fn highest_epoch(dir: &Path, limits: &Limits) -> u64 {
    let mark = match MarkFile::read(dir) {
        Ok(Read::Is(mark)) => mark.epoch,
        Ok(Read::Absent | Read::Unreadable) | Err(_) => 0,
    };
    let database = dir.join(DATABASE);
    if !database.exists() {
        return mark;
    }
    let state = Table::open(&database, limits.pages_max()).and_then(|table| table.state());
    state.map_or(mark, |state| mark.max(state.epoch))
}

/// What is damaged is kept once, for whoever wants to look at it; of an earlier one nothing stays.
fn set_aside(database: &Path, start: Start) -> Result<(), Error> {
    // The write-ahead log first: alone it would be read as that of the next database.
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let from = with_suffix(database, suffix);
        let done = match start {
            Start::Damaged(_) => {
                fs::rename(&from, with_suffix(database, &format!(".damaged{suffix}")))
            }
            Start::Fresh | Start::Resumed => fs::remove_file(&from),
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Err(_) | Ok(()) => {}
        }
    }
    Ok(())
}

/// The database's write-ahead log.
pub(crate) fn wal_path(dir: &Path) -> PathBuf {
    with_suffix(&dir.join(DATABASE), "-wal")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn length(path: &Path) -> Result<Option<u64>, Error> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn sync_directory(dir: &Path) -> Result<(), Error> {
    File::open(dir)?.sync_all()?;
    Ok(())
}
