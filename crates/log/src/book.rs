//! The book: what the log knows of its channels and namespaces, in memory.
//!
//! A loop asks it for room before it gives out a position; the log's thread enters each commit. Both
//! hold its lock only for a moment, never while the disk works.

mod space;

use std::collections::HashMap;
use std::sync::Arc;

pub use self::space::SpaceUse;
pub(crate) use self::space::is_over;
use self::space::{Listed, Space, largest_use};
use crate::policy::Policy;
use crate::record::kept_bytes;
use crate::rows::Stats;
use crate::{Limits, Record, Rule, WhenFull};

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: Arc<str>,
    /// Its namespace.
    pub(crate) slot: usize,
    pub(crate) stats: Stats,
    /// The first record that its row in the database does not count; zero if it counts all.
    pub(crate) unsaved: u64,
    /// Whether it has a row in the database.
    pub(crate) has_row: bool,
    /// Records that wait for their commit, and their bytes.
    waiting: u32,
    waiting_bytes: u64,
    /// Its idempotency keys.
    pub(crate) keys: u32,
}

impl Channel {
    const fn listed(&self) -> Listed {
        let is_idle = self.has_row
            && self.waiting == 0
            && self.keys == 0
            && self.stats.records == 0
            && self.stats.ended == 0;
        let Self { stats, waiting_bytes, has_row, .. } = *self;
        Listed { stats, waiting_bytes, has_row, is_idle }
    }
}

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
    policy: Policy,
    channels: HashMap<u32, Channel>,
    ids: HashMap<Arc<str>, u32>,
    next_id: u32,
    /// By the policy's slots.
    spaces: Vec<Space>,
    byte_pool: u64,
    channel_pool: u64,
    /// Keys that are kept or wait.
    keys: u64,
    /// The newest record of any channel that was forgotten.
    horizon: u64,
}

impl Book {
    pub(crate) fn new(limits: Limits, policy: Policy, horizon: u64) -> Self {
        let mut book = Self {
            limits,
            policy: Policy::default(),
            channels: HashMap::new(),
            ids: HashMap::new(),
            next_id: 1,
            spaces: Vec::new(),
            byte_pool: 0,
            channel_pool: 0,
            keys: 0,
            horizon,
        };
        book.set_policy(policy);
        book
    }

    /// Changes the rules. Channels move to their new namespaces.
    pub(crate) fn set_policy(&mut self, policy: Policy) {
        let bytes = policy.parts(self.limits.bytes_max, |rule| rule.share_bytes);
        let channels = policy.parts(self.limits.channels_max, |_| None);
        (self.byte_pool, self.channel_pool) = (bytes.pool, channels.pool);
        self.spaces.clear();
        for (rule, (bytes, channels)) in
            policy.rules().zip(bytes.reserved.into_iter().zip(channels.reserved))
        {
            self.spaces.push(Space::new(*rule, bytes, channels));
        }
        self.policy = policy;
        for (id, channel) in &mut self.channels {
            channel.slot = self.policy.slot_of(&channel.name);
            self.spaces[channel.slot].add(*id, channel.listed());
        }
    }

    /// Adds a channel that is in the database.
    pub(crate) fn restore(&mut self, id: u32, name: &str, stats: Stats, unsaved: u64) {
        self.next_id = self.next_id.max(id + 1);
        self.insert(id, name, stats, true);
        self.change(id, |channel| channel.unsaved = unsaved);
    }

    fn insert(&mut self, id: u32, name: &str, stats: Stats, has_row: bool) {
        let slot = self.policy.slot_of(name);
        let name: Arc<str> = name.into();
        self.ids.insert(Arc::clone(&name), id);
        let (waiting, waiting_bytes) = (0, 0);
        let channel =
            Channel { name, slot, stats, unsaved: 0, has_row, waiting, waiting_bytes, keys: 0 };
        self.spaces[slot].add(id, channel.listed());
        self.channels.insert(id, channel);
    }

