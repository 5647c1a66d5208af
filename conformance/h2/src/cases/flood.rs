//! Work without progress (RFC 9113 §10.5): each flood has to be cut off with ENHANCE_YOUR_CALM, and others are
//! served meanwhile.

use core::time::Duration;

use sockeye_cases::{Outcome, Pace, Seen, failed};

use crate::hpack::Block;
use crate::peer::Peer;
use crate::row::{Case, Row, free, seeing, table};
use crate::target::{Site, Target};
use crate::wire::{
    ACK, CANCEL, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE,
    NONE, PING, PREFACE, PRIORITY, STREAM_CLOSED, UNKNOWN, WHOLE, WINDOW_MAX, code_name, data,
    depends, frame, headers, padded, ping, reset, settings, window_update,
};

const SECTION: &str = "RFC 9113 §10.5";
const CUT: &str =
    "the text asks only to watch for it: a server that goes on spends work on nothing";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS).map(|case| match case.pace {
        Pace::Slow => case,
        Pace::Shared | Pace::Alone => case.paced(Pace::Alone),
    })
}

const ROWS: &[Row] = &[
    seeing(
        "flood/rapid-reset",
        "CVE-2023-44487",
        "Requests that are reset at once: cut off within 10,000",
        |target| {
            flood(target, 10_000, |site, at| {
                [site.open(2 * at + 1), reset(2 * at + 1, CANCEL)].concat()
            })
        },
    )
    .policy(CUT),
    seeing(
        "flood/made-you-reset-window",
        "CVE-2025-8671",
        "Requests whose window is made too large: within 10,000",
        |target| {
            flood(target, 10_000, |site, at| {
                [site.open(2 * at + 1), window_update(2 * at + 1, WINDOW_MAX)].concat()
            })
        },
    )
    .policy(CUT),
    seeing(
        "flood/made-you-reset-zero",
        "CVE-2025-8671",
        "Requests with an increment of 0: within 10,000",
        |target| {
            flood(target, 10_000, |site, at| {
                [site.open(2 * at + 1), window_update(2 * at + 1, 0)].concat()
            })
        },
    )
    .policy(CUT),
    seeing(
        "flood/made-you-reset-malformed",
        "CVE-2025-8671",
        "Malformed requests: within 10,000",
        |target| {
            flood(target, 10_000, |site, at| {
                headers(2 * at + 1, WHOLE, site.get().field("connection", "x"))
            })
        },
    )
    .policy(CUT),
    seeing(
        "flood/made-you-reset-closed",
        "CVE-2025-8671",
        "DATA behind END_STREAM on new streams: within 20,000",
        |target| {
            // An answer may be complete before the frame behind its request is read.
            let codes = [ENHANCE_YOUR_CALM, STREAM_CLOSED];
            let bytes =
                |site: &Site, at| [site.ask(2 * at + 1), data(2 * at + 1, NONE, "x")].concat();
            flood_for(target, 20_000, bytes, &codes)
        },
    )
    .policy(CUT),
    seeing(
        "flood/continuations",
        "CVE-2024-27316",
        "CONTINUATION without end: within 1,000",
        |target| {
            flood(target, 1_000, |site, at| match at {
                0 => headers(1, END_STREAM, site.get()),
                _ => frame(CONTINUATION, NONE, 1, Block::new().field("x", [b'x'; 1_000])),
            })
        },
    ),
    seeing(
        "flood/continuations-empty",
        "CVE-2024-27316",
        "Empty CONTINUATION without end: within 20,000",
        |target| {
            flood(target, 20_000, |site, at| match at {
                0 => headers(1, END_STREAM, site.get()),
                _ => frame(CONTINUATION, NONE, 1, []),
            })
        },
    )
    .policy(CUT),
    seeing(
        "flood/references",
        "CVE-2016-6581",
        "16,000 references to a field of 4,000 bytes",
        |target| bomb(target, Block::new().entry("x-large", vec![b'x'; 4_000]), 16_000),
    ),
    seeing(
        "flood/references-crumbs",
        "CVE-2026-49975",
        "16,000 references to a crumb of a cookie",
        |target| bomb(target, Block::new().entry("cookie", "a"), 16_000),
    ),
    seeing(
        "flood/references-empty",
        "CVE-2019-9516",
        "16,000 references to a field of two bytes",
        |target| bomb(target, Block::new().entry("x", ""), 16_000),
    ),
    seeing("flood/fields", SECTION, "A request with 1,000 fields is refused", |target| {
        let block =
            (0..1_000).fold(target.site.get(), |block, at| block.field(format!("x-{at}"), ""));
        oversized(target, &block)
    })
    .policy("few servers mean to take as many"),
    seeing(
        "flood/field-large",
        SECTION,
        "A request with fields of 30,000 bytes is refused",
        |target| {
            let block =
                (0..10).fold(target.site.get(), |block, _| block.field("x-large", [b'x'; 3_000]));
            oversized(target, &block)
        },
    )
    .policy("few servers mean to take as much"),
    seeing("flood/block-large", SECTION, "A block of 1 MiB", |target| {
        flood(target, 64, |site, at| match at {
            0 => headers(1, END_STREAM, site.get()),
            _ => frame(CONTINUATION, NONE, 1, [0x40; 16_384]),
        })
    }),
    seeing("flood/empty-data", "CVE-2019-9518", "Empty DATA frames: within 100,000", |target| {
        flood(target, 100_000, |site, at| match at {
            0 => site.open(1),
            _ => data(1, NONE, ""),
        })
    })
    .policy(CUT),
    seeing(
        "flood/padding-only",
        "CVE-2019-9518",
        "DATA of padding only: within 100,000",
        |target| {
            flood(target, 100_000, |site, at| match at {
                0 => site.open(1),
                _ => data(1, 8, padded(0, "")),
            })
        },
    )
    .policy(CUT),
    seeing("flood/pings", "CVE-2019-9512", "PING: within 100,000", |target| {
        flood(target, 100_000, |_, at| ping(u64::from(at).to_be_bytes()))
    })
    .policy(CUT),
    seeing("flood/ping-acks", "CVE-2019-9512", "Answers to no PING: within 100,000", |target| {
        flood(target, 100_000, |_, _| frame(PING, ACK, 0, [0; 8]))
    })
    .policy(CUT),
    seeing("flood/settings", "CVE-2019-9515", "SETTINGS: within 100,000", |target| {
        flood(target, 100_000, |_, _| settings(&[]))
    })
    .policy(CUT),
    seeing(
        "flood/settings-values",
        "CVE-2019-9515",
        "SETTINGS of 2,000 values: within 5,000",
        |target| flood(target, 5_000, |_, at| settings(&[(INITIAL_WINDOW_SIZE, at); 2_000])),
    )
    .policy(CUT),
    seeing("flood/priorities", "CVE-2019-9513", "PRIORITY: within 100,000", |target| {
        flood(target, 100_000, |_, at| frame(PRIORITY, NONE, 2 * at + 1, depends(0)))
    })
    .policy(CUT),
    seeing(
        "flood/window-updates",
        SECTION,
        "WINDOW_UPDATE of the connection: within 100,000",
        |target| flood(target, 100_000, |_, _| window_update(0, 1)),
    )
    .policy(CUT),
    seeing(
        "flood/window-updates-stream",
        SECTION,
        "WINDOW_UPDATE of a stream: within 100,000",
        |target| {
            flood(target, 100_000, |site, at| match at {
                0 => site.open(1),
                _ => window_update(1, 1),
            })
        },
    )
    .policy(CUT),
    seeing("flood/unknown", "RFC 9113 §5.5", "Frames of unknown types: within 100,000", |target| {
        flood(target, 100_000, |_, _| frame(UNKNOWN, NONE, 0, []))
    })
    .policy(CUT),
    seeing(
        "flood/late-resets",
        SECTION,
        "RST_STREAM on a stream that ended: within 100,000",
        |target| {
            flood(target, 100_000, |site, at| match at {
                0 => site.ask(1),
                _ => reset(1, CANCEL),
            })
        },
    )
    .policy(CUT),
    seeing("flood/goaways", SECTION, "GOAWAY: within 100,000", |target| {
        flood(target, 100_000, |_, _| crate::wire::goaway(0, 0, b""))
    })
    .policy(CUT),
    free("flood/unread", "CVE-2019-9517", "Answers that are not read, on 20 connections", unread),
    free(
        "flood/window-held",
        "CVE-2019-9511",
        "Answers whose window stays closed, on 20 connections",
        |target| {
            let held: Result<Vec<Peer>, _> = (0..20)
                .map(|_| {
                    let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, 0)])?;
                    peer.send(
                        &(0..100).flat_map(|at| target.site.ask(2 * at + 1)).collect::<Vec<u8>>(),
                    );
                    Ok(peer)
                })
                .collect();
            let held = held?;
            others_served(target)?;
            drop(held);
            others_served(target)
        },
    ),
    free("flood/half-frames", SECTION, "100 connections that stop within a frame", |target| {
        held_by(target, |site| site.ask(1)[..20].to_vec())
    }),
    free("flood/half-blocks", SECTION, "100 connections that stop within a block", |target| {
        held_by(target, |site| headers(1, END_STREAM, site.get()))
    }),
    seeing(
        "flood/slow-preface",
        SECTION,
        "A preface that stops is ended within a minute",
        |target| {
            let mut peer = Peer::connect(target)?;
            peer.send(&PREFACE[..10]);
            ends(&mut peer)
        },
    )
    .paced(Pace::Slow)
    .policy("a connection that says nothing holds memory"),
    seeing(
        "flood/slow-settings",
        SECTION,
        "A preface without SETTINGS is ended within a minute",
        |target| {
            let mut peer = Peer::connect(target)?;
            peer.send(PREFACE);
            ends(&mut peer)
        },
    )
    .paced(Pace::Slow)
    .policy("a connection that says nothing holds memory"),
    seeing("flood/slow-block", SECTION, "A block that stops is ended within a minute", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&headers(1, END_STREAM, target.site.get()));
        ends(&mut peer)
    })
    .paced(Pace::Slow)
    .policy("a block that does not end holds its connection's decoder"),
];

