//! Who is there: counted, listed, and told to those who ask.

use crate::common;

use common::{Events, Running, Setup, Socket, ask, guarded_by, start};
use sockeye_auth::{Grants, Identity, JwtRules, Keys, Limits, SigningKey, TokenClaims, Verifier};
use sockeye_hub::PatternUse;
use sockeye_service::{Access, Guard, Namespaces, Rules};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";

/// Longer than any test.
const LONG: u64 = 3_600_000;

fn everything() -> Identity {
    let (subscribe, publish) = (Grants::everything(), Grants::everything());
    Identity { subscribe, publish, ..Identity::anonymous() }
}

/// Presence is kept in `room`, with this grace time, and nowhere else; all is told at once.
pub(crate) fn setup(setup: &mut Setup, grace_ms: u64) {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    keys.add_text("shop", KEY, everything()).expect("a good key");
    let key = signing_key().verifying().expect("a key");
    setup.access = Some(Access::Guarded(Box::new(Guard {
        tokens: Some(Verifier::new(JwtRules::default(), vec![key], limits).expect("rules")),
        ..guarded_by(keys, everything())
    })));
    let mut rules = Rules::default();
    rules.presence_ms = Some(grace_ms);
    setup.namespaces =
        Namespaces { rules: Rules::default(), named: vec![("room".to_owned(), rules)] };
    setup.hub.settings.patterns = PatternUse::Allowed;
    setup.limits.presence_interval_ms = 0;
}

fn signing_key() -> SigningKey {
    SigningKey::hs256(&[9; 32]).expect("a good secret")
}

fn bearer(server: &Running, user: &str) -> String {
    let ends_ms = Some(server.run(|server| server.app().log_time().date_ms) + LONG);
    let identity = Identity { user: Some(user.to_owned()), ends_ms, ..everything() };
    let token = signing_key().token(&identity, &TokenClaims::default()).expect("a token");
    format!("Bearer {token}")
}

pub(crate) fn header(server: &Running, user: &str) -> String {
    format!("Authorization: {}\r\n", bearer(server, user))
}

