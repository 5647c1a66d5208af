//! Joining: which entries a node reads first, and where its hubs go on.

use std::sync::Arc;

use sockeye_hub::{Epoch, Seq};
use sockeye_service::sequencing::{SequencerEvent, Verdict};

use super::behind::{Begun, Behind};
use super::{Node, Notice, Phase, Place, ReadLog, Writes};
use crate::engine::{LogEnds, Position};
use crate::entry::{Birth, Body, Entry, Evidence};

impl Node {
    /// The engine is there: reads on, or from the beginning.
    pub(super) fn connect(&mut self, ends: LogEnds) {
        let is_other = self.note_ends(ends);
        match &self.log {
            Some(_) if is_other => self.rejoin(Evidence::OtherIdentity),
            Some(log) if self.phase == Phase::Following => {
                // Inclusively: the first entry has to be the last one, byte for byte.
                self.engine.read_from(log.chain.last().position);
            }
            Some(_) | None => self.join(),
        }
    }

    /// Reads the log again, because what was read may not be in it. Somebody may go on from there, so the
    /// epoch has to end, unless it has already.
    pub(super) fn rejoin(&mut self, evidence: Evidence) {
        self.writes.raise = self.writes.raise.or(Some(evidence));
        self.doubts = true;
        self.status.rejoined += 1;
        self.notices.push(Notice::Rejoins);
        self.join();
    }

    /// Reads the log again: entries were trimmed before this node read them, or it doubts what it has read. Nobody
    /// else has lost anything, as far as this node knows.
    pub(super) fn join_again(&mut self) {
        self.status.rejoined += 1;
        self.notices.push(Notice::Rejoins);
        self.join();
    }

    /// Reads the log from its first entry on.
    pub(super) fn join(&mut self) {
        self.presences.read_again();
        self.log = None;
        self.behind = None;
        self.raised = None;
        self.is_behind = false;
        self.leads = false;
        self.epochs.join();
        self.phase = Phase::Joining;
        self.status.restored = 0;
        self.engine.read_from(Position::ZERO);
    }

    /// Notes the log's ends. True if this may be another log.
    fn note_ends(&mut self, ends: LogEnds) -> bool {
        self.link.ends = ends;
        let before = self.link.identity;
        if ends.identity != 0 {
            self.link.identity = ends.identity;
        }
        before != 0 && before != self.link.identity
    }

    /// The engine has no further entry now.
    pub(super) fn reach_end(&mut self, ends: LogEnds, events: &mut Vec<SequencerEvent>) {
        if self.note_ends(ends) && (self.log.is_some() || self.behind.is_some()) {
            return self.rejoin(Evidence::OtherIdentity);
        }
        let Some(log) = &self.log else {
            let read = self.behind.as_ref().and_then(Behind::last);
            if read.is_some_and(|read| ends.last.is_none_or(|last| last < read)) {
                return self.join();
            }
            if ends.last.is_none() && !self.writes.has_begun {
                self.begin_log();
            }
            return;
        };
        let is_lost = ends.last.is_none_or(|last| last < log.chain.last().position);
        match self.phase {
            Phase::Following if is_lost => self.rejoin(Evidence::LostTail),
            Phase::Joining if is_lost => self.join(),
            Phase::Joining if log.replica.is_importing() => self.wait_for_import(),
            Phase::Joining => self.end_join(events),
            Phase::Following | Phase::Stopped(_) => {}
        }
    }

    /// The parts that are there are read, and others have to come.
    fn wait_for_import(&mut self) {
        if !core::mem::replace(&mut self.waits_for_import, true) {
            self.notices.push(Notice::Importing);
        }
    }

    fn begin_log(&mut self) {
        let (epoch, nonce) = (self.draw() >> 16, self.draw());
        let (time_ms, identity) = (self.settings.begin_ms.max(1), self.link.identity);
        let birth = Birth { epoch, nonce, time_ms, identity };
        let entry: Arc<[u8]> = Entry::new(Body::Birth(birth)).encode();
        self.writes.has_begun = self.engine.begin_log(&entry).is_ok();
    }

    /// The log is known from here on: its hubs have this epoch.
    pub(super) fn begin_reading(&mut self, epoch: u64) {
        // What was written before was for another life, or is read now.
        let Writes { retry_at_ms, raise, .. } = core::mem::take(&mut self.writes);
        self.writes.retry_at_ms = retry_at_ms;
        self.outbox.rewind();
        if self.epochs.is_old(epoch) {
            self.writes.raise = raise;
        }
        self.epochs.note(epoch);
        self.leads = self.hubs.is_none();
    }

