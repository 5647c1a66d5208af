//! The trait of a compression extension.

use alloc::vec::Vec;
use core::fmt;

/// Compresses and decompresses whole messages (RFC 7692 §6).
///
/// `sockeye-deflate` implements it. This crate only knows the reserved bit that marks such messages.
pub trait MessageCodec {
    /// Decompresses one message and appends it to `out`.
    ///
    /// `message` is what the frames carried, without the tail that the sender stripped
    /// (RFC 7692 §7.2.2). At most `bytes_max` bytes may be appended; the bound is applied while
    /// inflating, not afterwards.
    ///
    /// # Errors
    /// The message is corrupt or would become too big. What was appended to `out` is then
    /// meaningless, and so is every later message: the connection has to be failed.
    fn decompress(
        &mut self,
        message: &[u8],
        bytes_max: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError>;

    /// Compresses one message, appends it to `out` in the form that
    /// [`Connection::send_compressed`](crate::Connection::send_compressed) takes, and returns true.
    /// If the message is better sent uncompressed, it leaves `out` as it is and returns false.
    fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool;
}

/// Why a message could not be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecError {
    /// The compressed data is corrupt.
    Corrupt,
    /// The message would exceed the bound.
    TooBig,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "the compressed message is corrupt",
            Self::TooBig => "the decompressed message is too big",
        })
    }
}

impl core::error::Error for CodecError {}
