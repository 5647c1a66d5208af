//! The events of an event source, owned.

use core::fmt;

use crate::sans_io::SourceEvent;
use crate::{Error, SourceOpened};

/// What an [`EventSource`](crate::EventSource) tells.
#[derive(Clone, PartialEq, Eq)]
pub enum OwnedSourceEvent {
    /// The stream is open, for the first time or again.
    Open(SourceOpened),
    /// An event of the stream.
    Message(SourceMessage),
    /// A comment, if they were asked for.
    Comment(String),
    /// The stream has set the reconnection time, in milliseconds.
    Retry(u64),
    /// The stream was lost, or could not be had. It is asked for again after the wait.
    Lost {
        /// Why.
        why: Error,
        /// How long, in milliseconds.
        wait_ms: u64,
    },
}

/// An event of a stream, owned.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceMessage {
    /// The event type: `message` unless the server named another.
    pub event_type: String,
    /// The data lines, joined by LF.
    pub data: String,
    /// The last event ID string at this event, which an earlier one may have set.
    pub last_event_id: String,
}

impl From<SourceEvent<'_>> for OwnedSourceEvent {
    fn from(event: SourceEvent<'_>) -> Self {
        match event {
            SourceEvent::Open(opened) => Self::Open(opened),
            SourceEvent::Message(message) => Self::Message(SourceMessage {
                event_type: message.event_type.to_owned(),
                data: message.data.to_owned(),
                last_event_id: message.last_event_id.to_owned(),
            }),
            SourceEvent::Comment(text) => Self::Comment(text.to_owned()),
            SourceEvent::Retry(ms) => Self::Retry(ms),
            SourceEvent::Lost { why, wait_ms } => Self::Lost { why, wait_ms },
        }
    }
}

/// Shows the length of a comment, as of data.
impl fmt::Debug for OwnedSourceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(opened) => f.debug_tuple("Open").field(opened).finish(),
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::Comment(text) => SourceEvent::Comment(text).fmt(f),
            Self::Retry(ms) => SourceEvent::Retry(*ms).fmt(f),
            Self::Lost { why, wait_ms } => {
                SourceEvent::Lost { why: why.clone(), wait_ms: *wait_ms }.fmt(f)
            }
        }
    }
}

/// Shows lengths in the place of the data and the ID, which may hold a proof.
impl fmt::Debug for SourceMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceMessage")
            .field("event_type", &self.event_type)
            .field("data_len", &self.data.len())
            .field("last_event_id_len", &self.last_event_id.len())
            .finish()
    }
}
