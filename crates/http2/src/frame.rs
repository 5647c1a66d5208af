//! The frame codec (RFC 9113 §4, §6).
//!
//! ```text
//!  0               1               2               3
//! +-----------------------------------------------+
//! |                 length (24)                   |
//! +---------------+---------------+---------------+
//! |   type (8)    |   flags (8)   |
//! +-+-------------+---------------+-------------------------------+
//! |R|                 stream identifier (31)                      |
//! +=+=============================================================+
//! |                     payload (length bytes)                    |
//! +---------------------------------------------------------------+
//! ```
//!
//! [`FrameHead::check`] is the one place that knows lengths and where a stream identifier belongs;
//! [`Frame::parse`] reads a payload that passed it, and [`Frame::write`] appends one.

mod parse;
mod setting;
mod write;

use core::fmt;

use crate::{ErrorCode, StreamId};

pub use setting::{Setting, SettingId, Settings};

/// The bytes of a frame before its payload.
pub const HEAD_BYTES: usize = 9;

/// The longest payload that every endpoint accepts, and that this crate accepts.
pub const PAYLOAD_BYTES_MAX: u32 = 16_384;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// Content of a stream.
    Data,
    /// Begins a field block: a head or trailers.
    Headers,
    /// A priority of RFC 7540, which has no effect.
    Priority,
    /// Ends a stream at once.
    RstStream,
    /// Settings of the sender, or their acknowledgement.
    Settings,
    /// Announces a pushed response.
    PushPromise,
    /// Asks for an answer, or is one.
    Ping,
    /// Ends a connection.
    Goaway,
    /// Widens a flow-control window.
    WindowUpdate,
    /// Continues a field block.
    Continuation,
    /// A type that this crate does not know.
    Unknown(u8),
}

impl FrameKind {
    /// Returns the kind of that number.
    #[must_use]
    pub const fn from_u8(number: u8) -> Self {
        match number {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::Goaway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            other => Self::Unknown(other),
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Data => 0x0,
            Self::Headers => 0x1,
            Self::Priority => 0x2,
            Self::RstStream => 0x3,
            Self::Settings => 0x4,
            Self::PushPromise => 0x5,
            Self::Ping => 0x6,
            Self::Goaway => 0x7,
            Self::WindowUpdate => 0x8,
            Self::Continuation => 0x9,
            Self::Unknown(other) => other,
        }
    }
}

/// The flags of a frame. Flags that a frame's type does not define are ignored (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// An answer to PING or SETTINGS.
    pub const ACK: Self = Self(0x1);
    /// The sender's last frame of the stream (DATA, HEADERS).
    pub const END_STREAM: Self = Self(0x1);
    /// The field block ends with this frame.
    pub const END_HEADERS: Self = Self(0x4);
    /// The payload is padded.
    pub const PADDED: Self = Self(0x8);
    /// A HEADERS frame has a priority.
    pub const PRIORITY: Self = Self(0x20);

    /// Returns whether all of those flags are set.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Returns these flags, and the others if `set`.
    #[must_use]
    pub const fn with(self, flags: Self, set: bool) -> Self {
        if set { Self(self.0 | flags.0) } else { self }
    }
}

/// The first nine bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHead {
    /// The payload's bytes, 24 bits.
    pub len: u32,
    /// The type.
    pub kind: FrameKind,
    /// The flags.
    pub flags: Flags,
    /// The stream, or [`StreamId::CONNECTION`].
    pub stream: StreamId,
}

/// A wrong frame: the code of the error, and whether only its stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The payload is longer than [`PAYLOAD_BYTES_MAX`].
    TooLong,
    /// The length is none that the type allows.
    Length,
    /// A PRIORITY frame has another length than 5. Only its stream ends.
    PriorityLength,
    /// A frame of a stream names none, or a frame of the connection names one.
    Stream,
    /// The padding is as long as the payload, or longer.
    Padding,
    /// A WINDOW_UPDATE frame of the connection with an increment of zero.
    Increment,
    /// A WINDOW_UPDATE frame of a stream with an increment of zero. Only its stream ends.
    StreamIncrement,
    /// A stream depends on itself. Only that stream ends.
    SelfDependency,
}

