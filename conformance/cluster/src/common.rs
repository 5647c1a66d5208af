//! Checks that are alike for all engines: what they need of a server is [`Tested`].

mod links;
mod nodes;

use sockeye_backbone::{Engine, Position, TroubleKind};

pub(crate) use self::links::assert_all;
pub(crate) use self::nodes::three;
use crate::faults::Check;
use crate::node::Node;
use crate::server::LogServer;
use crate::stations::Station;

/// A server of one engine.
pub(crate) trait Tested: LogServer + Sized + 'static {
    /// The beginning of the names of its checks.
    const NAME: &str;

    /// Whether it has after a kill what it had before.
    const KEEPS: bool = true;

    /// How often a check kills it.
    const KILLS: usize = 5;

    /// Whether it may refuse one append and take later ones that were on their way.
    const PASSES_OVER: bool;

    /// The bytes that a reader with a bound may be sent above it.
    const READ_AHEAD: usize;

    /// The trouble of a server of another protocol, and words of its text.
    const STRANGER: (TroubleKind, &str);

    /// Starts a server, or gives a log of its own on one that is there.
    fn start() -> Self;

    /// Starts a server that no other check has: it is stopped and killed.
    fn start_alone() -> Self {
        Self::start()
    }

    /// Its port.
    fn port(&self) -> u16;

    /// The URL of servers at these addresses.
    fn url_of(addresses: &[&str]) -> String;

    /// The end of the URLs of its log.
    fn scope(&self) -> String {
        String::new()
    }

    /// The URL of its log at a proxy.
    fn url_at(&self, port: u16) -> String {
        Self::url_of(&[&format!("127.0.0.1:{port}")]) + &self.scope()
    }

    /// Opens an engine, with a bound of the bytes that its owner has not taken.
    fn engine(url: &str, event_bytes_max: Option<usize>) -> Box<dyn Engine>;

    /// The bytes of a large entry.
    fn large(engine: &dyn Engine) -> usize {
        engine.capabilities().entry_bytes_max.min(1_000_000)
    }

    /// Sends a signal, such as `STOP`.
    fn signal(&self, name: &str);

    /// The log as a foreign client reads it.
    fn entries(&self) -> Vec<(Position, String)>;
}

/// The checks of a server, with their names.
pub(crate) fn checks<S: Tested>() -> Vec<(String, fn())> {
    let checks = links::checks::<S>().into_iter().chain(nodes::checks::<S>());
    checks.map(|(name, run)| (format!("{}: {name}", S::NAME), run)).collect()
}

/// The log as a foreign client reads it begins with what a node read. Repeats may come behind that.
pub(crate) fn assert_same<S: Tested>(server: &S, node: &Node) {
    let others = server.entries();
    let (read_by_others, read_here) = (others.len(), node.read.len());
    assert!(read_by_others >= read_here, "others read {read_by_others}, and the node {read_here}");
    assert!(
        others.iter().zip(&node.read).all(|(other, own)| other == own),
        "others read another log"
    );
}

/// A node on an engine.
fn on<S: Tested>(name: &str, engine: Box<dyn Engine>) -> Node {
    let mut node = Node::on(name, engine);
    node.passes_over = S::PASSES_OVER;
    node
}

/// A node that reads from the beginning.
fn reading<S: Tested>(name: &str, url: &str) -> Node {
    on::<S>(name, S::engine(url, None))
}

/// A node that has begun the log and read its first entry.
fn beginning<S: Tested>(name: &str, url: &str) -> Node {
    let mut node = reading::<S>(name, url);
    node.begin();
    node
}

/// A whole node that begins, or joins, the log of a URL, and forgets what is more than `keep` entries old.
pub(crate) fn station<S: Tested>(name: &str, url: &str, keep: u64) -> Station {
    Station::on(name, S::engine(url, None), keep)
}
