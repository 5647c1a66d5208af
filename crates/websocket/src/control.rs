//! Payloads of control frames, held inline (RFC 6455 §5.5).

use core::fmt;
use core::ops::Deref;

use sockeye_frame::{CONTROL_PAYLOAD_LEN_MAX, CloseCode, CloseFrame, InlineBytes};

/// The payload of a Ping or Pong frame: at most 125 bytes, held inline.
///
/// It does not borrow from the receive buffer, because a control frame may arrive in parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Control(InlineBytes<CONTROL_PAYLOAD_LEN_MAX>);

impl Control {
    pub(crate) const EMPTY: Self = Self(InlineBytes::EMPTY);

    /// Copies a payload. What lies beyond 125 bytes is cut off; the frame decoder has refused such
    /// a frame long before.
    pub(crate) fn copy_of(payload: &[u8]) -> Self {
        let mut control = Self::EMPTY;
        control.extend(payload);
        control
    }

    /// Appends the next part of a payload that arrives in parts.
    pub(crate) fn extend(&mut self, part: &[u8]) {
        let len = self.len().saturating_add(part.len());
        debug_assert!(len <= CONTROL_PAYLOAD_LEN_MAX, "the decoder bounds control frames");
        self.0.fill(part);
    }
}

impl Deref for Control {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Control({} bytes)", self.len())
    }
}

/// Why the peer closes: a code that may stand on the wire, and a text of at most 123 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloseReason {
    code: CloseCode,
    text: Control,
}

impl CloseReason {
    pub(crate) fn copy_of(frame: CloseFrame<'_>) -> Self {
        Self { code: frame.code(), text: Control::copy_of(frame.reason().as_bytes()) }
    }

    /// The status code (RFC 6455 §7.4).
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The text, often empty. It is meant for people and logs, not for programs.
    pub fn text(&self) -> &str {
        // It was a `str` when it was copied, and fits.
        core::str::from_utf8(&self.text).unwrap_or_default()
    }
}

impl fmt::Debug for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseReason")
            .field("code", &self.code)
            .field("text_len", &self.text.len())
            .finish()
    }
}
