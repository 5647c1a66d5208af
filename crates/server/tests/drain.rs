//! Going away in good order.

use std::net::TcpStream;

use crate::common::{BINARY, CLOSE, TEXT, frame, start, start_timed, upgrade_request};
use sockeye_server::{CloseCause, CloseCode};

#[test]
fn everybody_is_told_in_their_own_language() {
    // No deadline comes that could wake the loop instead of the drain.
    let server = start(|_| {});
    let mut idle = server.connect();
    idle.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
    idle.read_response();
    let mut half = server.connect();
    half.send("POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na");
    let mut socket = server.open("/echo");
    let mut events = server.connect();
    events.send("GET /events HTTP/1.0\r\n\r\n");
    events.read_until("\r\n\r\n:\n\n");
    // The three requests and the half one, to the byte.
    let sent = 31 + 55 + upgrade_request("/echo").len() + 24;
    server.until("all are here", move |server| server.stats().bytes_received == sent as u64);

    server.ask(|server| {
        server.drain();
        server.drain();
    });
    assert!(TcpStream::connect(server.addr).is_err(), "nobody new is let in");
    assert_eq!(idle.read_to_end(), b"");
    // [rfc6455:7.4.1-going-away]
    assert_eq!(socket.read_frame(), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    socket.send(frame(CLOSE, &1001u16.to_be_bytes()));
    assert_eq!(socket.read_to_end(), b"");
    let retry = String::from_utf8(events.read_to_end()).expect("text");
    // [html:9.2.6-drain-retry]
    assert!(retry.starts_with("retry: "), "{retry}");
    // A request under way is answered, and the connection then ended.
    half.send("b");
    let (head, body) = half.read_response();
    assert!(head.contains("\r\nConnection: close\r\n") && body == b"ab", "{head}");
    assert_eq!(half.read_to_end(), b"");
    drop((idle, half, socket, events));
    server.until("it is drained", |server| server.is_drained());
    let mut causes = [server.next_closed(), server.next_closed()];
    causes.sort_by_key(|cause| *cause != CloseCause::Finished);
    assert_eq!(causes, [CloseCause::Finished, CloseCause::Local(CloseCode::GOING_AWAY)]);
}

#[test]
fn a_stream_that_opens_during_a_drain_is_told_at_once() {
    let server = start(|_| {});
    let mut late = server.connect();
    late.send("GE");
    let mut events = server.connect();
    events.send("GE");
    server.until("both are under way", |server| server.stats().bytes_received == 4);
    server.ask(|server| server.drain());
    late.send(&upgrade_request("/echo")[2..]);
    assert!(late.read_head().starts_with("HTTP/1.1 101 "));
    assert_eq!(late.read_frame(), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    events.send("T /events HTTP/1.0\r\n\r\n");
    let all = String::from_utf8(events.read_to_end()).expect("text");
    assert!(all.contains("200 OK") && all.contains("retry: "), "{all}");
}

#[test]
fn both_sides_may_close_at_once() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    let stream = server.next_opened();
    server.ask(|server| server.drain());
    peer.send([frame(TEXT, b"crossing"), frame(CLOSE, &1000u16.to_be_bytes())].concat());
    // Whichever was first, there is one Close each way and an orderly end.
    let mut frames = vec![peer.read_frame()];
    if frames[0].0 == TEXT {
        frames.push(peer.read_frame());
    }
    assert_eq!(frames.last().map(|(first, _)| *first), Some(CLOSE));
    assert_eq!(peer.read_to_end(), b"");
    let cause = server.next_closed();
    let local = CloseCause::Local(CloseCode::GOING_AWAY);
    assert!(
        cause == local || cause == CloseCause::Remote(CloseCode::NORMAL),
        "{stream:?}: {cause:?}"
    );
}

#[test]
fn what_is_left_in_the_end_is_cut() {
    let server = start_timed(|limits| {
        limits.drain_ms = 300;
        limits.outbox_pause_bytes = 1_000;
        limits.websocket.message_bytes_max = 32 << 20;
        limits.websocket.frame_bytes_max = 32 << 20;
    });
    let mut deaf = server.open("/echo");
    deaf.send(frame(BINARY, &vec![1; 24 << 20]));
    let mut slow = server.connect();
    slow.send("GET / HT");
    server.until("both are under way", |server| server.stats().read_pauses == 1);
    server.ask(|server| server.drain());
    server.until("it is drained", |server| server.is_drained());
    assert_eq!(server.next_closed(), CloseCause::Drained);
}
