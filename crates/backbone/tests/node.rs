//! A node on an engine that does what the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sockeye_backbone::engine::{Capabilities, Event, State, Trouble, TroubleKind, Wake};
use sockeye_backbone::entry::{
    self, Birth, Body, Entry, Evidence, Horizon, Lease, NewEpoch, Rules, VERSION, Witness,
};
use sockeye_backbone::memory::{Hold, MemoryEngine, MemoryLimits, MemoryLog};
use sockeye_backbone::node::{Node, NodeSettings, Notice, Objection, OnOtherRules, Stop};
use sockeye_backbone::{Engine, Full, Position, Rejection};
use sockeye_hub::{Config, Kind};
use sockeye_service::sequencing::{
    Health, Offer, Origin, Outcome, Sequence, SequencerEvent, Statement,
};
use sockeye_service::wire::{Data, Level, Payload};

/// What an engine does with appends.
#[derive(Default)]
struct Steering {
    /// All are rejected so.
    rejects: Option<Rejection>,
    /// So many were.
    rejected: usize,
    /// What comes behind the next entry.
    behind_entry: Option<Event>,
    events: VecDeque<Event>,
}

/// An engine in memory that may reject appends.
struct Steered {
    engine: MemoryEngine,
    steering: Arc<Mutex<Steering>>,
}

impl Steered {
    /// Whether an append is rejected.
    fn rejects(&self) -> bool {
        let mut steering = self.steering.lock().expect("no poison");
        let Some(rejection) = steering.rejects.clone() else { return false };
        steering.rejected += 1;
        steering.events.push_back(Event::Dropped(rejection));
        true
    }
}

impl Engine for Steered {
    fn set_wake(&mut self, wake: Wake) {
        self.engine.set_wake(wake);
    }

    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    fn read_from(&mut self, position: Position) {
        self.engine.read_from(position);
    }

    fn append(&mut self, fence: u64, entries: &[Arc<[u8]>]) -> Result<(), Full> {
        if self.rejects() { Ok(()) } else { self.engine.append(fence, entries) }
    }

    fn begin_log(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        if self.rejects() { Ok(()) } else { self.engine.begin_log(entry) }
    }

    fn raise_fence(&mut self, entry: &Arc<[u8]>) -> Result<(), Full> {
        if self.rejects() { Ok(()) } else { self.engine.raise_fence(entry) }
    }

    fn trim(&mut self, before: Position) {
        self.engine.trim(before);
    }

    fn next(&mut self) -> Option<Event> {
        let mut steering = self.steering.lock().expect("no poison");
        let event = steering.events.pop_front().or_else(|| self.engine.next());
        if matches!(event, Some(Event::Entry(..))) {
            let next = steering.behind_entry.take();
            steering.events.extend(next);
        }
        event
    }
}

pub(crate) struct Machine {
    pub(crate) node: Node,
    steering: Arc<Mutex<Steering>>,
    tickets: u64,
}

pub(crate) fn settings(number: u64) -> NodeSettings {
    NodeSettings {
        node: number,
        seed: number,
        name: String::new(),
        rules: rules(1_000),
        on_other_rules: OnOtherRules::Refuse,
        level: Level::Logged,
        begin_ms: 1,
        lease_every_ms: 1_000,
        lease_ms: 3_000,
        keep: 100,
        version: VERSION,
        program: "",
    }
}

fn rules(remembered_max: u64) -> Rules {
    Rules::of(&Config::default(), remembered_max)
}

impl Machine {
    pub(crate) fn new(log: &MemoryLog, number: u64) -> Self {
        Self::with(log, settings(number))
    }

    pub(crate) fn with(log: &MemoryLog, settings: NodeSettings) -> Self {
        let mut engine = log.open();
        engine.set_wake(Arc::new(|| {}));
        let steering = Arc::new(Mutex::new(Steering::default()));
        let engine = Steered { engine, steering: Arc::clone(&steering) };
        Self { node: Node::new(settings, Box::new(engine)), steering, tickets: 0 }
    }

    /// Rejects all appends so, or none.
    fn reject(&self, rejection: Option<Rejection>) {
        self.steering.lock().expect("no poison").rejects = rejection;
    }

    /// Appends that were rejected.
    fn rejected(&self) -> usize {
        self.steering.lock().expect("no poison").rejected
    }

    /// Reads and writes until nothing more happens.
    pub(crate) fn settle(&mut self, now_ms: u64) -> Vec<SequencerEvent> {
        let mut events = Vec::new();
        for _ in 0..10 {
            self.node.settle(now_ms, &mut events);
        }
        events
    }

    /// Disconnects a user.
    pub(crate) fn disconnect(&mut self, user: &str, now_ms: u64) -> Vec<SequencerEvent> {
        self.declare(Statement::Disconnect(user.into()), now_ms)
    }

