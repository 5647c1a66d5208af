//! A client: it follows all channels, and moves between nodes with its cursor.

use std::collections::{HashMap, HashSet};

use sockeye_hub::{Cursor, Gap, Item, Reason, Scope, Span, Start, SubscriberKey};

use super::oracle::{Message, Oracle};
use super::world::CHANNELS;

#[derive(Debug, Default)]
pub(super) struct Client {
    /// Its station, and its number there.
    pub(super) at: Option<(usize, SubscriberKey)>,
    pub(super) cursor: Option<Cursor>,
    /// The step at which it has subscribed first.
    pub(super) since: u64,
    got: HashSet<usize>,
    got_in: HashSet<(u64, usize)>,
    /// The newest position of each epoch.
    newest: HashMap<u64, u64>,
    gaps: Vec<Declared>,
}

#[derive(Debug)]
struct Declared {
    channel: usize,
    step: u64,
    /// The epoch of the missed positions; `None` if nobody knows how much is missing.
    epoch: Option<u64>,
    missed: Span,
}

impl Client {
    /// Where it begins, or goes on.
    pub(super) fn start(&mut self, step: u64) -> Start {
        match self.cursor {
            Some(cursor) => Start::After(cursor),
            None => {
                self.since = step;
                Start::Now
            }
        }
    }

    /// Takes what it has pulled.
    pub(super) fn take_all(&mut self, items: Vec<Item<usize>>, epoch: u64, step: u64) {
        for item in items {
            match item {
                Item::Message(entry) => self.receive(entry.position, entry.body),
                Item::Gap(gap) => self.miss(&gap, epoch, step),
                Item::Sync(_) => {}
            }
        }
    }

    pub(super) fn receive(&mut self, at: Cursor, message: usize) {
        // Again only behind a gap of an epoch, as after a lost tail: the client begins anew there.
        let is_new = self.got_in.insert((at.epoch.0, message));
        assert!(is_new, "{message} comes twice, now at {at}");
        self.got.insert(message);
        let newest = self.newest.entry(at.epoch.0).or_default();
        assert!(*newest < at.seq.0, "{at} comes after {newest}");
        *newest = at.seq.0;
        self.cursor = Some(at);
    }

    pub(super) fn miss(&mut self, gap: &Gap, epoch: u64, step: u64) {
        let Scope::Channel(name) = &gap.scope else { unreachable!("there are no patterns") };
        let channel = CHANNELS.iter().position(|it| **it == **name).expect("a known channel");
        let epoch = match gap.reason {
            Reason::Epoch | Reason::Ahead | Reason::Forked | Reason::Unreadable => None,
            Reason::Trimmed | Reason::Limit => Some(epoch),
        };
        if epoch.is_none() {
            self.got_in.clear();
            self.newest.clear();
        }
        self.gaps.push(Declared { channel, step, epoch, missed: gap.missed });
    }

    /// Whether the client got an acknowledged message, or was told that it misses something.
    fn has_or_knows(&self, number: usize, message: &Message, at: Cursor) -> bool {
        self.got.contains(&number)
            || self.gaps.iter().any(|gap| {
                gap.channel == message.channel
                    && match gap.epoch {
                        None => message.step <= gap.step,
                        // The gap of a hub that has begun another epoch.
                        Some(epoch) if epoch != at.epoch.0 => message.step <= gap.step,
                        Some(_) => gap.missed.after < at.seq && at.seq <= gap.missed.through,
                    }
            })
    }

    pub(super) fn check(&self, who: usize, oracle: &Oracle) {
        for (number, message) in oracle.messages.iter().enumerate() {
            if let Some(at) = message.acknowledged.filter(|_| message.step > self.since) {
                assert!(
                    self.has_or_knows(number, message, at),
                    "client {who} misses {number} at {at}: {message:?}; {:?}",
                    self.gaps
                );
            }
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.got.len() as u64
    }

    pub(super) fn gaps(&self) -> u64 {
        self.gaps.len() as u64
    }
}
