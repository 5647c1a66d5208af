//! An event that borrows from nothing.

use core::fmt;
use std::sync::Arc;

/// One event of an event stream, as the standard dispatches it. An event of the type `message` without an ID is one
/// allocation, its data.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The data lines, joined by LF.
    pub data: String,
    /// `None` for `message`.
    pub(super) event_type: Option<Box<str>>,
    /// `None` for the empty one. Events of the same ID share it.
    pub(super) last_event_id: Option<Arc<str>>,
}

impl Event {
    /// The event type: `message` unless the stream named another.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.event_type.as_deref().unwrap_or("message")
    }

    /// The last event ID string at this event, which an earlier block may have set; empty if there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.last_event_id.as_deref().unwrap_or_default()
    }
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
