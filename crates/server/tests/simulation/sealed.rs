//! Sockets that hold bytes, one rule at a time. The seeds play them all.

use std::time::Duration;

use sockeye_server::{CloseCause, Deadline, Limits, Server};
use sockeye_simnet::{Faults, Peer, REFUSAL, SealedNet, SimNet};

use crate::simulation::app::SimApp;
use crate::simulation::stage::get;

const UPGRADE: &str = "HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// A request to open a WebSocket.
const REQUEST_BYTES: u64 = 11 + 10 + UPGRADE.len() as u64;
/// Sockets hold more or less at a time, by the seed.
const SEEDS: u64 = 24;

struct Scene {
    net: SimNet,
    server: Server<SealedNet, SimApp>,
}

impl Scene {
    fn new(adjust: impl FnOnce(&mut Limits)) -> Self {
        Self::of_seed(1, 10_000, adjust)
    }

    /// A world whose peers may leave `room_max` bytes unread at the most.
    fn of_seed(seed: u64, room_max: usize, adjust: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        adjust(&mut limits);
        let net = SimNet::new(seed, Faults::default(), room_max);
        let server = Server::new(SealedNet::from(net.clone()), SimApp::default(), limits);
        Self { net, server }
    }

    /// Time goes by, in steps of a tick and a turn.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 16 {
            self.net.advance(16);
            self.server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        }
    }

    /// A WebSocket whose peer has read the head of the response.
    fn open(&mut self) -> Peer {
        let mut peer = self.net.connect().expect("it listens");
        peer.write(format!("GET /echo?0000000000 {UPGRADE}").as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            self.pass(16);
            head.extend(peer.read(usize::MAX).expect("it is open"));
        }
        peer
    }

    fn unsealed(&mut self) -> Peer {
        self.net.connect_unsealed().expect("it listens")
    }
}

/// [server:handshake-first]
#[test]
fn a_request_is_answered_behind_the_handshake() {
    let mut scene = Scene::new(|_| {});
    let mut peer = scene.net.connect().expect("it listens");
    peer.write(get("/nothing").as_bytes());
    scene.pass(160);
    let answer = peer.read(usize::MAX).expect("it is open");
    assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&answer));
}

/// [server:handshake-deadline]
#[test]
fn a_handshake_has_a_deadline_that_progress_does_not_move() {
    let mut scene = Scene::new(|limits| (limits.handshake_ms, limits.head_ms) = (2_000, 60_000));
    let (mut silent, mut slow) = (scene.unsealed(), scene.unsealed());
    // The head of a record that is long in coming.
    slow.write(b"\x80\xff\xff");
    for _ in 0..19 {
        scene.pass(96);
        slow.write(b".");
        assert_eq!(scene.server.connections(), 2);
    }
    scene.pass(320);
    assert_eq!((scene.server.connections(), scene.server.stats().timeouts), (0, 2));
    assert_eq!((silent.read(1), slow.read(1)), (None, None), "nobody is answered");
}

/// The head's time begins where the handshake ends. [server:handshake-deadline]
#[test]
fn a_handshake_does_not_take_its_time_from_the_request() {
    let mut scene = Scene::new(|limits| (limits.handshake_ms, limits.head_ms) = (60_000, 2_000));
    let (_silent, mut late) = (scene.unsealed(), scene.net.connect().expect("it listens"));
    scene.pass(1_600);
    assert_eq!(scene.server.connections(), 2);
    scene.pass(1_600);
    assert_eq!(scene.server.stats().timeouts, 1, "it shook hands, and asked nothing");
    let answer = late.read(usize::MAX).expect("a refusal");
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
}

