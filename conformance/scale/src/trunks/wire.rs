//! The bytes of a connection, with TLS or without.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::Failure;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where connections go, and how.
pub(super) struct Target {
    addr: SocketAddr,
    /// With TLS, if there is one.
    config: Option<Arc<ClientConfig>>,
}

impl Target {
    pub(super) const fn plain(addr: SocketAddr) -> Self {
        Self { addr, config: None }
    }

    /// TLS 1.3 with a server whose certificate is of the authority in `ca`, and with this protocol.
    pub(super) fn encrypted(addr: SocketAddr, ca: &Path, protocol: &[u8]) -> Result<Self, Failure> {
        let fault = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", ca.display()));
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(ca).map_err(|error| fault(&error))?;
        roots.add(authority).map_err(|error| fault(&error))?;
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        // Each connection is another client.
        config.resumption = Resumption::disabled();
        Ok(Self { addr, config: Some(Arc::new(config)) })
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.config.is_some() { "https" } else { "http" }
    }

    pub(super) fn connect(&self) -> Result<Wire, Failure> {
        let stream = TcpStream::connect(self.addr)?;
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
pub(super) enum Wire {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
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
