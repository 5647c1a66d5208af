//! What pages of other sites may ask, and read of the answers.

use crate::common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Answered, PATIENCE, Setup, Slow, ask, guarded_by, start};
use sockeye_auth::{AllowedOrigins, Grants, Identity, Keys, Limits, Taken};
use sockeye_service::{Access, Guard};

const APP: &str = "https://app.example";
const ORIGIN: &str = "Origin: https://app.example\r\n";
const EVIL: &str = "Origin: https://evil.example\r\n";

/// Everybody may use what is public, and pages of one site may use it.
fn listed(setup: &mut Setup) {
    let everybody = Identity {
        subscribe: Grants::new(["public:>"], &Limits::default()).expect("a pattern"),
        publish: Grants::new(["public:>"], &Limits::default()).expect("a pattern"),
        ..Identity::anonymous()
    };
    setup.access = Some(Access::Guarded(Box::new(Guard {
        taken: Taken {
            origins: AllowedOrigins::new([APP, "https://other.example"]).expect("origins"),
            ..Taken::default()
        },
        ..guarded_by(Keys::new(Limits::default()), everybody)
    })));
}

fn with_cookie(setup: &mut Setup) {
    listed(setup);
    if let Some(Access::Guarded(guard)) = &mut setup.access {
        guard.taken.cookie = Some("session".to_owned());
    }
}

/// The values of all header lines of that name.
fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// What a browser has to find before a page of ours gets to see the answer.
fn is_for_app(head: &str) {
    assert_eq!(values(head, "Access-Control-Allow-Origin"), [APP], "{head}");
    let [varies] = values(head, "Vary")[..] else { panic!("{head}") };
    assert!(varies.split(", ").any(|name| name == "Origin"), "{head}");
    let exposed = values(head, "Access-Control-Expose-Headers");
    assert_eq!(exposed, ["Sockeye-Cursor, ETag, Retry-After"], "{head}");
}

fn has_no_cors(head: &str) {
    assert!(!head.to_ascii_lowercase().contains("access-control-"), "{head}");
}

fn preflight(addr: SocketAddr, target: &str, origin: &str) -> Answered {
    let headers = format!(
        "{origin}Access-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization,content-type\r\n"
    );
    ask(addr, "OPTIONS", target, &headers, "")
}

/// [service:cors-preflight]
#[test]
fn a_preflight_says_what_may_be_asked() {
    let server = start(listed);
    for (target, methods) in [
        ("/v1/channels/public:1", "POST"),
        ("/v1/publish", "POST"),
        ("/v1/batch", "POST"),
        ("/v1/tickets", "POST"),
        ("/v1/channels/public:1/close", "POST"),
        ("/v1/channels/public:1/history", "GET, HEAD"),
        ("/v1/sse?channel=public:1", "GET, HEAD"),
        ("/v1/poll?channel=private:1", "GET, HEAD"),
        ("/v1/position", "GET, HEAD"),
    ] {
        let answered = preflight(server.addr, target, ORIGIN);
        assert_eq!((answered.status, answered.body.as_str()), (204, ""), "{target}");
        assert_eq!(values(&answered.head, "Access-Control-Allow-Origin"), [APP]);
        assert_eq!(values(&answered.head, "Vary"), ["Origin"]);
        assert_eq!(values(&answered.head, "Access-Control-Allow-Methods"), [methods], "{target}");
        assert_eq!(values(&answered.head, "Access-Control-Max-Age"), ["7200"]);
        let [headers] = values(&answered.head, "Access-Control-Allow-Headers")[..] else {
            panic!("{answered:?}");
        };
        let names: Vec<&str> = headers.split(", ").collect();
        for name in [
            "Authorization",
            "Content-Type",
            "If-None-Match",
            "Last-Event-ID",
            "Idempotency-Key",
            "Sockeye-Event",
            "Sockeye-Expect",
            "Sockeye-Ttl-Ms",
        ] {
            assert!(names.contains(&name), "{name} in {headers}");
        }
        assert_eq!(names.len(), 8, "and not one that nothing reads: {headers}");
    }
    // Nothing was done by asking whether it may be.
    assert_eq!(server.run(|server| server.app().hub_stats().channels), 0);
}

