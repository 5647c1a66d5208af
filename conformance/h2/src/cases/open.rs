//! The number of streams that may be open (RFC 9113 §5.1.2), PING, GOAWAY, priorities.

use sockeye_cases::{Miss, Outcome, Seen, failed, skipped};

use crate::peer::Peer;
use crate::row::{Case, Row, free, seeing, sends, table};
use crate::target::Target;
use crate::want::Want;
use crate::wire::{
    ACK, CANCEL, END_STREAM, MAX_CONCURRENT_STREAMS, NO_ERROR, NONE, PING, PRIORITY,
    PROTOCOL_ERROR, REFUSED_STREAM, WHOLE, WITH_PRIORITY, code_name, data, depends, frame, goaway,
    headers, ping, reset,
};

const STREAMS: &str = "RFC 9113 §5.1.2";
const GOES: &str = "RFC 9113 §6.8";
const PINGS: &str = "RFC 9113 §6.7";
/// The error of RFC 7540 §5.3.1, which RFC 9113 no longer asks for.
const SELF_DEPENDENCY: Want = Want::Any(&[Want::Reset(1, &[PROTOCOL_ERROR]), Want::Fine]);
/// More open streams than a suite should ask of a server.
const STREAMS_MAX: u32 = 2_000;

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

const ROWS: &[Row] = &[
    seeing("streams/one-too-many", STREAMS, "A stream above MAX_CONCURRENT_STREAMS", |target| {
        let (mut peer, next) = full(target)?;
        peer.send(&target.site.open(next));
        refused(&mut peer, next)
    }),
    free(
        "streams/others-when-full",
        STREAMS,
        "The streams that are open go on when one is refused",
        |target| {
            let (mut peer, next) = full(target)?;
            peer.send(&target.site.open(next));
            refused_alone(&mut peer, next)?;
            peer.send(&data(1, END_STREAM, "abcd"));
            peer.expect_answer(1)
        },
    ),
    free("streams/room-again", STREAMS, "A stream that ended makes room for another", |target| {
        let (mut peer, next) = full(target)?;
        peer.send(&data(1, END_STREAM, "abcd"));
        peer.expect_answer(1)?;
        peer.expect_page(target, next)
    }),
    free(
        "streams/room-after-reset",
        STREAMS,
        "A stream that we reset makes room for another",
        |target| {
            let (mut peer, next) = full(target)?;
            peer.send(&reset(1, CANCEL));
            peer.expect_page(target, next)
        },
    ),
    free(
        "streams/refused-block-decoded",
        "RFC 9113 §4.3",
        "The block of a refused stream counts for the table",
        |target| {
            let (mut peer, next) = full(target)?;
            peer.send(&headers(next, WHOLE, target.site.get().entry("x-kept", "by the table")));
            refused_alone(&mut peer, next)?;
            peer.send(&data(1, END_STREAM, "abcd"));
            peer.expect_answer(1)?;
            peer.send(&headers(next + 2, WHOLE, target.site.get().indexed(62)));
            peer.expect_answer(next + 2)
        },
    ),
    free("streams/hundred-pages", STREAMS, "100 requests at once are all answered", |target| {
        let mut peer = Peer::ready(target)?;
        let most = peer.setting(MAX_CONCURRENT_STREAMS, u32::MAX).min(100);
        let ids: Vec<u32> = (0..most).map(|at| 2 * at + 1).collect();
        let requests: Vec<u8> = ids.iter().flat_map(|&id| target.site.ask(id)).collect();
        peer.send(&requests);
        ids.iter().try_for_each(|&id| peer.expect_answer(id))
    }),
    sends("ping/answered", PINGS, "PING is answered", |_| ping(*b"12345678"), Want::Fine),
    free("ping/same-payload", PINGS, "The answers have the payloads, in order", |target| {
        let mut peer = Peer::ready(target)?;
        let payloads: Vec<[u8; 8]> = (0..10_u64).map(u64::to_be_bytes).collect();
        payloads.iter().for_each(|payload| {
            peer.send(&ping(*payload));
        });
        match peer.until(|peer| peer.pongs.len() >= 10) && peer.pongs == payloads {
            true => Ok(()),
            false => failed("ten answers in order", format!("{:?}", peer.pongs)),
        }
    }),
    sends(
        "ping/ack-unasked",
        PINGS,
        "An answer to no PING is ignored",
        |_| frame(PING, ACK, 0, *b"not sent"),
        Want::Fine,
    ),
    free("ping/no-answer-to-ack", PINGS, "An answer is not answered", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&frame(PING, ACK, 0, *b"not sent"));
        peer.expect_alive()?;
        match peer.pongs.contains(b"not sent") {
            true => failed("no answer", "PING ACK"),
            false => Ok(()),
        }
    }),
    free("ping/within-content", PINGS, "PING between the DATA frames of a request", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&target.site.open(1));
        peer.send(&data(1, NONE, "ab"));
        peer.expect_alive()?;
        peer.send(&data(1, END_STREAM, "cd"));
        peer.expect_answer(1)
    }),
    seeing(
        "goaway/open-stream-goes-on",
        GOES,
        "Our GOAWAY leaves the streams that are open",
        |target| {
            let mut peer = Peer::ready(target)?;
            peer.send(&target.site.open(1));
            peer.send(&goaway(0, NO_ERROR, b""));
            peer.send(&data(1, END_STREAM, "abcd"));
            peer.expect_answer(1).map(|()| String::new())
        },
    ),
    seeing("goaway/debug-data", GOES, "GOAWAY with a text and an unknown code", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&goaway(0, 0xdead_beef, b"a text for people"));
        Want::Any(&[Want::Fine, Want::Goaway(&[NO_ERROR]), Want::End]).judge(&mut peer, true)
    }),
    free(
        "goaway/last-stream",
        GOES,
        "The GOAWAY of an error names the last stream of ours",
        |target| {
            let mut peer = Peer::ready(target)?;
            peer.expect_page(target, 1)?;
            peer.expect_page(target, 3)?;
            peer.send(&data(9, NONE, "x"));
            peer.until(|peer| peer.goaway.is_some());
            match peer.goaway {
                Some((3, PROTOCOL_ERROR)) => Ok(()),
                Some((last, code)) => {
                    failed("GOAWAY PROTOCOL_ERROR, last 3", format!("{} {last}", code_name(code)))
                }
                None => failed("GOAWAY", peer.story()),
            }
        },
    ),
    free(
        "goaway/nothing-behind-error",
        "RFC 9113 §5.4.1",
        "No answer to requests behind an error",
        |target| {
            let mut peer = Peer::ready(target)?;
            peer.send(&[data(9, NONE, "x"), target.site.ask(11)].concat());
            peer.until(|peer| peer.end.is_some());
            match (peer.goaway, peer.stream(11)) {
                (Some(_), None) => Ok(()),
                _ => failed("GOAWAY, and nothing on 11", peer.story()),
            }
        },
    ),
    sends(
        "priority/self-dependency",
        "RFC 7540 §5.3.1",
        "PRIORITY of a stream on itself",
        |site| [site.open(1), frame(PRIORITY, NONE, 1, depends(1))].concat(),
        SELF_DEPENDENCY,
    ),
    sends(
        "priority/self-dependency-headers",
        "RFC 7540 §5.3.1",
        "A request that depends on itself",
        |site| {
            let block = [depends(1), site.get().as_ref().to_vec()].concat();
            headers(1, WHOLE | WITH_PRIORITY, block)
        },
        Want::Any(&[Want::Reset(1, &[PROTOCOL_ERROR]), Want::Status(1, &[200])]),
    ),
    sends(
        "priority/headers",
        "RFC 9113 §6.2",
        "A request with a priority",
        |site| {
            headers(1, WHOLE | WITH_PRIORITY, [depends(0), site.get().as_ref().to_vec()].concat())
        },
        Want::Status(1, &[200]),
    ),
    sends(
        "priority/exclusive",
        "RFC 9113 §5.3.2",
        "A request with an exclusive priority on an unknown stream",
        |site| {
            let block = [depends(0x8000_0063), site.get().as_ref().to_vec()].concat();
            headers(1, WHOLE | WITH_PRIORITY, block)
        },
        Want::Status(1, &[200]),
    ),
    sends(
        "priority/update",
        "RFC 9218 §7.1",
        "PRIORITY_UPDATE has no effect that matters",
        |_| frame(0x10, NONE, 0, [&[0, 0, 0, 1][..], b"u=1, i"].concat()),
        Want::Fine,
    ),
];

