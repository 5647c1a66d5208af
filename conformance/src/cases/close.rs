//! Close frames, the closing handshake and the end of the TCP connection (RFC 6455 §5.5.1, §7).

use core::time::Duration;

use super::delivery::noise;
use crate::case::{Case, Outcome, Row, closes, closing, failed, on_open, opened, table};
use crate::peer::{Peer, Seen};
use crate::wire::{CLOSE, Out, binary, bytes_of, close, continuation, frame, ping, text};

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
        opened(format!("close/code-{code}"), CODES, title, move |peer| {
            peer.send_frames(&[close(code, "why")]);
            peer.expect_close(&[code])
        })
    });
    let bad = |code| {
        let title = format!("{code} must not be sent");
        closing(format!("close/code-{code}"), CODES, title, &[1002], move || {
            close(code, "").bytes()
        })
    };
    let outside = "the RFC gives these numbers no meaning at all";
    let outside = OUTSIDE.map(|code| bad(code).policy(outside));
    good.into_iter().chain(BAD.map(bad)).chain(outside).chain(table(ROWS))
}

const ROWS: &[Row] = &[
    on_open("close/empty", FRAME, "An empty Close is answered", |peer| {
        peer.send_frames(&[frame(CLOSE, "")]);
        match peer.expect_any_close()? {
            None | Some(1000) => Ok(()),
            Some(code) => failed("an empty Close or 1000", format!("Close {code}")),
        }
    }),
    on_open("close/empty-by-empty", FRAME, "An empty Close is answered by an empty one", |peer| {
        peer.send_frames(&[frame(CLOSE, "")]);
        match peer.expect_any_close()? {
            None => Ok(()),
            Some(code) => failed("an empty Close", format!("Close {code}")),
        }
    })
    .policy("no code was received, so none is there to be echoed"),
    closes("close/one-byte", FRAME, "A Close of one byte", &[1002], || frame(CLOSE, "x").bytes()),
    closes("close/reason-123", FRAME, "A reason of 123 bytes", &[1000], || {
        close(1000, "r".repeat(123)).bytes()
    }),
    closes("close/reason-not-ascii", FRAME, "A reason in UTF-8", &[1000], || {
        close(1000, "auf Wiedersehen, schön wars €😀").bytes()
    }),
    closes(
        "close/reason-invalid",
        "RFC 6455 §8.1",
        "A reason that is not UTF-8 fails",
        &[1007, 1002],
        || close(1000, b"bad \xff").bytes(),
    ),
    closes("close/reason-invalid-1007", "RFC 6455 §7.4.1", "… with 1007", &[1007], || {
        close(1000, b"bad \xff").bytes()
    })
    .policy("1007 is the code for text that is not UTF-8, and a reason is text"),
    closes(
        "close/reason-truncated",
        "RFC 6455 §8.1",
        "A reason that ends within a character",
        &[1007, 1002],
        || close(1000, b"bad \xe2\x82").bytes(),
    ),
    on_open("close/byte-by-byte", FRAME, "A Close that arrives byte by byte", |peer| {
        peer.trickle(&close(1001, "gone").bytes());
        peer.expect_close(&[1001])
    }),
    on_open("close/within-message", FRAME, "A Close within a fragmented message", |peer| {
        peer.send_frames(&[text("half").unfinished(), close(1000, "")]);
        peer.expect_close(&[1000])?;
        peer.expect_fin()
    }),
    on_open(
        "close/after-messages",
        FRAME,
        "What came before the Close is answered before it",
        |peer| {
            peer.send_frames(&[text("one"), text("two"), close(1000, "")]);
            peer.expect_text("one")?;
            peer.expect_text("two")?;
            peer.expect_close(&[1000])
        },
    )
    .policy("a reply to the Close that overtakes echoes loses them"),
    on_open(
        "close/server-ends-first",
        TCP,
        "The server ends the TCP connection first, with FIN",
        |peer| {
            peer.send_frames(&[close(1000, "")]);
            peer.expect_close(&[1000])?;
            peer.expect_fin()
        },
    ),
    on_open("close/server-ends-promptly", TCP, "… and within two seconds", |peer| {
        peer.send_frames(&[close(1000, "")]);
        peer.expect_close(&[1000])?;
        peer.timeout = PROMPT;
        peer.expect_fin()
    })
    .policy("there is nothing to wait for, and the client holds a connection meanwhile"),
    on_open("close/data-behind", FRAME, "Frames behind a Close are not answered", |peer| {
        behind(peer, &[text("too late"), ping("too late")])
    }),
    on_open("close/second-close", FRAME, "A second Close is ignored", |peer| {
        behind(peer, &[close(1000, "again")])
    }),
    on_open("close/garbage-behind", FRAME, "Even nonsense behind a Close is ignored", |peer| {
        behind(peer, &[frame(3, "x").rsv(7), close(1005, "")])
    }),
    on_open(
        "close/megabyte-behind",
        TCP,
        "A megabyte behind a Close does not destroy the answer",
        |peer| {
            peer.send(&close(1000, "").bytes());
            peer.send_aside(binary(noise(1 << 20)).bytes());
            peer.expect_close(&[1000])?;
            peer.expect_fin()
        },
    )
    .policy("closing a socket with unread input sends RST, and RST deletes the Close in flight"),
    on_open(
        "close/half-closed",
        "RFC 9293 §3.6",
        "The answer arrives although the client sent FIN",
        |peer| {
            peer.send(&close(1000, "").bytes());
            peer.finish();
            peer.expect_close(&[1000])?;
            peer.expect_fin()
        },
    )
    .policy("many clients shut down their side right behind the Close"),
    on_open(
        "close/fin-without-close",
        "RFC 6455 §7.1.5",
        "FIN without a Close ends the connection",
        |peer| fin_after(peer, b""),
    ),
    on_open(
        "close/fin-within-frame",
        "RFC 6455 §7.1.5",
        "FIN within a frame ends the connection",
        |peer| fin_after(peer, &text("cut off").bytes()[..8]),
    ),
    on_open(
        "close/fin-within-message",
        "RFC 6455 §7.1.5",
        "FIN within a message ends the connection",
        |peer| fin_after(peer, &text("half").unfinished().bytes()),
    ),
    on_open("fail/ends", FAIL, "A failed connection ends once the Close is answered", |peer| {
        peer.send(&frame(3, "").bytes());
        peer.expect_close(&[1002])?;
        peer.send(&close(1002, "").bytes());
        expect_end(peer)
    }),
    on_open(
        "fail/does-not-wait",
        FAIL,
        "A failed connection ends without the client's Close",
        |peer| {
            peer.send(&frame(3, "").bytes());
            peer.expect_close(&[1002])?;
            peer.timeout = PROMPT;
            peer.expect_fin()
        },
    )
    .policy("a responding Close is not to be processed any more, so it is not worth waiting for"),
    on_open("fail/nothing-behind", FAIL, "Nothing is answered after a failure", |peer| {
        peer.send_frames(&[frame(3, ""), text("late"), ping("late"), close(1000, "")]);
        peer.expect_close(&[1002])?;
        match peer.next() {
            Seen::Fin | Seen::Reset | Seen::Silence(_) => Ok(()),
            seen @ (Seen::Frame(_) | Seen::Broken(_)) => failed("nothing more", seen),
        }
    }),
    on_open(
        "fail/megabyte-behind",
        FAIL,
        "A megabyte behind a violation does not destroy the Close",
        |peer| {
            peer.send(&frame(3, "").bytes());
            peer.send_aside(binary(noise(1 << 20)).bytes());
            std::thread::sleep(Duration::from_millis(200));
            peer.expect_close(&[1002])
        },
    )
    .policy("the code is why the client learns what it did; RST would delete it in flight"),
    on_open(
        "fail/within-megabyte",
        FAIL,
        "A violation within a stream of messages brings its Close",
        |peer| {
            let mut bytes = continuation("of nothing").bytes();
            (0..1024).for_each(|_| bytes.extend(binary([0; 1000]).bytes()));
            peer.send_aside(bytes);
            std::thread::sleep(Duration::from_millis(200));
            peer.expect_close(&[1002])
        },
    )
    .policy("the code is why the client learns what it did; RST would delete it in flight"),
];

/// A Close and frames behind it in the same segment: the Close is answered, and then comes the end.
fn behind(peer: &mut Peer, frames: &[Out]) -> Outcome {
    let bytes = [close(1000, "").bytes(), bytes_of(frames)].concat();
    peer.send(&bytes);
    peer.expect_close(&[1000])?;
    expect_end(peer)
}

/// Nothing more may come. What we sent behind the server's last word may well bring RST.
fn expect_end(peer: &mut Peer) -> Outcome {
    match peer.next() {
        Seen::Fin | Seen::Reset => Ok(()),
        seen @ (Seen::Frame(_) | Seen::Broken(_) | Seen::Silence(_)) => {
            failed("the end of the connection", seen)
        }
    }
}

/// The server may still say something, but must end its side.
fn fin_after(peer: &mut Peer, bytes: &[u8]) -> Outcome {
    peer.send(bytes);
    peer.finish();
    loop {
        match peer.next() {
            Seen::Frame(frame) if frame.opcode == CLOSE => {}
            Seen::Fin | Seen::Reset => return Ok(()),
            seen @ (Seen::Frame(_) | Seen::Broken(_) | Seen::Silence(_)) => {
                return failed("the end of the connection", seen);
            }
        }
    }
}
