//! A silent event stream says now and then that it lives.

use crate::common::{TICK_MS, start};
use sockeye_server::Event;

#[test]
fn comments_come_while_nothing_else_does() {
    let server = start(|limits| limits.heartbeat_ms = 60);
    let mut peer = server.connect();
    peer.send("GET /events HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = peer.read_head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    // The first comment takes the head through every proxy at once.
    assert_eq!(peer.read(8), b"3\r\n:\n\n\r\n");
    let sent = || server.ask(|server| server.stats().bytes_sent);
    // [html:9.2.7-heartbeat]
    for _ in 0..3 {
        let before = sent();
        server.pass(50);
        assert_eq!(sent(), before, "it is early");
        server.pass(10 + TICK_MS);
        assert_eq!(peer.read(8), b"3\r\n:\n\n\r\n");
    }
}

#[test]
fn events_are_signs_of_life_too() {
    let server = start(|limits| limits.heartbeat_ms = 1_500);
    let mut peer = server.connect();
    peer.send("GET /events HTTP/1.0\r\n\r\n");
    peer.read_until("\r\n\r\n:\n\n");
    let stream = server.next_opened();
    for _ in 0..5 {
        server.pass(1_400);
        server.act(move |context| {
            context.send_event(stream, &Event::message("tick")).expect("it is open");
        });
        assert_eq!(peer.read(12), b"data: tick\n\n", "and no comment before it");
    }
}
