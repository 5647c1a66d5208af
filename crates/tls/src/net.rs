//! A network of which some listeners speak TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sockeye_reactor::{Accepted, EitherSocket, Key, Net, Ready, Time};

use crate::{SharedAcceptor, TlsSocket};

/// A [`Net`] on top of another one. Connections of some of its listeners speak TLS.
#[derive(Debug)]
pub struct TlsNet<N> {
    net: N,
    /// By the number of the listener.
    acceptors: Vec<Option<SharedAcceptor>>,
}

impl<N: Net> TlsNet<N> {
    /// A network of which no listener speaks TLS yet.
    pub const fn new(net: N) -> Self {
        Self { net, acceptors: Vec::new() }
    }

    /// Connections of the listener with this number speak TLS from now on.
    #[must_use]
    pub fn with_tls(mut self, listener: usize, acceptor: SharedAcceptor) -> Self {
        if self.acceptors.len() <= listener {
            self.acceptors.resize(listener + 1, None);
        }
        self.acceptors[listener] = Some(acceptor);
        self
    }

    /// The network below.
    pub const fn net(&self) -> &N {
        &self.net
    }
}

impl<N: Net> Net for TlsNet<N> {
    type Socket = EitherSocket<N::Socket, TlsSocket<N::Socket>>;

    fn now(&self) -> Time {
        self.net.now()
    }

    fn now_us(&self) -> u64 {
        self.net.now_us()
    }

    fn unix_ms(&self) -> u64 {
        self.net.unix_ms()
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.net.poll(timeout, ready)
    }

    fn accept(&mut self) -> io::Result<Option<Accepted<Self::Socket>>> {
        let Some(Accepted { socket, peer, listener }) = self.net.accept()? else { return Ok(None) };
        let socket = match self.acceptors.get(listener) {
            Some(Some(acceptor)) => EitherSocket::Buffering(acceptor.current().accept(socket)),
            Some(None) | None => EitherSocket::Plain(socket),
        };
        Ok(Some(Accepted { socket, peer, listener }))
    }

    fn accept_ready(&self) -> bool {
        self.net.accept_ready()
    }

    fn stop_listening(&mut self) {
        self.net.stop_listening();
    }

    fn register(&mut self, socket: &mut Self::Socket, key: Key) -> io::Result<()> {
        match socket {
            EitherSocket::Plain(socket) => self.net.register(socket, key),
            EitherSocket::Buffering(socket) => self.net.register(socket.below_mut(), key),
        }
    }

    fn close(&mut self, socket: Self::Socket) {
        match socket {
            EitherSocket::Plain(socket) => self.net.close(socket),
            EitherSocket::Buffering(socket) => self.net.close(socket.into_below()),
        }
    }
}

/// The address of a loop's own listener is that of the network below.
impl TlsNet<sockeye_reactor::MioNet> {
    /// The address to which the first listening socket is bound.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.net.local_addr()
    }

    /// A handle with which other threads interrupt the wait.
    pub fn waker(&self) -> sockeye_reactor::Waker {
        self.net.waker()
    }
}
