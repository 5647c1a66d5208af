//! The queues of a driver whose server is not there: what waits is bounded, and the owner is told.

use std::net::TcpListener;
use std::sync::{Arc, mpsc};

use crate::driver::QueueLimits;
use crate::engine::{Engine, Event, Full, Rejection, State, TroubleKind};

/// Opens an engine at an address, with bounds of its queues and of the bytes of an entry.
pub type Open<'o> = &'o dyn Fn(&str, QueueLimits, usize) -> Box<dyn Engine>;

/// Bounds that no check reaches.
const LIMITS: QueueLimits = QueueLimits {
    append_entries_max: 1_000,
    append_bytes_max: 1_000_000,
    event_entries_max: 1_000,
    event_bytes_max: 1_000_000,
};

/// Runs all checks of a driver's queues.
///
/// # Panics
/// If a check fails.
pub fn run(open: Open<'_>) {
    appends_that_wait_are_bounded(open);
    a_batch_above_the_bound_is_taken_if_nothing_waits(open);
    an_entry_that_is_too_large_drops_what_waits(open);
    the_owner_is_woken_and_told(open);
}

/// An engine at a port where nobody listens.
fn away(open: Open<'_>, limits: QueueLimits, entry_bytes_max: usize) -> Box<dyn Engine> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    open(&format!("127.0.0.1:{port}"), limits, entry_bytes_max)
}

fn entry(bytes: usize) -> Arc<[u8]> {
    vec![b'x'; bytes].into()
}

fn appends_that_wait_are_bounded(open: Open<'_>) {
    let limits = QueueLimits { append_entries_max: 3, append_bytes_max: 100, ..LIMITS };
    let mut engine = away(open, limits, 1_000);
    assert_eq!(engine.append(1, &[entry(1), entry(1)]), Ok(()));
    assert_eq!(engine.append(1, &[entry(1), entry(1)]), Err(Full), "all or none");
    assert_eq!(engine.append(1, &[entry(99)]), Err(Full), "their bytes");
    assert_eq!(engine.raise_fence(&entry(1)), Ok(()));
    assert_eq!(engine.begin_log(&entry(1)), Err(Full));
}

fn a_batch_above_the_bound_is_taken_if_nothing_waits(open: Open<'_>) {
    let mut engine = away(open, QueueLimits { append_entries_max: 1, ..LIMITS }, 1_000);
    assert_eq!(engine.append(1, &[entry(1), entry(1)]), Ok(()));
    assert_eq!(engine.append(1, &[entry(1)]), Err(Full));
}

fn an_entry_that_is_too_large_drops_what_waits(open: Open<'_>) {
    let mut engine = away(open, QueueLimits { append_entries_max: 2, ..LIMITS }, 10);
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

fn the_owner_is_woken_and_told(open: Open<'_>) {
    let mut engine = away(open, LIMITS, 1_000);
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
