//! A service that follows a log whose places somebody else gives out.

use sockeye_hub::{ChannelName, Epoch, Misuse, Publication};
use sockeye_server::Context;

use crate::Service;
use crate::backbone::{Backbone, Full, Offer, Outcome, Settled, Ticket, Verdict};
use crate::body::Body;
use crate::counters::count;
use crate::publishing::{self, failed_log};
use crate::wire::{Code, Problem};

impl Service {
    /// Puts a backbone behind it: places are given out there, and this service follows. What the
    /// log has already is [restored](Self::restore) before.
    #[must_use]
    pub fn with_backbone(mut self, backbone: Box<dyn Backbone>) -> Self {
        self.backbone = Some(backbone);
        self
    }

    /// Hands a publication over; its ticket is what its outcome will have.
    pub(crate) fn hand_over(
        &mut self,
        publication: Publication<'_, Body>,
    ) -> Result<Ticket, Problem> {
        if self.log_health.has_failed() {
            return Err(failed_log());
        }
        let full = || Problem::new(Code::Overloaded, "too much waits for the log");
        if self.jobs.unsettled() >= self.limits.publishing_max {
            return Err(full());
        }
        let Publication { channel, body, kind, key, expect, cost: _ } = publication;
        let offer = Offer {
            channel: channel.as_str().into(),
            payload: body.into_payload(),
            kind,
            key: key.map(Into::into),
            expect,
        };
        let backbone = self.backbone.as_mut().expect("asked by the caller");
        let ticket = self.jobs.next_ticket();
        backbone.append(ticket, offer).map_err(|Full| full())?;
        Ok(ticket)
    }

    /// Takes in what has become of the log. Before anything that may come with a cursor, too: another
    /// service may have given that out which is further on.
    // [service:follow-first]
    pub(crate) fn follow(&mut self, context: &mut Context<'_>) {
        while let Some(outcome) = self.backbone.as_mut().and_then(|backbone| backbone.next()) {
            match outcome {
                Outcome::Entry(settled, ticket) => self.take_in(&settled, ticket, context),
                Outcome::Void(seq) => followed(self.hub.void(seq)),
                Outcome::Health(health) => self.log_health = health,
                Outcome::Epoch(epoch) => self.begin_anew(epoch, context),
                Outcome::Answer(ticket, verdict) => self.take_verdict(ticket, verdict, context),
            }
        }
    }

    /// The log's next message: whoever is subscribed here gets it, and whoever published it here is
    /// told.
    fn take_in(&mut self, settled: &Settled, ticket: Option<Ticket>, context: &mut Context<'_>) {
        let Settled { position, ref channel, ref payload, kind, time_ms, level } = *settled;
        let name = ChannelName::new(channel).expect("names are checked where they come");
        let cost = payload.cost();
        // Its key is the authority's business.
        let publication =
            Publication { kind, ..Publication::new(name, Body::new(payload.clone()), cost) };
        let committed = self.deliver(context, |hub, delivery| {
            let deliver = |subscriber, entry: &_| delivery.deliver(subscriber, entry);
            let committed = hub.apply(position.seq, publication, time_ms, deliver);
            committed.expect("the authority's order has no holes")
        });
        if let Some(ticket) = ticket {
            let subscribers = (committed.taken + committed.behind) as u64;
            let settled = publishing::Settled { position, level, duplicate: false, subscribers };
            self.settle_ticket(ticket, Ok(settled), context);
        }
    }

    fn take_verdict(&mut self, ticket: Ticket, verdict: Verdict, context: &mut Context<'_>) {
        let result = match verdict {
            Verdict::Duplicate(position, level) => Ok(publishing::duplicate(position, level)),
            Verdict::Refused(refusal) => Err(refusal.into()),
            Verdict::NoRoom => Err(Problem::new(Code::Overloaded, "too much waits for the log")),
            Verdict::NotKept => Err(Problem::new(Code::Unavailable, "the log could not take it")),
            Verdict::Failed => Err(failed_log()),
        };
        self.settle_ticket(ticket, result, context);
    }

    fn settle_ticket(
        &mut self,
        ticket: Ticket,
        result: Result<publishing::Settled, Problem>,
        context: &mut Context<'_>,
    ) {
        if let Err(problem) = &result {
            count(&mut self.counters.publications_refused, problem.code);
        }
        if let Some(job) = self.jobs.settle_ticket(ticket, result) {
            self.conclude(job, context);
        }
    }

    fn begin_anew(&mut self, epoch: Epoch, context: &mut Context<'_>) {
        followed(self.hub.begin_epoch(epoch));
        self.pull_all(context);
    }
}

/// What the authority says is in order.
fn followed(done: Result<(), Misuse>) {
    debug_assert!(done.is_ok(), "the authority's order has no holes: {done:?}");
}
