//! Servers that die and stop, and links that break.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_backbone::{State, TroubleKind};

use super::{Check, Tested, assert_same, beginning, on, reading};
use crate::node::{Node, WAIT_MAX};
use crate::proxy::{Holds, Proxy};

/// The checks of a server.
pub(super) fn checks<S: Tested>() -> Vec<Check> {
    let mut checks: Vec<Check> = vec![
        ("two nodes whose links are cut have one log, and nothing is missing", cuts::<S>),
        ("a server that is stopped is away, and goes on", stopped::<S>),
        ("requests that are held are away in time, and come late as repeats", held_requests::<S>),
        ("replies that are held are away in time, and nothing is missing", held_replies::<S>),
        ("delays change nothing", delays::<S>),
        ("the ends are told in their place, while entries come all the time", ends_under_load::<S>),
        ("large and small entries take turns", sizes::<S>),
        ("an owner that takes nothing is sent no more than its bound", slow_owner::<S>),
        ("a server of another protocol is named", stranger::<S>),
        ("the next server of the URL is taken", next_server::<S>),
    ];
    if S::KEEPS {
        checks.extend([
            ("kills of a server lose nothing that was read", kills::<S> as fn()),
            ("a server that is not there is away, and found when it comes", absent::<S>),
        ]);
    }
    checks
}

/// The entries that count are those that were offered, each once, and nothing seemed to be lost.
pub(crate) fn assert_all(node: &Node, offered: u64) {
    assert_eq!(node.lost, 0, "no end was before what had been read");
    let distinct: BTreeSet<&String> = node.applied.iter().collect();
    assert_eq!(distinct.len(), node.applied.len(), "an entry counts twice");
    assert_eq!(node.applied.len() as u64, offered, "all entries count");
    assert_eq!(node.holes, [], "no entry is missing");
}

