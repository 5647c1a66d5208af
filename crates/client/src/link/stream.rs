//! The bytes of a connection, whatever they go through.

use std::io;

use mio::net::TcpStream;
use sockeye_reactor::Socket;

#[cfg(feature = "rustls")]
use super::tls::Tls;
use crate::Error;

pub(super) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "rustls")]
    Tls(Box<Tls>),
}

impl Stream {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Socket::read(socket, buffer),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Takes bytes from the front of `bytes`; with none it sends what is [held](Self::holds_unsent).
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Socket::write(socket, bytes),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    /// Whether bytes that were taken by [`write`](Self::write) have not reached the socket.
    pub(super) fn holds_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.holds_unsent(),
        }
    }

    /// Says that nothing more will come, in the way that the connection has for it.
    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => Socket::shutdown_write(socket),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.shutdown_write(),
        }
    }

    pub(super) fn explain(&self, error: &io::Error) -> Error {
        match self {
            Self::Plain(_) => Error::Transport(error.kind()),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.explain(error),
        }
    }

    /// What is registered.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.socket(),
        }
    }
}
