//! Other settings while it runs: who stays, who is sent away, and what is kept.

use crate::common::{Events, Running, Socket, ask, guarded_by, publish, start, tickets};
use sockeye_auth::{
    Grants, Identity, JwtKey, JwtRules, Keys, Limits, SigningKey, TokenClaims, Verifier,
};
use sockeye_hub::Config;
use sockeye_service::{Access, Guard, Reloaded};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";
const OTHER: &str = "a_back_end_s_key_of_a_good_length_02";
const SECRET: [u8; 32] = [b'9'; 32];

/// What a test configures.
#[derive(Clone, Copy)]
struct Rules {
    keys: &'static [(&'static str, &'static str)],
    token: Option<[u8; 32]>,
    subscribe: &'static [&'static str],
    everybody: &'static [&'static str],
}

const BEFORE: Rules = Rules {
    keys: &[("one", KEY), ("two", OTHER)],
    token: Some(SECRET),
    subscribe: &[">"],
    everybody: &["public:>"],
};

fn grants(texts: &[&str]) -> Grants {
    Grants::new(texts.iter().copied(), &Limits::default()).expect("valid names")
}

fn access(rules: Rules) -> Access {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    for (name, key) in rules.keys {
        let allows = Identity {
            subscribe: grants(rules.subscribe),
            publish: Grants::everything(),
            tickets: Grants::everything(),
            ..Identity::anonymous()
        };
        keys.add_text(name, key, allows).expect("a good key");
    }
    let verifier = |secret: [u8; 32]| {
        let key = JwtKey::hs256(&secret).expect("a good secret");
        Verifier::new(JwtRules::default(), vec![key], limits).expect("rules")
    };
    Access::Guarded(Box::new(Guard {
        tokens: rules.token.map(verifier),
        tickets: Some(tickets(limits)),
        ..guarded_by(keys, Identity { subscribe: grants(rules.everybody), ..Identity::anonymous() })
    }))
}

fn reload(server: &Running, rules: Rules, hub: Config) -> Reloaded {
    server.run(move |server| {
        server.with_app(|service, context| {
            let namespaces = sockeye_service::Namespaces::default();
            let limits = sockeye_service::Limits::default();
            service.reload(access(rules), namespaces, hub, limits, context);
            service.take_reloaded().expect("few streams are judged at once")
        })
    })
}

fn with_key(key: &str) -> String {
    format!("Authorization: ApiKey {key}\r\n")
}

fn token() -> String {
    let signer = SigningKey::hs256(&SECRET).expect("a good secret");
    let ann = Identity {
        user: Some("ann".to_owned()),
        subscribe: grants(&["a", "public:>"]),
        ends_ms: Some(4_102_444_800_000),
        ..Identity::anonymous()
    };
    signer.token(&ann, &TokenClaims::default()).expect("a token")
}

/// [service:revoked]
#[test]
fn who_came_by_a_key_goes_with_it() {
    let server = start(|setup| setup.access = Some(access(BEFORE)));
    let open = |headers: &str| {
        let mut events = Events::open(server.addr, "/v1/sse?channel=a&channel=public:1", headers);
        events.until("$sync");
        events
    };
    let (mut gone, mut kept) = (open(&with_key(KEY)), open(&with_key(OTHER)));
    let mut by_token = open(&format!("Authorization: Bearer {}\r\n", token()));
    let mut stranger = open("");
    let answered = ask(
        server.addr,
        "POST",
        "/v1/tickets",
        &with_key(KEY),
        r#"{"user":"bob","channels":["a"]}"#,
    );
    let ticket = answered.json()["ticket"].as_str().expect("a ticket").to_owned();

    // The same again: nobody notices.
    assert_eq!(reload(&server, BEFORE, Config::default()), Reloaded::default());
    // One key of the same name is another one now, and so is the tokens'.
    let rotated = Rules {
        keys: &[("one", "a_back_end_s_key_of_a_good_length_03"), ("two", OTHER)],
        token: Some([b'8'; 32]),
        ..BEFORE
    };
    let reloaded = reload(&server, rotated, Config::default());
    assert_eq!((reloaded.revoked, reloaded.moved), (2, 0));
    for stream in [&mut gone, &mut by_token] {
        let goaway = stream.until("$goaway");
        assert_eq!((&goaway["code"], &goaway["reason"]), (&4303.into(), &"revoked".into()));
        assert_eq!(stream.next(), None);
    }
    let refused = ask(server.addr, "GET", "/v1/position", &with_key(KEY), "");
    assert_eq!(refused.json()["error"]["code"], "api_key_unknown");
    // A ticket that the key issued is as good as before.
    let mut by_ticket =
        Events::open(server.addr, &format!("/v1/sse?channel=a&ticket={ticket}"), "");
    by_ticket.until("$sync");
    let answered =
        ask(server.addr, "POST", "/v1/channels/public:1", &with_key(OTHER), "still here");
    assert_eq!(answered.status, 200);
    assert_eq!(kept.next_message().data, "still here");
    assert_eq!(stranger.next_message().data, "still here");
    // And goes on without its key, or any.
    let reloaded = reload(&server, Rules { keys: &[], token: None, ..BEFORE }, Config::default());
    assert_eq!((reloaded.revoked, reloaded.moved), (1, 0));
    assert_eq!(kept.until("$goaway")["code"], 4303);
    server.wait_for_streams(2);
}

