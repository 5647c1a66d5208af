//! PostgreSQL: its server, psql as a foreign client, the rig of the generic suite, and faults of real servers.

mod life;
mod links;
mod login;
mod nodes;
mod rig;
mod server;
mod settings;

use sockeye_postgres::{PostgresConfig, PostgresEngine, PostgresLimits};

pub(crate) use self::rig::{PostgresRig, PostgresTarget};
pub(crate) use self::server::{PostgresServer, remove_template};
use crate::faults::Check;
use crate::node::{Node, PATIENCE_MS};
use crate::stations::Station;

/// All checks of faults.
pub(crate) fn all() -> Vec<Check> {
    [links::CHECKS, life::CHECKS, nodes::CHECKS, settings::CHECKS, login::CHECKS].concat()
}

/// The configuration of a URL, with the patience of these tests.
fn config(url: &str) -> PostgresConfig {
    let limits = PostgresLimits { patience_ms: PATIENCE_MS, ..PostgresLimits::default() };
    PostgresConfig::from_url(url).expect("a URL").with_limits(limits)
}

/// A node that reads from the beginning.
fn node(name: &str, url: &str) -> Node {
    node_with(name, config(url))
}

fn node_with(name: &str, config: PostgresConfig) -> Node {
    Node::on(name, Box::new(PostgresEngine::open(config).expect("a thread")))
}

/// A node that has begun the log and read its first entry.
fn beginning(name: &str, url: &str) -> Node {
    let mut node = node(name, url);
    node.begin();
    node
}

/// A whole node that begins, or joins, the log of a URL, and forgets what is more than `keep` entries old.
fn station(name: &str, url: &str, keep: u64) -> Station {
    Station::on(name, Box::new(PostgresEngine::open(config(url)).expect("a thread")), keep)
}
