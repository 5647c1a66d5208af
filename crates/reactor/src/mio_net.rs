//! The machine's own network: epoll and friends through mio.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};

#[cfg(unix)]
use crate::net::UNIX_PEER;
use crate::{Accepted, Key, Net, Ready, Socket, Time};

// The poller's token holds the whole key, its generation included.
const _: () = assert!(usize::BITS >= 64, "keys need 64-bit tokens");

// The highest tokens are for the waker and the listeners. Only a key in the last of its 2³² generations
// could be equal to one of them, and no slot is reused that often.
const WAKER: Token = Token(usize::MAX);
const LISTENER_MAX: usize = usize::MAX - 1;
/// Listening sockets of one loop at the most. Their tokens count down from [`LISTENER_MAX`].
const LISTENERS_MAX: usize = 64;
const LISTENER_MIN: usize = LISTENER_MAX + 1 - LISTENERS_MAX;

/// Events taken from the system at a time.
const EVENTS: usize = 1024;

/// A [`Net`] on the machine's sockets: one poller, listening sockets, a waker.
#[derive(Debug)]
pub struct MioNet {
    poll: Poll,
    events: Events,
    listeners: Vec<Listener>,
    /// The listener that is asked first. It changes, so that no listener starves another.
    first: usize,
    waker: Waker,
    start: Instant,
}

#[derive(Debug)]
struct Listener {
    socket: Listening,
    /// Connections may be waiting.
    is_ready: bool,
}

#[derive(Debug)]
enum Listening {
    Tcp {
        socket: TcpListener,
        /// Its connections inherit `TCP_NODELAY` from the listening socket.
        inherits_nodelay: bool,
    },
    #[cfg(unix)]
    Unix(UnixListener),
}

/// Wakes a waiting [`MioNet::poll`](Net::poll) from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Makes the present or the next wait return. Many calls may cause one return.
    ///
    /// # Errors
    /// The system's error.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

