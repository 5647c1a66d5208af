//! The errors of a client: its own, the peer's, the proxy's, and those of TLS.

use core::fmt;
use std::io::{self, ErrorKind};

use sockeye_handshake::VerifyError;
use sockeye_http::Status;
use sockeye_http1::Error as HttpError;
use sockeye_http2::{ConnectionError, ErrorCode};
use sockeye_websocket::{MessageError, ProtocolError, UsageError as FrameUsage};

use crate::headers;

/// The same numbers on every Unix.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Why a connection failed or was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host's name has no address.
    Resolve(ErrorKind),
    /// No address of the host accepts a connection; the error is the last one's.
    Connect(ErrorKind),
    /// The proxy failed, before the server was reached.
    Proxy(ProxyError),
    /// TLS failed, most often at the certificate.
    Tls(TlsError),
    /// The URL needs TLS, and the crate's feature `rustls` is off.
    NoTls,
    /// The connection broke.
    Transport(ErrorKind),
    /// The connection ended too early: inside an answer or a message, without a Close frame, or without TLS saying so.
    Truncated,
    /// The connection ended where it may end.
    Ended,
    /// The client ended the connection by itself.
    HungUp,
    /// A step took longer than its limit.
    TimedOut(Deadline),
    /// The answer is not HTTP, or exceeds the limits of a head.
    Http(HttpError),
    /// The server sent more interim responses than the limit.
    InterimResponses,
    /// HTTP/2 failed, with the connection or one stream of it.
    Http2(Http2Error),
    /// The server answered with something other than what was asked for; the whole answer is here.
    Refused(Box<Refusal>),
    /// The answer to a WebSocket's handshake does not fit it.
    Handshake(VerifyError),
    /// The server's choice of compression does not answer our offer.
    Compression,
    /// The server breaks a rule of RFC 6455.
    WebSocket(ProtocolError),
    /// A message is too big, corrupt or not UTF-8.
    Message(MessageError),
    /// An event is over the limit.
    EventTooLarge,
    /// The redirect names no `http` or `https` URL, or several.
    Redirect,
    /// More than 20 redirects came in a row, which is as many as browsers follow.
    Redirects,
    /// Too many files and sockets are open, in this process or on this machine.
    Descriptors,
    /// The system refuses what a client needs: a poller, a thread, entropy.
    System(ErrorKind),
    /// The caller's mistake.
    Usage(UsageError),
    /// The hub refused the subscription, or broke its protocol.
    #[cfg(feature = "hub")]
    Hub(crate::HubError),
}

impl Error {
    /// The error for what the system refuses.
    #[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
    pub(crate) fn system(error: io::Error) -> Self {
        Self::of_system(&error, Self::System)
    }

    /// The error for an address that does not even get a socket, or refuses at once.
    #[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
    pub(crate) fn connect(error: io::Error) -> Self {
        Self::of_system(&error, Self::Connect)
    }

    /// `EMFILE` and `ENFILE` have no [`ErrorKind`], and a person has to know of them.
    fn of_system(error: &io::Error, other: fn(ErrorKind) -> Self) -> Self {
        match error.raw_os_error() {
            Some(ENFILE | EMFILE) => Self::Descriptors,
            _ => other(error.kind()),
        }
    }

    /// Whether another attempt must fail in the same way: a bad certificate needs a person.
    pub(crate) const fn is_futile(&self) -> bool {
        matches!(self, Self::NoTls | Self::Tls(TlsError::Name | TlsError::Certificate(_)))
    }
}

/// Why a connection of HTTP/2, or one stream of it, has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2Error {
    /// The server does not speak HTTP/2, and nothing else was allowed.
    NotSpoken,
    /// The server broke a rule of HTTP/2.
    Violation(ConnectionError),
    /// A stream was reset with this code, by the server or for its fault.
    Reset(ErrorCode),
    /// The server goes away and has not processed the request, as often as it was sent.
    Goaway,
}

impl fmt::Display for Http2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSpoken => f.write_str("the server does not speak HTTP/2"),
            Self::Violation(error) => write!(f, "the server breaks HTTP/2: {error}"),
            Self::Reset(code) => write!(f, "the stream was reset with {code}"),
            Self::Goaway => f.write_str("the server goes away and has not processed the request"),
        }
    }
}

/// A step with a time limit in [`Limits`](crate::Limits) or in its client's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// Name, connection, proxy and TLS.
    Connect,
    /// The head of the response.
    Head,
    /// The next byte of the server.
    Silence,
    /// The answer to our ping.
    Pong,
    /// The server's Close frame after ours.
    Close,
    /// Progress of what is sent: the server reads nothing.
    Send,
}

