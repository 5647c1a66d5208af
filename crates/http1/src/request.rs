//! The head of a request, parsed strictly when it is complete.

use core::fmt;
use core::ops::Deref;

use sockeye_http::{self as http, Headers, Method, is_authority};

use crate::{
    BodyFraming, Error, HeadEnd, HeaderStorage, Limits, Persistence, ScannedHead, framing, lines,
    target,
};

/// The protocol version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, or a higher minor version, which means the same to us (RFC 9110 §2.5).
    Http11,
}

impl Version {
    /// [rfc9112:2.3-version] RFC 9110 §2.5: a minor version above 1 is taken for 1.1, the highest
    /// that we know of this major version.
    fn parse(text: &[u8]) -> Result<Self, Error> {
        match text {
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Self::Http11),
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Error::Version),
            _ => Err(Error::RequestLine),
        }
    }
}

/// The head of an HTTP/1.1 request that has passed every check of RFC 9112 which needs no knowledge of
/// the application. An ambiguous head is never parsed into this type.
///
/// It derefs to a [`sockeye_http::RequestHead`]. Beside that it has the facts that only HTTP/1.1 states:
/// the version, how the body is delimited, whether the connection persists.
///
/// It borrows from the received bytes (`'b`) and from the storage (`'h`); nothing is copied.
///
/// # Examples
/// ```
/// use sockeye_http::Method;
/// use sockeye_http1::{BodyFraming, HeaderStorage, Limits, RequestHead};
/// let head = b"GET /chat?room=1 HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n\r\n";
/// let mut storage = HeaderStorage::new();
/// let request = RequestHead::parse(head, &mut storage, &Limits::DEFAULT)?;
/// assert_eq!((request.method(), request.path()), (Method::GET, "/chat"));
/// assert_eq!(request.query(), Some("room=1"));
/// assert!(request.headers().has_token("connection", "upgrade"));
/// assert_eq!(request.body(), BodyFraming::None);
/// # Ok::<(), sockeye_http1::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'h, 'b> {
    head: http::RequestHead<'h, 'b>,
    version: Version,
    body: BodyFraming,
    expect_continue: bool,
}

impl<'h, 'b> RequestHead<'h, 'b> {
    /// Parses a complete head: the bytes up to the end that [`HeadEnd::find`] returned.
    ///
    /// The bytes are scanned by [`HeadEnd`] once more, so that no order of calls can get an
    /// unchecked head parsed.
    ///
    /// # Errors
    /// The first rule that the head breaks; [`Error::status`] is the answer.
    pub fn parse(
        head: &'b [u8],
        storage: &'h mut HeaderStorage<'b>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        match HeadEnd::new().find_request(head, limits)? {
            Some(scanned) if scanned.len() == head.len() => Self::of(scanned, storage, limits),
            Some(_) | None => Err(Error::HeadBoundary),
        }
    }

    /// Parses a head that [`HeadEnd::find_request`] has found.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn of(
        head: ScannedHead<'b>,
        storage: &'h mut HeaderStorage<'b>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let (RequestLine { method, target, version }, fields) = RequestLine::split(head.bytes)?;
        let headers = lines::parse(fields, head.headers, storage)?;
        // [rfc9112:3-target-too-long]
        if target.len() > limits.target_bytes_max {
            return Err(Error::TargetTooLong);
        }
        let target = target::parse(method, target).ok_or(Error::Target)?;
        let host = check_host(headers, version)?;
        let body = framing::of_request(headers, version)?;
        let expect_continue = check_expect(headers, version, body)?;
        let head = http::RequestHead::new(method, target.with_host(host), headers);
        Ok(Self { head, version, body, expect_continue })
    }

    /// Returns the version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns how the body is delimited. Whether its length is welcome is for the caller to say.
    #[must_use]
    pub const fn body(&self) -> BodyFraming {
        self.body
    }

    /// Returns whether the client waits for `100 Continue` before it sends the body.
    #[must_use]
    pub const fn expect_continue(&self) -> bool {
        self.expect_continue
    }

    /// Returns whether the client wants the connection to stay open (RFC 9112 §9.3).
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        keep_alive(self.headers(), self.version)
    }

    /// Returns the connection option to answer with, if we want the connection to stay open too.
    #[must_use]
    pub fn connection(&self) -> Persistence {
        match (self.keep_alive(), self.version) {
            (false, Version::Http10 | Version::Http11) => Persistence::Close,
            (true, Version::Http11) => Persistence::Persist,
            (true, Version::Http10) => Persistence::KeepAlive,
        }
    }
}

