//! One namespace in the book.

use std::collections::BTreeSet;

use super::channels::Figures;
use crate::rows::Stats;
use crate::{Rule, WhenFull};

/// The use of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceUse {
    /// Its name; `None` for all namespaces without a rule of their own.
    pub namespace: Option<String>,
    /// Channels that are remembered.
    pub channels: u64,
    /// Records kept.
    pub records: u64,
    /// Their bytes, those that wait included.
    pub bytes: u64,
    /// The bytes that it may have while the others have what they have.
    pub bytes_max: u64,
    /// Records that were [noted](crate::Writer::note_refused) to have no room.
    pub refused: u64,
    /// Whether the last one of these has no room now. A namespace that drops its oldest records for new
    /// ones is never full for its bytes.
    pub is_full: bool,
}

#[derive(Debug, Default)]
pub(super) struct Space {
    /// Its name; `None` for all namespaces without a rule of their own.
    pub(super) name: Option<Box<str>>,
    /// Whether the rules have no such namespace any more: its channels move.
    pub(super) is_retired: bool,
    pub(super) rule: Rule,
    pub(super) part_bytes: u64,
    pub(super) part_channels: u64,
    pub(super) channels: u64,
    /// Channels without a row yet.
    pub(super) waiting_channels: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Bytes of records that wait for their commit.
    pub(super) waiting_bytes: u64,
    /// Channels with records, by the oldest one.
    pub(super) by_first: BTreeSet<(u64, u32)>,
    /// Channels with more than the rule says.
    pub(super) over: BTreeSet<u32>,
    /// Channels that may be forgotten, by the newest record.
    pub(super) idle: BTreeSet<(u64, u32)>,
    /// Records that had no room.
    pub(super) refused: u64,
    /// The bytes of the last one that had none.
    pub(super) wanted_bytes: u64,
    /// Whether the last one that had none was the first of its channel.
    pub(super) wanted_channel: bool,
}

impl Space {
    /// Adds a channel with its figures.
    pub(super) fn add(&mut self, id: u32, figures: &Figures) {
        let listed = Listed::from(figures);
        self.channels += 1;
        self.bytes += listed.stats.bytes;
        self.records += listed.stats.records;
        self.waiting_bytes += listed.waiting_bytes;
        self.waiting_channels += u64::from(!listed.has_row);
        self.list(id, listed);
    }

    /// Removes a channel.
    pub(super) fn remove(&mut self, id: u32, figures: &Figures) {
        let listed = Listed::from(figures);
        self.channels -= 1;
        self.bytes -= listed.stats.bytes;
        self.records -= listed.stats.records;
        self.waiting_bytes -= listed.waiting_bytes;
        self.waiting_channels -= u64::from(!listed.has_row);
        self.unlist(id, listed);
    }

    /// Changes a channel's figures.
    pub(super) fn change(&mut self, id: u32, from: &Figures, to: &Figures) {
        let (from, to) = (Listed::from(from), Listed::from(to));
        self.bytes = self.bytes + to.stats.bytes - from.stats.bytes;
        self.records = self.records + to.stats.records - from.stats.records;
        self.waiting_bytes = self.waiting_bytes + to.waiting_bytes - from.waiting_bytes;
        self.waiting_channels =
            self.waiting_channels + u64::from(!to.has_row) - u64::from(!from.has_row);
        let keys = |it: Listed| (it.first(), it.idle(), is_over(&self.rule, it.stats));
        if keys(from) != keys(to) {
            self.unlist(id, from);
            self.list(id, to);
        }
    }

    /// Lists a channel by the present rule.
    pub(super) fn relist(&mut self, id: u32, figures: &Figures) {
        match is_over(&self.rule, figures.stats) {
            true => self.over.insert(id),
            false => self.over.remove(&id),
        };
    }

    fn list(&mut self, id: u32, listed: Listed) {
        self.by_first.extend(listed.first().map(|first| (first, id)));
        self.idle.extend(listed.idle().map(|last| (last, id)));
        if is_over(&self.rule, listed.stats) {
            self.over.insert(id);
        }
    }

