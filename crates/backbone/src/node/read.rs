//! Reading: what each entry means for the hubs.

use std::sync::Arc;

use sockeye_hub::{Epoch, Seq};
use sockeye_service::sequencing::{Batch, Origin, Restored, SequencerEvent, Verdict};

use super::behind::Behind;
use super::chain::{Chain, Follows};
use super::presence::Life;
use super::replica::{Effect, Replica, Ticket};
use super::{Node, Notice, Phase, Raised, ReadLog, Stop};
use crate::digest;
use crate::engine::Position;
use crate::entry::{Body, Entry, Evidence, Unreadable};

/// What the witness of an entry says against what this node has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspicion {
    None,
    /// Its writer has read other entries in this epoch.
    Fork,
    /// Its writer has read of an epoch that this node has not.
    Unknown(u64),
}

impl Node {
    pub(super) fn read(
        &mut self,
        position: Position,
        bytes: &Arc<[u8]>,
        events: &mut Vec<SequencerEvent>,
    ) {
        match self.follows(position, bytes) {
            Follows::Next => self.read_next(position, bytes, events),
            Follows::Raised if self.begins_anew(bytes) => self.rejoin(Evidence::OtherEntries),
            Follows::Raised => self.read_raised(position, bytes, events),
            Follows::Same => self.note_same(),
            Follows::Other if self.log.is_some() => self.rejoin(Evidence::OtherEntries),
            Follows::Hole | Follows::Other => self.pass_hole(position, bytes, events),
        }
    }

    /// How an entry follows the last one.
    fn follows(&self, position: Position, bytes: &[u8]) -> Follows {
        match (&self.log, &self.behind) {
            (Some(log), _) => log.chain.follows(position, bytes),
            (None, Some(behind)) => behind.follows(position, bytes),
            (None, None) => Follows::Next,
        }
    }

    /// Takes the first entry of a fence. Its number is 1, even if entries before it were trimmed. So the node reads again from
    /// the last entry of the fence before on. If that one is still there, nothing behind it was trimmed when the first
    /// entry of the fence was read.
    fn read_raised(
        &mut self,
        position: Position,
        bytes: &Arc<[u8]>,
        events: &mut Vec<SequencerEvent>,
    ) {
        let hash = digest::of(bytes);
        match self.raised.filter(|it| (it.position, it.hash) == (position, hash)) {
            Some(it) if it.last_is_there => self.read_next(position, bytes, events),
            // It was trimmed or lost, and perhaps others with it.
            Some(_) => {
                self.doubts = true;
                match self.phase {
                    Phase::Following => self.join_again(),
                    Phase::Joining | Phase::Stopped(_) => self.join(),
                }
            }
            None => {
                self.raised = Some(Raised { position, hash, last_is_there: false });
                let last = self.log.as_ref().map(|log| log.chain.last().position);
                let last = last.or_else(|| self.behind.as_ref().and_then(Behind::last));
                self.engine.read_from(last.unwrap_or_default());
            }
        }
    }

    /// The last entry is still there.
    const fn note_same(&mut self) {
        if let Some(raised) = &mut self.raised {
            raised.last_is_there = true;
        }
    }

    /// Takes the entry that follows the last one.
    pub(super) fn read_next(
        &mut self,
        position: Position,
        bytes: &Arc<[u8]>,
        events: &mut Vec<SequencerEvent>,
    ) {
        self.raised = None;
        if self.log.is_none() {
            return self.read_first(position, bytes, events);
        }
        let entry = Entry::decode_up_to(self.settings.version, bytes);
        let suspicion = self.suspects(&entry);
        let Some(log) = &mut self.log else { return };
        let witness = entry.as_ref().ok().and_then(|entry| entry.witness);
        let is_confirmed = witness.is_some_and(|witness| log.chain.confirms(&witness));
        let seq = log.chain.push(position, bytes);
        let entry = entry.as_ref().map_err(|error| *error);
        let effect = log.replica.apply(seq, entry, is_confirmed);
        if let (Ok(Entry { body: Body::Horizon(horizon), .. }), Effect::Void) = (entry, &effect)
            && horizon.count == self.writes.horizon
        {
            // It came too late, and is due again.
            self.writes.horizon = 0;
        }
        self.take_effect(position, seq, effect, events);
        self.find_hubs();
        if !matches!(self.phase, Phase::Stopped(_)) {
            self.follow_up(suspicion);
        }
    }

    fn follow_up(&mut self, suspicion: Suspicion) {
        let is_following = self.phase == Phase::Following;
        match suspicion {
            Suspicion::None => {}
            // It may be this node that has read another log.
            Suspicion::Fork if self.writes.raise.is_some() => {}
            Suspicion::Fork if is_following => self.rejoin(Evidence::OtherWitness),
            Suspicion::Fork => self.writes.raise = Some(Evidence::OtherWitness),
            Suspicion::Unknown(epoch) => {
                // Once: if that epoch is not in this log, its writer will find out.
                self.epochs.doubt(epoch);
                if is_following {
                    self.doubts = true;
                    self.join_again();
                }
            }
        }
    }

