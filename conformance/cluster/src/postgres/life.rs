//! Logs that are dropped, emptied, restored, promoted, and written to by strangers.

use std::sync::Arc;
use std::thread;

use sockeye_backbone::{LogEnds, Position, Rejection, TroubleKind};

use super::server::copy;
use super::{PostgresServer, beginning, node};
use crate::common::{Tested as _, assert_all, assert_same};
use crate::faults::Check;
use crate::node::Node;
use crate::proxy::{Holds, Proxy};
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("postgres: a lock that somebody holds is a server that is away", locked),
    ("postgres: a log that many begin at once is begun once", begun_by_many),
    ("postgres: dropped tables show in the ends, reject appends, and begin again", dropped),
    ("postgres: tables that were created again have another identity", recreated),
    ("postgres: a log whose rows are all deleted shows in the ends, and begins again", emptied),
    ("postgres: rows deleted behind our back are a jump for who is behind", deleted_before),
    (
        "postgres: a deleted tail is an end before the place, and a fence refuses the old one",
        lost_tail,
    ),
    ("postgres: a restored backup is an end before the place", restored),
    ("postgres: a standby is refused, and has another identity once it is promoted", promoted),
    (
        "postgres: rows of strangers come back as they are, also in the way of the next one",
        strangers,
    ),
];

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

fn begun_by_many() {
    let server = PostgresServer::start();
    for round in 0..10 {
        let table = format!("log_{round}");
        let url = format!("{}?table={table}", server.url());
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
        let entries = server.entries(&table);
        assert_eq!(
            entries.iter().filter(|(.., text)| text == "birth").count(),
            1,
            "in round {round}"
        );
    }
}

/// Whether the last ends of a node are those of an empty log.
fn is_empty(node: &Node) -> bool {
    node.ends.is_some_and(|ends| ends.last.is_none())
}

fn append(node: &mut Node, text: &str) {
    let fence = node.fence;
    node.engine.append(fence, &[Arc::from(text.as_bytes())]).expect("little waits");
}

fn dropped() {
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    let mut other = super::node("b", &server.url());
    node.offer(20);
    node.settle();
    other.wait_applied(20);
    let (before, fence) = (node.ends_now().identity, node.fence);
    server.ask("DROP TABLE sockeye, sockeye_head");
    node.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    other.wait("the log is gone", |it| it.ends == Some(LogEnds::default()));
    append(&mut node, "x");
    node.wait("the append is dropped", |it| !it.rejections.is_empty());
    assert_eq!(node.rejections, [Rejection::Gone]);
    assert_eq!(server.ask("SELECT to_regclass('sockeye') IS NULL"), "t", "no append creates it");
    // Both begin it: one of them is first. They read from the beginning.
    for node in [&mut node, &mut other] {
        node.forget();
        node.engine.begin_log(&Arc::from(*b"birth")).expect("little waits");
    }
    for node in [&mut node, &mut other] {
        node.wait("it has the new life", |it| !it.read.is_empty());
        append(node, "behind");
    }
    for node in [&mut node, &mut other] {
        node.wait("both appends are read", |it| it.read.len() == 3);
        let texts: Vec<&str> = node.read.iter().map(|(_, text)| &**text).collect();
        assert_eq!(texts, ["birth", "behind", "behind"]);
        assert!(node.fence > fence, "a fence is no count from 1");
        let now = node.ends_now().identity;
        assert!(now != 0 && now != before, "{now} is another identity than {before}");
    }
}

/// The tables with a number of rows of a stranger, under a fence.
fn create_again(server: &PostgresServer, fence: u64, rows: u64) {
    server.ask(&format!(
        "BEGIN; CREATE TABLE s AS TABLE sockeye_head; DROP TABLE sockeye, sockeye_head; \
         CREATE TABLE sockeye (fence int8, number int8, entry bytea, PRIMARY KEY (fence, number)); \
         CREATE TABLE sockeye_head (one bool, format int4, life uuid, fence int8, last int8); \
         INSERT INTO sockeye_head SELECT one, format, gen_random_uuid(), {fence}, {rows} FROM s; DROP TABLE s; \
         INSERT INTO sockeye SELECT {fence}, n, convert_to('strange-' || n, 'UTF8') FROM generate_series(1, {rows}) n; \
         COMMIT"
    ));
}

fn recreated() {
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(5);
    node.settle();
    let (place, before, ups) = (node.place(), node.ends_now().identity, node.ups);
    // On the connection that goes on, under numbers that it has read.
    create_again(&server, node.fence, 10);
    node.wait("the new tables are told", |it| it.ups > ups && it.ends.is_some());
    assert_ne!(node.ends_now().identity, before);
    let end = Position::new(place.fence, 10);
    assert_eq!(node.ends_now().last, Some(end), "its end is behind {place}");
    node.wait("the entry at the place is read", |it| !it.forks.is_empty());
    assert_eq!(node.forks, [place], "reading is inclusive, and shows that it is another log");
}

