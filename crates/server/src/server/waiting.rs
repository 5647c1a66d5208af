//! Connections that wait for a visit because a turn did not reach them.

use std::collections::HashMap;

use sockeye_reactor::{FairQueue, Key};

use super::accounts::{Account, Accounts, Spread};
use crate::app::App;
use crate::connection::Connection;

/// What a holder that has asked for less than its part may have at once later: some requests. Without
/// it the second of two requests that come together waits until all others have got as much.
const CREDIT_UNITS: u64 = 500;

/// The connections that wait. Holders get units in proportion to their weights, and the connections of one
/// holder get equal numbers. [server:fair-holders]
#[derive(Debug)]
pub(super) struct Waiting {
    accounts: FairQueue<Account, (), Spread>,
    /// The connections of each account of which some wait.
    connections: HashMap<Account, FairQueue<Key, (), Spread>, Spread>,
    /// The account and the weight of each connection that waits.
    places: HashMap<Key, (Account, u32), Spread>,
    all: Accounts,
}

impl Default for Waiting {
    fn default() -> Self {
        let (connections, places) = (HashMap::default(), HashMap::default());
        // [server:visit-credit]
        let accounts = FairQueue::default().with_credit(CREDIT_UNITS);
        Self { accounts, connections, places, all: Accounts::default() }
    }
}

impl Waiting {
    /// Lets a connection wait. It does not wait already.
    pub(super) fn add<A: App>(&mut self, key: Key, connection: &Connection, app: &A) {
        let (account, weight) = self.all.of(key, connection, app);
        self.places.insert(key, (account, weight));
        self.accounts.add(account, ());
        self.connections.entry(account).or_default().add(key, ());
    }

    /// Takes the connection that is next. Call [`done`](Self::done) before the next call.
    pub(super) fn take(&mut self) -> Option<(Key, Turn)> {
        let (account, ()) = self.accounts.take()?;
        let (key, ()) = self.connections.get_mut(&account)?.take()?;
        let (_, weight) = self.places.remove(&key)?;
        Some((key, Turn { account, weight }))
    }

    /// Says that what was done for the connection that was taken last was so many units of work.
    pub(super) fn done(&mut self, key: Key, turn: Turn, units: u64) {
        let Turn { account, weight } = turn;
        self.accounts.done(account, units.div_ceil(u64::from(weight)));
        let Some(connections) = self.connections.get_mut(&account) else { return };
        connections.done(key, units);
        if connections.is_empty() {
            self.connections.remove(&account);
        }
    }

    /// Lets a connection wait no longer: it is gone.
    pub(super) fn forget(&mut self, key: Key) {
        if self.is_empty() {
            return;
        }
        let Some((account, _)) = self.places.remove(&key) else { return };
        self.accounts.cancel(&account);
        let Some(connections) = self.connections.get_mut(&account) else { return };
        connections.cancel(&key);
        if connections.is_empty() {
            self.connections.remove(&account);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

/// The turn of a connection that waited, to be billed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    account: Account,
    weight: u32,
}
