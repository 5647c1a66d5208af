//! Rights by namespace: each rule, for each kind of identity, on each way in.

use crate::common::{Events, Running, Setup, Socket, ask, guarded_by, start, tickets};
use sockeye_auth::{Grants, Identity, JwtRules, Keys, Limits, SigningKey, TokenClaims, Verifier};
use sockeye_hub::PatternUse;
use sockeye_service::{Access, Guard, Namespaces, Publishers, Readers, Rules};

const GRANTED_KEY: &str = "a_back_end_s_key_of_a_good_length_01";
const BARE_KEY: &str = "a_back_end_s_key_of_a_good_length_02";

/// Somebody, and how they show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Nobody,
    Token(Given),
    Ticket(Given),
    Key(Given),
}

/// What they were granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Everything,
    Nothing,
}

const CALLERS: [Caller; 7] = [
    Caller::Nobody,
    Caller::Token(Given::Everything),
    Caller::Token(Given::Nothing),
    Caller::Ticket(Given::Everything),
    Caller::Ticket(Given::Nothing),
    Caller::Key(Given::Everything),
    Caller::Key(Given::Nothing),
];

impl Caller {
    fn given(self) -> Given {
        match self {
            Self::Nobody => Given::Nothing,
            Self::Token(given) | Self::Ticket(given) | Self::Key(given) => given,
        }
    }
}

fn identity(given: Given) -> Identity {
    let grants = || match given {
        Given::Everything => Grants::everything(),
        Given::Nothing => Grants::default(),
    };
    Identity { subscribe: grants(), publish: grants(), ..Identity::anonymous() }
}

fn guard(everybody: Given) -> Access {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    let shop = Identity { tickets: Grants::everything(), ..identity(Given::Everything) };
    keys.add_text("shop", GRANTED_KEY, shop).expect("a good key");
    keys.add_text("bare", BARE_KEY, identity(Given::Nothing)).expect("a good key");
    let key = signing_key().verifying().expect("a key");
    Access::Guarded(Box::new(Guard {
        tokens: Some(Verifier::new(JwtRules::default(), vec![key], limits).expect("rules")),
        tickets: Some(tickets(limits)),
        ..guarded_by(keys, identity(everybody))
    }))
}

fn signing_key() -> SigningKey {
    SigningKey::hs256(&[9; 32]).expect("a good secret")
}

/// The value of `Authorization`, and what follows a target's parameters.
fn shown(server: &Running, caller: Caller) -> (Option<String>, String) {
    match caller {
        Caller::Nobody => (None, String::new()),
        Caller::Key(Given::Everything) => (Some(format!("ApiKey {GRANTED_KEY}")), String::new()),
        Caller::Key(Given::Nothing) => (Some(format!("ApiKey {BARE_KEY}")), String::new()),
        Caller::Token(given) => {
            let ends_ms = server.run(|server| server.app().log_time().date_ms) + 3_600_000;
            let ann =
                Identity { user: Some("ann".into()), ends_ms: Some(ends_ms), ..identity(given) };
            let token = signing_key().token(&ann, &TokenClaims::default()).expect("a token");
            (Some(format!("Bearer {token}")), String::new())
        }
        Caller::Ticket(given) => {
            let wanted = match given {
                Given::Everything => r#"{"user":"bob","channels":[">"],"publish":[">"]}"#,
                Given::Nothing => r#"{"user":"bob"}"#,
            };
            let key = format!("Authorization: ApiKey {GRANTED_KEY}\r\n");
            let ticket = ask(server.addr, "POST", "/v1/tickets", &key, wanted).json();
            (None, format!("&ticket={}", ticket["ticket"].as_str().expect("a ticket")))
        }
    }
}

fn request(server: &Running, caller: Caller, method: &str, target: &str, body: &str) -> Answer {
    let (authorization, more) = shown(server, caller);
    let header = authorization.map(|it| format!("Authorization: {it}\r\n")).unwrap_or_default();
    let target = format!("{target}{more}");
    let answered = ask(server.addr, method, &target, &header, body);
    let json = answered.json();
    match answered.status {
        200 => Answer::Done(json),
        401 | 403 => Answer::refused(caller, &json["error"]["code"]),
        status => panic!("{status} {json}: {caller:?} {method} {target}"),
    }
}

