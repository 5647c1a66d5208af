//! The refusals of the opening handshake, and the response of each (RFC 6455 §4.2.1, §4.2.2; RFC 9110 §15.5).

use crate::fields;
use alloc::vec::Vec;
use core::fmt;
use sockeye_http::{Date, HeaderName, HeaderValue, Status};
use sockeye_http1::{Body, Persistence, Response};

const ALLOW: HeaderName<'_> = HeaderName::from_static("Allow");
const GET: HeaderValue<'_> = HeaderValue::from_static("GET");
const CONTENT_TYPE: HeaderName<'_> = HeaderName::from_static("Content-Type");
const PLAIN_TEXT: HeaderValue<'_> = HeaderValue::from_static("text/plain; charset=utf-8");

/// Why a request does not open a WebSocket connection: the clause that it does not meet.
///
/// Each has one answer, fixed to the last byte: nothing that the client sent is repeated in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reject {
    /// The method is not `GET`. 405.
    Method,
    /// The method is `HEAD`. 405, and no content follows the head (RFC 9110 §9.3.2).
    MethodHead,
    /// HTTP/1.0, where `Upgrade` has no effect. 426, as for any request that does not upgrade.
    HttpVersion,
    /// `Upgrade` does not name `websocket`. 426.
    Upgrade,
    /// `Connection` does not name `upgrade`. 426.
    Connection,
    /// The request has content. 400.
    Content,
    /// `Sec-WebSocket-Version` is missing, repeated, or no number from 0 to 255. 400.
    Version,
    /// `Sec-WebSocket-Version` is well-formed and not 13. 426.
    VersionUnsupported,
    /// `Origin` is repeated, or not ASCII. 400.
    Origin,
    /// `Origin` is none that the policy allows. 403.
    OriginForbidden,
    /// `Sec-WebSocket-Protocol` is no list of distinct tokens, or has more than 32. 400.
    Subprotocols,
    /// `Sec-WebSocket-Extensions` is malformed, or over the limits of
    /// [`Extensions::parse`](crate::Extensions::parse). 400.
    Extensions,
    /// `Sec-WebSocket-Key` is missing, repeated, or not 16 bytes in base64. 400.
    Key,
}

impl Reject {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Method | Self::MethodHead => Status::METHOD_NOT_ALLOWED,
            Self::HttpVersion | Self::Upgrade | Self::Connection | Self::VersionUnsupported => {
                Status::UPGRADE_REQUIRED
            }
            Self::OriginForbidden => Status::FORBIDDEN,
            Self::Content
            | Self::Version
            | Self::Origin
            | Self::Subprotocols
            | Self::Extensions
            | Self::Key => Status::BAD_REQUEST,
        }
    }

    /// Appends the whole response. The connection is to be closed behind it, as it says.
    ///
    /// `date` is the present, which a server with a clock must state (RFC 9110 §6.6.1).
    ///
    /// # RFC
    ///
    /// RFC 6455 §4.2.2 (4), RFC 9110 §15.5.
    pub fn write_response(self, date: Option<Date>, out: &mut Vec<u8>) {
        let text = self.text().as_bytes();
        self.write_worded_response(date, &[(CONTENT_TYPE, PLAIN_TEXT)], text, out);
    }

    /// The same in other words: `headers` describe `body`, and stand behind what the refusal is
    /// incomplete without.
    pub fn write_worded_response(
        self,
        date: Option<Date>,
        headers: &[(HeaderName<'_>, HeaderValue<'_>)],
        body: &[u8],
        out: &mut Vec<u8>,
    ) {
        let mut response = Response::new(self.status()).connection(Persistence::Close);
        if let Some(date) = date {
            response = response.date(date);
        }
        let response = headers
            .iter()
            .fold(self.add_required(response), |to, (name, value)| to.header(*name, *value));
        // [rfc9110:9.3.2-head-without-content]
        let body = if self == Self::MethodHead {
            Body::Length(body.len() as u64)
        } else {
            Body::Bytes(body)
        };
        response.write(body, out);
    }

    /// Adds the headers that the answer is incomplete without.
    fn add_required<'a>(self, response: Response<'a>) -> Response<'a> {
        match self {
            // [rfc9110:15.5.6-allow]
            Self::Method | Self::MethodHead => response.header(ALLOW, GET),
            // [rfc9110:15.5.22-upgrade]
            Self::HttpVersion | Self::Upgrade | Self::Connection => {
                response.upgrade(fields::WEBSOCKET)
            }
            // [rfc6455:4.2.2-version-header]
            Self::VersionUnsupported => {
                response.upgrade(fields::WEBSOCKET).header(fields::VERSION, fields::VERSION_13)
            }
            // [rfc6455:4.2.2-version-header]: a version that cannot be read is not ours either.
            Self::Version => response.header(fields::VERSION, fields::VERSION_13),
            Self::Content
            | Self::Origin
            | Self::OriginForbidden
            | Self::Subprotocols
            | Self::Extensions
            | Self::Key => response,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Method | Self::MethodHead => "A WebSocket connection is opened with GET.",
            Self::HttpVersion => "A WebSocket connection is opened over HTTP/1.1.",
            Self::Upgrade => "A WebSocket endpoint: Upgrade must name websocket.",
            Self::Connection => "A WebSocket endpoint: Connection must name upgrade.",
            Self::Content => "A request that upgrades to WebSocket has no content.",
            Self::Version => "Sec-WebSocket-Version must be one number from 0 to 255.",
            Self::VersionUnsupported => "The WebSocket version spoken here is 13.",
            Self::Origin => "Origin must be one ASCII value.",
            Self::OriginForbidden => "Connections from this origin are not allowed.",
            Self::Subprotocols => "Sec-WebSocket-Protocol must be a list of a few distinct tokens.",
            Self::Extensions => "Sec-WebSocket-Extensions is malformed.",
            Self::Key => "Sec-WebSocket-Key must be one base64 value of 16 bytes.",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Reject {}
