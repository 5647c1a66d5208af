//! A client's connection: HTTP/1.1, or a lane of HTTP/2, each with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sockeye_client::Limits;
use sockeye_client::sans_io::{LaneEnd, LaneId, Multiplex};

use crate::common::{PATIENCE, read_some, tls};
use crate::crash::random::Random;

/// A server, and how its clients speak with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) addr: SocketAddr,
    pub(crate) is_secure: bool,
    pub(crate) is_http2: bool,
}

impl From<SocketAddr> for Site {
    /// HTTP/1.1 without TLS.
    fn from(addr: SocketAddr) -> Self {
        Self { addr, is_secure: false, is_http2: false }
    }
}

impl Site {
    /// The same with one of the versions.
    pub(crate) fn with_any_version(self, random: &mut Random) -> Self {
        Self { is_http2: random.below(2) == 0, ..self }
    }
}

/// A connection to a site, for clients that write and read in the form of HTTP/1.1.
pub(crate) enum Line {
    Http1(Stream),
    Http2(Box<Lane>),
}

impl Line {
    pub(crate) fn connect(site: Site) -> io::Result<Self> {
        let stream = Stream::connect(site)?;
        if !site.is_http2 {
            return Ok(Self::Http1(stream));
        }
        let scheme = if site.is_secure { "https" } else { "http" };
        let mut protocol = Multiplex::new(scheme, &Limits::DEFAULT);
        let id = protocol.open_lane();
        Ok(Self::Http2(Box::new(Lane { stream, protocol, id, begun: Instant::now() })))
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Http1(stream) => stream.read(buffer),
            Self::Http2(lane) => lane.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Http1(stream) => stream.write(bytes),
            Self::Http2(lane) => lane.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a connection, with TLS or without.
pub(crate) enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn connect(site: Site) -> io::Result<Self> {
        let socket = TcpStream::connect(site.addr)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        if !site.is_secure {
            return Ok(Self::Plain(socket));
        }
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(config(site.is_http2), name).expect("a configuration");
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let agreed = stream.conn.alpn_protocol();
        assert_eq!(agreed, Some(protocol(site.is_http2)), "ALPN");
        Ok(Self::Secure(Box::new(stream)))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => read_some(socket, buffer),
            Self::Secure(stream) => read_some(stream, buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

const fn protocol(is_http2: bool) -> &'static [u8] {
    if is_http2 { b"h2" } else { b"http/1.1" }
}

/// The configuration of all connections with a version: they resume each other's sessions.
fn config(is_http2: bool) -> Arc<ClientConfig> {
    static BOTH: [OnceLock<Arc<ClientConfig>>; 2] = [OnceLock::new(), OnceLock::new()];
    let config = BOTH[usize::from(is_http2)].get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(tls::TRUSTED)).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().expect("ring has them");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol(is_http2).to_vec()];
        Arc::new(config)
    });
    Arc::clone(config)
}

/// A connection of HTTP/2 with one lane, which carries one request after the other.
pub(crate) struct Lane {
    stream: Stream,
    protocol: Multiplex,
    id: LaneId,
    begun: Instant,
}

impl Lane {
    /// Takes in what comes. Returns false at the end of the lane.
    fn hear(&mut self) -> io::Result<bool> {
        match self.protocol.take_end(self.id) {
            Some(LaneEnd::Http1(_)) => panic!("the server speaks HTTP/2"),
            Some(LaneEnd::Elsewhere(_) | LaneEnd::Lost(_)) => return Ok(false),
            None => {}
        }
        let mut buffer = [0; 4096];
        let len = self.stream.read(&mut buffer)?;
        let ms = u64::try_from(self.begun.elapsed().as_millis()).expect("64 bits");
        self.protocol.tell_time(ms);
        let received = self.protocol.receive(&mut buffer[..len]);
        received.expect("the server keeps the rules of HTTP/2");
        self.send_out()?;
        Ok(len > 0)
    }

    fn send_out(&mut self) -> io::Result<()> {
        self.stream.write_all(self.protocol.out())?;
        self.stream.flush()?;
        self.protocol.out().clear();
        self.protocol.output_sent();
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.protocol.input(self.id);
            let len = input.len().min(buffer.len());
            if len > 0 {
                buffer[..len].copy_from_slice(&input[..len]);
                self.protocol.took(self.id, len);
                self.send_out()?;
                return Ok(len);
            }
            if !self.hear()? {
                return Ok(0);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let len = self.protocol.send(self.id, bytes);
            self.send_out()?;
            if len > 0 || bytes.is_empty() {
                return Ok(len);
            }
            // The server's settings, or its windows.
            if !self.hear()? {
                return Err(ErrorKind::BrokenPipe.into());
            }
        }
    }
}
