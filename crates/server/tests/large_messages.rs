//! Large messages: put together in memory that is used again, and passed on where they lie.

use crate::common;

use common::{BINARY, PATIENCE, PING, PONG, Peer, TEXT, start};

const CONTINUATION: u8 = 0x80;
const FIN: u8 = 0x80;

/// A frame whose mask is no zeroes, so that a part unmasked in the wrong place shows.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = common::frame(first_byte, payload);
    let start = bytes.len() - payload.len();
    let (head, masked) = bytes.split_at_mut(start);
    let key = [0x37, 0xFA, 0x21, 0x3D];
    head[start - 4..].copy_from_slice(&key);
    masked.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    bytes
}

/// Text with characters of several lengths, different for each `n`.
fn text(n: usize, len: usize) -> Vec<u8> {
    let line = format!("{n} Forelle, форель, 鱒, 🐟; ");
    let mut text = line.repeat(len / line.len() + 1).into_bytes();
    text.truncate(len);
    while core::str::from_utf8(&text).is_err() {
        text.pop();
    }
    text
}

fn bytes(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 7 + at / 251 + n) % 256).expect("a byte")).collect()
}

/// `message` in `frames` frames, with a ping behind the first.
fn fragments(kind: u8, message: &[u8], frames: usize) -> Vec<u8> {
    let parts: Vec<&[u8]> = message.chunks(message.len().div_ceil(frames)).collect();
    let last = parts.len() - 1;
    let mut wire = Vec::new();
    for (n, part) in parts.into_iter().enumerate() {
        let opcode = if n == 0 { kind & !FIN } else { CONTINUATION & !FIN };
        wire.extend(frame(if n == last { opcode | FIN } else { opcode }, part));
        if n == 0 {
            wire.extend(frame(PING, b"alive?"));
        }
    }
    wire
}

/// Sends from a thread of its own: neither side has room for all of it.
fn send(peer: &Peer, wire: Vec<u8>) -> std::thread::JoinHandle<()> {
    let mut stream = peer.stream.try_clone().expect("a descriptor");
    std::thread::spawn(move || std::io::Write::write_all(&mut stream, &wire).expect("it is read"))
}

/// Each round's messages differ in length, so memory holds others' bytes behind the present ones.
#[test]
fn they_come_back_whole_again_and_again() {
    let server = start(|limits| {
        limits.websocket.message_bytes_max = 16 << 20;
        limits.websocket.frame_bytes_max = 16 << 20;
    });
    let mut peers: Vec<Peer> = (0..4).map(|_| server.open("/echo")).collect();
    let lens = [3_000_000, 20_000, 1 << 20, 65_536, 400_001, 33_000, 131_072, 2_000_000];
    for (round, len) in lens.into_iter().enumerate() {
        let sent = |n| if n % 2 == 0 { (BINARY, bytes(n, len)) } else { (TEXT, text(n, len)) };
        let senders = peers.iter().enumerate().map(|(n, peer)| {
            let (kind, message) = sent(n);
            send(peer, fragments(kind, &message, 1 + (n + round) % 3))
        });
        let senders: Vec<_> = senders.collect();
        for (n, peer) in peers.iter_mut().enumerate() {
            let mut echo = peer.read_frame();
            if echo == (PONG, b"alive?".to_vec()) {
                echo = peer.read_frame();
            } else {
                // A message that was read with its ping is answered first, being whole first.
                assert_eq!(peer.read_frame(), (PONG, b"alive?".to_vec()));
            }
            assert!(echo == sent(n), "round {round}, peer {n}");
        }
        senders.into_iter().for_each(|sender| sender.join().expect("it was sent"));
    }
}

/// Memory that waits for a peer is nobody else's. [server:passed-on]
#[test]
fn a_message_that_waits_is_not_written_over() {
    const LEN: usize = 8_000_000;
    let server = start(|limits| {
        limits.websocket.message_bytes_max = 16 << 20;
        limits.websocket.frame_bytes_max = 16 << 20;
    });
    let (mut slow, mut quick) = (server.open("/echo"), server.open("/echo"));
    let slow_stream = server.next_opened();
    let sender = send(&slow, frame(BINARY, &bytes(1, LEN)));
    sender.join().expect("all of it was read");
    let waiting =
        move |context: &mut sockeye_server::Context<'_>| context.outbox_bytes(slow_stream);
    loop {
        let (answer, got) = std::sync::mpsc::channel();
        server.act(move |context| answer.send(waiting(context)).expect("somebody waits for it"));
        if got.recv_timeout(PATIENCE).expect("the errand is run") > 0 {
            break;
        }
    }
    for n in 2..6 {
        let sender = send(&quick, frame(BINARY, &bytes(n, LEN)));
        assert!(quick.read_frame() == (BINARY, bytes(n, LEN)), "message {n}");
        sender.join().expect("it was sent");
    }
    assert!(slow.read_frame() == (BINARY, bytes(1, LEN)), "what waited is what was sent");
}
