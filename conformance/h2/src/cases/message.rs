//! Requests and responses as a whole (RFC 9113 §8.1): content, its length, trailers.

use sockeye_cases::{Outcome, failed};

use crate::hpack::Block;
use crate::peer::Peer;
use crate::row::{Case, Row, free, sends, table};
use crate::target::{Site, Target};
use crate::want::Want;
use crate::wire::{END_HEADERS, END_STREAM, NONE, PROTOCOL_ERROR, WHOLE, data, headers};

const LENGTH: &str = "RFC 9113 §8.1.1";
const FRAMING: &str = "RFC 9113 §8.1";
const MALFORMED: Want = Want::Malformed(1);
/// A server may answer before it has all content, and then need no error.
const TAKEN: Want = Want::Status(1, &[200, 201, 202, 204]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

/// The head of a POST that says how long its content is.
fn post(site: &Site, flags: u8, length: &str) -> Vec<u8> {
    headers(1, flags, site.post().field("content-length", length))
}

/// Trailers behind content.
fn trailers(site: &Site, flags: u8, block: Block) -> Vec<u8> {
    [site.open(1), data(1, NONE, "abcd"), headers(1, flags, block)].concat()
}

const ROWS: &[Row] = &[
    sends(
        "message/length-short",
        LENGTH,
        "Less content than content-length",
        |site| [post(site, END_HEADERS, "10"), data(1, END_STREAM, "abcd")].concat(),
        MALFORMED,
    ),
    sends(
        "message/length-long",
        LENGTH,
        "More content than content-length",
        |site| [post(site, END_HEADERS, "3"), data(1, END_STREAM, "abcd")].concat(),
        MALFORMED,
    ),
    sends(
        "message/length-long-open",
        LENGTH,
        "More content than content-length, and no end",
        |site| [post(site, END_HEADERS, "3"), data(1, NONE, "abcd")].concat(),
        MALFORMED,
    ),
    sends(
        "message/length-long-second",
        LENGTH,
        "The second DATA frame is above content-length",
        |site| {
            [post(site, END_HEADERS, "5"), data(1, NONE, "abcd"), data(1, END_STREAM, "ef")]
                .concat()
        },
        MALFORMED,
    ),
    sends(
        "message/length-none",
        LENGTH,
        "No content, but content-length",
        |site| post(site, WHOLE, "4"),
        MALFORMED,
    ),
    sends(
        "message/length-empty-data",
        LENGTH,
        "An empty DATA frame, but content-length",
        |site| [post(site, END_HEADERS, "4"), data(1, END_STREAM, "")].concat(),
        MALFORMED,
    ),
    sends(
        "message/length-zero-content",
        LENGTH,
        "Content, but content-length 0",
        |site| [post(site, END_HEADERS, "0"), data(1, END_STREAM, "a")].concat(),
        MALFORMED,
    ),
    sends(
        "message/length-short-trailers",
        LENGTH,
        "Trailers before content-length is reached",
        |site| {
            let trailers = headers(1, WHOLE, Block::new().field("x-a", "b"));
            [post(site, END_HEADERS, "10"), data(1, NONE, "abcd"), trailers].concat()
        },
        MALFORMED,
    ),
    sends(
        "message/length-huge",
        LENGTH,
        "A content-length of 2^64",
        |site| [post(site, END_HEADERS, "18446744073709551616"), data(1, END_STREAM, "a")].concat(),
        MALFORMED,
    ),
    sends(
        "message/length-right",
        LENGTH,
        "As much content as content-length",
        |site| [post(site, END_HEADERS, "4"), data(1, END_STREAM, "abcd")].concat(),
        TAKEN,
    ),
    sends(
        "message/length-right-empty-end",
        LENGTH,
        "The end in an empty DATA frame",
        |site| {
            [post(site, END_HEADERS, "4"), data(1, NONE, "abcd"), data(1, END_STREAM, "")].concat()
        },
        TAKEN,
    ),
    sends(
        "message/length-without-padding",
        LENGTH,
        "Padding is no content",
        |site| {
            let padded = crate::wire::padded(100, "abcd");
            [post(site, END_HEADERS, "4"), data(1, END_STREAM | 8, padded)].concat()
        },
        TAKEN,
    ),
    sends(
        "message/length-absent",
        LENGTH,
        "Content without content-length",
        |site| [site.open(1), data(1, END_STREAM, "abcd")].concat(),
        TAKEN,
    ),
    sends(
        "message/empty-data",
        FRAMING,
        "Empty DATA frames between others",
        |site| {
            let empty = data(1, NONE, "");
            [site.open(1), empty.clone(), data(1, NONE, "abcd"), empty, data(1, END_STREAM, "")]
                .concat()
        },
        TAKEN,
    ),
    sends(
        "message/trailers",
        FRAMING,
        "Trailers end a request",
        |site| trailers(site, WHOLE, Block::new().field("x-a", "b")),
        TAKEN,
    ),
    sends(
        "message/trailers-empty",
        FRAMING,
        "Trailers without a field",
        |site| trailers(site, WHOLE, Block::new()),
        Want::Any(&[TAKEN, Want::Reset(1, &[PROTOCOL_ERROR])]),
    ),
    sends(
        "message/trailers-without-content",
        FRAMING,
        "Trailers right behind the head",
        |site| [site.open(1), headers(1, WHOLE, Block::new().field("x-a", "b"))].concat(),
        Want::Status(1, &[200, 201, 202, 204, 400]),
    ),
    sends(
        "message/trailers-no-end",
        FRAMING,
        "Trailers without END_STREAM",
        |site| trailers(site, END_HEADERS, Block::new().field("x-a", "b")),
        MALFORMED,
    ),
    sends(
        "message/second-head",
        FRAMING,
        "A second head without END_STREAM",
        |site| [site.open(1), site.open(1)].concat(),
        MALFORMED,
    ),
    sends(
        "message/trailers-pseudo",
        "RFC 9113 §8.3",
        "A pseudo-field in trailers",
        |site| trailers(site, WHOLE, Block::new().field(":method", "GET")),
        MALFORMED,
    ),
    sends(
        "message/trailers-status",
        "RFC 9113 §8.3",
        ":status in trailers",
        |site| trailers(site, WHOLE, Block::new().field(":status", "200")),
        MALFORMED,
    ),
    sends(
        "message/trailers-upper-case",
        "RFC 9113 §8.2.1",
        "An upper-case name in trailers",
        |site| trailers(site, WHOLE, Block::new().field("X-A", "b")),
        MALFORMED,
    ),
    sends(
        "message/trailers-connection",
        "RFC 9113 §8.2.2",
        "connection in trailers",
        |site| trailers(site, WHOLE, Block::new().field("connection", "close")),
        MALFORMED,
    ),
    sends(
        "message/trailers-value-lf",
        "RFC 9113 §8.2.1",
        "A line feed in trailers",
        |site| trailers(site, WHOLE, Block::new().field("x-a", "a\nb")),
        MALFORMED,
    ),
    free(
        "message/head-no-content",
        "RFC 9110 §9.3.2",
        "The answer to HEAD has no content",
        |target| {
            let mut peer = Peer::ready(target)?;
            peer.send(&headers(1, WHOLE, target.site.request("HEAD", &target.site.page)));
            peer.expect_answer(1)?;
            match peer.content(1).len() {
                0 => Ok(()),
                len => failed("no content", format!("{len} bytes")),
            }
        },
    ),
    free(
        "message/answer-length",
        LENGTH,
        "The answer's content is as long as its content-length",
        answer_length,
    ),
    free("message/answers-alike", FRAMING, "Two answers on a connection are the same", |target| {
        let mut peer = Peer::ready(target)?;
        peer.expect_page(target, 1)?;
        peer.expect_page(target, 3)?;
        match peer.content(1) == peer.content(3) {
            true => Ok(()),
            false => failed("the same content", "another"),
        }
    }),
    free("message/interleaved", FRAMING, "Content of two requests in turns", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&[target.site.open(1), target.site.open(3)].concat());
        for _ in 0..10 {
            peer.send(&[data(1, NONE, "ab"), data(3, NONE, "cd")].concat());
        }
        peer.send(&[data(3, END_STREAM, ""), data(1, END_STREAM, "")].concat());
        peer.expect_answer(3)?;
        peer.expect_answer(1)
    }),
    free("message/bytes", FRAMING, "All frames of a request in single bytes", |target| {
        let mut peer = Peer::ready(target)?;
        peer.trickle(
            &[target.site.open(1), data(1, NONE, "ab"), data(1, END_STREAM, "cd")].concat(),
        );
        peer.expect_answer(1)
    }),
    free("message/thousand", FRAMING, "1,000 requests one after the other", |target| {
        let mut peer = Peer::ready(target)?;
        (0..1_000).try_for_each(|at| peer.expect_page(target, 2 * at + 1))
    }),
];

fn answer_length(target: &Target) -> Outcome {
    let mut peer = Peer::ready(target)?;
    peer.expect_page(target, 1)?;
    let Some(stream) = peer.stream(1) else { return failed("an answer", peer.story()) };
    let said = stream.fields.iter().find(|(name, _)| name == b"content-length");
    let Some((_, said)) = said else { return Ok(()) };
    let said = String::from_utf8_lossy(said).into_owned();
    match said == stream.content.len().to_string() {
        true => Ok(()),
        false => failed(format!("{said} bytes"), stream.content.len()),
    }
}
