//! TLS on a socket, by rustls, as the contract of [`Socket`] asks for it.
//!
//! The adapter is made for either side and for any socket below; only its constructor is the client's.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore};
use sockeye_reactor::Socket;

use crate::{Error, HttpVersions, TlsError};

/// Records without data that are taken in one call.
const EMPTY_READS_MAX: u8 = 32;
/// The protocols that the client speaks inside.
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// A TLS connection on the socket `S`, from its first byte.
pub(super) struct Tls<S> {
    socket: S,
    session: Box<Connection>,
    /// Bytes that are decrypted and not read.
    decrypted: usize,
    /// The socket below was read until it was empty: its poller announces whatever comes next.
    is_drained: bool,
    end: End,
    /// Bytes that were taken and not sent, as far as rustls tells.
    held: usize,
    our_end: OurEnd,
    /// The reason that rustls gave for an `io::Error`.
    failure: Option<TlsError>,
}

/// The end of the peer's direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    /// It has arrived, behind decrypted bytes, and was not read.
    Unread,
    Read,
}

/// The end of our direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OurEnd {
    NotYet,
    /// It is held, behind the other output.
    Held,
    Sent,
}

/// The socket below, in the form that rustls needs.
struct Below<'s, S> {
    socket: &'s mut S,
    /// The read was short: nothing is left.
    is_drained: bool,
}

/// Trusts the authorities that the system trusts.
pub(crate) fn system_config() -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    // Certificates that rustls cannot parse are left out.
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

impl<S: Socket> Tls<S> {
    /// Begins a client's handshake that asks for `host`, and offers these versions of HTTP.
    pub(super) fn new(
        socket: S,
        config: Arc<ClientConfig>,
        host: &str,
        versions: HttpVersions,
    ) -> Result<Self, Error> {
        let offered: &[&[u8]] = match versions {
            HttpVersions::Http1 => &[HTTP1],
            HttpVersions::Negotiated => &[HTTP2, HTTP1],
            HttpVersions::Http2 => &[HTTP2],
        };
        let offered = offered.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Tls(TlsError::Name))?;
        let session = ClientConnection::new_with_alpn(config, name, offered)
            .map_err(|error| Error::Tls(TlsError::of(&error, false)))?;
        Ok(Self {
            socket,
            session: Box::new(session.into()),
            decrypted: 0,
            is_drained: false,
            end: End::NotYet,
            held: 0,
            our_end: OurEnd::NotYet,
            failure: None,
        })
    }

    /// Goes on with the handshake as far as it goes without waiting; true once it is complete.
    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        self.handshake().map_err(|error| self.explain(&error))?;
        match self.protocol() {
            _ if self.is_handshaking() => Ok(false),
            Some(HTTP1 | HTTP2) | None => Ok(true),
            Some(_) => Err(Error::Tls(TlsError::Protocol)),
        }
    }

    /// Whether the server has chosen HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.protocol() == Some(HTTP2)
    }

    /// The client's error for `error`.
    pub(super) fn explain(&self, error: &io::Error) -> Error {
        match (self.failure, error.kind()) {
            (Some(failure), _) => Error::Tls(failure),
            (None, ErrorKind::UnexpectedEof) => Error::Truncated,
            (None, kind) => Error::Transport(kind),
        }
    }

    /// The socket below.
    pub(super) const fn socket(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Reads records and decrypts them; 0 at the end of the socket.
    fn fill(&mut self) -> io::Result<usize> {
        let mut below = Below { socket: &mut self.socket, is_drained: false };
        let read = self.session.read_tls(&mut below);
        self.is_drained = below.is_drained;
        let len = read?;
        match self.session.process_new_packets() {
            Ok(state) => {
                self.decrypted = state.plaintext_bytes_to_read();
                if self.end == End::NotYet && (state.peer_has_closed() || len == 0) {
                    self.end = End::Unread;
                }
            }
            Err(error) => {
                let has_spoken = self.session.protocol_version().is_some();
                self.failure = Some(TlsError::of(&error, has_spoken));
                // The peer is told what was wrong, if it still listens.
                let _ = self.flush();
                return Err(ErrorKind::InvalidData.into());
            }
        }
        // Records may ask for an answer of their own.
        let _ = self.flush();
        Ok(len)
    }

    /// Encrypts by `write`, once nothing is held any more, and sends what goes.
    fn write_with(
        &mut self,
        write: impl FnOnce(&mut Connection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.flush()?;
        if self.session.wants_write() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = write(&mut self.session)?;
        self.held = len;
        self.flush()?;
        Ok(len)
    }
}

impl<S: Socket> Socket for Tls<S> {
    const BUFFERS: bool = true;

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_READS_MAX {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Without a close_notify from the peer, rustls returns `UnexpectedEof` at the end.
                read => {
                    let len = *read.as_ref().unwrap_or(&0);
                    self.decrypted = self.decrypted.saturating_sub(len);
                    if len == 0 && !buffer.is_empty() {
                        self.end = End::Read;
                    }
                    return read;
                }
            }
            self.fill()?;
        }
        // Much came, and no data in it: others have their turn. There may be more.
        self.is_drained = false;
        Err(ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_with(|session| session.writer().write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_with(|session| session.writer().write_vectored(slices))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.our_end == OurEnd::NotYet {
            self.session.send_close_notify();
            self.our_end = OurEnd::Held;
        }
        self.flush().map(|_| ())
    }

    fn holds_input(&self) -> bool {
        match self.end {
            End::NotYet => self.decrypted > 0 || !self.is_drained,
            End::Unread => true,
            End::Read => false,
        }
    }

    fn held_output(&self) -> usize {
        if self.session.wants_write() { self.held.max(1) } else { 0 }
    }

    fn flush(&mut self) -> io::Result<usize> {
        let mut sent = 0;
        while self.session.wants_write() {
            let mut below = Below { socket: &mut self.socket, is_drained: false };
            match self.session.write_tls(&mut below) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.held = self.held.saturating_sub(sent);
                    return Ok(sent);
                }
                Err(error) => return Err(error),
            }
        }
        self.held = 0;
        if self.our_end == OurEnd::Held {
            self.our_end = OurEnd::Sent;
            self.socket.shutdown_write()?;
        }
        Ok(sent)
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn handshake(&mut self) -> io::Result<bool> {
        // A client speaks first.
        self.flush()?;
        while self.is_handshaking() {
            match self.fill() {
                Ok(0) => {
                    self.failure = Some(TlsError::Ended);
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            self.flush()?;
        }
        // A client's loop charges nobody.
        Ok(false)
    }

    fn protocol(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }
}

impl<S: Socket> Read for Below<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer);
        self.is_drained = match &read {
            Ok(len) => *len < buffer.len() && !self.socket.holds_input(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        read
    }
}

impl<S: Socket> Write for Below<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
