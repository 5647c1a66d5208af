//! Each limit, and the answer that it has to give on each transport.
//!
//! | limit | answer | where |
//! |---|---|---|
//! | connections of a user | 4102, `$goaway`, 429 | here |
//! | messages of a user or an address in a second | `rate_limited`: error, 429, a line's result; then 4101 | here |
//! | the same, counted out | | `src/rates/tests.rs` |
//! | streams opened in a second | 1013, `$goaway` | here |
//! | all streams and polls | 1013, `$goaway`, 503 | here |
//! | channels that are named at once | 400, error | here |
//! | subscriptions of a stream | error, `$error`, 4002, 400 | here |
//! | patterns of all streams | 1013, `$goaway`, 503, error | here |
//! | parameters of a query | 400 | here |
//! | body, message, publication | 413, 1009, error | here |
//! | head | 431 | here |
//! | lines of a batch | 413 | here |
//! | outstanding tickets | 503 | here |
//! | wait and size of a poll, a page of history | a shorter one | here |
//! | first message | 4301 | here |
//! | pings | the stream is left unread | `waits.rs` |
//! | the wait of a refused client | `retry_ms`, `Retry-After` | `waits.rs` |
//! | first message's size, depth, fields, IDs | | `commands.rs` |
//! | keys, event names, `ttl_ms` | | `requests.rs` |
//! | what waits for the log | 503 | `log.rs`: `without_room_nothing_gets_a_place` |
//! | unsent bytes of a stream | 4202 or a gap | `slow_readers.rs` |
//! | sockets, sockets of an address, deadlines of heads and bodies | | `sockeye-server`'s own tests |

use crate::common;

use common::{Events, Running, Setup, Socket, ask, guarded_by, publish, start, tickets};
use serde_json::{Value, json};
use sockeye_auth::{Grants, Identity, Keys, Limits};
use sockeye_service::{Access, Guard, Holdings};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";
/// How often something is tried that has to be refused soon: a slow machine gives time for more.
const TRIES: usize = 200;
const COMMANDS: Option<&str> = Some("sockeye.v1.json");

/// A back end, users by its tickets, and strangers who may do everything, too.
pub(crate) fn guard(setup: &mut Setup) {
    guard_with(setup, Limits::default());
}

fn guard_with(setup: &mut Setup, limits: Limits) {
    let all = Identity {
        subscribe: Grants::everything(),
        publish: Grants::everything(),
        ..Identity::anonymous()
    };
    let mut keys = Keys::new(limits);
    let back_end = Identity { tickets: Grants::everything(), ..all.clone() };
    keys.add_text("back end", KEY, back_end).expect("a good key");
    setup.access = Some(Access::Guarded(Box::new(Guard {
        tickets: Some(tickets(limits)),
        ..guarded_by(keys, all)
    })));
}

fn key() -> String {
    format!("Authorization: ApiKey {KEY}\r\n")
}

/// A ticket of a user for everything.
pub(crate) fn ticket(server: &Running, user: &str) -> String {
    let wanted = json!({ "user": user, "channels": [">"], "publish": [">"] }).to_string();
    let answered = ask(server.addr, "POST", "/v1/tickets", &key(), &wanted);
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.json()["ticket"].as_str().expect("a ticket").to_owned()
}

/// A refusal by a status: which one, and the error's code. If it may pass, it says when to come.
pub(crate) fn refused(answered: &common::Answered) -> (u16, String) {
    let is_retryable = [429, 503].contains(&answered.status);
    assert_eq!(retry_seconds(answered).is_some(), is_retryable, "{answered:?}");
    let body = answered.json();
    assert!(!body["error"]["message"].as_str().expect("for people").is_empty());
    (answered.status, body["error"]["code"].as_str().expect("for programs").to_owned())
}

/// How long a refused client is to wait.
pub(crate) fn retry_seconds(answered: &common::Answered) -> Option<u64> {
    let seconds = answered.header("Retry-After")?.parse().expect("seconds");
    assert!((1..=62).contains(&seconds), "its own spread, and its turn: {answered:?}");
    Some(seconds)
}

fn asked(server: &Running, method: &str, target: &str, body: &str) -> (u16, String) {
    refused(&ask(server.addr, method, target, "", body))
}

