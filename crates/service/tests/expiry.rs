//! Nothing is for somebody whose time is over.

use std::io::Write;
use std::net::TcpStream;

use crate::common::{
    Events, Running, Setup, Socket, ask, guarded_by, publish, read_some, start, tickets,
};
use serde_json::Value;
use sockeye_auth::{Grants, Identity, Keys, Limits};
use sockeye_service::{Access, Guard};

pub(crate) const HEADER: &str = "Authorization: ApiKey a_back_end_s_key_of_a_good_length_01\r\n";

pub(crate) fn setup(setup: &mut Setup) {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    let shop = Identity {
        subscribe: Grants::everything(),
        publish: Grants::everything(),
        tickets: Grants::everything(),
        ..Identity::anonymous()
    };
    keys.add_text("shop", HEADER[22..].trim_end(), shop).expect("a good key");
    setup.access = Some(Access::Guarded(Box::new(Guard {
        tickets: Some(tickets(limits)),
        ..guarded_by(keys, Identity::anonymous())
    })));
}

/// A ticket for a session of two seconds.
pub(crate) fn ticket(server: &Running) -> String {
    let wanted = r#"{"user":"ann","channels":[">"],"publish":[">"],"session_ms":2000}"#;
    let issued = ask(server.addr, "POST", "/v1/tickets", HEADER, wanted).json();
    issued["ticket"].as_str().expect("a ticket").to_owned()
}

fn last(server: &Running, channel: &str) -> u64 {
    let target = format!("/v1/position?channel={channel}");
    let position = ask(server.addr, "GET", &target, HEADER, "").json();
    position["channels"][0]["last"].as_u64().expect("a number")
}

/// [service:expiry] The loop is held up until the time is over: what has come in meanwhile is looked
/// at before any timer.
#[test]
fn what_comes_in_the_turn_that_ends_it_is_not_for_it() {
    let server = start(setup);
    let mut socket = Socket::open(
        server.addr,
        &format!("/v1/ws?ticket={}", ticket(&server)),
        Some("sockeye.v1.json"),
    );
    assert_eq!(socket.next_json()["type"], "welcome");
    socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
    socket.until("sync");
    let target = format!("/v1/sse?channel=a&ticket={}", ticket(&server));
    let mut events = Events::open(server.addr, &target, "");
    events.until("$sync");
    let mut publisher = TcpStream::connect(server.addr).expect("it listens");
    let ask = |publisher: &mut TcpStream, line: &str, body: &str| {
        let len = body.len();
        let request =
            format!("{line} HTTP/1.1\r\nHost: a\r\n{HEADER}Content-Length: {len}\r\n\r\n{body}");
        publisher.write_all(request.as_bytes()).expect("it is read");
    };
    // Accepted and heard of, so that what it says next is read in one turn with the rest.
    ask(&mut publisher, "GET /healthz", "");
    assert!(read_some(&mut publisher, &mut [0; 4096]).expect("an answer") > 0);
    let mut socket = server.run(move |_| {
        // Both lie in the system's buffers before the loop looks.
        socket.send(r#"{"type":"publish","channel":"b","data":"too late"}"#);
        ask(&mut publisher, "POST /v1/channels/a", "too late");
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        socket
    });
    let mut said = Vec::new();
    while let Some(text) = socket.next() {
        said.push(text);
    }
    assert!(said.len() == 1 && said[0].contains("4302"), "{said:?}");
    assert_eq!(socket.closed().0, 4302);
    assert_eq!(events.next().expect("an event").name, "$goaway");
    assert_eq!(last(&server, "b"), 0);
    assert!(last(&server, "a") > 0, "it was published, for others");
}

/// [service:expiry] A poll waits no longer than it may.
#[test]
fn a_poll_ends_with_who_it_is() {
    let server = start(setup);
    let target = format!("/v1/poll?channel=a&wait=60&ticket={}", ticket(&server));
    assert_eq!(ask(server.addr, "GET", &target, "", "").status, 204);
}

/// [service:lifetime] On each transport: told to come back, with a cursor from which nothing is missed.
#[test]
fn a_stream_ends_when_it_is_old_enough() {
    const LIFE_MS: u64 = 400;
    let server = start(|it| it.limits.lifetime_ms = LIFE_MS);
    let mut socket = Socket::open(server.addr, "/v1/ws", Some("sockeye.v1.json"));
    socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
    let mut bare = Socket::open(server.addr, "/v1/ws?channel=a", None);
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", "");
    let goaway = events.until("$goaway");
    assert_eq!((&goaway["code"], &goaway["retry_ms"]), (&4204.into(), &Value::Null));
    assert_eq!(socket.until("goaway")["code"], 4204);
    assert_eq!((socket.closed().0, bare.closed().0), (4204, 4204));
    publish(server.addr, "a", "between");
    let cursor = goaway["cursor"].as_str().expect("a cursor");
    let resume = format!("Last-Event-ID: {cursor}\r\n");
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", &resume);
    while events.next().expect("it comes before the end").data != "between" {}
}

/// Whoever grows old before the credentials expire is not told to bring others, nor the other way round.
#[test]
fn the_first_of_two_ends_is_told() {
    for (life_ms, code) in [(200, 4204), (600_000, 4302)] {
        let server = start(|it| {
            setup(it);
            it.limits.lifetime_ms = life_ms;
        });
        let target = format!("/v1/ws?ticket={}", ticket(&server));
        let mut socket = Socket::open(server.addr, &target, Some("sockeye.v1.json"));
        assert_eq!(socket.until("goaway")["code"], code);
    }
}
