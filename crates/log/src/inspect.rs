//! A log as another process sees it, also while a server writes it: figures, a check, a copy.

mod copy;
mod export;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ffi, params};

pub use self::copy::Copied;
use crate::book::Totals;
use crate::load::{Trouble, load};
use crate::mark::{MarkFile, Read};
use crate::open::{DATABASE, UNFINISHED_COPY};
use crate::policy::namespace;
use crate::reader::Channels;
use crate::rows::{KeyRow, RecordRow, Run};
use crate::schema::{Format, connect_to_read, damage_code, error, format, number, stored};
use crate::table::{self, limit};
use crate::{Damage, Error, Limits, Policy, import};

/// Records that one transaction reads. In between the write-ahead log can be emptied.
const CHUNK: usize = 2048;

/// Damages that are told one by one.
const TOLD_MAX: usize = 100;

/// A log that is read, also while another process writes it. Records are read in short steps, so
/// that the write-ahead log can be emptied in between.
#[derive(Debug)]
pub struct Inspector {
    dir: PathBuf,
    db: Connection,
    epoch: u64,
    /// The highest position that was reported durable before the database was opened.
    durable: u64,
}

/// The figures of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// The log's epoch.
    pub epoch: u64,
    /// The newest record ever.
    pub tail: u64,
    /// The newest record of any channel that was forgotten.
    pub horizon: u64,
    /// Channels, records, bytes and keys.
    pub totals: Totals,
    /// Channels that have ended.
    pub ended: u64,
    /// Channels, records and bytes of each namespace.
    pub namespaces: BTreeMap<String, (u64, u64, u64)>,
    /// The runs that are remembered.
    pub runs: Vec<Run>,
    /// Bytes of the files.
    pub file_bytes: u64,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Records that were read.
    pub records: u64,
    /// Channels that were read.
    pub channels: u64,
    /// Keys that were read.
    pub keys: u64,
    /// The first hundred places that are not as they were written.
    pub damages: Vec<Damage>,
    /// How many there are.
    pub damaged: u64,
}

impl Verdict {
    fn tell(&mut self, damage: Damage) {
        self.damaged += 1;
        if self.damages.len() < TOLD_MAX {
            self.damages.push(damage);
        }
    }
}

