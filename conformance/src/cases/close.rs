//! Close frames, the closing handshake and the end of the TCP connection (RFC 6455 §5.5.1, §7).

use core::time::Duration;

use super::delivery::noise;
use crate::case::{Case, Level, Outcome, Row, failed, table};
use crate::peer::{Peer, Seen};
use crate::target::Target;
use crate::wire::{CLOSE, binary, close, continuation, frame, ping, text};

const FRAME: &str = "RFC 6455 §5.5.1";
const CODES: &str = "RFC 6455 §7.4";
const TCP: &str = "RFC 6455 §7.1.1";
const FAIL: &str = "RFC 6455 §7.1.7";
/// Codes that a client may send.
const GOOD: [u16; 16] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];
/// Codes that no frame may carry.
const BAD: [u16; 10] = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999];
const OUTSIDE: [u16; 3] = [5000, 10_000, 65_535];
/// How soon a server ends the TCP connection that it has nothing more to say on.
const PROMPT: Duration = Duration::from_secs(2);

/// All closing cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    let good = GOOD.map(|code| {
        let title = format!("{code} may be sent, and is answered in kind");
        Case::new(format!("close/code-{code}"), CODES, title, Level::Must, move |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[close(code, "why")]);
            peer.expect_close(&[code])
        })
    });
    let bad = |code, level| {
        let title = format!("{code} must not be sent");
        Case::new(format!("close/code-{code}"), CODES, title, level, move |target| {
            answered(target, &close(code, "").bytes(), &[1002])
        })
    };
    let outside = Level::Policy("the RFC gives these numbers no meaning at all");
    let bad = BAD
        .map(|code| bad(code, Level::Must))
        .into_iter()
        .chain(OUTSIDE.map(|code| bad(code, outside)));
    good.into_iter().chain(bad).chain(table(ROWS))
}