    /// Entries are missing.
    fn pass_hole(
        &mut self,
        position: Position,
        bytes: &Arc<[u8]>,
        events: &mut Vec<SequencerEvent>,
    ) {
        if self.phase == Phase::Following {
            return self.join_again();
        }
        self.presences.read_again();
        self.raised = None;
        // The hole is in the middle of the log, or its beginning was trimmed meanwhile.
        self.log = None;
        self.leads = false;
        self.behind = Some(Behind::default());
        self.read_first(position, bytes, events);
    }

    fn read_first(
        &mut self,
        position: Position,
        bytes: &Arc<[u8]>,
        events: &mut Vec<SequencerEvent>,
    ) {
        match Entry::decode_up_to(self.settings.version, bytes) {
            // A number of 1 is the beginning of a log, also for who has read another one.
            Ok(Entry { body: Body::Birth(birth), .. })
                if self.behind.is_none() || position.number == 1 =>
            {
                let replica = Replica::new(&birth, self.settings.level);
                self.begin((replica, birth.nonce), position, bytes, events);
            }
            Ok(Entry { body: Body::Import(import), .. })
                if self.behind.is_none() || position.number == 1 =>
            {
                let replica = Replica::import(&import, self.settings.level);
                self.begin((replica, import.nonce), position, bytes, events);
            }
            Err(Unreadable::Newer(version)) => self.stop(Stop::Newer(version), events),
            Ok(_) | Err(Unreadable::Foreign) => self.read_behind(position, bytes, events),
        }
    }

    /// The first entry of a life of the log.
    fn begin(
        &mut self,
        (replica, nonce): (Replica, u64),
        position: Position,
        bytes: &Arc<[u8]>,
        events: &mut Vec<SequencerEvent>,
    ) {
        self.behind = None;
        let (epoch, head) = (replica.epoch(), replica.head());
        // The log was created again: the hubs get all of it, so the epoch is their one gap.
        // A former state of the log that the hubs follow has its nonce, and would give them again what they have.
        let is_other = self.hubs.is_some_and(|hubs| hubs.nonce != nonce);
        let is_new = is_other && !replica.is_importing() && self.is_new_to_hubs(epoch);
        self.begin_reading(epoch.0);
        self.leads |= is_new;
        let chain = Chain::begin(nonce, head, position, bytes);
        self.log = Some(ReadLog { chain, replica });
        self.notices.extend(is_new.then_some(Notice::Epoch(epoch, head)));
        if self.leads {
            events.push(SequencerEvent::Epoch(epoch));
            self.place_hubs(0);
        }
        self.find_hubs();
    }

    /// An entry of a log whose beginning was trimmed.
    fn read_behind(
        &mut self,
        position: Position,
        bytes: &Arc<[u8]>,
        events: &mut Vec<SequencerEvent>,
    ) {
        let mut behind = self.behind.take().unwrap_or_default();
        let is_done = behind.push(position, bytes);
        match is_done.then(|| behind.begin(self.settings.level)).flatten() {
            Some(begun) => self.begin_behind(begun, events),
            None => self.behind = Some(behind),
        }
    }

    /// Whether the first entry of a fence does not end an epoch, while the node follows: the log was created again behind
    /// the last entry that was read.
    fn begins_anew(&self, bytes: &[u8]) -> bool {
        let entry = Entry::decode_up_to(self.settings.version, bytes);
        self.phase == Phase::Following && !matches!(entry, Ok(Entry { body: Body::Epoch(_), .. }))
    }

    /// Whether the writer of an entry has read other entries than this node.
    fn suspects(&self, entry: &Result<Entry<'_>, Unreadable>) -> Suspicion {
        let (Some(log), Ok(Entry { witness: Some(witness), .. })) = (&self.log, entry) else {
            return Suspicion::None;
        };
        if witness.epoch == log.replica.epoch().0 {
            return if log.chain.agrees(witness) { Suspicion::None } else { Suspicion::Fork };
        }
        // A writer that lags is behind an epoch that this node has read.
        match self.epochs.knows(witness.epoch) {
            true => Suspicion::None,
            false => Suspicion::Unknown(witness.epoch),
        }
    }

