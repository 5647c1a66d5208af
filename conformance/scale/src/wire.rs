//! The bytes of a connection, with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Failure;
use crate::road::Carrier;
use crate::server::{Place, Server};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where connections go, and how.
#[derive(Clone)]
pub(crate) struct Target {
    addr: SocketAddr,
    /// With TLS, if there is one.
    config: Option<Arc<ClientConfig>>,
    /// Whether lines speak HTTP/2.
    pub(crate) is_shared: bool,
}

impl Target {
    pub(crate) const fn plain(addr: SocketAddr) -> Self {
        Self { addr, config: None, is_shared: false }
    }

    /// TLS 1.3 with a server whose certificate is of the authority in `ca`, and with this protocol.
    pub(crate) fn encrypted(addr: SocketAddr, ca: &Path, protocol: &[u8]) -> Result<Self, Failure> {
        let fault = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", ca.display()));
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(ca).map_err(|error| fault(&error))?;
        roots.add(authority).map_err(|error| fault(&error))?;
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        // Each connection is another client.
        config.resumption = Resumption::disabled();
        Ok(Self { addr, config: Some(Arc::new(config)), is_shared: false })
    }

    /// The way of lines to a server.
    pub(crate) fn of(server: &Server, place: &Place, over: Carrier) -> Result<Self, Failure> {
        let protocol: &[u8] = if over.is_shared() { b"h2" } else { b"http/1.1" };
        let target = match server.tls_addr {
            None => Self::plain(server.addr),
            Some(addr) => Self::encrypted(addr, &place.ca(), protocol)?,
        };
        Ok(Self { is_shared: over.is_shared(), ..target })
    }

    pub(crate) const fn scheme(&self) -> &'static str {
        if self.config.is_some() { "https" } else { "http" }
    }

    pub(crate) fn connect(&self) -> Result<Wire, Failure> {
        self.begin(TcpStream::connect(self.addr)?)
    }

    /// Connects from an address. The connection is reset at its end, so that no port stays behind.
    pub(crate) fn connect_from(&self, source: Ipv4Addr) -> Result<Wire, Failure> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        bind(&socket, &SocketAddr::from((source, 0)))?;
        connect(&socket, &self.addr)?;
        self.begin(TcpStream::from(socket))
    }

    fn begin(&self, stream: TcpStream) -> Result<Wire, Failure> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let Some(config) = &self.config else { return Ok(Wire::Plain(stream)) };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::clone(config), name);
        let session = session.map_err(|error| Failure(error.to_string()))?;
        Ok(Wire::Encrypted(Box::new(StreamOwned::new(session, stream))))
    }
}

/// A connection.
pub(crate) enum Wire {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match self {
                Self::Plain(stream) => stream.read(buffer),
                Self::Encrypted(stream) => stream.read(buffer),
            };
            // A read with a timeout may be interrupted, by a signal or a pause of the machine.
            if result.as_ref().is_err_and(|it| it.kind() == ErrorKind::Interrupted) {
                continue;
            }
            return result;
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}
