//! Connections that wait for a visit because a turn did not reach them.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use sockeye_reactor::{FairQueue, Key};

use crate::addresses::origin_bits;
use crate::app::{App, Holder};
use crate::connection::Connection;

/// The holder of a connection's work: a keyed hash of the number that the application names, or of the
/// peer's address. Two accounts with the same hash share one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Account(u64);

/// The connections that wait. Holders get units in proportion to their weights, and the connections of one
/// holder get equal numbers. [server:fair-holders]
#[derive(Debug, Default)]
pub(super) struct Waiting {
    accounts: FairQueue<Account, (), Spread>,
    /// The connections of each account of which some wait.
    connections: HashMap<Account, FairQueue<Key, (), Spread>, Spread>,
    /// The account and the weight of each connection that waits.
    places: HashMap<Key, (Account, u32), Spread>,
    /// Nobody outside can choose two accounts with one hash.
    keyed: RandomState,
}

type Spread = BuildHasherDefault<Spreader>;

/// Spreads the bits of numbers that nobody outside chooses: keys of connections, and keyed hashes.
#[derive(Debug, Default)]
struct Spreader(u64);

impl Hasher for Spreader {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Waiting {
    /// Lets a connection wait. It does not wait already.
    pub(super) fn add<A: App>(&mut self, key: Key, connection: &Connection, app: &A) {
        let stream = connection.stream_key(key);
        let (account, weight) = match stream.and_then(|stream| app.holder(stream)) {
            Some(Holder { id, weight }) => (self.keyed.hash_one((true, id)), weight.max(1)),
            None => (self.keyed.hash_one(origin_bits(connection.peer.address().ip())), 1),
        };
        let account = Account(account);
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
