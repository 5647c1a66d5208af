//! The machines, the engine, the clients, and what happens to them.

mod alone;

use sockeye_backbone::entry::VERSION;
use sockeye_backbone::memory::{Held, Hold, MemoryLimits, MemoryLog};
use sockeye_hub::{Budget, Kind, Progress, Seq, SubscriberKey};
use sockeye_service::sequencing::{Outcome, SequencerEvent};
use sockeye_simnet::Random;

use self::alone::Origin;
use super::Coverage;
use super::client::Client;
use super::oracle::Oracle;
use super::presence;
use super::station::{Station, follow_all};
use super::tickets::Act;

pub(super) const CHANNELS: [&str; 3] = ["a", "b", "c:d"];

const STATIONS: usize = 3;
const CLIENTS: usize = 4;
const STEPS: u64 = 160;
/// Steps of a world whose log is trimmed.
const LONG_STEPS: u64 = 600;
const KEYS: usize = 12;

/// The faults of a kind of worlds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    /// The log loses its tail, or is erased.
    pub(super) forks: bool,
    /// Nodes are killed, and others come.
    pub(super) kills: bool,
    /// Entries are forgotten and trimmed.
    pub(super) trims: bool,
    /// A machine that was alone has what becomes the log.
    pub(super) imports: bool,
    /// The first nodes are of earlier versions, and are replaced one after the other.
    pub(super) upgrades: bool,
}

pub(super) struct World {
    random: Random,
    faults: Faults,
    log: MemoryLog,
    stations: Vec<Option<Station>>,
    clients: Vec<Client>,
    oracle: Oracle,
    /// The machine that was alone.
    origin: Option<Origin>,
    nodes: u64,
    keep: u64,
    /// The next user to be disconnected.
    user: usize,
    now_ms: u64,
    step: u64,
    sum: Coverage,
}

impl World {
    /// Plays one seed.
    pub(super) fn play(seed: u64, faults: Faults) -> Coverage {
        let mut random = Random::new(seed);
        let limits = MemoryLimits { has_fences: random.one_in(2), ..MemoryLimits::default() };
        // A log that loses more than it keeps has nothing that a node could begin with.
        let least = if faults.forks { 60 } else { 30 };
        let keep = if faults.trims { least + random.below(12) as u64 } else { 10_000 };
        let mut world = Self {
            random,
            faults,
            log: MemoryLog::new(limits),
            stations: (0..STATIONS).map(|_| None).collect(),
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            oracle: Oracle::default(),
            origin: None,
            nodes: 0,
            keep,
            user: 0,
            now_ms: 1_000_000,
            step: 0,
            sum: Coverage::default(),
        };
        if faults.imports {
            world.begin_alone();
        }
        for at in 0..STATIONS {
            if world.stations[at].is_none() {
                world.start(at);
            }
        }
        let steps = if faults.trims { LONG_STEPS } else { STEPS };
        for _ in 0..steps {
            world.step += 1;
            world.happen();
        }
        world.heal();
        world.judge();
        world.sum
    }

    fn happen(&mut self) {
        self.now_ms += self.random.skewed(200) as u64;
        self.log.set_unix_ms(self.now_ms);
        let at = self.random.below(STATIONS);
        match self.random.below(40) {
            0..7 => self.publish(at),
            7 | 8 => self.handle_ticket(at),
            9 => self.enter_or_disconnect(at),
            10..24 => self.settle(at),
            24..28 => self.come(),
            28 | 29 => self.leave(),
            30 | 31 => self.pull_some(),
            32 => self.fail_write(at),
            33 => self.log.deliver_late(1 + self.random.below(2)),
            34 => self.log.ask_ends(),
            35 => self.take_away(at),
            36 if self.faults.kills && self.random.one_in(2) => self.kill(at),
            36 if self.faults.upgrades && self.random.one_in(3) => self.kill(at),
            37 if self.faults.forks && self.random.one_in(3) => self.fork(),
            38 if self.random.one_in(4) && self.log.ends().last.is_some() => {
                self.log.write(*b"somebody else wrote this");
            }
            38 => self.change_members(at),
            _ => self.settle(at),
        }
    }

    /// A stream of a member opens or closes.
    fn change_members(&mut self, at: usize) {
        let Some(station) = self.stations[at].as_mut().filter(|it| it.is_ready()) else { return };
        for _ in 0..=self.random.below(4) {
            station.members.change(&mut self.random);
        }
    }

