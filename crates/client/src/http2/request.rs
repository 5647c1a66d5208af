//! Makes the head of an HTTP/2 request of one in the form of HTTP/1.1.

use sockeye_handshake::accept_key;
use sockeye_http::{HeaderName, HeaderValue, Headers, Method};
use sockeye_http1::{BodyFraming, HeadEnd, HeaderStorage, Limits, RequestHead};
use sockeye_http2::{FieldBlock, RequestLine};

/// The machines' own heads are taken whatever their size.
const OWN: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.head_bytes_max = usize::MAX;
    limits.headers_max = sockeye_http1::HEADERS_MAX;
    limits.line_bytes_max = usize::MAX;
    limits.target_bytes_max = usize::MAX;
    limits
};
/// Fields that say something of a connection of HTTP/1.1 only (RFC 9113 §8.2.2), or that the target says.
const OF_HTTP1: [&str; 7] =
    ["host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"];

/// The part of a request behind its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// So many bytes.
    Length(u64),
    /// Bytes in both directions, once the server has agreed: a WebSocket. Its answer needs this `Sec-WebSocket-Accept`.
    Tunnel([u8; 28]),
}

/// A request, ready to be sent on a stream.
pub(super) struct Request<'r> {
    pub(super) line: RequestLine<'r>,
    pub(super) fields: FieldBlock,
    pub(super) content: Content,
}

/// Why a request cannot be sent on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Its head is not complete.
    Incomplete,
    /// HTTP/2 has no form for it.
    NoForm,
}

/// Reads the head of a request in front of `bytes`, and hands it to `take` with its length.
pub(super) fn read<R>(
    bytes: &[u8],
    scheme: &str,
    take: impl FnOnce(&Request<'_>, usize) -> R,
) -> Result<R, Unfit> {
    let found = HeadEnd::new().find(bytes, &OWN).map_err(|_| Unfit::NoForm)?;
    let len = found.ok_or(Unfit::Incomplete)?;
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(&bytes[..len], &mut storage, &OWN).map_err(|_| Unfit::NoForm)?;
    let headers = head.headers();
    let authority = headers.single("host").ok().flatten().ok_or(Unfit::NoForm)?;
    let is_socket = headers.has_token("upgrade", "websocket");
    let content = match head.body() {
        BodyFraming::None if is_socket => {
            let key = headers.single_bytes("sec-websocket-key").ok().flatten();
            Content::Tunnel(accept_key(key.ok_or(Unfit::NoForm)?))
        }
        BodyFraming::None => Content::Length(0),
        BodyFraming::Length(len) => Content::Length(len),
        BodyFraming::Chunked => return Err(Unfit::NoForm),
    };
    let path = match head.query() {
        Some(query) => format!("{}?{query}", head.path()),
        None => head.path().to_owned(),
    };
    let line = RequestLine {
        method: if is_socket { Method::CONNECT } else { head.method() },
        scheme,
        authority,
        path: &path,
        protocol: is_socket.then_some("websocket"),
    };
    let request = Request { line, fields: fields(headers, is_socket)?, content };
    Ok(take(&request, len))
}

fn fields(headers: Headers<'_, '_>, is_socket: bool) -> Result<FieldBlock, Unfit> {
    let mut block = FieldBlock::new();
    for (name, value) in headers.iter() {
        let is = |other: &&str| name.eq_ignore_ascii_case(other);
        if OF_HTTP1.iter().any(is) || is_socket && is(&"sec-websocket-key") {
            continue;
        }
        if is(&"content-length") {
            let digits = core::str::from_utf8(value).ok().and_then(|it| it.parse().ok());
            block = block.content_length(digits.ok_or(Unfit::NoForm)?);
            continue;
        }
        let name = HeaderName::new(name).map_err(|_| Unfit::NoForm)?;
        block = block.field(name, HeaderValue::from_bytes(value).map_err(|_| Unfit::NoForm)?);
    }
    Ok(block)
}
