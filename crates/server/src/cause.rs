//! Why a stream ended.

use std::io;

use sockeye_websocket::{CloseCode, ProtocolError};

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// The peer closed first, with this code ([`CloseCode::NO_STATUS`] if it gave none).
    Remote(CloseCode),
    /// We closed first, with this code, and the peer answered.
    Local(CloseCode),
    /// The peer broke the protocol; a Close frame told it.
    Failed(ProtocolError),
    /// The server did not accept a message: it was too long or corrupt. A Close frame with this code
    /// told the peer.
    Refused(CloseCode),
    /// A deadline passed. Only [`Deadline::Message`] is told to the peer, by a Close frame with 1008.
    Timeout(Deadline),
    /// The peer ended its direction: of a WebSocket without a Close frame, of an event stream or tunnel.
    Ended,
    /// The socket failed.
    Transport,
    /// The peer did not read: its outbox went over its bound.
    Overflow,
    /// We ended the event stream or the tunnel, or answered the held request.
    Finished,
    /// The server's drain ran out of time.
    Drained,
}

impl CloseCause {
    /// The cause of a socket that failed: the kernel gave the peer up, or the peer is to blame.
    /// [server:kernel-timeout]
    pub(crate) fn of_failed_socket(error: &io::Error) -> Self {
        match error.kind() {
            // Linux gives a peer up for its time alone. If it has heard meanwhile that no way leads there, it
            // says that.
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Self::Timeout(Deadline::Acknowledgement),
            _ => Self::Transport,
        }
    }
}

/// The deadlines that can end a stream or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deadline {
    /// The socket's handshake did not end in time.
    Handshake,
    /// The request's head did not come in time.
    Head,
    /// The request's body did not come in time.
    Body,
    /// A message that began did not end in time.
    Message,
    /// No further request came on a kept connection.
    KeepAlive,
    /// No sign of life after a ping.
    Pong,
    /// The peer did not finish the closing handshake, or did not end its direction.
    Close,
    /// The peer took none of the bytes that waited for it.
    WriteStall,
    /// The kernel gave the peer up, because it acknowledged no byte in time: its machine is gone, or
    /// it does not read (`TCP_USER_TIMEOUT`, keepalive).
    Acknowledgement,
    /// The application did not answer a held request in time.
    Hold,
    /// Nothing went through a tunnel in either direction.
    Tunnel,
}