/// Others are served.
fn others_served(target: &Target) -> Outcome {
    let mut peer = Peer::ready(target)?;
    peer.timeout *= 6;
    peer.expect_page(target, 1)
}

/// Frames until the server cuts them off, at most so many.
fn flood(target: &Target, count: u32, bytes: fn(&Site, u32) -> Vec<u8>) -> Seen {
    flood_for(target, count, bytes, &[ENHANCE_YOUR_CALM])
}

/// The same, cut off with one of these codes.
fn flood_for(target: &Target, count: u32, bytes: fn(&Site, u32) -> Vec<u8>, codes: &[u32]) -> Seen {
    const BATCH: u32 = 64;
    let mut peer = Peer::ready(target)?;
    peer.timeout *= 6;
    let mut sent = 0;
    let mut at = 0;
    while at < count && peer.goaway.is_none() && peer.end.is_none() {
        let until = (at + BATCH).min(count);
        let batch: Vec<u8> = (at..until).flat_map(|at| bytes(&target.site, at)).collect();
        at = until;
        let taken = peer.send(&batch);
        sent += taken;
        // A server that takes no more says so, or never will.
        if taken < batch.len() {
            break;
        }
        peer.within(Duration::from_millis(1), |_| false);
    }
    if peer.goaway.is_none() {
        peer.within(target.timeout, |peer| peer.goaway.is_some());
    }
    others_served(target)?;
    match peer.goaway {
        Some((_, code)) if codes.contains(&code) => {
            Ok(format!("GOAWAY {} after {at} times, {sent} bytes", code_name(code)))
        }
        Some((_, code)) => failed(
            "GOAWAY ENHANCE_YOUR_CALM",
            format!("GOAWAY {} after {at} times", code_name(code)),
        ),
        None => failed(format!("GOAWAY ENHANCE_YOUR_CALM within {count} times"), peer.story()),
    }
}

