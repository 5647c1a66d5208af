//! The ways in which a message is malformed (RFC 9113 §8.1.1).

use core::fmt;

/// A rule for messages that the peer broke. Its stream ends with PROTOCOL_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// A field name that is empty, has an upper-case letter or another byte that no name has.
    Name,
    /// A field value with a control byte, or with whitespace at an end.
    Value,
    /// A field that belongs to a connection of HTTP/1.1.
    ConnectionSpecific,
    /// `te` with another value than `trailers`.
    Te,
    /// A pseudo-field behind another field.
    PseudoLate,
    /// A pseudo-field twice.
    PseudoRepeated,
    /// A pseudo-field that the message may not have.
    PseudoUnknown,
    /// A pseudo-field is missing.
    PseudoMissing,
    /// `:method`, `:scheme` or `:path` has a value that it may not have.
    Target,
    /// `:authority` is no authority, or `host` names another one.
    Authority,
    /// `:protocol` without CONNECT, or from a client that was not told to use it (RFC 8441 §4).
    Protocol,
    /// `:scheme` or `:path` in a CONNECT without `:protocol`; no `:authority` in a CONNECT.
    Connect,
    /// `:status` is no status, or 101.
    Status,
    /// An interim response with END_STREAM.
    InterimEnd,
    /// `content-length` is not one run of digits, or stands twice.
    ContentLength,
    /// The content is not as long as `content-length` says.
    ContentLengthMismatch,
    /// Content in a response that has none.
    Content,
    /// Content before the final head of a response.
    ContentEarly,
    /// Trailers without END_STREAM.
    TrailersOpen,
    /// Trailers on a stream of CONNECT.
    Tunnel,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "invalid field name",
            Self::Value => "invalid field value",
            Self::ConnectionSpecific => "connection-specific field",
            Self::Te => "te with another value than trailers",
            Self::PseudoLate => "pseudo-field behind another field",
            Self::PseudoRepeated => "pseudo-field twice",
            Self::PseudoUnknown => "unknown pseudo-field",
            Self::PseudoMissing => "missing pseudo-field",
            Self::Target => "invalid :method, :scheme or :path",
            Self::Authority => "invalid authority",
            Self::Protocol => ":protocol not allowed",
            Self::Connect => "CONNECT with the wrong pseudo-fields",
            Self::Status => "invalid :status",
            Self::InterimEnd => "interim response with END_STREAM",
            Self::ContentLength => "invalid content-length",
            Self::ContentLengthMismatch => "content of another length than content-length",
            Self::Content => "content in a response that has none",
            Self::ContentEarly => "content before the head of the response",
            Self::TrailersOpen => "trailers without END_STREAM",
            Self::Tunnel => "fields on a tunnel",
        })
    }
}

impl core::error::Error for Malformed {}
