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

/// The longest text that [`Gzip::member`] deflates: such an item, and what is around it in an answer.
pub const MEMBER_TEXT_BYTES_MAX: usize = TEXT_BYTES_MAX + 16 * 1024;

/// The longest stored block (RFC 1951 §3.2.4).
const STORED_BYTES_MAX: usize = 0xFFFF;

/// An empty stored block. Decoders hand out what they have when they see one, and some (Go's) keep a stored
/// text until then.
const FLUSH: [u8; 5] = [0x00, 0x00, 0x00, 0xFF, 0xFF];

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

/// What a [`Gzip`] has deflated since it was made. Texts that it stored without an attempt do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Texts.
    pub texts: u64,
    /// Bytes of these texts.
    pub text_bytes: u64,
    /// Bytes of the blocks that they became.
    pub block_bytes: u64,
}

impl Totals {
    /// Adds those of another one.
    pub const fn add(&mut self, other: Self) {
        self.texts = self.texts.saturating_add(other.texts);
        self.text_bytes = self.text_bytes.saturating_add(other.text_bytes);
        self.block_bytes = self.block_bytes.saturating_add(other.block_bytes);
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
    totals: Totals,
}

impl Gzip {
    /// A deflater that has allocated nothing yet.
    #[must_use]
    pub const fn new(config: GzipConfig) -> Self {
        let totals = Totals { texts: 0, text_bytes: 0, block_bytes: 0 };
        Self { config, deflater: None, scratch: Vec::new(), shift: Shift::NONE, totals }
    }

    /// How it compresses.
    #[must_use]
    pub const fn config(&self) -> GzipConfig {
        self.config
    }

    /// Compresses differently from now on.
    pub fn set_config(&mut self, config: GzipConfig) {
        if config != self.config {
            let totals = self.totals;
            *self = Self { totals, ..Self::new(config) };
        }
    }

    /// What it has deflated since it was made.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
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
        self.deflate_parts(text, out)
    }

    /// Appends `text` as a whole member of gzip, if that is shorter. Returns whether it did.
    ///
    /// A text above [`MEMBER_TEXT_BYTES_MAX`] is not tried; one below the configured length is.
    pub fn member(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        if text.len() > MEMBER_TEXT_BYTES_MAX {
            return false;
        }
        let start = out.len();
        out.extend_from_slice(&HEADER);
        self.deflate_parts(text, out);
        let mut checksum = Checksum::NONE;
        checksum.update(text);
        out.extend_from_slice(&checksum.trailer());
        let is_shorter = out.len().saturating_sub(start) < text.len();
        if !is_shorter {
            out.truncate(start);
        }
        is_shorter
    }

    /// Appends each part of `text` as blocks of its own. Returns whether a part of it was deflated.
    fn deflate_parts(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let (start, mut is_deflated) = (out.len(), false);
        for part in text.chunks(PART_BYTES) {
            let deflates = self.deflate(part, out);
            if !deflates {
                store(part, out);
            }
            is_deflated |= deflates;
        }
        let block_bytes = out.len().saturating_sub(start);
        let (text_bytes, block_bytes) = (text.len() as u64, block_bytes as u64);
        self.totals.add(Totals { texts: 1, text_bytes, block_bytes });
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
            // [gzip:flushed] Its first byte is there. permessage-deflate leaves out the other four.
            out.extend_from_slice(&FLUSH[1..]);
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

/// Appends `text` as stored blocks: 5 bytes more for each 64 KiB, and 5 for an empty block behind them.
pub fn store(text: &[u8], out: &mut Vec<u8>) {
    for part in text.chunks(STORED_BYTES_MAX) {
        let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&FLUSH); // [gzip:flushed]
}

/// Shows no text.
impl fmt::Debug for Gzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gzip").field("config", &self.config).finish_non_exhaustive()
    }
}
