//! The trait between a loop and the world outside: a network and a clock.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::{Key, Socket, Time};

/// A network's report on one socket since the last [`Net::poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The socket's key, as given to [`Net::register`]. It may be stale: look it up.
    pub key: Key,
    /// A read may bring bytes, the end or an error.
    pub readable: bool,
    /// The socket may take bytes.
    pub writable: bool,
    /// The peer will send nothing more. Its end may be behind unread bytes.
    pub read_closed: bool,
}

/// The address that stands for every peer on a Unix socket, since such a peer has none: the unspecified one,
/// which no peer on TCP has.
pub const UNIX_PEER: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// A connection that a listening socket has accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<S> {
    /// The connection.
    pub socket: S,
    /// The peer's address, that of an IPv4 peer in IPv4; [`UNIX_PEER`] on a Unix socket.
    pub peer: SocketAddr,
    /// Number of the listening socket that accepted it, in the order in which they were added.
    pub listener: usize,
}

/// A network with a clock: the machine's own ([`MioNet`](crate::MioNet)) or a simulated one.
///
/// Everything that a server does to the world outside goes through this trait, so a seeded simulation
/// can drive the whole server.
pub trait Net {
    /// The sockets of this network.
    type Socket: Socket;

    /// The present moment. It never goes back.
    fn now(&self) -> Time;

    /// The same moment in microseconds, for measuring, as exactly as the clock tells it.
    fn now_us(&self) -> u64 {
        self.now().as_millis().saturating_mul(1_000)
    }

    /// Milliseconds since 1970 by the system's calendar, for dates. It may jump in both directions.
    fn unix_ms(&self) -> u64;

    /// Waits until something is ready or `timeout` has passed (`None`: for ever) and appends what
    /// is ready to `ready`. Spurious and repeated reports are allowed.
    ///
    /// # Errors
    /// Only if the poller itself is broken; an interrupted wait is no error.
    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// The next waiting connection, or `None` when there is none now. [`Net::accept_ready`] says whether
    /// it is worth asking.
    ///
    /// # Errors
    /// The system's error, running out of descriptors included.
    fn accept(&mut self) -> io::Result<Option<Accepted<Self::Socket>>>;

    /// Whether connections may be waiting.
    fn accept_ready(&self) -> bool;

    /// Closes all listening sockets for good.
    fn stop_listening(&mut self);

    /// Reports `socket` under `key` from now on, in both directions, until it is closed.
    ///
    /// # Errors
    /// The system's error.
    fn register(&mut self, socket: &mut Self::Socket, key: Key) -> io::Result<()>;

    /// Closes `socket`. Unread input makes the system reset the connection, so a server first reads and
    /// discards input until the peer's end.
    fn close(&mut self, socket: Self::Socket);
}
