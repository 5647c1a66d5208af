//! The contract between a loop and one connected socket, TLS included.

use std::io::{self, IoSlice};

/// One connected stream socket that never blocks.
///
/// `ErrorKind::WouldBlock` means "not now"; the poller reports readiness again after that.
/// `ErrorKind::Interrupted` never comes out.
///
/// # Sockets that hold bytes
///
/// A plain socket implements the first four methods and holds nothing: what it reads comes from the
/// system, and what it takes is with the system. The other items have defaults that say so, and a loop
/// that is generic over its sockets compiles to the same code as one that never asks.
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
/// What the loop owes to it:
///
/// | when | the loop |
/// |---|---|
/// | [`is_handshaking`](Self::is_handshaking) | calls [`handshake`](Self::handshake) when the socket is readable, and neither reads nor writes |
/// | after a read | visits the socket again while [`holds_input`](Self::holds_input): the poller will not |
/// | after any call | calls [`flush`](Self::flush) before it waits, and when the socket is writable, while [`held_output`](Self::held_output) is not zero |
/// | for all limits and deadlines | counts held output as unsent |
/// | after [`shutdown_write`](Self::shutdown_write) | goes on to flush, and closes only then |
///
/// [`Readiness`](crate::Readiness) and [`Outbox`](crate::Outbox) do the first half of this.
pub trait Socket {
    /// Whether sockets of this type may hold bytes. It is a constant so that a plain socket costs nothing.
    const BUFFERS: bool = false;

    /// Reads into `buffer`; `Ok(0)` is the end of the peer's stream, each time.
    ///
    /// A short read means that nothing is left, unless the socket [holds input](Self::holds_input).
    ///
    /// # Errors
    /// The system's error, or that of a protocol below; anything but `WouldBlock` ends the connection.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes from one slice.
    ///
    /// A socket that holds output sends that first. If some of it remains, it takes nothing more
    /// (`WouldBlock`): so the amount held is at most what one call takes.
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
    /// A socket that holds output ends its direction behind that output, as flushing goes on.
    ///
    /// # Errors
    /// The system's error, for example that the peer is gone already.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Whether a read may bring something that the poller will not announce: bytes that are decrypted, or
    /// bytes in the system's buffer of which a short read says nothing.
    #[inline]
    fn holds_input(&self) -> bool {
        false
    }

    /// Bytes that the socket has to send and the system has not taken, of the caller's or of its own. An
    /// estimate is enough; it is zero if and only if there are none.
    #[inline]
    fn held_output(&self) -> usize {
        0
    }

    /// Sends held output until none is left or the system takes no more, and gives the number of bytes
    /// that went.
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

    /// Goes on with the handshake as far as what has arrived allows. Its output is held as any other, and so
    /// is the input behind its end.
    ///
    /// # Errors
    /// Why there will be no connection. `WouldBlock` is no error here.
    #[inline]
    fn handshake(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The protocol that the handshake has negotiated (ALPN, RFC 7301), once it is over.
    #[inline]
    fn protocol(&self) -> Option<&[u8]> {
        None
    }
}
