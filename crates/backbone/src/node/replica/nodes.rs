//! The nodes of the log, and the last ticket of each.

use std::collections::BTreeMap;

use super::Ticket;
use crate::digest::Digest;
use crate::entry::{FIRST_VERSION, KnownNode, Lease};

/// The nodes that have an entry behind the horizon.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_id: BTreeMap<u64, KnownNode>,
}

impl Nodes {
    /// The nodes that a horizon tells of.
    pub(super) fn told(nodes: &[KnownNode]) -> Self {
        Self { by_id: nodes.iter().map(|node| (node.node, *node)).collect() }
    }

    /// What a horizon has to tell: all known nodes. One that the horizon forgets may have written once more before the
    /// horizon is read.
    pub(super) fn tell(&self) -> Vec<KnownNode> {
        self.by_id.values().copied().collect()
    }

    pub(super) fn next_ticket(&self, node: u64) -> Option<u64> {
        self.by_id.get(&node).map(|node| node.last.saturating_add(1))
    }

    /// Takes an offer if its ticket is the next one of a known node: so each is taken once, and in order,
    /// however often it is in the log.
    pub(super) fn take(&mut self, ticket: Ticket, seq: u64) -> bool {
        let node = self.by_id.get_mut(&ticket.node);
        let Some(node) = node.filter(|node| node.last.checked_add(1) == Some(ticket.number)) else {
            return false;
        };
        (node.last, node.seen) = (ticket.number, seq);
        true
    }

    pub(super) fn renew(&mut self, lease: &Lease<'_>, seq: u64) {
        let new =
            KnownNode { node: lease.node, last: 0, seen: 0, leased: 0, until_ms: 0, reads: None };
        let node = self.by_id.entry(lease.node).or_insert(new);
        // The node has given up what it does not offer any more.
        node.last = node.last.max(lease.ticket.saturating_sub(1));
        (node.seen, node.leased, node.until_ms) = (seq, seq, lease.until_ms);
        node.reads = lease.reads;
    }

    /// Whether all nodes that are there at a log time read entries of this version.
    pub(super) fn all_read(&self, version: u8, time_ms: u64) -> bool {
        let mut there = self.by_id.values().filter(|node| node.until_ms > time_ms);
        there.all(|node| node.reads.unwrap_or(FIRST_VERSION) >= version)
    }

    pub(super) fn forget(&mut self, through: u64) {
        self.by_id.retain(|_, node| node.seen > through);
    }

    pub(super) fn digest(&self, digest: Digest) -> Digest {
        let digest = digest.number(self.by_id.len() as u64);
        self.by_id.values().fold(digest, |digest, node| {
            let digest = digest.number(node.node).number(node.last).number(node.seen);
            let digest = digest.number(node.leased).number(node.until_ms);
            digest.number(u64::from(node.reads.unwrap_or_default()))
        })
    }
}