/// A connection on which the server accepts no further stream, and the next stream.
fn full(target: &Target) -> Result<(Peer, u32), Miss> {
    let mut peer = Peer::ready(target)?;
    let most = peer.setting(MAX_CONCURRENT_STREAMS, u32::MAX);
    if most > STREAMS_MAX {
        return skipped(format!("the server allows {most} streams"));
    }
    let requests: Vec<u8> = (0..most).flat_map(|at| target.site.open(2 * at + 1)).collect();
    peer.send(&requests);
    peer.expect_alive()?;
    match peer.streams.first_key_value() {
        Some((id, _)) => failed(
            format!("{most} requests that wait"),
            format!("something on {id}: {}", peer.story()),
        ),
        None => Ok((peer, 2 * most + 1)),
    }
}

/// The error of a stream, or of the connection with the code (§5.4.1).
fn refused(peer: &mut Peer, stream: u32) -> Seen {
    peer.until(|peer| peer.stream(stream).is_some() || peer.goaway.is_some());
    let reset = peer.stream(stream).and_then(|it| it.reset);
    match (reset, peer.goaway) {
        (Some(code @ (REFUSED_STREAM | PROTOCOL_ERROR)), _) => {
            Ok(format!("RST_STREAM {}", code_name(code)))
        }
        (None, Some((_, code @ (REFUSED_STREAM | PROTOCOL_ERROR)))) => {
            Ok(format!("GOAWAY {}", code_name(code)))
        }
        _ => failed("RST_STREAM REFUSED_STREAM or PROTOCOL_ERROR", peer.story()),
    }
}

/// The same for a case about what follows: it does not apply where the connection ends.
fn refused_alone(peer: &mut Peer, stream: u32) -> Outcome {
    match refused(peer, stream)? {
        seen if seen.starts_with("GOAWAY") => skipped("the server ends the connection instead"),
        _ => Ok(()),
    }
}
