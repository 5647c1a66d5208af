//! Keeps buffers for large messages. A fresh buffer for each message would cost a page fault for each of
//! its pages.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Capacity that a loop keeps in all, enough for a few large messages on their way in and out.
const WARM_BYTES_MAX: usize = 8 << 20;
/// The most buffers that a loop keeps: buffers of 128 KiB fill both bounds. For smaller ones the
/// allocator is as good.
const WARM_MAX: usize = 64;

/// Initialised buffers that are not in use.
#[derive(Default)]
pub(crate) struct Warm {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Warm {
    pub(crate) const fn new() -> Self {
        Self { buffers: Vec::new(), bytes: 0 }
    }

    /// The smallest buffer of at least `bytes_wanted` bytes, or else the largest there is.
    pub(crate) fn take(&mut self, bytes_wanted: usize) -> Option<Vec<u8>> {
        let rank = |buffer: &Vec<u8>| match buffer.len() {
            len if len >= bytes_wanted => len,
            len => usize::MAX - len,
        };
        let (at, _) = self.buffers.iter().enumerate().min_by_key(|(_, buffer)| rank(buffer))?;
        let buffer = self.buffers.swap_remove(at);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Keeps `buffer` for a later message, unless the bounds are reached.
    pub(crate) fn keep(&mut self, mut buffer: Vec<u8>) {
        let bytes = self.bytes + buffer.capacity();
        if bytes <= WARM_BYTES_MAX && self.buffers.len() < WARM_MAX {
            self.bytes = bytes;
            // Only a new buffer is filled here; one that comes back has its full length already.
            buffer.resize(buffer.capacity(), 0);
            self.buffers.push(buffer);
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A large message that has arrived, in a buffer of a [`Pool`](crate::Pool).
///
/// Several [`Outbox`](crate::Outbox)es can send it without a copy. The buffer goes back to the
/// [`Pool`](crate::Pool) when the last of them has sent it.
#[derive(Clone)]
pub struct PooledBytes {
    memory: Arc<Vec<u8>>,
    len: usize,
}

impl PooledBytes {
    /// The first `len` bytes of `memory`; all of it, if it has fewer.
    pub fn new(memory: Vec<u8>, len: usize) -> Self {
        let len = len.min(memory.len());
        Self { memory: Arc::new(memory), len }
    }

    /// Whether `bytes` is this very memory, and not an equal copy.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.as_ptr_range() == bytes.as_ptr_range()
    }

    /// The memory, if no other outbox uses it.
    pub(crate) fn into_memory(self) -> Option<Vec<u8>> {
        Arc::try_unwrap(self.memory).ok()
    }
}

impl Deref for PooledBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

/// Shows the length only: the bytes are somebody's message.
impl fmt::Debug for PooledBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PooledBytes({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::{PooledBytes, WARM_BYTES_MAX, WARM_MAX, Warm};

    #[test]
    fn the_smallest_that_suffices_is_taken() {
        let mut warm = Warm::new();
        for len in [300, 100, 200] {
            warm.keep(vec![1; len]);
        }
        let mut take = |wanted| warm.take(wanted).map(|buffer| buffer.len());
        assert_eq!(
            (take(150), take(1_000), take(1), take(1)),
            (Some(200), Some(300), Some(100), None)
        );
    }

    #[test]
    fn the_memory_kept_is_bounded() {
        let mut warm = Warm::new();
        (0..3).for_each(|_| warm.keep(Vec::with_capacity(WARM_BYTES_MAX / 2)));
        assert_eq!((warm.buffers.len(), warm.bytes), (2, WARM_BYTES_MAX));
        assert!(warm.buffers.iter().all(|buffer| buffer.len() == buffer.capacity()));
        let mut warm = Warm::new();
        (0..2 * WARM_MAX).for_each(|_| warm.keep(vec![0; 10]));
        assert_eq!(warm.buffers.len(), WARM_MAX);
    }

    #[test]
    fn memory_comes_back_from_its_last_user() {
        let (one, other) = (b"the same".to_vec(), b"the same".to_vec());
        let pooled = PooledBytes::new(one, 8);
        assert!(pooled.is(&pooled) && !pooled.is(&other) && !pooled.is(&pooled[1..]));
        let second = pooled.clone();
        assert_eq!(pooled.into_memory(), None);
        assert_eq!(second.into_memory(), Some(other));
    }
}
