//! The bytes that a connection has to send.

/// An idle connection keeps no larger output buffer.
const IDLE_BYTES_MAX: usize = 1024;

/// Encoded bytes that are not sent.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    /// The buffer to which frames are appended.
    pub const fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes that are to be sent next.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// How many bytes are not sent.
    #[must_use]
    pub const fn unsent_len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether all is sent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Notes that the next `len` bytes are sent. What is sent is dropped when it is half of all: each byte is moved
    /// once at the most.
    pub fn advance(&mut self, len: usize) {
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
    pub fn discard(&mut self) {
        *self = Self::default();
    }

    /// Frees the memory that only a busy connection needs.
    pub fn idle(&mut self) {
        if self.is_empty() && self.bytes.capacity() > IDLE_BYTES_MAX {
            self.discard();
        }
    }
}

/// Shows the length only.
impl core::fmt::Debug for Output {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Output({} bytes)", self.unsent_len())
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
        let mut output = Output::default();
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
