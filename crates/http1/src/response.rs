//! The head of a response, parsed strictly when it is complete, for clients.

use core::fmt;

use sockeye_http::{Headers, Status};

use crate::{
    Error, HeadEnd, HeaderStorage, Limits, ResponseFraming, Version, framing, lines, request,
};

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
        let (StatusLine { version, code, reason }, fields) = StatusLine::split(head)?;
        let headers = lines::parse(fields, head_end.headers(), storage)?;
        let status = Status::new(code).ok_or(Error::StatusLine)?;
        let framing = framing::of_response(headers, version)?;
        Ok(Self { version, status, reason, headers, framing })
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

    /// Returns whether the server lets the connection stay open (RFC 9112 §9.3). A body that lasts until
    /// the close ends the connection all the same.
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

/// The parts of a status line, each of the right shape (RFC 9112 §4).
struct StatusLine<'b> {
    version: Version,
    code: u16,
    reason: &'b str,
}

impl<'b> StatusLine<'b> {
    /// Takes the status line off a complete head; also gives the header lines behind it.
    fn split(head: &'b [u8]) -> Result<(Self, &'b [u8]), Error> {
        let (line, fields) = lines::split_first(head)?;
        let (version, rest) = match line.split_first_chunk() {
            Some((b"HTTP/1.0 ", rest)) => (Version::Http10, rest),
            Some((b"HTTP/1.1 ", rest)) => (Version::Http11, rest),
            Some(_) | None => return Err(Error::Version),
        };
        let Some((digits @ [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'], rest)) =
            rest.split_first_chunk()
        else {
            return Err(Error::StatusLine);
        };
        let [hundreds, tens, ones] = digits.map(|digit| u16::from(digit.wrapping_sub(b'0')));
        let code = hundreds.wrapping_mul(100).wrapping_add(tens.wrapping_mul(10));
        let reason = match rest {
            [] => "",
            [b' ', reason @ ..] if reason.is_ascii() => core::str::from_utf8(reason).unwrap_or(""),
            [b' ', ..] => "",
            [_, ..] => return Err(Error::StatusLine),
        };
        Ok((Self { version, code: code.wrapping_add(ones), reason }, fields))
    }
}
