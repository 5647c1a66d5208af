//! What nodes say to all others, besides publications.

use minicbor::{Decode, Encode};

/// The open streams of a user end, at every node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Disconnect<'b> {
    /// The node that says so.
    #[n(0)]
    pub node: u64,
    /// The node's number for it, among those of its offers.
    #[n(1)]
    pub ticket: u64,
    /// The node's log time.
    #[n(2)]
    pub time_ms: u64,
    /// The user's name.
    #[b(3)]
    pub user: &'b str,
}
