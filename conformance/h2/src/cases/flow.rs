//! Flow control (RFC 9113 §5.2, §6.9), in both directions.

use core::time::Duration;

use sockeye_cases::{Miss, Outcome, Seen, failed, skipped};

use crate::peer::Peer;
use crate::row::{Case, Row, free, seeing, sends, table};
use crate::socket::{BINARY, Socket, message};
use crate::target::Target;
use crate::want::Want;
use crate::wire::{
    END_STREAM, FLOW_CONTROL_ERROR, INITIAL_WINDOW_SIZE, NONE, PROTOCOL_ERROR, WHOLE, WINDOW_MAX,
    data, headers, settings, window_update,
};

const UPDATE: &str = "RFC 9113 §6.9";
const WINDOW: &str = "RFC 9113 §6.9.1";
const INITIAL: &str = "RFC 9113 §6.9.2";
const START: u32 = 65_535;
const FLOW: Want = Want::Goaway(&[FLOW_CONTROL_ERROR]);
const FLOW_STREAM: Want = Want::Reset(1, &[FLOW_CONTROL_ERROR]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(UPDATES).chain(table(WINDOWS))
}

const UPDATES: &[Row] = &[
    sends(
        "flow/zero-connection",
        UPDATE,
        "An increment of 0 on the connection",
        |_| window_update(0, 0),
        Want::Goaway(&[PROTOCOL_ERROR]),
    ),
    sends(
        "flow/zero-stream",
        UPDATE,
        "An increment of 0 on a stream",
        |site| [site.open(1), window_update(1, 0)].concat(),
        Want::Reset(1, &[PROTOCOL_ERROR]),
    ),
    sends(
        "flow/zero-reserved",
        UPDATE,
        "An increment of 0 with the reserved bit",
        |_| window_update(0, 1 << 31),
        Want::Goaway(&[PROTOCOL_ERROR]),
    ),
    sends(
        "flow/overflow-connection",
        WINDOW,
        "The connection's window over 2^31 - 1",
        |_| window_update(0, WINDOW_MAX),
        FLOW,
    ),
    sends(
        "flow/overflow-connection-by-one",
        WINDOW,
        "The connection's window over it by 1",
        |_| [window_update(0, WINDOW_MAX - START), window_update(0, 1)].concat(),
        FLOW,
    ),
    sends(
        "flow/overflow-stream",
        WINDOW,
        "A stream's window over 2^31 - 1",
        |site| [site.open(1), window_update(1, WINDOW_MAX)].concat(),
        FLOW_STREAM,
    ),
    sends(
        "flow/overflow-stream-by-one",
        WINDOW,
        "A stream's window over it by 1",
        |site| [site.open(1), window_update(1, WINDOW_MAX - START), window_update(1, 1)].concat(),
        FLOW_STREAM,
    ),
    sends(
        "flow/largest-connection",
        WINDOW,
        "The connection's window of 2^31 - 1",
        |_| window_update(0, WINDOW_MAX - START),
        Want::Fine,
    ),
    sends(
        "flow/largest-stream",
        WINDOW,
        "A stream's window of 2^31 - 1",
        |site| [site.open(1), window_update(1, WINDOW_MAX - START)].concat(),
        Want::Fine,
    ),
    sends(
        "flow/overflow-by-settings",
        INITIAL,
        "SETTINGS that make a stream's window too large",
        |site| {
            let update = window_update(1, WINDOW_MAX - START);
            [site.open(1), update, settings(&[(INITIAL_WINDOW_SIZE, START + 1)])].concat()
        },
        FLOW,
    ),
    sends(
        "flow/settings-leave-connection",
        INITIAL,
        "SETTINGS do not change the connection's window",
        |_| {
            let update = window_update(0, WINDOW_MAX - START);
            [update, settings(&[(INITIAL_WINDOW_SIZE, START + 1)])].concat()
        },
        Want::Fine,
    ),
];