/// The end of a WebSocket: code, word, and how long its client is to wait.
fn sent_away(socket: &mut Socket) -> (u16, String, u64) {
    let (code, reason) = socket.closed();
    let (word, wait) = reason.split_once(" retry_ms=").expect("how long to wait");
    (code, word.to_owned(), wait.parse().expect("milliseconds"))
}

/// The same of an event stream, which has nothing but its goodbye; and the cursor to come with.
/// `None` of one that was let in.
pub(crate) fn turned_away(events: &mut Events) -> Option<(Value, String)> {
    let event = events.next().filter(|event| event.name == "$goaway")?;
    assert_eq!(events.next(), None, "the end");
    let goaway: Value = serde_json::from_str(&event.data).expect("JSON");
    assert_eq!(goaway["cursor"], event.id, "it is what a browser comes back with");
    Some((goaway, event.id))
}

/// [service:bound-user]
#[test]
fn connections_of_a_user() {
    let server = start(|setup| {
        guard(setup);
        setup.limits.connections_per_user = 2;
    });
    let target = |path: &str, user: &str| format!("{path}ticket={}", ticket(&server, user));
    let first = Events::open(server.addr, &target("/v1/sse?channel=a&", "ann"), "");
    let (addr, poll) = (server.addr, target("/v1/poll?channel=a&wait=60&", "ann"));
    let poll = std::thread::spawn(move || ask(addr, "GET", &poll, "", ""));
    server.wait_for_streams(2);

    let mut socket = Socket::open(server.addr, &target("/v1/ws?", "ann"), COMMANDS);
    let goaway = socket.next_json();
    assert_eq!(goaway["type"], "goaway");
    let (code, word, wait_ms) = sent_away(&mut socket);
    assert_eq!((code, word.as_str()), (4102, "too_many_connections"));
    assert_eq!(goaway["retry_ms"], wait_ms);
    // Its own spread, and one of the 240 that may come in a second.
    assert!((1_004..2_100).contains(&wait_ms), "{wait_ms}");
    let mut bare = Socket::open(server.addr, &target("/v1/ws?channel=a&", "ann"), None);
    assert_eq!(sent_away(&mut bare).0, 4102);
    // Who says later who it is.
    let mut greeting = Socket::commands(server.addr);
    greeting.send(&json!({"type": "auth", "ticket": ticket(&server, "ann")}).to_string());
    assert_eq!(greeting.next_json()["code"], 4102);
    assert_eq!(sent_away(&mut greeting).0, 4102);
    // An EventSource comes back by itself, with a proof, as the ticket is used up.
    let url = target("/v1/sse?channel=a&", "ann");
    let (goaway, cursor) =
        turned_away(&mut Events::open(server.addr, &url, "")).expect("a goodbye");
    assert_eq!(
        (&goaway["code"], &goaway["reason"]),
        (&4102.into(), &"too_many_connections".into())
    );
    assert!(goaway["retry_ms"].as_u64().is_some_and(|ms| (1_004..2_100).contains(&ms)));
    let target_of_poll = target("/v1/poll?channel=a&wait=60&", "ann");
    assert_eq!(asked(&server, "GET", &target_of_poll, ""), (429, "too_many_connections".into()));
    // What does not wait takes no place, and nobody else's is taken.
    let at_once = ask(server.addr, "GET", &target("/v1/poll?channel=a&", "ann"), "", "");
    assert_eq!(at_once.status, 200);
    let others = ["bob", "cleo"].map(|user| {
        let mut socket = Socket::open(server.addr, &target("/v1/ws?", user), COMMANDS);
        assert_eq!(socket.next_json()["type"], "welcome");
        socket
    });
    let strangers: Vec<Socket> = (0..3).map(|_| Socket::commands(server.addr)).collect();
    let back_end: Vec<Events> =
        (0..3).map(|_| Events::open(server.addr, "/v1/sse?channel=a", &key())).collect();
    server.wait_for_streams(10);

    // A place that gets free is free, and the way back leads to it.
    assert_eq!(ask(server.addr, "POST", "/v1/channels/a", &key(), "hello").status, 200);
    assert_eq!(poll.join().expect("it was answered").status, 200);
    let mut again = Events::open(server.addr, &url, &format!("Last-Event-ID: {cursor}\r\n"));
    assert_eq!(again.next_message().data, "hello", "nothing is lost on the way");
    drop((first, again, others, strangers, back_end));
    server.wait_until(|service| service.holdings() == Holdings::default());
}

