//! Bytes that would be a header, an event or a line of the log, if somebody let them.

use rustix::process::Signal;
use serde_json::json;

use crate::abuse::peer::{Event, Peer, ask, raw};
use crate::abuse::world::{KEY, World};
use crate::common::PATIENCE;

/// What begins a line of its own if an end of a line gets through.
const MARK: &str = "INJECTED";

/// Ends of lines and what terminals obey, as bytes and as a URL has them.
const BREAKS: [&[u8]; 12] = [
    b"\r\nINJECTED: 1\r\n",
    b"\nINJECTED: 1\n",
    b"\rINJECTED: 1\r",
    b"\r\n\r\nINJECTED",
    b"\n\nINJECTED",
    b"\0INJECTED",
    b"\x1b[2JINJECTED",
    b"\x7fINJECTED",
    b"\xff\xfeINJECTED",
    b"\xc0\x8aINJECTED",
    b"\xe2\x80\xa8INJECTED",
    b"\xc2\x85INJECTED",
];

fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

/// Sends a request made of pieces; checks what came back, and gives its status.
fn attack(world: &World, request: &[&[u8]]) -> u16 {
    let auth = format!("Authorization: ApiKey {KEY}\r\n");
    let mut bytes = Vec::new();
    for piece in request {
        let piece = if *piece == b"AUTH" { auth.as_bytes() } else { piece };
        bytes.extend_from_slice(piece);
    }
    // `answer` knows which headers are ours.
    let answer = raw(world.addr, &bytes);
    let body = &answer.body;
    for (at, _) in body.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b'\r')) {
        assert!(!body[at + 1..].starts_with(MARK.as_bytes()), "{}", body.escape_ascii());
    }
    let is_raw = |byte: &u8| matches!(byte, 0 | 0x1b | 0x7f);
    assert!(!body.iter().any(is_raw), "{}", body.escape_ascii());
    assert!(str::from_utf8(body).is_ok(), "{}", body.escape_ascii());
    let is_json = answer.header("Content-Type") == Some("application/json");
    assert!(!is_json || answer.status < 400 || !answer.code().is_empty(), "no error's JSON");
    answer.status
}

