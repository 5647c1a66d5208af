//! Test properties that this crate's tests and the fuzz target share.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use sockeye_reactor::Socket;

use crate::{Acceptor, AcceptorOptions, Certificate, Connector, Protocol, Tickets, TlsSocket};

/// The properties as fuzz targets.
pub mod fuzz {
    /// A name, which is also that of a corpus, and what is done to its inputs.
    pub type Target = (&'static str, fn(&[u8]));

    /// The targets for this crate.
    pub const TARGETS: &[Target] =
        &[("tls_conversation", super::conversation), ("tls_garbage", super::garbage)];
}

/// Steps of a conversation at the most.
const STEPS_MAX: usize = 200;

/// Key updates of a conversation at the most. rustls refuses the next one if no data came between them.
const KEY_UPDATES_MAX: usize = 32;

/// The line between a socket and its peer, and the limits of the next calls on the socket.
#[derive(Debug, Default)]
pub struct Line {
    /// Towards the socket.
    pub inbound: VecDeque<u8>,
    /// Towards the peer.
    pub outbound: VecDeque<u8>,
    /// Bytes that one read gives at the most. `usize::MAX` is no limit.
    pub gulp: usize,
    /// Bytes that `outbound` holds at the most.
    pub room: usize,
    /// The peer's end has arrived.
    pub is_ended: bool,
    /// The socket has ended its direction.
    pub is_shut: bool,
}

impl Line {
    /// A line without limits.
    fn open() -> Self {
        Self { gulp: usize::MAX, room: usize::MAX, ..Self::default() }
    }
}

impl Socket for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A short read means that nothing is left, so a limit shows as one in the buffer's size.
        let len = buffer.len().min(self.inbound.len()).min(self.gulp);
        if len == 0 {
            let is_end = self.is_ended && self.inbound.is_empty();
            return if is_end { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        for (to, from) in buffer.iter_mut().zip(self.inbound.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.is_shut, "the socket writes behind its end");
        let len = bytes.len().min(self.room.saturating_sub(self.outbound.len()));
        if len == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.outbound.extend(&bytes[..len]);
        Ok(len)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(&bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.is_shut = true;
        Ok(())
    }

    fn holds_input(&self) -> bool {
        !self.inbound.is_empty()
    }
}

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("properties/", $name, ".der")).to_vec()
    };
}

/// A certificate for `localhost`.
///
/// # Panics
/// If the tests' certificate is bad.
pub fn certificate() -> Certificate {
    Certificate::from_der(vec![der!("good")], der!("good.key")).expect("a good certificate")
}

/// An acceptor with [`certificate`].
///
/// # Panics
/// If the tests' certificate is bad.
pub fn acceptor() -> Acceptor {
    static ONE: OnceLock<Acceptor> = OnceLock::new();
    let make = || {
        let tickets = Tickets::new().expect("random numbers");
        Acceptor::new(&AcceptorOptions::new(vec![certificate()], tickets)).expect("good options")
    };
    ONE.get_or_init(make).clone()
}

/// Clients that trust the authority of [`certificate`] and speak these versions and protocols.
///
/// # Panics
/// If the tests' authority is bad.
pub fn client_config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(der!("trusted"))).expect("an authority");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has both")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// A client's end.
#[derive(Debug)]
pub struct Client {
    /// Its session.
    pub session: ClientConnection,
    /// The bytes that it has read.
    pub read: Vec<u8>,
    /// It was told that the server's direction is over.
    pub is_told: bool,
}

impl Client {
    /// A client that asks for `name`.
    ///
    /// # Panics
    /// If that is no name.
    pub fn new(config: impl Into<Arc<ClientConfig>>, name: &'static str) -> Self {
        let name = ServerName::try_from(name).expect("a name");
        let session = ClientConnection::new(config.into(), name).expect("a session");
        Self { session, read: Vec::new(), is_told: false }
    }

    /// Takes `len` bytes off the line, and puts on it what the session has to say.
    ///
    /// # Errors
    /// What is wrong with the server's bytes.
    pub fn step(&mut self, line: &mut Line, len: usize) -> Result<(), rustls::Error> {
        let mut bytes: Vec<u8> = line.outbound.drain(..len.min(line.outbound.len())).collect();
        let mut bytes = &*std::mem::take(&mut bytes);
        while !bytes.is_empty() {
            self.session.read_tls(&mut bytes).expect("a slice");
            let state = self.session.process_new_packets()?;
            self.is_told |= state.peer_has_closed();
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            self.session.reader().read_exact(&mut plain).expect("they are there");
            self.read.extend(plain);
        }
        while self.session.wants_write() {
            let mut out = Vec::new();
            self.session.write_tls(&mut out).expect("a vector");
            line.inbound.extend(out);
        }
        Ok(())
    }
}

