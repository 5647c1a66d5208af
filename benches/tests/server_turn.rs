//! A whole turn of the server allocates nothing for small messages: reading, the application's
//! echo, flushing, on a simulated network.

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

struct Echo;

impl App for Echo {
    type Pending = ();

    fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
        let (subprotocols, origins, compression) = (&[], Origins::Any, None);
        let (message_bytes_max, headers) = (None, Vec::new());
        Answer::WebSocket(
            Upgrade { subprotocols, origins, message_bytes_max, compression, headers },
            (),
        )
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
    fn open() -> Self {
        let net = SimNet::new(1, Faults::default(), ROOM);
        let server = Server::new(net.clone(), Echo, Limits::default());
        let peers = (0..PEERS).map(|_| net.connect().expect("it listens")).collect();
        let mut world = Self { server, peers };
        world.turn();
        world.peers.iter_mut().for_each(|peer| peer.write(REQUEST));
        world.turn();
        let response = |peer: &mut Peer| peer.read(ROOM).expect("it is open");
        assert!(world.peers.iter_mut().map(response).all(|head| head.starts_with(b"HTTP/1.1 101")));
        world
    }

    fn turn(&mut self) -> AllocationInfo {
        let wait = Some(Duration::ZERO);
        measure(|| self.server.turn(wait).expect("the poller never fails here"))
    }

    /// Every peer sends `wire` and gets `echo_len` bytes; the allocations of the turn between.
    fn exchange(&mut self, wire: &[u8], echo_len: usize) -> u64 {
        self.peers.iter_mut().for_each(|peer| peer.write(wire));
        let info = self.turn();
        for peer in &mut self.peers {
            assert_eq!(peer.read(ROOM).expect("it is open").len(), echo_len);
        }
        // One millisecond a round, so that timers come and go.
        self.server.net().advance(1);
        info.count_total
    }

    /// Messages in rounds of `pipeline` each; the allocations of all turns.
    fn run(&mut self, messages: usize, pipeline: usize) -> u64 {
        let payload = *b"sixteen bytes ok";
        let wire = masked_frame(Opcode::Binary, &payload).repeat(pipeline);
        let echo_len = (payload.len() + 2) * pipeline;
        let rounds = messages.div_ceil(PEERS * pipeline);
        (0..rounds).map(|_| self.exchange(&wire, echo_len)).sum()
    }
}

/// Until the first timers have fired: what is made on the way is used again.
const WARM_MS: usize = 10_000;

#[test]
fn a_turn_of_small_messages_allocates_nothing() {
    for pipeline in [1, 32] {
        let mut world = World::open();
        let warm = world.run(WARM_MS * PEERS * pipeline, pipeline);
        println!("{pipeline} in flight: {warm} allocations while warming up");
        for messages in [10_000, 1_000_000] {
            let allocations = world.run(messages, pipeline);
            assert_eq!(allocations, 0, "{messages} messages, {pipeline} in flight");
        }
        assert!(world.server.stats().messages_received >= 1_010_000);
    }
}
