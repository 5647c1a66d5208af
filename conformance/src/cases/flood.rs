//! Loads that a server must survive: each ends with a look whether others are still served.

use core::time::Duration;
use std::time::Instant;

use crate::case::{Case, Miss, Outcome, Pace, Row, case, failed, on_open, table};
use crate::http::Request;
use crate::peer::{Peer, Seen};
use crate::target::Target;
use crate::wire::{
    BINARY, CLOSE, Form, PONG, TEXT, binary, bytes_of, continuation, fragments, frame, ping, text,
};

const LIMITS: &str = "RFC 6455 §10.4";
const PINGS: &str = "RFC 6455 §5.5.3";
/// How many times as long as an ordinary answer a flood may take, on a slow machine.
const FLOOD: u32 = 6;
const COUNTED: &str = "handled, or refused with 1008 or 1009: never endless work, never silence";

/// All flood cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS).map(|case| case.paced(Pace::Alone))
}

const ROWS: &[Row] = &[
    case("flood/empty-fragments", LIMITS, "100 000 empty fragments", |target| {
        let mut frames = vec![continuation("").unfinished(); 100_000];
        frames[0] = frame(BINARY, "").unfinished();
        frames.push(continuation(""));
        handled(target, bytes_of(&frames), b"")
    })
    .policy(COUNTED),
    case("flood/one-byte-fragments", LIMITS, "A million fragments of one byte", |target| {
        let payload = vec![b'x'; 1_000_000];
        handled(target, bytes_of(&fragments(BINARY, &payload, 1)), &payload)
    })
    .policy(COUNTED),
    case(
        "flood/endless-empty-fragments",
        LIMITS,
        "Empty fragments that never end are cut off",
        endless_empty,
    )
    .policy("a message without bytes and without end is work for nothing"),
    on_open(
        "flood/pings-in-one-packet",
        PINGS,
        "1000 Pings at once: Pongs in order, the last one among them",
        pings_at_once,
    ),
    case("flood/pings-unread", LIMITS, "Pings from a client that never reads", |target| {
        unread(target, &ping([b'p'; 125]).bytes())
    }),
    case("flood/echoes-unread", LIMITS, "Messages from a client that never reads", |target| {
        unread(target, &binary([b'm'; 60_000]).bytes())
    }),
    case(
        "flood/small-messages",
        "RFC 6455 §5.2",
        "50 000 messages of one byte all come back",
        small_messages,
    ),
    case("flood/claimed-lengths", LIMITS, "100 connections that each claim 2^40 bytes", |target| {
        crowd(target, 100, |peer| peer.send(&binary("x").form(Form::Claim(1 << 40)).bytes()))
    }),
    case(
        "flood/idle-crowd",
        LIMITS,
        "200 idle connections at a time, all of which work",
        idle_crowd,
    ),
    case(
        "flood/churn",
        "RFC 6455 §7.2.1",
        "200 connections that vanish, one after the other",
        churn,
    ),
    case("flood/half-heads", LIMITS, "100 half requests do not keep others out", half_heads),
    case("flood/not-http", "RFC 9112 §3", "A megabyte that is not HTTP is refused", not_http)
        .policy("the first byte shows it: reading on only costs"),
];

/// A second client must be served.
fn others_served(target: &Target) -> Outcome {
    let mut other = Peer::open(target)?;
    other.timeout = target.timeout * FLOOD;
    other.send_frames(&[text("still there?")]);
    other.expect_text("still there?")
}

fn handled(target: &Target, bytes: Vec<u8>, echo: &[u8]) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.timeout = target.timeout * FLOOD;
    peer.send_aside(bytes);
    match peer.message() {
        Ok(message) if message.payload == echo => {}
        Ok(message) => return failed("the echo", format!("{} bytes", message.payload.len())),
        Err(Miss::Failed { seen, .. })
            if ["Close 1008", "Close 1009"].iter().any(|code| seen.starts_with(code)) => {}
        Err(Miss::Failed { seen, .. }) => {
            return failed("the echo, Close 1008 or Close 1009", seen);
        }
        Err(miss) => return Err(miss),
    }
    others_served(target)
}