/// [service:cors-preflight]
#[test]
fn what_is_no_preflight_is_no_method_here() {
    let server = start(listed);
    for headers in ["", ORIGIN, "Access-Control-Request-Method: POST\r\n"] {
        let answered = ask(server.addr, "OPTIONS", "/v1/publish", headers, "");
        assert_eq!((answered.status, answered.header("Allow")), (405, Some("POST")), "{headers}");
    }
    // Nothing is there, and these are not for pages.
    for (target, status) in [("/v1/nothing", 404), ("/metrics", 405), ("/healthz", 405)] {
        assert_eq!(preflight(server.addr, target, ORIGIN).status, status, "{target}");
    }
    for target in ["/metrics", "/healthz", "/readyz"] {
        has_no_cors(&ask(server.addr, "GET", target, ORIGIN, "").head);
    }
}

/// [service:cors-listed-only]
#[test]
fn pages_of_other_sites_are_told_nothing() {
    let server = start(with_cookie);
    for origin in [
        EVIL,
        "Origin: null\r\n",
        "Origin: *\r\n",
        "Origin: https://app.example.evil.example\r\n",
        "Origin: https://app.example:8443\r\n",
        "Origin: http://app.example\r\n",
        "Origin: https://app.example, https://evil.example\r\n",
    ] {
        let refused = preflight(server.addr, "/v1/channels/public:1", origin);
        assert_eq!(refused.status, 403, "{origin}");
        assert_eq!(refused.json()["error"]["code"], "origin_not_allowed");
        has_no_cors(&refused.head);
        for (method, target) in [
            ("GET", "/v1/position"),
            ("GET", "/v1/poll?channel=public:1"),
            ("POST", "/v1/channels/public:1"),
            ("GET", "/v1/nothing"),
        ] {
            has_no_cors(&ask(server.addr, method, target, origin, "x").head);
        }
    }
    // One that is on the list beside one that is not is nobody's.
    let two = format!("{ORIGIN}{EVIL}");
    let answered = ask(server.addr, "GET", "/v1/position", &two, "");
    assert_eq!(answered.status, 400);
    has_no_cors(&answered.head);
    // No page, no need.
    has_no_cors(&ask(server.addr, "GET", "/v1/position", "", "").head);
}

/// [service:cors-listed-only]
#[test]
fn each_page_is_told_its_own_origin() {
    let server = start(listed);
    for origin in [APP, "https://other.example"] {
        let header = format!("Origin: {origin}\r\n");
        let answered = ask(server.addr, "GET", "/v1/position", &header, "");
        assert_eq!(values(&answered.head, "Access-Control-Allow-Origin"), [origin]);
    }
}

/// [service:open-same-host] [service:cors-listed-only]
#[test]
fn an_open_server_lets_no_other_pages_in() {
    let server = start(|_| ());
    let refused = preflight(server.addr, "/v1/channels/a", ORIGIN);
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &"forbidden".into()));
    has_no_cors(&refused.head);
    has_no_cors(&ask(server.addr, "GET", "/v1/position", ORIGIN, "").head);
    let own = format!("Origin: http://{}\r\n", server.addr);
    let answered = ask(server.addr, "POST", "/v1/channels/a", &own, "x");
    assert_eq!(answered.status, 200);
    has_no_cors(&answered.head);
}

/// [service:cors-every-answer]
#[test]
fn every_answer_may_be_read() {
    let server = start(listed);
    common::publish(server.addr, "public:1", "one");
    let closed = ask(server.addr, "POST", "/v1/channels/public:2/close", "", "").json();
    let end = closed["cursor"].as_str().expect("a cursor");
    let ended = format!("/v1/sse?channel=public:2&cursor={end}");
    let known = format!("{ORIGIN}If-None-Match: \"{end}\"\r\n");
    let wrong = format!("{ORIGIN}Authorization: ApiKey wrong_wrong_wrong_wrong_wrong_wrong\r\n");
    for (method, target, headers, status) in [
        ("GET", "/v1/position?channel=public:1", ORIGIN, 200),
        ("HEAD", "/v1/position?channel=public:1", ORIGIN, 200),
        ("GET", "/v1/channels/public:1/history", ORIGIN, 200),
        ("POST", "/v1/channels/public:1", ORIGIN, 200),
        ("GET", "/v1/poll?channel=public:1&cursor=earliest", ORIGIN, 200),
        ("GET", &ended, ORIGIN, 204),
        ("GET", "/v1/poll?channel=public:2", &known, 304),
        ("GET", "/v1/poll", ORIGIN, 400),
        ("GET", "/v1/poll?channel=public:1&what=1", ORIGIN, 400),
        ("GET", "/v1/position", &wrong, 401),
        ("GET", "/v1/poll?channel=private:1", ORIGIN, 401),
        ("GET", "/v1/nothing", ORIGIN, 404),
        ("DELETE", "/v1/publish", ORIGIN, 405),
        ("POST", "/v1/channels/public:2", ORIGIN, 409),
    ] {
        let answered = ask(server.addr, method, target, headers, "");
        assert_eq!(answered.status, status, "{method} {target}: {answered:?}");
        is_for_app(&answered.head);
        assert!(!answered.head.contains("Allow-Credentials"), "no cookie is taken: {answered:?}");
    }
}

