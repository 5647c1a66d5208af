//! One machine: a node, its hub, and what its publishers wait for.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use sockeye_backbone::Engine;
use sockeye_backbone::entry::Rules;
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::{Node, NodeSettings, Objection, OnOtherRules, Stop};
use sockeye_hub::{
    ChannelName, Config, Entry, Epoch, Flow, Hub, Kind, Publication, Seq, Start, SubscriberKey,
    Target,
};
use sockeye_service::sequencing::{
    Offer, Origin, Outcome, Restored, Sequence, SequencerEvent, Statement, Verdict,
};
use sockeye_service::wire::{Data, Level, Payload};
use sockeye_simnet::Random;

use super::oracle::Oracle;
use super::presence::Members;
use super::tickets::{self, Act};
use super::world::CHANNELS;

/// Messages that a hub keeps of a channel.
const HISTORY: usize = 6;

pub(super) struct Station {
    pub(super) node: Node,
    pub(super) engine: usize,
    /// The newest version of entries that it reads.
    pub(super) version: u8,
    pub(super) hub: Hub<usize>,
    /// How far its clock is ahead of the others.
    pub(super) skew_ms: u64,
    /// The messages whose publishers wait, by ticket.
    waiting: HashMap<u64, usize>,
    /// The users whose disconnection waits.
    leaving: HashMap<u64, usize>,
    credentials: tickets::Waiting,
    tickets: u64,
    number: u64,
    /// The users with an open stream, and those who were disconnected here.
    pub(super) users: BTreeSet<usize>,
    disconnected: BTreeSet<usize>,
    pub(super) members: Members,
}

pub(super) fn hub_config() -> Config {
    let mut config = Config::default();
    config.settings.history_messages_max = HISTORY;
    config.settings.history_ms = u64::MAX;
    config.settings.on_overrun = sockeye_hub::OnOverrun::Gap;
    config.limits.drops_per_call_max = 4;
    config
}

/// Subscribes all channels.
pub(super) fn follow_all(hub: &mut Hub<usize>, key: SubscriberKey, start: Start, now_ms: u64) {
    let mut subscriber = hub.subscriber(key).expect("it is connected");
    for channel in CHANNELS {
        let channel = Target::Channel(ChannelName::new(channel).expect("a name"));
        subscriber.subscribe(channel, start, now_ms).expect("there is room");
    }
}

/// The message of a payload.
fn message_of(payload: &Payload) -> usize {
    let text = payload.data.as_str().strip_prefix('m').and_then(|it| it.strip_suffix(';'));
    text.and_then(|it| it.parse().ok()).expect("a message of ours")
}

