//! NATS JetStream: its server, a foreign client, the rig of the generic suite, and faults of real servers.

mod copies;
mod foreign;
mod life;
mod login;
mod nodes;
mod rig;
mod server;
mod settings;

use sockeye_backbone::{Engine, Position, TroubleKind};
use sockeye_nats::{NatsConfig, NatsEngine, NatsLimits};

pub(crate) use self::foreign::member;
pub(crate) use self::rig::{NatsRig, NatsTarget};
pub(crate) use self::server::{NEWER, NatsServer};
use crate::common::Tested;
use crate::faults::Check;
use crate::node::{Node, PATIENCE_MS};

/// All checks of faults. Those of copies come first, because they take longest.
pub(crate) fn all() -> Vec<Check> {
    let copies = if NEWER.get().is_some() { copies::CHECKS } else { &[] };
    [copies, life::CHECKS, settings::CHECKS, login::CHECKS, nodes::CHECKS].concat()
}

/// The configuration of a URL, with the patience of these tests.
fn config(url: &str) -> NatsConfig {
    let mut limits = NatsLimits::default();
    limits.patience_ms = PATIENCE_MS;
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

impl Tested for NatsServer {
    const NAME: &str = "nats";
    // JetStream decides each append by itself.
    const PASSES_OVER: bool = true;
    // One batch of at most 4 MiB.
    const READ_AHEAD: usize = 5 * 1024 * 1024;
    const STRANGER: (TroubleKind, &str) = (TroubleKind::Protocol, "is this NATS?");

    fn start() -> Self {
        Self::start()
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn url_of(addresses: &[&str]) -> String {
        format!("nats://{}", addresses.join(","))
    }

    fn engine(url: &str, event_bytes_max: Option<usize>) -> Box<dyn Engine> {
        let mut limits = NatsLimits::default();
        limits.patience_ms = PATIENCE_MS;
        let event_bytes_max = event_bytes_max.unwrap_or(limits.event_bytes_max);
        limits.event_bytes_max = event_bytes_max;
        Box::new(NatsEngine::open(config(url).with_limits(limits)).expect("a thread"))
    }

    fn large(engine: &dyn Engine) -> usize {
        let largest = engine.capabilities().entry_bytes_max;
        assert!(
            (1024 * 1024 - 256..1024 * 1024 + 12).contains(&largest),
            "{largest} of the default"
        );
        largest
    }

    fn signal(&self, name: &str) {
        self.signal(name);
    }

    fn entries(&self) -> Vec<(Position, String)> {
        let entries = self.client().entries("sockeye").into_iter();
        entries.map(|(number, text)| (Position::new(0, number), text)).collect()
    }
}
