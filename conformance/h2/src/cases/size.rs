//! The sizes of frames (RFC 9113 §4.2, §6).

use crate::peer::Peer;
use crate::row::{Case, Row, free, one, sends, table};
use crate::want::Want;
use crate::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_SIZE_ERROR, GOAWAY, HEADERS, NONE,
    PADDED, PAYLOAD_MAX, PING, PRIORITY, PROTOCOL_ERROR, RST_STREAM, SETTINGS, UNKNOWN, WHOLE,
    WINDOW_UPDATE, WITH_PRIORITY, data, frame, head, headers,
};

const SIZE: &str = "RFC 9113 §4.2";
const TOO_LONG: Want = Want::Goaway(&[FRAME_SIZE_ERROR]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS).chain(lengths()).chain(oversized())
}

const ROWS: &[Row] = &[
    free("size/data-16384", SIZE, "DATA of 16,384 bytes is taken", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&target.site.open(1));
        peer.send(&data(1, END_STREAM, vec![b'x'; PAYLOAD_MAX]));
        peer.expect_answer(1)
    }),
    free("size/headers-large", SIZE, "A block of 8,000 bytes in one frame is taken", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&headers(1, WHOLE, target.site.get().field("x-long", vec![b'x'; 7_900])));
        peer.expect_answer(1)
    }),
    sends(
        "size/data-16385",
        SIZE,
        "DATA of 16,385 bytes",
        |site| [site.open(1), data(1, NONE, vec![b'x'; PAYLOAD_MAX + 1])].concat(),
        Want::Reset(1, &[FRAME_SIZE_ERROR]),
    ),
    sends(
        "size/headers-16385",
        SIZE,
        "HEADERS of 16,385 bytes",
        |site| {
            headers(
                1,
                WHOLE,
                site.get().raw(vec![0x40; PAYLOAD_MAX + 1 - site.get().as_ref().len()]),
            )
        },
        TOO_LONG,
    ),
    sends(
        "size/continuation-16385",
        SIZE,
        "CONTINUATION of 16,385 bytes",
        |site| {
            let rest = frame(CONTINUATION, END_HEADERS, 1, vec![0x40; PAYLOAD_MAX + 1]);
            [headers(1, END_STREAM, site.get()), rest].concat()
        },
        TOO_LONG,
    ),
    sends(
        "size/settings-16386",
        SIZE,
        "SETTINGS of 16,386 bytes, which are whole settings",
        |_| frame(SETTINGS, NONE, 0, vec![0xee; PAYLOAD_MAX + 2]),
        TOO_LONG,
    ),
    sends(
        "size/claimed",
        SIZE,
        "A head that claims 16 MiB, and nothing behind it",
        |_| head(0x00ff_ffff, DATA, NONE, 1),
        Want::Goaway(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
    )
    .cut()
    .policy("the head shows it: to wait for the payload only costs"),
    sends(
        "size/data-padded-empty",
        "RFC 9113 §6.1",
        "DATA with PADDED and without a byte",
        |site| [site.open(1), frame(DATA, PADDED, 1, "")].concat(),
        Want::Reset(1, &[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
    ),
    sends(
        "size/headers-padded-empty",
        "RFC 9113 §6.2",
        "HEADERS with PADDED and without a byte",
        |_| frame(HEADERS, WHOLE | PADDED, 1, ""),
        Want::Goaway(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
    ),
    sends(
        "size/headers-priority-4",
        "RFC 9113 §6.2",
        "HEADERS with a priority of 4 bytes",
        |_| frame(HEADERS, WHOLE | WITH_PRIORITY, 1, [0; 4]),
        Want::Goaway(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
    ),
    sends(
        "size/headers-priority-padded-5",
        "RFC 9113 §6.2",
        "HEADERS with padding and priority in 5 bytes",
        |_| frame(HEADERS, WHOLE | WITH_PRIORITY | PADDED, 1, [0; 5]),
        Want::Goaway(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]),
    ),
];

/// Frames whose length is fixed, with others.
fn lengths() -> impl Iterator<Item = Case> {
    type Length = (&'static str, u8, u8, u32, usize, &'static str);
    const LENGTHS: [Length; 17] = [
        ("ping", PING, NONE, 0, 0, "RFC 9113 §6.7"),
        ("ping", PING, NONE, 0, 7, "RFC 9113 §6.7"),
        ("ping", PING, NONE, 0, 9, "RFC 9113 §6.7"),
        ("ping-ack", PING, ACK, 0, 4, "RFC 9113 §6.7"),
        ("settings", SETTINGS, NONE, 0, 1, "RFC 9113 §6.5"),
        ("settings", SETTINGS, NONE, 0, 5, "RFC 9113 §6.5"),
        ("settings", SETTINGS, NONE, 0, 7, "RFC 9113 §6.5"),
        ("settings-ack", SETTINGS, ACK, 0, 6, "RFC 9113 §6.5"),
        ("settings-ack", SETTINGS, ACK, 0, 1, "RFC 9113 §6.5"),
        ("window-update", WINDOW_UPDATE, NONE, 0, 0, "RFC 9113 §6.9"),
        ("window-update", WINDOW_UPDATE, NONE, 0, 3, "RFC 9113 §6.9"),
        ("window-update", WINDOW_UPDATE, NONE, 0, 5, "RFC 9113 §6.9"),
        ("goaway", GOAWAY, NONE, 0, 0, "RFC 9113 §4.2"),
        ("goaway", GOAWAY, NONE, 0, 7, "RFC 9113 §4.2"),
        ("rst-stream", RST_STREAM, NONE, 1, 0, "RFC 9113 §6.4"),
        ("rst-stream", RST_STREAM, NONE, 1, 3, "RFC 9113 §6.4"),
        ("rst-stream", RST_STREAM, NONE, 1, 5, "RFC 9113 §6.4"),
    ];
    let connection = LENGTHS.into_iter().map(|(name, kind, flags, stream, len, section)| {
        let title = format!("A frame of type {kind} with {len} bytes");
        one(
            format!("size/{name}-{len}"),
            section,
            title,
            move |site| {
                let before = if stream == 0 { Vec::new() } else { site.open(stream) };
                [before, frame(kind, flags, stream, vec![0; len])].concat()
            },
            TOO_LONG,
        )
    });
    let priority = [0, 4, 6].into_iter().map(|len| {
        let title = format!("PRIORITY of {len} bytes on an open stream");
        let bytes = move |site: &crate::target::Site| {
            [site.open(1), frame(PRIORITY, NONE, 1, vec![0; len])].concat()
        };
        let want = Want::Reset(1, &[FRAME_SIZE_ERROR]);
        one(format!("size/priority-{len}"), "RFC 9113 §6.3", title, bytes, want)
    });
    connection.chain(priority)
}

/// Frames over the limit whose types do not matter.
fn oversized() -> impl Iterator<Item = Case> {
    [("ping", PING), ("goaway", GOAWAY), ("unknown", UNKNOWN)].into_iter().map(|(name, kind)| {
        let title = format!("A frame of type {kind} with 16,385 bytes");
        let bytes = move |_: &crate::target::Site| frame(kind, NONE, 0, vec![0; PAYLOAD_MAX + 1]);
        one(format!("size/{name}-16385"), SIZE, title, bytes, TOO_LONG)
    })
}
