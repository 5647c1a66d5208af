//! The three families of errors: a peer's fault that ends the connection, one that ends a stream, and a
//! wrong call. They never mix.

use core::fmt;

use sockeye_hpack as hpack;

use crate::ErrorCode;
use crate::frame::{FrameError, SettingId};
use crate::malformed::Malformed;

/// A rule that the peer broke and that ends the connection. The GOAWAY frame with its
/// [`code`](Self::code) is in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The first bytes are not the preface (RFC 9113 §3.4).
    Preface,
    /// The first frame is not SETTINGS (RFC 9113 §3.4).
    FirstFrame,
    /// A frame is malformed.
    Frame(FrameError),
    /// A field block cannot be decoded, or is over a limit behind which nothing is decoded.
    FieldBlock(hpack::Error),
    /// A field block of more frames than [`Limits::continuations_max`](crate::Limits::continuations_max)
    /// and one.
    TooManyContinuations,
    /// Another frame came inside a field block (RFC 9113 §4.3).
    BlockInterrupted,
    /// CONTINUATION outside a field block (RFC 9113 §6.10).
    ContinuationMisplaced,
    /// A frame on a stream that nobody has opened, or an identifier that the peer may not open
    /// (RFC 9113 §5.1, §5.1.1).
    StreamIdle,
    /// HEADERS on a stream below one that the peer has opened (RFC 9113 §5.1.1).
    StreamIdOrder,
    /// A frame on a stream that has ended (RFC 9113 §5.1).
    StreamClosed,
    /// PUSH_PROMISE from a client, or from a server that was told not to push (RFC 9113 §8.4).
    PushPromise,
    /// A setting has a value that it may not have (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1).
    Setting(SettingId),
    /// An acknowledgement of settings that were not sent.
    SettingsAck,
    /// The peer sent more content than the connection's window allows (RFC 9113 §6.9.1).
    WindowExceeded,
    /// A window over 2^31 - 1 bytes (RFC 9113 §6.9.1, §6.9.2).
    WindowOverflow,
    /// Too many frames of a kind that does no work for the peer.
    Flood(Flood),
    /// The peer causes replies and does not read them.
    OutputFull,
}

/// The kinds of frames that are counted (RFC 9113 §10.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flood {
    /// Streams that end before our head is written: by the peer's RST_STREAM, or by ours for the peer's fault.
    Resets,
    /// PING, answers included.
    Pings,
    /// SETTINGS and GOAWAY.
    Settings,
    /// PRIORITY, and frames of unknown types.
    Priorities,
    /// WINDOW_UPDATE.
    WindowUpdates,
    /// DATA without content and without END_STREAM, and interim responses.
    EmptyData,
    /// Frames on streams that have ended.
    LateFrames,
}

impl ConnectionError {
    /// Returns the code of the GOAWAY frame.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Frame(error) => error.code(),
            Self::FieldBlock(error) => match error.kind() {
                hpack::ErrorKind::Compression => ErrorCode::COMPRESSION_ERROR,
                hpack::ErrorKind::Excess | hpack::ErrorKind::Message => {
                    ErrorCode::ENHANCE_YOUR_CALM
                }
            },
            Self::Preface
            | Self::FirstFrame
            | Self::BlockInterrupted
            | Self::ContinuationMisplaced
            | Self::StreamIdle
            | Self::StreamIdOrder
            | Self::PushPromise
            | Self::SettingsAck => ErrorCode::PROTOCOL_ERROR,
            Self::StreamClosed => ErrorCode::STREAM_CLOSED,
            // [http2:6.5.2-initial-window-size]
            Self::Setting(SettingId::INITIAL_WINDOW_SIZE)
            | Self::WindowExceeded
            | Self::WindowOverflow => ErrorCode::FLOW_CONTROL_ERROR,
            Self::Setting(_) => ErrorCode::PROTOCOL_ERROR,
            Self::TooManyContinuations | Self::Flood(_) | Self::OutputFull => {
                ErrorCode::ENHANCE_YOUR_CALM
            }
        }
    }
}