impl Station {
    pub(super) fn new(
        log: &MemoryLog,
        (number, version): (u64, u8),
        keep: u64,
        random: &mut Random,
    ) -> Self {
        let mut engine = log.open();
        engine.set_wake(Arc::new(|| {}));
        let at = engine.number();
        let settings = NodeSettings {
            node: number,
            seed: random.bits(),
            name: format!("node {number}"),
            rules: Rules::of(&hub_config(), 1_000),
            on_other_rules: OnOtherRules::Refuse,
            level: Level::Logged,
            begin_ms: 1_000_000,
            lease_every_ms: 100,
            lease_ms: 300,
            keep,
            version,
            program: "",
        };
        Self {
            node: Node::new(settings, Box::new(engine)),
            engine: at,
            version,
            hub: Hub::new(Epoch(random.bits() >> 1), hub_config()),
            skew_ms: if random.one_in(3) { 3_600_000 } else { random.below(50) as u64 },
            waiting: HashMap::new(),
            leaving: HashMap::new(),
            credentials: tickets::Waiting::default(),
            tickets: 0,
            number,
            users: BTreeSet::new(),
            disconnected: BTreeSet::new(),
            members: Members::new(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.node.find_objection().is_none()
    }

    /// Whether an entry of a later version has ended its part.
    pub(super) fn is_too_old(&self) -> bool {
        matches!(self.node.find_objection(), Some(Objection::Stopped(Stop::Newer(_))))
    }

    pub(super) fn publish(
        &mut self,
        message: usize,
        (channel, key, kind, expect): (usize, Option<usize>, Kind, Option<Seq>),
        now_ms: u64,
    ) -> Vec<SequencerEvent> {
        self.tickets += 1;
        self.waiting.insert(self.tickets, message);
        let offer = Offer {
            channel: CHANNELS[channel].into(),
            payload: Payload::new(Data::text(format!("m{message};"))),
            kind,
            key: key.map(|key| format!("k{key}").into()),
            expect,
        };
        let origin = Origin { worker: 0, ticket: self.tickets, bytes: 0 };
        let mut events = Vec::new();
        self.node.offer(offer, origin, now_ms + self.skew_ms, &mut events);
        events
    }

    pub(super) fn disconnect(&mut self, user: usize, now_ms: u64) -> Vec<SequencerEvent> {
        self.tickets += 1;
        self.leaving.insert(self.tickets, user);
        self.declare(Statement::Disconnect(format!("u{user};").into()), now_ms)
    }

    /// Issues or redeems a ticket.
    pub(super) fn handle(&mut self, act: Act, ticket: usize, now_ms: u64) -> Vec<SequencerEvent> {
        self.tickets += 1;
        self.credentials.add(self.tickets, act, ticket);
        self.declare(tickets::statement(act, ticket), now_ms)
    }

    /// Tells the others of its members, if there is something to tell.
    pub(super) fn tell(&mut self, now_ms: u64) -> Vec<SequencerEvent> {
        self.tickets += 1;
        let batch = self.members.tell(self.tickets);
        batch.map_or_else(Vec::new, |batch| self.declare(Statement::Present(batch), now_ms))
    }

    fn declare(&mut self, statement: Statement, now_ms: u64) -> Vec<SequencerEvent> {
        let origin = Origin { worker: 0, ticket: self.tickets, bytes: 0 };
        let mut events = Vec::new();
        self.node.declare(statement, origin, now_ms + self.skew_ms, &mut events);
        events
    }

    /// Ends the streams of a user, and returns whose order it was if it was given here.
    fn end_user(&mut self, name: &str, origin: Option<Origin>, oracle: &mut Oracle) {
        let number = name.strip_prefix('u').and_then(|it| it.strip_suffix(';'));
        let user = number.and_then(|it| it.parse().ok()).expect("a user of ours");
        assert!(self.disconnected.insert(user), "{user} is disconnected twice by one order");
        oracle.ended += u64::from(self.users.remove(&user));
        if let Some(origin) = origin {
            assert_eq!(
                self.leaving.remove(&origin.ticket),
                Some(user),
                "the answer is for its order"
            );
            oracle.disconnected.push(user);
        }
    }

    pub(super) fn settle(&mut self, now_ms: u64) -> Vec<SequencerEvent> {
        let mut events = Vec::new();
        self.node.settle(now_ms + self.skew_ms, &mut events);
        events
    }

    /// Takes over what a machine that was alone has had.
    fn take_over(&mut self, log: &Restored, oracle: &mut Oracle) {
        assert_eq!(self.hub.position().seq, Seq::ZERO, "it has begun the epoch");
        let taken = log.give_to(&mut self.hub, |it| {
            let message = message_of(&it.payload);
            oracle.place(it.position, message);
            message
        });
        taken.expect("it is in order");
    }

    /// Takes an event in, and returns what subscribers are delivered.
    pub(super) fn follow(
        &mut self,
        event: SequencerEvent,
        (oracle, log): (&mut Oracle, &MemoryLog),
        random: &mut Random,
    ) -> Vec<(SubscriberKey, Rc<Entry<usize>>)> {
        let mut delivered = Vec::new();
        oracle.waits_for_upgrade +=
            u64::from(matches!(event, Outcome::Answer(_, Verdict::OldNodes)));
        match event {
            Outcome::Entry(entry, origin) => {
                let message = message_of(&entry.payload);
                assert_eq!(entry.position.epoch, self.hub.position().epoch);
                oracle.place(entry.position, message);
                let channel = ChannelName::new(&entry.channel).expect("a name");
                let publication =
                    Publication { kind: entry.kind, ..Publication::new(channel, message, 1) };
                let deliver = |key, entry: &Rc<Entry<usize>>| {
                    if random.one_in(8) {
                        return Flow::Full;
                    }
                    delivered.push((key, Rc::clone(entry)));
                    Flow::Taken
                };
                let seq = entry.position.seq;
                let applied = self.hub.apply(seq, publication, entry.time_ms, deliver);
                applied.expect("entries come in order");
                if let Some(origin) = origin {
                    let waiting = self.waiting.remove(&origin.ticket);
                    assert_eq!(waiting, Some(message), "the receipt is for its publisher");
                    oracle.answer(message, Some(entry.position), log);
                }
            }
            Outcome::Void(seq) => self.hub.void(seq).expect("voids come in order"),
            Outcome::Lost(seq) => self.hub.lose(seq).expect("losses come in order"),
            Outcome::Epoch(epoch) => self.hub.begin_epoch(epoch).expect("it is a new one"),
            Outcome::Restored(log) => self.take_over(&log, oracle),
            Outcome::Health(_) => {}
            Outcome::Disconnect(user, origin) => self.end_user(&user, origin, oracle),
            Outcome::DisconnectsMissed => {
                oracle.recalled += 1;
                self.users.clear();
            }
            Outcome::Presence(news) => self.members.hear(&news),
            Outcome::Answer(origin, verdict)
                if self.members.answer(origin.ticket, verdict == Verdict::Taken) => {}
            Outcome::Answer(origin, _) if self.leaving.remove(&origin.ticket).is_some() => {}
            Outcome::Answer(origin, verdict)
                if self
                    .credentials
                    .take((self.number, origin, verdict), (&mut oracle.tickets, oracle.forks)) => {}
            Outcome::Answer(origin, verdict) => {
                let message = self.waiting.remove(&origin.ticket).expect("it is asked for once");
                match verdict {
                    Verdict::Duplicate(at, _) => oracle.repeat(message, at, log),
                    Verdict::Refused(_)
                    | Verdict::NoRoom(_)
                    | Verdict::NotKept
                    | Verdict::Failed
                    | Verdict::OldNodes
                    | Verdict::Taken
                    | Verdict::TicketsFull
                    | Verdict::TicketUsed => oracle.answer(message, None, log),
                }
            }
        }
        delivered
    }

    /// Publishers that wait, and others.
    pub(super) fn waits(&self) -> usize {
        self.waiting.len() + self.leaving.len() + self.credentials.len()
    }
}
