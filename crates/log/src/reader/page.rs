//! One answer: one short transaction, which reads a bounded part of the log.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Statement, params};

use super::channels::{self, Channels};
use super::{Entry, Page, Query, Range, Target};
use crate::Error;
use crate::book::SharedBook;
use crate::rows::RecordRow;
use crate::schema::{CORRUPT, error, number, stored};
use crate::table::{self, limit};

/// Records that one answer looks at in search of those of a pattern.
const VISITS_MAX: usize = 4096;

/// Positions of a channel that one query finds.
const CHUNK: usize = 64;

pub(super) enum Answered {
    Page(Page),
    /// More has to be loaded first, in another step.
    NotYet,
}

/// Answers a question, or a part of it.
pub(super) fn answer(
    db: &Connection,
    (epoch, book): (u64, &SharedBook),
    channels: &mut Channels,
    query: &Query,
) -> Result<Answered, Error> {
    // What the book knows before the snapshot is made, the snapshot has, too.
    let newest = newest_of(book, &query.targets);
    let trimmed = channels::known_as_trimmed(book, query);
    let snapshot = db.unchecked_transaction().map_err(error)?;
    if !channels.load(&snapshot)? {
        return Ok(Answered::NotYet);
    }
    let reading = Reading { db: &snapshot, epoch, channels, query, newest, trimmed };
    let page = match query.range {
        Range::After { after, through } => reading.after(after, through),
        Range::Before { before } => reading.before(before),
    };
    page.map(Answered::Page)
}

/// The newest records of the channels that are named. They were committed before, so a snapshot that is made
/// after this call has them, unless they were dropped.
fn newest_of(book: &SharedBook, targets: &[Target]) -> HashMap<Box<str>, u64> {
    let book = book.lock();
    let names = targets.iter().filter_map(|target| match target {
        Target::Name(name) => Some(name),
        Target::Matching(_) => None,
    });
    let newest = names.filter_map(|name| {
        let channel = book.channel(book.id_of(name)?)?;
        Some((name.clone(), channel.figures.stats.last))
    });
    newest.collect()
}

struct Reading<'r> {
    db: &'r Connection,
    epoch: u64,
    channels: &'r Channels,
    query: &'r Query,
    /// The newest record of each channel that is named.
    newest: HashMap<Box<str>, u64>,
    /// Channels that match, and have lost records.
    trimmed: Vec<u32>,
}

/// The oldest positions of one channel that were not read yet.
struct Ahead {
    id: u32,
    seqs: VecDeque<u64>,
    /// There may be more than these.
    more: bool,
    /// The newest record that was read, or where reading began.
    reached: u64,
    /// A record that the channel has to have; zero if there is none.
    newest: u64,
}