/// A socket of this crate: a server's sends back what it reads, a client's says what it is given.
#[derive(Debug)]
pub struct Echo {
    /// Its socket.
    pub socket: TlsSocket<Line>,
    /// What it has read.
    pub read: Vec<u8>,
    /// What it has to say, instead of what it has read.
    pub says: Option<Vec<u8>>,
    /// How much of either it has written.
    pub written: usize,
    /// It has read the end.
    pub is_ended: bool,
}

impl Echo {
    /// The server's end of a new connection.
    pub fn new(acceptor: &Acceptor) -> Self {
        Self::on(acceptor.accept(Line::open()), None)
    }

    /// The client's end of a new connection, which has nothing to say yet.
    ///
    /// # Panics
    /// If the tests' authority is bad.
    pub fn client(config: impl Into<Arc<ClientConfig>>) -> Self {
        let connector = Connector::new(config.into());
        let socket = connector.connect(Line::open(), "localhost", &[Protocol::Http11]);
        Self::on(socket.expect("a name"), Some(Vec::new()))
    }

    const fn on(socket: TlsSocket<Line>, says: Option<Vec<u8>>) -> Self {
        Self { socket, read: Vec::new(), says, written: 0, is_ended: false }
    }

    /// The line.
    pub fn line(&mut self) -> &mut Line {
        self.socket.below_mut()
    }

