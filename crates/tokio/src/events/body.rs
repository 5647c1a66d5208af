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

/// A stream of events as the body of a response, with a comment in each silence.
///
/// The response needs the type [`MIME_TYPE`](crate::events::MIME_TYPE), and `Cache-Control: no-store`.
pub struct EventBody<St> {
    events: Pin<Box<St>>,
    heartbeat: Option<Duration>,
    timer: Timer,
    /// When something was sent last.
    sent: Instant,
    ended: bool,
}

impl<St: Stream<Item = EncodedEvent>> EventBody<St> {
    /// The body of a stream, with a heartbeat after 15 seconds of silence.
    pub fn new(events: St) -> Self {
        Self::with_heartbeat(events, Some(Duration::from_secs(15)))
    }

    /// The body of a stream, with a heartbeat after a silence of this length, or none. No silence lasts longer than the
    /// clock can count.
    pub fn with_heartbeat(events: St, heartbeat: Option<Duration>) -> Self {
        let (events, sent) = (Box::pin(events), Instant::now());
        Self { events, heartbeat, timer: Timer::default(), sent, ended: false }
    }

    fn send(&mut self, event: EncodedEvent) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent = Instant::now();
        Poll::Ready(Some(Ok(Frame::data(event.0))))
    }
}

impl<St: Stream<Item = EncodedEvent>> Body for EventBody<St> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.events.as_mut().poll_next(cx) {
            Poll::Ready(Some(event)) => return self.send(event),
            Poll::Ready(None) => {
                self.ended = true;
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        let due = self.heartbeat.and_then(|silence| self.sent.checked_add(silence));
        match self.timer.poll(due, cx) {
            Poll::Ready(()) => self.send(EncodedEvent::comment("")),
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
