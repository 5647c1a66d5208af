//! Turns of the server: echo, connections that come and go, connections that do nothing.

use sockeye_frame::Opcode;
use sockeye_server::{Answer, App, Context, Message, Origins, Request, StreamKey, Upgrade};
use sockeye_simnet::Peer;

use super::world::{World, heard};
use crate::counting::counted;
use crate::inputs::{ascii, masked_frame, small_head};

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

const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

/// Every connection sends `depth` messages of `len` bytes and is answered, turn for turn.
pub(super) fn echo(len: usize, depth: usize) -> u64 {
    const CONNECTIONS: usize = 64;
    const TURNS: usize = 20;
    let mut world = World::new(Echo);
    let mut peers = world.open(CONNECTIONS, &small_head("/echo"), SWITCHING);
    let wire = masked_frame(Opcode::Binary, &ascii(len)).repeat(depth);
    let echo_len = wire.len() - depth * 4;
    for turn in 0..=TURNS {
        peers.iter_mut().for_each(|peer| peer.write(&wire));
        world.turn_after(turn);
        assert!(peers.iter_mut().all(|peer| heard(peer).len() == echo_len));
    }
    (CONNECTIONS * depth * TURNS) as u64
}

/// Connections that come, open a WebSocket, close it and go.
pub(super) fn accept_and_close() -> u64 {
    const AT_ONCE: usize = 32;
    const ROUNDS: usize = 10;
    let mut world = World::new(Echo);
    let head = small_head("/echo");
    let close = masked_frame(Opcode::Close, &1000_u16.to_be_bytes());
    for _ in 0..ROUNDS {
        let mut peers: Vec<_> = (0..AT_ONCE).map(|_| world.connect()).collect();
        world.counted_turn();
        peers.iter_mut().for_each(|peer| peer.write(&head));
        world.counted_turn();
        assert!(peers.iter_mut().all(|peer| heard(peer).starts_with(SWITCHING)));
        peers.iter_mut().for_each(|peer| peer.write(&close));
        world.counted_turn();
        peers.iter_mut().for_each(Peer::shutdown);
        world.counted_turn();
        world.counted_turn();
        assert_eq!(world.server.connections(), 0, "all have gone");
    }
    (ROUNDS * AT_ONCE) as u64
}

/// A minute of the simulated clock in which nobody sends anything but the pongs that are asked for.
pub(super) fn idle_minute() -> u64 {
    const CONNECTIONS: usize = 10_000;
    const STEP_MS: u64 = 100;
    let mut world = World::new(Echo);
    // They came over some time, as everywhere.
    let head = small_head("/echo");
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.extend(world.open(CONNECTIONS / 10, &head, SWITCHING));
        world.server.net().advance(2_500);
    }
    for _ in 0..60_000 / STEP_MS {
        counted(|| world.turn());
        peers.iter_mut().for_each(answer_ping);
        world.server.net().advance(STEP_MS);
    }
    assert_eq!(world.server.connections(), CONNECTIONS, "nobody was given up");
    CONNECTIONS as u64
}

/// A ping's payload comes back in a pong.
fn answer_ping(peer: &mut Peer) {
    let bytes = heard(peer);
    if let [first, len, payload @ ..] = &bytes[..] {
        assert_eq!((*first, usize::from(*len)), (0x89, payload.len()), "one ping");
        peer.write(&masked_frame(Opcode::Pong, payload));
    }
}
