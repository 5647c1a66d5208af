//! What has happened, and what may not have.

use std::collections::{BTreeSet, HashMap};

use sockeye_backbone::memory::MemoryLog;
use sockeye_hub::Cursor;

use super::tickets::Tickets;

/// A publication.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) channel: usize,
    pub(super) key: Option<usize>,
    /// The step of its publication.
    pub(super) step: u64,
    /// Its receipt.
    pub(super) acknowledged: Option<Cursor>,
    answered: bool,
}

/// The judge of a world.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) messages: Vec<Message>,
    /// The messages that hubs have at a position. After a fork there may be several, until the epoch ends.
    at: HashMap<(u64, u64), Vec<usize>>,
    /// What a node knows after the entries with this digest.
    known: HashMap<u64, u64>,
    pub(super) compared: u64,
    pub(super) forks: u64,
    /// The users whose disconnection was acknowledged.
    pub(super) disconnected: Vec<usize>,
    /// Streams that it has ended.
    pub(super) ended: u64,
    /// How often a node did not know whom others have disconnected.
    pub(super) recalled: u64,
    pub(super) tickets: Tickets,
    /// Statements that a node of an earlier version could not have read.
    pub(super) waits_for_upgrade: u64,
}

impl Oracle {
    pub(super) fn publish(&mut self, channel: usize, key: Option<usize>, step: u64) -> usize {
        self.messages.push(Message { channel, key, step, acknowledged: None, answered: false });
        self.messages.len() - 1
    }

    /// A hub has a message at a position.
    pub(super) fn place(&mut self, at: Cursor, message: usize) {
        let here = self.at.entry((at.epoch.0, at.seq.0)).or_default();
        if !here.contains(&message) {
            here.push(message);
        }
        assert!(here.len() == 1 || self.forks > 0, "two messages at {at} without a fork: {here:?}");
    }

    /// A publisher has an answer.
    pub(super) fn answer(&mut self, message: usize, receipt: Option<Cursor>, log: &MemoryLog) {
        let it = &mut self.messages[message];
        assert!(!core::mem::replace(&mut it.answered, true), "{message} is answered twice");
        let Some(at) = receipt else { return };
        it.acknowledged = Some(at);
        let name = format!("m{message};");
        let is_there = |bytes: &[u8]| bytes.windows(name.len()).any(|it| it == name.as_bytes());
        let is_logged = log.entries().iter().rev().any(|(_, bytes)| is_there(bytes));
        // What was in the log when it was read may be lost or trimmed since.
        let is_whole = log.ends().first.is_some_and(|first| first.number == 1);
        let may_be_gone = self.forks > 0 || !is_whole;
        assert!(is_logged || may_be_gone, "{message} has a receipt and is not in the log");
    }

    /// A publisher hears that a message with its key is at a position.
    pub(super) fn repeat(&mut self, message: usize, at: Cursor, log: &MemoryLog) {
        let key = self.messages[message].key;
        let here = self.at.get(&(at.epoch.0, at.seq.0));
        // After a new epoch, or at a node that has just joined, no hub has that message at that cursor.
        let others = here.into_iter().flatten().copied();
        for other in others {
            let has_key = key.is_some() && self.messages[other].key == key;
            assert!(other == message || has_key || self.forks > 0, "{message} repeats {other}");
        }
        // A node that has read its own offer while it joined says so in this way.
        let name = format!("m{message};");
        let is_own = |bytes: &[u8]| bytes.windows(name.len()).any(|it| it == name.as_bytes());
        let is_own = key.is_none() && log.entries().iter().any(|(_, bytes)| is_own(bytes));
        self.answer(message, is_own.then_some(at), log);
    }

    /// Checks the streams that a station has left: no user whose disconnection is in the log has one. The world opens no
    /// stream of a user after its disconnection. An entry that was lost with a tail may be in the log, and be
    /// passed over there.
    pub(super) fn check_users(&self, users: &BTreeSet<usize>) {
        let mut left = self.disconnected.iter().filter(|user| users.contains(user));
        let first = left.next();
        assert!(self.forks > 0 || first.is_none(), "{first:?} is there after its disconnection");
    }

    /// A node has read the entries of the digest `chain`, and knows `state`.
    pub(super) fn compare(&mut self, (chain, state): (u64, u64), who: usize) {
        let known = *self.known.entry(chain).or_insert(state);
        assert_eq!(
            known, state,
            "node {who} has read the same as another, and knows something else"
        );
        self.compared += 1;
    }
}
