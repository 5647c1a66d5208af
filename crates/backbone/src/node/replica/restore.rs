//! A replica that begins in the middle of a log: at a horizon, with the verdicts that horizons tell.

use sockeye_hub::{ChannelName, Epoch, Kind, Seq};
use sockeye_service::sequencing::{Offer, Sequenced, Sequencer, Verdict};
use sockeye_service::wire::Level;

use std::sync::Arc;

use super::import::Origin;
use super::memory::{self, Memory};
use super::{Effect, INSIDE, Marks, Nodes, Replica, Roster, Ticket, Tickets};
use crate::entry::{self, Body, Entry, Horizon, Issue, Redeem};

/// A verdict that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Told {
    /// The offer made a message.
    Taken,
    /// It was refused.
    Refused,
    /// It was passed over.
    Passed,
}

impl Replica {
    /// What all nodes know at a horizon of what it does not forget; nothing yet. Each entry between the two is
    /// [taken in](Self::take_told) then, and [`end_restore`](Self::end_restore) ends it.
    pub(in crate::node) fn behind(horizon: &Horizon<'_>, level: Level) -> Self {
        let mut memory = Memory::default();
        memory.forget(horizon.through, horizon.through_ms);
        Self {
            head: horizon.through,
            epoch: Epoch(horizon.epoch),
            identity: horizon.identity,
            time_ms: horizon.through_ms,
            rules: Some(horizon.rules.clone()),
            sequencer: Sequencer::new(INSIDE, horizon.rules.config()),
            memory,
            nodes: Nodes::told(&horizon.nodes),
            tickets: Tickets::default(),
            roster: Roster::default(),
            origin: Origin::default(),
            horizons: horizon.count,
            marks: Marks::default(),
            told: horizon.told_through,
            refused: Vec::new(),
            passed: Vec::new(),
            level,
            events: Vec::new(),
        }
    }

    /// Takes the next entry between what is forgotten and the horizon, whose verdict was told. What was known `at` a
    /// place of the nodes is known; `fresh_from` is the end of what was forgotten before this horizon.
    pub(in crate::node) fn take_told(
        &mut self,
        seq: u64,
        entry: Option<&Entry<'_>>,
        (told, at, fresh_from): (Told, u64, u64),
    ) -> Effect {
        self.head = seq;
        // The horizon tells of the nodes what was known here.
        let is_known = seq <= at;
        match entry.map(|entry| &entry.body) {
            None => Effect::Lost,
            Some(
                Body::Birth(_)
                | Body::Import(_)
                | Body::Epoch(_)
                | Body::Config(_)
                | Body::Horizon(_),
            ) => Effect::Void,
            Some(Body::Node(lease)) => {
                self.time_ms = self.time_ms.max(lease.time_ms);
                let read = entry.and_then(|entry| entry.witness).map_or(0, |witness| witness.seq);
                if !is_known && read >= fresh_from {
                    self.nodes.renew(lease, seq);
                }
                if let Some(entry) = entry {
                    self.roster.note(entry, lease, (seq, self.time_ms));
                }
                self.memory.push_lease(seq, self.time_ms);
                Effect::Lease(self.life(lease))
            }
            Some(Body::Offer(offer)) => self.take_told_offer(offer, told, is_known),
            Some(Body::Disconnect(it)) => {
                let ticket = Ticket { node: it.node, number: it.ticket };
                let untaken = self.take_told_ticket(ticket, it.time_ms, (told, is_known));
                untaken.unwrap_or_else(|| Effect::Disconnect(it.user.into(), ticket))
            }
            Some(Body::Present(it)) => {
                let ticket = Ticket { node: it.node, number: it.ticket };
                let untaken = self.take_told_ticket(ticket, it.time_ms, (told, is_known));
                untaken.unwrap_or_else(|| Effect::Present(it.batch(), ticket))
            }
            Some(Body::Issue(it)) => self.take_told_issue(it, told, is_known),
            Some(Body::Redeem(it)) => self.take_told_redemption(it, told, is_known),
            Some(Body::Imported(it)) => self.bring_told(it, told),
        }
    }

    /// Decides by itself from here on.
    pub(in crate::node) fn end_restore(&mut self) {
        self.nodes.forget(self.memory.through());
        if let Some(rules) = self.rules.clone() {
            self.rebuild(&rules);
        }
    }

