//! Stream identifiers: which frame may stand on which stream (RFC 9113 §5.1.1, §6).

use crate::row::{Case, Row, one, sends, table};
use crate::want::Want;
use crate::wire::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, NONE, PING, PRIORITY,
    PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, UNKNOWN, WHOLE,
    WINDOW_UPDATE, data, depends, frame, headers, reset, window_update,
};

const IDS: &str = "RFC 9113 §5.1.1";
const IDLE: &str = "RFC 9113 §5.1";
const RESERVED: &str = "RFC 9113 §4.1";
const PROTOCOL: Want = Want::Goaway(&[PROTOCOL_ERROR]);
const TOP: u32 = 0x8000_0000;

pub(super) fn cases() -> impl Iterator<Item = Case> {
    wrong().chain(table(ROWS)).chain(unknown())
}

/// Frames of streams on the connection, and the other way round.
fn wrong() -> impl Iterator<Item = Case> {
    type Wrong = (&'static str, u8, u8, u32, &'static [u8], &'static str);
    const WRONG: [Wrong; 13] = [
        ("data-on-0", DATA, NONE, 0, b"x", "RFC 9113 §6.1"),
        ("headers-on-0", HEADERS, WHOLE, 0, &[0x82], "RFC 9113 §6.2"),
        ("priority-on-0", PRIORITY, NONE, 0, &[0, 0, 0, 1, 0], "RFC 9113 §6.3"),
        ("rst-stream-on-0", RST_STREAM, NONE, 0, &[0, 0, 0, 8], "RFC 9113 §6.4"),
        ("continuation-on-0", CONTINUATION, END_HEADERS, 0, &[0x82], "RFC 9113 §6.10"),
        ("push-promise-on-0", PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2, 0x82], "RFC 9113 §6.6"),
        ("push-promise-on-1", PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82], "RFC 9113 §8.4"),
        ("push-promise-on-2", PUSH_PROMISE, END_HEADERS, 2, &[0, 0, 0, 4, 0x82], "RFC 9113 §8.4"),
        ("settings-on-1", SETTINGS, NONE, 1, &[], "RFC 9113 §6.5"),
        ("settings-ack-on-1", SETTINGS, ACK, 1, &[], "RFC 9113 §6.5"),
        ("ping-on-1", PING, NONE, 1, &[0; 8], "RFC 9113 §6.7"),
        ("ping-ack-on-1", PING, ACK, 1, &[0; 8], "RFC 9113 §6.7"),
        ("goaway-on-1", GOAWAY, NONE, 1, &[0; 8], "RFC 9113 §6.8"),
    ];
    WRONG.into_iter().map(|(name, kind, flags, stream, payload, section)| {
        let title = format!("A frame of type {kind} on stream {stream}");
        one(
            format!("stream/{name}"),
            section,
            title,
            move |_| frame(kind, flags, stream, payload),
            PROTOCOL,
        )
    })
}

