//! What it costs to reach many.

use std::time::Duration;

use sockeye_hub::{Config, Epoch};
use sockeye_server::{App, Server};
use sockeye_service::{Limits, Service};
use sockeye_simnet::{Faults, Peer, SimNet};

const SUBSCRIBERS: usize = 500;
const PUBLICATIONS: usize = 10;
const SUBSCRIBE: &[u8] = br#"{"type":"subscribe","channels":["news:1"]}"#;
pub(crate) const UPGRADE: &str = "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: sockeye.v1.json\r\n\r\n";

/// A service on a simulated network.
pub(crate) struct World {
    pub(crate) net: SimNet,
    pub(crate) server: Server<SimNet, Service>,
}

impl World {
    fn new() -> Self {
        Self::with(Config::default(), Limits::default(), sockeye_server::Limits::default())
    }

    pub(crate) fn with(hub: Config, limits: Limits, server: sockeye_server::Limits) -> Self {
        Self::of(Service::new(Epoch(7), hub, limits), server)
    }

    pub(crate) fn of(service: Service, server: sockeye_server::Limits) -> Self {
        Self::with_room(service, server, 1 << 20)
    }

    /// The same with sockets that take `room_max` bytes at the most.
    pub(crate) fn with_room(
        service: Service,
        server: sockeye_server::Limits,
        room_max: usize,
    ) -> Self {
        let net = SimNet::new(1, Faults::default(), room_max);
        let server = Server::new(net.clone(), service, server);
        Self { net, server }
    }

    pub(crate) fn turn(&mut self) {
        self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
    }

    /// Turns until only a peer or a later time would wake the loop.
    pub(crate) fn turn_until_idle(&mut self) {
        for _ in 0..1_000 {
            self.turn();
            if !self.server.is_busy() && self.server.app().deadline() > self.server.now() {
                return;
            }
        }
        panic!("the loop is never idle");
    }

    /// Peers that have said `request`, and what else is said once they were answered.
    pub(crate) fn open(&mut self, count: usize, request: &str, then: &[u8]) -> Vec<Peer> {
        let connect = |_| self.net.connect().expect("it listens");
        let mut peers: Vec<Peer> = (0..count).map(connect).collect();
        for said in [request.as_bytes(), then] {
            peers.iter_mut().for_each(|peer| peer.write(said));
            (0..count / 50 + 5).for_each(|_| self.turn());
            let is_answered = |peer: &mut Peer| said.is_empty() || !is_refused(&read(peer));
            assert!(peers.iter_mut().all(is_answered));
        }
        peers
    }
}

pub(crate) fn read(peer: &mut Peer) -> String {
    let bytes = peer.read(usize::MAX).expect("it is open");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_refused(answer: &str) -> bool {
    answer.is_empty() || answer.contains("error")
}

/// A masked message by the key of nothing.
pub(crate) fn frame(text: &[u8]) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("it is short");
    match u8::try_from(len) {
        Ok(len @ ..=125) => [&[0x81, 0x80 | len, 0, 0, 0, 0][..], text].concat(),
        Ok(_) | Err(_) => [&[0x81, 0xfe], &len.to_be_bytes()[..], &[0; 4], text].concat(),
    }
}

/// Whoever publishes in a turn: what a subscriber gets of it leaves in one write.
#[test]
fn a_turn_of_publications_is_one_write_to_each_subscriber() {
    let mut world = World::new();
    let mut sockets = world.open(SUBSCRIBERS, UPGRADE, &frame(SUBSCRIBE));
    let events = "GET /v1/sse?channel=news:1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let events = world.open(SUBSCRIBERS, events, b"");
    let mut publishers =
        world.open(PUBLICATIONS, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"");
    sockets.extend(events);

    for round in 0..3 {
        let before: Vec<u64> = sockets.iter_mut().map(Peer::writes).collect();
        for publisher in &mut publishers {
            let head =
                "POST /v1/channels/news:1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n";
            publisher.write(format!("{head}\"hello\"").as_bytes());
        }
        world.turn();
        // The writes may be more than the budget of one turn.
        while world.server.is_busy() {
            world.turn();
        }
        for (peer, before) in sockets.iter_mut().zip(before) {
            assert_eq!(read(peer).matches("hello").count(), PUBLICATIONS, "round {round}");
            assert_eq!(peer.writes() - before, 1, "round {round}");
        }
        publishers.iter_mut().for_each(|publisher| assert!(read(publisher).contains("accepted")));
    }
}
