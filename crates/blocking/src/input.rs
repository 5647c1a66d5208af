//! Bytes that were read and are not used up.

use std::io::{self, Read};

/// So many bytes are read at a time.
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// So many bytes of a large message are read at a time at the most.
const LARGE_READ_BYTES: usize = 256 * 1024;

/// The bytes that were read, and how many of them are used up.
#[derive(Default)]
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) taken: usize,
    pub(crate) filled: usize,
    /// How many bytes the next read into a large message is offered.
    pub(crate) offered: usize,
}

impl Input {
    /// Lends the rest to `act`, which takes from its front.
    pub(crate) fn take<R>(&mut self, act: impl FnOnce(&mut &mut [u8]) -> Option<R>) -> Option<R> {
        if self.taken == self.filled {
            return None;
        }
        let mut rest = &mut self.bytes[self.taken..self.filled];
        let result = act(&mut rest);
        let left = rest.len();
        self.taken = self.filled - left;
        result
    }

    /// Reads once, when all is used up.
    pub(crate) fn read(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.bytes.resize(READ_BYTES, 0);
        let len = stream.read(&mut self.bytes)?;
        (self.taken, self.filled) = (0, len);
        self.offer(len);
        Ok(len)
    }

    /// Reads once, to the end of `bytes`.
    pub(crate) fn read_on(
        &mut self,
        stream: &mut impl Read,
        room: usize,
        bytes: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let from = bytes.len();
        bytes.resize(from + room, 0);
        let result = stream.read(&mut bytes[from..]);
        let len = *result.as_ref().unwrap_or(&0);
        bytes.truncate(from + len);
        self.offer(len);
        result
    }

    /// Twice what the last read brought: the zeros before a read cost little beside what it brings.
    fn offer(&mut self, brought: usize) {
        self.offered = brought.saturating_mul(2).clamp(READ_BYTES, LARGE_READ_BYTES);
    }
}
