//! Servers that die and stop, and links that break.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_backbone::{State, TroubleKind};
use sockeye_postgres::PostgresLimits;

use super::{PostgresServer, beginning, config, node, node_with};
use crate::faults::Check;
use crate::node::Node;
use crate::proxy::{Holds, Proxy};
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("postgres: kills of a server lose nothing that was read", kills),
    ("postgres: two nodes whose links are cut have one log, and nothing is missing", cuts),
    ("postgres: a server that is stopped is away, and goes on", stopped),
    ("postgres: a lock that somebody holds is a server that is away", locked),
    ("postgres: requests that are held are away in time, and come late as repeats", held_requests),
    ("postgres: replies that are held are away in time, and nothing is missing", held_replies),
    ("postgres: delays change nothing", delays),
    (
        "postgres: the ends are told in their place, while entries come all the time",
        ends_under_load,
    ),
    ("postgres: large and small entries take turns", sizes),
    ("postgres: an owner that takes nothing is sent no more than its bound", slow_owner),
    ("postgres: a server of another protocol is named", stranger),
    ("postgres: a server that is not there is away, and found when it comes", absent),
    ("postgres: the next server of the URL is taken", next_server),
];

/// The log as psql reads it begins with what a node read. Repeats may come behind that.
pub(super) fn assert_same(server: &PostgresServer, node: &Node) {
    let read = node.read.iter().map(|(at, text)| (at.fence, at.number, text.clone()));
    let others = server.entries("sockeye");
    let (read_by_others, read_here) = (others.len(), node.read.len());
    assert!(read_by_others >= read_here, "psql read {read_by_others}, and the node {read_here}");
    assert!(others.into_iter().take(node.read.len()).eq(read), "psql read another log");
}

/// The entries that count are those that were offered, each once, and nothing seemed to be lost.
pub(super) fn assert_all(node: &Node, offered: u64) {
    assert_eq!(node.lost, 0, "no end was before what had been read");
    let distinct: BTreeSet<&String> = node.applied.iter().collect();
    assert_eq!(distinct.len(), node.applied.len(), "an entry counts twice");
    assert_eq!(node.applied.len() as u64, offered, "all entries count");
    assert_eq!(node.holes, [], "no entry is missing");
}

/// The URL of a server behind a proxy.
pub(super) fn url(proxy: &Proxy) -> String {
    format!("postgres://sockeye@127.0.0.1:{}", proxy.port)
}

fn kills() {
    let mut server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    let mut observer = super::node("b", &server.url());
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
    assert_all(&observer, 1250);
    assert_eq!(node.applied, observer.applied, "both nodes decide alike");
    assert_same(&server, &node);
    assert_same(&server, &observer);
}

fn cuts() {
    let server = PostgresServer::start();
    let proxies = [Proxy::to(server.port), Proxy::to(server.port)];
    let mut nodes = [beginning("a", &url(&proxies[0])), node("b", &url(&proxies[1]))];
    nodes[1].wait("it reads", |it| !it.read.is_empty());
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
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    server.signal("STOP");
    node.offer(10);
    node.wait("the server is away", |it| it.trouble().is_some());
    assert_eq!(node.trouble().map(|it| it.kind), Some(TroubleKind::Unreachable));
    server.signal("CONT");
    node.settle();
    assert_all(&node, 10);
    assert_same(&server, &node);
}

fn locked() {
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    thread::scope(|scope| {
        scope.spawn(|| {
            server.ask("BEGIN; SELECT * FROM sockeye_head FOR UPDATE; SELECT pg_sleep(3); COMMIT");
        });
        // A lock on the row is what an appending node has, too.
        while server.ask("SELECT count(*) FROM pg_locks WHERE relation = 'sockeye_head'::regclass AND mode = 'RowShareLock'") == "0" {}
        node.offer(10);
        node.wait("the server is away", |it| it.trouble().is_some());
        assert_eq!(node.trouble().map(|it| it.kind), Some(TroubleKind::Unreachable));
    });
    node.settle();
    assert_all(&node, 10);
    assert_same(&server, &node);
}

