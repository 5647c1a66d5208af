//! The address of a server.

use core::time::Duration;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};

use crate::{Miss, failed};

/// An address as given on the command line.
#[derive(Debug, Clone)]
pub struct Url {
    /// The host, without brackets.
    pub host: String,
    /// The port; 80 unless given.
    pub port: u16,
    /// Path and query, beginning with a slash.
    pub target: String,
}

impl Url {
    /// Parses `scheme://host[:port][/target]` for one of `schemes`.
    ///
    /// # Errors
    /// A text that is no such address: the error says why.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("an address needs a scheme")?;
        if !schemes.contains(&scheme) {
            return Err(format!("the scheme must be one of {schemes:?}, not {scheme:?}"));
        }
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("bad port {port:?}"))?)
            }
            _ => (authority, 80),
        };
        let target = match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("/{target}"),
        };
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, target })
    }

    /// The `Host` that a client sends.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The socket addresses, or why there are none.
    ///
    /// # Errors
    /// Why there are none.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found: Vec<_> = found.map_err(|e| format!("{}: {e}", self.host))?.collect();
        if found.is_empty() { Err(format!("{} has no address", self.host)) } else { Ok(found) }
    }

    /// Opens a TCP connection.
    ///
    /// # Errors
    /// Why it did not open.
    pub fn connect(&self, timeout: Duration) -> Result<TcpStream, Miss> {
        let addresses = self.resolve().or_else(|why| failed("an address", why))?;
        let opened = TcpStream::connect_timeout(&addresses[0], timeout);
        let stream = opened.or_else(|e| failed("a TCP connection", e))?;
        // Frames must leave as they are written, or the cases about splits test nothing.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}
