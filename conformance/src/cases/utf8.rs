//! Text is UTF-8, checked as it arrives (RFC 6455 §5.6, §8.1; RFC 3629 §3).

use crate::case::{Case, Outcome, Row, closes, closing, on_open, opened, table};
use crate::peer::Peer;
use crate::wire::{Form, binary, bytes_of, continuation, fragments, ping, text};

const TEXT: &str = "RFC 6455 §8.1";
const UTF8: &str = "RFC 3629 §3";
const INVALID_PAYLOAD: &[u16] = &[1007];
const EARLY: &str =
    "no later byte can mend it: failing at the first impossible byte holds nothing for an attacker";

/// Sequences that are not UTF-8, up to and with the first byte that makes them so.
const INVALID: [(&str, &[u8]); 17] = [
    ("lone-continuation", b"\x80"),
    ("lone-continuation-bf", b"\xbf"),
    ("overlong-2-c0", b"\xc0"),
    ("overlong-2-c1", b"\xc1"),
    ("overlong-3", b"\xe0\x9f"),
    ("overlong-4", b"\xf0\x8f"),
    ("surrogate-first", b"\xed\xa0"),
    ("surrogate-last", b"\xed\xbf"),
    ("above-10ffff", b"\xf4\x90"),
    ("lead-f5", b"\xf5"),
    ("lead-f8", b"\xf8"),
    ("byte-fe", b"\xfe"),
    ("byte-ff", b"\xff"),
    ("ascii-after-lead-2", b"\xc3a"),
    ("ascii-after-lead-3", b"\xe2\x82a"),
    ("ascii-after-lead-4", b"\xf0\x9f\x98a"),
    ("lead-after-lead", b"\xe2\x82\xe2"),
];

/// Sequences that lack their end.
const TRUNCATED: [(&str, &[u8]); 6] = [
    ("2-of-1", b"\xc3"),
    ("3-of-1", b"\xe2"),
    ("3-of-2", b"\xe2\x82"),
    ("4-of-1", b"\xf0"),
    ("4-of-2", b"\xf0\x9f"),
    ("4-of-3", b"\xf0\x9f\x98"),
];

const VALID: [(&str, &str); 12] = [
    ("nul", "\0"),
    ("last-of-1", "\u{7f}"),
    ("first-of-2", "\u{80}"),
    ("last-of-2", "\u{7ff}"),
    ("first-of-3", "\u{800}"),
    ("below-surrogates", "\u{d7ff}"),
    ("above-surrogates", "\u{e000}"),
    ("noncharacters", "\u{fffe}\u{ffff}\u{fdd0}"),
    ("first-of-4", "\u{10000}"),
    ("last-of-4", "\u{10ffff}"),
    ("byte-order-mark", "\u{feff}text\u{feff}"),
    ("mixed", "aé€😀 zß水🍌"),
];

/// All UTF-8 cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    let valid = VALID.map(|(name, sample)| {
        let title = format!("{} comes back, whole and cut at every byte", sample.escape_unicode());
        opened(format!("utf8/valid-{name}"), UTF8, title, move |peer| valid(peer, sample))
    });
    let invalid = INVALID.map(|(name, bytes)| {
        let title = format!("{} in a text", bytes.escape_ascii());
        closing(format!("utf8/invalid-{name}"), TEXT, title, INVALID_PAYLOAD, move || {
            text([b"good ", bytes, b" end"].concat()).bytes()
        })
    });
    let early = INVALID.map(|(name, bytes)| {
        let title = format!("{} fails within its frame", bytes.escape_ascii());
        closing(format!("utf8/early-{name}"), TEXT, title, INVALID_PAYLOAD, move || {
            text([b"good ", bytes].concat()).form(Form::Claim(100_000)).bytes()
        })
        .policy(EARLY)
    });
    let truncated = TRUNCATED.map(|(name, bytes)| {
        let title = format!("{} at the end of a text", bytes.escape_ascii());
        closing(format!("utf8/truncated-{name}"), TEXT, title, INVALID_PAYLOAD, move || {
            text([b"good ", bytes].concat()).bytes()
        })
    });
    let invalid = invalid.into_iter().chain(early).chain(truncated);
    valid.into_iter().chain(invalid).chain(table(ROWS))
}

