//! The history of one channel.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::{Entry, Seq};

/// The entries in a channel's history, in the order of the log.
///
/// Each slot has the sum of bytes before it, so that a binary search finds both the entries after a
/// position and their bytes.
#[derive(Debug)]
pub(crate) struct Ring<M> {
    slots: VecDeque<Slot<M>>,
    /// Bytes of all entries ever pushed.
    pushed: u64,
    /// Bytes of all entries ever popped.
    popped: u64,
}

#[derive(Debug)]
struct Slot<M> {
    entry: Rc<Entry<M>>,
    /// `pushed` before this entry.
    bytes_before: u64,
}

impl<M> Default for Ring<M> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), pushed: 0, popped: 0 }
    }
}

impl<M> Ring<M> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The bytes of all entries.
    pub(crate) fn bytes(&self) -> u64 {
        self.pushed - self.popped
    }

    pub(crate) fn push(&mut self, entry: Rc<Entry<M>>) {
        let bytes_before = self.pushed;
        self.pushed += entry.bytes() as u64;
        self.slots.push_back(Slot { entry, bytes_before });
    }

    /// Removes the oldest entry. An empty ring owns no memory.
    pub(crate) fn pop(&mut self) -> Option<Rc<Entry<M>>> {
        let Slot { entry, .. } = self.slots.pop_front()?;
        self.popped += entry.bytes() as u64;
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
        }
        Some(entry)
    }

    pub(crate) fn entry(&self, index: usize) -> Option<&Rc<Entry<M>>> {
        self.slots.get(index).map(|slot| &slot.entry)
    }

    pub(crate) fn oldest(&self) -> Option<&Rc<Entry<M>>> {
        self.entry(0)
    }

    /// The index of the first entry after `seq`; the length if there is none.
    pub(crate) fn index_after(&self, seq: Seq) -> usize {
        self.slots.partition_point(|slot| slot.entry.seq() <= seq)
    }

    /// The bytes of the entries from `index` on.
    pub(crate) fn bytes_from(&self, index: usize) -> u64 {
        self.slots.get(index).map_or(0, |slot| self.pushed - slot.bytes_before)
    }

    /// The first index from which there are at most so many messages and bytes.
    pub(crate) fn index_of_last(&self, messages: usize, bytes: u64) -> usize {
        let by_count = self.len().saturating_sub(messages);
        let fits = |slot: &Slot<M>| self.pushed - slot.bytes_before <= bytes;
        by_count.max(self.slots.partition_point(|slot| !fits(slot)))
    }
}
