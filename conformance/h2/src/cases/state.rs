//! The states of a stream (RFC 9113 §5.1).

use sockeye_cases::{Outcome, Seen, failed};

use crate::peer::Peer;
use crate::row::{Case, Row, free, seeing, sends, table};
use crate::target::{Site, Target};
use crate::want::Want;
use crate::wire::{
    CANCEL, CONTINUATION, END_HEADERS, END_STREAM, NONE, PRIORITY, PROTOCOL_ERROR, STREAM_CLOSED,
    WHOLE, data, depends, frame, headers, reset, window_update,
};

const STATES: &str = "RFC 9113 §5.1";
/// A stream whose peer has ended it: the text allows both levels of the error, since the answer may be
/// complete before the frame is read, and then the stream is closed.
const ENDED: Want = Want::Reset(1, &[STREAM_CLOSED]);
/// A closed stream: the error of the connection, or none; a head on a used stream is also out of order.
const CLOSED: Want = Want::Any(&[Want::Reset(1, &[STREAM_CLOSED, PROTOCOL_ERROR]), Want::Fine]);
const CLOSED_HEAD: Want = Want::Reset(1, &[STREAM_CLOSED, PROTOCOL_ERROR]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

const ROWS: &[Row] = &[
    sends(
        "state/half-closed-data",
        STATES,
        "DATA behind a whole request",
        |site| [site.ask(1), data(1, NONE, "x")].concat(),
        ENDED,
    ),
    sends(
        "state/half-closed-data-end",
        STATES,
        "DATA with END_STREAM behind a whole request",
        |site| [site.ask(1), data(1, END_STREAM, "")].concat(),
        ENDED,
    ),
    sends(
        "state/half-closed-headers",
        STATES,
        "HEADERS behind a whole request",
        |site| [site.ask(1), site.ask(1)].concat(),
        CLOSED_HEAD,
    ),
    sends(
        "state/half-closed-trailers",
        STATES,
        "Trailers behind a whole request",
        |site| {
            [site.ask(1), headers(1, WHOLE, crate::hpack::Block::new().field("x", "y"))].concat()
        },
        CLOSED_HEAD,
    ),
    sends(
        "state/half-closed-continuation",
        "RFC 9113 §6.10",
        "CONTINUATION behind a whole request",
        |site| [site.ask(1), frame(CONTINUATION, END_HEADERS, 1, [0x82])].concat(),
        Want::Goaway(&[PROTOCOL_ERROR, STREAM_CLOSED]),
    ),
    sends(
        "state/half-closed-window-update",
        STATES,
        "WINDOW_UPDATE behind a whole request",
        |site| [site.ask(1), window_update(1, 10)].concat(),
        Want::Status(1, &[200]),
    ),
    sends(
        "state/half-closed-priority",
        STATES,
        "PRIORITY behind a whole request",
        |site| [site.ask(1), frame(PRIORITY, NONE, 1, depends(0))].concat(),
        Want::Status(1, &[200]),
    ),
    sends(
        "state/half-closed-rst-stream",
        STATES,
        "RST_STREAM behind a whole request",
        |site| [site.ask(1), reset(1, CANCEL)].concat(),
        Want::Fine,
    ),
    sends(
        "state/ended-by-data",
        STATES,
        "DATA behind DATA with END_STREAM",
        |site| [site.open(1), data(1, END_STREAM, "abcd"), data(1, NONE, "x")].concat(),
        ENDED,
    ),
    sends(
        "state/ended-by-trailers",
        STATES,
        "DATA behind trailers",
        |site| {
            let trailers = headers(1, WHOLE, crate::hpack::Block::new().field("x", "y"));
            [site.open(1), data(1, NONE, "abcd"), trailers, data(1, NONE, "x")].concat()
        },
        ENDED,
    ),
    seeing("state/closed-data", STATES, "DATA when the answer is complete", |target| {
        after_answer(target, &data(1, NONE, "x"), &CLOSED)
    }),
    seeing("state/closed-headers", STATES, "HEADERS when the answer is complete", |target| {
        after_answer(target, &target.site.ask(1), &CLOSED_HEAD)
    }),
    seeing(
        "state/closed-continuation",
        "RFC 9113 §6.10",
        "CONTINUATION when the answer is complete",
        |target| {
            let bytes = frame(CONTINUATION, END_HEADERS, 1, [0x82]);
            after_answer(target, &bytes, &Want::Goaway(&[PROTOCOL_ERROR, STREAM_CLOSED]))
        },
    ),
    seeing(
        "state/closed-window-update",
        STATES,
        "WINDOW_UPDATE when the answer is complete",
        |target| after_answer(target, &window_update(1, 10), &Want::Fine),
    ),
    seeing("state/closed-rst-stream", STATES, "RST_STREAM when the answer is complete", |target| {
        after_answer(target, &reset(1, CANCEL), &Want::Fine)
    }),
    seeing("state/closed-priority", STATES, "PRIORITY when the answer is complete", |target| {
        after_answer(target, &frame(PRIORITY, NONE, 1, depends(0)), &Want::Fine)
    }),
    sends(
        "state/reset-data",
        STATES,
        "DATA behind our own RST_STREAM",
        |site| after_reset(site, &data(1, NONE, "x")),
        CLOSED,
    ),
    sends(
        "state/reset-headers",
        STATES,
        "HEADERS behind our own RST_STREAM",
        |site| after_reset(site, &site.ask(1)),
        CLOSED_HEAD,
    ),
    sends(
        "state/reset-continuation",
        "RFC 9113 §6.10",
        "CONTINUATION behind our own RST_STREAM",
        |site| after_reset(site, &frame(CONTINUATION, END_HEADERS, 1, [0x82])),
        Want::Goaway(&[PROTOCOL_ERROR, STREAM_CLOSED]),
    ),
    sends(
        "state/reset-priority",
        STATES,
        "PRIORITY behind our own RST_STREAM",
        |site| after_reset(site, &frame(PRIORITY, NONE, 1, depends(0))),
        Want::Fine,
    ),
    sends(
        "state/reset-window-update",
        STATES,
        "WINDOW_UPDATE behind our own RST_STREAM",
        |site| after_reset(site, &window_update(1, 10)),
        Want::Any(&[Want::Fine, Want::Reset(1, &[STREAM_CLOSED])]),
    ),
    sends(
        "state/reset-twice",
        STATES,
        "RST_STREAM twice",
        |site| after_reset(site, &reset(1, CANCEL)),
        Want::Any(&[Want::Fine, Want::Reset(1, &[STREAM_CLOSED])]),
    ),
    sends(
        "state/reset-code-unknown",
        "RFC 9113 §7",
        "RST_STREAM with an unknown code",
        |site| [site.open(1), reset(1, 0xdead_beef)].concat(),
        Want::Fine,
    ),
    free("state/others-go-on", "RFC 9113 §5.4.2", "An error of a stream leaves the others", others),
    free(
        "state/late-data-ignored",
        STATES,
        "DATA on its way when the server reset the stream",
        late,
    ),
    free(
        "state/late-block-decoded",
        "RFC 9113 §4.3",
        "A block on its way then is decoded for the table",
        late_block,
    ),
];

fn after_reset(site: &Site, bytes: &[u8]) -> Vec<u8> {
    [&site.open(1), &reset(1, CANCEL), bytes].concat()
}

fn after_answer(target: &Target, bytes: &[u8], want: &Want) -> Seen {
    let mut peer = Peer::ready(target)?;
    peer.expect_page(target, 1)?;
    peer.send(bytes);
    want.judge(&mut peer, true)
}

/// A malformed request on 3 between one that waits for content and a new one.
fn others(target: &Target) -> Outcome {
    let mut peer = Peer::ready(target)?;
    peer.send(&target.site.open(1));
    peer.send(&headers(3, WHOLE, target.site.get().field("connection", "x")));
    peer.expect_page(target, 5)?;
    peer.send(&data(1, END_STREAM, "abcd"));
    peer.expect_answer(1)
}

/// The server resets a malformed request; content that follows is no error of the connection.
fn late(target: &Target) -> Outcome {
    let mut peer = Peer::ready(target)?;
    peer.send(&headers(1, END_HEADERS, target.site.post().field("connection", "x")));
    peer.send(&data(1, NONE, "late").repeat(10));
    peer.send(&data(1, END_STREAM, ""));
    if peer.until(|peer| peer.stream(1).is_some()) {
        return peer.expect_page(target, 3);
    }
    failed("an answer or RST_STREAM on 1", peer.story())
}

/// The malformed request brings a field into the table, and the next request refers to it.
fn late_block(target: &Target) -> Outcome {
    let mut peer = Peer::ready(target)?;
    let block = target.site.get().entry("x-kept", "by the table").field("connection", "x");
    peer.send(&headers(1, WHOLE, block));
    peer.send(&headers(3, WHOLE, target.site.get().indexed(62)));
    peer.expect_answer(3)
}
