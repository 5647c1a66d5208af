//! Servers that die and stop, and links that break.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_backbone::{State, TroubleKind};
use sockeye_redis::RedisLimits;

use super::Check;
use crate::node::{Node, config};
use crate::proxy::{Holds, Proxy};
use crate::server::{LogServer as _, Server};

pub(super) const CHECKS: &[Check] = &[
    ("kills of a server that syncs always lose nothing that was read", kills),
    ("two nodes whose links are cut have one log, and nothing is missing", cuts),
    ("a server that is stopped is away, and goes on", stopped),
    ("requests that are held are away in time, and come late as repeats", held_requests),
    ("replies that are held are away in time, and nothing is missing", held_replies),
    ("delays change nothing", delays),
    ("the ends are told in their place, while entries come all the time", ends_under_load),
    ("large and small entries take turns", sizes),
    ("an owner that takes nothing is sent no more than its bound", slow_owner),
    ("an address that leads to two servers is no log", two_servers),
    ("a server of another protocol is named", stranger),
    ("a server that is not there is away, and found when it comes", absent),
];

/// The log as redis-cli reads it is what a node read.
pub(super) fn assert_same(server: &Server, node: &Node) {
    let read = node.read.iter().map(|(position, text)| {
        (format!("{}-{}", position.fence, position.number - 1), text.clone())
    });
    assert!(server.entries("sockeye").into_iter().eq(read), "redis-cli reads another log");
}

/// The entries that count are those that were offered, each once, and nothing seemed to be lost.
fn assert_all(node: &Node, offered: u64) {
    assert_eq!(node.lost, 0, "no end was before what had been read");
    let distinct: BTreeSet<&String> = node.applied.iter().collect();
    assert_eq!(distinct.len(), node.applied.len(), "an entry counts twice");
    assert_eq!(node.applied.len() as u64, offered, "all entries count");
}

/// With `everysec` Redis answers before it writes while a sync of the file goes on: a kill may lose what was read.
const ALWAYS: &[&str] = &["--appendfsync", "always"];

fn kills() {
    let mut server = Server::start(ALWAYS);
    let mut node = Node::beginning("a", &server.url());
    let mut observer = Node::new("b", &server.url());
    observer.reads_on = true;
    for _ in 0..5 {
        let before = node.read.len();
        node.offer(200);
        node.wait("some offers are read back", |it| it.read.len() > before);
        observer.take();
        server.kill();
        // While it is away, too.
        node.offer(50);
        let ups = node.ups;
        node.wait("the server is away", |it| it.trouble().is_some());
        server.run();
        node.wait("the server is up again", |it| it.ups > ups);
        node.settle();
    }
    observer.wait_applied(1250);
    assert_all(&node, 1250);
    assert_eq!(node.applied, observer.applied, "both nodes decide alike");
    assert_eq!((node.holes.len(), observer.holes.len()), (0, 0), "no entry is missing");
    assert_same(&server, &node);
    assert_same(&server, &observer);
}

fn cuts() {
    let server = Server::start(&[]);
    let proxies = [Proxy::to(server.port), Proxy::to(server.port)];
    let mut nodes = [Node::beginning("a", &proxies[0].url()), Node::new("b", &proxies[1].url())];
    nodes[1].wait("it reads", |it| it.fence > 0);
    for _ in 0..20 {
        for (node, proxy) in nodes.iter_mut().zip(&proxies) {
            node.offer(100);
            node.take();
            proxy.cut();
        }
    }
    let [one, other] = &mut nodes;
    one.wait("both have all", |it| {
        other.take();
        it.applied.len() == 4000 && other.applied.len() == 4000
    });
    for node in &nodes {
        assert_all(node, 4000);
        assert!(node.ups > 1, "connections were cut");
    }
    assert_eq!(nodes[0].applied, nodes[1].applied, "both nodes decide alike");
    assert_same(&server, &nodes[0]);
}

fn stopped() {
    let server = Server::start(&[]);
    let mut node = Node::beginning("a", &server.url());
    server.signal("STOP");
    node.offer(10);
    node.wait("the server is away", |it| it.trouble().is_some());
    assert_eq!(node.trouble().map(|it| it.kind), Some(TroubleKind::Unreachable));
    server.signal("CONT");
    node.settle();
    assert_all(&node, 10);
    assert_same(&server, &node);
}

fn held_requests() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let mut node = Node::beginning("a", &proxy.url());
    let mut observer = Node::new("b", &server.url());
    proxy.hold(Holds::Requests);
    node.offer(100);
    node.wait("the server is away", |it| it.trouble().is_some());
    // The proxy has read those requests, and sends them to the server after the cut.
    proxy.hold(Holds::Nothing);
    node.settle();
    observer.wait_applied(100);
    assert_all(&observer, 100);
    assert_eq!(node.applied, observer.applied, "both nodes decide alike");
    assert_same(&server, &node);
}

