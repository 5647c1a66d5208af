//! One socket of a load: its readiness, and how it is dialled.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use sockeye_reactor::{Flushed, Key, Outbox, Pool, Readiness, Socket};

use super::fault::Fault;

/// Connections of one source address: fewer than there are ports for them.
const PER_SOURCE: usize = 8_000;

/// How a socket differs from the usual one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketOptions {
    /// The address that it comes from; the system's choice if there is none.
    pub source: Option<Ipv4Addr>,
    /// Bytes that the system may keep for a reader that does not read.
    pub receive_bytes: Option<usize>,
}

impl SocketOptions {
    /// The options of connection `number` to a server. Thousands of connections to a loopback address come from
    /// several, since one has too few ports for them.
    pub(super) fn of_many(addr: SocketAddr, number: usize) -> Self {
        let group = u16::try_from(number / PER_SOURCE).unwrap_or(u16::MAX);
        let has_sources = addr.ip().is_loopback() && addr.is_ipv4() && cfg!(target_os = "linux");
        let [high, low] = group.to_be_bytes();
        let source = (has_sources && group > 0).then_some(Ipv4Addr::new(127, 1, high, low));
        Self { source, receive_bytes: None }
    }
}

/// A socket of a load.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// Its token at the poller.
    pub(super) key: Key,
    pub(super) readiness: Readiness,
    /// The error of a write. It ends the connection once the server's last words are read.
    pub(super) write_error: Option<ErrorKind>,
}

impl Connection {
    /// Starts to connect.
    pub(super) fn dial(addr: SocketAddr, options: SocketOptions, key: Key) -> io::Result<Self> {
        let (socket, readiness) = (dial(addr, options)?, Readiness::default());
        Ok(Self { socket, key, readiness, write_error: None })
    }

    /// Reads once into `buffer`.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        match Socket::read(&mut self.socket, buffer) {
            Ok(0) => Err(self.write_error.map_or(Fault::Ended, Fault::Io)),
            Ok(len) => {
                self.readiness.after_read(len, buffer.len(), &self.socket);
                Ok(len)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readiness.after_read_blocked(&self.socket);
                self.write_error.map_or(Ok(0), |kind| Err(Fault::Io(kind)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes what waits in `outbox`, as far as the socket takes it, and returns how much that was.
    #[inline]
    pub(super) fn flush(&mut self, outbox: &mut Outbox, pool: &mut Pool) -> usize {
        if !self.readiness.writable() {
            return 0;
        }
        let unsent = outbox.len();
        match outbox.flush(&mut self.socket, pool) {
            Ok(Flushed::All) => {}
            Ok(Flushed::Blocked { .. }) => self.readiness.after_short_write(),
            Err(error) => {
                self.write_error.get_or_insert_with(|| error.kind());
                self.readiness.assume_readable();
                outbox.clear(pool);
                return 0;
            }
        }
        unsent - outbox.len()
    }

    /// Makes the system end the connection with a reset when the socket is closed.
    pub(super) fn reset_on_close(&self) {
        let _ = sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }
}

/// Connects without waiting.
fn dial(addr: SocketAddr, options: SocketOptions) -> io::Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let family = match addr.ip() {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(bytes) = options.receive_bytes {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    if let Some(source) = options.source {
        bind(&socket, &SocketAddr::from((source, 0)))?;
    }
    match connect(&socket, &addr) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = TcpStream::from_std(std::net::TcpStream::from(socket));
    socket.set_nodelay(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_failed_write_is_the_fault_behind_the_last_words() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
        let options = SocketOptions::default();
        let mut connection = Connection::dial(addr, options, Key::from_u64(1)).expect("a socket");
        let (mut peer, _) = listener.accept().expect("it connects");
        peer.write_all(b"bye").expect("it is open");
        sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).expect("a TCP socket");
        drop(peer);

        connection.readiness.assume_writable();
        while connection.write_error.is_none() {
            outbox.tail(&mut pool).push(b'x');
            connection.flush(&mut outbox, &mut pool);
        }
        assert!(connection.readiness.readable(), "it is to be visited");
        let mut buffer = [0; 10];
        assert!(matches!(connection.read(&mut buffer), Ok(3)), "the last words");
        assert!(matches!(connection.read(&mut buffer), Err(Fault::Io(_))));
    }
}
