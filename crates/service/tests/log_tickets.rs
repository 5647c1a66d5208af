//! Tickets that a log of several machines issues and redeems.

use std::thread::JoinHandle;

use sockeye_auth::{Grants, Identity, Keys, Limits, TicketRecord};
use sockeye_hub::Epoch;
use sockeye_service::sequencing::{Health, Outcome, Statement, Ticket, Verdict};
use sockeye_service::{Access, Guard, Holdings};

use crate::common::{
    Answered, Events, Running, Scripted, Setup, Socket, TicketsOf, ask, guarded_by, start, tickets,
};

const KEY: &str = "a_back_end_s_key_of_a_good_length_01";
const COMMANDS: Option<&str> = Some("sockeye.v1.json");

fn guard(setup: &mut Setup) {
    let limits = Limits::default();
    let mut keys = Keys::new(limits);
    let allows = Identity {
        subscribe: Grants::everything(),
        publish: Grants::everything(),
        tickets: Grants::everything(),
        ..Identity::anonymous()
    };
    keys.add_text("shop", KEY, allows).expect("a good key");
    let nothing = guarded_by(keys, Identity::anonymous());
    let guard = Guard { tickets: Some(tickets(limits)), ..nothing };
    setup.access = Some(Access::Guarded(Box::new(guard)));
}

fn on_a_log() -> (Running, Scripted) {
    let (server, backbone) = reading_a_log();
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), Outcome::Health(Health::Good)]);
    (server, backbone)
}