    fn start(&mut self, at: usize) {
        self.nodes += 1;
        let (log, number) = (self.log.clone(), self.nodes);
        // Nobody starts an earlier release again.
        let version = match self.faults.upgrades && self.nodes <= STATIONS as u64 {
            true => {
                VERSION
                    - u8::from(self.random.one_in(2))
                        * (1 + self.random.bits().to_le_bytes()[0] % (VERSION - 1))
            }
            false => VERSION,
        };
        self.stations[at] =
            Some(Station::new(&log, (number, version), self.keep, &mut self.random));
    }

    fn publish(&mut self, at: usize) {
        let Some(station) = &mut self.stations[at] else { return };
        let channel = self.random.below(CHANNELS.len());
        let key = self.random.one_in(3).then(|| self.random.below(KEYS));
        let kind = if self.random.one_in(60) { Kind::End } else { Kind::Message };
        let head = station.hub.position().seq.0;
        let back = self.random.below(3) as u64;
        let expect = self.random.one_in(6).then(|| Seq(head.saturating_sub(back)));
        let message = self.oracle.publish(channel, key, self.step);
        let events = station.publish(message, (channel, key, kind, expect), self.now_ms);
        self.spread(at, events);
    }

    /// A stream of a user opens, or the user is disconnected.
    fn enter_or_disconnect(&mut self, at: usize) {
        let Some(station) = &mut self.stations[at] else { return };
        if self.random.one_in(2) {
            if station.is_ready() {
                station.users.insert(self.user);
            }
            return;
        }
        let events = station.disconnect(self.user, self.now_ms);
        self.user += 1;
        self.spread(at, events);
    }

    /// A ticket is issued, or somebody brings one: perhaps to several nodes, and perhaps again.
    fn handle_ticket(&mut self, at: usize) {
        let tickets = &mut self.oracle.tickets;
        let is_new = tickets.issued.is_empty() || self.random.one_in(3);
        let (act, ticket) = match is_new {
            true => {
                tickets.next += 1;
                (Act::Issue, tickets.next)
            }
            false => {
                let newest = 1 + self.random.below(tickets.issued.len().min(4));
                (Act::Redeem, tickets.issued[tickets.issued.len() - newest])
            }
        };
        self.bring(at, act, ticket);
        if act == Act::Redeem && self.random.one_in(2) {
            self.bring((at + 1) % STATIONS, act, ticket);
        }
    }

    fn bring(&mut self, at: usize, act: Act, ticket: usize) {
        let Some(station) = &mut self.stations[at] else { return };
        let events = station.handle(act, ticket, self.now_ms);
        self.spread(at, events);
    }

    /// A ticket of one node is redeemed at one of the two others.
    fn try_ticket(&mut self) {
        self.oracle.tickets.next += 1;
        let ticket = self.oracle.tickets.next;
        // The leases bring the time of the log behind the clocks of all nodes: earlier tickets have expired.
        self.now_ms += 3_700_000;
        self.run_all();
        self.bring(0, Act::Issue, ticket);
        self.run_all();
        assert!(self.oracle.tickets.issued.contains(&ticket), "{:?}", self.statuses());
        self.bring(1, Act::Redeem, ticket);
        self.bring(2, Act::Redeem, ticket);
        self.run_all();
        assert_eq!(self.oracle.tickets.times(ticket), 1, "of two, one gets it");
    }

    fn run_all(&mut self) {
        for _ in 0..20 {
            (0..STATIONS).for_each(|at| self.run(at));
        }
    }

    /// A node reads some entries, and some of its appends arrive.
    fn settle(&mut self, at: usize) {
        let Some(station) = &mut self.stations[at] else {
            if self.random.one_in(4) {
                self.start(at);
            }
            return;
        };
        let engine = station.engine;
        let few = 1 + self.random.below(3);
        let reads = if self.random.one_in(2) { Some(few) } else { None };
        self.log.allow_reads(engine, reads);
        self.log.deliver(engine, self.random.below(3));
        self.run(at);
    }

    fn run(&mut self, at: usize) {
        let Some(station) = &mut self.stations[at] else { return };
        let mut events = station.tell(self.now_ms);
        events.extend(station.settle(self.now_ms));
        // One that has stopped has not decided its last entry.
        if let Some(digest) = station.node.digest().filter(|_| !station.is_too_old()) {
            self.oracle.compare(digest, at);
        }
        self.spread(at, events);
        self.replace_too_old(at);
    }

