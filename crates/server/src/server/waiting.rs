//! Connections that wait for a visit because a turn did not reach them.

use std::collections::HashMap;

use sockeye_reactor::{FairQueue, Key};

/// Whom a connection's work is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A holder that the application names.
    Named(u64),
    /// The peer's address, as one number: an IPv4 address, or the network part of an IPv6 address.
    Address(u128),
}

/// The connections that wait. Holders get equal numbers of units, and so do the connections of one holder.
/// [server:fair-holders]
#[derive(Debug, Default)]
pub(super) struct Waiting {
    holders: FairQueue<Holder, ()>,
    /// The connections of each holder of which some wait.
    connections: HashMap<Holder, FairQueue<Key, ()>>,
}

impl Waiting {
    pub(super) fn add(&mut self, holder: Holder, key: Key) {
        self.holders.add(holder, ());
        self.connections.entry(holder).or_default().add(key, ());
    }

    /// Takes the connection whose visit is next. Call [`done`](Self::done) before the next call.
    pub(super) fn take(&mut self) -> Option<(Holder, Key)> {
        let (holder, ()) = self.holders.take()?;
        let (key, ()) = self.connections.get_mut(&holder)?.take()?;
        Some((holder, key))
    }

    /// Says that the visit that was taken last was so many units of work.
    pub(super) fn done(&mut self, holder: Holder, key: Key, units: u64) {
        self.holders.done(holder, units);
        let Some(connections) = self.connections.get_mut(&holder) else { return };
        connections.done(key, units);
        if connections.is_empty() {
            self.connections.remove(&holder);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.holders.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }
}
