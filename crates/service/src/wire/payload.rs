//! What is published.

use std::fmt;
use std::sync::Arc;

use sockeye_hub::{Entry, Kind};

use super::{Code, Limits, Problem, json};

/// What is published: the body of an [`Entry`].
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
}

impl Payload {
    /// What ends a channel carries: nothing.
    pub fn empty() -> Self {
        Self { event: None, data: Data::text(""), ttl_ms: None }
    }

    /// The bytes that it holds, for the bounds on history.
    pub fn cost(&self) -> usize {
        self.data.as_str().len() + self.event.as_ref().map_or(0, |name| name.as_str().len())
    }

    /// Whether an entry with this payload is past its time.
    pub fn is_expired(&self, admitted_ms: u64, now_ms: u64) -> bool {
        self.ttl_ms.is_some_and(|ttl| now_ms.saturating_sub(admitted_ms) >= ttl)
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

    /// A JSON value, from its text. White space around it goes.
    ///
    /// # Errors
    /// [`Code::BadJson`] if it is not JSON, deeper than [`Limits::json_depth_max`], or has half of
    /// a surrogate pair in a string.
    pub fn json(text: &str, limits: &Limits) -> Result<Self, Problem> {
        // [service:json-kept]
        json::value(text, limits.json_depth_max).map(|json| Self::Json(Json(json.into())))
    }

    /// What a member `data` means: a string is a text, every other value is itself.
    pub(super) fn member(json: &str, limits: &Limits) -> Result<Self, Problem> {
        if let Some(text) = json::plain(json) {
            return Ok(Self::text(text));
        }
        json::passable(json, limits.json_depth_max)?;
        if !json.starts_with('"') {
            return Ok(Self::Json(Json(json.into())));
        }
        let text: String = serde_json::from_str(json).map_err(|error| json::not_json(&error))?;
        Ok(Self::text(text))
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
    /// Longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks a name.
    ///
    /// # Errors
    /// [`Code::BadEvent`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, Problem> {
        let problem = |message| Err(Problem::new(Code::BadEvent, message));
        if name.is_empty() || name.len() > Self::BYTES_MAX {
            return problem("an event name has 1 to 64 bytes");
        }
        // [service:event-names] What is ours cannot be forged, and no line can be ended.
        if name.starts_with('$') {
            return problem("an event name that begins with $ is the service's own");
        }
        if name.chars().any(char::is_control) {
            return problem("an event name has no control characters");
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether an entry is the channel's last, and so says `end` and not its body.
pub(super) fn is_end<M>(entry: &Entry<M>) -> bool {
    match entry.kind {
        Kind::Message => false,
        Kind::End => true,
    }
}
