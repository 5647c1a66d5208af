//! An event source: it asks for its stream again when that ends, by the rules of the standard.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use sockeye_sse::{Action, Input, Limits, MIME_TYPE, Policy, Reconnection};
use tokio::time::Instant;

use super::event::Event;
use super::reader::{Own, Reader};
use crate::timer::Timer;
use sockeye_endpoint::entropy;

/// How a source behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventSourceOptions {
    /// The waits, and what a busy server's answer means.
    pub policy: Policy,
    /// The last event ID string of an earlier run; empty for none.
    pub last_event_id: String,
    /// Greatest event in bytes. Default 64 MiB.
    pub event_bytes_max: usize,
    /// Milliseconds in which an answer has to come. Default 30 000.
    pub answer_ms: u64,
    /// After so many milliseconds without a byte the stream counts as lost. Default: never.
    pub silence_ms: Option<u64>,
}

impl Default for EventSourceOptions {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            last_event_id: String::new(),
            event_bytes_max: Limits::default().bytes_held_max,
            answer_ms: 30_000,
            silence_ms: None,
        }
    }
}

/// What the next request has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The value of `Last-Event-ID`; `None` for no such header.
    pub last_event_id: Option<String>,
    /// The `Location` of a redirect, relative to the URL that gave it. `None`: the URL of the source.
    pub location: Option<Vec<u8>>,
}

impl Request {
    /// The header lines that the request needs. An ID may have bytes beyond ASCII.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let accept = ("Accept", MIME_TYPE.as_bytes());
        let last_event_id = self.last_event_id.as_deref();
        let resume = last_event_id.map(|id| ("Last-Event-ID", id.as_bytes()));
        [accept, ("Cache-Control", &b"no-cache"[..])].into_iter().chain(resume)
    }
}

/// The answer to a request, from the caller's HTTP client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response<B> {
    /// The status.
    pub status: u16,
    /// The value of `Content-Type`, of several lines joined by commas.
    pub content_type: Option<Vec<u8>>,
    /// The value of `Location`. A client that follows redirects itself has none.
    pub location: Option<Vec<u8>>,
    /// `Retry-After` in milliseconds. It counts with `OnBusy::Reconnect` only.
    pub retry_after_ms: Option<u64>,
    /// The body.
    pub body: B,
}

impl<B> Response<B> {
    /// A response with a status, a type and a body.
    pub fn new(status: u16, content_type: Option<&[u8]>, body: B) -> Self {
        let content_type = content_type.map(<[u8]>::to_vec);
        Self { status, content_type, location: None, retry_after_ms: None, body }
    }
}

/// What a source tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceEvent<E> {
    /// The stream has begun, or begun again.
    Open,
    /// An event of the stream.
    Message(Event),
    /// The stream, or the way to it, is lost. The source asks again after the wait.
    Lost {
        /// The reason.
        why: Lost<E>,
        /// Milliseconds to the next request.
        wait_ms: u64,
    },
}

/// Why a stream was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost<E> {
    /// The body ended.
    Ended,
    /// The request or the body failed.
    Failed(E),
    /// Nothing came for `answer_ms` or `silence_ms`.
    Silent,
    /// The server answered with this status, which is not for ever: it is busy, or redirects in circles.
    Refused(u16),
}

/// Why a source has ended for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// The server answered with this status, or with 200 and another type: it has no event stream. 204 is how a server
    /// says that the stream is over.
    Refused(u16),
    /// An event is larger than allowed. The same ID would bring it again.
    TooLarge,
}

/// An event source, as in browsers: a [`Stream`] that outlives its connections.
///
/// `connect` makes each request, with the headers that [`Request`] says, by whatever HTTP client.
///
/// # Cancel safety
/// A dropped [`next`](Self::next) or [`next_message`](Self::next_message) has taken nothing; a request under way goes on
/// with the next call.
///
/// # RFC
/// WHATWG HTML §9.2.
pub struct EventSource<F, A, B, C> {
    connect: F,
    options: EventSourceOptions,
    reader: Reader<C>,
    reconnection: Reconnection,
    state: State<A, B>,
    timer: Timer,
    /// When something came last.
    heard: Instant,
}