impl Reading<'_> {
    fn after(&self, after: u64, through: u64) -> Result<Page, Error> {
        // What is above the snapshot's newest record may be committed any time.
        let through = through.min(self.tail()?);
        let mut page = match self.query.is_by_name() {
            true => self.merge(after, through)?,
            false => self.search(after, through)?,
        };
        page.more = page.through < through;
        Ok(page)
    }

    /// The newest position of the snapshot.
    fn tail(&self) -> Result<u64, Error> {
        let newest = "SELECT coalesce(max(seq), 0) FROM records";
        let newest = self.db.query_row(newest, [], |row| number(row, 0)).map_err(error)?;
        Ok(newest.max(table::state(self.db)?.tail))
    }

    /// Merges the records of channels that are named.
    fn merge(&self, after: u64, through: u64) -> Result<Page, Error> {
        let mut page = Page { through, ..Page::default() };
        let (mut heap, mut aheads) = (BinaryHeap::new(), Vec::new());
        for target in &self.query.targets {
            let Target::Name(name) = target else { continue };
            let id = self.channels.id(name);
            if id.is_some_and(|id| aheads.iter().any(|it: &Ahead| it.id == id)) {
                continue;
            }
            let Some(mut ahead) = self.look_at(name, after, &mut page)? else { continue };
            if let Some(first) = self.peek(&mut ahead, through)? {
                heap.push(Reverse((first, aheads.len())));
            }
            aheads.push(ahead);
        }
        let sql = format!("SELECT {} FROM records WHERE seq = ?", RecordRow::COLUMNS);
        let mut select = self.db.prepare(&sql).map_err(error)?;
        let mut bytes = 0;
        while let Some(Reverse((seq, at))) = heap.pop() {
            let ahead: &mut Ahead = &mut aheads[at];
            let entry = self.read(&mut select, ahead, seq)?;
            bytes += entry.body.len() as u64;
            let is_full = page.entries.len() >= self.query.records_max.max(1)
                || (bytes > self.query.bytes_max && !page.entries.is_empty());
            if is_full {
                page.through = seq - 1;
                return Ok(page);
            }
            page.entries.push(entry);
            ahead.seqs.pop_front();
            ahead.reached = seq;
            if let Some(next) = self.peek(ahead, through)? {
                heap.push(Reverse((next, at)));
            }
        }
        for ahead in &aheads {
            self.check_end(ahead, through)?;
        }
        Ok(page)
    }

    /// Checks that the newest records of a channel up to a position are not missing. The index of channels has no
    /// checksum, so it may have lost some. [log:checked]
    fn check_end(&self, ahead: &Ahead, through: u64) -> Result<(), Error> {
        let newest = self.newest_until(ahead, through)?;
        if newest > ahead.reached { Err(Error::Damaged { seq: newest }) } else { Ok(()) }
    }

    /// The newest record that a channel has up to a position, by what the record after it says; zero if that is
    /// damaged, or if there is none.
    fn newest_until(&self, ahead: &Ahead, through: u64) -> Result<u64, Error> {
        if ahead.newest <= through {
            return Ok(ahead.newest);
        }
        let sql = "SELECT coalesce(min(seq), ?) FROM records INDEXED BY records_by_channel \
                   WHERE channel = ? AND seq > ?";
        let row = params![stored(ahead.newest), ahead.id, stored(through)];
        let mut seq = self.db.query_row(sql, row, |row| number(row, 0)).map_err(error)?;
        let sql = "SELECT previous FROM records WHERE seq = ? AND channel = ?";
        let mut select = self.db.prepare(sql).map_err(error)?;
        // The index may have lost that record, too.
        for _ in 0..VISITS_MAX {
            let row = params![stored(seq), ahead.id];
            let previous = select.query_row(row, |row| number(row, 0)).optional().map_err(error)?;
            match previous {
                Some(previous) if previous > through => seq = previous,
                previous => return Ok(previous.unwrap_or(0)),
            }
        }
        Err(CORRUPT)
    }

    /// Finds what a channel has after a position, and whether records of it were dropped.
    fn look_at(&self, name: &str, after: u64, page: &mut Page) -> Result<Option<Ahead>, Error> {
        let id = self.channels.id(name);
        let row = match id {
            Some(id) => channels::row(self.db, self.epoch, id)?.map(|row| (id, row.stats)),
            None => None,
        };
        // [log:missing]
        let floor = match row {
            Some((_, stats)) => stats.floor,
            None => table::state(self.db)?.horizon,
        };
        if floor > after {
            let is_known = page.missing.iter().any(|(it, _)| **it == *name);
            if !is_known {
                self.miss(page, name.into(), floor);
            }
        }
        let Some((id, stats)) = row else { return Ok(None) };
        let newest = self.newest.get(name).copied().unwrap_or(0);
        let newest = if newest > stats.floor { newest } else { 0 };
        let (seqs, reached) = (VecDeque::new(), after.max(stats.floor));
        Ok(Some(Ahead { id, seqs, more: true, reached, newest }))
    }

    fn miss(&self, page: &mut Page, name: Arc<str>, floor: u64) {
        if page.missing.len() < self.query.missing_max {
            page.missing.push((name, floor));
        } else {
            page.is_missing_more = true;
        }
    }

    /// The next position of a channel.
    fn peek(&self, ahead: &mut Ahead, through: u64) -> Result<Option<u64>, Error> {
        if ahead.seqs.is_empty() && ahead.more {
            let sql = "SELECT seq FROM records INDEXED BY records_by_channel \
                       WHERE channel = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?";
            let mut select = self.db.prepare(sql).map_err(error)?;
            let row = params![ahead.id, stored(ahead.reached), stored(through), limit(CHUNK)];
            let found = select.query_map(row, |row| number(row, 0)).map_err(error)?;
            ahead.seqs = found.collect::<Result<_, _>>().map_err(error)?;
            ahead.more = ahead.seqs.len() == CHUNK;
        }
        Ok(ahead.seqs.front().copied())
    }

    /// Reads a record, and checks that none of its channel is missing before it.
    fn read(&self, select: &mut Statement<'_>, ahead: &Ahead, seq: u64) -> Result<Entry, Error> {
        let mut rows = select.query([stored(seq)]).map_err(error)?;
        let row = rows.next().map_err(error)?.ok_or(Error::Damaged { seq })?;
        let row = RecordRow::read(row).map_err(error)?;
        // [log:checked]
        if row.channel != ahead.id || row.previous > ahead.reached {
            return Err(Error::Damaged { seq });
        }
        self.entry(row)
    }

    fn entry(&self, row: RecordRow) -> Result<Entry, Error> {
        let seq = row.seq;
        let channel = self.channels.name(row.channel).ok_or(Error::Damaged { seq })?;
        row.check(self.epoch, channel)?;
        let RecordRow { time_ms, kind, body, .. } = row;
        Ok(Entry { seq, channel: Arc::clone(channel), time_ms, kind, body })
    }

    /// Searches the log in its order for records of channels that match.
    fn search(&self, after: u64, through: u64) -> Result<Page, Error> {
        let mut page = Page { through, ..Page::default() };
        let mut matching = HashMap::new();
        let mut wanted = |id: u32| {
            let name = self.channels.name(id);
            *matching
                .entry(id)
                .or_insert_with(|| name.is_some_and(|name| self.query.is_about(name)))
        };
        self.miss_trimmed(after, &mut wanted, &mut page)?;
        let columns = RecordRow::COLUMNS;
        let sql = format!("SELECT {columns} FROM records WHERE seq > ? ORDER BY seq");
        let mut select = self.db.prepare(&sql).map_err(error)?;
        let mut rows = select.query([stored(after)]).map_err(error)?;
        let (mut visits, mut bytes) = (0, 0);
        let mut reached: HashMap<u32, u64> = HashMap::new();
        let mut position = after;
        while let Some(row) = rows.next().map_err(error)? {
            let (seq, id) = (number(row, 0).map_err(error)?, row.get(1).map_err(error)?);
            if seq > through {
                return Ok(page);
            }
            visits += 1;
            let is_full = page.entries.len() >= self.query.records_max.max(1)
                || (bytes > self.query.bytes_max && !page.entries.is_empty());
            if visits > VISITS_MAX || is_full {
                page.through = position;
                return Ok(page);
            }
            position = seq;
            if !wanted(id) {
                continue;
            }
            let row = RecordRow::read(row).map_err(error)?;
            let before = reached.insert(id, seq).unwrap_or(after);
            if row.previous > before && !self.is_dropped(id, row.previous)? {
                return Err(Error::Damaged { seq });
            }
            bytes += row.body.len() as u64;
            page.entries.push(self.entry(row)?);
        }
        Ok(page)
    }

    /// Names the channels that match and have lost records after a position: those that the book knows, and those that
    /// were trimmed since. The row has the floor. [log:missing] [log:checked]
    fn miss_trimmed(
        &self,
        after: u64,
        wanted: &mut impl FnMut(u32) -> bool,
        page: &mut Page,
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut look_at = |id: u32| {
            if !page.is_missing_more && wanted(id) && seen.insert(id) {
                let row = channels::row(self.db, self.epoch, id)?;
                let floor = row.map_or(0, |row| row.stats.floor);
                if let Some(name) = self.channels.name(id).filter(|_| floor > after) {
                    self.miss(page, Arc::clone(name), floor);
                }
            }
            Ok(!page.is_missing_more)
        };
        for id in &self.trimmed {
            look_at(*id)?;
        }
        channels::trimmed(self.db, after, look_at)
    }

    /// Whether a record of a channel was dropped.
    fn is_dropped(&self, id: u32, seq: u64) -> Result<bool, Error> {
        let row = channels::row(self.db, self.epoch, id)?;
        Ok(row.is_some_and(|row| row.stats.floor >= seq))
    }

    /// The newest records of a channel below a position.
    fn before(&self, before: u64) -> Result<Page, Error> {
        let mut page = Page { through: before.saturating_sub(1), ..Page::default() };
        let Some(Target::Name(name)) = self.query.targets.first() else { return Ok(page) };
        let Some(ahead) = self.look_at(name, 0, &mut page)? else { return Ok(page) };
        let least = self.newest_until(&ahead, before.saturating_sub(1))?;
        let columns = RecordRow::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM records INDEXED BY records_by_channel \
             WHERE channel = ? AND seq < ? ORDER BY seq DESC"
        );
        let mut select = self.db.prepare(&sql).map_err(error)?;
        let below = i64::try_from(before).unwrap_or(i64::MAX);
        let mut rows = select.query(params![ahead.id, below]).map_err(error)?;
        let (mut bytes, mut previous) = (0, None);
        while let Some(row) = rows.next().map_err(error)? {
            let row = RecordRow::read(row).map_err(error)?;
            bytes += row.body.len() as u64;
            page.more = page.entries.len() >= self.query.records_max.max(1)
                || (bytes > self.query.bytes_max && !page.entries.is_empty());
            // [log:checked]
            if previous.map_or(row.seq < least, |previous| previous != row.seq) {
                return Err(Error::Damaged { seq: previous.unwrap_or(least) });
            }
            if page.more {
                break;
            }
            previous = Some(row.previous);
            page.entries.push(self.entry(row)?);
        }
        let floor = page.missing.first().map_or(0, |(_, floor)| *floor);
        let before_first = previous.unwrap_or(least);
        if !page.more && before_first > floor {
            return Err(Error::Damaged { seq: before_first });
        }
        page.entries.reverse();
        Ok(page)
    }
}
