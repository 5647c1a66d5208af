//! The contract between a loop and one connected socket, TLS included.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

/// The statement of a proxy about the client for which it speaks: see [`Socket::announced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// There is none, or none yet.
    Nothing,
    /// The proxy speaks for itself, or for a client that it does not name.
    Unnamed,
    /// The address of the client.
    Client(SocketAddr),
    /// A statement was due, and other bytes came.
    Invalid,
}

/// The hosts for which a peer may ask on a connection: see [`Socket::hosts`].
pub trait Hosts: Send + Sync {
    /// Whether `host` is one of them: a name, or an address without brackets.
    fn has(&self, host: &str) -> bool;
}

/// One connected stream socket that never blocks.
///
/// `ErrorKind::WouldBlock` means "not now"; the poller reports readiness again after that.
/// `ErrorKind::Interrupted` never comes out.
///
/// # Sockets that hold bytes
///
/// A plain socket implements the first four methods and holds nothing: it reads from the system, and bytes
/// that it takes are with the system. The other items have defaults that say so. A loop that is generic
/// over its sockets then compiles to the same code as a loop that never asks.
///
/// TLS holds bytes in both directions, and speaks before and after its application does. Such a socket
/// sets [`BUFFERS`](Self::BUFFERS) and implements the other methods, too:
///
/// ```text
///               loop                        socket                     system
///   buffer   ◄── read ───────── decrypted input ◄── records ────────── receive buffer
///                               holds_input?                           the poller announces this,
///                                                                      and nothing left of it
///   outbox   ─── write ───────► encrypted output ── flush ───────────► send buffer
///                               held_output?
///                               handshake, close_notify
/// ```
///
/// The duties of the loop:
///
/// | when | the loop |
/// |---|---|
/// | [`is_handshaking`](Self::is_handshaking) | calls [`handshake`](Self::handshake) when the socket is readable, and neither reads nor writes |
/// | after a handshake that failed | flushes what the socket holds, ends its direction, and reads until the peer's end |
/// | after a read | visits the socket again while [`holds_input`](Self::holds_input): the poller will not |
/// | after any call | calls [`flush`](Self::flush) before it waits, and when the socket is writable, while [`held_output`](Self::held_output) is not zero |
/// | for all limits and deadlines | counts held output as unsent |
/// | after [`shutdown_write`](Self::shutdown_write) | goes on to flush, and closes only then |
///
/// [`Readiness`](crate::Readiness) remembers the handshake and held input, and
/// [`Outbox`](crate::Outbox) counts and flushes held output. The rest is the loop's own work: calling the
/// handshake, listing the socket for another visit, and the end.
pub trait Socket {
    /// Whether sockets of this type may hold bytes. It is a constant so that a plain socket costs nothing.
    const BUFFERS: bool = false;

    /// Reads into `buffer`; `Ok(0)` is the end of the peer's direction, and every later read repeats it.
    ///
    /// A short read means that nothing is left, unless the socket [holds input](Self::holds_input).
    ///
    /// # Errors
    /// The system's error, or that of a protocol below; anything but `WouldBlock` ends the connection.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes from one slice.
    ///
    /// A socket that holds output sends that first. If some of it remains, it takes nothing more
    /// (`WouldBlock`), so it never holds more than the bytes of one call.
    ///
    /// # Errors
    /// As [`Socket::read`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes from several slices in one call, in order.
    ///
    /// # Errors
    /// As [`Socket::read`].
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Tells the peer that nothing more will be written; reading goes on.
    ///
    /// A socket that holds output ends its direction when that output is flushed.
    ///
    /// # Errors
    /// The system's error, for example that the peer is gone already.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Whether a read may bring bytes that the poller will not announce: bytes that are decrypted already,
    /// or bytes that are still in the system's buffer after a short read.
    #[inline]
    fn holds_input(&self) -> bool {
        false
    }

    /// The number of bytes that the socket holds for the system, the caller's and its own. An estimate is
    /// enough, but it is zero if and only if there are none.
    #[inline]
    fn held_output(&self) -> usize {
        0
    }

    /// Sends held output until none is left or the system takes no more. Returns the number of bytes that
    /// the system took.
    ///
    /// # Errors
    /// As [`Socket::read`], except that `WouldBlock` is no error here.
    #[inline]
    fn flush(&mut self) -> io::Result<usize> {
        Ok(0)
    }

    /// Whether the handshake is under way. It does not begin again once it is over.
    #[inline]
    fn is_handshaking(&self) -> bool {
        false
    }

    /// Goes on with the handshake as far as the bytes that have arrived allow. The socket holds the output
    /// of the handshake, and the input behind its end, like any other. Returns whether this call did the
    /// costly part of the handshake: a key exchange or a signature.
    ///
    /// # Errors
    /// The reason why the handshake failed, a [`HandshakeError`](crate::HandshakeError) or an error of the system.
    /// `WouldBlock` is no error here. A handshake that has failed is
    /// over. The socket may hold output that tells the peer why, its reads discard input, and
    /// [`shutdown_write`](Self::shutdown_write) ends it.
    #[inline]
    fn handshake(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// The statement of the handshake about the client for which the peer speaks. It may be there before the
    /// handshake is over.
    #[inline]
    fn announced(&self) -> Announced {
        Announced::Nothing
    }

    /// Whether the bytes are encrypted on their way.
    #[inline]
    fn is_encrypted(&self) -> bool {
        false
    }

    /// The hosts for which the peer may ask, once the handshake is over. `None`: the handshake has not said.
    #[inline]
    fn hosts(&self) -> Option<Arc<dyn Hosts>> {
        None
    }

    /// The protocol that the handshake has negotiated (ALPN, RFC 7301), once it is over.
    #[inline]
    fn protocol(&self) -> Option<&[u8]> {
        None
    }
}
