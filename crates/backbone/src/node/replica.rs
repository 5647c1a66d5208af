//! The replica: what every node knows after an entry, and decides by.
//!
//! It is a function of the log's entries and of nothing else: no clock, no configuration of this node, no
//! order of arrival. All nodes that have read an entry have the same [digest](Replica::digest) there.

mod import;
mod marks;
mod memory;
mod nodes;
mod restore;
mod roster;
mod tickets;

use std::sync::Arc;

use sockeye_hub::{ChannelName, Epoch, Kind, Refusal, Seq};
use sockeye_service::sequencing::{
    Batch, LogNode, NoRoom, Offer, Origin, Restored, Sequence, Sequenced, Sequencer,
    SequencerEvent, Verdict,
};
use sockeye_service::wire::Level;

use self::marks::Marks;
use self::memory::Memory;
use self::nodes::Nodes;
pub(super) use self::restore::Told;
use self::roster::Roster;
use self::tickets::Tickets;
use super::presence::Life;
use crate::digest::Digest;
use crate::entry::{self, Birth, Body, Entry, Horizon, Lease, NewEpoch, Rules, Spans, Unreadable};

/// The number that the deciding hub has for the epoch. It decides through all epochs of the log.
const INSIDE: Epoch = Epoch(1);

/// All that nodes agree on.
pub(super) struct Replica {
    /// The newest entry.
    head: u64,
    /// The epoch of the hubs.
    epoch: Epoch,
    /// The identity that the log has for its engine; zero if none.
    identity: u64,
    /// Log time: the greatest stamp so far.
    time_ms: u64,
    rules: Option<Rules>,
    sequencer: Sequencer,
    memory: Memory,
    nodes: Nodes,
    tickets: Tickets,
    roster: Roster,
    /// The log from which this one goes on.
    origin: import::Origin,
    /// The number of the last horizon.
    horizons: u64,
    /// Those that were read.
    marks: Marks,
    /// The verdicts of the entries up to here were told by horizons.
    told: u64,
    /// Offers that were refused, and those that were passed over, behind `told`.
    refused: Vec<u64>,
    passed: Vec<u64>,
    level: Level,
    events: Vec<SequencerEvent>,
}

/// What an entry means for the hubs and for the node that wrote it.
#[derive(Debug)]
pub(super) enum Effect {
    /// Nothing: its position is void.
    Void,
    /// A message, and the offer that it comes from.
    Message(Arc<Sequenced>, Ticket),
    /// The verdict on an offer that made no message, or on a statement.
    Verdict(Ticket, Verdict),
    /// The streams of this user end.
    Disconnect(Arc<str>, Ticket),
    /// A node tells of the members of its streams.
    Present(Batch, Ticket),
    /// An offer whose ticket is not the next one of its node.
    Passed(Ticket),
    /// A new epoch begins.
    Epoch(Epoch),
    /// The entry cannot be read: whatever it was is lost.
    Lost,
    /// All that another log had is here.
    Restored(Box<Restored>),
    /// The lease of a node was renewed.
    Lease(Life),
    /// There are new rules.
    Rules,
    /// Entries up to here are forgotten.
    Horizon(u64),
    /// This node has decided otherwise than the writer of a horizon.
    Diverged,
    /// The entry is of a later version.
    Newer(u8),
}

/// An offer of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) node: u64,
    pub(super) number: u64,
}

impl Replica {
    /// Of a log that has just begun.
    pub(super) fn new(birth: &Birth, level: Level) -> Self {
        Self::begin((1, Epoch(birth.epoch)), (birth.identity, birth.time_ms), level)
    }

    /// Of a log whose first entry has this place.
    fn begin((head, epoch): (u64, Epoch), (identity, time_ms): (u64, u64), level: Level) -> Self {
        Self {
            head,
            epoch,
            identity,
            time_ms,
            rules: None,
            sequencer: Sequencer::new(INSIDE, sockeye_hub::Config::default()),
            memory: Memory::default(),
            nodes: Nodes::default(),
            tickets: Tickets::default(),
            roster: Roster::default(),
            origin: import::Origin::default(),
            horizons: 0,
            marks: Marks::default(),
            told: 0,
            refused: Vec::new(),
            passed: Vec::new(),
            level,
            events: Vec::new(),
        }
    }

    /// The newest entry.
    pub(super) const fn head(&self) -> u64 {
        self.head
    }

