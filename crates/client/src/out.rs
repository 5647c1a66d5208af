//! The bytes that a machine sends.

/// A vector that has grown beyond this is given back once it is empty.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Bytes to send, after those that were sent already.
#[derive(Default)]
pub(crate) struct Out {
    /// The machine appends to it.
    pub(crate) bytes: Vec<u8>,
    sent: usize,
}

impl Out {
    /// The bytes that are not sent.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Counts `len` bytes as sent.
    ///
    /// Moves what is left to the front only when that is the smaller part, so that the work is linear.
    pub(crate) fn took(&mut self, len: usize) {
        self.sent += len;
        if self.sent * 2 >= self.bytes.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Puts bytes that were sent in front of the others: they are sent again.
    pub(crate) fn put_back(&mut self, mut kept: Vec<u8>) {
        kept.extend_from_slice(self.rest());
        *self = Self { bytes: kept, sent: 0 };
    }
}
