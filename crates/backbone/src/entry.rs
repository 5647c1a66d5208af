//! The entries of the log, and their form in bytes.
//!
//! ```text
//!  'S' │ version (1) │ CBOR: [witness?, [kind, fields]]
//! ```
//!
//! Fields are numbered, and a decoder passes over numbers at the end that it does not know: a release may add
//! optional fields without a new version. Anything that changes the meaning of an entry, or a new kind,
//! is a new version: a node that does not know it stops, and says so.
//!
//! | version | what it has beside the ones before |
//! |---|---|
//! | 1 | the kinds 0 to 5 |
//! | 2 | `Disconnect` |
//! | 3 | `Issue`, `Redeem` |
//! | 4 | `Present` |
//! | 5 | `Import`, `Imported` |
//!
//! An entry has the lowest version that has its kind. A node appends it only if all nodes of the log read that
//! version ([`Lease::reads`]).

mod import;
mod payload;
mod rules;
mod spans;
mod statements;

use std::sync::Arc;

use minicbor::{Decode, Decoder, Encode};

pub use self::import::{
    Import, Imported, ImportedChannel, ImportedKey, ImportedMessage, ImportedPart, ImportedRun,
};
pub use self::payload::{Data, Payload};
pub use self::rules::{NamespaceRules, Rules, SpaceRules};
pub(crate) use self::spans::Spans;
pub use self::statements::{Disconnect, Issue, Present, PresentMember, PresentRoom, Redeem};
use crate::engine::Position;

/// The first byte of every entry.
const MAGIC: u8 = b'S';

/// The first version. A node whose lease does not say what it reads, reads this one.
pub const FIRST_VERSION: u8 = 1;

/// The newest version.
pub const VERSION: u8 = 5;

/// The bytes of the largest entry that is decoded.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry<'b> {
    /// What its writer knows of the log. The first entry of each batch has one.
    #[n(0)]
    pub witness: Option<Witness>,
    /// What it says.
    #[b(1)]
    pub body: Body<'b>,
}