fn held_replies() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let mut node = Node::beginning("a", &proxy.url());
    proxy.hold(Holds::Replies);
    node.offer(100);
    node.wait("the server is away", |it| it.trouble().is_some());
    proxy.hold(Holds::Nothing);
    node.settle();
    assert_all(&node, 100);
    assert!(!node.rejections.is_empty(), "the appends were in flight");
    assert_same(&server, &node);
}

fn delays() {
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    proxy.delay(Duration::from_millis(50));
    let mut node = Node::beginning("a", &proxy.url());
    node.offer(500);
    node.settle();
    assert_all(&node, 500);
    assert_eq!((node.ups, node.rejections.len()), (1, 0), "a delay is no failure");
    assert_same(&server, &node);
}

fn ends_under_load() {
    let server = Server::start(&[]);
    let mut writer = Node::beginning("a", &server.url());
    let mut reader = Node::new("b", &server.url());
    let mut told = 0;
    while told < 6 {
        writer.offer(500);
        writer.take();
        reader.take();
        told += usize::from(reader.ends.take().is_some());
    }
    writer.settle();
    reader.wait_applied(usize::try_from(writer.offered).expect("a count"));
    assert_all(&reader, writer.offered);
    assert_all(&writer, writer.offered);
}

fn sizes() {
    let server = Server::start(&[]);
    let mut writer = Node::beginning("a", &server.url());
    let fence = writer.fence;
    let large: Arc<[u8]> = vec![b'x'; 3 * 1024 * 1024].into();
    let mut expected = 1;
    for _ in 0..10 {
        let small: Vec<Arc<[u8]>> = (0..2000).map(|_| Arc::from(*b"s")).collect();
        for batch in [small, vec![Arc::clone(&large), Arc::clone(&large)]] {
            while writer.engine.append(fence, &batch).is_err() {
                writer.pass();
            }
            expected += batch.len();
        }
    }
    writer.wait("all are read back", |it| it.read.len() == expected);
    let mut reader = Node::new("b", &server.url());
    reader.wait("all are read", |it| it.read.len() == expected);
    let lengths = |node: &Node| node.read.iter().map(|(_, text)| text.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&writer), lengths(&reader));
    assert_eq!(lengths(&reader).iter().filter(|length| **length == large.len()).count(), 20);
    assert_eq!((reader.ups, reader.holes.len()), (1, 0));
}

fn slow_owner() {
    const BOUND: usize = 1024 * 1024;
    const ENTRIES: usize = 300;
    let server = Server::start(&[]);
    let proxy = Proxy::to(server.port);
    let mut writer = Node::beginning("a", &server.url());
    let large: Arc<[u8]> = vec![b'x'; 100_000].into();
    for _ in 0..ENTRIES {
        writer.engine.append(writer.fence, &[Arc::clone(&large)]).expect("it has room");
    }
    writer.wait("all are read back", |it| it.read.len() == 1 + ENTRIES);
    let mut limits = RedisLimits::default();
    limits.event_bytes_max = BOUND;
    let mut slow = Node::with("b", config(&proxy.url()).with_limits(limits));
    // Its engine reads at once, and then no more: the bytes stay as they are for a while.
    let (mut relayed, mut since) = (0, Instant::now());
    while relayed < BOUND as u64 || since.elapsed() < Duration::from_millis(500) {
        thread::sleep(Duration::from_millis(10));
        if proxy.relayed() != relayed {
            (relayed, since) = (proxy.relayed(), Instant::now());
        }
    }
    // The bound, and one reply of at most 64 entries.
    assert!(relayed < (BOUND + 70 * large.len()) as u64, "{relayed} bytes were sent");
    slow.wait("all are read", |it| it.read.len() == 1 + ENTRIES);
    assert_eq!((slow.ups, slow.holes.len()), (1, 0), "it was slow, and nothing else");
}

fn two_servers() {
    let servers = [Server::start(&[]), Server::start(&[])];
    let proxy = Proxy::to(servers[0].port);
    proxy.take_turns_with(servers[1].port);
    let mut node = Node::new("a", &proxy.url());
    node.wait("there is a trouble", |it| it.trouble().is_some());
    let trouble = node.trouble().expect("it was waited for");
    assert_eq!(trouble.kind, TroubleKind::NoLeader);
    assert!(trouble.text.contains("leads to two servers"), "{trouble}");
}

fn stranger() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 1024];
            let _ = client.read(&mut request);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let mut node = Node::new("a", &format!("redis://127.0.0.1:{port}"));
    node.wait("there is a trouble", |it| it.trouble().is_some());
    let trouble = node.trouble().expect("it was waited for");
    assert_eq!(trouble.kind, TroubleKind::Protocol);
    assert!(trouble.text.contains("is this Redis?"), "{trouble}");
}

fn absent() {
    let mut server = Server::start(ALWAYS);
    let mut node = Node::beginning("a", &server.url());
    node.offer(10);
    node.settle();
    server.kill();
    let mut other = Node::new("b", &server.url());
    other.wait("there is a trouble", |it| it.trouble().is_some());
    assert!(matches!(&other.state, Some(State::Away(it)) if it.kind == TroubleKind::Unreachable));
    server.run();
    other.wait_applied(10);
    assert_same(&server, &other);
}
