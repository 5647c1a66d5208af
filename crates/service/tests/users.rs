//! Users who are disconnected: which of their streams end, and who may end them.

use std::io::Write;
use std::net::TcpStream;

use sockeye_auth::{Grants, Identity, Keys, Limits};
use sockeye_hub::Epoch;
use sockeye_service::sequencing::{Health, Outcome, Statement, Verdict};
use sockeye_service::{Access, Guard};

use crate::common::{
    Answered, Events, Running, Scripted, Setup, Socket, TicketsOf, ask, guarded_by, read_some,
    start, tickets,
};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";
/// One that may do everything but disconnect users.
const OTHER: &str = "a_back_end_s_key_of_a_good_length_02";

fn guard(setup: &mut Setup) {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    for (name, key, disconnect) in [("one", KEY, true), ("other", OTHER, false)] {
        let allows = Identity {
            subscribe: Grants::everything(),
            publish: Grants::everything(),
            tickets: Grants::everything(),
            disconnect,
            ..Identity::anonymous()
        };
        keys.add_text(name, key, allows).expect("a good key");
    }
    let nothing = guarded_by(keys, Identity::anonymous());
    let guard = Guard { tickets: Some(tickets(limits)), ..nothing };
    setup.access = Some(Access::Guarded(Box::new(guard)));
}

fn with_key(key: &str) -> String {
    format!("Authorization: ApiKey {key}\r\n")
}

fn ticket(server: &Running, user: &str) -> String {
    let wanted = format!(r#"{{"user":"{user}","channels":["a"]}}"#);
    let answered = ask(server.addr, "POST", "/v1/tickets", &with_key(KEY), &wanted);
    answered.json()["ticket"].as_str().expect("a ticket").to_owned()
}

fn events(server: &Running, user: &str) -> Events {
    let target = format!("/v1/sse?channel=a&ticket={}", ticket(server, user));
    let mut events = Events::open(server.addr, &target, "");
    events.until("$sync");
    events
}

fn socket(server: &Running, user: &str) -> Socket {
    let target = format!("/v1/ws?ticket={}", ticket(server, user));
    let mut socket = Socket::open(server.addr, &target, Some("sockeye.v1.json"));
    socket.until("welcome");
    socket.send(r#"{"type":"subscribe","channels":["a"]}"#);
    socket.until("sync");
    socket
}

fn disconnect(server: &Running, user: &str) -> Answered {
    let target = format!("/v1/users/{user}/disconnect");
    ask(server.addr, "POST", &target, &with_key(KEY), "")
}

/// [service:disconnect]
#[test]
fn the_streams_of_a_user_end_and_no_others() {
    let server = start(guard);
    let (mut events_of_bob, mut socket_of_bob) = (events(&server, "bob"), socket(&server, "bob"));
    let (mut events_of_ann, mut socket_of_ann) = (events(&server, "ann"), socket(&server, "ann"));
    let (addr, by_ticket) = (server.addr, ticket(&server, "bob"));
    let target = format!("/v1/poll?channel=a&wait=20&ticket={by_ticket}");
    let poll = std::thread::spawn(move || ask(addr, "GET", &target, "", ""));
    server.wait_for_streams(5);
    let answered = disconnect(&server, "bob");
    assert_eq!(answered.status, 200);
    assert_eq!(answered.body, r#"{"user":"bob","level":"accepted"}"#);
    let goaway = events_of_bob.until("$goaway");
    assert_eq!((&goaway["code"], &goaway["reason"]), (&4003.into(), &"removed".into()));
    assert!(goaway.get("retry_ms").is_none(), "{goaway}");
    assert_eq!(events_of_bob.next(), None);
    assert_eq!(socket_of_bob.closed(), (4003, "removed".to_owned()));
    assert_eq!(poll.join().expect("an answer").status, 204);
    // A back end without a user's name has the same letters.
    assert_eq!(disconnect(&server, "one").status, 200);
    let mut again = events(&server, "bob");
    let published = ask(server.addr, "POST", "/v1/channels/a", &with_key(OTHER), "still here");
    assert_eq!(published.status, 200);
    assert_eq!(again.next_message().data, "still here", "who comes later stays");
    assert_eq!(events_of_ann.next_message().data, "still here");
    assert_eq!(socket_of_ann.until("message")["data"], "still here");
    server.wait_for_streams(3);
}

/// [service:disconnect]
#[test]
fn a_message_that_is_published_afterwards_does_not_reach_a_user_whose_stream_has_not_ended_yet() {
    let server = start(guard);
    // More than one step judges.
    let mut crowd: Vec<Events> = (0..90).map(|_| events(&server, "bob")).collect();
    crowd.extend((0..90).map(|_| events(&server, "cyd")));
    server.wait_for_streams(180);
    let target = "/v1/channels/a";
    let request = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{}Content-Length: {length}\r\n\r\n{body}",
            with_key(KEY)
        )
    };
    // All of it is read in one turn.
    let both = ["bob", "cyd"].map(|user| request(&format!("/v1/users/{user}/disconnect"), ""));
    let last = request(target, "late").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let answers = crate::common::raw(server.addr, &[&both.concat()[..], &last].concat());
    assert_eq!(answers.matches("200 OK").count(), 3, "{answers}");
    for stream in &mut crowd {
        let next = stream.next().expect("a last event");
        assert_eq!(next.name, "$goaway", "{next:?}");
    }
    server.wait_for_streams(0);
}

/// [service:disconnect]
#[test]
fn a_stream_that_opens_while_those_before_it_end_stays() {
    let server = start(guard);
    // More than one step judges. The last place is free, and the new stream takes it.
    let mut crowd: Vec<Events> = (0..90).map(|_| events(&server, "bob")).collect();
    let others: Vec<Events> = (0..90).map(|_| events(&server, "ann")).collect();
    drop(events(&server, "cyd"));
    server.wait_for_streams(180);
    let path = format!("/v1/sse?channel=a&ticket={}", ticket(&server, "bob"));
    let requests = format!(
        "POST /v1/users/bob/disconnect HTTP/1.1\r\nHost: x\r\n{}Content-Length: 0\r\n\r\n\
         GET {path} HTTP/1.1\r\nHost: x\r\n\r\n",
        with_key(KEY)
    );
    // Both are read in one turn.
    let mut again = TcpStream::connect(server.addr).expect("it listens");
    again.write_all(requests.as_bytes()).expect("it reads");
    for stream in &mut crowd {
        let next = stream.next().expect("a last event");
        assert_eq!(next.name, "$goaway", "{next:?}");
    }
    server.wait_for_streams(others.len() + 1);
    let published = ask(server.addr, "POST", "/v1/channels/a", &with_key(KEY), "still here");
    assert_eq!(published.status, 200);
    let (mut heard, mut buffer) = (String::new(), [0; 4_096]);
    while !heard.contains("still here") {
        let length = read_some(&mut again, &mut buffer).expect("it answers");
        assert_ne!(length, 0, "it ends: {heard}");
        heard += &String::from_utf8_lossy(&buffer[..length]);
    }
    assert!(!heard.contains("$goaway"), "{heard}");
}

/// [service:disconnect]
#[test]
fn nobody_disconnects_users_but_back_ends_that_may() {
    let server = start(guard);
    let mut events = events(&server, "bob");
    let path = "/v1/users/bob/disconnect";
    let by_ticket = format!("{path}?ticket={}", ticket(&server, "bob"));
    for (target, headers, status) in [
        (path, String::new(), 401),
        (path, with_key(OTHER), 403),
        (&by_ticket, String::new(), 403),
        ("/v1/users/%00/disconnect", with_key(KEY), 400),
        ("/v1/users/%GG/disconnect", with_key(KEY), 400),
        (&format!("/v1/users/{}/disconnect", "b".repeat(201)), with_key(KEY), 400),
        ("/v1/users/bob/disconnect?now=1", with_key(KEY), 400),
    ] {
        let answered = ask(server.addr, "POST", target, &headers, "");
        assert_eq!(answered.status, status, "{target}: {}", answered.body);
        let names =
            answered.body.contains("allow that: it takes an API key with disconnect = true");
        assert_eq!(names, status == 403, "{target}: {}", answered.body);
    }
    let published = ask(server.addr, "POST", "/v1/channels/a", &with_key(KEY), "still here");
    assert_eq!(published.status, 200);
    assert_eq!(events.next_message().data, "still here");
    let open = start(|_| ());
    assert_eq!(ask(open.addr, "POST", path, "", "").status, 403, "it knows no users");
}

fn on_a_log() -> (Running, Scripted) {
    let backbone = Scripted::new(TicketsOf::Log);
    let theirs = backbone.clone();
    let server = start(|setup| {
        guard(setup);
        setup.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), Outcome::Health(Health::Good)]);
    (server, backbone)
}

