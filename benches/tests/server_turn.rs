//! A whole turn of the server allocates nothing for small messages: reading, the application's
//! echo, flushing, on a simulated network, over HTTP/1.1 and over HTTP/2.

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use sockeye_benches::masked_frame;
use sockeye_frame::Opcode;
use sockeye_server::{
    Answer, App, Context, Limits, Message, Origins, Request, Server, StreamKey, Upgrade,
};
use sockeye_simnet::{Faults, Peer, SimNet};

const PEERS: usize = 16;
const ROOM: usize = 1 << 20;
const REQUEST: &[u8] = b"GET /echo HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A field of a request over HTTP/2, as a literal without indexing or Huffman coding.
fn field(name: &str, value: &str) -> Vec<u8> {
    let string =
        |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    [vec![0], string(name), string(value)].concat()
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("short");
    [&[0, 0, len, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The version of HTTP below the WebSockets.
#[derive(Clone, Copy, Debug)]
enum Version {
    Http1,
    /// A stream on each connection (RFC 8441).
    Http2,
}

impl Version {
    /// The first bytes of a peer.
    fn opening(self) -> Vec<u8> {
        let fields = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "sim"),
            (":path", "/echo"),
            ("sec-websocket-version", "13"),
        ];
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        match self {
            Self::Http1 => REQUEST.to_vec(),
            Self::Http2 => [
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
                // Wide windows for what the server sends.
                frame(4, 0, 0, &[0, 4, 0x40, 0, 0, 0]),
                frame(8, 0, 0, &[0x3f, 0, 0, 0]),
                frame(4, 1, 0, &[]),
                frame(1, 4, 1, &block),
            ]
            .concat(),
        }
    }

    /// A message, as it is sent.
    fn message(self, payload: &[u8]) -> Vec<u8> {
        let message = masked_frame(Opcode::Binary, payload);
        match self {
            Self::Http1 => message,
            Self::Http2 => frame(0, 0, 1, &message),
        }
    }
}

struct Echo;

impl App for Echo {
    type Pending = ();

    fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
        Answer::WebSocket(Upgrade::new(Origins::Any), ())
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        context.send(stream, message).expect("the stream is open and its peer reads");
    }
}

/// A server with open WebSockets, and the allocations of its turns.
struct World {
    server: Server<SimNet, Echo>,
    peers: Vec<Peer>,
}

impl World {
    fn open(version: Version) -> Self {
        let net = SimNet::new(1, Faults::default(), ROOM);
        let server = Server::new(net.clone(), Echo, Limits::default());
        let peers = (0..PEERS).map(|_| net.connect().expect("it listens")).collect();
        let mut world = Self { server, peers };
        world.turn();
        world.peers.iter_mut().for_each(|peer| peer.write(&version.opening()));
        world.turn();
        world.peers.iter_mut().for_each(|peer| drop(peer.read(ROOM).expect("it is open")));
        world
    }

    fn turn(&mut self) -> AllocationInfo {
        let wait = Some(Duration::ZERO);
        measure(|| self.server.turn(wait).expect("the poller never fails here"))
    }

    /// Every peer sends `wire` and gets so many echoes; the allocations of the turn between.
    fn exchange(&mut self, wire: &[u8], echoes: usize) -> u64 {
        self.peers.iter_mut().for_each(|peer| peer.write(wire));
        let info = self.turn();
        for peer in &mut self.peers {
            let heard = peer.read(ROOM).expect("it is open");
            // Frames of HTTP/2 come on top. Two bytes are the head of a message.
            assert!(heard.ends_with(PAYLOAD) && heard.len() >= echoes * (2 + PAYLOAD.len()));
        }
        // One millisecond a round, so that timers come and go.
        self.server.net().advance(1);
        info.count_total
    }

    /// Messages in rounds of `pipeline` each; the allocations of all turns.
    fn run(&mut self, version: Version, messages: usize, pipeline: usize) -> u64 {
        let wire = version.message(PAYLOAD).repeat(pipeline);
        let rounds = messages.div_ceil(PEERS * pipeline);
        (0..rounds).map(|_| self.exchange(&wire, pipeline)).sum()
    }
}

const PAYLOAD: &[u8] = b"sixteen bytes ok";

/// Until the first timers have fired: what is made on the way is used again.
const WARM_MS: usize = 10_000;

fn allocates_nothing(version: Version, pipelines: [usize; 2]) {
    for pipeline in pipelines {
        let mut world = World::open(version);
        let warm = world.run(version, WARM_MS * PEERS * pipeline, pipeline);
        println!("{version:?}, {pipeline} in flight: {warm} allocations while warming up");
        for messages in [10_000, 1_000_000] {
            let allocations = world.run(version, messages, pipeline);
            assert_eq!(allocations, 0, "{version:?}: {messages} messages, {pipeline} in flight");
        }
        assert!(world.server.stats().messages_received >= 1_010_000);
    }
}

#[test]
fn a_turn_of_small_messages_allocates_nothing() {
    allocates_nothing(Version::Http1, [1, 32]);
}

/// Neither does a DATA frame in either direction, nor a WINDOW_UPDATE.
#[test]
fn a_turn_of_small_messages_over_http2_allocates_nothing() {
    allocates_nothing(Version::Http2, [1, 8]);
}
