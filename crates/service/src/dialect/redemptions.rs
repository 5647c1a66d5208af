//! Tickets that the log of several machines has to redeem, and what waits for that.
//!
//! ```text
//!  request, first message ─► candidate ─► what it would get ─► held ─► Redeem ─► log
//!  answer, stream ◄────────────── redeemed: exactly that ◄──────────────────────┘
//!  401, 4302 ◄─────────────────── used before, or expired
//! ```
//!
//! The candidate is who the ticket says: its seal was checked. Nothing is given to it before its ticket is redeemed.

use std::collections::HashMap;

use sockeye_hub::{Cursor, Start, SubscriberKey};
use sockeye_server::{Answer, CloseCode, Context, EventStream, Hold, Reply, StreamKey};

use crate::dialect::counters::count;
use crate::dialect::outlet::{Delivery, Recipient};
use crate::dialect::reply;
use crate::engine::work::Payer;
use crate::engine::{Answered, NOWHERE, Placed, Principal, Refusal};
use crate::sequencing::{Statement, Ticket};
use crate::wire::{CloseReason, Code, Id, Problem};
use crate::{Pending, Service};

/// How long a request waits until its ticket is redeemed, in milliseconds, besides the time of its own wait.
const REDEEM_MS: u64 = 10_000;

/// A ticket that is to be redeemed.
#[derive(Debug)]
pub(crate) struct Redeeming {
    hash: [u8; 32],
    /// The account to which visits to its stream are charged, unless that is its address.
    of_visits: Option<Payer>,
    then: Then,
    /// For the log line of a refused ticket.
    path: Box<str>,
    /// The client has ended its direction.
    half_closed: bool,
}

/// The work that follows once it is redeemed.
#[derive(Debug)]
pub(crate) enum Then {
    /// The answer to a held request,
    Reply(Reply),
    /// or an event stream,
    Events(EventStream, Pending),
    /// or the request is held for something else.
    Held(Pending),
    /// A WebSocket goes on, which is open, and not read.
    Socket(Pending),
    /// So does one whose first message has brought the ticket.
    Greeting(SubscriberKey, Principal, Option<Id<'static>>),
}

impl Redeeming {
    /// The ticket of a first message.
    pub(crate) fn greeting(
        hash: [u8; 32],
        (subscriber, who): (SubscriberKey, Principal),
        id: Option<&Id<'_>>,
    ) -> Self {
        let id = id.map(|id| id.clone().into_owned());
        let then = Then::Greeting(subscriber, who, id);
        Self { hash, of_visits: None, then, path: "/v1/ws".into(), half_closed: false }
    }
}

/// The tickets that are under way.
#[derive(Debug, Default)]
pub(crate) struct Redemptions {
    /// `None` if the stream has closed meanwhile.
    waiting: HashMap<Ticket, Option<(StreamKey, Redeeming)>>,
    by_stream: HashMap<StreamKey, Ticket>,
}

impl Redemptions {
    /// Whether a stream waits for its ticket.
    pub(crate) fn holds(&self, stream: StreamKey) -> bool {
        self.by_stream.contains_key(&stream)
    }

    /// As for [`Jobs`](super::publishing::Jobs::payer_of_visits).
    pub(crate) fn payer_of_visits(&self, stream: StreamKey) -> Option<Payer> {
        let (_, redeeming) = self.waiting.get(self.by_stream.get(&stream)?)?.as_ref()?;
        redeeming.of_visits
    }

    /// The number of streams that wait, and of tickets under way.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.by_stream.len(), self.waiting.len())
    }

    /// Notes that the client of a stream has ended its direction.
    pub(crate) fn note_half_close(&mut self, stream: StreamKey) {
        let ticket = self.by_stream.get(&stream);
        let waiting = ticket.and_then(|ticket| self.waiting.get_mut(ticket));
        if let Some(Some((_, redeeming))) = waiting {
            redeeming.half_closed = true;
        }
    }

    /// Forgets what waits on a stream, and returns it.
    fn forget(&mut self, stream: StreamKey) -> Option<Redeeming> {
        let ticket = self.by_stream.remove(&stream)?;
        self.waiting.get_mut(&ticket)?.take().map(|(_, redeeming)| redeeming)
    }
}

impl Service {
    /// Puts an answer off until the ticket of its client is redeemed. [service:redeem-first]
    pub(crate) fn redeem_first(
        &mut self,
        answer: Answer<Pending>,
        (who, path): (&Principal, &str),
        hash: [u8; 32],
    ) -> Result<Answer<Pending>, Problem> {
        let of_visits = self.engine.work.payer_of_visits(who);
        let waits = |then| {
            let path = path.into();
            let redeeming = Redeeming { hash, of_visits, then, path, half_closed: false };
            Pending::Redeeming(Box::new(redeeming))
        };
        let held = |mut hold: Hold, then| {
            hold.hold_ms = hold.hold_ms.saturating_add(REDEEM_MS);
            Answer::Hold(hold, waits(then))
        };
        match answer {
            Answer::Reply(reply) => Ok(held(Hold::new(0), Then::Reply(reply))),
            Answer::EventStream(events, pending) => {
                Ok(held(Hold::new(0), Then::Events(events, pending)))
            }
            Answer::Hold(hold, pending) => Ok(held(hold, Then::Held(pending))),
            // It opens as a refused one does: a browser's script sees its close code, but no status.
            Answer::WebSocket(upgrade, pending) => {
                Ok(Answer::WebSocket(upgrade, waits(Then::Socket(pending))))
            }
            _ => Err(Problem::new(Code::Internal, "no other answer is given to a ticket")),
        }
    }

