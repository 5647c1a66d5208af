//! The accounts to which the work for connections is charged.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use sockeye_reactor::Key;

use crate::addresses::origin_bits;
use crate::app::{App, Holder};
use crate::connection::Connection;

/// The weight of a trusted proxy that has not named its client: it stands for many addresses.
const PROXY_WEIGHT: u32 = 64;

/// The holder of a connection's work: a keyed hash of the number that the application names, or of the
/// peer's address. Two accounts with the same hash share one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Account(u64);

/// Gives connections their accounts.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    /// Nobody outside can choose two accounts with one hash.
    keyed: RandomState,
}

impl Accounts {
    /// The account of a connection, and its weight.
    pub(super) fn of<A: App>(&self, key: Key, connection: &Connection, app: &A) -> (Account, u32) {
        let stream = connection.stream_key(key);
        let (account, weight) = match stream.and_then(|stream| app.holder(stream)) {
            Some(Holder { id, weight }) => (self.keyed.hash_one((true, id)), weight.max(1)),
            None => {
                let weight = if connection.is_of_many() { PROXY_WEIGHT } else { 1 };
                (self.keyed.hash_one(origin_bits(connection.peer.address().ip())), weight)
            }
        };
        (Account(account), weight)
    }
}

pub(super) type Spread = BuildHasherDefault<Spreader>;

/// Spreads the bits of numbers that nobody outside chooses: keys of connections, and keyed hashes.
#[derive(Debug, Default)]
pub(super) struct Spreader(u64);

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
