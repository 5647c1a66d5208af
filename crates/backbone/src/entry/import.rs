//! Entries with the parts of another log: that of a single machine, from which the cluster goes on.
//!
//! ```text
//!  Import │ Imported 0 │ Imported 1 │ … │ Imported n: the end │ Config, Node, Offer …
//!  place: head + 1 │ head + 2 │ …
//! ```
//!
//! A log that begins with an [`Import`] has no `Birth`. Its first place follows the newest position of the other log, so
//! positions of both never meet, and whatever an engine numbers its entries by has no part in it. A message keeps the
//! position that it had; it stands in the part that brings it. Parts are numbered, because an append may be repeated: each
//! number counts once, and in order. No node takes part before the end.

use minicbor::{Decode, Encode};

use super::Payload;

/// The beginning of a log that goes on from another one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Import {
    /// The epoch of the other log, which goes on.
    #[n(0)]
    pub epoch: u64,
    /// The random number of this life of the log.
    #[n(1)]
    pub nonce: u64,
    /// Log time begins here.
    #[n(2)]
    pub time_ms: u64,
    /// The engine's identity, as the writer sees it.
    #[n(3)]
    pub identity: u64,
    /// The newest position that the other log has given out. The place of this entry is the next one.
    #[n(4)]
    pub head: u64,
    /// Channels that the parts do not name may have had messages up to here.
    #[n(5)]
    pub horizon: u64,
    /// The tag of the positions behind `head`, below 2^20.
    #[n(6)]
    pub check: u32,
    /// The runs of the other log, in the order of their first positions.
    #[n(7)]
    pub runs: Vec<ImportedRun>,
    /// A digest of what decides which parts follow. An import that was cut short goes on if it is the same.
    #[n(8)]
    pub plan: u64,
}

/// The positions from `first` on, up to the next run, have this tag in cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ImportedRun {
    /// The first position.
    #[n(0)]
    pub first: u64,
    /// The tag.
    #[n(1)]
    pub tag: u32,
}

/// A part of the other log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Imported<'b> {
    /// The random number of the log's life, as the [`Import`] has it.
    #[n(0)]
    pub nonce: u64,
    /// The part's number, from 0 on. Another number than the next one means nothing.
    #[n(1)]
    pub number: u64,
    /// Its content.
    #[b(2)]
    pub part: ImportedPart<'b>,
}

/// The content of a part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ImportedPart<'b> {
    /// A message. They come in the order of their positions.
    #[n(0)]
    Message(#[b(0)] ImportedMessage<'b>),
    /// Channels of which more is known than their messages tell.
    #[n(1)]
    Channels(#[b(0)] Vec<ImportedChannel<'b>>),
    /// Idempotency keys.
    #[n(2)]
    Keys(#[b(0)] Vec<ImportedKey<'b>>),
    /// Nothing is missing.
    #[n(3)]
    End,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ImportedMessage<'b> {
    /// Its position.
    #[n(0)]
    pub seq: u64,
    /// The log time from which its age counts.
    #[n(1)]
    pub time_ms: u64,
    /// The channel.
    #[b(2)]
    pub channel: &'b str,
    /// The payload.
    #[b(3)]
    pub payload: Payload<'b>,
    /// Whether it has ended its channel.
    #[n(4)]
    pub ends: bool,
}

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ImportedChannel<'b> {
    /// Its name.
    #[b(0)]
    pub name: &'b str,
    /// Its messages up to here are not brought.
    #[n(1)]
    pub floor: u64,
    /// Its newest message.
    #[n(2)]
    pub last: u64,
    /// Whether that has ended it.
    #[n(3)]
    pub ended: bool,
}

/// An idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ImportedKey<'b> {
    /// The channel of its message.
    #[b(0)]
    pub channel: &'b str,
    /// The key.
    #[b(1)]
    pub key: &'b str,
    /// The position of its message.
    #[n(2)]
    pub seq: u64,
    /// The log time at which it is forgotten.
    #[n(3)]
    pub until_ms: u64,
}