    pub(crate) fn declare(&mut self, statement: Statement, now_ms: u64) -> Vec<SequencerEvent> {
        self.tickets += 1;
        let origin = Origin { worker: 0, ticket: self.tickets, bytes: 0 };
        let mut events = Vec::new();
        self.node.declare(statement, origin, now_ms, &mut events);
        events
    }

    pub(crate) fn offer(&mut self, now_ms: u64) -> Vec<SequencerEvent> {
        self.tickets += 1;
        let payload = Payload::new(Data::text("x"));
        let (channel, kind) = ("a".into(), Kind::Message);
        let offer = Offer { channel, payload, kind, key: None, expect: None };
        let origin = Origin { worker: 0, ticket: self.tickets, bytes: 0 };
        let mut events = Vec::new();
        self.node.offer(offer, origin, now_ms, &mut events);
        events
    }
}

/// The own messages among the events.
pub(crate) fn receipts(events: &[SequencerEvent]) -> usize {
    events.iter().filter(|event| matches!(event, Outcome::Entry(_, Some(_)))).count()
}

fn full() -> Rejection {
    Rejection::Full(Trouble::new(TroubleKind::Full, "the memory is full"))
}

#[test]
fn a_full_engine_that_takes_appends_again_is_ready_without_an_offer() {
    let log = MemoryLog::default();
    let mut machine = Machine::new(&log, 1);
    machine.settle(1_000);
    assert_eq!(machine.node.find_objection(), None);
    machine.reject(Some(full()));
    // The lease is due.
    machine.settle(2_000);
    assert!(machine.rejected() > 0);
    assert_eq!(machine.node.find_objection(), Some(Objection::Away("backbone_full")));
    machine.reject(None);
    machine.settle(3_000);
    assert_eq!(machine.node.find_objection(), None, "a lease came through");
    machine.offer(3_000);
    assert_eq!(receipts(&machine.settle(3_000)), 1);
}

#[test]
fn a_rejected_append_has_a_pause_also_behind_the_time_of_the_log() {
    for rejection in [Rejection::Away, Rejection::Fenced, full()] {
        let log = MemoryLog::default();
        let mut machine = Machine::new(&log, 1);
        machine.settle(1_000);
        // Another node's clock is an hour ahead.
        Machine::new(&log, 2).settle(3_600_000);
        machine.offer(1_000);
        machine.reject(Some(rejection.clone()));
        machine.settle(1_000);
        let before = machine.rejected();
        assert!((1..=2).contains(&before), "{before} appends without a pause: {rejection:?}");
        machine.settle(1_400);
        assert_eq!(machine.rejected(), before, "within the pause: {rejection:?}");
        machine.settle(1_500);
        assert!(machine.rejected() > before, "after the pause: {rejection:?}");
        machine.reject(None);
        assert_eq!(receipts(&machine.settle(2_000)), 1, "{rejection:?}");
    }
}

#[test]
fn a_newer_fence_ends_the_pause_of_appends_under_an_older_one() {
    let log = MemoryLog::default();
    let mut machine = Machine::new(&log, 1);
    machine.settle(1_000);
    machine.offer(1_000);
    machine.reject(Some(Rejection::Fenced));
    machine.settle(1_000);
    machine.reject(None);
    assert_eq!(receipts(&machine.settle(1_000)), 0, "the fence is the old one");
    let ends = machine.node.status().epoch.0;
    let body = Body::Epoch(NewEpoch {
        epoch: ends + 1,
        ends,
        after: machine.node.status().head,
        node: 2,
        evidence: Evidence::OtherEntries,
        identity: 1,
    });
    log.open().raise_fence(&Entry::new(body).encode()).expect("nothing waits");
    assert_eq!(receipts(&machine.settle(1_000)), 1);
}

/// A driver may be quicker than the node's thread, so that all comes in one turn.
#[test]
fn a_node_that_joins_in_its_first_turn_says_so() {
    let log = MemoryLog::default();
    Machine::new(&log, 1).settle(1_000);
    let mut second = Machine::new(&log, 2);
    let mut events = Vec::new();
    second.node.settle(1_000, &mut events);
    assert!(second.node.status().is_ready);
    assert!(events.iter().any(|it| matches!(it, Outcome::Health(Health::Good))), "{events:?}");
    assert!(second.node.status().has_begun);
    let mut events = Vec::new();
    second.node.settle(1_001, &mut events);
    assert!(!events.iter().any(|it| matches!(it, Outcome::Health(_))), "{events:?}");
}

/// The epochs that begin among these events, and the losses.
fn breaks(events: &[SequencerEvent]) -> Vec<&SequencerEvent> {
    events.iter().filter(|it| matches!(it, Outcome::Epoch(_) | Outcome::Lost(_))).collect()
}

