//! A body that does not come in time is answered 408.

use crate::common::{TICK_MS, start};

fn is_answered_408(request: &str) {
    let server = start(|limits| limits.body_ms = 150);
    let mut peer = server.connect();
    peer.send(request);
    server.until_received(request.len());
    server.pass(150 + TICK_MS);
    let (head, _) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.ask(|server| (server.stats().timeouts, server.stats().requests)), (1, 0));
}

#[test]
fn a_body_of_known_length() {
    is_answered_408("POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nnine byt");
}

#[test]
fn a_chunked_body() {
    is_answered_408(
        "POST /body HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
    );
}

#[test]
fn a_body_that_waits_for_100_and_then_never_comes() {
    let server = start(|limits| limits.body_ms = 150);
    let mut peer = server.connect();
    peer.send(
        "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    );
    // [rfc9110:10.1.1-continue]
    assert_eq!(peer.read_head(), "HTTP/1.1 100 Continue\r\n\r\n");
    server.pass(150 + TICK_MS);
    let (head, _) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
}

#[test]
fn a_head_in_time_gives_the_body_its_own_time() {
    let server = start(|limits| limits.head_ms = 500);
    let mut peer = server.connect();
    let first = "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\na";
    peer.send(first);
    server.until_received(first.len());
    server.pass(900);
    peer.send("bc");
    assert_eq!(peer.read_response().1, b"abc");
}
