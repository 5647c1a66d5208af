//! Whole nodes of a log, as a program has them, on real servers: several in this process, each with its engine.
//!
//! Publishers offer numbers under keys and repeat them until they have a receipt. What a node tells its hubs is the
//! oracle's material: on every node, the numbers of a publisher follow each other, or a gap is between them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sockeye_backbone::Engine;
use sockeye_backbone::entry::{Rules, VERSION};
use sockeye_backbone::node::{Node, NodeSettings, Notice, OnOtherRules};
use sockeye_hub::{Config, Kind};
use sockeye_redis::RedisEngine;
use sockeye_service::sequencing::{Offer, Origin, Outcome, Sequence as _, SequencerEvent, Verdict};
use sockeye_service::wire::{Data, Level, Payload};

use crate::node::{WAIT_MAX, config};

/// What a node told its hubs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A message.
    Message(String),
    /// Something may be missing here.
    Gap,
}

/// A node, and the publisher that asks it.
pub(crate) struct Station {
    pub(crate) node: Node,
    name: String,
    pub(crate) told: Vec<Told>,
    /// The number that the publisher offers, or waits for.
    number: u64,
    /// The ticket of its offer.
    waits: Option<u64>,
    tickets: u64,
    /// Receipts, and the offers that were refused for the time being.
    pub(crate) receipts: u64,
    pub(crate) refusals: u64,
    next_attempt: Instant,
    /// The notices of the node so far.
    pub(crate) notices: Vec<Notice>,
}

impl Station {
    /// A node that begins, or joins, the log of a URL, and forgets what is more than `keep` entries old.
    pub(crate) fn new(name: &str, url: &str, keep: u64) -> Self {
        Self::on(name, Box::new(RedisEngine::open(config(url)).expect("threads")), keep)
    }

    /// A node on an engine.
    pub(crate) fn on(name: &str, mut engine: Box<dyn Engine>, keep: u64) -> Self {
        let thread = thread::current();
        engine.set_wake(Arc::new(move || thread.unpark()));
        let random = || u64::from_be_bytes(std::array::from_fn(|_| random_byte()));
        let settings = NodeSettings {
            node: random(),
            seed: random(),
            name: name.into(),
            rules: Rules::of(&Config::default(), 100_000),
            on_other_rules: OnOtherRules::Refuse,
            level: Level::Logged,
            begin_ms: now_ms(),
            lease_every_ms: 500,
            lease_ms: 2_000,
            keep,
            version: VERSION,
            program: "",
        };
        Self {
            node: Node::new(settings, engine),
            name: name.into(),
            told: Vec::new(),
            number: 1,
            waits: None,
            tickets: 0,
            receipts: 0,
            refusals: 0,
            next_attempt: Instant::now(),
            notices: Vec::new(),
        }
    }

    /// Lets the node work, and its publisher offer up to this number.
    fn work(&mut self, up_to: u64) {
        let mut events = Vec::new();
        if self.waits.is_none() && self.number <= up_to && Instant::now() >= self.next_attempt {
            self.tickets += 1;
            self.waits = Some(self.tickets);
            let text = format!("{} {}", self.name, self.number);
            let offer = Offer {
                channel: "cluster:1".into(),
                key: Some(text.replace(' ', "-").into()),
                payload: Payload::new(Data::text(text)),
                kind: Kind::Message,
                expect: None,
            };
            let origin = Origin { worker: 0, ticket: self.tickets, bytes: 0 };
            self.node.offer(offer, origin, now_ms(), &mut events);
        }
        self.node.settle(now_ms(), &mut events);
        events.into_iter().for_each(|event| self.take(event));
        self.notices.extend(self.node.take_notices());
    }

    fn take(&mut self, event: SequencerEvent) {
        match event {
            Outcome::Entry(entry, origin) => {
                self.told.push(Told::Message(entry.payload.data.as_str().into()));
                if let Some(origin) = origin {
                    self.settle(origin, Ok(()));
                }
            }
            Outcome::Lost(_) | Outcome::Epoch(_) => self.told.push(Told::Gap),
            Outcome::Void(_)
            | Outcome::Restored(_)
            | Outcome::Health(_)
            | Outcome::Disconnect(..)
            | Outcome::DisconnectsMissed
            | Outcome::Presence(_) => {}
            Outcome::Answer(origin, Verdict::Duplicate(..)) => self.settle(origin, Ok(())),
            Outcome::Answer(origin, verdict) => self.settle(origin, Err(verdict)),
        }
    }

