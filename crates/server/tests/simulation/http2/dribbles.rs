//! Peers that send a little at a time, and peers that take nothing of what they cause.

use std::collections::BTreeMap;

use sockeye_http2::{EndStream, ErrorCode};
use sockeye_server::{CloseCause, Deadline, Limits};
use sockeye_simnet::Peer;

use super::abuse::raw;
use super::client::{Client, frame};
use super::stage;
use crate::simulation::stage::{Stage, Told};

/// Another client is served.
fn is_served(stage: &mut Stage, client: &mut Client) {
    let stream = client.get(stage, "/fine");
    assert_eq!((client.got[&stream].text(), client.goaway), ("/fine".to_owned(), None));
}

/// Content is counted by its bytes, in however many frames they come. [server:http2-dribble]
#[test]
fn content_in_single_bytes_has_its_bound() {
    let mut stage = stage();
    let max = Limits::default().body_bytes_max;
    let mut other = Client::connect(&mut stage);
    let mut client = Client::connect(&mut stage);
    let stream = client.send("POST", "/post", &[], EndStream::No);
    for _ in 0..max / 64 {
        (0..64).for_each(|_| assert_eq!(client.write(stream, b"x", EndStream::No), 1));
        client.pump(&mut stage);
    }
    is_served(&mut stage, &mut other);
    assert_eq!(client.got[&stream].status, 0, "{max} bytes are within the bound");
    client.write(stream, b"x", EndStream::No);
    client.pump(&mut stage);
    assert_eq!((client.got[&stream].status, stage.server.stats().refused), (413, 1));
    // Only the request is over.
    is_served(&mut stage, &mut client);
    is_served(&mut stage, &mut other);
}

/// Each byte that comes is no new time. [server:http2-dribble]
#[test]
fn content_that_dribbles_is_late() {
    const STEP_MS: u64 = 1_000;
    let mut stage = stage();
    let mut other = Client::connect(&mut stage);
    let mut client = Client::connect(&mut stage);
    let stream = client.send("POST", "/post", &[], EndStream::No);
    client.pump(&mut stage);
    for _ in 1..Limits::default().body_ms / STEP_MS {
        stage.pass(STEP_MS);
        client.write(stream, b"x", EndStream::No);
        client.pump(&mut stage);
        assert_eq!(client.got[&stream].status, 0);
    }
    stage.pass(STEP_MS + 20);
    client.pump(&mut stage);
    assert_eq!(client.got[&stream].status, 408);
    is_served(&mut stage, &mut client);
    is_served(&mut stage, &mut other);
}

/// [server:http2-dribble]
#[test]
fn a_message_in_single_bytes_is_no_abuse() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let socket = client.web_socket(&mut stage, "/ws");
    for at in 1..=3 {
        for part in frame(2, &[b'x'; 20_000]).chunks(64) {
            for byte in part {
                assert_eq!(client.write(socket, &[*byte], EndStream::No), 1);
            }
            client.pump(&mut stage);
        }
        assert_eq!(stage.server.stats().messages_received, at);
    }
    assert_eq!((client.goaway, client.got[&socket].reset), (None, None));
}

/// A message without end is closed with 1008, whatever comes of it. [server:message-deadline]
#[test]
fn a_message_that_never_ends_is_closed() {
    const STEP_MS: u64 = 10_000;
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let other = client.web_socket(&mut stage, "/ws");
    let socket = client.web_socket(&mut stage, "/ws");
    let message = frame(2, &[b'x'; 1_000]);
    client.write(socket, &message[..20], EndStream::No);
    client.pump(&mut stage);
    stage.told();
    let mut rest = message[20..].iter();
    for _ in 1..Limits::default().message_ms / STEP_MS {
        stage.pass(STEP_MS);
        for stream in [socket, other] {
            let pong = frame(10, b"");
            let part = if stream == other {
                &pong[..]
            } else {
                rest.next().map_or(&[][..], core::slice::from_ref)
            };
            client.write(stream, part, EndStream::No);
        }
        client.pump(&mut stage);
        assert_eq!(client.take(socket), b"");
    }
    stage.pass(STEP_MS + 20);
    client.pump(&mut stage);
    assert_eq!(client.take(socket), [0x88, 2, 0x03, 0xf0]);
    // The client of good will that it may be answers.
    client.write(socket, &frame(8, &[0x03, 0xf0]), EndStream::Yes);
    client.pump(&mut stage);
    let closed: Vec<_> =
        stage.told().into_iter().filter(|it| matches!(it, Told::Closed(..))).collect();
    let [Told::Closed(_, cause)] = &closed[..] else { panic!("{closed:?}") };
    assert_eq!(*cause, CloseCause::Timeout(Deadline::Message));
    assert_eq!((client.goaway, client.got[&other].ended), (None, false));
}

