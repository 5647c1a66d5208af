//! Event streams: the response, its events and its heartbeats, with the names that axum has in `axum::response::sse`.

mod event;

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::time::Duration;

use axum_core::BoxError;
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use futures_core::{Stream, TryStream};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use sockeye_tokio::events::{EncodedEvent, EventBody, MIME_TYPE};

pub use event::Event;

/// A stream of events as a response.
///
/// # Examples
/// ```
/// use core::convert::Infallible;
/// use futures_core::Stream;
/// use sockeye_axum::sse::{Event, KeepAlive, Sse};
///
/// fn response(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
///     Sse::new(events).keep_alive(KeepAlive::default())
/// }
/// ```
#[must_use]
pub struct Sse<St> {
    events: St,
    keep_alive: Option<KeepAlive>,
}

impl<St> Sse<St> {
    /// The response of a stream of results. An error ends the response, and the client asks again.
    pub const fn new(events: St) -> Self
    where
        St: TryStream<Ok = Event, Error: Into<BoxError>> + Send + 'static,
    {
        Self { events, keep_alive: None }
    }

    /// Sends something in each silence, so that nobody takes the connection for dead.
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = Some(keep_alive);
        self
    }
}

impl<St, E> IntoResponse for Sse<St>
where
    St: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn into_response(self) -> Response {
        let (silence, beat) = match self.keep_alive {
            Some(KeepAlive { interval, beat }) => (Some(interval), Some(beat)),
            None => (None, None),
        };
        let mut body = EventBody::with_heartbeat(Encoded(Box::pin(self.events)), silence);
        if let Some(beat) = beat {
            body = body.beating(beat);
        }
        let mut response = Response::new(Body::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MIME_TYPE));
        // Nobody on the way may keep, compress or collect what has to arrive at once.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        headers
            .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        response
    }
}

impl<St> fmt::Debug for Sse<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse").field("keep_alive", &self.keep_alive).finish_non_exhaustive()
    }
}

/// The event that is sent in a silence, and how long a silence may last.
#[derive(Clone, Debug)]
#[must_use]
pub struct KeepAlive {
    interval: Duration,
    beat: EncodedEvent,
}

impl KeepAlive {
    /// An empty comment after 15 seconds.
    pub fn new() -> Self {
        Self { interval: Duration::from_secs(15), beat: EncodedEvent::comment("") }
    }

    /// Sets how long a silence may last.
    pub const fn interval(mut self, silence: Duration) -> Self {
        self.interval = silence;
        self
    }

    /// Sends a comment of this text.
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        self.beat = EncodedEvent::comment(text.as_ref());
        self
    }

    /// Sends an event. One that cannot be written is not sent: the silence has an empty comment then.
    pub fn event(mut self, event: Event) -> Self {
        self.beat = event.encode().unwrap_or_else(|_| EncodedEvent::comment(""));
        self
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::new()
    }
}

/// The events of a stream as they stand on the wire.
struct Encoded<St>(Pin<Box<St>>);

impl<St, E> Stream for Encoded<St>
where
    St: Stream<Item = Result<Event, E>>,
    E: Into<BoxError>,
{
    type Item = Result<EncodedEvent, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx).map(|item| {
            item.map(|event| event.map_err(Into::<BoxError>::into)?.encode().map_err(Into::into))
        })
    }
}
