//! The chain: where each entry that was read stands, and the digest of all entries up to there.

use core::cmp::Ordering;
use std::collections::VecDeque;

use crate::digest::{self, Digest};
use crate::engine::Position;
use crate::entry::Witness;

/// Entries whose digests are kept. A witness that is older cannot be compared, and a horizon with such a witness
/// comes too late: it has to be more than what is on its way to the engine at a time.
const RING: usize = 65_536;

/// What was read of one life of a log, from its beginning or from the middle.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// The random number of the life.
    pub(super) nonce: u64,
    last: Link,
    ring: VecDeque<Link>,
    /// The first entry that was read under each fence, and its place.
    fences: Vec<(Position, u64)>,
}

/// An entry that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where the engine has it.
    pub(super) position: Position,
    /// Its place in the order of the log: 1, 2, 3 …, also where fences change.
    pub(super) seq: u64,
    /// The digest of its bytes.
    hash: u64,
    /// The digest of all entries up to it.
    pub(super) chain: u64,
}

/// How an entry follows the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// It is the next one.
    Next,
    /// It is the first one of a later fence. Its number does not tell whether entries are missing before it.
    Raised,
    /// It is the last one again, byte for byte.
    Same,
    /// Entries are missing before it.
    Hole,
    /// It cannot be: it stands where another one was, or before the last one.
    Other,
}

impl Follows {
    /// How an entry follows that at `last`, if it has the place of that one and `is_same` tells whether it has its bytes.
    pub(super) fn find(last: Position, position: Position, is_same: impl Fn() -> bool) -> Self {
        let next = last.number.saturating_add(1);
        match position.cmp(&last) {
            Ordering::Less => Self::Other,
            Ordering::Equal if is_same() => Self::Same,
            Ordering::Equal => Self::Other,
            Ordering::Greater if position.fence == last.fence && position.number == next => {
                Self::Next
            }
            Ordering::Greater if position.fence != last.fence && position.number == 1 => {
                Self::Raised
            }
            Ordering::Greater => Self::Hole,
        }
    }
}

impl Chain {
    /// Of a log that begins with this entry, which has the nonce, and this place in the order of the log.
    pub(super) fn begin(nonce: u64, seq: u64, position: Position, bytes: &[u8]) -> Self {
        let hash = digest::of(bytes);
        let chain = next(nonce, hash);
        Self::new(nonce, Link { position, seq, hash, chain })
    }

    /// Of a log that is read from its middle on: this entry is the one that somebody has witnessed.
    pub(super) fn resume(witness: &Witness, bytes: &[u8]) -> Self {
        let (position, hash) = (witness.position(), digest::of(bytes));
        let Witness { nonce, seq, chain, .. } = *witness;
        Self::new(nonce, Link { position, seq, hash, chain })
    }

    fn new(nonce: u64, last: Link) -> Self {
        let fences = vec![(last.position, last.seq)];
        Self { nonce, last, ring: VecDeque::from([last]), fences }
    }

    /// Whether this is the place of the first entry that was read.
    pub(super) fn begins_with(&self, seq: u64) -> bool {
        self.fences.first().is_some_and(|(_, first)| *first == seq)
    }

    /// The newest entry.
    pub(super) const fn last(&self) -> Link {
        self.last
    }

    /// How an entry would follow.
    pub(super) fn follows(&self, position: Position, bytes: &[u8]) -> Follows {
        Follows::find(self.last.position, position, || digest::of(bytes) == self.last.hash)
    }

    /// Adds the next entry, and returns its place.
    pub(super) fn push(&mut self, position: Position, bytes: &[u8]) -> u64 {
        let hash = digest::of(bytes);
        let Link { seq, chain, position: Position { fence, .. }, .. } = self.last;
        if position.fence != fence {
            self.fences.push((position, seq + 1));
        }
        self.last = Link { position, seq: seq + 1, hash, chain: next(chain, hash) };
        self.ring.push_back(self.last);
        if self.ring.len() > RING {
            self.ring.pop_front();
        }
        self.last.seq
    }

    /// Where the engine has an entry that was read.
    pub(super) fn position_of(&self, seq: u64) -> Option<Position> {
        let after = self.fences.partition_point(|(_, first)| *first <= seq);
        let (position, first) = self.fences[after.checked_sub(1)?];
        let number = position.number + (seq - first);
        (seq <= self.last.seq).then_some(Position::new(position.fence, number))
    }