/// A WebSocket of a user that subscribes a channel, and is told who is there if it wants.
pub(crate) fn socket(server: &Running, user: &str, channel: &str, presence: bool) -> Socket {
    let bearer = bearer(server, user);
    let mut socket = Socket::open_as(server.addr, "/v1/ws", Some("sockeye.v1.json"), Some(&bearer));
    socket
        .send(&format!(r#"{{"type":"subscribe","channels":["{channel}"],"presence":{presence}}}"#));
    socket.until("sync");
    socket
}

pub(crate) fn presence(server: &Running, query: &str) -> serde_json::Value {
    let answered = ask(server.addr, "GET", &format!("/v1/channels/room:1/presence{query}"), "", "");
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.json()
}

/// Reads events until the counts are these; gives who came and who went in all of them.
pub(crate) fn until_counts(
    socket: &mut Socket,
    users: u64,
    streams: u64,
) -> (Vec<String>, Vec<String>) {
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    loop {
        let event = socket.until("presence");
        let names = |it: &str| {
            let names = event[it].as_array().expect("names").iter();
            names.map(|name| name.as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        joined.extend(names("joined"));
        left.extend(names("left"));
        if event["users"] == users && event["streams"] == streams {
            return (joined, left);
        }
    }
}

#[test]
fn users_are_listed_with_their_streams_whatever_they_read_by() {
    let server = start(|it| setup(it, LONG));
    let _ann = socket(&server, "ann", "room:1", false);
    let ann = header(&server, "ann");
    let mut events = Events::open(server.addr, "/v1/sse?channel=room:1", &ann);
    events.until("$sync");
    let bob = bearer(&server, "bob");
    let _bare = Socket::open_as(server.addr, "/v1/ws?channel=room:1", None, Some(&bob));
    // Without a name, and a back end, which is no user.
    let mut nobody = Events::open(server.addr, "/v1/sse?channel=room:1", "");
    nobody.until("$sync");
    let shop = format!("Authorization: ApiKey {KEY}\r\n");
    let mut shop = Events::open(server.addr, "/v1/sse?channel=room:1", &shop);
    shop.until("$sync");
    // Elsewhere, and by a pattern: not in this channel.
    let _other = socket(&server, "eve", "room:2", false);
    let _pattern = socket(&server, "eve", "room:*", false);
    // A poll that is over: there for as long as who comes back.
    let target = "/v1/poll?channel=room:1&wait=60";
    let (addr, cyd) = (server.addr, header(&server, "cyd"));
    let poll = std::thread::spawn(move || ask(addr, "GET", target, &cyd, ""));
    server.wait_for_streams(8);
    common::publish(server.addr, "room:1", "x");
    assert_eq!(poll.join().expect("an answer").status, 200);

    server.wait_for_streams(7);
    let list = presence(&server, "");
    assert_eq!((&list["users"], &list["streams"]), (&3.into(), &5.into()));
    let member = |user: &str, streams: u64| serde_json::json!({"user": user, "streams": streams});
    let members = [member("ann", 2), member("bob", 1), member("cyd", 0)];
    assert_eq!(list["members"], serde_json::Value::from(members.to_vec()));
    assert_eq!((&list["channel"], &list["more"]), (&"room:1".into(), &false.into()));
    // In pages.
    let page = presence(&server, "?limit=2");
    assert_eq!((&page["members"][1], &page["more"]), (&members[1], &true.into()));
    let page = presence(&server, "?limit=2&after=bob");
    assert_eq!(
        (&page["members"], &page["more"]),
        (&serde_json::json!([members[2]]), &false.into())
    );
    for bad in ["?limit=x", "?limit=0", "?after=a&after=b", "?cursor=now"] {
        let target = format!("/v1/channels/room:1/presence{bad}");
        assert_eq!(ask(server.addr, "GET", &target, "", "").status, 400, "{bad}");
    }
}

/// [service:presence-off]
#[test]
fn where_it_is_not_kept_it_is_refused() {
    let server = start(|it| setup(it, LONG));
    let answered = ask(server.addr, "GET", "/v1/channels/quiet:1/presence", "", "");
    assert_eq!(answered.status, 403);
    assert_eq!(answered.json()["error"]["code"], "presence_off");
    // Asked for, it is refused, and the others go on.
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["quiet:1","room:*","room:1"],"presence":true}"#);
    for channel in ["quiet:1", "room:*"] {
        let refused = socket.next_json();
        let told = (&refused["channel"], &refused["code"]);
        assert_eq!(told, (&channel.into(), &"presence_off".into()));
    }
    assert_eq!(socket.next_json()["channels"], serde_json::json!(["room:1"]));
    let target = "/v1/sse?channel=quiet:1&channel=room:1&presence=true";
    let mut events = Events::open(server.addr, target, "");
    assert_eq!(events.until("$error")["code"], "presence_off");
    assert_eq!(events.until("$presence")["streams"], 2);
    for bad in ["/v1/sse?channel=room:1&presence=1", "/v1/poll?channel=room:1&presence=true"] {
        assert_eq!(ask(server.addr, "GET", bad, "", "").json()["error"]["code"], "bad_query");
    }
    // And nothing is kept of who is there.
    let _quiet = self::socket(&server, "ann", "quiet:1", false);
    drop((socket, events));
    server.wait_until(|service| service.holdings().presence == 0);
}

#[test]
fn who_asks_is_told_who_is_there_who_comes_and_who_goes() {
    let server = start(|it| setup(it, 0));
    let _ann = socket(&server, "ann", "room:1", false);
    let mut bob = socket(&server, "bob", "room:1", true);
    let first = bob.until("presence");
    assert_eq!(first["joined"], serde_json::json!(["ann", "bob"]));
    let told = (&first["fresh"], &first["users"], &first["streams"], &first["more"]);
    assert_eq!(told, (&true.into(), &2.into(), &2.into(), &false.into()));
    let target = "/v1/sse?channel=room:1&presence=true&envelope=json";
    let mut events = Events::open(server.addr, target, "");
    let first = events.until("$presence");
    assert_eq!((&first["fresh"], &first["streams"]), (&true.into(), &3.into()));
    assert_eq!(first["type"], serde_json::Value::Null);

    let mut cyd = socket(&server, "cyd", "room:1", false);
    let (joined, left) = until_counts(&mut bob, 3, 4);
    assert_eq!((joined, left.len()), (vec!["cyd".to_owned()], 0));
    // Its own coming changed the number of streams.
    let mut event = events.until("$presence");
    while event["users"] != 3 {
        event = events.until("$presence");
    }
    assert_eq!((&event["fresh"], &event["joined"]), (&false.into(), &serde_json::json!(["cyd"])));
    // An event is no message: it moves no cursor.
    let cursor = events.last_event_id().to_owned();
    cyd.send(r#"{"type":"unsubscribe","channels":["room:1"]}"#);
    let (joined, left) = until_counts(&mut bob, 2, 3);
    assert_eq!((joined.len(), left), (0, vec!["cyd".to_owned()]));
    while events.until("$presence")["left"] != serde_json::json!(["cyd"]) {}
    assert_eq!(events.last_event_id(), cursor);
    // What is older than a list has a lower version.
    let list = presence(&server, "");
    assert!(list["version"].as_u64() > event["version"].as_u64(), "{list} {event}");
    drop((bob, cyd, events, _ann));
    server.wait_until(|service| service.holdings().presence == 0);
}

/// [service:presence-grace]
#[test]
fn who_comes_back_in_time_has_neither_left_nor_come() {
    let server = start(|it| setup(it, LONG));
    let mut bob = socket(&server, "bob", "room:1", true);
    until_counts(&mut bob, 1, 1);
    let ann = socket(&server, "ann", "room:1", false);
    assert_eq!(until_counts(&mut bob, 2, 2), (vec!["ann".to_owned()], vec![]));
    drop(ann);
    assert_eq!(until_counts(&mut bob, 2, 1), (vec![], vec![]), "gone, and still there");
    // By another transport: a poll that waits.
    let ann = header(&server, "ann");
    let target = "/v1/poll?channel=room:1&wait=60";
    let addr = server.addr;
    let poll = std::thread::spawn(move || ask(addr, "GET", target, &ann, ""));
    assert_eq!(until_counts(&mut bob, 2, 2), (vec![], vec![]));
    common::publish(server.addr, "room:1", "x");
    assert_eq!(poll.join().expect("an answer").status, 200);
    assert_eq!(until_counts(&mut bob, 2, 1), (vec![], vec![]));
    assert_eq!(presence(&server, "")["members"][0]["streams"], 0);
}

/// [service:presence-grace] And who does not has left, once the time is over.
#[test]
fn a_leave_is_told_once_the_time_is_over() {
    let server = start(|it| setup(it, 200));
    let mut bob = socket(&server, "bob", "room:1", true);
    let ann = socket(&server, "ann", "room:1", false);
    until_counts(&mut bob, 2, 2);
    drop(ann);
    assert_eq!(until_counts(&mut bob, 2, 1), (vec![], vec![]));
    assert_eq!(until_counts(&mut bob, 1, 1), (vec![], vec!["ann".to_owned()]));
}

/// [service:presence-bounds]
#[test]
fn more_than_an_event_names_is_said_to_be_more() {
    let server = start(|it| {
        setup(it, LONG);
        it.limits.presence_names_max = 2;
        it.limits.presence_page_max = 2;
        it.limits.presence.room_members_max = 3;
    });
    let streams: Vec<Socket> =
        ["a", "b", "c", "d"].map(|user| socket(&server, user, "room:1", false)).into();
    let mut watcher = socket(&server, "e", "room:1", true);
    let event = watcher.until("presence");
    assert_eq!((&event["users"], &event["streams"]), (&3.into(), &5.into()));
    assert_eq!((&event["joined"], &event["more"]), (&serde_json::json!(["a", "b"]), &true.into()));
    let list = presence(&server, "?limit=100");
    assert_eq!((list["members"].as_array().map(Vec::len), &list["more"]), (Some(2), &true.into()));
    drop(streams);
}

/// [service:presence-polls]
#[test]
fn only_who_waits_or_streams_comes() {
    let server = start(|it| {
        setup(it, LONG);
        it.hub.limits.subscriptions_max = 2;
        it.limits.connections_per_user = 1;
    });
    let ann = header(&server, "ann");
    let poll = |query: &str| {
        let answered =
            ask(server.addr, "GET", &format!("/v1/poll?channel=room:1{query}"), &ann, "");
        answered.status
    };
    let held = || server.run(|server| server.app().holdings().presence);
    // Without waiting, with something there already, and with one channel that is refused.
    common::publish(server.addr, "room:1", "x");
    assert_eq!((poll(""), poll("&wait=60&cursor=earliest")), (200, 200));
    let refused = "&channel=room:2&channel=room:3";
    assert_eq!((poll(&format!("{refused}&wait=60")), poll(refused)), (400, 400));
    assert_eq!(held(), 0);
    // Nor who has too many connections.
    let _stream = socket(&server, "ann", "quiet:1", false);
    assert_eq!((poll("&wait=60"), held()), (429, 0));
    assert_eq!(presence(&server, "")["users"], 0);
}

/// [service:presence-bounds]
#[test]
fn a_user_is_a_member_of_so_many_channels() {
    let server = start(|it| {
        setup(it, 0);
        it.limits.presence_channels_per_user = 2;
    });
    let _two = ["room:2", "room:3"].map(|channel| socket(&server, "ann", channel, false));
    let third = socket(&server, "ann", "room:1", false);
    let list = presence(&server, "");
    assert_eq!((&list["users"], &list["streams"]), (&0.into(), &1.into()), "one without a name");
    let _bob = socket(&server, "bob", "room:1", false);
    assert_eq!(presence(&server, "")["users"], 1, "others have their own bound");
    drop((_two, third));
    server.wait_for_streams(1);
    let _again = socket(&server, "ann", "room:1", false);
    assert_eq!(presence(&server, "")["members"][0]["user"], "ann", "there is room again");
}

/// [service:bound-answer]
#[test]
fn pages_of_who_is_there_are_cut_to_the_byte() {
    let list = |queue_bytes: usize, query: &str| {
        let server = start(|it| {
            setup(it, LONG);
            it.limits.queue_bytes_max = queue_bytes;
        });
        let _all = ["ann", "bob", "cyd"].map(|user| socket(&server, user, "room:1", false));
        let list = presence(&server, &format!("?limit=9{query}"));
        let members = list["members"].to_string();
        (list["members"].as_array().map(Vec::len), list["more"] == true, members.len() - 2)
    };
    let (_, _, bytes) = list(64 * 1024, "");
    let one = (bytes - 2) / 3;
    assert_eq!(list(bytes, ""), (Some(3), false, bytes));
    assert_eq!(list(bytes - 1, ""), (Some(2), true, one * 2 + 1));
    assert_eq!(list(one * 2 + 1, "&after=ann"), (Some(2), false, one * 2 + 1));
    assert_eq!(list(one * 2, ""), (Some(1), true, one));
    assert_eq!(list(1, ""), (Some(1), true, one));
}

/// [service:presence-off]
#[test]
fn where_it_is_not_kept_any_more_nobody_is_told() {
    let server = start(|it| setup(it, 0));
    let ann = socket(&server, "ann", "room:1", false);
    let mut bob = socket(&server, "bob", "room:1", true);
    until_counts(&mut bob, 2, 2);
    server.run(|server| {
        server.with_app(|service, context| {
            let mut it = Setup::default();
            setup(&mut it, 0);
            let access = it.access.expect("it has one");
            service.reload(access, Namespaces::default(), it.hub, it.limits, context);
        });
    });
    server.wait_until(|service| service.holdings().presence == 0);
    drop(ann);
    server.wait_for_streams(1);
    common::publish(server.addr, "room:1", "x");
    loop {
        let next = bob.next_json();
        assert_ne!(next["type"], "presence");
        if next["type"] == "message" {
            break;
        }
    }
}

/// [service:presence-slow] An event is not kept for who has no room: it is told all later.
#[test]
fn a_slow_reader_is_told_everything_anew() {
    let server = start(|it| {
        setup(it, LONG);
        it.limits.queue_bytes_max = 4 * 1024;
        it.hub.settings.history_messages_max = 10_000;
        it.hub.settings.history_bytes_max = 1 << 30;
    });
    let mut slow = Events::open(server.addr, "/v1/sse?channel=room:1&presence=true", "");
    assert_eq!(slow.until("$presence")["users"], 0);
    // More than the sockets between hold.
    let text = "x".repeat(60_000);
    let lagged = || server.run(|server| server.app().hub_stats().lagged);
    while lagged() == 0 {
        common::publish(server.addr, "room:1", &text);
    }
    let streams: Vec<Socket> =
        ["ann", "bob"].map(|user| socket(&server, user, "room:1", false)).into();
    server.wait_for_streams(3);
    let event = slow.until("$presence");
    assert_eq!((&event["fresh"], &event["users"]), (&true.into(), &2.into()));
    assert_eq!(event["joined"], serde_json::json!(["ann", "bob"]));
    drop(streams);
}