const ROWS: &[Row] = &[
    sends(
        "stream/push-promise-open",
        "RFC 9113 §8.4",
        "PUSH_PROMISE on an open stream",
        |site| {
            let promise = frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2, 0x82]);
            [site.open(1), promise].concat()
        },
        PROTOCOL,
    ),
    sends("stream/headers-even", IDS, "A request on stream 2", |site| site.ask(2), PROTOCOL),
    sends("stream/data-idle", IDLE, "DATA on an idle stream", |_| data(1, NONE, "x"), PROTOCOL),
    sends("stream/data-even", IDLE, "DATA on stream 2", |_| data(2, NONE, "x"), PROTOCOL),
    sends(
        "stream/rst-stream-idle",
        "RFC 9113 §6.4",
        "RST_STREAM on an idle stream",
        |_| reset(1, CANCEL),
        PROTOCOL,
    ),
    sends(
        "stream/rst-stream-even",
        "RFC 9113 §6.4",
        "RST_STREAM on stream 2",
        |_| reset(2, CANCEL),
        PROTOCOL,
    ),
    sends(
        "stream/window-update-idle",
        IDLE,
        "WINDOW_UPDATE on an idle stream",
        |_| window_update(1, 1),
        PROTOCOL,
    ),
    sends(
        "stream/window-update-even",
        IDLE,
        "WINDOW_UPDATE on stream 2",
        |_| window_update(2, 1),
        PROTOCOL,
    ),
    sends(
        "stream/continuation-idle",
        "RFC 9113 §6.10",
        "CONTINUATION on an idle stream",
        |_| frame(CONTINUATION, END_HEADERS, 1, [0x82]),
        PROTOCOL,
    ),
    sends(
        "stream/priority-idle",
        "RFC 9113 §5.3.2",
        "PRIORITY on an idle stream has no effect",
        |_| frame(PRIORITY, NONE, 1, depends(0)),
        Want::Fine,
    ),
    sends(
        "stream/priority-idle-even",
        "RFC 9113 §5.3.2",
        "PRIORITY on stream 2 has no effect",
        |_| frame(PRIORITY, NONE, 2, depends(0)),
        Want::Fine,
    ),
    sends(
        "stream/order",
        IDS,
        "A request on 3 behind one on 5",
        |site| [site.ask(5), site.ask(3)].concat(),
        Want::Goaway(&[PROTOCOL_ERROR, STREAM_CLOSED]),
    ),
    sends(
        "stream/order-of-open",
        IDS,
        "A request on 3 while one on 5 waits for its content",
        |site| [site.open(5), site.ask(3)].concat(),
        Want::Goaway(&[PROTOCOL_ERROR, STREAM_CLOSED]),
    ),
    sends(
        "stream/skipped-data",
        IDLE,
        "DATA on 3 behind a request on 5",
        |site| [site.open(5), data(3, NONE, "x")].concat(),
        Want::Any(&[
            Want::Goaway(&[PROTOCOL_ERROR, STREAM_CLOSED]),
            Want::Reset(3, &[STREAM_CLOSED, PROTOCOL_ERROR]),
        ]),
    ),
    sends(
        "stream/highest",
        IDS,
        "A request on 2^31 - 1",
        |site| site.ask(0x7fff_ffff),
        Want::Status(0x7fff_ffff, &[200]),
    ),
    sends(
        "stream/gaps",
        IDS,
        "A request on 101, the first of the connection",
        |site| site.ask(101),
        Want::Status(101, &[200]),
    ),
    sends(
        "stream/reserved-bit-headers",
        RESERVED,
        "The reserved bit of a request's stream is ignored",
        |site| headers(TOP | 1, WHOLE, site.get()),
        Want::Status(1, &[200]),
    ),
    sends(
        "stream/reserved-bit-ping",
        RESERVED,
        "The reserved bit of PING's stream is ignored",
        |_| frame(PING, NONE, TOP, *b"reserved"),
        Want::Fine,
    ),
    sends(
        "stream/reserved-bit-increment",
        "RFC 9113 §6.9",
        "The reserved bit of an increment is ignored",
        |_| window_update(0, TOP | 1),
        Want::Fine,
    ),
    sends(
        "stream/flags-ping",
        RESERVED,
        "Flags that PING does not have are ignored",
        |_| frame(PING, 0xfe, 0, *b"flags   "),
        Want::Fine,
    ),
    sends(
        "stream/flags-headers",
        RESERVED,
        "Flags that HEADERS does not have are ignored",
        |site| headers(1, WHOLE | 0xd2, site.get()),
        Want::Status(1, &[200]),
    ),
    sends(
        "stream/flags-settings",
        RESERVED,
        "Flags that SETTINGS does not have are ignored",
        |_| frame(SETTINGS, 0xfe, 0, []),
        Want::Fine,
    ),
    sends(
        "stream/flags-window-update",
        RESERVED,
        "Flags that WINDOW_UPDATE does not have are ignored",
        |_| frame(WINDOW_UPDATE, 0xff, 0, [0, 0, 0, 1]),
        Want::Fine,
    ),
    sends(
        "stream/flags-rst-stream",
        RESERVED,
        "Flags that RST_STREAM does not have are ignored",
        |site| [site.open(1), frame(RST_STREAM, 0xff, 1, [0, 0, 0, 8])].concat(),
        Want::Fine,
    ),
];

/// Frames of types that nobody knows (§5.5).
fn unknown() -> impl Iterator<Item = Case> {
    let places = [("connection", 0), ("idle", 1), ("even", 2), ("open", 1)];
    places.into_iter().map(|(place, stream)| {
        let title = format!("A frame of an unknown type, {place}, has no effect");
        let bytes = move |site: &crate::target::Site| {
            let before = if place == "open" { site.open(1) } else { Vec::new() };
            [before, frame(UNKNOWN, 0xff, stream, [0xff; 20])].concat()
        };
        one(format!("stream/unknown-{place}"), "RFC 9113 §5.5", title, bytes, Want::Fine)
    })
}
