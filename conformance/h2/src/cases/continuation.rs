//! Field blocks in several frames, and padding (RFC 9113 §4.3, §6.1, §6.2, §6.10).

use sockeye_cases::failed;

use crate::peer::Peer;
use crate::row::{Case, Row, free, one, sends, table};
use crate::target::Site;
use crate::want::Want;
use crate::wire::{
    ACK, CANCEL, CONTINUATION, END_HEADERS, END_STREAM, NONE, PADDED, PING, PRIORITY,
    PROTOCOL_ERROR, SETTINGS, UNKNOWN, WHOLE, WITH_PRIORITY, data, depends, frame, goaway, headers,
    padded, ping, reset, settings, window_update,
};

const BLOCK: &str = "RFC 9113 §6.10";
const SERVED: Want = Want::Status(1, &[200]);
const PROTOCOL: Want = Want::Goaway(&[PROTOCOL_ERROR]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS).chain(between()).chain(table(PADDING))
}

/// The page's request in a HEADERS frame and CONTINUATION frames.
fn split(site: &Site, parts: usize) -> Vec<u8> {
    let block = site.get().as_ref().to_vec();
    let mut pieces = block.chunks(block.len().div_ceil(parts)).peekable();
    let mut bytes = headers(1, END_STREAM, pieces.next().unwrap_or_default());
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { END_HEADERS } else { NONE };
        bytes.extend(frame(CONTINUATION, flags, 1, piece));
    }
    bytes
}

const ROWS: &[Row] = &[
    sends(
        "continuation/one",
        BLOCK,
        "A block in HEADERS and CONTINUATION",
        |site| split(site, 2),
        SERVED,
    ),
    sends(
        "continuation/four",
        BLOCK,
        "A block in HEADERS and four CONTINUATION frames",
        |site| split(site, 5),
        SERVED,
    ),
    sends(
        "continuation/empty-headers",
        BLOCK,
        "All of the block in CONTINUATION",
        |site| {
            let rest = frame(CONTINUATION, END_HEADERS, 1, site.get());
            [headers(1, END_STREAM, []), rest].concat()
        },
        SERVED,
    ),
    sends(
        "continuation/empty-last",
        BLOCK,
        "An empty CONTINUATION ends the block",
        |site| {
            [headers(1, END_STREAM, site.get()), frame(CONTINUATION, END_HEADERS, 1, [])].concat()
        },
        SERVED,
    ),
    sends(
        "continuation/flags-ignored",
        "RFC 9113 §4.1",
        "Flags that CONTINUATION does not have",
        |site| {
            let rest =
                frame(CONTINUATION, END_HEADERS | PADDED | WITH_PRIORITY | END_STREAM, 1, []);
            [headers(1, END_STREAM, site.get()), rest].concat()
        },
        SERVED,
    ),
    sends(
        "continuation/no-end-stream",
        BLOCK,
        "END_STREAM on CONTINUATION ends no stream",
        |site| {
            let rest = frame(CONTINUATION, END_HEADERS | END_STREAM, 1, []);
            [headers(1, NONE, site.post()), rest, data(1, END_STREAM, "abcd")].concat()
        },
        Want::Status(1, &[200, 201, 202, 204]),
    ),
    sends(
        "continuation/after-end-headers",
        BLOCK,
        "CONTINUATION behind END_HEADERS",
        |site| [site.open(1), frame(CONTINUATION, END_HEADERS, 1, [])].concat(),
        PROTOCOL,
    ),
    sends(
        "continuation/after-continuation",
        BLOCK,
        "CONTINUATION behind the last one of a block",
        |site| {
            let last = frame(CONTINUATION, END_HEADERS, 1, []);
            [headers(1, NONE, site.post()), last.clone(), last].concat()
        },
        PROTOCOL,
    ),
    sends(
        "continuation/after-data",
        BLOCK,
        "CONTINUATION behind DATA",
        |site| [site.open(1), data(1, NONE, "x"), frame(CONTINUATION, END_HEADERS, 1, [])].concat(),
        PROTOCOL,
    ),
    sends(
        "continuation/other-stream",
        "RFC 9113 §4.3",
        "CONTINUATION on another stream",
        |site| {
            [headers(1, END_STREAM, site.get()), frame(CONTINUATION, END_HEADERS, 3, [])].concat()
        },
        PROTOCOL,
    ),
    sends(
        "continuation/second-headers",
        "RFC 9113 §4.3",
        "HEADERS on the same stream inside a block",
        |site| [headers(1, END_STREAM, site.get()), site.ask(1)].concat(),
        PROTOCOL,
    ),
    sends(
        "continuation/headers-elsewhere",
        "RFC 9113 §4.3",
        "HEADERS on another stream inside a block",
        |site| [headers(1, END_STREAM, site.get()), site.ask(3)].concat(),
        PROTOCOL,
    ),
    free("continuation/trailers", BLOCK, "Trailers in HEADERS and CONTINUATION", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&target.site.open(1));
        peer.send(&data(1, NONE, "abcd"));
        peer.send(&headers(1, END_STREAM, crate::hpack::Block::new().field("x-a", "b")));
        peer.send(&frame(
            CONTINUATION,
            END_HEADERS,
            1,
            crate::hpack::Block::new().field("x-c", "d"),
        ));
        peer.expect_answer(1)
    }),
    free("continuation/bytes", BLOCK, "The frames of a block in single bytes", |target| {
        let mut peer = Peer::ready(target)?;
        peer.trickle(&split(&target.site, 3));
        peer.expect_answer(1)
    }),
];

