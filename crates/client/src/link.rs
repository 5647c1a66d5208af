//! The connection of a driver to a server, on the caller's event loop: looks up the name, connects, opens the proxy's
//! tunnel, begins TLS, and then reads and writes.

mod resolve;
mod socket;
#[cfg(feature = "rustls")]
mod tls;
mod tunnel;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use sockeye_reactor::{Socket, Time};

use self::resolve::{Lookup, Running};
use self::socket::LinkSocket;
#[cfg(feature = "rustls")]
pub(crate) use self::tls::system_config as system_tls;
use self::tunnel::Tunnel;
use crate::{Deadline, Error, Http2Error, HttpVersions, Network, Peer, ProxyError, Scheme};

/// How long one of several addresses may take before the next is tried, in milliseconds.
const ADDRESS_MS: u64 = 2_500;

/// A connection to a server, or the attempt to make one. It has at most one source on the caller's registry at a time,
/// under the caller's token.
pub(crate) struct Link {
    registry: Registry,
    token: Token,
    step: Step,
    /// The server to reach.
    peer: Option<Peer>,
    /// Lookups that the system has not answered yet.
    lookups: Running,
    deadline: Time,
    network: Network,
    /// The server wants HTTP/1.1 for what this link carries.
    wants_http1: bool,
    /// Whether a read may find something: true until the system says that nothing is there, and again after an event.
    readable: bool,
    /// Whether a write may take something, in the same way.
    writable: bool,
}

enum Step {
    None,
    Resolving(Lookup),
    Connecting {
        socket: TcpStream,
        rest: VecDeque<SocketAddr>,
        next_at: Time,
    },
    Tunnelling(Box<Tunnel>),
    #[cfg(feature = "rustls")]
    Securing(tls::Tls),
    Up(LinkSocket),
}