/// A service that has read nothing of its log yet.
fn reading_a_log() -> (Running, Scripted) {
    let backbone = Scripted::new(TicketsOf::Test);
    let theirs = backbone.clone();
    let server = start(|setup| {
        guard(setup);
        setup.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    (server, backbone)
}

/// Does something in a thread of its own: the log has to answer meanwhile.
fn meanwhile<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(act)
}

fn ask_for_ticket(server: &Running) -> JoinHandle<Answered> {
    let addr = server.addr;
    meanwhile(move || {
        let key = format!("Authorization: ApiKey {KEY}\r\n");
        let wanted = r#"{"user":"ann","channels":["a"],"publish":["a"]}"#;
        ask(addr, "POST", "/v1/tickets", &key, wanted)
    })
}

fn heard_issue(backbone: &Scripted) -> (Ticket, TicketRecord) {
    match backbone.heard() {
        (ticket, Statement::Issue(record)) => (ticket, record),
        other => panic!("{other:?}"),
    }
}

fn heard_redeem(backbone: &Scripted, wanted: &TicketRecord) -> Ticket {
    match backbone.heard() {
        (ticket, Statement::Redeem(hash)) => {
            assert_eq!(hash, wanted.hash);
            ticket
        }
        other => panic!("{other:?}"),
    }
}

/// A ticket that the log has issued.
fn ticket(server: &Running, backbone: &Scripted) -> (String, TicketRecord) {
    let asked = ask_for_ticket(server);
    let (order, record) = heard_issue(backbone);
    backbone.say(server, [Outcome::Answer(order, Verdict::Taken)]);
    let answered = asked.join().expect("an answer");
    assert_eq!(answered.status, 200, "{answered:?}");
    (answered.json()["ticket"].as_str().expect("a ticket").to_owned(), record)
}

fn holds_nothing(server: &Running) {
    server.wait_until(|service| {
        let holdings = service.holdings();
        holdings == Holdings::default()
    });
}

fn code(answered: &Answered) -> String {
    answered.json()["error"]["code"].as_str().expect("a code").to_owned()
}

/// [service:issue-logged]
#[test]
fn a_ticket_is_given_out_when_the_log_has_it() {
    let (server, backbone) = on_a_log();
    let asked = ask_for_ticket(&server);
    let (order, record) = heard_issue(&backbone);
    assert_eq!((record.life_ms, record.tickets_max), (30_000, 100_000));
    server.run(|server| assert_eq!(server.app().holdings().held, 1));
    backbone.say(&server, [Outcome::Answer(order, Verdict::Taken)]);
    assert_eq!(asked.join().expect("an answer").status, 200);
    for (verdict, wanted) in [
        (Verdict::TicketsFull, "tickets_full"),
        (Verdict::NotKept, "unavailable"),
        (Verdict::OldNodes, "unavailable"),
        (Verdict::Failed, "unavailable"),
    ] {
        let asked = ask_for_ticket(&server);
        let (order, _) = heard_issue(&backbone);
        backbone.say(&server, [Outcome::Answer(order, verdict)]);
        let answered = asked.join().expect("an answer");
        assert_eq!((answered.status, &*code(&answered)), (503, wanted));
        assert!(answered.header("Retry-After").is_some());
    }
    backbone.say(&server, [Outcome::Health(Health::Away("backbone_unreachable"))]);
    let answered = ask_for_ticket(&server).join().expect("an answer");
    assert_eq!((answered.status, &*code(&answered)), (503, "unavailable"));
    assert!(answered.header("Retry-After").is_some());
    assert!(backbone.is_silent());
    holds_nothing(&server);
}

/// [service:redeem-first]
#[test]
fn an_event_stream_opens_when_its_ticket_is_redeemed_and_resumes_without_the_log() {
    let (server, backbone) = on_a_log();
    let (ticket, record) = ticket(&server, &backbone);
    let (addr, target) = (server.addr, format!("/v1/sse?channel=a&ticket={ticket}"));
    let open = |cursor: Option<String>| {
        let target = target.clone();
        let headers = cursor.map(|it| format!("Last-Event-ID: {it}\r\n")).unwrap_or_default();
        meanwhile(move || Events::try_open(addr, &target, &headers))
    };
    let opening = open(None);
    let order = heard_redeem(&backbone, &record);
    server.run(|server| {
        let holdings = server.app().holdings();
        assert_eq!((holdings.held, holdings.streams), (1, 0));
    });
    assert!(!opening.is_finished(), "nothing is answered yet");
    backbone.say(&server, [Outcome::Answer(order, Verdict::Taken)]);
    let mut events = opening.join().expect("an answer").expect("a stream");
    events.until("$sync");
    let cursor = events.last_event_id().to_owned();
    assert!(cursor.contains('~'), "it carries a proof: {cursor}");
    // The second one, here or anywhere else.
    let again = open(None);
    let order = heard_redeem(&backbone, &record);
    backbone.say(&server, [Outcome::Answer(order, Verdict::TicketUsed)]);
    let head = again.join().expect("an answer").err().expect("it is refused");
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let mut resumed = open(Some(cursor)).join().expect("an answer").expect("a stream");
    resumed.until("$sync");
    assert!(backbone.is_silent(), "a session goes on by its proof");
    drop((events, resumed));
    holds_nothing(&server);
}

/// [service:events-come-back] The ticket is not used up, and nothing that would do instead is given out.
#[test]
fn an_event_stream_whose_ticket_waits_in_vain_is_told_to_come_back() {
    let (server, backbone) = on_a_log();
    let addr = server.addr;
    for verdict in [Verdict::OldNodes, Verdict::Failed] {
        let (ticket, record) = ticket(&server, &backbone);
        let target = format!("/v1/sse?channel=a&ticket={ticket}");
        let asked = target.clone();
        let opening = meanwhile(move || Events::try_open(addr, &asked, ""));
        let order = heard_redeem(&backbone, &record);
        backbone.say(&server, [Outcome::Answer(order, verdict)]);
        let mut events = opening.join().expect("an answer").expect("a stream");
        let away = events.until("$goaway");
        assert_eq!(away["code"], 1013, "{away}");
        assert!(!events.last_event_id().contains('~'), "no proof: {}", events.last_event_id());
        let cursor = format!("Last-Event-ID: {}\r\n", events.last_event_id());
        let opening = meanwhile(move || Events::try_open(addr, &target, &cursor));
        let order = heard_redeem(&backbone, &record);
        backbone.say(&server, [Outcome::Answer(order, Verdict::Taken)]);
        let mut events = opening.join().expect("an answer").expect("a stream");
        assert_eq!(events.until("$sync")["gaps"], 0);
    }
    holds_nothing(&server);
}

/// [service:events-come-back] Nothing is given yet, so the ticket is not redeemed.
#[test]
fn a_ticket_is_kept_while_the_log_is_read() {
    let (server, backbone) = on_a_log();
    let (ticket, _) = ticket(&server, &backbone);
    let (joining, log) = reading_a_log();
    let target = format!("/v1/sse?channel=a&ticket={ticket}");
    let mut events = Events::open(joining.addr, &target, "");
    assert_eq!(events.until("$goaway")["code"], 1013);
    assert_eq!(events.last_event_id(), "10-0");
    assert!(log.is_silent(), "nothing was redeemed");
    holds_nothing(&joining);
}

/// [service:redeem-first]
#[test]
fn what_a_request_reads_is_given_when_its_ticket_is_redeemed() {
    let (server, backbone) = on_a_log();
    for (target, status) in [
        ("/v1/poll?channel=a&", 200),
        ("/v1/poll?channel=a&cursor=18-0&", 200),
        ("/v1/channels/a/history?", 200),
        ("/v1/position?channel=a&", 200),
    ] {
        let ask_with = |ticket: &str| {
            let (addr, target) = (server.addr, format!("{target}ticket={ticket}"));
            meanwhile(move || ask(addr, "GET", &target, "", ""))
        };
        for (verdict, wanted) in [
            (Verdict::Taken, status),
            (Verdict::TicketUsed, 401),
            (Verdict::OldNodes, 503),
            (Verdict::Failed, 503),
        ] {
            let (ticket, record) = ticket(&server, &backbone);
            let asked = ask_with(&ticket);
            let order = heard_redeem(&backbone, &record);
            assert!(!asked.is_finished(), "nothing is answered yet");
            backbone.say(&server, [Outcome::Answer(order, verdict)]);
            let answered = asked.join().expect("an answer");
            assert_eq!(answered.status, wanted, "{target} {verdict:?} {}", answered.body);
            match wanted {
                401 => assert_eq!(code(&answered), "ticket_used_or_expired"),
                503 => assert!(answered.header("Retry-After").is_some()),
                _ => {}
            }
        }
    }
    holds_nothing(&server);
}

/// [service:redeem-first]
#[test]
fn a_poll_waits_behind_its_ticket() {
    let (server, backbone) = on_a_log();
    let (ticket, record) = ticket(&server, &backbone);
    let addr = server.addr;
    let target = format!("/v1/poll?channel=a&wait=20&ticket={ticket}");
    let asked = meanwhile(move || ask(addr, "GET", &target, "", ""));
    let order = heard_redeem(&backbone, &record);
    assert_eq!(server.run(|server| server.app().hub_stats().subscribers), 0);
    backbone.say(&server, [Outcome::Answer(order, Verdict::Taken)]);
    server.wait_for_streams(1);
    backbone.say(&server, [Outcome::Disconnect("ann".into(), None)]);
    let answered = asked.join().expect("an answer");
    assert_eq!(answered.status, 204);
    assert!(answered.header("Sockeye-Cursor").expect("a cursor").contains('~'));
    holds_nothing(&server);
}

/// [service:redeem-first]
#[test]
fn a_web_socket_is_welcome_when_its_ticket_is_redeemed() {
    let (server, backbone) = on_a_log();
    for (verdict, code) in
        [(Verdict::Taken, 0), (Verdict::TicketUsed, 4302), (Verdict::OldNodes, 1013)]
    {
        let (ticket, record) = ticket(&server, &backbone);
        let target = format!("/v1/ws?ticket={ticket}");
        // It opens all the same: a browser's script sees its close code, but no status.
        let mut socket = Socket::open(server.addr, &target, COMMANDS);
        let order = heard_redeem(&backbone, &record);
        // It is not read yet, so nothing of this is lost.
        socket.send(r#"{"type":"subscribe","id":1,"channels":["a"]}"#);
        server.run(|server| {
            let holdings = server.app().holdings();
            assert_eq!((holdings.held, holdings.streams), (1, 0));
        });
        backbone.say(&server, [Outcome::Answer(order, verdict)]);
        match verdict {
            Verdict::Taken => {
                assert_eq!(socket.next_json()["type"], "welcome");
                assert_eq!(socket.next_json()["type"], "subscribed");
            }
            _ => assert_eq!(socket.closed().0, code),
        }
    }
    holds_nothing(&server);
}

/// [service:redeem-first]
#[test]
fn a_first_message_waits_for_its_ticket_and_others_wait_behind_it() {
    let (server, backbone) = on_a_log();
    for (verdict, code) in
        [(Verdict::Taken, 0), (Verdict::TicketUsed, 4302), (Verdict::Failed, 1013)]
    {
        let (ticket, record) = ticket(&server, &backbone);
        let mut socket = Socket::open(server.addr, "/v1/ws", COMMANDS);
        assert_eq!(socket.next_json()["type"], "welcome");
        socket.send(&format!(r#"{{"type":"auth","id":1,"ticket":"{ticket}"}}"#));
        let order = heard_redeem(&backbone, &record);
        socket.send(r#"{"type":"subscribe","id":2,"channels":["a"]}"#);
        backbone.say(&server, [Outcome::Answer(order, verdict)]);
        match verdict {
            Verdict::Taken => {
                let pong = socket.next_json();
                assert_eq!((&pong["type"], &pong["id"]), (&"pong".into(), &1.into()));
                assert_eq!(socket.next_json()["type"], "subscribed");
            }
            _ => {
                let error = socket.next_json();
                assert_eq!((&error["type"], &error["id"]), (&"error".into(), &1.into()));
                assert_eq!(socket.closed().0, code);
            }
        }
    }
    holds_nothing(&server);
}

/// [service:redeem-reads]
#[test]
fn what_has_an_effect_takes_no_ticket() {
    let (server, backbone) = on_a_log();
    let (ticket, record) = ticket(&server, &backbone);
    for (method, path) in
        [("POST", "/v1/channels/a"), ("POST", "/v1/tickets"), ("HEAD", "/v1/channels/a/history")]
    {
        let answered = ask(server.addr, method, &format!("{path}?ticket={ticket}"), "", "");
        assert_eq!(answered.status, 400, "{method} {path} {}", answered.body);
    }
    assert!(backbone.is_silent());
    // A request that is refused for other reasons, or forbidden, uses no ticket up.
    for (path, status) in [("/v1/sse?", 400), ("/v1/sse?channel=b&", 403), ("/v1/none?", 404)] {
        let answered = ask(server.addr, "GET", &format!("{path}ticket={ticket}"), "", "");
        assert_eq!(answered.status, status, "{path} {}", answered.body);
    }
    // Nor is one that no secret has sealed asked for.
    let forged = format!("/v1/sse?channel=a&ticket=A{ticket}");
    assert_eq!(ask(server.addr, "GET", &forged, "", "").status, 401);
    assert!(backbone.is_silent());
    let target = format!("/v1/channels/a/history?ticket={ticket}");
    let addr = server.addr;
    let asked = meanwhile(move || ask(addr, "GET", &target, "", ""));
    let order = heard_redeem(&backbone, &record);
    backbone.say(&server, [Outcome::Answer(order, Verdict::Taken)]);
    assert_eq!(asked.join().expect("an answer").status, 200);
}

/// [service:redeem-first]
#[test]
fn a_client_that_is_gone_before_its_ticket_is_redeemed_leaves_nothing() {
    let (server, backbone) = on_a_log();
    for target in ["/v1/sse?channel=a&", "/v1/poll?channel=a&wait=20&", "/v1/ws?"] {
        let (ticket, record) = ticket(&server, &backbone);
        let request = format!(
            "GET {target}ticket={ticket} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: sockeye.v1.json\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        let mut peer = std::net::TcpStream::connect(server.addr).expect("it listens");
        std::io::Write::write_all(&mut peer, request.as_bytes()).expect("it is read");
        let order = heard_redeem(&backbone, &record);
        drop(peer);
        backbone.say(&server, [Outcome::Answer(order, Verdict::Taken)]);
        holds_nothing(&server);
    }
}

/// [service:redeem-first]
#[test]
fn while_the_log_is_away_a_ticket_is_refused_and_not_used_up() {
    let (server, backbone) = on_a_log();
    let (ticket, record) = ticket(&server, &backbone);
    backbone.say(&server, [Outcome::Health(Health::Away("backbone_unreachable"))]);
    let position = format!("/v1/position?channel=a&ticket={ticket}");
    let refused = ask(server.addr, "GET", &position, "", "");
    assert_eq!((refused.status, &*code(&refused)), (503, "unavailable"));
    assert!(refused.header("Retry-After").is_some());
    let target = format!("/v1/sse?channel=a&ticket={ticket}");
    let mut events = Events::open(server.addr, &target, "");
    assert_eq!(events.until("$goaway")["code"], 1013);
    assert_eq!(events.last_event_id(), "18-0", "no proof");
    let mut socket = Socket::open(server.addr, &format!("/v1/ws?ticket={ticket}"), COMMANDS);
    assert_eq!(socket.closed().0, 1013);
    assert!(backbone.is_silent());
    backbone.say(&server, [Outcome::Health(Health::Good)]);
    let addr = server.addr;
    let opening = meanwhile(move || Events::open(addr, &target, ""));
    let order = heard_redeem(&backbone, &record);
    backbone.say(&server, [Outcome::Answer(order, Verdict::Taken)]);
    opening.join().expect("a stream").until("$sync");
}
