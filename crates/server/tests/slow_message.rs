//! A message that begins has to end: holding it costs memory, so its time is bounded.

use crate::common::{CLOSE, TEXT, TICK_MS, frame, start, upgrade_request};
use sockeye_server::{CloseCause, ClosedBy, Deadline, StreamKind};

/// [server:message-deadline]
#[test]
fn a_message_that_trickles_in_is_refused_in_time() {
    let server = start(|limits| limits.message_ms = 200);
    let mut peer = server.open("/echo");
    let message = frame(TEXT, &[b'x'; 1000]);
    let received = upgrade_request("/echo").len();
    // Bytes go on arriving, so the connection is alive; the message is not done all the same.
    for (at, byte) in message[..30].iter().enumerate() {
        peer.send([*byte]);
        server.until_received(received + at + 1);
        // The message begins with the end of its first header.
        if at >= 8 {
            assert_eq!(server.ask(|server| server.stats().timeouts), 0, "after {at} bytes");
            server.pass(9);
        }
    }
    server.pass(TICK_MS);
    assert_eq!(peer.read_frame(), (CLOSE, vec![0x03, 0xF0]));
    assert_eq!(server.next_closed(), CloseCause::Timeout(Deadline::Message));
    let stats = server.ask(|server| *server.stats());
    assert_eq!((stats.timeouts, stats.protocol_errors), (1, 0));
    let closes =
        server.ask(|server| server.closes().count(StreamKind::WebSocket, ClosedBy::Server, 1008));
    assert_eq!(closes, 1);
}

#[test]
fn messages_that_end_in_time_each_have_their_own() {
    let server = start(|limits| limits.message_ms = 1_000);
    let mut peer = server.open("/echo");
    let mut received = upgrade_request("/echo").len();
    let message = frame(TEXT, &[b'y'; 1000]);
    for _ in 0..6 {
        peer.send(&message[..300]);
        server.until_received(received + 300);
        received += message.len();
        server.pass(250);
        peer.send(&message[300..]);
        assert_eq!(peer.read_frame(), (TEXT, vec![b'y'; 1000]));
    }
}
