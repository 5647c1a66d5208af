//! Idempotency keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::name::namespace;
use crate::share::gives_way;
use crate::{Config, Seq};

/// What was published under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Pending(Seq),
    Committed(Seq),
}

/// The part of all keys that one channel may have.
const CHANNEL_SHARE: usize = 16;

/// The keys of all channels. They outlive the channels' records.
///
/// A pending one is bounded by what may be pending; from its commit on it is bounded by count and
/// age. The bound forgets the oldest, whatever its age may be: of the channel, if that has a
/// sixteenth of all, or of the namespace that has too many, so that a flood of keys in one has
/// nobody else's forgotten. The map is keyed against chosen collisions, and never walked through,
/// so no outcome depends on its order.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Rc<str>, Known>,
    /// Those in the log by their place.
    committed: BTreeMap<Seq, Committed>,
    /// The same by the time from when on each is forgotten.
    deadlines: BTreeSet<(u64, Seq)>,
    /// The same by namespace.
    by_space: Vec<BTreeSet<Seq>>,
    /// The same by channel.
    by_channel: HashMap<Rc<str>, BTreeSet<Seq>>,
    /// Where channel and key are put together, reused.
    joint: String,
}

#[derive(Debug)]
struct Committed {
    joint: Rc<str>,
    until_ms: u64,
    slot: usize,
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
    pub(crate) fn commit(&mut self, joint: Rc<str>, seq: Seq, until_ms: u64, config: &Config) {
        let channel = channel_of(&joint);
        let slot = config.id_of(namespace(channel)).slot();
        let of_channel = match self.by_channel.get_mut(channel) {
            Some(of_channel) => of_channel,
            None => self.by_channel.entry(channel.into()).or_default(),
        };
        of_channel.insert(seq);
        let keys_max = config.limits.keys_max;
        let oldest = of_channel.first().copied();
        let is_over = of_channel.len() > (keys_max / CHANNEL_SHARE).max(1);
        self.known.insert(Rc::clone(&joint), Known::Committed(seq));
        self.deadlines.insert((until_ms, seq));
        self.list(slot).insert(seq);
        self.committed.insert(seq, Committed { joint, until_ms, slot });
        // [hub:bound-keys]
        if let Some(oldest) = oldest.filter(|_| is_over) {
            self.forget(oldest);
        }
        while self.committed.len() > keys_max {
            let held = |slot| self.by_space.get(slot).map_or(0, BTreeSet::len);
            let slot = gives_way(held, slot, keys_max, config);
            let Some(oldest) = self.list(slot).first().copied() else { return };
            self.forget(oldest);
        }
    }

    /// Takes on other namespaces.
    pub(crate) fn refile(&mut self, config: &Config) {
        self.by_space.clear();
        for (seq, it) in &mut self.committed {
            it.slot = config.id_of(namespace(channel_of(&it.joint))).slot();
            list_of(&mut self.by_space, it.slot).insert(*seq);
        }
    }

    pub(crate) fn abort(&mut self, joint: &str) {
        self.known.remove(joint);
    }

    /// Forgets those whose time is over.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        while self.deadline().is_some_and(|until_ms| until_ms <= now_ms) {
            let Some((_, seq)) = self.deadlines.pop_first() else { return };
            self.forget(seq);
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
        self.by_space.clear();
        self.by_channel.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    fn list(&mut self, slot: usize) -> &mut BTreeSet<Seq> {
        list_of(&mut self.by_space, slot)
    }

    fn forget(&mut self, seq: Seq) {
        let Some(Committed { joint, until_ms, slot }) = self.committed.remove(&seq) else { return };
        self.deadlines.remove(&(until_ms, seq));
        self.known.remove(&joint);
        self.list(slot).remove(&seq);
        let channel = channel_of(&joint);
        let of_channel = self.by_channel.get_mut(channel);
        if of_channel.is_some_and(|it| it.remove(&seq) && it.is_empty()) {
            self.by_channel.remove(channel);
        }
    }

    /// No name has a NUL in it, so the joint is the pair.
    fn join(&mut self, channel: &str, key: &str) {
        self.joint.clear();
        self.joint.extend([channel, "\0", key]);
    }
}

fn channel_of(joint: &str) -> &str {
    joint.split('\0').next().unwrap_or(joint)
}

fn list_of(lists: &mut Vec<BTreeSet<Seq>>, slot: usize) -> &mut BTreeSet<Seq> {
    if lists.len() <= slot {
        lists.resize_with(slot + 1, BTreeSet::new);
    }
    &mut lists[slot]
}
