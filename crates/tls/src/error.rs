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
    /// The private key cannot be read.
    BadKey,
    /// The private key is of this kind, which is not supported.
    KeyKind(&'static str),
    /// The RSA key has this many bits, which is not supported.
    RsaBits(u32),
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
            Self::NoCertificate => {
                "there is no certificate in it (no BEGIN CERTIFICATE); name the file that has it"
            }
            Self::BadCertificate => {
                "a certificate in it cannot be read; openssl x509 -noout -text shows what is wrong"
            }
            Self::NoKey => {
                "there is no private key in it (no BEGIN PRIVATE KEY); name the file that has it"
            }
            Self::EncryptedKey => {
                "the private key is encrypted; store it without a passphrase (openssl pkey -in OLD -out NEW)"
            }
            Self::BadKey => {
                "the private key cannot be read; expected one of RSA, ECDSA or Ed25519 in PEM"
            }
            Self::KeyKind(kind) => {
                return write!(
                    f,
                    "the private key is {kind}, which is not supported; make one of ECDSA on P-256 or P-384, of RSA \
                     or of Ed25519, and a certificate for it"
                );
            }
            Self::RsaBits(bits) => {
                return write!(
                    f,
                    "the RSA key has {bits} bits; make one of 2048 to 4096 bits, and a certificate for it"
                );
            }
            Self::KeyMismatch => {
                "the private key does not belong to the certificate; name the key that the certificate was made for"
            }
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