#[test]
fn a_log_that_is_created_again_is_one_gap_and_nothing_of_it_is_missed() {
    let log = MemoryLog::default();
    let mut machines = [1, 2].map(|number| Machine::new(&log, number));
    for machine in &mut machines {
        machine.settle(1_000);
        machine.offer(1_000);
        assert_eq!(receipts(&machine.settle(1_000)), 1);
    }
    machines[1].settle(1_000);
    machines[1].node.take_notices();
    log.erase();
    let [first, second] = &mut machines;
    let mut events = first.settle(2_000);
    first.offer(2_000);
    events.extend(first.settle(2_000));
    assert_eq!((breaks(&events).len(), receipts(&events)), (1, 1), "{events:?}");
    let events = second.settle(2_000);
    assert!(matches!(breaks(&events)[..], [Outcome::Epoch(_)]), "{events:?}");
    let messages = events.iter().filter(|it| matches!(it, Outcome::Entry(..))).count();
    assert_eq!(messages, 1, "what the other node has published since: {events:?}");
    let told = second.node.take_notices();
    let epochs = told.iter().filter(|it| matches!(it, Notice::Epoch(..))).count();
    assert_eq!(epochs, 1, "{told:?}");
}

#[test]
fn an_epoch_that_ends_is_one_gap() {
    let log = MemoryLog::default();
    let mut machine = Machine::new(&log, 1);
    machine.settle(1_000);
    for _ in 0..5 {
        machine.offer(1_000);
        machine.settle(1_000);
    }
    log.lose_tail(2);
    let events = machine.settle(2_000);
    assert!(matches!(breaks(&events)[..], [Outcome::Epoch(_)]), "{events:?}");
    let head = machine.node.status().head;
    assert!(events.iter().any(|it| matches!(it, Outcome::Void(seq) if seq.0 <= head && seq.0 > 3)));
    machine.offer(2_000);
    assert_eq!(receipts(&machine.settle(2_000)), 1);
}

#[test]
fn rules_that_are_set_later_replace_those_of_the_log_too() {
    let log = MemoryLog::default();
    let replaces = NodeSettings { on_other_rules: OnOtherRules::Replace, ..settings(1) };
    let mut machine = Machine::with(&log, replaces);
    machine.settle(1_000);
    for remembered_max in [2_000, 3_000] {
        machine.node.set_rules(rules(remembered_max));
        assert_eq!(machine.node.find_objection(), Some(Objection::Rules));
        machine.settle(1_000);
        assert_eq!(machine.node.find_objection(), None);
    }
    // Two that both replace do not go on for ever.
    machine.node.set_rules(rules(4_000));
    let mut other =
        Machine::with(&log, NodeSettings { on_other_rules: OnOtherRules::Replace, ..settings(2) });
    for _ in 0..10 {
        machine.settle(1_000);
        other.settle(1_000);
    }
    let configs = log.entries().iter().filter(|(_, it)| is_config(it)).count();
    assert_eq!(configs, 5, "the first one, three of one node, one of the other");
}

fn is_config(bytes: &[u8]) -> bool {
    matches!(Entry::decode(bytes), Ok(Entry { body: Body::Config(_), .. }))
}

#[test]
fn a_horizon_that_came_too_late_is_followed_by_another() {
    let log = MemoryLog::default();
    let mut machine = Machine::with(&log, NodeSettings { keep: 8, ..settings(1) });
    machine.settle(1_000);
    log.hold_writes(0, Hold::On);
    for _ in 0..20 {
        log.write(Entry::new(Body::Birth(BIRTH)).encode());
    }
    // It has read them, and its horizon is on its way.
    machine.settle(1_000);
    log.write(Entry::new(Body::Config(rules(2_000))).encode());
    log.hold_writes(0, Hold::Off);
    machine.node.set_rules(rules(2_000));
    machine.settle(1_000);
    for _ in 0..40 {
        machine.offer(1_000);
        assert_eq!(receipts(&machine.settle(1_000)), 1);
    }
    let remembered = machine.node.status().remembered;
    assert!(remembered <= 12, "{remembered} entries are remembered");
}

const BIRTH: Birth = Birth { epoch: 1, nonce: 1, time_ms: 1, identity: 1 };

#[test]
fn a_node_that_could_not_begin_reads_a_log_that_begins_anew() {
    for has_fences in [true, false] {
        let log = MemoryLog::new(MemoryLimits { has_fences, ..MemoryLimits::default() });
        let mut first = Machine::new(&log, 1);
        first.settle(1_000);
        for _ in 0..5 {
            first.offer(1_000);
        }
        first.settle(1_000);
        // Nobody has set a horizon.
        log.trim(log.entries()[2].0);
        let mut second = Machine::new(&log, 2);
        second.settle(1_000);
        assert_eq!(second.node.find_objection(), Some(Objection::Joining));
        log.erase();
        log.set_unix_ms(5_000);
        first.settle(2_000);
        assert_eq!(first.node.find_objection(), None, "it begins the log anew");
        second.settle(2_000);
        assert_eq!(second.node.find_objection(), None, "fences: {has_fences}");
    }
}

