//! The Kafka protocol: a broker, foreign clients, the rig of the generic suite, and faults of servers.

mod foreign;
mod life;
mod nodes;
mod rig;
mod server;

use sockeye_backbone::{Engine, Position, TroubleKind};
use sockeye_kafka::{KafkaConfig, KafkaEngine, KafkaLimits};

pub(crate) use self::foreign::Foreign;
pub(crate) use self::rig::{KafkaRig, KafkaTarget};
pub(crate) use self::server::{KafkaServer, PROGRAM};
use crate::common::Tested;
use crate::faults::Check;
use crate::node::{Node, PATIENCE_MS};

/// All checks of faults, if there is a broker.
pub(crate) fn all() -> Vec<Check> {
    if PROGRAM.get().is_none() {
        return Vec::new();
    }
    [life::CHECKS, nodes::CHECKS].concat()
}

/// The configuration of a URL, with the patience of these tests.
fn config(url: &str) -> KafkaConfig {
    let mut limits = KafkaLimits::default();
    limits.patience_ms = PATIENCE_MS;
    KafkaConfig::from_url(url).expect("a URL").with_limits(limits)
}

/// A node that reads from the beginning.
fn node(name: &str, url: &str) -> Node {
    let mut node = Node::on(name, Box::new(KafkaEngine::open(config(url)).expect("a thread")));
    // A broker decides each batch by itself, so one may be refused and the next one taken.
    node.passes_over = true;
    node
}

/// A node that has begun the log and read its first entry.
fn beginning(name: &str, url: &str) -> Node {
    let mut node = node(name, url);
    node.begin();
    node
}

impl Tested for KafkaServer {
    const NAME: &str = "kafka";
    // Tansu keeps topics in memory.
    const KEEPS: bool = false;
    // A broker decides each batch by itself.
    const PASSES_OVER: bool = true;
    // One answer of at most 4 MiB.
    const READ_AHEAD: usize = 5 * 1024 * 1024;
    const STRANGER: (TroubleKind, &str) = (TroubleKind::Protocol, "is this Kafka?");

    fn start() -> Self {
        Self::start()
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn url_of(addresses: &[&str]) -> String {
        format!("kafka://{}", addresses.join(","))
    }

    fn engine(url: &str, event_bytes_max: Option<usize>) -> Box<dyn Engine> {
        let mut limits = KafkaLimits::default();
        limits.patience_ms = PATIENCE_MS;
        let event_bytes_max = event_bytes_max.unwrap_or(limits.event_bytes_max);
        limits.event_bytes_max = event_bytes_max;
        Box::new(KafkaEngine::open(config(url).with_limits(limits)).expect("a thread"))
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
        let entries = self.entries().into_iter();
        entries.map(|(number, text)| (Position::new(0, number), text)).collect()
    }
}
