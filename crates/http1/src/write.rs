//! Writers of heads. Framing and connection options come from typed arguments, other lines from
//! validated names and values, so no argument of a caller can end a line early.

use alloc::vec::Vec;
use core::fmt;

use sockeye_http::{Date, HeaderName, HeaderValue, Method, Status, UsageError, is_authority};

use crate::target;

/// The body that goes with a head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// No content.
    Empty,
    /// The whole content; written after the head.
    Bytes(&'a [u8]),
    /// Content of this many bytes that the caller sends itself, or that HEAD leaves out.
    Length(u64),
    /// Content that the caller sends in chunks: see [`chunked`](crate::chunked). Never to an
    /// HTTP/1.0 peer.
    Chunked,
}

/// Shows the content's length only.
impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Length(length) => write!(f, "Length({length})"),
            Self::Chunked => f.write_str("Chunked"),
        }
    }
}

/// Whether the connection persists after the message, as `Connection` says it (RFC 9112 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It persists, and the head does not say so: HTTP/1.1 persists by default.
    Persist,
    /// It persists, and the head says `keep-alive`, which HTTP/1.0 needs.
    KeepAlive,
    /// It ends: `close`.
    Close,
}

/// A head to write: its first line, and the header lines that do not depend on the body.
/// [`Response`] and [`RequestWriter`] are its two kinds.
///
/// `Debug` output shows neither a query nor a header's value: they may hold credentials.
#[derive(Clone, Debug)]
pub struct HeadWriter<'a, L> {
    first_line: L,
    /// In place: the plainest answer to an opening handshake has no other.
    first: Option<(HeaderName<'a>, HeaderValue<'a>)>,
    others: Vec<(HeaderName<'a>, HeaderValue<'a>)>,
    connection: Persistence,
    upgrade: Option<HeaderValue<'a>>,
    date: Option<Date>,
}

impl<'a, L> HeadWriter<'a, L> {
    const fn with(first_line: L) -> Self {
        let connection = Persistence::Persist;
        Self { first_line, first: None, others: Vec::new(), connection, upgrade: None, date: None }
    }

    /// Adds a header line; lines stand in the order they were added.
    #[must_use]
    pub fn header(mut self, name: HeaderName<'a>, value: HeaderValue<'a>) -> Self {
        match self.first {
            None => self.first = Some((name, value)),
            Some(_) => self.others.push((name, value)),
        }
        self
    }

    /// Sets what becomes of the connection.
    #[must_use]
    pub const fn connection(mut self, connection: Persistence) -> Self {
        self.connection = connection;
        self
    }

    /// Sets `Upgrade`, and with it the connection option that it needs (RFC 9110 §7.8): the
    /// protocol switched to in a 101, or those offered in a 426 or a request.
    #[must_use]
    pub const fn upgrade(mut self, protocols: HeaderValue<'a>) -> Self {
        self.upgrade = Some(protocols);
        self
    }

    fn write_lines(&self, connection: Persistence, out: &mut Vec<u8>) {
        if let Some(date) = &self.date {
            push_line("Date", date.as_bytes(), out);
        }
        if let Some(protocols) = self.upgrade {
            push_line("Upgrade", protocols.as_bytes(), out);
        }
        // [rfc9110:7.8-upgrade-needs-option]
        let options = match (connection, self.upgrade.is_some()) {
            (Persistence::Persist, false) => None,
            (Persistence::Persist, true) => Some("Upgrade"),
            (Persistence::KeepAlive, false) => Some("keep-alive"),
            (Persistence::KeepAlive, true) => Some("keep-alive, Upgrade"),
            (Persistence::Close, false) => Some("close"),
            (Persistence::Close, true) => Some("close, Upgrade"),
        };
        if let Some(options) = options {
            push_line("Connection", options.as_bytes(), out);
        }
        for (name, value) in self.first.iter().chain(&self.others) {
            push_line(name.as_str(), value.as_bytes(), out);
        }
    }
}

/// A response head, written with or without its body.
///
/// # Examples
/// ```
/// use sockeye_http::{Date, HeaderName, HeaderValue, Status};
/// use sockeye_http1::{Body, Response};
/// const TYPE: HeaderName<'_> = HeaderName::from_static("Content-Type");
/// const TEXT: HeaderValue<'_> = HeaderValue::from_static("text/plain");
/// let mut out = Vec::new();
/// Response::new(Status::NOT_FOUND)
///     .header(TYPE, TEXT)
///     .date(Date::from_unix(784_111_777))
///     .write(Body::Bytes(b"no such channel"), &mut out);
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
///      Content-Type: text/plain\r\nContent-Length: 15\r\n\r\nno such channel",
/// );
/// ```
pub type Response<'a> = HeadWriter<'a, Status>;

