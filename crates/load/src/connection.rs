//! One socket of a load: its readiness, and how it is dialled.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use sockeye_reactor::{EitherSocket, Flushed, Key, Outbox, Pool, Readiness, Socket};
use sockeye_tls::{ClientError, Protocol, TlsSocket};

use super::fault::Fault;
use super::target::Target;

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

/// TCP, or TLS on it.
type LoadSocket = EitherSocket<TcpStream, TlsSocket<TcpStream>>;

/// A socket of a load.
pub(super) struct Connection {
    socket: LoadSocket,
    /// The protocols that TLS offers; it has to agree on one of them.
    offered: &'static [Protocol],
    /// Its token at the poller.
    pub(super) key: Key,
    pub(super) readiness: Readiness,
    /// The error of a write. It ends the connection once the server's last words are read.
    pub(super) write_error: Option<ErrorKind>,
}

impl Connection {
    /// Starts to connect.
    pub(super) fn dial(
        target: &Target,
        offered: &'static [Protocol],
        options: SocketOptions,
        key: Key,
    ) -> Result<Self, Fault> {
        let socket = dial(target.addr, options)?;
        let socket = match &target.tls {
            None => EitherSocket::Plain(socket),
            Some(tls) => {
                let tls = tls.connect(socket, target.host(), offered);
                EitherSocket::Buffering(tls.map_err(|error| Fault::Tls(error.to_string()))?)
            }
        };
        Ok(Self { socket, offered, key, readiness: Readiness::default(), write_error: None })
    }

    /// The TCP socket, which the poller knows.
    pub(super) fn system(&mut self) -> &mut TcpStream {
        match &mut self.socket {
            EitherSocket::Plain(socket) => socket,
            EitherSocket::Buffering(tls) => tls.below_mut(),
        }
    }

    /// The TCP socket, to be closed.
    pub(super) fn into_system(self) -> TcpStream {
        match self.socket {
            EitherSocket::Plain(socket) => socket,
            EitherSocket::Buffering(tls) => tls.into_below(),
        }
    }

    /// Goes on with the handshake of TLS, if it is not over. Until it is, nothing is read or written.
    pub(super) fn shake_hands(&mut self) -> Result<(), Fault> {
        if !self.socket.is_handshaking()
            || !(self.readiness.writable() || self.readiness.readable())
        {
            return Ok(());
        }
        self.socket.handshake().map_err(|error| explain(&error))?;
        if self.socket.is_handshaking() {
            self.readiness.after_read_blocked(&self.socket);
            return Ok(());
        }
        // What followed the handshake may be in the socket.
        self.readiness.assume_readable();
        match self.agreed() {
            Some(_) => Ok(()),
            None => Err(Fault::Tls("the server does not agree on HTTP/2 (ALPN)".into())),
        }
    }

    /// The protocol that TLS has agreed on; `None` before that, and if it is none of those offered.
    pub(super) fn agreed(&self) -> Option<Protocol> {
        if self.socket.is_handshaking() {
            return None;
        }
        // A server of HTTP/1.1 may know nothing of ALPN.
        let agreed = self.socket.protocol().unwrap_or(Protocol::Http11.name());
        self.offered.iter().copied().find(|offered| offered.name() == agreed)
    }

    /// Whether bytes may be sent: it is connected, through TLS as well.
    pub(super) fn is_connected(&self) -> bool {
        self.readiness.writable() && !self.socket.is_handshaking()
    }

    /// Reads once into `buffer`.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        if self.socket.is_handshaking() {
            return Ok(0);
        }
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
            Err(error) => Err(explain(&error)),
        }
    }

    /// Writes what waits in `outbox`, as far as the socket takes it, and returns how much that was.
    #[inline]
    pub(super) fn flush(&mut self, outbox: &mut Outbox, pool: &mut Pool) -> usize {
        if !self.is_connected() {
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
        // TLS may hold bytes of its own.
        unsent.saturating_sub(outbox.len())
    }

    /// Makes the system end the connection with a reset when the socket is closed.
    pub(super) fn reset_on_close(&mut self) {
        let _ = sockopt::set_socket_linger(self.system(), Some(Duration::ZERO));
    }
}

/// The fault behind an error of the socket: that of TLS, if it has one.
fn explain(error: &io::Error) -> Fault {
    let why = error.get_ref().and_then(|it| it.downcast_ref::<ClientError>());
    why.map_or_else(|| Fault::Io(error.kind()), |why| Fault::Tls(why.to_string()))
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
    use crate::target::Scheme;

    #[test]
    fn a_failed_write_is_the_fault_behind_the_last_words() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let (mut outbox, mut pool) = (Outbox::new(), Pool::new());
        let options = SocketOptions::default();
        let target = Target {
            scheme: Scheme::Tcp,
            authority: addr.to_string(),
            path: "/".to_owned(),
            addr,
            tls: None,
        };
        let dialed = Connection::dial(&target, &[Protocol::Http11], options, Key::from_u64(1));
        let mut connection = dialed.expect("a socket");
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