const WINDOWS: &[Row] = &[
    free("flow/window-0", WINDOW, "A head, and no content, in a window of 0", |target| {
        let mut peer = narrow(target, 0)?;
        rests_at(&mut peer, 1, 0)
    }),
    free(
        "flow/window-1",
        WINDOW,
        "One byte in a window of 1, and the rest in a larger one",
        |target| {
            let mut peer = narrow(target, 1)?;
            rests_at(&mut peer, 1, 1)?;
            peer.grant(1, 1_000_000);
            peer.gives_back = true;
            peer.expect_answer(1)
        },
    ),
    free("flow/updates-count", WINDOW, "Each WINDOW_UPDATE brings as many bytes", |target| {
        let mut peer = narrow(target, 0)?;
        rests_at(&mut peer, 1, 0)?;
        for len in 1..=3 {
            peer.grant(1, 1);
            rests_at(&mut peer, 1, len)?;
        }
        Ok(())
    }),
    free(
        "flow/update-before-answer",
        WINDOW,
        "A WINDOW_UPDATE right behind the request",
        |target| {
            let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, 0)])?;
            peer.gives_back = false;
            peer.send(&target.site.ask(1));
            peer.grant(1, 3);
            rests_at(&mut peer, 1, 3)
        },
    ),
    free(
        "flow/settings-open",
        INITIAL,
        "SETTINGS open the windows of streams that wait",
        |target| {
            let mut peer = narrow(target, 0)?;
            rests_at(&mut peer, 1, 0)?;
            peer.set(&[(INITIAL_WINDOW_SIZE, 2)]);
            rests_at(&mut peer, 1, 2)
        },
    ),
    free("flow/settings-negative", INITIAL, "A window that SETTINGS make negative", |target| {
        let mut peer = narrow(target, 3)?;
        rests_at(&mut peer, 1, 3)?;
        peer.set(&[(INITIAL_WINDOW_SIZE, 1)]);
        peer.grant(1, 2);
        rests_at(&mut peer, 1, 3)?;
        peer.grant(1, 1);
        rests_at(&mut peer, 1, 4)
    }),
    free(
        "flow/one-stream-waits",
        "RFC 9113 §5.2.2",
        "A stream that waits leaves the others",
        |target| {
            let mut peer = narrow(target, 0)?;
            rests_at(&mut peer, 1, 0)?;
            peer.send(&target.site.ask(3));
            peer.grant(3, 10_000_000);
            peer.gives_back = true;
            peer.expect_answer(3)
        },
    ),
    free("flow/head-needs-none", WINDOW, "An answer without content needs no window", |target| {
        let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, 0)])?;
        peer.send(&headers(1, WHOLE, target.site.request("HEAD", &target.site.page)));
        peer.expect_answer(1)
    }),
    free(
        "flow/connection-window",
        WINDOW,
        "The connection's window bounds all streams together",
        connection_window,
    ),
    free(
        "flow/connection-window-ping",
        "RFC 9113 §5.2.1",
        "PING is answered when the windows are used up",
        |target| {
            let (mut peer, _) = used_up(target)?;
            peer.expect_alive()
        },
    ),
    free("flow/gives-back", WINDOW, "Content of 200,000 bytes is let in", |target| {
        let mut peer = Peer::ready(target)?;
        peer.send(&target.site.open(1));
        upload(&mut peer, 200_000)?;
        let status = peer.until(|peer| peer.status(1).is_some()).then(|| peer.status(1)).flatten();
        match status {
            Some(200..=299 | 413) => Ok(()),
            _ => failed("a status 2xx or 413", peer.story()),
        }
    }),
    free(
        "flow/gives-back-after-reset",
        UPDATE,
        "Content of streams that were reset comes back to the connection",
        |target| {
            let mut peer = Peer::ready(target)?;
            let mut sent = 0_i64;
            for at in 0..60_u32 {
                let id = 2 * at + 1;
                // Malformed: the server ends the stream, and discards what was on its way.
                peer.send(&headers(id, 4, target.site.post().field("connection", "x")));
                for _ in 0..4 {
                    sent += 16_383;
                    if !peer.until(|peer| sent <= peer.granted[&0]) {
                        return failed("WINDOW_UPDATE on the connection", peer.story());
                    }
                    peer.send(&data(id, NONE, vec![0; 16_383]));
                }
            }
            peer.expect_page(target, 1_001)
        },
    ),
    seeing("flow/exceeded-stream", WINDOW, "Content above a stream's window", |target| {
        let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, 0)])?;
        peer.gives_back = false;
        let mut socket = Socket::open_on(&mut peer, target, 1)?;
        fill(&mut peer, &mut socket)?;
        peer.send(&data(1, NONE, "x"));
        FLOW_STREAM.judge(&mut peer, true)
    }),
    seeing("flow/exceeded-connection", WINDOW, "Content above the connection's window", exceeded),
];

