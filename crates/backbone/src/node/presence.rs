//! The statements of nodes about the members of their streams: whose count, and who has not heard them.
//!
//! It follows from the log, and no verdict follows from it. A node that joins passes over what was said before, and says
//! in its lease from where on it has heard everything. The others then say all of it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sockeye_service::sequencing::{Batch, NodePresence, Outcome, PresenceNews, SequencerEvent};

/// Nodes whose word counts.
const NODES_MAX: usize = 1_024;

/// A lease, as presence needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) node: u64,
    /// Log time at its place.
    pub(super) time_ms: u64,
    pub(super) until_ms: u64,
    /// How long it is by the time of its writer. Nothing: the node goes.
    pub(super) length_ms: u64,
    /// The place behind which the node has heard everything.
    pub(super) heard: Option<u64>,
}

/// The nodes whose word counts.
#[derive(Debug)]
pub(super) struct Presences {
    own: u64,
    /// When each is gone, in [heard time](Self::heard_ms).
    ends: BTreeMap<u64, u64>,
    /// Those that have said something, as far as the services know.
    known: BTreeSet<u64>,
    /// The log is read again, and the services are told at its end who is gone.
    is_joining: bool,
    /// Log time, without the times in which nobody could write: an engine that was away ends no leases.
    heard_ms: u64,
    /// Log time at the last lease.
    last_ms: u64,
    /// How long the newest lease is.
    lease_ms: u64,
    /// The place behind which this node has heard everything.
    from: u64,
    /// The place from which on this node has said everything, and that at which it was asked to last.
    said_from: u64,
    asked_at: u64,
    /// News so far.
    count: u64,
}

impl Presences {
    pub(super) const fn new(own: u64, lease_ms: u64) -> Self {
        Self {
            own,
            ends: BTreeMap::new(),
            known: BTreeSet::new(),
            is_joining: true,
            heard_ms: 0,
            last_ms: 0,
            lease_ms,
            from: 0,
            said_from: 0,
            asked_at: 0,
            count: 0,
        }
    }

    /// The place behind which this node has heard everything.
    pub(super) const fn from(&self) -> u64 {
        self.from
    }

    /// The node reads the log from its first entry on.
    pub(super) const fn read_again(&mut self) {
        (self.is_joining, self.last_ms) = (true, 0);
    }

    /// The node has read the log up to a place. What was said before may be missing, and what the others have read of this
    /// node may not be what it has said.
    pub(super) fn join(&mut self, seq: u64, events: &mut Vec<SequencerEvent>) {
        (self.is_joining, self.from, self.said_from) = (false, seq, 0);
        let gone: Vec<u64> =
            self.known.iter().filter(|node| !self.ends.contains_key(node)).copied().collect();
        gone.into_iter().for_each(|node| self.end(NodePresence::Gone(node), node, events));
        self.repeat(seq, events);
    }

    /// Statements up to a place may be missing.
    pub(super) const fn miss(&mut self, seq: u64) {
        self.from = seq;
    }

    /// This node has to say everything again. At the end of a join it has to anyway.
    pub(super) fn repeat(&mut self, seq: u64, events: &mut Vec<SequencerEvent>) {
        if self.is_joining {
            return;
        }
        self.asked_at = seq;
        self.tell(NodePresence::Repeat, events);
    }

    /// Takes the lease at a place.
    pub(super) fn take_lease(&mut self, life: Life, seq: u64, events: &mut Vec<SequencerEvent>) {
        let passed = life.time_ms.saturating_sub(self.last_ms);
        self.heard_ms += passed.min(self.lease_ms / 2);
        self.last_ms = self.last_ms.max(life.time_ms);
        if life.length_ms == 0 {
            self.ends.remove(&life.node);
            self.end(NodePresence::Left(life.node), life.node, events);
        } else {
            self.lease_ms = life.length_ms;
            self.count_on(life.node, events);
        }
        self.end_leases(seq, events);
        // This node repeats its statements behind the place at which it was asked to.
        let has_missed = |heard: u64| heard >= self.said_from && heard > self.asked_at;
        if life.node != self.own && life.heard.is_some_and(has_missed) {
            self.repeat(seq, events);
        }
    }

    /// Takes what a node says of its members, at a place.
    pub(super) fn take(
        &mut self,
        node: u64,
        batch: Batch,
        seq: u64,
        events: &mut Vec<SequencerEvent>,
    ) {
        // Also this node's own word: it has to know when the others forget it.
        self.count_on(node, events);
        if node == self.own {
            if batch.begins {
                self.said_from = seq;
            }
            return;
        }
        self.known.insert(node);
        self.tell(NodePresence::Said(node, batch), events);
    }

    /// The word of a node counts, for as long as a lease.
    fn count_on(&mut self, node: u64, events: &mut Vec<SequencerEvent>) {
        self.ends.insert(node, self.heard_ms + self.lease_ms);
        if self.ends.len() > NODES_MAX
            && let Some(first) =
                self.ends.iter().min_by_key(|(_, end)| **end).map(|(node, _)| *node)
        {
            self.ends.remove(&first);
            self.end(NodePresence::Gone(first), first, events);
        }
    }

    fn end_leases(&mut self, seq: u64, events: &mut Vec<SequencerEvent>) {
        let heard_ms = self.heard_ms;
        let gone: Vec<u64> =
            self.ends.iter().filter(|(_, end)| **end <= heard_ms).map(|(node, _)| *node).collect();
        for node in gone {
            self.ends.remove(&node);
            match node == self.own {
                // The others have forgotten what this node has said.
                true => self.repeat(seq, events),
                false => self.end(NodePresence::Gone(node), node, events),
            }
        }
    }

    /// Tells the services that a node is gone, if they know it.
    fn end(&mut self, what: NodePresence, node: u64, events: &mut Vec<SequencerEvent>) {
        if !self.is_joining && self.known.remove(&node) {
            self.tell(what, events);
        }
    }

    fn tell(&mut self, what: NodePresence, events: &mut Vec<SequencerEvent>) {
        self.count += 1;
        let news = PresenceNews { number: self.count, what };
        events.push(Outcome::Presence(Arc::new(news)));
    }
}
