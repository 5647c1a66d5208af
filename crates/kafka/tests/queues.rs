//! The queues of an engine whose server is not there.

use std::net::TcpListener;
use std::sync::{Arc, mpsc};

use sockeye_backbone::{Engine as _, Event, Full, Rejection, State, TroubleKind};
use sockeye_kafka::{KafkaConfig, KafkaEngine, KafkaLimits};

/// An engine at a port where nobody listens.
fn away(limits: KafkaLimits) -> KafkaEngine {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let config = KafkaConfig::from_url(&format!("kafka://127.0.0.1:{port}")).expect("a URL");
    KafkaEngine::open(config.with_limits(limits)).expect("threads")
}

fn entry(bytes: usize) -> Arc<[u8]> {
    vec![b'x'; bytes].into()
}

#[test]
fn appends_that_wait_are_bounded() {
    let limits =
        KafkaLimits { append_entries_max: 3, append_bytes_max: 100, ..KafkaLimits::default() };
    let mut engine = away(limits);
    assert_eq!(engine.append(1, &[entry(1), entry(1)]), Ok(()));
    assert_eq!(engine.append(1, &[entry(1), entry(1)]), Err(Full), "all or none");
    assert_eq!(engine.append(1, &[entry(99)]), Err(Full), "their bytes");
    assert_eq!(engine.raise_fence(&entry(1)), Ok(()));
    assert_eq!(engine.begin_log(&entry(1)), Err(Full));
}

#[test]
fn a_batch_above_the_bound_is_taken_if_nothing_waits() {
    let mut engine = away(KafkaLimits { append_entries_max: 1, ..KafkaLimits::default() });
    assert_eq!(engine.append(1, &[entry(1), entry(1)]), Ok(()));
    assert_eq!(engine.append(1, &[entry(1)]), Err(Full));
}

#[test]
fn an_entry_that_is_too_large_drops_what_waits() {
    let mut engine =
        away(KafkaLimits { entry_bytes_max: 10, append_entries_max: 2, ..KafkaLimits::default() });
    assert_eq!(engine.capabilities().entry_bytes_max, 10);
    assert_eq!(engine.append(1, &[entry(10)]), Ok(()));
    assert_eq!(engine.append(1, &[entry(11)]), Ok(()));
    // Until the owner knows, nothing is queued, so nothing is full.
    for _ in 0..5 {
        assert_eq!(engine.append(1, &[entry(1)]), Ok(()));
    }
    let mut dropped =
        std::iter::from_fn(|| engine.next()).filter(|event| matches!(event, Event::Dropped(_)));
    assert_eq!(dropped.next(), Some(Event::Dropped(Rejection::TooLarge)));
    assert_eq!(dropped.next(), None, "it is told once");
    assert_eq!(engine.append(1, &[entry(1), entry(1)]), Ok(()));
    assert_eq!(engine.append(1, &[entry(1)]), Err(Full));
}

#[test]
fn the_owner_is_woken_and_told_where_nobody_answers() {
    let mut engine = away(KafkaLimits::default());
    let (wake, woken) = mpsc::channel();
    engine.set_wake(Arc::new(move || wake.send(()).unwrap_or_default()));
    woken.recv().expect("the engine has the sender");
    match engine.next() {
        Some(Event::State(State::Away(trouble))) => {
            assert_eq!(trouble.kind, TroubleKind::Unreachable);
            assert!(trouble.text.contains("127.0.0.1:"), "{trouble}");
        }
        event => panic!("{event:?}"),
    }
}
