//! Publications that are decided elsewhere: handing them over, and following the outcomes.

use sockeye_hub::{ChannelName, Publication, Seq};
use sockeye_server::Context;

use super::{Settled, no_room, result_of};
use crate::dialect::outlet::{EntryBody, V1};
use crate::engine::Engine;
use crate::engine::counters::count;
use crate::sequencing::{Backbone, Full, Offer, Outcome, Sequenced, Sequencing, Ticket, Verdict};
use crate::wire::Problem;

/// Hands a publication over. Its outcome bears `ticket`.
pub(super) fn hand_over(
    backbone: &mut dyn Backbone,
    publication: Publication<'_, EntryBody>,
    ticket: Ticket,
) -> Result<(), Problem> {
    let Publication { channel, body, kind, key, expect, cost: _ } = publication;
    let offer = Offer {
        channel: channel.as_str().into(),
        payload: body.into_payload(),
        kind,
        key: key.map(Into::into),
        expect,
    };
    backbone.append(ticket, offer).map_err(|Full| no_room())
}

impl Engine<V1> {
    /// Takes in the outcomes that have arrived. Runs before any request that may bring a cursor,
    /// because another service may have given that out and be further on.
    // [service:follow-first]
    pub(crate) fn follow(&mut self, context: &mut Context<'_>) {
        while let Sequencing::Behind { backbone, health } = &mut self.sequencing
            && let Some(outcome) = backbone.next()
        {
            let followed = match outcome {
                Outcome::Entry(entry, ticket) => {
                    self.take_in(&entry, ticket, context);
                    Ok(())
                }
                Outcome::Void(seq) => self.hub.void(seq),
                Outcome::Lost(seq) => {
                    self.lose(seq, context);
                    Ok(())
                }
                Outcome::Epoch(epoch) => {
                    let begun = self.hub.begin_epoch(epoch);
                    self.pull_all(context);
                    begun
                }
                Outcome::Health(now) => {
                    *health = now;
                    Ok(())
                }
                Outcome::Answer(ticket, verdict) => {
                    self.answer_ticket(ticket, verdict, context);
                    Ok(())
                }
            };
            debug_assert!(followed.is_ok(), "outcomes come in the log's order: {followed:?}");
        }
    }

    /// Delivers an entry of the log to this service's subscribers, and its receipt to its publisher
    /// if that is one of this service's.
    fn take_in(&mut self, entry: &Sequenced, ticket: Option<Ticket>, context: &mut Context<'_>) {
        let Sequenced { position, ref channel, ref payload, kind, time_ms, level } = *entry;
        // Entries between the head and this one never came.
        self.lose(position.seq.previous(), context);
        let name = ChannelName::new(channel).expect("names are checked where they come");
        let cost = payload.cost();
        // The sequencer has judged its key.
        let publication =
            Publication { kind, ..Publication::new(name, EntryBody::new(payload.clone()), cost) };
        let committed = self.deliver(context, |hub, delivery| {
            let deliver = |subscriber, entry: &_| delivery.deliver(subscriber, entry);
            let committed = hub.apply(position.seq, publication, time_ms, deliver);
            committed.expect("no entry comes twice")
        });
        if let Some(ticket) = ticket {
            let subscribers = (committed.taken + committed.behind) as u64;
            let settled = Settled { position, level, duplicate: false, subscribers };
            self.settle_ticket(ticket, Ok(settled), context);
        }
    }

    /// Notes that the log has lost its entries up to `through`. Subscribers that have not received
    /// them get a gap. Entries that this service has are not lost to it.
    fn lose(&mut self, through: Seq, context: &mut Context<'_>) {
        // [service:lost-entries]
        if through > self.hub.position().seq {
            let lost = self.hub.lose(through);
            debug_assert!(lost.is_ok(), "the lost entries are above the head: {lost:?}");
            self.pull_all(context);
        }
    }

    /// Gives a waiting publication that made no new message its result.
    pub(super) fn answer_ticket(
        &mut self,
        ticket: Ticket,
        verdict: Verdict,
        context: &mut Context<'_>,
    ) {
        self.settle_ticket(ticket, result_of(verdict), context);
    }

    /// Gives a waiting publication its result, and answers its job if nothing else of it waits.
    pub(super) fn settle_ticket(
        &mut self,
        ticket: Ticket,
        result: Result<Settled, Problem>,
        context: &mut Context<'_>,
    ) {
        if let Err(problem) = &result {
            count(&mut self.counters.publications_refused, problem.code);
        }
        if let Some(job) = self.jobs.settle(ticket, result) {
            self.conclude(job, context);
        }
    }
}
