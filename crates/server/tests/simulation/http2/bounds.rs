//! Bounds on what a connection of HTTP/2 makes the server keep and do, and equal parts for its streams.

use std::collections::BTreeMap;

use sockeye_http2::{EndStream, ErrorCode, StreamId};
use sockeye_server::{CloseCode, Event, Limits, Rate, SharedEvent, StreamKey};
use sockeye_simnet::Peer;

use super::abuse::raw;
use super::client::{Client, frame};
use super::stage;
use crate::simulation::stage::{Stage, Told, upgrade};

/// A request for an event stream.
fn events(stream: u32) -> Vec<u8> {
    raw(1, 5, stream, &[&b"\x82\x86\x44\x07/events\x41\x03sim"[..]].concat())
}

fn reset(stream: u32) -> Vec<u8> {
    raw(3, 0, stream, &[0, 0, 0, 8])
}

/// The preface, and SETTINGS with windows of 1 MiB for streams.
fn hello() -> Vec<u8> {
    let mut bytes = sockeye_http2::PREFACE.to_vec();
    bytes.extend(raw(4, 0, 0, &[0, 4, 0, 16, 0, 0]));
    bytes
}

/// The keys of the streams that the application was told of.
fn opened(stage: &mut Stage) -> Vec<StreamKey> {
    let keys = stage.told().into_iter().filter_map(|told| match told {
        Told::Opened(key) => Some(key),
        _ => None,
    });
    keys.collect()
}

/// As many streams as the work of a turn allows, where no rate bounds their resets. [server:ends-keep-up]
#[test]
fn streams_end_as_fast_as_they_open() {
    const PAIRS: u32 = 3_000;
    let mut stage = Stage::new(1 << 20, |limits: &mut Limits| {
        let resets = Rate::new(PAIRS, 0);
        limits.http2 = Some({
            let mut limits = sockeye_http2::Limits::DEFAULT;
            limits.resets = resets;
            limits
        });
    });
    let mut attackers: Vec<Peer> = (0..4).map(|_| stage.peer("")).collect();
    for attacker in &mut attackers {
        attacker.write(&hello());
    }
    stage.turns();
    for attacker in &mut attackers {
        let pairs = (0..PAIRS).flat_map(|at| [events(2 * at + 1), reset(2 * at + 1)].concat());
        attacker.write(&pairs.collect::<Vec<u8>>());
    }
    let (mut open, mut all, mut turns) = (0_usize, 0, 0);
    while all < 4 * PAIRS {
        for attacker in &mut attackers {
            attacker.read(usize::MAX);
        }
        stage.turn();
        turns += 1;
        assert!(turns < 100, "{all} opened, {open} open");
        for told in stage.told() {
            match told {
                Told::Opened(_) => (open, all) = (open + 1, all + 1),
                Told::Closed(..) => open -= 1,
                _ => {}
            }
        }
        assert!(open < 128, "{open} streams whose end is not told");
    }
    (0..4).for_each(|_| stage.turn());
    assert!(!stage.server.is_busy(), "streams are still taken down");
    assert_eq!(stage.server.connections(), 4);
}

/// A WebSocket that is never served to its end keeps a window of bytes and no more.
/// [server:http2-backpressure] [server:leftover-bounded]
#[test]
fn used_bytes_are_not_kept() {
    let mut stage = Stage::new(1 << 20, |limits: &mut Limits| {
        limits.connection_units_max = 100;
        limits.leftover_bytes_max = 100_000;
    });
    let mut client = Client::connect(&mut stage);
    let socket = client.web_socket(&mut stage, "/ws");
    let message = frame(2, &[7; 10]);
    let mut unsent = Vec::new();
    for _ in 0..400 {
        while unsent.len() < 70_000 {
            unsent.extend_from_slice(&message);
        }
        let sent = client.write(socket, &unsent, EndStream::No);
        unsent.drain(..sent);
        client.peer.write(&core::mem::take(&mut client.out));
        stage.turn();
        client.take_in();
    }
    let served = stage.server.stats().messages_received;
    assert!(served > 20_000, "{served} messages");
    // With more left over a read brings 4 KiB.
    let mut other = stage.peer(&upgrade(""));
    other.write(&message.repeat(700));
    let before = stage.server.stats().bytes_received;
    stage.turn();
    assert_eq!(stage.server.stats().bytes_received - before, 700 * message.len() as u64);
}

