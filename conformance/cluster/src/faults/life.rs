//! Logs that are erased, trimmed, replaced, or promoted without their tail.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_backbone::{Engine as _, Event, LogEnds, Position, Rejection, State, TroubleKind};
use sockeye_redis::RedisEngine;

use super::Check;
use super::links::assert_same;
use crate::node::{Node, WAIT_MAX, config};
use crate::proxy::{Holds, Proxy};
use crate::server::{LogServer as _, Sentinel, Server};

pub(super) const CHECKS: &[Check] = &[
    ("a log that many begin at once is begun once", begun_by_many),
    ("FLUSHALL shows in the ends, rejects appends, and ends in a greater fence", flushed),
    ("a log that a stranger replaced shows in the ends", replaced),
    ("XTRIM behind our back is a jump for who is behind", trimmed),
    ("a replica that lacks the tail shows in the ends, and fences older appends", lost_tail),
    ("a tail that the disk has lost shows in the ends, and is offered again", lost_on_disk),
    ("a replica that was written to has other entries at our place", forked),
    ("a primary that was demoted is left", demoted),
    ("a Sentinel leads to the new primary", sentinel),
    ("entries of strangers come back empty", strangers),
    ("entries that a server took, and lost unread, are told", lost_unread),
];

fn begun_by_many() {
    let server = Server::start(&[]);
    for round in 0..10 {
        let key = format!("log-{round}");
        let url = format!("{}/0?key={key}", server.url());
        let mut nodes: Vec<Node> =
            (0..6).map(|number| Node::new(&number.to_string(), &url)).collect();
        for node in &mut nodes {
            node.wait("it is up", Node::is_up);
        }
        for node in &mut nodes {
            node.engine.begin_log(&Arc::from(*b"birth")).expect("nothing waits");
        }
        for node in &mut nodes {
            node.wait("the log has begun", |it| it.fence > 0);
            node.offer(1);
        }
        for node in &mut nodes {
            node.wait_applied(6);
        }
        // An offer of a node is in the log behind its attempt to begin it.
        let births = server.entries(&key).iter().filter(|(_, text)| text == "birth").count();
        assert_eq!(births, 1, "in round {round}");
    }
}

fn flushed() {
    let server = Server::start(&[]);
    let mut node = Node::beginning("a", &server.url());
    let mut other = Node::new("b", &server.url());
    node.offer(20);
    node.settle();
    other.wait_applied(20);
    let fence = node.fence;
    server.set(&["FLUSHALL"]);
    let is_empty = |it: &Node| it.ends.is_some_and(|ends| ends == LogEnds::default());
    node.wait("the log is gone", is_empty);
    other.wait("the log is gone", is_empty);
    node.engine.append(fence, &[Arc::from(*b"x")]).expect("little waits");
    node.wait("the append is dropped", |it| !it.rejections.is_empty());
    assert_eq!(node.rejections, [Rejection::Gone]);
    assert_eq!(server.ask(&["EXISTS", "sockeye"]), "0", "no append has created the log");
    // Both begin it: one of them is first.
    let birth: Arc<[u8]> = Arc::from(*b"birth");
    node.engine.begin_log(&birth).expect("little waits");
    other.engine.begin_log(&birth).expect("little waits");
    // Both go on under the old number, and are given the new log.
    for node in [&mut node, &mut other] {
        node.wait("it has the new life", |it| it.fence > fence);
    }
    // An append behind the beginning: it is in the log after that was decided.
    for node in [&mut node, &mut other] {
        node.engine.append(node.fence, &[Arc::from(*b"behind")]).expect("little waits");
    }
    for node in [&mut node, &mut other] {
        let texts = |it: &Node| it.read.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
        node.wait("both appends are read", |it| {
            texts(it).ends_with(&["behind".into(), "behind".into()])
        });
        let births = texts(node).iter().filter(|text| **text == "birth").count();
        assert_eq!(births, 2, "the log was begun once before, and once after");
    }
    assert_eq!(node.place(), other.place());
}

fn replaced() {
    let server = Server::start(&[]);
    let mut node = Node::beginning("a", &server.url());
    node.offer(20);
    node.settle();
    let place = node.place();
    server.ask(&["DEL", "sockeye"]);
    server.ask(&["XADD", "sockeye", "1-0", "e", "strange"]);
    let last = Position::new(1, 1);
    node.wait("the ends are those of the stranger", |it| {
        it.ends.is_some_and(|it| it.last == Some(last))
    });
    assert!(last < place, "the end is before the node's place");
}

