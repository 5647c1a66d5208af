//! A subscriber that is our own client: its machine on a simulated connection, and what it tells its user.
//!
//! Its user is stricter than the one of a bare connection: over all connections, transports and restarts of the
//! client no message is shown twice.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Mutex;

use sockeye_client::sans_io::Subscription;
use sockeye_client::{
    Data as Shown, Entropy, Error, Limits, Machine, SubscriptionEvent as Told, SubscriptionOptions,
    Target, Transport, Url,
};
use sockeye_reactor::{Net as _, Time};
use sockeye_simnet::{Peer, Random};

use crate::simulation::oracle::{Ledger, Start};
use crate::simulation::said::{Data, Envelope, Gap, Message, Said};
use crate::simulation::subscriber::lie;
use crate::simulation::totals::Totals;
use crate::simulation::truth::{Place, Position, Truth};
use crate::simulation::wire::{Way, Wire};

pub(crate) struct Client {
    truth: Rc<RefCell<Truth>>,
    options: SubscriptionOptions,
    machine: Subscription,
    ledger: Ledger,
    /// The cursor that it began with, if that is none, and why it is none.
    lie: Option<(Start, String)>,
    /// The cursor that the ledger knows.
    cursor: Option<String>,
    /// What it has shown since it had to load its state anew.
    shown: BTreeSet<Place>,
    wire: Option<Wire>,
    left: Vec<Peer>,
    /// Its clock runs ahead of the server's: whoever waits need not be waited for.
    ahead_ms: u64,
    /// It must not connect before: so it said.
    waits_until: Time,
    stalled: usize,
    /// No more tricks.
    calm: bool,
}

impl Client {
    pub(crate) fn new(
        truth: &Rc<RefCell<Truth>>,
        roomy: bool,
        targets: &[String],
        random: &mut Random,
        totals: &mut Totals,
    ) -> Self {
        let url = Url::parse("http://localhost").expect("a URL");
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let mut options = SubscriptionOptions::new(url, &targets);
        options.transports = transports(random);
        options.better_ms = 200;
        let mut said_lie = None;
        options.cursor = match random.below(8) {
            0 => {
                totals.lies += 1;
                said_lie = Some(lie(&truth.borrow(), random));
                said_lie.as_ref().map(|(_, text)| text.clone())
            }
            1 | 2 => Some("earliest".to_owned()),
            _ => None,
        };
        Self {
            truth: Rc::clone(truth),
            machine: machine(&options, random),
            cursor: options.cursor.clone(),
            options,
            ledger: Ledger::new(truth, roomy),
            lie: said_lie,
            shown: BTreeSet::new(),
            wire: None,
            left: Vec::new(),
            ahead_ms: 0,
            waits_until: Time::default(),
            stalled: 0,
            calm: false,
        }
    }

    /// Does something, or not.
    pub(crate) fn step(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        if self.stalled > 0 {
            self.stalled -= 1;
            return;
        }
        self.play(way, random, totals);
        self.pump(way, random, totals);
    }

    /// Tricks.
    fn play(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        if random.one_in(60) {
            totals.stalls += 1;
            self.stalled = 10 + random.below(60);
        }
        if self.wire.is_some() && random.one_in(80) {
            totals.cuts += 1;
            self.cut(way, random, totals);
        }
        if random.one_in(160) {
            totals.restarts += 1;
            self.restart(random);
        }
    }

    /// The connection breaks, with all that was on its way.
    fn cut(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        let now = self.now(way);
        self.hang_up(random);
        self.machine.disconnected(now, Error::Transport(std::io::ErrorKind::Other));
        self.listen_to(&mut [], now, &mut Vec::new(), totals);
    }

    /// The server is killed. The client may have read what had come.
    pub(crate) fn cut_off(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        if self.wire.is_some() {
            if random.one_in(2) {
                self.pump(way, random, totals);
            }
            self.cut(way, random, totals);
        }
        if random.one_in(3) {
            totals.restarts += 1;
            self.restart(random);
        }
        self.left.clear();
    }

    /// The program ends, and another one begins with the cursor that it has kept.
    fn restart(&mut self, random: &mut Random) {
        if let Some(wire) = self.wire.take() {
            self.left.extend(wire.leave(random));
        }
        if self.machine.is_over() {
            return;
        }
        self.options.cursor = self.machine.cursor().map(str::to_owned);
        self.options.targets = self.machine.wanted().to_vec();
        self.options.transports = transports(random);
        self.machine = machine(&self.options, random);
        self.waits_until = Time::default();
    }

