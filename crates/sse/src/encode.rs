//! The encoder: writes blocks into which nothing can be injected.

use alloc::vec::Vec;
use core::fmt;

use crate::scan;

/// One block of an event stream. Each part is optional.
///
/// Without `data` a block is no event to its receiver: with an `id` it moves the cursor silently,
/// with `retry_ms` it sets the reconnection time.
///
/// Encode a block once, and share the bytes among all subscribers.
///
/// ```
/// use sockeye_sse::{Event, EventId, EventName};
///
/// let mut out = Vec::new();
/// Event {
///     name: Some(EventName::new("add")?),
///     id: Some(EventId::new("7")?),
///     ..Event::message("two\nlines")
/// }
/// .encode(&mut out);
/// assert_eq!(out, b"event: add\nid: 7\ndata: two\ndata: lines\n\n");
/// # Ok::<(), sockeye_sse::EncodeError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event type. Without one, or with an empty one, receivers use `message`.
    pub name: Option<EventName<'a>>,
    /// The new last event ID. An empty one resets it.
    pub id: Option<EventId<'a>>,
    /// The new reconnection time in milliseconds.
    pub retry_ms: Option<u64>,
    /// Any text. Line breaks of all three kinds arrive as LF.
    pub data: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// An event with nothing but data.
    #[must_use]
    pub const fn message(data: &'a str) -> Self {
        Self { name: None, id: None, retry_ms: None, data: Some(data) }
    }

    /// Appends the block to `out`, blank line included.
    ///
    /// # RFC
    /// WHATWG HTML §9.2.5 (the ABNF) and §9.2.6, read backwards.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let data_len = self.data.map_or(0, str::len);
        out.reserve(data_len.saturating_add(PARTS_LEN));
        if let Some(EventName(name)) = self.name {
            field(b"event: ", name.as_bytes(), out);
        }
        if let Some(EventId(id)) = self.id {
            field(b"id: ", id.as_bytes(), out);
        }
        if let Some(ms) = self.retry_ms {
            out.extend_from_slice(b"retry: ");
            decimal(ms, out);
            out.push(b'\n');
        }
        if let Some(data) = self.data {
            lines(b"data: ", data, out);
        }
        // [html:9.2.5-encode-block-ends] Always, so that the next block cannot be joined to this.
        out.push(b'\n');
    }
}

/// Shows the length of the data only.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("retry_ms", &self.retry_ms)
            .field("data_len", &self.data.map(str::len))
            .finish()
    }
}

/// A comment: the receiver's script never sees it. A heartbeat is an empty one.
///
/// Line breaks in `text` begin further comment lines. No blank line follows, so a comment may stand
/// anywhere between lines.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    // [html:9.2.5-encode-comment-lines] Every line of it gets its colon.
    lines(b": ", text, out);
}

/// An event type that fits in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventName<'a>(&'a str);

impl<'a> EventName<'a> {
    /// Checks the name.
    ///
    /// # Errors
    /// [`EncodeError::LineBreak`] if it has a CR or LF, which would begin a field of its own.
    pub fn new(name: &'a str) -> Result<Self, EncodeError> {
        check(name.as_bytes()).map(|()| Self(name))
    }

    /// The name as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// An event ID that fits in a line and that receivers will not ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId<'a>(&'a str);

impl<'a> EventId<'a> {
    /// Checks the ID.
    ///
    /// # Errors
    /// [`EncodeError::LineBreak`] if it has a CR or LF, [`EncodeError::Nul`] if it has a NUL, at
    /// which receivers ignore the whole ID.
    pub fn new(id: &'a str) -> Result<Self, EncodeError> {
        check(id.as_bytes())?;
        // [html:9.2.5-encode-id] The ABNF leaves NUL out of IDs.
        if id.contains('\0') { Err(EncodeError::Nul) } else { Ok(Self(id)) }
    }