    /// A node that others took for gone, because its lease had ended, has come back too late. The operator replaces it.
    fn replace_too_old(&mut self, at: usize) {
        let Some(station) = self.stations[at].as_ref().filter(|it| it.is_too_old()) else { return };
        assert!(station.version < VERSION, "an entry is of a version that nobody writes");
        self.sum.too_old += 1;
        self.kill(at);
        self.start(at);
    }

    fn spread(&mut self, at: usize, events: Vec<SequencerEvent>) {
        for event in events {
            let Some(station) = &mut self.stations[at] else { return };
            let breaks = matches!(event, Outcome::Epoch(_) | Outcome::Lost(_));
            let judge = (&mut self.oracle, &self.log);
            let delivered = station.follow(event, judge, &mut self.random);
            for (key, entry) in delivered {
                let client = self.clients.iter_mut().find(|it| it.at == Some((at, key)));
                client.expect("its client").receive(entry.position, entry.body);
            }
            // As the service does: nobody leaves without having been told.
            for number in 0..if breaks { CLIENTS } else { 0 } {
                if self.clients[number].at.is_some_and(|(station, _)| station == at) {
                    self.pull(number, 1);
                }
            }
        }
    }

    fn fail_write(&mut self, at: usize) {
        let Some(station) = &self.stations[at] else { return };
        let engine = station.engine;
        match self.random.below(4) {
            0 => self.log.hold_writes(engine, Hold::On),
            1 => self.log.hold_writes(engine, Hold::Off),
            _ => {
                let held = [Held::Lost, Held::Late, Held::Arrived][self.random.below(3)];
                self.log.cut(engine, held);
            }
        }
    }

    fn take_away(&mut self, at: usize) {
        let Some(station) = &self.stations[at] else { return };
        if self.random.one_in(2) {
            self.log.take_away(station.engine);
        } else {
            self.log.restore(station.engine);
        }
    }

    /// A node ends: in order, or by a kill.
    fn kill(&mut self, at: usize) {
        let Some(mut station) = self.stations[at].take() else { return };
        self.sum.killed += 1;
        if self.random.one_in(3) {
            station.node.leave(self.now_ms + station.skew_ms);
            self.sum.left += 1;
        }
        self.note(&station);
        let held = [Held::Lost, Held::Late, Held::Arrived][self.random.below(3)];
        self.log.cut(station.engine, held);
        for client in &mut self.clients {
            client.at = client.at.filter(|(station, _)| *station != at);
        }
    }

    fn fork(&mut self) {
        self.oracle.forks += 1;
        if self.random.one_in(6) {
            self.log.erase();
        } else {
            let entries = self.log.entries().len();
            self.log.lose_tail(entries.saturating_sub(1 + self.random.below(6)));
        }
    }

    /// A client connects to a node with its cursor.
    fn come(&mut self) {
        let (at, number) = (self.random.below(STATIONS), self.random.below(CLIENTS));
        let client = &mut self.clients[number];
        let Some(station) = self.stations[at].as_mut().filter(|it| it.is_ready()) else { return };
        if client.at.is_some() {
            return;
        }
        let here = station.hub.position();
        let is_ahead = |it: &sockeye_hub::Cursor| it.epoch == here.epoch && it.seq > here.seq;
        if client.cursor.as_ref().is_some_and(is_ahead) {
            return;
        }
        let key = station.hub.connect().expect("there is room");
        self.sum.resumed += u64::from(client.cursor.is_some());
        let start = client.start(self.step);
        follow_all(&mut station.hub, key, start, self.now_ms);
        client.at = Some((at, key));
        self.pull(number, 64);
    }

    fn leave(&mut self) {
        let number = self.random.below(CLIENTS);
        let Some((at, key)) = self.clients[number].at.take() else { return };
        let Some(station) = &mut self.stations[at] else { return };
        self.clients[number].cursor = Some(disconnect(station, key));
    }

    fn pull_some(&mut self) {
        let number = self.random.below(CLIENTS);
        let messages = 1 + self.random.below(4);
        self.pull(number, messages);
    }

    /// Whether the client is live.
    fn pull(&mut self, number: usize, messages: usize) -> bool {
        let client = &mut self.clients[number];
        let Some((at, key)) = client.at else { return false };
        let Some(station) = &mut self.stations[at] else { return false };
        let epoch = station.hub.position().epoch.0;
        let mut subscriber = station.hub.subscriber(key).expect("it is connected");
        let mut items = Vec::new();
        let budget = Budget { messages, bytes: 1 << 20 };
        let progress = subscriber.pull(budget, self.now_ms, &mut items);
        // Its cursor, if its node dies.
        client.cursor = Some(subscriber.cursor());
        client.take_all(items, epoch, self.step);
        match progress {
            Progress::Live => true,
            Progress::More => false,
            Progress::Fetch(_) | Progress::Overrun(_) => unreachable!("{progress:?}"),
        }
    }

