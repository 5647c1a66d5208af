//! One namespace in the book.

use std::collections::BTreeSet;

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
}

#[derive(Debug, Default)]
pub(super) struct Space {
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
}

impl Space {
    pub(super) fn new(rule: Rule, part_bytes: u64, part_channels: u64) -> Self {
        Self { rule, part_bytes, part_channels, ..Self::default() }
    }

    /// Adds a channel with its figures.
    pub(super) fn add(&mut self, id: u32, listed: Listed) {
        self.channels += 1;
        self.bytes += listed.stats.bytes;
        self.records += listed.stats.records;
        self.waiting_bytes += listed.waiting_bytes;
        self.waiting_channels += u64::from(!listed.has_row);
        self.list(id, listed);
    }

    /// Removes a channel.
    pub(super) fn remove(&mut self, id: u32, listed: Listed) {
        self.channels -= 1;
        self.bytes -= listed.stats.bytes;
        self.records -= listed.stats.records;
        self.waiting_bytes -= listed.waiting_bytes;
        self.waiting_channels -= u64::from(!listed.has_row);
        self.unlist(id, listed);
    }

    /// Changes a channel's figures.
    pub(super) fn change(&mut self, id: u32, from: Listed, to: Listed) {
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

    /// The bytes that it has once its records that wait are committed. Those of a namespace that is
    /// trimmed may take the place of its older ones.
    pub(super) fn bytes_for_others(&self) -> u64 {
        match self.rule.when_full {
            WhenFull::Refuse => self.bytes + self.waiting_bytes,
            WhenFull::Trim => self.bytes.max(self.waiting_bytes),
        }
    }

    pub(super) fn used(&self, namespace: Option<String>, bytes_max: u64) -> SpaceUse {
        SpaceUse {
            namespace,
            channels: self.channels,
            records: self.records,
            bytes: self.bytes + self.waiting_bytes,
            bytes_max,
        }
    }
}

/// What a namespace knows of one of its channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) stats: Stats,
    pub(super) waiting_bytes: u64,
    /// Whether it has a row in the database.
    pub(super) has_row: bool,
    /// Whether nothing is lost with it but the knowledge that it is empty.
    pub(super) is_idle: bool,
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

/// The most that one of several users of a pool may have: its part, and what the others leave of
/// the pool. `uses` has what each has, and its part.
pub(super) fn largest_use(uses: impl Iterator<Item = (u64, u64)>, slot: usize, pool: u64) -> u64 {
    let (mut part_of_slot, mut taken) = (0, 0_u64);
    for (at, (has, part)) in uses.enumerate() {
        if at == slot {
            part_of_slot = part;
        } else {
            taken = taken.saturating_add(has.saturating_sub(part));
        }
    }
    pool.saturating_sub(taken).saturating_add(part_of_slot)
}