/// A head of 4 KiB for the table and sixty references to it: over the bounds of a head, and under that which
/// ends the connection.
fn short_references(stream: u32) -> Vec<u8> {
    let mut block = b"\x82\x86\x84\x41\x03sim\x40\x01x\x7f\xa1\x1e".to_vec();
    block.extend([b'v'; 4_000]);
    block.extend([0xbe; 60]);
    raw(1, 5, stream, &block)
}

/// How many frames of each type came, and the bytes in all of them; and the code of a GOAWAY.
fn look(peer: &mut Peer) -> (BTreeMap<u8, usize>, usize, Option<ErrorCode>) {
    let bytes = peer.read(usize::MAX).unwrap_or_default();
    let (mut count, mut code, mut rest) = (BTreeMap::new(), None, &bytes[..]);
    while let [a, b, c, kind, _, _, _, _, _, more @ ..] = rest {
        let (payload, next) = more.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
        *count.entry(*kind).or_default() += 1;
        if *kind == 7 {
            code =
                Some(ErrorCode::new(u32::from_be_bytes(payload[4..8].try_into().expect("four"))));
        }
        rest = next;
    }
    (count, bytes.len(), code)
}

/// References of one byte from a client that takes nothing: each head is answered with 431 until as many
/// answers wait as streams may be open. The others are refused, and their number is bounded, too.
/// [server:http2-abuse]
#[test]
fn references_with_a_shut_window_are_bounded() {
    const STREAMS: usize = 256;
    const RESETS: usize = 512;
    const SHUT: [u8; 6] = [0, 4, 0, 0, 0, 0];
    let mut stage = stage();
    let mut other = Client::connect(&mut stage);
    let mut peer = stage.peer("");
    peer.write(&[sockeye_http2::PREFACE.to_vec(), raw(4, 0, 0, &SHUT)].concat());
    stage.turns();
    peer.read(usize::MAX);
    let mut next = 1;
    let mut send = |stage: &mut Stage, peer: &mut Peer| {
        peer.write(&short_references(next));
        next += 2;
        stage.turns();
    };
    (0..STREAMS).for_each(|_| send(&mut stage, &mut peer));
    let (count, bytes, code) = look(&mut peer);
    assert_eq!((count, code), (BTreeMap::from([(1, STREAMS)]), None), "a head each, no content");
    assert!(bytes < STREAMS * 100, "{bytes} bytes");
    assert_eq!(stage.server.stats().refused, STREAMS as u64);
    (0..RESETS).for_each(|_| send(&mut stage, &mut peer));
    assert_eq!(look(&mut peer).0, BTreeMap::from([(3, RESETS)]), "REFUSED_STREAM each");
    is_served(&mut stage, &mut other);
    send(&mut stage, &mut peer);
    let calm = ErrorCode::ENHANCE_YOUR_CALM;
    assert_eq!(look(&mut peer).2, Some(calm));
    assert_eq!(peer.read(usize::MAX), None, "the server's direction ends");
    peer.shutdown();
    stage.turns();
    assert_eq!(stage.server.connections(), 1);
    is_served(&mut stage, &mut other);
}

/// What waits while the window is shut is a short text for each stream, and not what the references stood for.
/// [server:http2-abuse]
#[test]
fn answers_to_references_are_short() {
    const ANSWERS: u32 = 256;
    let mut stage = stage();
    let mut peer = stage.peer("");
    peer.write(&[sockeye_http2::PREFACE.to_vec(), raw(4, 0, 0, &[0, 4, 0, 0, 0, 0])].concat());
    (0..ANSWERS).for_each(|at| peer.write(&short_references(2 * at + 1)));
    (0..20).for_each(|_| stage.turns());
    peer.read(usize::MAX);
    peer.write(&raw(4, 0, 0, &[0, 4, 0, 1, 0, 0]));
    (0..20).for_each(|_| stage.turns());
    let (count, bytes, code) = look(&mut peer);
    assert_eq!((count.get(&0), code), (Some(&(ANSWERS as usize)), None));
    assert!(bytes < ANSWERS as usize * 100, "{bytes} bytes waited");
}