    /// The faults end.
    fn heal(&mut self) {
        self.step += 1;
        for at in 0..STATIONS {
            if self.stations[at].as_ref().is_some_and(|it| it.version < VERSION) {
                self.kill(at);
            }
        }
        let is_ready = |it: &Option<Station>| it.as_ref().is_some_and(Station::is_ready);
        for round in 0.. {
            assert!(round < 200, "not ready: {:?}", self.statuses());
            self.now_ms += 50;
            self.log.set_unix_ms(self.now_ms);
            self.log.deliver_late(usize::MAX);
            self.log.ask_ends();
            for at in 0..STATIONS {
                let Some(station) = &self.stations[at] else {
                    self.start(at);
                    continue;
                };
                let (engine, is_away) = (station.engine, !station.node.status().is_up);
                self.log.hold_writes(engine, Hold::Off);
                self.log.allow_reads(engine, None);
                if is_away {
                    self.log.restore(engine);
                }
                self.run(at);
            }
            if round == 30 {
                self.import_again();
            }
            let waits: usize = self.stations.iter().flatten().map(Station::waits).sum();
            if self.stations.iter().all(is_ready) && waits == 0 && round > 20 {
                break;
            }
        }
        // What was written last is read by all.
        self.run_all();
        self.try_ticket();
        // Leases of those who are gone end.
        for _ in 0..40 {
            self.now_ms += 50;
            (0..STATIONS).for_each(|at| self.run(at));
        }
        self.run_all();
        for _ in 0..100 {
            self.come();
        }
        for number in 0..CLIENTS {
            while self.clients[number].at.is_some() && !self.pull(number, 64) {}
        }
    }

    fn judge(&mut self) {
        let stations: Vec<_> = self.stations.iter().flatten().collect();
        for pair in stations.windows(2) {
            assert_eq!(pair[0].node.digest(), pair[1].node.digest(), "all know the same");
            // One that has joined in the middle of the log does not know the tags of its cursors.
            let [one, other] = [pair[0], pair[1]].map(|it| it.hub.position());
            assert_eq!((one.epoch, one.seq), (other.epoch, other.seq), "all hubs stand there");
        }
        let all = presence::union(stations.iter().map(|it| it.members.here()));
        for station in &stations {
            self.oracle.check_users(&station.users);
            assert_eq!(station.members.view(), all, "each lists all: {:?}", station.node);
        }
        self.sum.members += all.len() as u64;
        for (number, client) in self.clients.iter().enumerate() {
            if client.at.is_some() {
                client.check(number, &self.oracle);
            }
            self.sum.received += client.received();
            self.sum.gaps += client.gaps();
        }
        for station in core::mem::take(&mut self.stations).iter().flatten() {
            self.note(station);
        }
        let acknowledged = self.oracle.messages.iter().filter(|it| it.acknowledged.is_some());
        self.sum.acknowledged = acknowledged.count() as u64;
        self.sum.compared = self.oracle.compared;
        self.sum.disconnected = self.oracle.disconnected.len() as u64;
        self.sum.waits_for_upgrade = self.oracle.waits_for_upgrade;
        (self.sum.ended, self.sum.recalled) = (self.oracle.ended, self.oracle.recalled);
        let tickets = &self.oracle.tickets;
        (self.sum.redeemed, self.sum.redeemed_again) = (tickets.redeemed(), tickets.again());
        (self.sum.tickets_refused, self.sum.tickets_full) = (tickets.refused, tickets.full);
    }

    fn note(&mut self, station: &Station) {
        let status = station.node.status();
        self.sum.epochs += status.epochs_ended;
        self.sum.rejoined += status.rejoined;
        self.sum.repeats += status.repeats;
        self.sum.joined_behind += status.joined_behind;
        self.sum.presence.add(station.members.heard_of);
    }

    fn statuses(&self) -> Vec<String> {
        let stations = self.stations.iter().flatten();
        stations.map(|it| format!("{:?} {:?}", it.node.find_objection(), it.node)).collect()
    }
}

fn disconnect(station: &mut Station, key: SubscriberKey) -> sockeye_hub::Cursor {
    station.hub.subscriber(key).expect("it is connected").disconnect()
}