    /// Changes a channel, and what its namespace knows of it.
    fn change(&mut self, id: u32, change: impl FnOnce(&mut Channel)) {
        let channel = self.channels.get_mut(&id).expect("only the log's thread removes channels");
        let before = channel.listed();
        change(channel);
        self.spaces[channel.slot].change(id, before, channel.listed());
    }

    /// Whether there is room for a record with a body of so many bytes. [log:no-room]
    pub(crate) fn room(&self, channel: &str, body_bytes: u64, has_key: bool) -> Result<(), NoRoom> {
        if has_key && self.keys >= self.limits.keys_max {
            return Err(NoRoom::Keys);
        }
        let known = self.ids.get(channel).and_then(|id| self.channels.get(id));
        let slot = known.map_or_else(|| self.policy.slot_of(channel), |it| it.slot);
        if known.is_none() && !self.has_room_for_channel(slot) {
            return Err(NoRoom::Channels);
        }
        let bytes = kept_bytes(channel, body_bytes);
        let space = &self.spaces[slot];
        // Records of a namespace that is trimmed make room for the new ones of the same commit.
        let stays = match space.rule.when_full {
            WhenFull::Refuse => space.bytes + space.waiting_bytes,
            WhenFull::Trim => space.waiting_bytes,
        };
        if stays + bytes <= self.bytes_max(slot) { Ok(()) } else { Err(NoRoom::Bytes) }
    }

    /// Whether a namespace may have one more channel, if need be in place of an idle one.
    fn has_room_for_channel(&self, slot: usize) -> bool {
        let space = &self.spaces[slot];
        space.channels < self.channels_max(slot) || space.waiting_channels < space.idle.len() as u64
    }

    /// The most bytes that a namespace may have now: its part, and what others leave of the pool.
    fn bytes_max(&self, slot: usize) -> u64 {
        let uses = self.spaces.iter().map(|it| (it.bytes_for_others(), it.part_bytes));
        largest_use(uses, slot, self.byte_pool)
    }

    fn channels_max(&self, slot: usize) -> u64 {
        let uses = self.spaces.iter().map(|it| (it.channels, it.part_channels));
        largest_use(uses, slot, self.channel_pool)
    }

    /// Takes room for a record that waits for its commit.
    pub(crate) fn reserve(&mut self, record: &Record) {
        let id = match self.ids.get(record.channel.as_str()) {
            Some(id) => *id,
            None => {
                let id = self.next_id;
                self.next_id += 1;
                self.insert(id, &record.channel, Stats::after(self.horizon), false);
                id
            }
        };
        self.change(id, |channel| {
            channel.waiting += 1;
            channel.waiting_bytes += record.kept_bytes();
        });
        self.keys += u64::from(record.key.is_some());
    }

    /// Gives back the room of records that were refused.
    pub(crate) fn release(&mut self, records: &[Record]) {
        for record in records {
            let id = self.ids[record.channel.as_str()];
            self.settle(id, record);
            self.keys -= u64::from(record.key.is_some());
            let channel = &self.channels[&id];
            if !channel.has_row && channel.waiting == 0 {
                self.forget(id);
            }
        }
    }

    /// Notes that a record waits no longer.
    fn settle(&mut self, id: u32, record: &Record) {
        self.change(id, |channel| {
            channel.waiting -= 1;
            channel.waiting_bytes -= record.kept_bytes();
        });
    }

    /// Notes that records are committed. [`set`](Self::set) has the figures of their channels.
    pub(crate) fn settle_all(&mut self, records: &[Record]) {
        for record in records {
            let id = self.ids[record.channel.as_str()];
            self.settle(id, record);
            if record.key.is_some() {
                self.change(id, |channel| channel.keys += 1);
            }
        }
    }

    /// Enters a channel's new figures. `unsaved`: the first record that its row does not count.
    pub(crate) fn set(&mut self, id: u32, stats: Stats, unsaved: u64) {
        self.change(id, |channel| {
            (channel.stats, channel.unsaved, channel.has_row) = (stats, unsaved, true);
        });
    }

