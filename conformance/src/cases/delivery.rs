//! Messages that must come back as they went, however they were cut, masked and mixed.

use core::time::Duration;
use std::thread;

use crate::case::{Case, Level, Outcome, Row, table};
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
        Case::new(format!("delivery/size-{size}"), LENGTHS, title, Level::Must, move |target| {
            of_size(target, size)
        })
    });
    sizes.into_iter().chain(table(ROWS))
}

const ROWS: &[Row] = &[
    ("delivery/size-1-mib", LENGTHS, "1 MiB comes back", Level::Must, |target| {
        echo_binary(target, &noise(1 << 20), 1 << 20)
    }),
    (
        "delivery/fragments-64-kib",
        FRAGMENTS,
        "1 MiB in fragments of 64 KiB",
        Level::Must,
        |target| echo_binary(target, &noise(1 << 20), 1 << 16),
    ),
    (
        "delivery/fragments-1-byte",
        FRAGMENTS,
        "300 bytes in fragments of one byte",
        Level::Must,
        |target| echo_binary(target, &noise(300), 1),
    ),
    (
        "delivery/fragments-odd",
        FRAGMENTS,
        "10000 bytes in fragments of 37",
        Level::Must,
        |target| echo_binary(target, &noise(10_000), 37),
    ),
    (
        "delivery/fragment-empty-first",
        FRAGMENTS,
        "An empty first fragment",
        Level::Must,
        |target| joined(target, &["", "a", "b"]),
    ),
    (
        "delivery/fragment-empty-middle",
        FRAGMENTS,
        "An empty fragment in the middle",
        Level::Must,
        |target| joined(target, &["a", "", "b"]),
    ),
    ("delivery/fragment-empty-last", FRAGMENTS, "An empty last fragment", Level::Must, |target| {
        joined(target, &["a", "b", ""])
    }),
    (
        "delivery/fragment-all-empty",
        FRAGMENTS,
        "A message of empty fragments",
        Level::Must,
        |target| joined(target, &["", "", ""]),
    ),
    ("delivery/mask-zero", MASK, "A mask of zeros", Level::Must, |target| masked(target, [0; 4])),
    ("delivery/mask-ones", MASK, "A mask of ones", Level::Must, |target| masked(target, [0xff; 4])),
    ("delivery/mask-mixed", MASK, "A mask of four different bytes", Level::Must, |target| {
        masked(target, [1, 0x80, 0, 0xff])
    }),
    ("delivery/mask-fresh", MASK, "A new mask for every frame", Level::Must, mask_fresh),
    (
        "delivery/byte-by-byte",
        FRAGMENTS,
        "Frames that arrive byte by byte",
        Level::Must,
        byte_by_byte,
    ),
    ("delivery/header-cut", LENGTHS, "A 64 bit header cut at every byte", Level::Must, header_cut),
    ("delivery/payload-cut", MASK, "A payload cut at every byte", Level::Must, payload_cut),
    (
        "delivery/one-packet",
        LENGTHS,
        "100 messages in one packet, in order",
        Level::Must,
        one_packet,
    ),
    (
        "delivery/pipelined",
        LENGTHS,
        "1000 messages without waiting, in order",
        Level::Must,
        pipelined,
    ),
    (
        "delivery/kinds-alternate",
        "RFC 6455 §5.6",
        "Text stays text and binary stays binary",
        Level::Must,
        kinds,
    ),
    ("delivery/ping-empty", PINGS, "An empty Ping", Level::Must, |target| ponged(target, b"")),
    ("delivery/ping-125", PINGS, "A Ping of 125 bytes", Level::Must, |target| {
        ponged(target, &noise(125))
    }),
    ("delivery/ping-not-utf-8", PINGS, "A Ping of any bytes", Level::Must, |target| {
        ponged(target, b"\xff\xfe\x00\x80")
    }),
    (
        "delivery/ping-ten",
        PINGS,
        "Ten Pings in a row, each answered",
        Level::Policy("the last alone would do (§5.5.3), but a client may count"),
        ping_ten,
    ),
    (
        "delivery/ping-between-fragments",
        FRAGMENTS,
        "A Ping between fragments is answered at once",
        Level::Must,
        ping_between,
    ),
    (
        "delivery/ping-byte-by-byte",
        PINGS,
        "A Ping that arrives byte by byte",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            peer.trickle(&ping("slow").bytes());
            peer.expect_pong("slow")
        },
    ),
    (
        "delivery/pong-unasked",
        "RFC 6455 §5.5.3",
        "An unasked Pong is not answered",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[frame(PONG, "unasked"), text("next")]);
            peer.expect_text("next")
        },
    ),
    (
        "delivery/pong-between-fragments",
        FRAGMENTS,
        "A Pong between fragments changes nothing",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[text("a").unfinished(), frame(PONG, "x"), continuation("b")]);
            peer.expect_text("ab")
        },
    ),
    (
        "delivery/two-connections",
        "RFC 6455 §5.4",
        "Two connections do not mix",
        Level::Must,
        two_connections,
    ),
    (
        "delivery/half-closed",
        "RFC 9293 §3.6",
        "The echo arrives although the client sent FIN",
        Level::Policy("FIN ends one direction; what came before it was a whole message"),
        half_closed,
    ),
    (
        "delivery/idle-then-message",
        "RFC 6455 §5.4",
        "A message after a second of silence",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
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

fn of_size(target: &Target, size: usize) -> Outcome {
    let mut peer = Peer::open(target)?;
    let bytes = noise(size);
    peer.send_frames(&[binary(&bytes)]);
    peer.expect_binary(&bytes)?;
    let letters: Vec<u8> = bytes.iter().map(|byte| b'a' + byte % 26).collect();
    peer.send_frames(&[text(&letters)]);
    peer.expect_text(&letters)
}

fn echo_binary(target: &Target, payload: &[u8], size: usize) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.send_aside(bytes_of(&fragments(BINARY, payload, size)));
    peer.expect_binary(payload)
}

