//! The server's side: one decision about a request head, and the answer that accepts
//! (RFC 6455 §4.2).

use crate::extension::Extensions;
use crate::origin::Origins;
use crate::reject::Reject;
use crate::{UsageError, fields, key, subprotocol, version};
use alloc::vec::Vec;
use sockeye_http::{self as http, HeaderName, HeaderValue, Headers, Method, Status};
use sockeye_http1::{Body, BodyFraming, RequestHead, Response, Version};

/// What a server agrees to, beyond the protocol itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy<'p> {
    /// The subprotocols spoken here, the preferred one first: the first that the client offered,
    /// too, is chosen. If it offered none of them the connection is made without a subprotocol.
    pub subprotocols: &'p [&'p str],
    /// The web pages that may connect.
    pub origins: Origins<'p>,
}

/// No subprotocols, and pages of the same host only.
impl Default for Policy<'_> {
    fn default() -> Self {
        Self { subprotocols: &[], origins: Origins::SameHost }
    }
}

/// Decides whether a request opens a WebSocket connection.
///
/// The head is already a valid HTTP request with exactly one valid `Host`: `sockeye-http1` sees
/// to that. Extensions are only read here; the caller picks among [`Accept::offers`].
///
/// # Errors
///
/// The first clause that the request does not meet, in this order: method, version of HTTP,
/// `Upgrade`, `Connection`, content, `Sec-WebSocket-Version`, `Origin`,
/// `Sec-WebSocket-Protocol`, `Sec-WebSocket-Extensions`, `Sec-WebSocket-Key`.
/// [`Reject::write_response`] answers the client exactly.
///
/// # RFC
///
/// RFC 6455 §4.2.1, §4.2.2.
pub fn decide<'b>(head: &RequestHead<'_, 'b>, policy: &Policy<'_>) -> Result<Accept<'b>, Reject> {
    let has_content = match head.body() {
        BodyFraming::None | BodyFraming::Length(0) => false,
        BodyFraming::Length(_) | BodyFraming::Chunked => true,
    };
    decide_on(head, head.version(), has_content, policy)
}

/// Decides as [`decide`] does, on a request that the HTTP/1 server of somebody else has read.
///
/// That server has to see to the validity of the request: one `Host`, and content that is delimited without doubt.
///
/// # Errors
///
/// As [`decide`].
///
/// # Examples
///
/// ```
/// use sockeye_handshake::{Policy, Reject, decide_parts};
/// use sockeye_http::{HeaderLine, Headers, Method, RequestHead, Target};
/// use sockeye_http1::Version;
///
/// let lines = [HeaderLine { name: b"Upgrade", value: b"h2c" }];
/// let target = Target::origin("/chat").unwrap().with_host(Some("hub.example"));
/// let head = RequestHead::new(Method::GET, target, Headers::new(&lines));
/// let decision = decide_parts(&head, Version::Http11, &Policy::default());
/// assert_eq!(decision.err(), Some(Reject::Upgrade));
/// ```
pub fn decide_parts<'b>(
    head: &http::RequestHead<'_, 'b>,
    version: Version,
    policy: &Policy<'_>,
) -> Result<Accept<'b>, Reject> {
    let headers = head.headers();
    let mut lengths = headers.all("Content-Length");
    let has_content = headers.contains("Transfer-Encoding")
        || lengths.any(|len| len.iter().any(|&digit| digit != b'0'));
    decide_on(head, version, has_content, policy)
}

fn decide_on<'b>(
    head: &http::RequestHead<'_, 'b>,
    version: Version,
    has_content: bool,
    policy: &Policy<'_>,
) -> Result<Accept<'b>, Reject> {
    check_method(head.method())?;
    check_upgrade(head.headers(), version)?;
    // [rfc9112:6-upgrade-without-content]: RFC 6455 knows no content here. Were it skipped or
    // read as frames, a proxy and we could disagree about where the frames begin.
    if has_content {
        return Err(Reject::Content);
    }
    let terms = Terms::negotiate(head, policy)?;
    Ok(Accept { accept_key: accept_key(head.headers())?, terms })
}