/// Sends until it is refused, which it has to be before long, and gives the refusal.
fn until_refused(mut send: impl FnMut() -> common::Answered) -> common::Answered {
    for _ in 0..TRIES {
        let answered = send();
        if answered.status != 200 {
            return answered;
        }
    }
    panic!("it is never refused");
}

/// A slow rate, so that the clock of the test does not matter.
fn rated(setup: &mut Setup) {
    guard(setup);
    (setup.limits.messages_per_second, setup.limits.messages_burst) = (1, 3);
}

/// [service:bound-rate]
#[test]
fn messages_on_a_websocket() {
    let server = start(rated);
    let target = format!("/v1/ws?ticket={}", ticket(&server, "ann"));
    let mut socket = Socket::open(server.addr, &target, COMMANDS);
    assert_eq!(socket.next_json()["type"], "welcome");
    // Whatever they are: also what cannot be read is work.
    for id in 0..12 {
        let commands = [
            json!({"type": "ping", "id": id}),
            json!({"type": "publish", "id": id, "channel": "a", "data": 1}),
            json!({"type": "subscribe", "id": id, "channels": ["b"]}),
            json!({"type": "nonsense", "id": id}),
        ];
        socket.send(&commands[id % 4].to_string());
    }
    let (mut taken, mut refused) = (0, 0);
    let goaway = loop {
        let message = socket.next_json();
        match (message["type"].as_str(), message["code"].as_str()) {
            (Some("error"), Some("rate_limited")) => {
                refused += 1;
                let id = message["id"].as_u64().expect("which one");
                assert_eq!(id, taken + refused - 1, "the very command, in its turn");
            }
            (Some("goaway"), _) => break message,
            (Some("sync"), _) => {}
            _ => taken += 1,
        }
    };
    assert!(taken >= 3, "the burst: {taken}");
    assert_eq!(refused, 3, "as many as the burst, and no more");
    assert_eq!((&goaway["code"], &goaway["reason"]), (&4101.into(), &"rate_limited".into()));
    let (code, word, wait_ms) = sent_away(&mut socket);
    assert_eq!((code, word.as_str()), (4101, "rate_limited"));
    assert!((2_000..62_000).contains(&wait_ms), "its own spread, and its turn: {wait_ms}");
}

/// [service:bound-rate]
#[test]
fn publications_of_a_user() {
    let server = start(rated);
    let post = |target: &str, body: &str| {
        let session = ticket(&server, "ann");
        let mark = if target.contains('?') { '&' } else { '?' };
        ask(server.addr, "POST", &format!("{target}{mark}ticket={session}"), "", body)
    };
    // Each line counts, and those above the burst have results of their own. A user who comes new
    // has a full bucket, and no time passes inside a request.
    let lines = "{\"channel\":\"a\",\"data\":1}\n{}\n".repeat(3);
    let batch = post("/v1/batch", &lines).json();
    assert_eq!((&batch["published"], &batch["failed"]), (&2.into(), &4.into()));
    let codes: Vec<&str> = batch["results"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["error"]["code"].as_str().unwrap_or("taken"))
        .collect();
    let limited = "rate_limited";
    assert_eq!(codes, ["taken", "bad_request", "taken", limited, limited, limited]);
    assert_eq!(batch["results"][5]["line"], 6);
    // If not one could be taken, the whole may come again.
    let one = r#"{"channel":"a","data":1}"#;
    let several = r#"{"channels":["a","b"],"data":1}"#;
    let limited = (429, limited.to_owned());
    for (target, body) in [
        ("/v1/channels/a", "x"),
        ("/v1/publish", one),
        ("/v1/publish", several),
        ("/v1/batch", one),
    ] {
        assert_eq!(refused(&until_refused(|| post(target, body))), limited, "{target}");
    }
    let close = || post("/v1/channels/never/close", "");
    until_refused(|| post("/v1/channels/a", "x"));
    let closed = close();
    assert!(closed.status == 200 || refused(&closed) == limited);
    // The others are others: another user, and for whom nobody counts.
    let bob = format!("/v1/channels/b?ticket={}", ticket(&server, "bob"));
    assert_eq!(ask(server.addr, "POST", &bob, "", "x").status, 200);
    for _ in 0..20 {
        assert_eq!(ask(server.addr, "POST", "/v1/channels/b", &key(), "x").status, 200);
    }
    // Reading has a limit of its own.
    for _ in 0..20 {
        assert_eq!(ask(server.addr, "GET", "/v1/position?channel=a", "", "").status, 200);
    }
}

