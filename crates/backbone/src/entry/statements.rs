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

/// A ticket can be redeemed once, at any node, from here on. If the table of tickets is full, or the epoch is another
/// one, the ticket is void.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Issue<'b> {
    /// The node that issues it.
    #[n(0)]
    pub node: u64,
    /// The node's number for the entry, among those of its offers.
    #[n(1)]
    pub ticket: u64,
    /// The node's log time.
    #[n(2)]
    pub time_ms: u64,
    /// The epoch in which the node issues it. In a later one it is void: its redemption may have been lost.
    #[n(3)]
    pub epoch: u64,
    /// The SHA-256 of the ticket.
    #[b(4)]
    #[cbor(with = "minicbor::bytes")]
    pub hash: &'b [u8],
    /// How long it can be redeemed, in log time.
    #[n(5)]
    pub life_ms: u64,
    /// The account whose quota it counts against: 16 bytes, or none.
    #[b(6)]
    #[cbor(with = "minicbor::bytes")]
    pub holder: &'b [u8],
    /// The bound on all tickets, as the node has it,
    #[n(7)]
    pub tickets_max: u64,
    /// and on those of one holder.
    #[n(8)]
    pub per_holder_max: u64,
}

/// A ticket is redeemed, unless it is not outstanding.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Redeem<'b> {
    /// The node that redeems it.
    #[n(0)]
    pub node: u64,
    /// The node's number for the entry, among those of its offers.
    #[n(1)]
    pub ticket: u64,
    /// The node's log time.
    #[n(2)]
    pub time_ms: u64,
    /// The SHA-256 of the ticket.
    #[b(3)]
    #[cbor(with = "minicbor::bytes")]
    pub hash: &'b [u8],
}