/// Why a proxy does not open a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyError {
    /// The name of the proxy has no address.
    Resolve(ErrorKind),
    /// No address of the proxy accepts a connection; the error is the last one's.
    Connect(ErrorKind),
    /// The proxy refuses with this status; 502 and 504 may be about the server.
    Status(Status),
    /// The proxy's answer is not HTTP, or exceeds the limits of a head.
    Http(HttpError),
    /// The proxy sent more interim responses than the limit.
    InterimResponses,
    /// The connection to the proxy broke.
    Transport(ErrorKind),
    /// The proxy ended the connection.
    Ended,
    /// The proxy opened no tunnel within [`Limits::connect_ms`](crate::Limits::connect_ms).
    TimedOut,
}

/// Why TLS failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsError {
    /// No certificate can hold the host's name.
    Name,
    /// The server's certificate is not trusted.
    Certificate(CertificateError),
    /// The server does not speak TLS on this port; it may speak plain HTTP.
    NotTls,
    /// The connection ended within the handshake.
    Ended,
    /// The server refuses with this alert (RFC 8446 §6).
    Alert(u8),
    /// The handshake failed in another way, or a record is bad.
    Protocol,
    /// The system has no certificates of authorities to trust.
    Roots,
}

/// Why a certificate is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateError {
    /// No trusted authority issued it.
    Issuer,
    /// It is for other names.
    Name,
    /// It has expired.
    Expired,
    /// It is not valid yet, or this system's clock is wrong.
    NotYetValid,
    /// It is an authority's own (`CA:TRUE`), which no server may use, trusted or not.
    Authority,
    /// It is for another purpose than a server.
    Purpose,
    /// Its issuer has revoked it.
    Revoked,
    /// Any other fault: no certificate, an unreadable one, a wrong signature.
    Other,
}

#[cfg(feature = "rustls")]
impl TlsError {
    /// Translates an error of rustls. `has_spoken`: the server has sent TLS before, so an unreadable record is
    /// a bad one and not [`NotTls`](Self::NotTls).
    pub fn of(error: &rustls::Error, has_spoken: bool) -> Self {
        match error {
            rustls::Error::InvalidCertificate(why) => Self::Certificate(why.into()),
            rustls::Error::NoCertificatesPresented => Self::Certificate(CertificateError::Other),
            rustls::Error::InvalidMessage(_) if !has_spoken => Self::NotTls,
            rustls::Error::AlertReceived(alert) => Self::Alert((*alert).into()),
            _ => Self::Protocol,
        }
    }
}

#[cfg(feature = "rustls")]
impl From<&rustls::CertificateError> for CertificateError {
    fn from(error: &rustls::CertificateError) -> Self {
        use rustls::CertificateError as Why;
        match error {
            Why::UnknownIssuer => Self::Issuer,
            Why::NotValidForName | Why::NotValidForNameContext { .. } => Self::Name,
            Why::Expired | Why::ExpiredContext { .. } => Self::Expired,
            Why::NotValidYet | Why::NotValidYetContext { .. } => Self::NotYetValid,
            Why::Revoked => Self::Revoked,
            Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => Self::Purpose,
            Why::Other(rustls::OtherError(why)) => match why.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => Self::Authority,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// An HTTP answer other than the one that was asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: Status,
    /// The header lines, in their order. What is not UTF-8 in a value has been replaced.
    pub headers: Vec<(String, String)>,
    /// The body, up to [`Limits::refusal_bytes_max`](crate::Limits::refusal_bytes_max).
    pub body: Vec<u8>,
}

impl Refusal {
    /// Returns the first value of a header; the name is compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        headers::find(&self.headers, name)
    }

    /// Returns the milliseconds of `Retry-After`, if it is given in seconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        Some(self.header("Retry-After")?.parse::<u64>().ok()?.saturating_mul(1000))
    }
}

/// Shows the status or, for 2xx, also the unexpected content type and coding.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answers with status {}", self.status)?;
        if !(200..300).contains(&self.status.code()) {
            return Ok(());
        }
        match self.header("content-type") {
            Some(kind) => write!(f, ", content type {kind}")?,
            None => f.write_str(", no content type")?,
        }
        self.header("content-encoding").map_or(Ok(()), |coding| write!(f, ", coding {coding}"))
    }
}

