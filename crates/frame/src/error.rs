//! Violations by the peer, and the close code of each.

use core::fmt;

use crate::{CloseCode, Utf8Error};

/// A violation by the peer. Each one fails the connection (RFC 6455 §7.1.7).
///
/// Usage errors have types of their own, such as
/// [`CloseFrameError`](crate::CloseFrameError).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// A reserved bit is set that no extension claimed for this kind of frame (§5.2).
    ReservedBits,
    /// The opcode is one of the ten that have no meaning (§5.2).
    UnknownOpcode,
    /// A client sent a frame without a mask (§5.1).
    MaskMissing,
    /// A server sent a frame with a mask (§5.1).
    MaskUnexpected,
    /// A control frame has FIN clear (§5.5).
    ControlFragmented,
    /// A control frame is longer than 125 bytes (§5.5).
    ControlTooLong,
    /// The length would have fitted a shorter form (§5.2).
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length is set (§5.2).
    LengthOverflow,
    /// A data frame is longer than [`Rules::payload_len_max`](crate::Rules::payload_len_max) (§10.4).
    FrameTooBig,
    /// A Close frame's payload is one byte: half a close code (§5.5.1).
    CloseCodeTruncated,
    /// A Close frame carries a code that must not appear on the wire (§7.4).
    CloseCodeInvalid,
    /// A Close reason, or text, is not UTF-8 (§5.5.1, §8.1).
    InvalidUtf8,
}

impl Error {
    /// The code of the Close frame that fails the connection.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::UnknownOpcode
            | Self::MaskMissing
            | Self::MaskUnexpected
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthOverflow
            | Self::CloseCodeTruncated
            | Self::CloseCodeInvalid => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig => CloseCode::MESSAGE_TOO_BIG,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "a reserved bit is set that no extension claimed",
            Self::UnknownOpcode => "the opcode is unknown",
            Self::MaskMissing => "a client's frame is not masked",
            Self::MaskUnexpected => "a server's frame is masked",
            Self::ControlFragmented => "a control frame is fragmented",
            Self::ControlTooLong => "a control frame is longer than 125 bytes",
            Self::LengthNotMinimal => "the payload length is not in its shortest form",
            Self::LengthOverflow => "the payload length has its most significant bit set",
            Self::FrameTooBig => "the frame is longer than the limit",
            Self::CloseCodeTruncated => "the close code is cut short",
            Self::CloseCodeInvalid => "the close code must not appear on the wire",
            Self::InvalidUtf8 => "the text is not UTF-8",
        })
    }
}

impl core::error::Error for Error {}

impl From<Utf8Error> for Error {
    fn from(_: Utf8Error) -> Self {
        Self::InvalidUtf8
    }
}