    /// Has the log redeem the ticket of a stream that is open now.
    pub(crate) fn begin_to_redeem(
        &mut self,
        stream: StreamKey,
        redeeming: Redeeming,
        context: &mut Context<'_>,
    ) {
        match self.engine.declare(Statement::Redeem(redeeming.hash)) {
            Ok(Placed::Waiting(ticket)) => {
                if matches!(redeeming.then, Then::Socket(_) | Then::Greeting(..)) {
                    context.pause(stream, u64::MAX);
                }
                self.redemptions.by_stream.insert(stream, ticket);
                self.redemptions.waiting.insert(ticket, Some((stream, redeeming)));
            }
            Ok(Placed::Settled(_)) => self.go_on_redeemed(stream, redeeming, context),
            Err(refusal) => self.end_unredeemed(stream, redeeming, refusal, context),
        }
    }

    /// Takes the outcome of a redemption; `None` if it is that of something else.
    pub(crate) fn settle_redemption(
        &mut self,
        answered: &Answered,
        context: &mut Context<'_>,
    ) -> Option<()> {
        // A stream that has closed gets nothing; its ticket is used up.
        let Some((stream, redeeming)) = self.redemptions.waiting.remove(&answered.ticket)? else {
            return Some(());
        };
        self.redemptions.by_stream.remove(&stream);
        match answered.result {
            Ok(_) => self.go_on_redeemed(stream, redeeming, context),
            Err(refusal) => self.end_unredeemed(stream, redeeming, refusal, context),
        }
        Some(())
    }

    /// Forgets the ticket of a stream that has closed.
    pub(crate) fn forget_redemption(&mut self, stream: StreamKey) {
        if let Some(redeeming) = self.redemptions.forget(stream) {
            self.forget_unredeemed(redeeming);
        }
    }

    /// Forgets what a ticket that was not redeemed would have brought.
    pub(crate) fn forget_unredeemed(&mut self, redeeming: Redeeming) {
        match redeeming.then {
            Then::Events(_, pending) | Then::Held(pending) | Then::Socket(pending) => {
                self.forget_pending(pending);
            }
            Then::Reply(_) | Then::Greeting(..) => {}
        }
    }

    /// Ends a WebSocket whose client goes on although its ticket is not redeemed yet: the server reads it again after
    /// a time.
    pub(crate) fn refuse_impatient(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        let problem = Problem::from(Refusal::LogAway);
        self.refuse_socket((stream, Delivery::Commands), (NOWHERE, &problem), context);
    }

    fn go_on_redeemed(
        &mut self,
        stream: StreamKey,
        redeeming: Redeeming,
        context: &mut Context<'_>,
    ) {
        self.counters.authenticated += 1;
        match redeeming.then {
            Then::Reply(reply) => {
                // A client that is gone is told nothing.
                let _ = context.respond(stream, reply);
            }
            Then::Events(events, pending) => match context.respond_events(stream, &events) {
                Ok(()) => self.take_opened(stream, pending, context),
                Err(_) => self.forget_pending(pending),
            },
            Then::Held(pending) => {
                self.take_opened(stream, pending, context);
                if redeeming.half_closed {
                    self.take_half_close(stream, context);
                }
            }
            Then::Socket(pending) => {
                context.pause(stream, 0);
                self.take_opened(stream, pending, context);
            }
            Then::Greeting(subscriber, who, id) => {
                context.pause(stream, 0);
                self.greet_known(stream, subscriber, id.as_ref(), who, context);
            }
        }
        // It was open before the drain, and was not told.
        if context.is_draining() {
            self.dismiss(stream, context);
        }
    }

    fn end_unredeemed(
        &mut self,
        stream: StreamKey,
        redeeming: Redeeming,
        refusal: Refusal,
        context: &mut Context<'_>,
    ) {
        let problem = Problem::from(refusal);
        if let Refusal::Access(refusal) = refusal {
            self.note_refused(refusal, &redeeming.path, None, context.peer(stream));
        }
        let redeeming = match redeeming.then {
            Then::Events(events, pending) if problem.code.is_retryable() => {
                return self.turn_away_held(stream, (&events, pending), problem, context);
            }
            then => Redeeming { then, ..redeeming },
        };
        count(&mut self.counters.requests_refused, problem.code.as_str());
        match &redeeming.then {
            Then::Reply(_) | Then::Events(..) | Then::Held(_) => {
                let reply = reply::problem(&problem, self.engine.spread_ms());
                let _ = context.respond(stream, reply);
            }
            Then::Greeting(subscriber, _, id) => {
                let cursor = self.engine.cursor_of(*subscriber);
                Recipient::socket(stream).error(id.as_ref(), None, &problem, context);
                self.refuse_socket((stream, Delivery::Commands), (cursor, &problem), context);
            }
            Then::Socket(pending) => {
                let (form, start) = match pending {
                    Pending::Subscribed { form, start, .. } => (*form, *start),
                    _ => (Delivery::Commands, Start::Now),
                };
                let cursor = self.engine.begin_again_at(start);
                self.refuse_socket((stream, form), (cursor, &problem), context);
            }
        }
        self.forget_unredeemed(redeeming);
    }
    /// Ends a WebSocket. A client whose ticket is not used up comes back with it.
    fn refuse_socket(
        &self,
        (stream, form): (StreamKey, Delivery),
        (cursor, problem): (Cursor, &Problem),
        context: &mut Context<'_>,
    ) {
        if let Code::Access(refused) = problem.code {
            let code = CloseCode::new(refused.close_code());
            return context.close(stream, code, problem.code.as_str());
        }
        let retry = Some(self.engine.retry_ms(stream) + problem.wait_ms);
        let reason = CloseReason::of_refusal(problem);
        Recipient::new(stream, form).goaway(reason, retry, cursor, context);
    }
}
