//! What ends a connection, and what keeps one from opening.

use core::fmt;
use std::io;

use sockeye_handshake::{Reject, VerifyError};
use sockeye_http::Status;
use sockeye_websocket::{MessageError, ProtocolError, UsageError};

/// Why an open connection ended, or why a call on it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke a rule of the protocol. The connection has failed.
    Protocol(ProtocolError),
    /// A message could not be put together. The connection has failed.
    Message(MessageError),
    /// The peer's stream ended without a Close frame (1006).
    Ended,
    /// The stream below reported an error.
    Transport(io::ErrorKind),
    /// The peer did not answer in time.
    TimedOut(Deadline),
    /// The call is not possible now. Nothing was queued.
    Usage(UsageError),
    /// As many bytes as allowed wait to be sent. Nothing was queued: flush, or wait until it is ready.
    Full,
}

impl Error {
    /// Whether the stream only had nothing to give or no room in its time. The connection is as it was: read again; and
    /// what was to be sent is queued, so flush and do not send it again.
    ///
    /// On Unix, a connection that TCP itself has given up is [`Transport`](Self::Transport) with
    /// [`TimedOut`](io::ErrorKind::TimedOut), and over.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Transport(io::ErrorKind::WouldBlock))
    }
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deadline {
    /// Anything from the peer after our Ping: `pong_ms`.
    Pong,
    /// The peer's Close frame after ours: `close_ms`.
    Close,
}

/// Why a connection was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not `ws://host[:port][/path][?query]` in ASCII, without user and fragment.
    Url,
    /// The URL is one of `wss`. Make a TLS stream, and give it to `client`.
    Tls,
    /// An option cannot stand in a request or an answer.
    Usage(sockeye_handshake::UsageError),
    /// The stream below reported an error, or could not be connected.
    Transport(io::ErrorKind),
    /// The handshake took longer than `handshake_ms`.
    TimedOut,
    /// The peer's stream ended within the handshake.
    Ended,
    /// The peer's head is not HTTP/1.1.
    Http(sockeye_http1::Error),
    /// The client's request opens no WebSocket. It was answered.
    Reject(Reject),
    /// The application refused the request. It was answered.
    Refused(Status),
    /// The server answered with another status than 101.
    Answer(Box<Answer>),
    /// The server's answer does not open the connection.
    Verify(VerifyError),
    /// The server agreed to a compression that was not offered.
    Compression,
}

/// An answer of a server that does not open the connection: a redirect, or a demand for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The header lines in their order. What is not UTF-8 in a value has been replaced.
    pub headers: Vec<(String, String)>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::Ended => f.write_str("the connection ended without a Close frame"),
            Self::Transport(kind) => kind.fmt(f),
            Self::TimedOut(deadline) => deadline.fmt(f),
            Self::Usage(error) => error.fmt(f),
            Self::Full => f.write_str("too many bytes wait to be sent: flush first"),
        }
    }
}

impl core::error::Error for Error {}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pong => "the peer did not answer a Ping in time",
            Self::Close => "the peer did not answer the Close frame in time",
        })
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("not a URL of the form ws://host[:port][/path][?query]"),
            Self::Tls => f.write_str("wss: make a TLS stream, and give it to `client`"),
            Self::Usage(error) => error.fmt(f),
            Self::Transport(kind) => kind.fmt(f),
            Self::TimedOut => f.write_str("the opening handshake took too long"),
            Self::Ended => f.write_str("the peer left within the opening handshake"),
            Self::Http(error) => error.fmt(f),
            Self::Reject(reject) => reject.fmt(f),
            Self::Refused(status) => write!(f, "refused with status {}", status.code()),
            Self::Answer(answer) => write!(f, "answered with status {}", answer.status.code()),
            Self::Verify(error) => error.fmt(f),
            Self::Compression => f.write_str("the server agreed to what was not offered"),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Transport(error.kind())
    }
}

impl From<sockeye_http1::Error> for OpenError {
    fn from(error: sockeye_http1::Error) -> Self {
        Self::Http(error)
    }
}

impl From<sockeye_handshake::UsageError> for OpenError {
    fn from(error: sockeye_handshake::UsageError) -> Self {
        Self::Usage(error)
    }
}