/// The connection's window opens by one frame at a time. Streams take turns all the same, and none of them
/// is given up while its turn is still to come. [server:http2-turns] [server:http2-shut-window]
#[test]
fn a_window_that_opens_a_little_is_shared() {
    const STREAMS: u32 = 10;
    const BYTES: usize = 60_000;
    let mut stage = stage();
    let mut peer = stage.peer("");
    peer.write(&hello());
    for at in 0..STREAMS {
        peer.write(&events(2 * at + 1));
    }
    stage.turns();
    let keys = opened(&mut stage);
    assert_eq!(keys.len(), 10);
    stage.act(move |context| {
        let event = SharedEvent::new(&Event::message(&"x".repeat(BYTES)));
        for key in keys {
            context.send_shared_event(key, &event).expect("it is open");
        }
    });
    let mut got: BTreeMap<u32, usize> = BTreeMap::new();
    let whole = BYTES + b":\n\ndata: \n\n".len();
    for _ in 0..100 {
        count(&peer.read(usize::MAX).expect("it is open"), &mut got);
        let unfinished = got.values().filter(|got| **got < whole);
        let least = got.values().min().copied().unwrap_or(0);
        assert!(unfinished.clone().all(|got| *got <= least + 17_000), "{got:?}");
        if unfinished.count() == 0 && got.len() == 10 {
            break;
        }
        // A round takes longer than the peer of one stream has.
        peer.write(&raw(8, 0, 0, &[0, 0, 0x40, 0]));
        stage.pass(Limits::default().write_stall_ms / 8);
    }
    assert!(got.len() == 10 && got.values().all(|got| *got == whole), "{got:?}");
    assert_eq!(opened(&mut stage), []);
    // A window that does not open at all is another thing.
    let Some(Told::Opened(key)) = ({
        peer.write(&events(2 * STREAMS + 1));
        stage.turns();
        stage.told().pop()
    }) else {
        panic!("no stream was opened")
    };
    stage.act(move |context| {
        context.send_event(key, &Event::message(&"x".repeat(70_000))).expect("it is open");
    });
    stage.pass(Limits::default().write_stall_ms + 20);
    let closed = |told: &Told| matches!(told, Told::Closed(closed, _) if *closed == key);
    assert!(stage.told().iter().any(closed));
}

/// The end of a stream is no content: it goes out while others wait for the window of the connection, and they
/// get theirs once it opens. [server:http2-shut-window]
#[test]
fn an_end_needs_no_window() {
    const BYTES: usize = 60_000;
    let mut stage = stage();
    let mut peer = stage.peer("");
    let block = b"\x42\x07CONNECT\x40\x09:protocol\x09websocket\x44\x03/ws\x86\x41\x03sim\
        \x40\x15sec-websocket-version\x0213";
    peer.write(&[hello(), events(1), events(3), raw(1, 4, 5, block)].concat());
    stage.turns();
    let keys = opened(&mut stage);
    let [one, other, socket] = keys[..] else { panic!("{keys:?}") };
    stage.act(move |context| {
        context.close(socket, CloseCode::NORMAL, "");
        let event = SharedEvent::new(&Event::message(&"x".repeat(BYTES)));
        for key in [one, other] {
            context.send_shared_event(key, &event).expect("it is open");
        }
    });
    let mut got = BTreeMap::new();
    count(&peer.read(usize::MAX).expect("it is open"), &mut got);
    assert_eq!((got.values().sum::<usize>(), got[&5]), (65_535, 4), "the window, and a Close");
    peer.write(&raw(0, 0, 5, &frame(8, &[0x03, 0xe8])));
    stage.turns();
    assert_eq!(peer.read(usize::MAX), Some(raw(0, 1, 5, &[])));
    peer.write(&raw(8, 0, 0, &[0, 1, 0, 0]));
    stage.turns();
    count(&peer.read(usize::MAX).expect("it is open"), &mut got);
    let whole = BYTES + b":\n\ndata: \n\n".len();
    assert_eq!(got, BTreeMap::from([(1, whole), (3, whole), (5, 4)]));
}

/// Adds the content in whole frames to what each stream has got.
fn count(mut bytes: &[u8], got: &mut BTreeMap<u32, usize>) {
    while let [a, b, c, kind, _, id @ ..] = bytes {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let stream = u32::from_be_bytes(id[..4].try_into().expect("four bytes"));
        assert_ne!(*kind, 3, "stream {stream} was reset");
        if *kind == 0 {
            *got.entry(stream).or_default() += len;
        }
        bytes = &bytes[9 + len..];
    }
}