    fn now(&mut self, way: &Way) -> Time {
        self.ahead_ms = self.ahead_ms.max(way.net.now().as_millis());
        Time::from_millis(self.ahead_ms)
    }

    /// Who has nothing to do but wait lets time pass.
    fn pass_time(&mut self, random: &mut Random) {
        let until = self.machine.deadline();
        if self.wire.is_none() && until != Time::NEVER && random.one_in(3) {
            self.ahead_ms = self.ahead_ms.max(until.as_millis());
        }
    }

    /// Has a connection where the machine wants one, and moves bytes and time.
    pub(crate) fn pump(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        self.pass_time(random);
        let now = self.now(way);
        let mut out = Vec::new();
        self.listen_to(&mut [], now, &mut out, totals);
        self.follow(way, now, &mut out, random, totals);
        // What came of that was then, and not later.
        self.listen_to(&mut [], now, &mut out, totals);
        let Some(wire) = &mut self.wire else { return };
        wire.read();
        let mut bytes = wire.take();
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let len = if random.one_in(3) { 1 + random.below(rest.len()) } else { rest.len() };
            let (piece, more) = rest.split_at_mut(len);
            self.listen_to(piece, now, &mut out, totals);
            rest = more;
        }
        let over = self.wire.as_ref().is_some_and(|wire| wire.over);
        if let Some(wire) = &mut self.wire {
            wire.write(&out);
        }
        out.clear();
        if over {
            self.hang_up(random);
            self.machine.disconnected(now, Error::Ended);
            self.listen_to(&mut [], now, &mut out, totals);
        } else if self.machine.peer().is_none() {
            self.hang_up(random);
            self.machine.disconnected(now, Error::HungUp);
        }
    }

    fn follow(
        &mut self,
        way: &Way,
        now: Time,
        out: &mut Vec<u8>,
        random: &mut Random,
        totals: &mut Totals,
    ) {
        match (self.machine.peer().is_some(), self.wire.is_some()) {
            (true, false) => {
                assert!(self.waits_until <= now, "it was to wait until {:?}", self.waits_until);
                match Wire::connect(way, random) {
                    Some(wire) => {
                        self.wire = Some(wire);
                        self.ledger.connect();
                        let start = self.start(totals);
                        let settled = self.truth.borrow().settled;
                        self.ledger.resume(self.machine.wanted(), start, settled);
                        self.machine.connected(now, out);
                    }
                    None => {
                        let refused = std::io::ErrorKind::ConnectionRefused;
                        self.machine.disconnected(now, Error::Connect(refused));
                    }
                }
            }
            (false, true) => {
                self.hang_up(random);
                self.machine.disconnected(now, Error::HungUp);
            }
            (true, true) | (false, false) => {}
        }
        if let Some(wire) = &mut self.wire {
            wire.write(out);
            out.clear();
        }
    }

    fn hang_up(&mut self, random: &mut Random) {
        if let Some(wire) = self.wire.take() {
            self.left.extend(wire.leave(random));
        }
    }

    /// Gives the machine a piece of input, and takes down what it tells.
    fn listen_to(
        &mut self,
        mut input: &mut [u8],
        now: Time,
        out: &mut Vec<u8>,
        totals: &mut Totals,
    ) {
        loop {
            let told = self.machine.next(now, &mut input, out, &mut |event| event.into_owned());
            match told.unwrap_or_else(|error| panic!("{error:?}: {}", self.state())) {
                Some(event) => self.hear(event, now, totals),
                None => break,
            }
            self.look_at_cursor(totals);
            self.ledger.keep(self.machine.wanted());
        }
        self.look_at_cursor(totals);
        self.ledger.keep(self.machine.wanted());
        assert!(input.is_empty(), "it leaves input");
    }

    /// What it says that it has, it has.
    fn look_at_cursor(&mut self, totals: &mut Totals) {
        let cursor = self.machine.cursor();
        if cursor != self.cursor.as_deref() {
            self.cursor = cursor.map(str::to_owned);
            if let Some(text) = &self.cursor {
                self.ledger.hear(&Said::Cursor(Position::parse(text)), totals);
            }
        }
    }

    fn hear(&mut self, told: Told<'static>, now: Time, totals: &mut Totals) {
        let said = match told {
            Told::Connected { transport } => {
                *totals.transports.entry(format!("{transport:?}")).or_default() += 1;
                return;
            }
            Told::Message(message) => {
                let at = Position::parse(&message.cursor);
                let place = self.truth.borrow().find(at).expect("somebody published it");
                assert!(self.shown.insert(place), "{at:?} is shown twice");
                Said::Message(Message {
                    at,
                    data: match message.data {
                        Shown::Text(text) => Data::Text(text.into_owned()),
                        Shown::Json(json) => Data::Json(json.into_owned()),
                    },
                    envelope: Some(Envelope {
                        channel: message.channel.into_owned(),
                        time_ms: message.time_ms,
                    }),
                    event: message.event.map(|name| name.into_owned()),
                })
            }
            Told::Gap(gap) => {
                let gap = Gap {
                    scope: match gap.target {
                        Target::Channel(name) | Target::Pattern(name) => Some(name.into_owned()),
                        Target::All => None,
                    },
                    reason: gap.reason.into_owned(),
                    missed: gap.missed,
                    ended: gap.ended,
                };
                if gap.is_fault() {
                    // What follows may be what its user had before.
                    self.shown.clear();
                }
                Said::Gap(gap)
            }
            Told::Sync { cursor, gaps, recovered, .. } => {
                assert_eq!(recovered, gaps == 0);
                return self.ledger.hear_sync(Position::parse(&cursor), totals);
            }
            Told::End { channel, cursor } => {
                Said::End { channel: channel.into_owned(), at: Position::parse(&cursor) }
            }
            Told::Lost { wait_ms, .. } => {
                totals.lost += 1;
                self.waits_until = now + wait_ms;
                return;
            }
            other => panic!("{other:?} on an open server"),
        };
        self.ledger.hear(&said, totals);
    }

    /// From where it asks.
    fn start(&self, totals: &mut Totals) -> Start {
        match self.machine.cursor() {
            None => Start::Now,
            Some("earliest") => Start::Earliest,
            Some(cursor) => {
                if let Some((start, _)) = self.lie.as_ref().filter(|(_, text)| text == cursor) {
                    return *start;
                }
                totals.resumes += 1;
                totals.lost_resumes += u64::from(self.ledger.is_lost());
                let held = self.ledger.cursor().expect("a cursor that it was given");
                assert_eq!(held.at.text(), cursor, "the last one that it was given");
                Start::Cursor(held)
            }
        }
    }

    /// It stops playing tricks, and lives to get what is still missing.
    pub(crate) fn calm_down(&mut self) {
        (self.calm, self.stalled) = (true, 0);
        if let Some(wire) = &mut self.wire {
            wire.hurry();
        }
    }

    /// One step of that; true once it has all.
    pub(crate) fn catch_up(
        &mut self,
        way: &Way,
        goal: Place,
        random: &mut Random,
        totals: &mut Totals,
    ) -> bool {
        self.pump(way, random, totals);
        if self.machine.is_over() {
            assert!(self.machine.wanted().is_empty(), "over too early");
            return true;
        }
        self.ledger.owes_nothing(self.machine.wanted(), goal)
    }

    /// How it stands, for who looks into a seed.
    pub(crate) fn state(&self) -> String {
        let link = if self.wire.is_some() { "connected" } else { "not connected" };
        format!("{:?} at {:?}, {link}", self.machine, self.machine.cursor())
    }

    /// The end.
    pub(crate) fn go(&mut self, random: &mut Random) {
        let mut out = Vec::new();
        self.machine.close(Time::from_millis(self.ahead_ms), &mut out);
        if let Some(wire) = &mut self.wire {
            wire.write(&out);
        }
        self.hang_up(random);
    }

    /// Reads what the connections say that it has left, to no end.
    pub(crate) fn read_left(&mut self) {
        self.left.retain_mut(|peer| peer.read(usize::MAX).is_some());
    }

    /// Listens to the end, which the server makes.
    pub(crate) fn listen(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        self.stalled = 0;
        if self.wire.is_some() {
            self.pump(way, random, totals);
        }
    }
}

/// Some transports, in some order.
fn transports(random: &mut Random) -> Vec<Transport> {
    let mut all = vec![
        Transport::WebSocket,
        Transport::EventStream,
        Transport::LongPoll,
        Transport::ShortPoll,
    ];
    let mut some = Vec::new();
    for _ in 0..1 + random.below(all.len()) {
        some.push(all.remove(random.below(all.len())));
    }
    some
}

fn machine(options: &SubscriptionOptions, random: &mut Random) -> Subscription {
    let source = Mutex::new(Random::new(random.bits()));
    let entropy = Entropy::from_fn(move |bytes| source.lock().expect("no panic").fill(bytes));
    Subscription::new(options.clone(), Limits::DEFAULT, entropy).expect("good options")
}