/// [service:bound-requests]
#[test]
fn requests_that_read() {
    let server = start(|setup| {
        guard(setup);
        (setup.limits.requests_per_second, setup.limits.requests_burst) = (1, 3);
        let mut rules = sockeye_service::Rules::default();
        rules.presence_ms = Some(1_000);
        setup.namespaces = sockeye_service::Namespaces { rules, named: Vec::new() };
    });
    // The test's own tickets come with an API key, for which nobody counts.
    let tickets: Vec<String> = (0..5).map(|_| ticket(&server, "ann")).collect();
    let limited = (429, "rate_limited".to_owned());
    for target in
        ["/v1/poll?channel=a", "/v1/position", "/v1/channels/a/history", "/v1/channels/a/presence"]
    {
        assert_eq!(refused(&until_refused(|| get(&server, target))), limited, "{target}");
    }
    let issue = || ask(server.addr, "POST", "/v1/tickets", "", "{}");
    assert_eq!(refused(&until_refused(issue)), limited, "also before it is refused for its rights");
    // A held request is followed by one that counts.
    let mut peer = std::net::TcpStream::connect(server.addr).expect("it listens");
    let poll = "GET /v1/poll?channel=a&wait=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    std::io::Write::write_all(&mut peer, poll.repeat(9).as_bytes()).expect("it takes them");
    peer.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut answers = String::new();
    std::io::Read::read_to_string(&mut peer, &mut answers).expect("text");
    assert!(answers.contains("HTTP/1.1 429 "), "{answers}");
    // Publishing and streams are others' limits, and another user has a bucket of their own.
    publish(server.addr, "a", "x");
    let target = format!("/v1/position?ticket={}", tickets[0]);
    assert_eq!(get(&server, &target).status, 200);
}

pub(crate) fn get(server: &Running, target: &str) -> common::Answered {
    ask(server.addr, "GET", target, "", "")
}

/// [service:bound-rate] All from one address who have no name are one.
#[test]
fn publications_of_strangers() {
    let server = start(rated);
    let one = || ask(server.addr, "POST", "/v1/channels/a", "", "x");
    assert_eq!(refused(&until_refused(one)), (429, "rate_limited".into()));
    let nameless = json!({ "channels": [">"], "publish": [">"] }).to_string();
    let other = || {
        let ticket = ask(server.addr, "POST", "/v1/tickets", &key(), &nameless).json();
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        let batch = "{\"channel\":\"a\",\"data\":1}\n".repeat(9);
        ask(server.addr, "POST", &format!("/v1/batch?ticket={ticket}"), "", &batch)
    };
    let answered = other();
    let few = answered.status == 429
        || answered.json()["published"].as_u64().is_some_and(|published| published < 3);
    assert!(few, "the same address: {answered:?}");
    let mut socket = Socket::commands(server.addr);
    (0..7).for_each(|id| socket.send(&json!({"type": "ping", "id": id}).to_string()));
    assert_eq!(socket.closed().0, 4101, "and the same on a WebSocket");
    // Where everybody may do everything, nobody is counted.
    let open = start(|setup| {
        (setup.limits.messages_per_second, setup.limits.messages_burst) = (1, 3);
    });
    (0..20).for_each(|_| drop(publish(open.addr, "a", "x")));
}

