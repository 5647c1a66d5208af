//! Errors: requests that are refused, and calls that the hub's owner must not make.

use core::fmt;

use crate::{Cursor, Seq};

/// Why a client's request was refused. The hub is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The message costs more than its namespace allows.
    MessageTooLarge {
        /// The namespace's limit.
        bytes_max: usize,
    },
    /// The idempotency key is longer than [`Limits::key_bytes_max`](crate::Limits::key_bytes_max),
    /// or empty.
    Key,
    /// The channel has ended.
    Ended {
        /// Its last message.
        at: Seq,
    },
    /// The newest message of the channel is not the expected one.
    Unexpected {
        /// The newest that the hub knows, or zero.
        last: Seq,
    },
    /// The hub has forgotten the channel, and cannot say whether the condition holds. Publish
    /// without a condition.
    Forgotten {
        /// Messages up to here may have been forgotten.
        through: Seq,
    },
    /// The condition depends on a pending message. If the channel's end is pending, any new
    /// publication to it is refused with this. Try again when that message is settled.
    Undecided {
        /// That message.
        pending: Cursor,
    },
    /// Too many messages wait for the log.
    Backlog,
    /// No room for another channel: none may be evicted, or too many have subscribers only.
    Channels,
    /// The subscriber's holder is in as many channels without a message as a holder may be.
    OwnChannels {
        /// The quota.
        most: usize,
    },
    /// Too many channels have ended to remember another.
    Endings,
    /// Too many idempotency keys are remembered: of all channels ([`Limits::keys_max`]), or of this
    /// one. No key is forgotten before its time.
    ///
    /// [`Limits::keys_max`]: crate::Limits::keys_max
    Keys,
    /// No room for another pattern.
    Patterns,
    /// The subscriber's holder is in as many patterns as a holder may be.
    OwnPatterns {
        /// The quota.
        most: usize,
    },
    /// The namespace allows no patterns.
    PatternsOff,
    /// No room for another subscriber.
    Subscribers,
    /// The subscriber has too many subscriptions.
    Subscriptions,
    /// The subscriber has this subscription already.
    Subscribed,
}

impl Refusal {
    /// Whether the same request may succeed later without a change by its client: the pending
    /// message is settled, or a full table has room again. After any other refusal the client
    /// should not repeat it.
    pub const fn passes(self) -> bool {
        match self {
            Self::Undecided { .. }
            | Self::Backlog
            | Self::Channels
            | Self::OwnChannels { .. }
            | Self::Patterns
            | Self::OwnPatterns { .. }
            | Self::Keys
            | Self::Subscribers => true,
            Self::MessageTooLarge { .. }
            | Self::Key
            | Self::Ended { .. }
            | Self::Unexpected { .. }
            | Self::Forgotten { .. }
            | Self::Endings
            | Self::PatternsOff
            | Self::Subscriptions
            | Self::Subscribed => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageTooLarge { bytes_max } => {
                write!(f, "the message is over {bytes_max} bytes")
            }
            Self::Key => f.write_str("the idempotency key is empty or too long"),
            Self::Ended { at } => write!(f, "the channel has ended at {}", at.0),
            Self::Unexpected { last } => write!(f, "the channel's last message is {}", last.0),
            Self::Forgotten { .. } => {
                f.write_str("what the channel's last message is has been forgotten")
            }
            Self::Undecided { pending } => write!(f, "that depends on {pending}, which is pending"),
            Self::Backlog => f.write_str("too many messages wait for the log"),
            Self::Channels => f.write_str("there are too many channels"),
            Self::OwnChannels { most } => {
                write!(f, "this user or address is in {most} channels without a message already")
            }
            Self::Endings => f.write_str("too many channels have ended"),
            Self::Keys => f.write_str("too many idempotency keys are remembered"),
            Self::Patterns => f.write_str("there are too many patterns"),
            Self::OwnPatterns { most } => {
                write!(f, "this user or address is in {most} patterns already")
            }
            Self::PatternsOff => f.write_str("the namespace takes no patterns"),
            Self::Subscribers => f.write_str("there are too many subscribers"),
            Self::Subscriptions => f.write_str("the subscriber has too many subscriptions"),
            Self::Subscribed => f.write_str("the subscriber has this subscription"),
        }
    }
}

impl core::error::Error for Refusal {}

/// A call that the hub's owner must not make. The hub is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// No message is pending at this position: none was admitted, it is settled, or the epoch is
    /// another.
    NotPending,
    /// An older message comes first: commits follow the log's order.
    OutOfOrder {
        /// The position that comes next.
        next: Seq,
    },
    /// Messages of the hub's own are pending, so it cannot follow another sequencer.
    Pending,
    /// The epoch is the current one.
    SameEpoch,
    /// A burst waits for [`Hub::deliver_burst`](crate::Hub::deliver_burst).
    Burst,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPending => f.write_str("nothing is pending at this position"),
            Self::OutOfOrder { next } => write!(f, "position {} comes first", next.0),
            Self::Pending => f.write_str("messages of the hub's own are pending"),
            Self::SameEpoch => f.write_str("the epoch is not a new one"),
            Self::Burst => f.write_str("messages wait to be delivered"),
        }
    }
}

impl core::error::Error for Misuse {}
