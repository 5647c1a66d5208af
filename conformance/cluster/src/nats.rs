//! NATS JetStream: its server, a foreign client, the rig of the generic suite, and faults of real servers.

mod copies;
mod foreign;
mod life;
mod links;
mod login;
mod nodes;
mod rig;
mod server;
mod settings;

use sockeye_nats::{NatsConfig, NatsEngine, NatsLimits};

pub(crate) use self::rig::{NatsRig, NatsTarget};
pub(crate) use self::server::{NEWER, NatsServer};
use crate::faults::Check;
use crate::node::{Node, PATIENCE_MS};
use crate::stations::Station;

/// All checks of faults. Those of copies come first, because they take longest.
pub(crate) fn all() -> Vec<Check> {
    let copies = if NEWER.get().is_some() { copies::CHECKS } else { &[] };
    [copies, links::CHECKS, life::CHECKS, settings::CHECKS, login::CHECKS, nodes::CHECKS].concat()
}

/// The configuration of a URL, with the patience of these tests.
fn config(url: &str) -> NatsConfig {
    let limits = NatsLimits { patience_ms: PATIENCE_MS, ..NatsLimits::default() };
    NatsConfig::from_url(url).expect("a URL").with_limits(limits)
}

/// A node that reads from the beginning.
fn node(name: &str, url: &str) -> Node {
    node_with(name, config(url))
}

fn node_with(name: &str, config: NatsConfig) -> Node {
    let mut node = Node::on(name, Box::new(NatsEngine::open(config).expect("a thread")));
    // JetStream decides each append by itself, so one may be refused and the next one taken.
    node.passes_over = true;
    node
}

/// A node that has begun the log and read its first entry.
fn beginning(name: &str, url: &str) -> Node {
    let mut node = node(name, url);
    node.begin();
    node
}

/// A whole node that begins, or joins, the log of a URL, and forgets what is more than `keep` entries old.
fn station(name: &str, url: &str, keep: u64) -> Station {
    Station::on(name, Box::new(NatsEngine::open(config(url)).expect("a thread")), keep)
}