    fn take_told_offer(&mut self, offer: &entry::Offer<'_>, told: Told, is_known: bool) -> Effect {
        let ticket = Ticket { node: offer.node, number: offer.ticket };
        let (payload, channel) = (offer.payload.checked(), ChannelName::new(offer.channel));
        let (Some(payload), Ok(_)) = (payload, channel) else { return Effect::Lost };
        let untaken = self.take_told_ticket(ticket, offer.time_ms, (told, is_known));
        if let Some(effect) = untaken {
            return effect;
        }
        let kind = if offer.ends { Kind::End } else { Kind::Message };
        let (channel, key) = (offer.channel.into(), offer.key.map(Into::into));
        let offer = Offer { channel, payload, kind, key, expect: None };
        self.memory.push(memory::Entry::new(self.head, self.time_ms, &offer));
        let position = sockeye_hub::Cursor::new(self.epoch, Seq(self.head));
        let (time_ms, level) = (self.time_ms, self.level);
        let Offer { channel, payload, kind, .. } = offer;
        let entry = Sequenced { position, channel, payload, kind, time_ms, level };
        Effect::Message(Arc::new(entry), ticket)
    }

    fn take_told_issue(&mut self, it: &Issue<'_>, told: Told, is_known: bool) -> Effect {
        let ticket = Ticket { node: it.node, number: it.ticket };
        let untaken = self.take_told_ticket(ticket, it.time_ms, (told, is_known));
        untaken.unwrap_or_else(|| {
            self.tickets.take(it, (self.head, self.time_ms));
            Effect::Verdict(ticket, Verdict::Taken)
        })
    }

    fn take_told_redemption(&mut self, it: &Redeem<'_>, told: Told, is_known: bool) -> Effect {
        let ticket = Ticket { node: it.node, number: it.ticket };
        match self.take_told_ticket(ticket, it.time_ms, (told, is_known)) {
            None => {
                self.tickets.remove(it.hash);
                Effect::Verdict(ticket, Verdict::Taken)
            }
            // There is one reason.
            Some(Effect::Verdict(ticket, _)) => Effect::Verdict(ticket, Verdict::TicketUsed),
            Some(passed) => passed,
        }
    }

    /// The effect of an entry whose ticket was not taken; `None` if it was taken.
    fn take_told_ticket(
        &mut self,
        ticket: Ticket,
        time_ms: u64,
        (told, is_known): (Told, bool),
    ) -> Option<Effect> {
        self.time_ms = self.time_ms.max(time_ms);
        let is_untold = self.head > self.told;
        if told != Told::Passed && !is_known {
            self.nodes.take(ticket, self.head);
        }
        match told {
            Told::Passed => {
                if is_untold {
                    self.passed.push(self.head);
                }
                Some(Effect::Passed(ticket))
            }
            Told::Refused => {
                if is_untold {
                    self.refused.push(self.head);
                }
                // The reason was not told. It may be a repeat of a message that is kept.
                Some(Effect::Verdict(ticket, Verdict::Failed))
            }
            Told::Taken => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Data, Payload, Rules};

    #[test]
    fn a_refusal_whose_reason_was_not_told_may_be_a_repeat() {
        let horizon = Horizon {
            count: 1,
            through: 1,
            through_ms: 1,
            told_after: 0,
            told_through: 2,
            refused: &[],
            passed: &[],
            epoch: 1,
            identity: 1,
            rules: Rules::of(&sockeye_hub::Config::default(), 10),
            at: 1,
            nodes: Vec::new(),
        };
        let mut replica = Replica::behind(&horizon, Level::Logged);
        let payload = Payload { event: None, data: Data::Text("x"), ttl_ms: None, date_ms: None };
        let offer = entry::Offer {
            node: 7,
            ticket: 1,
            time_ms: 1,
            channel: "a",
            payload,
            ends: false,
            key: Some("k"),
            expect: None,
        };
        let entry = Entry::new(Body::Offer(offer));
        let effect = replica.take_told(2, Some(&entry), (Told::Refused, 1, 0));
        assert!(matches!(effect, Effect::Verdict(_, Verdict::Failed)), "{effect:?}");
    }
}
