//! Bounds the handshakes of sockets that are under way.

use std::collections::VecDeque;

use sockeye_reactor::{Key, Slab};

use crate::connection::{Connection, life};

/// The handshakes under way, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    /// Some of these are over.
    keys: VecDeque<Key>,
    under_way: usize,
}

impl Handshakes {
    /// Handshakes that are over and still listed, for each that is under way.
    const STALE_FACTOR: usize = 2;

    pub(crate) fn begin(&mut self, key: Key, connections: &Slab<Connection>) {
        self.under_way += 1;
        if self.keys.len() > Self::STALE_FACTOR * self.under_way + 16 {
            self.keys.retain(|key| is_under_way(*key, connections));
        }
        self.keys.push_back(key);
    }

    /// One is over.
    pub(crate) const fn end(&mut self) {
        self.under_way -= 1;
    }

    /// Takes the oldest one, if more than `max` are under way.
    pub(crate) fn evict(&mut self, max: usize, connections: &Slab<Connection>) -> Option<Key> {
        if self.under_way <= max {
            return None;
        }
        loop {
            let key = self.keys.pop_front()?;
            if is_under_way(key, connections) {
                return Some(key);
            }
        }
    }
}

fn is_under_way(key: Key, connections: &Slab<Connection>) -> bool {
    connections.get(key).is_some_and(|connection| {
        connection.readiness.is_handshaking() && connection.life() != life::State::Gone
    })
}
