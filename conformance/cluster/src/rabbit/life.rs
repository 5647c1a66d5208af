//! Logs that are deleted, replaced, and written to by strangers.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sockeye_backbone::engine::ENDS_EVERY_MS;
use sockeye_backbone::{LogEnds, Position, Rejection};

use super::{RabbitServer, beginning, node};
use crate::common::assert_same;
use crate::faults::Check;
use crate::node::Node;
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("rabbit: a log that many begin at once has one order", begun_by_many),
    ("rabbit: a deleted stream shows in the ends, rejects appends, and begins again", deleted),
    ("rabbit: a stream that was created again has another identity", recreated),
    ("rabbit: an append for a deleted stream is never in the next one", fenced),
    ("rabbit: messages of strangers come back as they are", strangers),
];

/// RabbitMQ cannot append the first entry on a condition: there may be several, and readers pass over all but the first.
fn begun_by_many() {
    for round in 0..3 {
        let server = RabbitServer::shared();
        let mut nodes: Vec<Node> =
            (0..6).map(|number| node(&number.to_string(), &server.url())).collect();
        for node in &mut nodes {
            node.wait("it is up", Node::is_up);
        }
        for node in &mut nodes {
            node.engine.begin_log(&Arc::from(*b"birth")).expect("nothing waits");
        }
        for node in &mut nodes {
            node.wait("the log has begun", |it| !it.read.is_empty());
            node.offer(1);
        }
        // RabbitMQ closes connections that ask for a stream as it is created, so some appends are offered again.
        let (one, others) = nodes.split_first_mut().expect("there are six");
        one.wait("all have all", |it| {
            others.iter_mut().for_each(Node::take);
            it.applied.len() == 6 && others.iter().all(|other| other.applied.len() == 6)
        });
        for node in &nodes {
            assert_eq!(node.read[0], (Position::new(0, 1), "birth".into()), "in round {round}");
        }
        let applied: Vec<_> = nodes.iter().map(|node| &node.applied).collect();
        assert!(applied.iter().all(|it| *it == applied[0]), "all nodes decide alike");
    }
}

fn deleted() {
    let server = RabbitServer::shared();
    let client = server.client();
    let mut node = beginning("a", &server.url());
    let mut other = super::node("b", &server.url());
    node.offer(20);
    node.settle();
    other.wait_applied(20);
    let before = node.ends_now().identity;
    assert!(client.delete(server.stream()), "the stream was there");
    node.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    other.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    node.engine.append(0, &[Arc::from(*b"x")]).expect("little waits");
    node.wait("the append is dropped", |it| !it.rejections.is_empty());
    assert_eq!(node.rejections, [Rejection::Gone]);
    assert!(!client.has(server.stream()), "no append has created the stream");
    node.forget();
    other.forget();
    node.engine.begin_log(&Arc::from(*b"birth")).expect("little waits");
    for node in [&mut node, &mut other] {
        node.wait("it has the new life", |it| !it.read.is_empty());
        node.engine.append(0, &[Arc::from(*b"behind")]).expect("little waits");
    }
    for node in [&mut node, &mut other] {
        node.wait("both appends are read", |it| it.read.len() == 3);
        let texts: Vec<&str> = node.read.iter().map(|(_, text)| &**text).collect();
        assert_eq!(texts, ["birth", "behind", "behind"]);
        assert_eq!(node.read[0].0, Position::new(0, 1));
        let now = node.ends_now().identity;
        assert!(now != 0 && now != before, "{now} is another identity than {before}");
    }
}

fn recreated() {
    let server = RabbitServer::shared();
    let client = server.client();
    let mut node = beginning("a", &server.url());
    node.offer(5);
    node.settle();
    let (place, before, ups) = (node.place(), node.ends_now().identity, node.ups);
    // The next log has other numbers.
    node.passes_over = true;
    assert!(client.delete(server.stream()), "the stream was there");
    client.declare(server.stream(), "\"x-queue-type\":\"stream\"");
    let lines: String = (1..=10).map(|number| format!("strange {number}\n")).collect();
    client.publish(server.stream(), &lines);
    node.wait("the new stream is told", |it| it.ups > ups && it.ends.is_some());
    node.wait("it has another identity", |it| ![0, before].contains(&it.ends_now().identity));
    node.wait("its end is told", |it| it.ends_now().last == Some(Position::new(0, 10)));
    node.wait("the entry at the place is read", |it| !it.forks.is_empty());
    assert_eq!(node.forks, [place], "reading is inclusive, and shows that it is another log");
}

/// Its routing key leads nowhere, also where the owner has not heard of the next stream.
fn fenced() {
    let server = RabbitServer::shared();
    let client = server.client();
    let mut node = beginning("a", &server.url());
    node.offer(5);
    node.settle();
    assert!(client.delete(server.stream()), "the stream was there");
    let mut other = super::node("b", &server.url());
    other.begin();
    // The owner takes no event between the deletion and the append. The driver of its engine has noticed: it asks in this time.
    thread::sleep(Duration::from_millis(2 * ENDS_EVERY_MS));
    for _ in 0..100 {
        node.engine.append(0, &[Arc::from(*b"late")]).expect("little waits");
    }
    node.wait("the append is dropped", |it| !it.rejections.is_empty());
    assert_eq!(node.rejections[0], Rejection::Gone);
    other.offer(1);
    other.settle();
    let texts: Vec<&str> = other.read.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["birth", "b 1"]);
    assert_same(&server, &other);
}

fn strangers() {
    let server = RabbitServer::shared();
    let mut node = beginning("a", &server.url());
    server.client().publish(server.stream(), "strange\n\n");
    node.wait("they are read", |it| it.read.len() == 3);
    node.offer(1);
    node.settle();
    let texts: Vec<&str> = node.read.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["birth", "strange", "", "a 1"]);
    assert_eq!(node.holes, []);
    assert_same(&server, &node);
}
