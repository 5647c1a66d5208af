//! What the nodes of a log that several machines share say of the members of their streams.

use sockeye_hub::presence::Batch;

/// What has become known of presence at other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceNews {
    /// Its number in this process: each loop gets it, and the first one takes it for all.
    pub number: u64,
    /// What it is.
    pub what: NodePresence,
}

/// Something that is said of presence in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodePresence {
    /// Another node tells of its members.
    Said(u64, Batch),
    /// Another node has left: its members come back elsewhere, or leave when their grace time is over.
    Left(u64),
    /// The lease of another node has ended.
    Gone(u64),
    /// Somebody may not know what this node has said.
    Repeat,
}
