//! Frames: reserved bits and opcodes, lengths, masking, fragments (RFC 6455 §5).

use crate::case::{Case, Row, closes, closing, on_open, table};
use crate::wire::{
    BINARY, CLOSE, Form, PING, PONG, binary, bytes_of, close, continuation, frame, ping, text,
};

const BITS: &str = "RFC 6455 §5.2";
const CONTROL: &str = "RFC 6455 §5.5";
const FRAGMENTS: &str = "RFC 6455 §5.4";
const MASKING: &str = "RFC 6455 §5.1";
/// The reserved opcodes (RFC 6455 §11.8).
const RESERVED: [u8; 10] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];
const PROTOCOL_ERROR: &[u16] = &[1002];
const EARLY: &str = "the frame is wrong already: waiting for its rest holds memory for nothing";
const NOT_MINIMAL: &str =
    "the RFC binds the sender alone; two spellings of one frame let middleboxes disagree";

/// All framing cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    let opcodes = RESERVED.map(|opcode| {
        let title = format!("Opcode {opcode} is reserved");
        closing(format!("framing/opcode-{opcode}"), BITS, title, PROTOCOL_ERROR, move || {
            frame(opcode, "x").bytes()
        })
    });
    let first_byte = RESERVED.map(|opcode| {
        let id = format!("framing/opcode-{opcode}-early");
        let title = format!("Opcode {opcode} fails at its first byte");
        closing(id, BITS, title, PROTOCOL_ERROR, move || vec![0x80 | opcode]).policy(EARLY)
    });
    let bits = (1..8).map(|rsv| {
        let title = format!("RSV {rsv:03b} on a message that nothing extends");
        closing(format!("framing/rsv-{rsv:03b}"), BITS, title, PROTOCOL_ERROR, move || {
            text("x").rsv(rsv).bytes()
        })
    });
    opcodes.into_iter().chain(first_byte).chain(bits).chain(table(VIOLATIONS)).chain(table(ROWS))
}

/// [`closes`] with 1002.
const fn violation(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    bytes: fn() -> Vec<u8>,
) -> Row {
    closes(id, section, title, PROTOCOL_ERROR, bytes)
}