/// A block that refers so often to an entry of the request before it: refused with a status, a reset or
/// ENHANCE_YOUR_CALM.
fn bomb(target: &Target, entry: Block, references: usize) -> Seen {
    let mut peer = Peer::ready(target)?;
    peer.timeout *= 2;
    peer.send(&headers(1, WHOLE, target.site.get().raw(entry)));
    peer.until(|peer| peer.stream(1).is_some());
    let bytes = vec![0xbe; references];
    let block = target.site.get().raw(bytes);
    let (first, rest) = block.as_ref().split_at(block.as_ref().len().min(16_384));
    peer.send(&headers(3, END_STREAM, first));
    peer.send(&frame(CONTINUATION, END_HEADERS, 3, rest));
    let seen = refusal(&mut peer, 3)?;
    others_served(target)?;
    Ok(seen)
}

/// A request over the limits of fields.
fn oversized(target: &Target, block: &Block) -> Seen {
    let mut peer = Peer::ready(target)?;
    let mut parts = block.as_ref().chunks(16_384);
    peer.send(&headers(1, END_STREAM, parts.next().unwrap_or_default()));
    for part in parts {
        peer.send(&frame(CONTINUATION, NONE, 1, part));
    }
    peer.send(&frame(CONTINUATION, END_HEADERS, 1, []));
    let seen = refusal(&mut peer, 1)?;
    others_served(target)?;
    Ok(seen)
}

