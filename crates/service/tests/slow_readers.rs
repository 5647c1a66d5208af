//! A reader that stalls costs its cursor, and gets what it missed when it reads again.

use crate::common::{Events, Running, Socket, publish, start};
use sockeye_hub::OnOverrun;

/// More than a socket's buffers hold, in messages of 16 KiB.
const MANY: usize = 1_000;

fn text(n: usize) -> String {
    format!("{n:05}{}", "x".repeat(16 * 1024))
}

/// A server whose history holds `history` messages.
fn serve(history: usize, on_overrun: OnOverrun) -> Running {
    start(|setup| {
        setup.hub.settings.history_messages_max = history;
        setup.hub.settings.history_bytes_max = 1 << 30;
        setup.hub.limits.history_bytes_max = 1 << 30;
        setup.hub.settings.on_overrun = on_overrun;
    })
}

/// [service:slow-readers] Within history nothing is lost, and nothing is queued meanwhile.
#[test]
fn who_stalls_catches_up() {
    let server = serve(MANY, OnOverrun::Close);
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", "");
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
    socket.until("sync");
    events.until("$sync");
    for n in 0..MANY {
        publish(server.addr, "a", &text(n));
    }
    let lagged = server.run(|server| server.app().hub_stats().lagged);
    assert!(lagged >= 2, "both fell behind: {lagged}");
    for n in 0..MANY {
        assert_eq!(events.next_message().data, text(n));
        assert_eq!(socket.until("message")["data"], text(n));
    }
    // They are live again, and one more arrives without a detour.
    server.wait_until(|service| service.hub_stats().recovered >= 2);
    publish(server.addr, "a", "one more");
    assert_eq!(events.next_message().data, "one more");
    assert_eq!(socket.until("message")["data"], "one more");
}

#[test]
fn who_is_overrun_is_sent_away_with_a_cursor() {
    let server = serve(8, OnOverrun::Close);
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
    socket.until("sync");
    for n in 0..MANY {
        publish(server.addr, "a", &text(n));
    }
    let mut last = 0;
    let goaway = loop {
        let message = socket.next_json();
        if message["type"] == "goaway" {
            break message;
        }
        assert_eq!(message["data"], text(last), "in order, and no hole before the end");
        last += 1;
    };
    assert_eq!((&goaway["code"], &goaway["reason"]), (&4202.into(), &"slow_reader".into()));
    assert_eq!(socket.closed().0, 4202);
    // The cursor is that of the last message, and resuming from it declares what is lost.
    let cursor = goaway["cursor"].as_str().expect("a cursor");
    let target = format!("/v1/sse?channel=a&cursor={cursor}");
    let mut events = Events::open(server.addr, &target, "");
    assert_eq!(events.until("$gap")["reason"], "trimmed");
}

#[test]
fn who_is_overrun_may_go_on_with_a_gap() {
    let server = serve(8, OnOverrun::Gap);
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", "");
    events.until("$sync");
    for n in 0..MANY {
        publish(server.addr, "a", &text(n));
    }
    let gap = events.until("$gap");
    assert_eq!(gap["reason"], "trimmed");
    // What is left follows, to the last one.
    let mut first = events.next_message().data;
    assert!(first.as_str() > text(MANY - 100).as_str(), "after the gap comes what is left");
    while first != text(MANY - 1) {
        first = events.next_message().data;
    }
    assert_eq!(events.until("$sync")["gaps"], 1);
}
