//! Requests that are answered later, on real sockets.

use std::time::Instant;

use crate::common::{PATIENCE, Told, start, start_timed};
use sockeye_server::{CloseCause, Deadline, Reply, Status};

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
