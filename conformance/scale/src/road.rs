//! The way of the clients to the server: with TLS or without, on sockets of their own or on shared ones.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use sockeye_load::engine::{Fault, Lines, Opener, Purpose, SocketOptions};
use sockeye_tls::{Authorities, Connector};

use crate::Failure;
use crate::server::{Place, Server};

/// Lines that share a connection of HTTP/2, about.
pub(crate) const SHARED_BY: usize = 100;

/// What the clients of a run speak.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 with prior knowledge.
    H2c,
    /// HTTP/2 over TLS.
    H2,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Https => "HTTP/1.1 and TLS",
            Self::H2c => "HTTP/2",
            Self::H2 => "HTTP/2 and TLS",
        })
    }
}

impl Carrier {
    pub(crate) const fn has_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    pub(crate) const fn is_shared(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }
}

/// The way to one server.
pub(crate) struct Road {
    pub(crate) addr: SocketAddr,
    pub(crate) tls: Option<Connector>,
    /// The numbers of the connections that WebSockets and event streams share; none if each has a socket of its own.
    trunks: Vec<usize>,
    trunks_made: usize,
}

impl Road {
    /// HTTP/1.1 without TLS.
    pub(crate) const fn plain(addr: SocketAddr) -> Self {
        Self { addr, tls: None, trunks: Vec::new(), trunks_made: 0 }
    }

    /// The way of so many clients to a server. Its certificate has to be of the authority in `place`.
    pub(crate) fn new(
        server: &Server,
        place: &Place,
        over: Carrier,
        clients: usize,
    ) -> Result<Self, Failure> {
        let tls = match over.has_tls() {
            false => None,
            true => {
                let authorities = Authorities::from_pem(&std::fs::read(place.ca())?);
                let authorities = authorities.map_err(|error| Failure(error.to_string()))?;
                Some(Connector::trusting(&authorities))
            }
        };
        let trunks_made = if over.is_shared() { clients.div_ceil(SHARED_BY) } else { 0 };
        let addr = if over.has_tls() { server.tls_addr } else { None }.unwrap_or(server.addr);
        Ok(Self { addr, tls, trunks: (0..trunks_made).collect(), trunks_made })
    }

    /// Each of so many lines has a connection of its own, whatever it speaks.
    pub(crate) fn alone(mut self, lines: usize) -> Self {
        if !self.trunks.is_empty() {
            self.trunks = (0..lines).collect();
            self.trunks_made = lines;
        }
        self
    }

    /// Connects line `id`. Neighbours are on different connections, so each connection carries lines of all kinds.
    pub(crate) fn connect(
        &mut self,
        lines: &mut Lines,
        id: usize,
        opener: &Rc<Opener>,
        options: SocketOptions,
    ) -> Result<(), Fault> {
        match opener.purpose {
            _ if self.trunks.is_empty() => return lines.connect(id, opener, options),
            Purpose::WebSocket { .. } | Purpose::Events => {}
            Purpose::Requests => return lines.connect(id, opener, options),
            Purpose::Bare(_) => return lines.connect_bare_http2(id, opener, options),
        }
        let place = id % self.trunks.len();
        // Buffers are those of a line alone.
        let options = SocketOptions { receive_bytes: None, ..options };
        match lines.connect_stream(id, self.trunks[place], opener, options) {
            // The server wants no further stream there, because it goes away.
            Err(Fault::Refused(_)) => {
                self.trunks[place] = self.trunks_made;
                self.trunks_made += 1;
                lines.connect_stream(id, self.trunks[place], opener, options)
            }
            connected => connected,
        }
    }
}
