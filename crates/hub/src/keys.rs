//! Idempotency keys.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::name::namespace;
use crate::share::share;
use crate::spaces::{SettingsId, Spaces};
use crate::{ChannelName, Hub, Seq};

/// The message that was published with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Pending(Seq),
    Committed(Seq),
}

/// The part of all keys that one channel may have: one in four.
const CHANNEL_SHARE: usize = 4;

/// The idempotency keys of all channels. They outlive the channels' records.
///
/// A key is remembered until its time is over. When there is no room, a publication with a new key
/// is refused: the first half of the table is for any namespace, and each has an equal part of the
/// other half. The map has random keys against chosen collisions and is never iterated, so no
/// outcome depends on its order.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Rc<str>, Known>,
    /// Committed keys, by expiry.
    deadlines: BTreeMap<(u64, Seq), Rc<str>>,
    /// The number of keys of each namespace, with settings of its own or without, pending ones
    /// included. New settings move nothing here.
    by_namespace: HashMap<Box<str>, usize>,
    /// The same by channel.
    by_channel: HashMap<Box<str>, usize>,
    /// A buffer for the joined channel and key.
    joined: String,
}

impl Keys {
    /// The message of a key, if the key is remembered.
    pub(crate) fn known(&mut self, channel: &str, key: &str) -> Option<Known> {
        self.join(channel, key);
        self.known.get(self.joined.as_str()).copied()
    }

    /// Whether there is room for one more key of a channel.
    pub(crate) fn has_room(&self, channel: &str, config: &Spaces) -> bool {
        let keys_max = config.limits.keys_max;
        let of_channel = self.by_channel.get(channel).copied().unwrap_or_default();
        let first = keys_max / 2;
        // [hub:bound-keys]
        of_channel < (keys_max / CHANNEL_SHARE).max(1)
            && (self.known.len() < first
                || self.of_space(channel, config) < share(keys_max - first, config))
    }

    /// Remembers a key as pending.
    pub(crate) fn begin(&mut self, channel: &str, key: &str, seq: Seq) -> Rc<str> {
        self.join(channel, key);
        let joined: Rc<str> = self.joined.as_str().into();
        self.known.insert(Rc::clone(&joined), Known::Pending(seq));
        count_one_more(&mut self.by_namespace, namespace(channel));
        count_one_more(&mut self.by_channel, channel);
        joined
    }

    /// Marks a key as committed, to be remembered until `until_ms`.
    pub(crate) fn commit(&mut self, joined: Rc<str>, seq: Seq, until_ms: u64) {
        self.known.insert(Rc::clone(&joined), Known::Committed(seq));
        self.deadlines.insert((until_ms, seq), joined);
    }

    /// Forgets a key: a pending one whose message failed, or one whose time is over.
    pub(crate) fn forget(&mut self, joined: &str) {
        if self.known.remove(joined).is_none() {
            return;
        }
        let channel = channel_of(joined);
        count_one_less(&mut self.by_namespace, namespace(channel));
        count_one_less(&mut self.by_channel, channel);
    }

    /// Forgets expired keys, at most `left`.
    pub(crate) fn expire(&mut self, now_ms: u64, left: &mut usize) {
        while *left > 0 && self.deadline().is_some_and(|until_ms| until_ms <= now_ms) {
            *left -= 1;
            let Some((_, joined)) = self.deadlines.pop_first() else { return };
            self.forget(&joined);
        }
    }

    /// When the next key expires.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.deadlines.first_key_value().map(|((until_ms, _), _)| *until_ms)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// The keys that share a part of the table with those of a channel: of its namespace, or of all
    /// namespaces without settings of their own.
    pub(crate) fn of_space(&self, channel: &str, config: &Spaces) -> usize {
        let count = |namespace: &str| self.by_namespace.get(namespace).copied().unwrap_or_default();
        match config.id_of(namespace(channel)) {
            SettingsId::REST => {
                self.known.len() - config.own().map(|(_, name)| count(name)).sum::<usize>()
            }
            _ => count(namespace(channel)),
        }
    }

    /// Joins channel and key with a NUL, which no channel name contains.
    fn join(&mut self, channel: &str, key: &str) {
        self.joined.clear();
        self.joined.extend([channel, "\0", key]);
    }
}

#[cfg(test)]
impl Keys {
    /// Counts all keys anew, by channel and by namespace, and compares.
    pub(crate) fn audit(&self) {
        let (mut channels, mut namespaces) = (HashMap::new(), HashMap::new());
        for joined in self.known.keys() {
            count_one_more(&mut channels, channel_of(joined));
            count_one_more(&mut namespaces, namespace(channel_of(joined)));
        }
        assert_eq!((&self.by_channel, &self.by_namespace), (&channels, &namespaces));
    }
}

impl<M> Hub<M> {
    /// Restores a key that was committed with the message at `seq`, and is remembered until
    /// `until_ms`. It is remembered even if there is no room for new ones.
    pub fn restore_key(&mut self, channel: ChannelName<'_>, key: &str, seq: Seq, until_ms: u64) {
        let name = channel.as_str();
        if self.keys.known(name, key).is_none() {
            let joined = self.keys.begin(name, key, seq);
            self.keys.commit(joined, seq, until_ms);
        }
    }
}

fn channel_of(joined: &str) -> &str {
    joined.split('\0').next().unwrap_or(joined)
}

fn count_one_more(counts: &mut HashMap<Box<str>, usize>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.into(), 1)),
    }
}

fn count_one_less(counts: &mut HashMap<Box<str>, usize>, name: &str) {
    let Some(count) = counts.get_mut(name) else { return };
    *count -= 1;
    if *count == 0 {
        counts.remove(name);
    }
}