/// [service:cors-credentials]
#[test]
fn cookies_are_taken_where_one_is_configured() {
    let server = start(with_cookie);
    for answered in [
        preflight(server.addr, "/v1/publish", ORIGIN),
        ask(server.addr, "GET", "/v1/position", ORIGIN, ""),
        ask(server.addr, "GET", "/v1/nothing", ORIGIN, ""),
    ] {
        let head = &answered.head;
        assert_eq!(values(head, "Access-Control-Allow-Credentials"), ["true"], "{head}");
        assert_eq!(values(head, "Access-Control-Allow-Origin"), [APP], "never *: {head}");
    }
}

/// [service:cors-every-answer]
#[test]
fn so_may_what_comes_later() {
    let server = start(listed);
    let mut peer = Waiting::ask(server.addr, "GET", "/v1/sse?channel=public:1", "");
    is_for_app(&peer.head());
    let mut poll = Waiting::ask(server.addr, "GET", "/v1/poll?channel=public:1&wait=60", "");
    let mut empty = Waiting::ask(server.addr, "GET", "/v1/poll?channel=public:2&wait=1", "");
    server.wait_for_streams(3);
    common::publish(server.addr, "public:1", "one");
    for (waiting, status) in [(&mut poll, "200"), (&mut empty, "204")] {
        let head = waiting.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(values(&head, "Sockeye-Cursor").len(), 1);
        is_for_app(&head);
    }
}

/// `docs/protocol.md` shows the headers of an answer and those of a preflight's.
#[test]
fn the_description_shows_what_is_sent() {
    const DOC: &str = include_str!("../../../docs/protocol.md");
    let mut blocks = DOC.split("```text http\n").skip(1);
    let mut shown = || blocks.next().and_then(|it| it.split("```").next()).expect("a block");
    let server = start(listed);
    let answer = ask(server.addr, "GET", "/v1/position", ORIGIN, "").head;
    let preflight = preflight(server.addr, "/v1/publish", ORIGIN).head;
    for (shown, head) in [(shown(), answer), (shown(), preflight)] {
        assert!(!shown.is_empty());
        for line in shown.lines() {
            assert!(head.lines().any(|it| it == line), "{line} in {head}");
        }
    }
}

/// [service:cors-every-answer]
#[test]
fn so_may_a_receipt_that_waits_for_the_log() {
    for (through, status) in [(1, "200"), (u64::MAX, "503")] {
        let state = Arc::new(AtomicU64::new(0));
        let log = Slow(Arc::clone(&state));
        let server = start(|setup| {
            listed(setup);
            setup.prepare = Some(Box::new(|service| service.with_log(Box::new(log))));
        });
        let mut publish = Waiting::ask(server.addr, "POST", "/v1/channels/public:1", "x");
        server.wait_until(|service| service.holdings().held == 1);
        state.store(through, Ordering::SeqCst);
        server.run(|_| ());
        let head = publish.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        is_for_app(&head);
    }
    // The server's own answer, if the log never has one.
    let state = Arc::new(AtomicU64::new(0));
    let server = start(|setup| {
        listed(setup);
        setup.server.hold_ms = 50;
        setup.prepare = Some(Box::new(|service| service.with_log(Box::new(Slow(state)))));
    });
    let head = Waiting::ask(server.addr, "POST", "/v1/channels/public:1", "x").head();
    assert_eq!((&head[9..12], values(&head, "Retry-After")), ("503", vec!["1"]));
    // [service:statuses-below]
    assert_eq!(values(&head, "Content-Type"), ["application/json"]);
    is_for_app(&head);
}

/// A request from a page of ours whose answer may come later.
struct Waiting(TcpStream);

impl Waiting {
    fn ask(addr: SocketAddr, method: &str, target: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let len = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {addr}\r\n{ORIGIN}Content-Length: {len}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("it is read");
        Self(stream)
    }

    fn head(&mut self) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).expect("a head in time");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("ASCII")
    }
}
