//! Requests sent without waiting are answered in order, and leave nothing behind.

use std::fmt::Write as _;

use crate::common::{TEXT, frame, start, upgrade_request};

#[test]
fn many_at_once_are_answered_in_order() {
    let server = start(|_| {});
    let mut peer = server.connect();
    let mut requests = String::new();
    for n in 0..2_000 {
        write!(requests, "GET /n/{n} HTTP/1.1\r\nHost: test\r\n\r\n").expect("memory");
    }
    let mut writer = peer.stream.try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, requests.as_bytes()).expect("the server takes it");
    });
    // [rfc9112:9.3.2-in-order]
    for n in 0..2_000 {
        assert_eq!(peer.read_response().1, format!("/n/{n}").as_bytes());
    }
    sending.join().expect("all sent");
}

#[test]
fn the_end_of_the_peers_direction_waits_for_the_answers() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n".repeat(100));
    peer.end();
    for _ in 0..100 {
        assert_eq!(peer.read_response().1, b"/a");
    }
    assert_eq!(peer.read_to_end(), b"");
}

#[test]
fn a_body_ends_where_the_next_request_begins() {
    let server = start(|_| {});
    let mut peer = server.connect();
    let post = |rest: &str| format!("POST /body HTTP/1.1\r\nHost: test\r\n{rest}");
    let whole = post("Content-Length: 3\r\n\r\na c");
    let chunked = post("Transfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n");
    // Whoever has begun to send a body is not told to go on. [rfc9110:10.1.1-continue]
    let cut = post("Content-Length: 3\r\nExpect: 100-continue\r\n\r\ng");
    peer.send([whole.clone(), chunked, whole, cut].concat());
    for body in ["a c", "def", "a c"] {
        assert_eq!(peer.read_response().1, body.as_bytes());
    }
    peer.send("hiGET /a HTTP/1.1\r\nHost: test\r\n\r\n");
    for body in ["ghi", "/a"] {
        let (head, answer) = peer.read_response();
        assert_eq!(answer, body.as_bytes(), "{head}");
    }
}

#[test]
fn frames_behind_the_upgrade_are_taken() {
    let server = start(|_| {});
    let mut peer = server.connect();
    let mut bytes = b"GET /a HTTP/1.1\r\nHost: test\r\n\r\n".to_vec();
    bytes.extend(upgrade_request("/echo"));
    bytes.extend(frame(TEXT, b"early"));
    bytes.extend(&frame(TEXT, b"late")[..5]);
    peer.send(bytes);
    assert_eq!(peer.read_response().1, b"/a");
    assert!(peer.read_head().starts_with("HTTP/1.1 101 "));
    assert_eq!(peer.read_frame(), (TEXT, b"early".to_vec()));
    peer.send(&frame(TEXT, b"late")[5..]);
    assert_eq!(peer.read_frame(), (TEXT, b"late".to_vec()));
}

#[test]
fn a_peer_that_pipelines_without_end_is_never_late() {
    // Each packet ends inside a head, so the connection is never between two requests.
    let server = start(|limits| limits.head_ms = 1_000);
    let mut peer = server.connect();
    let request = "GET /a HTTP/1.1\r\nHost: test\r\n\r\n";
    peer.send(&request[..20]);
    for round in 1..=25 {
        peer.send(&request[20..]);
        peer.send(&request[..20]);
        let (head, _) = peer.read_response();
        assert!(head.starts_with("HTTP/1.1 404 "), "in round {round}: {head}");
        server.until_received(round * request.len() + 20);
        server.pass(100);
    }
}
