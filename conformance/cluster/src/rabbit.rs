//! RabbitMQ: its server, a foreign client, the rig of the generic suite, and faults of real servers.

mod foreign;
mod life;
mod login;
mod nodes;
mod rig;
mod server;
mod settings;

use sockeye_amqp::{AmqpConfig, AmqpEngine, AmqpLimits};
use sockeye_backbone::{Engine, Position, TroubleKind};

pub(crate) use self::foreign::PYTHON;
pub(crate) use self::rig::{RabbitRig, RabbitTarget};
pub(crate) use self::server::RabbitServer;
use crate::common::Tested;
use crate::faults::Check;
use crate::node::{Node, PATIENCE_MS};

/// All checks of faults.
pub(crate) fn all() -> Vec<Check> {
    [life::CHECKS, settings::CHECKS, login::CHECKS, nodes::CHECKS].concat()
}

/// The configuration of a URL, with the patience of these tests.
fn config(url: &str) -> AmqpConfig {
    let mut limits = AmqpLimits::default();
    limits.patience_ms = PATIENCE_MS;
    AmqpConfig::from_url(url).expect("a URL").with_limits(limits)
}

/// A node that reads from the beginning.
fn node(name: &str, url: &str) -> Node {
    node_with(name, config(url))
}

fn node_with(name: &str, config: AmqpConfig) -> Node {
    Node::on(name, Box::new(AmqpEngine::open(config).expect("a thread")))
}

/// A node that has begun the log and read its first entry.
fn beginning(name: &str, url: &str) -> Node {
    let mut node = node(name, url);
    node.begin();
    node
}

impl Tested for RabbitServer {
    const NAME: &str = "rabbit";
    // It starts slowly.
    const KILLS: usize = 2;
    const PASSES_OVER: bool = false;
    // Chunks of a stream, which RabbitMQ 3.10 sends as a whole.
    const READ_AHEAD: usize = 40 * 1024 * 1024;
    const STRANGER: (TroubleKind, &str) = (TroubleKind::Protocol, "is this RabbitMQ?");

    /// A stream of its own on a server that several checks have.
    fn start() -> Self {
        Self::shared()
    }

    fn start_alone() -> Self {
        Self::start_with("")
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn url_of(addresses: &[&str]) -> String {
        format!("amqp://{}", addresses.join(","))
    }

    fn scope(&self) -> String {
        self.scope()
    }

    fn engine(url: &str, event_bytes_max: Option<usize>) -> Box<dyn Engine> {
        let mut limits = AmqpLimits::default();
        limits.patience_ms = PATIENCE_MS;
        let event_bytes_max = event_bytes_max.unwrap_or(limits.event_bytes_max);
        limits.event_bytes_max = event_bytes_max;
        Box::new(AmqpEngine::open(config(url).with_limits(limits)).expect("a thread"))
    }

    fn signal(&self, name: &str) {
        self.signal(name);
    }

    fn entries(&self) -> Vec<(Position, String)> {
        let entries = self.client().entries(self.stream()).into_iter();
        entries.map(|(number, text)| (Position::new(0, number), text)).collect()
    }
}
