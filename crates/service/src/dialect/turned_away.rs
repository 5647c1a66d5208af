//! Event streams that are turned away as soon as they open. A status would be the end for a browser's EventSource.

use sockeye_hub::Start;
use sockeye_server::{Context, EventStream, StreamKey};

use crate::dialect::counters::count;
use crate::dialect::outlet::{Delivery, Recipient};
use crate::engine::{NOWHERE, Principal};
use crate::wire::{CloseReason, Problem};
use crate::{Pending, Service};

/// An event stream that cannot be served now.
#[derive(Debug)]
pub(crate) struct TurnedAway {
    pub(crate) form: Delivery,
    pub(crate) start: Start,
    pub(crate) who: Principal,
    pub(crate) problem: Problem,
}

impl Service {
    /// Tells an event stream that has just opened to come back later, with the cursor that it came with.
    /// [service:events-come-back]
    pub(crate) fn turn_away(
        &mut self,
        stream: StreamKey,
        TurnedAway { form, start, who, problem }: TurnedAway,
        context: &mut Context<'_>,
    ) {
        count(&mut self.counters.requests_refused, problem.code.as_str());
        let retry = self.engine.retry_ms(stream) + problem.wait_ms;
        let cursor = match start {
            // A log that is known in part has no newest message.
            Start::Now if self.engine.sequencing.is_restoring() => NOWHERE,
            start => self.engine.begin_again_at(start),
        };
        let to = match who.unredeemed() {
            // A proof would do instead of its ticket.
            Some(_) => Recipient::new(stream, form),
            None => Recipient::of(stream, form, &who, &self.engine.access, self.engine.calendar),
        };
        to.goaway(CloseReason::of_refusal(&problem), Some(retry), cursor, context);
    }

    /// Opens an event stream that was held, and turns it away.
    pub(super) fn turn_away_held(
        &mut self,
        stream: StreamKey,
        (events, pending): (&EventStream, Pending),
        problem: Problem,
        context: &mut Context<'_>,
    ) {
        let Pending::Subscribed { form, start, who, .. } = pending else { return };
        // A client that is gone is told nothing.
        if context.respond_events(stream, events).is_ok() {
            self.turn_away(stream, TurnedAway { form, start, who, problem }, context);
        }
    }
}
