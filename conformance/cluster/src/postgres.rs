//! PostgreSQL: its server, psql as a foreign client, the rig of the generic suite, and faults of real servers.

mod life;
mod login;
mod nodes;
mod rig;
mod server;
mod settings;

use sockeye_backbone::{Engine, Position, TroubleKind};
use sockeye_postgres::{PostgresConfig, PostgresEngine, PostgresLimits};

pub(crate) use self::rig::{PostgresRig, PostgresTarget};
pub(crate) use self::server::{PostgresServer, remove_template};
use crate::common::Tested;
use crate::faults::Check;
use crate::node::{Node, PATIENCE_MS};

/// All checks of faults.
pub(crate) fn all() -> Vec<Check> {
    [life::CHECKS, nodes::CHECKS, settings::CHECKS, login::CHECKS].concat()
}

/// The configuration of a URL, with the patience of these tests.
fn config(url: &str) -> PostgresConfig {
    let mut limits = PostgresLimits::default();
    limits.patience_ms = PATIENCE_MS;
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

impl Tested for PostgresServer {
    const NAME: &str = "postgres";
    const PASSES_OVER: bool = false;
    // The first statement has 64 rows.
    const READ_AHEAD: usize = 7 * 1024 * 1024;
    const STRANGER: (TroubleKind, &str) = (TroubleKind::Unreachable, "is this PostgreSQL?");

    fn start() -> Self {
        Self::start()
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn url_of(addresses: &[&str]) -> String {
        format!("postgres://sockeye@{}", addresses.join(","))
    }

    fn engine(url: &str, event_bytes_max: Option<usize>) -> Box<dyn Engine> {
        let mut limits = PostgresLimits::default();
        limits.patience_ms = PATIENCE_MS;
        let event_bytes_max = event_bytes_max.unwrap_or(limits.event_bytes_max);
        limits.event_bytes_max = event_bytes_max;
        Box::new(PostgresEngine::open(config(url).with_limits(limits)).expect("a thread"))
    }

    fn signal(&self, name: &str) {
        self.signal(name);
    }

    fn entries(&self) -> Vec<(Position, String)> {
        let entries = self.entries("sockeye").into_iter();
        entries.map(|(fence, number, text)| (Position::new(fence, number), text)).collect()
    }
}