    /// Enters keys that are in the database.
    pub(crate) fn restore_keys(&mut self, id: u32, keys: u32) {
        self.keys += u64::from(keys);
        if self.channels.contains_key(&id) {
            self.change(id, |channel| channel.keys += keys);
        }
    }

    /// Removes a key.
    pub(crate) fn drop_key(&mut self, id: u32) {
        self.keys -= 1;
        if self.channels.contains_key(&id) {
            self.change(id, |channel| channel.keys = channel.keys.saturating_sub(1));
        }
    }

    /// Forgets a channel.
    pub(crate) fn forget(&mut self, id: u32) {
        let Some(channel) = self.channels.remove(&id) else { return };
        self.ids.remove(&channel.name);
        self.spaces[channel.slot].remove(id, channel.listed());
    }

    /// Forgets a channel whose row is gone. If a record waits for it, it begins anew.
    pub(crate) fn forget_row(&mut self, id: u32) {
        if self.channels.get(&id).is_some_and(|channel| channel.waiting == 0) {
            return self.forget(id);
        }
        let stats = Stats::after(self.horizon);
        self.change(id, |channel| {
            (channel.stats, channel.unsaved, channel.has_row) = (stats, 0, false);
        });
    }

    /// Notes that channels with records up to `seq` are about to be forgotten.
    pub(crate) fn raise_horizon(&mut self, seq: u64) {
        self.horizon = self.horizon.max(seq);
    }

    pub(crate) fn id_of(&self, channel: &str) -> Option<u32> {
        self.ids.get(channel).copied()
    }

    pub(crate) fn channel(&self, id: u32) -> Option<&Channel> {
        self.channels.get(&id)
    }

    /// The rule of a channel.
    pub(crate) fn rule_of(&self, id: u32) -> Rule {
        self.channels.get(&id).map_or(self.policy.rule, |it| self.spaces[it.slot].rule)
    }

    /// The bytes that a namespace has to drop, those that wait included. A namespace that refuses
    /// when it is full drops nothing for room.
    pub(crate) fn excess(&self, slot: usize) -> u64 {
        let space = &self.spaces[slot];
        let has = space.bytes + space.waiting_bytes;
        match space.rule.when_full {
            WhenFull::Refuse => 0,
            WhenFull::Trim => has.saturating_sub(self.bytes_max(slot)),
        }
    }

    /// The oldest records of a namespace's channels, one for each channel, the oldest first.
    pub(crate) fn oldest(&self, slot: usize, max: usize) -> Vec<(u64, u32)> {
        self.spaces[slot].by_first.iter().take(max).copied().collect()
    }

    /// Some channels with records that have expired, or that their rule does not keep.
    pub(crate) fn to_trim(&self, now_ms: u64, max: usize) -> Vec<u32> {
        let mut ids = Vec::new();
        for space in &self.spaces {
            let by_first = space.by_first.iter().map(|(_, id)| *id);
            ids.extend(
                by_first
                    .take_while(|id| {
                        let first_ms = self.channels[id].stats.first_ms;
                        is_expired(&space.rule, first_ms, now_ms)
                    })
                    .take(max),
            );
            ids.extend(space.over.iter().take(max));
        }
        ids.truncate(max);
        ids
    }

    /// Idle channels that have to make room for the new ones of their namespaces.
    /// [log:channels]
    pub(crate) fn to_forget(&self) -> Vec<u32> {
        let mut ids = Vec::new();
        for (slot, space) in self.spaces.iter().enumerate() {
            let above = space.channels.saturating_sub(self.channels_max(slot));
            let above = usize::try_from(above).unwrap_or(usize::MAX);
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
        let names =
            core::iter::once(None).chain(self.policy.named.iter().map(|(name, _)| Some(name)));
        let spaces = self.spaces.iter().enumerate().zip(names);
        spaces
            .map(|((slot, space), name)| space.used(name.cloned(), self.bytes_max(slot)))
            .collect()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
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
