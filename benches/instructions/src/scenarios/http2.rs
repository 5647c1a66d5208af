//! HTTP/2: requests, and WebSockets and event streams that share connections.

use sockeye_frame::Opcode;
use sockeye_server::{
    Answer, App, Context, Message, Origins, Reply, Request, Status, StreamKey, Upgrade,
};
use sockeye_simnet::Peer;

use super::hub;
use super::world::{World, heard};
use crate::inputs::{ascii, masked_frame};

const TURNS: usize = 20;

/// Echoes on `/echo`, and greets otherwise.
struct Greeter;

impl App for Greeter {
    type Pending = ();

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Answer {
        if request.head.path() != "/echo" {
            return Reply::text(Status::OK, "hello").into();
        }
        Answer::WebSocket(Upgrade::new(Origins::Any), ())
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        context.send(stream, message).expect("the stream is open and its peer reads");
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: usize, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let stream = u32::try_from(stream).expect("few").to_be_bytes();
    [&len[1..], &[kind, flags], &stream, payload].concat()
}

/// Fields without indexing and Huffman coding.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("short"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A request as a client with a full table sends it: two fields of the static table, and short ones.
fn get(stream: usize, path: &str) -> Vec<u8> {
    let block = fields(&[(":scheme", "http"), (":authority", "localhost"), (":path", path)]);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &[&[0x82], &block[..]].concat())
}

/// The same with content.
fn post(stream: usize, path: &str, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_string();
    let block = fields(&[
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
        ("content-length", &len),
    ]);
    let head = frame(HEADERS, END_HEADERS, stream, &[&[0x83], &block[..]].concat());
    [head, frame(DATA, END_STREAM, stream, content)].concat()
}

/// The request for a WebSocket.
fn connect(stream: usize, path: &str, subprotocol: Option<&str>) -> Vec<u8> {
    let mut lines = vec![
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
        ("sec-websocket-version", "13"),
    ];
    lines.extend(subprotocol.map(|it| ("sec-websocket-protocol", it)));
    frame(HEADERS, END_HEADERS, stream, &fields(&lines))
}

/// Peers that have said the preface and their settings, with wide windows.
fn open<A: App>(world: &mut World<A>, count: usize) -> Vec<Peer> {
    let mut peers: Vec<_> = (0..count).map(|_| world.connect()).collect();
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend(frame(SETTINGS, 0, 0, &[0, 4, 0x40, 0, 0, 0]));
    hello.extend(frame(WINDOW_UPDATE, 0, 0, &[0x40, 0, 0, 0]));
    hello.extend(frame(SETTINGS, 1, 0, &[]));
    peers.iter_mut().for_each(|peer| peer.write(&hello));
    world.turn();
    peers.iter_mut().for_each(|peer| drop(heard(peer)));
    peers
}

const CONNECTIONS: usize = 64;

/// A request of each connection in a turn.
pub(super) fn request() -> u64 {
    let mut world = World::new(Greeter);
    let mut peers = open(&mut world, CONNECTIONS);
    for turn in 0..=TURNS {
        let request = get(2 * turn + 1, "/");
        peers.iter_mut().for_each(|peer| peer.write(&request));
        world.turn_after(turn);
        assert!(peers.iter_mut().all(|peer| heard(peer).ends_with(b"hello")));
    }
    (CONNECTIONS * TURNS) as u64
}

/// A message on one of each connection's WebSockets in a turn (RFC 8441).
pub(super) fn echo(len: usize) -> u64 {
    let mut world = World::new(Greeter);
    let mut peers = open(&mut world, CONNECTIONS);
    let connect = connect(1, "/echo", None);
    peers.iter_mut().for_each(|peer| peer.write(&connect));
    world.turn();
    peers.iter_mut().for_each(|peer| drop(heard(peer)));
    let message = masked_frame(Opcode::Binary, &ascii(len));
    let (wire, echo_len) = (frame(DATA, 0, 1, &message), 9 + message.len() - 4);
    for turn in 0..=TURNS {
        peers.iter_mut().for_each(|peer| peer.write(&wire));
        world.turn_after(turn);
        assert!(peers.iter_mut().all(|peer| heard(peer).len() == echo_len));
    }
    (CONNECTIONS * TURNS) as u64
}

/// Connections of a fan-out.
const TRUNKS: usize = 10;
/// Subscribers on each of them.
const STREAMS: usize = 100;

/// Publications to 1,000 event streams on ten connections.
pub(super) fn fanout_events(batch: usize) -> u64 {
    let mut world = hub::world();
    let mut peers = open(&mut world, TRUNKS);
    let path = "/v1/sse?channel=news:1";
    say_on_each(&mut world, &mut peers, |stream| get(stream, path));
    hub::fan_out_to(&mut world, &mut peers, (STREAMS, batch))
}

/// The same to WebSockets.
pub(super) fn fanout_websockets(batch: usize) -> u64 {
    let mut world = hub::world();
    let mut peers = open(&mut world, TRUNKS);
    say_on_each(&mut world, &mut peers, |stream| connect(stream, "/v1/ws", Some(hub::SUBPROTOCOL)));
    let command = masked_frame(Opcode::Text, hub::WEBSOCKET.command.as_bytes());
    say_on_each(&mut world, &mut peers, |stream| frame(DATA, 0, stream, &command));
    hub::fan_out_to(&mut world, &mut peers, (STREAMS, batch))
}

/// Has each peer say something on each of its streams, and leaves the answers aside.
fn say_on_each<A: App>(world: &mut World<A>, peers: &mut [Peer], say: impl Fn(usize) -> Vec<u8>) {
    let bytes: Vec<u8> = (0..STREAMS).flat_map(|at| say(2 * at + 1)).collect();
    peers.iter_mut().for_each(|peer| peer.write(&bytes));
    world.turn();
    peers.iter_mut().for_each(|peer| drop(heard(peer)));
}

/// A publication of each connection in a turn; nobody listens.
pub(super) fn publish() -> u64 {
    let mut world = hub::world();
    let mut publishers = open(&mut world, hub::PUBLISHERS);
    let data = hub::data();
    for turn in 0..=TURNS {
        let request = post(2 * turn + 1, "/v1/channels/news:1", data.as_bytes());
        publishers.iter_mut().for_each(|publisher| publisher.write(&request));
        world.turn_after(turn);
        publishers.iter_mut().for_each(|publisher| hub::accepted(publisher, 1));
    }
    (hub::PUBLISHERS * TURNS) as u64
}
