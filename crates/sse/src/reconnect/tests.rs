//! The machine's table, row by row.

use super::*;

const STREAM: Option<&[u8]> = Some(b"text/event-stream");
const GOOD: Response<'_> = Response {
    status: 200,
    content_type: STREAM,
    location: None,
    retry_after_ms: None,
    entropy: u64::MAX,
};

fn requesting() -> Reconnection {
    Reconnection::new(Policy::default())
}

fn open() -> Reconnection {
    let mut machine = requesting();
    assert_eq!(machine.handle(Input::Response(GOOD)), Some(Action::Open));
    machine
}

fn waiting() -> Reconnection {
    let mut machine = open();
    assert_eq!(machine.handle(Input::Eof { entropy: 0 }), Some(Action::Wait(3000)));
    machine
}

fn closed() -> Reconnection {
    let mut machine = open();
    assert_eq!(machine.handle(Input::Close), Some(Action::Closed));
    machine
}

/// Every state against every input.
///
/// [html:9.2.2-close-final] [html:9.2.3-announce] [html:9.2.3-fail] [html:9.2.3-reestablish]
/// [html:9.2.6-retry-sets-time] [html:9.2.2-reconnection-time]
#[test]
fn the_whole_table() {
    use ReadyState::{Closed, Connecting, Open};
    let bad = Response { status: 404, ..GOOD };
    let moved = Response { status: 302, location: Some(b"/s"), ..GOOD };
    let (error, eof) = (Input::NetworkError { entropy: 9 }, Input::Eof { entropy: 9 });
    let wait_over = Input::WaitOver { last_event_id: "7" };
    let connect = Action::Connect { last_event_id: Some("7") };
    type Row = (fn() -> Reconnection, Input<'static>, Option<Action<'static>>, ReadyState);
    let table: &[Row] = &[
        (requesting, Input::Response(GOOD), Some(Action::Open), Open),
        (requesting, Input::Response(bad), Some(Action::Closed), Closed),
        (requesting, Input::Response(moved), Some(Action::Follow), Connecting),
        (requesting, error, Some(Action::Wait(3000)), Connecting),
        (requesting, eof, Some(Action::Wait(3000)), Connecting),
        (requesting, wait_over, None, Connecting),
        (requesting, Input::Retry(5), None, Connecting),
        (requesting, Input::Close, Some(Action::Closed), Closed),
        (open, Input::Response(bad), None, Open),
        (open, error, Some(Action::Wait(3000)), Connecting),
        (open, eof, Some(Action::Wait(3000)), Connecting),
        (open, wait_over, None, Open),
        (open, Input::Retry(5), None, Open),
        (open, Input::Close, Some(Action::Closed), Closed),
        (waiting, Input::Response(GOOD), None, Connecting),
        (waiting, error, None, Connecting),
        (waiting, eof, None, Connecting),
        (waiting, wait_over, Some(connect), Connecting),
        (waiting, Input::Retry(5), None, Connecting),
        (waiting, Input::Close, Some(Action::Closed), Closed),
        (closed, Input::Response(GOOD), None, Closed),
        (closed, error, None, Closed),
        (closed, eof, None, Closed),
        (closed, wait_over, None, Closed),
        (closed, Input::Retry(5), None, Closed),
        (closed, Input::Close, None, Closed),
    ];
    for &(start, input, action, state) in table {
        let mut machine = start();
        let before = machine.ready_state();
        assert_eq!(machine.handle(input), action, "{before:?} {input:?}");
        assert_eq!(machine.ready_state(), state, "{before:?} {input:?}");
        let alive = before != Closed;
        let expected = if alive && input == Input::Retry(5) { 5 } else { 3000 };
        assert_eq!(machine.reconnection_ms(), expected);
    }
}

/// [html:9.2.3-announce] [html:9.2.3-fail] [fetch:4.4-redirect-statuses]
#[test]
fn responses() {
    let location: Option<&[u8]> = Some(b"/s");
    for status in 100..=599 {
        let answer = |response| requesting().handle(Input::Response(response)).unwrap();
        let expected = if status == 200 { Action::Open } else { Action::Closed };
        assert_eq!(answer(Response { status, ..GOOD }), expected, "{status}");
        let redirects = [301, 302, 303, 307, 308].contains(&status);
        let expected = if redirects { Action::Follow } else { expected };
        assert_eq!(answer(Response { status, location, ..GOOD }), expected, "{status}");
        let plain = Response { status, content_type: Some(b"text/plain"), ..GOOD };
        assert_eq!(answer(plain), Action::Closed, "{status}");
        let untyped = Response { status, content_type: None, ..GOOD };
        assert_eq!(answer(untyped), Action::Closed, "{status}");
    }
}