    /// The node begins in the middle of the log, at a horizon.
    pub(super) fn begin_behind(&mut self, begun: Begun, events: &mut Vec<SequencerEvent>) {
        let Begun { chain, replica, effects, after, rest } = begun;
        let (epoch, nonce) = (replica.epoch(), chain.nonce);
        self.begin_reading(epoch.0);
        self.status.joined_behind += 1;
        self.log = Some(ReadLog { chain, replica });
        let has_missed = self.hubs.is_some_and(|hubs| hubs.epoch == epoch && hubs.seq <= after);
        // What was said before the first effect is not read again.
        let first = effects.first().map_or(0, |(_, seq, ..)| *seq);
        if self.hubs.is_some_and(|hubs| hubs.nonce != nonce || hubs.seq + 1 < first) {
            events.push(SequencerEvent::DisconnectsMissed);
        }
        let is_first = self.leads;
        let goes_on = !self.doubts && has_missed;
        // Offers of this node may be among the first effects.
        self.leads = false;
        let mut effects = effects.into_iter().peekable();
        while let Some((position, seq, _, effect)) = effects.next_if(|(_, seq, ..)| *seq <= after) {
            self.take_effect(position, seq, effect, events);
        }
        if is_first {
            events.push(SequencerEvent::Epoch(epoch));
        }
        match self.hubs {
            // They have everything up to there.
            Some(hubs) if goes_on && hubs.seq == after => self.leads = true,
            Some(_) | None if is_first || goes_on => {
                self.notices.extend((!is_first).then_some(Notice::Missed(after)));
                self.lead_from(after, events);
            }
            Some(_) | None => {}
        }
        for (position, seq, chain, effect) in effects {
            self.take_effect(position, seq, effect, events);
            self.find_hubs_at(seq, chain);
        }
        self.is_behind = true;
        for (position, bytes) in rest {
            self.read_next(position, &bytes, events);
        }
    }

    /// All retained entries were read.
    fn end_join(&mut self, events: &mut Vec<SequencerEvent>) {
        let Some(log) = &self.log else { return };
        let (epoch, head) = (log.replica.epoch(), log.replica.head());
        self.phase = Phase::Following;
        (self.doubts, self.waits_for_import) = (false, false);
        if core::mem::take(&mut self.is_behind) {
            // Of what was trimmed nobody knows which offers were taken.
            let next = log.replica.next_ticket(self.settings.node);
            let failed = |origin| SequencerEvent::Answer(origin, Verdict::Failed);
            events.extend(self.outbox.give_up_below(next).map(failed));
        }
        self.notices.push(Notice::Joined(head));
        self.presences.join(head, events);
        if self.leads || self.hubs.is_none() {
            return;
        }
        if self.is_new_to_hubs(epoch) {
            self.notices.push(Notice::Epoch(epoch, head));
            events.push(SequencerEvent::Epoch(epoch));
            self.lead_from(head, events);
        } else if self.writes.raise.is_none() {
            // The hubs have read what is not in the log.
            self.writes.raise = Some(Evidence::OtherEntries);
        }
        // Otherwise the hubs go on with the next epoch.
    }

    /// Whether the hubs have another epoch, and this one was never read before.
    pub(super) fn is_new_to_hubs(&self, epoch: Epoch) -> bool {
        !self.epochs.is_old(epoch.0) && self.hubs.is_some_and(|hubs| hubs.epoch != epoch)
    }

    /// While the node joins: the hubs go on where they are, if that place is in the log.
    pub(super) fn find_hubs(&mut self) {
        let (Some(hubs), Some(log)) = (self.hubs, &self.log) else { return };
        let last = log.chain.last();
        // Hubs at 0 have an epoch, and have read nothing that could be missing.
        let has_begun = log.chain.begins_with(last.seq);
        self.leads |= hubs.seq == 0 && has_begun && hubs.epoch == log.replica.epoch();
        if hubs.seq == last.seq {
            self.find_hubs_at(last.seq, Some(last.chain));
        }
    }

    fn find_hubs_at(&mut self, seq: u64, chain: Option<u64>) {
        let (Some(hubs), Some(log)) = (self.hubs, &self.log) else { return };
        // Without a digest, only what made the node read again tells whether it has read this log.
        let is_same = chain.map_or(!self.doubts, |chain| chain == hubs.chain);
        let is_here = hubs.seq == seq && is_same;
        self.leads |= is_here && hubs.epoch == log.replica.epoch();
    }

    /// The hubs have lost everything up to `seq`, and follow from there. Before the end of an import they have got nothing
    /// that they could lose: they stand at 0, and get everything at once.
    pub(super) fn lead_from(&mut self, seq: u64, events: &mut Vec<SequencerEvent>) {
        self.lead_after(seq, SequencerEvent::Lost(Seq(seq)), events);
    }

    /// The hubs follow from there. They are told `skipped` for the positions up to `seq`.
    pub(super) fn lead_after(
        &mut self,
        seq: u64,
        skipped: SequencerEvent,
        events: &mut Vec<SequencerEvent>,
    ) {
        self.leads = true;
        if self.log.as_ref().is_some_and(|log| log.replica.is_importing()) {
            return self.place_hubs(0);
        }
        events.push(skipped);
        self.place_hubs(seq);
    }

    /// Notes that the hubs know everything up to `seq`.
    pub(super) fn place_hubs(&mut self, seq: u64) {
        let Some(log) = &self.log else { return };
        let chain = log.chain.chain_at(seq).unwrap_or_default();
        let nonce = log.chain.nonce;
        self.hubs = Some(Place { epoch: log.replica.epoch(), seq, chain, nonce });
    }
}
