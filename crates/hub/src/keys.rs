//! Idempotency keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::name::namespace;
use crate::share::evicted_namespace;
use crate::{Config, Seq};

/// The message that was published with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Pending(Seq),
    Committed(Seq),
}

/// The part of all keys that one channel may have: one in 16.
const CHANNEL_SHARE: usize = 16;

/// The idempotency keys of all channels. They outlive the channels' records.
///
/// The bound on pending messages bounds pending keys. Count and age bound committed ones. A channel
/// with more than a sixteenth of `keys_max` forgets its oldest key, even if the table has room. A
/// full table forgets the oldest key of the publishing namespace if that is above its share, else of
/// the largest. So a flood in one namespace evicts no key of another within its share. The map has
/// random keys against chosen
/// collisions and is never iterated, so no outcome depends on its order.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Rc<str>, Known>,
    /// Committed keys, by position.
    committed: BTreeMap<Seq, Committed>,
    /// The same, by expiry.
    deadlines: BTreeSet<(u64, Seq)>,
    /// The same by namespace.
    by_namespace: Vec<BTreeSet<Seq>>,
    /// The same by channel.
    by_channel: HashMap<Rc<str>, BTreeSet<Seq>>,
    /// A buffer for the joined channel and key.
    joined: String,
}

#[derive(Debug)]
struct Committed {
    joined: Rc<str>,
    until_ms: u64,
    slot: usize,
}

impl Keys {
    /// The message of a key, if the key is remembered.
    pub(crate) fn known(&mut self, channel: &str, key: &str) -> Option<Known> {
        self.join(channel, key);
        self.known.get(self.joined.as_str()).copied()
    }

    /// Remembers a key as pending.
    pub(crate) fn begin(&mut self, channel: &str, key: &str, seq: Seq) -> Rc<str> {
        self.join(channel, key);
        let joined: Rc<str> = self.joined.as_str().into();
        self.known.insert(Rc::clone(&joined), Known::Pending(seq));
        joined
    }

    /// Marks a key as committed, to be remembered until `until_ms`.
    pub(crate) fn commit(&mut self, joined: Rc<str>, seq: Seq, until_ms: u64, config: &Config) {
        let channel = channel_of(&joined);
        let slot = config.id_of(namespace(channel)).slot();
        let of_channel = match self.by_channel.get_mut(channel) {
            Some(of_channel) => of_channel,
            None => self.by_channel.entry(channel.into()).or_default(),
        };
        of_channel.insert(seq);
        let keys_max = config.limits.keys_max;
        let oldest = of_channel.first().copied();
        let is_over = of_channel.len() > (keys_max / CHANNEL_SHARE).max(1);
        self.known.insert(Rc::clone(&joined), Known::Committed(seq));
        self.deadlines.insert((until_ms, seq));
        self.list(slot).insert(seq);
        self.committed.insert(seq, Committed { joined, until_ms, slot });
        // [hub:bound-keys]
        if let Some(oldest) = oldest.filter(|_| is_over) {
            self.forget(oldest);
        }
        while self.committed.len() > keys_max {
            let held = |slot| self.by_namespace.get(slot).map_or(0, BTreeSet::len);
            let slot = evicted_namespace(held, slot, keys_max, config);
            let Some(oldest) = self.list(slot).first().copied() else { return };
            self.forget(oldest);
        }
    }

    /// Sorts the keys into new namespaces.
    pub(crate) fn refile(&mut self, config: &Config) {
        self.by_namespace.clear();
        for (seq, it) in &mut self.committed {
            it.slot = config.id_of(namespace(channel_of(&it.joined))).slot();
            list_of(&mut self.by_namespace, it.slot).insert(*seq);
        }
    }

    /// Forgets a pending key.
    pub(crate) fn abort(&mut self, joined: &str) {
        self.known.remove(joined);
    }

    /// Forgets expired keys.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        while self.deadline().is_some_and(|until_ms| until_ms <= now_ms) {
            let Some((_, seq)) = self.deadlines.pop_first() else { return };
            self.forget(seq);
        }
    }

    /// When the next key expires.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(until_ms, _)| *until_ms)
    }

    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.committed.clear();
        self.deadlines.clear();
        self.by_namespace.clear();
        self.by_channel.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    fn list(&mut self, slot: usize) -> &mut BTreeSet<Seq> {
        list_of(&mut self.by_namespace, slot)
    }

    fn forget(&mut self, seq: Seq) {
        let Some(Committed { joined, until_ms, slot }) = self.committed.remove(&seq) else {
            return;
        };
        self.deadlines.remove(&(until_ms, seq));
        self.known.remove(&joined);
        self.list(slot).remove(&seq);
        let channel = channel_of(&joined);
        let of_channel = self.by_channel.get_mut(channel);
        if of_channel.is_some_and(|it| it.remove(&seq) && it.is_empty()) {
            self.by_channel.remove(channel);
        }
    }

    /// Joins channel and key with a NUL, which no channel name contains.
    fn join(&mut self, channel: &str, key: &str) {
        self.joined.clear();
        self.joined.extend([channel, "\0", key]);
    }
}

fn channel_of(joined: &str) -> &str {
    joined.split('\0').next().unwrap_or(joined)
}

fn list_of(lists: &mut Vec<BTreeSet<Seq>>, slot: usize) -> &mut BTreeSet<Seq> {
    if lists.len() <= slot {
        lists.resize_with(slot + 1, BTreeSet::new);
    }
    &mut lists[slot]
}
