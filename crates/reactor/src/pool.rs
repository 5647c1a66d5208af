//! The memory of drained outboxes, kept for the next ones.

use std::fmt;

use crate::PooledBytes;
use crate::memory::Warm;
use crate::segment_queue::SegmentQueue;

/// Queues that a pool keeps. A message to many recipients is in many outboxes at a time, and to allocate
/// a queue takes as long as the rest of the work for its recipient.
const POOLED_MAX: usize = 2048;
/// Memory of queues that a pool keeps in all, enough for a few large messages. Without it the allocator
/// would map memory from the system for each of them, and give it back.
const POOLED_BYTES_MAX: usize = 4 << 20;

/// Reusable memory of a loop: the queues of drained outboxes, and buffers for large messages.
#[derive(Default)]
pub struct Pool {
    #[expect(clippy::vec_box, reason = "an outbox holds its queue by one pointer")]
    queues: Vec<Box<SegmentQueue>>,
    /// The memory of all of them.
    bytes: usize,
    large: Warm,
}

impl Pool {
    /// An empty pool; allocates nothing.
    pub const fn new() -> Self {
        Self { queues: Vec::new(), bytes: 0, large: Warm::new() }
    }

    /// Initialised memory for a message of `bytes_wanted` bytes, if the pool has any. It may be larger or
    /// smaller, and holds bytes of an earlier message.
    pub fn take_memory(&mut self, bytes_wanted: usize) -> Option<Vec<u8>> {
        self.large.take(bytes_wanted)
    }

    /// Keeps `memory` for another message, unless enough is kept.
    pub fn keep_memory(&mut self, memory: Vec<u8>) {
        self.large.keep(memory);
    }

    /// Takes the memory of `bytes` back, if no other outbox uses it.
    pub fn give_back(&mut self, bytes: PooledBytes) {
        if let Some(memory) = bytes.into_memory() {
            self.large.keep(memory);
        }
    }

    pub(crate) fn take(&mut self) -> Box<SegmentQueue> {
        let Some(queue) = self.queues.pop() else { return Box::default() };
        self.bytes -= queue.bytes();
        queue
    }

    pub(crate) fn put(&mut self, mut queue: Box<SegmentQueue>) {
        queue.clear();
        let bytes = self.bytes + queue.bytes();
        if self.queues.len() >= POOLED_MAX || bytes > POOLED_BYTES_MAX {
            return;
        }
        self.bytes = bytes;
        self.queues.push(queue);
    }
}

/// Shows counts only: sent messages may still lie in the memory.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("queues", &self.queues.len())
            .field("bytes", &self.bytes)
            .field("large_bytes", &self.large.bytes())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{POOLED_BYTES_MAX, POOLED_MAX, Pool, SegmentQueue};
    use crate::{Outbox, Shared};

    fn drained(pool: &mut Pool, outboxes: usize, bytes: usize) {
        let mut full: Vec<Outbox> = (0..outboxes).map(|_| Outbox::new()).collect();
        full.iter_mut().for_each(|outbox| outbox.tail(pool).resize(bytes, 0));
        full.iter_mut().for_each(|outbox| outbox.clear(pool));
    }

    #[test]
    fn a_pool_keeps_large_buffers_within_its_bound() {
        let mut pool = Pool::new();
        let large = POOLED_BYTES_MAX / 4 - size_of::<SegmentQueue>();
        drained(&mut pool, 9, large);
        assert_eq!((pool.queues.len(), pool.bytes), (4, POOLED_BYTES_MAX));
        assert_eq!(Outbox::new().tail(&mut pool).capacity(), large, "warm memory");
        assert_eq!((pool.queues.len(), pool.bytes), (3, POOLED_BYTES_MAX / 4 * 3));
    }

    #[test]
    fn a_pool_counts_where_segments_were() {
        let (mut pool, shared) = (Pool::new(), Shared::new(&[0; 2000]));
        let mut outbox = Outbox::new();
        (0..9).for_each(|_| outbox.push_shared(&shared, &mut pool));
        outbox.clear(&mut pool);
        assert!(pool.bytes > size_of::<SegmentQueue>() + 8 * size_of::<Shared>(), "{}", pool.bytes);
        let _ = Outbox::new().tail(&mut pool);
        assert_eq!((pool.queues.len(), pool.bytes), (0, 0));
    }

    #[test]
    fn a_pool_keeps_no_crowd_of_small_buffers() {
        let mut pool = Pool::new();
        drained(&mut pool, POOLED_MAX + 9, 1);
        assert_eq!(pool.queues.len(), POOLED_MAX);
    }
}
