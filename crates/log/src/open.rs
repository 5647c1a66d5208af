//! Opening a directory: the lock, the checks, and the decision to resume or to begin an epoch.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi::SQLITE_EMPTY;
use rustix::fs::{FlockOperation, flock};

use crate::load::{Loaded, Trouble, load};
use crate::mark::{Mark, MarkFile, Read};
use crate::rows::State;
use crate::schema::{CORRUPT, Format, connect, error, format};
use crate::table::Table;
use crate::{Damage, Error, Limits, Policy, import, table, upgrade};

const LOCK: &str = "lock";
pub(crate) const DATABASE: &str = "log.sqlite";
/// The database of a copy that is not finished. Files of SQLite beside it have longer names.
pub(crate) const UNFINISHED_COPY: &str = "log.sqlite.unfinished";

/// The log that was found in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The log's epoch: the old one, or a new one.
    pub epoch: u64,
    /// The highest position of this epoch that has, or had, a record or was refused. New ones are
    /// above it.
    pub head: u64,
    /// The newest record of any channel that the log has forgotten. A channel that it does not know
    /// may have had records up to here.
    pub horizon: u64,
    /// The number of channels.
    pub channels: u64,
    /// The number of records.
    pub records: u64,
    /// Their bytes, by [`Record::kept_bytes`](crate::Record::kept_bytes).
    pub bytes: u64,
    /// The greatest time that the log was told, by a record or by an expiry; zero if it is new.
    pub time_ms: u64,
    /// Whether the log resumes.
    pub start: Start,
    /// Whether the directory was in format 1, and is in the present one now.
    pub upgraded: bool,
}

/// How a log starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// There was no log.
    Fresh,
    /// The epoch goes on, with every record that was reported durable and not dropped.
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
    pub(crate) loaded: Loaded,
    pub(crate) recovered: Recovered,
}

/// What a log is opened with.
pub(crate) struct Opening<'o> {
    pub(crate) dir: &'o Path,
    pub(crate) limits: Limits,
    pub(crate) policy: &'o Policy,
    pub(crate) fresh_epoch: u64,
    pub(crate) purpose: Purpose,
}

/// What a directory is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To serve: if there is no sound log, one begins.
    Serve,
    /// To go on with an import: if there is no log, one begins. A damaged one stays as it is.
    Import,
    /// To maintain a log that is there. A damaged one stays as it is.
    Maintain,
}

/// A database that was found and loaded.
struct Existing {
    table: Table,
    loaded: Loaded,
    upgraded: bool,
}

pub(crate) fn open(with: &Opening<'_>) -> Result<Found, Error> {
    with.limits.check()?;
    with.policy.check(&with.limits)?;
    if with.purpose != Purpose::Maintain {
        fs::create_dir_all(with.dir)?;
    }
    let lock = claim(with)?;
    let read = MarkFile::read(with.dir)?;
    // Only a server knows how long it promised to keep the keys of an old log.
    if with.purpose != Purpose::Serve && matches!(read, Read::Old(_)) {
        return Err(Error::Format(1));
    }
    let length = length(&with.dir.join(DATABASE))?;
    let start = match (length, read) {
        (None, Read::Absent) => Start::Fresh,
        (None, Read::Unreadable | Read::Old(_) | Read::Is(_) | Read::Condemned(_)) => {
            Start::Damaged(Damage::Missing)
        }
        (Some(_), Read::Condemned(_)) => Start::Damaged(Damage::AtWork),
        (Some(_), Read::Unreadable) => Start::Damaged(Damage::Mark),
        // Before there is a mark, no record is reported durable. So none is lost.
        (Some(0), Read::Absent) => Start::Fresh,
        (Some(_), Read::Absent) => match examine(with) {
            Ok(Existing { loaded: Loaded { tail: 0, .. }, .. })
            | Err(Trouble::Damage(Damage::Unreadable(SQLITE_EMPTY))) => Start::Fresh,
            Ok(_) | Err(Trouble::Damage(_)) => Start::Damaged(Damage::Mark),
            Err(Trouble::Error(error)) => return Err(error),
        },
        (Some(_), Read::Is(mark) | Read::Old(mark)) => match existing(with, mark, read) {
            Ok(existing) => return resume(with.dir, lock, existing, mark),
            // [log:damage]
            Err(Trouble::Damage(damage)) => Start::Damaged(damage),
            Err(Trouble::Error(error)) => return Err(error),
        },
    };
    match (with.purpose, start) {
        (Purpose::Import | Purpose::Maintain, Start::Damaged(damage)) => {
            Err(Error::Unsound(damage))
        }
        (Purpose::Maintain, Start::Fresh | Start::Resumed) => Err(Error::Absent),
        (Purpose::Serve, _) | (Purpose::Import, Start::Fresh | Start::Resumed) => {
            begin(lock, with, start)
        }
    }
}

