//! The rows of the database, and their checksums.

use rusqlite::Row;

use crate::checksum::Sum;
use crate::schema::{number, text};
use crate::{Error, Record};

/// What the log knows of a channel's records. The records up to `through` are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// The newest record that was dropped.
    pub(crate) floor: u64,
    /// The newest record ever.
    pub(crate) last: u64,
    /// The record that ended the channel; zero if none did.
    pub(crate) ended: u64,
    /// Records kept.
    pub(crate) records: u64,
    /// Their bytes, by [`Record::kept_bytes`].
    pub(crate) bytes: u64,
    /// The oldest record that is kept, and its time; zero if none is kept.
    pub(crate) first: u64,
    pub(crate) first_ms: u64,
}

impl Stats {
    /// The figures of a channel of which nothing is known but that its records up to `horizon`, if
    /// it had any, are dropped.
    pub(crate) fn after(horizon: u64) -> Self {
        Self { floor: horizon, last: horizon, ..Self::default() }
    }

    /// Adds a newer record.
    pub(crate) fn add(&mut self, seq: u64, time_ms: u64, kind: u8, bytes: u64) {
        if self.records == 0 {
            (self.first, self.first_ms) = (seq, time_ms);
        }
        // [log:ends]
        if kind == Record::END {
            self.ended = seq;
        }
        self.last = seq;
        self.records += 1;
        self.bytes += bytes;
    }
}

/// A row of `channels`.
pub(crate) struct ChannelRow {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) stats: Stats,
    /// The position that `stats` is good for.
    pub(crate) through: u64,
    pub(crate) checksum: i32,
}

impl ChannelRow {
    pub(crate) const COLUMNS: &str =
        "id, name, floor, last, ended, records, bytes, first, first_ms, through, checksum";

    pub(crate) fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let stats = Stats {
            floor: number(row, 2)?,
            last: number(row, 3)?,
            ended: number(row, 4)?,
            records: number(row, 5)?,
            bytes: number(row, 6)?,
            first: number(row, 7)?,
            first_ms: number(row, 8)?,
        };
        let (id, name) = (row.get(0)?, text(row.get(1)?)?);
        Ok(Self { id, name, stats, through: number(row, 9)?, checksum: row.get(10)? })
    }

    pub(crate) fn is_sound(&self, epoch: u64) -> bool {
        self.checksum == channel_checksum(epoch, self.id, &self.name, self.stats, self.through)
    }
}

pub(crate) fn channel_checksum(epoch: u64, id: u32, name: &str, stats: Stats, through: u64) -> i32 {
    let Stats { floor, last, ended, records, bytes, first, first_ms } = stats;
    let numbers = [u64::from(id), floor, last, ended, records, bytes, first, first_ms, through];
    Sum::new(b'c', epoch).numbers(&numbers).text(name.as_bytes()).finish()
}

/// A row of `records`, not checked yet.
pub(crate) struct RecordRow {
    pub(crate) seq: u64,
    pub(crate) channel: u32,
    /// The record before in the channel; zero if there was none.
    pub(crate) previous: u64,
    pub(crate) time_ms: u64,
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
    pub(crate) checksum: i32,
}

impl RecordRow {
    pub(crate) const COLUMNS: &str = "seq, channel, previous, time_ms, kind, body, checksum";

    pub(crate) fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            seq: number(row, 0)?,
            channel: row.get(1)?,
            previous: number(row, 2)?,
            time_ms: number(row, 3)?,
            kind: row.get(4)?,
            body: row.get(5)?,
            checksum: row.get(6)?,
        })
    }

    /// Checks that this is the record that was written, in the channel of that name.
    pub(crate) fn check(&self, epoch: u64, channel: &str) -> Result<(), Error> {
        let Self { seq, previous, time_ms, kind, .. } = *self;
        let sum = record_checksum(epoch, previous, seq, time_ms, kind, channel, &self.body);
        // [log:checked]
        if self.checksum == sum { Ok(()) } else { Err(Error::Damaged { seq }) }
    }
}

/// The checksum of a record. It covers the channel's record before, so that a missing one shows.
pub(crate) fn record_checksum(
    epoch: u64,
    previous: u64,
    seq: u64,
    time_ms: u64,
    kind: u8,
    channel: &str,
    body: &[u8],
) -> i32 {
    let numbers = [previous, seq, time_ms, u64::from(kind)];
    Sum::new(b'r', epoch).numbers(&numbers).text(channel.as_bytes()).text(body).finish()
}

/// A row of `keys`.
pub(crate) struct KeyRow {
    pub(crate) seq: u64,
    pub(crate) channel: u32,
    pub(crate) key: String,
    pub(crate) until_ms: u64,
    pub(crate) checksum: i32,
}

impl KeyRow {
    pub(crate) const COLUMNS: &str = "seq, channel, key, until_ms, checksum";

    pub(crate) fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            seq: number(row, 0)?,
            channel: row.get(1)?,
            key: text(row.get(2)?)?,
            until_ms: number(row, 3)?,
            checksum: row.get(4)?,
        })
    }

    pub(crate) fn is_sound(&self, epoch: u64, channel: &str) -> bool {
        self.checksum == key_checksum(epoch, self.seq, channel, &self.key, self.until_ms)
    }
}

pub(crate) fn key_checksum(epoch: u64, seq: u64, channel: &str, key: &str, until_ms: u64) -> i32 {
    let sum = Sum::new(b'k', epoch).numbers(&[seq, until_ms]);
    sum.text(channel.as_bytes()).text(key.as_bytes()).finish()
}

/// A run: the positions from `first` up to the next run were given out by one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first position that the process may give out.
    pub first: u64,
    /// The tag that the process chose.
    pub tag: u32,
}

impl Run {
    pub(crate) fn checksum(self, epoch: u64) -> i32 {
        Sum::new(b'u', epoch).numbers(&[self.first, u64::from(self.tag)]).finish()
    }
}

/// The state of the log as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The log's epoch.
    pub(crate) epoch: u64,
    /// The newest record of any channel that was forgotten.
    pub(crate) horizon: u64,
    /// The rows of all channels are good for this position or a later one. The records above it
    /// are read again when the log is opened.
    pub(crate) checkpoint: u64,
    /// The newest record when this was written.
    pub(crate) tail: u64,
}

impl State {
    pub(crate) fn checksum(self) -> i32 {
        Sum::new(b's', self.epoch).numbers(&[self.horizon, self.checkpoint, self.tail]).finish()
    }
}