fn refusal(peer: &mut Peer, stream: u32) -> Seen {
    peer.until(|peer| peer.stream(stream).is_some() || peer.goaway.is_some());
    match (peer.goaway, peer.stream(stream)) {
        (Some((_, code)), _) if code == ENHANCE_YOUR_CALM => {
            Ok("GOAWAY ENHANCE_YOUR_CALM".to_owned())
        }
        (None, Some(it)) if it.reset.is_some() => {
            Ok(format!("RST_STREAM {}", code_name(it.reset.unwrap_or_default())))
        }
        (None, Some(it)) if matches!(it.status, Some(400 | 413 | 431)) => {
            Ok(format!("status {}", it.status.unwrap_or_default()))
        }
        (Some((_, code)), _) => failed("a refusal", format!("GOAWAY {}", code_name(code))),
        _ => failed("status 431 or 400, RST_STREAM, or GOAWAY ENHANCE_YOUR_CALM", peer.story()),
    }
}

fn unread(target: &Target) -> Outcome {
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, WINDOW_MAX)])?;
        peer.grant(0, 1 << 30);
        peer.send(&(0..100).flat_map(|at| target.site.ask(2 * at + 1)).collect::<Vec<u8>>());
        held.push(peer);
    }
    others_served(target)?;
    drop(held);
    others_served(target)
}

/// 100 connections that wait like this leave room for another.
fn held_by(target: &Target, bytes: fn(&Site) -> Vec<u8>) -> Outcome {
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut peer = Peer::ready(target)?;
        peer.send(&bytes(&target.site));
        held.push(peer);
    }
    others_served(target)?;
    drop(held);
    others_served(target)
}

/// The connection ends by itself.
fn ends(peer: &mut Peer) -> Seen {
    let is_over = |peer: &Peer| peer.end.is_some() || peer.fault.is_some();
    if !peer.within(Duration::from_secs(60), is_over) {
        return failed("the end within a minute", peer.story());
    }
    if let Some(answer) = &peer.fault {
        return Ok(answer.clone());
    }
    let goaway = peer.goaway.map(|(_, code)| format!("GOAWAY {}", code_name(code)));
    Ok(goaway.unwrap_or_else(|| "the end".to_owned()))
}
