//! History beyond memory: streams and polls that read it from an archive.

mod bounds;
pub(crate) mod naive;
mod pages;
mod turns;

use serde_json::{Value, json};
use sockeye_hub::{ChannelName, Seq};
use sockeye_service::Service;

use self::naive::{Naive, TOKENS};
use crate::common::{Events, Running, Setup, Socket, ask, publish, start};

/// A service after a restart: it knows its channel, and has no message in memory.
fn restarted(disk: &Naive, adjust: impl FnOnce(&mut Setup)) -> Running {
    let theirs = disk.clone();
    start(|setup| {
        setup.prepare = Some(Box::new(move |service| restore(service, theirs)));
        adjust(setup);
    })
}

/// The state that a restart restores.
pub(crate) fn restore(mut service: Service, disk: Naive) -> Service {
    let channel = ChannelName::new("c").expect("a name");
    service.restore_channel(channel, Seq(TOKENS), false);
    service.restore_channel(ChannelName::new("d").expect("a name"), Seq(5), false);
    service.restore_head(Seq(TOKENS)).expect("above nothing");
    service.with_archive(Box::new(disk))
}

/// Lets the service have turns until a client has what it waits for.
fn keep_turning<T: Send>(server: &Running, client: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let client = scope.spawn(client);
        while !client.is_finished() {
            server.run(|_| ());
        }
        client.join().expect("the client has what it waits for")
    })
}

fn poll(server: &Running, cursor: &str) -> Value {
    let target = format!("/v1/poll?channel=c&cursor={cursor}");
    keep_turning(server, || ask(server.addr, "GET", &target, "", "").json())
}

/// An answer of a model that was published as 20,000 tokens replays whole, and goes on live.
///
/// [hub:archive]
#[test]
fn twenty_thousand_messages_replay_whole_from_the_archive() {
    let disk = Naive::default();
    let server = restarted(&disk, |_| ());
    publish(server.addr, "c", "live");
    let expected = || (1..=TOKENS).map(|it| it.to_string()).chain(["live".to_owned()]);
    let mut events = Events::open(server.addr, "/v1/sse?channel=c&cursor=17-0", "");
    let sync = keep_turning(&server, || {
        for token in expected() {
            assert_eq!(events.next_message().data, token);
        }
        events.until("$sync")
    });
    assert_eq!((&sync["recovered"], &sync["replayed"]), (&json!(true), &json!(TOKENS + 1)));

    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["c"],"cursor":"17-0"}"#);
    keep_turning(&server, || {
        for token in expected() {
            assert_eq!(socket.until("message")["data"], token);
        }
        assert_eq!(socket.until("sync")["gaps"], 0);
    });

    let (mut cursor, mut tokens) = ("17-0".to_owned(), Vec::new());
    loop {
        let polled = poll(&server, &cursor);
        assert_eq!(polled["gaps"], json!([]));
        let messages = polled["messages"].as_array().expect("messages");
        tokens.extend(messages.iter().map(|it| it["data"].as_str().expect("a text").to_owned()));
        cursor = polled["cursor"].as_str().expect("a cursor").to_owned();
        if polled["more"] == false {
            break;
        }
    }
    assert!(tokens.into_iter().eq(expected()));
    assert!(disk.disk().canceled.is_empty());
}

/// [hub:archive-trimmed]
#[test]
fn what_the_archive_has_dropped_is_declared() {
    let disk = Naive::default();
    disk.disk().floor = TOKENS - 2;
    let server = restarted(&disk, |setup| {
        setup.hub.settings.on_gap = sockeye_hub::OnGap::Tail;
    });
    let polled = poll(&server, "17-5");
    let gap = json!([{
        "channel": "c", "reason": "trimmed", "missed": {"after": 5, "through": TOKENS - 2},
    }]);
    assert_eq!((&polled["gaps"], polled["messages"].as_array().map(Vec::len)), (&gap, Some(2)));
}

/// [hub:gap-policy] A poll forgets what it was told, so its answer goes as far as the gap.
#[test]
fn a_poll_over_a_gap_of_the_archive_gets_what_its_namespace_gives() {
    use sockeye_hub::OnGap::{Latest, Nothing, Tail};
    // Of four messages in the archive and three in memory.
    for (on_gap, expected) in [(Nothing, 0), (Latest, 1), (Tail, 7)] {
        let disk = Naive::default();
        disk.disk().floor = TOKENS - 4;
        let server = restarted(&disk, |setup| setup.hub.settings.on_gap = on_gap);
        for number in 1..=3 {
            publish(server.addr, "c", &format!("live {number}"));
        }
        let (mut cursor, mut got, mut gaps) = ("17-5".to_owned(), Vec::new(), 0);
        loop {
            let polled = poll(&server, &cursor);
            got.extend(polled["messages"].as_array().expect("messages").iter().cloned());
            gaps += polled["gaps"].as_array().expect("gaps").len();
            cursor = polled["cursor"].as_str().expect("a cursor").to_owned();
            if polled["more"] == false {
                break;
            }
        }
        assert_eq!((got.len(), gaps), (expected, 1), "{on_gap:?}");
        assert!(got.last().is_none_or(|last| last["data"] == "live 3"), "{on_gap:?}");
    }
}

/// [service:archive-unavailable]
#[test]
fn without_its_archive_a_client_is_told_to_come_back() {
    let disk = Naive::default();
    disk.disk().is_broken = true;
    let server = restarted(&disk, |_| ());
    let target = "/v1/poll?channel=c&cursor=17-1";
    let refused = keep_turning(&server, || ask(server.addr, "GET", target, "", ""));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("unavailable")));
    assert!(refused.header("Retry-After").is_some());
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["c"],"cursor":"17-1"}"#);
    let goaway = keep_turning(&server, || socket.until("goaway"));
    assert_eq!((&goaway["code"], &goaway["cursor"]), (&json!(1013), &json!("17-1")));
    server.wait_for_streams(0);
}
