//! The items that the parser returns, and its settings.

use core::fmt;

/// An item of an event stream. `D` is the data of its event: borrowed, unless the parser was asked for owned data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Item<'a, D = &'a str> {
    /// A dispatched event.
    Event(MessageEvent<'a, D>),
    /// A valid `retry` field: the new reconnection time in milliseconds. Reported when its line
    /// ends, even in the middle of a block. A number beyond `u64` is reported as `u64::MAX`.
    Retry(u64),
    /// A comment without its colon and one space after it. Only with [`Comments::Report`].
    Comment(&'a str),
}

/// Shows the length of data and comments only.
impl<D: AsRef<str>> fmt::Debug for Item<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Self::Retry(ms) => f.debug_tuple("Retry").field(ms).finish(),
            Self::Comment(text) => write!(f, "Comment({} bytes)", text.len()),
        }
    }
}

/// One event as the standard dispatches it.
///
/// The peer chooses the type. `open` and `error` say nothing about the connection. `Debug` shows the
/// length of the data only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageEvent<'a, D = &'a str> {
    /// The event type: `message` unless the block named another.
    pub event_type: &'a str,
    /// The data lines, joined by LF.
    pub data: D,
    /// The last event ID string at this event, which an earlier block may have set.
    pub last_event_id: &'a str,
}

impl<D: AsRef<str>> fmt::Debug for MessageEvent<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageEvent")
            .field("event_type", &self.event_type)
            .field("data_len", &self.data.as_ref().len())
            .field("last_event_id", &self.last_event_id)
            .finish()
    }
}

/// Settings of a [`Parser`](crate::Parser).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The bounds on what the peer can make the parser hold.
    pub limits: Limits,
    /// The handling of comments.
    pub comments: Comments,
}

/// Bounds on what a peer can make the parser hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes held at a time, after decoding: the data, type and ID of the block under way, the
    /// reported comment under way, and the last event ID string. They are counted as they arrive; a
    /// byte that is not UTF-8 counts three, as the U+FFFD it becomes. Events that are lent out of
    /// the input are held to the same bound. Skipped comments and unknown fields cost nothing.
    ///
    /// The default is 64 MiB: tool output and pictures come as one data line of many MiB.
    pub bytes_held_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_held_max: 64 << 20 }
    }
}

/// The handling of comments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comments {
    /// Skipped, without storage.
    #[default]
    Skip,
    /// Each one is an [`Item::Comment`].
    Report,
}

/// How a connection's stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Between blocks.
    Clean,
    /// Inside a block or a line, which the standard discards; or after an error.
    Truncated,
}

/// A violation by the peer. A stream cannot be malformed, only too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A block needs more than [`Limits::bytes_held_max`].
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the event is larger than the limit"),
        }
    }
}

impl core::error::Error for Error {}
