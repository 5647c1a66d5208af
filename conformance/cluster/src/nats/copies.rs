//! A stream with three copies, on a cluster of three servers.

use std::thread;
use std::time::{Duration, Instant};

use super::{NatsServer, config, node_with};
use crate::common::assert_same;
use crate::faults::Check;
use crate::node::Node;
use crate::server::{LogServer as _, free_port};

/// With a newer nats-server than Debian's, which is refused for a stream with copies.
pub(super) const CHECKS: &[Check] = &[
    ("nats: a stream of three copies loses its leader, and nothing that was read", leader_lost),
    ("nats: a stream of three copies is trimmed, and a server starts again", trimmed),
];

/// How long three servers may take to agree.
const AGREED_MAX: Duration = Duration::from_secs(60);

/// Three servers that know each other, and a node that has begun a log with three copies.
struct Cluster {
    servers: Vec<NatsServer>,
    url: String,
    node: Node,
}

impl Cluster {
    fn start() -> Self {
        let routes: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let all: Vec<String> =
            routes.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
        let server = |(number, port): (usize, &u16)| {
            let settings = format!(
                "server_name: \"n{number}\"\ncluster {{ name: \"c\", listen: \"127.0.0.1:{port}\", routes: [{}] }}\n",
                all.join(", ")
            );
            NatsServer::prepare(free_port(), &settings, "").newer()
        };
        let mut servers: Vec<NatsServer> = routes.iter().enumerate().map(server).collect();
        servers.iter_mut().for_each(NatsServer::spawn);
        servers.iter().for_each(NatsServer::wait);
        let hosts: Vec<String> =
            servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let url = format!("nats://{}?replicas=3", hosts.join(","));
        let mut cluster = Self { servers, node: node_with("a", config(&url)), url };
        cluster.begin();
        cluster
    }

    /// Begins the log, again and again: the servers elect a leader first.
    fn begin(&mut self) {
        let (node, late) = (&mut self.node, Instant::now() + AGREED_MAX);
        while node.read.is_empty() {
            assert!(Instant::now() < late, "the log has not begun: {:?}", node.rejections);
            node.engine.begin_log(&std::sync::Arc::from(*b"birth")).expect("little waits");
            (0..100).for_each(|_| node.pass());
        }
    }

    /// Offers, and waits until all is read back. The servers may elect a leader meanwhile.
    fn publish(&mut self, count: u64) {
        self.node.offer(count);
        let (late, wanted) = (Instant::now() + AGREED_MAX, self.node.offered);
        while (self.node.applied.len() as u64) < wanted {
            let read = self.node.applied.len();
            assert!(Instant::now() < late, "{read} of {wanted} are read back");
            self.node.pass();
        }
    }

    /// The leader of the stream, once all three servers have all of it.
    fn leader(&self) -> usize {
        let late = Instant::now() + AGREED_MAX;
        loop {
            assert!(Instant::now() < late, "the servers do not agree");
            for server in &self.servers {
                let info = server.client().ask("$JS.API.STREAM.INFO.sockeye", "");
                let whole = info.filter(|it| it.matches("\"current\":true").count() == 2);
                let leader = whole.as_deref().and_then(|it| it.split("\"leader\":\"n").nth(1));
                if let Some(number) = leader.and_then(|it| it.split('"').next()?.parse().ok()) {
                    return number;
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until one of these servers gives the log, and looks whether it is the node's.
    fn assert_same(&self, servers: &[usize]) {
        let late = Instant::now() + AGREED_MAX;
        let gives =
            |asked: &&usize| self.servers[**asked].client().try_entries("sockeye").is_some();
        let asked = loop {
            assert!(Instant::now() < late, "nobody gives the log");
            match servers.iter().find(gives) {
                Some(asked) => break *asked,
                None => thread::sleep(Duration::from_millis(50)),
            }
        };
        assert_same(&self.servers[asked], &self.node);
    }
}

fn leader_lost() {
    let mut cluster = Cluster::start();
    cluster.publish(100);
    let place = cluster.node.place();
    cluster.node.wait("there are copies", |it| it.replicated >= Some(place));
    let first = cluster.leader();
    cluster.servers[first].kill();
    cluster.publish(100);
    cluster.servers[first].run();
    // The next one, once the first is a full copy again.
    let next = cluster.leader();
    cluster.servers[next].kill();
    cluster.publish(100);
    let node = &cluster.node;
    assert_eq!((node.applied.len(), node.holes.len(), node.lost), (300, 0, 0));
    let others: Vec<usize> = (0..3).filter(|number| *number != next).collect();
    cluster.assert_same(&others);
}

/// A server that starts again takes what its journal says, also purges, and may lead then.
fn trimmed() {
    let mut cluster = Cluster::start();
    cluster.publish(100);
    let first = cluster.node.read[40].0;
    cluster.node.engine.trim(first);
    cluster.node.wait("it is trimmed", |it| it.ends.is_some_and(|it| it.first == Some(first)));
    cluster.publish(100);
    for number in 0..3 {
        cluster.leader();
        cluster.servers[number].kill();
        cluster.servers[number].run();
    }
    // Each has started again, so whoever leads now has the log from its file and its journal.
    cluster.leader();
    cluster.publish(100);
    let node = &cluster.node;
    assert_eq!((node.applied.len(), node.holes.len(), node.lost), (300, 0, 0));
    let kept = node.read.iter().position(|(position, _)| *position == first).expect("it was read");
    let mut other = node_with("b", config(&cluster.url));
    other.wait("it has read what is left", |it| it.place() >= node.place());
    assert!(other.read.starts_with(&node.read[kept..]), "{} entries are left", other.read.len());
}
