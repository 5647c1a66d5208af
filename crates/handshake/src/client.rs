//! The client's side: the request that challenges, and the checks on the answer (RFC 6455 §4.1).

use crate::extension::Extensions;
use crate::{UsageError, fields, key, subprotocol};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sockeye_http::{HeaderName, HeaderValue, Headers, Status};
use sockeye_http1::{Body, RequestWriter, ResponseHead, Version};

static NO_EXTENSIONS: Extensions = Extensions::new();

/// What a client asks for.
///
/// ```
/// use sockeye_handshake::ClientRequest;
///
/// let request = ClientRequest {
///     subprotocols: &["chat.v2", "chat"],
///     ..ClientRequest::new("example.com", "/chat?room=7")
/// };
/// ```
#[derive(Clone, Copy)]
pub struct ClientRequest<'a> {
    /// The server's host, with the port if it is not the default one of the scheme.
    pub host: &'a str,
    /// The path with the query, beginning with a slash. URIs with a fragment have no place here.
    pub target: &'a str,
    /// The origin of the page, for clients that act for one.
    pub origin: Option<&'a str>,
    /// The subprotocols that the client speaks, the preferred one first.
    pub subprotocols: &'a [&'a str],
    /// The extensions that the client offers, the preferred one first.
    pub extensions: &'a Extensions,
    /// The application's own headers: authorization, cookies.
    pub headers: &'a [(HeaderName<'a>, HeaderValue<'a>)],
}

impl<'a> ClientRequest<'a> {
    /// A request for no more than a connection.
    #[must_use]
    pub const fn new(host: &'a str, target: &'a str) -> Self {
        Self {
            host,
            target,
            origin: None,
            subprotocols: &[],
            extensions: &NO_EXTENSIONS,
            headers: &[],
        }
    }

    /// Hands the fields of a CONNECT with `:protocol` `websocket` (RFC 8441 §5) to `add`: version, origin,
    /// subprotocols, extensions and the application's own. Over HTTP/2 a handshake has neither key nor
    /// `Upgrade`.
    ///
    /// # Errors
    ///
    /// A [`UsageError`] if a field of the request cannot stand in a handshake; `add` may have been given others
    /// then.
    pub fn connect_fields(
        &self,
        mut add: impl FnMut(HeaderName<'_>, HeaderValue<'_>),
    ) -> Result<(), UsageError> {
        fields::check_application(self.headers)?;
        // [rfc6455:4.1-version-13]
        add(fields::VERSION, fields::VERSION_13);
        if let Some(origin) = self.origin {
            add(fields::ORIGIN, origin_value(origin)?);
        }
        let subprotocols = subprotocol_list(self.subprotocols)?;
        if !subprotocols.is_empty() {
            add(fields::PROTOCOL, HeaderValue::new(&subprotocols)?);
        }
        if !self.extensions.is_empty() {
            add(fields::EXTENSIONS, HeaderValue::new(self.extensions.as_str())?);
        }
        self.headers.iter().for_each(|&(name, value)| add(name, value));
        Ok(())
    }

    /// Checks the server's answer to a CONNECT with `:protocol` `websocket`: any 2xx opens the WebSocket.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Status`] for another status; the response is then an ordinary one. After every other error
    /// the stream is to be reset.
    ///
    /// # RFC
    ///
    /// RFC 8441 §5, RFC 9113 §8.5.
    pub fn verify_connect<'b>(
        &self,
        status: Status,
        headers: Headers<'_, 'b>,
    ) -> Result<Accepted<'b>, VerifyError> {
        // [rfc8441:5-any-2xx]
        if !(200..300).contains(&status.code()) {
            return Err(VerifyError::Status(status));
        }
        Ok(Accepted {
            subprotocol: accepted_subprotocol(headers, self.subprotocols)?,
            extensions: accepted_extensions(headers, self.extensions)?,
        })
    }
}

/// Shows no query, subprotocols and values: they hold credentials.
impl fmt::Debug for ClientRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("host", &self.host)
            .field("path", &self.target.split('?').next().unwrap_or_default())
            .field("origin", &self.origin)
            .field("subprotocols", &self.subprotocols.len())
            .field("extensions", self.extensions)
            .field("headers", &self.headers)
            .finish()
    }
}