/// [server:handshake-first] [server:handshake-refusal]
#[test]
fn noise_instead_of_a_handshake_gets_only_the_refusal_of_the_socket() {
    for seed in 0..SEEDS {
        let mut scene = Scene::of_seed(seed, if seed % 2 == 0 { 1 } else { 300 }, |_| {});
        let mut peer = scene.unsealed();
        let mut refusal = Vec::new();
        peer.write(get("/").as_bytes());
        for _ in 0..40 {
            // Unread input at the close would reset the connection.
            peer.write(b"more, as long as it is open");
            scene.pass(16);
            refusal.extend(peer.read(usize::MAX).unwrap_or_default());
        }
        assert_eq!(refusal, REFUSAL, "seed {seed}");
        let stats = scene.server.stats();
        assert_eq!((stats.requests, stats.handshakes, stats.handshakes_failed.total()), (0, 0, 1));
        assert_eq!(peer.read(1), None, "seed {seed}: the server ended its direction");
        peer.shutdown();
        scene.pass(160);
        assert_eq!(scene.server.connections(), 0, "seed {seed}");
        assert!(!peer.is_reset(), "seed {seed}");
    }
}

/// [server:handshake-refusal]
#[test]
fn a_peer_that_stays_behind_a_failed_handshake_is_cut() {
    let mut scene = Scene::new(|limits| limits.close_ms = 1_000);
    let mut peer = scene.unsealed();
    peer.write(b"noise");
    scene.pass(800);
    assert_eq!(scene.server.connections(), 1);
    scene.pass(800);
    assert_eq!(scene.server.connections(), 0);
}

/// The server speaks HTTP/1.1, or nothing was negotiated. [server:handshake-first]
#[test]
fn a_protocol_that_the_server_does_not_speak_ends_the_connection() {
    for (protocol, is_spoken) in [("http/1.1", true), ("", true), ("spdy/3", false)] {
        let mut scene = Scene::new(|_| {});
        scene.net.negotiate(protocol);
        let mut peer = scene.net.connect().expect("it listens");
        peer.write(get("/nothing").as_bytes());
        scene.pass(160);
        let answer = peer.read(usize::MAX).unwrap_or_default();
        assert_eq!(answer.starts_with(b"HTTP/1.1 404 "), is_spoken, "{protocol}");
        let stats = scene.server.stats();
        let counts = (stats.handshakes, stats.handshakes_failed.total());
        assert_eq!(counts, (u64::from(is_spoken), u64::from(!is_spoken)), "{protocol}");
    }
}

/// [server:handshakes-bounded]
#[test]
fn a_handshake_above_the_bound_ends_the_oldest_one() {
    let mut scene = Scene::new(|limits| limits.handshakes_max = 3);
    // A handshake that is over takes no place.
    let mut open = scene.open();
    let mut silent: Vec<_> = (0..3).map(|_| scene.unsealed()).collect();
    scene.pass(32);
    assert_eq!(scene.server.connections(), 4);
    for done in 0..3 {
        let mut late = scene.net.connect().expect("it listens");
        late.write(get("/nothing").as_bytes());
        let mut answer = Vec::new();
        while answer.is_empty() {
            scene.pass(16);
            answer = late.read(usize::MAX).expect("it is served");
        }
        // The first one had to make room; the others found the room of those that are over.
        let is_left: Vec<_> = silent.iter_mut().map(|peer| !peer.is_closed()).collect();
        assert_eq!(is_left, [false, true, true], "{done}");
    }
    silent.extend((0..2).map(|_| scene.unsealed()));
    scene.pass(32);
    let is_left: Vec<_> = silent.iter_mut().map(|peer| !peer.is_closed()).collect();
    assert_eq!(is_left, [false, false, true, true, true]);
    assert_eq!(scene.server.stats().handshakes_evicted, 2);
    open.write(&message(200));
    scene.pass(32);
    assert!(!open.read(usize::MAX).expect("it is open").is_empty());
}