/// [fetch:4.4-redirect-limit] Twenty are followed. The count starts again with each attempt.
#[test]
fn redirects_end() {
    let moved = Input::Response(Response { status: 307, location: Some(b"/s"), ..GOOD });
    let mut machine = requesting();
    for _ in 0..2 {
        for _ in 0..20 {
            assert_eq!(machine.handle(moved), Some(Action::Follow));
        }
        assert!(matches!(machine.handle(moved), Some(Action::Wait(3000..))));
        machine.handle(Input::WaitOver { last_event_id: "" });
    }
    let nowhere = Input::Response(Response { status: 301, location: Some(b""), ..GOOD });
    assert_eq!(requesting().handle(nowhere), Some(Action::Wait(3000)));
}

/// [html:9.2.3-backoff] [html:9.2.3-reestablish] Exact after a good connection and at the first
/// failure; then 0..=1000, 0..=2000 … 0..=30 000 more.
#[test]
fn waits() {
    for (entropy, added) in [
        (0, [0, 0, 0, 0, 0, 0, 0, 0]),
        (1 << 63, [0, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]),
        (u64::MAX, [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]),
    ] {
        let mut machine = open();
        for round in 0..2 {
            assert_eq!(machine.handle(Input::Eof { entropy }), Some(Action::Wait(3000)), "{round}");
            for more in added {
                machine.handle(Input::WaitOver { last_event_id: "" });
                let wait = machine.handle(Input::NetworkError { entropy });
                assert_eq!(wait, Some(Action::Wait(3000 + more)), "{entropy}");
            }
            machine.handle(Input::WaitOver { last_event_id: "" });
            assert_eq!(machine.handle(Input::Response(GOOD)), Some(Action::Open));
        }
    }
}

/// [html:9.2.3-backoff] The cap bounds what is added; the stream's own time stands, however long.
#[test]
fn waits_at_the_edges() {
    let mut machine = open();
    machine.handle(Input::Retry(u64::MAX));
    assert_eq!(machine.handle(Input::Eof { entropy: 0 }), Some(Action::Wait(u64::MAX)));
    for _ in 0..100 {
        machine.handle(Input::WaitOver { last_event_id: "" });
        let wait = machine.handle(Input::NetworkError { entropy: u64::MAX });
        assert_eq!(wait, Some(Action::Wait(u64::MAX)));
    }

    let mut machine = Reconnection::new(Policy { wait_ms_min: 100, ..Policy::default() });
    machine.handle(Input::Response(GOOD));
    machine.handle(Input::Retry(0));
    assert_eq!(machine.handle(Input::Eof { entropy: 0 }), Some(Action::Wait(100)));

    let policy = Policy { wait_ms_max: 60_000, on_busy: OnBusy::Reconnect, ..Policy::default() };
    let mut machine = Reconnection::new(policy);
    let away = Response { status: 503, retry_after_ms: Some(u64::MAX), ..GOOD };
    assert_eq!(machine.handle(Input::Response(away)), Some(Action::Wait(60_000)));
    machine.handle(Input::Retry(u64::MAX));
    machine.handle(Input::WaitOver { last_event_id: "" });
    assert_eq!(machine.handle(Input::Eof { entropy: 0 }), Some(Action::Wait(60_000)));
}

#[test]
fn a_busy_server_may_be_asked_again() {
    let policy = Policy { on_busy: OnBusy::Reconnect, ..Policy::default() };
    for status in [429, 500, 502, 503, 504] {
        for (retry_after_ms, wait) in [(None, 3000), (Some(1), 3000), (Some(9000), 9000)] {
            let mut machine = Reconnection::new(policy);
            let busy = Response { status, retry_after_ms, ..GOOD };
            assert_eq!(machine.handle(Input::Response(busy)), Some(Action::Wait(wait)));
        }
    }
    let gone = Response { status: 404, ..GOOD };
    assert_eq!(Reconnection::new(policy).handle(Input::Response(gone)), Some(Action::Closed));
}

/// [html:9.2.3-last-event-id-header] [sse:last-event-id-no-controls]
#[test]
fn last_event_id_header() {
    let table: &[(&str, Option<&str>)] = &[
        ("", None),
        ("7", Some("7")),
        (" a b ", Some(" a b ")),
        ("\u{2026}", Some("\u{2026}")),
        ("a\tb", Some("a\tb")),
        ("a\u{1}b", None),
        ("a\u{7f}", None),
        ("a\nb", None),
        ("\0", None),
    ];
    for &(last_event_id, expected) in table {
        let action = waiting().handle(Input::WaitOver { last_event_id });
        assert_eq!(action, Some(Action::Connect { last_event_id: expected }), "{last_event_id:?}");
    }
}
