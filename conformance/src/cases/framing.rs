//! Frames: reserved bits and opcodes, lengths, masking, fragments (RFC 6455 §5).

use crate::case::{Case, Level, Outcome, Row, table};
use crate::peer::Peer;
use crate::target::Target;
use crate::wire::{
    BINARY, CLOSE, Form, Out, PING, PONG, binary, close, continuation, frame, ping, text,
};

const BITS: &str = "RFC 6455 §5.2";
const CONTROL: &str = "RFC 6455 §5.5";
const FRAGMENTS: &str = "RFC 6455 §5.4";
const MASKING: &str = "RFC 6455 §5.1";
/// The reserved opcodes (RFC 6455 §11.8).
const RESERVED: [u8; 10] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];
const PROTOCOL_ERROR: u16 = 1002;
const EARLY: Level =
    Level::Policy("the frame is wrong already: waiting for its rest holds memory for nothing");
const NOT_MINIMAL: Level = Level::Policy(
    "the RFC binds the sender alone; two spellings of one frame let middleboxes disagree",
);

/// All framing cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    let opcodes = RESERVED.map(|opcode| {
        let title = format!("Opcode {opcode} is reserved");
        violation(format!("framing/opcode-{opcode}"), BITS, title, Level::Must, move || {
            frame(opcode, "x").bytes()
        })
    });
    let first_byte = RESERVED.map(|opcode| {
        let title = format!("Opcode {opcode} fails at its first byte");
        violation(format!("framing/opcode-{opcode}-early"), BITS, title, EARLY, move || {
            vec![0x80 | opcode]
        })
    });
    let bits = (1..8).map(|rsv| {
        let title = format!("RSV {rsv:03b} on a message that nothing extends");
        violation(format!("framing/rsv-{rsv:03b}"), BITS, title, Level::Must, move || {
            text("x").rsv(rsv).bytes()
        })
    });
    let violations = VIOLATIONS.iter().map(|&(id, section, title, level, bytes)| {
        violation(id.to_owned(), section, title.to_owned(), level, bytes)
    });
    opcodes.into_iter().chain(first_byte).chain(bits).chain(violations).chain(table(ROWS))
}

/// Bytes on a fresh connection that must bring Close 1002 and nothing else.
fn violation(
    id: String,
    section: &'static str,
    title: String,
    level: Level,
    bytes: impl Fn() -> Vec<u8> + Send + Sync + 'static,
) -> Case {
    Case::new(id, section, title, level, move |target| {
        let mut peer = Peer::open(target)?;
        peer.send(&bytes());
        peer.expect_close(&[PROTOCOL_ERROR])
    })
}

