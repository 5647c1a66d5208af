//! Logs that are deleted, purged, replaced, and written to by strangers.

use std::sync::Arc;

use sockeye_backbone::{LogEnds, Position, Rejection};

use super::{NatsServer, beginning, node};
use crate::common::{Tested as _, assert_same};
use crate::faults::Check;
use crate::node::Node;
use crate::proxy::{Holds, Proxy};
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("nats: a log that many begin at once is begun once", begun_by_many),
    ("nats: a deleted stream shows in the ends, rejects appends, and begins again", deleted),
    ("nats: a stream that was created again has another identity", recreated),
    ("nats: a purged stream shows in the ends, and goes on behind its last number", purged),
    ("nats: a purge behind our back is a jump for who is behind", purged_before),
    ("nats: messages of strangers come back as they are", strangers),
];

fn begun_by_many() {
    let server = NatsServer::start();
    for round in 0..10 {
        let stream = format!("log-{round}");
        let url = format!("{}?stream={stream}", server.url());
        let mut nodes: Vec<Node> = (0..6).map(|number| node(&number.to_string(), &url)).collect();
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
        for node in &mut nodes {
            node.wait_applied(6);
            assert_eq!(node.rejections, [], "who came second has lost nothing");
        }
        // An offer of a node is in the log behind its attempt to begin it.
        let entries = server.client().entries(&stream);
        assert_eq!(
            entries.iter().filter(|(_, text)| text == "birth").count(),
            1,
            "in round {round}"
        );
    }
}

/// Whether the last ends of a node are those of an empty log.
fn is_empty(node: &Node) -> bool {
    node.ends.is_some_and(|ends| ends.last.is_none())
}

fn deleted() {
    let server = NatsServer::start();
    let mut node = beginning("a", &server.url());
    let mut other = super::node("b", &server.url());
    node.offer(20);
    node.settle();
    other.wait_applied(20);
    let before = node.ends_now().identity;
    server.api("STREAM.DELETE.sockeye", "");
    node.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    other.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    node.engine.append(0, &[Arc::from(*b"x")]).expect("little waits");
    node.wait("the append is dropped", |it| !it.rejections.is_empty());
    assert_eq!(node.rejections, [Rejection::Gone]);
    assert_eq!(server.told("sockeye", "messages"), None, "no append has created the stream");
    // Both begin it: one of them is first. They read from the beginning.
    for node in [&mut node, &mut other] {
        node.forget();
        node.engine.begin_log(&Arc::from(*b"birth")).expect("little waits");
    }
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
    let server = NatsServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(5);
    node.settle();
    let (place, before, ups) = (node.place(), node.ends_now().identity, node.ups);
    server.api("STREAM.DELETE.sockeye", "");
    server.set_stream("CREATE", "sockeye", "");
    for number in 1..=10 {
        server.publish("sockeye", &format!("strange {number}"));
    }
    // On the connection that goes on, under numbers that it has read.
    node.wait("the new stream is told", |it| it.ups > ups && it.ends.is_some());
    assert_ne!(node.ends_now().identity, before);
    assert_eq!(node.ends_now().last, Some(Position::new(0, 10)), "its end is behind {place}");
    node.wait("the entry at the place is read", |it| !it.forks.is_empty());
    assert_eq!(node.forks, [place], "reading is inclusive, and shows that it is another log");
}

fn purged() {
    let server = NatsServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(5);
    node.settle();
    let place = node.place();
    server.api("STREAM.PURGE.sockeye", "{}");
    node.wait("the log is empty", is_empty);
    node.forget();
    node.engine.begin_log(&Arc::from(*b"birth")).expect("little waits");
    node.wait("the log has begun", |it| !it.read.is_empty());
    assert_eq!(node.read, [(Position::new(0, place.number + 1), "birth".into())]);
    assert_eq!(node.rejections, []);
}

fn purged_before() {
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port);
    let mut node = beginning("a", &server.url());
    let mut behind = super::node("b", &server.url_at(proxy.port));
    behind.wait("it reads", |it| !it.read.is_empty());
    let place = behind.place();
    proxy.hold(Holds::All);
    node.offer(100);
    node.settle();
    let first = node.read[60].0;
    server.api("STREAM.PURGE.sockeye", &format!("{{\"seq\":{}}}", first.number));
    node.wait("the ends are moved", |it| it.ends.is_some_and(|it| it.first == Some(first)));
    assert_eq!(node.holes, [], "who has read all has no hole");
    // What the server has sent to the proxy comes when nothing is held any more.
    behind.wait("the server is away", |it| it.trouble().is_some());
    proxy.cut();
    proxy.hold(Holds::Nothing);
    let end = node.place();
    behind.wait("it has caught up", |it| it.place() == end);
    assert_eq!(behind.holes, [(place, first)], "the jump shows");
    assert_eq!(behind.read.len(), 1 + 41);
}

fn strangers() {
    let server = NatsServer::start();
    let mut node = beginning("a", &server.url());
    server.publish("sockeye", "strange");
    server.publish("sockeye", "");
    node.offer(1);
    node.settle();
    let texts: Vec<&str> = node.read.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["birth", "strange", "", "a 1"]);
    assert_eq!(node.holes, []);
    assert_same(&server, &node);
}
