//! The text of cursors, as clients get them.

use std::fmt::{self, Write as _};

use sockeye_hub::{Cursor, Token};
use sockeye_sse::EventId;

/// The text of a cursor, with its proof of the session if there is one: `1<epoch>-<seq>~<proof>`,
/// or `1<epoch>-<seq>.<check>~<proof>`.
///
/// It has digits, letters and `-._~` only, so it stands in a header, an event's ID, a query and a
/// JSON string as it is. No allocation.
// [service:cursor-text]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CursorText {
    bytes: [u8; Token::BYTES_MAX],
    len: u8,
}

impl CursorText {
    /// A cursor without a proof.
    pub fn new(cursor: Cursor) -> Self {
        let mut text = Self { bytes: [0; Token::BYTES_MAX], len: 0 };
        let written = text.write_str(cursor.text(&mut [0; Cursor::BYTES_MAX]));
        written.expect("a cursor has fewer bytes than there are");
        text
    }

    /// A cursor with the proof of its session. `None` if the proof has other characters than
    /// `[A-Za-z0-9._~-]`, or both together are longer than [`Token::BYTES_MAX`].
    pub fn with_proof(cursor: Cursor, proof: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if !proof.bytes().all(plain) {
            return None;
        }
        let mut text = Self::new(cursor);
        write!(text, "~{proof}").ok()?;
        Some(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("a cursor's text is ASCII")
    }

    /// The text as an event's ID.
    pub(super) fn event_id(&self) -> EventId<'_> {
        EventId::new(self.as_str()).expect("a cursor's text has no control characters")
    }
}

impl fmt::Write for CursorText {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let start = usize::from(self.len);
        let end = start + piece.len();
        let place = self.bytes.get_mut(start..end).ok_or(fmt::Error)?;
        place.copy_from_slice(piece.as_bytes());
        self.len = u8::try_from(end).map_err(|_| fmt::Error)?;
        Ok(())
    }
}

/// Shows the position, not the proof.
impl fmt::Debug for CursorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = self.as_str().split('~').next().unwrap_or_default();
        write!(f, "CursorText({position})")
    }
}
