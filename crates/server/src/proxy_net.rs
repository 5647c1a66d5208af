//! A network of which some listeners expect the PROXY protocol.

use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use sockeye_proxy::{Decoder, Error, Header, Limits, Version};
use sockeye_reactor::{Accepted, Announced, EitherSocket, Key, Net, Ready, Socket, Time};

/// Bytes that one read of a header may bring. A header is short, and mostly comes with nothing behind it.
const READ_BYTES: usize = 512;

/// The answer to a request without a header. [server:proxy-plain-http]
const NO_HEADER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\
    Content-Length: 74\r\n\r\n\
    This port expects a header of the PROXY protocol in front of the request.\n";

/// A [`Net`] on top of another one. Connections of some of its listeners begin with a header of the PROXY
/// protocol, in the version that the listener expects.
///
/// The header belongs to the socket's handshake: see [`Socket::announced`]. TLS goes on top, because the
/// header comes before the first byte of TLS.
#[derive(Debug)]
pub struct ProxyNet<N> {
    net: N,
    limits: Limits,
    /// By the number of the listener.
    versions: Vec<Option<Version>>,
}

/// A socket whose first bytes are a header of the PROXY protocol.
#[derive(Debug)]
pub struct ProxySocket<S> {
    socket: S,
    state: State,
    /// Bytes behind the header that came with it.
    held: Vec<u8>,
    /// Another read may bring something that the poller does not announce.
    again: bool,
}

#[derive(Debug)]
enum State {
    /// The header is awaited.
    Reading(Box<Decoder>),
    /// The header was read.
    Open(Announced),
    /// There was no good header: other bytes came, or the end. Input is discarded from here on.
    Failed(Announced),
}

impl<N: Net> ProxyNet<N> {
    /// A network of which no listener expects a header yet.
    pub const fn new(net: N, limits: Limits) -> Self {
        Self { net, limits, versions: Vec::new() }
    }

    /// Connections of the listener with this number begin with a header of this `version` from now on.
    #[must_use]
    pub fn with_proxy_protocol(mut self, listener: usize, version: Version) -> Self {
        if self.versions.len() <= listener {
            self.versions.resize(listener + 1, None);
        }
        self.versions[listener] = Some(version);
        self
    }
}

impl<N: Net> Net for ProxyNet<N> {
    type Socket = EitherSocket<N::Socket, ProxySocket<N::Socket>>;

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
        let socket = match self.versions.get(listener) {
            Some(Some(version)) => {
                EitherSocket::Buffering(ProxySocket::new(socket, *version, self.limits))
            }
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
            EitherSocket::Buffering(socket) => self.net.register(&mut socket.socket, key),
        }
    }

    fn close(&mut self, socket: Self::Socket) {
        match socket {
            EitherSocket::Plain(socket) => self.net.close(socket),
            EitherSocket::Buffering(socket) => self.net.close(socket.socket),
        }
    }
}

impl<S: Socket> ProxySocket<S> {
    /// A socket that expects a header of this `version`.
    pub fn new(socket: S, version: Version, limits: Limits) -> Self {
        let state = State::Reading(Box::new(Decoder::new(version, limits)));
        Self { socket, state, held: Vec::new(), again: false }
    }

    /// Reads as much of the header as has arrived.
    fn read_header(&mut self) -> io::Result<()> {
        let State::Reading(decoder) = &mut self.state else { return Ok(()) };
        let mut buffer = [0; READ_BYTES];
        loop {
            let len = match self.socket.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut input = &buffer[..len];
            match decoder.next(&mut input) {
                Ok(Some(header)) => {
                    self.held = input.to_vec();
                    self.again = true;
                    self.state = State::Open(match header {
                        Header::Client { source, .. } => Announced::Client(source),
                        Header::Local | Header::Unknown => Announced::Unnamed,
                    });
                    return Ok(());
                }
                Ok(None) if len < READ_BYTES => return Ok(()),
                Ok(None) => {}
                Err(error) => {
                    if error == Error::NoHeader && buffer[0].is_ascii_uppercase() {
                        // Nothing was sent yet, so there is room. A peer that is gone needs no answer.
                        let _ = self.socket.write(NO_HEADER);
                    }
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
        }
    }

    /// Reads bytes behind the header: first those that came with it.
    fn read_held(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.held.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.held[..len]);
        self.held.drain(..len);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        if len == buffer.len() {
            return Ok(len);
        }
        let (read, wanted) = (self.socket.read(&mut buffer[len..]), buffer.len() - len);
        match read {
            Ok(more) if more > 0 || len == 0 => {
                self.again = more == wanted || self.socket.holds_input();
                Ok(len + more)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.again = false;
                if len > 0 { Ok(len) } else { Err(error) }
            }
            Err(error) if len == 0 => Err(error),
            // The end, or the error, comes again with the next read.
            Ok(_) | Err(_) => Ok(len),
        }
    }
}

impl<S: Socket> Socket for ProxySocket<S> {
    const BUFFERS: bool = true;

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.state {
            State::Reading(_) => {
                // TLS above reads before the header is here.
                self.handshake()?;
                match self.state {
                    State::Reading(_) => Err(ErrorKind::WouldBlock.into()),
                    State::Open(_) | State::Failed(_) => self.read_held(buffer),
                }
            }
            State::Open(_) if self.again || !self.held.is_empty() => self.read_held(buffer),
            State::Open(_) | State::Failed(_) => self.socket.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_vectored(slices)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }

    fn holds_input(&self) -> bool {
        !self.held.is_empty() || self.again || self.socket.holds_input()
    }

    fn held_output(&self) -> usize {
        self.socket.held_output()
    }

    fn flush(&mut self) -> io::Result<usize> {
        self.socket.flush()
    }

    fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Reading(_))
    }

    /// Reads the header. No part of it is costly.
    fn handshake(&mut self) -> io::Result<bool> {
        if let Err(error) = self.read_header() {
            // A balancer that only looks whether somebody listens ends without a byte.
            self.state = State::Failed(match error.kind() {
                ErrorKind::InvalidData => Announced::Invalid,
                _ => Announced::Nothing,
            });
            return Err(error);
        }
        Ok(false)
    }

    fn announced(&self) -> Announced {
        match self.state {
            State::Reading(_) => Announced::Nothing,
            State::Open(announced) | State::Failed(announced) => announced,
        }
    }
}
