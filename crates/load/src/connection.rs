//! One connection: its socket, its unsent bytes, and its parser.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use mio::net::TcpStream;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use sockeye_deflate::Engine;
use sockeye_frame::{Opcode, Rsv};
use sockeye_reactor::{Flushed, Key, Outbox, Pool, Readiness, Shared, Socket};

use super::fault::Fault;
use super::opening::{Opener, Wire};
use super::payload::frame;
use super::wire::Ear;

/// Connections of one source address: fewer than there are ports for them.
const PER_SOURCE: usize = 8_000;

/// Where a connection's bytes go.
pub struct Outlet<'c> {
    outbox: &'c mut Outbox,
    pool: &'c mut Pool,
}

impl<'c> Outlet<'c> {
    pub(super) const fn new(outbox: &'c mut Outbox, pool: &'c mut Pool) -> Self {
        Self { outbox, pool }
    }

    /// Where to append.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        self.outbox.tail(self.pool)
    }

    /// Appends without copying.
    pub(super) fn push_shared(&mut self, bytes: &Shared) {
        self.outbox.push_shared(bytes, self.pool);
    }
}

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

pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// Its token at the poller.
    pub(super) key: Key,
    pub(super) readiness: Readiness,
    outbox: Outbox,
    /// The error of a write. It ends the connection once the server's last words are read.
    pub(super) write_error: Option<ErrorKind>,
    wire: Wire,
    opener: Rc<Opener>,
    pub(super) is_open: bool,
    /// It is on the list of those to be flushed.
    pub(super) is_dirty: bool,
    /// Its input stays with the system.
    pub(super) is_paused: bool,
}

impl Connection {
    /// Starts to connect.
    pub(super) fn new(
        opener: &Rc<Opener>,
        options: SocketOptions,
        key: Key,
        pool: &mut Pool,
    ) -> Result<Self, Fault> {
        let mut outbox = Outbox::new();
        let wire = opener.begin(outbox.tail(pool)).map_err(Fault::Http)?;
        Ok(Self {
            socket: dial(opener.target.addr, options)?,
            key,
            readiness: Readiness::default(),
            outbox,
            write_error: None,
            wire,
            opener: Rc::clone(opener),
            is_open: false,
            is_dirty: false,
            is_paused: false,
        })
    }

    /// Whether it is open as soon as it is connected.
    pub(super) const fn opens_unasked(&self) -> bool {
        matches!(self.wire, Wire::Answers(_) | Wire::Bare(_))
    }

    /// Whether it ends with a Close frame.
    pub(super) const fn is_websocket(&self) -> bool {
        matches!(self.wire, Wire::Frames(_))
    }

    pub(super) const fn outlet<'c>(&'c mut self, pool: &'c mut Pool) -> Outlet<'c> {
        Outlet::new(&mut self.outbox, pool)
    }

    /// Bytes that the socket did not take yet.
    pub(super) fn unsent(&self) -> usize {
        self.outbox.len()
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

    /// Tells of everything in `input`.
    #[inline]
    pub(super) fn receive(
        &mut self,
        mut input: &mut [u8],
        engine: &mut Engine,
        pool: &mut Pool,
        hear: &mut impl Ear,
    ) -> Result<(), Fault> {
        if let Wire::Opening(opening) = &mut self.wire {
            let opened = self.opener.advance(opening, &mut input)?;
            let Some((wire, heard)) = opened else { return Ok(()) };
            self.wire = wire;
            hear(heard)?;
        }
        let mut out = Outlet::new(&mut self.outbox, pool);
        match &mut self.wire {
            Wire::Frames(frames) => frames.receive(input, engine, &mut out, hear),
            Wire::Events(events) => events.receive(input, hear),
            Wire::Answers(answers) => answers.receive(input, hear),
            Wire::Bare(bare) => bare.receive(input, hear),
            // It was just taken out of there.
            Wire::Opening(_) => Ok(()),
        }
    }

    /// Writes what waits, as far as the socket takes it, and returns how much that was.
    #[inline]
    pub(super) fn flush(&mut self, pool: &mut Pool) -> usize {
        if !self.readiness.writable() {
            return 0;
        }
        let unsent = self.outbox.len();
        match self.outbox.flush(&mut self.socket, pool) {
            Ok(Flushed::All) => {}
            Ok(Flushed::Blocked { .. }) => self.readiness.after_short_write(),
            Err(error) => {
                self.write_error.get_or_insert_with(|| error.kind());
                self.readiness.assume_readable();
                self.outbox.clear(pool);
                return 0;
            }
        }
        unsent - self.outbox.len()
    }

    /// Appends a Close frame.
    pub(super) fn append_close(&mut self, pool: &mut Pool) {
        let close = frame(Opcode::Close, Rsv::NONE, &1000_u16.to_be_bytes(), self.opener.key);
        self.outbox.tail(pool).extend_from_slice(&close);
    }

    /// Makes the system end the connection with a reset when the socket is closed.
    pub(super) fn reset_on_close(&self) {
        let _ = sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        self.outbox.clear(pool);
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

    use sockeye_frame::MaskKey;

    use super::*;
    use crate::opening::Purpose;
    use crate::target::{Scheme, Target};

    #[test]
    fn a_failed_write_is_the_fault_behind_the_last_words() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let target = Target {
            scheme: Scheme::Http,
            authority: "localhost".to_owned(),
            path: String::new(),
            addr,
        };
        let (purpose, key) = (Purpose::Requests, MaskKey::new([0; 4]));
        let opener = Rc::new(Opener { target, purpose, headers: Vec::new(), bytes_max: 1000, key });
        let mut pool = Pool::new();
        let options = SocketOptions::default();
        let mut connection = Connection::new(&opener, options, Key::from_u64(1), &mut pool)
            .unwrap_or_else(|fault| panic!("a socket: {fault}"));
        let (mut peer, _) = listener.accept().expect("it connects");
        peer.write_all(b"bye").expect("it is open");
        sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).expect("a TCP socket");
        drop(peer);

        connection.readiness.assume_writable();
        while connection.write_error.is_none() {
            connection.outlet(&mut pool).tail().push(b'x');
            connection.flush(&mut pool);
        }
        assert!(connection.readiness.readable(), "it is to be visited");
        let mut buffer = [0; 10];
        assert!(matches!(connection.read(&mut buffer), Ok(3)), "the last words");
        assert!(matches!(connection.read(&mut buffer), Err(Fault::Io(_))));
    }
}