impl Link {
    pub(crate) fn new(registry: Registry, token: Token, network: Network) -> Self {
        Self {
            registry,
            token,
            step: Step::None,
            peer: None,
            lookups: Running::default(),
            deadline: Time::NEVER,
            network,
            wants_http1: false,
            readable: false,
            writable: false,
        }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.step, Step::None)
    }

    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.step, Step::Up(_))
    }

    /// Makes all further connections speak HTTP/1.1.
    pub(crate) const fn fall_back(&mut self) {
        self.wants_http1 = true;
    }

    const fn versions(&self) -> HttpVersions {
        if self.wants_http1 { HttpVersions::Http1 } else { self.network.versions }
    }

    /// Whether the connection speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        let Step::Up(socket) = &self.step else { return false };
        let agreed = socket::has_agreed_on_http2(socket);
        agreed.unwrap_or_else(|| self.versions() == HttpVersions::Http2)
    }

    /// Begins to connect to `peer`; [`advance`](Self::advance) goes on.
    pub(crate) fn dial(&mut self, peer: &Peer, now: Time) -> Result<(), Error> {
        self.close();
        if peer.scheme == Scheme::Secure && !cfg!(feature = "rustls") {
            return Err(Error::NoTls);
        }
        self.deadline = now + self.network.limits.connect_ms;
        let first = self.network.proxy.as_ref().map_or(peer, |proxy| proxy.url.peer());
        let lookups = (&self.lookups, self.network.limits.lookups_max);
        let lookup = Lookup::start(&first.host, first.port, lookups, &self.registry, self.token);
        self.step = Step::Resolving(lookup.map_err(Error::system)?);
        self.peer = Some(peer.clone());
        Ok(())
    }

    /// Handles an event of the link's token.
    pub(crate) fn on_event(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
    }

    /// When [`advance`](Self::advance) has to be called, even without an event.
    pub(crate) fn deadline(&self) -> Time {
        match &self.step {
            Step::None | Step::Up(_) => Time::NEVER,
            Step::Resolving(_) | Step::Tunnelling(_) => self.deadline,
            #[cfg(feature = "rustls")]
            Step::Securing(_) => self.deadline,
            Step::Connecting { next_at, .. } => self.deadline.min(*next_at),
        }
    }

    /// Goes as far as it can without waiting; true if the connection has just been made.
    pub(crate) fn advance(&mut self, now: Time) -> Result<bool, Error> {
        while !matches!(self.step, Step::None | Step::Up(_)) {
            let at_proxy = self.is_at_proxy();
            let is_late = self.deadline <= now;
            let went_on =
                if is_late { Err(Error::TimedOut(Deadline::Connect)) } else { self.go_on(now) };
            match went_on {
                Ok(true)
                    if self.is_up()
                        && self.versions() == HttpVersions::Http2
                        && !self.is_http2() =>
                {
                    self.close();
                    return Err(Error::Http2(Http2Error::NotSpoken));
                }
                Ok(true) if self.is_up() => {
                    (self.readable, self.writable) = (true, true);
                    return Ok(true);
                }
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // A step that failed has dropped its socket, and closing a socket removes it from the poller.
                    self.close();
                    return Err(if at_proxy { blame_proxy(error) } else { error });
                }
            }
        }
        Ok(false)
    }

    /// Makes one step, unless it has to wait. Returns whether it made one.
    fn go_on(&mut self, now: Time) -> Result<bool, Error> {
        let (step, went_on) = match core::mem::replace(&mut self.step, Step::None) {
            Step::Resolving(mut lookup) => match lookup.take() {
                None => (Step::Resolving(lookup), false),
                Some(Ok(addrs)) => (self.connect(addrs.into(), now)?, true),
                Some(Err(error)) => return Err(Error::Resolve(error.kind())),
            },
            Step::Connecting { socket, rest, next_at } => {
                self.look_after_connect(socket, rest, next_at, now)?
            }
            Step::Tunnelling(mut tunnel) => match tunnel.advance()? {
                true => (self.secure(tunnel.into_socket())?, true),
                false => (Step::Tunnelling(tunnel), false),
            },
            #[cfg(feature = "rustls")]
            Step::Securing(mut tls) => match tls::advance(&mut tls)? {
                true => (Step::Up(LinkSocket::Buffering(tls)), true),
                false => (Step::Securing(tls), false),
            },
            idle @ (Step::None | Step::Up(_)) => (idle, false),
        };
        self.step = step;
        Ok(went_on)
    }

    /// Whether only the proxy has been reached so far.
    const fn is_at_proxy(&self) -> bool {
        let is_first_hop = match self.step {
            Step::Resolving(_) | Step::Connecting { .. } | Step::Tunnelling(_) => true,
            #[cfg(feature = "rustls")]
            Step::Securing(_) => false,
            Step::None | Step::Up(_) => false,
        };
        is_first_hop && self.network.proxy.is_some()
    }

    /// Starts to connect to the first address that can be tried.
    fn connect(&mut self, mut addrs: VecDeque<SocketAddr>, now: Time) -> Result<Step, Error> {
        let mut last = ErrorKind::NotFound;
        while let Some(addr) = addrs.pop_front() {
            match self.begin(addr) {
                Ok(socket) => {
                    let next_at = if addrs.is_empty() { Time::NEVER } else { now + ADDRESS_MS };
                    return Ok(Step::Connecting { socket, rest: addrs, next_at });
                }
                Err(Error::Connect(kind)) => last = kind,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Connect(last))
    }

    fn begin(&mut self, addr: SocketAddr) -> Result<TcpStream, Error> {
        let mut socket = TcpStream::connect(addr).map_err(Error::connect)?;
        let both = Interest::READABLE.add(Interest::WRITABLE);
        let registered = self.registry.register(&mut socket, self.token, both);
        registered.map_err(Error::system)?;
        (self.readable, self.writable) = (false, false);
        Ok(socket)
    }

    /// Goes on once the TCP connection is made; if it failed, tries the next address.
    fn look_after_connect(
        &mut self,
        socket: TcpStream,
        rest: VecDeque<SocketAddr>,
        next_at: Time,
        now: Time,
    ) -> Result<(Step, bool), Error> {
        let failed = match socket.take_error() {
            Ok(Some(error)) | Err(error) => error.kind(),
            Ok(None) if self.writable && socket.peer_addr().is_ok() => {
                // Writes are batched by the caller; Nagle would only delay them.
                let _ = socket.set_nodelay(true);
                return Ok((self.arrive(socket)?, true));
            }
            Ok(None) if next_at <= now => ErrorKind::TimedOut,
            Ok(None) => return Ok((Step::Connecting { socket, rest, next_at }, false)),
        };
        drop(socket);
        match self.connect(rest, now) {
            // With no address left, the error of the last one counts.
            Err(Error::Connect(ErrorKind::NotFound)) => Err(Error::Connect(failed)),
            connected => Ok((connected?, true)),
        }
    }

    /// The step behind the TCP connection, to the server or to the proxy.
    fn arrive(&mut self, socket: TcpStream) -> Result<Step, Error> {
        match (&self.network.proxy, &self.peer) {
            (Some(proxy), Some(peer)) => {
                let tunnel = Tunnel::new(socket, proxy, peer, self.network.limits)?;
                Ok(Step::Tunnelling(Box::new(tunnel)))
            }
            _ => self.secure(socket),
        }
    }

    /// The step behind the connection to the server: TLS, if its scheme wants it.
    fn secure(&mut self, socket: TcpStream) -> Result<Step, Error> {
        #[cfg(feature = "rustls")]
        if let Some(peer) = self.peer.as_ref().filter(|peer| peer.scheme == Scheme::Secure) {
            let config = self.network.tls_config()?;
            self.network.tls = Some(config.clone());
            let tls = tls::begin(socket, config, &peer.host, self.versions())?;
            return Ok(Step::Securing(tls));
        }
        Ok(Step::Up(socket::plain(socket)))
    }

    /// Reads the bytes that have come: `None` if there are none, `Some(0)` at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        let Step::Up(socket) = &mut self.step else { return Ok(None) };
        if !self.readable {
            return Ok(None);
        }
        match socket.read(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = socket.holds_input();
                Ok(None)
            }
            Err(error) => Err(socket::explain(socket, &error)),
        }
    }

    /// Makes the next [`read`](Self::read) ask the system, even without an event.
    pub(crate) const fn look_again(&mut self) {
        self.readable = true;
    }

    /// Whether [`read`](Self::read) may find something that no poller will tell of.
    pub(crate) const fn may_hold_more(&self) -> bool {
        self.readable && self.is_up()
    }

    /// Whether bytes that were written have not reached the socket.
    pub(crate) fn holds_unsent(&self) -> bool {
        matches!(&self.step, Step::Up(socket) if socket.held_output() > 0)
    }

    /// Writes as many of the `bytes` after the first `sent` as the socket takes, and adds their number to `sent`.
    pub(crate) fn write(&mut self, bytes: &[u8], sent: &mut usize) -> Result<(), Error> {
        let Step::Up(socket) = &mut self.step else { return Ok(()) };
        while self.writable && (*sent < bytes.len() || socket.held_output() > 0) {
            let written = match &bytes[*sent..] {
                [] => socket.flush().map(|_| 0),
                rest => socket.write(rest),
            };
            match written {
                Ok(len) => {
                    *sent += len;
                    self.writable = socket.held_output() == 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => {
                    // The peer may have sent a reason, which has to be read.
                    self.readable = true;
                    return Err(socket::explain(socket, &error));
                }
            }
        }
        Ok(())
    }

    /// Ends the connection or the attempt.
    pub(crate) fn close(&mut self) {
        // The deadline is for connecting only.
        self.deadline = Time::NEVER;
        match core::mem::replace(&mut self.step, Step::None) {
            Step::None | Step::Resolving(_) => {}
            Step::Connecting { mut socket, .. } => {
                let _ = self.registry.deregister(&mut socket);
            }
            Step::Tunnelling(mut tunnel) => {
                let _ = self.registry.deregister(tunnel.socket());
            }
            #[cfg(feature = "rustls")]
            Step::Securing(mut tls) => {
                let _ = self.registry.deregister(tls.below_mut());
            }
            Step::Up(mut socket) => {
                // If the peer is gone already, the error does not matter.
                let _ = socket.shutdown_write();
                let _ = self.registry.deregister(socket::system_socket(&mut socket));
            }
        }
        (self.readable, self.writable) = (false, false);
    }
}

/// Makes a proxy's error of an error on the way to its tunnel. Errors of the client, and of TLS inside the tunnel,
/// stay as they are.
fn blame_proxy(error: Error) -> Error {
    Error::Proxy(match error {
        Error::Resolve(kind) => ProxyError::Resolve(kind),
        Error::Connect(kind) => ProxyError::Connect(kind),
        Error::Transport(kind) => ProxyError::Transport(kind),
        Error::Http(error) => ProxyError::Http(error),
        Error::InterimResponses => ProxyError::InterimResponses,
        Error::TimedOut(_) => ProxyError::TimedOut,
        other => return other,
    })
}
