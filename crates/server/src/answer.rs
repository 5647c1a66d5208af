//! The answers that an application may give.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sockeye_deflate::ServerConfig;
use sockeye_http::{AcceptEncoding, HeaderName, HeaderValue, Headers, Status, UsageError};

/// The words of a refusal: headers and a body.
#[derive(Clone, Debug)]
pub struct Wording {
    /// `Content-Type` and other headers.
    pub headers: Vec<Header>,
    /// The body. For HEAD it is measured and not sent.
    pub body: Cow<'static, [u8]>,
}

impl Wording {
    pub(crate) fn text(text: &'static str) -> Self {
        Self { headers: vec![TEXT], body: Cow::Borrowed(text.as_bytes()) }
    }
}

/// What becomes of a request. An answer that opens a stream carries a value for
/// [`App::on_open`](crate::App::on_open).
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer<P = ()> {
    /// A response with a body of known length.
    Reply(Reply),
    /// The opening handshake of a WebSocket; the server checks every clause and refuses by itself.
    WebSocket(Upgrade, P),
    /// A stream of server-sent events.
    EventStream(EventStream, P),
    /// A response that comes later, by [`Context::respond`](crate::Context::respond).
    Hold(Hold, P),
    /// From here on the connection carries bytes of the application. Bytes behind the request go to
    /// [`App::on_bytes`](crate::App::on_bytes), and
    /// [`Context::send_bytes`](crate::Context::send_bytes) writes bytes as they are. The server writes
    /// no response: the application does, from [`App::on_open`](crate::App::on_open) on.
    ///
    /// For protocols that this server does not speak (RFC 9110 §7.8, §9.3.6), and for test hosts that
    /// have to speak them badly.
    Tunnel(P),
}

impl<P> Answer<P> {
    /// Converts the value that the answer carries for its stream. An application that wraps another
    /// needs it.
    pub fn map<Q>(self, convert: impl FnOnce(P) -> Q) -> Answer<Q> {
        match self {
            Self::Reply(reply) => Answer::Reply(reply),
            Self::WebSocket(upgrade, pending) => Answer::WebSocket(upgrade, convert(pending)),
            Self::EventStream(stream, pending) => Answer::EventStream(stream, convert(pending)),
            Self::Hold(hold, pending) => Answer::Hold(hold, convert(pending)),
            Self::Tunnel(pending) => Answer::Tunnel(convert(pending)),
        }
    }
}

/// A header of the application's own. It cannot end a line early, nor contradict the headers that the
/// server writes itself (`Connection`, `Content-Length`, `Date`, …).
#[derive(Clone)]
pub struct Header {
    name: Cow<'static, str>,
    value: Cow<'static, [u8]>,
}

impl Header {
    /// A header whose value is not known before run time.
    ///
    /// # Errors
    /// The value cannot stand in a header line (RFC 9110 §5.5).
    pub fn new(name: HeaderName<'static>, value: impl Into<String>) -> Result<Self, UsageError> {
        let value = value.into().into_bytes();
        HeaderValue::from_bytes(&value)?;
        Ok(Self { name: Cow::Borrowed(name.as_str()), value: Cow::Owned(value) })
    }

    /// A header of which neither name nor value is known before run time.
    ///
    /// # Errors
    /// The name is not a token, or is reserved for the server; or the value cannot stand in a header
    /// line.
    pub fn named(name: impl Into<String>, value: impl Into<String>) -> Result<Self, UsageError> {
        let (name, value) = (name.into(), value.into().into_bytes());
        HeaderName::new(&name)?;
        HeaderValue::from_bytes(&value)?;
        Ok(Self { name: Cow::Owned(name), value: Cow::Owned(value) })
    }

    /// A header that is part of the program; in a `const` the check happens at compile time.
    ///
    /// # Panics
    /// If [`Header::named`] would refuse the name or the value.
    pub const fn from_static(name: &'static str, value: &'static str) -> Self {
        let value = HeaderValue::from_static(value).as_bytes();
        let name = HeaderName::from_static(name).as_str();
        Self { name: Cow::Borrowed(name), value: Cow::Borrowed(value) }
    }

    /// Whether it has this name; case does not matter.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether only the opening handshake may write it.
    pub(crate) fn is_handshakes(&self) -> bool {
        let prefix = "sec-websocket-";
        self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    }

    pub(crate) fn parts(&self) -> (HeaderName<'_>, HeaderValue<'_>) {
        let name = HeaderName::new(&self.name).expect("checked when it was made");
        (name, HeaderValue::from_bytes(&self.value).expect("checked when it was made"))
    }
}

/// Shows the value's length only: values hold credentials.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("name", &self.name)
            .field("value_len", &self.value.len())
            .finish()
    }
}

const TEXT: Header = Header::from_static("Content-Type", "text/plain; charset=utf-8");

/// A response with a body of known length.
#[derive(Clone)]
pub struct Reply {
    /// The status.
    pub status: Status,
    /// Headers beside those that the server writes itself (`Content-Length`, `Date`, `Connection`).
    pub headers: Vec<Header>,
    /// The body. For HEAD it is measured and not sent.
    pub body: Cow<'static, [u8]>,
}

impl Reply {
    /// A response of `status` without content type and content.
    pub const fn empty(status: Status) -> Self {
        Self { status, headers: Vec::new(), body: Cow::Borrowed(&[]) }
    }

