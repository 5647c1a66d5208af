//! The socket of an established connection: plain TCP, or TLS on it.

use std::io;

use mio::net::TcpStream;
#[cfg(feature = "rustls")]
use sockeye_reactor::EitherSocket;

#[cfg(feature = "rustls")]
use super::tls::{self, Tls};
use crate::Error;

/// The socket of an established connection.
#[cfg(feature = "rustls")]
pub(super) type LinkSocket = EitherSocket<TcpStream, Tls>;
#[cfg(not(feature = "rustls"))]
pub(super) type LinkSocket = TcpStream;

/// Makes the socket of a connection without TLS.
pub(super) fn plain(socket: TcpStream) -> LinkSocket {
    #[cfg(feature = "rustls")]
    return EitherSocket::Plain(socket);
    #[cfg(not(feature = "rustls"))]
    socket
}

/// Returns whether TLS has agreed on HTTP/2; `None` without TLS.
pub(super) fn has_agreed_on_http2(socket: &LinkSocket) -> Option<bool> {
    #[cfg(feature = "rustls")]
    if let EitherSocket::Buffering(tls) = socket {
        return Some(tls::is_http2(tls));
    }
    let _ = socket;
    None
}

/// Returns the client's error for an `error` of `socket`.
pub(super) fn explain(socket: &LinkSocket, error: &io::Error) -> Error {
    #[cfg(feature = "rustls")]
    if let EitherSocket::Buffering(_) = socket {
        return tls::explain(error);
    }
    let _ = socket;
    Error::Transport(error.kind())
}

/// Returns the TCP socket, which is registered with the event loop.
pub(super) fn system_socket(socket: &mut LinkSocket) -> &mut TcpStream {
    #[cfg(feature = "rustls")]
    return match socket {
        EitherSocket::Plain(socket) => socket,
        EitherSocket::Buffering(tls) => tls.below_mut(),
    };
    #[cfg(not(feature = "rustls"))]
    socket
}
