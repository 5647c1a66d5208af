//! A `LoopBackbone` drives a node: two machines with two loops each on one log.

use std::sync::Arc;

use sockeye_backbone::Engine;
use sockeye_backbone::entry::{Rules, VERSION};
use sockeye_backbone::memory::MemoryLog;
use sockeye_backbone::node::{Node, NodeSettings, OnOtherRules};
use sockeye_hub::{Config, Kind};
use sockeye_service::sequencing::{
    Backbone, LoopBackbone, LoopBackboneLimits, Member, Offer, Outcome, Verdict,
};
use sockeye_service::wire::{Data, Level, Payload};

/// A message, and the ticket of the loop's own offer.
type Heard = (String, Option<u64>);

/// The verdict on an offer that made no message.
type Answer = (u64, Verdict);

struct Machine {
    node: Node,
    loops: Arc<LoopBackbone>,
    members: [Member; 2],
}

impl Machine {
    fn new(log: &MemoryLog, number: u64) -> Self {
        let mut engine = log.open();
        engine.set_wake(Arc::new(|| {}));
        let settings = NodeSettings {
            node: number,
            seed: number,
            name: String::new(),
            rules: Rules::of(&Config::default(), 1_000),
            on_other_rules: OnOtherRules::Refuse,
            level: Level::Logged,
            begin_ms: 1,
            lease_every_ms: 1_000,
            lease_ms: 3_000,
            keep: 100,
            version: VERSION,
            program: "",
        };
        let loops = LoopBackbone::new(2, LoopBackboneLimits::default());
        let members = [loops.member(0), loops.member(1)];
        Self { node: Node::new(settings, Box::new(engine)), loops, members }
    }

    /// The texts of the messages that a loop hears of, with its own tickets, and its other answers.
    fn hear(&mut self, member: usize) -> (Vec<Heard>, Vec<Answer>) {
        let (mut messages, mut answers) = (Vec::new(), Vec::new());
        while let Some(outcome) = self.members[member].next() {
            match outcome {
                Outcome::Entry(entry, ticket) => {
                    assert_eq!(entry.level, Level::Logged);
                    messages.push((entry.payload.data.as_str().into(), ticket));
                }
                Outcome::Answer(ticket, verdict) => answers.push((ticket, verdict)),
                Outcome::Void(_)
                | Outcome::Lost(_)
                | Outcome::Epoch(_)
                | Outcome::Restored(_)
                | Outcome::Health(_)
                | Outcome::Disconnect(..)
                | Outcome::DisconnectsMissed
                | Outcome::Presence(_) => {}
            }
        }
        (messages, answers)
    }
}

fn offer(text: &str) -> Offer {
    let payload = Payload::new(Data::text(text));
    Offer {
        channel: "a".into(),
        payload,
        kind: Kind::Message,
        key: Some(text.into()),
        expect: None,
    }
}

fn step(machines: &mut [Machine; 2]) {
    for _ in 0..10 {
        for machine in machines.iter_mut() {
            machine.loops.step(&mut machine.node, 1_000);
        }
    }
}

#[test]
fn each_loop_hears_of_all_messages_and_of_its_own_receipts() {
    let log = MemoryLog::default();
    let mut machines = [1, 2].map(|number| Machine::new(&log, number));
    step(&mut machines);
    assert!(machines.iter().all(|it| it.node.status().is_ready), "{:?}", machines[0].node);
    for (machine, member, ticket, text) in [(0, 0, 7, "one"), (1, 1, 7, "two"), (0, 1, 9, "three")]
    {
        machines[machine].members[member].append(ticket, offer(text)).expect("there is room");
        step(&mut machines);
    }
    for (machine, member, tickets) in [
        (0, 0, [Some(7), None, None]),
        (0, 1, [None, None, Some(9)]),
        (1, 0, [None, None, None]),
        (1, 1, [None, Some(7), None]),
    ] {
        let (messages, answers) = machines[machine].hear(member);
        let texts = ["one", "two", "three"].map(String::from);
        assert_eq!(messages, texts.into_iter().zip(tickets).collect::<Vec<_>>());
        assert_eq!(answers, []);
    }
    // A repeat at the other machine has the receipt of the first.
    machines[1].members[0].append(8, offer("one")).expect("there is room");
    step(&mut machines);
    let (messages, answers) = machines[1].hear(0);
    assert!(messages.is_empty());
    assert!(matches!(answers[..], [(8, Verdict::Duplicate(_, Level::Logged))]), "{answers:?}");
    assert_eq!(
        machines.map(|it| it.loops.entries()).iter().sum::<usize>(),
        1,
        "unread by one loop"
    );
}

#[test]
fn an_engine_that_is_away_refuses_and_keeps_what_is_under_way() {
    let log = MemoryLog::default();
    let mut machines = [1, 2].map(|number| Machine::new(&log, number));
    step(&mut machines);
    log.take_away(0);
    // The node has not heard of it yet.
    machines[0].members[0].append(1, offer("kept")).expect("there is room");
    step(&mut machines);
    assert!(!machines[0].node.status().is_up);
    machines[0].members[0].append(2, offer("refused")).expect("there is room");
    step(&mut machines);
    let (messages, answers) = machines[0].hear(0);
    assert!(messages.is_empty(), "{messages:?}");
    assert!(matches!(answers[..], [(2, Verdict::NoRoom(_))]), "{answers:?}");
    log.restore(0);
    // The last ones are after the pause that follows a failed append.
    for now_ms in [2_000, 3_000, 3_000] {
        let Machine { node, loops, .. } = &mut machines[0];
        loops.step(node, now_ms);
    }
    let (messages, answers) = machines[0].hear(0);
    assert_eq!(messages, [("kept".to_string(), Some(1))]);
    assert_eq!(answers, []);
}