/// A storm of handshakes from one address spends its own part of the turns.
/// [server:handshake-billed]
#[test]
fn handshakes_are_billed_to_the_address_that_they_come_from() {
    let mut scene = Scene::new(|_| {});
    let before = scene.server.stats().units;
    let _storm: Vec<_> = (0..64)
        .map(|_| scene.net.connect_from([192, 0, 2, 1].into()).expect("it listens"))
        .collect();
    let mut late = scene.net.connect_from([192, 0, 2, 2].into()).expect("it listens");
    late.write(get("/nothing").as_bytes());
    let mut turns = 0;
    let mut answer = Vec::new();
    while answer.is_empty() {
        scene.pass(16);
        turns += 1;
        answer = late.read(usize::MAX).expect("it is served");
    }
    let stats = scene.server.stats();
    assert!(stats.units - before >= stats.handshakes * 800);
    // It is the last of 65, and those before it need five turns for a flight of theirs.
    assert!(stats.handshakes < 40, "{} of the storm went before it", stats.handshakes);
    assert!(turns < 10, "{turns} turns");
}

/// A masked message of `len` bytes, 126 at the least.
fn message(len: u16) -> Vec<u8> {
    let [high, low] = len.to_be_bytes();
    let mut frame = vec![0x82, 0xFE, high, low, 0, 0, 0, 0];
    frame.resize(8 + usize::from(len), 7);
    frame
}

/// Output that nobody reads does not buy more time. [server:handshake-deadline]
#[test]
fn a_handshake_whose_output_waits_has_the_same_deadline() {
    let mut scene = Scene::of_seed(1, 1, |limits| limits.handshake_ms = 2_000);
    let mut deaf = scene.unsealed();
    // A whole first record; its answer has no room.
    deaf.write(b"\x80\0\0");
    scene.pass(1_600);
    assert_eq!(scene.server.connections(), 1);
    scene.pass(800);
    assert_eq!(scene.server.connections(), 0);
}

/// [server:held-output] [rfc6455:10.4-bounded-output]
#[test]
fn a_peer_is_not_read_from_while_the_socket_holds_what_it_does_not_take() {
    for seed in 0..SEEDS {
        let mut scene = Scene::of_seed(seed, 50, |limits| {
            (limits.outbox_pause_bytes, limits.read_bytes) = (1_000, 10_000);
        });
        let mut peer = scene.open();
        (0..90).for_each(|_| peer.write(&message(992)));
        scene.pass(1_600);
        let taken = peer.taken() - REQUEST_BYTES;
        assert!(taken <= 11_000, "seed {seed}: {taken} bytes are read of a peer that reads none");
        assert_eq!(scene.server.stats().read_pauses, 1, "seed {seed}");
    }
}

/// The same where each read asks for less than may wait. [server:held-output]
#[test]
fn held_output_counts_where_it_is_decided_whether_to_read() {
    for seed in 0..SEEDS {
        let mut scene = Scene::of_seed(seed, 50, |limits| {
            (limits.outbox_pause_bytes, limits.read_bytes) = (1_000, 900);
        });
        let mut peer = scene.open();
        (0..90).for_each(|_| peer.write(&message(192)));
        scene.pass(1_600);
        let taken = peer.taken() - REQUEST_BYTES;
        assert!(taken <= 2_050, "seed {seed}: {taken} bytes are read of a peer that reads none");
    }
}

/// [server:held-output]
#[test]
fn a_peer_that_takes_held_output_slowly_is_not_given_up_and_one_that_takes_none_is() {
    for seed in 0..SEEDS {
        let mut scene = Scene::of_seed(seed, 50, |limits| {
            (limits.write_stall_ms, limits.ping_ms) = (1_000, 1_000_000);
        });
        let mut peer = scene.open();
        peer.write(&message(60_000));
        for _ in 0..10 {
            scene.pass(800);
            assert!(peer.read(30).is_some(), "seed {seed}: it takes some");
            assert_eq!(scene.server.connections(), 1, "seed {seed}: it takes some");
        }
        scene.pass(2_400);
        assert_eq!(scene.server.connections(), 0, "seed {seed}");
        let cause = scene.server.app().causes.get(&0).copied();
        assert_eq!(cause, Some(CloseCause::Timeout(Deadline::WriteStall)), "seed {seed}");
    }
}
