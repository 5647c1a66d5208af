//! EventSource without its network: the state machine.

use core::fmt;

use sockeye_reactor::Time;
use sockeye_sse::{Action, Config, End, Input, Parser, ReadyState, Reconnection, Response};

use super::answer::Answer;
use super::event::{SourceEvent, SourceOpened, tell};
use super::options::{EventSourceOptions, Reconnect};
use super::request::Request;
use crate::exchange::{Exchange, REFUSAL_MS};
use crate::{Deadline, Entropy, Error, Limits, Machine, Peer, UsageError, headers};

/// An event source as a state machine.
///
/// ```text
///             connected          head: 200, event stream
///  ┌► asking ───────────► head ─────────────────────────────► open
///  │   │  ▲                │ │ any other answer                 │ end, error, silence
///  │   │  └─── parting ◄───┤ └─► refused ─► over: Err(Refused)  │
///  │   │ none  (redirect)  │                                    │
///  │   ▼ came              ▼ error, too slow                    │
///  └─ waiting ◄──── parting: Lost ◄─────────────────────────────┘   close(): over, from anywhere
/// ```
///
/// # RFC
/// WHATWG HTML §9.2; the waits and what an answer means are [`sockeye_sse::Reconnection`]'s.
pub struct EventSource {
    options: EventSourceOptions,
    limits: Limits,
    entropy: Entropy,
    parser: Parser,
    reconnection: Reconnection,
    /// The request that is or will be under way.
    request: Request,
    state: State,
    notice: Option<Notice>,
}

/// An event from outside of `next`, which `next` has still to report.
enum Notice {
    Lost(Error, u64),
    Failed(Error),
}

enum State {
    /// A connection is wanted.
    Asking,
    /// The request is sent.
    Head {
        exchange: Exchange,
        until: Time,
    },
    /// The answer is final, and its body is gathered for the user.
    Refused {
        exchange: Exchange,
        body: Vec<u8>,
        until: Time,
    },
    /// The first `ahead` bytes of the input belong to the stream.
    Open {
        exchange: Exchange,
        ahead: usize,
        until: Time,
    },
    /// The connection has to go before anything else.
    Parting(After),
    Waiting {
        until: Time,
    },
    Over,
}

#[derive(Clone, Copy)]
enum After {
    Ask,
    Wait(Time),
}

impl EventSource {
    /// A source that is about to ask for its stream.
    ///
    /// # Errors
    /// What of the options cannot stand in a request.
    pub fn new(
        options: EventSourceOptions,
        limits: Limits,
        entropy: Entropy,
    ) -> Result<Self, UsageError> {
        options.check()?;
        let mut held = sockeye_sse::Limits::default();
        held.bytes_held_max = options.event_bytes_max;
        let mut parser = Parser::new(Config { limits: held, comments: options.comments });
        parser.set_last_event_id(&options.last_event_id);
        Ok(Self {
            limits,
            entropy,
            parser,
            reconnection: Reconnection::new(options.policy),
            request: Request::first(&options),
            state: State::Asking,
            notice: None,
            options,
        })
    }

