//! Tickets of others, used ones, and more of them than there is room for.

use std::sync::Barrier;

use crate::abuse::peer::{Answer, Peer, ask};
use crate::abuse::world::{World, now_ms};

const ANN: &str = r#"{"user":"ann","channels":["chat:*"],"publish":["chat:*"]}"#;
const USED: &str = "ticket_used_or_expired";

fn open(world: &World, channel: &str, ticket: &str, headers: &str) -> Answer {
    let target = format!("/v1/sse?channel={channel}&ticket={ticket}");
    ask(world.addr, "GET", &target, headers, "")
}

#[test]
fn a_used_ticket_opens_nothing_anywhere() {
    let world = World::start("used");
    let ticket = world.ticket(ANN);
    let mut events = open(&world, "chat:1", &ticket, "").events();
    events.until("$sync");
    // The same again, another stream, another transport, and what is no stream.
    for channel in ["chat:1", "chat:2", "public:1"] {
        let again = open(&world, channel, &ticket, "");
        assert_eq!((again.status, again.code()), (401, USED.to_owned()), "{channel}");
    }
    for (method, target) in [
        ("GET", "/v1/poll?channel=chat:1"),
        ("GET", "/v1/channels/chat:1/history"),
        ("POST", "/v1/channels/chat:1"),
        ("POST", "/v1/tickets"),
    ] {
        let joint = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{joint}ticket={ticket}");
        let again = ask(world.addr, method, &target, "", "{}");
        assert_eq!((again.status, again.code()), (401, USED.to_owned()), "{target}");
    }
    let target = format!("/v1/ws?channel=chat:1&ticket={ticket}");
    let closed = Peer::upgrade(world.addr, &target, "").socket().closed();
    assert_eq!(closed, (4302, USED.to_owned()));
    let mut socket = Peer::upgrade(world.addr, "/v1/ws", "").socket();
    socket.send(&format!(r#"{{"type":"auth","ticket":"{ticket}"}}"#));
    assert_eq!(socket.closed(), (4302, USED.to_owned()));
    assert_eq!(world.messages("chat:1"), 0);
}

#[test]
fn an_expired_ticket_opens_nothing() {
    let world = World::start("expired");
    let ticket = world.ticket(r#"{"channels":["chat:1"],"life_ms":1}"#);
    let until_ms = now_ms() + 2;
    while now_ms() <= until_ms {
        std::thread::yield_now();
    }
    let late = open(&world, "chat:1", &ticket, "");
    assert_eq!((late.status, late.code()), (401, USED.to_owned()));
}

/// Whoever steals a ticket races with its owner: one of them has it.
#[test]
fn of_many_at_once_exactly_one_wins() {
    let world = World::start("race");
    const MANY: usize = 6;
    for round in 0..20 {
        let ticket = world.ticket(ANN);
        let barrier = Barrier::new(MANY);
        let wins: usize = std::thread::scope(|scope| {
            let attempt = || {
                barrier.wait();
                usize::from(open(&world, "chat:1", &ticket, "").status == 200)
            };
            let threads: Vec<_> = (0..MANY).map(|_| scope.spawn(attempt)).collect();
            threads.into_iter().map(|it| it.join().expect("an answer")).sum()
        });
        assert_eq!(wins, 1, "round {round}");
    }
}

#[test]
fn a_proof_is_for_its_own_session_and_only_as_it_was_given() {
    let world = World::start("proof");
    let [ann, bob] = [ANN, r#"{"user":"bob","channels":["staff:1"]}"#].map(|it| world.ticket(it));
    let id = open(&world, "chat:1", &ann, "").events().until("$sync").id;
    let foreign = open(&world, "staff:1", &bob, "").events().until("$sync").id;
    let (cursor, proof) = id.split_once('~').expect("a proof");
    let header = |id: &str| format!("Last-Event-ID: {id}\r\n");

    for id in [&foreign, &format!("{cursor}~"), cursor, &format!("{id}A"), proof] {
        let refused = open(&world, "chat:1", &ann, &header(id));
        assert_eq!((refused.status, refused.code()), (401, USED.to_owned()), "{id}");
    }
    for at in 0..proof.len() {
        let mut changed = proof.to_owned().into_bytes();
        changed[at] = if changed[at] == b'b' { b'c' } else { b'b' };
        let changed = format!("{cursor}~{}", String::from_utf8(changed).expect("ASCII"));
        let refused = open(&world, "chat:1", &ann, &header(&changed));
        assert_eq!(refused.status, 401, "{changed}");
    }
    // The proof opens nothing by itself, nor does it with a ticket that never was.
    let alone = ask(world.addr, "GET", "/v1/sse?channel=chat:1", &header(&id), "");
    assert_eq!((alone.status, alone.code()), (401, "credentials_required".to_owned()));
    let made_up = open(&world, "chat:1", &"A".repeat(ann.len()), &header(&id));
    assert_eq!(made_up.code(), USED);
    // The session is what it was: it may not read what its ticket did not name.
    let widened = open(&world, "staff:1", &ann, &header(&id));
    assert_eq!((widened.status, widened.code()), (403, "forbidden".to_owned()));
    // And the owner comes back as if nothing had happened.
    open(&world, "chat:1", &ann, &header(&id)).events().until("$sync");
}

#[test]
fn one_user_cannot_fill_the_store() {
    let world = World::start("full");
    let header = format!("Authorization: Bearer {}\r\n", world.token(0, "eve", &["a"]));
    let wanted = r#"{"user":"eve","channels":["a"],"life_ms":60000}"#;
    let issue = || ask(world.addr, "POST", "/v1/tickets", &header, wanted);
    for count in 0..100 {
        assert_eq!(issue().status, 200, "{count}");
    }
    let full = issue();
    assert_eq!((full.status, full.code()), (503, "tickets_full".to_owned()));
    assert!(full.header("Retry-After").is_some());
    // For nobody else.
    world.ticket(ANN);
    world.ticket(r#"{"channels":["a"]}"#);
}

#[test]
fn a_ticket_is_for_a_name_and_for_no_more_than_its_issuer_has() {
    let world = World::start("names");
    for name in ["", "a\\nb", "a\\u0000", "\\u001b[2J", "key:shop", &"x".repeat(201)] {
        let refused = world.with_key("POST", "/v1/tickets", &format!(r#"{{"user":"{name}"}}"#));
        assert!(matches!(refused.status, 400 | 403), "{name}: {}", refused.status);
    }
    let header = format!("Authorization: Bearer {}\r\n", world.token(0, "eve", &["a"]));
    for wanted in [
        r#"{"user":"ann","channels":["a"]}"#,
        r#"{"user":"eve","channels":[">"]}"#,
        r#"{"user":"eve","publish":["b"]}"#,
        r#"{"channels":["a"]}"#,
    ] {
        let refused = ask(world.addr, "POST", "/v1/tickets", &header, wanted);
        assert_eq!((refused.status, refused.code()), (403, "forbidden".to_owned()), "{wanted}");
    }
}
