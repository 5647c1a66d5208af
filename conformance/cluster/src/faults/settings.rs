//! Servers whose settings cannot keep the promise.

use std::collections::BTreeSet;

use sockeye_backbone::{Rejection, State, Trouble, TroubleKind};

use super::Check;
use super::links::assert_same;
use crate::node::{Node, config};
use crate::server::{LogServer as _, Server};

pub(super) const CHECKS: &[Check] = &[
    ("an evicting policy is refused", evicting),
    ("a server without AOF is refused", memory_only),
    ("an AOF that nobody syncs is refused", unsynced),
    ("another type at the key is refused", other_type),
    ("a database that is not there is refused", no_database),
    ("too few replicas are refused", too_few_replicas),
    ("a replica is no primary", replica),
    ("a server that is set right is taken", set_right),
    ("full memory rejects by name, and leaves no hole", full),
];

/// The trouble of a node that is refused.
pub(crate) fn refusal(node: &mut Node) -> Trouble {
    node.wait("it is refused", |it| it.trouble().is_some());
    match &node.state {
        Some(State::Refused(trouble)) => trouble.clone(),
        state => panic!("not refused: {state:?}"),
    }
}

/// The node of a server is refused for its settings, with this advice.
fn assert_refused(settings: &[&str], advice: &str) {
    let server = Server::start(settings);
    let trouble = refusal(&mut Node::new("a", &server.url()));
    assert_eq!(trouble.kind, TroubleKind::Settings, "{trouble}");
    assert!(trouble.text.contains(advice), "{trouble}");
}

fn evicting() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        assert_refused(&["--maxmemory-policy", policy], "CONFIG SET maxmemory-policy noeviction");
    }
    let server = Server::start(&["--maxmemory-policy", "volatile-lru"]);
    Node::beginning("a", &server.url());
}

fn memory_only() {
    assert_refused(&["--appendonly", "no"], "CONFIG SET appendonly yes");
}

fn unsynced() {
    assert_refused(&["--appendfsync", "no"], "CONFIG SET appendfsync everysec");
}

fn no_database() {
    let server = Server::start(&[]);
    let trouble = refusal(&mut Node::new("a", &format!("{}/99", server.url())));
    assert_eq!(trouble.kind, TroubleKind::Settings);
    assert!(trouble.text.contains("no database of this number"), "{trouble}");
}

fn other_type() {
    let server = Server::start(&[]);
    server.ask(&["LPUSH", "sockeye", "x"]);
    let trouble = refusal(&mut Node::new("a", &server.url()));
    assert_eq!(trouble.kind, TroubleKind::Settings);
    assert!(
        trouble.text.contains("has a list at the key \"sockeye\": name another key"),
        "{trouble}"
    );
    let mut node = Node::new("a", &format!("{}/0?key=other", server.url()));
    node.begin();
    assert_eq!(server.ask(&["TYPE", "other"]), "stream");
}

fn too_few_replicas() {
    let server = Server::start(&[]);
    let trouble = refusal(&mut Node::with("a", config(&server.url()).with_replicas(2)));
    assert!(trouble.text.contains("has 0 replicas, and 2 are to confirm"), "{trouble}");
}

fn replica() {
    let primary = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let mut node = Node::new("a", &replica.url());
    node.wait("there is a trouble", |it| it.trouble().is_some());
    assert!(matches!(&node.state, Some(State::Away(it)) if it.kind == TroubleKind::NoLeader));
}

fn set_right() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut node = Node::new("a", &server.url());
    refusal(&mut node);
    server.set(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    node.begin();
    assert!(node.is_up());
}

fn full() {
    let server = Server::start(&[]);
    let mut node = Node::beginning("a", &server.url());
    let used: u64 = server
        .ask(&["INFO", "memory"])
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .and_then(|bytes| bytes.trim().parse().ok())
        .expect("the server tells");
    server.set(&["CONFIG", "SET", "maxmemory", &(used + 1024 * 1024).to_string()]);
    // Large pipelines: what they use themselves is free again while Redis works on them.
    while node.rejections.is_empty() {
        assert!(node.offered < 1_000_000, "the memory does not become full");
        node.offer(2_000);
        node.take();
    }
    assert!(
        matches!(&node.rejections[0], Rejection::Full(it) if it.kind == TroubleKind::Full && it.text.contains("maxmemory")),
        "{:?}",
        node.rejections
    );
    assert_eq!(node.ups, 1, "the connection goes on");
    server.set(&["CONFIG", "SET", "maxmemory", "0"]);
    node.settle();
    let distinct: BTreeSet<&String> = node.applied.iter().collect();
    assert_eq!(distinct.len() as u64, node.offered, "every entry counts, in order");
    assert_eq!(node.holes, []);
    assert_same(&server, &node);
}