/// [server:http2-flush-bounded]
#[test]
fn frames_and_writes_are_paid() {
    let mut stage = stage();
    let mut peer = stage.peer("");
    peer.write(&hello());
    (0..100).for_each(|at| peer.write(&events(2 * at + 1)));
    stage.turns();
    let keys = opened(&mut stage);
    let units = |stage: &mut Stage, count: usize| {
        let keys = keys[..count].to_vec();
        let before = stage.server.stats().units;
        stage.act(move |context| {
            let event = SharedEvent::new(&Event::message("x"));
            for key in keys {
                context.send_shared_event(key, &event).expect("it is open");
            }
        });
        stage.server.stats().units - before
    };
    let (one, all) = (units(&mut stage, 1), units(&mut stage, 100));
    assert!(all >= one + 99, "{one} units for a frame, {all} for a hundred");
    // A long output goes on in the next turns.
    let mut limits = Limits::default();
    limits.turn_units_max = 100;
    stage.server.set_limits(limits);
    peer.write(&raw(8, 0, 0, &[0, 0x7f, 0, 0]));
    stage.turns();
    let some = keys[..20].to_vec();
    let sent = |stage: &Stage| stage.server.stats().bytes_sent;
    let before = sent(&stage);
    stage.act(move |context| {
        for key in some {
            let event = Event::message("0123456789abcdef");
            (0..2_000).for_each(|_| context.send_event(key, &event).expect("it is open"));
        }
    });
    let (mut last, mut turns) = (sent(&stage), 1);
    assert!(last - before < 120_000, "{} bytes in one turn", last - before);
    while last - before < 20 * 2_000 * 24 {
        peer.read(usize::MAX);
        stage.turn();
        let more = sent(&stage) - last;
        assert!(
            more < 120_000 && turns < 100,
            "{more} bytes, {turns} turns, {} in all",
            last - before
        );
        (last, turns) = (sent(&stage), turns + 1);
    }
    assert!(turns > 10, "{turns} turns");
}

/// [server:http2-contents-bounded]
#[test]
fn content_that_is_not_complete_is_bounded_in_sum() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let mut posts: Vec<StreamId> = Vec::new();
    for _ in 0..64 {
        let stream = client.send("POST", "/post", &[], EndStream::No);
        assert_eq!(client.write(stream, &[b'x'; 60_000], EndStream::No), 60_000);
        client.pump(&mut stage);
        posts.push(stream);
    }
    let refused = |client: &Client, stream: &StreamId| {
        let reset = client.got[stream].reset;
        assert!(reset.is_none_or(|code| code == ErrorCode::REFUSED_STREAM), "{reset:?}");
        reset.is_some()
    };
    let kept = posts.iter().take_while(|stream| !refused(&client, stream)).count();
    // 1 MiB.
    assert_eq!(kept, 17);
    assert!(posts[kept..].iter().all(|stream| refused(&client, stream)));
    assert_eq!(stage.server.stats().requests, 0);
    // The oldest go on, and make room for others.
    for stream in &posts[..kept] {
        client.write(*stream, b"y", EndStream::Yes);
    }
    client.pump(&mut stage);
    assert!(posts[..kept].iter().all(|stream| client.got[stream].status == 200));
    // Heads count, too.
    let long = "x".repeat(15_000);
    let heads: Vec<_> = (0..100)
        .map(|_| {
            let stream = client.send("POST", "/post", &[("X-Long", &long)], EndStream::No);
            client.pump(&mut stage);
            stream
        })
        .collect();
    let kept = heads.iter().filter(|stream| !refused(&client, stream)).count();
    assert!((60..75).contains(&kept), "{kept} heads");
    // One body may be as long as its own bound, whatever the sum may be.
    for stream in heads {
        let _ = client.protocol.reset(stream, ErrorCode::CANCEL, &mut client.out);
    }
    client.pump(&mut stage);
    let last = client.send("POST", "/post", &[], EndStream::No);
    client.write(last, &[b'x'; 65_000], EndStream::Yes);
    client.pump(&mut stage);
    assert_eq!((client.got[&last].status, client.goaway), (200, None));
}

