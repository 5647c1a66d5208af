//! A head that does not come in time is answered 408; one that we kept waiting ourselves is not.

use crate::common::{TICK_MS, start, start_timed};

#[test]
fn a_head_that_trickles_in_is_answered_408() {
    let server = start(|limits| limits.head_ms = 150);
    let mut peer = server.connect();
    peer.send("GET / HTTP/1.1\r\nHo");
    server.until_received(18);
    server.pass(150 + TICK_MS);
    let (head, body) = peer.read_response();
    // [rfc9110:15.5.9-request-timeout]
    assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
    // RFC 9112 §9.6: a server that closes says so. [rfc9112:9.6-close-announced]
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert_eq!(body, b"Request Timeout");
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.ask(|server| server.stats().timeouts), 1);
}

#[test]
fn a_connection_that_says_nothing_is_let_go_of() {
    let server = start_timed(|limits| limits.head_ms = 100);
    let mut peer = server.connect();
    peer.wait_for_end();
    drop(peer);
    server.until("it is gone", |server| server.connections() == 0);
}

#[test]
fn the_deadline_is_one_for_the_whole_head() {
    let server = start(|limits| limits.head_ms = 200);
    let mut peer = server.connect();
    // A byte now and then is no excuse.
    for (at, byte) in b"GET / HTTP".iter().enumerate() {
        assert_eq!(server.ask(|server| server.stats().timeouts), 0, "after {at} bytes");
        peer.send([*byte]);
        server.until_received(at + 1);
        server.pass(20);
    }
    server.pass(TICK_MS);
    assert_eq!(server.ask(|server| server.stats().timeouts), 1);
}

#[test]
fn a_second_head_has_its_own_time() {
    let server = start(|limits| limits.head_ms = 1_000);
    let mut peer = server.connect();
    // The first request takes longer than a head may, because its body is slow; the second one
    // begins in the same packet in which the first one ends.
    let slow = "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na";
    peer.send(slow);
    server.until_received(slow.len());
    server.pass(1_300);
    peer.send("bGET /second HTTP/1.1\r\n");
    let (head, body) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body == b"ab", "{head}");
    server.pass(999);
    peer.send("Host: test\r\n\r\n");
    let (head, body) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 404 ") && body == b"/second", "{head}");
}

#[test]
fn time_in_which_we_do_not_read_does_not_count() {
    // A large response that is read slowly pauses reading; the next head waits in the socket.
    let server = start(|limits| {
        limits.head_ms = 800;
        limits.outbox_pause_bytes = 1_000;
    });
    let mut peer = server.connect();
    peer.send("GET /bytes/16000000 HTTP/1.1\r\nHost: test\r\n\r\nGET /later HTTP/1.1\r\n");
    let head = peer.read_head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    server.until("reading is paused", |server| server.stats().read_pauses == 1);
    server.pass(1_500);
    peer.send("Host: test\r\n\r\n");
    assert!(peer.read(16_000_000).iter().all(|byte| *byte == b'.'));
    let (head, body) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 404 ") && body == b"/later", "{head}");
}
