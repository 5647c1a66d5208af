//! The event-stream transport of a subscription (`GET /v1/sse`).

use sockeye_reactor::Time;
use sockeye_sse::{Config, Item, Parser, is_event_stream};

use super::end::End;
use super::hearing::Hearing;
use super::{Context, Take, request};
use crate::exchange::{Exchange, REFUSAL_MS, is_coded};
use crate::{Deadline, Error, UsageError};

/// An event stream from its request to its end.
pub(super) struct Stream {
    exchange: Exchange,
    step: Step,
    until: Time,
}

enum Step {
    Head,
    /// The head is not that of an event stream, and the refusal's body is being collected.
    Refused(Vec<u8>),
    Open(Box<Open>),
}

struct Open {
    parser: Parser,
    /// The piece of the body that came last, and how much of it was read.
    held: Vec<u8>,
    read: usize,
    /// The ID that was looked at last.
    id: String,
}

impl Stream {
    /// Sends the request.
    pub(super) fn begin(context: &Context, out: &mut Vec<u8>) -> Result<Self, UsageError> {
        let ledger = &context.hearing.ledger;
        let mut path = "/v1/sse?envelope=json".to_owned();
        request::add_query(
            &mut path,
            ledger.wanted(),
            ledger.cursor(),
            context.options.credentials.as_ref(),
        );
        request::get(&context.options, &path, None, out)?;
        let until = context.now + context.limits.head_ms;
        Ok(Self { exchange: Exchange::new("GET", context.limits), step: Step::Head, until })
    }

    pub(super) const fn deadline(&self) -> Time {
        self.until
    }

    pub(super) fn next<R>(
        &mut self,
        context: &mut Context,
        input: &mut &mut [u8],
        take: Take<'_, R>,
    ) -> Result<Option<R>, End> {
        let came = !input.is_empty();
        if matches!(self.step, Step::Head) && !self.take_head(context, input)? {
            return self.look_at_time(context);
        }
        match &mut self.step {
            Step::Head => Ok(None),
            Step::Refused(body) => {
                if self.exchange.gather(body, input) || self.until <= context.now {
                    return Err(self.end(Error::Ended, context));
                }
                Ok(None)
            }
            Step::Open(open) => {
                if let Some(told) = context.hearing.open(take) {
                    return Ok(Some(told));
                }
                if let Some(told) =
                    open.next(&mut self.exchange, &mut context.hearing, input, take)?
                {
                    return Ok(Some(told));
                }
                if came && context.hearing.has_answered {
                    self.until = context.now + context.options.silence_ms;
                }
                self.look_at_time(context)
            }
        }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, why: Error, context: &Context) -> End {
        let retry_ms_max = context.options.retry_ms_max;
        match &mut self.step {
            Step::Head => End::lost(why),
            Step::Refused(body) => {
                End::refusal(self.exchange.refusal(core::mem::take(body)), retry_ms_max)
            }
            Step::Open(open) => {
                let why = if why == Error::Ended { self.exchange.at_eof() } else { why };
                open.lost(why, retry_ms_max)
            }
        }
    }

    fn take_head(&mut self, context: &Context, input: &mut &mut [u8]) -> Result<bool, End> {
        if !self.exchange.take_head(input).map_err(End::lost)? {
            return Ok(false);
        }
        let (status, is_stream) = self.exchange.with_head(|head| {
            let kind = head.headers().single("Content-Type").ok().flatten();
            let is_stream = kind.is_some_and(|kind| is_event_stream(kind.as_bytes()));
            // [client:hub-coding]
            (head.status().code(), is_stream && !is_coded(head))
        });
        self.step = match status {
            // All channels have ended, and everything in them is known.
            204 => return Err(End::Over),
            200 if is_stream => {
                let bytes_held_max = context.options.message_bytes_max;
                let mut limits = sockeye_sse::Limits::default();
                limits.bytes_held_max = bytes_held_max;
                Step::Open(Box::new(Open {
                    parser: Parser::new(Config { limits, ..Config::default() }),
                    held: Vec::new(),
                    read: 0,
                    id: String::new(),
                }))
            }
            // The head of a 200 says what is wrong with it, and its body may be a stream without an end.
            200 => {
                let refusal = self.exchange.refusal(Vec::new());
                return Err(End::refusal(refusal, context.options.retry_ms_max));
            }
            _ => {
                self.until = self.until.min(context.now + REFUSAL_MS);
                Step::Refused(Vec::new())
            }
        };
        Ok(true)
    }

