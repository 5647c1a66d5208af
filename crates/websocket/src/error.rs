//! The two families of errors: the peer's fault and ours. They never mix.

use core::fmt;

use sockeye_frame::{CloseCode, Error as FrameError};

/// A rule that the peer broke. The connection has failed; its Close frame is in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame is malformed (RFC 6455 §5.2), or too long for the limits.
    Frame(FrameError),
    /// A continuation frame arrived while no message was under way (RFC 6455 §5.4).
    NothingToContinue,
    /// A new message began before the last one was finished (RFC 6455 §5.4).
    MessageInterrupted,
    /// A text message is not UTF-8 (RFC 6455 §8.1).
    InvalidUtf8,
    /// The message exceeds [`Limits::message_bytes_max`](crate::Limits::message_bytes_max).
    MessageTooBig,
    /// The message exceeds [`Limits::fragments_max`](crate::Limits::fragments_max).
    TooManyFragments,
    /// The message exceeds [`Limits::overhead_bytes_max`](crate::Limits::overhead_bytes_max).
    TooMuchOverhead,
}

impl ProtocolError {
    /// The code of the Close frame that reports this error (RFC 6455 §7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Frame(error) => error.close_code(),
            Self::NothingToContinue | Self::MessageInterrupted => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments | Self::TooMuchOverhead => CloseCode::POLICY_VIOLATION,
        }
    }
}

impl From<FrameError> for ProtocolError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame(error) => return error.fmt(f),
            Self::NothingToContinue => "continuation frame outside a message",
            Self::MessageInterrupted => "new message inside a fragmented message",
            Self::InvalidUtf8 => "text message is not UTF-8",
            Self::MessageTooBig => "message exceeds its limit",
            Self::TooManyFragments => "message has too many fragments",
            Self::TooMuchOverhead => "message spends too many bytes on frame headers",
        })
    }
}

impl core::error::Error for ProtocolError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Frame(error) => Some(error),
            Self::NothingToContinue
            | Self::MessageInterrupted
            | Self::InvalidUtf8
            | Self::MessageTooBig
            | Self::TooManyFragments
            | Self::TooMuchOverhead => None,
        }
    }
}

/// A message that could not be assembled. Give [`close_code`](Self::close_code) to
/// [`Connection::fail`](crate::Connection::fail).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// A text message is not UTF-8 once it is decompressed (RFC 6455 §8.1, RFC 7692 §6.2).
    InvalidUtf8,
    /// A compressed message is corrupt (RFC 7692 §7.2.2).
    Corrupt,
    /// The message exceeds the assembler's bound, before or after decompression.
    TooBig,
    /// A compressed message arrived and the caller gave no codec, though it negotiated compression.
    CodecMissing,
}

impl MessageError {
    /// The code of the Close frame that reports this error (RFC 6455 §7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::Corrupt => CloseCode::INVALID_PAYLOAD,
            Self::TooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::CodecMissing => CloseCode::INTERNAL_ERROR,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidUtf8 => "text message is not UTF-8",
            Self::Corrupt => "compressed message is corrupt",
            Self::TooBig => "message exceeds its limit",
            Self::CodecMissing => "no codec for a compressed message",
        })
    }
}

impl core::error::Error for MessageError {}

/// A call that the connection refused. Nothing was appended to the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// Our Close frame is sent or the connection is over: nothing may be sent any more
    /// (RFC 6455 §5.5.1).
    Closed,
    /// A fragmented message is under way; it has to end before another begins (RFC 6455 §5.4).
    MessageUnderWay,
    /// A fragment named another kind than the message that it continues.
    KindChanged,
    /// A control frame carries at most 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
    /// The close code must not stand on the wire, or not be sent by this role (RFC 6455 §7.4).
    InvalidCloseCode,
    /// No compression was negotiated.
    CompressionOff,
    /// A frame carries at most 2^63 - 1 bytes (RFC 6455 §5.2).
    FrameTooLong,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection takes no more frames",
            Self::MessageUnderWay => "a fragmented message is under way",
            Self::KindChanged => "a fragment changed the kind of its message",
            Self::ControlTooLong => "control frame over 125 bytes",
            Self::InvalidCloseCode => "close code not allowed on the wire",
            Self::CompressionOff => "no compression was negotiated",
            Self::FrameTooLong => "frame over 2^63 - 1 bytes",
        })
    }
}

impl core::error::Error for UsageError {}