fn kills<S: Tested>() {
    let mut server = S::start_alone();
    let mut node = beginning::<S>("a", &server.url());
    let mut observer = reading::<S>("b", &server.url());
    observer.reads_on = true;
    for _ in 0..S::KILLS {
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
    let offered = 250 * S::KILLS;
    observer.wait_applied(offered);
    assert_all(&node, offered as u64);
    assert_all(&observer, offered as u64);
    assert_eq!(node.applied, observer.applied, "both nodes decide alike");
    assert_same(&server, &node);
    assert_same(&server, &observer);
}

fn cuts<S: Tested>() {
    let server = S::start();
    let proxies = [Proxy::to(server.port()), Proxy::to(server.port())];
    let mut nodes = [
        beginning::<S>("a", &server.url_at(proxies[0].port)),
        reading::<S>("b", &server.url_at(proxies[1].port)),
    ];
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

fn stopped<S: Tested>() {
    let server = S::start_alone();
    let mut node = beginning::<S>("a", &server.url());
    server.signal("STOP");
    node.offer(10);
    node.wait("the server is away", |it| it.trouble().is_some());
    assert_eq!(node.trouble().map(|it| it.kind), Some(TroubleKind::Unreachable));
    server.signal("CONT");
    node.settle();
    assert_all(&node, 10);
    assert_same(&server, &node);
}

fn held_requests<S: Tested>() {
    let server = S::start();
    let proxy = Proxy::to(server.port());
    let mut node = beginning::<S>("a", &server.url_at(proxy.port));
    let mut observer = reading::<S>("b", &server.url());
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

fn held_replies<S: Tested>() {
    let server = S::start();
    let proxy = Proxy::to(server.port());
    let mut node = beginning::<S>("a", &server.url_at(proxy.port));
    proxy.hold(Holds::Replies);
    node.offer(100);
    node.wait("the server is away", |it| it.trouble().is_some());
    proxy.hold(Holds::Nothing);
    node.settle();
    assert_all(&node, 100);
    assert!(!node.rejections.is_empty(), "the appends were in flight");
    assert_same(&server, &node);
}

fn delays<S: Tested>() {
    let server = S::start();
    let proxy = Proxy::to(server.port());
    proxy.delay(Duration::from_millis(50));
    let mut node = beginning::<S>("a", &server.url_at(proxy.port));
    node.offer(500);
    node.settle();
    assert_all(&node, 500);
    assert_eq!((node.ups, node.rejections.len()), (1, 0), "a delay is no failure");
    assert_same(&server, &node);
}

fn ends_under_load<S: Tested>() {
    let server = S::start();
    let mut writer = beginning::<S>("a", &server.url());
    let mut reader = reading::<S>("b", &server.url());
    let (mut told, late) = (0, Instant::now() + WAIT_MAX);
    while told < 6 {
        assert!(Instant::now() < late, "the ends were told {told} times only");
        // Offers behind a dropped one wait, and would be without number.
        match writer.has_dropped() {
            true => writer.pass(),
            false => writer.offer(200),
        }
        writer.take();
        reader.take();
        told += usize::from(reader.ends.take().is_some());
    }
    writer.settle();
    reader.wait_applied(usize::try_from(writer.offered).expect("a count"));
    assert_all(&reader, writer.offered);
    assert_all(&writer, writer.offered);
}

fn sizes<S: Tested>() {
    let server = S::start();
    let mut writer = beginning::<S>("a", &server.url());
    let large: Arc<[u8]> = vec![b'x'; S::large(&*writer.engine)].into();
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
    let mut reader = reading::<S>("b", &server.url());
    reader.wait("all are read", |it| it.read.len() == expected);
    let lengths = |node: &Node| node.read.iter().map(|(_, text)| text.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&writer), lengths(&reader));
    assert_eq!(lengths(&reader).iter().filter(|length| **length == large.len()).count(), 30);
    assert_eq!((reader.ups, reader.holes.len()), (1, 0));
}

fn slow_owner<S: Tested>() {
    const BOUND: usize = 1024 * 1024;
    const ENTRIES: usize = 300;
    let server = S::start();
    let proxy = Proxy::to(server.port());
    let mut writer = beginning::<S>("a", &server.url());
    let large: Arc<[u8]> = vec![b'x'; 100_000].into();
    for _ in 0..ENTRIES {
        writer.engine.append(writer.fence, &[Arc::clone(&large)]).expect("it has room");
    }
    writer.wait("all are read back", |it| it.read.len() == 1 + ENTRIES);
    let mut slow = on::<S>("b", S::engine(&server.url_at(proxy.port), Some(BOUND)));
    // Its engine reads at once, and then asks for the ends only: less than an entry for a while.
    let (mut relayed, mut since) = (0, Instant::now());
    let late = since + WAIT_MAX;
    while relayed < BOUND as u64 || since.elapsed() < Duration::from_millis(500) {
        assert!(Instant::now() < late, "{relayed} bytes were sent, and it goes on");
        thread::sleep(Duration::from_millis(10));
        if proxy.relayed() > relayed + large.len() as u64 / 2 {
            (relayed, since) = (proxy.relayed(), Instant::now());
        }
    }
    // The bound, and what is read at once.
    assert!(relayed < (BOUND + S::READ_AHEAD) as u64, "{relayed} bytes were sent");
    slow.wait("all are read", |it| it.read.len() == 1 + ENTRIES);
    assert_eq!((slow.ups, slow.holes.len()), (1, 0), "it was slow, and nothing else");
}

fn stranger<S: Tested>() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = client.shutdown(Shutdown::Write);
            // A socket that is closed before it was read to its end resets the connection, and with it the answer.
            thread::spawn(move || {
                let _ = client.set_read_timeout(Some(WAIT_MAX));
                let _ = std::io::copy(&mut client, &mut std::io::sink());
            });
        }
    });
    let mut node = reading::<S>("a", &S::url_of(&[&format!("127.0.0.1:{port}")]));
    node.wait("there is a trouble", |it| it.trouble().is_some());
    let trouble = node.trouble().expect("it was waited for");
    let (kind, what) = S::STRANGER;
    assert_eq!(trouble.kind, kind, "{trouble}");
    assert!(trouble.text.contains(what), "{trouble}");
}

fn absent<S: Tested>() {
    let mut server = S::start_alone();
    let mut node = beginning::<S>("a", &server.url());
    node.offer(10);
    node.settle();
    server.kill();
    let mut other = reading::<S>("b", &server.url());
    other.wait("there is a trouble", |it| it.trouble().is_some());
    assert!(matches!(&other.state, Some(State::Away(it)) if it.kind == TroubleKind::Unreachable));
    server.run();
    other.wait_applied(10);
    assert_same(&server, &other);
}

fn next_server<S: Tested>() {
    let server = S::start();
    // Nobody listens at port 9.
    let mut node = beginning::<S>(
        "a",
        &(S::url_of(&["127.0.0.1:9", &format!("127.0.0.1:{}", server.port())]) + &server.scope()),
    );
    node.offer(10);
    node.settle();
    assert_eq!((node.ups, node.trouble()), (1, None), "nothing was told of the first one");
    assert_same(&server, &node);
}
