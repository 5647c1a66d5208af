//! gzip (RFC 1952) in blocks that many streams share.
//!
//! ```text
//!  HEADER │ block │ block │ block │ … │ trailer
//! ```
//!
//! A block is a run of deflate blocks that refers to nothing before it and ends at a byte boundary. So the
//! same bytes are valid at any place of any stream, and a stream keeps nothing but its checksum, of 8
//! bytes.

mod checksum;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

pub use checksum::{Checksum, TextChecksum};

use crate::deflater::Deflater;
use crate::engine::SCRATCH_BYTES;
use crate::{Level, WindowBits};
use checksum::Shift;

/// The header of a gzip member without name, time and system (RFC 1952 §2.3.1).
pub const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// Bytes of the end of a member: an empty last block, the checksum and the length.
pub const TRAILER_BYTES: usize = 10;

/// The longest text that is deflated at once. A longer one is deflated in parts, so that the work for each
/// is bounded.
pub const PART_BYTES: usize = 16 * 1024;

/// The longest text that [`Gzip::block`] deflates. It bounds the time of a call to about a millisecond.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The longest stored block (RFC 1951 §3.2.4).
const STORED_BYTES_MAX: usize = 0xFFFF;

/// How a [`Gzip`] compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GzipConfig {
    /// The effort.
    pub level: Level,
    /// Shorter texts are stored as they are, in bytes.
    pub text_bytes_min: usize,
}

impl Default for GzipConfig {
    /// Texts from 256 bytes at level 4. The README has the measurements.
    fn default() -> Self {
        Self { level: Level::SHARED, text_bytes_min: 256 }
    }
}

/// The deflater that all gzip streams of one loop share.
///
/// It allocates 350 KB when the first text is deflated.
pub struct Gzip {
    config: GzipConfig,
    deflater: Option<Box<Deflater>>,
    scratch: Vec<u8>,
    shift: Shift,
}

impl Gzip {
    /// A deflater that has allocated nothing yet.
    #[must_use]
    pub const fn new(config: GzipConfig) -> Self {
        Self { config, deflater: None, scratch: Vec::new(), shift: Shift::NONE }
    }

    /// How it compresses.
    #[must_use]
    pub const fn config(&self) -> GzipConfig {
        self.config
    }

    /// Compresses differently from now on.
    pub fn set_config(&mut self, config: GzipConfig) {
        if config != self.config {
            *self = Self::new(config);
        }
    }

    /// Appends `text` as a block: deflated if that is shorter, and stored otherwise. Returns whether a part
    /// of it was deflated.
    ///
    /// A text above [`PART_BYTES`] becomes several runs of blocks, each of which refers to nothing before
    /// it.
    pub fn block(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.tries(text) {
            store(text, out);
            return false;
        }
        let mut is_deflated = false;
        for part in text.chunks(PART_BYTES) {
            let deflates = self.deflate(part, out);
            if !deflates {
                store(part, out);
            }
            is_deflated |= deflates;
        }
        is_deflated
    }

    /// Whether a text is long enough to be deflated, and not too long. Any other one is stored.
    #[must_use]
    pub const fn tries(&self, text: &[u8]) -> bool {
        text.len() >= self.config.text_bytes_min && text.len() <= TEXT_BYTES_MAX
    }

    /// Deflates a part, unless the result is no shorter.
    fn deflate(&mut self, part: &[u8], out: &mut Vec<u8>) -> bool {
        self.scratch.resize(SCRATCH_BYTES, 0);
        let level = self.config.level.to_u8();
        let deflater =
            self.deflater.get_or_insert_with(|| Box::new(Deflater::new(WindowBits::MAX, level)));
        // [gzip:independent-blocks] The block refers to no text of another stream.
        deflater.reset();
        let is_shorter = deflater.deflate(&mut self.scratch, part, out);
        if is_shorter {
            // [gzip:flushed] The end of the flush, which permessage-deflate leaves out.
            out.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF]);
        }
        is_shorter
    }

    /// Adds a text that many streams share to the checksum of one of them. Consecutive calls for texts of
    /// one length are the fastest.
    #[inline]
    pub fn add(&mut self, text: &TextChecksum, stream: &mut Checksum) {
        self.shift.add(text, stream);
    }
}

/// Appends `text` as stored blocks: 5 bytes more for each 64 KiB.
pub fn store(text: &[u8], out: &mut Vec<u8>) {
    for part in text.chunks(STORED_BYTES_MAX) {
        let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(part);
    }
}

/// Shows no text.
impl fmt::Debug for Gzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gzip").field("config", &self.config).finish_non_exhaustive()
    }
}
