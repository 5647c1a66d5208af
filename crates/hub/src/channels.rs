//! All channels: their records, the bounds on their history, and their eviction.

mod bare;
mod refit;
mod restore;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

use self::refit::Part;
use crate::channel::Channel;
use crate::holders::Holdings;
use crate::index::Index;
use crate::name::namespace;
use crate::order::Order;
use crate::share::{largest, share};
use crate::spaces::{SettingsId, Spaces};
use crate::timeline::Timeline;
use crate::tombstones::{Past, Stamp, Tombstones};
use crate::{Entry, Kind, Seq, Settings};

/// All channels of a hub, in a slab.
///
/// A channel with history, subscribers or pending messages has a record. An evicted one has a
/// tombstone.
#[derive(Debug)]
pub(crate) struct Channels<M> {
    records: Vec<Option<Channel<M>>>,
    free: Vec<u32>,
    /// Random keys prevent chosen collisions. Never iterated.
    by_name: HashMap<Rc<str>, u32>,
    pub(crate) tombstones: Tombstones,
    /// Records with a message since they were created, by segments and newest message.
    pub(crate) written: Index,
    /// The messages in history.
    pub(crate) timeline: Timeline,
    /// Records with history, by newest message, a list for each namespace.
    holding: Order,
    /// Bytes of history of each namespace.
    held_bytes: Vec<usize>,
    /// Written records without subscribers or pending messages, by last use, a list for each
    /// namespace.
    idle: Order,
    /// Records of each namespace.
    held: Vec<usize>,
    /// Records of each namespace of which no message is known.
    bare: Vec<usize>,
    /// The holders that subscribe such records.
    pub(crate) holdings: Holdings,
    /// Records of each namespace that have ended or are about to. One that was not written has a
    /// tombstone, which counts instead of it.
    endings: Vec<usize>,
    /// When messages expire: one alarm for each record, at its oldest message's time or earlier. It is
    /// at zero for a record that is above its bounds.
    alarms: BTreeSet<(u64, u32)>,
    stamp: Stamp,
    /// The parts that are still to be fitted to new settings.
    refit: VecDeque<Part>,
    /// The namespaces of some records are other ones, and these records may be filed elsewhere yet.
    is_moving: bool,
    /// Messages and bytes of history.
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// Records evicted, and messages dropped, for lack of room.
    pub(crate) evicted_channels: u64,
    pub(crate) evicted_messages: u64,
}

impl<M> Default for Channels<M> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            free: Vec::new(),
            by_name: HashMap::new(),
            tombstones: Tombstones::default(),
            written: Index::default(),
            timeline: Timeline::default(),
            holding: Order::default(),
            idle: Order::default(),
            held_bytes: Vec::new(),
            held: Vec::new(),
            bare: Vec::new(),
            holdings: Holdings::default(),
            endings: Vec::new(),
            alarms: BTreeSet::new(),
            stamp: Stamp::default(),
            refit: VecDeque::new(),
            is_moving: false,
            messages: 0,
            bytes: 0,
            evicted_channels: 0,
            evicted_messages: 0,
        }
    }
}

impl<M> Channels<M> {
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn record(&self, index: u32) -> &Channel<M> {
        let record = self.records[index as usize].as_ref();
        record.expect("a used record stays")
    }

    pub(crate) fn record_mut(&mut self, index: u32) -> &mut Channel<M> {
        let record = self.records[index as usize].as_mut();
        record.expect("a used record stays")
    }

    /// What the hub remembers of a channel: from its record, its tombstone or the horizon.
    pub(crate) fn past(&self, name: &str, config: &Spaces) -> Past {
        match self.find(name) {
            Some(index) => self.record(index).past,
            None => self.tombstones.past(name, config),
        }
    }

    /// The number of channels that have ended or are about to.
    pub(crate) fn endings(&self, config: &Spaces) -> usize {
        (0..config.slots()).map(|slot| self.endings_of(slot)).sum()
    }

    fn endings_of(&self, slot: usize) -> usize {
        count(&self.endings, slot) + self.tombstones.ended(slot)
    }

