//! The machine's own network: epoll and friends through mio.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::{Key, Net, Ready, Socket, Time};

// A key rides in the poller's token whole, generation included.
const _: () = assert!(usize::BITS >= 64, "keys need 64-bit tokens");

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Events taken from the system at a time.
const EVENTS: usize = 1024;

/// A [`Net`] on the machine's sockets: one poller, at most one listening socket, a waker.
#[derive(Debug)]
pub struct MioNet {
    poll: Poll,
    events: Events,
    listener: Option<TcpListener>,
    accept_ready: bool,
    /// What the listener accepts has no delay of small writes already.
    inherits_nodelay: bool,
    waker: Waker,
    start: Instant,
}

/// Wakes a waiting [`MioNet::poll`](Net::poll) from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Makes the present or the next wait return. Many calls may cause one return.
    ///
    /// # Errors
    /// What the system says.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

impl MioNet {
    /// A network without a listening socket: what a client needs.
    ///
    /// # Errors
    /// What the system says when a poller cannot be had.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker(Arc::new(mio::Waker::new(poll.registry(), WAKER)?));
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            listener: None,
            accept_ready: false,
            inherits_nodelay: false,
            waker,
            start: Instant::now(),
        })
    }

    /// A network that accepts connections from `listener`, which is made non-blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen(listener: std::net::TcpListener) -> io::Result<Self> {
        let mut net = Self::new()?;
        listener.set_nonblocking(true)?;
        let (listener, inherits_nodelay) = set_nodelay(listener);
        net.inherits_nodelay = inherits_nodelay;
        let mut listener = TcpListener::from_std(listener);
        net.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        net.listener = Some(listener);
        Ok(net)
    }

    /// The same with a time that is counted from `start`: the times of several loops with one start
    /// can be compared.
    #[must_use]
    pub const fn counting_from(mut self, start: Instant) -> Self {
        self.start = start;
        self
    }

    /// Where the listening socket is bound.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// A handle with which other threads interrupt the wait.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts to connect to `addr`. The socket is writable once it is connected; an error shows
    /// at the first read or write.
    ///
    /// # Errors
    /// What the system says at once.
    pub fn connect(&mut self, addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Net for MioNet {
    type Socket = TcpStream;

    fn now(&self) -> Time {
        let ms = self.start.elapsed().as_millis();
        Time::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            match event.token() {
                LISTENER => self.accept_ready = true,
                WAKER => {}
                Token(bits) => ready.push(to_ready(bits, event)),
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let Some(listener) = &self.listener else { return Ok(None) };
        loop {
            match listener.accept() {
                Ok((stream, addr)) => {
                    // Replies are batched by the outbox; Nagle would only delay them. A peer that
                    // is gone already shows at the first read.
                    if !self.inherits_nodelay {
                        let _ = stream.set_nodelay(true);
                    }
                    return Ok(Some((stream, addr)));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.accept_ready = false;
                        return Ok(None);
                    }
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn accept_ready(&self) -> bool {
        self.accept_ready
    }

    fn stop_listening(&mut self) {
        if let Some(mut listener) = self.listener.take() {
            let _ = self.poll.registry().deregister(&mut listener);
        }
        self.accept_ready = false;
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

/// Sets `TCP_NODELAY` once for all: on Linux what is accepted inherits it, as it does the size of its
/// buffers, and each connection saves a call. Says whether that is so here.
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
    use std::net::{TcpListener, TcpStream};

    use super::MioNet;
    use crate::Net;

    #[test]
    fn small_writes_are_not_delayed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut net = MioNet::listen(listener).expect("a poller");
        let _peer = TcpStream::connect(net.local_addr().expect("bound")).expect("it listens");
        net.poll(None, &mut Vec::new()).expect("the poller works");
        let (stream, _) = net.accept().expect("it can").expect("one waits");
        assert!(stream.nodelay().expect("a socket"));
    }
}
