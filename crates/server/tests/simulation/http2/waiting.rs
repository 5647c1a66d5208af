//! Requests of a peer that does not read: they wait, and the frames behind them do not.

use sockeye_http2::{EndStream, ErrorCode, StreamId};
use sockeye_server::Limits;

use super::client::Client;
use crate::simulation::stage::Stage;

const BODY_BYTES: usize = 60_000;

/// Sockets take little, and `/now` is answered with a lot.
fn stage() -> Stage {
    let mut stage = Stage::new(4_096, |_| {});
    stage.server.app_mut().body = vec![b'x'; BODY_BYTES];
    stage
}

fn client(stage: &mut Stage) -> Client {
    Client::with_window(stage, 1 << 20)
}

/// Sends what waits, and takes in nothing.
pub(super) fn send(stage: &mut Stage, client: &mut Client) {
    client.peer.write(&core::mem::take(&mut client.out));
    (0..100).for_each(|_| stage.turn());
}

/// Reads until nothing comes any more.
pub(super) fn read_on(stage: &mut Stage, client: &mut Client) {
    let len = |client: &Client| client.got.values().map(|got| got.body.len()).sum::<usize>();
    let mut quiet = 0;
    while quiet < 20 {
        let before = (len(client), client.out.len());
        client.pump(stage);
        quiet = if (len(client), 0) == before { quiet + 1 } else { 0 };
    }
}

fn ask(client: &mut Client, count: usize) -> Vec<StreamId> {
    (0..count).map(|_| client.send("GET", "/now", &[], EndStream::Yes)).collect()
}

/// The bytes of answers that the server has made, and none of which the peer has read.
fn answered(stage: &Stage) -> usize {
    usize::try_from(stage.server.stats().requests).expect("few") * BODY_BYTES
}

/// [server:http2-answers-wait]
#[test]
fn a_peer_that_does_not_read_gets_few_answers() {
    let mut stage = stage();
    let mut client = client(&mut stage);
    let streams = ask(&mut client, 40);
    send(&mut stage, &mut client);
    let bound = Limits::default().outbox_pause_bytes + BODY_BYTES;
    assert!((1..=bound).contains(&answered(&stage)), "{} bytes", answered(&stage));
    let before = stage.server.stats().requests;
    // Others wait likewise, in later reads, and with content.
    let late = ask(&mut client, 10);
    let post = client.send("POST", "/now", &[], EndStream::No);
    send(&mut stage, &mut client);
    assert_eq!(client.write(post, b"content", EndStream::Yes), 7);
    send(&mut stage, &mut client);
    assert_eq!(stage.server.stats().requests, before);
    // All of them are served as soon as the peer reads, and none is refused.
    read_on(&mut stage, &mut client);
    for stream in streams.iter().chain(&late).chain([&post]) {
        let got = &client.got[stream];
        assert_eq!((got.status, got.body.len(), got.ended), (200, BODY_BYTES, true), "{stream:?}");
    }
    assert_eq!(stage.server.stats().refused, 0);
}

/// Frames about windows and streams are handled meanwhile. [server:http2-answers-wait]
#[test]
fn frames_behind_requests_that_wait_are_heard() {
    let mut stage = stage();
    let mut client = client(&mut stage);
    let held = client.get(&mut stage, "/hold");
    let streams = ask(&mut client, 20);
    send(&mut stage, &mut client);
    let before = stage.server.stats().requests;
    // One that waits, one that is held, and one that is answered.
    for stream in [streams[19], held, streams[0]] {
        client.protocol.reset(stream, ErrorCode::CANCEL, &mut client.out).expect("it lives");
    }
    client.protocol.ping(*b"hear me!", &mut client.out).expect("it is open");
    send(&mut stage, &mut client);
    let stats = stage.server.stats();
    assert_eq!((stats.http2_resets_received, stats.requests), (3, before));
    read_on(&mut stage, &mut client);
    assert!(streams[1..19].iter().all(|stream| client.got[stream].body.len() == BODY_BYTES));
    assert_eq!((client.got[&streams[19]].status, client.goaway), (0, None));
}

/// A window that stays shut stops its own stream: the socket takes everything. [server:http2-answers-wait]
#[test]
fn answers_that_wait_for_windows_stop_no_request() {
    let mut stage = Stage::new(1 << 20, |_| {});
    stage.server.app_mut().body = vec![b'x'; BODY_BYTES];
    let mut client = Client::with_window(&mut stage, 1_000);
    client.withholds = true;
    let streams = ask(&mut client, 10);
    read_on(&mut stage, &mut client);
    for stream in &streams {
        assert_eq!((client.got[stream].status, client.got[stream].body.len()), (200, 1_000));
    }
    let fine = client.send("GET", "/fine", &[], EndStream::Yes);
    read_on(&mut stage, &mut client);
    assert_eq!((client.got[&fine].text(), client.got[&fine].ended), ("/fine".to_owned(), true));
    // They open, and the rest comes.
    for stream in &streams {
        client.protocol.consumed(*stream, 1_000, &mut client.out);
    }
    client.withholds = false;
    read_on(&mut stage, &mut client);
    assert!(streams.iter().all(|stream| client.got[stream].body.len() == BODY_BYTES));
}

/// The sum of the requests that wait is bounded: the youngest are refused. [server:http2-contents-bounded]
#[test]
fn requests_that_wait_are_bounded_in_sum() {
    let mut stage = stage();
    let mut client = client(&mut stage);
    ask(&mut client, 2);
    send(&mut stage, &mut client);
    let long = "x".repeat(15_000);
    let heads: Vec<_> = (0..100)
        .map(|_| client.send("GET", "/long", &[("X-Long", &long)], EndStream::Yes))
        .collect();
    send(&mut stage, &mut client);
    // 1 MiB has 68 of them.
    let refused = stage.server.stats().refused;
    assert!((25..40).contains(&refused), "{refused} of 100");
    read_on(&mut stage, &mut client);
    let refused = usize::try_from(refused).expect("few");
    for (at, stream) in heads.iter().enumerate() {
        let got = &client.got[stream];
        match at < 100 - refused {
            true => assert_eq!((got.text(), got.reset), ("/long".to_owned(), None)),
            false => assert_eq!((got.status, got.reset), (0, Some(ErrorCode::REFUSED_STREAM))),
        }
    }
}

/// A connection that ends takes the requests that wait with it.
#[test]
fn the_end_of_a_connection_ends_requests_that_wait() {
    let mut stage = stage();
    let mut client = client(&mut stage);
    ask(&mut client, 40);
    send(&mut stage, &mut client);
    stage.pass(Limits::default().write_stall_ms + 20);
    stage.pass(Limits::default().write_stall_ms + 20);
    let stats = stage.server.stats();
    assert_eq!((stage.server.connections(), stats.http2_streams), (0, stats.http2_streams_closed));
}