/// Takes the directory for this process, unless what is in it is for another purpose.
fn claim(with: &Opening<'_>) -> Result<File, Error> {
    let has = |name: &str| with.dir.join(name).try_exists();
    let is_empty = || Ok::<_, Error>(!has(DATABASE)? && !has(MarkFile::NAME)?);
    if with.purpose == Purpose::Maintain && is_empty()? {
        // Nothing is left in a directory that has no log.
        return Err(Error::Absent);
    }
    // [log:backup]
    if has(UNFINISHED_COPY)? {
        return Err(Error::UnfinishedCopy);
    }
    let lock = lock(with.dir)?;
    // [log:import]
    if with.purpose != Purpose::Import && import::is_unfinished(with.dir)? {
        return Err(Error::Unfinished);
    }
    // Before there is a log: a kill in between leaves no directory that a server would open.
    if with.purpose == Purpose::Import && is_empty()? {
        import::note(with.dir, 0)?;
    }
    Ok(lock)
}

/// The log that the mark belongs to.
fn existing(with: &Opening<'_>, mark: Mark, read: Read) -> Result<Existing, Trouble> {
    if matches!(read, Read::Old(_)) {
        // An earlier version must not take the database for damaged once it is upgraded.
        MarkFile::create(with.dir, mark)?;
    }
    let existing = examine(with)?;
    compare(&existing, mark)?;
    Ok(existing)
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

/// Opens and loads the database, and brings it to the present format.
fn examine(with: &Opening<'_>) -> Result<Existing, Trouble> {
    let database = with.dir.join(DATABASE);
    // A file without write permission is an error, not damage.
    OpenOptions::new().read(true).write(true).open(&database).map_err(Error::from)?;
    let db = connect(&database)?;
    let upgraded = format(&db)? == Format::Old;
    if upgraded && with.purpose != Purpose::Serve {
        return Err(Error::Format(1).into());
    }
    if upgraded {
        // [log:upgrade]
        upgrade::upgrade(&db, with.policy)?;
    }
    let loaded = load(&db, with.limits, with.policy)?;
    let pages_max = with.limits.pages_max_beside(loaded.book.totals().bytes);
    let table = Table::new(db, pages_max)?;
    Ok(Existing { table, loaded, upgraded })
}

fn compare(existing: &Existing, mark: Mark) -> Result<(), Trouble> {
    let Existing { table, loaded, .. } = existing;
    if loaded.state.epoch != mark.epoch {
        return Err(Trouble::Damage(Damage::Mark));
    }
    // [log:tail]
    if loaded.tail < mark.durable {
        let damage = Damage::Tail { found: loaded.tail, durable: mark.durable };
        return Err(Trouble::Damage(damage));
    }
    // A damaged header may make the file read-only. A full disk is no damage.
    match table::set_state(table.db(), loaded.state) {
        Ok(()) | Err(Error::Full | Error::WriteRefused) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Resumes the epoch.
fn resume(dir: &Path, lock: File, existing: Existing, last: Mark) -> Result<Found, Error> {
    let Existing { table, loaded, upgraded } = existing;
    // Records that were committed but not reported count as durable from here on.
    let time_ms = last.time_ms.max(newest_ms(&table, &loaded)?);
    let last = Mark { durable: loaded.tail, time_ms, ..last };
    let mark = MarkFile::open(dir)?;
    mark.write(last)?;
    mark.sync()?;
    let totals = loaded.book.totals();
    let recovered = Recovered {
        epoch: loaded.state.epoch,
        // [log:head]
        head: loaded.tail.max(last.void),
        horizon: loaded.state.horizon,
        channels: totals.channels,
        records: totals.records,
        bytes: totals.bytes,
        time_ms,
        start: Start::Resumed,
        upgraded,
    };
    Ok(Found { lock, table, mark, last, loaded, recovered })
}

/// The time of the newest record; zero if there is none, or if it is damaged. After a power loss the
/// mark may be behind it.
fn newest_ms(table: &Table, loaded: &Loaded) -> Result<u64, Error> {
    let newest = table::newest(table.db())?.filter(|newest| {
        let channel = loaded.book.channel(newest.channel);
        channel.is_some_and(|channel| newest.check(loaded.state.epoch, channel.name).is_ok())
    });
    Ok(newest.map_or(0, |newest| newest.time_ms))
}

/// Begins an epoch. The mark is written last: after a crash in between, the next start finds no
/// log, or one whose epoch is not the mark's.
fn begin(lock: File, with: &Opening<'_>, start: Start) -> Result<Found, Error> {
    let database = with.dir.join(DATABASE);
    let epoch = match with.purpose {
        // An import that was killed meanwhile has begun this epoch already.
        Purpose::Import => with.fresh_epoch,
        Purpose::Serve | Purpose::Maintain => unseen_epoch(with.fresh_epoch, with.dir),
    };
    set_aside(&database, start)?;
    let db = connect(&database)?;
    let state = State { epoch, horizon: 0, checkpoint: 0, tail: 0 };
    let transaction = db.unchecked_transaction().map_err(error)?;
    table::create(&transaction, state)?;
    transaction.commit().map_err(error)?;
    let loaded = load(&db, with.limits, with.policy).map_err(|trouble| match trouble {
        Trouble::Error(error) => error,
        Trouble::Damage(_) => CORRUPT,
    })?;
    let table = Table::new(db, with.limits.pages_max())?;
    sync_directory(with.dir)?;
    let last = Mark { epoch, durable: 0, void: 0, time_ms: 0 };
    let mark = MarkFile::create(with.dir, last)?;
    let recovered = Recovered {
        epoch,
        head: 0,
        horizon: 0,
        channels: 0,
        records: 0,
        bytes: 0,
        time_ms: 0,
        start,
        upgraded: false,
    };
    Ok(Found { lock, table, mark, last, loaded, recovered })
}

/// The fresh epoch; the next number that is neither zero nor the epoch of a file in the directory, if it is
/// one of these. [log:new-epoch]
///
/// It does not follow from the old epoch: a backup that is damaged each time it is put back would get
/// the same new epoch each time, and with it the same positions.
fn unseen_epoch(fresh: u64, dir: &Path) -> u64 {
    let seen = [0, mark_epoch(dir), database_epoch(&dir.join(DATABASE))];
    let mut epoch = fresh;
    while seen.contains(&epoch) {
        epoch = epoch.wrapping_add(1);
    }
    epoch
}

/// The epoch of the mark; zero if it cannot be read.
fn mark_epoch(dir: &Path) -> u64 {
    match MarkFile::read(dir) {
        Ok(Read::Is(mark) | Read::Old(mark) | Read::Condemned(mark)) => mark.epoch,
        Ok(Read::Absent | Read::Unreadable) | Err(_) => 0,
    }
}

/// The epoch of the database; zero if there is none, or if it cannot be read.
fn database_epoch(database: &Path) -> u64 {
    if !database.exists() {
        return 0;
    }
    let epoch = connect(database).and_then(|db| match format(&db)? {
        Format::Old => upgrade::old_epoch(&db),
        Format::Present => table::state(&db).map(|state| state.epoch),
    });
    epoch.unwrap_or(0)
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
