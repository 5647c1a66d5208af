//! The inflater that all connections of a loop share.

use alloc::vec::Vec;

use sockeye_websocket::CodecError;
use zlib_rs::{Inflate, InflateFlush, Status};

use crate::window::{Window, suffix};

/// The four bytes that a sender strips from each message (RFC 7692 §7.2.1), and one more.
///
/// The last byte is a probe. After the four bytes the message has to be at the end of a block, all
/// bits used. Then the probe reads as the start of a fixed block (`11`, a final one) and is fine.
/// Were one or more bits of the last `FF` left over, they would complete to the block type `11`,
/// which does not exist.
const TAIL_AND_PROBE: [u8; 5] = [0x00, 0x00, 0xFF, 0xFF, 0b0000_0011];

/// Final blocks that any message may hold, and the bytes that each further one has to be worth.
///
/// Deviation: RFC 7692 §7.2.3.4 sets no bound. Each final block ends a DEFLATE stream, and to go on
/// behind it the window has to be handed over again, up to 32 KiB for two bytes of input. A sender
/// that has any use for final blocks needs one a message or one a flush.
const FINAL_BLOCKS_MIN: usize = 16;
const FINAL_BLOCK_BYTES: usize = 64;

/// Inflates one message and appends it to `out`; on an error `out` holds a part of it.
pub(crate) fn inflate(
    stream: &mut Inflate,
    scratch: &mut [u8],
    window: &Window,
    message: &[u8],
    bytes_max: u64,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let final_blocks = FINAL_BLOCKS_MIN.saturating_add(message.len() / FINAL_BLOCK_BYTES);
    let start = out.len();
    let mut run = Run { stream, scratch, window, room: bytes_max, final_blocks, start, out };
    run.prime()?;
    run.body(message)?;
    run.tail()
}

/// A message that is being inflated.
struct Run<'r> {
    stream: &'r mut Inflate,
    scratch: &'r mut [u8],
    window: &'r Window,
    /// The bytes that may still be appended to `out`.
    room: u64,
    /// The final blocks that may still come.
    final_blocks: usize,
    /// Where the message starts in `out`.
    start: usize,
    out: &'r mut Vec<u8>,
}

/// Why the inflater returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Behind a block with BFINAL set, at a byte boundary.
    FinalBlock,
    /// The scratch buffer is full: call again, there may be more.
    Full,
    /// The input is exhausted; or a block ended, if the caller asked to stop there.
    Paused,
}

impl Run<'_> {
    /// Starts a DEFLATE stream whose history is the newest bytes of the window and of the message
    /// so far.
    ///
    /// [rfc7692:7.1.2-distance] RFC 7692 §7.1.2: not a byte more than the negotiated window.
    fn prime(&mut self) -> Result<(), CodecError> {
        self.stream.reset(false);
        let size = self.window.bits().bytes();
        let message = suffix(self.out.get(self.start..).unwrap_or_default(), size);
        let (older, newer) = self.window.newest(size.saturating_sub(message.len()));
        for part in [older, newer, message] {
            if !part.is_empty() {
                self.stream.set_dictionary(part).map_err(|_| CodecError::Corrupt)?;
            }
        }
        Ok(())
    }

    /// Inflates what the frames carried.
    fn body(&mut self, mut input: &[u8]) -> Result<(), CodecError> {
        loop {
            match self.step(&mut input, InflateFlush::NoFlush)? {
                Stop::FinalBlock => {
                    self.restart()?;
                    if input.is_empty() {
                        return Ok(());
                    }
                }
                Stop::Full => {}
                Stop::Paused => return Ok(()),
            }
        }
    }

    /// Inflates what the sender stripped, and checks that the message ends there.
    ///
    /// [rfc7692:7.2.2-append-tail] RFC 7692 §7.2.2: append, then inflate to the end of the input.
    /// `Block` makes the inflater return at the end of each block, so that one which ends before
    /// the probe is told from one that would swallow it. The input is too short to fill the scratch
    /// buffer: at most 5 bytes of two-bit matches, 258 bytes each.
    fn tail(&mut self) -> Result<(), CodecError> {
        let mut input = &TAIL_AND_PROBE[..];
        while input.len() > 1 {
            let before = input.len();
            match self.step(&mut input, InflateFlush::Block)? {
                Stop::FinalBlock => self.restart()?,
                Stop::Full | Stop::Paused if input.len() == before => {
                    return Err(CodecError::Corrupt);
                }
                Stop::Full | Stop::Paused => {}
            }
        }
        // [rfc7692:7.2.1-complete] A block that has not ended here was cut off.
        if input.is_empty() {
            return Err(CodecError::Corrupt);
        }
        // With `Block`, only another call reports a final block that ended in the tail.
        match self.step(&mut input, InflateFlush::Block)? {
            Stop::FinalBlock => self.count_final_block(),
            Stop::Full | Stop::Paused => Ok(()),
        }
    }

    /// [rfc7692:7.2.3.4-bfinal] RFC 7692 §7.2.3.4: a final block ends nothing but itself; the next
    /// one starts at the next byte and still sees the window.
    fn restart(&mut self) -> Result<(), CodecError> {
        self.count_final_block()?;
        self.prime()
    }

    fn count_final_block(&mut self) -> Result<(), CodecError> {
        self.final_blocks = self.final_blocks.checked_sub(1).ok_or(CodecError::Corrupt)?;
        Ok(())
    }

    /// Inflates at most one scratch buffer and never more than one byte past the bound.
    fn step(&mut self, input: &mut &[u8], flush: InflateFlush) -> Result<Stop, CodecError> {
        let bound = usize::try_from(self.room.saturating_add(1)).unwrap_or(usize::MAX);
        let len = self.scratch.len().min(bound);
        let scratch = self.scratch.get_mut(..len).unwrap_or_default();
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status =
            self.stream.decompress(input, scratch, flush).map_err(|_| CodecError::Corrupt)?;
        let read = self.stream.total_in().saturating_sub(read);
        let written = self.stream.total_out().saturating_sub(written);
        *input = usize::try_from(read).ok().and_then(|read| input.get(read..)).unwrap_or_default();
        // [rfc7692:6.2-limit] The bound holds while inflating: `out` never grows past it.
        self.room = self.room.checked_sub(written).ok_or(CodecError::TooBig)?;
        let written = usize::try_from(written).unwrap_or(usize::MAX);
        let (produced, rest) = scratch.split_at_checked(written).unwrap_or_default();
        self.out.extend_from_slice(produced);
        Ok(match status {
            Status::StreamEnd => Stop::FinalBlock,
            Status::Ok | Status::BufError if rest.is_empty() => Stop::Full,
            Status::Ok | Status::BufError => Stop::Paused,
        })
    }
}
