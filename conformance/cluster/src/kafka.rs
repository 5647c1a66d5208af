//! The Kafka protocol: a broker, foreign clients, the rig of the generic suite, and faults of servers.

mod foreign;
mod life;
mod rig;
mod server;

use sockeye_kafka::{KafkaConfig, KafkaEngine, KafkaLimits};

pub(crate) use self::rig::{KafkaRig, KafkaTarget};
pub(crate) use self::server::{KafkaServer, PROGRAM};
use crate::faults::Check;
use crate::node::{Node, PATIENCE_MS};

/// All checks of faults, if there is a broker.
pub(crate) fn all() -> Vec<Check> {
    if PROGRAM.get().is_none() {
        return Vec::new();
    }
    [life::CHECKS].concat()
}

/// The configuration of a URL, with the patience of these tests.
fn config(url: &str) -> KafkaConfig {
    let limits = KafkaLimits { patience_ms: PATIENCE_MS, ..KafkaLimits::default() };
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
