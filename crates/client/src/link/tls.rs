//! TLS over a socket, by rustls, in the form that a loop needs.
//!
//! rustls holds bytes of its own in both directions. What it has decrypted is read before the socket is asked,
//! so "nothing to read" is said only when both have nothing; and what it has encrypted counts as unsent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::{Error, TlsError};

/// Records without data that are taken in one call.
const EMPTY_READS_MAX: u8 = 32;
/// The one protocol that we speak inside.
const ALPN: &[u8] = b"http/1.1";

/// A TLS connection, from its first byte.
pub(super) struct Tls {
    socket: TcpStream,
    session: ClientConnection,
    /// What rustls said, while an `io::Error` is on its way up.
    failure: Option<TlsError>,
}

/// Trusts those whom the system trusts.
pub(crate) fn system_config() -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    // A system may hold certificates that are none for us; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::Tls(TlsError::Roots));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Tls(TlsError::Protocol))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Tls {
    /// Begins a handshake that asks for `host`.
    pub(super) fn new(
        socket: TcpStream,
        config: Arc<ClientConfig>,
        host: &str,
    ) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Tls(TlsError::Name))?;
        let session = ClientConnection::new_with_alpn(config, name, vec![ALPN.to_vec()])
            .map_err(|error| Error::Tls(TlsError::of(&error, false)))?;
        Ok(Self { socket, session, failure: None })
    }

    /// Goes on with the handshake as far as it goes without waiting; true once it is complete.
    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        loop {
            match self.flush() {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(self.explain(&error));
                }
                _ => {}
            }
            if !self.session.is_handshaking() {
                return match self.session.alpn_protocol() {
                    Some(ALPN) | None => Ok(true),
                    Some(_) => Err(Error::Tls(TlsError::Protocol)),
                };
            }
            match self.fill() {
                Ok(0) => return Err(Error::Tls(TlsError::Ended)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.explain(&error)),
            }
        }
    }

    /// Reads what was decrypted. `Interrupted` means that much came, and no data in it: others have their turn.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_READS_MAX {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The end is one only if it was said inside; otherwise this is `UnexpectedEof`.
                read => return read,
            }
            self.fill()?;
        }
        Err(ErrorKind::Interrupted.into())
    }

    /// Encrypts at most as much as rustls holds, and sends what goes. `WouldBlock` means that nothing of
    /// `bytes` was taken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let len = self.session.writer().write(bytes)?;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(len),
        }
    }

    /// Whether something encrypted has not reached the socket.
    pub(super) fn holds_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Says inside that nothing more will come, and then outside.
    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        let _ = self.flush();
        self.socket.shutdown(Shutdown::Write)
    }

    pub(super) fn explain(&self, error: &io::Error) -> Error {
        match (self.failure, error.kind()) {
            (Some(failure), _) => Error::Tls(failure),
            (None, ErrorKind::UnexpectedEof) => Error::Truncated,
            (None, kind) => Error::Transport(kind),
        }
    }

    pub(super) const fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Reads records and decrypts them; 0 at the end of the socket.
    fn fill(&mut self) -> io::Result<usize> {
        let len = self.session.read_tls(&mut self.socket)?;
        if let Err(error) = self.session.process_new_packets() {
            let has_spoken = self.session.protocol_version().is_some();
            self.failure = Some(TlsError::of(&error, has_spoken));
            // The server is told what was wrong, if it still listens.
            let _ = self.flush();
            return Err(ErrorKind::InvalidData.into());
        }
        // Records may ask for an answer of their own.
        let _ = self.flush();
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}
