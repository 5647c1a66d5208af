//! An event that borrows from nothing.

use core::fmt;

use sockeye_sse::MessageEvent;

/// One event of an event stream, as the standard dispatches it. An event of the type `message` without an ID is one
/// allocation, its data; a type, an ID or both are one more.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The data lines, joined by LF.
    pub data: String,
    /// The type (nothing for `message`), a LF, and the last event ID string. `None` if both are the usual ones.
    names: Option<Box<str>>,
}

impl Event {
    /// The same event with names of its own.
    #[inline(always)]
    pub(super) fn new(event: MessageEvent<'_, String>) -> Self {
        let MessageEvent { event_type, data, last_event_id } = event;
        if event_type == MESSAGE && last_event_id.is_empty() {
            return Self { data, names: None };
        }
        Self { data, names: Some(names(event_type, last_event_id)) }
    }

    /// The event type: `message` unless the stream named another.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match self.names() {
            ("", _) => MESSAGE,
            (named, _) => named,
        }
    }

    /// The last event ID string at this event, which an earlier block may have set; empty if there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.names().1
    }

    fn names(&self) -> (&str, &str) {
        self.names.as_deref().and_then(|names| names.split_once('\n')).unwrap_or_default()
    }
}

const MESSAGE: &str = "message";

/// Kept apart, so that an event without names stays in registers.
#[inline(never)]
fn names(event_type: &str, last_event_id: &str) -> Box<str> {
    let event_type = if event_type == MESSAGE { "" } else { event_type };
    let mut names = String::with_capacity(event_type.len() + 1 + last_event_id.len());
    names.push_str(event_type);
    // No type has one: a line ends there.
    names.push('\n');
    // An empty string is not copied. With AVX-512 that is a masked load from its dangling address, which takes a
    // hundred times as long as another.
    if !last_event_id.is_empty() {
        names.push_str(last_event_id);
    }
    names.into()
}

/// Shows the length of the data only.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event_type", &self.event_type())
            .field("data_len", &self.data.len())
            .field("last_event_id", &self.last_event_id())
            .finish()
    }
}
