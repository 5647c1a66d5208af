//! Compressed messages: framing, blocks, damage and bombs (RFC 7692 §6, §7.2).

use super::accepted;
use crate::case::{Case, Outcome, Pace, Row, case, failed, table};
use crate::cases::delivery::noise;
use crate::peer::{Peer, Seen};
use crate::squeeze::{Token, squeeze, squeeze_with_final_block, zlib};
use crate::target::Target;
use crate::wire::{
    BINARY, CLOSE, Out, RSV1, TEXT, binary, bytes_of, close, continuation, fragments, ping, text,
};

const EXAMPLES: &str = "RFC 7692 §7.2.3";
const BIT: &str = "RFC 7692 §6";
const INFLATE: &str = "RFC 7692 §7.2.2";
const OFFER: &str = "permessage-deflate";
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
const DAMAGE: &str = "RFC 7692 names no code; the payload is not what its type says, which is 1007";
const DAMAGED: &[(&str, &str, &[u8])] = &[
    ("reserved-block", "A block of the reserved type", b"\x06\x00"),
    (
        "stored-length",
        "A stored block whose length and complement differ",
        b"\x00\x05\x00\x05\x00hello\x00",
    ),
    (
        "bad-code-lengths",
        "A dynamic block with impossible code lengths",
        b"\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ),
];

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let damaged = DAMAGED.iter().flat_map(|&(name, title, payload)| {
        let case = |id: String, codes: &'static [u16]| {
            Case::new(id, INFLATE, title, move |target| damaged(target, payload, codes))
        };
        [
            case(format!("deflate/damage-{name}"), &[1007, 1002, 1003, 1008, 1011]),
            case(format!("deflate/damage-{name}-1007"), &[1007]).policy(DAMAGE),
        ]
    });
    damaged.chain(table(ROWS))
}

