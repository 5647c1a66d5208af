//! The bytes that a connection holds, and the buffer into which all connections of a thread read.

use std::cell::Cell;

/// So many bytes are read at a time: a message of 64 KiB lies whole in them, with its header.
const READ_BYTES: usize = 128 * 1024;

thread_local! {
    static READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's read buffer, so that a connection owns none.
///
/// A stream that reads from another WebSocket within the call finds no buffer, and makes one.
pub(crate) fn with_read_buffer<R>(act: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = READ.take();
    buffer.resize(READ_BYTES, 0);
    let result = act(&mut buffer);
    READ.set(buffer);
    result
}

/// The bytes that were read behind the message that was handed over.
#[derive(Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    read: usize,
}

impl Input {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, read: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.read == self.bytes.len()
    }

    /// Keeps the rest of what was read. Nothing is held before.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        debug_assert!(self.is_empty(), "kept input is used up before more is read");
        self.bytes.clear();
        self.bytes.extend_from_slice(rest);
        self.read = 0;
    }

    /// Lends the rest to `act`, which takes from its front.
    pub(crate) fn take<R>(&mut self, act: impl FnOnce(&mut &mut [u8]) -> R) -> R {
        let mut rest = &mut self.bytes[self.read..];
        let result = act(&mut rest);
        let left = rest.len();
        self.read = self.bytes.len() - left;
        result
    }

    /// Frees the memory of used bytes.
    pub(crate) fn idle(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_keeps_no_large_buffer() {
        let mut input = Input::new(vec![1; 5000]);
        input.take(|rest| *rest = &mut core::mem::take(rest)[3000..]);
        input.idle();
        assert_eq!(input.take(|rest| core::mem::take(rest).len()), 2000);
        input.idle();
        assert_eq!(input.bytes.capacity(), 0);
    }
}
