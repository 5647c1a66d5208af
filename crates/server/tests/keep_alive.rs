//! Which connections carry another request, and for how long.

use crate::common::{TICK_MS, start};

#[test]
fn http11_persists_until_it_is_idle_for_too_long() {
    let server = start(|limits| limits.keep_alive_ms = 800);
    let mut peer = server.connect();
    for _ in 0..3 {
        peer.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
        let (head, _) = peer.read_response();
        assert!(!head.contains("Connection:"), "{head}");
        server.pass(700);
    }
    server.pass(100 + TICK_MS);
    // No fault of anybody's: no 408, just the end. [rfc9112:9.5-idle-close]
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.ask(|server| (server.stats().requests, server.stats().timeouts)), (3, 0));
}

#[test]
fn close_is_obeyed_and_announced() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n");
    let (head, body) = peer.read_response();
    // [rfc9112:9.6-close-announced]
    assert!(head.contains("\r\nConnection: close\r\n") && body == b"/a", "{head}");
    // [rfc9112:9.6-nothing-after-close]
    assert_eq!(peer.read_to_end(), b"", "nothing follows a close");
}

#[test]
fn http10_persists_only_if_it_asks() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let (head, _) = peer.read_response();
    assert!(head.contains("\r\nConnection: keep-alive\r\n"), "{head}");
    peer.send("GET /b HTTP/1.0\r\n\r\n");
    let (head, body) = peer.read_response();
    assert!(head.contains("\r\nConnection: close\r\n") && body == b"/b", "{head}");
    assert_eq!(peer.read_to_end(), b"");
}

// [rfc9110:9.3.2-head-like-get]
#[test]
fn head_gets_a_length_and_no_content() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("HEAD /bytes/5 HTTP/1.1\r\nHost: test\r\n\r\nGET /b HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = peer.read_head();
    assert!(head.contains("\r\nContent-Length: 5\r\n"), "{head}");
    let (head, body) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 404 ") && body == b"/b", "{head}");
}

#[test]
fn a_body_that_is_here_already_is_not_asked_for() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send(
        "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab",
    );
    let (head, body) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 200 ") && body == b"ab", "{head}");
}