    /// The last event ID string: what a later run begins with.
    pub fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }

    /// Returns the reconnection time, in milliseconds.
    pub const fn reconnection_ms(&self) -> u64 {
        self.reconnection.reconnection_ms()
    }

    /// EventSource's `readyState`.
    pub const fn ready_state(&self) -> ReadyState {
        self.reconnection.ready_state()
    }

    /// Ends the source. It gives no event after that, not even one that has come already.
    pub fn close(&mut self) {
        // [html:9.2.2-close-final]
        self.notice = None;
        self.end();
    }

    /// Gives up the connection or the wait, and asks for the stream at once, from the last event ID on. Events that
    /// were not reported yet are dropped. It has no effect while the source connects or reads a refusal, nor after its
    /// end.
    pub fn restart(&mut self) {
        match self.state {
            State::Asking | State::Refused { .. } | State::Over => return,
            State::Waiting { .. } => self.state = State::Asking,
            State::Parting(_) | State::Head { .. } | State::Open { .. } => {
                self.state = State::Parting(After::Ask);
            }
        }
        self.notice = None;
        self.parser.reset();
        // A connection that the client gives up is no failure, so an attempt under way goes on with the next request.
        if self.ready_state() == ReadyState::Open {
            self.reconnection.handle(Input::Eof { entropy: 0 });
        }
        self.ask_again();
    }

    /// Makes the first request the next one.
    fn ask_again(&mut self) {
        let last_event_id = self.parser.last_event_id();
        self.reconnection.handle(Input::WaitOver { last_event_id });
        self.request = Request::first(&self.options);
    }

    /// Ends the source, connection and all.
    fn end(&mut self) {
        self.reconnection.handle(Input::Close);
        self.parser.reset();
        self.state = State::Over;
    }

    fn fail(&mut self, why: Error) {
        self.end();
        self.notice = Some(Notice::Failed(why));
    }

    /// The stream or the way to it is lost.
    fn lose(&mut self, now: Time, why: Error) {
        let end = self.parser.finish();
        let entropy = self.entropy.bits();
        let input = match why {
            Error::Ended => Input::Eof { entropy },
            _ => Input::NetworkError { entropy },
        };
        match (self.options.reconnect, &why) {
            // [html:9.2.3-futile]
            (_, it) if it.is_futile() => self.fail(why),
            (Reconnect::Never, Error::Ended) => match end {
                End::Clean => self.end(),
                // The stream ended inside an event, so the answer is not whole.
                End::Truncated => self.fail(Error::Truncated),
            },
            (Reconnect::Never, _) => self.fail(why),
            (Reconnect::Standard, _) => {
                let action = self.reconnection.handle(input);
                self.wait(now, why, action);
            }
        }
    }

    /// Waits if the rules say so.
    fn wait(&mut self, now: Time, why: Error, action: Option<Action<'_>>) {
        match action {
            // [html:9.2.3-reestablish]
            Some(Action::Wait(wait_ms)) if self.options.reconnect == Reconnect::Standard => {
                self.notice = Some(Notice::Lost(why, wait_ms));
                self.state = State::Parting(After::Wait(now + wait_ms));
            }
            _ => self.fail(why),
        }
    }

    /// Goes on after the connection has ended.
    fn parted(&mut self) {
        if let State::Parting(after) = self.state {
            self.state = match after {
                After::Ask => State::Asking,
                After::Wait(until) => State::Waiting { until },
            };
        }
    }

    /// Takes the head; gives what is to be told of it.
    fn read_head(&mut self, now: Time, input: &mut &mut [u8]) -> Option<SourceOpened> {
        let State::Head { exchange, until } = &mut self.state else { return None };
        let why = match exchange.take_head(input) {
            Ok(true) => return self.judge(now, input),
            Ok(false) if now < *until => return None,
            Ok(false) => Error::TimedOut(Deadline::Head),
            Err(error) => error,
        };
        self.lose(now, why);
        None
    }

    /// Decides what the head means.
    fn judge(&mut self, now: Time, input: &mut &mut [u8]) -> Option<SourceOpened> {
        let State::Head { exchange, until } = core::mem::replace(&mut self.state, State::Over)
        else {
            return None;
        };
        let (mut exchange, entropy) = (exchange, self.entropy.bits());
        let head = Answer::of(&exchange);
        let response = Response {
            status: head.status,
            content_type: head.content_type.as_deref(),
            location: head.location.as_deref(),
            retry_after_ms: head.retry_after_ms,
            entropy,
        };
        match self.reconnection.handle(Input::Response(response)) {
            Some(Action::Open) => {
                let until = self.silent_until(now);
                let headers = exchange.with_head(|head| headers::of_head(head.headers()));
                self.state = State::Open { exchange, ahead: 0, until };
                return Some(SourceOpened { url: self.request.url.clone(), headers });
            }
            Some(Action::Follow) => self.follow(now, &head),
            action @ Some(Action::Wait(_)) => {
                let why = match &head.location {
                    Some(to) if (300..400).contains(&head.status) => {
                        if to.is_empty() {
                            Error::Redirect
                        } else {
                            Error::Redirects
                        }
                    }
                    _ => {
                        let mut body = Vec::new();
                        exchange.gather(&mut body, input);
                        Error::Refused(exchange.refusal(body))
                    }
                };
                self.wait(now, why, action);
            }
            // [html:9.2.3-fail]
            Some(Action::Closed | Action::Connect { .. }) | None => {
                let until = until.min(now + REFUSAL_MS);
                self.state = State::Refused { exchange, body: Vec::new(), until };
                // The head of a 200 says what is wrong with it, and its body may be a stream without an end.
                if head.status == 200 {
                    self.refuse();
                }
            }
        }
        None
    }

    /// Goes where a redirect leads.
    fn follow(&mut self, now: Time, head: &Answer) {
        let location = head.location.as_deref().unwrap_or_default();
        match self.request.redirected(head.status, location, &self.options) {
            Some(request) => {
                self.request = request;
                self.state = State::Parting(After::Ask);
            }
            None => self.lose(now, Error::Redirect),
        }
    }

    /// Collects the body of a refusal, and fails with it once it is complete.
    fn read_refusal(&mut self, now: Time, input: &mut &mut [u8]) {
        let State::Refused { exchange, body, until } = &mut self.state else { return };
        if exchange.gather(body, input) || *until <= now {
            self.refuse();
        }
    }

    fn refuse(&mut self) {
        if let State::Refused { exchange, body, .. } = &mut self.state {
            let refusal = exchange.refusal(core::mem::take(body));
            self.fail(Error::Refused(refusal));
        }
    }

    /// Takes input of an open stream up to the next thing to tell.
    fn read_stream<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        take: &mut dyn FnMut(SourceEvent<'_>) -> R,
    ) -> Option<R> {
        let silent_until = self.silent_until(now);
        let State::Open { exchange, ahead, until } = &mut self.state else { return None };
        if !input.is_empty() {
            *until = silent_until;
        }
        loop {
            let here = (*ahead).min(input.len());
            let mut piece: &[u8] = &input[..here];
            let told = match self.parser.next(&mut piece) {
                Ok(item) => item.map(|item| tell(item, &mut self.reconnection, take)),
                // The same ID would bring the same event again.
                Err(_) => {
                    self.fail(Error::EventTooLarge);
                    return None;
                }
            };
            let used = here - piece.len();
            *ahead -= used;
            *input = &mut core::mem::take(input)[used..];
            if told.is_some() {
                return told;
            }
            match next_piece(exchange, input) {
                Ok(0) if exchange.is_over() => self.lose(now, Error::Ended),
                Ok(0) if *until <= now => self.lose(now, Error::TimedOut(Deadline::Silence)),
                Ok(0) => {}
                Ok(len) => {
                    *ahead = len;
                    continue;
                }
                Err(error) => self.lose(now, error),
            }
            return None;
        }
    }

    fn silent_until(&self, now: Time) -> Time {
        self.options.silence_ms.map_or(Time::NEVER, |ms| now + ms)
    }
}

