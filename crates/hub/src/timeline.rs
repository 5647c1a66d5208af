//! The messages in history, in the order of the log.

use std::collections::BTreeMap;

use crate::Seq;

/// Items of one chunk at the most. At least half of a chunk's items have a message.
const CHUNK: usize = 64;

const NONE: u32 = u32::MAX;

/// The channel of each message in history, by position. A message takes eight to sixteen bytes. A
/// message whose neighbors have gone takes about a hundred.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Full chunks, by the first position.
    full: BTreeMap<u64, Chunk>,
    /// The newest chunk.
    open: Chunk,
}

/// A part of the log.
#[derive(Debug, Default)]
struct Chunk {
    first: u64,
    /// Distances from the first position in ascending order, and channels; `NONE` for a message
    /// that has gone.
    items: Vec<(u32, u32)>,
    live: usize,
}

impl Chunk {
    /// The index of a message.
    fn find(&self, seq: Seq) -> Option<usize> {
        let distance = seq.0.wrapping_sub(self.first);
        // Without holes, a message's distance is its index.
        let index = usize::try_from(distance).ok()?;
        if self.items.get(index).is_some_and(|(it, _)| u64::from(*it) == distance) {
            return Some(index);
        }
        self.items.binary_search_by_key(&distance, |(it, _)| u64::from(*it)).ok()
    }

    /// Removes a message. True if the chunk is compacted.
    fn remove(&mut self, seq: Seq) -> bool {
        let Some(at) = self.find(seq) else { return false };
        let item = &mut self.items[at].1;
        self.live -= usize::from(std::mem::replace(item, NONE) != NONE);
        let is_sparse = self.live * 2 < self.items.len();
        if is_sparse {
            self.items.retain(|(_, channel)| *channel != NONE);
        }
        is_sparse
    }

    fn after(&self, seq: Seq) -> impl Iterator<Item = (Seq, u32)> + '_ {
        let items = self.items.iter().filter(|(_, channel)| *channel != NONE);
        let items = items.map(|(distance, it)| (Seq(self.first + u64::from(*distance)), *it));
        items.skip_while(move |(at, _)| *at <= seq)
    }
}

impl Timeline {
    /// Appends the newest message.
    pub(crate) fn push(&mut self, seq: Seq, channel: u32) {
        if self.open.items.is_empty() {
            self.open.first = seq.0;
        }
        let distance = u32::try_from(seq.0 - self.open.first);
        match distance {
            Ok(distance) if self.open.items.len() < CHUNK => {
                self.open.items.push((distance, channel));
            }
            _ => {
                let items = Vec::from([(0, channel)]);
                let full =
                    std::mem::replace(&mut self.open, Chunk { first: seq.0, items, live: 0 });
                self.full.insert(full.first, full);
            }
        }
        self.open.live += 1;
    }

    /// Removes a message.
    pub(crate) fn remove(&mut self, seq: Seq) {
        if seq.0 >= self.open.first {
            self.open.remove(seq);
            return;
        }
        let Some((first, chunk)) = self.full.range_mut(..=seq.0).next_back() else { return };
        if !chunk.remove(seq) {
            return;
        }
        if chunk.live == 0 {
            let first = *first;
            self.full.remove(&first);
        } else {
            chunk.items.shrink_to_fit();
        }
    }

    /// The messages after a position, and their channels.
    pub(crate) fn after(&self, seq: Seq) -> impl Iterator<Item = (Seq, u32)> + '_ {
        let first = self.full.range(..=seq.0).next_back().map_or(seq.0, |(first, _)| *first);
        let full = self.full.range(first..).map(|(_, chunk)| chunk);
        full.chain([&self.open]).flat_map(move |chunk| chunk.after(seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_map() {
        let (mut timeline, mut naive) = (Timeline::default(), BTreeMap::new());
        let (mut state, mut head) = (7_u32, 0_u64);
        for step in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let random = u64::from(state >> 8);
            if random % 5 < 3 {
                head += [1, 1, 1, 2, 1 << 33][(random / 5 % 5) as usize];
                timeline.push(Seq(head), step);
                naive.insert(Seq(head), step);
            } else if let Some(seq) = naive.keys().nth((random / 5) as usize % (naive.len() + 1)) {
                let seq = *seq;
                timeline.remove(seq);
                naive.remove(&seq);
            }
            if step % 64 == 0 {
                let at = Seq(random % (head + 2));
                let expected = naive.range(at.next()..).map(|(seq, channel)| (*seq, *channel));
                assert!(timeline.after(at).eq(expected), "after {at:?} in step {step}");
            }
            if step == 15_000 {
                let all: Vec<Seq> = naive.keys().copied().collect();
                all.into_iter().for_each(|seq| timeline.remove(seq));
                naive.clear();
                assert_eq!((timeline.full.len(), timeline.open.items.len()), (0, 0));
            }
        }
    }

    /// A quiet channel's messages between those of a busy one keep little alive.
    #[test]
    fn a_message_whose_neighbors_have_gone_is_small() {
        let mut timeline = Timeline::default();
        (1..=64_000).for_each(|seq| timeline.push(Seq(seq), 1));
        (1..=64_000).filter(|seq| seq % 64 != 3).for_each(|seq| timeline.remove(Seq(seq)));
        let chunks = timeline.full.values().chain([&timeline.open]);
        assert!(chunks.clone().all(|chunk| chunk.items.len() == 1), "one message each");
        let full: usize = timeline.full.values().map(|chunk| chunk.items.capacity()).sum();
        assert!(full <= 2 * timeline.full.len(), "{full}");
    }
}