    /// The ID as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether the ID comes back in `Last-Event-ID` as it was sent, from every client: printable
    /// ASCII without a space at either end. Others lose spaces, arrive as UTF-8 bytes, or (with a
    /// control character) do not come back at all.
    #[must_use]
    pub fn survives_header(self) -> bool {
        let printable = |byte: &u8| matches!(byte, b' '..=b'~');
        self.0.as_bytes().iter().all(printable) && self.0.trim_matches(' ').len() == self.0.len()
    }
}

/// A name or an ID that cannot be written: a usage error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// It has a CR or LF.
    LineBreak,
    /// It has a NUL.
    Nul,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineBreak => "a line break in an event name or ID",
            Self::Nul => "a NUL in an event ID",
        })
    }
}

impl core::error::Error for EncodeError {}

/// Room for the names of all fields, a number and short values.
const PARTS_LEN: usize = 64;

/// [html:9.2.5-encode-no-injection] A text with a line break is no name and no ID.
fn check(value: &[u8]) -> Result<(), EncodeError> {
    match scan::line_end(value) {
        None => Ok(()),
        Some(_) => Err(EncodeError::LineBreak),
    }
}

/// [html:9.2.5-encode-one-space] `prefix` ends in the one space that receivers take off, so that a
/// space at the start of the value survives.
fn field(prefix: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// [html:9.2.5-encode-lines] One field per line: split at CRLF, LF and CR as receivers split. The
/// last line counts even if it is empty, and empty text is one empty line.
fn lines(prefix: &[u8], text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some((line, tail)) = scan::line_end(rest).and_then(|at| rest.split_at_checked(at)) {
        field(prefix, line, out);
        rest = match tail {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => tail,
        };
    }
    field(prefix, rest, out);
}

/// [html:9.2.5-encode-retry] Milliseconds, digits only.
fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        start = start.saturating_sub(1);
        *digit |= u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(event: Event<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        event.encode(&mut out);
        out
    }

    /// [html:9.2.5-encode-lines] [html:9.2.5-encode-one-space] [html:9.2.5-encode-block-ends]
    #[test]
    fn data_is_split_as_receivers_split() {
        let table: &[(&str, &str)] = &[
            ("", "data: \n\n"),
            (" x", "data:  x\n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb", "data: a\ndata: b\n\n"),
            ("a\rb", "data: a\ndata: b\n\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\r\n", "data: \ndata: \n\n"),
            ("a\u{2028}b", "data: a\u{2028}b\n\n"),
        ];
        for &(data, expected) in table {
            assert_eq!(bytes(Event::message(data)), expected.as_bytes(), "{data:?}");
        }
    }

    /// [html:9.2.5-encode-retry] [html:9.2.5-encode-block-ends]
    #[test]
    fn blocks_without_data() {
        let id = EventId::new("7").unwrap();
        assert_eq!(bytes(Event { id: Some(id), ..Event::default() }), b"id: 7\n\n");
        for ms in [0, 9, 10, 1500, u64::MAX] {
            let block = bytes(Event { retry_ms: Some(ms), ..Event::default() });
            assert_eq!(block, alloc::format!("retry: {ms}\n\n").as_bytes());
        }
    }

    /// [html:9.2.5-encode-comment-lines]
    #[test]
    fn comments_keep_their_colon_on_every_line() {
        let mut out = Vec::new();
        encode_comment("a\r\ndata: b\rc\n", &mut out);
        assert_eq!(out, b": a\n: data: b\n: c\n: \n");
    }

    /// [html:9.2.5-encode-no-injection] [html:9.2.5-encode-id]
    #[test]
    fn names_and_ids_are_one_line() {
        for bad in ["a\n", "\ra", "a\r\nb"] {
            assert_eq!(EventName::new(bad), Err(EncodeError::LineBreak));
            assert_eq!(EventId::new(bad), Err(EncodeError::LineBreak));
        }
        assert_eq!(EventId::new("a\0"), Err(EncodeError::Nul));
        assert!(EventName::new("a\0").is_ok());
    }

    #[test]
    fn which_ids_come_back_unchanged() {
        for (id, expected) in
            [("a b", true), ("", true), (" a", false), ("a\t", false), ("é", false)]
        {
            assert_eq!(EventId::new(id).unwrap().survives_header(), expected, "{id:?}");
        }
    }
}
