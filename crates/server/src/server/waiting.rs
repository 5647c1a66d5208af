//! Connections that wait because a turn did not reach them: for a visit, or for a write.

use std::collections::HashMap;

use sockeye_reactor::{FairQueue, Key};

use crate::addresses::origin_bits;
use crate::app::{App, Holder};
use crate::connection::Connection;

/// Whom a connection's work is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Account {
    /// A holder that the application names.
    Named(u64),
    /// The peer's address, as one number: an IPv4 address, or the network part of an IPv6 address.
    Address(u128),
}

/// The connections that wait. Holders get units in proportion to their weights, and the connections of one
/// holder get equal numbers. [server:fair-holders]
#[derive(Debug, Default)]
pub(super) struct Waiting {
    accounts: FairQueue<Account, ()>,
    /// The connections of each account of which some wait.
    connections: HashMap<Account, FairQueue<Key, ()>>,
    /// The account and the weight of each connection that waits.
    places: HashMap<Key, (Account, u32)>,
}

impl Waiting {
    /// Lets a connection wait. It does not wait already.
    pub(super) fn add<A: App>(&mut self, key: Key, connection: &Connection, app: &A) {
        let stream = connection.stream_key(key);
        let (account, weight) = match stream.and_then(|stream| app.holder(stream)) {
            Some(Holder { id, weight }) => (Account::Named(id), weight.max(1)),
            None => (Account::Address(origin_bits(connection.peer.address().ip())), 1),
        };
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
