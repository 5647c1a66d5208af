//! What nodes say to all others, besides publications.

use minicbor::{Decode, Encode};
use sockeye_service::sequencing::{Batch, RoomBatch};

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

/// A node's statement about members of its streams: the present state of those that have changed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Present<'b> {
    /// The node.
    #[n(0)]
    pub node: u64,
    /// The node's number for the entry, among those of its offers.
    #[n(1)]
    pub ticket: u64,
    /// The node's log time.
    #[n(2)]
    pub time_ms: u64,
    /// The node says everything again, from here on.
    #[n(3)]
    pub begins: bool,
    /// It has said everything that is so: whatever it has not said since it began is over.
    #[n(4)]
    pub ends: bool,
    /// The channels.
    #[b(5)]
    pub rooms: Vec<PresentRoom<'b>>,
}

/// The members of a node's streams in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PresentRoom<'b> {
    /// The channel.
    #[b(0)]
    pub channel: &'b str,
    /// The streams without a member.
    #[n(1)]
    pub nameless: u64,
    /// Some of the members.
    #[b(2)]
    pub members: Vec<PresentMember<'b>>,
}

/// A member of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PresentMember<'b> {
    /// The user.
    #[b(0)]
    pub user: &'b str,
    /// The streams, none in the grace time; `None`: the user is not a member there any more.
    #[n(1)]
    pub streams: Option<u32>,
}

impl<'b> Present<'b> {
    /// The entry of a batch.
    pub(crate) fn of(batch: &'b Batch, (node, ticket, time_ms): (u64, u64, u64)) -> Self {
        let members = |room: &'b RoomBatch| {
            let members = room.members.iter();
            members.map(|(user, streams)| PresentMember { user, streams: *streams }).collect()
        };
        let room = |room: &'b RoomBatch| PresentRoom {
            channel: &room.room,
            nameless: room.nameless,
            members: members(room),
        };
        let rooms = batch.rooms.iter().map(room).collect();
        Self { node, ticket, time_ms, begins: batch.begins, ends: batch.ends, rooms }
    }

    /// Its batch.
    pub(crate) fn batch(&self) -> Batch {
        let room = |room: &PresentRoom<'_>| RoomBatch {
            room: room.channel.into(),
            nameless: room.nameless,
            members: room.members.iter().map(|it| (it.user.into(), it.streams)).collect(),
        };
        let rooms = self.rooms.iter().map(room).collect();
        Batch { begins: self.begins, ends: self.ends, rooms }
    }
}
