//! Connections with an outbox that a turn did not write, because its budget was spent.

use sockeye_reactor::{Key, RoundQueue};

use super::accounts::{Account, Accounts, Spread};
use crate::app::App;
use crate::connection::Connection;

/// Units of a holder's turn: one write ([`WRITE_UNITS`](crate::budget::WRITE_UNITS)) of few bytes. So a round is
/// short.
const QUANTUM: u32 = 50;

/// The connections whose outboxes wait. Holders have their turns alternately: a crowd of connections at one
/// address, all with something to write, delays itself. [server:fair-writes]
#[derive(Debug)]
pub(super) struct Unwritten {
    keys: RoundQueue<Account, Key, Spread>,
    all: Accounts,
}

impl Default for Unwritten {
    fn default() -> Self {
        let keys = RoundQueue::with_hasher(QUANTUM, Spread::default());
        Self { keys, all: Accounts::default() }
    }
}

impl Unwritten {
    /// Lets a connection wait. It does not wait already.
    pub(super) fn add<A: App>(&mut self, key: Key, connection: &Connection, app: &A) {
        let (account, weight) = self.all.of(key, connection, app);
        self.keys.add(account, weight, key);
    }

    /// Takes the connection that is next. It may be gone. Call [`done`](Self::done) before the next call.
    pub(super) fn take(&mut self) -> Option<Key> {
        self.keys.take()
    }

    /// Says that what was done for the connection that was taken last was so many units of work.
    pub(super) fn done(&mut self, units: u64) {
        self.keys.done(units);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
