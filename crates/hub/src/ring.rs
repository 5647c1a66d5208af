//! The history of one channel.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::{Entry, Seq};

/// The entries in a channel's history, in the order of the log.
#[derive(Debug)]
pub(crate) struct Ring<M> {
    entries: VecDeque<Rc<Entry<M>>>,
    bytes: u64,
}

impl<M> Default for Ring<M> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0 }
    }
}

impl<M> Ring<M> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of all entries.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn push(&mut self, entry: Rc<Entry<M>>) {
        self.bytes += entry.bytes() as u64;
        self.entries.push_back(entry);
    }

    /// Removes the oldest entry. An empty ring owns no memory.
    pub(crate) fn pop(&mut self) -> Option<Rc<Entry<M>>> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.bytes() as u64;
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    pub(crate) fn entry(&self, index: usize) -> Option<&Rc<Entry<M>>> {
        self.entries.get(index)
    }

    pub(crate) fn oldest(&self) -> Option<&Rc<Entry<M>>> {
        self.entry(0)
    }

    /// The index of the first entry after `seq`; the length if there is none.
    pub(crate) fn index_after(&self, seq: Seq) -> usize {
        self.entries.partition_point(|entry| entry.seq() <= seq)
    }
}
