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
#[derive(Clone, Debug)]
pub struct Response<'a> {
    status: Status,
    fields: Fields<'a>,
}

impl<'a> Response<'a> {
    /// Starts a response on a connection that persists.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self { status, fields: Fields::new() }
    }

    /// Adds a header line; lines stand in the order they were added.
    #[must_use]
    pub fn header(mut self, name: HeaderName<'a>, value: HeaderValue<'a>) -> Self {
        self.fields.add(name, value);
        self
    }

    /// Sets `Date`, which a server with a clock MUST send with 2xx, 3xx and 4xx
    /// (RFC 9110 §6.6.1).
    #[must_use]
    pub const fn date(mut self, date: Date) -> Self {
        self.fields.date = Some(date);
        self
    }

    /// Sets what becomes of the connection.
    #[must_use]
    pub const fn connection(mut self, connection: Persistence) -> Self {
        self.fields.connection = connection;
        self
    }

    /// Sets `Upgrade`, and with it the connection option that it needs (RFC 9110 §7.8): the
    /// protocol switched to in a 101, or those offered in a 426.
    #[must_use]
    pub const fn upgrade(mut self, protocols: HeaderValue<'a>) -> Self {
        self.fields.upgrade = Some(protocols);
        self
    }

    /// Appends head and body to `out`.
    ///
    /// A status that never has content (1xx, 204, 304) is written without body and framing
    /// whatever `body` is, and 205 as an empty one.
    pub fn write(&self, body: Body<'_>, out: &mut Vec<u8>) {
        self.write_lines(self.fields.connection, out);
        // [rfc9112:6.1-no-framing-on-bodiless] [rfc9110:8.6-no-length-on-bodiless]
        if self.status.is_bodiless() {
            out.extend_from_slice(b"\r\n");
            return;
        }
        match body {
            // [rfc9110:15.3.6-reset-content-empty]
            Body::Bytes(_) | Body::Length(_) | Body::Chunked
                if self.status == Status::RESET_CONTENT =>
            {
                end_with_length(0, out);
            }
            Body::Empty => end_with_length(0, out),
            Body::Length(length) => end_with_length(length, out),
            Body::Chunked => end_with_chunked(out),
            Body::Bytes(bytes) => {
                end_with_length(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
        }
    }

    /// Appends a head whose body lasts until we close the connection: for streams to HTTP/1.0.
    /// Always says `close`.
    pub fn write_until_close(&self, out: &mut Vec<u8>) {
        self.write_lines(Persistence::Close, out);
        out.extend_from_slice(b"\r\n");
    }

    fn write_lines(&self, connection: Persistence, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(&self.status.digits());
        // The space stands there even if no phrase follows. [rfc9112:4-space-before-reason]
        out.push(b' ');
        out.extend_from_slice(self.status.reason().as_bytes());
        out.extend_from_slice(b"\r\n");
        self.fields.write(connection, out);
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
#[derive(Clone)]
pub struct RequestWriter<'a> {
    method: Method<'a>,
    target: &'a str,
    host: &'a str,
    fields: Fields<'a>,
}

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
        Ok(Self { method, target, host, fields: Fields::new() })
    }

    /// Adds a header line; lines stand in the order they were added.
    #[must_use]
    pub fn header(mut self, name: HeaderName<'a>, value: HeaderValue<'a>) -> Self {
        self.fields.add(name, value);
        self
    }

    /// Sets what becomes of the connection.
    #[must_use]
    pub const fn connection(mut self, connection: Persistence) -> Self {
        self.fields.connection = connection;
        self
    }

    /// Sets `Upgrade`, and with it the connection option that it needs (RFC 9110 §7.8).
    #[must_use]
    pub const fn upgrade(mut self, protocols: HeaderValue<'a>) -> Self {
        self.fields.upgrade = Some(protocols);
        self
    }

    /// Appends head and body to `out`. [`Body::Empty`] adds no framing, except for the methods
    /// that are expected to have content (RFC 9110 §8.6).
    pub fn write(&self, body: Body<'_>, out: &mut Vec<u8>) {
        // [rfc9112:3.2-client-sends-host]
        for part in
            [self.method.as_str(), " ", self.target, " HTTP/1.1\r\nHost: ", self.host, "\r\n"]
        {
            out.extend_from_slice(part.as_bytes());
        }
        self.fields.write(self.fields.connection, out);
        match body {
            Body::Empty if matches!(self.method, Method::POST | Method::PUT | Method::PATCH) => {
                end_with_length(0, out);
            }
            Body::Empty => out.extend_from_slice(b"\r\n"),
            Body::Length(length) => end_with_length(length, out),
            Body::Chunked => end_with_chunked(out),
            Body::Bytes(bytes) => {
                end_with_length(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// Shows neither query nor values: they hold credentials.
impl fmt::Debug for RequestWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestWriter")
            .field("method", &self.method)
            .field("target", &target::parse(self.method, self.target))
            .field("host", &self.host)
            .field("fields", &self.fields)
            .finish()
    }
}

/// The header lines that do not depend on the body.
#[derive(Clone, Debug)]
struct Fields<'a> {
    /// In place: the plainest answer to an opening handshake has no other.
    first: Option<(HeaderName<'a>, HeaderValue<'a>)>,
    others: Vec<(HeaderName<'a>, HeaderValue<'a>)>,
    connection: Persistence,
    upgrade: Option<HeaderValue<'a>>,
    date: Option<Date>,
}

impl<'a> Fields<'a> {
    const fn new() -> Self {
        let connection = Persistence::Persist;
        Self { first: None, others: Vec::new(), connection, upgrade: None, date: None }
    }

    fn add(&mut self, name: HeaderName<'a>, value: HeaderValue<'a>) {
        match self.first {
            None => self.first = Some((name, value)),
            Some(_) => self.others.push((name, value)),
        }
    }

    fn write(&self, connection: Persistence, out: &mut Vec<u8>) {
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

fn push_line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

fn end_with_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    push_decimal(length, out);
    out.extend_from_slice(b"\r\n\r\n");
}

fn end_with_chunked(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
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
