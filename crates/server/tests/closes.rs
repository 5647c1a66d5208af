//! How streams ended is counted, by kind, by who ended it, and by the code.

use std::time::Duration;

use crate::common::{CLOSE, TEXT, frame, start, start_timed};
use sockeye_server::{Close, CloseCode, ClosedBy, StreamKind};

fn close(kind: StreamKind, by: ClosedBy, code: u16) -> impl Fn(&Close) -> bool {
    move |it| it.kind == kind && it.by == by && it.code == Some(code)
}

#[test]
fn each_in_its_way() {
    let server = start(|_| {});
    let mut peers = Vec::new();
    // Closed by the peer, with a code of RFC 6455 and with one of its own.
    for code in [1000_u16, 3999] {
        let mut peer = server.open("/echo");
        peer.send(frame(CLOSE, &code.to_be_bytes()));
        server.next_closed();
        peers.push(peer);
    }
    // Wrong, and told so.
    let mut peer = server.open("/echo");
    peer.send(frame(TEXT, &[0xFF]));
    server.next_closed();
    peers.push(peer);
    // Closed by us, answered or not: what we said counts.
    for answers in [true, false] {
        let mut peer = server.open("/echo");
        let stream = server.next_opened();
        server.act(move |context| context.close(stream, CloseCode::new(4202), ""));
        assert_eq!(peer.read_frame().0, CLOSE);
        if answers {
            peer.send(frame(CLOSE, &4202_u16.to_be_bytes()));
        } else {
            drop(peer);
        }
        server.next_closed();
    }
    // An event stream ended by us, one left by its client, a request answered.
    for (path, leaves) in [("/events", false), ("/events", true), ("/hold", false)] {
        let mut peer = server.connect();
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let stream = server.next_opened();
        if leaves {
            drop(peer);
        } else {
            server.act(move |context| context.close(stream, CloseCode::new(4000), ""));
            peers.push(peer);
        }
        server.next_closed();
    }
    let closes = server.ask(|server| server.closes().clone());
    let found: Vec<(Close, u64)> = closes.iter().collect();
    let expected = [
        (StreamKind::WebSocket, ClosedBy::Server, 1007, 1),
        (StreamKind::WebSocket, ClosedBy::Server, 4202, 2),
        (StreamKind::WebSocket, ClosedBy::Client, 1000, 1),
        (StreamKind::EventStream, ClosedBy::Server, 4000, 1),
        (StreamKind::EventStream, ClosedBy::Client, 1006, 1),
        (StreamKind::Held, ClosedBy::Server, 1000, 1),
    ];
    for (kind, by, code, count) in expected {
        let is = close(kind, by, code);
        let at = found.iter().find(|(it, _)| is(it));
        assert_eq!(at.map(|(_, count)| *count), Some(count), "{kind:?} {by:?} {code}: {found:?}");
    }
    // And the code that is the peer's own business, under no number.
    assert_eq!(found.len(), expected.len() + 1, "{found:?}");
    assert!(found.iter().any(|(it, count)| it.code.is_none() && *count == 1));
}

#[test]
fn turns_are_timed_and_unsent_bytes_are_seen() {
    let server = start_timed(|_| {});
    let mut peer = server.open("/echo");
    peer.send(frame(TEXT, b"hello"));
    assert_eq!(peer.read_frame(), (TEXT, b"hello".to_vec()));
    let stats = server.ask(|server| *server.stats());
    assert!(stats.turns.count() >= 3, "accept, handshake, message: {stats:?}");
    server.ask(|server| server.with_app(|_, _| std::thread::sleep(Duration::from_millis(300))));
    let waited_us = stats.turns.sum_us() + 300_000;
    peer.send(frame(TEXT, b"late"));
    assert_eq!(peer.read_frame(), (TEXT, b"late".to_vec()));
    let stats = server.ask(|server| *server.stats());
    assert!(stats.turns.sum_us() >= waited_us, "a visit is time of the next turn: {stats:?}");
    let stream = server.next_opened();
    let unsent = server.ask(move |server| {
        server.with_app(|_, context| {
            let _ = context.send(stream, sockeye_server::Message::Text("abc"));
            context.unsent_bytes_in(0..context.connection_places())
        })
    });
    assert_eq!(unsent, 5, "a frame's header and three bytes");
    // What was sent between two turns leaves by itself.
    assert_eq!(peer.read_frame(), (TEXT, b"abc".to_vec()));
    assert_eq!(
        server.ask(|server| server
            .with_app(|_, context| context.unsent_bytes_in(0..context.connection_places()))),
        0
    );
}

#[test]
fn limits_can_change_while_it_runs() {
    let server = start(|_| {});
    let mut peer = server.connect();
    let post = "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello";
    peer.send(post);
    assert!(peer.read_response().0.starts_with("HTTP/1.1 200 "));
    server.ask(|server| {
        let mut limits = sockeye_server::Limits::default();
        (limits.body_bytes_max, limits.read_bytes) = (4, 0);
        server.set_limits(limits);
    });
    peer.send(post);
    assert!(peer.read_response().0.starts_with("HTTP/1.1 413 "));
}
