//! The seam between a loop and the world: a network and a clock.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use crate::{Key, Time};

/// What the network reported of one socket since it was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The socket's key, as given to [`Net::register`]. It may be stale: look it up.
    pub key: Key,
    /// A read may bring something, an end or an error included.
    pub readable: bool,
    /// A write may get rid of something.
    pub writable: bool,
    /// The peer will send nothing more (its end may still lie behind unread bytes).
    pub read_closed: bool,
}

/// One connected stream socket that never blocks.
///
/// `ErrorKind::WouldBlock` means "not now"; readiness is reported afresh after that.
/// `ErrorKind::Interrupted` never comes out.
pub trait Socket {
    /// Reads into `buffer`; `Ok(0)` is the end of the peer's stream.
    ///
    /// # Errors
    /// What the system says; anything but `WouldBlock` ends the connection.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes from one slice.
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
    /// # Errors
    /// What the system says, for example that the peer is gone already.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// A network with a clock: the machine's own ([`MioNet`](crate::MioNet)) or a simulated one.
///
/// Everything that a server does to the world outside goes through here, so a seeded simulation
/// can drive the whole of it.
pub trait Net {
    /// The sockets of this network.
    type Socket: Socket;

    /// The present moment. It never goes back.
    fn now(&self) -> Time;

    /// The same in microseconds, for measuring: as fine as the clock is, and of the same life.
    fn now_us(&self) -> u64 {
        self.now().as_millis().saturating_mul(1_000)
    }

    /// Seconds since 1970 by the calendar, for dates in headers; it may jump.
    fn unix_seconds(&self) -> u64;

    /// Waits until something is ready or `timeout` has passed (`None`: for ever) and appends what
    /// is ready to `ready`. Spurious and repeated reports are allowed.
    ///
    /// # Errors
    /// Only where the poller itself is broken; an interrupted wait is no error.
    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// The next waiting connection, or `None` when there is none now. Whether it is worth asking
    /// is told by [`Net::accept_ready`].
    ///
    /// # Errors
    /// What the system says, running out of descriptors included.
    fn accept(&mut self) -> io::Result<Option<(Self::Socket, SocketAddr)>>;

    /// Whether connections may be waiting.
    fn accept_ready(&self) -> bool;

    /// Closes the listening socket for good.
    fn stop_listening(&mut self);

    /// Has `socket` reported under `key` from now on, for both directions, once and for all.
    ///
    /// # Errors
    /// What the system says.
    fn register(&mut self, socket: &mut Self::Socket, key: Key) -> io::Result<()>;

    /// Gives `socket` back. Unread input makes the system reset the connection, which is why a
    /// server drains first.
    fn close(&mut self, socket: Self::Socket);
}
