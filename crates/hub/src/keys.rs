//! Idempotency keys.

use std::collections::{HashMap, VecDeque};
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
/// age, oldest first. The map is keyed against chosen collisions, and never walked through, so no
/// outcome depends on its order.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Rc<str>, Known>,
    committed: VecDeque<(u64, Rc<str>)>,
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

    pub(crate) fn commit(&mut self, joint: Rc<str>, seq: Seq, now_ms: u64, keys_max: usize) {
        self.known.insert(Rc::clone(&joint), Known::Committed(seq));
        self.committed.push_back((now_ms, joint));
        // [hub:bound-keys]
        while self.committed.len() > keys_max {
            self.forget_oldest();
        }
    }

    pub(crate) fn abort(&mut self, joint: &str) {
        self.known.remove(joint);
    }

    /// Forgets what is `key_ms` old.
    pub(crate) fn expire(&mut self, now_ms: u64, key_ms: u64) {
        while self.deadline(key_ms).is_some_and(|deadline| deadline <= now_ms) {
            self.forget_oldest();
        }
    }

    /// When the oldest is to be forgotten.
    pub(crate) fn deadline(&self, key_ms: u64) -> Option<u64> {
        self.committed.front().map(|(time_ms, _)| time_ms.saturating_add(key_ms))
    }

    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.committed.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, joint)) = self.committed.pop_front() {
            self.known.remove(&joint);
        }
    }

    /// No name has a NUL in it, so the joint is the pair.
    fn join(&mut self, channel: &str, key: &str) {
        self.joint.clear();
        self.joint.extend([channel, "\0", key]);
    }
}
