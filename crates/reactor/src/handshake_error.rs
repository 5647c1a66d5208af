//! Why handshakes fail: for each peer, and by kinds that are counted.

use std::fmt;
use std::io;

/// Why a handshake failed, or a record later on. It is inside of the `io::Error` of
/// [`Socket::handshake`](crate::Socket::handshake).
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

/// Declares the kinds, with their names in metrics and logs.
macro_rules! failures {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// How a handshake of TLS failed, for counting. The set is closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum HandshakeFailure {
            $($(#[$doc])* $kind,)*
        }

        impl HandshakeFailure {
            /// All kinds, in the order of their numbers.
            pub const ALL: [Self; 13] = [$(Self::$kind,)*];

            /// Its name in metrics and logs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

failures! {
    /// The first bytes are no record of TLS.
    Garbage = "garbage",
    /// HTTP without TLS.
    PlainHttp = "plain_http",
    /// No version, cipher suite or group in common.
    Incompatible = "incompatible",
    /// No application protocol (ALPN) in common.
    NoProtocol = "no_protocol",
    /// The peer does not take the server's certificate: an alert of RFC 8446 §6.2 says so.
    CertificateRefused = "certificate_refused",
    /// The peer gave up with another alert.
    Alert = "alert",
    /// The peer has to show a certificate, and showed none.
    ClientCertificateMissing = "client_certificate_missing",
    /// The peer's certificate is not good: not of the authorities, or not of this time.
    ClientCertificateRefused = "client_certificate_refused",
    /// The server has no certificate yet, or no answer to a challenge.
    NothingToShow = "nothing_to_show",
    /// A certificate authority validated a challenge (RFC 8737): no failure of anybody.
    Challenge = "challenge",
    /// The peer broke the protocol.
    Protocol = "protocol",
    /// The handshake took too long.
    Timeout = "timeout",
    /// The peer went away.
    Cut = "cut",
}

impl HandshakeFailure {
    /// The kind of an error of [`Socket::handshake`](crate::Socket::handshake).
    pub fn of(error: &io::Error) -> Self {
        let reason = error.get_ref().and_then(|it| it.downcast_ref::<HandshakeError>());
        // Without a reason it is the system's error, or the end of the peer's direction.
        reason.map_or(Self::Cut, |reason| Self::of_reason(*reason))
    }

    const fn of_reason(reason: HandshakeError) -> Self {
        match reason {
            HandshakeError::PlainHttp => Self::PlainHttp,
            HandshakeError::NotTls => Self::Garbage,
            HandshakeError::Incompatible => Self::Incompatible,
            HandshakeError::NoProtocol => Self::NoProtocol,
            HandshakeError::NoCertificate => Self::ClientCertificateMissing,
            HandshakeError::Certificate => Self::ClientCertificateRefused,
            // bad_certificate to certificate_unknown, unknown_ca.
            HandshakeError::Alert(42..=46 | 48) => Self::CertificateRefused,
            HandshakeError::Alert(_) => Self::Alert,
            HandshakeError::Challenge => Self::Challenge,
            HandshakeError::NothingToShow => Self::NothingToShow,
            HandshakeError::Protocol => Self::Protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HandshakeFailure;

    #[test]
    fn kinds_are_numbered_in_their_order() {
        for (number, kind) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{}", kind.as_str());
        }
    }
}
