//! An event stream from its head to its end, for both versions of HTTP/1.

use crate::common::start;
use sockeye_server::{CloseCause, CloseCode, Event, SendError};

#[test]
fn chunks_for_http11_and_a_last_one() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET /events HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = peer.read_head();
    for line in [
        "Content-Type: text/event-stream",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "Transfer-Encoding: chunked",
        // The connection is not used again, so it says so. [rfc9112:9.6-close-announced]
        "Connection: close",
    ] {
        assert!(head.lines().any(|there| there == line), "no {line} in {head}");
    }
    let stream = server.next_opened();
    server.act(move |context| {
        context.send_event(stream, &Event::message("one\ntwo")).expect("it is open");
        context.close(stream, CloseCode::NORMAL, "");
        assert_eq!(context.send_event(stream, &Event::message("late")), Err(SendError::Gone));
    });
    let body = peer.read_to_end();
    assert_eq!(body, b"3\r\n:\n\n\r\n15\r\ndata: one\ndata: two\n\n\r\n0\r\n\r\n");
    assert_eq!(server.next_closed(), CloseCause::Finished);
}

#[test]
fn until_the_end_for_http10() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = peer.read_head();
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert!(!head.contains("Transfer-Encoding"), "{head}");
    let stream = server.next_opened();
    server.act(move |context| {
        context.send_event(stream, &Event::message("one")).expect("it is open");
        context.close(stream, CloseCode::NORMAL, "");
    });
    assert_eq!(peer.read_to_end(), b":\n\ndata: one\n\n");
}

#[test]
fn head_opens_no_stream() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("HEAD /events HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(peer.read_head().contains("\r\nContent-Type: text/event-stream\r\n"));
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.ask(|server| server.stats().event_streams_opened), 0);
}

#[test]
fn a_client_that_goes_away_is_noticed_without_a_write() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET /events HTTP/1.0\r\n\r\n");
    peer.read_until("\r\n\r\n:\n\n");
    drop(peer);
    assert_eq!(server.next_closed(), CloseCause::Ended);
}

#[test]
fn a_request_behind_an_event_stream_is_not_answered() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET /events HTTP/1.1\r\nHost: test\r\n\r\nGET /b HTTP/1.1\r\nHost: test\r\n\r\n");
    peer.read_head();
    let stream = server.next_opened();
    server.act(move |context| context.close(stream, CloseCode::NORMAL, ""));
    assert_eq!(peer.read_to_end(), b"3\r\n:\n\n\r\n0\r\n\r\n");
    assert_eq!(server.ask(|server| server.stats().requests), 1);
}

#[test]
fn a_stale_key_reaches_nobody() {
    let server = start(|_| {});
    let mut first = server.connect();
    first.send("GET /events HTTP/1.0\r\n\r\n");
    first.read_until("\r\n\r\n:\n\n");
    let old = server.next_opened();
    drop(first);
    assert_eq!(server.next_closed(), CloseCause::Ended);
    server.until("it is gone", |server| server.connections() == 0);
    // The next connection takes the same slot.
    let mut second = server.connect();
    second.send("GET /events HTTP/1.0\r\n\r\n");
    second.read_until("\r\n\r\n:\n\n");
    let new = server.next_opened();
    server.act(move |context| {
        assert_ne!(old, new);
        assert_eq!(context.send_event(old, &Event::message("lost")), Err(SendError::Gone));
        context.close(old, CloseCode::NORMAL, "");
        context.send_event(new, &Event::message("found")).expect("it is open");
    });
    assert_eq!(second.read(13), b"data: found\n\n");
}