enum State<A, B> {
    /// A request is to be made.
    Begin(Request),
    Asking(Pin<Box<A>>),
    Open(Pin<Box<B>>),
    Waiting {
        until: Instant,
    },
    Over,
}

/// Nothing in it is pinned but what has a box of its own.
impl<F, A, B, C> Unpin for EventSource<F, A, B, C> {}

/// What a step of a source tells; `None` at its end.
type Step<E> = Option<Result<SourceEvent<E>, SourceError>>;

impl<F, A, B, C, E> EventSource<F, A, B, C>
where
    F: FnMut(Request) -> A,
    A: Future<Output = Result<Response<B>, E>>,
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    /// A source that is about to ask for its stream.
    pub fn new(connect: F, options: EventSourceOptions) -> Self {
        let id = &options.last_event_id;
        // [html:9.2.3-last-event-id-header]
        let last_event_id = (!id.is_empty()).then(|| id.clone());
        Self {
            connect,
            reader: Reader::new(options.event_bytes_max, id),
            reconnection: Reconnection::new(options.policy),
            state: State::Begin(Request { last_event_id, location: None }),
            timer: Timer::default(),
            heard: Instant::now(),
            options,
        }
    }

    /// The next thing that happens. `None` after the error that ended the source.
    ///
    /// # Errors
    /// The reason for which the source has ended for good, once.
    pub async fn next(&mut self) -> Option<Result<SourceEvent<E>, SourceError>> {
        poll_fn(|cx| self.poll_step(cx)).await
    }

    /// The next event, over all connections. A source that cannot connect stays silent here; [`next`](Self::next) tells
    /// what it lost.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_message(&mut self) -> Option<Result<Event, SourceError>> {
        loop {
            match self.next().await? {
                Ok(SourceEvent::Message(event)) => return Some(Ok(event)),
                Ok(SourceEvent::Open | SourceEvent::Lost { .. }) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The last event ID string: what a later run begins with.
    pub fn last_event_id(&self) -> &str {
        self.reader.last_event_id()
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<E>> {
        loop {
            let told = match &mut self.state {
                State::Begin(request) => {
                    let request = core::mem::take(request);
                    self.heard = Instant::now();
                    self.state = State::Asking(Box::pin((self.connect)(request)));
                    continue;
                }
                State::Asking(asking) => match asking.as_mut().poll(cx) {
                    Poll::Ready(answer) => self.answered(answer),
                    Poll::Pending => {
                        ready!(self.poll_silence(Some(self.options.answer_ms), cx));
                        Some(self.lose(Lost::Silent))
                    }
                },
                State::Open(_) => ready!(self.poll_open(cx)),
                State::Waiting { until } => {
                    ready!(self.timer.poll(Some(*until), cx));
                    let last_event_id = self.reader.last_event_id();
                    // [html:9.2.3-last-event-id-header]
                    let action = self.reconnection.handle(Input::WaitOver { last_event_id });
                    let Some(Action::Connect { last_event_id }) = action else {
                        unreachable!("who has waited connects");
                    };
                    let last_event_id = last_event_id.map(str::to_owned);
                    self.state = State::Begin(Request { last_event_id, location: None });
                    continue;
                }
                State::Over => return Poll::Ready(None),
            };
            if let Some(told) = told {
                return Poll::Ready(Some(told));
            }
        }
    }

    /// Reads on in an open stream. `None`: something came that tells nothing.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Step<E>> {
        let State::Open(body) = &mut self.state else { return Poll::Ready(None) };
        let mut own = Own::default();
        match self.reader.next(&mut own) {
            Ok(_) => {
                if let Some(event) = own.0 {
                    return Poll::Ready(Some(Ok(SourceEvent::Message(event))));
                }
            }
            Err(_) => return Poll::Ready(Some(Err(self.fail(SourceError::TooLarge)))),
        }
        let why = match body.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.heard = Instant::now();
                let taken = self.reader.take(chunk);
                let failed = taken.is_err().then(|| Err(self.fail(SourceError::TooLarge)));
                return Poll::Ready(failed);
            }
            Poll::Ready(Some(Err(error))) => Lost::Failed(error),
            Poll::Ready(None) => Lost::Ended,
            Poll::Pending => {
                if self.reader.free_text().is_err() {
                    return Poll::Ready(Some(Err(self.fail(SourceError::TooLarge))));
                }
                ready!(self.poll_silence(self.options.silence_ms, cx));
                Lost::Silent
            }
        };
        // [html:9.2.6-eof-discards] But a line that is too large would come again.
        if self.reader.finish().is_err() {
            return Poll::Ready(Some(Err(self.fail(SourceError::TooLarge))));
        }
        Poll::Ready(Some(self.lose(why)))
    }

    fn poll_silence(&mut self, ms: Option<u64>, cx: &mut Context<'_>) -> Poll<()> {
        let until = ms.map(|ms| self.heard + Duration::from_millis(ms));
        self.timer.poll(until, cx)
    }

    /// Decides what an answer means.
    fn answered(&mut self, answer: Result<Response<B>, E>) -> Step<E> {
        let response = match answer {
            Ok(response) => response,
            Err(error) => return Some(self.lose(Lost::Failed(error))),
        };
        let Response { status, content_type, location, retry_after_ms, body } = response;
        let head = sockeye_sse::Response {
            status,
            content_type: content_type.as_deref(),
            location: location.as_deref(),
            retry_after_ms,
            entropy: entropy::bits(),
        };
        match self.reconnection.handle(Input::Response(head)) {
            Some(Action::Open) => {
                self.heard = Instant::now();
                self.state = State::Open(Box::pin(body));
                Some(Ok(SourceEvent::Open))
            }
            Some(Action::Follow) => {
                let id = self.reader.last_event_id();
                let last_event_id = (!id.is_empty()).then(|| id.to_owned());
                self.state = State::Begin(Request { last_event_id, location });
                None
            }
            Some(Action::Wait(wait_ms)) => Some(self.wait(Lost::Refused(status), wait_ms)),
            // [html:9.2.3-fail]
            Some(Action::Closed | Action::Connect { .. }) | None => {
                Some(Err(self.fail(SourceError::Refused(status))))
            }
        }
    }

    /// The stream, or the way to it, is lost.
    fn lose(&mut self, why: Lost<E>) -> Result<SourceEvent<E>, SourceError> {
        // [html:9.2.6-retry-sets-time]
        if let Some(ms) = self.reader.reconnection_ms() {
            self.reconnection.handle(Input::Retry(ms));
        }
        let entropy = entropy::bits();
        let input = match why {
            Lost::Ended => Input::Eof { entropy },
            Lost::Failed(_) | Lost::Silent | Lost::Refused(_) => Input::NetworkError { entropy },
        };
        // [html:9.2.3-reestablish]
        let Some(Action::Wait(wait_ms)) = self.reconnection.handle(input) else {
            unreachable!("a source that is not over waits after a loss");
        };
        self.wait(why, wait_ms)
    }

    fn wait(&mut self, why: Lost<E>, wait_ms: u64) -> Result<SourceEvent<E>, SourceError> {
        let until = Instant::now() + Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
        self.state = State::Waiting { until };
        Ok(SourceEvent::Lost { why, wait_ms })
    }

    fn fail(&mut self, error: SourceError) -> SourceError {
        self.reconnection.handle(Input::Close);
        // It has failed already.
        _ = self.reader.finish();
        self.state = State::Over;
        error
    }
}

/// Ten years: a longer wait is none that a clock can count to.
const WAIT_MS_MAX: u64 = 10 * 365 * 24 * 3600 * 1000;

impl<F, A, B, C, E> Stream for EventSource<F, A, B, C>
where
    F: FnMut(Request) -> A,
    A: Future<Output = Result<Response<B>, E>>,
    B: Stream<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    type Item = Result<SourceEvent<E>, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_step(cx)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(200) => f.write_str("the answer is not of the type text/event-stream"),
            Self::Refused(status) => write!(f, "the server has no event stream: {status}"),
            Self::TooLarge => f.write_str("an event is larger than the limit"),
        }
    }
}

impl core::error::Error for SourceError {}

impl<F, A, B, C> fmt::Debug for EventSource<F, A, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource").finish_non_exhaustive()
    }
}