impl Response<'_> {
    /// Starts a response on a connection that persists.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self::with(status)
    }

    /// Sets `Date`, which a server with a clock MUST send with 2xx, 3xx and 4xx
    /// (RFC 9110 §6.6.1).
    #[must_use]
    pub const fn date(mut self, date: Date) -> Self {
        self.date = Some(date);
        self
    }

    /// Appends head and body to `out`.
    ///
    /// A status that never has content (1xx, 204, 304) is written without body and framing
    /// whatever `body` is, and 205 as an empty one.
    pub fn write(&self, body: Body<'_>, out: &mut Vec<u8>) {
        let status = self.first_line;
        self.write_head(self.connection, out);
        // [rfc9112:6.1-no-framing-on-bodiless] [rfc9110:8.6-no-length-on-bodiless]
        if status.is_bodiless() {
            return out.extend_from_slice(b"\r\n");
        }
        // [rfc9110:15.3.6-reset-content-empty]
        let body = if status == Status::RESET_CONTENT { Body::Empty } else { body };
        write_framed(body, out);
    }

    /// Appends a head whose body lasts until we close the connection: for streams to HTTP/1.0.
    /// Always says `close`.
    pub fn write_until_close(&self, out: &mut Vec<u8>) {
        self.write_head(Persistence::Close, out);
        out.extend_from_slice(b"\r\n");
    }

    fn write_head(&self, connection: Persistence, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(&self.first_line.digits());
        // The space stands there even if no phrase follows. [rfc9112:4-space-before-reason]
        out.push(b' ');
        out.extend_from_slice(self.first_line.reason().as_bytes());
        out.extend_from_slice(b"\r\n");
        self.write_lines(connection, out);
    }
}

/// A request head for clients, written with or without its body.
///
/// # Examples
/// ```
/// use sockeye_http1::{Body, RequestWriter};
/// let mut out = Vec::new();
/// RequestWriter::new("GET", "/v1/sse?channel=a", "hub.example")?.write(Body::Empty, &mut out);
/// assert_eq!(out, b"GET /v1/sse?channel=a HTTP/1.1\r\nHost: hub.example\r\n\r\n");
/// # Ok::<(), sockeye_http::UsageError>(())
/// ```
pub type RequestWriter<'a> = HeadWriter<'a, RequestLine<'a>>;

impl<'a> RequestWriter<'a> {
    /// Starts a request on a connection that persists.
    ///
    /// # Errors
    /// [`UsageError::Method`], [`UsageError::Target`] or [`UsageError::Host`] if one of them is
    /// what [`RequestHead::parse`](crate::RequestHead::parse) would refuse.
    pub fn new(method: &'a str, target: &'a str, host: &'a str) -> Result<Self, UsageError> {
        let method = Method::new(method)?;
        target::parse(method, target).ok_or(UsageError::Target)?;
        if !is_authority(host) {
            return Err(UsageError::Host);
        }
        Ok(Self::with(RequestLine { method, target, host }))
    }

    /// Appends head and body to `out`. [`Body::Empty`] adds no framing, except for the methods
    /// that are expected to have content (RFC 9110 §8.6).
    pub fn write(&self, body: Body<'_>, out: &mut Vec<u8>) {
        let RequestLine { method, target, host } = self.first_line;
        // [rfc9112:3.2-client-sends-host]
        for part in [method.as_str(), " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        self.write_lines(self.connection, out);
        let has_content = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        if body == Body::Empty && !has_content {
            return out.extend_from_slice(b"\r\n");
        }
        write_framed(body, out);
    }
}

/// The request line of a [`RequestWriter`], and the host that goes with it.
#[derive(Clone, Copy)]
pub struct RequestLine<'a> {
    method: Method<'a>,
    target: &'a str,
    host: &'a str,
}

/// Shows no query: it holds credentials.
impl fmt::Debug for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLine")
            .field("method", &self.method)
            .field("target", &target::parse(self.method, self.target))
            .field("host", &self.host)
            .finish()
    }
}

fn push_line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends the line that frames the content, the empty line, and the content if it is there.
fn write_framed(body: Body<'_>, out: &mut Vec<u8>) {
    let (length, content): (u64, &[u8]) = match body {
        Body::Chunked => {
            return out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        }
        Body::Empty => (0, &[]),
        Body::Length(length) => (length, &[]),
        Body::Bytes(bytes) => (bytes.len() as u64, bytes),
    };
    out.extend_from_slice(b"Content-Length: ");
    push_decimal(length, out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(content);
}

fn push_decimal(number: u64, out: &mut Vec<u8>) {
    let first = out.len();
    let mut rest = number;
    loop {
        out.push(b'0'.wrapping_add((rest % 10).to_le_bytes()[0]));
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    // The digits came out backwards.
    out.get_mut(first..).unwrap_or_default().reverse();
}