fn held_requests() {
    let server = PostgresServer::start();
    let proxy = Proxy::to(server.port);
    let mut node = beginning("a", &url(&proxy));
    let mut observer = super::node("b", &server.url());
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
    let server = PostgresServer::start();
    let proxy = Proxy::to(server.port);
    let mut node = beginning("a", &url(&proxy));
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
    let server = PostgresServer::start();
    let proxy = Proxy::to(server.port);
    proxy.delay(Duration::from_millis(50));
    let mut node = beginning("a", &url(&proxy));
    node.offer(500);
    node.settle();
    assert_all(&node, 500);
    assert_eq!((node.ups, node.rejections.len()), (1, 0), "a delay is no failure");
    assert_same(&server, &node);
}

fn ends_under_load() {
    let server = PostgresServer::start();
    let mut writer = beginning("a", &server.url());
    let mut reader = node("b", &server.url());
    let mut told = 0;
    while told < 6 {
        writer.offer(200);
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
    const LARGE: usize = 1_000_000;
    let server = PostgresServer::start();
    let mut writer = beginning("a", &server.url());
    let large: Arc<[u8]> = vec![b'x'; LARGE].into();
    let mut expected = 1;
    for _ in 0..5 {
        let small: Vec<Arc<[u8]>> = (0..2000).map(|_| Arc::from(*b"s")).collect();
        for batch in [small, vec![Arc::clone(&large); 6]] {
            while writer.engine.append(writer.fence, &batch).is_err() {
                writer.pass();
            }
            expected += batch.len();
        }
    }
    writer.wait("all are read back", |it| it.read.len() == expected);
    let mut reader = node("b", &server.url());
    reader.wait("all are read", |it| it.read.len() == expected);
    let lengths = |node: &Node| node.read.iter().map(|(_, text)| text.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&writer), lengths(&reader));
    assert_eq!(lengths(&reader).iter().filter(|length| **length == LARGE).count(), 30);
    assert_eq!((reader.ups, reader.holes.len()), (1, 0));
}

fn slow_owner() {
    const BOUND: usize = 1024 * 1024;
    const ENTRIES: usize = 300;
    let server = PostgresServer::start();
    let proxy = Proxy::to(server.port);
    let mut writer = beginning("a", &server.url());
    let large: Arc<[u8]> = vec![b'x'; 100_000].into();
    for _ in 0..ENTRIES {
        writer.engine.append(writer.fence, &[Arc::clone(&large)]).expect("it has room");
    }
    writer.wait("all are read back", |it| it.read.len() == 1 + ENTRIES);
    let limits = PostgresLimits { event_bytes_max: BOUND, ..PostgresLimits::default() };
    let mut slow = node_with("b", config(&url(&proxy)).with_limits(limits));
    let (mut relayed, mut since) = (0, Instant::now());
    while relayed == 0 || since.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(20));
        // The ends are asked for all the same: some hundred bytes each time.
        if proxy.relayed() > relayed + 20_000 {
            (relayed, since) = (proxy.relayed(), Instant::now());
        }
    }
    // The bound, and what the first statement has: 64 rows.
    assert!(relayed < (BOUND + 7 * 1024 * 1024) as u64, "{relayed} bytes were sent");
    slow.wait("all are read", |it| it.read.len() == 1 + ENTRIES);
    assert_eq!((slow.ups, slow.holes.len()), (1, 0), "it was slow, and nothing else");
}

fn stranger() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let mut node = node("a", &format!("postgres://sockeye@127.0.0.1:{port}"));
    node.wait("there is a trouble", |it| it.trouble().is_some());
    let trouble = node.trouble().expect("it was waited for");
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
    assert!(trouble.text.contains("is this PostgreSQL?"), "{trouble}");
}

fn absent() {
    let mut server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(10);
    node.settle();
    server.kill();
    let mut other = super::node("b", &server.url());
    other.wait("there is a trouble", |it| it.trouble().is_some());
    assert!(matches!(&other.state, Some(State::Away(it)) if it.kind == TroubleKind::Unreachable));
    server.run();
    other.wait_applied(10);
    assert_same(&server, &other);
}

fn next_server() {
    let server = PostgresServer::start();
    // Nobody listens at port 9.
    let mut node =
        beginning("a", &format!("postgres://sockeye@127.0.0.1:9,127.0.0.1:{}", server.port));
    node.offer(10);
    node.settle();
    assert_eq!((node.ups, node.trouble()), (1, None), "nothing was told of the first one");
    assert_same(&server, &node);
}
