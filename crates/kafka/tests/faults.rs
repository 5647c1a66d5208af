//! Leaders that change, logs that lose their tail, and topics that were created again.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use kafka_protocol::messages::{FetchRequest, MetadataRequest, ProduceRequest};
use kafka_protocol::protocol::Request as _;
use sockeye_backbone::{Engine as _, Event, Position, Rejection, State, TroubleKind};
use sockeye_kafka::KafkaEngine;

use crate::broker::{Behind, Brokers};

/// How long a condition may take to hold.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The owner of an engine, and all that it was given.
pub(crate) struct Owner {
    pub(crate) engine: KafkaEngine,
    woken: mpsc::Receiver<()>,
    pub(crate) events: Vec<Event>,
}

impl Owner {
    pub(crate) fn new(mut engine: KafkaEngine) -> Self {
        let (wake, woken) = mpsc::channel();
        engine.set_wake(Arc::new(move || wake.send(()).unwrap_or_default()));
        engine.read_from(Position::ZERO);
        Self { engine, woken, events: Vec::new() }
    }

    pub(crate) fn wait(&mut self, what: &str, holds: impl Fn(&[Event]) -> bool) {
        let late = Instant::now() + WAIT_MAX;
        loop {
            self.events.extend(core::iter::from_fn(|| self.engine.next()));
            if holds(&self.events) {
                return;
            }
            assert!(Instant::now() < late, "waited in vain until {what}: {:?}", self.events);
            let _ = self.woken.recv_timeout(Duration::from_millis(100));
        }
    }

    pub(crate) fn begin(&mut self) {
        self.engine.begin_log(&entry("birth")).expect("little waits");
        self.wait_for(1);
    }

    pub(crate) fn append(&mut self, texts: &[&str]) {
        let entries: Vec<Arc<[u8]>> = texts.iter().map(|text| entry(text)).collect();
        self.engine.append(0, &entries).expect("little waits");
    }

    /// The numbers and texts that were read.
    pub(crate) fn read(&self) -> Vec<(u64, String)> {
        read(&self.events)
    }

    pub(crate) fn wait_for(&mut self, entries: usize) {
        self.wait(&format!("{entries} entries are read"), |it| read(it).len() >= entries);
    }

    fn is_up(&self) -> usize {
        ups(&self.events)
    }
}

fn ups(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::State(State::Up(_)))).count()
}

fn read(events: &[Event]) -> Vec<(u64, String)> {
    let entry = |event: &Event| match event {
        Event::Entry(at, entry) => Some((at.number, String::from_utf8_lossy(entry).into_owned())),
        _ => None,
    };
    events.iter().filter_map(entry).collect()
}