/// Decides whether an extended CONNECT request with `:protocol` `websocket` opens a WebSocket connection
/// (RFC 8441 §5). The request needs no key, `Upgrade` or `Connection`; a client that sends them is not
/// refused.
///
/// # Errors
///
/// As [`decide`], for `Sec-WebSocket-Version`, `Origin`, `Sec-WebSocket-Protocol` and
/// `Sec-WebSocket-Extensions`.
pub fn decide_connect<'b>(
    head: &http::RequestHead<'_, 'b>,
    policy: &Policy<'_>,
) -> Result<Terms<'b>, Reject> {
    Terms::negotiate(head, policy)
}

/// A request that opens a WebSocket connection, and the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept<'b> {
    accept_key: [u8; 28],
    terms: Terms<'b>,
}

/// The names of the fields in which an answer says what was agreed.
impl Terms<'_> {
    /// `Sec-WebSocket-Protocol`: the subprotocol.
    pub const PROTOCOL: HeaderName<'static> = fields::PROTOCOL;
    /// `Sec-WebSocket-Extensions`: the extensions.
    pub const EXTENSIONS: HeaderName<'static> = fields::EXTENSIONS;
}

impl<'b> Accept<'b> {
    /// The value of `Sec-WebSocket-Accept`, for an answer that somebody else writes.
    #[must_use]
    pub const fn key(&self) -> &[u8; 28] {
        &self.accept_key
    }

    /// The subprotocol chosen by [`Policy::subprotocols`].
    #[must_use]
    pub const fn subprotocol(&self) -> Option<&'b str> {
        self.terms.subprotocol
    }

    /// The extensions that the client offers, in its order of preference.
    #[must_use]
    pub const fn offers(&self) -> &Extensions {
        &self.terms.offers
    }

    /// Appends the response that completes the handshake.
    ///
    /// `extensions` are those the server agrees to, with their agreed parameters and in the order
    /// of use; the empty list writes no header. `headers` are the application's own, a cookie for
    /// example. The response has no content: behind it begin the frames.
    ///
    /// # Errors
    ///
    /// [`UsageError::ExtensionNotOffered`], or [`UsageError::HeaderReserved`] for a header whose
    /// name begins with `Sec-WebSocket-`; `out` is untouched then.
    ///
    /// # RFC
    ///
    /// RFC 6455 §4.2.2 (5).
    pub fn write_response(
        &self,
        extensions: &Extensions,
        headers: &[(HeaderName<'_>, HeaderValue<'_>)],
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        // [rfc6455:9.1-accept-offered]
        let offered = |name: &str| self.terms.offers.contains(name);
        if !extensions.is_empty() && !extensions.iter().all(|it| offered(it.name())) {
            return Err(UsageError::ExtensionNotOffered);
        }
        fields::check_application(headers)?;
        // [rfc6455:4.2.2-response-101]
        let mut response = Response::new(Status::SWITCHING_PROTOCOLS)
            .upgrade(fields::WEBSOCKET)
            .header(fields::ACCEPT, HeaderValue::from_bytes(&self.accept_key)?);
        // [rfc6455:4.2.2-subprotocol-offered]: one line or none, never an empty one.
        if let Some(subprotocol) = self.terms.subprotocol {
            response = response.header(fields::PROTOCOL, HeaderValue::new(subprotocol)?);
        }
        if !extensions.is_empty() {
            response = response.header(fields::EXTENSIONS, HeaderValue::new(extensions.as_str())?);
        }
        let response = headers.iter().fold(response, |to, &(name, value)| to.header(name, value));
        response.write(Body::Empty, out);
        Ok(())
    }
}

