//! Messages that must come back as they went, however they were cut, masked and mixed.

use core::time::Duration;
use std::thread;

use crate::case::{Case, Outcome, Row, case, on_open, opened, table};
use crate::peer::Peer;
use crate::target::Target;
use crate::wire::{
    BINARY, PONG, TEXT, binary, bytes_of, continuation, fragments, frame, ping, text,
};

const LENGTHS: &str = "RFC 6455 §5.2";
const FRAGMENTS: &str = "RFC 6455 §5.4";
const MASK: &str = "RFC 6455 §5.3";
const PINGS: &str = "RFC 6455 §5.5.2";
/// Sizes around every form of the length and every width an unmasking loop may have.
const SIZES: [usize; 31] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 124, 125, 126, 127, 128, 255,
    256, 4095, 4096, 65_534, 65_535, 65_536, 65_537,
];

/// All delivery cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    let sizes = SIZES.map(|size| {
        let title = format!("{size} bytes come back, text and binary");
        opened(format!("delivery/size-{size}"), LENGTHS, title, move |peer| of_size(peer, size))
    });
    sizes.into_iter().chain(table(ROWS))
}

const ROWS: &[Row] = &[
    on_open("delivery/size-1-mib", LENGTHS, "1 MiB comes back", |peer| {
        echo_binary(peer, &noise(1 << 20), 1 << 20)
    }),
    on_open("delivery/fragments-64-kib", FRAGMENTS, "1 MiB in fragments of 64 KiB", |peer| {
        echo_binary(peer, &noise(1 << 20), 1 << 16)
    }),
    on_open("delivery/fragments-1-byte", FRAGMENTS, "300 bytes in fragments of one byte", |peer| {
        echo_binary(peer, &noise(300), 1)
    }),
    on_open("delivery/fragments-odd", FRAGMENTS, "10000 bytes in fragments of 37", |peer| {
        echo_binary(peer, &noise(10_000), 37)
    }),
    on_open("delivery/fragment-empty-first", FRAGMENTS, "An empty first fragment", |peer| {
        joined(peer, &["", "a", "b"])
    }),
    on_open(
        "delivery/fragment-empty-middle",
        FRAGMENTS,
        "An empty fragment in the middle",
        |peer| joined(peer, &["a", "", "b"]),
    ),
    on_open("delivery/fragment-empty-last", FRAGMENTS, "An empty last fragment", |peer| {
        joined(peer, &["a", "b", ""])
    }),
    on_open("delivery/fragment-all-empty", FRAGMENTS, "A message of empty fragments", |peer| {
        joined(peer, &["", "", ""])
    }),
    on_open("delivery/mask-zero", MASK, "A mask of zeros", |peer| masked(peer, [0; 4])),
    on_open("delivery/mask-ones", MASK, "A mask of ones", |peer| masked(peer, [0xff; 4])),
    on_open("delivery/mask-mixed", MASK, "A mask of four different bytes", |peer| {
        masked(peer, [1, 0x80, 0, 0xff])
    }),
    on_open("delivery/mask-fresh", MASK, "A new mask for every frame", mask_fresh),
    on_open("delivery/byte-by-byte", FRAGMENTS, "Frames that arrive byte by byte", byte_by_byte),
    on_open("delivery/header-cut", LENGTHS, "A 64 bit header cut at every byte", header_cut),
    on_open("delivery/payload-cut", MASK, "A payload cut at every byte", payload_cut),
    on_open("delivery/one-packet", LENGTHS, "100 messages in one packet, in order", one_packet),
    on_open("delivery/pipelined", LENGTHS, "1000 messages without waiting, in order", pipelined),
    on_open(
        "delivery/kinds-alternate",
        "RFC 6455 §5.6",
        "Text stays text and binary stays binary",
        kinds,
    ),
    on_open("delivery/ping-empty", PINGS, "An empty Ping", |peer| ponged(peer, b"")),
    on_open("delivery/ping-125", PINGS, "A Ping of 125 bytes", |peer| ponged(peer, &noise(125))),
    on_open("delivery/ping-not-utf-8", PINGS, "A Ping of any bytes", |peer| {
        ponged(peer, b"\xff\xfe\x00\x80")
    }),
    on_open("delivery/ping-ten", PINGS, "Ten Pings in a row, each answered", ping_ten)
        .policy("the last alone would do (§5.5.3), but a client may count"),
    on_open(
        "delivery/ping-between-fragments",
        FRAGMENTS,
        "A Ping between fragments is answered at once",
        ping_between,
    ),
    on_open("delivery/ping-byte-by-byte", PINGS, "A Ping that arrives byte by byte", |peer| {
        peer.trickle(&ping("slow").bytes());
        peer.expect_pong("slow")
    }),
    on_open(
        "delivery/pong-unasked",
        "RFC 6455 §5.5.3",
        "An unasked Pong is not answered",
        |peer| {
            peer.send_frames(&[frame(PONG, "unasked"), text("next")]);
            peer.expect_text("next")
        },
    ),
    on_open(
        "delivery/pong-between-fragments",
        FRAGMENTS,
        "A Pong between fragments changes nothing",
        |peer| {
            peer.send_frames(&[text("a").unfinished(), frame(PONG, "x"), continuation("b")]);
            peer.expect_text("ab")
        },
    ),
    case(
        "delivery/two-connections",
        "RFC 6455 §5.4",
        "Two connections do not mix",
        two_connections,
    ),
    on_open(
        "delivery/half-closed",
        "RFC 9293 §3.6",
        "The echo arrives although the client sent FIN",
        half_closed,
    )
    .policy("FIN ends one direction; what came before it was a whole message"),
    on_open(
        "delivery/idle-then-message",
        "RFC 6455 §5.4",
        "A message after a second of silence",
        |peer| {
            thread::sleep(Duration::from_secs(1));
            peer.send_frames(&[text("late")]);
            peer.expect_text("late")
        },
    ),
];