fn trimmed() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let mut node = Node::beginning("a", &server.url());
    let mut behind = Node::new("b", &proxy.url());
    behind.wait("it reads", |it| it.fence > 0);
    let place = behind.place();
    proxy.hold(Holds::All);
    node.offer(100);
    node.settle();
    let first = node.read[60].0;
    server.ask(&["XTRIM", "sockeye", "MINID", &format!("{}-{}", first.fence, first.number - 1)]);
    node.wait("the ends are moved", |it| it.ends.is_some_and(|it| it.first == Some(first)));
    assert_eq!(node.holes, [], "who has read all has no hole");
    // The reply of a blocked read may have left before the log was trimmed.
    behind.wait("the server is away", |it| it.trouble().is_some());
    proxy.hold(Holds::Nothing);
    let end = node.place();
    behind.wait("it has caught up", |it| it.place() == end);
    assert_eq!(behind.holes, [(place, first)], "the jump shows");
    assert_eq!(behind.read.len(), 1 + 41);
}

/// A primary with a replica behind a proxy, and a node that reaches the primary through another proxy.
struct Pair {
    primary: Server,
    replica: Server,
    copying: Proxy,
    proxy: Proxy,
    node: Node,
}

impl Pair {
    /// `kept` entries reach the replica, and `lost` do not; the node has read all of them.
    fn with_lost_tail(kept: u64, lost: u64) -> Self {
        let primary = Server::start(&[]);
        let copying = Proxy::to(primary.port);
        let port = copying.port.to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
        let proxy = Proxy::to(primary.port);
        let mut node = Node::beginning("a", &proxy.url());
        node.offer(kept);
        node.settle();
        let length = (kept + 1).to_string();
        node.wait("the replica has them", |_| replica.ask(&["XLEN", "sockeye"]) == length);
        copying.hold(Holds::All);
        node.offer(lost);
        node.settle();
        Self { primary, replica, copying, proxy, node }
    }

    /// Kills the primary and promotes the replica.
    fn promote(&mut self) {
        self.primary.kill();
        self.copying.cut();
        self.replica.set(&["REPLICAOF", "NO", "ONE"]);
        self.proxy.lead_to(self.replica.port);
    }
}

/// The newest entry, as the engine said when it came up.
fn newest(node: &Node) -> Option<Position> {
    match &node.state {
        Some(State::Up(ends)) => ends.last,
        Some(State::Away(_) | State::Refused(_)) | None => None,
    }
}

fn lost_on_disk() {
    // So that all of it is in the file whose end is cut off.
    let mut server = Server::start(&["--appendfsync", "always"]);
    let mut node = Node::beginning("a", &server.url());
    node.offer(100);
    node.settle();
    let (place, ups) = (node.place(), node.ups);
    server.kill();
    server.lose_on_disk(2_000);
    server.run();
    node.wait("it is up again", |it| it.ups > ups);
    let last = newest(&node).expect("the log is there");
    assert!(last.fence == place.fence && last.number < place.number, "{last} is before {place}");
    node.begin_life(last);
    node.settle();
    assert_eq!(node.applied.len(), 100, "all entries count");
    assert!(
        node.applied.iter().enumerate().all(|(at, text)| *text == format!("a {}", at + 1)),
        "once and in order"
    );
    assert_same(&server, &node);
}

fn lost_tail() {
    let mut pair = Pair::with_lost_tail(9, 5);
    let (place, ups) = (pair.node.place(), pair.node.ups);
    pair.promote();
    pair.node.wait("the replica is up", |it| it.ups > ups);
    let last = newest(&pair.node).expect("the log is there");
    assert_eq!(last, Position::new(place.fence, place.number - 5), "the tail is lost");
    // The owner declares a new life behind what is left.
    pair.node.engine.raise_fence(&Arc::from(*b"life")).expect("little waits");
    pair.node.wait("the fence is raised", |it| it.fence > place.fence);
    let raised = pair.node.fence;
    let refused = pair.replica.ask(&["XADD", "sockeye", &format!("{}-*", place.fence), "e", "x"]);
    assert!(refused.contains("equal or smaller"), "an append under the old fence: {refused:?}");
    assert_eq!(pair.node.place(), Position::new(raised, 1));
}