impl Inspector {
    /// Opens a log to read it.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no log; [`Error::Format`] if it is in another format: a server
    /// upgrades an older one; [`Error::Unsound`] if it cannot be read for damage.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        if import::is_unfinished(dir)? {
            return Err(Error::Unfinished);
        }
        if dir.join(UNFINISHED_COPY).try_exists()? {
            return Err(Error::UnfinishedCopy);
        }
        let database = dir.join(DATABASE);
        let durable = match MarkFile::read(dir)? {
            Read::Is(mark) => mark.durable,
            Read::Old(_) => return Err(Error::Format(1)),
            Read::Absent if database.try_exists()? => return Err(Error::Unsound(Damage::Mark)),
            Read::Absent => return Err(Error::Absent),
            Read::Unreadable => return Err(Error::Unsound(Damage::Mark)),
            Read::Condemned(_) => return Err(Error::Unsound(Damage::AtWork)),
        };
        if !database.try_exists()? {
            return Err(Error::Unsound(Damage::Missing));
        }
        let (db, epoch) = Self::connect(&database).map_err(|error| match error {
            Error::Database(code) if code & 0xff == ffi::SQLITE_READONLY => Error::ReadOnly,
            error => {
                damage_code(error).map_or(error, |code| Error::Unsound(Damage::Unreadable(code)))
            }
        })?;
        Ok(Self { dir: dir.to_owned(), db, epoch, durable })
    }

    /// The database in the present format, and the log's epoch.
    fn connect(database: &Path) -> Result<(Connection, u64), Error> {
        let db = connect_to_read(database)?;
        if format(&db)? == Format::Old {
            return Err(Error::Format(1));
        }
        let epoch = table::state(&db)?.epoch;
        Ok((db, epoch))
    }

    /// The figures.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Unsound`] if what the log has to know of itself is not what was
    /// written, or the end of the log is missing.
    pub fn stat(&self) -> Result<Stat, Error> {
        self.check_tail()?;
        let snapshot = self.db.unchecked_transaction().map_err(error)?;
        let loaded = load(&snapshot, Limits::default(), &Policy::default());
        let loaded = loaded.map_err(|trouble| match trouble {
            Trouble::Error(error) => error,
            Trouble::Damage(Damage::Checksum { seq } | Damage::Hole { seq }) => {
                Error::Damaged { seq }
            }
            Trouble::Damage(damage) => Error::Unsound(damage),
        })?;
        drop(snapshot);
        let mut namespaces: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
        let mut ended = 0;
        for channel in loaded.book.all() {
            let stats = channel.figures.stats;
            let of_it = namespaces.entry(namespace(channel.name).to_owned()).or_default();
            *of_it = (of_it.0 + 1, of_it.1 + stats.records, of_it.2 + stats.bytes);
            ended += u64::from(stats.ended > 0);
        }
        Ok(Stat {
            epoch: self.epoch,
            tail: loaded.tail,
            horizon: loaded.state.horizon,
            totals: loaded.book.totals(),
            ended,
            namespaces,
            runs: loaded.runs,
            file_bytes: self.file_bytes()?,
        })
    }

    /// What is missing at the end of the log. SQLite drops the end of a damaged write-ahead log
    /// without a word; the mark tells. [log:tail]
    fn lost_tail(&self) -> Result<Option<Damage>, Error> {
        let counted = "SELECT coalesce(max(through), 0) FROM channels";
        let counted = self.db.query_row(counted, [], |row| number(row, 0)).map_err(error)?;
        let (found, durable) = (counted.max(self.tail()?), self.durable);
        Ok((found < durable).then_some(Damage::Tail { found, durable }))
    }

    fn check_tail(&self) -> Result<(), Error> {
        self.lost_tail()?.map_or(Ok(()), |damage| Err(Error::Unsound(damage)))
    }

    fn file_bytes(&self) -> Result<u64, Error> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(&self.dir)? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    /// Reads and checks every record, channel, key and run, and the end of the log. `progress` gets the number of records so
    /// far.
    ///
    /// # Errors
    /// If the database cannot be read at all.
    // [log:verify]
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Verdict, Error> {
        let mut verdict = Verdict::default();
        if let Some(damage) = self.lost_tail()? {
            verdict.tell(damage);
        }
        if !self.has_sound_indexes()? {
            verdict.tell(Damage::Structure);
        }
        let mut newest: HashMap<u32, u64> = HashMap::new();
        let end = self.records(0, u64::MAX, |row, name| {
            verdict.records += 1;
            let (seq, previous) = (row.seq, row.previous);
            let before = newest.insert(row.channel, seq);
            match name {
                None => verdict.tell(Damage::Channel { id: row.channel }),
                Some(name) if row.check(self.epoch, name).is_err() => {
                    verdict.tell(Damage::Checksum { seq });
                }
                Some(_) => {
                    // A record that is missing was dropped, if the channel's floor says so.
                    let follows = before.is_some_and(|before| before == previous);
                    if !follows && self.floor(row.channel)?.is_none_or(|floor| floor < previous) {
                        verdict.tell(Damage::Hole { seq });
                    }
                }
            }
            if verdict.records.is_multiple_of(100_000) {
                progress(verdict.records);
            }
            Ok(())
        })?;
        self.verify_channels(&newest, end, &mut verdict)?;
        self.verify_keys(&mut verdict)?;
        match table::runs(&self.db, self.epoch) {
            Ok(_) => {}
            Err(Error::Damaged { seq }) => verdict.tell(Damage::Key { seq }),
            Err(error) => return Err(error),
        }
        Ok(verdict)
    }

    /// Whether SQLite's own structures are sound. The checksums of rows do not cover its indexes.
    fn has_sound_indexes(&self) -> Result<bool, Error> {
        let check = "PRAGMA integrity_check(1)";
        let said: Result<String, Error> =
            self.db.query_row(check, [], |row| row.get(0)).map_err(error);
        match said {
            Ok(said) => Ok(said == "ok"),
            Err(Error::Database(code)) if code & 0xff == ffi::SQLITE_CORRUPT => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn verify_channels(
        &self,
        newest: &HashMap<u32, u64>,
        end: u64,
        verdict: &mut Verdict,
    ) -> Result<(), Error> {
        table::channels(&self.db, |row| {
            verdict.channels += 1;
            let (id, stats) = (row.id, row.stats);
            let found = newest.get(&id).copied().unwrap_or(0);
            if !row.is_sound(self.epoch) {
                verdict.tell(Damage::Channel { id });
            } else if stats.last > stats.floor && stats.last <= end && found < stats.last {
                verdict.tell(Damage::Hole { seq: stats.last });
            }
            Ok::<(), Error>(())
        })
    }

    fn verify_keys(&self, verdict: &mut Verdict) -> Result<(), Error> {
        let mut channels = Channels::default();
        while !channels.load(&self.db)? {}
        let mut after = 0;
        loop {
            let keys = self.keys(after, u64::MAX)?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = last.seq;
            for key in keys {
                verdict.keys += 1;
                let name = channels.name(key.channel);
                if !name.is_some_and(|name| key.is_sound(self.epoch, name)) {
                    verdict.tell(Damage::Key { seq: key.seq });
                }
            }
        }
    }

    /// Passes the records in a part of the log to `each`, with the names of their channels. Returns
    /// the last position.
    fn records(
        &self,
        after: u64,
        through: u64,
        mut each: impl FnMut(RecordRow, Option<&str>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let columns = RecordRow::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM records WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        );
        let through = i64::try_from(through).unwrap_or(i64::MAX);
        let (mut after, mut channels) = (after, Channels::default());
        loop {
            let mut select = self.db.prepare(&sql).map_err(error)?;
            let found = params![stored(after), through, limit(CHUNK)];
            let found = select.query_map(found, RecordRow::read).map_err(error)?;
            let rows: Vec<RecordRow> = found.collect::<Result<_, _>>().map_err(error)?;
            let Some(last) = rows.last() else { return Ok(after) };
            after = last.seq;
            while !channels.load(&self.db)? {}
            for row in rows {
                let name = channels.name(row.channel).map(std::sync::Arc::clone);
                each(row, name.as_deref())?;
            }
        }
    }

    /// Some keys of messages after a position.
    fn keys(&self, after: u64, through: u64) -> Result<Vec<KeyRow>, Error> {
        let columns = KeyRow::COLUMNS;
        let sql =
            format!("SELECT {columns} FROM keys WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
        let mut select = self.db.prepare(&sql).map_err(error)?;
        let through = i64::try_from(through).unwrap_or(i64::MAX);
        let found = params![stored(after), through, limit(CHUNK)];
        let found = select.query_map(found, KeyRow::read).map_err(error)?;
        found.collect::<Result<_, _>>().map_err(error)
    }

    /// The floor of a channel.
    fn floor(&self, id: u32) -> Result<Option<u64>, Error> {
        let row = crate::reader::row(&self.db, self.epoch, id);
        match row {
            Ok(row) => Ok(row.map(|row| row.stats.floor)),
            Err(Error::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