/// Times and tickets of others may be any number.
#[test]
fn the_greatest_numbers_of_others_stop_nobody() {
    let log = MemoryLog::default();
    let mut machine = Machine::new(&log, 1);
    machine.settle(1_000);
    let lease = |ticket| Lease {
        node: 1,
        time_ms: u64::MAX,
        until_ms: u64::MAX,
        ticket,
        name: "",
        identity: 1,
        reads: Some(VERSION),
        program: None,
        rules: None,
        heard: None,
    };
    log.write(Entry::new(Body::Node(lease(1))).encode());
    machine.settle(1_000);
    machine.offer(1_000);
    assert_eq!(receipts(&machine.settle(1_000)), 1);
    // The last ticket of all is taken, under its own name.
    log.write(Entry::new(Body::Node(lease(u64::MAX))).encode());
    let payload =
        entry::Payload { event: None, data: entry::Data::Text("x"), ttl_ms: None, date_ms: None };
    let offer = entry::Offer {
        node: 1,
        ticket: u64::MAX,
        time_ms: u64::MAX,
        channel: "a",
        payload,
        ends: false,
        key: None,
        expect: None,
    };
    let offer = Entry::new(Body::Offer(offer)).encode();
    log.write(Arc::clone(&offer));
    log.write(offer);
    machine.settle(1_000);
    assert_eq!(machine.node.status().read, log.ends().last);
}

/// A horizon whose places are not to be counted on from proves nothing.
#[test]
fn the_greatest_places_of_a_horizon_begin_no_log() {
    for (seq, through, count) in [(u64::MAX, 1, 1), (1, u64::MAX, 1), (9, 1, u64::MAX)] {
        let log = MemoryLog::default();
        let mut engine = log.open();
        engine.begin_log(&Entry::new(Body::Birth(BIRTH)).encode()).expect("nothing waits");
        log.write(*b"anything");
        let at = log.entries()[1].0;
        log.trim(at);
        for count in [count.saturating_sub(1), count, count] {
            let body = Body::Horizon(Horizon {
                count,
                through,
                through_ms: 1,
                told_after: through,
                told_through: through,
                refused: &[],
                passed: &[],
                epoch: 1,
                identity: 1,
                rules: rules(1_000),
                at: 1,
                nodes: Vec::new(),
            });
            let Position { fence, number } = at;
            let witness = Some(Witness { nonce: 1, epoch: 1, fence, number, seq, chain: 1 });
            log.write(Entry { witness, body }.encode());
        }
        let mut machine = Machine::new(&log, 1);
        machine.settle(1_000);
        assert_eq!(machine.node.find_objection(), Some(Objection::Joining));
    }
}

#[test]
fn leases_are_due_by_the_nodes_own_clock() {
    let log = MemoryLog::default();
    let mut machine = Machine::new(&log, 1);
    machine.settle(1_000);
    // Another node's clock is an hour ahead, and it is gone.
    Machine::new(&log, 2).settle(3_600_000);
    machine.settle(2_000);
    let before = log.entries().len();
    // Up to an eighth sooner than after a second.
    machine.settle(2_875);
    assert_eq!(log.entries().len(), before, "not yet");
    machine.settle(3_000);
    assert_eq!(log.entries().len(), before + 1);
}

/// A hole before an entry of a later version does not hide it.
#[test]
fn an_entry_of_a_later_version_stops_a_node_that_joins_also_behind_a_hole() {
    let log = MemoryLog::default();
    let mut first = Machine::new(&log, 1);
    first.settle(1_000);
    let mut second = Machine::new(&log, 2);
    log.allow_reads(1, Some(1));
    second.settle(1_000);
    log.write(*b"anything");
    let mut newer = log.entries()[0].1.to_vec();
    newer[1] = VERSION + 1;
    log.write(newer);
    let entries = log.entries();
    log.trim(entries[entries.len() - 1].0);
    log.allow_reads(1, None);
    second.settle(1_000);
    let stopped = Objection::Stopped(Stop::Newer(VERSION + 1));
    assert_eq!(second.node.find_objection(), Some(stopped));
}

#[test]
fn hubs_that_know_nothing_yet_go_on_after_a_cut() {
    let log = MemoryLog::default();
    let mut machine = Machine::new(&log, 1);
    let up = Event::State(State::Up(log.ends()));
    machine.steering.lock().expect("no poison").behind_entry = Some(up);
    machine.settle(1_000);
    let status = machine.node.status();
    assert_eq!((status.is_ready, status.epochs_ended), (true, 0), "nothing was lost");
}
