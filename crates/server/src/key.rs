//! Names of streams.

use sockeye_reactor::Key;

/// Names one stream for as long as it is open, and nothing afterwards.
///
/// A stream is not a socket: a connection may carry several streams, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    pub(crate) id: StreamId,
    /// The index of the connection that carries the stream. The stream's own id proves that it is
    /// still the same connection.
    connection: u32,
}

/// A stream's index and the generation of that index. No two streams of a server have the same.
pub(crate) type StreamId = Key;

impl StreamKey {
    /// The stream `id` on `connection`.
    #[inline]
    pub(crate) fn new(id: StreamId, connection: Key) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a slab has fewer than 2^32 slots")]
        Self { id, connection: connection.index() as u32 }
    }

    /// Whether the key is that of the stream `id`. It takes one comparison, and `==` takes two.
    #[inline]
    pub(crate) const fn names(self, id: StreamId) -> bool {
        self.id.to_u64() == id.to_u64()
    }

    /// The key as one number, for logs.
    pub const fn to_u128(self) -> u128 {
        (self.id.to_u64() as u128) << 32 | self.connection as u128
    }

    /// A small number that no other stream has between [`App::on_open`](crate::App::on_open) and
    /// [`App::on_close`](crate::App::on_close); for tables beside the server.
    /// An earlier stream may have had the same number, so compare the key that a table holds.
    pub const fn index(self) -> usize {
        self.id.index()
    }

    /// The index of the connection that carries the stream.
    #[inline]
    pub(crate) const fn connection(self) -> usize {
        self.connection as usize
    }
}

/// One generation in the number of an id.
const GENERATION: u64 = 1 << 32;

/// Hands out stream ids: dense indexes, reused last in, first out.
///
/// Each open stream holds its own id, so only unused indexes take memory here.
#[derive(Debug, Default)]
pub(crate) struct StreamIds {
    /// The first index that was never used.
    fresh: u32,
    /// Unused ids, each of the next generation of its index.
    free: Vec<StreamId>,
}

impl StreamIds {
    /// An id that no stream ever had.
    ///
    /// # Panics
    /// When 2³² indexes are in use.
    pub(crate) fn take(&mut self) -> StreamId {
        self.free.pop().unwrap_or_else(|| {
            let index = self.fresh;
            self.fresh = index.checked_add(1).expect("fewer than 2^32 streams");
            StreamId::from_u64(u64::from(index))
        })
    }

    /// Takes back the id of a stream whose end the application has heard of.
    pub(crate) fn give_back(&mut self, id: StreamId) {
        // An index whose generations are used up is retired, so no key ever names two streams.
        if let Some(next) = id.to_u64().checked_add(GENERATION) {
            self.free.push(StreamId::from_u64(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{StreamId, StreamIds};

    #[test]
    fn indexes_are_dense_and_ids_are_unique() {
        let mut ids = StreamIds::default();
        let mut seen = HashSet::new();
        for round in 0..10_u32 {
            let open: Vec<StreamId> = (0..8).map(|_| ids.take()).collect();
            let mut indexes: Vec<usize> = open.iter().map(|id| id.index()).collect();
            indexes.sort_unstable();
            assert_eq!(indexes, [0, 1, 2, 3, 4, 5, 6, 7], "round {round}");
            for id in open {
                assert!(seen.insert(id), "{id:?} was used before");
                ids.give_back(id);
            }
        }
    }

    #[test]
    fn a_worn_out_index_is_retired() {
        let mut ids = StreamIds::default();
        let id = ids.take();
        ids.give_back(StreamId::from_u64(u64::from(u32::MAX) << 32 | id.to_u64()));
        assert_eq!(ids.take(), StreamId::from_u64(1));
    }
}
