//! What the server refuses by itself, in the application's words.

use crate::simulation::stage::{Stage, Told, get, read, read_to_end, upgrade};

const ROOM: usize = 1_000_000;

/// What a peer sends; then the status, and the path and the reason that the application knows.
fn refused() -> Vec<(String, u16, &'static str, &'static str)> {
    let head = |line: &str, headers: &str| format!("{line}\r\nHost: sim\r\n{headers}\r\n");
    let post = |headers: &str| head("POST /a HTTP/1.1", headers);
    let long = "a".repeat(100_000);
    vec![
        (head("GET /a HTTP/1.1", "Host: sim\r\n"), 400, "-", "more than one Host"),
        (head("GET /a", ""), 400, "-", "malformed request line"),
        (head(&format!("GET /{long} HTTP/1.1"), ""), 414, "-", "the request line is too long"),
        (post(&format!("A: {long}\r\n")), 431, "-", "a header line is too long"),
        (post("Expect: more\r\n"), 417, "-", "unknown expectation"),
        (post("Transfer-Encoding: gzip, chunked\r\n"), 501, "-", "transfer coding not implemented"),
        (head("GET /a HTTP/2.0", ""), 505, "-", "version of HTTP not supported"),
        (post("Content-Length: 101\r\n"), 413, "/a", "the body is over 100 bytes"),
        (
            post("Expect: 100-continue\r\nContent-Length: 101\r\n"),
            413,
            "/a",
            "the body is over 100 bytes",
        ),
        (
            post("Transfer-Encoding: chunked\r\n") + "65\r\n" + &long[..101],
            413,
            "/a",
            "the body is over 100 bytes",
        ),
        (post("Transfer-Encoding: chunked\r\n") + "x\r\n", 400, "/a", "invalid chunk size"),
        (get("/ws"), 426, "/ws", "A WebSocket endpoint: Upgrade must name websocket."),
        (
            upgrade("").replace("GET", "POST"),
            405,
            "/ws",
            "A WebSocket connection is opened with GET.",
        ),
    ]
}

fn stage() -> Stage {
    let mut stage = Stage::new(ROOM, |limits| limits.body_bytes_max = 100);
    stage.server.app_mut().words = true;
    stage
}

/// [server:refusal-words]
#[test]
fn the_application_words_what_the_server_refuses() {
    for (sent, status, path, reason) in refused() {
        let mut stage = stage();
        let mut peer = stage.peer(&sent);
        peer.shutdown();
        stage.turns();
        let answer = read_to_end(&mut peer);
        let sent = &sent[..sent.len().min(80)];
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, format!("{status} {path} {reason}"), "{sent:?}");
        // The rest is the server's, whatever the words.
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(head.contains("\r\nContent-Type: text/words"), "{head}");
        assert!(head.contains("\r\nConnection: close") || status == 426, "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
        assert_eq!(head.contains("\r\nUpgrade: websocket"), status == 426, "{head}");
        assert_eq!(head.contains("\r\nAllow: GET"), status == 405, "{head}");
        assert_eq!(stage.server.stats().refused, 1);
    }
}

/// The application gets back what it gave for a stream that does not open.
#[test]
fn a_stream_that_does_not_open_is_told_as_such() {
    for sent in [get("/ws"), get("/events").replace("GET", "HEAD")] {
        let mut stage = stage();
        let _peer = stage.peer(&sent);
        let path = sent.split(' ').nth(1).expect("a request line").to_owned();
        assert_eq!(stage.told(), [Told::Unopened(path)]);
    }
}

#[test]
fn without_words_there_is_a_line_of_text() {
    for (sent, status, _, reason) in refused() {
        let mut stage = stage();
        stage.server.app_mut().words = false;
        let mut peer = stage.peer(&sent);
        peer.shutdown();
        stage.turns();
        let answer = read_to_end(&mut peer);
        assert!(answer.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{answer}");
        let of_status = sockeye_server::Status::new(status).expect("a status").reason();
        let text = if [405, 426].contains(&status) { reason } else { of_status };
        assert!(answer.ends_with(&format!("\r\n\r\n{text}")), "{answer}");
    }
}

/// [server:refusal-words]
#[test]
fn what_is_late_is_worded_too() {
    let head = "POST /a HTTP/1.1\r\nHost: sim\r\nContent-Length: 9\r\n\r\n";
    for (sent, ms, text) in [
        (&head[..20], 5_100, "408 - the head did not come in time"),
        (head, 30_100, "408 /a the body did not come in time"),
    ] {
        let mut stage = stage();
        let mut peer = stage.peer(sent);
        stage.pass(ms);
        let answer = read(&mut peer).expect("an answer");
        assert!(answer.ends_with(&format!("\r\n\r\n{text}")), "{answer}");
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\r\nConnection: close"));
    }
    let mut stage = stage();
    let (mut peer, stream) = stage.open(&get("/hold/second"));
    stage.pass(1_100);
    let answer = read(&mut peer).expect("it is kept");
    assert!(answer.ends_with("\r\n\r\n503 - there was no answer in time"), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 1\r\n") && answer.contains("text/words"), "{answer}");
    assert!(stage.told().contains(&Told::Refused(stream)));
}

/// [rfc9110:9.3.2-head-like-get]
#[test]
fn head_is_refused_without_content() {
    for words in [true, false] {
        let mut stage = stage();
        stage.server.app_mut().words = words;
        let sent = "HEAD /a HTTP/1.1\r\nHost: sim\r\nContent-Length: 101\r\n\r\n";
        let mut peer = stage.peer(sent);
        peer.shutdown();
        stage.turns();
        let answer = read_to_end(&mut peer);
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(!answer.contains("Content-Length: 0"), "{answer}");
    }
}