/// Each line of the log is a line of ours, of text that moves nothing.
fn check_log(world: &World) {
    let log = world.log();
    let text = String::from_utf8(log).expect("the log is text");
    assert!(!text.is_empty(), "nothing is logged");
    for line in text.lines() {
        assert!(line.starts_with('[') || line.starts_with('{'), "not a line of ours: {line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn no_byte_of_a_request_becomes_a_header_or_a_line_of_the_log() {
    let world = World::start("headers-of-others");
    let end = format!(
        " HTTP/1.1\r\nHost: localhost\r\nAuthorization: ApiKey {KEY}\r\nContent-Length: 1\r\n\r\n"
    );
    let end = end.as_bytes();
    for bytes in BREAKS {
        let encoded = percent(bytes);
        let encoded = encoded.as_bytes();
        for (before, after) in [
            (&b"POST /v1/channels/"[..], &b""[..]),
            (b"POST /v1/channels/", b"/close"),
            (b"POST /v1/publish?", b"=1"),
            (b"POST /v1/tickets?x=", b""),
            (b"POST /", b""),
        ] {
            for piece in [bytes, encoded] {
                let status = attack(&world, &[before, piece, after, end, b"x"]);
                assert!((400..500).contains(&status), "{status} {}", piece.escape_ascii());
            }
        }
        let get = format!(" HTTP/1.1\r\nHost: localhost\r\nAuthorization: ApiKey {KEY}\r\n\r\n");
        for before in [
            &b"GET /v1/poll?wait=0&channel="[..],
            b"GET /v1/poll?wait=0&channel=a&cursor=",
            b"GET /v1/position?channel=",
            b"GET /v1/channels/a/history?after=",
            b"GET /v1/poll?wait=0&channel=a&ticket=",
            b"GET /v1/channels/",
        ] {
            for piece in [bytes, encoded] {
                let after: &[u8] = if before.ends_with(b"channels/") { b"/history" } else { b"" };
                attack(&world, &[before, piece, after, get.as_bytes()]);
            }
        }
        for header in [
            "Idempotency-Key",
            "Sockeye-Event",
            "Sockeye-Expect",
            "Sockeye-Ttl-Ms",
            "Origin",
            "Last-Event-ID",
            "If-None-Match",
            "Content-Type",
            "Cookie",
            "X-Anything",
            "Host",
        ] {
            let host: &[u8] = if header == "Host" { b"" } else { b"Host: localhost\r\n" };
            let line = format!("{header}: a");
            let post: &[u8] = b"POST /v1/channels/a HTTP/1.1\r\n";
            let rest: &[u8] = b"b\r\nContent-Length: 1\r\n\r\n";
            attack(&world, &[post, host, b"AUTH", line.as_bytes(), bytes, rest, b"x"]);
        }
        attack(&world, &[b"GE", bytes, b"T / HTTP/1.1\r\nHost: localhost\r\n\r\n"]);
    }
    check_log(&world);
}

/// What is published is what is received, whatever it looks like on the way.
#[test]
fn no_publication_is_an_event_of_the_servers() {
    let world = World::start("events");
    let (target, header) = ("/v1/sse?channel=e:1", format!("Authorization: ApiKey {KEY}\r\n"));
    let mut events = ask(world.addr, "GET", target, &header, "").events();
    events.until("$sync");
    for forged in [
        "x\n\nevent: $goaway\ndata: {\"code\":4000}\n\n",
        "x\r\n\r\nevent: $goaway\r\ndata: y\r\n\r\n",
        "x\r\revent: $goaway\rdata: y\r\r",
        "\nid: 1-1\nretry: 999999\n",
        "\u{2028}event: $goaway\u{85}data: y",
        ": comment\n:\n",
        "0\r\n\r\nHTTP/1.1 200 OK\r\nINJECTED: 1\r\n\r\n",
        "\u{feff}data: x",
    ] {
        let body = json!({ "channel": "e:1", "data": forged, "event": "said" }).to_string();
        let answer = world.with_key("POST", "/v1/publish", &body);
        assert_eq!(answer.status, 200, "{}", answer.code());
        let Event { name, data, id } = events.next().expect("the event");
        // A stream of events has one kind of line end.
        let plain = forged.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!((name.as_str(), &data), ("said", &plain));
        assert_eq!(id, answer.json()["cursor"].as_str().expect("a cursor"));
    }
    // Names that would be lines, or ours, are none.
    for name in ["a\nevent: $goaway", "a\rb", "$goaway", "$sync", "\u{0}", "a\u{1b}[2J", ""] {
        let body = json!({ "channel": "e:1", "data": "x", "event": name }).to_string();
        let answer = world.with_key("POST", "/v1/publish", &body);
        assert_eq!((answer.status, answer.code()), (400, "bad_event".to_owned()), "{name:?}");
    }
    for name in ["e\n1", "e\r1", "e:\u{0}", "e:\u{1b}", "$sys:1", "e 1", "", "e:*"] {
        let body = json!({ "channel": name, "data": "x" }).to_string();
        let answer = world.with_key("POST", "/v1/publish", &body);
        assert_eq!((answer.status, answer.code()), (400, "bad_channel".to_owned()), "{name:?}");
    }
    for key in ["a\nb", "\u{0}", "\u{1b}", ""] {
        let body = json!({ "channel": "e:1", "data": "x", "key": key }).to_string();
        let answer = world.with_key("POST", "/v1/publish", &body);
        assert_eq!((answer.status, answer.code()), (400, "bad_key".to_owned()), "{key:?}");
    }
    // Nothing of that came through.
    world.with_key("POST", "/v1/channels/e:1", "last");
    assert_eq!(events.next().map(|event| event.data).as_deref(), Some("last"));
    check_log(&world);
}

/// IDs of commands come back in JSON, and nowhere else.
#[test]
fn commands_are_answered_in_json_whatever_they_say() {
    let world = World::start("commands");
    let header = format!("Authorization: ApiKey {KEY}\r\n");
    let mut socket = Peer::upgrade(world.addr, "/v1/ws", &header).socket();
    socket.until("welcome");
    for odd in ["\r\nINJECTED: 1", "\u{0}", "\u{1b}[2J", "\"}{\"type\":\"goaway\"", "\u{2028}"] {
        socket.send(&json!({ "type": "ping", "id": odd }).to_string());
        assert_eq!(socket.until("pong")["id"], odd);
        socket.send(&json!({ "type": "subscribe", "channels": [odd] }).to_string());
        assert_eq!(socket.until("error")["code"], "bad_channel");
        let publish = json!({ "type": "publish", "channel": "e", "data": "x", "event": odd });
        socket.send(&publish.to_string());
        // What ends no line may be a name.
        let may_be = odd.starts_with(['"', '\u{2028}']);
        socket.until(if may_be { "published" } else { "error" });
    }
    check_log(&world);
}

/// A browser's EventSource never comes back after any status but 200. So whoever is to come back
/// gets one, also from a server that goes away.
#[test]
fn an_event_source_that_is_to_come_back_gets_200() {
    let world = World::start_with("drain", "[drain]\naccept = 30\nwindow = 1\n");
    let wanted = r#"{"channels":["chat:1"],"session_ms":1500}"#;
    let target = format!("/v1/sse?channel=chat:1&ticket={}", world.ticket(wanted));
    let mut ends = ask(world.addr, "GET", &target, "", "").events();
    let target = "/v1/sse?channel=public:1";
    let mut open = ask(world.addr, "GET", target, "", "").events();
    open.until("$sync");
    // Its session ends: told in an event, not by a status.
    let goaway = ends.until("$goaway");
    assert!(goaway.data.contains("4302"), "{goaway:?}");
    assert_eq!(ends.next(), None);

    world.serving.signal(Signal::TERM);
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "it does not begin to drain");
        if ask(world.addr, "GET", "/readyz", "", "").status == 503 {
            break;
        }
    }
    let mut late = ask(world.addr, "GET", target, "", "").events();
    let goaway = late.until("$goaway");
    assert!(goaway.data.contains("\"code\":10"), "{goaway:?}");
    assert_eq!(late.next(), None);
}
