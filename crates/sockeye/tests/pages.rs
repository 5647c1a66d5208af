//! The demo's pages: what is there, what is not, and which methods they know.

mod common;

use common::serve_anywhere;

#[test]
fn every_page_in_one_connection() {
    let serving = serve_anywhere();
    let mut peer = serving.connect();
    let (head, body) = peer.fetch("GET", "/");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Security-Policy: default-src 'none'; "), "{head}");
    assert!(body.starts_with("<!doctype html>") || body.starts_with("<!DOCTYPE html>"));

    let (head, nothing) = peer.fetch("HEAD", "/");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert_eq!(nothing, "");

    let (head, body) = peer.fetch("GET", "/healthz?verbose");
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "ok\n", "{head}");
    assert!(head.contains("\r\nCache-Control: no-cache\r\n"), "{head}");

    for missing in ["/nothing", "/healthz/", "//", "/%2e%2e/etc/passwd"] {
        let (head, body) = peer.fetch("GET", missing);
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(!body.contains(missing), "nothing of the peer's is repeated");
    }

    for page in ["/", "/healthz", "/clock"] {
        let (head, _) = peer.fetch("DELETE", page);
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{head}");
        assert!(head.contains("\r\nAllow: GET, HEAD\r\n"), "{head}");
    }
    // The handshake answers for itself, and ends the connection.
    let (head, _) = peer.fetch("POST", "/echo");
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\r\nAllow: GET\r\n"), "{head}");
    assert_eq!(peer.read_to_end(), "");
}
