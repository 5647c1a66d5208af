//! A source that is to end while it waits for a server, or for its group.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::OffsetCommitRequest;
use kafka_protocol::protocol::Request as _;
use sockeye_kafka::{KafkaSource, KafkaSourceConfig};
use sockeye_source::{Bus as _, Id, Message, Opened, Room};

use crate::broker::{Brokers, State};

/// An hour, in milliseconds: what waits for it would not end.
const PATIENCE_MS: u64 = 3_600_000;

/// How long something may take that is to end.
const WAIT_MAX: Duration = Duration::from_secs(20);

const REBALANCE_IN_PROGRESS: i16 = 27;

/// A batch of three records, compressed with zstd.
const BATCH: &[u8] = include_bytes!("golden/zstd.bin");

/// A source, and what ends it.
fn source(hosts: &str) -> (KafkaSource, Arc<AtomicBool>) {
    let is_stopping = Arc::new(AtomicBool::new(false));
    let config = KafkaSourceConfig::from_url(&format!("kafka://{hosts}?topic=log"));
    let config = config.expect("a URL").with_patience_ms(PATIENCE_MS);
    (KafkaSource::new(config.with_stop(Arc::clone(&is_stopping))), is_stopping)
}

/// Begins what may wait, on a thread of its own.
fn begin<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    result
}

/// The result of what has begun.
fn end<T>(begun: &mpsc::Receiver<T>) -> T {
    begun.recv_timeout(WAIT_MAX).expect("it ends, without a panic")
}

/// A cluster of one broker, which has a topic.
fn broker() -> (Brokers, String) {
    let brokers = Brokers::start(1);
    brokers.change(|state| state.set_topic(1, BTreeMap::new()));
    let host = format!("127.0.0.1:{}", brokers.ports[0]);
    (brokers, host)
}

fn wait(brokers: &Brokers, what: &str, holds: impl Fn(&State) -> bool) {
    let late = Instant::now() + WAIT_MAX;
    while !holds(&brokers.lock()) {
        assert!(Instant::now() < late, "waited in vain until {what}");
        thread::yield_now();
    }
}

#[test]
fn a_source_that_waits_ends_when_it_is_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (mut source, is_stopping) = source(&format!("127.0.0.1:{port}"));
    let opening = begin(move || source.open());
    // It is connected, and gets no answer.
    let connection = end(&begin(move || listener.accept())).expect("the source connects");
    is_stopping.store(true, Ordering::Release);
    assert_eq!(&*end(&opening).expect_err("nobody answers").text, "the source ends");
    drop(connection);
}

#[test]
fn a_source_that_is_to_end_tries_no_other_server() {
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let host = |it: &TcpListener| it.local_addr().expect("it is bound").to_string();
    let (mut source, is_stopping) = source(&listeners.each_ref().map(host).join(","));
    is_stopping.store(true, Ordering::Release);
    let opened = end(&begin(move || source.open()));
    assert_eq!(&*opened.expect_err("nobody answers").text, "the source ends");
    let [first, second] = listeners;
    first.accept().expect("it was tried");
    second.set_nonblocking(true).expect("a socket");
    let other = second.accept().expect_err("it was not");
    assert_eq!(other.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_source_that_ends_while_it_joins_leaves_its_group() {
    let (brokers, host) = broker();
    brokers.change(|state| state.group.is_waiting = true);
    let (mut source, is_stopping) = source(&host);
    let opening = begin(move || (source.open(), source));
    wait(&brokers, "the source joins", |state| state.group.joins == 1);
    is_stopping.store(true, Ordering::Release);
    let (opened, source) = end(&opening);
    assert_eq!(&*opened.expect_err("the group waits").text, "the source ends");
    assert!(brokers.lock().group.left.is_empty());
    end(&begin(move || drop(source)));
    assert_eq!(brokers.lock().group.left, ["m-1"]);
}

#[test]
fn a_source_that_has_lost_its_connection_leaves_its_group() {
    let (brokers, host) = broker();
    let (mut source, _) = source(&host);
    let left = begin(move || {
        assert_eq!(source.open(), Ok(Opened::Active));
        brokers.cut();
        let mut messages = Vec::new();
        let taken = take(&mut source, &mut messages);
        assert!(taken.is_err() && messages.is_empty(), "the connection is cut");
        drop(source);
        brokers.lock().group.left.clone()
    });
    assert_eq!(end(&left), ["m-1"]);
}

fn take(
    source: &mut KafkaSource,
    into: &mut Vec<Message>,
) -> Result<(), sockeye_backbone::Trouble> {
    let room = Room { entries: 10, bytes: 10_000 };
    source.take(room, Duration::ZERO, &mut core::iter::empty(), into)
}

#[test]
fn a_source_that_joins_again_ends_when_it_is_to() {
    let (brokers, host) = broker();
    brokers.change(|state| {
        state.topic.as_mut().expect("it was set").append(&Bytes::from_static(BATCH));
    });
    let (mut source, is_stopping) = source(&host);
    let mut messages = Vec::new();
    assert_eq!(source.open(), Ok(Opened::Active));
    take(&mut source, &mut messages).expect("records");
    assert!(messages.iter().all(|it| it.body.ends_with(b"paid ") && it.flaw.is_none()));
    let ids: Vec<Id> = messages.iter().map(|it| it.id.clone()).collect();
    assert_eq!(ids.len(), 3);
    brokers.change(|state| {
        state.errors.insert(OffsetCommitRequest::KEY, REBALANCE_IN_PROGRESS);
        state.group.is_waiting = true;
    });
    let acknowledging = begin(move || (source.acknowledge(&ids), source));
    wait(&brokers, "the source joins again", |state| state.group.joins == 2);
    is_stopping.store(true, Ordering::Release);
    let (acknowledged, source) = end(&acknowledging);
    assert_eq!(&*acknowledged.expect_err("the group waits").text, "the source ends");
    end(&begin(move || drop(source)));
    assert_eq!(brokers.lock().group.left, ["m-1"]);
}
