//! When what a peer is answered leaves.

use std::time::Duration;

use sockeye_server::{
    Answer, App, Context, Limits, Message, Opened, Origins, Request, Server, StreamKey, Upgrade,
};
use sockeye_simnet::{Faults, SimNet};

use crate::stage::upgrade;

/// An echo that looks, before the turn ends, at what still waits for its one peer.
#[derive(Default)]
struct Onlooker {
    stream: Option<StreamKey>,
    waiting: usize,
}

impl App for Onlooker {
    fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
        Answer::WebSocket(Upgrade {
            subprotocols: &[],
            origins: Origins::Any,
            message_bytes_max: None,
            compression: None,
            headers: Vec::new(),
        })
    }

    fn on_open(&mut self, stream: StreamKey, _: &Opened<'_>, _: &mut Context<'_>) {
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
    let net = SimNet::new(1, Faults::default(), 1 << 20);
    let mut server = Server::new(net.clone(), Onlooker::default(), Limits::default());
    let mut turn = || {
        server.turn(Some(Duration::ZERO)).expect("the poller never fails here");
        server.app().waiting
    };
    let mut peer = net.connect().expect("it listens");
    peer.write(upgrade("").as_bytes());
    let head = (0..9).find_map(|_| {
        turn();
        peer.read(usize::MAX).filter(|head| !head.is_empty())
    });
    assert!(head.is_some_and(|head| head.starts_with(b"HTTP/1.1 101 ")));

    for (messages, waiting) in [(1, 102), (39, 39 * 102), (41, 0)] {
        peer.write(&[&[0x82, 0x80 | 100, 0, 0, 0, 0][..], &[7; 100]].concat().repeat(messages));
        assert_eq!(turn(), waiting, "{messages} messages");
        let echo = peer.read(usize::MAX).expect("it is open");
        assert_eq!(echo.len(), messages * 102);
    }
}
