//! A tunnel through an HTTP proxy (RFC 9110 §9.3.6).

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;
use sockeye_http1::{Body, RequestWriter};

use crate::exchange::Exchange;
use crate::{Error, Limits, Peer, Proxy, ProxyError, UsageError, headers};

/// Bytes of the proxy's answer that are looked at together.
const PEEK_BYTES: usize = 1024;

/// A connection to a proxy that has been asked for a tunnel.
pub(super) struct Tunnel {
    socket: TcpStream,
    request: Vec<u8>,
    sent: usize,
    answer: Exchange,
}

impl Tunnel {
    pub(super) fn new(
        socket: TcpStream,
        proxy: &Proxy,
        peer: &Peer,
        limits: Limits,
    ) -> Result<Self, Error> {
        let request = write_request(proxy, peer)?;
        Ok(Self { socket, request, sent: 0, answer: Exchange::new("CONNECT", limits) })
    }

    pub(super) const fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// The connection, which leads to the server once [`advance`](Self::advance) has said so.
    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// Goes as far as it can without waiting; true once the tunnel is open. All errors are the proxy's.
    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        while self.sent < self.request.len() {
            match self.socket.write(&self.request[self.sent..]) {
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It may have said why it ends.
                Err(_) => self.sent = self.request.len(),
            }
        }
        loop {
            let mut bytes = [0; PEEK_BYTES];
            let len = match self.socket.peek(&mut bytes) {
                Ok(0) => return Err(Error::Proxy(ProxyError::Ended)),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(Error::Transport(error.kind())),
            };
            let mut input = &mut bytes[..len];
            let taken = self.answer.take_head(&mut input);
            let used = len - input.len();
            // Behind the head speaks the server: not a byte of that is taken.
            self.socket.read_exact(&mut bytes[..used]).map_err(|it| Error::Transport(it.kind()))?;
            if taken? {
                return self.judge().map(|()| true);
            }
        }
    }

    /// Whether the proxy grants the tunnel.
    fn judge(&self) -> Result<(), Error> {
        let status = self.answer.with_head(|head| head.status());
        // [rfc9110:9.3.6-any-2xx]
        if (200..300).contains(&status.code()) {
            return Ok(());
        }
        Err(Error::Proxy(ProxyError::Status(status)))
    }
}

fn write_request(proxy: &Proxy, peer: &Peer) -> Result<Vec<u8>, Error> {
    let host = if peer.host.contains(':') { format!("[{}]", peer.host) } else { peer.host.clone() };
    let target = format!("{host}:{}", peer.port);
    let writer = RequestWriter::new("CONNECT", &target, &target).map_err(|_| UsageError::Url)?;
    let mut request = Vec::new();
    headers::add(writer, proxy.headers.iter())?.write(Body::Empty, &mut request);
    Ok(request)
}
