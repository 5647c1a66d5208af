//! Bursts that browsers and gateways make: none of them is abuse.

use sockeye_cases::{Outcome, Pace, failed};

use crate::peer::Peer;
use crate::row::{Case, Row, free, table};
use crate::socket::{Socket, TEXT, message};
use crate::target::Target;
use crate::wire::{
    CANCEL, END_STREAM, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, NONE, PROTOCOL_ERROR,
    REFUSED_STREAM, data, depends, frame, goaway, headers, ping, reset, settings, window_update,
};

const WHY: &str = "a client of good will does it";
const SECTION: &str = "RFC 9113 §10.5";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS).map(|case| case.paced(Pace::Alone))
}

const ROWS: &[Row] = &[
    free(
        "burst/closes",
        SECTION,
        "All open WebSockets are cancelled at once, twice: a page that is left",
        |target| {
            let mut peer = Peer::ready(target)?;
            crate::socket::announced(&peer)?;
            let most = peer.setting(MAX_CONCURRENT_STREAMS, 256).min(256);
            for round in 0..2 {
                let ids: Vec<u32> = (0..most).map(|at| 2 * (round * most + at) + 1).collect();
                let opens = ids.iter().flat_map(|&id| headers(id, 4, target.site.connect()));
                peer.send(&opens.collect::<Vec<u8>>());
                if !peer.until(|peer| ids.iter().all(|&id| peer.status(id) == Some(200))) {
                    return failed("status 200 on all", peer.story());
                }
                peer.send(&ids.iter().flat_map(|&id| reset(id, CANCEL)).collect::<Vec<u8>>());
                peer.expect_alive()?;
            }
            peer.expect_page(target, 4 * most + 1)
        },
    )
    .policy(WHY),
    free(
        "burst/closes-of-requests",
        SECTION,
        "100 requests that are cancelled at once",
        |target| {
            let mut peer = Peer::ready(target)?;
            let ids: Vec<u32> = (0..100).map(|at| 2 * at + 1).collect();
            peer.send(&ids.iter().flat_map(|&id| target.site.open(id)).collect::<Vec<u8>>());
            peer.send(&ids.iter().flat_map(|&id| reset(id, CANCEL)).collect::<Vec<u8>>());
            peer.expect_page(target, 1_001)
        },
    )
    .policy(WHY),
    free(
        "burst/400-opens",
        SECTION,
        "400 requests at once: those above the limit are refused, and no more",
        opens,
    )
    .policy(WHY),
    free("burst/400-sockets", SECTION, "400 WebSockets at once, as Firefox opens them", |target| {
        let mut peer = Peer::ready(target)?;
        crate::socket::announced(&peer)?;
        let ids: Vec<u32> = (0..400).map(|at| 2 * at + 1).collect();
        peer.send(
            &ids.iter().flat_map(|&id| headers(id, 4, target.site.connect())).collect::<Vec<u8>>(),
        );
        let decided = |peer: &Peer, id: u32| {
            peer.stream(id)
                .is_some_and(|it| it.status == Some(200) || it.reset == Some(REFUSED_STREAM))
        };
        if !peer.until(|peer| ids.iter().all(|&id| decided(peer, id))) {
            return failed("status 200 or REFUSED_STREAM on each", peer.story());
        }
        peer.expect_alive()
    })
    .policy(WHY),
    free(
        "burst/one-byte-data",
        SECTION,
        "5,000 DATA frames of one byte: a WebSocket's tiny messages",
        |target| {
            let (mut peer, mut socket) = Socket::open(target)?;
            let text = "x".repeat(90);
            for _ in 0..50 {
                for byte in message(TEXT, text.as_bytes()) {
                    socket.send(&mut peer, &[byte]);
                }
                socket.expect(&mut peer, TEXT, text.as_bytes())?;
            }
            Ok(())
        },
    )
    .policy(WHY),
    free(
        "burst/one-byte-content",
        SECTION,
        "3,000 DATA frames of one byte in a request",
        |target| {
            let mut peer = Peer::ready(target)?;
            peer.send(&target.site.open(1));
            peer.send(&data(1, NONE, "x").repeat(3_000));
            peer.send(&data(1, END_STREAM, ""));
            peer.expect_answer(1)
        },
    )
    .policy(WHY),
    free(
        "burst/window-updates",
        SECTION,
        "An update on both levels for each of 500 DATA frames",
        |target| {
            let (mut peer, mut socket) = Socket::open(target)?;
            (0..500).try_for_each(|_| socket.expect_echo(&mut peer, "counted"))
        },
    )
    .policy(WHY),
    free(
        "burst/window-updates-in-parts",
        SECTION,
        "2,000 DATA frames that are given back in two parts on both levels, as HAProxy does",
        |target| {
            let (mut peer, mut socket) = Socket::open(target)?;
            peer.parts = 2;
            (0..2_000).try_for_each(|_| socket.expect_echo(&mut peer, "given back in parts"))
        },
    )
    .policy(WHY),
    free("burst/pings", SECTION, "20 PING at once", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&ping([1; 8]).repeat(20));
        match peer.until(|peer| peer.pongs.len() == 20) {
            true => peer.expect_page(target, 1),
            false => failed("20 answers", peer.story()),
        }
    })
    .policy(WHY),
    free(
        "burst/priorities",
        SECTION,
        "A tree of priorities for 100 streams, as older Firefox builds it",
        |target| {
            let mut peer = Peer::ready(target)?;
            let tree = (0..100).flat_map(|at| frame(2, NONE, 2 * at + 1, depends(0)));
            peer.send(&tree.collect::<Vec<u8>>());
            peer.expect_page(target, 201)
        },
    )
    .policy(WHY),
    free("burst/settings", SECTION, "Ten SETTINGS with changes of the window", |target| {
        let mut peer = Peer::ready(target)?;
        let changes = (0..10).flat_map(|at| settings(&[(INITIAL_WINDOW_SIZE, 100_000 + at)]));
        peer.send(&changes.collect::<Vec<u8>>());
        peer.expect_page(target, 1)
    })
    .policy(WHY),
    free("burst/leaving", SECTION, "Updates, GOAWAY and FIN of a client that leaves", |target| {
        let mut peer = Peer::ready(target)?;
        peer.expect_page(target, 1)?;
        peer.send(&[window_update(0, 100), goaway(0, 0, b"")].concat());
        peer.finish();
        match peer.until(|peer| peer.end.is_some()) && peer.goaway.is_none_or(|(_, code)| code == 0)
        {
            true => Ok(()),
            false => failed("a quiet end", peer.story()),
        }
    })
    .policy(WHY),
    free("burst/many-connections", SECTION, "200 connections, each with a request", |target| {
        let mut peers = Vec::new();
        for _ in 0..200 {
            let mut peer = Peer::ready(target)?;
            peer.expect_page(target, 1)?;
            peers.push(peer);
        }
        peers.iter_mut().try_for_each(Peer::expect_alive)
    })
    .policy(WHY),
];

fn opens(target: &Target) -> Outcome {
    let mut peer = Peer::ready(target)?;
    let ids: Vec<u32> = (0..400).map(|at| 2 * at + 1).collect();
    peer.send(&ids.iter().flat_map(|&id| target.site.ask(id)).collect::<Vec<u8>>());
    let decided = |peer: &Peer, id: u32| {
        let refused = [Some(REFUSED_STREAM), Some(PROTOCOL_ERROR)];
        peer.stream(id).is_some_and(|it| it.ended || refused.contains(&it.reset))
    };
    match peer.until(|peer| ids.iter().all(|&id| decided(peer, id))) {
        true => peer.expect_alive(),
        false => failed("an answer or REFUSED_STREAM on each", peer.story()),
    }
}
