//! A message that begins has to end: holding it costs memory, so its time is bounded.

use std::time::Duration;

use crate::common::{CLOSE, TEXT, frame, start};
use sockeye_server::{CloseCause, ClosedBy, Deadline, StreamKind};

#[test]
fn a_message_that_trickles_in_is_refused_in_time() {
    let server = start(|limits| limits.message_ms = 200);
    let mut peer = server.open("/echo");
    let message = frame(TEXT, &[b'x'; 1000]);
    peer.stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a deadline");
    // Bytes go on arriving, so the connection is alive; the message is not done all the same.
    for byte in &message[..500] {
        peer.send([*byte]);
        let mut first = [0];
        if peer.stream.peek(&mut first).is_ok() {
            break;
        }
    }
    peer.stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a deadline");
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
    for _ in 0..6 {
        let message = frame(TEXT, &[b'y'; 1000]);
        peer.send(&message[..300]);
        server.until("the first part is here", |server| server.stats().bytes_received > 0);
        std::thread::sleep(Duration::from_millis(250));
        peer.send(&message[300..]);
        assert_eq!(peer.read_frame(), (TEXT, vec![b'y'; 1000]));
    }
}