/// One attempt of a client to open a connection: its key, and so the one answer that fits.
///
/// It cannot be copied, because each attempt needs a nonce of its own.
#[derive(PartialEq, Eq)]
pub struct Challenge {
    key: [u8; key::KEY_BYTES],
}

impl Challenge {
    /// Begins an attempt with 16 bytes that were drawn at random for it alone.
    #[must_use]
    pub fn new(nonce: [u8; 16]) -> Self {
        Self { key: key::encode_nonce(nonce) }
    }

    /// Appends the request.
    ///
    /// # Errors
    ///
    /// A [`UsageError`] if a field of the request cannot stand in a handshake; `out` is untouched
    /// then.
    ///
    /// # RFC
    ///
    /// RFC 6455 §4.1.
    pub fn write_request(
        &self,
        request: &ClientRequest<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        // [rfc6455:4.1-request-line] [rfc6455:4.1-request-upgrade]
        let mut writer = RequestWriter::new("GET", request.target, request.host)?
            .upgrade(fields::WEBSOCKET)
            // [rfc6455:4.1-version-13]
            .header(fields::VERSION, fields::VERSION_13)
            .header(fields::KEY, HeaderValue::from_bytes(&self.key)?);
        if let Some(origin) = request.origin {
            writer = writer.header(fields::ORIGIN, origin_value(origin)?);
        }
        let subprotocols = subprotocol_list(request.subprotocols)?;
        if !subprotocols.is_empty() {
            writer = writer.header(fields::PROTOCOL, HeaderValue::new(&subprotocols)?);
        }
        if !request.extensions.is_empty() {
            let extensions = HeaderValue::new(request.extensions.as_str())?;
            writer = writer.header(fields::EXTENSIONS, extensions);
        }
        fields::check_application(request.headers)?;
        let writer =
            request.headers.iter().fold(writer, |to, &(name, value)| to.header(name, value));
        writer.write(Body::Empty, out);
        Ok(())
    }

    /// Checks the server's answer to `request`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Status`] if the server does not switch protocols: the response is then an
    /// ordinary one, a redirect or a demand for credentials perhaps, and the caller's to act
    /// upon; behind an interim one (100, 103) the next head is to be verified. After every other
    /// error the connection is to be closed.
    ///
    /// # RFC
    ///
    /// RFC 6455 §4.1, the client's validation of the server's response.
    pub fn verify<'b>(
        &self,
        head: &ResponseHead<'_, 'b>,
        request: &ClientRequest<'_>,
    ) -> Result<Accepted<'b>, VerifyError> {
        // [rfc6455:4.1-response-status]
        if head.status() != Status::SWITCHING_PROTOCOLS {
            return Err(VerifyError::Status(head.status()));
        }
        let headers = head.headers();
        match head.version() {
            // [rfc6455:4.1-response-version]
            Version::Http10 => return Err(VerifyError::HttpVersion),
            Version::Http11 => {}
        }
        check_upgrade(headers)?;
        self.check_accept(headers)?;
        Ok(Accepted {
            subprotocol: accepted_subprotocol(headers, request.subprotocols)?,
            extensions: accepted_extensions(headers, request.extensions)?,
        })
    }

    fn check_accept(&self, headers: Headers<'_, '_>) -> Result<(), VerifyError> {
        // [rfc6455:11.3.3-accept-once]
        let accept = headers
            .single_bytes("sec-websocket-accept")
            .map_err(|_| VerifyError::AcceptRepeated)?
            // [rfc6455:4.1-response-accept]
            .ok_or(VerifyError::AcceptMissing)?;
        if accept != key::accept_key(&self.key) {
            return Err(VerifyError::AcceptMismatch);
        }
        Ok(())
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").finish_non_exhaustive()
    }
}

/// What client and server agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted<'b> {
    /// The subprotocol, one of those asked for; none if the server chose none.
    pub subprotocol: Option<&'b str>,
    /// The extensions in the order of their use, each by a name that was offered. Whether the
    /// parameters answer the offer is for the extension to say, and whether it may stand twice.
    pub extensions: Extensions,
}