    /// The settings of a record, also while records move to other namespaces.
    pub(crate) fn settings<'c>(&self, index: u32, config: &'c Spaces) -> &'c Settings {
        config.by_id(self.settings_id(index, config))
    }

    /// The same as the slot of the record's namespace.
    pub(crate) fn settings_id(&self, index: u32, config: &Spaces) -> SettingsId {
        let record = self.record(index);
        match self.is_moving {
            true => config.id_of(namespace(&record.name)),
            false => record.settings,
        }
    }

    /// Whether one more channel of the namespace may end.
    pub(crate) fn may_end(&self, id: SettingsId, config: &Spaces) -> bool {
        let (first, ended_max) = (config.limits.ended_max / 2, config.limits.ended_max);
        // [hub:bound-ended]
        self.endings(config) < first
            || self.endings_of(id.slot()) < share(ended_max - first, config)
    }

    /// Counts a message of the channel that waits for the log.
    pub(crate) fn begin_pending(&mut self, index: u32, kind: Kind) {
        self.engage(index);
        let record = self.record_mut(index);
        record.pending += 1;
        if kind == Kind::End {
            record.ending = true;
            let id = record.settings;
            *count_mut(&mut self.endings, id.slot()) += 1;
        }
    }

    /// Counts one pending message of the channel less.
    pub(crate) fn settle_pending(&mut self, index: u32, kind: Kind) {
        let record = self.record_mut(index);
        record.settle_pending(kind);
        if kind == Kind::End {
            let id = record.settings;
            *count_mut(&mut self.endings, id.slot()) -= 1;
        }
    }

    /// The next stamp, for a drop or a subscription.
    pub(crate) fn next_stamp(&mut self) -> Stamp {
        self.stamp.0 += 1;
        self.stamp
    }

    /// Evicts idle records until one more fits; false if none may be evicted.
    pub(crate) fn make_room(&mut self, id: SettingsId, config: &Spaces) -> bool {
        while self.len() >= config.limits.channels_max {
            // [hub:bound-channels]
            let Some(index) = self.record_to_evict(id, config) else { return false };
            self.evicted_channels += 1;
            self.retire(index, config);
        }
        true
    }

    /// The idle record to evict for a newcomer: of the newcomer's namespace if that is at its
    /// share, else of the largest namespace. A namespace within its share loses a record only if
    /// the newcomer's namespace is below its share.
    fn record_to_evict(&self, id: SettingsId, config: &Spaces) -> Option<u32> {
        let share = share(config.limits.channels_max, config);
        let held = |slot| count(&self.held, slot);
        let has_share = held(id.slot()) >= share;
        // [hub:shares]
        if let Some(own) = self.idle.first_of(id.slot()).filter(|_| has_share) {
            return Some(own);
        }
        let others = (0..config.slots()).filter(|slot| self.idle.first_of(*slot).is_some());
        let others = others.filter(|slot| !has_share || held(*slot) > share);
        self.idle.first_of(largest(others, held)?)
    }

    /// Creates the record of a channel that has none. Its tombstone stays until a newer message
    /// replaces it.
    pub(crate) fn add(&mut self, name: &str, config: &Spaces) -> u32 {
        self.add_with(name, self.tombstones.past(name, config), config)
    }

    /// Creates the record of a channel that has none, and of which this is known.
    fn add_with(&mut self, name: &str, past: Past, config: &Spaces) -> u32 {
        let name: Rc<str> = name.into();
        let id = config.id_of(namespace(&name));
        *count_mut(&mut self.held, id.slot()) += 1;
        *count_mut(&mut self.bare, id.slot()) += usize::from(!past.is_known());
        let record = Channel::new(Rc::clone(&name), id, past);
        let index = match self.free.pop() {
            Some(index) => {
                self.records[index as usize] = Some(record);
                index
            }
            None => {
                self.records.push(Some(record));
                u32::try_from(self.records.len() - 1).expect("channels are bounded")
            }
        };
        self.by_name.insert(name, index);
        index
    }

    /// Notes that the record is in use.
    pub(crate) fn engage(&mut self, index: u32) {
        self.idle.remove(index);
    }

    /// Makes the record idle, or removes it, if it is no longer in use.
    pub(crate) fn settle(&mut self, index: u32, config: &Spaces) {
        if !self.record(index).is_unused() {
            return;
        }
        if self.written.has(index) {
            self.file(index, config);
            self.idle.put_last_of(self.record(index).settings.slot(), index);
        } else {
            self.retire(index, config);
        }
    }

    /// Appends the newest message of the log to its channel's history. Returns whether that fits the
    /// channel's bounds now; if not, [`expire`](Self::expire) goes on to drop messages.
    #[must_use]
    pub(crate) fn push(&mut self, index: u32, entry: Rc<Entry<M>>, config: &Spaces) -> bool {
        self.file(index, config);
        let id = self.record(index).settings;
        if self.is_bare(index) {
            self.holdings.release(index);
            *count_mut(&mut self.bare, id.slot()) -= 1;
        }
        let was_written = self.written.has(index);
        if !was_written {
            self.tombstones.remove(&entry.channel, config);
            let past = self.record(index).past;
            self.record_mut(index).node = self.written.add(&entry.channel, past);
        }
        let seq = entry.seq();
        self.timeline.push(seq, index);
        self.messages += 1;
        self.bytes += entry.bytes() as u64;
        *count_mut(&mut self.held_bytes, id.slot()) += entry.bytes();
        let record = self.record_mut(index);
        let had_ended = was_written && record.past.ended;
        record.push(entry);
        let (has_ended, node) = (record.past.ended, record.node);
        let endings = count_mut(&mut self.endings, id.slot());
        *endings = *endings + usize::from(has_ended) - usize::from(had_ended);
        let history_ms = config.by_id(id).history_ms;
        self.written.note_written(index, node, seq);
        self.holding.put_last_of(id.slot(), index);
        let mut left = config.limits.drops_per_call_max.max(1);
        let fits = self.trim(index, config, &mut left);
        if fits {
            self.set_alarm(index, history_ms);
        } else {
            self.set_alarm_at_once(index);
        }
        fits
    }

    /// Drops messages above the channel's own bounds, at most `left`. True if the channel fits now.
    fn trim(&mut self, index: u32, config: &Spaces, left: &mut usize) -> bool {
        // [hub:bound-ring]
        loop {
            let record = self.record(index);
            let (ring, settings) = (&record.ring, config.by_id(record.settings));
            let over_count = ring.len() > settings.history_messages_max;
            if !over_count && ring.bytes() <= settings.history_bytes_max as u64 {
                return true;
            }
            if *left == 0 {
                return false;
            }
            *left -= 1;
            self.drop_oldest(index);
        }
    }

    /// Whether something is above the bounds of the whole hub.
    #[inline]
    pub(crate) fn is_over(&self, config: &Spaces) -> bool {
        self.bytes > config.limits.history_bytes_max as u64
            || self.len() > config.limits.channels_max
            || self.tombstones.is_over(config)
    }

    /// Drops messages, evicts records and folds tombstones above the bounds of the whole hub, at most
    /// `left`. The last record goes whole.
    pub(crate) fn enforce(&mut self, config: &Spaces, left: &mut usize) {
        // [hub:bound-bytes] [hub:shares] The largest namespace is above its share.
        while self.bytes > config.limits.history_bytes_max as u64 && *left > 0 {
            let slot = largest(0..config.slots(), |slot| count(&self.held_bytes, slot));
            let Some(index) = slot.and_then(|slot| self.holding.first_of(slot)) else { break };
            *left -= 1;
            self.evicted_messages += 1;
            self.drop_oldest(index);
            self.retire_if_bare(index, config);
        }
        while self.len() > config.limits.channels_max && *left > 0 {
            let idle = (0..config.slots()).filter(|slot| self.idle.first_of(*slot).is_some());
            let slot = largest(idle, |slot| count(&self.held, slot));
            let Some(index) = slot.and_then(|slot| self.idle.first_of(slot)) else { break };
            *left = left.saturating_sub(1 + self.record(index).ring.len());
            self.evicted_channels += 1;
            self.retire(index, config);
        }
        self.tombstones.enforce(config, left);
    }

    /// Drops expired messages, and those above the bounds of channels whose newest message has not
    /// dropped all of them, at most `left`.
    pub(crate) fn expire(&mut self, now_ms: u64, config: &Spaces, left: &mut usize) {
        while let Some((deadline, index)) = self.alarms.first().copied() {
            if deadline > now_ms || *left == 0 {
                break;
            }
            *left -= 1;
            self.clear_alarm(index);
            self.file(index, config);
            if !self.trim(index, config, left) {
                self.set_alarm_at_once(index);
                break;
            }
            let history_ms = self.settings(index, config).history_ms;
            // [hub:bound-age]
            while *left > 0 && self.age_deadline(index, history_ms).is_some_and(|it| it <= now_ms) {
                *left -= 1;
                self.drop_oldest(index);
            }
            self.set_alarm(index, history_ms);
            self.retire_if_bare(index, config);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.alarms.first().map(|(deadline, _)| *deadline)
    }

    /// Drops all history. Messages up to `floor` may have been in any channel.
    pub(crate) fn reset(&mut self, floor: Seq, config: &Spaces) {
        let dropped = self.next_stamp();
        for index in 0..self.records.len() {
            if self.records[index].is_none() {
                continue;
            }
            let index = u32::try_from(index).expect("channels are bounded");
            while !self.record(index).ring.is_empty() {
                self.drop_oldest(index);
            }
            if !self.is_bare(index) {
                let id = self.record(index).settings;
                *count_mut(&mut self.bare, id.slot()) += 1;
            }
            if self.written.has(index) {
                self.written.remove(index, self.record(index).node);
            }
            self.idle.remove(index);
            let record = self.record_mut(index);
            record.past = Past { floor, dropped, ..Past::default() };
            self.settle(index, config);
        }
        self.written = Index::default();
        self.tombstones.reset(floor, dropped);
        self.endings.clear();
    }

    /// Forgets all pending messages.
    pub(crate) fn clear_pending(&mut self) {
        for record in self.records.iter_mut().flatten() {
            (record.pending, record.ending) = (0, false);
        }
    }

    fn drop_oldest(&mut self, index: u32) {
        let dropped = self.next_stamp();
        let record = self.record_mut(index);
        let Some(entry) = record.ring.pop() else { return };
        record.past.floor = entry.seq();
        record.past.dropped = dropped;
        let (emptied, node) = (record.ring.is_empty(), record.node);
        self.timeline.remove(entry.seq());
        self.written.note_dropped(node, entry.seq(), dropped);
        self.messages -= 1;
        self.bytes -= entry.bytes() as u64;
        let slot = self.record(index).settings.slot();
        *count_mut(&mut self.held_bytes, slot) -= entry.bytes();
        if emptied {
            self.holding.remove(index);
            self.clear_alarm(index);
        }
    }

    /// Replaces an idle record without history by a tombstone.
    fn retire_if_bare(&mut self, index: u32, config: &Spaces) {
        if self.idle.has(index) && self.record(index).ring.is_empty() {
            self.retire(index, config);
        }
    }

    /// Evicts an unused record: drops its history and leaves a tombstone.
    fn retire(&mut self, index: u32, config: &Spaces) {
        while !self.record(index).ring.is_empty() {
            self.drop_oldest(index);
        }
        let Some(record) = self.records[index as usize].take() else { return };
        *count_mut(&mut self.held, record.settings.slot()) -= 1;
        debug_assert!(record.is_unused(), "a used record stays");
        self.by_name.remove(&record.name);
        self.free.push(index);
        self.idle.remove(index);
        if self.written.has(index) {
            self.written.remove(index, record.node);
            // [hub:tombstone]
            *count_mut(&mut self.endings, record.settings.slot()) -= usize::from(record.past.ended);
            self.tombstones.insert(record.name, record.past, config);
        } else if !record.past.is_known() {
            *count_mut(&mut self.bare, record.settings.slot()) -= 1;
        }
    }

    fn age_deadline(&self, index: u32, history_ms: u64) -> Option<u64> {
        let oldest = self.record(index).ring.oldest()?;
        oldest.time_ms.checked_add(history_ms)
    }

    fn set_alarm(&mut self, index: u32, history_ms: u64) {
        if self.record(index).alarm.is_some() {
            return;
        }
        let Some(deadline) = self.age_deadline(index, history_ms) else { return };
        self.alarms.insert((deadline, index));
        self.record_mut(index).alarm = Some(deadline);
    }

    /// Has the next call look at a channel that is above its bounds.
    fn set_alarm_at_once(&mut self, index: u32) {
        self.clear_alarm(index);
        self.alarms.insert((0, index));
        self.record_mut(index).alarm = Some(0);
    }

    fn clear_alarm(&mut self, index: u32) {
        if let Some(deadline) = self.record_mut(index).alarm.take() {
            self.alarms.remove(&(deadline, index));
        }
    }
}

fn count(counts: &[usize], slot: usize) -> usize {
    counts.get(slot).copied().unwrap_or(0)
}

fn count_mut(counts: &mut Vec<usize>, slot: usize) -> &mut usize {
    if counts.len() <= slot {
        counts.resize(slot + 1, 0);
    }
    &mut counts[slot]
}
