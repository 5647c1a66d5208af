//! Held requests of a peer that does not read: the application builds no answer before there is room for it.

use sockeye_http2::{EndStream, ErrorCode, StreamId};
use sockeye_server::{CloseCause, Deadline, Limits, StreamKey};

use super::client::Client;
use super::waiting::{read_on, send};
use crate::simulation::stage::{Stage, Told, get};

const BODY_BYTES: usize = 60_000;

/// What a peer that does not read may cause.
fn bytes_max() -> usize {
    Limits::default().outbox_pause_bytes + BODY_BYTES
}

/// Sockets take so much, and pages are long.
fn stage(room_max: usize) -> Stage {
    let mut stage = Stage::new(room_max, |_| {});
    stage.server.app_mut().body = vec![b'x'; BODY_BYTES];
    stage
}

fn ask(client: &mut Client, count: usize) -> Vec<StreamId> {
    (0..count).map(|_| client.send("GET", "/page", &[], EndStream::Yes)).collect()
}

fn built(stage: &mut Stage) -> usize {
    stage.server.app_mut().pages_built * BODY_BYTES
}

fn put_off(stage: &mut Stage) -> Vec<StreamKey> {
    stage.server.app_mut().put_off.iter().copied().collect()
}

/// [server:http2-held-answers-wait]
#[test]
fn held_requests_of_a_peer_that_does_not_read_get_few_answers() {
    let mut stage = stage(4_096);
    let mut client = Client::with_window(&mut stage, 1 << 20);
    // All of them are held before the first one is answered.
    let streams = ask(&mut client, 40);
    send(&mut stage, &mut client);
    let before = built(&mut stage);
    assert!((1..=bytes_max()).contains(&before), "{before} bytes");
    assert_eq!(stage.server.stats().requests, 40);
    assert_eq!(put_off(&mut stage).len(), 40 - before / BODY_BYTES);
    // Time alone brings nothing, and nobody is kept awake.
    stage.pass(5_000);
    assert_eq!(built(&mut stage), before);
    assert!(!stage.server.is_busy());
    // All are answered as soon as the peer reads, the oldest first, and each is told once that it may be.
    stage.told();
    read_on(&mut stage, &mut client);
    for stream in &streams {
        let got = &client.got[stream];
        assert_eq!((got.status, got.body.len(), got.ended), (200, BODY_BYTES, true), "{stream:?}");
    }
    assert_eq!((stage.server.stats().refused, put_off(&mut stage).len()), (0, 0));
    let told = stage.told();
    let is_end = |it: &&Told| matches!(it, Told::Closed(_, CloseCause::Finished));
    assert_eq!(told.iter().filter(is_end).count(), 40 - before / BODY_BYTES, "{told:?}");
}

/// Other requests are served, and other frames heard, as far as there is room. [server:http2-held-answers-wait]
#[test]
fn a_request_that_is_put_off_stops_no_other() {
    let mut stage = stage(1 << 20);
    // Answers wait for the windows of their streams, as many as may.
    let mut client = Client::with_window(&mut stage, 1_000);
    client.withholds = true;
    let streams = ask(&mut client, 40);
    read_on(&mut stage, &mut client);
    let window = sockeye_http2::Limits::DEFAULT.connection_window_bytes as usize;
    let bytes = built(&mut stage);
    assert!((window..=window + 2 * BODY_BYTES).contains(&bytes), "{bytes} bytes");
    let waiting = put_off(&mut stage);
    assert_eq!(waiting.len(), 40 - bytes / BODY_BYTES);
    // A reset ends one that waits, and the end of one that is answered makes room for another.
    stage.told();
    for stream in [streams[39], streams[0]] {
        client.protocol.reset(stream, ErrorCode::CANCEL, &mut client.out).expect("it lives");
    }
    read_on(&mut stage, &mut client);
    let told = stage.told();
    let gone = *waiting.last().expect("many wait");
    assert!(told.contains(&Told::Closed(gone, CloseCause::Transport)), "{told:?}");
    assert!(!told.contains(&Told::Drained(gone)), "{told:?}");
    // A few are told, and the first one takes the room.
    let drained = told.iter().filter(|it| matches!(it, Told::Drained(_))).count();
    assert!((1..=8).contains(&drained), "{told:?}");
    assert_eq!(built(&mut stage), bytes + BODY_BYTES);
    // The windows open, and all others come.
    client.withholds = false;
    for stream in &streams[1..39] {
        client.protocol.consumed(*stream, client.got[stream].body.len(), &mut client.out);
    }
    read_on(&mut stage, &mut client);
    assert!(streams[1..39].iter().all(|stream| client.got[stream].body.len() == BODY_BYTES));
    assert_eq!(put_off(&mut stage), []);
}