/// [service:disconnect]
#[test]
fn a_disconnection_is_answered_when_the_log_has_it() {
    let (server, backbone) = on_a_log();
    let mut events = events(&server, "bob");
    let addr = server.addr;
    let ask_for = || {
        let path = "/v1/users/bob/disconnect";
        std::thread::spawn(move || ask(addr, "POST", path, &with_key(KEY), ""))
    };
    let asked = ask_for();
    let (ticket, statement) = backbone.heard();
    assert_eq!(statement, Statement::Disconnect("bob".into()));
    server.run(|server| assert_eq!(server.app().holdings().held, 1));
    server.wait_for_streams(1);
    backbone.say(&server, [Outcome::Disconnect("bob".into(), Some(ticket))]);
    let answered = asked.join().expect("an answer");
    assert_eq!((answered.status, &*answered.body), (200, r#"{"user":"bob","level":"logged"}"#));
    assert_eq!(events.until("$goaway")["code"], 4003);
    server.wait_for_streams(0);
    server.run(|server| assert_eq!(server.app().holdings().held, 0));

    for verdict in [Verdict::OldNodes, Verdict::Failed] {
        let asked = ask_for();
        let (ticket, _) = backbone.heard();
        backbone.say(&server, [Outcome::Answer(ticket, verdict)]);
        let answered = asked.join().expect("an answer");
        assert_eq!(answered.status, 503);
        assert!(answered.header("Retry-After").is_some());
    }
    backbone.say(&server, [Outcome::Health(Health::Away("backbone_unreachable"))]);
    let answered = disconnect(&server, "bob");
    assert_eq!(answered.status, 503);
    assert!(answered.header("Retry-After").is_some());
}

/// [service:disconnect]
#[test]
fn another_node_s_disconnection_ends_streams_here() {
    let (server, backbone) = on_a_log();
    let (mut of_bob, mut of_ann) = (events(&server, "bob"), events(&server, "ann"));
    backbone.say(&server, [Outcome::Disconnect("bob".into(), None)]);
    assert_eq!(of_bob.until("$goaway")["code"], 4003);
    server.wait_for_streams(1);
    // Whom it has disconnected is not known.
    backbone.say(&server, [Outcome::DisconnectsMissed]);
    assert_eq!(of_ann.until("$goaway")["code"], 4200, "she comes back with her credentials");
    server.wait_for_streams(0);
}