impl Machine for EventSource {
    type Event<'e> = SourceEvent<'e>;

    fn peer(&self) -> Option<&Peer> {
        match self.state {
            State::Asking | State::Head { .. } | State::Refused { .. } | State::Open { .. } => {
                Some(self.request.url.peer())
            }
            State::Parting(_) | State::Waiting { .. } | State::Over => None,
        }
    }

    fn deadline(&self) -> Time {
        match self.state {
            _ if self.notice.is_some() => Time::default(),
            State::Head { until, .. }
            | State::Refused { until, .. }
            | State::Open { until, .. }
            | State::Waiting { until } => until,
            State::Asking | State::Parting(_) | State::Over => Time::NEVER,
        }
    }

    fn connected(&mut self, now: Time, out: &mut Vec<u8>) {
        if matches!(self.state, State::Asking) {
            self.request.write(&self.options, self.parser.last_event_id(), out);
            // Only HEAD and CONNECT frame their answers differently, and the options refuse both.
            let exchange = Exchange::new("GET", self.limits);
            self.state = State::Head { exchange, until: now + self.limits.head_ms };
        }
    }

    fn disconnected(&mut self, now: Time, why: Error) {
        match &self.state {
            State::Asking if why == Error::Ended => self.lose(now, Error::Truncated),
            State::Asking => self.lose(now, why),
            State::Head { exchange, .. } | State::Open { exchange, .. } => {
                let why = if why == Error::Ended { exchange.at_eof() } else { why };
                self.lose(now, why);
            }
            State::Refused { .. } => self.refuse(),
            State::Parting(_) | State::Waiting { .. } | State::Over => {}
        }
        self.parted();
    }

    fn next<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        _out: &mut Vec<u8>,
        take: &mut dyn FnMut(SourceEvent<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        if self.notice.is_none() {
            if let State::Waiting { until } = self.state
                && until <= now
            {
                self.state = State::Asking;
                self.ask_again();
            }
            if let Some(opened) = self.read_head(now, input) {
                return Ok(Some(take(SourceEvent::Open(opened))));
            }
            self.read_refusal(now, input);
            if let Some(told) = self.read_stream(now, input, take) {
                return Ok(Some(told));
            }
        }
        match self.notice.take() {
            Some(Notice::Lost(why, wait_ms)) => Ok(Some(take(SourceEvent::Lost { why, wait_ms }))),
            Some(Notice::Failed(why)) => Err(why),
            None => {
                // Behind the end of a response comes nothing that concerns us.
                *input = &mut [];
                Ok(None)
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over) && self.notice.is_none()
    }
}

/// Takes input up to the next piece of the body, and gives its length.
fn next_piece(exchange: &mut Exchange, input: &mut &mut [u8]) -> Result<usize, Error> {
    let mut rest: &[u8] = input;
    let len = exchange.body(&mut rest)?.map_or(0, <[u8]>::len);
    let before = input.len() - rest.len() - len;
    *input = &mut core::mem::take(input)[before..];
    Ok(len)
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource")
            .field("options", &self.options)
            .field("reconnection", &self.reconnection)
            .finish_non_exhaustive()
    }
}
