//! The head of a response, parsed strictly when it is complete, for clients.

use core::fmt;

use sockeye_http::{Headers, Status};

use crate::{Error, HeadEnd, HeaderStorage, Limits, ResponseFraming, Version, framing, request};

/// The head of a response.
///
/// # RFC
/// RFC 9112 §4.
/// Deviation: the space after the status code may be missing if no reason phrase follows it. Many
/// servers leave it out, and no two readings of such a line exist.
/// Deviation: a minor version above 1 is refused, although RFC 9110 §2.5 would take it for 1.1, as
/// a [`RequestHead`](crate::RequestHead) does: no server sends one.
///
/// # Examples
/// ```
/// use sockeye_http::Status;
/// use sockeye_http1::{HeaderStorage, Limits, ResponseFraming, ResponseHead};
/// let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
/// let mut storage = HeaderStorage::new();
/// let response = ResponseHead::parse(head, &mut storage, &Limits::DEFAULT)?;
/// assert_eq!(response.status(), Status::OK);
/// assert_eq!(response.body("GET"), ResponseFraming::Length(5));
/// assert_eq!(response.body("HEAD"), ResponseFraming::None);
/// # Ok::<(), sockeye_http1::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct ResponseHead<'h, 'b> {
    version: Version,
    status: Status,
    reason: &'b str,
    headers: Headers<'h, 'b>,
    framing: ResponseFraming,
}

impl<'h, 'b> ResponseHead<'h, 'b> {
    /// Parses a complete head: the bytes up to the end that [`HeadEnd::find`] returned, on a
    /// scanner made by [`HeadEnd::for_response`].
    ///
    /// # Errors
    /// The first rule that the head breaks. The connection cannot be used any further.
    pub fn parse(
        head: &'b [u8],
        storage: &'h mut HeaderStorage<'b>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut head_end = HeadEnd::for_response();
        if head_end.find(head, limits)? != Some(head.len()) {
            return Err(Error::HeadBoundary);
        }
        let (headers, line) = storage.fill(head_end.headers(), |slots| {
            let mut response = httparse::Response::new(slots);
            let complete = response.parse(head).map_err(from_httparse)?.is_complete();
            let line = complete.then_some((response.version, response.code, response.reason));
            Ok((response.headers.len(), line))
        })?;
        let Some((Some(minor), Some(code), reason)) = line else {
            return Err(Error::HeadBoundary);
        };
        let version = Version::from_minor(minor);
        let status = Status::new(code).ok_or(Error::StatusLine)?;
        let framing = framing::of_response(headers, version)?;
        Ok(Self { version, status, reason: reason.unwrap_or(""), headers, framing })
    }

    /// Returns the version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the status code.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Returns the reason phrase; empty if there is none or it is not ASCII. It means nothing.
    #[must_use]
    pub const fn reason(&self) -> &'b str {
        self.reason
    }

    /// Returns the header lines.
    #[must_use]
    pub const fn headers(&self) -> Headers<'h, 'b> {
        self.headers
    }

    /// Returns how the body is delimited, given the method of the request (RFC 9112 §6.3).
    #[must_use]
    pub fn body(&self, request_method: &str) -> ResponseFraming {
        let tunnel = request_method == "CONNECT" && (200..300).contains(&self.status.code());
        // [rfc9112:6.3-no-body]
        if self.status.is_bodiless() || request_method == "HEAD" || tunnel {
            return ResponseFraming::None;
        }
        self.framing
    }

    /// Returns whether the server lets the connection stay open (RFC 9112 §9.3). After a body
    /// that lasts until the close there is of course nothing to keep.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        request::keep_alive(self.headers, self.version)
    }
}

/// Shows no values: they hold credentials.
impl fmt::Debug for ResponseHead<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("version", &self.version)
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Translates what httparse finds wrong with a response head that is complete.
const fn from_httparse(error: httparse::Error) -> Error {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Error::Header,
        httparse::Error::TooManyHeaders => Error::TooManyHeaders,
        httparse::Error::Version => Error::Version,
        httparse::Error::NewLine | httparse::Error::Status | httparse::Error::Token => {
            Error::StatusLine
        }
    }
}