impl MioNet {
    /// A network without a listening socket, for clients.
    ///
    /// # Errors
    /// The system's error if it cannot make a poller.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker(Arc::new(mio::Waker::new(poll.registry(), WAKER)?));
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            listeners: Vec::new(),
            first: 0,
            waker,
            start: Instant::now(),
        })
    }

    /// A network that accepts connections from `listener`, which is made non-blocking.
    ///
    /// # Errors
    /// The system's error.
    pub fn listen(listener: std::net::TcpListener) -> io::Result<Self> {
        let mut net = Self::new()?;
        net.add_listener(listener)?;
        Ok(net)
    }

    /// Accepts connections from `listener`, too. Returns its number, by which
    /// [`Accepted::listener`] names it; the first one is 0.
    ///
    /// # Errors
    /// The system's error; `InvalidInput` for the 65th listener.
    pub fn add_listener(&mut self, listener: std::net::TcpListener) -> io::Result<usize> {
        listener.set_nonblocking(true)?;
        let (listener, inherits_nodelay) = set_nodelay(listener);
        let socket = TcpListener::from_std(listener);
        self.add(Listening::Tcp { socket, inherits_nodelay })
    }

    /// Accepts connections from a Unix socket, too, as [`MioNet::add_listener`] does. Their
    /// [`Accepted::peer`] is [`UNIX_PEER`](crate::UNIX_PEER).
    ///
    /// Several networks may share one Unix socket (`try_clone`). Each connection then goes to the network
    /// that accepts it first.
    ///
    /// # Errors
    /// As [`MioNet::add_listener`].
    #[cfg(unix)]
    pub fn add_unix_listener(
        &mut self,
        listener: std::os::unix::net::UnixListener,
    ) -> io::Result<usize> {
        listener.set_nonblocking(true)?;
        self.add(Listening::Unix(UnixListener::from_std(listener)))
    }

    fn add(&mut self, mut socket: Listening) -> io::Result<usize> {
        let number = self.listeners.len();
        if number == LISTENERS_MAX {
            return Err(ErrorKind::InvalidInput.into());
        }
        let token = Token(LISTENER_MAX - number);
        let registry = self.poll.registry();
        match &mut socket {
            Listening::Tcp { socket, .. } => {
                registry.register(socket, token, Interest::READABLE)?;
            }
            #[cfg(unix)]
            Listening::Unix(socket) => registry.register(socket, token, Interest::READABLE)?,
        }
        self.listeners.push(Listener { socket, is_ready: false });
        Ok(number)
    }

    /// Measures time from `start`. Loops with the same start have comparable times.
    #[must_use]
    pub const fn counting_from(mut self, start: Instant) -> Self {
        self.start = start;
        self
    }

    /// The address to which the first listening socket is bound; `None` for a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.listeners.first()?.socket {
            Listening::Tcp { socket, .. } => socket.local_addr().ok(),
            #[cfg(unix)]
            Listening::Unix(_) => None,
        }
    }

    /// A handle with which other threads interrupt the wait.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts to connect to `addr`. The socket is writable once it is connected; an error shows
    /// at the first read or write.
    ///
    /// # Errors
    /// The system's immediate error.
    pub fn connect(&mut self, addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Net for MioNet {
    type Socket = TcpStream;

    fn now(&self) -> Time {
        Time::from_millis(millis(self.start.elapsed()))
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            match event.token() {
                WAKER => {}
                Token(bits @ LISTENER_MIN..=LISTENER_MAX) => {
                    if let Some(listener) = self.listeners.get_mut(LISTENER_MAX - bits) {
                        listener.is_ready = true;
                    }
                }
                Token(bits) => ready.push(to_ready(bits, event)),
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<Option<Accepted<TcpStream>>> {
        let (count, mut asked) = (self.listeners.len(), 0_u64);
        // First the listeners that are reported as ready. Then the others, whose report may still come.
        for only_ready in [true, false] {
            for number in (0..count).map(|at| (self.first + at) % count) {
                let listener = &mut self.listeners[number];
                if asked & 1 << number != 0 || only_ready && !listener.is_ready {
                    continue;
                }
                asked |= 1 << number;
                if let Some((socket, peer)) = listener.accept()? {
                    self.first = number + 1;
                    return Ok(Some(Accepted { socket, peer, listener: number }));
                }
            }
        }
        Ok(None)
    }

    fn accept_ready(&self) -> bool {
        self.listeners.iter().any(|listener| listener.is_ready)
    }

    fn stop_listening(&mut self) {
        for listener in self.listeners.drain(..) {
            let registry = self.poll.registry();
            let _ = match listener.socket {
                Listening::Tcp { mut socket, .. } => registry.deregister(&mut socket),
                #[cfg(unix)]
                Listening::Unix(mut socket) => registry.deregister(&mut socket),
            };
        }
    }

    fn register(&mut self, socket: &mut TcpStream, key: Key) -> io::Result<()> {
        let both = Interest::READABLE.add(Interest::WRITABLE);
        self.poll.registry().register(socket, token(key), both)
    }

    fn close(&mut self, socket: TcpStream) {
        // Closing the last descriptor takes the socket off the poller's list.
        drop(socket);
    }
}

impl Listener {
    /// The next connection that waits here, if one does.
    fn accept(&mut self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            match self.socket.accept() {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.is_ready = false;
                        return Ok(None);
                    }
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

impl Listening {
    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Tcp { socket, inherits_nodelay } => {
                let (stream, addr) = socket.accept()?;
                // Replies are batched by the outbox; Nagle would only delay them. A peer that
                // is gone already shows at the first read.
                if !inherits_nodelay {
                    let _ = stream.set_nodelay(true);
                }
                Ok((stream, own_family(addr)))
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                Ok((as_tcp(stream), UNIX_PEER))
            }
        }
    }
}

/// An IPv4 peer of a socket for both families comes as `::ffff:a.b.c.d`; this is its IPv4 address.
/// [listen:both-families]
fn own_family(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => (ip, addr.port()).into(),
        IpAddr::V6(_) => addr,
    }
}

/// Gives a connected Unix socket the type of one of TCP. Reading, writing, shutting down and polling are
/// the same calls for both, so a loop has one type of socket and no branch in each call.
#[cfg(unix)]
fn as_tcp(stream: UnixStream) -> TcpStream {
    let stream = std::os::unix::net::UnixStream::from(stream);
    TcpStream::from_std(OwnedFd::from(stream).into())
}

/// Sets `TCP_NODELAY` on the listening socket, if accepted sockets inherit it, and returns whether they
/// do. On Linux they do, so each connection saves a call.
#[cfg(target_os = "linux")]
fn set_nodelay(listener: std::net::TcpListener) -> (std::net::TcpListener, bool) {
    // The standard library has this option for streams only.
    let stream = std::net::TcpStream::from(OwnedFd::from(listener));
    let is_set = stream.set_nodelay(true).is_ok();
    (OwnedFd::from(stream).into(), is_set)
}

#[cfg(not(target_os = "linux"))]
fn set_nodelay(listener: std::net::TcpListener) -> (std::net::TcpListener, bool) {
    (listener, false)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn token(key: Key) -> Token {
    Token(usize::try_from(key.to_u64()).expect("64-bit tokens, asserted above"))
}

fn to_ready(bits: usize, event: &Event) -> Ready {
    Ready {
        key: Key::from_u64(bits as u64),
        readable: event.is_readable() || event.is_error(),
        writable: event.is_writable() || event.is_error(),
        read_closed: event.is_read_closed() || event.is_error(),
    }
}

impl Socket for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| Read::read(self, buffer))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| Write::write(self, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| Write::write_vectored(self, slices))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Repeats a call that a signal interrupted.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::{MioNet, own_family};
    use crate::Net;

    fn accepted(net: &mut MioNet) -> crate::Accepted<mio::net::TcpStream> {
        net.poll(None, &mut Vec::new()).expect("the poller works");
        net.accept().expect("it can").expect("one waits")
    }

    #[test]
    fn small_writes_are_not_delayed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut net = MioNet::listen(listener).expect("a poller");
        let _peer = TcpStream::connect(net.local_addr().expect("bound")).expect("it listens");
        assert!(accepted(&mut net).socket.nodelay().expect("a socket"));
    }

    /// [listen:both-families]
    #[test]
    fn a_peer_has_the_address_of_its_own_family() {
        for (came, expected) in [
            ("[::ffff:192.0.2.1]:5", "192.0.2.1:5"),
            ("192.0.2.1:5", "192.0.2.1:5"),
            ("[::1]:5", "[::1]:5"),
            ("[fe80::1%7]:5", "[fe80::1%7]:5"),
        ] {
            let came: SocketAddr = came.parse().expect("an address");
            assert_eq!(own_family(came).to_string(), expected);
        }
        // The loopback interface in IPv4, by a socket for IPv6.
        let listener = match TcpListener::bind("[::ffff:127.0.0.1]:0") {
            // A machine without IPv6 has no such sockets.
            Err(error) if !is_ipv6_there() => return drop(error),
            bound => bound.expect("a free port"),
        };
        let port = listener.local_addr().expect("bound").port();
        let mut net = MioNet::listen(listener).expect("a poller");
        let peer = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        assert_eq!(accepted(&mut net).peer, peer.local_addr().expect("a socket"));
    }

    fn is_ipv6_there() -> bool {
        TcpListener::bind("[::1]:0").is_ok()
    }

    #[test]
    fn a_connection_names_its_listener() {
        let mut net = MioNet::new().expect("a poller");
        let addrs = [0, 1, 2].map(|number| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let addr = listener.local_addr().expect("bound");
            assert_eq!(net.add_listener(listener).expect("few"), number);
            addr
        });
        for number in [2, 0, 1, 1] {
            let peer = TcpStream::connect(addrs[number]).expect("it listens");
            let accepted = accepted(&mut net);
            assert_eq!(accepted.listener, number);
            assert_eq!(accepted.peer, peer.local_addr().expect("a socket"));
            assert!(net.accept().expect("it can").is_none() && !net.accept_ready());
        }
        net.stop_listening();
        assert!(TcpStream::connect(addrs[2]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_unix_socket_is_read_and_written_as_one_of_tcp() {
        use std::io::{ErrorKind, Read as _, Write as _};
        use std::os::unix::net::{UnixListener, UnixStream};

        use crate::{Socket, UNIX_PEER};

        let dir = std::env::temp_dir().join(format!("sockeye-reactor-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let path = dir.join("unix");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a path of our own");
        let (mut one, mut other) =
            (MioNet::new().expect("a poller"), MioNet::new().expect("a poller"));
        other.add_unix_listener(listener.try_clone().expect("a copy")).expect("few");
        assert_eq!(one.add_unix_listener(listener).expect("few"), 0);
        let mut peer = UnixStream::connect(&path).expect("it listens");
        peer.write_all(b"here").expect("room");
        let mut accepted = accepted(&mut one);
        assert_eq!((accepted.peer, accepted.listener), (UNIX_PEER, 0));
        let mut bytes = [0; 16];
        assert_eq!(Socket::read(&mut accepted.socket, &mut bytes).expect("it can"), 4);
        let again = Socket::read(&mut accepted.socket, &mut bytes).expect_err("it does not block");
        assert_eq!(again.kind(), ErrorKind::WouldBlock);
        assert_eq!(Socket::write(&mut accepted.socket, b"and there").expect("room"), 9);
        accepted.socket.shutdown_write().expect("once");
        let mut text = String::new();
        peer.read_to_string(&mut text).expect("to the end");
        assert_eq!(text, "and there");
        other.poll(Some(core::time::Duration::ZERO), &mut Vec::new()).expect("the poller works");
        assert!(other.accept().expect("it can").is_none(), "the first one took it");
        std::fs::remove_dir_all(&dir).expect("nobody needs it");
    }
}