/// Frames inside a block.
fn between() -> impl Iterator<Item = Case> {
    let frames = [
        ("data", data(1, NONE, "x")),
        ("priority", frame(PRIORITY, NONE, 1, depends(0))),
        ("rst-stream", reset(1, CANCEL)),
        ("settings", settings(&[])),
        ("settings-ack", frame(SETTINGS, ACK, 0, [])),
        ("ping", ping([0; 8])),
        ("ping-ack", frame(PING, ACK, 0, [0; 8])),
        ("goaway", goaway(0, 0, b"")),
        ("window-update", window_update(0, 1)),
        ("window-update-stream", window_update(1, 1)),
        ("unknown", frame(UNKNOWN, NONE, 1, [])),
        ("unknown-connection", frame(UNKNOWN, NONE, 0, [])),
    ];
    frames.into_iter().map(|(name, inside)| {
        let title = format!("A frame inside a block: {name}");
        let bytes = move |site: &Site| [&headers(1, END_STREAM, site.get()), &inside[..]].concat();
        one(format!("continuation/inside-{name}"), "RFC 9113 §4.3", title, bytes, PROTOCOL)
    })
}

fn post(site: &Site, flags: u8, payload: &[u8]) -> Vec<u8> {
    [site.open(1), data(1, flags, payload)].concat()
}

const PADDING: &[Row] = &[
    free("padding/data", "RFC 9113 §6.1", "DATA with 0, 1 and 255 bytes of padding", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&target.site.open(1));
        for padding in [0, 1, 255] {
            peer.send(&data(1, PADDED, padded(padding, "ab")));
        }
        peer.send(&data(1, PADDED | END_STREAM, padded(9, "")));
        peer.expect_answer(1)
    }),
    sends(
        "padding/data-as-long",
        "RFC 9113 §6.1",
        "Padding as long as DATA",
        |site| post(site, PADDED, &[4, 0, 0, 0]),
        PROTOCOL,
    ),
    sends(
        "padding/data-longer",
        "RFC 9113 §6.1",
        "Padding longer than DATA",
        |site| post(site, PADDED, &[255, 1, 2, 3]),
        PROTOCOL,
    ),
    sends(
        "padding/data-only",
        "RFC 9113 §6.1",
        "DATA of nothing but padding",
        |site| post(site, PADDED | END_STREAM, &padded(10, "")),
        Want::Status(1, &[200, 201, 202, 204, 400]),
    ),
    sends(
        "padding/headers",
        "RFC 9113 §6.2",
        "HEADERS with 200 bytes of padding",
        |site| headers(1, WHOLE | PADDED, padded(200, site.get())),
        SERVED,
    ),
    sends(
        "padding/headers-priority",
        "RFC 9113 §6.2",
        "HEADERS with padding and priority",
        |site| {
            let payload = [depends(0), site.get().as_ref().to_vec()].concat();
            headers(1, WHOLE | PADDED | WITH_PRIORITY, padded(20, payload))
        },
        SERVED,
    ),
    sends(
        "padding/headers-as-long",
        "RFC 9113 §6.2",
        "Padding as long as HEADERS",
        |_| headers(1, WHOLE | PADDED, [2, 0x82]),
        PROTOCOL,
    ),
    sends(
        "padding/headers-longer",
        "RFC 9113 §6.2",
        "Padding longer than HEADERS",
        |_| headers(1, WHOLE | PADDED, [200, 0x82, 0x86]),
        PROTOCOL,
    ),
    sends(
        "padding/headers-over-priority",
        "RFC 9113 §6.2",
        "Padding that reaches into the priority",
        |_| headers(1, WHOLE | PADDED | WITH_PRIORITY, [5, 0, 0, 0, 0, 0, 0x82]),
        PROTOCOL,
    ),
    sends(
        "padding/not-zero",
        "RFC 9113 §6.1",
        "Padding that is not zero",
        |site| post(site, PADDED | END_STREAM, &[4, b'a', b'b', b'c', b'd', 9, 9, 9, 9]),
        Want::Any(&[Want::Status(1, &[200, 201, 202, 204]), Want::Reset(1, &[PROTOCOL_ERROR])]),
    ),
    free(
        "padding/counts",
        "RFC 9113 §6.9.1",
        "Padding counts in the windows and comes back",
        |target| {
            let mut peer = Peer::ready(target)?;
            peer.send(&target.site.open(1));
            let mut left = 65_535_i64;
            for _ in 0..400 {
                left -= 257;
                if left < 0 && !peer.until(|peer| left + peer.granted.get(&1).unwrap_or(&0) >= 0) {
                    return failed("WINDOW_UPDATE for padding", peer.story());
                }
                peer.send(&data(1, PADDED, padded(255, "x")));
            }
            peer.send(&data(1, END_STREAM, ""));
            peer.expect_answer(1)
        },
    ),
];
