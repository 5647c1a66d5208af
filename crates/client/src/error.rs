//! Why a client cannot go on, or why a connection was lost.

use core::fmt;
use std::io::ErrorKind;

use sockeye_handshake::VerifyError;
use sockeye_http::Status;
use sockeye_http1::Error as HttpError;
use sockeye_websocket::{MessageError, ProtocolError, UsageError as FrameUsage};

/// What went wrong, outside of this program or with the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host's name has no address.
    Resolve(ErrorKind),
    /// None of the host's addresses takes a connection; what the last one said.
    Connect(ErrorKind),
    /// It went wrong at the proxy, before anything could be heard of the server.
    Proxy(ProxyError),
    /// TLS failed: the certificate, most of all.
    Tls(TlsError),
    /// The URL wants TLS, and there is none: the crate's feature `rustls` is off.
    NoTls,
    /// The connection broke.
    Transport(ErrorKind),
    /// The connection ended where more had to come.
    Truncated,
    /// The connection ended, and it was allowed to.
    Ended,
    /// The machine did not want the connection any more.
    HungUp,
    /// Something took longer than its limit.
    TimedOut(Deadline),
    /// What came is no HTTP, or over the limits of a head.
    Http(HttpError),
    /// The server sent more interim responses than the limit.
    InterimResponses,
    /// The server's answer is not the one that was asked for; it is all here, for whom it concerns.
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
    /// The redirect leads to what is no `http` or `https` URL, or is not one place alone.
    Redirect,
    /// There were more redirects in a row than browsers follow, which is 20.
    Redirects,
    /// The system does not give what a client needs: a poller, a thread, entropy.
    System(ErrorKind),
    /// The caller asked for what it cannot have.
    Usage(UsageError),
    /// What the hub of a subscription says or does.
    #[cfg(feature = "hub")]
    Hub(crate::HubError),
}

impl Error {
    /// Whether another attempt could only come to the same: no certificate becomes good by asking for it, and one that
    /// has expired waits for a person.
    pub(crate) const fn is_futile(&self) -> bool {
        matches!(self, Self::NoTls | Self::Tls(TlsError::Name | TlsError::Certificate(_)))
    }
}

/// A step that has a limit of its own, in [`Limits`](crate::Limits) or in the options of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// Name, connection, proxy and TLS.
    Connect,
    /// The head of the response.
    Head,
    /// Anything at all from the server.
    Silence,
    /// The answer to our ping.
    Pong,
    /// The server's Close frame after ours.
    Close,
    /// The server's taking anything of what is sent.
    Send,
}

/// Why a proxy does not open a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyError {
    /// The name of the proxy has no address.
    Resolve(ErrorKind),
    /// No address of the proxy takes a connection; what the last one said.
    Connect(ErrorKind),
    /// It refuses, with this status; 502 and 504 may be about the server.
    Status(Status),
    /// What it says is no HTTP, or over the limits of a head.
    Http(HttpError),
    /// It sent more interim responses than the limit.
    InterimResponses,
    /// The connection to it broke.
    Transport(ErrorKind),
    /// It ended the connection.
    Ended,
    /// There was no tunnel within [`Limits::connect_ms`](crate::Limits::connect_ms).
    TimedOut,
}

/// What TLS says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsError {
    /// The host's name is none that a certificate could hold.
    Name,
    /// The server's certificate is not trusted.
    Certificate(CertificateError),
    /// What the server says is no TLS. It may speak plain HTTP on this port.
    NotTls,
    /// The connection ended within the handshake.
    Ended,
    /// The server refuses, with this alert (RFC 8446 §6).
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
    /// None of those who are trusted has issued it.
    Issuer,
    /// It is for other names.
    Name,
    /// Its time is over.
    Expired,
    /// Its time has not come, or the clock of this system is wrong.
    NotYetValid,
    /// It is an authority's own (`CA:TRUE`), which no server may use for itself. Whether the authority is trusted
    /// makes no difference.
    Authority,
    /// It is for another purpose than a server.
    Purpose,
    /// Its issuer has taken it back.
    Revoked,
    /// There is none, it cannot be read, a signature is wrong, or whatever else it is.
    Other,
}

#[cfg(feature = "rustls")]
impl TlsError {
    /// What rustls says. `has_spoken`: the server has spoken TLS before, so a record that cannot be read is
    /// a bad one, and not [`NotTls`](Self::NotTls).
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

/// An answer that is not the one that was asked for.
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
    /// The first value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The status; and where it is a success, what the body was said to be, which then is what is wrong.
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
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("headers", &names)
            .field("body_len", &self.body.len())
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(kind) => write!(f, "the host is not found: {kind}"),
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
            Self::Resolve(kind) => write!(f, "the proxy is not found: {kind}"),
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

/// What is wrong, behind "the certificate".
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

/// What the caller asked for and cannot have; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// No absolute URL, or one with what none may hold.
    Url,
    /// The URL's scheme is none of ours, or not one for this client.
    Scheme,
    /// A user or a password in the URL; there are headers for that.
    Credentials,
    /// A fragment in a URL of a WebSocket (RFC 6455 §3).
    Fragment,
    /// A header that cannot stand in this request.
    Header,
    /// A method that is none, or a body with one that has none.
    Method,
    /// A subprotocol that is no token, or twice the same.
    Subprotocols,
    /// A close code that must not be sent, or a reason over 123 bytes.
    Close,
    /// The connection is not open: not yet, or not any more.
    NotOpen,
    /// As much is waiting to be sent as [`Limits::out_bytes_max`](crate::Limits::out_bytes_max).
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
