//! A stream that the application leaves unread for a while.

use crate::common::{BINARY, CLOSE, Peer, Running, TEXT, TICK_MS, frame, start};
use sockeye_server::{CloseCause, CloseCode, StreamKey};

fn pause(server: &Running, stream: StreamKey, pause_ms: u64) {
    server.ask(move |server| server.with_app(|_, context| context.pause(stream, pause_ms)));
}

fn opened(server: &Running) -> (Peer, StreamKey) {
    let peer = server.open("/echo");
    (peer, server.next_opened())
}

/// [server:pause-unheard]
#[test]
fn nothing_is_read_until_it_ends_and_nothing_is_lost() {
    let server = start(|_| {});
    let (mut peer, stream) = opened(&server);
    pause(&server, stream, u64::MAX);
    let before = server.ask(|server| server.stats().bytes_received);
    let message = frame(BINARY, &[3; 100_000]);
    let flood = message.repeat(400);
    let sent = peer.stuff(&flood, || true);
    assert!(sent < flood.len(), "the peer finds out");
    assert_eq!(server.ask(|server| server.stats().bytes_received), before);
    // Others are heard meanwhile.
    let mut other = server.open("/echo");
    other.send(frame(TEXT, b"unaffected"));
    assert_eq!(other.read_frame(), (TEXT, b"unaffected".to_vec()));
    // The rest of what it wanted to send, once it is read again.
    pause(&server, stream, 0);
    let mut writer = peer.stream.try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, &flood[sent..]).expect("the server takes it");
    });
    for _ in 0..400 {
        assert_eq!(peer.read_frame(), (BINARY, vec![3; 100_000]));
    }
    sending.join().expect("all sent");
}

/// [server:pause-ends]
#[test]
fn it_ends_by_itself_and_its_peer_is_not_taken_for_dead() {
    let server = start(|limits| {
        (limits.pause_ms, limits.ping_ms, limits.pong_ms) = (300, 50, 50);
    });
    let (mut peer, stream) = opened(&server);
    pause(&server, stream, u64::MAX);
    peer.send(frame(TEXT, b"patience"));
    for _ in 0..6 {
        server.pass(50);
    }
    server.pass(TICK_MS);
    assert_eq!(peer.read_frame(), (TEXT, b"patience".to_vec()), "and no ping before it");
}

/// What was read together is not handed over together if the first message asks for a rest.
/// [server:pause-unheard]
#[test]
fn messages_of_one_read_wait_too() {
    let server = start(|_| {});
    let (mut peer, stream) = opened(&server);
    peer.send([frame(TEXT, b"rest"), frame(TEXT, b"two"), frame(TEXT, b"three")].concat());
    assert_eq!(peer.read_frame(), (TEXT, b"rest".to_vec()));
    assert_eq!(server.ask(|server| server.stats().messages_received), 1);
    pause(&server, stream, 0);
    assert_eq!(peer.read_frame(), (TEXT, b"two".to_vec()));
    assert_eq!(peer.read_frame(), (TEXT, b"three".to_vec()));
}

#[test]
fn a_close_of_ours_ends_it() {
    let server = start(|_| {});
    let (mut peer, stream) = opened(&server);
    pause(&server, stream, u64::MAX);
    server.act(move |context| context.close(stream, CloseCode::NORMAL, ""));
    assert_eq!(peer.read_frame().0, CLOSE);
    peer.send(frame(CLOSE, &1000u16.to_be_bytes()));
    assert_eq!(peer.read_to_end(), b"");
    assert_eq!(server.next_closed(), CloseCause::Local(CloseCode::NORMAL));
}
