//! A peer that floods does not keep the others waiting.

use std::time::Duration;

use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session};
use sockeye_server::{Limits, Server};
use sockeye_simnet::{Faults, Peer, SimNet};
use sockeye_websocket::{MessageCodec, Role};

use crate::simulation::app::SimApp;

/// Turns from the arrival of a small message to its echo: one that reads it and writes the answer.
const TURNS: usize = 1;

const UPGRADE: &str = "HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

#[test]
fn a_flood_starves_nobody() {
    let net = SimNet::new(1, Faults::default(), 10_000_000);
    let mut server = Server::new(net.clone(), SimApp::default(), Limits::default());
    let mut honest = open(&net, &mut server, 0);
    // Three kinds of flood: tiny messages, pings, and pipelined requests.
    let message = [0x82, 0x80, 0, 0, 0, 0].repeat(100_000);
    let ping = [0x89, 0x80, 0, 0, 0, 0].repeat(100_000);
    open(&net, &mut server, 1).write(&message);
    open(&net, &mut server, 2).write(&ping);
    let mut requests = net.connect().expect("it listens");
    requests.write(&b"GET /x HTTP/1.1\r\nHost: sim\r\n\r\n".repeat(20_000));
    turn(&mut server);

    for round in 0..20 {
        honest.write(b"\x81\x82\0\0\0\0hi");
        let mut echo = Vec::new();
        for _ in 0..TURNS {
            turn(&mut server);
            echo.extend(honest.read(100).expect("it is open"));
        }
        assert_eq!(echo, b"\x81\x02hi", "round {round}");
    }
    assert!(server.stats().requests > 20, "the requests were answered beside it");
}

/// A kilobyte can be a message of a megabyte: the turn is shared out by what comes out of it.
#[test]
fn a_bomb_is_spread_over_many_turns() {
    const MEGABYTE: usize = 1 << 20;
    let net = SimNet::new(1, Faults::default(), 10_000_000);
    let mut server = Server::new(net.clone(), SimApp::default(), Limits::default());
    let mut bomber = open_with(&net, &mut server, 0, OFFER);
    let mut frame = vec![0xC2, 0xFE, 0, 0, 0, 0, 0, 0];
    let mut engine = Engine::new(EngineConfig {
        level: Level::SMALLEST,
        message_bytes_min: 0,
        ..EngineConfig::default()
    });
    let mut session = Session::new(Role::Client, Params::default());
    assert!(session.codec(&mut engine).compress(&vec![0; MEGABYTE], &mut frame));
    let len = u16::try_from(frame.len() - 8).expect("it is small");
    frame[2..4].copy_from_slice(&len.to_be_bytes());
    // The same bytes again and again: none of them refers to the window.
    bomber.write(&frame.repeat(20));

    // Inflating costs a unit for 64 bytes, so each message is the whole share of a visit.
    let before = server.stats().messages_received;
    let (mut turns, mut messages) = (0, 0);
    while messages < 20 {
        turn(&mut server);
        turns += 1;
        let now = server.stats().messages_received - before;
        assert!(now - messages <= 1, "one message of this size a turn");
        messages = now;
    }
    assert!(turns <= 21, "{turns} turns");
    turn(&mut server);
    assert!(server.stats().messages_sent - before == 20 && server.stats().protocol_errors == 0);
}

/// Who waits in the backlog takes a place in the turn after it became free, however long accepting
/// would have rested.
#[test]
fn a_free_place_is_taken_at_once() {
    let net = SimNet::new(1, Faults::default(), 10_000);
    let mut limits = Limits::default();
    limits.connections_max = 1;
    let mut server = Server::new(net.clone(), SimApp::default(), limits);
    let mut first = net.connect().expect("it listens");
    turn(&mut server);
    let _second = net.connect().expect("it listens");
    turn(&mut server);
    assert_eq!((server.stats().accepted, server.stats().accept_pauses), (1, 1));
    turn(&mut server);
    assert_eq!(server.stats().accept_pauses, 1, "it rests instead of trying all the time");
    first.reset();
    turn(&mut server);
    turn(&mut server);
    assert_eq!((server.stats().accepted, server.stats().closed), (2, 1));
}

/// The clock stands still: a turn costs work, not time.
fn turn(server: &mut Server<SimNet, SimApp>) {
    server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
}

fn open(net: &SimNet, server: &mut Server<SimNet, SimApp>, id: usize) -> Peer {
    open_with(net, server, id, "")
}

fn open_with(
    net: &SimNet,
    server: &mut Server<SimNet, SimApp>,
    id: usize,
    extension: &str,
) -> Peer {
    let mut peer = net.connect().expect("it listens");
    peer.write(format!("GET /echo?{id} {UPGRADE}{extension}\r\n").as_bytes());
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        turn(server);
        head.extend(peer.read(1_000).expect("it is open"));
    }
    peer
}