    pub(super) fn take_effect(
        &mut self,
        position: Position,
        seq: u64,
        effect: Effect,
        events: &mut Vec<SequencerEvent>,
    ) {
        match effect {
            Effect::Void => {}
            Effect::Lease(life) => {
                self.note_lease(life);
                self.presences.take_lease(life, seq, events);
            }
            Effect::Present(batch, ticket) => self.take_present(batch, ticket, seq, events),
            Effect::Message(entry, ticket) => {
                let origin = self.take_back(ticket);
                if self.leads {
                    self.fill_to(seq - 1, events);
                    events.push(SequencerEvent::Entry(entry, origin));
                    self.place_hubs(seq);
                } else if let Some(origin) = origin {
                    let verdict = Verdict::Duplicate(entry.position, entry.level);
                    events.push(SequencerEvent::Answer(origin, verdict));
                }
            }
            Effect::Verdict(ticket, verdict) => {
                let origin = self.take_back(ticket);
                events.extend(origin.map(|origin| SequencerEvent::Answer(origin, verdict)));
            }
            Effect::Disconnect(user, ticket) => {
                let origin = self.take_back(ticket);
                // Also while the hubs do not follow: their streams are open.
                if self.note_disconnected(ticket) || origin.is_some() {
                    events.push(SequencerEvent::Disconnect(user, origin));
                }
            }
            Effect::Passed(ticket) => self.note_passed(ticket),
            Effect::Restored(restored) => self.take_restored(*restored, seq, events),
            Effect::Epoch(epoch) => self.take_epoch(epoch, seq, events),
            Effect::Lost => {
                self.status.unreadable += 1;
                self.notices.push(Notice::Unreadable(position));
                self.presences.miss(seq);
                if self.leads {
                    self.lead_from(seq, events);
                }
            }
            Effect::Rules => self.note_rules(),
            Effect::Horizon(through) => self.trim(through),
            Effect::Diverged => self.stop(Stop::Diverged, events),
            Effect::Newer(version) => self.stop(Stop::Newer(version), events),
        }
    }

    /// Hubs that do not lead have it, or stand in another log.
    fn take_restored(&mut self, log: Restored, seq: u64, events: &mut Vec<SequencerEvent>) {
        if self.leads {
            events.push(SequencerEvent::Restored(Arc::new(log)));
            self.fill_to(seq, events);
            self.place_hubs(seq);
        }
    }

    fn take_epoch(&mut self, epoch: Epoch, seq: u64, events: &mut Vec<SequencerEvent>) {
        if !self.epochs.is_old(epoch.0) {
            self.writes.raise = None;
            self.writes.has_raised = false;
        }
        self.epochs.note(epoch.0);
        self.status.epochs_ended += 1;
        self.notices.push(Notice::Epoch(epoch, seq));
        // Statements of nodes about their members may be lost.
        self.presences.repeat(seq, events);
        if self.leads || (self.phase == Phase::Following && self.hubs.is_some()) {
            events.push(SequencerEvent::Epoch(epoch));
            // Positions up to here are of the former epoch: in this one there is nothing to lose.
            self.lead_after(seq, SequencerEvent::Void(Seq(seq)), events);
        }
    }

    fn take_present(
        &mut self,
        batch: Batch,
        ticket: Ticket,
        seq: u64,
        events: &mut Vec<SequencerEvent>,
    ) {
        let origin = self.take_back(ticket);
        events.extend(origin.map(|it| SequencerEvent::Answer(it, Verdict::Taken)));
        // Whatever was said before this node had read the log is said again.
        if self.phase == Phase::Following {
            self.presences.take(ticket.node, batch, seq, events);
        }
    }

    /// The origin of an own offer that was read back.
    fn take_back(&mut self, ticket: Ticket) -> Option<Origin> {
        if ticket.node != self.settings.node {
            return None;
        }
        self.link.trouble = None;
        self.outbox.settle(ticket.number)
    }

    /// An offer whose ticket was not the next one: a repeat, or one behind a hole.
    fn note_passed(&mut self, ticket: Ticket) {
        if ticket.node != self.settings.node {
            return;
        }
        self.status.repeats += 1;
        let next = self.log.as_ref().and_then(|log| log.replica.next_ticket(ticket.node));
        self.writes.resends |= next.is_none_or(|next| next < ticket.number);
    }

    fn note_lease(&mut self, life: Life) {
        if life.node != self.settings.node {
            return;
        }
        // The engine takes entries, also if no offers wait.
        self.link.trouble = None;
        if self.writes.resent_ms.is_some_and(|resent_ms| resent_ms <= life.until_ms) {
            // What was passed over before this lease was appended before it, too.
            self.writes.resent_ms = None;
            self.writes.resends = false;
        }
    }

    fn note_rules(&mut self) {
        let rules = self.log.as_ref().and_then(|log| log.replica.rules());
        let other = rules.and_then(|rules| self.settings.rules.difference(rules));
        self.notices.extend(other.map(Notice::OtherRules));
    }

    /// The positions up to `seq` that the hubs do not know are void.
    fn fill_to(&mut self, seq: u64, events: &mut Vec<SequencerEvent>) {
        if self.hubs.is_some_and(|hubs| hubs.seq < seq) {
            events.push(SequencerEvent::Void(Seq(seq)));
        }
    }

    /// The hubs stand where the log was read to, also behind void positions.
    pub(super) fn lead_on(&mut self, events: &mut Vec<SequencerEvent>) {
        // Before the end of an import the hubs stand at 0, and get everything at once.
        let log = self.log.as_ref().filter(|log| !log.replica.is_importing());
        let Some(head) = log.map(|log| log.replica.head()) else { return };
        if self.leads && self.hubs.is_some_and(|hubs| hubs.seq < head) {
            self.fill_to(head, events);
            self.place_hubs(head);
        }
    }
}