impl From<FrameError> for ConnectionError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame(error) => return error.fmt(f),
            Self::FieldBlock(error) => return error.fmt(f),
            Self::Setting(id) => return write!(f, "value of setting {:#x}", id.to_u16()),
            Self::Preface => "the first bytes are not the preface of HTTP/2",
            Self::FirstFrame => "the first frame is not SETTINGS",
            Self::TooManyContinuations => "field block in too many frames",
            Self::BlockInterrupted => "frame inside a field block",
            Self::ContinuationMisplaced => "CONTINUATION outside a field block",
            Self::StreamIdle => "frame on a stream that was not opened",
            Self::StreamIdOrder => "stream identifier below one that was used",
            Self::StreamClosed => "frame on a stream that has ended",
            Self::PushPromise => "PUSH_PROMISE",
            Self::SettingsAck => "acknowledgement of settings that were not sent",
            Self::WindowExceeded => "more content than the connection's window",
            Self::WindowOverflow => "window over 2^31 - 1 bytes",
            Self::Flood(Flood::Resets) => "too many streams reset",
            Self::Flood(Flood::Pings) => "too many PING frames",
            Self::Flood(Flood::Settings) => "too many SETTINGS or GOAWAY frames",
            Self::Flood(Flood::Priorities) => "too many PRIORITY or unknown frames",
            Self::Flood(Flood::WindowUpdates) => "too many WINDOW_UPDATE frames",
            Self::Flood(Flood::EmptyData) => "too many empty DATA frames or interim responses",
            Self::Flood(Flood::LateFrames) => "too many frames on streams that have ended",
            Self::OutputFull => "replies are not read",
        })
    }
}

impl core::error::Error for ConnectionError {}

/// A rule that the peer broke and that ends one stream. The RST_STREAM frame with its
/// [`code`](Self::code) is in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// The message is malformed (RFC 9113 §8.1.1).
    Malformed(Malformed),
    /// A frame of the stream is malformed.
    Frame(FrameError),
    /// A response or trailers over the limits of fields. A request over them is
    /// [`Event::HeadTooLarge`](crate::Event::HeadTooLarge).
    FieldsTooLarge,
    /// The peer sent more content than the stream's window allows (RFC 9113 §6.9.1).
    WindowExceeded,
    /// A window over 2^31 - 1 bytes (RFC 9113 §6.9.1).
    WindowOverflow,
    /// DATA or HEADERS after END_STREAM (RFC 9113 §5.1).
    Ended,
}

impl StreamError {
    /// Returns the code of the RST_STREAM frame.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            // [http2:8.1.1-malformed]
            Self::Malformed(_) => ErrorCode::PROTOCOL_ERROR,
            Self::Frame(error) => error.code(),
            Self::FieldsTooLarge => ErrorCode::ENHANCE_YOUR_CALM,
            Self::WindowExceeded | Self::WindowOverflow => ErrorCode::FLOW_CONTROL_ERROR,
            Self::Ended => ErrorCode::STREAM_CLOSED,
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(malformed) => return malformed.fmt(f),
            Self::Frame(error) => return error.fmt(f),
            Self::FieldsTooLarge => "too many fields",
            Self::WindowExceeded => "more content than the stream's window",
            Self::WindowOverflow => "window over 2^31 - 1 bytes",
            Self::Ended => "frame after END_STREAM",
        })
    }
}

impl core::error::Error for StreamError {}

/// A call that the connection refused. Nothing was appended to the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// The stream is not there any more, or never was; or our direction of it has ended.
    StreamClosed,
    /// The connection has failed, or is going away and opens no stream.
    GoingAway,
    /// A second final head; content or trailers before a final head.
    HeadOrder,
    /// The status is none that may be sent so: 101, or an interim response with END_STREAM.
    Status,
    /// The call belongs to the other role.
    Role,
    /// More content than [`Connection::send_capacity`](crate::Connection::send_capacity) allows.
    Capacity,
    /// The peer accepts no further stream now.
    TooManyStreams,
    /// Every stream identifier is used: open another connection.
    StreamIdsExhausted,
    /// The parts of the request make no target.
    Target,
    /// The server does not accept CONNECT with `:protocol`, as far as it is known (RFC 8441 §3).
    ConnectProtocol,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StreamClosed => "the stream takes no more frames",
            Self::GoingAway => "the connection takes no more streams",
            Self::HeadOrder => "head, content and trailers out of order",
            Self::Status => "status not allowed here",
            Self::Role => "a call of the other role",
            Self::Capacity => "more content than the windows allow",
            Self::TooManyStreams => "the peer accepts no further stream",
            Self::StreamIdsExhausted => "no stream identifier is left",
            Self::Target => "the parts of the request make no target",
            Self::ConnectProtocol => "the server does not accept CONNECT with :protocol",
        })
    }
}

impl core::error::Error for UsageError {}
