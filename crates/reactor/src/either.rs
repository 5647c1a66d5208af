//! Two types of sockets as one.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::{Announced, Hosts, Socket};

/// A plain socket or one that buffers, decided when the connection is made: for example TCP from one
/// listener, and TLS on TCP from another.
#[derive(Clone, Debug)]
pub enum EitherSocket<P, B> {
    /// A socket that holds nothing.
    Plain(P),
    /// A socket that may hold bytes.
    Buffering(B),
}

/// Calls the same method on whichever socket it is.
macro_rules! either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            EitherSocket::Plain($socket) => $call,
            EitherSocket::Buffering($socket) => $call,
        }
    };
}

impl<P: Socket, B: Socket> Socket for EitherSocket<P, B> {
    const BUFFERS: bool = P::BUFFERS || B::BUFFERS;

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => socket.read(buffer))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, socket => socket.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.write_vectored(slices))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        either!(self, socket => socket.shutdown_write())
    }

    fn holds_input(&self) -> bool {
        either!(self, socket => socket.holds_input())
    }

    fn held_output(&self) -> usize {
        either!(self, socket => socket.held_output())
    }

    fn flush(&mut self) -> io::Result<usize> {
        either!(self, socket => socket.flush())
    }

    fn is_handshaking(&self) -> bool {
        either!(self, socket => socket.is_handshaking())
    }

    fn handshake(&mut self) -> io::Result<bool> {
        either!(self, socket => socket.handshake())
    }

    fn announced(&self) -> Announced {
        either!(self, socket => socket.announced())
    }

    fn is_encrypted(&self) -> bool {
        either!(self, socket => socket.is_encrypted())
    }

    fn hosts(&self) -> Option<Arc<dyn Hosts>> {
        either!(self, socket => socket.hosts())
    }

    fn protocol(&self) -> Option<&[u8]> {
        either!(self, socket => socket.protocol())
    }
}