impl FrameError {
    /// Returns the error code that answers it.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::TooLong | Self::Length | Self::PriorityLength => ErrorCode::FRAME_SIZE_ERROR,
            Self::Stream
            | Self::Padding
            | Self::Increment
            | Self::StreamIncrement
            | Self::SelfDependency => ErrorCode::PROTOCOL_ERROR,
        }
    }

    /// Returns whether the error ends only its stream.
    #[must_use]
    pub const fn is_of_stream(self) -> bool {
        match self {
            Self::PriorityLength | Self::StreamIncrement | Self::SelfDependency => true,
            Self::TooLong | Self::Length | Self::Stream | Self::Padding | Self::Increment => false,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "frame over 16384 bytes",
            Self::Length => "the frame's type does not allow its length",
            Self::PriorityLength => "PRIORITY frame not of 5 bytes",
            Self::Stream => "the frame's type does not allow its stream identifier",
            Self::Padding => "padding as long as the payload",
            Self::Increment => "WINDOW_UPDATE of the connection by zero",
            Self::StreamIncrement => "WINDOW_UPDATE of a stream by zero",
            Self::SelfDependency => "stream depends on itself",
        })
    }
}

impl core::error::Error for FrameError {}

/// A priority of RFC 7540 §5.3. It has no effect (RFC 9113 §5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Priority {
    /// The stream on which this one depends.
    pub dependency: StreamId,
    /// Whether it is the only one that does.
    pub exclusive: bool,
    /// The weight less one.
    pub weight: u8,
}

/// A frame with its whole payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frame<'b> {
    /// Content of a stream, without its padding.
    Data {
        /// The stream.
        stream: StreamId,
        /// The sender's last frame of the stream.
        end_stream: bool,
        /// The content.
        data: &'b [u8],
    },
    /// Begins a field block.
    Headers {
        /// The stream.
        stream: StreamId,
        /// The sender's last field block or frame of the stream.
        end_stream: bool,
        /// The block ends here.
        end_headers: bool,
        /// The priority, if there is one.
        priority: Option<Priority>,
        /// The encoded fields.
        block: &'b [u8],
    },
    /// A priority.
    Priority {
        /// The stream.
        stream: StreamId,
        /// Its priority.
        priority: Priority,
    },
    /// Ends a stream at once.
    RstStream {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ErrorCode,
    },
    /// Settings of the sender.
    Settings(Settings<'b>),
    /// The answer to a SETTINGS frame.
    SettingsAck,
    /// Announces a pushed response.
    PushPromise {
        /// The stream that caused it.
        stream: StreamId,
        /// The stream of the response.
        promised: StreamId,
        /// The block ends here.
        end_headers: bool,
        /// The encoded fields.
        block: &'b [u8],
    },
    /// Asks for an answer, or is one.
    Ping {
        /// Whether it is the answer.
        ack: bool,
        /// Eight bytes, which the answer repeats.
        payload: [u8; 8],
    },
    /// Ends a connection.
    Goaway {
        /// The greatest stream of the receiver that was or may be processed.
        last: StreamId,
        /// Why.
        code: ErrorCode,
        /// Bytes for a log.
        debug: &'b [u8],
    },
    /// Widens a flow-control window.
    WindowUpdate {
        /// The stream, or the connection.
        stream: StreamId,
        /// By how many bytes, 1 to 2^31 - 1.
        increment: u32,
    },
    /// Continues a field block.
    Continuation {
        /// The stream.
        stream: StreamId,
        /// The block ends here.
        end_headers: bool,
        /// The encoded fields.
        block: &'b [u8],
    },
    /// A frame of an unknown type.
    Unknown(FrameHead),
}

/// Shows lengths instead of payloads.
impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head();
        f.debug_struct("Frame")
            .field("kind", &head.kind)
            .field("stream", &head.stream)
            .field("flags", &head.flags)
            .field("len", &head.len)
            .finish()
    }
}