    /// A response of `status` with a plain-text body.
    pub fn text(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        let body = match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self::new(status, TEXT, body)
    }

    /// A response of `status` with a body, described by its `Content-Type` header.
    pub fn new(status: Status, content_type: Header, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { status, headers: vec![content_type], body: body.into() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }
}

/// Shows the body's length only.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_len", &self.body.len())
            .finish()
    }
}

impl<P> From<Reply> for Answer<P> {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A request that is answered later: a stream that ends with its one response.
///
/// Requests behind it wait, and are served in order once the response is written.
/// A client that ends its direction meanwhile still gets the response: [`App::on_half_close`](crate::App::on_half_close).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hold {
    /// After this time, in milliseconds, the server answers by itself: 503 with `Retry-After: 1`. It
    /// is at the most [`Limits::hold_ms`](crate::Limits). The time stands still while the request is
    /// [put off](crate::Context::put_off).
    pub hold_ms: u64,
    /// Headers that the response gets beside its own, whether the application or the server answers.
    /// So the application need not keep what these headers depend on.
    pub headers: Vec<Header>,
}

impl Hold {
    /// A request that waits so long at the most, without headers.
    #[must_use]
    pub const fn new(hold_ms: u64) -> Self {
        Self { hold_ms, headers: Vec::new() }
    }

    /// Adds headers.
    #[must_use]
    pub fn headers(mut self, headers: impl IntoIterator<Item = Header>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// Which web pages may open a WebSocket (RFC 6455 §10.2): [`sockeye_handshake::Origins`] with a list
/// that need not be known before run time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Every origin, `null` among them.
    Any,
    /// Only pages from the host and port that the request itself addresses.
    SameHost,
    /// Only these origins, each written as browsers send it: `https://example.com`. An empty list
    /// allows no page.
    List(Arc<[String]>),
}

/// How a WebSocket handshake is to be decided.
///
/// # Examples
/// ```
/// use sockeye_server::{Origins, ServerConfig, Upgrade};
/// let upgrade = Upgrade::new(Origins::SameHost).compression(ServerConfig::default());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Upgrade {
    /// Subprotocols spoken here, most wanted first.
    pub subprotocols: &'static [&'static str],
    /// Which pages may connect.
    pub origins: Origins,
    /// Longest message that is taken on this stream, in bytes, where that is shorter than what
    /// [`Limits::websocket`](crate::Limits::websocket) allows; a longer one is refused with 1009.
    pub message_bytes_max: Option<u64>,
    /// permessage-deflate: what we are willing to do, or `None` to decline every offer.
    pub compression: Option<ServerConfig>,
    /// Headers of the response that accepts, a cookie for example. Those whose name begins with
    /// `Sec-WebSocket-` are the handshake's own to write, and left out.
    pub headers: Vec<Header>,
}

impl Upgrade {
    /// For these pages, without subprotocols, compression and headers, and with the server's bound on messages.
    #[must_use]
    pub const fn new(origins: Origins) -> Self {
        Self {
            subprotocols: &[],
            origins,
            message_bytes_max: None,
            compression: None,
            headers: Vec::new(),
        }
    }

    /// Speaks these subprotocols, most wanted first.
    #[must_use]
    pub const fn subprotocols(mut self, subprotocols: &'static [&'static str]) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// Takes messages of so many bytes at the most.
    #[must_use]
    pub const fn message_bytes_max(mut self, bytes: u64) -> Self {
        self.message_bytes_max = Some(bytes);
        self
    }

    /// Agrees on permessage-deflate where a client offers it.
    #[must_use]
    pub const fn compression(mut self, compression: ServerConfig) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Adds headers.
    #[must_use]
    pub fn headers(mut self, headers: impl IntoIterator<Item = Header>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// The head of an event stream.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EventStream {
    /// Headers beside `Content-Type`, `Cache-Control`, `X-Accel-Buffering` and `Content-Encoding`, which are
    /// written by the server.
    pub headers: Vec<Header>,
    /// The coding of the body. The client has to take it: see [`Coding::wanted`]. An application that lets
    /// the request decide says `Vary: Accept-Encoding`.
    pub coding: Coding,
}

impl EventStream {
    /// A stream in this coding, without headers.
    #[must_use]
    pub const fn new(coding: Coding) -> Self {
        Self { headers: Vec::new(), coding }
    }

    /// Adds headers.
    #[must_use]
    pub fn headers(mut self, headers: impl IntoIterator<Item = Header>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// The content coding of an event stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// Text as it is.
    #[default]
    Identity,
    /// gzip. A [`SharedEvent`](crate::SharedEvent) is compressed once for all streams, by
    /// [`Limits::gzip`](crate::Limits::gzip). Text that one stream gets is not compressed, and adds 5 bytes.
    Gzip,
}

impl Coding {
    /// The coding that a client wants of a body that may be compressed, by the headers of its request.
    #[must_use]
    pub fn wanted(headers: Headers<'_, '_>) -> Self {
        match AcceptEncoding::of(headers).wants_gzip() {
            true => Self::Gzip,
            false => Self::Identity,
        }
    }
}

/// The header of a body in gzip.
pub(crate) const GZIP: Header = Header::from_static("Content-Encoding", "gzip");