fn emptied() {
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    node.wait("it has read all", |it| it.ends.is_some());
    for (round, how) in
        ["DELETE FROM sockeye", "TRUNCATE sockeye", "TRUNCATE sockeye, sockeye_head"]
            .iter()
            .enumerate()
    {
        append(&mut node, "last");
        node.wait("it is read", |it| it.read.len() == 2);
        let fence = node.fence;
        server.ask(how);
        node.wait("the log is empty", is_empty);
        node.forget();
        node.engine.begin_log(&Arc::from(*b"birth")).expect("little waits");
        node.wait("the log has begun", |it| !it.read.is_empty());
        assert!(node.fence > fence, "{how}: a fence is no count from 1");
        assert_eq!(node.read, [(Position::new(node.fence, 1), "birth".into())], "in round {round}");
        assert_eq!(node.rejections, []);
    }
}

fn deleted_before() {
    let server = PostgresServer::start();
    let proxy = Proxy::to(server.port);
    let mut node = beginning("a", &server.url());
    let mut behind = super::node("b", &server.url_at(proxy.port));
    behind.wait("it reads", |it| !it.read.is_empty());
    let place = behind.place();
    proxy.hold(Holds::All);
    node.offer(100);
    node.settle();
    let first = node.read[60].0;
    server.ask(&format!("DELETE FROM sockeye WHERE number < {}", first.number));
    node.wait("the ends are moved", |it| it.ends.is_some_and(|it| it.first == Some(first)));
    assert_eq!(node.holes, [], "who has read all has no hole");
    // The server's bytes that wait in the proxy arrive once nothing is held any more.
    behind.wait("the server is away", |it| it.trouble().is_some());
    proxy.cut();
    proxy.hold(Holds::Nothing);
    let end = node.place();
    behind.wait("it has caught up", |it| it.place() == end);
    assert_eq!(behind.holes, [(place, first)], "the jump shows");
    assert_eq!(behind.read.len(), 1 + 41);
}

fn lost_tail() {
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    let mut old = super::node("b", &server.url());
    node.offer(20);
    node.settle();
    old.wait_applied(20);
    let last = node.read[10].0;
    server.ask(&format!("DELETE FROM sockeye WHERE number > {}", last.number));
    node.wait("the end is before the place", |it| it.lost > 0);
    node.begin_life(last);
    node.settle();
    assert_eq!(node.applied.len(), 20, "what is gone was offered again");
    let fence = old.fence;
    old.engine.append(fence, &[Arc::from(*b"late")]).expect("little waits");
    old.wait("the append is dropped", |it| !it.rejections.is_empty());
    assert_eq!(old.rejections, [Rejection::Fenced], "who has missed the new life appends nothing");
    assert!(server.entries("sockeye").iter().all(|(.., text)| text != "late"));
}

fn restored() {
    let mut server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    node.offer(20);
    node.settle();
    server.stop();
    let backup = server.data().with_extension("backup");
    copy(&server.data(), &backup);
    node.wait("the server is away", |it| it.trouble().is_some());
    server.run();
    node.offer(20);
    node.settle();
    server.kill();
    copy(&backup, &server.data());
    server.run();
    node.wait("the end is before the place", |it| it.lost > 0);
    let last = node.read[20].0;
    assert_eq!(node.ends_now().last, Some(last), "the backup has 20 entries behind the first one");
    node.begin_life(last);
    node.settle();
    assert_eq!(node.applied.len(), 40, "what is gone was offered again");
    assert_same(&server, &node);
}

fn promoted() {
    let mut primary = PostgresServer::start();
    let proxy = Proxy::to(primary.port);
    let mut node = beginning("a", &primary.url_at(proxy.port));
    node.offer(20);
    node.settle();
    primary.stop();
    // It follows nobody, so it lacks the tail.
    let mut standby = PostgresServer::copy_of(&primary.data(), "");
    std::fs::write(standby.data().join("standby.signal"), "").expect("a file of our own");
    primary.run();
    standby.run();
    let mut refused = super::node("b", &standby.url());
    refused.wait("there is a trouble", |it| it.trouble().is_some());
    let trouble = refused.trouble().expect("it was waited for");
    assert_eq!(trouble.kind, TroubleKind::NoLeader, "{trouble}");
    assert!(trouble.text.ends_with("is a standby: connect to the primary"), "{trouble}");
    node.offer(20);
    node.settle();
    let before = node.ends_now().identity;
    primary.kill();
    assert_eq!(standby.ask("SELECT pg_promote()"), "t");
    proxy.lead_to(standby.port);
    node.wait("the end is before the place", |it| it.lost > 0);
    let now = node.ends_now().identity;
    assert!(now != 0 && now != before, "{now} is another identity than {before}");
    let last = node.read[20].0;
    node.begin_life(last);
    node.settle();
    assert_eq!(node.applied.len(), 40, "what is gone was offered again");
    refused.wait("it is taken when it is promoted", Node::is_up);
    assert_same(&standby, &node);
}

fn strangers() {
    let server = PostgresServer::start();
    let mut node = beginning("a", &server.url());
    let fence = node.fence;
    server.ask(&format!("INSERT INTO sockeye VALUES ({fence}, 2, 'strange'), ({fence}, 3, '')"));
    // The ends find what nobody has announced.
    node.wait("they are read", |it| it.read.len() == 3);
    node.offer(5);
    node.settle();
    assert_eq!(node.rejections, [Rejection::Fenced], "the next place was taken");
    let texts: Vec<&str> = node.read.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["birth", "strange", "", "a 1", "a 2", "a 3", "a 4", "a 5"]);
    assert_all(&node, 5);
    assert_same(&server, &node);
}
