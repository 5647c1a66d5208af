//! The bytes of a connection, plain or within TLS: blocking, with a deadline on every call.

use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use sockeye_cases::{Miss, failed, uninterrupted};

use crate::target::Target;

/// A connection.
pub(crate) struct Link {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

/// Why no bytes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// The server ended its direction.
    Fin,
    /// The connection was reset, or TLS failed.
    Reset,
    /// The time is over.
    Silence,
}

impl Link {
    /// Connects, and offers these protocols by ALPN if the target speaks TLS.
    pub(crate) fn connect(target: &Target, protocols: &[&[u8]]) -> Result<Self, Miss> {
        let socket = target.url.connect(target.timeout)?;
        if !target.is_tls {
            return Ok(Self { socket, tls: None });
        }
        let name = ServerName::try_from(target.url.host.clone());
        let name = name.or_else(|error| failed("a server name", error))?;
        let config = Arc::new(config(protocols));
        let tls = ClientConnection::new(config, name).or_else(|error| failed("TLS", error))?;
        let mut link = Self { socket, tls: Some(Box::new(tls)) };
        link.handshake(target.timeout).or_else(|error| failed("a TLS handshake", error))?;
        Ok(link)
    }

    fn handshake(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(timeout))?;
        self.socket.set_write_timeout(Some(timeout))?;
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.is_handshaking() {
            if tls.wants_write() {
                uninterrupted(|| tls.write_tls(&mut self.socket))?;
                continue;
            }
            if uninterrupted(|| tls.read_tls(&mut self.socket))? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// The protocol that ALPN chose.
    pub(crate) fn protocol(&self) -> Option<Vec<u8>> {
        self.tls.as_ref()?.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// Writes some of the bytes within a time; 0 if the server takes none.
    pub(crate) fn write(&mut self, bytes: &[u8], patience: Duration) -> Result<usize, Nothing> {
        let _ = self.socket.set_write_timeout(Some(patience));
        let Some(tls) = &mut self.tls else { return written(|| self.socket.write(bytes)) };
        let mut taken = 0;
        if !tls.wants_write() {
            taken = tls.writer().write(bytes).map_err(|_| Nothing::Reset)?;
        }
        while tls.wants_write() {
            if written(|| tls.write_tls(&mut self.socket))? == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Reads what comes within a time.
    pub(crate) fn read(&mut self, inbox: &mut Vec<u8>, patience: Duration) -> Result<(), Nothing> {
        let _ = self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))));
        let mut room = [0; 16 * 1024];
        loop {
            let Some(tls) = &mut self.tls else {
                let count = read(|| self.socket.read(&mut room))?;
                inbox.extend_from_slice(&room[..count]);
                return Ok(());
            };
            match tls.reader().read(&mut room) {
                Ok(0) => return Err(Nothing::Fin),
                Ok(count) => {
                    inbox.extend_from_slice(&room[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(Nothing::Fin),
            }
            read(|| tls.read_tls(&mut self.socket))?;
            tls.process_new_packets().map_err(|_| Nothing::Reset)?;
        }
    }

    /// Ends our direction.
    pub(crate) fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = uninterrupted(|| tls.write_tls(&mut self.socket));
        }
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

fn written(write: impl FnMut() -> io::Result<usize>) -> Result<usize, Nothing> {
    match uninterrupted(write) {
        Ok(count) => Ok(count),
        Err(error) if is_late(&error) => Ok(0),
        Err(_) => Err(Nothing::Reset),
    }
}

fn read(read: impl FnMut() -> io::Result<usize>) -> Result<usize, Nothing> {
    match uninterrupted(read) {
        Ok(0) => Err(Nothing::Fin),
        Ok(count) => Ok(count),
        Err(error) if is_late(&error) => Err(Nothing::Silence),
        Err(_) => Err(Nothing::Reset),
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn config(protocols: &[&[u8]]) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().expect("ring has all of them");
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    config
}

/// Takes any certificate: the suite asks how HTTP/2 is spoken, and not by whom.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
