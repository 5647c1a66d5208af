//! The polling transports of a subscription, long and short (`GET /v1/poll`).

use std::collections::VecDeque;

use serde_json::value::RawValue;
use sockeye_reactor::Time;

use super::end::End;
use super::fetch::Fetch;
use super::position::Position;
use super::{Context, Take, Transport, request, said};
use crate::exchange::REFUSAL_MS;
use crate::{Deadline, Error, HubError, UsageError};

/// How long the hub may keep a poll, in seconds.
const WAIT_S: u64 = 25;
/// How long the hub may be silent on top of that, in milliseconds.
const SILENCE_MS: u64 = 20_000;
/// The pause between two short polls, and after an empty answer that came at once, in milliseconds.
const PAUSE_MS: u64 = 1_000;

/// Polls, one after the other.
pub(super) struct Polls {
    is_short: bool,
    step: Step,
    /// The items of the last answer, in the order in which they are reported.
    items: VecDeque<Item>,
    /// The tag of the last answer.
    tag: Option<String>,
    /// Whether there was an answer on this connection.
    is_used: bool,
}

enum Step {
    /// The next poll is sent at this time.
    Pause(Time),
    Asked {
        fetch: Box<Fetch>,
        at: Time,
        until: Time,
        waits: bool,
        /// The head is not an answer to a poll; its body is read for `REFUSAL_MS` at most.
        is_refused: bool,
    },
    /// This connection takes no more requests. The next poll is sent at this time, on another one.
    Ended(Time),
}

enum Item {
    Said(&'static str, Box<RawValue>),
    Sync(Box<RawValue>, String),
    Cursor(String),
    CaughtUp,
}

impl Polls {
    pub(super) fn new(transport: Transport, now: Time) -> Self {
        let is_short = matches!(transport, Transport::ShortPoll);
        let (items, step) = (VecDeque::new(), Step::Pause(now));
        Self { is_short, step, items, tag: None, is_used: false }
    }

    pub(super) const fn deadline(&self) -> Time {
        match self.step {
            Step::Pause(until) | Step::Ended(until) | Step::Asked { until, .. } => until,
        }
    }

    pub(super) fn next<R>(
        &mut self,
        context: &mut Context,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: Take<'_, R>,
    ) -> Result<Option<R>, End> {
        loop {
            if let Some(told) = self.tell(context, take) {
                return Ok(Some(told));
            }
            if context.hearing.verdict.is_some() {
                return Ok(None);
            }
            match &mut self.step {
                Step::Pause(until) if context.now < *until => return Ok(None),
                Step::Ended(until) => return Err(End::Again(*until)),
                // [client:hub-transport] Between two polls a better transport costs nothing.
                Step::Pause(_) if self.is_used && context.preference.is_better_due(context.now) => {
                    return Err(End::Again(context.now));
                }
                Step::Pause(_) => self.ask(context, out)?,
                Step::Asked { fetch, until, is_refused, .. } => {
                    if !input.is_empty() && !*is_refused {
                        // A long answer on a slow line does not count as silence.
                        *until = (*until).max(context.now + SILENCE_MS);
                    }
                    let had_head = fetch.has_head();
                    let taken = fetch.take(input);
                    if !had_head && fetch.has_head() && is_refusal(fetch) {
                        (*is_refused, *until) = (true, context.now + REFUSAL_MS);
                    }
                    let is_whole = match taken {
                        // The refusal is worth reporting with the part that came before the error.
                        Err(_) if *is_refused => true,
                        taken => taken.map_err(too_large_or_lost)?,
                    };
                    if !is_whole && context.now < *until {
                        return Ok(None);
                    }
                    if !is_whole && !*is_refused {
                        return Err(End::lost(Error::TimedOut(Deadline::Silence)));
                    }
                    // Unsolicited bytes are no part of a later answer.
                    let is_dirty = !input.is_empty();
                    self.answered(context, is_dirty)?;
                }
            }
        }
    }

    /// The connection has ended. `None`: its end has completed an answer.
    pub(super) fn end(&mut self, why: Error, context: &mut Context) -> Option<End> {
        match &mut self.step {
            // [client:hub-retry] The next poll keeps its time: a new connection does not bring it forward.
            Step::Pause(until) | Step::Ended(until) => {
                let until = *until;
                self.step = Step::Ended(until);
                self.items.is_empty().then_some(End::Again(until))
            }
            Step::Asked { fetch, is_refused, .. } => {
                if fetch.cut() || *is_refused {
                    self.answered(context, true).err()
                } else if self.is_used && !fetch.is_begun() {
                    // It was closed while our request was on its way.
                    Some(End::Again(context.now))
                } else {
                    Some(End::lost(why))
                }
            }
        }
    }

