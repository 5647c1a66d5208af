//! Every bound on a request has its own status, and holds at its very border.

use crate::common;

use common::{Running, start};

fn status(server: &Running, request: &[u8]) -> u16 {
    let mut peer = server.connect();
    peer.send(request);
    let (head, _) = peer.read_response();
    head[9..12].parse().expect("a status")
}

fn with_body(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("POST /body HTTP/1.1\r\nHost: test\r\n{headers}\r\n").as_bytes(), body].concat()
}

#[test]
fn bodies() {
    let server = start(|limits| limits.body_bytes_max = 1_000);
    let sized = |len: usize| with_body(&format!("Content-Length: {len}\r\n"), &vec![b'x'; len]);
    assert_eq!(status(&server, &sized(1_000)), 200);
    assert_eq!(status(&server, &sized(1_001)), 413);
    // Refused by its head alone, asked for or not.
    let head = with_body("Content-Length: 1001\r\n", b"");
    assert_eq!(status(&server, &head), 413);
    let head = with_body("Content-Length: 1001\r\nExpect: 100-continue\r\n", b"");
    // [rfc9110:10.1.1-final-instead]
    assert_eq!(status(&server, &head), 413);
    let head = with_body("Content-Length: 18446744073709551615\r\n", b"");
    assert_eq!(status(&server, &head), 413);

    let chunked = |chunks: &[u8]| with_body("Transfer-Encoding: chunked\r\n", chunks);
    let thousand = [b"3e8\r\n".as_slice(), &[b'x'; 1_000], b"\r\n"].concat();
    assert_eq!(status(&server, &chunked(&[&*thousand, b"0\r\n\r\n"].concat())), 200);
    // The thousand and first byte is too much, whatever the rest looks like.
    assert_eq!(status(&server, &chunked(&[&*thousand, b"1\r\nx"].concat())), 413);
    assert_eq!(status(&server, &chunked(b"zz\r\n")), 400);
}

#[test]
fn heads() {
    let server = start(|_| {});
    let headers = |count: usize| {
        format!("GET / HTTP/1.1\r\nHost: test\r\n{}\r\n", "X: y\r\n".repeat(count - 1))
    };
    assert_eq!(status(&server, headers(64).as_bytes()), 404);
    assert_eq!(status(&server, headers(65).as_bytes()), 431);
    let target = format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "x".repeat(9_000));
    assert_eq!(status(&server, target.as_bytes()), 414);
    let header = format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "x".repeat(9_000));
    assert_eq!(status(&server, header.as_bytes()), 431);
    assert_eq!(status(&server, b"GET / HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(status(&server, b"GET / HTTP/2.0\r\nHost: test\r\n\r\n"), 505);
    assert_eq!(status(&server, b"\x16\x03\x01"), 400);
    assert_eq!(status(&server, b"GET / HTTP/1.1\r\nHost: test\r\nExpect: cake\r\n\r\n"), 417);
}

#[test]
fn handshakes() {
    let server = start(|_| {});
    let upgrade = String::from_utf8(common::upgrade_request("/echo")).expect("text");
    assert_eq!(status(&server, upgrade.replace("GET", "POST").as_bytes()), 405);
    assert_eq!(status(&server, upgrade.replace("Version: 13", "Version: 8").as_bytes()), 426);
    assert_eq!(status(&server, b"GET /echo HTTP/1.1\r\nHost: test\r\n\r\n"), 426);
    let stats = server.ask(|server| *server.stats());
    assert_eq!((stats.refused, stats.websockets_opened), (3, 0));
}

#[test]
fn an_untouched_peer_costs_no_answer() {
    // Noise is refused at its first impossible byte, not when a head's worth of it has come.
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send(b"\0");
    assert!(peer.read_response().0.starts_with("HTTP/1.1 400 "));
}
