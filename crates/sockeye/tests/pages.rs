//! The demo's pages: what is there, what is not, and which methods they know.

use crate::common::serve_anywhere;

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
    assert!(head.contains("\r\nCache-Control: no-store\r\n"), "{head}");
    let (head, body) = peer.fetch("GET", "/readyz");
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "ready\n", "{head}");

    let (head, body) = peer.fetch("GET", "/page/needed.json");
    assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
    assert_eq!(body, r#"{"authority":null,"credential":null}"#, "it speaks no TLS, and is open");

    for missing in ["/nothing", "/healthz/", "//", "/%2e%2e/etc/passwd", "/page/", "/page/x.js"] {
        let (head, body) = peer.fetch("GET", missing);
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(!body.contains(missing), "nothing of the peer's is repeated");
    }

    for page in ["/", "/admin", "/page/style.css", "/healthz", "/clock"] {
        let (head, _) = peer.fetch("DELETE", page);
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{head}");
        assert!(head.contains("\r\nAllow: GET, HEAD\r\n"), "{head}");
    }
    // The handshake answers for itself, and ends the connection.
    let (head, _) = peer.fetch("POST", "/echo");
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\r\nAllow: GET\r\n"), "{head}");
    assert_eq!(peer.read_to_end(), "");
}

/// What a page names, it can fetch; under its policy, nothing else would run.
#[test]
fn every_file_that_a_page_names_is_there() {
    let serving = serve_anywhere();
    let mut peer = serving.connect();
    let mut known = vec!["/".to_owned(), "/admin".to_owned(), "/performance".to_owned()];
    let mut at = 0;
    while at < known.len() {
        let (head, text) = peer.fetch("GET", &known[at]);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{}: {head}", known[at]);
        assert!(head.contains("\r\nX-Content-Type-Options: nosniff\r\n"), "{head}");
        assert!(!head.contains("unsafe"), "{head}");
        let kind = match known[at].rsplit_once('.') {
            Some((_, "js")) => "text/javascript",
            Some((_, "css")) => "text/css",
            Some((_, "md")) => "text/plain",
            _ => "text/html",
        };
        assert!(head.contains(&format!("\r\nContent-Type: {kind}; charset=utf-8\r\n")), "{head}");
        if kind == "text/html" {
            // In line, the policy would stop them, and only a browser would tell.
            assert!(!text.contains("<style") && !text.contains("<script>"), "{}", known[at]);
            assert!(!text.contains(" style=") && !text.contains(" onclick="), "{}", known[at]);
        }
        for found in named_in(&text) {
            if !known.contains(&found) {
                known.push(found);
            }
        }
        at += 1;
    }
    assert_eq!(known.len(), 15, "{known:?}");
}

/// Paths of style and scripts: in attributes of HTML, and in imports of scripts.
fn named_in(text: &str) -> Vec<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    let files = quoted.filter(|it| [".js", ".css", ".md"].iter().any(|end| it.ends_with(end)));
    let path = |it: &str| match it.strip_prefix("./") {
        Some(beside) => format!("/page/{beside}"),
        None => it.to_owned(),
    };
    files.map(path).collect()
}
