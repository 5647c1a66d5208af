//! Deadlines to the millisecond, on a clock that moves only when it is told to.

use std::time::Duration;

use sockeye_server::{CloseCause, CloseCode, Limits, Server};
use sockeye_simnet::{Faults, Peer, SimNet};

use crate::simulation::app::SimApp;

const UPGRADE: &str = "HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const PING: &[u8] = b"\x89\x00";
const MASKED_CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xE8";

/// A server and one peer, whose socket has room for at least half of `room_max`.
struct Scene {
    net: SimNet,
    server: Server<SimNet, SimApp>,
    peer: Peer,
}

impl Scene {
    fn new(room_max: usize) -> Self {
        let mut limits = Limits::default();
        limits.outbox_pause_bytes = 100;
        let (net, peer) = (0..)
            .map(|seed| SimNet::new(seed, Faults::default(), room_max))
            .map(|net| (net.clone(), net.connect().expect("it listens")))
            .find_map(|(net, mut peer)| (peer.room() >= room_max / 2).then_some((net, peer)))
            .expect("some seed");
        let server = Server::new(net.clone(), SimApp::default(), limits);
        Self { net, server, peer }
    }

    fn open(room_max: usize, path: &str) -> Self {
        let mut scene = Self::new(room_max);
        scene.peer.write(format!("GET {path}?0 {UPGRADE}").as_bytes());
        scene.turns();
        assert!(scene.read().ends_with(b"\r\n\r\n"));
        scene
    }

    /// A few turns in no time.
    fn turns(&mut self) {
        for _ in 0..4 {
            self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        }
    }

    /// Time goes by, and the timers get their tick.
    fn pass(&mut self, ms: u64) {
        self.net.advance(ms);
        self.turns();
    }

    fn read(&mut self) -> Vec<u8> {
        self.peer.read(usize::MAX).unwrap_or_default()
    }

    fn cause(&self) -> Option<CloseCause> {
        self.server.app().causes.get(&0).copied()
    }
}

#[test]
fn the_peers_end_is_enough() {
    // Nobody waits for a deadline once both directions have ended, whichever ended first.
    let mut closing = Scene::open(10_000, "/echo");
    closing.peer.write(MASKED_CLOSE);
    closing.turns();
    assert_eq!((closing.read(), closing.server.connections()), (b"\x88\x02\x03\xE8".to_vec(), 1));
    closing.peer.shutdown();
    closing.turns();
    assert_eq!(closing.server.connections(), 0);

    let mut ending = Scene::open(10_000, "/echo");
    ending.peer.shutdown();
    ending.turns();
    assert_eq!((ending.server.connections(), ending.cause()), (0, Some(CloseCause::Ended)));

    let mut idle = Scene::new(10_000);
    idle.peer.write(b"GET /x HTTP/1.1\r\nHost: sim\r\n\r\n");
    idle.peer.shutdown();
    idle.turns();
    assert!(idle.read().ends_with(b"/x"));
    assert_eq!(idle.server.connections(), 0);
}

#[test]
fn a_kept_connection_lasts_as_long_as_it_may() {
    let mut scene = Scene::new(10_000);
    for _ in 0..3 {
        scene.peer.write(b"GET /x HTTP/1.1\r\nHost: sim\r\n\r\n");
        scene.turns();
        assert!(scene.read().ends_with(b"/x"));
        // Past the deadline of a head, which was armed first, and past other ticks.
        for ms in [6_000, 20_000, 33_900] {
            scene.pass(ms);
            assert_eq!(scene.peer.read(1), Some(Vec::new()), "it is still open");
        }
    }
    scene.pass(200);
    assert_eq!(scene.peer.read(1), None, "a minute has passed");
}

#[test]
fn who_talks_is_not_pinged() {
    let mut scene = Scene::open(10_000, "/echo");
    for _ in 0..5 {
        scene.pass(20_000);
        assert_eq!(scene.read(), b"", "no ping before its time");
        scene.peer.write(b"\x81\x81\0\0\0\0x");
        scene.turns();
        assert_eq!(scene.read(), b"\x81\x01x");
    }
    scene.pass(25_100);
    assert_eq!(scene.read(), PING);
    scene.pass(10_100);
    assert!(matches!(scene.cause(), Some(CloseCause::Timeout(_))), "{:?}", scene.cause());
}

