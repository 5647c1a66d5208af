//! Requests that are answered later, on real sockets.

use std::time::Instant;

use crate::common::{PATIENCE, Running, TICK_MS, Told, start, start_timed};
use sockeye_server::{
    CloseCause, CloseCode, Deadline, EventStream, Reply, SendError, Status, StreamKey,
};
use sockeye_sse::Event;

const HOLD: &str = "GET /hold HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn the_answer_comes_when_the_application_has_it() {
    let server = start(|_| {});
    let mut peer = server.connect();
    for _ in 0..3 {
        peer.send(HOLD);
        let stream = server.next_opened();
        server.act(move |context| {
            context.respond(stream, Reply::text(Status::OK, "late")).expect("it is held");
        });
        assert_eq!(peer.read_response().1, b"late");
        assert_eq!(server.next_closed(), CloseCause::Finished);
    }
    assert_eq!(server.ask(|server| server.stats().accepted), 1, "one connection for all");
}

/// [server:hold-bounded]
#[test]
fn what_was_sent_behind_it_is_answered_behind_it() {
    let server = start(|limits| limits.hold_bytes_max = 100);
    let mut peer = server.connect();
    let many = 5_000;
    let mut writer = peer.stream.try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || {
        let next = "GET /next HTTP/1.1\r\nHost: test\r\n\r\n".repeat(many);
        let all = [HOLD, &next, HOLD].concat();
        std::io::Write::write_all(&mut writer, all.as_bytes()).expect("the server takes it");
    });
    for count in [0, many] {
        // [rfc9112:9.3.2-in-order]
        for _ in 0..count {
            assert_eq!(peer.read_response().1, b"/next");
        }
        let stream = loop {
            match server.next_told() {
                Told::Opened(stream) => break stream,
                Told::Closed(_, cause) => assert_eq!(cause, CloseCause::Finished),
            }
        };
        server.act(move |context| {
            context.respond(stream, Reply::text(Status::OK, "late")).expect("it is held");
        });
        assert_eq!(peer.read_response().1, b"late");
    }
    sending.join().expect("all sent");
}

/// [server:hold-half-closed]
#[test]
fn a_client_that_ends_its_direction_gets_the_answer_and_the_end() {
    let server = start(|_| {});
    let mut ending = server.connect();
    ending.send(HOLD);
    let stream = server.next_opened();
    ending.end();
    server.act(move |context| {
        context.respond(stream, Reply::text(Status::OK, "late")).expect("it is held");
    });
    assert_eq!(ending.read_response().1, b"late");
    assert_eq!(server.next_closed(), CloseCause::Finished);
    assert_eq!(ending.read_to_end(), b"");
    server.until("nobody is left", |server| server.connections() == 0);
}

/// Answers the next held request with an event stream, and sends one event.
fn answer_with_events(server: &Running) -> StreamKey {
    let stream = server.next_opened();
    server.act(move |context| {
        let events = EventStream::default();
        context.respond_events(stream, &events).expect("it is held");
        let event = Event { data: Some("late"), ..Event::default() };
        context.send_event(stream, &event).expect("it is an event stream");
        let again = context.respond_events(stream, &events);
        assert_eq!(again, Err(SendError::Gone), "no request is held there any more");
    });
    stream
}

/// [server:hold-events]
#[test]
fn the_answer_may_be_an_event_stream() {
    for (version, framing, body) in [
        (
            "1.1",
            "\r\nTransfer-Encoding: chunked\r\n",
            "3\r\n:\n\n\r\nc\r\ndata: late\n\n\r\n0\r\n\r\n",
        ),
        ("1.0", "\r\nConnection: close\r\n", ":\n\ndata: late\n\n"),
    ] {
        let server = start(|_| {});
        let mut peer = server.connect();
        // A request behind it is not answered: nothing follows an event stream.
        let next = "GET /next HTTP/1.1\r\nHost: test\r\n\r\n";
        peer.send(format!("GET /hold HTTP/{version}\r\nHost: test\r\n\r\n{next}"));
        let stream = answer_with_events(&server);
        let head = peer.read_head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
        assert!(head.contains(framing), "{head}");
        assert!(head.contains("\r\nX-Held: yes\r\n"), "its hold has headers: {head}");
        server.act(move |context| context.close(stream, CloseCode::NORMAL, ""));
        assert_eq!(String::from_utf8(peer.read_to_end()).expect("text"), body);
        assert_eq!(server.next_closed(), CloseCause::Finished);
        let stats = server.ask(|server| *server.stats());
        assert_eq!((stats.holds_opened, stats.holds_closed), (1, 1));
        assert_eq!((stats.event_streams_opened, stats.event_streams_closed), (1, 1));
        assert_eq!(stats.requests, 1);
    }
}

/// [server:hold-events]
#[test]
fn an_event_stream_that_was_held_has_heartbeats_and_no_end_of_the_hold() {
    let server = start(|limits| {
        limits.hold_ms = 1_000;
        limits.heartbeat_ms = 700;
    });
    let mut peer = server.connect();
    peer.send(HOLD);
    answer_with_events(&server);
    peer.read_head();
    peer.read_until("late");
    for _ in 0..3 {
        server.pass(700 + TICK_MS);
        peer.read_until(":\n\n");
    }
}

/// [server:hold-events]
#[test]
fn a_client_that_has_ended_its_direction_has_left_its_event_stream() {
    let server = start(|_| {});
    let peer = server.connect();
    let mut ending = peer;
    ending.send(HOLD);
    ending.end();
    answer_with_events(&server);
    ending.read_head();
    server.until("nobody is left", |server| server.connections() == 0);
}

/// [server:hold-events]
#[test]
fn a_request_by_head_gets_the_head_of_the_event_stream() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("HEAD /hold HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let stream = server.next_opened();
    server.act(move |context| {
        let events = EventStream::default();
        context.respond_events(stream, &events).expect("it is held");
    });
    let head = peer.read_head();
    assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.next_closed(), CloseCause::Finished);
}

/// [server:hold-deadline]
#[test]
fn nobody_waits_for_ever() {
    let server = start_timed(|limits| limits.hold_ms = 200);
    let mut peer = server.connect();
    let start = Instant::now();
    peer.send(HOLD);
    let (head, _) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
    assert!(start.elapsed().as_millis() >= 190 && start.elapsed() < PATIENCE);
    assert_eq!(server.next_closed(), CloseCause::Timeout(Deadline::Hold));
}
