//! A peer that does not read costs bounded memory, and only its own connection.

use std::time::Duration;

use crate::common::{BINARY, PING, PONG, TEXT, frame, start};
use sockeye_server::{CloseCause, Message, SendError};

// [rfc6455:10.4-bounded-output]
#[test]
fn a_reader_that_stops_is_not_read_from_and_goes_on_later() {
    let server = start(|_| {});
    let mut deaf = server.open("/echo");
    let message = frame(BINARY, &[3; 1_000]);
    let flood = message.repeat(64_000);
    let sent = deaf.stuff(&flood, || server.ask(|server| server.stats().read_pauses > 0));
    assert!(sent < flood.len(), "64 MB fit nowhere");
    // What the kernel took for both directions is not ours; of ours there is a read or so.
    let held = server.ask(|server| server.stats().bytes_received - server.stats().bytes_sent);
    assert!(held < 1 << 20, "{held} bytes wait for a peer that does not read");

    let mut other = server.open("/echo");
    for _ in 0..100 {
        other.send(frame(TEXT, b"unaffected"));
        assert_eq!(other.read_frame(), (TEXT, b"unaffected".to_vec()));
    }

    // It reads again: every whole message that was sent comes back.
    for _ in 0..sent / message.len() {
        assert_eq!(deaf.read_frame(), (BINARY, vec![3; 1_000]));
    }
    deaf.send(&flood[sent..sent.next_multiple_of(message.len())]);
    if !sent.is_multiple_of(message.len()) {
        assert_eq!(deaf.read_frame(), (BINARY, vec![3; 1_000]));
    }
    deaf.send(frame(TEXT, b"again"));
    assert_eq!(deaf.read_frame(), (TEXT, b"again".to_vec()));
}

/// One read may ask for far more than a peer is allowed to leave unread: the answers go out in
/// portions, and nobody who reads is cut. [rfc6455:10.4-bounded-output]
#[test]
fn answers_larger_than_their_questions_go_out_in_portions() {
    let server = start(|limits| limits.outbox_bytes_max = 1 << 20);
    let mut peer = server.open("/echo");
    let reader = peer.stream.try_clone().expect("a second handle");
    let asking = std::thread::spawn(move || {
        let mut stream = reader;
        std::io::Write::write_all(&mut stream, &frame(TEXT, b"8 KiB").repeat(10_000))
    });
    for _ in 0..10_000 {
        assert_eq!(peer.read_frame().1.len(), 8 << 10);
    }
    asking.join().expect("no panic").expect("everything is taken");
    assert_eq!(server.ask(|server| server.stats().overflows), 0);
}

#[test]
fn a_pong_that_found_no_room_comes_later() {
    let server = start(|_| {});
    let mut peer = server.open("/echo");
    // The echo fills the outbox over the mark for replies, 16 KiB; the ping comes right behind.
    peer.send([frame(BINARY, &[1; 20_000]), frame(PING, b"still there?")].concat());
    assert_eq!(peer.read_frame().1.len(), 20_000);
    peer.stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a deadline");
    assert_eq!(peer.read_frame(), (PONG, b"still there?".to_vec()));
}

#[test]
fn over_its_bound_a_connection_is_cut() {
    let server = start(|limits| limits.outbox_bytes_max = 1 << 20);
    let peer = server.open("/echo");
    let stream = server.next_opened();
    server.act(move |context| {
        let message = "x".repeat(100_000);
        // Nothing is written within a turn, so the eleventh is too much.
        let sent = (0..20).map(|_| context.send(stream, Message::Text(&message)));
        let results: Vec<_> = sent.collect();
        assert!(results[..10].iter().all(Result::is_ok), "{results:?}");
        assert_eq!(results[10], Err(SendError::Full));
        assert!(results[11..].iter().all(|result| *result == Err(SendError::Gone)), "{results:?}");
    });
    assert_eq!(server.next_closed(), CloseCause::Overflow);
    server.until("it is gone", |server| server.connections() == 0);
    assert_eq!(server.ask(|server| server.stats().overflows), 1);
    drop(peer);
}

/// Over the mark for replies, pongs replace each other: the server reads on, and what the peer can
/// read afterwards is what the kernel took and little more. [rfc6455:10.4-bounded-output]
#[test]
fn a_flood_of_pings_is_read_and_not_answered_ping_for_ping() {
    const PINGS: usize = 400_000;
    let server = start(|_| {});
    let mut deaf = server.open("/echo");
    deaf.send(frame(PING, &[b'p'; 125]).repeat(PINGS));
    deaf.send(frame(PING, b"the last"));
    let all = (PINGS * (6 + 125)) as u64;
    server.until("all is read", move |server| server.stats().bytes_received > all);
    assert_eq!(server.ask(|server| server.stats().read_pauses), 0);
    let frames = std::iter::from_fn(|| Some(deaf.read_frame()));
    let pongs = frames.take_while(|pong| *pong != (PONG, b"the last".to_vec())).count();
    assert!(pongs < PINGS / 2, "{pongs} pongs for {PINGS} pings that found nobody reading");
}
