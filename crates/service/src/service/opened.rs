//! Streams between the answer to their request and their session, and at the end of the server.

use sockeye_server::{CloseCode, Context, StreamKey};

use crate::dialect::counters::count;
use crate::engine::Delivery as _;
use crate::service::{Pending, Service};

impl Service {
    /// Goes on with a stream that is open now.
    pub(crate) fn take_opened(
        &mut self,
        stream: StreamKey,
        pending: Pending,
        context: &mut Context<'_>,
    ) {
        match pending {
            Pending::Commands(who) => self.open_commands(stream, who, context),
            Pending::Refused(problem) => {
                count(&mut self.counters.requests_refused, problem.code.as_str());
                let code = CloseCode::new(problem.close_code());
                context.close(stream, code, problem.code.as_str());
            }
            Pending::Subscribed { form, channels, start, watch, who } => {
                self.open_subscribed(stream, form, &channels, (start, watch), &who, context);
            }
            Pending::TurnedAway(it) => self.turn_away(stream, *it, context),
            Pending::Poll(of, until, who) => self.open_poll(stream, of, until, who),
            Pending::Publishing(id, of_visits) => self.hold_publishing(id, of_visits, stream),
            Pending::Statement(ticket, of_visits) => {
                self.hold_statement(ticket, of_visits, stream);
            }
            Pending::Request(id) => self.line_up(id, stream, context),
            Pending::Redeeming(redeeming) => self.begin_to_redeem(stream, *redeeming, context),
        }
    }

    /// Forgets what a request has left for a stream that does not open.
    pub(crate) fn forget_pending(&mut self, pending: Pending) {
        match pending {
            Pending::Poll((subscriber, _), ..) => self.engine.leave(subscriber),
            Pending::Request(id) => self.forget_request(id),
            Pending::Redeeming(redeeming) => self.forget_unredeemed(*redeeming),
            Pending::Subscribed { .. }
            | Pending::Commands(_)
            | Pending::Refused(_)
            | Pending::TurnedAway(_)
            | Pending::Publishing(..)
            | Pending::Statement(..) => {}
        }
    }

    /// Notes that the client of a stream has ended its direction, and answers it if it waits.
    pub(crate) fn take_half_close(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.redemptions.note_half_close(stream);
        self.held.note_half_close(stream);
        if let Some(session) = self.engine.sessions.of_stream(stream) {
            self.answer_late(session.subscriber, context);
        }
    }

    /// Tells a stream that the server goes away, in the words of its kind.
    pub(crate) fn dismiss(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.engine.deliver_burst(context);
        self.engine.deliver_before(stream, context);
        let session = self.engine.sessions.of_stream(stream);
        let poll = session.filter(|session| session.delivery.fetches());
        if let Some(subscriber) = poll.map(|session| session.subscriber) {
            return self.answer_late(subscriber, context);
        }
        if !self.jobs.put_off_goodbye(stream) {
            self.say_goodbye(stream, context);
        }
    }
}
