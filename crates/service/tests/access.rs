//! Who may do what, over real sockets.

use crate::common;

use common::{Events, Running, Setup, Socket, ask, guarded_by, publish, start, tickets};
use sockeye_auth::{
    AllowedOrigins, Grants, Identity, JwtKey, JwtRules, Keys, Limits, Taken, Verifier,
};
use sockeye_service::{Access, Guard};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";

fn grants(texts: &[&str]) -> Grants {
    Grants::new(texts.iter().copied(), &Limits::default()).expect("valid names")
}

/// A back end that may do everything, users by tokens and tickets, and a public namespace.
fn guard(setup: &mut Setup) {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    let back_end = Identity {
        subscribe: Grants::everything(),
        publish: Grants::everything(),
        tickets: Grants::everything(),
        ..Identity::anonymous()
    };
    keys.add_text("back end", KEY, back_end).expect("a good key");
    let jwt = JwtKey::hs256(&[9; 32]).expect("a good secret");
    let verifier = Verifier::new(JwtRules::default(), vec![jwt], limits).expect("rules");
    setup.access = Some(Access::Guarded(Box::new(Guard {
        tokens: Some(verifier),
        tickets: Some(tickets(limits)),
        taken: Taken {
            cookie: Some("session".to_owned()),
            origins: AllowedOrigins::new(["https://app.example"]).expect("an origin"),
            query_token: None,
        },
        ..guarded_by(keys, Identity { subscribe: grants(&["public:>"]), ..Identity::anonymous() })
    })));
}

fn with_key(server: &Running, method: &str, target: &str, body: &str) -> (u16, serde_json::Value) {
    let header = format!("Authorization: ApiKey {KEY}\r\n");
    let answered = ask(server.addr, method, target, &header, body);
    (answered.status, answered.json())
}

fn ticket(server: &Running, wanted: &str) -> String {
    let (status, body) = with_key(server, "POST", "/v1/tickets", wanted);
    assert_eq!(status, 200, "{body}");
    body["ticket"].as_str().expect("a ticket").to_owned()
}

#[test]
fn nothing_is_allowed_that_is_not_granted() {
    let server = start(guard);
    for (method, target, status, code) in [
        ("POST", "/v1/channels/private:1", 401, "credentials_required"),
        ("POST", "/v1/channels/public:1", 401, "credentials_required"),
        ("POST", "/v1/channels/private:1/close", 401, "credentials_required"),
        ("GET", "/v1/channels/private:1/history", 401, "credentials_required"),
        ("GET", "/v1/position?channel=private:1", 401, "credentials_required"),
        ("GET", "/v1/poll?channel=private:1", 401, "credentials_required"),
        ("GET", "/v1/sse?channel=private:1", 401, "credentials_required"),
        ("POST", "/v1/tickets", 401, "credentials_required"),
    ] {
        let body = if target == "/v1/tickets" { "{}" } else { "x" };
        let answered = ask(server.addr, method, target, "", body);
        assert_eq!(
            (answered.status, &answered.json()["error"]["code"]),
            (status, &code.into()),
            "{method} {target}"
        );
    }
    let bad = "Authorization: ApiKey wrong_wrong_wrong_wrong_wrong_wrong\r\n";
    let answered = ask(server.addr, "GET", "/v1/position", bad, "");
    assert_eq!(answered.json()["error"]["code"], "api_key_unknown");
    assert_eq!(answered.status, 401);
    // What everybody may, everybody may.
    let (status, receipt) = with_key(&server, "POST", "/v1/channels/public:1", "hello");
    assert_eq!((status, &receipt["seq"]), (200, &1.into()));
    let poll = ask(server.addr, "GET", "/v1/poll?channel=public:1&cursor=earliest", "", "");
    assert_eq!(poll.json()["messages"][0]["data"], "hello");
    // And where some of it is refused, the others go on.
    let target = "/v1/sse?channel=private:1&channel=public:1&cursor=earliest";
    let mut events = Events::open(server.addr, target, "");
    let refused = events.until("$error");
    let code = "credentials_required".into();
    assert_eq!((&refused["channel"], &refused["code"]), (&"private:1".into(), &code));
    assert_eq!(events.next_message().data, "hello");
}