pub(crate) fn entry(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

fn texts(owner: &Owner) -> Vec<String> {
    owner.read().into_iter().map(|(_, text)| text).collect()
}

#[test]
fn the_leader_is_found_and_followed() {
    let brokers = Brokers::start(3);
    brokers.change(|state| (state.leader, state.controller) = (2, 3));
    let engine = KafkaEngine::open(brokers.config(0, "")).expect("a thread");
    let mut owner = Owner::new(engine);
    // The leader of a topic that is created may be another broker than the one that was asked: a session more.
    owner.wait("it is up", |it| !it.is_empty());
    let mut begun = 0;
    while owner.read().is_empty() {
        begun += 1;
        assert!(begun < 4, "{:?}", owner.events);
        owner.engine.begin_log(&entry("birth")).expect("little waits");
        owner.wait("it is read or dropped", |it| {
            it.iter().filter(|event| matches!(event, Event::Dropped(_))).count() >= begun
                || !read(it).is_empty()
        });
    }
    owner.append(&["a"]);
    owner.wait_for(2);
    let ups = owner.is_up();
    brokers.change(|state| state.leader = 3);
    owner.wait("the next leader is up", |it| {
        it.iter().filter(|event| matches!(event, Event::State(State::Up(_)))).count() > ups
    });
    owner.append(&["b"]);
    owner.wait("b is read", |it| read(it).iter().any(|(_, text)| text == "b"));
    let numbers: Vec<u64> = owner.read().iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

/// A broker that has just become the leader may not know yet how far the log is confirmed.
#[test]
fn a_high_watermark_that_is_behind_for_a_moment_is_no_lost_tail() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    owner.append(&["a", "b", "c"]);
    owner.wait_for(4);
    owner.wait("the ends are told", |it| {
        it.iter().any(
            |event| matches!(event, Event::Ends(it) if it.last.is_some_and(|it| it.number == 4)),
        )
    });
    let ups = owner.is_up();
    let before = owner.events.len();
    brokers.change(|state| state.topic.as_mut().expect("a log").high = Some(2));
    brokers.cut();
    std::thread::sleep(Duration::from_millis(400));
    brokers.change(|state| state.topic.as_mut().expect("a log").high = None);
    owner.wait("it is up again", |it| {
        it.iter().filter(|event| matches!(event, Event::State(State::Up(_)))).count() > ups
    });
    let lasts = owner.events[before..].iter().filter_map(|event| match event {
        Event::State(State::Up(ends)) | Event::Ends(ends) => ends.last,
        _ => None,
    });
    assert_eq!(lasts.map(|last| last.number).min(), Some(4), "{:?}", owner.events);
}

#[test]
fn a_tail_that_is_lost_shows_in_the_ends() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    owner.append(&["a"]);
    owner.wait_for(2);
    owner.append(&["b"]);
    owner.wait_for(3);
    brokers.change(|state| state.topic.as_mut().expect("a log").lose(2));
    owner.wait("the end is before the place", |it| {
        it.iter().rev().any(
            |event| matches!(event, Event::Ends(it) if it.last.is_some_and(|it| it.number == 2)),
        )
    });
    // Reading is inclusive: another entry stands at the place.
    owner.append(&["other"]);
    owner.engine.read_from(Position::new(0, 3));
    owner.wait("the entry at the place is read", |it| read(it).contains(&(3, "other".into())));
}

#[test]
fn a_topic_that_was_created_again_has_another_identity_and_takes_no_append_of_the_former() {
    // From Kafka 4.0 on the server compares the identifier; before, the driver does, right before the append.
    for newest in [13, 11] {
        recreated(newest);
    }
}

fn recreated(newest: i16) {
    let brokers = Brokers::start(1);
    brokers.change(|state| _ = state.versions.insert(ProduceRequest::KEY, newest));
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    owner.append(&["a"]);
    owner.wait_for(2);
    let identity = |event: &Event| match event {
        Event::State(State::Up(ends)) | Event::Ends(ends) => Some(ends.identity),
        _ => None,
    };
    owner.wait("the ends are told", |it| it.iter().filter_map(identity).any(|it| it != 0));
    let before = owner.events.iter().filter_map(identity).next_back();
    brokers.change(|state| state.set_topic(1, BTreeMap::new()));
    // The owner has not heard of it.
    owner.append(&["lost"]);
    owner.wait("it is dropped", |it| it.iter().any(|event| matches!(event, Event::Dropped(_))));
    owner.wait("the new topic is told", |it| {
        it.iter().filter_map(identity).next_back().is_some_and(|it| it != 0 && Some(it) != before)
    });
    assert_eq!(brokers.lock().topic.as_ref().map(|log| log.end), Some(0), "nothing is in it");
}

/// The question for the topic is on its way with the batch before, and is answered behind it.
#[test]
fn a_topic_that_was_created_again_behind_a_batch_does_not_get_the_next_one() {
    let brokers = Brokers::start(1);
    brokers.change(|state| _ = state.versions.insert(ProduceRequest::KEY, 11));
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    brokers.change(|state| {
        state.recreates = true;
        state.asked.clear();
    });
    // Two batches.
    owner.append(&["a"; 1_500]);
    owner.wait("the second one is dropped", |it| {
        it.iter().any(|event| matches!(event, Event::Dropped(Rejection::Gone)))
    });
    let state = brokers.lock();
    let produced = |(key, _): &&(i16, i16)| *key == ProduceRequest::KEY;
    assert_eq!(state.asked.iter().filter(produced).count(), 1);
    assert_eq!(state.topic.as_ref().map(|log| log.end), Some(0), "nothing is in the new topic");
}

