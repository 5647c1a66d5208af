//! Copies on replicas.

use super::Check;
use crate::node::{Node, config};
use crate::proxy::{Holds, Proxy};
use crate::server::{LogServer as _, Server};

pub(super) const CHECKS: &[Check] = &[
    ("entries count as replicated when a replica has them, and not before", replicated),
    ("nobody is told of copies who has not asked for them", unasked),
];

fn replicated() {
    let primary = Server::start(&[]);
    let copying = Proxy::to(primary.port);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &copying.port.to_string()]);
    let mut node = Node::with("a", config(&primary.url()).with_replicas(1));
    node.begin();
    node.offer(10);
    node.settle();
    let place = node.place();
    node.wait("there are copies", |it| it.replicated == Some(place));
    copying.hold(Holds::All);
    let asked = waits(&primary);
    node.offer(10);
    node.settle();
    // One connection asks, so the first answer was there before the second question.
    node.wait("copies are asked for twice", |_| waits(&primary) >= asked + 2);
    let (acked, length) = (node.replicated, replica.ask(&["XLEN", "sockeye"]));
    assert_eq!((acked, &*length), (Some(place), "11"), "the replica lacks what is held");
    copying.hold(Holds::Nothing);
    let place = node.place();
    node.wait("there are copies again", |it| it.replicated == Some(place));
    assert_eq!(replica.ask(&["XLEN", "sockeye"]), "21");
}

/// How often a server was asked for copies.
fn waits(server: &Server) -> u64 {
    let text = server.ask(&["INFO", "commandstats"]);
    let calls = text.split("cmdstat_wait:calls=").nth(1).and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

fn unasked() {
    let server = Server::start(&[]);
    let _replica = Server::start(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
    let mut node = Node::beginning("a", &server.url());
    // One connection appends and asks: what was asked for the first ones was asked before the others were appended.
    for _ in 0..3 {
        node.offer(10);
        node.settle();
    }
    assert_eq!((waits(&server), node.replicated), (0, None));
}
