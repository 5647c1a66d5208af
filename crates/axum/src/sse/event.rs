//! An event, put together field by field.

use core::fmt;
use std::time::Duration;

use sockeye_sse::{EncodeError, EventId, EventName, encode_comment};
use sockeye_tokio::events::EncodedEvent;

/// An event of an event stream. Each part is optional; without data its recipients see no event.
///
/// ```
/// use sockeye_axum::sse::Event;
///
/// let event = Event::default().event("add").id("7").data("two\nlines");
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Event {
    name: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
    data: Option<String>,
    /// Comments as they stand on the wire.
    comments: Vec<u8>,
}

impl Event {
    /// Sets the data: any text. Line breaks of all three kinds arrive as LF. Further data is a further line.
    pub fn data(mut self, data: impl AsRef<str>) -> Self {
        match &mut self.data {
            Some(lines) => {
                lines.push('\n');
                lines.push_str(data.as_ref());
            }
            None => self.data = Some(data.as_ref().to_owned()),
        }
        self
    }

    /// Sets the data to a value as JSON.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    #[cfg(feature = "json")]
    pub fn json_data(self, value: impl serde::Serialize) -> Result<Self, axum_core::Error> {
        let json = serde_json::to_string(&value).map_err(axum_core::Error::new)?;
        Ok(self.data(json))
    }

    /// Adds a comment before the event. The recipient's script never sees it.
    pub fn comment(mut self, comment: impl AsRef<str>) -> Self {
        encode_comment(comment.as_ref(), &mut self.comments);
        self
    }

    /// Sets the event type. A name with a line break ends the response with an error, when the event is sent.
    pub fn event(mut self, name: impl AsRef<str>) -> Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// Sets the wait of a client that has lost its connection, in whole milliseconds.
    pub const fn retry(mut self, wait: Duration) -> Self {
        self.retry = Some(wait);
        self
    }

    /// Sets the last event ID. One with a line break or a NUL ends the response with an error, when the event is sent.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(id.as_ref().to_owned());
        self
    }

    pub(crate) fn encode(self) -> Result<EncodedEvent, EncodeError> {
        let event = sockeye_sse::Event {
            name: self.name.as_deref().map(EventName::new).transpose()?,
            id: self.id.as_deref().map(EventId::new).transpose()?,
            retry_ms: self.retry.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            data: self.data.as_deref(),
        };
        let mut bytes = self.comments;
        if event != sockeye_sse::Event::default() {
            event.encode(&mut bytes);
        }
        Ok(EncodedEvent::from_bytes(bytes))
    }
}

/// Shows the length of the data only.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("retry", &self.retry)
            .field("data_len", &self.data.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}