    fn unlist(&mut self, id: u32, listed: Listed) {
        if let Some(first) = listed.first() {
            self.by_first.remove(&(first, id));
        }
        if let Some(last) = listed.idle() {
            self.idle.remove(&(last, id));
        }
        self.over.remove(&id);
    }

    /// The bytes that it has once its records that wait are committed, and its part. Records of a
    /// namespace that is trimmed may take the place of its older ones.
    pub(super) fn bytes_and_part(&self) -> (u64, u64) {
        let bytes = match self.rule.when_full {
            WhenFull::Refuse => self.bytes + self.waiting_bytes,
            WhenFull::Trim => self.bytes.max(self.waiting_bytes),
        };
        (bytes, self.part_bytes)
    }

    pub(super) const fn channels_and_part(&self) -> (u64, u64) {
        (self.channels, self.part_channels)
    }

    /// Whether it has no room for what it had none for before.
    pub(super) fn is_full(&self, bytes_max: u64, channels_max: u64) -> bool {
        let bytes = (self.bytes + self.waiting_bytes).saturating_add(self.wanted_bytes.max(1));
        let bytes = bytes > bytes_max && self.rule.when_full == WhenFull::Refuse;
        bytes || (self.wanted_channel && !self.has_room_for_channel(channels_max))
    }

    /// Whether it may have one more channel, if need be in place of an idle one.
    pub(super) fn has_room_for_channel(&self, channels_max: u64) -> bool {
        self.channels < channels_max || self.waiting_channels < self.idle.len() as u64
    }

    pub(super) fn used(&self, bytes_max: u64, channels_max: u64) -> SpaceUse {
        SpaceUse {
            namespace: self.name.as_deref().map(str::to_owned),
            channels: self.channels,
            records: self.records,
            bytes: self.bytes + self.waiting_bytes,
            bytes_max,
            refused: self.refused,
            is_full: self.is_full(bytes_max, channels_max),
        }
    }
}

/// What a namespace knows of one of its channels.
#[derive(Clone, Copy, Debug)]
struct Listed {
    stats: Stats,
    waiting_bytes: u64,
    /// Whether it has a row in the database.
    has_row: bool,
    /// Whether nothing is lost with it but the knowledge that it is empty.
    is_idle: bool,
}

impl From<&Figures> for Listed {
    fn from(figures: &Figures) -> Self {
        let Figures { stats, has_row, keys, at_work } = *figures;
        let is_idle =
            has_row && at_work.waiting == 0 && keys == 0 && stats.records == 0 && stats.ended == 0;
        Self { stats, waiting_bytes: at_work.waiting_bytes, has_row, is_idle }
    }
}

impl Listed {
    fn first(self) -> Option<u64> {
        (self.stats.records > 0).then_some(self.stats.first)
    }

    fn idle(self) -> Option<u64> {
        self.is_idle.then_some(self.stats.last)
    }
}

/// Whether a channel has more than its rule says.
pub(crate) const fn is_over(rule: &Rule, stats: Stats) -> bool {
    stats.records > rule.keep_messages || stats.bytes > rule.keep_bytes
}

/// A resource of which each of several users has a part, and all together a pool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    /// What the users have taken of the pool, beyond its end, too.
    taken: u64,
    size: u64,
}

impl Pool {
    /// `uses` has what each has, and its part.
    pub(super) fn new(size: u64, uses: impl Iterator<Item = (u64, u64)>) -> Self {
        let taken = uses.fold(0_u64, |sum, it| sum.saturating_add(of_pool(it)));
        Self { taken, size }
    }

    /// The most that a user may have: its part, and what the others leave of the pool.
    pub(super) const fn largest_use(&self, user: (u64, u64)) -> u64 {
        let others = self.taken.saturating_sub(of_pool(user));
        self.size.saturating_sub(others).saturating_add(user.1)
    }
}

/// What a user has of the pool.
const fn of_pool((has, part): (u64, u64)) -> u64 {
    has.saturating_sub(part)
}
