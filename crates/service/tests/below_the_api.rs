//! What the server refuses before it is a request has the API's body.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::{Answered, PATIENCE, Running, guarded_by, start};
use sockeye_auth::{AllowedOrigins, Identity, Keys, Limits, Taken};
use sockeye_service::{Access, Guard};

const ORIGIN: &str = "Origin: https://app.example\r\n";

/// A server for a site's pages, with small and short limits.
fn server() -> Running {
    start(|setup| {
        setup.server.body_bytes_max = 100;
        setup.server.head_ms = 300;
        setup.server.body_ms = 300;
        let origins = AllowedOrigins::new(["https://app.example"]).expect("an origin");
        setup.access = Some(Access::Guarded(Box::new(Guard {
            taken: Taken { origins, ..Taken::default() },
            ..guarded_by(Keys::new(Limits::default()), Identity::anonymous())
        })));
    })
}

/// Sends these bytes, and reads the answer up to the end of the connection.
fn send(server: &Running, request: &str) -> Answered {
    let mut stream = TcpStream::connect(server.addr).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .unwrap_or_else(|error| panic!("{error} after {request:.300} -> {answer}"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head[9..12].parse().expect("a status");
    let (head, body) = (head.to_owned(), body.to_owned());
    Answered { status, head, body_bytes: body.len(), body }
}

/// [service:statuses-below]
#[test]
fn refusals_below_the_api_have_its_body() {
    let server = server();
    let long = "a".repeat(100_000);
    let request = |line: &str, headers: &str| {
        format!("{line}\r\nHost: {}\r\n{ORIGIN}{headers}\r\n", server.addr)
    };
    let post = |headers: &str| request("POST /v1/channels/a HTTP/1.1", headers);
    let cases = [
        (request("GET /v1/poll HTTP/1.1", "Host: two\r\n"), 400, "bad_http"),
        (request(&format!("GET /v1/{long} HTTP/1.1"), ""), 414, "target_too_long"),
        (post(&format!("Sockeye-Event: {long}\r\n")), 431, "head_too_large"),
        (post("Expect: more\r\n"), 417, "unknown_expectation"),
        (post("Transfer-Encoding: gzip, chunked\r\n"), 501, "not_implemented"),
        (request("GET /v1/poll HTTP/2.0", ""), 505, "bad_version"),
        (post("")[..30].to_owned(), 408, "timeout"),
    ];
    for (sent, status, code) in cases {
        let answered = send(&server, &sent);
        assert_eq!(answered.status, status, "{code}: {}", answered.head);
        assert_eq!(answered.json()["error"]["code"], code);
        assert!(answered.json()["error"]["message"].as_str().is_some_and(|it| it.len() > 5));
        assert_eq!(answered.header("Content-Type"), Some("application/json"));
        assert_eq!(answered.header("Connection"), Some("close"));
        assert_eq!(answered.header("Access-Control-Allow-Origin"), None, "it is not known");
    }
}

/// [service:statuses-below] [service:cors-every-answer]
#[test]
fn with_a_whole_head_the_page_may_read_them() {
    let server = server();
    let request = |line: &str, headers: &str| {
        format!("{line}\r\nHost: {}\r\n{ORIGIN}{headers}\r\n", server.addr)
    };
    let post = |headers: &str| request("POST /v1/channels/a HTTP/1.1", headers);
    let chunked = post("Transfer-Encoding: chunked\r\n");
    let cases = [
        (post("Content-Length: 101\r\n"), 413, "too_large"),
        (format!("{chunked}65\r\n{}", "a".repeat(101)), 413, "too_large"),
        (format!("{chunked}x\r\n"), 400, "bad_http"),
        (post("Content-Length: 9\r\n") + "part", 408, "timeout"),
        (request("GET /v1/ws?channel=a HTTP/1.1", ""), 426, "upgrade_required"),
        (request("GET /v1/ws HTTP/1.1", ""), 426, "upgrade_required"),
        (request("GET /v1/ws?channel=a HTTP/1.0", ""), 426, "upgrade_required"),
    ];
    for (sent, status, code) in cases {
        for (origin, allowed) in
            [(ORIGIN, Some("https://app.example")), ("Origin: https://evil.example\r\n", None)]
        {
            let answered = send(&server, &sent.replace(ORIGIN, origin));
            assert_eq!(answered.status, status, "{code}: {}", answered.head);
            assert_eq!(answered.json()["error"]["code"], code);
            assert_eq!(answered.header("Access-Control-Allow-Origin"), allowed, "{code}");
        }
    }
    let counted = server.run(|server| server.stats().refused);
    assert!(counted >= 12, "{counted}");
}