    /// Does what a loop does in a visit, with a buffer of `len` bytes.
    ///
    /// # Errors
    /// The socket's.
    ///
    /// # Panics
    /// If the socket breaks its contract.
    pub fn step(&mut self, len: usize) -> io::Result<()> {
        self.socket.flush()?;
        if self.socket.is_handshaking() {
            self.socket.handshake()?;
        }
        if self.socket.is_handshaking() {
            return Ok(());
        }
        let mut buffer = vec![0; len.max(1)];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.is_ended = true,
            Ok(len) => {
                assert!(!self.is_ended, "bytes behind the end");
                self.read.extend(&buffer[..len]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // It may have stopped for the others' sake. Without input it does so once.
                if self.socket.holds_input() && self.line().inbound.is_empty() {
                    match self.socket.read(&mut buffer) {
                        Ok(len) => self.read.extend(&buffer[..len]),
                        Err(_) => {
                            assert!(!self.socket.holds_input(), "it would be read for ever");
                        }
                    }
                }
            }
            Err(error) => return Err(error),
        }
        while let said = self.says.as_ref().unwrap_or(&self.read)
            && self.written < said.len()
        {
            match self.socket.write(&said[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(self.socket.held_output() > 0, "nothing will wake the writer");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.socket.flush()?;
        let room = self.line().room > self.line().outbound.len();
        assert!(!room || self.socket.held_output() == 0, "it holds output that would go");
        Ok(())
    }
}

/// Two ends talk over a line that is cut as `data` says, and understand each other; or, if `data` changes
/// bytes on the line, nobody reads anything that nobody wrote.
///
/// Three bytes are a step: what, how much, a value. The socket is a server's, with a client of rustls; and then both ends
/// are sockets of this crate.
///
/// # Panics
/// If they do not.
pub fn conversation(data: &[u8]) {
    let versions = match data.first() {
        Some(0..=127) => &[&rustls::version::TLS12],
        _ => &[&rustls::version::TLS13],
    };
    with_rustls(data, versions);
    among_ourselves(data, versions);
}

fn with_rustls(data: &[u8], versions: &[&'static rustls::SupportedProtocolVersion]) {
    let mut client = Client::new(client_config(versions, &["http/1.1"]), "localhost");
    let mut server = Echo::new(&acceptor());
    let mut written = Vec::new();
    let (mut is_changed, mut key_updates) = (false, 0);
    for [what, much, value] in data.as_chunks().0.iter().take(STEPS_MAX) {
        let much = usize::from(*much) << (what >> 3 & 7);
        match what & 7 {
            0 => {
                let bytes: Vec<u8> = (0..=u8::MAX).cycle().skip(much).take(much).collect();
                let len = client.session.writer().write(&bytes).expect("a buffer");
                written.extend(&bytes[..len]);
            }
            1 => server.line().gulp = much.max(1),
            2 => server.line().room = much,
            3 if *value > 250 => {
                let at = much.min(server.line().inbound.len().saturating_sub(1));
                if let Some(byte) = server.line().inbound.get_mut(at) {
                    *byte ^= 1;
                    is_changed = true;
                }
            }
            4 if key_updates < KEY_UPDATES_MAX => {
                key_updates += usize::from(client.session.refresh_traffic_keys().is_ok());
            }
            _ => {}
        }
        let client_is_well = client.step(server.line(), much).is_ok();
        let server_is_well = server.step(usize::from(*value) << 4).is_ok();
        assert!(written.starts_with(&server.read) && written.starts_with(&client.read));
        if !client_is_well || !server_is_well {
            assert!(is_changed, "a good line does not fail");
            return;
        }
    }
    if !is_changed {
        finish(&mut client, &mut server, &written);
    }
}

/// Both ends say all that they have to say, and that they are through.
fn finish(client: &mut Client, server: &mut Echo, written: &[u8]) {
    (server.line().gulp, server.line().room) = (usize::MAX, usize::MAX);
    for round in 0.. {
        client.step(server.line(), usize::MAX).expect("a good line");
        server.step(4_096).expect("a good line");
        if client.read == written && !server.socket.is_handshaking() {
            break;
        }
        assert!(round < 10_000, "they do not come to an end");
    }
    client.session.send_close_notify();
    client.step(server.line(), usize::MAX).expect("a good line");
    while !server.is_ended {
        server.step(4_096).expect("a good line");
    }
    server.socket.shutdown_write().expect("a line");
    assert!(server.line().is_shut && !server.socket.holds_input());
    client.step(server.line(), usize::MAX).expect("a good line");
    assert!(client.is_told, "the server has said that it is through");
}

/// A client's and a server's socket on one line.
fn among_ourselves(data: &[u8], versions: &[&'static rustls::SupportedProtocolVersion]) {
    let mut client = Echo::client(client_config(versions, &[]));
    let mut server = Echo::new(&acceptor());
    let mut is_changed = false;
    for [what, much, value] in data.as_chunks().0.iter().take(STEPS_MAX) {
        let much = usize::from(*much) << (what >> 3 & 7);
        match what & 7 {
            0 => {
                let bytes = (0..=u8::MAX).cycle().skip(much).take(much);
                client.says.get_or_insert_default().extend(bytes);
            }
            1 => client.line().gulp = much.max(1),
            2 => client.line().room = much,
            3 if *value > 250 => {
                let end = if value & 1 == 0 { &mut client } else { &mut server };
                let at = much.min(end.line().inbound.len().saturating_sub(1));
                if let Some(byte) = end.line().inbound.get_mut(at) {
                    *byte ^= 1;
                    is_changed = true;
                }
            }
            4 => server.line().gulp = much.max(1),
            5 => server.line().room = much,
            _ => {}
        }
        let is_well = exchange(&mut client, &mut server, (usize::from(*value) << 4, much));
        let said = client.says.as_deref().unwrap_or_default();
        assert!(said.starts_with(&server.read) && said.starts_with(&client.read));
        if !is_well {
            assert!(is_changed, "a good line does not fail");
            return;
        }
    }
    if is_changed {
        return;
    }
    for end in [&mut client, &mut server] {
        (end.line().gulp, end.line().room) = (usize::MAX, usize::MAX);
    }
    for round in 0.. {
        assert!(exchange(&mut client, &mut server, (4_096, usize::MAX)), "a good line");
        let is_said = Some(&client.read) == client.says.as_ref();
        if is_said && !client.socket.is_handshaking() && !server.socket.is_handshaking() {
            break;
        }
        assert!(round < 10_000, "they do not come to an end");
    }
    client.socket.shutdown_write().expect("a line");
    while !server.is_ended {
        assert!(exchange(&mut client, &mut server, (4_096, usize::MAX)), "a good end");
    }
    server.socket.shutdown_write().expect("a line");
    carry(&mut server, &mut client, usize::MAX);
    while !client.is_ended {
        client.step(4_096).expect("a good end");
    }
}

/// Lets both ends work with buffers of `len` bytes, and carries `much` in each direction.
fn exchange(client: &mut Echo, server: &mut Echo, (len, much): (usize, usize)) -> bool {
    let client_is_well = client.step(len).is_ok();
    carry(client, server, much);
    let server_is_well = server.step(len).is_ok();
    carry(server, client, much);
    client_is_well && server_is_well
}

fn carry(from: &mut Echo, to: &mut Echo, much: usize) {
    let len = from.line().outbound.len().min(much);
    let bytes: Vec<u8> = from.line().outbound.drain(..len).collect();
    to.line().inbound.extend(bytes);
}

/// Any bytes instead of a handshake end in good order, on either side.
///
/// # Panics
/// If they do not.
pub fn garbage(data: &[u8]) {
    garbage_at(Echo::new(&acceptor()), data);
    garbage_at(Echo::client(client_config(&[&rustls::version::TLS13], &[])), data);
}

fn garbage_at(mut end: Echo, data: &[u8]) {
    let gulp = usize::from(data.first().copied().unwrap_or(1)).max(1);
    end.line().gulp = gulp;
    end.line().inbound.extend(data.iter().skip(1));
    let _ = end.socket.handshake();
    assert!(end.socket.protocol().is_none() || !end.socket.is_handshaking());
    if end.socket.is_handshaking() {
        return;
    }
    // The rest is discarded, and the end comes.
    let mut buffer = [0; 64];
    end.socket.flush().expect("a line with room");
    end.line().is_ended = true;
    let reads = (0..data.len() + 2).map(|_| end.socket.read(&mut buffer));
    assert!(reads.take_while(Result::is_ok).any(|read| matches!(read, Ok(0))), "it ends");
    end.socket.shutdown_write().expect("a line");
    assert!(end.line().is_shut && end.socket.held_output() == 0);
}
