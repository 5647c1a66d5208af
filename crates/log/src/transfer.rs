//! A log outside of its directory: the parts that an export yields and an import takes.

use crate::{Record, Run};

/// A part of a log. An export yields them in the order of the variants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The log that follows.
    Begin {
        /// Its epoch.
        epoch: u64,
        /// The newest position that is in the export.
        through: u64,
    },
    /// A record, without its key. They come in the order of the log.
    Record(Record),
    /// A channel of which more is known than its records tell.
    Channel(ChannelState),
    /// An idempotency key.
    Key(KeyState),
    /// The end: nothing is missing.
    End(End),
}

/// What a log knows of a channel besides its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelState {
    /// Its name.
    pub name: String,
    /// The newest record that was dropped.
    pub floor: u64,
    /// The newest record ever.
    pub last: u64,
    /// The record that ended it, if one did.
    pub ended: Option<u64>,
}

/// An idempotency key with its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The channel that it was published to.
    pub channel: String,
    /// The key.
    pub key: String,
    /// The position of the message that was published with it.
    pub seq: u64,
    /// When it is forgotten, in the caller's milliseconds.
    pub until_ms: u64,
}

/// What a log knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The highest position that was given out.
    pub head: u64,
    /// The newest record of any channel that was forgotten.
    pub horizon: u64,
    /// The log's time.
    pub time_ms: u64,
    /// The runs that gave out the positions.
    pub runs: Vec<Run>,
}
