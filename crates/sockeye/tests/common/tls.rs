//! Servers behind TLS, with the certificates of the client's tests, on blocking sockets.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::event::{PollFd, PollFlags, poll};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream, StreamOwned};

use crate::common::{PATIENCE, read_some};

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("../../../client/tests/certificates/", $name, ".der")).as_slice()
    };
}

/// A certificate and its key.
pub type Certificate = (&'static [u8], &'static [u8]);
/// For `localhost`, by the authority.
pub const GOOD: Certificate = (der!("good"), der!("good.key"));
/// The same, for another name.
pub const ELSEWHERE: Certificate = (der!("elsewhere"), der!("elsewhere.key"));
/// The same, of a time that is over.
pub const EXPIRED: Certificate = (der!("expired"), der!("expired.key"));
/// For `localhost`, by somebody else.
pub const UNTRUSTED: Certificate = (der!("untrusted"), der!("untrusted.key"));

/// For `localhost`, by itself.
pub const OWN: Certificate = (der!("own"), der!("own.key"));

/// The authority of the first three.
pub const TRUSTED: &[u8] = der!("trusted");

/// The files that [`write_pem`] writes.
pub const CERT_PEM: &str = "cert.pem";
pub const KEY_PEM: &str = "key.pem";

/// Writes a certificate and its key into a directory, in the form of the program's options.
pub fn write_pem(dir: &Path, (certificate, key): Certificate) {
    std::fs::write(dir.join(CERT_PEM), pem("CERTIFICATE", certificate)).expect("written");
    std::fs::write(dir.join(KEY_PEM), pem("PRIVATE KEY", key)).expect("written");
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

/// The authority in a file, which is gone afterwards.
pub struct Authority(PathBuf);

impl Authority {
    pub fn new() -> Self {
        Self::of(TRUSTED)
    }

    /// Another one, who has signed none of them.
    pub fn stranger() -> Self {
        Self::of(UNTRUSTED.0)
    }

    /// What a server has made by itself, for itself.
    pub fn own() -> Self {
        Self::of(OWN.0)
    }

    fn of(certificate: &[u8]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-authority-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, pem("CERTIFICATE", certificate)).expect("written");
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether a server says inside that it has come to the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Said,
    Truncated,
}

/// A server that answers one request with these bytes, and ends the connection.
pub fn answer(certificate: Certificate, bytes: &'static str, ending: Ending) -> SocketAddr {
    let (listener, addr) = listen();
    std::thread::spawn(move || {
        let (session, socket) = accept(&listener, certificate);
        let mut client = StreamOwned::new(session, socket);
        let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match read_some(&mut client, &mut buffer) {
                Ok(len @ 1..) => head.extend_from_slice(&buffer[..len]),
                _ => return,
            }
        }
        let _ = client.write_all(bytes.as_bytes());
        if ending == Ending::Said {
            client.conn.send_close_notify();
        }
        let _ = client.flush();
        let _ = client.sock.shutdown(Shutdown::Write);
        // Whoever goes with bytes unread resets the connection.
        let _ = client.sock.read_to_end(&mut head);
    });
    addr
}

/// Takes TLS off connections to `server`; each has the next certificate, and those after the last one have that.
pub fn forward(certificates: &'static [Certificate], server: SocketAddr) -> SocketAddr {
    let (listener, addr) = listen();
    std::thread::spawn(move || {
        for index in 0.. {
            let certificate = certificates[index.min(certificates.len() - 1)];
            let (session, socket) = accept(&listener, certificate);
            std::thread::spawn(move || carry(session, socket, server));
        }
    });
    addr
}

/// A server that chooses HTTP/2 where it is offered, without WebSockets in it (RFC 8441); connections of HTTP/1.1 go to
/// `server`, as [`forward`] has them.
pub fn without_connect_protocol(certificate: Certificate, server: SocketAddr) -> SocketAddr {
    const EMPTY_SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let (listener, addr) = listen();
    std::thread::spawn(move || {
        loop {
            let (mut session, mut socket) = accept_as(&listener, certificate, &["h2", "http/1.1"]);
            std::thread::spawn(move || {
                while session.is_handshaking() {
                    session.complete_io(&mut socket)?;
                }
                if session.alpn_protocol() != Some(b"h2") {
                    return carry(session, socket, server);
                }
                let mut client = StreamOwned::new(session, socket);
                client.write_all(EMPTY_SETTINGS)?;
                client.flush()?;
                io::copy(&mut client, &mut io::sink()).map(drop)
            });
        }
    });
    addr
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    (listener, addr)
}

fn accept(listener: &TcpListener, certificate: Certificate) -> (ServerConnection, TcpStream) {
    accept_as(listener, certificate, &["http/1.1"])
}

fn accept_as(
    listener: &TcpListener,
    (chain, key): Certificate,
    protocols: &[&str],
) -> (ServerConnection, TcpStream) {
    let key = PrivateKeyDer::try_from(key).expect("a key");
    let chain = vec![CertificateDer::from(chain)];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|it| it.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.expect("a good certificate");
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let (socket, _) = listener.accept().expect("a client");
    socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    (ServerConnection::new(Arc::new(config)).expect("a session"), socket)
}

/// Both ways until one end closes, for clients who ask for `localhost` and for HTTP/1.1.
fn carry(
    mut session: ServerConnection,
    mut socket: TcpStream,
    server: SocketAddr,
) -> io::Result<()> {
    session.complete_io(&mut socket)?;
    if session.server_name() != Some("localhost") || session.alpn_protocol() != Some(b"http/1.1") {
        return Ok(());
    }
    let mut server = TcpStream::connect(server)?;
    let mut buffer = [0; 4096];
    loop {
        // The request may have come with the handshake's end.
        let state = session.process_new_packets().map_err(io::Error::other)?;
        for _ in 0..state.plaintext_bytes_to_read().div_ceil(buffer.len()) {
            let len = session.reader().read(&mut buffer)?;
            server.write_all(&buffer[..len])?;
        }
        if state.peer_has_closed() {
            return Ok(());
        }
        let mut ready = [PollFd::new(&socket, PollFlags::IN), PollFd::new(&server, PollFlags::IN)];
        poll(&mut ready, None)?;
        let [from_client, from_server] = ready.map(|it| !it.revents().is_empty());
        if from_client && session.read_tls(&mut socket)? == 0 {
            return Ok(());
        }
        if from_server {
            let len = read_some(&mut server, &mut buffer)?;
            if len == 0 {
                session.send_close_notify();
                return session.complete_io(&mut socket).map(|_| ());
            }
            let mut client = Stream::new(&mut session, &mut socket);
            client.write_all(&buffer[..len])?;
            client.flush()?;
        }
    }
}
