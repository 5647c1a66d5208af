//! The errors of certificates, and those of handshakes.

use std::fmt;

use sockeye_reactor::HandshakeError;

/// Why certificates, keys or authorities cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is no `BEGIN CERTIFICATE` in the text.
    NoCertificate,
    /// A certificate cannot be read.
    BadCertificate,
    /// There is no private key in the text.
    NoKey,
    /// The private key is encrypted.
    EncryptedKey,
    /// The private key cannot be read, or is of a kind that TLS does not use.
    BadKey,
    /// The private key is not the one of the certificate.
    KeyMismatch,
    /// An authority's certificate cannot be read.
    BadAuthority,
    /// No certificate was given.
    NoneGiven,
    /// The system gives no random numbers.
    Random,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "there is no certificate in it (no BEGIN CERTIFICATE)",
            Self::BadCertificate => "a certificate in it cannot be read",
            Self::NoKey => "there is no private key in it (no BEGIN PRIVATE KEY)",
            Self::EncryptedKey => "the private key is encrypted; store it without a passphrase",
            Self::BadKey => "the private key cannot be read (RSA, ECDSA and Ed25519 can)",
            Self::KeyMismatch => "the private key does not belong to the certificate",
            Self::BadAuthority => "a certificate of an authority cannot be read",
            Self::NoneGiven => "no certificate is given",
            Self::Random => "the system gives no random numbers",
        })
    }
}

impl std::error::Error for CertificateError {}

/// The reason behind an error of rustls. `has_spoken`: the peer has sent TLS before, so an unreadable record is a bad
/// one.
pub(crate) fn reason(error: &rustls::Error, has_spoken: bool) -> HandshakeError {
    match error {
        rustls::Error::InvalidMessage(_) if !has_spoken => HandshakeError::NotTls,
        rustls::Error::PeerIncompatible(_) => HandshakeError::Incompatible,
        rustls::Error::NoApplicationProtocol => HandshakeError::NoProtocol,
        rustls::Error::NoCertificatesPresented => HandshakeError::NoCertificate,
        rustls::Error::InvalidCertificate(_) => HandshakeError::Certificate,
        // rustls has no other word for a resolver that finds nothing.
        rustls::Error::General(_) => HandshakeError::NothingToShow,
        rustls::Error::AlertReceived(alert) => HandshakeError::Alert((*alert).into()),
        _ => HandshakeError::Protocol,
    }
}

/// Why a client's handshake cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectError {
    /// No certificate can be for this host.
    Name,
    /// The configuration fits no handshake.
    Config,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "no certificate can be for this host",
            Self::Config => "the configuration fits no handshake",
        })
    }
}

impl std::error::Error for ConnectError {}

/// Why a client's handshake failed, or a record later on. It is inside of the `io::Error` of a
/// [`TlsSocket`](crate::TlsSocket) that a [`Connector`](crate::Connector) has made.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientError {
    /// The error of rustls.
    pub error: rustls::Error,
    /// The server has sent TLS before, so an unreadable record is a bad one.
    pub has_spoken: bool,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ClientError {}