/// The body of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Body<'b> {
    /// The log begins. Only the first entry of a log counts.
    #[n(0)]
    Birth(#[n(0)] Birth),
    /// A new epoch begins, because some reader may have read other entries.
    #[n(1)]
    Epoch(#[n(0)] NewEpoch),
    /// The rules of the verdicts from here on.
    #[n(2)]
    Config(#[n(0)] Rules),
    /// Entries are forgotten, and verdicts told.
    #[n(3)]
    Horizon(#[b(0)] Horizon<'b>),
    /// A node is there.
    #[n(4)]
    Node(#[b(0)] Lease<'b>),
    /// A publication.
    #[n(5)]
    Offer(#[b(0)] Offer<'b>),
    /// A ticket is issued.
    #[n(16)]
    Issue(#[b(0)] Issue<'b>),
    /// The streams of a user end.
    #[n(17)]
    Disconnect(#[b(0)] Disconnect<'b>),
    /// A node tells of the members of its streams.
    #[n(18)]
    Present(#[b(0)] Present<'b>),
    /// A ticket is redeemed.
    #[n(19)]
    Redeem(#[b(0)] Redeem<'b>),
    /// The log begins, and goes on from another one. Only the first entry of a log counts.
    #[n(20)]
    Import(#[n(0)] Import),
    /// A part of that other log.
    #[n(21)]
    Imported(#[b(0)] Imported<'b>),
}

impl Body<'_> {
    /// The first version that has this kind.
    pub const fn version(&self) -> u8 {
        match self {
            Self::Birth(_)
            | Self::Epoch(_)
            | Self::Config(_)
            | Self::Horizon(_)
            | Self::Node(_)
            | Self::Offer(_) => FIRST_VERSION,
            Self::Disconnect(_) => 2,
            Self::Issue(_) | Self::Redeem(_) => 3,
            Self::Present(_) => 4,
            Self::Import(_) | Self::Imported(_) => 5,
        }
    }
}

/// What the writer of an entry knows of the log: a reader with other knowledge has read another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Witness {
    /// The random number of the log's life.
    #[n(0)]
    pub nonce: u64,
    /// The epoch of its hub.
    #[n(1)]
    pub epoch: u64,
    /// The newest entry that it has read: its fence,
    #[n(2)]
    pub fence: u64,
    /// its number,
    #[n(3)]
    pub number: u64,
    /// and its place in the order of the log.
    #[n(4)]
    pub seq: u64,
    /// The digest of all entries up to there.
    #[n(5)]
    pub chain: u64,
}

impl Witness {
    /// The newest entry that the writer has read.
    pub const fn position(&self) -> Position {
        Position::new(self.fence, self.number)
    }
}

/// The beginning of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Birth {
    /// The first epoch.
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
}

/// A new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewEpoch {
    /// Its number.
    #[n(0)]
    pub epoch: u64,
    /// The epoch that it ends. An entry that ends another one comes too late, and means nothing.
    #[n(1)]
    pub ends: u64,
    /// The place of the newest entry that its writer has read.
    #[n(2)]
    pub after: u64,
    /// The writer.
    #[n(3)]
    pub node: u64,
    /// Why.
    #[n(4)]
    pub evidence: Evidence,
    /// The engine's identity, as the writer sees it.
    #[n(5)]
    pub identity: u64,
}

/// Why an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Evidence {
    /// The log ended before what the writer had read.
    #[n(0)]
    LostTail,
    /// The writer had read other entries.
    #[n(1)]
    OtherEntries,
    /// Somebody else has read other entries: the witness of an entry says so.
    #[n(2)]
    OtherWitness,
    /// The engine says that it is another log or another server.
    #[n(3)]
    OtherIdentity,
}

/// Entries are forgotten, and verdicts told to readers who begin behind what they followed from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Horizon<'b> {
    /// Its number: one more than that of the last one. Another number means nothing.
    #[n(0)]
    pub count: u64,
    /// What was said up to here is forgotten: keys, ends, newest messages, nodes.
    #[n(1)]
    pub through: u64,
    /// Log time there.
    #[n(2)]
    pub through_ms: u64,
    /// Verdicts are told from behind this place,
    #[n(3)]
    pub told_after: u64,
    /// up to this one.
    #[n(4)]
    pub told_through: u64,
    /// The places of offers that were refused: distances from one to the next, in LEB128.
    #[b(5)]
    #[cbor(with = "minicbor::bytes")]
    pub refused: &'b [u8],
    /// The places of offers that were passed over: repeats, and what came too early.
    #[b(6)]
    #[cbor(with = "minicbor::bytes")]
    pub passed: &'b [u8],
    /// The epoch here. A horizon with another one, other rules or another identity comes too late.
    #[n(7)]
    pub epoch: u64,
    /// The identity.
    #[n(8)]
    pub identity: u64,
    /// The rules.
    #[n(9)]
    pub rules: Rules,
    /// The newest entry that its writer had read,
    #[n(10)]
    pub at: u64,
    /// and the nodes that were known there.
    #[n(11)]
    pub nodes: Vec<KnownNode>,
}

/// A node, as a horizon tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KnownNode {
    /// The node.
    #[n(0)]
    pub node: u64,
    /// The last ticket that was taken.
    #[n(1)]
    pub last: u64,
    /// Its newest entry that counted.
    #[n(2)]
    pub seen: u64,
    /// The place of its newest lease.
    #[n(3)]
    pub leased: u64,
    /// The log time at which that lease ends.
    #[n(4)]
    pub until_ms: u64,
    /// The newest version that it reads, if its lease says so.
    #[n(5)]
    pub reads: Option<u8>,
}

impl Horizon<'_> {
    /// The places that one horizon tells at the most, of either kind.
    pub const PLACES_MAX: usize = 16_384;
}

/// A node is there until a log time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lease<'b> {
    /// The node: a random number that a process draws when it starts.
    #[n(0)]
    pub node: u64,
    /// Its log time.
    #[n(1)]
    pub time_ms: u64,
    /// It is gone after this log time. Now or before: it goes.
    #[n(2)]
    pub until_ms: u64,
    /// The ticket of its next offer. The node offers none below it any more.
    #[n(3)]
    pub ticket: u64,
    /// Its name, for people.
    #[b(4)]
    pub name: &'b str,
    /// The engine's identity. It counts if the log has none yet.
    #[n(5)]
    pub identity: u64,
    /// The newest version of entries that it reads; `None`: the first one.
    #[n(6)]
    pub reads: Option<u8>,
    /// The release of its program, for people.
    #[b(7)]
    pub program: Option<&'b str>,
    /// The [digest](Rules::digest) of the rules of its configuration.
    #[n(8)]
    pub rules: Option<u64>,
    /// The place behind which it has heard everything that nodes say of the members of their streams.
    #[n(9)]
    pub heard: Option<u64>,
}

/// A publication that waits for its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Offer<'b> {
    /// The node that offers it.
    #[n(0)]
    pub node: u64,
    /// The node's number for it. They follow each other without holes.
    #[n(1)]
    pub ticket: u64,
    /// The node's log time.
    #[n(2)]
    pub time_ms: u64,
    /// The channel.
    #[b(3)]
    pub channel: &'b str,
    /// The payload.
    #[b(4)]
    pub payload: Payload<'b>,
    /// Whether it ends its channel.
    #[n(5)]
    pub ends: bool,
    /// The idempotency key.
    #[b(6)]
    pub key: Option<&'b str>,
    /// The place that the channel's newest message has to have.
    #[n(7)]
    pub expect: Option<u64>,
}

/// Why bytes are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is an entry of a later version: this release is too old.
    Newer(u8),
    /// It is no entry: somebody else has written it.
    Foreign,
}

impl Entry<'_> {
    /// An entry without a witness.
    pub const fn new(body: Body<'_>) -> Entry<'_> {
        Entry { witness: None, body }
    }

    /// The bytes of an entry.
    pub fn encode(&self) -> Arc<[u8]> {
        let mut bytes = vec![MAGIC, self.body.version()];
        minicbor::encode(self, &mut bytes).expect("a vector takes everything");
        bytes.into()
    }
}

impl<'b> Entry<'b> {
    /// Reads an entry. It copies no text, and its memory grows with the bytes of the entry.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(bytes: &'b [u8]) -> Result<Self, Unreadable> {
        Self::decode_up_to(VERSION, bytes)
    }

    /// Reads an entry as a program does whose newest version is `newest`.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode).
    pub fn decode_up_to(newest: u8, bytes: &'b [u8]) -> Result<Self, Unreadable> {
        let [MAGIC, version, rest @ ..] = bytes else { return Err(Unreadable::Foreign) };
        if rest.len() > ENTRY_BYTES_MAX {
            return Err(Unreadable::Foreign);
        }
        match *version {
            0 => return Err(Unreadable::Foreign),
            newer if newer > newest => return Err(Unreadable::Newer(newer)),
            _ => {}
        }
        let mut decoder = Decoder::new(rest);
        let entry: Self = decoder.decode().map_err(|_| Unreadable::Foreign)?;
        if decoder.position() != rest.len() || entry.body.version() > *version {
            return Err(Unreadable::Foreign);
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests;