/// [service:bound-handshakes] An EventSource that is told a status stays away for good.
#[test]
fn streams_opened_in_a_second() {
    let server = start(|setup| {
        (setup.limits.handshakes_per_second, setup.limits.handshakes_burst) = (1, 1);
    });
    publish(server.addr, "a", "before");
    // What is let in is one a second at the most, so of many most are not.
    for (text, back) in [
        ("17-1", "17-1"),
        ("17-9", "17-9"),
        ("19-4", "19-4"),
        ("nonsense", "10-0"),
        ("earliest", "17-0"),
        ("now", "17-1"),
    ] {
        let target = format!("/v1/sse?channel=a&cursor={text}");
        let mut tries = (0..TRIES).map(|_| Events::open(server.addr, &target, ""));
        let refused = tries.find_map(|mut events| turned_away(&mut events));
        let (goaway, cursor) = refused.expect("it is never refused");
        assert_eq!((&goaway["code"], &goaway["reason"]), (&1013.into(), &"try_again".into()));
        assert_eq!(cursor, back, "{text}: it comes back with what it came with");
        let wait_ms = goaway["retry_ms"].as_u64().expect("how long");
        assert!((2_000..62_000).contains(&wait_ms), "its own spread, and its turn: {wait_ms}");
    }
    for (target, subprotocol) in [("/v1/ws", COMMANDS), ("/v1/ws?channel=a", None)] {
        let mut tries = (0..TRIES).map(|_| Socket::open(server.addr, target, subprotocol));
        let refused = tries.find_map(|mut socket| {
            // One that was let in is told something: its welcome, or what comes.
            publish(server.addr, "a", "hello");
            let first = socket.next().filter(|first| !first.contains("goaway"));
            first.is_none().then(|| sent_away(&mut socket))
        });
        let (code, word, wait_ms) = refused.expect("it is never refused");
        assert_eq!((code, word.as_str()), (1013, "try_again"), "{target}");
        assert!(wait_ms >= 2_000, "{wait_ms}");
    }
    // What opens no stream is no handshake.
    for _ in 0..5 {
        assert_eq!(ask(server.addr, "GET", "/v1/poll?channel=a", "", "").status, 200);
        publish(server.addr, "a", "hello");
    }
}

#[test]
fn all_streams() {
    let server = start(|setup| setup.hub.limits.subscribers_max = 1);
    let _first = Events::open(server.addr, "/v1/sse?channel=a", "");
    for (target, subprotocol) in [("/v1/ws", COMMANDS), ("/v1/ws?channel=a", None)] {
        let mut socket = Socket::open(server.addr, target, subprotocol);
        let (code, word, _) = sent_away(&mut socket);
        assert_eq!((code, word.as_str()), (1013, "try_again"));
    }
    let cursor = "17-0";
    let target = format!("/v1/sse?channel=a&cursor={cursor}");
    let (goaway, back) =
        turned_away(&mut Events::open(server.addr, &target, "")).expect("a goodbye");
    assert_eq!((&goaway["code"], back.as_str()), (&1013.into(), cursor));
    for target in ["/v1/poll?channel=a", "/v1/poll?channel=a&wait=9"] {
        assert_eq!(asked(&server, "GET", target, ""), (503, "overloaded".into()));
    }
    publish(server.addr, "a", "to publish takes no place");
    let metrics = ask(server.addr, "GET", "/metrics", "", "").body;
    assert!(metrics.contains("sockeye_rejected_total{reason=\"full\"} 5\n"), "{metrics}");
}

/// [service:bound-channels]
#[test]
fn channels_that_are_named_at_once() {
    let server = start(|setup| setup.limits.wire.channels_max = 2);
    let answer = (400, "too_many_channels".to_owned());
    for path in ["/v1/position", "/v1/poll", "/v1/sse", "/v1/ws"] {
        let target = format!("{path}?channel=a&channel=b&channel=c");
        let upgrade = if path == "/v1/ws" { "Upgrade: websocket\r\n" } else { "" };
        let answered = ask(server.addr, "GET", &target, upgrade, "");
        assert_eq!(refused(&answered), answer, "{path}");
    }
    let body = r#"{"channels":["a","b","c"],"data":1}"#;
    assert_eq!(asked(&server, "POST", "/v1/publish", body), answer);
    let mut socket = Socket::commands(server.addr);
    for kind in ["subscribe", "unsubscribe"] {
        let command = json!({"type": kind, "id": kind, "channels": ["a", "b", "c"]});
        socket.send(&command.to_string());
        let error = socket.next_json();
        assert_eq!((&error["id"], &error["code"]), (&kind.into(), &answer.1.as_str().into()));
    }
}

