//! The bytes that a connection holds, and the buffer into which all connections of a thread read.

use std::cell::Cell;

/// So many bytes are read at a time: a message of 64 KiB lies whole in them, with its header.
const READ_BYTES: usize = 128 * 1024;

thread_local! {
    /// It is filled with zeros once: many streams want that.
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

/// A read into a buffer of its own is offered so many bytes at the most.
const OWN_BYTES_MAX: usize = 1024 * 1024 + HEADER_BYTES_MAX + 1;

/// A shorter message is copied out of the thread's buffer.
const OWN_BYTES_MIN: usize = 16 * 1024;

/// The longest header of a frame.
const HEADER_BYTES_MAX: usize = 14;

/// The bytes that were read behind the message that was handed over, and how large reads are.
#[derive(Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    read: usize,
    /// The largest recent read, in bytes. A read that brings less lowers it, by a quarter at the most.
    brought: usize,
    /// How many reads brought something since the last wait.
    reads: u32,
    /// Before the last wait one read had brought all that came.
    one_at_a_time: bool,
    /// Bytes of the next frame's header that the last read brought, too.
    ahead: usize,
}

impl Input {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, read: 0, brought: 0, reads: 0, one_at_a_time: false, ahead: 0 }
    }

    /// The length of a buffer that may become the next message. Messages are often as long as the last one; `None` if that was small.
    ///
    /// Where they come one at a time there is room for a byte more: after a read that fills its buffer, tokio asks the system again
    /// whether there is more. If there is, the byte belongs to the next frame, and the read after it ends with that frame.
    pub(crate) fn own_buffer_len(&self, message_len: usize) -> Option<usize> {
        let is_large = (OWN_BYTES_MIN..=OWN_BYTES_MAX).contains(&message_len);
        let more = HEADER_BYTES_MAX + usize::from(self.one_at_a_time) - self.ahead;
        is_large.then_some(message_len.saturating_add(more))
    }

    /// How many bytes the next read into a message may be offered: twice what the last ones brought. Some streams fill a buffer with
    /// zeros before they read into it, which is not to be done again and again for a few bytes.
    pub(crate) fn read_bytes_max(&self) -> usize {
        self.brought.saturating_mul(2).clamp(OWN_BYTES_MIN, OWN_BYTES_MAX)
    }

    /// Notes how many bytes a read brought. The last bytes of a message often come by themselves: they say little of the next read.
    pub(crate) fn note_read(&mut self, len: usize) {
        self.brought = len.max(self.brought - self.brought / 4);
        self.ahead = 0;
        self.reads = self.reads.saturating_add(1);
    }

    /// Keeps a buffer of which only the last `left` bytes are unread. Nothing is held before.
    pub(crate) fn hold(&mut self, bytes: Vec<u8>, left: usize) {
        debug_assert!(self.is_empty(), "kept input is used up before more is read");
        self.one_at_a_time = false;
        self.ahead = if left < HEADER_BYTES_MAX { left } else { 0 };
        self.read = bytes.len() - left;
        self.bytes = bytes;
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

    /// The task is about to wait: frees the memory of used bytes, and notes whether one read had brought all.
    pub(crate) fn idle(&mut self) {
        if self.reads > 0 {
            (self.one_at_a_time, self.reads) = (self.reads == 1, 0);
        }
        if self.is_empty() {
            (self.bytes, self.read) = (Vec::new(), 0);
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

    #[test]
    fn reads_shrink_with_what_they_bring() {
        let mut input = Input::default();
        input.note_read(1 << 20);
        input.note_read(14);
        assert!(input.read_bytes_max() > 1 << 20, "the last bytes of a message");
        (0..20).for_each(|_| input.note_read(14));
        assert_eq!(input.read_bytes_max(), 16 * 1024);
        input.note_read(100_000);
        assert_eq!(input.read_bytes_max(), 200_000);
    }

    #[test]
    fn messages_one_at_a_time_get_a_byte_more() {
        let mut input = Input::default();
        assert_eq!(input.own_buffer_len(1000), None);
        for (reads, expected) in [(1, 65_551), (0, 65_551), (2, 65_550), (0, 65_550), (1, 65_551)] {
            (0..reads).for_each(|_| input.note_read(65_550));
            input.idle();
            assert_eq!(input.own_buffer_len(65_536), Some(expected));
        }
    }
}