/// The part of a request that every version of HTTP has.
impl<'h, 'b> Deref for RequestHead<'h, 'b> {
    type Target = http::RequestHead<'h, 'b>;

    fn deref(&self) -> &Self::Target {
        &self.head
    }
}

/// Shows neither query nor values: they hold credentials.
impl fmt::Debug for RequestHead<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("head", &self.head)
            .field("version", &self.version)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Decides persistence: `close` wins, then the version decides, then `keep-alive` on HTTP/1.0.
pub(crate) fn keep_alive(headers: Headers<'_, '_>, version: Version) -> bool {
    // [rfc9112:9.3-close]
    if headers.has_token("Connection", "close") {
        return false;
    }
    match version {
        Version::Http11 => true,
        Version::Http10 => headers.has_token("Connection", "keep-alive"),
    }
}

/// Checks that there is exactly one valid `Host`; HTTP/1.0 may do without.
fn check_host<'b>(headers: Headers<'_, 'b>, version: Version) -> Result<Option<&'b str>, Error> {
    // Two lines are refused even if the target is in absolute form, and even if both are equal.
    // [rfc9112:3.2-one-host]
    let host = headers.single_bytes("Host").map_err(|_| Error::HostRepeated)?;
    match (host, version) {
        (None, Version::Http10) => Ok(None),
        // [rfc9112:3.2-host-missing]
        (None, Version::Http11) => Err(Error::HostMissing),
        // [rfc9112:3.2-host-valid]
        (Some(host), Version::Http10 | Version::Http11) => core::str::from_utf8(host)
            .ok()
            .filter(|host| is_authority(host))
            .map(Some)
            .ok_or(Error::HostInvalid),
    }
}

/// Returns whether `100 Continue` is awaited; it is not by HTTP/1.0, nor without a body.
/// An unknown expectation is refused whatever the version.
fn check_expect(
    headers: Headers<'_, '_>,
    version: Version,
    body: BodyFraming,
) -> Result<bool, Error> {
    let mut expected = false;
    if !headers.contains("Expect") {
        return Ok(false);
    }
    for expectation in headers.elements("Expect") {
        // [rfc9110:10.1.1-unknown-expectation]
        if !expectation.eq_ignore_ascii_case(b"100-continue") {
            return Err(Error::Expectation);
        }
        expected = true;
    }
    let has_body = !matches!(body, BodyFraming::None | BodyFraming::Length(0));
    // [rfc9110:10.1.1-not-http10]
    Ok(expected && has_body && version == Version::Http11)
}

/// The parts of a request line, each of the right shape (RFC 9112 §3).
struct RequestLine<'b> {
    method: Method<'b>,
    target: &'b str,
    version: Version,
}

impl<'b> RequestLine<'b> {
    /// Takes the request line off a complete head; also gives the header lines behind it.
    fn split(head: &'b [u8]) -> Result<(Self, &'b [u8]), Error> {
        let (line, fields) = lines::split_first(head.strip_prefix(b"\r\n").unwrap_or(head))?;
        // [rfc9112:3-request-line] Three parts with one space between each two. A version holds no space.
        let (method, rest) = split_at_space(line).ok_or(Error::RequestLine)?;
        let (target, version) = split_at_space(rest).ok_or(Error::RequestLine)?;
        let method = Method::from_bytes(method).ok_or(Error::RequestLine)?;
        if target.is_empty() {
            return Err(Error::RequestLine);
        }
        let version = Version::parse(version)?;
        let target = core::str::from_utf8(target).map_err(|_| Error::Target)?;
        Ok((Self { method, target, version }, fields))
    }
}

/// Returns what stands before the first space, and what behind it.
fn split_at_space(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = line.iter().position(|&byte| byte == b' ')?;
    let (before, from) = line.split_at_checked(len)?;
    Some((before, from.split_first()?.1))
}