    fn ask(&mut self, context: &Context, out: &mut Vec<u8>) -> Result<(), UsageError> {
        let ledger = &context.hearing.ledger;
        // Without a cursor, what comes while the first answer is on its way would be missed.
        let waits = !self.is_short && ledger.cursor().is_some();
        let wait = if waits { WAIT_S } else { 0 };
        let mut path = format!("/v1/poll?wait={wait}");
        request::add_query(
            &mut path,
            ledger.wanted(),
            ledger.cursor(),
            context.options.credentials.as_ref(),
        );
        let tag = self.tag.take().filter(|_| !waits);
        let header = tag.map(|tag| ("If-None-Match".to_owned(), tag));
        request::get(&context.options, &path, header, out)?;
        let fetch = Box::new(Fetch::new(context.limits, context.options.message_bytes_max));
        let until = context.now + wait * 1_000 + SILENCE_MS;
        self.step = Step::Asked { fetch, at: context.now, until, waits, is_refused: false };
        Ok(())
    }

    /// Takes an answer apart into the events to report.
    fn answered(&mut self, context: &mut Context, is_dirty: bool) -> Result<(), End> {
        let now = context.now;
        let step = core::mem::replace(&mut self.step, Step::Pause(now));
        let Step::Asked { fetch, at, waits, .. } = step else { return Ok(()) };
        let (status, keep_alive) = fetch.head();
        let is_over = match status {
            _ if is_refusal(&fetch) => {
                return Err(End::refusal(fetch.into_refusal(), context.options.retry_ms_max));
            }
            200 => match self.take_apart(fetch.body()) {
                Ok(is_over) => is_over,
                Err(_) if !is_json(&fetch) => {
                    return Err(End::refusal(fetch.into_refusal(), context.options.retry_ms_max));
                }
                Err(error) => return Err(End::Stop(Error::Hub(error))),
            },
            _ => {
                self.items.extend(fetch.header("Sockeye-Cursor").map(Item::Cursor));
                self.items.push_back(Item::CaughtUp);
                true
            }
        };
        self.tag = fetch.header("ETag");
        (self.is_used, context.hearing.has_answered) = (true, true);
        // An answer is whole: its cursors are after all its messages.
        context.hearing.ledger.hear();
        let is_hasty = is_over && waits && now.since(at) < PAUSE_MS;
        let pause = is_hasty && self.items.len() <= 2 || self.is_short && is_over;
        let until = if pause { now + PAUSE_MS } else { now };
        self.step = if keep_alive && !is_dirty { Step::Pause(until) } else { Step::Ended(until) };
        Ok(())
    }

    /// Takes the body of an answer apart into items. Returns whether there are no more messages for now.
    fn take_apart(&mut self, body: &[u8]) -> Result<bool, HubError> {
        let answer: said::Answer = serde_json::from_slice(body).map_err(|_| HubError::Strange)?;
        self.items.extend(answer.gaps.into_iter().map(|gap| Item::Said("gap", gap)));
        let mut entries: Vec<(Position, Item)> = Vec::new();
        for (kind, list) in [("message", answer.messages), ("end", answer.ended)] {
            for entry in list {
                entries.push((said::place(&entry)?, Item::Said(kind, entry)));
            }
        }
        // Both lists are in the order of the log.
        entries.sort_by_key(|(at, _)| *at);
        self.items.extend(entries.into_iter().map(|(_, item)| item));
        let cursor = answer.cursor;
        match answer.sync {
            Some(sync) => self.items.push_back(Item::Sync(sync, cursor)),
            None => self.items.push_back(Item::Cursor(cursor)),
        }
        if !answer.more {
            self.items.push_back(Item::CaughtUp);
        }
        Ok(!answer.more)
    }

    /// Reports the next event of the last answer.
    fn tell<R>(&mut self, context: &mut Context, take: Take<'_, R>) -> Option<R> {
        if !self.items.is_empty()
            && let Some(told) = context.hearing.open(take)
        {
            return Some(told);
        }
        while context.hearing.verdict.is_none()
            && let Some(item) = self.items.pop_front()
        {
            let hearing = &mut context.hearing;
            let told = match &item {
                Item::Said(kind, json) => hearing.hear(kind, json.get(), None, take),
                Item::Sync(json, cursor) => hearing.hear("sync", json.get(), Some(cursor), take),
                Item::Cursor(cursor) => hearing.hint(cursor, take),
                Item::CaughtUp => hearing.caught_up(take),
            };
            if told.is_some() {
                return told;
            }
        }
        None
    }
}

/// Whether the head alone shows that this is not an answer to a poll.
fn is_refusal(fetch: &Fetch) -> bool {
    match fetch.head().0 {
        // [client:hub-coding]
        200 => fetch.is_coded(),
        204 | 304 => false,
        _ => true,
    }
}

/// Whether the answer's `Content-Type` is JSON, as a hub's is.
fn is_json(fetch: &Fetch) -> bool {
    let kind = fetch.header("Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn too_large_or_lost(error: Error) -> End {
    if error == Error::Hub(HubError::TooLarge) { End::Stop(error) } else { End::lost(error) }
}