const ROWS: &[Row] = &[
    case("deflate/example-one-block", EXAMPLES, "Hello in one block", |t| hello(t, HELLO)),
    case("deflate/example-stored", EXAMPLES, "Hello in a stored block", |target| {
        hello(target, b"\x00\x05\x00\xfa\xffHello\x00")
    }),
    case("deflate/example-final-block", EXAMPLES, "Hello in a block with BFINAL", |target| {
        hello(target, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")
    }),
    case("deflate/example-two-blocks", EXAMPLES, "Hello in two blocks", |target| {
        hello(target, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")
    }),
    case(
        "deflate/final-block-inside",
        EXAMPLES,
        "A block with BFINAL is not the end of the message",
        |target| hello(target, &squeeze_with_final_block(b"Hel", b"lo")),
    ),
    case(
        "deflate/final-block-then-message",
        EXAMPLES,
        "A block with BFINAL is not the end of the stream",
        |target| {
            let (mut peer, _) = accepted(target, OFFER)?;
            for payload in [b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00".as_slice(), HELLO] {
                peer.send_frames(&[text(payload).rsv(RSV1)]);
                peer.expect_text("Hello")?;
            }
            Ok(())
        },
    ),
    case("deflate/empty-message", EXAMPLES, "An empty message is one zero byte", |target| {
        let (mut peer, _) = accepted(target, OFFER)?;
        peer.send_frames(&[text(b"\x00").rsv(RSV1)]);
        peer.expect_text("")
    }),
    case("deflate/example-fragments", EXAMPLES, "Hello in two fragments", |target| {
        sent(target, &[text(&HELLO[..3]).rsv(RSV1).unfinished(), continuation(&HELLO[3..])])
    }),
    case(
        "deflate/fragments-1-byte",
        BIT,
        "A compressed message in fragments of one byte",
        |target| {
            let mut frames = fragments(TEXT, HELLO, 1);
            frames[0] = frames[0].clone().rsv(RSV1);
            sent(target, &frames)
        },
    ),
    case("deflate/fragment-empty-first", BIT, "RSV1 on an empty first fragment", |target| {
        sent(target, &[text("").rsv(RSV1).unfinished(), continuation(HELLO)])
    }),
    case("deflate/fragment-empty-last", BIT, "An empty last fragment", |target| {
        sent(target, &[text(HELLO).rsv(RSV1).unfinished(), continuation("")])
    }),
    case("deflate/ping-between", BIT, "A Ping between compressed fragments", |target| {
        let (mut peer, _) = accepted(target, OFFER)?;
        let head = text(&HELLO[..3]).rsv(RSV1).unfinished();
        peer.send_frames(&[head, ping("p"), continuation(&HELLO[3..])]);
        peer.expect_pong("p")?;
        peer.expect_text("Hello")
    }),
    case("deflate/uncompressed", BIT, "An uncompressed message is legal too", |target| {
        sent(target, &[text("Hello")])
    }),
    case("deflate/mixed", BIT, "Compressed and uncompressed messages in turn", mixed),
    case("deflate/json", INFLATE, "20 JSON messages, compressed", json),
    case("deflate/binary", INFLATE, "64 KiB that do not compress", |target| {
        round_trip(target, &noise(65_536))
    }),
    case("deflate/large", INFLATE, "1 MiB that compresses well", |target| {
        round_trip(target, &b"the quick brown fox ".repeat(52_429))
    }),
    case(
        "deflate/server-payload-inflates",
        INFLATE,
        "What the server compresses inflates",
        |target| {
            let (mut peer, _) = accepted(target, OFFER)?;
            for size in [1, 100, 1_000, 10_000, 100_000] {
                let message = b"sockeye ".repeat(size / 8 + 1);
                peer.send_frames(&[text(zlib(&message)).rsv(RSV1)]);
                peer.expect_text(message)?;
            }
            Ok(())
        },
    ),
    case("deflate/rsv1-on-continuation", BIT, "RSV1 on a continuation", |target| {
        let head = text(&HELLO[..3]).rsv(RSV1).unfinished();
        broken(target, &[head, continuation(&HELLO[3..]).rsv(RSV1)], &[1002])
    }),
    case("deflate/rsv1-on-ping", BIT, "RSV1 on a Ping", |target| {
        broken(target, &[ping("x").rsv(RSV1)], &[1002])
    }),
    case("deflate/rsv1-on-close", BIT, "RSV1 on a Close", |target| {
        broken(target, &[close(1000, "").rsv(RSV1)], &[1002])
    }),
    case("deflate/rsv2", "RFC 6455 §5.2", "RSV2 is still reserved", |target| {
        broken(target, &[text(HELLO).rsv(RSV1 | 2)], &[1002])
    }),
    case("deflate/rsv3", "RFC 6455 §5.2", "RSV3 is still reserved", |target| {
        broken(target, &[text("Hello").rsv(1)], &[1002])
    }),
    case(
        "deflate/not-utf-8",
        "RFC 6455 §8.1",
        "A text that inflates to something else",
        |target| broken(target, &[text(squeeze(&[Token::Bytes(b"bad \xff")])).rsv(RSV1)], &[1007]),
    ),
    case(
        "deflate/utf-8-cut",
        "RFC 6455 §8.1",
        "A text that inflates to half a character",
        |target| {
            broken(target, &[text(squeeze(&[Token::Bytes(b"bad \xe2\x82")])).rsv(RSV1)], &[1007])
        },
    ),
    case("deflate/damage-no-end", INFLATE, "A payload that stops within a block", |target| {
        damaged(target, b"\xf2\x48\xcd", &[1007, 1002])
    })
    .policy(
        "zlib waits for more and notices nothing, but half a message is delivered as a whole one",
    ),
    case(
        "deflate/binary-not-utf-8",
        "RFC 6455 §5.6",
        "A binary message may inflate to anything",
        |target| round_trip(target, b"\xff\xfe\x00\x80"),
    ),
    case("deflate/bomb", "RFC 6455 §10.4", "256 KiB that inflate to 256 MiB bring 1009", bomb)
        .policy("a limit that counts compressed bytes is none")
        .paced(Pace::Alone),
];

fn hello(target: &Target, payload: &[u8]) -> Outcome {
    sent(target, &[text(payload).rsv(RSV1)])
}

/// Frames that make up the text `Hello`.
fn sent(target: &Target, frames: &[Out]) -> Outcome {
    let (mut peer, _) = accepted(target, OFFER)?;
    peer.send_frames(frames);
    peer.expect_text("Hello")
}

fn broken(target: &Target, frames: &[Out], codes: &[u16]) -> Outcome {
    let (mut peer, _) = accepted(target, OFFER)?;
    peer.send_frames(frames);
    peer.expect_close(codes)
}

fn damaged(target: &Target, payload: &[u8], codes: &[u16]) -> Outcome {
    broken(target, &[binary(payload).rsv(RSV1)], codes)
}

fn mixed(target: &Target) -> Outcome {
    let (mut peer, _) = accepted(target, OFFER)?;
    for i in 0..10 {
        let message = format!("message {i} of ten, ten, ten");
        let out = match i % 2 {
            0 => text(zlib(message.as_bytes())).rsv(RSV1),
            _ => text(&message),
        };
        peer.send_frames(&[out]);
        peer.expect_text(message)?;
    }
    Ok(())
}

fn json(target: &Target) -> Outcome {
    let (mut peer, _) = accepted(target, OFFER)?;
    for i in 0..20 {
        let item = format!("{{\"id\":{i},\"name\":\"item {i}\",\"tags\":[\"a\",\"b\"]}},");
        let message = format!("[{}]", item.repeat(40));
        peer.send_frames(&[text(zlib(message.as_bytes())).rsv(RSV1)]);
        peer.expect_text(message)?;
    }
    Ok(())
}

fn round_trip(target: &Target, message: &[u8]) -> Outcome {
    let (mut peer, _) = accepted(target, OFFER)?;
    let mut frames = fragments(BINARY, &zlib(message), 30_000);
    frames[0] = frames[0].clone().rsv(RSV1);
    peer.send_aside(bytes_of(&frames));
    peer.expect_binary(message)
}

fn bomb(target: &Target) -> Outcome {
    let (mut peer, _) = accepted(target, OFFER)?;
    // A sync flush ends at a byte, so the same block repeated is still one stream.
    let block = [zlib(&vec![0; 16 << 20]), vec![0, 0, 0xff, 0xff]].concat();
    peer.send_aside(binary(block.repeat(16)).rsv(RSV1).bytes());
    match peer.next() {
        Seen::Frame(frame) if frame.opcode == CLOSE && frame.close_code() == Some(1009) => {}
        seen => return failed("Close 1009", seen),
    }
    Peer::open(target)?.expect_alive()
}
