//! TLS on a socket, as the contract of [`Socket`] asks for it.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::Connection;
use sockeye_reactor::{Announced, Hosts, Socket};

use crate::challenges::ACME_TLS;
use crate::error::reason;
use crate::resolver::Resolver;
use crate::{ClientError, HandshakeError};

/// Records without data that are taken in one call.
const EMPTY_READS_MAX: u8 = 32;

/// The answer to a request without TLS. [tls:plain-http]
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\
    Content-Length: 61\r\n\r\n\
    This port speaks TLS: use https:// or wss:// in the address.\n";

/// A TLS connection on the socket `S`, from its first byte.
///
/// It is one pointer wide. The state of an idle connection takes 7 to 20 KiB, most of it in rustls.
pub struct TlsSocket<S>(Box<Inner<S>>);

struct Inner<S> {
    socket: S,
    session: Connection,
    /// Knows the hosts of the certificate that was shown.
    resolver: Option<Arc<Resolver>>,
    stage: Stage,
    /// The peer's first byte.
    first: Option<u8>,
    /// What is left of an answer without TLS.
    refusal: &'static [u8],
    /// Bytes that are decrypted and not read.
    decrypted: usize,
    /// The socket below was read until it was empty: its poller announces whatever comes next.
    is_drained: bool,
    end: End,
    /// Bytes that were taken and not sent, as far as rustls tells.
    held: usize,
    our_end: OurEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Handshaking,
    Open,
    /// Input is discarded from here on.
    Failed,
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
    /// The first byte that was ever read.
    first: &'s mut Option<u8>,
    /// The read was short: nothing is left.
    is_drained: bool,
}

impl<S> TlsSocket<S> {
    pub(crate) fn new(socket: S, session: Connection, resolver: Option<Arc<Resolver>>) -> Self {
        Self(Box::new(Inner {
            socket,
            session,
            resolver,
            stage: Stage::Handshaking,
            first: None,
            refusal: &[],
            decrypted: 0,
            is_drained: false,
            end: End::NotYet,
            held: 0,
            our_end: OurEnd::NotYet,
        }))
    }

    /// The socket below, for instance to register it with a poller.
    pub fn below_mut(&mut self) -> &mut S {
        &mut self.0.socket
    }

    /// Gives the socket below back. What is held is lost.
    pub fn into_below(self) -> S {
        self.0.socket
    }
}

impl<S: Socket> Inner<S> {
    const fn is_server(&self) -> bool {
        matches!(self.session, Connection::Server(_))
    }

    /// The error for what is wrong with the peer's records, in the words of our side.
    fn fault(&self, error: rustls::Error) -> io::Error {
        let has_spoken = self.session.protocol_version().is_some();
        if self.is_server() {
            return failed(reason(&error, has_spoken));
        }
        io::Error::new(ErrorKind::InvalidData, ClientError { error, has_spoken })
    }

