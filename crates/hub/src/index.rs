//! The index of written channels by the segments of their names.
//!
//! ```text
//!                      (root)                    newest 9
//!                     /      \
//!                 rooms:      sensors:           newest 9, newest 4
//!                /      \            \
//!         rooms:7    rooms:8:         sensors:a      a channel, a node, a channel
//!                        |
//!                    rooms:8:chat
//! ```
//!
//! A node stands for a prefix that names share. It knows the newest message below it and the newest
//! floor, and lists its channels and nodes from the newest message on. So a search visits only
//! nodes with something newer than its cursor.

use std::collections::HashMap;
use std::rc::Rc;

use crate::Seq;
use crate::order::Order;
use crate::tombstones::{Past, Stamp};

/// The node of the empty prefix.
pub(crate) const ROOT: u32 = 0;

/// The segments of the longest prefix that has a node. It bounds the nodes of one channel.
const SEGMENTS_MAX: usize = 3;

#[derive(Debug)]
pub(crate) struct Index {
    nodes: Vec<Node>,
    free: Vec<u32>,
    by_prefix: HashMap<Rc<str>, u32>,
    /// The channels of each node, by newest message.
    channels: Order,
    /// The nodes directly below each node, by newest message.
    below: Order,
}

/// The channels whose names begin with one prefix.
#[derive(Debug)]
pub(crate) struct Node {
    /// The first segments of its channels' names, each with its `:`.
    pub(crate) prefix: Rc<str>,
    parent: u32,
    segments: u32,
    /// Channels and nodes directly below it.
    children: u32,
    /// The newest message of a channel below it.
    pub(crate) newest: Seq,
    /// No channel below it has a floor above this.
    pub(crate) floor: Seq,
    /// No channel below it has dropped a message after this.
    pub(crate) dropped: Stamp,
}

impl Node {
    fn new(prefix: Rc<str>, parent: u32, segments: u32) -> Self {
        let (newest, floor, dropped) = Default::default();
        Self { prefix, parent, segments, children: 0, newest, floor, dropped }
    }

    /// Whether it has all names with its prefix, also those with several segments after it.
    pub(crate) const fn is_deepest(&self) -> bool {
        self.segments as usize == SEGMENTS_MAX
    }
}

impl Default for Index {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new("".into(), ROOT, 0)],
            free: Vec::new(),
            by_prefix: HashMap::new(),
            channels: Order::default(),
            below: Order::default(),
        }
    }
}

impl Index {
    pub(crate) fn has(&self, channel: u32) -> bool {
        self.channels.has(channel)
    }

    pub(crate) fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// The node of a prefix, if it has channels.
    pub(crate) fn find(&self, prefix: &str) -> Option<u32> {
        if prefix.is_empty() { Some(ROOT) } else { self.by_prefix.get(prefix).copied() }
    }

    /// The node of the longest beginning of a prefix that has channels.
    pub(crate) fn nearest(&self, prefix: &str) -> &Node {
        let mut prefix = prefix;
        loop {
            if let Some(node) = self.find(prefix) {
                return self.node(node);
            }
            prefix = shorter(prefix);
        }
    }

    /// A node's channels, from the newest message on.
    pub(crate) fn channels(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        self.channels.newest_first_of(node as usize)
    }

    /// The nodes directly below a node, from the newest message on.
    pub(crate) fn below(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        self.below.newest_first_of(node as usize)
    }

    /// Adds a channel, and returns its node.
    pub(crate) fn add(&mut self, name: &str, past: Past) -> u32 {
        let ends = name.bytes().enumerate().filter(|(_, byte)| *byte == b':');
        let end = ends.map(|(at, _)| at + 1).take(SEGMENTS_MAX).last().unwrap_or(0);
        let node = self.enter(&name[..end]);
        self.nodes[node as usize].children += 1;
        self.note_dropped(node, past.floor, past.dropped);
        node
    }