/// Why an answer does not open the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyError {
    /// The server answers with another status than 101, and nothing is wrong with that.
    Status(Status),
    /// The answer is one of HTTP/1.0, which cannot switch protocols.
    HttpVersion,
    /// `Upgrade` is missing, or anything but `websocket` alone.
    Upgrade,
    /// `Connection` does not name `upgrade`.
    Connection,
    /// There is no `Sec-WebSocket-Accept`.
    AcceptMissing,
    /// There is more than one `Sec-WebSocket-Accept`.
    AcceptRepeated,
    /// `Sec-WebSocket-Accept` does not answer our key.
    AcceptMismatch,
    /// There is more than one `Sec-WebSocket-Protocol`.
    SubprotocolRepeated,
    /// The subprotocol is none that was asked for.
    SubprotocolNotRequested,
    /// There is more than one `Sec-WebSocket-Extensions`.
    ExtensionsRepeated,
    /// `Sec-WebSocket-Extensions` is malformed, or over the limits of [`Extensions::parse`].
    ExtensionsMalformed,
    /// An extension is none that was offered.
    ExtensionNotRequested,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "the server answers with status {status}"),
            Self::HttpVersion => "the answer is one of HTTP/1.0",
            Self::Upgrade => "Upgrade is not websocket",
            Self::Connection => "Connection does not name upgrade",
            Self::AcceptMissing => "no Sec-WebSocket-Accept",
            Self::AcceptRepeated => "more than one Sec-WebSocket-Accept",
            Self::AcceptMismatch => "Sec-WebSocket-Accept does not answer the key",
            Self::SubprotocolRepeated => "more than one Sec-WebSocket-Protocol",
            Self::SubprotocolNotRequested => "subprotocol was not requested",
            Self::ExtensionsRepeated => "more than one Sec-WebSocket-Extensions",
            Self::ExtensionsMalformed => "malformed Sec-WebSocket-Extensions",
            Self::ExtensionNotRequested => "extension was not requested",
        })
    }
}

impl core::error::Error for VerifyError {}

/// An origin is `null` or a serialized URI: visible ASCII without a space.
fn origin_value(origin: &str) -> Result<HeaderValue<'_>, UsageError> {
    let is_visible = origin.bytes().all(|byte| byte.is_ascii_graphic());
    if origin.is_empty() || !is_visible {
        return Err(UsageError::Origin);
    }
    Ok(HeaderValue::new(origin)?)
}

/// The subprotocols as one list, held to what a server demands of it.
fn subprotocol_list(names: &[&str]) -> Result<String, UsageError> {
    let parsed = subprotocol::parse(names.iter().map(|name| name.as_bytes()));
    parsed.map(|names| names.join(", ")).ok_or(UsageError::Subprotocols)
}

fn check_upgrade(headers: Headers<'_, '_>) -> Result<(), VerifyError> {
    let mut protocols = headers.elements("upgrade");
    // [rfc6455:4.1-response-upgrade]: the value itself. A second protocol would be one we did not
    // ask for.
    let is_websocket =
        protocols.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    if !is_websocket || protocols.next().is_some() {
        return Err(VerifyError::Upgrade);
    }
    // [rfc6455:4.1-response-connection]: a whole element of the list over all lines.
    if !headers.has_token("connection", "upgrade") {
        return Err(VerifyError::Connection);
    }
    Ok(())
}

fn accepted_subprotocol<'b>(
    headers: Headers<'_, 'b>,
    requested: &[&str],
) -> Result<Option<&'b str>, VerifyError> {
    // [rfc6455:11.3.4-response-once]
    let value = headers
        .single_bytes("sec-websocket-protocol")
        .map_err(|_| VerifyError::SubprotocolRepeated)?;
    let Some(value) = value else { return Ok(None) };
    // [rfc6455:4.1-response-subprotocol]
    let requested = requested.iter().any(|one| one.as_bytes() == value);
    let subprotocol = core::str::from_utf8(value).ok().filter(|_| requested);
    subprotocol.map(Some).ok_or(VerifyError::SubprotocolNotRequested)
}

fn accepted_extensions(
    headers: Headers<'_, '_>,
    requested: &Extensions,
) -> Result<Extensions, VerifyError> {
    // [rfc6455:11.3.2-response-once]: §4.2.2 would permit several lines; §11.3.2 forbids them.
    let value = headers
        .single_bytes("sec-websocket-extensions")
        .map_err(|_| VerifyError::ExtensionsRepeated)?;
    let extensions = Extensions::parse(value).map_err(|_| VerifyError::ExtensionsMalformed)?;
    // [rfc6455:4.1-response-extensions]
    if !extensions.iter().all(|extension| requested.contains(extension.name())) {
        return Err(VerifyError::ExtensionNotRequested);
    }
    Ok(extensions)
}
