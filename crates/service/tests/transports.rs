//! One ordered stream over four transports, on one cursor.

use serde_json::json;

use crate::common::{Events, Socket, ask, publish, start};

#[test]
fn a_message_reaches_all_four_with_the_same_cursor() {
    let server = start(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=news", "");
    let mut enveloped = Events::open(server.addr, "/v1/sse?channel=news&envelope=json", "");
    let mut bare = Socket::open(server.addr, "/v1/ws?channel=news", None);
    let mut commands = Socket::commands(server.addr);
    commands.send(r#"{"type":"subscribe","id":1,"channels":["news"]}"#);
    assert_eq!(commands.next_json()["type"], "subscribed");
    assert_eq!(commands.next_json()["type"], "sync");
    let addr = server.addr;
    let poll =
        std::thread::spawn(move || ask(addr, "GET", "/v1/poll?channel=news&wait=20", "", ""));
    server.wait_for_streams(5);

    let body = r#"{"channel":"news","event":"greeting","data":{"hello":"world"}}"#;
    let receipt = ask(server.addr, "POST", "/v1/publish", "", body).json();
    let cursor = receipt["cursor"].as_str().expect("a cursor");
    assert_eq!(receipt["subscribers"], 5);

    let event = events.next_message();
    assert_eq!((event.name.as_str(), event.data.as_str()), ("greeting", r#"{"hello":"world"}"#));
    assert_eq!(event.id, cursor);
    let event = enveloped.next_message();
    assert_eq!((event.name.as_str(), event.id.as_str()), ("message", cursor));
    let envelope: serde_json::Value = serde_json::from_str(&event.data).expect("JSON");
    assert_eq!(bare.next().as_deref(), Some(r#"{"hello":"world"}"#));
    let mut message = commands.next_json();
    assert_eq!(message["type"].take(), "message");
    message.as_object_mut().expect("an object").remove("type");
    assert_eq!(message, envelope);
    let poll = poll.join().expect("an answer").json();
    assert_eq!(poll["messages"], serde_json::json!([envelope]));
    assert_eq!(poll["cursor"], cursor);
    let short = ask(server.addr, "GET", "/v1/poll?channel=news&cursor=earliest", "", "").json();
    assert_eq!(short["messages"], poll["messages"]);
}

/// [service:ping] Who asks for it gets heartbeats as events, and others see none.
#[test]
fn a_script_sees_heartbeats_that_it_asks_for() {
    let server = start(|setup| {
        setup.server.heartbeat_ms = 50;
        setup.limits.heartbeat_ms = 50;
    });
    let mut told = Events::open(server.addr, "/v1/sse?channel=a&ping=true", "");
    let mut silent = Events::open(server.addr, "/v1/sse?channel=a&ping=false", "");
    let cursor = told.until("$ping")["cursor"].clone();
    assert_eq!(told.until("$sync")["cursor"], cursor, "the first ping is there before it is live");
    assert_eq!(told.until("$ping"), json!({ "cursor": cursor, "ping_ms": 50 }));
    assert_eq!(told.until("$ping")["cursor"].as_str(), Some(told.last_event_id()));
    publish(server.addr, "a", "1");
    let names = std::iter::from_fn(|| silent.next()).map(|event| event.name);
    assert_eq!(names.take(2).collect::<Vec<_>>(), ["$sync", "message"]);
    let refused = ask(server.addr, "GET", "/v1/sse?channel=a&ping=1", "", "");
    assert!(refused.status == 400 && refused.body.contains("bad_query"), "{}", refused.body);
}

/// [service:cursor-first] What was missed on one transport is fetched on another.
#[test]
fn a_cursor_moves_between_transports() {
    let server = start(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=a&channel=b", "");
    assert_eq!(events.until("$sync")["recovered"], true);
    // Before any message there is a cursor already.
    let cursor = events.last_event_id().to_owned();
    assert!(!cursor.is_empty());
    drop(events);
    server.wait_for_streams(0);
    for (channel, text) in [("a", "1"), ("b", "2"), ("c", "not subscribed"), ("a", "3")] {
        publish(server.addr, channel, text);
    }

    let target = format!("/v1/poll?channel=a&channel=b&cursor={cursor}&wait=20");
    let poll = ask(server.addr, "GET", &target, "", "").json();
    let texts: Vec<_> = poll["messages"].as_array().expect("a list").iter().collect();
    let texts: Vec<_> = texts.iter().map(|it| it["data"].as_str().expect("a text")).collect();
    assert_eq!((texts, poll["sync"]["recovered"].as_bool()), (vec!["1", "2", "3"], Some(true)));

    publish(server.addr, "b", "4");
    let mut socket = Socket::commands(server.addr);
    let cursor = poll["cursor"].as_str().expect("a cursor");
    socket.send(&format!(r#"{{"type":"subscribe","channels":["a","b"],"cursor":"{cursor}"}}"#));
    assert_eq!(socket.until("message")["data"], "4");
    let sync = socket.next_json();
    assert_eq!((&sync["type"], &sync["replayed"]), (&"sync".into(), &1.into()));

    // The header, which a browser sends by itself, wins over the URL.
    let header = format!("Last-Event-ID: {cursor}\r\n");
    let target = "/v1/sse?channel=a&channel=b&cursor=earliest";
    let mut events = Events::open(server.addr, target, &header);
    assert_eq!(events.next_message().data, "4");
    assert_eq!(events.until("$sync")["replayed"], 1);
}

/// [service:cursor-sources] A cursor that cannot be honoured is a declared gap, and no start in
/// silence.
#[test]
fn whatever_is_missing_is_declared() {
    let server = start(|setup| {
        setup.hub.settings.history_messages_max = 2;
    });
    let first = publish(server.addr, "a", "1");
    for text in ["2", "3", "4"] {
        publish(server.addr, "a", text);
    }
    for (cursor, reason) in
        [(first.as_str(), "trimmed"), ("18-1", "epoch"), ("17-zz", "ahead"), ("what", "unreadable")]
    {
        let header = format!("Last-Event-ID: {cursor}\r\n");
        let mut events = Events::open(server.addr, "/v1/sse?channel=a", &header);
        let gap = events.until("$gap");
        assert_eq!((&gap["channel"], &gap["reason"]), (&"a".into(), &reason.into()), "{cursor}");
        let sync = events.until("$sync");
        assert_eq!((&sync["recovered"], &sync["gaps"]), (&false.into(), &1.into()), "{cursor}");
        let target = format!("/v1/poll?channel=a&cursor={cursor}");
        let poll = ask(server.addr, "GET", &target, "", "").json();
        assert_eq!(poll["gaps"][0]["reason"], reason, "{cursor}");
        // Whoever goes on from there is told no more of it.
        let target = format!("/v1/poll?channel=a&cursor={}", poll["cursor"].as_str().expect("one"));
        let poll = ask(server.addr, "GET", &target, "", "").json();
        assert_eq!(poll["gaps"], serde_json::json!([]), "{cursor}");
    }
}

/// [service:bad-channel-named]
#[test]
fn a_refused_name_is_named_everywhere() {
    let server = start(|_| ());
    let reason = "' ' at byte 2 is not allowed (allowed: A-Z a-z 0-9 _ . : ~ @ / -";
    let named = |name: &str| format!("invalid channel name {name}: {reason}");
    for (method, target) in [
        ("GET", "/v1/sse?channel=b%20ad"),
        ("GET", "/v1/poll?channel=good&channel=b%20ad"),
        ("GET", "/v1/poll?channel=b%20ad&wait=1"),
        ("GET", "/v1/position?channel=good&channel=b%20ad"),
        ("GET", "/v1/channels/b%20ad/history"),
        ("GET", "/v1/channels/b%20ad/presence"),
        ("POST", "/v1/channels/b%20ad"),
        ("POST", "/v1/channels/b%20ad/close"),
    ] {
        let answered = ask(server.addr, method, target, "", "");
        let error = &answered.json()["error"];
        let message = error["message"].as_str().expect("a text");
        assert_eq!((answered.status, &error["code"]), (400, &"bad_channel".into()), "{target}");
        assert!(message.starts_with(&named("\"b ad\"")), "{method} {target}: {message}");
    }
    // A stream says it in its message, too. A long name is cut, and a hostile one is escaped.
    let long = "a".repeat(300);
    let target = format!("/v1/sse?channel=good&channel=b%20ad&channel={long}&channel=%0A%1B");
    let mut events = Events::open(server.addr, &target, "");
    for start in [
        named("\"b ad\""),
        format!("invalid channel name \"{}\"…: it is longer", &long[..40]),
        "invalid channel name \"\\n\\u{1b}\": ".to_owned(),
    ] {
        let refused = events.until("$error");
        let message = refused["message"].as_str().expect("a text");
        assert!(message.starts_with(&start), "{message}");
    }
    let mut socket = Socket::commands(server.addr);
    for command in ["subscribe", "unsubscribe"] {
        socket.send(&format!(r#"{{"type":"{command}","id":"x","channels":["b ad"]}}"#));
        let refused = socket.until("error");
        let message = refused["message"].as_str().expect("a text");
        assert!(message.starts_with(&named("\"b ad\"")), "{command}: {message}");
    }
}

#[test]
fn one_refused_channel_does_not_stop_the_others() {
    let server = start(|_| ());
    let target = "/v1/sse?channel=good&channel=b%20ad&channel=no:*";
    let mut events = Events::open(server.addr, target, "");
    let refused = events.until("$error");
    assert_eq!((&refused["channel"], &refused["code"]), (&"b ad".into(), &"bad_channel".into()));
    let refused = events.until("$error");
    assert_eq!((&refused["channel"], &refused["code"]), (&"no:*".into(), &"patterns_off".into()));
    events.until("$sync");
    publish(server.addr, "good", "1");
    assert_eq!(events.next_message().data, "1");

    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","id":"x","channels":["b ad","good"]}"#);
    let refused = socket.next_json();
    assert_eq!((&refused["type"], &refused["id"]), (&"error".into(), &"x".into()));
    assert_eq!(socket.next_json()["channels"], serde_json::json!(["good"]));
}

/// [service:ended-204]
#[test]
fn a_channel_ends() {
    let server = start(|_| ());
    let mut events = Events::open(server.addr, "/v1/sse?channel=a", "");
    events.until("$sync");
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
    socket.until("sync");
    publish(server.addr, "a", "last words");
    let ended = ask(server.addr, "POST", "/v1/channels/a/close", "", "");
    assert_eq!(ended.status, 200);
    assert_eq!(events.next_message().data, "last words");
    assert_eq!(events.until("$end")["channel"], "a");
    // The stream has nothing else to wait for.
    assert_eq!(events.until("$goaway")["code"], 4000);
    assert_eq!(events.next(), None);
    // A browser comes back by itself, and is told not to.
    let header = format!("Last-Event-ID: {}\r\n", events.last_event_id());
    let answered = ask(server.addr, "GET", "/v1/sse?channel=a", &header, "");
    assert_eq!(answered.status, 204);
    // Commands may want other channels.
    assert_eq!(socket.until("end")["channel"], "a");
    socket.send(r#"{"type":"ping","id":5}"#);
    assert_eq!(socket.next_json()["type"], "pong");
    // Who comes too late is told at once, and who publishes is refused.
    let mut late = Events::open(server.addr, "/v1/sse?channel=a", "");
    assert_eq!(late.until("$end")["channel"], "a");
    assert_eq!(late.until("$goaway")["code"], 4000);
    let refused = ask(server.addr, "POST", "/v1/channels/a", "", "more");
    // A poll that starts from now, too: nothing else would ever tell it.
    let poll = ask(server.addr, "GET", "/v1/poll?channel=a&wait=20", "", "");
    assert_eq!(poll.json()["ended"][0]["channel"], "a");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &"channel_ended".into()));
}

/// A cursor from behind the end may be that of other channels: nothing else would ever tell the client.
///
/// [service:ended-before]
#[test]
fn who_comes_with_a_cursor_from_behind_the_end_is_told() {
    let server = start(|_| ());
    publish(server.addr, "a", "last words");
    assert_eq!(ask(server.addr, "POST", "/v1/channels/a/close", "", "").status, 200);
    for (at, cursor) in ["17-2", "17-3"].into_iter().enumerate() {
        // The end itself, and a message behind it.
        for _ in 0..at {
            publish(server.addr, "b", "other");
        }
        let mut socket = Socket::commands(server.addr);
        let subscribe =
            format!(r#"{{"type":"subscribe","channels":["a","b"],"cursor":"{cursor}"}}"#);
        socket.send(&subscribe);
        assert_eq!(socket.until("subscribed")["cursor"], cursor);
        let end = socket.next_json();
        let told = (&end["type"], &end["channel"], &end["cursor"]);
        assert_eq!(told, (&"end".into(), &"a".into(), &cursor.into()), "{end}");
        assert_eq!(socket.until("sync")["gaps"], 0);

        let header = format!("Last-Event-ID: {cursor}\r\n");
        let mut events = Events::open(server.addr, "/v1/sse?channel=a&channel=b", &header);
        let end = events.until("$end");
        assert_eq!((&end["channel"], &end["cursor"]), (&"a".into(), &cursor.into()));
        assert_eq!(events.until("$sync")["gaps"], 0);

        let poll = |query: &str| {
            let target = format!("/v1/poll?cursor={cursor}&{query}");
            ask(server.addr, "GET", &target, "", "").json()["ended"][0]["channel"].clone()
        };
        assert_eq!(poll("channel=a&channel=b"), "a");
        // It is not held: nothing will come.
        assert_eq!(poll("channel=a&wait=60"), "a");
    }
}

/// An answer to a poll that was held names the channels that had ended when it came, like one that comes
/// at once. [service:ended-before]
#[test]
fn a_poll_that_was_held_is_told_of_earlier_ends() {
    let server = start(|_| ());
    publish(server.addr, "a", "last words");
    assert_eq!(ask(server.addr, "POST", "/v1/channels/a/close", "", "").status, 200);
    std::thread::scope(|scope| {
        let target = "/v1/poll?channel=b&channel=a&cursor=17-2&wait=60";
        let poll = scope.spawn(|| ask(server.addr, "GET", target, "", "").json());
        server.wait_until(|service| service.holdings().due == 1);
        publish(server.addr, "b", "news");
        let answer = poll.join().expect("an answer");
        assert_eq!(answer["messages"][0]["data"], "news", "{answer}");
        assert_eq!(answer["ended"], json!([{"channel": "a", "cursor": "17-3"}]), "{answer}");
    });
}

/// [service:ttl]
#[test]
fn what_has_expired_is_in_no_answer() {
    let server = start(|_| ());
    ask(server.addr, "POST", "/v1/channels/a?ttl_ms=1", "", "gone");
    publish(server.addr, "a", "stays");
    server.wait_until(|service| service.log_time().ms > 0);
    let start_ms = server.run(|server| server.app().log_time().ms);
    server.wait_until(move |service| service.log_time().ms > start_ms + 2);
    for target in ["/v1/channels/a/history", "/v1/poll?channel=a&cursor=earliest"] {
        let answered = ask(server.addr, "GET", target, "", "").json();
        let messages = answered["messages"].as_array().expect("a list");
        assert_eq!(messages.len(), 1, "{target}");
        assert_eq!(messages[0]["data"], "stays");
    }
}

/// Ends, and what has expired, are no messages to who counts them.
#[test]
fn replayed_is_what_was_delivered() {
    let server = start(|_| ());
    ask(server.addr, "POST", "/v1/channels/a?ttl_ms=1", "", "gone");
    publish(server.addr, "a", "stays");
    publish(server.addr, "b", "stays, too");
    assert_eq!(ask(server.addr, "POST", "/v1/channels/b/close", "", "").status, 200);
    let start_ms = server.run(|server| server.app().log_time().ms);
    server.wait_until(move |service| service.log_time().ms > start_ms + 2);
    let channels = "channel=a&channel=b&cursor=earliest";
    let poll = ask(server.addr, "GET", &format!("/v1/poll?{channels}"), "", "").json();
    assert_eq!(poll["sync"]["replayed"], 2);
    let mut events = Events::open(server.addr, &format!("/v1/sse?{channels}"), "");
    assert_eq!(events.until("$sync")["replayed"], 2);
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["a","b"],"cursor":"earliest"}"#);
    assert_eq!(socket.until("sync")["replayed"], 2);
    // The next count begins at nothing; an empty cursor is none.
    socket.send(r#"{"type":"subscribe","channels":["c"],"cursor":""}"#);
    assert_eq!(socket.until("sync")["replayed"], 0);
}

#[test]
fn a_position_is_of_each_channel_once() {
    let server = start(|_| ());
    let twice = ask(server.addr, "GET", "/v1/position?channel=a&channel=b&channel=a", "", "");
    assert_eq!((twice.status, &twice.json()["error"]["code"]), (400, &"bad_query".into()));
}

#[test]
fn a_message_that_is_too_long_is_refused_by_its_code() {
    let server = start(|setup| setup.limits.message_bytes_max = 100);
    let mut socket = Socket::commands(server.addr);
    socket.send(&format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(100)));
    assert_eq!(socket.closed().0, 1009);
}
