//! What the bytes of a connection go through: a socket, or TLS on one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use sockeye_client::TlsError;

use super::{Break, plain};
use crate::endpoint::words;

/// The one protocol that we speak inside.
const ALPN: &[u8] = b"http/1.1";

/// A connection of blocking reads and writes, each with a deadline of its own.
pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<Tls>),
}

/// TLS on a socket. What cannot be written keeps nobody from reading: a server may refuse before it has read all,
/// which is why this is no `rustls::StreamOwned`.
pub(super) struct Tls {
    session: ClientConnection,
    socket: TcpStream,
}

impl Stream {
    pub(super) const fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(tls) => &tls.socket,
        }
    }

    /// Reads what is there; 0 at the end, which with TLS has to be said inside. Otherwise it is `UnexpectedEof`.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Secure(tls) => tls.read(buffer),
        }
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Secure(tls) => tls.write_all(bytes),
        }
    }
}

impl Tls {
    /// Shakes hands with `host`, which takes no longer than `patience` as a whole.
    pub(super) fn open(
        socket: TcpStream,
        config: Arc<ClientConfig>,
        host: &str,
        patience: Duration,
    ) -> Result<Self, Break> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Break::Final(format!("no certificate can be for {}", plain(host))))?;
        let session = ClientConnection::new_with_alpn(config, name, vec![ALPN.to_vec()])
            .map_err(|error| Break::Final(format!("TLS: {error}")))?;
        let mut tls = Self { session, socket };
        if let Err(error) = tls.shake_hands(patience) {
            let has_spoken = tls.session.protocol_version().is_some();
            return Err(explain(&error, has_spoken, host, patience));
        }
        match tls.session.alpn_protocol() {
            None | Some(ALPN) => Ok(tls),
            Some(_) => Err(Break::Final("the server speaks no HTTP/1.1 inside TLS".into())),
        }
    }

    fn shake_hands(&mut self, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        self.socket.set_write_timeout(Some(patience))?;
        while self.session.is_handshaking() {
            self.flush()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.fill() {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        self.flush()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.fill()?,
                read => return read,
            };
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.flush()?;
            match self.session.writer().write(bytes)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                len => bytes = &bytes[len..],
            }
        }
        self.flush()
    }

    /// Reads records and decrypts them; 0 at the end of the socket.
    fn fill(&mut self) -> io::Result<usize> {
        let len = self.session.read_tls(&mut self.socket)?;
        let done = self.session.process_new_packets();
        // An answer that the records want, or what was wrong with them, for a server that still listens.
        let _ = self.flush();
        done.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Says inside that nothing more comes. Where something is stuck, that would only wait behind it.
impl Drop for Tls {
    fn drop(&mut self) {
        if !self.session.wants_write() {
            self.session.send_close_notify();
            let _ = self.flush();
        }
    }
}

/// Why there is no TLS. What the server's certificate or its protocol does not allow, it will not allow the next
/// time either. `has_spoken`: the server has begun with TLS.
fn explain(error: &io::Error, has_spoken: bool, host: &str, patience: Duration) -> Break {
    let host = plain(host);
    match (error.get_ref().and_then(|inner| inner.downcast_ref()), error.kind()) {
        (Some(error), _) => Break::Final(match TlsError::of(error, has_spoken) {
            TlsError::Protocol => plain(&format!("no TLS with {host}: {error}")),
            error => words::tls(error, &host),
        }),
        (None, ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Break::lost(format!("the TLS handshake with {host} took longer than {patience:?}"))
        }
        (None, ErrorKind::UnexpectedEof) => {
            Break::lost(format!("{host} ended the connection in the TLS handshake"))
        }
        (None, _) => Break::lost(format!("the TLS handshake with {host} failed: {error}")),
    }
}
