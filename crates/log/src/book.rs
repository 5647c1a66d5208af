//! The book: what the log knows of its channels and namespaces, in memory.
//!
//! A loop asks it for room before it gives out a position; the log's thread enters each commit. Both
//! hold its lock only for a moment, never while the disk works.

mod channels;
mod floors;
mod rules;
mod shared;
mod space;

use std::collections::HashMap;

use self::channels::Channels;
pub(crate) use self::channels::{AtWork, Channel, Figures};
use self::floors::Floors;
pub(crate) use self::shared::SharedBook;
pub use self::space::SpaceUse;
pub(crate) use self::space::is_over;
use self::space::{Pool, Space};
use crate::policy::Policy;
use crate::record::kept_bytes;
use crate::rows::Stats;
use crate::{Limits, Record, Rule, WhenFull};

/// Why a record has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Bytes,
    Channels,
    Keys,
}

#[derive(Debug)]
pub(crate) struct Book {
    limits: Limits,
    channels: Channels,
    floors: Floors,
    next_id: u32,
    /// The namespaces; the first is that of all without a rule of their own.
    spaces: Vec<Space>,
    /// The slots of the named ones.
    slots: HashMap<Box<str>, usize>,
    /// The slots in the order of the rules.
    order: Vec<usize>,
    byte_pool: u64,
    channel_pool: u64,
    /// The channels before this place are to be looked at, because the rules have changed.
    unswept: usize,
    /// Keys that are kept or wait.
    keys: u64,
    /// The newest record of any channel that was forgotten.
    horizon: u64,
}

impl Book {
    pub(crate) fn new(limits: Limits, policy: &Policy, horizon: u64) -> Self {
        let mut book = Self {
            limits,
            channels: Channels::default(),
            floors: Floors::default(),
            next_id: 1,
            spaces: Vec::new(),
            slots: HashMap::new(),
            order: Vec::new(),
            byte_pool: 0,
            channel_pool: 0,
            unswept: 0,
            keys: 0,
            horizon,
        };
        book.reconfigure(policy, &limits);
        book
    }

    /// Adds a channel that is in the database.
    pub(crate) fn restore(&mut self, id: u32, name: &str, stats: Stats, unsaved: u64) {
        self.next_id = self.next_id.max(id + 1);
        let at_work = AtWork { unsaved, ..AtWork::default() };
        self.insert(id, name, Figures { stats, has_row: true, keys: 0, at_work });
    }

    fn insert(&mut self, id: u32, name: &str, figures: Figures) {
        let slot = self.slot_of(name);
        let at = self.channels.insert(id, name, slot);
        self.channels.set(at, figures);
        self.floors.change(id, None, Some(&figures));
        self.spaces[slot].add(id, &figures);
    }

    /// Changes a channel, and what its namespace knows of it.
    fn change(&mut self, id: u32, change: impl FnOnce(&mut Figures)) {
        let at = self.channels.place(id).expect("only the log's thread removes channels");
        let Channel { slot, figures: before, .. } = self.channels.at(at);
        let mut after = before;
        change(&mut after);
        self.channels.set(at, after);
        self.floors.change(id, Some(&before), Some(&after));
        self.spaces[slot].change(id, &before, &after);
    }

    /// Whether there is room for a record with a body of so many bytes. [log:no-room]
    pub(crate) fn room(&self, channel: &str, body_bytes: u64, has_key: bool) -> Result<(), NoRoom> {
        if has_key && self.keys >= self.limits.keys_max {
            return Err(NoRoom::Keys);
        }
        let slot = self.slot_of(channel);
        let is_known = self.channels.id_of(channel).is_some();
        if !is_known && !self.has_room_for_channel(slot) {
            return Err(NoRoom::Channels);
        }
        let bytes = kept_bytes(channel, body_bytes);
        let space = &self.spaces[slot];
        // Records of a namespace that is trimmed make room for the new ones of the same commit.
        let (stays, is_bounded) = match space.rule.when_full {
            WhenFull::Refuse => (space.bytes + space.waiting_bytes, true),
            WhenFull::Trim => (space.waiting_bytes, false),
        };
        // While channels move, their old namespaces may still count what is theirs.
        let all = if self.is_sweeping() && is_bounded { self.all_bytes() } else { 0 };
        let has_room =
            stays + bytes <= self.bytes_max(slot) && all + bytes <= self.limits.bytes_max;
        if has_room { Ok(()) } else { Err(NoRoom::Bytes) }
    }

    fn all_bytes(&self) -> u64 {
        self.spaces.iter().map(|it| it.bytes_and_part().0).sum()
    }

    fn has_room_for_channel(&self, slot: usize) -> bool {
        let space = &self.spaces[slot];
        let channels_max = self.channel_shares().largest_use(space.channels_and_part());
        space.has_room_for_channel(channels_max)
    }

