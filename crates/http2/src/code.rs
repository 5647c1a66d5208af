//! Error codes and stream identifiers.

use core::fmt;

/// An error code (RFC 9113 §7): why a stream or a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(u32);

impl ErrorCode {
    /// No error: a graceful end.
    pub const NO_ERROR: Self = Self(0x00);
    /// A violation of the protocol that has no code of its own.
    pub const PROTOCOL_ERROR: Self = Self(0x01);
    /// An internal error of an endpoint.
    pub const INTERNAL_ERROR: Self = Self(0x02);
    /// The peer exceeded a flow-control window.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x03);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x04);
    /// A frame came on a stream that had ended.
    pub const STREAM_CLOSED: Self = Self(0x05);
    /// A frame has an invalid length.
    pub const FRAME_SIZE_ERROR: Self = Self(0x06);
    /// The stream was refused before any of it was processed: the request may be sent again.
    pub const REFUSED_STREAM: Self = Self(0x07);
    /// The stream is not needed any more.
    pub const CANCEL: Self = Self(0x08);
    /// The field compression state is lost.
    pub const COMPRESSION_ERROR: Self = Self(0x09);
    /// The connection behind a CONNECT was reset.
    pub const CONNECT_ERROR: Self = Self(0x0a);
    /// The peer causes more work than this endpoint accepts.
    pub const ENHANCE_YOUR_CALM: Self = Self(0x0b);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: Self = Self(0x0c);
    /// The resource wants HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: Self = Self(0x0d);

    /// Makes a code from its number. Unknown codes have no special meaning (RFC 9113 §7).
    #[must_use]
    pub const fn new(code: u32) -> Self {
        Self(code)
    }

    /// Returns the number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Returns the name in the registry; `None` for an unknown code.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::CANCEL => "CANCEL",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::CONNECT_ERROR => "CONNECT_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
            Self::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
            _ => return None,
        })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A stream's identifier: 31 bits. Clients open odd ones, in increasing order.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u32);

impl StreamId {
    /// The connection itself, in frames that belong to no stream.
    pub const CONNECTION: Self = Self(0);
    /// The greatest identifier.
    pub const MAX: Self = Self(0x7fff_ffff);

    /// Makes an identifier; the reserved bit is ignored, as RFC 9113 §4.1 says.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        // [http2:4.1-reserved-bit]
        Self(id & Self::MAX.0)
    }

    /// Returns the number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Returns whether a client opens streams of this number.
    #[must_use]
    pub const fn is_from_client(self) -> bool {
        self.0 & 1 == 1
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}