    /// Reads records and decrypts them; 0 at the end of the socket.
    fn fill(&mut self) -> io::Result<usize> {
        let Self { socket, session, first, .. } = self;
        let mut below = Below { socket, first, is_drained: false };
        let read = session.read_tls(&mut below);
        self.is_drained = below.is_drained;
        let len = read?;
        // No record of TLS begins with a letter, and every request does.
        if self.stage == Stage::Handshaking
            && self.is_server()
            && self.first.is_some_and(|it| it.is_ascii_uppercase())
        {
            self.refusal = PLAIN_HTTP;
            return Err(failed(HandshakeError::PlainHttp));
        }
        match self.session.process_new_packets() {
            Ok(state) => {
                self.decrypted = state.plaintext_bytes_to_read();
                if self.end == End::NotYet && (state.peer_has_closed() || len == 0) {
                    self.end = End::Unread;
                }
                Ok(len)
            }
            // rustls has an alert for the peer, which says what was wrong.
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Goes on until the handshake is over, or nothing is left to be read.
    fn shake_hands(&mut self) -> io::Result<()> {
        // A client speaks first.
        self.send()?;
        while self.session.is_handshaking() {
            match self.fill() {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.send().map(|_| ());
                }
                Err(error) => return Err(error),
            }
            self.send()?;
        }
        // The handshake is the answer, and no data may follow it (RFC 8737 §3). [tls:challenge]
        if self.session.alpn_protocol() == Some(ACME_TLS) {
            self.session.send_close_notify();
            return Err(failed(HandshakeError::Challenge));
        }
        self.stage = Stage::Open;
        Ok(())
    }

    /// Reads what nobody will decrypt.
    fn discard(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut below =
            Below { socket: &mut self.socket, first: &mut self.first, is_drained: false };
        let read = below.read(buffer);
        self.is_drained = below.is_drained;
        if matches!(&read, Ok(0)) && !buffer.is_empty() {
            self.end = End::Read;
        }
        read
    }

    /// Encrypts by `write`, once nothing is held any more, and sends what goes.
    fn write_with(
        &mut self,
        write: impl FnOnce(&mut Connection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.stage != Stage::Open {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.send()?;
        if self.session.wants_write() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = write(&mut self.session)?;
        self.held = len;
        // The bytes are taken. An error comes again with the next flush.
        let _ = self.send();
        Ok(len)
    }

    /// Sends what is held, as far as it goes, and the end behind it.
    fn send(&mut self) -> io::Result<usize> {
        let mut sent = 0;
        while self.holds_output() {
            let sending = match self.refusal {
                [] => {
                    let Self { socket, session, first, .. } = self;
                    session.write_tls(&mut Below { socket, first, is_drained: false })
                }
                refusal => self.socket.write(refusal),
            };
            match sending {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => {
                    sent += len;
                    self.refusal = self.refusal.get(len..).unwrap_or_default();
                }
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

    fn holds_output(&self) -> bool {
        !self.refusal.is_empty() || self.session.wants_write()
    }
}

fn failed(why: HandshakeError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

impl<S: Socket> Socket for TlsSocket<S> {
    const BUFFERS: bool = true;

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let this = &mut *self.0;
        if this.stage == Stage::Failed {
            return this.discard(buffer);
        }
        for _ in 0..EMPTY_READS_MAX {
            match this.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Without a close_notify from the peer, rustls returns `UnexpectedEof` at the end.
                // [tls:truncation]
                read => {
                    let len = *read.as_ref().unwrap_or(&0);
                    this.decrypted = this.decrypted.saturating_sub(len);
                    if len == 0 && !buffer.is_empty() {
                        this.end = End::Read;
                    }
                    return read;
                }
            }
            let filled = this.fill();
            // Records may ask for an answer of their own; a bad one gets an alert. A socket that cannot
            // send says so with the next flush.
            let _ = this.send();
            filled?;
        }
        // Much came, and no data in it: others have their turn. There may be more.
        this.is_drained = false;
        Err(ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_with(|session| session.writer().write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_with(|session| session.writer().write_vectored(slices))
    }

    /// Sends close_notify, and ends the direction behind it. [tls:close-notify]
    fn shutdown_write(&mut self) -> io::Result<()> {
        let this = &mut *self.0;
        if this.our_end == OurEnd::NotYet {
            if this.stage != Stage::Failed {
                this.session.send_close_notify();
            }
            this.our_end = OurEnd::Held;
        }
        this.send().map(|_| ())
    }

    fn holds_input(&self) -> bool {
        match self.0.end {
            End::NotYet => self.0.decrypted > 0 || !self.0.is_drained,
            End::Unread => true,
            End::Read => false,
        }
    }

    fn held_output(&self) -> usize {
        if self.0.holds_output() { self.0.held.max(1) } else { 0 }
    }

    fn flush(&mut self) -> io::Result<usize> {
        self.0.send()
    }

    fn is_handshaking(&self) -> bool {
        self.0.stage == Stage::Handshaking
    }

    fn handshake(&mut self) -> io::Result<bool> {
        let this = &mut *self.0;
        let had_version = this.session.protocol_version().is_some();
        if let Err(error) = this.shake_hands() {
            this.stage = Stage::Failed;
            return Err(error);
        }
        // The version is chosen with the keys, when the whole ClientHello is here.
        Ok(!had_version && this.session.protocol_version().is_some())
    }

    fn announced(&self) -> Announced {
        self.0.socket.announced()
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn hosts(&self) -> Option<Arc<dyn Hosts>> {
        match self.0.stage {
            Stage::Open => {
                let Connection::Server(session) = &self.0.session else { return None };
                self.0.resolver.as_ref()?.hosts(session.server_name())
            }
            Stage::Handshaking | Stage::Failed => None,
        }
    }

    fn protocol(&self) -> Option<&[u8]> {
        match self.0.stage {
            Stage::Open => self.0.session.alpn_protocol(),
            Stage::Handshaking | Stage::Failed => None,
        }
    }
}

impl<S: Socket> Read for Below<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer);
        self.is_drained = match &read {
            Ok(len) => *len < buffer.len() && !self.socket.holds_input(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        if let (Ok(1..), None, Some(first)) = (&read, &self.first, buffer.first()) {
            *self.first = Some(*first);
        }
        read
    }
}

impl<S: Socket> Write for Below<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // Most output is one record: for one slice, the system's plain write takes less than the other.
        match slices {
            [slice] => self.socket.write(slice),
            _ => self.socket.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shows nothing of what is sent.
impl<S: fmt::Debug> fmt::Debug for TlsSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsSocket").field(&self.0.socket).finish()
    }
}