/// [service:sse-forbidden] [service:rights-unknown] An end in a stream is none to an EventSource: it
/// would come back for ever.
#[test]
fn a_stream_that_may_have_nothing_gets_a_status() {
    let server = start(guard);
    let narrow = ticket(&server, r#"{"user":"ann","channels":["public:*"]}"#);
    let target = format!("/v1/sse?channel=private:1&channel=private:2&ticket={narrow}");
    let answered = ask(server.addr, "GET", &target, "", "");
    assert_eq!((answered.status, &answered.json()["error"]["code"]), (403, &"forbidden".into()));
    // Whoever could show something is told to, where there are words for it.
    let mut bare = Socket::open_as(server.addr, "/v1/ws?channel=private:1", None, None);
    assert_eq!(bare.closed(), (4300, "unauthenticated".into()));
    // Whether a channel has ended is for those only who may read it.
    let (status, _) = with_key(&server, "POST", "/v1/channels/private:1", "x");
    assert_eq!(status, 200);
    let (status, ended) = with_key(&server, "POST", "/v1/channels/private:1/close", "");
    assert_eq!(status, 200);
    let cursor = ended["cursor"].as_str().expect("a cursor");
    let target = format!("/v1/sse?channel=private:1&cursor={cursor}");
    let refused = Events::try_open(server.addr, &target, "").err().expect("a status");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let mut mixed = Events::open(server.addr, &format!("{target}&channel=public:1"), "");
    mixed.until("$error");
    let key = format!("Authorization: ApiKey {KEY}\r\n");
    let ended = Events::try_open(server.addr, &target, &key).err().expect("a status");
    assert!(ended.starts_with("HTTP/1.1 204 "), "{ended}");
}

/// [service:challenge]
#[test]
fn whoever_has_to_show_something_is_told_what() {
    let server = start(guard);
    for (headers, target, status, challenged) in [
        ("", "/v1/tickets", 401, true),
        ("Authorization: ApiKey wrong_wrong_wrong_wrong_wrong_wrong\r\n", "/v1/publish", 401, true),
        ("Authorization: Bearer nonsense\r\n", "/v1/publish", 401, true),
        ("Authorization: Basic YTpi\r\n", "/v1/publish", 400, false),
        ("", "/v1/channels/private:1", 401, true),
    ] {
        let answered = ask(server.addr, "POST", target, headers, "{}");
        let challenge = answered.header("WWW-Authenticate");
        let wanted = r#"Bearer realm="sockeye", ApiKey realm="sockeye""#;
        assert_eq!(answered.status, status, "{answered:?}");
        assert_eq!(challenge, challenged.then_some(wanted), "{answered:?}");
    }
}

#[test]
fn what_is_no_ticket_s_wish_is_said_as_for_publications() {
    let server = start(guard);
    for (body, code) in [
        ("", "bad_json"),
        ("{\"user\":", "bad_json"),
        ("{} {}", "bad_json"),
        ("[]", "bad_request"),
        (r#"["ana",["chat:>"],[],30000,60000]"#, "bad_request"),
        ("null", "bad_request"),
        (r#"{"usr":"ana"}"#, "bad_request"),
        (r#"{"life_ms":-1}"#, "bad_request"),
        (r#"{"channels":["a::b"]}"#, "bad_channel"),
        (r#"{"user":""}"#, "bad_request"),
        (r#"{"user":"ana\nbob"}"#, "bad_request"),
        (&format!(r#"{{"user":"{}"}}"#, "a".repeat(201)), "bad_request"),
    ] {
        let (status, answer) = with_key(&server, "POST", "/v1/tickets", body);
        assert_eq!((status, &answer["error"]["code"]), (400, &code.into()), "{body}: {answer}");
    }
    // And whatever is issued is good for something.
    let longest = format!(r#"{{"user":"{}","channels":["chat:>"]}}"#, "a".repeat(200));
    let target = format!("/v1/poll?channel=chat:1&ticket={}", ticket(&server, &longest));
    assert_eq!(ask(server.addr, "GET", &target, "", "").status, 200);
}

/// [service:ticket-reconnect] EventSource comes back to the same URL, in which the ticket is used up.
#[test]
fn a_ticket_opens_one_stream_and_its_reconnects() {
    let server = start(guard);
    let ticket = ticket(&server, r#"{"user":"ann","channels":["chat:7"]}"#);
    let target = format!("/v1/sse?channel=chat:7&ticket={ticket}");
    let mut events = Events::open(server.addr, &target, "");
    events.until("$sync");
    with_key(&server, "POST", "/v1/channels/chat:7", "1");
    assert_eq!(events.next_message().data, "1");
    let id = events.last_event_id().to_owned();
    assert!(id.contains('~'), "a cursor with a proof: {id}");
    drop(events);
    with_key(&server, "POST", "/v1/channels/chat:7", "2");

    // Without the cursor it is a replay.
    let answered = ask(server.addr, "GET", &target, "", "");
    assert_eq!(answered.status, 401);
    assert_eq!(answered.json()["error"]["code"], "ticket_used_or_expired");
    // With it, it is the same session.
    let mut events = Events::open(server.addr, &target, &format!("Last-Event-ID: {id}\r\n"));
    assert_eq!(events.next_message().data, "2");
    // A proof is one ticket's.
    let other = self::ticket(&server, r#"{"user":"bob","channels":["chat:8"]}"#);
    let target = format!("/v1/sse?channel=chat:8&ticket={other}");
    drop(Events::open(server.addr, &target, ""));
    let answered = ask(server.addr, "GET", &target, &format!("Last-Event-ID: {id}\r\n"), "");
    assert_eq!(answered.status, 401);
}

#[test]
fn a_first_message_may_say_who_it_is() {
    let server = start(guard);
    let ticket = ticket(&server, r#"{"user":"ann","channels":["chat:7"],"publish":["chat:7"]}"#);
    let mut socket = Socket::commands(server.addr);
    socket.send(&format!(r#"{{"type":"auth","id":1,"ticket":"{ticket}"}}"#));
    assert_eq!(socket.next_json()["id"], 1);
    socket.send(r#"{"type":"subscribe","channels":["chat:7","chat:8"]}"#);
    let refused = socket.next_json();
    assert_eq!((&refused["channel"], &refused["code"]), (&"chat:8".into(), &"forbidden".into()));
    assert_eq!(socket.next_json()["channels"], serde_json::json!(["chat:7"]));
    assert_eq!(socket.next_json()["type"], "sync");
    socket.send(r#"{"type":"publish","id":2,"channel":"chat:7","data":"mine"}"#);
    assert_eq!(socket.until("message")["data"], "mine");
    assert_eq!(socket.until("published")["id"], 2);
    socket.send(r#"{"type":"publish","id":3,"channel":"chat:8","data":"not mine"}"#);
    assert_eq!(socket.until("error")["code"], "forbidden");

    // A used ticket closes with a code that scripts can read.
    let mut late = Socket::commands(server.addr);
    late.send(&format!(r#"{{"type":"auth","ticket":"{ticket}"}}"#));
    assert_eq!(late.closed(), (4302, "ticket_used_or_expired".to_owned()));
    // The same in a handshake, where a script could not see a status.
    let target = format!("/v1/ws?channel=chat:7&ticket={ticket}");
    let mut late = Socket::open(server.addr, &target, None);
    assert_eq!(late.closed(), (4302, "ticket_used_or_expired".to_owned()));
}

/// [service:auth-first]
#[test]
fn where_nobody_may_do_anything_who_it_is_comes_first() {
    let server = start(|setup| {
        guard(setup);
        if let Some(Access::Guarded(guard)) = &mut setup.access {
            guard.everybody = Identity::anonymous();
        }
        setup.limits.greeting_ms = 2_000;
    });
    let mut socket = Socket::commands(server.addr);
    socket.send(r#"{"type":"subscribe","channels":["public:1"]}"#);
    assert_eq!(socket.next_json()["code"], "unauthenticated");
    assert_eq!(socket.closed().0, 4300);
    let mut silent = Socket::commands(server.addr);
    assert_eq!(silent.closed().0, 4301);
}

#[test]
fn an_identity_ends() {
    let server = start(guard);
    let wanted = r#"{"channels":["chat:7"],"session_ms":2000}"#;
    let ticket = ticket(&server, wanted);
    let target = format!("/v1/sse?channel=chat:7&ticket={ticket}");
    let mut events = Events::open(server.addr, &target, "");
    assert_eq!(events.until("$goaway")["code"], 4302);
    assert_eq!(events.next(), None);
}

/// A cookie is sent by browsers for whatever page asks: alone it proves nothing.
#[test]
fn a_cookie_counts_only_with_an_origin_on_the_list() {
    let server = start(guard);
    let evil = "Cookie: session=x.y.z\r\nOrigin: https://evil.example\r\n";
    let answered = ask(server.addr, "GET", "/v1/position", evil, "");
    assert_eq!(answered.json()["error"]["code"], "origin_not_allowed");
    assert_eq!(answered.status, 403);
    // From the right page it is looked at.
    let good = "Cookie: session=x.y.z\r\nOrigin: https://app.example\r\n";
    let answered = ask(server.addr, "GET", "/v1/position", good, "");
    assert_eq!(answered.json()["error"]["code"], "token_malformed");
    // Without a guard there is nothing to show it to.
    let open = start(|_| ());
    publish(open.addr, "anything", "goes");
    let refused = ask(open.addr, "POST", "/v1/tickets", "", "{}");
    assert_eq!(refused.status, 403);
}

/// [service:open-same-host] Any page could otherwise publish to a server on its reader's machine.
#[test]
fn an_open_server_is_for_its_own_pages() {
    let server = start(|_| ());
    let own = format!("Origin: http://{}\r\n", server.addr);
    assert_eq!(ask(server.addr, "POST", "/v1/channels/a", &own, "x").status, 200);
    for foreign in ["https://evil.example", "null", "http://127.0.0.1"] {
        let header = format!("Origin: {foreign}\r\n");
        for (method, target) in [
            ("POST", "/v1/channels/a"),
            ("GET", "/v1/sse?channel=a"),
            ("GET", "/v1/poll?channel=a"),
            ("GET", "/v1/ws?channel=a"),
            ("GET", "/metrics"),
        ] {
            let answered = ask(server.addr, method, target, &header, "x");
            assert_eq!(answered.status, 403, "{foreign} {target}");
            assert_eq!(answered.json()["error"]["code"], "forbidden");
        }
    }
    // Nor for those that make a name of theirs point here.
    let rebound = |host: &str| {
        let request =
            format!("GET /v1/poll?channel=a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        common::raw(server.addr, &request)
    };
    assert!(rebound("evil.example").starts_with("HTTP/1.1 403"));
    assert!(rebound("127.0.0.1.evil.example:80").starts_with("HTTP/1.1 403"));
    for host in ["localhost", "LOCALHOST:99", "127.0.0.1:8080", "[::1]:80"] {
        assert!(rebound(host).starts_with("HTTP/1.1 200"), "{host}");
    }
    // A target in absolute form outranks Host, and neither may name another machine.
    let absolute = |target: &str, host: &str, more: &str| {
        let request = format!(
            "GET http://{target}/v1/poll?channel=a HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n"
        );
        common::raw(server.addr, &request)
    };
    let page = "Origin: http://localhost\r\n";
    for (target, host, more, status) in [
        ("localhost", "localhost", "", 200),
        ("localhost", "localhost", page, 200),
        ("evil.example", "localhost", "", 403),
        ("localhost", "evil.example", "", 403),
        ("127.0.0.1", "localhost", page, 403),
    ] {
        let answered = absolute(target, host, more);
        let wanted = format!("HTTP/1.1 {status}");
        assert!(answered.starts_with(&wanted), "{target} {host} {more}: {answered}");
    }
    // Where credentials decide, pages may come from anywhere.
    let guarded = start(guard);
    let header = "Origin: https://evil.example\r\n";
    let answered = ask(guarded.addr, "GET", "/v1/poll?channel=public:1", header, "");
    assert_eq!(answered.status, 200);
}
