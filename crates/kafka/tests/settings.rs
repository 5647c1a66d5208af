//! Topics that cannot keep a log, and servers that cannot serve one.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteRecordsRequest, DescribeConfigsRequest, FetchRequest,
    MetadataRequest,
};
use kafka_protocol::protocol::Request as _;
use sockeye_backbone::{Engine as _, Event, LogEnds, State, Trimming, Trouble, TroubleKind};
use sockeye_kafka::KafkaEngine;

use crate::broker::{Brokers, State as BrokerState};
use crate::faults::{Owner, entry};

/// The first trouble that an engine tells of.
fn trouble(engine: KafkaEngine) -> Trouble {
    let mut owner = Owner::new(engine);
    owner.wait("there is a trouble", |it| {
        it.iter().any(|event| matches!(event, Event::State(State::Away(_) | State::Refused(_))))
    });
    let told = owner.events.into_iter().find_map(|event| match event {
        Event::State(State::Away(trouble) | State::Refused(trouble)) => Some(trouble),
        _ => None,
    });
    told.expect("it was waited for")
}

fn trouble_with(options: &str, change: impl FnOnce(&mut BrokerState)) -> Trouble {
    let brokers = Brokers::start(1);
    brokers.change(change);
    trouble(KafkaEngine::open(brokers.config(0, options)).expect("a thread"))
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn a_topic_that_cannot_keep_the_log_is_refused_in_one_line_that_says_what_to_change() {
    for (name, value, advice) in [
        ("cleanup.policy", "compact", "set cleanup.policy=delete"),
        ("retention.ms", "604800000", "set retention.ms=-1"),
        ("retention.bytes", "1000", "set retention.bytes=-1"),
        ("unclean.leader.election.enable", "true", "set unclean.leader.election.enable=false"),
        ("compression.type", "lz4", "set compression.type=producer"),
    ] {
        let told = trouble_with("", |it| it.set_topic(1, settings(&[(name, value)])));
        assert_eq!(told.kind, TroubleKind::Settings, "{told}");
        assert!(told.text.contains(advice) && told.text.contains("\"log\""), "{told}");
        assert!(told.text.starts_with("127.0.0.1:") && !told.text.contains('\n'), "{told}");
    }
    let told = trouble_with("", |it| it.set_topic(2, settings(&[])));
    assert_eq!(told.kind, TroubleKind::Settings);
    assert!(told.text.contains("of 2 partitions"), "{told}");
    let told = trouble_with("?replicas=3", |it| it.set_topic(1, settings(&[])));
    assert!(told.text.contains("1 of the 3 copies"), "{told}");
}

#[test]
fn a_setting_that_changes_is_refused_while_the_log_is_used() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    brokers.change(|state| {
        let log = state.topic.as_mut().expect("it was created");
        log.settings.insert("retention.ms".into(), "1000".into());
    });
    owner.wait("it is refused", |it| {
        it.iter().any(|event| {
            matches!(event, Event::State(State::Refused(it)) if it.text.contains("retention.ms"))
        })
    });
}

#[test]
fn the_topic_that_is_created_keeps_the_log() {
    let brokers = Brokers::start(1);
    let engine = KafkaEngine::open(brokers.config(0, "?replicas=3")).expect("a thread");
    let mut owner = Owner::new(engine);
    owner.begin();
    let state = brokers.lock();
    let log = state.topic.as_ref().expect("it was created");
    assert_eq!((log.partitions, log.copies), (1, 3));
    for (name, value) in [
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("min.insync.replicas", "2"),
    ] {
        assert_eq!(log.settings.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn rights_that_lack_are_named() {
    for key in [DescribeConfigsRequest::KEY, FetchRequest::KEY, DeleteRecordsRequest::KEY] {
        let told = trouble_with("", |it| {
            it.set_topic(1, settings(&[]));
            it.errors.insert(key, 29);
        });
        assert_eq!(told.kind, TroubleKind::Login, "{told}");
        assert!(told.text.contains("Delete, Create, Describe and DescribeConfigs"), "{told}");
    }
}

#[test]
fn a_server_that_is_too_old_is_named() {
    let told = trouble_with("", |it| _ = it.versions.insert(MetadataRequest::KEY, 3));
    assert_eq!(told.kind, TroubleKind::Version);
    assert!(told.text.contains("speaks no version of Metadata"), "{told}");
}

/// The bound of a batch is that of an entry, as soon as the topic is known.
#[test]
fn the_bound_of_the_topic_is_that_of_entries() {
    let brokers = Brokers::start(1);
    brokers.change(|it| it.set_topic(1, settings(&[("max.message.bytes", "10000")])));
    let mut owner = Owner::new(brokers.engine());
    owner.begin();
    let largest = owner.engine.capabilities().entry_bytes_max;
    assert!((9_800..10_000).contains(&largest), "{largest}");
    owner.append(&[&"x".repeat(largest)]);
    owner.wait_for(2);
    owner.append(&[&"x".repeat(largest + 1)]);
    owner.wait("it is dropped", |it| it.iter().any(|event| matches!(event, Event::Dropped(_))));
}

#[test]
fn a_server_that_does_not_trim_is_known_before_it_is_up() {
    for (error, version) in [(Some(-1), None), (None, Some(-1))] {
        let brokers = Brokers::start(1);
        brokers.change(|state| {
            state.errors.extend(error.map(|error| (DeleteRecordsRequest::KEY, error)));
            state.versions.extend(version.map(|version| (DeleteRecordsRequest::KEY, version)));
        });
        let mut owner = Owner::new(brokers.engine());
        owner.begin();
        assert_eq!(owner.engine.capabilities().trimming, Trimming::Never);
        owner.engine.trim(sockeye_backbone::Position::new(0, 1));
        owner.append(&["a"]);
        owner.wait_for(2);
    }
}

/// No request but the one that begins a log creates a topic.
#[test]
fn a_topic_is_not_created_by_looking() {
    let brokers = Brokers::start(1);
    let mut owner = Owner::new(brokers.engine());
    owner.engine.append(0, &[entry("a")]).expect("little waits");
    owner.wait("ends are told", |it| it.contains(&Event::Ends(LogEnds::default())));
    let asked = brokers.lock().asked.clone();
    assert!(asked.iter().all(|(key, _)| *key != CreateTopicsRequest::KEY));
}