/// What is agreed whichever way the connection is opened.
///
/// It is decided from the head as every version of HTTP gives it: an extended CONNECT
/// (RFC 8441 §5) has neither method `GET` nor `Upgrade`, key or answer to it, but the same version,
/// origin, subprotocols and extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms<'b> {
    subprotocol: Option<&'b str>,
    offers: Extensions,
}

impl<'b> Terms<'b> {
    /// The subprotocol chosen by [`Policy::subprotocols`].
    #[must_use]
    pub const fn subprotocol(&self) -> Option<&'b str> {
        self.subprotocol
    }

    /// The extensions that the client offers, in its order of preference.
    #[must_use]
    pub const fn offers(&self) -> &Extensions {
        &self.offers
    }

    fn negotiate(head: &http::RequestHead<'_, 'b>, policy: &Policy<'_>) -> Result<Self, Reject> {
        let headers = head.headers();
        check_version(headers)?;
        check_origin(headers, head.authority(), policy.origins)?;
        // [rfc6455:11.3.4-lines-join]
        let offered = subprotocol::parse(headers.elements("Sec-WebSocket-Protocol"))
            .ok_or(Reject::Subprotocols)?;
        // [rfc6455:11.3.2-lines-join]
        let offers = Extensions::parse(headers.all("Sec-WebSocket-Extensions"))
            .map_err(|_| Reject::Extensions)?;
        Ok(Self { subprotocol: subprotocol::choose(&offered, policy.subprotocols), offers })
    }
}

fn check_method(method: Method<'_>) -> Result<(), Reject> {
    // [rfc6455:4.2.1-method]: methods are case-sensitive.
    match method {
        Method::GET => Ok(()),
        Method::HEAD => Err(Reject::MethodHead),
        _ => Err(Reject::Method),
    }
}

fn check_upgrade(headers: Headers<'_, '_>, version: Version) -> Result<(), Reject> {
    // [rfc9110:7.8-http10-upgrade-ignored]: what is left is a request that upgrades nothing.
    // [rfc6455:4.2.1-http-version]
    match version {
        Version::Http10 => return Err(Reject::HttpVersion),
        Version::Http11 => {}
    }
    // [rfc6455:4.2.1-upgrade]: one of the protocols in the list (RFC 9110 §7.8), without a
    // version: `websocket/13` is another protocol.
    if !headers.has_token("Upgrade", "websocket") {
        return Err(Reject::Upgrade);
    }
    // [rfc6455:4.2.1-connection]: a whole element of the list over all lines.
    if !headers.has_token("Connection", "Upgrade") {
        return Err(Reject::Connection);
    }
    Ok(())
}

fn check_version(headers: Headers<'_, '_>) -> Result<(), Reject> {
    // [rfc6455:4.2.1-version] [rfc6455:11.3.5-version-once]: missing, repeated and malformed alike.
    let value = headers.single_bytes("Sec-WebSocket-Version").ok().flatten();
    match value.and_then(version::parse) {
        Some(version::SUPPORTED) => Ok(()),
        // [rfc6455:4.2.2-version-unsupported]
        Some(_) => Err(Reject::VersionUnsupported),
        None => Err(Reject::Version),
    }
}

fn check_origin(
    headers: Headers<'_, '_>,
    host: Option<&str>,
    origins: Origins<'_>,
) -> Result<(), Reject> {
    // [rfc6454:7.3-origin-once]
    match headers.single("Origin").map_err(|_| Reject::Origin)? {
        Some(origin) if !origins.allow(origin, host) => Err(Reject::OriginForbidden),
        Some(_) | None => Ok(()),
    }
}

fn accept_key(headers: Headers<'_, '_>) -> Result<[u8; 28], Reject> {
    // [rfc6455:11.3.1-key-once]
    match headers.single_bytes("Sec-WebSocket-Key") {
        Ok(Some(key)) if key::is_valid(key) => Ok(key::accept_key(key)),
        Ok(_) | Err(_) => Err(Reject::Key),
    }
}
