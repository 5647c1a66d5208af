//! Opens event streams, and WebSockets without the subprotocol: their requests name the channels.

use sockeye_hub::{Start, SubscriberKey};
use sockeye_server::{Context, StreamKey};

use crate::Service;
use crate::dialect::openings::How;
use crate::dialect::outlet::{Delivery, Heartbeat};
use crate::engine::{NOWHERE, Principal, Watch, units};
use crate::wire::{CloseReason, Problem};

impl Service {
    /// Opens an event stream or a bare WebSocket.
    pub(crate) fn open_subscribed(
        &mut self,
        stream: StreamKey,
        form: Delivery,
        channels: &[String],
        (start, watch): (Start, Watch),
        who: &Principal,
        context: &mut Context<'_>,
    ) {
        let connected = self.engine.connect(stream, form, who.clone(), start, context);
        let Some(subscriber) = connected else { return };
        let targets: Vec<&str> = channels.iter().map(String::as_str).collect();
        let from = (start, watch);
        if !self.awaits_cursor(subscriber, How::Whole, &targets, from) {
            self.subscribe_opened(stream, (subscriber, who), &targets, from, context);
        }
    }

    /// Subscribes an event stream or a bare WebSocket that has just opened, or has waited.
    pub(super) fn subscribe_opened(
        &mut self,
        stream: StreamKey,
        (subscriber, who): (SubscriberKey, &Principal),
        targets: &[&str],
        from: (Start, Watch),
        context: &mut Context<'_>,
    ) {
        context.spend(targets.len() as u64 * units::TARGET);
        let (start, _) = from;
        let retry = self.engine.retry_ms(stream);
        let mut problems = Vec::new();
        let taken = self.engine.subscribe(subscriber, who, targets, from, |channel, refusal| {
            problems.push((channel, Problem::of_target(channel, refusal)));
        });
        let cursor = self.engine.cursor_of(subscriber);
        let Some(session) = self.engine.sessions.of_subscriber(subscriber) else { return };
        let to = self.engine.recipient(session);
        let mut reasons = problems.iter().map(|(_, problem)| CloseReason::of_refusal(problem));
        // [service:passing-refusal] It cannot ask for one channel again, so it comes back for all.
        if reasons.clone().any(|reason| reason == CloseReason::TryAgain) {
            let cursor = self.engine.begin_again_at(start);
            return to.goaway(CloseReason::TryAgain, Some(retry), cursor, context);
        }
        // [service:cursor-first] If a gap is to come, the client first gets a cursor of no epoch.
        // With the real one, a client that is cut in between would resume after the gap, and
        // never be told of it.
        let first = if self.engine.is_in_the_log(start) { cursor } else { NOWHERE };
        to.position(first, Some(retry), context);
        // [service:ping] It announces itself, with how often it comes.
        if matches!(to.delivery, Delivery::Events(form) if form.heartbeat() == Heartbeat::Ping) {
            to.heartbeat(first, self.engine.limits.heartbeat_ms, context);
        }
        for (channel, problem) in &problems {
            to.refusal(channel, problem, context);
        }
        if taken.targets.is_empty() {
            let reason = reasons.next().unwrap_or(CloseReason::Forbidden);
            return to.goaway(reason, None, cursor, context);
        }
        self.engine.say_ended(subscriber, &taken, context);
        self.engine.catch_up(subscriber, context);
        self.engine.tell_owed(subscriber, context);
    }
}
