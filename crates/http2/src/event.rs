//! The events that a connection returns.

use core::fmt;

use sockeye_http::Status;

use crate::{ErrorCode, StreamError, StreamId};

/// An event of a connection.
#[derive(PartialEq, Eq)]
pub enum Event<'b> {
    /// A request; its fields went to the visitor. Server only.
    Request {
        /// The new stream.
        stream: StreamId,
        /// No content follows.
        end_stream: bool,
    },
    /// A request whose fields are over `fields_max` or `list_bytes_max` of the limits. The visitor has the
    /// first of them. Answer 431, or reset the stream. Server only.
    HeadTooLarge {
        /// The new stream.
        stream: StreamId,
        /// No content follows.
        end_stream: bool,
    },
    /// An interim response; its fields went to the visitor. Client only.
    Interim {
        /// The stream.
        stream: StreamId,
        /// 1xx.
        status: Status,
    },
    /// A response; its fields went to the visitor. Client only.
    Response {
        /// The stream.
        stream: StreamId,
        /// The status.
        status: Status,
        /// No content follows.
        end_stream: bool,
    },
    /// Content, a part of a DATA frame. Tell [`Connection::consumed`](crate::Connection::consumed) when it
    /// is used up, so that the peer may send more.
    Data {
        /// The stream.
        stream: StreamId,
        /// The bytes, in the caller's buffer; there may be none if the stream ends.
        data: &'b mut [u8],
        /// Nothing follows.
        end_stream: bool,
    },
    /// Trailers, which end the peer's direction; their fields went to the visitor.
    Trailers {
        /// The stream.
        stream: StreamId,
    },
    /// The stream is gone, in both directions. Work for it has to end now: its place is free for another.
    Reset {
        /// The stream.
        stream: StreamId,
        /// The side that ended it, and the reason.
        cause: ResetCause,
    },
    /// A window that was shut has opened: of a stream, or of the connection
    /// ([`StreamId::CONNECTION`]).
    Writable {
        /// The stream.
        stream: StreamId,
    },
    /// The peer's settings. The windows of all streams may have changed, and the number of streams that a
    /// client may open.
    Settings,
    /// The answer to [`Connection::ping`](crate::Connection::ping).
    Pong([u8; 8]),
    /// The peer is going away. A client's streams above `last` are gone and were not processed: their
    /// requests may be sent again elsewhere. Others go on.
    Goaway {
        /// The greatest stream that the peer processes.
        last: StreamId,
        /// Why.
        code: ErrorCode,
    },
    /// The peer has seen the first GOAWAY frame of [`Connection::shut_down`](crate::Connection::shut_down),
    /// and the second is in the output: no further stream is accepted.
    Draining,
}

/// The cause of a stream's sudden end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetCause {
    /// The peer reset it. A server's NO_ERROR follows a complete response (RFC 9113 §8.1).
    Peer(ErrorCode),
    /// The peer broke a rule; our RST_STREAM frame is in the output.
    Fault(StreamError),
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { stream, end_stream } => write!(f, "Request({stream}, {end_stream})"),
            Self::HeadTooLarge { stream, .. } => write!(f, "HeadTooLarge({stream})"),
            Self::Interim { stream, status } => write!(f, "Interim({stream}, {status})"),
            Self::Response { stream, status, end_stream } => {
                write!(f, "Response({stream}, {status}, {end_stream})")
            }
            Self::Data { stream, data, end_stream } => {
                write!(f, "Data({stream}, {} bytes, {end_stream})", data.len())
            }
            Self::Trailers { stream } => write!(f, "Trailers({stream})"),
            Self::Reset { stream, cause } => write!(f, "Reset({stream}, {cause:?})"),
            Self::Writable { stream } => write!(f, "Writable({stream})"),
            Self::Settings => f.write_str("Settings"),
            Self::Pong(_) => f.write_str("Pong"),
            Self::Goaway { last, code } => write!(f, "Goaway({last}, {code})"),
            Self::Draining => f.write_str("Draining"),
        }
    }
}
