//! A silent WebSocket is pinged, and given up if it stays silent.

use crate::common::{
    BINARY, PING, PONG, TEXT, TICK_MS, frame, start, start_timed, upgrade_request,
};
use sockeye_server::{CloseCause, Deadline};

#[test]
fn no_answer_to_a_ping_ends_the_connection() {
    let server = start_timed(|limits| (limits.ping_ms, limits.pong_ms) = (100, 100));
    let mut peer = server.open("/echo");
    // [rfc6455:5.5.2-ping-keeps-alive]
    assert_eq!(peer.read_frame(), (PING, Vec::new()));
    assert_eq!(server.next_closed(), CloseCause::Timeout(Deadline::Pong));
    peer.wait_for_end();
    assert_eq!(server.ask(|server| server.stats().timeouts), 1);
}

#[test]
fn pongs_keep_it_open() {
    let server = start(|limits| (limits.ping_ms, limits.pong_ms) = (50, 50));
    let mut peer = server.open("/echo");
    let mut received = upgrade_request("/echo").len();
    for _ in 0..6 {
        server.pass(50 + TICK_MS);
        assert_eq!(peer.read_frame(), (PING, Vec::new()));
        server.pass(40);
        peer.send(frame(PONG, b""));
        received += frame(PONG, b"").len();
        server.until_received(received);
    }
    peer.send(frame(TEXT, b"here"));
    assert_eq!(peer.read_frame(), (TEXT, b"here".to_vec()));
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let server = start(|limits| (limits.ping_ms, limits.pong_ms) = (200, 1_000));
    let mut peer = server.open("/echo");
    let received = upgrade_request("/echo").len();
    let long = frame(BINARY, &[1; 60]);
    for (at, byte) in long.chunks(1).enumerate() {
        server.pass(199);
        peer.send(byte);
        server.until_received(received + at + 1);
    }
    assert_eq!(peer.read_frame(), (BINARY, vec![1; 60]), "and no ping before it");
}

#[test]
fn a_peer_that_we_do_not_read_from_is_not_called_silent() {
    let server = start(|limits| {
        (limits.ping_ms, limits.pong_ms) = (500, 1_500);
        limits.outbox_pause_bytes = 1_000;
        limits.websocket.message_bytes_max = 32 << 20;
        limits.websocket.frame_bytes_max = 32 << 20;
    });
    let mut peer = server.open("/echo");
    peer.send(frame(BINARY, &vec![1; 24 << 20]));
    server.until("reading is paused", |server| server.stats().read_pauses == 1);
    // It talks, but its bytes lie unread because it is slow to take its echo.
    peer.send(frame(TEXT, b"I am here"));
    for _ in 0..30 {
        server.pass(100);
    }
    assert_eq!(server.ask(|server| server.stats().timeouts), 0);
    assert_eq!(peer.read_frame().1.len(), 24 << 20);
    let echo = std::iter::from_fn(|| Some(peer.read_frame())).find(|(first, _)| *first != PING);
    assert_eq!(echo, Some((TEXT, b"I am here".to_vec())));
}