/// What came of an attempt.
#[derive(Debug, PartialEq)]
enum Answer {
    Done(serde_json::Value),
    Refused,
}

impl Answer {
    /// [service:rights-unknown]
    fn refused(caller: Caller, code: &serde_json::Value) -> Self {
        let is_nobody = caller == Caller::Nobody;
        assert_eq!(code, if is_nobody { "credentials_required" } else { "forbidden" });
        Self::Refused
    }

    fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

fn socket(server: &Running, caller: Caller, target: &str, subprotocol: Option<&str>) -> Socket {
    let (authorization, more) = shown(server, caller);
    let target = format!("{target}{more}");
    Socket::open_as(server.addr, &target, subprotocol, authorization.as_deref())
}

fn command(server: &Running, caller: Caller, command: &str) -> Answer {
    let mut socket = socket(server, caller, "/v1/ws?", Some("sockeye.v1.json"));
    assert_eq!(socket.next_json()["type"], "welcome");
    socket.send(command);
    let answer = socket.next_json();
    match answer["type"] == "error" {
        true => Answer::refused(caller, &answer["code"]),
        false => Answer::Done(answer),
    }
}

fn events(server: &Running, caller: Caller, target: &str) -> Answer {
    let (authorization, more) = shown(server, caller);
    let header = authorization.map(|it| format!("Authorization: {it}\r\n")).unwrap_or_default();
    let target = format!("/v1/sse?channel={target}{more}");
    match Events::try_open(server.addr, &target, &header) {
        Ok(mut events) => Answer::Done(events.until("$sync")),
        Err(head) => {
            let status = if caller == Caller::Nobody { "401" } else { "403" };
            assert_eq!(&head[9..12], status, "{head}");
            Answer::Refused
        }
    }
}

/// A WebSocket without the subprotocol gets what is published, or is closed.
fn bare(server: &Running, caller: Caller, channel: &str) -> Answer {
    let before = server.run(|server| server.app().hub_stats().subscribers);
    let mut socket = socket(server, caller, &format!("/v1/ws?channel={channel}"), None);
    // Whether it is closed or not, it has been looked at once this is answered.
    assert!(server.run(|server| server.app().hub_stats().subscribers) <= before + 1);
    let key = format!("Authorization: ApiKey {GRANTED_KEY}\r\n");
    let target = format!("/v1/channels/{channel}");
    assert_eq!(ask(server.addr, "POST", &target, &key, "x").status, 200);
    match socket.next() {
        Some(text) => Answer::Done(text.into()),
        None => {
            assert_eq!(socket.closed().0, if caller == Caller::Nobody { 4300 } else { 4002 });
            Answer::Refused
        }
    }
}

/// Everything that reads, by name and by pattern.
fn reads(server: &Running, caller: Caller, namespace: &str) -> Vec<(&'static str, Answer)> {
    let channel = format!("{namespace}:1");
    let get = |target: String| request(server, caller, "GET", &target, "");
    let subscribe = |target: &str| {
        command(server, caller, &format!(r#"{{"type":"subscribe","channels":["{target}"]}}"#))
    };
    vec![
        ("stream", events(server, caller, &channel)),
        ("pattern", events(server, caller, &format!("{namespace}:*"))),
        ("command", subscribe(&channel)),
        ("pattern command", subscribe(&format!("{namespace}:>"))),
        ("bare", bare(server, caller, &channel)),
        ("poll", get(format!("/v1/poll?channel={channel}"))),
        ("pattern poll", get(format!("/v1/poll?channel={namespace}:*"))),
        ("position", get(format!("/v1/position?channel={channel}"))),
        ("history", get(format!("/v1/channels/{channel}/history?limit=1"))),
        ("presence", get(format!("/v1/channels/{channel}/presence?limit=1"))),
    ]
}

/// Everything that publishes; each way has a channel of its own, since one of them ends it.
fn writes(server: &Running, caller: Caller, namespace: &str) -> Vec<(&'static str, Answer)> {
    let channel = |way: &str| {
        let caller = format!("{caller:?}").replace(['(', ')'], "_");
        format!("{namespace}:{way}:{caller}")
    };
    let json = |way: &str| format!(r#"{{"channel":"{}","data":1}}"#, channel(way));
    let post = |target: String, body: &str| request(server, caller, "POST", &target, body);
    let Answer::Done(batch) = post("/v1/batch?".into(), &json("batch")) else {
        panic!("a batch says it by item")
    };
    let batch = match &batch["results"][0]["error"]["code"] {
        serde_json::Value::Null => Answer::Done(batch),
        code => Answer::refused(caller, code),
    };
    let publish = json("socket").replacen('{', r#"{"type":"publish","#, 1);
    vec![
        ("raw", post(format!("/v1/channels/{}?event=e", channel("raw")), "x")),
        ("json", post("/v1/publish?".into(), &json("json"))),
        ("batch", batch),
        ("socket", command(server, caller, &publish)),
        ("close", post(format!("/v1/channels/{}/close?", channel("close")), "")),
    ]
}

fn rules(subscribe: Readers, publish: Publishers) -> Rules {
    let mut rules = Rules::default();
    (rules.subscribe, rules.publish) = (subscribe, publish);
    rules.presence_ms = Some(0);
    rules
}

const READERS: [(&str, Readers); 3] =
    [("granted", Readers::Granted), ("known", Readers::Known), ("anyone", Readers::Anyone)];

const PUBLISHERS: [(&str, Publishers); 4] = [
    ("granted", Publishers::Granted),
    ("known", Publishers::Known),
    ("anyone", Publishers::Anyone),
    ("keys", Publishers::Keys),
];

/// Namespaces `r-…` that differ in who may read, and `w-…` in who may publish.
fn setup(setup: &mut Setup, everybody: Given) {
    setup.access = Some(guard(everybody));
    setup.hub.settings.patterns = PatternUse::Allowed;
    let readers = READERS.map(|(name, it)| (format!("r-{name}"), rules(it, Publishers::Granted)));
    let writers = PUBLISHERS.map(|(name, it)| (format!("w-{name}"), rules(Readers::Granted, it)));
    let named = readers.into_iter().chain(writers).collect();
    setup.namespaces = Namespaces { rules: Rules::default(), named };
}

/// [service:rights-subscribe] [service:rights-patterns]
#[test]
fn who_may_read_is_one_decision_on_every_way() {
    let server = start(|it| setup(it, Given::Nothing));
    for (name, rule) in READERS {
        for caller in CALLERS {
            let expected = match rule {
                Readers::Granted => caller.given() == Given::Everything,
                Readers::Known => caller != Caller::Nobody,
                Readers::Anyone => true,
            };
            for (way, answer) in reads(&server, caller, &format!("r-{name}")) {
                assert_eq!(answer.is_done(), expected, "{caller:?} {name} {way}: {answer:?}");
            }
        }
    }
}

/// [service:rights-publish]
#[test]
fn who_may_publish_is_one_decision_on_every_way() {
    let server = start(|it| setup(it, Given::Nothing));
    for (name, rule) in PUBLISHERS {
        for caller in CALLERS {
            let granted = caller.given() == Given::Everything;
            let expected = match rule {
                Publishers::Granted => granted,
                Publishers::Known => caller != Caller::Nobody,
                Publishers::Anyone => true,
                Publishers::Keys => caller == Caller::Key(Given::Everything),
            };
            for (way, answer) in writes(&server, caller, &format!("w-{name}")) {
                assert_eq!(answer.is_done(), expected, "{caller:?} {name} {way}: {answer:?}");
            }
        }
    }
}

/// What everybody was granted is a grant like another, and `keys` are keys all the same.
#[test]
fn what_everybody_may_is_granted_to_who_shows_nothing() {
    let server = start(|it| setup(it, Given::Everything));
    for (name, rule) in PUBLISHERS {
        for (way, answer) in writes(&server, Caller::Nobody, &format!("w-{name}")) {
            assert_eq!(answer.is_done(), rule != Publishers::Keys, "{name} {way}: {answer:?}");
        }
    }
    for (way, answer) in reads(&server, Caller::Nobody, "r-granted") {
        assert!(answer.is_done(), "{way}: {answer:?}");
    }
}

/// [service:rights-patterns] Nobody gets into a namespace by a pattern that they could not get into
/// by name.
#[test]
fn a_pattern_over_all_namespaces_needs_the_right_in_each() {
    let open = |all: Readers, one: Readers| {
        start(move |setup| {
            setup.access = Some(guard(Given::Nothing));
            setup.hub.settings.patterns = PatternUse::Allowed;
            let named = vec![("staff".to_owned(), rules(one, Publishers::Granted))];
            setup.namespaces = Namespaces { rules: rules(all, Publishers::Granted), named };
        })
    };
    for (all, one, granted, expected) in [
        (Readers::Anyone, Readers::Anyone, Caller::Nobody, true),
        (Readers::Anyone, Readers::Granted, Caller::Nobody, false),
        (Readers::Granted, Readers::Anyone, Caller::Nobody, false),
        (Readers::Anyone, Readers::Known, Caller::Token(Given::Nothing), true),
        (Readers::Known, Readers::Granted, Caller::Token(Given::Nothing), false),
        (Readers::Granted, Readers::Granted, Caller::Token(Given::Everything), true),
    ] {
        let server = open(all, one);
        for pattern in [">", "*:*", "*"] {
            let answer = events(&server, granted, pattern);
            assert_eq!(answer.is_done(), expected, "{all:?} {one:?} {granted:?} {pattern}");
        }
    }
}

/// Where there is something for who shows nothing, nobody has to say first who it is.
#[test]
fn a_first_message_need_not_say_who_it_is_where_anyone_may_do_something() {
    let server = start(|it| setup(it, Given::Nothing));
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["r-anyone:1"]}"#);
    assert_eq!(socket.next_json()["type"], "subscribed");
}

/// [service:rights-reload]
#[test]
fn who_received_by_a_rule_is_looked_at_anew_when_it_changes() {
    let server = start(|it| setup(it, Given::Nothing));
    let mut nobody = Events::open(server.addr, "/v1/sse?channel=r-anyone:1", "");
    nobody.until("$sync");
    let granted = Caller::Token(Given::Everything);
    let mut granted = socket(&server, granted, "/v1/ws?", Some("sockeye.v1.json"));
    granted.send(r#"{"type":"subscribe","channels":["r-anyone:1"]}"#);
    granted.until("sync");
    let addr = server.addr;
    let poll = move || ask(addr, "GET", "/v1/poll?channel=r-anyone:1&wait=60", "", "");
    let held = std::thread::spawn(poll);
    server.wait_for_streams(3);
    let reload = |anyone: Readers| {
        server.run(move |server| {
            let mut changed = Setup::default();
            setup(&mut changed, Given::Nothing);
            let mut named = changed.namespaces.named;
            named[2] = (named[2].0.clone(), rules(anyone, Publishers::Granted));
            let namespaces = Namespaces { rules: Rules::default(), named };
            let (access, limits) = (guard(Given::Nothing), sockeye_service::Limits::default());
            server.with_app(|service, context| {
                service.reload(access, namespaces, changed.hub, limits, context);
                service.take_reloaded().expect("few streams are judged at once").moved
            })
        })
    };
    assert_eq!(reload(Readers::Anyone), 0, "nothing is different");
    assert_eq!(reload(Readers::Known), 2, "the stream and the poll of nobody");
    assert_eq!(nobody.until("$goaway")["code"], 4200);
    assert_eq!(held.join().expect("an answer").status, 204);
    assert_eq!(poll().status, 401, "and now it is refused");
    granted.send(r#"{"type":"ping"}"#);
    assert_eq!(granted.next_json()["type"], "pong", "what was granted goes on");
}