#[test]
fn subscriptions_of_a_stream() {
    let server = start(|setup| setup.hub.limits.subscriptions_max = 2);
    let three = "channel=a&channel=b&channel=c";
    let code = "too_many_subscriptions";
    let poll = format!("/v1/poll?{three}");
    assert_eq!(asked(&server, "GET", &poll, ""), (400, code.into()));
    let mut events = Events::open(server.addr, &format!("/v1/sse?{three}"), "");
    let error = events.until("$error");
    assert_eq!((&error["channel"], &error["code"]), (&"c".into(), &code.into()));
    events.until("$sync");
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","id":1,"channels":["a","b","c"]}"#);
    let error = socket.next_json();
    assert_eq!((&error["id"], &error["channel"]), (&1.into(), &"c".into()));
    assert_eq!(error["code"], code);
    assert_eq!(socket.next_json()["channels"], json!(["a", "b"]));
    let mut bare = Socket::open(server.addr, &format!("/v1/ws?{three}"), None);
    assert_eq!(bare.closed(), (4002, "forbidden".into()), "it has no words for it");
}

/// [service:passing-refusal] What has no room now may have some later: nobody is told to stop, and
/// nobody goes on without one channel.
#[test]
fn patterns_of_all_streams() {
    let server = start(|setup| {
        setup.hub.settings.patterns = sockeye_hub::PatternUse::Allowed;
        setup.hub.limits.patterns_max = 1;
    });
    let mut first = Events::open(server.addr, "/v1/sse?channel=a:*", "");
    first.until("$sync");
    let cursor = publish(server.addr, "b", "x");
    publish(server.addr, "b", "y");
    for others in ["", "&channel=b"] {
        let target = format!("channel=c:*{others}&cursor={cursor}");
        let mut events = Events::open(server.addr, &format!("/v1/sse?{target}"), "");
        let goaway = events.until("$goaway");
        assert_eq!((&goaway["code"], &goaway["cursor"]), (&1013.into(), &cursor.as_str().into()));
        assert!(goaway["retry_ms"].is_u64(), "{goaway}");
        let mut bare = Socket::open(server.addr, &format!("/v1/ws?{target}"), None);
        let (code, reason) = bare.closed();
        assert!(code == 1013 && reason.starts_with("try_again retry_ms="), "{code} {reason}");
        let poll = asked(&server, "GET", &format!("/v1/poll?{target}"), "");
        assert_eq!(poll, (503, "overloaded".into()));
    }
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","id":1,"channels":["c:*","b"]}"#);
    assert_eq!(socket.until("error")["code"], "overloaded");
    assert_eq!(socket.until("subscribed")["channels"], json!(["b"]));
}

/// [service:bound-query]
#[test]
fn parameters_of_a_query() {
    let server = start(|setup| setup.limits.wire.query_pairs_max = 2);
    for (method, path) in [
        ("GET", "/v1/position"),
        ("GET", "/v1/poll"),
        ("GET", "/v1/sse"),
        ("GET", "/v1/ws"),
        ("GET", "/v1/channels/a/history"),
        ("POST", "/v1/channels/a"),
        ("POST", "/v1/channels/a/close"),
        ("POST", "/v1/publish"),
        ("POST", "/v1/batch"),
    ] {
        let target = format!("{path}?channel=a&channel=b&channel=c");
        assert_eq!(asked(&server, method, &target, ""), (400, "bad_query".into()), "{path}");
    }
}

