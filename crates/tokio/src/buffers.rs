//! The bytes that a connection holds, and the buffer into which all connections of a thread read.

use std::cell::Cell;

/// So many bytes are read at a time: a message of 64 KiB lies whole in them, with its header.
const READ_BYTES: usize = 128 * 1024;
/// An idle connection keeps no larger output buffer.
const IDLE_BYTES_MAX: usize = 1024;

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

/// Encoded bytes that are not sent.
#[derive(Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    /// Where frames are appended.
    pub(crate) const fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) const fn unsent_len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Notes that the next `len` bytes are sent. What is sent is dropped when it is half of all: each byte is moved
    /// once at the most.
    pub(crate) fn advance(&mut self, len: usize) {
        self.sent += len;
        if self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Drops everything.
    pub(crate) fn discard(&mut self) {
        *self = Self::default();
    }

    /// Frees the memory that only a busy connection needs.
    pub(crate) fn idle(&mut self) {
        if self.is_empty() && self.bytes.capacity() > IDLE_BYTES_MAX {
            self.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_sent_in_any_pieces_and_in_order() {
        for step in 1..40 {
            let (mut output, mut sent) = (Output::default(), Vec::new());
            for byte in 0..100_u8 {
                output.end().extend([byte; 7]);
                let len = step.min(output.unsent_len());
                sent.extend_from_slice(&output.unsent()[..len]);
                output.advance(len);
                assert!(output.bytes.len() <= 2 * output.unsent_len() + 1);
            }
            sent.extend_from_slice(output.unsent());
            assert!(sent.iter().copied().eq((0..100_u8).flat_map(|byte| [byte; 7])));
        }
    }

    #[test]
    fn an_idle_connection_keeps_no_large_buffer() {
        let (mut input, mut output) = (Input::new(vec![1; 5000]), Output::default());
        input.take(|rest| *rest = &mut core::mem::take(rest)[3000..]);
        input.idle();
        assert_eq!(input.take(|rest| core::mem::take(rest).len()), 2000);
        input.idle();
        assert_eq!(input.bytes.capacity(), 0);
        output.end().extend([0; 5000]);
        output.advance(5000);
        output.idle();
        assert_eq!(output.bytes.capacity(), 0);
        output.end().extend([0; 100]);
        output.advance(100);
        output.idle();
        assert!(output.bytes.capacity() >= 100, "small ones are kept: no allocation a message");
    }
}