    /// The digest of all entries up to one that is remembered.
    pub(super) fn chain_at(&self, seq: u64) -> Option<u64> {
        let at = self.ring.binary_search_by_key(&seq, |link| link.seq).ok()?;
        Some(self.ring[at].chain)
    }

    /// What this reader can witness.
    pub(super) fn witness(&self, epoch: u64) -> Witness {
        let Link { position, seq, chain, .. } = self.last;
        let Position { fence, number } = position;
        Witness { nonce: self.nonce, epoch, fence, number, seq, chain }
    }

    /// Whether the writer of an entry has surely read the same log.
    pub(super) fn confirms(&self, witness: &Witness) -> bool {
        let at = self.ring.binary_search_by_key(&witness.position(), |link| link.position);
        let link = at.ok().map(|at| self.ring[at]);
        witness.nonce == self.nonce
            && link.is_some_and(|it| (it.seq, it.chain) == (witness.seq, witness.chain))
    }

    /// Whether the writer of an entry behind the newest one has read the same log, as far as this can be told.
    pub(super) fn agrees(&self, witness: &Witness) -> bool {
        if witness.nonce != self.nonce || witness.position() > self.last.position {
            return false;
        }
        let at = self.ring.binary_search_by_key(&witness.position(), |link| link.position);
        match at {
            Ok(at) => self.ring[at].seq == witness.seq && self.ring[at].chain == witness.chain,
            // Before what is remembered: too long ago to tell.
            Err(0) => true,
            // Between two entries that were read there was none.
            Err(_) => false,
        }
    }
}

fn next(chain: u64, hash: u64) -> u64 {
    Digest::new().number(chain).number(hash).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(fence: u64, number: u64) -> Position {
        Position::new(fence, number)
    }

    #[test]
    fn entries_follow_each_other_by_number_and_content() {
        let mut chain = Chain::begin(7, 1, at(5, 1), b"birth");
        assert_eq!(chain.push(at(5, 2), b"a"), 2);
        for (position, bytes, wanted) in [
            (at(5, 3), b"b", Follows::Next),
            (at(5, 2), b"a", Follows::Same),
            (at(5, 2), b"b", Follows::Other),
            (at(5, 1), b"b", Follows::Other),
            (at(4, 9), b"b", Follows::Other),
            (at(5, 4), b"b", Follows::Hole),
            (at(6, 1), b"b", Follows::Raised),
            (at(6, 2), b"b", Follows::Hole),
        ] {
            assert_eq!(chain.follows(position, bytes), wanted, "{position}");
        }
        assert_eq!(chain.push(at(6, 1), b"raised"), 3);
        chain.push(at(6, 2), b"c");
        let positions = [1, 2, 3, 4].map(|seq| chain.position_of(seq).expect("it was read"));
        assert_eq!(positions, [at(5, 1), at(5, 2), at(6, 1), at(6, 2)]);
        assert_eq!([0, 5].map(|seq| chain.position_of(seq)), [None, None]);
    }

    #[test]
    fn a_witness_of_another_log_does_not_agree() {
        let mut one = Chain::begin(7, 1, at(5, 1), b"birth");
        let mut other = one.clone();
        one.push(at(5, 2), b"a");
        let before = one.witness(1);
        one.push(at(5, 3), b"c");
        assert!(one.agrees(&before) && one.agrees(&one.witness(1)));
        other.push(at(5, 2), b"b");
        assert!(!one.agrees(&other.witness(1)), "another entry at 5-2");
        other.push(at(5, 3), b"c");
        assert!(!one.agrees(&other.witness(1)), "the same entry at 5-3, another one before");
        let mut further = one.clone();
        further.push(at(5, 4), b"d");
        assert!(!one.agrees(&further.witness(1)), "it has read what is not there");
        let reborn = Chain::begin(8, 1, at(5, 1), b"birth");
        assert!(!one.agrees(&reborn.witness(1)), "another life");
        for number in 4..RING as u64 + 10 {
            one.push(at(5, number), b"x");
        }
        assert!(one.agrees(&other.witness(1)), "too long ago to tell");
        assert!(!one.agrees(&reborn.witness(1)), "but not of another life");
    }
}
