//! The two kinds of mistakes: a wrong header from a peer, and a wrong argument from a caller.

use core::fmt;

/// A received header is repeated, or has a byte that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderError {
    /// A header that may occur once occurs several times.
    Repeated,
    /// A header value that has to be ASCII is not.
    NotAscii,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "a header that may stand once is repeated",
            Self::NotAscii => "a header value is not visible ASCII",
        })
    }
}

impl core::error::Error for HeaderError {}

/// A mistake of the caller: an argument that cannot stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UsageError {
    /// A header name that is not a token.
    HeaderName,
    /// A header name that a caller may not write: [`HeaderName`](crate::HeaderName) lists them.
    HeaderReserved,
    /// A header value with CR, LF, NUL or another control byte, or with whitespace at an end.
    HeaderValue,
    /// A method that is not a token.
    Method,
    /// A request target that is invalid, or that the method does not allow.
    Target,
    /// A host that is not `uri-host [ ":" port ]`.
    Host,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderName => "header name is not a token",
            Self::HeaderReserved => "header is written by the writer itself",
            Self::HeaderValue => "header value cannot stand on the wire",
            Self::Method => "method is not a token",
            Self::Target => "request-target not allowed",
            Self::Host => "invalid host",
        })
    }
}

impl core::error::Error for UsageError {}
