//! Connections with an outbox that a turn did not write, because its budget was spent.

use std::collections::VecDeque;

use sockeye_reactor::{Key, RoundQueue};

use super::accounts::{Account, Accounts, Spread};
use crate::app::App;
use crate::connection::Connection;

/// Units of a holder's turn: one write ([`WRITE_UNITS`](crate::budget::WRITE_UNITS)) of few bytes. So a round is
/// short.
const QUANTUM: u32 = 50;

/// The connections whose outboxes wait.
///
/// Few of them wait first in, first out, since a step of the other queue costs half of a delivery. In a crowd,
/// holders have their turns alternately: many connections of one address, all with something to write, delay
/// each other and nobody else. [server:fair-writes]
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) few: VecDeque<Key>,
    crowd: RoundQueue<Account, Key, Spread>,
    all: Accounts,
}

impl Default for Unwritten {
    fn default() -> Self {
        let crowd = RoundQueue::with_hasher(QUANTUM, Spread::default());
        Self { few: VecDeque::new(), crowd, all: Accounts::default() }
    }
}

impl Unwritten {
    /// Lets a connection of a crowd wait. It does not wait already.
    pub(super) fn add<A: App>(&mut self, key: Key, connection: &Connection, app: &A) {
        let (account, weight) = self.all.of(key, connection, app);
        self.crowd.add(account, weight, key);
    }

    /// Whether a crowd waits.
    pub(super) const fn is_crowd(&self) -> bool {
        !self.crowd.is_empty()
    }

    /// Takes the connection of a crowd that is next. It may be gone. Call [`done`](Self::done) before the next call.
    pub(super) fn take(&mut self) -> Option<Key> {
        self.crowd.take()
    }

    /// Says that what was done for the connection that was taken last was so many units of work.
    pub(super) fn done(&mut self, units: u64) {
        self.crowd.done(units);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.crowd.is_empty()
    }
}