    /// Notes that the newest message of the log is in this channel of the node.
    pub(crate) fn note_written(&mut self, channel: u32, node: u32, seq: Seq) {
        self.channels.put_last_of(node as usize, channel);
        let mut at = node;
        while at != ROOT {
            let below = &mut self.nodes[at as usize];
            below.newest = seq;
            let parent = below.parent;
            self.below.put_last_of(parent as usize, at);
            at = parent;
        }
        self.nodes[ROOT as usize].newest = seq;
    }

    /// Notes that a channel of the node has dropped the message at `floor`.
    pub(crate) fn note_dropped(&mut self, mut node: u32, floor: Seq, dropped: Stamp) {
        loop {
            let at = &mut self.nodes[node as usize];
            at.floor = at.floor.max(floor);
            at.dropped = at.dropped.max(dropped);
            if node == ROOT {
                return;
            }
            node = at.parent;
        }
    }

    /// Removes a channel of the node.
    pub(crate) fn remove(&mut self, channel: u32, mut node: u32) {
        self.channels.remove(channel);
        loop {
            let at = &mut self.nodes[node as usize];
            at.children -= 1;
            if node == ROOT || at.children > 0 {
                return;
            }
            let parent = at.parent;
            let prefix = std::mem::replace(&mut at.prefix, "".into());
            self.by_prefix.remove(&prefix);
            self.below.remove(node);
            self.free.push(node);
            node = parent;
        }
    }

    /// The node of a prefix, created if there is none.
    fn enter(&mut self, prefix: &str) -> u32 {
        if let Some(node) = self.find(prefix) {
            return node;
        }
        let parent = self.enter(shorter(prefix));
        let above = &mut self.nodes[parent as usize];
        above.children += 1;
        let prefix: Rc<str> = prefix.into();
        let new = Node::new(Rc::clone(&prefix), parent, above.segments + 1);
        let node = match self.free.pop() {
            Some(node) => {
                self.nodes[node as usize] = new;
                node
            }
            None => {
                self.nodes.push(new);
                u32::try_from(self.nodes.len() - 1).expect("channels are bounded")
            }
        };
        self.by_prefix.insert(prefix, node);
        node
    }
}

/// A prefix that is not empty, without its last segment.
fn shorter(prefix: &str) -> &str {
    let end = prefix.strip_suffix(':').and_then(|it| it.rfind(':'));
    end.map_or("", |end| &prefix[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_lives_as_long_as_its_channels() {
        let mut index = Index::default();
        let names = ["a", "a:b", "a:b:c", "a:b:c:d", "a:b:c:d:e", "b:c"];
        let nodes: Vec<u32> = names.iter().map(|name| index.add(name, Past::default())).collect();
        let prefixes: Vec<&str> = nodes.iter().map(|node| &*index.node(*node).prefix).collect();
        assert_eq!(prefixes, ["", "a:", "a:b:", "a:b:c:", "a:b:c:", "b:"]);
        for (at, node) in (0_u32..).zip(&nodes) {
            index.note_written(at, *node, Seq(u64::from(at) + 1));
        }
        assert_eq!((index.channels.len(), index.nodes.len()), (6, 5));
        assert!(index.channels(nodes[3]).eq([4, 3]));
        let a = index.find("a:").expect("it has channels");
        assert!(index.below(ROOT).eq([nodes[5], a]));
        index.note_written(1, a, Seq(7));
        assert!(index.below(ROOT).eq([a, nodes[5]]));
        assert_eq!((index.node(a).newest, index.node(nodes[3]).newest), (Seq(7), Seq(5)));
        index.note_dropped(nodes[3], Seq(4), Stamp(1));
        assert_eq!((index.node(a).floor, index.node(nodes[5]).floor), (Seq(4), Seq(0)));
        for (at, node) in (0_u32..).zip(&nodes) {
            index.remove(at, *node);
        }
        assert_eq!((index.channels.len(), index.by_prefix.len(), index.free.len()), (0, 0, 4));
        assert_eq!(index.below(ROOT).count(), 0);
    }
}