    /// The epoch of the hubs.
    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The identity that the log has for its engine; zero if none.
    pub(super) const fn identity(&self) -> u64 {
        self.identity
    }

    /// Log time.
    pub(super) const fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The rules of the verdicts; `None` before the first ones.
    pub(super) const fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// The figures of the deciding hub.
    pub(super) fn figures(&self) -> sockeye_service::sequencing::Figures {
        self.sequencer.figures()
    }

    /// The ticket that a node has to offer next, if it is known.
    pub(super) fn next_ticket(&self, node: u64) -> Option<u64> {
        self.nodes.next_ticket(node)
    }

    /// Entries behind the horizon.
    pub(super) const fn remembered(&self) -> u64 {
        self.head - self.memory.through()
    }

    /// What the nodes say of themselves, if that has changed since the last call.
    pub(super) fn take_roster(&mut self, own: u64) -> Option<Vec<LogNode>> {
        self.roster.take_changed(own)
    }

    /// Entries whose verdicts were not told.
    pub(super) const fn untold(&self) -> u64 {
        self.head - self.told
    }

    /// Takes the next entry, whose place is `seq`. `is_confirmed`: its writer has surely read this log.
    pub(super) fn apply(
        &mut self,
        seq: u64,
        entry: Result<&Entry<'_>, Unreadable>,
        is_confirmed: bool,
    ) -> Effect {
        debug_assert_eq!(seq, self.head + 1, "entries come in order");
        self.head = seq;
        let entry = match entry {
            Ok(entry) => entry,
            // Nobody has read anything here, and parts that are missing are noticed by their numbers.
            Err(Unreadable::Foreign) if self.is_importing() => return Effect::Void,
            Err(Unreadable::Foreign) => return Effect::Lost,
            Err(Unreadable::Newer(version)) => return Effect::Newer(version),
        };
        match &entry.body {
            // Another beginning: of a node that came at the same time.
            Body::Birth(_) | Body::Import(_) => Effect::Void,
            Body::Epoch(epoch) => self.begin_epoch(epoch),
            Body::Config(rules) => self.set_rules(rules.clone()),
            // Who has read another log has other verdicts.
            Body::Horizon(_) if !is_confirmed => Effect::Void,
            Body::Horizon(horizon) => self.forget(horizon),
            Body::Node(lease) => {
                let read = entry.witness.map_or(0, |witness| witness.seq);
                let is_fresh = read >= self.memory.through();
                let effect = self.renew(lease, is_fresh);
                if is_fresh {
                    self.roster.note(entry, lease, (seq, self.time_ms));
                }
                effect
            }
            Body::Offer(offer) => self.decide(offer),
            Body::Disconnect(it) => self.disconnect(it),
            Body::Issue(it) => self.issue(it),
            Body::Redeem(it) => self.redeem(it),
            Body::Present(it) => self.present(it),
            Body::Imported(it) => self.bring(it),
        }
    }

    /// Whether all nodes that are there now read entries of this version.
    pub(super) fn all_read(&self, version: u8) -> bool {
        self.nodes.all_read(version, self.time_ms)
    }

    /// The number of the last horizon.
    pub(super) const fn horizons(&self) -> u64 {
        self.horizons
    }

    /// The last place at which the log may begin, so that a node can join with the horizons up to `through`.
    pub(super) fn may_begin_at(&self, through: u64) -> Option<u64> {
        self.marks.may_begin_at(through)
    }

    /// The log was trimmed before this place.
    pub(super) fn note_trimmed(&mut self, before: u64) {
        self.marks.forget(before);
    }