/// A request for the page in a window of so many bytes, which are not given back.
fn narrow(target: &Target, window: u32) -> Result<Peer, Miss> {
    let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, window)])?;
    peer.gives_back = false;
    peer.send(&target.site.ask(1));
    match peer.until(|peer| peer.status(1).is_some()) {
        true => Ok(peer),
        false => failed("an answer", peer.story()),
    }
}

/// The content comes to this length, and goes no further.
fn rests_at(peer: &mut Peer, stream: u32, len: usize) -> Outcome {
    peer.until(|peer| peer.content(stream).len() >= len);
    peer.within(Duration::from_millis(150), |_| false);
    match (peer.content(stream).len(), &peer.fault) {
        (seen, None) if seen == len => Ok(()),
        (seen, None) => failed(format!("{len} bytes"), format!("{seen} bytes: {}", peer.story())),
        (_, Some(fault)) => failed(format!("{len} bytes"), fault),
    }
}

/// Requests until the connection's window is used up.
fn used_up(target: &Target) -> Result<(Peer, usize), Miss> {
    let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, WINDOW_MAX)])?;
    peer.gives_back = false;
    let all = |peer: &Peer| peer.streams.values().map(|it| it.content.len()).sum::<usize>();
    let full = usize::try_from(START).unwrap_or(usize::MAX);
    for at in 0..100 {
        peer.send(&target.site.ask(2 * at + 1));
        if !peer.until(|peer| peer.is_done(2 * at + 1) || all(peer) >= full) {
            return failed("an answer", peer.story());
        }
        if all(&peer) >= full {
            return Ok((peer, full));
        }
    }
    skipped("a hundred pages fit in the window")
}

fn connection_window(target: &Target) -> Outcome {
    let (mut peer, full) = used_up(target)?;
    let all = |peer: &Peer| peer.streams.values().map(|it| it.content.len()).sum::<usize>();
    peer.send(&target.site.ask(501));
    peer.within(Duration::from_millis(300), |_| false);
    if all(&peer) != full || peer.fault.is_some() {
        return failed("nothing above the window", peer.story());
    }
    peer.grant(0, 10);
    peer.until(|peer| all(peer) >= full + 10);
    peer.within(Duration::from_millis(150), |_| false);
    match all(&peer) == full + 10 && peer.fault.is_none() {
        true => Ok(()),
        false => failed("10 bytes more", peer.story()),
    }
}

/// Content as the windows allow it.
fn upload(peer: &mut Peer, len: usize) -> Outcome {
    let mut sent = 0_i64;
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let stream = i64::from(peer.setting(INITIAL_WINDOW_SIZE, START));
    while sent < len {
        let chunk = (len - sent).min(16_000);
        let is_open = |peer: &Peer| {
            let more = peer.granted.get(&1).copied().unwrap_or(0);
            sent + chunk <= peer.granted[&0] && sent + chunk <= stream + more
        };
        if !peer.until(|peer| is_open(peer) || peer.status(1).is_some()) {
            return failed("WINDOW_UPDATE", peer.story());
        }
        if peer.status(1).is_some() {
            return Ok(());
        }
        sent += chunk;
        let flags = if sent == len { END_STREAM } else { NONE };
        peer.send(&data(1, flags, vec![b'x'; usize::try_from(chunk).unwrap_or(0)]));
    }
    Ok(())
}