/// Bytes without a pattern, the same each time.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn of_size(peer: &mut Peer, size: usize) -> Outcome {
    let bytes = noise(size);
    peer.send_frames(&[binary(&bytes)]);
    peer.expect_binary(&bytes)?;
    let letters: Vec<u8> = bytes.iter().map(|byte| b'a' + byte % 26).collect();
    peer.send_frames(&[text(&letters)]);
    peer.expect_text(&letters)
}

fn echo_binary(peer: &mut Peer, payload: &[u8], size: usize) -> Outcome {
    peer.send_aside(bytes_of(&fragments(BINARY, payload, size)));
    peer.expect_binary(payload)
}

fn joined(peer: &mut Peer, pieces: &[&str]) -> Outcome {
    for (place, piece) in pieces.iter().enumerate() {
        let opcode = if place == 0 { TEXT } else { 0 };
        let out = frame(opcode, piece);
        let last = place + 1 == pieces.len();
        peer.send_frames(&[if last { out } else { out.unfinished() }]);
    }
    peer.expect_text(pieces.concat())
}

fn masked(peer: &mut Peer, key: [u8; 4]) -> Outcome {
    let bytes = noise(1001);
    peer.send_frames(&[binary(&bytes).key(key)]);
    peer.expect_binary(&bytes)?;
    peer.send_frames(&[ping("p").key(key)]);
    peer.expect_pong("p")
}

fn mask_fresh(peer: &mut Peer) -> Outcome {
    let payload = noise(900);
    let mut frames = fragments(BINARY, &payload, 101);
    for (place, out) in (1u8..).zip(frames.iter_mut()) {
        *out = out.clone().key([place, place.wrapping_mul(71), !place, 7]);
    }
    peer.send_frames(&frames);
    peer.expect_binary(payload)
}

fn byte_by_byte(peer: &mut Peer) -> Outcome {
    let payload = noise(200);
    let frames = [text("short"), binary(&payload), text("a").unfinished(), continuation("b")];
    peer.trickle(&bytes_of(&frames));
    peer.expect_text("short")?;
    peer.expect_binary(payload)?;
    peer.expect_text("ab")
}

/// Sends bytes in two segments that the server reads apart.
fn send_cut(peer: &mut Peer, bytes: &[u8], cut: usize) {
    let (head, tail) = bytes.split_at(cut);
    peer.send(head);
    thread::sleep(Duration::from_millis(5));
    peer.send(tail);
}

fn header_cut(peer: &mut Peer) -> Outcome {
    let payload = noise(65_536);
    let bytes = binary(&payload).bytes();
    for cut in 1..=14 {
        send_cut(peer, &bytes, cut);
        peer.expect_binary(&payload)?;
    }
    Ok(())
}

fn payload_cut(peer: &mut Peer) -> Outcome {
    let payload = noise(35);
    let bytes = binary(&payload).bytes();
    for cut in 6..bytes.len() {
        send_cut(peer, &bytes, cut);
        peer.expect_binary(&payload)?;
    }
    Ok(())
}

fn one_packet(peer: &mut Peer) -> Outcome {
    let frames: Vec<_> = (0..100).map(|i| text(format!("message {i}"))).collect();
    peer.send_frames(&frames);
    (0..100).try_for_each(|i| peer.expect_text(format!("message {i}")))
}

fn pipelined(peer: &mut Peer) -> Outcome {
    let frames: Vec<_> = (0..1000).map(|i| binary(noise(i))).collect();
    peer.send_aside(bytes_of(&frames));
    (0..1000).try_for_each(|i| peer.expect_binary(noise(i)))
}

fn kinds(peer: &mut Peer) -> Outcome {
    for _ in 0..5 {
        peer.send_frames(&[text("same"), binary("same")]);
        peer.expect_text("same")?;
        peer.expect_binary("same")?;
    }
    Ok(())
}

fn ponged(peer: &mut Peer, payload: &[u8]) -> Outcome {
    peer.send_frames(&[ping(payload)]);
    peer.expect_pong(payload)
}

fn ping_ten(peer: &mut Peer) -> Outcome {
    let frames: Vec<_> = (0..10).map(|i| ping(format!("{i}"))).collect();
    peer.send_frames(&frames);
    (0..10).try_for_each(|i| peer.expect_pong(format!("{i}")))
}

fn ping_between(peer: &mut Peer) -> Outcome {
    peer.send_frames(&[text("a").unfinished(), ping("between")]);
    peer.expect_pong("between")?;
    peer.send_frames(&[continuation("b").unfinished(), ping("again")]);
    peer.expect_pong("again")?;
    peer.send_frames(&[continuation("c")]);
    peer.expect_text("abc")
}

fn two_connections(target: &Target) -> Outcome {
    let (mut one, mut two) = (Peer::open(target)?, Peer::open(target)?);
    one.send_frames(&[text("one").unfinished()]);
    two.send_frames(&[text("two").unfinished()]);
    one.send_frames(&[continuation("+")]);
    two.send_frames(&[continuation("-")]);
    one.expect_text("one+")?;
    two.expect_text("two-")
}

fn half_closed(peer: &mut Peer) -> Outcome {
    peer.send_frames(&[text("the last words")]);
    peer.finish();
    peer.expect_text("the last words")
}
