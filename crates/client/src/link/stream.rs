//! The bytes of a connection, whatever they go through.

use std::io;

use mio::net::TcpStream;
use sockeye_reactor::Socket;

use crate::Error;

pub(super) enum Stream {
    Plain(TcpStream),
}

impl Stream {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Socket::read(socket, buffer),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Socket::write(socket, bytes),
        }
    }

    /// Says that nothing more will come, in the way that the connection has for it.
    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => Socket::shutdown_write(socket),
        }
    }

    pub(super) fn explain(&self, error: &io::Error) -> Error {
        match self {
            Self::Plain(_) => Error::Transport(error.kind()),
        }
    }

    /// What is registered.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
        }
    }
}
