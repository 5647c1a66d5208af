//! The caller's mistakes.

use core::fmt;

/// A mistake of the caller: an argument that cannot stand in a handshake. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UsageError {
    /// A header that the handshake writes itself.
    HeaderReserved,
    /// The server accepts an extension that the client did not offer (RFC 6455 §9.1).
    ExtensionNotOffered,
    /// The subprotocols are not distinct tokens, or are more than 32 (RFC 6455 §4.1 (10)).
    Subprotocols,
    /// The origin is empty, or not visible ASCII.
    Origin,
    /// The host or the request-target, as `sockeye-http1` sees it.
    Http(sockeye_http::UsageError),
}

impl From<sockeye_http::UsageError> for UsageError {
    fn from(error: sockeye_http::UsageError) -> Self {
        Self::Http(error)
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderReserved => f.write_str("header is written by the handshake itself"),
            Self::ExtensionNotOffered => f.write_str("extension was not offered"),
            Self::Subprotocols => f.write_str("subprotocols are not a few distinct tokens"),
            Self::Origin => f.write_str("origin is not visible ASCII"),
            Self::Http(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for UsageError {}
