//! Copies on replicas.

use super::Check;
use crate::node::{Node, config};
use crate::proxy::{Holds, Proxy};
use crate::server::Server;

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
    node.offer(10);
    node.settle();
    let (acked, length) = (node.replicated, replica.ask(&["XLEN", "sockeye"]));
    assert_eq!((acked, &*length), (Some(place), "11"), "the replica lacks what is held");
    copying.hold(Holds::Nothing);
    let place = node.place();
    node.wait("there are copies again", |it| it.replicated == Some(place));
    assert_eq!(replica.ask(&["XLEN", "sockeye"]), "21");
}

fn unasked() {
    let server = Server::start(&[]);
    let mut node = Node::beginning("a", &server.url());
    node.offer(10);
    node.settle();
    assert_eq!(node.replicated, None);
}