/// [service:revoked]
#[test]
fn who_may_do_other_things_now_comes_back_for_them() {
    let server = start(|setup| setup.access = Some(access(BEFORE)));
    let mut socket = Socket::open_as(
        server.addr,
        "/v1/ws",
        Some("sockeye.v1.json"),
        Some(&format!("ApiKey {KEY}")),
    );
    socket.until("welcome");
    socket.send(r#"{"type":"subscribe","channels":["secret:1"]}"#);
    socket.until("sync");
    let mut stranger = Events::open(server.addr, "/v1/sse?channel=public:1", "");
    stranger.until("$sync");
    let mut greeting = Socket::commands(server.addr);
    let addr = server.addr;
    let poll =
        std::thread::spawn(move || ask(addr, "GET", "/v1/poll?channel=public:1&wait=20", "", ""));
    server.wait_for_streams(4);
    let narrower = Rules { subscribe: &["a"], everybody: &[], ..BEFORE };
    let reloaded = reload(&server, narrower, Config::default());
    assert_eq!((reloaded.revoked, reloaded.moved), (0, 3), "the greeting has nothing yet");
    let (code, reason) = socket.closed();
    assert!(code == 4200 && reason.starts_with("reconnect retry_ms="), "{code} {reason}");
    assert_eq!(stranger.until("$goaway")["code"], 4200);
    assert_eq!(poll.join().expect("an answer").status, 204);
    let target = "/v1/sse?channel=secret:1";
    assert_eq!(ask(server.addr, "GET", target, &with_key(KEY), "").status, 403);
    // Who had not said anything yet does not get what strangers had.
    greeting.send(r#"{"type":"subscribe","channels":["public:1"]}"#);
    assert_eq!(greeting.closed().0, 4300);
}

#[test]
fn channels_keep_what_they_are_told_to() {
    let server = start(|_| ());
    let first = ["1", "2", "3"].map(|text| publish(server.addr, "a", text))[0].clone();
    let mut hub = Config::default();
    hub.settings.history_messages_max = 1;
    server.run(move |server| {
        server.with_app(|service, context| {
            let namespaces = sockeye_service::Namespaces::default();
            let mut limits = sockeye_service::Limits::default();
            limits.history_messages_max = 7;
            service.reload(Access::Open, namespaces, hub, limits, context);
        });
    });
    let page = ask(server.addr, "GET", "/v1/channels/a/history", "", "").json();
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page["messages"][0]["data"], "3");
    let poll =
        ask(server.addr, "GET", &format!("/v1/poll?channel=a&cursor={first}"), "", "").json();
    assert_eq!(poll["gaps"][0]["reason"], "trimmed", "{poll}");
}

/// [hub:bound-drops]
#[test]
fn what_has_no_room_any_more_goes_in_steps() {
    let server = start(|_| ());
    for at in 0..40 {
        publish(server.addr, &format!("a:{}", at % 4), "m");
    }
    let mut hub = Config::default();
    hub.settings.history_messages_max = 1;
    hub.limits.drops_per_call_max = 5;
    server.run(move |server| {
        server.with_app(|service, context| {
            let namespaces = sockeye_service::Namespaces::default();
            let limits = sockeye_service::Limits::default();
            service.reload(Access::Open, namespaces, hub, limits, context);
            assert!(service.hub_stats().history_messages >= 35);
        });
    });
    server.wait_until(|service| service.hub_stats().history_messages == 4);
}