type Violation = (&'static str, &'static str, &'static str, Level, fn() -> Vec<u8>);

fn both(first: &Out, second: &Out) -> Vec<u8> {
    [first.bytes(), second.bytes()].concat()
}

const VIOLATIONS: &[Violation] = &[
    ("framing/rsv1-early", BITS, "RSV1 fails at the first byte", EARLY, || vec![0xc1]),
    ("framing/rsv1-ping", BITS, "RSV1 on a Ping", Level::Must, || ping("x").rsv(4).bytes()),
    ("framing/rsv2-ping", BITS, "RSV2 on a Ping", Level::Must, || ping("x").rsv(2).bytes()),
    ("framing/rsv3-pong", BITS, "RSV3 on a Pong", Level::Must, || frame(PONG, "x").rsv(1).bytes()),
    ("framing/rsv1-close", BITS, "RSV1 on a Close", Level::Must, || close(1000, "").rsv(4).bytes()),
    ("framing/rsv1-continuation", BITS, "RSV1 on a continuation", Level::Must, || {
        both(&text("a").unfinished(), &continuation("b").rsv(4))
    }),
    ("framing/length-16-of-0", BITS, "Length 0 in 16 bits", NOT_MINIMAL, || {
        text("").form(Form::Bits16).bytes()
    }),
    ("framing/length-16-of-125", BITS, "Length 125 in 16 bits", NOT_MINIMAL, || {
        binary([1; 125]).form(Form::Bits16).bytes()
    }),
    ("framing/length-64-of-0", BITS, "Length 0 in 64 bits", NOT_MINIMAL, || {
        text("").form(Form::Bits64).bytes()
    }),
    ("framing/length-64-of-125", BITS, "Length 125 in 64 bits", NOT_MINIMAL, || {
        binary([1; 125]).form(Form::Bits64).bytes()
    }),
    ("framing/length-64-of-126", BITS, "Length 126 in 64 bits", NOT_MINIMAL, || {
        binary([1; 126]).form(Form::Bits64).bytes()
    }),
    ("framing/length-64-of-65535", BITS, "Length 65535 in 64 bits", NOT_MINIMAL, || {
        binary([1; 65535]).form(Form::Bits64).bytes()
    }),
    (
        "framing/length-msb-early",
        BITS,
        "A 64 bit length above 2^63 fails at its first byte",
        EARLY,
        || vec![0x82, 0xff, 0x80],
    ),
    ("framing/unmasked-text", MASKING, "A text frame without mask", Level::Must, || {
        text("x").unmasked().bytes()
    }),
    ("framing/unmasked-empty", MASKING, "An empty frame without mask", Level::Must, || {
        text("").unmasked().bytes()
    }),
    ("framing/unmasked-ping", MASKING, "A Ping without mask", Level::Must, || {
        ping("x").unmasked().bytes()
    }),
    ("framing/unmasked-close", MASKING, "A Close without mask", Level::Must, || {
        close(1000, "").unmasked().bytes()
    }),
    ("framing/unmasked-continuation", MASKING, "A continuation without mask", Level::Must, || {
        both(&text("a").unfinished(), &continuation("b").unmasked())
    }),
    ("framing/unmasked-early", MASKING, "A missing mask fails at the second byte", EARLY, || {
        vec![0x81, 0x05]
    }),
    ("framing/control-126", CONTROL, "A Ping of 126 bytes", Level::Must, || ping([0; 126]).bytes()),
    ("framing/control-65536", CONTROL, "A Ping of 65536 bytes", Level::Must, || {
        ping([0; 65536]).bytes()
    }),
    ("framing/control-pong-126", CONTROL, "A Pong of 126 bytes", Level::Must, || {
        frame(PONG, [0; 126]).bytes()
    }),
    ("framing/control-close-126", CONTROL, "A Close of 126 bytes", Level::Must, || {
        close(1000, [b'x'; 124]).bytes()
    }),
    (
        "framing/control-length-16",
        CONTROL,
        "A short Ping whose length takes 16 bits",
        Level::Must,
        || ping("x").form(Form::Bits16).bytes(),
    ),
    ("framing/control-126-early", CONTROL, "A long Ping fails at the second byte", EARLY, || {
        vec![0x89, 0xfe]
    }),
    ("framing/control-fragment-ping", CONTROL, "A Ping in fragments", Level::Must, || {
        both(&ping("a").unfinished(), &continuation("b"))
    }),
    ("framing/control-fragment-pong", CONTROL, "A Pong in fragments", Level::Must, || {
        frame(PONG, "a").unfinished().bytes()
    }),
    ("framing/control-fragment-close", CONTROL, "A Close in fragments", Level::Must, || {
        close(1000, "").unfinished().bytes()
    }),
    (
        "framing/control-fragment-early",
        CONTROL,
        "A fragment of a Ping fails at its first byte",
        EARLY,
        || vec![PING],
    ),
    (
        "framing/control-fragment-close-early",
        CONTROL,
        "A fragment of a Close fails at its first byte",
        EARLY,
        || vec![CLOSE],
    ),
    (
        "framing/continuation-of-nothing",
        FRAGMENTS,
        "A continuation of nothing",
        Level::Must,
        || continuation("x").bytes(),
    ),
    (
        "framing/continuation-of-nothing-open",
        FRAGMENTS,
        "An unfinished continuation of nothing",
        Level::Must,
        || continuation("x").unfinished().bytes(),
    ),
    (
        "framing/continuation-of-nothing-early",
        FRAGMENTS,
        "A continuation of nothing fails at its header",
        EARLY,
        || continuation("").form(Form::Claim(100_000)).bytes(),
    ),
    (
        "framing/text-within-text",
        FRAGMENTS,
        "A text frame within a fragmented text",
        Level::Must,
        || both(&text("a").unfinished(), &text("b")),
    ),
    (
        "framing/binary-within-text",
        FRAGMENTS,
        "A binary frame within a fragmented text",
        Level::Must,
        || both(&text("a").unfinished(), &binary("b")),
    ),
    (
        "framing/text-within-text-open",
        FRAGMENTS,
        "A new fragmented text within another",
        Level::Must,
        || both(&text("a").unfinished(), &text("b").unfinished()),
    ),
    (
        "framing/text-within-text-early",
        FRAGMENTS,
        "A text within a fragmented text fails at its header",
        EARLY,
        || both(&text("a").unfinished(), &text("").form(Form::Claim(100_000))),
    ),
    (
        "framing/violation-after-empty",
        FRAGMENTS,
        "An empty first fragment opens a message too",
        Level::Must,
        || both(&binary("").unfinished(), &frame(BINARY, "b")),
    ),
];

const ROWS: &[Row] = &[
    ("framing/length-msb", BITS, "A 64 bit length above 2^63", Level::Must, |target| {
        claimed(target, 1 << 63, &[1002, 1009])
    }),
    ("framing/length-all-ones", BITS, "A 64 bit length of 2^64 - 1", Level::Must, |target| {
        claimed(target, u64::MAX, &[1002, 1009])
    }),
    (
        "framing/length-2-to-62",
        "RFC 6455 §10.4",
        "A length of 2^62 is refused at its header",
        Level::Policy("nobody can hold that: say so before anything of it is sent"),
        |target| claimed(target, 1 << 62, &[1009]),
    ),
    (
        "framing/length-2-to-40",
        "RFC 6455 §10.4",
        "A length of 2^40 is refused at its header",
        Level::Policy("nobody can hold that: say so before anything of it is sent"),
        |target| claimed(target, 1 << 40, &[1009]),
    ),
    (
        "framing/continuation-after-end",
        FRAGMENTS,
        "A continuation behind a finished message",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[text("a").unfinished(), continuation("b")]);
            peer.expect_text("ab")?;
            peer.send_frames(&[continuation("c")]);
            peer.expect_close(&[PROTOCOL_ERROR])
        },
    ),
    (
        "framing/good-then-bad",
        "RFC 6455 §7.1.7",
        "What came before a violation is answered first",
        Level::Policy("the good message was received before the bad frame was"),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[text("good"), frame(3, "bad")]);
            peer.expect_text("good")?;
            peer.expect_close(&[PROTOCOL_ERROR])
        },
    ),
];

fn claimed(target: &Target, len: u64, codes: &[u16]) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.send(&binary("abc").form(Form::Claim(len)).bytes());
    peer.expect_close(codes)
}
