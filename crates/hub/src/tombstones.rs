//! What is left of forgotten channels.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::config::SettingsId;
use crate::name::namespace;
use crate::share::gives_way;
use crate::{Config, Seq};

/// A point in the hub's own order of drops and subscriptions. The log's order is too coarse for
/// it: messages grow old, and subscribers come, while nothing is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) u64);

/// How far back the hub knows a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// The newest message, zero if none is known.
    pub(crate) last: Seq,
    /// The newest message that was ever dropped, or may have been.
    pub(crate) floor: Seq,
    /// When the last one was dropped.
    pub(crate) dropped: Stamp,
    /// Whether the newest message is the channel's last for good.
    pub(crate) ended: bool,
}

impl Past {
    /// Whether there may have been messages of which the hub no longer knows.
    pub(crate) fn is_forgotten(self) -> bool {
        self.last == Seq::ZERO && self.floor > Seq::ZERO
    }

    /// What is true of either channel.
    fn or(self, other: Self) -> Self {
        let (floor, dropped) = (self.floor.max(other.floor), self.dropped.max(other.dropped));
        Self { floor, dropped, ..Self::default() }
    }
}

/// Channels without a record: of some of them the name and the last place, for the rest of each
/// namespace one horizon, the newest message of any of them.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    by_name: BTreeMap<Rc<str>, Past>,
    /// When the latest drop was in any channel that has ever been here.
    newest_drop: Stamp,
    /// Of channels that have not ended, by namespace.
    spaces: Vec<Space>,
    /// How many those are.
    len: usize,
    /// Of channels that have ended. These are never forgotten: how many channels end is bounded.
    ended: BTreeMap<Seq, Rc<str>>,
    /// The horizon of all namespaces.
    base: Past,
}

#[derive(Debug, Default)]
struct Space {
    /// No two messages share a place, so no two channels share a newest one.
    by_last: BTreeMap<Seq, Rc<str>>,
    horizon: Past,
}

impl Tombstones {
    /// Of channels that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The channels that have ended.
    pub(crate) fn ended(&self) -> impl Iterator<Item = &Rc<str>> {
        self.ended.values()
    }

    /// The newest message of which the channel is no longer known, in any namespace.
    pub(crate) fn horizon(&self) -> Past {
        self.spaces.iter().fold(self.base, |past, space| past.or(space.horizon))
    }

    /// What is known of a channel without a record.
    pub(crate) fn past(&self, name: &str, config: &Config) -> Past {
        if let Some(past) = self.by_name.get(name) {
            return *past;
        }
        let space = self.spaces.get(config.id_of(namespace(name)).slot());
        space.map_or(self.base, |space| self.base.or(space.horizon))
    }

    pub(crate) fn insert(&mut self, name: Rc<str>, past: Past, id: SettingsId, config: &Config) {
        self.remove(&name, id);
        self.newest_drop = self.newest_drop.max(past.dropped);
        self.by_name.insert(Rc::clone(&name), past);
        // [hub:ended] A fold would forget it, and the channel would take messages again.
        if past.ended {
            self.ended.insert(past.last, name);
            return;
        }
        self.space(id).by_last.insert(past.last, name);
        self.len += 1;
        let tombstones_max = config.limits.tombstones_max;
        // [hub:bound-tombstones]
        while self.len > tombstones_max {
            let held = |slot| self.spaces.get(slot).map_or(0, |it: &Space| it.by_last.len());
            let slot = gives_way(held, id.slot(), tombstones_max, config);
            self.fold(slot);
        }
    }

    pub(crate) fn remove(&mut self, name: &str, id: SettingsId) {
        match self.by_name.remove(name) {
            Some(past) if past.ended => drop(self.ended.remove(&past.last)),
            Some(past) => {
                let removed = self.space(id).by_last.remove(&past.last);
                self.len -= usize::from(removed.is_some());
            }
            None => {}
        }
    }

    /// Nothing of a channel that is known here was dropped later.
    pub(crate) fn newest_drop(&self) -> Stamp {
        self.newest_drop
    }

    /// Those from `name` on, in the order of their names.
    pub(crate) fn named_from(&self, name: &str) -> impl Iterator<Item = (&Rc<str>, Past)> {
        let names = self.by_name.range::<str, _>((Bound::Included(name), Bound::Unbounded));
        names.map(|(name, past)| (name, *past))
    }

    /// Those with a message after `seq`.
    pub(crate) fn after(&self, seq: Seq) -> impl Iterator<Item = (&Rc<str>, Past)> {
        let lists = self.spaces.iter().map(|space| &space.by_last).chain([&self.ended]);
        let newer = lists.flat_map(move |by_last| by_last.range(seq.next()..));
        newer.filter_map(|(_, name)| self.by_name.get(name).map(|past| (name, *past)))
    }

    /// Forgets all; what was up to `floor` may have been in any channel.
    pub(crate) fn reset(&mut self, floor: Seq, dropped: Stamp) {
        *self = Self::default();
        self.base = Past { floor, dropped, ..Past::default() };
    }

    /// Takes on other namespaces. What was forgotten in one may be another's channel now.
    pub(crate) fn refile(&mut self, config: &Config) {
        self.base = self.horizon();
        self.len = 0;
        for space in std::mem::take(&mut self.spaces) {
            for name in space.by_last.into_values() {
                let Some(past) = self.by_name.remove(&name) else { continue };
                let id = config.id_of(namespace(&name));
                self.insert(name, past, id, config);
            }
        }
    }

    fn space(&mut self, id: SettingsId) -> &mut Space {
        if self.spaces.len() <= id.slot() {
            self.spaces.resize_with(id.slot() + 1, Space::default);
        }
        &mut self.spaces[id.slot()]
    }

    /// The oldest of a namespace becomes a part of its horizon.
    fn fold(&mut self, slot: usize) {
        let Some(space) = self.spaces.get_mut(slot) else { return };
        if let Some((last, name)) = space.by_last.pop_first() {
            let dropped = self.by_name.remove(&name).map_or(Stamp(0), |past| past.dropped);
            space.horizon = space.horizon.or(Past { floor: last, dropped, ..Past::default() });
            self.len -= 1;
        }
    }
}