const VIOLATIONS: &[Row] = &[
    violation("framing/rsv1-early", BITS, "RSV1 fails at the first byte", || vec![0xc1])
        .policy(EARLY),
    violation("framing/rsv1-ping", BITS, "RSV1 on a Ping", || ping("x").rsv(4).bytes()),
    violation("framing/rsv2-ping", BITS, "RSV2 on a Ping", || ping("x").rsv(2).bytes()),
    violation("framing/rsv3-pong", BITS, "RSV3 on a Pong", || frame(PONG, "x").rsv(1).bytes()),
    violation("framing/rsv1-close", BITS, "RSV1 on a Close", || close(1000, "").rsv(4).bytes()),
    violation("framing/rsv1-continuation", BITS, "RSV1 on a continuation", || {
        bytes_of(&[text("a").unfinished(), continuation("b").rsv(4)])
    }),
    violation("framing/length-16-of-0", BITS, "Length 0 in 16 bits", || {
        text("").form(Form::Bits16).bytes()
    })
    .policy(NOT_MINIMAL),
    violation("framing/length-16-of-125", BITS, "Length 125 in 16 bits", || {
        binary([1; 125]).form(Form::Bits16).bytes()
    })
    .policy(NOT_MINIMAL),
    violation("framing/length-64-of-0", BITS, "Length 0 in 64 bits", || {
        text("").form(Form::Bits64).bytes()
    })
    .policy(NOT_MINIMAL),
    violation("framing/length-64-of-125", BITS, "Length 125 in 64 bits", || {
        binary([1; 125]).form(Form::Bits64).bytes()
    })
    .policy(NOT_MINIMAL),
    violation("framing/length-64-of-126", BITS, "Length 126 in 64 bits", || {
        binary([1; 126]).form(Form::Bits64).bytes()
    })
    .policy(NOT_MINIMAL),
    violation("framing/length-64-of-65535", BITS, "Length 65535 in 64 bits", || {
        binary([1; 65535]).form(Form::Bits64).bytes()
    })
    .policy(NOT_MINIMAL),
    violation(
        "framing/length-msb-early",
        BITS,
        "A 64 bit length above 2^63 fails at its first byte",
        || vec![0x82, 0xff, 0x80],
    )
    .policy(EARLY),
    violation("framing/unmasked-text", MASKING, "A text frame without mask", || {
        text("x").unmasked().bytes()
    }),
    violation("framing/unmasked-empty", MASKING, "An empty frame without mask", || {
        text("").unmasked().bytes()
    }),
    violation("framing/unmasked-ping", MASKING, "A Ping without mask", || {
        ping("x").unmasked().bytes()
    }),
    violation("framing/unmasked-close", MASKING, "A Close without mask", || {
        close(1000, "").unmasked().bytes()
    }),
    violation("framing/unmasked-continuation", MASKING, "A continuation without mask", || {
        bytes_of(&[text("a").unfinished(), continuation("b").unmasked()])
    }),
    violation("framing/unmasked-early", MASKING, "A missing mask fails at the second byte", || {
        vec![0x81, 0x05]
    })
    .policy(EARLY),
    violation("framing/control-126", CONTROL, "A Ping of 126 bytes", || ping([0; 126]).bytes()),
    violation("framing/control-65536", CONTROL, "A Ping of 65536 bytes", || {
        ping([0; 65536]).bytes()
    }),
    violation("framing/control-pong-126", CONTROL, "A Pong of 126 bytes", || {
        frame(PONG, [0; 126]).bytes()
    }),
    violation("framing/control-close-126", CONTROL, "A Close of 126 bytes", || {
        close(1000, [b'x'; 124]).bytes()
    }),
    violation(
        "framing/control-length-16",
        CONTROL,
        "A short Ping whose length takes 16 bits",
        || ping("x").form(Form::Bits16).bytes(),
    ),
    violation("framing/control-126-early", CONTROL, "A long Ping fails at the second byte", || {
        vec![0x89, 0xfe]
    })
    .policy(EARLY),
    violation("framing/control-fragment-ping", CONTROL, "A Ping in fragments", || {
        bytes_of(&[ping("a").unfinished(), continuation("b")])
    }),
    violation("framing/control-fragment-pong", CONTROL, "A Pong in fragments", || {
        frame(PONG, "a").unfinished().bytes()
    }),
    violation("framing/control-fragment-close", CONTROL, "A Close in fragments", || {
        close(1000, "").unfinished().bytes()
    }),
    violation(
        "framing/control-fragment-early",
        CONTROL,
        "A fragment of a Ping fails at its first byte",
        || vec![PING],
    )
    .policy(EARLY),
    violation(
        "framing/control-fragment-close-early",
        CONTROL,
        "A fragment of a Close fails at its first byte",
        || vec![CLOSE],
    )
    .policy(EARLY),
    violation("framing/continuation-of-nothing", FRAGMENTS, "A continuation of nothing", || {
        continuation("x").bytes()
    }),
    violation(
        "framing/continuation-of-nothing-open",
        FRAGMENTS,
        "An unfinished continuation of nothing",
        || continuation("x").unfinished().bytes(),
    ),
    violation(
        "framing/continuation-of-nothing-early",
        FRAGMENTS,
        "A continuation of nothing fails at its header",
        || continuation("").form(Form::Claim(100_000)).bytes(),
    )
    .policy(EARLY),
    violation(
        "framing/text-within-text",
        FRAGMENTS,
        "A text frame within a fragmented text",
        || bytes_of(&[text("a").unfinished(), text("b")]),
    ),
    violation(
        "framing/binary-within-text",
        FRAGMENTS,
        "A binary frame within a fragmented text",
        || bytes_of(&[text("a").unfinished(), binary("b")]),
    ),
    violation(
        "framing/text-within-text-open",
        FRAGMENTS,
        "A new fragmented text within another",
        || bytes_of(&[text("a").unfinished(), text("b").unfinished()]),
    ),
    violation(
        "framing/text-within-text-early",
        FRAGMENTS,
        "A text within a fragmented text fails at its header",
        || bytes_of(&[text("a").unfinished(), text("").form(Form::Claim(100_000))]),
    )
    .policy(EARLY),
    violation(
        "framing/violation-after-empty",
        FRAGMENTS,
        "An empty first fragment opens a message too",
        || bytes_of(&[binary("").unfinished(), frame(BINARY, "b")]),
    ),
];

const ROWS: &[Row] = &[
    closes("framing/length-msb", BITS, "A 64 bit length above 2^63", &[1002, 1009], || {
        claimed(1 << 63)
    }),
    closes("framing/length-all-ones", BITS, "A 64 bit length of 2^64 - 1", &[1002, 1009], || {
        claimed(u64::MAX)
    }),
    closes(
        "framing/length-2-to-62",
        "RFC 6455 §10.4",
        "A length of 2^62 is refused at its header",
        &[1009],
        || claimed(1 << 62),
    )
    .policy("nobody can hold that: say so before anything of it is sent"),
    closes(
        "framing/length-2-to-40",
        "RFC 6455 §10.4",
        "A length of 2^40 is refused at its header",
        &[1009],
        || claimed(1 << 40),
    )
    .policy("nobody can hold that: say so before anything of it is sent"),
    on_open(
        "framing/continuation-after-end",
        FRAGMENTS,
        "A continuation behind a finished message",
        |peer| {
            peer.send_frames(&[text("a").unfinished(), continuation("b")]);
            peer.expect_text("ab")?;
            peer.send_frames(&[continuation("c")]);
            peer.expect_close(PROTOCOL_ERROR)
        },
    ),
    on_open(
        "framing/good-then-bad",
        "RFC 6455 §7.1.7",
        "What came before a violation is answered first",
        |peer| {
            peer.send_frames(&[text("good"), frame(3, "bad")]);
            peer.expect_text("good")?;
            peer.expect_close(PROTOCOL_ERROR)
        },
    )
    .policy("the good message was received before the bad frame was"),
];

fn claimed(len: u64) -> Vec<u8> {
    binary("abc").form(Form::Claim(len)).bytes()
}