    fn settle(&mut self, origin: Origin, outcome: Result<(), Verdict>) {
        assert_eq!(
            self.waits.take(),
            Some(origin.ticket),
            "{}: an offer has one outcome",
            self.name
        );
        match outcome {
            Ok(()) => {
                self.receipts += 1;
                self.number += 1;
            }
            Err(Verdict::Refused(refusal)) => panic!("{}: refused: {refusal:?}", self.name),
            // It may or may not be there: the key will tell.
            Err(_) => {
                self.refusals += 1;
                self.next_attempt = Instant::now() + Duration::from_millis(20);
            }
        }
    }

    /// Has the publisher offer up to this number, without waiting.
    pub(crate) fn offer_more(&mut self, up_to: u64) {
        self.work(up_to);
    }

    /// The messages, without gaps.
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.told
            .iter()
            .filter_map(|told| match told {
                Told::Message(text) => Some(&**text),
                Told::Gap => None,
            })
            .collect()
    }

    /// How many gaps it was told of behind its beginning.
    pub(crate) fn gaps(&self) -> usize {
        // The first epoch is no gap: nothing was read before.
        self.told.iter().skip(1).filter(|told| **told == Told::Gap).count()
    }

    /// Where the numbers of a publisher do not follow each other without a gap between.
    fn faults(&self) -> Vec<String> {
        let mut expected: HashMap<&str, u64> = HashMap::new();
        let mut is_known = true;
        let mut faults = Vec::new();
        for told in self.told.iter().skip(1) {
            let Told::Message(text) = told else {
                expected.clear();
                is_known = false;
                continue;
            };
            let (name, number) = text.split_once(' ').expect("a message of ours");
            let number: u64 = number.parse().expect("a number");
            let default = is_known.then_some(1);
            let wanted = expected.get(name).copied().or(default);
            if wanted.is_some_and(|wanted| wanted != number) {
                faults.push(format!("{text} where {wanted:?} is expected"));
            }
            expected.insert(name, number + 1);
        }
        faults
    }
}

/// Lets all stations work until a condition holds.
pub(crate) fn work(
    stations: &mut [Station],
    up_to: u64,
    what: &str,
    holds: impl Fn(&[Station]) -> bool,
) {
    let late = Instant::now() + WAIT_MAX;
    while !holds(stations) {
        assert!(Instant::now() < late, "waited in vain until {what}: {}", summary(stations));
        stations.iter_mut().for_each(|station| station.work(up_to));
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Lets all stations work until each publisher has this many receipts.
pub(crate) fn publish(stations: &mut [Station], up_to: u64) {
    work(stations, up_to, &format!("each has {up_to} receipts"), |stations| {
        stations.iter().all(|station| station.number > up_to)
    });
}

/// Has the first `publishers` publish until each has so many receipts, from the first bound to the second, in portions that
/// all read before the next one. So no node is further behind than the entries that are kept, however busy the machine is.
pub(crate) fn publish_in_step(
    stations: &mut [Station],
    publishers: usize,
    (from, up_to): (u64, u64),
) {
    for receipts in (from + 20..=up_to).step_by(20) {
        publish(&mut stations[..publishers], receipts);
        settle(stations);
    }
}

/// Lets all stations work until they have told the same newest message, and nothing waits.
pub(crate) fn settle(stations: &mut [Station]) {
    let up_to = stations.iter().map(|station| station.number - 1).max().unwrap_or_default();
    work(stations, up_to, "all nodes have read all", |stations| {
        let heads: HashSet<u64> =
            stations.iter().map(|station| station.node.status().head).collect();
        heads.len() == 1
            && stations.iter().all(|it| it.node.status().is_ready && it.waits.is_none())
    });
}

/// On every node, the numbers of each publisher follow each other or have a gap between, and behind the last gap of
/// any node all nodes have told the same.
pub(crate) fn check(stations: &[Station]) {
    for station in stations {
        let faults = station.faults();
        assert!(faults.is_empty(), "{}: {:?} …", station.name, &faults[..faults.len().min(3)]);
    }
    let behind = |station: &Station| {
        let at = station.told.iter().rposition(|told| *told == Told::Gap).map_or(0, |at| at + 1);
        station.told[at..].to_vec()
    };
    let tails: Vec<_> = stations.iter().map(behind).collect();
    let shortest = tails.iter().map(Vec::len).min().expect("there are stations");
    for (station, tail) in stations.iter().zip(&tails) {
        let (one, other) = (&tail[tail.len() - shortest..], &tails[0][tails[0].len() - shortest..]);
        assert_eq!(one, other, "{} has told something else", station.name);
    }
}

fn summary(stations: &[Station]) -> String {
    let each = stations.iter().map(|station| {
        let (objection, status) = (station.node.find_objection(), station.node.status());
        format!("{}: {} receipts, {objection:?}, {status:?}", station.name, station.receipts)
    });
    each.collect::<Vec<_>>().join("; ")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date");
    u64::try_from(since.as_millis()).expect("this age")
}

fn random_byte() -> u8 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0_u8).to_be_bytes()[0]
}