const ROWS: &[Row] = &[
    ("close/empty", FRAME, "An empty Close is answered", Level::Must, |target| {
        let mut peer = Peer::open(target)?;
        peer.send_frames(&[frame(CLOSE, "")]);
        match peer.expect_any_close()? {
            None | Some(1000) => Ok(()),
            Some(code) => failed("an empty Close or 1000", format!("Close {code}")),
        }
    }),
    (
        "close/empty-by-empty",
        FRAME,
        "An empty Close is answered by an empty one",
        Level::Policy("no code was received, so none is there to be echoed"),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[frame(CLOSE, "")]);
            match peer.expect_any_close()? {
                None => Ok(()),
                Some(code) => failed("an empty Close", format!("Close {code}")),
            }
        },
    ),
    ("close/one-byte", FRAME, "A Close of one byte", Level::Must, |target| {
        answered(target, &frame(CLOSE, "x").bytes(), &[1002])
    }),
    ("close/reason-123", FRAME, "A reason of 123 bytes", Level::Must, |target| {
        answered(target, &close(1000, "r".repeat(123)).bytes(), &[1000])
    }),
    ("close/reason-not-ascii", FRAME, "A reason in UTF-8", Level::Must, |target| {
        answered(target, &close(1000, "auf Wiedersehen, schön wars €😀").bytes(), &[1000])
    }),
    (
        "close/reason-invalid",
        "RFC 6455 §8.1",
        "A reason that is not UTF-8 fails",
        Level::Must,
        |target| answered(target, &close(1000, b"bad \xff").bytes(), &[1007, 1002]),
    ),
    (
        "close/reason-invalid-1007",
        "RFC 6455 §7.4.1",
        "… with 1007",
        Level::Policy("1007 is the code for text that is not UTF-8, and a reason is text"),
        |target| answered(target, &close(1000, b"bad \xff").bytes(), &[1007]),
    ),
    (
        "close/reason-truncated",
        "RFC 6455 §8.1",
        "A reason that ends within a character",
        Level::Must,
        |target| answered(target, &close(1000, b"bad \xe2\x82").bytes(), &[1007, 1002]),
    ),
    ("close/byte-by-byte", FRAME, "A Close that arrives byte by byte", Level::Must, |target| {
        let mut peer = Peer::open(target)?;
        peer.trickle(&close(1001, "gone").bytes());
        peer.expect_close(&[1001])
    }),
    ("close/within-message", FRAME, "A Close within a fragmented message", Level::Must, |target| {
        let mut peer = Peer::open(target)?;
        peer.send_frames(&[text("half").unfinished(), close(1000, "")]);
        peer.expect_close(&[1000])?;
        peer.expect_fin()
    }),
    (
        "close/after-messages",
        FRAME,
        "What came before the Close is answered before it",
        Level::Policy("a reply to the Close that overtakes echoes loses them"),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[text("one"), text("two"), close(1000, "")]);
            peer.expect_text("one")?;
            peer.expect_text("two")?;
            peer.expect_close(&[1000])
        },
    ),
    (
        "close/server-ends-first",
        TCP,
        "The server ends the TCP connection first, with FIN",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[close(1000, "")]);
            peer.expect_close(&[1000])?;
            peer.expect_fin()
        },
    ),
    (
        "close/server-ends-promptly",
        TCP,
        "… and within two seconds",
        Level::Policy("there is nothing to wait for, and the client holds a connection meanwhile"),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send_frames(&[close(1000, "")]);
            peer.expect_close(&[1000])?;
            peer.timeout = PROMPT;
            peer.expect_fin()
        },
    ),
    ("close/data-behind", FRAME, "Frames behind a Close are not answered", Level::Must, |target| {
        behind(target, &[text("too late"), ping("too late")])
    }),
    ("close/second-close", FRAME, "A second Close is ignored", Level::Must, |target| {
        behind(target, &[close(1000, "again")])
    }),
    (
        "close/garbage-behind",
        FRAME,
        "Even nonsense behind a Close is ignored",
        Level::Must,
        |target| behind(target, &[frame(3, "x").rsv(7), close(1005, "")]),
    ),
    (
        "close/megabyte-behind",
        TCP,
        "A megabyte behind a Close does not destroy the answer",
        Level::Policy(
            "closing a socket with unread input sends RST, and RST deletes the Close in flight",
        ),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send(&close(1000, "").bytes());
            peer.send_aside(binary(noise(1 << 20)).bytes());
            peer.expect_close(&[1000])?;
            peer.expect_fin()
        },
    ),
    (
        "close/half-closed",
        "RFC 9293 §3.6",
        "The answer arrives although the client sent FIN",
        Level::Policy("many clients shut down their side right behind the Close"),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send(&close(1000, "").bytes());
            peer.finish();
            peer.expect_close(&[1000])?;
            peer.expect_fin()
        },
    ),
    (
        "close/fin-without-close",
        "RFC 6455 §7.1.5",
        "FIN without a Close ends the connection",
        Level::Must,
        |target| fin_after(target, b""),
    ),
    (
        "close/fin-within-frame",
        "RFC 6455 §7.1.5",
        "FIN within a frame ends the connection",
        Level::Must,
        |target| fin_after(target, &text("cut off").bytes()[..8]),
    ),
    (
        "close/fin-within-message",
        "RFC 6455 §7.1.5",
        "FIN within a message ends the connection",
        Level::Must,
        |target| fin_after(target, &text("half").unfinished().bytes()),
    ),
    (
        "fail/ends",
        FAIL,
        "A failed connection ends once the Close is answered",
        Level::Must,
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send(&frame(3, "").bytes());
            peer.expect_close(&[1002])?;
            peer.send(&close(1002, "").bytes());
            expect_end(&mut peer)
        },
    ),
    (
        "fail/does-not-wait",
        FAIL,
        "A failed connection ends without the client's Close",
        Level::Policy(
            "a responding Close is not to be processed any more, so it is not worth waiting for",
        ),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send(&frame(3, "").bytes());
            peer.expect_close(&[1002])?;
            peer.timeout = PROMPT;
            peer.expect_fin()
        },
    ),
    ("fail/nothing-behind", FAIL, "Nothing is answered after a failure", Level::Must, |target| {
        let mut peer = Peer::open(target)?;
        peer.send_frames(&[frame(3, ""), text("late"), ping("late"), close(1000, "")]);
        peer.expect_close(&[1002])?;
        match peer.next() {
            Seen::Fin | Seen::Reset | Seen::Silence(_) => Ok(()),
            seen @ (Seen::Frame(_) | Seen::Broken(_)) => failed("nothing more", seen.to_string()),
        }
    }),
    (
        "fail/megabyte-behind",
        FAIL,
        "A megabyte behind a violation does not destroy the Close",
        Level::Policy(
            "the code is why the client learns what it did; RST would delete it in flight",
        ),
        |target| {
            let mut peer = Peer::open(target)?;
            peer.send(&frame(3, "").bytes());
            peer.send_aside(binary(noise(1 << 20)).bytes());
            std::thread::sleep(Duration::from_millis(200));
            peer.expect_close(&[1002])
        },
    ),
    (
        "fail/within-megabyte",
        FAIL,
        "A violation within a stream of messages brings its Close",
        Level::Policy(
            "the code is why the client learns what it did; RST would delete it in flight",
        ),
        |target| {
            let mut peer = Peer::open(target)?;
            let mut bytes = continuation("of nothing").bytes();
            (0..1024).for_each(|_| bytes.extend(binary([0; 1000]).bytes()));
            peer.send_aside(bytes);
            std::thread::sleep(Duration::from_millis(200));
            peer.expect_close(&[1002])
        },
    ),
];

fn answered(target: &Target, bytes: &[u8], codes: &[u16]) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.send(bytes);
    peer.expect_close(codes)
}

/// A Close and frames behind it in the same segment: the Close is answered, and then comes the end.
fn behind(target: &Target, frames: &[crate::wire::Out]) -> Outcome {
    let mut peer = Peer::open(target)?;
    let bytes = [close(1000, "").bytes(), crate::wire::bytes_of(frames)].concat();
    peer.send(&bytes);
    peer.expect_close(&[1000])?;
    expect_end(&mut peer)
}

/// Nothing more may come. What we sent behind the server's last word may well bring RST.
fn expect_end(peer: &mut Peer) -> Outcome {
    match peer.next() {
        Seen::Fin | Seen::Reset => Ok(()),
        seen @ (Seen::Frame(_) | Seen::Broken(_) | Seen::Silence(_)) => {
            failed("the end of the connection", seen.to_string())
        }
    }
}

/// The server may still say something, but must end its side.
fn fin_after(target: &Target, bytes: &[u8]) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.send(bytes);
    peer.finish();
    loop {
        match peer.next() {
            Seen::Frame(frame) if frame.opcode == CLOSE => {}
            Seen::Fin | Seen::Reset => return Ok(()),
            seen @ (Seen::Frame(_) | Seen::Broken(_) | Seen::Silence(_)) => {
                return failed("the end of the connection", seen.to_string());
            }
        }
    }
}