/// The time of a hold stands still while the peer is to read, and then goes on. [server:http2-held-answers-wait]
#[test]
fn the_time_of_a_hold_stands_still_while_it_is_put_off() {
    let mut stage = stage(4_096);
    let mut client = Client::with_window(&mut stage, 1 << 20);
    ask(&mut client, 3);
    send(&mut stage, &mut client);
    stage.told();
    client.send("GET", "/hold/second", &[], EndStream::Yes);
    send(&mut stage, &mut client);
    // A request behind answers that are not read does not reach the application.
    assert_eq!(stage.told(), []);
    read_on(&mut stage, &mut client);
    let told = stage.told();
    let opened = told.iter().find_map(|it| match it {
        Told::Opened(stream) => Some(*stream),
        _ => None,
    });
    let held = opened.expect("it has come");
    ask(&mut client, 3);
    send(&mut stage, &mut client);
    stage.pass(600);
    stage.act(move |context| assert!(context.put_off(held) && context.put_off(held)));
    stage.told();
    stage.pass(5_000);
    assert_eq!(stage.told(), []);
    read_on(&mut stage, &mut client);
    let told = stage.told();
    assert_eq!(told.iter().filter(|it| **it == Told::Drained(held)).count(), 1, "{told:?}");
    stage.act(move |context| assert!(!context.put_off(held)));
    stage.pass(350);
    assert!(!stage.told().contains(&Told::Refused(held)));
    stage.pass(100);
    let closed = Told::Closed(held, CloseCause::Timeout(Deadline::Hold));
    assert_eq!(stage.told(), [Told::Refused(held), closed]);
}

/// A request that was put off may be answered all the same.
#[test]
fn a_request_that_is_put_off_may_be_answered() {
    let mut stage = stage(4_096);
    let mut client = Client::with_window(&mut stage, 1 << 20);
    let streams = ask(&mut client, 10);
    send(&mut stage, &mut client);
    let waiting = put_off(&mut stage);
    stage.told();
    for stream in &waiting {
        let stream = *stream;
        stage.act(move |context| context.close(stream, sockeye_server::CloseCode::NORMAL, ""));
    }
    read_on(&mut stage, &mut client);
    let told = stage.told();
    assert!(!told.iter().any(|it| matches!(it, Told::Drained(_))), "{told:?}");
    let of = |status| client.got.values().filter(|got| got.status == status).count();
    assert_eq!((of(503), of(200)), (waiting.len(), streams.len() - waiting.len()));
}

/// A connection that ends takes them with it.
#[test]
fn the_end_of_a_connection_ends_requests_that_are_put_off() {
    let mut stage = stage(4_096);
    let mut client = Client::with_window(&mut stage, 1 << 20);
    ask(&mut client, 40);
    send(&mut stage, &mut client);
    stage.pass(Limits::default().write_stall_ms + 20);
    stage.pass(Limits::default().write_stall_ms + 20);
    let stats = stage.server.stats();
    assert_eq!((stage.server.connections(), stats.http2_streams), (0, stats.http2_streams_closed));
    assert_eq!(put_off(&mut stage), []);
}

/// Over HTTP/1.1 nothing is put off: a request is read only when the answers before it were.
#[test]
fn no_request_of_http1_is_put_off() {
    let mut stage = stage(4_096);
    let _deaf = stage.peer(&get("/page").repeat(10));
    (0..100).for_each(|_| stage.turn());
    assert_eq!((put_off(&mut stage).len(), stage.server.app_mut().pages_built), (0, 1));
}
