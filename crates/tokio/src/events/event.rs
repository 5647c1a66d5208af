//! An event that borrows from nothing.

use core::fmt;
use std::borrow::Cow;
use std::sync::Arc;

/// One event of an event stream, as the standard dispatches it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The event type: `message` unless the stream named another.
    pub event_type: Cow<'static, str>,
    /// The data lines, joined by LF.
    pub data: String,
    /// The last event ID string at this event, which an earlier block may have set. Events of the same ID share it.
    pub last_event_id: Arc<str>,
}

/// Shows the length of the data only.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event_type", &self.event_type)
            .field("data_len", &self.data.len())
            .field("last_event_id", &self.last_event_id)
            .finish()
    }
}