    /// Notes that a record had no room, for its operator.
    pub(crate) fn note_refused(&mut self, channel: &str, body_bytes: u64) {
        let slot = self.slot_of(channel);
        let is_new = self.channels.id_of(channel).is_none();
        let wanted_channel = is_new && !self.has_room_for_channel(slot);
        let space = &mut self.spaces[slot];
        space.refused += 1;
        (space.wanted_bytes, space.wanted_channel) =
            (kept_bytes(channel, body_bytes), wanted_channel);
    }

    /// The parts of the log's bytes that the namespaces have.
    fn byte_shares(&self) -> Pool {
        Pool::new(self.byte_pool, self.spaces.iter().map(Space::bytes_and_part))
    }

    /// What they have of its channels.
    fn channel_shares(&self) -> Pool {
        Pool::new(self.channel_pool, self.spaces.iter().map(Space::channels_and_part))
    }

    /// The most bytes that a namespace may have now: its part, and what others leave of the pool.
    fn bytes_max(&self, slot: usize) -> u64 {
        self.byte_shares().largest_use(self.spaces[slot].bytes_and_part())
    }

    /// The number of a channel, which is added if it is not known.
    pub(crate) fn adopt(&mut self, name: &str) -> u32 {
        if let Some(id) = self.channels.id_of(name) {
            return id;
        }
        let id = self.next_id;
        self.next_id += 1;
        let stats = Stats::after(self.horizon);
        self.insert(id, name, Figures { stats, ..Figures::default() });
        id
    }

    /// Takes room for a record that waits for its commit.
    pub(crate) fn reserve(&mut self, record: &Record) {
        let id = self.adopt(&record.channel);
        self.change(id, |figures| {
            figures.at_work.waiting += 1;
            figures.at_work.waiting_bytes += record.kept_bytes();
        });
        self.keys += u64::from(record.key.is_some());
    }

    /// Gives back the room of records that were refused.
    pub(crate) fn release(&mut self, records: &[Record]) {
        for record in records {
            let id = self.settle(record, false);
            self.keys -= u64::from(record.key.is_some());
            let figures = self.channel(id).map(|it| it.figures);
            if figures.is_some_and(|it| !it.has_row && it.at_work.waiting == 0) {
                self.forget(id);
            }
        }
    }

    /// Notes that a record waits no longer; if it is committed, its channel has its key.
    fn settle(&mut self, record: &Record, is_committed: bool) -> u32 {
        let id = self.id_of(&record.channel).expect("a record that waits has a channel");
        self.change(id, |figures| {
            figures.at_work.waiting -= 1;
            figures.at_work.waiting_bytes -= record.kept_bytes();
            figures.keys += u32::from(is_committed && record.key.is_some());
        });
        id
    }

    /// Notes that records are committed. [`set`](Self::set) has the figures of their channels.
    pub(crate) fn settle_all(&mut self, records: &[Record]) {
        for record in records {
            self.settle(record, true);
        }
    }

    /// Enters a channel's new figures. `unsaved`: the first record that its row does not count.
    pub(crate) fn set(&mut self, id: u32, stats: Stats, unsaved: u64) {
        self.change(id, |figures| {
            (figures.stats, figures.at_work.unsaved, figures.has_row) = (stats, unsaved, true);
        });
    }

    /// Enters keys that are in the database.
    pub(crate) fn restore_keys(&mut self, id: u32, keys: u32) {
        self.keys += u64::from(keys);
        if self.channels.place(id).is_some() {
            self.change(id, |figures| figures.keys += keys);
        }
    }

    /// Removes a key.
    pub(crate) fn drop_key(&mut self, id: u32) {
        self.keys -= 1;
        if self.channels.place(id).is_some() {
            self.change(id, |figures| figures.keys = figures.keys.saturating_sub(1));
        }
    }

    /// Forgets a channel.
    pub(crate) fn forget(&mut self, id: u32) {
        let Some(at) = self.channels.place(id) else { return };
        let Channel { slot, figures, .. } = self.channels.at(at);
        self.spaces[slot].remove(id, &figures);
        self.floors.change(id, Some(&figures), None);
        self.channels.remove(at);
    }

    /// Forgets a channel whose row is gone. If a record waits for it, it begins anew.
    pub(crate) fn forget_row(&mut self, id: u32) {
        if self.channel(id).is_some_and(|it| it.figures.at_work.waiting == 0) {
            return self.forget(id);
        }
        let stats = Stats::after(self.horizon);
        self.change(id, |figures| {
            (figures.stats, figures.at_work.unsaved, figures.has_row) = (stats, 0, false);
        });
    }

    /// Notes that channels with records up to `seq` are about to be forgotten.
    pub(crate) fn raise_horizon(&mut self, seq: u64) {
        self.horizon = self.horizon.max(seq);
    }

    pub(crate) fn id_of(&self, channel: &str) -> Option<u32> {
        self.channels.id_of(channel)
    }