fn joined(target: &Target, pieces: &[&str]) -> Outcome {
    let mut peer = Peer::open(target)?;
    for (place, piece) in pieces.iter().enumerate() {
        let opcode = if place == 0 { TEXT } else { 0 };
        let out = frame(opcode, piece);
        let last = place + 1 == pieces.len();
        peer.send_frames(&[if last { out } else { out.unfinished() }]);
    }
    peer.expect_text(pieces.concat())
}

fn masked(target: &Target, key: [u8; 4]) -> Outcome {
    let mut peer = Peer::open(target)?;
    let bytes = noise(1001);
    peer.send_frames(&[binary(&bytes).key(key)]);
    peer.expect_binary(&bytes)?;
    peer.send_frames(&[ping("p").key(key)]);
    peer.expect_pong("p")
}

fn mask_fresh(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    let payload = noise(900);
    let mut frames = fragments(BINARY, &payload, 101);
    for (place, out) in (1u8..).zip(frames.iter_mut()) {
        *out = out.clone().key([place, place.wrapping_mul(71), !place, 7]);
    }
    peer.send_frames(&frames);
    peer.expect_binary(payload)
}

fn byte_by_byte(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
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

fn header_cut(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    let payload = noise(65_536);
    let bytes = binary(&payload).bytes();
    for cut in 1..=14 {
        send_cut(&mut peer, &bytes, cut);
        peer.expect_binary(&payload)?;
    }
    Ok(())
}

fn payload_cut(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    let payload = noise(35);
    let bytes = binary(&payload).bytes();
    for cut in 6..bytes.len() {
        send_cut(&mut peer, &bytes, cut);
        peer.expect_binary(&payload)?;
    }
    Ok(())
}

fn one_packet(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    let frames: Vec<_> = (0..100).map(|i| text(format!("message {i}"))).collect();
    peer.send_frames(&frames);
    (0..100).try_for_each(|i| peer.expect_text(format!("message {i}")))
}

fn pipelined(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    let frames: Vec<_> = (0..1000).map(|i| binary(noise(i))).collect();
    peer.send_aside(bytes_of(&frames));
    (0..1000).try_for_each(|i| peer.expect_binary(noise(i)))
}

fn kinds(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    for _ in 0..5 {
        peer.send_frames(&[text("same"), binary("same")]);
        peer.expect_text("same")?;
        peer.expect_binary("same")?;
    }
    Ok(())
}

fn ponged(target: &Target, payload: &[u8]) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.send_frames(&[ping(payload)]);
    peer.expect_pong(payload)
}

fn ping_ten(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    let frames: Vec<_> = (0..10).map(|i| ping(format!("{i}"))).collect();
    peer.send_frames(&frames);
    (0..10).try_for_each(|i| peer.expect_pong(format!("{i}")))
}

fn ping_between(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
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

fn half_closed(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.send_frames(&[text("the last words")]);
    peer.finish();
    peer.expect_text("the last words")
}
