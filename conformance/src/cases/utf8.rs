//! Text is UTF-8, checked as it arrives (RFC 6455 §5.6, §8.1; RFC 3629 §3).

use crate::case::{Case, Level, Miss, Outcome, Row, table};
use crate::peer::Peer;
use crate::target::Target;
use crate::wire::{Form, binary, continuation, fragments, frame, ping, text};

const TEXT: &str = "RFC 6455 §8.1";
const UTF8: &str = "RFC 3629 §3";
const INVALID_PAYLOAD: u16 = 1007;
const EARLY: Level = Level::Policy(
    "no later byte can mend it: failing at the first impossible byte holds nothing for an attacker",
);

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
        Case::new(format!("utf8/valid-{name}"), UTF8, title, Level::Must, move |target| {
            valid(target, sample)
        })
    });
    let invalid = INVALID.map(|(name, bytes)| {
        let title = format!("{} in a text", bytes.escape_ascii());
        Case::new(format!("utf8/invalid-{name}"), TEXT, title, Level::Must, move |target| {
            sent(target, |peer| peer.send_frames(&[text([b"good ", bytes, b" end"].concat())]))
        })
    });
    let early = INVALID.map(|(name, bytes)| {
        let title = format!("{} fails within its frame", bytes.escape_ascii());
        Case::new(format!("utf8/early-{name}"), TEXT, title, EARLY, move |target| {
            sent(target, |peer| peer.send(&begun([b"good ", bytes].concat())))
        })
    });
    let truncated = TRUNCATED.map(|(name, bytes)| {
        let title = format!("{} at the end of a text", bytes.escape_ascii());
        Case::new(format!("utf8/truncated-{name}"), TEXT, title, Level::Must, move |target| {
            sent(target, |peer| peer.send_frames(&[text([b"good ", bytes].concat())]))
        })
    });
    let invalid = invalid.into_iter().chain(early).chain(truncated);
    valid.into_iter().chain(invalid).chain(table(ROWS))
}

const ROWS: &[Row] = &[
    (
        "utf8/fragment-invalid-early",
        TEXT,
        "A bad fragment fails before the message ends",
        EARLY,
        |target| sent(target, |peer| peer.send_frames(&[text(b"bad \xff").unfinished()])),
    ),
    (
        "utf8/fragment-invalid-second",
        TEXT,
        "A bad byte in a later fragment",
        Level::Must,
        |target| {
            sent(target, |peer| {
                peer.send_frames(&[text("good").unfinished(), continuation(b"\xc0\x80")]);
            })
        },
    ),
    (
        "utf8/fragment-cut-then-wrong",
        TEXT,
        "A sequence goes wrong in the next fragment",
        Level::Must,
        |target| {
            sent(target, |peer| {
                peer.send_frames(&[text(b"\xe2\x82").unfinished(), continuation("a")]);
            })
        },
    ),
    (
        "utf8/fragment-cut-then-wrong-early",
        TEXT,
        "… and fails before the message ends",
        EARLY,
        |target| {
            sent(target, |peer| {
                peer.send_frames(&[text(b"\xe2\x82").unfinished(), continuation("a").unfinished()]);
            })
        },
    ),
    (
        "utf8/fragment-truncated",
        TEXT,
        "A sequence that the last fragment does not end",
        Level::Must,
        |target| {
            sent(target, |peer| {
                peer.send_frames(&[text(b"\xe2").unfinished(), continuation(b"\x82")]);
            })
        },
    ),
    (
        "utf8/fragment-truncated-empty-end",
        TEXT,
        "… nor an empty last fragment",
        Level::Must,
        |target| {
            sent(target, |peer| {
                peer.send_frames(&[text(b"\xe2\x82").unfinished(), continuation("")]);
            })
        },
    ),
    (
        "utf8/ping-within-sequence",
        "RFC 6455 §5.4",
        "A Ping within a cut sequence changes nothing",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            let frames = [text(b"\xe2").unfinished(), ping(b"\xff"), continuation(b"\x82\xac")];
            peer.send_frames(&frames);
            peer.expect_pong(b"\xff")?;
            peer.expect_text("€")
        },
    ),
    (
        "utf8/next-message-starts-anew",
        TEXT,
        "A cut sequence does not continue in the next message",
        Level::Must,
        |target| sent(target, |peer| peer.send_frames(&[text(b"\xe2\x82"), text(b"\xac")])),
    ),
    (
        "utf8/binary-is-free",
        "RFC 6455 §5.6",
        "A binary message may hold anything",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            let all: Vec<u8> = (0..=255).collect();
            peer.send_frames(&[binary(&all)]);
            peer.expect_binary(all)
        },
    ),
    ("utf8/large-bad-end", TEXT, "A bad byte behind 64 KiB of good text", Level::Must, |target| {
        sent(target, |peer| {
            peer.send_frames(&[text(["é".repeat(32_768).as_bytes(), b"\xff"].concat())]);
        })
    }),
    (
        "utf8/large-cut-everywhere",
        TEXT,
        "3 KiB of mixed text in fragments of one byte",
        Level::Must,
        |target| {
            let sample = "aé€😀".repeat(300);
            let mut peer = Peer::open(target)?;
            peer.send_frames(&fragments(crate::wire::TEXT, sample.as_bytes(), 1));
            peer.expect_text(sample)
        },
    ),
];

/// What `send` writes must bring Close 1007.
fn sent(target: &Target, send: impl Fn(&mut Peer)) -> Outcome {
    let mut peer = Peer::open(target)?;
    send(&mut peer);
    peer.expect_close(&[INVALID_PAYLOAD])
}

/// A text frame that claims 100 000 bytes, of which only these are sent.
fn begun(bytes: Vec<u8>) -> Vec<u8> {
    frame(crate::wire::TEXT, bytes).form(Form::Claim(100_000)).bytes()
}

fn valid(target: &Target, sample: &'static str) -> Result<(), Miss> {
    let mut peer = Peer::open(target)?;
    peer.send_frames(&[text(sample)]);
    peer.expect_text(sample)?;
    for cut in 1..sample.len() {
        let (head, tail) = sample.as_bytes().split_at(cut);
        peer.send_frames(&[text(head).unfinished(), continuation(tail)]);
        peer.expect_text(sample)?;
    }
    Ok(())
}
