//! What the nodes say of themselves, for people. No verdict follows from it.

use std::collections::BTreeMap;

use sockeye_service::sequencing::LogNode;

use crate::entry::{Entry, FIRST_VERSION, Lease};

/// Nodes that are remembered.
const NODES_MAX: usize = 1_024;

/// The longest name that is remembered, and the longest release, in bytes.
const TEXT_BYTES_MAX: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Roster {
    by_id: BTreeMap<u64, LogNode>,
    has_changed: bool,
}

impl Roster {
    /// Takes the lease at a place. Those who are gone at this log time are forgotten.
    pub(super) fn note(&mut self, entry: &Entry<'_>, lease: &Lease<'_>, (seq, now_ms): (u64, u64)) {
        self.has_changed = true;
        self.by_id.retain(|_, node| node.until_ms > now_ms);
        if lease.until_ms <= now_ms {
            self.by_id.remove(&lease.node);
            return;
        }
        let head = entry.witness.map_or(0, |witness| witness.seq);
        let node = LogNode {
            node: lease.node,
            name: short(lease.name),
            release: lease.program.map(short),
            entries: lease.reads.unwrap_or(FIRST_VERSION),
            rules: lease.rules,
            head,
            lag_entries: seq.saturating_sub(head + 1),
            until_ms: lease.until_ms,
            is_own: false,
        };
        self.by_id.insert(lease.node, node);
        if self.by_id.len() > NODES_MAX {
            let first = self.by_id.values().min_by_key(|node| node.until_ms).map(|node| node.node);
            first.and_then(|node| self.by_id.remove(&node));
        }
    }

    /// The nodes, if one of them has changed since the last call.
    pub(super) fn take_changed(&mut self, own: u64) -> Option<Vec<LogNode>> {
        if !core::mem::take(&mut self.has_changed) {
            return None;
        }
        let nodes = self.by_id.values().cloned();
        Some(nodes.map(|node| LogNode { is_own: node.node == own, ..node }).collect())
    }
}

/// The beginning of a text.
fn short(text: &str) -> Box<str> {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].into()
}
