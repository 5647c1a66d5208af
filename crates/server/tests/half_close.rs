//! A peer that ends its own direction still gets everything that it asked for.

use crate::common::{BINARY, CLOSE, TEXT, frame, start};
use sockeye_server::CloseCause;

#[test]
fn echoes_arrive_after_the_end_of_the_peers_direction() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    peer.send([frame(TEXT, b"last"), frame(BINARY, &[7; 100_000])].concat());
    peer.end();
    assert_eq!(peer.read_frame(), (TEXT, b"last".to_vec()));
    assert_eq!(peer.read_frame(), (BINARY, vec![7; 100_000]));
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.next_closed(), CloseCause::Ended);
    server.until("it is gone", |server| server.connections() == 0);
}

#[test]
fn more_than_the_socket_holds_arrives_too() {
    let server = start(|limits| {
        limits.websocket.message_bytes_max = 32 << 20;
        limits.websocket.frame_bytes_max = 32 << 20;
    });
    let mut peer = server.open("/echo");
    let payload = vec![9; 24 << 20];
    peer.send(frame(BINARY, &payload));
    peer.end();
    server.until("reading is paused", |server| server.stats().read_pauses == 1);
    let (first, echo) = peer.read_frame();
    assert!(first == BINARY && echo == payload);
    assert_eq!(peer.read_to_end(), b"");
}

#[test]
fn an_end_inside_a_frame_is_no_reason_to_reset() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    peer.send([frame(TEXT, b"whole"), frame(TEXT, b"torn")[..8].to_vec()].concat());
    peer.end();
    assert_eq!(peer.read_frame(), (TEXT, b"whole".to_vec()));
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.next_closed(), CloseCause::Ended);
}

#[test]
fn a_close_and_the_end_in_one_packet_are_a_clean_close() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    peer.send([frame(TEXT, b"bye"), frame(CLOSE, &1000u16.to_be_bytes())].concat());
    peer.end();
    assert_eq!(peer.read_frame(), (TEXT, b"bye".to_vec()));
    assert_eq!(peer.read_frame(), (CLOSE, 1000u16.to_be_bytes().to_vec()));
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.next_closed(), CloseCause::Remote(sockeye_server::CloseCode::NORMAL));
}