fn forked() {
    let mut pair = Pair::with_lost_tail(9, 5);
    let (place, ups) = (pair.node.place(), pair.node.ups);
    pair.promote();
    // Others were quicker: the numbers of the lost tail have other entries.
    for number in 0..8 {
        pair.replica.ask(&[
            "XADD",
            "sockeye",
            &format!("{}-*", place.fence),
            "e",
            &format!("x{number}"),
        ]);
    }
    pair.node.wait("the replica is up", |it| it.ups > ups);
    pair.node.wait("the entry at the place is read", |it| !it.forks.is_empty());
    assert_eq!(pair.node.forks, [place], "reading is inclusive, and shows that it is another log");
}

fn demoted() {
    let old = Server::start(&[]);
    let new = Server::start(&[]);
    let proxy = Proxy::to(old.port);
    let mut node = Node::beginning("a", &proxy.url());
    node.offer(10);
    node.settle();
    new.set(&["REPLICAOF", "127.0.0.1", &old.port.to_string()]);
    node.wait("the replica has them", |_| new.ask(&["XLEN", "sockeye"]) == "11");
    new.set(&["REPLICAOF", "NO", "ONE"]);
    old.set(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    node.wait("the primary is left", |it| it.trouble().is_some());
    assert_eq!(node.trouble().map(|it| it.kind), Some(TroubleKind::NoLeader));
    proxy.lead_to(new.port);
    node.offer(10);
    node.settle();
    assert_eq!((node.applied.len(), node.holes.len()), (20, 0));
    assert_same(&new, &node);
}

fn sentinel() {
    let mut primary = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let sentinel = Sentinel::start("log", primary.port);
    // One that is not there is passed over.
    let url = format!("redis-sentinel://127.0.0.1:9,127.0.0.1:{}/log", sentinel.port);
    let mut node = Node::beginning("a", &url);
    node.offer(10);
    node.settle();
    node.wait("the replica has them", |_| replica.ask(&["XLEN", "sockeye"]) == "11");
    node.wait("the Sentinel knows the replica", |_| {
        sentinel.ask(&["SENTINEL", "REPLICAS", "log"]).contains(&replica.port.to_string())
    });
    primary.kill();
    node.offer(10);
    node.wait("it is up again", |it| it.ups > 1);
    node.settle();
    assert_eq!((node.applied.len(), node.holes.len()), (20, 0));
    assert_same(&replica, &node);
    let unknown = Node::new("b", &format!("redis-sentinel://127.0.0.1:{}/other", sentinel.port));
    let mut unknown = unknown;
    unknown.wait("there is a trouble", |it| it.trouble().is_some());
    assert!(
        unknown.trouble().is_some_and(|it| it.text.contains("no primary with the name \"other\""))
    );
}

fn strangers() {
    let server = Server::start(&[]);
    let mut node = Node::beginning("a", &server.url());
    let fence = format!("{}-*", node.fence);
    for fields in [&["other", "x"][..], &["e", "x", "f", "y"]] {
        server.ask(&[&["XADD", "sockeye", &fence][..], fields].concat());
    }
    node.offer(1);
    node.settle();
    let texts: Vec<&str> = node.read.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["birth", "", "", "a 1"]);
    assert_eq!(node.holes, []);
}

/// The appends of an engine that does not read reach one server, and the next one lacks them.
fn lost_unread() {
    let servers = [Server::start(&[]), Server::start(&[])];
    for server in &servers {
        server.ask(&["XADD", "sockeye", "5-0", "e", "birth"]);
    }
    let proxy = Proxy::to(servers[0].port);
    let mut engine = RedisEngine::open(config(&proxy.url())).expect("threads");
    let late = Instant::now() + WAIT_MAX;
    // That the second one is there means that the engine knows of the first.
    for (entry, length) in [(b"a", "2"), (b"b", "3")] {
        engine.append(5, &[Arc::from(*entry)]).expect("little waits");
        while servers[0].ask(&["XLEN", "sockeye"]) != length {
            assert!(Instant::now() < late, "the append is not in the log");
        }
    }
    proxy.lead_to(servers[1].port);
    proxy.cut();
    loop {
        match engine.next() {
            Some(Event::Dropped(rejection)) => {
                assert_eq!(rejection, Rejection::Away);
                break;
            }
            Some(_) => {}
            None => thread::sleep(Duration::from_millis(5)),
        }
        assert!(Instant::now() < late, "nothing was told");
    }
}
