//! One message to many real sockets, among them one that does not read.

use crate::common;

use common::{BINARY, Peer, start};
use sockeye_server::SharedMessage;

const LEN: usize = 100_000;
const COUNT: u8 = 100;

fn check(peer: &mut Peer, n: u8) {
    let (first, payload) = peer.read_frame();
    assert_eq!((first, payload.len()), (BINARY, LEN));
    assert!(payload.iter().all(|byte| *byte == n), "message {n}");
}

#[test]
fn a_deaf_peer_changes_nothing_for_the_others() {
    let bytes_max = usize::from(COUNT) * (LEN + 10);
    let server = start(|limits| limits.outbox_bytes_max = bytes_max);
    let (mut peers, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        peers.push(server.open("/echo"));
        streams.push(server.next_opened());
    }
    let (mut deaf, its_stream) = (peers.remove(0), streams[0]);
    for n in 0..COUNT {
        let streams = streams.clone();
        server.act(move |context| {
            let message = SharedMessage::binary(&vec![n; LEN]);
            for stream in streams {
                context.send_shared(stream, &message).expect("it is within its bound");
            }
        });
        peers.iter_mut().for_each(|peer| check(peer, n));
    }
    let (answer, bytes) = std::sync::mpsc::channel();
    server.act(move |context| {
        answer.send(context.outbox_bytes(its_stream)).expect("somebody waits for it");
    });
    let bytes = bytes.recv_timeout(common::PATIENCE).expect("the errand is run");
    assert!(bytes > bytes_max / 8, "{bytes} bytes wait for the one that does not read");
    (0..COUNT).for_each(|n| check(&mut deaf, n));
}