/// Messages that the server cannot echo, until it lets no more in.
fn fill(peer: &mut Peer, socket: &mut Socket) -> Outcome {
    const BYTES_MAX: i64 = 64 << 20;
    let id = socket.stream;
    let stream = i64::from(peer.setting(INITIAL_WINDOW_SIZE, START));
    let mut bytes = message(BINARY, &[b'x'; 8_000]).repeat(9_000);
    let mut sent = socket.sent;
    while sent < BYTES_MAX {
        let room = |peer: &Peer| {
            let more = peer.granted.get(&id).copied().unwrap_or(0);
            (stream + more - sent).min(peer.granted[&0] - sent)
        };
        let left = room(peer).clamp(0, 16_000);
        if left == 0 {
            if peer.within(Duration::from_secs(1), |peer| room(peer) > 0) {
                continue;
            }
            socket.sent = sent;
            return match peer.stream(id).is_some_and(|it| it.ended || it.reset.is_some()) {
                true => skipped(format!("the server ended the stream instead: {}", peer.story())),
                false => Ok(()),
            };
        }
        let part: Vec<u8> = bytes.drain(..usize::try_from(left).unwrap_or(0)).collect();
        peer.send(&data(id, NONE, part));
        sent += left;
    }
    skipped("the window does not close within 64 MiB")
}

/// Servers whose connection has a window of its own close it; others grant it for ever.
fn exceeded(target: &Target) -> Seen {
    let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, 0)])?;
    peer.gives_back = false;
    let mut sent = 0_i64;
    for at in 0..40 {
        let mut socket = Socket::open_on(&mut peer, target, 2 * at + 1)?;
        let before = sent;
        socket.sent = 0;
        let held = window_of(&mut peer, &socket, &mut sent);
        // A server that only waits for a larger update to give grants it late.
        let is_closed = |peer: &Peer| peer.granted[&0] - sent <= 0;
        let opens = peer.within(Duration::from_secs(1), |peer| !is_closed(peer));
        if held && !opens {
            peer.send(&data(socket.stream, NONE, "x"));
            return FLOW.judge(&mut peer, true);
        }
        if sent - before > 32 << 20 {
            break;
        }
    }
    peer.expect_alive()?;
    Ok(format!("the connection's window stays open ({sent} bytes)"))
}

/// Fills one stream's window without regard to what was sent elsewhere; true if it stays closed.
fn window_of(peer: &mut Peer, socket: &Socket, sent: &mut i64) -> bool {
    let id = socket.stream;
    let stream = i64::from(peer.setting(INITIAL_WINDOW_SIZE, START));
    let mut here = 0_i64;
    let mut bytes = message(BINARY, &[b'x'; 8_000]).repeat(300);
    while here < 2_000_000 {
        let more = peer.granted.get(&id).copied().unwrap_or(0);
        let left = (stream + more - here).min(peer.granted[&0] - *sent).clamp(0, 16_000);
        if left == 0 {
            let (was, all) = (stream + more, peer.granted[&0]);
            let opens = |peer: &Peer| {
                stream + peer.granted.get(&id).copied().unwrap_or(0) > was || peer.granted[&0] > all
            };
            if peer.within(Duration::from_millis(100), opens) {
                continue;
            }
            return true;
        }
        let part: Vec<u8> = bytes.drain(..usize::try_from(left).unwrap_or(0)).collect();
        peer.send(&data(id, NONE, part));
        here += left;
        *sent += left;
    }
    false
}
