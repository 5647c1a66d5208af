//! Event streams: read from any stream of byte chunks, once or with reconnection, and written as bodies.

#[cfg(feature = "http-body")]
mod body;
mod event;
mod reader;
mod source;
mod stream;

#[cfg(feature = "http-body")]
pub use body::{EncodedEvent, EventBody, EventItem};
pub use event::Event;
pub use sockeye_sse::{MIME_TYPE, MessageEvent, OnBusy, Policy};
pub use source::{
    EventSource, EventSourceOptions, Lost, Request, Response, SourceError, SourceEvent,
};
pub use stream::{EventStream, StreamError};
