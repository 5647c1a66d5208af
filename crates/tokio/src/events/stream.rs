//! The events of one body.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::Stream;
use sockeye_sse::{End, Limits, MessageEvent};

use super::event::Event;
use super::reader::{Look, Own, Reader, Take};

/// The events of one response body: a [`Stream`] over any stream of byte chunks, such as those of reqwest and hyper.
///
/// The chunks may be cut anywhere. It does not reconnect: [`EventSource`](crate::EventSource) does.
///
/// # Cancel safety
/// A dropped [`next_event`](Self::next_event) has taken no event.
pub struct EventStream<B, C> {
    /// `None` once it has ended.
    body: Option<Pin<Box<B>>>,
    reader: Reader<C>,
}

/// Why a stream of events ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError<E> {
    /// The body reported an error.
    Body(E),
    /// The body ended inside an event, which is dropped: an answer is not whole.
    Truncated,
    /// An event is larger than allowed.
    TooLarge,
}

impl<B, C, E> EventStream<B, C>
where
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    /// The events of a body, of at most 64 MiB each.
    pub fn new(body: B) -> Self {
        Self::with_limit(body, Limits::default().bytes_held_max)
    }

    /// The events of a body, of at most so many bytes each.
    pub fn with_limit(body: B, event_bytes_max: usize) -> Self {
        Self { body: Some(Box::pin(body)), reader: Reader::new(event_bytes_max, "") }
    }

    /// The next event. `None` when the body has ended, and after an error.
    ///
    /// # Errors
    /// The reason for which the stream ended early, once.
    pub async fn next_event(&mut self) -> Option<Result<Event, StreamError<E>>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Lets `look` at the next event, which mostly lies in the chunk in which it came. Nothing is allocated for such an event.
    /// `None` as of [`next_event`](Self::next_event).
    ///
    /// ```
    /// # use sockeye_tokio::EventStream;
    /// # use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
    /// # struct Body(Option<&'static str>);
    /// # impl futures_core::Stream for Body {
    /// #     type Item = Result<&'static str, Infallible>;
    /// #     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
    /// #         Poll::Ready(self.0.take().map(Ok))
    /// #     }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut events = EventStream::new(Body(Some("data: 20\n\ndata: 22\n\n")));
    /// let mut sum = 0;
    /// while let Some(number) = events.next_with(|event| event.data.parse::<u32>()).await {
    ///     sum += number.unwrap().unwrap();
    /// }
    /// assert_eq!(sum, 42);
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub async fn next_with<R>(
        &mut self,
        look: impl FnOnce(MessageEvent<'_>) -> R,
    ) -> Option<Result<R, StreamError<E>>> {
        let mut look = Look::Will(look);
        match poll_fn(|cx| self.poll_to(cx, &mut look)).await? {
            Ok(()) => match look {
                Look::Has(seen) => Some(Ok(seen)),
                Look::Will(_) | Look::Looks => unreachable!("an event was taken"),
            },
            Err(error) => Some(Err(error)),
        }
    }

    /// The last event ID string: what a request for the rest names.
    pub fn last_event_id(&self) -> &str {
        self.reader.last_event_id()
    }

    #[inline]
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, StreamError<E>>>> {
        let mut own = Own::default();
        match self.poll_to(cx, &mut own) {
            Poll::Ready(Some(Ok(()))) => {
                let event = own.0.expect("a poll that says so has let `own` take an event");
                Poll::Ready(Some(Ok(event)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Lets `to` take the next event.
    #[inline]
    fn poll_to(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut impl Take,
    ) -> Poll<Option<Result<(), StreamError<E>>>> {
        while let Some(body) = &mut self.body {
            match self.reader.next(to) {
                Ok(true) => return Poll::Ready(Some(Ok(()))),
                Ok(false) => {}
                Err(_) => return Poll::Ready(self.end(StreamError::TooLarge)),
            }
            let taken = match body.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.reader.take(chunk),
                Poll::Ready(Some(Err(error))) => {
                    // A cut line that is too large was so before the body failed.
                    let error = match self.reader.finish() {
                        Ok(_) => StreamError::Body(error),
                        Err(_) => StreamError::TooLarge,
                    };
                    return Poll::Ready(self.end(error));
                }
                Poll::Ready(None) => return Poll::Ready(self.finish()),
                Poll::Pending => match self.reader.free_text() {
                    Ok(()) => return Poll::Pending,
                    Err(error) => Err(error),
                },
            };
            if taken.is_err() {
                return Poll::Ready(self.end(StreamError::TooLarge));
            }
        }
        Poll::Ready(None)
    }

    /// The body has ended. The line that its end cut may be the one that is too large.
    fn finish(&mut self) -> Option<Result<(), StreamError<E>>> {
        match self.reader.finish() {
            Ok(End::Truncated) => self.end(StreamError::Truncated),
            Ok(_) => {
                self.body = None;
                None
            }
            Err(_) => self.end(StreamError::TooLarge),
        }
    }

    fn end(&mut self, error: StreamError<E>) -> Option<Result<(), StreamError<E>>> {
        self.body = None;
        Some(Err(error))
    }
}

impl<B, C, E> Stream for EventStream<B, C>
where
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]> + Unpin,
{
    type Item = Result<Event, StreamError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

impl<E: fmt::Display> fmt::Display for StreamError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Truncated => f.write_str("the stream ended inside an event"),
            Self::TooLarge => f.write_str("an event is larger than the limit"),
        }
    }
}

impl<E: core::error::Error> core::error::Error for StreamError<E> {}

impl<B, C> fmt::Debug for EventStream<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}
