//! One DEFLATE stream that compresses messages, for whichever session it is primed.

use alloc::vec::Vec;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use crate::WindowBits;
use crate::window::Window;

/// The smallest window of the encoder, in bits.
///
/// zlib-rs has no raw stream of 8 bits (its constructor panics). But it never uses a distance above
/// its window less 262, the longest match and its lookahead: 250 at 9 bits. So its output of 9 bits
/// is output for a window of 256 bytes, if it starts with no more than 256 bytes of history. The
/// tests measure that bound with an inflater of their own. [rfc7692:7.1.2-encoder-window]
const ENCODER_BITS_MIN: u8 = 9;

/// The end of a flush, which the sender strips.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

pub(crate) struct Deflater {
    stream: Deflate,
    config: DeflateConfig,
}

impl Deflater {
    pub(crate) fn new(bits: WindowBits, level: u8) -> Self {
        let config = DeflateConfig {
            window_bits: i32::from(bits.to_u8().max(ENCODER_BITS_MIN)).saturating_neg(),
            ..DeflateConfig::new(i32::from(level))
        };
        Self { stream: Deflate::new_with_config(config), config }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.stream.reset();
    }

    /// Forgets everything but the window.
    pub(crate) fn prime(&mut self, window: &Window) {
        self.reset();
        let (older, newer) = window.newest(usize::MAX);
        for part in [older, newer] {
            if !part.is_empty() {
                let _adler = self
                    .stream
                    .set_dictionary(part)
                    .expect("a raw deflate stream takes a dictionary between blocks");
            }
        }
    }

    /// Compresses a message, appends the payload and returns true. If the payload is not shorter than
    /// the message, it appends nothing and returns false.
    pub(crate) fn deflate(
        &mut self,
        scratch: &mut [u8],
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        let worthwhile = self.flush(scratch, message, out)
            && out.ends_with(&TAIL)
            && out.len().saturating_sub(start) < message.len().saturating_add(TAIL.len());
        // [rfc7692:7.2.1-strip-tail] RFC 7692 §7.2.1: flushed to a byte boundary by an empty
        // stored block, of which the last four bytes are not sent.
        let end = if worthwhile { out.len().saturating_sub(TAIL.len()) } else { start };
        out.truncate(end);
        worthwhile
    }

    /// Compresses and flushes. Appends nothing and returns false if the result is not shorter than the
    /// message.
    ///
    /// Even then the stream is brought to the end of its flush: a reset of zlib-rs (0.6.8) forgets
    /// that its own buffer was emptied in part, and the next message would overrun it, a panic.
    fn flush(&mut self, scratch: &mut [u8], mut input: &[u8], out: &mut Vec<u8>) -> bool {
        let limit = out.len().saturating_add(input.len()).saturating_add(TAIL.len());
        let mut worthwhile = true;
        loop {
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            if self.stream.compress(input, scratch, DeflateFlush::SyncFlush).is_err() {
                // Never seen. The state of such a stream is unknown.
                self.stream = Deflate::new_with_config(self.config);
                return false;
            }
            let read = self.stream.total_in().saturating_sub(read);
            let written = self.stream.total_out().saturating_sub(written);
            input = usize::try_from(read).ok().and_then(|read| input.get(read..)).unwrap_or(&[]);
            let written = usize::try_from(written).unwrap_or(usize::MAX);
            let (produced, rest) = scratch.split_at_checked(written).unwrap_or_default();
            worthwhile &= out.len().saturating_add(produced.len()) < limit;
            if worthwhile {
                out.extend_from_slice(produced);
            }
            // Room left over means that the flush is complete. If a flush fills the buffer to the last
            // byte, another flush adds an empty block, which is valid.
            if !rest.is_empty() && input.is_empty() {
                return worthwhile;
            }
        }
    }
}