fn endless_empty(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.timeout = target.timeout * FLOOD;
    let mut bytes = text("").unfinished().bytes();
    bytes.extend(continuation("").unfinished().bytes().repeat(5_000_000));
    peer.send_aside(bytes);
    match peer.next() {
        Seen::Frame(frame)
            if frame.opcode == CLOSE && matches!(frame.close_code(), Some(1008 | 1009)) => {}
        seen => return failed("Close 1008 or 1009 within 30 MB", seen),
    }
    others_served(target)
}

fn pings_at_once(peer: &mut Peer) -> Outcome {
    let mut frames: Vec<_> = (0..1000u32).map(|i| ping(i.to_be_bytes())).collect();
    frames.push(text("end"));
    peer.send_aside(bytes_of(&frames));
    let mut last = None;
    while last != Some(999) {
        match peer.next() {
            Seen::Frame(frame) if frame.opcode == PONG => {
                let number = frame.payload.first_chunk().map(|&bytes| u32::from_be_bytes(bytes));
                if number.is_none_or(|number| number > 999) || number <= last {
                    return failed("Pongs in the order of the Pings", frame);
                }
                last = number;
            }
            // The echo may overtake Pongs, which nothing forbids.
            Seen::Frame(frame) if frame.opcode == TEXT && frame.payload == b"end" => {}
            seen => return failed("the Pong of the last Ping", seen),
        }
    }
    Ok(())
}

/// Writes for two seconds, or until the server takes no more, and never reads.
fn unread(target: &Target, bytes: &[u8]) -> Outcome {
    let peer = Peer::open(target)?;
    let chunk = bytes.repeat(65_536 / bytes.len() + 1);
    let until = Instant::now() + Duration::from_secs(2);
    let mut written = 0usize;
    while Instant::now() < until && written < 256 << 20 {
        match peer.try_send(&chunk, Duration::from_millis(500)) {
            Ok(()) => written += chunk.len(),
            Err(_) => break,
        }
    }
    others_served(target)
}

fn small_messages(target: &Target) -> Outcome {
    let mut peer = Peer::open(target)?;
    peer.timeout = target.timeout * FLOOD;
    peer.send_aside(text("x").bytes().repeat(50_000));
    (0..50_000).try_for_each(|_| peer.expect_text("x"))
}

/// Connections that are all open at a time.
fn crowd(target: &Target, size: usize, each: impl Fn(&mut Peer)) -> Outcome {
    let mut peers = Vec::new();
    for _ in 0..size {
        let mut peer = Peer::open(target)?;
        each(&mut peer);
        peers.push(peer);
    }
    others_served(target)
}

fn idle_crowd(target: &Target) -> Outcome {
    let mut peers = Vec::new();
    for _ in 0..200 {
        peers.push(Peer::open(target)?);
    }
    peers.iter_mut().try_for_each(Peer::expect_alive)
}

fn churn(target: &Target) -> Outcome {
    for i in 0..200 {
        let mut peer = Peer::open(target)?;
        match i % 4 {
            0 => peer.send(&text("unread").bytes()),
            1 => peer.send(&text("cut off").bytes()[..5]),
            2 => peer.send(&text("half").unfinished().bytes()),
            _ => {}
        }
    }
    others_served(target)
}

fn half_heads(target: &Target) -> Outcome {
    let bytes = Request::upgrade(&target.echo).bytes();
    let mut peers = Vec::new();
    for i in 0..100 {
        let mut peer = Peer::connect(&target.echo, target.timeout)?;
        peer.send(&bytes[..i % (bytes.len() - 1)]);
        peers.push(peer);
    }
    others_served(target)
}

fn not_http(target: &Target) -> Outcome {
    let mut peer = Peer::connect(&target.echo, target.timeout)?;
    peer.send_aside(vec![0x16; 1 << 20]);
    match peer.take_when(|bytes| (bytes.len() >= 12).then_some(12)) {
        Ok(start) if start.starts_with(b"HTTP/1.1 4") => {}
        Ok(start) => return failed("a refusal or the end", start.escape_ascii()),
        Err(Seen::Fin | Seen::Reset) => {}
        Err(seen) => return failed("a refusal or the end", seen),
    }
    others_served(target)
}