/// A message that fills the socket, and the two after it that make the application close.
fn fill(scene: &mut Scene) {
    let mut large = b"\x82\xFE\x27\x10\0\0\0\0".to_vec();
    large.resize(8 + 10_000, 0);
    scene.peer.write(&large);
    scene.turns();
    assert!(scene.server.stats().read_pauses > 0, "the socket is full");
}

#[test]
fn the_time_for_an_answer_begins_when_the_question_is_out() {
    let mut scene = Scene::open(1_000, "/closing");
    // Both small ones are read along with the large one's end, or they would wait for it.
    let mut all = b"\x82\x80\0\0\0\0\x82\x80\0\0\0\0\x82\xFE\x27\x10\0\0\0\0".to_vec();
    all.resize(all.len() + 10_000, 0);
    scene.peer.write(&all);
    scene.turns();
    assert!(scene.peer.read(1).is_some_and(|byte| byte.len() == 1));
    // The Close lies behind what the peer takes slowly; close_ms is two seconds.
    let mut taken = 1;
    while taken < 2 + 2 + 4 + 10_000 {
        scene.pass(1_500);
        assert_eq!(scene.cause(), None, "after {taken} bytes");
        taken += scene.read().len();
    }
    scene.pass(1_500);
    assert_eq!(scene.cause(), None, "it has two seconds from now");
    scene.peer.write(b"\x88\x82\0\0\0\0\x0F\xA0");
    scene.turns();
    assert_eq!(scene.cause(), Some(CloseCause::Local(CloseCode::new(4000))));
}

#[test]
fn a_close_is_read_though_the_peer_does_not_read() {
    let mut scene = Scene::open(1_000, "/echo");
    fill(&mut scene);
    // Nothing that it asks for now would be taken, but its Close is welcome once ours is said.
    scene.peer.write(MASKED_CLOSE);
    scene.turns();
    assert_eq!(scene.cause(), None);
    scene.server.drain();
    scene.turns();
    assert_eq!(scene.cause(), Some(CloseCause::Local(CloseCode::GOING_AWAY)));
}

#[test]
fn a_slow_download_is_followed_by_a_whole_keep_alive() {
    let mut scene = Scene::new(1_000);
    let body = vec![b'.'; 9_000];
    let head =
        format!("POST /body HTTP/1.1\r\nHost: sim\r\nContent-Length: {}\r\n\r\n", body.len());
    scene.peer.write(&[head.as_bytes(), &body].concat());
    scene.turns();
    let mut seconds = 0;
    while scene.peer.read(500).is_some_and(|bytes| !bytes.is_empty()) {
        scene.pass(10_000);
        seconds += 10;
    }
    assert!(seconds > 100, "longer than a connection is kept");
    // The last bytes lay in the socket for up to half a minute.
    scene.pass(25_000);
    scene.peer.write(b"GET /x HTTP/1.1\r\nHost: sim\r\n\r\n");
    scene.turns();
    assert!(scene.read().ends_with(b"/x"), "a minute from when the last byte was out");
}

#[test]
fn a_response_under_way_survives_a_drain() {
    let mut scene = Scene::new(1_000);
    // What waits when the socket is full is written in one go once it is empty.
    let body = vec![b'.'; scene.peer.room() + 100];
    let head =
        format!("POST /body HTTP/1.1\r\nHost: sim\r\nContent-Length: {}\r\n\r\n", body.len());
    scene.peer.write(&[head.as_bytes(), &body].concat());
    scene.turns();
    assert!(scene.server.stats().read_pauses > 0, "the socket is full");
    scene.server.drain();
    let mut received = Vec::new();
    while let Some(bytes) = scene.peer.read(usize::MAX) {
        assert!(!bytes.is_empty(), "it stops after {} bytes", received.len());
        received.extend(bytes);
        scene.turns();
    }
    assert!(received.ends_with(&body) && !scene.peer.is_reset());
    scene.peer.shutdown();
    scene.turns();
    assert!(scene.server.is_drained());
}
