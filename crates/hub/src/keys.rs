//! Idempotency keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::Seq;

/// What was published under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Pending(Seq),
    Committed(Seq),
}

/// The keys of all channels. They outlive the channels' records.
///
/// A pending one is bounded by what may be pending; from its commit on it is bounded by count and
/// age: the bound forgets the oldest, whatever its age may be, so that a namespace that keeps its keys for
/// long does not have those of others forgotten. The map is keyed against chosen collisions, and never walked through, so no
/// outcome depends on its order.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Rc<str>, Known>,
    /// Those in the log by their place, with the time from when on each is forgotten.
    committed: BTreeMap<Seq, (u64, Rc<str>)>,
    /// The same by that time.
    deadlines: BTreeSet<(u64, Seq)>,
    /// Where channel and key are put together, reused.
    joint: String,
}

impl Keys {
    /// What is known under the key, and from now on: that it is pending at `seq`, if nothing was.
    pub(crate) fn known(&mut self, channel: &str, key: &str) -> Option<Known> {
        self.join(channel, key);
        self.known.get(self.joint.as_str()).copied()
    }

    pub(crate) fn begin(&mut self, channel: &str, key: &str, seq: Seq) -> Rc<str> {
        self.join(channel, key);
        let joint: Rc<str> = self.joint.as_str().into();
        self.known.insert(Rc::clone(&joint), Known::Pending(seq));
        joint
    }

    /// It is in the log, and is remembered up to `until_ms`.
    pub(crate) fn commit(&mut self, joint: Rc<str>, seq: Seq, until_ms: u64, keys_max: usize) {
        self.known.insert(Rc::clone(&joint), Known::Committed(seq));
        self.committed.insert(seq, (until_ms, joint));
        self.deadlines.insert((until_ms, seq));
        // [hub:bound-keys]
        while self.committed.len() > keys_max {
            let Some((seq, (until_ms, joint))) = self.committed.pop_first() else { return };
            self.deadlines.remove(&(until_ms, seq));
            self.known.remove(&joint);
        }
    }

    pub(crate) fn abort(&mut self, joint: &str) {
        self.known.remove(joint);
    }

    /// Forgets those whose time is over.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        while self.deadline().is_some_and(|until_ms| until_ms <= now_ms) {
            let Some((_, seq)) = self.deadlines.pop_first() else { return };
            if let Some((_, joint)) = self.committed.remove(&seq) {
                self.known.remove(&joint);
            }
        }
    }

    /// When the next one is to be forgotten.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(until_ms, _)| *until_ms)
    }

    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.committed.clear();
        self.deadlines.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// No name has a NUL in it, so the joint is the pair.
    fn join(&mut self, channel: &str, key: &str) {
        self.joint.clear();
        self.joint.extend([channel, "\0", key]);
    }
}
