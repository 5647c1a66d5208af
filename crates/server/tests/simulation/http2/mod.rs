//! HTTP/2 with prior knowledge: every kind of stream, side by side.

mod abuse;
mod bounds;
mod client;
mod dribbles;
mod put_off;
mod random;
mod refusals;
mod streams;
mod waiting;

use sockeye_http2::{EndStream, ErrorCode, PREFACE, StreamId};
use sockeye_server::{CloseCause, Deadline, Limits};

use crate::simulation::stage::{Stage, Told, get, read};
use abuse::raw;
use client::{Client, frame};
pub(crate) use random::Streams;

fn stage() -> Stage {
    Stage::new(1 << 20, |_| {})
}

/// [server:http2-prior-knowledge]
#[test]
fn the_preface_makes_the_difference() {
    let mut stage = stage();
    let mut plain = stage.peer(&get("/plain"));
    assert!(read(&mut plain).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
    let mut client = Client::connect(&mut stage);
    let stream = client.get(&mut stage, "/path?query");
    let got = &client.got[&stream];
    assert_eq!((got.status, got.text(), got.ended), (200, "/path".to_owned(), true));
    assert_eq!(got.fields["content-length"], "5");
    for name in ["connection", "transfer-encoding", "keep-alive"] {
        assert!(!got.fields.contains_key(name));
    }
    assert_eq!(stage.server.connections(), 2);
    assert_eq!(stage.server.stats().http2_connections, 1);
}

/// RFC 9113 §3.1: HTTP/1.1 goes on. [server:http2-upgrade-ignored]
#[test]
fn an_upgrade_to_http2_is_ignored() {
    let mut stage = stage();
    let mut peer = stage.peer(
        "GET /path HTTP/1.1\r\nHost: sim\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    );
    assert!(read(&mut peer).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 OK")));
}

/// The preface in single bytes, and something else that begins like it.
/// [server:http2-prior-knowledge]
#[test]
fn the_preface_may_come_in_parts() {
    let mut stage = stage();
    let mut peer = stage.peer("");
    for byte in PREFACE {
        peer.write(&[*byte]);
        stage.turn();
    }
    stage.turns();
    let bytes = peer.read(usize::MAX).expect("it is open");
    assert_eq!(bytes[3], 4, "SETTINGS come first");
    let mut other = stage.peer("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert!(read(&mut other).is_some_and(|answer| answer.starts_with("HTTP/1.1 ")));
}

/// [server:http2-prior-knowledge]
#[test]
fn it_may_be_switched_off() {
    let mut stage = Stage::new(1 << 20, |limits: &mut Limits| limits.http2 = None);
    let mut peer = stage.peer(core::str::from_utf8(PREFACE).expect("text"));
    assert!(read(&mut peer).is_some_and(|answer| answer.starts_with("HTTP/1.1 505")));
}

/// [server:http2-preface-deadline]
#[test]
fn a_slow_preface_is_given_up() {
    let mut stage = stage();
    let head_ms = Limits::default().head_ms;
    let mut half = stage.peer("PRI * HTTP");
    let mut whole = stage.peer(core::str::from_utf8(PREFACE).expect("text"));
    stage.pass(head_ms - 1);
    assert_eq!(stage.server.connections(), 2);
    stage.pass(20);
    assert!(read(&mut half).is_some_and(|answer| answer.starts_with("HTTP/1.1 408")));
    let bytes = whole.read(usize::MAX).expect("its end comes later");
    // GOAWAY, with SETTINGS_TIMEOUT.
    assert_eq!((bytes[bytes.len() - 17 + 3], &bytes[bytes.len() - 4..]), (7, &[0, 0, 0, 4][..]));
    assert_eq!(whole.read(usize::MAX), None);
}

/// A frame that does not end. [server:http2-frame-deadline]
#[test]
fn a_slow_frame_is_given_up() {
    let mut stage = stage();
    let body_ms = Limits::default().body_ms;
    let mut client = Client::connect(&mut stage);
    let stream = client.get(&mut stage, "/hold");
    client.peer.write(&[0, 0, 8, 6, 0, 0, 0, 0, 0]);
    stage.turns();
    for _ in 0..4 {
        stage.pass(body_ms / 4 - 1);
        assert_eq!(client.goaway, None);
        client.peer.write(&[0]);
    }
    stage.pass(24);
    client.take_in();
    assert_eq!(client.goaway, Some(ErrorCode::ENHANCE_YOUR_CALM));
    assert!(!client.got[&stream].ended);
}

/// [server:http2-idle]
#[test]
fn an_idle_connection_is_not_kept() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    client.get(&mut stage, "/");
    let keep_alive_ms = Limits::default().keep_alive_ms;
    stage.pass(keep_alive_ms - 1);
    assert_eq!(stage.server.connections(), 1);
    stage.pass(20);
    client.take_in();
    assert_eq!(client.goaway, Some(ErrorCode::NO_ERROR));
    assert_eq!(client.peer.read(usize::MAX), None);
    client.peer.shutdown();
    stage.turns();
    assert_eq!(stage.server.connections(), 0);
}

/// What a connection of silent WebSockets has got is a PING, and a Ping of each, in any order.
fn assert_pings(client: &mut Client, sockets: &[StreamId]) {
    let bytes = client.peer.read(usize::MAX).expect("it is open");
    let (first, rest) = bytes.split_at(17);
    assert_eq!(first, raw(6, 0, 0, &[0; 8]));
    let mut came: Vec<_> = rest.chunks(11).map(<[u8]>::to_vec).collect();
    came.sort_unstable();
    let each = sockets.iter().map(|socket| raw(0, 0, socket.to_u32(), &[0x89, 0]));
    assert_eq!(came, each.collect::<Vec<_>>(), "these, and nothing else");
}

/// The answers, of some of the WebSockets.
fn pongs(sockets: &[StreamId]) -> Vec<u8> {
    let each = sockets.iter().map(|socket| raw(0, 0, socket.to_u32(), &frame(10, b"")));
    raw(6, 1, 0, &[0; 8]).into_iter().chain(each.flatten()).collect()
}

/// One PING a connection, and one of each of its WebSockets: the peer may be a gateway of many clients.
/// [server:http2-ping]
#[test]
fn a_silent_peer_is_pinged_and_so_is_each_web_socket() {
    let mut stage = stage();
    let (ping_ms, pong_ms) = (Limits::default().ping_ms, Limits::default().pong_ms);
    let mut client = Client::connect(&mut stage);
    let all: Vec<_> = (0..10).map(|_| client.web_socket(&mut stage, "/ws")).collect();
    client.pump(&mut stage);
    for _ in 0..3 {
        stage.pass(ping_ms + 20);
        assert_pings(&mut client, &all);
        client.peer.write(&pongs(&all));
        stage.turns();
    }
    assert_eq!(stage.server.connections(), 1);
    stage.told();
    stage.pass(ping_ms + 20);
    stage.pass(pong_ms - 40);
    assert_eq!(stage.told(), []);
    stage.pass(60);
    let told = stage.told();
    assert_eq!(told.len(), 10);
    assert!(matches!(told[0], Told::Closed(_, CloseCause::Timeout(_))));
    assert_eq!(stage.server.connections(), 0);
}

/// A client that vanished behind a gateway: its WebSocket ends, and no other. [server:http2-ping]
#[test]
fn a_web_socket_without_a_pong_ends_alone() {
    let mut stage = stage();
    let (ping_ms, pong_ms) = (Limits::default().ping_ms, Limits::default().pong_ms);
    let mut client = Client::connect(&mut stage);
    let all: Vec<_> = (0..3).map(|_| client.web_socket(&mut stage, "/ws")).collect();
    client.pump(&mut stage);
    stage.told();
    stage.pass(ping_ms + 20);
    assert_pings(&mut client, &all);
    client.peer.write(&pongs(&all[1..]));
    stage.turns();
    stage.pass(pong_ms + 20);
    let told = stage.told();
    let timeout = CloseCause::Timeout(Deadline::Pong);
    assert!(matches!(told[..], [Told::Closed(_, cause)] if cause == timeout), "{told:?}");
    client.take_in();
    assert_eq!(client.got[&all[0]].reset, Some(ErrorCode::CANCEL));
    assert!(all[1..].iter().all(|socket| client.got[socket].reset.is_none()));
}

/// Many requests in one read are served over several turns. [server:http2-share]
#[test]
fn a_visit_ends_with_its_share() {
    let mut stage = Stage::new(1 << 20, |limits: &mut Limits| limits.connection_units_max = 100);
    let mut client = Client::connect(&mut stage);
    for _ in 0..100 {
        client.send("GET", "/", &[], EndStream::Yes);
    }
    client.peer.write(&core::mem::take(&mut client.out));
    let mut before = 0;
    while stage.server.stats().requests < 100 {
        stage.turn();
        let served = stage.server.stats().requests - before;
        assert!((1..=6).contains(&served), "{served} in a turn");
        before += served;
    }
    assert!(stage.server.stats().share_stops > 10);
    client.pump(&mut stage);
    assert!(client.got.values().all(|got| got.ended));
}

/// [server:http2-content]
#[test]
fn content_is_collected() {
    let mut stage = stage();
    let max = Limits::default().body_bytes_max;
    let mut client = Client::connect(&mut stage);
    let fields = &[("Expect", "100-continue")][..];
    let stream = client.send("POST", "/post", fields, EndStream::No);
    client.pump(&mut stage);
    assert_eq!(client.got[&stream].status, 100);
    assert!(client.write(stream, &vec![b'x'; max], EndStream::Yes) >= 65_535);
    client.pump(&mut stage);
    if !client.got[&stream].ended {
        client.write(stream, b"x", EndStream::Yes);
        client.pump(&mut stage);
    }
    assert_eq!((client.got[&stream].status, client.got[&stream].ended), (200, true));
    // Too long by its own words, and by its bytes.
    let stream = client.send("POST", "/post", &[], EndStream::No);
    client.write(stream, &vec![b'x'; max], EndStream::No);
    client.pump(&mut stage);
    client.write(stream, b"xx", EndStream::No);
    client.pump(&mut stage);
    assert_eq!(client.got[&stream].status, 413);
    assert_eq!((client.got[&stream].ended, client.got[&stream].reset), (true, None));
    stage.pass(Limits::default().close_ms + 20);
    client.pump(&mut stage);
    assert_eq!(client.got[&stream].reset, Some(ErrorCode::NO_ERROR));
    let stream = client.send("POST", "/slow", &[], EndStream::No);
    client.pump(&mut stage);
    // The connection is pinged before.
    stage.pass(Limits::default().ping_ms + 20);
    stage.pass(Limits::default().body_ms - Limits::default().ping_ms);
    client.pump(&mut stage);
    assert_eq!(client.got[&stream].status, 408);
}

/// [server:http2-malformed]
#[test]
fn what_is_wrong_with_a_request_is_answered() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    // `host` names another one than `:authority`.
    let mut twofold = Client::connect(&mut stage);
    let mut block = vec![0x82, 0x86, 0x84, 0x41, 3, b's', b'i', b'm', 0x0f, 23, 5];
    block.extend(b"other");
    twofold.peer.write(&[0, 0, 16, 1, 5, 0, 0, 0, 1]);
    twofold.peer.write(&block);
    stage.turns();
    let answer = twofold.peer.read(usize::MAX).expect("it is open");
    // HEADERS on stream 1, and `:status: 400` of the static table.
    assert_eq!((&answer[3..4], &answer[5..10]), (&[1][..], &[0, 0, 0, 1, 0x8c][..]));
    let long = "x".repeat(20_000);
    let stream = client.send("GET", "/", &[("X-Long", &long)], EndStream::Yes);
    client.pump(&mut stage);
    assert_eq!((client.got[&stream].status, client.got[&stream].ended), (431, true));
    assert_eq!(client.goaway, None);
    assert_eq!(stage.server.stats().refused, 2);
}

/// [rfc9110:9.3.2-head-like-get]
#[test]
fn a_refused_head_has_no_content() {
    let mut stage = stage();
    stage.server.app_mut().words = true;
    let mut client = Client::connect(&mut stage);
    let long = "x".repeat(20_000);
    let large = client.send("HEAD", "/", &[("X-Long", &long)], EndStream::Yes);
    client.pump(&mut stage);
    let got = &client.got[&large];
    assert_eq!((got.status, got.ended, got.text()), (431, true, String::new()));
    assert_ne!(got.fields["content-length"], "0");
}

/// GOAWAY in two steps; streams are told, and the connection ends with the last of them.
/// [server:http2-drain]
#[test]
fn a_drain_tells_all_streams() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let socket = client.web_socket(&mut stage, "/ws");
    let events = client.get(&mut stage, "/events");
    let held = client.get(&mut stage, "/hold");
    let mut idle = Client::connect(&mut stage);
    client.take(events);
    stage.server.drain();
    client.pump(&mut stage);
    idle.pump(&mut stage);
    assert_eq!([client.goaway, idle.goaway], [Some(ErrorCode::NO_ERROR); 2]);
    assert!(client.got[&events].text().starts_with("retry: "));
    assert!(client.got[&events].ended);
    assert_eq!(client.got[&held].status, 503);
    assert_eq!(client.take(socket), [0x88, 2, 0x03, 0xe9]);
    client.write(socket, &frame(8, &[0x03, 0xe9]), EndStream::Yes);
    client.pump(&mut stage);
    client.pump(&mut stage);
    idle.pump(&mut stage);
    assert!(client.got[&socket].ended);
    assert_eq!((client.peer.read(9), idle.peer.read(9)), (None, None));
    client.peer.shutdown();
    idle.peer.shutdown();
    stage.turns();
    assert!(stage.server.is_drained());
}

/// A peer that was told to go is not told again for what it does then. [server:http2-goaway-once]
#[test]
fn a_goaway_is_counted_once() {
    let mut stage = Stage::new(1 << 20, |limits: &mut Limits| {
        (limits.body_ms, limits.drain_ms, limits.close_ms) = (500, 60_000, 60_000);
    });
    let mut client = Client::connect(&mut stage);
    client.web_socket(&mut stage, "/ws");
    stage.server.drain();
    client.pump(&mut stage);
    client.pump(&mut stage);
    let told = |stage: &Stage| stage.server.stats().goaways.iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!((client.goaway, told(&stage)), (Some(ErrorCode::NO_ERROR), 1));
    // A frame that does not end.
    client.peer.write(&[0, 0, 8, 6, 0, 0, 0, 0, 0]);
    stage.turns();
    stage.pass(520);
    assert_eq!(client.peer.read(usize::MAX), None, "it is over");
    assert_eq!(told(&stage), 1);
}

/// [server:http2-ends-streams]
#[test]
fn streams_end_with_their_connection() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    for path in ["/events", "/hold"] {
        client.get(&mut stage, path);
    }
    client.web_socket(&mut stage, "/ws");
    stage.told();
    client.peer.reset();
    stage.turns();
    let told = stage.told();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|it| matches!(it, Told::Closed(_, CloseCause::Transport))));
    assert_eq!(stage.server.connections(), 0);
}
