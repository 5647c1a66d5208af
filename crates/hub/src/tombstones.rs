//! What is left of forgotten channels.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::Seq;

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

/// Channels without a record: of some of them the name and the last place, for the rest one
/// horizon, the newest message of any of them.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    by_name: HashMap<Rc<str>, Past>,
    /// No two messages share a place, so no two channels share a newest one.
    by_last: BTreeMap<Seq, Rc<str>>,
    horizon: Past,
}

impl Tombstones {
    pub(crate) fn len(&self) -> usize {
        self.by_last.len()
    }

    /// The newest message of which the channel is no longer known.
    pub(crate) fn horizon(&self) -> Past {
        self.horizon
    }

    /// What is known of a channel without a record.
    pub(crate) fn past(&self, name: &str) -> Past {
        self.by_name.get(name).copied().unwrap_or(Past { last: Seq::ZERO, ..self.horizon })
    }

    pub(crate) fn insert(&mut self, name: Rc<str>, past: Past, tombstones_max: usize) {
        self.remove(&name);
        self.by_last.insert(past.last, Rc::clone(&name));
        self.by_name.insert(name, past);
        // [hub:bound-tombstones]
        while self.by_last.len() > tombstones_max {
            self.fold();
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(past) = self.by_name.remove(name) {
            self.by_last.remove(&past.last);
        }
    }

    /// Those with a message after `seq`.
    pub(crate) fn after(&self, seq: Seq) -> impl Iterator<Item = (&Rc<str>, Past)> {
        let newer = self.by_last.range(seq.next()..);
        newer.filter_map(|(_, name)| self.by_name.get(name).map(|past| (name, *past)))
    }

    /// Forgets all; what was up to `floor` may have been in any channel.
    pub(crate) fn reset(&mut self, floor: Seq, dropped: Stamp) {
        *self = Self::default();
        self.horizon = Past { floor, dropped, ..Past::default() };
    }

    /// The oldest becomes a part of the horizon.
    fn fold(&mut self) {
        if let Some((last, name)) = self.by_last.pop_first() {
            let dropped = self.by_name.remove(&name).map_or(Stamp(0), |past| past.dropped);
            self.horizon.floor = self.horizon.floor.max(last);
            self.horizon.dropped = self.horizon.dropped.max(dropped);
        }
    }
}