/// A body passes its own bound, and with the same frame the bound of all. [server:http2-one-refusal]
#[test]
fn a_body_that_is_too_long_is_refused_once() {
    let mut stage = Stage::new(1 << 20, |limits: &mut Limits| {
        limits.body_bytes_max = 50_000;
        let few = sockeye_http2::Limits::DEFAULT;
        limits.http2 = Some({
            let mut limits = few;
            limits.connection_window_bytes = 65_535;
            limits
        });
    });
    let mut client = Client::connect(&mut stage);
    let mut post = |client: &mut Client, bytes: usize| {
        let stream = client.send("POST", "/post", &[], EndStream::No);
        assert_eq!(client.write(stream, &vec![b'x'; bytes], EndStream::No), bytes);
        client.pump(&mut stage);
        stream
    };
    let other = post(&mut client, 14_000);
    let long = post(&mut client, 49_900);
    assert_eq!((client.got[&long].status, client.got[&long].reset), (0, None));
    client.write(long, &[b'x'; 2_000], EndStream::No);
    client.pump(&mut stage);
    assert_eq!((client.got[&long].status, client.got[&long].reset), (413, None));
    assert_eq!(stage.server.stats().refused, 1);
    // What it had is counted no longer.
    client.write(other, &[b'x'; 30_000], EndStream::Yes);
    client.pump(&mut stage);
    assert_eq!((client.got[&other].status, client.got[&other].reset), (200, None));
}

/// Windows that stay shut, and answers of 60 KB. [server:http2-answers-bounded]
#[test]
fn answers_that_nobody_takes_are_bounded_in_sum() {
    let mut stage = stage();
    stage.server.app_mut().body = vec![b'x'; 60_000];
    let mut peer = stage.peer("");
    let windows = |bytes: u32| {
        let mut payload = vec![0, 4];
        payload.extend(bytes.to_be_bytes());
        raw(4, 0, 0, &payload)
    };
    peer.write(&[sockeye_http2::PREFACE.to_vec(), windows(0)].concat());
    let ask = |at: u32| raw(1, 5, 2 * at + 1, b"\x82\x86\x44\x04/now\x41\x03sim");
    peer.write(&(0..250).flat_map(ask).collect::<Vec<u8>>());
    (0..300).for_each(|_| stage.turn());
    let kinds = |bytes: &[u8]| {
        let (mut count, mut at) = ([0; 10], 0);
        while let [a, b, c, kind, ..] = &bytes[at..] {
            count[usize::from(*kind)] += 1;
            at += 9 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        }
        count
    };
    let count = kinds(&peer.read(usize::MAX).expect("it is open"));
    // 1 MiB, and the one that passes it.
    assert_eq!((count[1], count[3]), (18, 250 - 18), "heads and resets");
    // The windows open, and others are served.
    peer.write(&[windows(1 << 20), raw(8, 0, 0, &[0x7f, 0, 0, 0])].concat());
    let mut got = Vec::new();
    for _ in 0..40 {
        stage.turn();
        got.extend(peer.read(usize::MAX).expect("it is open"));
    }
    assert!((18 * 60_000..19 * 60_000).contains(&got.len()), "{} bytes", got.len());
    peer.write(&ask(250));
    stage.turns();
    assert_eq!(kinds(&peer.read(usize::MAX).expect("it is open"))[1], 1);
}

/// [server:http2-content]
#[test]
fn content_that_came_leaves_no_timer_behind() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let before = stage.server.timers();
    for _ in 0..500 {
        let stream = client.send("POST", "/post", &[], EndStream::No);
        client.pump(&mut stage);
        client.write(stream, b"content", EndStream::Yes);
        client.pump(&mut stage);
        assert_eq!(client.got[&stream].status, 200);
    }
    assert!(stage.server.timers() <= before + 1, "{} timers", stage.server.timers());
}

/// Each request has its own time, and that of a complete one does not matter. [server:http2-content]
#[test]
fn late_content_is_answered_one_by_one() {
    let mut stage = stage();
    let mut client = Client::connect(&mut stage);
    let body_ms = Limits::default().body_ms;
    let post = |stage: &mut Stage, client: &mut Client| {
        let stream = client.send("POST", "/post", &[], EndStream::No);
        client.pump(stage);
        stage.pass(5_000);
        stream
    };
    let posts: Vec<_> = (0..4).map(|_| post(&mut stage, &mut client)).collect();
    client.write(posts[0], b"x", EndStream::Yes);
    client.pump(&mut stage);
    let statuses =
        |client: &Client| posts.iter().map(|it| client.got[it].status).collect::<Vec<_>>();
    assert_eq!(statuses(&client), [200, 0, 0, 0]);
    stage.pass(body_ms - 15_000 - 20);
    client.pump(&mut stage);
    assert_eq!(statuses(&client), [200, 0, 0, 0]);
    stage.pass(60);
    client.pump(&mut stage);
    assert_eq!(statuses(&client), [200, 408, 0, 0]);
    stage.pass(20_000);
    client.pump(&mut stage);
    assert_eq!(statuses(&client), [200, 408, 408, 408]);
}
