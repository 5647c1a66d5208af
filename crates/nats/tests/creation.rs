//! Answers of servers while a stream or a consumer is created.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use sockeye_backbone::{Engine as _, Event, State, Trouble, TroubleKind};
use sockeye_nats::{NatsConfig, NatsEngine, NatsLimits, NatsSource, NatsSourceConfig};
use sockeye_source::Bus as _;

use crate::server::{Server, error, stream};

/// How long something may take to happen.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The time of creation that a server tells of a stream that it is creating.
const EARLY: &str = "0001-01-01T00:00:00Z";
const CREATED: &str = "2026-11-25T00:44:04.433422571Z";

/// A server's description of the stream that it was asked to create.
#[derive(Clone, Copy)]
enum Told {
    Missing,
    Since(&'static str),
}

fn no_stream() -> Option<String> {
    Some(error(404, 10_059, "stream not found"))
}

/// A server without a stream, which answers with `created` to its creation; or with a description of the stream.
fn server(created: Option<(u16, u64, &'static str)>, told: Told) -> Server {
    let config = Mutex::new(None::<String>);
    Server::start(move |subject, content| {
        let mut config = config.lock().expect("no thread has panicked");
        if subject.starts_with("$JS.API.STREAM.CREATE.") {
            *config = Some(content.to_owned());
            return Some(match created {
                Some((status, code, what)) => error(status, code, what),
                None => stream(content, CREATED),
            });
        }
        if !subject.starts_with("$JS.API.STREAM.INFO.") {
            return None;
        }
        match (&*config, told) {
            (Some(config), Told::Since(created)) => Some(stream(config, created)),
            (None, _) | (_, Told::Missing) => no_stream(),
        }
    })
}

/// An engine that is asked to begin the log, and what wakes its owner.
fn beginning(server: &Server) -> (NatsEngine, mpsc::Receiver<()>) {
    let url = format!("nats://127.0.0.1:{}?stream=log", server.port);
    let mut limits = NatsLimits::default();
    limits.patience_ms = 1_000;
    let config = NatsConfig::from_url(&url).expect("a URL").with_limits(limits);
    let mut engine = NatsEngine::open(config).expect("a thread");
    let (wake, woken) = mpsc::channel();
    engine.set_wake(Arc::new(move || wake.send(()).unwrap_or_default()));
    next(&mut engine, &woken, |event| matches!(event, Event::State(State::Up(_))).then_some(()));
    engine.begin_log(&b"birth"[..].into()).expect("little waits");
    (engine, woken)
}

/// Waits for an event.
fn next<T>(
    engine: &mut NatsEngine,
    woken: &mpsc::Receiver<()>,
    is_it: impl Fn(Event) -> Option<T>,
) -> T {
    let late = Instant::now() + WAIT_MAX;
    loop {
        while let Some(event) = engine.next() {
            if let Some(found) = is_it(event) {
                return found;
            }
        }
        assert!(Instant::now() < late, "waited in vain");
        let _ = woken.recv_timeout(Duration::from_millis(100));
    }
}

/// The trouble of an engine that begins the log.
fn trouble(server: &Server) -> Trouble {
    let (mut engine, woken) = beginning(server);
    next(&mut engine, &woken, |event| match event {
        Event::State(State::Away(trouble) | State::Refused(trouble)) => Some(trouble),
        _ => None,
    })
}

#[test]
fn why_a_stream_is_not_created_is_told() {
    for (created, kind, what) in [
        (
            (500, 10_065, "subjects overlap"),
            TroubleKind::Settings,
            "has another stream with subjects log.log.",
        ),
        ((503, 10_023, "insufficient resources"), TroubleKind::Full, "takes no more"),
        ((503, 10_008, "no leader"), TroubleKind::NoLeader, "has no leader now"),
        ((503, 10_039, "not enabled"), TroubleKind::Settings, "has no JetStream for this account"),
        ((500, 10_001, "odd"), TroubleKind::Protocol, "answered with an error"),
    ] {
        let server = server(Some(created), Told::Missing);
        let trouble = trouble(&server);
        assert_eq!(trouble.kind, kind, "{trouble}");
        assert!(trouble.text.contains(what) && trouble.text.contains(created.2), "{trouble}");
        assert_eq!(server.asked("$JS.API.STREAM.CREATE.").len(), 1);
    }
}

#[test]
fn a_stream_that_is_not_there_in_time_is_not_one_without_a_leader() {
    let late = trouble(&server(None, Told::Since(EARLY)));
    assert_eq!(late.kind, TroubleKind::Unreachable, "{late}");
    assert!(late.text.ends_with(" has been creating the stream \"log\" for 1 s"), "{late}");
    let unknown = trouble(&server(None, Told::Missing));
    assert_eq!(unknown.kind, TroubleKind::NoLeader, "{unknown}");
    let what = " does not know the stream \"log\" that it has created";
    assert!(unknown.text.ends_with(what), "{unknown}");
}

/// Of nodes that create the stream at the same time, all but one get an error.
#[test]
fn a_stream_that_another_node_has_created_is_taken() {
    let name_in_use = (400, 10_058, "stream name already in use");
    for created in [None, Some(name_in_use)] {
        let server = server(created, Told::Since(CREATED));
        let (_engine, _woken) = beginning(&server);
        let late = Instant::now() + WAIT_MAX;
        // The first entry follows.
        while server.asked("log.log.").is_empty() {
            assert!(Instant::now() < late, "no entry came");
            std::thread::yield_now();
        }
        assert_eq!(server.asked("$JS.API.STREAM.CREATE.").len(), 1);
    }
}

/// The trouble of a source whose consumer is not there, and is created with this answer.
fn source(created: Option<(u16, u64, &'static str)>) -> (Trouble, Server) {
    let server = Server::start(move |subject, _| {
        let words: Vec<&str> = subject.split('.').collect();
        match *words {
            ["$JS", "API", "STREAM", "INFO", ..] => {
                let config = r#"{"name":"orders","subjects":["orders"],"retention":"limits","storage":"file",
                    "max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"num_replicas":1,"discard":"old"}"#;
                Some(stream(config, CREATED))
            }
            ["$JS", "API", "CONSUMER", "INFO", ..] => {
                Some(error(404, 10_014, "consumer not found"))
            }
            ["$JS", "API", "CONSUMER", ..] => Some(match created {
                Some((status, code, what)) => error(status, code, what),
                None => CONSUMER.replace('\n', " "),
            }),
            _ => None,
        }
    });
    let url = format!("nats://127.0.0.1:{}?stream=orders&subject=orders", server.port);
    let config = NatsSourceConfig::from_url(&url).expect("a URL").with_patience_ms(1_000);
    let trouble = NatsSource::new(config).open().expect_err("there is no consumer");
    (trouble, server)
}

/// A consumer that was created.
const CONSUMER: &str = r#"{"type":"","stream_name":"orders","name":"sockeye","created":"2026-11-25T00:44:04Z",
    "config":{"durable_name":"sockeye","name":"sockeye","deliver_policy":"all","ack_policy":"explicit","replay_policy":"instant"},
    "delivered":{"consumer_seq":0,"stream_seq":0},"ack_floor":{"consumer_seq":0,"stream_seq":0},
    "num_ack_pending":0,"num_redelivered":0,"num_waiting":0,"num_pending":0}"#;

#[test]
fn why_a_consumer_is_not_created_is_told() {
    for (created, kind, what) in [
        ((500, 10_023, "insufficient resources"), TroubleKind::Full, "takes no more"),
        ((503, 10_008, "no leader"), TroubleKind::NoLeader, "has no leader now"),
        (
            (400, 10_026, "maximum consumers limit reached"),
            TroubleKind::Protocol,
            "answered with an error",
        ),
    ] {
        let (trouble, server) = source(Some(created));
        assert_eq!(trouble.kind, kind, "{trouble}");
        assert!(trouble.text.contains(what) && trouble.text.contains(created.2), "{trouble}");
        assert_eq!(server.asked("$JS.API.CONSUMER.CREATE").len(), 1);
    }
    let (trouble, _server) = source(None);
    assert_eq!(trouble.kind, TroubleKind::NoLeader, "{trouble}");
    assert!(trouble.text.ends_with(" has no consumer \"sockeye\" any more"), "{trouble}");
}