/// Shows no values: they may hold credentials.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("headers", &headers::names(&self.headers))
            .field("body_len", &self.body.len())
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The resolver's errors have no kind of their own.
            Self::Resolve(_) => f.write_str("the host is not found"),
            Self::Connect(kind) => write!(f, "cannot connect: {kind}"),
            Self::Proxy(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::NoTls => f.write_str("built without TLS (feature rustls)"),
            Self::Transport(kind) => write!(f, "the connection broke: {kind}"),
            Self::Truncated => f.write_str("the connection ended before its time"),
            Self::Ended => f.write_str("the connection ended"),
            Self::HungUp => f.write_str("the connection was not wanted any more"),
            Self::TimedOut(deadline) => deadline.fmt(f),
            Self::Http(HttpError::FirstByte) => f.write_str("the server's answer is no HTTP"),
            Self::Http(error) => write!(f, "the server's answer cannot be taken: {error}"),
            Self::InterimResponses => f.write_str("too many interim responses"),
            Self::Http2(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Compression => f.write_str("the server's compression does not answer the offer"),
            Self::WebSocket(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::EventTooLarge => f.write_str("an event is over the limit"),
            Self::Redirect => {
                f.write_str("a redirect leads to no URL with http:// or https://, or to several")
            }
            Self::Redirects => f.write_str("redirected more than 20 times, and no answer"),
            Self::Descriptors => {
                f.write_str("too many files and sockets are open (`ulimit -n` shows the limit)")
            }
            Self::System(kind) => write!(f, "the system refuses: {kind}"),
            Self::Usage(error) => error.fmt(f),
            #[cfg(feature = "hub")]
            Self::Hub(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting took too long",
            Self::Head => "the response took too long",
            Self::Silence => "the server was silent for too long",
            Self::Pong => "the server did not answer a ping",
            Self::Close => "the server did not answer a Close frame",
            Self::Send => "the server took nothing of what was sent",
        })
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(_) => f.write_str("the proxy is not found"),
            Self::Connect(kind) => write!(f, "cannot connect to the proxy: {kind}"),
            Self::Status(status) => write!(f, "the proxy opens no tunnel: status {status}"),
            Self::Http(HttpError::FirstByte) => f.write_str("the proxy's answer is no HTTP"),
            Self::Http(error) => write!(f, "the proxy opens no tunnel: {error}"),
            Self::InterimResponses => f.write_str("the proxy sends too many interim responses"),
            Self::Transport(kind) => write!(f, "the connection to the proxy broke: {kind}"),
            Self::Ended => f.write_str("the proxy ended the connection"),
            Self::TimedOut => f.write_str("the proxy took too long to open a tunnel"),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("no certificate can hold the host's name"),
            Self::Certificate(why) => write!(f, "the server's certificate {why}"),
            Self::NotTls => f.write_str("the server answers, but not in TLS"),
            Self::Ended => f.write_str("the connection ended within the TLS handshake"),
            Self::Alert(code) => write!(f, "the server refuses TLS with alert {code}"),
            Self::Protocol => f.write_str("TLS failed"),
            Self::Roots => f.write_str("the system has no authorities to trust"),
        }
    }
}

/// Completes a sentence that begins "the certificate".
impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "is by no authority that is trusted",
            Self::Name => "is for another name",
            Self::Expired => "has expired",
            Self::NotYetValid => "is not valid yet",
            Self::Authority => "is an authority's own, and none for a server",
            Self::Purpose => "is for another purpose than a server",
            Self::Revoked => "has been revoked",
            Self::Other => "cannot be verified",
        })
    }
}

impl core::error::Error for Error {}
impl core::error::Error for ProxyError {}
impl core::error::Error for TlsError {}
impl core::error::Error for CertificateError {}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

/// A mistake of the caller; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// Not an absolute URL, or one with a byte that no URL may hold.
    Url,
    /// A scheme that this client does not speak.
    Scheme,
    /// A user or a password in the URL: credentials belong in headers.
    Credentials,
    /// A fragment in a URL of a WebSocket (RFC 6455 §3).
    Fragment,
    /// A header that cannot stand in this request.
    Header,
    /// A method that is no token or has no stream, or a body with `GET`.
    Method,
    /// A subprotocol that is no token, or stands twice.
    Subprotocols,
    /// A close code that must not be sent, or a reason over 123 bytes.
    Close,
    /// The connection is not open: not yet, or not any more.
    NotOpen,
    /// The unsent bytes have reached [`Limits::out_bytes_max`](crate::Limits::out_bytes_max).
    OutFull,
    /// A frame that cannot be sent now.
    WebSocket(FrameUsage),
    /// No channel to subscribe.
    Channels,
    /// No transport to subscribe it with.
    Transports,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "a close code or reason that cannot be sent",
            Self::NotOpen => "the connection is not open",
            Self::OutFull => "too much is waiting to be sent",
            Self::WebSocket(error) => return error.fmt(f),
            Self::Url => "not the absolute URL of a server",
            Self::Scheme => "a URL of this client begins with another scheme",
            Self::Credentials => "credentials cannot stand in the URL",
            Self::Fragment => "the URL of a WebSocket has no fragment",
            Self::Header => "a header that cannot stand in this request",
            Self::Method => "a method that is none, or has no body",
            Self::Subprotocols => "a subprotocol that is no token, or twice the same",
            Self::Channels => "no channel to subscribe",
            Self::Transports => "no transport to subscribe it with",
        })
    }
}

impl core::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_descriptors_are_named() {
        for number in [ENFILE, EMFILE] {
            for of in [Error::system, Error::connect] {
                let error = of(io::Error::from_raw_os_error(number));
                assert_eq!(error, Error::Descriptors);
                assert!(error.to_string().contains("ulimit -n"), "{error}");
            }
        }
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        assert_eq!(Error::connect(refused), Error::Connect(ErrorKind::ConnectionRefused));
    }
}
