//! Tombstones: the name and newest message of each evicted channel, and horizons for folded ones.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::Seq;
use crate::name::namespace;
use crate::share::evicted_namespace;
use crate::spaces::{SettingsId, Spaces};

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
    /// The tombstones of each namespace.
    spaces: Vec<Namespace>,
    /// The number of tombstones of channels that have not ended.
    pub(crate) len: usize,
    /// The horizon of channels of unknown namespace, from before a `reset`.
    base: Past,
}

#[derive(Debug, Default)]
struct Namespace {
    /// Channels that have not ended, by newest message, which no two channels share.
    by_last: BTreeMap<Seq, Rc<str>>,
    /// Ended channels, likewise. They are never folded; their number is bounded.
    ended: BTreeMap<Seq, Rc<str>>,
    horizon: Past,
}

impl Namespace {
    fn list(&mut self, ended: bool) -> &mut BTreeMap<Seq, Rc<str>> {
        if ended { &mut self.ended } else { &mut self.by_last }
    }
}

/// Tombstones of a namespace that one insertion folds at the most. A bound that was lowered leaves
/// the others to [`Tombstones::enforce`].
const FOLDS: usize = 2;

impl Tombstones {
    /// The tombstones of ended channels in a namespace.
    pub(crate) fn ended(&self, slot: usize) -> usize {
        self.spaces.get(slot).map_or(0, |space| space.ended.len())
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
    pub(crate) fn past(&self, name: &str, config: &Spaces) -> Past {
        if let Some(past) = self.by_name.get(name) {
            return *past;
        }
        let space = self.spaces.get(config.id_of(namespace(name)).slot());
        space.map_or(self.base, |space| self.base.covering(space.horizon))
    }

    pub(crate) fn insert(&mut self, name: Rc<str>, past: Past, config: &Spaces) {
        self.remove(&name, config);
        self.newest_drop = self.newest_drop.max(past.dropped);
        self.by_name.insert(Rc::clone(&name), past);
        let id = config.id_of(namespace(&name));
        self.space(id).list(past.ended).insert(past.last, name);
        // [hub:ended] If it were folded, the channel would take messages again.
        if past.ended {
            return;
        }
        self.len += 1;
        for _ in 0..FOLDS {
            if !self.is_over(config) {
                break;
            }
            self.fold_one(id, config);
        }
    }

    /// Whether there are more than there may be.
    #[inline]
    pub(crate) fn is_over(&self, config: &Spaces) -> bool {
        self.len > config.limits.tombstones_max
    }

    /// Folds tombstones above the bound, at most `left`.
    pub(crate) fn enforce(&mut self, config: &Spaces, left: &mut usize) {
        while *left > 0 && self.is_over(config) {
            *left -= 1;
            self.fold_one(SettingsId::REST, config);
        }
    }

    /// Folds the oldest tombstone of the namespace whose turn it is, now that one of `id` has come.
    fn fold_one(&mut self, id: SettingsId, config: &Spaces) {
        // [hub:bound-tombstones]
        let held = |slot| self.spaces.get(slot).map_or(0, |it: &Namespace| it.by_last.len());
        let slot = evicted_namespace(held, id.slot(), config.limits.tombstones_max, config);
        self.fold(slot, config);
    }

    pub(crate) fn remove(&mut self, name: &str, config: &Spaces) {
        let Some(past) = self.by_name.remove(name) else { return };
        // No other channel has the same newest message, so nothing else is removed.
        for id in config.filed(namespace(name)) {
            let was_there = self.space(id).list(past.ended).remove(&past.last).is_some();
            self.len -= usize::from(was_there && !past.ended);
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
        let lists = self.spaces.iter().flat_map(|space| [&space.by_last, &space.ended]);
        let newer = lists.flat_map(move |by_last| by_last.range(seq.next()..));
        newer.filter_map(|(_, name)| self.by_name.get(name).map(|past| (name, *past)))
    }

    /// The newest message of a tombstone: in one of these namespaces, or in all.
    pub(crate) fn newest(&self, ids: Option<[SettingsId; 2]>) -> Seq {
        let is_sought = |slot| ids.is_none_or(|ids| ids.iter().any(|id| id.slot() == slot));
        let spaces = self.spaces.iter().enumerate().filter(|(slot, _)| is_sought(*slot));
        let lists = spaces.flat_map(|(_, space)| [&space.by_last, &space.ended]);
        let newest = lists.filter_map(BTreeMap::last_key_value);
        newest.map(|(last, _)| *last).max().unwrap_or_default()
    }

    /// Forgets every tombstone. Messages up to `floor` may have been in any channel.
    pub(crate) fn reset(&mut self, floor: Seq, dropped: Stamp) {
        *self = Self::default();
        self.base = Past { floor, dropped, ..Past::default() };
    }

    /// Begins to move tombstones to other namespaces. A namespace that has got settings of its own
    /// shares what was folded of the rest, and one that has lost them leaves it what was folded of its
    /// own.
    pub(crate) fn begin_refile(&mut self, config: &Spaces) {
        let rest = self.space(SettingsId::REST).horizon;
        for (id, _) in config.moving() {
            let space = self.space(id);
            let horizon = space.horizon;
            match config.is_own(id) {
                true => space.horizon = horizon.covering(rest),
                false => {
                    let rest = self.space(SettingsId::REST);
                    rest.horizon = rest.horizon.covering(horizon);
                }
            }
        }
    }

    /// Moves the next tombstone of a namespace to the list where it belongs. `after` is the name of
    /// the one before. Returns its name; `None` if there are no more.
    pub(crate) fn refile_next(
        &mut self,
        namespace: &str,
        after: Option<&str>,
        config: &Spaces,
    ) -> Option<Rc<str>> {
        let within =
            |name: &str| name.strip_prefix(namespace).is_some_and(|rest| rest.starts_with(':'));
        let next = |after: &str| {
            let names = (Bound::Excluded(after), Bound::Unbounded);
            let next = self.by_name.range::<str, _>(names).next();
            next.filter(|(name, _)| within(name))
        };
        let found = match after {
            // A channel may have the name of the namespace alone.
            None => self.by_name.get_key_value(namespace).or_else(|| next(&first_of(namespace))),
            Some(after) if after == namespace => next(&first_of(namespace)),
            Some(after) => next(after),
        };
        let (name, past) = found.map(|(name, past)| (Rc::clone(name), *past))?;
        let [home, other] = config.filed(namespace);
        if let Some(name) = self.space(other).list(past.ended).remove(&past.last) {
            self.space(home).list(past.ended).insert(past.last, name);
        }
        Some(name)
    }

    /// Forgets what was folded of a namespace whose slot is free now.
    pub(crate) fn clear(&mut self, id: SettingsId) {
        let space = self.space(id);
        debug_assert!(space.by_last.is_empty() && space.ended.is_empty(), "all have moved");
        *space = Namespace::default();
    }

    fn space(&mut self, id: SettingsId) -> &mut Namespace {
        if self.spaces.len() <= id.slot() {
            self.spaces.resize_with(id.slot() + 1, Namespace::default);
        }
        &mut self.spaces[id.slot()]
    }

    /// Folds a namespace's oldest tombstone into the horizon of the channel's namespace.
    fn fold(&mut self, slot: usize, config: &Spaces) {
        let Some(space) = self.spaces.get_mut(slot) else { return };
        let Some((last, name)) = space.by_last.pop_first() else { return };
        self.len -= 1;
        let dropped = self.by_name.remove(&name).map_or(Stamp(0), |past| past.dropped);
        let space = self.space(config.id_of(namespace(&name)));
        space.horizon = space.horizon.covering(Past { floor: last, dropped, ..Past::default() });
    }
}

/// A text that all names in a namespace follow, and no other name between them.
fn first_of(namespace: &str) -> String {
    [namespace, ":"].concat()
}

#[cfg(test)]
impl Tombstones {
    /// Checks that each tombstone is in one list: of its namespace, or where that moves from.
    pub(crate) fn audit(&self, config: &Spaces, is_moving: bool) {
        let mut listed = 0;
        for (slot, space) in self.spaces.iter().enumerate() {
            for (last, name, ended) in [(&space.by_last, false), (&space.ended, true)]
                .into_iter()
                .flat_map(|(list, ended)| list.iter().map(move |(last, name)| (last, name, ended)))
            {
                listed += 1;
                let past = self.by_name[name];
                assert_eq!((past.last, past.ended), (*last, ended), "{name}");
                let [home, other] = config.filed(namespace(name));
                let is_there = home.slot() == slot || is_moving && other.slot() == slot;
                assert!(is_there, "{name} is in slot {slot}");
            }
        }
        assert_eq!(listed, self.by_name.len());
        assert_eq!(self.len, self.by_name.values().filter(|past| !past.ended).count());
    }
}