    /// A horizon that forgets all but the newest `keep` entries, and tells what is not told; `None` before
    /// the first rules.
    pub(super) fn horizon<'s>(
        &self,
        keep: u64,
        (refused, passed): (&'s mut Spans, &'s mut Spans),
    ) -> Option<Horizon<'s>> {
        let rules = self.rules.clone()?;
        let told_through = self.told_through();
        // What is forgotten has to be told.
        let wanted = self.head.saturating_sub(keep).min(told_through);
        let (through, through_ms) = self.memory.place_to_forget(wanted);
        for (places, spans) in [(&self.refused, &mut *refused), (&self.passed, &mut *passed)] {
            let mut before = self.told;
            for place in places.iter().take_while(|place| **place <= told_through) {
                spans.push(before, *place);
                before = *place;
            }
        }
        Some(Horizon {
            count: self.horizons + 1,
            through,
            through_ms,
            told_after: self.told,
            told_through,
            refused: refused.as_bytes(),
            passed: passed.as_bytes(),
            epoch: self.epoch.0,
            identity: self.identity,
            rules,
            at: self.head,
            nodes: self.nodes.tell(),
        })
    }

    /// The digest of everything that later verdicts follow from. It costs a step for each entry that is
    /// remembered: it is for tests.
    pub(super) fn digest(&self) -> u64 {
        let digest = Digest::new().number(self.head).number(self.epoch.0).number(self.time_ms);
        let digest = digest.number(self.horizons).number(self.told).number(self.identity);
        let places = |digest: Digest, places: &Vec<u64>| {
            places.iter().fold(digest.number(places.len() as u64), |sum, it| sum.number(*it))
        };
        let digest = places(places(digest, &self.refused), &self.passed);
        let stats = self.figures().hub;
        let digest = digest.number(stats.keys as u64).number(stats.endings as u64);
        let digest = self.tickets.digest(digest, self.time_ms);
        self.nodes.digest(self.memory.digest(digest)).finish()
    }

    fn begin_epoch(&mut self, epoch: &NewEpoch) -> Effect {
        // The first one to end an epoch counts, in the order of the log.
        if epoch.ends != self.epoch.0 || epoch.epoch == self.epoch.0 {
            return Effect::Void;
        }
        (self.epoch, self.identity) = (Epoch(epoch.epoch), epoch.identity);
        self.origin.end_epoch();
        Effect::Epoch(self.epoch)
    }

    fn set_rules(&mut self, rules: Rules) -> Effect {
        self.rebuild(&rules);
        self.rules = Some(rules);
        Effect::Rules
    }

    /// `is_fresh`: its writer had read what is not forgotten. A lease that came later than that may be a repeat, and would
    /// have the offers behind it taken again.
    fn renew(&mut self, lease: &Lease<'_>, is_fresh: bool) -> Effect {
        self.time_ms = self.time_ms.max(lease.time_ms);
        if is_fresh {
            self.nodes.renew(lease, self.head);
        }
        self.memory.push_lease(self.head, self.time_ms);
        if self.identity == 0 {
            self.identity = lease.identity;
        }
        Effect::Lease(self.life(lease))
    }

    /// A lease at log time.
    fn life(&self, lease: &Lease<'_>) -> Life {
        let Lease { node, until_ms, heard, .. } = *lease;
        let length_ms = until_ms.saturating_sub(lease.time_ms);
        Life { node, time_ms: self.time_ms, until_ms, length_ms, heard }
    }

    fn decide(&mut self, offer: &entry::Offer<'_>) -> Effect {
        let ticket = Ticket { node: offer.node, number: offer.ticket };
        let payload = offer.payload.checked();
        let (Some(payload), Ok(_)) = (payload, ChannelName::new(offer.channel)) else {
            return Effect::Lost;
        };
        let rules = self.take(ticket, offer.time_ms);
        let Some(remembered_max) = rules.map(|rules| rules.remembered_max) else {
            return self.pass(ticket);
        };
        if self.remembered() > remembered_max {
            return self.refuse(ticket, Verdict::NoRoom(NoRoom::Waiting));
        }
        let offer = Offer {
            channel: offer.channel.into(),
            payload,
            kind: if offer.ends { Kind::End } else { Kind::Message },
            key: offer.key.map(Into::into),
            expect: offer.expect.map(Seq),
        };
        self.judge(offer, ticket)
    }

    /// It takes no room, so there is no bound on it.
    fn disconnect(&mut self, it: &entry::Disconnect<'_>) -> Effect {
        let ticket = Ticket { node: it.node, number: it.ticket };
        match self.take(ticket, it.time_ms) {
            Some(_) => Effect::Disconnect(it.user.into(), ticket),
            None => self.pass(ticket),
        }
    }

    /// As a disconnection.
    fn present(&mut self, it: &entry::Present<'_>) -> Effect {
        let ticket = Ticket { node: it.node, number: it.ticket };
        match self.take(ticket, it.time_ms) {
            Some(_) => Effect::Present(it.batch(), ticket),
            None => self.pass(ticket),
        }
    }

    /// Takes a ticket at a node's log time, and gives the rules; `None` if it is not the next one of its node, or there
    /// are no rules yet.
    fn take(&mut self, ticket: Ticket, time_ms: u64) -> Option<&Rules> {
        self.time_ms = self.time_ms.max(time_ms);
        let rules = self.rules.as_ref()?;
        self.nodes.take(ticket, self.head).then_some(rules)
    }

    fn judge(&mut self, offer: Offer, ticket: Ticket) -> Effect {
        let before = Seq(self.head - 1);
        self.sequencer.restore_head(before).expect("the head only goes on");
        let remembered = memory::Entry::new(self.head, self.time_ms, &offer);
        let origin = Origin { worker: 0, ticket: ticket.number, bytes: 0 };
        self.sequencer.offer(offer, origin, self.time_ms, &mut self.events);
        match self.events.pop() {
            Some(SequencerEvent::Entry(entry, _)) => {
                let mut entry = Arc::unwrap_or_clone(entry);
                entry.position = self.at(entry.position.seq);
                entry.level = self.level;
                self.memory.push(remembered);
                Effect::Message(Arc::new(entry), ticket)
            }
            Some(SequencerEvent::Answer(_, verdict)) => {
                let verdict = self.outside(verdict);
                self.refuse(ticket, verdict)
            }
            other => unreachable!("a sequencer without a log decides at once, not {other:?}"),
        }
    }

    /// A verdict with a cursor as the hubs have it.
    fn outside(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Duplicate(at, _) => Verdict::Duplicate(self.at(at.seq), self.level),
            Verdict::Refused(Refusal::Undecided { pending }) => {
                Verdict::Refused(Refusal::Undecided { pending: self.at(pending.seq) })
            }
            Verdict::Refused(_)
            | Verdict::NoRoom(_)
            | Verdict::NotKept
            | Verdict::Failed
            | Verdict::OldNodes
            | Verdict::Taken
            | Verdict::TicketsFull
            | Verdict::TicketUsed => verdict,
        }
    }

    fn refuse(&mut self, ticket: Ticket, verdict: Verdict) -> Effect {
        self.refused.push(self.head);
        Effect::Verdict(ticket, verdict)
    }

    fn pass(&mut self, ticket: Ticket) -> Effect {
        self.passed.push(self.head);
        Effect::Passed(ticket)
    }

    fn forget(&mut self, horizon: &Horizon<'_>) -> Effect {
        let is_next = horizon.count == self.horizons + 1
            && horizon.told_after == self.told
            && (horizon.told_after..self.head).contains(&horizon.told_through)
            && (self.memory.through()..=horizon.told_through).contains(&horizon.through)
            && (horizon.epoch, horizon.identity) == (self.epoch.0, self.identity)
            && self.rules.as_ref() == Some(&horizon.rules);
        if !is_next {
            return Effect::Void;
        }
        if !self.tells_alike(horizon) {
            return Effect::Diverged;
        }
        self.marks.push(self.head, horizon);
        self.horizons = horizon.count;
        self.told = horizon.told_through;
        let told = self.told;
        self.refused.retain(|place| *place > told);
        self.passed.retain(|place| *place > told);
        if self.memory.forget(horizon.through, horizon.through_ms) {
            self.nodes.forget(horizon.through);
            self.tickets.forget(horizon.through);
            self.rebuild(&horizon.rules);
        }
        Effect::Horizon(horizon.through)
    }

    /// Whether a horizon tells the verdicts of this node.
    fn tells_alike(&self, horizon: &Horizon<'_>) -> bool {
        let (after, through) = (horizon.told_after, horizon.told_through);
        let is_alike = |bytes: &[u8], own: &[u64]| {
            let own = own.iter().take_while(|place| **place <= through);
            Spans::read(bytes, after, through).is_some_and(|told| told.iter().eq(own))
        };
        is_alike(horizon.refused, &self.refused) && is_alike(horizon.passed, &self.passed)
    }

    /// As far as the next horizon tells: it has a bounded number of places.
    fn told_through(&self) -> u64 {
        let end = |places: &[u64]| places.get(Horizon::PLACES_MAX).map(|place| place - 1);
        let ends = [end(&self.refused), end(&self.passed)];
        ends.into_iter().flatten().min().unwrap_or(self.head)
    }

    /// Decides by what is remembered from here on, and by nothing else. A node that has joined behind the
    /// horizon knows no more.
    fn rebuild(&mut self, rules: &Rules) {
        let mut sequencer = Sequencer::new(INSIDE, rules.config());
        let floor = self.origin.floor(self.memory.through());
        self.memory.restore(&mut sequencer, rules, floor);
        self.sequencer = sequencer;
    }
}
