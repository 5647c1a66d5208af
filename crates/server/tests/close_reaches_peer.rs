//! Our last word arrives, whatever the peer is still sending (RFC 6455 §7.1.1, RFC 9112 §9.6).

use crate::common;

use common::{CLOSE, TEXT, frame, start, start_timed};
use sockeye_server::{CloseCause, CloseCode};

static GARBAGE: [u8; 1 << 20] = [0x55; 1 << 20];

// [rfc6455:7.1.1-server-closes-first] [rfc6455:7.1.7-close-then-end]
#[test]
fn a_violation_followed_by_garbage() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    // RSV1 without an extension; then nobody listens any more, but we go on talking.
    peer.send([frame(TEXT, b"before"), frame(0xC1, b"?")].concat());
    let mut writer = peer.stream.try_clone().expect("a second handle");
    let talking = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, &GARBAGE).expect("it is discarded, not refused");
    });
    talking.join().expect("all sent");
    // The server's end comes before ours: it closes first.
    assert_eq!(peer.read_frame(), (TEXT, b"before".to_vec()));
    assert_eq!(peer.read_frame(), (CLOSE, 1002u16.to_be_bytes().to_vec()));
    assert_eq!(peer.read_to_end(), b"");
    assert!(matches!(server.next_closed(), CloseCause::Failed(_)));
    assert_eq!(server.ask(|server| server.connections()), 1, "it waits for our end");
    drop(peer);
    server.until("it is gone", |server| server.connections() == 0);
}

#[test]
fn a_refused_head_followed_by_garbage() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("GET / HTTP/9.9\r\nHost: test\r\n\r\n");
    peer.send(GARBAGE);
    let (head, _) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 505 "), "{head}");
    // [rfc9112:9.6-lingering-close]
    assert_eq!(peer.read_to_end(), b"");
}

// [rfc9110:15.5.14-content-too-large]
#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let server = start(|_| {});
    let mut peer = server.connect();
    peer.send("POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 1048576\r\n\r\n");
    peer.send(GARBAGE);
    let (head, _) = peer.read_response();
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert_eq!(peer.read_to_end(), b"");
}

#[test]
fn a_peer_that_never_stops_talking_is_cut() {
    let server = start(|limits| (limits.discard_bytes_max, limits.close_ms) = (100_000, 600_000));
    let mut peer = server.open("/echo");
    peer.send(frame(0xC1, b"?"));
    assert_eq!(peer.read_frame(), (CLOSE, 1002u16.to_be_bytes().to_vec()));
    let sent = (0..256).take_while(|_| std::io::Write::write(&mut peer.stream, &GARBAGE).is_ok());
    assert!(sent.count() < 256, "it discards for ever");
    server.until("it is gone", |server| server.connections() == 0);
}

#[test]
fn a_peer_that_does_not_hang_up_is_left() {
    let server = start_timed(|limits| limits.close_ms = 100);
    let mut peer = server.open("/echo");
    peer.send(frame(CLOSE, &1000u16.to_be_bytes()));
    assert_eq!(peer.read_frame().0, CLOSE);
    assert_eq!(server.next_closed(), CloseCause::Remote(CloseCode::NORMAL));
    server.until("it is gone", |server| server.connections() == 0);
}

#[test]
fn our_own_close_that_is_not_answered_has_a_deadline() {
    let server = start_timed(|limits| limits.close_ms = 100);
    let mut peer = server.open("/echo");
    let stream = server.next_opened();
    server.act(move |context| context.close(stream, CloseCode::POLICY_VIOLATION, "rude"));
    assert_eq!(peer.read_frame(), (CLOSE, [&1008u16.to_be_bytes()[..], b"rude"].concat()));
    assert_eq!(
        server.next_closed(),
        CloseCause::Timeout(sockeye_server::Deadline::Close),
        "the application hears why"
    );
}

#[test]
fn our_own_close_that_is_answered_says_so() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    let stream = server.next_opened();
    server.act(move |context| context.close(stream, CloseCode::NORMAL, ""));
    assert_eq!(peer.read_frame(), (CLOSE, 1000u16.to_be_bytes().to_vec()));
    // What is on its way when the Close arrives is no answer; it is not echoed either.
    peer.send([frame(TEXT, b"crossing"), frame(CLOSE, &1000u16.to_be_bytes())].concat());
    assert_eq!(server.next_closed(), CloseCause::Local(CloseCode::NORMAL));
    assert_eq!(peer.read_to_end(), b"");
}

#[test]
fn a_close_behind_much_unread_output_waits_for_the_reader() {
    let server = start(|limits| {
        limits.close_ms = 1_000;
        limits.outbox_pause_bytes = 1_000;
        limits.websocket.message_bytes_max = 32 << 20;
        limits.websocket.frame_bytes_max = 32 << 20;
    });
    let mut peer = server.open("/echo");
    let stream = server.next_opened();
    peer.send(frame(common::BINARY, &vec![1; 24 << 20]));
    server.until("reading is paused", |server| server.stats().read_pauses == 1);
    server.act(move |context| context.close(stream, CloseCode::NORMAL, ""));
    // A peer cannot answer what it was not sent yet.
    server.pass(1_500);
    assert_eq!(peer.read_frame().1.len(), 24 << 20);
    assert_eq!(peer.read_frame().0, CLOSE);
    peer.send(frame(CLOSE, &1000u16.to_be_bytes()));
    assert_eq!(server.next_closed(), CloseCause::Local(CloseCode::NORMAL));
}
