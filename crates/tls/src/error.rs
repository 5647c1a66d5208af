//! The errors of certificates, and those of handshakes.

use std::fmt;

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

/// Why a handshake failed, or a record later on. It is inside of the `io::Error` of a
/// [`TlsSocket`](crate::TlsSocket).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer speaks HTTP without TLS. It gets an answer of status 400 that says so.
    PlainHttp,
    /// The peer's first bytes are no record of TLS.
    NotTls,
    /// The peer and this server have no version, cipher suite or group in common.
    Incompatible,
    /// The peer speaks none of the offered protocols (ALPN).
    NoProtocol,
    /// The peer showed no certificate, and has to.
    NoCertificate,
    /// The peer's certificate is not trusted.
    Certificate,
    /// The peer refuses with this alert (RFC 8446 §6).
    Alert(u8),
    /// The peer validated a challenge (RFC 8737), and the connection has served its purpose.
    Challenge,
    /// This server has no certificate to show: none at all yet, or no answer to this challenge.
    NothingToShow,
    /// The peer breaks the protocol, or a record was changed on its way.
    Protocol,
}

impl HandshakeError {
    /// `has_spoken`: the peer has sent TLS before, so an unreadable record is a bad one.
    pub(crate) fn of(error: &rustls::Error, has_spoken: bool) -> Self {
        match error {
            rustls::Error::InvalidMessage(_) if !has_spoken => Self::NotTls,
            rustls::Error::PeerIncompatible(_) => Self::Incompatible,
            rustls::Error::NoApplicationProtocol => Self::NoProtocol,
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::InvalidCertificate(_) => Self::Certificate,
            // rustls has no other word for a resolver that finds nothing.
            rustls::Error::General(_) => Self::NothingToShow,
            rustls::Error::AlertReceived(alert) => Self::Alert((*alert).into()),
            _ => Self::Protocol,
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainHttp => "the peer speaks HTTP without TLS",
            Self::NotTls => "the peer does not speak TLS",
            Self::Incompatible => "no version, cipher suite or group in common",
            Self::NoProtocol => "no application protocol in common",
            Self::NoCertificate => "the peer showed no certificate",
            Self::Certificate => "the peer's certificate is not trusted",
            Self::Alert(alert) => return write!(f, "the peer sent the alert {alert}"),
            Self::Challenge => "the peer validated a challenge",
            Self::NothingToShow => "this server has no certificate for that peer yet",
            Self::Protocol => "the peer broke the protocol of TLS",
        })
    }
}

impl std::error::Error for HandshakeError {}