#[test]
fn sizes_of_bodies_and_messages() {
    let server = start(|setup| {
        setup.server.body_bytes_max = 300;
        setup.limits.message_bytes_max = 200;
        setup.hub.settings.message_bytes_max = 50;
    });
    let (long, middle) = ("x".repeat(301), "x".repeat(51));
    let answer = (413, "too_large".to_owned());
    for path in ["/v1/channels/a", "/v1/publish", "/v1/batch", "/v1/tickets"] {
        let refused = ask(server.addr, "POST", path, "", &long);
        let message = "the body is over 300 bytes (publish_bytes)";
        assert_eq!((refused.status, &refused.json()["error"]["message"]), (413, &message.into()));
    }
    // What a namespace takes of it.
    assert_eq!(asked(&server, "POST", "/v1/channels/a", &middle), answer);
    let line = json!({"channel": "a", "data": middle}).to_string();
    assert_eq!(asked(&server, "POST", "/v1/publish", &line), answer);
    let batch = ask(server.addr, "POST", "/v1/batch", "", &line).json();
    let message = "the message is over 50 bytes (message_bytes)";
    let error = json!({"code": "too_large", "message": message});
    assert_eq!(batch["results"][0]["error"], error);
    let mut socket = Socket::commands(server.addr);
    let command = json!({"type": "publish", "id": 1, "channel": "a", "data": middle});
    socket.send(&command.to_string());
    let error = socket.next_json();
    assert_eq!((&error["id"], &error["code"]), (&1.into(), &"too_large".into()));
    socket.send(&long);
    assert_eq!(socket.closed().0, 1009);
}

#[test]
fn size_of_a_head() {
    let server = start(|_| ());
    let header = format!("X-Long: {}\r\n", "x".repeat(64 * 1024));
    for path in ["/v1/sse?channel=a", "/v1/ws", "/v1/poll?channel=a", "/v1/publish"] {
        assert_eq!(ask(server.addr, "GET", path, &header, "").status, 431, "{path}");
    }
}

/// [service:bound-batch]
#[test]
fn lines_of_a_batch() {
    let server = start(|setup| setup.limits.wire.batch_items_max = 2);
    let three = "{\"channel\":\"a\",\"data\":1}\n".repeat(3);
    assert_eq!(asked(&server, "POST", "/v1/batch", &three), (413, "too_many_items".into()));
    let position = ask(server.addr, "GET", "/v1/position?channel=a", "", "").json();
    assert_eq!(position["channels"][0]["last"], 0, "not one was published");
}

#[test]
fn outstanding_tickets() {
    let server = start(|setup| {
        let mut limits = Limits::default();
        limits.tickets_max = 1;
        guard_with(setup, limits);
    });
    ticket(&server, "ann");
    let answered = ask(server.addr, "POST", "/v1/tickets", &key(), "{}");
    assert_eq!(refused(&answered), (503, "tickets_full".into()));
}

#[test]
fn answers_of_polls_and_pages_of_history() {
    let server = start(|setup| {
        setup.limits.poll_messages_max = 2;
        setup.limits.history_messages_max = 2;
        setup.limits.wait_ms_max = 50;
    });
    for n in 0..3 {
        publish(server.addr, "a", &n.to_string());
    }
    let poll = ask(server.addr, "GET", "/v1/poll?channel=a&cursor=earliest", "", "").json();
    assert_eq!((poll["messages"].as_array().map(Vec::len), &poll["more"]), (Some(2), &true.into()));
    assert_eq!(poll.get("sync"), None, "not yet");
    let next = format!("/v1/poll?channel=a&cursor={}", poll["cursor"].as_str().expect("a cursor"));
    let poll = ask(server.addr, "GET", &next, "", "").json();
    assert_eq!((&poll["messages"][0]["data"], &poll["more"]), (&"2".into(), &false.into()));
    let target = "/v1/channels/a/history?limit=100";
    let page = ask(server.addr, "GET", target, "", "").json();
    assert_eq!((page["messages"].as_array().map(Vec::len), &page["more"]), (Some(2), &true.into()));
    // However long it would wait.
    let poll = ask(server.addr, "GET", "/v1/poll?channel=b&wait=86400", "", "");
    assert_eq!((poll.status, poll.body.as_str()), (204, ""));
}

#[test]
fn a_first_message_in_time() {
    let server = start(|setup| {
        guard(setup);
        if let Some(Access::Guarded(guard)) = &mut setup.access {
            guard.everybody = Identity::anonymous();
        }
        setup.limits.greeting_ms = 50;
    });
    let mut silent = Socket::commands(server.addr);
    let goaway = silent.next_json();
    assert_eq!((&goaway["type"], &goaway["code"]), (&"goaway".into(), &4301.into()));
    assert_eq!(silent.closed(), (4301, "auth_timeout".into()));
}