/// Two batches at a broker that does not compare the topic: what happens to the request behind the first one.
fn appended_before(behind: Behind) -> (Brokers, Owner) {
    let brokers = Brokers::start(1);
    brokers.change(|state| _ = state.versions.insert(ProduceRequest::KEY, 11));
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    brokers.change(|state| state.behind = Some(behind));
    owner.append(&["a"; 1_500]);
    (brokers, owner)
}

#[test]
fn the_request_for_the_topic_does_not_wait_for_the_answer_to_the_batch_before() {
    let (brokers, mut owner) = appended_before(Behind::Answered);
    owner.wait_for(1_501);
    assert_eq!(brokers.lock().followed, [MetadataRequest::KEY]);
    assert_eq!(owner.is_up(), 1, "it stayed up");
}

#[test]
fn a_topic_that_is_not_told_of_behind_a_batch_is_not_waited_for_without_end() {
    let (brokers, mut owner) = appended_before(Behind::Unanswered);
    owner.wait("the server is away", |it| {
        it.iter().any(|event| {
            matches!(event, Event::State(State::Away(it)) if it.text.contains("does not answer in time"))
        })
    });
    assert_eq!(brokers.lock().followed, [MetadataRequest::KEY]);
    owner.wait("it is up again", |it| ups(it) == 2);
    owner.append(&["b"]);
    owner.wait("b is read", |it| read(it).iter().any(|(_, text)| text == "b"));
}

#[test]
fn a_server_that_takes_no_more_says_so_and_the_connection_stays() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    let ups = owner.is_up();
    // Fewer replicas than min.insync.replicas.
    brokers.change(|state| _ = state.errors.insert(ProduceRequest::KEY, 19));
    owner.append(&["a"]);
    owner.wait("it is refused by name", |it| {
        it.iter().any(|event| {
            matches!(event, Event::Dropped(Rejection::Full(it))
                if it.kind == TroubleKind::Full && it.text.contains("min.insync.replicas"))
        })
    });
    brokers.change(|state| state.errors.clear());
    owner.append(&["b"]);
    owner.wait_for(2);
    assert_eq!((texts(&owner), owner.is_up()), (vec!["birth".into(), "b".into()], ups));
}

#[test]
fn a_trimmed_log_begins_where_it_was_trimmed() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    for number in 0..10 {
        owner.append(&[&number.to_string()]);
    }
    owner.wait_for(11);
    owner.engine.trim(Position::new(0, 6));
    owner.wait("the first entry is another one", |it| {
        it.iter().any(
            |event| matches!(event, Event::Ends(it) if it.first.is_some_and(|it| it.number == 6)),
        )
    });
    let mut other = Owner::new(brokers.engine());
    other.wait_for(6);
    assert_eq!(other.read()[0].0, 6);
}

/// A request that the server may not answer is no reason to wait for ever.
#[test]
fn an_answer_that_does_not_come_is_away_in_time() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    let guard = brokers.lock();
    owner.wait("the server is away", |it| {
        it.iter().any(|event| {
            matches!(event, Event::State(State::Away(it)) if it.text.contains("does not answer in time"))
        })
    });
    drop(guard);
    owner.append(&["a"]);
    owner.wait("it goes on", |it| {
        it.iter().any(|event| matches!(event, Event::Dropped(_)))
            || read(it).iter().any(|(_, text)| text == "a")
    });
}

/// What the protocol offers is used: identifiers of topics, and a wait at the server.
#[test]
fn requests_name_the_topic_by_its_identifier() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    owner.append(&["a"]);
    owner.wait_for(2);
    let asked = brokers.lock().asked.clone();
    assert!(asked.contains(&(FetchRequest::KEY, 17)) && asked.contains(&(ProduceRequest::KEY, 13)));
}
