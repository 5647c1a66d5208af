//! Event streams as bodies of HTTP responses.

use core::convert::Infallible;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};
use sockeye_sse::{Event, encode_comment};
use tokio::time::Instant;

use crate::timer::Timer;

/// An event as it stands on the wire. It is encoded once, and its clones share the bytes: one for all recipients.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedEvent(Bytes);

impl EncodedEvent {
    /// A comment, which is no event to its recipients.
    #[must_use]
    pub fn comment(text: &str) -> Self {
        let mut bytes = Vec::new();
        encode_comment(text, &mut bytes);
        Self(bytes.into())
    }

    /// An event that somebody has encoded as whole lines of an event stream.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl From<&Event<'_>> for EncodedEvent {
    fn from(event: &Event<'_>) -> Self {
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        Self(bytes.into())
    }
}

/// An event with nothing but data.
impl From<&str> for EncodedEvent {
    fn from(data: &str) -> Self {
        Self::from(&Event::message(data))
    }
}

/// Shows the length only.
impl fmt::Debug for EncodedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedEvent({} bytes)", self.0.len())
    }
}

/// An item of the stream of an [`EventBody`]: an event, or a result with an error that ends the body.
pub trait EventItem {
    /// The error of the body.
    type Error;
    /// The event, or the error.
    ///
    /// # Errors
    /// That of the stream.
    fn encoded(self) -> Result<EncodedEvent, Self::Error>;
}

impl EventItem for EncodedEvent {
    type Error = Infallible;

    fn encoded(self) -> Result<EncodedEvent, Infallible> {
        Ok(self)
    }
}

impl<E> EventItem for Result<EncodedEvent, E> {
    type Error = E;

    fn encoded(self) -> Self {
        self
    }
}

/// A stream of events as the body of a response, with a comment in each silence. After an error of the stream the body
/// ends.
///
/// The response needs the type [`MIME_TYPE`](crate::events::MIME_TYPE), and `Cache-Control: no-store`.
pub struct EventBody<St> {
    events: Pin<Box<St>>,
    heartbeat: Option<Duration>,
    /// The event that is sent in a silence.
    beat: EncodedEvent,
    timer: Timer,
    /// When something was sent last.
    sent: Instant,
    ended: bool,
}

impl<St: Stream<Item: EventItem>> EventBody<St> {
    /// The body of a stream, with a heartbeat after 15 seconds of silence.
    pub fn new(events: St) -> Self {
        Self::with_heartbeat(events, Some(Duration::from_secs(15)))
    }

    /// The body of a stream, with a heartbeat after a silence of this length, or none. No silence lasts longer than the
    /// clock can count.
    pub fn with_heartbeat(events: St, heartbeat: Option<Duration>) -> Self {
        let (events, sent) = (Box::pin(events), Instant::now());
        let beat = EncodedEvent::comment("");
        Self { events, heartbeat, beat, timer: Timer::default(), sent, ended: false }
    }

    /// Sends `beat` in a silence, instead of an empty comment.
    #[must_use]
    pub fn beating(mut self, beat: EncodedEvent) -> Self {
        self.beat = beat;
        self
    }

    fn send(&mut self, event: EncodedEvent) -> Frame<Bytes> {
        self.sent = Instant::now();
        Frame::data(event.0)
    }
}

impl<St: Stream<Item: EventItem>> Body for EventBody<St> {
    type Data = Bytes;
    type Error = <St::Item as EventItem>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(item) = self.events.as_mut().poll_next(cx) {
            let event = item.map(EventItem::encoded);
            self.ended = !matches!(event, Some(Ok(_)));
            return Poll::Ready(event.map(|event| event.map(|event| self.send(event))));
        }
        let due = self.heartbeat.and_then(|silence| self.sent.checked_add(silence));
        match self.timer.poll(due, cx) {
            Poll::Ready(()) => {
                let beat = self.beat.clone();
                Poll::Ready(Some(Ok(self.send(beat))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl<St> fmt::Debug for EventBody<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody").finish_non_exhaustive()
    }
}
