//! Payloads: the types that the engine, the sequencer and the dialect share.
//!
//! `wire/payload.rs` makes payloads from text, and checks them.

use std::fmt;
use std::sync::Arc;

use crate::sequencing::LogTime;

/// The payload of a publication: the body of an [`Entry`](sockeye_hub::Entry).
///
/// It is checked when it is made, so that it can be written in every form. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The event's name, if it has one.
    pub event: Option<EventName>,
    /// The content.
    pub data: Data,
    /// After so many milliseconds it is not worth delivering any more.
    pub ttl_ms: Option<u64>,
    /// The date of its admission, in milliseconds since 1970. `None`: the same number as the
    /// entry's log time.
    pub date_ms: Option<u64>,
}

impl Payload {
    /// A payload with this content and nothing else.
    pub const fn new(data: Data) -> Self {
        Self { event: None, data, ttl_ms: None, date_ms: None }
    }

    /// The payload of a message that ends a channel: nothing.
    pub fn empty() -> Self {
        Self::new(Data::text(""))
    }

    /// The bytes that it holds, for the bounds on history.
    pub fn cost(&self) -> usize {
        self.data.as_str().len() + self.event.as_ref().map_or(0, |name| name.as_str().len())
    }

    /// Whether an entry with this payload, admitted at this log time, is past its time.
    pub fn is_expired(&self, admitted_ms: u64, now: &LogTime) -> bool {
        self.ttl_ms.is_some_and(|ttl_ms| now.age_ms(admitted_ms, self.date_ms) >= ttl_ms)
    }
}

impl AsRef<Self> for Payload {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The content of a publication, as its publisher wrote it.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// Any text.
    Text(Arc<str>),
    /// A JSON value, kept as its text: big numbers, repeated names, the order of names and spaces
    /// inside it arrive as they were sent.
    Json(Json),
}

impl Data {
    /// Any text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// As it was published.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Json(json) => json.as_str(),
        }
    }
}

/// Shows the length only.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "Text",
            Self::Json(_) => "Json",
        };
        write!(f, "{kind}({} bytes)", self.as_str().len())
    }
}

/// A text that is one JSON value.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// A text that is known to be one JSON value.
    pub(crate) fn checked(text: &str) -> Self {
        Self(text.into())
    }

    /// The value, without white space around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows the length only.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.0.len())
    }
}

/// The name of an event: 1 to 64 bytes without control characters, not beginning with `$`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Arc<str>);

impl EventName {
    /// A name that is known to be one.
    pub(crate) fn checked(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How safe a publication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// In memory.
    Accepted,
    /// In a log on disk.
    Logged,
    /// Reserved: in more than one place.
    Replicated,
}

impl Level {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Logged => "logged",
            Self::Replicated => "replicated",
        }
    }
}
