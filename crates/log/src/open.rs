//! Opening a directory: the lock, the checks, and the decision to resume or to begin an epoch.

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

/// The log that was found in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The log's epoch: the old one, or a new one.
    pub epoch: u64,
    /// The highest position of this epoch that has, or had, a record or was refused. New ones are
    /// above it.
    pub head: u64,
    /// The highest position whose record was dropped, or zero. No record is at or below it.
    pub floor: u64,
    /// The number of records.
    pub records: u64,
    /// Their bytes, by [`Record::bytes`](crate::Record::bytes).
    pub bytes: u64,
    /// Whether the log resumes.
    pub start: Start,
}

/// How a log starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// There was no log.
    Fresh,
    /// The epoch goes on, with every record that was reported durable and not trimmed.
    Resumed,
    /// A new epoch begins, because the old log is damaged. The old database is set aside.
    Damaged(Damage),
}

/// The parts of a store that opening yields.
pub(crate) struct Found {
    pub(crate) lock: File,
    pub(crate) table: Table,
    pub(crate) mark: MarkFile,
    pub(crate) last: Mark,
    /// The position of the newest record ever written. The checksum chain goes on from here.
    pub(crate) tail: u64,
    pub(crate) recovered: Recovered,
}

/// The totals of a sound log.
struct Sums {
    state: State,
    tail: u64,
    records: u64,
    bytes: u64,
}

/// Why the existing log is not resumed.
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
        // Before there is a mark, no record is reported durable. So none is lost.
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

/// Locks the directory for this process. The kernel releases the lock when the process ends.
fn lock(dir: &Path) -> Result<File, Error> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(LOCK))?;
    // [log:lock]
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

/// Reads and checks the whole database.
fn examine(database: &Path, limits: &Limits) -> Result<(Table, Sums), Trouble> {
    // A file without write permission is an error, not damage.
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
    // A damaged header may make the file read-only. A full disk is no damage.
    match table.touch(sums.state) {
        Ok(()) | Err(Error::Full) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Resumes the epoch.
fn resume(dir: &Path, lock: File, table: Table, sums: &Sums, last: Mark) -> Result<Found, Error> {
    // Records that were committed but not reported count as durable from here on.
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

/// Begins an epoch. The mark is written last: after a crash in between, the next start finds no
/// log, or one whose epoch is not the mark's.
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

/// The highest epoch that a file in the directory still has. [log:new-epoch]
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

/// Sets a damaged database aside for inspection. It replaces an earlier one.
fn set_aside(database: &Path, start: Start) -> Result<(), Error> {
    // The write-ahead log first: left alone, SQLite would apply it to the next database.
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
