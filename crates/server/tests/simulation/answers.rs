//! When what a peer is answered leaves.

use std::time::Duration;

use sockeye_server::{
    Answer, App, Context, Limits, Message, Opened, Origins, Request, Server, StreamKey, Upgrade,
};
use sockeye_simnet::{Faults, Peer, SimNet};

use crate::simulation::stage::{Stage, get, upgrade};

/// An echo that looks, before the turn ends, at what still waits for its one peer.
#[derive(Default)]
struct Onlooker {
    stream: Option<StreamKey>,
    waiting: usize,
}

impl App for Onlooker {
    type Pending = ();

    fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
        Answer::WebSocket(Upgrade::new(Origins::Any), ())
    }

    fn on_open(&mut self, stream: StreamKey, _: (), _: &Opened<'_>, _: &mut Context<'_>) {
        self.stream = Some(stream);
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        context.send(stream, message).expect("it is open");
    }

    fn on_turn(&mut self, context: &mut Context<'_>) {
        self.waiting = self.stream.map_or(0, |stream| context.outbox_bytes(stream));
    }
}

/// A short one may meet more that is for its peer before the turn ends: they leave in one write.
/// [server:long-answers]
#[test]
fn a_long_one_leaves_with_its_visit_and_a_short_one_with_its_turn() {
    let (mut server, mut peer) = open(Limits::default());
    for (messages, waiting) in [(1, 102), (39, 39 * 102), (41, 0)] {
        peer.write(&message().repeat(messages));
        assert_eq!(turn(&mut server), waiting, "{messages} messages");
        let echo = peer.read(usize::MAX).expect("it is open");
        assert_eq!(echo.len(), messages * 102);
    }
}

/// What was read in one turn and is looked at in the next: that is a visit, too. [server:long-answers]
#[test]
fn a_long_one_leaves_with_a_visit_that_reads_nothing() {
    let mut limits = Limits::default();
    // The first visit spends 5 units, 37 for the bytes that it reads, and one for each message. The others
    // read nothing.
    limits.connection_units_max = 5 + 37 + 50;
    let (mut server, mut peer) = open(limits);
    peer.write(&message().repeat(50 + 87 + 44));
    for messages in [50, 87, 44] {
        assert_eq!(turn(&mut server), 0, "{messages} messages");
        let echo = peer.read(usize::MAX).expect("it is open");
        assert_eq!(echo.len(), messages * 102);
    }
}

/// A page of history may be large, and a thousand clients may ask for many. [server:unread-answers]
#[test]
fn a_client_that_has_not_taken_its_answers_is_given_no_more() {
    const ROOM: usize = 1_000;
    let mut stage = Stage::new(ROOM, |_| {});
    let mut peer = stage.peer(&get(&format!("/{}", "x".repeat(2_999))).repeat(20));
    let answered = stage.server.stats().requests;
    assert!(answered < 20, "more than 16 KiB in one visit");
    let mut taken = 0;
    while stage.server.stats().requests == answered {
        taken += peer.read(500).expect("it is open").len();
        stage.turns();
    }
    let had = usize::try_from(answered).expect("few") * 3_000;
    assert!(taken + ROOM >= had, "{taken} of {had} bytes taken");
    while stage.server.stats().requests < 20 {
        assert!(!peer.read(usize::MAX).expect("it is open").is_empty(), "it goes on");
        stage.turns();
    }
}

fn open(limits: Limits) -> (Server<SimNet, Onlooker>, Peer) {
    let net = SimNet::new(1, Faults::default(), 1 << 20);
    let mut server = Server::new(net.clone(), Onlooker::default(), limits);
    let mut peer = net.connect().expect("it listens");
    peer.write(upgrade("").as_bytes());
    let head = (0..9).find_map(|_| {
        turn(&mut server);
        peer.read(usize::MAX).filter(|head| !head.is_empty())
    });
    assert!(head.is_some_and(|head| head.starts_with(b"HTTP/1.1 101 ")));
    (server, peer)
}

/// Bytes that wait for the peer towards the end of a turn.
fn turn(server: &mut Server<SimNet, Onlooker>) -> usize {
    server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
    server.app().waiting
}

/// A masked message of 100 bytes, whose echo has 102.
fn message() -> Vec<u8> {
    [&[0x82, 0x80 | 100, 0, 0, 0, 0][..], &[7; 100]].concat()
}
