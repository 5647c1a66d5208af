//! A connection that the application takes over.

use crate::common::{PATIENCE, start, start_timed};
use sockeye_server::{CloseCause, CloseCode, ClosedBy, Deadline, SendError, StreamKind};

const TUNNEL: &str = "GET /tunnel HTTP/1.1\r\nHost: test\r\n\r\n";

/// [server:tunnel-verbatim]
#[test]
fn bytes_go_both_ways_as_they_are_with_those_behind_the_request() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send([TUNNEL.as_bytes(), b"\r\nno \x00 HTTP\xFF"].concat());
    let stream = server.next_opened();
    assert_eq!(peer.read(12), b"\r\nno \x00 HTTP\xFF", "no head of the server's before it");
    peer.send(TUNNEL);
    assert_eq!(peer.read(TUNNEL.len()), TUNNEL.as_bytes(), "nor is there another request");
    server.act(move |context| {
        context.send_bytes(stream, b"HTTP/1.1 101 \r\n").expect("it is open");
        context.close(stream, CloseCode::NORMAL, "never said");
        assert_eq!(context.send_bytes(stream, b"more"), Err(SendError::Gone));
    });
    assert_eq!(peer.read_to_end(), b"HTTP/1.1 101 \r\n");
    assert_eq!(server.next_closed(), CloseCause::Finished);
    let closes = server.ask(|server| server.closes().clone());
    assert_eq!(closes.count(StreamKind::Tunnel, ClosedBy::Server, 1000), 1);
}

/// [server:tunnel-end]
#[test]
fn the_end_of_the_peers_direction_ends_it_and_what_waits_arrives() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send([TUNNEL.as_bytes(), &[7; 1_000_000]].concat());
    peer.end();
    assert_eq!(peer.read(1_000_000), [7; 1_000_000]);
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.next_closed(), CloseCause::Ended);
}

/// [server:tunnel-silence]
#[test]
fn silence_in_both_directions_ends_it() {
    let server = start_timed(|limits| limits.tunnel_ms = 40);
    let mut peer = server.connect();
    peer.send(TUNNEL);
    let stream = server.next_opened();
    assert_eq!(server.next_closed(), CloseCause::Timeout(Deadline::Tunnel));
    assert_eq!(peer.read_to_end(), b"");
    let sent =
        server.ask(move |server| server.with_app(|_, context| context.send_bytes(stream, b"")));
    assert_eq!(sent, Err(SendError::Gone));
}

#[test]
fn a_drain_ends_it() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send(TUNNEL);
    server.next_opened();
    let begun = std::time::Instant::now();
    server.ask(|server| server.drain());
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.next_closed(), CloseCause::Finished);
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn bytes_are_for_tunnels_only() {
    let server = start(|_| {});
    let _peer = server.open("/echo");
    let stream = server.next_opened();
    let sent =
        server.ask(move |server| server.with_app(|_, context| context.send_bytes(stream, b"x")));
    assert_eq!(sent, Err(SendError::Gone));
}
