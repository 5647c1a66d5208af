//! The client's side of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use sockeye_reactor::Socket;

use crate::acceptor::Authorities;
use crate::{ConnectError, Protocol, TlsSocket};

/// Begins TLS with servers on sockets. A clone is cheap, and shares the sessions that may be resumed.
#[derive(Clone)]
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    /// A connector with this configuration, but for its protocols (ALPN): those are an argument of
    /// [`connect`](Self::connect).
    pub const fn new(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }

    /// A connector that trusts only these authorities.
    ///
    /// # Panics
    /// Never: ring has cipher suites for both versions.
    pub fn trusting(authorities: &Authorities) -> Self {
        Self::verifying(|builder| builder.with_root_certificates(authorities.roots()))
    }

    /// A connector that takes any certificate, for load tools that measure a server with one of its own making.
    /// Whoever is in between can read and change everything.
    ///
    /// # Panics
    /// Never: ring has cipher suites for both versions.
    pub fn without_verification() -> Self {
        let verifier =
            Arc::new(Anybody(ring::default_provider().signature_verification_algorithms));
        Self::verifying(|builder| builder.dangerous().with_custom_certificate_verifier(verifier))
    }

    fn verifying(
        verify: impl FnOnce(
            rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
        )
            -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    ) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for both versions");
        Self::new(Arc::new(verify(builder).with_no_client_auth()))
    }

    /// The same, but each handshake is a whole one: no session is resumed.
    #[must_use]
    pub fn without_resumption(self) -> Self {
        let mut config = (*self.0).clone();
        config.resumption = Resumption::disabled();
        Self::new(Arc::new(config))
    }

    /// Begins the client's side of a handshake with the server `host`, a name or an address, and offers these
    /// protocols, the preferred one first. [`Socket::handshake`] sends the first bytes.
    ///
    /// # Errors
    /// [`ConnectError::Name`] if no certificate can be for that host; [`ConnectError::Config`].
    pub fn connect<S: Socket>(
        &self,
        socket: S,
        host: &str,
        protocols: &[Protocol],
    ) -> Result<TlsSocket<S>, ConnectError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Name)?;
        let offered = protocols.iter().map(|it| it.name().to_vec()).collect();
        let session = ClientConnection::new_with_alpn(Arc::clone(&self.0), name, offered);
        Ok(TlsSocket::new(socket, session.map_err(|_| ConnectError::Config)?.into(), None))
    }
}

/// Takes any certificate whose key signs the handshake.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
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
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