/// [`closes`] with 1007.
const fn invalid(
    id: &'static str,
    section: &'static str,
    title: &'static str,
    bytes: fn() -> Vec<u8>,
) -> Row {
    closes(id, section, title, INVALID_PAYLOAD, bytes)
}

const ROWS: &[Row] = &[
    invalid(
        "utf8/fragment-invalid-early",
        TEXT,
        "A bad fragment fails before the message ends",
        || bytes_of(&[text(b"bad \xff").unfinished()]),
    )
    .policy(EARLY),
    invalid("utf8/fragment-invalid-second", TEXT, "A bad byte in a later fragment", || {
        bytes_of(&[text("good").unfinished(), continuation(b"\xc0\x80")])
    }),
    invalid(
        "utf8/fragment-cut-then-wrong",
        TEXT,
        "A sequence goes wrong in the next fragment",
        || bytes_of(&[text(b"\xe2\x82").unfinished(), continuation("a")]),
    ),
    invalid(
        "utf8/fragment-cut-then-wrong-early",
        TEXT,
        "… and fails before the message ends",
        || bytes_of(&[text(b"\xe2\x82").unfinished(), continuation("a").unfinished()]),
    )
    .policy(EARLY),
    invalid(
        "utf8/fragment-truncated",
        TEXT,
        "A sequence that the last fragment does not end",
        || bytes_of(&[text(b"\xe2").unfinished(), continuation(b"\x82")]),
    ),
    invalid("utf8/fragment-truncated-empty-end", TEXT, "… nor an empty last fragment", || {
        bytes_of(&[text(b"\xe2\x82").unfinished(), continuation("")])
    }),
    on_open(
        "utf8/ping-within-sequence",
        "RFC 6455 §5.4",
        "A Ping within a cut sequence changes nothing",
        |peer| {
            let frames = [text(b"\xe2").unfinished(), ping(b"\xff"), continuation(b"\x82\xac")];
            peer.send_frames(&frames);
            peer.expect_pong(b"\xff")?;
            peer.expect_text("€")
        },
    ),
    invalid(
        "utf8/next-message-starts-anew",
        TEXT,
        "A cut sequence does not continue in the next message",
        || bytes_of(&[text(b"\xe2\x82"), text(b"\xac")]),
    ),
    on_open("utf8/binary-is-free", "RFC 6455 §5.6", "A binary message may hold anything", |peer| {
        let all: Vec<u8> = (0..=255).collect();
        peer.send_frames(&[binary(&all)]);
        peer.expect_binary(all)
    }),
    invalid("utf8/large-bad-end", TEXT, "A bad byte behind 64 KiB of good text", || {
        bytes_of(&[text(["é".repeat(32_768).as_bytes(), b"\xff"].concat())])
    }),
    on_open(
        "utf8/large-cut-everywhere",
        TEXT,
        "3 KiB of mixed text in fragments of one byte",
        |peer| {
            let sample = "aé€😀".repeat(300);
            peer.send_frames(&fragments(crate::wire::TEXT, sample.as_bytes(), 1));
            peer.expect_text(sample)
        },
    ),
];

fn valid(peer: &mut Peer, sample: &str) -> Outcome {
    peer.send_frames(&[text(sample)]);
    peer.expect_text(sample)?;
    for cut in 1..sample.len() {
        let (head, tail) = sample.as_bytes().split_at(cut);
        peer.send_frames(&[text(head).unfinished(), continuation(tail)]);
        peer.expect_text(sample)?;
    }
    Ok(())
}
