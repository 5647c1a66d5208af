//! A server that goes away: polls are answered, streams are told where to go on.

use crate::common::{Events, Socket, ask, publish, start};

/// [service:goaway]
#[test]
fn everybody_is_told_where_to_go_on() {
    let server = start(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", "");
    let mut bare = Socket::open(server.addr, "/v1/ws?channel=a", None);
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
    socket.until("sync");
    events.until("$sync");
    let addr = server.addr;
    let poll = std::thread::spawn(move || ask(addr, "GET", "/v1/poll?channel=a&wait=20", "", ""));
    server.wait_for_streams(4);
    let ready = ask(server.addr, "GET", "/readyz", "", "");
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));

    let cursor = publish(server.addr, "a", "the last one");
    let poll = poll.join().expect("an answer");
    assert_eq!(poll.json()["cursor"], cursor);
    let poll = std::thread::spawn(move || ask(addr, "GET", "/v1/poll?channel=a&wait=20", "", ""));
    server.wait_for_streams(4);
    server.run(sockeye_server::Server::drain);

    // A poll is answered at once, with the cursor.
    let poll = poll.join().expect("an answer");
    assert_eq!((poll.status, poll.header("Sockeye-Cursor")), (204, Some(cursor.as_str())));
    // What was sent before comes first.
    assert_eq!(events.next_message().data, "the last one");
    let goaway = events.until("$goaway");
    assert_eq!((&goaway["code"], &goaway["cursor"]), (&1012.into(), &cursor.as_str().into()));
    assert!(goaway["retry_ms"].as_u64().is_some_and(|ms| (1_000..2_000).contains(&ms)));
    assert_eq!(events.next(), None);
    assert_eq!(socket.until("message")["data"], "the last one");
    assert_eq!(socket.until("goaway")["cursor"], cursor);
    let (code, reason) = socket.closed();
    assert!(code == 1012 && reason.starts_with("restart retry_ms="), "{code} {reason}");
    assert_eq!(bare.next().as_deref(), Some("the last one"));
    assert_eq!(bare.closed().0, 1012);
}

/// Whoever comes during a drain is told in a stream: a status would end an EventSource for good.
#[test]
fn who_comes_late_is_told_in_its_own_language() {
    let server = start(|setup| setup.server.drain_accept_ms = 60_000);
    server.run(sockeye_server::Server::drain);
    let ready = ask(server.addr, "GET", "/readyz", "", "");
    let draining = r#"{"ready":false,"reason":"draining","reasons":["draining"]}"#;
    assert_eq!((ready.status, ready.body.as_str()), (503, draining));
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", "");
    assert_eq!(events.until("$goaway")["code"], 1012);
    assert_eq!(events.next(), None);
    let mut socket = Socket::open(server.addr, "/v1/ws", Some("sockeye.v1.json"));
    assert_eq!(socket.closed().0, 1012);
    // Publishing and polling go on to the end; a poll does not wait.
    publish(server.addr, "a", "still taken");
    let poll = ask(server.addr, "GET", "/v1/poll?channel=a&cursor=earliest&wait=20", "", "");
    assert_eq!(poll.json()["messages"][0]["data"], "still taken");
    let poll = ask(server.addr, "GET", "/v1/poll?channel=b&wait=20", "", "");
    assert_eq!(poll.status, 200);
}
