//! Nodes of the program on the engine in memory, and on engines that say one word.

use std::sync::Arc;

use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::{
    Capabilities, Engine, Event, Full, Kept, Position, State, Trimming, Trouble, TroubleKind, Wake,
};
use sockeye_hub::{Config, Kind};
use sockeye_server::Time;
use sockeye_service::sequencing::{
    Backbone, Health, LoopBackbone, LoopBackboneLimits, Member, Offer, Outcome,
};
use sockeye_service::wire::{Data, Payload};

use super::{SharedNode, UNREAD_MAX};
use crate::config::BackboneConfig;

/// An engine that says one word, and nothing more.
struct OneWord(Option<State>);

impl Engine for OneWord {
    fn set_wake(&mut self, _: Wake) {}

    fn capabilities(&self) -> Capabilities {
        let trimming = Trimming::Exact;
        Capabilities { has_fences: true, trimming, kept: Kept::Disk, entry_bytes_max: 1_000 }
    }

    fn read_from(&mut self, _: Position) {}

    fn append(&mut self, _: u64, _: &[Arc<[u8]>]) -> Result<(), Full> {
        Err(Full)
    }

    fn begin_log(&mut self, _: &Arc<[u8]>) -> Result<(), Full> {
        Err(Full)
    }

    fn raise_fence(&mut self, _: &Arc<[u8]>) -> Result<(), Full> {
        Err(Full)
    }

    fn trim(&mut self, _: Position) {}

    fn next(&mut self) -> Option<Event> {
        self.0.take().map(Event::State)
    }
}

/// A node with one loop.
struct Machine {
    node: SharedNode,
    loops: Arc<LoopBackbone>,
    member: Member,
    now_ms: u64,
}

impl Machine {
    fn on(engine: Box<dyn Engine>, hub: &Config) -> Self {
        let node = SharedNode::new(&BackboneConfig::default(), hub, engine, 1).expect("a node");
        let loops = LoopBackbone::new(1, LoopBackboneLimits::default());
        let member = loops.member(0);
        Self { node, loops, member, now_ms: 1_000 }
    }

    fn hear(&mut self) -> Result<(), String> {
        let now_ms = self.now_ms;
        let heard = self.node.hear(&self.loops, || now_ms, || false);
        heard.map_err(|why| why.to_string())
    }

    fn step(&mut self) {
        self.node.step(&self.loops, self.now_ms).expect("it goes on");
    }

    /// Everything that the loop has not read.
    fn read(&mut self) -> Vec<Outcome> {
        std::iter::from_fn(|| self.member.next()).collect()
    }
}

fn step(machines: &mut [Machine]) {
    for _ in 0..10 {
        machines.iter_mut().for_each(Machine::step);
    }
}

fn offer(text: &str) -> Offer {
    let payload = Payload::new(Data::text(text));
    Offer { channel: "a".into(), payload, kind: Kind::Message, key: None, expect: None }
}

#[test]
fn an_engine_that_refuses_ends_the_start_and_one_that_is_away_does_not() {
    let trouble = |kind| Trouble::new(kind, "it does not fit");
    for kind in [TroubleKind::Settings, TroubleKind::Login, TroubleKind::Version] {
        let engine = OneWord(Some(State::Refused(trouble(kind))));
        let heard = Machine::on(Box::new(engine), &Config::default()).hear();
        assert_eq!(heard, Err("the backbone: it does not fit".to_owned()));
    }
    let engine = OneWord(Some(State::Away(trouble(TroubleKind::Unreachable))));
    let mut machine = Machine::on(Box::new(engine), &Config::default());
    assert_eq!(machine.hear(), Ok(()));
    let told = machine.read();
    assert!(
        matches!(told[..], [Outcome::Health(Health::Away("backbone_unreachable"))]),
        "{told:?}"
    );
    let shared = machine.member.figures().shared.expect("the figures are there without an event");
    assert!(!shared.is_up);
}

#[test]
fn other_rules_than_those_of_the_log_end_the_start() {
    let log = MemoryLog::default();
    let mut first = [Machine::on(Box::new(log.open()), &Config::default())];
    step(&mut first);
    assert!(matches!(first[0].read().last(), Some(Outcome::Health(Health::Good))));
    let mut hub = Config::default();
    hub.settings.key_ms = 7_000;
    let mut other = Machine::on(Box::new(log.open()), &hub);
    let steps = (0..10).map(|_| other.node.step(&other.loops, 1_000));
    let why = steps.filter_map(Result::err).next().expect("it does not take part").to_string();
    assert!(why.contains("key_ms is 7000 here and 300000 there"), "{why}");
}

#[test]
fn nothing_more_is_read_while_a_loop_has_not_read_what_there_is() {
    let log = MemoryLog::default();
    let mut machines = [(); 2].map(|()| Machine::on(Box::new(log.open()), &Config::default()));
    step(&mut machines);
    machines[1].read();
    let [one, other] = &mut machines;
    let (batch, all) = (4_096, 4 * UNREAD_MAX);
    for _ in 0..all / batch {
        for ticket in 0..batch as u64 {
            one.member.append(ticket, offer("x")).expect("there is room");
        }
        for _ in 0..4 {
            one.step();
            other.step();
        }
        one.read();
    }
    let unread = other.loops.unread();
    // What one step reads comes beyond it.
    assert!((UNREAD_MAX..2 * UNREAD_MAX).contains(&unread), "{unread}");
    let is_message = |outcome: &Outcome| matches!(outcome, Outcome::Entry(..));
    let mut read = 0;
    while other.loops.unread() > 0 {
        read += other.read().iter().filter(|it| is_message(it)).count();
        other.step();
    }
    assert_eq!(read, all);
}

#[test]
fn the_clock_of_the_loops_follows_the_log() {
    let log = MemoryLog::default();
    let mut machines = [(); 2].map(|()| Machine::on(Box::new(log.open()), &Config::default()));
    machines[0].now_ms = 3_601_000;
    step(&mut machines);
    machines[0].member.append(1, offer("x")).expect("there is room");
    let time = machines[1].loops.clock().look(Time::from_millis(5), 1_000);
    assert!(time.ms >= 1_000);
    step(&mut machines);
    let time = machines[1].loops.clock().look(Time::from_millis(5), 1_000);
    assert!(time.ms >= 3_601_000, "{time:?}");
    assert_eq!(time.date_ms, 1_000, "dates are the calendar's");
}