    pub(crate) fn channel(&self, id: u32) -> Option<Channel<'_>> {
        self.channels.get(id)
    }

    /// The channels that have lost records, from a floor and number on: the lowest floors first.
    pub(crate) fn trimmed(&self, from: (u64, u32)) -> impl Iterator<Item = Channel<'_>> {
        self.floors.starting_at(from).filter_map(|id| self.channel(id))
    }

    /// The rule of a channel.
    pub(crate) fn rule_of(&self, id: u32) -> Rule {
        let slot = self.channels.get(id).map_or(0, |it| it.slot);
        self.spaces[slot].rule
    }

    /// The bytes that a namespace has to drop, those that wait included. A namespace that refuses
    /// when it is full drops nothing for room.
    pub(crate) fn excess(&self, slot: usize) -> u64 {
        let space = &self.spaces[slot];
        let has = space.bytes + space.waiting_bytes;
        let excess = match space.rule.when_full {
            WhenFull::Refuse => 0,
            WhenFull::Trim => has.saturating_sub(self.bytes_max(slot)),
        };
        if !self.is_sweeping() {
            return excess;
        }
        // Channels that have not moved yet are counted here, and others must not go for them. What all
        // namespaces have is known at any time. [log:rules]
        let others = self.all_bytes().saturating_sub(space.bytes_and_part().0);
        excess.min((others + has).saturating_sub(self.limits.bytes_max))
    }

    /// The oldest records of a namespace's channels, one for each channel, the oldest first.
    pub(crate) fn oldest(&mut self, slot: usize, max: usize) -> Vec<(u64, u32)> {
        let mut oldest: Vec<_> = self.spaces[slot].by_first.iter().take(max).copied().collect();
        if self.is_sweeping() {
            for (_, id) in &oldest {
                self.look_at_early(*id);
            }
            oldest.retain(|(_, id)| self.channels.get(*id).is_some_and(|it| it.slot == slot));
        }
        oldest
    }

    /// Some channels with records that have expired, or that their rule does not keep.
    pub(crate) fn to_trim(&self, now_ms: u64, max: usize) -> Vec<u32> {
        let mut ids = Vec::new();
        for space in &self.spaces {
            let by_first = space.by_first.iter().map(|(_, id)| *id);
            ids.extend(
                by_first
                    .take_while(|id| {
                        let first_ms = self.channels.get(*id).map(|it| it.figures.stats.first_ms);
                        first_ms.is_some_and(|first| is_expired(&space.rule, first, now_ms))
                    })
                    .take(max),
            );
            ids.extend(space.over.iter().take(max));
        }
        ids.truncate(max);
        ids
    }

    /// Some idle channels that have to make room for new ones of their namespaces, or that are too
    /// many since the limits have changed.
    /// [log:channels]
    pub(crate) fn to_forget(&self, max: usize) -> Vec<u32> {
        let (mut ids, shares) = (Vec::new(), self.channel_shares());
        // Namespaces that still count the channels of others seem to have too many. [log:rules]
        if self.is_sweeping() {
            return ids;
        }
        for space in &self.spaces {
            let most = shares.largest_use(space.channels_and_part());
            let above = space.channels.saturating_sub(most);
            let above = usize::try_from(above).unwrap_or(usize::MAX).min(max - ids.len());
            ids.extend(space.idle.iter().take(above).map(|(_, id)| *id));
        }
        ids
    }

    pub(crate) fn slots(&self) -> core::ops::Range<usize> {
        0..self.spaces.len()
    }

    /// Channels, records, their bytes, and keys.
    pub(crate) fn totals(&self) -> Totals {
        let sum = |of: fn(&Space) -> u64| self.spaces.iter().map(of).sum();
        Totals {
            channels: sum(|it| it.channels),
            records: sum(|it| it.records),
            bytes: sum(|it| it.bytes),
            keys: self.keys,
        }
    }

    /// The use of each namespace, that of the namespaces without a name first.
    pub(crate) fn uses(&self) -> Vec<SpaceUse> {
        let (bytes, channels) = (self.byte_shares(), self.channel_shares());
        let used = |it: &Space| {
            let channels_max = channels.largest_use(it.channels_and_part());
            it.used(bytes.largest_use(it.bytes_and_part()), channels_max)
        };
        self.order.iter().map(|slot| used(&self.spaces[*slot])).collect()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Channel<'_>> {
        (0..self.channels.len()).map(|at| self.channels.at(at))
    }
}

/// Figures of a whole log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Channels that are remembered.
    pub channels: u64,
    /// Records kept.
    pub records: u64,
    /// Their bytes, by [`Record::kept_bytes`].
    pub bytes: u64,
    /// Idempotency keys.
    pub keys: u64,
}

/// Whether a record of that time has expired.
pub(crate) const fn is_expired(rule: &Rule, time_ms: u64, now_ms: u64) -> bool {
    rule.keep_ms != Rule::FOREVER && time_ms.saturating_add(rule.keep_ms) <= now_ms
}
