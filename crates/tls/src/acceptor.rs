//! The settings of a TLS server, ready for use.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use sockeye_reactor::Socket;

use crate::challenges::ACME_TLS;
use crate::resolver::Resolver;
use crate::{Certificate, CertificateError, Challenges, TlsSocket};

/// An application protocol, by its ALPN name (RFC 7301 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `http/1.1`
    Http11,
    /// `h2`
    Http2,
}

impl Protocol {
    /// Its ALPN name.
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Http11 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// The authorities of which peers must show a certificate.
#[derive(Clone)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// Reads the certificates of authorities, in PEM.
    ///
    /// # Errors
    /// [`CertificateError::NoCertificate`], [`CertificateError::BadAuthority`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(pem) {
            let authority = authority.map_err(|_| CertificateError::BadAuthority)?;
            roots.add(authority).map_err(|_| CertificateError::BadAuthority)?;
        }
        if roots.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        Ok(Self(Arc::new(roots)))
    }

    /// Their certificates.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.0)
    }
}

/// The keys of session tickets. A clone has the same keys, so that clients resume sessions across a reload.
///
/// A resumed session keeps the client's certificate without another look at it: take new tickets when the
/// [`Authorities`] change.
#[derive(Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// Makes keys. They are renewed every six hours, and a ticket is good for twelve.
    ///
    /// # Errors
    /// [`CertificateError::Random`].
    pub fn new() -> Result<Self, CertificateError> {
        ring::Ticketer::new().map(Self).map_err(|_| CertificateError::Random)
    }
}

/// The choices of an [`Acceptor`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AcceptorOptions {
    /// The first one is for clients that ask for no name, or for an unknown one. There may be none only with
    /// [`challenges`](Self::challenges): then all other handshakes are refused.
    pub certificates: Vec<Certificate>,
    /// Clients must show a certificate of one of these, if there are any.
    pub client_authorities: Option<Authorities>,
    /// The protocols to negotiate, the preferred one first. A client that offers none of them is refused;
    /// one that does not negotiate is accepted.
    pub protocols: Vec<Protocol>,
    /// The keys of session tickets.
    pub tickets: Tickets,
    /// The challenges of an authority that this server answers, if it does.
    pub challenges: Option<Challenges>,
    /// Peers may ask for any host: sockets name [none](Socket::hosts).
    pub is_for_any_host: bool,
}

impl AcceptorOptions {
    /// Options for HTTP/1.1, without certificates of clients.
    pub fn new(certificates: Vec<Certificate>, tickets: Tickets) -> Self {
        let protocols = vec![Protocol::Http11];
        let (client_authorities, challenges, is_for_any_host) = (None, None, false);
        Self { certificates, client_authorities, protocols, tickets, challenges, is_for_any_host }
    }
}

/// Accepts TLS 1.2 and 1.3 on sockets. A clone is cheap.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
}

impl Acceptor {
    /// An acceptor of these `options`.
    ///
    /// # Errors
    /// [`CertificateError::NoneGiven`], [`CertificateError::BadAuthority`].
    pub fn new(options: &AcceptorOptions) -> Result<Self, CertificateError> {
        if options.certificates.is_empty() && options.challenges.is_none() {
            return Err(CertificateError::NoneGiven);
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for both versions");
        let builder = match &options.client_authorities {
            None => builder.with_no_client_auth(),
            // [tls:client-certificates]
            Some(Authorities(roots)) => {
                let roots = Arc::clone(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|_| CertificateError::BadAuthority)?,
                )
            }
        };
        let resolver = Arc::new(Resolver::new(options));
        let mut config = builder.with_cert_resolver(Arc::clone(&resolver) as _);
        config.alpn_protocols = options.protocols.iter().map(|it| it.name().to_vec()).collect();
        // The last one: a client that offers another one as well gets that. [tls:challenge]
        config.alpn_protocols.extend(options.challenges.iter().map(|_| ACME_TLS.to_vec()));
        // Tickets carry the session: the server stores none. [tls:stateless-tickets]
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&options.tickets.0);
        config.send_tls13_tickets = 1;
        // rustls refuses renegotiation. [tls:no-renegotiation]
        // Early data can be repeated by anybody who saw it. [tls:no-early-data]
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), resolver })
    }

    /// Begins the server's side of a handshake on `socket`.
    ///
    /// # Panics
    /// Never: the configuration of an acceptor can always begin.
    pub fn accept<S: Socket>(&self, socket: S) -> TlsSocket<S> {
        let session = ServerConnection::new(Arc::clone(&self.config));
        let session = session.expect("the configuration was checked");
        TlsSocket::new(socket, session.into(), Some(Arc::clone(&self.resolver)))
    }
}

/// An acceptor that can be replaced while sockets are accepted. A clone is the same one.
///
/// Connections keep the acceptor with which they began.
#[derive(Clone, Debug)]
pub struct SharedAcceptor(Arc<Mutex<Acceptor>>);

impl SharedAcceptor {
    /// Shares `acceptor`.
    pub fn new(acceptor: Acceptor) -> Self {
        Self(Arc::new(Mutex::new(acceptor)))
    }

    /// Sockets that are accepted from now on get `acceptor`.
    pub fn replace(&self, acceptor: Acceptor) {
        // [tls:reload]
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }

    /// The acceptor that is in force.
    pub fn current(&self) -> Acceptor {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}
