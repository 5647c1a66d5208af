//! The service: publications, and their deliveries to a thousand subscribers.

use sockeye_frame::Opcode;
use sockeye_hub::{Config, Epoch};
use sockeye_service::{Limits, Service};
use sockeye_simnet::Peer;

use super::world::{World, heard};
use crate::inputs::{ascii, masked_frame, small_head};

const TURNS: usize = 5;

/// How one subscribes, and how the server's answer begins.
#[derive(Clone, Copy)]
pub(super) struct Way {
    request: fn() -> Vec<u8>,
    answer: &'static [u8],
    /// What is said once the stream is open.
    pub(super) command: &'static str,
}

pub(super) const SUBPROTOCOL: &str = "sockeye.v1.json";

/// The commands of the subprotocol.
pub(super) const WEBSOCKET: Way = Way {
    request: command_head,
    answer: b"HTTP/1.1 101 ",
    command: r#"{"type":"subscribe","channels":["news:1"]}"#,
};

pub(super) const EVENTS: Way = Way {
    request: || b"GET /v1/sse?channel=news:1 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
    answer: b"HTTP/1.1 200 ",
    command: "",
};

fn command_head() -> Vec<u8> {
    let mut head = small_head("/v1/ws");
    head.truncate(head.len() - 2);
    head.extend_from_slice(format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n").as_bytes());
    head
}

pub(super) fn world() -> World<Service> {
    let mut config = Config::default();
    // Full from the first counted publication on.
    config.settings.history_messages_max = 8;
    World::new(Service::new(Epoch(7), config, Limits::default()))
}

/// 128 bytes of text.
pub(super) fn data() -> String {
    String::from_utf8(ascii(128)).expect("ASCII")
}

/// Turns in each of which `batch` publications of 128 bytes reach everybody. What the publisher and its
/// answer cost is in it.
pub(super) fn fanout(way: Way, batch: usize) -> u64 {
    const SUBSCRIBERS: usize = 1_000;
    let mut world = world();
    let mut peers = world.open(SUBSCRIBERS, &(way.request)(), way.answer);
    if !way.command.is_empty() {
        let command = masked_frame(Opcode::Text, way.command.as_bytes());
        peers.iter_mut().for_each(|peer| peer.write(&command));
    }
    world.turn();
    peers.iter_mut().for_each(|peer| drop(heard(peer)));
    fan_out_to(&mut world, &mut peers, (1, batch))
}

/// The same to peers each of which has so many streams.
pub(super) fn fan_out_to(
    world: &mut World<Service>,
    peers: &mut [Peer],
    (streams, batch): (usize, usize),
) -> u64 {
    let mut publisher = world.connect();
    world.turn();
    let line = format!("{{\"channel\":\"news:1\",\"data\":\"{}\"}}\n", data());
    let request = post("/v1/batch", &line.repeat(batch));
    for turn in 0..=TURNS {
        publisher.write(&request);
        world.turn_after(turn);
        accepted(&mut publisher, batch);
        let deliveries = |peer: &mut Peer| count(&heard(peer), data().as_bytes());
        assert!(peers.iter_mut().all(|peer| deliveries(peer) == streams * batch));
    }
    (peers.len() * streams * batch * TURNS) as u64
}

fn post(target: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n\r\n{body}")
        .into_bytes()
}

pub(super) fn accepted(publisher: &mut Peer, count_expected: usize) {
    let answer = heard(publisher);
    assert_eq!(count(&answer, b"\"level\":\"accepted\""), count_expected, "all were published");
}

/// How often `part` stands in `bytes`.
fn count(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|window| *window == part).count()
}

pub(super) const PUBLISHERS: usize = 32;

/// A request for each publication, on connections that stay; nobody listens.
pub(super) fn publish_http() -> u64 {
    let mut world = world();
    let mut publishers: Vec<_> = (0..PUBLISHERS).map(|_| world.connect()).collect();
    world.turn();
    let request = post("/v1/channels/news:1", &data());
    publish(&mut world, &mut publishers, &request, 1)
}

/// Eight commands in one read.
pub(super) fn publish_websocket() -> u64 {
    const DEPTH: usize = 8;
    let mut world = world();
    let mut publishers = world.open(PUBLISHERS, &command_head(), WEBSOCKET.answer);
    let command = format!(r#"{{"type":"publish","id":7,"channel":"news:1","data":"{}"}}"#, data());
    let commands = masked_frame(Opcode::Text, command.as_bytes()).repeat(DEPTH);
    publish(&mut world, &mut publishers, &commands, DEPTH)
}

fn publish(
    world: &mut World<Service>,
    publishers: &mut [Peer],
    request: &[u8],
    publications: usize,
) -> u64 {
    for turn in 0..=TURNS {
        publishers.iter_mut().for_each(|publisher| publisher.write(request));
        world.turn_after(turn);
        publishers.iter_mut().for_each(|publisher| accepted(publisher, publications));
    }
    (publishers.len() * publications * TURNS) as u64
}
