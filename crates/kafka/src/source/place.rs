//! The place in a partition: what is done, and what is to be committed. Pure state.
//!
//! ```text
//!      floor            next
//!  ──────┼────────────────┼──────────►  offsets
//!  done  │ pending or done │ not read; some may be done, by the metadata of the last commit
//! ```
//!
//! Kafka keeps one offset for each partition, the floor: all before it is done. Which ones behind it are done, too, stands in
//! the metadata of the commit. Without that they would be published again by the next owner, however long ago it was.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

/// How far reading may be ahead of the floor: their bits have to fit into the metadata of a commit, which has 4,096 bytes.
pub(super) const AHEAD_MAX: i64 = 16_384;

/// The first word of the metadata.
const WORD: &str = "sockeye";

/// The place in one partition of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The first offset that was not read.
    next: i64,
    /// What was read and is not acknowledged.
    pending: BTreeSet<i64>,
    /// What is done, from `next` on.
    done: BTreeSet<i64>,
    /// What the server was told last.
    told: Option<(i64, String)>,
}

impl Place {
    /// The place of a commit in a topic with this life. What belongs to a former topic of the name does not count.
    pub(super) fn committed(life: &str, floor: i64, metadata: &str) -> Self {
        if floor < 0 {
            return Self::default();
        }
        let mut place = Self { next: floor, ..Self::default() };
        let mut words = metadata.split(' ');
        if words.next() != Some(WORD) {
            return place;
        }
        if words.next() != Some(life) {
            return Self::default();
        }
        let bits = words.next().and_then(|it| BASE64.decode(it).ok()).unwrap_or_default();
        let bits = bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        let done =
            (floor..floor.saturating_add(AHEAD_MAX)).zip(bits).filter(|(_, is_done)| *is_done);
        place.done = done.map(|(offset, _)| offset).collect();
        place.told = Some((floor, metadata.to_owned()));
        place
    }

    /// The first offset that was not read.
    pub(super) const fn next(&self) -> i64 {
        self.next
    }

    /// How many messages were read and are not acknowledged.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether a message was read and is not acknowledged.
    pub(super) fn is_pending(&self, offset: i64) -> bool {
        self.pending.contains(&offset)
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.next.saturating_sub(self.floor()) < AHEAD_MAX
    }

    /// Everything before it is done.
    fn floor(&self) -> i64 {
        self.pending.first().copied().unwrap_or(self.next)
    }

    /// A message was read. Returns whether it is to be published.
    pub(super) fn read(&mut self, offset: i64) -> bool {
        self.next = self.next.max(offset.saturating_add(1));
        !self.done.remove(&offset) && self.pending.insert(offset)
    }

    /// All before this offset was read.
    pub(super) fn read_to(&mut self, next: i64) {
        self.next = self.next.max(next);
        self.done = self.done.split_off(&self.next);
    }

    /// The log has other offsets now: reading goes on at this one, and what was read before is not waited for.
    pub(super) fn jump_to(&mut self, next: i64) {
        *self = Self { next, told: self.told.take(), ..Self::default() };
    }

    /// A message is acknowledged, maybe before it was read again.
    pub(super) fn acknowledge(&mut self, offset: i64) {
        if !self.pending.remove(&offset) && offset >= self.next {
            self.done.insert(offset);
        }
    }

    /// What is to be committed, if the server does not know it.
    pub(super) fn commit(&self, life: &str) -> Option<(i64, String)> {
        let floor = self.floor();
        let mut bits = Vec::new();
        let ahead = (floor..self.next).filter(|offset| !self.pending.contains(offset));
        for offset in ahead.chain(self.done.iter().copied()) {
            let at = usize::try_from(offset - floor).expect("the floor is below");
            if offset - floor >= AHEAD_MAX {
                break;
            }
            if bits.len() <= at / 8 {
                bits.resize(at / 8 + 1, 0_u8);
            }
            bits[at / 8] |= 1 << (at % 8);
        }
        let commit = (floor, format!("{WORD} {life} {}", BASE64.encode(bits)));
        (self.told.as_ref() != Some(&commit)).then_some(commit)
    }

    /// The server knows this commit.
    pub(super) fn told(&mut self, commit: (i64, String)) {
        self.told = Some(commit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place as the next owner has it.
    fn restored(place: &Place) -> Place {
        let (floor, metadata) = place.commit("l").expect("there is news");
        assert!(metadata.len() <= 4_096, "{}", metadata.len());
        Place::committed("l", floor, &metadata)
    }

    fn given(place: &mut Place, offsets: core::ops::Range<i64>) -> Vec<i64> {
        offsets.filter(|offset| place.read(*offset)).collect()
    }

    #[test]
    fn the_floor_is_the_oldest_message_that_is_not_acknowledged() {
        let mut place = Place::committed("l", -1, "");
        assert_eq!(given(&mut place, 0..6), [0, 1, 2, 3, 4, 5]);
        for offset in [4, 1, 2] {
            place.acknowledge(offset);
        }
        assert_eq!(place.commit("l").map(|it| it.0), Some(0));
        let mut next = restored(&place);
        assert_eq!((next.next(), given(&mut next, 0..8)), (0, vec![0, 3, 5, 6, 7]));
        place.acknowledge(0);
        assert_eq!(place.commit("l").map(|it| it.0), Some(3));
        assert_eq!(given(&mut restored(&place), 3..7), [3, 5, 6]);
        let commit = place.commit("l").expect("news");
        place.told(commit);
        assert_eq!(place.commit("l"), None);
    }

    #[test]
    fn one_slow_message_costs_no_memory_of_others_without_end() {
        let mut place = Place::default();
        let mut offset = 0;
        while place.has_room() {
            assert!(place.read(offset));
            if offset % 2 == 1 {
                place.acknowledge(offset);
            }
            offset += 1;
        }
        assert_eq!(offset, AHEAD_MAX);
        let mut next = restored(&place);
        assert!(given(&mut next, 0..AHEAD_MAX).iter().all(|it| it % 2 == 0));
        place.acknowledge(0);
        assert!(place.has_room());
    }

    #[test]
    fn what_is_acknowledged_before_it_is_read_again_is_not_given() {
        let mut place = Place::committed("l", 5, "");
        place.acknowledge(3);
        place.acknowledge(6);
        assert_eq!(place.commit("l").map(|it| it.0), Some(5));
        assert_eq!(given(&mut restored(&place), 5..8), [5, 7]);
        assert_eq!(given(&mut place, 5..8), [5, 7]);
    }

    #[test]
    fn holes_and_ends_of_transactions_are_done() {
        let mut place = Place::default();
        assert!(place.read(2));
        place.read_to(9);
        place.acknowledge(2);
        assert_eq!(place.commit("l").map(|it| it.0), Some(9));
    }

    #[test]
    fn a_commit_of_another_topic_does_not_count() {
        let mut place = Place::default();
        place.read_to(50);
        let (floor, metadata) = place.commit("old").expect("news");
        assert_eq!(Place::committed("new", floor, &metadata).next(), 0);
        assert_eq!(Place::committed("new", floor, "of another client").next(), 50);
        assert_eq!(Place::committed("old", floor, "sockeye old !").next(), 50, "no bits");
        place.jump_to(7);
        assert_eq!((place.next(), place.commit("l").map(|it| it.0)), (7, Some(7)));
    }
}