    fn look_at_time<R>(&self, context: &Context) -> Result<Option<R>, End> {
        if context.now < self.until {
            return Ok(None);
        }
        Err(match &self.step {
            // [client:hub-transport] A proxy on the way buffers the stream.
            Step::Open(_) if !context.hearing.has_answered => {
                End::Unfit(Error::TimedOut(Deadline::Silence))
            }
            Step::Open(open) => {
                open.lost(Error::TimedOut(Deadline::Silence), context.options.retry_ms_max)
            }
            Step::Head | Step::Refused(_) => End::lost(Error::TimedOut(Deadline::Head)),
        })
    }
}

impl Open {
    fn next<R>(
        &mut self,
        exchange: &mut Exchange,
        hearing: &mut Hearing,
        input: &mut &mut [u8],
        take: Take<'_, R>,
    ) -> Result<Option<R>, End> {
        loop {
            while self.read < self.held.len() {
                if let Some(told) = self.read_line(hearing, take)? {
                    return Ok(Some(told));
                }
                if hearing.verdict.is_some() {
                    return Ok(None);
                }
            }
            let has_more = self.hold_more(exchange, input);
            if !has_more.map_err(|why| self.lost(why, hearing.retry_ms_max))? {
                return Ok(None);
            }
        }
    }

    /// [client:hub-retry] Waits for the stream's `retry:` time, whatever the reason for its end.
    fn lost(&self, why: Error, retry_ms_max: u64) -> End {
        let retry_ms = self.parser.reconnection_ms().unwrap_or_default();
        End::Lost { why, retry_ms: retry_ms.min(retry_ms_max) }
    }

    /// Keeps the next piece of the body, which may hold several events.
    fn hold_more(&mut self, exchange: &mut Exchange, input: &mut &mut [u8]) -> Result<bool, Error> {
        let mut rest: &[u8] = input;
        let piece = exchange.body(&mut rest)?;
        self.held.clear();
        self.read = 0;
        self.held.extend_from_slice(piece.unwrap_or_default());
        let (has_more, left) = (piece.is_some(), rest.len());
        let taken = input.len() - left;
        *input = &mut core::mem::take(input)[taken..];
        if !has_more && exchange.is_over() {
            return Err(Error::Ended);
        }
        Ok(has_more)
    }

    /// Reads to the end of a line and no further: an ID without an event is seen, whatever follows it.
    fn read_line<R>(&mut self, hearing: &mut Hearing, take: Take<'_, R>) -> Result<Option<R>, End> {
        let rest = &self.held[self.read..];
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let len = end.map_or(rest.len(), |end| end + 1);
        let mut line = &rest[..len];
        let item = self.parser.next(&mut line);
        self.read += len - line.len();
        let told =
            if let Some(Item::Event(event)) = item.map_err(|_| End::Stop(Error::EventTooLarge))? {
                hearing.has_answered = true;
                let kind = event.event_type.strip_prefix('$').unwrap_or(event.event_type);
                hearing.hear(kind, event.data, Some(event.last_event_id), take)
            } else if self.parser.last_event_id() != self.id {
                hearing.has_answered = true;
                hearing.hint(self.parser.last_event_id(), take)
            } else {
                return Ok(None);
            };
        self.id.clear();
        self.id.push_str(self.parser.last_event_id());
        Ok(told)
    }
}
