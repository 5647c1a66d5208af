//! The phases of a drain on real sockets. To the millisecond they are tested in the simulation.

use crate::common;

use std::net::TcpStream;

use common::{CLOSE, Peer, start, start_timed};
use sockeye_server::{CloseCause, CloseCode};

const GET: &str = "GET /a HTTP/1.1\r\nHost: test\r\n\r\n";

/// [server:drain-accepts]
#[test]
fn it_accepts_until_it_is_told_to_hurry() {
    let server = start(|limits| {
        (limits.drain_accept_ms, limits.drain_window_ms) = (3_600_000, 3_600_000);
    });
    let mut old = server.open("/echo");
    server.ask(|server| server.drain());
    let mut late = server.open("/echo");
    assert_eq!(late.read_frame(), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    let mut asking = server.connect();
    asking.send(GET);
    assert!(asking.read_response().0.contains("\r\nConnection: close\r\n"));
    assert!(!server.ask(|server| server.is_drained()));
    server.ask(|server| server.drain_now());
    assert_eq!(old.read_frame(), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    assert!(TcpStream::connect(server.addr).is_err(), "nobody new is let in");
    drop((old, late, asking));
    server.until("it is drained", |server| server.is_drained());
}

/// [server:drain-even]
#[test]
fn everybody_is_told_within_the_window() {
    let server = start_timed(|limits| limits.drain_window_ms = 500);
    let peers: Vec<Peer> = (0..50).map(|_| server.open("/echo")).collect();
    server.ask(|server| server.drain());
    for mut peer in peers {
        assert_eq!(peer.read_frame(), (CLOSE, 1001u16.to_be_bytes().to_vec()));
        peer.send(common::frame(CLOSE, &1001u16.to_be_bytes()));
        assert_eq!(peer.read_to_end(), b"");
    }
    for _ in 0..50 {
        let cause = server.next_closed();
        // Whoever is read from late in this test has had no time for an answer of its own.
        let late = CloseCause::Timeout(sockeye_server::Deadline::Close);
        assert!(cause == CloseCause::Local(CloseCode::GOING_AWAY) || cause == late, "{cause:?}");
    }
    server.until("it is drained", |server| server.is_drained());
}

/// [server:drain-backlog]
#[test]
fn whoever_has_connected_is_served() {
    let server = start(|limits| limits.accepts_per_turn_max = 1);
    // The loop stands still while they connect, so they wait in the backlog.
    let addr = server.addr;
    let peers = server.ask(move |server| {
        let connect = |_| {
            let mut peer = Peer::new(TcpStream::connect(addr).expect("the system takes it"));
            peer.send(GET);
            peer
        };
        let peers: Vec<Peer> = (0..100).map(connect).collect();
        server.drain();
        peers
    });
    for mut peer in peers {
        let (head, body) = peer.read_response();
        assert!(head.contains("\r\nConnection: close\r\n") && body == b"/a", "{head}");
        assert_eq!(peer.read_to_end(), b"");
    }
}
