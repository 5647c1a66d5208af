//! Logs that are deleted, replaced, forgotten, and written to by strangers; and topics that cannot keep one.

use std::sync::Arc;

use sockeye_backbone::{LogEnds, Position, Rejection, TroubleKind};

use super::{KafkaServer, beginning, node};
use crate::common::assert_same;
use crate::faults::Check;
use crate::node::Node;
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("kafka: a log that many begin at once has one order", begun_by_many),
    ("kafka: a deleted topic shows in the ends, rejects appends, and begins again", deleted),
    ("kafka: a topic that was created again has another identity", recreated),
    ("kafka: a broker that forgets its topics when it is killed is noticed", forgotten),
    ("kafka: records of strangers come back as they are", strangers),
    ("kafka: topics of two partitions or other settings are refused in one line", refused),
];

/// Kafka cannot append the first entry on a condition: there may be several, and readers pass over all but the first.
fn begun_by_many() {
    let server = KafkaServer::start();
    for round in 0..5 {
        let url = format!("{}/log-{round}", server.url());
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
            assert_eq!(node.read[0], (Position::new(0, 1), "birth".into()), "in round {round}");
        }
        let applied: Vec<_> = nodes.iter().map(|node| &node.applied).collect();
        assert!(applied.iter().all(|it| *it == applied[0]), "all nodes decide alike");
    }
}

fn deleted() {
    let server = KafkaServer::start();
    let mut node = beginning("a", &server.url());
    let mut other = super::node("b", &server.url());
    node.offer(20);
    node.settle();
    other.wait_applied(20);
    let before = node.ends_now().identity;
    assert!(server.client().delete("sockeye"), "the topic was there");
    node.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    other.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    node.engine.append(0, &[Arc::from(*b"x")]).expect("little waits");
    node.wait("the append is dropped", |it| !it.rejections.is_empty());
    assert_eq!(node.rejections, [Rejection::Gone]);
    assert!(!server.client().has("sockeye"), "no append has created the topic");
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
    let server = KafkaServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(5);
    node.settle();
    let (place, before, ups) = (node.place(), node.ends_now().identity, node.ups);
    let mut client = server.client();
    assert!(client.delete("sockeye"), "the topic was there");
    assert_eq!(client.create("sockeye", 1, &[]), 0);
    let lines: String = (1..=10).map(|number| format!("strange {number}\n")).collect();
    server.produce(&lines);
    // On the connection that goes on, under numbers that it has read.
    node.wait("the new topic is told", |it| it.ups > ups && it.ends.is_some());
    assert_ne!(node.ends_now().identity, before);
    node.wait("its end is told", |it| it.ends_now().last == Some(Position::new(0, 10)));
    node.wait("the entry at the place is read", |it| !it.forks.is_empty());
    assert_eq!(node.forks, [place], "reading is inclusive, and shows that it is another log");
}

fn forgotten() {
    let mut server = KafkaServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(10);
    node.settle();
    server.kill();
    node.wait("the server is away", |it| it.trouble().is_some());
    server.run();
    node.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    node.forget();
    node.begin();
    node.engine.append(0, &[Arc::from(*b"behind")]).expect("little waits");
    node.wait("the append is read", |it| it.read.len() == 2);
    assert_same(&server, &node);
}

fn strangers() {
    let server = KafkaServer::start();
    let mut node = beginning("a", &server.url());
    server.produce("strange\n");
    node.wait("it is read", |it| it.read.len() == 2);
    node.offer(1);
    node.settle();
    let texts: Vec<&str> = node.read.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["birth", "strange", "a 1"]);
    assert_eq!(node.holes, []);
    assert_same(&server, &node);
}

fn refused() {
    let server = KafkaServer::start();
    let mut client = server.client();
    for (topic, partitions, settings, what) in [
        ("two", 2, &[][..], "of 2 partitions"),
        ("compacted", 1, &["cleanup.policy=compact"][..], "set cleanup.policy=delete"),
        ("short", 1, &["retention.ms=1000"][..], "set retention.ms=-1"),
        ("small", 1, &["retention.bytes=1000"][..], "set retention.bytes=-1"),
    ] {
        assert_eq!(client.create(topic, partitions, settings), 0);
        let mut node = node("a", &format!("{}/{topic}", server.url()));
        node.wait("there is a trouble", |it| it.trouble().is_some());
        let trouble = node.trouble().expect("it was waited for");
        assert_eq!(trouble.kind, TroubleKind::Settings, "{trouble}");
        assert!(trouble.text.contains(what) && trouble.text.contains(topic), "{trouble}");
    }
}
