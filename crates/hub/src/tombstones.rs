//! Tombstones: the name and newest message of each evicted channel, and horizons for folded ones.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::config::SettingsId;
use crate::name::namespace;
use crate::share::evicted_namespace;
use crate::{Config, Seq};

/// A point in the hub's own order of drops and subscriptions. Log positions are too coarse for it,
/// because messages expire and subscribers come while nothing is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) u64);

/// What the hub remembers of a channel's messages, whether they are still in history or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// The newest message; zero if none is known.
    pub(crate) last: Seq,
    /// The floor: the newest message that was, or may have been, dropped.
    pub(crate) floor: Seq,
    /// The stamp of the channel's latest drop.
    pub(crate) dropped: Stamp,
    /// Whether the newest message ended the channel.
    pub(crate) ended: bool,
}

impl Past {
    /// Whether a message is known.
    pub(crate) fn is_known(self) -> bool {
        self.last > Seq::ZERO
    }

    /// Whether there may have been messages that the hub has forgotten.
    pub(crate) fn is_forgotten(self) -> bool {
        self.last == Seq::ZERO && self.floor > Seq::ZERO
    }

    /// The horizon that covers both.
    fn covering(self, other: Self) -> Self {
        let (floor, dropped) = (self.floor.max(other.floor), self.dropped.max(other.dropped));
        Self { floor, dropped, ..Self::default() }
    }
}

/// What the hub remembers of channels without a record.
///
/// A tombstone keeps a channel's name and newest message. When there are too many, the oldest of a
/// namespace is folded into its *horizon*: the newest message of any folded channel.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    by_name: BTreeMap<Rc<str>, Past>,
    /// The latest drop in any channel that has ever had a tombstone.
    newest_drop: Stamp,
    /// Tombstones of channels that have not ended, by namespace.
    spaces: Vec<Namespace>,
    /// The number of tombstones of channels that have not ended.
    pub(crate) len: usize,
    /// Tombstones of ended channels. They are never folded; their number is bounded.
    ended: BTreeMap<Seq, Rc<str>>,
    /// The horizon of channels of unknown namespace, from before a `reset` or `refile`.
    base: Past,
}

#[derive(Debug, Default)]
struct Namespace {
    /// By newest message, which no two channels share.
    by_last: BTreeMap<Seq, Rc<str>>,
    horizon: Past,
}

impl Tombstones {
    /// The channels that have ended.
    pub(crate) fn ended(&self) -> impl Iterator<Item = &Rc<str>> {
        self.ended.values()
    }

    /// Whether a channel has a tombstone.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The horizon over all namespaces: the newest message of any folded channel.
    pub(crate) fn horizon(&self) -> Past {
        self.spaces.iter().fold(self.base, |past, space| past.covering(space.horizon))
    }

    /// What is remembered of a channel without a record.
    pub(crate) fn past(&self, name: &str, config: &Config) -> Past {
        if let Some(past) = self.by_name.get(name) {
            return *past;
        }
        let space = self.spaces.get(config.id_of(namespace(name)).slot());
        space.map_or(self.base, |space| self.base.covering(space.horizon))
    }

    pub(crate) fn insert(&mut self, name: Rc<str>, past: Past, id: SettingsId, config: &Config) {
        self.remove(&name, id);
        self.newest_drop = self.newest_drop.max(past.dropped);
        self.by_name.insert(Rc::clone(&name), past);
        // [hub:ended] If it were folded, the channel would take messages again.
        if past.ended {
            self.ended.insert(past.last, name);
            return;
        }
        self.space(id).by_last.insert(past.last, name);
        self.len += 1;
        let tombstones_max = config.limits.tombstones_max;
        // [hub:bound-tombstones]
        while self.len > tombstones_max {
            let held = |slot| self.spaces.get(slot).map_or(0, |it: &Namespace| it.by_last.len());
            let slot = evicted_namespace(held, id.slot(), tombstones_max, config);
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

    /// The latest drop: no message of a channel that has ever had a tombstone was dropped later.
    pub(crate) const fn newest_drop(&self) -> Stamp {
        self.newest_drop
    }

    /// Tombstones from `name` on, in the order of names.
    pub(crate) fn named_from(&self, name: &str) -> impl Iterator<Item = (&Rc<str>, Past)> {
        let names = self.by_name.range::<str, _>((Bound::Included(name), Bound::Unbounded));
        names.map(|(name, past)| (name, *past))
    }

    /// Tombstones with a message after `seq`.
    pub(crate) fn after(&self, seq: Seq) -> impl Iterator<Item = (&Rc<str>, Past)> {
        let lists = self.spaces.iter().map(|space| &space.by_last).chain([&self.ended]);
        let newer = lists.flat_map(move |by_last| by_last.range(seq.next()..));
        newer.filter_map(|(_, name)| self.by_name.get(name).map(|past| (name, *past)))
    }

    /// The newest message of a tombstone: of one namespace, or of all.
    pub(crate) fn newest(&self, id: Option<SettingsId>) -> Seq {
        let of = |it: &SettingsId| it.slot()..it.slot() + 1;
        let slots = id.as_ref().map_or(0..self.spaces.len(), of);
        let lists = slots.filter_map(|slot| self.spaces.get(slot)).map(|space| &space.by_last);
        let newest = lists.chain([&self.ended]).filter_map(|it| it.last_key_value());
        newest.map(|(last, _)| *last).max().unwrap_or_default()
    }

    /// Forgets every tombstone. Messages up to `floor` may have been in any channel.
    pub(crate) fn reset(&mut self, floor: Seq, dropped: Stamp) {
        *self = Self::default();
        self.base = Past { floor, dropped, ..Past::default() };
    }

    /// Sorts the tombstones into other namespaces. A folded channel may belong to another namespace
    /// now, so all horizons become one.
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

    fn space(&mut self, id: SettingsId) -> &mut Namespace {
        if self.spaces.len() <= id.slot() {
            self.spaces.resize_with(id.slot() + 1, Namespace::default);
        }
        &mut self.spaces[id.slot()]
    }

    /// Folds a namespace's oldest tombstone into its horizon.
    fn fold(&mut self, slot: usize) {
        let Some(space) = self.spaces.get_mut(slot) else { return };
        if let Some((last, name)) = space.by_last.pop_first() {
            let dropped = self.by_name.remove(&name).map_or(Stamp(0), |past| past.dropped);
            space.horizon =
                space.horizon.covering(Past { floor: last, dropped, ..Past::default() });
            self.len -= 1;
        }
    }
}
