//! Close codes and the payload of a Close frame (RFC 6455 §5.5.1, §7.4).

use core::fmt;

use crate::{CONTROL_PAYLOAD_LEN_MAX, Error, InlineBytes, Utf8Validator};

/// The longest reason, in bytes: a control frame's payload less the code.
const REASON_LEN_MAX: usize = CONTROL_PAYLOAD_LEN_MAX - 2;

/// Why a connection was closed (RFC 6455 §7.4 and the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away: a server stops, a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that the endpoint cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: no code was received. Local only, never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: no Close frame was received. Local only, never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that contradicts its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy was violated, and no other code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client misses an extension in the server's handshake.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition prevents the endpoint from going on.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts; reconnect after a random delay.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; reconnect later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid response from its upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Local only, never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// A code of any number. [`is_valid_on_wire`](Self::is_valid_on_wire) tells whether a Close frame may carry it.
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        self.0
    }

    /// Whether a Close frame may carry this code.
    #[must_use]
    pub const fn is_valid_on_wire(self) -> bool {
        // [rfc6455:7.4-close-code-valid]
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The payload of a Close frame that has one: a code fit for the wire and a reason that fits
/// the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseFrame<'a> {
    code: CloseCode,
    reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    /// Joins a code and a reason.
    ///
    /// # Errors
    ///
    /// A code that must not appear on the wire, or a reason longer than 123 bytes.
    pub const fn new(code: CloseCode, reason: &'a str) -> Result<Self, CloseFrameError> {
        if !code.is_valid_on_wire() {
            return Err(CloseFrameError::CodeInvalid);
        }
        if reason.len() > REASON_LEN_MAX {
            // [rfc6455:5.5-control-length-sent]
            return Err(CloseFrameError::ReasonTooLong);
        }
        Ok(Self { code, reason })
    }

    /// Reads the payload of a Close frame, unmasked; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// One byte only, a code that must not appear on the wire, a reason that is not UTF-8, or
    /// more than 125 bytes.
    pub fn decode(payload: &'a [u8]) -> Result<Option<Self>, Error> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return match payload {
                [] => Ok(None),
                // [rfc6455:5.5.1-close-code-truncated]
                _ => Err(Error::CloseCodeTruncated),
            };
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.is_valid_on_wire() {
            return Err(Error::CloseCodeInvalid);
        }
        if reason.len() > REASON_LEN_MAX {
            return Err(Error::ControlTooLong);
        }
        // [rfc6455:5.5.1-close-reason-utf8]
        let reason = Utf8Validator::check(reason)?;
        Ok(Some(Self { code, reason }))
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, at most 123 bytes; for logs, not for people (RFC 6455 §7.1.6).
    #[must_use]
    pub const fn reason(&self) -> &'a str {
        self.reason
    }

    /// Writes the payload, unmasked: at most 125 bytes.
    #[must_use]
    pub fn encode(&self) -> CloseBytes {
        let mut bytes = CloseBytes::EMPTY;
        bytes.push(self.code.0.to_be_bytes());
        bytes.fill(self.reason.as_bytes());
        bytes
    }
}

/// The encoded payload of a Close frame: at most 125 bytes, inline.
pub type CloseBytes = InlineBytes<CONTROL_PAYLOAD_LEN_MAX>;

/// Why a [`CloseFrame`] cannot be sent: a usage error, not the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseFrameError {
    /// The code must not appear on the wire (RFC 6455 §7.4).
    CodeInvalid,
    /// The reason is longer than 123 bytes (RFC 6455 §5.5).
    ReasonTooLong,
}

impl fmt::Display for CloseFrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CodeInvalid => "the close code must not appear on the wire",
            Self::ReasonTooLong => "the close reason is longer than 123 bytes",
        })
    }
}

impl core::error::Error for CloseFrameError {}
