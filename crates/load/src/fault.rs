//! The faults of a server during a load, counted by name.

use core::fmt;
use std::collections::BTreeMap;
use std::io;

use sockeye_frame::Error as FrameError;
use sockeye_handshake::VerifyError;
use sockeye_http2::{ConnectionError, ErrorCode, ResetCause, UsageError};
use sockeye_terminal::plain::plain;
use sockeye_websocket::{MessageError, ProtocolError};

/// One thing that went wrong on one connection.
#[derive(Debug)]
pub enum Fault {
    /// The connection did not come to be, or broke.
    Io(io::ErrorKind),
    /// TLS failed.
    Tls(String),
    /// The answer to the opening request has another status.
    Status(u16),
    /// The opening handshake was answered wrongly.
    Handshake(VerifyError),
    /// The answer to a request cannot be used.
    Http(String),
    /// The input is no legal sequence of frames.
    Frame(FrameError),
    /// Frames that are legal by themselves came in an order that is not (RFC 6455 §5.4).
    Sequence,
    /// The server broke a rule of HTTP/2, and its connection has ended.
    Http2(ConnectionError),
    /// A stream of HTTP/2 was reset with this code, by the server or for its fault.
    Reset(ErrorCode),
    /// A message breaks another rule.
    Message(ProtocolError),
    /// A compressed message could not be read.
    Compressed(MessageError),
    /// The server ended the connection by a Close frame with this code.
    Closed(u16),
    /// The server ended the connection without a Close frame.
    Ended,
    /// A message that came back differs from the one that was sent.
    Differs,
    /// More came than was sent.
    Unasked,
    /// So many messages never came.
    Lost(u64),
    /// A message came before one that was published earlier, which is missing so far.
    OutOfOrder,
    /// A message came twice.
    Repeated,
    /// Nothing came for so long that the server was given up.
    Silent,
    /// A publication or a subscription was refused.
    Refused(String),
}

impl Fault {
    /// The name under which it is counted.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Io(_) => "broken",
            Self::Tls(_) => "tls",
            Self::Status(_) => "status",
            Self::Handshake(_) => "handshake",
            Self::Http(_) => "http",
            Self::Frame(_) | Self::Sequence | Self::Message(_) | Self::Http2(_) => "protocol",
            Self::Reset(_) => "reset",
            Self::Compressed(_) => "compression",
            Self::Closed(_) => "closed",
            Self::Ended => "ended",
            Self::Differs => "differs",
            Self::Unasked => "unasked",
            Self::Lost(_) => "lost",
            Self::OutOfOrder => "order",
            Self::Repeated => "repeated",
            Self::Silent => "silent",
            Self::Refused(_) => "refused",
        }
    }

    /// Whether it is an end of a connection and nothing else.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Closed(_) | Self::Ended | Self::Reset(_))
    }

    /// For how many it stands.
    const fn weight(&self) -> u64 {
        if let Self::Lost(count) = self { *count } else { 1 }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(kind) => write!(f, "the connection broke: {kind}"),
            Self::Tls(why) => write!(f, "TLS failed: {}", plain(why)),
            Self::Status(status) => write!(f, "answered with status {status}"),
            Self::Handshake(error) => write!(f, "wrong answer to the opening handshake: {error}"),
            Self::Http(why) => write!(f, "an answer that cannot be used: {why}"),
            Self::Frame(error) => write!(f, "protocol violated: {error}"),
            Self::Sequence => f.write_str("protocol violated: frames in an illegal order"),
            Self::Http2(error) => write!(f, "HTTP/2 violated: {error}"),
            Self::Reset(code) => write!(f, "a stream was reset with {code}"),
            Self::Message(error) => write!(f, "protocol violated: {error}"),
            Self::Compressed(error) => write!(f, "protocol violated: {error}"),
            Self::Closed(code) => write!(f, "the server closed with code {code}"),
            Self::Ended => {
                f.write_str("the server ended the stream, or a WebSocket without a Close frame")
            }
            Self::Differs => f.write_str("what came back is not what was sent"),
            Self::Unasked => f.write_str("more messages came than were sent"),
            Self::Lost(count) => write!(f, "{count} messages never came"),
            Self::OutOfOrder => f.write_str("a message is missing before another"),
            Self::Repeated => f.write_str("a message came twice"),
            Self::Silent => f.write_str("nothing came any more"),
            Self::Refused(why) => write!(f, "refused: {}", plain(why)),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl From<ResetCause> for Fault {
    fn from(cause: ResetCause) -> Self {
        Self::Reset(match cause {
            ResetCause::Peer(code) => code,
            ResetCause::Fault(error) => error.code(),
        })
    }
}

/// The server takes no such stream, or no more of them.
impl From<UsageError> for Fault {
    fn from(error: UsageError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<ProtocolError> for Fault {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Frame(error) => Self::Frame(error),
            ProtocolError::NothingToContinue | ProtocolError::MessageInterrupted => Self::Sequence,
            ProtocolError::MessageTooBig => Self::Compressed(MessageError::TooBig),
            error => Self::Message(error),
        }
    }
}

/// All faults of a run, counted by name.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// The first one in words: it is often the cause of the others.
    pub(super) first: Option<String>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: &Fault) {
        *self.counts.entry(fault.name()).or_default() += fault.weight();
        if self.first.is_none() {
            self.first = Some(fault.to_string());
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}
